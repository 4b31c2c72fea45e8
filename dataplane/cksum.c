// SPDX-License-Identifier: BSD-3-Clause
// Long sums. One's complement addition does not mind the width of its words: 32-bit ones are added
// into 64-bit lanes, which no packet overflows.
#include "dataplane/cksum.h"

static uint64_t sum_scalar(const uint8_t *p, size_t n)
{
	uint64_t a = 0, b = 0, w[2];

	for (; n >= 16; n -= 16, p += 16) {
		memcpy(w, p, 16);
		a += (w[0] & 0xffffffff) + (w[0] >> 32);
		b += (w[1] & 0xffffffff) + (w[1] >> 32);
	}
	return a + b + cksum_sum_short(p, n);
}

#ifdef RTE_ARCH_X86_64
#include <immintrin.h>

__attribute__((target("avx2"))) static uint64_t sum_avx2(const uint8_t *p, size_t n)
{
	const __m256i low = _mm256_set1_epi64x(0xffffffff);
	__m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
	uint64_t lane[4];

	for (; n >= 64; n -= 64, p += 64) {
		__m256i v = _mm256_loadu_si256((const __m256i *)p);
		__m256i w = _mm256_loadu_si256((const __m256i *)(p + 32));

		a = _mm256_add_epi64(a, _mm256_and_si256(v, low));
		b = _mm256_add_epi64(b, _mm256_srli_epi64(v, 32));
		c = _mm256_add_epi64(c, _mm256_and_si256(w, low));
		d = _mm256_add_epi64(d, _mm256_srli_epi64(w, 32));
	}
	a = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
	_mm256_storeu_si256((__m256i *)lane, a);
	return lane[0] + lane[1] + lane[2] + lane[3] + cksum_sum_short(p, n);
}

__attribute__((target("avx512f,avx512bw"))) static uint64_t sum_avx512(const uint8_t *p, size_t n)
{
	const __m512i low = _mm512_set1_epi64(0xffffffff);
	__m512i a = _mm512_setzero_si512(), b = a, c = a, d = a, v;

	for (; n >= 128; n -= 128, p += 128) {
		__m512i w = _mm512_loadu_si512(p + 64);

		v = _mm512_loadu_si512(p);
		a = _mm512_add_epi64(a, _mm512_and_si512(v, low));
		b = _mm512_add_epi64(b, _mm512_srli_epi64(v, 32));
		c = _mm512_add_epi64(c, _mm512_and_si512(w, low));
		d = _mm512_add_epi64(d, _mm512_srli_epi64(w, 32));
	}
	while (n) {
		size_t k = n < 64 ? n : 64;

		v = _mm512_maskz_loadu_epi8(~0ull >> (64 - k), p);
		a = _mm512_add_epi64(a, _mm512_and_si512(v, low));
		b = _mm512_add_epi64(b, _mm512_srli_epi64(v, 32));
		n -= k;
		p += k;
	}
	a = _mm512_add_epi64(_mm512_add_epi64(a, b), _mm512_add_epi64(c, d));
	return (uint64_t)_mm512_reduce_add_epi64(a);
}
#endif

static struct cksum_way ways[4] = {{"scalar", sum_scalar}};

uint64_t (*cksum_sum_long)(const uint8_t *p, size_t n) = sum_scalar;

const struct cksum_way *cksum_way(unsigned int i)
{
	return i < RTE_DIM(ways) && ways[i].sum ? &ways[i] : NULL;
}

// What this CPU and its system can do, the widest last.
__attribute__((constructor)) static void choose(void)
{
	unsigned int n = 1;

#ifdef RTE_ARCH_X86_64
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx2"))
		ways[n++] = (struct cksum_way){"avx2", sum_avx2};
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
		ways[n++] = (struct cksum_way){"avx512", sum_avx512};
#endif
	cksum_sum_long = ways[n - 1].sum;
}
