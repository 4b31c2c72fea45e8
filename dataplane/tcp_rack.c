// SPDX-License-Identifier: BSD-3-Clause
// RACK, RFC 8985 6: a segment is lost when one sent sufficiently later has arrived.
#include "dataplane/tcp_rate.h"

#define DUP_THRESH 3
#define REO_MULT_MAX 16
#define REO_PERSIST 16

static bool sent_after(uint64_t t1, uint32_t end1, uint64_t t2, uint32_t end2)
{
	return t1 > t2 || (t1 == t2 && seq_lt(end2, end1));
}

// Steps 1 to 3 for one segment that arrived.
void tcp_rack_delivered(
	struct tcp_conn *c, const struct mbuf_priv *p, uint32_t tsecr, bool has_ts, uint64_t now_us)
{
	uint64_t rtt = now_us - p->sent_us;

	if (p->flags & SEG_EVER) {
		// The ACK may be for the original: then it says nothing about the retransmission.
		if (has_ts && seq_lt(tsecr, tcp_conn_ts(c, p->sent_us)))
			return;
		if (rtt < c->min_rtt_us)
			return;
	} else if (seq_lt(seg_end(p), c->fack)) {
		c->flags |= TF_REORDER; // step 3: it arrived later than one sent after it
	}
	if (c->rack_xmit_us &&
		!sent_after(p->sent_us, seg_end(p), c->rack_xmit_us, c->rack_end_seq))
		return;
	c->rack_xmit_us = p->sent_us;
	c->rack_end_seq = seg_end(p);
	c->rack_rtt_us = (uint32_t)RTE_MIN(rtt, (uint64_t)INT32_MAX);
}

// Step 4: the window widens with every round trip that saw a needless retransmission.
void tcp_rack_dsack(struct tcp_conn *c)
{
	if (seq_lt(c->snd_una, c->reo_round))
		return;
	c->reo_round = c->snd_nxt;
	if (c->reo_mult < REO_MULT_MAX)
		c->reo_mult++;
	c->reo_persist = REO_PERSIST;
}

static uint32_t reo_wnd(const struct tcp_conn *c)
{
	uint32_t wnd;

	if (!(c->flags & TF_REORDER) && (c->recovery != TCP_OPEN || c->sacked_segs >= DUP_THRESH))
		return 0;
	wnd = c->reo_mult * (c->min_rtt_us / 4);
	return RTE_MIN(wnd, c->srtt_us);
}

void tcp_mark_lost(struct tcp_conn *c, struct rte_mbuf *m)
{
	struct mbuf_priv *p = mbuf_priv(m);

	if (c->flags & TF_RATE && (p->flags & (SEG_LOST | SEG_RETRANS)) != SEG_LOST)
		tcp_rate(c)->lost += p->len;
	if (p->flags & SEG_RETRANS) {
		p->flags &= (uint16_t)~SEG_RETRANS;
		c->retrans_bytes -= p->len;
	}
	if (p->flags & SEG_LOST)
		return;
	p->flags |= SEG_LOST;
	c->lost_bytes += p->len;
}

// Step 5.
bool tcp_rack_detect(struct tcp_conn *c, uint64_t now_us)
{
	uint32_t reo = reo_wnd(c);
	bool marked = false;

	c->reo_at_us = 0;
	if (!c->rack_xmit_us)
		return false;
	for (struct rte_mbuf *m = c->sq_head; m && m != c->sq_next; m = mbuf_priv(m)->next) {
		struct mbuf_priv *p = mbuf_priv(m);
		uint64_t due;

		if (p->flags & SEG_SACKED || (p->flags & (SEG_LOST | SEG_RETRANS)) == SEG_LOST)
			continue;
		if (!sent_after(c->rack_xmit_us, c->rack_end_seq, p->sent_us, seg_end(p)))
			continue;
		due = p->sent_us + c->rack_rtt_us + reo;
		if (due <= now_us) {
			tcp_mark_lost(c, m);
			marked = true;
		} else {
			c->reo_at_us = RTE_MAX(c->reo_at_us, due);
		}
	}
	return marked;
}
