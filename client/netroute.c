// SPDX-License-Identifier: BSD-3-Clause
#include "client/netroute.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define DUMP_BUF 32768

// A route of the table, as far as it counts here.
struct candidate {
	bool unicast;
	bool linkdown; // it has no carrier
	uint32_t table, metric;
	uint8_t dst_len; // 0..128; IPv4: 96..128
	struct netconf_route way;
};

struct search {
	const struct in6_addr *dst;
	int ifindex; // what is to be passed
	bool found;
	struct candidate best;
};

static uint32_t attr_u32(const struct rtattr *a)
{
	uint32_t v = 0;

	if (RTA_PAYLOAD(a) >= sizeof(v))
		memcpy(&v, RTA_DATA(a), sizeof(v));
	return v;
}

// An address of either family, IPv4 mapped. False: of no known length.
static bool attr_address(const struct rtattr *a, struct in6_addr *dst)
{
	if (RTA_PAYLOAD(a) == 16) {
		memcpy(dst, RTA_DATA(a), 16);
		return true;
	}
	if (RTA_PAYLOAD(a) != 4)
		return false;
	*dst = netconf_mapped(0);
	memcpy(&dst->s6_addr[12], RTA_DATA(a), 4);
	return true;
}

static void read_hop(const struct rtnexthop *hop, struct candidate *c)
{
	int left = hop->rtnh_len - (int)sizeof(*hop);

	c->linkdown = (hop->rtnh_flags & RTNH_F_LINKDOWN) != 0;
	c->way.ifindex = hop->rtnh_ifindex;
	c->way.has_gateway = false;
	for (struct rtattr *a = RTNH_DATA(hop); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == RTA_GATEWAY)
			c->way.has_gateway = attr_address(a, &c->way.gateway);
}

// Of several hops the first that is of use, and another one than ifindex; one without carrier only
// where there is no better.
static void read_hops(const struct rtattr *a, int ifindex, struct candidate *c)
{
	const struct rtnexthop *hop = RTA_DATA(a);
	int left = (int)RTA_PAYLOAD(a);

	for (; left >= (int)sizeof(*hop) && RTNH_OK(hop, left); hop = RTNH_NEXT(hop)) {
		if (!(hop->rtnh_flags & RTNH_F_DEAD) && hop->rtnh_ifindex != ifindex &&
			(!c->way.ifindex || (c->linkdown && !(hop->rtnh_flags & RTNH_F_LINKDOWN))))
			read_hop(hop, c);
		left -= (int)RTNH_ALIGN(hop->rtnh_len);
	}
}

static void read_route(
	const struct nlmsghdr *h, const struct rtmsg *m, int ifindex, struct candidate *c)
{
	int left = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*m));
	bool v4 = m->rtm_family == AF_INET;

	*c = (struct candidate){.unicast = m->rtm_type == RTN_UNICAST,
		.linkdown = (m->rtm_flags & RTNH_F_LINKDOWN) != 0,
		.table = m->rtm_table,
		.dst_len = (uint8_t)(m->rtm_dst_len + (v4 ? 96 : 0))};
	if (v4)
		c->way.dst = netconf_mapped(0);
	for (struct rtattr *a = RTM_RTA(m); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTA_DST && !attr_address(a, &c->way.dst))
			c->unicast = false;
		else if (a->rta_type == RTA_TABLE)
			c->table = attr_u32(a);
		else if (a->rta_type == RTA_PRIORITY)
			c->metric = attr_u32(a);
		else if (a->rta_type == RTA_OIF)
			c->way.ifindex = (int)attr_u32(a);
		else if (a->rta_type == RTA_GATEWAY)
			c->way.has_gateway = attr_address(a, &c->way.gateway);
		else if (a->rta_type == RTA_MULTIPATH)
			read_hops(a, ifindex, c);
		else if (a->rta_type == RTA_VIA) // a gateway of the other family
			c->unicast = false;
	}
}

static bool covers(const struct candidate *c, const struct in6_addr *dst)
{
	uint8_t bytes = c->dst_len / 8, bits = c->dst_len % 8;

	if (c->dst_len > 128 || memcmp(&c->way.dst, dst, bytes) != 0)
		return false;
	return !bits || !((c->way.dst.s6_addr[bytes] ^ dst->s6_addr[bytes]) >> (8 - bits));
}

// Whether c is to be taken instead of b.
static bool is_better(const struct candidate *c, const struct candidate *b)
{
	if (c->linkdown != b->linkdown)
		return b->linkdown;
	return c->dst_len != b->dst_len ? c->dst_len > b->dst_len : c->metric < b->metric;
}

static void consider(struct search *s, const struct nlmsghdr *h)
{
	const struct rtmsg *m = NLMSG_DATA(h);
	struct candidate c;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)) ||
		(m->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD)))
		return;
	read_route(h, m, s->ifindex, &c);
	if (!c.unicast || c.table != RT_TABLE_MAIN || !c.way.ifindex ||
		c.way.ifindex == s->ifindex || !covers(&c, s->dst))
		return;
	if (s->found && !is_better(&c, &s->best))
		return;
	s->found = true;
	s->best = c;
}

static int ask(struct netconf *n, uint8_t family)
{
	struct {
		struct nlmsghdr hdr;
		struct rtmsg route;
	} q = {
		.hdr = {.nlmsg_len = sizeof(q),
			.nlmsg_type = RTM_GETROUTE,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			.nlmsg_seq = ++n->seq},
		.route = {.rtm_family = family, .rtm_table = RT_TABLE_MAIN},
	};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	return sendto(n->fd, &q, sizeof(q), 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0
		       ? -errno
		       : 0;
}

// Takes all of the kernel's answer.
static int take_answer(struct netconf *n, struct search *s)
{
	static _Alignas(struct nlmsghdr) uint8_t buf[DUMP_BUF]; // one thread
	const struct nlmsgerr *e;
	struct nlmsghdr *h;
	ssize_t got;

	for (;;) {
		got = recv(n->fd, buf, sizeof(buf), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return !got || errno == EAGAIN ? -ETIMEDOUT : -errno;
		for (h = (struct nlmsghdr *)buf; NLMSG_OK(h, (size_t)got); h = NLMSG_NEXT(h, got)) {
			if (h->nlmsg_seq != n->seq)
				continue;
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			e = NLMSG_DATA(h);
			if (h->nlmsg_type == NLMSG_ERROR)
				return h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)) ? -EPROTO : e->error;
			if (h->nlmsg_type == RTM_NEWROUTE)
				consider(s, h);
		}
	}
}

int netroute_past(
	struct netconf *n, const struct in6_addr *dst, int ifindex, struct netconf_route *r)
{
	struct search s = {.dst = dst, .ifindex = ifindex};
	int rc = ask(n, IN6_IS_ADDR_V4MAPPED(dst) ? AF_INET : AF_INET6);

	if (!rc)
		rc = take_answer(n, &s);
	if (rc || !s.found)
		return rc ? rc : -ENETUNREACH;
	*r = s.best.way;
	r->dst = *dst;
	r->dst_len = 128;
	return 0;
}
