// SPDX-License-Identifier: BSD-3-Clause
// ICMPv6 to and from the port's own addresses, RFC 4443.
#include "dataplane/netif_int.h"

#include "dataplane/cksum.h"
#include "dataplane/mbuf.h"
#include "protocol/cursor.h"

#define UNREACHABLE 1
#define PACKET_TOO_BIG 2
#define TIME_EXCEEDED 3
#define PARAMETER_PROBLEM 4
#define ECHO_REQUEST 128
#define ECHO_REPLY 129
#define MLD_QUERY 130
#define REDIRECT 137
#define CODE_PORT 4
#define CODE_NEXT_HEADER 1
#define CODE_OPTION 2
#define HOP_LIMIT 64

static void put_header(struct netif *n, struct rte_ipv6_hdr *ip, uint16_t payload,
	const struct ipaddr *src, const struct ipaddr *dst)
{
	*ip = (struct rte_ipv6_hdr){
		.vtc_flow = RTE_BE32(0x60000000),
		.payload_len = rte_cpu_to_be_16(payload),
		.proto = IPPROTO_ICMPV6,
		.hop_limits = HOP_LIMIT,
	};
	memcpy(ip->src_addr, src, 16);
	memcpy(ip->dst_addr, dst, 16);
}

// The source of an answer: the address that was asked, or for a group that of the same scope.
static const struct ipaddr *answer_from(
	const struct netif *n, const struct ipaddr *to, const struct ipaddr *asked)
{
	if (!ip6_is_multicast(asked))
		return asked;
	return ip6_is_link_local(to) ? &n->ll6 : &n->c.addr6;
}

static void set_cksum(struct rte_ipv6_hdr *ip, uint8_t *icmp, uint16_t len)
{
	uint16_t sum;

	memset(icmp + 2, 0, 2);
	sum = cksum_of6(ip, icmp, len, IPPROTO_ICMPV6);
	memcpy(icmp + 2, &sum, 2);
}

// In place; extension headers go.
static void echo_reply(
	struct netif *n, struct rte_mbuf *m, const struct icmp6_msg *msg, uint64_t now_us)
{
	struct ipaddr to = msg->src, from = *answer_from(n, &msg->src, &msg->dst);
	uint16_t len = msg->len;
	struct rte_ipv6_hdr *ip;
	uint8_t *icmp;

	if (ip6_is_unspecified(&to) || ip6_is_multicast(&to)) {
		netif_drop(n, m, CNT_rx_ip_malformed);
		return;
	}
	ip = (struct rte_ipv6_hdr *)rte_pktmbuf_adj(m, m->l3_len - sizeof(*ip));
	put_header(n, ip, len, &from, &to);
	icmp = (uint8_t *)(ip + 1);
	icmp[0] = ECHO_REPLY;
	set_cksum(ip, icmp, len);
	m->l3_len = sizeof(*ip);
	COUNT(n->cnt, icmp_tx);
	netif_output(n, &m, 1, now_us);
}

// Upper layer of a quoted packet; headers after which a TCP header could not be told are none.
static int quoted6(const struct netif *n, struct cursor c, struct ipaddr *local,
	struct ipaddr *remote, uint16_t ports[2], uint32_t *seq)
{
	uint16_t len = (uint16_t)cur_left(&c), hlen, at;
	uint8_t proto;

	if (len < sizeof(struct rte_ipv6_hdr) || c.p[0] >> 4 != 6)
		return -EBADMSG;
	*local = ipaddr_from6(c.p + 8);
	*remote = ipaddr_from6(c.p + 24);
	if (!netif_is_ours6(n, local) || ip6_walk(c.p, len, &hlen, &proto, &at) != IP6_OK ||
		proto != IPPROTO_TCP)
		return -EBADMSG;
	if (cur_skip(&c, hlen) || cur_u16(&c, &ports[0]) || cur_u16(&c, &ports[1]) ||
		cur_u32(&c, seq))
		return -EBADMSG;
	return 0;
}

static void error_input(struct netif *n, uint8_t type, uint8_t code, struct cursor c)
{
	struct ipaddr local, remote;
	uint32_t value, seq, mtu = 0;
	uint16_t ports[2];
	bool hard;

	if (!n->icmp_cb || cur_u32(&c, &value) || quoted6(n, c, &local, &remote, ports, &seq) < 0)
		return;
	if (type == PACKET_TOO_BIG) {
		if (value < IPV6_MIN_MTU) // RFC 8201 4: must not go below it
			return;
		mtu = value;
	}
	hard = (type == UNREACHABLE && code == CODE_PORT) ||
	       (type == PARAMETER_PROBLEM && code == CODE_NEXT_HEADER);
	n->icmp_cb(n->icmp_cb_user, &local, ports[0], &remote, ports[1], seq, mtu, hard);
}

void icmp6_input(struct netif *n, struct rte_mbuf *m, const struct icmp6_msg *msg, uint64_t now_us)
{
	struct cursor c = cursor_make(msg->p, msg->len);
	uint8_t type, code;

	COUNT(n->cnt, icmp_rx);
	if (cur_u8(&c, &type) || cur_u8(&c, &code) || cur_skip(&c, 2) || cur_left(&c) < 4) {
		netif_drop(n, m, CNT_rx_ip_malformed);
		return;
	}
	if (type == ECHO_REQUEST && code == 0) {
		echo_reply(n, m, msg, now_us);
		return;
	}
	if (type == MLD_QUERY)
		mld_query(n, msg, now_us);
	else if (type >= UNREACHABLE && type <= PARAMETER_PROBLEM)
		error_input(n, type, code, c);
	rte_pktmbuf_free(m);
}

// RFC 4443 2.4 (e). m: an IPv6 packet whose fixed header is there.
static bool error_allowed(const struct rte_mbuf *m, uint8_t type, uint8_t code)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	struct ipaddr src = ipaddr_from6(p + 8), dst = ipaddr_from6(p + 24);
	uint16_t hlen, at;
	uint8_t proto;

	if (ip6_is_unspecified(&src) || ip6_is_multicast(&src))
		return false;
	if (ip6_is_multicast(&dst) && type != PACKET_TOO_BIG &&
		!(type == PARAMETER_PROBLEM && code == CODE_OPTION))
		return false;
	if (ip6_walk(p, m->data_len, &hlen, &proto, &at) != IP6_OK || proto != IPPROTO_ICMPV6)
		return true;
	return m->data_len > hlen && p[hlen] >= 128 && p[hlen] != REDIRECT;
}

void icmp6_error(struct netif *n, const struct rte_mbuf *m, uint8_t type, uint8_t code,
	uint32_t value, uint64_t now_us)
{
	const uint8_t *orig = rte_pktmbuf_mtod(m, const uint8_t *);
	const uint16_t fixed = sizeof(struct rte_ipv6_hdr) + 8;
	struct ipaddr to = ipaddr_from6(orig + 8), asked = ipaddr_from6(orig + 24);
	uint16_t quoted = RTE_MIN(m->data_len, IPV6_MIN_MTU - fixed);
	rte_be32_t word = rte_cpu_to_be_32(value);
	struct rte_ipv6_hdr *ip;
	struct rte_mbuf *e;
	uint8_t *icmp;

	if (!error_allowed(m, type, code) || !netif_icmp_allow(n, now_us))
		return;
	e = rte_pktmbuf_alloc(n->c.pool);
	if (!e) {
		COUNT(n->cnt, mbuf_alloc_failed);
		return;
	}
	e->data_off = MBUF_FRONT;
	e->data_len = fixed + quoted;
	e->pkt_len = e->data_len;
	e->l3_len = sizeof(*ip);
	ip = rte_pktmbuf_mtod(e, struct rte_ipv6_hdr *);
	put_header(n, ip, 8 + quoted, answer_from(n, &to, &asked), &to);
	icmp = (uint8_t *)(ip + 1);
	icmp[0] = type;
	icmp[1] = code;
	memcpy(icmp + 4, &word, 4);
	memcpy(icmp + 8, orig, quoted);
	set_cksum(ip, icmp, 8 + quoted);
	COUNT(n->cnt, icmp_tx);
	netif_output(n, &e, 1, now_us);
}
