// SPDX-License-Identifier: BSD-3-Clause
// Congestion control from a model of the path, in the manner of draft-ietf-ccwg-bbr: the highest
// rate at which the path delivers, and its shortest round trip. What is in flight follows from the
// two, so that the queue at the bottleneck stays short however deep it is, and a loss now and then
// does not count. Differences to the draft are said where they are.
#include <rte_common.h>

#include "dataplane/tcp_rate.h"

#define US_PER_SEC 1000000ull
#define NS_PER_SEC 1000000000ull

// Gains in 1/256.
#define UNIT 256u
#define GAIN_STARTUP 709u // 4 ln 2
#define GAIN_DRAIN 90u
#define GAIN_DOWN 230u
#define GAIN_UP 320u
#define GAIN_CWND 512u
// The draft keeps 2 while cruising, too. Half of it bounds what a rate that was taken for too high
// can build up; noise in the ACKs has extra_acked.
#define GAIN_CWND_CRUISE 384u
#define PACE_MARGIN 253u // 1 % less than the path can do
#define HEADROOM 218u    // of inflight_hi while not probing
#define BETA 179u        // 0.7

#define FULL_ROUNDS 3
#define PROBE_WAIT_MIN_US 2000000u
#define PROBE_WAIT_SPREAD_US 1000000u
#define FIRST_WAIT_US 500000u
#define PROBE_ROUNDS_MAX 63u
#define UP_ROUNDS_MAX 16u
#define MIN_RTT_WINDOW_US (10 * US_PER_SEC)
#define PROBE_RTT_US 200000u
// Alone, or among its like, this sender's window makes the round trip at most 1.5 times as long.
// One that stays beyond 1.75 for a second has another's queue in it, as CUBIC keeps it, or the path
// is another: to keep to the old round trip would leave a part of the path that gets smaller and
// smaller.
#define OTHERS_RTT 448u
#define OTHERS_US 1000000u
#define MIN_WINDOW_SEGS 4u
// A round's loss counts as congestion beyond 2 %, and these segments: in a window of some dozens,
// two or three losses are chance.
#define LOSS_SHARE 50u
#define LOSS_SEGS 3u
// Hosts answer in bursts: a window that covers less than this would wait for the peer's scheduler.
// Below the second one the timers are too coarse for a pace; the window alone has to do.
#define RTT_FLOOR_US 5000u
#define PACE_MIN_RTT_US 1000u
#define EXTRA_MAX_US 50000u // of aggregation
#define EXTRA_ROUNDS 10u

enum bbr_state {
	STARTUP,
	DRAIN,
	PROBE_DOWN,
	PROBE_CRUISE,
	PROBE_REFILL,
	PROBE_UP,
	PROBE_RTT,
};

struct bbr {
	struct tcp_rate rate;
	uint64_t bw[2];    // highest rate of the last and of this cycle, bytes/s
	uint64_t bw_lo;    // bound after loss, until the next probe
	uint64_t bw_full;  // what STARTUP and UP have reached
	uint64_t bw_up;    // highest when UP began
	uint64_t bw_round; // highest of this round
	uint64_t phase_us; // when this state began
	uint64_t min_rtt_at_us;
	uint64_t near_us;  // when a round trip was last near the shortest
	uint64_t extra_us; // epoch of the aggregation estimate
	uint32_t extra_delivered, extra[2];
	uint32_t min_rtt_us, probe_rtt_us;
	uint32_t target;         // window that is grown to
	uint32_t inflight_hi;    // bound that loss while probing has shown
	uint32_t inflight_lo;    // bound after loss, until the next probe
	uint32_t inflight_round; // most delivered in a round trip, of this round
	uint32_t inflight_last;  // and of the last
	uint32_t round_end;      // delivered when this round began
	uint32_t round_lost;
	uint32_t rounds, phase_rounds;
	uint32_t first_window;
	uint32_t wait_us; // from DOWN to REFILL
	uint32_t seed;
	uint8_t state; // enum bbr_state
	uint8_t full_rounds;
	bool full, loss_seen, bw_real, idle, held_back;
} __rte_cache_aligned;

static struct bbr *bbr(struct tcp_cc_flow *f)
{
	return f->priv.p;
}

// ---- the model

static uint64_t max_bw(const struct bbr *b)
{
	return RTE_MAX(b->bw[0], b->bw[1]);
}

static uint64_t bw(const struct bbr *b)
{
	return RTE_MIN(max_bw(b), b->bw_lo);
}

static uint32_t scaled(uint64_t v, uint32_t gain)
{
	return (uint32_t)RTE_MIN(v * gain / UNIT, 1ull << 30);
}

static uint32_t bdp(const struct bbr *b, uint32_t gain)
{
	uint32_t rtt = RTE_MAX(b->min_rtt_us, RTT_FLOOR_US);

	return scaled(bw(b) * rtt / US_PER_SEC, gain);
}

// Had too little in flight to show what the path can do, for want of something to send or because
// a timeout began the window anew. Not so when more is in flight than the path holds: what is
// beyond that stands in its queue.
//
// The draft takes samples after a timeout for what they are: its filter has the highest of two
// whole probes, which they do not touch. Here a cycle without a good sample does not count
// (enter_down()), and Linux starts the search for the full rate over at a timeout
// (tcp_bbr.c, TCP_CA_Loss), to which check_full()'s standing still comes.
static bool poor_sample(const struct bbr *b, const struct tcp_cc_sample *s)
{
	return (s->app_limited || s->held_back) && s->in_flight < bdp(b, GAIN_UP);
}

static uint32_t min_window(const struct tcp_cc_flow *f)
{
	return MIN_WINDOW_SEGS * f->mss;
}

static void update_min_rtt(struct bbr *b, const struct tcp_cc_sample *s)
{
	bool expired = s->now_us - b->min_rtt_at_us > MIN_RTT_WINDOW_US;

	b->probe_rtt_us = RTE_MIN(b->probe_rtt_us, s->rtt_us);
	// A sample that comes near says that the path is as it was: then it need not be emptied to
	// find out.
	if (s->rtt_us <= b->min_rtt_us + b->min_rtt_us / 16 ||
		(expired && (s->app_limited || s->held_back))) {
		b->min_rtt_at_us = s->now_us;
		if (s->rtt_us < b->min_rtt_us || expired)
			b->min_rtt_us = s->rtt_us;
	}
}

// 4.5.5: what arrived beyond the rate since the epoch began comes in bursts.
static void update_extra(struct tcp_cc_flow *f, struct bbr *b, const struct tcp_cc_sample *s)
{
	uint64_t expected = bw(b) * (s->now_us - b->extra_us) / US_PER_SEC, most;
	uint32_t got = s->delivered - b->extra_delivered, extra;

	if (got <= expected) {
		b->extra_us = s->now_us;
		b->extra_delivered = s->delivered;
		return;
	}
	most = bw(b) * EXTRA_MAX_US / US_PER_SEC;
	extra = (uint32_t)RTE_MIN(RTE_MIN(got - expected, most), (uint64_t)f->cwnd);
	b->extra[1] = RTE_MAX(b->extra[1], extra);
}

static void update_bw(struct bbr *b, const struct tcp_cc_sample *s)
{
	uint32_t got = s->delivered - s->prior_delivered;
	uint64_t rate;

	if (!s->interval_us)
		return;
	rate = (uint64_t)got * US_PER_SEC / s->interval_us;
	b->bw_round = RTE_MAX(b->bw_round, rate);
	b->inflight_round = RTE_MAX(b->inflight_round, got);
	if (!poor_sample(b, s) || rate > max_bw(b))
		b->bw[1] = RTE_MAX(b->bw[1], rate);
	b->bw_real |= !poor_sample(b, s);
}

// ---- states

static void enter(struct bbr *b, enum bbr_state state, uint64_t now_us)
{
	b->state = (uint8_t)state;
	b->phase_us = now_us;
	b->phase_rounds = 0;
}

// 4.3.3.1. A number of its own for every flow keeps flows from probing at the same time.
static void enter_down(struct bbr *b, uint64_t now_us)
{
	b->seed = b->seed * 1664525u + 1013904223u;
	b->wait_us = PROBE_WAIT_MIN_US + (b->seed >> 12) % PROBE_WAIT_SPREAD_US;
	// Who had little to send did not see what the path can do.
	if (b->bw_real) {
		b->bw[0] = b->bw[1];
		b->bw[1] = 0;
		b->bw_real = false;
	}
	enter(b, PROBE_DOWN, now_us);
}

static void enter_refill(struct bbr *b, uint64_t now_us)
{
	b->bw_lo = UINT64_MAX;
	b->inflight_lo = UINT32_MAX;
	enter(b, PROBE_REFILL, now_us);
}

// More and more went through until the application had nothing left to send, or for very long:
// where the path ends is not known any more, and what follows must not wait for the next probe.
static void enter_startup(struct bbr *b, uint64_t now_us)
{
	b->full = false;
	b->full_rounds = 0;
	b->bw_full = max_bw(b);
	enter(b, STARTUP, now_us);
}

static bool time_to_probe(const struct tcp_cc_flow *f, const struct bbr *b, uint64_t now_us)
{
	// As often as Reno would come to its last window again.
	uint32_t rounds = RTE_MIN(bdp(b, UNIT) / f->mss, PROBE_ROUNDS_MAX);

	return now_us - b->phase_us > b->wait_us || b->phase_rounds > RTE_MAX(rounds, 8u);
}

static void check_full(struct bbr *b, const struct tcp_cc_sample *s)
{
	if (b->full || b->idle || b->held_back)
		return;
	if (max_bw(b) * 4 >= b->bw_full * 5) {
		b->bw_full = max_bw(b);
		b->full_rounds = 0;
	} else {
		// With half as much again as the path holds there is a queue already: two rounds
		// do.
		b->full_rounds += s->in_flight > bdp(b, GAIN_CWND_CRUISE) ? 2 : 1;
		b->full = b->full_rounds >= FULL_ROUNDS;
	}
}

// UP lasts until the queue shows (a quarter of the product is in flight beyond it), and as long as
// the rate goes on growing with it.
static bool up_done(const struct bbr *b, const struct tcp_cc_sample *s, bool round)
{
	if (b->phase_rounds >= UP_ROUNDS_MAX || ((b->idle || b->held_back) && b->phase_rounds))
		return true;
	if (!round || !b->phase_rounds)
		return false;
	return s->in_flight >= bdp(b, GAIN_UP)
		       ? max_bw(b) * 8 < b->bw_full * 9
		       : b->phase_rounds > 2 && b->inflight_hi == UINT32_MAX;
}

static void step_up(struct tcp_cc_flow *f, struct bbr *b, const struct tcp_cc_sample *s, bool round)
{
	if (up_done(b, s, round)) {
		bool grew = max_bw(b) * 8 >= b->bw_up * 9;

		if (grew && (b->idle || b->phase_rounds >= UP_ROUNDS_MAX))
			enter_startup(b, s->now_us);
		else
			enter_down(b, s->now_us);
		return;
	}
	if (!round)
		return;
	b->bw_full = max_bw(b);
	// 4.3.3.6: room beyond the bound is explored slowly at first, then faster.
	if (b->inflight_hi != UINT32_MAX && s->in_flight + 2 * f->mss >= b->inflight_hi)
		b->inflight_hi += f->mss << RTE_MIN(b->phase_rounds, 10u);
}

static void step_probe_rtt(
	struct tcp_cc_flow *f, struct bbr *b, const struct tcp_cc_sample *s, bool round)
{
	// Everything that was sent before the window was narrowed has arrived after two rounds.
	if (b->phase_rounds < 2)
		b->probe_rtt_us = s->rtt_us;
	if (s->now_us - b->phase_us < PROBE_RTT_US || b->phase_rounds < 3)
		return;
	b->min_rtt_us = b->probe_rtt_us;
	b->min_rtt_at_us = s->now_us;
	if (b->full)
		enter_down(b, s->now_us);
	else
		enter(b, STARTUP, s->now_us);
}

static bool time_to_probe_rtt(struct bbr *b, const struct tcp_cc_sample *s)
{
	uint32_t far = scaled(RTE_MAX(b->min_rtt_us, RTT_FLOOR_US), OTHERS_RTT);

	if (b->state <= DRAIN || b->state == PROBE_RTT || s->rtt_us <= far)
		b->near_us = s->now_us;
	if (b->state == PROBE_RTT)
		return false;
	return s->now_us - b->min_rtt_at_us > MIN_RTT_WINDOW_US ||
	       s->now_us - b->near_us > OTHERS_US;
}

static void step(struct tcp_cc_flow *f, struct bbr *b, const struct tcp_cc_sample *s, bool round)
{
	if (time_to_probe_rtt(b, s)) {
		b->probe_rtt_us = s->rtt_us;
		enter(b, PROBE_RTT, s->now_us);
	}
	switch ((enum bbr_state)b->state) {
	case STARTUP:
		if (b->full)
			enter(b, DRAIN, s->now_us);
		break;
	case DRAIN:
		if (s->in_flight > bdp(b, UNIT) && b->phase_rounds <= FULL_ROUNDS)
			break;
		enter_down(b, s->now_us);
		// An application that had pauses may have ended STARTUP early.
		b->wait_us = FIRST_WAIT_US;
		break;
	case PROBE_DOWN:
		if (time_to_probe(f, b, s->now_us))
			enter_refill(b, s->now_us);
		else if (s->in_flight <= bdp(b, UNIT))
			b->state = PROBE_CRUISE; // the phase goes on
		break;
	case PROBE_CRUISE:
		if (time_to_probe(f, b, s->now_us))
			enter_refill(b, s->now_us);
		break;
	case PROBE_REFILL:
		if (b->phase_rounds) {
			b->bw_full = b->bw_up = max_bw(b);
			enter(b, PROBE_UP, s->now_us);
		}
		break;
	case PROBE_UP:
		step_up(f, b, s, round);
		break;
	case PROBE_RTT:
		step_probe_rtt(f, b, s, round);
		break;
	}
}

// ---- loss

// 4.5.10. The draft judges while probing by each lost segment's own flight; here it is the round.
static void too_much_loss(struct tcp_cc_flow *f, struct bbr *b, uint64_t now_us)
{
	uint32_t held = RTE_MAX(b->inflight_last, b->inflight_round);

	switch ((enum bbr_state)b->state) {
	case STARTUP:
		b->full = true;
		b->inflight_hi = RTE_MAX(bdp(b, UNIT), held);
		break;
	case PROBE_REFILL:
	case PROBE_UP:
		b->inflight_hi = RTE_MAX(held, scaled(RTE_MIN(f->cwnd, bdp(b, UNIT)), BETA));
		enter_down(b, now_us);
		break;
	case PROBE_DOWN:
	case PROBE_CRUISE:
		b->bw_lo = RTE_MAX(b->bw_round, bw(b) * BETA / UNIT);
		b->inflight_lo = RTE_MAX(held, scaled(RTE_MIN(f->cwnd, b->inflight_lo), BETA));
		break;
	case DRAIN:
	case PROBE_RTT:
		break;
	}
}

static void check_loss(struct tcp_cc_flow *f, struct bbr *b, const struct tcp_cc_sample *s)
{
	uint32_t lost = s->lost - b->round_lost;

	if (b->loss_seen || lost <= f->cwnd / LOSS_SHARE + LOSS_SEGS * f->mss)
		return;
	b->loss_seen = true;
	too_much_loss(f, b, s->now_us);
}

static void begin_round(struct bbr *b, const struct tcp_cc_sample *s)
{
	b->round_end = s->delivered;
	b->round_lost = s->lost;
	b->loss_seen = false;
	b->phase_rounds++;
	b->inflight_last = b->inflight_round;
	b->inflight_round = 0;
	b->bw_round = 0;
	if (++b->rounds % EXTRA_ROUNDS == 0) {
		b->extra[0] = b->extra[1];
		b->extra[1] = 0;
	}
}

// ---- what follows from it

static uint32_t pacing_gain(const struct bbr *b)
{
	switch ((enum bbr_state)b->state) {
	case STARTUP:
		return GAIN_STARTUP;
	case DRAIN:
		return GAIN_DRAIN;
	case PROBE_DOWN:
		return GAIN_DOWN;
	case PROBE_UP:
		return GAIN_UP;
	default:
		return UNIT;
	}
}

static void set_pace(struct tcp_cc_flow *f, const struct bbr *b)
{
	uint64_t rate = bw(b) * pacing_gain(b) / UNIT * PACE_MARGIN / UNIT, pace;

	// Until the path is known the window leads: an application that sends in bursts, such as a
	// TCP inside in its slow start, would be held back by what little it sent before.
	if (!b->full && b->idle)
		rate = RTE_MAX(
			rate, f->cwnd * US_PER_SEC / RTE_MAX(b->min_rtt_us, 1u) * GAIN_UP / UNIT);
	if (b->min_rtt_us < PACE_MIN_RTT_US || !rate) {
		f->pace = 0;
		return;
	}
	pace = RTE_MIN((NS_PER_SEC << TCP_PACE_SHIFT) / rate, (uint64_t)UINT32_MAX);
	// Until the rate is known the pace only gets faster: what was sent so far may just have
	// been little.
	if (b->full || !f->pace || pace < f->pace)
		f->pace = (uint32_t)RTE_MAX(pace, 1ull);
}

static void set_target(struct tcp_cc_flow *f, struct bbr *b)
{
	bool cruise = b->state == PROBE_CRUISE || b->state == PROBE_DOWN;
	uint32_t burst = 2 * f->mss + (uint32_t)RTE_MIN(bw(b) / 1000, 65536ull);
	uint64_t w = bdp(b, cruise                ? GAIN_CWND_CRUISE
			    : b->full || !b->idle ? GAIN_CWND
						  : GAIN_STARTUP);

	if (!b->full)
		w = RTE_MAX(w, b->first_window);
	w += burst + RTE_MAX(b->extra[0], b->extra[1]);
	if (b->inflight_hi != UINT32_MAX)
		w = RTE_MIN(w, cruise ? scaled(b->inflight_hi, HEADROOM) : b->inflight_hi);
	w = RTE_MIN(w, b->inflight_lo);
	if (b->state == PROBE_RTT)
		w = RTE_MIN(w, bdp(b, UNIT / 2));
	b->target = (uint32_t)RTE_MIN(RTE_MAX(w, min_window(f)), 1ull << 30);
	if (b->full || b->state == PROBE_RTT)
		f->cwnd = RTE_MIN(f->cwnd, b->target);
}

static void bbr_sample(struct tcp_cc_flow *f, const struct tcp_cc_sample *s)
{
	struct bbr *b = bbr(f);
	bool round;

	if (!b->rounds) {
		begin_round(b, s);
		b->extra_delivered = s->delivered;
	}
	round = (int32_t)(s->prior_delivered - b->round_end) >= 0;
	update_min_rtt(b, s);
	update_bw(b, s);
	if (!max_bw(b))
		return;
	b->held_back = poor_sample(b, s) && s->held_back;
	b->idle = poor_sample(b, s) && !s->held_back;
	update_extra(f, b, s);
	check_loss(f, b, s);
	if (round) {
		check_full(b, s);
		begin_round(b, s);
	}
	step(f, b, s, round);
	set_pace(f, b);
	set_target(f, b);
}

static void bbr_acked(struct tcp_cc_flow *f, uint32_t acked, uint32_t srtt_us, uint64_t now_us)
{
	if (f->cwnd < bbr(f)->target)
		f->cwnd = RTE_MIN(f->cwnd + acked, bbr(f)->target);
}

static void bbr_loss(struct tcp_cc_flow *f, uint32_t in_flight, uint64_t now_us)
{
}

// The model is still good: the pace sees to it that no burst follows a pause (4.4.1).
static void bbr_restart(struct tcp_cc_flow *f, uint64_t now_us)
{
}

static void bbr_init(struct tcp_cc_flow *f, uint64_t now_us)
{
	struct bbr *b = bbr(f);

	b->state = STARTUP;
	b->bw_lo = UINT64_MAX;
	b->inflight_hi = b->inflight_lo = UINT32_MAX;
	b->min_rtt_us = b->probe_rtt_us = UINT32_MAX / 2;
	b->min_rtt_at_us = b->phase_us = b->near_us = b->extra_us = now_us;
	b->first_window = f->cwnd;
	b->target = 2 * f->cwnd;
	b->seed = (uint32_t)now_us ^ (uint32_t)((uintptr_t)b >> 6);
}

const struct tcp_cc tcp_cc_bbr = {
	.name = "bbr",
	.state_size = sizeof(struct bbr),
	.init = bbr_init,
	.acked = bbr_acked,
	.loss = bbr_loss,
	.restart = bbr_restart,
	.sample = bbr_sample,
};
