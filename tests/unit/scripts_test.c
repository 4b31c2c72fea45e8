// SPDX-License-Identifier: BSD-3-Clause
// Programs beside the control thread: what they see, what they may not do, in which order they run.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/affinity.h"
#include "base/log.h"
#include "base/scripts.h"

static char dir[64], script[80], out[80];
static int log_fd, saved_stderr;

static void write_script(const char *body)
{
	FILE *f = fopen(script, "w");

	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", body);
	fclose(f);
	assert_int_equal(chmod(script, 0700), 0);
	unlink(out);
}

static char *env_of(const char *more)
{
	char *p = calloc(1, 256);
	int n;

	assert_non_null(p);
	n = snprintf(p, 100, "PATH=/usr/bin:/bin") + 1;
	n += snprintf(p + n, 100, "OUT=%s", out) + 1;
	snprintf(p + n, 100, "%s", more);
	return p;
}

static int setup(void **state)
{
	strcpy(dir, "/tmp/scripts-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(script, sizeof(script), "%s/script", dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(script);
	unlink(out);
	return rmdir(dir);
}

// -- the log --

static void log_begin(void)
{
	char path[] = "/tmp/scripts-log-XXXXXX";

	log_fd = mkstemp(path);
	assert_true(log_fd >= 0);
	unlink(path);
	fflush(stderr);
	saved_stderr = dup(STDERR_FILENO);
	dup2(log_fd, STDERR_FILENO);
}

static const char *log_end(void)
{
	static char text[65536];
	ssize_t n;

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	n = pread(log_fd, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	close(log_fd);
	return text;
}

static struct scripts *open_scripts(uint32_t limit_ms, uint32_t at_once, uint32_t queue_max)
{
	struct scripts_conf conf = {
		.limit_ms = limit_ms, .at_once = at_once, .queue_max = queue_max};
	struct scripts *st;
	char err[100] = "";

	log_begin();
	st = scripts_create(&conf, err, sizeof(err));
	assert_non_null(st);
	return st;
}

static int run(struct scripts *st, uint64_t key, const char *more)
{
	return scripts_run(st, script, "up", key, key, env_of(more));
}

static const char *result(void)
{
	static char text[65536];
	FILE *f = fopen(out, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	text[n] = '\0';
	if (f)
		fclose(f);
	return text;
}

static unsigned int count(const char *text, const char *what)
{
	unsigned int n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

// -- tests --

static void test_environment(void **state)
{
	int leak = open("/dev/null", O_RDONLY); // not close-on-exec
	struct scripts *st = open_scripts(5000, 4, 10);
	const char *log, *r;

	assert_true(leak > 2);
	signal(SIGPIPE, SIG_IGN);
	write_script("exec >$OUT; echo \"$0 $1 $#\"; env; pwd; ls /proc/self/fd; cat; "
		     "grep -E 'SigBlk|SigIgn' /proc/self/status; ps -o sid= -o pid= -p $$");
	assert_int_equal(run(st, 1, "A=b c"), 0);
	scripts_destroy(st, 5000);
	log = log_end();
	r = result();
	assert_non_null(strstr(r, "/script up 1\n"));
	assert_non_null(strstr(r, "\nA=b c\n"));
	assert_non_null(strstr(r, "\n/\n"));
	// 0, 1, 2 and that of ls itself
	assert_non_null(strstr(r, "\n0\n1\n2\n3\n"));
	assert_null(strstr(r, "\n4\n"));
	assert_null(strstr(r, "\nHOME="));
	assert_non_null(strstr(r, "SigBlk:\t0000000000000000"));
	// glibc keeps two of its own ignored.
	assert_non_null(strstr(r, "SigIgn:\t"));
	assert_int_equal(
		strtoull(strstr(r, "SigIgn:\t") + 8, NULL, 16) & ~UINT64_C(0x180000000), 0);
	assert_non_null(strstr(log, "session=1 script="));
	assert_non_null(strstr(log, "ended status=0"));
	close(leak);
	signal(SIGPIPE, SIG_DFL);
}

static void test_failures(void **state)
{
	struct scripts *st = open_scripts(5000, 4, 10);
	struct scripts_totals t;
	const char *log;

	write_script("echo to stderr >&2; printf 'half \\033[1m line'; exit 7");
	assert_int_equal(run(st, 1, ""), 0);
	assert_int_equal(scripts_run(st, "/nowhere/at-all", "down", 2, 2, env_of("")), 0);
	assert_int_equal(scripts_run(st, dir, "down", 3, 3, env_of("")), 0);
	scripts_destroy(st, 5000);
	log = log_end();
	assert_non_null(strstr(log, "event=up ended status=7"));
	assert_non_null(strstr(log, "says \"to stderr\""));
	assert_non_null(strstr(log, "says \"half \\x1b[1m line\""));
	assert_non_null(strstr(log, "/nowhere/at-all event=down cannot be started: No such file"));
	assert_non_null(strstr(log, "cannot be started: Permission denied"));
	// A signal of its own.
	st = open_scripts(5000, 4, 10);
	write_script("kill -SEGV $$");
	assert_int_equal(run(st, 1, ""), 0);
	do
		scripts_totals(st, &t);
	while (!t.failed);
	scripts_destroy(st, 5000);
	assert_non_null(strstr(log_end(), "ended signal=11"));
}

// One that hangs, with children that would as well; the others go on meanwhile.
static void test_hangs(void **state)
{
	struct scripts *st = open_scripts(300, 2, 100);
	struct scripts_totals t;
	const char *log;

	write_script("[ \"$N\" = hang ] && { sleep 1000 & sleep 1000; }; echo $N >>$OUT");
	assert_int_equal(run(st, 1, "N=hang"), 0);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(run(st, 2 + i, "N=ok"), 0);
	do
		scripts_totals(st, &t);
	while (!t.killed);
	scripts_destroy(st, 5000);
	log = log_end();
	assert_non_null(strstr(log, "session=1 script="));
	assert_non_null(strstr(log, "killed after ms="));
	assert_int_equal(count(result(), "ok\n"), 5);
}

static void test_floods(void **state)
{
	struct scripts *st = open_scripts(5000, 2, 10);
	const char *log;

	write_script("i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done; "
		     "head -c 200000 /dev/zero; echo; echo done >$OUT");
	assert_int_equal(run(st, 1, ""), 0);
	scripts_destroy(st, 5000);
	log = log_end();
	assert_int_equal(count(log, " says "), 20);
	assert_non_null(strstr(log, "bytes more"));
	assert_non_null(strstr(log, "ended status=0"));
	assert_string_equal(result(), "done\n"); // it was not stopped by nobody reading
}

// Never two of one key at once, and in order.
static void test_order(void **state)
{
	struct scripts *st = open_scripts(10000, 8, 100);
	char more[16], *r;

	write_script("echo begin $N >>$OUT; sleep 0.02; echo end $N >>$OUT");
	for (unsigned int i = 0; i < 30; i++) {
		snprintf(more, sizeof(more), "N=%c%02u", 'a' + i % 3, i);
		assert_int_equal(run(st, i % 3, more), 0);
	}
	scripts_destroy(st, 20000);
	log_end();
	r = strdup(result());
	assert_int_equal(count(r, "begin"), 30);
	for (char k = 'a'; k <= 'c'; k++) {
		bool open = false;
		int number = -1;

		for (char *p = r; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
			char word[8], name;
			int n;

			assert_int_equal(sscanf(p, "%7s %c%d", word, &name, &n), 3);
			if (name != k)
				continue;
			assert_int_equal(open, !strcmp(word, "end"));
			open = !open;
			assert_true(open ? n > number : n == number);
			number = n;
		}
		assert_int_equal(number, 27 + (k - 'a'));
	}
	free(r);
}

// One key with many jobs keeps the others waiting for one turn only; and a path may go once it was
// given.
static void test_crowded_key(void **state)
{
	struct scripts *st = open_scripts(10000, 2, 1000);
	const char *r;
	char *path;

	write_script("echo $N >>$OUT; sleep 0.01");
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(run(st, 1, "N=many"), 0);
	path = strdup(script);
	assert_non_null(path);
	assert_int_equal(scripts_run(st, path, "up", 2, 2, env_of("N=other")), 0);
	memset(path, 'x', strlen(path));
	free(path);
	scripts_destroy(st, 20000);
	log_end();
	r = result();
	assert_int_equal(count(r, "many\n"), 100);
	assert_int_equal(count(r, "other\n"), 1);
	// Long before the crowd is through.
	assert_true(count(strstr(r, "other\n"), "many\n") > 50);
}

static void test_queue_is_bounded(void **state)
{
	struct scripts *st = open_scripts(60000, 1, 3);
	struct scripts_totals t;
	unsigned int refused = 0;
	const char *log;

	write_script("sleep 1000");
	for (unsigned int i = 0; i < 20; i++)
		refused += run(st, i, "") == -ENOBUFS;
	assert_true(refused >= 16);
	scripts_totals(st, &t);
	assert_int_equal(t.dropped, refused);
	// At the end what does not end is killed, and what waits is dropped.
	scripts_destroy(st, 50);
	log = log_end();
	assert_non_null(strstr(log, " scripts were not run before the end"));
	assert_non_null(strstr(log, "event=up was not run before the end"));
	assert_non_null(strstr(log, "killed after ms="));
}

// Arguments as they are, whatever a shell would make of them, and a text to read with an end.
static void test_program(void **state)
{
	static const char nasty[] = "$(reboot) ; * 'x' \"y\"\\";
	static char as[SCRIPTS_INPUT_MAX + 2], want[3 * 64 + sizeof(as)];
	const char *const argv[] = {script, "", "two words", nasty, NULL};
	const char *const inputs[] = {"first\nlast", NULL, as + 1, as};
	struct scripts_program p = {.argv = argv};
	struct scripts *st = open_scripts(5000, 2, 10);
	const char *log;
	size_t n = 0;

	write_script("exec >>$OUT; printf '<%s>' \"$#\" \"$@\"; cat; printf .");
	memset(as, 'a', SCRIPTS_INPUT_MAX + 1); // one more than there may be
	for (size_t i = 0; i < 4; i++) {
		p.input = inputs[i];
		p.env = env_of("");
		assert_int_equal(scripts_run_program(st, &p, "set", 1, 1), 0);
		if (i < 3)
			n += (size_t)snprintf(want + n, sizeof(want) - n, "<3><><two words><%s>%s.",
				nasty, inputs[i] ? inputs[i] : "");
	}
	p.env = NULL; // no memory
	assert_int_equal(scripts_run_program(st, &p, "set", 1, 1), -ENOMEM);
	scripts_destroy(st, 5000);
	log = log_end();
	assert_string_equal(result(), want);
	assert_int_equal(count(log, "cannot be started: "), 1);
}

// Not on the CPU that the thread which made them is pinned to.
static void test_affinity(void **state)
{
	cpu_set_t all, one, rest;
	struct scripts *st;
	unsigned int cpu = 0;
	char want[64];

	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	if (CPU_COUNT(&all) < 2)
		skip();
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	CPU_XOR(&rest, &all, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	affinity_set_helpers(&rest);
	st = open_scripts(5000, 1, 10);
	write_script("exec >$OUT; grep Cpus_allowed_list /proc/self/status; echo end");
	assert_int_equal(run(st, 1, ""), 0);
	scripts_destroy(st, 5000);
	log_end();
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	assert_non_null(strstr(result(), "end"));
	snprintf(want, sizeof(want), "Cpus_allowed_list:\t%u\n", cpu);
	assert_null(strstr(result(), want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_hangs),
		cmocka_unit_test(test_floods),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_crowded_key),
		cmocka_unit_test(test_queue_is_bounded),
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_affinity),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
