// SPDX-License-Identifier: BSD-3-Clause
// The errors of one configuration file: collected, sorted by position, printed together as
// `file:line:column: key: found X, expected Y`. Control thread.
#pragma once

#include <stddef.h>
#include <stdio.h>

#define REPORT_MAX 1000

struct report {
	const char *file; // borrowed
	struct report_line {
		unsigned int line, column; // from 1
		unsigned int seq;
		char *text;
	} * lines;
	unsigned int nb, cap;
	unsigned int nb_more; // beyond REPORT_MAX, counted only
};

void report_init(struct report *r, const char *file);

// One error. key: the full name of what is wrong, NULL or "": the file as such. found and expected:
// texts.
void report_add(struct report *r, unsigned int line, unsigned int column, const char *key,
	const char *found, const char *expected);

// The same with `expected` made from a format.
void report_addf(struct report *r, unsigned int line, unsigned int column, const char *key,
	const char *found, const char *expected_fmt, ...) __attribute__((format(printf, 6, 7)));

// Write all lines in order of position. Returns how many errors there were.
unsigned int report_print(struct report *r, FILE *out);

void report_free(struct report *r);
