// SPDX-License-Identifier: BSD-3-Clause
// When a call is dialed again, in simulated time; names that are looked up; the socket of a
// connection.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <arpa/inet.h>

#include "client/control.h"
#include "client/redial.h"
#include "client/resolve.h"

static void test_back_off(void **state)
{
	uint32_t expected, ms;
	struct redial r;

	for (uint64_t seed = 0; seed < 200; seed++) {
		redial_init(&r, seed);
		expected = REDIAL_FIRST_MS;
		for (unsigned int i = 0; i < 40; i++) {
			ms = redial_delay_ms(&r);
			assert_in_range(ms, expected / 2, expected);
			expected = expected * 2 > REDIAL_MAX_MS ? REDIAL_MAX_MS : expected * 2;
		}
		// A call that was lost at once goes on waiting, one that stood begins anew.
		redial_was_up(&r, REDIAL_STABLE_MS - 1);
		assert_in_range(redial_delay_ms(&r), REDIAL_MAX_MS / 2, REDIAL_MAX_MS);
		redial_was_up(&r, REDIAL_STABLE_MS);
		assert_in_range(redial_delay_ms(&r), REDIAL_FIRST_MS / 2, REDIAL_FIRST_MS);
	}
}

// A thousand clients whose server restarts: no second of a minute sees more than a tenth of them.
static void test_jitter(void **state)
{
	unsigned int in_second[61] = {0}, most = 0;

	for (uint64_t seed = 1; seed <= 1000; seed++) {
		uint32_t ms = 0;
		struct redial r;

		redial_init(&r, seed * UINT64_C(0x9e3779b97f4a7c15));
		for (unsigned int i = 0; i < 6; i++)
			ms = redial_delay_ms(&r); // 16 s to 32 s
		in_second[ms / 1000]++;
	}
	for (unsigned int i = 0; i < 61; i++)
		most = in_second[i] > most ? in_second[i] : most;
	assert_in_range(most, 50, 100);
}

static void test_worth(void **state)
{
	for (unsigned int e = CALL_END_NONE + 1; e < CALL_N_ENDS; e++) {
		bool worth = e != CALL_END_HANGUP && e != CALL_END_LOCAL && e != CALL_END_IDLE;

		assert_int_equal(redial_is_worth((enum call_end)e, false), worth);
		assert_false(redial_is_worth((enum call_end)e, true));
	}
}

// --- names ---

struct answer {
	struct ev_loop *loop;
	struct addrinfo *addrs;
	char why[200];
	bool done;
};

static void on_answer(void *user, struct addrinfo *addrs, const char *why)
{
	struct answer *a = user;

	a->done = true;
	a->addrs = addrs;
	snprintf(a->why, sizeof(a->why), "%s", why);
	ev_break(a->loop, EVBREAK_ALL);
}

static void test_resolve(void **state)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct answer a = {.loop = loop};
	struct sockaddr_in6 *sin6;
	struct resolve *r;

	r = resolve_start(loop, "2001:db8::7", 4443, 10000, on_answer, &a);
	assert_non_null(r);
	assert_false(a.done); // not from inside
	ev_run(loop, 0);
	assert_non_null(a.addrs);
	sin6 = (struct sockaddr_in6 *)a.addrs->ai_addr;
	assert_int_equal(sin6->sin6_family, AF_INET6);
	assert_int_equal(ntohs(sin6->sin6_port), 4443);
	freeaddrinfo(a.addrs);

	a = (struct answer){.loop = loop};
	assert_non_null(resolve_start(loop, "localhost", 1, 10000, on_answer, &a));
	ev_run(loop, 0);
	assert_non_null(a.addrs); // of /etc/hosts
	freeaddrinfo(a.addrs);

	// Nobody waits for what is never answered; what is cancelled does not call.
	a = (struct answer){.loop = loop};
	r = resolve_start(loop, "localhost", 1, 10000, on_answer, &a);
	resolve_cancel(r);
	ev_run(loop, EVRUN_NOWAIT);
	assert_false(a.done);
	ev_loop_destroy(loop);
}

// --- a connection's socket ---

static unsigned int downs;

static const char *on_status(void *user, char *dst, size_t cap)
{
	snprintf(dst, cap, "state=up x=1");
	return dst;
}

static void on_down(void *user)
{
	downs++;
	ev_break(user, EVBREAK_ALL);
}

static const struct control_ops ops = {.status = on_status, .down = on_down};

struct question {
	const char *dir, *what;
	char answer[100];
	int rc;
};

static void *ask(void *arg)
{
	struct question *q = arg;

	q->rc = control_ask(q->dir, "a", q->what, 10000, q->answer, sizeof(q->answer));
	return NULL;
}

static void run_for_ms(struct ev_loop *loop, pthread_t t)
{
	for (unsigned int i = 0; i < 5000 && pthread_tryjoin_np(t, NULL); i++) {
		ev_run(loop, EVRUN_NOWAIT);
		usleep(1000);
	}
}

static void test_control(void **state)
{
	char dir[] = "/tmp/client_redial_test.XXXXXX", err[200], path[100];
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct control *c, *second;
	struct question q = {.dir = dir};
	struct stat st;
	pthread_t t;
	int error;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(control_ask(dir, "a", "status", 100, q.answer, sizeof(q.answer)), -ENOENT);
	c = control_create(loop, dir, "a", &ops, loop, &error, err, sizeof(err));
	assert_non_null(c);
	snprintf(path, sizeof(path), "%s/client-a.sock", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	second = control_create(loop, dir, "a", &ops, loop, &error, err, sizeof(err));
	assert_null(second);
	assert_int_equal(error, -EBUSY);
	assert_non_null(strstr(err, "dialed already"));

	q.what = "status";
	pthread_create(&t, NULL, ask, &q);
	run_for_ms(loop, t);
	assert_int_equal(q.rc, 0);
	assert_string_equal(q.answer, "state=up x=1\n");
	q.what = "nonsense";
	pthread_create(&t, NULL, ask, &q);
	run_for_ms(loop, t);
	assert_string_equal(q.answer, "unknown\n");
	q.what = "a line that is longer than any"; // and gets no answer
	pthread_create(&t, NULL, ask, &q);
	run_for_ms(loop, t);
	assert_string_equal(q.answer, "unknown\n");

	// Who said down hears of the end.
	q.what = "down";
	pthread_create(&t, NULL, ask, &q);
	ev_run(loop, 0);
	assert_int_equal(downs, 1);
	control_destroy(c);
	pthread_join(t, NULL);
	assert_int_equal(q.rc, 0);
	assert_string_equal(q.answer, "down\n");
	assert_int_equal(stat(path, &st), -1);

	// What a crash leaves.
	close(open(path, O_CREAT | O_WRONLY, 0600));
	c = control_create(loop, dir, "a", &ops, loop, &error, err, sizeof(err));
	assert_non_null(c);
	control_destroy(c);
	snprintf(path, sizeof(path), "%s/client-a.lock", dir);
	unlink(path);
	rmdir(dir);
	ev_loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_back_off),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_worth),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_control),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
