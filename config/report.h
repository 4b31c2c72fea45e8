// SPDX-License-Identifier: BSD-3-Clause
// The errors of a configuration, which may be in several files: collected, sorted by position,
// printed together as `file:line:column: key: found X, expected Y`. Control thread.
#pragma once

#include <stddef.h>
#include <stdio.h>

#define REPORT_MAX 1000
#define REPORT_FILES 2

struct report {
	const char *file[REPORT_FILES]; // borrowed; errors say which by number
	struct report_line {
		unsigned int file, line, column; // file: from 0, the others from 1
		unsigned int seq;
		char *text;
	} * lines;
	unsigned int nb, cap;
	unsigned int nb_more; // beyond REPORT_MAX, counted only
};

void report_init(struct report *r, const char *file);

// One error. key: the full name of what is wrong, NULL or "": the file as such. found and expected:
// texts.
void report_add(struct report *r, unsigned int file, unsigned int line, unsigned int column,
	const char *key, const char *found, const char *expected);

// Write all lines in order of position. Returns how many errors there were.
unsigned int report_print(struct report *r, FILE *out);

void report_free(struct report *r);
