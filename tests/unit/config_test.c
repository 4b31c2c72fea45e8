// SPDX-License-Identifier: BSD-3-Clause
// The configuration: what is read from a file, which errors it gets and where, and that the
// documentation and the example are those of the option table.
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "config/value.h"
#include "protocol/ppp/ppp_auth.h"

// The file of the design, as written there, with the sections that may be added.
static const char design[] =
	"dataplane:\n"
	"  workers: [1]                  # lcores; or a count\n"
	"  control-core: 0\n"
	"  poll: adaptive                # busy | adaptive (sleeps when idle)\n"
	"  memory: { hugepages: no, mbufs: 65536 }\n"
	"  ports:\n"
	"    access: { device: \"net_af_packet0,iface=acc0\", address: 192.0.2.1/24, gateway: "
	"192.0.2.254 }\n"
	"    core:   { device: \"net_af_packet1,iface=core0\", address: 198.51.100.1/24, gateway: "
	"198.51.100.254 }   # or a PCI address\n"
	"sstp-server:\n"
	"  port: 443\n"
	"  certificate: /etc/culvert/server.pem\n"
	"  authentication: [mschap2]\n"
	"  default-profile: default\n"
	"  keepalive-timeout: 60\n"
	"  tls-version: any\n"
	"ppp-profiles:\n"
	"  default: { local-address: 10.0.0.1, remote-address: clients, dns-server: [10.0.0.1] }\n"
	"ip-pools:\n"
	"  clients: [10.0.0.2-10.0.255.254]\n"
	"ppp-secrets:\n"
	"  - { name: MT-User, password: StrongPass, service: sstp, profile: default }\n";

// Ports, so that a test's own section is all that is worth looking at.
#define PORTS                                                \
	"dataplane:\n"                                       \
	"  ports:\n"                                         \
	"    access: { device: a, address: 192.0.2.1/24 }\n" \
	"    core: { device: b, address: 198.51.100.1/24 }\n"

#define ROOT_KEYS                                                                          \
	"log, dataplane, tls, sstp-server, ip-pools, ipv6-pools, address-lists, filters, " \
	"ppp-profiles, ppp-secrets, ppp-secrets-file, state-dir"

static char *errors;

// Parse; errors holds what was reported.
static struct config *parse_n(const char *buf, size_t n)
{
	struct config *c;
	size_t len;
	FILE *err;

	free(errors);
	err = open_memstream(&errors, &len);
	assert_non_null(err);
	c = config_parse("f", buf, n, false, err);
	fclose(err);
	if (c)
		assert_string_equal(errors, "");
	else
		assert_string_not_equal(errors, "");
	return c;
}

static struct config *parse(const char *s)
{
	return parse_n(s, strlen(s));
}

static void expect_errors(const char *file, const char *expected)
{
	struct config *c = parse(file);

	assert_null(c);
	assert_string_equal(errors, expected);
}

static int teardown(void **state)
{
	free(errors);
	errors = NULL;
	return 0;
}

static void test_design(void **state)
{
	struct config *c = parse(design);
	const struct config_secret *s;

	assert_non_null(c);
	assert_int_equal(c->dataplane.nb_workers, 1);
	assert_int_equal(c->dataplane.workers[0], 1);
	assert_int_equal(c->dataplane.control_core, 0);
	assert_int_equal(c->dataplane.poll, CONFIG_POLL_ADAPTIVE);
	assert_false(c->dataplane.hugepages);
	assert_int_equal(c->dataplane.mbufs, 65536);
	assert_string_equal(c->dataplane.access.device, "net_af_packet0,iface=acc0");
	assert_true(c->dataplane.access.has4);
	assert_int_equal(ntohl(c->dataplane.access.addr4.s_addr), 0xc0000201);
	assert_int_equal(c->dataplane.access.plen4, 24);
	assert_int_equal(ntohl(c->dataplane.core.gw4.s_addr), 0xc63364fe);
	assert_false(c->dataplane.core.has6);
	assert_false(c->sstp.enabled);
	assert_int_equal(c->sstp.nb_certs, 1);
	assert_string_equal(c->sstp.certs[0].cert, "/etc/culvert/server.pem");
	assert_null(c->sstp.certs[0].key);
	assert_int_equal(c->sstp.authentication, PPP_AUTH_MSCHAP2);
	assert_false(c->sstp.only_tls12);
	assert_int_equal(c->nb_profiles, 2);
	assert_string_equal(config_profile(c, "default")->remote_pool, "clients");
	assert_int_equal(config_profile(c, "default")->nb_dns, 1);
	assert_non_null(config_profile(c, "default-encryption"));
	assert_null(config_profile(c, "other"));
	assert_int_equal(config_pool(c, "clients")->nb_ranges, 1);
	assert_int_equal(config_pool(c, "clients")->ranges[0].first, 0x0a000002);
	assert_int_equal(config_pool(c, "clients")->ranges[0].last, 0x0a00fffe);
	s = config_secret(c, "MT-User");
	assert_non_null(s);
	assert_string_equal(s->password, "StrongPass");
	assert_string_equal(s->profile, "default");
	assert_false(s->service_any);
	assert_null(config_secret(c, "mt-user"));
	config_free(c);
	config_free(NULL);
}

static void test_defaults(void **state)
{
	struct config *c = parse(PORTS);

	assert_non_null(c);
	assert_string_equal(c->log_level, "info");
	assert_int_equal(c->dataplane.nb_workers, 1);
	assert_int_equal(c->dataplane.workers[0], 1);
	assert_int_equal(c->dataplane.max_sessions, 16384);
	assert_string_equal(c->dataplane.record_backend, "auto");
	assert_int_equal(c->dataplane.rcv_window, 1 << 20);
	assert_int_equal(c->dataplane.snd_buffer, 1 << 20);
	assert_int_equal(c->dataplane.keepalive_s, 0);
	assert_int_equal(c->dataplane.access.descriptors, 1024);
	assert_int_equal(c->dataplane.access.mtu, 0);
	assert_int_equal(c->dataplane.access.vlan, 0);
	assert_null(c->tls.engine);
	assert_null(c->tls.keylog_file);
	assert_int_equal(c->tls.async_threads, 1);
	assert_false(c->tls.async_ecdsa);
	assert_true(c->tls.session_tickets);
	assert_int_equal(c->sstp.port, 443);
	assert_int_equal(c->sstp.nb_certs, 0);
	assert_int_equal(c->sstp.authentication, PPP_AUTH_ALL);
	assert_string_equal(c->sstp.default_profile, "default");
	assert_int_equal(c->sstp.keepalive_s, 60);
	assert_int_equal(c->sstp.max_mtu, 1460);
	assert_int_equal(c->sstp.max_mru, 1460);
	assert_false(c->sstp.tls_legacy);
	assert_null(c->sstp.ciphers);
	assert_int_equal(c->sstp.handshake_timeout_s, 30);
	assert_int_equal(c->sstp.negotiation_timeout_s, 60);
	assert_int_equal(c->sstp.auth_timeout_s, 60);
	assert_int_equal(c->sstp.max_half_open, 4096);
	assert_int_equal(config_profile(c, "default")->change_tcp_mss, CONFIG_DEFAULT);
	assert_null(config_secret(c, "anyone"));
	config_free(c);
}

static void test_every_key(void **state)
{
	struct config *c = parse(
		"log: { level: debug }\n"
		"dataplane:\n"
		"  workers: [2-3, 5]\n"
		"  control-core: 1\n"
		"  poll: busy\n"
		"  max-sessions: 100000\n"
		"  record-backend: openssl\n"
		"  memory: { hugepages: yes, mbufs: 131072 }\n"
		"  tcp: { receive-window: 256k, send-buffer: 2M, congestion-control: cubic, "
		"keepalive: 2m }\n"
		"  ports:\n"
		"    access: { device: a, address: [192.0.2.1/24, 2001:db8::1/64], gateway: "
		"[192.0.2.254, fe80::1], mtu: 9000, vlan: 7, descriptors: 512 }\n"
		"    core: { device: a, vlan: 8, address: [198.51.100.1/31], gateway: "
		"[198.51.100.0] }\n"
		"tls: { engine: culvert-async, provider: none, async-threads: 4, async-ecdsa: yes, "
		"keylog-file: /k, session-tickets: off }\n"
		"sstp-server:\n"
		"  enabled: true\n"
		"  port: 65535\n"
		"  certificate: [a.pem, { cert: b.pem, key: b.key }]\n"
		"  authentication: [pap, chap, mschap1]\n"
		"  default-profile: p\n"
		"  keepalive-timeout: disabled\n"
		"  max-mtu: 4091\n"
		"  max-mru: 576\n"
		"  tls-version: only-1.2\n"
		"  ciphers: [aes256-sha, CHACHA20]\n"
		"  handshake-timeout: 1m30s\n"
		"  negotiation-timeout: 5\n"
		"  authentication-timeout: 1h\n"
		"  max-half-open: 1\n"
		"ip-pools: { x: [10.1.0.0/24, 10.2.0.1], y: 10.3.0.0/31 }\n"
		"ppp-profiles:\n"
		"  p: { remote-address: 10.9.9.9, dns-server: 9.9.9.9, wins-server: [10.0.0.8, "
		"10.0.0.9], change-tcp-mss: no }\n"
		"ppp-secrets:\n"
		"  - { name: 'J\\u00fcrgen', password: '' }\n"
		"  - { name: \"J\\u00fcrgen\", password: yes, service: any, remote-address: y, "
		"local-address: 10.7.0.1, disabled: on, comment: \"a: b\" }\n");

	assert_non_null(c);
	assert_string_equal(c->log_level, "debug");
	assert_int_equal(c->dataplane.nb_workers, 3);
	assert_int_equal(c->dataplane.workers[0], 2);
	assert_int_equal(c->dataplane.workers[1], 3);
	assert_int_equal(c->dataplane.workers[2], 5);
	assert_int_equal(c->dataplane.poll, CONFIG_POLL_BUSY);
	assert_true(c->dataplane.hugepages);
	assert_int_equal(c->dataplane.rcv_window, 262144);
	assert_int_equal(c->dataplane.snd_buffer, 2097152);
	assert_int_equal(c->dataplane.keepalive_s, 120);
	assert_true(c->dataplane.access.has6);
	assert_true(c->dataplane.access.has_gw6);
	assert_int_equal(c->dataplane.access.plen6, 64);
	assert_int_equal(c->dataplane.access.mtu, 9000);
	assert_int_equal(c->dataplane.core.vlan, 8);
	assert_string_equal(c->tls.engine, "culvert-async");
	assert_null(c->tls.provider);
	assert_true(c->tls.async_ecdsa);
	assert_string_equal(c->tls.keylog_file, "/k");
	assert_false(c->tls.session_tickets);
	assert_true(c->sstp.enabled);
	assert_int_equal(c->sstp.nb_certs, 2);
	assert_string_equal(c->sstp.certs[1].key, "b.key");
	assert_int_equal(
		c->sstp.authentication, PPP_AUTH_PAP | PPP_AUTH_CHAP_MD5 | PPP_AUTH_MSCHAP1);
	assert_int_equal(c->sstp.keepalive_s, 0);
	assert_int_equal(c->sstp.max_mtu, 4091);
	assert_int_equal(c->sstp.max_mru, 576);
	assert_true(c->sstp.only_tls12);
	assert_non_null(strstr(c->sstp.ciphers, "ECDHE-RSA-AES256-SHA:"));
	assert_non_null(strstr(c->sstp.ciphers, ":CHACHA20"));
	assert_int_equal(c->sstp.handshake_timeout_s, 90);
	assert_int_equal(c->sstp.auth_timeout_s, 3600);
	assert_int_equal(config_pool(c, "x")->ranges[0].first, 0x0a010001);
	assert_int_equal(config_pool(c, "x")->ranges[0].last, 0x0a0100fe);
	assert_int_equal(config_pool(c, "x")->ranges[1].first, 0x0a020001);
	assert_int_equal(config_pool(c, "y")->ranges[0].first, 0x0a030000);
	assert_int_equal(config_pool(c, "y")->ranges[0].last, 0x0a030001);
	assert_int_equal(config_profile(c, "p")->remote_address, 0x0a090909);
	assert_null(config_profile(c, "p")->remote_pool);
	assert_int_equal(config_profile(c, "p")->nb_wins, 2);
	assert_int_equal(config_profile(c, "p")->change_tcp_mss, CONFIG_NO);
	assert_int_equal(c->nb_secrets, 2);
	assert_string_equal(c->secrets[0].password, "");
	assert_string_equal(config_secret(c, "J\xc3\xbcrgen")->password, "yes");
	assert_string_equal(config_secret(c, "J\xc3\xbcrgen")->remote_pool, "y");
	assert_true(config_secret(c, "J\xc3\xbcrgen")->disabled);
	assert_string_equal(config_secret(c, "J\xc3\xbcrgen")->comment, "a: b");
	config_free(c);
}

static void test_worker_count(void **state)
{
	struct config *c = parse("dataplane:\n"
				 "  workers: 3\n"
				 "  control-core: 1\n"
				 "  ports:\n"
				 "    access: { device: a, address: 192.0.2.1/24 }\n"
				 "    core: { device: b, address: 198.51.100.1/24 }\n");

	assert_non_null(c);
	assert_int_equal(c->dataplane.nb_workers, 3);
	assert_int_equal(c->dataplane.workers[0], 0);
	assert_int_equal(c->dataplane.workers[1], 2);
	assert_int_equal(c->dataplane.workers[2], 3);
	config_free(c);
}

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

static void test_many_users(void **state)
{
	char *file = malloc(5000000), name[32];
	struct config *c;
	size_t n;

	assert_non_null(file);
	n = (size_t)sprintf(file, "%sppp-secrets:\n", PORTS);
	for (unsigned int i = 0; i < 50000; i++)
		n += (size_t)sprintf(file + n, "- { name: user%u, password: p%u }\n", i, i);
	c = parse_n(file, n);
	free(file);
	assert_non_null(c);
	assert_int_equal(c->nb_secrets, 50000);
	for (unsigned int i = 0; i < 50000; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		assert_non_null(config_secret(c, name));
		assert_int_equal(strtoul(config_secret(c, name)->password + 1, NULL, 10), i);
	}
	assert_null(config_secret(c, "user50000"));
	config_free(c);
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

static void test_values(void **state)
{
	uint64_t v;
	uint32_t a, b;
	uint8_t len;
	unsigned int x, y;
	bool on;

	assert_int_equal(value_uint("18446744073709551609", &v), 0);
	assert_int_equal(value_uint("18446744073709551620", &v), -ERANGE);
	assert_int_equal(value_uint("", &v), -EINVAL);
	assert_int_equal(value_uint("-1", &v), -EINVAL);
	assert_int_equal(value_uint("0x10", &v), -EINVAL);
	assert_int_equal(value_uint(" 1", &v), -EINVAL);
	assert_int_equal(value_size("3G", &v), 0);
	assert_int_equal(v, 3ull << 30);
	assert_int_equal(value_size("3kB", &v), -EINVAL);
	assert_int_equal(value_size("99999999999999G", &v), -ERANGE);
	assert_int_equal(value_duration("1d2h3m4s", &v), 0);
	assert_int_equal(v, 86400 + 7200 + 180 + 4);
	assert_int_equal(value_duration("3m2h", &v), -EINVAL);
	assert_int_equal(value_duration("1m30", &v), -EINVAL);
	assert_int_equal(value_duration("m", &v), -EINVAL);
	assert_int_equal(value_duration("99999999999999999d", &v), -ERANGE);
	assert_int_equal(value_bool("Yes", &on), -EINVAL);
	assert_int_equal(value_ip4("1.2.3", &a), -EINVAL);
	assert_int_equal(value_ip4("1.2.3.256", &a), -EINVAL);
	assert_int_equal(value_ip4_prefix("10.0.0.1/33", &a, &len), -EINVAL);
	assert_int_equal(value_ip4_prefix("10.0.0.1", &a, &len), -EINVAL);
	assert_int_equal(value_ip4_range("10.0.0.0/30", &a, &b), 0);
	assert_int_equal(a, 0x0a000001);
	assert_int_equal(b, 0x0a000002);
	assert_int_equal(value_ip4_range("10.0.0.1/30", &a, &b), -EINVAL);
	assert_int_equal(value_ip4_range("10.0.0.2-10.0.0.1", &a, &b), -EINVAL);
	assert_int_equal(value_ip4_range("10.0.0.2-", &a, &b), -EINVAL);
	assert_int_equal(value_ip4_range("-10.0.0.2", &a, &b), -EINVAL);
	assert_int_equal(value_ip4_range("10.0.0.7/32", &a, &b), 0);
	assert_int_equal(a, b);
	assert_int_equal(value_cpu_range("3-1", &x, &y), -EINVAL);
	assert_int_equal(value_cpu_range("0-4096", &x, &y), -ERANGE);
}

static char *slurp(const char *path)
{
	char *buf = calloc(1, 1 << 20);
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_non_null(buf);
	assert_true(fread(buf, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	return buf;
}

// docs/configuration.md holds the table that config_print_help() prints.
static void test_documentation(void **state)
{
	char *doc = slurp(SOURCE_ROOT "/docs/configuration.md"), *table, *start, *end;
	size_t len;
	FILE *f = open_memstream(&table, &len);

	config_print_help(f, true);
	fclose(f);
	start = strstr(doc, "<!-- generated: all keys -->\n");
	end = strstr(doc, "<!-- end of generated -->");
	assert_non_null(start);
	assert_non_null(end);
	start += strlen("<!-- generated: all keys -->\n");
	*end = '\0';
	assert_string_equal(start, table);
	free(table);
	free(doc);
}

static void test_examples(void **state)
{
	char *doc = slurp(SOURCE_ROOT "/docs/configuration.md");
	char *file = slurp(SOURCE_ROOT "/docs/examples/culvertd.yaml"), *start, *end;
	struct config *c = parse(file);

	if (!c)
		fprintf(stderr, "%s", errors);
	assert_non_null(c);
	config_free(c);
	start = strstr(doc, "```yaml\n");
	assert_non_null(start);
	start += strlen("```yaml\n");
	end = strstr(start, "```");
	assert_non_null(end);
	c = parse_n(start, (size_t)(end - start));
	assert_non_null(c);
	config_free(c);
	free(doc);
	free(file);
}

static void test_help(void **state)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	config_print_help(f, false);
	fclose(f);
	assert_non_null(strstr(text, "keepalive-timeout"));
	assert_non_null(strstr(text, "receive-window"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_design, teardown),
		cmocka_unit_test_teardown(test_defaults, teardown),
		cmocka_unit_test_teardown(test_every_key, teardown),
		cmocka_unit_test_teardown(test_worker_count, teardown),
		cmocka_unit_test_teardown(test_all_errors, teardown),
		cmocka_unit_test_teardown(test_cross_checks, teardown),
		cmocka_unit_test_teardown(test_yaml_errors, teardown),
		cmocka_unit_test_teardown(test_bounds, teardown),
		cmocka_unit_test_teardown(test_many_users, teardown),
		cmocka_unit_test_teardown(test_password_hidden, teardown),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_documentation),
		cmocka_unit_test_teardown(test_examples, teardown),
		cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
