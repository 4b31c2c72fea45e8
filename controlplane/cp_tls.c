// SPDX-License-Identifier: BSD-3-Clause
// The TLS handshake of a session, and the record layer of those whose cipher no worker knows.
#define LOG_TYPE "cp.tls"
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "controlplane/cp_session.h"

#define TLS_LOG_BURST 20

static void step(struct cp_session *s);

// Whatever OpenSSL wants sent.
static void send_output(struct cp_session *s)
{
	struct cp *cp = s->cp;

	for (;;) {
		struct dp_msg *m = cp_out_begin(cp, DP_CMD_SEND_RAW, s->handle);

		m->len = (uint32_t)tls_hs_output(s->hs, m->data, sizeof(m->data));
		if (!m->len)
			return;
		cp_out_send(cp, m);
	}
}

static void consume(struct cp_session *s, uint64_t offset)
{
	struct dp_msg *m = cp_out_begin(s->cp, DP_CMD_CONSUME, s->handle);

	m->u.consume.offset = offset;
	cp_out_send(s->cp, m);
}

static void fail(struct cp_session *s, const char *why, const char *detail)
{
	SLOG_RATE(LOG_NOTICE, TLS_LOG_BURST, s, "%s: %s", why, detail);
	cp_session_why(s, why, detail);
	cp_session_close(s, false);
}

static void on_async(struct ev_loop *loop, ev_io *w, int revents)
{
	struct cp_session *s = w->data;

	// The descriptor may be gone after the step.
	ev_io_stop(loop, w);
	step(s);
	cp_call_settle(s);
}

static void wait_async(struct cp_session *s)
{
	int fd = tls_hs_async_fd(s->hs);

	if (fd < 0) {
		fail(s, "TLS handshake failed", "no descriptor to wait for the private key");
		return;
	}
	ev_io_init(&s->setup->async, on_async, fd, EV_READ);
	s->setup->async.data = s;
	ev_io_start(s->cp->loop, &s->setup->async);
}

// Decrypted bytes of a remote record layer to the worker, which delineates them.
static void read_remote(struct cp_session *s)
{
	struct cp *cp = s->cp;
	int n;

	for (;;) {
		struct dp_msg *m = cp_out_begin(cp, DP_CMD_PLAIN_IN, s->handle);

		n = tls_hs_read(s->hs, m->data, sizeof(m->data));
		if (n <= 0)
			break;
		m->len = (uint32_t)n;
		cp_out_send(cp, m);
	}
	send_output(s);
	if (n == -EPIPE) {
		// What was decrypted before comes back from the worker as packets, and in front of
		// the answer to this.
		s->close_notify = true;
		cp_out_send(cp, cp_out_begin(cp, DP_CMD_QUERY, s->handle));
	} else if (n < 0) {
		fail(s, "TLS record refused", tls_hs_error(s->hs));
	} else {
		consume(s, s->raw_next);
	}
}

static void install(struct cp_session *s)
{
	struct dp_msg *m = cp_out_begin(s->cp, DP_CMD_INSTALL, s->handle);
	int rc = tls_hs_traffic_keys(s->hs, &m->u.install.rx, &m->u.install.tx);

	s->remote = rc != 0;
	if (s->remote) {
		// OpenSSL has all that was fed, read or not.
		memset(&m->u.install, 0, sizeof(m->u.install));
		m->u.install.record_layer = DP_RECORD_REMOTE;
		m->u.install.rx_offset = s->raw_next;
		cp_out_send(s->cp, m);
		s->stage = CP_STAGE_HTTP;
		read_remote(s);
		return;
	}
	m->u.install.record_layer = DP_RECORD_WORKER;
	m->u.install.rx_offset = s->raw_next - tls_hs_unread(s->hs);
	cp_out_send(s->cp, m);
	s->stage = CP_STAGE_HTTP;
	tls_hs_shrink(s->hs);
}

static void done(struct cp_session *s)
{
	struct tls_info info;
	char sni[80];

	tls_hs_info(s->hs, &info);
	if (tls_hs_cert_hash(s->hs, s->setup->cert_sha1, s->setup->cert_sha256)) {
		fail(s, "TLS handshake failed", "no certificate to bind the call to");
		return;
	}
	install(s);
	if (s->stage == CP_STAGE_CLOSING)
		return;
	SLOG_RATE(LOG_INFO, 50, s,
		"tls version=%s cipher=%s group=%s sni=%s resumed=%s records=%s client=\"%s\"",
		info.version, info.cipher, *info.group ? info.group : "-",
		*info.sni ? log_quote(sni, sizeof(sni), info.sni, strlen(info.sni)) : "-",
		info.resumed ? "yes" : "no", s->remote ? "openssl" : "worker", info.peer);
}

static void step(struct cp_session *s)
{
	enum tls_hs_status st = tls_hs_step(s->hs);

	send_output(s);
	switch (st) {
	case TLS_HS_WANT_READ:
		consume(s, s->raw_next - tls_hs_unread(s->hs));
		break;
	case TLS_HS_WANT_ASYNC:
		wait_async(s);
		break;
	case TLS_HS_DONE:
		done(s);
		break;
	case TLS_HS_FAILED:
		fail(s, "TLS handshake failed", tls_hs_error(s->hs));
		break;
	}
}

void cp_tls_raw(struct cp_session *s, const struct dp_msg *m)
{
	const uint8_t *p = m->data;
	uint64_t at = m->u.rx.offset, end = at + m->len;
	int rc;

	if (s->stage > CP_STAGE_TLS && !s->remote)
		return; // on its way when the keys were; the worker has kept the bytes
	if (end <= s->raw_next || s->close_notify)
		return;
	if (at > s->raw_next || m->len > sizeof(m->data)) {
		cp_session_why(s, "bytes of the stream are missing", NULL);
		cp_session_close(s, true);
		return;
	}
	p += s->raw_next - at;
	if (!s->hs) {
		s->hs = tls_hs_accept(s->cp->tls);
		if (!s->hs) {
			cp_session_why(s, "out of memory", NULL);
			cp_session_close(s, true);
			return;
		}
		s->stage = CP_STAGE_TLS;
	}
	rc = tls_hs_feed(s->hs, p, (size_t)(end - s->raw_next));
	if (rc) {
		fail(s, "TLS handshake failed",
			rc == -ENOMEM ? "out of memory" : "too much unread");
		return;
	}
	s->raw_next = end;
	if (s->remote)
		read_remote(s);
	else if (!ev_is_active(&s->setup->async))
		step(s);
}

void cp_tls_plain_out(struct cp_session *s, const void *p, size_t n)
{
	int rc = tls_hs_write(s->hs, p, n);

	send_output(s);
	if (rc)
		cp_session_broken(s->cp, s->handle, "TLS record could not be made");
}

static void rekey(struct cp_session *s, bool tx, bool send_update)
{
	struct dp_msg *m;

	if (!s->hs || s->remote || s->stage < CP_STAGE_HTTP)
		return;
	m = cp_out_begin(s->cp, DP_CMD_REKEY, s->handle);
	m->u.rekey.tx = tx;
	m->u.rekey.send_update = send_update;
	if (tls_hs_key_update(s->hs, tx, &m->u.rekey.key)) {
		secret_wipe(&m->u, sizeof(m->u));
		// TLS 1.2 has no other key to go on with.
		cp_session_why(s, "TLS record limit reached", NULL);
		if (s->stage == CP_STAGE_CALL)
			cp_call_disconnect(s);
		else
			cp_session_close(s, false);
		return;
	}
	cp_out_send(s->cp, m);
}

void cp_tls_key_update(struct cp_session *s, bool request_reply)
{
	if (request_reply)
		rekey(s, true, true);
	if (s->stage != CP_STAGE_CLOSING)
		rekey(s, false, false);
}

void cp_tls_key_limit(struct cp_session *s)
{
	rekey(s, true, true);
}

void cp_tls_close(struct cp_session *s)
{
	tls_hs_close(s->hs);
	send_output(s);
}

void cp_tls_free(struct cp_session *s)
{
	tls_hs_free(s->hs);
	s->hs = NULL;
}
