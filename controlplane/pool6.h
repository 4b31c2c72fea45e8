// SPDX-License-Identifier: BSD-3-Clause
// Inner IPv6 prefixes: who has which, and pools to take them from. A pool's prefix is cut into
// pieces of one length; memory is taken for pieces that are out, not for those that could be. No
// piece is out twice, and none that overlaps a fixed prefix of a secret. Control thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "config/config.h"

struct pools6;
struct pool6;

// Pools of c, all free. NULL with the reason in err (out of memory, lengths out of order).
struct pools6 *pools6_create(const struct config *c, char *err, size_t cap);
void pools6_destroy(struct pools6 *p); // NULL is fine

// A pool by name, NULL: there is none.
struct pool6 *pools6_find(struct pools6 *p, const char *name);

// Take a piece of a pool. owner: not 0, for pools6_owner(). hint: where the search starts; the same
// hint (a hash of the user) finds the same piece while it is free. 0 and *prefix, its length being
// pool6_length(); -ENOSPC: none left; -ENOMEM.
int pools6_take_any(struct pools6 *p, struct pool6 *pool, uint64_t owner, uint64_t hint,
	struct in6_addr *prefix);

// Take one certain prefix (bits behind plen do not count). 0, -ENOMEM, or -EADDRINUSE: it is out,
// or lies in a pool without being a fixed prefix of the configuration or a piece of the pool.
int pools6_take(struct pools6 *p, const struct in6_addr *prefix, uint8_t plen, uint64_t owner);

// Give back what was taken.
void pools6_release(struct pools6 *p, const struct in6_addr *prefix, uint8_t plen);

// Who has exactly this prefix; 0: nobody.
uint64_t pools6_owner(const struct pools6 *p, const struct in6_addr *prefix, uint8_t plen);

uint32_t pools6_taken(const struct pools6 *p); // prefixes out now, fixed ones too

const char *pool6_name(const struct pool6 *pool);
uint8_t pool6_length(const struct pool6 *pool);
uint64_t pool6_size(const struct pool6 *pool);  // pieces; UINT64_MAX: more than can be counted
uint64_t pool6_taken(const struct pool6 *pool); // of these
