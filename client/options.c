// SPDX-License-Identifier: BSD-3-Clause
#include "client/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "client/password.h"
#include "config/options.h"
#include "config/value.h"
#include "protocol/ppp/ppp_auth.h"

// name, argument, default, help. Flags take yes or no, or nothing for yes.
#define OPTION_LIST(X)                                                                          \
	X(CONNECT_TO, "connect-to", TEXT, "HOST", "", "server: IPv4 or IPv6 address, or name")  \
	X(PORT, "port", TEXT, "PORT", "443", "TCP port")                                        \
	X(USER, "user", TEXT, "NAME", "", "user name")                                          \
	X(PASSWORD_FILE, "password-file", TEXT, "FILE", "",                                     \
		"password: first line of FILE (-: standard input)")                             \
	X(PASSWORD_ENV, "password-env", TEXT, "NAME", "",                                       \
		"password: the environment variable NAME")                                      \
	X(AUTHENTICATION, "authentication", TEXT, "LIST", "pap,chap,mschap1,mschap2",           \
		"methods agreed to")                                                            \
	X(VERIFY, "verify-server-certificate", FLAG, "yes|no", "no",                            \
		"the chain must lead to a known CA")                                            \
	X(VERIFY_ADDRESS, "verify-server-address-from-certificate", FLAG, "yes|no", "no",       \
		"and the certificate must be for HOST")                                         \
	X(CA, "ca", TEXT, "FILE", "", "PEM file of CAs instead of the system's")                \
	X(NAME, "name", TEXT, "IFNAME", "sstp%d", "network interface to make")                  \
	X(MAX_MTU, "max-mtu", TEXT, "BYTES", "1460", "longest packet sent")                     \
	X(MAX_MRU, "max-mru", TEXT, "BYTES", "1460", "longest packet received")                 \
	X(MRRU, "mrru", TEXT, "BYTES", "disabled",                                              \
		"longest packet put together from fragments: multilink PPP on the one link")    \
	X(MRRU_SHORT, "mrru-short-sequence", FLAG, "yes|no", "no",                              \
		"ask for fragments with 12-bit sequence numbers")                               \
	X(USE_IPV6, "use-ipv6", TEXT, "yes|no|required", "yes", "IPv6 through the tunnel")      \
	X(DEFAULT_ROUTE, "add-default-route", FLAG, "yes|no", "no",                             \
		"everything through the tunnel but the server itself")                          \
	X(KEEPALIVE, "keepalive-timeout", TEXT, "TIME", "60",                                   \
		"probe after this silence, give up after twice that; or disabled")              \
	X(CONGESTION, "congestion-control", TEXT, "NAME", "auto",                               \
		"of the TCP connection: bbr, cubic...; system: its default;"                    \
		" auto: cubic, on a line that loses segments bbr")                              \
	X(TLS_VERSION, "tls-version", TEXT, "any|only-1.2", "any", "TLS versions offered")      \
	X(SNI, "add-sni", FLAG, "yes|no", "no", "tell the server which name is meant")          \
	X(CIPHERS, "ciphers", TEXT, "LIST", "", "TLS 1.2 ciphers, as OpenSSL writes them")      \
	X(KEYLOG, "keylog-file", TEXT, "FILE", "", "debugging: append TLS secrets to FILE")     \
	X(LOG_LEVEL, "log-level", TEXT, "LEVEL", "info", "err, warning, notice, info or debug") \
	X(HELP, "help", BARE, "", "", "print this")                                             \
	X(VERSION, "version", BARE, "", "", "print the version")

#define TEXT required_argument
#define FLAG optional_argument
#define BARE no_argument

#define X(id, name, kind, arg, dflt, help) OPT_##id,
enum option_id { OPT_FIRST = 256, OPTION_LIST(X) };
#undef X

static const struct option long_options[] = {
#define X(id, name, kind, arg, dflt, help) {name, kind, NULL, OPT_##id},
	OPTION_LIST(X)
#undef X
		{0}};

#define HELP_COLUMN 34

static void print_help(void)
{
	static const struct {
		const char *name, *arg, *dflt, *help;
	} rows[] = {
#define X(id, name, kind, arg, dflt, help) {name, arg, dflt, help},
		OPTION_LIST(X)
#undef X
	};
	char left[80];

	printf("Usage: culvert-client --connect-to HOST --user NAME [OPTION...]\n"
	       "Dials in to an SSTP server and makes a network interface of the call.\n\n");
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(left, sizeof(left), "--%s %s", rows[i].name, rows[i].arg);
		printf("  %-*s", HELP_COLUMN, left);
		if (strlen(left) > HELP_COLUMN)
			printf("\n  %*s", HELP_COLUMN, "");
		printf("  %s%s%s%s\n", rows[i].help, *rows[i].dflt ? " (" : "", rows[i].dflt,
			*rows[i].dflt ? ")" : "");
	}
	printf("\nWithout --password-file and --password-env the password is asked for.\n"
	       "SIGINT or SIGTERM hangs up. Exit status: 0 hung up, 1 local error, 2 usage, 3 "
	       "name,\n"
	       "4 TCP, 5 TLS, 6 HTTP, 7 SSTP, 8 authentication, 9 PPP, 10 address, 11 time out,\n"
	       "12 connection lost, 13 ended by the server.\n");
}

static int fail(FILE *err, const char *option, const char *found, const char *expected)
{
	char quoted[120];

	fprintf(err, "culvert-client: --%s: found %s, expected %s\n", option,
		log_quote(quoted, sizeof(quoted), found, strlen(found)), expected);
	return -EINVAL;
}

static int parse_auth(uint32_t *mask, const char *text)
{
	static const char *const words = "pap|chap|mschap1|mschap2";
	char list[64], *word, *rest = list;
	int i;

	*mask = 0;
	if (!strcmp(text, "all"))
		*mask = PPP_AUTH_ALL;
	if (*mask || strlen(text) >= sizeof(list))
		return *mask ? 0 : -EINVAL;
	strcpy(list, text);
	while ((word = strsep(&rest, ","))) {
		i = config_words_index(words, word);
		if (i < 0)
			return -EINVAL;
		*mask |= 1u << i;
	}
	return 0;
}

static int parse_size(uint16_t *v, const char *text)
{
	uint64_t n;

	if (value_uint(text, &n) || n < 576 || n > 4091)
		return -EINVAL;
	*v = (uint16_t)n;
	return 0;
}

static int parse_ipv6(enum ppp_ipv6_mode *v, const char *text)
{
	bool on;

	if (!strcmp(text, "required")) {
		*v = PPP_IPV6_REQUIRED;
		return 0;
	}
	if (value_bool(text, &on))
		return -EINVAL;
	*v = on ? PPP_IPV6_YES : PPP_IPV6_NO;
	return 0;
}

static int parse_mrru(uint16_t *v, const char *text)
{
	uint64_t n = 0;

	if (strcmp(text, "disabled") && (value_uint(text, &n) || n < 512 || n > 65535))
		return -EINVAL;
	*v = (uint16_t)n;
	return 0;
}

static int parse_keepalive(uint32_t *v, const char *text)
{
	uint64_t n = 0;

	if (strcmp(text, "disabled") && (value_duration(text, &n) || n < 1 || n > 86400))
		return -EINVAL;
	*v = (uint32_t)n;
	return 0;
}

static int parse_port(const char *text)
{
	uint64_t n;

	return value_uint(text, &n) || n < 1 || n > 65535 ? -EINVAL : 0;
}

struct sources {
	const char *file, *env;
};

static bool *flag_of(struct client_options *o, int id)
{
	switch (id) {
	case OPT_VERIFY:
		return &o->verify_certificate;
	case OPT_VERIFY_ADDRESS:
		return &o->verify_address;
	case OPT_DEFAULT_ROUTE:
		return &o->add_default_route;
	case OPT_SNI:
		return &o->add_sni;
	case OPT_MRRU_SHORT:
		return &o->mrru_short;
	default:
		return NULL;
	}
}

// "--flag", "--flag=no" and "--flag no".
static int parse_flag(bool *flag, int argc, char **argv)
{
	bool v;

	*flag = true;
	if (optarg)
		return value_bool(optarg, flag);
	if (optind < argc && !value_bool(argv[optind], &v)) {
		*flag = v;
		optind++;
	}
	return 0;
}

// A text option's place, or NULL.
static const char **text_of(struct client_options *o, struct sources *s, int id)
{
	switch (id) {
	case OPT_CONNECT_TO:
		return &o->connect_to;
	case OPT_USER:
		return &o->user;
	case OPT_PASSWORD_FILE:
		return &s->file;
	case OPT_PASSWORD_ENV:
		return &s->env;
	case OPT_CA:
		return &o->ca;
	case OPT_CIPHERS:
		return &o->ciphers;
	case OPT_KEYLOG:
		return &o->keylog_file;
	default:
		return NULL;
	}
}

static int parse_other(struct client_options *o, int id, FILE *err)
{
	switch (id) {
	case OPT_PORT:
		o->port = optarg;
		return parse_port(optarg) ? fail(err, "port", optarg, "1 to 65535") : 0;
	case OPT_AUTHENTICATION:
		if (parse_auth(&o->auth_methods, optarg))
			return fail(err, "authentication", optarg,
				"pap, chap, mschap1, mschap2 with commas between, or all");
		return 0;
	case OPT_NAME:
		o->name = optarg;
		if (!*optarg || strlen(optarg) >= IFNAMSIZ || strpbrk(optarg, "/ :"))
			return fail(
				err, "name", optarg, "an interface name of up to 15 characters");
		return 0;
	case OPT_CONGESTION:
		o->congestion = optarg;
		if (!*optarg || strlen(optarg) >= 16) // TCP_CA_NAME_MAX
			return fail(err, "congestion-control", optarg,
				"a name such as bbr, system or auto");
		return 0;
	case OPT_MAX_MTU:
		return parse_size(&o->max_mtu, optarg) ? fail(err, "max-mtu", optarg, "576 to 4091")
						       : 0;
	case OPT_MAX_MRU:
		return parse_size(&o->max_mru, optarg) ? fail(err, "max-mru", optarg, "576 to 4091")
						       : 0;
	case OPT_MRRU:
		return parse_mrru(&o->mrru, optarg)
			       ? fail(err, "mrru", optarg, "512 to 65535, or disabled")
			       : 0;
	case OPT_USE_IPV6:
		return parse_ipv6(&o->ipv6, optarg)
			       ? fail(err, "use-ipv6", optarg, "yes, no or required")
			       : 0;
	case OPT_KEEPALIVE:
		if (parse_keepalive(&o->keepalive_s, optarg))
			return fail(err, "keepalive-timeout", optarg,
				"1 to 86400 seconds, or disabled");
		return 0;
	case OPT_TLS_VERSION:
		o->only_tls12 = !strcmp(optarg, "only-1.2");
		if (!o->only_tls12 && strcmp(optarg, "any"))
			return fail(err, "tls-version", optarg, "any or only-1.2");
		return 0;
	case OPT_LOG_LEVEL:
		if (log_set_level(optarg))
			return fail(
				err, "log-level", optarg, "err, warning, notice, info or debug");
		return 0;
	case OPT_HELP:
		print_help();
		return 1;
	case OPT_VERSION:
		printf("culvert-client %s\n", CULVERT_VERSION);
		return 1;
	default: // getopt_long() has said why
		return -EINVAL;
	}
}

static int get_password(struct client_options *o, const struct sources *s, FILE *err)
{
	char prompt[320], user[256];
	const char *what = "prompt";
	int rc;

	if (s->file) {
		what = s->file;
		rc = password_from_file(s->file, o->password, sizeof(o->password));
	} else if (s->env) {
		what = s->env;
		rc = password_from_env(s->env, o->password, sizeof(o->password));
	} else {
		snprintf(prompt, sizeof(prompt), "Password of %s: ",
			log_quote(user, sizeof(user), o->user, strlen(o->user)));
		rc = password_from_terminal(prompt, o->password, sizeof(o->password));
	}
	if (rc)
		fprintf(err, "culvert-client: password: %s: %s\n", what,
			rc == -E2BIG                          ? "longer than 255 bytes"
			: rc == -ENOENT && !s->file && s->env ? "not set"
							      : log_strerror(rc));
	return rc ? -EINVAL : 0;
}

int client_options_parse(struct client_options *o, int argc, char **argv, FILE *err)
{
	struct sources sources = {0};
	const char **text;
	bool *flag;
	int id, rc;

	*o = (struct client_options){.port = "443",
		.auth_methods = PPP_AUTH_ALL,
		.ipv6 = PPP_IPV6_YES,
		.name = "sstp%d",
		.congestion = "auto",
		.max_mtu = 1460,
		.max_mru = 1460,
		.keepalive_s = 60};
	optind = 1;
	while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		flag = flag_of(o, id);
		text = text_of(o, &sources, id);
		if (flag && parse_flag(flag, argc, argv))
			return fail(
				err, long_options[id - OPT_FIRST - 1].name, optarg, "yes or no");
		if (text)
			*text = optarg;
		rc = flag || text ? 0 : parse_other(o, id, err);
		if (rc)
			return rc;
	}
	if (optind < argc) {
		fprintf(err, "culvert-client: %s: options only\n", argv[optind]);
		return -EINVAL;
	}
	if (!o->connect_to || !*o->connect_to || !o->user || !*o->user) {
		fprintf(err, "culvert-client: --connect-to and --user are needed; see --help\n");
		return -EINVAL;
	}
	if (strlen(o->user) > PPP_NAME_MAX) {
		fprintf(err, "culvert-client: --user: longer than 255 bytes\n");
		return -EINVAL;
	}
	return get_password(o, &sources, err);
}

void client_options_wipe(struct client_options *o)
{
	secret_wipe(o->password, sizeof(o->password));
}
