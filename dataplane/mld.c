// SPDX-License-Identifier: BSD-3-Clause
// Multicast listener reports, RFC 3810, for our solicited-node groups: switches that snoop pass
// solicitations for our addresses only where somebody said that it listens.
#include "dataplane/netif_int.h"

#include "dataplane/cksum.h"
#include "protocol/cursor.h"

#define REPORT_V2 143
#define MODE_IS_EXCLUDE 2
#define CHANGE_TO_EXCLUDE 4
#define HOP_BY_HOP_LEN 8
#define REPORT_LEN 8
#define RECORD_LEN 20
#define QUERY_LEN 24
#define AGAIN_US 1000000 // 9.11, at most: the first report may be lost
#define DELAY_MAX_US 10000000

static const struct ipaddr mld_routers = {.b = {0xff, 2, [15] = 0x16}};

static void record(struct writer *w, uint8_t type, const struct ipaddr *group)
{
	wr_u8(w, type);
	wr_zero(w, 3);
	wr_bytes(w, group, 16);
}

static void report(struct netif *n, uint8_t type)
{
	static const uint8_t router_alert[HOP_BY_HOP_LEN] = {IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0};
	bool two = !ipaddr_equal(&n->sol_addr6, &n->sol_ll6);
	const uint16_t len = REPORT_LEN + RECORD_LEN * (two ? 2 : 1);
	struct rte_ether_addr mac = ip6_multicast_mac(&mld_routers);
	struct rte_ipv6_hdr *ip;
	struct rte_mbuf *m;
	struct writer w;
	uint8_t *icmp;
	uint16_t sum;
	void *p;

	m = netif_frame(n, &mac, RTE_ETHER_TYPE_IPV6, sizeof(*ip) + HOP_BY_HOP_LEN + len, &p);
	if (!m)
		return;
	ip = p;
	ip->vtc_flow = RTE_BE32(0x60000000);
	ip->payload_len = rte_cpu_to_be_16(HOP_BY_HOP_LEN + len);
	ip->proto = 0; // hop-by-hop options
	ip->hop_limits = 1;
	memcpy(ip->src_addr, &n->ll6, 16);
	memcpy(ip->dst_addr, &mld_routers, 16);
	memcpy(ip + 1, router_alert, HOP_BY_HOP_LEN);
	icmp = (uint8_t *)(ip + 1) + HOP_BY_HOP_LEN;
	w = writer_make(icmp, len);
	wr_u8(&w, REPORT_V2);
	wr_zero(&w, 5);
	wr_u16(&w, two ? 2 : 1);
	record(&w, type, &n->sol_addr6);
	if (two)
		record(&w, type, &n->sol_ll6);
	sum = cksum_of6(ip, icmp, len, IPPROTO_ICMPV6);
	memcpy(icmp + 2, &sum, 2);
	COUNT(n->cnt, icmp_tx);
	netif_tx_frame(n, m);
}

void mld_join(struct netif *n, uint64_t now_us)
{
	report(n, CHANGE_TO_EXCLUDE);
	n->mld_due_us = now_us + AGAIN_US;
}

void mld_query(struct netif *n, const struct icmp6_msg *msg, uint64_t now_us)
{
	struct cursor c = cursor_make(msg->p, msg->len);
	uint64_t delay_us;
	uint16_t max_ms;

	// 5.1.14, 6.2: from a router on the link
	if (msg->len < QUERY_LEN || msg->ip->hop_limits != 1 || !ip6_is_link_local(&msg->src))
		return;
	if (n->mld_due_us || cur_skip(&c, 4) || cur_u16(&c, &max_ms))
		return;
	delay_us = RTE_MIN(max_ms * UINT64_C(1000), (uint64_t)DELAY_MAX_US);
	n->mld_due_us = now_us + netif_random(n) % (delay_us + 1);
}

void mld_tick(struct netif *n, uint64_t now_us)
{
	if (!n->mld_due_us || now_us < n->mld_due_us)
		return;
	n->mld_due_us = 0;
	report(n, MODE_IS_EXCLUDE);
}
