// SPDX-License-Identifier: BSD-3-Clause
// Log-ins whose verdict takes its time: a back end that answers later, too late, never, or with
// more than was asked.
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "controlplane/cp_policy.h"
#include "cp_bed.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static uint64_t asked, cancelled;
static unsigned int nb_asked, nb_cancelled;
static struct users_answer later;

static bool slow_check(void *user, const struct users_query *q, struct users_answer *a)
{
	asked = q->id;
	nb_asked++;
	memset(&later, 0, sizeof(later));
	users_check(user, q, &later);
	return false;
}

static void slow_cancel(void *user, uint64_t id)
{
	cancelled = id;
	nb_cancelled++;
}

static void open_slow(struct bed *b)
{
	static const struct bed_conf conf;

	bed_open(b, &conf);
	b->cp->users.check = slow_check;
	b->cp->users.cancel = slow_cancel;
	b->cp->limits.ppp.restart_ms = 20;
	nb_asked = nb_cancelled = 0;
	asked = cancelled = 0;
}

static struct fake_client *dial_slow(struct bed *b, uint32_t auth)
{
	struct fake_client *c = bed_dial_as(b, "bob", auth);

	BED_UNTIL(b, nb_asked == 1);
	bed_turns(b, 5);
	return c;
}

// Nothing is sent again while an answer is awaited, whoever asks what; and the timer for Call
// Connected does not run.
static void test_slow_answer(void **state)
{
	static const uint32_t methods[] = {
		PPP_AUTH_MSCHAP2, PPP_AUTH_MSCHAP1, PPP_AUTH_CHAP_MD5, PPP_AUTH_PAP};
	static const uint8_t lcp_echo[] = {
		0x10, 0, 0, 16, 0xff, 3, 0xc0, 0x21, 9, 7, 0, 8, 0, 0, 0, 0};

	for (unsigned int i = 0; i < 4; i++) {
		struct fake_client *c;
		struct cp_session *s;
		ev_tstamp until;
		struct bed b;
		uint64_t sent;

		open_slow(&b);
		c = dial_slow(&b, methods[i]);
		s = bed_session(&b, c);
		sent = c->conn->tx.seq;
		assert_false(ev_is_active(&s->call->sstp_timer[SSTP_TIMER_NEGOTIATION]));
		// Ten times what would be its time to send again.
		for (until = ev_time() + 0.2; ev_time() < until;)
			bed_turn(&b);
		assert_int_equal(c->conn->tx.seq, sent);
		// The client asks again, with the same response: no answer, no second query.
		for (unsigned int k = 0; k < 3; k++) {
			if (methods[i] == PPP_AUTH_PAP)
				ppp_timeout(&c->ppp, PPP_TIMER_AUTH);
			bed_turns(&b, 5);
		}
		assert_int_equal(nb_asked, 1);
		assert_int_equal(c->conn->tx.seq, sent);
		// Echo requests are answered.
		fake_client_send(c, lcp_echo, sizeof(lcp_echo));
		BED_UNTIL(&b, c->conn->tx.seq == sent + 1);
		assert_false(c->connected);
		cp_auth_answer(b.cp, asked, &later);
		assert_true(ev_is_active(&s->call->sstp_timer[SSTP_TIMER_NEGOTIATION]));
		BED_UNTIL(&b, fake_client_is_up(c) && c->conn->data_open);
		assert_int_equal(nb_asked, 1);
		assert_int_equal(nb_cancelled, 0);
		bed_close(&b);
	}
}

static void test_slow_refusal(void **state)
{
	struct fake_client *c;
	struct bed b;

	open_slow(&b);
	c = dial_slow(&b, PPP_AUTH_MSCHAP2);
	memset(&later.grant, 0, sizeof(later.grant));
	users_refuse(&later, USERS_REFUSED, 691, "Denied by phone");
	cp_auth_answer(b.cp, asked, &later);
	BED_UNTIL(&b, c->conn->closed && !b.cp->nb_sessions);
	assert_int_equal(c->ppp_end, PPP_END_AUTH_FAILED);
	assert_non_null(strstr(c->ppp_message, "E=691 R=0"));
	assert_non_null(strstr(c->ppp_message, "M=Denied by phone"));
	bed_close(&b);
}

static void test_slow_times_out(void **state)
{
	struct fake_client *c;
	const char *log;
	struct bed b;

	open_slow(&b);
	b.cp->limits.auth_s = 0.1;
	bed_log_begin();
	c = dial_slow(&b, PPP_AUTH_MSCHAP2);
	BED_UNTIL(&b, c->conn->closed && !b.cp->nb_sessions);
	log = bed_log_end();
	assert_int_equal(nb_cancelled, 1);
	assert_int_equal(cancelled, asked);
	assert_int_equal(c->ppp.end, PPP_END_PEER_TERMINATED);
	assert_string_equal(c->ppp.message, "authentication timed out");
	assert_non_null(strstr(log, "result=refused why=\"no answer in time\""));
	assert_non_null(strstr(log, "ended why=\"authentication timed out: no answer in time\""));
	// The answer comes after all: it is nobody's, and its memory is freed.
	assert_non_null(users_store_get(&later.store, 100));
	cp_auth_answer(b.cp, asked, &later);
	assert_null(later.store);
	bed_close(&b);
}

static void test_slow_client_goes(void **state)
{
	struct fake_client *c;
	struct bed b;

	for (unsigned int i = 0; i < 3; i++) {
		open_slow(&b);
		c = dial_slow(&b, PPP_AUTH_MSCHAP2);
		if (i == 0)
			c->conn->rst = true;
		else if (i == 1)
			fake_client_hang_up(c);
		else
			fake_client_terminate(c);
		BED_UNTIL(&b, c->conn->closed && !b.cp->nb_sessions);
		assert_int_equal(nb_cancelled, 1);
		cp_auth_answer(b.cp, asked, &later);
		bed_close(&b);
	}
}

// At the limit of calls in progress who waits for a verdict is not the silent one, and is not
// thrown out for it afterwards.
static void test_slow_gives_no_way(void **state)
{
	struct fake_client_conf silent;
	struct fake_client *c, *mute;
	struct bed b;

	open_slow(&b);
	c = dial_slow(&b, PPP_AUTH_MSCHAP2);
	b.cp->limits.max_half_open = 2;
	b.cp->limits.give_way_s = b.cp->answer_s = 0.01;
	silent = bed_client_conf(&b, PPP_AUTH_PAP);
	silent.halt = FAKE_HALT_TLS;
	for (unsigned int i = 0; i < 5; i++) {
		mute = bed_dial(&b, &silent);
		BED_UNTIL(&b, mute->tls_done);
		usleep(20000);
		bed_turns(&b, 2);
	}
	assert_false(c->conn->closed);
	cp_auth_answer(b.cp, asked, &later);
	bed_dial(&b, &silent);
	BED_UNTIL(&b, fake_client_is_up(c) && c->conn->data_open);
	bed_close(&b);
}

// A back end that answers nobody keeps nobody out for ever.
static void test_dead_back_end(void **state)
{
	struct fake_client *c[3];
	struct bed b;

	open_slow(&b);
	b.cp->limits.max_half_open = 2;
	b.cp->limits.verdict_s = 0.1;
	for (unsigned int i = 0; i < 2; i++) {
		c[i] = bed_dial_as(&b, "bob", PPP_AUTH_PAP);
		BED_UNTIL(&b, nb_asked == i + 1);
	}
	usleep(150000);
	bed_turns(&b, 2);
	c[2] = bed_dial_as(&b, "bob", PPP_AUTH_PAP);
	BED_UNTIL(&b, nb_asked == 3);
	assert_true(c[0]->conn->out_rst);
	assert_int_equal(nb_cancelled, 1);
	assert_false(c[1]->conn->closed);
	cp_auth_answer(b.cp, asked, &later);
	BED_UNTIL(&b, fake_client_is_up(c[2]) && c[2]->conn->data_open);
	bed_close(&b);
}

// The answer to another query of the same session is nobody's, whatever it says.
static void test_answer_to_another(void **state)
{
	struct users_answer first;
	struct fake_client *c;
	struct cp_session *s;
	struct bed b;

	open_slow(&b);
	c = dial_slow(&b, PPP_AUTH_MSCHAP2);
	s = bed_session(&b, c);
	first = later;
	assert_non_null(first.grant.account);
	cp_auth_answer(b.cp, asked + 1, &first);
	assert_null(first.grant.account); // wiped
	assert_true(s->call->auth_pending);
	assert_null(s->account);
	cp_auth_answer(b.cp, asked, &later);
	BED_UNTIL(&b, fake_client_is_up(c) && c->conn->data_open);
	bed_close(&b);
}

// Who ends PPP while it is judged has nobody work for it any longer.
static void test_slow_terminates(void **state)
{
	struct fake_client *c;
	struct cp_session *s;
	struct bed b;

	open_slow(&b);
	c = dial_slow(&b, PPP_AUTH_MSCHAP2);
	s = bed_session(&b, c);
	fake_client_terminate(c);
	BED_UNTIL(&b, s->stage != CP_STAGE_CALL || nb_cancelled);
	assert_int_equal(s->stage, CP_STAGE_CALL);
	assert_false(s->call->auth_pending);
	cp_auth_answer(b.cp, asked, &later);
	assert_null(s->account);
	bed_close(&b);
}

// What a back end brings along lives as long as the session.
static void test_grant_from_elsewhere(void **state)
{
	struct config_route *routes;
	struct fake_client *c;
	struct bed b;
	char *name;

	open_slow(&b);
	c = dial_slow(&b, PPP_AUTH_MSCHAP2);
	name = users_store_get(&later.store, 10);
	strcpy(name, "elsewhere");
	routes = users_store_get(&later.store, sizeof(*routes));
	inet_pton(AF_INET6, "2001:db8::", &routes->prefix.addr);
	routes->prefix.plen = 64;
	routes->metric = 7;
	later.grant.account = name;
	later.grant.remote = IP(10, 77, 0, 1);
	later.grant.routes = routes;
	later.grant.nb_routes = 1;
	later.grant.session_timeout_s = 100;
	cp_auth_answer(b.cp, asked, &later);
	BED_UNTIL(&b, fake_client_is_up(c) && c->conn->data_open);
	assert_int_equal(c->conn->inner, IP(10, 77, 0, 1));
	assert_int_equal(fake_prefix_metric(b.ch, "2001:db8::/64", c->conn->handle), 7);
	assert_string_equal(bed_session(&b, c)->account, "elsewhere");
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_answer),
		cmocka_unit_test(test_slow_refusal),
		cmocka_unit_test(test_slow_times_out),
		cmocka_unit_test(test_slow_client_goes),
		cmocka_unit_test(test_slow_gives_no_way),
		cmocka_unit_test(test_dead_back_end),
		cmocka_unit_test(test_answer_to_another),
		cmocka_unit_test(test_slow_terminates),
		cmocka_unit_test(test_grant_from_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
