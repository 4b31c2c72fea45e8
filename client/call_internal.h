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

// Whether the call is only waiting to end.
bool call_ending(const struct call *c);
// It is from now on, and not for ever.
void call_start_closing(struct call *c);
// Over: what is to be sent is in the output, nothing else will happen.
void call_finish(struct call *c);

// Room for n bytes of an SSTP packet in the record being filled.
uint8_t *call_tx_reserve(struct call *c, size_t n);
