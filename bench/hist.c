// SPDX-License-Identifier: BSD-3-Clause
#include "bench/hist.h"

static unsigned int bucket_of(uint64_t v)
{
	unsigned int top;

	if (v < 1u << HIST_SUB_BITS)
		return (unsigned int)v;
	top = 63u - (unsigned int)__builtin_clzll(v);
	return (top - HIST_SUB_BITS + 1) << HIST_SUB_BITS |
	       (unsigned int)(v >> (top - HIST_SUB_BITS) & ((1u << HIST_SUB_BITS) - 1));
}

// The largest value of a bucket.
static uint64_t bucket_end(unsigned int b)
{
	unsigned int exponent = b >> HIST_SUB_BITS;
	uint64_t sub = b & ((1u << HIST_SUB_BITS) - 1);

	if (!exponent)
		return sub;
	return ((sub | 1u << HIST_SUB_BITS) << (exponent - 1)) + (UINT64_C(1) << (exponent - 1)) -
	       1;
}

void hist_add(struct hist *h, uint64_t v)
{
	h->n++;
	h->sum += (double)v;
	if (v > h->max)
		h->max = v;
	h->bucket[bucket_of(v)]++;
}

uint64_t hist_quantile(const struct hist *h, double p)
{
	uint64_t rank = (uint64_t)(p * (double)h->n), seen = 0, v;

	if (!h->n)
		return 0;
	if (rank >= h->n)
		rank = h->n - 1;
	for (unsigned int b = 0; b < HIST_BUCKETS; b++) {
		seen += h->bucket[b];
		if (seen <= rank)
			continue;
		v = bucket_end(b);
		return v < h->max ? v : h->max;
	}
	return h->max;
}
