// SPDX-License-Identifier: BSD-3-Clause
// Notes of calls without a name: whose they are, who takes them back, and what is left in the
// directory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/notes.h"

static char dir[64], swept[1024];
static bool is_gone;

static int setup(void **state)
{
	strcpy(dir, "/tmp/client-notes-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	return rmdir(dir); // nothing is left in it
}

static const char *path(const char *name)
{
	static char full[256];

	snprintf(full, sizeof(full), "%s/%s", dir, name);
	return full;
}

static void touch(const char *name)
{
	int fd = open(path(name), O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static bool exists(const char *name)
{
	return !access(path(name), F_OK);
}

static bool take_back(void *user, const char *stem)
{
	assert_ptr_equal(user, swept);
	strcat(swept, strrchr(stem, '/') + 1);
	strcat(swept, " ");
	return is_gone;
}

static const char *sweep(bool gone)
{
	swept[0] = '\0';
	is_gone = gone;
	notes_sweep(dir, take_back, swept);
	return swept;
}

static void test_own(void **state)
{
	struct notes n;
	char name[32];

	assert_int_equal(notes_open(&n, dir), 0);
	snprintf(name, sizeof(name), "dial-%d.lock", (int)getpid());
	assert_true(exists(name));
	assert_string_equal(sweep(true), ""); // it lives
	assert_true(exists(name));
	notes_close(&n);
	assert_false(exists(name));
	notes_close(&n); // once is enough
	assert_int_equal(notes_open(&n, "/proc/nowhere"), -ENOENT);
	notes_close(&n);
}

// The lock stays with a note, so that the next one comes by.
static void test_left(void **state)
{
	static const char *const notes[] = {"route", "dns", "route.4026531840"};
	char name[64], lock[64];
	struct notes n;

	snprintf(lock, sizeof(lock), "dial-%d.lock", (int)getpid());
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(notes_open(&n, dir), 0);
		snprintf(name, sizeof(name), "dial-%d.%s", (int)getpid(), notes[i]);
		touch(name);
		assert_true(notes_left(n.stem));
		notes_close(&n);
		assert_true(exists(lock));
		unlink(path(name));
		assert_false(notes_left(n.stem));
	}
	sweep(true);
	assert_false(exists(lock));
}

// A process that is killed.
static void test_crash(void **state)
{
	struct notes n;
	char name[32], want[32];
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		_exit(notes_open(&n, dir) ? 1 : 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	snprintf(name, sizeof(name), "dial-%d.lock", (int)pid);
	snprintf(want, sizeof(want), "dial-%d ", (int)pid);
	assert_true(exists(name));
	assert_string_equal(sweep(false), want); // another namespace's: the next one may
	assert_true(exists(name));
	assert_string_equal(sweep(true), want);
	assert_false(exists(name));
	assert_string_equal(sweep(true), "");
}

static void test_names(void **state)
{
	static const char *const others[] = {"dial-.lock", "dial-x.lock", "dial-1x.lock",
		"dial-1.route", "dial-1.lock.lock", "client-office.lock", "xdial-1.lock",
		"dial--1.lock"};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		touch(others[i]);
	assert_string_equal(sweep(true), "");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_true(exists(others[i]));
		unlink(path(others[i]));
	}
	// A link is nobody's lock.
	assert_int_equal(symlink("/dev/null", path("dial-7.lock")), 0);
	assert_string_equal(sweep(true), "");
	unlink(path("dial-7.lock"));
	notes_sweep("/nowhere", take_back, swept);
}

// Somebody else is at it: neither waits for the other.
static void test_two_sweep(void **state)
{
	int fd;

	touch("dial-8.lock");
	fd = open(path("dial-8.lock"), O_RDWR);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_string_equal(sweep(true), "");
	close(fd);
	assert_string_equal(sweep(true), "dial-8 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_two_sweep),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
