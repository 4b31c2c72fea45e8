// SPDX-License-Identifier: BSD-3-Clause
// culvert-client: SSTP calls, and network interfaces made of them.
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/scripts.h"
#include "client/control.h"
#include "client/dns.h"
#include "client/notes.h"
#include "client/options.h"
#include "client/session.h"
#include "client/tunnel.h"

#define LOG_TYPE "client"

#define EXIT_USAGE 2
#define EXIT_NOT_UP 3 // of status, as init scripts have it
#define DOWN_MS 20000
#define STATUS_MS 3000
#define ANSWER_CAP 2048
#define SCRIPTS_GRACE_MS 10000

struct line { // a connection that is dialed
	struct client *client;
	struct session *session;
	struct control *control;
	bool ended;
};

struct client {
	struct client_options o;
	struct ev_loop *loop;
	ev_signal sigint, sigterm, sighup;
	struct scripts *scripts;
	struct notes notes; // of a connection without a name
	struct line *lines;
	unsigned int nb_lines;
	int status;
};

// --- dialing ---

static void on_ended(void *user, int status)
{
	struct line *l = user;
	struct client *c = l->client;

	l->ended = true;
	control_destroy(l->control);
	l->control = NULL;
	if (!c->status)
		c->status = status;
	for (unsigned int i = 0; i < c->nb_lines; i++)
		if (!c->lines[i].ended)
			return;
	ev_break(c->loop, EVBREAK_ALL);
}

static const struct session_ops session_ops = {.ended = on_ended};

static const char *on_status(void *user, char *dst, size_t cap)
{
	const struct line *l = user;

	return session_status(l->session, dst, cap);
}

static void on_down(void *user)
{
	struct line *l = user;

	session_hangup(l->session);
}

static const struct control_ops control_ops = {.status = on_status, .down = on_down};

static void on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
	struct client *c = w->data;

	for (unsigned int i = 0; i < c->nb_lines; i++)
		session_hangup(c->lines[i].session);
}

static void watch_signal(struct client *c, ev_signal *w, int signum)
{
	ev_signal_init(w, on_signal, signum);
	w->data = c;
	ev_signal_start(c->loop, w);
}

// Its socket and its interface. 0 or an exit status.
static int open_line(struct client *c, struct config_connection *conf)
{
	struct line *l = &c->lines[c->nb_lines];
	char err[256], stem[NOTES_STEM_MAX];
	const char *notes = c->notes.lock >= 0 ? c->notes.stem : NULL;
	int rc;

	l->client = c;
	if (conf->key) {
		l->control = control_create(
			c->loop, c->o.run_dir, conf->key, &control_ops, l, &rc, err, sizeof(err));
		if (!l->control) {
			LOG(LOG_ERR, "%s: %s", conf->key, err);
			return 1;
		}
	}
	// The lock that control_create() took is for the notes as well.
	if (conf->key && snprintf(stem, sizeof(stem), "%s/client-%s", c->o.run_dir, conf->key) <
				 (int)sizeof(stem))
		notes = stem;
	l->session = session_create(c->loop, conf, c->o.reconnect, notes, &session_ops, l, &rc);
	if (!l->session) {
		control_destroy(l->control);
		l->control = NULL;
		return rc;
	}
	c->nb_lines++;
	return 0;
}

static int open_all(struct client *c)
{
	struct client_config *f = c->o.config;
	int rc = 0;

	if (c->o.command == CLIENT_DIAL)
		return open_line(c, f->connections);
	for (unsigned int i = 0; i < c->o.nb_names && !rc; i++) {
		struct config_connection *conf = client_config_find(f, c->o.names[i]);

		if (conf->disabled)
			fprintf(stderr, "culvert-client: up: %s is disabled\n", conf->key);
		rc = conf->disabled                                 ? 1
		     : client_options_password(&c->o, conf, stderr) ? EXIT_USAGE
								    : open_line(c, conf);
	}
	for (unsigned int i = 0; i < f->nb_connections && !rc && !c->o.nb_names; i++) {
		if (f->connections[i].disabled)
			continue;
		rc = client_options_password(&c->o, &f->connections[i], stderr)
			     ? EXIT_USAGE
			     : open_line(c, &f->connections[i]);
	}
	return rc;
}

// What runs the profiles' programs, and those that keep name servers. 0 or an exit status.
static int make_scripts(struct client *c)
{
	const struct scripts_conf conf = {.limit_ms = SCRIPTS_LIMIT_MS,
		.at_once = SCRIPTS_AT_ONCE,
		.queue_max = 32 + 12 * c->o.config->nb_connections};
	char err[200];

	c->scripts = scripts_create(&conf, err, sizeof(err));
	if (!c->scripts)
		LOG(LOG_ERR, "%s", err);
	return c->scripts ? 0 : 1;
}

// Of the connection that sets the noted record itself, so that one comes after the other; 0: none.
static uint64_t key_of(const struct client *c, const char *note)
{
	char record[DNS_RECORD_MAX], own[DNS_RECORD_MAX];

	if (!dns_noted(note, record))
		return 0;
	for (unsigned int i = 0; i < c->nb_lines; i++)
		if (dns_record(session_interface(c->lines[i].session), own) && !strcmp(record, own))
			return i + 1;
	return 0;
}

// Of a call without a name whose process crashed.
static bool take_back(void *user, const char *stem)
{
	struct client *c = user;
	char file[NOTES_STEM_MAX + 8];
	bool under_way;

	snprintf(file, sizeof(file), "%s.dns", stem);
	under_way = dns_take_back("", file, c->scripts, key_of(c, file));
	snprintf(file, sizeof(file), "%s.route", stem);
	return tunnel_take_back(file) && !under_way;
}

// Now that the programs have ended.
static bool is_taken_back(void *user, const char *stem)
{
	return !notes_left(stem);
}

static void open_notes(struct client *c)
{
	int rc;

	if (c->o.command != CLIENT_DIAL)
		return;
	rc = notes_open(&c->notes, c->o.run_dir);
	if (rc)
		LOG_ERRNO(LOG_INFO, rc, "%s: a crash would leave what it leaves", c->o.run_dir);
}

static int dial(struct client *c)
{
	int rc;

	c->loop = ev_default_loop(EVFLAG_AUTO);
	c->lines = calloc(c->o.config->nb_connections + 1, sizeof(*c->lines));
	if (!c->loop || !c->lines) {
		LOG(LOG_ERR, "no event loop");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	rc = make_scripts(c);
	if (rc)
		return rc;
	open_notes(c);
	rc = open_all(c);
	notes_sweep(c->o.run_dir, take_back, c);
	if (!rc && !c->nb_lines) {
		fprintf(stderr, "culvert-client: up: no connection of the file is to be dialed\n");
		rc = 1;
	}
	if (rc)
		return rc;
	watch_signal(c, &c->sigint, SIGINT);
	watch_signal(c, &c->sigterm, SIGTERM);
	watch_signal(c, &c->sighup, SIGHUP);
	for (unsigned int i = 0; i < c->nb_lines; i++) {
		session_set_scripts(c->lines[i].session, c->scripts, i + 1);
		session_start(c->lines[i].session);
	}
	ev_run(c->loop, 0);
	return c->status;
}

// --- commands to those that are dialed ---

static int down(const struct client *c, const char *name)
{
	char answer[ANSWER_CAP];
	int rc = control_ask(c->o.run_dir, name, "down", DOWN_MS, answer, sizeof(answer));

	if (rc == -ENOENT) {
		printf("%s: it is not dialed\n", name);
		return 0;
	}
	if (rc)
		fprintf(stderr, "culvert-client: down: %s: %s\n", name, log_strerror(rc));
	return rc ? 1 : 0;
}

// Returns whether it is up; -errno when that cannot be told.
static int ask_status(const struct client *c, const char *name, char *answer, size_t cap)
{
	int rc = control_ask(c->o.run_dir, name, "status", STATUS_MS, answer, cap);

	answer[strcspn(answer, "\n")] = '\0';
	if (rc == -ENOENT)
		snprintf(answer, cap, "state=down");
	else if (rc)
		return rc;
	return !strncmp(answer, "state=up ", 9);
}

static int status(const struct client *c, const char *name)
{
	char answer[ANSWER_CAP];
	int rc = ask_status(c, name, answer, sizeof(answer));

	if (rc < 0) {
		fprintf(stderr, "culvert-client: status: %s: %s\n", name, log_strerror(rc));
		return 1;
	}
	printf("%s %s\n", name, answer);
	return rc ? 0 : EXIT_NOT_UP;
}

static void list(const struct client *c, const struct config_connection *conf)
{
	char answer[ANSWER_CAP], user[300], comment[400];
	int rc = ask_status(c, conf->key, answer, sizeof(answer));

	printf("%s %.*s connect-to=", conf->key, rc < 0 ? 7 : (int)strcspn(answer, " "),
		rc < 0 ? "state=?" : answer);
	for (unsigned int i = 0; i < conf->nb_hosts; i++)
		printf("%s%s", i ? "," : "", conf->hosts[i]);
	printf(" user=%s%s", log_quote(user, sizeof(user), conf->user, strlen(conf->user)),
		conf->disabled ? " disabled=yes" : "");
	if (conf->comment && *conf->comment)
		printf(" comment=%s",
			log_quote(comment, sizeof(comment), conf->comment, strlen(conf->comment)));
	printf("\n");
}

typedef int command_fn(const struct client *c, const char *name);

// For those named, or all of the file. The first that went wrong decides.
static int for_each(const struct client *c, command_fn *command)
{
	const struct client_config *f = c->o.config;
	int first = 0, rc;

	for (unsigned int i = 0; i < c->o.nb_names; i++) {
		rc = command(c, c->o.names[i]);
		first = first ? first : rc;
	}
	for (unsigned int i = 0; i < f->nb_connections && !c->o.nb_names; i++) {
		rc = command(c, f->connections[i].key);
		first = first ? first : f->connections[i].disabled ? 0 : rc;
	}
	return first;
}

static int run(struct client *c)
{
	switch (c->o.command) {
	case CLIENT_DIAL:
	case CLIENT_UP:
		return dial(c);
	case CLIENT_DOWN:
		return for_each(c, down);
	case CLIENT_STATUS:
		return for_each(c, status);
	case CLIENT_LIST:
		for (unsigned int i = 0; i < c->o.config->nb_connections; i++)
			list(c, &c->o.config->connections[i]);
		return 0;
	default: // check: it was loaded
		printf("%s: %u connections\n", c->o.config_file, c->o.config->nb_connections);
		return 0;
	}
}

int main(int argc, char **argv)
{
	static struct client c = {.notes = {.lock = -1}};
	int rc = client_options_parse(&c.o, argc, argv, stderr);

	if (rc)
		return rc > 0 ? 0 : EXIT_USAGE;
	rc = run(&c);
	scripts_destroy(c.scripts, SCRIPTS_GRACE_MS);
	if (c.lines)
		notes_sweep(c.o.run_dir, is_taken_back, &c);
	for (unsigned int i = 0; i < c.nb_lines; i++) {
		session_destroy(c.lines[i].session);
		control_destroy(c.lines[i].control);
	}
	notes_close(&c.notes);
	free(c.lines);
	if (c.loop)
		ev_loop_destroy(c.loop);
	client_options_free(&c.o);
	return rc;
}
