// SPDX-License-Identifier: BSD-3-Clause
#include "bench/window.h"

#include <string.h>

static uint64_t *word_of(struct seq_window *w, uint64_t seq)
{
	return &w->bits[seq % WINDOW_BITS / 64];
}

bool seq_window_add(struct seq_window *w, uint64_t seq)
{
	uint64_t bit = UINT64_C(1) << seq % 64;

	if (seq >= w->next) {
		if (seq - w->next >= WINDOW_BITS) {
			memset(w->bits, 0, sizeof(w->bits));
			w->next = seq;
		}
		for (; w->next <= seq; w->next++)
			*word_of(w, w->next) &= ~(UINT64_C(1) << w->next % 64);
	} else {
		// Older than the window: when it came first can no longer be said.
		if (w->next - seq <= WINDOW_BITS && (*word_of(w, seq) & bit)) {
			w->duplicated++;
			return false;
		}
		w->reordered++;
	}
	*word_of(w, seq) |= bit;
	w->received++;
	return true;
}
