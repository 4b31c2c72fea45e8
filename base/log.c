// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum log_level log_threshold = LOG_INFO;

static const char *const level_names[] = {
	[LOG_ERR] = "err",
	[LOG_WARNING] = "warning",
	[LOG_NOTICE] = "notice",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

int log_set_level(const char *name)
{
	for (unsigned int i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (!strcmp(name, level_names[i])) {
			log_threshold = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

static size_t put(char *line, size_t len, size_t cap, const char *fmt, va_list ap)
{
	int n = vsnprintf(line + len, cap - len, fmt, ap);

	if (n < 0)
		return len;
	return len + (size_t)n < cap ? len + (size_t)n : cap - 1;
}

static size_t putf(char *line, size_t len, size_t cap, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static size_t putf(char *line, size_t len, size_t cap, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	len = put(line, len, cap, fmt, ap);
	va_end(ap);
	return len;
}

void log_write(enum log_level level, const char *type, const char *func, const char *fmt, ...)
{
	char line[2048];
	struct timespec ts;
	struct tm tm;
	size_t len;
	va_list ap;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	len = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	len = putf(line, len, sizeof(line) - 1, ".%03ldZ %s %s: ", ts.tv_nsec / 1000000,
		level_names[level], type);
	if (log_threshold >= LOG_DEBUG)
		len = putf(line, len, sizeof(line) - 1, "%s: ", func);
	va_start(ap, fmt);
	len = put(line, len, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	line[len++] = '\n';
	// A log that cannot be written has nowhere to say so.
	ssize_t n = write(STDERR_FILENO, line, len);
	(void)n;
}

bool log_rate_pass(struct log_rate *r, uint32_t burst)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	if ((uint64_t)ts.tv_sec != r->second) {
		if (r->held)
			log_write(LOG_WARNING, "log", __func__, "%u similar lines held back",
				r->held);
		r->second = (uint64_t)ts.tv_sec;
		r->passed = 0;
		r->held = 0;
	}
	if (r->passed >= burst) {
		r->held++;
		return false;
	}
	r->passed++;
	return true;
}

const char *log_strerror(int err)
{
	static _Thread_local char buf[128];

	return strerror_r(err < 0 ? -err : err, buf, sizeof(buf));
}

const char *log_quote(char *dst, size_t cap, const void *bytes, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = bytes;
	bool plain = n > 0;
	size_t o = 0;

	if (cap < 8) {
		if (cap)
			dst[0] = '\0';
		return dst;
	}
	for (size_t i = 0; i < n; i++)
		plain = plain && p[i] > ' ' && p[i] < 0x7f && p[i] != '"' && p[i] != '\\' &&
			p[i] != '=';
	if (!plain)
		dst[o++] = '"';
	for (size_t i = 0; i < n; i++) {
		if (o + 8 >= cap) {
			memcpy(dst + o, "...", 3);
			o += 3;
			break;
		}
		if (p[i] == '"' || p[i] == '\\') {
			dst[o++] = '\\';
			dst[o++] = (char)p[i];
		} else if (p[i] >= ' ' && p[i] < 0x7f) {
			dst[o++] = (char)p[i];
		} else {
			dst[o++] = '\\';
			dst[o++] = 'x';
			dst[o++] = hex[p[i] >> 4];
			dst[o++] = hex[p[i] & 15];
		}
	}
	if (!plain)
		dst[o++] = '"';
	dst[o] = '\0';
	return dst;
}
