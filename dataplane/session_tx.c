// SPDX-License-Identifier: BSD-3-Clause
// From inner packets to the TCP stream: framed in their own mbuf, small ones of one session sharing
// a record, sealed in one burst over all sessions, sent. What the windows do not take waits in the
// session's queue under CoDel, unsealed.
#include "dataplane/session.h"
#include "dataplane/session_mp.h"
#include "dataplane/session_policy.h"
#include "dataplane/worker.h"
#include "protocol/ppp/ppp.h"
#include "protocol/sstp/sstp.h"

#define FRAME_LEN 8 // SSTP header, FF 03, protocol
// Plain bytes on their way through a remote record layer. They are in nobody's window yet.
#define REMOTE_AHEAD_MAX (64 * 1024)
// Bytes that a connection may have queued for each mbuf that TCP's memory has left: who does not
// acknowledge gets a share that always leaves some to the others.
#define SHARE_PER_MBUF 256
#define TX_AHEAD 16 // sessions that fetching their connections is ahead

void session_want_tx(struct worker *w, struct session *s)
{
	if (s->flags & SES_ON_TX)
		return;
	s->flags |= SES_ON_TX;
	s->tx_next = NULL;
	if (w->tx_tail)
		w->tx_tail->tx_next = s;
	else
		w->tx_head = s;
	w->tx_tail = s;
	if (w->nb_tx_near < TX_AHEAD) {
		w->nb_tx_near++;
		if (s->conn)
			tcp_prefetch_tx(s->conn);
	} else if (!w->tx_far) {
		w->tx_far = s;
	}
}

// The session in front of the list has its turn: its connection is near. That of another one comes.
static inline void tx_turn(struct worker *w)
{
	struct session *s = w->tx_far;

	if (!s) {
		w->nb_tx_near--;
		return;
	}
	w->tx_far = s->tx_next;
	if (s->conn)
		tcp_prefetch_tx(s->conn);
}

// Not queued, or out of the queue: m goes.
static __rte_noinline void txq_drop_one(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	COUNT(&w->counters, session_tx_queue_drop);
	s->tx_drops++;
	session_mp_unqueue(w, s, m);
	rte_pktmbuf_free(m);
}

void session_tx_enqueue(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	mbuf_priv(m)->sent_us = w->now_us;
	mbuf_priv(m)->flags = 0;
	mbuf_prefetch_front(m);
	if (unlikely(s->flags & SES_FLOWS)) {
		session_flows_enqueue(w, s, m);
		return;
	}
	if (unlikely(s->txq.len >= session_txq_most(w, 0))) {
		txq_drop_one(w, s, m);
		return;
	}
	mbufq_put(&s->txq, m);
	w->txq_held++;
	session_want_tx(w, s);
}

void session_txq_free(struct worker *w, struct session *s)
{
	w->txq_held -= s->txq.len;
	mbufq_free(&s->txq);
	if (s->mp)
		s->mp->nb_large = 0;
	if (s->flags & SES_FLOWS)
		session_flows_free(w, s);
}

// The packet just taken stood for long, or its queue did lately. True: it must go.
static __rte_noinline bool txq_stood(
	struct worker *w, struct session *s, struct rte_mbuf *m, uint64_t sojourn)
{
	if (s->flags & SES_FLOWS) { // CoDel had its say
		session_flows_next(w, s);
		return false;
	}
	if (s->flags & SES_POLICY)
		sojourn -= RTE_MIN(sojourn, session_policy_slack(w, s));
	if (mbuf_priv(m)->flags & MBUF_MP_FRAGMENT)
		return false; // the others of its packet would go for nothing
	if (sojourn >= CODEL_TARGET_US && !(s->flags & SES_CODEL) && session_flows_begin(w, s))
		return false;
	s->flags |= SES_CODEL;
	if (codel_drop(&s->codel, sojourn, s->txq.len + 1, w->now_us))
		return true;
	if (codel_at_rest(&s->codel, w->now_us))
		s->flags &= ~SES_CODEL;
	return false;
}

// Whether the packet just taken from the queue of s must go. A queue that does not stand is a plain
// one.
static inline bool txq_drop(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	uint64_t sojourn = w->now_us - mbuf_priv(m)->sent_us;

	if (likely(sojourn < CODEL_TARGET_US && !(s->flags & (SES_CODEL | SES_FLOWS))))
		return false;
	return txq_stood(w, s, m, sojourn);
}

// The next packet to send, or NULL.
static struct rte_mbuf *txq_next(struct worker *w, struct session *s)
{
	struct rte_mbuf *m;

	while ((m = mbufq_get(&s->txq))) {
		w->txq_held--;
		if (likely(!txq_drop(w, s, m)))
			return m;
		txq_drop_one(w, s, m);
	}
	return NULL;
}

static void txq_put_back(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	mbufq_put_head(&s->txq, m);
	w->txq_held++;
}

// The same in an mbuf of its own. NULL: m went, or waits in front of the queue until there is
// memory, with *starved.
static __rte_noinline struct rte_mbuf *tx_copy(
	struct worker *w, struct session *s, struct rte_mbuf *m, bool *starved)
{
	struct rte_mbuf *c;

	if (m->pkt_len > w->mbuf_room) {
		txq_drop_one(w, s, m);
		return NULL;
	}
	c = worker_mbuf_try(w);
	if (!c) {
		txq_put_back(w, s, m);
		*starved = true;
		return NULL;
	}
	rte_memcpy(rte_pktmbuf_append(c, (uint16_t)m->pkt_len),
		rte_pktmbuf_read(m, 0, m->pkt_len, rte_pktmbuf_mtod(c, void *)), m->pkt_len);
	mbuf_priv(c)->flags = mbuf_priv(m)->flags;
	rte_pktmbuf_free(m);
	return c;
}

// An mbuf that can be framed, sealed and kept by TCP: alone, unshared, with room in front and
// behind. Consumes m. NULL: see tx_copy().
static inline struct rte_mbuf *tx_prepare(
	struct worker *w, struct session *s, struct rte_mbuf *m, bool *starved)
{
	if (likely(m->nb_segs == 1 && rte_mbuf_refcnt_read(m) == 1 && RTE_MBUF_DIRECT(m) &&
		    rte_pktmbuf_headroom(m) >= 139 && rte_pktmbuf_tailroom(m) >= MBUF_TAIL))
		return m;
	return tx_copy(w, s, m, starved);
}

// A packet in fragments counts as one, with its last.
static uint32_t fragment_protocol(struct session *s, const struct rte_mbuf *m)
{
	bool last;

	s->tx_bytes -= session_mp_overhead(s, m, &last);
	s->tx_packets -= !last;
	return PPP_PROTO_MP;
}

// The protocol of a packet. A session with IPv4 alone need not look.
static inline uint32_t frame_protocol(struct session *s, struct rte_mbuf *m)
{
	if (likely(!(s->flags & (SES_IP6 | SES_MP))))
		return PPP_PROTO_IPV4;
	if (mbuf_priv(m)->flags & MBUF_MP_FRAGMENT)
		return fragment_protocol(s, m);
	return *rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 6 ? PPP_PROTO_IPV6 : PPP_PROTO_IPV4;
}

// SSTP header, address and control field, protocol: one store.
static inline void frame_header(uint8_t *p, uint32_t packet_len, uint32_t proto)
{
	uint64_t h =
		rte_cpu_to_be_64((uint64_t)SSTP_VERSION << 56 |
				 (uint64_t)(packet_len + FRAME_LEN) << 32 | 0xff030000u | proto);

	memcpy(p, &h, sizeof(h));
}

// Whether m is above the MTU and goes in fragments.
static inline bool must_split(const struct session *s, struct rte_mbuf *m)
{
	return unlikely(m->pkt_len > s->mtu) && s->flags & SES_MP && s->mp->is.tx_mrru &&
	       !(mbuf_priv(m)->flags & MBUF_MP_FRAGMENT);
}

// Bytes that the head of the queue, or its first fragment, will take on the wire.
static inline uint32_t head_need(const struct session *s, uint32_t over)
{
	uint32_t len = s->txq.head->pkt_len;

	if (unlikely(must_split(s, s->txq.head)))
		len = s->mtu;
	return len + FRAME_LEN + over;
}

static inline uint32_t record_over(const struct session *s)
{
	return s->flags & SES_KEYS ? (uint32_t)s->tx.prefix_len + s->tx.suffix_len : 64;
}

// The queue of s did not become empty: see to it that somebody comes back to it.
static void tx_again(struct worker *w, struct session *s)
{
	uint32_t need = head_need(s, record_over(s));

	if (s->remote_ahead)
		return; // SEND_RAW follows
	if (unlikely(s->flags & SES_POLICY) && session_policy_waits(w, s))
		return; // its timer follows
	// Either there is room (again), or being short of it is noted and TCP_EV_WRITABLE follows.
	if (tcp_tx_room(s->conn, need) >= need)
		session_want_tx(w, s);
}

// All records of s in the batch were handed to TCP.
static void batch_sent(struct worker *w, struct session *s, bool broken)
{
	if (unlikely(broken)) {
		// Room was asked for before: only a bound of memory refuses a record, and then the
		// stream has a hole.
		session_abort(w, s, DP_REASON_NO_MEMORY);
		return;
	}
	tcp_push_burst(s->conn, w->now_us);
	if (s->txq.head)
		tx_again(w, s);
}

static void batch_send(struct worker *w)
{
	struct tx_batch *b = &w->txb;
	bool broken = false;

	if (!b->n)
		return;
	stage_enter(w->stages, WORKER_STAGE_SEAL);
	rec_seal_burst(w->rc, b->op, b->n);
	stage_enter(w->stages, WORKER_STAGE_TCP_OUT);
	COUNT_N(&w->counters, rec_tx, b->n);
	for (uint16_t i = 0; i < b->n; i++) {
		struct session *s = b->s[i];
		struct rte_mbuf *m = b->m[i];

		// tx_prepare() saw to it that there is room for both.
		m->data_off -= s->tx.prefix_len;
		m->data_len += s->tx.prefix_len + s->tx.suffix_len;
		m->pkt_len = m->data_len;
		if (unlikely(tcp_send(s->conn, m, w->now_us)))
			broken = true;
		if (i + 1 == b->n || b->s[i + 1] != s) {
			batch_sent(w, s, broken);
			broken = false;
		}
	}
	b->n = 0;
	stage_enter(w->stages, WORKER_STAGE_FRAME);
}

// Whether m finds room behind the packets of the record in head. What is above the MTU goes in
// fragments, if at all.
static inline bool fits(const struct session *s, const struct rte_mbuf *head,
	const struct rte_mbuf *m, uint32_t most)
{
	uint32_t need = m->pkt_len + FRAME_LEN;

	return head->data_len + need <= most && m->pkt_len <= s->mtu &&
	       need + MBUF_TAIL <= rte_pktmbuf_tailroom(head);
}

// Fill a record with the packets of s that fit: head (framed) and those behind it that are there
// now. Nothing waits for more.
static uint16_t record_fill(
	struct worker *w, struct session *s, struct rte_mbuf *head, uint32_t most)
{
	uint16_t nb = 1;
	struct rte_mbuf *m;

	while ((m = s->txq.head)) {
		uint32_t need;
		uint8_t *at;

		if (!fits(s, head, m, most))
			break;
		m = txq_next(w, s);
		if (!m)
			break;
		// CoDel may have dropped that one and given the next, larger one.
		if (unlikely(!fits(s, head, m, most))) {
			txq_put_back(w, s, m);
			break;
		}
		need = m->pkt_len + FRAME_LEN;
		at = rte_pktmbuf_mtod_offset(head, uint8_t *, head->data_len);
		head->data_len += (uint16_t)need;
		frame_header(at, (uint16_t)m->pkt_len, frame_protocol(s, m));
		rte_memcpy(at + FRAME_LEN, rte_pktmbuf_mtod(m, void *), m->pkt_len);
		s->tx_bytes += m->pkt_len;
		rte_pktmbuf_free(m);
		nb++;
	}
	return nb;
}

// The key nears its limit: ask for a new one in time; at the limit the session ends. False: it
// ended.
static bool tx_key_good(struct worker *w, struct session *s)
{
	if (likely(!(s->flags & SES_KEYS) || s->tx.seq + WORKER_KEY_MARGIN < s->tx.limit))
		return true;
	session_key_limit_near(w, s);
	if (s->tx.seq + WORKER_BURST < s->tx.limit)
		return true;
	session_send_alert(w, s, TLS_ALERT_WARNING, TLS_ALERT_CLOSE_NOTIFY);
	session_hang_up(w, s, DP_REASON_KEY_EXHAUSTED);
	return false;
}

// One record from the head of the queue on, framed, with the small packets behind it. NULL: nothing
// (dropped; or with *starved there is no memory now).
static struct rte_mbuf *record_make(
	struct worker *w, struct session *s, uint32_t most, uint16_t *nb, bool *starved)
{
	struct rte_mbuf *m = txq_next(w, s);
	uint32_t proto;
	uint16_t len;

	if (!m)
		return NULL;
	if (unlikely(must_split(s, m))) { // CoDel dropped the one in front
		txq_put_back(w, s, m);
		return NULL;
	}
	m = tx_prepare(w, s, m, starved);
	if (!m)
		return NULL;
	len = m->data_len;
	proto = frame_protocol(s, m);
	s->tx_bytes += len;
	m->data_off -= FRAME_LEN;
	m->data_len += FRAME_LEN;
	frame_header(rte_pktmbuf_mtod(m, uint8_t *), len, proto);
	*nb = s->txq.head ? record_fill(w, s, m, most) : 1;
	s->tx_packets += *nb;
	COUNT_N(&w->counters, sstp_tx_data, *nb);
	return m;
}

// Whether the queues have room for the fragments of m: as much stays free as s has then.
static bool room_to_split(const struct worker *w, const struct session *s, const struct rte_mbuf *m)
{
	uint32_t room = w->txq_max - RTE_MIN(w->txq_held, w->txq_max);

	return session_txq_len(s) + 2 * session_mp_fragments(s, m->pkt_len) <= room;
}

// The packet in front of the queue is above the MTU: fragments take its place. False: it stays, for
// there is no memory now.
static bool txq_split(struct worker *w, struct session *s)
{
	struct rte_mbuf *m = txq_next(w, s);
	struct mbuf_queue q = {0};

	if (!m)
		return true;
	if (!must_split(s, m)) { // CoDel dropped the other
		txq_put_back(w, s, m);
		return true;
	}
	if (!room_to_split(w, s, m)) {
		txq_drop_one(w, s, m);
		return true;
	}
	if (!session_mp_fragment(w, s, m, &q)) {
		txq_put_back(w, s, m);
		return false;
	}
	mbuf_priv(q.tail)->next = s->txq.head;
	if (!s->txq.tail)
		s->txq.tail = q.tail;
	s->txq.head = q.head;
	s->txq.len += q.len;
	w->txq_held += q.len;
	return true;
}

// What windows, the bound of TCP's memory and the record layer leave to s now.
static inline uint32_t tx_room(struct worker *w, struct session *s, uint32_t need)
{
	uint64_t share = (uint64_t)w->snd_left * SHARE_PER_MBUF;
	uint32_t room = tcp_tx_room(s->conn, need), queued;

	if (likely(share >= w->snd_buf_max && !(s->flags & SES_REMOTE)))
		return room;
	queued = tcp_tx_queued(s->conn);
	if (s->flags & SES_REMOTE) {
		share = RTE_MIN(share, (uint64_t)REMOTE_AHEAD_MAX);
		queued += s->remote_ahead;
	}
	return (uint32_t)RTE_MIN((uint64_t)room, share > queued ? share - queued : 0);
}

// A record by way of the control plane. Consumes m.
static void tx_remote(struct worker *w, struct session *s, struct rte_mbuf *m, uint16_t nb)
{
	if (session_send_records(
		    w, s, TLS_CT_APPLICATION_DATA, rte_pktmbuf_mtod(m, uint8_t *), m->data_len)) {
		s->remote_ahead += m->data_len;
	} else {
		COUNT_N(&w->counters, session_tx_queue_drop, nb);
		s->tx_drops += nb;
	}
	rte_pktmbuf_free(m);
}

static inline void batch_add(struct tx_batch *b, struct session *s, struct rte_mbuf *m)
{
	b->op[b->n] = (struct rec_seal_op){.d = &s->tx,
		.p = rte_pktmbuf_mtod(m, uint8_t *),
		.len = m->data_len,
		.type = TLS_CT_APPLICATION_DATA};
	b->s[b->n] = s;
	b->m[b->n++] = m;
}

// Whether the packet in front has stood for longer than CoDel lets any queue stand. A fragment's
// packet went in part.
static bool head_too_old(struct worker *w, struct session *s)
{
	struct rte_mbuf *m = s->txq.head;
	uint64_t sojourn = w->now_us - mbuf_priv(m)->sent_us;

	if (s->flags & SES_POLICY)
		sojourn -= RTE_MIN(sojourn, session_policy_slack(w, s));
	return sojourn > CODEL_INTERVAL_US && !(mbuf_priv(m)->flags & MBUF_MP_FRAGMENT);
}

// There is no memory for the packet in front: what others free may do for the next turn. CoDel
// judges packets that leave, and here none does; so one that is too old goes in each turn, and what
// it held may do for the next one.
static __rte_noinline void tx_starved(struct worker *w, struct session *s)
{
	COUNT(&w->counters, session_tx_starved);
	if (!(s->flags & SES_STARVED))
		COUNT(&w->counters, mbuf_alloc_failed); // once, however often it is tried
	s->flags |= SES_STARVED;
	session_want_tx(w, s);
	if (!head_too_old(w, s))
		return;
	w->txq_held--;
	txq_drop_one(w, s, mbufq_get(&s->txq));
	if (s->flags & SES_FLOWS)
		session_flows_next(w, s);
}

// Whether s can send at all; drops what it never will.
static inline bool tx_possible(struct worker *w, struct session *s)
{
	if (unlikely(!s->conn || (s->flags & (SES_DATA_OPEN | SES_TCP_CLOSED)) != SES_DATA_OPEN)) {
		session_txq_free(w, s);
		return false;
	}
	return s->txq.head && tx_key_good(w, s);
}

// Send what may be sent of one session's queue. True: the batch is full and more could go.
static bool session_tx(struct worker *w, struct session *s)
{
	uint32_t over, mss, most, room, need;
	struct tx_batch *b = &w->txb;
	bool any = false, starved = false;

	if (!tx_possible(w, s))
		return false;
	over = record_over(s);
	mss = tcp_snd_mss(s->conn);
	most = mss > over + 64 ? mss - over : 64;
	if (unlikely(s->flags & SES_REMOTE))
		most = RTE_MIN(most, (uint32_t)DP_MSG_DATA_MAX);
	room = tx_room(w, s, head_need(s, over));
	while (s->txq.head) {
		struct rte_mbuf *m;
		uint32_t segs;
		uint16_t nb;

		if (unlikely(s->flags & SES_POLICY) && !session_policy_may_send(w, s))
			break;
		need = head_need(s, over);
		segs = need <= mss ? 1 : 1 + need / mss;

		// A window smaller than one record must not stop the stream for good: with nothing
		// under way one goes.
		if (need > room && (any || s->remote_ahead || tcp_tx_queued(s->conn)))
			break;
		if (unlikely(w->snd_left < segs))
			break;
		if (unlikely(must_split(s, s->txq.head))) {
			starved = !txq_split(w, s);
			if (starved)
				break;
			continue;
		}
		if (b->n == WORKER_BURST)
			return true;
		m = record_make(w, s, RTE_MIN(most, room > over ? room - over : 0), &nb, &starved);
		if (unlikely(starved))
			break;
		if (!m)
			continue;
		any = true;
		room -= RTE_MIN(room, m->data_len + over);
		if (unlikely(s->flags & SES_REMOTE)) {
			tx_remote(w, s, m, nb);
			continue;
		}
		w->snd_left -= segs;
		batch_add(b, s, m);
	}
	if (unlikely(starved)) {
		tx_starved(w, s);
		return false;
	}
	if (unlikely(s->flags & SES_STARVED))
		s->flags &= ~SES_STARVED;
	// With records in the batch, batch_sent() looks again.
	if (s->txq.head && (!any || s->flags & SES_REMOTE))
		tx_again(w, s);
	return false;
}

// How many mbufs TCP takes before it refuses records, which would end their sessions.
static uint32_t snd_left(const struct worker *w)
{
	struct tcp_levels l;

	tcp_stack_levels(w->tcp, &l);
	return w->snd_max - RTE_MIN(w->snd_max, l.mbufs_held);
}

void session_tx_all(struct worker *w)
{
	struct session *s, *end = w->tx_tail;

	w->snd_left = snd_left(w);
	while ((s = w->tx_head)) {
		bool last = s == end;

		w->tx_head = s->tx_next;
		if (!w->tx_head)
			w->tx_tail = NULL;
		tx_turn(w);
		s->flags &= ~SES_ON_TX;
		if (session_tx(w, s)) {
			batch_send(w);
			session_want_tx(w, s);
		}
		if (w->txb.n == WORKER_BURST)
			batch_send(w);
		if (last)
			break;
	}
	batch_send(w);
}
