// SPDX-License-Identifier: BSD-3-Clause
// Inner addresses: who has which, and pools to take them from. No address is ever out twice, also
// not where pools overlap or a fixed address lies in a pool. Control thread.
//
// Local addresses are never handed out. Fixed remote addresses of secrets and profiles are never
// handed out from a pool.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

struct pools;
struct pool;

#define POOL_OWNER_LOCAL UINT64_MAX // owner of this end's own addresses
#define POOL_MAX_ADDRESSES (1u << 24)

// Pools of c, all free. NULL with the reason in err (out of memory, pool too large).
struct pools *pools_create(const struct config *c, char *err, size_t cap);
void pools_destroy(struct pools *p);

// A pool by name, NULL: there is none.
struct pool *pools_find(struct pools *p, const char *name);

// Take an address of a pool, or when it has none left of its next-pool, and so on. owner: not 0,
// for pools_owner(). hint: where the search starts; the same hint (a hash of the user) finds the
// same address while it is free. O(1) in the pools' size. 0 and *addr (host order), -ENOSPC: none
// left, or -ENOMEM.
int pools_take_any(
	struct pools *p, struct pool *pool, uint64_t owner, uint64_t hint, uint32_t *addr);

// Take one certain address. 0, -EADDRINUSE, or -ENOMEM.
int pools_take(struct pools *p, uint32_t addr, uint64_t owner);

// Give back an address that was taken.
void pools_release(struct pools *p, uint32_t addr);

// Who has addr; 0: nobody.
uint64_t pools_owner(const struct pools *p, uint32_t addr);

// Addresses out now, local ones not counted.
uint32_t pools_taken(const struct pools *p);

const char *pool_name(const struct pool *pool);
uint32_t pool_size(const struct pool *pool);
uint32_t pool_free(const struct pool *pool);
// Where to go on when pool has none left, NULL: nowhere.
struct pool *pool_next(const struct pool *pool);
// The first pool of the chain that begins with pool in which addr lies, NULL: none.
const struct pool *pool_having(const struct pool *pool, uint32_t addr);
