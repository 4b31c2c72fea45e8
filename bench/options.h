// SPDX-License-Identifier: BSD-3-Clause
// Command lines, read the same way by every command of culvert-bench: a table of options, and their
// values. Values are getopt's optarg unless text says otherwise. Main thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define BENCH_EXIT_USAGE 2

struct bench_option {
	const char *name, *arg, *help; // arg "": it takes none
};

// From a list X(ID, name, arg, help): OPT_ID for each, and the table option_rows.
#define BENCH_OPTIONS(LIST)                                                   \
	enum { OPT_FIRST_ID = BENCH_OPTION_FIRST_ID, LIST(BENCH_OPTION_ID) }; \
	static const struct bench_option option_rows[] = {LIST(BENCH_OPTION_ROW)}
#define BENCH_OPTION_FIRST_ID 256
#define BENCH_OPTION_ID(id, name, arg, help) OPT_##id,
#define BENCH_OPTION_ROW(id, name, arg, help) {name, arg, help},
#define BENCH_OPTIONS_MAX 64
#define BENCH_NB(rows) (unsigned int)(sizeof(rows) / sizeof((rows)[0]))

// The next option's OPT_ID; '?' when it is none, which was said; -1 behind the last.
int bench_options_next(const struct bench_option *rows, unsigned int nb, int argc, char **argv);
// A line each; width: of the left column.
void bench_options_print(const struct bench_option *rows, unsigned int nb, int width);

// Whose messages these are: "culvert-bench worker". Borrowed. Before the first option is read.
void bench_options_begin(const char *program);

// Say what was found and what is expected. Returns -EINVAL.
int bench_fail(const char *option, const char *expected);

// A whole number from min to max. 0, or -EINVAL and said so.
int bench_number(const char *option, unsigned int min, unsigned int max, unsigned int *v);
int bench_number_in(
	const char *option, const char *text, unsigned int min, unsigned int max, unsigned int *v);

// A number from 0 to max. 0, or -EINVAL and said so; bench_real_in() says nothing.
int bench_real(const char *option, double max, double *v);
int bench_real_in(const char *text, double max, double *v);

// What several commands have, by the names authentication, tls-version, keepalive-timeout. 0, or
// -EINVAL and said so.
int bench_authentication(uint32_t *methods); // PPP_AUTH_* bits
int bench_tls_version(bool *only_tls12);
int bench_keepalive(uint32_t *ms); // 0: disabled
// The password of --password-file or --password-env, whichever is not NULL. needed: without
// either it fails. 0, or -errno and said so; the caller wipes.
int bench_password(const char *file, const char *env, bool needed, char *dst, size_t cap);

// Where a result goes: "-" is standard output. NULL, or -errno, and said so.
FILE *bench_json_open(const char *file);
int bench_json_close(FILE *out, const char *file);
// s as a JSON string, quoted and escaped.
void bench_json_text(FILE *out, const char *s);
