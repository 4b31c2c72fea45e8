// SPDX-License-Identifier: BSD-3-Clause
// Memory with long runs of zeros, kept in less. Any thread.
#pragma once

#include <stddef.h>

// The n bytes at p in a block of their own, to be freed by pack_free(). *len: its size. NULL: out
// of memory.
void *pack(const void *p, size_t n, size_t *len);

// The bytes again: exactly n of them to p. 0, or -EBADMSG for what pack() did not make of n bytes.
int unpack(const void *packed, size_t len, void *p, size_t n);

// Wipes it, for it may hold secrets. NULL is fine.
void pack_free(void *packed, size_t len);
