// SPDX-License-Identifier: BSD-3-Clause
// Router and neighbour discovery: golden bytes, truncations, what must be refused.
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "protocol/ip6/ra.h"

static struct in6_addr ip6(const char *text)
{
	struct in6_addr a;

	assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
	return a;
}

static struct ra example(void)
{
	return (struct ra){
		.hop_limit = 64,
		.other = true,
		.lifetime_s = 5400,
		.mtu = 1400,
		.plen = 64,
		.autonomous = true,
		.prefix = ip6("2001:db8:1:2:3:4:5:6"),
		.valid_s = 86400,
		.preferred_s = 14400,
		.nb_dns = 2,
		.dns = {ip6("2001:db8::53"), ip6("2001:db8::54")},
		.dns_lifetime_s = 3600,
	};
}

static void test_golden(void **state)
{
	// clang-format off
	static const uint8_t want[] = {
		0x60, 0, 0, 0, 0, 96, 58, 255,
		0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		134, 0, 0xff, 0xff, 64, 0x40, 0x15, 0x18, 0, 0, 0, 0, 0, 0, 0, 0,
		5, 1, 0, 0, 0, 0, 0x05, 0x78,
		3, 4, 64, 0x40, 0, 1, 0x51, 0x80, 0, 0, 0x38, 0x40, 0, 0, 0, 0,
		0x20, 1, 0x0d, 0xb8, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0,
		25, 5, 0, 0, 0, 0, 0x0e, 0x10,
		0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x53,
		0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x54,
	};
	// clang-format on
	struct in6_addr src = ip6_link_local(1), dst = ip6("ff02::1");
	uint8_t buf[RA_PACKET_MAX];
	struct ra ra = example(), got;
	struct ip6_packet k;
	size_t n = ra_packet(&ra, &src, &dst, buf, sizeof(buf));

	assert_int_equal(n, sizeof(want));
	for (size_t i = 0; i < n; i++)
		if (i != 42 && i != 43) // the checksum: judged by the decoder
			assert_int_equal(buf[i], want[i]);
	assert_int_equal(ip6_decode(buf, n, &k), 0);
	assert_int_equal(ra_decode(&k, &got), 0);
	ra.prefix = ip6("2001:db8:1:2::");
	assert_int_equal(got.hop_limit, 64);
	assert_true(got.other && !got.managed && got.autonomous && !got.on_link);
	assert_int_equal(got.lifetime_s, 5400);
	assert_int_equal(got.mtu, 1400);
	assert_memory_equal(&got.prefix, &ra.prefix, 16);
	assert_int_equal(got.valid_s, 86400);
	assert_int_equal(got.nb_dns, 2);
	assert_memory_equal(got.dns, ra.dns, 32);
	for (size_t cap = 0; cap < n; cap++)
		assert_int_equal(ra_packet(&ra, &src, &dst, buf, cap), 0);
}

// A checksum known from elsewhere: an echo request of RFC 4443's form, summed by hand.
static void test_checksum(void **state)
{
	uint8_t p[48] = {
		0x60, 0, 0, 0, 0, 8, 58, 64, [23] = 1, [39] = 1, 128, 0, 0x7f, 0xbb, 0, 0, 0, 0};
	struct ip6_packet k;

	// 1 + 1 + 8 + 58 + 0x8000 = 0x8044; its complement is 0x7fbb.
	assert_int_equal(ip6_decode(p, sizeof(p), &k), 0);
	for (unsigned int i = 8; i < sizeof(p); i++) {
		p[i] ^= 0x10;
		assert_int_equal(ip6_decode(p, sizeof(p), &k), -EBADMSG);
		p[i] ^= 0x10;
	}
	for (size_t n = 0; n < sizeof(p); n++)
		assert_int_equal(ip6_decode(p, n, &k), -EBADMSG);
	p[0] = 0x45;
	assert_int_equal(ip6_decode(p, sizeof(p), &k), -EBADMSG);
}

// A packet with an ICMPv6 body, right in everything else.
static size_t make(
	uint8_t *buf, const char *src, const char *dst, uint8_t hops, const uint8_t *body, size_t n)
{
	struct in6_addr s = ip6(src), d = ip6(dst);
	struct writer w = writer_make(buf, 512);

	ip6_begin(&w, &s, &d, IPPROTO_ICMPV6, hops, 0, 0);
	wr_bytes(&w, body, n);
	ip6_end(&w);
	assert_false(w.overflow);
	return wr_len(&w);
}

static int ask(const char *src, const char *dst, uint8_t hops, const uint8_t *body, size_t n,
	struct ra_question *q)
{
	struct ip6_packet k;
	uint8_t buf[512];
	size_t len = make(buf, src, dst, hops, body, n);

	if (ip6_decode(buf, len, &k))
		return -EBADMSG;
	return ra_question(&k, q);
}

static void test_router_solicit(void **state)
{
	static const uint8_t rs[] = {133, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t code[] = {133, 1, 0, 0, 0, 0, 0, 0};
	static const uint8_t source[] = {133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7};
	static const uint8_t zero[] = {133, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 3, 4, 5, 6, 7};
	static const uint8_t over[] = {133, 0, 0, 0, 0, 0, 0, 0, 9, 2, 2, 3, 4, 5, 6, 7};
	struct ra_question q;

	assert_int_equal(ask("fe80::2", "ff02::2", 255, rs, sizeof(rs), &q), 0);
	assert_int_equal(q.type, RA_ROUTER_SOLICIT);
	assert_int_equal(ask("::", "ff02::2", 255, rs, sizeof(rs), &q), 0);
	assert_int_equal(ask("fe80::2", "ff02::2", 255, source, sizeof(source), &q), 0);
	// RFC 4861 6.1.1
	assert_int_equal(ask("fe80::2", "ff02::2", 254, rs, sizeof(rs), &q), -EBADMSG);
	assert_int_equal(ask("fe80::2", "ff02::2", 255, code, sizeof(code), &q), -EBADMSG);
	assert_int_equal(ask("::", "ff02::2", 255, source, sizeof(source), &q), -EBADMSG);
	assert_int_equal(ask("fe80::2", "ff02::2", 255, zero, sizeof(zero), &q), -EBADMSG);
	assert_int_equal(ask("fe80::2", "ff02::2", 255, over, sizeof(over), &q), -EBADMSG);
	assert_int_equal(ask("ff02::2", "ff02::2", 255, rs, sizeof(rs), &q), -EBADMSG);
	for (size_t n = 0; n < sizeof(rs); n++)
		assert_int_equal(ask("fe80::2", "ff02::2", 255, rs, n, &q), -EBADMSG);
}

static void test_neighbour_solicit(void **state)
{
	uint8_t ns[24] = {135, [8] = 0xfe, 0x80, [23] = 1};
	struct in6_addr one = ip6("fe80::1"), none = ip6("::");
	struct ra_question q;
	struct ip6_packet k;
	uint8_t buf[RA_PACKET_MAX];
	size_t n;

	assert_int_equal(ask("fe80::2", "fe80::1", 255, ns, sizeof(ns), &q), 0);
	assert_memory_equal(&q.target, &one, 16);
	assert_int_equal(ask("::", "ff02::1:ff00:1", 255, ns, sizeof(ns), &q), 0);
	assert_int_equal(ask("::", "ff02::1:ff00:2", 255, ns, sizeof(ns), &q), -EBADMSG);
	assert_int_equal(ask("fe80::2", "fe80::1", 64, ns, sizeof(ns), &q), -EBADMSG);
	for (n = 0; n < sizeof(ns); n++)
		assert_int_equal(ask("fe80::2", "fe80::1", 255, ns, n, &q), -EBADMSG);
	ns[8] = 0xff;
	assert_int_equal(ask("fe80::2", "fe80::1", 255, ns, sizeof(ns), &q), -EBADMSG);

	n = na_packet(&one, &none, buf, sizeof(buf));
	assert_int_equal(n, 64);
	assert_int_equal(ip6_decode(buf, n, &k), 0);
	assert_memory_equal(&k.dst, &ip6_all_nodes, 16);
	assert_int_equal(buf[44], 0xa0); // router, override
	one = ip6("fe80::9");
	n = na_packet(&one, &one, buf, sizeof(buf));
	assert_int_equal(buf[44], 0xe0);
}

// Every advertisement that is cut off inside an option is refused.
static void test_truncated(void **state)
{
	struct in6_addr src = ip6_link_local(1), dst = ip6("ff02::1");
	uint8_t buf[RA_PACKET_MAX], cut[512];
	struct ra ra = example(), got;
	size_t n = ra_packet(&ra, &src, &dst, buf, sizeof(buf));
	struct ip6_packet k;

	for (size_t len = 0; len < n - IP6_HDR_LEN; len++) {
		size_t whole = make(cut, "fe80::1", "ff02::1", 255, buf + IP6_HDR_LEN, len);
		int rc = ip6_decode(cut, whole, &k) ? -EBADMSG : ra_decode(&k, &got);

		// At the borders of options it is shorter and right.
		assert_int_equal(rc, len == 16 || len == 24 || len == 56 ? 0 : -EBADMSG);
	}
	assert_int_equal(
		make(cut, "2001:db8::1", "ff02::1", 255, buf + IP6_HDR_LEN, n - IP6_HDR_LEN), n);
	assert_int_equal(ip6_decode(cut, n, &k), 0);
	assert_int_equal(ra_decode(&k, &got), -EBADMSG); // 6.1.2: from link-local addresses only
}

static void test_prefixes(void **state)
{
	struct in6_addr a = ip6("2001:db8:ff00::1"), p = ip6("2001:db8:f000::");

	assert_true(ip6_in_prefix(&a, &p, 36));
	assert_false(ip6_in_prefix(&a, &p, 40));
	assert_true(ip6_in_prefix(&a, &p, 0));
	assert_true(ip6_in_prefix(&a, &a, 128));
	assert_false(ip6_in_prefix(&a, &p, 128));
	assert_false(ip6_in_prefix(&a, &a, 129));
	a = ip6_link_local(0x1122334455667788);
	p = ip6("fe80::1122:3344:5566:7788");
	assert_memory_equal(&a, &p, 16);
}

static void test_udp(void **state)
{
	struct in6_addr src = ip6("fe80::1"), dst = ip6("ff02::1:2");
	struct ip6_packet k;
	uint8_t buf[128];
	struct writer w = writer_make(buf, sizeof(buf));

	ip6_begin(&w, &src, &dst, IPPROTO_UDP, 64, 546, 547);
	wr_bytes(&w, "hello", 5);
	ip6_end(&w);
	assert_int_equal(ip6_decode(buf, wr_len(&w), &k), 0);
	assert_int_equal(k.sport, 546);
	assert_int_equal(k.dport, 547);
	assert_int_equal(cur_left(&k.payload), 5);
	buf[45]++; // UDP's own length
	buf[46] = buf[47] = 0;
	assert_int_equal(ip6_decode(buf, wr_len(&w), &k), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_router_solicit),
		cmocka_unit_test(test_neighbour_solicit),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_udp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
