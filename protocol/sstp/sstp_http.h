// SPDX-License-Identifier: BSD-3-Clause
// The HTTP exchange that opens an SSTP connection. [MS-SSTP] 3.2.4.1, 3.3.5.1, 4.1, 4.5. Pure;
// allocates nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SSTP_HTTP_URI "/sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/"
#define SSTP_HTTP_METHOD "SSTP_DUPLEX_POST"
#define SSTP_HTTP_MAX_HEADER 8192

// A slice of the caller's buffer.
struct http_str {
	const char *p;
	size_t n;
};

struct sstp_http_request {
	struct http_str method;
	struct http_str uri;   // without its query
	struct http_str query; // behind the '?', may be empty
	struct http_str host;
	struct http_str correlation_id; // any text within bounds: real clients send malformed GUIDs
};

// Parse the request at the start of buf, of which n bytes are there.
// Returns > 0: the length of the request with its blank line; *req is filled in and is a proper
// SSTP request; the bytes behind belong to SSTP. 0: incomplete, call again with more. < 0: minus
// the HTTP status owed (400, 404, 405, 411, 413, 414, 431, 501 or 505; 408 is the caller's
// clock's); what could be parsed is in *req for the log. Never reads past n. A request is refused
// as soon as it cannot become valid, so garbage is not waited for; the answer does not depend on
// how the bytes arrive in pieces.
int sstp_http_request_parse(const char *buf, size_t n, struct sstp_http_request *req);

// Format the 200 answer. server: for Server:, or NULL. now: seconds since the epoch for Date:.
// Returns its length (< cap), -ENOSPC, or -EINVAL for a server that cannot stand in a header.
int sstp_http_format_ok(char *buf, size_t cap, const char *server, int64_t now);

// Format an error answer (status 400..599) with a short body, Content-Length and Connection: close;
// 405 carries Allow. Returns as above. An answer to HEAD is it up to its blank line.
int sstp_http_format_error(char *buf, size_t cap, const char *server, int64_t now, int status);

// Client: format the request. host: as for Host:. correlation: GUID text with braces, or NULL.
// Returns as above.
int sstp_http_format_request(char *buf, size_t cap, const char *host, const char *correlation);

// Why an answer is none, where no status says it.
enum sstp_http_fault {
	SSTP_HTTP_NOT_HTTP = 1, // no HTTP/1.1
	SSTP_HTTP_MALFORMED,
	SSTP_HTTP_TOO_LONG,
	SSTP_HTTP_NOT_SSTP, // 200, but not for ever: another Content-Length, or none
};

// Client: parse the answer; answers of 1xx in front of it are skipped (RFC 9110 15.2). > 0: the
// length of it all, 200 and acceptable. 0: incomplete. < 0: -status when the server said so
// (101, 200..599), or -SSTP_HTTP_*.
int sstp_http_response_parse(const char *buf, size_t n);
