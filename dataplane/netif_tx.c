// SPDX-License-Identifier: BSD-3-Clause
// Next hop, Ethernet header, transmit buffer.
#include <rte_ethdev.h>
#include <rte_pause.h>

#include "dataplane/netif_int.h"

#define FLUSH_TRIES 16 // times that the queue may take nothing before frames are dropped

void netif_drop(struct netif *n, struct rte_mbuf *m, enum counter why)
{
	n->cnt->v[why]++;
	rte_pktmbuf_free(m);
}

void netif_l2_header(
	const struct netif *n, uint8_t *at, const struct rte_ether_addr *dst, uint16_t ethertype)
{
	rte_be16_t type = rte_cpu_to_be_16(ethertype), tpid = RTE_BE16(RTE_ETHER_TYPE_VLAN);
	rte_be16_t tci = rte_cpu_to_be_16(n->c.vlan);

	memcpy(at, dst, RTE_ETHER_ADDR_LEN);
	memcpy(at + 6, &n->port->mac, RTE_ETHER_ADDR_LEN);
	if (n->c.vlan) {
		memcpy(at + 12, &tpid, 2);
		memcpy(at + 14, &tci, 2);
	}
	memcpy(at + n->l2_len - 2, &type, 2);
}

struct rte_mbuf *netif_frame(struct netif *n, const struct rte_ether_addr *dst, uint16_t ethertype,
	uint16_t len, void **payload)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(n->c.pool);
	uint8_t *p;

	p = m ? (uint8_t *)rte_pktmbuf_append(m, n->l2_len + len) : NULL;
	if (!p) {
		COUNT(n->cnt, mbuf_alloc_failed);
		rte_pktmbuf_free(m);
		return NULL;
	}
	netif_l2_header(n, p, dst, ethertype);
	memset(p + n->l2_len, 0, len);
	m->l2_len = n->l2_len;
	*payload = p + n->l2_len;
	return m;
}

// What the queue took of m[0..nb).
static uint16_t tx_burst(struct netif *n, struct rte_mbuf **m, uint16_t nb)
{
	if (n->txq < 0)
		return n->c.tx_via ? n->c.tx_via(n->c.tx_user, m, nb) : 0;
	return rte_eth_tx_burst(n->port->id, n->txq, m, nb);
}

// Drivers with offloads may have to be asked whether they can send a frame; one they cannot is
// dropped. Returns how many are left at the front of n->tx.
static uint16_t tx_prepare(struct netif *n)
{
	uint16_t at = 0, nb = n->nb_tx;

	if (n->txq < 0 || !n->port->tx_offloads)
		return nb;
	for (;;) {
		at += rte_eth_tx_prepare(n->port->id, n->txq, n->tx + at, nb - at);
		if (likely(at == nb))
			return nb;
		netif_drop(n, n->tx[at], CNT_tx_full);
		nb--;
		memmove(n->tx + at, n->tx + at + 1, (nb - at) * sizeof(n->tx[0]));
	}
}

void netif_flush(struct netif *n)
{
	uint16_t sent = 0, nb, k;
	unsigned int idle = 0;

	if (!n->nb_tx)
		return;
	nb = tx_prepare(n);
	n->nb_tx = 0;
	while (sent < nb && idle < FLUSH_TRIES) {
		k = tx_burst(n, n->tx + sent, nb - sent);
		sent += k;
		if (k == 0) {
			idle++;
			rte_pause();
		}
	}
	if (n->txq >= 0)
		n->cnt->v[n->c.access ? CNT_tx_access : CNT_tx_core] += sent;
	if (unlikely(sent < nb)) {
		COUNT_N(n->cnt, tx_full, nb - sent);
		rte_pktmbuf_free_bulk(n->tx + sent, nb - sent);
	}
}

// What a device or another worker can take, with the same contents: NULL when out of mbufs.
static struct rte_mbuf *unshared(struct netif *n, struct rte_mbuf *m)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, n->c.pool, 0, UINT32_MAX);

	rte_pktmbuf_free(m);
	if (!copy)
		COUNT(n->cnt, mbuf_alloc_failed);
	return copy;
}

void netif_tx_frame(struct netif *n, struct rte_mbuf *m)
{
	if (unlikely(n->no_indirect && !RTE_MBUF_DIRECT(m)) ||
		unlikely(n->txq < 0 && rte_mbuf_refcnt_read(m) != 1)) {
		m = unshared(n, m);
		if (!m)
			return;
	}
	n->tx[n->nb_tx++] = m;
	if (unlikely(n->nb_tx == NETIF_TX_BUFFER))
		netif_flush(n);
}

void netif_tx_l3(struct netif *n, const struct neigh *e, struct rte_mbuf *m)
{
	char *at;

	if (unlikely(m->pkt_len > n->mtu && !(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG))) {
		netif_drop(n, m, CNT_tx_too_big);
		return;
	}
	at = rte_pktmbuf_prepend(m, n->l2_len);
	if (unlikely(!at)) {
		netif_drop(n, m, CNT_tx_no_headroom);
		return;
	}
	memcpy(at, e->l2, RTE_ETHER_HDR_LEN);
	if (n->l2_len > RTE_ETHER_HDR_LEN)
		memcpy(at + RTE_ETHER_HDR_LEN, e->l2 + RTE_ETHER_HDR_LEN,
			NETIF_L2_MAX - RTE_ETHER_HDR_LEN);
	m->l2_len = n->l2_len;
	netif_tx_frame(n, m);
}

// Neither multicast, reserved nor broadcast, this net nor loopback.
static inline bool unicast4(rte_be32_t dst)
{
	uint32_t a = rte_be_to_cpu_32(dst);

	return a < 0xe0000000 && a >> 24 != 0 && a >> 24 != 127;
}

static void output4(struct netif *n, struct rte_mbuf *m, uint64_t now_us)
{
	rte_be32_t dst = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *)->dst_addr;
	struct neigh *e = n->gw4;
	struct ipaddr hop;

	if (netif_onlink4(n, dst)) {
		e = n->hot4;
		if (!e || e->addr.w[3] != dst) {
			if (dst == n->addr4 || netif_broadcast4(n, dst)) {
				netif_drop(n, m, CNT_tx_no_route);
				return;
			}
			hop = ipaddr_from4(dst);
			e = neigh_get(n, &hop, now_us);
			if (!e) {
				rte_pktmbuf_free(m); // counted there
				return;
			}
			n->hot4 = e;
		}
	} else if (unlikely(!e || !unicast4(dst))) {
		netif_drop(n, m, CNT_tx_no_route);
		return;
	}
	neigh_send(n, e, m, now_us);
}

static void output6_multicast(struct netif *n, const struct ipaddr *dst, struct rte_mbuf *m)
{
	struct rte_ether_addr mac = ip6_multicast_mac(dst);
	struct neigh group;

	netif_l2_header(n, group.l2, &mac, RTE_ETHER_TYPE_IPV6);
	netif_tx_l3(n, &group, m);
}

static void output6(struct netif *n, struct rte_mbuf *m, uint64_t now_us)
{
	struct ipaddr dst =
		ipaddr_from6(rte_pktmbuf_mtod(m, const struct rte_ipv6_hdr *)->dst_addr);
	struct neigh *e = n->gw6;

	if (!n->c.has6 || netif_is_ours6(n, &dst) || ip6_is_unspecified(&dst)) {
		netif_drop(n, m, CNT_tx_no_route);
		return;
	}
	if (unlikely(ip6_is_multicast(&dst))) {
		output6_multicast(n, &dst, m);
		return;
	}
	if (netif_onlink6(n, &dst)) {
		e = neigh_get(n, &dst, now_us);
		if (!e) {
			rte_pktmbuf_free(m); // counted there
			return;
		}
	} else if (!e) {
		netif_drop(n, m, CNT_tx_no_route);
		return;
	}
	neigh_send(n, e, m, now_us);
}

// The ordinary packet: IPv4 to the gateway or to the neighbour that had the last one, reachable and
// in use, by a queue of this worker's. False: nothing was done.
static inline bool output_fast(struct netif *n, struct rte_mbuf *m, uint64_t now_us)
{
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);
	struct neigh *e = n->gw4;
	char *at = (char *)m->buf_addr + m->data_off - RTE_ETHER_HDR_LEN;
	uint64_t head;

	if (unlikely(m->data_len < sizeof(*ip) || ip->version_ihl >> 4 != 4))
		return false;
	if (netif_onlink4(n, ip->dst_addr)) {
		e = n->hot4;
		if (unlikely(!e || e->addr.w[3] != ip->dst_addr))
			return false;
	} else if (unlikely(!unicast4(ip->dst_addr))) {
		return false;
	}
	if (unlikely(!e || !neigh_is_ready(e, now_us) || n->txq < 0 ||
		     n->l2_len != RTE_ETHER_HDR_LEN || m->data_off < RTE_ETHER_HDR_LEN ||
		     m->pkt_len > n->mtu || !RTE_MBUF_DIRECT(m)))
		return false;
	memcpy(&head, e->l2, sizeof(head));
	memcpy(at, &head, sizeof(head));
	memcpy(&head, e->l2 + RTE_ETHER_HDR_LEN - sizeof(head), sizeof(head));
	memcpy(at + RTE_ETHER_HDR_LEN - sizeof(head), &head, sizeof(head));
	m->data_off -= RTE_ETHER_HDR_LEN;
	m->data_len += RTE_ETHER_HDR_LEN;
	m->pkt_len += RTE_ETHER_HDR_LEN;
	m->l2_len = RTE_ETHER_HDR_LEN;
	n->tx[n->nb_tx++] = m;
	if (unlikely(n->nb_tx == NETIF_TX_BUFFER))
		netif_flush(n);
	return true;
}

void netif_output(struct netif *n, struct rte_mbuf **pkts, uint16_t nb, uint64_t now_us)
{
	uint16_t i;
	uint8_t v;

	for (i = 0; i < nb; i++) {
		if (likely(output_fast(n, pkts[i], now_us)))
			continue;
		v = *rte_pktmbuf_mtod(pkts[i], const uint8_t *) >> 4;
		if (likely(v == 4 && pkts[i]->data_len >= sizeof(struct rte_ipv4_hdr)))
			output4(n, pkts[i], now_us);
		else if (v == 6 && pkts[i]->data_len >= sizeof(struct rte_ipv6_hdr))
			output6(n, pkts[i], now_us);
		else
			netif_drop(n, pkts[i], CNT_tx_no_route);
	}
}

void netif_output_frames(struct netif *n, struct rte_mbuf **frames, uint16_t nb)
{
	uint16_t i;

	for (i = 0; i < nb; i++)
		netif_tx_frame(n, frames[i]);
}
