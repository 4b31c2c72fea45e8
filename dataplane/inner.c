// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/inner.h"

#include <errno.h>
#include <rte_tcp.h>

#include "dataplane/cksum.h"

#define TCP_OPT_END 0
#define TCP_OPT_NOP 1
#define TCP_OPT_MSS 2

int inner4_check(struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);
	uint16_t hlen, total;

	if (m->nb_segs != 1 || m->data_len < sizeof(*ip) || ip->version_ihl >> 4 != 4)
		return -EBADMSG;
	hlen = (ip->version_ihl & 0x0f) * 4;
	total = rte_be_to_cpu_16(ip->total_length);
	if (hlen < sizeof(*ip) || total < hlen || total > m->data_len)
		return -EBADMSG;
	if (likely(hlen == sizeof(*ip)) ? !inner4_cksum20_ok(ip) : cksum_of(ip, hlen) != 0)
		return -EBADMSG;
	m->data_len = total;
	m->pkt_len = total;
	m->l3_len = hlen;
	return 0;
}

// Where the value of the MSS option is, or NULL. opt .. end: the options that are in the packet.
static uint8_t *tcp_mss_option(uint8_t *opt, const uint8_t *end)
{
	while (opt < end && *opt != TCP_OPT_END) {
		if (*opt == TCP_OPT_NOP) {
			opt++;
			continue;
		}
		if (end - opt < 2 || opt[1] < 2 || opt[1] > end - opt)
			return NULL;
		if (*opt == TCP_OPT_MSS)
			return opt[1] == 4 ? opt + 2 : NULL;
		opt += opt[1];
	}
	return NULL;
}

void inner_tcp_mss_clamp(struct rte_tcp_hdr *tcp, uint8_t *end, uint16_t mss)
{
	uint16_t tlen, from, to;
	uint8_t *at;

	if (likely(!(tcp->tcp_flags & RTE_TCP_SYN_FLAG)))
		return;
	tlen = (tcp->data_off >> 4) * 4;
	if (tlen <= sizeof(*tcp))
		return;
	if (end - (uint8_t *)tcp > tlen)
		end = (uint8_t *)tcp + tlen;
	at = tcp_mss_option((uint8_t *)(tcp + 1), end);
	if (!at || (at[0] << 8 | at[1]) <= mss)
		return;

	// The checksum is over words from the TCP header on: at an odd offset the option's bytes
	// lie in two of them, which is the same as one word with its bytes swapped.
	memcpy(&from, at, sizeof(from));
	to = rte_cpu_to_be_16(mss);
	memcpy(at, &to, sizeof(to));
	if ((at - (uint8_t *)tcp) & 1) {
		from = rte_bswap16(from);
		to = rte_bswap16(to);
	}
	tcp->cksum = cksum_adjust(tcp->cksum, from, to);
}

void inner4_mss_clamp_tcp(struct rte_mbuf *m, uint16_t mss)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);
	uint8_t *start = (uint8_t *)ip;
	struct rte_tcp_hdr *tcp;
	uint16_t hlen;

	if (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK))
		return;
	hlen = (ip->version_ihl & 0x0f) * 4;
	if (m->data_len < hlen + sizeof(*tcp))
		return;
	tcp = (struct rte_tcp_hdr *)(start + hlen);
	if (unlikely(tcp->tcp_flags & RTE_TCP_SYN_FLAG))
		inner_tcp_mss_clamp(tcp, start + m->data_len, mss);
}
