// SPDX-License-Identifier: BSD-3-Clause
// The inside of the stand-in for the data plane: what its channel (fake_chan.c) and its workers
// (fake_worker.c) share.
#pragma once

#include "fake_worker.h"

#define MAX_WORKERS 4
#define MAX_CONNS 32768
#define MAX_ADDRESSES 32768
#define MAX_SPARE 1024
#define MAX_PREFIXES 256

struct ring {
	struct dp_msg **m;
	unsigned int head, n, size;
};

struct dp_chan {
	unsigned int nb_workers, nb_msgs, in_use, fail_allocs, next_worker;
	uint32_t chunk, overlap, generation;
	bool stalled, armed;
	int fd;
	struct ring cmd[MAX_WORKERS], ev[MAX_WORKERS];
	bool listening[MAX_WORKERS], admit[MAX_WORKERS];
	uint32_t credit[MAX_WORKERS], waiting[MAX_WORKERS];
	struct dp_msg *spare[MAX_SPARE]; // freed messages, for programs that count time
	unsigned int nb_spare, max_spare;
	struct fake_conn *conn[MAX_CONNS];
	uint32_t free_hint, end; // slots below the one are taken, from the other on they are free
	struct {
		uint32_t addr;
		dp_handle h;
	} address[MAX_ADDRESSES];
	uint32_t nb_addresses;
	uint16_t nb_like[1u << 16]; // addresses by their lower half
	struct {
		struct in6_addr addr;
		uint8_t plen;
		uint32_t metric;
		dp_handle h;
	} prefix[MAX_PREFIXES];
	uint32_t nb_prefixes;
	uint32_t local[16];
	unsigned int nb_locals, nb_ranges;
	struct rec_crypto *rc;
};

bool ring_put(struct ring *r, struct dp_msg *m); // false: full
struct dp_msg *ring_get(struct ring *r);         // NULL: empty
// A message, type and handle set; NULL: the pool is empty.
struct dp_msg *msg_new(struct dp_chan *ch, unsigned int type, dp_handle h);
