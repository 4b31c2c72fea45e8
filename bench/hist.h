// SPDX-License-Identifier: BSD-3-Clause
// Histogram of times: 32 buckets to each power of two, so every figure is right to 3 %. One thread.
#pragma once

#include <stdint.h>

#define HIST_SUB_BITS 5
#define HIST_BUCKETS ((64 - HIST_SUB_BITS + 1) << HIST_SUB_BITS)

struct hist {
	uint64_t n, max;
	double sum;
	uint64_t bucket[HIST_BUCKETS];
};

void hist_add(struct hist *h, uint64_t v);

// The value that a share p (0..1) of all values does not exceed; 0 when there are none.
uint64_t hist_quantile(const struct hist *h, double p);
