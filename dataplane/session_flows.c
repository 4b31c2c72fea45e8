// SPDX-License-Identifier: BSD-3-Clause
// A session whose queue stands gets a flowq of its own for a while: then txq holds the next packet
// only, chosen when its predecessor was taken, and what comes behind it waits by flows. txq is
// empty only when these are.
#include "dataplane/flowq.h"
#include "dataplane/session.h"
#include "dataplane/session_mp.h"
#include "dataplane/session_policy.h"
#include "dataplane/worker.h"

#define KEEP_US 2000000 // after a queue stood for the last time
#define TAKE_TRIES 4
#define QUANTUM_MIN 576u

static void drop_all(struct worker *w, struct session *s, struct mbuf_queue *q)
{
	w->txq_held -= q->len;
	s->tx_drops += q->len;
	COUNT_N(&w->counters, session_tx_queue_drop, q->len);
	for (struct rte_mbuf *m = s->mp ? q->head : NULL; m; m = mbuf_priv(m)->next)
		session_mp_unqueue(w, s, m);
	mbufq_free(q);
}

// ---- the worker's flowqs in use, oldest first

static void list_add(struct worker *w, struct flowq *f)
{
	f->next = NULL;
	f->prev = w->flows_last;
	if (f->prev)
		f->prev->next = f;
	else
		w->flows_first = f;
	w->flows_last = f;
}

static void list_remove(struct worker *w, struct flowq *f)
{
	if (f->prev)
		f->prev->next = f->next;
	else
		w->flows_first = f->next;
	if (f->next)
		f->next->prev = f->prev;
	else
		w->flows_last = f->prev;
}

static bool unused(const struct worker *w, const struct flowq *f)
{
	const struct session *s = f->owner;

	return !s->txq.head && w->now_us - f->stood_us > KEEP_US;
}

static void give_back(struct worker *w, struct session *s)
{
	list_remove(w, s->flows);
	rte_mempool_put(w->flowqs, s->flows);
	s->flags &= ~SES_FLOWS;
	memset(&s->codel, 0, sizeof(s->codel));
}

// A session that went silent keeps its own until another asks.
static struct flowq *take(struct worker *w)
{
	struct flowq *f;
	void *obj;

	if (!w->flowqs)
		return NULL;
	for (unsigned int i = 0; rte_mempool_get(w->flowqs, &obj); i++) {
		f = w->flows_first;
		if (!f || i == TAKE_TRIES)
			return NULL;
		if (unused(w, f)) {
			give_back(w, f->owner);
			continue;
		}
		list_remove(w, f);
		list_add(w, f);
	}
	return obj;
}

// ----

// The next packet of the flows to txq, if there is one.
static void pull(struct worker *w, struct session *s)
{
	struct mbuf_queue dropped = {0};
	struct rte_mbuf *m;

	s->flows->slack_us = s->flags & SES_POLICY ? session_policy_slack(w, s) : 0;
	m = flowq_get(s->flows, &dropped, w->now_us);
	if (m)
		mbufq_put(&s->txq, m);
	if (unlikely(dropped.len))
		drop_all(w, s, &dropped);
}

bool session_flows_begin(struct worker *w, struct session *s)
{
	struct flowq *f = take(w);
	struct rte_mbuf *m;

	if (!f)
		return false;
	flowq_init(f, RTE_MAX(s->mtu, QUANTUM_MIN), (uint32_t)w->now_us, w->now_us);
	f->owner = s;
	list_add(w, f);
	s->flows = f;
	s->flags |= SES_FLOWS;
	while ((m = mbufq_get(&s->txq)))
		flowq_put(f, m);
	pull(w, s);
	return true;
}

uint32_t session_txq_len(const struct session *s)
{
	return s->txq.len + (s->flags & SES_FLOWS ? s->flows->len : 0);
}

bool session_flows_shed(struct worker *w, struct session *s)
{
	struct mbuf_queue dropped = {0};

	if (!(s->flags & SES_FLOWS))
		return false;
	flowq_shed(s->flows, &dropped);
	drop_all(w, s, &dropped);
	return true;
}

void session_flows_enqueue(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	w->txq_held++;
	if (!s->txq.head)
		mbufq_put(&s->txq, m);
	else
		flowq_put(s->flows, m);
	if (unlikely(session_txq_len(s) > session_txq_most(w, 1)))
		session_flows_shed(w, s);
	session_want_tx(w, s);
}

void session_flows_next(struct worker *w, struct session *s)
{
	if (s->txq.head)
		return;
	pull(w, s);
	if (!s->txq.head && unused(w, s->flows))
		give_back(w, s);
}

void session_flows_free(struct worker *w, struct session *s)
{
	struct mbuf_queue q = {0};

	flowq_clear(s->flows, &q);
	w->txq_held -= q.len;
	mbufq_free(&q);
	give_back(w, s);
}
