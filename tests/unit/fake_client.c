// SPDX-License-Identifier: BSD-3-Clause
#include "fake_client.h"

#include <stdlib.h>
#include <string.h>

#include "fake_assert.h"
#include "protocol/sstp/sstp_http.h"

#define CHUNK 1000

static void flush(struct fake_client *c)
{
	uint8_t buf[2048];
	size_t n;

	while ((n = tls_hs_output(c->hs, buf, sizeof(buf))))
		fake_conn_input(c->conn, buf, n);
}

void fake_client_send(struct fake_client *c, const void *p, size_t n)
{
	if (!c->tls_done || c->eof)
		return;
	fake_assert(!tls_hs_write(c->hs, p, n));
	flush(c);
}

void fake_client_send_raw(struct fake_client *c, const void *p, size_t n)
{
	fake_conn_input(c->conn, p, n);
}

// -- callbacks --

static void on_sstp_send(void *user, const uint8_t *pkt, size_t len)
{
	fake_client_send(user, pkt, len);
}

// The one timer that is kept: it expires when the connection is gone.
static void on_sstp_timer_start(void *user, enum sstp_timer t, uint32_t ms)
{
	if (t == SSTP_TIMER_CLOSE)
		((struct fake_client *)user)->close_timer = true;
}

static void on_sstp_timer_stop(void *user, enum sstp_timer t)
{
	if (t == SSTP_TIMER_CLOSE)
		((struct fake_client *)user)->close_timer = false;
}

static void on_sstp_ppp_up(void *user)
{
	((struct fake_client *)user)->note_ppp_up = true;
}

static void on_sstp_frame(void *user, const uint8_t *frame, size_t len)
{
	struct fake_client *c = user;

	c->frame = frame;
	c->frame_len = len;
}

static void on_call_connected(void *user)
{
	((struct fake_client *)user)->connected = true;
}

static void on_sstp_closed(void *user, enum sstp_end why, uint32_t status, bool do_flush)
{
	struct fake_client *c = user;

	c->sstp_over = true;
	c->sstp_end = why;
	c->sstp_status = status;
}

static const struct sstp_ops sstp_ops = {
	.send = on_sstp_send,
	.timer_start = on_sstp_timer_start,
	.timer_stop = on_sstp_timer_stop,
	.ppp_up = on_sstp_ppp_up,
	.ppp_frame = on_sstp_frame,
	.call_connected = on_call_connected,
	.closed = on_sstp_closed,
};

static void on_ppp_send(void *user, const uint8_t *frame, size_t len)
{
	struct fake_client *c = user;

	if (c->conf.halt != FAKE_HALT_NO_PPP)
		sstp_send_ppp(&c->sstp, frame, len);
}

static void on_ppp_timer_start(void *user, enum ppp_timer t, uint32_t ms)
{
}

static void on_ppp_timer_stop(void *user, enum ppp_timer t)
{
}

static void on_random(void *user, void *dst, size_t n)
{
	uint8_t *p = dst;

	while (n--)
		*p++ = (uint8_t)rand();
}

static void on_authenticated(void *user, const uint8_t hlak[32], bool has_keys)
{
	struct fake_client *c = user;

	if (c->conf.halt == FAKE_HALT_NO_CONNECTED)
		return;
	memcpy(c->hlak, hlak, sizeof(c->hlak));
	c->owes_connected = true;
}

static void on_network_up(void *user, const struct ppp_addresses *a)
{
	struct fake_client *c = user;

	c->network_up = true;
	c->addr = *a;
}

static void on_network_down(void *user)
{
	((struct fake_client *)user)->network_up = false;
}

static void on_network6_up(void *user, uint64_t local_id, uint64_t remote_id)
{
	struct fake_client *c = user;

	c->network6_up = true;
	c->local_id = local_id;
	c->remote_id = remote_id;
}

static void on_network6_down(void *user)
{
	((struct fake_client *)user)->network6_up = false;
}

static void on_ppp_down(void *user, enum ppp_end why, const char *message)
{
	struct fake_client *c = user;

	c->ppp_over = c->note_ppp_down = true;
	c->ppp_end = why;
	snprintf(c->ppp_message, sizeof(c->ppp_message), "%s", message ? message : "");
}

static const struct ppp_ops ppp_ops = {
	.send = on_ppp_send,
	.timer_start = on_ppp_timer_start,
	.timer_stop = on_ppp_timer_stop,
	.random = on_random,
	.authenticated = on_authenticated,
	.network_up = on_network_up,
	.network_down = on_network_down,
	.network6_up = on_network6_up,
	.network6_down = on_network6_down,
	.down = on_ppp_down,
};

// -- progress --

static void take_ip6(struct fake_client *c, const uint8_t *p, size_t n)
{
	fake_assert(n <= sizeof(c->ip6));
	memcpy(c->ip6, p, n);
	c->ip6_len = n;
	c->nb_ip6++;
}

void fake_client_send_ip6(struct fake_client *c, const void *p, size_t n)
{
	uint8_t pkt[1600] = {0x10, 0, (uint8_t)((n + 8) >> 8), (uint8_t)(n + 8), 0xff, 3, 0, 0x57};

	memcpy(pkt + 8, p, n);
	fake_client_send(c, pkt, n + 8);
}

static void settle(struct fake_client *c)
{
	if (c->note_ppp_up) {
		c->note_ppp_up = false;
		ppp_up(&c->ppp);
	}
	if (c->frame && c->frame_len > 4 && !memcmp(c->frame, "\xff\x03\0\x57", 4))
		take_ip6(c, c->frame + 4, c->frame_len - 4);
	else if (c->frame && !c->ppp_over)
		ppp_input(&c->ppp, c->frame, c->frame_len);
	c->frame = NULL;
	if (c->owes_connected && (!c->conf.late || c->network_up)) {
		c->owes_connected = false;
		sstp_authenticated(&c->sstp, c->hlak);
	}
	if (c->note_ppp_down && !c->sstp_over) {
		c->note_ppp_down = false;
		sstp_disconnect(&c->sstp);
	}
}

static void start_call(struct fake_client *c)
{
	struct sstp_params p;
	struct ppp_conf ppp;

	sstp_params_default(&p);
	fake_assert(!tls_hs_cert_hash(c->hs, p.cert_sha1, p.cert_sha256));
	if (c->conf.wrong_hash)
		p.cert_sha1[0] ^= 1, p.cert_sha256[0] ^= 1;
	ppp_conf_default(&ppp, false);
	ppp.auth_methods = c->conf.auth;
	ppp.user = c->conf.user;
	ppp.password = c->conf.password;
	ppp.hostname = c->conf.user;
	ppp.ipv6 = c->conf.ipv6;
	ppp_init(&c->ppp, &ppp, &ppp_ops, c);
	c->call_started = true;
	sstp_client_start(&c->sstp, &sstp_ops, c, &p);
}

static void send_request(struct fake_client *c)
{
	char buf[1024];
	int n;

	if (c->conf.http) {
		fake_client_send(c, c->conf.http, strlen(c->conf.http));
		return;
	}
	n = sstp_http_format_request(
		buf, sizeof(buf), "vpn.example.com", "{01234567-89AB-CDEF-0123-456789ABCDEF}");
	fake_assert(n > 0);
	fake_client_send(c, buf, (size_t)(c->conf.halt == FAKE_HALT_HTTP ? n / 2 : n));
	if (c->conf.together)
		start_call(c);
}

static void on_tls_done(struct fake_client *c)
{
	c->tls_done = true;
	flush(c);
	if (c->conf.halt != FAKE_HALT_TLS)
		send_request(c);
}

static void read_http(struct fake_client *c)
{
	int n;

	if (!c->in.n || !(n = sstp_http_response_parse((const char *)c->in.p, c->in.n)))
		return;
	c->http_done = true;
	c->http_status = n > 0 ? 200 : -n;
	if (n < 0)
		return;
	fake_buf_take(&c->in, (size_t)n);
	if (!c->call_started && c->conf.halt != FAKE_HALT_NO_CALL)
		start_call(c);
}

static void read_sstp(struct fake_client *c)
{
	uint16_t len;
	bool control;

	while (!c->sstp_over && c->call_started && !sstp_peek(c->in.p, c->in.n, &len, &control) &&
		c->in.n >= len) {
		sstp_input(&c->sstp, c->in.p, len);
		settle(c);
		fake_buf_take(&c->in, len);
	}
}

static void read_plain(struct fake_client *c)
{
	uint8_t buf[4096];
	int n;

	while ((n = tls_hs_read(c->hs, buf, sizeof(buf))) > 0)
		fake_buf_put(&c->in, buf, (size_t)n);
	flush(c);
	if (n < 0)
		c->eof = true;
}

static void handshake(struct fake_client *c)
{
	uint8_t buf[4096];
	size_t n;

	switch (tls_hs_step(c->hs)) {
	case TLS_HS_DONE:
		on_tls_done(c);
		return;
	case TLS_HS_FAILED:
		c->tls_failed = true;
		break;
	default:
		break;
	}
	n = tls_hs_output(c->hs, buf, sizeof(buf));
	if (c->conf.halt == FAKE_HALT_HELLO) {
		if (!c->fed_once)
			fake_conn_input(c->conn, buf, n / 2);
		c->fed_once = true;
		return;
	}
	fake_conn_input(c->conn, buf, n);
	flush(c);
}

static void read_all(struct fake_client *c)
{
	struct fake_buf *out = &c->conn->out;

	if (c->conf.halt == FAKE_HALT_TCP || c->tls_failed || c->eof)
		return;
	do {
		size_t n = out->n < CHUNK ? out->n : CHUNK;

		if (n)
			fake_assert(!tls_hs_feed(c->hs, out->p, n));
		fake_buf_take(out, n);
		if (!c->tls_done)
			handshake(c);
		if (c->tls_done)
			read_plain(c);
		if (c->tls_done && !c->http_done)
			read_http(c);
		if (c->http_done && c->http_status == 200)
			read_sstp(c);
	} while (out->n && !c->tls_failed && !c->eof);
}

void fake_client_step(struct fake_client *c)
{
	read_all(c);
	while (c->conn->closed && c->close_timer && !c->sstp_over) {
		c->close_timer = false;
		sstp_timeout(&c->sstp, SSTP_TIMER_CLOSE);
	}
}

void fake_client_send_data(struct fake_client *c)
{
	uint8_t frame[4 + 20] = {0xff, 0x03, 0x00, 0x21, 0x45};
	uint8_t pkt[4 + sizeof(frame)];

	sstp_put_hdr(pkt, false, sizeof(pkt));
	memcpy(pkt + 4, frame, sizeof(frame));
	fake_client_send(c, pkt, sizeof(pkt));
}

void fake_client_hang_up(struct fake_client *c)
{
	sstp_disconnect(&c->sstp);
}

void fake_client_terminate(struct fake_client *c)
{
	ppp_terminate(&c->ppp, PPP_END_LOCAL_TERMINATED, "bye");
}

void fake_client_fin(struct fake_client *c)
{
	c->conn->fin = true;
}

bool fake_client_is_up(const struct fake_client *c)
{
	return c->connected && c->network_up;
}

struct fake_client *fake_client_new(struct fake_conn *conn, const struct fake_client_conf *conf)
{
	struct fake_client *c = calloc(1, sizeof(*c));

	fake_assert(c);
	c->conf = *conf;
	c->conn = conn;
	c->hs = tls_hs_connect(conf->ctx, "vpn.example.com", NULL);
	fake_assert(c->hs);
	return c;
}

void fake_client_free(struct fake_client *c)
{
	if (c->call_started) {
		ppp_free(&c->ppp);
		sstp_free(&c->sstp);
	}
	tls_hs_free(c->hs);
	fake_buf_free(&c->in);
	fake_conn_free(c->conn);
	free(c);
}
