// SPDX-License-Identifier: BSD-3-Clause
// What stands under names (pools, lists, filters, profiles) and the lists of users.
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "config/parse.h"
#include "config/value.h"

// Room for one structure for each key of the mapping n, and `more`, each with its node; the number
// of keys is returned, 0 when n is no mapping.
static unsigned int make_room(struct parse *p, const struct ynode *n, const char *path,
	unsigned int more, size_t size, void **array, const struct ynode ***nodes)
{
	unsigned int nb = parse_is_map(p, n, path) ? n->n : 0;

	*array = arena_alloc(p->arena, size * (nb + more));
	*nodes = arena_alloc(p->tree, sizeof(**nodes) * (nb + more));
	if (nb)
		parse_refuse_duplicates(p, n, path);
	return nb;
}

// The name that a key is. path: that of the mapping; key is filled with the full name.
static char *take_name(
	struct parse *p, const struct ynode *k, const char *path, char key[PARSE_KEY_MAX])
{
	parse_path(key, path, k->value);
	// "none" means no name at all wherever one of these is asked for, which a profile never is.
	if (!k->len || (strcmp(path, "ppp-profiles") != 0 && !strcmp(k->value, "none")))
		parse_error(p, k, path, "a name");
	return parse_copy(p, k);
}

#define FOR_EACH_KEY(k, map)                                                        \
	for (const struct ynode *k = (map) ? (map)->first : NULL; k; k = (k)->next) \
		if ((k)->kind == YNODE_SCALAR)

void parse_pools(struct parse *p, const struct ynode *n, const char *path)
{
	struct config *c = p->c;
	char key[PARSE_KEY_MAX];
	struct config_pool *pool;

	if (!make_room(p, n, path, 0, sizeof(*pool), (void **)&c->pools, &p->pool_nodes))
		return;
	FOR_EACH_KEY(k, n)
	{
		p->pool_nodes[c->nb_pools] = k->pair;
		pool = &c->pools[c->nb_pools++];
		pool->name = take_name(p, k, path, key);
		if (k->pair->kind == YNODE_MAP)
			parse_section(p, CONFIG_SECTION_POOL, pool, k->pair, k->pair, key);
		else
			parse_value(p, config_option_find(CONFIG_SECTION_POOL, "ranges"), pool,
				k->pair, key);
	}
}

void parse_pools6(struct parse *p, const struct ynode *n, const char *path)
{
	struct config *c = p->c;
	char key[PARSE_KEY_MAX];
	struct config_pool6 *pool;

	if (!make_room(p, n, path, 0, sizeof(*pool), (void **)&c->pools6, &p->pool6_nodes))
		return;
	FOR_EACH_KEY(k, n)
	{
		p->pool6_nodes[c->nb_pools6] = k->pair;
		pool = &c->pools6[c->nb_pools6++];
		pool->name = take_name(p, k, path, key);
		parse_section(p, CONFIG_SECTION_POOL6, pool, k->pair, k->pair, key);
		if (pool->length && pool->length < pool->plen)
			parse_error_found(p, k->pair, key, "a prefix longer than prefix-length",
				"a prefix that prefixes of %u bits fit in", pool->length);
	}
}

static void parse_list(
	struct parse *p, struct config_address_list *list, const struct ynode *n, const char *key)
{
	struct config_prefix *prefix;

	if (n->kind != YNODE_LIST && n->kind != YNODE_SCALAR) {
		if (n->kind != YNODE_BAD)
			parse_error(p, n, key, "a list of addresses and prefixes ([]: empty)");
		return;
	}
	list->prefixes = arena_alloc(p->arena, sizeof(*prefix) * (n->n ? n->n : 1));
	FOR_EACH(it, n)
	{
		prefix = &list->prefixes[list->nb_prefixes];
		if (it->kind == YNODE_BAD)
			continue;
		if (it->kind != YNODE_SCALAR ||
			value_network(it->value, &prefix->addr, &prefix->plen))
			parse_error(p, it, key, "an address, or ADDRESS/LENGTH without host bits");
		else
			list->nb_prefixes++;
	}
}

void parse_address_lists(struct parse *p, const struct ynode *n, const char *path)
{
	struct config *c = p->c;
	char key[PARSE_KEY_MAX];
	const struct ynode **nodes;

	if (!make_room(
		    p, n, path, 0, sizeof(*c->address_lists), (void **)&c->address_lists, &nodes))
		return;
	FOR_EACH_KEY(k, n)
	{
		if (c->nb_address_lists == CONFIG_MAX_LISTS) {
			parse_error(p, k, path, "at most %u lists", CONFIG_MAX_LISTS);
			return;
		}
		c->address_lists[c->nb_address_lists].name = take_name(p, k, path, key);
		parse_list(p, &c->address_lists[c->nb_address_lists++], k->pair, key);
	}
}

static void parse_filter(
	struct parse *p, struct config_filter *f, const struct ynode *n, const char *path)
{
	char key[PARSE_KEY_MAX];

	if (n->kind != YNODE_LIST) {
		if (n->kind != YNODE_BAD)
			parse_error(p, n, path, "a list of { action: ... }");
		return;
	}
	if (n->n > CONFIG_MAX_RULES) {
		parse_error_found(p, n, path, "too many rules", "at most %u", CONFIG_MAX_RULES);
		return;
	}
	f->rules = arena_alloc(p->arena, sizeof(*f->rules) * (n->n ? n->n : 1));
	for (const struct ynode *it = n->first; it; it = it->next) {
		snprintf(key, sizeof(key), "%.160s[%u]", path, f->nb_rules + 1);
		if (it->kind == YNODE_MAP)
			parse_section(p, CONFIG_SECTION_RULE, &f->rules[f->nb_rules], it, it, key);
		else if (it->kind != YNODE_BAD)
			parse_error(p, it, key, "{ action: ... }");
		f->nb_rules++;
	}
}

void parse_filters(struct parse *p, const struct ynode *n, const char *path)
{
	struct config *c = p->c;
	char key[PARSE_KEY_MAX];

	if (!make_room(p, n, path, 0, sizeof(*c->filters), (void **)&c->filters, &p->filter_nodes))
		return;
	FOR_EACH_KEY(k, n)
	{
		if (c->nb_filters == CONFIG_MAX_FILTERS) {
			parse_error(p, k, path, "at most %u filters", CONFIG_MAX_FILTERS);
			return;
		}
		p->filter_nodes[c->nb_filters] = k->pair;
		c->filters[c->nb_filters].name = take_name(p, k, path, key);
		parse_filter(p, &c->filters[c->nb_filters++], k->pair, key);
	}
}

static void add_builtin_profile(struct parse *p, const char *name)
{
	struct config *c = p->c;
	struct config_profile *profile;

	if (config_profile(c, name))
		return;
	profile = &c->profiles[c->nb_profiles++];
	profile->name = arena_strndup(p->arena, name, strlen(name));
	parse_section(p, CONFIG_SECTION_PROFILE, profile, NULL, p->root, name);
}

void parse_profiles(struct parse *p, const struct ynode *n, const char *path)
{
	struct config *c = p->c;
	char key[PARSE_KEY_MAX];
	struct config_profile *profile;

	if (make_room(p, n, path, 2, sizeof(*profile), (void **)&c->profiles, &p->profile_nodes)) {
		FOR_EACH_KEY(k, n)
		{
			p->profile_nodes[c->nb_profiles] = k->pair;
			profile = &c->profiles[c->nb_profiles++];
			profile->name = take_name(p, k, path, key);
			parse_section(p, CONFIG_SECTION_PROFILE, profile, k->pair, k->pair, key);
		}
	}
	add_builtin_profile(p, "default");
	add_builtin_profile(p, "default-encryption");
}

// Append the users of the list n.
static void add_secrets(struct parse *p, const struct ynode *n, const char *path)
{
	unsigned int nb = p->c->nb_secrets, i = 0;
	struct config_secret *secrets = arena_alloc(p->arena, sizeof(*secrets) * (nb + n->n));
	const struct ynode **nodes = arena_alloc(p->tree, sizeof(*nodes) * (nb + n->n));
	unsigned int *numbers = arena_alloc(p->tree, sizeof(*numbers) * (nb + n->n));
	char key[PARSE_KEY_MAX];

	if (nb) {
		memcpy(secrets, p->c->secrets, sizeof(*secrets) * nb);
		memcpy(nodes, p->secret_nodes, sizeof(*nodes) * nb);
		memcpy(numbers, p->secret_numbers, sizeof(*numbers) * nb);
	}
	for (const struct ynode *it = n->first; it; it = it->next) {
		snprintf(key, sizeof(key), "%.160s[%u]", path, ++i);
		if (it->kind != YNODE_MAP) {
			if (it->kind != YNODE_BAD)
				parse_error(p, it, key, "{ name: ..., password: ... }");
			continue;
		}
		nodes[nb] = it;
		numbers[nb] = i;
		parse_section(p, CONFIG_SECTION_SECRET, &secrets[nb++], it, it, key);
	}
	p->c->secrets = secrets;
	p->c->nb_secrets = nb;
	p->secret_nodes = nodes;
	p->secret_numbers = numbers;
}

void parse_secrets(struct parse *p, const struct ynode *n, const char *path)
{
	if (!n || n->kind == YNODE_NULL || n->kind == YNODE_BAD)
		return;
	if (n->kind != YNODE_LIST)
		parse_error(p, n, path, "a list of { name: ..., password: ... }");
	else
		add_secrets(p, n, path);
}

void parse_secrets_file(struct parse *p, const struct ynode *n, const char *path)
{
	char found[256], *buf;
	struct ynode *list;
	struct stat st;
	size_t len;

	if (!n || n->kind == YNODE_BAD || parse_is_word(n, "none"))
		return;
	if (n->kind != YNODE_SCALAR || !n->len) {
		parse_error(p, n, path, "a file name or none");
		return;
	}
	p->c->secrets_file = parse_copy(p, n);
	if (!p->check_files)
		return;
	buf = parse_read_file(p->c->secrets_file, &len, true, &st, found, sizeof(found));
	if (!buf) {
		parse_error_found(p, n, path, found,
			"a file with a list of users that only its owner may read (mode 0600)");
		return;
	}
	p->report->file[1] = p->c->secrets_file;
	list = yaml_tree_parse(p->tree, buf, len, p->report, 1);
	secret_wipe(buf, len);
	free(buf);
	if (list)
		parse_secrets(p, list, "ppp-secrets");
}
