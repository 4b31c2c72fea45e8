// SPDX-License-Identifier: BSD-3-Clause
// Address lists: which of them an address is in. Their own prefixes from the configuration, and
// those of sessions that joined while they are up. One writer (control thread), lock-free readers.
#pragma once

#include <stdint.h>
#include <netinet/in.h>

#include "config/config.h"
#include "dataplane/dp_msg.h"
#include "dataplane/prefixtab.h"

struct lists;

// For the lists of c, and as many sessions of each worker. NULL when out of memory.
struct lists *lists_create(
	const struct config *c, unsigned int nb_workers, uint32_t sessions_per_worker);
void lists_destroy(struct lists *l); // NULL is fine

// What an OPEN_DATA says: the session's addresses are in its list from now on, and in no other that
// an OPEN_DATA before named. 0, or -ENOSPC: it is in none. Control thread.
int lists_join(struct lists *l, const struct dp_msg *open);
// The session is over, or has no data any more. Control thread.
void lists_leave(struct lists *l, dp_handle h);

// A bit for each list that addr is in. Any worker.
const struct prefixtab *lists_table(const struct lists *l);
static inline uint32_t lists_of(const struct prefixtab *t, const struct in6_addr *addr)
{
	return prefixtab_members(t, addr);
}
