// SPDX-License-Identifier: BSD-3-Clause
// The inside of the channel between the planes (dp_msg.h): rings, message pool, shared tables. Data
// plane only.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "dataplane/addrtab.h"
#include "dataplane/counters.h"
#include "dataplane/dp_msg.h"
#include "dataplane/filter.h"
#include "dataplane/lists.h"
#include "dataplane/prefixtab.h"

#define DP_MAX_WORKERS 32
#define DP_MAX_POOLS (12 * DP_MAX_WORKERS + 16)
#define DP_MAX_RANGES 256
#define DP_RING_SIZE 4096
#define DP_PREFIXES_MAX(nb_addresses) ((nb_addresses)*4 + 65536)
#define DP_MAX_CONNECTED 2

// A session's place without its generation, as the address table keeps it: worker (8) | slot (24).
// Slot 0 is never used, so that 0 is no reference; worker 255 is none, so that DP_REF_LOCAL cannot
// be one either.
#define DP_REF_LOCAL 0xffffffffu
#define DP_REF_CORE 0xfefffffeu // in prefixes: on-link on core, never through a session

static inline dp_handle dp_handle_make(unsigned int worker, uint32_t slot, uint32_t gen)
{
	return (dp_handle)worker << 56 | (dp_handle)slot << 32 | gen;
}

static inline unsigned int dp_handle_worker(dp_handle h)
{
	return (unsigned int)(h >> 56);
}

static inline uint32_t dp_handle_slot(dp_handle h)
{
	return (uint32_t)(h >> 32) & 0xffffff;
}

static inline uint32_t dp_handle_gen(dp_handle h)
{
	return (uint32_t)h;
}

static inline uint32_t dp_handle_ref(dp_handle h)
{
	return (uint32_t)(h >> 32);
}

// How full something is, asked when somebody wants to know.
struct dp_level {
	char name[32];
	void (*get)(void *arg, uint32_t *in_use, uint32_t *size);
	void *arg;
};

struct dp_range {
	uint32_t first, last;
};

struct dp_chan {
	unsigned int nb_workers;
	struct rte_ring *cmd[DP_MAX_WORKERS]; // cp: produces, worker: consumes
	struct rte_ring *ev[DP_MAX_WORKERS];  // worker: produces, cp: consumes
	struct rte_mempool *msgs;
	struct addrtab *addrs;      // cp: writes, workers: read
	struct filter_set *filters; // made before workers start; NULL: none
	struct lists *lists;        // cp: writes, workers: read; NULL: there are none
	struct prefixtab *prefixes; // through sessions; cp: writes, workers: read
	struct dp_connected {
		struct in6_addr prefix;
		uint8_t plen;
	} connected[DP_MAX_CONNECTED]; // core's own prefixes, in prefixes from the first published
				       // one on
	unsigned int nb_connected, nb_connected_in;
	uint32_t nb_local;                     // entries of addrs that are local addresses
	struct dp_range ranges[DP_MAX_RANGES]; // written before workers start
	unsigned int nb_ranges;
	unsigned int next_worker; // where dp_recv_events() goes on
	const struct counters *counters[DP_MAX_WORKERS];
	struct dp_level levels[DP_MAX_POOLS];
	unsigned int nb_levels;
	int efd;
	// Set by the control thread before it sleeps, taken back by the first worker with an event,
	// which then writes efd.
	_Atomic bool armed __attribute__((aligned(64)));
};

// Rings for nb_workers, nb_msgs messages, room for nb_addresses, and for four prefixes each with
// some to spare. Needs a started EAL. NULL with
// rte_errno.
struct dp_chan *dp_chan_create(
	unsigned int nb_workers, unsigned int nb_msgs, uint32_t nb_addresses);
// Frees what is left in the rings too.
void dp_chan_destroy(struct dp_chan *ch);

// Register something whose level dp_pool() reports. Before workers start.
void dp_chan_add_level(struct dp_chan *ch, const char *name, unsigned int worker,
	void (*get)(void *arg, uint32_t *in_use, uint32_t *size), void *arg);
void dp_level_of_mempool(void *mempool, uint32_t *in_use, uint32_t *size);

// A prefix that is on-link on core: longer than one through a session it wins over that. Before
// workers start.
void dp_connected_add(struct dp_chan *ch, const struct in6_addr *prefix, uint8_t plen);

// Worker side: for how many more events there is room. Single producer, so that room seen is room
// had.
static inline unsigned int dp_event_room(const struct dp_chan *ch, unsigned int worker)
{
	return rte_ring_free_count(ch->ev[worker]);
}

// Send an event (dp_event_room() was not 0) and wake the control thread if it sleeps.
void dp_send_event(struct dp_chan *ch, unsigned int worker, struct dp_msg *m);

// Whether addr (host order) belongs to a pool or is published: for proxy ARP. Any worker.
bool dp_address_known(const struct dp_chan *ch, uint32_t addr);
