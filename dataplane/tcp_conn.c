// SPDX-License-Identifier: BSD-3-Clause
// Life of a connection: from the free list into the table and back.
#include <errno.h>
#include <string.h>

#include "dataplane/tcp_int.h"

static uint16_t ip_tcp_len(const struct tcp_key *k)
{
	return (ipaddr_is4(&k->remote) ? 20 : 40) + TCP_HDR;
}

uint16_t tcp_adv_mss(const struct tcp_stack *s, const struct tcp_key *k)
{
	return s->cfg.mtu - ip_tcp_len(k);
}

struct tcp_conn *tcp_conn_alloc(
	struct tcp_stack *s, const struct tcp_key *k, uint32_t hash, uint64_t now_us)
{
	uint32_t i, ev_next;
	struct tcp_conn *c;
	bool listed;

	if (!s->nb_free)
		return NULL;
	i = s->free_conns[--s->nb_free];
	c = &s->conns[i];
	// The one before it may still be in the list of events, with none.
	listed = c->flags & TF_EVENT;
	ev_next = c->ev_next;
	memset(c, 0, sizeof(*c));
	c->ev_next = ev_next;
	c->key = *k;
	c->key4 = (struct tcp_key4){k->remote.w[3], k->local.w[3], k->rport, k->lport};
	c->hash = hash;
	c->s = s;
	c->flags = TF_USED | TF_IN_TABLE | (listed ? TF_EVENT : 0) |
		   (ipaddr_is4(&k->remote) ? TF_IP4 : 0);
	tcp_conn_addr_sum(c);
	c->pmtu = s->cfg.mtu;
	// RFC 9293 3.7.1: without an MSS option.
	c->mss_max = ipaddr_is4(&k->remote) ? 536 : 1220;
	c->rcv_wnd_max = tcp_rcv_wnd_initial(s);
	c->rto_us = TCP_INITIAL_RTO_US;
	c->reo_mult = 1;
	c->quick_acks = TCP_QUICK_ACKS;
	c->created_us = c->progress_us = c->last_rx_us = now_us;
	tcp_conn_set_mss(c);
	tcp_table_insert(s, hash, i + 1);
	s->nb_conns++;
	s->nb_conns_max = RTE_MAX(s->nb_conns_max, s->nb_conns);
	return c;
}

static void leave_table(struct tcp_conn *c)
{
	struct tcp_stack *s = c->s;

	if (c->flags & TF_IN_TABLE)
		tcp_table_remove(s, c->hash, (uint32_t)(c - s->conns) + 1);
	if (c->flags & TF_HALF_OPEN)
		s->nb_half_open--;
	c->flags &= ~(uint32_t)(TF_IN_TABLE | TF_HALF_OPEN | TF_TOUCHED | TF_ACK_NOW | TF_DELACK);
	tcp_timers_stop(c);
}

void tcp_conn_mute(struct tcp_conn *c)
{
	c->flags |= TF_MUTE;
	c->events = 0;
}

void tcp_conn_free(struct tcp_conn *c)
{
	struct tcp_stack *s = c->s;

	leave_table(c);
	tcp_conn_mute(c);
	tcp_rcv_drop(c);
	tcp_snd_drop(c);
	c->flags &= TF_EVENT;
	s->free_conns[s->nb_free++] = (uint32_t)(c - s->conns);
	s->nb_conns--;
}

// Into the list: its first event since it was polled.
void tcp_conn_event_first(struct tcp_conn *c)
{
	struct tcp_stack *s = c->s;
	uint32_t i = (uint32_t)(c - s->conns) + 1;

	c->flags |= TF_EVENT;
	c->ev_next = 0;
	__builtin_prefetch(c->user, 1); // the owner is told soon
	if (s->ev_head)
		s->conns[s->ev_tail - 1].ev_next = i;
	else
		s->ev_head = i;
	s->ev_tail = i;
}

void tcp_conn_close(struct tcp_conn *c, int error)
{
	bool unowned =
		c->flags & TF_ORPHAN || (c->state == TCP_SYN_RECEIVED && !(c->flags & TF_ACTIVE));

	if (unowned) {
		tcp_conn_free(c);
		return;
	}
	leave_table(c);
	tcp_snd_drop(c);
	c->state = TCP_CLOSED;
	c->error = error;
	tcp_conn_event(c, TCP_EV_CLOSED);
}

void tcp_conn_reset(struct tcp_conn *c, int error, uint64_t now_us)
{
	tcp_send_rst(c, now_us);
	tcp_conn_close(c, error);
}

static void cc_start(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_stack *s = c->s;
	size_t size = s->cc->state_size;

	if (size) {
		c->cc.priv.p = s->cc_state + size * (size_t)(c - s->conns);
		memset(c->cc.priv.p, 0, size);
		c->flags |= TF_RATE;
	}
	s->cc->init(&c->cc, now_us);
}

void tcp_conn_established(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_stack *s = c->s;
	uint32_t iw;

	if (c->flags & TF_HALF_OPEN) {
		c->flags &= ~(uint32_t)TF_HALF_OPEN;
		s->nb_half_open--;
	}
	// RFC 6928 2; one segment when SYN or SYN-ACK had to be sent more than twice.
	iw = c->retries > 1 ? c->mss : RTE_MIN(10u * c->mss, RTE_MAX(2u * c->mss, 14600u));
	c->cc = (struct tcp_cc_flow){.cwnd = iw, .ssthresh = UINT32_MAX, .mss = c->mss};
	cc_start(c, now_us);
	c->state = c->flags & TF_FIN_QUEUED ? TCP_FIN_WAIT_1 : TCP_ESTABLISHED;
	c->retries = c->backoff = 0;
	c->fack = c->snd_una;
	c->recover = c->snd_una - 1;
	c->flight_round = c->snd_una;
	c->progress_us = now_us;
	if (!(c->flags & TF_RTT))
		c->rto_us = c->rto_us > TCP_INITIAL_RTO_US ? 3 * TCP_INITIAL_RTO_US
							   : TCP_INITIAL_RTO_US;
	tcp_conn_event(c, c->flags & TF_ACTIVE ? TCP_EV_CONNECTED : TCP_EV_ACCEPTED);
	if (!(c->flags & TF_ACTIVE))
		COUNT(s->counters, tcp_passive_open);
	tcp_room_event(c);
	tcp_misc_update(c, now_us);
}

void tcp_conn_set_mss(struct tcp_conn *c)
{
	uint16_t path = c->pmtu - ip_tcp_len(&c->key);
	uint16_t opts = c->flags & TF_TS ? TCP_TS_OPT : 0;

	c->mss = RTE_MAX(RTE_MIN(path, c->mss_max), TCP_MSS_MIN + opts) - opts;
	c->cc.mss = c->mss;
}

// Mark what no longer fits for retransmission in smaller pieces. That is no sign of congestion.
static void mark_oversized(struct tcp_conn *c)
{
	for (struct rte_mbuf *m = c->sq_head; m && m != c->sq_next; m = mbuf_priv(m)->next) {
		struct mbuf_priv *p = mbuf_priv(m);

		if (p->len > c->mss && !(p->flags & SEG_SACKED))
			tcp_mark_lost(c, m);
	}
}

void tcp_conn_set_pmtu(struct tcp_conn *c, uint16_t mtu, uint64_t now_us)
{
	uint16_t least = ipaddr_is4(&c->key.remote) ? TCP_PMTU_MIN4 : TCP_PMTU_MIN6;

	mtu = RTE_MIN(RTE_MAX(mtu, least), c->s->cfg.mtu);
	if (mtu == c->pmtu)
		return;
	c->pmtu_at_us = now_us;
	c->pmtu = mtu;
	tcp_conn_set_mss(c);
	mark_oversized(c);
}
