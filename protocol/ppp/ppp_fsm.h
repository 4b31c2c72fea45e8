// SPDX-License-Identifier: BSD-3-Clause
// The option negotiation automaton of RFC 1661, section 4, and the packets of section 5 that LCP
// and every NCP share. Private to protocol/ppp (and its tests).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cursor.h"
#include "protocol/ppp/ppp.h"

// RFC 1661 4.3, in the order of the table in 4.1.
// clang-format off
#define PPP_EVENT_LIST(X)                                                     \
	X(UP) X(DOWN) X(OPEN) X(CLOSE) X(TO_PLUS) X(TO_MINUS)                 \
	X(RCR_PLUS) X(RCR_MINUS) X(RCA) X(RCN) X(RTR) X(RTA)                  \
	X(RUC) X(RXJ_PLUS) X(RXJ_MINUS) X(RXR)
// clang-format on
#define X(name) PPP_EVENT_##name,
enum ppp_event { PPP_EVENT_LIST(X) PPP_N_EVENTS };
#undef X

enum ppp_code { // RFC 1661 5; 12 and 13: RFC 1570
	PPP_CODE_CONFIGURE_REQUEST = 1,
	PPP_CODE_CONFIGURE_ACK,
	PPP_CODE_CONFIGURE_NAK,
	PPP_CODE_CONFIGURE_REJECT,
	PPP_CODE_TERMINATE_REQUEST,
	PPP_CODE_TERMINATE_ACK,
	PPP_CODE_CODE_REJECT,
	PPP_CODE_PROTOCOL_REJECT,
	PPP_CODE_ECHO_REQUEST,
	PPP_CODE_ECHO_REPLY,
	PPP_CODE_DISCARD_REQUEST,
	PPP_CODE_IDENTIFICATION,
	PPP_CODE_TIME_REMAINING,
};

// SSTP's 12-bit length leaves 4091 bytes for a frame; FF 03 and the protocol field take 4.
#define PPP_FRAME_MAX 4091
#define PPP_HEADER_LEN 4
#define PPP_INFO_MAX (PPP_FRAME_MAX - PPP_HEADER_LEN)
#define PPP_DEFAULT_MRU 1500
#define PPP_MIN_MRU 128
#define PPP_MIN_MRRU 512
#define PPP_MAX_MRRU 65531 // with FF 03 and the protocol in front 16 bits say its length

// One control packet being built: FF 03, protocol, code, identifier, length, data.
struct ppp_packet {
	struct writer w;
	uint8_t buf[PPP_FRAME_MAX];
};

// Start a packet whose code, identifier, length and data may take max_info bytes (at most
// PPP_INFO_MAX).
void ppp_packet_begin(
	struct ppp_packet *p, size_t max_info, uint16_t proto, uint8_t code, uint8_t id);
// Append data, cut at the room there is.
void ppp_packet_append(struct ppp_packet *p, const void *data, size_t n);
// Fill in the length and send it.
void ppp_packet_send(struct ppp_link *l, struct ppp_packet *p);

// The answer to a Configure-Request, as it grows: an Ack becomes a Nak and that a Reject; what
// belonged to the weaker answer is dropped (RFC 1661 5.3, 5.4).
struct ppp_reply {
	struct ppp_packet pkt;
	uint8_t code; // PPP_CODE_CONFIGURE_*
	bool may_nak; // false: Max-Failure is reached, Naks turn into Rejects
	bool full;    // something did not fit: not an Ack
};

struct ppp_option { // borrows the packet's bytes
	uint8_t type;
	uint8_t len; // of the value
	const uint8_t *value;
};

// The next option, or -EBADMSG for a bad length. Call while cur_left() is not 0.
int ppp_option_next(struct cursor *c, struct ppp_option *o);

void ppp_reply_ack(struct ppp_reply *r, const struct ppp_option *o);
// Ask for value (as long as the option's own) instead.
void ppp_reply_nak(struct ppp_reply *r, const struct ppp_option *o, const void *value, uint8_t len);
void ppp_reply_reject(struct ppp_reply *r, const struct ppp_option *o);

// What LCP and IPCP bring to the automaton.
struct ppp_cp {
	uint16_t proto;
	enum ppp_timer timer;
	size_t fsm_offset; // of the struct ppp_fsm in struct ppp_link
	uint8_t max_code;  // codes above are unknown
	enum ppp_end failed;
	enum ppp_end rejected; // the peer does not know it, or one of its vital codes
	// Write the options of a Configure-Request as they are wanted now: the same bytes until the
	// next nak() or reject().
	void (*write_request)(const struct ppp_link *l, struct writer *w);
	// Judge the peer's option; called for each.
	void (*check_option)(struct ppp_link *l, const struct ppp_option *o, struct ppp_reply *r);
	// The request as a whole is acceptable: options holds what was agreed.
	void (*commit)(struct ppp_link *l, struct cursor options);
	// The peer's Nak or Reject of one of our options.
	void (*nak)(struct ppp_link *l, const struct ppp_option *o);
	void (*reject)(struct ppp_link *l, const struct ppp_option *o);
	// Codes 8 and up.
	void (*extra)(struct ppp_link *l, uint8_t code, uint8_t id, struct cursor data);
	// The peer does not know a code; true: it can be lived without (RXJ+).
	bool (*code_rejected)(struct ppp_link *l, uint8_t code);
	// The layer actions of RFC 1661 4.4.
	void (*this_layer_up)(struct ppp_link *l);
	void (*this_layer_down)(struct ppp_link *l);
	void (*this_layer_started)(struct ppp_link *l);
	void (*this_layer_finished)(struct ppp_link *l);
};

// What an event came with.
struct ppp_event_arg {
	uint8_t id;               // identifier of the received packet: for sta
	struct ppp_packet *reply; // what sca, scn, scj and ser send; NULL: nothing
};

static inline struct ppp_fsm *ppp_cp_fsm(struct ppp_link *l, const struct ppp_cp *cp)
{
	return (struct ppp_fsm *)((char *)l + cp->fsm_offset);
}

// One event: the next state and then the actions of RFC 1661 4.1. The only writer of `state`. arg
// may be NULL for events that no packet caused.
void ppp_fsm_step(struct ppp_link *l, const struct ppp_cp *cp, enum ppp_event ev,
	const struct ppp_event_arg *arg);

// One received packet of cp's protocol, header already gone. Malformed ones are dropped.
void ppp_fsm_input(struct ppp_link *l, const struct ppp_cp *cp, struct cursor c);

// The restart timer expired.
void ppp_fsm_timeout(struct ppp_link *l, const struct ppp_cp *cp);

const char *ppp_fsm_state_name(enum ppp_fsm_state s);
const char *ppp_event_name(enum ppp_event e);
