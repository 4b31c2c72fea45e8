// SPDX-License-Identifier: BSD-3-Clause
#include "bench/link/line.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000ull
#define HEAP_FIRST 256u
#define ETHER_HDR 14u
#define GOLDEN 0x9e3779b97f4a7c15ull
#define DRAWS_MAX 16              // random numbers that one frame may take
#define REORDER_MIN_NS 1000000ull // held back by up to this, or half of the delay

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t next_random(struct line *l) // splitmix64
{
	uint64_t z = l->rng += GOLDEN;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

// 0 .. n - 1.
static uint64_t below(struct line *l, uint64_t n)
{
	return (uint64_t)((unsigned __int128)next_random(l) * n >> 64);
}

static bool happens(struct line *l, uint32_t ppm)
{
	return below(l, LINE_PPM) < ppm;
}

void line_init(struct line *l, const struct line_config *cfg, uint64_t seed)
{
	memset(l, 0, sizeof(*l));
	l->cfg = *cfg;
	l->seed = seed;
}

void line_fini(struct line *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		free(l->heap[i]);
	free(l->heap);
	l->heap = NULL;
	l->n = l->room = 0;
}

// ---- frames under way, a heap by time

static bool sooner(const struct line_frame *a, const struct line_frame *b)
{
	return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->order < b->order);
}

static bool heap_put(struct line *l, struct line_frame *f)
{
	uint32_t i = l->n;

	if (l->n == l->room) {
		uint32_t room = l->room ? 2 * l->room : HEAP_FIRST;
		struct line_frame **heap = realloc(l->heap, room * sizeof(*heap));

		if (!heap)
			return false;
		l->heap = heap;
		l->room = room;
	}
	l->n++;
	for (; i && sooner(f, l->heap[(i - 1) / 2]); i = (i - 1) / 2)
		l->heap[i] = l->heap[(i - 1) / 2];
	l->heap[i] = f;
	return true;
}

static struct line_frame *heap_get(struct line *l)
{
	struct line_frame *top = l->heap[0], *last = l->heap[--l->n];
	uint32_t i = 0, child;

	while ((child = 2 * i + 1) < l->n) {
		if (child + 1 < l->n && sooner(l->heap[child + 1], l->heap[child]))
			child++;
		if (!sooner(l->heap[child], last))
			break;
		l->heap[i] = l->heap[child];
		i = child;
	}
	l->heap[i] = last;
	return top;
}

// ---- the bottleneck

// Time that the bottleneck takes for some bytes.
static uint64_t wire_ns(const struct line *l, uint64_t bytes)
{
	return (uint64_t)((unsigned __int128)bytes * 8 * NS_PER_S / l->cfg.rate_bps);
}

// How long a frame that comes now would wait before its first bit leaves.
static uint64_t wait_ns(const struct line *l, uint64_t now_ns)
{
	return l->free_ns > now_ns ? l->free_ns - now_ns : 0;
}

uint64_t line_backlog(const struct line *l, uint64_t now_ns)
{
	if (!l->cfg.rate_bps)
		return 0;
	return (uint64_t)((unsigned __int128)wait_ns(l, now_ns) * l->cfg.rate_bps / (8 * NS_PER_S));
}

static bool queue_full(const struct line *l, uint32_t len, uint64_t now_ns)
{
	uint64_t wait = wait_ns(l, now_ns);

	if (l->cfg.limit && wait && line_backlog(l, now_ns) + len > l->cfg.limit)
		return true;
	return l->cfg.limit_ns && wait > l->cfg.limit_ns;
}

// When the last bit of a frame that comes at now_ns has left the bottleneck.
static uint64_t pass(struct line *l, uint32_t len, uint64_t now_ns)
{
	unsigned __int128 took; // in 2^-32 ns, so that nothing adds up over many frames
	uint64_t start, wait = wait_ns(l, now_ns);

	// The bucket is full when the line was idle for as long as it takes to fill it.
	start = now_ns - min_u64(wire_ns(l, l->cfg.burst), now_ns);
	if (l->free_ns < start) {
		l->free_ns = start;
		l->free_frac = 0;
	}
	took = ((unsigned __int128)len * 8 * NS_PER_S << 32) / l->cfg.rate_bps + l->free_frac;
	l->free_ns += (uint64_t)(took >> 32);
	l->free_frac = (uint32_t)took;
	l->stats.wait_max_ns = max_u64(l->stats.wait_max_ns, wait);
	l->stats.wait_sum_ns += (double)wait;
	l->stats.queue_max = max_u64(l->stats.queue_max, line_backlog(l, now_ns));
	return max_u64(l->free_ns, now_ns);
}

// ---- in and out

static void depart(struct line *l, const uint8_t *data, uint32_t len, uint64_t due_ns, bool corrupt)
{
	struct line_frame *f = malloc(sizeof(*f) + len);

	if (!f || (f->due_ns = due_ns, f->order = l->order++, !heap_put(l, f))) {
		free(f);
		l->stats.no_memory++;
		return;
	}
	f->len = len;
	memcpy(f->data, data, len);
	if (!corrupt)
		return;
	// One bit behind the Ethernet header, so that it reaches the other side.
	uint64_t first = len > ETHER_HDR ? ETHER_HDR * 8u : 0;
	uint64_t bit = first + below(l, len * 8ull - first);

	f->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	l->stats.corrupted++;
}

void line_push(struct line *l, const uint8_t *data, uint32_t len, uint64_t now_ns)
{
	const struct line_config *c = &l->cfg;
	bool lost, reorder, twice, corrupt;
	uint64_t due = now_ns;

	// Every frame has numbers of its own, and draws for every kind of accident: whether frame n
	// is lost does not depend on what else is configured.
	l->rng = l->seed + l->stats.in++ * DRAWS_MAX * GOLDEN;
	lost = happens(l, c->loss);
	reorder = happens(l, c->reorder);
	twice = happens(l, c->duplicate);
	corrupt = happens(l, c->corrupt);
	l->stats.in_bytes += len;
	if (!len)
		return;
	if (c->rate_bps) {
		if (queue_full(l, len + c->overhead, now_ns)) {
			l->stats.queue_drops++;
			return;
		}
		due = pass(l, len + c->overhead, now_ns);
	}
	// Behind the bottleneck: what is lost there has used it.
	if (lost) {
		l->stats.lost++;
		return;
	}
	due += c->delay_ns + (c->jitter_ns ? below(l, c->jitter_ns + 1) : 0);
	if (reorder) {
		l->stats.reordered++;
		due += below(l, max_u64(c->delay_ns / 2, REORDER_MIN_NS)) + 1;
	} else {
		due = max_u64(due, l->last_due_ns);
		l->last_due_ns = due;
	}
	depart(l, data, len, due, corrupt);
	if (twice) {
		l->stats.duplicated++;
		depart(l, data, len, due, false);
	}
}

uint64_t line_next(const struct line *l)
{
	return l->n ? l->heap[0]->due_ns : UINT64_MAX;
}

struct line_frame *line_pop(struct line *l, uint64_t now_ns)
{
	struct line_frame *f;

	if (line_next(l) > now_ns || !l->n)
		return NULL;
	f = heap_get(l);
	l->stats.out++;
	l->stats.out_bytes += f->len;
	return f;
}
