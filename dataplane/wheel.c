// SPDX-License-Identifier: BSD-3-Clause
// Four levels of slots. A timer sits on the level of its distance and moves down when that level's
// slot comes due, so that start and stop take constant time and each timer moves at most three
// times. Bitmaps of used slots let the clock jump over empty ones.
//
// A slot holds its timers' addresses in chunks of one cache line, not in a list through the timers:
// those of many connections are far apart, and a list would wait for each before it finds the next.
#include <stddef.h>
#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_debug.h>
#include <rte_malloc.h>

#include "dataplane/wheel.h"

#define LEVELS 4
#define BITS0 10 // of level 0: with ticks of 250 us the shortest timeouts never move
#define BITS 8   // of the others
#define CHUNK 7
#define PLACES 8 // place = chunk * PLACES + index

struct chunk {
	uint32_t prev; // in the slot, or in the list of free ones; 0: none
	uint32_t n;
	struct wheel_timer *t[CHUNK];
};

_Static_assert(sizeof(struct chunk) == RTE_CACHE_LINE_MIN_SIZE, "one cache line");

#define SLOTS0 (1u << BITS0)
#define SLOTS (1u << BITS)
#define ALL_SLOTS (SLOTS0 + (LEVELS - 1) * SLOTS)

struct wheel {
	uint64_t cur;  // last tick processed, or being processed
	uint64_t next; // nothing happens before this tick
	uint32_t tick_us;
	uint32_t running;
	uint32_t free;
	struct chunk *chunk;
	uint64_t used[ALL_SLOTS / 64];
	uint32_t last[ALL_SLOTS]; // chunk of each slot; only this one is not full
};

static inline unsigned int level_shift(unsigned int level)
{
	return level ? BITS0 + BITS * (level - 1) : 0;
}

static inline unsigned int level_slots(unsigned int level)
{
	return level ? SLOTS : SLOTS0;
}

static inline unsigned int level_first(unsigned int level)
{
	return level ? SLOTS0 + SLOTS * (level - 1) : 0;
}

struct wheel *wheel_create(uint32_t tick_us, uint32_t max_timers, uint64_t now_us)
{
	// Full ones, and one in each slot that is not. 0 is none.
	uint32_t n = max_timers / CHUNK + RTE_MIN(max_timers, ALL_SLOTS) + 2;
	struct wheel *w;

	if (!tick_us)
		return NULL;
	w = rte_zmalloc("wheel", sizeof(*w), RTE_CACHE_LINE_SIZE);
	if (!w)
		return NULL;
	w->chunk = rte_zmalloc("wheel", n * sizeof(*w->chunk), RTE_CACHE_LINE_SIZE);
	if (!w->chunk) {
		rte_free(w);
		return NULL;
	}
	for (uint32_t i = n - 1; i; i--) {
		w->chunk[i].prev = w->free;
		w->free = i;
	}
	w->tick_us = tick_us;
	w->cur = now_us / tick_us;
	w->next = UINT64_MAX;
	return w;
}

void wheel_destroy(struct wheel *w)
{
	if (w)
		rte_free(w->chunk);
	rte_free(w);
}

static void slot_add(struct wheel *w, unsigned int slot, struct wheel_timer *t)
{
	uint32_t i = w->last[slot];
	struct chunk *c = &w->chunk[i];

	if (!i || c->n == CHUNK) {
		uint32_t prev = i;

		i = w->free;
		RTE_VERIFY(i); // more timers than the wheel was made for
		c = &w->chunk[i];
		w->free = c->prev;
		c->prev = prev;
		c->n = 0;
		w->last[slot] = i;
		w->used[slot / 64] |= 1ull << (slot % 64);
	}
	t->slot = slot;
	t->place = i * PLACES + c->n;
	c->t[c->n++] = t;
}

// The slot's last timer, taken out. There is one.
static struct wheel_timer *slot_pop(struct wheel *w, unsigned int slot)
{
	uint32_t i = w->last[slot];
	struct chunk *c = &w->chunk[i];
	struct wheel_timer *t = c->t[--c->n];

	if (!c->n) {
		w->last[slot] = c->prev;
		c->prev = w->free;
		w->free = i;
		if (!w->last[slot])
			w->used[slot / 64] &= ~(1ull << (slot % 64));
	}
	return t;
}

// The first tick at which t may fire: rounded up, so never early.
static uint64_t timer_tick(const struct wheel *w, const struct wheel_timer *t)
{
	return t->at_us / w->tick_us + (t->at_us % w->tick_us != 0);
}

// Put t on the level of its distance; min is the earliest tick allowed. Beyond the wheel's reach it
// waits in the farthest slot and is placed anew when that comes due.
static void insert(struct wheel *w, struct wheel_timer *t, uint64_t min)
{
	uint64_t tick = timer_tick(w, t), delta;
	unsigned int level = 0, shift;

	if (tick < min)
		tick = min;
	delta = tick - w->cur;
	while (level < LEVELS - 1 && delta >> level_shift(level + 1))
		level++;
	if (delta >> level_shift(LEVELS))
		tick = w->cur + (1ull << level_shift(LEVELS)) - 1;
	shift = level_shift(level);
	tick >>= shift;
	w->next = RTE_MIN(w->next, tick << shift);
	slot_add(w, level_first(level) + tick % level_slots(level), t);
}

void wheel_stop(struct wheel *w, struct wheel_timer *t)
{
	struct wheel_timer *last;

	if (!wheel_running(t))
		return;
	last = slot_pop(w, t->slot); // takes t's place, unless it is t
	if (last != t) {
		w->chunk[t->place / PLACES].t[t->place % PLACES] = last;
		last->place = t->place;
	}
	t->place = 0;
	if (!--w->running)
		w->next = UINT64_MAX;
}

void wheel_start(struct wheel *w, struct wheel_timer *t, uint64_t at_us)
{
	wheel_stop(w, t);
	t->at_us = at_us;
	insert(w, t, w->cur + 1);
	w->running++;
}

// Distance in slots from `from` to the first used slot of a level, from first to last apart; more
// than all slots: none.
static unsigned int scan(
	const struct wheel *w, unsigned int level, unsigned int from, unsigned int first)
{
	unsigned int d = first, slots = level_slots(level);

	while (d < first + slots) {
		unsigned int i = level_first(level) + (from + d) % slots;
		uint64_t bits = w->used[i / 64] >> (i % 64);

		if (bits) {
			d += (unsigned int)__builtin_ctzll(bits);
			return d < first + slots ? d : slots + 1;
		}
		d += 64 - i % 64;
	}
	return slots + 1;
}

// The next tick at which something expires or moves down, UINT64_MAX: none.
static uint64_t next_tick(const struct wheel *w)
{
	uint64_t best = UINT64_MAX;

	if (!w->running)
		return best;
	for (unsigned int level = 0; level < LEVELS; level++) {
		unsigned int shift = level_shift(level), slots = level_slots(level);
		uint64_t base = w->cur >> shift;
		// Level 0 may still hold timers of the current tick; on the others the current slot
		// is a whole turn away.
		unsigned int d = scan(w, level, (unsigned int)(base % slots), level ? 1 : 0);

		if (d <= slots && (base + d) << shift < best)
			best = (base + d) << shift;
	}
	return best;
}

// All of a slot to the levels below.
static void move_down(struct wheel *w, unsigned int slot)
{
	uint32_t i = w->last[slot], prev;

	w->last[slot] = 0;
	w->used[slot / 64] &= ~(1ull << (slot % 64));
	for (; i; i = prev) {
		struct chunk c = w->chunk[i];

		prev = c.prev;
		w->chunk[i].prev = w->free;
		w->free = i;
		for (uint32_t k = 0; k < c.n; k++)
			__builtin_prefetch(c.t[k], 1);
		for (uint32_t k = 0; k < c.n; k++)
			insert(w, c.t[k], w->cur);
	}
}

static void cascade(struct wheel *w)
{
	for (unsigned int level = LEVELS - 1; level > 0; level--) {
		unsigned int shift = level_shift(level);

		if (!(w->cur & ((1ull << shift) - 1)))
			move_down(w, level_first(level) + (w->cur >> shift) % SLOTS);
	}
}

unsigned int wheel_advance(struct wheel *w, uint64_t now_us, unsigned int max,
	void (*expired)(void *user, struct wheel_timer *t), void *user)
{
	uint64_t now = now_us / w->tick_us;
	unsigned int n = 0;

	while (n < max && w->next <= now) {
		unsigned int slot;

		w->next = next_tick(w);
		if (w->next > now)
			break;
		if (w->next > w->cur) {
			w->cur = w->next;
			cascade(w);
		}
		slot = w->cur % SLOTS0;
		while (w->last[slot] && n < max) {
			struct wheel_timer *t = slot_pop(w, slot);

			t->place = 0;
			w->running--;
			n++;
			expired(user, t);
		}
	}
	// Nothing moves down before next, so the clock may jump.
	if (w->next > now && now > w->cur)
		w->cur = now;
	return n;
}

uint64_t wheel_next(const struct wheel *w)
{
	return w->next == UINT64_MAX ? UINT64_MAX : w->next * w->tick_us;
}
