// SPDX-License-Identifier: BSD-3-Clause
// The one header in which the planes meet: fixed-size messages over one pair of lockless rings per
// worker. The control plane sends commands, workers send events. Neither plane includes anything
// else of the other's.
//
// Life of a connection and its session, seen from the control plane:
//
//   ACCEPTED -> RX_RAW ... (TLS handshake: SEND_RAW, CONSUME) -> INSTALL (keys) -> RX_PLAIN (HTTP;
//   SEND_APP)
//     -> SSTP_START -> RX_SSTP ... (SEND_APP) -> OPEN_DATA (addresses; data frames pass) ... ->
//     CLOSE -> CLOSED
//
// CLOSED comes exactly once for every ACCEPTED, after which the handle is dead. Commands for a dead
// handle are ignored.
//
// How many connections come up is the control plane's to say, where LISTEN asks for it: a
// connection waits in the worker, first until its peer has sent something, then in line until ADMIT
// lets it through as ACCEPTED. When the line is long the worker answers no more SYNs.
//
// A message is owned by who holds its pointer: alloc -> send passes it on; recv
// -> free gives it back.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "tls/record.h"

// worker (8 bits) | slot (24) | generation (32). 0 is never a handle. No pointer to live state
// crosses a ring.
typedef uint64_t dp_handle;

#define DP_MSG_DATA_MAX 4200 // one SSTP packet and a little

#define DP_EVENT_LIST(X)                                                                           \
	X(ACCEPTED, "a connection was established: u.accepted")                                    \
	X(RX_RAW, "stream bytes while no keys are installed: data, u.rx.offset")                   \
	X(RX_PLAIN, "decrypted bytes while not yet SSTP: data, u.rx.offset")                       \
	X(RX_SSTP, "one SSTP packet, control or PPP control frame: data")                          \
	X(TX_PLAIN, "remote record layer: protect these bytes and SEND_RAW them: data")            \
	X(SSTP_UNDELINEABLE, "the stream is no SSTP; nothing more is read")                        \
	X(KEY_UPDATE, "TLS 1.3 KeyUpdate received; reading waits for REKEY: u.key_update")         \
	X(KEY_LIMIT, "sending nears the record limit; answer with REKEY of tx")                    \
	X(PEER_CLOSED, "close_notify or FIN came, in order; sending still works: u.closed.reason") \
	X(HELLO_EXPIRED, "nothing received for u.hello.intervals keepalive intervals")             \
	X(LIMIT, "limit-bytes reached, data no longer pass: u.limit.rx")                           \
	X(IDLE, "no data frame either way for u.open.idle_ms; again after as long")                \
	X(STATS, "answer to QUERY: u.stats")                                                       \
	X(CLOSED, "the connection is gone: u.closed")

#define DP_COMMAND_LIST(X)                                                              \
	X(SEND_RAW, "send bytes as they are: data")                                     \
	X(CONSUME, "raw bytes up to u.consume.offset are done with")                    \
	X(INSTALL, "records from here on: u.install")                                   \
	X(SEND_APP, "protect and send as application data: data")                       \
	X(SSTP_START, "plain bytes from u.consume.offset on are SSTP")                  \
	X(PLAIN_IN, "remote record layer: decrypted bytes: data")                       \
	X(REKEY, "new key for one direction: u.rekey")                                  \
	X(OPEN_DATA, "data frames pass from now on: u.open; again: all of u.open anew") \
	X(CLOSE_DATA, "data frames no longer pass")                                     \
	X(SET_MP, "multilink as LCP agreed, sequence numbers from 0: u.mp")             \
	X(SET_HELLO, "watch for silence: u.hello.interval_ms, 0: off")                  \
	X(CLOSE, "end the connection: u.close")                                         \
	X(QUERY, "send STATS")                                                          \
	X(LISTEN, "start or stop listening: u.listen")                                  \
	X(ADMIT, "so many more connections may come up: u.admit")                       \
	X(STOP, "end the worker's loop")

#define X(name, help) DP_EV_##name,
enum dp_event_type { DP_EVENT_LIST(X) DP_N_EVENTS };
#undef X
#define X(name, help) DP_CMD_##name,
enum dp_command_type { DP_COMMAND_LIST(X) DP_N_COMMANDS };
#undef X

// Why a connection ended, from the worker's view.
#define DP_REASON_LIST(X)                                                 \
	X(NONE, "none")                                                   \
	X(LOCAL, "closed by this side")                                   \
	X(PEER_FIN, "connection closed by the peer without close_notify") \
	X(PEER_CLOSE_NOTIFY, "TLS session closed by the peer")            \
	X(PEER_RST, "connection reset by the peer")                       \
	X(PEER_ALERT, "fatal TLS alert from the peer")                    \
	X(TIMED_OUT, "connection timed out (no acknowledgement)")         \
	X(UNREACHABLE, "peer unreachable")                                \
	X(BAD_RECORD, "TLS record refused")                               \
	X(KEY_EXHAUSTED, "TLS record limit reached")                      \
	X(NO_MEMORY, "out of buffers")                                    \
	X(FLOOD, "more for the control plane than a call needs")          \
	X(SHUTDOWN, "worker stopped")
#define X(name, text) DP_REASON_##name,
enum dp_reason { DP_REASON_LIST(X) DP_N_REASONS };
#undef X

const char *dp_event_name(unsigned int type);
const char *dp_command_name(unsigned int type);
const char *dp_reason_text(unsigned int reason);

struct dp_session_stats { // inner IP packets and bytes; rx: from the client
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	uint64_t rx_drops, tx_drops;
	uint64_t tcp_retransmits;
	uint32_t srtt_us;
	uint8_t alert; // TLS alert sent or received last, 0: none
};

// One direction's rate limit: bps on average; burst_bps while the average over time_s is below
// threshold_bps (RouterOS's burst). Bytes of inner IP packets count.
struct dp_rate {
	uint64_t bps;       // bits a second, 0: no limit
	uint64_t burst_bps; // 0: no burst
	uint64_t threshold_bps;
	uint32_t time_s;
};

// Multilink over the one link (RFC 1990): packets above the MTU go as fragments.
#define DP_MP_TX_SHORT 1 // 12-bit sequence numbers towards the client
#define DP_MP_RX_SHORT 2 // and from it
struct dp_mp {
	uint16_t tx_mrru; // largest packet that the client puts together, 0: no multilink
	uint16_t rx_mrru; // largest that this end does
	uint8_t flags;    // DP_MP_*
};

enum dp_record_layer { DP_RECORD_WORKER, DP_RECORD_REMOTE };

struct dp_msg {
	dp_handle handle;
	uint16_t type;   // enum dp_event_type or dp_command_type
	uint16_t worker; // events: who sent it
	uint32_t len;    // of data
	union {
		struct {
			struct in6_addr peer, local;    // IPv4 as ::ffff:a.b.c.d
			uint16_t peer_port, local_port; // host order
			uint32_t waiting;               // connections in line behind this one
		} accepted;
		struct {
			uint64_t offset; // of data[0] in the stream
		} rx;
		struct {
			uint64_t offset;
		} consume;
		struct {
			uint8_t record_layer; // enum dp_record_layer; REMOTE: keys unused
			uint64_t rx_offset; // raw stream offset of the first record for these keys;
					    // everything before is consumed
			struct tls_traffic_key rx, tx;
		} install;
		struct {
			uint8_t tx;          // 0: reading direction, 1: sending direction
			uint8_t send_update; // tx: send a KeyUpdate under the old key first
			struct tls_traffic_key key;
		} rekey;
		struct {
			uint8_t request_reply; // the peer asked for our KeyUpdate too
		} key_update;
		struct {
			uint32_t inner;     // the client's address, host order; 0: no IPv4
			uint32_t local;     // this end's address
			uint16_t mtu;       // largest IP packet to the client
			uint16_t mss_clamp; // TCP MSS written into SYNs of IPv4 (IPv6: 20 less),
					    // 0: off
			// IPv6 is open when local_ll is set: both ends' link-local addresses, and
			// the link's own prefix, which the client's source addresses are in
			uint8_t plen6; // 0: none, only what is published
			struct in6_addr prefix6, inner_ll, local_ll;
			struct dp_mp mp;
			struct dp_rate rate_rx, rate_tx; // rx: what the client sends
			uint64_t limit_rx, limit_tx;     // bytes of the session, 0: none
			uint32_t idle_ms;                // 0: off
			uint16_t filter;                 // number in config.filters + 1, 0: none
			uint16_t address_list; // number in config.address_lists + 1, 0: none
		} open;
		// From LCP on, since control frames may come in fragments. u.open.mp says the same
		// again; only what differs makes numbers begin anew there.
		struct dp_mp mp;
		struct {
			uint8_t rx; // 1: limit-bytes-in, 0: limit-bytes-out
		} limit;
		struct {
			uint32_t interval_ms;
			uint32_t intervals;
		} hello;
		struct {
			uint8_t abort;      // RST at once; else what was queued goes out, then
					    // close_notify and FIN
			uint32_t linger_ms; // how long a graceful close may take before it becomes
					    // an abort
		} close;
		struct {
			uint8_t reason; // enum dp_reason
			struct dp_session_stats stats;
		} closed;
		struct dp_session_stats stats;
		struct {
			uint16_t port;
			uint8_t on;
			uint8_t admit;    // connections wait for ADMIT; 0: they come up at once
			uint32_t wait_ms; // admit: who sends nothing, or waits in line, so long is
					  // let go
		} listen;
		struct {
			uint32_t n;
		} admit;
	} u;
	uint8_t data[DP_MSG_DATA_MAX];
};

// One end of the rings of all workers, as the control plane sees it. Made by dp_create()
// (dataplane/dp.h); a test may make one with rings alone by dp_chan_create() (dataplane/dp_chan.h).
struct dp_chan;

unsigned int dp_chan_nb_workers(const struct dp_chan *ch);

// A free message, type and handle set, len 0, or NULL when the pool is empty (an ordinary case
// under load: keep the work and try later). Either plane.
struct dp_msg *dp_msg_alloc(struct dp_chan *ch, unsigned int type, dp_handle h);
void dp_msg_free(struct dp_chan *ch, struct dp_msg *m); // wipes key material

// Send a command to the worker that owns m->handle, or for LISTEN, ADMIT, STOP to m->worker. 0 and
// the message is gone; -ENOBUFS when the ring is full: the message is still the caller's. Control
// thread.
int dp_send_command(struct dp_chan *ch, struct dp_msg *m);

// Receive up to n events of all workers, in order per worker. The caller frees each. Control
// thread.
unsigned int dp_recv_events(struct dp_chan *ch, struct dp_msg **m, unsigned int n);

// An eventfd that becomes readable when events wait, once armed: dp_arm() says that the control
// thread is about to sleep; it returns false when events already wait (do not sleep). Control
// thread.
int dp_event_fd(const struct dp_chan *ch);
bool dp_arm(struct dp_chan *ch);
void dp_disarm(struct dp_chan *ch);

// Publish or withdraw the inner address of a session in the table that all workers read (lock-free
// for them). A packet that still finds a withdrawn address is dropped by the owner's own check.
// addr: host order. 0, or -ENOSPC, -EEXIST. Control thread.
int dp_address_publish(struct dp_chan *ch, uint32_t addr, dp_handle h);
int dp_address_withdraw(struct dp_chan *ch, uint32_t addr);

// Publish or withdraw a prefix that is reached through a session: a route of its user, its IPv6
// prefix, a delegated prefix. IPv4 as ::ffff:a.b.c.d with plen + 96. Longest prefix first; of equal
// ones the lowest metric, then the oldest. Sources in such a prefix are the session's own (no
// spoofing). 0, or -ENOSPC, -EEXIST (this session has it); -ENOENT. Control thread.
int dp_prefix_publish(struct dp_chan *ch, const struct in6_addr *prefix, uint8_t plen,
	uint32_t metric, dp_handle h);
int dp_prefix_withdraw(
	struct dp_chan *ch, const struct in6_addr *prefix, uint8_t plen, dp_handle h);

// This end's local addresses (ppp profile local-address), so that workers answer ping for them. 0
// or -ENOSPC.
int dp_local_address_add(struct dp_chan *ch, uint32_t addr);

// Ranges that pools hand out: proxy ARP answers for those in the core subnet. Before workers start.
// 0 or -ENOSPC.
int dp_pool_range_add(struct dp_chan *ch, uint32_t first, uint32_t last);

// Counters of one worker, for the log and metrics; see dataplane/counters.def for names. NULL past
// the last.
struct dp_counter_value {
	const char *name, *help;
	uint64_t value;
};
bool dp_counter(
	const struct dp_chan *ch, unsigned int worker, unsigned int i, struct dp_counter_value *v);

// How full the pools are: for leak checks at shutdown and metrics.
struct dp_pool_level {
	const char *name;
	uint32_t in_use, size;
};
bool dp_pool(const struct dp_chan *ch, unsigned int i, struct dp_pool_level *v);
