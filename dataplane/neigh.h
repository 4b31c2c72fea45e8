// SPDX-License-Identifier: BSD-3-Clause
// One worker's neighbours on one port, IPv4 and IPv6 alike: RFC 4861 7.3 neighbour unreachability
// detection, with ARP as the means for IPv4. The table is bounded, and of its entries those that
// packets are sent to are the last to be given up: neither a scan of empty addresses (at most a
// quarter of the table unresolved) nor a flood of made-up senders (never displaces a neighbour in
// use) exhausts it.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "dataplane/ipaddr.h"

struct netif;

#define NEIGH_HELD 32      // packets waiting for one neighbour: a gateway's first burst of SYN-ACKs
#define NEIGH_HELD_ALL 512 // for all of them
#define NEIGH_L2_MAX 18

#define NEIGH_RETRANS_US 1000000    // RFC 4861 10: RETRANS_TIMER
#define NEIGH_SOLICITS 3            // MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT
#define NEIGH_DELAY_US 5000000      // DELAY_FIRST_PROBE_TIME
#define NEIGH_REACHABLE_US 30000000 // REACHABLE_TIME, times 0.5 to 1.5
#define NEIGH_GC_US 600000000       // an unused entry is forgotten after ten minutes

enum neigh_state {
	NEIGH_NONE, // only of gateways: nothing known, nothing asked
	NEIGH_INCOMPLETE,
	NEIGH_REACHABLE,
	NEIGH_STALE,
	NEIGH_DELAY,
	NEIGH_PROBE,
};

// Every entry is in one list. The three timed ones are in order of due_us.
enum neigh_list {
	NEIGH_L_FREE,
	NEIGH_L_INCOMPLETE,
	NEIGH_L_DELAY,
	NEIGH_L_PROBE,
	NEIGH_L_PASSIVE, // learned, but nothing was ever sent to it
	NEIGH_L_ACTIVE,
	NEIGH_N_LISTS,
};

struct neigh {
	uint8_t l2[NEIGH_L2_MAX]; // Ethernet header of frames to it, unless NONE or INCOMPLETE
	uint8_t state;            // enum neigh_state
	uint8_t list;             // enum neigh_list
	uint8_t probes;
	uint8_t nb_held;
	bool pinned;       // a gateway: never removed
	bool sent;         // something was sent to it
	uint64_t valid_us; // REACHABLE: until then
	uint64_t used_us;
	uint64_t due_us; // in a timed list
	struct ipaddr addr;
	uint32_t hash_next; // index + 1; 0: last
	TAILQ_ENTRY(neigh) link;
	struct rte_mbuf *held[NEIGH_HELD]; // L3, each ours alone; oldest first
};

TAILQ_HEAD(neigh_head, neigh);

// Whether a packet may go to e with nothing else to be done; notes that it is used.
static inline bool neigh_is_ready(struct neigh *e, uint64_t now_us)
{
	// One that is doubted is used all the same: its timer runs.
	bool ready = e->state == NEIGH_REACHABLE ? now_us < e->valid_us : e->state >= NEIGH_DELAY;

	if (!ready || !e->sent)
		return false;
	if (e->used_us != now_us)
		e->used_us = now_us;
	return true;
}

struct neigh_table {
	struct neigh *entries;
	uint32_t *buckets; // index + 1
	uint32_t max, bucket_mask, seed;
	uint32_t nb_held;
	uint32_t gc_at; // entry the ageing looks at next
	uint32_t nb[NEIGH_N_LISTS];
	struct neigh_head lists[NEIGH_N_LISTS];
};

// 0 or -ENOMEM.
int neigh_table_init(struct neigh_table *t, uint32_t max, uint32_t seed);
// Frees every packet held.
void neigh_table_fini(struct neigh_table *t);

struct neigh *neigh_find(const struct neigh_table *t, const struct ipaddr *addr); // NULL: none

// The entry for something to be sent to; made, in state NONE, when there is none. NULL: the table
// is full of entries that are in use (counted).
struct neigh *neigh_get(struct netif *n, const struct ipaddr *addr, uint64_t now_us);

// Send an L3 packet to an entry in any state: transmit, or hold and resolve. Consumes m.
void neigh_send(struct netif *n, struct neigh *e, struct rte_mbuf *m, uint64_t now_us);

// Its address was confirmed by an answer to our question: REACHABLE; what was held goes out.
void neigh_confirm(
	struct netif *n, struct neigh *e, const struct rte_ether_addr *mac, uint64_t now_us);
// Its address was seen: when it is new, STALE; what was held goes out.
void neigh_seen(
	struct netif *n, struct neigh *e, const struct rte_ether_addr *mac, uint64_t now_us);
// Start doubting: REACHABLE becomes STALE.
void neigh_doubt(struct netif *n, struct neigh *e);
// Learn a neighbour that spoke to us first; never displaces one in use.
void neigh_learn(struct netif *n, const struct ipaddr *addr, const struct rte_ether_addr *mac,
	uint64_t now_us);
// Resolve without a packet.
void neigh_resolve(struct netif *n, struct neigh *e, uint64_t now_us);

// Retransmissions, probes, ageing; bounded work a call.
void neigh_tick(struct netif *n, uint64_t now_us);

static inline const struct rte_ether_addr *neigh_mac(const struct neigh *e)
{
	return (const struct rte_ether_addr *)e->l2;
}
