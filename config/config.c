// SPDX-License-Identifier: BSD-3-Clause
#include "config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/secret.h"
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

static struct config *parse_checked(const char *name, const char *buf, size_t n, bool check_files,
	config_check_fn *more, FILE *err)
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
	root = yaml_tree_parse(&tree_arena, buf, n, &report, 0);
	if (root) {
		p = (struct parse){.arena = &f->arena,
			.tree = &tree_arena,
			.report = &report,
			.c = &f->c,
			.check_files = check_files,
			.root = root};
		f->c.file = arena_strndup(&f->arena, name, strlen(name));
		parse_root(&p);
		// Further checks read what the tables promise: only when that holds.
		if (root->kind == YNODE_MAP) {
			parse_check(&p);
			if (more)
				more(&f->c, &(struct config_report){&p});
		}
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

struct config *config_parse(
	const char *name, const char *buf, size_t n, bool check_files, FILE *err)
{
	return parse_checked(name, buf, n, check_files, NULL, err);
}

// Grown by copying, so that what is left behind can be wiped: it holds passwords.
static char *grow(char *buf, size_t n, size_t *cap)
{
	char *more;

	*cap = *cap ? *cap * 2 : 65536;
	more = *cap <= 2 * (size_t)YAML_MAX_BYTES ? malloc(*cap) : NULL;
	if (buf) {
		if (more)
			memcpy(more, buf, n);
		secret_wipe(buf, n);
		free(buf);
	}
	return more;
}

// Whether an open file may be read here; else why not.
static bool may_read(FILE *in, const char *file, bool private, char *why, size_t cap)
{
	struct stat st;

	if (fstat(fileno(in), &st)) {
		snprintf(why, cap, "%s: %s", file, log_strerror(errno));
		return false;
	}
	if (S_ISDIR(st.st_mode)) {
		snprintf(why, cap, "%s: it is a folder", file);
		return false;
	}
	if (private && (st.st_mode & 077)) {
		snprintf(why, cap, "%s with mode %04o", file, (unsigned int)st.st_mode & 07777);
		return false;
	}
	return true;
}

char *parse_read_file(const char *file, size_t *n, bool private, char *why, size_t cap)
{
	FILE *in = fopen(file, "re");
	char *buf = NULL;
	size_t size = 0;

	*n = 0;
	if (!in) {
		snprintf(why, cap, "%s: %s", file, log_strerror(errno));
		return NULL;
	}
	if (!may_read(in, file, private, why, cap))
		goto out;
	do {
		buf = grow(buf, *n, &size);
		if (!buf) {
			snprintf(why, cap, "%s: too big, or out of memory", file);
			goto out;
		}
		*n += fread(buf + *n, 1, size - *n, in);
	} while (*n == size);
	if (ferror(in)) {
		snprintf(why, cap, "%s: %s", file, log_strerror(errno));
		secret_wipe(buf, *n);
		free(buf);
		buf = NULL;
	}
out:
	fclose(in);
	return buf;
}

struct config *config_load(const char *file, FILE *err)
{
	return config_load_checked(file, NULL, err);
}

struct config *config_load_checked(const char *file, config_check_fn *more, FILE *err)
{
	char why[512], *buf;
	struct config *c;
	size_t n;

	buf = parse_read_file(file, &n, false, why, sizeof(why));
	if (!buf) {
		fprintf(err, "%s\n", why);
		return NULL;
	}
	c = parse_checked(file, buf, n, true, more, err);
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
