// SPDX-License-Identifier: BSD-3-Clause
// One direction's rate limit as RouterOS means it: a token bucket of max-limit, and burst-limit in
// its place while the average over burst-time is below burst-threshold. The average is that of the
// last 16 sixteenths of burst-time, looked at whenever one ends. Pure; time is the caller's.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <rte_common.h>

#include "dataplane/dp_msg.h"

#define SHAPER_SLOTS 16
// What an idle session may send at once, in time at its rate: RouterOS's bucket-size of 0.1. A
// worker that is held up for as long loses nothing, and over ten seconds it is one percent.
#define SHAPER_DEPTH_US 100000

struct shaper {
	uint64_t rate;  // bits a second now, 0: no limit
	int64_t tokens; // millionths of a bit; above 0 a packet may pass
	uint64_t filled_us;
	uint64_t slot_end_us; // 0: no burst
	uint64_t slot_bytes;  // passed in the slot that is not over
	struct dp_rate conf;
	uint8_t slot;       // that is not over
	uint8_t slot_shift; // of slots' bytes, so that they fit
	uint32_t slots[SHAPER_SLOTS];
};

// Begin, or go on under another limit: what passed before still counts when only numbers changed
// that leave it its meaning.
void shaper_set(struct shaper *s, const struct dp_rate *conf, uint64_t now_us);
// Ends slots that are over, and chooses the rate (out of line: once in a sixteenth of burst-time).
void shaper_average(struct shaper *s, uint64_t now_us);

static inline bool shaper_on(const struct shaper *s)
{
	return s->rate != 0;
}

// Whether a packet may pass now. One that may takes the bucket below 0 if need be, by its own
// length at most: on average that is the same, and no packet is too large.
static inline bool shaper_open(struct shaper *s, uint64_t now_us)
{
	uint64_t us = now_us - s->filled_us;
	int64_t depth;

	if (!s->rate)
		return true;
	if (s->slot_end_us && now_us >= s->slot_end_us)
		shaper_average(s, now_us);
	if (us) {
		// No overflow: 4 * 10^18 at most, and what is full by then stays so.
		us = RTE_MIN(us, s->rate > 1000000000 ? UINT64_C(1000000) : UINT64_C(4000000000));
		depth = (int64_t)(s->rate * SHAPER_DEPTH_US);
		s->tokens = RTE_MIN(s->tokens + (int64_t)(us * s->rate), depth);
		s->filled_us = now_us;
	}
	return s->tokens > 0;
}

// Bytes passed.
static inline void shaper_take(struct shaper *s, uint64_t bytes)
{
	if (!s->rate)
		return;
	s->tokens -= (int64_t)(bytes * 8 * 1000000);
	s->slot_bytes += bytes;
}

// When it opens again, after shaper_open() said no.
static inline uint64_t shaper_opens_us(const struct shaper *s)
{
	return s->filled_us + (uint64_t)-s->tokens / s->rate + 1;
}
