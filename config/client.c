// SPDX-License-Identifier: BSD-3-Clause
#include "config/client.h"

#include <stdlib.h>
#include <string.h>

#include "config/parse.h"

// What is returned is the first member of this.
struct client_full {
	struct client_config c;
	struct arena arena;
};

static void check(struct parse *p)
{
	parse_client_check(p);
	if (p->check_files)
		parse_client_check_files(p);
}

// A configuration to be filled by p; NULL, and a line in err, without memory.
static struct client_full *begin(struct parse *p, const char *name, bool check_files, FILE *err)
{
	struct client_full *f = calloc(1, sizeof(*f));

	if (!f) {
		fprintf(err, "%s: out of memory\n", name);
		return NULL;
	}
	*p = (struct parse){.section = CONFIG_SECTION_CLIENT_ROOT,
		.base = &f->c,
		.client = &f->c,
		.arena = &f->arena,
		.check = check,
		.check_files = check_files};
	return f;
}

static struct client_config *finish(struct client_full *f, bool good)
{
	if (good)
		return &f->c;
	client_config_free(&f->c);
	return NULL;
}

struct client_config *client_config_parse(
	const char *name, const char *buf, size_t n, bool check_files, FILE *err)
{
	struct client_full *f;
	struct parse p;

	f = begin(&p, name, check_files, err);
	return f ? finish(f, parse_document(&p, name, buf, n, err)) : NULL;
}

struct client_config *client_config_load(const char *file, FILE *err)
{
	struct client_full *f;
	struct parse p;

	f = begin(&p, file, true, err);
	return f ? finish(f, parse_document_file(&p, file, err)) : NULL;
}

// --- the command line ---

// Whether commas part values of a row.
static bool is_list(const struct config_option *o)
{
	return o->type == CONFIG_TYPE_HOSTS || o->type == CONFIG_TYPE_AUTH ||
	       o->type == CONFIG_TYPE_CIPHERS || o->type == CONFIG_TYPE_IP_LIST;
}

static struct ynode *scalar(struct parse *p, const char *s, size_t n)
{
	struct ynode *node = arena_alloc(p->tree, sizeof(*node));

	node->kind = YNODE_SCALAR;
	node->line = node->column = 1;
	node->value = arena_strndup(p->tree, s, n);
	node->len = n;
	return node;
}

static struct ynode *value_node(struct parse *p, const struct config_option *o, const char *s)
{
	struct ynode *list, **next;
	size_t n;

	if (!is_list(o) || !strchr(s, ','))
		return scalar(p, s, strlen(s));
	list = scalar(p, "", 0);
	list->kind = YNODE_LIST;
	next = &list->first;
	for (;; s += n + 1) {
		n = strcspn(s, ",");
		*next = scalar(p, s, n);
		next = &(*next)->next;
		list->n++;
		if (!s[n])
			return list;
	}
}

// The options of one section as a mapping; the last of several counts.
static struct ynode *map_of(
	struct parse *p, enum config_section s, const struct config_arg *args, unsigned int nb)
{
	struct ynode *map = scalar(p, "", 0), *key, **next = &map->first;
	const struct config_option *o;

	map->kind = YNODE_MAP;
	for (unsigned int i = 0; i < nb; i++) {
		bool again = false;

		o = config_option_find(s, args[i].key);
		for (unsigned int j = i + 1; j < nb; j++)
			again = again || !strcmp(args[j].key, args[i].key);
		if (!o || again)
			continue;
		key = scalar(p, args[i].key, strlen(args[i].key));
		key->pair = value_node(p, o, args[i].value);
		*next = key;
		next = &key->next;
		map->n++;
	}
	return map;
}

struct client_config *client_config_args(
	const char *program, const struct config_arg *args, unsigned int nb_args, FILE *err)
{
	struct arena tree = {0};
	struct report report;
	struct client_full *f;
	struct ynode *root;
	struct parse p;
	bool wrong;

	f = begin(&p, program, false, err);
	if (!f)
		return NULL;
	report_init(&report, program);
	p.tree = &tree;
	p.report = &report;
	root = map_of(&p, CONFIG_SECTION_CLIENT, args, nb_args);
	p.root = root;
	parse_client_profiles(&p, NULL, "");
	parse_section(&p, CONFIG_SECTION_CLIENT_PROFILE, &f->c.profiles[0],
		map_of(&p, CONFIG_SECTION_CLIENT_PROFILE, args, nb_args), root, "");
	f->c.connections = arena_alloc(&f->arena, sizeof(*f->c.connections));
	f->c.nb_connections = 1;
	parse_section(&p, CONFIG_SECTION_CLIENT, f->c.connections, root, root, "");
	parse_client_check(&p);
	for (unsigned int i = 0; i < report.nb; i++)
		fprintf(err, "%s: --%s\n", program, report.lines[i].text);
	wrong = report.nb || report.nb_more;
	report_free(&report);
	arena_free(&tree);
	return finish(f, !wrong);
}

void client_config_free(struct client_config *c)
{
	struct client_full *f = (struct client_full *)c;

	if (!f)
		return;
	arena_free(&f->arena);
	free(f);
}

struct config_connection *client_config_find(const struct client_config *c, const char *name)
{
	for (unsigned int i = 0; i < c->nb_connections; i++)
		if (c->connections[i].key && !strcmp(c->connections[i].key, name))
			return &c->connections[i];
	return NULL;
}

void client_config_set_password(struct client_config *c, char **field, const char *password)
{
	struct client_full *f = (struct client_full *)c;

	*field = arena_strndup(&f->arena, password, strlen(password));
}
