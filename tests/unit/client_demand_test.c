// SPDX-License-Identifier: BSD-3-Clause
// What dials and what does not, how long a call may last, and the addresses that a client insists
// on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include "client/demand.h"
#include "client/upq.h"
#include "client_server.h"

// A packet between two addresses, as text; UDP with nothing in it. Returns its length.
static size_t packet(uint8_t ip[48], const char *from, const char *to)
{
	memset(ip, 0, 48);
	if (strchr(from, ':')) {
		ip[0] = 0x60;
		ip[6] = 17;
		assert_int_equal(inet_pton(AF_INET6, from, ip + 8), 1);
		assert_int_equal(inet_pton(AF_INET6, to, ip + 24), 1);
		return 48;
	}
	ip[0] = 0x45;
	ip[9] = 17;
	assert_int_equal(inet_pton(AF_INET, from, ip + 12), 1);
	assert_int_equal(inet_pton(AF_INET, to, ip + 16), 1);
	return 28;
}

static bool dials(const char *from, const char *to)
{
	uint8_t ip[48];
	size_t len = packet(ip, from, to);

	return demand_is_traffic(ip, len);
}

static void test_traffic(void **state)
{
	assert_true(dials("10.112.112.7", "203.0.113.10"));
	assert_true(dials("192.168.7.7", "10.0.0.1")); // forwarded
	assert_true(dials("2001:db8::7", "2001:db8:1::1"));
	assert_true(dials("fd00::7", "fec0::1"));
}

// What a host says by itself.
static void test_chatter(void **state)
{
	assert_false(dials("10.112.112.7", "224.0.0.251"));     // mDNS
	assert_false(dials("10.112.112.7", "224.0.0.22"));      // IGMPv3
	assert_false(dials("10.112.112.7", "239.255.255.250")); // SSDP
	assert_false(dials("10.112.112.7", "255.255.255.255"));
	assert_false(dials("0.0.0.0", "255.255.255.255")); // DHCP
	assert_false(dials("0.0.0.0", "10.0.0.1"));
	assert_false(dials("169.254.1.1", "10.0.0.1"));
	assert_false(dials("10.112.112.7", "169.254.169.254"));
	assert_false(dials("fe80::1", "ff02::2")); // router solicitation
	assert_false(dials("::", "ff02::16"));     // MLDv2
	assert_false(dials("fe80::1", "fe80::2")); // neighbours
	assert_false(dials("2001:db8::7", "ff02::fb"));
	assert_false(dials("2001:db8::7", "fe80::1"));
	assert_false(dials("febf::1", "2001:db8::1"));
	assert_false(dials("::", "2001:db8::1"));
}

// Nothing is read behind the end, and nothing shorter than a header dials.
static void test_short(void **state)
{
	uint8_t ip[48], *copy;
	size_t whole;

	for (unsigned int six = 0; six < 2; six++) {
		whole = six ? 40 : 20;
		packet(ip, six ? "2001:db8::7" : "10.0.0.2", six ? "2001:db8::8" : "10.0.0.3");
		for (size_t len = 0; len <= whole; len++) {
			copy = malloc(len ? len : 1);
			assert_non_null(copy);
			memcpy(copy, ip, len);
			assert_int_equal(demand_is_traffic(copy, len), len == whole);
			free(copy);
		}
	}
	ip[0] = 0x50;
	assert_false(demand_is_traffic(ip, sizeof(ip)));
}

static void test_address(void **state)
{
	for (int i = 1; i < 2000; i++) {
		uint32_t a = demand_address(i);

		assert_in_range(a, 0x0a707001, 0x0a7070fe);
		assert_int_not_equal(a, demand_address(i + 1));
	}
}

// --- addresses that the interface had ---

static bool from_gone(const struct demand_gone *g, uint32_t from)
{
	uint8_t ip[48];
	size_t len = packet(ip, "0.0.0.0", "10.0.0.1");

	from = htonl(from);
	memcpy(ip + 12, &from, 4);
	assert_false(demand_is_gone(g, ip, 19));
	return demand_is_gone(g, ip, len);
}

static void test_gone(void **state)
{
	struct demand_gone g = {0};

	assert_false(from_gone(&g, 0));
	demand_readdressed(&g, 100, 100);
	assert_false(from_gone(&g, 100));
	for (uint32_t a = 100; a < 120; a++)
		demand_readdressed(&g, a, a + 1);
	assert_false(from_gone(&g, 111));
	for (uint32_t a = 112; a < 120; a++)
		assert_true(from_gone(&g, a));
	assert_false(from_gone(&g, 120));
	assert_false(from_gone(&g, 0));
	demand_readdressed(&g, 120, 115); // had before, has again
	assert_false(from_gone(&g, 115));
	assert_true(from_gone(&g, 120));
}

static bool unfit(const void *user, const uint8_t *ip, size_t len)
{
	return demand_is_gone(user, ip, len);
}

// Of what waited, nothing is sent from an address that is gone; the rest keeps its order.
static void test_waiting_packets(void **state)
{
	struct demand_gone g = {0};
	static struct upq q;
	struct upq_out o;
	unsigned int nb = 0;
	uint8_t ip[48], last[2] = {0};
	size_t len;

	upq_init(&q, 7);
	for (uint8_t i = 0; i < 60; i++) {
		len = packet(ip, i % 3 ? "10.112.112.7" : "192.168.7.7", "203.0.113.10");
		ip[4] = i;
		ip[21] = i % 2; // two flows of each
		assert_true(upq_put(&q, ip, len, 1000));
	}
	demand_readdressed(&g, ntohl(inet_addr("10.112.112.7")), 0x0a000002);
	assert_int_equal(upq_drop_if(&q, unfit, &g), 40);
	assert_int_equal(q.n, 20);
	assert_int_equal(q.bytes, 20 * 28);
	assert_int_equal(upq_drop_if(&q, unfit, &g), 0);
	while (upq_get(&q, &o, 2000)) {
		upq_write(&o, ip);
		assert_int_equal(ip[4] % 3, 0);
		assert_true(!nb || ip[4] > last[ip[21]] || !last[ip[21]]);
		last[ip[21]] = ip[4];
		nb++;
	}
	assert_int_equal(nb, 20);
	assert_int_equal(q.n, 0);
	upq_clear(&q);
}

// --- limits ---

static void test_no_limit(void **state)
{
	struct demand_limits l;
	uint64_t left;

	demand_limits_start(&l, 0, 0, 5000);
	assert_int_equal(demand_limits_check(&l, UINT64_MAX / 2, &left), CALL_END_NONE);
	assert_int_equal(left, 0);
}

// Idle from the last packet of somebody's, whichever way; chatter does not count.
static void test_idle(void **state)
{
	struct demand_limits l;
	uint8_t ip[48];
	uint64_t left;
	size_t len;

	demand_limits_start(&l, 0, 60, 5000);
	assert_int_equal(demand_limits_check(&l, 5000, &left), CALL_END_NONE);
	assert_int_equal(left, 60000);
	len = packet(ip, "10.0.0.2", "203.0.113.10");
	demand_limits_packet(&l, ip, len, 30000);
	len = packet(ip, "fe80::1", "ff02::2");
	demand_limits_packet(&l, ip, len, 50000);
	assert_int_equal(demand_limits_check(&l, 65000, &left), CALL_END_NONE);
	assert_int_equal(left, 25000);
	assert_int_equal(demand_limits_check(&l, 89999, &left), CALL_END_NONE);
	assert_int_equal(left, 1);
	assert_int_equal(demand_limits_check(&l, 90000, &left), CALL_END_IDLE);
}

static void test_session(void **state)
{
	struct demand_limits l;
	uint64_t left;

	demand_limits_start(&l, UINT32_MAX - 1, 0, 0);
	assert_int_equal(demand_limits_check(&l, 0, &left), CALL_END_NONE);
	assert_int_equal(left, (UINT32_MAX - 1) * UINT64_C(1000));
	demand_limits_start(&l, 100, 60, 0);
	l.heard_ms = 90000;
	assert_int_equal(demand_limits_check(&l, 90000, &left), CALL_END_NONE);
	assert_int_equal(left, 10000); // whichever comes first
	assert_int_equal(demand_limits_check(&l, 100000, &left), CALL_END_SESSION);
	l.heard_ms = 10000;
	assert_int_equal(demand_limits_check(&l, 20000, &left), CALL_END_NONE);
	assert_int_equal(left, 50000);
}

// --- the profile's addresses ---

static struct bed *dialed(uint32_t local)
{
	struct bed *b = bed_create();

	b->call_conf.local_address = local;
	bed_start(b);
	bed_pump(b);
	return b;
}

static void test_local_address(void **state)
{
	static const char said[] =
		"address: the server gives 10.0.0.2, the profile's local-address is 10.0.0.9";
	struct bed *b = dialed(0x0a000002);

	assert_true(b->up);
	assert_int_equal(b->addr.local, 0x0a000002);
	bed_free(b);

	b = dialed(0x0a000009);
	assert_int_not_equal(bed_until_closed(b, 5000), UINT64_MAX);
	assert_false(b->up);
	assert_int_equal(b->end, CALL_END_ADDRESS);
	assert_string_equal(call_reason(&b->call), said);
	assert_false(b->call.refused); // a session of before may have the address still
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_traffic),
		cmocka_unit_test(test_chatter),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_waiting_packets),
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_local_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
