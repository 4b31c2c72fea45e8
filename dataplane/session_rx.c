// SPDX-License-Identifier: BSD-3-Clause
// From the TCP stream to plaintext: whole records are collected over all sessions that have
// something to read, and opened in one burst, gathering out of the segments into a fresh mbuf each.
#include "base/secret.h"
#include "dataplane/session.h"
#include "dataplane/worker.h"

#define IN_PLACE_MIN 256 // bytes of a record from which on its rest is copied behind its beginning
// Of one session in one burst, so that the others get their turn; more when they are few.
#define RECORDS_PER_TURN 16

// ---- collecting

struct stream { // a walk over peeked slices
	struct tcp_slice sl[TLS_REC_MAX_SLICES];
	uint16_t n, i;
	uint32_t at;   // in sl[i]
	uint32_t left; // bytes not yet walked over
};

static void stream_copy(const struct stream *st, uint8_t *dst, uint32_t n)
{
	uint32_t at = st->at;

	for (uint16_t i = st->i; n && i < st->n; i++) {
		uint32_t k = RTE_MIN(n, st->sl[i].len - at);

		memcpy(dst, st->sl[i].p + at, k);
		dst += k;
		n -= k;
		at = 0;
	}
}

// n bytes, which are there, from where the walk is: where they lie when that is one place, else
// copied to buf.
static inline const uint8_t *stream_look(const struct stream *st, uint8_t *buf, uint32_t n)
{
	const struct tcp_slice *sl = &st->sl[st->i];

	if (likely(sl->len - st->at >= n))
		return sl->p + st->at;
	stream_copy(st, buf, n);
	return buf;
}

// By the library, which has wider registers than this is compiled for. The length is hidden from
// the compiler, which makes a string instruction of a copy that it knows a bound of.
static inline void stream_move(uint8_t *dst, const uint8_t *src, size_t n)
{
	__asm__("" : "+r"(n));
	memcpy(dst, src, n);
}

// Whether the record of len bytes in front can be opened where its first byte lies: in one segment,
// or in two of which the first has room for what is in the second. The mbuf becomes the inner
// packet's, so that no other record may begin in it. Then its bytes are together behind this.
static inline bool stream_join(struct stream *st, uint32_t len)
{
	const struct tcp_slice *sl = &st->sl[st->i];
	uint32_t have = sl->len - st->at, room;
	struct rte_mbuf *m = sl->m;

	if (have > len)
		return false;
	if (unlikely(rte_mbuf_refcnt_read(m) != 1 || !RTE_MBUF_DIRECT(m) || m->nb_segs != 1))
		return false;
	if (have == len)
		return true;
	if (len < IN_PLACE_MIN)
		return false;
	room = (uint32_t)((uint8_t *)m->buf_addr + m->buf_len - (sl->p + sl->len));
	// What follows the plaintext is the tag, which with this is room for another.
	if (sl[1].len < len - have || room < len - have + MBUF_TAIL / 2)
		return false;
	stream_move(sl->p + sl->len, sl[1].p, len - have);
	return true;
}

static inline uint16_t stream_cut(struct stream *st, uint32_t n, struct rec_slice *out)
{
	uint16_t nb = 0;

	st->left -= n;
	for (;;) {
		struct tcp_slice *sl = &st->sl[st->i];
		uint32_t k = sl->len - st->at;

		if (n < k) {
			out[nb++] = (struct rec_slice){sl->p + st->at, n};
			st->at += n;
			return nb;
		}
		out[nb++] = (struct rec_slice){sl->p + st->at, k};
		n -= k;
		st->i++;
		st->at = 0;
		if (!n)
			return nb;
	}
}

// Go on behind n bytes, which end in this slice or the next one.
static inline void stream_skip(struct stream *st, uint32_t n)
{
	uint32_t have = st->sl[st->i].len - st->at;

	st->left -= n;
	st->i++;
	st->at = n - have;
	if (st->at && st->at == st->sl[st->i].len) {
		st->i++;
		st->at = 0;
	}
}

// A fresh mbuf for a record's plaintext, from a store that is filled by the burst.
static inline struct rte_mbuf *fresh_mbuf(struct worker *w)
{
	struct rte_mbuf *m;

	if (unlikely(!w->nb_fresh)) {
		if (rte_pktmbuf_alloc_bulk(w->pool, w->fresh, WORKER_FRESH))
			return worker_mbuf(w); // the pool is nearly empty: one by one
		w->nb_fresh = WORKER_FRESH;
	}
	m = w->fresh[--w->nb_fresh];
	m->data_off = MBUF_FRONT;
	return m;
}

// A record of the batch that is for nobody.
static void batch_drop(const struct rx_batch *b, uint16_t i)
{
	if (!b->in_place[i])
		rte_pktmbuf_free(b->m[i]);
	else if (b->s[i]->gen == b->gen[i] && b->s[i]->conn)
		tcp_unkeep(b->m[i]); // TCP has it still
}

void session_batch_open(struct worker *w)
{
	struct rx_batch *b = &w->rxb;
	struct session *s = NULL;
	uint32_t consumed = 0;
	bool skip = false;

	if (!b->n)
		return;
	stage_enter(w->stages, WORKER_STAGE_OPEN);
	rec_open_burst(w->rc, b->op, b->n);
	stage_enter(w->stages, WORKER_STAGE_UP);
	COUNT_N(&w->counters, rec_rx, b->n);
	for (uint16_t i = 0; i < b->n; i++) {
		struct rec_open_op *op = &b->op[i];
		struct rte_mbuf *m = b->m[i];

		if (s != b->s[i]) {
			if (s && s->conn && consumed)
				tcp_consume(s->conn, consumed, w->now_us);
			s = b->s[i];
			consumed = 0;
			skip = false;
		}
		// What follows a record that changed the key or ended the session was opened with
		// the wrong key or for nobody.
		if (skip || s->gen != b->gen[i] || !s->conn ||
			(s->flags & (SES_WAIT_REKEY | SES_RX_STOP))) {
			batch_drop(b, i);
			skip = true;
			continue;
		}
		if (unlikely(op->status)) {
			batch_drop(b, i);
			consumed += b->rec_len[i];
			session_fail(w, s, op->status);
			skip = true;
			continue;
		}
		consumed += b->rec_len[i];
		if (b->in_place[i]) {
			tcp_consume(s->conn, consumed, w->now_us);
			consumed = 0;
			m->data_off = (uint16_t)(op->dst - (uint8_t *)m->buf_addr);
			m->ol_flags = 0;
			m->tx_offload = 0;
		}
		m->data_len = op->len;
		m->pkt_len = op->len;
		if (likely(op->type == TLS_CT_APPLICATION_DATA)) {
			session_plain_record(w, s, m);
			continue;
		}
		session_other_record(w, s, op->type, op->dst, op->len);
		rte_pktmbuf_free(m);
	}
	if (s && s->conn && consumed)
		tcp_consume(s->conn, consumed, w->now_us);
	b->n = 0;
	b->nb_slices = 0;
	stage_enter(w->stages, WORKER_STAGE_COLLECT);
}

// A record that fits no mbuf or has too many slices: by itself, through the scratch buffers. False:
// not all of it is there.
static bool record_big(struct worker *w, struct session *s, uint32_t len)
{
	struct rec_slice src;
	struct rec_open_op op = {.d = &s->rx, .src = &src, .nb_src = 1, .dst = w->scratch};
	struct tcp_slice sl[16];
	uint32_t at = 0, bytes;

	if (tcp_rx_avail(s->conn) < len)
		return false;
	while (at < len) {
		uint16_t n = tcp_peek(s->conn, at, sl, RTE_DIM(sl), &bytes);

		for (uint16_t i = 0; i < n && at < len; i++) {
			uint32_t k = RTE_MIN(sl[i].len, len - at);

			memcpy(w->scratch2 + at, sl[i].p, k);
			at += k;
		}
	}
	src = (struct rec_slice){w->scratch2, len};
	rec_open_burst(w->rc, &op, 1);
	COUNT(&w->counters, rec_rx);
	COUNT(&w->counters, rec_gathered);
	tcp_consume(s->conn, len, w->now_us);
	if (op.status)
		session_fail(w, s, op.status);
	else if (op.type != TLS_CT_APPLICATION_DATA)
		session_other_record(w, s, op.type, op.dst, op.len);
	else if (op.len <= w->mbuf_room) {
		struct rte_mbuf *m = worker_mbuf_copy(w, op.dst, op.len);

		if (m)
			session_plain_record(w, s, m);
		else
			session_abort(w, s, DP_REASON_NO_MEMORY);
	} else
		session_plain_record_big(w, s, op.dst, op.len);
	secret_wipe(w->scratch, len);
	return s->conn != NULL;
}

bool session_may_read(const struct session *s)
{
	return s->conn && (s->flags & SES_KEYS) && !(s->flags & (SES_WAIT_REKEY | SES_RX_STOP)) &&
	       (s->mode == SESSION_SSTP
			       ? !s->plainq.head
			       : s->mode == SESSION_HTTP && s->plainq.len < WORKER_PLAINQ_MAX);
}

bool session_collect(struct worker *w, struct session *s)
{
	struct rx_batch *b = &w->rxb;
	struct stream st;
	uint16_t most = RECORDS_PER_TURN;

	if (w->nb_run + 1 < WORKER_RX_OPS / RECORDS_PER_TURN)
		most = (uint16_t)(WORKER_RX_OPS / (w->nb_run + 1));
	if (unlikely(s->mode == SESSION_HTTP))
		most = 1;
	st.i = 0;
	st.at = 0;
	st.n = tcp_peek(s->conn, 0, st.sl, RTE_DIM(st.sl), &st.left);
	for (uint16_t k = 0; k < most; k++) {
		uint8_t h[TLS_REC_HDR_LEN];
		struct rec_open_op *op;
		struct rte_mbuf *m;
		int len;

		if (st.left < TLS_REC_HDR_LEN)
			return k && st.n == RTE_DIM(st.sl); // there may be more slices
		len = rec_peek(&s->rx, stream_look(&st, h, sizeof(h)));
		if (unlikely(len < 0)) {
			if (k)
				return true;
			session_fail(w, s, (uint8_t)-len);
			return false;
		}
		if (unlikely((uint32_t)len > w->mbuf_room ||
			     ((uint32_t)len > st.left && st.n == RTE_DIM(st.sl)))) {
			if (k)
				return true; // after the batch, as the first
			// What it delivers may end sessions that have records in the batch.
			session_batch_open(w);
			return s->conn && record_big(w, s, (uint32_t)len);
		}
		if ((uint32_t)len > st.left)
			return false;
		if (b->n == WORKER_RX_OPS || b->nb_slices + TLS_REC_MAX_SLICES > WORKER_RX_SLICES)
			return true;
		op = &b->op[b->n];
		op->src = &b->slice[b->nb_slices];
		if (s->mode == SESSION_SSTP && stream_join(&st, (uint32_t)len)) {
			m = st.sl[st.i].m;
			tcp_keep(m);
			b->in_place[b->n] = true;
			op->src->p = st.sl[st.i].p + st.at;
			op->src->len = (uint32_t)len;
			op->nb_src = 1;
			op->dst = (uint8_t *)(uintptr_t)op->src->p + s->rx.prefix_len;
			stream_skip(&st, (uint32_t)len);
		} else {
			m = fresh_mbuf(w);
			if (unlikely(!m))
				return true;
			b->in_place[b->n] = false;
			op->dst = rte_pktmbuf_mtod(m, uint8_t *);
			op->nb_src = stream_cut(&st, (uint32_t)len, op->src);
			if (op->nb_src > 1)
				COUNT(&w->counters, rec_gathered);
		}
		b->m[b->n] = m;
		b->s[b->n] = s;
		b->gen[b->n] = s->gen;
		b->rec_len[b->n] = (uint32_t)len;
		op->d = &s->rx;
		b->nb_slices += op->nb_src;
		b->n++;
	}
	return st.left >= TLS_REC_HDR_LEN || st.n == RTE_DIM(st.sl);
}
