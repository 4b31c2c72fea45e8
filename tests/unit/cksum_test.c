// SPDX-License-Identifier: BSD-3-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/cksum.h"

// RFC 1071 1, word by word.
static uint16_t reference(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return rte_cpu_to_be_16((uint16_t)sum);
}

static void fill(uint8_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = seed >> 24;
	}
}

// Every way to sum, at every length and alignment, and with all ones, which carry most.
static void ways_agree(void **state)
{
	static uint8_t buf[1600 + 64];

	for (unsigned int w = 0; cksum_way(w); w++) {
		const struct cksum_way *way = cksum_way(w);

		print_message("%s\n", way->name);
		for (size_t n = 0; n <= 1600; n++) {
			size_t at = n % 61;

			fill(buf, sizeof(buf), (uint32_t)n);
			assert_int_equal(cksum_fold(way->sum(buf + at, n)), reference(buf + at, n));
		}
		memset(buf, 0xff, sizeof(buf));
		for (size_t n = 0; n <= 1600; n++)
			assert_int_equal(cksum_fold(way->sum(buf + 1, n)), reference(buf + 1, n));
	}
	assert_null(cksum_way(99));
}

static void short_and_long_agree(void **state)
{
	uint8_t buf[200];

	fill(buf, sizeof(buf), 7);
	for (size_t n = 0; n <= sizeof(buf); n++) {
		assert_int_equal(cksum_fold(cksum_sum(buf, n)), reference(buf, n));
		assert_int_equal(cksum_of(buf, n), (uint16_t)~reference(buf, n));
	}
}

// Pieces of even length, in any split.
static void pieces_add_up(void **state)
{
	uint8_t buf[1500];

	fill(buf, sizeof(buf), 9);
	for (size_t at = 0; at <= sizeof(buf); at += 2)
		assert_int_equal(
			cksum_fold(cksum_sum(buf, at) + cksum_sum(buf + at, sizeof(buf) - at)),
			reference(buf, sizeof(buf)));
}

// RFC 1624: a changed word and the sum taken anew agree.
static void adjusted(void **state)
{
	uint16_t w[10], field, from;

	fill((uint8_t *)w, sizeof(w), 3);
	for (uint32_t to = 0; to <= 0xffff; to += 7) {
		w[5] = 0;
		w[5] = field = cksum_of(w, sizeof(w));
		from = w[2];
		w[2] = (uint16_t)to;
		w[5] = cksum_adjust(field, from, w[2]);
		assert_int_equal(cksum_of(w, sizeof(w)), 0);
	}
}

// An ICMPv6 echo request from fe80::1 to fe80::2, summed by hand.
static void upper_layer_of_ip6(void **state)
{
	struct rte_ipv6_hdr ip = {.src_addr = {0xfe, 0x80}, .dst_addr = {0xfe, 0x80}};
	uint8_t icmp[9] = {128, 0, 0, 0, 0x12, 0x34, 0, 1, 0xab};
	uint32_t sum = 0xfe80 * 2 + 1 + 2 + 9 + 58 + 0x8000 + 0x1234 + 1 + 0xab00;

	ip.src_addr[15] = 1;
	ip.dst_addr[15] = 2;
	sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal(cksum_of6(&ip, icmp, sizeof(icmp), 58),
		rte_cpu_to_be_16((uint16_t) ~((sum & 0xffff) + (sum >> 16))));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ways_agree),
		cmocka_unit_test(short_and_long_agree),
		cmocka_unit_test(pieces_add_up),
		cmocka_unit_test(adjusted),
		cmocka_unit_test(upper_layer_of_ip6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
