// SPDX-License-Identifier: BSD-3-Clause
#include "config/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

#define BLOCK_SIZE 65536u

struct arena_block {
	struct arena_block *next;
	size_t size, used;
	alignas(max_align_t) uint8_t mem[];
};

static struct arena_block *block_create(size_t size)
{
	struct arena_block *b = calloc(1, sizeof(*b) + size);

	if (!b) {
		fprintf(stderr, "configuration: out of memory\n");
		abort();
	}
	b->size = size;
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	const size_t mask = alignof(max_align_t) - 1;
	struct arena_block *b = a->blocks;
	void *p;

	n = (n + mask) & ~mask;
	if (!b || b->size - b->used < n) {
		b = block_create(n > BLOCK_SIZE ? n : BLOCK_SIZE);
		b->next = a->blocks;
		a->blocks = b;
	}
	p = b->mem + b->used;
	b->used += n;
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = arena_alloc(a, n + 1);

	if (n)
		memcpy(p, s, n);
	return p;
}

void arena_free(struct arena *a)
{
	struct arena_block *next;

	for (struct arena_block *b = a->blocks; b; b = next) {
		next = b->next;
		secret_wipe(b->mem, b->used);
		free(b);
	}
	a->blocks = NULL;
}
