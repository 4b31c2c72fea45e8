// SPDX-License-Identifier: BSD-3-Clause
// Received bursts, and the ordinary segment of an established connection (header prediction).
#include "dataplane/tcp_int.h"

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
	       seg->seq == c->rcv_nxt && !c->ooo_head && !(c->flags & TF_FIN_SEEN) &&
	       seg->len <= c->rcv_adv - c->rcv_nxt && seq_le(c->snd_una, seg->ack) &&
	       seq_le(seg->ack, c->snd_nxt) && ts_in_order(c, seg);
}

static void segment_fast(struct tcp_conn *c, struct tcp_seg *seg, uint64_t now_us)
{
	struct tcp_stack *s = c->s;

	if (c->flags & TF_TS && seq_le(seg->seq, c->last_ack_sent)) {
		c->ts_recent = seg->tsval;
		c->ts_recent_s = (uint32_t)(now_us / 1000000);
	}
	tcp_ack(c, seg, now_us);
	if (!seg->len)
		return;
	if (likely(!tcp_mem_full(s))) {
		tcp_rcv_in_order(c, seg, now_us);
		return;
	}
	COUNT(s->counters, tcp_memory_full);
	c->flags |= TF_ACK_NOW;
}

void tcp_segment(struct tcp_stack *s, struct tcp_seg *seg, uint64_t now_us)
{
	uint32_t ref = tcp_table_find(s, &seg->key, seg->hash), min_iss = 0;
	struct tcp_conn *c;

	if (ref && !(ref & TCP_REF_TW)) {
		c = &s->conns[ref - 1];
		tcp_conn_touch(c);
		c->last_rx_us = now_us;
		c->probes = 0;
		if (likely(predicted(c, seg)))
			segment_fast(c, seg, now_us);
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

// What the burst asked for: data that windows now allow, ACKs with the last word, timers.
static void output_touched(struct tcp_stack *s, uint64_t now_us)
{
	for (uint32_t i = 0; i < s->nb_touched; i++) {
		struct tcp_conn *c = s->touched[i];

		if (!c)
			continue;
		c->flags &= ~(uint32_t)TF_TOUCHED;
		if (tcp_synchronized(c))
			tcp_output(c, now_us);
	}
	s->nb_touched = 0;
}

static void input_burst(struct tcp_stack *s, struct rte_mbuf **pkts, uint16_t n, uint64_t now_us)
{
	struct tcp_seg seg[TCP_BURST];

	n = parse_burst(s, pkts, n, seg);
	for (uint16_t i = 0; i < n; i++) {
		tcp_segment(s, &seg[i], now_us);
		if (seg[i].m)
			rte_pktmbuf_free(seg[i].m);
	}
	output_touched(s, now_us);
}

void tcp_input(struct tcp_stack *s, struct rte_mbuf **pkts, uint16_t n, uint64_t now_us)
{
	COUNT_N(s->counters, tcp_rx_segments, n);
	for (uint16_t i = 0; i < n; i += TCP_BURST)
		input_burst(s, pkts + i, RTE_MIN(n - i, TCP_BURST), now_us);
	tcp_flush(s);
}
