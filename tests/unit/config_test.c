// SPDX-License-Identifier: BSD-3-Clause
// The configuration: what is read from a file, and that the documentation and the example are those
// of the option table.
#include <arpa/inet.h>

#include "config/options.h"
#include "config_testlib.h"
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

// Whether a line is the first of a piece of a file: indented by four, with a section's key.
static bool begins_piece(const char *line)
{
	char key[64];
	size_t n;

	if (strncmp(line, "    ", 4) != 0)
		return false;
	n = strcspn(line + 4, ": \n");
	if (line[4 + n] != ':' || n >= sizeof(key))
		return false;
	snprintf(key, sizeof(key), "%.*s", (int)n, line + 4);
	return config_option_find(CONFIG_SECTION_ROOT, key);
}

// So do the pieces of files in the text, each with ports and nothing else.
static void test_pieces(void **state)
{
	char *doc = slurp(SOURCE_ROOT "/docs/configuration.md"), *line = doc;
	unsigned int nb = 0;

	while (*line) {
		char file[8192] = PORTS;
		bool piece = begins_piece(line);
		struct config *c;

		while (piece && !strncmp(line, "    ", 4)) {
			size_t n = strcspn(line, "\n");

			snprintf(file + strlen(file), sizeof(file) - strlen(file), "%.*s\n",
				(int)n - 4, line + 4);
			line += n + (line[n] != '\0');
		}
		if (!piece) {
			line += strcspn(line, "\n");
			line += *line != '\0';
			continue;
		}
		c = parse(file);
		if (!c)
			fail_msg("%s%s", file, errors);
		config_free(c);
		nb++;
	}
	assert_true(nb >= 8);
	free(doc);
}

// The example has every key, if only as a comment.
static void test_example_complete(void **state)
{
	char *file = slurp(SOURCE_ROOT "/docs/examples/culvertd.yaml"), key[64];

	for (unsigned int i = 0; i < config_nb_options; i++) {
		const struct config_option *o = &config_options[i];

		snprintf(key, sizeof(key), "%s:", o->key);
		if (!strstr(file, key))
			fail_msg("no %s in the example", o->key);
	}
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
		cmocka_unit_test_teardown(test_design, forget_errors),
		cmocka_unit_test_teardown(test_every_key, forget_errors),
		cmocka_unit_test_teardown(test_worker_count, forget_errors),
		cmocka_unit_test_teardown(test_many_users, forget_errors),
		cmocka_unit_test_teardown(test_documentation, forget_errors),
		cmocka_unit_test_teardown(test_examples, forget_errors),
		cmocka_unit_test_teardown(test_pieces, forget_errors),
		cmocka_unit_test_teardown(test_example_complete, forget_errors),
		cmocka_unit_test_teardown(test_help, forget_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
