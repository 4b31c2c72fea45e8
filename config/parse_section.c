// SPDX-License-Identifier: BSD-3-Clause
// Sections: by the option table, under names, and in lists.
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/parse.h"

static int by_key(const void *a, const void *b)
{
	const struct ynode *const *x = a, *const *y = b;
	int d = strcmp((*x)->value, (*y)->value);

	if (d)
		return d;
	// Later ones last: those are the duplicates. Keys of one line differ by column.
	if ((*x)->line != (*y)->line)
		return (*x)->line < (*y)->line ? -1 : 1;
	return (*x)->column < (*y)->column ? -1 : 1;
}

void parse_path(char dst[PARSE_KEY_MAX], const char *parent, const char *key)
{
	char quoted[80];

	log_quote(quoted, sizeof(quoted), key, strlen(key));
	snprintf(dst, PARSE_KEY_MAX, "%.160s%s%s", parent, *parent ? "." : "", quoted);
}

void parse_refuse_duplicates(struct parse *p, const struct ynode *map, const char *path)
{
	const struct ynode **keys;
	char name[PARSE_KEY_MAX];
	unsigned int n = 0;

	keys = calloc(map->n ? map->n : 1, sizeof(*keys));
	if (!keys)
		return;
	for (const struct ynode *k = map->first; k; k = k->next)
		if (k->kind == YNODE_SCALAR)
			keys[n++] = k;
	qsort(keys, n, sizeof(*keys), by_key);
	for (unsigned int i = 1; i < n; i++) {
		if (strcmp(keys[i - 1]->value, keys[i]->value))
			continue;
		parse_path(name, path, keys[i]->value);
		parse_error_found(p, keys[i], name, "a duplicate key",
			"each key once (it is also in line %u)", keys[i - 1]->line);
	}
	free(keys);
}

bool parse_is_map(struct parse *p, const struct ynode *n, const char *path)
{
	if (!n || n->kind == YNODE_NULL || n->kind == YNODE_BAD)
		return false;
	if (n->kind == YNODE_MAP)
		return true;
	parse_error(p, n, path, "a mapping (KEY: VALUE lines)");
	return false;
}

// Types that are sections of their own, or many. n: NULL when the key is not there.
static bool parse_subsection(struct parse *p, const struct config_option *o, void *base,
	const struct ynode *n, const struct ynode *at, const char *key)
{
	switch (o->type) {
	case CONFIG_TYPE_SECTION:
		parse_section(p, (enum config_section)o->min, (char *)base + o->offset, n,
			n ? n : at, key);
		return true;
	case CONFIG_TYPE_POOLS:
		parse_pools(p, n, key);
		return true;
	case CONFIG_TYPE_POOLS6:
		parse_pools6(p, n, key);
		return true;
	case CONFIG_TYPE_LISTS:
		parse_address_lists(p, n, key);
		return true;
	case CONFIG_TYPE_FILTERS:
		parse_filters(p, n, key);
		return true;
	case CONFIG_TYPE_PROFILES:
		parse_profiles(p, n, key);
		return true;
	case CONFIG_TYPE_SECRETS:
		parse_secrets(p, n, key);
		return true;
	case CONFIG_TYPE_SECRETS_FILE:
		parse_secrets_file(p, n, key);
		return true;
	case CONFIG_TYPE_CLIENTS:
		parse_clients(p, n, key);
		return true;
	case CONFIG_TYPE_CLIENT_PROFILES:
		parse_client_profiles(p, n, key);
		return true;
	default:
		return false;
	}
}

// n: the value, NULL: the key is not there. at: where to report what is missing.
static void parse_option(struct parse *p, const struct config_option *o, void *base,
	const struct ynode *n, const struct ynode *at, const char *key)
{
	struct ynode dflt = {
		.kind = YNODE_SCALAR, .file = at->file, .line = at->line, .column = at->column};
	char expected[256];

	if (parse_subsection(p, o, base, n, at, key))
		return;
	if (o->type == CONFIG_TYPE_TIMEOUT)
		*(uint32_t *)((char *)base + o->offset) = CONFIG_UNSET;
	if (n) {
		parse_value(p, o, base, n, key);
	} else if (o->dflt && !strcmp(o->dflt, "!")) {
		parse_error_found(p, at, key, "nothing", "%s",
			config_option_expected(expected, sizeof(expected), o));
	} else if (o->dflt && strcmp(o->dflt, "^") != 0) {
		dflt.value = o->dflt;
		dflt.len = strlen(o->dflt);
		parse_value(p, o, base, &dflt, key);
	}
}

void parse_section(struct parse *p, enum config_section s, void *base, const struct ynode *n,
	const struct ynode *at, const char *path)
{
	char key[PARSE_KEY_MAX], expected[1200];
	const char *found;
	bool map = parse_is_map(p, n, path);

	// A section that is no mapping was reported: what it lacks is not worth more lines.
	if (n && !map && n->kind != YNODE_NULL)
		return;
	if (map)
		parse_refuse_duplicates(p, n, path);
	for (const struct ynode *k = map ? n->first : NULL; k; k = k->next) {
		if (k->kind != YNODE_SCALAR || config_option_find(s, k->value))
			continue;
		parse_path(key, path, k->value);
		config_option_unknown(expected, sizeof(expected), s, k->value, &found);
		parse_error_found(p, k, key, found, "%s", expected);
	}
	for (unsigned int i = 0; i < config_nb_all_options; i++) {
		const struct config_option *o = &config_options[i];

		if (o->section != s)
			continue;
		parse_path(key, path, o->key);
		parse_option(p, o, base, map ? ynode_get(n, o->key) : NULL, at, key);
	}
}
