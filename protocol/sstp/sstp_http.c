// SPDX-License-Identifier: BSD-3-Clause
// Parsers of the HTTP exchange: one pass from the left, RFC 9112's grammar without its leniency.
// The first byte that no valid message can have at its place decides, so an answer does not depend
// on how the bytes arrive in pieces.
#include "protocol/sstp/sstp_http.h"

#include <string.h>

#include "protocol/cursor.h"

#define DUPLEX_LENGTH "18446744073709551615" // 2^64-1, as text: too big for most integers

enum {
	MAX_METHOD = 32,
	MAX_URI = 2048,
	MAX_CORRELATION_ID = 128,
};

// What a step of a parser returns: GOOD, MORE (the bytes end here), or minus the HTTP status owed.
enum { MORE = 0, GOOD = 1 };

enum header { HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CORRELATION_ID, OTHER };

static const char *const header_names[] = {
	[HOST] = "host",
	[CONTENT_LENGTH] = "content-length",
	[TRANSFER_ENCODING] = "transfer-encoding",
	[CORRELATION_ID] = "sstpcorrelationid",
};

struct headers {
	bool seen[OTHER];
	bool wrong_length; // of a body that ends, or that is cut in chunks
	struct http_str value[OTHER];
};

static bool is_token(uint8_t ch) // RFC 9110 5.6.2
{
	return (ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') ||
	       (ch != 0 && strchr("!#$%&'*+-.^_`|~", ch) != NULL);
}

static bool is_visible(uint8_t ch)
{
	return ch > ' ' && ch < 0x7f;
}

static bool is_text(uint8_t ch) // field-content and reason-phrase, with obs-text
{
	return ch == '\t' || (ch >= ' ' && ch != 0x7f);
}

static bool is_digit(uint8_t ch)
{
	return ch >= '0' && ch <= '9';
}

static char lower(char ch)
{
	return ch >= 'A' && ch <= 'Z' ? (char)(ch | 0x20) : ch;
}

static bool str_is(const struct http_str *s, const char *text)
{
	return s->n == strlen(text) && !memcmp(s->p, text, s->n);
}

static bool str_is_nocase(const struct http_str *s, const char *text)
{
	if (s->n != strlen(text))
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (lower(s->p[i]) != lower(text[i]))
			return false;
	return true;
}

// Whether s and text are the same as far as both go.
static bool begins_alike(const struct http_str *s, const char *text)
{
	size_t len = strlen(text);

	return !memcmp(s->p, text, s->n < len ? s->n : len);
}

// Take bytes while `is` says so. Returns whether a byte that ends the run is there.
static bool take(struct cursor *c, bool (*is)(uint8_t), struct http_str *s)
{
	s->p = (const char *)c->p;
	while (cur_left(c) && is(*c->p))
		c->p++;
	s->n = (size_t)((const char *)c->p - s->p);
	return cur_left(c) > 0;
}

// Take exactly the bytes of text.
static int take_literal(struct cursor *c, const char *text, int status)
{
	uint8_t ch;

	for (; *text; text++) {
		if (cur_u8(c, &ch))
			return MORE;
		if (ch != (uint8_t)*text)
			return -status;
	}
	return GOOD;
}

// The method and the space behind it. RFC 9112 3.1
static int parse_method(struct cursor *c, struct http_str *method)
{
	bool ended = take(c, is_token, method);

	if (method->n > MAX_METHOD)
		return -501;
	if (!ended)
		return MORE;
	if (method->n == 0 || *c->p != ' ')
		return -400;
	c->p++;
	return str_is(method, SSTP_HTTP_METHOD) ? GOOD : -405;
}

// Cut "https://authority" off a target in absolute form. RFC 9112 3.2.2
static void cut_authority(struct http_str *uri)
{
	static const char *const schemes[] = {"https://", "http://"};
	const char *path;

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		struct http_str start = {uri->p, strlen(schemes[i])};

		if (uri->n <= start.n || !str_is_nocase(&start, schemes[i]))
			continue;
		path = memchr(uri->p + start.n, '/', uri->n - start.n);
		if (path) {
			uri->n -= (size_t)(path - uri->p);
			uri->p = path;
		}
		return;
	}
}

// The target and the space behind it. RFC 9112 3.2
static int parse_uri(struct cursor *c, struct sstp_http_request *req)
{
	bool ended = take(c, is_visible, &req->uri);
	size_t len = req->uri.n;
	const char *mark = memchr(req->uri.p, '?', len);

	if (mark) {
		req->query.p = mark + 1;
		req->query.n = (size_t)(req->uri.p + len - req->query.p);
		req->uri.n = (size_t)(mark - req->uri.p);
	}
	if (len > 0 && req->uri.p[0] == '/' && !begins_alike(&req->uri, SSTP_HTTP_URI))
		return -404;
	if (len > MAX_URI)
		return -414;
	if (!ended)
		return MORE;
	if (len == 0 || *c->p != ' ')
		return -400;
	c->p++;
	cut_authority(&req->uri);
	return str_is(&req->uri, SSTP_HTTP_URI) ? GOOD : -404;
}

// HTTP/1.1 and nothing else; other versions get `other`. RFC 9112 2.3
static int parse_version(struct cursor *c, int other)
{
	uint8_t major, minor;
	int rc;

	rc = take_literal(c, "HTTP/", 400);
	if (rc != GOOD)
		return rc;
	if (cur_u8(c, &major))
		return MORE;
	if (!is_digit(major))
		return -400;
	rc = take_literal(c, ".", 400);
	if (rc != GOOD)
		return rc;
	if (cur_u8(c, &minor))
		return MORE;
	if (!is_digit(minor))
		return -400;
	return major == '1' && minor == '1' ? GOOD : -other;
}

static int parse_crlf(struct cursor *c)
{
	return take_literal(c, "\r\n", 400);
}

// For the log: the target of a request that its method has already condemned.
static void peek_uri(struct cursor c, struct sstp_http_request *req)
{
	if (cur_left(&c) && is_visible(*c.p))
		parse_uri(&c, req);
}

static int parse_request_line(struct cursor *c, struct sstp_http_request *req)
{
	int rc;

	rc = parse_method(c, &req->method);
	if (rc != GOOD) {
		if (rc == -405)
			peek_uri(*c, req);
		return rc;
	}
	rc = parse_uri(c, req);
	if (rc != GOOD)
		return rc;
	rc = parse_version(c, 505);
	return rc == GOOD ? parse_crlf(c) : rc;
}

// Content-Length can only be 2^64-1. RFC 9110 8.6; leading zeros change nothing.
static int check_duplex_length(struct http_str v)
{
	if (v.n == 0)
		return -400;
	for (size_t i = 0; i < v.n; i++)
		if (!is_digit((uint8_t)v.p[i]))
			return -400;
	for (; v.n > 1 && v.p[0] == '0'; v.n--)
		v.p++;
	if (str_is(&v, DUPLEX_LENGTH))
		return GOOD;
	return v.n > strlen(DUPLEX_LENGTH) ||
			       (v.n == strlen(DUPLEX_LENGTH) && memcmp(v.p, DUPLEX_LENGTH, v.n) > 0)
		       ? -413
		       : -400;
}

// One field: name, colon, value, CRLF. RFC 9112 5, without folded lines (5.2).
static int parse_header(struct cursor *c, struct headers *h)
{
	struct http_str name, value;
	enum header which = HOST;
	bool ended;
	int rc;

	ended = take(c, is_token, &name);
	if (!ended)
		return MORE;
	if (name.n == 0 || *c->p != ':')
		return -400;
	c->p++;

	ended = take(c, is_text, &value);
	if (!ended)
		return MORE;
	rc = parse_crlf(c);
	if (rc != GOOD)
		return rc;
	for (; value.n && (value.p[0] == ' ' || value.p[0] == '\t'); value.n--)
		value.p++;
	while (value.n && (value.p[value.n - 1] == ' ' || value.p[value.n - 1] == '\t'))
		value.n--;

	while (which < OTHER && !str_is_nocase(&name, header_names[which]))
		which++;
	if (which == OTHER)
		return GOOD;
	if (which == TRANSFER_ENCODING) {
		h->wrong_length = true;
		return -501;
	}
	if (h->seen[which])
		return -400;
	h->seen[which] = true;
	h->value[which] = value;
	rc = which == CONTENT_LENGTH ? check_duplex_length(value) : GOOD;
	h->wrong_length = rc != GOOD;
	return rc;
}

// All fields and the blank line.
static int parse_headers(struct cursor *c, struct headers *h)
{
	int rc;

	while (cur_left(c)) {
		if (*c->p == '\r')
			return parse_crlf(c);
		rc = parse_header(c, h);
		if (rc != GOOD)
			return rc;
	}
	return MORE;
}

int sstp_http_request_parse(const char *buf, size_t n, struct sstp_http_request *req)
{
	bool full = n >= SSTP_HTTP_MAX_HEADER;
	struct cursor c = cursor_make(buf, full ? SSTP_HTTP_MAX_HEADER : n);
	struct headers h = {0};
	int rc;

	*req = (struct sstp_http_request){0};
	rc = parse_request_line(&c, req);
	if (rc == GOOD)
		rc = parse_headers(&c, &h);
	req->host = h.value[HOST];
	req->correlation_id = h.value[CORRELATION_ID];
	if (req->correlation_id.n > MAX_CORRELATION_ID)
		req->correlation_id.n = MAX_CORRELATION_ID;

	if (rc == MORE)
		return full ? -431 : 0;
	if (rc != GOOD)
		return rc;
	if (!h.seen[HOST]) // RFC 9112 3.2
		return -400;
	if (!h.seen[CONTENT_LENGTH])
		return -411;
	return (int)((const char *)c.p - buf);
}

// " 200 reason" up to the end of the line; the reason and its space may be left out. RFC 9112 4
static int parse_status(struct cursor *c, int *status)
{
	struct http_str reason;
	uint8_t ch;
	int rc;

	rc = take_literal(c, " ", 400);
	if (rc != GOOD)
		return rc;
	*status = 0;
	for (int i = 0; i < 3; i++) {
		if (cur_u8(c, &ch))
			return MORE;
		if (!is_digit(ch))
			return -400;
		*status = *status * 10 + (ch - '0');
	}
	if (*status < 100 || *status > 599)
		return -400;
	if (cur_left(c) && *c->p != ' ' && *c->p != '\r')
		return -400;
	return take(c, is_text, &reason) ? parse_crlf(c) : MORE;
}

// One answer up to its blank line. GOOD, MORE, or minus what sstp_http_response_parse() says.
static int parse_response(struct cursor *c, int *status)
{
	struct headers h = {0};
	int rc;

	rc = parse_version(c, 505);
	if (rc == GOOD)
		rc = parse_status(c, status);
	if (rc != GOOD)
		return rc == MORE ? MORE : -SSTP_HTTP_NOT_HTTP;
	if (*status != 200 && (*status > 199 || *status == 101))
		return -*status;
	rc = parse_headers(c, &h);
	if (rc < 0)
		return *status == 200 && h.wrong_length ? -SSTP_HTTP_NOT_SSTP
							: -SSTP_HTTP_MALFORMED;
	return rc == GOOD && *status == 200 && !h.seen[CONTENT_LENGTH] ? -SSTP_HTTP_NOT_SSTP : rc;
}

int sstp_http_response_parse(const char *buf, size_t n)
{
	bool full = n >= SSTP_HTTP_MAX_HEADER;
	struct cursor c = cursor_make(buf, full ? SSTP_HTTP_MAX_HEADER : n);
	int rc, status;

	do
		rc = parse_response(&c, &status);
	while (rc == GOOD && status != 200);
	if (rc == MORE)
		return full ? -SSTP_HTTP_TOO_LONG : 0;
	return rc == GOOD ? (int)((const char *)c.p - buf) : rc;
}
