// SPDX-License-Identifier: BSD-3-Clause
#include "client/netconf.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct request {
	struct nlmsghdr hdr;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
		struct rtmsg route;
	};
	uint8_t attrs[256];
};

static void request_init(struct request *q, uint16_t type, uint16_t flags, size_t body)
{
	memset(q, 0, sizeof(*q));
	q->hdr.nlmsg_type = type;
	q->hdr.nlmsg_flags = NLM_F_REQUEST | flags;
	q->hdr.nlmsg_len = NLMSG_LENGTH(body);
}

static void put_attr(struct request *q, uint16_t type, const void *p, size_t n)
{
	struct rtattr *a = (struct rtattr *)((uint8_t *)q + NLMSG_ALIGN(q->hdr.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(n);
	memcpy(RTA_DATA(a), p, n);
	q->hdr.nlmsg_len = NLMSG_ALIGN(q->hdr.nlmsg_len) + (uint32_t)RTA_SPACE(n);
}

static void put_u32(struct request *q, uint16_t type, uint32_t v)
{
	put_attr(q, type, &v, sizeof(v));
}

int netconf_open(struct netconf *n)
{
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK};
	struct timeval wait = {.tv_sec = 5};

	n->seq = 0;
	n->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (n->fd < 0)
		return -errno;
	if (bind(n->fd, (struct sockaddr *)&sa, sizeof(sa)) ||
		setsockopt(n->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait))) {
		int rc = -errno;

		close(n->fd);
		n->fd = -1;
		return rc;
	}
	return 0;
}

void netconf_close(struct netconf *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

// Send q and wait for its answer: an error code, or a message of `want` copied into answer.
static int transact(
	struct netconf *n, struct request *q, uint16_t want, void *answer, size_t cap, size_t *len)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	_Alignas(struct nlmsghdr) uint8_t buf[8192];
	struct nlmsghdr *h;
	struct nlmsgerr *e;
	ssize_t got;

	q->hdr.nlmsg_seq = ++n->seq;
	if (sendto(n->fd, q, q->hdr.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	for (;;) {
		got = recv(n->fd, buf, sizeof(buf), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		for (h = (struct nlmsghdr *)buf; NLMSG_OK(h, (size_t)got); h = NLMSG_NEXT(h, got)) {
			if (h->nlmsg_seq != n->seq)
				continue;
			if (h->nlmsg_type == NLMSG_ERROR) {
				e = NLMSG_DATA(h);
				return h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)) ? -EPROTO : e->error;
			}
			if (h->nlmsg_type != want || h->nlmsg_len > cap)
				continue;
			memcpy(answer, h, h->nlmsg_len);
			*len = h->nlmsg_len;
			return 0;
		}
	}
}

static int change(struct netconf *n, struct request *q)
{
	q->hdr.nlmsg_flags |= NLM_F_ACK;
	return transact(n, q, NLMSG_DONE, NULL, 0, NULL);
}

static void link_init(struct request *q, uint16_t type, int ifindex)
{
	request_init(q, type, 0, sizeof(q->link));
	q->link.ifi_family = AF_UNSPEC;
	q->link.ifi_index = ifindex;
}

int netconf_link_no_ipv6(struct netconf *n, int ifindex)
{
	struct {
		struct rtattr inet6, mode;
		uint8_t value, pad[3];
	} spec = {
		.inet6 = {.rta_type = AF_INET6, .rta_len = RTA_LENGTH(RTA_LENGTH(1))},
		.mode = {.rta_type = IFLA_INET6_ADDR_GEN_MODE, .rta_len = RTA_LENGTH(1)},
		.value = IN6_ADDR_GEN_MODE_NONE,
	};
	struct request q;

	link_init(&q, RTM_NEWLINK, ifindex);
	put_attr(&q, IFLA_AF_SPEC, &spec, sizeof(spec));
	return change(n, &q);
}

int netconf_link_up(struct netconf *n, int ifindex, uint32_t mtu)
{
	struct request q;

	link_init(&q, RTM_NEWLINK, ifindex);
	q.link.ifi_flags = q.link.ifi_change = IFF_UP;
	put_u32(&q, IFLA_MTU, mtu);
	return change(n, &q);
}

int netconf_link_down(struct netconf *n, int ifindex)
{
	struct request q;

	link_init(&q, RTM_NEWLINK, ifindex);
	q.link.ifi_change = IFF_UP;
	return change(n, &q);
}

int netconf_link_delete(struct netconf *n, int ifindex)
{
	struct request q;

	link_init(&q, RTM_DELLINK, ifindex);
	return change(n, &q);
}

static int add_address(struct netconf *n, int ifindex, uint32_t local, uint32_t peer, uint16_t flag)
{
	struct request q;

	request_init(&q, RTM_NEWADDR, NLM_F_CREATE | flag, sizeof(q.addr));
	q.addr.ifa_family = AF_INET;
	q.addr.ifa_prefixlen = 32;
	q.addr.ifa_scope = RT_SCOPE_UNIVERSE;
	q.addr.ifa_index = (uint32_t)ifindex;
	put_u32(&q, IFA_LOCAL, htonl(local));
	put_u32(&q, IFA_ADDRESS, htonl(peer ? peer : local));
	return change(n, &q);
}

int netconf_address_add(struct netconf *n, int ifindex, uint32_t local, uint32_t peer)
{
	return add_address(n, ifindex, local, peer, NLM_F_REPLACE);
}

int netconf_address_keep(struct netconf *n, int ifindex, uint32_t local, uint32_t peer)
{
	return add_address(n, ifindex, local, peer, NLM_F_EXCL);
}

int netconf_address_delete(struct netconf *n, int ifindex, uint32_t local, uint32_t peer)
{
	struct request q;

	request_init(&q, RTM_DELADDR, 0, sizeof(q.addr));
	q.addr.ifa_family = AF_INET;
	q.addr.ifa_prefixlen = 32;
	q.addr.ifa_index = (uint32_t)ifindex;
	put_u32(&q, IFA_LOCAL, htonl(local));
	put_u32(&q, IFA_ADDRESS, htonl(peer ? peer : local));
	return change(n, &q);
}

static int add_link_local(struct netconf *n, int ifindex, uint64_t id, uint16_t flag)
{
	struct in6_addr a = {.s6_addr = {0xfe, 0x80}};
	struct request q;

	for (unsigned int i = 0; i < 8; i++)
		a.s6_addr[8 + i] = (uint8_t)(id >> (56 - 8 * i));
	request_init(&q, RTM_NEWADDR, NLM_F_CREATE | flag, sizeof(q.addr));
	q.addr.ifa_family = AF_INET6;
	q.addr.ifa_prefixlen = 64;
	q.addr.ifa_scope = RT_SCOPE_LINK;
	q.addr.ifa_flags = IFA_F_NODAD;
	q.addr.ifa_index = (uint32_t)ifindex;
	put_attr(&q, IFA_LOCAL, &a, sizeof(a));
	put_attr(&q, IFA_ADDRESS, &a, sizeof(a));
	return change(n, &q);
}

int netconf_link_local_add(struct netconf *n, int ifindex, uint64_t id)
{
	return add_link_local(n, ifindex, id, NLM_F_REPLACE);
}

int netconf_link_local_keep(struct netconf *n, int ifindex, uint64_t id)
{
	return add_link_local(n, ifindex, id, NLM_F_EXCL);
}

struct in6_addr netconf_mapped(uint32_t a)
{
	struct in6_addr m = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	a = htonl(a);
	memcpy(&m.s6_addr[12], &a, sizeof(a));
	return m;
}

// An address as the kernel has it, 4 or 16 bytes.
static void put_address(struct request *q, uint16_t type, const struct in6_addr *a)
{
	bool v4 = q->route.rtm_family == AF_INET;

	put_attr(q, type, v4 ? &a->s6_addr[12] : a->s6_addr, v4 ? 4 : 16);
}

static void set_family(struct request *q, const struct in6_addr *dst, uint8_t len)
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(dst);

	q->route.rtm_family = v4 ? AF_INET : AF_INET6;
	q->route.rtm_dst_len = (uint8_t)(v4 ? len - 96 : len);
}

static void put_route(struct request *q, const struct netconf_route *r)
{
	set_family(q, &r->dst, r->dst_len);
	q->route.rtm_table = RT_TABLE_MAIN;
	if (q->route.rtm_dst_len)
		put_address(q, RTA_DST, &r->dst);
	if (r->has_gateway)
		put_address(q, RTA_GATEWAY, &r->gateway);
	put_u32(q, RTA_OIF, (uint32_t)r->ifindex);
	if (r->metric)
		put_u32(q, RTA_PRIORITY, r->metric);
}

int netconf_route_add(struct netconf *n, const struct netconf_route *r)
{
	struct request q;

	request_init(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(q.route));
	q.route.rtm_protocol = RTPROT_STATIC;
	q.route.rtm_type = RTN_UNICAST;
	q.route.rtm_scope = r->has_gateway || !IN6_IS_ADDR_V4MAPPED(&r->dst) ? RT_SCOPE_UNIVERSE
									     : RT_SCOPE_LINK;
	put_route(&q, r);
	return change(n, &q);
}

int netconf_route_delete(struct netconf *n, const struct netconf_route *r)
{
	struct request q;

	request_init(&q, RTM_DELROUTE, 0, sizeof(q.route));
	q.route.rtm_scope = RT_SCOPE_NOWHERE; // any
	put_route(&q, r);
	return change(n, &q);
}

static void read_gateway(struct netconf_route *r, const struct rtattr *a)
{
	uint32_t v4;

	r->has_gateway = true;
	if (RTA_PAYLOAD(a) >= 16) {
		memcpy(&r->gateway, RTA_DATA(a), 16);
	} else {
		memcpy(&v4, RTA_DATA(a), sizeof(v4));
		r->gateway = netconf_mapped(ntohl(v4));
	}
}

int netconf_route_get(struct netconf *n, const struct in6_addr *dst, struct netconf_route *r)
{
	_Alignas(struct nlmsghdr) uint8_t answer[4096];
	struct nlmsghdr *h = (struct nlmsghdr *)answer;
	struct request q;
	struct rtattr *a;
	size_t len;
	uint32_t v;
	int rc, left;

	request_init(&q, RTM_GETROUTE, 0, sizeof(q.route));
	set_family(&q, dst, 128);
	put_address(&q, RTA_DST, dst);
	rc = transact(n, &q, RTM_NEWROUTE, answer, sizeof(answer), &len);
	if (rc)
		return rc;
	*r = (struct netconf_route){.dst = *dst, .dst_len = 128};
	left = (int)len - (int)NLMSG_LENGTH(sizeof(struct rtmsg));
	for (a = RTM_RTA((struct rtmsg *)NLMSG_DATA(h)); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (RTA_PAYLOAD(a) < sizeof(v))
			continue;
		if (a->rta_type == RTA_GATEWAY) {
			read_gateway(r, a);
		} else if (a->rta_type == RTA_OIF) {
			memcpy(&v, RTA_DATA(a), sizeof(v));
			r->ifindex = (int)v;
		}
	}
	return r->ifindex ? 0 : -ENETUNREACH;
}
