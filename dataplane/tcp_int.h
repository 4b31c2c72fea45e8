// SPDX-License-Identifier: BSD-3-Clause
// What the files of the TCP stack share. Nobody else includes this (tests may).
#pragma once

#include <stddef.h>
#include <rte_common.h>
#include <rte_memory.h>

#include "dataplane/tcp.h"
#include "dataplane/tcp_cc.h"
#include "dataplane/wheel.h"

#define TCP_BURST 64
#define TCP_MAX_LISTEN 16
#define TCP_MAX_SACK 4
#define TCP_HDR 20
#define TCP_TS_OPT 12    // NOP NOP TS
#define TCP_HEADROOM 118 // Ethernet and VLAN 18, IPv6 40, TCP 60
#define TCP_WHEEL_TICK_US 250
#define TCP_MSS_MIN 64 // a peer may not drive us to smaller segments
#define TCP_INITIAL_RTO_US 1000000
#define TCP_QUICK_ACKS 16
#define TCP_MAX_RETRIES 15   // R2 of RFC 9293 3.8.3, with doubling
#define TCP_ORPHAN_RETRIES 8 // the same for connections that nobody owns any more
#define TCP_FIN_WAIT_2_US 60000000ull
#define TCP_OOW_ACK_US 100000 // least time between answers to segments out of window
#define TCP_PAWS_MAX_S (24 * 86400u)
#define TCP_PMTU_RAISE_US 600000000ull // RFC 1191 6.3
#define TCP_TLP_SLACK_US 4000          // batching at both ends
#define TCP_WC_DELACK_US 200000        // the longest a peer should delay an ACK (RFC 8985 7.2)
#define TCP_PMTU_MIN4 552
#define TCP_PMTU_MIN6 1280

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20

#define TCP_STATE_LIST(X)               \
	X(CLOSED, "CLOSED")             \
	X(SYN_SENT, "SYN-SENT")         \
	X(SYN_RECEIVED, "SYN-RECEIVED") \
	X(ESTABLISHED, "ESTABLISHED")   \
	X(FIN_WAIT_1, "FIN-WAIT-1")     \
	X(FIN_WAIT_2, "FIN-WAIT-2")     \
	X(CLOSE_WAIT, "CLOSE-WAIT")     \
	X(CLOSING, "CLOSING")           \
	X(LAST_ACK, "LAST-ACK")

#define X(name, text) TCP_##name,
enum tcp_state { TCP_STATE_LIST(X) TCP_N_STATES };
#undef X

enum tcp_recovery {
	TCP_OPEN,     // no loss known
	TCP_RECOVERY, // fast recovery
	TCP_LOSS,     // after a retransmission timeout
};

// Connection flags.
#define TF_USED 0x00000001 // allocated
#define TF_IN_TABLE 0x00000002
#define TF_HALF_OPEN 0x00000004 // counted in the stack's half_open
#define TF_ACTIVE 0x00000008    // opened by tcp_connect()
#define TF_ORPHAN 0x00000010    // released by its owner
#define TF_MUTE 0x00000020      // no more events
#define TF_TS 0x00000040        // timestamps agreed
#define TF_SACK 0x00000080
#define TF_WSCALE 0x00000100
#define TF_TOUCHED 0x00000200 // in the burst's list of connections that may have to send
#define TF_ACK_NOW 0x00000400
#define TF_DELACK 0x00000800 // an ACK is owed by the DELACK timer's time
#define TF_FIN_QUEUED 0x00001000
#define TF_FIN_SENT 0x00002000
#define TF_FIN_ACKED 0x00004000
#define TF_FIN_SEEN 0x00008000 // rcv_fin is known
#define TF_FIN_RCVD 0x00010000 // and was reached
#define TF_ROOM_ASKED 0x00020000
#define TF_TLP 0x00040000 // a tail loss probe is out
#define TF_TLP_RETRANS 0x00080000
#define TF_REORDER 0x00100000 // reordering was seen
#define TF_DSACK 0x00200000   // dsack[] goes out with the next ACK
#define TF_UNDO 0x00400000    // undo_* are good
#define TF_RTT 0x00800000     // srtt_us is good
#define TF_IP4 0x01000000
#define TF_SQ 0x02000000    // sq_head is there
#define TF_OOO 0x04000000   // ooo_head is there
#define TF_EVENT 0x08000000 // in the stack's list of connections with events
#define TF_RATE 0x10000000  // congestion control samples the delivery rate (tcp_rate.h)

// Flags of a segment in the send queue (mbuf_priv.flags).
#define SEG_SACKED 0x01
#define SEG_LOST 0x02
#define SEG_RETRANS 0x04 // a retransmission is in flight
#define SEG_EVER 0x08    // was retransmitted once

// The same for one in the receive queue.
#define SEG_KEPT 0x10 // tcp_keep()

enum tcp_timer { TCP_TIMER_RTX, TCP_TIMER_DELACK, TCP_TIMER_MISC, TCP_N_TIMERS };

enum tcp_rtx_mode {
	TCP_RTX_OFF,
	TCP_RTX_RTO,
	TCP_RTX_TLP,
	TCP_RTX_REO,
	TCP_RTX_PERSIST,
	TCP_RTX_PACE,
};

struct tcp_key {
	struct ipaddr remote, local;
	uint16_t rport, lport;
};

// What tells IPv4 connections from each other, and nearly all IPv6 ones.
struct tcp_key4 {
	uint32_t remote, local; // the last words of the addresses
	uint16_t rport, lport;
};

struct tcp_block { // [start, end)
	uint32_t start, end;
};

// A received segment, parsed.
struct tcp_seg {
	struct rte_mbuf *m; // NULL once a queue has taken it
	struct tcp_key key;
	uint32_t hash;
	uint32_t seq, ack;
	uint32_t tsval, tsecr;
	uint16_t len; // of the payload
	uint16_t off; // of the payload in buf_addr
	uint16_t wnd; // as in the header
	uint16_t mss; // 0: no option
	uint8_t flags;
	uint8_t wscale;
	bool has_ts, has_wscale, sack_ok;
	bool paused; // nothing came for longer than an ACK is delayed
	uint8_t nb_sack;
	struct tcp_block sack[TCP_MAX_SACK];
};

// What goes into a header.
struct tcp_out {
	uint32_t seq, ack;
	uint16_t wnd;
	uint8_t flags;
	bool ts;               // a timestamp option in front of the others
	uint32_t tsval, tsecr; // its values
	uint8_t optlen;        // of the others, a multiple of 4
	uint8_t opt[40];
};

// One connection. By cache line, hottest first; what each packet touches:
//
//                                line 0  1   2   3  4   5   6-
//   data in, in order, ACK out        x  x  (x)                 2: once for each delayed ACK
//   data in that acknowledges too     x  x   x   x  x  (x)      5: windows that grow by ACKs
//   ACK in                            x  x   x   x  x  (x)
//   data out                          x  x   x   x  x  (x)
//   set-up, recovery, closing, IPv6   x  x   x   x  x   x   x
struct tcp_conn {
	// 0: every segment that comes in.
	struct tcp_key4 key4;
	uint8_t state;    // enum tcp_state
	uint8_t recovery; // enum tcp_recovery
	uint8_t snd_wscale : 4, rcv_wscale : 4;
	uint8_t retries;
	uint32_t flags;
	uint32_t rcv_nxt;
	uint32_t rcv_adv; // right edge of the window that was advertised
	uint32_t snd_una, snd_nxt;
	uint32_t ts_recent;
	uint32_t last_ack_sent;
	uint32_t ts_offset;
	uint64_t last_rx_us;
	uint8_t delack_segs, quick_acks;
	uint8_t probes;   // keepalives or window probes not yet answered
	uint8_t events;   // TCP_EV_* not yet polled
	uint8_t rtx_mode; // enum tcp_rtx_mode
	uint8_t backoff;
	uint16_t rx_mbufs;

	// 1: payload in, ACKs out, the owner.
	struct rte_mbuf *rx_head, *rx_tail;
	struct tcp_stack *s;
	void *user;
	uint32_t snd_wnd, snd_wl1, snd_wl2;
	uint32_t rx_bytes;    // in order, not yet consumed
	uint32_t rcv_wnd_max; // bound of the receive window
	uint32_t ev_next;     // in the stack's list, index + 1
	uint32_t ts_recent_s; // when ts_recent was set, seconds
	uint16_t addr_sum;    // of both addresses, as in every checksum
	uint16_t mss;         // payload of one segment, options deducted

	// 2: timers. Deadlines move freely; the wheel is only told when one moves closer.
	uint64_t at_us[TCP_N_TIMERS]; // 0: off
	struct wheel_timer timer;     // runs to the earliest of them, or earlier
	uint64_t rto_base_us;         // the timeout runs from here
	uint64_t tlp_base_us;
	uint32_t tlp_end_seq;
	uint32_t room_told; // what tcp_tx_room() said when it was short

	// 3: payload out.
	struct rte_mbuf *sq_head, *sq_tail;
	struct rte_mbuf *sq_next; // first one not yet sent
	uint64_t progress_us;     // last time the peer acknowledged something new, or sending began
	uint64_t min_rtt_at_us;
	uint32_t snd_end; // behind the last queued byte
	uint32_t max_snd_wnd;
	uint32_t sacked_bytes, lost_bytes, retrans_bytes;
	uint32_t reno_sacked; // without SACK: bytes taken for received from duplicate ACKs

	// 4: the round trip and the window.
	uint32_t srtt_us, rttvar_us, rto_us, min_rtt_us;
	uint64_t rack_xmit_us;
	uint32_t rack_end_seq, rack_rtt_us;
	uint32_t fack; // highest sequence known to have arrived
	uint32_t flight_round;
	struct tcp_cc_flow cc;            // its private part begins here and is line 5
	uint32_t flight_max, flight_prev; // largest flight of this and the last round
	uint64_t reo_at_us;

	// Identity.
	struct tcp_key key;
	uint32_t hash;

	// Loss recovery. RFC 8985's and 6937's names.
	uint32_t recover;
	uint32_t prr_delivered, prr_out, prr_flight;
	uint32_t undo_cwnd, undo_ssthresh, undo_ts;
	uint32_t reo_round; // reo_mult grows once per round trip
	uint8_t reo_mult, reo_persist;
	uint8_t dupacks;
	uint32_t sacked_segs;
	uint64_t retransmits;

	// Cold.
	uint16_t mss_max; // what the peer accepts, options included
	uint16_t pmtu;
	struct rte_mbuf *ooo_head, *ooo_tail;
	uint16_t ooo_segs;
	uint16_t rcv_wraps, snd_wraps; // how often rcv_nxt and snd_end passed zero
	uint32_t iss, irs;
	uint32_t rcv_fin;
	int error, soft_error;
	uint64_t pmtu_at_us, oow_ack_us, created_us;
	struct tcp_block sack[TCP_MAX_SACK]; // blocks to report, most recent first
	struct tcp_block dsack;
	uint8_t nb_sack;
} __rte_cache_aligned;

#define TCP_LINE(field, n) \
	_Static_assert(offsetof(struct tcp_conn, field) / RTE_CACHE_LINE_MIN_SIZE == n, #field)
TCP_LINE(rx_mbufs, 0);
TCP_LINE(rx_head, 1);
TCP_LINE(mss, 1);
TCP_LINE(at_us, 2);
TCP_LINE(room_told, 2);
TCP_LINE(sq_head, 3);
TCP_LINE(reno_sacked, 3);
TCP_LINE(srtt_us, 4);
TCP_LINE(cc.priv.p, 4);
TCP_LINE(cc.priv.u[1], 5);
TCP_LINE(reo_at_us, 5);
TCP_LINE(key, 6);
#undef TCP_LINE
_Static_assert(sizeof(struct tcp_conn) <= 704, "memory per connection");

// TIME-WAIT keeps this much.
struct tcp_tw {
	struct tcp_key key;
	uint32_t hash;
	uint32_t snd_nxt, rcv_nxt, rcv_wnd;
	uint32_t ts_recent, ts_offset;
	uint32_t prev, next; // by age; TCP_NIL ends
	uint64_t expires_us;
	bool ts;
	bool challenged; // a SYN was answered with an ACK
	uint8_t rcv_wscale;
};

#define TCP_NIL UINT32_MAX

// Seven slots; full buckets overflow into the next one, and count how often.
struct tcp_bucket {
	uint32_t tag[7];
	uint32_t ref[7]; // 0: free; TCP_REF_TW | index + 1 of TIME-WAIT, else index + 1 of a
			 // connection
	uint32_t overflow;
	uint32_t spare;
};

_Static_assert(sizeof(struct tcp_bucket) == RTE_CACHE_LINE_MIN_SIZE, "one cache line");

#define TCP_REF_TW 0x80000000u

struct tcp_stack {
	struct tcp_config cfg;
	const struct tcp_cc *cc;
	struct counters *counters;
	struct wheel *wheel;
	struct tcp_bucket *table;
	uint32_t table_mask;
	uint32_t delack_us;
	uint8_t rcv_wscale;
	uint64_t k0, k1;
	uint64_t hash_key[10]; // of the table: one for each word of the longest key, and a constant
	uint64_t hash_key4;    // the constant with what all IPv4 keys have in common

	struct tcp_conn *conns;
	uint8_t *cc_state;    // of each connection, cc->state_size bytes
	uint32_t *free_conns; // a stack of indices
	uint32_t nb_free;
	uint32_t nb_conns, nb_conns_max, nb_half_open;
	uint32_t mbufs_held;
	uint32_t ooo_held; // of them in out-of-order queues

	struct tcp_tw *tw;
	uint32_t *free_tw;
	uint32_t nb_free_tw, nb_tw;
	uint32_t tw_first, tw_last; // oldest, youngest

	uint32_t ev_head, ev_tail; // index + 1
	struct tcp_conn *touched[TCP_BURST];
	uint32_t nb_touched;
	struct tcp_conn *due[TCP_BURST / 2]; // connections with timers that expired
	uint32_t nb_due;
	struct rte_mbuf *tx[TCP_BURST];
	struct rte_mbuf *gone[TCP_BURST]; // to be freed together, at the latest by tcp_tick()
	uint16_t nb_tx, nb_gone;

	uint64_t now_us;    // of the tick that runs timers
	uint64_t cookie_us; // when the last SYN cookie went out, 0: never
	uint16_t listen[TCP_MAX_LISTEN];
	uint16_t nb_listen;
	bool defer; // tcp_defer()
	uint32_t prng;
};

static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? b : a;
}

static inline uint32_t tcp_now_ms(uint64_t now_us)
{
	return (uint32_t)(now_us / 1000);
}

static inline uint32_t tcp_conn_ts(const struct tcp_conn *c, uint64_t now_us)
{
	return tcp_now_ms(now_us) + c->ts_offset;
}

static inline uint32_t seg_end(const struct mbuf_priv *p)
{
	return p->seq + p->len;
}

// Bytes sent and not known to have arrived or been lost (RFC 6675 "pipe"). A FIN does not count: it
// must not keep a window of one segment from being used for that segment.
static inline uint32_t tcp_in_flight(const struct tcp_conn *c)
{
	bool fin = (c->flags & (TF_FIN_SENT | TF_FIN_ACKED)) == TF_FIN_SENT;
	uint32_t out = c->snd_nxt - c->snd_una - fin + c->retrans_bytes;
	uint32_t gone = c->sacked_bytes + c->lost_bytes + c->reno_sacked;

	return out > gone ? out - gone : 0;
}

// There is something for RACK to look at; reo_at_us means nothing otherwise.
static inline bool tcp_in_disorder(const struct tcp_conn *c)
{
	return c->sacked_bytes || c->retrans_bytes || c->recovery != TCP_OPEN;
}

// The handshake is behind us and sequence numbers of both sides are known.
static inline bool tcp_synchronized(const struct tcp_conn *c)
{
	return c->state >= TCP_ESTABLISHED;
}

// Shares of the memory bound, so that neither unsent nor out-of-order data can keep what fills a
// gap from being taken in: two ends that are both full would wait for each other for ever.
static inline bool tcp_mem_full_snd(const struct tcp_stack *s, uint32_t more)
{
	return s->mbufs_held + more > s->cfg.mem_max_mbufs - s->cfg.mem_max_mbufs / 4;
}

static inline bool tcp_mem_short(const struct tcp_stack *s)
{
	return s->mbufs_held >= s->cfg.mem_max_mbufs - s->cfg.mem_max_mbufs / 8;
}

// Anybody can send out-of-order segments: all of them together have a quarter, and sending and
// in-order data go on beside them.
static inline bool tcp_mem_full_ooo(const struct tcp_stack *s)
{
	return tcp_mem_short(s) || s->ooo_held >= s->cfg.mem_max_mbufs / 4;
}

static inline bool tcp_mem_full(const struct tcp_stack *s)
{
	return s->mbufs_held >= s->cfg.mem_max_mbufs;
}

static inline uint32_t tcp_rcv_wnd_initial(const struct tcp_stack *s)
{
	uint32_t initial = s->cfg.rcv_wnd_initial;

	return initial && initial < s->cfg.rcv_wnd_max ? initial : s->cfg.rcv_wnd_max;
}

// tcp_hash.c: keyed hashing and the connection table.
enum tcp_hash_use { TCP_HASH_ISN = 1, TCP_HASH_TS, TCP_HASH_COOKIE, TCP_HASH_PORT, TCP_HASH_TABLE };
uint32_t tcp_key_hash(const struct tcp_stack *s, const struct tcp_key *k);
// For other uses, with two words of the caller's.
uint64_t tcp_key_secret(
	const struct tcp_stack *s, const struct tcp_key *k, enum tcp_hash_use use, uint64_t extra);
uint32_t tcp_isn(const struct tcp_stack *s, const struct tcp_key *k, uint64_t now_us);
uint32_t tcp_ts_offset(const struct tcp_stack *s, const struct tcp_key *k);
void tcp_hash_keys(struct tcp_stack *s); // from k0 and k1
int tcp_table_create(struct tcp_stack *s, uint32_t entries);
void tcp_table_insert(struct tcp_stack *s, uint32_t hash, uint32_t ref);
void tcp_table_remove(struct tcp_stack *s, uint32_t hash, uint32_t ref);
// The reference stored for k, or 0.
uint32_t tcp_table_find(const struct tcp_stack *s, const struct tcp_key *k, uint32_t hash);
// The first reference with this hash, or 0: most likely the right one. Reads the bucket only.
uint32_t tcp_table_guess(const struct tcp_stack *s, uint32_t hash);
static inline void tcp_table_prefetch(const struct tcp_stack *s, uint32_t hash)
{
	__builtin_prefetch(&s->table[hash & s->table_mask]);
}

// tcp_conn.c: life of a connection.
struct tcp_conn *tcp_conn_alloc(
	struct tcp_stack *s, const struct tcp_key *k, uint32_t hash, uint64_t now_us);
void tcp_conn_free(struct tcp_conn *c);
void tcp_conn_mute(struct tcp_conn *c); // no events any more, pending ones included
void tcp_conn_event_first(struct tcp_conn *c);
static inline void tcp_conn_event(struct tcp_conn *c, unsigned int events)
{
	if (unlikely(c->flags & TF_MUTE))
		return;
	c->events |= (uint8_t)events;
	if (!(c->flags & TF_EVENT))
		tcp_conn_event_first(c);
}

// In the burst's list of connections that output() visits at its end.
static inline void tcp_conn_touch(struct tcp_stack *s, struct tcp_conn *c)
{
	if (c->flags & TF_TOUCHED)
		return;
	c->flags |= TF_TOUCHED;
	s->touched[s->nb_touched++] = c;
}

// The connection is over: out of the table, nothing more is sent. The owner is told, or it is freed
// at once when nobody owns it. error: errno, 0 for an orderly end.
void tcp_conn_close(struct tcp_conn *c, int error);
// The same, with RST to the peer.
void tcp_conn_reset(struct tcp_conn *c, int error, uint64_t now_us);
void tcp_conn_established(struct tcp_conn *c, uint64_t now_us);
void tcp_conn_set_mss(struct tcp_conn *c);
void tcp_conn_set_pmtu(struct tcp_conn *c, uint16_t mtu, uint64_t now_us);
uint16_t tcp_adv_mss(const struct tcp_stack *s, const struct tcp_key *k);
void tcp_drop_queue(struct tcp_stack *s, struct rte_mbuf **head);

// tcp_options.c: the wire format.
// Parse m into seg (m included). 0, or -EBADMSG.
int tcp_parse(const struct tcp_stack *s, struct rte_mbuf *m, struct tcp_seg *seg);
// Headers in front of m's payload, into the transmit burst. Consumes m.
void tcp_emit(
	struct tcp_stack *s, struct rte_mbuf *m, const struct tcp_key *k, const struct tcp_out *o);
void tcp_emit_conn(struct tcp_conn *c, struct rte_mbuf *m, const struct tcp_out *o);
// A segment without payload.
bool tcp_emit_bare(struct tcp_stack *s, const struct tcp_key *k, const struct tcp_out *o);
bool tcp_emit_conn_bare(struct tcp_conn *c, const struct tcp_out *o);
void tcp_conn_addr_sum(struct tcp_conn *c);
// Hand over what was emitted.
void tcp_flush_gone(struct tcp_stack *s);
// Consumes m; others go with it, all at once.
static inline void tcp_free_later(struct tcp_stack *s, struct rte_mbuf *m)
{
	s->gone[s->nb_gone++] = m;
	if (unlikely(s->nb_gone == TCP_BURST))
		tcp_flush_gone(s);
}
void tcp_opt_ts(struct tcp_out *o, uint32_t tsval, uint32_t tsecr);
void tcp_opt_sack(struct tcp_out *o, const struct tcp_block *b, unsigned int n);
// wscale: 255: without.
void tcp_opt_syn(struct tcp_out *o, uint16_t mss, bool sack, uint8_t wscale);
// RST in answer to a segment that belongs to no connection. RFC 9293 3.10.7.1.
void tcp_reply_rst(struct tcp_stack *s, const struct tcp_seg *seg);

// tcp_input.c
// guess: reference that tcp_table_guess() gave.
void tcp_segment(struct tcp_stack *s, struct tcp_seg *seg, uint32_t guess, uint64_t now_us);
// tcp_input_slow.c: RFC 9293 3.10.7.3 and 3.10.7.4.
void tcp_segment_slow(struct tcp_conn *c, struct tcp_seg *seg, uint64_t now_us);
// An ACK for a segment that was not acceptable; rate limited unless always.
void tcp_ack_unacceptable(struct tcp_conn *c, bool always, uint64_t now_us);

// tcp_listen.c: passive open and SYN cookies. 3.10.7.2.
bool tcp_is_listening(const struct tcp_stack *s, uint16_t port);
void tcp_segment_listen(
	struct tcp_stack *s, struct tcp_seg *seg, uint32_t min_iss, uint64_t now_us);
void tcp_send_syn(struct tcp_conn *c, uint64_t now_us); // SYN or SYN-ACK by state
// Take over what the peer's SYN offered.
void tcp_take_syn_options(struct tcp_conn *c, const struct tcp_seg *seg, uint64_t now_us);

// tcp_tw.c
int tcp_tw_create(struct tcp_stack *s);
void tcp_tw_enter(struct tcp_conn *c, uint64_t now_us); // ends c
// Returns true and the least initial sequence number when the segment is to be treated as in
// LISTEN: the entry is gone.
bool tcp_tw_segment(struct tcp_stack *s, uint32_t index, struct tcp_seg *seg, uint32_t *min_iss,
	uint64_t now_us);
uint64_t tcp_tw_expire(struct tcp_stack *s, uint64_t now_us); // returns when the next is due

// tcp_rcv.c: received stream.
// In-order payload; the fast path's too. Takes seg->m.
void tcp_rcv_in_order(struct tcp_conn *c, struct tcp_seg *seg, uint64_t now_us);
// Any acceptable payload (trimmed here). False: a FIN of this segment must not count.
bool tcp_rcv_data(struct tcp_conn *c, struct tcp_seg *seg, uint64_t now_us);
uint32_t tcp_rcv_edge(const struct tcp_conn *c); // how far the window could reach now
uint16_t tcp_rcv_window(struct tcp_conn *c);     // the field to send; moves rcv_adv
void tcp_rcv_drop(struct tcp_conn *c);

// tcp_snd.c: send queue and transmission.
void tcp_output(struct tcp_conn *c, uint64_t now_us); // everything that may go now, an ACK if owed
void tcp_send_ack(struct tcp_conn *c, uint64_t now_us);
void tcp_send_probe(struct tcp_conn *c, uint64_t now_us); // one below snd_una, empty
void tcp_send_rst(struct tcp_conn *c, uint64_t now_us);
bool tcp_send_tlp(struct tcp_conn *c, uint64_t now_us);
bool tcp_retransmit(struct tcp_conn *c, struct rte_mbuf *m, uint64_t now_us);
void tcp_retransmit_fin(struct tcp_conn *c, uint64_t now_us);
bool tcp_send_override(
	struct tcp_conn *c, uint64_t now_us); // less than a segment, on the persist timer
void tcp_snd_drop(struct tcp_conn *c);
void tcp_room_event(struct tcp_conn *c);

// tcp_ack.c: acknowledgements, RTT, recovery.
// ACK and SACK of a segment, and its window. Duplicate: nothing new in it but the number.
void tcp_ack(struct tcp_conn *c, const struct tcp_seg *seg, uint64_t now_us);
void tcp_rtt_sample(struct tcp_conn *c, uint32_t rtt_us, uint64_t now_us);
void tcp_enter_loss(struct tcp_conn *c, uint64_t now_us);
// nb_arrived: bytes that the ACK which showed the loss reports as delivered.
void tcp_enter_recovery(struct tcp_conn *c, uint32_t nb_arrived, uint64_t now_us);
// tcp_rack.c
void tcp_rack_delivered(struct tcp_conn *c, const struct mbuf_priv *p, uint32_t tsecr, bool has_ts,
	uint64_t now_us);
// Marks what must be lost; sets reo_at_us for what may be soon (0: none). True: marked something.
bool tcp_rack_detect(struct tcp_conn *c, uint64_t now_us);
void tcp_rack_dsack(struct tcp_conn *c);
void tcp_mark_lost(struct tcp_conn *c, struct rte_mbuf *m);

// tcp_timer.c
void tcp_timer_set(struct tcp_conn *c, enum tcp_timer t, uint64_t at_us);
void tcp_rtx_update(struct tcp_conn *c, uint64_t now_us); // choose and set the RTX timer
// Whether the RTX timer may stay as it is: it expires before anything can be due, and then is
// chosen again. What brings deadlines closer than that (a second segment, recovery, a shorter round
// trip) makes this false.
static inline bool tcp_rtx_stays(const struct tcp_conn *c, uint64_t now_us)
{
	uint32_t out = c->snd_nxt - c->snd_una, least = 2 * c->srtt_us + TCP_TLP_SLACK_US;
	uint64_t at = c->at_us[TCP_TIMER_RTX];

	if ((c->rtx_mode != TCP_RTX_RTO && c->rtx_mode != TCP_RTX_TLP) || !at || c->lost_bytes ||
		tcp_in_disorder(c) || c->flags & TF_FIN_QUEUED)
		return false;
	if (c->sq_next ? !out || c->cc.pace : c->cc.pace && c->flags & TF_ROOM_ASKED)
		return false;
	if (out <= c->mss)
		least += TCP_WC_DELACK_US;
	return !out || at <= now_us + RTE_MIN(least, c->rto_us);
}
void tcp_misc_update(struct tcp_conn *c, uint64_t now_us);
void tcp_timers_stop(struct tcp_conn *c);
// The wheel's callback: the connection waits for tcp_timers_run(), at most until the tick ends.
void tcp_timer_expired(void *stack, struct wheel_timer *t);
void tcp_timers_run(struct tcp_stack *s);
