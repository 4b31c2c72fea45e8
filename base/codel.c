// SPDX-License-Identifier: BSD-3-Clause
#include "base/codel.h"

// Integer square root, rounded down.
static uint32_t isqrt(uint64_t v)
{
	uint64_t r = 0, bit = (uint64_t)1 << 62;

	while (bit > v)
		bit >>= 2;
	for (; bit; bit >>= 2) {
		if (v >= r + bit) {
			v -= r + bit;
			r = (r >> 1) + bit;
		} else {
			r >>= 1;
		}
	}
	return (uint32_t)r;
}

uint64_t codel_control_law(uint64_t t_us, uint32_t count)
{
	// interval / sqrt(count) = interval * 2^10 / sqrt(count * 2^20)
	return t_us +
	       ((uint64_t)CODEL_INTERVAL_US << 10) / isqrt((uint64_t)(count ? count : 1) << 20);
}
