// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "controlplane/pack.h"

static uint32_t seed = 1;

static uint32_t rnd(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

static size_t check(const uint8_t *p, size_t n)
{
	uint8_t *back = malloc(n + 1);
	size_t len;
	uint8_t *packed = pack(p, n, &len);

	assert_non_null(back);
	assert_non_null(packed);
	memset(back, 0xaa, n + 1);
	assert_int_equal(unpack(packed, len, back, n), 0);
	if (n)
		assert_memory_equal(back, p, n);
	assert_int_equal(back[n], 0xaa);
	// Nothing is read or written beyond what is there, whatever is cut off.
	for (size_t i = 0; i < len; i++) {
		uint8_t *exact = malloc(i + 1);

		assert_non_null(exact);
		memcpy(exact + 1, packed, i);
		assert_int_equal(unpack(exact + 1, i, back, n), -EBADMSG);
		free(exact);
	}
	if (n)
		assert_int_equal(unpack(packed, len, back, n - 1), -EBADMSG);
	assert_int_equal(unpack(packed, len, back, n + 1), -EBADMSG);
	pack_free(packed, len);
	free(back);
	return len;
}

static void every_shape(void **state)
{
	uint8_t buf[1200];

	for (unsigned int i = 0; i < 400; i++) {
		size_t n = rnd() % sizeof(buf), at = 0;

		memset(buf, 0, sizeof(buf));
		while (at < n) { // runs of both kinds, of all lengths around the limits
			size_t run = rnd() % 4 ? rnd() % 8 : rnd() % 600;

			for (size_t k = 0; i % 5 && k < run && at + k < n; k++)
				buf[at + k] = (uint8_t)(1 + rnd() % 255);
			at += run + rnd() % (rnd() % 3 ? 5 : 300);
		}
		check(buf, n);
	}
}

static void ends(void **state)
{
	uint8_t buf[1024] = {0};

	assert_int_equal(check(buf, 0), 0);
	assert_int_equal(check(buf, 255), 2);
	assert_int_equal(check(buf, 256), 4);
	assert_int_equal(check(buf, 1), 2);
	memset(buf, 1, sizeof(buf));
	assert_int_equal(check(buf, 255), 257);
	assert_int_equal(check(buf, 256), 260);
	buf[100] = buf[101] = 0; // too few to be worth a turn
	assert_int_equal(check(buf, 255), 257);
	buf[102] = 0;
	assert_int_equal(check(buf, 255), 256);
	pack_free(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shape),
		cmocka_unit_test(ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
