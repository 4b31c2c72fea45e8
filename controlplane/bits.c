// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/bits.h"

#include <errno.h>
#include <stdlib.h>

int bits_init(struct bits *b, uint32_t size)
{
	uint64_t words = size;

	*b = (struct bits){.size = size};
	do {
		words = (words + 63) / 64;
		b->level[b->levels] = calloc(words, sizeof(uint64_t));
		if (!b->level[b->levels]) {
			bits_free(b);
			return -ENOMEM;
		}
		b->levels++;
	} while (words > 1);
	return 0;
}

void bits_free(struct bits *b)
{
	for (unsigned int k = 0; k < b->levels; k++)
		free(b->level[k]);
	*b = (struct bits){0};
}

bool bits_test(const struct bits *b, uint32_t i)
{
	return b->level[0][i / 64] >> i % 64 & 1;
}

void bits_set(struct bits *b, uint32_t i)
{
	if (bits_test(b, i))
		return;
	b->count++;
	for (unsigned int k = 0; k < b->levels; k++, i /= 64)
		b->level[k][i / 64] |= UINT64_C(1) << i % 64;
}

void bits_clear(struct bits *b, uint32_t i)
{
	if (!bits_test(b, i))
		return;
	b->count--;
	for (unsigned int k = 0; k < b->levels; k++, i /= 64) {
		b->level[k][i / 64] &= ~(UINT64_C(1) << i % 64);
		if (b->level[k][i / 64])
			return;
	}
}

// The words of level k that hold members cover bits [0, n).
static uint64_t level_bits(const struct bits *b, unsigned int k)
{
	uint64_t n = b->size;

	while (k--)
		n = (n + 63) / 64;
	return n;
}

uint32_t bits_next(const struct bits *b, uint32_t from)
{
	uint64_t i = from;

	for (unsigned int k = 0; k < b->levels; k++) {
		if (i >= level_bits(b, k))
			return UINT32_MAX;
		uint64_t w = b->level[k][i / 64] & UINT64_MAX << i % 64;

		if (w) {
			// Found at level k: walk down along the first members.
			i = i / 64 * 64 + (unsigned int)__builtin_ctzll(w);
			while (k--)
				i = i * 64 + (unsigned int)__builtin_ctzll(b->level[k][i]);
			return (uint32_t)i;
		}
		i = i / 64 + 1;
	}
	return UINT32_MAX;
}
