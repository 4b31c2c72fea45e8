// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/pool6.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/bits.h"

// Up to so many pieces a bitmap says which are free; of more, chance finds a free one.
#define BITMAP_MAX (1u << 20)

struct key {
	uint64_t hi, lo; // of the prefix, bits behind plen clear
	uint8_t plen;
};

struct entry { // owner 0: empty
	struct key key;
	uint64_t owner;
};

struct span { // pieces that fixed prefixes overlap, both included
	uint64_t first, last;
};

struct pool6 {
	const struct config_pool6 *conf;
	struct key prefix;
	uint64_t size, taken, reserved; // pieces
	struct bits free;               // size <= BITMAP_MAX
	struct span *spans;             // in order, apart from each other
	uint32_t nb_spans;
};

struct pools6 {
	struct pool6 *pool;
	unsigned int nb_pools;
	struct entry *map; // open addressing, linear probing, a power of two
	uint32_t map_size, nb_entries;
};

// -- prefixes as numbers --

static uint64_t load64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

static void store64(uint8_t *p, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

static uint64_t mask64(unsigned int bits) // the highest `bits` of 64
{
	return bits ? bits >= 64 ? UINT64_MAX : ~(UINT64_MAX >> bits) : 0;
}

static struct key key_of(const struct in6_addr *prefix, uint8_t plen)
{
	return (struct key){
		.hi = load64(prefix->s6_addr) & mask64(plen),
		.lo = plen > 64 ? load64(prefix->s6_addr + 8) & mask64(plen - 64u) : 0,
		.plen = plen,
	};
}

static bool key_equal(const struct key *a, const struct key *b)
{
	return a->hi == b->hi && a->lo == b->lo && a->plen == b->plen;
}

// Pieces have at most 64 bits: their number is what lies between the pool's length and theirs.
static struct key piece(const struct pool6 *pool, uint64_t i)
{
	return (struct key){
		.hi = pool->prefix.hi | i << (64 - pool->conf->length), .plen = pool->conf->length};
}

// Which pieces of the pool a prefix overlaps. False: none.
static bool overlap(const struct pool6 *pool, const struct key *k, struct span *s)
{
	unsigned int shift = 64u - pool->conf->length;

	if ((k->hi ^ pool->prefix.hi) &
		mask64(k->plen < pool->prefix.plen ? k->plen : pool->prefix.plen))
		return false;
	if (k->plen <= pool->prefix.plen) {
		*s = (struct span){0, pool->size - 1};
		return true;
	}
	s->first = (k->hi & ~mask64(pool->prefix.plen)) >> shift;
	s->last = s->first;
	if (k->plen < pool->conf->length)
		s->last += (UINT64_C(1) << (pool->conf->length - k->plen)) - 1;
	return true;
}

// -- prefix -> owner --

static uint32_t home(const struct pools6 *p, const struct key *k)
{
	uint64_t h = k->hi * UINT64_C(0x9e3779b97f4a7c15) ^
		     (k->lo + k->plen) * UINT64_C(0xc2b2ae3d27d4eb4f);

	return (uint32_t)((h ^ h >> 32) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (p->map_size - 1);
}

// The entry of k, or the empty one where it would go.
static struct entry *entry_at(const struct pools6 *p, const struct key *k)
{
	uint32_t i = home(p, k);

	while (p->map[i].owner && !key_equal(&p->map[i].key, k))
		i = (i + 1) & (p->map_size - 1);
	return &p->map[i];
}

static int map_grow(struct pools6 *p)
{
	struct entry *old = p->map;
	uint32_t n = p->map_size;
	struct entry *map = calloc(n * 2ul, sizeof(*map));

	if (!map)
		return -ENOMEM;
	p->map = map;
	p->map_size = n * 2;
	for (uint32_t i = 0; i < n; i++)
		if (old[i].owner)
			*entry_at(p, &old[i].key) = old[i];
	free(old);
	return 0;
}

static int entry_put(struct pools6 *p, const struct key *k, uint64_t owner)
{
	struct entry *e;

	if (p->nb_entries >= p->map_size / 2 && map_grow(p))
		return -ENOMEM;
	e = entry_at(p, k);
	if (e->owner)
		return -EADDRINUSE;
	*e = (struct entry){.key = *k, .owner = owner};
	p->nb_entries++;
	return 0;
}

// Remove e and move up what probed past it.
static void entry_remove(struct pools6 *p, struct entry *e)
{
	uint32_t mask = p->map_size - 1;
	uint32_t hole = (uint32_t)(e - p->map);

	for (uint32_t i = (hole + 1) & mask; p->map[i].owner; i = (i + 1) & mask) {
		uint32_t h = home(p, &p->map[i].key);

		if (((i - h) & mask) >= ((i - hole) & mask)) {
			p->map[hole] = p->map[i];
			hole = i;
		}
	}
	p->map[hole] = (struct entry){0};
	p->nb_entries--;
}

// -- pools --

// The span that i lies in, or NULL.
static const struct span *span_of(const struct pool6 *pool, uint64_t i)
{
	uint32_t lo = 0, hi = pool->nb_spans;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (pool->spans[mid].last < i)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < pool->nb_spans && pool->spans[lo].first <= i ? &pool->spans[lo] : NULL;
}

static int by_first(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

// Put the spans in order and join those that touch.
static void join_spans(struct pool6 *pool)
{
	uint32_t n = 0;

	if (!pool->nb_spans)
		return;
	qsort(pool->spans, pool->nb_spans, sizeof(*pool->spans), by_first);
	for (uint32_t i = 1; i < pool->nb_spans; i++) {
		struct span *s = &pool->spans[i], *last = &pool->spans[n];

		if (s->first > last->last)
			pool->spans[++n] = *s;
		else if (s->last > last->last)
			last->last = s->last;
	}
	pool->nb_spans = n + 1;
	for (uint32_t i = 0; i < pool->nb_spans; i++)
		pool->reserved += pool->spans[i].last - pool->spans[i].first + 1;
}

static int reserve_fixed(struct pool6 *pool, const struct config *c)
{
	uint32_t n = 0;

	for (unsigned int i = 0; i < c->nb_secrets; i++)
		n += c->secrets[i].has_prefix6;
	if (!n)
		return 0;
	pool->spans = calloc(n, sizeof(*pool->spans));
	if (!pool->spans)
		return -ENOMEM;
	for (unsigned int i = 0; i < c->nb_secrets; i++) {
		const struct config_prefix *f = &c->secrets[i].prefix6;
		struct key k;

		if (!c->secrets[i].has_prefix6)
			continue;
		k = key_of(&f->addr, f->plen);
		if (overlap(pool, &k, &pool->spans[pool->nb_spans]))
			pool->nb_spans++;
	}
	join_spans(pool);
	return 0;
}

static int fill_bitmap(struct pool6 *pool)
{
	if (pool->size > BITMAP_MAX)
		return 0;
	if (bits_init(&pool->free, (uint32_t)pool->size))
		return -ENOMEM;
	for (uint32_t i = 0; i < pool->size; i++)
		bits_set(&pool->free, i);
	for (uint32_t s = 0; s < pool->nb_spans; s++)
		for (uint64_t i = pool->spans[s].first; i <= pool->spans[s].last; i++)
			bits_clear(&pool->free, (uint32_t)i);
	return 0;
}

static int pool_init(struct pool6 *pool, const struct config_pool6 *conf, const struct config *c,
	char *err, size_t cap)
{
	pool->conf = conf;
	if (conf->length > 64 || conf->plen > conf->length || !conf->length) {
		snprintf(err, cap, "pool %s cuts a /%u into /%u", conf->name, conf->plen,
			conf->length);
		return -EINVAL;
	}
	pool->prefix = key_of(&conf->prefix, conf->plen);
	pool->size = conf->length - conf->plen > 63 ? UINT64_MAX
						    : UINT64_C(1) << (conf->length - conf->plen);
	if (reserve_fixed(pool, c) || fill_bitmap(pool)) {
		snprintf(err, cap, "out of memory for pool %s", conf->name);
		return -ENOMEM;
	}
	return 0;
}

struct pools6 *pools6_create(const struct config *c, char *err, size_t cap)
{
	struct pools6 *p = calloc(1, sizeof(*p));

	if (!p)
		goto nomem;
	p->map_size = 64;
	p->map = calloc(p->map_size, sizeof(*p->map));
	p->pool = calloc(c->nb_pools6 ? c->nb_pools6 : 1, sizeof(*p->pool));
	if (!p->map || !p->pool)
		goto nomem;
	for (unsigned int i = 0; i < c->nb_pools6; i++) {
		p->nb_pools++;
		if (pool_init(&p->pool[i], &c->pools6[i], c, err, cap))
			goto fail;
	}
	return p;
nomem:
	snprintf(err, cap, "out of memory for prefix pools");
fail:
	pools6_destroy(p);
	return NULL;
}

void pools6_destroy(struct pools6 *p)
{
	if (!p)
		return;
	for (unsigned int i = 0; i < p->nb_pools; i++) {
		bits_free(&p->pool[i].free);
		free(p->pool[i].spans);
	}
	free(p->pool);
	free(p->map);
	free(p);
}

struct pool6 *pools6_find(struct pools6 *p, const char *name)
{
	for (unsigned int i = 0; i < p->nb_pools; i++)
		if (!strcmp(p->pool[i].conf->name, name))
			return &p->pool[i];
	return NULL;
}

// A free piece from `from` on, going round. False: none.
static bool find_bitmap(const struct pool6 *pool, uint64_t from, uint64_t *i)
{
	uint32_t at = bits_next(&pool->free, (uint32_t)from);

	if (at == UINT32_MAX)
		at = bits_next(&pool->free, 0);
	*i = at;
	return at != UINT32_MAX;
}

// splitmix64's finish.
static uint64_t mix(uint64_t v)
{
	v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
	return v ^ v >> 31;
}

static bool is_free(const struct pools6 *p, const struct pool6 *pool, uint64_t i)
{
	struct key k = piece(pool, i);

	return !span_of(pool, i) && !entry_at(p, &k)->owner;
}

// The piece of the hint, if it is free; else from another place on, which is the owner's own: those
// who share a hint do not follow each other through all that they hold.
static bool find_sparse(const struct pools6 *p, const struct pool6 *pool, uint64_t hint,
	uint64_t owner, uint64_t *i)
{
	uint64_t at = hint % pool->size;

	if (!is_free(p, pool, at))
		at = mix(hint ^ mix(owner)) % pool->size;

	// Each turn passes a piece that is out or a span, a span in which it begins twice.
	for (uint64_t n = pool->taken + 2 * pool->nb_spans + 2; n; n--) {
		const struct span *s = span_of(pool, at);

		if (is_free(p, pool, at)) {
			*i = at;
			return true;
		}
		at = s ? s->last : at;
		at = at < pool->size - 1 ? at + 1 : 0;
	}
	return false;
}

int pools6_take_any(struct pools6 *p, struct pool6 *pool, uint64_t owner, uint64_t hint,
	struct in6_addr *prefix)
{
	uint64_t i;
	struct key k;
	int rc;

	if (pool->taken >= pool->size - pool->reserved)
		return -ENOSPC;
	if (pool->size <= BITMAP_MAX ? !find_bitmap(pool, hint % pool->size, &i)
				     : !find_sparse(p, pool, hint, owner, &i))
		return -ENOSPC;
	k = piece(pool, i);
	rc = entry_put(p, &k, owner);
	if (rc)
		return rc;
	pool->taken++;
	if (pool->size <= BITMAP_MAX)
		bits_clear(&pool->free, (uint32_t)i);
	store64(prefix->s6_addr, k.hi);
	store64(prefix->s6_addr + 8, 0);
	return 0;
}

// Whether k may be out beside what the pool hands out: it does not overlap what is not reserved.
// *own: it is a piece like any other.
static bool is_allowed(const struct pool6 *pool, const struct key *k, uint64_t *i, bool *own)
{
	const struct span *r;
	struct span s;

	*own = false;
	if (!overlap(pool, k, &s))
		return true;
	r = span_of(pool, s.first);
	if (r && r->last >= s.last)
		return true;
	*i = s.first;
	*own = !r && k->plen == pool->conf->length;
	return *own;
}

int pools6_take(struct pools6 *p, const struct in6_addr *prefix, uint8_t plen, uint64_t owner)
{
	struct key k = key_of(prefix, plen);
	struct pool6 *own = NULL;
	uint64_t i = 0, at = 0;
	int rc;

	for (unsigned int n = 0; n < p->nb_pools; n++) {
		bool is_own;

		if (!is_allowed(&p->pool[n], &k, &i, &is_own))
			return -EADDRINUSE;
		if (is_own) {
			own = &p->pool[n];
			at = i;
		}
	}
	rc = entry_put(p, &k, owner);
	if (rc || !own)
		return rc;
	own->taken++;
	if (own->size <= BITMAP_MAX)
		bits_clear(&own->free, (uint32_t)at);
	return 0;
}

void pools6_release(struct pools6 *p, const struct in6_addr *prefix, uint8_t plen)
{
	struct key k = key_of(prefix, plen);
	struct entry *e = entry_at(p, &k);

	if (!e->owner)
		return;
	entry_remove(p, e);
	for (unsigned int n = 0; n < p->nb_pools; n++) {
		struct pool6 *pool = &p->pool[n];
		bool is_own;
		uint64_t i;

		if (!is_allowed(pool, &k, &i, &is_own) || !is_own)
			continue;
		pool->taken--;
		if (pool->size <= BITMAP_MAX)
			bits_set(&pool->free, (uint32_t)i);
		return;
	}
}

uint64_t pools6_owner(const struct pools6 *p, const struct in6_addr *prefix, uint8_t plen)
{
	struct key k = key_of(prefix, plen);

	return entry_at(p, &k)->owner;
}

uint32_t pools6_taken(const struct pools6 *p)
{
	return p->nb_entries;
}

const char *pool6_name(const struct pool6 *pool)
{
	return pool->conf->name;
}

uint8_t pool6_length(const struct pool6 *pool)
{
	return pool->conf->length;
}

uint64_t pool6_size(const struct pool6 *pool)
{
	return pool->size;
}

uint64_t pool6_taken(const struct pool6 *pool)
{
	return pool->taken;
}
