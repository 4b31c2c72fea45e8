// SPDX-License-Identifier: BSD-3-Clause
// One SSTP call from the client's side: TLS, HTTP, SSTP and PPP over any byte stream. No I/O and no
// clock: bytes, packets and the time come in; bytes to send, packets and events come out. Any
// number of calls live in one thread. [MS-SSTP] 3.2, RFC 1661.
//
// Times are milliseconds of one monotonic clock. Callbacks run inside the call_*() that caused them
// and may call call_send_ip() and call_hangup(), not call_free().
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/call_tls.h"
#include "protocol/ppp/ppp.h"
#include "protocol/ppp/ppp_mp.h"
#include "protocol/sstp/sstp_fsm.h"

#define CALL_PHASE_LIST(X)                              \
	X(TLS, "during the TLS handshake")              \
	X(HTTP, "before the HTTP request was answered") \
	X(SSTP, "while SSTP was negotiated")            \
	X(AUTH, "before authentication was over")       \
	X(NETWORK, "before an address was agreed")      \
	X(UP, "while the call was up")                  \
	X(CLOSING, "while hanging up")                  \
	X(CLOSED, "")

#define X(name, text) CALL_PHASE_##name,
enum call_phase { CALL_PHASE_LIST(X) };
#undef X

// Why a call ended, and the exit status a program may make of it.
#define CALL_END_LIST(X)                     \
	X(NONE, 0, "not ended")              \
	X(HANGUP, 0, "hung up")              \
	X(LOCAL, 1, "local error")           \
	X(NAME, 3, "name not found")         \
	X(TCP, 4, "TCP connection failed")   \
	X(TLS, 5, "TLS failed")              \
	X(HTTP, 6, "HTTP refused")           \
	X(SSTP, 7, "SSTP failed")            \
	X(AUTH, 8, "authentication failed")  \
	X(PPP, 9, "PPP failed")              \
	X(ADDRESS, 10, "no address")         \
	X(TIMEOUT, 11, "timed out")          \
	X(LOST, 12, "connection lost")       \
	X(SERVER, 13, "ended by the server") \
	X(PROXY, 14, "proxy refused")        \
	X(IDLE, 0, "idle")                   \
	X(SESSION, 0, "session timeout")

#define X(name, status, text) CALL_END_##name,
enum call_end { CALL_END_LIST(X) CALL_N_ENDS };
#undef X

const char *call_end_text(enum call_end e);
int call_end_status(enum call_end e);

// For the load generator: a call that stops half way and stays silent, as an attacker would.
enum call_stall {
	CALL_STALL_NONE,
	CALL_STALL_TCP,                // connected, not a byte sent
	CALL_STALL_CLIENT_HELLO,       // half of one
	CALL_STALL_HTTP,               // half a request, behind the handshake
	CALL_STALL_NO_CONNECT_REQUEST, // HTTP done, no Call Connect Request
	CALL_STALL_NO_CALL_CONNECTED,  // authenticated, but never Call Connected
};

struct call_conf {
	SSL_CTX *tls; // call_tls_ctx_create()
	// Of a context with `keys`: for call_tls_take_records(). NULL: records stay OpenSSL's.
	const struct rec_backend *records;
	const char *host; // name or address dialed: for Host: and the certificate
	const char *sni;  // server_name to ask for, NULL: none
	const char *user, *password;
	uint32_t auth_methods;     // PPP_AUTH_* bits agreed to
	uint16_t max_mtu, max_mru; // 1460
	bool want_wins;            // ask for WINS servers too
	uint32_t outer_address;    // IPv4, host order: what is dialed, 0: nothing to mind
	uint32_t local_address;    // IPv4, host order: the only one that is taken; 0: any
	uint32_t remote_address;   // the server's, where it names none; 0: none
	uint16_t mrru;             // multilink over the one link (RFC 1990), 0: none
	enum ppp_ipv6_mode ipv6;   // PPP_IPV6_NO
	bool mp_short;             // with 12-bit sequence numbers, where the server likes
	uint32_t keepalive_ms;     // 0: none
	uint32_t setup_ms;         // TLS and HTTP together
	uint32_t network_ms;       // from authentication to an address, and to the next one
	uint32_t backlog_max;      // bytes that may wait for the socket before packets are refused
	uint32_t hangup_ms;        // the most an orderly hang-up may take
	uint8_t hash_mask;         // CERT_HASH_PROTOCOL_* accepted
	enum call_stall stall;
};

struct call_info {
	struct ppp_addresses addr; // IPv4, host order; 0: none
	uint64_t local_id;         // IPv6: this end's interface identifier, 0: none
	uint16_t mtu;              // the most that may be sent
	uint32_t auth;             // PPP_AUTH_* bit, 0: none
	const char *tls_version, *cipher;
	const char *records; // the backend; "openssl": also when all of TLS is OpenSSL's
};

struct call_counters {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes; // IP
	uint64_t tx_dropped;                                 // too long, or not up
	uint64_t rx_dropped;           // data before the call was up, or no packets
	uint64_t rx_stream, tx_stream; // TCP payload
};

struct call_ops {
	// The call is up: packets may pass. info is dead after the call.
	void (*up)(void *user, const struct call_info *info);
	// NULL, or: the other one of IPv4 and IPv6 came up, later than up(); or IPv4 did once more,
	// perhaps with other addresses.
	void (*more)(void *user, const struct call_info *info);
	// An IPv4 or IPv6 packet from the server; dead after the call, and with packets_end() only
	// after that.
	void (*packet)(void *user, const uint8_t *ip, size_t len);
	// NULL, or: those were the packets of what came in.
	void (*packets_end)(void *user);
	// The call is over: send what call_output() still has, then close. Last callback.
	void (*closed)(void *user, enum call_end why);
	// NULL, or told of the end of the TLS handshake, before anything is sent through it.
	void (*secured)(void *user);
	// After call_detach() only: plaintext to be sent, n bytes; dead after the call.
	void (*plain)(void *user, const uint8_t *p, size_t n);
};

enum call_timer {
	CALL_TIMER_SSTP_NEGOTIATION,
	CALL_TIMER_SSTP_CLOSE,
	CALL_TIMER_PPP, // and PPP_N_TIMERS of them
	CALL_TIMER_SETUP = CALL_TIMER_PPP + PPP_N_TIMERS,
	CALL_TIMER_HELLO,
	CALL_TIMER_HANGUP,
	CALL_N_TIMERS,
};

struct call_mp {
	struct ppp_multilink is;
	struct ppp_mp_rx rx;
	struct ppp_mp_tx tx;
	uint8_t *part; // of a packet whose rest has not come
};

#define CALL_TX_PLAIN 16384u
#define CALL_CARRY 8192u // the longest HTTP answer; an SSTP packet is shorter

struct call_buf {
	uint8_t tx[CALL_TX_PLAIN]; // see struct call
	uint8_t carry[CALL_CARRY]; // received, incomplete
};

struct call {
	const struct call_ops *ops;
	void *user;
	struct call_conf conf;
	struct call_tls tls;
	struct sstp_call sstp;
	struct ppp_link ppp;
	struct call_mp mp;
	struct call_counters counters;
	enum call_phase phase;
	enum call_end end;
	uint64_t now_ms;
	uint64_t deadline_ms[CALL_N_TIMERS]; // 0: not running
	bool sstp_started, connected, network, network6, broken;
	bool refused;  // what ended the call would end the next one too
	bool detached; // buf is the owner's, records are too
	uint8_t hello_missed;
	uint8_t nb_again;        // addresses that were negotiated anew,
	uint64_t again_since_ms; // within AGAIN_MS from here
	uint32_t tx_len, carry_len;
	struct call_buf *buf;
	uint8_t *tx; // SSTP packets that wait for one record: the TLS's room, or buf's
	const char *tls_version, *cipher; // OpenSSL's own
	bool have_cert;
	uint8_t cert_sha1[20], cert_sha256[32];
	char reason[384];
};

void call_conf_default(struct call_conf *conf);

// A call over a stream that is connected; the ClientHello is in call_output() afterwards. conf's
// strings and context are borrowed for its life. 0 or -ENOMEM.
int call_init(struct call *c, const struct call_conf *conf, const struct call_ops *ops, void *user,
	uint64_t now_ms);
// At any time; wipes secrets; no callback.
void call_free(struct call *c);

// n bytes came in.
void call_input(struct call *c, const void *p, size_t n, uint64_t now_ms);
// The stream ended: by the peer's FIN (error 0), or with an errno.
void call_stream_end(struct call *c, int error, uint64_t now_ms);
// The clock reached call_deadline() (0: none), a bit more or less.
void call_tick(struct call *c, uint64_t now_ms);
uint64_t call_deadline(const struct call *c);

// Bytes to send. call_output_done(): the first n are gone.
const uint8_t *call_output(const struct call *c, size_t *n);
void call_output_done(struct call *c, size_t n);

// Queue an IPv4 packet; it leaves with call_flush(), several in one record. 0, -ENOTCONN (not up),
// -EMSGSIZE (longer than the MTU), or -EAGAIN (backlog_max bytes wait: send some first).
int call_send_ip(struct call *c, const void *ip, size_t len);
// The same for a packet that the caller writes to *at, len bytes, before any other call_*();
// version: 4 or 6. -E2BIG: it is to go in fragments, which is for call_send_ip().
int call_begin_ip(struct call *c, uint8_t version, size_t len, uint8_t **at);
void call_flush(struct call *c);

// From inside ops->secured(): take the call off its TLS, for whoever has very many of them and
// protects the records himself. What call_output() had must have been taken before. From then on
// call_input_plain() and ops->plain stand for call_input() and call_output(), a close_notify is the
// owner's to send when the call is over, and of memory only struct call itself is left. buf: used
// inside call_*() only, so that one serves all calls of a thread; the owner's. The caller wipes the
// keys. 0; -EAGAIN: something is half received or not sent; -ENOTSUP: see call_tls_keys().
int call_detach(struct call *c, struct call_buf *buf, struct tls_traffic_key *rx,
	struct tls_traffic_key *tx, struct call_secrets *secrets);
// Plaintext of a detached call. Takes what is whole of it; returns how many bytes that was. What is
// left (less than CALL_CARRY) is to come again with what follows.
size_t call_input_plain(struct call *c, const uint8_t *p, size_t n, uint64_t now_ms);
// Something came that the owner of a detached call handles himself (data): the server lives.
void call_heard(struct call *c, uint64_t now_ms);

// End the call in order: PPP Terminate, Call Disconnect, close_notify, within hangup_ms.
void call_hangup(struct call *c, uint64_t now_ms);
// The same for a reason of this side's, which call_reason() then says.
void call_hangup_because(struct call *c, enum call_end why, const char *reason, uint64_t now_ms);

// End it with a reason from outside, at once (a connection that failed): no callback.
void call_fail(struct call *c, enum call_end why, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

// One line that says why the call ended, "" while it has not.
const char *call_reason(const struct call *c);
