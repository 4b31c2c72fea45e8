// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/net_util.h"

#include <errno.h>

#include "dataplane/inner.h"

#define SRC 0x0a000002
#define DST 0xc6336402

// 20 bytes of IP and `n` counting bytes of UDP-like payload.
static struct rte_mbuf *packet(uint16_t n, const uint8_t *opt, size_t opt_len)
{
	uint8_t p[2300];
	size_t hlen = net_ip4(p, 17, SRC, DST, n, opt, opt_len), i;

	for (i = 0; i < n; i++)
		p[hlen + i] = (uint8_t)(i * 7 + (i >> 8));
	return net_mbuf(p, hlen + n);
}

static uint8_t *bytes(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod(m, uint8_t *);
}

static void check_accepts_and_trims(void **state)
{
	static const uint8_t opts[] = {1, 1, 1, 1, 7, 4, 0, 0};
	struct rte_mbuf *m = packet(100, NULL, 0);

	assert_int_equal(inner4_check(m), 0);
	assert_int_equal(m->l3_len, 20);
	assert_int_equal(m->data_len, 120);
	rte_pktmbuf_append(m, 30); // padding
	assert_int_equal(inner4_check(m), 0);
	assert_int_equal(m->data_len, 120);
	assert_int_equal(m->pkt_len, 120);
	rte_pktmbuf_free(m);
	m = packet(0, opts, sizeof(opts));
	assert_int_equal(inner4_check(m), 0);
	assert_int_equal(m->l3_len, 28);
	rte_pktmbuf_free(m);
}

static void check_refuses(void **state)
{
	struct rte_mbuf *m = packet(20, NULL, 0);
	uint16_t len, bit;

	for (len = 0; len < 40; len++) { // every truncation
		m->data_len = len;
		m->pkt_len = len;
		assert_int_equal(inner4_check(m), -EBADMSG);
	}
	m->data_len = 40;
	m->pkt_len = 40;
	for (bit = 0; bit < 160; bit++) { // every bit of the header
		bytes(m)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(inner4_check(m), -EBADMSG);
		bytes(m)[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(inner4_check(m), 0);
	// Right checksums, wrong contents.
	bytes(m)[0] = 0x44;
	net_fix_ip4(bytes(m));
	assert_int_equal(inner4_check(m), -EBADMSG);
	bytes(m)[0] = 0x65;
	net_fix_ip4(bytes(m));
	assert_int_equal(inner4_check(m), -EBADMSG);
	bytes(m)[0] = 0x46; // total length below the header's
	net_put16(bytes(m) + 2, 23);
	net_fix_ip4(bytes(m));
	assert_int_equal(inner4_check(m), -EBADMSG);
	rte_pktmbuf_free(m);
}

static void ttl_every_value(void **state)
{
	struct rte_mbuf *m = packet(8, NULL, 0);
	uint64_t seed = 1;
	int ttl, round;

	for (round = 0; round < 300; round++) {
		for (ttl = 0; ttl < 256; ttl++) {
			bytes(m)[8] = (uint8_t)ttl;
			net_put16(bytes(m) + 4, (uint16_t)net_rand(&seed));
			net_fix_ip4(bytes(m));
			assert_int_equal(inner4_ttl(m), ttl > 1);
			assert_int_equal(bytes(m)[8], ttl > 1 ? ttl - 1 : ttl);
			assert_true(net_ip4_ok(bytes(m)));
		}
	}
	rte_pktmbuf_free(m);
}

// A TCP segment with these options (padded to 4) and flags.
static struct rte_mbuf *tcp(uint8_t flags, const uint8_t *opt, size_t n, uint16_t payload)
{
	uint8_t p[256] = {0};
	size_t olen = (n + 3) & ~(size_t)3, hlen;

	hlen = net_ip4(p, 6, SRC, DST, (uint16_t)(20 + olen + payload), NULL, 0);
	net_put16(p + hlen, 40000);
	net_put16(p + hlen + 2, 80);
	net_put32(p + hlen + 4, 0xfffffff0);
	p[hlen + 12] = (uint8_t)((20 + olen) / 4 << 4);
	p[hlen + 13] = flags;
	if (n)
		memcpy(p + hlen + 20, opt, n);
	memset(p + hlen + 20 + olen, 0x5a, payload);
	net_fix_tcp4(p);
	return net_mbuf(p, hlen + 20 + olen + payload);
}

static void expect_mss(const uint8_t *opt, size_t n, size_t at, uint16_t clamp, uint16_t want)
{
	struct rte_mbuf *m = tcp(0x02, opt, n, 3);

	assert_int_equal(inner4_check(m), 0);
	inner4_mss_clamp(m, clamp);
	assert_int_equal(net_get16(bytes(m) + 40 + at), want);
	assert_true(net_l4_ok(bytes(m)));
	assert_true(net_ip4_ok(bytes(m)));
	rte_pktmbuf_free(m);
}

static void mss_is_lowered(void **state)
{
	static const uint8_t even[] = {2, 4, 0x05, 0xb4, 4, 2, 1, 3, 3, 7};
	static const uint8_t odd[] = {1, 2, 4, 0x05, 0xb4, 1, 1, 1};
	static const uint8_t late[] = {8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 4, 0xff, 0xff};
	unsigned int v;

	expect_mss(even, sizeof(even), 2, 1360, 1360);
	expect_mss(odd, sizeof(odd), 3, 1360, 1360);
	expect_mss(late, sizeof(late), 13, 1360, 1360);
	expect_mss(even, sizeof(even), 2, 1460, 1460);
	expect_mss(even, sizeof(even), 2, 1461, 1460); // never raised
	for (v = 0; v < 65536; v += 257) {
		uint8_t o[] = {1, 2, 4, (uint8_t)(v >> 8), (uint8_t)v};

		expect_mss(o, sizeof(o), 3, 1360, (uint16_t)(v > 1360 ? 1360 : v));
		expect_mss(o + 1, 4, 2, 1360, (uint16_t)(v > 1360 ? 1360 : v));
	}
}

static void expect_untouched(struct rte_mbuf *m)
{
	uint8_t before[256];

	memcpy(before, bytes(m), m->data_len);
	inner4_mss_clamp(m, 536);
	assert_memory_equal(before, bytes(m), m->data_len);
	rte_pktmbuf_free(m);
}

static void mss_leaves_others_alone(void **state)
{
	static const uint8_t mss[] = {2, 4, 0x05, 0xb4};
	static const uint8_t bad[][4] = {{2, 3, 5, 0xb4}, {2, 0, 5, 0xb4}, {2, 1, 5, 0xb4},
		{2, 5, 5, 0xb4}, {3, 9, 2, 4}, {0, 2, 4, 5}, {1, 1, 2, 4}, {1, 1, 1, 2}};
	struct rte_mbuf *m;
	uint16_t len;
	size_t i;

	expect_untouched(tcp(0x10, mss, 4, 0)); // no SYN
	for (i = 0; i < 8; i++)
		expect_untouched(tcp(0x02, bad[i], 4, 4));
	m = tcp(0x02, mss, 4, 0);
	net_put16(bytes(m) + 6, 1); // a later fragment
	expect_untouched(m);
	m = tcp(0x02, mss, 4, 0);
	bytes(m)[9] = 17;
	expect_untouched(m);
	m = tcp(0x02, mss, 4, 0);
	bytes(m)[32] = 0x40; // data offset below the header
	expect_untouched(m);
	for (len = 20; len < 44; len++) { // every truncation
		m = tcp(0x02, mss, 4, 0);
		m->data_len = len;
		m->pkt_len = len;
		expect_untouched(m);
	}
	m = tcp(0x02, mss, 4, 0);
	bytes(m)[32] = 0xf0; // data offset beyond the packet: what is there still counts
	inner4_mss_clamp(m, 536);
	assert_int_equal(net_get16(bytes(m) + 42), 536);
	rte_pktmbuf_free(m);
}

// Put fragments together again and compare with the packet they came from.
static void expect_reassembles(
	struct rte_mbuf **f, uint16_t n, const uint8_t *orig, uint16_t len, uint16_t mtu)
{
	uint16_t hlen = (uint16_t)((orig[0] & 15) * 4), base = net_get16(orig + 6) & 0x1fff, i;
	uint8_t seen[2300] = {0};
	uint32_t total = 0;

	for (i = 0; i < n; i++) {
		const uint8_t *p = bytes(f[i]);
		uint16_t h = (uint16_t)((p[0] & 15) * 4), off = net_get16(p + 6);
		uint32_t at = ((off & 0x1fff) - base) * 8u;

		assert_int_equal(inner4_check(f[i]), 0);
		assert_true(f[i]->data_len <= mtu);
		assert_true(rte_pktmbuf_headroom(f[i]) >= MBUF_FRONT);
		assert_true(rte_pktmbuf_tailroom(f[i]) >= MBUF_TAIL);
		assert_memory_equal(p + 12, orig + 12, 8);
		assert_int_equal(net_get16(p + 4), net_get16(orig + 4));
		assert_int_equal(!!(off & 0x2000), i + 1 < n || (orig[6] & 0x20));
		if (i + 1 < n)
			assert_int_equal((f[i]->data_len - h) % 8, 0);
		assert_memory_equal(p + h, orig + hlen + at, f[i]->data_len - h);
		memset(seen + at, 1, f[i]->data_len - h);
		total += f[i]->data_len - h;
	}
	assert_int_equal(total, len - hlen);
	assert_null(memchr(seen, 0, len - hlen));
}

static void fragment_sizes(void **state)
{
	uint8_t orig[2300];
	struct rte_mbuf *out[64], *m;
	uint16_t len, mtu, n;

	for (len = 1; len <= 1980; len += 97) {
		for (mtu = 68; mtu < 1500; mtu += 133) {
			m = packet(len, NULL, 0);
			if (len % 2)
				bytes(m)[6] = 0x20; // itself a fragment: 8 * 100 in, more follow
			net_put16(bytes(m) + 6, net_get16(bytes(m) + 6) | (len % 2 ? 100 : 0));
			net_fix_ip4(bytes(m));
			memcpy(orig, bytes(m), m->data_len);
			n = inner4_fragment(m, mtu, net_pool, out, 64);
			assert_true(n > 0);
			if (len + 20 <= mtu) {
				assert_int_equal(n, 1);
				assert_ptr_equal(out[0], m);
			} else {
				expect_reassembles(out, n, orig, (uint16_t)(len + 20), mtu);
			}
			rte_pktmbuf_free_bulk(out, n);
		}
	}
	net_assert_pool_full();
}

static void fragment_options(void **state)
{
	// NOP, a copied option, record route (not copied), a copied one.
	static const uint8_t opts[] = {1, 0x88, 4, 9, 9, 7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0};
	static const uint8_t kept[] = {0x88, 4, 9, 9, 0x94, 4, 0, 0};
	static const uint8_t broken[] = {1, 0x88, 60, 9};
	struct rte_mbuf *out[8], *m = packet(1000, opts, sizeof(opts));
	uint16_t n;

	n = inner4_fragment(m, 576, net_pool, out, 8);
	assert_int_equal(n, 2);
	assert_int_equal(bytes(out[0])[0], 0x49);
	assert_memory_equal(bytes(out[0]) + 20, opts, sizeof(opts));
	assert_int_equal(bytes(out[1])[0], 0x47);
	assert_memory_equal(bytes(out[1]) + 20, kept, sizeof(kept));
	rte_pktmbuf_free_bulk(out, n);
	m = packet(1000, broken, sizeof(broken));
	n = inner4_fragment(m, 576, net_pool, out, 8);
	assert_int_equal(n, 2);
	assert_int_equal(bytes(out[1])[0], 0x45);
	rte_pktmbuf_free_bulk(out, n);
}

static void fragment_refuses(void **state)
{
	struct rte_mbuf *out[8], *held[NET_POOL_SIZE], *m = packet(1000, NULL, 0);
	unsigned int n;

	bytes(m)[6] = 0x40; // DF
	assert_int_equal(inner4_fragment(m, 576, net_pool, out, 8), 0);
	assert_int_equal(inner4_fragment(packet(1000, NULL, 0), 27, net_pool, out, 8), 0);
	assert_int_equal(inner4_fragment(packet(1000, NULL, 0), 100, net_pool, out, 8), 0);
	net_assert_pool_full();
	m = packet(1000, NULL, 0);
	for (n = 0; n < NET_POOL_SIZE - 2; n++)
		held[n] = rte_pktmbuf_alloc(net_pool);
	assert_int_equal(inner4_fragment(m, 576, net_pool, out, 8), 0); // one mbuf is left
	rte_pktmbuf_free_bulk(held, n);
}

static void icmp_error_golden(void **state)
{
	static const uint8_t want[] = {0x45, 0xc0, 0x00, 0x3c, 0x00, 0x00, 0x40, 0x00, 0x40, 0x01,
		0x00, 0x00, 0x0a, 0x00, 0x00, 0x01, 0x0a, 0x00, 0x00, 0x02, 0x03, 0x04, 0x00, 0x00,
		0x00, 0x00, 0x05, 0x50};
	struct rte_mbuf *m = packet(12, NULL, 0), *e;
	uint8_t got[28];

	e = icmp4_error(m, 3, 4, 1360, 0x0a000001, net_pool);
	assert_non_null(e);
	assert_int_equal(inner4_check(e), 0);
	assert_int_equal(e->data_len, 60);
	assert_true(rte_pktmbuf_headroom(e) >= MBUF_FRONT);
	assert_int_equal(cksum_of(bytes(e) + 20, 40), 0);
	memcpy(got, bytes(e), 28);
	memset(got + 10, 0, 2);
	memset(got + 22, 0, 2);
	assert_memory_equal(got, want, 28);
	assert_memory_equal(bytes(e) + 28, bytes(m), 32);
	rte_pktmbuf_free(e);
	rte_pktmbuf_free(m);
	m = packet(1400, NULL, 0); // as much as fits 576 bytes, no MTU in other errors
	e = icmp4_error(m, 11, 0, 1360, 0x0a000001, net_pool);
	assert_int_equal(e->data_len, 576);
	assert_int_equal(net_get16(bytes(e) + 26), 0);
	assert_int_equal(cksum_of(bytes(e) + 20, 556), 0);
	rte_pktmbuf_free(e);
	rte_pktmbuf_free(m);
}

static void expect_no_error(struct rte_mbuf *m)
{
	assert_null(icmp4_error(m, 11, 0, 0, 0x0a000001, net_pool));
	rte_pktmbuf_free(m);
}

static void icmp_error_not_allowed(void **state)
{
	static const uint32_t not_dst[] = {0xffffffff, 0xe0000001, 0xf0000000};
	static const uint32_t not_src[] = {0, 0xffffffff, 0xe0000001, 0x7f000001, 0x00000005};
	struct rte_mbuf *m, *e;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		m = packet(12, NULL, 0);
		net_put32(bytes(m) + 16, not_dst[i]);
		expect_no_error(m);
	}
	for (i = 0; i < 5; i++) {
		m = packet(12, NULL, 0);
		net_put32(bytes(m) + 12, not_src[i]);
		expect_no_error(m);
	}
	m = packet(12, NULL, 0);
	net_put16(bytes(m) + 6, 3); // a later fragment
	expect_no_error(m);
	for (i = 0; i < 256; i++) { // ICMP: only queries
		bool query =
			i == 0 || (i >= 8 && i <= 10) || (i >= 13 && i <= 18) || i == 42 || i == 43;

		m = packet(12, NULL, 0);
		bytes(m)[9] = 1;
		bytes(m)[20] = (uint8_t)i;
		e = icmp4_error(m, 11, 0, 0, 0x0a000001, net_pool);
		assert_int_equal(e != NULL, query);
		rte_pktmbuf_free(e);
		rte_pktmbuf_free(m);
	}
	m = packet(0, NULL, 0); // ICMP without a type
	bytes(m)[9] = 1;
	expect_no_error(m);
	for (i = 0; i < 20; i++) {
		m = packet(12, NULL, 0);
		m->data_len = (uint16_t)i;
		expect_no_error(m);
	}
}

static struct rte_mbuf *echo(uint16_t n, const uint8_t *opt, size_t opt_len)
{
	struct rte_mbuf *m = packet((uint16_t)(8 + n), opt, opt_len);
	uint8_t *icmp = bytes(m) + 20 + opt_len;
	uint16_t sum;

	bytes(m)[9] = 1;
	net_fix_ip4(bytes(m));
	memset(icmp, 0, 8);
	icmp[0] = 8;
	net_put16(icmp + 4, 0x4242);
	net_put16(icmp + 6, 7);
	sum = cksum_of(icmp, 8u + n);
	memcpy(icmp + 2, &sum, 2);
	return m;
}

static void echo_is_answered(void **state)
{
	static const uint8_t opts[] = {7, 7, 4, 1, 2, 3, 4, 0};
	uint8_t data[8 + 56];
	struct rte_mbuf *m;
	int with;

	for (with = 0; with < 2; with++) {
		m = echo(56, opts, with ? 8 : 0);
		memcpy(data, bytes(m) + (with ? 28 : 20), sizeof(data));
		assert_true(icmp4_echo_reply(m));
		assert_int_equal(inner4_check(m), 0);
		assert_int_equal(m->data_len, 84);
		assert_int_equal(bytes(m)[0], 0x45);
		assert_int_equal(bytes(m)[8], 64);
		assert_int_equal(bytes(m)[20], 0);
		assert_int_equal(cksum_of(bytes(m) + 20, 64), 0);
		assert_memory_equal(bytes(m) + 24, data + 4, 60);
		net_put32(data, DST);
		net_put32(data + 4, SRC);
		assert_memory_equal(bytes(m) + 12, data, 8);
		rte_pktmbuf_free(m);
	}
}

// All zeros but the type: the answer's checksum is 0xffff, which an incremental change misses.
static void echo_of_nothing(void **state)
{
	static const uint8_t want[8] = {0, 0, 0xff, 0xff, 0, 0, 0, 0};
	struct rte_mbuf *m = echo(0, NULL, 0);

	memset(bytes(m) + 20, 0, 8);
	bytes(m)[20] = 8;
	net_put16(bytes(m) + 22, 0xf7ff);
	assert_true(icmp4_echo_reply(m));
	assert_memory_equal(bytes(m) + 20, want, 8);
	rte_pktmbuf_free(m);
}

static void expect_no_reply(struct rte_mbuf *m)
{
	assert_false(icmp4_echo_reply(m));
	rte_pktmbuf_free(m);
}

static void echo_is_not_answered(void **state)
{
	struct rte_mbuf *m;
	uint16_t i;

	for (i = 20; i < 84; i++) { // every truncation
		m = echo(56, NULL, 0);
		m->data_len = i;
		m->pkt_len = i;
		expect_no_reply(m);
	}
	m = echo(56, NULL, 0);
	bytes(m)[20] = 0; // a reply
	expect_no_reply(m);
	m = echo(56, NULL, 0);
	bytes(m)[50] ^= 1; // checksum
	expect_no_reply(m);
	m = echo(56, NULL, 0);
	bytes(m)[6] = 0x20; // fragment
	expect_no_reply(m);
	m = echo(56, NULL, 0);
	net_put32(bytes(m) + 12, 0xe0000001); // from a group
	expect_no_reply(m);
	m = echo(56, NULL, 0);
	net_put32(bytes(m) + 16, 0xffffffff); // to all
	expect_no_reply(m);
	m = echo(56, NULL, 0);
	bytes(m)[9] = 17;
	expect_no_reply(m);
}

// RFC 1624: against summing anew, every change of one word for many others.
static void cksum_adjust_equals_anew(void **state)
{
	uint16_t w[4], sum, from;
	uint64_t seed = 7;
	int i;

	for (i = 0; i < 300000; i++) {
		w[0] = (uint16_t)net_rand(&seed);
		w[1] = (uint16_t)(i % 3 ? net_rand(&seed) : i % 2 ? 0xffff : 0);
		w[2] = (uint16_t)net_rand(&seed);
		w[3] = 0;
		sum = cksum_of(w, sizeof(w));
		from = w[1];
		w[1] = (uint16_t)(i % 5 ? net_rand(&seed) : i % 2 ? 0 : 0xffff);
		w[3] = cksum_adjust(sum, from, w[1]);
		assert_int_equal(cksum_of(w, sizeof(w)), 0);
	}
}

static int pool_full(void **state)
{
	net_assert_pool_full();
	return 0;
}

#define T(f) cmocka_unit_test_teardown(f, pool_full)

int main(void)
{
	const struct CMUnitTest tests[] = {T(check_accepts_and_trims), T(check_refuses),
		T(ttl_every_value), T(mss_is_lowered), T(mss_leaves_others_alone),
		T(fragment_sizes), T(fragment_options), T(fragment_refuses), T(icmp_error_golden),
		T(icmp_error_not_allowed), T(echo_is_answered), T(echo_of_nothing),
		T(echo_is_not_answered), T(cksum_adjust_equals_anew)};

	net_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
