// SPDX-License-Identifier: BSD-3-Clause
#include "bench/gen/chaos.h"

#include <string.h>
#include <rte_ether.h>
#include <rte_ip.h>

static uint64_t next_word(struct chaos *c)
{
	uint64_t z = c->rng += 0x9e3779b97f4a7c15u; // splitmix64

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

// Draws even when the answer is known, so that one probability does not change another's luck.
static bool happens(struct chaos *c, double probability)
{
	return (double)(next_word(c) >> 11) * 0x1p-53 < probability;
}

void chaos_init(
	struct chaos *c, const struct gen_chaos *conf, uint64_t seed, struct rte_mempool *pool)
{
	*c = (struct chaos){.loss = conf->loss,
		.duplicate = conf->duplicate,
		.reorder = conf->reorder,
		.corrupt = conf->corrupt,
		.rng = conf->seed * 2 + seed,
		.pool = pool};
}

void chaos_fini(struct chaos *c)
{
	for (unsigned int i = 0; i < c->nb_held; i++)
		rte_pktmbuf_free(c->held[i].m);
	c->nb_held = 0;
}

static bool is_tcp(const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

	return m->nb_segs == 1 &&
	       m->data_len >= RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr) + 20 &&
	       p[12] == 0x08 && p[13] == 0x00 && p[14] == 0x45 && p[23] == IPPROTO_TCP;
}

static void corrupt(struct chaos *c, struct rte_mbuf *m)
{
	uint64_t r = next_word(c);
	uint8_t *ip;
	uint32_t len;

	if (!is_tcp(m))
		return;
	ip = rte_pktmbuf_mtod_offset(m, uint8_t *, RTE_ETHER_HDR_LEN);
	len = (uint32_t)(ip[2] << 8 | ip[3]); // without padding, which no checksum covers
	if (len < sizeof(struct rte_ipv4_hdr) || len > m->data_len - (uint32_t)RTE_ETHER_HDR_LEN)
		return;
	len -= sizeof(struct rte_ipv4_hdr);
	if (!len)
		return;
	ip[sizeof(struct rte_ipv4_hdr) + (r >> 3) % len] ^= (uint8_t)(1u << (r & 7));
	m->ol_flags &= ~RTE_MBUF_F_RX_L4_CKSUM_MASK;
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_BAD;
	c->corrupted++;
}

static bool hold(struct chaos *c, struct rte_mbuf *m)
{
	unsigned int left = 1 + (unsigned int)(next_word(c) % CHAOS_HOLD_FRAMES);

	if (c->nb_held == CHAOS_HELD_MAX)
		return false;
	c->held[c->nb_held].m = m;
	c->held[c->nb_held++].left = left;
	c->reordered++;
	return true;
}

// One more frame passed: who has waited long enough goes. all: whoever is there.
static uint16_t let_go(struct chaos *c, struct rte_mbuf **out, bool all)
{
	unsigned int kept = 0;
	uint16_t n = 0;

	for (unsigned int i = 0; i < c->nb_held; i++) {
		if (all || !--c->held[i].left)
			out[n++] = c->held[i].m;
		else
			c->held[kept++] = c->held[i];
	}
	c->nb_held = kept;
	return n;
}

uint16_t chaos_run(struct chaos *c, struct rte_mbuf **in, uint16_t n, struct rte_mbuf **out)
{
	uint16_t nb = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = in[i], *copy;
		bool lose = happens(c, c->loss), twice = happens(c, c->duplicate);
		bool late = happens(c, c->reorder), bad = happens(c, c->corrupt);

		if (lose) {
			rte_pktmbuf_free(m);
			c->lost++;
			continue;
		}
		copy = twice ? rte_pktmbuf_copy(m, c->pool, 0, UINT32_MAX) : NULL;
		if (bad)
			corrupt(c, m);
		if (copy) {
			out[nb++] = copy;
			c->duplicated++;
		}
		if (late && hold(c, m))
			continue;
		out[nb++] = m;
		nb += let_go(c, out + nb, false);
	}
	if (!n)
		nb += let_go(c, out + nb, true);
	return nb;
}
