// SPDX-License-Identifier: BSD-3-Clause
// Delivery rate and pacing (draft-ietf-ccwg-bbr 4.1, 4.6.2) for algorithms that ask for it. Instead
// of notes in every segment a few marks are kept for each round trip, so that a segment's way costs
// nothing more. Included by the files of the TCP stack and by such algorithms.
#pragma once

#include "dataplane/tcp_int.h"

#define TCP_RATE_MARKS 8

struct tcp_rate_mark {         // times in microseconds, modulo 2^32
	uint32_t end_seq;      // arrived when the peer reports this
	uint32_t delivered;    // bytes that had arrived when it was sent
	uint32_t delivered_us; // when the last of those did
	uint32_t sent_us;
	uint32_t first_us;           // when the last piece known to have arrived was sent
	bool app_limited, held_back; // as in struct tcp_cc_sample
};

struct tcp_rate {
	uint64_t pace_at_ns; // what was sent has used the pace up to here
	uint32_t next_seq;   // end_seq of the oldest mark
	uint32_t lost;
	uint32_t app_limited_at; // delivered behind the last gap in the flow
	uint32_t delivered_us;   // when the last of what is known to have arrived did
	uint32_t last_us;        // when the newest piece known to have arrived was sent
	uint32_t mark_us;        // of the youngest mark
	uint8_t first, n;
	bool app_limited;
	struct tcp_rate_mark mark[TCP_RATE_MARKS]; // a ring
};

// Slow flows have one mark at a time, which is the first.
_Static_assert(offsetof(struct tcp_rate, mark[1]) <= RTE_CACHE_LINE_MIN_SIZE, "one cache line");

static inline struct tcp_rate *tcp_rate(const struct tcp_conn *c)
{
	return c->cc.priv.p;
}

// What an algorithm that samples the delivery rate keeps apart, as far as an ACK needs it: the
// first line, and what is behind the other marks.
static inline void tcp_prefetch_rate(const struct tcp_conn *c)
{
	const char *p = c->cc.priv.p;
	size_t at = RTE_ALIGN_FLOOR(sizeof(struct tcp_rate), (size_t)RTE_CACHE_LINE_MIN_SIZE);

	if (!(c->flags & TF_RATE))
		return;
	__builtin_prefetch(p, 1);
	for (; at < c->s->cc->state_size; at += RTE_CACHE_LINE_MIN_SIZE)
		__builtin_prefetch(p + at, 1);
}

// ---- rate

// Something was sent: perhaps set a mark.
void tcp_rate_sent(struct tcp_conn *c, uint64_t now_us);
// An ACK came, before it is looked at: did the sender have nothing to send?
void tcp_rate_before_ack(struct tcp_conn *c);
// An ACK was processed.
void tcp_rate_acked(struct tcp_conn *c, uint32_t arrived, uint64_t now_us);

// ---- pacing

// Bytes that may go now: some segments at a time, so that not each has a timer of its own.
uint32_t tcp_pace_room(const struct tcp_conn *c, uint64_t now_us);
// Account for what goes out.
void tcp_pace_sent(struct tcp_conn *c, uint32_t len, uint64_t now_us);
// When there is room again for as much as goes at a time.
uint64_t tcp_pace_due_us(const struct tcp_conn *c);
