// SPDX-License-Identifier: BSD-3-Clause
// One interface without a NIC: frames go in by hand, what it transmits is caught by tx_via.
//
//   us    02:00:00:00:00:01  192.0.2.1/24  2001:db8::1/64  fe80::ff:fe00:1   gateways .254 and ::fe
//   host  02:00:00:00:00:02  192.0.2.2     2001:db8::2
#pragma once

#include "tests/unit/net_util.h"

#include <arpa/inet.h>

#include "dataplane/netif_int.h"

#define RIG_TX_MAX 4096
#define S 1000000 // a second

#define IP_US 0xc0000201
#define IP_HOST 0xc0000202
#define IP_GW 0xc00002fe

static const uint8_t mac_us[6] = {2, 0, 0, 0, 0, 1}, mac_host[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t mac_all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static struct {
	struct port port;
	struct netif_conf conf;
	struct counters cnt;
	struct netif *n;
	struct netif_rx rx;
	uint64_t now;
	struct rte_mbuf *tx[RIG_TX_MAX];
	unsigned int nb_tx;
	unsigned int tx_limit; // what tx_via takes at most a call
} rig;

// What TCP is told by ICMP errors.
static struct {
	unsigned int calls;
	uint32_t seq, mtu;
	uint16_t lport, rport;
	bool hard;
	struct ipaddr local, remote;
} rig_told;

static inline void rig_tell(void *user, const struct ipaddr *local, uint16_t lport,
	const struct ipaddr *remote, uint16_t rport, uint32_t seq, uint32_t mtu, bool hard)
{
	rig_told.calls++;
	rig_told.local = *local;
	rig_told.remote = *remote;
	rig_told.lport = lport;
	rig_told.rport = rport;
	rig_told.seq = seq;
	rig_told.mtu = mtu;
	rig_told.hard = hard;
}

static inline struct ipaddr rig_ip6(const char *text)
{
	struct ipaddr a;

	assert_int_equal(inet_pton(AF_INET6, text, a.b), 1);
	return a;
}

static uint16_t rig_tx(void *user, struct rte_mbuf **pkts, uint16_t n)
{
	n = (uint16_t)RTE_MIN(n, rig.tx_limit);
	assert_true(rig.nb_tx + n <= RIG_TX_MAX);
	memcpy(rig.tx + rig.nb_tx, pkts, n * sizeof(*pkts));
	rig.nb_tx += n;
	return n;
}

static inline void rig_conf(void)
{
	memset(&rig, 0, sizeof(rig));
	memcpy(rig.port.mac.addr_bytes, mac_us, 6);
	rig.port.mtu = 1500;
	rig.port.nb_workers = 1;
	rig.conf.port = &rig.port;
	rig.conf.access = true;
	rig.conf.addr4 = htonl(IP_US);
	rig.conf.plen4 = 24;
	rig.conf.gw4 = htonl(IP_GW);
	rig.conf.has6 = true;
	rig.conf.addr6 = rig_ip6("2001:db8::1");
	rig.conf.gw6 = rig_ip6("2001:db8::fe");
	rig.conf.plen6 = 64;
	rig.conf.max_neighbours = 64;
	rig.conf.icmp_per_second = 100;
	rig.conf.pool = net_pool;
	rig.conf.counters = &rig.cnt;
	rig.conf.tx_via = rig_tx;
	rig.now = 100 * S;
	rig.tx_limit = RIG_TX_MAX;
}

static inline void rig_start(void)
{
	rig.n = netif_create(&rig.conf, rig.now);
	assert_non_null(rig.n);
}

static inline int rig_setup(void **state)
{
	rig_conf();
	rig_start();
	return 0;
}

static inline void rig_free_tx(void)
{
	while (rig.nb_tx)
		rte_pktmbuf_free(rig.tx[--rig.nb_tx]);
}

static inline void rig_free_rx(void)
{
	rte_pktmbuf_free_bulk(rig.rx.tcp, rig.rx.nb_tcp);
	rte_pktmbuf_free_bulk(rig.rx.ip, rig.rx.nb_ip);
	rte_pktmbuf_free_bulk(rig.rx.ip6, rig.rx.nb_ip6);
	rte_pktmbuf_free_bulk(rig.rx.learn, rig.rx.nb_learn);
	memset(&rig.rx, 0, sizeof(rig.rx));
}

// Nothing may be left anywhere.
static inline int rig_teardown(void **state)
{
	rig_free_rx();
	rig_free_tx();
	netif_destroy(rig.n);
	rig.n = NULL;
	net_assert_pool_full();
	return 0;
}

// Receive one frame; what it brought is in rig.rx and, flushed, in rig.tx.
static inline void rig_input(const void *frame, size_t n)
{
	struct rte_mbuf *m = net_mbuf(frame, n);

	rig_free_rx();
	netif_input(rig.n, &m, 1, rig.now, true, &rig.rx);
	netif_flush(rig.n);
}

static inline void rig_output(struct rte_mbuf *m)
{
	netif_output(rig.n, &m, 1, rig.now);
	netif_flush(rig.n);
}

// Let time pass in ticks of 10 ms.
static inline void rig_pass(uint64_t us)
{
	uint64_t end = rig.now + us;

	while (rig.now < end) {
		rig.now += RTE_MIN(UINT64_C(10000), end - rig.now);
		netif_tick(rig.n, rig.now);
	}
	netif_flush(rig.n);
}

// The one frame transmitted since last asked, which the caller frees.
static inline struct rte_mbuf *rig_sent(void)
{
	assert_int_equal(rig.nb_tx, 1);
	rig.nb_tx = 0;
	return rig.tx[0];
}

static inline void rig_expect_sent(const void *frame, size_t n)
{
	struct rte_mbuf *m = rig_sent();

	net_assert_bytes(m, frame, n);
	rte_pktmbuf_free(m);
}

static inline size_t rig_eth(uint8_t *p, const uint8_t *dst, const uint8_t *src, uint16_t type)
{
	memcpy(p, dst, 6);
	memcpy(p + 6, src, 6);
	net_put16(p + 12, type);
	return 14;
}

// An ARP frame of 42 bytes.
static inline size_t rig_arp(uint8_t *p, const uint8_t *dst, uint16_t op, const uint8_t *sha,
	uint32_t spa, const uint8_t *tha, uint32_t tpa)
{
	static const uint8_t head[] = {0, 1, 8, 0, 6, 4};

	rig_eth(p, dst, sha, 0x0806);
	memcpy(p + 14, head, 6);
	net_put16(p + 20, op);
	memcpy(p + 22, sha, 6);
	net_put32(p + 28, spa);
	memset(p + 32, 0, 6);
	if (tha)
		memcpy(p + 32, tha, 6);
	net_put32(p + 38, tpa);
	return 42;
}

// The host answers a question for its address.
static inline void rig_arp_reply(uint32_t spa, const uint8_t *sha)
{
	uint8_t f[42];

	rig_input(f, rig_arp(f, mac_us, 2, sha, spa, mac_us, IP_US));
}

// An L3 packet of ours: UDP-like, payload bytes.
static inline struct rte_mbuf *rig_packet(uint32_t dst, uint16_t payload)
{
	uint8_t p[2300] = {0};
	size_t n = net_ip4(p, 17, IP_US, dst, payload, NULL, 0);

	return net_mbuf(p, n + payload);
}

// An IPv4 frame from the host to us with this payload. Returns its length.
static inline size_t rig_frame4(
	uint8_t *f, uint8_t proto, uint32_t dst, const void *payload, uint16_t n)
{
	size_t at = rig_eth(f, mac_us, mac_host, 0x0800);

	at += net_ip4(f + at, proto, IP_HOST, dst, n, NULL, 0);
	if (n)
		memcpy(f + at, payload, n);
	return at + n;
}

// An IPv6 frame with this payload, first header and hop limit.
static inline size_t rig_frame6(uint8_t *f, const uint8_t *dmac, uint8_t next, uint8_t hops,
	const char *src, const char *dst, const void *payload, uint16_t n)
{
	struct ipaddr s = rig_ip6(src), d = rig_ip6(dst);
	size_t at = rig_eth(f, dmac, mac_host, 0x86dd);

	memset(f + at, 0, 40);
	f[at] = 0x60;
	net_put16(f + at + 4, n);
	f[at + 6] = next;
	f[at + 7] = hops;
	memcpy(f + at + 8, s.b, 16);
	memcpy(f + at + 24, d.b, 16);
	if (n)
		memcpy(f + at + 40, payload, n);
	return at + 40 + n;
}

// Set the ICMPv6 checksum of a frame whose ICMPv6 message is at offset at.
static inline void rig_fix_icmp6(uint8_t *f, size_t at, size_t len)
{
	uint16_t sum;

	memset(f + at + 2, 0, 2);
	sum = cksum_of6((const struct rte_ipv6_hdr *)(f + 14), f + at, (uint16_t)(len - at), 58);
	memcpy(f + at + 2, &sum, 2);
}

#define NETIF_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
