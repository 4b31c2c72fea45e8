// SPDX-License-Identifier: BSD-3-Clause
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

#include "config/parse.h"

// What config_load() returns is the first member of this.
struct config_full {
	struct config c;
	struct arena arena;
	uint32_t *secret_hash; // 1 + index into secrets, 0: empty; open addressing
	uint32_t hash_mask;
};

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

struct config_report {
	struct parse *p;
};

void config_problem(struct config_report *r, const char *section, const char *key, int item,
	const char *found, const char *expected)
{
	const struct ynode *at = ynode_get(r->p->root, section), *value = ynode_get(at, key);
	const struct ynode *nth = value && item >= 0 && value->kind == YNODE_LIST
					  ? ynode_nth(value, (unsigned int)item)
					  : NULL;
	char path[PARSE_KEY_MAX];

	parse_path(path, section, key);
	at = nth ? nth : value ? value : at ? at : r->p->root;
	parse_error_found(r->p, at, path, found, "%s", expected);
}

static void check(struct parse *p)
{
	parse_check(p);
	if (p->more)
		p->more(p->c, &(struct config_report){p});
}

// A configuration to be filled by p; NULL, and a line in err, without memory.
static struct config_full *begin(
	struct parse *p, const char *name, bool check_files, config_check_fn *more, FILE *err)
{
	struct config_full *f = calloc(1, sizeof(*f));

	if (!f) {
		fprintf(err, "%s: out of memory\n", name);
		return NULL;
	}
	f->c.file = arena_strndup(&f->arena, name, strlen(name));
	*p = (struct parse){.section = CONFIG_SECTION_ROOT,
		.base = &f->c,
		.c = &f->c,
		.arena = &f->arena,
		.check = check,
		.more = more,
		.check_files = check_files};
	return f;
}

static struct config *finish(struct config_full *f, bool good)
{
	if (!good) {
		config_free(&f->c);
		return NULL;
	}
	build_hash(f);
	return &f->c;
}

struct config *config_parse(
	const char *name, const char *buf, size_t n, bool check_files, FILE *err)
{
	struct config_full *f;
	struct parse p;

	f = begin(&p, name, check_files, NULL, err);
	return f ? finish(f, parse_document(&p, name, buf, n, err)) : NULL;
}

struct config *config_load(const char *file, FILE *err)
{
	return config_load_checked(file, NULL, err);
}

struct config *config_load_checked(const char *file, config_check_fn *more, FILE *err)
{
	struct config_full *f;
	struct parse p;

	f = begin(&p, file, true, more, err);
	return f ? finish(f, parse_document_file(&p, file, err)) : NULL;
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

const struct config_pool6 *config_pool6(const struct config *c, const char *name)
{
	for (unsigned int i = 0; i < c->nb_pools6; i++)
		if (!strcmp(c->pools6[i].name, name))
			return &c->pools6[i];
	return NULL;
}

int config_filter(const struct config *c, const char *name)
{
	for (unsigned int i = 0; i < c->nb_filters; i++)
		if (!strcmp(c->filters[i].name, name))
			return (int)i;
	return -1;
}

int config_address_list(const struct config *c, const char *name)
{
	for (unsigned int i = 0; i < c->nb_address_lists; i++)
		if (!strcmp(c->address_lists[i].name, name))
			return (int)i;
	return -1;
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
