// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/secret.h"
#include "protocol/cursor.h"

static void quote_plain(void **state)
{
	char b[64];

	assert_string_equal(log_quote(b, sizeof(b), "MT-User", 7), "MT-User");
	assert_string_equal(log_quote(b, sizeof(b), "", 0), "\"\"");
}

// Nothing a peer sends may forge a line or a field.
static void quote_hostile(void **state)
{
	char b[64];

	assert_string_equal(log_quote(b, sizeof(b), "a b", 3), "\"a b\"");
	assert_string_equal(log_quote(b, sizeof(b), "a\nb", 3), "\"a\\x0ab\"");
	assert_string_equal(log_quote(b, sizeof(b), "a\"\\", 3), "\"a\\\"\\\\\"");
	assert_string_equal(log_quote(b, sizeof(b), "user=root", 9), "\"user=root\"");
	assert_string_equal(log_quote(b, sizeof(b), "\xff\x00", 2), "\"\\xff\\x00\"");
}

static void quote_bounded(void **state)
{
	char in[300], b[32];

	memset(in, '\n', sizeof(in));
	for (size_t cap = 0; cap <= sizeof(b); cap++) {
		memset(b, 'Z', sizeof(b));
		log_quote(b, cap, in, sizeof(in));
		if (cap)
			assert_true(strnlen(b, cap) < cap);
		if (cap < sizeof(b))
			assert_int_equal(b[cap], 'Z');
	}
}

static void secrets(void **state)
{
	uint8_t a[16], b[16];

	memset(a, 1, sizeof(a));
	memset(b, 1, sizeof(b));
	assert_true(secret_equal(a, b, 16));
	for (int i = 0; i < 16; i++) {
		b[i] ^= 0x80;
		assert_false(secret_equal(a, b, 16));
		b[i] ^= 0x80;
	}
	secret_wipe(a, sizeof(a));
	for (int i = 0; i < 16; i++)
		assert_int_equal(a[i], 0);
}

static void cursor_bounds(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7};
	struct cursor c = cursor_make(bytes, sizeof(bytes)), sub;
	uint8_t v8;
	uint16_t v16 = 0;
	uint32_t v32 = 0;

	assert_int_equal(cur_u8(&c, &v8) || cur_u16(&c, &v16) || cur_u32(&c, &v32), 0);
	assert_int_equal(v8, 1);
	assert_int_equal(v16, 0x0203);
	assert_int_equal(v32, 0x04050607);
	assert_int_equal(cur_empty(&c), 0);
	assert_int_equal(cur_u8(&c, &v8), -EBADMSG);
	for (size_t n = 0; n < 4; n++) {
		c = cursor_make(bytes, n);
		assert_int_equal(cur_u32(&c, &v32), -EBADMSG);
		assert_int_equal(cur_left(&c), n);
		assert_int_equal(cur_sub(&c, &sub, n + 1), -EBADMSG);
		assert_int_equal(cur_sub(&c, &sub, SIZE_MAX), -EBADMSG);
		assert_int_equal(cur_skip(&c, SIZE_MAX), -EBADMSG);
		assert_int_equal(cur_left(&c), n);
	}
}

static void writer_bounds(void **state)
{
	uint8_t buf[8] = {0};
	struct writer w = writer_make(buf, 6);

	wr_u8(&w, 1);
	wr_u16(&w, 0x0203);
	wr_u32(&w, 0x04050607);
	assert_true(w.overflow);
	assert_true(wr_len(&w) <= 6);
	assert_int_equal(buf[6], 0);
	assert_int_equal(buf[7], 0);
	wr_u8(&w, 9);
	assert_true(w.overflow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quote_plain),
		cmocka_unit_test(quote_hostile),
		cmocka_unit_test(quote_bounded),
		cmocka_unit_test(secrets),
		cmocka_unit_test(cursor_bounds),
		cmocka_unit_test(writer_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
