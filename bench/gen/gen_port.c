// SPDX-License-Identifier: BSD-3-Clause
// Frames: the two ports, what a NIC or a bad link would do to them, and the host's own packets.
#include <errno.h>
#include <string.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_pause.h>
#include <rte_udp.h>

#include "bench/gen/gen_int.h"

#define SEND_TRIES 64 // times that a queue may take nothing before frames are lost
#define BURSTS_PER_TURN 4
#define NEIGHBOURS 64

static bool is_ours(void *user, rte_be32_t addr)
{
	const struct gen *g = user;

	return rte_be_to_cpu_32(addr) - g->c.client_addr < g->c.nb_client;
}

static void send_frames(const struct gen *g, const struct port *p, struct rte_mbuf **m, uint16_t n)
{
	unsigned int idle = 0;
	uint16_t sent = 0, k;

	while (sent < n && idle < SEND_TRIES) {
		k = rte_eth_tx_burst(p->id, g->c.queue, m + sent, n - sent);
		sent += k;
		if (!k) {
			idle++;
			rte_pause();
		}
	}
	if (sent < n)
		rte_pktmbuf_free_bulk(m + sent, n - sent);
}

static void mark_good(struct rte_mbuf **m, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if ((m[i]->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) != RTE_MBUF_F_RX_L4_CKSUM_BAD)
			m[i]->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
}

// netif's way out when frames are not for the device as they are. Each is nobody else's.
static uint16_t access_out(void *user, struct rte_mbuf **m, uint16_t n)
{
	struct rte_mbuf *out[CHAOS_OUT(NETIF_BURST)];
	struct gen *g = user;

	for (uint16_t at = 0; at < n;) {
		uint16_t k = RTE_MIN((uint16_t)(n - at), (uint16_t)NETIF_BURST), nb;

		for (uint16_t i = 0; i < k; i++)
			m[at + i]->ol_flags = 0;
		nb = chaos_run(&g->chaos_out, m + at, k, out);
		if (g->c.offloads)
			mark_good(out, nb);
		send_frames(g, g->c.access, out, nb);
		at += k;
	}
	return n;
}

static uint16_t core_out(void *user, struct rte_mbuf **m, uint16_t n)
{
	struct gen *g = user;

	for (uint16_t i = 0; i < n; i++)
		m[i]->ol_flags = 0;
	if (g->c.offloads)
		mark_good(m, n);
	send_frames(g, g->c.core, m, n);
	return n;
}

// What the hardware would do. The TCP checksum it owes nobody looks at.
static void fill_ip_cksum(struct rte_mbuf *m, uint16_t l2_len)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, l2_len);

	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

// A copy that is the generator's alone; what the other end still holds on to is not touched.
static uint16_t copy_all(struct gen *g, struct rte_mbuf **m, uint16_t n)
{
	uint16_t nb = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *c = rte_pktmbuf_copy(m[i], g->c.pool, 0, UINT32_MAX);

		if (c && m[i]->ol_flags & RTE_MBUF_F_TX_IP_CKSUM)
			fill_ip_cksum(c, m[i]->l2_len);
		rte_pktmbuf_free(m[i]);
		if (!c)
			continue;
		c->ol_flags = 0;
		m[nb++] = c;
	}
	return nb;
}

// --- clients ---

static bool is_client_tcp(const struct gen *g, const struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);

	return ip->next_proto_id == IPPROTO_TCP && !(ip->fragment_offset & RTE_BE16(0x3fff)) &&
	       rte_be_to_cpu_32(ip->dst_addr) - g->c.client_addr < g->c.nb_client;
}

static void access_frames(struct gen *g, struct rte_mbuf **m, uint16_t n)
{
	struct netif_rx rx;

	if (unlikely(!g->arp.done))
		gen_arp_watch(g, m, n);
	netif_input(g->access, m, n, g->now_us, false, &rx);
	for (uint16_t i = 0; i < rx.nb_ip; i++) {
		if (is_client_tcp(g, rx.ip[i]))
			rx.tcp[rx.nb_tcp++] = rx.ip[i];
		else
			rte_pktmbuf_free(rx.ip[i]);
	}
	if (rx.nb_tcp)
		tcp_input(g->tcp, rx.tcp, rx.nb_tcp, g->now_us);
}

static void receive_access(struct gen *g)
{
	struct rte_mbuf *m[NETIF_BURST], *out[CHAOS_OUT(NETIF_BURST)];
	uint16_t n, nb;

	for (unsigned int turn = 0; turn < BURSTS_PER_TURN; turn++) {
		n = rte_eth_rx_burst(g->c.access->id, g->c.queue, m, RTE_DIM(m));
		g->work += n;
		nb = g->c.access_by_pointer ? copy_all(g, m, n) : n;
		if (g->c.offloads)
			mark_good(m, nb);
		nb = chaos_run(&g->chaos_in, m, nb, out);
		for (uint16_t at = 0; at < nb; at += NETIF_BURST)
			access_frames(
				g, out + at, RTE_MIN((uint16_t)(nb - at), (uint16_t)NETIF_BURST));
		if (n < RTE_DIM(m))
			break;
	}
}

// --- host ---

// UDP to the host: the IP packet in a frame, NULL: something else.
static const uint8_t *host_packet(const struct gen *g, const struct rte_mbuf *m, size_t *len)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(p + RTE_ETHER_HDR_LEN);

	if (m->nb_segs != 1 || m->data_len < RTE_ETHER_HDR_LEN + PROBE_MIN_SIZE || p[12] != 0x08 ||
		p[13] != 0x00 || ip->version_ihl != 0x45 || ip->next_proto_id != IPPROTO_UDP ||
		ip->dst_addr != rte_cpu_to_be_32(g->c.core_addr))
		return NULL;
	*len = rte_be_to_cpu_16(ip->total_length);
	return *len >= PROBE_MIN_SIZE && *len <= (size_t)m->data_len - RTE_ETHER_HDR_LEN
		       ? (const uint8_t *)ip
		       : NULL;
}

static void core_frames(struct gen *g, struct rte_mbuf **m, uint16_t n)
{
	struct rte_mbuf *other[NETIF_BURST];
	struct netif_rx rx;
	uint16_t nb = 0, done = 0;
	const uint8_t *ip;
	size_t len;

	for (uint16_t i = 0; i < n; i++) {
		ip = host_packet(g, m[i], &len);
		if (!ip) {
			other[nb++] = m[i];
			continue;
		}
		gen_host_in(g, ip, len);
		m[done++] = m[i];
	}
	if (done)
		rte_pktmbuf_free_bulk(m, done);
	if (!nb)
		return;
	netif_input(g->core, other, nb, g->now_us, false, &rx);
	rte_pktmbuf_free_bulk(rx.ip, rx.nb_ip);
	rte_pktmbuf_free_bulk(rx.ip6, rx.nb_ip6);
	rte_pktmbuf_free_bulk(rx.tcp, rx.nb_tcp);
}

static void receive_core(struct gen *g)
{
	struct rte_mbuf *m[NETIF_BURST];
	uint16_t n;

	for (unsigned int turn = 0; turn < BURSTS_PER_TURN; turn++) {
		n = rte_eth_rx_burst(g->c.core->id, g->c.queue, m, RTE_DIM(m));
		g->work += n;
		if (n)
			core_frames(g, m, n);
		if (n < RTE_DIM(m))
			break;
	}
}

// --- both ---

void gen_ports_receive(struct gen *g)
{
	receive_access(g);
	if (g->core)
		receive_core(g);
	if (g->now_us < g->tick_us)
		return;
	g->tick_us = g->now_us + 10000;
	netif_tick(g->access, g->now_us);
	if (g->core)
		netif_tick(g->core, g->now_us);
}

void gen_ports_flush(struct gen *g)
{
	netif_flush(g->access);
	if (g->core)
		netif_flush(g->core);
}

void gen_tcp_output(void *user, struct rte_mbuf **pkts, uint16_t n)
{
	struct gen *g = user;

	netif_output(g->access, pkts, n, g->now_us);
}

static struct netif *make_netif(struct gen *g, const struct port *port, struct port *via,
	const struct netif_conf *conf, char *err, size_t cap)
{
	struct netif *n;

	*via = *port;
	if (conf->tx_via)
		via->nb_txq = 0;
	n = netif_create(conf, g->now_us);
	if (!n)
		snprintf(err, cap, "device \"%s\": %s", port->device, rte_strerror(rte_errno));
	return n;
}

int gen_ports_create(struct gen *g, char *err, size_t cap)
{
	const struct gen_conf *c = &g->c;
	bool as_they_are = !c->access_by_pointer && !c->offloads;
	struct netif_conf access = {
		.port = &g->access_via,
		.worker = c->queue,
		.access = true,
		.addr4 = rte_cpu_to_be_32(c->client_addr),
		.gw4 = rte_cpu_to_be_32(c->server_addr), // kept resolved
		.plen4 = c->client_plen,
		.max_neighbours = NEIGHBOURS,
		.icmp_per_second = 100,
		.pool = c->pool,
		.counters = &g->counters,
		.tx_via = as_they_are && !chaos_on(&c->chaos) ? NULL : access_out,
		.tx_user = g,
		.proxy_arp = is_ours,
		.proxy_user = g,
	};
	struct netif_conf core = access;

	chaos_init(&g->chaos_in, &c->chaos, 0, c->pool);
	chaos_init(&g->chaos_out, &c->chaos, 1, c->pool);
	g->access = make_netif(g, c->access, &g->access_via, &access, err, cap);
	if (!g->access)
		return -ENOMEM;
	netif_announce(g->access, g->now_us);
	if (!c->core)
		return 0;
	core.port = &g->core_via;
	core.access = false;
	core.addr4 = rte_cpu_to_be_32(c->core_addr);
	core.plen4 = c->core_plen;
	core.gw4 = rte_cpu_to_be_32(c->core_gw);
	core.proxy_arp = NULL;
	core.tx_via = as_they_are ? NULL : core_out;
	g->core = make_netif(g, c->core, &g->core_via, &core, err, cap);
	if (!g->core)
		return -ENOMEM;
	netif_announce(g->core, g->now_us);
	return 0;
}

void gen_ports_destroy(struct gen *g)
{
	netif_destroy(g->access);
	netif_destroy(g->core);
	chaos_fini(&g->chaos_in);
	chaos_fini(&g->chaos_out);
}
