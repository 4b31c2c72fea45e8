// SPDX-License-Identifier: BSD-3-Clause
// Packets on their way into the tunnel, which wait here until the socket would send them at once:
// flows apart, in the manner of RFC 8290 (FQ-CoDel), so that a ping or a key stroke does not wait
// behind an upload. One thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/codel.h"
#include "client/gso.h"

#define UPQ_FLOWS 64
#define UPQ_WAYS 8 // places that a flow may take
#define UPQ_PACKETS_MAX 2048
#define UPQ_BYTES_MAX (2u << 20)

#define UPQ_ROOM 65600u // bytes of the longest packet

// As the interface gave it: one IP packet, or a super-packet (gso.h), which counts as the packets
// that it stands for.
struct upq_packet {
	struct upq_packet *next;
	uint64_t at_us;
	uint32_t len;
	uint32_t n, gone; // packets that it stands for, and how many of them went
	struct gso gso;
	bool whole_room;
	uint8_t vnet[GSO_VNET_LEN]; // right in front of data
	uint8_t data[];
};

// One IP packet that goes next.
struct upq_out {
	struct upq_packet *p; // NULL: none
	uint32_t i;           // of those that p stands for
	uint32_t len;
};

struct upq_flow {
	struct upq_packet *head, *tail;
	struct codel codel;
	uint32_t bytes, n;
	int32_t deficit;
	uint32_t tag;
	uint8_t list, next;
};

struct upq {
	uint32_t n, bytes; // that wait
	uint64_t dropped;
	struct upq_packet *room, *spare; // to be read into; more of that length, empty
	unsigned int nb_spare;
	struct upq_packet *lent; // what upq_get() gave last is of this one
	uint32_t seed;
	struct upq_list {
		uint8_t head, tail;
	} fresh, old;
	struct upq_flow flow[UPQ_FLOWS];
};

// seed: anything; which flows share a place follows from it.
void upq_init(struct upq *q, uint32_t seed);
// Drops what is left.
void upq_clear(struct upq *q);

// Where the next packet is to be read to: UPQ_ROOM bytes at data, and its header at vnet. The
// queue's. NULL: out of memory.
struct upq_packet *upq_room(struct upq *q);

// Queue what was read there: len bytes (at least 1) that gso_read() took. When there is no room,
// the flow with the most bytes loses its oldest packets. False: out of memory, dropped.
bool upq_put_room(struct upq *q, size_t len, const struct gso *g, uint64_t now_us);

// Queue a copy of an IP packet, in the same way.
bool upq_put(struct upq *q, const void *ip, size_t len, uint64_t now_us);

// Drop what does not fit any more: ip is a packet's, of a super-packet that which stands for the
// others. Returns how many went.
unsigned int upq_drop_if(struct upq *q,
	bool (*unfit)(const void *user, const uint8_t *ip, size_t len), const void *user);

// The next IP packet, which stays the queue's until the next upq_get() or upq_clear(). False: none
// waits, and o->p is NULL.
bool upq_get(struct upq *q, struct upq_out *o, uint64_t now_us);

// Write it to dst: o->len bytes.
static inline void upq_write(const struct upq_out *o, uint8_t *dst)
{
	gso_cut(&o->p->gso, o->p->data, o->p->len, o->i, dst);
}

// Its version: 4, 6, or what a packet of another kind begins with.
static inline uint8_t upq_version(const struct upq_out *o)
{
	return o->p->data[0] >> 4;
}
