// SPDX-License-Identifier: BSD-3-Clause
// A link that loses, duplicates, reorders and corrupts frames, the same way each time from the same
// seed. One direction, one thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <rte_mbuf.h>

#include "bench/gen/gen.h"

#define CHAOS_HELD_MAX 32
#define CHAOS_HOLD_FRAMES 8 // the most that may overtake one
// Frames that chaos_run() may give for n.
#define CHAOS_OUT(n) (2 * (n) + CHAOS_HELD_MAX)

struct chaos {
	double loss, duplicate, reorder, corrupt;
	uint64_t rng;
	struct rte_mempool *pool; // for duplicates
	unsigned int nb_held;
	struct {
		struct rte_mbuf *m;
		unsigned int left; // frames that are still to overtake it
	} held[CHAOS_HELD_MAX];
	uint64_t lost, duplicated, reordered, corrupted;
};

void chaos_init(
	struct chaos *c, const struct gen_chaos *conf, uint64_t seed, struct rte_mempool *pool);
static inline bool chaos_on(const struct gen_chaos *c)
{
	return c->loss > 0 || c->duplicate > 0 || c->reorder > 0 || c->corrupt > 0;
}
// Ethernet frames, nobody else's, in one segment each: consumes all n, fills in at most
// CHAOS_OUT(n) of them and returns how many. Corrupted is one bit of what TCP's checksum covers;
// others than IPv4 TCP are spared that, since nothing would notice. What was held back comes with
// later frames, or with a call in which there are none.
uint16_t chaos_run(struct chaos *c, struct rte_mbuf **in, uint16_t n, struct rte_mbuf **out);
// Frees what is held.
void chaos_fini(struct chaos *c);
