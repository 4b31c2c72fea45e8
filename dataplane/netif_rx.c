// SPDX-License-Identifier: BSD-3-Clause
// Received frames: Ethernet, VLAN, IPv4 and IPv6, sorted into what the worker handles and what is
// answered here.
#include <rte_prefetch.h>

#include "dataplane/cksum.h"
#include "dataplane/inner.h"
#include "dataplane/inner6.h"
#include "dataplane/netif_int.h"

#define PREFETCH 4
#define CODE_PROTOCOL 2
#define CODE_PORT 3
#define IPPROTO_NO_NEXT 59

// Ethernet header of a frame: its length up to the payload, 0 when it is not for us.
static uint16_t l2_parse(const struct netif *n, const struct rte_mbuf *m, uint16_t *type)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_vlan_hdr *tag = (const struct rte_vlan_hdr *)(eth + 1);
	uint16_t vid = 0, len = sizeof(*eth);

	if (unlikely(m->nb_segs != 1 || m->data_len < sizeof(*eth)))
		return 0;
	*type = rte_be_to_cpu_16(eth->ether_type);
	if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
		vid = m->vlan_tci & 0x0fff;
	} else if (*type == RTE_ETHER_TYPE_VLAN) {
		len += sizeof(*tag);
		if (m->data_len < len)
			return 0;
		vid = rte_be_to_cpu_16(tag->vlan_tci) & 0x0fff;
		*type = rte_be_to_cpu_16(tag->eth_proto);
	}
	if (unlikely(vid != n->c.vlan)) // a priority tag (0) counts as none
		return 0;
	if (unlikely(!rte_is_same_ether_addr(&eth->dst_addr, &n->port->mac) &&
		     !rte_is_multicast_ether_addr(&eth->dst_addr)))
		return 0;
	return len;
}

static bool martian4(const struct netif *n, rte_be32_t src)
{
	uint8_t first = (uint8_t)(rte_be_to_cpu_32(src) >> 24);

	return (uint8_t)(first - 1) >= 223 || first == 127 || src == n->addr4;
}

static void local4(struct netif *n, struct rte_mbuf *m, uint64_t now_us, struct netif_rx *rx)
{
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);

	if (unlikely(ip->fragment_offset & RTE_BE16(0x3fff))) {
		netif_drop(n, m, CNT_rx_ip_fragment);
		return;
	}
	if (likely(ip->next_proto_id == IPPROTO_TCP && n->c.access)) {
		rx->tcp[rx->nb_tcp++] = m;
		return;
	}
	if (ip->next_proto_id == IPPROTO_ICMP) {
		icmp4_input(n, m, now_us);
		return;
	}
	icmp4_unreachable(n, m,
		ip->next_proto_id == IPPROTO_UDP || ip->next_proto_id == IPPROTO_TCP
			? CODE_PORT
			: CODE_PROTOCOL,
		now_us);
	netif_drop(n, m, CNT_rx_no_protocol);
}

static void input4(
	struct netif *n, struct rte_mbuf *m, uint16_t l2, uint64_t now_us, struct netif_rx *rx)
{
	bool group = rte_is_multicast_ether_addr(
		&rte_pktmbuf_mtod(m, const struct rte_ether_hdr *)->dst_addr);
	const struct rte_ipv4_hdr *ip;

	rte_pktmbuf_adj(m, l2);
	m->tx_offload = 0;
	if (unlikely(inner4_check(m) < 0)) {
		netif_drop(n, m, CNT_rx_ip_malformed);
		return;
	}
	ip = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);
	if (unlikely(n->addr4 == 0 || group)) { // RFC 1122 3.3.6
		netif_drop(n, m, CNT_rx_not_ours);
		return;
	}
	if (unlikely(martian4(n, ip->src_addr) || netif_broadcast4(n, ip->src_addr))) {
		netif_drop(n, m, CNT_rx_ip_malformed);
		return;
	}
	if (ip->dst_addr == n->addr4) {
		local4(n, m, now_us, rx);
		return;
	}
	if (unlikely(rte_be_to_cpu_32(ip->dst_addr) >= 0xe0000000 ||
		     netif_broadcast4(n, ip->dst_addr))) {
		netif_drop(n, m, CNT_rx_not_ours);
		return;
	}
	rx->ip[rx->nb_ip++] = m;
}

struct ip6_pkt {
	struct icmp6_msg msg; // src and dst also when it is no ICMPv6
	uint16_t total;       // bytes, without padding
	uint16_t hlen;
	uint16_t at; // see ip6_walk()
	uint8_t proto;
	enum ip6_walk walk;
};

// 0; -EBADMSG: malformed; -ENOENT: to another host or group.
static int ip6_parse(
	const struct netif *n, const struct rte_mbuf *m, uint16_t l2, struct ip6_pkt *k)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const uint8_t *p = (const uint8_t *)eth + l2;
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)p;
	uint32_t total;

	if (m->data_len < l2 + sizeof(*ip) || p[0] >> 4 != 6)
		return -EBADMSG;
	total = sizeof(*ip) + rte_be_to_cpu_16(ip->payload_len);
	if (total > (uint32_t)m->data_len - l2)
		return -EBADMSG;
	k->total = (uint16_t)total;
	k->msg.ip = ip;
	k->msg.src = ipaddr_from6(ip->src_addr);
	k->msg.dst = ipaddr_from6(ip->dst_addr);
	k->msg.eth_src = &eth->src_addr;
	if (ip6_is_multicast(&k->msg.src) || ipaddr_is4(&k->msg.src) ||
		netif_is_ours6(n, &k->msg.src))
		return -EBADMSG;
	if (!netif_for_us6(n, &k->msg.dst))
		return -ENOENT;
	k->walk = ip6_walk(p, k->total, &k->hlen, &k->proto, &k->at);
	if (k->walk == IP6_OK) {
		k->msg.p = p + k->hlen;
		k->msg.len = k->total - k->hlen;
	}
	return 0;
}

static void refuse6(struct netif *n, struct rte_mbuf *m, const struct ip6_pkt *k, uint64_t now_us)
{
	enum counter why = CNT_rx_ip_malformed;

	switch (k->walk) {
	case IP6_FRAGMENT:
		why = CNT_rx_ip_fragment;
		break;
	case IP6_BAD_ROUTING:
		icmp6_error(n, m, ICMP6_PARAMETER_PROBLEM, 0, k->at, now_us);
		break;
	case IP6_BAD_OPTION_UC:
		if (ip6_is_multicast(&k->msg.dst))
			break;
		// fall through
	case IP6_BAD_OPTION:
		icmp6_error(n, m, ICMP6_PARAMETER_PROBLEM, 2, k->at, now_us);
		break;
	default:
		break;
	}
	netif_drop(n, m, why);
}

static bool icmp6_cksum_ok(const struct ip6_pkt *k)
{
	return cksum_of6(k->msg.ip, k->msg.p, k->msg.len, IPPROTO_ICMPV6) == 0;
}

static void nd_frame(struct netif *n, struct rte_mbuf *m, const struct ip6_pkt *k, uint64_t now_us,
	bool want_learn, struct netif_rx *rx)
{
	if (nd_input(n, &k->msg, now_us, true) && want_learn)
		rx->learn[rx->nb_learn++] = m;
	else
		rte_pktmbuf_free(m);
}

// To us, headers walked: m becomes L3 and goes where its protocol is served.
static void local6(struct netif *n, struct rte_mbuf *m, uint16_t l2, const struct ip6_pkt *k,
	uint64_t now_us, struct netif_rx *rx)
{
	bool group = ip6_is_multicast(&k->msg.dst);

	rte_pktmbuf_adj(m, l2);
	m->data_len = k->total;
	m->pkt_len = k->total;
	m->tx_offload = 0;
	if (unlikely(k->walk != IP6_OK)) {
		refuse6(n, m, k, now_us);
		return;
	}
	m->l3_len = k->hlen;
	if (k->proto == IPPROTO_ICMPV6) {
		icmp6_input(n, m, &k->msg, now_us);
		return;
	}
	if (ip6_is_unspecified(&k->msg.src)) {
		netif_drop(n, m, CNT_rx_ip_malformed);
		return;
	}
	if (group || k->proto == IPPROTO_NO_NEXT) {
		netif_drop(n, m, CNT_rx_no_protocol);
		return;
	}
	if (likely(k->proto == IPPROTO_TCP && n->c.access)) {
		rx->tcp[rx->nb_tcp++] = m;
		return;
	}
	if (k->proto == IPPROTO_UDP || k->proto == IPPROTO_TCP)
		icmp6_error(n, m, ICMP6_UNREACHABLE, ICMP6_PORT, 0, now_us);
	else
		icmp6_error(n, m, ICMP6_PARAMETER_PROBLEM, 1, k->at, now_us);
	netif_drop(n, m, CNT_rx_no_protocol);
}

// To another host or group: forwarded, or a question for the address of a session.
static void other6(struct netif *n, struct rte_mbuf *m, uint16_t l2, struct ip6_pkt *k,
	uint64_t now_us, bool want_learn, struct netif_rx *rx)
{
	const uint8_t *p = rte_pktmbuf_mtod_offset(m, const uint8_t *, l2);

	bool group = ip6_is_multicast(&k->msg.dst);
	bool nd = p[6] == IPPROTO_ICMPV6 && k->total >= sizeof(struct rte_ipv6_hdr) + 4 &&
		  nd_is_nd(p[sizeof(struct rte_ipv6_hdr)]);

	// The neighbour that was answered probes the address itself later, RFC 4861 7.3.
	if (nd && (group ? nd_is_proxied(n, &k->msg.dst) : k->msg.ip->hop_limits == 255)) {
		k->msg.p = p + sizeof(struct rte_ipv6_hdr);
		k->msg.len = k->total - (uint16_t)sizeof(struct rte_ipv6_hdr);
		if (icmp6_cksum_ok(k))
			nd_frame(n, m, k, now_us, want_learn, rx);
		else
			netif_drop(n, m, CNT_rx_ip_malformed);
		return;
	}
	if (group ||
		rte_is_multicast_ether_addr(
			&rte_pktmbuf_mtod(m, const struct rte_ether_hdr *)->dst_addr) ||
		!inner6_is_routable(&k->msg.dst) || !inner6_is_routable(&k->msg.src)) {
		netif_drop(n, m, CNT_rx_not_ours);
		return;
	}
	rte_pktmbuf_adj(m, l2);
	m->data_len = k->total;
	m->pkt_len = k->total;
	m->tx_offload = 0;
	m->l3_len = sizeof(struct rte_ipv6_hdr);
	rx->ip6[rx->nb_ip6++] = m;
}

static void input6(struct netif *n, struct rte_mbuf *m, uint16_t l2, uint64_t now_us,
	bool want_learn, struct netif_rx *rx)
{
	struct ip6_pkt k;
	int r;

	if (!n->c.has6) {
		netif_drop(n, m, CNT_rx_not_ours);
		return;
	}
	r = ip6_parse(n, m, l2, &k);
	if (r == -ENOENT && !n->c.access) {
		other6(n, m, l2, &k, now_us, want_learn, rx);
		return;
	}
	if (unlikely(r < 0)) {
		netif_drop(n, m, r == -ENOENT ? CNT_rx_not_ours : CNT_rx_ip_malformed);
		return;
	}
	if (k.walk == IP6_OK && k.proto == IPPROTO_ICMPV6) {
		if (!icmp6_cksum_ok(&k)) {
			netif_drop(n, m, CNT_rx_ip_malformed);
			return;
		}
		if (k.msg.len && nd_is_nd(k.msg.p[0])) {
			nd_frame(n, m, &k, now_us, want_learn, rx);
			return;
		}
	}
	local6(n, m, l2, &k, now_us, rx);
}

// The ordinary frame: untagged IPv4 without options, for us, to be forwarded or TCP to be served.
// False: nothing was done.
static inline bool input_fast(struct netif *n, struct rte_mbuf *m, struct netif_rx *rx)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(eth + 1);
	uint16_t total;

	if (unlikely(m->nb_segs != 1 || m->data_len < sizeof(*eth) + sizeof(*ip) ||
		     eth->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
		     ip->version_ihl != RTE_IPV4_VHL_DEF || n->c.vlan || n->addr4 == 0 ||
		     m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED ||
		     !rte_is_same_ether_addr(&eth->dst_addr, &n->port->mac)))
		return false;
	total = rte_be_to_cpu_16(ip->total_length);
	if (unlikely(total < sizeof(*ip) || total > m->data_len - sizeof(*eth) ||
		     martian4(n, ip->src_addr) || netif_broadcast4(n, ip->src_addr)))
		return false;
	if (unlikely((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_GOOD &&
		     !inner4_cksum20_ok(ip)))
		return false;
	if (ip->dst_addr == n->addr4) {
		if (unlikely(!n->c.access || ip->next_proto_id != IPPROTO_TCP ||
			     ip->fragment_offset & RTE_BE16(0x3fff)))
			return false;
		rx->tcp[rx->nb_tcp++] = m;
	} else {
		if (unlikely(rte_be_to_cpu_32(ip->dst_addr) >= 0xe0000000 ||
			     netif_broadcast4(n, ip->dst_addr)))
			return false;
		rx->ip[rx->nb_ip++] = m;
	}
	m->data_off += sizeof(*eth);
	m->data_len = total;
	m->pkt_len = total;
	m->tx_offload = 0;
	m->l3_len = sizeof(*ip);
	return true;
}

static void input_arp(struct netif *n, struct rte_mbuf *m, uint16_t l2, uint64_t now_us,
	bool want_learn, struct netif_rx *rx)
{
	const uint8_t *p = rte_pktmbuf_mtod_offset(m, const uint8_t *, l2);

	if (arp_input(n, p, m->data_len - l2, now_us, true) && want_learn)
		rx->learn[rx->nb_learn++] = m;
	else
		rte_pktmbuf_free(m);
}

void netif_input(struct netif *n, struct rte_mbuf **frames, uint16_t nb, uint64_t now_us,
	bool want_learn, struct netif_rx *rx)
{
	uint16_t i, l2, type;

	rx->nb_tcp = 0;
	rx->nb_ip = 0;
	rx->nb_ip6 = 0;
	rx->nb_learn = 0;
	n->cnt->v[n->c.access ? CNT_rx_access : CNT_rx_core] += nb;
	for (i = 0; i < RTE_MIN(nb, PREFETCH); i++)
		rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
	for (i = 0; i < nb; i++) {
		if (i + PREFETCH < nb)
			rte_prefetch0(rte_pktmbuf_mtod(frames[i + PREFETCH], void *));
		if (likely(input_fast(n, frames[i], rx)))
			continue;
		l2 = l2_parse(n, frames[i], &type);
		if (unlikely(l2 == 0))
			netif_drop(n, frames[i], CNT_rx_not_ours);
		else if (likely(type == RTE_ETHER_TYPE_IPV4))
			input4(n, frames[i], l2, now_us, rx);
		else if (type == RTE_ETHER_TYPE_IPV6)
			input6(n, frames[i], l2, now_us, want_learn, rx);
		else if (type == RTE_ETHER_TYPE_ARP)
			input_arp(n, frames[i], l2, now_us, want_learn, rx);
		else
			netif_drop(n, frames[i], CNT_rx_not_ours);
	}
}

// The frame may be shared with other workers: nothing of the mbuf is written but its reference
// count.
void netif_learn(struct netif *n, struct rte_mbuf *frame, uint64_t now_us)
{
	uint16_t type, l2 = l2_parse(n, frame, &type);
	struct ip6_pkt k;

	if (l2 && type == RTE_ETHER_TYPE_ARP)
		arp_input(n, rte_pktmbuf_mtod_offset(frame, const uint8_t *, l2),
			frame->data_len - l2, now_us, false);
	else if (l2 && type == RTE_ETHER_TYPE_IPV6 && n->c.has6 &&
		 ip6_parse(n, frame, l2, &k) == 0 && k.walk == IP6_OK &&
		 k.proto == IPPROTO_ICMPV6 && icmp6_cksum_ok(&k))
		nd_input(n, &k.msg, now_us, false);
	rte_pktmbuf_free(frame);
}
