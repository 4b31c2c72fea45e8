// SPDX-License-Identifier: BSD-3-Clause
// Formatters of the HTTP exchange.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "protocol/sstp/sstp_http.h"

#define DUPLEX_LENGTH "18446744073709551615" // 2^64-1

struct text {
	char *p;
	size_t cap;
	size_t n;
	bool overflow;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (t->overflow)
		return;
	va_start(ap, fmt);
	n = vsnprintf(t->p + t->n, t->cap - t->n, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= t->cap - t->n)
		t->overflow = true;
	else
		t->n += (size_t)n;
}

static int finish(const struct text *t)
{
	return t->overflow ? -ENOSPC : (int)t->n;
}

// Whether s can stand in a header: no control characters, so that it cannot end its line.
static bool is_field(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

// IMF-fixdate, RFC 9110 5.6.7, whatever the locale.
static void add_date(struct text *t, int64_t now)
{
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	const int64_t last = 253402300799; // 9999-12-31T23:59:59Z
	time_t at = now < 0 ? 0 : now > last ? last : now;
	struct tm tm;

	if (gmtime_r(&at, &tm))
		add(t, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday],
			tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
			tm.tm_sec);
}

static const char *reason(int status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 408:
		return "Request Timeout";
	case 411:
		return "Length Required";
	case 413:
		return "Content Too Large";
	case 414:
		return "URI Too Long";
	case 429:
		return "Too Many Requests";
	case 431:
		return "Request Header Fields Too Large";
	case 500:
		return "Internal Server Error";
	case 501:
		return "Not Implemented";
	case 503:
		return "Service Unavailable";
	case 505:
		return "HTTP Version Not Supported";
	}
	return "Error";
}

int sstp_http_format_ok(char *buf, size_t cap, const char *server, int64_t now)
{
	struct text t = {.p = buf, .cap = cap};

	if (server && !is_field(server))
		return -EINVAL;
	add(&t, "HTTP/1.1 200 OK\r\nContent-Length: " DUPLEX_LENGTH "\r\n");
	if (server)
		add(&t, "Server: %s\r\n", server);
	add_date(&t, now);
	add(&t, "\r\n");
	return finish(&t);
}

int sstp_http_format_error(char *buf, size_t cap, const char *server, int64_t now, int status)
{
	struct text t = {.p = buf, .cap = cap};
	char body[64];
	int len;

	if ((server && !is_field(server)) || status < 400 || status > 599)
		return -EINVAL;
	len = snprintf(body, sizeof(body), "%d %s\n", status, reason(status));
	add(&t, "HTTP/1.1 %d %s\r\n", status, reason(status));
	add(&t, "Content-Type: text/plain\r\nContent-Length: %d\r\n", len);
	if (status == 405) // RFC 9110 15.5.6
		add(&t, "Allow: " SSTP_HTTP_METHOD "\r\n");
	if (server)
		add(&t, "Server: %s\r\n", server);
	add_date(&t, now);
	add(&t, "Connection: close\r\n\r\n%s", body);
	return finish(&t);
}

int sstp_http_format_request(char *buf, size_t cap, const char *host, const char *correlation)
{
	struct text t = {.p = buf, .cap = cap};

	if (!is_field(host) || (correlation && !is_field(correlation)))
		return -EINVAL;
	add(&t, SSTP_HTTP_METHOD " " SSTP_HTTP_URI " HTTP/1.1\r\nHost: %s\r\n", host);
	if (correlation)
		add(&t, "SSTPCORRELATIONID: %s\r\n", correlation);
	add(&t, "Content-Length: " DUPLEX_LENGTH "\r\n\r\n");
	return finish(&t);
}
