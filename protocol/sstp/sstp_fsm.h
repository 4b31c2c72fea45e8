// SPDX-License-Identifier: BSD-3-Clause
// SSTP call state machines, server [MS-SSTP] 3.3 and client 3.2, as const tables. Pure: packets and
// events in, callbacks out; no clock, no I/O, no allocation. One call belongs to one thread.
//
// Callbacks run inside the call that caused them, after the state was changed, and must not call
// back into the same object, except where said; they may note what to do and do it later.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/sstp/sstp.h"

#define SSTP_STATE_LIST(X)                 \
	X(CALL_DISCONNECTED)               \
	X(SERVER_CONNECT_REQUEST_PENDING)  \
	X(SERVER_CALL_CONNECTED_PENDING)   \
	X(SERVER_CALL_CONNECTED)           \
	X(CLIENT_CONNECT_REQUEST_SENT)     \
	X(CLIENT_CONNECT_ACK_RECEIVED)     \
	X(CLIENT_CALL_CONNECTED)           \
	X(CALL_ABORT_IN_PROGRESS_1)        \
	X(CALL_ABORT_IN_PROGRESS_2)        \
	X(CALL_ABORT_TIMEOUT_PENDING)      \
	X(CALL_ABORT_PENDING)              \
	X(CALL_DISCONNECT_IN_PROGRESS_1)   \
	X(CALL_DISCONNECT_IN_PROGRESS_2)   \
	X(CALL_DISCONNECT_TIMEOUT_PENDING) \
	X(CALL_DISCONNECT_ACK_PENDING)

#define X(name) SSTP_STATE_##name,
enum sstp_state { SSTP_STATE_LIST(X) SSTP_N_STATES };
#undef X

enum sstp_timer {
	SSTP_TIMER_NEGOTIATION, // [MS-SSTP] 3.3.2: Connect Request; again for Call Connected
	SSTP_TIMER_CLOSE,       // the abort and disconnect timers 1 and 2: one at a time
	SSTP_N_TIMERS,
};

// Why a call ended; printed in logs.
#define SSTP_END_LIST(X)                                                  \
	X(NONE, "not ended")                                              \
	X(LOCAL_DISCONNECT, "disconnected by this side")                  \
	X(PEER_DISCONNECT, "disconnected by the peer")                    \
	X(PEER_ABORT, "aborted by the peer")                              \
	X(NEGOTIATION_TIMEOUT, "negotiation timed out")                   \
	X(RETRY_COUNT_EXCEEDED, "too many refused Call Connect Requests") \
	X(CRYPTO_BINDING, "crypto binding failed")                        \
	X(PROTOCOL_ERROR, "message not allowed in this state")            \
	X(MALFORMED, "malformed message")                                 \
	X(UNDELINEABLE, "packet that cannot be delineated")               \
	X(HELLO_TIMEOUT, "no answer to Echo Request")                     \
	X(REFUSED, "refused by the server")

#define X(name, text) SSTP_END_##name,
enum sstp_end { SSTP_END_LIST(X) SSTP_N_ENDS };
#undef X

const char *sstp_state_name(enum sstp_state s);
const char *sstp_end_text(enum sstp_end e);

struct sstp_ops {
	// Send one SSTP packet, whole (len bytes, header included). pkt is dead after the call.
	void (*send)(void *user, const uint8_t *pkt, size_t len);
	// (Re)start or stop a timer; on expiry the owner calls sstp_timeout().
	void (*timer_start)(void *user, enum sstp_timer t, uint32_t ms);
	void (*timer_stop)(void *user, enum sstp_timer t);
	// The call is far enough for PPP: start LCP (server: Ack sent; client: Ack received).
	void (*ppp_up)(void *user);
	// A PPP frame for the PPP layer (without the SSTP header). Not called for data the state
	// forbids.
	void (*ppp_frame)(void *user, const uint8_t *frame, size_t len);
	// Data frames may pass from now on: server: Call Connected verified; client: Call Connected
	// sent.
	void (*call_connected)(void *user);
	// The call is over and, if flush, everything queued goes out before the transport is
	// closed; else it is dropped as it is. status: the ATTRIB_STATUS_* sent or received, if
	// any. Last callback: the object sees no more events and may be freed in it.
	void (*closed)(void *user, enum sstp_end why, uint32_t status, bool flush);
};

struct sstp_params {
	uint8_t hash_mask; // server: offered CERT_HASH_PROTOCOL_* bits (default both); client:
			   // accepted
	uint8_t nonce[SSTP_NONCE_LEN]; // server: fresh and random, per call
	uint8_t cert_sha1[20]; // of the DER of the server's leaf certificate, as this call's TLS
			       // used it
	uint8_t cert_sha256[32];
	uint32_t
		negotiation_ms; // 60000 by default, each for Connect Request and for Call Connected
	uint32_t abort_1_ms, abort_2_ms;           // 3000, 1000
	uint32_t disconnect_1_ms, disconnect_2_ms; // 5000, 1000
};

struct sstp_call {
	const struct sstp_ops *ops;
	void *user;
	struct sstp_params p;
	enum sstp_state state; // written by sstp_fsm_step() alone
	enum sstp_end end;
	uint32_t end_status;
	uint16_t message;     // type of the control message received last
	uint16_t end_message; // with PROTOCOL_ERROR and MALFORMED: the one that ended the call
	bool server;
	bool have_hlak;      // server: the compound MAC can be checked
	bool connected_held; // server: Call Connected came before the HLAK (old sstpc): kept in
			     // held[]
	uint8_t nb_naks;
	uint8_t peer_hash; // client: hash mask that the server offered
	uint8_t hlak[SSTP_HLAK_LEN];
	uint8_t held[SSTP_CALL_CONNECTED_LEN];
};

// Fill in the defaults of the specification (timers, both hashes); the caller sets nonce and
// certificate hashes.
void sstp_params_default(struct sstp_params *p);

// Server: the HTTP exchange is done; wait for Call Connect Request and start the negotiation timer.
void sstp_server_start(
	struct sstp_call *c, const struct sstp_ops *ops, void *user, const struct sstp_params *p);

// Client: the HTTP exchange is done; send Call Connect Request. p->nonce is not used.
void sstp_client_start(
	struct sstp_call *c, const struct sstp_ops *ops, void *user, const struct sstp_params *p);

// One received packet, whole, as delineated by sstp_peek() (len as its header says).
void sstp_input(struct sstp_call *c, const uint8_t *pkt, size_t len);

// The stream cannot be delineated: drop without a message. [MS-SSTP] 3.1.5.1
void sstp_undelineable(struct sstp_call *c);

// A timer expired.
void sstp_timeout(struct sstp_call *c, enum sstp_timer t);

// Nothing was received for `intervals` keepalive intervals in a row. 1: sends Echo Request; 2 or
// more: ends the call without Call Abort. [MS-SSTP] 3.1.2 (Hello timer; it runs with whoever sees
// data packets).
void sstp_hello_expired(struct sstp_call *c, unsigned int intervals);

// PPP authentication succeeded on this side. hlak: the Higher-Layer Authentication Key (all zero
// for methods that make no keys, [MS-SSTP] 3.2.5.2.1). Server: a held Call Connected is now
// checked, else the timer runs for it. Client: Call Connected is sent. May be called from PPP's
// callbacks. Copies hlak; wiped at the end of the call.
void sstp_authenticated(struct sstp_call *c, const uint8_t hlak[SSTP_HLAK_LEN]);

// The server starts the negotiation timer for Call Connected anew, so that authentication may take
// its time (a second factor): called when an authentication that was pending elsewhere got its
// answer.
void sstp_restart_negotiation(struct sstp_call *c);

// Send a PPP frame as one SSTP data packet (header put in front of a copy).
// len: 1..SSTP_MAX_PPP_FRAME. Returns 0, or -ENOTCONN when the state does not allow PPP frames, or
// -EMSGSIZE.
int sstp_send_ppp(struct sstp_call *c, const uint8_t *frame, size_t len);

// End the call from this side: Call Disconnect and its timers; from states before the Ack, Call
// Abort.
void sstp_disconnect(struct sstp_call *c);

// End the call from this side with Call Abort and a Status Info (attrib, status).
void sstp_abort(struct sstp_call *c, enum sstp_end why, uint8_t attrib, uint32_t status);

// The transport is gone: forget everything, no callback. Wipes secrets. Also for a call that was
// never closed.
void sstp_free(struct sstp_call *c);
