// SPDX-License-Identifier: BSD-3-Clause
// Hierarchical timer wheel, O(1) start and stop, one thread. Times are microseconds on the owner's
// clock.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct wheel_timer { // embed; all zero is "not running"
	struct wheel_timer *next, **pprev;
	uint64_t at_us;
};

struct wheel;

// tick_us: resolution, a timer never fires early and at most one tick late. NULL when out of
// memory.
struct wheel *wheel_create(uint32_t tick_us, uint64_t now_us);
void wheel_destroy(struct wheel *w);

// (Re)start t to expire at at_us.
void wheel_start(struct wheel *w, struct wheel_timer *t, uint64_t at_us);
void wheel_stop(struct wheel *w, struct wheel_timer *t);

static inline bool wheel_running(const struct wheel_timer *t)
{
	return t->pprev != 0;
}

// Advance to now and call expired() for up to max timers that are due (each is stopped before; it
// may start or stop any timer). Returns how many.
unsigned int wheel_advance(struct wheel *w, uint64_t now_us, unsigned int max,
	void (*expired)(void *user, struct wheel_timer *t), void *user);

// When the next timer may be due: never later than the truth; UINT64_MAX: none.
uint64_t wheel_next(const struct wheel *w);
