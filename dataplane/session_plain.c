// SPDX-License-Identifier: BSD-3-Clause
// Plain bytes, as they come out of records: HTTP to the control plane until SSTP starts, then SSTP
// packets: data frames to forwarding, everything else to the control plane. Where an event finds no
// room the rest waits in plainq.
#include "base/secret.h"
#include "dataplane/forward.h"
#include "dataplane/forward6.h"
#include "dataplane/session.h"
#include "dataplane/session_mp.h"
#include "dataplane/worker.h"
#include "protocol/ppp/ppp.h"
#include "protocol/sstp/sstp.h"

// Packets of one session for the control plane: a call that is set up needs some dozens.
#define CONTROL_PER_SECOND 500
#define CONTROL_BURST 128
#define PLAIN_IN_MAX 64 // mbufs
#define DATA_HDR_LEN 8  // SSTP header, FF 03, protocol

struct dp_msg *session_control_event(struct worker *w, struct session *s, enum dp_event_type type)
{
	uint64_t fill = (w->now_us - s->ctl_us) * CONTROL_PER_SECOND / 1000000;
	struct dp_msg *m;

	if (fill) {
		s->ctl_tokens = (uint32_t)RTE_MIN(s->ctl_tokens + fill, (uint64_t)CONTROL_BURST);
		s->ctl_us = w->now_us;
	}
	m = s->ctl_tokens ? session_event(w, s, type) : NULL;
	if (m)
		s->ctl_tokens--;
	return m;
}

// ---- the bytes that wait

static void plainq_put(struct session *s, struct rte_mbuf *m)
{
	mbufq_put(&s->plainq, m);
	s->flags |= SES_PLAINQ;
}

static void plainq_put_head(struct session *s, struct rte_mbuf *m)
{
	mbufq_put_head(&s->plainq, m);
	s->flags |= SES_PLAINQ;
}

static void plainq_get(struct session *s)
{
	mbufq_get(&s->plainq);
	if (!s->plainq.head)
		s->flags &= ~SES_PLAINQ;
}

void session_plainq_free(struct session *s)
{
	mbufq_free(&s->plainq);
	s->flags &= ~SES_PLAINQ;
}

// ---- plain bytes: HTTP

// To the bytes that wait. A client's tiny records must not cost an mbuf each. Consumes m.
static void http_append(struct session *s, struct rte_mbuf *m)
{
	struct rte_mbuf *t = s->plainq.tail;

	if (t && rte_pktmbuf_tailroom(t) > MBUF_TAIL) {
		uint16_t n = RTE_MIN(m->data_len, rte_pktmbuf_tailroom(t) - MBUF_TAIL);

		memcpy(rte_pktmbuf_append(t, n), rte_pktmbuf_mtod(m, void *), n);
		rte_pktmbuf_adj(m, n);
	}
	if (m->data_len)
		plainq_put(s, m);
	else
		rte_pktmbuf_free(m);
}

// Offer the bytes of plainq that were not told yet. False: no room for all of them.
static bool http_deliver(struct worker *w, struct session *s)
{
	uint64_t at = s->plain_base;

	for (struct rte_mbuf *m = s->plainq.head; m; m = mbuf_priv(m)->next) {
		uint64_t end = at + m->data_len;

		while (end > s->plain_told) {
			uint16_t told = (uint16_t)(s->plain_told - RTE_MIN(at, s->plain_told));
			struct dp_msg *msg = session_control_event(w, s, DP_EV_RX_PLAIN);

			if (!msg) {
				session_want_run(w, s);
				return false;
			}
			msg->u.rx.offset = at + told;
			msg->len = RTE_MIN((uint32_t)m->data_len - told, (uint32_t)DP_MSG_DATA_MAX);
			memcpy(msg->data, rte_pktmbuf_mtod_offset(m, void *, told), msg->len);
			s->plain_told = at + told + msg->len;
			dp_send_event(w->ch, w->id, msg);
		}
		at = end;
	}
	return true;
}

// ---- plain bytes: SSTP

static void undelineable(struct worker *w, struct session *s)
{
	COUNT(&w->counters, sstp_undelineable);
	s->flags |= SES_RX_STOP | SES_OWE_UNDELINEABLE;
	s->flags &= ~SES_DATA_OPEN;
	session_want_run(w, s);
}

bool session_to_control(struct worker *w, struct session *s, uint8_t *pkt, uint16_t len)
{
	struct dp_msg *msg = session_control_event(w, s, DP_EV_RX_SSTP);

	if (!msg)
		return false;
	_Static_assert(SSTP_MAX_PACKET <= DP_MSG_DATA_MAX, "an event takes any packet");
	memcpy(msg->data, pkt, len);
	msg->len = len;
	secret_wipe(pkt, len);
	dp_send_event(w->ch, w->id, msg);
	COUNT(&w->counters, sstp_rx_control);
	return true;
}

// Whether packets of a network protocol pass.
static inline bool is_open(const struct session *s, uint16_t proto)
{
	if (!(s->flags & SES_DATA_OPEN))
		return false;
	return proto == PPP_PROTO_IPV4 ? !(s->flags & SES_NO_IP4) : (s->flags & SES_IP6) != 0;
}

bool session_forwards(uint16_t proto)
{
	return proto == PPP_PROTO_IPV4 || proto == PPP_PROTO_IPV6;
}

void session_network_packet(struct worker *w, struct session *s, uint16_t proto, struct rte_mbuf *m)
{
	if (unlikely(!is_open(s, proto))) {
		COUNT(&w->counters, ppp_rx_early_data);
		s->rx_drops++;
		rte_pktmbuf_free(m);
		return;
	}
	if (proto == PPP_PROTO_IPV4)
		forward_up(w, s, m);
	else
		forward6_up(w, s, m);
}

// One whole SSTP packet. m: the mbuf whose bytes these are if the packet is all of it, else NULL.
// Sets *taken when m was consumed. False: no room for an event; nothing was done.
static bool sstp_packet(struct worker *w, struct session *s, uint8_t *pkt, uint16_t len,
	bool control, struct rte_mbuf *m, bool *taken)
{
	void (*up)(struct worker *, struct session *, struct rte_mbuf *);
	uint16_t proto;
	int off;

	if (control)
		return session_to_control(w, s, pkt, len);
	off = ppp_parse_header(pkt + SSTP_HDR_LEN, (size_t)len - SSTP_HDR_LEN, &proto);
	if (off < 0) {
		COUNT(&w->counters, ppp_rx_malformed);
		return true;
	}
	// Network-layer packets that this worker forwards; the rest (control protocols, and what
	// must be Protocol-Rejected) is PPP's.
	if (proto != PPP_PROTO_IPV4 && proto != PPP_PROTO_IPV6) {
		if (proto == PPP_PROTO_MP && s->flags & SES_MP) {
			off += SSTP_HDR_LEN;
			return session_mp_input(w, s, pkt + off, (uint32_t)(len - off), m, taken);
		}
		if (proto < 0x4000 && !(s->flags & SES_DATA_OPEN)) {
			COUNT(&w->counters, ppp_rx_early_data);
			return true;
		}
		return session_to_control(w, s, pkt, len);
	}
	COUNT(&w->counters, sstp_rx_data);
	if (unlikely(!is_open(s, proto))) {
		COUNT(&w->counters, ppp_rx_early_data);
		s->rx_drops++;
		return true;
	}
	up = proto == PPP_PROTO_IPV4 ? forward_up : forward6_up;
	off += SSTP_HDR_LEN;
	if (m) {
		rte_pktmbuf_adj(m, (uint16_t)off);
		*taken = true;
		up(w, s, m);
		return true;
	}
	len = (uint16_t)(len - off);
	if (unlikely(len > w->mbuf_room)) {
		COUNT(&w->counters, inner_malformed);
		s->rx_drops++;
		return true;
	}
	m = worker_mbuf_copy(w, pkt + off, len);
	if (m)
		up(w, s, m);
	else
		s->rx_drops++;
	return true;
}

// Add bytes to the started packet in the stash; when it is whole, handle it. Returns how many bytes
// were used, or -1: no room for an event (nothing used).
static int stash_fill(struct worker *w, struct session *s, const uint8_t *p, uint32_t n)
{
	uint16_t len = SSTP_HDR_LEN, had = s->stash_len, take;
	bool control = false, taken;

	if (s->stash_len < SSTP_HDR_LEN) {
		take = (uint16_t)RTE_MIN(n, (uint32_t)(SSTP_HDR_LEN - s->stash_len));
		memcpy(s->stash + s->stash_len, p, take);
		s->stash_len += take;
		if (s->stash_len < SSTP_HDR_LEN)
			return take;
	}
	if (sstp_peek(s->stash, s->stash_len, &len, &control)) {
		undelineable(w, s);
		return (int)n;
	}
	take = (uint16_t)RTE_MIN(
		n - (uint32_t)(s->stash_len - had), (uint32_t)(len - s->stash_len));
	memcpy(s->stash + s->stash_len, p + (s->stash_len - had), take);
	s->stash_len += take;
	if (s->stash_len < len)
		return s->stash_len - had;
	take = s->stash_len;
	if (!sstp_packet(w, s, s->stash, len, control, NULL, &taken)) {
		s->stash_len = had;
		return -1;
	}
	session_stash_put(w, s); // if the session has not ended meanwhile
	return take - had;
}

// Keep the start of a packet until its rest comes. False: no memory.
static bool stash_start(struct worker *w, struct session *s, const uint8_t *p, uint32_t n)
{
	if (!session_stash_take(w, s))
		return false;
	memcpy(s->stash, p, n);
	s->stash_len = (uint16_t)n;
	return true;
}

// Walk the SSTP packets in n bytes. m: the mbuf that holds exactly these bytes, or NULL. *taken: m
// was consumed. Returns how many bytes are done with: fewer than n when an event found no room.
static uint32_t sstp_walk(struct worker *w, struct session *s, uint8_t *p, uint32_t n,
	struct rte_mbuf *m, bool *taken)
{
	uint32_t at = 0;

	while (at < n && s->mode == SESSION_SSTP && !(s->flags & SES_RX_STOP)) {
		uint16_t len = 0;
		bool control = false;
		int rc;

		if (s->stash) {
			rc = stash_fill(w, s, p + at, n - at);
			if (rc < 0)
				return at;
			at += (uint32_t)rc;
			continue;
		}
		rc = sstp_peek(p + at, n - at, &len, &control);
		if (rc == -EBADMSG) {
			undelineable(w, s);
			return n;
		}
		if (rc == -EAGAIN || len > n - at) {
			if (!stash_start(w, s, p + at, n - at))
				session_abort(w, s, DP_REASON_NO_MEMORY);
			return n;
		}
		if (!sstp_packet(w, s, p + at, len, control, len == n ? m : NULL, taken))
			return at;
		at += len;
	}
	return n;
}

bool session_plainq_run(struct worker *w, struct session *s)
{
	struct rte_mbuf *m;

	if (s->mode == SESSION_HTTP) {
		return http_deliver(w, s);
	}
	while (s->mode == SESSION_SSTP && (m = s->plainq.head)) {
		bool taken = false;
		uint32_t n = m->data_len, done;

		plainq_get(s);
		done = sstp_walk(w, s, rte_pktmbuf_mtod(m, uint8_t *), n, m, &taken);
		if (taken)
			continue;
		if (done < n) {
			rte_pktmbuf_adj(m, (uint16_t)done);
			plainq_put_head(s, m);
			session_want_run(w, s);
			return false;
		}
		rte_pktmbuf_free(m);
	}
	return true;
}

// Behind what waits already. Consumes m.
static void plainq_add(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	if (s->mode == SESSION_HTTP) {
		http_append(s, m);
	} else if (s->mode == SESSION_SSTP) {
		plainq_put(s, m);
	} else {
		rte_pktmbuf_free(m);
		return;
	}
	session_plainq_run(w, s);
}

void session_plain_in(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	s->last_rx_us = w->now_us;
	plainq_add(w, s, m);
	// The other end of this way takes bytes whether these can go on or not.
	if (s->plainq.len > PLAIN_IN_MAX)
		session_abort(w, s, DP_REASON_FLOOD);
}

void session_sstp_start(struct worker *w, struct session *s, uint64_t offset)
{
	struct rte_mbuf *m;

	if (s->mode != SESSION_HTTP)
		return;
	s->mode = SESSION_SSTP;
	while ((m = s->plainq.head) && s->plain_base < offset) {
		uint32_t n = (uint32_t)RTE_MIN(offset - s->plain_base, (uint64_t)m->data_len);

		s->plain_base += n;
		if (n < m->data_len) {
			rte_pktmbuf_adj(m, (uint16_t)n);
			break;
		}
		plainq_get(s);
		rte_pktmbuf_free(m);
	}
	session_want_run(w, s);
}

// ---- plaintext of opened records

// The ordinary record: one data packet with IPv4 in it, header as everybody writes it, and nothing
// that makes the session special.
static inline bool is_plain_data(const struct session *s, const uint8_t *p, uint32_t n)
{
	const uint32_t not_now = SES_RX_STOP | SES_REMOTE | SES_NO_IP4 | SES_PLAINQ;
	uint64_t h;

	if (unlikely(n < DATA_HDR_LEN || (s->flags & (SES_DATA_OPEN | not_now)) != SES_DATA_OPEN ||
		     s->mode != SESSION_SSTP || s->stash_len))
		return false;
	memcpy(&h, p, sizeof(h));
	return rte_be_to_cpu_64(h) ==
	       ((uint64_t)SSTP_VERSION << 56 | (uint64_t)n << 32 | 0xff030021u);
}

void session_plain_record(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t n = m->data_len, done;
	bool taken = false;

	s->last_rx_us = w->now_us;
	if (likely(is_plain_data(s, p, n))) {
		s->empty_records = 0;
		m->data_off += DATA_HDR_LEN;
		m->data_len = (uint16_t)(n - DATA_HDR_LEN);
		m->pkt_len = m->data_len;
		COUNT(&w->counters, sstp_rx_data);
		forward_up(w, s, m);
		return;
	}
	s->key_updates = 0;
	if (unlikely(n == 0)) {
		rte_pktmbuf_free(m);
		if (++s->empty_records > 32)
			session_fail(w, s, TLS_ALERT_UNEXPECTED_MESSAGE);
		return;
	}
	s->empty_records = 0;
	if (unlikely(s->mode != SESSION_SSTP || s->plainq.head)) {
		plainq_add(w, s, m);
		return;
	}
	done = sstp_walk(w, s, p, n, m, &taken);
	if (taken)
		return;
	if (likely(done == n)) {
		rte_pktmbuf_free(m);
		return;
	}
	rte_pktmbuf_adj(m, (uint16_t)done);
	plainq_put_head(s, m);
	session_want_run(w, s);
}

void session_plain_record_big(struct worker *w, struct session *s, uint8_t *p, uint32_t n)
{
	uint32_t at = 0;
	bool taken;

	s->last_rx_us = w->now_us;
	s->key_updates = 0;
	s->empty_records = 0;
	if (s->mode == SESSION_SSTP && !s->plainq.head)
		at = sstp_walk(w, s, p, n, NULL, &taken);
	while (at < n && (s->mode == SESSION_SSTP || s->mode == SESSION_HTTP)) {
		uint16_t len = (uint16_t)RTE_MIN(n - at, w->mbuf_room);
		struct rte_mbuf *m = worker_mbuf_copy(w, p + at, len);

		if (!m) {
			session_abort(w, s, DP_REASON_NO_MEMORY);
			return;
		}
		at += len;
		plainq_add(w, s, m);
	}
}
