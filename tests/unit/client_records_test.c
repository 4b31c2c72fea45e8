// SPDX-License-Identifier: BSD-3-Clause
// A call whose records are tls/'s behind its handshake: against OpenSSL's server for every version,
// cipher and backend, and against one that says there what it should not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>

#include "client/call_records.h"
#include "client_server.h"

#define GCM_LIMIT 23726566u // records of TLS 1.3, RFC 8446 5.5

// --- with a server ---

static struct bed *records_bed(const struct rec_backend *be, struct call_tls_conf tls)
{
	struct bed *b = bed_create();

	b->call_conf.records = be;
	bed_client_tls(b, tls);
	return b;
}

static struct bed *fastest_bed(void)
{
	return records_bed(rec_backend_get(""), (struct call_tls_conf){0});
}

static struct bed *up(struct bed *b)
{
	bed_dialed(b);
	assert_true(b->up);
	assert_non_null(b->call.tls.records);
	assert_null(b->call.tls.ssl);
	assert_null(b->call.tls.keys);
	return b;
}

// The server got a close_notify in order.
static void hang_up(struct bed *b)
{
	call_hangup(&b->call, b->now_ms);
	assert_true(bed_until_closed(b, 2000) <= 1000);
	assert_int_equal(b->end, CALL_END_HANGUP);
	bed_pump(b);
	assert_true(SSL_get_shutdown(b->ssl) & SSL_RECEIVED_SHUTDOWN);
	bed_free(b);
}

static void carries(const struct rec_backend *be, const struct bed_suite *u)
{
	struct bed *b = records_bed(
		be, (struct call_tls_conf){.ciphers = u->ciphers, .ciphersuites = u->ciphersuites});

	b->conf.only_tls12 = u->tls12;
	up(b);
	assert_string_equal(b->call.cipher, u->tls12 ? u->ciphers : u->ciphersuites);
	for (unsigned int n = 0; n < 40; n++)
		bed_check_data(b);
	hang_up(b);
}

static void test_ciphers(void **state)
{
	const struct rec_backend *be;

	for (unsigned int k = 0; (be = rec_backend_nth(k)); k++)
		for (unsigned int i = 0; i < BED_N_AEADS; i++)
			carries(be, &bed_aeads[i]);
}

// A suite that is no AEAD stays with OpenSSL.
static void test_no_aead(void **state)
{
	struct bed *b = records_bed(
		rec_backend_get(""), (struct call_tls_conf){.ciphers = "ECDHE-ECDSA-AES256-SHA"});

	b->conf.only_tls12 = true;
	bed_dialed(b);
	assert_true(b->up);
	assert_null(b->call.tls.records);
	bed_check_data(b);
	hang_up(b);
}

// However the stream is cut.
static void test_pieces(void **state)
{
	static const size_t chunks[] = {1, 4, 7, 100, 1000};

	for (unsigned int i = 0; i < 2 * sizeof(chunks) / sizeof(chunks[0]); i++) {
		struct bed *b = fastest_bed();

		b->conf.only_tls12 = i & 1;
		b->conf.chunk = chunks[i / 2];
		up(b);
		bed_check_data(b);
		bed_check_data(b);
		hang_up(b);
	}
}

static void test_tickets(void **state)
{
	for (size_t tickets = 0; tickets <= 4; tickets += 2) {
		struct bed *b = fastest_bed();

		SSL_CTX_set_num_tickets(b->ctx, tickets);
		up(b);
		bed_check_data(b);
		hang_up(b);
	}
}

// What fills records, several of them, and what lies across two.
static void test_full_records(void **state)
{
	static uint8_t ip[1400] = {0x45, 0, 1400 >> 8, 1400 & 0xff, 0, 0, 0, 0, 64, 17};
	struct bed *b = up(fastest_bed());
	unsigned int records = b->rx_records, sent = 0;
	size_t left;

	for (unsigned int round = 0; round < 20; round++) {
		while (!call_send_ip(&b->call, ip, sizeof(ip))) {
			ip[20] = (uint8_t)++sent;
			call_output(&b->call, &left);
		}
		bed_pump(b); // what was not flushed does not get lost or mixed up
		call_flush(&b->call);
		bed_pump(b);
	}
	assert_true(sent > 20 * 40);
	assert_int_equal(b->rx_ip, sent);
	assert_int_equal(b->last_ip[20], (uint8_t)(sent - 1));
	assert_true(b->rx_records - records < sent / 8);
	for (unsigned int i = 0; i < 200; i++)
		bed_server_ip(b, ip, sizeof(ip));
	bed_pump(b);
	assert_int_equal(b->rx_client_ip, 200);
	hang_up(b);
}

static void key_updates(struct bed *b)
{
	for (unsigned int k = 0; k < 6; k++) {
		unsigned int to = b->rx_ip;
		bool begun = k % 3 == 2;
		size_t n;

		if (begun)
			assert_int_equal(call_send_ip(&b->call, bed_packet, sizeof(bed_packet)), 0);
		assert_int_equal(SSL_key_update(b->ssl, k % 3 ? SSL_KEY_UPDATE_REQUESTED
							      : SSL_KEY_UPDATE_NOT_REQUESTED),
			1);
		assert_int_equal(SSL_do_handshake(b->ssl), 1);
		bed_pump(b);
		call_output(&b->call, &n);
		assert_int_equal(n, 0);
		assert_int_equal(b->rx_ip, to + begun);
		bed_check_data(b);
	}
	assert_int_equal(b->end, CALL_END_NONE);
}

// Both sides move their keys on, asked and not, with a record begun and with nothing to say.
static void test_key_update(void **state)
{
	static const char *const suites[] = {
		"TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"};
	const struct rec_backend *be;

	for (unsigned int k = 0; (be = rec_backend_nth(k)); k++)
		for (unsigned int i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
			struct bed *b = up(
				records_bed(be, (struct call_tls_conf){.ciphersuites = suites[i]}));

			key_updates(b);
			hang_up(b);
		}
}

// The server speaks behind its Finished at once, so that the same read has both.
static void test_behind_finished(void **state)
{
	static const char answer[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

	for (unsigned int i = 0; i < 6; i++) {
		struct bed *b = fastest_bed();
		size_t kept_back = i / 2 * 7;
		bool tls12 = i & 1, said = false;
		static uint8_t buf[65536];
		const uint8_t *p;
		size_t n, done;
		int got;

		b->conf.only_tls12 = tls12;
		bed_start(b);
		for (unsigned int round = 0; round < 4 && !b->call_closed; round++) {
			p = call_output(&b->call, &n);
			BIO_write(b->in, p, (int)n);
			call_output_done(&b->call, n);
			if (!tls12 && !said) {
				SSL_read_early_data(b->ssl, buf, sizeof(buf), &done);
				said = SSL_write_early_data(
					       b->ssl, answer, strlen(answer), &done) == 1;
			} else if (SSL_do_handshake(b->ssl) == 1 && !said) {
				said = SSL_write(b->ssl, answer, (int)strlen(answer)) > 0;
			}
			got = BIO_read(b->out, buf, sizeof(buf));
			assert_true(got > (int)kept_back);
			n = (size_t)got - kept_back;
			call_input(&b->call, buf, n, b->now_ms);
			if (kept_back && !b->call_closed)
				call_input(&b->call, buf + n, kept_back, b->now_ms);
		}
		assert_true(said);
		assert_non_null(b->call.tls.records);
		assert_int_equal(b->end, CALL_END_HTTP);
		bed_assert_reason(b, "404");
		ERR_clear_error();
		bed_free(b);
	}
}

// A record that was begun goes out before the end of the call, and then close_notify.
static void test_begun_at_the_end(void **state)
{
	struct bed *b = up(fastest_bed());
	unsigned int to = b->rx_ip;

	assert_int_equal(call_send_ip(&b->call, bed_packet, sizeof(bed_packet)), 0);
	call_stream_end(&b->call, 0, b->now_ms);
	bed_pump(b);
	assert_int_equal(b->rx_ip, to + 1);
	assert_true(SSL_get_shutdown(b->ssl) & SSL_RECEIVED_SHUTDOWN);
	bed_free(b);
}

// What is asked of a TLS whose OpenSSL is gone.
static void test_without_openssl(void **state)
{
	struct bed *b = up(fastest_bed());
	uint8_t sha1[20], sha256[32];

	call_tls_keep_buffers(&b->call.tls);
	assert_true(b->call.tls.out.keep > 0);
	bed_check_data(b);
	ERR_raise(ERR_LIB_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED); // somebody else's, left
	assert_false(call_tls_distrusts(&b->call.tls));
	ERR_clear_error();
	assert_int_equal(call_tls_cert_hash(&b->call.tls, sha1, sha256), -ENOENT);
	hang_up(b);
}

// RFC 5246 7.2.2.
static void test_hello_request(void **state)
{
	struct bed *b = fastest_bed();

	b->conf.only_tls12 = true;
	up(b);
	assert_int_equal(SSL_renegotiate(b->ssl), 1);
	assert_int_equal(SSL_do_handshake(b->ssl), 1);
	bed_pump(b);
	// OpenSSL's server heard, and does not take no for an answer.
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
	ERR_clear_error();
	assert_int_equal(b->end, CALL_END_TLS);
	bed_assert_reason(b, "TLS: sslv3 alert handshake failure");
	bed_free(b);
}

static void test_server_ends(void **state)
{
	struct bed *b = up(fastest_bed());

	SSL_shutdown(b->ssl);
	assert_true(bed_until_closed(b, 5000) <= 1000);
	assert_int_equal(b->end, CALL_END_LOST);
	bed_assert_reason(b, "the server closed the connection");
	bed_free(b);
}

// A record that was changed on its way: the reason here, and the server is told.
static void test_bad_record(void **state)
{
	uint8_t rec[TLS_REC_HDR_LEN + 40] = {TLS_CT_APPLICATION_DATA, 3, 3, 0, 40};
	struct bed *b = up(fastest_bed());

	call_input(&b->call, rec, sizeof(rec), b->now_ms);
	assert_int_equal(b->end, CALL_END_TLS);
	bed_assert_reason(b, "TLS: bad record mac");
	ERR_clear_error();
	bed_pump(b);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
	ERR_clear_error();
	bed_free(b);
}

// --- records alone, with a peer that seals what it likes ---

struct peer {
	struct call_records *r;
	struct outbuf out;
	struct rec_crypto *rc;
	struct rec_dir tx, rx;
	void *keys;
	struct call_secrets secrets;
	uint8_t in[CALL_READ_MIN];
	size_t in_len; // answered: records opened
	uint8_t type;  // of the last one
};

static void peer_init(struct peer *p, bool tls12, uint64_t seq)
{
	struct tls_traffic_key k = {.version = tls12 ? 0x0303 : 0x0304,
		.aead = TLS_AEAD_AES_128_GCM,
		.key_len = 16,
		.key = {1, 2, 3},
		.seq = seq};

	memset(p, 0, sizeof(*p));
	p->secrets = (struct call_secrets){.len = tls12 ? 0 : 32, .rx = {4}, .tx = {5}};
	p->rc = rec_crypto_create(rec_backend_get("openssl"));
	assert_non_null(p->rc);
	assert_int_equal(posix_memalign(&p->keys, REC_KEY_ALIGN, 2 * REC_KEY_SIZE_MAX), 0);
	assert_int_equal(rec_key_install(p->rc, &p->tx, &k, p->keys), 0);
	assert_int_equal(
		rec_key_install(p->rc, &p->rx, &k, (uint8_t *)p->keys + REC_KEY_SIZE_MAX), 0);
	p->r = call_records_create(rec_backend_get(""), &k, &k, &p->secrets);
	assert_non_null(p->r);
}

static void peer_free(struct peer *p)
{
	call_records_free(p->r);
	outbuf_free(&p->out);
	rec_key_remove(p->rc, &p->tx);
	rec_key_remove(p->rc, &p->rx);
	rec_crypto_destroy(p->rc);
	free(p->keys);
}

static void peer_rekey(struct peer *p, bool client_tx)
{
	struct rec_dir *d = client_tx ? &p->rx : &p->tx;

	assert_int_equal(call_keys_update(&p->secrets, client_tx, p->rc, d), 0);
}

static int read_all(struct peer *p, const uint8_t *in, size_t n)
{
	uint8_t dst[CALL_READ_MIN];
	int rc = 0;

	do
		rc = call_records_read(p->r, &in, &n, dst);
	while (rc > 0);
	return rc;
}

// The client reads a record of these bytes.
static int said(struct peer *p, uint8_t type, const void *bytes, size_t n)
{
	uint8_t rec[TLS_REC_MAX_PREFIX + 64 + TLS_REC_MAX_SUFFIX];
	struct rec_seal_op op = {
		.d = &p->tx, .p = rec + p->tx.prefix_len, .len = (uint16_t)n, .type = type};

	assert_true(n <= 64);
	if (n)
		memcpy(op.p, bytes, n);
	rec_seal_burst(p->rc, &op, 1);
	return read_all(p, rec, p->tx.prefix_len + n + p->tx.suffix_len);
}

// The client's next record, to p->in. False: there is none.
static bool heard(struct peer *p)
{
	struct rec_slice src;
	struct rec_open_op op = {.d = &p->rx, .src = &src, .nb_src = 1, .dst = p->in};
	int len;

	if (!p->out.len)
		return false;
	src.p = p->out.buf + p->out.off;
	len = rec_peek(&p->rx, src.p);
	assert_in_range(len, TLS_REC_HDR_LEN, p->out.len);
	src.len = (uint32_t)len;
	rec_open_burst(p->rc, &op, 1);
	assert_int_equal(op.status, 0);
	outbuf_take(&p->out, (size_t)len);
	p->in_len = op.len;
	p->type = op.type;
	return true;
}

static void heard_alert(struct peer *p, uint8_t level, uint8_t description)
{
	assert_true(heard(p));
	assert_int_equal(p->type, TLS_CT_ALERT);
	assert_int_equal(p->in_len, 2);
	assert_int_equal(p->in[0], level);
	assert_int_equal(p->in[1], description);
}

// It failed, stays so, and the alert is the last it says.
static void assert_failed(struct peer *p, int rc, uint8_t alert)
{
	uint8_t told;

	assert_int_equal(rc, -EPROTO);
	assert_int_equal(said(p, TLS_CT_APPLICATION_DATA, "x", 1), -EPROTO);
	assert_non_null(call_records_error(p->r, &told));
	assert_int_equal(told, 0);
	call_records_close(p->r, &p->out);
	heard_alert(p, 2, alert);
	call_records_close(p->r, &p->out);
	assert_int_equal(call_records_write(p->r, &p->out, (const uint8_t *)"x", 1), -EPROTO);
	assert_false(heard(p));
	peer_free(p);
}

#define KU(v) "\x18\0\0\1" v
#define TICKET5 "\4\0\0\5tickt"

static void test_refused(void **state)
{
	static const struct {
		bool tls12;
		uint8_t type;
		const char *bytes;
		size_t n;
		uint8_t alert;
	} rows[] = {
		{false, TLS_CT_HANDSHAKE, KU("\2"), 5, 47},
		{false, TLS_CT_HANDSHAKE, KU("\0") KU("\0"), 10,
			10}, // behind the first is another key
		{false, TLS_CT_HANDSHAKE, "\x18\0\0\2\0\0", 6, 10},
		{false, TLS_CT_HANDSHAKE, "\x18\0\0\0", 4, 10},
		{false, TLS_CT_HANDSHAKE, "\x0d\0\0\1x", 5, 10}, // CertificateRequest, not offered
		{false, TLS_CT_HANDSHAKE, "\2\0\0\0", 4, 10},
		{false, TLS_CT_HANDSHAKE, TICKET5 "\x0d\0\0\0", 13, 10},
		{false, TLS_CT_ALERT, "\2", 1, 50},
		{false, TLS_CT_ALERT, "\2\0\0", 3, 50},
		{false, TLS_CT_ALERT, "\3\0", 2, 50},
		{false, 25, "x", 1, 10},
		{false, TLS_CT_CHANGE_CIPHER_SPEC, "\1", 1, 10},
		{true, TLS_CT_HANDSHAKE, TICKET5, 9, 10},
		{true, TLS_CT_HANDSHAKE, "\0\0\0\0\0", 5, 10},
		{true, TLS_CT_HANDSHAKE, KU("\0"), 5, 10},
		{true, TLS_CT_ALERT, "\0\0", 2, 50},
	};
	struct peer p;

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		peer_init(&p, rows[i].tls12, 0);
		assert_failed(&p, said(&p, rows[i].type, rows[i].bytes, rows[i].n), rows[i].alert);
	}
}

// What is no record at all, and what was changed.
static void test_no_record(void **state)
{
	static const struct {
		uint8_t bytes[TLS_REC_HDR_LEN];
		uint8_t alert;
	} rows[] = {
		{{'H', 'T', 'T', 'P', '/'}, 10},
		{{23, 2, 0, 0, 40}, 10},
		{{23, 3, 3, 0x50, 0}, 22},
		{{23, 3, 3, 0, 16}, 50},
		{{21, 3, 3, 0, 40}, 10}, // not protected
		{{23, 3, 3, 0, 40}, 20},
	};
	uint8_t in[TLS_REC_HDR_LEN + 40] = {0};
	struct peer p;

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memcpy(in, rows[i].bytes, TLS_REC_HDR_LEN);
		peer_init(&p, false, 0);
		assert_failed(&p, read_all(&p, in, sizeof(in)), rows[i].alert);
	}
}

// As often as is borne, and once more; data in between begins the count again.
static void test_floods(void **state)
{
	static const struct {
		bool tls12;
		uint8_t type;
		const char *bytes;
		size_t n;
		unsigned int borne;
		uint8_t alert;
	} rows[] = {
		{false, TLS_CT_APPLICATION_DATA, "", 0, 32, 10},
		{true, TLS_CT_APPLICATION_DATA, "", 0, 32, 10},
		{false, TLS_CT_HANDSHAKE, KU("\0"), 5, 32, 10},
		{false, TLS_CT_ALERT, "\1\x5a", 2, 4, 10},
		{true, TLS_CT_ALERT, "\1\x29", 2, 4, 10},
		{true, TLS_CT_HANDSHAKE, "\0\0\0\0", 4, 4, 40},
	};
	struct peer p;

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		peer_init(&p, rows[i].tls12, 0);
		for (unsigned int k = 0; k < 3 * rows[i].borne; k++) {
			if (k % rows[i].borne == 0)
				assert_int_equal(said(&p, TLS_CT_APPLICATION_DATA, "x", 1), 0);
			assert_int_equal(said(&p, rows[i].type, rows[i].bytes, rows[i].n), 0);
			if (rows[i].type == TLS_CT_HANDSHAKE && !rows[i].tls12)
				peer_rekey(&p, false);
			assert_int_equal(call_records_answer(p.r, &p.out), 0);
			while (heard(&p))
				assert_int_equal(p.type, TLS_CT_ALERT);
		}
		assert_failed(&p, said(&p, rows[i].type, rows[i].bytes, rows[i].n), rows[i].alert);
	}
}

// Tickets in pieces, with a KeyUpdate behind the last; nothing else in between.
static void test_split_ticket(void **state)
{
	struct peer p;

	peer_init(&p, false, 0);
	assert_int_equal(said(&p, TLS_CT_HANDSHAKE, "\4\0", 2), 0);
	assert_int_equal(said(&p, TLS_CT_HANDSHAKE, "\0\5ti", 4), 0);
	assert_int_equal(said(&p, TLS_CT_HANDSHAKE, "ckt" TICKET5 KU("\1"), 3 + 9 + 5), 0);
	peer_rekey(&p, false);
	assert_int_equal(said(&p, TLS_CT_APPLICATION_DATA, "x", 1), 0);
	assert_int_equal(call_records_answer(p.r, &p.out), 0);
	assert_true(heard(&p));
	assert_int_equal(p.type, TLS_CT_HANDSHAKE);
	assert_memory_equal(p.in, KU("\0"), 5);
	peer_rekey(&p, true);
	assert_int_equal(call_records_answer(p.r, &p.out), 0);
	assert_false(heard(&p));
	assert_int_equal(said(&p, TLS_CT_HANDSHAKE, "\4\0\0", 3), 0);
	assert_failed(&p, said(&p, TLS_CT_APPLICATION_DATA, "x", 1), 10);

	// A KeyUpdate in pieces.
	peer_init(&p, false, 0);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(said(&p, TLS_CT_HANDSHAKE, &KU("\0")[i], 1), 0);
	peer_rekey(&p, false);
	assert_int_equal(said(&p, TLS_CT_APPLICATION_DATA, "x", 1), 0);
	assert_int_equal(said(&p, TLS_CT_HANDSHAKE, KU(""), 4), 0);
	assert_failed(&p, said(&p, TLS_CT_HANDSHAKE, "\0\4", 2), 10);

	peer_init(&p, false, 0);
	assert_int_equal(said(&p, TLS_CT_HANDSHAKE, "\4\0\0\2x", 5), 0);
	assert_failed(&p, said(&p, TLS_CT_ALERT, "\1\0", 2), 10);
}

// The answer comes before a record that was begun when it was asked for, which loses nothing.
static void test_answer_first(void **state)
{
	struct peer p;
	uint8_t *room;

	peer_init(&p, false, 0);
	room = call_records_room(p.r, &p.out);
	assert_non_null(room);
	memcpy(room, "packet", 6);
	assert_int_equal(said(&p, TLS_CT_HANDSHAKE, KU("\1"), 5), 0);
	peer_rekey(&p, false);
	assert_ptr_equal(call_records_room(p.r, &p.out), room);
	assert_int_equal(call_records_write(p.r, &p.out, room, 6), 0);
	assert_true(heard(&p));
	assert_int_equal(p.type, TLS_CT_HANDSHAKE);
	peer_rekey(&p, true);
	assert_true(heard(&p));
	assert_int_equal(p.type, TLS_CT_APPLICATION_DATA);
	assert_int_equal(p.in_len, 6);
	assert_memory_equal(p.in, "packet", 6);
	peer_free(&p);
}

static void test_no_renegotiation(void **state)
{
	struct peer p;

	peer_init(&p, true, 0);
	assert_int_equal(said(&p, TLS_CT_HANDSHAKE, "\0\0\0\0", 4), 0);
	assert_int_equal(call_records_write(p.r, &p.out, (const uint8_t *)"x", 1), 0);
	heard_alert(&p, 1, 100);
	assert_true(heard(&p));
	assert_int_equal(p.type, TLS_CT_APPLICATION_DATA);
	assert_int_equal(call_records_write(p.r, &p.out, (const uint8_t *)"x", 1), 0);
	assert_true(heard(&p)); // once
	assert_int_equal(p.type, TLS_CT_APPLICATION_DATA);
	peer_free(&p);
}

// A key of TLS 1.3 is changed before it has sealed too much; TLS 1.2 has no other.
static void test_key_limit(void **state)
{
	unsigned int updates = 0;
	struct peer p;
	uint8_t *room;

	peer_init(&p, false, GCM_LIMIT - 1100);
	for (unsigned int i = 0; i < 2000; i++) {
		assert_int_equal(call_records_write(p.r, &p.out, (const uint8_t *)"x", 1), 0);
		while (heard(&p))
			if (p.type == TLS_CT_HANDSHAKE) {
				updates++;
				assert_memory_equal(p.in, KU("\0"), 5);
				peer_rekey(&p, true);
			}
		assert_memory_equal(p.in, "x", 1);
	}
	assert_int_equal(updates, 1);
	peer_free(&p);

	peer_init(&p, true, (UINT64_C(1) << 36) - 1);
	room = call_records_room(p.r, &p.out);
	assert_non_null(room);
	memset(room, 'p', 100);
	assert_int_equal(call_records_write(p.r, &p.out, room, 100), -EPROTO);
	assert_int_equal(room[0] | room[99], 0); // what was not sent is wiped
	assert_non_null(call_records_room(p.r, &p.out));
	call_records_close(p.r, &p.out);
	assert_int_equal(p.out.held, 0);
	assert_int_equal(p.out.len, 0);
	peer_free(&p);
}

// The longest records, cut in two anywhere.
static void test_cut(void **state)
{
	static uint8_t rec[TLS_REC_MAX_PREFIX + TLS_REC_MAX_PLAIN + TLS_REC_MAX_SUFFIX];
	uint8_t *dst = malloc(CALL_READ_MIN), *part;
	struct peer p;

	assert_non_null(dst);
	for (unsigned int tls12 = 0; tls12 < 2; tls12++) {
		size_t len, in_len;

		peer_init(&p, tls12, 0);
		len = p.tx.prefix_len + TLS_REC_MAX_PLAIN + p.tx.suffix_len;
		for (size_t cut = 1; cut < len; cut += cut < 40 || cut > len - 40 ? 1 : 97) {
			struct rec_seal_op op = {.d = &p.tx,
				.p = rec + p.tx.prefix_len,
				.len = TLS_REC_MAX_PLAIN,
				.type = TLS_CT_APPLICATION_DATA};
			const uint8_t *in;

			memset(op.p, (int)cut, TLS_REC_MAX_PLAIN);
			rec_seal_burst(p.rc, &op, 1);
			part = malloc(cut); // exactly, for the sanitizers
			assert_non_null(part);
			memcpy(part, rec, cut);
			in = part;
			in_len = cut;
			assert_int_equal(call_records_read(p.r, &in, &in_len, dst), 0);
			assert_int_equal(in_len, 0);
			free(part);
			in = rec + cut;
			in_len = len - cut;
			assert_int_equal(
				call_records_read(p.r, &in, &in_len, dst), TLS_REC_MAX_PLAIN);
			assert_int_equal(in_len, 0);
			for (unsigned int i = 0; i < TLS_REC_MAX_PLAIN; i += 4095)
				assert_int_equal(dst[i], (uint8_t)cut);
		}
		peer_free(&p);
	}
	free(dst);
}

static void test_alerts(void **state)
{
	struct peer p;
	uint8_t told;

	// Fatal, of either version, and what TLS 1.3 takes for that: nothing is said any more.
	for (unsigned int i = 0; i < 3; i++) {
		peer_init(&p, i == 1, 0);
		assert_int_equal(said(&p, TLS_CT_ALERT, i == 2 ? "\1\x28" : "\2\x28", 2), -EPROTO);
		assert_null(call_records_error(p.r, &told));
		assert_int_equal(told, 40);
		call_records_close(p.r, &p.out);
		assert_false(heard(&p));
		peer_free(&p);
	}
	peer_init(&p, false, 0);
	assert_int_equal(said(&p, TLS_CT_ALERT, "\1\0", 2), -EPIPE);
	assert_int_equal(said(&p, TLS_CT_APPLICATION_DATA, "x", 1), -EPIPE);
	call_records_close(p.r, &p.out);
	heard_alert(&p, 1, 0);
	peer_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ciphers),
		cmocka_unit_test(test_no_aead),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_tickets),
		cmocka_unit_test(test_full_records),
		cmocka_unit_test(test_key_update),
		cmocka_unit_test(test_behind_finished),
		cmocka_unit_test(test_begun_at_the_end),
		cmocka_unit_test(test_without_openssl),
		cmocka_unit_test(test_hello_request),
		cmocka_unit_test(test_server_ends),
		cmocka_unit_test(test_bad_record),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_record),
		cmocka_unit_test(test_floods),
		cmocka_unit_test(test_split_ticket),
		cmocka_unit_test(test_answer_first),
		cmocka_unit_test(test_no_renegotiation),
		cmocka_unit_test(test_key_limit),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_alerts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
