// SPDX-License-Identifier: BSD-3-Clause
// The owner's side of a connection: reading, writing, closing.
#include <errno.h>

#include "dataplane/tcp_rate.h"

void *tcp_conn_user(const struct tcp_conn *c)
{
	return c->user;
}

void tcp_conn_set_user(struct tcp_conn *c, void *user)
{
	c->user = user;
}

int tcp_conn_error(const struct tcp_conn *c)
{
	return c->error;
}

uint32_t tcp_rx_avail(const struct tcp_conn *c)
{
	return c->rx_bytes;
}

uint16_t tcp_peek(
	struct tcp_conn *c, uint32_t skip, struct tcp_slice *sl, uint16_t max, uint32_t *bytes)
{
	uint16_t n = 0;

	*bytes = 0;
	for (struct rte_mbuf *m = c->rx_head; m && n < max; m = mbuf_priv(m)->next) {
		const struct mbuf_priv *p = mbuf_priv(m);

		if (skip >= p->len) {
			skip -= p->len;
			continue;
		}
		sl[n].p = (uint8_t *)m->buf_addr + p->off + skip;
		sl[n].len = p->len - skip;
		sl[n].m = m;
		*bytes += sl[n++].len;
		skip = 0;
	}
	return n;
}

// Tell the peer when the window opened enough to matter (RFC 9293 3.8.6.2.2), else the next ACK
// will.
static void window_update(struct tcp_conn *c, uint64_t now_us)
{
	uint32_t max = c->rcv_wnd_max;
	uint32_t matters = RTE_MAX(RTE_MIN((uint32_t)c->mss, max / 2), max / 4);

	if (!tcp_synchronized(c) || c->flags & TF_FIN_RCVD)
		return;
	if (seq_lt(tcp_rcv_edge(c), c->rcv_adv + RTE_MAX(matters, 1u)))
		return;
	tcp_send_ack(c, now_us);
	tcp_flush(c->s);
}

void tcp_consume(struct tcp_conn *c, uint32_t n, uint64_t now_us)
{
	struct rte_mbuf *m = c->rx_head;
	struct tcp_stack *s = c->s;

	n = RTE_MIN(n, c->rx_bytes);
	c->rx_bytes -= n;
	while (n) {
		struct mbuf_priv *p = mbuf_priv(m);
		struct rte_mbuf *next = p->next;

		if (n < p->len) {
			p->seq += n;
			p->off += (uint16_t)n;
			p->len -= (uint16_t)n;
			break;
		}
		n -= p->len;
		c->rx_mbufs--;
		s->mbufs_held--;
		if (!(p->flags & SEG_KEPT))
			tcp_free_later(s, m);
		m = next;
	}
	c->rx_head = m;
	if (!m)
		c->rx_tail = NULL;
	window_update(c, now_us);
}

void tcp_keep(struct rte_mbuf *m)
{
	mbuf_priv(m)->flags |= SEG_KEPT;
}

void tcp_unkeep(struct rte_mbuf *m)
{
	mbuf_priv(m)->flags &= (uint16_t)~SEG_KEPT;
}

void tcp_discard(struct tcp_conn *c, uint64_t now_us)
{
	for (struct rte_mbuf *m = c->rx_head; m; m = mbuf_priv(m)->next)
		tcp_unkeep(m);
	tcp_consume(c, c->rx_bytes, now_us);
}

// Ready to send from where it lies: alone, in one piece, with room for the headers in front.
static bool sendable_in_place(const struct rte_mbuf *m)
{
	return m->nb_segs == 1 && rte_mbuf_refcnt_read(m) == 1 && m->data_off >= TCP_HEADROOM;
}

static void sq_append(struct tcp_conn *c, struct rte_mbuf *m)
{
	struct mbuf_priv *p = mbuf_priv(m);

	p->next = NULL;
	p->seq = c->snd_end;
	p->off = m->data_off;
	p->len = m->data_len;
	p->flags = p->retransmits = 0;
	c->snd_end += p->len;
	if (unlikely(c->snd_end < p->len))
		c->snd_wraps++;
	c->flags |= TF_SQ;
	if (c->sq_tail)
		mbuf_priv(c->sq_tail)->next = m;
	else
		c->sq_head = m;
	c->sq_tail = m;
	if (!c->sq_next)
		c->sq_next = m;
	c->s->mbufs_held++;
}

// Cut m into segments by copying. All or nothing.
static int send_copies(struct tcp_conn *c, struct rte_mbuf *m)
{
	uint32_t len = m->pkt_len, n = (len + c->mss - 1) / c->mss;
	struct rte_mempool *pool = c->s->cfg.pool;
	struct rte_mbuf *list = NULL, **tail = &list, *next;
	uint32_t at = 0;

	if (tcp_mem_full_snd(c->s, n)) {
		COUNT(c->s->counters, tcp_memory_full);
		return -ENOBUFS;
	}
	while (at < len) {
		uint16_t part = (uint16_t)RTE_MIN(len - at, (uint32_t)c->mss);
		struct rte_mbuf *d = rte_pktmbuf_alloc(pool);
		const void *src;
		char *dst;

		if (!d)
			goto nomem;
		mbuf_priv(d)->next = NULL;
		*tail = d;
		tail = &mbuf_priv(d)->next;
		dst = rte_pktmbuf_append(d, part);
		if (!dst)
			goto nomem;
		src = rte_pktmbuf_read(m, at, part, dst);
		if (src != dst)
			rte_memcpy(dst, src, part);
		at += part;
	}
	for (; list; list = next) {
		next = mbuf_priv(list)->next;
		sq_append(c, list);
	}
	return 0;
nomem:
	COUNT(c->s->counters, mbuf_alloc_failed);
	for (; list; list = next) {
		next = mbuf_priv(list)->next;
		rte_pktmbuf_free(list);
	}
	return -ENOBUFS;
}

static int send_check(const struct tcp_conn *c, uint32_t len)
{
	if (c->state == TCP_CLOSED || c->flags & TF_FIN_QUEUED)
		return -EPIPE;
	if ((uint64_t)tcp_tx_queued(c) + len > c->s->cfg.snd_buf_max)
		return -ENOBUFS;
	if (tcp_mem_full_snd(c->s, 1)) {
		COUNT(c->s->counters, tcp_memory_full);
		return -ENOBUFS;
	}
	return 0;
}

// rc: what send_check() said. Consumes m.
static __rte_noinline int send_slow(struct tcp_conn *c, struct rte_mbuf *m, int rc)
{
	if (!rc && m->pkt_len)
		rc = send_copies(c, m);
	rte_pktmbuf_free(m);
	return rc;
}

int tcp_send(struct tcp_conn *c, struct rte_mbuf *m, uint64_t now_us)
{
	int rc = send_check(c, m->pkt_len);

	if (unlikely(rc || !m->pkt_len || !sendable_in_place(m) || m->data_len > c->mss))
		return send_slow(c, m, rc);
	sq_append(c, m);
	return 0;
}

void tcp_push_burst(struct tcp_conn *c, uint64_t now_us)
{
	if (likely(tcp_synchronized(c)))
		tcp_output(c, now_us);
}

void tcp_push(struct tcp_conn *c, uint64_t now_us)
{
	tcp_push_burst(c, now_us);
	tcp_flush(c->s);
}

uint32_t tcp_tx_queued(const struct tcp_conn *c)
{
	if (!(c->flags & TF_SQ))
		return 0;
	return c->snd_end - c->snd_una - (c->state < TCP_ESTABLISHED); // less the SYN
}

// What the congestion window and the peer's leave free.
static inline uint32_t windows_room(const struct tcp_conn *c, uint32_t flight)
{
	int32_t wnd = (int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt);
	uint32_t room;

	if (wnd <= 0 || c->cc.cwnd <= flight)
		return 0;
	room = c->cc.cwnd - flight;
	if (room > (uint32_t)wnd)
		room = (uint32_t)wnd;
	if (unlikely(c->cc.pace) && flight)
		room = RTE_MIN(room, tcp_pace_room(c, c->s->now_us));
	return room;
}

// The same, less what waits already, within the buffer.
static inline uint32_t free_room(const struct tcp_conn *c, uint32_t want)
{
	uint32_t max = c->s->cfg.snd_buf_max, unsent, queued, room;

	if (!tcp_synchronized(c) || c->flags & TF_FIN_QUEUED)
		return 0;
	if (!c->sq_next && c->snd_nxt == c->snd_una) {
		// With nothing on its way one segment or record is always welcome: it makes window
		// probes go, and a record over the MSS must not wait for ever.
		room = windows_room(c, 0);
		if (room < c->mss)
			room = c->mss;
		want = RTE_MIN(want, (uint32_t)MBUF_DATA_ROOM);
		if (room < want)
			room = want;
	} else {
		unsent = c->sq_next ? c->snd_end - c->snd_nxt : 0;
		room = windows_room(c, tcp_in_flight(c));
		room = room > unsent ? room - unsent : 0;
	}
	queued = tcp_tx_queued(c);
	if (unlikely(max < queued || room > max - queued))
		room = max < queued ? 0 : max - queued;
	return room;
}

uint32_t tcp_tx_room(struct tcp_conn *c, uint32_t want)
{
	uint32_t room = free_room(c, want);

	if (c->sq_tail) // what comes will be linked behind it
		__builtin_prefetch(mbuf_priv(c->sq_tail), 1);
	if (c->flags & TF_RATE)
		__builtin_prefetch(c->cc.priv.p, 1);
	if (!room || room < want) {
		c->flags |= TF_ROOM_ASKED;
		c->room_told = room;
		if (unlikely(c->cc.pace))
			tcp_rtx_update(c, c->s->now_us);
	}
	return room;
}

void tcp_room_event(struct tcp_conn *c)
{
	bool idle = !c->sq_next && c->snd_nxt == c->snd_una;
	uint32_t room;

	if (!(c->flags & TF_ROOM_ASKED))
		return;
	room = free_room(c, 0);
	// A few bytes more are not worth waking up for while an ACK is still to come; with nothing
	// under way no other will, and one record may always go.
	if (!idle && (room <= c->room_told || room < c->mss))
		return;
	c->flags &= ~(uint32_t)TF_ROOM_ASKED;
	tcp_conn_event(c, TCP_EV_WRITABLE);
}

uint16_t tcp_snd_mss(const struct tcp_conn *c)
{
	return c->mss;
}

void tcp_set_rcv_wnd(struct tcp_conn *c, uint32_t bytes)
{
	c->rcv_wnd_max = RTE_MAX(c->rcv_wnd_max, RTE_MIN(bytes, c->s->cfg.rcv_wnd_max));
}

void tcp_shutdown(struct tcp_conn *c, uint64_t now_us)
{
	if (c->flags & TF_FIN_QUEUED)
		return;
	switch (c->state) {
	case TCP_SYN_SENT: // 3.10.4: delete the TCB
		tcp_conn_close(c, 0);
		return;
	case TCP_SYN_RECEIVED: // simultaneous open: goes on when established
		c->flags |= TF_FIN_QUEUED;
		return;
	case TCP_ESTABLISHED:
		c->state = TCP_FIN_WAIT_1;
		break;
	case TCP_CLOSE_WAIT:
		c->state = TCP_LAST_ACK;
		break;
	default:
		return;
	}
	c->flags |= TF_FIN_QUEUED;
	tcp_output(c, now_us);
	tcp_flush(c->s);
}

void tcp_abort(struct tcp_conn *c, uint64_t now_us)
{
	tcp_conn_mute(c);
	if (c->state == TCP_CLOSED)
		return;
	if (c->state >= TCP_SYN_RECEIVED)
		tcp_send_rst(c, now_us);
	tcp_flush(c->s);
	tcp_conn_close(c, 0);
}

void tcp_release(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_stack *s = c->s;

	tcp_conn_mute(c);
	c->flags |= TF_ORPHAN;
	c->user = NULL;
	if (c->state == TCP_CLOSED || c->state == TCP_SYN_SENT) {
		tcp_conn_free(c);
		return;
	}
	// RFC 9293 3.10.4, RFC 1122 4.2.2.13: what was never read makes it an abort.
	if (c->rx_bytes || c->ooo_segs) {
		tcp_conn_reset(c, 0, now_us);
		tcp_flush(s);
		return;
	}
	tcp_shutdown(c, now_us);
	tcp_misc_update(c, now_us);
}

// Bytes between the initial sequence number and seq, which passed zero so many times.
static uint64_t stream_bytes(uint32_t isn, uint32_t seq, uint16_t wraps)
{
	uint64_t n = ((uint64_t)wraps << 32) + seq - isn;

	return n ? n - 1 : 0; // less the SYN
}

static const char *const state_names[] = {
#define X(name, text) text,
	TCP_STATE_LIST(X)
#undef X
};

void tcp_conn_info(const struct tcp_conn *c, struct tcp_info *i)
{
	uint64_t in = stream_bytes(c->irs, c->rcv_nxt, c->rcv_wraps);
	uint64_t out = stream_bytes(c->iss, c->snd_end, c->snd_wraps);

	if (c->flags & TF_FIN_RCVD)
		in--;
	if (c->sq_next)
		out -= c->snd_end - c->snd_nxt;

	*i = (struct tcp_info){
		.local = c->key.local,
		.remote = c->key.remote,
		.lport = c->key.lport,
		.rport = c->key.rport,
		.srtt_us = c->srtt_us,
		.rttvar_us = c->rttvar_us,
		.rto_us = c->rto_us,
		.cwnd = c->cc.cwnd,
		.ssthresh = c->cc.ssthresh,
		.snd_wnd = c->snd_wnd,
		.rcv_wnd = c->rcv_adv - c->rcv_nxt,
		.mss = c->mss,
		.bytes_in = in,
		.bytes_out = out,
		.retransmits = c->retransmits,
		.state = state_names[c->state],
	};
}
