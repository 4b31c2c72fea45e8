// SPDX-License-Identifier: BSD-3-Clause
// A stream of bytes cut into segments of one size, as a kernel's TCP cuts what a client writes:
// where one write ends has nothing to do with where a segment does. One thread.
#pragma once

#include <stdint.h>
#include <rte_mbuf.h>

// Fresh mbufs that a cut must needs have for n more bytes behind a tail (NULL: none).
static inline uint32_t cut_need(const struct rte_mbuf *tail, uint16_t mss, uint32_t n)
{
	uint32_t room = tail && tail->data_len < mss ? (uint32_t)(mss - tail->data_len) : 0;

	return n <= room ? 0 : (n - room + mss - 1) / mss;
}

// Append n bytes behind *tail, the segment that is not full yet; segments of mss bytes become full
// and go to out[0..), what remains is *tail (NULL: nothing). spare: at least cut_need() empty mbufs
// with their data_off set, of which the last of *nb_spare are used first. Returns how many are in
// out.
uint16_t cut_put(struct rte_mbuf **tail, uint16_t mss, const uint8_t *p, uint32_t n,
	struct rte_mbuf **spare, uint32_t *nb_spare, struct rte_mbuf **out);
