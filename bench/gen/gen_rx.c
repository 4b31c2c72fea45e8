// SPDX-License-Identifier: BSD-3-Clause
// From a client's TCP stream to packets: whole records are collected over all sessions that have
// something to read, and opened in one burst. Data that is not to be checked is not opened.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/gen/gen_int.h"
#include "protocol/ppp/ppp.h"
#include "protocol/sstp/sstp.h"

#define RECORDS_PER_TURN 32 // of one session in one burst, so that the others get their turn
#define SLICES_PER_RECORD 16

void gen_ready(struct gen_session *s)
{
	struct gen *g = s->g;

	if (s->flags & GENF_READY)
		return;
	s->flags |= GENF_READY;
	s->ready_next = NULL;
	if (g->ready.tail)
		g->ready.tail->ready_next = s;
	else
		g->ready.head = s;
	g->ready.tail = s;
}

// --- plaintext ---

// One SSTP packet of a call that is up. False: it is not data.
static bool data_packet(struct gen_session *s, const uint8_t *pkt, uint16_t len)
{
	uint16_t proto;
	int hdr = ppp_parse_header(pkt + SSTP_HDR_LEN, len - SSTP_HDR_LEN, &proto);

	if (hdr < 0 || proto != PPP_PROTO_IPV4)
		return false;
	s->flags |= GENF_HEARD;
	gen_packet_in(s, pkt + SSTP_HDR_LEN + hdr, (size_t)(len - SSTP_HDR_LEN - hdr));
	return true;
}

// Returns how many bytes were taken.
static size_t take_plain(struct gen_session *s, const uint8_t *p, size_t n)
{
	size_t done = 0;
	uint16_t len;
	bool control;

	if (s->state != GEN_STATE_UP)
		return call_input_plain(s->call, p, n, s->g->now_us / 1000);
	while (s->call->phase == CALL_PHASE_UP) {
		if (sstp_peek(p + done, n - done, &len, &control) || len > n - done)
			break;
		if (control || !data_packet(s, p + done, len))
			call_input_plain(s->call, p + done, len, s->g->now_us / 1000);
		done += len;
	}
	// What cannot be delineated, or a call that hangs up: it knows what to do.
	return done + call_input_plain(s->call, p + done, n - done, s->g->now_us / 1000);
}

// False: the session is over.
static bool plain_in(struct gen_session *s, const uint8_t *p, size_t n)
{
	size_t done;

	if (s->plain.len) {
		if (outbuf_put(&s->plain, p, n)) {
			gen_call_fail(s, CALL_END_LOCAL, "no memory to receive");
			return false;
		}
		p = s->plain.buf + s->plain.off;
		n = s->plain.len;
	}
	done = take_plain(s, p, n);
	if (s->plain.len)
		outbuf_take(&s->plain, done);
	else if (done < n && outbuf_put(&s->plain, p + done, n - done))
		gen_call_fail(s, CALL_END_LOCAL, "no memory to receive");
	if (!s->plain.len && s->plain.cap)
		outbuf_free(&s->plain);
	return s->call && gen_call_settle(s);
}

// KeyUpdate is obeyed, a ticket is of no use.
static bool handshake_in(struct gen_session *s, const uint8_t *p, size_t n)
{
	if (s->rx.version != 4 || n < 5 || p[0] != TLS_HS_KEY_UPDATE)
		return true;
	if (gen_rekey(s, false) && (!p[4] || gen_rekey(s, true)))
		return true;
	gen_call_fail(s, CALL_END_TLS, "TLS: keys could not be updated");
	return false;
}

static bool alert_in(struct gen_session *s, const uint8_t *p, size_t n)
{
	char text[64];

	if (n >= 2 && p[1] == TLS_ALERT_CLOSE_NOTIFY) {
		call_stream_end(s->call, 0, s->g->now_us / 1000);
		return gen_call_settle(s);
	}
	snprintf(text, sizeof(text), "TLS: the server sent alert %u", n >= 2 ? p[1] : 0);
	gen_call_fail(s, CALL_END_TLS, text);
	return false;
}

// An opened record. False: the session is over.
static bool opened(struct gen_session *s, const struct rec_open_op *op)
{
	char text[64];

	if (op->status) {
		snprintf(text, sizeof(text), "TLS: a record failed, alert %u is owed", op->status);
		gen_call_fail(s, CALL_END_TLS, text);
		return false;
	}
	switch (op->type) {
	case TLS_CT_APPLICATION_DATA:
		return plain_in(s, op->dst, op->len);
	case TLS_CT_HANDSHAKE:
		return handshake_in(s, op->dst, op->len);
	default:
		return alert_in(s, op->dst, op->len);
	}
}

// --- one record by itself: the handshake's, and those that need more than the window holds ---

static uint32_t stream_take(struct gen_session *s, uint8_t *dst, uint32_t n)
{
	struct tcp_slice sl[16];
	uint32_t at = 0, bytes;

	n = RTE_MIN(n, tcp_rx_avail(s->conn));
	while (at < n) {
		uint16_t nb = tcp_peek(s->conn, at, sl, RTE_DIM(sl), &bytes);

		for (uint16_t i = 0; i < nb && at < n; i++) {
			uint32_t k = RTE_MIN(sl[i].len, n - at);

			memcpy(dst + at, sl[i].p, k);
			at += k;
		}
	}
	tcp_consume(s->conn, n, s->g->now_us);
	return n;
}

// Length of the record of which these are the first bytes; 0: more are needed; negative: none.
static int record_len(const struct gen_session *s, const uint8_t *h, size_t n)
{
	uint32_t len;

	if (n < TLS_REC_HDR_LEN)
		return 0;
	if (s->flags & GENF_KEYS)
		return rec_peek(&s->rx, h);
	len = (uint32_t)(h[3] << 8 | h[4]) + TLS_REC_HDR_LEN;
	return h[1] == 3 && len <= GEN_RECORD_MAX ? (int)len : -1;
}

// The next whole record in g->record. 0: it is not all there; negative: it is none. Bytes are kept
// apart from the stream until it is whole, so that no window is too small for it.
static int gather(struct gen_session *s)
{
	struct gen *g = s->g;
	size_t have = s->carry.len;
	uint8_t *buf = g->record;
	int len;

	if (have)
		memcpy(buf, s->carry.buf + s->carry.off, have);
	if (have < TLS_REC_HDR_LEN)
		have += stream_take(s, buf + have, (uint32_t)(TLS_REC_HDR_LEN - have));
	len = record_len(s, buf, have);
	if (len < 0)
		return len;
	if (len > 0)
		have += stream_take(s, buf + have, (uint32_t)((size_t)len - have));
	if (len > 0 && have == (size_t)len) {
		outbuf_free(&s->carry);
		return len;
	}
	if (have > s->carry.len && outbuf_put(&s->carry, buf + s->carry.len, have - s->carry.len)) {
		gen_call_fail(s, CALL_END_LOCAL, "no memory to receive");
		return 0;
	}
	return 0;
}

static bool handshake_record(struct gen_session *s, uint32_t len)
{
	call_input(s->call, s->g->record, len, s->g->now_us / 1000);
	return gen_call_settle(s);
}

static bool gathered_record(struct gen_session *s, uint32_t len)
{
	struct gen *g = s->g;
	struct rec_slice src = {g->record, len};
	struct rec_open_op op = {.d = &s->rx, .src = &src, .nb_src = 1, .dst = g->rx->bytes};

	rec_open_burst(g->rc, &op, 1);
	s->skipped = 0;
	return opened(s, &op);
}

static bool not_a_record(struct gen_session *s)
{
	gen_call_fail(s, CALL_END_TLS, "TLS: what came is no record");
	return false;
}

// False: what has come is read, or there is no session.
static bool single_record(struct gen_session *s)
{
	int len = gather(s);

	if (len < 0)
		return not_a_record(s);
	if (!len || !s->call)
		return false;
	s->g->work++;
	return s->flags & GENF_KEYS ? gathered_record(s, (uint32_t)len)
				    : handshake_record(s, (uint32_t)len);
}

// --- bursts ---

struct walk {
	struct tcp_slice sl[TLS_REC_MAX_SLICES];
	uint16_t n, i;
	uint32_t at;   // in sl[i]
	uint32_t left; // bytes not yet walked over
};

static void walk_copy(const struct walk *w, uint8_t *dst, uint32_t n)
{
	uint32_t at = w->at;

	for (uint16_t i = w->i; n && i < w->n; i++, at = 0) {
		uint32_t k = RTE_MIN(n, w->sl[i].len - at);

		memcpy(dst, w->sl[i].p + at, k);
		dst += k;
		n -= k;
	}
}

// The next n bytes in slices; out NULL: over them. Returns how many slices.
static uint16_t walk_cut(struct walk *w, uint32_t n, struct rec_slice *out)
{
	uint16_t nb = 0;

	w->left -= n;
	while (n) {
		struct tcp_slice *sl = &w->sl[w->i];
		uint32_t k = RTE_MIN(n, sl->len - w->at);

		if (out)
			out[nb] = (struct rec_slice){sl->p + w->at, k};
		nb++;
		w->at += k;
		n -= k;
		if (w->at == sl->len) {
			w->i++;
			w->at = 0;
		}
	}
	return nb;
}

static void batch_open(struct gen *g)
{
	struct gen_rx *b = g->rx;
	struct gen_session *s = NULL;
	uint32_t consumed = 0;

	if (b->nb_ops)
		rec_open_burst(g->rc, b->op, b->nb_ops);
	for (uint16_t i = 0; i < b->n; i++) {
		if (s != b->rec[i].s) {
			if (s && s->conn && consumed)
				tcp_consume(s->conn, consumed, g->now_us);
			s = b->rec[i].s;
			consumed = 0;
		}
		if (!s->call || !s->conn)
			continue; // it ended with an earlier record
		if (b->rec[i].op < 0) {
			consumed += b->rec[i].len;
			gen_skipped_in(s, b->rec[i].len - s->rx.prefix_len - s->rx.suffix_len);
		} else if (b->op[b->rec[i].op].status != TLS_REC_HELD) {
			consumed += b->rec[i].len;
			opened(s, &b->op[b->rec[i].op]);
		}
	}
	if (s && s->conn && consumed)
		tcp_consume(s->conn, consumed, g->now_us);
	g->work += b->n;
	b->n = b->nb_ops = b->nb_slices = 0;
	b->nb_bytes = 0;
}

enum next { NEXT_DONE, NEXT_AGAIN, NEXT_SINGLE, NEXT_BAD };

// Whether this one may go unopened, and its turn to be opened has not come.
static bool skips(const struct gen_session *s, uint32_t len)
{
	const struct gen_traffic *t = &s->g->t;

	return s->g->flowing && t->verify != 1 && (!t->verify || s->skipped + 1 < t->verify) &&
	       gen_may_skip(s, len - s->rx.prefix_len - s->rx.suffix_len);
}

// Collect what s has. AGAIN: more is there, for when the batch was opened; SINGLE: the next record
// is none for a batch.
static enum next collect(struct gen_session *s)
{
	struct gen_rx *b = s->g->rx;
	struct walk w = {0};
	bool any = false; // to be opened
	uint8_t h[TLS_REC_HDR_LEN];
	int len;

	w.n = tcp_peek(s->conn, 0, w.sl, RTE_DIM(w.sl), &w.left);
	for (unsigned int k = 0; k < RECORDS_PER_TURN; k++) {
		if (w.left < TLS_REC_HDR_LEN)
			return w.n == RTE_DIM(w.sl) && !k ? NEXT_SINGLE : NEXT_DONE;
		walk_copy(&w, h, sizeof(h));
		len = rec_peek(&s->rx, h);
		if (len < 0)
			return k ? NEXT_AGAIN : NEXT_BAD;
		if ((uint32_t)len > w.left) {
			bool big = w.n == RTE_DIM(w.sl) ||
				   (s->g->c.chaos.rcv_wnd &&
					   (uint32_t)len > s->g->c.chaos.rcv_wnd / 2);

			return !big ? NEXT_DONE : k ? NEXT_AGAIN : NEXT_SINGLE;
		}
		if (b->n == RTE_DIM(b->rec))
			return NEXT_AGAIN;
		if (skips(s, (uint32_t)len)) {
			if (any) // numbers are taken in order
				return NEXT_AGAIN;
			s->rx.seq++;
			s->skipped++;
			walk_cut(&w, (uint32_t)len, NULL);
			b->rec[b->n].op = -1;
		} else {
			if (b->nb_ops == GEN_RX_OPS ||
				b->nb_slices + TLS_REC_MAX_SLICES > GEN_RX_SLICES ||
				b->nb_bytes + (uint32_t)len > GEN_RX_BYTES)
				return NEXT_AGAIN;
			b->op[b->nb_ops] = (struct rec_open_op){.d = &s->rx,
				.src = &b->slice[b->nb_slices],
				.dst = b->bytes + b->nb_bytes};
			b->op[b->nb_ops].nb_src = walk_cut(&w, (uint32_t)len, b->op[b->nb_ops].src);
			b->nb_slices += b->op[b->nb_ops].nb_src;
			b->nb_bytes += (uint32_t)len;
			b->rec[b->n].op = (int16_t)b->nb_ops++;
			s->skipped = 0;
			any = true;
		}
		b->rec[b->n].s = s;
		b->rec[b->n++].len = (uint32_t)len;
		// Behind one that may change the key nothing is counted unseen.
		if (any && s->g->t.verify != 1 && s->g->flowing)
			return NEXT_AGAIN;
	}
	return NEXT_AGAIN;
}

// All is read, and there was a FIN.
static void stream_ended(struct gen_session *s)
{
	if (!s->call)
		return;
	call_stream_end(s->call, 0, s->g->now_us / 1000);
	gen_call_settle(s);
}

static void read_session(struct gen_session *s)
{
	enum next next = NEXT_DONE;

	if (!s->call) { // only waiting for the connection's end
		tcp_consume(s->conn, tcp_rx_avail(s->conn), s->g->now_us);
		return;
	}
	if (!(s->flags & GENF_KEYS) || s->carry.len || s->state != GEN_STATE_UP)
		next = NEXT_SINGLE;
	else
		next = collect(s);
	if (next == NEXT_SINGLE)
		next = single_record(s) ? NEXT_AGAIN : NEXT_DONE;
	if (next == NEXT_BAD)
		not_a_record(s);
	if (!s->conn)
		return;
	if (next == NEXT_AGAIN)
		gen_ready(s);
	else if (s->flags & GENF_EOF)
		s->flags |= GENF_ENDS;
}

void gen_rx_run(struct gen *g)
{
	struct gen_session *s = g->ready.head, *next;
	struct gen_rx *b = g->rx;

	g->ready.head = g->ready.tail = NULL;
	for (; s; s = next) {
		next = s->ready_next;
		s->flags &= (uint16_t)~GENF_READY;
		if (!s->conn)
			continue;
		read_session(s);
		if (b->nb_ops >= GEN_RX_OPS / 2 || b->n >= RTE_DIM(b->rec) / 2 ||
			b->nb_slices + TLS_REC_MAX_SLICES > GEN_RX_SLICES || (s->flags & GENF_ENDS))
			batch_open(g);
		if (s->flags & GENF_ENDS && s->conn && !(s->flags & GENF_READY)) {
			s->flags &= (uint16_t)~GENF_ENDS;
			stream_ended(s);
		}
	}
	batch_open(g);
}
