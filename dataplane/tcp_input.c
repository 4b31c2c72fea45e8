// SPDX-License-Identifier: BSD-3-Clause
// Received bursts, and the ordinary segment of an established connection (header prediction).
#include "dataplane/tcp_rate.h"

// RFC 7323 5.3, R1 to R3 in the case that is not suspicious.
static inline bool ts_in_order(const struct tcp_conn *c, const struct tcp_seg *seg)
{
	if (!(c->flags & TF_TS))
		return true;
	return seg->has_ts && seq_le(c->ts_recent, seg->tsval);
}

// In sequence, nothing but ACK and PSH, and nothing of ours or theirs in disorder.
static inline bool predicted(const struct tcp_conn *c, const struct tcp_seg *seg)
{
	return c->state == TCP_ESTABLISHED && (seg->flags & ~TCP_PSH) == TCP_ACK &&
	       seg->seq == c->rcv_nxt && !(c->flags & (TF_OOO | TF_FIN_SEEN)) &&
	       seg->len <= c->rcv_adv - c->rcv_nxt && seq_le(c->snd_una, seg->ack) &&
	       seq_le(seg->ack, c->snd_nxt) && ts_in_order(c, seg);
}

// Payload whose ACK says nothing new: all that one-way traffic brings.
static inline bool ack_is_old(const struct tcp_conn *c, const struct tcp_seg *seg)
{
	return seg->len && seg->ack == c->snd_una &&
	       (uint32_t)seg->wnd << c->snd_wscale == c->snd_wnd && !seg->nb_sack &&
	       !(c->flags & (TF_ROOM_ASKED | TF_TLP)) && c->recovery == TCP_OPEN &&
	       c->rtx_mode != TCP_RTX_PERSIST;
}

static inline void segment_fast(
	struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *seg, uint64_t now_us)
{
	if (c->flags & TF_TS && seq_le(seg->seq, c->last_ack_sent)) {
		c->ts_recent = seg->tsval;
		c->ts_recent_s = (uint32_t)(now_us / 1000000);
	}
	if (ack_is_old(c, seg)) {
		c->snd_wl1 = seg->seq;
		c->snd_wl2 = seg->ack;
	} else {
		tcp_ack(c, seg, now_us);
	}
	if (!seg->len)
		return;
	if (likely(!tcp_mem_full(s))) {
		tcp_rcv_in_order(c, seg, now_us);
		return;
	}
	COUNT(s->counters, tcp_memory_full);
	c->flags |= TF_ACK_NOW;
}

// The table's first guess is nearly always right; what it says may have ended in the same burst.
static inline bool guessed(const struct tcp_conn *c, const struct tcp_seg *seg)
{
	const struct tcp_key *k = &seg->key;

	if (c->key4.remote != k->remote.w[3] || c->key4.rport != k->rport ||
		c->key4.local != k->local.w[3] || c->key4.lport != k->lport ||
		!(c->flags & TF_IN_TABLE))
		return false;
	if (likely(ipaddr_is4(&k->remote)))
		return c->flags & TF_IP4;
	return ipaddr_equal(&k->remote, &c->key.remote) && ipaddr_equal(&k->local, &c->key.local);
}

static inline struct tcp_conn *ref_conn(const struct tcp_stack *s, uint32_t ref)
{
	return ref && !(ref & TCP_REF_TW) ? &s->conns[ref - 1] : NULL;
}

void tcp_segment(struct tcp_stack *s, struct tcp_seg *seg, uint32_t ref, uint64_t now_us)
{
	struct tcp_conn *c = ref_conn(s, ref);
	uint32_t min_iss = 0;

	if (unlikely(!c || !guessed(c, seg))) {
		ref = tcp_table_find(s, &seg->key, seg->hash);
		c = ref_conn(s, ref);
	}
	if (likely(c)) {
		tcp_conn_touch(s, c);
		seg->paused = now_us - c->last_rx_us > s->delack_us;
		c->last_rx_us = now_us;
		c->probes = 0;
		if (likely(predicted(c, seg)))
			segment_fast(s, c, seg, now_us);
		else
			tcp_segment_slow(c, seg, now_us);
		return;
	}
	if (ref && !tcp_tw_segment(s, (ref & ~TCP_REF_TW) - 1, seg, &min_iss, now_us))
		return;
	if (tcp_is_listening(s, seg->key.lport)) {
		tcp_segment_listen(s, seg, min_iss, now_us);
		return;
	}
	// RFC 9293 3.10.7.1: CLOSED.
	COUNT(s->counters, tcp_rx_no_connection);
	tcp_reply_rst(s, seg);
}

static uint16_t parse_burst(
	struct tcp_stack *s, struct rte_mbuf **pkts, uint16_t n, struct tcp_seg *seg)
{
	uint16_t good = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (unlikely(tcp_parse(s, pkts[i], &seg[good]))) {
			COUNT(s->counters, tcp_rx_malformed);
			rte_pktmbuf_free(pkts[i]);
			continue;
		}
		seg[good].hash = tcp_key_hash(s, &seg[good].key);
		tcp_table_prefetch(s, seg[good].hash);
		good++;
	}
	return good;
}

#define LINE(c, n) ((const char *)(c) + (n)*RTE_CACHE_LINE_MIN_SIZE)

// See the table above struct tcp_conn.
static inline void prefetch_conn(const struct tcp_conn *c, const struct tcp_seg *seg)
{
	__builtin_prefetch(LINE(c, 0), 1);
	__builtin_prefetch(LINE(c, 1), 1);
	__builtin_prefetch(LINE(c, 2), 1);
	if (!seg->len) {
		__builtin_prefetch(LINE(c, 3), 1);
		__builtin_prefetch(LINE(c, 4), 1);
	}
}

// A segment's connection, most likely, long enough ahead of its turn.
static inline uint32_t guess(const struct tcp_stack *s, const struct tcp_seg *seg)
{
	uint32_t ref = tcp_table_guess(s, seg->hash);
	const struct tcp_conn *c = ref_conn(s, ref);

	if (likely(c))
		prefetch_conn(c, seg);
	return ref;
}

// What the burst asked for: data that windows now allow, ACKs with the last word, timers.
static void output_touched(struct tcp_stack *s, uint64_t now_us)
{
	for (uint32_t i = 0; i < s->nb_touched; i++) {
		struct tcp_conn *c = s->touched[i];

		// It may have ended, or be in the list twice: ended and begun again.
		if (!(c->flags & TF_TOUCHED))
			continue;
		c->flags &= ~(uint32_t)TF_TOUCHED;
		tcp_output(c, now_us);
	}
	s->nb_touched = 0;
}

// Some segments ahead of their turn, when their connections' lines have come: what these point to.
static inline void look_ahead(const struct tcp_stack *s, const struct tcp_seg *seg, uint32_t ref)
{
	const struct tcp_conn *c = ref_conn(s, ref);

	if (unlikely(!c) || seg->ack == c->snd_una)
		return;
	if (seg->len) {
		__builtin_prefetch(LINE(c, 3), 1);
		__builtin_prefetch(LINE(c, 4), 1);
	} else if (c->sq_head) { // an ACK for two segments frees both ends of the queue
		mbuf_prefetch(c->sq_head);
		mbuf_prefetch(c->sq_tail);
		tcp_prefetch_rate(c);
	}
}

// Segments that fetching is ahead: of their connections, and of what these point to. Few lines at a
// time, between two segments' work: more at once than the core can have under way would stop it.
#define AHEAD_CONN 12
#define AHEAD 4

static void input_burst(struct tcp_stack *s, struct rte_mbuf **pkts, uint16_t n, uint64_t now_us)
{
	struct tcp_seg seg[TCP_BURST];
	uint32_t ref[TCP_BURST];

	n = parse_burst(s, pkts, n, seg);
	for (uint16_t i = 0; i < n && i < AHEAD_CONN; i++)
		ref[i] = guess(s, &seg[i]);
	for (uint16_t i = 0; i < n; i++) {
		if (i + AHEAD_CONN < n)
			ref[i + AHEAD_CONN] = guess(s, &seg[i + AHEAD_CONN]);
		if (i + AHEAD < n)
			look_ahead(s, &seg[i + AHEAD], ref[i + AHEAD]);
		tcp_segment(s, &seg[i], ref[i], now_us);
		if (seg[i].m)
			tcp_free_later(s, seg[i].m);
	}
	output_touched(s, now_us);
}

void tcp_input(struct tcp_stack *s, struct rte_mbuf **pkts, uint16_t n, uint64_t now_us)
{
	COUNT_N(s->counters, tcp_rx_segments, n);
	for (uint16_t i = 0; i < n; i += TCP_BURST)
		input_burst(s, pkts + i, RTE_MIN(n - i, TCP_BURST), now_us);
	tcp_flush(s);
	tcp_flush_gone(s);
}
