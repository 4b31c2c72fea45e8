// SPDX-License-Identifier: BSD-3-Clause
// One TCP stack and a scripted peer: segments go in by hand, what comes out is compared one by one.
// Sequence numbers are relative: the peer's from its SYN (0), the stack's from its own.
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tcp_sim.h"

#define PEER_ISN 0xfffffe00u // wraps soon
#define PEER_PORT 50000
#define OUR_PORT 443
#define S TCP_SYN
#define F TCP_FIN
#define R TCP_RST
#define A TCP_ACK

struct pkt { // a segment, in or out; sequence numbers relative
	uint8_t flags;
	uint32_t seq, ack;
	uint16_t len;
	uint16_t wnd;
	uint16_t mss;            // 0: no option
	int wscale;              // -1: no option
	bool sack_ok, ts, no_ts; // in: timestamps as negotiated unless no_ts
	uint32_t tsval, tsecr;   // in: 0: now, and the last one seen
	uint8_t nb_sack;
	struct tcp_block sack[4];
	bool absolute; // seq and ack are the numbers on the wire
};

struct rig {
	struct tcp_stack *stack;
	struct counters counters;
	struct tcp_config cfg;
	struct rte_mempool *pool;
	unsigned int avail; // in the pool at the start
	struct tcp_conn *c;
	struct ipaddr us, peer;
	uint16_t our_port, peer_port;
	uint64_t now_us;
	uint32_t iss, peer_isn;
	bool ts;          // the script's segments carry timestamps
	uint32_t ts_last; // newest tsval from the stack
	struct pkt out[512];
	unsigned int nb_out, next_out;
	unsigned int events; // seen by rig_poll()
};

// Defaults of sim_config(); change r->cfg before rig_start().
void rig_init(struct rig *r);
void rig_start(struct rig *r);
void rig_end(struct rig *r);  // destroys; every mbuf must be back
void rig_over(struct rig *r); // the same, and nothing more came out

void rig_in(struct rig *r, struct pkt p);
// The next segment that came out: exactly these flags, numbers and length.
const struct pkt *rig_out(struct rig *r, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t len);
void rig_silent(struct rig *r); // nothing more came out
void rig_wait(struct rig *r, uint64_t us);
// Wait until something comes out, at most us; returns how long.
uint64_t rig_wait_out(struct rig *r, uint64_t us);
unsigned int rig_poll(struct rig *r);       // events since the last call; sets r->c
void rig_send(struct rig *r, uint32_t len); // queue and push one segment
void rig_queue(struct rig *r, uint32_t len);

// A handshake, from the peer or to it, with an RTT of 10 ms; timestamps and SACK when asked for.
// peer_wnd: unscaled.
void rig_accept(struct rig *r, bool ts, bool sack, uint16_t peer_wnd);
// All of it: a stack by default, and a connection with timestamps and SACK, 64 KiB of window.
void rig_established(struct rig *r);
