// SPDX-License-Identifier: BSD-3-Clause
// The queue of a session while it stands: flows apart, in the manner of RFC 8290 (FQ-CoDel). Flows
// with little in the queue go first, so that a ping or a key stroke does not wait behind a
// download; the others take turns by bytes, each under a CoDel of its own. On inner packets, data
// at the IP header, whose mbuf_priv.sent_us is when they came. No allocation, no clock.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/codel.h"
#include "dataplane/mbufq.h"

#define FLOWQ_FLOWS 32
#define FLOWQ_WAYS 8 // places that a flow may take: as many at a time are sure to be apart
#define FLOWQ_SHED 32

struct flowq_flow {
	struct mbuf_queue q;
	struct codel codel;
	int32_t deficit; // bytes it may still send in this turn
	uint16_t tag;    // of the flow's hash
	uint8_t list;    // enum flowq_list
	uint8_t next;    // in that list, FLOWQ_FLOWS: none
};

struct flowq_list {
	uint8_t head, tail;
};

struct flowq {
	void *owner;               // the session
	struct flowq *prev, *next; // the worker's, by age
	uint64_t stood_us;         // when a packet last stood for long
	uint64_t slack_us;         // that every packet may stand beyond CoDel's target
	uint32_t len;              // packets
	uint32_t seed;             // of the hash
	uint32_t quantum;
	struct flowq_list fresh, old;
	struct flowq_flow flow[FLOWQ_FLOWS];
};

_Static_assert(sizeof(struct flowq_flow) == 64, "one cache line");

// An empty one. quantum: bytes that a flow sends in its turn, the largest packet at least.
void flowq_init(struct flowq *f, uint32_t quantum, uint32_t seed, uint64_t now_us);

// Queue m. Consumes it.
void flowq_put(struct flowq *f, struct rte_mbuf *m);

// The next packet, now the caller's; NULL: empty. Those that CoDel drops on the way are appended to
// dropped.
struct rte_mbuf *flowq_get(struct flowq *f, struct mbuf_queue *dropped, uint64_t now_us);

// Make room: half of the longest flow's packets, FLOWQ_SHED at the most, oldest first, are appended
// to dropped.
void flowq_shed(struct flowq *f, struct mbuf_queue *dropped);

// Append all packets to dropped.
void flowq_clear(struct flowq *f, struct mbuf_queue *dropped);
