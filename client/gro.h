// SPDX-License-Identifier: BSD-3-Clause
// Packets on their way to a TUN interface with virtio-net headers, merged into super-packets by the
// kernel's own rules (tcp_gro_receive, inet_gro_receive): of one flow, in sequence, alike, of one
// size but the last, with checksums that are right. What is not merged goes as it is. Within a flow
// nothing changes its order. Allocates nothing. One thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "client/gso.h"

#define GRO_FLOWS 8       // merged at a time
#define GRO_PARTS 64u     // packets in one, at most
#define GRO_HEAD_MAX 100u // IPv6 and TCP with all options

struct gro_flow {
	uint16_t n; // packets so far, 0: the place is free
	uint16_t l4, hdr_len;
	uint16_t size, id;
	uint8_t proto;
	bool checked;      // the first one's checksum
	uint32_t next_seq; // TCP
	uint32_t len;      // of the merged packet
	const uint8_t *first;
	uint8_t vnet[GSO_VNET_LEN], head[GRO_HEAD_MAX];
	struct iovec part[2 + GRO_PARTS]; // both of these, and payloads
};

struct gro {
	// One packet for write(): virtio-net header first. Dead after the call.
	void (*write)(void *user, const struct iovec *part, unsigned int n);
	void *user;
	bool udp; // datagrams too: the kernel must know VIRTIO_NET_HDR_GSO_UDP_L4
	unsigned int next;
	struct gro_flow flow[GRO_FLOWS];
};

void gro_init(struct gro *r, void (*write)(void *user, const struct iovec *part, unsigned int n),
	void *user, bool udp);

// Pass an IP packet of any content on, now or with those behind it. Its bytes must stay as they are
// until gro_flush().
void gro_put(struct gro *r, const uint8_t *ip, size_t len);

// Nothing more comes of what was read: write what is held.
void gro_flush(struct gro *r);
