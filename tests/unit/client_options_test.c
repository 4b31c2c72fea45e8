// SPDX-License-Identifier: BSD-3-Clause
// culvert-client's command line, and passwords from files and the environment.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/options.h"
#include "client/password.h"
#include "protocol/ppp/ppp_auth.h"

static char *errors;

// Parse up to 15 words behind the program's name; errors holds what was said.
static int parse(struct client_options *o, ...)
{
	char *argv[17] = {(char *)"culvert-client"}, *word;
	int argc = 1, rc;
	size_t len;
	va_list ap;
	FILE *err;

	va_start(ap, o);
	while ((word = va_arg(ap, char *)))
		argv[argc++] = word;
	va_end(ap);
	free(errors);
	err = open_memstream(&errors, &len);
	setenv("CLIENT_TEST_PW", "geheim", 1);
	rc = client_options_parse(o, argc, argv, err);
	fclose(err);
	return rc;
}

#define NEEDED "--connect-to", "h", "--user", "u", "--password-env", "CLIENT_TEST_PW"

static int teardown(void **state)
{
	free(errors);
	errors = NULL;
	return 0;
}

static void test_defaults(void **state)
{
	struct client_options o;

	assert_int_equal(parse(&o, NEEDED, NULL), 0);
	assert_string_equal(o.connect_to, "h");
	assert_string_equal(o.port, "443");
	assert_string_equal(o.password, "geheim");
	assert_null(getenv("CLIENT_TEST_PW")); // no child shall see it
	assert_int_equal(o.auth_methods, PPP_AUTH_ALL);
	assert_int_equal(o.max_mtu, 1460);
	assert_int_equal(o.max_mru, 1460);
	assert_int_equal(o.keepalive_s, 60);
	assert_false(o.verify_certificate || o.verify_address || o.add_default_route || o.add_sni);
	client_options_wipe(&o);
	assert_int_equal(o.password[0], 0);
}

static void test_values(void **state)
{
	struct client_options o;

	assert_int_equal(parse(&o, NEEDED, "--authentication", "pap,mschap2", "--max-mtu", "1300",
				 "--keepalive-timeout", "1m30s", "--tls-version", "only-1.2",
				 "--name", "vpn0", NULL),
		0);
	assert_int_equal(o.auth_methods, PPP_AUTH_PAP | PPP_AUTH_MSCHAP2);
	assert_int_equal(o.max_mtu, 1300);
	assert_int_equal(o.keepalive_s, 90);
	assert_true(o.only_tls12);
	assert_string_equal(o.name, "vpn0");
	assert_int_equal(parse(&o, NEEDED, "--keepalive-timeout", "disabled", NULL), 0);
	assert_int_equal(o.keepalive_s, 0);
	assert_int_equal(o.mrru, 0);
	assert_int_equal(parse(&o, NEEDED, "--mrru", "65535", "--mrru-short-sequence", NULL), 0);
	assert_int_equal(o.mrru, 65535);
	assert_true(o.mrru_short);
	assert_int_equal(parse(&o, NEEDED, "--mrru", "disabled", NULL), 0);
	assert_int_equal(o.mrru, 0);
}

// --flag, --flag=no, --flag no
static void test_flags(void **state)
{
	struct client_options o;

	assert_int_equal(parse(&o, NEEDED, "--add-sni", "--add-default-route", "yes",
				 "--verify-server-certificate=true", NULL),
		0);
	assert_true(o.add_sni && o.add_default_route && o.verify_certificate);
	assert_int_equal(parse(&o, NEEDED, "--add-sni=no", "--add-default-route", "no",
				 "--verify-server-certificate", NULL),
		0);
	assert_false(o.add_sni || o.add_default_route);
	assert_true(o.verify_certificate);
	assert_int_equal(parse(&o, NEEDED, "--add-sni=maybe", NULL), -EINVAL);
	assert_string_equal(errors, "culvert-client: --add-sni: found maybe, expected yes or no\n");
}

static void test_refused(void **state)
{
	static const char *const bad[][2] = {
		{"--max-mtu", "575"},
		{"--max-mtu", "4092"},
		{"--max-mru", "x"},
		{"--mrru", "511"},
		{"--mrru", "65536"},
		{"--port", "0"},
		{"--port", "65536"},
		{"--authentication", "mschap3"},
		{"--authentication", ""},
		{"--authentication", "pap,"},
		{"--keepalive-timeout", "0"},
		{"--tls-version", "1.1"},
		{"--name", "a/b"},
		{"--name", "sixteen-letters-"},
		{"--log-level", "loud"},
	};
	struct client_options o;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(&o, NEEDED, bad[i][0], bad[i][1], NULL), -EINVAL);
		assert_non_null(strstr(errors, bad[i][0]));
		assert_non_null(strstr(errors, "expected"));
	}
	assert_int_equal(parse(&o, NEEDED, "word", NULL), -EINVAL);
	assert_int_equal(parse(&o, "--user", "u", NULL), -EINVAL);
	assert_int_equal(parse(&o, "--connect-to", "h", NULL), -EINVAL);
	assert_int_equal(parse(&o, "--connect-to", "h", "--user", "u", "--password-env",
				 "NOT_SET_AT_ALL", NULL),
		-EINVAL);
	assert_non_null(strstr(errors, "not set"));
	// A password in argv is what everybody on the machine can read.
	opterr = 0;
	assert_int_equal(parse(&o, NEEDED, "--password", "x", NULL), -EINVAL);
	opterr = 1;
}

static void expect_password(const char *content, size_t len, int rc, const char *expected)
{
	char path[] = "/tmp/client_options_test.XXXXXX", got[16] = "?";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, len), len);
	close(fd);
	assert_int_equal(password_from_file(path, got, sizeof(got)), rc);
	if (expected)
		assert_string_equal(got, expected);
	unlink(path);
}

static void test_password_file(void **state)
{
	char got[16];

	expect_password("secret\nmore\n", 12, 0, "secret");
	expect_password("secret", 6, 0, "secret");
	expect_password("secret\r\n", 8, 0, "secret");
	expect_password(" sp ace \n", 9, 0, " sp ace ");
	expect_password("", 0, 0, "");
	expect_password("123456789012345\n", 16, 0, "123456789012345");
	expect_password("1234567890123456\n", 17, -E2BIG, NULL);
	expect_password("a\0b\n", 4, -EINVAL, NULL);
	assert_int_equal(password_from_file("/nonexistent", got, sizeof(got)), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_defaults, teardown),
		cmocka_unit_test_teardown(test_values, teardown),
		cmocka_unit_test_teardown(test_flags, teardown),
		cmocka_unit_test_teardown(test_refused, teardown),
		cmocka_unit_test(test_password_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
