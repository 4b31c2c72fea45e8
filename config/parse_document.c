// SPDX-License-Identifier: BSD-3-Clause
// A whole file, culvertd's or culvert-client's: read, parsed from its root section on, checked.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "config/parse.h"

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
static bool may_read(
	FILE *in, const char *file, bool private, struct stat *st, char *why, size_t cap)
{
	if (fstat(fileno(in), st)) {
		snprintf(why, cap, "%s: %s", file, log_strerror(errno));
		return false;
	}
	if (S_ISDIR(st->st_mode)) {
		snprintf(why, cap, "%s: it is a folder", file);
		return false;
	}
	if (private && (st->st_mode & 077)) {
		snprintf(why, cap, "%s with mode %04o", file, (unsigned int)st->st_mode & 07777);
		return false;
	}
	return true;
}

char *parse_read_file(
	const char *file, size_t *n, bool private, struct stat *st, char *why, size_t cap)
{
	FILE *in = fopen(file, "re");
	char *buf = NULL;
	size_t size = 0;

	*n = 0;
	if (!in) {
		snprintf(why, cap, "%s: %s", file, log_strerror(errno));
		return NULL;
	}
	if (!may_read(in, file, private, st, why, cap))
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

bool parse_document(struct parse *p, const char *name, const char *buf, size_t n, FILE *err)
{
	struct arena tree = {0};
	struct report report;
	struct ynode *root;
	bool good;

	report_init(&report, name);
	p->tree = &tree;
	p->report = &report;
	root = yaml_tree_parse(&tree, buf, n, &report, 0);
	p->root = root;
	if (root) {
		parse_section(p, p->section, p->base, root, root, "");
		// Further checks read what the tables promise: only when that holds.
		if (root->kind == YNODE_MAP)
			p->check(p);
	}
	arena_free(&tree);
	good = !report_print(&report, err);
	report_free(&report);
	return good;
}

bool parse_document_file(struct parse *p, const char *file, FILE *err)
{
	char why[512], *buf;
	struct stat st;
	bool good;
	size_t n;

	buf = parse_read_file(file, &n, false, &st, why, sizeof(why));
	if (!buf) {
		fprintf(err, "%s\n", why);
		return false;
	}
	p->file_mode = st.st_mode & 07777;
	good = parse_document(p, file, buf, n, err);
	secret_wipe(buf, n);
	free(buf);
	return good;
}
