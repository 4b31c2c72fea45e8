// SPDX-License-Identifier: BSD-3-Clause
// PPP over SSTP: link, authentication, IPCP and IPV6CP, server and client. RFC 1661, 1332, 1334,
// 1877, 1994, 2433, 2759, 3079, 5072. Pure: frames and events in, callbacks out; no clock, no I/O,
// no allocation. One link belongs to one thread.
//
// Frames are without HDLC: no flags, escapes or FCS. In: FF 03 may be there or not, the protocol
// field may be compressed. Out: FF 03 is always sent (some peers ignore the ACFC they agreed to).
//
// Callbacks run inside the call that caused them and must not call back into the same object,
// except where said.
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cursor.h"
#include "protocol/ppp/ppp_auth.h"

#define PPP_PROTO_IPV4 0x0021
#define PPP_PROTO_IPV6 0x0057
#define PPP_PROTO_MP 0x003d
#define PPP_PROTO_COMP 0x00fd
#define PPP_PROTO_IPCP 0x8021
#define PPP_PROTO_IPV6CP 0x8057
#define PPP_PROTO_CCP 0x80fd
#define PPP_PROTO_ECP 0x8053
#define PPP_PROTO_LCP 0xc021
#define PPP_PROTO_PAP 0xc023
#define PPP_PROTO_CBCP 0xc029
#define PPP_PROTO_CHAP 0xc223
#define PPP_PROTO_EAP 0xc227

// Parse the address/control and protocol fields at the start of a frame. Returns the length of what
// is in front of the payload (1..4) and *proto, or -EBADMSG. Inline: the worker uses it on every
// frame.
static inline int ppp_parse_header(const uint8_t *p, size_t n, uint16_t *proto)
{
	int o = 0;

	if (n >= 2 && p[0] == 0xff && p[1] == 0x03)
		o = 2;
	if ((size_t)o >= n)
		return -EBADMSG;
	if (p[o] & 1) {
		*proto = p[o];
		return o + 1;
	}
	if ((size_t)o + 1 >= n || !(p[o + 1] & 1))
		return -EBADMSG;
	*proto = (uint16_t)(p[o] << 8 | p[o + 1]);
	return o + 2;
}

#define PPP_PHASE_LIST(X) X(DEAD) X(ESTABLISH) X(AUTHENTICATE) X(NETWORK) X(TERMINATE)
#define X(name) PPP_PHASE_##name,
enum ppp_phase { PPP_PHASE_LIST(X) };
#undef X

enum ppp_timer {
	PPP_TIMER_LCP,
	PPP_TIMER_AUTH,
	PPP_TIMER_IPCP,
	PPP_TIMER_ECHO,
	PPP_TIMER_IPV6CP,
	PPP_N_TIMERS
};

// Why a link ended; printed in logs.
#define PPP_END_LIST(X)                                                              \
	X(NONE, "not ended")                                                         \
	X(PEER_TERMINATED, "terminated by the peer")                                 \
	X(LOCAL_TERMINATED, "terminated by this side")                               \
	X(LCP_FAILED, "LCP did not converge")                                        \
	X(AUTH_REFUSED, "no authentication method both sides allow")                 \
	X(AUTH_FAILED, "authentication failed")                                      \
	X(AUTH_TIMEOUT, "authentication timed out")                                  \
	X(PEER_AUTH_FAILED, "the server could not prove that it knows the password") \
	X(NO_ADDRESS, "no address for this session")                                 \
	X(LCP_REJECTED, "LCP was rejected by the peer")                              \
	X(IPCP_REJECTED, "IPCP was rejected by the peer")                            \
	X(BAD_CHALLENGE, "malformed challenge")                                      \
	X(BAD_ADDRESS, "an address that is no client's")                             \
	X(OTHER_ADDRESS, "another address than the one that was asked for")          \
	X(IPCP_FAILED, "IPCP did not converge")                                      \
	X(IPV6CP_FAILED, "IPV6CP did not converge")                                  \
	X(ECHO_TIMEOUT, "no answer to LCP Echo-Request")                             \
	X(LOOPED_BACK, "looped-back link")

#define X(name, text) PPP_END_##name,
enum ppp_end { PPP_END_LIST(X) PPP_N_ENDS };
#undef X

const char *ppp_phase_name(enum ppp_phase p);
const char *ppp_end_text(enum ppp_end e);
const char *ppp_protocol_name(uint16_t proto); // "unknown" for what has none

// RFC 1661 4.2 states and 4.1 events, shared by LCP and every NCP.
// clang-format off
#define PPP_FSM_STATE_LIST(X)                                                 \
	X(INITIAL) X(STARTING) X(CLOSED) X(STOPPED) X(CLOSING)                \
	X(STOPPING) X(REQ_SENT) X(ACK_RCVD) X(ACK_SENT) X(OPENED)
// clang-format on
#define X(name) PPP_FSM_##name,
enum ppp_fsm_state { PPP_FSM_STATE_LIST(X) PPP_FSM_N_STATES };
#undef X

struct ppp_fsm {
	uint8_t state; // enum ppp_fsm_state, written by ppp_fsm_step() alone
	uint8_t id;    // identifier of the last Configure-Request or Terminate-Request
	uint8_t restart_count;
	uint8_t nb_naks;      // Configure-Naks sent in a row (Max-Failure)
	uint8_t nb_naks_rcvd; // Configure-Naks and -Rejects received in a row
	uint8_t nb_refused;   // Configure-Naks and -Rejects sent in a row
	bool acked;        // the current Configure-Request got its answer: another is a duplicate
	uint8_t peer_id;   // identifier of the peer's request that was acknowledged last,
	uint8_t nb_again;  // how often that came again while Opened,
	uint32_t peer_sum; // and a sum over its options
};

// Whether an IPv4 address (host order) can be one of a link's ends': not 0.0.0.0/8, 127.0.0.0/8, a
// multicast or a reserved one.
static inline bool ppp_is_host(uint32_t address)
{
	return address >> 24 && address >> 24 != 127 && address < 0xe0000000u;
}

struct ppp_addresses { // IPv4 in host byte order; 0: none
	uint32_t local;
	uint32_t remote; // server: the client's; client: the server's
	uint32_t dns[2];
	uint32_t wins[2];
};

enum ppp_ipv6_mode {
	PPP_IPV6_NO,       // IPV6CP is Protocol-Rejected
	PPP_IPV6_YES,      // if the peer wants it
	PPP_IPV6_REQUIRED, // the link ends when IPV6CP does not open
};

struct ppp_conf {
	bool server;
	uint32_t auth_methods;  // PPP_AUTH_* bits: server: offered, strongest first; client: agreed
				// to
	uint16_t mru;           // offered to the peer (max-mru)
	uint16_t mtu;           // never send more (max-mtu)
	bool want_wins;         // client: ask for WINS servers beside DNS servers
	uint32_t local_address; // client: the only address it takes, 0: any. When the server gives
				// another one, that is addr.local, and the link ends
	uint32_t remote_address; // client: the server's, where that names none; 0: none
	uint16_t mrru;           // multilink: the largest packet put together again, offered to the
				 // peer; 0: no multilink either way
	bool short_seq;          // multilink: ask for 12-bit sequence numbers
	uint32_t restart_ms;     // 3000
	uint8_t max_configure;   // 10
	uint8_t max_terminate;   // 2
	uint8_t max_failure;     // 5
	// Nothing heard from the peer while authenticating: server 30000; client 60000, since the
	// server may wait for a second factor.
	uint32_t auth_timeout_ms;
	uint8_t max_auth_retries;    // server: MS-CHAP retries allowed (R=1), 0: one try
	enum ppp_ipv6_mode ipv6;     // PPP_IPV6_NO
	uint32_t echo_interval_ms;   // own LCP Echo-Requests, 0: none (SSTP's Hello does it)
	uint8_t echo_failures;       // unanswered ones before the link ends
	const char *hostname;        // CHAP Name of this side; borrowed for the link's life
	const char *user, *password; // client: borrowed for the link's life
};

struct ppp_ops {
	// Send one frame, FF 03 and protocol in front. Dead after the call.
	void (*send)(void *user, const uint8_t *frame, size_t len);
	// (Re)start a one-shot timer, on expiry ppp_timeout(); stop one, running or not.
	void (*timer_start)(void *user, enum ppp_timer t, uint32_t ms);
	void (*timer_stop)(void *user, enum ppp_timer t);
	// n bytes from a cryptographic random source.
	void (*random)(void *user, void *dst, size_t n);
	// Server: the peer asks to be authenticated. Answer with ppp_auth_verdict(), from inside or
	// later; until then PPP retransmits nothing and does not time out. req borrows the link's
	// memory: valid until the verdict or the link's end.
	void (*auth_request)(void *user, const struct ppp_auth_request *req);
	// Authenticated: server after the success message was sent, client after it was verified.
	// hlak: 32 bytes; has_keys says whether the method made keys (else hlak is zero).
	// sstp_authenticated() may be called from here. Server: ppp_set_addresses() must be called,
	// from here or later: IPCP waits for it. Comes once per link, also when no authentication
	// was asked for; a peer that negotiates LCP anew must authenticate again (auth_request,
	// under the same name) without it being told here.
	void (*authenticated)(void *user, const uint8_t hlak[32], bool has_keys);
	// IPCP is open: these are the agreed addresses. ppp->peer_mru bounds what may be sent.
	void (*network_up)(void *user, const struct ppp_addresses *a);
	void (*network_down)(void *user);
	// IPV6CP is open: both ends' interface identifiers, the lower halves of their link-local
	// addresses. remote_id 0: the peer tells none. Both or none of these are given; without
	// them there is no IPv6. IPCP and IPV6CP come and go independently.
	void (*network6_up)(void *user, uint64_t local_id, uint64_t remote_id);
	void (*network6_down)(void *user);
	// LCP is open, for the first time or anew: what ppp_multilink() says holds from here on,
	// with sequence numbers from 0. NULL: not told.
	void (*lcp_up)(void *user);
	// The link is over (after Terminate was exchanged, or gave up). message: the peer's text,
	// or ""; any bytes but NUL: quote it. Last callback, and the link's last access to itself:
	// ppp_free() may be called from here.
	void (*down)(void *user, enum ppp_end why, const char *message);
};

struct ppp_link {
	const struct ppp_ops *ops;
	void *user;
	struct ppp_conf conf;
	uint8_t phase; // enum ppp_phase
	uint8_t end;   // enum ppp_end
	struct ppp_fsm lcp, ipcp, ipv6cp;

	// LCP: what is asked for now, and what was agreed.
	uint16_t want_mru;                   // 0: no longer asked for
	uint16_t peer_mru;                   // what the peer can receive, 1500 until it says
	uint16_t want_mrru;                  // RFC 1990 5.1.1; 0: not asked for
	uint16_t peer_mrru;                  // 0: the peer does not put fragments together
	bool want_short_seq, peer_short_seq; // 5.1.2
	bool want_endpoint;                  // 5.1.3
	uint8_t endpoint[8]; // a magic number block: no two links of this end are one bundle
	uint32_t magic;      // 0: rejected
	uint32_t peer_magic;
	uint32_t offered_auth; // server: the PPP_AUTH_* bit in the current Configure-Request, 0:
			       // none left
	uint32_t auth_left;    // server: methods not yet refused
	uint32_t auth;         // the agreed PPP_AUTH_* bit, 0: none
	bool auth_refused;     // client: the server asks for a method that was not agreed to,
	uint8_t refused_algorithm; // of CHAP,
	uint16_t refused_auth;     // of this protocol, 0: unreadable
	bool peer_pfc, peer_acfc;  // the peer said it accepts compressed fields
	uint8_t lcp_reject_id, echo_id, echo_missed;
	uint8_t nb_loops; // Configure-Requests that carried our own magic number

	struct ppp_auth_state as; // ppp_auth.h

	struct ppp_addresses addr;
	uint8_t ipcp_rejected; // own IPCP options the peer rejected, bit per option
	bool have_addresses;   // server: ppp_set_addresses() was called
	bool network_is_up, network6_is_up;

	struct {
		uint64_t local_id, remote_id, suggested_id; // 0: none yet
		uint8_t mode;                               // enum ppp_ipv6_mode
		bool id_rejected;                           // the peer wants no identifier
	} ip6;
	bool was_authenticated; // authenticated() was called

	bool over;          // down() is owed
	uint8_t depth;      // public calls on the stack: down() waits for the outermost to end
	char term_text[64]; // of the Terminate-Request
	char message[128];  // the peer's last words
};

static_assert(sizeof(struct ppp_link) <= 1408, "one per session: memory per idle session");

// RFC and product defaults for everything but auth_methods, hostname, user and password.
void ppp_conf_default(struct ppp_conf *c, bool server);

// Prepare a link. conf is copied (its strings are borrowed); what is out of range is brought into
// it, and a timer or counter of 0 gets its default. Nothing is sent before ppp_up().
void ppp_init(
	struct ppp_link *l, const struct ppp_conf *conf, const struct ppp_ops *ops, void *user);

// The lower layer is up (SSTP Call Connect Ack went out or came): LCP starts.
void ppp_up(struct ppp_link *l);

// The lower layer is gone: no callback (the owner stops the link's timers); wipes the whole link.
// Until then l->end tells how far an orderly end had come.
void ppp_free(struct ppp_link *l);

// One received frame. Data protocols (IPv4, IPv6 ...) are not for here and are dropped, but for
// what RFC 1661 says of unknown protocols: Protocol-Reject once LCP is open.
void ppp_input(struct ppp_link *l, const uint8_t *frame, size_t len);

void ppp_timeout(struct ppp_link *l, enum ppp_timer t);

// Server: the answer to auth_request. Copies what it needs. v->ok with a method that makes keys but
// v->has_keys false is treated as a failure (fail closed).
void ppp_auth_verdict(struct ppp_link *l, const struct ppp_auth_verdict *v);

// Server: the session's addresses. remote == 0: there is no IPv4: with IPv6, IPCP is
// Protocol-Rejected; without, the link ends with PPP_END_NO_ADDRESS, after LCP Terminate with a
// text. Without effect once IPCP has started.
void ppp_set_addresses(struct ppp_link *l, const struct ppp_addresses *a);

// Whether there is IPv6, and this end's interface identifier (0: by chance), instead of what
// ppp_conf says. Before ppp_set_addresses(); without effect once IPV6CP has started.
void ppp_set_ipv6(struct ppp_link *l, enum ppp_ipv6_mode mode, uint64_t local_id);

// Whether IPCP is on its way, so that it is worth a moment to wait for it when IPV6CP is open
// already: the peer has not left its first request unanswered.
bool ppp_ipv4_pending(const struct ppp_link *l);

// End the link from this side: Terminate-Request with an optional text, then down().
void ppp_terminate(struct ppp_link *l, enum ppp_end why, const char *text);

// The most an IP packet to the peer may have in one frame: min(conf.mtu, peer's MRU).
uint16_t ppp_mtu(const struct ppp_link *l);

// Multilink over the one link, RFC 1990, each direction by itself. All 0 while LCP is not open.
struct ppp_multilink {
	uint16_t tx_mrru; // the largest packet the peer puts together, 0: it takes no fragments
	uint16_t rx_mrru; // the largest this end promised to put together, 0: it promised nothing
	bool tx_short, rx_short; // 12-bit sequence numbers
};
void ppp_multilink(const struct ppp_link *l, struct ppp_multilink *m);
