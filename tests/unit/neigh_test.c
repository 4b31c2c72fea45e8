// SPDX-License-Identifier: BSD-3-Clause
// Neighbours over IPv4: resolution, unreachability detection, and a table that cannot be exhausted.
#include "tests/unit/netif_rig.h"

static struct neigh *find(uint32_t addr)
{
	struct ipaddr a = ipaddr_from4(htonl(addr));

	return neigh_find(&rig.n->neigh, &a);
}

static void expect_request(uint32_t addr, const uint8_t *dst)
{
	uint8_t f[42];

	rig_expect_sent(f, rig_arp(f, dst, 1, mac_us, IP_US, NULL, addr));
}

static void expect_packet(const uint8_t *dst, struct rte_mbuf *m, uint32_t to, uint16_t payload)
{
	struct rte_mbuf *want = rig_packet(to, payload);
	uint8_t eth[14];

	rig_eth(eth, dst, mac_us, 0x0800);
	assert_int_equal(m->data_len, 14 + want->data_len);
	assert_int_equal(m->l2_len, 14);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), eth, 14);
	assert_memory_equal(rte_pktmbuf_mtod_offset(m, void *, 14), rte_pktmbuf_mtod(want, void *),
		want->data_len);
	rte_pktmbuf_free(want);
}

// Resolve the host, so that tests can start from REACHABLE.
static void reach_host(void)
{
	rig_output(rig_packet(IP_HOST, 1));
	rig_free_tx();
	rig_arp_reply(IP_HOST, mac_host);
	rig_free_tx();
	assert_int_equal(find(IP_HOST)->state, NEIGH_REACHABLE);
}

static void first_packet_waits_for_the_answer(void **state)
{
	rig_output(rig_packet(IP_HOST, 10));
	expect_request(IP_HOST, mac_all);
	assert_int_equal(find(IP_HOST)->state, NEIGH_INCOMPLETE);
	assert_int_equal(netif_held(rig.n), 1);
	rig_output(rig_packet(IP_HOST, 11)); // asks only once
	assert_int_equal(rig.nb_tx, 0);
	rig_arp_reply(IP_HOST, mac_host);
	assert_int_equal(rig.nb_tx, 2);
	expect_packet(mac_host, rig.tx[0], IP_HOST, 10);
	expect_packet(mac_host, rig.tx[1], IP_HOST, 11);
	assert_int_equal(netif_held(rig.n), 0);
	rig_free_tx();
	rig_output(rig_packet(IP_HOST, 12));
	assert_int_equal(rig.nb_tx, 1);
	expect_packet(mac_host, rig.tx[0], IP_HOST, 12);
	assert_int_equal(find(IP_HOST)->state, NEIGH_REACHABLE);
}

static void off_link_goes_to_the_gateway(void **state)
{
	static const uint8_t mac_gw[6] = {2, 0, 0, 0, 0, 9};

	rig_output(rig_packet(0x08080808, 10));
	expect_request(IP_GW, mac_all);
	rig_arp_reply(IP_GW, mac_gw);
	expect_packet(mac_gw, rig.tx[0], 0x08080808, 10);
}

static void no_route(void **state)
{
	static const uint32_t to[] = {
		IP_US, 0xc0000200, 0xc00002ff, 0xffffffff, 0xe0000001, 0x7f000001, 0};
	unsigned int i;

	for (i = 0; i < RTE_DIM(to); i++)
		rig_output(rig_packet(to[i], 10));
	assert_int_equal(rig.cnt.v[CNT_tx_no_route], RTE_DIM(to));
	rig_teardown(NULL);
	rig_conf();
	rig.conf.gw4 = 0;
	rig_start();
	rig_output(rig_packet(0x08080808, 10));
	assert_int_equal(rig.cnt.v[CNT_tx_no_route], 1);
	assert_int_equal(rig.nb_tx, 0);
}

static void no_answer_three_times(void **state)
{
	unsigned int i;

	rig_output(rig_packet(IP_HOST, 10));
	for (i = 0; i < 2; i++) {
		expect_request(IP_HOST, mac_all);
		rig_pass(S);
	}
	expect_request(IP_HOST, mac_all);
	assert_int_equal(netif_held(rig.n), 1);
	rig_pass(S);
	assert_int_equal(rig.nb_tx, 0);
	assert_null(find(IP_HOST));
	assert_int_equal(netif_held(rig.n), 0);
	assert_int_equal(rig.cnt.v[CNT_neigh_unreachable], 1);
	// The gateway stays in the table and is asked again by the next packet.
	rig_output(rig_packet(0x08080808, 10));
	rig_pass(4 * S);
	rig_free_tx();
	assert_int_equal(find(IP_GW)->state, NEIGH_NONE);
	rig_output(rig_packet(0x08080808, 10));
	expect_request(IP_GW, mac_all);
}

static void queue_keeps_the_newest(void **state)
{
	uint16_t i;

	for (i = 0; i < NEIGH_HELD + 5; i++)
		rig_output(rig_packet(IP_HOST, (uint16_t)(10 + i)));
	assert_int_equal(netif_held(rig.n), NEIGH_HELD);
	assert_int_equal(rig.cnt.v[CNT_neigh_queue_drop], 5);
	rig_free_tx();
	rig_arp_reply(IP_HOST, mac_host);
	assert_int_equal(rig.nb_tx, NEIGH_HELD);
	for (i = 0; i < NEIGH_HELD; i++)
		expect_packet(mac_host, rig.tx[i], IP_HOST, (uint16_t)(15 + i));
}

// TCP may send a segment again while its first copy still waits here.
static void held_packets_are_ours_alone(void **state)
{
	struct rte_mbuf *m = rig_packet(IP_HOST, 10);

	rte_mbuf_refcnt_update(m, 2);
	rig_output(m);
	rig_output(m);
	assert_int_equal(rte_mbuf_refcnt_read(m), 1);
	assert_int_equal(m->data_len, 30);
	rig_free_tx();
	rig_arp_reply(IP_HOST, mac_host);
	assert_int_equal(rig.nb_tx, 2);
	expect_packet(mac_host, rig.tx[0], IP_HOST, 10);
	expect_packet(mac_host, rig.tx[1], IP_HOST, 10);
	rte_pktmbuf_free(m);
}

static void silent_neighbour_is_probed_and_forgotten(void **state)
{
	unsigned int i;

	reach_host();
	rig_pass(46 * S); // longer than any REACHABLE_TIME
	rig_output(rig_packet(IP_HOST, 10));
	assert_int_equal(find(IP_HOST)->state, NEIGH_DELAY);
	expect_packet(mac_host, rig.tx[0], IP_HOST, 10); // sent as before
	rig_free_tx();
	rig_pass(5 * S);
	assert_int_equal(find(IP_HOST)->state, NEIGH_PROBE);
	for (i = 0; i < 3; i++) {
		expect_request(IP_HOST, mac_host); // unicast
		rig_output(rig_packet(IP_HOST, 11));
		expect_packet(mac_host, rig.tx[0], IP_HOST, 11);
		rig_free_tx();
		rig_pass(S);
	}
	assert_null(find(IP_HOST));
	assert_int_equal(rig.nb_tx, 0);
	rig_output(rig_packet(IP_HOST, 10)); // starts anew
	expect_request(IP_HOST, mac_all);
}

static void probe_answered(void **state)
{
	reach_host();
	rig_pass(46 * S);
	rig_output(rig_packet(IP_HOST, 10));
	rig_pass(5 * S);
	rig_free_tx();
	rig_arp_reply(IP_HOST, mac_host);
	assert_int_equal(find(IP_HOST)->state, NEIGH_REACHABLE);
	rig_pass(4 * S);
	assert_int_equal(rig.nb_tx, 0);
}

static void unused_neighbour_is_not_probed_but_forgotten(void **state)
{
	reach_host();
	rig_pass(599 * S);
	assert_non_null(find(IP_HOST));
	rig_pass(20 * S);
	assert_null(find(IP_HOST));
	assert_non_null(find(IP_GW));
	assert_int_equal(rig.nb_tx, 0);
}

static void new_mac_is_taken_and_doubted(void **state)
{
	static const uint8_t other[6] = {2, 0, 0, 0, 0, 3};
	uint8_t f[42];

	reach_host();
	// Gratuitous: another machine took the address over.
	rig_input(f, rig_arp(f, mac_all, 1, other, IP_HOST, NULL, IP_HOST));
	assert_int_equal(find(IP_HOST)->state, NEIGH_STALE);
	rig_output(rig_packet(IP_HOST, 10));
	expect_packet(other, rig.tx[0], IP_HOST, 10);
	assert_int_equal(find(IP_HOST)->state, NEIGH_DELAY);
}

static void unasked_replies_are_not_learned(void **state)
{
	rig_arp_reply(IP_HOST, mac_host);
	assert_null(find(IP_HOST));
}

static void asked_request_is_learned(void **state)
{
	uint8_t f[42];

	rig_input(f, rig_arp(f, mac_all, 1, mac_host, IP_HOST, NULL, IP_US));
	rig_free_tx();
	assert_int_equal(find(IP_HOST)->state, NEIGH_STALE);
	rig_output(rig_packet(IP_HOST, 10));
	assert_int_equal(rig.nb_tx, 1);
	expect_packet(mac_host, rig.tx[0], IP_HOST, 10);
}

// Packets to many addresses where nobody lives.
static void scan_does_not_exhaust(void **state)
{
	uint32_t i;

	rig_teardown(NULL);
	rig_conf();
	rig.conf.plen4 = 8;
	rig.conf.max_neighbours = 256;
	rig_start();
	reach_host();
	rig_output(rig_packet(0x08080808, 1)); // the gateway is being asked
	rig_free_tx();
	for (i = 0; i < 20000; i++) {
		rig_output(rig_packet(0xc0100000 + i, 10));
		rig_free_tx();
		assert_true(rig.n->neigh.nb[NEIGH_L_INCOMPLETE] <= 64);
		assert_true(netif_held(rig.n) <= NEIGH_HELD_ALL);
		if (i % 100 == 0)
			rig_pass(10000);
	}
	assert_int_equal(find(IP_HOST)->state, NEIGH_REACHABLE);
	rig_arp_reply(IP_GW, mac_host);
	rig_free_tx();
	rig_output(rig_packet(0x08080808, 2)); // after the scan the gateway still works
	assert_int_equal(rig.nb_tx, 1);
	expect_packet(mac_host, rig.tx[0], 0x08080808, 2);
	rig_free_tx();
	rig_pass(4 * S);
	rig_free_tx();
	assert_int_equal(netif_held(rig.n), 0);
	assert_int_equal(netif_neighbours(rig.n), 3); // host and two gateways
}

// Requests from made-up senders never displace neighbours in use.
static void flood_does_not_displace(void **state)
{
	uint8_t f[42], mac[6] = {2, 1, 0, 0, 0, 0};
	uint32_t i;

	rig_teardown(NULL);
	rig_conf();
	rig.conf.plen4 = 8;
	rig.conf.max_neighbours = 64;
	rig_start();
	for (i = 0; i < 40; i++) { // in use
		rig_output(rig_packet(0xc0200001 + i, 10));
		rig_free_tx();
		mac[5] = (uint8_t)i;
		rig_arp_reply(0xc0200001 + i, mac);
		rig_free_tx();
	}
	for (i = 0; i < 20000; i++) {
		net_put32(mac + 2, i);
		rig_input(f, rig_arp(f, mac_all, 1, mac, 0xc0300000 + i + 1, NULL, IP_US));
		assert_int_equal(rig.nb_tx, 1); // each is answered
		rig_free_tx();
		assert_true(netif_neighbours(rig.n) <= 64);
	}
	for (i = 0; i < 40; i++)
		assert_int_equal(find(0xc0200001 + i)->state, NEIGH_REACHABLE);
	// Neighbours to be used displace the made-up ones.
	for (i = 0; i < 20; i++) {
		rig_output(rig_packet(0xc0400001 + i, 10));
		rig_free_tx();
		rig_arp_reply(0xc0400001 + i, mac_host);
		rig_free_tx();
		assert_int_equal(find(0xc0400001 + i)->state, NEIGH_REACHABLE);
	}
	for (i = 0; i < 40; i++)
		assert_non_null(find(0xc0200001 + i));
}

// More neighbours in use than the table holds: the least recently used go, and come back.
static void table_full_of_used_ones(void **state)
{
	uint32_t i;

	rig_teardown(NULL);
	rig_conf();
	rig.conf.plen4 = 8;
	rig.conf.max_neighbours = 32;
	rig_start();
	for (i = 0; i < 200; i++) {
		rig_output(rig_packet(0xc0200001 + i, 10));
		rig_free_tx();
		rig_arp_reply(0xc0200001 + i, mac_host);
		assert_int_equal(rig.nb_tx, 1);
		rig_free_tx();
		assert_int_equal(find(0xc0200001 + i)->state, NEIGH_REACHABLE);
		if (i > 40 && i % 10 == 0) { // one that is used all the time stays
			assert_non_null(find(0xc0200001 + 40));
		}
		if (i >= 40)
			rig_output(rig_packet(0xc0200001 + 40, 10));
		rig_free_tx();
		rig_pass(2 * S);
		rig_free_tx();
		rig_arp_reply(0xc0200001 + 40, mac_host);
		rig_free_tx();
	}
	assert_non_null(find(IP_GW));
	assert_true(netif_neighbours(rig.n) <= 32);
}

// Nothing but neighbours in use: who only speaks to us is not learned, yet answered.
static void strangers_wait_for_room(void **state)
{
	uint8_t f[42], mac[6] = {2, 1, 0, 0, 0, 0};
	uint32_t i;

	for (i = 0; netif_neighbours(rig.n) < 64; i++) {
		rig_output(rig_packet(0xc0000203 + i, 10));
		rig_free_tx();
		rig_arp_reply(0xc0000203 + i, mac_host);
		rig_free_tx();
	}
	rig_pass(10 * S);
	rig_free_tx();
	for (i = 0; i < 20; i++) {
		mac[5] = (uint8_t)i;
		rig_input(f, rig_arp(f, mac_all, 1, mac, 0xc0000280 + i, NULL, IP_US));
		assert_int_equal(rig.nb_tx, 1);
		rig_free_tx();
		assert_null(find(0xc0000280 + i));
	}
	assert_int_equal(rig.cnt.v[CNT_neigh_table_full], 20);
	for (i = 0; i < 62; i++)
		assert_int_equal(find(0xc0000203 + i)->state, NEIGH_REACHABLE);
}

static void packets_held_are_bounded(void **state)
{
	uint32_t i;

	rig_teardown(NULL);
	rig_conf();
	rig.conf.plen4 = 8;
	rig.conf.max_neighbours = 1024;
	rig_start();
	for (i = 0; i < 256 * NEIGH_HELD; i++)
		rig_output(rig_packet(0xc0200001 + i / NEIGH_HELD, 10));
	assert_int_equal(netif_held(rig.n), NEIGH_HELD_ALL);
	assert_int_equal(rig.cnt.v[CNT_neigh_queue_drop], 256 * NEIGH_HELD - NEIGH_HELD_ALL);
	rig_free_tx();
	rig_pass(4 * S);
	assert_int_equal(netif_held(rig.n), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {NETIF_TEST(first_packet_waits_for_the_answer),
		NETIF_TEST(off_link_goes_to_the_gateway), NETIF_TEST(no_route),
		NETIF_TEST(no_answer_three_times), NETIF_TEST(queue_keeps_the_newest),
		NETIF_TEST(held_packets_are_ours_alone),
		NETIF_TEST(silent_neighbour_is_probed_and_forgotten), NETIF_TEST(probe_answered),
		NETIF_TEST(unused_neighbour_is_not_probed_but_forgotten),
		NETIF_TEST(new_mac_is_taken_and_doubted),
		NETIF_TEST(unasked_replies_are_not_learned), NETIF_TEST(asked_request_is_learned),
		NETIF_TEST(scan_does_not_exhaust), NETIF_TEST(flood_does_not_displace),
		NETIF_TEST(table_full_of_used_ones), NETIF_TEST(strangers_wait_for_room),
		NETIF_TEST(packets_held_are_bounded)};

	net_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
