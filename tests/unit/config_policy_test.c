// SPDX-License-Identifier: BSD-3-Clause
// The configuration: pools, filters, profiles and users, as structures, and their texts (rate
// limits, routes).
#include <unistd.h>

#include "config/value.h"
#include "config_testlib.h"

static struct in6_addr addr(const char *s)
{
	struct in6_addr a;

	assert_int_equal(value_address(s, &a), 0);
	return a;
}

static void assert_prefix(const struct config_prefix *p, const char *text)
{
	char got[VALUE_PREFIX_TEXT];

	assert_string_equal(value_prefix_text(got, &p->addr, p->plen), text);
}

// -- texts --

struct rate_case {
	const char *text;
	struct config_rate rx, tx;
};

static void test_rates(void **state)
{
	static const struct rate_case cases[] = {
		{"64000", {64000, 0, 0, 0}, {64000, 0, 0, 0}},
		{"2M/10M", {2000000, 0, 0, 0}, {10000000, 0, 0, 0}},
		{" 1k/1G ", {1000, 0, 0, 0}, {1000000000, 0, 0, 0}},
		{"0/5M", {0, 0, 0, 0}, {5000000, 0, 0, 0}},
		{"none", {0, 0, 0, 0}, {0, 0, 0, 0}},
		// A burst alone: from the rate, over a second.
		{"1M 4M", {1000000, 4000000, 1000000, 1}, {1000000, 4000000, 1000000, 1}},
		{"1M/2M 4M/8M 512k/1M 10/20s", {1000000, 4000000, 512000, 10},
			{2000000, 8000000, 1000000, 20}},
		{"1M 4M 2M 00:01:00", {1000000, 4000000, 2000000, 60},
			{1000000, 4000000, 2000000, 60}},
		// What many a RADIUS server sends.
		{"10M/20M 0/0 0/0 0/0 8 5M/5M", {10000000, 0, 0, 0}, {20000000, 0, 0, 0}},
		{"1M 2M 0 5", {1000000, 2000000, 1000000, 5}, {1000000, 2000000, 1000000, 5}},
		{"0/1M 5M", {0, 0, 0, 0}, {1000000, 5000000, 1000000, 1}},
	};
	struct config_rate rx, tx;
	const char *why;

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(config_rate_limit(cases[i].text, &rx, &tx, &why), 0);
		assert_memory_equal(&rx, &cases[i].rx, sizeof(rx));
		assert_memory_equal(&tx, &cases[i].tx, sizeof(tx));
	}
}

static void test_bad_rates(void **state)
{
	static const char *const cases[][2] = {
		{"", "rx[/tx] [rx-burst"},
		{"fast", "rates such as"},
		{"1M/", "rates such as"},
		{"/1M", "rates such as"},
		{"1.5M", "rates such as"},
		{"-1M", "rates such as"},
		{"1M/2M/3M", "rates such as"},
		{"1MB", "rates such as"},
		{"1T", "rates such as"},
		{"999", "rates of 0, or from 1k to 1000G"},
		{"1001G", "rates of 0, or from 1k to 1000G"},
		{"99999999999999999999G", "rates of 0, or from 1k to 1000G"},
		{"2M 1M", "a burst rate above the rate"},
		{"1M/9M 8M", "a burst rate above the rate"},
		{"1M 2M 3M", "a burst threshold below the burst rate"},
		{"1M 2M 1M 2h", "burst times up to 1h"},
		{"1M 2M 1M x", "burst times up to 1h"},
		{"1M 2M 1M 1 9", "a priority from 1 to 8"},
		{"1M 2M 1M 1 0", "a priority from 1 to 8"},
		{"1M 2M 1M 1 8 2M", "least rates not above"},
		{"1M 2M 1M 1 8 1M 7", "rx[/tx] [rx-burst"},
		{"1MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM",
			"rx[/tx] [rx-burst"},
	};
	struct config_rate rx, tx;
	const char *why;

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!config_rate_limit(cases[i][0], &rx, &tx, &why))
			fail_msg("%s was taken", cases[i][0]);
		assert_int_equal(strncmp(why, cases[i][1], strlen(cases[i][1])), 0);
	}
}

static void test_routes(void **state)
{
	struct config_route r;
	const char *why;
	struct in6_addr gateway;

	assert_int_equal(config_route_parse("10.1.0.0/16", &r, &why), 0);
	assert_prefix(&r.prefix, "10.1.0.0/16");
	assert_int_equal(r.prefix.plen, 112);
	assert_false(r.has_gateway);
	assert_int_equal(r.metric, 1);
	assert_int_equal(config_route_parse(" 10.1.2.3  10.0.0.9  20 ", &r, &why), 0);
	assert_prefix(&r.prefix, "10.1.2.3");
	assert_true(r.has_gateway);
	gateway = addr("10.0.0.9");
	assert_memory_equal(&r.gateway, &gateway, sizeof(gateway));
	assert_int_equal(r.metric, 20);
	assert_int_equal(config_route_parse("2001:db8:7::/48 7", &r, &why), 0);
	assert_prefix(&r.prefix, "2001:db8:7::/48");
	assert_int_equal(r.metric, 7);
	// As RADIUS's Framed-Route says "by the user himself".
	assert_int_equal(config_route_parse("10.1.0.0/16 0.0.0.0 1", &r, &why), 0);
	assert_false(r.has_gateway);
	assert_int_equal(config_route_parse("0.0.0.0/0", &r, &why), 0);
	assert_int_equal(r.prefix.plen, 96);
	assert_int_equal(config_route_parse("::/0 fe80::1", &r, &why), 0);
	assert_int_equal(r.prefix.plen, 0);
}

static void test_bad_routes(void **state)
{
	static const char *const cases[] = {"", "10.1.0.0/33", "10.1.0.1/16", "x", "10.1.0.0/16 x",
		"10.1.0.0/16 1 10.0.0.1", "10.1.0.0/16 10.0.0.1 65536", "10.1.0.0/16 10.0.0.1 1 1",
		"10.1.0.0/16 2001:db8::1", "2001:db8::/32 10.0.0.1", "224.0.0.0/4", "127.0.0.0/8",
		"0.0.0.0/8", "fe80::/64", "ff00::/8", "::1", "::ffff:10.0.0.0/104", "::/128"};
	struct config_route r;
	const char *why;

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		why = NULL;
		assert_int_not_equal(config_route_parse(cases[i], &r, &why), 0);
		assert_non_null(why);
	}
}

// -- structures --

static void test_pools(void **state)
{
	struct config *c = parse(PORTS
		"ip-pools:\n"
		"  a: { ranges: [10.0.0.2-10.0.0.9, 10.1.0.0/24], next-pool: b }\n"
		"  b: 198.51.100.100-198.51.100.199\n" // within the core port's subnet
		"ipv6-pools:\n"
		"  lan: { prefix: 2001:db8:100::/40 }\n"
		"  pd: { prefix: 2001:db8:200::/40, prefix-length: 56 }\n"
		"address-lists: { x: [], y: [10.0.0.0/8, 2001:db8::/32, 1.2.3.4], z: 9.9.9.9 }\n");

	assert_non_null(c);
	assert_int_equal(c->nb_pools, 2);
	assert_string_equal(config_pool(c, "a")->next_pool, "b");
	assert_int_equal(config_pool(c, "a")->nb_ranges, 2);
	assert_null(config_pool(c, "b")->next_pool);
	assert_int_equal(c->nb_pools6, 2);
	assert_int_equal(config_pool6(c, "lan")->plen, 40);
	assert_int_equal(config_pool6(c, "lan")->length, 64);
	assert_int_equal(config_pool6(c, "pd")->length, 56);
	assert_null(config_pool6(c, "lan2"));
	assert_int_equal(c->nb_address_lists, 3);
	assert_int_equal(config_address_list(c, "y"), 1);
	assert_int_equal(config_address_list(c, "q"), -1);
	assert_int_equal(c->address_lists[0].nb_prefixes, 0);
	assert_int_equal(c->address_lists[1].nb_prefixes, 3);
	assert_prefix(&c->address_lists[1].prefixes[0], "10.0.0.0/8");
	assert_prefix(&c->address_lists[1].prefixes[1], "2001:db8::/32");
	assert_int_equal(c->address_lists[1].prefixes[2].plen, 128);
	config_free(c);
}

static void test_filters(void **state)
{
	struct config *c = parse(PORTS
		"filters:\n"
		"  empty: []\n"
		"  f:\n"
		"  - action: reject\n"
		"  - { action: drop, direction: in, src-address: 10.0.0.0/8, dst-address: 9.9.9.9,"
		" protocol: udp, src-port: 1024-65535, dst-port: 53 }\n"
		"  - { action: accept, direction: out, protocol: 200, src-address-list: l,"
		" dst-address-list: l }\n"
		"address-lists: { k: [], l: [2001:db8::/32] }\n");
	const struct config_filter_rule *r;

	assert_non_null(c);
	assert_int_equal(c->nb_filters, 2);
	assert_int_equal(c->filters[0].nb_rules, 0);
	assert_int_equal(config_filter(c, "f"), 1);
	assert_int_equal(config_filter(c, "g"), -1);
	assert_int_equal(c->filters[1].nb_rules, 3);
	r = c->filters[1].rules;
	assert_int_equal(r[0].action, CONFIG_FILTER_REJECT);
	assert_int_equal(r[0].direction, CONFIG_DIR_IN | CONFIG_DIR_OUT);
	assert_false(r[0].has_src || r[0].has_dst);
	assert_int_equal(r[0].protocol, -1);
	assert_int_equal(r[0].src_list, -1);
	assert_int_equal(r[0].dst_port[0], 0);
	assert_int_equal(r[0].dst_port[1], 65535);
	assert_int_equal(r[1].action, CONFIG_FILTER_DROP);
	assert_int_equal(r[1].direction, CONFIG_DIR_IN);
	assert_true(r[1].has_src && r[1].has_dst);
	assert_prefix(&r[1].src, "10.0.0.0/8");
	assert_prefix(&r[1].dst, "9.9.9.9");
	assert_int_equal(r[1].protocol, 17);
	assert_int_equal(r[1].src_port[0], 1024);
	assert_int_equal(r[1].dst_port[0], 53);
	assert_int_equal(r[1].dst_port[1], 53);
	assert_int_equal(r[2].action, CONFIG_FILTER_ACCEPT);
	assert_int_equal(r[2].direction, CONFIG_DIR_OUT);
	assert_int_equal(r[2].protocol, 200);
	assert_int_equal(r[2].src_list, 1);
	assert_int_equal(r[2].dst_list, 1);
	config_free(c);
}

static void test_profiles(void **state)
{
	struct config *c = parse(PORTS
		"ipv6-pools: { v: { prefix: 2001:db8:100::/40 } }\n"
		"filters: { f: [] }\n"
		"address-lists: { l: [] }\n"
		"ppp-profiles:\n"
		"  p: { dns-server: [10.0.0.1, 2001:db8::1, 2001:db8::2], use-ipv6: require,\n"
		"    remote-ipv6-prefix-pool: v, dhcpv6-pd-pool: none, rate-limit: 1M/2M,\n"
		"    session-timeout: 2d03:00:00, idle-timeout: none, only-one: replace,\n"
		"    filter: f, address-list: l, use-compression: off, use-encryption: on,\n"
		"    on-up: /bin/up, on-down: none, change-tcp-mss: false }\n"
		"  q: { only-one: yes, rate-limit: none, filter: none, change-tcp-mss: default "
		"}\n");
	const struct config_profile *p, *q, *d;

	assert_non_null(c);
	p = config_profile(c, "p");
	assert_int_equal(p->nb_dns, 1);
	assert_int_equal(p->nb_dns6, 2);
	assert_int_equal(p->dns6[1].s6_addr[15], 2);
	assert_int_equal(p->use_ipv6, CONFIG_REQUIRED);
	assert_string_equal(p->prefix_pool, "v");
	assert_string_equal(p->pd_pool, "");
	assert_true(p->has_rate);
	assert_int_equal(p->rate_rx.bps, 1000000);
	assert_int_equal(p->rate_tx.bps, 2000000);
	assert_int_equal(p->session_timeout_s, 183600);
	assert_int_equal(p->idle_timeout_s, 0);
	assert_int_equal(p->only_one, CONFIG_ONLY_ONE_REPLACE);
	assert_string_equal(p->filter, "f");
	assert_string_equal(p->address_list, "l");
	assert_int_equal(p->use_compression, CONFIG_NO);
	assert_int_equal(p->use_encryption, CONFIG_YES);
	assert_string_equal(p->on_up, "/bin/up");
	assert_string_equal(p->on_down, "");
	assert_int_equal(p->change_tcp_mss, CONFIG_NO);
	q = config_profile(c, "q");
	assert_int_equal(q->only_one, CONFIG_ONLY_ONE_YES);
	assert_true(q->has_rate);
	assert_int_equal(q->rate_rx.bps, 0);
	assert_string_equal(q->filter, "");
	assert_int_equal(q->change_tcp_mss, CONFIG_DEFAULT);
	// One that is not written.
	d = config_profile(c, "default");
	assert_int_equal(d->session_timeout_s, CONFIG_UNSET);
	assert_int_equal(d->idle_timeout_s, CONFIG_UNSET);
	assert_int_equal(d->only_one, CONFIG_ONLY_ONE_DEFAULT);
	assert_false(d->has_rate);
	assert_null(d->filter);
	config_free(c);
}

static void test_secrets(void **state)
{
	struct config *c = parse(
		PORTS "ppp-secrets:\n"
		      "- { name: a, password: x, remote-ipv6-prefix: 2001:db9::/56, "
		      "limit-bytes-in: 10G,\n"
		      "    limit-bytes-out: 1k, caller-id: 192.0.2.0/25, routes: [10.1.0.0/16,\n"
		      "    \"10.2.0.0/16 10.2.0.1 5\", 2001:dba::/48] }\n"
		      "- { name: b, password: x, caller-id: 2001:db8::5, routes: 10.1.0.0/16 }\n"
		      "- { name: c, password: x, limit-bytes-in: none }\n");
	const struct config_secret *s;

	assert_non_null(c);
	s = config_secret(c, "a");
	assert_true(s->has_prefix6);
	assert_prefix(&s->prefix6, "2001:db9::/56");
	assert_int_equal(s->limit_bytes_in, 10ull << 30);
	assert_int_equal(s->limit_bytes_out, 1024);
	assert_true(s->has_caller_id);
	assert_prefix(&s->caller_id, "192.0.2.0/25");
	assert_int_equal(s->nb_routes, 3);
	assert_prefix(&s->routes[2].prefix, "2001:dba::/48");
	assert_int_equal(s->routes[1].metric, 5);
	s = config_secret(c, "b");
	assert_prefix(&s->caller_id, "2001:db8::5");
	assert_int_equal(s->nb_routes, 1);
	s = config_secret(c, "c");
	assert_false(s->has_caller_id || s->has_prefix6);
	assert_int_equal(s->limit_bytes_in, 0);
	config_free(c);
}

// -- users in a file of their own --

static struct config *load(const char *users, unsigned int mode, char **name)
{
	char text[600], *file;
	struct config *c;
	size_t len;
	FILE *err;

	*name = make_file(users, mode);
	snprintf(text, sizeof(text),
		"dataplane:\n  workers: [0]\n  ports:\n"
		"    access: { device: a, address: 192.0.2.1/24 }\n"
		"    core: { device: b, address: 198.51.100.1/24 }\n"
		"ppp-secrets: [{ name: a, password: x, remote-address: 10.0.0.7 }]\n"
		"ppp-secrets-file: %s\n",
		*name);
	file = make_file(text, 0644);
	free(errors);
	err = open_memstream(&errors, &len);
	c = config_load(file, err);
	fclose(err);
	unlink(file);
	unlink(*name);
	free(file);
	return c;
}

static void test_secrets_file(void **state)
{
	char *name;
	struct config *c =
		load("- { name: b, password: y }\n- { name: c, password: z }\n", 0600, &name);

	assert_non_null(c);
	assert_string_equal(c->secrets_file, name);
	assert_int_equal(c->nb_secrets, 3);
	assert_string_equal(config_secret(c, "a")->password, "x");
	assert_string_equal(config_secret(c, "c")->password, "z");
	config_free(c);
	free(name);
}

static void test_bad_secrets_file(void **state)
{
	char expected[600], *name;

	assert_null(load("- { name: b, passwort: y, limit-bytes-in: x }\n"
			 "- { name: a, password: z, remote-address: 10.0.0.7 }\n",
		0600, &name));
	snprintf(expected, sizeof(expected),
		"%s:1:3: ppp-secrets[1].password: found nothing, expected text of at most 255 "
		"bytes\n"
		"%s:1:14: ppp-secrets[1].passwort: found an unknown key, expected a known one (did "
		"you mean \"password\"?)\n"
		"%s:1:43: ppp-secrets[1].limit-bytes-in: found \"x\", expected a size such as "
		"65536, 10M or 2G, or none\n"
		"%s:2:11: ppp-secrets[2].name: found \"a\", expected a name that no other user",
		name, name, name, name);
	assert_int_equal(strncmp(errors, expected, strlen(expected)), 0);
	assert_non_null(strstr(errors, ":2:43: ppp-secrets[2].remote-address: found \"10.0.0.7\""));
	free(name);
	// Whoever may read it besides the owner.
	for (unsigned int mode = 0604; mode <= 0660; mode += 0660 - 0604) {
		assert_null(load("[]\n", mode, &name));
		snprintf(expected, sizeof(expected),
			":7:19: ppp-secrets-file: found %s with mode 0%o, expected a file with a "
			"list of users that only its owner may read (mode 0600)\n",
			name, mode);
		assert_non_null(strstr(errors, expected));
		free(name);
	}
	assert_null(load("a: b\n", 0600, &name));
	assert_non_null(strstr(errors, ":1:1: ppp-secrets: found a mapping, expected a list"));
	free(name);
	assert_null(load("- [\n", 0600, &name));
	assert_non_null(strstr(errors, ": yaml: found a syntax error"));
	free(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_bad_rates),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_bad_routes),
		cmocka_unit_test_teardown(test_pools, forget_errors),
		cmocka_unit_test_teardown(test_filters, forget_errors),
		cmocka_unit_test_teardown(test_profiles, forget_errors),
		cmocka_unit_test_teardown(test_secrets, forget_errors),
		cmocka_unit_test_teardown(test_secrets_file, forget_errors),
		cmocka_unit_test_teardown(test_bad_secrets_file, forget_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
