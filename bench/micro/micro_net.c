// SPDX-License-Identifier: BSD-3-Clause
// Around TCP: Ethernet and IP of the ports (netif), SSTP and PPP framing, and what a router does
// with an inner packet.
#include <stdlib.h>
#include <string.h>
#include <rte_arp.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "bench/micro/micro.h"
#include "dataplane/inner.h"
#include "dataplane/netif.h"
#include "protocol/ppp/ppp.h"
#include "protocol/sstp/sstp.h"

enum { NET_IN_TCP, NET_IN_IP, NET_OUT, NET_DEMUX, NET_FRAME, NET_INNER };
enum { NET_ARG_WHAT, NET_ARG_PACKETS };

#define ADDR_US 0xc0000201u   // 192.0.2.1/24
#define ADDR_HOST 0xc0000202u // 192.0.2.2
#define ADDR_FAR 0x0a000005u  // 10.0.0.5
#define RX_OFF RTE_PKTMBUF_HEADROOM
#define FRAME_LEN 8 // SSTP header, FF 03, protocol

static const struct rte_ether_addr mac_us = {{2, 0, 0, 0, 0, 1}}, mac_host = {{2, 0, 0, 0, 0, 2}};

struct net_state {
	int what;
	uint32_t len, packets; // of an IP packet; in a record
	uint64_t now_us, sum;
	struct port port;
	struct counters cnt;
	struct netif *n;
	struct netif_rx rx;
	uint32_t nb_sent;
	struct rte_mbuf *sent[MICRO_BURST];
	struct rte_mbuf *m[MICRO_BURST];
};

static uint16_t tx_via(void *user, struct rte_mbuf **pkts, uint16_t n)
{
	struct net_state *s = user;

	n = (uint16_t)RTE_MIN(n, MICRO_BURST - s->nb_sent);
	memcpy(s->sent + s->nb_sent, pkts, n * sizeof(*pkts));
	s->nb_sent += n;
	return n;
}

static void give_back(struct net_state *s)
{
	rte_pktmbuf_free_bulk(s->sent, s->nb_sent);
	s->nb_sent = 0;
	rte_pktmbuf_free_bulk(s->rx.tcp, s->rx.nb_tcp);
	rte_pktmbuf_free_bulk(s->rx.ip, s->rx.nb_ip);
	rte_pktmbuf_free_bulk(s->rx.ip6, s->rx.nb_ip6);
	s->rx.nb_tcp = s->rx.nb_ip = s->rx.nb_ip6 = 0;
}

static void net_teardown(void *state)
{
	struct net_state *s = state;

	give_back(s);
	if (s->n)
		netif_destroy(s->n);
	for (int i = 0; i < MICRO_BURST; i++)
		rte_pktmbuf_free(s->m[i]);
	micro_free(s);
}

// An IPv4 packet of s->len bytes at ip.
static void put_ip(const struct net_state *s, void *at, uint32_t src, uint32_t dst, uint8_t proto)
{
	struct rte_ipv4_hdr *ip = at;

	memset(ip, 0, sizeof(*ip));
	ip->version_ihl = 0x45;
	ip->total_length = rte_cpu_to_be_16((uint16_t)s->len);
	ip->time_to_live = 64;
	ip->next_proto_id = proto;
	ip->src_addr = rte_cpu_to_be_32(src);
	ip->dst_addr = rte_cpu_to_be_32(dst);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static struct rte_mbuf *frame(const struct net_state *s, uint32_t dst)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(micro_pool());
	struct rte_ether_hdr *eth;

	if (!m)
		return NULL;
	m->data_off = RX_OFF;
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, (uint16_t)(sizeof(*eth) + s->len));
	eth->dst_addr = mac_us;
	eth->src_addr = mac_host;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	put_ip(s, eth + 1, ADDR_HOST, dst, IPPROTO_TCP);
	return m;
}

// The host tells its address, so that output finds a neighbour.
static void learn_host(struct net_state *s)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(micro_pool());
	struct rte_ether_hdr *eth;
	struct rte_arp_hdr *arp;

	if (!m)
		return;
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, sizeof(*eth) + sizeof(*arp));
	eth->dst_addr = mac_us;
	eth->src_addr = mac_host;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
	arp = (struct rte_arp_hdr *)(eth + 1);
	*arp = (struct rte_arp_hdr){.arp_hardware = RTE_BE16(1),
		.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = 6,
		.arp_plen = 4,
		.arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST),
		.arp_data = {.arp_sha = mac_host,
			.arp_sip = RTE_BE32(ADDR_HOST),
			.arp_tip = RTE_BE32(ADDR_US)}};
	netif_input(s->n, &m, 1, s->now_us, false, &s->rx);
	netif_flush(s->n);
	give_back(s);
}

static bool make_netif(struct net_state *s)
{
	struct netif_conf c = {.port = &s->port,
		.access = true,
		.addr4 = RTE_BE32(ADDR_US),
		.plen4 = 24,
		.max_neighbours = 64,
		.icmp_per_second = 100,
		.pool = micro_pool(),
		.counters = &s->cnt,
		.tx_via = tx_via,
		.tx_user = s};

	s->port.mac = mac_us;
	s->port.mtu = 1500;
	s->port.nb_workers = 1;
	s->n = c.pool ? netif_create(&c, s->now_us) : NULL;
	if (s->n)
		learn_host(s);
	return s->n != NULL;
}

// Records whose plaintext is `packets` SSTP data packets, one behind the other.
static struct rte_mbuf *record(const struct net_state *s)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(micro_pool());

	if (!m)
		return NULL;
	m->data_off = MBUF_FRONT;
	for (uint32_t i = 0; i < s->packets; i++) {
		uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(FRAME_LEN + s->len));

		sstp_put_hdr(p, false, (uint16_t)(FRAME_LEN + s->len));
		memcpy(p + 4, "\xff\x03\x00\x21", 4);
		put_ip(s, p + FRAME_LEN, ADDR_FAR, ADDR_HOST, IPPROTO_UDP);
	}
	return m;
}

static void *net_setup(const struct micro_case *c, char *why, size_t cap)
{
	struct net_state *s = micro_alloc(sizeof(*s));

	snprintf(why, cap, "no memory");
	if (!s)
		return NULL;
	s->what = (int)c->arg[NET_ARG_WHAT];
	s->packets = (uint32_t)c->arg[NET_ARG_PACKETS];
	s->len = c->bytes;
	s->now_us = 1000000;
	if (s->what <= NET_OUT && !make_netif(s)) {
		net_teardown(s);
		return NULL;
	}
	for (int i = 0; i < MICRO_BURST && (s->what == NET_DEMUX || s->what == NET_FRAME); i++)
		if (!(s->m[i] = record(s))) {
			net_teardown(s);
			return NULL;
		}
	return s;
}

static void net_prepare(void *state, unsigned int phase)
{
	struct net_state *s = state;

	give_back(s);
	s->now_us += 10;
	if (s->what == NET_DEMUX || s->what == NET_FRAME)
		return;
	for (int i = 0; i < MICRO_BURST; i++) {
		rte_pktmbuf_free(s->m[i]);
		s->m[i] = frame(s, s->what == NET_IN_TCP ? ADDR_US
				   : s->what == NET_OUT  ? ADDR_HOST
							 : ADDR_FAR);
		if (!s->m[i]) {
			fprintf(stderr, "culvert-bench micro: net: no mbufs\n");
			exit(EXIT_FAILURE);
		}
		if (s->what >= NET_OUT)
			rte_pktmbuf_adj(s->m[i], sizeof(struct rte_ether_hdr));
	}
}

// As session_plain.c does for each packet of a record.
static void demux(struct net_state *s)
{
	for (int i = 0; i < MICRO_BURST; i++) {
		const uint8_t *p = rte_pktmbuf_mtod(s->m[i], const uint8_t *);
		size_t left = s->m[i]->data_len;
		uint16_t len, proto;
		bool control;

		while (!sstp_peek(p, left, &len, &control) && len <= left && !control) {
			int off = ppp_parse_header(p + SSTP_HDR_LEN, len - SSTP_HDR_LEN, &proto);

			if (off < 0 || proto != PPP_PROTO_IPV4)
				break;
			s->sum += (uint64_t)off + p[SSTP_HDR_LEN + off];
			p += len;
			left -= len;
		}
	}
}

static void net_run(void *state, unsigned int phase)
{
	struct net_state *s = state;

	switch (s->what) {
	case NET_IN_TCP:
	case NET_IN_IP:
		netif_input(s->n, s->m, MICRO_BURST, s->now_us, false, &s->rx);
		memset(s->m, 0, sizeof(s->m));
		return;
	case NET_OUT:
		netif_output(s->n, s->m, MICRO_BURST, s->now_us);
		netif_flush(s->n);
		memset(s->m, 0, sizeof(s->m));
		return;
	case NET_DEMUX:
		demux(s);
		return;
	case NET_FRAME:
		for (int i = 0; i < MICRO_BURST; i++) {
			uint8_t *p = rte_pktmbuf_mtod(s->m[i], uint8_t *);

			sstp_put_hdr(p, false, s->m[i]->data_len);
			memcpy(p + 4, "\xff\x03\x00\x21", 4);
		}
		return;
	default:
		for (int i = 0; i < MICRO_BURST; i++)
			s->sum += !inner4_check(s->m[i]) && inner4_ttl(s->m[i]);
	}
}

static const struct micro_ops net_ops = {
	.setup = net_setup, .prepare = net_prepare, .run = net_run, .teardown = net_teardown};

void micro_net_cases(struct micro_suite *s)
{
	static const struct {
		const char *name;
		int what;
		uint32_t len, packets;
	} rows[] = {
		{"netif/in/tcp/1400", NET_IN_TCP, 1400, 1},
		{"netif/in/forward/1400", NET_IN_IP, 1400, 1},
		{"netif/in/forward/64", NET_IN_IP, 64, 1},
		{"netif/out/1400", NET_OUT, 1400, 1},
		{"framing/demux/1400/1", NET_DEMUX, 1400, 1},
		{"framing/demux/64/1", NET_DEMUX, 64, 1},
		{"framing/demux/64/16", NET_DEMUX, 64, 16},
		{"framing/headers/1400", NET_FRAME, 1400, 1},
		{"inner/check-ttl/1400", NET_INNER, 1400, 1},
	};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct micro_case *c = micro_add(s, &net_ops, "packet", "%s", rows[i].name);

		c->bytes = rows[i].len;
		c->batch = MICRO_BURST * rows[i].packets;
		c->arg[NET_ARG_WHAT] = rows[i].what;
		c->arg[NET_ARG_PACKETS] = rows[i].packets;
		snprintf(c->anchor, sizeof(c->anchor), "%s", micro_anchor());
	}
}
