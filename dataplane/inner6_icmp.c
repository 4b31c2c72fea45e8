// SPDX-License-Identifier: BSD-3-Clause
// ICMPv6 messages that are made of a packet, RFC 4443.
#include "dataplane/cksum.h"
#include "dataplane/inner6.h"
#include "dataplane/netif_int.h"

#define CODE_OPTION 2
#define HOP_LIMIT 64
#define ICMP6_HLEN 8

static void put_header(struct rte_ipv6_hdr *ip, uint16_t payload, const struct ipaddr *src,
	const struct ipaddr *dst)
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

static void set_cksum(struct rte_ipv6_hdr *ip, uint8_t *icmp, uint16_t len)
{
	uint16_t sum;

	memset(icmp + 2, 0, 2);
	sum = cksum_of6(ip, icmp, len, IPPROTO_ICMPV6);
	memcpy(icmp + 2, &sum, 2);
}

bool icmp6_error_allowed(const struct rte_mbuf *pkt, uint8_t type, uint8_t code)
{
	const uint8_t *p = rte_pktmbuf_mtod(pkt, const uint8_t *);
	struct ipaddr src = ipaddr_from6(p + 8), dst = ipaddr_from6(p + 24);
	uint16_t hlen, at;
	uint8_t proto;

	if ((src.d[0] == 0 && src.d[1] == 0) || inner6_is_multicast(&src))
		return false;
	if (inner6_is_multicast(&dst) && type != ICMP6_PACKET_TOO_BIG &&
		!(type == ICMP6_PARAMETER_PROBLEM && code == CODE_OPTION))
		return false;
	if (ip6_walk(p, pkt->data_len, &hlen, &proto, &at) != IP6_OK || proto != IPPROTO_ICMPV6)
		return true;
	return pkt->data_len > hlen && p[hlen] >= 128 && p[hlen] != ICMP6_REDIRECT;
}

struct rte_mbuf *icmp6_make_error(const struct rte_mbuf *pkt, uint8_t type, uint8_t code,
	uint32_t value, const struct ipaddr *src, struct rte_mempool *pool)
{
	const uint8_t *orig = rte_pktmbuf_mtod(pkt, const uint8_t *);
	const uint16_t fixed = sizeof(struct rte_ipv6_hdr) + ICMP6_HLEN;
	struct ipaddr to = ipaddr_from6(orig + 8);
	uint16_t quoted = RTE_MIN(pkt->data_len, INNER6_MIN_MTU - fixed);
	rte_be32_t word = rte_cpu_to_be_32(value);
	struct rte_ipv6_hdr *ip;
	struct rte_mbuf *e;
	uint8_t *icmp;

	if (!icmp6_error_allowed(pkt, type, code))
		return NULL;
	e = rte_pktmbuf_alloc(pool);
	if (!e)
		return NULL;
	e->data_off = MBUF_FRONT;
	e->data_len = fixed + quoted;
	e->pkt_len = e->data_len;
	e->l3_len = sizeof(*ip);
	ip = rte_pktmbuf_mtod(e, struct rte_ipv6_hdr *);
	put_header(ip, ICMP6_HLEN + quoted, src, &to);
	icmp = (uint8_t *)(ip + 1);
	icmp[0] = type;
	icmp[1] = code;
	memcpy(icmp + 4, &word, 4);
	memcpy(icmp + ICMP6_HLEN, orig, quoted);
	set_cksum(ip, icmp, ICMP6_HLEN + quoted);
	return e;
}

bool icmp6_echo_reply(struct rte_mbuf *m, const struct ipaddr *src)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	struct ipaddr to = inner6_src(m), from = src ? *src : inner6_dst(m);
	struct rte_ipv6_hdr *ip;
	uint16_t hlen, at, len;
	uint8_t proto, *icmp;

	if (ip6_walk(p, m->data_len, &hlen, &proto, &at) != IP6_OK || proto != IPPROTO_ICMPV6 ||
		m->data_len < hlen + ICMP6_HLEN)
		return false;
	len = m->data_len - hlen;
	if (p[hlen] != ICMP6_ECHO_REQUEST || p[hlen + 1] != 0 ||
		cksum_of6((const struct rte_ipv6_hdr *)p, p + hlen, len, IPPROTO_ICMPV6) != 0)
		return false;
	if ((to.d[0] == 0 && to.d[1] == 0) || inner6_is_multicast(&to))
		return false;
	ip = (struct rte_ipv6_hdr *)rte_pktmbuf_adj(m, hlen - sizeof(*ip));
	put_header(ip, len, &from, &to);
	icmp = (uint8_t *)(ip + 1);
	icmp[0] = ICMP6_ECHO_REPLY;
	set_cksum(ip, icmp, len);
	m->l3_len = sizeof(*ip);
	return true;
}
