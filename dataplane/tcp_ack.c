// SPDX-License-Identifier: BSD-3-Clause
// Acknowledgements: what left the send queue, round trip times, and where recovery stands.
#include "dataplane/tcp_rate.h"

#define MIN_RTT_WINDOW_US 300000000ull
#define DUP_THRESH 3

// What one segment's ACK and SACK brought.
struct delivery {
	uint32_t acked;      // bytes below the new snd_una
	uint32_t sacked;     // bytes newly reported by SACK, or inferred from a duplicate ACK
	uint32_t was_sacked; // bytes of acked that SACK had reported before
	uint64_t oldest_us,
		newest_us; // transmission times of segments never retransmitted, 0: none
	bool ambiguous;    // something retransmitted was among them
	bool dsack;
};

void tcp_rtt_sample(struct tcp_conn *c, uint32_t rtt_us, uint64_t now_us)
{
	const struct tcp_config *f = &c->s->cfg;
	uint32_t delta;
	uint64_t rto;

	rtt_us = RTE_MAX(rtt_us, 1u);
	if (!c->min_rtt_us || rtt_us <= c->min_rtt_us ||
		now_us - c->min_rtt_at_us > MIN_RTT_WINDOW_US) {
		c->min_rtt_us = rtt_us;
		c->min_rtt_at_us = now_us;
	}
	// RFC 6298 2.2, 2.3.
	if (!(c->flags & TF_RTT)) {
		c->flags |= TF_RTT;
		c->srtt_us = rtt_us;
		c->rttvar_us = rtt_us / 2;
	} else {
		delta = c->srtt_us > rtt_us ? c->srtt_us - rtt_us : rtt_us - c->srtt_us;
		c->rttvar_us = c->rttvar_us - c->rttvar_us / 4 + delta / 4;
		c->srtt_us = c->srtt_us - c->srtt_us / 8 + rtt_us / 8;
	}
	// The variance's share is never below the minimum, so that a peer's delayed ACK on a steady
	// path is no timeout.
	rto = c->srtt_us + RTE_MAX(4ull * c->rttvar_us, f->min_rto_ms * 1000ull);
	c->rto_us = (uint32_t)RTE_MIN(rto, f->max_rto_ms * 1000ull);
}

static void delivered(struct tcp_conn *c, const struct mbuf_priv *p, const struct tcp_seg *seg,
	struct delivery *d, uint64_t now_us)
{
	tcp_rack_delivered(c, p, seg->tsecr, c->flags & TF_TS && seg->has_ts, now_us);
	if (p->flags & SEG_EVER) {
		d->ambiguous = true;
		return;
	}
	if (!d->oldest_us || p->sent_us < d->oldest_us)
		d->oldest_us = p->sent_us;
	if (p->sent_us > d->newest_us)
		d->newest_us = p->sent_us;
}

// n bytes of a segment leave the books.
static void forget_bytes(struct tcp_conn *c, const struct mbuf_priv *p, uint32_t n)
{
	if (p->flags & SEG_SACKED)
		c->sacked_bytes -= n;
	if (p->flags & SEG_LOST)
		c->lost_bytes -= n;
	if (p->flags & SEG_RETRANS)
		c->retrans_bytes -= n;
}

static void mark_sacked(struct tcp_conn *c, struct mbuf_priv *p, struct delivery *d)
{
	forget_bytes(c, p, p->len);
	p->flags &= (uint16_t) ~(SEG_LOST | SEG_RETRANS);
	p->flags |= SEG_SACKED;
	c->sacked_bytes += p->len;
	c->sacked_segs++;
	d->sacked += p->len;
}

// RFC 2883 4: the first block lies below the ACK, or inside the second block.
static bool is_dsack(const struct tcp_seg *seg)
{
	const struct tcp_block *b = seg->sack;

	if (seq_le(b[0].end, seg->ack))
		return true;
	return seg->nb_sack > 1 && seq_le(b[1].start, b[0].start) && seq_le(b[0].end, b[1].end);
}

// RFC 2018, 6675: mark what the blocks cover, in one walk. Blocks that make no sense are ignored.
static void sack_received(
	struct tcp_conn *c, const struct tcp_seg *seg, struct delivery *d, uint64_t now_us)
{
	struct tcp_block b[TCP_MAX_SACK];
	uint32_t una = seq_max(seg->ack, c->snd_una), max = una;
	uint8_t n = 0;

	d->dsack = is_dsack(seg);
	for (uint8_t i = d->dsack; i < seg->nb_sack; i++) {
		struct tcp_block k = seg->sack[i];

		if (!seq_lt(k.start, k.end) || !seq_lt(una, k.end) || seq_lt(c->snd_nxt, k.end) ||
			seq_lt(k.start, c->snd_una))
			continue;
		b[n++] = k;
		max = seq_max(max, k.end);
	}
	for (struct rte_mbuf *m = c->sq_head; n && m && m != c->sq_next; m = mbuf_priv(m)->next) {
		struct mbuf_priv *p = mbuf_priv(m);

		if (seq_le(max, p->seq))
			break;
		for (uint8_t i = 0; i < n && !(p->flags & SEG_SACKED); i++) {
			if (seq_lt(p->seq, b[i].start) || seq_lt(b[i].end, seg_end(p)))
				continue;
			delivered(c, p, seg, d, now_us);
			mark_sacked(c, p, d);
		}
	}
	if (n)
		c->fack = seq_max(c->fack, max);
}

static void pop_acked(
	struct tcp_conn *c, const struct tcp_seg *seg, struct delivery *d, uint64_t now_us)
{
	struct rte_mbuf *m = c->sq_head, *next, *end = c->sq_next;
	struct mbuf_priv last = {0};
	struct tcp_stack *s = c->s;

	for (; m != end; m = next) {
		struct mbuf_priv *p = mbuf_priv(m);

		if (seq_lt(seg->ack, seg_end(p)))
			break;
		next = p->next;
		if (likely(!p->flags)) {
			// Of segments sent once the first and the last tell all: later ones were
			// not sent earlier.
			if (!last.sent_us) {
				d->oldest_us = d->oldest_us ? RTE_MIN(d->oldest_us, p->sent_us)
							    : p->sent_us;
				if (seq_lt(seg_end(p), c->fack))
					c->flags |= TF_REORDER; // see tcp_rack_delivered()
			}
			last.sent_us = p->sent_us;
			last.seq = seg_end(p);
		} else if (p->flags & SEG_SACKED) {
			d->was_sacked += p->len;
			c->sacked_segs--;
			forget_bytes(c, p, p->len);
		} else {
			delivered(c, p, seg, d, now_us);
			forget_bytes(c, p, p->len);
		}
		s->mbufs_held--;
		tcp_free_later(s, m);
	}
	if (last.sent_us) {
		d->newest_us = RTE_MAX(d->newest_us, last.sent_us);
		tcp_rack_delivered(c, &last, 0, false, now_us);
	}
	c->sq_head = m;
	if (!m) {
		c->sq_tail = NULL;
		c->flags &= ~(uint32_t)TF_SQ;
	}
}

static void trim_acked(struct tcp_conn *c, uint32_t ack)
{
	struct rte_mbuf *m = c->sq_head;
	struct mbuf_priv *p;
	uint32_t n;

	if (!m || m == c->sq_next)
		return;
	p = mbuf_priv(m);
	if (!seq_lt(p->seq, ack))
		return;
	n = ack - p->seq;
	forget_bytes(c, p, n);
	p->seq += n;
	p->off += (uint16_t)n;
	p->len -= (uint16_t)n;
}

static void advance(
	struct tcp_conn *c, const struct tcp_seg *seg, struct delivery *d, uint64_t now_us)
{
	d->acked = seg->ack - c->snd_una;
	pop_acked(c, seg, d, now_us);
	trim_acked(c, seg->ack);
	c->snd_una = seg->ack;
	c->fack = seq_max(c->fack, c->snd_una);
	if (c->flags & TF_FIN_SENT && seg->ack == c->snd_end + 1)
		c->flags |= TF_FIN_ACKED;
	if (!(c->flags & TF_SACK))
		c->dupacks = 0;
	c->reno_sacked = 0;
	c->retries = 0;
	c->rto_base_us = now_us; // RFC 6298 5.3
	c->tlp_base_us = now_us;
	c->progress_us = now_us;
}

// RFC 6298 3, Karn: segments never retransmitted, and none that may have waited at the peer for one
// that was; else the timestamp that came back.
static void measure(
	struct tcp_conn *c, const struct tcp_seg *seg, const struct delivery *d, uint64_t now_us)
{
	if (d->oldest_us && !d->ambiguous) {
		// What was SACKed long after it was sent is measured by the newest.
		uint64_t rtt = now_us - (d->acked ? d->oldest_us : d->newest_us);

		tcp_rtt_sample(c, (uint32_t)RTE_MIN(rtt, (uint64_t)INT32_MAX), now_us);
		if (d->newest_us != d->oldest_us && now_us - d->newest_us < c->min_rtt_us) {
			c->min_rtt_us = (uint32_t)RTE_MAX(now_us - d->newest_us, 1ull);
			c->min_rtt_at_us = now_us;
		}
	} else if (d->acked && c->flags & TF_TS && seg->has_ts && seg->tsecr) {
		uint32_t ms = tcp_conn_ts(c, now_us) - seg->tsecr;

		if (ms > 600000)
			return;
		tcp_rtt_sample(c, RTE_MAX(ms, 1u) * 1000, now_us);
	} else {
		return;
	}
	if (d->acked)
		c->backoff = 0;
}

// RFC 8985 7.4.2.
static void tlp_acked(
	struct tcp_conn *c, const struct tcp_seg *seg, const struct delivery *d, uint64_t now_us)
{
	bool ended = false;

	if (!(c->flags & TF_TLP) || seq_lt(seg->ack, c->tlp_end_seq))
		return;
	if (!(c->flags & TF_TLP_RETRANS) || d->dsack) {
		ended = true;
	} else if (seq_lt(c->tlp_end_seq, seg->ack)) {
		// The probe repaired a loss that nobody else noticed.
		ended = true;
		if (c->recovery == TCP_OPEN) {
			c->s->cc->loss(&c->cc, tcp_in_flight(c) + d->acked, now_us);
			c->cc.cwnd = RTE_MIN(c->cc.cwnd, c->cc.ssthresh);
		}
	} else if (!d->acked && !seg->nb_sack) {
		ended = true;
	}
	if (ended)
		c->flags &= ~(uint32_t)(TF_TLP | TF_TLP_RETRANS);
}

// RFC 6937 3, slow start reduction bound.
static void prr(struct tcp_conn *c, uint32_t delivered_bytes, bool growing)
{
	int64_t flight = tcp_in_flight(c), ssthresh = c->cc.ssthresh, snd;

	c->prr_delivered += delivered_bytes;
	if (flight > ssthresh) {
		int64_t recover_fs = RTE_MAX(c->prr_flight, 1u);

		snd = (c->prr_delivered * ssthresh + recover_fs - 1) / recover_fs - c->prr_out;
	} else {
		int64_t limit =
			RTE_MAX((int64_t)c->prr_delivered - c->prr_out, (int64_t)delivered_bytes);

		snd = RTE_MIN(ssthresh - flight, limit + (growing ? c->mss : 0));
	}
	if (!c->prr_out) // the first retransmission goes at once
		snd = RTE_MAX(snd, (int64_t)c->mss);
	c->cc.cwnd = (uint32_t)(flight + RTE_MAX(snd, (int64_t)0));
}

void tcp_enter_recovery(struct tcp_conn *c, uint32_t nb_arrived, uint64_t now_us)
{
	COUNT(c->s->counters, tcp_fast_recovery);
	c->recovery = TCP_RECOVERY;
	c->recover = c->snd_nxt;
	c->prr_flight = c->snd_nxt - c->snd_una;
	c->prr_delivered = c->prr_out = 0;
	c->flags &= ~(uint32_t)(TF_TLP | TF_TLP_RETRANS);
	c->s->cc->loss(&c->cc, RTE_MIN(c->prr_flight, c->cc.cwnd), now_us);
	if (!(c->flags & TF_RATE))
		prr(c, nb_arrived, false);
}

void tcp_enter_loss(struct tcp_conn *c, uint64_t now_us)
{
	bool reneged = c->sq_head && mbuf_priv(c->sq_head)->flags & SEG_SACKED;
	uint32_t lost = c->flags & TF_RATE ? tcp_rate(c)->lost : 0;

	c->flags &= ~(uint32_t)TF_UNDO;
	if (c->recovery == TCP_OPEN) {
		c->undo_cwnd = c->cc.cwnd;
		c->undo_ssthresh = c->cc.ssthresh;
		c->undo_ts = tcp_conn_ts(c, now_us);
		c->flags |= TF_UNDO;
		c->s->cc->loss(&c->cc, tcp_in_flight(c), now_us); // RFC 5681 3.1, equation 4
	} else if (c->flags & TF_RATE && c->recovery == TCP_RECOVERY) {
		c->undo_cwnd = c->cc.cwnd; // for leave_recovery()
	}
	c->recovery = TCP_LOSS;
	c->recover = c->snd_nxt;
	c->cc.cwnd = c->mss;
	c->dupacks = 0;
	c->reno_sacked = 0;
	c->reo_at_us = 0;
	c->flags &= ~(uint32_t)(TF_TLP | TF_TLP_RETRANS);
	for (struct rte_mbuf *m = c->sq_head; m && m != c->sq_next; m = mbuf_priv(m)->next) {
		struct mbuf_priv *p = mbuf_priv(m);

		if (reneged && p->flags & SEG_SACKED) { // RFC 2018 8
			c->sacked_bytes -= p->len;
			c->sacked_segs--;
			p->flags &= (uint16_t)~SEG_SACKED;
		}
		if (!(p->flags & SEG_SACKED))
			tcp_mark_lost(c, m);
	}
	// Nobody said that these are lost: no rate of loss follows from them.
	if (c->flags & TF_RATE)
		tcp_rate(c)->lost = lost;
}

// RFC 3522 (Eifel) and 4015: the first ACK after a timeout echoes a timestamp from before it, so
// the original arrived and nothing was lost.
static void undo_spurious_timeout(struct tcp_conn *c, const struct tcp_seg *seg, uint64_t now_us)
{
	if (!(c->flags & TF_UNDO))
		return;
	c->flags &= ~(uint32_t)TF_UNDO;
	if (!(c->flags & TF_TS) || !seg->has_ts || !seq_lt(seg->tsecr, c->undo_ts))
		return;
	COUNT(c->s->counters, tcp_spurious_rto);
	for (struct rte_mbuf *m = c->sq_head; m && m != c->sq_next; m = mbuf_priv(m)->next) {
		struct mbuf_priv *p = mbuf_priv(m);

		if ((p->flags & (SEG_LOST | SEG_RETRANS)) != SEG_LOST)
			continue;
		p->flags &= (uint16_t)~SEG_LOST;
		c->lost_bytes -= p->len;
	}
	c->cc.cwnd = c->undo_cwnd;
	c->cc.ssthresh = c->undo_ssthresh;
	c->s->cc->restart(&c->cc, now_us);
	c->recovery = TCP_OPEN;
	c->backoff = 0;
}

// RFC 5681 3.1, 9438 5.8, RFC 7661: a window that is not used does not grow.
static bool cwnd_limited(const struct tcp_conn *c)
{
	uint32_t used = RTE_MAX(c->flight_max, c->flight_prev);

	if (c->cc.cwnd < c->cc.ssthresh)
		return used >= c->cc.cwnd / 2;
	return used + 2u * c->mss >= c->cc.cwnd;
}

// Without SACK: RFC 6582's duplicate and partial ACKs mark the segment to send again.
static bool newreno_detect(struct tcp_conn *c, const struct delivery *d)
{
	bool enter = c->recovery == TCP_OPEN && c->dupacks >= DUP_THRESH &&
		     seq_lt(c->recover, c->snd_una);
	bool partial = c->recovery == TCP_RECOVERY && d->acked && seq_lt(c->snd_una, c->recover);

	if (!(enter || partial) || !c->sq_head || c->sq_head == c->sq_next)
		return false;
	tcp_mark_lost(c, c->sq_head);
	return true;
}

static void leave_recovery(struct tcp_conn *c)
{
	if (c->recovery == TCP_RECOVERY && !(c->flags & TF_RATE))
		c->cc.cwnd = RTE_MAX(c->cc.ssthresh, (uint32_t)c->mss);
	// draft-ietf-ccwg-bbr 4.6.4.4: what the path is known to hold is good again.
	if (c->recovery == TCP_LOSS && c->flags & TF_RATE)
		c->cc.cwnd = RTE_MAX(c->cc.cwnd, c->undo_cwnd);
	c->recovery = TCP_OPEN;
	if (c->reo_persist && !--c->reo_persist) // RFC 8985 6.2, step 4
		c->reo_mult = 1;
}

// Bytes not known before to have arrived.
static uint32_t arrived(const struct delivery *d)
{
	return d->acked - RTE_MIN(d->was_sacked, d->acked) + d->sacked;
}

static void recovery_step(struct tcp_conn *c, const struct tcp_seg *seg, const struct delivery *d,
	bool lost, uint64_t now_us)
{
	if (c->recovery == TCP_LOSS && d->acked)
		undo_spurious_timeout(c, seg, now_us);
	if (c->recovery != TCP_OPEN && seq_le(c->recover, c->snd_una)) {
		leave_recovery(c);
		if (!lost)
			return;
	}
	if (c->recovery == TCP_OPEN && lost) {
		tcp_enter_recovery(c, arrived(d), now_us);
	} else if (c->recovery == TCP_RECOVERY && !(c->flags & TF_RATE)) {
		prr(c, arrived(d), d->acked && !lost);
		if (!(c->flags & TF_SACK) && lost) // a partial ACK's segment goes at once
			c->cc.cwnd = RTE_MAX(c->cc.cwnd, tcp_in_flight(c) + c->mss);
		return;
	}
	if (c->flags & TF_RATE) // its own step follows in any state
		return;
	if (c->recovery != TCP_RECOVERY && d->acked && cwnd_limited(c))
		c->s->cc->acked(&c->cc, d->acked, c->srtt_us, now_us);
}

// RFC 9293 3.10.7.4, fifth step: SND.WL1, SND.WL2; and whenever the ACK moves on, as it does on a
// segment that the peer sends again: its window counts from there. True: the window changed.
static bool update_window(struct tcp_conn *c, const struct tcp_seg *seg, bool advanced)
{
	uint32_t wnd = (uint32_t)seg->wnd << c->snd_wscale, old = c->snd_wnd;

	if (!advanced && !seq_lt(c->snd_wl1, seg->seq) &&
		!(c->snd_wl1 == seg->seq && seq_le(c->snd_wl2, seg->ack)))
		return false;
	c->snd_wnd = wnd;
	c->snd_wl1 = seq_max(c->snd_wl1, seg->seq);
	c->snd_wl2 = seg->ack;
	c->max_snd_wnd = RTE_MAX(c->max_snd_wnd, wnd);
	return wnd != old;
}

void tcp_ack(struct tcp_conn *c, const struct tcp_seg *seg, uint64_t now_us)
{
	struct delivery d = {0};
	bool outstanding = c->snd_nxt != c->snd_una, lost = false, wnd_changed;

	if (c->flags & TF_RATE)
		tcp_rate_before_ack(c);
	if (c->rtx_mode == TCP_RTX_PERSIST)
		c->retries = 0; // RFC 9293 3.8.6.1: alive, whatever its window
	if (c->flags & TF_SACK && seg->nb_sack && outstanding)
		sack_received(c, seg, &d, now_us);
	if (seq_lt(c->snd_una, seg->ack))
		advance(c, seg, &d, now_us);
	wnd_changed = seq_le(c->snd_una, seg->ack) && update_window(c, seg, d.acked != 0);
	if (!outstanding)
		goto out;

	// RFC 5681 2: a duplicate ACK.
	if (!d.acked && seg->ack == c->snd_una && !seg->len && !wnd_changed &&
		!(seg->flags & (TCP_SYN | TCP_FIN)) && !(c->flags & TF_SACK)) {
		uint32_t out = c->snd_nxt - c->snd_una;

		if (c->dupacks < UINT8_MAX)
			c->dupacks++;
		d.sacked = c->mss;
		c->reno_sacked = RTE_MIN(
			(uint32_t)c->dupacks * c->mss, out - RTE_MIN(out, (uint32_t)c->mss));
	}
	measure(c, seg, &d, now_us);
	if (d.dsack)
		tcp_rack_dsack(c);
	tlp_acked(c, seg, &d, now_us);
	if (!(c->flags & TF_SACK))
		lost = newreno_detect(c, &d);
	else if (tcp_in_disorder(c))
		lost = tcp_rack_detect(c, now_us);
	recovery_step(c, seg, &d, lost, now_us);
	if (c->flags & TF_RATE)
		tcp_rate_acked(c, arrived(&d), now_us);
out:
	if (c->flags & TF_ROOM_ASKED)
		tcp_room_event(c);
}
