// SPDX-License-Identifier: BSD-3-Clause
#include "client/redial.h"

void redial_init(struct redial *r, uint64_t seed)
{
	r->base_ms = REDIAL_FIRST_MS;
	r->random = seed | 1;
}

// xorshift64*: nothing here is secret.
static uint32_t random32(struct redial *r)
{
	r->random ^= r->random >> 12;
	r->random ^= r->random << 25;
	r->random ^= r->random >> 27;
	return (uint32_t)(r->random * UINT64_C(2685821657736338717) >> 32);
}

uint32_t redial_delay_ms(struct redial *r)
{
	uint32_t half = r->base_ms / 2;

	r->base_ms = r->base_ms < REDIAL_MAX_MS / 2 ? r->base_ms * 2 : REDIAL_MAX_MS;
	return half + random32(r) % (half + 1);
}

void redial_was_up(struct redial *r, uint64_t ms)
{
	if (ms >= REDIAL_STABLE_MS)
		r->base_ms = REDIAL_FIRST_MS;
}

bool redial_is_worth(enum call_end why, bool refused)
{
	return why != CALL_END_HANGUP && why != CALL_END_LOCAL && why != CALL_END_IDLE && !refused;
}
