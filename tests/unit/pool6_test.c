// SPDX-License-Identifier: BSD-3-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "controlplane/pool6.h"

static struct in6_addr ip6(const char *text)
{
	struct in6_addr a;

	assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
	return a;
}

static struct pools6 *make(struct config *c)
{
	char err[200] = "";
	struct pools6 *p = pools6_create(c, err, sizeof(err));

	assert_non_null(p);
	return p;
}

static void assert_in(const struct in6_addr *a, const char *prefix, unsigned int plen)
{
	struct in6_addr p = ip6(prefix);

	for (unsigned int i = 0; i < plen; i++)
		assert_int_equal(
			a->s6_addr[i / 8] >> (7 - i % 8) & 1, p.s6_addr[i / 8] >> (7 - i % 8) & 1);
}

// All pieces of a small pool, each once; none is left; one that comes back goes out again.
static void test_small(void **state)
{
	struct config_pool6 pool = {
		.name = "a", .prefix = ip6("2001:db8:5::"), .plen = 56, .length = 64};
	struct config c = {.pools6 = &pool, .nb_pools6 = 1};
	struct pools6 *p = make(&c);
	struct pool6 *a = pools6_find(p, "a");
	struct in6_addr got[256], more;

	assert_null(pools6_find(p, "b"));
	assert_int_equal(pool6_size(a), 256);
	assert_int_equal(pool6_length(a), 64);
	for (unsigned int i = 0; i < 256; i++) {
		assert_int_equal(pools6_take_any(p, a, i + 1, 77, &got[i]), 0);
		assert_in(&got[i], "2001:db8:5::", 56);
		assert_true(memcmp(got[i].s6_addr + 8, "\0\0\0\0\0\0\0", 8) == 0);
		for (unsigned int k = 0; k < i; k++)
			assert_memory_not_equal(&got[k], &got[i], 16);
	}
	assert_int_equal(pools6_take_any(p, a, 999, 0, &more), -ENOSPC);
	assert_int_equal(pools6_owner(p, &got[100], 64), 101);
	pools6_release(p, &got[100], 64);
	assert_int_equal(pools6_owner(p, &got[100], 64), 0);
	assert_int_equal(pools6_take_any(p, a, 999, 0, &more), 0);
	assert_memory_equal(&more, &got[100], 16);
	for (unsigned int i = 0; i < 256; i++)
		pools6_release(p, &got[i], 64);
	assert_int_equal(pools6_taken(p), 0);
	assert_int_equal(pool6_taken(a), 0);
	pools6_destroy(p);
}

// Many with one hint lie apart: the next one does not have to pass them all.
static void test_shared_hint(void **state)
{
	struct config_pool6 pool = {
		.name = "huge", .prefix = ip6("2001:db8::"), .plen = 32, .length = 64};
	struct config c = {.pools6 = &pool, .nb_pools6 = 1};
	struct pools6 *p = make(&c);
	struct pool6 *a = pools6_find(p, "huge");
	struct in6_addr got[64];

	for (unsigned int i = 0; i < 64; i++) {
		assert_int_equal(pools6_take_any(p, a, i + 1, 77, &got[i]), 0);
		assert_in(&got[i], "2001:db8::", 32);
		// 256 pieces: those around 77 are the first one's.
		for (unsigned int k = 0; k < i; k++)
			assert_memory_not_equal(&got[k], &got[i], 7);
	}
	for (unsigned int i = 0; i < 64; i++)
		pools6_release(p, &got[i], 64);
	assert_int_equal(pools6_taken(p), 0);
	pools6_destroy(p);
}

// The same hint finds the same piece while it is free; a huge pool costs nothing.
static void test_hint(void **state)
{
	struct config_pool6 pools[] = {
		{.name = "huge", .prefix = ip6("2001:db8::"), .plen = 32, .length = 64},
		{.name = "all", .prefix = ip6("::"), .plen = 0, .length = 64},
		{.name = "mid", .prefix = ip6("fd00::"), .plen = 48, .length = 64},
	};
	struct config c = {.pools6 = pools, .nb_pools6 = 1};

	for (unsigned int k = 0; k < 3; k++) {
		struct in6_addr one, two;
		struct pools6 *p;
		struct pool6 *a;

		c.pools6 = &pools[k];
		p = make(&c);
		a = pools6_find(p, pools[k].name);
		for (uint64_t hint = 1; hint; hint *= 3) {
			assert_int_equal(pools6_take_any(p, a, 1, hint, &one), 0);
			assert_int_equal(pools6_take_any(p, a, 2, hint, &two), 0);
			assert_memory_not_equal(&one, &two, 16);
			pools6_release(p, &one, 64);
			assert_int_equal(pools6_take_any(p, a, 3, hint, &one), 0);
			assert_int_equal(pools6_owner(p, &one, 64), 3);
			pools6_release(p, &one, 64);
			pools6_release(p, &two, 64);
			if (hint > UINT64_MAX / 3)
				break;
		}
		assert_int_equal(pools6_taken(p), 0);
		pools6_destroy(p);
	}
}

// Many out of a pool with few more, against a plain set.
static void test_crowd(void **state)
{
	enum { N = 20000 };
	struct config_pool6 pool = {
		.name = "a", .prefix = ip6("2001:db8::"), .plen = 40, .length = 62};
	struct config c = {.pools6 = &pool, .nb_pools6 = 1};
	struct pools6 *p = make(&c);
	struct pool6 *a = pools6_find(p, "a");
	struct in6_addr *got = calloc(N, sizeof(*got));
	uint64_t seed = 5;

	assert_non_null(got);
	assert_int_equal(pool6_size(a), 1u << 22);
	for (unsigned int i = 0; i < N; i++) {
		// Half of them crowd around one place, the end of the pool.
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		assert_int_equal(pools6_take_any(p, a, i + 1, i & 1 ? seed >> 20 : (1u << 22) - 100,
					 &got[i]),
			0);
		assert_in(&got[i], "2001:db8::", 40);
		assert_int_equal(got[i].s6_addr[7] & 3, 0);
	}
	for (unsigned int i = 0; i < N; i++)
		assert_int_equal(pools6_owner(p, &got[i], 62), i + 1);
	for (unsigned int i = 0; i < N; i += 2)
		pools6_release(p, &got[i], 62);
	for (unsigned int i = 1; i < N; i += 2)
		assert_int_equal(pools6_owner(p, &got[i], 62), i + 1);
	assert_int_equal(pools6_taken(p), N / 2);
	for (unsigned int i = 1; i < N; i += 2)
		pools6_release(p, &got[i], 62);
	assert_int_equal(pool6_taken(a), 0);
	free(got);
	pools6_destroy(p);
}

// Fixed prefixes of secrets, longer and shorter than the pool's pieces and all over it, are never
// handed out.
static void test_fixed(void **state)
{
	struct config_secret secrets[] = {
		{.has_prefix6 = true, .prefix6 = {ip6("2001:db8:0:10::"), 64}},
		{.has_prefix6 = true, .prefix6 = {ip6("2001:db8:0:20::"), 60}},
		{.has_prefix6 = true,
			.prefix6 = {ip6("2001:db8:0:28::"), 61}}, // inside the one before
		{.has_prefix6 = true, .prefix6 = {ip6("2001:db8:0:ff:8000::"), 96}},
		{.has_prefix6 = true, .prefix6 = {ip6("2001:db9::"), 48}}, // outside
		{.has_prefix6 = false},
	};
	struct config_pool6 pools[] = {
		{.name = "small", .prefix = ip6("2001:db8::"), .plen = 56, .length = 64},
		{.name = "large", .prefix = ip6("2001:db8::"), .plen = 32, .length = 64},
	};
	struct config c = {.nb_pools6 = 1, .secrets = secrets, .nb_secrets = 6};

	for (unsigned int k = 0; k < 2; k++) {
		struct in6_addr got[256], fixed;
		unsigned int n = 0;
		struct pools6 *p;
		struct pool6 *a;

		c.pools6 = &pools[k];
		p = make(&c);
		a = pools6_find(p, pools[k].name);
		while (n < (k ? 256 : 238) && !pools6_take_any(p, a, n + 1, 0, &got[n])) {
			unsigned int last = got[n].s6_addr[7];

			assert_true(got[n].s6_addr[6] ||
				    (last != 0x10 && last >> 4 != 2 && last != 0xff));
			n++;
		}
		assert_int_equal(n, k ? 256 : 238);
		assert_int_equal(pools6_take_any(p, a, 9, 0, &fixed), k ? 0 : -ENOSPC);
		if (k)
			pools6_release(p, &fixed, 64);
		for (unsigned int i = 0; i < 5; i++) {
			const struct config_prefix *f = &secrets[i].prefix6;

			assert_int_equal(pools6_take(p, &f->addr, f->plen, 500 + i), 0);
			assert_int_equal(pools6_take(p, &f->addr, f->plen, 600), -EADDRINUSE);
			assert_int_equal(pools6_owner(p, &f->addr, f->plen), 500 + i);
		}
		// What overlaps the pool's pieces and is none of these is refused.
		fixed = ip6("2001:db8:0:40::");
		assert_int_equal(pools6_take(p, &fixed, 60, 1), -EADDRINUSE);
		fixed = ip6("2001:db8:0:40:1::");
		assert_int_equal(pools6_take(p, &fixed, 80, 1), -EADDRINUSE);
		fixed = ip6("2001::");
		assert_int_equal(pools6_take(p, &fixed, 16, 1), -EADDRINUSE);
		for (unsigned int i = 0; i < 5; i++)
			pools6_release(p, &secrets[i].prefix6.addr, secrets[i].prefix6.plen);
		for (unsigned int i = 0; i < n; i++)
			pools6_release(p, &got[i], 64);
		assert_int_equal(pools6_taken(p), 0);
		// A piece may be asked for by name (a lease that is known).
		assert_int_equal(pools6_take(p, &got[3], 64, 7), 0);
		for (unsigned int i = 0; i < 237; i++) {
			assert_int_equal(pools6_take_any(p, a, 8, 0, &got[i]), 0);
			assert_int_not_equal(pools6_owner(p, &got[i], 64), 7);
		}
		pools6_destroy(p);
	}
}

static void test_bad(void **state)
{
	static const uint8_t bad[][2] = {{64, 56}, {32, 65}, {0, 0}};
	char err[200];

	for (unsigned int i = 0; i < 3; i++) {
		struct config_pool6 pool = {.name = "bad", .plen = bad[i][0], .length = bad[i][1]};
		struct config c = {.pools6 = &pool, .nb_pools6 = 1};

		assert_null(pools6_create(&c, err, sizeof(err)));
		assert_non_null(strstr(err, "bad"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_hint),
		cmocka_unit_test(test_shared_hint),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
