// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/inner6.h"

#include <errno.h>
#include <rte_tcp.h>

#include "dataplane/inner.h"
#include "dataplane/netif_int.h"

int inner6_check(struct rte_mbuf *m)
{
	const struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv6_hdr *);
	uint32_t total;

	if (m->nb_segs != 1 || m->data_len < sizeof(*ip) || *(const uint8_t *)ip >> 4 != 6)
		return -EBADMSG;
	total = (uint32_t)sizeof(*ip) + rte_be_to_cpu_16(ip->payload_len);
	if (total > m->data_len)
		return -EBADMSG;
	m->data_len = (uint16_t)total;
	m->pkt_len = total;
	m->l3_len = sizeof(*ip);
	return 0;
}

void inner6_mss_clamp(struct rte_mbuf *m, uint16_t mss)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t hlen = sizeof(struct rte_ipv6_hdr), at;
	uint8_t proto = p[6];

	// Extension headers in front of TCP are rare, fragments carry no SYN worth clamping.
	if (unlikely(proto != IPPROTO_TCP) &&
		(proto == IPPROTO_UDP || proto == IPPROTO_ICMPV6 ||
			ip6_walk(p, m->data_len, &hlen, &proto, &at) != IP6_OK ||
			proto != IPPROTO_TCP))
		return;
	if (m->data_len >= hlen + sizeof(struct rte_tcp_hdr))
		inner_tcp_mss_clamp((struct rte_tcp_hdr *)(p + hlen), p + m->data_len, mss);
}
