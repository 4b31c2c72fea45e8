// SPDX-License-Identifier: BSD-3-Clause
// The received stream: bytes in order wait for the owner, those beyond a gap for the gap.
#include "dataplane/tcp_int.h"

#define RX_COLLAPSE 16 // unread mbufs from which on small ones are merged

void tcp_drop_queue(struct tcp_stack *s, struct rte_mbuf **head)
{
	struct rte_mbuf *m, *next;

	for (m = *head; m; m = next) {
		next = mbuf_priv(m)->next;
		rte_pktmbuf_free(m);
		s->mbufs_held--;
	}
	*head = NULL;
}

void tcp_rcv_drop(struct tcp_conn *c)
{
	tcp_drop_queue(c->s, &c->rx_head);
	tcp_drop_queue(c->s, &c->ooo_head);
	c->rx_tail = c->ooo_tail = NULL;
	c->rx_bytes = 0;
	c->s->ooo_held -= c->ooo_segs;
	c->rx_mbufs = c->ooo_segs = 0;
	c->flags &= ~(uint32_t)TF_OOO;
}

// Copy len bytes at off of m behind t's payload if they fit. Slices already handed out stay where
// they are.
static bool merge(struct rte_mbuf *t, const struct rte_mbuf *m, uint16_t off, uint16_t len)
{
	struct mbuf_priv *p = mbuf_priv(t);

	if (rte_mbuf_refcnt_read(t) != 1 || (uint32_t)p->off + p->len + len > t->buf_len)
		return false;
	rte_memcpy((char *)t->buf_addr + p->off + p->len, (const char *)m->buf_addr + off, len);
	p->len += len;
	return true;
}

// Payload that begins at rcv_nxt, to the end of the queue. An owner who does not read must not make
// a peer's tiny segments cost a whole mbuf each.
static void rx_append(struct tcp_conn *c, struct rte_mbuf *m)
{
	struct mbuf_priv *p = mbuf_priv(m);
	uint32_t len = p->len;

	p->next = NULL;
	c->rcv_nxt += len;
	if (unlikely(c->rcv_nxt < len))
		c->rcv_wraps++;
	c->rx_bytes += len;
	if (unlikely(c->rx_mbufs >= RX_COLLAPSE) && merge(c->rx_tail, m, p->off, p->len)) {
		tcp_free_later(c->s, m);
		c->s->mbufs_held--;
		return;
	}
	if (c->rx_tail)
		mbuf_priv(c->rx_tail)->next = m;
	else
		c->rx_head = m;
	c->rx_tail = m;
	c->rx_mbufs++;
}

static struct rte_mbuf *take_payload(struct tcp_conn *c, struct tcp_seg *seg)
{
	struct rte_mbuf *m = seg->m;
	struct mbuf_priv *p = mbuf_priv(m);

	seg->m = NULL;
	p->seq = seg->seq;
	p->off = seg->off;
	p->len = seg->len;
	p->flags = 0;
	c->s->mbufs_held++;
	return m;
}

// RFC 9293 3.8.6.3, RFC 5681 4.2: every second segment at the latest; at once while the peer
// starts, and after a pause: when segments come that far apart no second one will come in time, and
// coming back for the timer costs more than an ACK now.
static inline void schedule_ack(struct tcp_conn *c, bool paused, uint64_t now_us)
{
	if (c->quick_acks) {
		c->quick_acks--;
		c->flags |= TF_ACK_NOW;
		return;
	}
	if (++c->delack_segs >= 2 || paused) {
		c->flags |= TF_ACK_NOW;
		return;
	}
	if (!(c->flags & TF_DELACK)) {
		c->flags |= TF_DELACK;
		tcp_timer_set(c, TCP_TIMER_DELACK, now_us + c->s->delack_us);
	}
}

void tcp_rcv_in_order(struct tcp_conn *c, struct tcp_seg *seg, uint64_t now_us)
{
	rx_append(c, take_payload(c, seg));
	schedule_ack(c, seg->paused, now_us);
	tcp_conn_event(c, TCP_EV_READABLE);
}

static struct rte_mbuf *ooo_pop(struct tcp_conn *c, struct rte_mbuf **at)
{
	struct rte_mbuf *m = *at;

	*at = mbuf_priv(m)->next;
	mbuf_priv(m)->next = NULL;
	c->ooo_segs--;
	c->s->ooo_held--;
	return m;
}

static void trim_front(struct mbuf_priv *p, uint32_t n)
{
	p->seq += n;
	p->off += (uint16_t)n;
	p->len -= (uint16_t)n;
}

// The gap closed: move what follows over.
static void ooo_pull(struct tcp_conn *c)
{
	while (c->ooo_head && seq_le(mbuf_priv(c->ooo_head)->seq, c->rcv_nxt)) {
		struct rte_mbuf *m = ooo_pop(c, &c->ooo_head);
		struct mbuf_priv *p = mbuf_priv(m);

		if (seq_le(seg_end(p), c->rcv_nxt)) {
			rte_pktmbuf_free(m);
			c->s->mbufs_held--;
			continue;
		}
		trim_front(p, c->rcv_nxt - p->seq);
		rx_append(c, m);
	}
	if (!c->ooo_head) {
		c->ooo_tail = NULL;
		c->flags &= ~(uint32_t)TF_OOO;
	}
}

// RFC 2018 4: the block with the newest segment first. b joins the blocks that it touches.
static void sack_add(struct tcp_conn *c, struct tcp_block b)
{
	struct tcp_block old[TCP_MAX_SACK];
	uint8_t n = 0;

	for (uint8_t i = 0; i < c->nb_sack; i++) {
		struct tcp_block *k = &c->sack[i];

		if (seq_le(k->start, b.end) && seq_le(b.start, k->end)) {
			b.start = seq_lt(k->start, b.start) ? k->start : b.start;
			b.end = seq_max(k->end, b.end);
		} else {
			old[n++] = *k;
		}
	}
	c->sack[0] = b;
	c->nb_sack = 1;
	for (uint8_t i = 0; i < n && c->nb_sack < TCP_MAX_SACK; i++)
		c->sack[c->nb_sack++] = old[i];
}

static void sack_prune(struct tcp_conn *c)
{
	uint8_t n = 0;

	for (uint8_t i = 0; i < c->nb_sack; i++)
		if (seq_lt(c->rcv_nxt, c->sack[i].end))
			c->sack[n++] = c->sack[i];
	c->nb_sack = n;
}

// RFC 2883: report what arrived twice.
static void dsack_set(struct tcp_conn *c, uint32_t start, uint32_t end)
{
	COUNT_N(c->s->counters, tcp_rx_duplicate, end - start);
	if (!(c->flags & TF_SACK))
		return;
	c->dsack = (struct tcp_block){start, end};
	c->flags |= TF_DSACK;
}

static void seg_trim_front(struct tcp_seg *seg, uint32_t n)
{
	seg->seq += n;
	seg->off += (uint16_t)n;
	seg->len -= (uint16_t)n;
}

// Cut from a new segment what its neighbours have; neighbours that it covers go. prev ends behind
// its start, or is NULL.
static void ooo_trim(
	struct tcp_conn *c, struct tcp_seg *seg, const struct mbuf_priv *prev, struct rte_mbuf **at)
{
	if (prev && seq_lt(seg->seq, seg_end(prev))) {
		dsack_set(c, seg->seq, seg_end(prev));
		seg_trim_front(seg, seg_end(prev) - seg->seq);
	}
	while (*at && seq_lt(mbuf_priv(*at)->seq, seg->seq + seg->len)) {
		const struct mbuf_priv *n = mbuf_priv(*at);

		if (seq_lt(seg->seq + seg->len, seg_end(n))) {
			dsack_set(c, n->seq, seg->seq + seg->len);
			seg->len = (uint16_t)(n->seq - seg->seq);
			break;
		}
		dsack_set(c, n->seq, seg_end(n));
		rte_pktmbuf_free(ooo_pop(c, at));
		c->s->mbufs_held--;
	}
}

// As many as the window takes in segments of an eighth of the usual size.
static inline uint32_t ooo_max(const struct tcp_conn *c)
{
	return RTE_MIN(c->rcv_wnd_max / (c->mss / 8u + 1) + 16, c->s->cfg.ooo_max_segs);
}

// Insert a segment beyond a gap where it belongs. Small ones join the one in front of them: bytes
// are bounded by the window, mbufs by ooo_max_segs.
static void ooo_insert(struct tcp_conn *c, struct tcp_seg *seg)
{
	struct rte_mbuf **at = &c->ooo_head, *prev = NULL, *m;
	struct mbuf_priv *pp = NULL;
	struct tcp_block b;

	if (c->ooo_tail && seq_le(mbuf_priv(c->ooo_tail)->seq, seg->seq)) {
		prev = c->ooo_tail;
		at = &mbuf_priv(prev)->next;
	}
	while (*at && seq_le(mbuf_priv(*at)->seq, seg->seq)) {
		prev = *at;
		at = &mbuf_priv(prev)->next;
	}
	if (prev)
		pp = mbuf_priv(prev);
	if (pp && seq_le(seg->seq + seg->len, seg_end(pp))) {
		dsack_set(c, seg->seq, seg->seq + seg->len);
		return;
	}
	ooo_trim(c, seg, pp, at);
	if (!seg->len) // its neighbours meet
		return;
	b = (struct tcp_block){seg->seq, seg->seq + seg->len};
	if (pp && seg->seq == seg_end(pp) && seg->len < c->mss / 2 &&
		merge(prev, seg->m, seg->off, seg->len)) {
		m = prev; // seg->m is freed by the caller
	} else if (c->ooo_segs < ooo_max(c)) {
		m = take_payload(c, seg);
		mbuf_priv(m)->next = *at;
		*at = m;
		c->ooo_segs++;
		c->s->ooo_held++;
	} else {
		COUNT(c->s->counters, tcp_rx_ooo_full);
		return;
	}
	c->flags |= TF_OOO;
	if (!mbuf_priv(m)->next)
		c->ooo_tail = m;
	COUNT(c->s->counters, tcp_rx_out_of_order);
	if (c->flags & TF_SACK)
		sack_add(c, b);
}

// Cut a segment to the window. False when nothing of it is left.
static bool trim(struct tcp_conn *c, struct tcp_seg *seg, bool *fin)
{
	uint32_t end = seg->seq + seg->len;

	if (seq_lt(seg->seq, c->rcv_nxt)) {
		uint32_t cut = RTE_MIN(c->rcv_nxt - seg->seq, (uint32_t)seg->len);

		if (cut)
			dsack_set(c, seg->seq, seg->seq + cut);
		seg_trim_front(seg, cut);
		c->flags |= TF_ACK_NOW;
	}
	if (seq_lt(c->rcv_adv, end)) {
		uint32_t cut = RTE_MIN(end - c->rcv_adv, (uint32_t)seg->len);

		seg->len -= (uint16_t)cut;
		*fin = false;
		c->flags |= TF_ACK_NOW;
		COUNT(c->s->counters, tcp_rx_out_of_window);
	}
	return seg->len != 0;
}

bool tcp_rcv_data(struct tcp_conn *c, struct tcp_seg *seg, uint64_t now_us)
{
	bool fin = true;

	if (!trim(c, seg, &fin))
		return fin;
	if (seg->seq == c->rcv_nxt ? tcp_mem_full(c->s) : tcp_mem_full_ooo(c->s)) {
		COUNT(c->s->counters, tcp_memory_full);
		c->flags |= TF_ACK_NOW;
		return false;
	}
	if (seg->seq != c->rcv_nxt) {
		ooo_insert(c, seg);
		c->flags |= TF_ACK_NOW; // RFC 5681 4.2: at once, for fast retransmit
		return fin;
	}
	tcp_rcv_in_order(c, seg, now_us);
	if (c->ooo_head) {
		ooo_pull(c);
		sack_prune(c);
		c->flags |= TF_ACK_NOW;
	}
	return fin;
}

// Under the worker's memory bound windows stand still; the peer's probes find them open again.
uint32_t tcp_rcv_edge(const struct tcp_conn *c)
{
	if (tcp_mem_short(c->s))
		return c->rcv_adv;
	return c->rcv_nxt + c->rcv_wnd_max - RTE_MIN(c->rx_bytes, c->rcv_wnd_max);
}

uint16_t tcp_rcv_window(struct tcp_conn *c)
{
	uint32_t max = c->rcv_wnd_max, offered = c->rcv_adv - c->rcv_nxt, step, field;
	uint32_t room = max - RTE_MIN(c->rx_bytes, max), mask = (1u << c->rcv_wscale) - 1;

	// RFC 9293 3.8.6.2.2: the edge moves by a segment or half the buffer, never back, and
	// rounding must not take back what was offered either.
	step = RTE_MIN((uint32_t)c->mss, RTE_MAX(max / 2, 1u));
	field = offered + mask;
	if (room >= offered + step && room > field && !tcp_mem_short(c->s))
		field = room;
	field = RTE_MIN(field >> c->rcv_wscale, (uint32_t)UINT16_MAX);
	c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt + (field << c->rcv_wscale));
	return (uint16_t)field;
}
