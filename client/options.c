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

#define PROGRAM "culvert-client"
#define CONFIG_FILE "/etc/culvert/client.yaml"
#define RUN_DIR "/run/culvert"
#define ARGS_MAX 128

// Options that are no properties of a connection: name, argument, default, help.
#define OPTION_LIST(X)                                                                          \
	X(CONFIG, "config", TEXT, "FILE", CONFIG_FILE, "connections")                           \
	X(RUN_DIR, "run-dir", TEXT, "DIR", RUN_DIR, "sockets of connections that are dialed")   \
	X(RECONNECT, "reconnect", FLAG, "yes|no", "yes with up, else no",                       \
		"dial again when a call was lost or did not come about")                        \
	X(LOG_LEVEL, "log-level", TEXT, "LEVEL", "info", "err, warning, notice, info or debug") \
	X(HELP, "help", BARE, "", "", "print this")                                             \
	X(HELP_CONFIG, "help-config", BARE, "", "", "every key of the file")                    \
	X(HELP_CONFIG_MD, "help-config-markdown", BARE, "", "", "the same as Markdown")         \
	X(VERSION, "version", BARE, "", "", "print the version")

#define TEXT required_argument
#define FLAG optional_argument
#define BARE no_argument

#define X(id, name, kind, arg, dflt, help) OPT_##id,
enum option_id { OPT_FIRST = 256, OPTION_LIST(X) OPT_PROPERTY };
#undef X

static const struct {
	const char *name;
	int kind;
	const char *arg, *dflt, *help;
} own[] = {
#define X(id, name, kind, arg, dflt, help) {name, kind, arg, dflt, help},
	OPTION_LIST(X)
#undef X
};
#define NB_OWN (sizeof(own) / sizeof(own[0]))

static const struct {
	const char *name, *args, *help;
} commands[] = {
	[CLIENT_UP] = {"up", "[NAME...]", "dial connections of the file, all without a name"},
	[CLIENT_DOWN] = {"down", "NAME...", "hang up"},
	[CLIENT_STATUS] = {"status", "[NAME...]", "say how connections are"},
	[CLIENT_LIST] = {"list", "", "connections of the file"},
	[CLIENT_CHECK] = {"check", "", "check the file"},
};
#define NB_COMMANDS (sizeof(commands) / sizeof(commands[0]))

// --- help ---

#define HELP_COLUMN 34

static void print_row(const char *left, const char *help, const char *dflt)
{
	printf("  %-*s", HELP_COLUMN, left);
	if (strlen(left) > HELP_COLUMN)
		printf("\n  %*s", HELP_COLUMN, "");
	printf("  %s%s%s%s\n", help, *dflt ? " (" : "", dflt, *dflt ? ")" : "");
}

static const char *argument(const struct config_option *o)
{
	switch (o->type) {
	case CONFIG_TYPE_BOOL:
		return "yes|no";
	case CONFIG_TYPE_CHOICE:
	case CONFIG_TYPE_WORD:
	case CONFIG_TYPE_FLAG:
	case CONFIG_TYPE_YESNO:
		return o->unit;
	case CONFIG_TYPE_AUTH:
	case CONFIG_TYPE_CIPHERS:
		return "LIST";
	case CONFIG_TYPE_HOSTS:
		return "HOST[,HOST...]";
	case CONFIG_TYPE_HOST:
		return "HOST";
	case CONFIG_TYPE_PATH:
	case CONFIG_TYPE_SCRIPT:
	case CONFIG_TYPE_CERT:
		return "FILE";
	case CONFIG_TYPE_DURATION:
	case CONFIG_TYPE_TIMEOUT:
		return "TIME";
	case CONFIG_TYPE_IP4:
		return "ADDRESS";
	case CONFIG_TYPE_IP_LIST:
		return "ADDRESS[,ADDRESS...]";
	case CONFIG_TYPE_U16:
	case CONFIG_TYPE_U32:
		return o->unit ? "BYTES" : "NUMBER";
	default:
		return "NAME";
	}
}

static void print_help(void)
{
	char left[80];

	printf("Usage: culvert-client COMMAND [NAME...] [OPTION...]\n"
	       "       culvert-client --connect-to HOST --user NAME [OPTION...]\n"
	       "Dials in to SSTP servers and makes network interfaces of the calls.\n\n");
	for (unsigned int i = CLIENT_UP; i < NB_COMMANDS; i++) {
		snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].args);
		print_row(left, commands[i].help, "");
	}
	printf("\n");
	for (unsigned int i = 0; i < NB_OWN; i++) {
		snprintf(left, sizeof(left), "--%s %s", own[i].name, own[i].arg);
		print_row(left, own[i].help, own[i].dflt);
	}
	printf("\nA connection of the command line, by the names that they have in the file:\n");
	for (unsigned int i = config_nb_options; i < config_nb_all_options; i++) {
		const struct config_option *o = &config_options[i];
		const char *dflt = o->dflt && !strchr("!^", *o->dflt) ? o->dflt : "";

		if (config_option_is_file_only(o))
			continue;
		snprintf(left, sizeof(left), "--%s %s", o->key, argument(o));
		print_row(left, o->help, !strcmp(o->key, "name") ? "" : dflt);
	}
	printf("\nSIGINT or SIGTERM hangs up. Exit status: 0 hung up, 1 local error, 2 usage, 3 "
	       "name,\n"
	       "4 TCP, 5 TLS, 6 HTTP, 7 SSTP, 8 authentication, 9 PPP, 10 address, 11 time out,\n"
	       "12 connection lost, 13 ended by the server, 14 proxy.\n");
}

// --- parsing ---

struct line {
	struct option options[NB_OWN + ARGS_MAX + 1];
	const struct config_option *rows[ARGS_MAX]; // of id OPT_PROPERTY and above
	struct config_arg args[ARGS_MAX];
	unsigned int nb_rows, nb_args;
	bool has_reconnect;
};

static void fill_options(struct line *l)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < NB_OWN; i++)
		l->options[n++] =
			(struct option){own[i].name, own[i].kind, NULL, OPT_FIRST + 1 + (int)i};
	for (unsigned int i = config_nb_options; i < config_nb_all_options; i++) {
		const struct config_option *o = &config_options[i];

		if (config_option_is_file_only(o) || l->nb_rows == ARGS_MAX)
			continue;
		l->options[n++] = (struct option){o->key, o->type == CONFIG_TYPE_BOOL ? FLAG : TEXT,
			NULL, OPT_PROPERTY + (int)l->nb_rows};
		l->rows[l->nb_rows++] = o;
	}
}

static int fail(FILE *err, const char *option, const char *found, const char *expected)
{
	char quoted[120];

	fprintf(err, PROGRAM ": %s: found %s, expected %s\n", option,
		log_quote(quoted, sizeof(quoted), found, strlen(found)), expected);
	return -EINVAL;
}

// "--flag", "--flag=no" and "--flag no".
static const char *flag_value(int argc, char **argv)
{
	bool v;

	if (optarg)
		return optarg;
	return optind < argc && !value_bool(argv[optind], &v) ? argv[optind++] : "yes";
}

static int take_property(struct line *l, int id, int argc, char **argv, FILE *err)
{
	const struct config_option *o = l->rows[id - OPT_PROPERTY];

	if (l->nb_args == ARGS_MAX) {
		fprintf(err, PROGRAM ": too many options\n");
		return -EINVAL;
	}
	l->args[l->nb_args++] = (struct config_arg){
		o->key, o->type == CONFIG_TYPE_BOOL ? flag_value(argc, argv) : optarg};
	return 0;
}

static int take_option(
	struct client_options *o, struct line *l, int id, int argc, char **argv, FILE *err)
{
	const char *v;

	switch (id) {
	case OPT_CONFIG:
		o->config_file = optarg;
		return 0;
	case OPT_RUN_DIR:
		o->run_dir = optarg;
		return 0;
	case OPT_RECONNECT:
		v = flag_value(argc, argv);
		l->has_reconnect = true;
		return value_bool(v, &o->reconnect) ? fail(err, "--reconnect", v, "yes or no") : 0;
	case OPT_LOG_LEVEL:
		return log_set_level(optarg) ? fail(err, "--log-level", optarg,
						       "err, warning, notice, info or debug")
					     : 0;
	case OPT_HELP:
		print_help();
		return 1;
	case OPT_HELP_CONFIG:
	case OPT_HELP_CONFIG_MD:
		client_config_print_help(stdout, id == OPT_HELP_CONFIG_MD);
		return 1;
	case OPT_VERSION:
		printf("culvert-client %s\n", CULVERT_VERSION);
		return 1;
	default:
		// What is no option, getopt_long() has said.
		return id >= OPT_PROPERTY ? take_property(l, id, argc, argv, err) : -EINVAL;
	}
}

static int take_command(struct client_options *o, int argc, char **argv, FILE *err)
{
	if (optind == argc)
		return 0;
	for (unsigned int i = CLIENT_UP; i < NB_COMMANDS; i++)
		if (!strcmp(argv[optind], commands[i].name))
			o->command = (enum client_command)i;
	if (o->command == CLIENT_DIAL)
		return fail(err, "command", argv[optind], "up, down, status, list or check");
	o->names = argv + optind + 1;
	o->nb_names = (unsigned int)(argc - optind - 1);
	return 0;
}

static int check_names(const struct client_options *o, FILE *err)
{
	const char *command = commands[o->command].name;

	if ((o->command == CLIENT_LIST || o->command == CLIENT_CHECK) && o->nb_names)
		return fail(err, command, o->names[0], "no name");
	if (o->command == CLIENT_DOWN && !o->nb_names)
		return fail(err, command, "nothing", "names of connections");
	for (unsigned int i = 0; i < o->nb_names; i++) {
		if (!client_config_find(o->config, o->names[i]))
			return fail(err, command, o->names[i], "a connection of the file");
		for (unsigned int j = 0; j < i; j++)
			if (!strcmp(o->names[i], o->names[j]))
				return fail(err, command, o->names[i], "each connection once");
	}
	return 0;
}

static int load(struct client_options *o, const struct line *l, FILE *err)
{
	if (o->command == CLIENT_DIAL) {
		o->config = client_config_args(PROGRAM, l->args, l->nb_args, err);
		return o->config ? client_options_password(o, o->config->connections, err)
				 : -EINVAL;
	}
	if (l->nb_args) {
		fprintf(err, PROGRAM ": --%s: it belongs into the file, or to a call without %s\n",
			l->args[0].key, commands[o->command].name);
		return -EINVAL;
	}
	o->config = client_config_load(o->config_file, err);
	return o->config ? check_names(o, err) : -EINVAL;
}

int client_options_parse(struct client_options *o, int argc, char **argv, FILE *err)
{
	struct line l = {0};
	int id, rc;

	*o = (struct client_options){.config_file = CONFIG_FILE, .run_dir = RUN_DIR};
	fill_options(&l);
	optind = 0; // from the beginning, in GNU's getopt
	while ((id = getopt_long(argc, argv, "", l.options, NULL)) != -1) {
		rc = take_option(o, &l, id, argc, argv, err);
		if (rc)
			return rc;
	}
	rc = take_command(o, argc, argv, err);
	if (rc)
		return rc;
	if (!l.has_reconnect)
		o->reconnect = o->command == CLIENT_UP;
	rc = load(o, &l, err);
	if (rc)
		client_options_free(o);
	return rc;
}

// --- passwords ---

static int read_password(
	const struct config_connection *c, char *dst, size_t cap, const char **what)
{
	char prompt[320], user[256];

	if (c->password_file) {
		*what = c->password_file;
		return password_from_file(c->password_file, dst, cap);
	}
	if (c->password_env) {
		*what = c->password_env;
		return password_from_env(c->password_env, dst, cap);
	}
	*what = "prompt";
	snprintf(prompt, sizeof(prompt),
		"Password of %s: ", log_quote(user, sizeof(user), c->user, strlen(c->user)));
	return password_from_terminal(prompt, dst, cap);
}

static int proxy_password(struct client_options *o, struct config_connection *c, FILE *err)
{
	char password[OPTIONS_PASSWORD_MAX + 1] = "";
	int rc;

	if (!c->proxy_user || c->proxy_password)
		return 0;
	rc = password_from_file(c->proxy_password_file, password, sizeof(password));
	if (!rc)
		client_config_set_password(o->config, &c->proxy_password, password);
	else
		fprintf(err, PROGRAM ": password: %s: %s\n", c->proxy_password_file,
			rc == -E2BIG ? "longer than 255 bytes" : log_strerror(rc));
	secret_wipe(password, sizeof(password));
	return rc ? -EINVAL : 0;
}

int client_options_password(struct client_options *o, struct config_connection *c, FILE *err)
{
	char password[OPTIONS_PASSWORD_MAX + 1] = "";
	const char *what;
	int rc;

	if (proxy_password(o, c, err))
		return -EINVAL;
	if (c->password)
		return 0;
	rc = read_password(c, password, sizeof(password), &what);
	if (!rc)
		client_config_set_password(o->config, &c->password, password);
	else
		fprintf(err, PROGRAM ": password: %s: %s\n", what,
			rc == -E2BIG                       ? "longer than 255 bytes"
			: rc == -ENOENT && c->password_env ? "not set"
							   : log_strerror(rc));
	secret_wipe(password, sizeof(password));
	return rc ? -EINVAL : 0;
}

void client_options_free(struct client_options *o)
{
	client_config_free(o->config);
	o->config = NULL;
}
