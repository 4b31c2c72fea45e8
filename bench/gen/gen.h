// SPDX-License-Identifier: BSD-3-Clause
// The DPDK load generator: SSTP clients on Culvert's own TCP and record layer, and the host behind
// the concentrator that they talk to, in one thread and by polling. It needs an access port (where
// the clients are) and may have a core port (where the host is); the ports are the caller's.
//
// Bring-up and tear-down are as a client does them (TLS by OpenSSL, HTTP, SSTP, PPP:
// client/call.h); with a call up, its keys go to the record layer and the handshake's memory is
// freed.
//
// Everything here is one thread's. now_us: of the same clock throughout, monotonic microseconds.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <rte_mempool.h>

#include "bench/hist.h"
#include "client/call.h"
#include "dataplane/port.h"

struct gen;

// What happens to frames between the access port and the generator's clients, both ways.
// Probabilities 0..1; deterministic from the seed.
struct gen_chaos {
	double loss, duplicate, reorder, corrupt;
	uint32_t rcv_wnd; // receive window of the clients, bytes; 0: as large as it gets
	uint64_t seed;
};

struct gen_conf {
	const struct port *access, *core; // core: NULL: none
	uint16_t queue;                   // of both that are this generator's
	// Devices that pass on the mbuf itself (net_ring): the other end may still refer to what
	// comes, and will write to what goes. Copies are made on both ways, as a NIC's DMA would.
	bool access_by_pointer;
	// The wire vouches for checksums, and fills in those that a port with offloads leaves to
	// its hardware: frames to the workers are marked as checked, frames from them need not be
	// right.
	bool offloads;
	struct rte_mempool *pool;
	// Clients' own addresses: nb_client from the first on (host order), one subnet with the
	// server. A connection takes address number (session % nb_client).
	uint32_t client_addr, nb_client;
	uint8_t client_plen;
	uint32_t server_addr;
	uint16_t server_port;
	// The host on the core side, and the concentrator's address there.
	uint32_t core_addr, core_gw;
	uint8_t core_plen;
	unsigned int sessions, first; // first: number of the first session
	const char *user;             // with at most one %d for the session's number
	const char *password;
	struct call_conf call;      // but for user, password
	const char *record_backend; // "": the fastest
	struct gen_chaos chaos;
};

// Copies conf, borrows what it points to. NULL with the reason in err.
struct gen *gen_create(const struct gen_conf *c, uint64_t now_us, char *err, size_t cap);
// Drops whatever is there without a word (gen_hangup() before, for an orderly end).
void gen_destroy(struct gen *g);

// One turn: receive, TCP, records, calls, traffic, timers, transmit. Returns how much work there
// was.
unsigned int gen_loop(struct gen *g, uint64_t now_us);

// Bring up sessions [first, first + n) (numbers within this generator, from 0): so many at once in
// progress, so many a second (0: as fast as that allows). A session that is up, or being brought
// up, is left alone; one that failed or ended is tried again. Returns at once.
void gen_dial(struct gen *g, unsigned int first, unsigned int n, unsigned int concurrent,
	double rate, uint64_t now_us);
// Hang them up in order, so many a second (0: as fast as possible).
void gen_hangup(struct gen *g, unsigned int first, unsigned int n, double rate, uint64_t now_us);

#define GEN_DOWN 0x01    // host -> clients
#define GEN_UP 0x02      // clients -> host
#define GEN_HAIRPIN 0x04 // client 2k <-> client 2k + 1
#define GEN_MAX_SIZES 8

struct gen_traffic {
	unsigned int directions; // GEN_*; each gets pps
	unsigned int nb_sizes;   // inner IP packets; IMIX: 3 with weights 7, 4, 1
	uint16_t size[GEN_MAX_SIZES];
	unsigned int weight[GEN_MAX_SIZES];
	double pps;            // of all sessions together in one direction; 0: as fast as per_turn
	unsigned int per_turn; // with pps 0: packets given in one gen_loop(), each direction
	unsigned int burst;    // packets of one session back to back
	unsigned int first, active; // sessions that take part; they take turns
	bool random;                // in random order
	// Up: the clients' records as a kernel client's arrive: the stream cut at the MSS, so that
	// records straddle segments; half a segment waits a millisecond for more. Else a record
	// each.
	bool straddle;
	unsigned int per_record; // up: packets in one record (1)
	// Of what the clients receive, open and check every n-th record's bytes (1: all). Others
	// are acknowledged, counted by their record headers and not opened. AEAD is the generator's
	// greatest cost. 0: none. What is not opened is counted by length: with several sizes the
	// number of packets is then an estimate, right when nothing is lost. With down and hairpin
	// together all is opened. The host looks at every packet's header and at each n-th one's
	// bytes.
	unsigned int verify;
};

// Copies t; all counts of traffic begin at zero. 0; -EINVAL; -EMSGSIZE: longer than the
// host's link takes; -ENOMEM.
int gen_traffic_start(struct gen *g, const struct gen_traffic *t, uint64_t now_us);
void gen_traffic_stop(struct gen *g, uint64_t now_us);
// Forget what was counted of traffic: behind a warm-up.
void gen_traffic_reset(struct gen *g, uint64_t now_us);

struct gen_flow { // one direction
	uint64_t sent, sent_bytes;
	uint64_t refused; // could not be sent: no window, no mbuf
	uint64_t received, received_bytes;
	uint64_t lost;                           // sent and not received (yet)
	uint64_t reordered, duplicated, corrupt; // of what was opened
	struct hist latency;                     // ns, of what was opened
};

enum gen_direction { GEN_DIR_DOWN, GEN_DIR_UP, GEN_DIR_HAIRPIN, GEN_N_DIRS };

#define GEN_MAX_REASONS 16

struct gen_stats {
	unsigned int idle, dialing, up, closing, ended; // sessions now
	uint64_t dialed, came_up, failed, lost;         // so far; lost: ended by themselves
	uint64_t hung_up;                               // in order
	struct hist setup;                              // ns, from SYN to up
	struct gen_flow flow[GEN_N_DIRS];
	uint64_t tcp_retransmits, mbufs_in_use;
	unsigned int tcp_open, tcp_time_wait; // connections, also those that close by themselves
	uint64_t chaos_lost, chaos_duplicated, chaos_reordered, chaos_corrupted;
	unsigned int nb_reasons; // of calls that failed or were lost
	struct {
		char text[200];
		uint64_t n;
	} reasons[GEN_MAX_REASONS];
};

const struct gen_stats *gen_stats(struct gen *g); // good until the next call on g

// Inner address of a session that is up, host order; 0: it is not.
uint32_t gen_session_addr(const struct gen *g, unsigned int i);
