// SPDX-License-Identifier: BSD-3-Clause
#include "bench/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "client/password.h"
#include "config/options.h"
#include "config/value.h"

static const char *program = "culvert-bench";

void bench_options_begin(const char *name)
{
	program = name;
}

int bench_options_next(const struct bench_option *rows, unsigned int nb, int argc, char **argv)
{
	static struct option options[BENCH_OPTIONS_MAX + 1];

	if (nb > BENCH_OPTIONS_MAX)
		abort();
	for (unsigned int i = 0; i < nb; i++)
		options[i] = (struct option){.name = rows[i].name,
			.has_arg = rows[i].arg[0] ? required_argument : no_argument,
			.val = BENCH_OPTION_FIRST_ID + 1 + (int)i};
	options[nb] = (struct option){0};
	return getopt_long(argc, argv, "", options, NULL);
}

void bench_options_print(const struct bench_option *rows, unsigned int nb, int width)
{
	char left[80];

	for (unsigned int i = 0; i < nb; i++) {
		snprintf(left, sizeof(left), "--%s %s", rows[i].name, rows[i].arg);
		printf("  %-*s %s\n", width, left, rows[i].help);
	}
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

int bench_authentication(uint32_t *methods)
{
	int i = config_words_index("pap|chap|mschap1|mschap2", optarg);

	if (i < 0)
		return bench_fail("authentication", "pap, chap, mschap1 or mschap2");
	*methods = 1u << i;
	return 0;
}

int bench_tls_version(bool *only_tls12)
{
	*only_tls12 = !strcmp(optarg, "only-1.2");
	return *only_tls12 || !strcmp(optarg, "any") ? 0
						     : bench_fail("tls-version", "any or only-1.2");
}

int bench_keepalive(uint32_t *ms)
{
	uint64_t seconds = 0;

	if (strcmp(optarg, "disabled") &&
		(value_duration(optarg, &seconds) || !seconds || seconds > 86400))
		return bench_fail("keepalive-timeout", "a time, or disabled");
	*ms = (uint32_t)seconds * 1000;
	return 0;
}

int bench_password(const char *file, const char *env, bool needed, char *dst, size_t cap)
{
	int rc = needed ? -ENOENT : 0;

	if (file)
		rc = password_from_file(file, dst, cap);
	else if (env)
		rc = password_from_env(env, dst, cap);
	if (rc)
		fprintf(stderr, "%s: password: %s\n", program,
			!file && !env ? "--password-file or --password-env is needed"
				      : log_strerror(rc));
	return rc;
}

FILE *bench_json_open(const char *file)
{
	FILE *out = strcmp(file, "-") ? fopen(file, "we") : stdout;

	if (!out)
		fprintf(stderr, "%s: %s: %s\n", program, file, log_strerror(errno));
	return out;
}

int bench_json_close(FILE *out, const char *file)
{
	if (out == stdout || !fclose(out))
		return 0;
	fprintf(stderr, "%s: %s: %s\n", program, file, log_strerror(errno));
	return -EIO;
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
