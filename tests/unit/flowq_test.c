// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <rte_ip.h>

#include "dataplane/flowq.h"

#define PACKETS 4096
#define LINE_US 240 // of 1500 bytes at 50 Mbit/s

static struct packet {
	struct rte_mbuf m;
	uint8_t data[64];
} pkt[PACKETS];
static unsigned int nb_pkt;
static struct flowq f;

static int fresh(void **state)
{
	memset(pkt, 0, sizeof(pkt));
	nb_pkt = 0;
	flowq_init(&f, 1500, 7, 1000000);
	return 0;
}

static struct rte_mbuf *packet(uint8_t proto, uint16_t sport, uint32_t len, uint64_t now_us)
{
	struct packet *k = &pkt[nb_pkt++ % PACKETS];
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)k->data;

	ip->version_ihl = 0x45;
	ip->next_proto_id = proto;
	ip->src_addr = 0x01020304;
	ip->dst_addr = 0x0a00000a;
	memcpy(k->data + 20, &sport, sizeof(sport));
	memcpy(k->data + 24, &sport, sizeof(sport));
	k->m.buf_addr = k->data;
	k->m.data_len = sizeof(k->data);
	k->m.pkt_len = len;
	k->m.port = sport;
	mbuf_priv(&k->m)->sent_us = now_us;
	return &k->m;
}

static struct rte_mbuf *get(uint64_t now_us)
{
	struct mbuf_queue dropped = {0};
	struct rte_mbuf *m = flowq_get(&f, &dropped, now_us);

	assert_int_equal(dropped.len, 0);
	return m;
}

static void order_within_a_flow(void **state)
{
	struct rte_mbuf *m[100];

	assert_null(get(1000000));
	for (unsigned int i = 0; i < 100; i++)
		flowq_put(&f, m[i] = packet(IPPROTO_TCP, 1, 1400, 1000000));
	assert_int_equal(f.len, 100);
	for (unsigned int i = 0; i < 100; i++)
		assert_ptr_equal(get(1000000), m[i]);
	assert_null(get(1000000));
	assert_int_equal(f.len, 0);
}

// A ping every 20 ms waits for nobody while downloads fill the queue, but for their first turn: in
// the beginning nobody knows who has much.
static void sparse_goes_first(void **state)
{
	uint64_t now = 1000000;
	struct rte_mbuf *ping = NULL, *m;
	unsigned int pings = 0, waited = 0;

	for (unsigned int i = 0; i < 20; i++)
		for (uint16_t flow = 1; flow <= 3; flow++)
			flowq_put(&f, packet(IPPROTO_TCP, flow, 1500, now));
	for (unsigned int i = 0; i < 3000; i++, now += LINE_US) {
		if (i % 83 == 0) {
			assert_null(ping);
			flowq_put(&f, ping = packet(IPPROTO_ICMP, 99, 84, now));
			waited = 0;
			pings++;
		}
		m = flowq_get(&f, &(struct mbuf_queue){0}, now);
		assert_non_null(m);
		waited += ping && m != ping;
		assert_true(waited <= (i < 100 ? 3 : 0));
		if (m == ping)
			ping = NULL;
		else
			flowq_put(&f, packet(IPPROTO_TCP, m->port, 1500, now));
	}
	assert_int_equal(pings, 37);
}

// By bytes, whatever the packets' sizes.
static void turns_by_bytes(void **state)
{
	uint64_t bytes[3] = {0};
	struct rte_mbuf *m;

	for (unsigned int i = 0; i < 3000; i++)
		flowq_put(&f, packet(IPPROTO_UDP, 1, 100, 1000000));
	for (unsigned int i = 0; i < 1000; i++)
		flowq_put(&f, packet(IPPROTO_UDP, 2, 1500, 1000000));
	for (unsigned int i = 0; i < 1000; i++) {
		m = get(1000000);
		bytes[m->port] += m->pkt_len;
	}
	assert_in_range(bytes[1], bytes[2] * 9 / 10, bytes[2] * 11 / 10);
}

// A flow that is emptied and filled again at once does not stay in front of the others for ever.
static void no_starving(void **state)
{
	unsigned int other = 0;

	for (unsigned int i = 0; i < 100; i++)
		flowq_put(&f, packet(IPPROTO_TCP, 1, 1500, 1000000));
	for (unsigned int i = 0; i < 40; i++) {
		flowq_put(&f, packet(IPPROTO_UDP, 2, 1500, 1000000));
		other += get(1000000)->port == 1;
	}
	assert_in_range(other, 15, 25);
}

// CoDel drops from the flow that stands, and from no other.
static void codel_of_its_own(void **state)
{
	uint64_t now = 1000000;
	struct mbuf_queue dropped = {0};
	struct rte_mbuf *m;

	for (unsigned int i = 0; i < 200; i++)
		flowq_put(&f, packet(IPPROTO_TCP, 1, 1500, now));
	for (unsigned int i = 0; i < 2000; i++, now += LINE_US) {
		flowq_put(&f, packet(IPPROTO_TCP, 1, 1500, now));
		if (i % 50 == 0)
			flowq_put(&f, packet(IPPROTO_ICMP, 2, 84, now));
		flowq_get(&f, &dropped, now);
	}
	assert_true(dropped.len > 3);
	assert_int_equal(f.stood_us, now - LINE_US);
	while ((m = mbufq_get(&dropped)))
		assert_int_equal(m->port, 1);
}

static void sheds_from_the_longest(void **state)
{
	struct mbuf_queue dropped = {0};
	struct rte_mbuf *first;

	flowq_shed(&f, &dropped);
	assert_int_equal(dropped.len, 0);
	for (uint16_t i = 0; i < 9; i++)
		flowq_put(&f, packet(IPPROTO_UDP, 3, 500, 1000000));
	flowq_put(&f, first = packet(IPPROTO_UDP, 4, 500, 1000000));
	for (uint16_t i = 0; i < 19; i++)
		flowq_put(&f, packet(IPPROTO_UDP, 4, 500, 1000000));
	flowq_shed(&f, &dropped);
	assert_int_equal(dropped.len, 10);
	assert_int_equal(f.len, 19);
	assert_ptr_equal(dropped.head, first); // oldest first
	for (unsigned int i = 0; i < 19; i++)
		assert_non_null(get(1000000));
	assert_null(get(1000000));
	flowq_put(&f, packet(IPPROTO_UDP, 5, 500, 1000000));
	flowq_clear(&f, &dropped);
	assert_int_equal(dropped.len, 11);
	assert_null(get(1000000));
}

// Eight flows are sure to be apart when they share a set; many more than there are places share
// them, and nothing is lost.
static void many_flows(void **state)
{
	unsigned int seen = 0;

	for (unsigned int i = 0; i < 2000; i++)
		flowq_put(&f, packet(IPPROTO_UDP, (uint16_t)(i * 7), 200, 1000000));
	while (get(1000000))
		seen++;
	assert_int_equal(seen, 2000);
	assert_int_equal(f.len, 0);
}

// Headers cut short, fragments, IPv6, options: any bytes find a flow, and come out again.
static void any_bytes(void **state)
{
	srand(1);
	for (unsigned int i = 0; i < PACKETS; i++) {
		struct rte_mbuf *m = packet(IPPROTO_TCP, 1, 100, 1000000);

		for (unsigned int k = 0; k < sizeof(pkt[0].data); k++)
			pkt[i].data[k] = (uint8_t)rand();
		if (i % 2)
			pkt[i].data[0] = i % 4 == 1 ? 0x4f : 0x60;
		m->data_len = (uint16_t)(rand() % (int)sizeof(pkt[0].data));
		flowq_put(&f, m);
	}
	for (unsigned int i = 0; i < PACKETS; i++)
		assert_non_null(get(1000000));
	assert_null(get(1000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(order_within_a_flow, fresh),
		cmocka_unit_test_setup(sparse_goes_first, fresh),
		cmocka_unit_test_setup(turns_by_bytes, fresh),
		cmocka_unit_test_setup(no_starving, fresh),
		cmocka_unit_test_setup(codel_of_its_own, fresh),
		cmocka_unit_test_setup(sheds_from_the_longest, fresh),
		cmocka_unit_test_setup(many_flows, fresh),
		cmocka_unit_test_setup(any_bytes, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
