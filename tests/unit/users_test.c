// SPDX-License-Identifier: BSD-3-Clause
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "controlplane/users.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static const char yaml[] =
	"dataplane:\n"
	"  ports:\n"
	"    access: { device: net_null0, address: 192.0.2.1/24 }\n"
	"    core: { device: net_null1, address: 198.51.100.1/24 }\n"
	"sstp-server: { default-profile: office }\n"
	"ip-pools: { a: 10.0.0.0/24, b: 10.1.0.0/24, c: 10.2.0.0/24 }\n"
	"ppp-profiles:\n"
	"  default: { local-address: 172.16.0.1, remote-address: a, dns-server: [1.1.1.1, "
	"2.2.2.2], "
	"wins-server: 3.3.3.3, session-timeout: 7, idle-timeout: 8, only-one: yes, filter: f0, "
	"on-down: /bin/false, use-ipv6: no }\n"
	"  office: { remote-address: b, dns-server: 9.9.9.9, change-tcp-mss: no }\n"
	"  single: { local-address: 172.16.0.2, remote-address: 10.9.0.1 }\n"
	"  bare: { }\n"
	"  full: { session-timeout: 100, idle-timeout: none, only-one: replace, rate-limit: 3M, "
	"filter: f1, address-list: l1, on-up: /bin/true, dns-server: \"2001:db8::53\", "
	"use-ipv6: required, change-tcp-mss: yes }\n"
	"  mppe: { use-encryption: required }\n"
	"filters: { f0: [ { action: drop } ], f1: [ { action: accept } ] }\n"
	"address-lists: { l0: [ 10.5.0.0/16 ], l1: [ 10.6.0.0/16 ] }\n"
	"ppp-secrets:\n"
	"  - { name: plain, password: pw }\n"
	"  - { name: own, password: pw, local-address: 172.16.0.3, remote-address: 10.9.0.2 }\n"
	"  - { name: ownpool, password: pw, remote-address: c }\n"
	"  - { name: poolsingle, password: pw, remote-address: c, profile: single }\n"
	"  - { name: bare, password: pw, profile: bare }\n"
	"  - { name: \"off\", password: pw, disabled: yes }\n"
	"  - { name: \"D\\\\both\", password: one }\n"
	"  - { name: both, password: two }\n"
	"  - { name: full, password: pw, profile: full, limit-bytes-in: 5, limit-bytes-out: 6, "
	"routes: [10.7.0.0/16], caller-id: 192.0.2.7 }\n"
	"  - { name: mppe, password: pw, profile: mppe }\n"
	"  - { name: net4, password: pw, caller-id: 192.0.2.64/27 }\n"
	"  - { name: net6, password: pw, caller-id: \"2001:db8::/33\" }\n";

static struct config *conf;

static int setup(void **state)
{
	conf = config_parse("test", yaml, strlen(yaml), false, stderr);
	return conf ? 0 : -1;
}

static int teardown(void **state)
{
	config_free(conf);
	return 0;
}

static enum users_result from(
	const char *name, size_t n, const char *password, const char *peer, struct users_grant *g)
{
	struct ppp_auth_request req = {.method = PPP_AUTH_PAP, .name_len = (uint8_t)n};
	struct users_query q = {.id = 1, .req = &req, .peer_port = 1234};
	struct users_answer a = {0};

	assert_int_equal(inet_pton(AF_INET6, peer, &q.peer), 1);
	memcpy(req.name, name, n);
	req.password_len = (uint8_t)strlen(password);
	memcpy(req.password, password, req.password_len);
	assert_true(users_check(conf, &q, &a));
	assert_int_equal(a.verdict.ok, a.result == USERS_OK);
	assert_int_equal(a.verdict.error, a.result == USERS_OK          ? 0
					  : a.result < USERS_ENCRYPTION ? 691
									: 649);
	assert_null(a.store);
	*g = a.grant;
	return a.result;
}

static enum users_result pap(
	const char *name, size_t n, const char *password, struct users_grant *g)
{
	return from(name, n, password, "::ffff:192.0.2.7", g);
}

static enum users_result check(const char *name, const char *password, struct users_grant *g)
{
	return pap(name, strlen(name), password, g);
}

static void test_results(void **state)
{
	struct users_grant g;

	assert_int_equal(check("plain", "pw", &g), USERS_OK);
	assert_int_equal(check("plain", "pw ", &g), USERS_REFUSED);
	assert_int_equal(check("plain", "", &g), USERS_REFUSED);
	assert_int_equal(check("Plain", "pw", &g), USERS_UNKNOWN);
	assert_int_equal(check("", "pw", &g), USERS_UNKNOWN);
	assert_int_equal(check("off", "pw", &g), USERS_DISABLED);
	assert_int_equal(check("off", "no", &g), USERS_DISABLED);
	assert_int_equal(pap("plain\0x", 7, "pw", &g), USERS_UNKNOWN);
	assert_int_equal(check("X\\plain", "pw", &g), USERS_OK);
	assert_int_equal(check("D\\both", "one", &g), USERS_OK);
	assert_int_equal(check("D\\both", "two", &g), USERS_REFUSED);
	assert_int_equal(check("E\\both", "two", &g), USERS_OK);
	assert_int_equal(check("\\", "pw", &g), USERS_UNKNOWN);
	assert_string_equal(users_result_text(USERS_DISABLED), "user is disabled");
}

static void test_unknown_method(void **state)
{
	struct ppp_auth_request req = {.method = 0x80, .name_len = 5, .name = "plain"};
	struct users_query q = {.id = 1, .req = &req};
	struct users_answer a = {0};

	assert_true(users_check(conf, &q, &a));
	assert_int_equal(a.result, USERS_UNSUPPORTED);
	assert_false(a.verdict.ok);
}

static void test_precedence(void **state)
{
	struct users_grant g;

	assert_int_equal(check("plain", "pw", &g), USERS_OK);
	assert_int_equal(g.local, IP(172, 16, 0, 1));
	assert_int_equal(g.remote, 0);
	assert_string_equal(g.pool, "b");
	assert_int_equal(g.dns[0], IP(9, 9, 9, 9));
	assert_int_equal(g.dns[1], 0);
	assert_int_equal(g.wins[0], IP(3, 3, 3, 3));
	assert_false(g.change_tcp_mss);

	assert_int_equal(check("own", "pw", &g), USERS_OK);
	assert_int_equal(g.local, IP(172, 16, 0, 3));
	assert_int_equal(g.remote, IP(10, 9, 0, 2));
	assert_null(g.pool);

	assert_int_equal(check("ownpool", "pw", &g), USERS_OK);
	assert_string_equal(g.pool, "c");

	// A single address beats a pool.
	assert_int_equal(check("poolsingle", "pw", &g), USERS_OK);
	assert_int_equal(g.local, IP(172, 16, 0, 2));
	assert_int_equal(g.remote, IP(10, 9, 0, 1));

	assert_int_equal(check("bare", "pw", &g), USERS_OK);
	assert_int_equal(g.local, IP(172, 16, 0, 1));
	assert_string_equal(g.pool, "a");
	assert_int_equal(g.dns[1], IP(2, 2, 2, 2));
	assert_true(g.change_tcp_mss);
}

// Whatever a profile may leave to the profile "default", and take back from it.
static void test_inherited(void **state)
{
	static const char text[] =
		"dataplane:\n"
		"  ports:\n"
		"    access: { device: net_null0, address: 192.0.2.1/24 }\n"
		"    core: { device: net_null1, address: 198.51.100.1/24 }\n"
		"ipv6-pools: { v: { prefix: 2001:db8::/40 } }\n"
		"address-lists: { l: [] }\n"
		"filters: { f: [] }\n"
		"ppp-profiles:\n"
		"  default: { remote-ipv6-prefix-pool: v, dhcpv6-pd-pool: v, rate-limit: 1M,\n"
		"    session-timeout: 1h, idle-timeout: 5m, only-one: yes, filter: f,\n"
		"    address-list: l, on-up: /up, on-down: /down, use-ipv6: required }\n"
		"  same: { use-ipv6: default, only-one: default }\n"
		"  none: { remote-ipv6-prefix-pool: none, dhcpv6-pd-pool: none, rate-limit: none,\n"
		"    session-timeout: none, idle-timeout: none, only-one: no, filter: none,\n"
		"    address-list: none, on-up: none, on-down: none, use-ipv6: no }\n"
		"ppp-secrets:\n"
		"- { name: a, password: x, profile: same }\n"
		"- { name: b, password: x, profile: none }\n";
	struct config *c = config_parse("test", text, strlen(text), false, stderr);
	struct users_grant g;

	assert_non_null(c);
	users_grant(c, &c->secrets[0], &g);
	assert_string_equal(g.prefix_pool, "v");
	assert_string_equal(g.pd_pool, "v");
	assert_int_equal(g.rate_tx.bps, 1000000);
	assert_int_equal(g.session_timeout_s, 3600);
	assert_int_equal(g.idle_timeout_s, 300);
	assert_int_equal(g.only_one, CONFIG_ONLY_ONE_YES);
	assert_int_equal(g.filter, 1);
	assert_int_equal(g.address_list, 1);
	assert_string_equal(g.on_up, "/up");
	assert_string_equal(g.on_down, "/down");
	assert_int_equal(g.use_ipv6, CONFIG_REQUIRED);
	users_grant(c, &c->secrets[1], &g);
	assert_null(g.prefix_pool);
	assert_null(g.pd_pool);
	assert_int_equal(g.rate_tx.bps, 0);
	assert_int_equal(g.session_timeout_s, 0);
	assert_int_equal(g.idle_timeout_s, 0);
	assert_int_equal(g.only_one, CONFIG_ONLY_ONE_NO);
	assert_int_equal(g.filter, 0);
	assert_int_equal(g.address_list, 0);
	assert_null(g.on_up);
	assert_null(g.on_down);
	assert_int_equal(g.use_ipv6, CONFIG_NO);
	config_free(c);
}

static void test_policy(void **state)
{
	struct users_grant g;

	assert_int_equal(check("full", "pw", &g), USERS_OK);
	assert_string_equal(g.account, "full");
	assert_string_equal(g.profile, "full");
	assert_int_equal(g.session_timeout_s, 100);
	assert_int_equal(g.idle_timeout_s, 0); // "none" is a word of its own
	assert_int_equal(g.only_one, CONFIG_ONLY_ONE_REPLACE);
	assert_int_equal(g.rate_rx.bps, 3000000);
	assert_int_equal(g.rate_tx.bps, 3000000);
	assert_int_equal(g.filter, 2);
	assert_int_equal(g.address_list, 2);
	assert_string_equal(g.on_up, "/bin/true");
	assert_string_equal(g.on_down, "/bin/false");
	assert_int_equal(g.limit_rx, 5);
	assert_int_equal(g.limit_tx, 6);
	assert_int_equal(g.nb_routes, 1);
	assert_int_equal(g.use_ipv6, CONFIG_REQUIRED);
	assert_int_equal(g.nb_dns6, 1);
	assert_int_equal(g.dns[0], 0); // its own servers replace both families'
	assert_true(g.change_tcp_mss);

	assert_int_equal(check("bare", "pw", &g), USERS_OK);
	assert_string_equal(g.profile, "bare");
	assert_int_equal(g.session_timeout_s, 7);
	assert_int_equal(g.idle_timeout_s, 8);
	assert_int_equal(g.only_one, CONFIG_ONLY_ONE_YES);
	assert_int_equal(g.rate_rx.bps, 0);
	assert_int_equal(g.filter, 1);
	assert_int_equal(g.address_list, 0);
	assert_null(g.on_up);
	assert_string_equal(g.on_down, "/bin/false");
	assert_int_equal(g.use_ipv6, CONFIG_NO);
	assert_int_equal(g.nb_dns6, 0);
}

// Without a secret: what the default profile gives.
static void test_without_secret(void **state)
{
	struct users_grant g;

	users_grant(conf, NULL, &g);
	assert_null(g.account);
	assert_string_equal(g.profile, "office");
	assert_int_equal(g.local, IP(172, 16, 0, 1));
	assert_string_equal(g.pool, "b");
	assert_int_equal(g.session_timeout_s, 7);
}

static void test_caller_id(void **state)
{
	struct users_grant g;

	assert_int_equal(from("full", 4, "pw", "::ffff:192.0.2.7", &g), USERS_OK);
	assert_int_equal(from("full", 4, "pw", "::ffff:192.0.2.6", &g), USERS_CALLER_ID);
	assert_int_equal(from("full", 4, "pw", "2001:db8::7", &g), USERS_CALLER_ID);
	assert_int_equal(from("full", 4, "no", "::ffff:192.0.2.6", &g), USERS_REFUSED);
	assert_int_equal(from("net4", 4, "pw", "::ffff:192.0.2.64", &g), USERS_OK);
	assert_int_equal(from("net4", 4, "pw", "::ffff:192.0.2.95", &g), USERS_OK);
	assert_int_equal(from("net4", 4, "pw", "::ffff:192.0.2.96", &g), USERS_CALLER_ID);
	assert_int_equal(from("net4", 4, "pw", "::ffff:192.0.2.63", &g), USERS_CALLER_ID);
	assert_int_equal(from("net6", 4, "pw", "2001:db8:7fff::1", &g), USERS_OK);
	assert_int_equal(from("net6", 4, "pw", "2001:db8:8000::1", &g), USERS_CALLER_ID);
	assert_int_equal(check("mppe", "pw", &g), USERS_ENCRYPTION);
	assert_int_equal(check("mppe", "no", &g), USERS_REFUSED);
}

static void test_store(void **state)
{
	struct users_store *st = NULL;
	char *a = users_store_get(&st, 100), *b = users_store_get(&st, 1);

	assert_non_null(a);
	assert_non_null(b);
	assert_ptr_not_equal(a, b);
	assert_int_equal((uintptr_t)b % _Alignof(uint64_t), 0);
	memset(a, 1, 100);
	*b = 2;
	users_store_free(st);
	users_store_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_unknown_method),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_without_secret),
		cmocka_unit_test(test_caller_id),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_inherited),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
