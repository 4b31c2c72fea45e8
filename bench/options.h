// SPDX-License-Identifier: BSD-3-Clause
// Values of command-line options, read the same way by every command of culvert-bench. Values are
// getopt's optarg unless text says otherwise. Main thread.
#pragma once

#include <stdio.h>

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

// s as a JSON string, quoted and escaped.
void bench_json_text(FILE *out, const char *s);
