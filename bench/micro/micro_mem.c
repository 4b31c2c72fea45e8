// SPDX-License-Identifier: BSD-3-Clause
// What everything is made of: copies, lines of memory by their distance, and mbufs taken and given
// back.
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

// ---- lines of memory in no order. Each waited for: mem/latency. Fetched as far ahead as a burst
// is looked at: mem/line, and in blocks as long as a key of AES-256-GCM, mem/block.

#define LINE 64
#define BLOCK (16 * LINE)
#define LINES_AHEAD 32
#define BLOCKS_AHEAD 8

struct line_state {
	uint8_t *mem;
	uint32_t *order;   // of its lines or blocks
	uint32_t n, at;    // n is a power of two
	size_t size, next; // of each; where the chain goes on
	uint64_t sum;
};

static void line_teardown(void *state)
{
	struct line_state *s = state;

	micro_free(s->mem);
	micro_free(s->order);
	micro_free(s);
}

static void shuffle(struct line_state *s)
{
	uint64_t r = 1;

	for (uint32_t i = 0; i < s->n; i++)
		s->order[i] = i;
	for (uint32_t i = s->n - 1; i > 0; i--) {
		uint32_t k, t = s->order[i];

		r = r * 6364136223846793005u + 1442695040888963407u;
		k = (uint32_t)((r >> 33) % (i + 1));
		s->order[i] = s->order[k];
		s->order[k] = t;
	}
}

static void *line_setup(const struct micro_case *c, char *why, size_t cap)
{
	struct line_state *s = micro_alloc(sizeof(*s));

	snprintf(why, cap, "no memory");
	if (!s)
		return NULL;
	s->size = c->bytes;
	s->n = (uint32_t)(((size_t)c->arg[0] << 20) / s->size);
	s->mem = micro_alloc(s->n * s->size);
	s->order = micro_alloc(s->n * sizeof(*s->order));
	if (!s->mem || !s->order) {
		line_teardown(s);
		return NULL;
	}
	shuffle(s);
	for (uint32_t i = 0; i < s->n; i++) { // each line says where the next one is
		size_t to = s->order[(i + 1) & (s->n - 1)] * s->size;

		memcpy(s->mem + s->order[i] * s->size, &to, sizeof(to));
	}
	return s;
}

static void latency_run(void *state, unsigned int phase)
{
	struct line_state *s = state;
	size_t at = s->next;

	for (int i = 0; i < MICRO_BURST; i++)
		memcpy(&at, s->mem + at, sizeof(at));
	s->next = at;
}

static void line_run(void *state, unsigned int phase)
{
	struct line_state *s = state;

	for (int i = 0; i < MICRO_BURST; i++) {
		uint32_t at = s->at + (uint32_t)i, ahead = at + LINES_AHEAD;

		__builtin_prefetch(s->mem + (size_t)s->order[ahead & (s->n - 1)] * LINE);
		s->sum += s->mem[(size_t)s->order[at & (s->n - 1)] * LINE];
	}
	s->at += MICRO_BURST;
}

static void block_run(void *state, unsigned int phase)
{
	struct line_state *s = state;

	for (int i = 0; i < MICRO_BURST; i++) {
		uint32_t at = s->at + (uint32_t)i, ahead = at + BLOCKS_AHEAD;
		const uint8_t *to = s->mem + (size_t)s->order[ahead & (s->n - 1)] * BLOCK;
		const uint8_t *from = s->mem + (size_t)s->order[at & (s->n - 1)] * BLOCK;

		for (unsigned int k = 0; k < BLOCK; k += LINE)
			__builtin_prefetch(to + k);
		for (unsigned int k = 0; k < BLOCK; k += LINE)
			s->sum += from[k];
	}
	s->at += MICRO_BURST;
}

static const struct micro_ops line_ops = {
	.setup = line_setup, .run = line_run, .teardown = line_teardown};
static const struct micro_ops latency_ops = {
	.setup = line_setup, .run = latency_run, .teardown = line_teardown};
static const struct micro_ops block_ops = {
	.setup = line_setup, .run = block_run, .teardown = line_teardown};

// ---- mbufs

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
	static const int64_t mib[] = {1, 4, 16, 64, 256};
	static const struct {
		const struct micro_ops *ops;
		const char *unit, *name;
		uint32_t size;
	} kinds[] = {{&latency_ops, "line", "mem/latency/%dM", LINE},
		{&line_ops, "line", "mem/line/%dM", LINE},
		{&block_ops, "block", "mem/block/%dM", BLOCK}};

	for (size_t i = 0; i < RTE_DIM(sizes); i++) {
		struct micro_case *c = micro_add(s, &copy_ops, "copy", "mem/copy/%u", sizes[i]);

		c->bytes = sizes[i];
		if (sizes[i] > STRIDE)
			c->batch = MICRO_BURST / 8;
		with_anchor(c);
	}
	for (size_t i = 0; i < RTE_DIM(kinds) * RTE_DIM(mib); i++) {
		size_t k = i / RTE_DIM(mib);
		struct micro_case *c = micro_add(
			s, kinds[k].ops, kinds[k].unit, kinds[k].name, (int)mib[i % RTE_DIM(mib)]);

		c->arg[0] = mib[i % RTE_DIM(mib)];
		c->bytes = kinds[k].size;
		with_anchor(c);
	}
	with_anchor(micro_add(s, &alloc_ops, "mbuf", "mbuf/one-by-one"));
	with_anchor(micro_add(s, &bulk_ops, "mbuf", "mbuf/bulk"));
}
