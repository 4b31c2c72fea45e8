// SPDX-License-Identifier: BSD-3-Clause
// Prefix -> reference, longest prefix first: routes through sessions, and the members of address
// lists. Both families, IPv4 as ::ffff:a.b.c.d with plen + 96; an IPv6 prefix shorter than that
// never matches an IPv4 address. One writer (control thread), lock-free readers (workers), who wait
// for nothing. An entry may be stale for a moment, as in addrtab.h.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <netinet/in.h>

#define PREFIXTAB_MAX_EQUAL 32 // references to one prefix

struct prefixtab {
	// Lengths in use, a bit each. writer: rw, workers: ro
	_Atomic uint64_t lens4;    // bit plen - 96
	_Atomic uint64_t lens6[3]; // bit plen % 64 of word plen / 64
	struct prefixtab_slots *_Atomic slots;
	// writer alone (and whoever asks for the count)
	_Atomic uint32_t count __attribute__((aligned(64)));
	uint32_t max;
	uint32_t age; // of the next entry
	uint32_t nb4[33], nb6[129];
};

// Room for max entries; memory grows with what is there. NULL when out of memory.
struct prefixtab *prefixtab_create(uint32_t max);
void prefixtab_destroy(struct prefixtab *t); // NULL is fine
// Bytes of the EAL's memory that a table takes when n entries are in it, or have been.
uint64_t prefixtab_memory(uint32_t n);

// ref: 32 bits, not 0. Bits of prefix behind plen are ignored. Of equal prefixes the lowest metric
// is found, then the oldest. 0, -EEXIST (ref has this prefix), -ENOSPC (full, out of memory, or
// PREFIXTAB_MAX_EQUAL), -EINVAL. Writer.
int prefixtab_insert(struct prefixtab *t, const struct in6_addr *prefix, uint8_t plen,
	uint32_t metric, uint32_t ref);
// 0, -ENOENT. Writer.
int prefixtab_remove(
	struct prefixtab *t, const struct in6_addr *prefix, uint8_t plen, uint32_t ref);

static inline uint32_t prefixtab_count(const struct prefixtab *t)
{
	return atomic_load_explicit(&t->count, memory_order_relaxed);
}

// Whether there is any prefix of that family: asked before a lookup, costs a load. Any worker.
static inline bool prefixtab_any4(const struct prefixtab *t)
{
	return atomic_load_explicit(&t->lens4, memory_order_relaxed) != 0;
}

static inline bool prefixtab_any6(const struct prefixtab *t)
{
	return (atomic_load_explicit(&t->lens6[0], memory_order_relaxed) |
		       atomic_load_explicit(&t->lens6[1], memory_order_relaxed) |
		       atomic_load_explicit(&t->lens6[2], memory_order_relaxed)) != 0;
}

// Look up n addresses: ref[i] = 0 for none. Any worker.
void prefixtab_lookup(
	const struct prefixtab *t, const struct in6_addr *addr, uint32_t *ref, uint16_t n);
// Whether the longest prefix that addr lies in is ref's, be it the best of equal ones or not. Any
// worker.
bool prefixtab_owns(const struct prefixtab *t, const struct in6_addr *addr, uint32_t ref);
// Where references are small numbers: bit ref - 1 for every reference, 1 to 32, with a prefix that
// has addr in it. Any worker.
uint32_t prefixtab_members(const struct prefixtab *t, const struct in6_addr *addr);

// addr: host order.
static inline struct in6_addr prefixtab_map4(uint32_t addr)
{
	struct in6_addr a = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	addr = __builtin_bswap32(addr);
	memcpy(&a.s6_addr[12], &addr, sizeof(addr));
	return a;
}
