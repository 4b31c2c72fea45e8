// SPDX-License-Identifier: BSD-3-Clause
// From inner packets to the TCP stream: framed in their own mbuf, small ones of one session sharing
// a record, sealed in one burst over all sessions, sent. What the windows do not take waits in the
// session's queue under CoDel, unsealed.
#include "dataplane/session.h"
#include "dataplane/worker.h"
#include "protocol/sstp/sstp.h"

#define FRAME_LEN 8 // SSTP header, FF 03, protocol

void session_want_tx(struct worker *w, struct session *s)
{
	if (s->flags & SES_ON_TX)
		return;
	s->flags |= SES_ON_TX;
	s->tx_next = NULL;
	if (w->tx_tail)
		w->tx_tail->tx_next = s;
	else
		w->tx_head = s;
	w->tx_tail = s;
}

void session_tx_enqueue(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	if (unlikely(s->txq.len >= WORKER_TXQ_MAX)) {
		COUNT(&w->counters, session_tx_queue_drop);
		s->tx_drops++;
		rte_pktmbuf_free(m);
		return;
	}
	mbuf_priv(m)->sent_us = w->now_us;
	mbufq_put(&s->txq, m);
	session_want_tx(w, s);
}

// The next packet to send, or NULL.
static struct rte_mbuf *txq_next(struct worker *w, struct session *s)
{
	struct rte_mbuf *m;

	while ((m = mbufq_get(&s->txq))) {
		if (likely(!codel_drop(&s->codel, w->now_us - mbuf_priv(m)->sent_us, s->txq.len + 1,
			    w->now_us)))
			return m;
		COUNT(&w->counters, session_tx_queue_drop);
		s->tx_drops++;
		rte_pktmbuf_free(m);
	}
	return NULL;
}

// An mbuf that can be framed, sealed and kept by TCP: alone, unshared, with room in front and
// behind. Consumes m; NULL: no memory.
static struct rte_mbuf *tx_prepare(struct worker *w, struct rte_mbuf *m)
{
	struct rte_mbuf *c;

	if (likely(m->nb_segs == 1 && rte_mbuf_refcnt_read(m) == 1 && RTE_MBUF_DIRECT(m) &&
		    rte_pktmbuf_headroom(m) >= 139 && rte_pktmbuf_tailroom(m) >= MBUF_TAIL))
		return m;
	if (m->pkt_len > WORKER_MBUF_ROOM || !(c = worker_mbuf(w))) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	rte_memcpy(rte_pktmbuf_append(c, (uint16_t)m->pkt_len),
		rte_pktmbuf_read(m, 0, m->pkt_len, rte_pktmbuf_mtod(c, void *)), m->pkt_len);
	rte_pktmbuf_free(m);
	return c;
}

static void frame_header(uint8_t *p, uint16_t packet_len)
{
	sstp_put_hdr(p, false, (uint16_t)(packet_len + FRAME_LEN));
	p[4] = 0xff;
	p[5] = 0x03;
	p[6] = 0x00;
	p[7] = 0x21;
}

// Bytes that the head of the queue will take on the wire.
static inline uint32_t head_need(const struct session *s, uint32_t over)
{
	return s->txq.head->pkt_len + FRAME_LEN + over;
}

static inline uint32_t record_over(const struct session *s)
{
	return s->flags & SES_KEYS ? (uint32_t)s->tx.prefix_len + s->tx.suffix_len : 64;
}

// All records of s in the batch were handed to TCP.
static void batch_sent(struct worker *w, struct session *s, bool broken)
{
	if (unlikely(broken)) {
		// Room was asked for before: only a bound of memory refuses a record, and then the
		// stream has a hole.
		session_abort(w, s, DP_REASON_NO_MEMORY);
		return;
	}
	tcp_push(s->conn, w->now_us);
	// Either there is room again, or being short of it is noted and TCP_EV_WRITABLE follows.
	if (s->txq.head &&
		tcp_tx_room(s->conn, head_need(s, record_over(s))) >= head_need(s, record_over(s)))
		session_want_tx(w, s);
}

static void batch_send(struct worker *w)
{
	struct tx_batch *b = &w->txb;
	bool broken = false;

	if (!b->n)
		return;
	rec_seal_burst(w->rc, b->op, b->n);
	COUNT_N(&w->counters, rec_tx, b->n);
	for (uint16_t i = 0; i < b->n; i++) {
		struct session *s = b->s[i];
		struct rte_mbuf *m = b->m[i];

		rte_pktmbuf_prepend(m, s->tx.prefix_len);
		rte_pktmbuf_append(m, s->tx.suffix_len);
		if (unlikely(tcp_send(s->conn, m, w->now_us)))
			broken = true;
		if (i + 1 == b->n || b->s[i + 1] != s) {
			batch_sent(w, s, broken);
			broken = false;
		}
	}
	b->n = 0;
}

// Fill a record with the packets of s that fit: head (framed) and those behind it that are there
// now. Nothing waits for more.
static uint16_t record_fill(
	struct worker *w, struct session *s, struct rte_mbuf *head, uint32_t most)
{
	uint16_t nb = 1;
	struct rte_mbuf *m;

	while ((m = s->txq.head)) {
		uint32_t need = m->pkt_len + FRAME_LEN;
		uint8_t *at;

		if (head->data_len + need > most || need + MBUF_TAIL > rte_pktmbuf_tailroom(head))
			break;
		m = txq_next(w, s);
		if (!m)
			break;
		// CoDel may have dropped that one and given the next, larger one.
		need = m->pkt_len + FRAME_LEN;
		if (head->data_len + need > most || need + MBUF_TAIL > rte_pktmbuf_tailroom(head)) {
			mbufq_put_head(&s->txq, m);
			break;
		}
		at = (uint8_t *)rte_pktmbuf_append(head, (uint16_t)need);
		frame_header(at, (uint16_t)m->pkt_len);
		rte_memcpy(at + FRAME_LEN, rte_pktmbuf_mtod(m, void *), m->pkt_len);
		s->tx_bytes += m->pkt_len;
		rte_pktmbuf_free(m);
		nb++;
	}
	return nb;
}

// The key nears its limit: ask for a new one in time; at the limit the session ends. False: it
// ended.
static bool tx_key_good(struct worker *w, struct session *s)
{
	if (likely(!(s->flags & SES_KEYS) || s->tx.seq + 4096 < s->tx.limit))
		return true;
	if (!(s->flags & SES_KEY_LIMIT)) {
		s->flags |= SES_KEY_LIMIT | SES_OWE_KEY_LIMIT;
		session_want_run(w, s);
	}
	if (s->tx.seq + WORKER_BURST < s->tx.limit)
		return true;
	session_send_alert(w, s, 1, 0);
	tcp_shutdown(s->conn, w->now_us);
	session_end(w, s, DP_REASON_KEY_EXHAUSTED);
	return false;
}

// One record from the head of the queue on, framed, with the small packets behind it. NULL: nothing
// (dropped).
static struct rte_mbuf *record_make(
	struct worker *w, struct session *s, uint32_t most, uint16_t *nb)
{
	struct rte_mbuf *m = txq_next(w, s);
	uint16_t len;

	if (!m || !(m = tx_prepare(w, m)))
		return NULL;
	len = m->data_len;
	s->tx_bytes += len;
	frame_header((uint8_t *)rte_pktmbuf_prepend(m, FRAME_LEN), len);
	*nb = record_fill(w, s, m, most);
	s->tx_packets += *nb;
	COUNT_N(&w->counters, sstp_tx_data, *nb);
	return m;
}

// Send what may be sent of one session's queue. True: the batch is full and more could go.
static bool session_tx(struct worker *w, struct session *s)
{
	struct tx_batch *b = &w->txb;
	uint32_t over = record_over(s), mss, most, room;
	bool any = false;

	if (!s->conn || !(s->flags & SES_DATA_OPEN) || (s->flags & SES_TCP_CLOSED)) {
		mbufq_free(&s->txq);
		return false;
	}
	if (!s->txq.head || !tx_key_good(w, s))
		return false;
	mss = tcp_snd_mss(s->conn);
	most = mss > over + 64 ? mss - over : 64;
	room = tcp_tx_room(s->conn, head_need(s, over));
	while (s->txq.head) {
		struct rte_mbuf *m;
		uint16_t nb;

		// A window smaller than one record must not stop the stream for good: with nothing
		// under way one goes.
		if (head_need(s, over) > room && (any || tcp_tx_queued(s->conn)))
			break;
		if (b->n == WORKER_BURST)
			return true;
		m = record_make(w, s, RTE_MIN(most, room > over ? room - over : 0), &nb);
		if (!m)
			continue;
		any = true;
		room -= RTE_MIN(room, m->data_len + over);
		if (unlikely(s->flags & SES_REMOTE)) {
			if (!session_send_records(w, s, TLS_CT_APPLICATION_DATA,
				    rte_pktmbuf_mtod(m, uint8_t *), m->data_len)) {
				COUNT_N(&w->counters, session_tx_queue_drop, nb);
				s->tx_drops += nb;
			}
			rte_pktmbuf_free(m);
			continue;
		}
		b->op[b->n] = (struct rec_seal_op){.d = &s->tx,
			.p = rte_pktmbuf_mtod(m, uint8_t *),
			.len = m->data_len,
			.type = TLS_CT_APPLICATION_DATA};
		b->s[b->n] = s;
		b->m[b->n] = m;
		b->n++;
	}
	return false;
}

void session_tx_all(struct worker *w)
{
	struct session *s, *end = w->tx_tail;

	while ((s = w->tx_head)) {
		bool last = s == end;

		w->tx_head = s->tx_next;
		if (!w->tx_head)
			w->tx_tail = NULL;
		s->flags &= ~SES_ON_TX;
		if (session_tx(w, s)) {
			batch_send(w);
			session_want_tx(w, s);
		}
		if (w->txb.n == WORKER_BURST)
			batch_send(w);
		if (last)
			break;
	}
	batch_send(w);
}
