// SPDX-License-Identifier: BSD-3-Clause
// MSS of SYNs: what is lowered, what stays as it is, and that every checksum goes on being right.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "client/mss.h"
#include "tests/unit/ip_bytes.h"

#define SYN 0x02
#define SYN_ACK 0x12
#define ACK 0x10

struct packet {
	uint8_t ip[256];
	size_t len, tcp;
};

// Over the pseudo header and the segment; 0 when the checksum in it is right.
static uint16_t checksum(const struct packet *p)
{
	const size_t n = p->len - p->tcp;

	return (uint16_t)~plain_sum(pseudo_sum(p->ip, 6, n), p->ip + p->tcp, n);
}

// A segment with these options (n a multiple of four) and some payload, behind `tcp` bytes of IP.
static void put_tcp(struct packet *p, uint8_t flags, const uint8_t *options, size_t n)
{
	uint8_t *t = p->ip + p->tcp;

	put16(t, 40000);
	put16(t + 2, 443);
	t[12] = (uint8_t)((20 + n) / 4 << 4);
	t[13] = flags;
	put16(t + 14, 64240);
	if (n)
		memcpy(t + 20, options, n);
	memcpy(t + 20 + n, "abc", 3);
	p->len = p->tcp + 20 + n + 3;
}

static struct packet make4(uint8_t flags, const uint8_t *options, size_t n)
{
	struct packet p = {
		.ip = {0x45, [6] = 0x40, [8] = 64, 6, [12] = 10, 0, 0, 2, 203, 0, 113, 10},
		.tcp = 20};

	put_tcp(&p, flags, options, n);
	put16(p.ip + 2, (uint32_t)p.len);
	put16(p.ip + p.tcp + 16, checksum(&p));
	return p;
}

// first: the kind of the first of `nb` extension headers of 8 bytes each, all alike.
static struct packet make6(
	uint8_t flags, const uint8_t *options, size_t n, uint8_t first, unsigned int nb)
{
	struct packet p = {.ip = {0x60, [6] = nb ? first : 6, 64, 0x20, 0x01, 0x0d, 0xb8, [23] = 2,
				   0x20, 0x01, 0x0d, 0xb8, [39] = 10},
		.tcp = 40 + nb * 8};

	for (unsigned int i = 0; i < nb; i++)
		p.ip[40 + i * 8] = i + 1 < nb ? first : 6;
	put_tcp(&p, flags, options, n);
	put16(p.ip + 4, (uint32_t)p.len - 40);
	put16(p.ip + p.tcp + 16, checksum(&p));
	return p;
}

static const uint8_t usual[] = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7};
static const uint8_t odd[] = {1, 2, 4, 0x05, 0xb4, 0, 0, 0};

#define AT_USUAL 22
#define AT_ODD 23

// The MSS afterwards, 0: nothing was changed. A byte that has no business changing fails.
static unsigned int clamp(struct packet *p, uint16_t mtu, size_t at)
{
	struct packet before = *p;
	bool is_large = mss_is_large(p->ip, p->len, mtu);

	assert_int_equal(checksum(p), 0);
	mss_clamp(p->ip, p->len, mtu);
	assert_int_equal(checksum(p), 0);
	assert_int_equal(is_large, memcmp(&before, p, sizeof(before)) != 0);
	if (!is_large)
		return 0;
	memcpy(before.ip + before.tcp + 16, p->ip + p->tcp + 16, 2);
	memcpy(before.ip + before.tcp + at, p->ip + p->tcp + at, 2);
	assert_memory_equal(&before, p, sizeof(before));
	return get16(p->ip + p->tcp + at);
}

static void test_lowered(void **state)
{
	struct packet p = make4(SYN, usual, sizeof(usual));

	assert_int_equal(clamp(&p, 1400, AT_USUAL), 1360);
	assert_int_equal(clamp(&p, 1400, AT_USUAL), 0); // once is enough
	p = make4(SYN_ACK, usual, sizeof(usual));
	assert_int_equal(clamp(&p, 1400, AT_USUAL), 1360);
	p = make6(SYN, usual, sizeof(usual), 0, 0);
	assert_int_equal(clamp(&p, 1400, AT_USUAL), 1340);
	p = make6(SYN_ACK, usual, sizeof(usual), 0, 0);
	assert_int_equal(clamp(&p, 1400, AT_USUAL), 1340);
}

// At an odd offset, and every value, so that each carry of the checksum comes up.
static void test_checksum(void **state)
{
	struct packet p;

	for (unsigned int mss = 1; mss < 65536; mss += 7) {
		uint8_t o[sizeof(odd)];

		memcpy(o, odd, sizeof(odd));
		put16(o + 3, mss);
		p = make4(SYN, o, sizeof(o));
		assert_int_equal(clamp(&p, 1000, AT_ODD), mss > 960 ? 960 : 0);
		memcpy(o, (uint8_t[]){2, 4, 0, 0, 1, 1, 1, 0}, sizeof(o));
		put16(o + 2, mss);
		p = make6(SYN, o, sizeof(o), 0, 0);
		assert_int_equal(clamp(&p, 1280, AT_USUAL), mss > 1220 ? 1220 : 0);
	}
}

static void test_headers(void **state)
{
	static const uint8_t stepped_over[] = {0, 43, 44, 60};
	struct packet p;

	for (size_t i = 0; i < sizeof(stepped_over); i++) {
		p = make6(SYN, usual, sizeof(usual), stepped_over[i], 3);
		assert_int_equal(clamp(&p, 1400, AT_USUAL), 1340);
	}
	p = make6(SYN, usual, sizeof(usual), 60, 9); // more than anybody sends
	assert_int_equal(clamp(&p, 1400, AT_USUAL), 0);
	p = make6(SYN, usual, sizeof(usual), 51, 1); // what is authenticated stays
	assert_int_equal(clamp(&p, 1400, AT_USUAL), 0);
	p = make6(SYN, usual, sizeof(usual), 44, 1);
	put16(p.ip + 42, 8); // a later fragment
	assert_int_equal(clamp(&p, 1400, AT_USUAL), 0);
	p = make6(SYN, usual, sizeof(usual), 44, 1);
	put16(p.ip + 42, 1); // the first one
	assert_int_equal(clamp(&p, 1400, AT_USUAL), 1340);
}

static void test_left_alone(void **state)
{
	struct packet p = make4(ACK, usual, sizeof(usual));

	assert_int_equal(clamp(&p, 1400, AT_USUAL), 0);
	p = make4(SYN, usual, sizeof(usual));
	assert_int_equal(clamp(&p, 1500, AT_USUAL), 0);
	assert_int_equal(clamp(&p, 40, AT_USUAL), 0); // no MTU to be reckoned with
	p.ip[6] = 0x20;                               // the first fragment
	assert_int_equal(clamp(&p, 1400, AT_USUAL), 1360);
	p = make4(SYN, usual, sizeof(usual));
	p.ip[7] = 1; // a later one
	assert_int_equal(clamp(&p, 1400, AT_USUAL), 0);
	p = make4(SYN, usual, sizeof(usual));
	p.ip[9] = 17;
	mss_clamp(p.ip, p.len, 1400);
	assert_false(mss_is_large(p.ip, p.len, 1400));
	assert_int_equal(p.ip[p.tcp + AT_USUAL], 0x05);
	p = make4(SYN, NULL, 0);
	assert_int_equal(clamp(&p, 1400, AT_USUAL), 0);
}

static void test_bad_options(void **state)
{
	static const struct {
		uint8_t o[8];
	} bad[] = {
		{{2, 3, 0xff, 1, 0}},
		{{2, 5, 0xff, 0xff, 0xff, 0}},
		{{2, 0, 0xff, 0xff}},
		{{2, 1, 0xff, 0xff}},
		{{0, 2, 4, 0xff, 0xff}},            // behind the end
		{{1, 1, 1, 1, 1, 2, 4, 0xff}},      // one byte short
		{{1, 1, 1, 1, 1, 1, 1, 2}},         // no length
		{{8, 10, 2, 4, 0xff, 0xff, 1, 1}},  // longer than the header
		{{253, 1, 2, 4, 0xff, 0xff, 1, 1}}, // would not move on
		{{253, 0, 2, 4, 0xff, 0xff, 1, 1}},
	};
	struct packet p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		p = make4(SYN, bad[i].o, 8);
		assert_int_equal(clamp(&p, 1400, AT_USUAL), 0);
		p = make6(SYN, bad[i].o, 8, 0, 0);
		assert_int_equal(clamp(&p, 1400, AT_USUAL), 0);
	}
	p = make4(SYN, (uint8_t[]){253, 2, 2, 4, 0xff, 0xff, 1, 0}, 8);
	assert_int_equal(clamp(&p, 1400, 24), 1360);
}

// Cut at every length, in memory of exactly that length, with every length that the headers may
// say.
static void cut(const struct packet *whole)
{
	for (size_t n = 1; n <= whole->len; n++) {
		uint8_t *copy = malloc(n);
		size_t header = whole->tcp + 20 + sizeof(usual);

		assert_non_null(copy);
		memcpy(copy, whole->ip, n);
		assert_int_equal(mss_is_large(copy, n, 1400), n >= header);
		mss_clamp(copy, n, 1400);
		assert_int_equal(memcmp(copy, whole->ip, n) != 0, n >= header);
		free(copy);
	}
}

static void test_truncated(void **state)
{
	struct packet p = make4(SYN, usual, sizeof(usual));

	cut(&p);
	for (size_t n = 0; n < p.tcp + 20 + sizeof(usual); n++) {
		put16(p.ip + 2, n); // the header says less than there is
		assert_false(mss_is_large(p.ip, p.len, 1400));
	}
	p = make6(SYN, usual, sizeof(usual), 0, 0);
	cut(&p);
	for (size_t n = 0; n < 20 + sizeof(usual); n++) {
		put16(p.ip + 4, n);
		assert_false(mss_is_large(p.ip, p.len, 1400));
	}
	p = make6(SYN, usual, sizeof(usual), 60, 3);
	cut(&p);
	for (unsigned int ihl = 0; ihl < 5; ihl++) {
		p = make4(SYN, usual, sizeof(usual));
		p.ip[0] = (uint8_t)(0x40 | ihl);
		assert_false(mss_is_large(p.ip, p.len, 1400));
	}
	p = make4(SYN, usual, sizeof(usual));
	for (unsigned int n = 0; n < 5; n++) {
		p.ip[p.tcp + 12] = (uint8_t)(n << 4); // less than a header
		assert_false(mss_is_large(p.ip, p.len, 1400));
	}
	p.ip[p.tcp + 12] = 0xf0; // more than there is
	assert_false(mss_is_large(p.ip, p.len, 1400));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lowered),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_left_alone),
		cmocka_unit_test(test_bad_options),
		cmocka_unit_test(test_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
