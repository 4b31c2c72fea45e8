// SPDX-License-Identifier: BSD-3-Clause
// Policy of profiles and secrets, and log-ins whose verdict takes its time, with real clients on a
// fake data plane.
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/scripts.h"
#include "controlplane/cp_policy.h"
#include "cp_bed.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static const char yaml[] =
	"ip-pools:\n"
	"  clients: { ranges: 10.0.0.2-10.0.0.3, next-pool: more }\n"
	"  more: [10.0.1.2-10.0.1.3]\n"
	"  wide: [10.0.2.2-10.0.2.99]\n"
	"filters: { f0: [ { action: drop } ], f1: [ { action: accept } ] }\n"
	"address-lists: { l0: [ 10.5.0.0/16 ], l1: [ 10.6.0.0/16 ] }\n"
	"ppp-profiles:\n"
	"  default: { local-address: 10.0.0.1, remote-address: clients, dns-server: 10.0.0.53 }\n"
	"  once: { only-one: yes }\n"
	"  replace: { only-one: replace, remote-address: wide }\n"
	"  limits: { rate-limit: \"1M/2M\", session-timeout: 3600, idle-timeout: 90, filter: f1, "
	"address-list: l1 }\n"
	"  mppe: { use-encryption: required }\n"
	"  scripted: { on-up: /bin/true, on-down: /bin/true }\n"
	"ppp-secrets:\n"
	"  - { name: bob, password: \"" BED_PASSWORD "\" }\n"
	"  - { name: once, password: \"" BED_PASSWORD "\", profile: once }\n"
	"  - { name: repl, password: \"" BED_PASSWORD "\", profile: replace }\n"
	"  - { name: replfix, password: \"" BED_PASSWORD "\", profile: replace, remote-address: "
	"10.9.0.9 }\n"
	"  - { name: fixed, password: \"" BED_PASSWORD "\", remote-address: 10.9.0.3 }\n"
	"  - { name: lim, password: \"" BED_PASSWORD "\", profile: limits, limit-bytes-in: 1000, "
	"limit-bytes-out: 2000 }\n"
	"  - { name: mppe, password: \"" BED_PASSWORD "\", profile: mppe }\n"
	"  - { name: near, password: \"" BED_PASSWORD "\", caller-id: 192.0.2.0/24 }\n"
	"  - { name: far, password: \"" BED_PASSWORD "\", caller-id: 198.51.100.7 }\n"
	"  - { name: net, password: \"" BED_PASSWORD "\", routes: [10.7.0.0/16, \"10.8.0.0/16 "
	"10.9.9.9 5\", \"2001:db8:7::/48\"] }\n"
	"  - { name: six, password: \"" BED_PASSWORD "\", remote-ipv6-prefix: "
	"\"2001:db8:6::/64\", routes: [\"2001:db8:6::/64\"] }\n"
	"  - { name: scripted, password: \"" BED_PASSWORD
	"\", profile: scripted, routes: [10.20.0.0/16] }\n";

static void open_bed(struct bed *b)
{
	static const struct bed_conf conf = {.yaml = yaml};

	bed_open(b, &conf);
}

static void test_only_one(void **state)
{
	static const uint32_t methods[] = {PPP_AUTH_MSCHAP2, PPP_AUTH_PAP, PPP_AUTH_CHAP_MD5};
	struct fake_client *a, *c;
	const char *log;
	struct bed b;

	open_bed(&b);
	a = bed_dial_up(&b, "once", PPP_AUTH_MSCHAP2);
	for (unsigned int i = 0; i < 3; i++) {
		bed_log_begin();
		c = bed_dial_refused(&b, "DOM\\once", methods[i]);
		log = bed_log_end();
		assert_non_null(strstr(log, "result=refused why=\"already logged in (only-one)\""));
		assert_non_null(strstr(c->ppp_message, "You are already logged in"));
		assert_int_equal(i == 0, strstr(c->ppp_message, "E=649 R=0 C=") != NULL);
		assert_true(a->conn->data_open);
	}
	assert_int_equal(b.cp->accounts.nb_sessions, 1);
	bed_hang_up(&b, a);
	a = bed_dial_up(&b, "once", PPP_AUTH_MSCHAP2);
	// Others are not concerned.
	bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	bed_close(&b);
}

// Who hung up a moment ago is not here any more, though its connection still lingers.
static void test_only_one_is_leaving(void **state)
{
	struct fake_client *a, *c;
	struct bed b;

	open_bed(&b);
	a = bed_dial_up(&b, "once", PPP_AUTH_MSCHAP2);
	fake_client_hang_up(a);
	c = bed_dial_as(&b, "once", PPP_AUTH_MSCHAP2);
	BED_UNTIL(&b, fake_client_is_up(c) && c->conn->data_open);
	assert_true(a->conn->closed);
	bed_close(&b);
}

static void test_replace(void **state)
{
	static const char *const users[] = {"repl", "replfix"};
	struct fake_client *a, *c;
	struct bed b;
	uint32_t addr;

	open_bed(&b);
	for (unsigned int i = 0; i < 2; i++) {
		a = bed_dial_up(&b, users[i], PPP_AUTH_MSCHAP2);
		for (unsigned int n = 0; n < 4; n++) {
			addr = a->conn->inner;
			c = bed_dial_as(&b, users[i], PPP_AUTH_MSCHAP2);
			BED_UNTIL(&b, fake_client_is_up(c) && c->conn->data_open);
			bed_check_ended(&b, a, "replaced by a newer log-in");
			assert_int_equal(c->conn->inner, addr);
			assert_int_equal(fake_published(b.ch), 1 + i);
			assert_int_equal(pools_owner(b.cp->pools, addr), bed_session(&b, c)->id);
			a = c;
		}
	}
	assert_int_equal(pools_taken(b.cp->pools), 2);
	bed_close(&b);
}

// The address of a session that was not the first choice for its user goes over as well.
static void test_replace_keeps_address(void **state)
{
	struct fake_client *a, *c;
	struct bed b;
	uint32_t first;

	open_bed(&b);
	a = bed_dial_up(&b, "repl", PPP_AUTH_MSCHAP2);
	first = a->conn->inner;
	bed_hang_up(&b, a);
	assert_int_equal(pools_take(b.cp->pools, first, 12345), 0);
	a = bed_dial_up(&b, "repl", PPP_AUTH_MSCHAP2);
	assert_int_not_equal(a->conn->inner, first);
	pools_release(b.cp->pools, first);
	c = bed_dial_as(&b, "repl", PPP_AUTH_MSCHAP2);
	BED_UNTIL(&b, fake_client_is_up(c) && c->conn->data_open);
	assert_int_equal(c->conn->inner, a->conn->inner);
	bed_close(&b);
}

// A client that is not there any more is not waited for.
static void test_replace_the_dead(void **state)
{
	struct fake_client *dead, *c;
	struct bed b;
	uint32_t addr;

	open_bed(&b);
	b.cp->limits.replace_s = 0.05;
	dead = bed_dial_up(&b, "replfix", PPP_AUTH_MSCHAP2);
	addr = dead->conn->inner;
	dead->eof = true; // reads nothing from here on
	c = bed_dial_as(&b, "replfix", PPP_AUTH_MSCHAP2);
	BED_UNTIL(&b, fake_client_is_up(c) && c->conn->data_open);
	assert_true(dead->conn->closed);
	assert_true(dead->conn->out_rst);
	assert_int_equal(c->conn->inner, addr);
	bed_close(&b);
}

// Several at once: the last one stays.
static void test_replace_crowd(void **state)
{
	struct fake_client *c[6];
	unsigned int up = 0;
	struct bed b;

	open_bed(&b);
	b.cp->limits.replace_s = 0.05;
	for (unsigned int i = 0; i < 6; i++)
		c[i] = bed_dial_as(&b, "replfix", PPP_AUTH_MSCHAP2);
	BED_UNTIL(&b, b.cp->nb_sessions == 1 && b.cp->nb_up == 1);
	for (unsigned int i = 0; i < 6; i++)
		up += c[i]->conn->data_open;
	assert_int_equal(up, 1);
	assert_int_equal(fake_published(b.ch), 1);
	bed_close(&b);
}

// A user without only-one, but with an address of his own, who dials again at once.
static void test_fixed_address_again(void **state)
{
	struct fake_client *a, *c;
	struct bed b;

	open_bed(&b);
	a = bed_dial_up(&b, "fixed", PPP_AUTH_MSCHAP2);
	fake_client_terminate(a);
	c = bed_dial_as(&b, "fixed", PPP_AUTH_MSCHAP2);
	BED_UNTIL(&b, fake_client_is_up(c) && c->conn->data_open);
	assert_int_equal(c->conn->inner, IP(10, 9, 0, 3));
	bed_close(&b);
}

static void test_caller_id(void **state)
{
	struct fake_client *far, *wrong;
	struct fake_client_conf conf;
	const char *log;
	struct bed b;

	open_bed(&b);
	bed_dial_up(&b, "near", PPP_AUTH_MSCHAP2);
	bed_log_begin();
	far = bed_dial_refused(&b, "far", PPP_AUTH_PAP);
	log = bed_log_end();
	assert_non_null(strstr(log, "why=\"called from another address than caller-id allows\""));
	conf = bed_client_conf(&b, PPP_AUTH_PAP);
	conf.user = "far";
	conf.password = "wrong";
	wrong = bed_dial(&b, &conf);
	BED_UNTIL(&b, wrong->conn->closed && !bed_session(&b, wrong));
	// From elsewhere nobody learns whether the password is right.
	assert_string_equal(far->ppp_message, wrong->ppp_message);
	bed_close(&b);
}

static void test_impossible(void **state)
{
	struct fake_client *c;
	struct bed b;

	open_bed(&b);
	c = bed_dial_refused(&b, "mppe", PPP_AUTH_MSCHAP2);
	assert_non_null(strstr(c->ppp_message, "E=649 R=0"));
	assert_non_null(strstr(c->ppp_message, "MPPE encryption is required and not available"));
	c = bed_dial_refused(&b, "mppe", PPP_AUTH_PAP);
	assert_string_equal(c->ppp_message, "MPPE encryption is required and not available");
	bed_close(&b);
}

static void test_warnings(void **state)
{
	static const struct bed_conf conf = {.sstp = "  ca: /dev/null\n",
		.yaml = "ip-pools: { clients: [10.0.0.2-10.0.0.3] }\n"
			"ppp-profiles:\n"
			"  default: { local-address: 10.0.0.1, remote-address: clients }\n"
			"  six: { use-ipv6: required }\n"
			"ppp-secrets:\n"
			"  - { name: fine, password: x }\n"
			"  - { name: needy, password: x, profile: six }\n"
			"  - { name: open, password: \"\" }\n"};
	const char *log;
	struct bed b;

	bed_open(&b, &conf);
	bed_log_begin();
	cp_warn(b.conf);
	log = bed_log_end();
	assert_non_null(strstr(log, "users=1 first=needy: use-ipv6: required, and no prefix"));
	assert_non_null(strstr(log, "users=1 first=open: the password is empty"));
	assert_non_null(strstr(log, "sstp-server.ca: not used"));
	assert_null(strstr(log, "no address to get"));
	bed_close(&b);
}

static void test_pools_chain(void **state)
{
	struct fake_client *c[4], *no;
	const char *log;
	struct bed b;

	open_bed(&b);
	bed_log_begin();
	for (unsigned int i = 0; i < 4; i++) {
		c[i] = bed_dial_up(&b, "bob", PPP_AUTH_PAP);
		assert_int_equal(c[i]->conn->inner >> 8, i < 2 ? 0x0a0000 : 0x0a0001);
	}
	no = bed_dial_as(&b, "bob", PPP_AUTH_PAP);
	BED_UNTIL(&b, no->conn->closed && !bed_session(&b, no));
	log = bed_log_end();
	assert_non_null(strstr(log, "address=10.0.1.2 pool=more"));
	assert_non_null(strstr(log, "pool=clients has no free address, all 4 are used"));
	bed_close(&b);
}

// -- limits --

static void test_told_to_the_worker(void **state)
{
	struct fake_client *c;
	struct bed b;

	open_bed(&b);
	c = bed_dial_up(&b, "lim", PPP_AUTH_MSCHAP2);
	assert_int_equal(c->conn->open.rate_rx.bps, 1000000);
	assert_int_equal(c->conn->open.rate_tx.bps, 2000000);
	assert_int_equal(c->conn->open.limit_rx, 1000);
	assert_int_equal(c->conn->open.limit_tx, 2000);
	assert_int_equal(c->conn->open.idle_ms, 90000);
	assert_int_equal(c->conn->open.filter, 2);
	assert_int_equal(c->conn->open.address_list, 2);
	bed_hang_up(&b, c);
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	assert_int_equal(c->conn->open.rate_rx.bps, 0);
	assert_int_equal(c->conn->open.limit_rx | c->conn->open.limit_tx, 0);
	assert_int_equal(c->conn->open.idle_ms, 0);
	assert_int_equal(c->conn->open.filter | c->conn->open.address_list, 0);
	bed_close(&b);
}

static void test_events(void **state)
{
	static const struct {
		unsigned int type, arg;
		const char *why;
	} cases[] = {
		{DP_EV_LIMIT, 1, "limit-bytes-in reached"},
		{DP_EV_LIMIT, 0, "limit-bytes-out reached"},
		{DP_EV_IDLE, 0, "idle-timeout reached"},
	};
	struct fake_client *c;
	const char *log;
	struct bed b;

	open_bed(&b);
	for (unsigned int i = 0; i < 3; i++) {
		c = bed_dial_up(&b, "lim", PPP_AUTH_MSCHAP2);
		bed_log_begin();
		fake_conn_event(c->conn, cases[i].type, cases[i].arg);
		bed_check_ended(&b, c, cases[i].why);
		log = bed_log_end();
		assert_non_null(strstr(log, cases[i].why));
		assert_non_null(strstr(log, "user=lim ended why="));
	}
	// While the call is not up any more, or not yet, they have no effect.
	c = bed_dial_as(&b, "lim", PPP_AUTH_MSCHAP2);
	BED_UNTIL(&b, bed_session(&b, c) && bed_session(&b, c)->stage == CP_STAGE_CALL);
	fake_conn_event(c->conn, DP_EV_IDLE, 0);
	fake_conn_event(c->conn, DP_EV_LIMIT, 0);
	BED_UNTIL(&b, c->conn->closed && !bed_session(&b, c));
	bed_close(&b);
}

static void test_session_timeout(void **state)
{
	struct cp_session *s;
	struct fake_client *c;
	struct bed b;

	open_bed(&b);
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	assert_null(bed_session(&b, c)->policy); // no timer, nothing
	c = bed_dial_up(&b, "lim", PPP_AUTH_MSCHAP2);
	s = bed_session(&b, c);
	assert_non_null(s->idle); // the timer runs while the call is packed
	assert_true(ev_is_active(&s->policy->session));
	assert_true(ev_timer_remaining(b.cp->loop, &s->policy->session) > 3590);
	ev_feed_event(b.cp->loop, &s->policy->session, EV_TIMER);
	bed_check_ended(&b, c, "session-timeout reached");
	bed_close(&b);
}

// A client that does not answer the Terminate-Request is not waited for for ever.
static void test_session_timeout_of_the_dead(void **state)
{
	struct cp_session *s;
	struct fake_client *c;
	struct bed b;

	open_bed(&b);
	c = bed_dial_up(&b, "lim", PPP_AUTH_MSCHAP2);
	s = bed_session(&b, c);
	c->eof = true;
	ev_feed_event(b.cp->loop, &s->policy->session, EV_TIMER);
	BED_UNTIL(&b, c->conn->closed && !b.cp->nb_sessions);
	assert_int_equal(c->conn->nb_open, 1);
	bed_close(&b);
}

// -- routes --

static void test_routes(void **state)
{
	struct fake_client *c;
	struct bed b;
	dp_handle h;

	open_bed(&b);
	for (unsigned int i = 0; i < 3; i++) {
		c = bed_dial_up(&b, "net", PPP_AUTH_MSCHAP2);
		h = c->conn->handle;
		assert_int_equal(fake_nb_prefixes(b.ch), 3);
		assert_int_equal(fake_prefix_metric(b.ch, "::ffff:10.7.0.0/112", h), 1);
		assert_int_equal(fake_prefix_metric(b.ch, "::ffff:10.8.0.0/112", h), 5);
		assert_int_equal(fake_prefix_metric(b.ch, "2001:db8:7::/48", h), 1);
		if (i == 0)
			fake_client_hang_up(c);
		else if (i == 1)
			fake_client_terminate(c);
		else
			c->conn->rst = true;
		BED_UNTIL(&b, c->conn->closed && !b.cp->nb_sessions);
		assert_int_equal(fake_nb_prefixes(b.ch), 0);
		bed_reap(&b, c);
	}
	bed_close(&b);
}

// A route that is the session's own prefix is published once, whichever of the two comes first.
static void test_route_is_own_prefix(void **state)
{
	struct fake_client_conf conf;
	struct fake_client *c;
	struct bed b;
	dp_handle h;

	open_bed(&b);
	for (unsigned int i = 0; i < 2; i++) {
		conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);
		conf.user = "six";
		conf.ipv6 = i ? PPP_IPV6_NO : PPP_IPV6_YES;
		c = bed_dial(&b, &conf);
		BED_UNTIL(&b, fake_client_is_up(c) && c->conn->data_open && (i || c->nb_ip6));
		bed_turns(&b, 20);
		h = c->conn->handle;
		assert_false(c->conn->closed);
		assert_int_equal(fake_nb_prefixes(b.ch), 1);
		assert_int_equal(fake_prefix_metric(b.ch, "2001:db8:6::/64", h), 1);
		bed_hang_up(&b, c);
		assert_int_equal(fake_nb_prefixes(b.ch), 0);
	}
	bed_close(&b);
}

static uint32_t scripts_begun(struct bed *b)
{
	struct scripts_totals t;

	scripts_totals(b->cp->scripts, &t);
	return (uint32_t)(t.started + t.failed);
}

// A session whose routes cannot be published never was up: neither script runs. Otherwise both do.
static void test_scripts_go_in_pairs(void **state)
{
	struct in6_addr other = {.s6_addr = {0x20, 1}};
	struct fake_client *c;
	struct bed b;
	unsigned int n;

	open_bed(&b);
	for (n = 0; !dp_prefix_publish(b.ch, &other, (uint8_t)(n % 129), n / 129, n / 129 + 1); n++)
		;
	c = bed_dial_as(&b, "scripted", PPP_AUTH_MSCHAP2);
	BED_UNTIL(&b, c->conn->closed && !bed_session(&b, c));
	bed_reap(&b, c);
	bed_turns(&b, 50);
	assert_int_equal(scripts_begun(&b), 0);
	while (n--)
		dp_prefix_withdraw(b.ch, &other, (uint8_t)(n % 129), n / 129 + 1);
	c = bed_dial_up(&b, "scripted", PPP_AUTH_MSCHAP2);
	BED_UNTIL(&b, scripts_begun(&b) == 1);
	bed_hang_up(&b, c);
	BED_UNTIL(&b, scripts_begun(&b) == 2);
	bed_close(&b);
}

// The process ends before a session's CLOSED came: on-down runs all the same.
static void test_free_without_closed(void **state)
{
	struct fake_client *c;
	struct bed b;

	open_bed(&b);
	c = bed_dial_up(&b, "scripted", PPP_AUTH_MSCHAP2);
	BED_UNTIL(&b, scripts_begun(&b) == 1);
	cp_session_free(bed_session(&b, c));
	BED_UNTIL(&b, scripts_begun(&b) == 2);
	// For the bed's sake.
	b.cp->totals.ended++;
	cp_out_close(b.cp, c->conn->handle, true, 0);
	BED_UNTIL(&b, c->conn->closed);
	bed_close(&b);
}

static void test_held_terminates(void **state)
{
	struct fake_client *dead, *c;
	struct cp_session *s;
	struct bed b;

	open_bed(&b);
	dead = bed_dial_up(&b, "replfix", PPP_AUTH_MSCHAP2);
	dead->eof = true;
	b.cp->limits.replace_s = 10;
	c = bed_dial_as(&b, "replfix", PPP_AUTH_MSCHAP2);
	BED_UNTIL(&b, (s = bed_session(&b, c)) && s->call && s->call->held);
	fake_client_terminate(c);
	BED_UNTIL(&b, s->stage != CP_STAGE_CALL || !s->call->held);
	assert_int_equal(s->stage, CP_STAGE_CALL);
	bed_close(&b);
}

// A session that is replaced again and again has no more time for it.
static void test_replaced_again(void **state)
{
	struct fake_client *dead;
	struct cp_session *s;
	ev_tstamp until;
	struct bed b;

	open_bed(&b);
	b.cp->limits.replace_s = 100;
	dead = bed_dial_up(&b, "replfix", PPP_AUTH_MSCHAP2);
	s = bed_session(&b, dead);
	dead->eof = true;
	bed_dial_as(&b, "replfix", PPP_AUTH_MSCHAP2);
	BED_UNTIL(&b, s->policy && ev_is_active(&s->policy->hurry));
	until = ev_now(b.cp->loop) + ev_timer_remaining(b.cp->loop, &s->policy->hurry);
	b.cp->limits.replace_s = 1000;
	bed_dial_as(&b, "replfix", PPP_AUTH_MSCHAP2);
	BED_UNTIL(&b, b.cp->accounts.nb_sessions >= 3);
	assert_true(
		ev_now(b.cp->loop) + ev_timer_remaining(b.cp->loop, &s->policy->hurry) < until + 1);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_one),
		cmocka_unit_test(test_only_one_is_leaving),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_replace_keeps_address),
		cmocka_unit_test(test_replace_the_dead),
		cmocka_unit_test(test_replace_crowd),
		cmocka_unit_test(test_fixed_address_again),
		cmocka_unit_test(test_caller_id),
		cmocka_unit_test(test_impossible),
		cmocka_unit_test(test_pools_chain),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_told_to_the_worker),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_session_timeout),
		cmocka_unit_test(test_session_timeout_of_the_dead),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_route_is_own_prefix),
		cmocka_unit_test(test_scripts_go_in_pairs),
		cmocka_unit_test(test_free_without_closed),
		cmocka_unit_test(test_held_terminates),
		cmocka_unit_test(test_replaced_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
