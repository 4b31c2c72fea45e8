// SPDX-License-Identifier: BSD-3-Clause
// When to dial again: back-off that doubles, with jitter so that a server's clients do not all come
// back at once. Pure; any thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/call.h"

#define REDIAL_FIRST_MS 1000u
#define REDIAL_MAX_MS 120000u
#define REDIAL_STABLE_MS 60000u // a call that was up so long begins anew

struct redial {
	uint32_t base_ms; // of the next delay
	uint64_t random;
};

void redial_init(struct redial *r, uint64_t seed);

// The next delay: from half of REDIAL_FIRST_MS, doubled each time up to REDIAL_MAX_MS, to the
// whole.
uint32_t redial_delay_ms(struct redial *r);

// A call was up for so long.
void redial_was_up(struct redial *r, uint64_t ms);

// Whether there is to be a next call, that may end better: not after one that nobody needed.
// refused: what the call says itself (call.h).
bool redial_is_worth(enum call_end why, bool refused);
