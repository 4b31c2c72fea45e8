// SPDX-License-Identifier: BSD-3-Clause
// Passive open: SYNs to listening ports, and SYN cookies when too many connections are half open.
#include "dataplane/tcp_int.h"

#define COOKIE_PERIOD_US (64 * 1000000ull)
#define COOKIE_TS_BITS 6 // window scale (15: none) and SACK, in the lowest bits of the timestamp
#define COOKIE_NO_WSCALE 15
#define COOKIE_SACK 0x10

// Sizes that a cookie can carry; the peer's is rounded down.
static const uint16_t cookie_mss[8] = {216, 536, 1024, 1220, 1340, 1400, 1440, 1460};

void tcp_take_syn_options(struct tcp_conn *c, const struct tcp_seg *seg, uint64_t now_us)
{
	if (seg->mss)
		c->mss_max = RTE_MAX(seg->mss, TCP_MSS_MIN);
	if (seg->has_ts) {
		c->flags |= TF_TS;
		c->ts_recent = seg->tsval;
		c->ts_recent_s = (uint32_t)(now_us / 1000000);
	}
	if (seg->sack_ok)
		c->flags |= TF_SACK;
	if (seg->has_wscale) {
		c->flags |= TF_WSCALE;
		c->snd_wscale = seg->wscale;
		c->rcv_wscale = c->s->rcv_wscale;
	}
	c->irs = seg->seq;
	c->rcv_nxt = c->last_ack_sent = seg->seq + 1;
	c->rcv_adv = c->rcv_nxt + RTE_MIN(c->rcv_wnd_max, (uint32_t)UINT16_MAX);
	c->snd_wnd = seg->wnd; // never scaled in a SYN
	c->max_snd_wnd = c->snd_wnd;
	c->snd_wl1 = seg->seq;
	c->snd_wl2 = c->iss;
	tcp_conn_set_mss(c);
}

void tcp_send_syn(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_stack *s = c->s;
	bool first = c->state == TCP_SYN_SENT;
	struct tcp_out o = {
		.seq = c->iss,
		.ack = first ? 0 : c->rcv_nxt,
		.flags = first ? TCP_SYN : TCP_SYN | TCP_ACK,
		.wnd = (uint16_t)RTE_MIN(tcp_rcv_wnd_initial(s), (uint32_t)UINT16_MAX),
	};
	bool wscale = first || c->flags & TF_WSCALE;

	tcp_opt_syn(&o, tcp_adv_mss(s, &c->key), first || c->flags & TF_SACK,
		wscale ? s->rcv_wscale : 255);
	if (first || c->flags & TF_TS)
		tcp_opt_ts(&o, tcp_conn_ts(c, now_us), first ? 0 : c->ts_recent);
	if (!c->rto_base_us)
		c->rto_base_us = now_us;
	c->flags &= ~(uint32_t)TF_ACK_NOW;
	tcp_emit_bare(s, &c->key, &o);
}

// Lower 32 bits: 5 of time, 3 of MSS, 24 of a secret function of both, the connection and the
// peer's sequence number (after D. J. Bernstein's syncookies).
static uint32_t cookie_make(const struct tcp_stack *s, const struct tcp_key *k, uint32_t irs,
	uint64_t period, unsigned int mss)
{
	uint64_t extra = (uint64_t)irs << 32 | (uint32_t)(period << 3) | mss;

	return (uint32_t)(period % 32) << 27 | mss << 24 |
	       (uint32_t)(tcp_key_secret(s, k, TCP_HASH_COOKIE, extra) & 0xffffff);
}

// Now, with the options in its lowest bits; never ahead of the clock.
static uint32_t cookie_ts(const struct tcp_seg *seg, uint64_t now_us)
{
	uint32_t ms = tcp_now_ms(now_us), mask = (1u << COOKIE_TS_BITS) - 1;
	uint32_t opts = (seg->has_wscale ? seg->wscale : COOKIE_NO_WSCALE) |
			(seg->sack_ok ? COOKIE_SACK : 0);
	uint32_t ts = (ms & ~mask) | opts;

	return ts > ms ? ts - mask - 1 : ts;
}

static void cookie_send(struct tcp_stack *s, const struct tcp_seg *seg, uint64_t now_us)
{
	struct tcp_out o = {
		.ack = seg->seq + 1,
		.flags = TCP_SYN | TCP_ACK,
		.wnd = (uint16_t)RTE_MIN(tcp_rcv_wnd_initial(s), (uint32_t)UINT16_MAX),
	};
	// Without timestamps there is no place to remember the other options in.
	bool ts = seg->has_ts;
	unsigned int mss = RTE_DIM(cookie_mss) - 1;

	while (mss && cookie_mss[mss] > (seg->mss ? seg->mss : 536))
		mss--;
	o.seq = cookie_make(s, &seg->key, seg->seq, now_us / COOKIE_PERIOD_US, mss);
	tcp_opt_syn(&o, tcp_adv_mss(s, &seg->key), ts && seg->sack_ok,
		ts && seg->has_wscale ? s->rcv_wscale : 255);
	if (ts)
		tcp_opt_ts(&o, cookie_ts(seg, now_us) + tcp_ts_offset(s, &seg->key), seg->tsval);
	s->cookie_us = now_us;
	COUNT(s->counters, tcp_syn_cookies_sent);
	tcp_emit_bare(s, &seg->key, &o);
}

static bool cookies_out(const struct tcp_stack *s, uint64_t now_us)
{
	return s->cookie_us && now_us - s->cookie_us <= 2 * COOKIE_PERIOD_US;
}

// The ACK of a handshake that nothing is remembered of: a connection in SYN-RECEIVED if its number
// is a cookie of ours, not older than two periods. NULL: no; *full: it was, but there is no room.
static struct tcp_conn *cookie_accept(
	struct tcp_stack *s, const struct tcp_seg *seg, uint64_t now_us)
{
	uint32_t iss = seg->ack - 1, irs = seg->seq - 1, ts;
	uint64_t period = now_us / COOKIE_PERIOD_US;
	struct tcp_seg syn = {.seq = irs, .wnd = 0};
	struct tcp_conn *c;

	while (period % 32 != iss >> 27)
		if (--period + 1 < now_us / COOKIE_PERIOD_US)
			return NULL;
	if (cookie_make(s, &seg->key, irs, period, iss >> 24 & 7) != iss)
		return NULL;
	if (unlikely(s->defer)) {
		COUNT(s->counters, tcp_syn_deferred);
		return NULL;
	}
	c = tcp_conn_alloc(s, &seg->key, seg->hash, now_us);
	if (!c) {
		COUNT(s->counters, tcp_conn_refused_full);
		return NULL;
	}
	c->state = TCP_SYN_RECEIVED;
	c->iss = c->snd_una = iss;
	c->snd_nxt = c->snd_end = iss + 1;
	c->ts_offset = tcp_ts_offset(s, &seg->key);
	syn.mss = cookie_mss[iss >> 24 & 7];
	ts = seg->tsecr - c->ts_offset;
	if (seg->has_ts) {
		syn.has_ts = true;
		syn.tsval = seg->tsval;
		syn.sack_ok = ts & COOKIE_SACK;
		syn.wscale = ts & 15;
		syn.has_wscale = syn.wscale != COOKIE_NO_WSCALE;
	}
	tcp_take_syn_options(c, &syn, now_us);
	return c;
}

static void passive_open(
	struct tcp_stack *s, const struct tcp_seg *seg, uint32_t min_iss, uint64_t now_us)
{
	struct tcp_conn *c;

	if (!s->nb_free) {
		COUNT(s->counters, tcp_conn_refused_full);
		return;
	}
	if (unlikely(s->defer)) {
		COUNT(s->counters, tcp_syn_deferred);
		return;
	}
	if (s->nb_half_open >= s->cfg.max_half_open) {
		cookie_send(s, seg, now_us);
		return;
	}
	c = tcp_conn_alloc(s, &seg->key, seg->hash, now_us);
	c->flags |= TF_HALF_OPEN;
	s->nb_half_open++;
	c->state = TCP_SYN_RECEIVED;
	c->ts_offset = tcp_ts_offset(s, &seg->key);
	c->iss = tcp_isn(s, &seg->key, now_us);
	if (min_iss && seq_lt(c->iss, min_iss))
		c->iss = min_iss;
	c->snd_una = c->iss;
	c->snd_nxt = c->snd_end = c->iss + 1;
	tcp_take_syn_options(c, seg, now_us);
	tcp_send_syn(c, now_us);
	tcp_rtx_update(c, now_us);
	tcp_misc_update(c, now_us);
}

void tcp_defer(struct tcp_stack *s, bool on)
{
	s->defer = on;
}

void tcp_segment_listen(struct tcp_stack *s, struct tcp_seg *seg, uint32_t min_iss, uint64_t now_us)
{
	struct tcp_conn *c;

	// First, check for a RST.
	if (seg->flags & TCP_RST)
		return;
	// Second, check for an ACK: it completes a cookie, or comes from another time.
	if (seg->flags & TCP_ACK) {
		if (!(seg->flags & TCP_SYN) && cookies_out(s, now_us)) {
			c = cookie_accept(s, seg, now_us);
			if (c) {
				tcp_conn_touch(s, c);
				tcp_segment_slow(c, seg, now_us);
			}
			// No RST while cookies are out: with the first segment lost, a later one of
			// a good connection looks just like this.
			return;
		}
		COUNT(s->counters, tcp_rx_no_connection);
		tcp_reply_rst(s, seg);
		return;
	}
	// Third, check for a SYN. Text on it is not taken; the peer sends it again.
	if (seg->flags & TCP_SYN && !(seg->flags & TCP_FIN))
		passive_open(s, seg, min_iss, now_us);
	// Fourth, anything else is dropped.
}
