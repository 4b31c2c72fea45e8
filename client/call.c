// SPDX-License-Identifier: BSD-3-Clause
#include "client/call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/rand.h>

#include "base/log.h"
#include "base/secret.h"
#include "protocol/sstp/sstp_http.h"

#define FRAME_HDR_LEN 8 // SSTP header, FF 03, protocol

static const struct {
	const char *text;
	int status;
} ends[] = {
#define X(name, status, text) [CALL_END_##name] = {text, status},
	CALL_END_LIST(X)
#undef X
};

static const char *const phase_texts[] = {
#define X(name, text) [CALL_PHASE_##name] = text,
	CALL_PHASE_LIST(X)
#undef X
};

const char *call_end_text(enum call_end e)
{
	return (unsigned int)e < CALL_N_ENDS ? ends[e].text : "unknown";
}

int call_end_status(enum call_end e)
{
	return (unsigned int)e < CALL_N_ENDS ? ends[e].status : 1;
}

const char *call_reason(const struct call *c)
{
	return c->reason;
}

void call_conf_default(struct call_conf *conf)
{
	*conf = (struct call_conf){
		.auth_methods = PPP_AUTH_ALL,
		.max_mtu = 1460,
		.max_mru = 1460,
		.keepalive_ms = 60000,
		.setup_ms = 60000,
		.network_ms = 60000,
		.hangup_ms = 8000,
		.hash_mask = CERT_HASH_PROTOCOL_SHA1 | CERT_HASH_PROTOCOL_SHA256,
	};
}

static void timer_set(struct call *c, unsigned int t, uint32_t ms)
{
	c->deadline_ms[t] = c->now_ms + (ms ? ms : 1);
}

static void timer_clear(struct call *c, unsigned int t)
{
	c->deadline_ms[t] = 0;
}

// --- ending
// -----------------------------------------------------------------------------------------

static void note_endv(struct call *c, enum call_end why, const char *fmt, va_list ap)
{
	if (c->end != CALL_END_NONE) // the first reason is the one that counts
		return;
	c->end = why;
	vsnprintf(c->reason, sizeof(c->reason), fmt, ap);
}

static void note_end(struct call *c, enum call_end why, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void note_end(struct call *c, enum call_end why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note_endv(c, why, fmt, ap);
	va_end(ap);
}

static void seal(struct call *c)
{
	if (c->tx_len && c->tls.ssl && call_tls_write(&c->tls, c->tx, c->tx_len)) {
		note_end(c, CALL_END_TLS, "TLS: a record could not be written");
		c->broken = true;
	}
	c->tx_len = 0;
}

// Over: what is to be sent is in the output, nothing else will happen.
static void finish(struct call *c)
{
	if (c->phase == CALL_PHASE_CLOSED)
		return;
	seal(c);
	call_tls_close(&c->tls);
	c->phase = CALL_PHASE_CLOSED;
	memset(c->deadline_ms, 0, sizeof(c->deadline_ms));
	c->ops->closed(c->user, c->end);
}

// The end of every entry point: what was queued becomes records.
static void settle(struct call *c)
{
	seal(c);
	if (c->broken)
		finish(c);
}

void call_fail(struct call *c, enum call_end why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note_endv(c, why, fmt, ap);
	va_end(ap);
	c->phase = CALL_PHASE_CLOSED;
	memset(c->deadline_ms, 0, sizeof(c->deadline_ms));
}

// Whether the call is only waiting to end.
static bool ending(const struct call *c)
{
	return c->phase >= CALL_PHASE_CLOSING;
}

// Whether IP packets pass now.
static bool passes(const struct call *c)
{
	return c->phase == CALL_PHASE_UP && c->sstp.state == SSTP_STATE_CLIENT_CALL_CONNECTED;
}

static void start_closing(struct call *c)
{
	if (ending(c))
		return;
	c->phase = CALL_PHASE_CLOSING;
	timer_clear(c, CALL_TIMER_SETUP);
	timer_clear(c, CALL_TIMER_HELLO);
	timer_set(c, CALL_TIMER_HANGUP, c->conf.hangup_ms);
}

void call_hangup(struct call *c, uint64_t now_ms)
{
	if (ending(c))
		return;
	c->now_ms = now_ms;
	note_end(c, CALL_END_HANGUP, "hung up");
	if (!c->sstp_started) {
		finish(c);
		return;
	}
	start_closing(c);
	// down() goes on with Call Disconnect.
	ppp_terminate(&c->ppp, PPP_END_LOCAL_TERMINATED, "hung up");
	settle(c);
}

// --- SSTP's callbacks
// -------------------------------------------------------------------------------

// Room for n bytes of an SSTP packet in the record being filled.
static uint8_t *tx_reserve(struct call *c, size_t n)
{
	uint8_t *at;

	if (c->tx_len + n > sizeof(c->tx))
		seal(c);
	at = c->tx + c->tx_len;
	c->tx_len += (uint32_t)n;
	return at;
}

static void on_sstp_send(void *user, const uint8_t *pkt, size_t len)
{
	memcpy(tx_reserve(user, len), pkt, len);
}

static void on_sstp_timer_start(void *user, enum sstp_timer t, uint32_t ms)
{
	timer_set(user, CALL_TIMER_SSTP_NEGOTIATION + (unsigned int)t, ms);
}

static void on_sstp_timer_stop(void *user, enum sstp_timer t)
{
	timer_clear(user, CALL_TIMER_SSTP_NEGOTIATION + (unsigned int)t);
}

static void on_sstp_ppp_up(void *user)
{
	struct call *c = user;

	if (c->phase == CALL_PHASE_SSTP)
		c->phase = CALL_PHASE_AUTH;
	ppp_up(&c->ppp);
}

static void on_sstp_ppp_frame(void *user, const uint8_t *frame, size_t len)
{
	struct call *c = user;

	ppp_input(&c->ppp, frame, len);
}

static void go_up(struct call *c)
{
	struct call_info info = {
		.addr = c->ppp.addr,
		.mtu = ppp_mtu(&c->ppp),
		.auth = c->ppp.auth,
		.tls_version = SSL_get_version(c->tls.ssl),
		.cipher = SSL_get_cipher_name(c->tls.ssl),
	};

	if (!c->connected || !c->network || ending(c) || c->phase == CALL_PHASE_UP)
		return;
	timer_clear(c, CALL_TIMER_SETUP);
	c->phase = CALL_PHASE_UP;
	c->ops->up(c->user, &info);
}

static void on_sstp_connected(void *user)
{
	struct call *c = user;

	c->connected = true;
	go_up(c);
}

static void note_sstp_end(struct call *c, enum sstp_end why, uint32_t status)
{
	switch (why) {
	case SSTP_END_LOCAL_DISCONNECT:
		note_end(c, CALL_END_HANGUP, "hung up");
		break;
	case SSTP_END_PEER_DISCONNECT:
		note_end(c, CALL_END_SERVER, "the server disconnected the call");
		break;
	case SSTP_END_HELLO_TIMEOUT:
		note_end(c, CALL_END_LOST, "the server no longer answers (SSTP Echo Request)");
		break;
	case SSTP_END_NEGOTIATION_TIMEOUT:
		note_end(c, CALL_END_TIMEOUT, "SSTP: %s", sstp_end_text(why));
		break;
	default:
		note_end(c, CALL_END_SSTP, "SSTP: %s, status %s", sstp_end_text(why),
			sstp_status_name(status));
		break;
	}
}

static void on_sstp_closed(void *user, enum sstp_end why, uint32_t status, bool flush)
{
	struct call *c = user;

	note_sstp_end(c, why, status);
	finish(c);
}

static const struct sstp_ops sstp_ops = {
	.send = on_sstp_send,
	.timer_start = on_sstp_timer_start,
	.timer_stop = on_sstp_timer_stop,
	.ppp_up = on_sstp_ppp_up,
	.ppp_frame = on_sstp_ppp_frame,
	.call_connected = on_sstp_connected,
	.closed = on_sstp_closed,
};

// --- PPP's callbacks
// --------------------------------------------------------------------------------

static void on_ppp_send(void *user, const uint8_t *frame, size_t len)
{
	struct call *c = user;

	sstp_send_ppp(&c->sstp, frame, len);
}

static void on_ppp_timer_start(void *user, enum ppp_timer t, uint32_t ms)
{
	timer_set(user, CALL_TIMER_PPP + (unsigned int)t, ms);
}

static void on_ppp_timer_stop(void *user, enum ppp_timer t)
{
	timer_clear(user, CALL_TIMER_PPP + (unsigned int)t);
}

static void on_ppp_random(void *user, void *dst, size_t n)
{
	// Without randomness there is no challenge worth sending; OpenSSL's generator does not fail
	// once seeded.
	if (RAND_bytes(dst, (int)n) != 1)
		abort();
}

static void on_ppp_authenticated(void *user, const uint8_t hlak[32], bool has_keys)
{
	struct call *c = user;

	if (ending(c) || c->conf.stall == CALL_STALL_NO_CALL_CONNECTED)
		return;
	if (!c->ppp.auth && !c->conf.allow_no_auth) {
		note_end(c, CALL_END_AUTH, "authentication: the server asked for none");
		start_closing(c);
		sstp_disconnect(&c->sstp);
		return;
	}
	c->phase = CALL_PHASE_NETWORK;
	timer_set(c, CALL_TIMER_SETUP, c->conf.network_ms);
	sstp_authenticated(&c->sstp, hlak);
}

static void on_ppp_network_up(void *user, const struct ppp_addresses *a)
{
	struct call *c = user;

	if (!a->local) {
		note_end(c, CALL_END_ADDRESS, "address: the server gave none");
		start_closing(c);
		sstp_disconnect(&c->sstp);
		return;
	}
	c->network = true;
	go_up(c);
}

static void on_ppp_network_down(void *user)
{
	struct call *c = user;

	c->network = false;
	if (c->phase != CALL_PHASE_UP)
		return;
	// The addresses may change when IPCP opens again, which the interface could not follow.
	note_end(c, CALL_END_SERVER, "the server took the address back");
	start_closing(c);
	sstp_disconnect(&c->sstp);
}

static enum call_end end_of_ppp(enum ppp_end why)
{
	switch (why) {
	case PPP_END_AUTH_REFUSED:
	case PPP_END_AUTH_FAILED:
	case PPP_END_AUTH_TIMEOUT:
	case PPP_END_PEER_AUTH_FAILED:
		return CALL_END_AUTH;
	case PPP_END_NO_ADDRESS:
	case PPP_END_IPCP_FAILED:
		return CALL_END_ADDRESS;
	case PPP_END_LOCAL_TERMINATED:
		return CALL_END_HANGUP;
	case PPP_END_PEER_TERMINATED:
		return CALL_END_SERVER;
	case PPP_END_ECHO_TIMEOUT:
		return CALL_END_LOST;
	default:
		return CALL_END_PPP;
	}
}

static const char *label(enum call_end e)
{
	switch (e) {
	case CALL_END_AUTH:
		return "authentication";
	case CALL_END_ADDRESS:
		return "address";
	default:
		return "PPP";
	}
}

static void note_ppp_end(struct call *c, enum ppp_end why, const char *message)
{
	enum call_end end = end_of_ppp(why);
	char quoted[200];

	log_quote(quoted, sizeof(quoted), message, strlen(message));
	// A server that gives up after it refused the password says so with a Terminate.
	if (end == CALL_END_SERVER && c->phase == CALL_PHASE_AUTH)
		end = CALL_END_AUTH;
	else if (end == CALL_END_SERVER && c->phase == CALL_PHASE_NETWORK)
		end = CALL_END_ADDRESS;
	note_end(c, end, "%s: %s%s%s", label(end), ppp_end_text(why),
		*message ? ", server's message " : "", *message ? quoted : "");
}

static void on_ppp_down(void *user, enum ppp_end why, const char *message)
{
	struct call *c = user;

	note_ppp_end(c, why, message);
	start_closing(c);
	sstp_disconnect(&c->sstp);
}

static const struct ppp_ops ppp_ops = {
	.send = on_ppp_send,
	.timer_start = on_ppp_timer_start,
	.timer_stop = on_ppp_timer_stop,
	.random = on_ppp_random,
	.authenticated = on_ppp_authenticated,
	.network_up = on_ppp_network_up,
	.network_down = on_ppp_network_down,
	.down = on_ppp_down,
};

// --- the phases in front of PPP
// ---------------------------------------------------------------------

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
	if (n <= 0 || call_tls_write(&c->tls, request, (size_t)n)) {
		note_end(c, CALL_END_LOCAL, "the HTTP request cannot be made for this host name");
		finish(c);
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
	if (call_tls_cert_hash(&c->tls, p.cert_sha1, p.cert_sha256)) {
		note_end(c, CALL_END_TLS, "TLS: the server has no certificate");
		finish(c);
		return;
	}
	ppp_conf_default(&ppp, false);
	ppp.auth_methods = c->conf.auth_methods;
	ppp.mru = c->conf.max_mru;
	ppp.mtu = c->conf.max_mtu;
	ppp.user = c->conf.user;
	ppp.password = c->conf.password;
	ppp_init(&c->ppp, &ppp, &ppp_ops, c);
	timer_clear(c, CALL_TIMER_SETUP);
	if (c->conf.keepalive_ms)
		timer_set(c, CALL_TIMER_HELLO, c->conf.keepalive_ms);
	c->phase = CALL_PHASE_SSTP;
	c->sstp_started = true;
	sstp_client_start(&c->sstp, &sstp_ops, c, &p);
}

// Returns the bytes of the HTTP answer, 0: more is needed.
static size_t input_http(struct call *c, const uint8_t *p, size_t n)
{
	int rc = sstp_http_response_parse((const char *)p, n);

	if (rc > 0 && c->conf.stall == CALL_STALL_NO_CONNECT_REQUEST) {
		timer_clear(c, CALL_TIMER_SETUP);
		return 0;
	}
	if (rc > 0) {
		start_sstp(c);
		return (size_t)rc;
	}
	if (rc < -1)
		note_end(c, CALL_END_HTTP, "HTTP: the server answered with status %d", -rc);
	else if (rc < 0 || n >= CALL_CARRY)
		note_end(c, CALL_END_HTTP, "HTTP: the answer is not that of an SSTP server");
	else
		return 0;
	finish(c);
	return 0;
}

// An IPv4 packet in a data frame: its place, or NULL.
static const uint8_t *ipv4_of(const uint8_t *frame, size_t len, size_t *ip_len)
{
	uint16_t proto;
	int hdr = ppp_parse_header(frame, len, &proto);

	if (hdr < 0 || proto != PPP_PROTO_IPV4)
		return NULL;
	*ip_len = len - (size_t)hdr;
	return frame + hdr;
}

static void input_packet(struct call *c, const uint8_t *pkt, size_t len, bool control)
{
	const uint8_t *ip;
	size_t ip_len;

	if (!control) {
		ip = ipv4_of(pkt + SSTP_HDR_LEN, len - SSTP_HDR_LEN, &ip_len);
		if (ip && passes(c)) {
			c->counters.rx_packets++;
			c->counters.rx_bytes += ip_len;
			c->ops->packet(c->user, ip, ip_len);
			return;
		}
		c->counters.rx_dropped += ip != NULL;
		if (ip)
			return;
	}
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

	note_end(c, CALL_END_TLS, "TLS: %s", call_tls_error(&c->tls, text, sizeof(text)));
	finish(c);
}

static void read_plain(struct call *c)
{
	uint8_t buf[CALL_CARRY + CALL_TX_PLAIN];
	size_t have, done;
	int n;

	while (c->phase != CALL_PHASE_CLOSED) {
		have = c->carry_len;
		if (have)
			memcpy(buf, c->carry, have);
		n = call_tls_read(&c->tls, buf + have, sizeof(buf) - have);
		if (n == -EPIPE) {
			call_stream_end(c, 0, c->now_ms);
			return;
		}
		if (n < 0) {
			tls_failed(c);
			return;
		}
		if (n == 0)
			return;
		have += (size_t)n;
		done = input_plain(c, buf, have);
		// Less than a packet, or than an HTTP answer, is left: the parsers saw to it.
		c->carry_len = c->phase == CALL_PHASE_CLOSED ? 0 : (uint32_t)(have - done);
		if (c->carry_len > CALL_CARRY) {
			note_end(c, CALL_END_HTTP, "HTTP: the answer is too long");
			finish(c);
			return;
		}
		memcpy(c->carry, buf + done, c->carry_len);
	}
}

static void input_handshake(struct call *c)
{
	int rc = call_tls_handshake(&c->tls);

	if (rc < 0)
		tls_failed(c);
	else if (rc > 0)
		send_http_request(c);
}

// --- entry points
// -----------------------------------------------------------------------------------

int call_init(struct call *c, const struct call_conf *conf, const struct call_ops *ops, void *user,
	uint64_t now_ms)
{
	memset(c, 0, sizeof(*c));
	c->conf = *conf;
	c->ops = ops;
	c->user = user;
	c->now_ms = now_ms;
	c->phase = CALL_PHASE_TLS;
	if (call_tls_init(&c->tls, conf->tls, conf->host, conf->sni))
		return -ENOMEM;
	timer_set(c, CALL_TIMER_SETUP, conf->setup_ms);
	if (call_tls_handshake(&c->tls) < 0) {
		call_tls_free(&c->tls);
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
	secret_wipe(c->tx, sizeof(c->tx));
	secret_wipe(c->carry, sizeof(c->carry));
	c->phase = CALL_PHASE_CLOSED;
}

void call_input(struct call *c, const void *p, size_t n, uint64_t now_ms)
{
	c->now_ms = now_ms;
	if (c->phase == CALL_PHASE_CLOSED)
		return;
	c->counters.rx_stream += n;
	if (c->deadline_ms[CALL_TIMER_HELLO]) {
		timer_set(c, CALL_TIMER_HELLO, c->conf.keepalive_ms);
		c->hello_missed = 0;
	}
	c->tls.in = p;
	c->tls.in_len = n;
	if (c->phase == CALL_PHASE_TLS)
		input_handshake(c);
	if (c->phase != CALL_PHASE_TLS)
		read_plain(c);
	settle(c);
	c->tls.in = NULL;
	c->tls.in_len = 0;
}

void call_stream_end(struct call *c, int error, uint64_t now_ms)
{
	c->now_ms = now_ms;
	if (c->phase == CALL_PHASE_CLOSED)
		return;
	// A server that said why and then closed is not a lost connection.
	if (c->sstp_started && c->sstp.end != SSTP_END_NONE)
		note_sstp_end(c, c->sstp.end, c->sstp.end_status);
	else if (c->sstp_started && c->ppp.end != PPP_END_NONE)
		note_ppp_end(c, (enum ppp_end)c->ppp.end, c->ppp.message);
	if (error)
		note_end(c, CALL_END_LOST, "connection lost %s: %s", phase_texts[c->phase],
			log_strerror(error));
	else
		note_end(c, CALL_END_LOST, "the server closed the connection %s",
			phase_texts[c->phase]);
	finish(c);
}

static void fire(struct call *c, unsigned int t)
{
	switch (t) {
	case CALL_TIMER_SSTP_NEGOTIATION:
	case CALL_TIMER_SSTP_CLOSE:
		sstp_timeout(&c->sstp, (enum sstp_timer)(t - CALL_TIMER_SSTP_NEGOTIATION));
		break;
	case CALL_TIMER_SETUP:
		note_end(c, CALL_END_TIMEOUT, "timed out: nothing came %s", phase_texts[c->phase]);
		finish(c);
		break;
	case CALL_TIMER_HELLO:
		timer_set(c, CALL_TIMER_HELLO, c->conf.keepalive_ms);
		sstp_hello_expired(&c->sstp, ++c->hello_missed);
		break;
	case CALL_TIMER_HANGUP:
		note_end(c, CALL_END_HANGUP, "hung up");
		finish(c);
		break;
	default:
		ppp_timeout(&c->ppp, (enum ppp_timer)(t - CALL_TIMER_PPP));
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
	return c->tls.out.buf + c->tls.out.off;
}

void call_output_done(struct call *c, size_t n)
{
	c->counters.tx_stream += n;
	outbuf_take(&c->tls.out, n);
}

int call_send_ip(struct call *c, const void *ip, size_t len)
{
	uint8_t *at;

	if (!passes(c) || !len || len > ppp_mtu(&c->ppp)) {
		c->counters.tx_dropped++;
		return !passes(c) ? -ENOTCONN : -EMSGSIZE;
	}
	if (c->tls.out.len + c->tx_len > CALL_BACKLOG_MAX)
		return -EAGAIN;
	at = tx_reserve(c, FRAME_HDR_LEN + len);
	sstp_put_hdr(at, false, (uint16_t)(FRAME_HDR_LEN + len));
	at[4] = 0xff;
	at[5] = 0x03;
	wr_put_u16(at + 6, PPP_PROTO_IPV4);
	memcpy(at + FRAME_HDR_LEN, ip, len);
	c->counters.tx_packets++;
	c->counters.tx_bytes += len;
	return 0;
}

void call_flush(struct call *c)
{
	if (c->phase != CALL_PHASE_CLOSED)
		settle(c);
}
