// SPDX-License-Identifier: BSD-3-Clause
// TIME-WAIT: a small entry instead of a connection, in order of age; when all are taken the oldest
// goes.
#include <errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "dataplane/tcp_int.h"

int tcp_tw_create(struct tcp_stack *s)
{
	uint32_t n = s->cfg.max_time_wait;

	s->tw_first = s->tw_last = TCP_NIL;
	s->tw = rte_zmalloc_socket("tcp_tw", RTE_MAX(n, 1u) * sizeof(*s->tw), RTE_CACHE_LINE_SIZE,
		(int)rte_socket_id());
	s->free_tw = rte_zmalloc_socket("tcp_free_tw", RTE_MAX(n, 1u) * sizeof(*s->free_tw),
		RTE_CACHE_LINE_SIZE, (int)rte_socket_id());
	if (!s->tw || !s->free_tw)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		s->free_tw[i] = n - 1 - i;
	s->nb_free_tw = n;
	return 0;
}

static void age_unlink(struct tcp_stack *s, struct tcp_tw *t)
{
	if (t->prev != TCP_NIL)
		s->tw[t->prev].next = t->next;
	else
		s->tw_first = t->next;
	if (t->next != TCP_NIL)
		s->tw[t->next].prev = t->prev;
	else
		s->tw_last = t->prev;
}

// All wait equally long, so the youngest expires last.
static void age_append(struct tcp_stack *s, struct tcp_tw *t, uint64_t now_us)
{
	uint32_t i = (uint32_t)(t - s->tw);

	t->expires_us = now_us + s->cfg.time_wait_ms * 1000ull;
	t->prev = s->tw_last;
	t->next = TCP_NIL;
	if (s->tw_last != TCP_NIL)
		s->tw[s->tw_last].next = i;
	else
		s->tw_first = i;
	s->tw_last = i;
}

static void tw_free(struct tcp_stack *s, uint32_t i)
{
	tcp_table_remove(s, s->tw[i].hash, TCP_REF_TW | (i + 1));
	age_unlink(s, &s->tw[i]);
	s->free_tw[s->nb_free_tw++] = i;
	s->nb_tw--;
}

void tcp_tw_enter(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_stack *s = c->s;
	struct tcp_tw t = {
		.key = c->key,
		.hash = c->hash,
		.snd_nxt = c->snd_nxt,
		.rcv_nxt = c->rcv_nxt,
		.rcv_wnd = c->rcv_adv - c->rcv_nxt,
		.ts_recent = c->ts_recent,
		.ts_offset = c->ts_offset,
		.ts = c->flags & TF_TS,
		.rcv_wscale = c->rcv_wscale,
	};
	uint32_t i;

	if (c->flags & TF_ACK_NOW)
		tcp_send_ack(c, now_us);
	tcp_conn_close(c, 0); // c may be gone
	if (!s->cfg.max_time_wait)
		return;
	if (!s->nb_free_tw)
		tw_free(s, s->tw_first);
	i = s->free_tw[--s->nb_free_tw];
	s->tw[i] = t;
	age_append(s, &s->tw[i], now_us);
	tcp_table_insert(s, t.hash, TCP_REF_TW | (i + 1));
	s->nb_tw++;
}

static void tw_ack(struct tcp_stack *s, const struct tcp_tw *t, uint64_t now_us)
{
	struct tcp_out o = {
		.seq = t->snd_nxt,
		.ack = t->rcv_nxt,
		.flags = TCP_ACK,
		.wnd = (uint16_t)RTE_MIN(t->rcv_wnd >> t->rcv_wscale, (uint32_t)UINT16_MAX),
	};

	if (t->ts)
		tcp_opt_ts(&o, tcp_now_ms(now_us) + t->ts_offset, t->ts_recent);
	tcp_emit_bare(s, &t->key, &o);
}

bool tcp_tw_segment(
	struct tcp_stack *s, uint32_t i, struct tcp_seg *seg, uint32_t *min_iss, uint64_t now_us)
{
	struct tcp_tw *t = &s->tw[i];

	// RFC 1337: no assassination. But a peer that answers our ACK of its SYN with RST knows
	// nothing of the old connection, and would be locked out until this ends.
	if (seg->flags & TCP_RST) {
		if (t->challenged && seg->seq == t->rcv_nxt)
			tw_free(s, i);
		return false;
	}
	if ((seg->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		// RFC 6191 2, RFC 9293 3.10.7.4: a new incarnation, if it is surely newer.
		bool newer = t->ts && seg->has_ts ? seq_lt(t->ts_recent, seg->tsval) ||
							    (t->ts_recent == seg->tsval &&
								    seq_lt(t->rcv_nxt, seg->seq))
						  : seq_lt(t->rcv_nxt, seg->seq);

		if (newer) {
			*min_iss = t->snd_nxt + 65536;
			tw_free(s, i);
			return true;
		}
		t->challenged = true;
		tw_ack(s, t, now_us);
		return false;
	}
	// A retransmitted FIN is acknowledged and starts the wait anew; empty segments are never
	// answered, so that two ends cannot keep each other busy.
	if (t->ts && seg->has_ts && seq_lt(seg->tsval, t->ts_recent)) {
		COUNT(s->counters, tcp_rx_paws);
		return false;
	}
	if (!seg->len && !(seg->flags & (TCP_FIN | TCP_SYN)))
		return false;
	tw_ack(s, t, now_us);
	if (seg->flags & TCP_FIN && seg->seq + seg->len + 1 == t->rcv_nxt) {
		age_unlink(s, t);
		age_append(s, t, now_us);
	}
	return false;
}

uint64_t tcp_tw_expire(struct tcp_stack *s, uint64_t now_us)
{
	while (s->tw_first != TCP_NIL && s->tw[s->tw_first].expires_us <= now_us)
		tw_free(s, s->tw_first);
	return s->tw_first == TCP_NIL ? UINT64_MAX : s->tw[s->tw_first].expires_us;
}
