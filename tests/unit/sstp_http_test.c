// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/sstp/sstp_http.h"

#define LINE SSTP_HTTP_METHOD " " SSTP_HTTP_URI " HTTP/1.1\r\n"
#define LENGTH "Content-Length: 18446744073709551615\r\n"
#define HOST "Host: vpn.example.com\r\n"

static int parse(const char *text, size_t n, struct sstp_http_request *req)
{
	// an allocation of exactly n bytes, for the sanitizer
	char *buf = test_malloc(n ? n : 1);
	int rc;

	memcpy(buf, text, n);
	rc = sstp_http_request_parse(buf, n, req);
	test_free(buf);
	return rc;
}

// The verdict on a request, after checking that every prefix gets the same verdict or none yet,
// and that a verdict once given stays.
static int verdict(const char *text, size_t n)
{
	struct sstp_http_request req;
	int last = parse(text, n, &req);
	bool decided = false;

	for (size_t i = 0; i < n; i++) {
		int rc = parse(text, i, &req);

		if (decided)
			assert_int_equal(rc, last);
		else if (rc != 0)
			assert_int_equal(rc, last);
		decided = rc != 0;
	}
	return last;
}

#define VERDICT(text) verdict(text, sizeof(text) - 1)

static bool is(struct http_str s, const char *text)
{
	return s.n == strlen(text) && !memcmp(s.p, text, s.n);
}

static void test_real_clients(void **state)
{
	static const char windows[] =
		LINE "SSTPCORRELATIONID: {62DFA5C0-E2E0-FD50-D286B00C}\r\n" LENGTH
		     "Host: 192.0.2.1\r\n\r\n";
	static const char sstpc[] = LINE "Host: vpn.example.com\r\n"
					 "SSTPCORRELATIONID: 441A9ECC-2115-5808-64E66B19\r\n" LENGTH
					 "\r\n\x10\x01\x00\x0e";
	struct sstp_http_request req;

	assert_int_equal(
		sstp_http_request_parse(windows, sizeof(windows) - 1, &req), sizeof(windows) - 1);
	assert_true(is(req.method, SSTP_HTTP_METHOD));
	assert_true(is(req.uri, SSTP_HTTP_URI));
	assert_int_equal(req.query.n, 0);
	assert_true(is(req.host, "192.0.2.1"));
	assert_true(is(req.correlation_id, "{62DFA5C0-E2E0-FD50-D286B00C}"));
	VERDICT(windows);

	// what follows the blank line is not touched
	assert_int_equal(
		sstp_http_request_parse(sstpc, sizeof(sstpc) - 1, &req), sizeof(sstpc) - 1 - 4);
	assert_true(is(req.host, "vpn.example.com"));
	assert_true(is(req.correlation_id, "441A9ECC-2115-5808-64E66B19"));
}

static void test_variants(void **state)
{
	struct sstp_http_request req;
	static const char tenant[] =
		SSTP_HTTP_METHOD " " SSTP_HTTP_URI "?tenantid=x-y HTTP/1.1\r\n" HOST LENGTH "\r\n";

	assert_true(VERDICT(tenant) > 0);
	assert_true(sstp_http_request_parse(tenant, sizeof(tenant) - 1, &req) > 0);
	assert_true(is(req.uri, SSTP_HTTP_URI));
	assert_true(is(req.query, "tenantid=x-y"));

	assert_true(VERDICT(LINE "CONTENT-LENGTH:18446744073709551615\r\nhOST:x\r\n\r\n") > 0);
	assert_true(
		VERDICT(LINE "Host:\r\nContent-length: \t 18446744073709551615 \t\r\n\r\n") > 0);
	assert_true(VERDICT(LINE LENGTH "X-A: b\r\nCookie: a=b; c=d\r\nX-\xc3\xa9: 1\r\n" HOST
					"\r\n") == -400); // a name is a token
	assert_true(VERDICT(LINE LENGTH "X-A: \xc3\xa9\r\nCookie: a=b\r\n" HOST "\r\n") > 0);
	assert_true(VERDICT(LINE HOST "Content-Length: 00018446744073709551615\r\n\r\n") > 0);
	assert_true(VERDICT(SSTP_HTTP_METHOD " https://vpn.example.com" SSTP_HTTP_URI
					     " HTTP/1.1\r\n" HOST LENGTH "\r\n") > 0);
	assert_true(VERDICT(LINE HOST LENGTH "SSTPVERSION: 1.0\r\n\r\n") > 0);
}

static void test_refusals(void **state)
{
	// the request line
	assert_int_equal(VERDICT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), -405);
	assert_int_equal(VERDICT("POST " SSTP_HTTP_URI " HTTP/1.1\r\n\r\n"), -405);
	assert_int_equal(VERDICT("CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n"), -405);
	assert_int_equal(VERDICT("sstp_duplex_post " SSTP_HTTP_URI " HTTP/1.1\r\n"), -405);
	assert_int_equal(VERDICT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), -501);
	assert_int_equal(VERDICT(SSTP_HTTP_METHOD " / HTTP/1.1\r\n"), -404);
	assert_int_equal(VERDICT(SSTP_HTTP_METHOD " /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75} "
						  "HTTP/1.1\r\n"),
		-404);
	assert_int_equal(VERDICT(SSTP_HTTP_METHOD " " SSTP_HTTP_URI "x HTTP/1.1\r\n"), -404);
	assert_int_equal(VERDICT(SSTP_HTTP_METHOD " * HTTP/1.1\r\n"), -404);
	assert_int_equal(VERDICT(SSTP_HTTP_METHOD " https://" SSTP_HTTP_URI
						  " HTTP/1.1\r\n" HOST LENGTH "Bad\r\n"),
		-400);
	assert_int_equal(VERDICT(SSTP_HTTP_METHOD " " SSTP_HTTP_URI " HTTP/1.0\r\n"), -505);
	assert_int_equal(VERDICT(SSTP_HTTP_METHOD " " SSTP_HTTP_URI " HTTP/2.0\r\n"), -505);
	assert_int_equal(VERDICT(SSTP_HTTP_METHOD " " SSTP_HTTP_URI " HTTP/1.2\r\n"), -505);
	assert_int_equal(VERDICT(SSTP_HTTP_METHOD " " SSTP_HTTP_URI " HTTP/x.1\r\n"), -400);
	assert_int_equal(VERDICT(SSTP_HTTP_METHOD " " SSTP_HTTP_URI " HTTP/1.x\r\n"), -400);
	assert_int_equal(VERDICT(SSTP_HTTP_METHOD " " SSTP_HTTP_URI " http/1.1\r\n"), -400);
	assert_int_equal(VERDICT(SSTP_HTTP_METHOD " " SSTP_HTTP_URI " HTTP/1.1 \r\n"), -400);
	assert_int_equal(VERDICT(SSTP_HTTP_METHOD " " SSTP_HTTP_URI " HTTP/1.11\r\n"), -400);
	assert_int_equal(VERDICT(SSTP_HTTP_METHOD " " SSTP_HTTP_URI "\r\n"), -400);
	assert_int_equal(VERDICT(SSTP_HTTP_METHOD "  " SSTP_HTTP_URI " HTTP/1.1\r\n"), -400);
	assert_int_equal(VERDICT(SSTP_HTTP_METHOD "\t" SSTP_HTTP_URI " HTTP/1.1\r\n"), -400);
	assert_int_equal(
		VERDICT(SSTP_HTTP_METHOD " " SSTP_HTTP_URI " HTTP/1.1\n" HOST LENGTH "\n"), -400);

	// no HTTP at all
	assert_int_equal(VERDICT("garbage\r\n\r\n"), -400);
	assert_int_equal(VERDICT("\r\n"), -400);
	assert_int_equal(VERDICT(" "), -400);
	assert_int_equal(verdict("\0", 1), -400);
	assert_int_equal(verdict("\x16\x03\x01\x02\x00\x01", 6), -400);         // TLS in TLS
	assert_int_equal(verdict("\x10\x01\x00\x0e\x00\x01\x00\x01", 8), -400); // SSTP at once
	assert_int_equal(VERDICT("SSH-2.0-OpenSSH_9.2\r\n"), -400);

	// fields
	assert_int_equal(VERDICT(LINE LENGTH "\r\n"), -400); // no Host
	assert_int_equal(VERDICT(LINE HOST HOST LENGTH "\r\n"), -400);
	assert_int_equal(VERDICT(LINE HOST "\r\n"), -411);
	assert_int_equal(VERDICT(LINE HOST LENGTH LENGTH "\r\n"), -400);
	assert_int_equal(VERDICT(LINE HOST "Content-Length: 0\r\n\r\n"), -400);
	assert_int_equal(VERDICT(LINE HOST "Content-Length: 18446744073709551614\r\n\r\n"), -400);
	assert_int_equal(VERDICT(LINE HOST "Content-Length: 18446744073709551616\r\n\r\n"), -413);
	assert_int_equal(VERDICT(LINE HOST "Content-Length: 184467440737095516150\r\n\r\n"), -413);
	assert_int_equal(VERDICT(LINE HOST "Content-Length: -1\r\n\r\n"), -400);
	assert_int_equal(VERDICT(LINE HOST "Content-Length: +18446744073709551615\r\n\r\n"), -400);
	assert_int_equal(VERDICT(LINE HOST "Content-Length: 0xffffffffffffffff\r\n\r\n"), -400);
	assert_int_equal(VERDICT(LINE HOST "Content-Length:\r\n\r\n"), -400);
	assert_int_equal(VERDICT(LINE HOST "Content-Length: 18446744073709551615, "
					   "18446744073709551615\r\n\r\n"),
		-400);
	assert_int_equal(VERDICT(LINE HOST LENGTH "Transfer-Encoding: chunked\r\n\r\n"), -501);
	assert_int_equal(VERDICT(LINE HOST "X: a\r\n b\r\n" LENGTH "\r\n"), -400); // obs-fold
	assert_int_equal(VERDICT(LINE HOST "X: a\r\n\tb\r\n" LENGTH "\r\n"), -400);
	assert_int_equal(VERDICT(LINE HOST " X: y\r\n" LENGTH "\r\n"), -400);
	assert_int_equal(VERDICT(LINE HOST "X : x\r\n" LENGTH "\r\n"), -400);
	assert_int_equal(VERDICT(LINE HOST ": x\r\n" LENGTH "\r\n"), -400);
	assert_int_equal(VERDICT(LINE HOST "X\r\n" LENGTH "\r\n"), -400);
	assert_int_equal(VERDICT(LINE HOST "X: x\n" LENGTH "\r\n"), -400);
	assert_int_equal(VERDICT(LINE "Host: x\rX: y\r\n" LENGTH "\r\n"), -400);
	assert_int_equal(VERDICT(LINE HOST LENGTH "\r\r\n"), -400);
	assert_int_equal(VERDICT(LINE HOST LENGTH "\n"), -400);
	assert_int_equal(VERDICT(LINE "Host: a\0b\r\n" LENGTH "\r\n"), -400);
	assert_int_equal(VERDICT(LINE "Ho\0st: a\r\n" LENGTH "\r\n"), -400);
	assert_int_equal(VERDICT(LINE "Host: a\x7f\r\n" LENGTH "\r\n"), -400);
}

static void test_refused_early(void **state)
{
	struct sstp_http_request req;

	assert_int_equal(parse("GET ", 4, &req), -405);
	assert_int_equal(
		parse(SSTP_HTTP_METHOD " /x", sizeof(SSTP_HTTP_METHOD " /x") - 1, &req), -404);
	assert_int_equal(parse(SSTP_HTTP_METHOD " " SSTP_HTTP_URI " HTTP/1.0",
				 sizeof(SSTP_HTTP_METHOD " " SSTP_HTTP_URI " HTTP/1.0") - 1, &req),
		-505);
	assert_int_equal(parse(LINE " ", sizeof(LINE), &req), -400);
}

// What could be read is there for the log.
static void test_refused_but_parsed(void **state)
{
	static const char get[] = "GET /index.html?a=b HTTP/1.1\r\nHost: x\r\n\r\n";
	static const char length[] =
		LINE HOST "SSTPCORRELATIONID: {1}\r\nContent-Length: 7\r\n\r\n";
	struct sstp_http_request req;

	assert_int_equal(sstp_http_request_parse(get, sizeof(get) - 1, &req), -405);
	assert_true(is(req.method, "GET"));
	assert_true(is(req.uri, "/index.html"));
	assert_int_equal(sstp_http_request_parse(length, sizeof(length) - 1, &req), -400);
	assert_true(is(req.host, "vpn.example.com"));
	assert_true(is(req.correlation_id, "{1}"));
}

static void test_limits(void **state)
{
	static char buf[2 * SSTP_HTTP_MAX_HEADER];
	struct sstp_http_request req;
	size_t n, tail = strlen(LENGTH "\r\n");

	// a request of exactly the limit passes, one more byte does not
	for (size_t len = SSTP_HTTP_MAX_HEADER; len <= SSTP_HTTP_MAX_HEADER + 1; len++) {
		n = (size_t)snprintf(buf, sizeof(buf), LINE HOST "X: ");
		memset(buf + n, 'x', len - n - 2 - tail);
		snprintf(buf + len - tail - 2, tail + 3, "\r\n" LENGTH "\r\n");
		assert_int_equal(sstp_http_request_parse(buf, len, &req),
			len == SSTP_HTTP_MAX_HEADER ? (int)len : -431);
		assert_int_equal(sstp_http_request_parse(buf, SSTP_HTTP_MAX_HEADER - 1, &req), 0);
		memset(buf + len, 0x10, 100); // SSTP behind it changes nothing
		assert_int_equal(sstp_http_request_parse(buf, len + 100, &req),
			len == SSTP_HTTP_MAX_HEADER ? (int)len : -431);
	}

	n = (size_t)snprintf(buf, sizeof(buf), SSTP_HTTP_METHOD " " SSTP_HTTP_URI "?");
	memset(buf + n, 'a', sizeof(buf) - n);
	assert_int_equal(sstp_http_request_parse(buf, sizeof(buf), &req), -414);
	assert_int_equal(sstp_http_request_parse(buf, 1000, &req), 0);

	// a long correlation id is cut, not refused
	n = (size_t)snprintf(
		buf, sizeof(buf), LINE HOST LENGTH "SSTPCORRELATIONID: %0500d\r\n\r\n", 0);
	assert_int_equal(sstp_http_request_parse(buf, n, &req), n);
	assert_int_equal(req.correlation_id.n, 128);
}

static void test_format(void **state)
{
	char buf[1024];
	struct sstp_http_request req;
	int n;

	n = sstp_http_format_ok(buf, sizeof(buf), "culvert", 784111777);
	assert_string_equal(buf, "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n"
				 "Server: culvert\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
	assert_int_equal(n, strlen(buf));
	assert_int_equal(sstp_http_response_parse(buf, (size_t)n), n);
	for (size_t cap = 0; cap <= (size_t)n; cap++)
		assert_int_equal(sstp_http_format_ok(buf, cap, "culvert", 784111777), -ENOSPC);
	assert_int_equal(sstp_http_format_ok(buf, (size_t)n + 1, "culvert", 784111777), n);

	n = sstp_http_format_error(buf, sizeof(buf), NULL, 951782400, 404);
	assert_string_equal(buf, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n"
				 "Content-Length: 14\r\nDate: Tue, 29 Feb 2000 00:00:00 GMT\r\n"
				 "Connection: close\r\n\r\n404 Not Found\n");
	assert_int_equal(n, strlen(buf));
	assert_int_equal(sstp_http_response_parse(buf, (size_t)n), -404);
	n = sstp_http_format_error(buf, sizeof(buf), "s", 0, 405);
	assert_non_null(strstr(buf, "\r\nAllow: SSTP_DUPLEX_POST\r\n"));
	assert_int_equal(sstp_http_format_error(buf, (size_t)n, "s", 0, 405), -ENOSPC);

	// Content-Length of every error is its body's
	for (int status = 400; status < 600; status++) {
		char *body, want[48];

		n = sstp_http_format_error(buf, sizeof(buf), "s", INT64_MAX, status);
		assert_true(n > 0);
		body = strstr(buf, "\r\n\r\n") + 4;
		snprintf(want, sizeof(want), "\r\nContent-Length: %zu\r\n", strlen(body));
		assert_non_null(strstr(buf, want));
		assert_int_equal(sstp_http_response_parse(buf, (size_t)n), -status);
	}

	n = sstp_http_format_request(buf, sizeof(buf), "vpn.example.com", "{X}");
	assert_int_equal(sstp_http_request_parse(buf, (size_t)n, &req), n);
	assert_true(is(req.host, "vpn.example.com"));
	assert_true(is(req.correlation_id, "{X}"));
	n = sstp_http_format_request(buf, sizeof(buf), "192.0.2.1", NULL);
	assert_int_equal(sstp_http_request_parse(buf, (size_t)n, &req), n);
	assert_int_equal(req.correlation_id.n, 0);

	// nothing can be smuggled in
	assert_int_equal(sstp_http_format_request(buf, sizeof(buf), "x\r\nY: z", NULL), -EINVAL);
	assert_int_equal(sstp_http_format_request(buf, sizeof(buf), "x", "\n"), -EINVAL);
	assert_int_equal(sstp_http_format_ok(buf, sizeof(buf), "a\rb", 0), -EINVAL);
	assert_int_equal(sstp_http_format_error(buf, sizeof(buf), "s", 0, 200), -EINVAL);
}

static int answer(const char *text, size_t n)
{
	int last = sstp_http_response_parse(text, n);
	bool decided = false;

	for (size_t i = 0; i < n; i++) {
		char *buf = test_malloc(i ? i : 1);
		int rc;

		memcpy(buf, text, i);
		rc = sstp_http_response_parse(buf, i);
		test_free(buf);
		if (decided || rc != 0)
			assert_int_equal(rc, last);
		decided = rc != 0;
	}
	return last;
}

#define ANSWER(text) answer(text, sizeof(text) - 1)

static void test_responses(void **state)
{
	assert_int_equal(ANSWER("HTTP/1.1 200\r\n" LENGTH "\r\n"), 14 + 38 + 2);
	assert_int_equal(ANSWER("HTTP/1.1 200 \r\n" LENGTH "\r\n"), 15 + 38 + 2);
	assert_true(ANSWER("HTTP/1.1 200 OK\r\n" LENGTH "Server: Microsoft-HTTPAPI/2.0\r\nDate: "
			   "Thu, 09 Nov 2006 00:51:09 GMT\r\n\r\n"
			   "\x10\x01") > 0);
	assert_int_equal(ANSWER("HTTP/1.1 404 Not Found\r\n"), -404);
	assert_int_equal(ANSWER("HTTP/1.1 401\r\nWWW-Authenticate: x\r\n"), -401);
	assert_int_equal(ANSWER("HTTP/1.1 101 Switching Protocols\r\n"), -101);
	assert_int_equal(ANSWER("HTTP/1.1 599\r\n"), -599);
	assert_int_equal(ANSWER("HTTP/1.1 600\r\n"), -SSTP_HTTP_NOT_HTTP);
	assert_int_equal(ANSWER("HTTP/1.1 099\r\n"), -SSTP_HTTP_NOT_HTTP);
	assert_int_equal(ANSWER("HTTP/1.0 200 OK\r\n" LENGTH "\r\n"), -SSTP_HTTP_NOT_HTTP);
	assert_int_equal(ANSWER("HTTP/2 200\r\n"), -SSTP_HTTP_NOT_HTTP);
	assert_int_equal(ANSWER("HTTP/1.1 2000\r\n"), -SSTP_HTTP_NOT_HTTP);
	assert_int_equal(ANSWER("HTTP/1.1 20\r\n"), -SSTP_HTTP_NOT_HTTP);
	assert_int_equal(ANSWER("HTTP/1.1  200\r\n"), -SSTP_HTTP_NOT_HTTP);
	assert_int_equal(ANSWER("HTTP/1.1 200 OK\n"), -SSTP_HTTP_NOT_HTTP);
	assert_int_equal(ANSWER("HTTP/1.1 200 O\0K\r\n"), -SSTP_HTTP_NOT_HTTP);
	assert_int_equal(ANSWER("SSH-2.0\r\n"), -SSTP_HTTP_NOT_HTTP);
	assert_int_equal(answer("\x10\x01\x00\x30", 4), -SSTP_HTTP_NOT_HTTP);
	assert_int_equal(ANSWER("HTTP/1.1 200 OK\r\n\r\n"), -SSTP_HTTP_NOT_SSTP);
	assert_int_equal(
		ANSWER("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), -SSTP_HTTP_NOT_SSTP);
	assert_int_equal(ANSWER("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n"),
		-SSTP_HTTP_NOT_SSTP);
	assert_int_equal(ANSWER("HTTP/1.1 200 OK\r\n" LENGTH "Transfer-Encoding: chunked\r\n\r\n"),
		-SSTP_HTTP_NOT_SSTP);
	assert_int_equal(ANSWER("HTTP/1.1 200 OK\r\n" LENGTH LENGTH "\r\n"), -SSTP_HTTP_MALFORMED);
	assert_int_equal(ANSWER("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), -SSTP_HTTP_MALFORMED);
}

// RFC 9110 15.2: answers of 1xx come before the one that counts.
static void test_interim_responses(void **state)
{
	assert_int_equal(
		ANSWER("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\n" LENGTH "\r\n"), 25 + 54);
	assert_int_equal(ANSWER("HTTP/1.1 102\r\nX: y\r\n\r\nHTTP/1.1 103\r\nContent-Length: 3\r\n"
				"\r\n"),
		-SSTP_HTTP_MALFORMED);
	assert_int_equal(
		ANSWER("HTTP/1.1 102\r\nX: y\r\n\r\nHTTP/1.1 103\r\n\r\nHTTP/1.1 403\r\n"), -403);
	assert_int_equal(ANSWER("HTTP/1.1 100 Continue\r\n\r\n"), 0);
	assert_int_equal(
		ANSWER("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200\r\n"), -SSTP_HTTP_NOT_HTTP);
}

static void test_response_limit(void **state)
{
	static char buf[SSTP_HTTP_MAX_HEADER + 1];
	int n = snprintf(buf, sizeof(buf), "HTTP/1.1 200 OK\r\nX: ");

	memset(buf + n, 'x', sizeof(buf) - (size_t)n);
	assert_int_equal(sstp_http_response_parse(buf, SSTP_HTTP_MAX_HEADER - 1), 0);
	assert_int_equal(sstp_http_response_parse(buf, SSTP_HTTP_MAX_HEADER), -SSTP_HTTP_TOO_LONG);
	assert_int_equal(sstp_http_response_parse(buf, sizeof(buf)), -SSTP_HTTP_TOO_LONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_clients),
		cmocka_unit_test(test_variants),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_refused_early),
		cmocka_unit_test(test_refused_but_parsed),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_interim_responses),
		cmocka_unit_test(test_response_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
