// SPDX-License-Identifier: BSD-3-Clause
#include "client/flight.h"

#define RATE_WINDOW_MS 3000
#define LOSS_WINDOW_MS 1000 // a share of lost bytes is one of such a time
#define LOSS_SEGS 100u      // and of so many segments
#define LOSS_SHARE 300u
#define LOSS_WINDOWS 2u // in a row
#define CLEAN_SHARE 1000u
#define CLEAN_WINDOWS 10u
#define CLEAN_WINDOWS_MAX 640u
#define GROWS_MS 20
#define STANDS_US 2500u // and a quarter of the shortest round trip: more is a queue of our own
#define HOLDS_MIN_RTT_US 4000u // below, a bound that is looked at every millisecond is too coarse
#define QUEUE_US 5000u

void flight_init(struct flight *f, uint32_t unsent, bool own_pace, bool may_change)
{
	*f = (struct flight){
		.unsent = unsent,
		.holds = UINT32_MAX,
		.own_pace = own_pace,
		.may_change = may_change && !own_pace,
		.loss = {.clean_wanted = CLEAN_WINDOWS},
	};
}

void flight_is_bbr(struct flight *f)
{
	f->own_pace = f->changed = true;
	f->holds = UINT32_MAX;
}

static uint32_t unsent(const struct flight *f, const struct flight_sample *s)
{
	// BBR takes a sender that lets it run dry for one that has little to send. Behind a window
	// of some segments, as it has for moments, less has to wait.
	uint64_t some = s->rate / (f->own_pace ? 250 : 666), part = s->cwnd / 4;
	uint64_t n = some < part ? some : part;

	return n < FLIGHT_UNSENT_MIN   ? FLIGHT_UNSENT_MIN
	       : n > FLIGHT_UNSENT_MAX ? FLIGHT_UNSENT_MAX
				       : (uint32_t)n;
}

static uint64_t highest_rate(struct flight *f, uint64_t rate, uint64_t now_ms)
{
	uint64_t before = f->rate[0] > f->rate[1] ? f->rate[0] : f->rate[1];

	if (rate > before + before / 8)
		f->grew_ms = now_ms;
	if (now_ms - f->rate_ms > RATE_WINDOW_MS) {
		f->rate_ms = now_ms;
		f->rate[0] = f->rate[1];
		f->rate[1] = 0;
		f->calm_us[0] = f->calm_us[1];
		f->calm_us[1] = 0;
	}
	if (rate > f->rate[1])
		f->rate[1] = rate;
	return before > rate ? before : rate;
}

// Whether a queue stands now that did not lately: the rate has grown to what the path takes. By
// what the round trip mostly is and not by its shortest, which paths in the air hardly ever come
// to.
static bool queue_came(struct flight *f, const struct flight_sample *s)
{
	uint32_t *now = &f->calm_us[1], calm = f->calm_us[0];

	if (!*now || s->rtt_us < *now)
		*now = s->rtt_us;
	if (!calm || *now < calm)
		calm = *now;
	return s->rtt_us > calm + s->min_rtt_us / 4 + STANDS_US;
}

// What the path holds: the highest rate of the last seconds over the shortest round trip, and an
// eighth; twice that while the rate still grows.
static uint32_t holds(struct flight *f, const struct flight_sample *s, uint64_t now_ms)
{
	uint64_t rate = highest_rate(f, s->rate, now_ms), n;
	bool grows;

	if (queue_came(f, s))
		f->grew_ms = 0;
	grows = f->grew_ms && now_ms - f->grew_ms < GROWS_MS + s->min_rtt_us / 250;
	if (f->own_pace || s->min_rtt_us < HOLDS_MIN_RTT_US)
		return UINT32_MAX;
	n = rate * s->min_rtt_us / 1000000;
	n = grows ? 2 * n : n + n / 8;
	n += 6ull * s->mss;
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

// A second and a hundred segments later: what it lost, and whether a queue stood meanwhile. False:
// the window goes on.
static bool window_is_over(struct flight_loss *l, const struct flight_sample *s, uint64_t now_ms)
{
	uint64_t sent = s->sent - l->sent, again = s->again - l->again;

	if (s->rtt_us > s->min_rtt_us + s->min_rtt_us / 2 + QUEUE_US)
		l->queue = true;
	if (now_ms - l->since_ms < LOSS_WINDOW_MS || sent < LOSS_SEGS * (uint64_t)s->mss)
		return false;
	l->lossy = again * LOSS_SHARE > sent && !l->queue ? l->lossy + 1 : 0;
	l->clean = again * CLEAN_SHARE < sent ? l->clean + 1 : 0;
	l->since_ms = now_ms;
	l->sent = s->sent;
	l->again = s->again;
	l->queue = false;
	return true;
}

// A line that goes on losing segments while no queue stands at its bottleneck is one for BBR, which
// does not take a loss now and then for congestion. On one that loses none it is only the one with
// the longer queue.
static enum flight_change change(struct flight *f, const struct flight_sample *s, uint64_t now_ms)
{
	struct flight_loss *l = &f->loss;

	if ((!f->may_change && !f->changed) || !window_is_over(l, s, now_ms))
		return FLIGHT_STAY;
	if (f->may_change && l->lossy >= LOSS_WINDOWS) {
		f->may_change = false;
		l->clean = 0;
		return FLIGHT_TO_BBR;
	}
	if (!f->changed || l->clean < l->clean_wanted)
		return FLIGHT_STAY;
	if (l->clean_wanted < CLEAN_WINDOWS_MAX)
		l->clean_wanted *= 2;
	l->lossy = 0;
	f->own_pace = f->changed = false;
	f->may_change = true;
	return FLIGHT_BACK;
}

enum flight_change flight_update(struct flight *f, const struct flight_sample *s, uint64_t now_ms)
{
	enum flight_change c = change(f, s, now_ms);

	f->holds = holds(f, s, now_ms);
	f->unsent = unsent(f, s);
	return c;
}

size_t flight_room(const struct flight *f, size_t n, uint32_t notsent, uint32_t unacked, bool *full)
{
	uint32_t room = notsent < f->unsent ? f->unsent - notsent : 0;
	uint32_t out = unacked < f->holds ? f->holds - unacked : 0;

	*full = !out;
	if (room > out)
		room = out;
	return n < room ? n : room;
}
