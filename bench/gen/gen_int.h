// SPDX-License-Identifier: BSD-3-Clause
// What the generator's files share. One thread throughout.
#pragma once

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "bench/gen/chaos.h"
#include "bench/gen/cut.h"
#include "bench/gen/gen.h"
#include "bench/gen/pace.h"
#include "bench/probe.h"
#include "bench/window.h"
#include "dataplane/counters.h"
#include "dataplane/mbuf.h"
#include "dataplane/netif.h"
#include "dataplane/tcp.h"
#include "dataplane/wheel.h"

#define GEN_RX_OPS 64
#define GEN_RX_SLICES (GEN_RX_OPS * 4 + TLS_REC_MAX_SLICES)
#define GEN_RX_BYTES (GEN_RX_OPS * 2048 + 2 * GEN_RECORD_MAX)
#define GEN_TX_OPS 64
#define GEN_RECORD_MAX (TLS_REC_HDR_LEN + TLS_REC_MAX_CIPHER_12)
#define GEN_MAX_PER_RECORD 32u
#define GEN_FRAME_LEN 8u // SSTP header, FF 03, protocol
// What a fresh mbuf takes with room for a record's tag behind.
#define GEN_MBUF_ROOM (MBUF_DATA_ROOM - MBUF_FRONT - MBUF_TAIL)

enum gen_state {
	GEN_STATE_IDLE,
	GEN_STATE_DIALING, // from SYN to up
	GEN_STATE_UP,
	GEN_STATE_CLOSING, // the call is over, the connection is not
	GEN_STATE_ENDED,
	GEN_N_STATES
};

#define GENF_KEYS 0x01  // records are protected here
#define GENF_EOF 0x02   // FIN came
#define GENF_READY 0x04 // in the ready list
#define GENF_DIALQ 0x08 // in the dial queue
#define GENF_HANGQ 0x10 // in the hang-up queue
#define GENF_WANT 0x20  // is to be dialed
#define GENF_TAIL 0x40  // in the list of half segments
#define GENF_HEARD 0x80 // data came since the call was last asked
#define GENF_WAS_UP 0x100
#define GENF_BROKEN 0x400 // a record could not be sent
#define GENF_ENDS 0x200   // FIN came and all before it was read

// Ordered by what traffic touches first.
struct gen_session {
	struct tcp_conn *conn; // NULL: none
	struct gen *g;
	uint32_t addr; // inner, 0: not up
	uint16_t mtu, flags;
	uint8_t state;
	uint32_t batched; // bytes of records that wait for the seal
	uint32_t skipped; // records not opened since the last that was
	struct gen_session *ready_next, *tail_next, *queue_next;
	struct rte_mbuf *tail; // half a segment
	struct rec_dir rx, tx;
	struct outbuf carry; // half a record
	struct outbuf plain; // half an SSTP packet
	// control
	struct call *call;
	void *keys; // both expanded keys
	char *user;
	struct wheel_timer timer;
	uint64_t dialed_us;
	struct call_secrets secrets;
};

struct gen_list {
	struct gen_session *head, *tail;
};

struct gen_stream { // numbered packets of one sender in one direction
	uint64_t next_seq;
	struct seq_window window;
};

// Records of all sessions on their way to being opened. One that is not opened has no op.
struct gen_rx {
	uint16_t n, nb_ops, nb_slices;
	uint32_t nb_bytes;
	struct {
		struct gen_session *s;
		uint32_t len; // of the record
		int16_t op;   // -1: skipped
	} rec[4 * GEN_RX_OPS];
	struct rec_open_op op[GEN_RX_OPS];
	struct rec_slice slice[GEN_RX_SLICES];
	uint8_t bytes[GEN_RX_BYTES];
};

// Records of all sessions on their way to being sealed.
struct gen_tx {
	uint16_t n;
	struct rec_seal_op op[GEN_TX_OPS];
	struct gen_session *s[GEN_TX_OPS];
	struct rte_mbuf *m[GEN_TX_OPS]; // NULL: in scratch, to be cut
	uint8_t *scratch;               // GEN_RECORD_MAX for each op
	uint32_t nb_spare;
	struct rte_mbuf *spare[GEN_TX_OPS * 4];
};

struct gen_arp { // asking for the server, once
	bool done;
	uint32_t asked, answers;
	uint64_t start_us, asked_us;
};

struct gen {
	struct gen_conf c;
	uint64_t now_us;
	struct netif *access, *core;
	struct port access_via, core_via; // the ports as netif sees them
	struct tcp_stack *tcp;
	struct rec_crypto *rc;
	struct gen_session *sessions;
	struct gen_list ready, tails, dialq, hangq;
	struct wheel *wheel;
	uint64_t tick_us; // of the next housekeeping
	struct gen_rx *rx;
	struct gen_tx tx;
	struct chaos chaos_in, chaos_out;
	struct call_buf *call_buf;
	uint8_t *record; // one gathered record
	unsigned int work;
	bool destroying;
	// dialing
	struct gen_arp arp;
	struct pace dial_pace, hang_pace;
	unsigned int concurrent;
	// traffic
	struct gen_traffic t;
	bool flowing;
	uint32_t run;                          // of the packets; 0: none was ever sent
	struct gen_stream *stream[GEN_N_DIRS]; // of sessions t.first on
	struct pace pace[GEN_N_DIRS];
	unsigned int turn[GEN_N_DIRS];
	unsigned int weights;
	uint64_t unopened;                         // plaintext that clients did not open
	uint64_t unopened_packets, unopened_bytes; // of it, as counted in the flow
	uint64_t rng;
	unsigned int host_skipped;
	double ns_per_tsc;
	uint64_t tsc_base;
	unsigned int nb_state[GEN_N_STATES];
	unsigned int nb_dialq;
	struct gen_stats st;
	struct counters counters;
};

static inline uint64_t gen_ns(const struct gen *g)
{
	return (uint64_t)((double)(rte_rdtsc() - g->tsc_base) * g->ns_per_tsc);
}

static inline unsigned int gen_index(const struct gen_session *s)
{
	return (unsigned int)(s - s->g->sessions);
}

static inline uint64_t gen_random(struct gen *g) // xorshift64*: not for secrets
{
	g->rng ^= g->rng >> 12;
	g->rng ^= g->rng << 25;
	g->rng ^= g->rng >> 27;
	return g->rng * UINT64_C(0x2545f4914f6cdd1d);
}

static inline void gen_state(struct gen_session *s, enum gen_state state)
{
	s->g->nb_state[s->state]--;
	s->g->nb_state[state]++;
	s->state = (uint8_t)state;
}

// A fresh mbuf with MBUF_FRONT of headroom, or NULL.
static inline struct rte_mbuf *gen_mbuf(struct gen *g)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(g->c.pool);

	if (m)
		m->data_off = MBUF_FRONT;
	return m;
}

void gen_ready(struct gen_session *s); // has something to read

// gen_port.c
int gen_ports_create(struct gen *g, char *err, size_t cap);
void gen_ports_destroy(struct gen *g);
void gen_ports_receive(struct gen *g);
void gen_ports_flush(struct gen *g);
void gen_tcp_output(void *user, struct rte_mbuf **pkts, uint16_t n);

// gen_arp.c
void gen_arp_run(struct gen *g);
void gen_arp_watch(struct gen *g, struct rte_mbuf *const *m, uint16_t n); // borrows received frames

// gen_dial.c
void gen_calls_run(struct gen *g); // dialing, hanging up

// gen_call.c
void gen_tcp_event(struct gen_session *s, unsigned int events);
// Dialing ended before there was a call.
void gen_dial_failed(struct gen_session *s, const char *what, int error);
void gen_release(struct gen_session *s); // lets go of the connection: the session has ended
// Something was done with the call. False: it is over, and s->call is gone.
bool gen_call_settle(struct gen_session *s);
// End it now for this reason, which is counted.
void gen_call_fail(struct gen_session *s, enum call_end why, const char *reason);
void gen_session_free(struct gen_session *s);
void gen_timer(void *user, struct wheel_timer *t);
void gen_count_reason(struct gen *g, const char *reason);

// gen_rx.c
void gen_rx_run(struct gen *g);
// gen_tx.c
// One protected record (or several, when n is much) out now. False: no memory.
bool gen_send_record(struct gen_session *s, uint8_t type, const uint8_t *p, size_t n);
// Bytes as they are.
bool gen_send_raw(struct gen_session *s, const uint8_t *p, size_t n);
// One more record with so many packets of these sizes; g->tx is flushed when full. Returns how many
// packets it took: 0: no room.
unsigned int gen_tx_packets(
	struct gen_session *s, enum gen_direction dir, uint32_t dst, unsigned int n);
void gen_tx_flush(struct gen *g);
void gen_tx_tails(struct gen *g); // half segments that waited long enough
void gen_tx_fini(struct gen *g);
// TLS 1.3: the next key of a direction, told to the server first when it is the sending one.
bool gen_rekey(struct gen_session *s, bool tx);

// gen_traffic.c
void gen_traffic_run(struct gen *g);
void gen_traffic_free(struct gen *g);
uint16_t gen_next_size(struct gen *g);
// A packet that a client received; bytes it did not open; one that the host received.
void gen_packet_in(struct gen_session *s, const uint8_t *ip, size_t len);
void gen_skipped_in(struct gen_session *s, uint32_t plain_len);
void gen_count_unopened(struct gen *g);
void gen_host_in(struct gen *g, const uint8_t *ip, size_t len);
// Whether a record with so much plaintext is one with data, that may go unopened.
bool gen_may_skip(const struct gen_session *s, uint32_t plain_len);
