// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/shaper.h"

#include <string.h>
#include <rte_common.h>

#define RATE_MAX UINT64_C(1000000000000)

static uint64_t slot_us(const struct shaper *s)
{
	return (uint64_t)s->conf.time_s * 1000000 / SHAPER_SLOTS;
}

static bool bursts(const struct dp_rate *r)
{
	return r->bps && r->burst_bps > r->bps && r->threshold_bps && r->time_s;
}

static void choose_rate(struct shaper *s)
{
	uint64_t units = 0, bits;

	for (unsigned int i = 0; i < SHAPER_SLOTS; i++)
		units += s->slots[i];
	bits = (units << s->slot_shift) * 8;
	s->rate = bits < s->conf.threshold_bps * s->conf.time_s ? s->conf.burst_bps : s->conf.bps;
}

void shaper_average(struct shaper *s, uint64_t now_us)
{
	uint64_t us = slot_us(s), over = 1 + (now_us - s->slot_end_us) / us;

	s->slots[s->slot] = (uint32_t)RTE_MIN(s->slot_bytes >> s->slot_shift, (uint64_t)UINT32_MAX);
	s->slot_bytes = 0;
	s->slot = (s->slot + 1) % SHAPER_SLOTS;
	s->slot_end_us += over * us;
	// In those behind it nothing passed, and the first of the last sixteen is not over.
	for (uint64_t i = 1; i < RTE_MIN(over, (uint64_t)SHAPER_SLOTS + 1); i++) {
		s->slots[s->slot] = 0;
		s->slot = (s->slot + 1) % SHAPER_SLOTS;
	}
	choose_rate(s);
}

// Large enough that what passes at most in a slot fits its 32 bits.
static uint8_t shift_for(const struct dp_rate *r)
{
	uint64_t most = r->burst_bps / 8 / SHAPER_SLOTS * r->time_s * 4;
	uint8_t shift = 0;

	while (most >> shift > UINT32_MAX)
		shift++;
	return shift;
}

void shaper_set(struct shaper *s, const struct dp_rate *conf, uint64_t now_us)
{
	struct dp_rate c = *conf;
	bool same_slots;

	c.bps = RTE_MIN(c.bps, RATE_MAX);
	c.burst_bps = RTE_MIN(c.burst_bps, RATE_MAX);
	if (!bursts(&c))
		c = (struct dp_rate){.bps = c.bps};
	if (s->rate && !memcmp(&c, &s->conf, sizeof(c)))
		return;
	same_slots = s->slot_end_us && bursts(&c) && c.time_s == s->conf.time_s &&
		     shift_for(&c) == s->slot_shift;
	if (!s->rate) {
		s->tokens = (int64_t)(c.bps * SHAPER_DEPTH_US);
		s->filled_us = now_us;
	}
	s->conf = c;
	s->rate = c.bps;
	if (!bursts(&c)) {
		s->slot_end_us = 0;
		return;
	}
	if (!same_slots) {
		memset(s->slots, 0, sizeof(s->slots));
		s->slot_bytes = 0;
		s->slot = 0;
		s->slot_shift = shift_for(&c);
		s->slot_end_us = now_us + slot_us(s);
	}
	choose_rate(s);
}
