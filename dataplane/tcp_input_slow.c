// SPDX-License-Identifier: BSD-3-Clause
// Segment arrival, RFC 9293 3.10.7, in its order; the steps of 3.10.7.4 by their names.
#include <errno.h>

#include "dataplane/tcp_int.h"

void tcp_ack_unacceptable(struct tcp_conn *c, bool always, uint64_t now_us)
{
	if (!always && c->oow_ack_us && now_us - c->oow_ack_us < TCP_OOW_ACK_US)
		return;
	if (!always)
		c->oow_ack_us = now_us;
	if (c->state == TCP_SYN_RECEIVED)
		tcp_send_ack(c, now_us);
	else
		c->flags |= TF_ACK_NOW; // one for the whole burst
}

// RFC 5961 5 and 7.
static void challenge_ack(struct tcp_conn *c, uint64_t now_us)
{
	if (c->oow_ack_us && now_us - c->oow_ack_us < TCP_OOW_ACK_US)
		return;
	COUNT(c->s->counters, tcp_challenge_ack);
	tcp_ack_unacceptable(c, false, now_us);
}

static void syn_rtt(struct tcp_conn *c, uint64_t now_us)
{
	if (!c->retries && c->rto_base_us)
		tcp_rtt_sample(c, (uint32_t)(now_us - c->rto_base_us), now_us);
}

// 3.10.7.3: SYN-SENT.
static void segment_syn_sent(struct tcp_conn *c, struct tcp_seg *seg, uint64_t now_us)
{
	bool acked = seg->flags & TCP_ACK;

	// First, check the ACK bit.
	if (acked && (seq_le(seg->ack, c->iss) || seq_lt(c->snd_nxt, seg->ack))) {
		tcp_reply_rst(c->s, seg);
		return;
	}
	// Second, check the RST bit.
	if (seg->flags & TCP_RST) {
		if (acked) {
			COUNT(c->s->counters, tcp_rst_rx);
			tcp_conn_close(c, ECONNREFUSED);
		}
		return;
	}
	// Third, security: none here. Fourth, check the SYN bit.
	if (!(seg->flags & TCP_SYN))
		return;
	if (acked && c->flags & TF_TS && !seg->has_ts)
		return;
	tcp_take_syn_options(c, seg, now_us);
	if (!acked) { // simultaneous open
		c->state = TCP_SYN_RECEIVED;
		tcp_send_syn(c, now_us);
		tcp_rtx_update(c, now_us);
		return;
	}
	syn_rtt(c, now_us);
	c->snd_una = seg->ack;
	c->snd_wl2 = seg->ack;
	tcp_conn_established(c, now_us);
	c->flags |= TF_ACK_NOW;
	tcp_rtx_update(c, now_us);
}

// RFC 7323 5.3, R1.
static bool paws_fails(const struct tcp_conn *c, const struct tcp_seg *seg, uint64_t now_us)
{
	if (!(c->flags & TF_TS) || !seg->has_ts || seg->flags & TCP_RST ||
		!seq_lt(seg->tsval, c->ts_recent))
		return false;
	return (uint32_t)(now_us / 1000000) - c->ts_recent_s <= TCP_PAWS_MAX_S;
}

static uint32_t segment_len(const struct tcp_seg *seg)
{
	return seg->len + !!(seg->flags & TCP_SYN) + !!(seg->flags & TCP_FIN);
}

// 3.10.7.4's table, with the allowance for zero windows: what starts at RCV.NXT is always looked
// at.
static bool in_window(const struct tcp_conn *c, const struct tcp_seg *seg)
{
	uint32_t last = seg->seq + segment_len(seg) - 1;

	if (seg->seq == c->rcv_nxt)
		return true;
	if (c->rcv_adv == c->rcv_nxt)
		return false;
	if (seq_le(c->rcv_nxt, seg->seq) && seq_lt(seg->seq, c->rcv_adv))
		return true;
	return segment_len(seg) && seq_le(c->rcv_nxt, last) && seq_lt(last, c->rcv_adv);
}

// A partly old segment that reaches past the window, or an old one that ends within it.
static bool overlaps_window(const struct tcp_conn *c, const struct tcp_seg *seg)
{
	return seq_lt(seg->seq, c->rcv_nxt) && seq_lt(c->rcv_nxt, seg->seq + segment_len(seg)) &&
	       c->rcv_adv != c->rcv_nxt;
}

// First: sequence number, with PAWS before it. False: dropped, answered with an ACK if it is owed
// one.
static bool check_sequence(struct tcp_conn *c, struct tcp_seg *seg, uint64_t now_us)
{
	// RFC 7323 3.2. A SYN goes on: RFC 5961 4.2 wants it answered, whatever its options.
	if (c->flags & TF_TS && !seg->has_ts && !(seg->flags & (TCP_RST | TCP_SYN)))
		return false;
	if (paws_fails(c, seg, now_us)) {
		COUNT(c->s->counters, tcp_rx_paws);
		tcp_ack_unacceptable(c, seg->len != 0, now_us);
		return false;
	}
	if (in_window(c, seg) || overlaps_window(c, seg))
		return true;
	if (seg->flags & TCP_RST)
		return false;
	// Our SYN-ACK was lost, the peer's SYN comes again.
	if (c->state == TCP_SYN_RECEIVED && seg->seq == c->irs &&
		(seg->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		tcp_send_syn(c, now_us);
		return false;
	}
	if (seg->len && seq_le(seg->seq + seg->len, c->rcv_nxt)) {
		COUNT_N(c->s->counters, tcp_rx_duplicate, seg->len);
		if (c->flags & TF_SACK) { // RFC 2883
			c->dsack = (struct tcp_block){seg->seq, seg->seq + seg->len};
			c->flags |= TF_DSACK;
		}
	} else {
		COUNT(c->s->counters, tcp_rx_out_of_window);
	}
	tcp_ack_unacceptable(c, segment_len(seg) != 0 && !(seg->flags & TCP_SYN), now_us);
	return false;
}

// Second: RST, RFC 5961 3.2. True: handled.
static bool check_rst(struct tcp_conn *c, const struct tcp_seg *seg, uint64_t now_us)
{
	if (!(seg->flags & TCP_RST))
		return false;
	if (seg->seq != c->rcv_nxt) {
		challenge_ack(c, now_us);
		return true;
	}
	COUNT(c->s->counters, tcp_rst_rx);
	switch ((enum tcp_state)c->state) {
	case TCP_SYN_RECEIVED:
		tcp_conn_close(c, ECONNREFUSED);
		break;
	case TCP_CLOSING:
	case TCP_LAST_ACK:
		tcp_conn_close(c, 0);
		break;
	default:
		tcp_conn_close(c, ECONNRESET);
	}
	return true;
}

// Fourth: SYN, RFC 5961 4.2. True: handled.
static bool check_syn(struct tcp_conn *c, const struct tcp_seg *seg, uint64_t now_us)
{
	if (!(seg->flags & TCP_SYN))
		return false;
	if (c->state == TCP_SYN_RECEIVED && !(c->flags & TF_ACTIVE))
		tcp_conn_close(c, 0); // back to LISTEN
	else
		challenge_ack(c, now_us);
	return true;
}

// Fifth, SYN-RECEIVED: the ACK that completes the handshake. False: it does not.
static bool handshake_ack(struct tcp_conn *c, const struct tcp_seg *seg, uint64_t now_us)
{
	if (seq_le(seg->ack, c->snd_una) || seq_lt(c->snd_nxt, seg->ack)) {
		tcp_reply_rst(c->s, seg);
		return false;
	}
	syn_rtt(c, now_us);
	c->snd_una = seg->ack;
	c->snd_wnd = (uint32_t)seg->wnd << c->snd_wscale;
	c->max_snd_wnd = c->snd_wnd;
	c->snd_wl1 = seg->seq;
	c->snd_wl2 = seg->ack;
	tcp_conn_established(c, now_us);
	return true;
}

// Fifth: what the ACK of our FIN changes. False: the connection is over.
static bool fin_acked(struct tcp_conn *c, uint64_t now_us)
{
	if (!(c->flags & TF_FIN_ACKED))
		return true;
	switch ((enum tcp_state)c->state) {
	case TCP_FIN_WAIT_1:
		c->state = TCP_FIN_WAIT_2;
		tcp_misc_update(c, now_us);
		return true;
	case TCP_CLOSING:
		tcp_tw_enter(c, now_us);
		return false;
	case TCP_LAST_ACK:
		tcp_conn_close(c, 0);
		return false;
	default:
		return true;
	}
}

// Fifth: ACK. False: the segment is done with.
static bool check_ack(struct tcp_conn *c, const struct tcp_seg *seg, uint64_t now_us)
{
	if (!(seg->flags & TCP_ACK))
		return false;
	if (c->state == TCP_SYN_RECEIVED && !handshake_ack(c, seg, now_us))
		return false;
	// RFC 5961 5.2.
	if (seq_lt(c->snd_nxt, seg->ack) || seq_lt(seg->ack, c->snd_una - c->max_snd_wnd)) {
		challenge_ack(c, now_us);
		return false;
	}
	tcp_ack(c, seg, now_us);
	return fin_acked(c, now_us);
}

// Seventh: text. False: it was the end of the connection.
static bool take_text(struct tcp_conn *c, struct tcp_seg *seg, bool *fin, uint64_t now_us)
{
	if (!seg->len)
		return true;
	if (c->state != TCP_ESTABLISHED && c->state != TCP_FIN_WAIT_1 &&
		c->state != TCP_FIN_WAIT_2) {
		*fin = false;
		return true;
	}
	// Nobody will ever read it: RFC 1122 4.2.2.13.
	if (c->flags & TF_ORPHAN && seq_lt(c->rcv_nxt, seg->seq + seg->len)) {
		tcp_conn_reset(c, 0, now_us);
		return false;
	}
	*fin = tcp_rcv_data(c, seg, now_us) && *fin;
	return true;
}

// Eighth: FIN, once everything before it is there.
static void take_fin(struct tcp_conn *c, uint64_t now_us)
{
	if ((c->flags & (TF_FIN_SEEN | TF_FIN_RCVD)) != TF_FIN_SEEN || c->rcv_nxt != c->rcv_fin)
		return;
	c->flags |= TF_FIN_RCVD | TF_ACK_NOW;
	if (!++c->rcv_nxt)
		c->rcv_wraps++;
	c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt);
	tcp_conn_event(c, TCP_EV_EOF);
	switch ((enum tcp_state)c->state) {
	case TCP_ESTABLISHED:
		c->state = TCP_CLOSE_WAIT;
		break;
	case TCP_FIN_WAIT_1:
		c->state = TCP_CLOSING; // had our FIN been acknowledged, we were in FIN-WAIT-2
		break;
	case TCP_FIN_WAIT_2:
		tcp_tw_enter(c, now_us);
		break;
	default:
		break;
	}
}

void tcp_segment_slow(struct tcp_conn *c, struct tcp_seg *seg, uint64_t now_us)
{
	uint32_t fin_seq = seg->seq + seg->len;
	bool fin = seg->flags & TCP_FIN;

	if (c->state == TCP_SYN_SENT) {
		segment_syn_sent(c, seg, now_us);
		return;
	}
	if (!check_sequence(c, seg, now_us) || check_rst(c, seg, now_us) ||
		check_syn(c, seg, now_us))
		return;
	// Third is security: none here. RFC 7323 4.3: TS.Recent follows the segment at the left
	// edge.
	if (c->flags & TF_TS && seg->has_ts && seq_le(seg->seq, c->last_ack_sent)) {
		c->ts_recent = seg->tsval;
		c->ts_recent_s = (uint32_t)(now_us / 1000000);
	}
	if (!check_ack(c, seg, now_us))
		return;
	// Sixth: URG. Urgent data is in line (RFC 6093), nothing to do.
	if (!take_text(c, seg, &fin, now_us))
		return;
	if (fin && !(c->flags & TF_FIN_SEEN)) {
		c->rcv_fin = fin_seq;
		c->flags |= TF_FIN_SEEN;
	}
	if (fin)
		c->flags |= TF_ACK_NOW;
	take_fin(c, now_us);
}
