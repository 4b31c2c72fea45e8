// SPDX-License-Identifier: BSD-3-Clause
#include "config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/secret.h"
#include "config/parse.h"
#include "config/value.h"

// What config_load() returns is the first member of this.
struct config_full {
	struct config c;
	struct arena arena;
	uint32_t *secret_hash; // 1 + index into secrets, 0: empty; open addressing
	uint32_t hash_mask;
};

static void parse_section(struct parse *p, enum config_section s, void *base, const struct ynode *n,
	const struct ynode *at, const char *path);

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

static void make_path(char dst[PARSE_KEY_MAX], const char *parent, const char *key)
{
	char quoted[80];

	log_quote(quoted, sizeof(quoted), key, strlen(key));
	snprintf(dst, PARSE_KEY_MAX, "%.160s%s%s", parent, *parent ? "." : "", quoted);
}

static void refuse_duplicates(struct parse *p, const struct ynode *map, const char *path)
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
		make_path(name, path, keys[i]->value);
		parse_error_found(p, keys[i], name, "a duplicate key",
			"each key once (it is also in line %u)", keys[i - 1]->line);
	}
	free(keys);
}

// Whether n can be gone through as a mapping; an empty value is an empty one.
static bool is_map(struct parse *p, const struct ynode *n, const char *path)
{
	if (!n || n->kind == YNODE_NULL || n->kind == YNODE_BAD)
		return false;
	if (n->kind == YNODE_MAP)
		return true;
	parse_error(p, n, path, "a mapping (KEY: VALUE lines)");
	return false;
}

static void parse_pools(struct parse *p, const struct ynode *n, const char *path)
{
	struct config *c = p->c;
	char key[PARSE_KEY_MAX];

	if (!is_map(p, n, path))
		return;
	refuse_duplicates(p, n, path);
	c->pools = arena_alloc(p->arena, sizeof(*c->pools) * n->n);
	p->pool_nodes = arena_alloc(p->arena, sizeof(*p->pool_nodes) * n->n);
	for (const struct ynode *k = n->first; k; k = k->next) {
		if (k->kind != YNODE_SCALAR)
			continue;
		make_path(key, path, k->value);
		if (!k->len || !strcmp(k->value, "none"))
			parse_error(p, k, path, "a name");
		c->pools[c->nb_pools].name = arena_strndup(p->arena, k->value, k->len);
		p->pool_nodes[c->nb_pools] = k->pair;
		parse_pool(p, &c->pools[c->nb_pools++], k->pair, key);
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

static void parse_profiles(struct parse *p, const struct ynode *n, const char *path)
{
	unsigned int nb = n && n->kind == YNODE_MAP ? n->n : 0;
	struct config *c = p->c;
	char key[PARSE_KEY_MAX];

	c->profiles = arena_alloc(p->arena, sizeof(*c->profiles) * (nb + 2));
	p->profile_nodes = arena_alloc(p->arena, sizeof(*p->profile_nodes) * (nb + 2));
	if (is_map(p, n, path)) {
		refuse_duplicates(p, n, path);
		for (const struct ynode *k = n->first; k; k = k->next) {
			if (k->kind != YNODE_SCALAR)
				continue;
			make_path(key, path, k->value);
			if (!k->len)
				parse_error(p, k, path, "a name");
			c->profiles[c->nb_profiles].name =
				arena_strndup(p->arena, k->value, k->len);
			p->profile_nodes[c->nb_profiles] = k->pair;
			parse_section(p, CONFIG_SECTION_PROFILE, &c->profiles[c->nb_profiles++],
				k->pair, k->pair, key);
		}
	}
	add_builtin_profile(p, "default");
	add_builtin_profile(p, "default-encryption");
}

static void parse_secrets(struct parse *p, const struct ynode *n, const char *path)
{
	struct config *c = p->c;
	char key[PARSE_KEY_MAX];
	unsigned int i = 0;

	if (!n || n->kind == YNODE_NULL || n->kind == YNODE_BAD)
		return;
	if (n->kind != YNODE_LIST) {
		parse_error(p, n, path, "a list of { name: ..., password: ... }");
		return;
	}
	c->secrets = arena_alloc(p->arena, sizeof(*c->secrets) * n->n);
	p->secret_nodes = arena_alloc(p->arena, sizeof(*p->secret_nodes) * n->n);
	for (const struct ynode *it = n->first; it; it = it->next) {
		snprintf(key, sizeof(key), "%.160s[%u]", path, ++i);
		if (it->kind != YNODE_MAP) {
			if (it->kind != YNODE_BAD)
				parse_error(p, it, key, "{ name: ..., password: ... }");
			continue;
		}
		p->secret_nodes[c->nb_secrets] = it;
		parse_section(p, CONFIG_SECTION_SECRET, &c->secrets[c->nb_secrets++], it, it, key);
	}
}

// n: the value, NULL: the key is not there. at: where to report what is missing.
static void parse_option(struct parse *p, const struct config_option *o, void *base,
	const struct ynode *n, const struct ynode *at, const char *key)
{
	struct ynode dflt = {.kind = YNODE_SCALAR, .line = at->line, .column = at->column};
	char expected[256];

	switch (o->type) {
	case CONFIG_TYPE_SECTION:
		parse_section(p, (enum config_section)o->min, (char *)base + o->offset, n,
			n ? n : at, key);
		return;
	case CONFIG_TYPE_POOLS:
		parse_pools(p, n, key);
		return;
	case CONFIG_TYPE_PROFILES:
		parse_profiles(p, n, key);
		return;
	case CONFIG_TYPE_SECRETS:
		parse_secrets(p, n, key);
		return;
	default:
		break;
	}
	if (n) {
		parse_value(p, o, base, n, key);
	} else if (o->dflt && !strcmp(o->dflt, "!")) {
		parse_error_found(p, at, key, "nothing", "%s",
			config_option_expected(expected, sizeof(expected), o));
	} else if (o->dflt) {
		dflt.value = o->dflt;
		dflt.len = strlen(o->dflt);
		parse_value(p, o, base, &dflt, key);
	}
}

static void parse_section(struct parse *p, enum config_section s, void *base, const struct ynode *n,
	const struct ynode *at, const char *path)
{
	char key[PARSE_KEY_MAX], expected[640];
	bool map = is_map(p, n, path);

	// A section that is no mapping was reported: what it lacks is not worth more lines.
	if (n && !map && n->kind != YNODE_NULL)
		return;
	if (map)
		refuse_duplicates(p, n, path);
	for (const struct ynode *k = map ? n->first : NULL; k; k = k->next) {
		if (k->kind != YNODE_SCALAR || config_option_find(s, k->value))
			continue;
		make_path(key, path, k->value);
		parse_error_found(p, k, key, "an unknown key", "%s",
			config_option_unknown(expected, sizeof(expected), s, k->value));
	}
	for (unsigned int i = 0; i < config_nb_options; i++) {
		const struct config_option *o = &config_options[i];

		if (o->section != s)
			continue;
		make_path(key, path, o->key);
		parse_option(p, o, base, map ? ynode_get(n, o->key) : NULL, at, key);
	}
}

static uint32_t hash_name(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	return h ^ h >> 15;
}

static void build_hash(struct config_full *f)
{
	uint32_t size = 16, at;

	while (size < f->c.nb_secrets * 2)
		size *= 2;
	f->secret_hash = arena_alloc(&f->arena, size * sizeof(uint32_t));
	f->hash_mask = size - 1;
	for (uint32_t i = 0; i < f->c.nb_secrets; i++) {
		at = hash_name(f->c.secrets[i].name) & f->hash_mask;
		while (f->secret_hash[at])
			at = (at + 1) & f->hash_mask;
		f->secret_hash[at] = i + 1;
	}
}

struct config *config_parse(
	const char *name, const char *buf, size_t n, bool check_files, FILE *err)
{
	struct arena tree_arena = {0};
	struct config_full *f = calloc(1, sizeof(*f));
	struct report report;
	struct ynode *root;
	struct parse p;

	if (!f) {
		fprintf(err, "%s: out of memory\n", name);
		return NULL;
	}
	report_init(&report, name);
	root = yaml_tree_parse(&tree_arena, buf, n, &report);
	if (root) {
		p = (struct parse){.arena = &f->arena,
			.report = &report,
			.c = &f->c,
			.check_files = check_files,
			.root = root};
		f->c.file = arena_strndup(&f->arena, name, strlen(name));
		parse_section(&p, CONFIG_SECTION_ROOT, &f->c, root, root, "");
		// Further checks read what the tables promise: only when that holds.
		if (root->kind == YNODE_MAP)
			parse_check(&p);
	}
	arena_free(&tree_arena);
	if (report_print(&report, err)) {
		config_free(&f->c);
		f = NULL;
	}
	report_free(&report);
	if (!f)
		return NULL;
	build_hash(f);
	return &f->c;
}

// The whole file. NULL with a line in err.
static char *read_file(const char *file, size_t *n, FILE *err)
{
	FILE *in = fopen(file, "re");
	char *buf = NULL, *more;
	size_t cap = 0;
	struct stat st;

	*n = 0;
	if (!in) {
		fprintf(err, "%s: %s\n", file, log_strerror(errno));
		return NULL;
	}
	if (!fstat(fileno(in), &st) && S_ISDIR(st.st_mode)) {
		fprintf(err, "%s: found a folder, expected a file\n", file);
		goto fail;
	}
	do {
		// Grown by copying, so that what is left behind can be wiped: it holds passwords.
		cap = cap ? cap * 2 : 65536;
		more = cap <= 2 * (size_t)YAML_MAX_BYTES ? malloc(cap) : NULL;
		if (!more) {
			fprintf(err, "%s: too big, or out of memory\n", file);
			goto fail;
		}
		if (buf) {
			memcpy(more, buf, *n);
			secret_wipe(buf, *n);
			free(buf);
		}
		buf = more;
		*n += fread(buf + *n, 1, cap - *n, in);
	} while (*n == cap);
	if (ferror(in)) {
		fprintf(err, "%s: %s\n", file, log_strerror(errno));
		goto fail;
	}
	fclose(in);
	return buf;
fail:
	fclose(in);
	if (buf)
		secret_wipe(buf, *n);
	free(buf);
	return NULL;
}

struct config *config_load(const char *file, FILE *err)
{
	struct config *c;
	char *buf;
	size_t n;

	buf = read_file(file, &n, err);
	if (!buf)
		return NULL;
	c = config_parse(file, buf, n, true, err);
	secret_wipe(buf, n);
	free(buf);
	return c;
}

void config_free(struct config *c)
{
	struct config_full *f = (struct config_full *)c;

	if (!f)
		return;
	arena_free(&f->arena);
	free(f);
}

const struct config_profile *config_profile(const struct config *c, const char *name)
{
	for (unsigned int i = 0; i < c->nb_profiles; i++)
		if (!strcmp(c->profiles[i].name, name))
			return &c->profiles[i];
	return NULL;
}

const struct config_pool *config_pool(const struct config *c, const char *name)
{
	for (unsigned int i = 0; i < c->nb_pools; i++)
		if (!strcmp(c->pools[i].name, name))
			return &c->pools[i];
	return NULL;
}

const struct config_secret *config_secret(const struct config *c, const char *name)
{
	const struct config_full *f = (const struct config_full *)c;
	uint32_t at = hash_name(name) & f->hash_mask;

	for (; f->secret_hash[at]; at = (at + 1) & f->hash_mask)
		if (!strcmp(c->secrets[f->secret_hash[at] - 1].name, name))
			return &c->secrets[f->secret_hash[at] - 1];
	return NULL;
}
