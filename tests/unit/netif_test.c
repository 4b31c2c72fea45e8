// SPDX-License-Identifier: BSD-3-Clause
// IPv4 side of an interface: sorting what comes in, ARP, ICMP, the transmit buffer.
#include "tests/unit/netif_rig.h"

static uint8_t frame[2300];

#define CNT(name) (rig.cnt.v[CNT_##name])

static size_t tcp_frame(uint32_t dst)
{
	static const uint8_t tcp[20] = {0x9c, 0x40, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2};

	return rig_frame4(frame, 6, dst, tcp, sizeof(tcp));
}

static void expect_nothing(void)
{
	assert_int_equal(rig.rx.nb_tcp, 0);
	assert_int_equal(rig.rx.nb_ip, 0);
	assert_int_equal(rig.nb_tx, 0);
}

static void tcp_to_us(void **state)
{
	size_t n = tcp_frame(IP_US);

	rig_input(frame, 60); // the rest is padding
	assert_int_equal(rig.rx.nb_tcp, 1);
	assert_int_equal(rig.rx.tcp[0]->data_len, 40);
	assert_int_equal(rig.rx.tcp[0]->pkt_len, 40);
	assert_int_equal(rig.rx.tcp[0]->l2_len, 0);
	assert_int_equal(rig.rx.tcp[0]->l3_len, 20);
	net_assert_bytes(rig.rx.tcp[0], frame + 14, n - 14);
	assert_int_equal(CNT(rx_access), 1);
}

static void options_and_others(void **state)
{
	static const uint8_t router_alert[] = {0x94, 4, 0, 0};
	size_t n;

	n = rig_eth(frame, mac_us, mac_host, 0x0800);
	n += net_ip4(frame + n, 6, IP_HOST, IP_US, 20, router_alert, 4);
	memset(frame + n, 0, 20);
	rig_input(frame, n + 20);
	assert_int_equal(rig.rx.nb_tcp, 1);
	assert_int_equal(rig.rx.tcp[0]->l3_len, 24);
	rig_input(frame, tcp_frame(0x0a000005)); // to forward
	assert_int_equal(rig.rx.nb_ip, 1);
	assert_int_equal(rig.rx.nb_tcp, 0);
	net_put16(frame + 20, 0x2000); // a fragment to others is theirs
	net_fix_ip4(frame + 14);
	rig_input(frame, 54);
	assert_int_equal(rig.rx.nb_ip, 1);
}

static void not_ours(void **state)
{
	static const uint8_t other[6] = {2, 0, 0, 0, 0, 7};
	static const uint32_t dst[] = {0xffffffff, 0xe0000001, 0xc00002ff, 0xc0000200, 0xf0000001};
	size_t n = tcp_frame(IP_US), i;

	memcpy(frame, other, 6);
	rig_input(frame, n);
	expect_nothing();
	memcpy(frame, mac_all, 6); // link-layer broadcast of a unicast packet
	rig_input(frame, n);
	expect_nothing();
	tcp_frame(IP_US);
	net_put16(frame + 12, 0x88cc);
	rig_input(frame, n);
	expect_nothing();
	for (i = 0; i < RTE_DIM(dst); i++) {
		rig_input(frame, tcp_frame(dst[i]));
		expect_nothing();
	}
	assert_int_equal(CNT(rx_not_ours), 3 + RTE_DIM(dst));
}

static void martians(void **state)
{
	static const uint32_t src[] = {
		0, 0x7f000001, 0xe0000001, 0xffffffff, IP_US, 0xc00002ff, 0x00000001};
	size_t n = tcp_frame(IP_US), i;

	for (i = 0; i < RTE_DIM(src); i++) {
		net_put32(frame + 26, src[i]);
		net_fix_ip4(frame + 14);
		rig_input(frame, n);
		expect_nothing();
	}
	assert_int_equal(CNT(rx_ip_malformed), RTE_DIM(src));
}

static void every_truncation(void **state)
{
	size_t n = tcp_frame(IP_US), i;

	for (i = 0; i < n; i++) {
		rig_input(frame, i);
		expect_nothing();
	}
	rig_input(frame, n);
	assert_int_equal(rig.rx.nb_tcp, 1);
	n = rig_arp(frame, mac_all, 1, mac_host, IP_HOST, NULL, IP_US);
	for (i = 0; i < n; i++) {
		rig_input(frame, i);
		expect_nothing();
	}
	rig_input(frame, n);
	assert_int_equal(rig.nb_tx, 1);
}

static void fragments_to_us(void **state)
{
	static const uint16_t bits[] = {0x2000, 1, 0x2001, 0x1fff};
	size_t n = tcp_frame(IP_US), i;

	for (i = 0; i < RTE_DIM(bits); i++) {
		net_put16(frame + 20, bits[i]);
		net_fix_ip4(frame + 14);
		rig_input(frame, n);
		expect_nothing();
	}
	assert_int_equal(CNT(rx_ip_fragment), RTE_DIM(bits));
	net_put16(frame + 20, 0x4000); // DF alone is none
	net_fix_ip4(frame + 14);
	rig_input(frame, n);
	assert_int_equal(rig.rx.nb_tcp, 1);
}

static size_t tag(size_t n, uint16_t tci)
{
	memmove(frame + 16, frame + 12, n - 12);
	net_put16(frame + 12, 0x8100);
	net_put16(frame + 14, tci);
	return n + 4;
}

static void vlan(void **state)
{
	struct rte_mbuf *m;
	size_t n;

	rig_input(frame, tag(tcp_frame(IP_US), 7)); // we are untagged
	expect_nothing();
	rig_input(frame, tag(tcp_frame(IP_US), 0xe000)); // priority only
	assert_int_equal(rig.rx.nb_tcp, 1);
	rig_teardown(NULL);
	rig_conf();
	rig.conf.vlan = 7;
	rig_start();
	rig_input(frame, tcp_frame(IP_US));
	expect_nothing();
	rig_input(frame, tag(tcp_frame(IP_US), 8));
	expect_nothing();
	rig_input(frame, 17); // the tag is cut off
	expect_nothing();
	rig_input(frame, tag(tcp_frame(IP_US), 0x2007));
	assert_int_equal(rig.rx.nb_tcp, 1);
	assert_int_equal(rig.rx.tcp[0]->data_len, 40);
	n = tcp_frame(IP_US); // the driver took the tag out
	m = net_mbuf(frame, n);
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = 7;
	rig_free_rx();
	netif_input(rig.n, &m, 1, rig.now, true, &rig.rx);
	assert_int_equal(rig.rx.nb_tcp, 1);
	n = tag(rig_arp(frame, mac_all, 1, mac_host, IP_HOST, NULL, IP_US), 7);
	rig_input(frame, n);
	n = tag(rig_arp(frame, mac_host, 2, mac_us, IP_US, mac_host, IP_HOST), 7);
	rig_expect_sent(frame, n);
}

static bool proxied(void *user, rte_be32_t addr)
{
	return addr == htonl(0xc0000263);
}

static void arp_requests(void **state)
{
	static const uint8_t want[42] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4,
		0, 2, 2, 0, 0, 0, 0, 1, 192, 0, 2, 1, 2, 0, 0, 0, 0, 2, 192, 0, 2, 2};

	rig_input(frame, rig_arp(frame, mac_all, 1, mac_host, IP_HOST, NULL, IP_US));
	rig_expect_sent(want, sizeof(want));
	assert_int_equal(rig.rx.nb_learn, 1);
	rig_input(frame, rig_arp(frame, mac_all, 1, mac_host, IP_HOST, NULL, 0xc0000263));
	expect_nothing();
	rig.n->c.proxy_arp = proxied;
	rig_input(frame, rig_arp(frame, mac_all, 1, mac_host, IP_HOST, NULL, 0xc0000263));
	rig_expect_sent(frame, rig_arp(frame, mac_host, 2, mac_us, 0xc0000263, mac_host, IP_HOST));
	rig_input(frame, rig_arp(frame, mac_all, 1, mac_host, IP_HOST, NULL, 0xc0000262));
	expect_nothing();
	// Gratuitous, for a proxied address: not ours to answer.
	rig_input(frame, rig_arp(frame, mac_all, 1, mac_host, 0xc0000263, NULL, 0xc0000263));
	expect_nothing();
	// Somebody asks whether the address is free (RFC 5227): it is not.
	rig_input(frame, rig_arp(frame, mac_all, 1, mac_host, 0, NULL, IP_US));
	rig_expect_sent(frame, rig_arp(frame, mac_host, 2, mac_us, IP_US, mac_host, 0));
}

// A host asks with an address of another interface of its own, as Linux does for packets that have
// it as their source: it is answered, and nothing is learned. Its answers and requests for others
// are nothing to us.
static void arp_from_another_subnet(void **state)
{
	uint32_t before = netif_neighbours(rig.n);

	rig_input(frame, rig_arp(frame, mac_all, 1, mac_host, 0x0a000001, NULL, IP_US));
	rig_expect_sent(frame, rig_arp(frame, mac_host, 2, mac_us, IP_US, mac_host, 0x0a000001));
	assert_int_equal(rig.rx.nb_learn, 0);
	rig_input(frame, rig_arp(frame, mac_us, 2, mac_host, 0x0a000001, mac_us, IP_US));
	expect_nothing();
	rig_input(frame, rig_arp(frame, mac_all, 1, mac_host, 0x0a000001, NULL, IP_HOST));
	expect_nothing();
	assert_int_equal(netif_neighbours(rig.n), before);
}

static void arp_malformed(void **state)
{
	static const struct {
		uint8_t at, value;
	} bad[] = {{15, 2}, {16, 9}, {18, 7}, {19, 5}, {21, 0}, {21, 3}, {22, 3}};
	size_t n, i;

	for (i = 0; i < RTE_DIM(bad); i++) {
		n = rig_arp(frame, mac_all, 1, mac_host, IP_HOST, NULL, IP_US);
		frame[bad[i].at] = bad[i].value;
		rig_input(frame, n);
		expect_nothing();
		assert_int_equal(rig.rx.nb_learn, 0);
	}
	assert_int_equal(CNT(rx_ip_malformed), RTE_DIM(bad));
	assert_int_equal(netif_neighbours(rig.n), 2);
}

static void conflict_is_defended_once_in_ten_seconds(void **state)
{
	size_t n = rig_arp(frame, mac_all, 1, mac_host, IP_US, NULL, IP_US);
	uint8_t want[42];

	rig_arp(want, mac_all, 1, mac_us, IP_US, NULL, IP_US);
	rig_input(frame, n);
	rig_expect_sent(want, 42);
	rig_input(frame, n);
	expect_nothing();
	rig_pass(10 * S);
	rig_input(frame, n);
	rig_expect_sent(want, 42);
	assert_int_equal(CNT(address_conflict), 3);
	rig_input(want, 42); // our own come back is no conflict
	expect_nothing();
	assert_int_equal(CNT(address_conflict), 3);
}

static void announce(void **state)
{
	static const uint8_t all_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};
	uint8_t want[42];

	netif_announce(rig.n, rig.now);
	netif_flush(rig.n);
	assert_int_equal(rig.nb_tx, 6); // ARP, MLD report, two NAs, a question for each gateway
	net_assert_bytes(rig.tx[0], want, rig_arp(want, mac_all, 1, mac_us, IP_US, NULL, IP_US));
	assert_memory_equal(rte_pktmbuf_mtod(rig.tx[2], void *), all_nodes, 6);
	net_assert_bytes(rig.tx[4], want, rig_arp(want, mac_all, 1, mac_us, IP_US, NULL, IP_GW));
}

// Make the host known, so that answers to it go out at once.
static void know_host(void)
{
	rig_input(frame, rig_arp(frame, mac_all, 1, mac_host, IP_HOST, NULL, IP_US));
	rig_free_tx();
}

static size_t echo_frame(uint32_t dst)
{
	uint8_t icmp[32] = {8, 0, 0, 0, 0x12, 0x34, 0, 1, 'p', 'i', 'n', 'g'};
	uint16_t sum = cksum_of(icmp, sizeof(icmp));

	memcpy(icmp + 2, &sum, 2);
	return rig_frame4(frame, 1, dst, icmp, sizeof(icmp));
}

static void echo(void **state)
{
	struct rte_mbuf *m;
	size_t n;

	know_host();
	rig_input(frame, echo_frame(IP_US));
	m = rig_sent();
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), mac_host, 6);
	assert_int_equal(m->data_len, 14 + 20 + 32);
	rte_pktmbuf_adj(m, 14);
	assert_true(net_ip4_ok(rte_pktmbuf_mtod(m, uint8_t *)));
	assert_int_equal(*rte_pktmbuf_mtod_offset(m, uint8_t *, 20), 0);
	assert_int_equal(cksum_of(rte_pktmbuf_mtod_offset(m, void *, 20), 32), 0);
	rte_pktmbuf_free(m);
	n = echo_frame(IP_US);
	frame[50] ^= 1;
	rig_input(frame, n);
	expect_nothing();
	rig_input(frame, echo_frame(0xc00002ff));
	expect_nothing();
	assert_int_equal(CNT(icmp_rx), 2);
	assert_int_equal(CNT(icmp_tx), 1);
}

static void expect_unreachable(uint8_t code)
{
	struct rte_mbuf *m = rig_sent();
	const uint8_t *p = rte_pktmbuf_mtod_offset(m, const uint8_t *, 14);

	assert_int_equal(p[9], 1);
	assert_int_equal(p[20], 3);
	assert_int_equal(p[21], code);
	assert_memory_equal(p + 28, frame + 14, m->data_len - 14 - 28);
	rte_pktmbuf_free(m);
}

static void nothing_serves_it(void **state)
{
	static const uint8_t udp[8] = {0, 53, 0, 53, 0, 8};
	size_t i;

	know_host();
	rig_input(frame, rig_frame4(frame, 17, IP_US, udp, 8));
	expect_unreachable(3);
	rig_input(frame, rig_frame4(frame, 47, IP_US, udp, 8));
	expect_unreachable(2);
	assert_int_equal(CNT(rx_no_protocol), 2);
	for (i = 0; i < 50; i++) // rate limit: a tenth of a second's worth at once
		rig_input(frame, rig_frame4(frame, 17, IP_US, udp, 8));
	assert_int_equal(rig.nb_tx, 8);
	assert_int_equal(CNT(icmp_rate_limited), 42);
	rig_free_tx();
	rig_pass(20000); // two more
	for (i = 0; i < 5; i++)
		rig_input(frame, rig_frame4(frame, 17, IP_US, udp, 8));
	assert_int_equal(rig.nb_tx, 2);
	rig_free_tx();
	rig_pass(S);
	rig.n->c.access = false; // no TCP on the core port
	rig_input(frame, tcp_frame(IP_US));
	expect_unreachable(3);
}

// An error from the host about a segment of ours to 203.0.113.5.
static size_t error_frame(uint8_t type, uint8_t code, uint16_t mtu, uint16_t quoted)
{
	uint8_t icmp[8 + 20 + 20] = {type, code};
	uint16_t sum;

	net_put16(icmp + 6, mtu);
	net_ip4(icmp + 8, 6, IP_US, 0xcb007105, 1480, NULL, 0);
	net_put16(icmp + 28, 443);
	net_put16(icmp + 30, 50000);
	net_put32(icmp + 32, 0xfffffff0);
	sum = cksum_of(icmp, 8u + quoted);
	memcpy(icmp + 2, &sum, 2);
	return rig_frame4(frame, 1, IP_US, icmp, (uint16_t)(8 + quoted));
}

static void expect_told(uint32_t mtu, bool hard)
{
	assert_int_equal(rig_told.calls, 1);
	assert_int_equal(rig_told.mtu, mtu);
	assert_int_equal(rig_told.hard, hard);
	rig_told.calls = 0;
}

static void errors_about_our_segments(void **state)
{
	struct ipaddr us = ipaddr_from4(htonl(IP_US)), far = ipaddr_from4(htonl(0xcb007105));
	uint16_t n, i;

	netif_on_icmp_error(rig.n, rig_tell, NULL);
	rig_input(frame, error_frame(3, 4, 1400, 28));
	assert_true(ipaddr_equal(&rig_told.local, &us));
	assert_true(ipaddr_equal(&rig_told.remote, &far));
	assert_int_equal(rig_told.lport, 443);
	assert_int_equal(rig_told.rport, 50000);
	assert_int_equal(rig_told.seq, 0xfffffff0);
	expect_told(1400, false);
	rig_input(frame, error_frame(3, 4, 0, 40)); // a router of before RFC 1191: 1500 bytes sent
	expect_told(1492, false);
	rig_input(frame, error_frame(3, 4, 10, 28));
	expect_told(68, false);
	rig_input(frame, error_frame(3, 3, 9, 28));
	expect_told(0, true);
	rig_input(frame, error_frame(3, 2, 0, 28));
	expect_told(0, true);
	rig_input(frame, error_frame(3, 1, 0, 28));
	expect_told(0, false);
	rig_input(frame, error_frame(11, 0, 0, 28));
	expect_told(0, false);
	for (i = 0; i < 28; i++) // quoted too short
		rig_input(frame, error_frame(3, 3, 0, i));
	rig_input(frame, error_frame(5, 0, 0, 28)); // a redirect
	rig_input(frame, error_frame(4, 0, 0, 28)); // source quench
	n = (uint16_t)error_frame(3, 3, 0, 28);
	frame[30 + 14] ^= 1; // checksum
	rig_input(frame, n);
	assert_int_equal(rig_told.calls, 0);
	assert_int_equal(rig.nb_tx, 0);
}

static void errors_about_others(void **state)
{
	static const struct {
		uint8_t at, value; // in the quoted header
	} change[] = {{0, 0x44}, {0, 0x65}, {7, 1}, {9, 17}, {15, 9}};
	uint8_t *icmp = frame + 34;
	uint16_t sum;
	size_t i, n;

	netif_on_icmp_error(rig.n, rig_tell, NULL);
	rig_told.calls = 0;
	for (i = 0; i < RTE_DIM(change); i++) {
		n = error_frame(3, 3, 0, 40);
		icmp[8 + change[i].at] = change[i].value;
		memset(icmp + 2, 0, 2);
		sum = cksum_of(icmp, n - 34);
		memcpy(icmp + 2, &sum, 2);
		rig_input(frame, n);
	}
	assert_int_equal(rig_told.calls, 0);
}

static void other_workers_learn(void **state)
{
	struct netif *other = netif_create(&rig.conf, rig.now);
	struct rte_mbuf *m = rig_packet(IP_HOST, 10), *seen;
	uint8_t before[42];

	netif_output(other, &m, 1, rig.now); // the other worker asks
	netif_flush(other);
	rig_free_tx();
	rig_arp_reply(IP_HOST, mac_host); // the answer comes to this one
	assert_int_equal(rig.rx.nb_learn, 1);
	seen = rig.rx.learn[0];
	net_assert_bytes(seen, frame, rig_arp(frame, mac_us, 2, mac_host, IP_HOST, mac_us, IP_US));
	memcpy(before, rte_pktmbuf_mtod(seen, void *), 42);
	rte_mbuf_refcnt_update(seen, 1);
	netif_learn(other, seen, rig.now);
	net_assert_bytes(seen, before, 42);
	assert_int_equal(rte_mbuf_refcnt_read(seen), 1);
	netif_flush(other);
	assert_int_equal(rig.nb_tx, 1); // what waited went out
	assert_memory_equal(rte_pktmbuf_mtod(rig.tx[0], void *), mac_host, 6);
	rig_free_tx();
	// A question that reaches another worker is not answered twice.
	m = net_mbuf(frame, rig_arp(frame, mac_all, 1, mac_host, IP_HOST, NULL, IP_US));
	netif_learn(other, m, rig.now);
	netif_flush(other);
	assert_int_equal(rig.nb_tx, 0);
	netif_destroy(other);
}

static void transmit_buffer(void **state)
{
	unsigned int i;

	know_host();
	for (i = 0; i < NETIF_TX_BUFFER; i++) {
		struct rte_mbuf *m = rig_packet(IP_HOST, 10);

		assert_int_equal(rig.nb_tx, 0);
		assert_int_equal(netif_held(rig.n), i);
		netif_output(rig.n, &m, 1, rig.now);
	}
	assert_int_equal(rig.nb_tx, NETIF_TX_BUFFER); // full: flushed by itself
	rig_free_tx();
	rig.tx_limit = 1; // a slow queue takes 1 frame a call: all go out
	for (i = 0; i < 20; i++) {
		struct rte_mbuf *m = rig_packet(IP_HOST, 10);

		netif_output(rig.n, &m, 1, rig.now);
	}
	netif_flush(rig.n);
	assert_int_equal(rig.nb_tx, 20);
	rig_free_tx();
	rig.tx_limit = 0; // a full one: dropped, in bounded time
	rig_output(rig_packet(IP_HOST, 10));
	assert_int_equal(CNT(tx_full), 1);
	assert_int_equal(netif_held(rig.n), 0);
}

static void frames_of_others(void **state)
{
	struct rte_mbuf *m = net_mbuf(frame, tcp_frame(IP_HOST));

	netif_output_frames(rig.n, &m, 1);
	netif_flush(rig.n);
	rig_expect_sent(frame, 54);
}

static void packets_that_cannot_go(void **state)
{
	struct rte_mbuf *m;

	know_host();
	rig_output(rig_packet(IP_HOST, 1481));
	assert_int_equal(CNT(tx_too_big), 1);
	rig_output(rig_packet(IP_HOST, 1480));
	assert_int_equal(rig.nb_tx, 1);
	rig_free_tx();
	m = rig_packet(IP_HOST, 10);
	rte_pktmbuf_prepend(m, rte_pktmbuf_headroom(m) - 13);
	memmove(rte_pktmbuf_mtod(m, char *), rte_pktmbuf_mtod_offset(m, char *, 128 - 13), 30);
	m->data_len = 30;
	m->pkt_len = 30;
	rig_output(m);
	assert_int_equal(CNT(tx_no_headroom), 1);
	m = rig_packet(IP_HOST, 10);
	*rte_pktmbuf_mtod(m, uint8_t *) = 0x55;
	rig_output(m);
	m = rig_packet(IP_HOST, 10);
	m->data_len = 19;
	m->pkt_len = 19;
	rig_output(m);
	assert_int_equal(CNT(tx_no_route), 2);
	assert_int_equal(rig.nb_tx, 0);
}

// net_af_xdp computes an attached mbuf's address wrongly.
static void indirect_is_copied_where_needed(void **state)
{
	struct rte_mbuf *m = rig_packet(IP_HOST, 10), *clone;

	know_host();
	rig.n->no_indirect = true;
	clone = rte_pktmbuf_clone(m, net_pool);
	assert_false(RTE_MBUF_DIRECT(clone));
	rte_pktmbuf_free(m);
	rig_output(clone);
	assert_int_equal(rig.nb_tx, 1);
	assert_true(RTE_MBUF_DIRECT(rig.tx[0]));
	assert_int_equal(rig.tx[0]->data_len, 44);
}

// A frame that goes through another worker must not be TCP's as well: two threads would write it.
static void shared_is_copied_for_others(void **state)
{
	struct rte_mbuf *m = rig_packet(IP_HOST, 10);

	know_host();
	rte_mbuf_refcnt_update(m, 1);
	rig_output(m);
	assert_int_equal(rig.nb_tx, 1);
	assert_ptr_not_equal(rig.tx[0], m);
	assert_int_equal(rte_mbuf_refcnt_read(rig.tx[0]), 1);
	assert_int_equal(rte_mbuf_refcnt_read(m), 1);
	assert_int_equal(rig.tx[0]->data_len, 44);
	rte_pktmbuf_free(m);
}

static void no_mbufs_left(void **state)
{
	static struct rte_mbuf *held[NET_POOL_SIZE];
	unsigned int n;

	know_host();
	rig_free_rx();
	for (n = 0; n < NET_POOL_SIZE - 1; n++) {
		held[n] = rte_pktmbuf_alloc(net_pool);
		assert_non_null(held[n]);
	}
	rig_input(frame, rig_arp(frame, mac_all, 1, mac_host, IP_HOST, NULL, IP_US));
	assert_int_equal(rig.nb_tx, 0);
	assert_int_equal(CNT(mbuf_alloc_failed), 1);
	rig_free_rx();
	rig_input(frame, echo_frame(IP_US)); // in place: works all the same
	assert_int_equal(rig.nb_tx, 1);
	rte_pktmbuf_free_bulk(held, n);
}

static void bad_configuration(void **state)
{
	struct netif_conf c = rig.conf;

	c.plen4 = 33;
	assert_null(netif_create(&c, 0));
	c = rig.conf;
	c.vlan = 4095;
	assert_null(netif_create(&c, 0));
	c = rig.conf;
	c.pool = NULL;
	assert_null(netif_create(&c, 0));
	netif_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {NETIF_TEST(tcp_to_us), NETIF_TEST(options_and_others),
		NETIF_TEST(not_ours), NETIF_TEST(martians), NETIF_TEST(every_truncation),
		NETIF_TEST(fragments_to_us), NETIF_TEST(vlan), NETIF_TEST(arp_requests),
		NETIF_TEST(arp_from_another_subnet), NETIF_TEST(arp_malformed),
		NETIF_TEST(conflict_is_defended_once_in_ten_seconds), NETIF_TEST(announce),
		NETIF_TEST(echo), NETIF_TEST(nothing_serves_it),
		NETIF_TEST(errors_about_our_segments), NETIF_TEST(errors_about_others),
		NETIF_TEST(other_workers_learn), NETIF_TEST(transmit_buffer),
		NETIF_TEST(frames_of_others), NETIF_TEST(packets_that_cannot_go),
		NETIF_TEST(indirect_is_copied_where_needed),
		NETIF_TEST(shared_is_copied_for_others), NETIF_TEST(no_mbufs_left),
		NETIF_TEST(bad_configuration)};

	net_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
