// SPDX-License-Identifier: BSD-3-Clause
#include "config_testlib.h"

#include <sys/stat.h>
#include <unistd.h>

char *errors;

struct config *parse_n(const char *buf, size_t n)
{
	struct config *c;
	size_t len;
	FILE *err;

	free(errors);
	err = open_memstream(&errors, &len);
	assert_non_null(err);
	c = config_parse("f", buf, n, false, err);
	fclose(err);
	if (c)
		assert_string_equal(errors, "");
	else
		assert_string_not_equal(errors, "");
	return c;
}

struct config *parse(const char *s)
{
	return parse_n(s, strlen(s));
}

void expect_errors(const char *file, const char *expected)
{
	struct config *c = parse(file);

	assert_null(c);
	assert_string_equal(errors, expected);
}

int forget_errors(void **state)
{
	free(errors);
	errors = NULL;
	return 0;
}

char *slurp(const char *path)
{
	char *buf = calloc(1, 1 << 20);
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_non_null(buf);
	assert_true(fread(buf, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	return buf;
}

char *make_file(const char *text, unsigned int mode)
{
	char *path = strdup("/tmp/config_test.XXXXXX");
	int fd;

	assert_non_null(path);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}
