// SPDX-License-Identifier: BSD-3-Clause
// Answers to packets that are too long: all of their bytes, what is not answered, and how often.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "client/toobig.h"
#include "tests/unit/ip_bytes.h"

static void packet4(uint8_t *ip, size_t len)
{
	static const uint8_t header[20] = {
		0x45, 0, 0, 0, 1, 2, 0x40, 0, 64, IPPROTO_UDP, 0, 0, 10, 0, 0, 2, 203, 0, 113, 10};

	for (size_t i = 0; i < len; i++)
		ip[i] = (uint8_t)(i * 7);
	memcpy(ip, header, sizeof(header));
	ip[2] = (uint8_t)(len >> 8);
	ip[3] = (uint8_t)len;
}

static void packet6(uint8_t *ip, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ip[i] = (uint8_t)(i * 7);
	memset(ip, 0, 8);
	ip[0] = 0x60;
	ip[4] = (uint8_t)((len - 40) >> 8);
	ip[5] = (uint8_t)(len - 40);
	ip[6] = IPPROTO_TCP;
	ip[7] = 64;
	memcpy(ip + 8, "\x20\x01\x0d\xb8 a client here", 16);
	memcpy(ip + 24, "\x20\x01\x0d\xb8 a far host. ", 16);
}

static void answers4(void **state)
{
	uint8_t ip[1500], a[TOOBIG_MAX + 1];

	for (size_t len = 20; len <= 1500; len += 37) {
		size_t n, quoted = len < 548 ? len : 548;

		packet4(ip, len);
		memset(a, 0xee, sizeof(a));
		n = toobig_answer(a, ip, len, 1300);
		assert_int_equal(n, 28 + quoted);
		assert_int_equal(a[n], 0xee);
		assert_int_equal(a[0], 0x45);
		assert_int_equal(get16(a + 2), n);
		assert_int_equal(a[9], IPPROTO_ICMP);
		assert_memory_equal(a + 12, ip + 16, 4);
		assert_memory_equal(a + 16, ip + 12, 4);
		assert_int_equal(plain_sum(0, a, 20), 0xffff);
		assert_int_equal(get16(a + 20), 0x0304);
		assert_int_equal(get16(a + 24), 0);
		assert_int_equal(get16(a + 26), 1300);
		assert_memory_equal(a + 28, ip, quoted);
		assert_int_equal(plain_sum(0, a + 20, n - 20), 0xffff);
	}
}

static void answers6(void **state)
{
	uint8_t ip[1500], a[TOOBIG_MAX + 1];

	for (size_t len = 1281; len <= 1500; len += 37) {
		uint32_t sum;
		size_t n;

		packet6(ip, len);
		a[TOOBIG_MAX] = 0xee;
		n = toobig_answer(a, ip, len, 1280);
		assert_int_equal(n, 1280); // RFC 4443 3.2: as much as fits the least MTU
		assert_int_equal(a[TOOBIG_MAX], 0xee);
		assert_int_equal(get16(a), 0x6000);
		assert_int_equal(get16(a + 4), n - 40);
		assert_int_equal(a[6], IPPROTO_ICMPV6);
		assert_memory_equal(a + 8, ip + 24, 16);
		assert_memory_equal(a + 24, ip + 8, 16);
		assert_int_equal(get16(a + 40), 0x0200);
		assert_int_equal(get16(a + 44), 0);
		assert_int_equal(get16(a + 46), 1280);
		assert_memory_equal(a + 48, ip, n - 48);
		sum = plain_sum((uint32_t)(n - 40) + IPPROTO_ICMPV6, a + 8, 32);
		assert_int_equal(plain_sum(sum, a + 40, n - 40), 0xffff);
	}
}

// One change each to a packet that is answered.
static void silent(void **state)
{
	static const struct {
		const char *what;
		bool six;
		size_t at;
		uint8_t n, value[16];
	} cases[] = {
		{"it may be cut", false, 6, 1, {0}},
		{"a later fragment", false, 7, 1, {1}},
		{"from nobody", false, 12, 1, {0}},
		{"from a group", false, 12, 1, {224}},
		{"to a group", false, 16, 1, {239}},
		{"to itself", false, 16, 1, {127}},
		{"an ICMP error", false, 9, 1, {IPPROTO_ICMP}}, // type 20 * 7: unknown
		{"a short header", false, 0, 1, {0x44}},
		{"another version", false, 0, 1, {0x55}},
		{"from nobody", true, 8, 16, {0}},
		{"from a group", true, 8, 1, {0xff}},
		{"to a group", true, 24, 1, {0xff}},
		{"a redirect", true, 6, 1, {IPPROTO_ICMPV6}},
		{"a header longer than the packet", true, 6, 1, {IPPROTO_HOPOPTS}},
	};
	uint8_t ip[1400], a[TOOBIG_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(cases[i].six ? packet6 : packet4)(ip, sizeof(ip));
		ip[40] = 137;
		ip[41] = 255;
		assert_int_not_equal(toobig_answer(a, ip, sizeof(ip), 1280), 0);
		memcpy(ip + cases[i].at, cases[i].value, cases[i].n);
		if (toobig_answer(a, ip, sizeof(ip), 1280))
			fail_msg("%s was answered", cases[i].what);
	}
	// Queries are, and what is behind other headers.
	packet4(ip, sizeof(ip));
	ip[9] = IPPROTO_ICMP;
	ip[20] = 8;
	assert_int_not_equal(toobig_answer(a, ip, sizeof(ip), 1280), 0);
	packet6(ip, sizeof(ip));
	ip[6] = IPPROTO_FRAGMENT;
	memcpy(ip + 40, (uint8_t[]){IPPROTO_ICMPV6, 0, 0, 1, 0, 0, 0, 7, 128}, 9);
	assert_int_not_equal(toobig_answer(a, ip, sizeof(ip), 1280), 0);
	ip[48] = 2;
	assert_int_equal(toobig_answer(a, ip, sizeof(ip), 1280), 0);
	ip[48] = 128;
	ip[42] = 1;
	assert_int_equal(toobig_answer(a, ip, sizeof(ip), 1280), 0);
	for (size_t len = 0; len < 40; len++) {
		uint8_t *cut = malloc(len ? len : 1);

		packet6(ip, sizeof(ip));
		memcpy(cut, ip, len);
		assert_int_equal(toobig_answer(a, cut, len, 1280), 0);
		packet4(ip, sizeof(ip));
		memcpy(cut, ip, len);
		assert_int_equal(toobig_answer(a, cut, len, 1280) != 0, len >= 20);
		free(cut);
	}
}

static void rate(void **state)
{
	struct toobig_rate r = {0};
	unsigned int n = 0;

	for (unsigned int i = 0; i < 1000; i++)
		n += toobig_may(&r, 5000000);
	assert_int_equal(n, TOOBIG_BURST);
	for (uint64_t us = 0; us < 2000000; us += 100)
		n += toobig_may(&r, 5000000 + us);
	assert_in_range(n, TOOBIG_BURST + 2 * TOOBIG_RATE - 1, TOOBIG_BURST + 2 * TOOBIG_RATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers4),
		cmocka_unit_test(answers6),
		cmocka_unit_test(silent),
		cmocka_unit_test(rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
