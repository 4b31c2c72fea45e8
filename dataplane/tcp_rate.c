// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/tcp_rate.h"

#define MARKS_PER_RTT 4
#define MARK_MIN_US 500u   // and not more often
#define BURST_NS 500000ull // what the pace lets go at a time: this long, at least two segments
#define BURST_SEGS 2
#define BEHIND_MAX_US 10000u // a late timer may catch up on so much, or an eighth of a round trip
#define NS 1000ull

// Bytes known to have arrived. Relative to the initial sequence number, which cancels out.
static uint32_t delivered_bytes(const struct tcp_conn *c)
{
	return c->snd_una + c->sacked_bytes;
}

// ---- rate

static void add_mark(struct tcp_conn *c, struct tcp_rate *r, uint64_t now_us)
{
	struct tcp_rate_mark *k = &r->mark[(r->first + r->n) % TCP_RATE_MARKS];

	// Without a mark under way it was not noted when what arrived last was sent: a round trip
	// ago, at the most.
	if (!r->n && (uint32_t)now_us - r->last_us > c->srtt_us)
		r->last_us = (uint32_t)now_us - c->srtt_us;
	*k = (struct tcp_rate_mark){
		.end_seq = c->snd_nxt,
		.delivered = delivered_bytes(c),
		.delivered_us = r->delivered_us,
		.sent_us = (uint32_t)now_us,
		.first_us = r->last_us,
		.app_limited = r->app_limited,
		.held_back = c->recovery == TCP_LOSS,
	};
	if (!r->n++)
		r->next_seq = k->end_seq;
	r->mark_us = (uint32_t)now_us;
}

void tcp_rate_sent(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_rate *r = tcp_rate(c);
	uint32_t gap;

	// Nothing was in flight: both clocks start here.
	if (c->progress_us == now_us && !r->n)
		r->last_us = r->delivered_us = (uint32_t)now_us;
	if (r->n == TCP_RATE_MARKS)
		return;
	gap = r->n ? c->srtt_us / MARKS_PER_RTT : 0;
	if ((uint32_t)now_us - r->mark_us < RTE_MAX(gap, MARK_MIN_US))
		return;
	add_mark(c, r, now_us);
}

// 4.1.2.4: nothing to send although there was room, and the owner has had its turn.
void tcp_rate_before_ack(struct tcp_conn *c)
{
	struct tcp_rate *r = tcp_rate(c);

	if (c->sq_next || c->flags & TF_ROOM_ASKED || c->events & TCP_EV_WRITABLE ||
		c->lost_bytes || tcp_in_flight(c) + 2u * c->mss > c->cc.cwnd)
		return;
	r->app_limited = true;
	r->app_limited_at = delivered_bytes(c) + tcp_in_flight(c);
}

static void take_sample(
	struct tcp_conn *c, struct tcp_rate *r, const struct tcp_rate_mark *k, uint64_t now_us)
{
	uint32_t now = (uint32_t)now_us;
	struct tcp_cc_sample s = {
		.now_us = now_us,
		.delivered = delivered_bytes(c),
		.prior_delivered = k->delivered,
		// 4.1.2.3: never faster than it was sent.
		.interval_us = RTE_MAX(k->sent_us - k->first_us, now - k->delivered_us),
		.rtt_us = RTE_MAX(now - k->sent_us, 1u),
		.lost = r->lost,
		.in_flight = tcp_in_flight(c),
		.app_limited = k->app_limited,
		.held_back = k->held_back,
	};

	if ((int32_t)(s.delivered - s.prior_delivered) <=
		0) // the peer took back what it had SACKed
		return;
	if (s.interval_us < c->min_rtt_us)
		s.interval_us = 0;
	c->s->cc->sample(&c->cc, &s);
}

void tcp_rate_acked(struct tcp_conn *c, uint32_t arrived, uint64_t now_us)
{
	struct tcp_rate *r = tcp_rate(c);
	struct tcp_rate_mark *k = NULL;

	while (r->n && seq_le(r->next_seq, c->fack)) {
		k = &r->mark[r->first];
		r->first = --r->n ? (r->first + 1) % TCP_RATE_MARKS : 0;
		if (r->n)
			r->next_seq = r->mark[r->first].end_seq;
	}
	if (r->app_limited && seq_lt(r->app_limited_at, delivered_bytes(c)))
		r->app_limited = false;
	if (arrived) {
		r->delivered_us = (uint32_t)now_us;
		c->s->cc->acked(&c->cc, arrived, c->srtt_us, now_us);
	}
	if (!k)
		return;
	r->last_us = k->sent_us;
	take_sample(c, r, k, now_us);
}

// ---- pacing

static uint64_t burst_ns(const struct tcp_conn *c)
{
	uint64_t two = (uint64_t)BURST_SEGS * c->mss * c->cc.pace >> TCP_PACE_SHIFT;

	return RTE_MAX(two, BURST_NS);
}

// The worker may have come late, even by some milliseconds where it shares its CPU: what the pace
// would have let go meanwhile is not lost.
static uint64_t caught_up_ns(const struct tcp_conn *c, uint64_t now_us)
{
	uint64_t behind = RTE_MIN(c->srtt_us / 8, BEHIND_MAX_US), at = tcp_rate(c)->pace_at_ns;

	return RTE_MAX(at, now_us > behind ? (now_us - behind) * NS : 0);
}

uint32_t tcp_pace_room(const struct tcp_conn *c, uint64_t now_us)
{
	uint64_t at_ns = caught_up_ns(c, now_us), ns = burst_ns(c) + now_us * NS;

	if (ns <= at_ns)
		return 0;
	return (uint32_t)RTE_MIN(((ns - at_ns) << TCP_PACE_SHIFT) / c->cc.pace, 1ull << 30);
}

void tcp_pace_sent(struct tcp_conn *c, uint32_t len, uint64_t now_us)
{
	tcp_rate(c)->pace_at_ns =
		caught_up_ns(c, now_us) + ((uint64_t)len * c->cc.pace >> TCP_PACE_SHIFT);
}

uint64_t tcp_pace_due_us(const struct tcp_conn *c)
{
	return (tcp_rate(c)->pace_at_ns + NS - 1) / NS;
}
