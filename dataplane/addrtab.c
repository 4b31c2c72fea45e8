// SPDX-License-Identifier: BSD-3-Clause
// Linear probing over 64-bit slots: address in the upper half, reference in the lower; 0 is empty.
//
// Removal shifts later entries of the cluster back instead of leaving tombstones, so that churn
// never lengthens probes. A shift copies an entry to an earlier slot, counts `moves`, and only then
// overwrites the later slot. A reader that read the earlier slot before the copy and the later slot
// after the overwrite would miss the entry; it then finds `moves` changed and probes again. A hit
// needs no check: every entry ever seen was published whole.
#include "dataplane/addrtab.h"

#include <errno.h>
#include <stdatomic.h>
#include <rte_common.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#define LOOKUP_BATCH 64
#define BLOCK_OVER 256 // around a block of rte_malloc()

#ifndef ADDRTAB_BEFORE_LOAD // where a test lets the writer in, between a reader's loads
#define ADDRTAB_BEFORE_LOAD() ((void)0)
#endif

struct addrtab {
	// writer: rw, workers: ro
	uint32_t mask;
	uint32_t shift;
	_Atomic(uint64_t) *slots;
	_Atomic uint64_t moves; // written between the two stores of a shift
	// writer alone (and whoever asks for the count)
	_Atomic uint32_t count __rte_cache_aligned;
	uint32_t max;
};

static inline uint32_t home(const struct addrtab *t, uint32_t addr)
{
	return (uint32_t)((addr * UINT64_C(0x9e3779b97f4a7c15)) >> t->shift);
}

static uint64_t nb_slots(uint32_t n)
{
	return rte_align64pow2(RTE_MAX((uint64_t)n * 2, UINT64_C(64)));
}

uint64_t addrtab_memory(uint32_t n)
{
	return sizeof(struct addrtab) + nb_slots(n) * sizeof(_Atomic(uint64_t)) + 2 * BLOCK_OVER;
}

struct addrtab *addrtab_create(uint32_t n)
{
	struct addrtab *t = rte_zmalloc("addrtab", sizeof(*t), RTE_CACHE_LINE_SIZE);
	uint64_t size = nb_slots(n);

	if (!t)
		return NULL;
	if (size <= UINT64_C(1) << 31)
		t->slots =
			rte_zmalloc("addrtab_slots", size * sizeof(*t->slots), RTE_CACHE_LINE_SIZE);
	if (!t->slots) {
		rte_free(t);
		return NULL;
	}
	t->mask = (uint32_t)(size - 1);
	t->shift = 64 - rte_log2_u64(size);
	t->max = n;
	return t;
}

void addrtab_destroy(struct addrtab *t)
{
	if (!t)
		return;
	rte_free(t->slots);
	rte_free(t);
}

int addrtab_insert(struct addrtab *t, uint32_t addr, uint32_t ref)
{
	uint32_t i = home(t, addr), count = atomic_load_explicit(&t->count, memory_order_relaxed);
	uint64_t s;

	if (addr == 0 || ref == 0)
		return -EINVAL;
	// The writer's own loads need no order: nobody else stores.
	while ((s = atomic_load_explicit(&t->slots[i], memory_order_relaxed)) != 0) {
		if (s >> 32 == addr)
			return (uint32_t)s == ref ? 0 : -EEXIST;
		i = (i + 1) & t->mask;
	}
	if (count >= t->max)
		return -ENOSPC;
	// release: pairs with the acquire load in probe(); what ref stands for is visible first.
	atomic_store_explicit(&t->slots[i], (uint64_t)addr << 32 | ref, memory_order_release);
	atomic_store_explicit(&t->count, count + 1, memory_order_relaxed);
	return 0;
}

// Whether the entry at j, whose home is h, may lie at the earlier slot i: h is not within (i, j].
static inline bool may_move(uint32_t i, uint32_t j, uint32_t h, uint32_t mask)
{
	return ((j - h) & mask) >= ((j - i) & mask);
}

int addrtab_remove(struct addrtab *t, uint32_t addr)
{
	uint32_t i = home(t, addr), j;
	uint64_t s;

	while ((s = atomic_load_explicit(&t->slots[i], memory_order_relaxed)) != 0 &&
		s >> 32 != addr)
		i = (i + 1) & t->mask;
	if (s == 0)
		return -ENOENT;
	for (j = i;;) {
		j = (j + 1) & t->mask;
		s = atomic_load_explicit(&t->slots[j], memory_order_relaxed);
		if (s == 0)
			break;
		if (!may_move(i, j, home(t, (uint32_t)(s >> 32)), t->mask))
			continue;
		// 1. The copy. release: pairs with the acquire load of the slot in probe().
		atomic_store_explicit(&t->slots[i], s, memory_order_release);
		// 2. Say so. release: who sees the new count sees the copy (first load in
		// lookup1()); the stores to slot j that follow are releases, so who sees those
		// sees the new count (second load in lookup1()).
		atomic_fetch_add_explicit(&t->moves, 1, memory_order_release);
		i = j;
	}
	atomic_store_explicit(&t->slots[i], 0, memory_order_release);
	atomic_fetch_sub_explicit(&t->count, 1, memory_order_relaxed);
	return 0;
}

uint32_t addrtab_count(const struct addrtab *t)
{
	return atomic_load_explicit(&t->count, memory_order_relaxed);
}

static inline uint32_t probe(const struct addrtab *t, uint32_t addr)
{
	uint32_t i = home(t, addr);
	uint64_t s;

	for (;;) {
		ADDRTAB_BEFORE_LOAD();
		// acquire: pairs with the writer's release stores of slots.
		s = atomic_load_explicit(&t->slots[i], memory_order_acquire);
		if (s == 0)
			return 0;
		if (s >> 32 == addr)
			return (uint32_t)s;
		i = (i + 1) & t->mask;
	}
}

static inline uint32_t lookup1(const struct addrtab *t, uint32_t addr)
{
	uint64_t before, after;
	uint32_t ref;

	// acquire: pairs with the count in addrtab_remove(), both times.
	after = atomic_load_explicit(&t->moves, memory_order_acquire);
	do {
		before = after;
		ref = probe(t, addr);
		if (likely(ref != 0))
			return ref;
		after = atomic_load_explicit(&t->moves, memory_order_acquire);
	} while (unlikely(before != after));
	return 0;
}

void addrtab_lookup(const struct addrtab *t, const uint32_t *addr, uint32_t *ref, uint16_t n)
{
	uint16_t at, k, i;

	for (at = 0; at < n; at += k) {
		k = RTE_MIN(n - at, LOOKUP_BATCH);
		for (i = 0; i < k; i++)
			rte_prefetch0((const void *)&t->slots[home(t, addr[at + i])]);
		for (i = 0; i < k; i++)
			ref[at + i] = lookup1(t, addr[at + i]);
	}
}
