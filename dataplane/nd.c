// SPDX-License-Identifier: BSD-3-Clause
// Neighbour discovery, RFC 4861: solicitations and advertisements. The gateway is configured, so
// router messages and redirects are none of ours. Duplicate address detection is not done for our
// own addresses; those who do it for the same address are told.
#include "dataplane/netif_int.h"

#include "dataplane/cksum.h"
#include "protocol/cursor.h"

#define ROUTER_SOLICIT 133
#define NEIGHBOUR_SOLICIT 135
#define NEIGHBOUR_ADVERT 136
#define REDIRECT 137
#define NA_SOLICITED 0x40000000
#define NA_OVERRIDE 0x20000000
#define OPT_SOURCE_LL 1
#define OPT_TARGET_LL 2
#define ND_LEN 24     // NS and NA alike, before options
#define ND_LL_OPT 8   // link-layer address option on Ethernet
#define HOP_LIMIT 255 // 7.1: what came from off the link has less

// Advertisements to all nodes that others can cause: one in so long.
#define ALL_PRICE_US 10000

static const struct ipaddr all_nodes = {.b = {0xff, 2, [15] = 1}};

struct nd {
	uint8_t type;
	uint32_t flags;
	struct ipaddr target;
	bool has_ll;
	struct rte_ether_addr ll;
};

bool nd_is_nd(uint8_t type)
{
	return type >= ROUTER_SOLICIT && type <= REDIRECT;
}

// 7.1.1, 7.1.2: the option that goes with the message; others are skipped, none may be empty.
static int decode_options(struct cursor c, struct nd *d)
{
	const uint8_t want = d->type == NEIGHBOUR_SOLICIT ? OPT_SOURCE_LL : OPT_TARGET_LL;
	struct cursor body;
	uint8_t type, len;

	while (cur_left(&c)) {
		if (cur_u8(&c, &type) || cur_u8(&c, &len) || len == 0 ||
			cur_sub(&c, &body, len * 8 - 2))
			return -EBADMSG;
		if (type != want || d->has_ll)
			continue;
		if (cur_bytes(&body, &d->ll, sizeof(d->ll)) || !rte_is_unicast_ether_addr(&d->ll) ||
			rte_is_zero_ether_addr(&d->ll))
			return -EBADMSG;
		d->has_ll = true;
	}
	return 0;
}

static int decode(const struct icmp6_msg *msg, struct nd *d)
{
	struct cursor c = cursor_make(msg->p, msg->len);
	uint8_t code;

	memset(d, 0, sizeof(*d));
	if (cur_u8(&c, &d->type) || cur_u8(&c, &code) || cur_skip(&c, 2) ||
		cur_u32(&c, &d->flags) || cur_bytes(&c, &d->target, 16))
		return -EBADMSG;
	if (msg->ip->hop_limits != HOP_LIMIT || code != 0 || ip6_is_multicast(&d->target) ||
		ip6_is_multicast(&msg->src))
		return -EBADMSG;
	return decode_options(c, d);
}

// target's message to dst at MAC address mac, with our link-layer address as option opt (0: none).
static void nd_send(struct netif *n, const struct rte_ether_addr *mac, const struct ipaddr *src,
	const struct ipaddr *dst, uint8_t type, uint32_t flags, const struct ipaddr *target,
	uint8_t opt)
{
	const uint16_t len = ND_LEN + ND_LL_OPT, size = sizeof(struct rte_ipv6_hdr) + len;
	struct rte_ipv6_hdr *ip;
	struct rte_mbuf *m;
	struct writer w;
	uint16_t sum;
	void *p;

	m = netif_frame(n, mac, RTE_ETHER_TYPE_IPV6, size, &p);
	if (!m)
		return;
	ip = p;
	ip->vtc_flow = RTE_BE32(0x60000000);
	ip->payload_len = rte_cpu_to_be_16(len);
	ip->proto = IPPROTO_ICMPV6;
	ip->hop_limits = HOP_LIMIT;
	memcpy(ip->src_addr, src, 16);
	memcpy(ip->dst_addr, dst, 16);
	w = writer_make(ip + 1, len);
	wr_u8(&w, type);
	wr_zero(&w, 3);
	wr_u32(&w, flags);
	wr_bytes(&w, target, 16);
	wr_u8(&w, opt);
	wr_u8(&w, 1);
	wr_bytes(&w, &n->port->mac, 6);
	sum = cksum_of6(ip, ip + 1, len, IPPROTO_ICMPV6);
	memcpy((uint8_t *)(ip + 1) + 2, &sum, 2);
	COUNT(n->cnt, nd_tx);
	netif_tx_frame(n, m);
}

void nd_solicit(struct netif *n, const struct ipaddr *addr, const struct rte_ether_addr *dst)
{
	const struct ipaddr *src = ip6_is_link_local(addr) ? &n->ll6 : &n->c.addr6;
	struct ipaddr group = ip6_solicited_node(addr);
	struct rte_ether_addr mac = ip6_multicast_mac(&group);

	nd_send(n, dst ? dst : &mac, src, dst ? addr : &group, NEIGHBOUR_SOLICIT, 0, addr,
		OPT_SOURCE_LL);
}

static void advertise_all(struct netif *n, const struct ipaddr *target)
{
	struct rte_ether_addr mac = ip6_multicast_mac(&all_nodes);

	nd_send(n, &mac, target, &all_nodes, NEIGHBOUR_ADVERT, NA_OVERRIDE, target, OPT_TARGET_LL);
}

void nd_announce(struct netif *n)
{
	advertise_all(n, &n->ll6);
	if (!ipaddr_equal(&n->c.addr6, &n->ll6))
		advertise_all(n, &n->c.addr6);
}

// Anybody on the link can ask as if for an address of his own, and every node there hears the
// answer.
static bool may_tell_all(struct netif *n, struct netif_bucket *b, uint64_t now_us)
{
	if (netif_bucket_take(b, ALL_PRICE_US, ND_ALL_BURST_US, now_us))
		return true;
	COUNT(n->cnt, nd_rate_limited);
	return false;
}

bool nd_is_proxied(const struct netif *n, const struct ipaddr *group)
{
	static const uint8_t solicited[13] = {0xff, 2, [11] = 1, [12] = 0xff};

	return n->c.proxy_nd && !memcmp(group, solicited, sizeof(solicited));
}

// Somebody on this link looks whether an address is free that is a session's: he hears that it is
// not (RFC 4862 5.4.4), as its owner would tell him (RFC 4861 7.2.4, RFC 4389 4.1). Whoever has the
// address on this link overrides that, and the session's own search stays on its link.
static void proxy_duplicate(struct netif *n, const struct nd *d)
{
	struct rte_ether_addr mac = ip6_multicast_mac(&all_nodes);

	nd_send(n, &mac, &n->c.addr6, &all_nodes, NEIGHBOUR_ADVERT, 0, &d->target, OPT_TARGET_LL);
}

// An address of the subnet that is a session's: we answer for it, without overriding who else does
// (7.2.8).
static bool proxy_solicit(struct netif *n, const struct icmp6_msg *msg, const struct nd *d,
	uint64_t now_us, bool answer)
{
	bool dad = ip6_is_unspecified(&msg->src);

	if (!n->c.proxy_nd || !netif_onlink6(n, &d->target) ||
		(!dad && !netif_onlink6(n, &msg->src)) || netif_is_ours6(n, &msg->src) ||
		!n->c.proxy_nd(n->c.proxy_user, &d->target))
		return false;
	if (dad) {
		if (answer && may_tell_all(n, &n->nd_proxied, now_us))
			proxy_duplicate(n, d);
		return false;
	}
	if (d->has_ll)
		neigh_learn(n, &msg->src, &d->ll, now_us);
	if (answer)
		nd_send(n, d->has_ll ? &d->ll : msg->eth_src, &n->c.addr6, &msg->src,
			NEIGHBOUR_ADVERT, NA_SOLICITED, &d->target, OPT_TARGET_LL);
	return d->has_ll;
}

// 7.2.3, 7.2.4
static bool solicit_input(struct netif *n, const struct icmp6_msg *msg, const struct nd *d,
	uint64_t now_us, bool answer)
{
	bool dad = ip6_is_unspecified(&msg->src);

	if (dad && (d->has_ll || !ip6_is_multicast(&msg->dst))) {
		COUNT(n->cnt, rx_ip_malformed);
		return false;
	}
	if (!netif_is_ours6(n, &d->target))
		return proxy_solicit(n, msg, d, now_us, answer);
	if (dad) {
		COUNT(n->cnt, address_conflict);
		if (answer && may_tell_all(n, &n->nd_own, now_us))
			advertise_all(n, &d->target);
		return false;
	}
	if (netif_is_ours6(n, &msg->src) || !netif_onlink6(n, &msg->src))
		return false;
	if (d->has_ll)
		neigh_learn(n, &msg->src, &d->ll, now_us);
	if (answer)
		nd_send(n, d->has_ll ? &d->ll : msg->eth_src, &d->target, &msg->src,
			NEIGHBOUR_ADVERT, NA_SOLICITED | NA_OVERRIDE, &d->target, OPT_TARGET_LL);
	return d->has_ll;
}

// 7.2.5
static bool advert_input(
	struct netif *n, const struct icmp6_msg *msg, const struct nd *d, uint64_t now_us)
{
	bool solicited = d->flags & NA_SOLICITED, override = d->flags & NA_OVERRIDE, same;
	struct neigh *e;

	if (solicited && ip6_is_multicast(&msg->dst)) {
		COUNT(n->cnt, rx_ip_malformed);
		return false;
	}
	if (netif_is_ours6(n, &d->target)) {
		if (!rte_is_same_ether_addr(msg->eth_src, &n->port->mac))
			COUNT(n->cnt, address_conflict);
		return false;
	}
	e = neigh_find(&n->neigh, &d->target);
	if (!e || e->state == NEIGH_NONE)
		return true;
	if (e->state == NEIGH_INCOMPLETE) {
		if (!d->has_ll)
			return false;
		if (solicited)
			neigh_confirm(n, e, &d->ll, now_us);
		else
			neigh_seen(n, e, &d->ll, now_us);
		return true;
	}
	same = !d->has_ll || rte_is_same_ether_addr(&d->ll, neigh_mac(e));
	if (!same && !override) {
		neigh_doubt(n, e);
		return true;
	}
	if (solicited) {
		struct rte_ether_addr mac = d->has_ll ? d->ll : *neigh_mac(e);

		neigh_confirm(n, e, &mac, now_us);
	} else if (!same) {
		neigh_seen(n, e, &d->ll, now_us);
	}
	return true;
}

bool nd_input(struct netif *n, const struct icmp6_msg *msg, uint64_t now_us, bool answer)
{
	struct nd d;

	if (answer)
		COUNT(n->cnt, nd_rx);
	if (msg->len == 0 || (msg->p[0] != NEIGHBOUR_SOLICIT && msg->p[0] != NEIGHBOUR_ADVERT))
		return false;
	if (decode(msg, &d) < 0) {
		COUNT(n->cnt, rx_ip_malformed);
		return false;
	}
	if (d.type == NEIGHBOUR_SOLICIT)
		return solicit_input(n, msg, &d, now_us, answer);
	return advert_input(n, msg, &d, now_us);
}
