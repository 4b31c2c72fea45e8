// SPDX-License-Identifier: BSD-3-Clause
// HTTP requests and answers. Every prefix of the input must get the verdict of the whole or none
// yet: it cannot matter how the bytes arrive in pieces.
#include <stdlib.h>
#include <string.h>

#include "protocol/sstp/sstp_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_slice(struct http_str s, const char *buf, size_t n)
{
	check(s.n == 0 || (s.p >= buf && s.p + s.n <= buf + n));
}

static int request(const char *buf, size_t n)
{
	struct sstp_http_request req;
	int rc = sstp_http_request_parse(buf, n, &req);

	check(rc <= (int)n && rc <= SSTP_HTTP_MAX_HEADER);
	check(rc >= 0 || (rc <= -400 && rc > -600));
	check_slice(req.method, buf, n);
	check_slice(req.uri, buf, n);
	check_slice(req.query, buf, n);
	check_slice(req.host, buf, n);
	check_slice(req.correlation_id, buf, n);
	if (rc > 0)
		check(req.uri.n == strlen(SSTP_HTTP_URI) && !memchr(req.host.p, '\n', req.host.n));
	return rc;
}

static int response(const char *buf, size_t n)
{
	int rc = sstp_http_response_parse(buf, n);

	check(rc <= (int)n && rc <= SSTP_HTTP_MAX_HEADER);
	check(rc >= -SSTP_HTTP_NOT_SSTP || rc == -101 || (rc <= -200 && rc > -600));
	return rc;
}

static void check_prefixes(int (*parse)(const char *, size_t), const char *buf, size_t n)
{
	size_t step = n / 128 + 1;
	int whole = parse(buf, n);
	bool decided = false;

	for (size_t i = 0; i < n; i += step) {
		int rc = parse(buf, i);

		check(rc == 0 ? !decided : rc == whole);
		decided = rc != 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_prefixes(request, (const char *)data, size);
	check_prefixes(response, (const char *)data, size);
	return 0;
}
