// SPDX-License-Identifier: BSD-3-Clause
// From a client into its TCP stream: control in single records, data sealed in bursts over all
// sessions, a record in a segment of its own or the stream cut as a kernel does.
#include <errno.h>
#include <string.h>

#include "bench/gen/gen_int.h"
#include "protocol/ppp/ppp.h"
#include "protocol/sstp/sstp.h"

#define CONTROL_RECORD 1200u // plaintext in one
#define TAIL_US 1000         // half a segment waits for more so long
#define KEY_MARGIN 256       // records left under a key when the next is taken

// Bytes are missing in the stream: nothing more can be said on it.
static void fail_stream(struct gen_session *s)
{
	s->flags |= GENF_BROKEN;
	gen_call_fail(s, CALL_END_LOCAL, "no memory to send");
}

// --- control ---

// Half a segment goes now: what follows it is no data.
static bool send_tail(struct gen_session *s)
{
	struct rte_mbuf *m = s->tail;

	s->tail = NULL;
	return !m || !tcp_send(s->conn, m, s->g->now_us);
}

bool gen_send_raw(struct gen_session *s, const uint8_t *p, size_t n)
{
	struct gen *g = s->g;

	if (!send_tail(s))
		return false;
	while (n) {
		size_t k = RTE_MIN(n, (size_t)CONTROL_RECORD);
		struct rte_mbuf *m = gen_mbuf(g);

		if (!m)
			return false;
		memcpy(rte_pktmbuf_append(m, (uint16_t)k), p, k);
		if (tcp_send(s->conn, m, g->now_us))
			return false;
		p += k;
		n -= k;
	}
	tcp_push(s->conn, g->now_us);
	return true;
}

// Seal what m holds and give it to TCP. Consumes m.
static bool send_sealed(struct gen_session *s, uint8_t type, struct rte_mbuf *m)
{
	struct rec_seal_op op = {
		.d = &s->tx, .p = rte_pktmbuf_mtod(m, uint8_t *), .len = m->data_len, .type = type};

	rec_seal_burst(s->g->rc, &op, 1);
	rte_pktmbuf_prepend(m, s->tx.prefix_len);
	rte_pktmbuf_append(m, s->tx.suffix_len);
	return !tcp_send(s->conn, m, s->g->now_us);
}

bool gen_send_record(struct gen_session *s, uint8_t type, const uint8_t *p, size_t n)
{
	struct gen *g = s->g;

	if (!send_tail(s))
		return false;
	while (n) {
		size_t k = RTE_MIN(n, (size_t)CONTROL_RECORD);
		struct rte_mbuf *m = gen_mbuf(g);

		if (!m)
			return false;
		memcpy(rte_pktmbuf_append(m, (uint16_t)k), p, k);
		if (!send_sealed(s, type, m))
			return false;
		p += k;
		n -= k;
	}
	tcp_push(s->conn, g->now_us);
	return true;
}

bool gen_rekey(struct gen_session *s, bool tx)
{
	static const uint8_t update[5] = {
		TLS_HS_KEY_UPDATE, 0, 0, 1, 0}; // none is asked for in return

	if (tx && !gen_send_record(s, TLS_CT_HANDSHAKE, update, sizeof(update)))
		return false;
	return !call_keys_update(&s->secrets, tx, s->g->rc, tx ? &s->tx : &s->rx);
}

// --- data ---

static void put_frame(struct gen_session *s, enum gen_direction dir, uint32_t dst, uint16_t size,
	uint8_t *at, uint64_t now_ns)
{
	struct gen *g = s->g;
	struct gen_stream *st = &g->stream[dir][gen_index(s) - g->t.first];
	struct probe p = {
		.run = g->run, .session = gen_index(s), .seq = st->next_seq++, .sent_ns = now_ns};

	sstp_put_hdr(at, false, (uint16_t)(GEN_FRAME_LEN + size));
	at[4] = 0xff;
	at[5] = 0x03;
	wr_put_u16(at + 6, PPP_PROTO_IPV4);
	probe_build(at + GEN_FRAME_LEN, size, PROBE_UDP, s->addr, dst, &p);
	g->st.flow[dir].sent++;
	g->st.flow[dir].sent_bytes += size;
}

static void add_tail(struct gen_session *s)
{
	struct gen *g = s->g;

	if (s->flags & GENF_TAIL)
		return;
	s->flags |= GENF_TAIL;
	s->tail_next = NULL;
	if (g->tails.tail)
		g->tails.tail->tail_next = s;
	else
		g->tails.head = s;
	g->tails.tail = s;
}

// Room for the segments of a whole batch, so that no stream gets a hole for want of an mbuf.
static bool have_spare(struct gen *g, uint32_t n)
{
	struct gen_tx *t = &g->tx;

	for (; t->nb_spare < n; t->nb_spare++) {
		struct rte_mbuf *m = gen_mbuf(g);

		if (!m)
			return false;
		t->spare[t->nb_spare] = m;
	}
	return true;
}

// A record in scratch becomes segments.
static bool send_cut(struct gen_session *s, const uint8_t *p, uint32_t n)
{
	struct rte_mbuf *out[GEN_RECORD_MAX / 256 + 2];
	struct gen *g = s->g;
	uint16_t mss = RTE_MIN(tcp_snd_mss(s->conn), (uint16_t)GEN_MBUF_ROOM), nb;
	bool ok = true;

	if (cut_need(s->tail, mss, n) > RTE_DIM(out) - 1 ||
		!have_spare(g, cut_need(s->tail, mss, n)))
		return false;
	nb = cut_put(&s->tail, mss, p, n, g->tx.spare, &g->tx.nb_spare, out);
	for (uint16_t i = 0; i < nb; i++)
		ok = !tcp_send(s->conn, out[i], g->now_us) && ok;
	if (!g->t.straddle)
		return send_tail(s) && ok;
	if (s->tail) {
		mbuf_priv(s->tail)->sent_us = g->now_us;
		add_tail(s);
	}
	return ok;
}

void gen_tx_flush(struct gen *g)
{
	struct gen_tx *t = &g->tx;
	uint16_t n = t->n;
	bool ok = true;

	if (!n)
		return;
	rec_seal_burst(g->rc, t->op, n);
	t->n = 0;
	for (uint16_t i = 0; i < n; i++) {
		struct gen_session *s = t->s[i];
		struct rte_mbuf *m = t->m[i];

		if (!s->conn || !(s->flags & GENF_KEYS)) { // it failed with an earlier record
			rte_pktmbuf_free(m);
			continue;
		}
		if (m) {
			rte_pktmbuf_prepend(m, s->tx.prefix_len);
			rte_pktmbuf_append(m, s->tx.suffix_len);
			ok = !tcp_send(s->conn, m, g->now_us) && ok;
		} else {
			ok = send_cut(s, t->op[i].p - s->tx.prefix_len,
				     (uint32_t)t->op[i].len + s->tx.prefix_len +
					     s->tx.suffix_len) &&
			     ok;
		}
		if (i + 1 < n && t->s[i + 1] == s)
			continue;
		s->batched = 0;
		tcp_push_burst(s->conn, g->now_us);
		if (!ok) // the stream has a hole
			fail_stream(s);
		ok = true;
	}
	tcp_flush(g->tcp);
}

// Packets of at most n that one record takes, and their plaintext's length.
static unsigned int plan(struct gen_session *s, unsigned int n, uint16_t *sizes, uint32_t *len)
{
	unsigned int k = 0;

	*len = 0;
	for (; k < n; k++) {
		sizes[k] = gen_next_size(s->g);
		if (sizes[k] > s->mtu || *len + GEN_FRAME_LEN + sizes[k] > TLS_REC_MAX_PLAIN)
			break;
		*len += GEN_FRAME_LEN + sizes[k];
	}
	return k;
}

static bool has_room(struct gen_session *s, uint32_t n)
{
	uint32_t waiting = s->batched + (s->tail ? s->tail->data_len : 0);

	return tcp_tx_room(s->conn, waiting + n) >= waiting + n;
}

unsigned int gen_tx_packets(
	struct gen_session *s, enum gen_direction dir, uint32_t dst, unsigned int n)
{
	struct gen *g = s->g;
	struct gen_tx *t = &g->tx;
	uint32_t over = (uint32_t)s->tx.prefix_len + s->tx.suffix_len, len, at = 0;
	uint16_t sizes[GEN_MAX_PER_RECORD];
	struct rte_mbuf *m = NULL;
	uint64_t now_ns;
	uint8_t *p;

	n = plan(s, RTE_MIN(n, (unsigned int)GEN_MAX_PER_RECORD), sizes, &len);
	if (!n || !has_room(s, len + over))
		return 0;
	if (s->tx.seq + KEY_MARGIN >= s->tx.limit) {
		gen_tx_flush(g);
		if (s->state != GEN_STATE_UP || s->tx.version != 4 || !gen_rekey(s, true))
			return 0;
	}
	if (!g->t.straddle && len + over <= tcp_snd_mss(s->conn) && len <= GEN_MBUF_ROOM) {
		m = gen_mbuf(g);
		if (!m)
			return 0;
		p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)len);
	} else {
		p = t->scratch + (size_t)t->n * GEN_RECORD_MAX + TLS_REC_MAX_PREFIX;
	}
	now_ns = gen_ns(g);
	for (unsigned int i = 0; i < n; i++) {
		put_frame(s, dir, dst, sizes[i], p + at, now_ns);
		at += GEN_FRAME_LEN + sizes[i];
	}
	t->op[t->n] = (struct rec_seal_op){
		.d = &s->tx, .p = p, .len = (uint16_t)len, .type = TLS_CT_APPLICATION_DATA};
	t->s[t->n] = s;
	t->m[t->n++] = m;
	s->batched += len + over;
	if (t->n == GEN_TX_OPS)
		gen_tx_flush(g);
	return n;
}

void gen_tx_tails(struct gen *g)
{
	struct gen_session *s, *kept = NULL, *next;

	for (s = g->tails.head; s; s = next) {
		next = s->tail_next;
		if (s->tail && mbuf_priv(s->tail)->sent_us + TAIL_US > g->now_us) {
			kept = s;
			break; // so do those behind, nearly
		}
		s->flags &= (uint16_t)~GENF_TAIL;
		if (!s->tail)
			continue;
		if (!send_tail(s))
			fail_stream(s);
		else
			tcp_push(s->conn, g->now_us);
	}
	g->tails.head = kept;
	if (!kept)
		g->tails.tail = NULL;
}

void gen_tx_fini(struct gen *g)
{
	if (g->tx.nb_spare)
		rte_pktmbuf_free_bulk(g->tx.spare, g->tx.nb_spare);
	g->tx.nb_spare = 0;
}
