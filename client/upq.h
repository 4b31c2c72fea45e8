// SPDX-License-Identifier: BSD-3-Clause
// Packets on their way into the tunnel, which wait here until the socket would send them at once:
// flows apart, in the manner of RFC 8290 (FQ-CoDel), so that a ping or a key stroke does not wait
// behind an upload. One thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/codel.h"

#define UPQ_FLOWS 64
#define UPQ_WAYS 8 // places that a flow may take
#define UPQ_PACKETS_MAX 2048
#define UPQ_BYTES_MAX (2u << 20)

struct upq_packet {
	struct upq_packet *next;
	uint64_t at_us;
	uint32_t len;
	uint8_t data[];
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

// Queue a copy of an IP packet. When there is no room, the flow with the most bytes loses its
// oldest packets. False: out of memory, dropped.
bool upq_put(struct upq *q, const void *ip, size_t len, uint64_t now_us);

// Drop what does not fit any more: ip is a packet's. Returns how many went.
unsigned int upq_drop_if(struct upq *q,
	bool (*unfit)(const void *user, const uint8_t *ip, size_t len), const void *user);

// The next packet, the caller's to free(); NULL: none waits.
struct upq_packet *upq_get(struct upq *q, uint64_t now_us);
