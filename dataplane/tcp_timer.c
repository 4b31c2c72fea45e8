// SPDX-License-Identifier: BSD-3-Clause
// Timers of a connection. Three deadlines, the earliest in the wheel: retransmission (RTO, tail
// loss probe, RACK's reordering timer and the window probe exclude each other), delayed ACK, and
// the slow ones.
#include <errno.h>
#include <string.h>

#include "dataplane/tcp_rate.h"

#define BACKOFF_MAX 16
#define BLACK_HOLE_AFTER 3 // timeouts in a row of a large segment; two happen by chance

// Deadlines that move away leave the wheel alone: the early call starts it again.
void tcp_timer_set(struct tcp_conn *c, enum tcp_timer t, uint64_t at_us)
{
	struct wheel_timer *w = &c->timer;

	c->at_us[t] = at_us;
	if (at_us && (at_us < w->at_us || !wheel_running(w)))
		wheel_start(c->s->wheel, w, at_us);
}

void tcp_timers_stop(struct tcp_conn *c)
{
	memset(c->at_us, 0, sizeof(c->at_us));
	wheel_stop(c->s->wheel, &c->timer);
	c->rtx_mode = TCP_RTX_OFF;
}

static uint64_t backed_off(const struct tcp_conn *c)
{
	uint64_t rto = (uint64_t)c->rto_us << RTE_MIN(c->backoff, BACKOFF_MAX);

	return RTE_MIN(rto, c->s->cfg.max_rto_ms * 1000ull);
}

static uint64_t give_up_at(const struct tcp_conn *c)
{
	uint32_t ms = c->s->cfg.user_timeout_ms;

	return ms ? c->progress_us + ms * 1000ull : UINT64_MAX;
}

// RFC 8985 7.2.
static uint64_t tlp_at(const struct tcp_conn *c)
{
	uint64_t pto = 2ull * c->srtt_us + TCP_TLP_SLACK_US;

	if (!(c->flags & TF_SACK) || c->flags & TF_TLP || c->recovery != TCP_OPEN ||
		c->sacked_bytes || c->lost_bytes || c->backoff || !(c->flags & TF_RTT))
		return UINT64_MAX;
	if (c->snd_nxt - c->snd_una <= c->mss)
		pto += TCP_WC_DELACK_US;
	return c->tlp_base_us + pto;
}

// When what the pace holds back may go, if there is any.
static uint64_t pace_at(const struct tcp_conn *c, uint64_t now_us)
{
	uint64_t at;

	if (!c->sq_next && !c->lost_bytes && !(c->flags & TF_ROOM_ASKED))
		return UINT64_MAX;
	at = tcp_pace_due_us(c);
	return at > now_us ? at : UINT64_MAX; // else something other than the pace holds it
}

static void rtx_set(struct tcp_conn *c, enum tcp_rtx_mode mode, uint64_t at_us)
{
	if ((mode == TCP_RTX_PERSIST) != (c->rtx_mode == TCP_RTX_PERSIST))
		c->backoff = 0;
	c->rtx_mode = mode;
	tcp_timer_set(c, TCP_TIMER_RTX, at_us);
}

void tcp_rtx_update(struct tcp_conn *c, uint64_t now_us)
{
	uint64_t at, tlp, pace, reo;

	if (c->state == TCP_CLOSED)
		return;
	if (c->snd_nxt == c->snd_una) {
		bool waiting =
			c->sq_next || (c->flags & (TF_FIN_QUEUED | TF_FIN_SENT)) == TF_FIN_QUEUED;

		if (!waiting)
			rtx_set(c, TCP_RTX_OFF, 0);
		else if (c->rtx_mode != TCP_RTX_PERSIST)
			rtx_set(c, TCP_RTX_PERSIST, now_us + c->rto_us);
		return;
	}
	at = RTE_MIN(c->rto_base_us + backed_off(c), RTE_MAX(give_up_at(c), now_us + 1));
	tlp = tcp_synchronized(c) ? tlp_at(c) : UINT64_MAX;
	pace = unlikely(c->cc.pace) ? pace_at(c, now_us) : UINT64_MAX;
	reo = tcp_in_disorder(c) && c->reo_at_us ? c->reo_at_us : UINT64_MAX;
	if (reo < RTE_MIN(at, pace))
		rtx_set(c, TCP_RTX_REO, reo);
	else if (pace < RTE_MIN(at, tlp))
		rtx_set(c, TCP_RTX_PACE, pace);
	else if (tlp < at)
		rtx_set(c, TCP_RTX_TLP, tlp);
	else
		rtx_set(c, TCP_RTX_RTO, at);
}

// RFC 9293 3.8.3. True: it is gone.
static bool give_up(struct tcp_conn *c, uint64_t now_us)
{
	uint16_t most = c->flags & TF_ORPHAN ? TCP_ORPHAN_RETRIES : TCP_MAX_RETRIES;
	bool over = c->s->cfg.user_timeout_ms ? now_us >= give_up_at(c) : c->retries >= most;

	if (c->flags & TF_ORPHAN && c->retries >= most)
		over = true;
	if (!over)
		return false;
	COUNT(c->s->counters, tcp_timed_out);
	tcp_conn_reset(c, c->soft_error ? c->soft_error : ETIMEDOUT, now_us);
	return true;
}

// A large segment vanishes again and again while nothing says why: try smaller ones (RFC 2923 2.1,
// in the manner of RFC 4821).
static void check_black_hole(struct tcp_conn *c, uint64_t now_us)
{
	static const uint16_t plateaus[] = {1400, 1280, 1024, 576};
	uint16_t size;

	if (!c->sq_head || c->backoff < BLACK_HOLE_AFTER)
		return;
	size = (uint16_t)RTE_MIN(mbuf_priv(c->sq_head)->len, c->mss) + c->pmtu - c->mss;
	for (unsigned int i = 0; i < RTE_DIM(plateaus); i++) {
		if (plateaus[i] >= size || plateaus[i] >= c->pmtu)
			continue;
		tcp_conn_set_pmtu(c, plateaus[i], now_us);
		return;
	}
}

static void on_rto(struct tcp_conn *c, uint64_t now_us)
{
	// A peer that shut its window but still answers is alive (RFC 9293 3.8.6.1).
	bool shut = !c->snd_wnd && c->last_rx_us >= c->rto_base_us;

	if (!(shut && !(c->flags & TF_ORPHAN)) && give_up(c, now_us))
		return;
	COUNT(c->s->counters, tcp_rto);
	c->rto_base_us = now_us;
	if (!shut || c->flags & TF_ORPHAN)
		c->retries += c->retries < UINT8_MAX;
	if (c->backoff < BACKOFF_MAX)
		c->backoff++;
	if (!tcp_synchronized(c)) {
		COUNT(c->s->counters, tcp_retransmits);
		tcp_send_syn(c, now_us);
		tcp_rtx_update(c, now_us);
		return;
	}
	check_black_hole(c, now_us);
	tcp_enter_loss(c, now_us);
	if (!c->sq_head || c->sq_head == c->sq_next)
		tcp_retransmit_fin(c, now_us);
	tcp_output(c, now_us);
}

static void on_tlp(struct tcp_conn *c, uint64_t now_us)
{
	if (!tcp_send_tlp(c, now_us)) { // no memory: leave it to the timeout
		c->flags |= TF_TLP;
		c->tlp_end_seq = c->snd_una;
	}
	c->rto_base_us = now_us;
	tcp_rtx_update(c, now_us);
}

static void on_reo(struct tcp_conn *c, uint64_t now_us)
{
	if (tcp_rack_detect(c, now_us) && c->recovery == TCP_OPEN)
		tcp_enter_recovery(c, 0, now_us);
	tcp_output(c, now_us);
}

static void on_persist(struct tcp_conn *c, uint64_t now_us)
{
	uint64_t silent = now_us - RTE_MAX(c->last_rx_us, c->progress_us);
	uint32_t timeout_ms = c->s->cfg.user_timeout_ms;
	bool orphan = c->flags & TF_ORPHAN && c->backoff >= TCP_ORPHAN_RETRIES; // RFC 6429

	if (orphan || (timeout_ms ? silent >= timeout_ms * 1000ull && c->retries
				  : c->retries >= TCP_MAX_RETRIES)) {
		COUNT(c->s->counters, tcp_timed_out);
		tcp_conn_reset(c, c->soft_error ? c->soft_error : ETIMEDOUT, now_us);
		return;
	}
	tcp_output(c, now_us);
	if (c->rtx_mode != TCP_RTX_PERSIST)
		return;
	if (!tcp_send_override(c, now_us)) {
		COUNT(c->s->counters, tcp_zero_window_probe);
		tcp_send_probe(c, now_us);
		c->retries += c->retries < UINT8_MAX;
	}
	if (c->backoff < BACKOFF_MAX)
		c->backoff++;
	if (c->snd_nxt == c->snd_una)
		rtx_set(c, TCP_RTX_PERSIST, now_us + backed_off(c));
	else
		tcp_rtx_update(c, now_us);
}

static void on_pace(struct tcp_conn *c, uint64_t now_us)
{
	tcp_room_event(c);
	tcp_output(c, now_us);
}

// The timer may have been left where it was while its deadline moved away (tcp_rtx_stays()).
static bool rtx_early(const struct tcp_conn *c, uint64_t now_us)
{
	if (c->rtx_mode != TCP_RTX_RTO && c->rtx_mode != TCP_RTX_TLP)
		return false;
	if (c->snd_nxt == c->snd_una)
		return true;
	if (c->rtx_mode == TCP_RTX_TLP)
		return now_us < tlp_at(c);
	return now_us < RTE_MIN(c->rto_base_us + backed_off(c), give_up_at(c));
}

static void rtx_expired(struct tcp_conn *c, uint64_t now_us)
{
	if (rtx_early(c, now_us)) {
		tcp_rtx_update(c, now_us);
		return;
	}
	switch ((enum tcp_rtx_mode)c->rtx_mode) {
	case TCP_RTX_OFF:
		break;
	case TCP_RTX_RTO:
		on_rto(c, now_us);
		break;
	case TCP_RTX_TLP:
		on_tlp(c, now_us);
		break;
	case TCP_RTX_REO:
		on_reo(c, now_us);
		break;
	case TCP_RTX_PERSIST:
		on_persist(c, now_us);
		break;
	case TCP_RTX_PACE:
		on_pace(c, now_us);
		break;
	}
}

static void delack_expired(struct tcp_conn *c, uint64_t now_us)
{
	if (c->flags & TF_DELACK)
		tcp_send_ack(c, now_us);
}

static uint64_t keepalive_at(const struct tcp_conn *c)
{
	const struct tcp_config *f = &c->s->cfg;

	return c->last_rx_us +
	       (f->keepalive_idle_ms + (uint64_t)c->probes * f->keepalive_interval_ms) * 1000;
}

void tcp_misc_update(struct tcp_conn *c, uint64_t now_us)
{
	uint64_t at = 0;

	if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED)
		at = c->created_us + c->s->cfg.syn_timeout_ms * 1000ull;
	else if (c->state == TCP_FIN_WAIT_2 && c->flags & TF_ORPHAN)
		at = now_us + TCP_FIN_WAIT_2_US;
	else if (tcp_synchronized(c) && c->s->cfg.keepalive_idle_ms)
		at = keepalive_at(c);
	tcp_timer_set(c, TCP_TIMER_MISC, at);
}

// RFC 9293 3.8.4.
static void keepalive(struct tcp_conn *c, uint64_t now_us)
{
	if (now_us < keepalive_at(c)) {
		tcp_misc_update(c, now_us);
		return;
	}
	if (c->snd_nxt != c->snd_una) { // the retransmission timer is watching
		tcp_timer_set(c, TCP_TIMER_MISC, now_us + c->s->cfg.keepalive_idle_ms * 1000ull);
		return;
	}
	if (c->probes >= c->s->cfg.keepalive_probes) {
		COUNT(c->s->counters, tcp_timed_out);
		tcp_conn_reset(c, c->soft_error ? c->soft_error : ETIMEDOUT, now_us);
		return;
	}
	c->probes++;
	COUNT(c->s->counters, tcp_keepalive);
	tcp_send_probe(c, now_us);
	tcp_misc_update(c, now_us);
}

static void misc_expired(struct tcp_conn *c, uint64_t now_us)
{
	if (!tcp_synchronized(c)) {
		tcp_conn_close(c, c->soft_error ? c->soft_error : ETIMEDOUT);
		return;
	}
	if (c->state == TCP_FIN_WAIT_2 && c->flags & TF_ORPHAN)
		tcp_conn_close(c, 0);
	else
		keepalive(c, now_us);
}

static void fire(struct tcp_conn *c, enum tcp_timer which, uint64_t now_us)
{
	switch (which) {
	case TCP_TIMER_RTX:
		rtx_expired(c, now_us);
		break;
	case TCP_TIMER_DELACK:
		delack_expired(c, now_us);
		break;
	case TCP_TIMER_MISC:
		misc_expired(c, now_us);
		break;
	case TCP_N_TIMERS:
		break;
	}
}

static void timers_due(struct tcp_stack *s, struct tcp_conn *c)
{
	uint64_t next = 0;

	// A connection that ends here has no deadlines any more.
	for (unsigned int i = 0; i < TCP_N_TIMERS; i++) {
		if (!c->at_us[i] || c->at_us[i] > s->now_us)
			continue;
		c->at_us[i] = 0;
		fire(c, (enum tcp_timer)i, s->now_us);
	}
	for (unsigned int i = 0; i < TCP_N_TIMERS; i++)
		if (c->at_us[i] && (!next || c->at_us[i] < next))
			next = c->at_us[i];
	if (next && (!wheel_running(&c->timer) || next < c->timer.at_us))
		wheel_start(s->wheel, &c->timer, next);
}

void tcp_timers_run(struct tcp_stack *s)
{
	for (uint32_t i = 0; i < s->nb_due; i++)
		timers_due(s, s->due[i]);
	s->nb_due = 0;
}

// Several connections' lines are on their way at a time. What one connection's timers do leaves the
// others alone.
void tcp_timer_expired(void *stack, struct wheel_timer *t)
{
	struct tcp_stack *s = stack;
	struct tcp_conn *c = &s->conns[(size_t)((char *)t - (char *)s->conns) / sizeof(*c)];

	__builtin_prefetch(&c->at_us, 1);
	__builtin_prefetch(c, 1);
	__builtin_prefetch(&c->rx_head, 1);
	__builtin_prefetch(&c->sq_head, 1);
	s->due[s->nb_due++] = c;
	if (s->nb_due == RTE_DIM(s->due))
		tcp_timers_run(s);
}
