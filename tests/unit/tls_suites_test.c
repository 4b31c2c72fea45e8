// SPDX-License-Identifier: BSD-3-Clause
// Lists of suites as operators write them, and what of TLS 1.3 they stand for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tls/suites.h"

static void test_split(void **state)
{
	static const struct {
		const char *list, *classic, *named;
	} v[] = {
		{NULL, "", ""},
		{"", "", ""},
		{" ,: ,", "", ""},
		{"AES256-SHA", "AES256-SHA", ""},
		{"TLS_AES_128_GCM_SHA256", "", "TLS_AES_128_GCM_SHA256"},
		{"HIGH:!aNULL, TLS_A:-RC4  TLS_B,@SECLEVEL=0:", "HIGH:!aNULL:-RC4:@SECLEVEL=0",
			"TLS_A:TLS_B"},
		{"xTLS_A:TLS_", "xTLS_A", "TLS_"},
	};
	struct tls_suites l;
	char err[80] = "";

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		memset(&l, 0xee, sizeof(l));
		assert_int_equal(tls_suites_split(&l, v[i].list, err, sizeof(err)), 0);
		assert_string_equal(l.classic, v[i].classic);
		assert_string_equal(l.named, v[i].named);
	}
	assert_string_equal(err, "");
}

static void test_too_long(void **state)
{
	char list[TLS_SUITES_MAX + 1], err[80] = "";
	struct tls_suites l;

	memset(list, 'A', sizeof(list));
	list[TLS_SUITES_MAX] = 0;
	assert_int_equal(tls_suites_split(&l, list, err, sizeof(err)), -1);
	assert_string_equal(err, "the list of ciphers is too long");
	list[TLS_SUITES_MAX - 1] = 0;
	assert_int_equal(tls_suites_split(&l, list, err, sizeof(err)), 0);
	assert_int_equal(strlen(l.classic), TLS_SUITES_MAX - 1);
}

static void test_append(void **state)
{
	char list[8] = "";

	tls_suites_append(list, sizeof(list), "a");
	tls_suites_append(list, sizeof(list), "bc");
	assert_string_equal(list, "a:bc");
	tls_suites_append(list, sizeof(list), "defghi"); // cut, not written beyond
	assert_string_equal(list, "a:bc:de");
}

// What a context with the list's cipher string has of TLS 1.3 by it.
static void test_choose(void **state)
{
	static const struct {
		const char *list;
		bool anonymous;
		const char *want;
	} v[] = {
		{"ECDHE-RSA-AES256-GCM-SHA384", false, "TLS_AES_256_GCM_SHA384"},
		{"ECDHE-RSA-CHACHA20-POLY1305:AES128-GCM-SHA256", false,
			"TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"},
		{"AES256-SHA", false, ""},
		{"AES256-SHA:TLS_AES_128_GCM_SHA256", false, "TLS_AES_128_GCM_SHA256"},
		{"TLS_CHACHA20_POLY1305_SHA256", false, "TLS_CHACHA20_POLY1305_SHA256"},
		// Parts of a name are none.
		{"TLS_AES_128_GCM_SHA2567:TLS_AES_256_GCM", false, ""},
		{"ADH-AES256-GCM-SHA384:@SECLEVEL=0", false, ""},
		{"ADH-AES256-GCM-SHA384:@SECLEVEL=0", true, "TLS_AES_256_GCM_SHA384"},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		SSL_CTX *ctx = SSL_CTX_new(TLS_method());
		char got[512] = "", err[80];
		struct tls_suites l;

		assert_int_equal(tls_suites_split(&l, v[i].list, err, sizeof(err)), 0);
		if (l.classic[0])
			assert_int_equal(SSL_CTX_set_cipher_list(ctx, l.classic), 1);
		tls_suites_choose_13(ctx, &l, v[i].anonymous, got, sizeof(got));
		assert_string_equal(got, v[i].want);
		SSL_CTX_free(ctx);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_choose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
