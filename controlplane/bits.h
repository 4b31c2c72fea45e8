// SPDX-License-Identifier: BSD-3-Clause
// A set of small integers as a tree of 64-bit words: set, clear and "first member from here on" in
// a few steps whatever the size. One thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BITS_MAX_LEVELS 6

struct bits {
	uint32_t size;
	uint32_t count; // members
	unsigned int levels;
	uint64_t
		*level[BITS_MAX_LEVELS]; // level[0]: members; level[k]: words of k-1 that are not 0
};

// Room for 0..size-1 (size not 0), empty. 0 or -ENOMEM.
int bits_init(struct bits *b, uint32_t size);
void bits_free(struct bits *b);

bool bits_test(const struct bits *b, uint32_t i);
void bits_set(struct bits *b, uint32_t i);
void bits_clear(struct bits *b, uint32_t i);

// The smallest member >= from, or UINT32_MAX.
uint32_t bits_next(const struct bits *b, uint32_t from);
