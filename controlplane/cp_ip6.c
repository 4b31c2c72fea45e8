// SPDX-License-Identifier: BSD-3-Clause
#define LOG_TYPE "cp.ip6"
#include "controlplane/cp_ip6.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "protocol/ip6/ra.h"

#define MIN_MTU 1280 // RFC 8200 5: less cannot carry IPv6
#define HOP_LIMIT 64
// Of advertisements that nobody asked for. The link is gone when the session is, so that times are
// long: nobody has to be told soon that something is over.
#define RA_INTERVAL_S 1800
#define ROUTER_LIFETIME_S (3 * RA_INTERVAL_S)
#define PREFIX_VALID_S (30 * 86400u)
#define PREFIX_PREFERRED_S (7 * 86400u)
#define PD_VALID_S 86400u
#define PD_PREFERRED_S 43200u
#define PACKET_MAX (IP6_HDR_LEN + IP6_UDP_HDR_LEN + DHCP6_REPLY_MAX)
#define IP6_LOG_BURST 20 // a client can have these lines written as often as it likes
#define FRAME_LEN 8      // SSTP header, FF 03, protocol

static const char *prefix_text(const struct in6_addr *a, char dst[INET6_ADDRSTRLEN])
{
	return inet_ntop(AF_INET6, a, dst, INET6_ADDRSTRLEN);
}

// -- the prefix --

static int take_fixed(struct cp_session *s, const struct users_grant *g)
{
	struct pools6 *pools = s->cp->pools6;
	char text[INET6_ADDRSTRLEN];
	const struct config_prefix *f = g->prefix6;
	int rc = pools6_take(pools, &f->addr, f->plen, s->id);

	if (rc == -EADDRINUSE)
		SLOG_RATE(LOG_WARNING, 5, s, "prefix=%s/%u is in use by session=%llu",
			prefix_text(&f->addr, text), f->plen,
			(unsigned long long)pools6_owner(pools, &f->addr, f->plen));
	if (rc)
		return rc;
	s->ip6->prefix = f->addr;
	s->ip6->plen = f->plen;
	return 0;
}

static int take_from_pool(struct cp_session *s, const struct users_grant *g)
{
	struct pool6 *pool = pools6_find(s->cp->pools6, g->prefix_pool);
	int rc = pool ? pools6_take_any(
				s->cp->pools6, pool, s->id, s->call->user_hash, &s->ip6->prefix)
		      : -ENOENT;

	if (rc == -ENOSPC)
		SLOG_RATE(LOG_WARNING, 5, s, "pool=%s has no free prefix", g->prefix_pool);
	if (rc)
		return rc;
	s->ip6->plen = pool6_length(pool);
	return 0;
}

// Whether there is anything to give: a prefix, or delegation. 0 or -errno.
static int take_prefix(struct cp_session *s, const struct users_grant *g)
{
	char text[INET6_ADDRSTRLEN];
	int rc = 0;

	s->ip6->pd_pool = g->pd_pool ? pools6_find(s->cp->pools6, g->pd_pool) : NULL;
	s->ip6->pd_hint = s->call->user_hash;
	s->ip6->dns = g->dns6;
	s->ip6->nb_dns = (uint8_t)(g->nb_dns6 < RA_MAX_DNS ? g->nb_dns6 : RA_MAX_DNS);
	if (g->prefix6)
		rc = take_fixed(s, g);
	else if (g->prefix_pool)
		rc = take_from_pool(s, g);
	else if (!s->ip6->pd_pool)
		rc = -ENOENT;
	if (!rc && s->ip6->plen)
		SLOG(LOG_INFO, s, "prefix=%s/%u pool=%s", prefix_text(&s->ip6->prefix, text),
			s->ip6->plen, g->prefix6 ? "-" : g->prefix_pool);
	return rc;
}

static int prepare(struct cp_session *s, const struct users_grant *g)
{
	int rc;

	if (s->ip6)
		return 0;
	if (ppp_mtu(&s->call->ppp) < MIN_MTU) {
		SLOG_RATE(
			LOG_WARNING, 5, s, "mtu=%u is too small for IPv6", ppp_mtu(&s->call->ppp));
		return -EMSGSIZE;
	}
	s->ip6 = calloc(1, sizeof(*s->ip6));
	if (!s->ip6)
		return -ENOMEM;
	rc = take_prefix(s, g);
	if (rc)
		cp_ip6_free(s);
	return rc;
}

int cp_ip6_prepare(struct cp_session *s)
{
	const struct users_grant *g = &s->call->grant;
	bool required = g->use_ipv6 == CONFIG_REQUIRED;
	int rc = g->use_ipv6 == CONFIG_NO ? -EAFNOSUPPORT : prepare(s, g);

	if (rc) {
		ppp_set_ipv6(&s->call->ppp, PPP_IPV6_NO, 0);
		if (required)
			SLOG_RATE(LOG_WARNING, 5, s, "IPv6 is required and there is no prefix");
		return required ? rc : 0;
	}
	ppp_set_ipv6(&s->call->ppp, required ? PPP_IPV6_REQUIRED : PPP_IPV6_YES, 0);
	return 1;
}

void cp_ip6_up(struct cp_session *s, uint64_t local_id, uint64_t remote_id)
{
	if (!s->ip6)
		return;
	s->ip6->local_id = local_id;
	s->ip6->remote_id = remote_id;
	s->ip6->up = true;
	s->ip6->announced = false;
}

void cp_ip6_down(struct cp_session *s)
{
	if (s->ip6)
		s->ip6->up = false;
}

bool cp_ip6_is_up(const struct cp_session *s)
{
	return s->ip6 && s->ip6->up;
}

// -- data --

static bool is_usable(const struct cp_session *s)
{
	return cp_ip6_is_up(s) && s->ip6->mtu >= MIN_MTU;
}

void cp_ip6_fill(struct cp_session *s, struct dp_msg *m, uint16_t mtu)
{
	struct cp_ip6 *i = s->ip6;

	if (!cp_ip6_is_up(s))
		return;
	// LCP may have been negotiated anew.
	i->mtu = mtu;
	if (!is_usable(s)) {
		SLOG_RATE(LOG_WARNING, IP6_LOG_BURST, s, "mtu=%u is too small for IPv6", mtu);
		i->announced = false;
		return;
	}
	m->u.open.plen6 = i->plen;
	m->u.open.prefix6 = i->prefix;
	m->u.open.local_ll = ip6_link_local(i->local_id);
	m->u.open.inner_ll = i->remote_id ? ip6_link_local(i->remote_id) : in6addr_any;
}

// 0 or -errno, logged.
static int publish(struct cp_session *s, const struct in6_addr *prefix, uint8_t plen, bool *done)
{
	char text[INET6_ADDRSTRLEN];
	int rc;

	if (*done || !plen)
		return 0;
	rc = dp_prefix_publish(s->cp->ch, prefix, plen, 0, s->handle);
	if (rc == -EEXIST) // by a route of the same session, whose it stays
		return 0;
	if (rc)
		SLOG_RATE(LOG_ERR, IP6_LOG_BURST, s, "prefix=%s/%u cannot be published: %s",
			prefix_text(prefix, text), plen, log_strerror(rc));
	else
		*done = true;
	return rc;
}

static void withdraw(struct cp_session *s, const struct in6_addr *prefix, uint8_t plen, bool *done)
{
	if (*done)
		dp_prefix_withdraw(s->cp->ch, prefix, plen, s->handle);
	*done = false;
}

static void advertise(struct cp_session *s, const struct in6_addr *to);

void cp_ip6_open(struct cp_session *s)
{
	struct cp_ip6 *i = s->ip6;
	char prefix[INET6_ADDRSTRLEN], local[INET6_ADDRSTRLEN];
	struct in6_addr ll;

	if (!is_usable(s)) {
		cp_ip6_close(s);
		return;
	}
	publish(s, &i->prefix, i->plen, &i->published);
	if (i->lease.bound)
		publish(s, &i->lease.prefix, i->lease.plen, &i->pd_published);
	if (i->announced)
		return;
	i->announced = true;
	advertise(s, &ip6_all_nodes);
	ll = ip6_link_local(i->local_id);
	SLOG_RATE(LOG_INFO, IP6_LOG_BURST, s, "ipv6 up prefix=%s/%u local=%s mtu=%u",
		prefix_text(&i->prefix, prefix), i->plen, prefix_text(&ll, local), i->mtu);
}

void cp_ip6_close(struct cp_session *s)
{
	struct cp_ip6 *i = s->ip6;

	if (!i)
		return;
	withdraw(s, &i->prefix, i->plen, &i->published);
	withdraw(s, &i->lease.prefix, i->lease.plen, &i->pd_published);
}

void cp_ip6_free(struct cp_session *s)
{
	struct cp_ip6 *i = s->ip6;

	if (!i)
		return;
	cp_ip6_close(s);
	if (i->plen)
		pools6_release(s->cp->pools6, &i->prefix, i->plen);
	if (i->lease.bound)
		pools6_release(s->cp->pools6, &i->lease.prefix, i->lease.plen);
	free(i);
	s->ip6 = NULL;
}

// -- packets to the peer --

// pkt has FRAME_LEN bytes of room in front of the packet of n bytes.
static void send_packet(struct cp_session *s, uint8_t *pkt, size_t n)
{
	static const uint8_t ppp[] = {0xff, 0x03, PPP_PROTO_IPV6 >> 8, PPP_PROTO_IPV6 & 0xff};

	pkt[0] = SSTP_VERSION;
	pkt[1] = 0;
	wr_put_u16(pkt + 2, (uint16_t)(n + FRAME_LEN));
	memcpy(pkt + 4, ppp, sizeof(ppp));
	cp_session_send(s, pkt, n + FRAME_LEN);
}

static void advertise(struct cp_session *s, const struct in6_addr *to)
{
	const struct cp_ip6 *i = s->ip6;
	struct in6_addr src = ip6_link_local(i->local_id);
	uint8_t pkt[FRAME_LEN + RA_PACKET_MAX];
	struct ra ra = {
		.hop_limit = HOP_LIMIT,
		.other = i->pd_pool || i->nb_dns,
		.lifetime_s = ROUTER_LIFETIME_S,
		.mtu = i->mtu,
		// Addresses are made of a /64 (RFC 4862); of a larger prefix it is the first.
		.plen = i->plen && i->plen <= 64 ? 64 : 0,
		.autonomous = true,
		.prefix = i->prefix,
		.valid_s = PREFIX_VALID_S,
		.preferred_s = PREFIX_PREFERRED_S,
		.nb_dns = i->nb_dns,
		.dns_lifetime_s = ROUTER_LIFETIME_S,
	};
	size_t n;

	if (i->nb_dns)
		memcpy(ra.dns, i->dns, i->nb_dns * sizeof(ra.dns[0]));
	n = ra_packet(&ra, &src, to, pkt + FRAME_LEN, RA_PACKET_MAX);
	if (n)
		send_packet(s, pkt, n);
}

static void answer_neighbour(
	struct cp_session *s, const struct ip6_packet *k, const struct ra_question *q)
{
	struct in6_addr own = ip6_link_local(s->ip6->local_id);
	uint8_t pkt[FRAME_LEN + RA_PACKET_MAX];
	size_t n;

	if (memcmp(&q->target, &own, sizeof(own)) != 0)
		return;
	n = na_packet(&own, &k->src, pkt + FRAME_LEN, RA_PACKET_MAX);
	if (n)
		send_packet(s, pkt, n);
}

// -- DHCPv6 --

static bool pd_take(void *user, struct in6_addr *prefix, uint8_t *plen)
{
	struct cp_session *s = user;
	struct cp_ip6 *i = s->ip6;
	char text[INET6_ADDRSTRLEN];
	int rc;

	if (!i->pd_pool)
		return false;
	rc = pools6_take_any(s->cp->pools6, i->pd_pool, s->id, i->pd_hint, prefix);
	if (rc) {
		SLOG_RATE(LOG_WARNING, 5, s, "pool=%s has no free prefix to delegate",
			pool6_name(i->pd_pool));
		return false;
	}
	*plen = pool6_length(i->pd_pool);
	// What nobody can reach is not given.
	if (publish(s, prefix, *plen, &i->pd_published)) {
		pools6_release(s->cp->pools6, prefix, *plen);
		return false;
	}
	SLOG_RATE(LOG_INFO, IP6_LOG_BURST, s, "delegated prefix=%s/%u pool=%s",
		prefix_text(prefix, text), *plen, pool6_name(i->pd_pool));
	return true;
}

static void pd_release(void *user, const struct in6_addr *prefix, uint8_t plen)
{
	struct cp_session *s = user;
	char text[INET6_ADDRSTRLEN];

	withdraw(s, prefix, plen, &s->ip6->pd_published);
	pools6_release(s->cp->pools6, prefix, plen);
	SLOG_RATE(LOG_INFO, IP6_LOG_BURST, s, "released prefix=%s/%u", prefix_text(prefix, text),
		plen);
}

static const struct dhcp6_ops pd_ops = {.take = pd_take, .release = pd_release};

// This end's identifier: of chance, but the same in every process on this host. RFC 8415 11.5
// (DUID-UUID).
static struct dhcp6_duid server_duid(const struct cp *cp)
{
	struct dhcp6_duid d = {.len = 18, .bytes = {0, 4}};
	uint64_t h = UINT64_C(0xcbf29ce484222325); // FNV-1a

	for (unsigned int half = 0; half < 2; half++) {
		for (const char *p = cp->hostname; *p; p++)
			h = (h ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
		for (unsigned int k = 0; k < 8; k++)
			d.bytes[2 + 8 * half + k] = (uint8_t)(h >> (8 * k));
	}
	d.bytes[8] = (uint8_t)((d.bytes[8] & 0x0f) | 0x80);   // version 8: of our own making
	d.bytes[10] = (uint8_t)((d.bytes[10] & 0x3f) | 0x80); // RFC 9562's variant
	return d;
}

static void dhcp6_input(struct cp_session *s, const struct ip6_packet *k)
{
	struct cp_ip6 *i = s->ip6;
	struct in6_addr src = ip6_link_local(i->local_id);
	struct dhcp6_duid duid = server_duid(s->cp);
	const struct dhcp6_link link = {
		.duid = &duid,
		.preferred_s = PD_PREFERRED_S,
		.valid_s = PD_VALID_S,
		.dns = i->dns,
		.nb_dns = i->nb_dns,
		.prefix = i->prefix,
		.plen = i->plen,
	};
	uint8_t pkt[FRAME_LEN + PACKET_MAX];
	struct writer w = writer_make(pkt + FRAME_LEN, PACKET_MAX);
	struct dhcp6_msg in, out;

	// 18.4: to the group, or to this end of the link.
	if (!ip6_is_link_local(&k->src) ||
		!(ip6_is_multicast(&k->dst) || ip6_is_link_local(&k->dst)))
		return;
	if (dhcp6_decode(k->payload, &in) || !dhcp6_answer(&link, &i->lease, &pd_ops, s, &in, &out))
		return;
	SLOG(LOG_DEBUG, s, "dhcpv6 %s answered by %s", dhcp6_type_name(in.type),
		dhcp6_type_name(out.type));
	ip6_begin(&w, &src, &k->src, IPPROTO_UDP, HOP_LIMIT, DHCP6_SERVER_PORT, k->sport);
	dhcp6_encode(&out, &w);
	ip6_end(&w);
	if (!w.overflow)
		send_packet(s, pkt, wr_len(&w));
}

// -- packets from the peer --

bool cp_ip6_packet(struct cp_session *s, const uint8_t *pkt, size_t len)
{
	struct ra_question q;
	struct ip6_packet k;
	uint16_t proto;
	int off;

	if (len <= SSTP_HDR_LEN || (pkt[1] & 1))
		return false;
	off = ppp_parse_header(pkt + SSTP_HDR_LEN, len - SSTP_HDR_LEN, &proto);
	if (off < 0 || proto != PPP_PROTO_IPV6)
		return false;
	off += SSTP_HDR_LEN;
	if (!s->data_open || !is_usable(s) || ip6_decode(pkt + off, len - (size_t)off, &k))
		return true;
	if (k.proto == IPPROTO_UDP && k.dport == DHCP6_SERVER_PORT) {
		dhcp6_input(s, &k);
	} else if (k.proto == IPPROTO_ICMPV6 && !ra_question(&k, &q)) {
		if (q.type == RA_ROUTER_SOLICIT)
			advertise(s, ip6_is_unspecified(&k.src) ? &ip6_all_nodes : &k.src);
		else
			answer_neighbour(s, &k, &q);
	}
	return true;
}

// -- from time to time --

void cp_ip6_tick(struct cp *cp)
{
	struct cp_ip6_round *r = &cp->ip6_round;
	uint32_t n = 0;

	// Every session once in a round: so many slots of each worker a second.
	for (unsigned int w = 0; w < CP_TABLE_MAX_WORKERS; w++)
		n += cp->table.worker[w].size;
	for (n = n / RA_INTERVAL_S + 1; n; n--) {
		struct cp_session *s;

		while (r->worker < CP_TABLE_MAX_WORKERS &&
			r->slot >= cp->table.worker[r->worker].size) {
			r->worker++;
			r->slot = 0;
		}
		if (r->worker >= CP_TABLE_MAX_WORKERS) {
			// A table that is small would be gone through more often.
			if (ev_now(cp->loop) - r->began < RA_INTERVAL_S)
				return;
			*r = (struct cp_ip6_round){.began = ev_now(cp->loop)};
			continue;
		}
		s = cp->table.worker[r->worker].slot[r->slot++].s;
		if (!s || !s->data_open || !is_usable(s))
			continue;
		advertise(s, &ip6_all_nodes);
		// No event of its own follows, if there was no room for it.
		if (s->broken)
			cp_call_settle(s);
	}
}
