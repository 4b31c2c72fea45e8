// SPDX-License-Identifier: BSD-3-Clause
#include "bench/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/value.h"

static const char *program = "culvert-bench";

void bench_options_begin(const char *name)
{
	program = name;
}

int bench_fail(const char *option, const char *expected)
{
	char quoted[120];

	fprintf(stderr, "%s: --%s: found %s, expected %s\n", program, option,
		log_quote(quoted, sizeof(quoted), optarg, strlen(optarg)), expected);
	return -EINVAL;
}

int bench_number_in(
	const char *option, const char *text, unsigned int min, unsigned int max, unsigned int *v)
{
	char expected[64];
	uint64_t n;

	snprintf(expected, sizeof(expected), "a number from %u to %u", min, max);
	if (value_uint(text, &n) || n < min || n > max)
		return bench_fail(option, expected);
	*v = (unsigned int)n;
	return 0;
}

int bench_number(const char *option, unsigned int min, unsigned int max, unsigned int *v)
{
	return bench_number_in(option, optarg, min, max, v);
}

int bench_real_in(const char *text, double max, double *v)
{
	char *end;

	*v = strtod(text, &end);
	return end == text || *end || !(*v >= 0 && *v <= max) ? -EINVAL : 0;
}

int bench_real(const char *option, double max, double *v)
{
	return bench_real_in(optarg, max, v) ? bench_fail(option, "a number") : 0;
}

void bench_json_text(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if ((unsigned char)*s < ' ')
			fprintf(out, "\\u%04x", (unsigned char)*s);
		else
			fputc(*s, out);
	}
	fputc('"', out);
}
