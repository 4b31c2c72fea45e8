// SPDX-License-Identifier: BSD-3-Clause
#include "client/call_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/rand.h>

#include "base/log.h"
#include "base/secret.h"
#include "protocol/sstp/sstp_http.h"

#define LOG_TYPE "client.call"

#define FRAME_HDR_LEN 8 // SSTP header, FF 03, protocol
#define READ_ROOM 65536 // bytes of packets that stay where they are until packets_end()

void call_conf_default(struct call_conf *conf)
{
	*conf = (struct call_conf){
		.auth_methods = PPP_AUTH_ALL,
		.max_mtu = 1460,
		.max_mru = 1460,
		.keepalive_ms = 60000,
		.setup_ms = 60000,
		.network_ms = 60000,
		.backlog_max = 65536,
		.hangup_ms = 8000,
		.hash_mask = CERT_HASH_PROTOCOL_SHA1 | CERT_HASH_PROTOCOL_SHA256,
	};
}

void call_timer_set(struct call *c, unsigned int t, uint32_t ms)
{
	c->deadline_ms[t] = c->now_ms + (ms ? ms : 1);
}

void call_timer_clear(struct call *c, unsigned int t)
{
	c->deadline_ms[t] = 0;
}

// --- ending ---

static int write_plain(struct call *c, const void *p, size_t n)
{
	if (!c->detached)
		return call_tls_write(&c->tls, p, n);
	c->ops->plain(c->user, p, n);
	return 0;
}

static void could_not_write(struct call *c)
{
	call_note_end(c, CALL_END_TLS, "TLS: a record could not be written");
	c->broken = true;
}

static void seal(struct call *c)
{
	if (c->tx_len && write_plain(c, c->tx, c->tx_len))
		could_not_write(c);
	c->tx_len = 0;
}

// Over: what is to be sent is in the output, nothing else will happen.
void call_finish(struct call *c)
{
	if (c->phase == CALL_PHASE_CLOSED)
		return;
	seal(c);
	call_tls_close(&c->tls);
	c->phase = CALL_PHASE_CLOSED;
	memset(c->deadline_ms, 0, sizeof(c->deadline_ms));
	c->ops->closed(c->user, c->end);
}

// Room for n bytes of an SSTP packet in the record being filled.
uint8_t *call_tx_reserve(struct call *c, size_t n)
{
	uint8_t *at;

	if (c->tx_len + n > CALL_TX_PLAIN)
		seal(c);
	if (!c->tx_len) {
		at = call_tls_room(&c->tls);
		c->tx = at ? at : c->buf->tx;
	}
	at = c->tx + c->tx_len;
	c->tx_len += (uint32_t)n;
	return at;
}

// What SSTP or PPP has ended for, if it has, before they come to close.
static void note_said(struct call *c)
{
	if (c->sstp_started && c->sstp.end != SSTP_END_NONE)
		call_note_sstp_end(c, c->sstp.end, c->sstp.end_status);
	else if (c->sstp_started && c->ppp.end != PPP_END_NONE)
		call_note_ppp_end(c, (enum ppp_end)c->ppp.end, c->ppp.message);
}

// Whether SSTP or PPP is only waiting to close.
static bool is_over(const struct call *c)
{
	return c->sstp_started &&
	       (c->sstp.end != SSTP_END_NONE ||
		       (c->ppp.phase == PPP_PHASE_TERMINATE && c->ppp.end != PPP_END_NONE));
}

// A call that is over passes nothing any more, knows why, and does not wait for the server for
// longer than a hang-up does.
static void note_over(struct call *c)
{
	if (call_ending(c) || !is_over(c))
		return;
	note_said(c);
	call_start_closing(c);
}

// The end of every entry point: what was queued becomes records.
static void settle(struct call *c)
{
	note_over(c);
	seal(c);
	if (c->phase != CALL_PHASE_CLOSED && call_tls_answer(&c->tls))
		could_not_write(c);
	if (c->broken)
		call_finish(c);
}

void call_fail(struct call *c, enum call_end why, const char *fmt, ...)
{
	char text[sizeof(c->reason)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	call_note_end(c, why, "%s", text);
	c->phase = CALL_PHASE_CLOSED;
	memset(c->deadline_ms, 0, sizeof(c->deadline_ms));
}

// Whether the call is only waiting to end.
bool call_ending(const struct call *c)
{
	return c->phase >= CALL_PHASE_CLOSING;
}

void call_start_closing(struct call *c)
{
	if (call_ending(c))
		return;
	c->phase = CALL_PHASE_CLOSING;
	call_timer_clear(c, CALL_TIMER_SETUP);
	call_timer_clear(c, CALL_TIMER_HELLO);
	call_timer_set(c, CALL_TIMER_HANGUP, c->conf.hangup_ms);
}

void call_hangup(struct call *c, uint64_t now_ms)
{
	if (call_ending(c))
		return;
	c->now_ms = now_ms;
	call_note_end(c, CALL_END_HANGUP, "hung up");
	if (!c->sstp_started) {
		call_finish(c);
		return;
	}
	call_start_closing(c);
	// down() goes on with Call Disconnect.
	ppp_terminate(&c->ppp, PPP_END_LOCAL_TERMINATED, "hung up");
	settle(c);
}

void call_hangup_because(struct call *c, enum call_end why, const char *reason, uint64_t now_ms)
{
	call_note_end(c, why, "%s", reason);
	call_hangup(c, now_ms);
}

// --- the phases in front of PPP ---

static void make_correlation_id(char dst[40])
{
	uint8_t r[16];

	if (RAND_bytes(r, sizeof(r)) != 1)
		memset(r, 0, sizeof(r));
	r[6] = (r[6] & 0x0f) | 0x40;
	r[8] = (r[8] & 0x3f) | 0x80;
	snprintf(dst, 40, "{%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X}",
		r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
		r[13], r[14], r[15]);
}

static void send_http_request(struct call *c)
{
	char request[1024], id[40];
	int n;

	make_correlation_id(id);
	n = sstp_http_format_request(request, sizeof(request), c->conf.host, id);
	if (c->conf.stall == CALL_STALL_HTTP)
		n /= 2;
	if (n <= 0 || write_plain(c, request, (size_t)n)) {
		call_note_end(
			c, CALL_END_LOCAL, "the HTTP request cannot be made for this host name");
		call_finish(c);
		return;
	}
	c->phase = CALL_PHASE_HTTP;
}

static void start_sstp(struct call *c)
{
	struct ppp_conf ppp;
	struct sstp_params p;

	sstp_params_default(&p);
	p.hash_mask = c->conf.hash_mask;
	if (c->conf.stall) // the server's patience is what is measured
		p.negotiation_ms = INT32_MAX;
	memcpy(p.cert_sha1, c->cert_sha1, sizeof(p.cert_sha1));
	memcpy(p.cert_sha256, c->cert_sha256, sizeof(p.cert_sha256));
	if (!c->have_cert) {
		call_note_end(c, CALL_END_TLS, "TLS: the server has no certificate");
		call_finish(c);
		return;
	}
	ppp_conf_default(&ppp, false);
	ppp.auth_methods = c->conf.auth_methods;
	ppp.mru = c->conf.max_mru;
	ppp.mtu = c->conf.max_mtu;
	ppp.want_wins = c->conf.want_wins;
	ppp.local_address = c->conf.local_address;
	ppp.remote_address = c->conf.remote_address;
	ppp.mrru = c->conf.mrru;
	ppp.ipv6 = c->conf.ipv6;
	ppp.short_seq = c->conf.mp_short;
	ppp.user = c->conf.user;
	ppp.password = c->conf.password;
	ppp_init(&c->ppp, &ppp, &call_ppp_ops, c);
	call_timer_clear(c, CALL_TIMER_SETUP);
	if (c->conf.keepalive_ms)
		call_timer_set(c, CALL_TIMER_HELLO, c->conf.keepalive_ms);
	c->phase = CALL_PHASE_SSTP;
	c->sstp_started = true;
	sstp_client_start(&c->sstp, &call_sstp_ops, c, &p);
}

// Returns the bytes of the HTTP answer, 0: more is needed.
static size_t input_http(struct call *c, const uint8_t *p, size_t n)
{
	int rc = sstp_http_response_parse((const char *)p, n);

	if (rc > 0 && c->conf.stall == CALL_STALL_NO_CONNECT_REQUEST) {
		call_timer_clear(c, CALL_TIMER_SETUP);
		return 0;
	}
	if (rc > 0) {
		start_sstp(c);
		return (size_t)rc;
	}
	if (rc < 0) {
		call_note_http_end(c, -rc);
		call_finish(c);
	}
	return 0;
}

static void input_packet(struct call *c, const uint8_t *pkt, size_t len, bool control)
{
	if (!control && call_data_input(c, pkt + SSTP_HDR_LEN, len - SSTP_HDR_LEN))
		return;
	sstp_input(&c->sstp, pkt, len);
}

// Take what is whole from n bytes of plaintext; returns how much that was.
static size_t input_plain(struct call *c, const uint8_t *p, size_t n)
{
	size_t done = 0;
	uint16_t len;
	bool control;
	int rc;

	if (c->phase == CALL_PHASE_HTTP) {
		done = input_http(c, p, n);
		if (!done)
			return 0;
	}
	while (c->phase != CALL_PHASE_CLOSED) {
		rc = sstp_peek(p + done, n - done, &len, &control);
		if (rc == -EBADMSG) {
			sstp_undelineable(&c->sstp);
			break;
		}
		if (rc || len > n - done)
			break;
		input_packet(c, p + done, len, control);
		done += len;
	}
	return done;
}

static void tls_failed(struct call *c)
{
	char text[200];

	if (c->end == CALL_END_NONE)
		c->refused = call_tls_distrusts(&c->tls);
	call_note_end(c, CALL_END_TLS, "TLS: %s", call_tls_error(&c->tls, text, sizeof(text)));
	call_finish(c);
}

void call_packets_end(struct call *c)
{
	if (c->ops->packets_end)
		c->ops->packets_end(c->user);
}

// Less than a packet, or than an HTTP answer, is left: the parsers saw to it.
static void keep_rest(struct call *c, const uint8_t *p, size_t n)
{
	c->carry_len = 0;
	if (c->phase == CALL_PHASE_CLOSED)
		return;
	if (n > CALL_CARRY) {
		call_note_end(c, CALL_END_HTTP, "HTTP: the answer is too long");
		call_finish(c);
		return;
	}
	memcpy(c->buf->carry, p, n);
	c->carry_len = (uint32_t)n;
}

// Records one behind the other, so that packets need not be copied to stay.
static int read_records(struct call *c)
{
	uint8_t buf[CALL_CARRY + READ_ROOM + CALL_READ_MIN];
	size_t have = c->carry_len, done = 0;
	int n = 0;

	memcpy(buf, c->buf->carry, have);
	while (c->phase != CALL_PHASE_CLOSED && have - done <= CALL_CARRY) {
		n = call_tls_read(&c->tls, buf + have, sizeof(buf) - have);
		if (n <= 0)
			break;
		have += (size_t)n;
		done += input_plain(c, buf + done, have - done);
		if (sizeof(buf) - have >= CALL_READ_MIN)
			continue;
		call_packets_end(c);
		memmove(buf, buf + done, have - done);
		have -= done;
		done = 0;
	}
	call_packets_end(c);
	keep_rest(c, buf + done, have - done);
	return n;
}

static void read_plain(struct call *c)
{
	int n = read_records(c);

	if (c->phase == CALL_PHASE_CLOSED)
		return;
	if (n == -EPIPE)
		call_stream_end(c, 0, c->now_ms);
	else if (n < 0)
		tls_failed(c);
}

// What cannot be had so stays with OpenSSL: suites that are no AEAD.
static void take_records(struct call *c)
{
	int rc = call_tls_take_records(&c->tls, c->conf.records);

	if (rc)
		LOG_ERRNO(LOG_INFO, rc, "records of %s stay OpenSSL's", c->cipher);
}

static void input_handshake(struct call *c)
{
	int rc = call_tls_handshake(&c->tls);

	if (rc == -EPIPE)
		call_stream_end(c, 0, c->now_ms);
	else if (rc < 0)
		tls_failed(c);
	if (rc <= 0)
		return;
	c->tls_version = SSL_get_version(c->tls.ssl);
	c->cipher = SSL_get_cipher_name(c->tls.ssl);
	c->have_cert = !call_tls_cert_hash(&c->tls, c->cert_sha1, c->cert_sha256);
	if (c->ops->secured)
		c->ops->secured(c->user);
	if (c->conf.records && !c->detached)
		take_records(c);
	if (c->phase == CALL_PHASE_TLS)
		send_http_request(c);
}

// --- entry points ---

static void free_buf(struct call *c)
{
	if (c->buf && !c->detached) {
		secret_wipe(c->buf, sizeof(*c->buf));
		free(c->buf);
	}
	c->buf = NULL;
}

int call_init(struct call *c, const struct call_conf *conf, const struct call_ops *ops, void *user,
	uint64_t now_ms)
{
	memset(c, 0, sizeof(*c));
	c->conf = *conf;
	c->ops = ops;
	c->user = user;
	c->now_ms = now_ms;
	c->phase = CALL_PHASE_TLS;
	c->buf = malloc(sizeof(*c->buf));
	if (!c->buf || call_tls_init(&c->tls, conf->tls, conf->host, conf->sni)) {
		free_buf(c);
		return -ENOMEM;
	}
	call_timer_set(c, CALL_TIMER_SETUP, conf->setup_ms);
	if (call_tls_handshake(&c->tls) < 0) {
		call_tls_free(&c->tls);
		free_buf(c);
		return -ENOMEM;
	}
	return 0;
}

void call_free(struct call *c)
{
	if (c->sstp_started) {
		ppp_free(&c->ppp);
		sstp_free(&c->sstp);
	}
	call_tls_free(&c->tls);
	free_buf(c);
	call_mp_free(c);
	c->phase = CALL_PHASE_CLOSED;
}

void call_heard(struct call *c, uint64_t now_ms)
{
	c->now_ms = now_ms;
	if (!c->deadline_ms[CALL_TIMER_HELLO])
		return;
	call_timer_set(c, CALL_TIMER_HELLO, c->conf.keepalive_ms);
	c->hello_missed = 0;
}

void call_input(struct call *c, const void *p, size_t n, uint64_t now_ms)
{
	c->now_ms = now_ms;
	if (c->phase == CALL_PHASE_CLOSED)
		return;
	c->counters.rx_stream += n;
	call_heard(c, now_ms);
	c->tls.in = p;
	c->tls.in_len = n;
	if (c->phase == CALL_PHASE_TLS)
		input_handshake(c);
	if (c->phase != CALL_PHASE_TLS && !c->detached)
		read_plain(c);
	settle(c);
	c->tls.in = NULL;
	c->tls.in_len = 0;
}

int call_detach(struct call *c, struct call_buf *buf, struct tls_traffic_key *rx,
	struct tls_traffic_key *tx, struct call_secrets *secrets)
{
	int rc;

	if (c->phase != CALL_PHASE_TLS || c->detached)
		return -EINVAL;
	if (c->tls.in_len || c->tls.out.len || SSL_has_pending(c->tls.ssl))
		return -EAGAIN;
	rc = call_tls_keys(&c->tls, rx, tx, secrets);
	if (rc)
		return rc;
	call_tls_free(&c->tls);
	free_buf(c);
	c->detached = true;
	c->buf = buf;
	return 0;
}

size_t call_input_plain(struct call *c, const uint8_t *p, size_t n, uint64_t now_ms)
{
	size_t done;

	if (c->phase == CALL_PHASE_CLOSED)
		return n;
	call_heard(c, now_ms);
	done = input_plain(c, p, n);
	call_packets_end(c);
	settle(c);
	return done;
}

void call_stream_end(struct call *c, int error, uint64_t now_ms)
{
	c->now_ms = now_ms;
	if (c->phase == CALL_PHASE_CLOSED)
		return;
	// A server that said why and then closed is not a lost connection.
	note_said(c);
	if (error)
		call_note_end(c, CALL_END_LOST, "connection lost %s: %s", call_where(c),
			log_strerror(error));
	else
		call_note_end(
			c, CALL_END_LOST, "the server closed the connection %s", call_where(c));
	call_finish(c);
}

static void fire(struct call *c, unsigned int t)
{
	switch (t) {
	case CALL_TIMER_SSTP_NEGOTIATION:
	case CALL_TIMER_SSTP_CLOSE:
		sstp_timeout(&c->sstp, (enum sstp_timer)(t - CALL_TIMER_SSTP_NEGOTIATION));
		break;
	case CALL_TIMER_SETUP:
		if (c->phase == CALL_PHASE_UP) {
			call_note_end(c, CALL_END_SERVER, "the server took the address back");
			call_start_closing(c);
			sstp_disconnect(&c->sstp);
			break;
		}
		note_said(c);
		call_note_end(c, CALL_END_TIMEOUT, "timed out %s", call_where(c));
		call_finish(c);
		break;
	case CALL_TIMER_HELLO:
		call_timer_set(c, CALL_TIMER_HELLO, c->conf.keepalive_ms);
		sstp_hello_expired(&c->sstp, ++c->hello_missed);
		break;
	case CALL_TIMER_HANGUP:
		call_note_end(c, CALL_END_HANGUP, "hung up");
		call_finish(c);
		break;
	default:
		call_ppp_timeout(c, (enum ppp_timer)(t - CALL_TIMER_PPP));
		break;
	}
}

void call_tick(struct call *c, uint64_t now_ms)
{
	c->now_ms = now_ms;
	for (unsigned int t = 0; t < CALL_N_TIMERS && c->phase != CALL_PHASE_CLOSED; t++) {
		if (!c->deadline_ms[t] || c->deadline_ms[t] > now_ms)
			continue;
		c->deadline_ms[t] = 0;
		fire(c, t);
		note_over(c);
	}
	settle(c);
}

uint64_t call_deadline(const struct call *c)
{
	uint64_t first = 0;

	for (unsigned int t = 0; t < CALL_N_TIMERS; t++)
		if (c->deadline_ms[t] && (!first || c->deadline_ms[t] < first))
			first = c->deadline_ms[t];
	return first;
}

const uint8_t *call_output(const struct call *c, size_t *n)
{
	*n = c->tls.out.len;
	return *n ? c->tls.out.buf + c->tls.out.off : NULL;
}

void call_output_done(struct call *c, size_t n)
{
	c->counters.tx_stream += n;
	outbuf_take(&c->tls.out, n);
}

// Whether a packet may be queued now.
static int may_send(struct call *c, uint16_t proto, size_t len)
{
	bool open = call_passes(c, proto);

	if (!open || !len || len > call_mtu(c)) {
		c->counters.tx_dropped++;
		return !open ? -ENOTCONN : -EMSGSIZE;
	}
	return c->tls.out.len + c->tx_len > c->conf.backlog_max ? -EAGAIN : 0;
}

static uint8_t *begin_frame(struct call *c, uint16_t proto, size_t len)
{
	uint8_t *at = call_tx_reserve(c, FRAME_HDR_LEN + len);

	c->counters.tx_packets++;
	c->counters.tx_bytes += len;
	sstp_put_hdr(at, false, (uint16_t)(FRAME_HDR_LEN + len));
	at[4] = 0xff;
	at[5] = 0x03;
	wr_put_u16(at + 6, proto);
	return at + FRAME_HDR_LEN;
}

int call_begin_ip(struct call *c, uint8_t version, size_t len, uint8_t **at)
{
	uint16_t proto = version == 6 ? PPP_PROTO_IPV6 : PPP_PROTO_IPV4;
	int rc = may_send(c, proto, len);

	if (rc)
		return rc;
	if (len > ppp_mtu(&c->ppp))
		return -E2BIG;
	*at = begin_frame(c, proto, len);
	return 0;
}

int call_send_ip(struct call *c, const void *ip, size_t len)
{
	uint16_t proto = len ? call_ip_protocol(ip) : PPP_PROTO_IPV4;
	int rc = may_send(c, proto, len);

	if (rc)
		return rc;
	if (len <= ppp_mtu(&c->ppp)) {
		memcpy(begin_frame(c, proto, len), ip, len);
		return 0;
	}
	c->counters.tx_packets++;
	c->counters.tx_bytes += len;
	call_mp_send(c, ip, len);
	return 0;
}

void call_flush(struct call *c)
{
	if (c->phase != CALL_PHASE_CLOSED)
		settle(c);
}
