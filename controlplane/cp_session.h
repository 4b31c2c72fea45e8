// SPDX-License-Identifier: BSD-3-Clause
// One session on the control plane's side, from ACCEPTED to CLOSED: TLS handshake (cp_tls.c), HTTP
// (cp_http.c), the SSTP call and PPP (cp_call.c), its life and its end (cp_session.c).
//
// The stages only go forward. A session is freed when its CLOSED comes and at no other time, so no
// callback sees it go. What a callback must not do at once (the state machines may not be called
// from their own callbacks) it notes, and cp_call_settle() does it afterwards.
#pragma once

#include <ev.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "controlplane/cp_core.h"
#include "controlplane/users.h"
#include "protocol/ppp/ppp.h"
#include "protocol/sstp/sstp_fsm.h"
#include "protocol/sstp/sstp_http.h"

#define CP_STAGE_LIST(X)                \
	X(ACCEPTED, "nothing received") \
	X(TLS, "TLS handshake")         \
	X(HTTP, "HTTP request")         \
	X(CALL, "SSTP call")            \
	X(CLOSING, "closing")
#define X(name, text) CP_STAGE_##name,
enum cp_stage { CP_STAGE_LIST(X) };
#undef X

#define CP_USER_LOG_MAX 96

// The SSTP call and its PPP link: made when the HTTP request is complete.
struct cp_call {
	struct cp_session *s;
	struct sstp_call sstp;
	struct ppp_link ppp;
	ev_timer sstp_timer[SSTP_N_TIMERS];
	ev_timer ppp_timer[PPP_N_TIMERS];
	ev_timer auth_timer; // a back end's answer
	struct users_grant grant;
	uint64_t user_hash;
	uint32_t local;  // agreed by IPCP
	uint32_t prefer; // the address that the session before had, 0: none
	uint8_t hash;    // CERT_HASH_PROTOCOL_* of the peer's Call Connected
	// Noted by callbacks for cp_call_settle(). frame borrows the event's bytes.
	const uint8_t *frame;
	size_t frame_len;
	bool note_ppp_up, note_ppp_down, note_closed, flush;
	uint64_t auth_id;          // of the last query to the back end
	bool auth_pending;         // the back end was asked
	bool auth_logged;          // that the log-in is right
	bool negotiation_held;     // the timer for Call Connected stands still
	struct users_answer *held; // for PPP when others of the account are gone, NULL: none
	// Both have to be true before data may pass.
	bool connected;  // Call Connected verified
	bool network_up; // IPCP open
	bool reopen;     // IPCP or IPV6CP came or went
	bool ppp_over;   // the link had its last callback
};

// Bytes of an HTTP request not complete yet.
struct cp_http {
	uint32_t len;
	uint64_t offset; // of buf[0] in the plain stream
	char buf[SSTP_HTTP_MAX_HEADER + 1];
};

// What only a call in progress needs; gone once data pass.
struct cp_setup {
	ev_io async;    // the pending private-key operation
	ev_timer timer; // handshake, then set-up
	ev_tstamp gap;  // longest silence so far
	uint8_t cert_sha1[20], cert_sha256[32];
};

struct cp_session {
	TAILQ_ENTRY(cp_session) next;
	TAILQ_ENTRY(cp_session) next_half_open; // while half_open
	struct cp *cp;
	dp_handle handle;
	uint64_t id;
	struct in6_addr peer;
	uint16_t peer_port;
	uint8_t stage; // enum cp_stage
	bool remote;   // the record layer is here (CBC)
	bool half_open, was_up;
	bool known;      // its log-in was right
	uint8_t in_list; // enum cp_half_open, while half_open
	bool data_open, published;
	bool broken;       // must end at once
	bool ending;       // was told to go (cp_policy_end())
	bool gone;         // CLOSED came, what it had is given back
	bool awaited;      // others of its account may wait for its end
	bool close_notify; // remote record layer: the peer's came
	uint32_t addr;     // taken from the pools, host order, 0: none
	size_t waiting;    // bytes in the backlog, kept by cp_out.c
	struct tls_hs *hs;
	struct cp_setup *setup;
	uint64_t raw_next; // stream offset behind the last byte fed to hs
	struct cp_http *http;
	struct cp_call *call;
	struct cp_ip6 *ip6; // NULL: no IPv6 (cp_ip6.c)
	void *idle;         // the call packed, while it is at rest (cp_idle.c); call is NULL then
	uint32_t idle_len;
	ev_tstamp began;
	ev_tstamp heard; // the last event, while half_open
	char *user;      // quoted for logs, NULL: none claimed yet
	const char *why; // the first reason to end; static text
	char *why_detail;
	const char *account; // of users_grant, NULL: not authenticated
	LIST_ENTRY(cp_session) of_account;
	struct cp_policy *policy; // what most have no need of (cp_policy.h), NULL: nothing
};

static_assert(sizeof(struct cp_session) <= 256, "memory per idle session");

const char *cp_stage_text(enum cp_stage stage);

// -- cp_session.c --

// An ACCEPTED event.
void cp_session_accept(struct cp *cp, const struct dp_msg *m);
// Any other event of a live session. May free it (CLOSED).
void cp_session_event(struct cp_session *s, const struct dp_msg *m);
// Note why the session ends, if nothing was noted before. why: static text; detail may be NULL.
void cp_session_why(struct cp_session *s, const char *why, const char *detail);
// End the connection: gracefully (what was sent before goes out first), or by a reset. Nothing more
// happens but waiting for CLOSED. Not from a callback of sstp or ppp.
void cp_session_close(struct cp_session *s, bool abort);
// Note that the session can only be aborted; done by the next cp_call_settle() or turn of the loop.
void cp_session_broken(struct cp *cp, dp_handle h, const char *why);
// Too many calls in progress: the one that has been silent longest gives way, so that a crowd that
// stops half way cannot keep everybody else out. False: all of them are lively.
bool cp_session_make_room(struct cp *cp);
// Its silence begins anew: something came, it begins to wait for its verdict, or that is there.
void cp_session_heard(struct cp_session *s);
// End the call in the way its stage asks for (orderly shutdown, operator).
void cp_session_disconnect(struct cp_session *s, const char *why);
// Forget a session without a word (end of the process).
void cp_session_free(struct cp_session *s);
// Application data to the peer.
void cp_session_send(struct cp_session *s, const void *p, size_t n);
// Data pass: the session is no longer half open.
void cp_session_is_up(struct cp_session *s);
// Why it ended, in words; the detail may be the peer's own.
void cp_session_reason(
	const struct cp_session *s, const struct dp_msg *closed, char *dst, size_t cap);
// "session=1 peer=192.0.2.1:1234 user=x", in a static buffer.
const char *cp_session_tag(const struct cp_session *s);

#define SLOG(level, s, fmt, ...) LOG(level, "%s " fmt, cp_session_tag(s), ##__VA_ARGS__)
#define SLOG_RATE(level, burst, s, fmt, ...) \
	LOG_RATELIMIT(level, burst, "%s " fmt, cp_session_tag(s), ##__VA_ARGS__)

// -- cp_tls.c --

void cp_tls_raw(struct cp_session *s, const struct dp_msg *m);
void cp_tls_plain_out(struct cp_session *s, const void *p, size_t n); // remote record layer
void cp_tls_key_update(struct cp_session *s, bool request_reply);
void cp_tls_key_limit(struct cp_session *s);
void cp_tls_close(struct cp_session *s); // close_notify of a remote record layer
void cp_tls_free(struct cp_session *s);

// -- cp_http.c --

void cp_http_plain(struct cp_session *s, const struct dp_msg *m);

// -- cp_call.c --

int cp_call_start(struct cp_session *s); // 0 or -ENOMEM
void cp_call_packet(struct cp_session *s, const uint8_t *pkt, size_t len);
void cp_call_undelineable(struct cp_session *s);
void cp_call_hello_expired(struct cp_session *s, uint32_t intervals);
void cp_call_disconnect(struct cp_session *s);
// Note PPP's reason to end, if it has one.
void cp_call_why(struct cp_session *s);
// Do what callbacks noted, until there is nothing left.
void cp_call_settle(struct cp_session *s);
// Make its timers.
void cp_call_watch(struct cp_call *c);
// Data no longer pass; the address is withdrawn.
void cp_call_close_data(struct cp_session *s);
void cp_call_free(struct cp_session *s);

uint64_t cp_hash(const char *p, size_t n);
const char *cp_ip_text(uint32_t addr, char dst[INET_ADDRSTRLEN]); // host order
// "10.0.0.0/8", "2001:db8::/32"; 50 bytes do.
const char *cp_prefix_text(const struct config_prefix *p, char *dst, size_t cap);

// -- cp_auth.c --

// The peer's claim; from PPP's callback.
void cp_auth_request(struct cp_session *s, const struct ppp_auth_request *req);
// A back end's answer to a query, when it comes later. Takes a->store, wipes *a. A query that
// nobody waits for any more is fine.
void cp_auth_answer(struct cp *cp, uint64_t id, struct users_answer *a);
// The answer that was held goes to PPP.
void cp_auth_go_on(struct cp_session *s);
// PPP left the phase in which it asked (LCP anew, an end): cancel.
void cp_auth_settle(struct cp_session *s);
// Nobody waits any more.
void cp_auth_cancel(struct cp_session *s);
void cp_auth_watch(struct cp_call *c); // make its timer
void cp_auth_hold_negotiation(struct cp_call *c);

// -- cp_address.c --

// The peer is authenticated: an address for it, or the end for the lack of one. From PPP's
// callback.
void cp_address_assign(struct cp_session *s);
// Returns the address that is free now, 0: there was none.
uint32_t cp_address_release(struct cp_session *s);

// -- cp_idle.c --

// Keep the call in less memory, if it has nothing to do. After each event.
void cp_call_rest(struct cp_session *s);
// The call of s, as it was; NULL: none, or out of memory (the session is broken then).
struct cp_call *cp_call_wake(struct cp_session *s);
