// SPDX-License-Identifier: BSD-3-Clause
// Compiled filters against the rules read one by one, and what a packet may hide.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>

#include "dataplane/filter.h"

// Rules begin with ANY, and say more behind it.
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif
#define ANY                                                                          \
	.direction = CONFIG_DIR_IN | CONFIG_DIR_OUT, .src_list = -1, .dst_list = -1, \
	.protocol = -1, .src_port = {0, 65535}, .dst_port = {0, 65535}

static uint32_t rnd(uint32_t *s)
{
	*s = *s * 1664525 + 1013904223;
	return *s >> 8;
}

static struct config_prefix prefix(const char *text, uint8_t plen)
{
	struct config_prefix p = {.plen = plen};
	struct in_addr a4;

	if (inet_pton(AF_INET6, text, &p.addr) == 1)
		return p;
	assert_int_equal(inet_pton(AF_INET, text, &a4), 1);
	p.addr = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
	memcpy(&p.addr.s6_addr[12], &a4, 4);
	p.plen = (uint8_t)(plen + 96);
	return p;
}

static struct filter_set *compile(struct config_filter_rule *rules, unsigned int n)
{
	struct config_filter f = {.rules = rules, .nb_rules = n};
	struct config c = {.filters = &f, .nb_filters = 1};
	struct filter_set *fs = filter_set_create(&c);

	assert_non_null(fs);
	return fs;
}

// ---- packets

static uint32_t udp4(uint8_t *p, const char *src, const char *dst, uint8_t protocol, uint16_t sport,
	uint16_t dport)
{
	memset(p, 0, 28);
	p[0] = 0x45;
	p[3] = 28;
	p[8] = 64;
	p[9] = protocol;
	assert_int_equal(inet_pton(AF_INET, src, p + 12), 1);
	assert_int_equal(inet_pton(AF_INET, dst, p + 16), 1);
	p[20] = sport >> 8;
	p[21] = sport & 0xff;
	p[22] = dport >> 8;
	p[23] = dport & 0xff;
	return 28;
}

static uint32_t udp6(uint8_t *p, const char *src, const char *dst, uint8_t next)
{
	memset(p, 0, 40);
	p[0] = 0x60;
	p[6] = next;
	p[7] = 64;
	assert_int_equal(inet_pton(AF_INET6, src, p + 8), 1);
	assert_int_equal(inet_pton(AF_INET6, dst, p + 24), 1);
	return 40;
}

static enum config_filter_action match(
	const struct filter_set *fs, bool out, const uint8_t *p, uint32_t len)
{
	const struct filter *f = filter_get(fs, 0, out);
	struct filter_key k;

	filter_key(&k, p, len);
	return f ? filter_match(f, &k, 0, 0) : CONFIG_FILTER_ACCEPT;
}

// ---- tests

static void first_match(void **state)
{
	struct config_filter_rule rules[] = {
		{ANY, .action = CONFIG_FILTER_ACCEPT, .protocol = 17, .dst_port = {53, 53}},
		{ANY, .action = CONFIG_FILTER_REJECT, .has_dst = true,
			.dst = prefix("10.0.0.0", 8)},
		{ANY, .action = CONFIG_FILTER_DROP, .direction = CONFIG_DIR_OUT, .protocol = 6,
			.src_port = {1000, 2000}},
		{ANY, .action = CONFIG_FILTER_DROP, .has_src = true,
			.src = prefix("2001:db8::", 32)},
	};
	struct filter_set *fs = compile(rules, 4);
	uint8_t p[128];
	uint32_t n;

	assert_true(filter_exists(fs, 0) && !filter_exists(fs, 1) && !filter_exists(NULL, 0));
	assert_null(filter_get(fs, 1, false));
	n = udp4(p, "1.2.3.4", "10.9.9.9", 17, 5, 53);
	assert_int_equal(match(fs, false, p, n), CONFIG_FILTER_ACCEPT);
	n = udp4(p, "1.2.3.4", "10.9.9.9", 17, 5, 54);
	assert_int_equal(match(fs, false, p, n), CONFIG_FILTER_REJECT);
	n = udp4(p, "1.2.3.4", "10.9.9.9", 6, 5, 53);
	assert_int_equal(match(fs, false, p, n), CONFIG_FILTER_REJECT);
	n = udp4(p, "1.2.3.4", "11.9.9.9", 6, 1000, 53);
	assert_int_equal(match(fs, false, p, n), CONFIG_FILTER_ACCEPT);
	assert_int_equal(match(fs, true, p, n), CONFIG_FILTER_DROP);
	n = udp4(p, "1.2.3.4", "11.9.9.9", 6, 2001, 53);
	assert_int_equal(match(fs, true, p, n), CONFIG_FILTER_ACCEPT);
	n = udp6(p, "2001:db8:1::1", "::1", 58);
	assert_int_equal(match(fs, true, p, n), CONFIG_FILTER_DROP);
	n = udp6(p, "2001:db9:1::1", "::1", 58);
	assert_int_equal(match(fs, true, p, n), CONFIG_FILTER_ACCEPT);
	filter_set_destroy(fs);
	filter_set_destroy(NULL);
}

// A rule for ICMP is for both families' one.
static void icmp_is_both(void **state)
{
	struct config_filter_rule rules[] = {
		{ANY, .action = CONFIG_FILTER_DROP, .protocol = 1, .direction = CONFIG_DIR_IN}};
	struct filter_set *fs = compile(rules, 1);
	uint8_t p[128];
	uint32_t n = udp4(p, "1.2.3.4", "10.9.9.9", 1, 0, 0);

	assert_int_equal(match(fs, false, p, n), CONFIG_FILTER_DROP);
	assert_null(filter_get(fs, 0, true)); // no rule for that direction
	n = udp6(p, "2001:db9:1::1", "::1", 58);
	assert_int_equal(match(fs, false, p, n), CONFIG_FILTER_DROP);
	n = udp6(p, "2001:db9:1::1", "::1", 59);
	assert_int_equal(match(fs, false, p, n), CONFIG_FILTER_ACCEPT);
	filter_set_destroy(fs);
}

// Later fragments have no ports: rules about ports are not for them. What hides its ports does not
// pass at all.
static void fragments4(void **state)
{
	struct config_filter_rule rules[] = {
		{ANY, .action = CONFIG_FILTER_REJECT, .protocol = 17, .dst_port = {53, 53}}};
	struct filter_set *fs = compile(rules, 1);
	uint8_t p[128];
	uint32_t n = udp4(p, "1.2.3.4", "10.9.9.9", 17, 5, 53);

	p[6] = 0x20; // more fragments, the first one
	assert_int_equal(match(fs, false, p, n), CONFIG_FILTER_REJECT);
	p[7] = 100;
	assert_int_equal(match(fs, false, p, n), CONFIG_FILTER_ACCEPT);
	p[7] = 1; // of UDP that is allowed
	assert_int_equal(match(fs, false, p, n), CONFIG_FILTER_ACCEPT);
	p[9] = 6; // of TCP it would overlap the flags
	assert_int_equal(match(fs, false, p, n), CONFIG_FILTER_DROP);
	p[6] = p[7] = 0;
	p[9] = 17;
	for (n = 20; n < 24; n++)
		assert_int_equal(match(fs, false, p, n), CONFIG_FILTER_DROP);
	assert_int_equal(match(fs, false, p, 24), CONFIG_FILTER_REJECT);
	p[0] = 0x46; // options, but no ports behind them
	assert_int_equal(match(fs, false, p, 24), CONFIG_FILTER_DROP);
	p[9] = 47; // no ports anyway
	assert_int_equal(match(fs, false, p, 24), CONFIG_FILTER_ACCEPT);
	p[0] = 0x4f;
	assert_int_equal(match(fs, false, p, 24), CONFIG_FILTER_DROP);
	filter_set_destroy(fs);
}

static void extensions6(void **state)
{
	struct config_filter_rule rules[] = {
		{ANY, .action = CONFIG_FILTER_REJECT, .protocol = 17, .dst_port = {53, 53}}};
	struct filter_set *fs = compile(rules, 1);
	// hop-by-hop of 16 bytes, routing of 8, destination options of 8, fragment, AH of 16
	static const uint8_t chain[] = {43, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,   //
		60, 0, 0, 0, 0, 0, 0, 0, 44, 0, 0, 0, 0, 0, 0, 0, 51, 0, 0, 1, 1, 2, 3, 4, //
		17, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 53};
	uint8_t p[128];
	uint32_t n = udp6(p, "2001:db8::1", "2001:db8::2", 0);

	memcpy(p + n, chain, sizeof(chain));
	n += sizeof(chain);
	assert_int_equal(match(fs, false, p, n), CONFIG_FILTER_REJECT);
	for (uint32_t k = 40; k < n; k++) // RFC 7112: the whole chain is in the first fragment
		assert_int_equal(match(fs, false, p, k), CONFIG_FILTER_DROP);
	p[40 + 32] = 17;
	p[40 + 32 + 3] = 8; // a later fragment
	assert_int_equal(match(fs, false, p, n), CONFIG_FILTER_ACCEPT);
	p[40 + 32] = 6;
	assert_int_equal(match(fs, false, p, n), CONFIG_FILTER_DROP);
	// More headers than anybody needs.
	n = udp6(p, "2001:db8::1", "2001:db8::2", 60);
	memset(p + 40, 0, 80);
	for (int i = 0; i < 9; i++)
		p[40 + 8 * i] = 60;
	assert_int_equal(match(fs, false, p, 120), CONFIG_FILTER_DROP);
	assert_int_equal(match(fs, false, p, 39), CONFIG_FILTER_DROP);
	filter_set_destroy(fs);
}

// ---- against the rules one by one

static bool in_prefix(const struct config_prefix *p, const struct in6_addr *a)
{
	if ((p->plen >= 96 && IN6_IS_ADDR_V4MAPPED(&p->addr)) != !!IN6_IS_ADDR_V4MAPPED(a))
		return false;
	for (unsigned int i = 0; i < p->plen; i++)
		if ((p->addr.s6_addr[i / 8] ^ a->s6_addr[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static struct in6_addr address(uint64_t hi, uint64_t lo)
{
	struct in6_addr a;

	hi = __builtin_bswap64(hi);
	lo = __builtin_bswap64(lo);
	memcpy(a.s6_addr, &hi, 8);
	memcpy(a.s6_addr + 8, &lo, 8);
	return a;
}

static bool port_in(const uint16_t *range, const struct filter_key *k, uint16_t port)
{
	if (range[0] == 0 && range[1] == 65535)
		return true;
	return k->has_ports && port >= range[0] && port <= range[1];
}

static bool rule_suits(const struct config_filter_rule *r, const struct filter_key *k,
	uint32_t src_lists, uint32_t dst_lists)
{
	struct in6_addr src = address(k->src_hi, k->src_lo), dst = address(k->dst_hi, k->dst_lo);

	return (!r->has_src || in_prefix(&r->src, &src)) &&
	       (!r->has_dst || in_prefix(&r->dst, &dst)) &&
	       (r->src_list < 0 || src_lists >> r->src_list & 1) &&
	       (r->dst_list < 0 || dst_lists >> r->dst_list & 1) &&
	       (r->protocol < 0 || r->protocol == k->protocol ||
		       (r->protocol == 1 && k->protocol == 58)) &&
	       port_in(r->src_port, k, k->src_port) && port_in(r->dst_port, k, k->dst_port);
}

static uint64_t wild(uint32_t *s)
{
	static const uint64_t v[] = {0, 1, UINT64_MAX, UINT64_C(0x20010db800000000),
		UINT64_C(0x20010db8ffffffff), UINT64_C(1) << 63};

	return v[rnd(s) % 6] + rnd(s) % 3 - 1;
}

static void some_address(uint32_t *s, uint64_t *hi, uint64_t *lo)
{
	static const uint32_t v4[] = {
		0, 0xffffffff, 0x0a000000, 0x0a00ffff, 0x7fffffff, 0x80000000};

	if (rnd(s) % 2) {
		*hi = 0;
		*lo = UINT64_C(0xffff) << 32 | (uint32_t)(v4[rnd(s) % 6] + rnd(s) % 3 - 1);
	} else {
		*hi = wild(s);
		*lo = wild(s);
	}
}

static struct config_prefix some_prefix(uint32_t *s)
{
	struct config_prefix p;
	uint64_t hi, lo;

	some_address(s, &hi, &lo);
	p.addr = address(hi, lo);
	p.plen = (uint8_t)(IN6_IS_ADDR_V4MAPPED(&p.addr) ? 96 + rnd(s) % 33 : rnd(s) % 129);
	return p;
}

static void some_ports(uint32_t *s, uint16_t *range)
{
	static const uint16_t v[] = {0, 1, 79, 80, 81, 1023, 65534, 65535};
	uint16_t a = v[rnd(s) % 8], b = v[rnd(s) % 8];

	range[0] = a < b ? a : b;
	range[1] = a < b ? b : a;
}

static struct config_filter_rule some_rule(uint32_t *s)
{
	struct config_filter_rule r = {ANY, .action = rnd(s) % 3, .direction = 1 + rnd(s) % 3};
	uint32_t what = rnd(s);

	if ((r.has_src = what & 1))
		r.src = some_prefix(s);
	if ((r.has_dst = what & 2))
		r.dst = some_prefix(s);
	if (!(what & 0x30))
		r.src_list = (int)(rnd(s) % 32);
	if (!(what & 0xc0))
		r.dst_list = (int)(rnd(s) % 32);
	if (what & 0x100)
		r.protocol = (int)(rnd(s) % 3 ? 17 : rnd(s) % 2 ? 1 : 255);
	if (!(what & 0x600))
		some_ports(s, r.src_port);
	if (!(what & 0x1800))
		some_ports(s, r.dst_port);
	return r;
}

static struct filter_key some_key(uint32_t *s)
{
	static const uint8_t protocols[] = {17, 1, 58, 255};
	struct filter_key k = {.protocol = protocols[rnd(s) % 4]};

	some_address(s, &k.src_hi, &k.src_lo);
	do
		some_address(s, &k.dst_hi, &k.dst_lo);
	while (!k.src_hi != !k.dst_hi && rnd(s) % 4);
	k.is4 = !k.src_hi && k.src_lo >> 32 == 0xffff && !k.dst_hi && k.dst_lo >> 32 == 0xffff;
	k.has_ports = k.protocol == 17 && rnd(s) % 8;
	if (k.has_ports) {
		uint16_t p[2];

		some_ports(s, p);
		k.src_port = p[0];
		k.dst_port = p[1];
	}
	return k;
}

// Whether both addresses are of the family that is4 says, as in a packet.
static bool one_family(const struct filter_key *k)
{
	struct in6_addr src = address(k->src_hi, k->src_lo), dst = address(k->dst_hi, k->dst_lo);

	return (IN6_IS_ADDR_V4MAPPED(&src) && IN6_IS_ADDR_V4MAPPED(&dst)) == k->is4 &&
	       !IN6_IS_ADDR_V4MAPPED(&src) == !IN6_IS_ADDR_V4MAPPED(&dst);
}

static void against_rules(void **state)
{
	static const unsigned int sizes[] = {1, 2, 5, 63, 64, 65, 200};
	struct config_filter_rule rules[200];
	unsigned int decided = 0;
	uint32_t s = 7;

	for (unsigned int round = 0; round < 70; round++) {
		unsigned int n = sizes[round % 7];
		struct filter_set *fs;

		for (unsigned int i = 0; i < n; i++)
			rules[i] = some_rule(&s);
		fs = compile(rules, n);
		for (unsigned int t = 0; t < 2000; t++) {
			struct filter_key k = some_key(&s);
			uint32_t src = rnd(&s) & rnd(&s), dst = rnd(&s) | rnd(&s) << 8;
			bool out = t & 1;
			enum config_filter_action want = CONFIG_FILTER_ACCEPT, got = want;
			const struct filter *f = filter_get(fs, 0, out);

			if (!one_family(&k))
				continue;
			for (unsigned int i = 0; i < n; i++) {
				if (!(rules[i].direction &
					    (out ? CONFIG_DIR_OUT : CONFIG_DIR_IN)) ||
					!rule_suits(&rules[i], &k, src, dst))
					continue;
				want = rules[i].action;
				decided++;
				break;
			}
			if (f) {
				src &= filter_src_lists(f); // nobody looks for others
				dst &= filter_dst_lists(f);
				got = filter_match(f, &k, src, dst);
			}
			assert_int_equal(got, want);
		}
		filter_set_destroy(fs);
	}
	assert_true(decided > 10000);
}

static void too_many(void **state)
{
	static struct config_filter_rule rules[FILTER_RULES_MAX + 1];
	struct config_filter f = {.rules = rules, .nb_rules = FILTER_RULES_MAX + 1};
	struct config c = {.filters = &f, .nb_filters = 1};

	for (unsigned int i = 0; i <= FILTER_RULES_MAX; i++)
		rules[i] = (struct config_filter_rule){ANY};
	assert_null(filter_set_create(&c));
	assert_int_equal(errno, E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(first_match),
		cmocka_unit_test(icmp_is_both), cmocka_unit_test(fragments4),
		cmocka_unit_test(extensions6), cmocka_unit_test(against_rules),
		cmocka_unit_test(too_many)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
