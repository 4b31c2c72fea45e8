// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/netif.h"

#include <string.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_random.h>

#include "dataplane/netif_int.h"

#define ICMP_BURST_US 100000 // credit saved up at most: a tenth of a second's worth

uint32_t netif_random(struct netif *n) // xorshift64*: for jitter, not for secrets
{
	n->rng ^= n->rng >> 12;
	n->rng ^= n->rng << 25;
	n->rng ^= n->rng >> 27;
	return (uint32_t)((n->rng * UINT64_C(0x2545f4914f6cdd1d)) >> 32);
}

bool netif_onlink6(const struct netif *n, const struct ipaddr *a)
{
	unsigned int whole = n->c.plen6 / 8, rest = n->c.plen6 % 8;
	uint8_t mask = (uint8_t)(0xff00 >> rest);

	if (ip6_is_link_local(a))
		return true;
	if (memcmp(a->b, n->c.addr6.b, whole) != 0)
		return false;
	return rest == 0 || ((a->b[whole] ^ n->c.addr6.b[whole]) & mask) == 0;
}

struct ipaddr ip6_solicited_node(const struct ipaddr *a)
{
	struct ipaddr s = {.b = {0xff, 2, [11] = 1, [12] = 0xff, a->b[13], a->b[14], a->b[15]}};

	return s;
}

bool netif_for_us6(const struct netif *n, const struct ipaddr *a)
{
	static const struct ipaddr all_nodes = {.b = {0xff, 2, [15] = 1}};

	if (!ip6_is_multicast(a))
		return netif_is_ours6(n, a);
	return ipaddr_equal(a, &n->sol_addr6) || ipaddr_equal(a, &n->sol_ll6) ||
	       ipaddr_equal(a, &all_nodes);
}

struct rte_ether_addr ip6_multicast_mac(const struct ipaddr *a)
{
	return (struct rte_ether_addr){{0x33, 0x33, a->b[12], a->b[13], a->b[14], a->b[15]}};
}

// fe80::/64 and the modified EUI-64 of the MAC address, RFC 4291 appendix A.
static struct ipaddr link_local(const struct rte_ether_addr *mac)
{
	const uint8_t *m = mac->addr_bytes;
	struct ipaddr a = {
		.b = {0xfe, 0x80, [8] = m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}};

	return a;
}

static int make_gateways(struct netif *n, uint64_t now_us)
{
	struct ipaddr gw;

	if (n->c.gw4) {
		gw = ipaddr_from4(n->c.gw4);
		n->gw4 = neigh_get(n, &gw, now_us);
		if (!n->gw4)
			return -ENOMEM;
		n->gw4->pinned = true;
	}
	if (n->c.has6 && !ip6_is_unspecified(&n->c.gw6)) {
		n->gw6 = neigh_get(n, &n->c.gw6, now_us);
		if (!n->gw6)
			return -ENOMEM;
		n->gw6->pinned = true;
	}
	return 0;
}

// The address, and what follows from it for every frame.
static void set_addr4(struct netif *n)
{
	const struct netif_conf *c = &n->c;
	rte_be32_t mask = c->plen4 ? rte_cpu_to_be_32(UINT32_MAX << (32 - c->plen4)) : 0;

	n->addr4 = c->addr4;
	n->mask4 = c->addr4 ? mask : 0;
	n->net4 = c->addr4 ? c->addr4 & mask : RTE_BE32(0xffffffff);
	n->broadcast4[0] = n->broadcast4[1] = RTE_BE32(0xffffffff);
	if (c->addr4 && c->plen4 < 31) { // RFC 3021: smaller ones have none
		n->broadcast4[0] = n->net4 | ~mask;
		n->broadcast4[1] = n->net4;
	}
}

struct netif *netif_create(const struct netif_conf *c, uint64_t now_us)
{
	struct netif *n;

	if (c->plen4 > 32 || c->plen6 > 128 || c->vlan > 4094 || !c->port || !c->pool ||
		!c->counters) {
		rte_errno = EINVAL;
		return NULL;
	}
	n = rte_zmalloc("netif", sizeof(*n), RTE_CACHE_LINE_SIZE);
	if (!n) {
		rte_errno = ENOMEM;
		return NULL;
	}
	n->c = *c;
	n->port = c->port;
	n->cnt = c->counters;
	n->txq = (int16_t)port_txq(c->port, c->worker);
	n->mtu = c->port->mtu;
	n->no_indirect = c->port->no_indirect;
	n->l2_len = c->vlan ? NETIF_L2_MAX : RTE_ETHER_HDR_LEN;
	set_addr4(n);
	n->ll6 = link_local(&c->port->mac);
	n->sol_addr6 = ip6_solicited_node(&c->addr6);
	n->sol_ll6 = ip6_solicited_node(&n->ll6);
	n->icmp = (struct netif_bucket){ICMP_BURST_US, now_us};
	n->nd_own = n->nd_proxied = (struct netif_bucket){ND_ALL_BURST_US, now_us};
	n->rng = rte_rand() | 1;
	if (neigh_table_init(&n->neigh, c->max_neighbours, netif_random(n)) < 0) {
		rte_free(n);
		rte_errno = ENOMEM;
		return NULL;
	}
	if (make_gateways(n, now_us) < 0) {
		netif_destroy(n);
		rte_errno = ENOMEM;
		return NULL;
	}
	return n;
}

void netif_destroy(struct netif *n)
{
	if (!n)
		return;
	if (n->nb_tx)
		rte_pktmbuf_free_bulk(n->tx, n->nb_tx);
	neigh_table_fini(&n->neigh);
	rte_free(n);
}

void netif_on_icmp_error(struct netif *n, netif_icmp_error_cb *cb, void *user)
{
	n->icmp_cb = cb;
	n->icmp_cb_user = user;
}

bool netif_bucket_take(
	struct netif_bucket *b, uint64_t price_us, uint64_t burst_us, uint64_t now_us)
{
	b->credit_us = RTE_MIN(b->credit_us + (now_us - b->at_us), burst_us);
	b->at_us = now_us;
	if (b->credit_us < price_us)
		return false;
	b->credit_us -= price_us;
	return true;
}

bool netif_icmp_allow(struct netif *n, uint64_t now_us)
{
	uint64_t price, burst;

	if (n->c.icmp_per_second == 0)
		return false;
	price = 1000000 / RTE_MIN(n->c.icmp_per_second, 1000000u);
	burst = RTE_MAX((uint64_t)ICMP_BURST_US, price);
	if (netif_bucket_take(&n->icmp, price, burst, now_us))
		return true;
	COUNT(n->cnt, icmp_rate_limited);
	return false;
}

void netif_tick(struct netif *n, uint64_t now_us)
{
	neigh_tick(n, now_us);
	mld_tick(n, now_us);
}

void netif_announce(struct netif *n, uint64_t now_us)
{
	if (n->addr4)
		arp_announce(n);
	if (n->c.has6) {
		mld_join(n, now_us);
		nd_announce(n);
	}
	if (n->gw4)
		neigh_resolve(n, n->gw4, now_us);
	if (n->gw6)
		neigh_resolve(n, n->gw6, now_us);
}

uint32_t netif_held(const struct netif *n)
{
	return n->neigh.nb_held + n->nb_tx;
}

uint32_t netif_neighbours(const struct netif *n)
{
	return n->neigh.max - n->neigh.nb[NEIGH_L_FREE];
}
