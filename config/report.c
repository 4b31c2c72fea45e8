// SPDX-License-Identifier: BSD-3-Clause
#include "config/report.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void report_init(struct report *r, const char *file)
{
	memset(r, 0, sizeof(*r));
	r->file[0] = file;
}

static struct report_line *report_grow(struct report *r)
{
	struct report_line *lines;
	unsigned int cap;

	if (r->nb >= REPORT_MAX)
		return NULL;
	if (r->nb == r->cap) {
		cap = r->cap ? r->cap * 2 : 16;
		lines = realloc(r->lines, cap * sizeof(*lines));
		if (!lines)
			return NULL;
		r->lines = lines;
		r->cap = cap;
	}
	return &r->lines[r->nb];
}

void report_add(struct report *r, unsigned int file, unsigned int line, unsigned int column,
	const char *key, const char *found, const char *expected)
{
	struct report_line *l = report_grow(r);
	bool named = key && *key;
	char *text;

	if (!l || asprintf(&text, "%s%sfound %s, expected %s", named ? key : "", named ? ": " : "",
			  found, expected) < 0) {
		r->nb_more++;
		return;
	}
	*l = (struct report_line){
		.file = file, .line = line, .column = column, .seq = r->nb++, .text = text};
}

static int by_position(const void *a, const void *b)
{
	const struct report_line *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	return x->seq < y->seq ? -1 : 1;
}

unsigned int report_print(struct report *r, FILE *out)
{
	if (r->nb)
		qsort(r->lines, r->nb, sizeof(r->lines[0]), by_position);
	for (unsigned int i = 0; i < r->nb; i++)
		fprintf(out, "%s:%u:%u: %s\n", r->file[r->lines[i].file], r->lines[i].line,
			r->lines[i].column, r->lines[i].text);
	if (r->nb_more)
		fprintf(out, "%s: and %u more errors\n", r->file[0], r->nb_more);
	return r->nb + r->nb_more;
}

void report_free(struct report *r)
{
	for (unsigned int i = 0; i < r->nb; i++)
		free(r->lines[i].text);
	free(r->lines);
	memset(r, 0, sizeof(*r));
}
