// SPDX-License-Identifier: BSD-3-Clause
// The HTTP request that opens an SSTP connection.
#define LOG_TYPE "cp.http"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "controlplane/cp_session.h"

#define HTTP_LOG_BURST 20

static const char *quote(char *dst, size_t cap, const struct http_str *s)
{
	return s->n ? log_quote(dst, cap, s->p, s->n) : "-";
}

static void log_refused(const struct cp_session *s, const struct sstp_http_request *req, int status)
{
	char method[40], uri[80], host[80];
	struct http_str begin = {.p = s->http->buf, .n = s->http->len < 24 ? s->http->len : 24};

	// What is no request at all shows by how it begins.
	if (!req->method.n)
		SLOG_RATE(LOG_NOTICE, HTTP_LOG_BURST, s, "http refused status=%d bytes=%u begin=%s",
			status, s->http->len, quote(method, sizeof(method), &begin));
	else
		SLOG_RATE(LOG_NOTICE, HTTP_LOG_BURST, s,
			"http refused status=%d method=%s uri=%s host=%s", status,
			quote(method, sizeof(method), &req->method),
			quote(uri, sizeof(uri), &req->uri), quote(host, sizeof(host), &req->host));
}

static void refuse(struct cp_session *s, const struct sstp_http_request *req, int status)
{
	char answer[1024], text[32];
	int n = sstp_http_format_error(answer, sizeof(answer), CP_SERVER_NAME, time(NULL), status);

	log_refused(s, req, status);
	snprintf(text, sizeof(text), "status %d", status);
	cp_session_why(s, "HTTP request refused", text);
	if (n > 0)
		cp_session_send(s, answer, (size_t)n);
	cp_session_close(s, false);
}

// The request ends at the plain offset `end`; what follows it is SSTP, and the worker has it.
static void accept_request(struct cp_session *s, const struct sstp_http_request *req, uint64_t end)
{
	char answer[512], host[80], id[80];
	int n = sstp_http_format_ok(answer, sizeof(answer), CP_SERVER_NAME, time(NULL));
	struct dp_msg *m;

	SLOG_RATE(LOG_INFO, 50, s, "http correlation_id=%s host=%s",
		quote(id, sizeof(id), &req->correlation_id), quote(host, sizeof(host), &req->host));
	if (n <= 0 || cp_call_start(s)) {
		cp_session_why(s, "out of memory", NULL);
		cp_session_close(s, true);
		return;
	}
	cp_session_send(s, answer, (size_t)n);
	m = cp_out_begin(s->cp, DP_CMD_SSTP_START, s->handle);
	m->u.consume.offset = end;
	cp_out_send(s->cp, m);
	free(s->http);
	s->http = NULL;
}

void cp_http_plain(struct cp_session *s, const struct dp_msg *m)
{
	struct sstp_http_request req = {0};
	struct cp_http *h = s->http;
	uint64_t at = m->u.rx.offset, next;
	size_t skip, n;
	int rc;

	if (!h) {
		h = s->http = calloc(1, sizeof(*h));
		if (!h) {
			cp_session_why(s, "out of memory", NULL);
			cp_session_close(s, true);
			return;
		}
		h->offset = at;
	}
	next = h->offset + h->len;
	if (at > next || m->len > sizeof(m->data)) {
		cp_session_why(s, "bytes of the stream are missing", NULL);
		cp_session_close(s, true);
		return;
	}
	skip = (size_t)(next - at);
	if (skip >= m->len)
		return;
	// What does not fit may be SSTP already; the worker keeps it.
	n = m->len - skip;
	if (n > SSTP_HTTP_MAX_HEADER - h->len)
		n = SSTP_HTTP_MAX_HEADER - h->len;
	memcpy(h->buf + h->len, m->data + skip, n);
	h->len += (uint32_t)n;
	rc = sstp_http_request_parse(h->buf, h->len, &req);
	if (rc > 0)
		accept_request(s, &req, h->offset + (uint32_t)rc);
	else if (rc < 0)
		refuse(s, &req, -rc);
	else if (h->len == SSTP_HTTP_MAX_HEADER)
		refuse(s, &req, 431);
}
