// SPDX-License-Identifier: BSD-3-Clause
#include "client/proxy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <openssl/evp.h>

#include "base/secret.h"

#define CREDENTIALS_MAX 511 // user, colon, password

struct text {
	char *p;
	size_t len, cap;
	bool full;
};

static void __attribute__((format(printf, 2, 3))) put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->p + t->len, t->cap - t->len, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= t->cap - t->len)
		t->full = true;
	else
		t->len += (size_t)n;
}

// What may stand between blanks of a request line.
static bool is_host(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] <= ' ' || (unsigned char)s[i] >= 0x7f)
			return false;
	return n && n <= 255;
}

// RFC 7617 2: a user name has no colon, neither has a control character.
static bool are_credentials(const struct proxy_conf *p)
{
	for (const char *s = p->user; *s; s++)
		if (*s == ':' || (unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	for (const char *s = p->password; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return strlen(p->user) + strlen(p->password) + 1 <= CREDENTIALS_MAX;
}

static void put_credentials(struct text *t, const struct proxy_conf *p)
{
	char plain[CREDENTIALS_MAX + 1], base64[4 * ((CREDENTIALS_MAX + 2) / 3) + 1];
	int n = snprintf(plain, sizeof(plain), "%s:%s", p->user, p->password);

	EVP_EncodeBlock((unsigned char *)base64, (const unsigned char *)plain, n);
	put(t, "Proxy-Authorization: Basic %s\r\n", base64);
	secret_wipe(plain, sizeof(plain));
	secret_wipe(base64, sizeof(base64));
}

int proxy_format_request(char *buf, size_t cap, const struct proxy_conf *p)
{
	bool v6 = strchr(p->host, ':'), auth = p->user && p->password;
	struct text t = {.p = buf, .cap = cap};
	const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";

	if (!is_host(p->host) || (auth && !are_credentials(p)))
		return -EINVAL;
	put(&t, "CONNECT %s%s%s:%u HTTP/1.1\r\n", open, p->host, close, p->port);
	put(&t, "SSTPVERSION: 1.0\r\n");
	put(&t, "Host: %s%s%s:%u\r\n", open, p->host, close, p->port);
	put(&t, "User-Agent: culvert\r\n");
	if (auth)
		put_credentials(&t, p);
	put(&t, "\r\n");
	if (t.full) {
		secret_wipe(buf, cap);
		return -ENOSPC;
	}
	return (int)t.len;
}

// --- the answer ---

// The line at *at, without its end. False: it is not complete.
static bool take_line(const char *buf, size_t n, size_t *at, const char **line, size_t *len)
{
	const char *start = buf + *at, *lf = n > *at ? memchr(start, '\n', n - *at) : NULL;

	if (!lf)
		return false;
	*line = start;
	*len = (size_t)(lf - start);
	*at += *len + 1;
	// RFC 9112 2.2: a bare LF ends a line as well.
	if (*len && start[*len - 1] == '\r')
		--*len;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

// HTTP/1.x SP 3DIGIT [SP reason]
static bool parse_status(const char *line, size_t len, struct proxy_answer *a)
{
	size_t n;

	if (len < 12 || memcmp(line, "HTTP/1.", 7) || !is_digit(line[7]) || line[8] != ' ' ||
		!is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11]) ||
		(len > 12 && line[12] != ' '))
		return false;
	a->status = (unsigned int)((line[9] - '0') * 100 + (line[10] - '0') * 10 + line[11] - '0');
	n = len > 13 ? len - 13 : 0;
	if (n >= sizeof(a->reason))
		n = sizeof(a->reason) - 1;
	if (n)
		memcpy(a->reason, line + 13, n);
	a->reason[n] = '\0';
	return a->status >= 100 && a->status < 600;
}

// Whether n bytes can still become a status line: garbage is not waited for.
static bool may_begin(const char *buf, size_t n)
{
	return !memcmp(buf, "HTTP/1.", n < 7 ? n : 7);
}

// What is left of a header. False: its blank line is not there.
static bool take_fields(const char *buf, size_t n, size_t *at)
{
	const char *line;
	size_t len;

	while (take_line(buf, n, at, &line, &len))
		if (!len)
			return true;
	return false;
}

// RFC 9110 15.2: another answer follows.
static bool is_interim(unsigned int status)
{
	return status / 100 == 1 && status != 101;
}

int proxy_answer_parse(const char *buf, size_t n, struct proxy_answer *a)
{
	size_t at = 0, len;
	const char *line;

	if (n > PROXY_ANSWER_MAX)
		n = PROXY_ANSWER_MAX;
	do {
		memset(a, 0, sizeof(*a));
		if (!may_begin(buf + at, n - at))
			return -EBADMSG;
		if (take_line(buf, n, &at, &line, &len) && !parse_status(line, len, a))
			return -EBADMSG;
		if (!take_fields(buf, n, &at))
			return n == PROXY_ANSWER_MAX ? -EBADMSG : 0;
	} while (is_interim(a->status));
	return (int)at;
}
