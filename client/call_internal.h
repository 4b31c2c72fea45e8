// SPDX-License-Identifier: BSD-3-Clause
// What the parts of a call share. Not for other files.
#pragma once

#include "client/call.h"

extern const struct sstp_ops call_sstp_ops;
extern const struct ppp_ops call_ppp_ops;

void call_timer_set(struct call *c, unsigned int t, uint32_t ms);
void call_timer_clear(struct call *c, unsigned int t);

// Remember why; the first reason is the one that counts.
void call_note_end(struct call *c, enum call_end why, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void call_note_ppp_end(struct call *c, enum ppp_end why, const char *message);
void call_note_sstp_end(struct call *c, enum sstp_end why, uint32_t status);
// fault: a status of HTTP, or enum sstp_http_fault.
void call_note_http_end(struct call *c, int fault);
// Up to where the call had come, as a clause.
const char *call_where(const struct call *c);

// Whether the call is only waiting to end.
bool call_ending(const struct call *c);
// It is from now on, and not for ever.
void call_start_closing(struct call *c);
// Over: what is to be sent is in the output, nothing else will happen.
void call_finish(struct call *c);

// Room for n bytes of an SSTP packet in the record being filled.
uint8_t *call_tx_reserve(struct call *c, size_t n);

void call_ppp_timeout(struct call *c, enum ppp_timer t);

// PPP's protocol number of an IP packet.
static inline uint16_t call_ip_protocol(const uint8_t *ip)
{
	return ip[0] >> 4 == 6 ? PPP_PROTO_IPV6 : PPP_PROTO_IPV4;
}

// --- data (call_data.c) ---

// Whether packets of PPP_PROTO_IPV4 or _IPV6 pass now.
bool call_passes(const struct call *c, uint16_t proto);
// A data packet's frame. False: it is PPP's.
bool call_data_input(struct call *c, const uint8_t *frame, size_t len);
// A packet of a network protocol that came in a frame, header off. False: none of those passed on.
bool call_data_frame(struct call *c, uint16_t proto, const uint8_t *p, size_t n);

// What packets were given out of is used for something else from now on.
void call_packets_end(struct call *c);

// --- multilink (call_mp.c) ---

// LCP is open: what was agreed, from the beginning.
void call_mp_start(struct call *c);
void call_mp_free(struct call *c);
// The longest packet that call_send_ip() takes.
uint16_t call_mtu(const struct call *c);
// A fragment: what follows its protocol field.
void call_mp_input(struct call *c, const uint8_t *p, size_t n);
// A packet above the MTU, at most call_mtu().
void call_mp_send(struct call *c, const uint8_t *ip, size_t len);
