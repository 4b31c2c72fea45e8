// SPDX-License-Identifier: BSD-3-Clause
// A whole worker of culvertd between rings that stand for its ports, with clients that this side
// plays by hand: their TCP is one stack, their keys are agreed on, and time is what it is told.
#pragma once

#include <rte_ether.h>
#include <rte_ring.h>

#include "bench/micro/micro.h"
#include "config/config.h"
#include "dataplane/dp.h"
#include "dataplane/worker.h"

#define PATH_OUT_MAX 4096
#define PATH_SEGMENT 1448     // full, with timestamps
#define PATH_HOST 0xac100002u // 172.16.0.2, on the core side
#define PATH_INNER(i) (0x0a000002u + (i))

struct path_client {
	struct tcp_conn *conn;
	struct rec_dir tx;
	void *key;
	dp_handle handle;
	uint32_t nb_pending; // bytes of the stream that did not fill a segment yet
	uint8_t pending[2 * PATH_SEGMENT];
};

struct path {
	struct config *config;
	struct dp *dp;
	struct dp_chan *ch;
	struct worker *w;
	struct rte_ring *up, *down, *core_up, *core_down;
	struct rte_ether_addr mac_access, mac_core;
	struct tcp_stack *peer;
	struct counters cnt;
	struct rec_crypto *rc;
	struct path_client *clients;
	uint32_t nb_clients;
	uint64_t now_us;
	uint32_t nb_out; // segments of the clients, for the access ring
	struct rte_mbuf *out[PATH_OUT_MAX];
};

// A worker with n clients whose data is open. 0, or -errno with the reason in why.
int path_open(struct path *p, uint32_t n, char *why, size_t cap);
void path_close(struct path *p);

// What the worker sent to its clients reaches them, and what they answer with waits for it. What it
// sent to core goes.
void path_turn(struct path *p);
// Inner packets that the worker forwarded so far.
uint64_t path_forwarded(const struct path *p);

// A packet of len bytes from core for client i, into the worker's ring.
void path_core_in(struct path *p, uint32_t i, uint32_t len);
// Client i seals one SSTP data packet around a packet of len bytes into its stream.
void path_client_record(struct path *p, uint32_t i, uint32_t len);
// Client i sends a segment: all that is pending, or PATH_SEGMENT of it. path_flush() puts what all
// have sent into the worker's ring.
void path_client_send(struct path *p, uint32_t i);
void path_flush(struct path *p);

// What should not happen makes figures that are none: the program ends.
void path_must(bool cond, const char *what);
