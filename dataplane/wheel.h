// SPDX-License-Identifier: BSD-3-Clause
// Hierarchical timer wheel, O(1) start and stop, one thread. Times are microseconds on the owner's
// clock.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct wheel_timer { // embed; all zero is "not running"
	uint64_t at_us;
	uint32_t place; // in the wheel, 0: in none
	uint32_t slot;
};

struct wheel;

// tick_us: resolution, a timer never fires early and at most one tick late. max_timers: as many may
// run at a time. NULL when out of memory.
struct wheel *wheel_create(uint32_t tick_us, uint32_t max_timers, uint64_t now_us);
void wheel_destroy(struct wheel *w);

// (Re)start t to expire at at_us.
void wheel_start(struct wheel *w, struct wheel_timer *t, uint64_t at_us);
void wheel_stop(struct wheel *w, struct wheel_timer *t);

static inline bool wheel_running(const struct wheel_timer *t)
{
	return t->place != 0;
}

// Advance to now and call expired() for up to max timers that are due (each is stopped before; it
// may start or stop any timer). The timers themselves are not read, so that expired() may fetch
// theirs and come back to them later. Returns how many.
unsigned int wheel_advance(struct wheel *w, uint64_t now_us, unsigned int max,
	void (*expired)(void *user, struct wheel_timer *t), void *user);

// When the next timer may be due: never later than the truth; UINT64_MAX: none.
uint64_t wheel_next(const struct wheel *w);
