// SPDX-License-Identifier: BSD-3-Clause
// The configuration: which errors a file gets, all of them, and where.
#include <unistd.h>

#include "config_testlib.h"

// One file with an error in nearly every line: all of them, in order, each at its value.
static void test_all_errors(void **state)
{
	expect_errors("log: { level: loud }\n"
		      "dataplane:\n"
		      "  workers: [1, 1, x]\n"
		      "  control-core: 99999999999999999999999\n"
		      "  memory: { hugepages: maybe, mbufs: 12 }\n"
		      "  tcp: { receive-window: 2T, keepalive: 5x }\n"
		      "  ports:\n"
		      "    access: { device: \"\", address: 192.0.2.0/24 }\n"
		      "    core: { device: a, address: 10.0.0.5/24, gateway: 198.51.100.254 }\n"
		      "sstp-server:\n"
		      "  enabled: on\n"
		      "  prot: 443\n"
		      "  port: 0\n"
		      "  authentication: [mschap3, pap]\n"
		      "  keepalive_timeout: 60\n"
		      "ppp-profiles:\n"
		      "  default: { remote-address: clientz, parent-queue: x, rate-limit: 3X }\n"
		      "ppp-secrets:\n"
		      "  - { name: a, password: [geheim], profile: q }\n"
		      "  - { nme: a }\n"
		      "  - hello\n",
		"f:1:15: log.level: found \"loud\", expected err, warning, notice, info or debug\n"
		"f:3:16: dataplane.workers: found the same CPU twice, expected each CPU once (CPU "
		"1)\n"
		"f:3:19: dataplane.workers: found \"x\", expected CPU numbers such as [1, 2] or "
		"[1-3], or a count\n"
		"f:4:17: dataplane.control-core: found \"99999999999999999999999\", expected a "
		"number from 0 to 1023\n"
		"f:5:24: dataplane.memory.hugepages: found \"maybe\", expected yes or no\n"
		"f:5:38: dataplane.memory.mbufs: found \"12\", expected a number from 2048 to "
		"16777216 packets\n"
		"f:6:26: dataplane.tcp.receive-window: found \"2T\", expected a size such as "
		"65536, "
		"64k or 1M from 64k to 1G bytes\n"
		"f:6:41: dataplane.tcp.keepalive: found \"5x\", expected a time such as 60, 60s or "
		"1m from 1 to 86400 seconds, or disabled\n"
		"f:8:23: dataplane.ports.access.device: found \"\", expected a name\n"
		"f:8:36: dataplane.ports.access.address: found \"192.0.2.0/24\", expected an IPv4 "
		"and/or an IPv6 ADDRESS/LENGTH\n"
		"f:9:55: dataplane.ports.core.gateway: found \"198.51.100.254\", expected an "
		"address in the port's subnet\n"
		"f:11:3: sstp-server.certificate: found nothing, expected a certificate file, or "
		"none (anonymous Diffie-Hellman only): the server is enabled\n"
		"f:12:3: sstp-server.prot: found an unknown key, expected a known one (did you "
		"mean \"port\"?)\n"
		"f:13:9: sstp-server.port: found \"0\", expected a number from 1 to 65535\n"
		"f:14:20: sstp-server.authentication: found \"mschap3\", expected a list of pap, "
		"chap, mschap1, mschap2, or all\n"
		"f:15:3: sstp-server.keepalive_timeout: found an unknown key, expected a known one "
		"(did you mean \"keepalive-timeout\"?)\n"
		"f:17:30: ppp-profiles.default.remote-address: found \"clientz\", expected an IPv4 "
		"address or the name of a pool in ip-pools\n"
		"f:17:39: ppp-profiles.default.parent-queue: found a key of RouterOS's own, which "
		"is not supported, expected none of this name: use rate-limit\n"
		"f:17:68: ppp-profiles.default.rate-limit: found \"3X\", expected rates such as "
		"64k, 10M/2M or 1G\n"
		"f:19:26: ppp-secrets[1].password: found a list, expected text of at most 255 "
		"bytes\n"
		"f:19:45: ppp-secrets[1].profile: found \"q\", expected the name of a profile in "
		"ppp-profiles\n"
		"f:20:5: ppp-secrets[2].name: found nothing, expected a name\n"
		"f:20:5: ppp-secrets[2].password: found nothing, expected text of at most 255 "
		"bytes\n"
		"f:20:7: ppp-secrets[2].nme: found an unknown key, expected a known one (did you "
		"mean \"name\"?)\n"
		"f:21:5: ppp-secrets[3]: found \"hello\", expected { name: ..., password: ... }\n");
}

static void test_cross_checks(void **state)
{
	expect_errors(PORTS "sstp-server: { default-profile: nix, tls-version: only-1.2, "
			    "tls-legacy: yes }\n",
		"f:5:33: sstp-server.default-profile: found \"nix\", expected the name of a "
		"profile in ppp-profiles\n"
		"f:5:73: sstp-server.tls-legacy: found yes with tls-version: only-1.2, expected "
		"one of the two\n");
	expect_errors(PORTS "ip-pools:\n"
			    "  a: [10.0.0.2-10.0.0.254, 10.1.0.1]\n"
			    "  b: [10.2.0.0/16, 10.0.0.128/25]\n"
			    "  c: [10.1.0.1]\n",
		"f:7:20: ip-pools.b: found 10.0.0.129-10.0.0.254, expected no overlap with "
		"10.0.0.2-10.0.0.254 of pool a\n"
		"f:8:7: ip-pools.c: found 10.1.0.1-10.1.0.1, expected no overlap with "
		"10.1.0.1-10.1.0.1 of pool a\n");
	expect_errors(PORTS "ip-pools: { a: 198.51.100.0/24 }\n"
			    "ppp-profiles: { p: { local-address: 198.51.100.7 } }\n",
		"f:4:33: dataplane.ports.core.address: found 198.51.100.1, expected an address "
		"outside pool a\n"
		"f:6:37: ppp-profiles.p.local-address: found 198.51.100.7, expected an address "
		"outside pool a\n");
	expect_errors(PORTS "ppp-secrets:\n"
			    "- { name: a, password: x }\n"
			    "- { name: b, password: x }\n"
			    "- { name: a, password: x, remote-address: pool }\n",
		"f:8:11: ppp-secrets[3].name: found \"a\", expected a name that no other user has "
		"(line 6 of f has it)\n"
		"f:8:43: ppp-secrets[3].remote-address: found \"pool\", expected an IPv4 address "
		"or the name of a pool in ip-pools\n");
	expect_errors("dataplane:\n"
		      "  ports:\n"
		      "    access: { device: a, address: 2001:db8::1/64, gateway: [192.0.2.1, "
		      "2001:db8:1::1] }\n"
		      "    core: { device: a, address: 2001:db8::1/64 }\n",
		"f:3:60: dataplane.ports.access.gateway: found a list, expected an IPv4 address of "
		"the port as well\n"
		"f:3:60: dataplane.ports.access.gateway: found a list, expected an address in the "
		"port's subnet\n"
		"f:4:21: dataplane.ports.core.device: found \"a\", expected another device than "
		"the access port's\n"
		"f:4:33: dataplane.ports.core.address: found \"2001:db8::1/64\", expected an IPv4 "
		"address: the inside is IPv4\n"
		"f:4:33: dataplane.ports.core.address: found \"2001:db8::1/64\", expected another "
		"address than the access port's\n");
	expect_errors("dataplane:\n"
		      "  workers: [0]\n"
		      "  poll: busy\n"
		      "  ports:\n"
		      "    access: { device: a, address: 192.0.2.1/24 }\n"
		      "    core: { device: b, address: 198.51.100.1/24 }\n",
		"f:2:12: dataplane.workers: found CPU 0, expected workers apart from control-core, "
		"or poll: adaptive\n");
}

// Pools, addresses and prefixes against each other and the ports.
static void test_addresses(void **state)
{
	expect_errors(PORTS "ip-pools:\n"
			    "  a: { ranges: 10.0.0.0/24, next-pool: b }\n"
			    "  b: { ranges: 10.0.1.0/24, next-pool: c }\n"
			    "  c: { ranges: [10.0.2.0/24, 192.0.2.128/25], next-pool: b }\n"
			    "  d: { ranges: 198.51.100.250-198.51.100.255, next-pool: e }\n",
		"f:7:40: ip-pools.b.next-pool: found \"c\", expected a pool that does not lead "
		"back here\n"
		"f:8:30: ip-pools.c: found 192.0.2.129-192.0.2.254, expected addresses outside the "
		"access port's subnet\n"
		"f:8:58: ip-pools.c.next-pool: found \"b\", expected a pool that does not lead "
		"back here\n"
		"f:9:16: ip-pools.d: found 198.51.100.250-198.51.100.255, expected addresses "
		"without the core subnet's own and its broadcast address\n"
		"f:9:58: ip-pools.d.next-pool: found \"e\", expected the name of a pool in "
		"ip-pools\n");
	expect_errors(PORTS "ip-pools: { p: { ranges: 10.0.0.1, next-pool: p } }\n",
		"f:5:47: ip-pools.p.next-pool: found \"p\", expected a pool that does not lead "
		"back here\n");
	expect_errors(PORTS "ip-pools: { p: 20.0.0.0-60.0.0.0 }\n",
		"f:5:16: ip-pools.p: found 671088641 addresses, expected at most 16777216 in a "
		"pool\n");
	expect_errors(PORTS
		"ppp-profiles: { a: { local-address: 10.0.0.1 }, b: { remote-address: "
		"10.0.0.1 } }\n"
		"ppp-secrets:\n"
		"- { name: a, password: x, remote-address: 10.0.0.9, remote-ipv6-prefix: "
		"2001:db8::/48 }\n"
		"- { name: b, password: x, remote-address: 10.0.0.9, remote-ipv6-prefix: "
		"'2001:db8:0:7::/64' }\n"
		"- { name: c, password: x, remote-address: 198.51.100.1 }\n"
		"- { name: d, password: x, remote-address: 192.0.2.7 }\n",
		"f:5:70: ppp-profiles.b.remote-address: found \"10.0.0.1\", expected another "
		"address than that of ppp-profiles.a.local-address\n"
		"f:8:43: ppp-secrets[2].remote-address: found \"10.0.0.9\", expected an address "
		"that no other user has (ppp-secrets[1] has it)\n"
		"f:8:73: ppp-secrets[2].remote-ipv6-prefix: found \"2001:db8:0:7::/64\", expected "
		"no overlap with ppp-secrets[1].remote-ipv6-prefix\n"
		"f:9:43: ppp-secrets[3].remote-address: found \"198.51.100.1\", expected another "
		"address than that of dataplane.ports.core.address\n"
		"f:10:43: ppp-secrets[4].remote-address: found \"192.0.2.7\", expected addresses "
		"outside the access port's subnet\n");
	expect_errors("dataplane:\n"
		      "  ports:\n"
		      "    access: { device: a, address: [192.0.2.1/24, 2001:db8:1::1/64] }\n"
		      "    core: { device: b, address: [198.51.100.1/24, 2001:db8:2::1/64] }\n"
		      "ipv6-pools:\n"
		      "  a: { prefix: 2001:db8:1::/48 }\n"
		      "  b: { prefix: 2001:db8:2::/64 }\n"
		      "  c: { prefix: 2001:db8:8::/45, prefix-length: 44 }\n"
		      "  d: { prefix: 2001:db8:9::/48 }\n",
		"f:6:16: ipv6-pools.a.prefix: found \"2001:db8:1::/48\", expected a prefix outside "
		"the access port's subnet\n"
		"f:7:16: ipv6-pools.b.prefix: found \"2001:db8:2::/64\", expected a prefix outside "
		"the core port's subnet\n"
		"f:8:6: ipv6-pools.c: found a prefix longer than prefix-length, expected a prefix "
		"that prefixes of 44 bits fit in\n"
		"f:9:16: ipv6-pools.d.prefix: found \"2001:db8:9::/48\", expected no overlap with "
		"ipv6-pools.c.prefix\n");
}

// One subnet on both sides: the core port answers for the clients in it.
static void test_one_subnet(void **state)
{
	struct config *c = parse("dataplane:\n"
				 "  ports:\n"
				 "    access: { device: a, address: 192.0.2.1/24 }\n"
				 "    core: { device: b, address: 192.0.2.2/24 }\n"
				 "ip-pools: { a: 192.0.2.100-192.0.2.199 }\n"
				 "ppp-secrets: [{ name: a, password: b, remote-address: 192.0.2.7 "
				 "}]\n");

	assert_non_null(c);
	config_free(c);
}

static void test_policies(void **state)
{
	expect_errors(PORTS
		"filters:\n"
		"  f:\n"
		"  - { action: drop, dst-port: 80 }\n"
		"  - { action: drop, protocol: tcp, src-port: 80, src-address: 10.0.0.0/8, "
		"dst-address: '2001:db8::/32' }\n"
		"  - { dst-address-list: l }\n"
		"  - { action: drop, chain: forward }\n",
		"f:7:31: filters.f[1].dst-port: found a port, expected protocol: tcp, udp, sctp, "
		"dccp or udplite as well\n"
		"f:8:88: filters.f[2].dst-address: found \"2001:db8::/32\", expected an address of "
		"src-address's family\n"
		"f:9:5: filters.f[3].action: found nothing, expected accept, drop or reject\n"
		"f:9:25: filters.f[3].dst-address-list: found \"l\", expected the name of a list "
		"in "
		"address-lists, or none\n"
		"f:10:21: filters.f[4].chain: found a key of RouterOS's own, which is not "
		"supported, "
		"expected none of this name: use direction\n");
	expect_errors(PORTS "ppp-profiles:\n"
			    "  p: { filter: f, address-list: l, remote-ipv6-prefix-pool: v, "
			    "dhcpv6-pd-pool: v, bridge: b }\n",
		"f:6:16: ppp-profiles.p.filter: found \"f\", expected the name of a filter in "
		"filters\n"
		"f:6:33: ppp-profiles.p.address-list: found \"l\", expected the name of a list in "
		"address-lists\n"
		"f:6:61: ppp-profiles.p.remote-ipv6-prefix-pool: found \"v\", expected the name of "
		"a "
		"pool in ipv6-pools\n"
		"f:6:80: ppp-profiles.p.dhcpv6-pd-pool: found \"v\", expected the name of a pool "
		"in "
		"ipv6-pools\n"
		"f:6:83: ppp-profiles.p.bridge: found a key of RouterOS's own, which is not "
		"supported, expected none of this name: it means nothing here\n");
	expect_errors(PORTS "ppp-secrets:\n"
			    "- { name: a, password: x, routes: [10.1.0.0/16, 10.1.0.0/16 9] }\n"
			    "- { name: b, password: x, routes: 10.1.0.0/16, ipv6-routes: x }\n",
		"f:6:35: ppp-secrets[1].routes: found 10.1.0.0/16, expected each prefix once\n"
		"f:7:48: ppp-secrets[2].ipv6-routes: found a key of RouterOS's own, which is not "
		"supported, expected none of this name: use routes, which takes both families\n");
}

static void test_server(void **state)
{
	expect_errors(PORTS "sstp-server: { enabled: yes, certificate: none, mrru: 1400,\n"
			    "  verify-client-certificate: yes, crl: /x }\n",
		"f:5:55: sstp-server.mrru: found \"1400\", expected at least max-mru (1460), or "
		"disabled\n"
		"f:6:30: sstp-server.verify-client-certificate: found yes without ca, expected a "
		"file of authorities in ca as well\n"
		"f:6:30: sstp-server.verify-client-certificate: found yes with certificate: none, "
		"expected a certificate: an anonymous server cannot ask for one\n"
		"f:6:40: sstp-server.crl: found a file without ca, expected a file of authorities "
		"in "
		"ca as well\n");
}

static void test_yaml_errors(void **state)
{
	expect_errors("", "f:1:1: found an empty file, expected sections such as dataplane: and "
			  "sstp-server:\n");
	expect_errors("# nothing\n", "f:1:1: found an empty file, expected sections such as "
				     "dataplane: and sstp-server:\n");
	expect_errors("- a\n- b\n", "f:1:1: found a list, expected a mapping (KEY: VALUE lines)\n");
	expect_errors("log:\n\tlevel: info\n",
		"f:2:1: yaml: found a tab, expected spaces for indentation\n");
	expect_errors("log: { level: info\n",
		"f:2:1: yaml: found a syntax error (did not find expected ',' or '}' while parsing "
		"a flow mapping), expected YAML\n");
	expect_errors("log: \xc3\xa4\xff\n",
		"f:1:7: yaml: found a byte that is no UTF-8 text (invalid leading UTF-8 octet), "
		"expected UTF-8 without control characters\n");
	expect_errors(PORTS "---\nlog: {}\n",
		"f:5:1: yaml: found a second document (---), expected one document\n");
	expect_errors(PORTS "log: { level: &l info }\n",
		"f:5:15: yaml: found an anchor (&), expected plain values: anchors and aliases are "
		"not supported\n");
	expect_errors(PORTS "log: { level: !!str info }\n",
		"f:5:15: yaml: found a tag (!), expected plain values: tags are not supported\n");
	expect_errors(PORTS "log: { level: \"in\\0fo\" }\n",
		"f:5:15: yaml: found a NUL character, expected text without it\n");
	expect_errors(PORTS "log: { [a]: b, <<: c, ~: d }\n",
		"f:5:8: yaml: found a key that is no text, expected KEY: VALUE\n"
		"f:5:16: yaml: found a merge key (<<), expected keys written out: merge keys are "
		"not supported\n"
		"f:5:23: yaml: found a key that is no text, expected KEY: VALUE\n");
	expect_errors(PORTS "log: { level: info, level: err }\ntls: {}\ntls: {}\n",
		"f:5:21: log.level: found a duplicate key, expected each key once (it is also in "
		"line 5)\n"
		"f:7:1: tls: found a duplicate key, expected each key once (it is also in line "
		"6)\n");
	// Nothing is taken for the empty section, but for no value.
	expect_errors(PORTS "log:\ntls:\n  engine:\n",
		"f:7:10: tls.engine: found nothing, expected a name or none\n");
	expect_errors(PORTS "engine: x\n",
		"f:5:1: engine: found an unknown key, expected one of " ROOT_KEYS
		" (it belongs to tls)\n");
}

// A billion laughs, deep nesting, very many errors: bounded, and an error.
static void test_bounds(void **state)
{
	char deep[4096], *many;
	size_t n = 0;

	expect_errors("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n" PORTS,
		"f:1:1: a: found an unknown key, expected one of " ROOT_KEYS "\n"
		"f:1:4: yaml: found an anchor (&), expected plain values: anchors and aliases are "
		"not supported\n"
		"f:2:1: b: found an unknown key, expected one of " ROOT_KEYS "\n"
		"f:2:4: yaml: found an anchor (&), expected plain values: anchors and aliases are "
		"not supported\n"
		"f:2:8: yaml: found an alias (*), expected plain values: anchors and aliases are "
		"not supported\n"
		"f:2:12: yaml: found an alias (*), expected plain values: anchors and aliases are "
		"not supported\n"
		"f:3:1: c: found an unknown key, expected one of " ROOT_KEYS "\n"
		"f:3:4: yaml: found an anchor (&), expected plain values: anchors and aliases are "
		"not supported\n"
		"f:3:8: yaml: found an alias (*), expected plain values: anchors and aliases are "
		"not supported\n"
		"f:3:12: yaml: found an alias (*), expected plain values: anchors and aliases are "
		"not supported\n");
	memset(deep, '[', sizeof(deep));
	assert_null(parse_n(deep, sizeof(deep)));
	assert_string_equal(
		errors, "f:1:17: yaml: found more than 16 levels, expected less nesting\n");
	many = malloc(40 * 5000 + 64);
	assert_non_null(many);
	n = (size_t)sprintf(many, "ppp-secrets:\n");
	for (unsigned int i = 0; i < 5000; i++)
		n += (size_t)sprintf(many + n, "- { name: u%u, password: x, x: y }\n", i);
	assert_null(parse_n(many, n));
	free(many);
	assert_non_null(strstr(errors, "f: and 40"));
}

// A password never shows in an error.
static void test_password_hidden(void **state)
{
	char long_password[400], file[1000];

	memset(long_password, 'Q', 300);
	long_password[300] = '\0';
	snprintf(file, sizeof(file), PORTS "ppp-secrets: [{ name: a, password: %s }]\n",
		long_password);
	expect_errors(file, "f:5:36: ppp-secrets[1].password: found a value, expected text of at "
			    "most 255 bytes\n");
}

static void test_files(void **state)
{
	char path[] = "/tmp/config_test.XXXXXX", expected[200], *text;
	int fd = mkstemp(path);
	size_t len;
	FILE *err;

	assert_true(fd >= 0);
	dprintf(fd,
		"%ssstp-server: { enabled: yes, certificate: /nonexistent/x.pem }\n"
		"tls: { keylog-file: /nonexistent/keys }\n",
		"dataplane:\n"
		"  workers: [0]\n"
		"  ports:\n"
		"    access: { device: a, address: 192.0.2.1/24 }\n"
		"    core: { device: b, address: 198.51.100.1/24 }\n");
	close(fd);
	err = open_memstream(&text, &len);
	assert_null(config_load(path, err));
	assert_null(config_load("/nonexistent/file", err));
	assert_null(config_load("/", err));
	fclose(err);
	snprintf(expected, sizeof(expected),
		"%s:6:43: sstp-server.certificate: found /nonexistent/x.pem (No such file or "
		"directory), ",
		path);
	assert_int_equal(strncmp(text, expected, strlen(expected)), 0);
	assert_non_null(strstr(text, ":7:21: tls.keylog-file: found \"/nonexistent/keys\", "));
	assert_non_null(strstr(text, "/nonexistent/file: No such file or directory\n"));
	assert_non_null(strstr(text, "/: it is a folder\n"));
	free(text);
	unlink(path);
}

#define PORTS0                                               \
	"dataplane:\n"                                       \
	"  workers: [0]\n"                                   \
	"  ports:\n"                                         \
	"    access: { device: a, address: 192.0.2.1/24 }\n" \
	"    core: { device: b, address: 198.51.100.1/24 }\n"

// What a file gets when files count, without its name.
static void load_errors(const char *text, config_check_fn *more, bool good)
{
	char *file = make_file(text, 0600);
	struct config *c;
	size_t len;
	FILE *err;

	free(errors);
	err = open_memstream(&errors, &len);
	c = config_load_checked(file, more, err);
	fclose(err);
	if (!c == good)
		fail_msg("%s", errors);
	config_free(c);
	unlink(file);
	free(file);
}

static void test_programs(void **state)
{
	load_errors(PORTS0 "ppp-profiles: { a: { on-up: /bin/sh, on-down: none } }\n"
			   "state-dir: /tmp\n",
		NULL, true);
	load_errors(PORTS0 "ppp-profiles: { a: { on-up: /nonexistent, on-down: /tmp } }\n"
			   "state-dir: /etc/passwd\n"
			   "sstp-server: { ca: /nonexistent/ca, certificate: [{ cert: /tmp, key: "
			   "/nonexistent/key, ocsp: /nonexistent/ocsp }] }\n"
			   "ppp-secrets-file: /nonexistent/users\n",
		NULL, false);
	assert_non_null(strstr(errors, ":6:29: ppp-profiles.a.on-up: found /nonexistent (No such "
				       "file or directory), expected a program that may be run\n"));
	assert_non_null(
		strstr(errors, ":6:52: ppp-profiles.a.on-down: found /tmp (it is a folder), "
			       "expected a program that may be run\n"));
	assert_non_null(strstr(errors, ":7:12: state-dir: found /etc/passwd (it is no folder), "
				       "expected a folder that can be written\n"));
	assert_non_null(strstr(errors, ":8:20: sstp-server.ca: found /nonexistent/ca (No such"));
	assert_non_null(
		strstr(errors, ":8:59: sstp-server.certificate: found /tmp (it is a folder), "
			       "expected a readable PEM file\n"));
	assert_non_null(strstr(errors, ":8:70: sstp-server.certificate: found /nonexistent/key"));
	assert_non_null(strstr(errors, ":8:94: sstp-server.certificate: found /nonexistent/ocsp"));
	assert_non_null(
		strstr(errors, ":9:19: ppp-secrets-file: found /nonexistent/users: No such"));
}

static void more_checks(const struct config *c, struct config_report *r)
{
	config_problem(r, "sstp-server", "certificate", 1, "a", "b");
	config_problem(r, "sstp-server", "certificate", 7, "a", "b");
	config_problem(r, "sstp-server", "pfs", -1, "c", "d");
	config_problem(r, "tls", "engine", -1, "e", "f");
}

static void no_checks(const struct config *c, struct config_report *r)
{
}

// They join the others, at what they are about, else at what is around it.
static void test_further_checks(void **state)
{
	load_errors(PORTS0 "sstp-server: { certificate: [ /etc/passwd, /etc/passwd ] }\n",
		no_checks, true);
	load_errors(PORTS0 "log: {}\n"
			   "sstp-server: { certificate: [ /etc/passwd, /etc/passwd ], port: 0 }\n",
		more_checks, false);
	assert_non_null(strstr(errors, ":1:1: tls.engine: found e, expected f\n"));
	assert_non_null(strstr(errors, ":7:29: sstp-server.certificate: found a, expected b\n"));
	assert_non_null(strstr(errors, ":7:44: sstp-server.certificate: found a, expected b\n"));
	assert_non_null(strstr(errors, ":7:14: sstp-server.pfs: found c, expected d\n"));
	assert_non_null(strstr(errors, ":7:65: sstp-server.port: found \"0\", expected"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_all_errors, forget_errors),
		cmocka_unit_test_teardown(test_cross_checks, forget_errors),
		cmocka_unit_test_teardown(test_addresses, forget_errors),
		cmocka_unit_test_teardown(test_one_subnet, forget_errors),
		cmocka_unit_test_teardown(test_policies, forget_errors),
		cmocka_unit_test_teardown(test_server, forget_errors),
		cmocka_unit_test_teardown(test_yaml_errors, forget_errors),
		cmocka_unit_test_teardown(test_bounds, forget_errors),
		cmocka_unit_test_teardown(test_password_hidden, forget_errors),
		cmocka_unit_test_teardown(test_files, forget_errors),
		cmocka_unit_test_teardown(test_programs, forget_errors),
		cmocka_unit_test_teardown(test_further_checks, forget_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
