// SPDX-License-Identifier: BSD-3-Clause
// TCP for one worker: RFC 9293 with 7323, 2018, 6675/8985, 6298, 9438, 6928, 5961, 6528. Passive
// and active open, IPv4 and IPv6. A stack and all its connections belong to one thread; every
// function here is that thread's. Time comes in from outside (now_us, monotonic microseconds),
// packets go in and out as bursts of L3 mbufs: no ethdev, no clock, no threads here, so that it
// runs in process against a simulated link.
//
// Events are polled, not called back: after tcp_input() and tcp_tick() the owner drains tcp_poll().
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <rte_mbuf.h>

#include "dataplane/counters.h"
#include "dataplane/ipaddr.h"
#include "dataplane/mbuf.h"

struct tcp_stack;
struct tcp_conn;
struct tcp_cc; // congestion control, dataplane/tcp_cc.h

struct tcp_config {
	uint32_t max_conns;     // connections in any state but TIME-WAIT
	uint32_t max_half_open; // SYN-RECEIVED among them; beyond: SYN cookies
	uint32_t max_time_wait; // oldest goes first
	uint32_t rcv_wnd_max;   // receive window of one connection, bytes (up to 1 GiB by scaling)
	uint32_t rcv_wnd_initial; // bound until tcp_set_rcv_wnd(), for peers not known yet; 0:
				  // rcv_wnd_max
	uint32_t snd_buf_max;     // bytes that may be queued for sending on one connection
	uint32_t mem_max_mbufs;   // mbufs in all queues of the stack together; beyond: payload is
				  // dropped, old connections live. Sending stops at 3/4 of it.
	uint32_t ooo_max_segs;    // out-of-order segments held by one connection
	uint16_t mtu;             // of the outer link; MSS follows
	uint32_t time_wait_ms;    // 60000
	uint32_t syn_timeout_ms;  // give up a half-open connection
	uint32_t user_timeout_ms; // give up without acknowledgement (RFC 5482), 0: by
				  // retransmission count
	uint32_t keepalive_idle_ms, keepalive_interval_ms; // 0: off
	uint8_t keepalive_probes;
	uint32_t min_rto_ms, max_rto_ms; // 200, 60000
	uint32_t delack_ms;              // 40
	uint64_t tx_offloads;    // RTE_ETH_TX_OFFLOAD_{IPV4,TCP}_CKSUM that the output can do; else
				 // done here
	bool rx_cksum_verified;  // input checks checksums when the mbuf's ol_flags do not vouch for
				 // them; true: never check
	uint8_t secret[16];      // for initial sequence numbers, timestamps offsets and SYN cookies
	const struct tcp_cc *cc; // NULL: CUBIC
	struct rte_mempool *pool; // for segments made here
	struct counters *counters;
	// Where L3 packets go: consumes all n. l2_len 0, l3_len and l4_len set, data at the IP
	// header, headroom for L2. A payload mbuf has refcnt 2 when queued for retransmission (the
	// other reference is the send queue's).
	void (*output)(void *user, struct rte_mbuf **pkts, uint16_t n);
	void *user;
};

void tcp_config_default(struct tcp_config *c);

// NULL with rte_errno. All connection memory is allocated here (NUMA node of the calling lcore).
struct tcp_stack *tcp_create(const struct tcp_config *c, uint64_t now_us);
// Drops every connection without a word and frees every mbuf held.
void tcp_destroy(struct tcp_stack *s);

// Accept connections to any local address on this port (host order). 0, -EADDRINUSE, -ENOSPC.
int tcp_listen(struct tcp_stack *s, uint16_t port);
void tcp_unlisten(struct tcp_stack *s, uint16_t port);
// While on, SYNs are not answered, and cookies that went out are not taken: peers try again. What
// is half open may still complete.
void tcp_defer(struct tcp_stack *s, bool on);

// Active open. lport 0: chosen at random. NULL with errno: EADDRINUSE, ENOBUFS, ENOMEM.
struct tcp_conn *tcp_connect(struct tcp_stack *s, const struct ipaddr *local, uint16_t lport,
	const struct ipaddr *remote, uint16_t rport, void *user, uint64_t now_us);

// A burst of TCP segments addressed to this host: data at the IP header (v4 or v6), l3_len set, one
// mbuf segment each, IP header already checked and padding trimmed. Consumes all.
void tcp_input(struct tcp_stack *s, struct rte_mbuf **pkts, uint16_t n, uint64_t now_us);

// Run due timers; cheap when none. Returns when to call again at the latest (now_us based;
// UINT64_MAX: never).
uint64_t tcp_tick(struct tcp_stack *s, uint64_t now_us);

// An ICMP or ICMPv6 error about a segment of ours: tuple and seq from the quoted header. mtu > 0:
// "packet too big" (RFC 1191/8201, checked against RFC 5927), else a hard (port, protocol
// unreachable) or soft error.
void tcp_icmp_error(struct tcp_stack *s, const struct ipaddr *local, uint16_t lport,
	const struct ipaddr *remote, uint16_t rport, uint32_t seq, uint32_t mtu, bool hard,
	uint64_t now_us);

#define TCP_EV_ACCEPTED 0x01  // passive open done; tcp_conn_user() is NULL until set
#define TCP_EV_CONNECTED 0x02 // active open done
#define TCP_EV_READABLE 0x04  // new in-order bytes
#define TCP_EV_EOF 0x08       // the peer's FIN was reached, in order; sending still works
#define TCP_EV_WRITABLE 0x10  // tcp_tx_room() grew after it had been asked and found short
#define TCP_EV_CLOSED \
	0x20 // the connection is over (tcp_conn_error()); it stays until tcp_release()

// The next connection with events, or NULL. *events: TCP_EV_* since last polled. Order: first event
// first.
struct tcp_conn *tcp_poll(struct tcp_stack *s, unsigned int *events);

void *tcp_conn_user(const struct tcp_conn *c);
void tcp_conn_set_user(struct tcp_conn *c, void *user);

// Received stream. Slices of the in-order bytes not yet consumed, starting skip bytes in; up to max
// slices. Returns how many, *bytes = their total. Slices are good until tcp_consume() passes them
// or the connection is released.
struct tcp_slice {
	uint8_t *p;
	uint32_t len;
	struct rte_mbuf *m; // where they lie
};
uint16_t tcp_peek(
	struct tcp_conn *c, uint32_t skip, struct tcp_slice *sl, uint16_t max, uint32_t *bytes);
uint32_t tcp_rx_avail(const struct tcp_conn *c);
// Done with n bytes: their mbufs are freed and the window opens (an update goes out when it
// matters).
void tcp_consume(struct tcp_conn *c, uint32_t n, uint64_t now_us);
// Raise the bound of this connection's receive window (never above rcv_wnd_max of the
// configuration, never down). The peer learns of it with what is sent next.
void tcp_set_rcv_wnd(struct tcp_conn *c, uint32_t bytes);
// Keep a slice's mbuf: when tcp_consume() has passed all of it, it is the owner's and not freed;
// for decryption in place. Its room behind the payload may be written to at once. tcp_unkeep():
// never mind. A connection that ends before frees it all the same.
void tcp_keep(struct rte_mbuf *m);
void tcp_unkeep(struct rte_mbuf *m);
// Done with all that was received; what was kept is freed with it.
void tcp_discard(struct tcp_conn *c, uint64_t now_us);

// Queue one payload mbuf (one segment, refcnt 1, at least MBUF_FRONT - TLS prefix of headroom for
// TCP and below). Consumes it. Payload over the MSS is split by copying (ordinary for handshakes,
// never for data). Nothing goes out before tcp_push() or an ACK. 0; -ENOBUFS: over snd_buf_max or
// the memory bound; -EPIPE: sending side closed: the mbuf is freed either way.
int tcp_send(struct tcp_conn *c, struct rte_mbuf *m, uint64_t now_us);
// Transmit what windows allow, now. Call once per burst and connection.
void tcp_push(struct tcp_conn *c, uint64_t now_us);
// The same for many connections in a row: segments leave by full bursts, the rest with tcp_flush().
void tcp_push_burst(struct tcp_conn *c, uint64_t now_us);
// Hand to the output what waits for its burst to fill. tcp_input() and tcp_tick() end with it.
void tcp_flush(struct tcp_stack *s);
// Bytes that would go out at once now if queued (congestion and peer's window, less what is queued
// unsent); the owner keeps the rest in its own queue, so that a TCP inside TCP builds no standing
// queue here. When 0 or less than `want`, TCP_EV_WRITABLE follows later. With nothing queued or in
// flight it is at least one segment, or `want` up to an mbuf, whatever the windows say: send that
// much, it makes window probes go when the peer's window is shut.
uint32_t tcp_tx_room(struct tcp_conn *c, uint32_t want);
uint32_t tcp_tx_queued(const struct tcp_conn *c); // bytes not yet acknowledged or sent
// Largest payload of one segment now (SACK blocks not deducted): inner record sizes follow it.
uint16_t tcp_snd_mss(const struct tcp_conn *c);

// Bring near what sending on c touches, some packets before it is done.
#define TCP_TX_LINES 5 // of a connection, from its start
static inline void tcp_prefetch_tx(const struct tcp_conn *c)
{
	for (unsigned int i = 0; i < TCP_TX_LINES; i++)
		__builtin_prefetch((const char *)c + 64 * i, 1);
}

// Half-close: FIN after what is queued.
void tcp_shutdown(struct tcp_conn *c, uint64_t now_us);
// RST now; TCP_EV_CLOSED does not follow. The connection stays, closed, until tcp_release().
void tcp_abort(struct tcp_conn *c, uint64_t now_us);
// The owner lets go: the connection goes on closing by itself (FIN after what is queued if not yet
// sent; unread or later data is answered with RST as RFC 9293 3.10.4 / RFC 1122 say; TIME-WAIT). No
// more events; the pointer is dead.
void tcp_release(struct tcp_conn *c, uint64_t now_us);

// 0 while alive or after an orderly end, else ECONNRESET, ETIMEDOUT, ECONNREFUSED, EHOSTUNREACH,
// ENOMEM.
int tcp_conn_error(const struct tcp_conn *c);

struct tcp_info {
	struct ipaddr local, remote;
	uint16_t lport, rport;
	uint32_t srtt_us, rttvar_us, rto_us;
	uint32_t cwnd, ssthresh, snd_wnd, rcv_wnd, mss;
	uint64_t bytes_in, bytes_out, retransmits;
	const char *state; // RFC 9293 3.3.2
};
void tcp_conn_info(const struct tcp_conn *c, struct tcp_info *i);

struct tcp_levels { // for leak checks and metrics
	uint32_t conns, half_open, time_wait, mbufs_held, conns_max;
};
void tcp_stack_levels(const struct tcp_stack *s, struct tcp_levels *l);
