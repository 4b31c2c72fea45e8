// SPDX-License-Identifier: BSD-3-Clause
// The send queue and everything that leaves a connection.
#include "dataplane/tcp_rate.h"

void tcp_snd_drop(struct tcp_conn *c)
{
	tcp_drop_queue(c->s, &c->sq_head);
	c->sq_tail = c->sq_next = NULL;
	c->flags &= ~(uint32_t)TF_SQ;
	c->sacked_segs = c->sacked_bytes = c->lost_bytes = c->retrans_bytes = c->reno_sacked = 0;
}

// SACK blocks beside len bytes of payload: a D-SACK first (RFC 2883 4). Room for three with
// timestamps, four without; on a segment that would grow too long none, false.
static bool add_sack(struct tcp_conn *c, struct tcp_out *o, uint16_t len)
{
	struct tcp_block b[TCP_MAX_SACK + 1];
	unsigned int n = 0, max = (sizeof(o->opt) - (o->ts ? TCP_TS_OPT : 0) - 4) / 8;
	unsigned int room = c->mss > len ? (c->mss - len) / 4 * 4 : 0;

	if (c->flags & TF_DSACK)
		b[n++] = c->dsack;
	for (uint8_t i = 0; i < c->nb_sack; i++)
		b[n++] = c->sack[i];
	n = RTE_MIN(n, max);
	if (len && room < 4 + 8 * n)
		return false;
	tcp_opt_sack(o, b, n);
	c->flags &= ~(uint32_t)TF_DSACK;
	return true;
}

// tcp_rcv_window() where the window has no room to grow: the peer was offered all of it but less
// than a step.
static inline uint16_t rcv_window(struct tcp_conn *c)
{
	uint32_t offered = c->rcv_adv - c->rcv_nxt, mask = (1u << c->rcv_wscale) - 1;

	if (likely(!(offered & mask) && offered + c->mss > c->rcv_wnd_max &&
		    c->mss <= c->rcv_wnd_max / 2 && offered >> c->rcv_wscale <= UINT16_MAX))
		return (uint16_t)(offered >> c->rcv_wscale);
	return tcp_rcv_window(c);
}

// Everything of a header but what differs from segment to segment of one push. Whatever leaves
// carries the ACK. len: of the payload beside which SACK blocks must find room.
static inline void fill(struct tcp_conn *c, struct tcp_out *o, uint32_t seq, uint8_t flags,
	uint16_t len, uint64_t now_us)
{
	bool complete = true;

	o->seq = seq;
	o->ack = c->rcv_nxt;
	o->flags = flags | TCP_ACK;
	o->optlen = 0;
	o->wnd = rcv_window(c);
	o->ts = c->flags & TF_TS;
	o->tsval = tcp_conn_ts(c, now_us);
	o->tsecr = c->ts_recent;
	if (unlikely(c->flags & (TF_DSACK | TF_OOO)) &&
		(c->flags & TF_DSACK || (c->nb_sack && c->flags & TF_SACK)))
		complete = add_sack(c, o, len);
	c->last_ack_sent = c->rcv_nxt;
	if (complete) {
		c->flags &= ~(uint32_t)(TF_ACK_NOW | TF_DELACK);
		c->delack_segs = 0;
	}
}

void tcp_send_ack(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_out o;

	fill(c, &o, c->snd_nxt, 0, 0, now_us);
	if (tcp_emit_conn_bare(c, &o))
		return;
	// Out of mbufs: once more when the delayed ACK's time has passed.
	c->flags |= TF_DELACK;
	tcp_timer_set(c, TCP_TIMER_DELACK, now_us + c->s->cfg.delack_ms * 1000ull);
}

void tcp_send_probe(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_out o;

	fill(c, &o, c->snd_una - 1, 0, 0, now_us);
	tcp_emit_conn_bare(c, &o);
}

void tcp_send_rst(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_out o;

	fill(c, &o, c->snd_nxt, TCP_RST, 0, now_us);
	o.ts = false;
	o.optlen = 0;
	if (tcp_emit_conn_bare(c, &o))
		COUNT(c->s->counters, tcp_rst_tx);
}

static struct rte_mbuf *copy_payload(struct tcp_conn *c, struct rte_mbuf *m, uint16_t skip)
{
	const struct mbuf_priv *p = mbuf_priv(m);
	struct rte_mbuf *d = rte_pktmbuf_alloc(c->s->cfg.pool);
	char *to = d ? rte_pktmbuf_append(d, p->len - skip) : NULL;

	if (!to) {
		COUNT(c->s->counters, mbuf_alloc_failed);
		rte_pktmbuf_free(d);
		return NULL;
	}
	rte_memcpy(to, (const char *)m->buf_addr + p->off + skip, p->len - skip);
	return d;
}

// The queue's own mbuf by reference when no driver holds it any more, else a copy. NULL: no memory.
static inline struct rte_mbuf *sendable_mbuf(struct tcp_conn *c, struct rte_mbuf *m)
{
	const struct mbuf_priv *p = mbuf_priv(m);

	if (unlikely(rte_mbuf_refcnt_read(m) != 1))
		return copy_payload(c, m, 0);
	rte_mbuf_refcnt_set(m, 2);
	m->data_off = p->off;
	m->data_len = p->len;
	return m;
}

// Hand one segment to the output. o: filled for this connection and moment; its SACK blocks, if
// any, were made for this segment. False: no memory, nothing went out.
static inline bool xmit(struct tcp_conn *c, struct rte_mbuf *m, struct tcp_out *o, uint64_t now_us)
{
	struct mbuf_priv *p = mbuf_priv(m);

	m = sendable_mbuf(c, m);
	if (unlikely(!m)) {
		c->flags |= TF_ACK_NOW; // filling o took it for sent
		return false;
	}
	o->seq = p->seq;
	o->flags = TCP_ACK | TCP_PSH;
	if (unlikely(c->flags & TF_FIN_QUEUED) && !p->next && seg_end(p) == c->snd_end)
		o->flags |= TCP_FIN;
	tcp_emit_conn(c, m, o);
	p->sent_us = now_us;
	if (unlikely(c->cc.pace))
		tcp_pace_sent(c, p->len, now_us);
	if (unlikely(c->recovery == TCP_RECOVERY))
		c->prr_out += p->len;
	if (o->flags & TCP_FIN && !(c->flags & TF_FIN_SENT)) {
		c->flags |= TF_FIN_SENT;
		c->snd_nxt++;
	}
	return true;
}

// Cut m behind len bytes: the rest becomes a segment of its own behind it. False: no memory.
static bool split(struct tcp_conn *c, struct rte_mbuf *m, uint16_t len)
{
	struct mbuf_priv *p = mbuf_priv(m), *q;
	struct rte_mbuf *d = copy_payload(c, m, len);

	if (!d)
		return false;
	q = mbuf_priv(d);
	*q = *p;
	q->seq = p->seq + len;
	q->off = d->data_off;
	q->len = d->data_len;
	p->len = len;
	p->next = d;
	if (c->sq_tail == m)
		c->sq_tail = d;
	c->s->mbufs_held++;
	return true;
}

bool tcp_retransmit(struct tcp_conn *c, struct rte_mbuf *m, uint64_t now_us)
{
	struct mbuf_priv *p = mbuf_priv(m);
	struct tcp_out o;

	if (p->len > c->mss && !split(c, m, c->mss))
		return false;
	fill(c, &o, p->seq, 0, p->len, now_us);
	if (!xmit(c, m, &o, now_us))
		return false;
	if (!(p->flags & SEG_RETRANS))
		c->retrans_bytes += p->len;
	p->flags |= SEG_RETRANS | SEG_EVER;
	if (p->retransmits < UINT16_MAX)
		p->retransmits++;
	c->retransmits++;
	COUNT(c->s->counters, tcp_retransmits);
	if (m == c->sq_head)
		c->rto_base_us = now_us;
	return true;
}

void tcp_retransmit_fin(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_out o;

	fill(c, &o, c->snd_nxt - 1, TCP_FIN, 0, now_us);
	if (!tcp_emit_conn_bare(c, &o))
		return;
	c->retransmits++;
	COUNT(c->s->counters, tcp_retransmits);
}

// RFC 6675 5, NextSeg rule 1: what is lost and not yet sent again, lowest first. False: some of it
// has to wait, and so has new data.
static bool send_lost(struct tcp_conn *c, uint64_t now_us)
{
	uint32_t edge = c->snd_una + c->snd_wnd;

	for (struct rte_mbuf *m = c->sq_head; m && m != c->sq_next; m = mbuf_priv(m)->next) {
		struct mbuf_priv *p = mbuf_priv(m);
		uint32_t flight = tcp_in_flight(c);

		if ((p->flags & (SEG_LOST | SEG_RETRANS)) != SEG_LOST)
			continue;
		if (flight && flight + RTE_MIN(p->len, c->mss) > c->cc.cwnd)
			return false;
		if (c->cc.pace && flight && !tcp_pace_room(c, now_us))
			return false;
		// A window that was taken back: only the first segment, which serves as a probe.
		if (m != c->sq_head && seq_lt(edge, p->seq + RTE_MIN(p->len, c->mss)))
			return false;
		if (!tcp_retransmit(c, m, now_us))
			return false;
	}
	return true;
}

// A segment never sent before. snd_nxt moves before xmit() may add a FIN's number to it.
static inline bool send_one(
	struct tcp_conn *c, struct rte_mbuf *m, struct tcp_out *o, uint64_t now_us)
{
	struct mbuf_priv *p = mbuf_priv(m);
	uint32_t nxt = c->snd_nxt;

	c->snd_nxt += p->len;
	if (unlikely(!xmit(c, m, o, now_us))) {
		c->snd_nxt = nxt;
		return false;
	}
	if (nxt == c->snd_una) { // the clocks start
		c->rto_base_us = now_us;
		c->progress_us = now_us;
	}
	c->tlp_base_us = now_us;
	c->sq_next = p->next;
	return true;
}

static bool send_alone(struct tcp_conn *c, struct rte_mbuf *m, uint64_t now_us)
{
	struct tcp_out o;

	fill(c, &o, 0, 0, mbuf_priv(m)->len, now_us);
	return send_one(c, m, &o, now_us);
}

// Of an unsent segment, how much the peer's window lets go (RFC 9293 3.8.6.2.1): all of it, or a
// piece of at least half the largest window ever offered. 0: wait.
static uint16_t sendable(const struct tcp_conn *c, const struct mbuf_priv *p)
{
	int32_t wnd = (int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt);
	uint16_t len = RTE_MIN(p->len, c->mss);

	if (wnd >= len)
		return len;
	if (wnd > 0 && (uint32_t)wnd >= c->max_snd_wnd / 2)
		return (uint16_t)wnd;
	return 0;
}

static void send_new(struct tcp_conn *c, uint64_t now_us)
{
	struct rte_mbuf *m = c->sq_next;
	bool filled = false;
	struct tcp_out o;

	for (; m; m = c->sq_next) {
		struct mbuf_priv *p = mbuf_priv(m);
		uint32_t flight = tcp_in_flight(c);
		uint16_t len = sendable(c, p);

		if (!len || (flight && flight + len > c->cc.cwnd))
			return;
		if (unlikely(c->cc.pace) && flight && !tcp_pace_room(c, now_us))
			return;
		if (unlikely(len < p->len) && !split(c, m, len))
			return;
		// One header does for all, unless it has SACK blocks.
		if (!filled || unlikely(c->flags & (TF_DSACK | TF_OOO)))
			fill(c, &o, 0, 0, len, now_us);
		filled = true;
		if (!send_one(c, m, &o, now_us))
			return;
	}
}

static void send_fin(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_out o;

	if ((c->flags & (TF_FIN_QUEUED | TF_FIN_SENT)) != TF_FIN_QUEUED || c->sq_next)
		return;
	if (!seq_lt(c->snd_nxt, c->snd_una + c->snd_wnd))
		return;
	fill(c, &o, c->snd_nxt, TCP_FIN, 0, now_us);
	if (!tcp_emit_conn_bare(c, &o))
		return;
	if (c->snd_nxt == c->snd_una) {
		c->rto_base_us = now_us;
		c->progress_us = now_us;
	}
	c->tlp_base_us = now_us;
	c->flags |= TF_FIN_SENT;
	c->snd_nxt++;
}

// After a pause the window says nothing about the path any more (RFC 5681 4.1), and a lowered path
// MTU is tried again after ten minutes (RFC 1191 6.3).
static void check_stale(struct tcp_conn *c, uint64_t now_us)
{
	uint32_t restart;

	if (likely(now_us - c->tlp_base_us <= c->rto_us))
		return;
	if (c->pmtu < c->s->cfg.mtu && now_us - c->pmtu_at_us > TCP_PMTU_RAISE_US) {
		c->pmtu = c->s->cfg.mtu;
		tcp_conn_set_mss(c);
	}
	restart = RTE_MIN(10u * c->mss, RTE_MAX(2u * c->mss, 14600u));
	if (c->cc.cwnd <= restart || c->flags & TF_RATE)
		return;
	c->cc.ssthresh = RTE_MAX(c->cc.ssthresh, c->cc.cwnd - c->cc.cwnd / 4);
	c->cc.cwnd = restart;
	c->s->cc->restart(&c->cc, now_us);
}

// The largest flight of this round trip and the last tell whether the window is what limits.
static void note_flight(struct tcp_conn *c)
{
	if (seq_lt(c->flight_round, c->snd_una)) {
		c->flight_prev = c->flight_max;
		c->flight_max = 0;
		c->flight_round = c->snd_nxt;
	}
	c->flight_max = RTE_MAX(c->flight_max, tcp_in_flight(c));
}

static __rte_noinline void output_all(struct tcp_conn *c, uint64_t now_us)
{
	uint32_t nxt;

	if (c->snd_nxt == c->snd_una && c->sq_next)
		check_stale(c, now_us);
	nxt = c->snd_nxt;
	if ((!c->lost_bytes || send_lost(c, now_us)) && c->sq_next)
		send_new(c, now_us);
	if (c->flags & TF_RATE && c->snd_nxt != nxt)
		tcp_rate_sent(c, now_us);
	if (c->flags & TF_FIN_QUEUED)
		send_fin(c, now_us);
	if (!(c->flags & TF_RATE))
		note_flight(c);
	if (c->flags & TF_ACK_NOW)
		tcp_send_ack(c, now_us);
	if (!tcp_rtx_stays(c, now_us))
		tcp_rtx_update(c, now_us);
}

// Who only receives has no more to look at than whether an ACK is owed. Nor has who only sends,
// when it is answered and the timer may stay.
static inline bool nothing_to_send(const struct tcp_conn *c, uint64_t now_us)
{
	if (!(c->flags & (TF_SQ | TF_FIN_QUEUED)) && c->rtx_mode == TCP_RTX_OFF)
		return true;
	return !c->sq_next && c->flags & TF_RATE && tcp_rtx_stays(c, now_us);
}

void tcp_output(struct tcp_conn *c, uint64_t now_us)
{
	if (unlikely(!tcp_synchronized(c)))
		return;
	if (!nothing_to_send(c, now_us))
		output_all(c, now_us);
	else if (c->flags & TF_ACK_NOW)
		tcp_send_ack(c, now_us);
}

// The last segment that was sent and is not acknowledged, or NULL.
static struct rte_mbuf *last_sent(const struct tcp_conn *c)
{
	struct rte_mbuf *last = NULL;

	for (struct rte_mbuf *m = c->sq_head; m && m != c->sq_next; m = mbuf_priv(m)->next)
		last = m;
	return last;
}

// RFC 8985 7.3: one new segment if the peer's window has room, whatever the congestion window says;
// else the last one once more.
bool tcp_send_tlp(struct tcp_conn *c, uint64_t now_us)
{
	struct rte_mbuf *m = c->sq_next;
	bool retrans = true;

	if (m) {
		uint16_t len = sendable(c, mbuf_priv(m));

		if (len && (len == mbuf_priv(m)->len || split(c, m, len)) &&
			send_alone(c, m, now_us))
			retrans = false;
	}
	m = retrans ? last_sent(c) : NULL;
	if (m) {
		if (!tcp_retransmit(c, m, now_us))
			return false;
	} else if (retrans) {
		if (!(c->flags & TF_FIN_SENT))
			return false;
		tcp_retransmit_fin(c, now_us);
	}
	c->flags |= TF_TLP | (retrans ? TF_TLP_RETRANS : 0);
	c->tlp_end_seq = c->snd_nxt;
	return true;
}

// The override timeout of RFC 9293 3.8.6.2.1: the window is open, but for less than a segment.
bool tcp_send_override(struct tcp_conn *c, uint64_t now_us)
{
	int32_t wnd = (int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt);
	struct rte_mbuf *m = c->sq_next;

	if (wnd <= 0 || !m)
		return false;
	if (wnd < mbuf_priv(m)->len && !split(c, m, (uint16_t)RTE_MIN(wnd, (int32_t)c->mss)))
		return false;
	if (mbuf_priv(m)->len > c->mss && !split(c, m, c->mss))
		return false;
	return send_alone(c, m, now_us);
}
