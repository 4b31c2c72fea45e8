// SPDX-License-Identifier: BSD-3-Clause
// So many a second. Pure; time comes in.
#pragma once

#include <stdint.h>

struct pace {
	double rate; // a second; 0: no bound
	double budget;
	uint64_t last_us;
};

// Whoever was held up does not make up for more than this with a flood.
#define PACE_CATCH_UP_S 0.05

static inline void pace_start(struct pace *p, double rate, uint64_t now_us)
{
	*p = (struct pace){.rate = rate, .last_us = now_us};
}

// How many are due now, in whole units (at least 1) of so many; at most max. They count as done:
// pace_back() when they were not.
static inline unsigned int pace_take(
	struct pace *p, unsigned int unit, unsigned int max, uint64_t now_us)
{
	double most = p->rate * PACE_CATCH_UP_S + unit;
	unsigned int n;

	if (p->rate <= 0)
		return max;
	p->budget += p->rate * (double)(now_us - p->last_us) / 1e6;
	p->last_us = now_us;
	if (p->budget > most)
		p->budget = most;
	n = p->budget < (double)max ? (unsigned int)p->budget : max;
	n -= n % unit;
	p->budget -= n;
	return n;
}

static inline void pace_back(struct pace *p, unsigned int n)
{
	p->budget += n;
}
