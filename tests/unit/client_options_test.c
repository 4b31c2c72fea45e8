// SPDX-License-Identifier: BSD-3-Clause
// culvert-client's command line, and passwords from files and the environment.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/options.h"
#include "client/password.h"
#include "config/options.h"
#include "protocol/ppp/ppp_auth.h"

static char *errors;

// Parse up to 15 words behind the program's name; errors holds what was said.
static int parse(struct client_options *o, ...)
{
	static char *argv[17]; // as main()'s: the options borrow it
	char *word;
	int argc = 1, rc;
	size_t len;
	va_list ap;
	FILE *err;

	memset(argv, 0, sizeof(argv));
	argv[0] = (char *)"culvert-client";
	va_start(ap, o);
	while ((word = va_arg(ap, char *)))
		argv[argc++] = word;
	va_end(ap);
	free(errors);
	err = open_memstream(&errors, &len);
	setenv("CLIENT_TEST_PW", "geheim", 1);
	rc = client_options_parse(o, argc, argv, err);
	fclose(err);
	return rc;
}

#define NEEDED "--connect-to", "h", "--user", "u", "--password-env", "CLIENT_TEST_PW"

static int teardown(void **state)
{
	free(errors);
	errors = NULL;
	return 0;
}

static void test_defaults(void **state)
{
	const struct config_connection *c;
	struct client_options o;

	assert_int_equal(parse(&o, NEEDED, NULL), 0);
	assert_int_equal(o.command, CLIENT_DIAL);
	assert_false(o.reconnect);
	assert_int_equal(o.config->nb_connections, 1);
	c = o.config->connections;
	assert_int_equal(c->nb_hosts, 1);
	assert_string_equal(c->hosts[0], "h");
	assert_int_equal(c->port, 443);
	assert_string_equal(c->password, "geheim");
	assert_null(getenv("CLIENT_TEST_PW")); // no child shall see it
	assert_int_equal(c->authentication, PPP_AUTH_ALL);
	assert_int_equal(c->max_mtu, 1460);
	assert_int_equal(c->max_mru, 1460);
	assert_int_equal(c->keepalive_s, 60);
	assert_int_equal(c->ppp->use_ipv6, CONFIG_YES);
	assert_string_equal(c->name, "sstp%d");
	assert_string_equal(c->congestion, "auto");
	assert_int_equal(c->peer_dns, CONFIG_PEER_DNS_NO);
	assert_int_equal(c->idle_s, 0);
	assert_int_equal(c->ppp->session_timeout_s, 0);
	assert_int_equal(c->ppp->change_tcp_mss, CONFIG_YES);
	assert_int_equal(c->ppp->local_address | c->ppp->remote_address, 0);
	assert_int_equal(c->ppp->nb_dns + c->ppp->nb_dns6, 0);
	assert_false(c->dial_on_demand);
	assert_false(c->verify || c->verify_address || c->add_default_route || c->add_sni);
	client_options_free(&o);
}

static void test_values(void **state)
{
	const struct config_connection *c;
	struct client_options o;

	assert_int_equal(parse(&o, NEEDED, "--authentication", "pap,mschap2", "--max-mtu", "1300",
				 "--keepalive-timeout", "1m30s", "--tls-version", "only-1.2", NULL),
		0);
	c = o.config->connections;
	assert_int_equal(c->authentication, PPP_AUTH_PAP | PPP_AUTH_MSCHAP2);
	assert_int_equal(c->max_mtu, 1300);
	assert_int_equal(c->keepalive_s, 90);
	assert_true(c->only_tls12);
	client_options_free(&o);
	assert_int_equal(parse(&o, NEEDED, "--keepalive-timeout", "disabled", "--name", "vpn0",
				 "--use-ipv6", "required", "--port", "4443", NULL),
		0);
	c = o.config->connections;
	assert_int_equal(c->keepalive_s, 0);
	assert_int_equal(c->mrru, 0);
	assert_string_equal(c->name, "vpn0");
	assert_int_equal(c->ppp->use_ipv6, CONFIG_REQUIRED);
	assert_int_equal(c->port, 4443);
	client_options_free(&o);
	assert_int_equal(parse(&o, NEEDED, "--mrru", "65535", "--mrru-short-sequence",
				 "--connect-to", "a,b,2001:db8::1", "--pfs", "required",
				 "--ciphers", "aes256-gcm-sha384,!PSK", NULL),
		0);
	c = o.config->connections;
	assert_int_equal(c->mrru, 65535);
	assert_true(c->mrru_short);
	assert_int_equal(c->nb_hosts, 3);
	assert_string_equal(c->hosts[2], "2001:db8::1");
	assert_int_equal(c->pfs, CONFIG_PFS_REQUIRED);
	assert_non_null(strstr(c->ciphers, "ECDHE-RSA-AES256-GCM-SHA384"));
	client_options_free(&o);
	assert_int_equal(parse(&o, NEEDED, "--mrru", "disabled", "--reconnect", NULL), 0);
	assert_int_equal(o.config->connections->mrru, 0);
	assert_true(o.reconnect);
	client_options_free(&o);
}

// Properties of the profile, which the command line has beside those of the connection.
static void test_profile_values(void **state)
{
	const struct config_connection *c;
	struct client_options o;

	assert_int_equal(parse(&o, NEEDED, "--dial-on-demand", "--use-peer-dns", "exclusively",
				 "--local-address", "10.0.0.9", "--remote-address", "10.0.0.1",
				 "--change-tcp-mss", "no", NULL),
		0);
	c = o.config->connections;
	assert_true(c->dial_on_demand);
	assert_int_equal(c->idle_s, 300);
	assert_int_equal(c->peer_dns, CONFIG_PEER_DNS_EXCLUSIVELY);
	assert_int_equal(c->ppp->local_address, 0x0a000009);
	assert_int_equal(c->ppp->remote_address, 0x0a000001);
	assert_int_equal(c->ppp->change_tcp_mss, CONFIG_NO);
	client_options_free(&o);
	assert_int_equal(
		parse(&o, NEEDED, "--dial-on-demand", "--idle-timeout", "none", "--session-timeout",
			"8h", "--dns-server", "9.9.9.9,2620:fe::fe,9.9.9.10", NULL),
		0);
	c = o.config->connections;
	assert_int_equal(c->idle_s, 0);
	assert_int_equal(c->ppp->session_timeout_s, 28800);
	assert_int_equal(c->ppp->nb_dns, 2);
	assert_int_equal(c->ppp->dns[1], 0x0909090a);
	assert_int_equal(c->ppp->nb_dns6, 1);
	assert_int_equal(c->ppp->dns6[0].s6_addr[15], 0xfe);
	client_options_free(&o);
}

// What a profile does not say is what the profile "default" says.
static void test_inherited(void **state)
{
	static const char text[] =
		"sstp-client:\n"
		"  a: { connect-to: h, user: u, profile: own, dial-on-demand: yes }\n"
		"  b: { connect-to: h, user: u, profile: bare, dial-on-demand: yes }\n"
		"  c: { connect-to: h, user: u, profile: none }\n"
		"ppp-profiles:\n"
		"  own: { local-address: 10.0.0.9, dns-server: '2620:fe::fe', idle-timeout: 7,\n"
		"    change-tcp-mss: yes }\n"
		"  none: { idle-timeout: none, session-timeout: none }\n"
		"  default: { local-address: 10.0.0.2, remote-address: 10.0.0.1, dns-server: "
		"9.9.9.9,\n"
		"    session-timeout: 1h, idle-timeout: 60, change-tcp-mss: no }\n"
		"  bare: {}\n";
	struct client_config *c = client_config_parse("f", text, strlen(text), false, stderr);
	const struct config_client_profile *f;

	assert_non_null(c);
	assert_int_equal(client_config_find(c, "a")->idle_s, 7);
	f = client_config_find(c, "a")->ppp;
	assert_int_equal(f->local_address, 0x0a000009);
	assert_int_equal(f->remote_address, 0x0a000001);
	assert_int_equal(f->nb_dns, 0);
	assert_int_equal(f->nb_dns6, 1);
	assert_int_equal(f->session_timeout_s, 3600);
	assert_int_equal(f->change_tcp_mss, CONFIG_YES);
	assert_int_equal(client_config_find(c, "b")->idle_s, 60);
	f = client_config_find(c, "b")->ppp;
	assert_int_equal(f->local_address, 0x0a000002);
	assert_int_equal(f->nb_dns, 1);
	assert_int_equal(f->dns[0], 0x09090909);
	assert_int_equal(f->change_tcp_mss, CONFIG_NO);
	assert_int_equal(client_config_find(c, "c")->idle_s, 0);
	assert_int_equal(client_config_find(c, "c")->ppp->session_timeout_s, 0);
	client_config_free(c);
}

// --flag, --flag=no, --flag no
static void test_flags(void **state)
{
	const struct config_connection *c;
	struct client_options o;

	assert_int_equal(parse(&o, NEEDED, "--add-sni", "--add-default-route", "yes",
				 "--verify-server-certificate=true", NULL),
		0);
	c = o.config->connections;
	assert_true(c->add_sni && c->add_default_route && c->verify);
	client_options_free(&o);
	assert_int_equal(parse(&o, NEEDED, "--add-sni=no", "--add-default-route", "no",
				 "--verify-server-certificate", NULL),
		0);
	c = o.config->connections;
	assert_false(c->add_sni || c->add_default_route);
	assert_true(c->verify);
	client_options_free(&o);
	assert_int_equal(parse(&o, NEEDED, "--add-sni=maybe", NULL), -EINVAL);
	assert_string_equal(
		errors, "culvert-client: --add-sni: found \"maybe\", expected yes or no\n");
}

static void test_refused(void **state)
{
	static const char *const bad[][2] = {
		{"--max-mtu", "575"},
		{"--max-mtu", "4092"},
		{"--max-mru", "x"},
		{"--mrru", "511"},
		{"--mrru", "65536"},
		{"--mrru", "1459"},
		{"--port", "0"},
		{"--port", "65536"},
		{"--authentication", "mschap3"},
		{"--authentication", ""},
		{"--authentication", "pap,"},
		{"--keepalive-timeout", "-1"},
		{"--tls-version", "1.1"},
		{"--name", "a/b"},
		{"--name", "sixteen-letters-"},
		{"--name", "a%s"},
		{"--name", "a%d%d"},
		{"--log-level", "loud"},
		{"--connect-to", "a b"},
		{"--connect-to", "-a"},
		{"--connect-to", "a,,b"},
		{"--pfs", "never"},
		{"--use-ipv6", "perhaps"},
		{"--use-peer-dns", "true"},
		{"--local-address", "0.0.0.0"},
		{"--local-address", "fe80::1"},
		{"--remote-address", "224.0.0.1"},
		{"--dns-server", "9.9.9.9,"},
		{"--dns-server", "1.1.1.1,1.1.1.2,1.1.1.3"},
		{"--dns-server", "fe80::1"},
		{"--change-tcp-mss", "required"},
		{"--session-timeout", "366d"},
		{"--idle-timeout", "31d"},
	};
	struct client_options o;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(&o, NEEDED, bad[i][0], bad[i][1], NULL), -EINVAL);
		assert_non_null(strstr(errors, bad[i][0]));
		assert_non_null(strstr(errors, "expected"));
	}
	// All of them at once.
	assert_int_equal(
		parse(&o, "--connect-to", "h", "--max-mtu", "1", "--max-mru", "2", NULL), -EINVAL);
	assert_non_null(strstr(errors, "--user: found nothing"));
	assert_non_null(strstr(errors, "--max-mtu: "));
	assert_non_null(strstr(errors, "--max-mru: "));
	assert_int_equal(parse(&o, NEEDED, "word", NULL), -EINVAL);
	assert_int_equal(parse(&o, "--user", "u", NULL), -EINVAL);
	assert_int_equal(parse(&o, NEEDED, "--password-file", "/x", NULL), -EINVAL);
	assert_int_equal(parse(&o, "--connect-to", "h", "--user", "u", "--password-env",
				 "NOT_SET_AT_ALL", NULL),
		-EINVAL);
	assert_non_null(strstr(errors, "not set"));
	// A password in argv is what everybody on the machine can read.
	opterr = 0;
	assert_int_equal(parse(&o, NEEDED, "--password", "x", NULL), -EINVAL);
	opterr = 1;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

#define TWO                                                                                     \
	"sstp-client:\n"                                                                        \
	"  a: { connect-to: [h1, 192.0.2.1, '2001:db8::1'], user: u, password: p,\n"            \
	"       certificate: none, profile: six }\n"                                            \
	"  b: { connect-to: h2, user: v, password: q, disabled: yes, name: vpn%d, pfs: yes }\n" \
	"ppp-profiles: { six: { use-ipv6: required }, default: { use-ipv6: no } }\n"

static void test_commands(void **state)
{
	char path[] = "/tmp/client_options_test.XXXXXX";
	const struct config_connection *c;
	struct client_options o;

	close(mkstemp(path));
	write_file(path, TWO, 0600);
	assert_int_equal(parse(&o, "up", "b", "--config", path, NULL), 0);
	assert_int_equal(o.command, CLIENT_UP);
	assert_true(o.reconnect);
	assert_int_equal(o.nb_names, 1);
	c = client_config_find(o.config, "a");
	assert_int_equal(c->nb_hosts, 3);
	assert_string_equal(c->name, "a");
	assert_string_equal(c->password, "p");
	assert_int_equal(c->ppp->use_ipv6, CONFIG_REQUIRED);
	c = client_config_find(o.config, o.names[0]);
	assert_true(c->disabled);
	assert_string_equal(c->name, "vpn%d");
	assert_int_equal(c->pfs, CONFIG_PFS_YES);
	assert_int_equal(c->ppp->use_ipv6, CONFIG_NO);
	client_options_free(&o);
	assert_int_equal(parse(&o, "status", "--config", path, NULL), 0);
	assert_int_equal(o.command, CLIENT_STATUS);
	assert_int_equal(o.nb_names, 0);
	client_options_free(&o);

	assert_int_equal(parse(&o, "up", "c", "--config", path, NULL), -EINVAL);
	assert_non_null(strstr(errors, "up: found c, expected a connection of the file"));
	assert_int_equal(parse(&o, "up", "a", "a", "--config", path, NULL), -EINVAL);
	assert_int_equal(parse(&o, "down", "--config", path, NULL), -EINVAL);
	assert_int_equal(parse(&o, "list", "a", "--config", path, NULL), -EINVAL);
	assert_int_equal(
		parse(&o, "up", "a", "--max-mtu", "1400", "--config", path, NULL), -EINVAL);
	assert_non_null(strstr(errors, "--max-mtu: it belongs into the file"));
	assert_int_equal(parse(&o, "check", "--config", "/nonexistent", NULL), -EINVAL);

	// A password that others may read.
	chmod(path, 0640);
	assert_int_equal(parse(&o, "check", "--config", path, NULL), -EINVAL);
	assert_non_null(strstr(errors, ": sstp-client.a.password: found one in a file that"));
	unlink(path);
}

// Where it is and what may stand there, of everything in one go.
static void test_file_errors(void **state)
{
	static const struct {
		const char *text, *said;
	} bad[] = {
		{"sstp-client: { a: { connect-to: h } }",
			"f:1:19: sstp-client.a.user: found nothing"},
		{"sstp-client: { a: { user: u } }",
			"f:1:19: sstp-client.a.connect-to: found nothing"},
		{"sstp-client: { a: { conect-to: h } }", "did you mean \"connect-to\"?"},
		{"sstp-client: { a/b: { connect-to: h, user: u } }", "f:1:16: sstp-client: "},
		{"sstp-client: { a: { connect-to: h, user: u, mrru: 600 } }", "sstp-client.a.mrru"},
		{"sstp-client: { a: { connect-to: h, user: u, profile: x } }",
			"f:1:54: sstp-client.a.profile"},
		{"sstp-client: { a: { connect-to: h, user: u, ca: /x } }",
			"verify-server-certificate: yes as well"},
		{"sstp-client: { sixteen-letters-: { connect-to: h, user: u } }", ".name"},
		{"sstp-client: { a: { connect-to: h, user: u }, b: { connect-to: h, user: u, name: "
		 "a } }",
			"f:1:82: sstp-client.b.name"},
		{"sstp-client: { a: { connect-to: h, user: u, password: x, password-env: X } }",
			"sstp-client.a.password-env: found a second source"},
		{"sstp-client: { a: { connect-to: h, user: u, numbers: 1 } }", "RouterOS's own"},
		{"sstp-client: { a: { connect-to: h, user: u, certificate: { key: k } } }",
			"sstp-client.a.certificate"},
		{"sstp-client: { a: { connect-to: h, user: u, local-address: 1.1.1.1 } }",
			"one of connect-to"},
		{"sstp-client: { a: { connect-to: [], user: u } }", "found an empty list"},
		{"sstp-client: { a: { connect-to: h, user: u, proxy-user: p } }",
			"expected http-proxy as well"},
		{"sstp-client: { a: { connect-to: h, user: u, http-proxy: h, proxy-user: p } }",
			"sstp-client.a.proxy-user: found no password"},
		{"sstp-client: { a: { connect-to: h, user: u, http-proxy: a b } }",
			"f:1:57: sstp-client.a.http-proxy"},
		{"sstp-client: []", "expected a mapping"},
		{"sstp-server: {}", "f:1:1: "},
		{"[]", "f:1:1: "},
		{"ppp-profiles: { x: { use-ipv6: perhaps } }", "f:1:32: ppp-profiles.x.use-ipv6"},
	};
	struct client_config *c;
	char *said;
	size_t len;
	FILE *err;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err = open_memstream(&said, &len);
		c = client_config_parse("f", bad[i].text, strlen(bad[i].text), false, err);
		fclose(err);
		if (c || !strstr(said, bad[i].said))
			fail_msg("%s: %s", bad[i].text, said);
		free(said);
	}
	c = client_config_parse("f", "sstp-client:\n", 13, false, stderr);
	assert_non_null(c);
	assert_int_equal(c->nb_connections, 0);
	assert_null(client_config_find(c, "a"));
	client_config_free(c);
}

static char *slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	assert_non_null(f);
	assert_non_null(text);
	assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	return text;
}

// docs/client.md holds the table that --help-config-markdown prints, and its example is one.
static void test_documentation(void **state)
{
	char *doc = slurp(SOURCE_ROOT "/docs/client.md"), *table, *start, *end;
	struct client_config *c;
	size_t len;
	FILE *f = open_memstream(&table, &len);

	client_config_print_help(f, true);
	fclose(f);
	start = strstr(doc, "```yaml\n") + strlen("```yaml\n");
	end = strstr(start, "```");
	c = client_config_parse("example", start, (size_t)(end - start), false, stderr);
	assert_non_null(c);
	assert_int_equal(c->nb_connections, 2);
	client_config_free(c);
	start = strstr(doc, "<!-- generated: all keys -->\n");
	end = strstr(doc, "<!-- end of generated -->");
	assert_non_null(start);
	assert_non_null(end);
	*end = '\0';
	assert_string_equal(start + strlen("<!-- generated: all keys -->\n"), table);
	free(table);
	free(doc);
}

// Every row of a connection has an example that is taken.
static void test_examples(void **state)
{
	char text[1000], with[400];
	struct client_config *c;

	for (unsigned int i = config_nb_options; i < config_nb_all_options; i++) {
		const struct config_option *o = &config_options[i];
		bool needed = !strcmp(o->key, "connect-to") || !strcmp(o->key, "user");
		const char *beside =
			!strcmp(o->key, "ca")           ? ", verify-server-certificate: yes"
			: !strcmp(o->key, "proxy-user") ? ", http-proxy: p, proxy-password: x"
			: !strncmp(o->key, "proxy-password", 14) ? ", http-proxy: p, proxy-user: x"
								 : "";

		snprintf(with, sizeof(with), "%s: %s", o->key, o->example);
		if (o->section == CONFIG_SECTION_CLIENT_ROOT)
			snprintf(text, sizeof(text), "%s\n", with);
		else if (o->section == CONFIG_SECTION_CLIENT_PROFILE)
			snprintf(text, sizeof(text), "ppp-profiles: { a: { %s } }\n", with);
		else
			snprintf(text, sizeof(text), "sstp-client: { a: { %s%s%s, %s } }\n",
				strcmp(o->key, "connect-to") ? "connect-to: h" : "user: u",
				!needed ? ", user: u" : "", beside, with);
		c = client_config_parse("f", text, strlen(text), false, stderr);
		if (!c)
			fail_msg("%s", text);
		client_config_free(c);
	}
}

static void expect_password(const char *content, size_t len, int rc, const char *expected)
{
	char path[] = "/tmp/client_options_test.XXXXXX", got[16] = "?";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, len), len);
	close(fd);
	assert_int_equal(password_from_file(path, got, sizeof(got)), rc);
	if (expected)
		assert_string_equal(got, expected);
	unlink(path);
}

static void test_password_file(void **state)
{
	char got[16];

	expect_password("secret\nmore\n", 12, 0, "secret");
	expect_password("secret", 6, 0, "secret");
	expect_password("secret\r\n", 8, 0, "secret");
	expect_password(" sp ace \n", 9, 0, " sp ace ");
	expect_password("", 0, 0, "");
	expect_password("123456789012345\n", 16, 0, "123456789012345");
	expect_password("1234567890123456\n", 17, -E2BIG, NULL);
	expect_password("a\0b\n", 4, -EINVAL, NULL);
	assert_int_equal(password_from_file("/nonexistent", got, sizeof(got)), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_defaults, teardown),
		cmocka_unit_test_teardown(test_values, teardown),
		cmocka_unit_test_teardown(test_profile_values, teardown),
		cmocka_unit_test(test_inherited),
		cmocka_unit_test_teardown(test_flags, teardown),
		cmocka_unit_test_teardown(test_refused, teardown),
		cmocka_unit_test_teardown(test_commands, teardown),
		cmocka_unit_test(test_file_errors),
		cmocka_unit_test(test_documentation),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_password_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
