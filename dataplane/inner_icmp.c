// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/inner.h"

#include <rte_icmp.h>

#include "dataplane/cksum.h"

#define ICMP_HLEN 8
#define ERROR_MAX 576  // RFC 1812 4.3.2.3
#define TOS_ERROR 0xc0 // precedence 6, RFC 1812 4.3.2.5
#define TTL_OURS 64
#define TYPE_UNREACHABLE 3
#define CODE_FRAG_NEEDED 4

// Whether an ICMP message of this type may be answered by an error: queries and their replies, RFC
// 1122 3.2.2. Types not known here may be errors.
static bool icmp_query(uint8_t type)
{
	return type == 0 || (type >= 8 && type <= 10) || (type >= 13 && type <= 18) || type == 42 ||
	       type == 43;
}

static bool single_host(uint32_t addr)
{
	return addr >> 24 != 0 && addr >> 24 != 127 && addr < 0xe0000000;
}

// RFC 1122 3.2.2, RFC 1812 4.3.2.7.
bool icmp4_error_allowed(const struct rte_mbuf *pkt)
{
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(pkt, const struct rte_ipv4_hdr *);
	uint32_t dst;
	uint16_t hlen;

	if (pkt->data_len < sizeof(*ip) || ip->version_ihl >> 4 != 4)
		return false;
	hlen = (ip->version_ihl & 0x0f) * 4;
	if (hlen < sizeof(*ip) || hlen > pkt->data_len)
		return false;
	if (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK))
		return false;
	dst = rte_be_to_cpu_32(ip->dst_addr);
	if (dst >= 0xe0000000 || !single_host(rte_be_to_cpu_32(ip->src_addr)))
		return false;
	if (ip->next_proto_id != IPPROTO_ICMP)
		return true;
	return pkt->data_len > hlen && icmp_query(((const uint8_t *)ip)[hlen]);
}

struct rte_mbuf *icmp4_error(const struct rte_mbuf *pkt, uint8_t type, uint8_t code, uint16_t mtu,
	uint32_t src, struct rte_mempool *pool)
{
	const struct rte_ipv4_hdr *orig = rte_pktmbuf_mtod(pkt, const struct rte_ipv4_hdr *);
	const uint16_t hlen = sizeof(struct rte_ipv4_hdr) + ICMP_HLEN;
	uint16_t quoted = RTE_MIN(pkt->data_len, ERROR_MAX - hlen);
	struct rte_ipv4_hdr *ip;
	struct rte_mbuf *m;
	uint8_t *icmp;

	if (!icmp4_error_allowed(pkt))
		return NULL;
	m = rte_pktmbuf_alloc(pool);
	if (!m)
		return NULL;
	m->data_off = MBUF_FRONT;
	m->data_len = hlen + quoted;
	m->pkt_len = m->data_len;
	m->l3_len = sizeof(*ip);
	ip = rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = TOS_ERROR,
		.total_length = rte_cpu_to_be_16(m->data_len),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = TTL_OURS,
		.next_proto_id = IPPROTO_ICMP,
		.src_addr = rte_cpu_to_be_32(src),
		.dst_addr = orig->src_addr,
	};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	icmp = (uint8_t *)(ip + 1);
	memset(icmp, 0, ICMP_HLEN);
	icmp[0] = type;
	icmp[1] = code;
	if (type == TYPE_UNREACHABLE && code == CODE_FRAG_NEEDED) { // RFC 1191 4
		icmp[6] = mtu >> 8;
		icmp[7] = mtu & 0xff;
	}
	memcpy(icmp + ICMP_HLEN, orig, quoted);
	mtu = cksum_of(icmp, ICMP_HLEN + quoted);
	memcpy(icmp + 2, &mtu, sizeof(mtu));
	return m;
}

bool icmp4_echo_reply(struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);
	uint16_t hlen = (ip->version_ihl & 0x0f) * 4, len = m->data_len - hlen;
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)((uint8_t *)ip + hlen);
	rte_be32_t src = ip->src_addr, dst = ip->dst_addr;

	if (ip->next_proto_id != IPPROTO_ICMP || m->data_len < hlen + ICMP_HLEN ||
		(ip->fragment_offset & RTE_BE16(0x3fff)) != 0)
		return false;
	if (icmp->icmp_type != RTE_IP_ICMP_ECHO_REQUEST || icmp->icmp_code != 0 ||
		cksum_of(icmp, len) != 0)
		return false;
	if (!single_host(rte_be_to_cpu_32(src)) || rte_be_to_cpu_32(dst) >= 0xe0000000)
		return false;
	icmp->icmp_type = RTE_IP_ICMP_ECHO_REPLY;
	icmp->icmp_cksum = 0;
	icmp->icmp_cksum =
		cksum_of(icmp, len); // anew: a reply may be all zeros, see cksum_adjust()

	// The reply goes without the request's options: of those that routers still pass, none has
	// to come back.
	ip = (struct rte_ipv4_hdr *)rte_pktmbuf_adj(m, hlen - sizeof(*ip));
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16(m->data_len),
		.time_to_live = TTL_OURS,
		.next_proto_id = IPPROTO_ICMP,
		.src_addr = dst,
		.dst_addr = src,
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
	};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	m->l3_len = sizeof(*ip);
	return true;
}

void inner4_allow_fragments(struct rte_mbuf *m, uint16_t id)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);

	ip->fragment_offset &= ~RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	ip->packet_id = rte_cpu_to_be_16(id);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}
