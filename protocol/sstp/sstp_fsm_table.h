// SPDX-License-Identifier: BSD-3-Clause
// Events, actions and tables of the SSTP call state machines. Internal to protocol/sstp and its
// tests.
#pragma once

#include "protocol/sstp/sstp_ctrl.h"
#include "protocol/sstp/sstp_fsm.h"

// Received messages are events after decoding and checking: _PLUS acceptable, _MINUS not.
#define SSTP_EVENT_LIST(X)                                                             \
	X(UP) /* the HTTP exchange is done */                                          \
	X(RCV_CONNECT_REQUEST_PLUS)                                                    \
	X(RCV_CONNECT_REQUEST_MINUS)                                                   \
	X(RCV_CONNECT_REQUEST_LAST) /* bad, and SSTP_MAX_NAKS were sent */             \
	X(RCV_CONNECT_ACK_PLUS)                                                        \
	X(RCV_CONNECT_ACK_MINUS)                                                       \
	X(RCV_CONNECT_NAK)                                                             \
	X(RCV_CONNECT_NAK_LAST)     /* the request was repeated often enough */        \
	X(RCV_CALL_CONNECTED_PLUS)  /* verified */                                     \
	X(RCV_CALL_CONNECTED_EARLY) /* right as far as can be told without the HLAK */ \
	X(RCV_CALL_CONNECTED_MINUS)                                                    \
	X(RCV_CALL_ABORT)                                                              \
	X(RCV_CALL_DISCONNECT)                                                         \
	X(RCV_CALL_DISCONNECT_ACK)                                                     \
	X(RCV_ECHO_REQUEST)                                                            \
	X(RCV_ECHO_RESPONSE)                                                           \
	X(RCV_INVALID) /* unknown message, or one that is not well formed */           \
	X(RCV_PPP_CONTROL)                                                             \
	X(RCV_PPP_DATA)                                                                \
	X(UNDELINEABLE)                                                                \
	X(AUTHENTICATED)                                                               \
	X(RESTART_NEGOTIATION)                                                         \
	X(HELLO_1) /* nothing received in one keepalive interval */                    \
	X(HELLO_2) /* nor in the next */                                               \
	X(TO_NEGOTIATION)                                                              \
	X(TO_CLOSE)   /* the abort or disconnect timer that runs */                    \
	X(DISCONNECT) /* asked for by this side */                                     \
	X(ABORT)      /* asked for by this side */                                     \
	X(SENT)       /* the message of an IN_PROGRESS state went out */               \
	X(DOWN)       /* the transport is gone */

#define X(name) SSTP_EV_##name,
enum sstp_event { SSTP_EVENT_LIST(X) SSTP_N_EVENTS };
#undef X

// ILLEGAL is what an empty cell means: a message that its state does not allow, answered with Call
// Abort and UNACCEPTED_FRAME_RECEIVED, next state CALL_ABORT_IN_PROGRESS_1.
#define SSTP_ACTION_LIST(X)                                                         \
	X(ILLEGAL)                                                                  \
	X(IGNORE)                                                                   \
	X(AWAIT_REQUEST) /* start the negotiation timer */                          \
	X(SEND_REQUEST)  /* and start the negotiation timer */                      \
	X(SEND_ACK)      /* and restart the negotiation timer; PPP is up */         \
	X(SEND_NAK)                                                                 \
	X(ACCEPT_ACK) /* restart the negotiation timer; PPP is up */                \
	X(RESTART_NEGOTIATION)                                                      \
	X(KEEP_HLAK)      /* and check a held Call Connected */                     \
	X(HOLD)           /* keep Call Connected until the HLAK is there */         \
	X(CONNECT)        /* stop the negotiation timer; data may pass */           \
	X(SEND_CONNECTED) /* Call Connected, then as CONNECT */                     \
	X(DELIVER)        /* the frame goes to PPP */                               \
	X(SEND_ECHO_REQUEST)                                                        \
	X(SEND_ECHO_RESPONSE)                                                       \
	X(SEND_ABORT)            /* and start TIMER_VAL_ABORT_STATE_TIMER_1 */      \
	X(ANSWER_ABORT)          /* and start TIMER_VAL_ABORT_STATE_TIMER_2 */      \
	X(ABORT_ANSWERED)        /* TIMER_1 stops, TIMER_2 starts */                \
	X(SEND_DISCONNECT)       /* and start TIMER_VAL_DISCONNECT_STATE_TIMER_1 */ \
	X(ANSWER_DISCONNECT)     /* and start TIMER_VAL_DISCONNECT_STATE_TIMER_2 */ \
	X(REPEAT_DISCONNECT_ACK) /* the timer that runs goes on */                  \
	X(CLOSE)                 /* over; what is queued goes out first */          \
	X(DROP)                  /* over at once */                                 \
	X(FORGET)                /* over, and nobody is told */

#define X(name) SSTP_ACT_##name,
enum sstp_action { SSTP_ACTION_LIST(X) SSTP_N_ACTIONS };
#undef X

struct sstp_fsm_row {
	uint8_t action; // enum sstp_action
	uint8_t next;   // enum sstp_state
};

extern const struct sstp_fsm_row sstp_server_table[SSTP_N_STATES][SSTP_N_EVENTS];
extern const struct sstp_fsm_row sstp_client_table[SSTP_N_STATES][SSTP_N_EVENTS];

// What an event brings along; only the fields that its actions use are set.
struct sstp_event_arg {
	const uint8_t *pkt; // the packet, PPP frame, Call Connected or NAK (borrowed)
	size_t len;
	const uint8_t *hlak;
	struct sstp_fault fault; // the Status Info to send, or the one received
	enum sstp_end why;
	uint32_t end_status; // of the end, where it is not the one to send
};

// Take one event: the only writer of c->state. Runs the cell's action after the change of state.
void sstp_fsm_step(struct sstp_call *c, enum sstp_event ev, const struct sstp_event_arg *arg);

// The checks of 3.3.5.2.3 on a Call Connected packet, exactly as received (len bytes): reserved
// bits and padding may be anything. Without the HLAK (c->have_hlak) the MAC is not looked at.
// Returns whether all is right; else *fault is what Call Abort has to say.
bool sstp_connected_check(
	const struct sstp_call *c, const uint8_t *pkt, size_t len, struct sstp_fault *fault);

// The certificate's hash by CERT_HASH_PROTOCOL_SHA1 or _SHA256, *len bytes of c.
const uint8_t *sstp_cert_hash(const struct sstp_call *c, uint8_t hash, size_t *len);

const char *sstp_event_name(enum sstp_event ev);
