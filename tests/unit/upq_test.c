// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "client/upq.h"

#define LINE_US 240 // of 1500 bytes at 50 Mbit/s

static struct upq q;

static int fresh(void **state)
{
	upq_init(&q, 7);
	return 0;
}

static int end(void **state)
{
	upq_clear(&q);
	assert_int_equal(q.n, 0);
	assert_int_equal(q.bytes, 0);
	return 0;
}

static void put(uint8_t proto, uint16_t port, uint32_t len, uint64_t now_us)
{
	uint8_t p[2000] = {0x45};

	p[9] = proto;
	memcpy(p + 20, &port, sizeof(port));
	memcpy(p + 24, &port, sizeof(port));
	memcpy(p + 40, &port, sizeof(port)); // for port_of()
	assert_true(upq_put(&q, p, len, now_us));
}

// A super-packet of n packets of 1400 bytes.
static void put_super(uint16_t port, uint32_t n, uint64_t now_us)
{
	struct upq_packet *room = upq_room(&q);
	struct gso g = {.hdr_len = 52, .l4 = 20, .size = 1348, .proto = IPPROTO_TCP};

	memset(room->data, 0, 52 + n * 1348);
	room->data[0] = 0x45;
	room->data[9] = IPPROTO_TCP;
	memcpy(room->data + 20, &port, sizeof(port));
	memcpy(room->data + 40, &port, sizeof(port));
	assert_true(upq_put_room(&q, 52 + n * 1348, &g, now_us));
}

static uint32_t last_len;

// The next packet's; -1: none.
static int get(uint64_t now_us)
{
	uint8_t p[2000];
	struct upq_out o;
	uint16_t port;

	if (!upq_get(&q, &o, now_us))
		return -1;
	last_len = o.len;
	upq_write(&o, p);
	memcpy(&port, p + 40, sizeof(port));
	return port;
}

// A ping every 20 ms waits for nobody while uploads fill the queue, but for their first turns:
// in the beginning nobody knows who has much.
static void sparse_goes_first(void **state)
{
	uint64_t now = 1000000;
	unsigned int waited = 0;
	bool waits = false;
	int port;

	for (unsigned int i = 0; i < 20; i++)
		for (uint16_t flow = 1; flow <= 3; flow++)
			put(IPPROTO_TCP, flow, 1500, now);
	for (unsigned int i = 0; i < 3000; i++, now += LINE_US) {
		if (i % 83 == 0) {
			assert_false(waits);
			put(IPPROTO_ICMP, 99, 84, now);
			waits = true;
			waited = 0;
		}
		port = get(now);
		assert_true(port > 0);
		waited += waits && port != 99;
		assert_true(waited <= (i < 100 ? 6 : 0));
		if (port == 99)
			waits = false;
		else
			put(IPPROTO_TCP, (uint16_t)port, 1500, now);
	}
}

static void turns_by_bytes(void **state)
{
	uint64_t bytes[3] = {0};

	for (unsigned int i = 0; i < 1500; i++)
		put(IPPROTO_UDP, 1, 100, 1000000);
	for (unsigned int i = 0; i < 500; i++)
		put(IPPROTO_UDP, 2, 1500, 1000000);
	for (unsigned int i = 0; i < 500; i++) {
		int port = get(1000000);

		bytes[port] += last_len;
	}
	assert_in_range(bytes[1], bytes[2] * 9 / 10, bytes[2] * 11 / 10);
}

// A queue that stands loses packets of the flow that stands, and of no other.
static void codel_of_its_own(void **state)
{
	unsigned int pings = 0, seen = 0;
	uint64_t now = 1000000;

	for (unsigned int i = 0; i < 200; i++)
		put(IPPROTO_TCP, 1, 1500, now);
	for (unsigned int i = 0; i < 2000; i++, now += LINE_US) {
		put(IPPROTO_TCP, 1, 1500, now);
		if (i % 50 == 0) {
			put(IPPROTO_ICMP, 2, 84, now);
			pings++;
		}
		seen += get(now) == 2;
	}
	assert_true(q.dropped > 3);
	assert_int_equal(seen, pings);
}

// Without end in one flow: the bounds hold, and another flow's packet is not the one to go.
static void bounded(void **state)
{
	int port, other = 0;

	put(IPPROTO_UDP, 5, 500, 1000000);
	for (unsigned int i = 0; i < 3 * UPQ_PACKETS_MAX; i++) {
		put(IPPROTO_UDP, 6, 1400, 1000000);
		assert_true(q.n <= UPQ_PACKETS_MAX && q.bytes <= UPQ_BYTES_MAX);
	}
	assert_int_equal(q.n + q.dropped, 3 * UPQ_PACKETS_MAX + 1);
	while ((port = get(1000000)) >= 0)
		other += port == 5;
	assert_int_equal(other, 1);
	assert_int_equal(q.n, 0);
	assert_int_equal(q.bytes, 0);
}

// Headers cut short, fragments, IPv6, options: any bytes find a flow, and come out again.
static void any_bytes(void **state)
{
	uint8_t p[80] = {0};
	unsigned int n = 0;

	srand(1);
	for (unsigned int i = 0; i < 2000; i++) {
		for (unsigned int k = 0; k < sizeof(p); k++)
			p[k] = (uint8_t)rand();
		if (i % 2)
			p[0] = i % 4 == 1 ? 0x4f : 0x60;
		assert_true(upq_put(&q, p, (size_t)(rand() % (int)sizeof(p)) + 1, 1000000));
	}
	for (struct upq_out o; upq_get(&q, &o, 1000000); n++)
		upq_write(&o, p);
	assert_int_equal(n, 2000);
}

// A super-packet counts as what it stands for: a ping waits for some of its packets, not for all,
// and two flows take turns in the midst of theirs.
static void super_packets(void **state)
{
	unsigned int n[3] = {0}, before = 0;
	int port;

	put_super(1, 40, 1000000);
	put_super(2, 40, 1000000);
	assert_int_equal(q.n, 80);
	assert_int_equal(q.bytes, 80 * 1400);
	assert_int_equal(get(1000000), 1);
	put(IPPROTO_ICMP, 9, 84, 1000000);
	while ((port = get(1000000)) != 9) {
		assert_in_range(port, 1, 2);
		before++;
	}
	assert_true(before <= 3);
	for (unsigned int i = 0; i < 20; i++)
		n[get(1000000)]++;
	assert_in_range(n[1], 9, 11);
	while (get(1000000) >= 0)
		;
	assert_int_equal(q.n, 0);
	assert_int_equal(q.bytes, 0);
}

// CoDel drops packets of them one by one.
static void super_codel(void **state)
{
	uint64_t now = 1000000;
	unsigned int out = 0, in = 0;

	for (unsigned int i = 0; i < 2000; i++, now += LINE_US) {
		if (i % 10 == 0 || i < 10) {
			put_super(1, 12, now);
			in += 12;
		}
		out += get(now) == 1;
	}
	assert_in_range(q.dropped, 4, 200);
	assert_int_equal(in, out + q.n + q.dropped);
}

static bool of_port_1(const void *user, const uint8_t *ip, size_t len)
{
	return ip[20] == 1;
}

// What of them is left goes with them, also when one of its packets was given just before.
static void super_dropped(void **state)
{
	struct upq_out o;
	uint8_t p[2000];

	put_super(1, 30, 1000000);
	put_super(2, 30, 1000000);
	put_super(1, 10, 1000000);
	put_super(2, 1, 1000000);
	assert_true(upq_get(&q, &o, 1000000));
	assert_int_equal(upq_drop_if(&q, of_port_1, NULL), 39);
	assert_int_equal(q.n, 31);
	assert_int_equal(q.bytes, 31 * 1400);
	upq_write(&o, p);
	assert_int_equal(p[20], 1);
	for (unsigned int i = 0; i < 31; i++)
		assert_int_equal(get(1000000), 2);
	assert_int_equal(get(1000000), -1);
}

// The bound holds, and what was given last may still be written when its packet is shed.
static void super_bounded(void **state)
{
	uint8_t p[2000];
	struct upq_out o;

	put_super(1, 40, 1000000);
	put_super(1, 48, 1000000);
	assert_true(upq_get(&q, &o, 1000000));
	for (unsigned int i = 0; i < 100; i++) {
		put_super(1, 48, 1000000);
		assert_true(q.n <= UPQ_PACKETS_MAX && q.bytes <= UPQ_BYTES_MAX);
		upq_write(&o, p);
		assert_int_equal(p[0], 0x45);
	}
	assert_true(q.dropped > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sparse_goes_first, fresh, end),
		cmocka_unit_test_setup_teardown(turns_by_bytes, fresh, end),
		cmocka_unit_test_setup_teardown(codel_of_its_own, fresh, end),
		cmocka_unit_test_setup_teardown(bounded, fresh, end),
		cmocka_unit_test_setup_teardown(any_bytes, fresh, end),
		cmocka_unit_test_setup_teardown(super_packets, fresh, end),
		cmocka_unit_test_setup_teardown(super_codel, fresh, end),
		cmocka_unit_test_setup_teardown(super_bounded, fresh, end),
		cmocka_unit_test_setup_teardown(super_dropped, fresh, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
