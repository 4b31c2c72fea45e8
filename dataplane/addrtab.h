// SPDX-License-Identifier: BSD-3-Clause
// Inner address -> session handle. One writer (control thread), lock-free readers (workers): one
// 64-bit atomic load per probe. An entry may be stale for a moment: the owner checks that the
// session's own address is the packet's.
#pragma once

#include <stdint.h>

struct addrtab;

// Room for n addresses at a load factor of at most 1/2. NULL when out of memory.
struct addrtab *addrtab_create(uint32_t n);
void addrtab_destroy(struct addrtab *t);
// Bytes of the EAL's memory that a table for n addresses takes.
uint64_t addrtab_memory(uint32_t n);

// addr: host order, not 0. ref: 32 bits, not 0 (worker 8 | slot 24). 0, -EEXIST (another ref is
// there), -ENOSPC. Writer.
int addrtab_insert(struct addrtab *t, uint32_t addr, uint32_t ref);
int addrtab_remove(struct addrtab *t, uint32_t addr); // 0 or -ENOENT. Writer.
uint32_t addrtab_count(const struct addrtab *t);

// Look up n addresses: ref[i] = 0 for none. Prefetches ahead. Any worker.
void addrtab_lookup(const struct addrtab *t, const uint32_t *addr, uint32_t *ref, uint16_t n);
