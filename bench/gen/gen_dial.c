// SPDX-License-Identifier: BSD-3-Clause
// Who is dialed and hung up when.
#include <errno.h>

#include "bench/gen/gen_int.h"

#define CLOSING_MAX 512 // hang-ups in progress at once
#define AT_ONCE 64      // dialed and hung up in one turn

static void queue_put(struct gen_list *q, struct gen_session *s)
{
	s->queue_next = NULL;
	if (q->tail)
		q->tail->queue_next = s;
	else
		q->head = s;
	q->tail = s;
}

static struct gen_session *queue_get(struct gen_list *q)
{
	struct gen_session *s = q->head;

	q->head = s->queue_next;
	if (!q->head)
		q->tail = NULL;
	return s;
}

static void dial(struct gen_session *s)
{
	struct gen *g = s->g;
	uint32_t addr = g->c.client_addr + (g->c.first + gen_index(s)) % g->c.nb_client;
	struct ipaddr local = ipaddr_from4(rte_cpu_to_be_32(addr));
	struct ipaddr remote = ipaddr_from4(rte_cpu_to_be_32(g->c.server_addr));

	g->st.dialed++;
	s->dialed_us = g->now_us;
	gen_state(s, GEN_STATE_DIALING);
	s->conn = tcp_connect(g->tcp, &local, 0, &remote, g->c.server_port, s, g->now_us);
	if (!s->conn)
		gen_dial_failed(s, "local", errno);
}

static void hang_up(struct gen_session *s)
{
	struct gen *g = s->g;

	if (s->call) {
		call_hangup(s->call, g->now_us / 1000);
		gen_call_settle(s);
	} else if (s->state == GEN_STATE_DIALING) {
		tcp_abort(s->conn, g->now_us);
		gen_release(s);
	}
}

static void dial_some(struct gen *g)
{
	unsigned int n = RTE_MIN(g->nb_dialq, (unsigned int)AT_ONCE), dialed = 0;

	if (!n || !g->arp.done || g->nb_state[GEN_STATE_DIALING] >= g->concurrent)
		return;
	n = RTE_MIN(n, g->concurrent - g->nb_state[GEN_STATE_DIALING]);
	n = pace_take(&g->dial_pace, 1, n, g->now_us);
	for (unsigned int k = 0; k < n; k++) {
		struct gen_session *s = queue_get(&g->dialq);

		g->nb_dialq--;
		if (s->flags & GENF_WANT && s->state == GEN_STATE_CLOSING) {
			queue_put(&g->dialq, s); // it will have ended soon
			g->nb_dialq++;
			continue;
		}
		s->flags &= (uint16_t)~GENF_DIALQ;
		if (!(s->flags & GENF_WANT))
			continue;
		s->flags &= (uint16_t)~GENF_WANT;
		dial(s);
		dialed++;
	}
	g->work += dialed;
	if (g->dial_pace.rate > 0)
		pace_back(&g->dial_pace, n - dialed);
}

static void hang_some(struct gen *g)
{
	unsigned int n = AT_ONCE, k = 0;

	if (!g->hangq.head)
		return;
	n = pace_take(&g->hang_pace, 1, n, g->now_us);
	while (k < n && g->hangq.head && g->nb_state[GEN_STATE_CLOSING] < CLOSING_MAX) {
		struct gen_session *s = queue_get(&g->hangq);

		s->flags &= (uint16_t)~GENF_HANGQ;
		hang_up(s);
		k++;
	}
	g->work += k;
	if (g->hang_pace.rate > 0)
		pace_back(&g->hang_pace, n - k);
}

void gen_calls_run(struct gen *g)
{
	dial_some(g);
	hang_some(g);
	wheel_advance(g->wheel, g->now_us, 256, gen_timer, g);
}

void gen_dial(struct gen *g, unsigned int first, unsigned int n, unsigned int concurrent,
	double rate, uint64_t now_us)
{
	g->now_us = now_us;
	if (rate != g->dial_pace.rate || !g->nb_dialq)
		pace_start(&g->dial_pace, rate, now_us);
	g->concurrent = concurrent ? concurrent : 1;
	for (unsigned int i = first; i < g->c.sessions && i - first < n; i++) {
		struct gen_session *s = &g->sessions[i];

		if (s->state == GEN_STATE_DIALING || s->state == GEN_STATE_UP)
			continue;
		s->flags |= GENF_WANT;
		if (s->flags & (GENF_DIALQ | GENF_HANGQ))
			continue;
		s->flags |= GENF_DIALQ;
		queue_put(&g->dialq, s);
		g->nb_dialq++;
	}
}

void gen_hangup(struct gen *g, unsigned int first, unsigned int n, double rate, uint64_t now_us)
{
	g->now_us = now_us;
	if (rate != g->hang_pace.rate || !g->hangq.head)
		pace_start(&g->hang_pace, rate, now_us);
	for (unsigned int i = first; i < g->c.sessions && i - first < n; i++) {
		struct gen_session *s = &g->sessions[i];

		s->flags &= (uint16_t)~GENF_WANT;
		if ((s->state != GEN_STATE_DIALING && s->state != GEN_STATE_UP) ||
			s->flags & (GENF_DIALQ | GENF_HANGQ))
			continue;
		s->flags |= GENF_HANGQ;
		queue_put(&g->hangq, s);
	}
}
