// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/session_policy.h"

#include <errno.h>
#include <rte_malloc.h>

#include "dataplane/flowq.h"
#include "dataplane/forward.h"
#include "dataplane/forward6.h"
#include "dataplane/lists.h"
#include "dataplane/session_mp.h"
#include "dataplane/worker.h"

#define TICK_US 500
#define TIMERS_PER_LOOP 256
#define PACKET 1500
#define QUEUE_MS 300 // packets wait so long for their rate at the most,
#define QUEUE_MIN 16 // but this many may
#define QUANTUM_MIN 576u
#define SLACK_PACKETS 2
#define IDLE_LOOKS 16 // in an idle time: so much late it may be noticed

static inline struct session_policy *policy_of(const struct worker *w, const struct session *s)
{
	return &w->policies[s - w->sessions];
}

uint64_t session_policy_size(uint32_t sessions)
{
	return ((uint64_t)sessions + 1) * (sizeof(struct session_policy) + 16);
}

int session_policy_create(struct worker *w)
{
	w->policies =
		rte_zmalloc("policies", (w->max_sessions + 1) * sizeof(struct session_policy), 64);
	w->policy_wheel = wheel_create(TICK_US, w->max_sessions, w->now_us);
	return w->policies && w->policy_wheel ? 0 : -ENOMEM;
}

void session_policy_destroy(struct worker *w)
{
	rte_free(w->policies);
	if (w->policy_wheel)
		wheel_destroy(w->policy_wheel);
}

// ---- timers

static void schedule(struct worker *w, struct session_policy *p)
{
	uint64_t at = UINT64_MAX;

	if (p->up_at_us)
		at = p->up_at_us;
	if (p->down_at_us)
		at = RTE_MIN(at, p->down_at_us);
	if (p->idle_at_us)
		at = RTE_MIN(at, p->idle_at_us);
	if (at == UINT64_MAX)
		wheel_stop(w->policy_wheel, &p->timer);
	else if (!wheel_running(&p->timer) || p->timer.at_us != at)
		wheel_start(w->policy_wheel, &p->timer, at);
}

static void idle_start(struct worker *w, struct session *s, struct session_policy *p)
{
	p->idle_packets = s->rx_packets + s->tx_packets;
	p->idle_since_us = w->now_us;
	p->idle_at_us = w->now_us + (uint64_t)p->idle_ms * 1000 / IDLE_LOOKS + 1;
}

static void idle_look(struct worker *w, struct session *s, struct session_policy *p)
{
	uint64_t idle_us = (uint64_t)p->idle_ms * 1000;

	if (p->idle_packets == s->rx_packets + s->tx_packets) {
		if (w->now_us - p->idle_since_us < idle_us) {
			p->idle_at_us = RTE_MIN(
				w->now_us + idle_us / IDLE_LOOKS + 1, p->idle_since_us + idle_us);
			return;
		}
		s->flags |= SES_OWE_IDLE;
		session_want_run(w, s);
	}
	idle_start(w, s, p);
}

static void up_run(struct worker *w, struct session *s, struct session_policy *p);

static void expired(void *user, struct wheel_timer *t)
{
	struct worker *w = user;
	uint32_t slot = (uint32_t)(((uintptr_t)t - (uintptr_t)w->policies) / sizeof(*w->policies));
	struct session_policy *p = &w->policies[slot];
	struct session *s = &w->sessions[slot];

	if (p->down_at_us && w->now_us >= p->down_at_us) {
		p->down_at_us = 0;
		session_want_tx(w, s);
	}
	if (p->up_at_us && w->now_us >= p->up_at_us)
		up_run(w, s, p);
	if (p->idle_at_us && w->now_us >= p->idle_at_us)
		idle_look(w, s, p);
	schedule(w, p);
}

uint64_t session_policy_tick(struct worker *w)
{
	wheel_advance(w->policy_wheel, w->now_us, TIMERS_PER_LOOP, expired, w);
	return wheel_next(w->policy_wheel);
}

// ---- drops

static void drop_up(struct session *s, struct rte_mbuf *m)
{
	s->rx_drops++;
	rte_pktmbuf_free(m);
}

static void drop_down(struct session *s, struct rte_mbuf *m)
{
	s->tx_drops++;
	rte_pktmbuf_free(m);
}

static inline uint32_t up_len(const struct session_policy *p)
{
	return p->up_flows ? p->up_flows->len : p->upq.len;
}

static void up_flows_end(struct worker *w, struct session_policy *p)
{
	rte_mempool_put(w->flowqs, p->up_flows);
	p->up_flows = NULL;
}

static void upq_free(struct worker *w, struct session_policy *p)
{
	w->txq_held -= up_len(p);
	if (p->up_flows) {
		flowq_clear(p->up_flows, &p->upq);
		up_flows_end(w, p);
	}
	mbufq_free(&p->upq);
	p->up_large = 0;
	p->up_at_us = 0;
}

static void limit_reached(struct worker *w, struct session *s, struct session_policy *p, bool rx)
{
	p->limited = true;
	p->limit_rx_hit = rx;
	COUNT_N(&w->counters, policy_limit_drop, up_len(p) + session_txq_len(s));
	s->rx_drops += up_len(p);
	s->tx_drops += session_txq_len(s);
	upq_free(w, p);
	session_txq_free(w, s);
	p->down_at_us = 0;
	s->flags |= SES_OWE_LIMIT;
	session_want_run(w, s);
}

// ---- filter

static uint32_t lists_with(const struct worker *w, uint64_t hi, uint64_t lo)
{
	struct in6_addr a;

	hi = rte_cpu_to_be_64(hi);
	lo = rte_cpu_to_be_64(lo);
	memcpy(a.s6_addr, &hi, sizeof(hi));
	memcpy(a.s6_addr + 8, &lo, sizeof(lo));
	return lists_of(lists_table(w->ch->lists), &a);
}

// Whether m passes; what does not is answered when the filter says so. Borrows m.
static bool filter_pass(struct worker *w, struct session *s, const struct filter *f,
	const struct rte_mbuf *m, bool from_client)
{
	uint32_t src = 0, dst = 0;
	struct filter_key k;
	enum config_filter_action action;

	filter_key(&k, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
	if (filter_src_lists(f) && w->ch->lists)
		src = lists_with(w, k.src_hi, k.src_lo);
	if (filter_dst_lists(f) && w->ch->lists)
		dst = lists_with(w, k.dst_hi, k.dst_lo);
	action = filter_match(f, &k, src, dst);
	if (likely(action == CONFIG_FILTER_ACCEPT))
		return true;
	if (k.hidden)
		COUNT(&w->counters, policy_filter_hidden);
	else if (action == CONFIG_FILTER_DROP)
		COUNT(&w->counters, policy_filter_drop);
	else
		COUNT(&w->counters, policy_filter_reject);
	if (action == CONFIG_FILTER_REJECT && k.is4)
		forward_prohibited(w, s, m, from_client);
	else if (action == CONFIG_FILTER_REJECT)
		forward6_prohibited(w, s, m, from_client);
	return false;
}

// ---- up

static void up_drop_all(struct worker *w, struct session *s, struct mbuf_queue *q)
{
	struct session_policy *p = policy_of(w, s);

	for (struct rte_mbuf *m = p->up_large ? q->head : NULL; m; m = mbuf_priv(m)->next)
		p->up_large -= m->pkt_len > w->mbuf_room;
	w->txq_held -= q->len;
	s->rx_drops += q->len;
	COUNT_N(&w->counters, policy_rate_drop, q->len);
	mbufq_free(q);
}

// By flows from now on, if that is possible.
static void up_flows_begin(struct worker *w, struct session *s, struct session_policy *p)
{
	struct rte_mbuf *m;
	void *f;

	if (!w->flowqs || rte_mempool_get(w->flowqs, &f))
		return;
	p->up_flows = f;
	flowq_init(f, RTE_MAX((uint32_t)s->mtu, QUANTUM_MIN), (uint32_t)w->now_us, w->now_us);
	p->up_flows->slack_us = p->slack_up;
	while ((m = mbufq_get(&p->upq)))
		flowq_put(f, m);
}

static bool upq_drop(const struct worker *w, struct session_policy *p, struct rte_mbuf *m)
{
	uint64_t sojourn = w->now_us - mbuf_priv(m)->sent_us;

	sojourn -= RTE_MIN(sojourn, (uint64_t)p->slack_up);
	return codel_drop(&p->codel, sojourn, p->upq.len + 1, w->now_us);
}

static void up_pass(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	if (*rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 4)
		forward_up_checked(w, s, m);
	else
		forward6_up_checked(w, s, m);
}

// The next one; NULL: none is left. Those that CoDel drops on the way are counted.
static struct rte_mbuf *up_next(struct worker *w, struct session *s, struct session_policy *p)
{
	struct mbuf_queue dropped = {0};
	struct rte_mbuf *m;

	if (p->up_flows) {
		m = flowq_get(p->up_flows, &dropped, w->now_us);
	} else {
		while ((m = mbufq_get(&p->upq)) && upq_drop(w, p, m))
			mbufq_put(&dropped, m);
	}
	if (dropped.len)
		up_drop_all(w, s, &dropped);
	if (m) {
		w->txq_held--;
		p->up_large -= m->pkt_len > w->mbuf_room;
	}
	return m;
}

static void up_run(struct worker *w, struct session *s, struct session_policy *p)
{
	struct rte_mbuf *m;

	while (up_len(p) && shaper_open(&p->up, w->now_us)) {
		m = up_next(w, s, p);
		if (!m)
			break;
		shaper_take(&p->up, m->pkt_len);
		up_pass(w, s, m);
	}
	p->up_at_us = up_len(p) ? shaper_opens_us(&p->up) : 0;
	if (p->up_flows && !p->up_flows->len)
		up_flows_end(w, p);
}

// Behind those that wait. Consumes m.
static void up_wait(
	struct worker *w, struct session *s, struct session_policy *p, struct rte_mbuf *m)
{
	bool large = m->pkt_len > w->mbuf_room;
	struct mbuf_queue dropped = {0};

	if ((!p->up_flows && p->upq.len >= RTE_MIN(p->queue_up, session_txq_most(w, 0))) ||
		(large && !session_mp_has_room(m, p->up_large))) {
		COUNT(&w->counters, policy_rate_drop);
		drop_up(s, m);
		return;
	}
	mbuf_priv(m)->sent_us = w->now_us;
	p->up_large += large;
	w->txq_held++;
	if (!p->up_flows && p->upq.head)
		up_flows_begin(w, s, p);
	if (p->up_flows)
		flowq_put(p->up_flows, m);
	else
		mbufq_put(&p->upq, m);
	if (p->up_flows && up_len(p) > RTE_MIN(p->queue_up, session_txq_most(w, 1))) {
		flowq_shed(p->up_flows, &dropped);
		up_drop_all(w, s, &dropped);
	}
	if (p->up_at_us)
		return;
	p->up_at_us = shaper_opens_us(&p->up);
	schedule(w, p);
}

bool session_policy_up(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	struct session_policy *p = policy_of(w, s);

	if (unlikely(p->limited))
		goto limited;
	if (unlikely(s->rx_bytes > p->limit_rx)) {
		limit_reached(w, s, p, true);
		goto limited;
	}
	if (p->in && !filter_pass(w, s, p->in, m, true)) {
		drop_up(s, m);
		return false;
	}
	if (!shaper_on(&p->up))
		return true;
	if (!up_len(p) && shaper_open(&p->up, w->now_us)) {
		shaper_take(&p->up, m->pkt_len);
		return true;
	}
	up_wait(w, s, p, m);
	return false;
limited:
	COUNT(&w->counters, policy_limit_drop);
	drop_up(s, m);
	return false;
}

// ---- down

bool session_policy_down(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	struct session_policy *p = policy_of(w, s);

	if (unlikely(p->limited)) {
		COUNT(&w->counters, policy_limit_drop);
	} else if (p->out && !filter_pass(w, s, p->out, m, false)) {
		// counted
	} else if (unlikely(session_txq_len(s) >= p->queue_down) && !session_flows_shed(w, s)) {
		COUNT(&w->counters, policy_rate_drop);
	} else {
		return true;
	}
	drop_down(s, m);
	return false;
}

bool session_policy_may_send(struct worker *w, struct session *s)
{
	struct session_policy *p = policy_of(w, s);

	if (unlikely(p->limited || s->tx_bytes + s->txq.head->pkt_len > p->limit_tx)) {
		if (!p->limited)
			limit_reached(w, s, p, false);
		session_txq_free(w, s); // answers of this router
		return false;
	}
	if (s->tx_bytes > p->tx_charged)
		shaper_take(&p->down, s->tx_bytes - p->tx_charged);
	p->tx_charged = s->tx_bytes;
	if (shaper_open(&p->down, w->now_us)) {
		p->down_at_us = 0;
		return true;
	}
	p->down_at_us = shaper_opens_us(&p->down);
	schedule(w, p);
	return false;
}

bool session_policy_waits(const struct worker *w, const struct session *s)
{
	return policy_of(w, s)->down_at_us != 0;
}

uint64_t session_policy_slack(const struct worker *w, const struct session *s)
{
	return policy_of(w, s)->slack_down;
}

// ---- set-up

static uint32_t queue_for(uint64_t bps)
{
	uint64_t n = bps / 8 * QUEUE_MS / 1000 / PACKET;

	if (!bps)
		return UINT32_MAX;
	return (uint32_t)RTE_MIN(RTE_MAX(n, (uint64_t)QUEUE_MIN), (uint64_t)WORKER_TXQ_MAX);
}

// Above CoDel's target: a packet or two are on their way at any time, and at a low rate that takes
// longer than the target (RFC 8289 4.3).
static uint32_t slack_for(uint64_t bps)
{
	uint64_t us = bps ? (uint64_t)SLACK_PACKETS * PACKET * 8 * 1000000 / bps : 0;

	us -= RTE_MIN(us, (uint64_t)CODEL_TARGET_US);
	return (uint32_t)RTE_MIN(us, (uint64_t)10 * 1000000);
}

static bool wanted(const struct dp_msg *m)
{
	return m->u.open.rate_rx.bps || m->u.open.rate_tx.bps || m->u.open.limit_rx ||
	       m->u.open.limit_tx || m->u.open.filter || m->u.open.idle_ms;
}

// Filters that do not exist must not be taken for none.
static bool set_filters(const struct worker *w, struct session_policy *p, uint16_t number)
{
	p->in = p->out = NULL;
	if (!number)
		return true;
	if (!filter_exists(w->ch->filters, number - 1u))
		return false;
	p->in = filter_get(w->ch->filters, number - 1u, false);
	p->out = filter_get(w->ch->filters, number - 1u, true);
	return true;
}

static void set_limits(struct session *s, struct session_policy *p, const struct dp_msg *m)
{
	p->limit_rx = m->u.open.limit_rx ? m->u.open.limit_rx : UINT64_MAX;
	p->limit_tx = m->u.open.limit_tx ? m->u.open.limit_tx : UINT64_MAX;
	// A limit that was raised lets data pass again.
	p->limited = p->limited &&
		     (p->limit_rx_hit ? s->rx_bytes > p->limit_rx : s->tx_bytes >= p->limit_tx);
	if (!p->limited)
		s->flags &= ~SES_OWE_LIMIT;
}

static void set_rates(
	struct worker *w, struct session *s, struct session_policy *p, const struct dp_msg *m)
{
	shaper_set(&p->up, &m->u.open.rate_rx, w->now_us);
	shaper_set(&p->down, &m->u.open.rate_tx, w->now_us);
	p->tx_charged = s->tx_bytes;
	p->queue_up = queue_for(m->u.open.rate_rx.bps);
	p->queue_down = queue_for(m->u.open.rate_tx.bps);
	p->slack_up = slack_for(m->u.open.rate_rx.bps);
	p->slack_down = slack_for(m->u.open.rate_tx.bps);
	if (p->up_flows)
		p->up_flows->slack_us = p->slack_up;
	if (up_len(p))
		up_run(w, s, p);
	if (s->txq.head)
		session_want_tx(w, s);
	p->down_at_us = 0;
}

bool session_policy_set(struct worker *w, struct session *s, const struct dp_msg *m)
{
	struct session_policy *p;

	if (!w->policies)
		return !wanted(m);
	p = policy_of(w, s);
	if (!set_filters(w, p, m->u.open.filter))
		return false;
	set_limits(s, p, m);
	set_rates(w, s, p, m);
	if (p->idle_ms != m->u.open.idle_ms) {
		p->idle_ms = m->u.open.idle_ms;
		p->idle_at_us = 0;
		if (p->idle_ms)
			idle_start(w, s, p);
	}
	schedule(w, p);
	if (shaper_on(&p->up) || shaper_on(&p->down) || p->in || p->out ||
		(p->limit_rx & p->limit_tx) != UINT64_MAX)
		s->flags |= SES_POLICY;
	else
		s->flags &= ~SES_POLICY;
	return true;
}

void session_policy_unqueue(struct worker *w, struct session *s)
{
	if (!w->policies)
		return;
	s->rx_drops += up_len(policy_of(w, s));
	upq_free(w, policy_of(w, s));
	schedule(w, policy_of(w, s));
}

void session_policy_stop(struct worker *w, struct session *s)
{
	struct session_policy *p;

	if (!w->policies)
		return;
	p = policy_of(w, s);
	upq_free(w, p);
	p->down_at_us = p->idle_at_us = 0;
	p->idle_ms = 0;
	s->flags &= ~SES_OWE_IDLE;
	schedule(w, p);
}

bool session_policy_limit_rx(const struct worker *w, const struct session *s)
{
	return policy_of(w, s)->limit_rx_hit;
}

void session_policy_end(struct worker *w, struct session *s)
{
	struct session_policy *p;

	if (!w->policies)
		return;
	p = policy_of(w, s);
	upq_free(w, p);
	wheel_stop(w->policy_wheel, &p->timer);
	*p = (struct session_policy){0};
	s->flags &= ~(SES_POLICY | SES_OWE_LIMIT | SES_OWE_IDLE);
}
