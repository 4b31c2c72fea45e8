// SPDX-License-Identifier: BSD-3-Clause
// Four levels of 256 slots. A timer sits on the level of its distance and moves down when that
// level's slot comes due, so that start and stop are list operations and each timer moves at most
// three times. Bitmaps of used slots let the clock jump over empty ones.
#include <stddef.h>
#include <rte_malloc.h>

#include "dataplane/wheel.h"

#define LEVELS 4
#define BITS 8
#define SLOTS (1u << BITS)

struct wheel {
	uint64_t cur; // last tick processed, or being processed
	uint32_t tick_us;
	uint32_t running;
	uint64_t used[LEVELS][SLOTS / 64];
	struct wheel_timer *slot[LEVELS][SLOTS];
};

struct wheel *wheel_create(uint32_t tick_us, uint64_t now_us)
{
	struct wheel *w;

	if (!tick_us)
		return NULL;
	w = rte_zmalloc("wheel", sizeof(*w), RTE_CACHE_LINE_SIZE);
	if (!w)
		return NULL;
	w->tick_us = tick_us;
	w->cur = now_us / tick_us;
	return w;
}

void wheel_destroy(struct wheel *w)
{
	rte_free(w);
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
	unsigned int level = 0, i;
	struct wheel_timer **head;

	if (tick < min)
		tick = min;
	delta = tick - w->cur;
	while (level < LEVELS - 1 && delta >> (BITS * (level + 1)))
		level++;
	if (delta >> (BITS * LEVELS))
		tick = w->cur + (1ull << (BITS * LEVELS)) - 1;
	i = (tick >> (BITS * level)) % SLOTS;

	head = &w->slot[level][i];
	t->next = *head;
	if (t->next)
		t->next->pprev = &t->next;
	t->pprev = head;
	*head = t;
	w->used[level][i / 64] |= 1ull << (i % 64);
}

static void unlink_timer(struct wheel_timer *t)
{
	*t->pprev = t->next;
	if (t->next)
		t->next->pprev = t->pprev;
	t->next = NULL;
	t->pprev = NULL;
}

void wheel_stop(struct wheel *w, struct wheel_timer *t)
{
	if (!wheel_running(t))
		return;
	unlink_timer(t); // the bitmap may now be wrong; scanning corrects it
	w->running--;
}

void wheel_start(struct wheel *w, struct wheel_timer *t, uint64_t at_us)
{
	wheel_stop(w, t);
	t->at_us = at_us;
	insert(w, t, w->cur + 1);
	w->running++;
}

// Distance in slots from `from` to the first used slot of a level, from first to last apart; SLOTS
// + 1: none.
static unsigned int scan(struct wheel *w, unsigned int level, unsigned int from, unsigned int first)
{
	unsigned int d = first;

	while (d < first + SLOTS) {
		unsigned int i = (from + d) % SLOTS;
		uint64_t bits = w->used[level][i / 64] >> (i % 64);
		unsigned int skip = 64 - i % 64;

		if (!bits) {
			d += skip;
			continue;
		}
		d += (unsigned int)__builtin_ctzll(bits);
		if (d >= first + SLOTS)
			break;
		i = (from + d) % SLOTS;
		if (w->slot[level][i])
			return d;
		w->used[level][i / 64] &= ~(1ull << (i % 64));
	}
	return SLOTS + 1;
}

// The next tick at which something expires or moves down, UINT64_MAX: none.
static uint64_t next_tick(struct wheel *w)
{
	uint64_t best = UINT64_MAX;

	if (!w->running)
		return best;
	for (unsigned int level = 0; level < LEVELS; level++) {
		uint64_t base = w->cur >> (BITS * level);
		// Level 0 may still hold timers of the current tick; on the others the current slot
		// is a whole turn away.
		unsigned int d = scan(w, level, (unsigned int)(base % SLOTS), level ? 1 : 0);

		if (d <= SLOTS && (base + d) << (BITS * level) < best)
			best = (base + d) << (BITS * level);
	}
	return best;
}

static void cascade(struct wheel *w)
{
	for (unsigned int level = LEVELS - 1; level > 0; level--) {
		unsigned int i = (w->cur >> (BITS * level)) % SLOTS;
		struct wheel_timer *t, *next;

		if (w->cur & ((1ull << (BITS * level)) - 1))
			continue;
		t = w->slot[level][i];
		w->slot[level][i] = NULL;
		w->used[level][i / 64] &= ~(1ull << (i % 64));
		for (; t; t = next) {
			next = t->next;
			insert(w, t, w->cur);
		}
	}
}

unsigned int wheel_advance(struct wheel *w, uint64_t now_us, unsigned int max,
	void (*expired)(void *user, struct wheel_timer *t), void *user)
{
	uint64_t now = now_us / w->tick_us;
	unsigned int n = 0;

	while (n < max) {
		uint64_t tick = next_tick(w);
		struct wheel_timer **head;

		if (tick > now) {
			// Nothing moves down before tick, so the clock may jump.
			if (now > w->cur)
				w->cur = now;
			break;
		}
		if (tick > w->cur) {
			w->cur = tick;
			cascade(w);
		}
		head = &w->slot[0][w->cur % SLOTS];
		while (*head && n < max) {
			struct wheel_timer *t = *head;

			unlink_timer(t);
			w->running--;
			n++;
			expired(user, t);
		}
	}
	return n;
}

uint64_t wheel_next(const struct wheel *w)
{
	uint64_t tick = next_tick((struct wheel *)w); // corrects bitmaps only

	return tick == UINT64_MAX ? tick : tick * w->tick_us;
}
