// SPDX-License-Identifier: BSD-3-Clause
// Every allocation of a call's set-up fails once: at worst that call ends, and nothing is left.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "cp_bed.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static bool armed;             // only the control plane's own allocations fail
static unsigned int countdown; // 1: the next one fails
static unsigned int nb_failed;

static bool fails(void)
{
	if (!armed || !countdown || --countdown)
		return false;
	nb_failed++;
	return true;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

static void turn(struct bed *b)
{
	fake_step(b->ch);
	armed = true;
	if (!cp_poll(b->cp, false))
		usleep(100);
	armed = false;
	fake_step(b->ch);
	for (unsigned int i = 0; i < b->nb_clients; i++)
		fake_client_step(b->client[i]);
}

// One call with its n-th allocation failing. stalled: with the rings full for a while, so that
// what waits is allocated too.
static void one(struct bed *b, unsigned int n, bool stalled)
{
	struct fake_client_conf conf = bed_client_conf(b, PPP_AUTH_MSCHAP2);
	struct fake_client *c = bed_dial(b, &conf);
	ev_tstamp give_up = ev_time() + 20;
	unsigned int turns = 0;

	countdown = n;
	while (!c->conn->closed && !(fake_client_is_up(c) && c->conn->data_open)) {
		fake_assert(ev_time() < give_up);
		if (stalled && turns++ < 40)
			fake_fail_allocs(b->ch, 3);
		turn(b);
	}
	countdown = 0;
	fake_fail_allocs(b->ch, 0);
	if (!c->conn->closed)
		fake_client_hang_up(c);
	BED_UNTIL(b, c->conn->closed && !bed_session(b, c));
	assert_int_equal(fake_published(b->ch), 0);
	assert_int_equal(pools_taken(b->cp->pools), 0);
	bed_reap(b, c);
}

static void run(const struct bed_conf *conf, bool stalled)
{
	struct bed b;
	unsigned int n = 1;

	bed_open(&b, conf);
	b.cp->limits.handshake_s = 0.3;
	b.cp->limits.sstp.negotiation_ms = 300;
	// Until a call needs fewer than n allocations.
	do {
		nb_failed = 0;
		one(&b, n++, stalled);
	} while (nb_failed);
	assert_true(n > (stalled ? 6 : 4));
	bed_close(&b);
}

static void test_set_up(void **state)
{
	static const struct bed_conf conf = {0};

	run(&conf, false);
}

static void test_set_up_cbc(void **state)
{
	static const struct bed_conf conf = {.only_tls12 = true, .ciphers = "ECDHE-RSA-AES256-SHA"};

	run(&conf, false);
}

static void test_with_backlog(void **state)
{
	static const struct bed_conf conf = {0};

	run(&conf, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_up),
		cmocka_unit_test(test_set_up_cbc),
		cmocka_unit_test(test_with_backlog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
