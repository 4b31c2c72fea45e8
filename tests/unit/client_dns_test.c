// SPDX-License-Identifier: BSD-3-Clause
// Name servers of a tunnel: who is told, exactly what, in which order, and what a crash leaves.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "base/scripts.h"
#include "client/dns.h"

#define SOCKET "/run/systemd/resolve/io.systemd.Resolve"

static char root[64];

static const char *under(const char *path)
{
	static char full[256];

	snprintf(full, sizeof(full), "%s%s", root, path);
	return full;
}

static void write_file(const char *path, mode_t mode, const char *text)
{
	char dir[256];
	FILE *f;

	snprintf(dir, sizeof(dir), "%s", under(path));
	for (char *p = dir + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		if (mkdir(dir, 0755))
			assert_int_equal(errno, EEXIST);
	}
	unlink(under(path)); // what is open goes on
	f = fopen(under(path), "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(under(path), mode), 0);
}

static int setup(void **state)
{
	strcpy(root, "/tmp/client-dns-test-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static struct dns_servers servers(bool exclusively, const char *a, const char *b)
{
	struct dns_servers s = {.exclusively = exclusively};
	const char *text[] = {a, b};

	for (unsigned int i = 0; i < 2 && text[i]; i++) {
		char mapped[64];

		snprintf(
			mapped, sizeof(mapped), strchr(text[i], ':') ? "%s" : "::ffff:%s", text[i]);
		assert_int_equal(inet_pton(AF_INET6, mapped, &s.addr[s.nb++]), 1);
	}
	return s;
}

// Every one that is not exactly so is somebody else's socket.
static const char not_there[] =
	"Num       RefCount Protocol Flags    Type St Inode Path\n"
	"0000000000000000: 00000003 00000000 00000000 0001 03 21 " SOCKET "\n" // a connection
	"0000000000000000: 00000002 00000000 00010000 0001 01 22 /tmp" SOCKET "\n"
	"0000000000000000: 00000002 00000000 00010000 0001 01 23 " SOCKET ".Monitor\n"
	"0000000000000000: 00000002 00000000 00010000 0001 01 24\n"
	"garbage\n";

static void test_keeper(void **state)
{
	char there[1024];
	struct dns_keeper k;

	dns_find_keeper(root, &k);
	assert_int_equal(k.kind, DNS_NOBODY);
	write_file("/proc/net/unix", 0644, not_there);
	write_file("/usr/bin/resolvectl", 0755, "");
	dns_find_keeper(root, &k);
	assert_int_equal(k.kind, DNS_NOBODY); // it is installed, but does not run
	assert_int_equal(symlink("../bin/resolvectl",
				 (mkdir(under("/usr/sbin"), 0755), under("/usr/sbin/resolvconf"))),
		0);
	dns_find_keeper(root, &k);
	assert_int_equal(k.kind, DNS_NOBODY); // nor under another name
	write_file("/usr/sbin/resolvconf", 0644, "");
	dns_find_keeper(root, &k);
	assert_int_equal(k.kind, DNS_NOBODY); // nothing that can be run
	write_file("/usr/sbin/resolvconf", 0755, "#!/bin/sh\n# of the package resolvconf\n");
	dns_find_keeper(root, &k);
	assert_int_equal(k.kind, DNS_RESOLVCONF);
	assert_string_equal(k.program, under("/usr/sbin/resolvconf"));
	write_file("/usr/sbin/resolvconf", 0755, "#!/bin/sh\necho \"openresolv $VERSION\"\n");
	dns_find_keeper(root, &k);
	assert_int_equal(k.kind, DNS_OPENRESOLV);
	snprintf(there, sizeof(there),
		"%s0000000000000000: 00000002 00000000 00010000 0001 01 25 " SOCKET "\n",
		not_there);
	write_file("/proc/net/unix", 0644, there);
	dns_find_keeper(root, &k);
	assert_int_equal(k.kind, DNS_RESOLVED); // goes before resolvconf
	assert_string_equal(k.program, under("/usr/bin/resolvectl"));
}

static void test_record(void **state)
{
	static const char *const bad[] = {"-x", ".x", "~x", "", "a b", "a/b", "a$b", "a*", "a`b`",
		"a;b", "\xc3\xa4", "a\nb", "(a)", "a'b"};
	char record[DNS_RECORD_MAX];

	assert_true(dns_record("sstp0", record));
	assert_string_equal(record, "sstp0.culvert");
	assert_true(dns_record("Office_7-b@x", record));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(dns_record(bad[i], record));
	assert_false(dns_record("much-too-long-for-an-interface", record));
}

// All commands in one line each, their input behind.
static const char *plan_text(const struct dns_plan *p)
{
	static char text[1024];
	size_t n = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < p->nb; i++) {
		for (const char *const *a = p->command[i].argv; *a; a++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s",
				a == p->command[i].argv ? "" : " ", *a);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "\n%s",
			p->command[i].input ? p->command[i].input : "");
	}
	return text;
}

static void test_plans(void **state)
{
	const struct dns_keeper resolved = {DNS_RESOLVED, "/r"}, open = {DNS_OPENRESOLV, "/o"},
				debian = {DNS_RESOLVCONF, "/d"};
	struct dns_servers s = servers(false, "10.0.0.1", "2001:db8::53");
	struct dns_plan p;

	dns_plan_set(&p, &resolved, "x.culvert", 17, &s);
	assert_string_equal(plan_text(&p), "/r dns 17 10.0.0.1 2001:db8::53\n");
	dns_plan_set(&p, &open, "x.culvert", 17, &s);
	assert_string_equal(
		plan_text(&p), "/o -a x.culvert\nnameserver 10.0.0.1\nnameserver 2001:db8::53\n");
	s = servers(true, "255.255.255.255", NULL);
	dns_plan_set(&p, &resolved, "x.culvert", 2147483647, &s);
	assert_string_equal(plan_text(&p), "/r dns 2147483647 255.255.255.255\n"
					   "/r domain 2147483647 ~.\n"
					   "/r default-route 2147483647 yes\n");
	dns_plan_set(&p, &open, "x.culvert", 17, &s);
	assert_string_equal(plan_text(&p), "/o -x -a x.culvert\nnameserver 255.255.255.255\n");
	dns_plan_set(&p, &debian, "x.culvert", 17, &s);
	assert_string_equal(plan_text(&p), "/d -a x.culvert\nnameserver 255.255.255.255\n");
	dns_plan_unset(&p, &resolved, "x.culvert", 17);
	assert_string_equal(plan_text(&p), "/r revert 17\n");
	dns_plan_unset(&p, &open, "x.culvert", 17);
	assert_string_equal(plan_text(&p), "/o -f -d x.culvert\n");
	dns_plan_unset(&p, &debian, "x.culvert", 17);
	assert_string_equal(plan_text(&p), "/d -d x.culvert\n");
	// The longest that there is.
	s = servers(true, "2001:db8:1111:2222:3333:4444:5555:6666",
		"2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff");
	dns_plan_set(&p, &open, "x.culvert", 17, &s);
	assert_string_equal(plan_text(&p),
		"/o -x -a x.culvert\nnameserver 2001:db8:1111:2222:3333:4444:5555:6666\n"
		"nameserver 2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff\n");
}

// --- with programs that write down what they are told ---

static struct scripts *begin(void)
{
	const struct scripts_conf conf = {.limit_ms = 10000, .at_once = 4, .queue_max = 50};
	char err[100], text[512];
	struct scripts *st = scripts_create(&conf, err, sizeof(err));

	assert_non_null(st);
	snprintf(text, sizeof(text),
		"#!/bin/sh\n# not openresolv\n{ echo \"${0##*/}\" \"$@\"; cat; } >>%s/said\n",
		root);
	write_file("/usr/sbin/resolvconf", 0755, text);
	write_file("/usr/bin/resolvectl", 0755, text);
	write_file("/proc/net/unix", 0644, not_there);
	unlink(under("/said"));
	return st;
}

static const char *said(struct scripts *st)
{
	static char text[2048];
	size_t n;
	FILE *f;

	scripts_destroy(st, 10000);
	f = fopen(under("/said"), "r");
	n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	text[n] = '\0';
	if (f)
		fclose(f);
	return text;
}

static bool is_noted(void)
{
	return !access(under("/note"), F_OK);
}

static void test_set(void **state)
{
	struct dns_servers one = servers(true, "10.0.0.1", NULL), none = {0},
			   two = servers(true, "10.0.0.1", "10.0.0.2");
	struct scripts *st = begin();
	struct dns d;

	dns_open(&d, st, 1, under("/note"));
	d.root = root;
	dns_set(&d, "t0", 5, &none);
	assert_false(is_noted());
	dns_set(&d, "t0", 5, &one);
	assert_true(is_noted());
	dns_set(&d, "t0", 5, &one); // nothing new
	dns_set(&d, "t0", 5, &two);
	dns_set(&d, "t0", 5, &none);
	dns_set(&d, "t0", 5, &two);
	dns_unset(&d, true);
	dns_unset(&d, true);
	dns_set(&d, "t0", 6, &one); // the next call
	dns_unset(&d, true);
	assert_string_equal(said(st),
		"resolvconf -x -a t0.culvert\nnameserver 10.0.0.1\n"
		"resolvconf -x -a t0.culvert\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n"
		"resolvconf -f -d t0.culvert\n"
		"resolvconf -x -a t0.culvert\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n"
		"resolvconf -f -d t0.culvert\n"
		"resolvconf -x -a t0.culvert\nnameserver 10.0.0.1\n"
		"resolvconf -f -d t0.culvert\n");
	dns_close(&d);
	assert_false(is_noted());
}

// It forgets an interface that goes; a number is never taken for another one's.
static void test_set_resolved(void **state)
{
	struct dns_servers one = servers(true, "10.0.0.1", NULL), none = {0};
	struct scripts *st = begin();
	char there[200];
	struct dns d;

	snprintf(there, sizeof(there),
		"0000000000000000: 00000002 00000000 00010000 0001 01 25 %s\n", SOCKET);
	write_file("/proc/net/unix", 0644, there);
	dns_open(&d, st, 1, under("/note"));
	d.root = root;
	dns_set(&d, "-t 0", 5, &one); // a name is not told
	assert_false(is_noted());
	dns_set(&d, "-t 0", 5, &none);
	dns_set(&d, "-t 0", 5, &one);
	dns_unset(&d, true);
	dns_set(&d, "-t 0", 5, &one);
	dns_unset(&d, false);
	assert_string_equal(said(st), "resolvectl dns 5 10.0.0.1\nresolvectl domain 5 ~.\n"
				      "resolvectl default-route 5 yes\nresolvectl revert 5\n"
				      "resolvectl dns 5 10.0.0.1\nresolvectl domain 5 ~.\n"
				      "resolvectl default-route 5 yes\n"
				      "resolvectl dns 5 10.0.0.1\nresolvectl domain 5 ~.\n"
				      "resolvectl default-route 5 yes\nresolvectl revert 5\n");
	dns_close(&d);
}

static void test_crash(void **state)
{
	static const char *const bad[] = {"", "t0.culvert", "-d\n", "a b\n", "$(reboot)\n",
		"0123456789012345678901234567890123456789\n"};
	struct dns_servers one = servers(false, "10.0.0.1", NULL);
	struct scripts *st = begin();
	struct dns d;

	dns_open(&d, st, 1, under("/note"));
	d.root = root;
	dns_set(&d, "t0", 5, &one);
	free(d.note); // a crash
	assert_true(dns_take_back(root, under("/note"), st, 1));
	for (unsigned int i = 0; i < 1000 && is_noted(); i++)
		usleep(10000);
	assert_false(is_noted());
	assert_false(dns_take_back(root, under("/note"), st, 1));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file("/note", 0644, bad[i]);
		assert_false(dns_take_back(root, under("/note"), st, 1));
		assert_false(is_noted());
	}
	assert_string_equal(said(st), "resolvconf -a t0.culvert\nnameserver 10.0.0.1\n"
				      "resolvconf -f -d t0.culvert\n");
}

// The note is there until a program that takes them back ends well.
static void test_note_stays(void **state)
{
	struct dns_servers one = servers(false, "10.0.0.1", NULL);
	struct scripts *st = begin();
	struct dns d;

	write_file("/usr/sbin/resolvconf", 0755,
		"#!/bin/sh\n# openresolv\n[ \"$1\" = -a ] || exit 1\n");
	dns_open(&d, st, 1, under("/note"));
	d.root = root;
	dns_set(&d, "t0", 5, &one);
	dns_unset(&d, true);
	scripts_destroy(st, 10000);
	dns_close(&d);
	assert_true(is_noted());

	st = begin();
	write_file("/usr/sbin/resolvconf", 0755, "#!/bin/sh\n# openresolv\nexit 1\n");
	assert_true(dns_take_back(root, under("/note"), st, 1));
	scripts_destroy(st, 10000);
	assert_true(is_noted());

	// Nor is it told in the end, when it was set again.
	st = begin();
	write_file("/usr/sbin/resolvconf", 0755, "#!/bin/sh\n# openresolv\nexec sleep 100\n");
	dns_open(&d, st, 1, under("/note"));
	d.root = root;
	dns_recover(&d);
	dns_set(&d, "t0", 5, &one);
	dns_unset(&d, true);
	scripts_destroy(st, 100); // the first is killed, the others are not run
	dns_close(&d);
	assert_true(is_noted());

	st = begin();
	dns_open(&d, st, 1, under("/note"));
	d.root = root;
	dns_recover(&d);
	assert_string_equal(said(st), "resolvconf -f -d t0.culvert\n");
	assert_true(is_noted());
	dns_close(&d);
	assert_false(is_noted());
}

// What cannot be told is not taken for told.
static void test_nobody(void **state)
{
	struct dns_servers one = servers(true, "10.0.0.1", NULL);
	struct scripts *st = begin();
	struct dns d;

	dns_open(&d, st, 1, under("/note"));
	d.root = root;
	dns_set(&d, "-t", 5, &one); // no name for a record
	unlink(under("/usr/sbin/resolvconf"));
	dns_set(&d, "t0", 5, &one);
	dns_unset(&d, true);
	assert_false(is_noted());
	write_file("/usr/sbin/resolvconf", 0755, "#!/bin/sh\nexit 0\n"); // Debian's
	dns_set(&d, "t0", 5, &one);
	assert_true(is_noted());
	assert_int_equal(d.keeper.kind, DNS_RESOLVCONF);
	dns_unset(&d, true);
	assert_string_equal(said(st), "");
	dns_close(&d);
	assert_false(is_noted());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keeper),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_plans),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_set_resolved),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_note_stays),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
