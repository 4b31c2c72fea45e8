// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "client_server.h"

#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "protocol/sstp/sstp_http.h"

#define TIMER_PPP SSTP_N_TIMERS

// --- certificates ---

static SSL_CTX *server_ctx(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	X509_NAME *name;

	assert_non_null(key);
	assert_non_null(cert);
	assert_non_null(ctx);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	name = X509_get_subject_name(cert);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)"vpn.example", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

// --- the server's SSTP ---

static unsigned int message_of(const uint8_t *pkt, size_t len)
{
	return len >= 6 && (pkt[1] & 1) && !pkt[4] && pkt[5] < 16 ? pkt[5] : 0;
}

void bed_server_write(struct bed *b, const void *p, size_t n)
{
	if (n)
		SSL_write(b->ssl, p, (int)n);
}

static void on_send(void *user, const uint8_t *pkt, size_t len)
{
	struct bed *b = user;
	uint8_t copy[SSTP_MAX_PACKET];

	memcpy(copy, pkt, len);
	if (b->conf.lie)
		b->conf.lie(b, copy, &len);
	if (len && !b->conf.mute_sstp) {
		b->tx_msgs[message_of(copy, len)]++;
		bed_server_write(b, copy, len);
	}
}

static void timer_start(struct bed *b, unsigned int t, uint32_t ms)
{
	b->deadline_ms[t] = b->now_ms + ms;
}

static void on_sstp_timer_start(void *user, enum sstp_timer t, uint32_t ms)
{
	timer_start(user, t, ms);
}

static void on_sstp_timer_stop(void *user, enum sstp_timer t)
{
	((struct bed *)user)->deadline_ms[t] = 0;
}

static void on_ppp_timer_start(void *user, enum ppp_timer t, uint32_t ms)
{
	timer_start(user, TIMER_PPP + t, ms);
}

static void on_ppp_timer_stop(void *user, enum ppp_timer t)
{
	((struct bed *)user)->deadline_ms[TIMER_PPP + t] = 0;
}

static void on_ppp_up(void *user)
{
	ppp_up(&((struct bed *)user)->ppp);
}

static void on_fragment(struct bed *b, const uint8_t *p, size_t n)
{
	struct ppp_mp_header h;
	unsigned int told;
	uint32_t had = b->mp_rx.len;
	int off;

	if (!b->rx_fragments++) {
		struct ppp_multilink m;

		ppp_multilink(&b->ppp, &m);
		ppp_mp_rx_init(&b->mp_rx, m.rx_mrru, m.rx_short);
	}
	off = ppp_mp_read(p, n, b->mp_rx.short_seq, &h);
	assert_true(off > 0);
	p += off;
	n -= (size_t)off;
	switch (ppp_mp_receive(&b->mp_rx, &h, n, &told)) {
	case PPP_MP_START:
		memcpy(b->part, p, n);
		break;
	case PPP_MP_MORE:
		memcpy(b->part + had, p, n);
		break;
	case PPP_MP_LAST:
		memcpy(b->part + had, p, n);
		assert_memory_equal(b->part, "\x00\x21", 2);
		b->rx_ip++;
		b->last_ip_len = b->mp_rx.len - 2;
		memcpy(b->last_ip, b->part + 2, b->last_ip_len);
		break;
	default:
		fail_msg("a fragment that belongs to nothing");
	}
	assert_int_equal(told, 0);
}

static void on_ppp_frame(void *user, const uint8_t *frame, size_t len)
{
	struct bed *b = user;
	uint16_t proto;
	int hdr = ppp_parse_header(frame, len, &proto);

	if (hdr > 0 && proto == PPP_PROTO_MP && b->conf.mrru) {
		on_fragment(b, frame + hdr, len - (size_t)hdr);
		return;
	}
	if (hdr > 0 && proto == PPP_PROTO_IPV4) {
		b->rx_ip++;
		if (b->conf.ip) {
			b->conf.ip(b, frame + hdr, len - (size_t)hdr);
			return;
		}
		b->last_ip_len = len - (size_t)hdr;
		memcpy(b->last_ip, frame + hdr, b->last_ip_len);
		return;
	}
	ppp_input(&b->ppp, frame, len);
}

static void on_call_connected(void *user)
{
	((struct bed *)user)->connected = true;
}

static void on_sstp_closed(void *user, enum sstp_end why, uint32_t status, bool flush)
{
	struct bed *b = user;

	b->closed = true;
	b->sstp_end = why;
	if (flush)
		SSL_shutdown(b->ssl);
}

static const struct sstp_ops sstp_ops = {
	.send = on_send,
	.timer_start = on_sstp_timer_start,
	.timer_stop = on_sstp_timer_stop,
	.ppp_up = on_ppp_up,
	.ppp_frame = on_ppp_frame,
	.call_connected = on_call_connected,
	.closed = on_sstp_closed,
};

// --- the server's PPP ---

static void on_ppp_send(void *user, const uint8_t *frame, size_t len)
{
	sstp_send_ppp(&((struct bed *)user)->sstp, frame, len);
}

static void on_random(void *user, void *dst, size_t n)
{
	assert_int_equal(RAND_bytes(dst, (int)n), 1);
}

static void on_auth_request(void *user, const struct ppp_auth_request *req)
{
	struct bed *b = user;
	struct ppp_auth_verdict v;

	assert_int_equal(ppp_auth_check(req, b->conf.password, &v), 0);
	ppp_auth_verdict(&b->ppp, &v);
}

static void on_authenticated(void *user, const uint8_t hlak[32], bool has_keys)
{
	struct bed *b = user;
	const struct ppp_addresses a = {.local = 0x0a000001,
		.remote = b->conf.no_address ? 0
			  : b->conf.address  ? b->conf.address
					     : 0x0a000002,
		.dns = {0x0a000001, 0x0a000009}};

	sstp_authenticated(&b->sstp, hlak);
	ppp_set_addresses(&b->ppp, &a);
}

static void on_network_up(void *user, const struct ppp_addresses *a)
{
	((struct bed *)user)->network = true;
}

static void on_network_down(void *user)
{
	((struct bed *)user)->network = false;
}

static void on_ppp_down(void *user, enum ppp_end why, const char *message)
{
	struct bed *b = user;

	b->ppp_end = why;
	sstp_disconnect(&b->sstp);
}

static const struct ppp_ops ppp_ops = {
	.send = on_ppp_send,
	.timer_start = on_ppp_timer_start,
	.timer_stop = on_ppp_timer_stop,
	.random = on_random,
	.auth_request = on_auth_request,
	.authenticated = on_authenticated,
	.network_up = on_network_up,
	.network_down = on_network_down,
	.down = on_ppp_down,
};

// --- the server's stream ---

static void start_sstp(struct bed *b)
{
	struct sstp_params p;
	struct ppp_conf ppp;
	X509 *cert = SSL_get_certificate(b->ssl);

	sstp_params_default(&p);
	p.hash_mask = b->conf.hash_mask;
	on_random(b, p.nonce, sizeof(p.nonce));
	X509_digest(cert, EVP_sha1(), p.cert_sha1, NULL);
	X509_digest(cert, EVP_sha256(), p.cert_sha256, NULL);
	ppp_conf_default(&ppp, true);
	ppp.auth_methods = b->conf.auth_methods;
	ppp.mrru = b->conf.mrru;
	ppp.short_seq = b->conf.mp_short;
	ppp_init(&b->ppp, &ppp, &ppp_ops, b);
	b->sstp_started = true;
	sstp_server_start(&b->sstp, &sstp_ops, b, &p);
}

static size_t input_http(struct bed *b)
{
	struct sstp_http_request req;
	char answer[512];
	int rc, n;

	if (b->conf.mute_http) {
		b->len = 0;
		return 0;
	}
	rc = sstp_http_request_parse((const char *)b->buf, b->len, &req);
	assert_true(rc >= 0); // the client's request is always a proper one
	if (!rc)
		return 0;
	b->http_done = true;
	if (b->conf.http_answer) {
		bed_server_write(b, b->conf.http_answer, strlen(b->conf.http_answer));
		return (size_t)rc;
	}
	n = sstp_http_format_ok(answer, sizeof(answer), "bed", 0);
	assert_true(n > 0);
	bed_server_write(b, answer, (size_t)n);
	start_sstp(b);
	return (size_t)rc;
}

static void input_plain(struct bed *b)
{
	size_t done = 0;
	uint16_t len;
	bool control;

	if (!b->http_done)
		done = input_http(b);
	while (b->sstp_started && !b->closed &&
		!sstp_peek(b->buf + done, b->len - done, &len, &control) && len <= b->len - done) {
		b->rx_msgs[message_of(b->buf + done, len)]++;
		sstp_input(&b->sstp, b->buf + done, len);
		done += len;
	}
	memmove(b->buf, b->buf + done, b->len - done);
	b->len -= done;
}

static void server_run(struct bed *b)
{
	int n;

	if (b->conf.mute_tls)
		return;
	do {
		n = SSL_read(b->ssl, b->buf + b->len, (int)(sizeof(b->buf) - b->len));
		if (n > 0) {
			b->rx_records++;
			b->len += (size_t)n;
			input_plain(b);
		}
	} while (n > 0);
}

// --- the client's callbacks ---

static void on_up(void *user, const struct call_info *info)
{
	struct bed *b = user;

	b->up = true;
	b->addr = info->addr;
}

static void on_packet(void *user, const uint8_t *ip, size_t len)
{
	struct bed *b = user;

	b->rx_client_ip++;
	b->last_client_ip_len = len;
	memcpy(b->last_client_ip, ip, len);
}

static void on_closed(void *user, enum call_end why)
{
	struct bed *b = user;

	assert_false(b->call_closed);
	b->call_closed = true;
	b->end = why;
}

const uint8_t bed_packet[40] = {0x45, 0, 0, 40, 0, 0, 0, 0, 64, 17};

const struct call_ops bed_call_ops = {.up = on_up, .packet = on_packet, .closed = on_closed};

// --- both ---

void bed_client_tls(struct bed *b, struct call_tls_conf conf)
{
	char err[200];

	conf.keys = conf.keys || b->call_conf.records;
	call_tls_ctx_free(b->client_ctx);
	b->client_ctx = call_tls_ctx_create(&conf, err, sizeof(err));
	assert_non_null(b->client_ctx);
	b->call_conf.tls = b->client_ctx;
}

struct bed *bed_create(void)
{
	const char *records = getenv("CULVERT_TEST_RECORDS");
	struct bed *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->now_ms = 1000;
	b->conf = (struct bed_conf){.auth_methods = PPP_AUTH_MSCHAP2,
		.password = "StrongPass",
		.hash_mask = CERT_HASH_PROTOCOL_SHA1 | CERT_HASH_PROTOCOL_SHA256};
	b->ctx = server_ctx();
	call_conf_default(&b->call_conf);
	if (records) {
		b->call_conf.records = rec_backend_get(strcmp(records, "auto") ? records : "");
		assert_non_null(b->call_conf.records);
	}
	bed_client_tls(b, (struct call_tls_conf){0});
	b->call_conf.host = "vpn.example";
	b->call_conf.user = "MT-User";
	b->call_conf.password = "StrongPass";
	return b;
}

void bed_server_start(struct bed *b)
{
	if (b->conf.only_tls12)
		SSL_CTX_set_max_proto_version(b->ctx, TLS1_2_VERSION);
	b->ssl = SSL_new(b->ctx);
	b->in = BIO_new(BIO_s_mem());
	b->out = BIO_new(BIO_s_mem());
	assert_true(b->ssl && b->in && b->out);
	SSL_set_bio(b->ssl, b->in, b->out);
	SSL_set_accept_state(b->ssl);
}

void bed_server_input(struct bed *b, const uint8_t *p, size_t n)
{
	BIO_write(b->in, p, (int)n);
	server_run(b);
}

size_t bed_server_output(struct bed *b, uint8_t *p, size_t cap)
{
	int n = BIO_read(b->out, p, (int)cap);

	return n > 0 ? (size_t)n : 0;
}

void bed_start(struct bed *b)
{
	bed_server_start(b);
	assert_int_equal(
		call_init(&b->call, &b->call_conf,
			b->conf.client_ops ? b->conf.client_ops : &bed_call_ops, b, b->now_ms),
		0);
}

void bed_free(struct bed *b)
{
	if (b->sstp_started) {
		ppp_free(&b->ppp);
		sstp_free(&b->sstp);
	}
	call_free(&b->call);
	SSL_free(b->ssl);
	SSL_CTX_free(b->ctx);
	call_tls_ctx_free(b->client_ctx);
	free(b);
}

static bool move(struct bed *b)
{
	uint8_t buf[16384];
	const uint8_t *p;
	bool moved = false;
	size_t n;
	int got;

	for (p = call_output(&b->call, &n); n; p = call_output(&b->call, &n)) {
		BIO_write(b->in, p, (int)n);
		call_output_done(&b->call, n);
		moved = true;
	}
	server_run(b);
	while ((got = BIO_read(b->out, buf, (int)(b->conf.chunk ? b->conf.chunk : sizeof(buf)))) >
		0) {
		if (b->conf.client_input)
			b->conf.client_input(b, buf, (size_t)got);
		else
			call_input(&b->call, buf, (size_t)got, b->now_ms);
		moved = true;
	}
	return moved;
}

void bed_pump(struct bed *b)
{
	unsigned int rounds = 0;

	while (move(b))
		assert_true(++rounds < 10000);
}

static uint64_t next_deadline(const struct bed *b, unsigned int *which)
{
	uint64_t first = UINT64_MAX;

	if (b->conf.mute_sstp) // struck dumb, and no more alive
		return first;
	for (unsigned int t = 0; t < BED_N_TIMERS; t++) {
		if (b->deadline_ms[t] && b->deadline_ms[t] < first) {
			first = b->deadline_ms[t];
			*which = t;
		}
	}
	return first;
}

static void server_timeout(struct bed *b, unsigned int t)
{
	b->deadline_ms[t] = 0;
	if (t < TIMER_PPP)
		sstp_timeout(&b->sstp, (enum sstp_timer)t);
	else
		ppp_timeout(&b->ppp, (enum ppp_timer)(t - TIMER_PPP));
}

void bed_server_tick(struct bed *b, uint64_t now_ms)
{
	unsigned int which = 0;

	b->now_ms = now_ms;
	while (!b->closed && next_deadline(b, &which) <= now_ms)
		server_timeout(b, which);
}

// One timer of either side that is due before `until`; false: none.
static bool step_time(struct bed *b, uint64_t until)
{
	unsigned int which = 0;
	uint64_t server = next_deadline(b, &which), client = call_deadline(&b->call);

	if (client && client <= server && client <= until) {
		b->now_ms = client > b->now_ms ? client : b->now_ms;
		call_tick(&b->call, b->now_ms);
	} else if (server <= until) {
		b->now_ms = server > b->now_ms ? server : b->now_ms;
		server_timeout(b, which);
	} else {
		return false;
	}
	bed_pump(b);
	return true;
}

void bed_advance(struct bed *b, uint64_t ms)
{
	uint64_t until = b->now_ms + ms;

	bed_pump(b);
	while (step_time(b, until))
		;
	b->now_ms = until;
}

uint64_t bed_until_closed(struct bed *b, uint64_t limit_ms)
{
	uint64_t start = b->now_ms;

	bed_pump(b);
	while (!b->call_closed)
		if (!step_time(b, start + limit_ms))
			return UINT64_MAX;
	return b->now_ms - start;
}

void bed_server_frame(struct bed *b, const void *frame, size_t n)
{
	assert_int_equal(sstp_send_ppp(&b->sstp, frame, n), 0);
}

void bed_server_ip(struct bed *b, const void *ip, size_t n)
{
	uint8_t frame[4096] = {0xff, 0x03, 0x00, 0x21};

	memcpy(frame + 4, ip, n);
	assert_int_equal(sstp_send_ppp(&b->sstp, frame, n + 4), 0);
}

struct bed *bed_dialed(struct bed *b)
{
	bed_start(b);
	bed_pump(b);
	return b;
}

void bed_assert_reason(const struct bed *b, const char *part)
{
	if (!strstr(call_reason(&b->call), part))
		fail_msg("\"%s\" does not say \"%s\"", call_reason(&b->call), part);
}

void bed_assert_ended(struct bed *b, uint64_t limit_ms, enum call_end end, const char *reason)
{
	uint64_t took = bed_until_closed(b, limit_ms);

	if (took == UINT64_MAX)
		fail_msg("not closed after %llu ms", (unsigned long long)limit_ms);
	if (b->end != end)
		fail_msg("ended with \"%s\"", call_reason(&b->call));
	bed_assert_reason(b, reason);
	assert_false(b->up);
	assert_int_equal(call_deadline(&b->call), 0);
	assert_int_equal(call_send_ip(&b->call, bed_packet, sizeof(bed_packet)), -ENOTCONN);
}

void bed_check_data(struct bed *b)
{
	unsigned int to = b->rx_ip, from = b->rx_client_ip;

	assert_int_equal(call_send_ip(&b->call, bed_packet, sizeof(bed_packet)), 0);
	call_flush(&b->call);
	bed_server_ip(b, bed_packet, sizeof(bed_packet));
	bed_pump(b);
	assert_int_equal(b->rx_ip, to + 1);
	assert_memory_equal(b->last_ip, bed_packet, sizeof(bed_packet));
	assert_int_equal(b->rx_client_ip, from + 1);
	assert_memory_equal(b->last_client_ip, bed_packet, sizeof(bed_packet));
}

const struct bed_suite bed_aeads[BED_N_AEADS] = {
	{false, NULL, "TLS_AES_128_GCM_SHA256"},
	{false, NULL, "TLS_AES_256_GCM_SHA384"},
	{false, NULL, "TLS_CHACHA20_POLY1305_SHA256"},
	{true, "ECDHE-ECDSA-AES128-GCM-SHA256", NULL},
	{true, "ECDHE-ECDSA-AES256-GCM-SHA384", NULL},
	{true, "ECDHE-ECDSA-CHACHA20-POLY1305", NULL},
};
