// SPDX-License-Identifier: BSD-3-Clause
// Multilink over the one link of a session (RFC 1990): what exceeds the MTU goes to the client as
// fragments, and what comes in fragments is put together. All of it is out of the ordinary packet's
// way: below the MTU packets go bare, which keeps their order on one link.
//
// What a session may hold: one packet in pieces, of at most its MRRU. What a worker holds: a part
// of its mbufs, and of a pool for packets that no mbuf takes; whose packet is in pieces for longest
// gives way.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/session.h"
#include "protocol/ppp/ppp_mp.h"

struct session_mp {
	struct session *s;
	struct rte_mbuf *part; // of a packet whose rest has not come, else NULL
	struct session_mp *prev, *next;
	struct ppp_mp_rx rx;
	struct ppp_mp_tx tx;
	struct dp_mp is;   // what was agreed
	bool large;        // part is of the large pool
	uint16_t nb_large; // packets in the session's queue that no ordinary mbuf holds
};

// A worker's. Made at its start when the configuration has an MRRU.
struct session_mp_pool {
	struct rte_mempool *states; // struct session_mp, for every session
	struct rte_mempool *large;  // for packets that no ordinary mbuf takes; NULL: none is needed
	uint32_t most;              // the largest MRRU there is room for
	struct session_mp_list {
		struct session_mp *first, *last; // the one first that waits for longest
		uint32_t n, max;
	} parts[2]; // ordinary, large
};

// id: of the worker, for names. mbuf_room: of its nb_mbufs ordinary mbufs. NULL with rte_errno.
struct session_mp_pool *session_mp_pool_create(
	unsigned int id, uint32_t sessions, uint16_t mrru, uint32_t mbuf_room, uint32_t nb_mbufs);
void session_mp_pool_destroy(struct session_mp_pool *p); // NULL is fine
// What it takes in bytes, for the memory to be reserved.
uint64_t session_mp_pool_size(uint32_t sessions, uint16_t mrru, uint32_t mbuf_room);

// What LCP agreed on. anew: a new bundle, with sequence numbers from 0; else that only when it
// differs from what is. False: no memory, or this worker has no multilink.
bool session_mp_set(struct worker *w, struct session *s, const struct dp_mp *mp, bool anew);
// Give back all that s holds.
void session_mp_end(struct worker *w, struct session *s);

// A fragment: the n bytes behind its protocol field. m: the mbuf that holds just the SSTP packet
// around it, or NULL; *taken: it was consumed. False: no room for an event, nothing was done.
bool session_mp_input(struct worker *w, struct session *s, uint8_t *p, uint32_t n,
	struct rte_mbuf *m, bool *taken);

// The packet m, above the MTU, as fragments at the end of q. Returns how many and consumes m; or 0:
// no memory now, m stays the caller's and nothing was done.
uint16_t session_mp_fragment(
	struct worker *w, struct session *s, struct rte_mbuf *m, struct mbuf_queue *q);
// Whether packet m, that no ordinary mbuf holds, may wait somewhere beside `held` others of the
// same session: half of their pool is for packets in pieces, and of the rest each has a share.
bool session_mp_has_room(const struct rte_mbuf *m, uint32_t held);
// Whether m, above the MTU of s, may be put into its queue. Counts it there.
bool session_mp_may_queue(struct worker *w, struct session *s, const struct rte_mbuf *m);
// m was taken out of the queue of s for good, and goes in fragments or is dropped.
void session_mp_unqueue(struct worker *w, struct session *s, const struct rte_mbuf *m);
// How many a packet of len bytes makes.
uint32_t session_mp_fragments(const struct session *s, uint32_t len);
// Bytes of a fragment in the queue that are no inner packet's, and whether it is the last.
uint32_t session_mp_overhead(const struct session *s, const struct rte_mbuf *m, bool *last);

// The largest inner packet that may be queued for s.
static inline uint32_t session_mtu(const struct session *s)
{
	if (likely(!(s->flags & SES_MP)) || s->mp->is.tx_mrru < s->mtu)
		return s->mtu;
	return s->mp->is.tx_mrru;
}
