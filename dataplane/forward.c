// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/forward.h"

#include <rte_icmp.h>

#include "dataplane/error_rate.h"
#include "dataplane/inner.h"
#include "dataplane/session_mp.h"
#include "dataplane/session_policy.h"

#define MAX_FRAGMENTS 128 // 64 KiB at an MTU of 576

static inline uint32_t dst_of(const struct rte_mbuf *m)
{
	return rte_be_to_cpu_32(rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *)->dst_addr);
}

static inline uint32_t src_of(const struct rte_mbuf *m)
{
	return rte_be_to_cpu_32(rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *)->src_addr);
}

static inline uint32_t ref_of(const struct worker *w, const struct session *s)
{
	return (uint32_t)w->id << 24 | (uint32_t)(s - w->sessions);
}

// Multicast, broadcast, this net and loopback do not leave through a router.
static inline bool routable(uint32_t dst)
{
	return dst >> 24 != 0 && dst >> 24 != 127 && dst < 0xe0000000u;
}

static inline bool dont_fragment(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *)->fragment_offset &
	       RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
}

void forward_core_flush(struct worker *w)
{
	enum worker_stage last;

	if (!w->nb_core_out)
		return;
	last = stage_enter(w->stages, WORKER_STAGE_TX);
	netif_output(w->core, w->core_out, w->nb_core_out, w->now_us);
	w->nb_core_out = 0;
	stage_enter(w->stages, last);
}

// ---- where to

// The same for those of n addresses that no session has for itself: routes through sessions.
static void lookup_routes(const struct worker *w, const uint32_t *addr, uint32_t *ref, uint16_t n)
{
	struct in6_addr a[WORKER_BURST];
	uint32_t found[WORKER_BURST];
	uint16_t at[WORKER_BURST], k = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (ref[i] || !routable(addr[i]))
			continue;
		a[k] = prefixtab_map4(addr[i]);
		at[k++] = i;
	}
	if (!k)
		return;
	prefixtab_lookup(w->ch->prefixes, a, found, k);
	for (uint16_t i = 0; i < k; i++)
		ref[at[i]] = found[i] == DP_REF_CORE ? 0 : found[i];
}

// References of n addresses, at most a burst; 0: core.
static inline void lookup(const struct worker *w, const uint32_t *addr, uint32_t *ref, uint16_t n)
{
	addrtab_lookup(w->ch->addrs, addr, ref, n);
	if (unlikely(prefixtab_any4(w->ch->prefixes)))
		lookup_routes(w, addr, ref, n);
}

// Whether addr is in a prefix that is reached through s.
static bool routed_through(const struct worker *w, const struct session *s, uint32_t addr)
{
	struct in6_addr a = prefixtab_map4(addr);

	return !(s->flags & SES_NO_IP4) && prefixtab_any4(w->ch->prefixes) &&
	       prefixtab_owns(w->ch->prefixes, &a, ref_of(w, s));
}

// The same for a source: not those that have a session or an end here of their own.
static bool source_routed_through(const struct worker *w, const struct session *s, uint32_t src)
{
	uint32_t ref;

	addrtab_lookup(w->ch->addrs, &src, &ref, 1);
	return !ref && routable(src) && routed_through(w, s, src);
}

// An ICMP error about pkt (borrowed) from src, if the rates allow, s's among them (NULL: nobody's).
// NULL: none.
static struct rte_mbuf *icmp_error(struct worker *w, struct session *s, const struct rte_mbuf *pkt,
	uint8_t type, uint8_t code, uint16_t mtu, uint32_t src)
{
	struct rte_mbuf *e;

	if (!icmp4_error_allowed(pkt) || !error_rate_allow(w, s, type == 3 && code == 4))
		return NULL;
	e = icmp4_error(pkt, type, code, mtu, src, w->pool);
	if (e)
		COUNT(&w->counters, icmp_tx);
	return e;
}

// ---- to a session

void forward_above_mtu(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	if (session_mp_may_queue(w, s, m)) {
		session_tx_enqueue(w, s, m);
		return;
	}
	COUNT(&w->counters, session_tx_queue_drop);
	s->tx_drops++;
	rte_pktmbuf_free(m);
}

// The same in pieces. Consumes m.
static void to_session_in_pieces(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	struct rte_mbuf *frag[MAX_FRAGMENTS];
	uint16_t mtu = (uint16_t)RTE_MIN(session_mtu(s), w->mbuf_room), n;

	COUNT(&w->counters, inner_fragmented);
	n = inner4_fragment(m, mtu, w->pool, frag, RTE_DIM(frag));
	if (!n) {
		COUNT(&w->counters, mbuf_alloc_failed);
		s->tx_drops++;
	}
	for (uint16_t i = 0; i < n; i++)
		session_tx_enqueue(w, s, frag[i]);
}

// Into the queue of s, in pieces when it is over its MTU. Consumes m.
static void to_session(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	if (s->mss_clamp)
		inner4_mss_clamp(m, s->mss_clamp);
	if (likely(m->pkt_len <= s->mtu))
		session_tx_enqueue(w, s, m);
	else if (m->pkt_len > session_mtu(s))
		to_session_in_pieces(w, s, m);
	else
		forward_above_mtu(w, s, m);
}

// Send an error back where pkt came from: into the tunnel of `from`, or to core.
static void send_back(struct worker *w, struct session *from, struct rte_mbuf *e)
{
	if (!e)
		return;
	if (from)
		session_tx_enqueue(w, from, e);
	else
		forward_to_core(w, e);
}

static void route_ref(struct worker *w, uint32_t ref, struct rte_mbuf *m);

// A packet made here goes wherever its destination is: a session or core. Consumes m; NULL is fine.
static void route_own(struct worker *w, struct rte_mbuf *m)
{
	uint32_t addr, ref;

	if (!m)
		return;
	addr = dst_of(m);
	lookup(w, &addr, &ref, 1);
	if (ref == DP_REF_LOCAL)
		rte_pktmbuf_free(m);
	else if (ref)
		route_ref(w, ref, m);
	else
		forward_to_core(w, m);
}

static inline void deliver(struct worker *w, uint32_t slot, struct rte_mbuf *m)
{
	struct session *s = slot && slot <= w->max_sessions ? &w->sessions[slot] : NULL;

	// The table may lag behind: the session's own address decides, or that it has the prefix.
	if (unlikely(!s || !(s->flags & SES_DATA_OPEN) ||
		     (s->inner != dst_of(m) && !routed_through(w, s, dst_of(m))))) {
		COUNT(&w->counters, inner_no_route);
		rte_pktmbuf_free(m);
		return;
	}
	if (unlikely(s->flags & SES_POLICY) && !session_policy_down(w, s, m))
		return;
	if (unlikely(m->pkt_len > s->mtu && m->pkt_len > session_mtu(s) && dont_fragment(m))) {
		COUNT(&w->counters, inner_too_big);
		route_own(w, icmp_error(w, s, m, 3, 4, (uint16_t)session_mtu(s), s->local));
		rte_pktmbuf_free(m);
		return;
	}
	to_session(w, s, m);
}

void forward_deliver(struct worker *w, uint32_t slot, struct rte_mbuf *m)
{
	deliver(w, slot, m);
}

void forward_prohibited(
	struct worker *w, struct session *s, const struct rte_mbuf *pkt, bool from_client)
{
	struct rte_mbuf *e = icmp_error(w, s, pkt, 3, 13, 0, s->local);

	if (from_client)
		send_back(w, s, e);
	else
		route_own(w, e);
}

// By reference from the address table: this worker's session or another's.
static void route_ref(struct worker *w, uint32_t ref, struct rte_mbuf *m)
{
	uint16_t owner = (uint16_t)(ref >> 24);

	if (likely(owner == w->id)) {
		deliver(w, ref & 0xffffff, m);
		return;
	}
	mbuf_priv(m)->seq = ref & 0xffffff;
	worker_handover(w, owner, HO_DOWN, m);
}

// A packet to one of this router's own inner addresses: ping is answered. True: m is the answer
// now; false: m was consumed.
static bool local_answer(struct worker *w, struct rte_mbuf *m)
{
	COUNT(&w->counters, inner_local);
	if (icmp4_echo_reply(m))
		return true;
	rte_pktmbuf_free(m);
	return false;
}

// The answer to s, which may be above its MTU: then routers may cut it, and this one does.
static void answer_session(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	if (unlikely(m->pkt_len > session_mtu(s)))
		inner4_allow_fragments(m, (uint16_t)++w->next_id);
	to_session(w, s, m);
}

// ---- from core

#define AHEAD 16 // packets that fetching their sessions is ahead

static inline void prefetch_owned(const struct worker *w, uint32_t ref)
{
	if (likely(ref >> 24 == w->id))
		session_prefetch_tx(&w->sessions[ref & 0xffffff]);
}

void forward_down(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	uint32_t addr[WORKER_BURST], ref[WORKER_BURST];

	for (uint16_t at = 0; at < n; at += WORKER_BURST) {
		uint16_t k = (uint16_t)RTE_MIN(n - at, WORKER_BURST);

		for (uint16_t i = 0; i < k; i++)
			addr[i] = dst_of(pkts[at + i]);
		lookup(w, addr, ref, k);
		for (uint16_t i = 0; i < k && i < AHEAD; i++)
			prefetch_owned(w, ref[i]);
		for (uint16_t i = 0; i < k; i++) {
			struct rte_mbuf *m = pkts[at + i];

			if (i + AHEAD < k)
				prefetch_owned(w, ref[i + AHEAD]);
			if (unlikely(!ref[i])) {
				COUNT(&w->counters, inner_no_route);
				send_back(w, NULL,
					w->core_addr ? icmp_error(w, NULL, m, 3, 1, 0, w->core_addr)
						     : NULL);
				rte_pktmbuf_free(m);
				continue;
			}
			if (unlikely(ref[i] == DP_REF_LOCAL)) {
				if (local_answer(w, m))
					forward_to_core(w, m);
				continue;
			}
			if (unlikely(!inner4_ttl(m))) {
				COUNT(&w->counters, inner_ttl_expired);
				send_back(w, NULL,
					w->core_addr
						? icmp_error(w, NULL, m, 11, 0, 0, w->core_addr)
						: NULL);
				rte_pktmbuf_free(m);
				continue;
			}
			COUNT(&w->counters, fwd_down);
			route_ref(w, ref[i], m);
		}
	}
}

// ---- from sessions

void forward_up_checked(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	struct up_batch *b = &w->up;

	if (s->mss_clamp)
		inner4_mss_clamp(m, s->mss_clamp);
	b->s[b->n] = s;
	b->m[b->n] = m;
	if (++b->n == WORKER_BURST)
		forward_up_flush(w);
}

void forward_up(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	s->rx_packets++;
	s->rx_bytes += m->data_len;
	if (unlikely(inner4_check(m))) {
		COUNT(&w->counters, inner_malformed);
		goto drop;
	}
	if (unlikely(src_of(m) != s->inner && !source_routed_through(w, s, src_of(m)))) {
		COUNT(&w->counters, inner_spoofed);
		goto drop;
	}
	if (unlikely(s->flags & SES_POLICY) && !session_policy_up(w, s, m))
		return;
	forward_up_checked(w, s, m);
	return;
drop:
	s->rx_drops++;
	rte_pktmbuf_free(m);
}

// To core in pieces. Consumes m.
static void to_core_in_pieces(struct worker *w, struct rte_mbuf *m)
{
	struct rte_mbuf *frag[MAX_FRAGMENTS];
	uint16_t n = inner4_fragment(m, w->core_port->mtu, w->pool, frag, RTE_DIM(frag));

	COUNT(&w->counters, inner_fragmented);
	if (!n)
		COUNT(&w->counters, mbuf_alloc_failed);
	for (uint16_t i = 0; i < n; i++)
		forward_to_core(w, frag[i]);
}

static void up_one(struct worker *w, struct session *s, struct rte_mbuf *m, uint32_t ref)
{
	if (unlikely(ref == DP_REF_LOCAL)) {
		if (local_answer(w, m))
			answer_session(w, s, m);
		return;
	}
	if (unlikely(!routable(dst_of(m)))) {
		COUNT(&w->counters, inner_no_route);
		goto drop;
	}
	if (unlikely(!inner4_ttl(m))) {
		COUNT(&w->counters, inner_ttl_expired);
		send_back(w, s, icmp_error(w, s, m, 11, 0, 0, s->local));
		goto drop;
	}
	if (ref) {
		// Back into the tunnel it came from it would come again, until its TTL is over.
		if (unlikely(ref == ref_of(w, s) && dst_of(m) != s->inner)) {
			COUNT(&w->counters, inner_no_route);
			send_back(w, s, icmp_error(w, s, m, 3, 1, 0, s->local));
			goto drop;
		}
		COUNT(&w->counters, fwd_hairpin);
		route_ref(w, ref, m);
		return;
	}
	COUNT(&w->counters, fwd_up);
	if (likely(m->pkt_len <= w->core_port->mtu)) {
		forward_to_core(w, m);
		return;
	}
	if (dont_fragment(m)) {
		COUNT(&w->counters, inner_too_big);
		send_back(w, s, icmp_error(w, s, m, 3, 4, w->core_port->mtu, s->local));
		goto drop;
	}
	to_core_in_pieces(w, m);
	return;
drop:
	rte_pktmbuf_free(m);
}

void forward_up_flush(struct worker *w)
{
	struct up_batch *b = &w->up;
	uint32_t addr[WORKER_BURST], ref[WORKER_BURST];

	if (!b->n)
		return;
	for (uint16_t i = 0; i < b->n; i++)
		addr[i] = dst_of(b->m[i]);
	lookup(w, addr, ref, b->n);
	for (uint16_t i = 0; i < b->n; i++)
		up_one(w, b->s[i], b->m[i], ref[i]);
	b->n = 0;
}
