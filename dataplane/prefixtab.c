// SPDX-License-Identifier: BSD-3-Clause
// One hash table for all lengths, probed once for each length in use, the longest first: there are
// few lengths, and many prefixes of each (a /64 for every session). Linear probing; entries of one
// prefix lie in one cluster, and the best of them is marked.
//
// A slot's key is 128 bits, which no load takes at once: its third word has a version. Who reads
// the same word before and after the key has read a key that belongs to it. While a slot is
// rewritten the word says BUSY, which is nobody's entry: readers pass by, and nobody waits for the
// writer. Removal shifts entries back as in addrtab.c, with the same count of moves: a miss is only
// believed when nothing moved meanwhile.
//
// When half of the slots are taken the writer makes a table of twice the size and publishes it
// whole. The old one stays until the end, since a reader may be in it: all old ones together are
// smaller than the one in use.
#include "dataplane/prefixtab.h"

#include <errno.h>
#include <stddef.h>
#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#define SLOTS_MIN 64
#define LOOKUP_BATCH 32
#define BLOCK_OVER 256 // around a block of rte_malloc()
#define NO_LENGTH (-1)

#ifndef PREFIXTAB_BEFORE_LOAD // where a test lets the writer in, between a reader's loads
#define PREFIXTAB_BEFORE_LOAD() ((void)0)
#endif

// A slot's word: reference (32) | plen (8) | BEST | BUSY | version (22). A word without reference
// and BUSY is that of an empty slot.
#define WORD_BEST (UINT64_C(1) << 40)
#define WORD_BUSY (UINT64_C(1) << 41)
#define WORD_VERSION (UINT64_C(1) << 42)
#define WORD_VALUE (WORD_VERSION - 1)
#define WORD_PLEN_SHIFT 32

struct slot {
	_Atomic uint64_t hi, lo; // prefix, host order
	_Atomic uint64_t word;
	uint64_t rank; // metric (32) | age (32), writer alone
};

struct prefixtab_slots {
	uint32_t mask, shift;
	struct prefixtab_slots *old; // writer alone
	_Atomic uint64_t moves __rte_cache_aligned;
	struct slot slot[] __rte_cache_aligned;
};

struct key {
	uint64_t hi, lo;
	uint8_t plen;
};

static inline bool mapped4(uint64_t hi, uint64_t lo)
{
	return hi == 0 && lo >> 32 == 0xffff;
}

static inline struct key key_make(uint64_t hi, uint64_t lo, unsigned int plen)
{
	struct key k = {.plen = (uint8_t)plen};

	if (plen > 64) {
		k.hi = hi;
		k.lo = plen == 128 ? lo : lo & ~(UINT64_MAX >> (plen - 64));
	} else if (plen) {
		k.hi = plen == 64 ? hi : hi & ~(UINT64_MAX >> plen);
	}
	return k;
}

static inline void addr_load(const struct in6_addr *a, uint64_t *hi, uint64_t *lo)
{
	memcpy(hi, a->s6_addr, sizeof(*hi));
	memcpy(lo, a->s6_addr + 8, sizeof(*lo));
	*hi = __builtin_bswap64(*hi);
	*lo = __builtin_bswap64(*lo);
}

static inline uint32_t home(
	const struct prefixtab_slots *s, uint64_t hi, uint64_t lo, uint64_t plen)
{
	uint64_t h = (hi + plen) * UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ h >> 32 ^ lo) * UINT64_C(0xd6e8feb86659fd93);
	return (uint32_t)((h ^ h >> 32) * UINT64_C(0x9e3779b97f4a7c15) >> s->shift);
}

static inline uint32_t word_ref(uint64_t word)
{
	return (uint32_t)word;
}

static inline uint8_t word_plen(uint64_t word)
{
	return (uint8_t)(word >> WORD_PLEN_SHIFT);
}

static inline bool word_empty(uint64_t word)
{
	return !(word & (WORD_BUSY | UINT32_MAX));
}

// ---- writer

static struct prefixtab_slots *slots_create(uint64_t size)
{
	struct prefixtab_slots *s = rte_zmalloc(
		"prefixtab", sizeof(*s) + size * sizeof(struct slot), RTE_CACHE_LINE_SIZE);

	if (!s)
		return NULL;
	s->mask = (uint32_t)(size - 1);
	s->shift = 64 - rte_log2_u64(size);
	return s;
}

// So many entries a table of this size takes: with one more it is replaced.
static uint32_t slots_for(uint64_t size)
{
	return (uint32_t)((size - 1) / 2);
}

static uint64_t slots_memory(uint64_t size)
{
	return sizeof(struct prefixtab_slots) + size * sizeof(struct slot) + BLOCK_OVER;
}

uint64_t prefixtab_memory(uint32_t n)
{
	uint64_t size = SLOTS_MIN,
		 bytes = sizeof(struct prefixtab) + BLOCK_OVER + slots_memory(size);

	// The old ones stay.
	while (n > slots_for(size)) {
		size *= 2;
		bytes += slots_memory(size);
	}
	return bytes;
}

struct prefixtab *prefixtab_create(uint32_t max)
{
	struct prefixtab *t = rte_zmalloc("prefixtab", sizeof(*t), RTE_CACHE_LINE_SIZE);
	struct prefixtab_slots *s;

	if (!t)
		return NULL;
	s = slots_create(SLOTS_MIN);
	if (!s) {
		rte_free(t);
		return NULL;
	}
	t->max = RTE_MIN(max, UINT32_C(1) << 29);
	atomic_store_explicit(&t->slots, s, memory_order_release);
	return t;
}

void prefixtab_destroy(struct prefixtab *t)
{
	struct prefixtab_slots *s, *old;

	if (!t)
		return;
	for (s = atomic_load_explicit(&t->slots, memory_order_relaxed); s; s = old) {
		old = s->old;
		rte_free(s);
	}
	rte_free(t);
}

// The writer's own loads need no order: nobody else stores.
static uint64_t own_word(const struct slot *s)
{
	return atomic_load_explicit(&s->word, memory_order_relaxed);
}

static struct key own_key(const struct slot *s)
{
	return (struct key){atomic_load_explicit(&s->hi, memory_order_relaxed),
		atomic_load_explicit(&s->lo, memory_order_relaxed), word_plen(own_word(s))};
}

static bool own_is(const struct slot *s, const struct key *k)
{
	struct key o = own_key(s);

	return o.hi == k->hi && o.lo == k->lo && o.plen == k->plen;
}

// Give s another value under the next version. release: pairs with the acquire loads of words.
static void set_word(struct slot *s, uint64_t value)
{
	uint64_t version = (own_word(s) & ~WORD_VALUE) + WORD_VERSION;

	atomic_store_explicit(&s->word, version | value, memory_order_release);
}

static void slot_write(struct slot *s, const struct key *k, uint64_t value, uint64_t rank)
{
	set_word(s, WORD_BUSY);
	// release: who sees a part of the new key sees BUSY, or what came behind it, when it looks
	// at the word again.
	atomic_store_explicit(&s->hi, k->hi, memory_order_release);
	atomic_store_explicit(&s->lo, k->lo, memory_order_release);
	s->rank = rank;
	set_word(s, value);
}

static uint64_t value_of(const struct key *k, uint32_t ref)
{
	return (uint64_t)k->plen << WORD_PLEN_SHIFT | ref;
}

static struct slot *find_empty(struct prefixtab_slots *s, const struct key *k)
{
	uint32_t i = home(s, k->hi, k->lo, k->plen);

	while (!word_empty(own_word(&s->slot[i])))
		i = (i + 1) & s->mask;
	return &s->slot[i];
}

static int grow(struct prefixtab *t)
{
	struct prefixtab_slots *s = atomic_load_explicit(&t->slots, memory_order_relaxed);
	struct prefixtab_slots *more = slots_create(((uint64_t)s->mask + 1) * 2);

	if (!more)
		return -ENOSPC;
	for (uint64_t i = 0; i <= s->mask; i++) {
		const struct slot *from = &s->slot[i];
		struct key k = own_key(from);

		if (!word_empty(own_word(from)))
			slot_write(
				find_empty(more, &k), &k, own_word(from) & WORD_VALUE, from->rank);
	}
	more->old = s;
	// release: pairs with the acquire load in readers.
	atomic_store_explicit(&t->slots, more, memory_order_release);
	return 0;
}

// What there is of one prefix.
struct equal {
	struct slot *best, *second, *own; // own: that of ref
	uint32_t n;
};

static struct equal find_equal(struct prefixtab_slots *s, const struct key *k, uint32_t ref)
{
	struct equal e = {0};

	for (uint32_t i = home(s, k->hi, k->lo, k->plen); !word_empty(own_word(&s->slot[i]));
		i = (i + 1) & s->mask) {
		struct slot *at = &s->slot[i];

		if (!own_is(at, k))
			continue;
		e.n++;
		if (word_ref(own_word(at)) == ref)
			e.own = at;
		if (own_word(at) & WORD_BEST)
			e.best = at;
		else if (!e.second || at->rank < e.second->rank)
			e.second = at;
	}
	return e;
}

static void length_used(struct prefixtab *t, const struct key *k, int by)
{
	bool is4 = k->plen >= 96 && mapped4(k->hi, k->lo);
	uint32_t *nb = is4 ? &t->nb4[k->plen - 96] : &t->nb6[k->plen];
	_Atomic uint64_t *word = is4 ? &t->lens4 : &t->lens6[k->plen / 64];
	uint64_t bit = UINT64_C(1) << (is4 ? k->plen - 96 : k->plen % 64);

	*nb += (uint32_t)by;
	if (*nb == 1 && by > 0)
		atomic_fetch_or_explicit(word, bit, memory_order_release);
	else if (*nb == 0)
		atomic_fetch_and_explicit(word, ~bit, memory_order_release);
}

int prefixtab_insert(struct prefixtab *t, const struct in6_addr *prefix, uint8_t plen,
	uint32_t metric, uint32_t ref)
{
	struct prefixtab_slots *s = atomic_load_explicit(&t->slots, memory_order_relaxed);
	uint32_t count = prefixtab_count(t);
	uint64_t hi, lo, rank;
	struct equal e;
	struct key k;

	if (plen > 128 || !ref)
		return -EINVAL;
	addr_load(prefix, &hi, &lo);
	k = key_make(hi, lo, plen);
	e = find_equal(s, &k, ref);
	if (e.own)
		return -EEXIST;
	if (e.n == PREFIXTAB_MAX_EQUAL || count >= t->max)
		return -ENOSPC;
	if (count >= slots_for((uint64_t)s->mask + 1)) {
		if (grow(t))
			return -ENOSPC;
		s = atomic_load_explicit(&t->slots, memory_order_relaxed);
		e = find_equal(s, &k, ref);
	}
	rank = (uint64_t)metric << 32 | t->age++;
	if (e.best && e.best->rank <= rank) {
		slot_write(find_empty(s, &k), &k, value_of(&k, ref), rank);
	} else {
		slot_write(find_empty(s, &k), &k, value_of(&k, ref) | WORD_BEST, rank);
		// For a moment both are: better than none.
		if (e.best)
			set_word(e.best, own_word(e.best) & WORD_VALUE & ~WORD_BEST);
	}
	length_used(t, &k, 1);
	atomic_store_explicit(&t->count, count + 1, memory_order_relaxed);
	return 0;
}

// Whether the entry at j, whose home is h, may lie at the earlier slot i: h is not within (i, j].
static inline bool may_move(uint32_t i, uint32_t j, uint32_t h, uint32_t mask)
{
	return ((j - h) & mask) >= ((j - i) & mask);
}

static void slot_remove(struct prefixtab_slots *s, uint32_t i)
{
	for (uint32_t j = (i + 1) & s->mask;; j = (j + 1) & s->mask) {
		const struct slot *from = &s->slot[j];
		struct key k = own_key(from);

		if (word_empty(own_word(from)))
			break;
		if (!may_move(i, j, home(s, k.hi, k.lo, k.plen), s->mask))
			continue;
		// 1. The copy. 2. Say so. release: who sees what is stored to slot j from here on
		// sees the new count, and who sees that sees the copy (prefixtab_lookup()).
		slot_write(&s->slot[i], &k, own_word(from) & WORD_VALUE, from->rank);
		atomic_fetch_add_explicit(&s->moves, 1, memory_order_release);
		i = j;
	}
	set_word(&s->slot[i], 0);
}

int prefixtab_remove(struct prefixtab *t, const struct in6_addr *prefix, uint8_t plen, uint32_t ref)
{
	struct prefixtab_slots *s = atomic_load_explicit(&t->slots, memory_order_relaxed);
	uint64_t hi, lo;
	struct equal e;
	struct key k;

	if (plen > 128 || !ref)
		return -ENOENT;
	addr_load(prefix, &hi, &lo);
	k = key_make(hi, lo, plen);
	e = find_equal(s, &k, ref);
	if (!e.own)
		return -ENOENT;
	if (e.own == e.best && e.second)
		set_word(e.second, (own_word(e.second) & WORD_VALUE) | WORD_BEST);
	slot_remove(s, (uint32_t)(e.own - s->slot));
	length_used(t, &k, -1);
	atomic_fetch_sub_explicit(&t->count, 1, memory_order_relaxed);
	return 0;
}

// ---- readers

// The word of the entry at s if its key is k, else 0. *word: as it was read, for what is not k too.
static inline uint64_t slot_match(const struct slot *s, const struct key *k, uint64_t *word)
{
	uint64_t again, hi, lo;

	PREFIXTAB_BEFORE_LOAD();
	// acquire: pairs with set_word().
	*word = atomic_load_explicit(&s->word, memory_order_acquire);
	while (!(*word & WORD_BUSY) && word_plen(*word) == k->plen && word_ref(*word)) {
		PREFIXTAB_BEFORE_LOAD();
		// acquire: the second look at the word stays behind, and sees what was before.
		hi = atomic_load_explicit(&s->hi, memory_order_acquire);
		lo = atomic_load_explicit(&s->lo, memory_order_acquire);
		PREFIXTAB_BEFORE_LOAD();
		again = atomic_load_explicit(&s->word, memory_order_acquire);
		if (likely(again == *word))
			return hi == k->hi && lo == k->lo ? again : 0;
		*word = again; // the writer went on
	}
	return 0;
}

enum want { WANT_BEST, WANT_REF, WANT_ALL };

#define OTHERS UINT64_MAX // entries, but not that of ref

// Among the entries of k: the reference of the best one; ref if it is there, else OTHERS if any is;
// bits of all.
static inline uint64_t probe(
	const struct prefixtab_slots *s, const struct key *k, enum want want, uint32_t ref)
{
	uint32_t i = home(s, k->hi, k->lo, k->plen);
	uint64_t word, match, all = 0;

	for (;; i = (i + 1) & s->mask) {
		match = slot_match(&s->slot[i], k, &word);
		if (match && want == WANT_BEST && match & WORD_BEST)
			return word_ref(match);
		if (match && want == WANT_REF && word_ref(match) == ref)
			return ref;
		if (match && want == WANT_REF)
			all = OTHERS;
		if (match && want == WANT_ALL && word_ref(match) <= 32)
			all |= UINT64_C(1) << (word_ref(match) - 1);
		if (word_empty(word))
			return all;
	}
}

static inline uint64_t probe_sure(
	const struct prefixtab_slots *s, const struct key *k, enum want want, uint32_t ref)
{
	uint64_t before, after, found;

	// acquire: pairs with the count in slot_remove(), both times.
	after = atomic_load_explicit(&s->moves, memory_order_acquire);
	do {
		before = after;
		found = probe(s, k, want, ref);
		if (found && found != OTHERS && want != WANT_ALL)
			return found;
		after = atomic_load_explicit(&s->moves, memory_order_acquire);
	} while (unlikely(before != after));
	return found;
}

// The lengths that may match an address, from the longest on.
struct lengths {
	uint64_t word[3];
	int at; // of the word in use
	unsigned int base;
};

static inline struct lengths lengths_of(const struct prefixtab *t, uint64_t hi, uint64_t lo)
{
	if (mapped4(hi, lo))
		return (struct lengths){
			{atomic_load_explicit(&t->lens4, memory_order_acquire)}, 0, 96};
	return (struct lengths){{atomic_load_explicit(&t->lens6[0], memory_order_acquire),
					atomic_load_explicit(&t->lens6[1], memory_order_acquire),
					atomic_load_explicit(&t->lens6[2], memory_order_acquire)},
		2, 0};
}

static inline int lengths_next(struct lengths *l)
{
	unsigned int bit;

	while (l->at >= 0 && !l->word[l->at])
		l->at--;
	if (l->at < 0)
		return NO_LENGTH;
	bit = 63 - (unsigned int)__builtin_clzll(l->word[l->at]);
	l->word[l->at] &= ~(UINT64_C(1) << bit);
	return (int)(l->base + (unsigned int)l->at * 64 + bit);
}

static inline uint64_t look(
	const struct prefixtab *t, const struct in6_addr *addr, enum want want, uint32_t ref)
{
	const struct prefixtab_slots *s;
	uint64_t hi, lo;
	uint64_t found = 0;
	struct lengths l;
	int plen;

	addr_load(addr, &hi, &lo);
	l = lengths_of(t, hi, lo);
	// acquire: pairs with grow(). Behind the lengths, so that what they promise is there.
	s = atomic_load_explicit(&t->slots, memory_order_acquire);
	while ((plen = lengths_next(&l)) != NO_LENGTH) {
		struct key k = key_make(hi, lo, (unsigned int)plen);

		found |= probe_sure(s, &k, want, ref);
		if (found && want != WANT_ALL)
			return found;
	}
	return found;
}

// Fetch where the longest length's entry would be.
static inline void fetch(const struct prefixtab *t, const struct in6_addr *addr)
{
	const struct prefixtab_slots *s = atomic_load_explicit(&t->slots, memory_order_acquire);
	uint64_t hi, lo;
	struct lengths l;
	int plen;

	addr_load(addr, &hi, &lo);
	l = lengths_of(t, hi, lo);
	for (int i = 0; i < 2 && (plen = lengths_next(&l)) != NO_LENGTH; i++) {
		struct key k = key_make(hi, lo, (unsigned int)plen);

		rte_prefetch0(&s->slot[home(s, k.hi, k.lo, k.plen)]);
	}
}

void prefixtab_lookup(
	const struct prefixtab *t, const struct in6_addr *addr, uint32_t *ref, uint16_t n)
{
	uint16_t at, k, i;

	for (at = 0; at < n; at += k) {
		k = (uint16_t)RTE_MIN(n - at, LOOKUP_BATCH);
		for (i = 0; i < k && k > 1; i++)
			fetch(t, &addr[at + i]);
		for (i = 0; i < k; i++)
			ref[at + i] = (uint32_t)look(t, &addr[at + i], WANT_BEST, 0);
	}
}

bool prefixtab_owns(const struct prefixtab *t, const struct in6_addr *addr, uint32_t ref)
{
	return ref && look(t, addr, WANT_REF, ref) == ref;
}

uint32_t prefixtab_members(const struct prefixtab *t, const struct in6_addr *addr)
{
	return (uint32_t)look(t, addr, WANT_ALL, 0);
}
