// SPDX-License-Identifier: BSD-3-Clause
// The configuration, row by row of the option table: what is documented as the default is what an
// empty section gives, and every key has a value that is taken and one that is refused.
#include "config/options.h"
#include "config_testlib.h"
#include "protocol/ppp/ppp_auth.h"

// Files with one section whose inside is %s. Names that values may refer to exist.
#define NAMES                                                     \
	"ip-pools: { pool: 10.200.0.0/24 }\n"                     \
	"ipv6-pools: { pool6: { prefix: 2001:db8:ff00::/40 } }\n" \
	"address-lists: { list: [] }\n"                           \
	"filters: { filter: [] }\n"

static const char *const files[CONFIG_N_SECTIONS] = {
	[CONFIG_SECTION_ROOT] = PORTS "%s\n",
	[CONFIG_SECTION_LOG] = PORTS "log: { %s }\n",
	[CONFIG_SECTION_DATAPLANE] =
		"dataplane: { ports: { access: { device: a, address: 192.0.2.1/24 },\n"
		"  core: { device: b, address: 198.51.100.1/24 } }, %s }\n",
	[CONFIG_SECTION_MEMORY] = PORTS "  memory: { %s }\n",
	[CONFIG_SECTION_TCP] = PORTS "  tcp: { %s }\n",
	[CONFIG_SECTION_PORTS] = "dataplane: { ports: { access: { device: a, address: "
				 "192.0.2.1/24 },\n"
				 "  core: { device: b, address: 198.51.100.1/24 }, %s } }\n",
	[CONFIG_SECTION_PORT] = "dataplane: { ports: { access: { device: a, address: "
				"192.0.2.1/24 },\n"
				"  core: { device: b, address: [198.51.100.1/24, "
				"2001:db8:1::1/64], %s } } }\n",
	[CONFIG_SECTION_TLS] = PORTS "tls: { %s }\n",
	[CONFIG_SECTION_SERVER] = PORTS "sstp-server: { ca: /ca, %s }\n",
	[CONFIG_SECTION_POOL] = PORTS "ip-pools: { p: { ranges: 10.0.0.0/24, %s }, pool: "
				      "10.200.0.0/24 }\n",
	[CONFIG_SECTION_POOL6] = PORTS "ipv6-pools: { p: { prefix: 2001:db8:aa00::/40, %s } }\n",
	[CONFIG_SECTION_RULE] = PORTS "address-lists: { list: [] }\n"
				      "filters: { f: [{ action: drop, %s }] }\n",
	[CONFIG_SECTION_PROFILE] = PORTS NAMES "ppp-profiles: { p: { %s } }\n",
	[CONFIG_SECTION_SECRET] = PORTS NAMES "ppp-profiles: { p: {} }\n"
					      "ppp-secrets: [{ name: a, password: b, %s }]\n",
};

// The structure that a section of such a file became.
static const void *base_of(const struct config *c, enum config_section s)
{
	switch (s) {
	case CONFIG_SECTION_ROOT:
	case CONFIG_SECTION_LOG:
		return c;
	case CONFIG_SECTION_PORT:
		return &c->dataplane.core;
	case CONFIG_SECTION_TLS:
		return &c->tls;
	case CONFIG_SECTION_SERVER:
		return &c->sstp;
	case CONFIG_SECTION_POOL:
		return config_pool(c, "p");
	case CONFIG_SECTION_POOL6:
		return config_pool6(c, "p");
	case CONFIG_SECTION_RULE:
		return &c->filters[0].rules[0];
	case CONFIG_SECTION_PROFILE:
		return config_profile(c, "p");
	case CONFIG_SECTION_SECRET:
		return &c->secrets[0];
	default:
		return &c->dataplane;
	}
}

// Of every key what is taken and what is not: several values have blanks between bars.
static const struct {
	enum config_section section;
	const char *key, *good, *bad;
} values[] = {
#define V(s, key, good, bad) {CONFIG_SECTION_##s, key, good, bad},
	V(ROOT, "ip-pools", "{} | { a: 10.0.0.0/24 } | { a: { ranges: 10.0.0.1 } }",
		"x | [] | { a: } | { a: 10.0.0.1/24 } | { '': 10.0.0.1 } | { none: 10.0.0.1 }")
		V(ROOT, "ipv6-pools", "{} | { a: { prefix: 2001:db8::/32 } }",
			"x | { a: 2001:db8::/32 }") V(ROOT, "address-lists",
			"{} | { a: [] } | { a: 10.0.0.0/8 }",
			"x | { a: } | { a: 10.0.0.1/8 } | { a: { b: c } }") V(ROOT, "filters",
			"{} | { a: [] } | { a: [{ action: drop }] }",
			"x | { a: drop } | { a: [drop] } | { a: [{}] }") V(ROOT, "ppp-profiles",
			"{} | { a: {} } | { default: { only-one: yes } }",
			"x | { a: b } | { '': {} } | { a: {}, a: {} }") V(ROOT, "ppp-secrets",
			"[] | [{ name: a, password: b }]",
			"x | {} | [a] | [{}]") V(ROOT, "ppp-secrets-file", "/a/file | none",
			"[] | ''") V(ROOT, "state-dir", "/a/folder | none", "[] | ''") V(LOG,
			"level", "err | warning | notice | info | debug",
			"loud | INFO | '' | []") V(DATAPLANE, "workers", "1 | 32 | [1] | [1-3, 5]",
			"0 | 33 | [] | x | [1, 1] | [3-1] | [1024]") V(DATAPLANE, "control-core",
			"0 | 1023", "1024 | -1 | x") V(DATAPLANE, "poll", "busy | adaptive",
			"lazy") V(DATAPLANE, "max-sessions", "1 | 4194304",
			"0 | 4194305 | 1k") V(DATAPLANE, "record-backend",
			"auto | ipsec-mb | openssl",
			"fast") V(MEMORY, "hugepages", "yes | no | on | off | true | false",
			"maybe | 1 | YES") V(MEMORY, "mbufs", "2048 | 16777216",
			"2047 | 16777217") V(TCP, "receive-window", "64k | 65536 | 1G",
			"65535 | 2G | 1T") V(TCP, "send-buffer", "64k | 1G", "65535 | 2G") V(TCP,
			"congestion-control", "bbr | cubic | newreno", "reno") V(TCP, "keepalive",
			"disabled | 0 | 1 | 1d | 00:10:00", "86401 | 2d | none | 10:00") V(PORT,
			"gateway", "198.51.100.254 | fe80::1 | [198.51.100.2, '2001:db8:1::2']",
			"192.0.2.9 | x | 198.51.100.1 | [198.51.100.2, 198.51.100.3] | []") V(PORT,
			"mtu", "576 | 9216",
			"575 | 9217") V(PORT, "vlan", "1 | 4094", "0 | 4095") V(PORT, "descriptors",
			"64 | 32768", "63 | 32769") V(PORT, "device", NULL, "'' | []") V(PORT,
			"address", NULL, "198.51.100.1 | 198.51.100.0/24 | [] | 127.0.0.1/8") V(TLS,
			"engine", "culvert-async | none",
			"'' | []") V(TLS, "provider", "default | none", "'' | []") V(TLS,
			"async-threads", "1 | 64", "0 | 65") V(TLS, "async-ecdsa", "yes | no",
			"2") V(TLS, "keylog-file", "/x | none", "'' | []") V(TLS, "session-tickets",
			"yes | no", "never") V(SERVER, "enabled", "no", "perhaps") V(SERVER, "port",
			"1 | 65535", "0 | 65536 | https") V(SERVER, "certificate",
			"none | a.pem | { cert: a.pem } | [a.pem, { cert: b, key: c, ocsp: d }]",
			"'' | {} | [] | { key: a } | [a, none] | { cert: a, kee: b } | { cert: [a] "
			"}") V(SERVER, "authentication", "all | pap | [chap, mschap1, mschap2]",
			"[] | eap | [pap, x]") V(SERVER, "default-profile",
			"default | default-encryption", "nix | ''") V(SERVER, "keepalive-timeout",
			"disabled | 1 | 1d", "86401 | x") V(SERVER, "max-mtu", "576 | 4091",
			"575 | 4092") V(SERVER, "max-mru", "576 | 4091", "575 | 4092") V(SERVER,
			"mrru", "disabled | 1460 | 65535", "1459 | 511 | 65536 | none") V(SERVER,
			"tls-version", "any | only-1.2", "only-1.3 | 1.2") V(SERVER, "tls-legacy",
			"yes | no", "ssl3") V(SERVER, "ciphers",
			"default | all | aes256-sha | [aes256-gcm-sha384, 'ECDHE+AESGCM', '!PSK']",
			"'' | 'a b' | [a, [b]]") V(SERVER, "pfs", "no | yes | required",
			"never | true") V(SERVER, "verify-client-certificate", "yes | no",
			"required") V(SERVER, "ca", NULL, "'' | []") V(SERVER, "crl", "/crl | none",
			"'' | []") V(SERVER, "handshake-timeout", "1 | 1h",
			"0 | 3601 | disabled") V(SERVER, "negotiation-timeout", "1 | 60m",
			"0 | 3601") V(SERVER, "authentication-timeout", "1 | 1h",
			"0 | 3601") V(SERVER, "max-half-open", "1 | 1048576", "0 | 1048577") V(POOL,
			"ranges", NULL,
			"[] | x | 10.0.0.1/24 | 10.0.0.9-10.0.0.1 | 0.0.0.1 | 224.0.0.0/4") V(POOL,
			"next-pool", "pool | none", "p | nix | ''") V(POOL6, "prefix", NULL,
			"x | 2001:db8::1/32 | 2001:db8::/65 | '::/0' | fe80::/64 | 10.0.0.0/8")
			V(POOL6, "prefix-length", "40 | 64", "39 | 65 | 0 | x") V(
				RULE, "action", NULL, "allow | ''") V(RULE, "direction",
				"in | out | both", "up | ''") V(RULE, "src-address",
				"10.0.0.0/8 | 10.0.0.1 | '2001:db8::/32'",
				"x | 10.0.0.1/8 | []") V(RULE, "dst-address",
				"10.0.0.0/8 | '::/0' | 0.0.0.0/0",
				"x | 10.0.0.0/33") V(RULE, "src-address-list", "list | none",
				"nix | ''") V(RULE, "dst-address-list", "list | none",
				"nix") V(RULE, "protocol", "any | tcp | icmp | sctp | 0 | 255",
				"256 | tpc | ''") V(RULE, "src-port", "any | 0-65535",
				"80 | 65536 | 2-1 | http") V(RULE, "dst-port",
				"any, protocol: udp | 53, protocol: udp | 1-2, protocol: 6",
				"53 | 53, protocol: icmp | 1-65536, protocol: tcp") V(PROFILE,
				"local-address", "10.0.0.1",
				"10.200.0.1 | 0.0.0.0 | 127.0.0.1 | '::1' | x") V(PROFILE,
				"remote-address", "10.0.0.2 | pool",
				"nix | 224.0.0.1 | 192.0.2.1 | 192.0.2.77") V(PROFILE, "dns-server",
				"9.9.9.9 | [9.9.9.9, 9.9.9.10, '2620:fe::fe', '2620:fe::9']",
				"x | [9.9.9.9, 9.9.9.10, 9.9.9.11] | 'fe80::1'") V(PROFILE,
				"wins-server", "9.9.9.9 | [9.9.9.9, 9.9.9.10]",
				"x | '2620:fe::fe' | [1.1.1.1, 1.1.1.2, 1.1.1.3]") V(PROFILE,
				"change-tcp-mss", "default | yes | no | off",
				"required | 1") V(PROFILE, "use-ipv6",
				"default | yes | no | required | require", "never") V(PROFILE,
				"remote-ipv6-prefix-pool", "pool6 | none", "pool | ''") V(PROFILE,
				"dhcpv6-pd-pool", "pool6 | none", "pool | ''") V(PROFILE,
				"rate-limit", "1M | 1M/2M 4M/8M 1M/2M 10/10 | none",
				"x | [] | '' | 1M 1k") V(PROFILE, "session-timeout",
				"none | 1 | 8h | 08:00:00 | 1w | 365d",
				"366d | x | 08:00") V(PROFILE, "idle-timeout", "none | 1 | 30d",
				"31d | never") V(PROFILE, "only-one",
				"default | yes | no | replace", "required | 1") V(PROFILE, "filter",
				"filter | none", "nix | ''") V(PROFILE, "address-list",
				"list | none", "nix | ''") V(PROFILE, "use-compression",
				"default | yes | no", "required") V(PROFILE, "use-encryption",
				"default | yes | no | required | require",
				"mppe") V(PROFILE, "on-up", "/bin/up | none", "up | ''") V(PROFILE,
				"on-down", "/bin/down | none",
				"./down | ''") V(SECRET, "name", NULL, "'' | []") V(SECRET,
				"password", NULL, "[]") V(SECRET, "service", "sstp | any",
				"pppoe") V(SECRET, "profile", "p | default", "nix | ''") V(SECRET,
				"local-address", "10.0.0.1", "10.200.0.1 | x") V(SECRET,
				"remote-address", "10.0.0.2 | 10.200.0.2 | pool | 198.51.100.7",
				"nix | 198.51.100.1 | 198.51.100.255 | 192.0.2.9") V(SECRET,
				"remote-ipv6-prefix", "'2001:db9::/64' | '2001:db8:ff00:1::/64'",
				"'2001:db9::/65' | '2001:db9::1' | 10.0.0.0/24 | '::/0'") V(SECRET,
				"routes",
				"[] | 10.1.0.0/16 | ['10.1.0.0/16 10.0.0.1 2', '2001:dba::/48']",
				"x | [10.1.0.0/16, 10.1.0.0/16] | {}") V(SECRET, "limit-bytes-in",
				"none | 0 | 1 | 10G", "x | -1 | 9000000000G") V(SECRET,
				"limit-bytes-out", "none | 10M", "10MB") V(SECRET, "caller-id",
				"192.0.2.7 | 192.0.2.0/24 | '2001:db8::/32'", "x | 192.0.2.7/24")
				V(SECRET, "disabled", "yes | no", "maybe")
					V(SECRET, "comment", "x | ''", "[] | {}")
#undef V
};

#define NB_VALUES (sizeof(values) / sizeof(values[0]))

static unsigned int value_index(const struct config_option *o)
{
	for (unsigned int i = 0; i < NB_VALUES; i++)
		if (values[i].section == o->section && !strcmp(values[i].key, o->key))
			return i;
	return NB_VALUES;
}

// Every row is tried out, and nothing else is.
static void test_complete(void **state)
{
	unsigned int nb = 0;

	for (unsigned int i = 0; i < config_nb_options; i++) {
		const struct config_option *o = &config_options[i];

		assert_non_null(o->help);
		assert_true(strlen(o->help) > 8);
		if (o->type == CONFIG_TYPE_SECTION)
			continue;
		nb++;
		if (value_index(o) == NB_VALUES)
			fail_msg("no values for %s in %s", o->key, config_section_name(o->section));
	}
	assert_int_equal(nb, NB_VALUES);
}

static struct config *parse_with(enum config_section s, const char *key, const char *value)
{
	char inside[300] = "", file[2000];

	if (key)
		snprintf(inside, sizeof(inside), "%s: %s", key, value);
	snprintf(file, sizeof(file), files[s], inside);
	// "{ a: b, }" is fine, but "x: { }, " at the end of a line of the root is none.
	return parse(file);
}

// A key that the file has already would be a duplicate: put the value in its place.
static struct config *parse_in_place(enum config_section s, const char *key, const char *value)
{
	char file[2000], with[2000], needle[64];
	const char *at, *end;
	int depth = 0;

	snprintf(file, sizeof(file), files[s], "");
	snprintf(needle, sizeof(needle), "%s: ", key);
	// The last one: ports come first.
	at = NULL;
	for (const char *p = file; (p = strstr(p, needle)); p++)
		at = p;
	assert_non_null(at);
	at += strlen(needle);
	for (end = at; depth || !strchr(",}\n", *end); end++)
		depth += (*end == '[') - (*end == ']');
	snprintf(with, sizeof(with), "%.*s%s%s", (int)(at - file), file, value, end);
	return parse(with);
}

// A file with this value of values[i]'s key.
static struct config *try_value(unsigned int i, const char *v)
{
	bool in_place = !values[i].good || !strcmp(values[i].key, "ca");

	return in_place ? parse_in_place(values[i].section, values[i].key, v)
			: parse_with(values[i].section, values[i].key, v);
}

static void try_values(unsigned int i, const char *list, bool good)
{
	char *copy = strdup(list), *next = copy, *v;
	struct config *c;

	while ((v = next)) {
		next = strstr(v, " | ");
		if (next) {
			*next = '\0';
			next += 3;
		}
		c = try_value(i, v);
		if (!c == good)
			fail_msg("%s: %s was %s: %s", values[i].key, v, good ? "refused" : "taken",
				errors);
		// Said of this key, and in one line for each error.
		if (!c && !strstr(errors, values[i].key))
			fail_msg("%s: %s: %s", values[i].key, v, errors);
		config_free(c);
	}
	free(copy);
}

static void test_values(void **state)
{
	for (unsigned int i = 0; i < NB_VALUES; i++) {
		if (values[i].good)
			try_values(i, values[i].good, true);
		try_values(i, values[i].bad, false);
	}
}

// What the documentation shows can be written.
static void test_example_values(void **state)
{
	for (unsigned int i = 0; i < config_nb_options; i++) {
		const struct config_option *o = &config_options[i];
		struct config *c;

		if (o->type == CONFIG_TYPE_SECTION)
			continue;
		assert_non_null(o->example);
		c = try_value(value_index(o), o->example);
		if (!c)
			fail_msg("%s: %s: %s", o->key, o->example, errors);
		config_free(c);
	}
}

static bool same_text(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;

	return x && y ? !strcmp(x, y) : x == y;
}

static bool is_text(enum config_type t)
{
	return t == CONFIG_TYPE_WORD || t == CONFIG_TYPE_TEXT || t == CONFIG_TYPE_OPTNAME ||
	       t == CONFIG_TYPE_NAME || t == CONFIG_TYPE_REF || t == CONFIG_TYPE_PATH ||
	       t == CONFIG_TYPE_SCRIPT || t == CONFIG_TYPE_SECRETS_FILE || t == CONFIG_TYPE_CIPHERS;
}

static size_t size_of(enum config_type t)
{
	switch (t) {
	case CONFIG_TYPE_BOOL:
	case CONFIG_TYPE_FLAG:
	case CONFIG_TYPE_U8:
	case CONFIG_TYPE_DIRECTION:
		return 1;
	case CONFIG_TYPE_U16:
		return sizeof(uint16_t);
	case CONFIG_TYPE_SIZE64:
		return sizeof(uint64_t);
	default:
		return sizeof(uint32_t); // also PORTS, two of 16 bits, and enums
	}
}

// Whether two structures agree on what o stands for.
static bool same_value(const struct config_option *o, const void *a, const void *b)
{
	const char *x = (const char *)a + o->offset, *y = (const char *)b + o->offset;
	const struct config_dataplane *d = a, *e = b;

	if (is_text(o->type))
		return same_text(x, y);
	if (o->type == CONFIG_TYPE_CPUS)
		return d->nb_workers == e->nb_workers &&
		       !memcmp(d->workers, e->workers, sizeof(d->workers));
	return !memcmp(x, y, size_of(o->type));
}

// What is documented, written out, is what leaving it out gives.
static void test_defaults(void **state)
{
	for (unsigned int i = 0; i < config_nb_options; i++) {
		const struct config_option *o = &config_options[i];
		struct config *without, *with;

		if (!o->dflt || !strcmp(o->dflt, "!") || !strcmp(o->dflt, "^"))
			continue;
		without = parse_with(o->section, NULL, NULL);
		// "ca" stands in the server's file for the sake of verify-client-certificate.
		with = strcmp(o->key, "ca") ? parse_with(o->section, o->key, o->dflt)
					    : parse_in_place(o->section, o->key, o->dflt);
		if (!without || !with)
			fail_msg("%s: %s: %s", o->key, o->dflt, errors);
		if (strcmp(o->key, "ca") != 0)
			assert_true(same_value(
				o, base_of(without, o->section), base_of(with, o->section)));
		else
			assert_null(with->sstp.ca);
		config_free(without);
		config_free(with);
	}
}

static bool is_zero(const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((const char *)p)[i])
			return false;
	return true;
}

// What has no default, or is inherited, is not there.
static void test_nothing(void **state)
{
	for (unsigned int i = 0; i < config_nb_options; i++) {
		const struct config_option *o = &config_options[i];
		struct config *c;
		const char *field;

		if (o->section == CONFIG_SECTION_ROOT || o->type == CONFIG_TYPE_SECTION ||
			(o->dflt && strcmp(o->dflt, "^") != 0))
			continue;
		c = parse_with(o->section, NULL, NULL);
		assert_non_null(c);
		field = (const char *)base_of(c, o->section) + o->offset;
		if (o->type == CONFIG_TYPE_TIMEOUT)
			assert_int_equal(*(const uint32_t *)(const void *)field, CONFIG_UNSET);
		else
			assert_true(is_zero(field, size_of(o->type)));
		config_free(c);
	}
}

// Defaults that cannot be told from the field alone, and what the RouterOS page says.
static void test_known_defaults(void **state)
{
	struct config *c = parse(PORTS);

	assert_non_null(c);
	assert_string_equal(c->log_level, "info");
	assert_int_equal(c->dataplane.nb_workers, 1);
	assert_int_equal(c->dataplane.workers[0], 1);
	assert_int_equal(c->dataplane.rcv_window, 1 << 20);
	assert_int_equal(c->dataplane.keepalive_s, 0);
	assert_true(c->tls.session_tickets);
	assert_false(c->sstp.enabled);
	assert_int_equal(c->sstp.port, 443);
	assert_int_equal(c->sstp.nb_certs, 0);
	assert_false(c->sstp.certificate_none);
	assert_int_equal(c->sstp.authentication, PPP_AUTH_ALL);
	assert_string_equal(c->sstp.default_profile, "default");
	assert_int_equal(c->sstp.keepalive_s, 60);
	assert_int_equal(c->sstp.max_mtu, 1460);
	assert_int_equal(c->sstp.max_mru, 1460);
	assert_int_equal(c->sstp.mrru, 0);
	assert_false(c->sstp.only_tls12);
	assert_false(c->sstp.tls_legacy);
	assert_int_equal(c->sstp.pfs, CONFIG_PFS_NO);
	assert_false(c->sstp.verify_client);
	assert_null(c->sstp.ciphers);
	assert_int_equal(c->sstp.handshake_timeout_s, 30);
	assert_int_equal(c->sstp.negotiation_timeout_s, 60);
	assert_int_equal(c->sstp.auth_timeout_s, 60);
	assert_int_equal(config_profile(c, "default")->change_tcp_mss, CONFIG_DEFAULT);
	assert_int_equal(config_profile(c, "default")->use_ipv6, CONFIG_DEFAULT);
	assert_null(config_secret(c, "anyone"));
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_complete),
		cmocka_unit_test_teardown(test_values, forget_errors),
		cmocka_unit_test_teardown(test_example_values, forget_errors),
		cmocka_unit_test_teardown(test_defaults, forget_errors),
		cmocka_unit_test_teardown(test_nothing, forget_errors),
		cmocka_unit_test_teardown(test_known_defaults, forget_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
