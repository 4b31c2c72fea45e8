// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "controlplane/bits.h"
#include "controlplane/pool.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static struct config *parse(const char *yaml)
{
	struct config *c = config_parse("test", yaml, strlen(yaml), false, stderr);

	assert_non_null(c);
	return c;
}

#define PORTS                                                        \
	"dataplane:\n"                                               \
	"  ports:\n"                                                 \
	"    access: { device: net_null0, address: 192.0.2.1/24 }\n" \
	"    core: { device: net_null1, address: 198.51.100.1/24 }\n"

static void open_pools(const char *yaml, struct config **c, struct pools **p)
{
	char err[200] = "";

	*c = parse(yaml);
	*p = pools_create(*c, err, sizeof(err));
	assert_non_null(*p);
}

static void close_pools(struct config *c, struct pools *p)
{
	pools_destroy(p);
	config_free(c);
}

// Against a plain array, over sizes around the borders of words and levels.
static void test_bits(void **state)
{
	static const uint32_t sizes[] = {1, 2, 63, 64, 65, 127, 4095, 4096, 4097, 300000};

	srand(1);
	for (unsigned int k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		uint32_t size = sizes[k], count = 0;
		bool *in = calloc(size, 1);
		struct bits b;

		assert_non_null(in);
		assert_int_equal(bits_init(&b, size), 0);
		assert_int_equal(bits_next(&b, 0), UINT32_MAX);
		for (unsigned int n = 0; n < 3000; n++) {
			uint32_t i = (uint32_t)rand() % size, want = (uint32_t)rand() % size;

			if (rand() % 3)
				bits_clear(&b, i);
			else
				bits_set(&b, i);
			count += (uint32_t)bits_test(&b, i) - in[i];
			in[i] = bits_test(&b, i);
			assert_int_equal(b.count, count);
			i = want;
			while (want < size && !in[want])
				want++;
			assert_int_equal(bits_next(&b, i), want < size ? want : UINT32_MAX);
		}
		assert_int_equal(bits_next(&b, size), UINT32_MAX);
		bits_free(&b);
		free(in);
	}
}

static void test_every_address_once(void **state)
{
	struct config *c;
	struct pools *p;
	struct pool *pool;
	bool seen[256] = {0};
	uint32_t a;

	open_pools(
		PORTS "ip-pools: { a: [10.0.0.2-10.0.0.9, 10.0.0.100, 10.0.0.128/29] }\n", &c, &p);
	pool = pools_find(p, "a");
	assert_non_null(pool);
	assert_null(pools_find(p, "b"));
	assert_int_equal(pool_size(pool), 8 + 1 + 6);
	for (uint32_t i = 0; i < pool_size(pool); i++) {
		assert_int_equal(pools_take_any(p, pool, i + 1, i * 7919, &a), 0);
		assert_int_equal(a >> 8, IP(10, 0, 0, 0) >> 8);
		assert_false(seen[a & 255]);
		seen[a & 255] = true;
		assert_int_equal(pools_owner(p, a), i + 1);
	}
	assert_true(seen[2] && seen[9] && seen[100] && seen[129] && seen[134]);
	assert_false(seen[10] || seen[99] || seen[128] || seen[135]);
	assert_int_equal(pools_take_any(p, pool, 99, 0, &a), -ENOSPC);
	assert_int_equal(pool_free(pool), 0);
	for (unsigned int i = 0; i < 256; i++)
		if (seen[i])
			pools_release(p, IP(10, 0, 0, i));
	assert_int_equal(pool_free(pool), pool_size(pool));
	assert_int_equal(pools_taken(p), 0);
	close_pools(c, p);
}

static void test_same_user_same_address(void **state)
{
	struct config *c;
	struct pools *p;
	struct pool *pool;
	uint32_t a, b;

	open_pools(PORTS "ip-pools: { a: 10.0.0.2-10.0.255.254 }\n", &c, &p);
	pool = pools_find(p, "a");
	assert_int_equal(pools_take_any(p, pool, 1, 123456789, &a), 0);
	pools_release(p, a);
	assert_int_equal(pools_take_any(p, pool, 2, 987654321, &b), 0);
	assert_int_not_equal(a, b);
	assert_int_equal(pools_take_any(p, pool, 3, 123456789, &b), 0);
	assert_int_equal(a, b);
	assert_int_equal(pools_take_any(p, pool, 4, 123456789, &b), 0);
	assert_int_equal(b, a + 1);
	close_pools(c, p);
}

static void test_fixed_and_local(void **state)
{
	struct config *c;
	struct pools *p;
	struct pool *pool;
	uint32_t a;

	open_pools(PORTS "ip-pools: { a: 10.0.0.2-10.0.0.5 }\n"
			 "ppp-profiles: { default: { local-address: 10.0.0.1 } }\n"
			 "ppp-secrets:\n"
			 "  - { name: x, password: y, remote-address: 10.0.0.3 }\n",
		&c, &p);
	pool = pools_find(p, "a");
	assert_int_equal(pool_free(pool), 3);
	assert_int_equal(pools_take(p, IP(10, 0, 0, 1), 1), -EADDRINUSE);
	assert_int_equal(pools_owner(p, IP(10, 0, 0, 1)), POOL_OWNER_LOCAL);
	pools_release(p, IP(10, 0, 0, 1));
	assert_int_equal(pools_take(p, IP(10, 0, 0, 1), 1), -EADDRINUSE);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(pools_take_any(p, pool, 7, i, &a), 0);
		assert_int_not_equal(a, IP(10, 0, 0, 3));
	}
	assert_int_equal(pools_take_any(p, pool, 7, 0, &a), -ENOSPC);
	assert_int_equal(pools_take(p, IP(10, 0, 0, 3), 8), 0);
	assert_int_equal(pools_take(p, IP(10, 0, 0, 3), 9), -EADDRINUSE);
	assert_int_equal(pools_owner(p, IP(10, 0, 0, 3)), 8);
	pools_release(p, IP(10, 0, 0, 3));
	assert_int_equal(pools_owner(p, IP(10, 0, 0, 3)), 0);
	// Still not for the pool.
	assert_int_equal(pools_take_any(p, pool, 7, 0, &a), -ENOSPC);
	// An address inside the pool taken by name is out of the pool until it comes back.
	pools_release(p, IP(10, 0, 0, 4));
	assert_int_equal(pools_take(p, IP(10, 0, 0, 4), 10), 0);
	assert_int_equal(pools_take_any(p, pool, 7, 0, &a), -ENOSPC);
	pools_release(p, IP(10, 0, 0, 4));
	assert_int_equal(pools_take_any(p, pool, 7, 0, &a), 0);
	assert_int_equal(a, IP(10, 0, 0, 4));
	// Giving back what nobody has does nothing.
	pools_release(p, IP(1, 2, 3, 4));
	close_pools(c, p);
}

// The map under growth and removal, against an array.
static void test_many_at_random(void **state)
{
	struct config *c;
	struct pools *p;
	struct pool *pool;
	static uint64_t owner[65536];
	uint32_t a, taken = 0;

	open_pools(PORTS "ip-pools: { a: 10.0.0.2-10.0.255.254 }\n", &c, &p);
	pool = pools_find(p, "a");
	memset(owner, 0, sizeof(owner));
	srand(2);
	for (unsigned int n = 1; n < 60000; n++) {
		if (rand() % 5 < 3) {
			assert_int_equal(pools_take_any(p, pool, n, (uint64_t)rand() << 20, &a), 0);
			assert_int_equal(owner[a & 0xffff], 0);
			owner[a & 0xffff] = n;
			taken++;
		} else {
			a = IP(10, 0, 0, 0) | ((uint32_t)rand() & 0xffff);
			if (owner[a & 0xffff])
				taken--;
			owner[a & 0xffff] = 0;
			pools_release(p, a);
		}
		assert_int_equal(pools_taken(p), taken);
	}
	for (unsigned int i = 0; i < 65536; i++)
		assert_int_equal(pools_owner(p, IP(10, 0, 0, 0) | i), owner[i]);
	assert_int_equal(pool_free(pool), pool_size(pool) - taken);
	close_pools(c, p);
}

static void test_too_large(void **state)
{
	// A file that asks for this is refused before.
	struct config_pool pool = {.name = (char[]){"a"}, .nb_ranges = 1};
	struct config c = {.pools = &pool, .nb_pools = 1};
	char err[200] = "";

	pool.ranges = calloc(1, sizeof(pool.ranges[0]));
	assert_non_null(pool.ranges);
	pool.ranges[0].first = IP(20, 0, 0, 0);
	pool.ranges[0].last = IP(60, 0, 0, 0);
	assert_null(pools_create(&c, err, sizeof(err)));
	assert_non_null(strstr(err, "pool a has"));
	free(pool.ranges);
}

// One pool after the other; each address once, given back where it came from.
static void test_chain(void **state)
{
	struct config *c;
	struct pools *p;
	struct pool *first;
	uint32_t a[6], one;

	open_pools(PORTS "ip-pools:\n"
			 "  a: { ranges: 10.0.0.1-10.0.0.2, next-pool: b }\n"
			 "  b: { ranges: [10.1.0.1, 10.1.0.3], next-pool: c }\n"
			 "  c: 10.2.0.1-10.2.0.2\n",
		&c, &p);
	first = pools_find(p, "a");
	assert_string_equal(pool_name(pool_next(first)), "b");
	assert_null(pool_next(pools_find(p, "c")));
	for (unsigned int i = 0; i < 6; i++) {
		assert_int_equal(pools_take_any(p, first, i + 1, 77 * i, &a[i]), 0);
		assert_int_equal(a[i] >> 16, 0x0a00 + i / 2);
		for (unsigned int k = 0; k < i; k++)
			assert_int_not_equal(a[i], a[k]);
	}
	assert_int_equal(pools_take_any(p, first, 9, 0, &one), -ENOSPC);
	assert_int_equal(pools_take_any(p, pools_find(p, "c"), 9, 0, &one), -ENOSPC);
	pools_release(p, a[3]);
	assert_int_equal(pools_take_any(p, first, 9, 0, &one), 0);
	assert_int_equal(one, a[3]);
	pools_release(p, a[0]);
	assert_int_equal(pools_take_any(p, first, 9, 0, &one), 0);
	assert_int_equal(one, a[0]);
	assert_ptr_equal(pool_having(first, a[5]), pools_find(p, "c"));
	assert_ptr_equal(pool_having(first, IP(10, 1, 0, 3)), pools_find(p, "b"));
	assert_null(pool_having(first, IP(10, 1, 0, 2)));
	assert_null(pool_having(pools_find(p, "b"), a[0]));
	close_pools(c, p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_every_address_once),
		cmocka_unit_test(test_same_user_same_address),
		cmocka_unit_test(test_fixed_and_local),
		cmocka_unit_test(test_many_at_random),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
