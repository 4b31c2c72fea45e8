// SPDX-License-Identifier: BSD-3-Clause
// ARP, RFC 826, with the conflict rules of RFC 5227.
#include <rte_arp.h>

#include "dataplane/netif_int.h"

#include "protocol/cursor.h"

#define ARP_REQUEST 1
#define ARP_REPLY 2

static const struct rte_ether_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static const struct rte_ether_addr unknown;

struct arp {
	uint16_t op;
	struct rte_ether_addr sha, tha;
	rte_be32_t spa, tpa;
};

static int arp_decode(const uint8_t *p, size_t len, struct arp *a)
{
	struct cursor c = cursor_make(p, len);
	uint16_t hrd, pro;
	uint8_t hln, pln;

	if (cur_u16(&c, &hrd) || cur_u16(&c, &pro) || cur_u8(&c, &hln) || cur_u8(&c, &pln) ||
		cur_u16(&c, &a->op) || cur_bytes(&c, &a->sha, 6) || cur_bytes(&c, &a->spa, 4) ||
		cur_bytes(&c, &a->tha, 6) || cur_bytes(&c, &a->tpa, 4))
		return -EBADMSG;
	if (hrd != 1 || pro != RTE_ETHER_TYPE_IPV4 || hln != 6 || pln != 4)
		return -EBADMSG;
	if (a->op != ARP_REQUEST && a->op != ARP_REPLY)
		return -EBADMSG;
	return rte_is_unicast_ether_addr(&a->sha) && !rte_is_zero_ether_addr(&a->sha) ? 0
										      : -EBADMSG;
}

static void arp_send(struct netif *n, const struct rte_ether_addr *dst, const struct arp *a)
{
	struct rte_arp_hdr *h;
	struct rte_mbuf *m;
	void *p;

	m = netif_frame(n, dst, RTE_ETHER_TYPE_ARP, sizeof(*h), &p);
	if (!m)
		return;
	h = p;
	h->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	h->arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	h->arp_hlen = RTE_ETHER_ADDR_LEN;
	h->arp_plen = sizeof(rte_be32_t);
	h->arp_opcode = rte_cpu_to_be_16(a->op);
	h->arp_data = (struct rte_arp_ipv4){n->port->mac, a->spa, a->tha, a->tpa};
	COUNT(n->cnt, arp_tx);
	netif_tx_frame(n, m);
}

void arp_solicit(struct netif *n, rte_be32_t addr, const struct rte_ether_addr *dst)
{
	struct arp a = {.op = ARP_REQUEST, .spa = n->addr4, .tpa = addr};

	arp_send(n, dst ? dst : &broadcast, &a);
}

void arp_announce(struct netif *n)
{
	struct arp a = {.op = ARP_REQUEST, .tha = unknown, .spa = n->addr4, .tpa = n->addr4};

	arp_send(n, &broadcast, &a);
}

// Somebody else uses our address: say once in a while that it is ours, RFC 5227 2.4 (b).
static void conflict(struct netif *n, uint64_t now_us, bool answer)
{
	COUNT(n->cnt, address_conflict);
	if (!answer || (n->defended_us && now_us - n->defended_us < NETIF_DEFEND_US))
		return;
	n->defended_us = now_us;
	arp_announce(n);
}

static bool answer_for(const struct netif *n, const struct arp *a)
{
	if (a->op != ARP_REQUEST)
		return false;
	if (a->tpa == n->addr4)
		return true;
	return n->c.proxy_arp && a->spa != a->tpa && netif_onlink4(n, a->tpa) &&
	       !netif_broadcast4(n, a->tpa) && n->c.proxy_arp(n->c.proxy_user, a->tpa);
}

// RFC 826: update what is known of the sender; add it when it asks for us.
static void learn_sender(struct netif *n, const struct arp *a, uint64_t now_us)
{
	struct ipaddr sender = ipaddr_from4(a->spa);
	struct neigh *e = neigh_find(&n->neigh, &sender);

	if (e && a->op == ARP_REPLY && a->tpa == n->addr4)
		neigh_confirm(n, e, &a->sha, now_us);
	else if (e)
		neigh_seen(n, e, &a->sha, now_us);
	else if (a->op == ARP_REQUEST && a->tpa == n->addr4)
		neigh_learn(n, &sender, &a->sha, now_us);
}

bool arp_input(struct netif *n, const uint8_t *p, size_t len, uint64_t now_us, bool answer)
{
	struct arp a;
	bool known;

	if (answer)
		COUNT(n->cnt, arp_rx);
	if (n->addr4 == 0)
		return false;
	if (arp_decode(p, len, &a) < 0) {
		COUNT(n->cnt, rx_ip_malformed);
		return false;
	}
	if (a.spa == n->addr4) { // another's, unless our own came back
		if (!rte_is_same_ether_addr(&a.sha, &n->port->mac))
			conflict(n, now_us, answer);
		return false;
	}
	// A host may ask with an address of another interface of its own (Linux does so by
	// default): it is answered, and nothing is learned from it.
	known = a.spa != 0 && netif_onlink4(n, a.spa) && !netif_broadcast4(n, a.spa);
	if (known)
		learn_sender(n, &a, now_us);
	if (answer && answer_for(n, &a)) {
		struct arp reply = {.op = ARP_REPLY, .spa = a.tpa, .tha = a.sha, .tpa = a.spa};

		arp_send(n, &a.sha, &reply);
	}
	return known;
}
