// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/forward6.h"

#include "dataplane/error_rate.h"
#include "dataplane/forward.h"
#include "dataplane/inner6.h"
#include "dataplane/prefixtab.h"
#include "dataplane/session_mp.h"
#include "dataplane/session_policy.h"
#include "protocol/sstp/sstp.h"

#define TCP_IP6_MORE 20 // IPv6's header is so much larger than IPv4's
#define DHCP6_SERVER_PORT RTE_BE16(547)
#define PUNT_MAX 1500

static inline uint32_t own_ref(const struct worker *w, const struct session *s)
{
	return (uint32_t)w->id << 24 | s->slot;
}

static inline bool in_prefix(const struct session *s, const struct ipaddr *a)
{
	uint64_t mask = s->plen6 >= 64 ? UINT64_MAX : ~(UINT64_MAX >> s->plen6);

	if (!s->plen6 || (a->d[0] ^ s->prefix6.d[0]) & rte_cpu_to_be_64(mask))
		return false;
	if (likely(s->plen6 <= 64))
		return true;
	mask = s->plen6 == 128 ? UINT64_MAX : ~(UINT64_MAX >> (s->plen6 - 64));
	return !((a->d[1] ^ s->prefix6.d[1]) & rte_cpu_to_be_64(mask));
}

bool forward6_owns(const struct worker *w, const struct session *s, const struct ipaddr *a)
{
	if (likely(in_prefix(s, a)))
		return true;
	return prefixtab_owns(w->ch->prefixes, (const struct in6_addr *)a->b, own_ref(w, s));
}

static struct ipaddr local_ll(const struct session *s)
{
	return (struct ipaddr){.d = {rte_cpu_to_be_64(UINT64_C(0xfe80) << 48), s->local_id6}};
}

// The source of errors to a session: a global address where there is one, so that the path shows.
static struct ipaddr error_source(const struct worker *w, const struct session *s)
{
	return w->core_has6 ? w->core_addr6 : local_ll(s);
}

// References of n addresses; 0: core.
static void lookup(const struct worker *w, const struct ipaddr *addr, uint32_t *ref, uint16_t n)
{
	prefixtab_lookup(w->ch->prefixes, (const struct in6_addr *)addr, ref, n);
	for (uint16_t i = 0; i < n; i++)
		if (ref[i] == DP_REF_CORE)
			ref[i] = 0;
}

// An ICMPv6 error about pkt (borrowed), if the rates allow, s's among them (NULL: nobody's). NULL:
// none.
static struct rte_mbuf *make_error(struct worker *w, struct session *s, const struct rte_mbuf *pkt,
	uint8_t type, uint8_t code, uint32_t value, const struct ipaddr *src)
{
	struct rte_mbuf *e;

	if (!icmp6_error_allowed(pkt, type, code) ||
		!error_rate_allow(w, s, type == ICMP6_PACKET_TOO_BIG))
		return NULL;
	e = icmp6_make_error(pkt, type, code, value, src, w->pool);
	if (e)
		COUNT(&w->counters, icmp_tx);
	else
		COUNT(&w->counters, mbuf_alloc_failed);
	return e;
}

static void error_to_session(struct worker *w, struct session *s, const struct rte_mbuf *pkt,
	uint8_t type, uint8_t code, uint32_t value)
{
	struct ipaddr src = error_source(w, s);
	struct rte_mbuf *e = make_error(w, s, pkt, type, code, value, &src);

	if (e)
		session_tx_enqueue(w, s, e);
}

static void error_to_core(struct worker *w, const struct rte_mbuf *pkt, uint8_t type, uint8_t code)
{
	struct rte_mbuf *e;

	if (!w->core_has6)
		return;
	e = make_error(w, NULL, pkt, type, code, 0, &w->core_addr6);
	if (e)
		forward_to_core(w, e);
}

static void route_ref(struct worker *w, uint32_t ref, struct rte_mbuf *m);

// A packet made here goes wherever its destination is: a session or core. Consumes m; NULL is fine.
static void route_own(struct worker *w, struct rte_mbuf *m)
{
	struct ipaddr dst;
	uint32_t ref;

	if (!m)
		return;
	dst = inner6_dst(m);
	lookup(w, &dst, &ref, 1);
	if (ref)
		route_ref(w, ref, m);
	else if (w->core_has6 && inner6_is_routable(&dst))
		forward_to_core(w, m);
	else
		rte_pktmbuf_free(m);
}

// ---- to a session

void forward6_deliver(struct worker *w, uint32_t slot, struct rte_mbuf *m)
{
	const uint32_t open = SES_DATA_OPEN | SES_IP6;
	struct session *s = slot && slot <= w->max_sessions ? &w->sessions[slot] : NULL;
	struct ipaddr dst = inner6_dst(m), src;

	// The table may lag behind: what the session has decides.
	if (unlikely(!s || (s->flags & open) != open || !forward6_owns(w, s, &dst))) {
		COUNT(&w->counters, inner_no_route);
		rte_pktmbuf_free(m);
		return;
	}
	if (unlikely(s->flags & SES_POLICY) && !session_policy_down(w, s, m))
		return;
	if (unlikely(m->pkt_len > s->mtu && m->pkt_len > session_mtu(s))) {
		COUNT(&w->counters, inner_too_big);
		src = error_source(w, s);
		route_own(w, make_error(w, s, m, ICMP6_PACKET_TOO_BIG, 0, session_mtu(s), &src));
		rte_pktmbuf_free(m);
		return;
	}
	if (s->mss_clamp > TCP_IP6_MORE)
		inner6_mss_clamp(m, s->mss_clamp - TCP_IP6_MORE);
	if (likely(m->pkt_len <= s->mtu))
		session_tx_enqueue(w, s, m);
	else
		forward_above_mtu(w, s, m);
}

void forward6_prohibited(
	struct worker *w, struct session *s, const struct rte_mbuf *pkt, bool from_client)
{
	struct ipaddr src = error_source(w, s);

	if (from_client)
		error_to_session(w, s, pkt, ICMP6_UNREACHABLE, ICMP6_PROHIBITED, 0);
	else
		route_own(w, make_error(w, s, pkt, ICMP6_UNREACHABLE, ICMP6_PROHIBITED, 0, &src));
}

// By reference from the table: this worker's session or another's.
static void route_ref(struct worker *w, uint32_t ref, struct rte_mbuf *m)
{
	uint16_t owner = (uint16_t)(ref >> 24);

	if (likely(owner == w->id)) {
		forward6_deliver(w, ref & 0xffffff, m);
		return;
	}
	mbuf_priv(m)->seq = ref & 0xffffff;
	worker_handover(w, owner, HO_DOWN6, m);
}

// ---- from core

static void down_one(struct worker *w, struct rte_mbuf *m, uint32_t ref)
{
	if (unlikely(!ref)) {
		COUNT(&w->counters, inner_no_route);
		error_to_core(w, m, ICMP6_UNREACHABLE, ICMP6_NO_ROUTE);
		rte_pktmbuf_free(m);
		return;
	}
	if (unlikely(!inner6_hop_limit(m))) {
		COUNT(&w->counters, inner_ttl_expired);
		error_to_core(w, m, ICMP6_TIME_EXCEEDED, 0);
		rte_pktmbuf_free(m);
		return;
	}
	COUNT(&w->counters, fwd_down);
	route_ref(w, ref, m);
}

void forward6_down(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	struct ipaddr addr[WORKER_BURST];
	uint32_t ref[WORKER_BURST];

	for (uint16_t at = 0; at < n; at += WORKER_BURST) {
		uint16_t k = (uint16_t)RTE_MIN(n - at, WORKER_BURST);

		for (uint16_t i = 0; i < k; i++)
			addr[i] = inner6_dst(pkts[at + i]);
		lookup(w, addr, ref, k);
		for (uint16_t i = 0; i < k; i++)
			if (ref[i] >> 24 == w->id)
				session_prefetch_tx(&w->sessions[ref[i] & 0xffffff]);
		for (uint16_t i = 0; i < k; i++)
			down_one(w, pkts[at + i], ref[i]);
	}
}

// ---- from sessions

// To the control plane, which gets the SSTP packet as it came. Borrows m.
static void punt(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	uint16_t len = m->data_len + SSTP_HDR_LEN + 4;
	uint8_t pkt[PUNT_MAX + SSTP_HDR_LEN + 4];

	if (m->data_len > PUNT_MAX)
		return;
	pkt[0] = SSTP_VERSION;
	pkt[1] = 0;
	pkt[2] = (uint8_t)(len >> 8);
	pkt[3] = (uint8_t)len;
	memcpy(pkt + 4, (const uint8_t[]){0xff, 0x03, 0x00, 0x57}, 4);
	memcpy(pkt + 8, rte_pktmbuf_mtod(m, void *), m->data_len);
	if (session_to_control(w, s, pkt, len))
		COUNT(&w->counters, inner_local);
}

// ff02::1, ff02::2, ff02::1:2 and the solicited-node group of this end's link-local address.
static bool is_our_group(const struct session *s, const struct ipaddr *a)
{
	static const struct ipaddr all_nodes = {.b = {0xff, 2, [15] = 1}},
				   all_routers = {.b = {0xff, 2, [15] = 2}},
				   all_dhcp = {.b = {0xff, 2, [13] = 1, [15] = 2}};
	struct ipaddr ll = local_ll(s), solicited = {.b = {0xff, 2, [11] = 1, [12] = 0xff, ll.b[13],
							     ll.b[14], ll.b[15]}};

	return ipaddr_equal(a, &all_routers) || ipaddr_equal(a, &all_dhcp) ||
	       ipaddr_equal(a, &all_nodes) || ipaddr_equal(a, &solicited);
}

// An answer as large as the question, which may be above what s takes. Consumes m.
static void answer(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	if (likely(m->pkt_len <= s->mtu)) {
		session_tx_enqueue(w, s, m);
	} else if (m->pkt_len <= session_mtu(s)) {
		forward_above_mtu(w, s, m);
	} else {
		COUNT(&w->counters, inner_too_big);
		s->tx_drops++;
		rte_pktmbuf_free(m);
	}
}

// A packet to this end: what it is decides. Consumes m.
static void local(
	struct worker *w, struct session *s, struct rte_mbuf *m, const struct ipaddr *from)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint8_t next = p[6];

	if (next == IPPROTO_ICMPV6 && m->data_len > 40 + 4) {
		if (p[40] == ICMP6_ROUTER_SOLICIT || p[40] == ICMP6_NEIGHBOUR_SOLICIT) {
			punt(w, s, m);
		} else if (p[40] == ICMP6_ECHO_REQUEST && icmp6_echo_reply(m, from)) {
			COUNT(&w->counters, inner_local);
			answer(w, s, m);
			return;
		}
	} else if (next == IPPROTO_UDP && m->data_len >= 40 + 8 &&
		   !memcmp(p + 42, &(rte_be16_t){DHCP6_SERVER_PORT}, 2)) {
		punt(w, s, m);
	}
	rte_pktmbuf_free(m);
}

// Link-local and multicast destinations are on the link: never forwarded. Consumes m.
static void on_link(struct worker *w, struct session *s, struct rte_mbuf *m,
	const struct ipaddr *src, const struct ipaddr *dst)
{
	struct ipaddr ll = local_ll(s);
	bool unspecified = !src->d[0] && !src->d[1];

	if (!inner6_is_link_local(src) && !unspecified && !forward6_owns(w, s, src)) {
		COUNT(&w->counters, inner_spoofed);
		s->rx_drops++;
	} else if (ipaddr_equal(dst, &ll) || is_our_group(s, dst)) {
		local(w, s, m, &ll);
		return;
	}
	rte_pktmbuf_free(m); // groups of others: there are none on this link
}

void forward6_up_checked(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	struct up_batch *b = &w->up6;

	if (s->mss_clamp > TCP_IP6_MORE)
		inner6_mss_clamp(m, s->mss_clamp - TCP_IP6_MORE);
	b->s[b->n] = s;
	b->m[b->n] = m;
	if (++b->n == WORKER_BURST)
		forward6_up_flush(w);
}

void forward6_up(struct worker *w, struct session *s, struct rte_mbuf *m)
{
	struct ipaddr src, dst;

	s->rx_packets++;
	s->rx_bytes += m->data_len;
	if (unlikely(inner6_check(m))) {
		COUNT(&w->counters, inner_malformed);
		goto drop;
	}
	src = inner6_src(m);
	dst = inner6_dst(m);
	if (unlikely(inner6_is_multicast(&dst) || inner6_is_link_local(&dst))) {
		on_link(w, s, m, &src, &dst);
		return;
	}
	if (unlikely(!inner6_is_routable(&src) || !forward6_owns(w, s, &src))) {
		COUNT(&w->counters, inner_spoofed);
		goto drop;
	}
	if (unlikely(s->flags & SES_POLICY) && !session_policy_up(w, s, m))
		return;
	forward6_up_checked(w, s, m);
	return;
drop:
	s->rx_drops++;
	rte_pktmbuf_free(m);
}

static void refuse(struct worker *w, struct session *s, struct rte_mbuf *m, uint8_t code)
{
	COUNT(&w->counters, inner_no_route);
	error_to_session(w, s, m, ICMP6_UNREACHABLE, code, 0);
	rte_pktmbuf_free(m);
}

static void up_one(struct worker *w, struct session *s, struct rte_mbuf *m,
	const struct ipaddr *dst, uint32_t ref)
{
	if (unlikely(w->core_has6 && ipaddr_equal(dst, &w->core_addr6))) {
		local(w, s, m, &w->core_addr6);
		return;
	}
	if (unlikely(!inner6_is_routable(dst))) {
		COUNT(&w->counters, inner_no_route);
		rte_pktmbuf_free(m);
		return;
	}
	if (unlikely(!inner6_hop_limit(m))) {
		COUNT(&w->counters, inner_ttl_expired);
		error_to_session(w, s, m, ICMP6_TIME_EXCEEDED, 0, 0);
		rte_pktmbuf_free(m);
		return;
	}
	if (ref) {
		// What a client does not know of its own prefix must not come and go until its hop
		// limit ends it.
		if (ref == own_ref(w, s)) {
			refuse(w, s, m, ICMP6_ADDRESS);
			return;
		}
		COUNT(&w->counters, fwd_hairpin);
		route_ref(w, ref, m);
		return;
	}
	if (unlikely(!w->core_has6)) {
		refuse(w, s, m, ICMP6_NO_ROUTE);
		return;
	}
	if (unlikely(m->pkt_len > w->core_port->mtu)) {
		COUNT(&w->counters, inner_too_big);
		error_to_session(w, s, m, ICMP6_PACKET_TOO_BIG, 0, w->core_port->mtu);
		rte_pktmbuf_free(m);
		return;
	}
	COUNT(&w->counters, fwd_up);
	forward_to_core(w, m);
}

void forward6_up_flush(struct worker *w)
{
	struct up_batch *b = &w->up6;
	struct ipaddr addr[WORKER_BURST];
	uint32_t ref[WORKER_BURST];

	if (!b->n)
		return;
	for (uint16_t i = 0; i < b->n; i++)
		addr[i] = inner6_dst(b->m[i]);
	lookup(w, addr, ref, b->n);
	for (uint16_t i = 0; i < b->n; i++)
		up_one(w, b->s[i], b->m[i], &addr[i], ref[i]);
	b->n = 0;
}
