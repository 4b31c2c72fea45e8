// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/pool.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/bits.h"

struct pool {
	const struct config_pool *conf;
	struct pool *next; // next-pool
	uint32_t *base;    // index of each range's first address
	struct bits free;
	uint32_t size;
};

struct entry { // addr 0: empty
	uint32_t addr;
	bool reserved; // stays when nobody has it: not for pools
	uint64_t owner;
};

struct pools {
	struct pool *pool;
	unsigned int nb_pools;
	struct entry *map; // open addressing, linear probing, a power of two
	uint32_t map_size, nb_entries;
	uint32_t nb_taken;
};

// -- address -> owner --

static uint32_t home(const struct pools *p, uint32_t addr)
{
	return (uint32_t)(addr * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (p->map_size - 1);
}

// The entry of addr, or the empty one where it would go.
static struct entry *entry_at(const struct pools *p, uint32_t addr)
{
	uint32_t i = home(p, addr);

	while (p->map[i].addr && p->map[i].addr != addr)
		i = (i + 1) & (p->map_size - 1);
	return &p->map[i];
}

static int map_grow(struct pools *p)
{
	struct entry *old = p->map;
	uint32_t n = p->map_size;
	struct entry *map = calloc(n * 2, sizeof(*map));

	if (!map)
		return -ENOMEM;
	p->map = map;
	p->map_size = n * 2;
	for (uint32_t i = 0; i < n; i++)
		if (old[i].addr)
			*entry_at(p, old[i].addr) = old[i];
	free(old);
	return 0;
}

// The entry of addr, made where there was none. NULL when out of memory.
static struct entry *entry_make(struct pools *p, uint32_t addr)
{
	struct entry *e = entry_at(p, addr);

	if (e->addr)
		return e;
	if (p->nb_entries >= p->map_size / 2) {
		if (map_grow(p))
			return NULL;
		e = entry_at(p, addr);
	}
	e->addr = addr;
	p->nb_entries++;
	return e;
}

// Remove e and move up what probed past it.
static void entry_remove(struct pools *p, struct entry *e)
{
	uint32_t mask = p->map_size - 1;
	uint32_t hole = (uint32_t)(e - p->map);

	for (uint32_t i = (hole + 1) & mask; p->map[i].addr; i = (i + 1) & mask) {
		uint32_t h = home(p, p->map[i].addr);

		if (((i - h) & mask) >= ((i - hole) & mask)) {
			p->map[hole] = p->map[i];
			hole = i;
		}
	}
	p->map[hole] = (struct entry){0};
	p->nb_entries--;
}

// -- pools --

static uint32_t pool_address(const struct pool *pool, uint32_t index)
{
	unsigned int lo = 0, hi = pool->conf->nb_ranges;

	while (hi - lo > 1) {
		unsigned int mid = (lo + hi) / 2;

		if (pool->base[mid] <= index)
			lo = mid;
		else
			hi = mid;
	}
	return pool->conf->ranges[lo].first + (index - pool->base[lo]);
}

// Set or clear addr in every pool (and in every range of one) that has it.
static void mark(struct pools *p, uint32_t addr, bool is_free)
{
	for (unsigned int i = 0; i < p->nb_pools; i++) {
		struct pool *pool = &p->pool[i];

		for (unsigned int r = 0; r < pool->conf->nb_ranges; r++) {
			uint32_t first = pool->conf->ranges[r].first;

			if (addr < first || addr > pool->conf->ranges[r].last)
				continue;
			if (is_free)
				bits_set(&pool->free, pool->base[r] + (addr - first));
			else
				bits_clear(&pool->free, pool->base[r] + (addr - first));
		}
	}
}

static int reserve(struct pools *p, uint32_t addr, uint64_t owner)
{
	struct entry *e;

	if (!addr)
		return 0;
	e = entry_make(p, addr);
	if (!e)
		return -ENOMEM;
	e->reserved = true;
	if (owner)
		e->owner = owner;
	mark(p, addr, false);
	return 0;
}

static int reserve_all(struct pools *p, const struct config *c)
{
	int rc = 0;

	for (unsigned int i = 0; !rc && i < c->nb_profiles; i++) {
		rc = reserve(p, c->profiles[i].remote_address, 0);
		if (!rc)
			rc = reserve(p, c->profiles[i].local_address, POOL_OWNER_LOCAL);
	}
	for (unsigned int i = 0; !rc && i < c->nb_secrets; i++) {
		rc = reserve(p, c->secrets[i].remote_address, 0);
		if (!rc)
			rc = reserve(p, c->secrets[i].local_address, POOL_OWNER_LOCAL);
	}
	return rc;
}

static int pool_init(struct pool *pool, const struct config_pool *conf, char *err, size_t cap)
{
	uint64_t size = 0;

	pool->conf = conf;
	for (unsigned int r = 0; r < conf->nb_ranges; r++)
		size += (uint64_t)conf->ranges[r].last - conf->ranges[r].first + 1;
	if (!size || size > POOL_MAX_ADDRESSES) {
		snprintf(err, cap, "pool %s has %llu addresses, of 1 to %u allowed", conf->name,
			(unsigned long long)size, POOL_MAX_ADDRESSES);
		return -EINVAL;
	}
	pool->base = calloc(conf->nb_ranges, sizeof(*pool->base));
	if (!pool->base || bits_init(&pool->free, (uint32_t)size)) {
		snprintf(err, cap, "out of memory for pool %s", conf->name);
		return -ENOMEM;
	}
	for (unsigned int r = 0; r < conf->nb_ranges; r++) {
		pool->base[r] = pool->size;
		pool->size += conf->ranges[r].last - conf->ranges[r].first + 1;
	}
	for (uint32_t i = 0; i < pool->size; i++)
		bits_set(&pool->free, i);
	return 0;
}

// Who follows whom; a chain ends.
static int chain(struct pools *p, char *err, size_t cap)
{
	for (unsigned int i = 0; i < p->nb_pools; i++) {
		const char *next = p->pool[i].conf->next_pool;

		p->pool[i].next = next ? pools_find(p, next) : NULL;
		if (next && !p->pool[i].next) {
			snprintf(err, cap, "pool %s: next-pool %s is not there",
				p->pool[i].conf->name, next);
			return -EINVAL;
		}
	}
	for (unsigned int i = 0; i < p->nb_pools; i++) {
		const struct pool *at = &p->pool[i];

		for (unsigned int n = 0; at; at = at->next)
			if (n++ == p->nb_pools) {
				snprintf(err, cap, "pool %s: its next-pools are a circle",
					p->pool[i].conf->name);
				return -EINVAL;
			}
	}
	return 0;
}

struct pools *pools_create(const struct config *c, char *err, size_t cap)
{
	struct pools *p = calloc(1, sizeof(*p));

	if (!p)
		goto nomem;
	p->map_size = 64;
	p->map = calloc(p->map_size, sizeof(*p->map));
	p->pool = calloc(c->nb_pools ? c->nb_pools : 1, sizeof(*p->pool));
	if (!p->map || !p->pool)
		goto nomem;
	for (unsigned int i = 0; i < c->nb_pools; i++) {
		p->nb_pools++;
		if (pool_init(&p->pool[i], &c->pools[i], err, cap))
			goto fail;
	}
	if (chain(p, err, cap))
		goto fail;
	if (reserve_all(p, c))
		goto nomem;
	return p;
nomem:
	snprintf(err, cap, "out of memory for address pools");
fail:
	pools_destroy(p);
	return NULL;
}

void pools_destroy(struct pools *p)
{
	if (!p)
		return;
	for (unsigned int i = 0; i < p->nb_pools; i++) {
		bits_free(&p->pool[i].free);
		free(p->pool[i].base);
	}
	free(p->pool);
	free(p->map);
	free(p);
}

struct pool *pools_find(struct pools *p, const char *name)
{
	for (unsigned int i = 0; i < p->nb_pools; i++)
		if (!strcmp(p->pool[i].conf->name, name))
			return &p->pool[i];
	return NULL;
}

int pools_take(struct pools *p, uint32_t addr, uint64_t owner)
{
	struct entry *e = entry_make(p, addr);

	if (!e)
		return -ENOMEM;
	if (e->owner)
		return -EADDRINUSE;
	e->owner = owner;
	p->nb_taken++;
	mark(p, addr, false);
	return 0;
}

int pools_take_any(
	struct pools *p, struct pool *pool, uint64_t owner, uint64_t hint, uint32_t *addr)
{
	for (; pool; pool = pool->next) {
		uint32_t i = bits_next(&pool->free, (uint32_t)(hint % pool->size));

		if (i == UINT32_MAX)
			i = bits_next(&pool->free, 0);
		if (i == UINT32_MAX)
			continue;
		*addr = pool_address(pool, i);
		return pools_take(p, *addr, owner);
	}
	return -ENOSPC;
}

void pools_release(struct pools *p, uint32_t addr)
{
	struct entry *e = entry_at(p, addr);

	if (!e->addr || !e->owner || e->owner == POOL_OWNER_LOCAL)
		return;
	p->nb_taken--;
	if (e->reserved) {
		e->owner = 0;
		return;
	}
	entry_remove(p, e);
	mark(p, addr, true);
}

uint64_t pools_owner(const struct pools *p, uint32_t addr)
{
	return entry_at(p, addr)->owner;
}

uint32_t pools_taken(const struct pools *p)
{
	return p->nb_taken;
}

const char *pool_name(const struct pool *pool)
{
	return pool->conf->name;
}

uint32_t pool_size(const struct pool *pool)
{
	return pool->size;
}

uint32_t pool_free(const struct pool *pool)
{
	return pool->free.count;
}

struct pool *pool_next(const struct pool *pool)
{
	return pool->next;
}

const struct pool *pool_having(const struct pool *pool, uint32_t addr)
{
	for (; pool; pool = pool->next)
		for (unsigned int r = 0; r < pool->conf->nb_ranges; r++)
			if (addr >= pool->conf->ranges[r].first &&
				addr <= pool->conf->ranges[r].last)
				return pool;
	return NULL;
}
