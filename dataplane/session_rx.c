// SPDX-License-Identifier: BSD-3-Clause
// From the TCP stream to inner packets: records are collected over all sessions that have something
// to read, opened in one burst, and their SSTP packets delivered: data frames to forwarding,
// everything else to the control plane.
#include "dataplane/forward.h"
#include "dataplane/session.h"
#include "dataplane/worker.h"
#include "protocol/ppp/ppp.h"
#include "protocol/sstp/sstp.h"

#define RECORDS_PER_TURN 16 // of one session in one burst, so that the others get their turn

// Whether plain bytes are SSTP: with a remote record layer all that the control plane gives here
// is.
static inline bool plain_is_sstp(const struct session *s)
{
	return s->mode == SESSION_SSTP || (s->mode == SESSION_RAW && (s->flags & SES_REMOTE));
}

// ---- plain bytes: HTTP

// Offer the bytes of plainq that were not told yet.
static void http_deliver(struct worker *w, struct session *s)
{
	uint64_t at = s->plain_base;

	for (struct rte_mbuf *m = s->plainq.head; m; m = mbuf_priv(m)->next) {
		if (at >= s->plain_told) {
			struct dp_msg *msg = session_event(w, s, DP_EV_RX_PLAIN);

			if (!msg) {
				session_want_run(w, s);
				return;
			}
			msg->u.rx.offset = at;
			msg->len = m->data_len;
			memcpy(msg->data, rte_pktmbuf_mtod(m, void *), m->data_len);
			dp_send_event(w->ch, w->id, msg);
			s->plain_told = at + m->data_len;
		}
		at += m->data_len;
	}
}

// ---- plain bytes: SSTP

static void undelineable(struct worker *w, struct session *s)
{
	COUNT(&w->counters, sstp_undelineable);
	s->flags |= SES_RX_STOP | SES_OWE_UNDELINEABLE;
	s->flags &= ~SES_DATA_OPEN;
	session_want_run(w, s);
}

// A whole SSTP packet for the control plane. False: no room for the event.
static bool sstp_to_control(struct worker *w, struct session *s, const uint8_t *pkt, uint16_t len)
{
	struct dp_msg *msg = session_event(w, s, DP_EV_RX_SSTP);

	if (!msg)
		return false;
	memcpy(msg->data, pkt, len);
	msg->len = len;
	dp_send_event(w->ch, w->id, msg);
	COUNT(&w->counters, sstp_rx_control);
	return true;
}

// One whole SSTP packet. m: the mbuf whose bytes these are if the packet is all of it, else NULL.
// Sets *taken when m was consumed. False: no room for an event; nothing was done.
static bool sstp_packet(struct worker *w, struct session *s, const uint8_t *pkt, uint16_t len,
	bool control, struct rte_mbuf *m, bool *taken)
{
	uint16_t proto;
	int off;

	if (control)
		return sstp_to_control(w, s, pkt, len);
	off = ppp_parse_header(pkt + SSTP_HDR_LEN, (size_t)len - SSTP_HDR_LEN, &proto);
	if (off < 0) {
		COUNT(&w->counters, ppp_rx_malformed);
		return true;
	}
	// Network-layer packets that this worker forwards; the rest (control protocols, and what
	// must be Protocol-Rejected) is PPP's.
	if (proto != PPP_PROTO_IPV4) {
		if (proto < 0x4000 && !(s->flags & SES_DATA_OPEN)) {
			COUNT(&w->counters, ppp_rx_early_data);
			return true;
		}
		return sstp_to_control(w, s, pkt, len);
	}
	COUNT(&w->counters, sstp_rx_data);
	if (unlikely(!(s->flags & SES_DATA_OPEN))) {
		COUNT(&w->counters, ppp_rx_early_data);
		s->rx_drops++;
		return true;
	}
	off += SSTP_HDR_LEN;
	if (m) {
		rte_pktmbuf_adj(m, (uint16_t)off);
		*taken = true;
		forward_up(w, s, m);
		return true;
	}
	len = (uint16_t)(len - off);
	if (unlikely(len > WORKER_MBUF_ROOM)) {
		COUNT(&w->counters, inner_malformed);
		s->rx_drops++;
		return true;
	}
	m = worker_mbuf_copy(w, pkt + off, len);
	if (m)
		forward_up(w, s, m);
	else
		s->rx_drops++;
	return true;
}

// Add bytes to the started packet in the stash; when it is whole, handle it. Returns how many bytes
// were used, or -1: no room for an event (nothing used).
static int stash_fill(struct worker *w, struct session *s, const uint8_t *p, uint32_t n)
{
	uint16_t len = SSTP_HDR_LEN, had = s->stash_len, take;
	bool control = false, taken;

	if (s->stash_len < SSTP_HDR_LEN) {
		take = (uint16_t)RTE_MIN(n, (uint32_t)(SSTP_HDR_LEN - s->stash_len));
		memcpy(s->stash + s->stash_len, p, take);
		s->stash_len += take;
		if (s->stash_len < SSTP_HDR_LEN)
			return take;
	}
	if (sstp_peek(s->stash, s->stash_len, &len, &control)) {
		undelineable(w, s);
		return (int)n;
	}
	take = (uint16_t)RTE_MIN(
		n - (uint32_t)(s->stash_len - had), (uint32_t)(len - s->stash_len));
	memcpy(s->stash + s->stash_len, p + (s->stash_len - had), take);
	s->stash_len += take;
	if (s->stash_len < len)
		return s->stash_len - had;
	take = s->stash_len;
	if (!sstp_packet(w, s, s->stash, len, control, NULL, &taken)) {
		s->stash_len = had;
		return -1;
	}
	if (s->stash) { // the session may have ended meanwhile
		rte_mempool_put(w->stashes, s->stash);
		s->stash = NULL;
		s->stash_len = 0;
	}
	return take - had;
}

// Keep the start of a packet until its rest comes. False: no memory.
static bool stash_start(struct worker *w, struct session *s, const uint8_t *p, uint32_t n)
{
	void *buf;

	if (rte_mempool_get(w->stashes, &buf)) {
		COUNT(&w->counters, mbuf_alloc_failed);
		return false;
	}
	s->stash = buf;
	memcpy(s->stash, p, n);
	s->stash_len = (uint16_t)n;
	return true;
}

// Walk the SSTP packets in n bytes. m: the mbuf that holds exactly these bytes, or NULL. *taken: m
// was consumed. Returns how many bytes are done with: fewer than n when an event found no room.
static uint32_t sstp_walk(struct worker *w, struct session *s, const uint8_t *p, uint32_t n,
	struct rte_mbuf *m, bool *taken)
{
	uint32_t at = 0;

	while (at < n && plain_is_sstp(s) && !(s->flags & SES_RX_STOP)) {
		uint16_t len = 0;
		bool control = false;
		int rc;

		if (s->stash) {
			rc = stash_fill(w, s, p + at, n - at);
			if (rc < 0)
				return at;
			at += (uint32_t)rc;
			continue;
		}
		rc = sstp_peek(p + at, n - at, &len, &control);
		if (rc == -EBADMSG) {
			undelineable(w, s);
			return n;
		}
		if (rc == -EAGAIN || len > n - at) {
			if (!stash_start(w, s, p + at, n - at))
				session_abort(w, s, DP_REASON_NO_MEMORY);
			return n;
		}
		if (!sstp_packet(w, s, p + at, len, control, len == n ? m : NULL, taken))
			return at;
		at += len;
	}
	return n;
}

// Work off the waiting plain bytes. False: still blocked.
static bool plainq_run(struct worker *w, struct session *s)
{
	struct rte_mbuf *m;

	if (s->mode == SESSION_HTTP) {
		http_deliver(w, s);
		return true;
	}
	while (plain_is_sstp(s) && (m = s->plainq.head)) {
		bool taken = false;
		uint32_t n = m->data_len, done;

		mbufq_get(&s->plainq);
		done = sstp_walk(w, s, rte_pktmbuf_mtod(m, const uint8_t *), n, m, &taken);
		if (taken)
			continue;
		if (done < n) {
			rte_pktmbuf_adj(m, (uint16_t)done);
			mbufq_put_head(&s->plainq, m);
			session_want_run(w, s);
			return false;
		}
		rte_pktmbuf_free(m);
	}
	return true;
}

void session_plain_in(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	s->last_rx_us = w->now_us;
	if (!plain_is_sstp(s)) {
		rte_pktmbuf_free(m);
		return;
	}
	mbufq_put(&s->plainq, m);
	plainq_run(w, s);
}

void session_sstp_start(struct worker *w, struct session *s, uint64_t offset)
{
	struct rte_mbuf *m;

	if (s->mode != SESSION_HTTP) // a remote record layer gives nothing but SSTP
		return;
	s->mode = SESSION_SSTP;
	while ((m = s->plainq.head) && s->plain_base < offset) {
		uint32_t n = (uint32_t)RTE_MIN(offset - s->plain_base, (uint64_t)m->data_len);

		s->plain_base += n;
		if (n < m->data_len) {
			rte_pktmbuf_adj(m, (uint16_t)n);
			break;
		}
		mbufq_get(&s->plainq);
		rte_pktmbuf_free(m);
	}
	session_want_run(w, s);
}

// ---- opened records

// The plaintext of an application data record in m. Consumes m.
static void plain_record(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t n = m->data_len, done;
	bool taken = false;

	s->last_rx_us = w->now_us;
	s->key_updates = 0;
	if (unlikely(n == 0)) {
		rte_pktmbuf_free(m);
		if (++s->empty_records > 32) {
			session_send_alert(w, s, 2, 10);
			session_end(w, s, DP_REASON_BAD_RECORD);
		}
		return;
	}
	s->empty_records = 0;
	if (unlikely(s->mode != SESSION_SSTP || s->plainq.head)) {
		if (s->mode != SESSION_SSTP && s->mode != SESSION_HTTP) {
			rte_pktmbuf_free(m);
			return;
		}
		mbufq_put(&s->plainq, m);
		plainq_run(w, s);
		return;
	}
	done = sstp_walk(w, s, p, n, m, &taken);
	if (taken)
		return;
	if (likely(done == n)) {
		rte_pktmbuf_free(m);
		return;
	}
	rte_pktmbuf_adj(m, (uint16_t)done);
	mbufq_put_head(&s->plainq, m);
	session_want_run(w, s);
}

// The same for plaintext in a buffer, larger than an mbuf.
static void plain_record_big(struct worker *w, struct session *s, const uint8_t *p, uint32_t n)
{
	uint32_t at = 0;
	bool taken;

	s->last_rx_us = w->now_us;
	s->key_updates = 0;
	s->empty_records = 0;
	if (s->mode == SESSION_SSTP && !s->plainq.head)
		at = sstp_walk(w, s, p, n, NULL, &taken);
	while (at < n && (s->mode == SESSION_SSTP || s->mode == SESSION_HTTP)) {
		uint16_t len = (uint16_t)RTE_MIN(n - at, (uint32_t)WORKER_MBUF_ROOM);
		struct rte_mbuf *m = worker_mbuf_copy(w, p + at, len);

		if (!m) {
			session_abort(w, s, DP_REASON_NO_MEMORY);
			return;
		}
		mbufq_put(&s->plainq, m);
		at += len;
		if (at == n)
			plainq_run(w, s);
	}
}

static void bad_record(struct worker *w, struct session *s, uint8_t alert)
{
	COUNT(&w->counters, rec_bad);
	s->alert = alert;
	session_send_alert(w, s, 2, alert);
	tcp_shutdown(s->conn, w->now_us);
	session_end(w, s, DP_REASON_BAD_RECORD);
}

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

static uint16_t stream_cut(struct stream *st, uint32_t n, struct rec_slice *out)
{
	uint16_t nb = 0;

	st->left -= n;
	while (n) {
		struct tcp_slice *sl = &st->sl[st->i];
		uint32_t k = RTE_MIN(n, sl->len - st->at);

		out[nb++] = (struct rec_slice){sl->p + st->at, k};
		st->at += k;
		n -= k;
		if (st->at == sl->len) {
			st->i++;
			st->at = 0;
		}
	}
	return nb;
}

static void batch_open(struct worker *w)
{
	struct rx_batch *b = &w->rxb;
	struct session *s = NULL;
	uint32_t consumed = 0;
	bool skip = false;

	if (!b->n)
		return;
	rec_open_burst(w->rc, b->op, b->n);
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
			rte_pktmbuf_free(m);
			skip = true;
			continue;
		}
		consumed += b->rec_len[i];
		if (unlikely(op->status)) {
			rte_pktmbuf_free(m);
			bad_record(w, s, op->status);
			skip = true;
			continue;
		}
		m->data_len = op->len;
		m->pkt_len = op->len;
		if (likely(op->type == TLS_CT_APPLICATION_DATA)) {
			plain_record(w, s, m);
			continue;
		}
		session_other_record(w, s, op->type, op->dst, op->len);
		rte_pktmbuf_free(m);
	}
	if (s && s->conn && consumed)
		tcp_consume(s->conn, consumed, w->now_us);
	b->n = 0;
	b->nb_slices = 0;
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
		bad_record(w, s, op.status);
	else if (op.type != TLS_CT_APPLICATION_DATA)
		session_other_record(w, s, op.type, op.dst, op.len);
	else if (op.len <= WORKER_MBUF_ROOM) {
		struct rte_mbuf *m = worker_mbuf_copy(w, op.dst, op.len);

		if (m)
			plain_record(w, s, m);
		else
			session_abort(w, s, DP_REASON_NO_MEMORY);
	} else
		plain_record_big(w, s, op.dst, op.len);
	return s->conn != NULL;
}

// Whether s may read records now.
static inline bool may_read(const struct session *s)
{
	return s->conn && (s->flags & SES_KEYS) && !(s->flags & (SES_WAIT_REKEY | SES_RX_STOP)) &&
	       (s->mode == SESSION_SSTP
			       ? !s->plainq.head
			       : s->mode == SESSION_HTTP && s->plainq.len < WORKER_PLAINQ_MAX);
}

// Collect the whole records of one session into the batch. True: there are more (call again after
// the batch was opened).
static bool session_collect(struct worker *w, struct session *s)
{
	struct rx_batch *b = &w->rxb;
	struct stream st = {0};
	uint16_t most = s->mode == SESSION_HTTP ? 1 : RECORDS_PER_TURN;

	st.n = tcp_peek(s->conn, 0, st.sl, RTE_DIM(st.sl), &st.left);
	for (uint16_t k = 0; k < most; k++) {
		uint8_t h[TLS_REC_HDR_LEN];
		struct rte_mbuf *m;
		int len;

		if (st.left < TLS_REC_HDR_LEN)
			return false;
		stream_copy(&st, h, sizeof(h));
		len = rec_peek(&s->rx, h);
		if (unlikely(len < 0)) {
			if (k)
				return true;
			bad_record(w, s, (uint8_t)-len);
			return false;
		}
		if (unlikely(len > WORKER_MBUF_ROOM ||
			     ((uint32_t)len > st.left && st.n == RTE_DIM(st.sl)))) {
			if (k)
				return true; // after the batch, as the first
			return record_big(w, s, (uint32_t)len);
		}
		if ((uint32_t)len > st.left)
			return false;
		if (b->n == WORKER_RX_OPS || b->nb_slices + TLS_REC_MAX_SLICES > WORKER_RX_SLICES)
			return true;
		m = worker_mbuf(w);
		if (unlikely(!m))
			return true;
		b->m[b->n] = m;
		b->s[b->n] = s;
		b->gen[b->n] = s->gen;
		b->rec_len[b->n] = (uint32_t)len;
		b->op[b->n] = (struct rec_open_op){.d = &s->rx,
			.src = &b->slice[b->nb_slices],
			.dst = rte_pktmbuf_mtod(m, uint8_t *)};
		b->op[b->n].nb_src = stream_cut(&st, (uint32_t)len, b->op[b->n].src);
		if (b->op[b->n].nb_src > 1)
			COUNT(&w->counters, rec_gathered);
		b->nb_slices += b->op[b->n].nb_src;
		b->n++;
	}
	return st.left >= TLS_REC_HDR_LEN;
}

// ---- owed events and the run list

static bool owed_send(struct worker *w, struct session *s, uint32_t flag, enum dp_event_type type)
{
	struct dp_msg *m;

	if (!(s->flags & flag))
		return true;
	m = session_event(w, s, type);
	if (!m)
		return false;
	switch (type) {
	case DP_EV_ACCEPTED: {
		struct tcp_info i;

		tcp_conn_info(s->conn, &i);
		memcpy(&m->u.accepted.peer, i.remote.b, 16);
		memcpy(&m->u.accepted.local, i.local.b, 16);
		m->u.accepted.peer_port = i.rport;
		m->u.accepted.local_port = i.lport;
		break;
	}
	case DP_EV_PEER_CLOSED:
		m->u.closed.reason = s->peer_closed;
		s->flags |= SES_TOLD_PEER_CLOSED;
		break;
	case DP_EV_KEY_UPDATE:
		m->u.key_update.request_reply = !!(s->flags & SES_UPDATE_REQUESTED);
		s->flags &= ~SES_UPDATE_REQUESTED;
		break;
	case DP_EV_HELLO_EXPIRED:
		m->u.hello.intervals = s->hello_intervals;
		break;
	case DP_EV_STATS:
		session_stats(s, &m->u.stats);
		break;
	default:
		break;
	}
	s->flags &= ~flag;
	dp_send_event(w->ch, w->id, m);
	return true;
}

static bool owed_send_all(struct worker *w, struct session *s)
{
	return owed_send(w, s, SES_OWE_KEY_UPDATE, DP_EV_KEY_UPDATE) &&
	       owed_send(w, s, SES_OWE_UNDELINEABLE, DP_EV_SSTP_UNDELINEABLE) &&
	       owed_send(w, s, SES_OWE_HELLO, DP_EV_HELLO_EXPIRED) &&
	       owed_send(w, s, SES_OWE_KEY_LIMIT, DP_EV_KEY_LIMIT) &&
	       owed_send(w, s, SES_OWE_STATS, DP_EV_STATS) &&
	       owed_send(w, s, SES_OWE_PEER_CLOSED, DP_EV_PEER_CLOSED);
}

// Free slots are a stack through `slot`; generations tell the handles of one slot apart.
static void slot_free(struct worker *w, struct session *s)
{
	uint32_t slot = s->slot;

	s->mode = SESSION_FREE;
	s->flags &= SES_ON_TX;
	s->slot = w->free_head;
	w->free_head = slot;
	w->nb_free++;
}

// CLOSED, the last event; then the slot is free. False: no room yet.
static bool session_gone(struct worker *w, struct session *s)
{
	struct dp_msg *m = session_event(w, s, DP_EV_CLOSED);

	if (!m)
		return false;
	m->u.closed.reason = s->close_reason;
	session_stats(s, &m->u.closed.stats);
	dp_send_event(w->ch, w->id, m);
	slot_free(w, s);
	return true;
}

// TCP's end, once everything received was worked off.
static void session_after_read(struct worker *w, struct session *s)
{
	if (s->flags & SES_TCP_CLOSED) {
		static const struct {
			int err;
			enum dp_reason why;
		} map[] = {{ECONNRESET, DP_REASON_PEER_RST}, {ETIMEDOUT, DP_REASON_TIMED_OUT},
			{EHOSTUNREACH, DP_REASON_UNREACHABLE}, {ECONNREFUSED, DP_REASON_PEER_RST},
			{ENOMEM, DP_REASON_NO_MEMORY}};
		int err = tcp_conn_error(s->conn);
		enum dp_reason why = s->peer_closed ? s->peer_closed : DP_REASON_PEER_FIN;

		if (s->mode == SESSION_DRAIN)
			why = DP_REASON_LOCAL;
		for (size_t i = 0; err && i < RTE_DIM(map); i++)
			if (map[i].err == err)
				why = map[i].why;
		session_end(w, s, why);
		return;
	}
	if (!(s->flags & SES_EOF))
		return;
	if (s->mode == SESSION_DRAIN) {
		session_end(w, s, DP_REASON_LOCAL);
		return;
	}
	if (!(s->flags & (SES_TOLD_PEER_CLOSED | SES_OWE_PEER_CLOSED))) {
		s->peer_closed = DP_REASON_PEER_FIN;
		s->flags |= SES_OWE_PEER_CLOSED;
	}
}

// One turn of a session. True: it has more to do after the batch was opened.
static bool session_run(struct worker *w, struct session *s)
{
	bool more = false;

	if (s->mode == SESSION_GONE) {
		// ACCEPTED is not owed any more: a connection that the control plane never heard of
		// needs no CLOSED.
		if (s->flags & SES_OWE_ACCEPTED) {
			slot_free(w, s);
			return false;
		}
		return !session_gone(w, s);
	}
	if (s->mode == SESSION_FREE)
		return false;
	if (!owed_send(w, s, SES_OWE_ACCEPTED, DP_EV_ACCEPTED))
		return true;
	if (s->mode == SESSION_RAW) {
		if (!session_raw_deliver(w, s))
			more = true;
		if (s->flags & SES_REMOTE)
			more = !plainq_run(w, s) || more;
	} else if (s->mode == SESSION_DRAIN) {
		uint32_t n = tcp_rx_avail(s->conn);

		if (n)
			tcp_consume(s->conn, n, w->now_us);
	} else if (s->plainq.head && !plainq_run(w, s)) {
		more = true;
	}
	if (may_read(s))
		more = session_collect(w, s) || more;
	if (s->mode == SESSION_GONE)
		return true;
	if (!more && !w->rxb.n && s->conn)
		session_after_read(w, s);
	else if (s->flags & (SES_EOF | SES_TCP_CLOSED))
		more = true;
	if (s->mode == SESSION_GONE)
		return true;
	return !owed_send_all(w, s) || more;
}

void session_run_all(struct worker *w)
{
	struct session *s, *end = w->run_tail;

	// One turn for each session on the list now; what wants more comes back behind the others,
	// in the next loop.
	while ((s = w->run_head)) {
		bool last = s == end;

		w->run_head = s->run_next;
		if (!w->run_head)
			w->run_tail = NULL;
		s->flags &= ~SES_ON_RUN;
		if (session_run(w, s))
			session_want_run(w, s);
		if (w->rxb.n > WORKER_RX_OPS / 2)
			batch_open(w);
		if (last)
			break;
	}
	batch_open(w);
}
