// SPDX-License-Identifier: BSD-3-Clause
// CoDel (RFC 8289) for a session's queue: decides at dequeue, by how long packets have stood,
// whether to drop one. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CODEL_TARGET_US 5000
#define CODEL_INTERVAL_US 100000

struct codel {
	uint64_t first_above_us; // when the sojourn time will have been above target for an
				 // interval; 0: it is not
	uint64_t drop_next_us;
	uint32_t count, last_count;
	bool dropping;
};

// 4.3: the next drop comes interval / sqrt(count) after the last one.
uint64_t codel_control_law(uint64_t t_us, uint32_t count);

static inline bool codel_above(struct codel *c, uint64_t sojourn_us, uint32_t left, uint64_t now_us)
{
	// A queue of one packet is no standing queue.
	if (sojourn_us < CODEL_TARGET_US || left <= 1) {
		c->first_above_us = 0;
		return false;
	}
	if (!c->first_above_us) {
		c->first_above_us = now_us + CODEL_INTERVAL_US;
		return false;
	}
	return now_us >= c->first_above_us;
}

// Whether to drop the packet that was just taken from the queue; ask again for the next one taken.
// sojourn_us: how long it stood; left: packets in the queue, this one included.
static inline bool codel_drop(struct codel *c, uint64_t sojourn_us, uint32_t left, uint64_t now_us)
{
	bool above = codel_above(c, sojourn_us, left, now_us);

	if (c->dropping) {
		if (!above) {
			c->dropping = false;
			return false;
		}
		if (now_us < c->drop_next_us)
			return false;
		c->count++;
		c->drop_next_us = codel_control_law(c->drop_next_us, c->count);
		return true;
	}
	if (!above)
		return false;
	// Take up the old drop rate if it was in force not long ago.
	c->dropping = true;
	if (c->count - c->last_count > 1 && now_us < c->drop_next_us + 16 * CODEL_INTERVAL_US)
		c->count = c->count - c->last_count;
	else
		c->count = 1;
	c->drop_next_us = codel_control_law(now_us, c->count);
	c->last_count = c->count;
	return true;
}

// Whether c is as one that never dropped: nothing stands, and no drop rate is remembered.
static inline bool codel_at_rest(const struct codel *c, uint64_t now_us)
{
	return !c->dropping && !c->first_above_us &&
	       (!c->count || now_us >= c->drop_next_us + 16 * CODEL_INTERVAL_US);
}
