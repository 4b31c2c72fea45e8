// SPDX-License-Identifier: BSD-3-Clause
// What came of a numbered stream: lost, reordered and duplicated packets. One thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_BITS 4096u

struct seq_window {
	uint64_t next; // one more than the highest number seen
	uint64_t received, reordered, duplicated;
	uint64_t bits[WINDOW_BITS / 64];
};

// Packet seq arrived. False: it is a duplicate (and counted as such, not as received).
bool seq_window_add(struct seq_window *w, uint64_t seq);
