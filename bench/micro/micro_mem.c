// SPDX-License-Identifier: BSD-3-Clause
// What everything is made of: copies, and mbufs taken and given back.
#include <string.h>

#include "bench/micro/micro.h"

#define STRIDE 2688 // of the worker's mbufs in memory
#define ROOM 256

struct mem_state {
	uint8_t *src, *dst;
	size_t len, stride, n;
	struct rte_mbuf *m[MICRO_BURST];
};

static void mem_teardown(void *state)
{
	struct mem_state *s = state;

	micro_free(s->src);
	micro_free(s->dst);
	micro_free(s);
}

static void *mem_setup(const struct micro_case *c, char *why, size_t cap)
{
	struct mem_state *s = micro_alloc(sizeof(*s));
	snprintf(why, cap, "no memory");
	if (!s)
		return NULL;
	s->len = c->bytes;
	s->n = c->batch;
	s->stride = s->len + ROOM <= STRIDE ? STRIDE : s->len + ROOM;
	s->src = micro_alloc(s->n * s->stride);
	s->dst = micro_alloc(s->n * s->stride);
	if (s->src && s->dst && micro_pool())
		return s;
	mem_teardown(s);
	return NULL;
}

static void copy_run(void *state, unsigned int phase)
{
	struct mem_state *s = state;
	size_t len = s->len;

	for (size_t i = 0; i < s->n; i++) {
		__asm__("" : "+r"(len)); // a length that the compiler does not know
		memcpy(s->dst + i * s->stride + 192, s->src + i * s->stride + 130, len);
	}
}

static void alloc_run(void *state, unsigned int phase)
{
	struct mem_state *s = state;

	for (int i = 0; i < MICRO_BURST; i++)
		s->m[i] = rte_pktmbuf_alloc(micro_pool());
	for (int i = 0; i < MICRO_BURST; i++)
		rte_pktmbuf_free(s->m[i]);
}

static void bulk_run(void *state, unsigned int phase)
{
	struct mem_state *s = state;

	if (rte_pktmbuf_alloc_bulk(micro_pool(), s->m, MICRO_BURST) == 0)
		rte_pktmbuf_free_bulk(s->m, MICRO_BURST);
}

static const struct micro_ops copy_ops = {
	.setup = mem_setup, .run = copy_run, .teardown = mem_teardown};
static const struct micro_ops alloc_ops = {
	.setup = mem_setup, .run = alloc_run, .teardown = mem_teardown};
static const struct micro_ops bulk_ops = {
	.setup = mem_setup, .run = bulk_run, .teardown = mem_teardown};

static void with_anchor(struct micro_case *c)
{
	snprintf(c->anchor, sizeof(c->anchor), "%s", micro_anchor());
}

void micro_mem_cases(struct micro_suite *s)
{
	static const uint32_t sizes[] = {64, 256, 1420, 16384};

	for (size_t i = 0; i < RTE_DIM(sizes); i++) {
		struct micro_case *c = micro_add(s, &copy_ops, "copy", "mem/copy/%u", sizes[i]);

		c->bytes = sizes[i];
		if (sizes[i] > STRIDE)
			c->batch = MICRO_BURST / 8;
		with_anchor(c);
	}
	with_anchor(micro_add(s, &alloc_ops, "mbuf", "mbuf/one-by-one"));
	with_anchor(micro_add(s, &bulk_ops, "mbuf", "mbuf/bulk"));
}
