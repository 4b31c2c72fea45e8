// SPDX-License-Identifier: BSD-3-Clause
// Files, folders and programs that the configuration names.
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "config/check.h"
#include "config/client.h"

enum kind { READABLE, PROGRAM, FOLDER };

// Why a file is not of a kind, or NULL.
static const char *why_not(const char *file, enum kind kind)
{
	struct stat st;

	if (stat(file, &st))
		return log_strerror(errno);
	if (kind == FOLDER && !S_ISDIR(st.st_mode))
		return "it is no folder";
	if (kind != FOLDER && !S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? "it is a folder" : "it is no ordinary file";
	if (access(file, kind == READABLE ? R_OK : kind == PROGRAM ? X_OK : W_OK | X_OK))
		return log_strerror(errno);
	return NULL;
}

static void check_one(struct parse *p, const char *file, enum kind kind, const struct ynode *at,
	const char *key, const char *expected)
{
	const char *why = file && *file ? why_not(file, kind) : NULL;
	char quoted[160], found[320];

	if (!why)
		return;
	snprintf(found, sizeof(found), "%s (%s)",
		log_quote(quoted, sizeof(quoted), file, strlen(file)), why);
	parse_error_found(p, at, key, found, "%s", expected);
}

static void check_server_files(struct parse *p)
{
	const struct config_sstp_server *s = &p->c->sstp;
	const struct ynode *certs = check_place(p, "sstp-server", "certificate");

	for (unsigned int i = 0; i < s->nb_certs; i++) {
		const char *key = "sstp-server.certificate";
		const struct ynode *at = p->cert_nodes[i] ? p->cert_nodes[i] : certs;

		check_one(p, s->certs[i].cert, READABLE, check_place_in(p, at, "cert"), key,
			"a readable PEM file");
		check_one(p, s->certs[i].key, READABLE, check_place_in(p, at, "key"), key,
			"a readable PEM file");
		check_one(p, s->certs[i].ocsp, READABLE, check_place_in(p, at, "ocsp"), key,
			"a readable OCSP response");
	}
	check_one(p, s->ca, READABLE, check_place(p, "sstp-server", "ca"), "sstp-server.ca",
		"a readable PEM file");
	check_one(p, s->crl, READABLE, check_place(p, "sstp-server", "crl"), "sstp-server.crl",
		"a readable PEM file");
}

static void check_scripts(struct parse *p)
{
	static const char *const expected = "a program that may be run";
	char path[PARSE_KEY_MAX], key[PARSE_KEY_MAX];

	for (unsigned int i = 0; i < p->c->nb_profiles; i++) {
		const struct config_profile *f = &p->c->profiles[i];
		const struct ynode *map = p->profile_nodes[i];

		check_name(path, "ppp-profiles", f->name);
		check_key(key, path, "on-up");
		check_one(p, f->on_up, PROGRAM, check_place_in(p, map, "on-up"), key, expected);
		check_key(key, path, "on-down");
		check_one(p, f->on_down, PROGRAM, check_place_in(p, map, "on-down"), key, expected);
	}
}

// It may have to be made.
static void check_writable(
	struct parse *p, const char *file, const struct ynode *at, const char *key)
{
	char *copy;

	if (!file || !access(file, W_OK))
		return;
	copy = strdup(file);
	if (errno != ENOENT || !copy || access(dirname(copy), W_OK))
		parse_error(p, at, key, "a file that can be written");
	free(copy);
}

static void check_connection_files(
	struct parse *p, const struct config_connection *c, const struct ynode *map)
{
	const struct ynode *cert = check_place_in(p, map, "certificate");
	char path[PARSE_KEY_MAX], key[PARSE_KEY_MAX];

	check_name(path, "sstp-client", c->key);
	check_key(key, path, "certificate");
	check_one(p, c->certificate.cert, READABLE, check_place_in(p, cert, "cert"), key,
		"a readable PEM file");
	check_one(p, c->certificate.key, READABLE, check_place_in(p, cert, "key"), key,
		"a readable PEM file");
	check_key(key, path, "ca");
	check_one(p, c->ca, READABLE, check_place_in(p, map, "ca"), key, "a readable PEM file");
	check_key(key, path, "password-file");
	check_one(p, c->password_file, READABLE, check_place_in(p, map, "password-file"), key,
		"a readable file");
	check_key(key, path, "proxy-password-file");
	check_one(p, c->proxy_password_file, READABLE,
		check_place_in(p, map, "proxy-password-file"), key, "a readable file");
	check_key(key, path, "keylog-file");
	check_writable(p, c->keylog_file, check_place_in(p, map, "keylog-file"), key);
}

static void check_client_scripts(
	struct parse *p, const struct config_client_profile *f, const struct ynode *map)
{
	static const char *const expected = "a program that may be run";
	char path[PARSE_KEY_MAX], key[PARSE_KEY_MAX];

	// Where it is not given it is another's, which is checked there.
	if (!map)
		return;
	check_name(path, "ppp-profiles", f->name);
	check_key(key, path, "on-up");
	if (ynode_get(map, "on-up"))
		check_one(p, f->on_up, PROGRAM, ynode_get(map, "on-up"), key, expected);
	check_key(key, path, "on-down");
	if (ynode_get(map, "on-down"))
		check_one(p, f->on_down, PROGRAM, ynode_get(map, "on-down"), key, expected);
}

void parse_client_check_files(struct parse *p)
{
	for (unsigned int i = 0; i < p->client->nb_profiles; i++)
		check_client_scripts(p, &p->client->profiles[i], p->client_profile_nodes[i]);
	for (unsigned int i = 0; i < p->client->nb_connections; i++)
		check_connection_files(p, &p->client->connections[i], p->client_nodes[i]);
}

void check_files(struct parse *p)
{
	const struct ynode *state = ynode_get(p->root, "state-dir");

	check_server_files(p);
	check_scripts(p);
	check_writable(
		p, p->c->tls.keylog_file, check_place(p, "tls", "keylog-file"), "tls.keylog-file");
	if (state)
		check_one(p, p->c->state_dir, FOLDER, state, "state-dir",
			"a folder that can be written");
}
