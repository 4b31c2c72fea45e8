// SPDX-License-Identifier: BSD-3-Clause
// Sessions of one worker: what joins a TCP connection, its record keys, SSTP delineation and an
// inner address. A slot is used from ACCEPTED to CLOSED. Everything here is the owning worker's own
// thread; the control plane speaks through dp_msg.h.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <rte_mbuf.h>

#include "base/codel.h"
#include "dataplane/dp_msg.h"
#include "dataplane/mbufq.h"
#include "dataplane/tcp.h"
#include "dataplane/wheel.h"
#include "tls/record.h"

struct worker;
struct session_mp;
struct flowq;

// What is done with the received stream.
enum session_mode {
	SESSION_FREE,
	SESSION_RAW,   // bytes go to the control plane: the handshake
	SESSION_HTTP,  // records are opened here, their plain bytes go to the control plane
	SESSION_SSTP,  // plain bytes are SSTP packets
	SESSION_DRAIN, // closing: received bytes are thrown away
	SESSION_GONE,  // no connection any more, CLOSED is owed
};

// Flags, worker only.
#define SES_REMOTE \
	0x0001 // records are the control plane's (OpenSSL's): raw bytes go there, plain bytes come
	       // back
#define SES_KEYS 0x0002         // rx and tx are installed
#define SES_DATA_OPEN 0x0004    // data frames pass
#define SES_WAIT_REKEY 0x0008   // KeyUpdate received: reading waits
#define SES_RX_STOP 0x0010      // nothing more is read (close_notify, undelineable)
#define SES_EOF 0x0020          // TCP_EV_EOF came
#define SES_TCP_CLOSED 0x0040   // TCP_EV_CLOSED came
#define SES_ON_RUN 0x0080       // in worker.run
#define SES_ON_TX 0x0100        // in worker.tx
#define SES_KEY_LIMIT 0x0200    // KEY_LIMIT was sent for this key
#define SES_OWE_ACCEPTED 0x0400 // events that wait for room
#define SES_OWE_PEER_CLOSED 0x0800
#define SES_OWE_KEY_UPDATE 0x1000
#define SES_OWE_UNDELINEABLE 0x2000
#define SES_OWE_HELLO 0x4000
#define SES_OWE_KEY_LIMIT 0x8000
#define SES_OWE_STATS 0x10000
#define SES_TOLD_PEER_CLOSED 0x20000
#define SES_UPDATE_REQUESTED 0x40000
#define SES_CODEL 0x80000   // the queue stood lately, no flowq was left: codel is in use
#define SES_MP 0x100000     // multilink was agreed on, s->mp is there
#define SES_POLICY 0x200000 // rate limit, filter or limit-bytes: see session_policy.h
#define SES_IP6 0x400000    // IPV6CP is open
#define SES_NO_IP4 0x800000 // IPCP is not
#define SES_OWE_LIMIT 0x1000000
#define SES_OWE_IDLE 0x2000000
#define SES_FLOWS 0x4000000    // the queue stood lately: flows is in use, behind txq
#define SES_PLAINQ 0x8000000   // plain bytes wait in plainq
#define SES_STARVED 0x10000000 // its queue waits for memory
#define SES_OWE_ANY                                                                           \
	(SES_OWE_ACCEPTED | SES_OWE_PEER_CLOSED | SES_OWE_KEY_UPDATE | SES_OWE_UNDELINEABLE | \
		SES_OWE_HELLO | SES_OWE_KEY_LIMIT | SES_OWE_STATS | SES_OWE_LIMIT | SES_OWE_IDLE)

// By cache line, so that a packet touches few: down lines 0 and 1, up lines 0 and 2. What is below
// is for what happens seldom.
struct session {
	// line 0: both directions
	struct tcp_conn *conn;
	uint32_t flags;
	uint32_t inner;     // the client's address, host order; 0: none
	uint16_t mtu;       // largest inner packet to the client
	uint16_t mss_clamp; // 0: off
	uint16_t stash_len;
	uint8_t mode;          // enum session_mode
	uint8_t empty_records; // in a row
	struct session *run_next;
	uint32_t gen;          // tells this session from others that had its slot
	struct mbuf_queue txq; // inner packets that wait for room, with SES_FLOWS the next one or
			       // two; worker.txq_held counts them
	// line 1: transmit
	struct rec_dir tx __attribute__((aligned(64)));
	uint64_t tx_packets, tx_bytes;
	struct session *tx_next;
	// line 2: receive
	struct rec_dir rx __attribute__((aligned(64)));
	uint64_t rx_packets, rx_bytes;
	uint64_t last_rx_us;
	// seldom
	struct mbuf_queue plainq; // plain bytes that wait: HTTP, or no room for an event
	uint8_t *stash;           // start of an SSTP packet whose rest has not come, else NULL
	union {
		struct codel codel;  // in use when SES_CODEL
		struct flowq *flows; // in use when SES_FLOWS
	};
	uint64_t rx_drops, tx_drops;
	struct session_mp *mp; // SES_MP
	uint32_t local;        // this end's address
	struct ipaddr prefix6; // SES_IP6: its own prefix
	uint64_t local_id6;    // lower half of this end's link-local address, as on the wire
	uint64_t raw_base;     // stream offset of the first byte not yet consumed
	uint64_t raw_told;     // up to here RX_RAW went out
	uint64_t plain_base;   // plain offset of the head of plainq (HTTP)
	uint64_t plain_told;   // up to here RX_PLAIN went out
	uint64_t ctl_us;       // when ctl_tokens were last filled up
	uint32_t ctl_tokens;   // RX_SSTP events that may go at once
	uint32_t remote_ahead; // bytes of TX_PLAIN that did not come back as SEND_RAW yet
	struct wheel_timer hello, linger;
	uint32_t hello_ms, hello_intervals;
	uint64_t hello_at_us; // when the last interval without a packet was over
	uint32_t slot;
	uint8_t close_reason; // enum dp_reason
	uint8_t peer_closed;  // enum dp_reason for PEER_CLOSED
	uint8_t alert;
	uint8_t renegotiations;
	uint8_t key_updates; // without data in between
	uint8_t raw_events;  // RX_RAW since the last CONSUME
	uint8_t wait_list;   // enum admit_list, while ACCEPTED is owed
	uint8_t wait_mbufs;  // that it holds meanwhile
	uint8_t plen6;       // of prefix6, 0: none
	uint32_t srtt_us;
	uint32_t error_next;    // error_rate.c
	uint64_t key_update_rx; // rx_packets at the last KeyUpdate
	union {
		uint64_t retransmits;
		struct {
			uint32_t prev, next; // slots of its neighbours in the list, 0: none
		} wait;
	};
};

_Static_assert(offsetof(struct session, tx) == 64, "line 1");
_Static_assert(offsetof(struct session, tx_next) < 128, "in it");
_Static_assert(offsetof(struct session, rx) == 128, "line 2");
_Static_assert(offsetof(struct session, last_rx_us) < 192, "in it");
_Static_assert(sizeof(struct session) <= 448, "memory per session");

// Bring near what sending to s, or receiving from it, touches.
static inline void session_prefetch_tx(const struct session *s)
{
	__builtin_prefetch(s, 1);
	__builtin_prefetch(&s->tx, 1);
}

static inline void session_prefetch_rx(const struct session *s)
{
	__builtin_prefetch(s, 1);
	__builtin_prefetch(&s->rx, 1);
}

// ---- life (session.c)

// A connection was accepted. NULL: no slot; the caller aborts the connection.
struct session *session_open(struct worker *w, struct tcp_conn *c);
// The connection is over in an orderly or disorderly way: everything but the slot is given back,
// CLOSED is sent or owed.
void session_end(struct worker *w, struct session *s, enum dp_reason why);
// The same with RST.
void session_abort(struct worker *w, struct session *s, enum dp_reason why);
// After the last thing that the peer is told: FIN behind it, and what it sent meanwhile is thrown
// away, so that no reset overtakes that.
void session_hang_up(struct worker *w, struct session *s, enum dp_reason why);
// Put on the list of sessions that have something to do.
void session_want_run(struct worker *w, struct session *s);
// One command. Consumes it.
void session_command(struct worker *w, struct dp_msg *m);
// Timers (embedded in the session).
void session_hello_expired(struct worker *w, struct session *s);
void session_linger_expired(struct worker *w, struct session *s);
void session_stats(const struct session *s, struct dp_session_stats *st);
// An event with the session's handle, or NULL when there is no room now (for those that a peer can
// make many of: when the ring is not nearly empty enough, so that the others always pass).
struct dp_msg *session_event(struct worker *w, struct session *s, enum dp_event_type type);

// ---- waiting to come up (session_admit.c)

enum admit_list {
	ADMIT_NONE,
	ADMIT_SILENT, // nothing received yet
	ADMIT_LINE,   // waits for ADMIT
};

// A fresh session that waits, when workers are told to have them wait.
void session_admit_new(struct worker *w, struct session *s);
// Its turn on the run list, while it waits: it may join the line, or be let go.
void session_admit_run(struct worker *w, struct session *s);
// It ends, or comes up: off the lists.
void session_admit_leave(struct worker *w, struct session *s);
// Let those in front of the line through, as far as ADMIT and the event ring allow, and let go
// those that waited too long.
void session_admit_serve(struct worker *w);
// Let go all that wait.
void session_admit_end(struct worker *w);

// ---- the run list (session_run.c)

// ACCEPTED. False: no room now.
bool session_tell_accepted(struct worker *w, struct session *s);
// Work off the run list: one turn for each session on it.
void session_run_all(struct worker *w);

// ---- receive (session_rx.c)

// Whether s may read records now.
bool session_may_read(const struct session *s);
// Collect the whole records of one session into the worker's batch. True: there are more (call
// again after the batch was opened).
bool session_collect(struct worker *w, struct session *s);
// Open the batch and deliver what comes out.
void session_batch_open(struct worker *w);

// ---- plain bytes (session_plain.c)

// An event for what the client sent to the control plane, whose time one client must not take up.
// NULL: not now.
struct dp_msg *session_control_event(struct worker *w, struct session *s, enum dp_event_type type);
// Whether this worker forwards packets of a network protocol, given that it is open.
bool session_forwards(uint16_t proto);
// One such packet, data at its IP header. Consumes m.
void session_network_packet(
	struct worker *w, struct session *s, uint16_t proto, struct rte_mbuf *m);
// The plaintext of one application data record. Consumes m.
void session_plain_record(struct worker *w, struct session *s, struct rte_mbuf *m);
// The same for plaintext in a buffer, larger than an mbuf. Borrows it, and may wipe parts.
void session_plain_record_big(struct worker *w, struct session *s, uint8_t *p, uint32_t n);
// A whole SSTP packet for the control plane, whose time one client must not take up. False: not
// now. The bytes are wiped: they may hold a password.
bool session_to_control(struct worker *w, struct session *s, uint8_t *pkt, uint16_t len);
// Plain bytes of a remote record layer. Consumes m.
void session_plain_in(struct worker *w, struct session *s, struct rte_mbuf *m);
// SSTP begins at this plain offset.
void session_sstp_start(struct worker *w, struct session *s, uint64_t offset);
// Work off the plain bytes that wait. False: still blocked for want of room for an event.
bool session_plainq_run(struct worker *w, struct session *s);
// Drop them.
void session_plainq_free(struct session *s);

// ---- the start of a packet (session_stash.c)

// Room for one SSTP packet at s->stash. False: none, and nobody who gives way.
bool session_stash_take(struct worker *w, struct session *s);
// Give it back, if s has one.
void session_stash_put(struct worker *w, struct session *s);
// The same, and wipe what it holds.
void session_stash_drop(struct worker *w, struct session *s);

// ---- receive, out of the ordinary (session_slow.c)

// Deliver raw stream bytes. False: no room for events.
bool session_raw_deliver(struct worker *w, struct session *s);
// A record that is no application data.
void session_other_record(
	struct worker *w, struct session *s, uint8_t type, const uint8_t *p, uint16_t len);
// Send an alert (level 2 fatal, 1 warning) if there are keys.
void session_send_alert(struct worker *w, struct session *s, uint8_t level, uint8_t description);
// The peer broke the protocol: fatal alert, FIN, the end.
void session_fail(struct worker *w, struct session *s, uint8_t alert);
// The sending key nears its limit: ask for another, once.
void session_key_limit_near(struct worker *w, struct session *s);
// Send bytes as records of this type (control plane's messages, alerts, KeyUpdate). False: the
// connection cannot take them.
bool session_send_records(
	struct worker *w, struct session *s, uint8_t type, const uint8_t *p, uint32_t len);
bool session_send_raw(struct worker *w, struct session *s, const uint8_t *p, uint32_t len);

// ---- transmit (session_tx.c)

// Queue an inner packet (checked, at most mtu). Consumes m.
void session_tx_enqueue(struct worker *w, struct session *s, struct rte_mbuf *m);
void session_want_tx(struct worker *w, struct session *s);
// Drop what is queued.
void session_txq_free(struct worker *w, struct session *s);
// Packets that are queued.
uint32_t session_txq_len(const struct session *s);
// Frame, seal and send what the windows allow, for all sessions with queued packets.
void session_tx_all(struct worker *w);

// ---- a queue that stands (session_flows.c)

// The queue of s stands: flows apart from now on. False: there is no room for that.
bool session_flows_begin(struct worker *w, struct session *s);
// session_tx_enqueue() with SES_FLOWS.
void session_flows_enqueue(struct worker *w, struct session *s, struct rte_mbuf *m);
// Make room in it: the longest flow loses some. False: its queue is a plain one.
bool session_flows_shed(struct worker *w, struct session *s);
// The packet in front of the queue was taken: another one takes its place. With nothing left for
// long, the session's queue is a plain one again.
void session_flows_next(struct worker *w, struct session *s);
// Drop what flows hold, and give them back.
void session_flows_free(struct worker *w, struct session *s);
