// SPDX-License-Identifier: BSD-3-Clause
// Memory that is released, and wiped, in one go: the configuration and the YAML tree it is read
// from hold passwords. Control thread. Running out of memory while starting ends the program with
// the reason.
#pragma once

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks;
};

// n zeroed bytes, aligned for anything. Never NULL.
void *arena_alloc(struct arena *a, size_t n);

// A copy of n bytes with a NUL behind. Never NULL.
char *arena_strndup(struct arena *a, const char *s, size_t n);

// Wipe and free everything.
void arena_free(struct arena *a);
