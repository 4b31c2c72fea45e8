// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/session_mp.h"

#include <rte_errno.h>
#include <rte_ip.h>
#include <rte_malloc.h>

#include "base/secret.h"
#include "dataplane/worker.h"
#include "protocol/ppp/ppp.h"
#include "protocol/sstp/sstp.h"

#define INNER_PROTO_LEN 2 // of the protocol field in front of a packet that is cut
// Of the ordinary mbufs, what packets in pieces may hold.
#define PARTS_SHARE 16
#define LARGE_BYTES (16u << 20) // of the large pool, at most
#define LARGE_MIN 64
#define LARGE_MAX 1024

// ---- pools

static uint32_t large_room(uint16_t mrru)
{
	return RTE_MIN(
		RTE_ALIGN_CEIL((uint32_t)mrru + PPP_MP_INNER_HEADER, 64u), (uint32_t)UINT16_MAX);
}

// How many large mbufs, 0: ordinary ones take every packet.
static uint32_t nb_large(uint16_t mrru, uint32_t mbuf_room)
{
	if ((uint32_t)mrru + PPP_MP_INNER_HEADER <= mbuf_room)
		return 0;
	return RTE_MIN(
		RTE_MAX(LARGE_BYTES / large_room(mrru), (uint32_t)LARGE_MIN), (uint32_t)LARGE_MAX);
}

uint64_t session_mp_pool_size(uint32_t sessions, uint16_t mrru, uint32_t mbuf_room)
{
	return (uint64_t)sessions * (sizeof(struct session_mp) + 64) +
	       (uint64_t)nb_large(mrru, mbuf_room) *
		       (sizeof(struct rte_mbuf) + large_room(mrru) + 64);
}

struct session_mp_pool *session_mp_pool_create(
	unsigned int id, uint32_t sessions, uint16_t mrru, uint32_t mbuf_room, uint32_t nb_mbufs)
{
	struct session_mp_pool *p = rte_zmalloc("multilink", sizeof(*p), 64);
	uint32_t large = nb_large(mrru, mbuf_room);
	char name[RTE_MEMPOOL_NAMESIZE];

	if (!p)
		return NULL;
	snprintf(name, sizeof(name), "multilink_%u", id);
	p->states = rte_mempool_create(name, sessions, sizeof(struct session_mp), 0, 0, NULL, NULL,
		NULL, NULL, SOCKET_ID_ANY, RTE_MEMPOOL_F_SP_PUT | RTE_MEMPOOL_F_SC_GET);
	snprintf(name, sizeof(name), "large_%u", id);
	if (large)
		p->large = mbuf_pool_create_room(
			name, large, (uint16_t)large_room(mrru), SOCKET_ID_ANY);
	if (!p->states || (large && !p->large)) {
		session_mp_pool_destroy(p);
		return NULL;
	}
	p->most = (large ? large_room(mrru) : mbuf_room) - PPP_MP_INNER_HEADER;
	p->parts[0].max = RTE_MAX(nb_mbufs / PARTS_SHARE, 1u);
	p->parts[1].max = large;
	return p;
}

void session_mp_pool_destroy(struct session_mp_pool *p)
{
	if (!p)
		return;
	rte_mempool_free(p->states);
	rte_mempool_free(p->large);
	rte_free(p);
}

// ---- packets in pieces

static void list_put(struct session_mp_pool *p, struct session_mp *mp)
{
	struct session_mp_list *l = &p->parts[mp->large];

	mp->next = NULL;
	mp->prev = l->last;
	if (l->last)
		l->last->next = mp;
	else
		l->first = mp;
	l->last = mp;
	l->n++;
}

static void list_take(struct session_mp_pool *p, struct session_mp *mp)
{
	struct session_mp_list *l = &p->parts[mp->large];

	if (mp->prev)
		mp->prev->next = mp->next;
	else
		l->first = mp->next;
	if (mp->next)
		mp->next->prev = mp->prev;
	else
		l->last = mp->prev;
	l->n--;
}

// The collected bytes, off the list. The caller's.
static struct rte_mbuf *part_take(struct worker *w, struct session_mp *mp)
{
	struct rte_mbuf *m = mp->part;

	list_take(w->mp, mp);
	mp->part = NULL;
	return m;
}

// What was collected goes. It may be half of a password.
static void part_free(struct worker *w, struct session_mp *mp)
{
	struct rte_mbuf *m = part_take(w, mp);

	if (!(mp->s->flags & SES_DATA_OPEN))
		secret_wipe(rte_pktmbuf_mtod(m, void *), m->data_len);
	rte_pktmbuf_free(m);
}

// What was collected never becomes a packet.
static void part_drop(struct worker *w, struct session_mp *mp)
{
	if (!mp->part)
		return;
	part_free(w, mp);
	COUNT(&w->counters, mp_rx_incomplete);
	mp->s->rx_drops++;
}

// Whether s may hold one more of these: the one that waits for longest gives way. Who has not
// logged in gets half of the room at most, and nobody gives way to him.
static bool make_room(struct worker *w, const struct session *s, bool large)
{
	struct session_mp_list *l = &w->mp->parts[large];

	if (!(s->flags & SES_DATA_OPEN))
		return l->n < l->max / 2;
	if (l->n < l->max)
		return true;
	if (!l->first)
		return false;
	COUNT(&w->counters, mp_rx_gave_way);
	ppp_mp_give_up(&l->first->rx);
	part_drop(w, l->first);
	return true;
}

static struct rte_mbuf *part_mbuf(struct worker *w, const struct session *s, bool large)
{
	struct rte_mbuf *m;

	if (!make_room(w, s, large))
		return NULL;
	if (!large)
		return worker_mbuf(w);
	m = rte_pktmbuf_alloc(w->mp->large);
	if (m)
		m->data_off = 0;
	return m;
}

static bool is_large(const struct worker *w, uint32_t len)
{
	return len > w->mbuf_room;
}

// The first fragment of a packet. False: no memory.
static bool part_start(struct worker *w, struct session_mp *mp, const uint8_t *p, uint32_t n)
{
	bool large = is_large(w, n);
	struct rte_mbuf *m = part_mbuf(w, mp->s, large);

	if (!m)
		return false;
	memcpy(rte_pktmbuf_append(m, (uint16_t)n), p, n);
	mp->large = large;
	mp->part = m;
	list_put(w->mp, mp);
	return true;
}

// What is collected moves to an mbuf that takes more. False: no memory.
static bool part_grow(struct worker *w, struct session_mp *mp)
{
	struct rte_mbuf *m, *old;

	if (!w->mp->large)
		return false;
	m = part_mbuf(w, mp->s, true);
	if (!m)
		return false;
	old = part_take(w, mp);
	memcpy(rte_pktmbuf_append(m, old->data_len), rte_pktmbuf_mtod(old, void *), old->data_len);
	rte_pktmbuf_free(old);
	mp->large = true;
	mp->part = m;
	list_put(w->mp, mp);
	return true;
}

// A further fragment. False: no memory.
static bool part_append(struct worker *w, struct session_mp *mp, const uint8_t *p, uint32_t n)
{
	if (unlikely(!mp->large && is_large(w, mp->part->data_len + n) && !part_grow(w, mp)))
		return false;
	memcpy(rte_pktmbuf_append(mp->part, (uint16_t)n), p, n);
	return true;
}

// ---- whole packets

// A frame for the control plane, in an SSTP packet. Wipes it: it may hold a password. False: no
// room for an event.
static bool to_control(struct worker *w, struct session *s, uint8_t *frame, uint32_t n)
{
	struct dp_msg *msg;

	if (n + SSTP_HDR_LEN > SSTP_MAX_PACKET) {
		COUNT(&w->counters, mp_rx_malformed);
		return true;
	}
	msg = session_control_event(w, s, DP_EV_RX_SSTP);
	if (!msg)
		return false;
	msg->len = n + SSTP_HDR_LEN;
	msg->data[0] = SSTP_VERSION;
	msg->data[1] = 0;
	msg->data[2] = (uint8_t)(msg->len >> 8);
	msg->data[3] = (uint8_t)msg->len;
	memcpy(msg->data + SSTP_HDR_LEN, frame, n);
	secret_wipe(frame, n);
	dp_send_event(w->ch, w->id, msg);
	COUNT(&w->counters, sstp_rx_control);
	return true;
}

// A packet in a large mbuf has no headroom; one that says that it is shorter, and would fit an
// ordinary one, must have it. Consumes m. NULL: no memory.
static struct rte_mbuf *from_large(struct worker *w, struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t len = m->data_len;
	struct rte_mbuf *c;

	if (len >= sizeof(struct rte_ipv4_hdr) && ip[0] >> 4 == 4)
		len = RTE_MIN(len, (uint32_t)(ip[2] << 8 | ip[3]));
	else if (len >= sizeof(struct rte_ipv6_hdr) && ip[0] >> 4 == 6)
		len = RTE_MIN(len, (uint32_t)(ip[4] << 8 | ip[5]) + sizeof(struct rte_ipv6_hdr));
	if (len > w->mbuf_room)
		return m;
	c = worker_mbuf_copy(w, ip, (uint16_t)len);
	rte_pktmbuf_free(m);
	return c;
}

// A whole packet of a protocol that this worker forwards, header off. Consumes m.
static void network_packet(
	struct worker *w, struct session *s, uint16_t proto, struct rte_mbuf *m, bool large)
{
	if (unlikely(m->data_len > s->mp->is.rx_mrru)) {
		COUNT(&w->counters, mp_rx_too_big);
		goto drop;
	}
	if (large && !(m = from_large(w, m))) {
		s->rx_drops++;
		return;
	}
	COUNT(&w->counters, mp_rx_packets);
	session_network_packet(w, s, proto, m);
	return;
drop:
	s->rx_drops++;
	rte_pktmbuf_free(m);
}

// What a whole frame is: the length of its header and its protocol, with *ours: this worker
// forwards it. -EBADMSG: it must not be heard.
static int frame_kind(
	struct worker *w, const uint8_t *frame, uint32_t n, uint16_t *proto, bool *ours)
{
	int off = ppp_parse_header(frame, n, proto);

	if (off < 0 || !ppp_mp_may_carry(*proto, frame + off, n - (uint32_t)off)) {
		COUNT(&w->counters, mp_rx_malformed);
		return -EBADMSG;
	}
	*ours = session_forwards(*proto);
	return off;
}

// A frame in one fragment. m as in session_mp_input(). False: no room for an event.
static bool whole(struct worker *w, struct session *s, uint8_t *frame, uint32_t n,
	struct rte_mbuf *m, bool *taken)
{
	uint16_t proto;
	bool ours;
	int off = frame_kind(w, frame, n, &proto, &ours);

	if (off < 0)
		return true;
	if (!ours) {
		if (proto < 0x4000 && !(s->flags & SES_DATA_OPEN)) {
			COUNT(&w->counters, ppp_rx_early_data);
			return true;
		}
		return to_control(w, s, frame, n);
	}
	frame += off;
	n -= (uint32_t)off;
	if (m) {
		rte_pktmbuf_adj(m, (uint16_t)(frame - rte_pktmbuf_mtod(m, uint8_t *)));
		*taken = true;
	} else {
		m = n <= w->mbuf_room ? worker_mbuf_copy(w, frame, (uint16_t)n) : NULL;
	}
	if (m)
		network_packet(w, s, proto, m, false);
	else
		s->rx_drops++;
	return true;
}

// The last fragment: all is there but these n bytes. False: no room for an event; nothing was done.
static bool last(struct worker *w, struct session_mp *mp, const uint8_t *p, uint32_t n)
{
	struct session *s = mp->s;
	struct rte_mbuf *m;
	uint16_t proto;
	bool ours, large;
	int off;

	if (!part_append(w, mp, p, n)) {
		part_drop(w, mp);
		return true;
	}
	m = mp->part;
	off = frame_kind(w, rte_pktmbuf_mtod(m, uint8_t *), m->data_len, &proto, &ours);
	if (off < 0 || (!ours && proto < 0x4000 && !(s->flags & SES_DATA_OPEN))) {
		part_drop(w, mp);
		return true;
	}
	if (!ours && !to_control(w, s, rte_pktmbuf_mtod(m, uint8_t *), m->data_len)) {
		rte_pktmbuf_trim(m, (uint16_t)n);
		return false;
	}
	large = mp->large;
	part_take(w, mp);
	if (!ours) {
		rte_pktmbuf_free(m);
		return true;
	}
	rte_pktmbuf_adj(m, (uint16_t)off);
	network_packet(w, s, proto, m, large);
	return true;
}

static void count_told(struct worker *w, unsigned int told)
{
	if (told & PPP_MP_GAP)
		COUNT(&w->counters, mp_rx_gap);
	if (told & PPP_MP_TOO_BIG)
		COUNT(&w->counters, mp_rx_too_big);
}

bool session_mp_input(struct worker *w, struct session *s, uint8_t *p, uint32_t n,
	struct rte_mbuf *m, bool *taken)
{
	struct session_mp *mp = s->mp;
	struct ppp_mp_rx was = mp->rx;
	struct ppp_mp_header h;
	enum ppp_mp_step step;
	unsigned int told;
	int off = mp->is.rx_mrru ? ppp_mp_read(p, n, mp->rx.short_seq, &h) : -EBADMSG;

	if (off < 0) {
		COUNT(&w->counters, mp_rx_malformed);
		return true;
	}
	p += off;
	n -= (uint32_t)off;
	step = ppp_mp_receive(&mp->rx, &h, n, &told);
	if (step == PPP_MP_LAST && !last(w, mp, p, n)) {
		mp->rx = was;
		return false;
	}
	if (step == PPP_MP_WHOLE && !whole(w, s, p, n, m, taken)) {
		mp->rx = was;
		return false;
	}
	COUNT(&w->counters, mp_rx_fragments);
	if (told)
		count_told(w, told);
	// What a whole packet delivered may have ended the session, and its state with it.
	if (told & PPP_MP_LOST && s->mp == mp)
		part_drop(w, mp);
	if (step == PPP_MP_START ? !part_start(w, mp, p, n)
				 : step == PPP_MP_MORE && !part_append(w, mp, p, n)) {
		ppp_mp_give_up(&mp->rx);
		part_drop(w, mp);
		COUNT(&w->counters, mp_rx_no_memory);
	}
	if (step != PPP_MP_WHOLE && !(s->flags & SES_DATA_OPEN))
		secret_wipe(p, n); // it may be half of a password
	return true;
}

// ---- sending

// One fragment: n bytes from p, behind the protocol field for the first. NULL: no mbuf, the
// caller tries again.
static struct rte_mbuf *make_fragment(
	struct worker *w, struct session_mp *mp, bool begin, bool end, const uint8_t *p, uint32_t n)
{
	static const uint8_t proto[INNER_PROTO_LEN] = {0, PPP_PROTO_IPV4};
	static const uint8_t proto6[INNER_PROTO_LEN] = {0, PPP_PROTO_IPV6};
	struct rte_mbuf *f = worker_mbuf_try(w);
	uint8_t *at;

	if (!f)
		return NULL;
	at = rte_pktmbuf_mtod(f, uint8_t *);
	at += ppp_mp_send(&mp->tx, begin, end, at);
	if (begin) {
		memcpy(at, p[0] >> 4 == 6 ? proto6 : proto, INNER_PROTO_LEN);
		at += INNER_PROTO_LEN;
	}
	memcpy(at, p, n);
	f->data_len = (uint16_t)(at + n - rte_pktmbuf_mtod(f, uint8_t *));
	f->pkt_len = f->data_len;
	return f;
}

bool session_mp_has_room(const struct rte_mbuf *m, uint32_t held)
{
	return held + m->pool->size / 2 < rte_mempool_avail_count(m->pool);
}

bool session_mp_may_queue(struct worker *w, struct session *s, const struct rte_mbuf *m)
{
	if (likely(!is_large(w, m->pkt_len)))
		return true;
	if (!session_mp_has_room(m, s->mp->nb_large))
		return false;
	s->mp->nb_large++;
	return true;
}

void session_mp_unqueue(struct worker *w, struct session *s, const struct rte_mbuf *m)
{
	if (s->mp && s->mp->nb_large && is_large(w, m->pkt_len))
		s->mp->nb_large--;
}

uint32_t session_mp_fragments(const struct session *s, uint32_t len)
{
	uint32_t most = s->mtu - (uint32_t)ppp_mp_header_len(s->mp->tx.short_seq);

	return (len + INNER_PROTO_LEN + most - 1) / most;
}

uint16_t session_mp_fragment(
	struct worker *w, struct session *s, struct rte_mbuf *m, struct mbuf_queue *q)
{
	struct session_mp *mp = s->mp;
	struct ppp_mp_tx was = mp->tx;
	struct mbuf_queue made = {0};
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t left = m->data_len, most, n;
	uint16_t nb = 0;

	for (bool begin = true; left; begin = false) {
		struct rte_mbuf *f;

		most = s->mtu - (uint32_t)ppp_mp_header_len(mp->tx.short_seq) -
		       (begin ? INNER_PROTO_LEN : 0);
		n = RTE_MIN(left, most);
		f = make_fragment(w, mp, begin, n == left, p, n);
		if (unlikely(!f)) {
			mbufq_free(&made);
			mp->tx = was;
			return 0;
		}
		mbuf_priv(f)->sent_us = mbuf_priv(m)->sent_us;
		mbuf_priv(f)->flags = MBUF_MP_FRAGMENT;
		mbufq_put(&made, f);
		p += n;
		left -= n;
		nb++;
	}
	session_mp_unqueue(w, s, m);
	rte_pktmbuf_free(m);
	COUNT(&w->counters, mp_tx_packets);
	COUNT_N(&w->counters, mp_tx_fragments, nb);
	if (q->tail)
		mbuf_priv(q->tail)->next = made.head;
	else
		q->head = made.head;
	q->tail = made.tail;
	q->len += made.len;
	return nb;
}

uint32_t session_mp_overhead(const struct session *s, const struct rte_mbuf *m, bool *is_last)
{
	bool short_seq = s->mp->tx.short_seq;
	struct ppp_mp_header h;

	ppp_mp_read(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, short_seq, &h);
	*is_last = h.end;
	return (uint32_t)ppp_mp_header_len(short_seq) + (h.begin ? INNER_PROTO_LEN : 0);
}

// ---- life

static bool same(const struct dp_mp *a, const struct dp_mp *b)
{
	return a->tx_mrru == b->tx_mrru && a->rx_mrru == b->rx_mrru && a->flags == b->flags;
}

bool session_mp_set(struct worker *w, struct session *s, const struct dp_mp *mp, bool anew)
{
	static const struct dp_mp off = {0};
	struct session_mp *x = s->mp;
	void *obj;

	if (!anew && same(mp, x ? &x->is : &off))
		return true;
	if (x)
		session_txq_free(w, s); // fragments of the old bundle
	session_mp_end(w, s);
	if (!mp->tx_mrru && !mp->rx_mrru)
		return true;
	if (!w->mp || mp->rx_mrru > w->mp->most || rte_mempool_get(w->mp->states, &obj))
		return false;
	x = obj;
	memset(x, 0, sizeof(*x));
	x->s = s;
	x->is = *mp;
	x->tx.short_seq = mp->flags & DP_MP_TX_SHORT;
	ppp_mp_rx_init(&x->rx, mp->rx_mrru, mp->flags & DP_MP_RX_SHORT);
	s->mp = x;
	s->flags |= SES_MP;
	return true;
}

void session_mp_end(struct worker *w, struct session *s)
{
	struct session_mp *mp = s->mp;

	if (!mp)
		return;
	if (mp->part)
		part_free(w, mp);
	rte_mempool_put(w->mp->states, mp);
	s->mp = NULL;
	s->flags &= ~SES_MP;
}
