// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "controlplane/last_out.h"

static char dir[64], path[96];
static struct config *conf;

static int setup(void **state)
{
	static const char yaml[] = "dataplane:\n"
				   "  ports:\n"
				   "    access: { device: net_null0, address: 192.0.2.1/24 }\n"
				   "    core: { device: net_null1, address: 198.51.100.1/24 }\n"
				   "ppp-secrets:\n"
				   "  - { name: bob, password: x }\n"
				   "  - { name: \"a name\\n100% odd\\x7f\", password: x }\n"
				   "  - { name: eve, password: x }\n";

	log_set_level("err");
	strcpy(dir, "/tmp/last-out-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/last-logged-out", dir);
	conf = config_parse("test", yaml, strlen(yaml), false, stderr);
	assert_non_null(conf);
	conf->state_dir = strdup(dir);
	return 0;
}

static int teardown(void **state)
{
	char *kept = conf->state_dir;

	conf->state_dir = NULL;
	free(kept);
	config_free(conf);
	unlink(path);
	return rmdir(dir);
}

static struct last_out *open_it(void)
{
	char err[300] = "";
	struct last_out *lo = last_out_open(conf, err, sizeof(err));

	assert_non_null(lo);
	return lo;
}

static void put(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_kept(void **state)
{
	const char *odd = conf->secrets[1].name;
	struct last_out *lo = open_it();
	struct stat st;

	assert_int_equal(last_out_get(lo, "bob"), 0);
	last_out_set(lo, "bob", 1700000001);
	last_out_set(lo, odd, 1700000002);
	last_out_set(lo, "nobody", 1700000003);
	assert_int_equal(last_out_get(lo, "bob"), 1700000001);
	assert_int_equal(last_out_get(lo, "nobody"), 0);
	last_out_set(lo, "bob", 1700000009);
	last_out_close(lo);
	lo = open_it();
	assert_int_equal(last_out_get(lo, "bob"), 1700000009);
	assert_int_equal(last_out_get(lo, odd), 1700000002);
	assert_int_equal(last_out_get(lo, "eve"), 0);
	last_out_close(lo);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	strcat(path, ".new");
	assert_int_not_equal(access(path, F_OK), 0);
	path[strlen(path) - 4] = '\0';
}

// A file that somebody damaged costs what is damaged.
static void test_damaged(void **state)
{
	struct last_out *lo;

	put("# comment\n\nx bob\n5\n-7 bob\n99999999999999999999 bob\n12 bo%4\n12 bob%\n"
	    "13bob\n14 eve\n15 gone\n16  bob\n17 b%6Fb\n18 bob");
	lo = open_it();
	assert_int_equal(last_out_get(lo, "bob"), 18);
	assert_int_equal(last_out_get(lo, "eve"), 14);
	last_out_close(lo);
	lo = open_it();
	assert_int_equal(last_out_get(lo, "bob"), 18);
	last_out_close(lo);
}

static void test_cannot_write(void **state)
{
	char err[300] = "", *kept = conf->state_dir;

	conf->state_dir = "/proc/nowhere";
	assert_null(last_out_open(conf, err, sizeof(err)));
	assert_non_null(strstr(err, "state-dir: /proc/nowhere/last-logged-out: "));
	conf->state_dir = kept;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_cannot_write),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
