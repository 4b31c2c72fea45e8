// SPDX-License-Identifier: BSD-3-Clause
// A call that hands its record layer over after the handshake: keys and record numbers are right
// for every version and cipher, and what is left of it still does all that a call does.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client_server.h"

// The records of a detached call.
struct own {
	struct rec_crypto *rc;
	struct rec_dir rx, tx;
	void *keys;
	struct call_secrets secrets;
	struct call_buf buf;
	bool detached, closed_by_peer;
	int rc_detach;
	uint8_t in[65536], plain[65536];
	size_t in_len, plain_len;
	unsigned int handshakes; // records of that type behind the handshake
	uint8_t sent[65536];     // all that the client wrote
	size_t sent_len;
};

static void send_record(struct bed *b, uint8_t type, const uint8_t *p, size_t n)
{
	uint8_t rec[TLS_REC_MAX_PREFIX + TLS_REC_MAX_PLAIN + TLS_REC_MAX_SUFFIX];
	struct own *o = b->more;
	struct rec_seal_op op = {
		.d = &o->tx, .p = rec + o->tx.prefix_len, .len = (uint16_t)n, .type = type};

	assert_true(n <= TLS_REC_MAX_PLAIN);
	memcpy(op.p, p, n);
	rec_seal_burst(o->rc, &op, 1);
	BIO_write(b->in, rec, (int)(n + o->tx.prefix_len + o->tx.suffix_len));
}

static void rekey(struct bed *b, bool tx)
{
	static const uint8_t update[5] = {TLS_HS_KEY_UPDATE, 0, 0, 1, 0};
	struct own *o = b->more;

	if (tx)
		send_record(b, TLS_CT_HANDSHAKE, update, sizeof(update));
	assert_int_equal(call_keys_update(&o->secrets, tx, o->rc, tx ? &o->tx : &o->rx), 0);
}

static void on_secured(void *user)
{
	struct bed *b = user;
	struct own *o = b->more;
	struct tls_traffic_key rx, tx;
	const uint8_t *p;
	size_t n;

	p = call_output(&b->call, &n);
	if (n) // the Finished must go first
		assert_int_equal(call_detach(&b->call, &o->buf, &rx, &tx, &o->secrets), -EAGAIN);
	BIO_write(b->in, p, (int)n);
	call_output_done(&b->call, n);
	o->rc_detach = call_detach(&b->call, &o->buf, &rx, &tx, &o->secrets);
	if (o->rc_detach)
		return;
	o->detached = true;
	assert_null(b->call.tls.ssl);
	assert_int_equal(rec_key_install(o->rc, &o->rx, &rx, o->keys), 0);
	assert_int_equal(
		rec_key_install(o->rc, &o->tx, &tx, (uint8_t *)o->keys + REC_KEY_SIZE_MAX), 0);
}

static void on_plain(void *user, const uint8_t *p, size_t n)
{
	send_record(user, TLS_CT_APPLICATION_DATA, p, n);
}

static void plain_in(struct bed *b, const uint8_t *p, size_t n)
{
	struct own *o = b->more;
	size_t done;

	assert_true(n <= sizeof(o->plain) - o->plain_len);
	memcpy(o->plain + o->plain_len, p, n);
	o->plain_len += n;
	done = call_input_plain(&b->call, o->plain, o->plain_len, b->now_ms);
	assert_true(done <= o->plain_len);
	memmove(o->plain, o->plain + done, o->plain_len - done);
	o->plain_len -= done;
}

static void open_record(struct bed *b, const uint8_t *rec, size_t n)
{
	static uint8_t dst[TLS_REC_MAX_CIPHER_12];
	struct own *o = b->more;
	struct rec_slice src = {rec, (uint32_t)n};
	struct rec_open_op op = {.d = &o->rx, .src = &src, .nb_src = 1, .dst = dst};

	rec_open_burst(o->rc, &op, 1);
	assert_int_equal(op.status, 0);
	if (op.type == TLS_CT_APPLICATION_DATA) {
		plain_in(b, dst, op.len);
	} else if (op.type == TLS_CT_HANDSHAKE) {
		o->handshakes++;
		if (dst[0] == TLS_HS_KEY_UPDATE) {
			rekey(b, false);
			if (dst[4])
				rekey(b, true);
		}
	} else if (op.type == TLS_CT_ALERT) {
		o->closed_by_peer = true;
		call_stream_end(&b->call, 0, b->now_ms);
	}
}

// Whole records, as call_tls_keys() asks for.
static void on_input(struct bed *b, const uint8_t *p, size_t n)
{
	struct own *o = b->more;
	size_t at = 0, len;

	assert_true(n <= sizeof(o->in) - o->in_len);
	memcpy(o->in + o->in_len, p, n);
	o->in_len += n;
	while (o->in_len - at >= TLS_REC_HDR_LEN) {
		len = TLS_REC_HDR_LEN + (size_t)(o->in[at + 3] << 8 | o->in[at + 4]);
		if (len > o->in_len - at)
			break;
		if (o->detached)
			open_record(b, o->in + at, len);
		else
			call_input(&b->call, o->in + at, len, b->now_ms);
		at += len;
	}
	memmove(o->in, o->in + at, o->in_len - at);
	o->in_len -= at;
}

static struct call_ops ops;

static struct bed *own_bed(const char *ciphers, const char *ciphersuites)
{
	struct own *o = calloc(1, sizeof(*o));
	struct bed *b = bed_create();

	ops = bed_call_ops;
	ops.secured = on_secured;
	ops.plain = on_plain;
	assert_non_null(o);
	o->rc = rec_crypto_create(rec_backend_get("openssl"));
	assert_non_null(o->rc);
	assert_int_equal(posix_memalign(&o->keys, REC_KEY_ALIGN, 2 * REC_KEY_SIZE_MAX), 0);
	b->more = o;
	b->conf.client_ops = &ops;
	b->conf.client_input = on_input;
	bed_client_tls(b, (struct call_tls_conf){
				  .keys = true, .ciphers = ciphers, .ciphersuites = ciphersuites});
	return b;
}

static void own_free(struct bed *b)
{
	struct own *o = b->more;

	if (o->detached) {
		rec_key_remove(o->rc, &o->rx);
		rec_key_remove(o->rc, &o->tx);
	}
	rec_crypto_destroy(o->rc);
	free(o->keys);
	bed_free(b);
	free(o);
}

static long on_write(
	BIO *bio, int op, const char *p, size_t n, int argi, long argl, int ret, size_t *processed)
{
	struct own *o = (struct own *)BIO_get_callback_arg(bio);

	if (op == BIO_CB_WRITE && n <= sizeof(o->sent) - o->sent_len) {
		memcpy(o->sent + o->sent_len, p, n);
		o->sent_len += n;
	}
	return ret;
}

// Explicit nonces of TLS 1.2 GCM must never come twice: each is one more than that before,
// OpenSSL's and ours.
static void check_nonces(const struct own *o)
{
	bool protected = false;
	unsigned int count = 0;
	uint64_t last = 0, nonce;
	size_t at = 0;

	while (at + 13 <= o->sent_len) {
		const uint8_t *rec = o->sent + at;

		at += TLS_REC_HDR_LEN + (size_t)(rec[3] << 8 | rec[4]);
		if (!protected) {
			protected = rec[0] == TLS_CT_CHANGE_CIPHER_SPEC;
			continue;
		}
		nonce = 0;
		for (unsigned int i = 0; i < 8; i++)
			nonce = nonce << 8 | rec[TLS_REC_HDR_LEN + i];
		assert_true(!count || nonce == last + 1);
		last = nonce;
		count++;
	}
	assert_int_equal(at, o->sent_len);
	assert_true(count > 10);
}

static struct bed *dialed(struct bed *b)
{
	bed_start(b);
	BIO_set_callback_ex(b->in, on_write);
	BIO_set_callback_arg(b->in, b->more);
	bed_pump(b);
	assert_true(((struct own *)b->more)->detached);
	assert_true(b->up);
	assert_true(b->connected);
	assert_int_equal(b->addr.local, 0x0a000002);
	return b;
}

static void check_hangup(struct bed *b)
{
	call_hangup(&b->call, b->now_ms);
	assert_true(bed_until_closed(b, 2000) <= 1000);
	assert_int_equal(b->end, CALL_END_HANGUP);
	assert_true(
		b->rx_msgs[SSTP_MSG_CALL_DISCONNECT] + b->tx_msgs[SSTP_MSG_CALL_DISCONNECT] > 0);
	assert_int_equal(b->ppp.end, PPP_END_PEER_TERMINATED);
}

static void test_ciphers(void **state)
{
	for (const struct bed_suite *u = bed_aeads; u < bed_aeads + BED_N_AEADS; u++) {
		struct bed *b = own_bed(u->ciphers, u->ciphersuites);

		b->conf.only_tls12 = u->tls12;
		dialed(b);
		assert_string_equal(b->call.cipher, u->tls12 ? u->ciphers : u->ciphersuites);
		for (unsigned int k = 0; k < 5; k++)
			bed_check_data(b);
		check_hangup(b);
		if (u->tls12 && strstr(u->ciphers, "GCM"))
			check_nonces(b->more);
		own_free(b);
	}
}

// Tickets come behind the handshake, in records that count.
static void test_tickets(void **state)
{
	for (size_t tickets = 0; tickets <= 4; tickets += 2) {
		struct bed *b = own_bed(NULL, NULL);

		SSL_CTX_set_num_tickets(b->ctx, tickets);
		dialed(b);
		assert_int_equal(((struct own *)b->more)->handshakes, tickets);
		bed_check_data(b);
		check_hangup(b);
		own_free(b);
	}
}

static void test_byte_by_byte(void **state)
{
	for (unsigned int tls12 = 0; tls12 < 2; tls12++) {
		struct bed *b = own_bed(NULL, NULL);

		b->conf.only_tls12 = tls12;
		b->conf.chunk = 1;
		dialed(b);
		bed_check_data(b);
		check_hangup(b);
		own_free(b);
	}
}

// With a cipher that is no AEAD there is nothing to hand over.
static void test_no_aead(void **state)
{
	struct bed *b = own_bed("ECDHE-ECDSA-AES256-SHA", NULL);

	b->conf.only_tls12 = true;
	bed_start(b);
	bed_pump(b);
	assert_int_equal(((struct own *)b->more)->rc_detach, -ENOTSUP);
	assert_true(b->up); // and the call goes on by itself
	own_free(b);
}

// Not asked for, not kept.
static void test_not_asked(void **state)
{
	struct bed *b = own_bed(NULL, NULL);

	bed_client_tls(b, (struct call_tls_conf){0});
	bed_start(b);
	bed_pump(b);
	assert_int_equal(((struct own *)b->more)->rc_detach, -ENOTSUP);
	own_free(b);
}

// Both sides move their keys on, in turn and on request, many times.
static void test_key_update(void **state)
{
	static const char *const suites[] = {
		"TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"};

	for (unsigned int i = 0; i < 3; i++) {
		struct bed *b = dialed(own_bed(NULL, suites[i]));

		for (unsigned int k = 0; k < 4; k++) {
			assert_int_equal(
				SSL_key_update(b->ssl, k % 2 ? SSL_KEY_UPDATE_REQUESTED
							     : SSL_KEY_UPDATE_NOT_REQUESTED),
				1);
			bed_check_data(b);
			rekey(b, true);
			bed_check_data(b);
		}
		check_hangup(b);
		own_free(b);
	}
}

// What little the server asks of a call at rest.
static void test_answers(void **state)
{
	static const uint8_t sstp_echo[8] = {0x10, 0x01, 0x00, 0x08, 0x00, SSTP_MSG_ECHO_REQUEST};
	uint8_t lcp_echo[] = {0xff, 0x03, 0xc0, 0x21, 9, 77, 0, 8, 0, 0, 0, 0};
	struct bed *b = dialed(own_bed(NULL, NULL));
	unsigned int before;

	bed_server_write(b, sstp_echo, sizeof(sstp_echo));
	bed_pump(b);
	assert_int_equal(b->rx_msgs[SSTP_MSG_ECHO_RESPONSE], 1);
	before = b->rx_records;
	wr_put_u16(lcp_echo + 8, (uint16_t)(b->ppp.magic >> 16));
	wr_put_u16(lcp_echo + 10, (uint16_t)b->ppp.magic);
	assert_int_equal(sstp_send_ppp(&b->sstp, lcp_echo, sizeof(lcp_echo)), 0);
	bed_pump(b);
	assert_int_equal(b->rx_records, before + 1);
	bed_check_data(b);
	check_hangup(b);
	own_free(b);
}

// Its own keepalive, which data that others handled puts off.
static void test_hello(void **state)
{
	struct bed *b = own_bed(NULL, NULL);

	b->call_conf.keepalive_ms = 20000;
	dialed(b);
	bed_advance(b, 15000);
	call_heard(&b->call, b->now_ms);
	bed_advance(b, 15000);
	assert_int_equal(b->rx_msgs[SSTP_MSG_ECHO_REQUEST], 0);
	bed_advance(b, 10000);
	assert_int_equal(b->rx_msgs[SSTP_MSG_ECHO_REQUEST], 1);
	assert_false(b->call_closed);
	check_hangup(b);
	own_free(b);
}

static void test_silent_server(void **state)
{
	struct bed *b = own_bed(NULL, NULL);

	b->call_conf.keepalive_ms = 20000;
	dialed(b);
	b->conf.mute_sstp = true;
	assert_true(bed_until_closed(b, 100000) <= 60000);
	assert_int_equal(b->end, CALL_END_LOST);
	own_free(b);
}

static void test_server_ends(void **state)
{
	struct bed *b = dialed(own_bed(NULL, NULL));

	ppp_terminate(&b->ppp, PPP_END_LOCAL_TERMINATED, "enough");
	assert_true(bed_until_closed(b, 5000) <= 3000);
	assert_int_equal(b->end, CALL_END_SERVER);
	own_free(b);
	b = dialed(own_bed(NULL, NULL));
	sstp_disconnect(&b->sstp);
	assert_true(bed_until_closed(b, 5000) <= 3000);
	assert_int_equal(b->end, CALL_END_SERVER);
	own_free(b);
	b = dialed(own_bed(NULL, NULL));
	SSL_shutdown(b->ssl);
	assert_true(bed_until_closed(b, 5000) <= 1000);
	assert_true(((struct own *)b->more)->closed_by_peer);
	assert_int_equal(b->end, CALL_END_LOST);
	own_free(b);
}

// A server that lies and fails, met by a detached call.
static void test_refused(void **state)
{
	struct bed *b = own_bed(NULL, NULL);

	b->call_conf.password = "wrong";
	bed_start(b);
	assert_true(bed_until_closed(b, 60000) <= 30000);
	assert_int_equal(b->end, CALL_END_AUTH);
	own_free(b);
	b = own_bed(NULL, NULL);
	b->conf.http_answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
	bed_start(b);
	assert_true(bed_until_closed(b, 60000) <= 1000);
	assert_int_equal(b->end, CALL_END_HTTP);
	own_free(b);
}

static void test_garbage(void **state)
{
	struct bed *b = dialed(own_bed(NULL, NULL));
	uint8_t junk[64];

	memset(junk, 0x5a, sizeof(junk));
	bed_server_write(b, junk, sizeof(junk));
	bed_pump(b);
	assert_true(bed_until_closed(b, 20000) <= 10000);
	assert_int_equal(b->end, CALL_END_SSTP);
	own_free(b);
}

// What 100,000 of them cost.
static void test_size(void **state)
{
	assert_true(sizeof(struct call) <= 3072);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ciphers),
		cmocka_unit_test(test_tickets),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_no_aead),
		cmocka_unit_test(test_not_asked),
		cmocka_unit_test(test_key_update),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_silent_server),
		cmocka_unit_test(test_server_ends),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
