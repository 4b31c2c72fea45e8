// SPDX-License-Identifier: BSD-3-Clause
// Before the first call every client asks for the server: both ends then know each other's MAC
// addresses, and no SYN or its answer waits or is lost for want of one. RFC 826.
#include <string.h>
#include <rte_arp.h>
#include <rte_ether.h>

#include "bench/gen/gen_int.h"

#define ASK_AT_ONCE 64
#define AGAIN_US 300000
#define GIVE_UP_US 1000000

static struct rte_mbuf *request(struct gen *g, uint32_t addr)
{
	struct rte_mbuf *m = gen_mbuf(g);
	struct rte_ether_hdr *eth;
	struct rte_arp_hdr *arp;

	if (!m)
		return NULL;
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, sizeof(*eth) + sizeof(*arp));
	arp = (struct rte_arp_hdr *)(eth + 1);
	memset(&eth->dst_addr, 0xff, sizeof(eth->dst_addr));
	eth->src_addr = g->c.access->mac;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
	*arp = (struct rte_arp_hdr){
		.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
		.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = RTE_ETHER_ADDR_LEN,
		.arp_plen = sizeof(rte_be32_t),
		.arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST),
		.arp_data = {.arp_sha = g->c.access->mac,
			.arp_sip = rte_cpu_to_be_32(addr),
			.arp_tip = rte_cpu_to_be_32(g->c.server_addr)},
	};
	return m;
}

void gen_arp_run(struct gen *g)
{
	struct gen_arp *a = &g->arp;
	struct rte_mbuf *m;

	if (a->done)
		return;
	if (a->asked == 0 || (a->asked == g->c.nb_client && g->now_us > a->asked_us + AGAIN_US)) {
		a->asked = 0;
		a->asked_us = g->now_us;
		a->start_us = a->start_us ? a->start_us : g->now_us;
	}
	for (unsigned int i = 0; i < ASK_AT_ONCE && a->asked < g->c.nb_client; i++) {
		m = request(g, g->c.client_addr + a->asked);
		if (!m)
			break;
		a->asked++;
		netif_output_frames(g->access, &m, 1);
		g->work++;
	}
	a->done = a->answers >= g->c.nb_client || g->now_us > a->start_us + GIVE_UP_US;
}

void gen_arp_watch(struct gen *g, struct rte_mbuf *const *m, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m[i], void *);
		const struct rte_arp_hdr *arp = (const struct rte_arp_hdr *)(eth + 1);

		g->arp.answers += m[i]->data_len >= sizeof(*eth) + sizeof(*arp) &&
				  eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP) &&
				  arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY) &&
				  arp->arp_data.arp_sip == rte_cpu_to_be_32(g->c.server_addr);
	}
}
