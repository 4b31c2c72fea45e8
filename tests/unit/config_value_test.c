// SPDX-License-Identifier: BSD-3-Clause
// The configuration: values as text.
#include <errno.h>

#include "config/value.h"
#include "config_testlib.h"

static void test_values(void **state)
{
	uint64_t v;
	uint32_t a, b;
	uint8_t len;
	unsigned int x, y;
	bool on;

	assert_int_equal(value_uint("18446744073709551609", &v), 0);
	assert_int_equal(value_uint("18446744073709551620", &v), -ERANGE);
	assert_int_equal(value_uint("", &v), -EINVAL);
	assert_int_equal(value_uint("-1", &v), -EINVAL);
	assert_int_equal(value_uint("0x10", &v), -EINVAL);
	assert_int_equal(value_uint(" 1", &v), -EINVAL);
	assert_int_equal(value_size("3G", &v), 0);
	assert_int_equal(v, 3ull << 30);
	assert_int_equal(value_size("3kB", &v), -EINVAL);
	assert_int_equal(value_size("99999999999999G", &v), -ERANGE);
	assert_int_equal(value_duration("1d2h3m4s", &v), 0);
	assert_int_equal(v, 86400 + 7200 + 180 + 4);
	assert_int_equal(value_duration("3m2h", &v), -EINVAL);
	assert_int_equal(value_duration("1m30", &v), -EINVAL);
	assert_int_equal(value_duration("m", &v), -EINVAL);
	assert_int_equal(value_duration("99999999999999999d", &v), -ERANGE);
	assert_int_equal(value_bool("Yes", &on), -EINVAL);
	assert_int_equal(value_ip4("1.2.3", &a), -EINVAL);
	assert_int_equal(value_ip4("1.2.3.256", &a), -EINVAL);
	assert_int_equal(value_ip4_prefix("10.0.0.1/33", &a, &len), -EINVAL);
	assert_int_equal(value_ip4_prefix("10.0.0.1", &a, &len), -EINVAL);
	assert_int_equal(value_ip4_range("10.0.0.0/30", &a, &b), 0);
	assert_int_equal(a, 0x0a000001);
	assert_int_equal(b, 0x0a000002);
	assert_int_equal(value_ip4_range("10.0.0.1/30", &a, &b), -EINVAL);
	assert_int_equal(value_ip4_range("10.0.0.2-10.0.0.1", &a, &b), -EINVAL);
	assert_int_equal(value_ip4_range("10.0.0.2-", &a, &b), -EINVAL);
	assert_int_equal(value_ip4_range("-10.0.0.2", &a, &b), -EINVAL);
	assert_int_equal(value_ip4_range("10.0.0.7/32", &a, &b), 0);
	assert_int_equal(a, b);
	assert_int_equal(value_cpu_range("3-1", &x, &y), -EINVAL);
	assert_int_equal(value_cpu_range("0-4096", &x, &y), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_values, forget_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
