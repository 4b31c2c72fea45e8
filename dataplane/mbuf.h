// SPDX-License-Identifier: BSD-3-Clause
// What every mbuf of Culvert carries, and how its pools are made.
//
// Headroom: RTE_PKTMBUF_HEADROOM (128) in front of received frames; behind the Ethernet header an
// inner packet has at least 142 bytes: PPP 4 + SSTP 4 + TLS 13 + TCP 60 + IPv6 40 + Ethernet and
// VLAN 18 = 139. MBUF_FRONT is what whoever makes an inner packet or a record afresh must leave.
#pragma once

#include <stddef.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#define MBUF_FRONT 192
#define MBUF_TAIL 32 // room behind a packet for the record's tag
#define MBUF_DATA_ROOM \
	2432 // headroom included: an inner packet up to 2048 fits with MBUF_FRONT and MBUF_TAIL.
	     // For larger ones mbuf_room_for() says how much.

// Ours in every mbuf: a dynamic field that is registered at one fixed place, the second half of the
// mbuf's second cache line. Freeing reads that line anyway (next), so that a queued mbuf costs two
// lines; a private area behind it would be the third.
//
// TCP's description of a queued payload; while the mbuf sits in a send queue, data_off and data_len
// are the transmit path's and this is the truth about the payload. Owner: the connection's send
// queue.
#define MBUF_MP_FRAGMENT \
	0x8000 // flags in a session's queue: a fragment with its MP header, no packet

struct mbuf_priv {
	struct rte_mbuf *next; // in a connection's queue (send, receive, out of order)
	uint64_t sent_us;      // when it was last transmitted
	uint32_t seq;          // of the first payload byte
	uint16_t off;          // of the payload in buf_addr
	uint16_t len;          // of the payload
	uint16_t flags;
	uint16_t retransmits;
};

#define MBUF_PRIV_OFFSET RTE_ALIGN(offsetof(struct rte_mbuf, dynfield1), sizeof(uint64_t))

_Static_assert(MBUF_PRIV_OFFSET + sizeof(struct mbuf_priv) <= sizeof(struct rte_mbuf), "mbuf_priv");

static inline struct mbuf_priv *mbuf_priv(struct rte_mbuf *m)
{
	return (struct mbuf_priv *)((char *)m + MBUF_PRIV_OFFSET);
}

// Both lines of an mbuf that is about to be queued, sent or freed.
static inline void mbuf_prefetch(struct rte_mbuf *m)
{
	__builtin_prefetch(m, 1);
	__builtin_prefetch((char *)m + 64, 1);
}

// The room in front of a packet, where record, TCP, IP and Ethernet headers are going to be
// written: nobody has touched it yet.
static inline void mbuf_prefetch_front(struct rte_mbuf *m)
{
	const char *p = rte_pktmbuf_mtod(m, const char *);

	__builtin_prefetch(p - 64, 1);
	__builtin_prefetch(p - 128, 1);
}

// Free n mbufs: the ordinary ones of one pool together, at a fraction of rte_pktmbuf_free_bulk()'s
// cost.
void mbuf_free_bulk(struct rte_mbuf **m, unsigned int n);

// A pool of n mbufs on a NUMA node (SOCKET_ID_ANY allowed); NULL with rte_errno: EBUSY when
// something else has taken the place of mbuf_priv.
struct rte_mempool *mbuf_pool_create(const char *name, unsigned int n, int socket);
// The same with another data room than MBUF_DATA_ROOM.
struct rte_mempool *mbuf_pool_create_room(
	const char *name, unsigned int n, uint16_t room, int socket);

// The data room for packets of this many bytes at any place of their way: received behind an
// Ethernet header, or made with MBUF_FRONT and sealed. 0: more than an mbuf can have.
// Devices take the room behind the headroom in whole KiB, and would cut a frame that is longer.
static inline uint16_t mbuf_room_for(uint32_t packet)
{
	uint32_t need = MBUF_FRONT + packet + MBUF_TAIL;

	if (need <= MBUF_DATA_ROOM)
		return MBUF_DATA_ROOM;
	need = RTE_ALIGN_CEIL(need - RTE_PKTMBUF_HEADROOM, 1024u) + RTE_PKTMBUF_HEADROOM;
	return need > UINT16_MAX ? 0 : (uint16_t)need;
}
