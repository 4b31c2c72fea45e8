// SPDX-License-Identifier: BSD-3-Clause
// Hand-over from a handshake to the record layer, record by record against OpenSSL as the peer.
#include "tls_testlib.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>

#define LENGTH_STEP (TL_SANITIZED ? 61 : 7)
#define RECORD_MAX (TLS_REC_MAX_PREFIX + TLS_REC_MAX_PLAIN + TLS_REC_MAX_SUFFIX)

static const struct suite {
	int version;
	const char *name;
} suites[] = {
	{TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256"},
	{TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384"},
	{TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305"},
	{TLS1_2_VERSION, "DHE-RSA-AES256-GCM-SHA384"},
	{TLS1_2_VERSION, "AES128-GCM-SHA256"},
	{TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"},
	{TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384"},
	{TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256"},
};
#define NB_SUITES (sizeof(suites) / sizeof(suites[0]))

// One finished handshake with an OpenSSL peer, and our record layer on this side of it.
struct link {
	struct tls_ctx *ctx;
	struct tls_hs *hs;
	SSL_CTX *peer_ctx;
	struct tl_peer peer;
	struct rec_crypto *rc;
	struct rec_dir rx, tx;
	_Alignas(REC_KEY_ALIGN) uint8_t mem[2][REC_KEY_SIZE_MAX];
	uint8_t *text, *record, *dst;
};

static uint64_t rng_state = 88172645463325252u;

static uint32_t rnd(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (uint32_t)(rng_state >> 16);
}

static void install(struct link *l, struct rec_dir *d, struct tls_traffic_key *k)
{
	assert_int_equal(rec_key_install(l->rc, d, k, l->mem[d == &l->tx]), 0);
	memset(k, 0, sizeof(*k));
}

static void link_records(struct link *l, const struct rec_backend *b)
{
	struct tls_traffic_key rx, tx;

	l->rc = rec_crypto_create(b);
	assert_non_null(l->rc);
	assert_int_equal(tls_hs_traffic_keys(l->hs, &rx, &tx), 0);
	install(l, &l->rx, &rx);
	install(l, &l->tx, &tx);
	l->text = malloc(RECORD_MAX);
	l->record = malloc(RECORD_MAX + 256);
	l->dst = malloc(RECORD_MAX + 256);
	for (size_t i = 0; i < RECORD_MAX; i++)
		l->text[i] = (uint8_t)rnd();
}

static void link_up(struct link *l, const struct suite *s, bool server, const struct rec_backend *b,
	SSL_SESSION *resume)
{
	struct tls_client_conf cc = {0};
	struct tls_server_conf sc = {.session_tickets = true};
	char err[256];

	memset(l, 0, sizeof(*l));
	if (server) {
		l->ctx = tl_server(&sc, (const char *const[]){"rsa", NULL});
		l->peer_ctx = tl_client_ctx(s->version, s->name);
		l->hs = tls_hs_accept(l->ctx);
	} else {
		l->ctx = tls_client_ctx_create(&cc, err, sizeof(err));
		l->peer_ctx = tl_server_ssl_ctx(s->version, s->name, "rsa");
		SSL_CTX_set_dh_auto(l->peer_ctx, 1);
		l->hs = tls_hs_connect(l->ctx, NULL, NULL);
	}
	assert_non_null(l->hs);
	tl_peer_init(&l->peer, l->peer_ctx, !server);
	if (resume)
		SSL_set_session(l->peer.ssl, resume);
	assert_int_equal(tl_handshake(l->hs, &l->peer, 0), TLS_HS_DONE);
	link_records(l, b);
}

static void link_down(struct link *l)
{
	if (l->rc) {
		rec_key_remove(l->rc, &l->rx);
		rec_key_remove(l->rc, &l->tx);
		rec_crypto_destroy(l->rc);
	}
	tl_peer_free(&l->peer);
	SSL_CTX_free(l->peer_ctx);
	tls_hs_free(l->hs);
	tls_ctx_destroy(l->ctx);
	free(l->text);
	free(l->record);
	free(l->dst);
}

// Seal len bytes of text and put the record on the peer's wire.
static void send_record(struct link *l, uint8_t type, const uint8_t *p, size_t len)
{
	struct rec_seal_op op = {&l->tx, l->record + l->tx.prefix_len, (uint16_t)len, type};
	int n = (int)(l->tx.prefix_len + len + l->tx.suffix_len);

	memcpy(op.p, p, len);
	rec_seal_burst(l->rc, &op, 1);
	assert_int_equal(BIO_write(l->peer.in, l->record, n), n);
}

// Take the next record off the peer's wire and open it, cut into slices at random places.
static void recv_record(struct link *l, struct rec_open_op *op)
{
	struct rec_slice s[TLS_REC_MAX_SLICES];
	size_t at = 0, n;

	assert_int_equal(BIO_read(l->peer.out, l->record, 5), 5);
	n = (size_t)rec_peek(&l->rx, l->record);
	assert_true(n > 5 && n <= RECORD_MAX + 240);
	assert_int_equal(BIO_read(l->peer.out, l->record + 5, (int)n - 5), n - 5);
	*op = (struct rec_open_op){.d = &l->rx, .src = s, .dst = l->dst};
	while (at < n || !op->nb_src) {
		size_t part = rnd() % 4 ? 1 + rnd() % 1460 : n - at;

		if (part > n - at || op->nb_src == TLS_REC_MAX_SLICES - 1)
			part = n - at;
		s[op->nb_src++] = (struct rec_slice){l->record + at, (uint32_t)part};
		at += part;
	}
	rec_open_burst(l->rc, op, 1);
	op->src = NULL;
}

static void check_to_peer(struct link *l, size_t len)
{
	static uint8_t got[RECORD_MAX];

	send_record(l, TLS_CT_APPLICATION_DATA, l->text, len);
	if (!len) { // carries nothing, and is no error
		assert_int_equal(SSL_read(l->peer.ssl, got, sizeof(got)), -1);
		assert_int_equal(SSL_get_error(l->peer.ssl, -1), SSL_ERROR_WANT_READ);
		return;
	}
	assert_int_equal(SSL_read(l->peer.ssl, got, sizeof(got)), len);
	assert_memory_equal(got, l->text, len);
}

static void check_from_peer(struct link *l, size_t len)
{
	struct rec_open_op op;

	if (!len)
		return; // OpenSSL writes no empty records
	assert_int_equal(SSL_write(l->peer.ssl, l->text, (int)len), len);
	recv_record(l, &op);
	assert_int_equal(op.status, 0);
	assert_int_equal(op.type, TLS_CT_APPLICATION_DATA);
	assert_int_equal(op.len, len);
	assert_memory_equal(l->dst, l->text, len);
}

// The first read lets a client take its tickets.
static void drain_peer(struct link *l)
{
	uint8_t b;

	assert_int_equal(SSL_read(l->peer.ssl, &b, 1), -1);
}

static void every_length(const struct suite *s, bool server, const struct rec_backend *b)
{
	struct link l;

	link_up(&l, s, server, b, NULL);
	if (server) {
		drain_peer(&l);
	} else {
		unsigned int tickets = s->version == TLS1_3_VERSION ? 2 : 0;

		// Both tickets were fed, and are OpenSSL's to count, not ours.
		assert_int_equal(!!tls_hs_unread(l.hs), !!tickets);
		rec_key_remove(l.rc, &l.rx);
		{
			struct tls_traffic_key rx, tx;

			assert_int_equal(tls_hs_traffic_keys(l.hs, &rx, &tx), 0);
			rx.seq += tickets;
			install(&l, &l.rx, &rx);
		}
	}
	for (size_t len = 0; len <= TLS_REC_MAX_PLAIN;
		len += len < 300 || len > 16300 ? 1 : LENGTH_STEP) {
		check_to_peer(&l, len);
		check_from_peer(&l, len);
	}
	link_down(&l);
}

static void every_length_as_server(void **state)
{
	const struct rec_backend *b;

	for (size_t i = 0; i < NB_SUITES; i++)
		for (unsigned int n = 0; (b = rec_backend_nth(n)); n++)
			every_length(&suites[i], true, b);
}

static void every_length_as_client(void **state)
{
	for (size_t i = 0; i < NB_SUITES; i++)
		every_length(&suites[i], false, rec_backend_get(""));
}

// All lengths, none left out, once.
static void truly_every_length(void **state)
{
	struct link l;

	link_up(&l, &suites[6], true, rec_backend_get(""), NULL);
	drain_peer(&l);
	for (size_t len = 1; len <= TLS_REC_MAX_PLAIN; len += TL_SANITIZED ? 31 : 1) {
		check_to_peer(&l, len);
		check_from_peer(&l, len);
	}
	link_down(&l);
}

static void close_notify_both_ways(void **state)
{
	for (size_t i = 0; i < NB_SUITES; i++) {
		struct rec_open_op op;
		struct link l;
		uint8_t b;

		link_up(&l, &suites[i], true, rec_backend_get(""), NULL);
		drain_peer(&l);
		check_from_peer(&l, 10);
		assert_int_equal(SSL_shutdown(l.peer.ssl), 0);
		recv_record(&l, &op);
		assert_int_equal(op.status, 0);
		assert_int_equal(op.type, TLS_CT_ALERT);
		assert_int_equal(op.len, 2);
		assert_memory_equal(l.dst, "\x01\x00", 2);
		send_record(&l, TLS_CT_ALERT, (const uint8_t *)"\x01\x00", 2);
		assert_int_equal(SSL_read(l.peer.ssl, &b, 1), 0);
		assert_int_equal(SSL_get_error(l.peer.ssl, 0), SSL_ERROR_ZERO_RETURN);
		assert_int_equal(SSL_shutdown(l.peer.ssl), 1);
		link_down(&l);
	}
}

// A record the peer must refuse, and the alert it answers with, which is for us to read.
static void bad_record_gets_an_alert(void **state)
{
	for (size_t i = 0; i < NB_SUITES; i++) {
		struct rec_open_op op;
		struct link l;
		uint8_t b;

		link_up(&l, &suites[i], true, rec_backend_get(""), NULL);
		drain_peer(&l);
		l.tx.seq++; // a lost record
		send_record(&l, TLS_CT_APPLICATION_DATA, l.text, 100);
		assert_int_equal(SSL_read(l.peer.ssl, &b, 1), -1);
		assert_int_equal(SSL_get_error(l.peer.ssl, -1), SSL_ERROR_SSL);
		recv_record(&l, &op);
		assert_int_equal(op.status, 0);
		assert_int_equal(op.type, TLS_CT_ALERT);
		assert_int_equal(l.dst[1], 20);
		link_down(&l);
	}
}

static void rekey(struct link *l, bool tx)
{
	struct rec_dir *d = tx ? &l->tx : &l->rx;
	struct tls_traffic_key k;

	assert_int_equal(tls_hs_key_update(l->hs, tx, &k), 0);
	assert_int_equal(k.seq, 0);
	rec_key_remove(l->rc, d);
	install(l, d, &k);
}

// RFC 8446 4.6.3, from both sides, several times, with the handshake shrunk.
static void key_updates(void **state)
{
	for (size_t i = 0; i < NB_SUITES; i++) {
		struct tls_traffic_key k;
		struct rec_open_op op;
		struct link l;

		link_up(&l, &suites[i], true, rec_backend_get(""), NULL);
		tls_hs_shrink(l.hs);
		drain_peer(&l);
		if (suites[i].version != TLS1_3_VERSION) {
			assert_int_equal(tls_hs_key_update(l.hs, true, &k), -ENOTSUP);
			link_down(&l);
			continue;
		}
		for (int round = 0; round < 3; round++) {
			// The peer updates, and asks for ours.
			assert_true(SSL_key_update(l.peer.ssl, SSL_KEY_UPDATE_REQUESTED));
			assert_int_equal(SSL_do_handshake(l.peer.ssl), 1);
			recv_record(&l, &op);
			assert_int_equal(op.status, 0);
			assert_int_equal(op.type, TLS_CT_HANDSHAKE);
			assert_int_equal(op.len, 5);
			assert_memory_equal(l.dst, "\x18\0\0\1\1", 5);
			rekey(&l, false);
			check_from_peer(&l, 1000);
			send_record(&l, TLS_CT_HANDSHAKE, (const uint8_t *)"\x18\0\0\1\0", 5);
			rekey(&l, true);
			check_to_peer(&l, 1000);
			// We update, and ask for the peer's.
			send_record(&l, TLS_CT_HANDSHAKE, (const uint8_t *)"\x18\0\0\1\1", 5);
			rekey(&l, true);
			check_to_peer(&l, 500);
			assert_int_equal(SSL_write(l.peer.ssl, "x", 1), 1);
			recv_record(&l, &op); // its KeyUpdate comes first
			assert_int_equal(op.type, TLS_CT_HANDSHAKE);
			assert_memory_equal(l.dst, "\x18\0\0\1\0", 5);
			rekey(&l, false);
			recv_record(&l, &op);
			assert_int_equal(op.status, 0);
			assert_int_equal(op.len, 1);
		}
		link_down(&l);
	}
}

// Tickets that were written count as records: none, or one.
static void tickets_are_counted(void **state)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
		for (unsigned int tickets = 0; tickets <= 1; tickets++) {
			struct tls_server_conf sc = {.session_tickets = tickets};
			struct tls_ctx *ctx = tl_server(&sc, (const char *const[]){"rsa", NULL});
			SSL_CTX *cctx = tl_client_ctx(version, NULL);
			struct tls_traffic_key rx, tx;
			struct tl_peer p;
			struct tls_hs *hs = tls_hs_accept(ctx);
			char b;

			tl_peer_init(&p, cctx, false);
			assert_int_equal(tl_handshake(hs, &p, 0), TLS_HS_DONE);
			assert_int_equal(tls_hs_traffic_keys(hs, &rx, &tx), 0);
			assert_int_equal(SSL_read(p.ssl, &b, 1), -1);
			if (version == TLS1_3_VERSION) {
				assert_int_equal(tx.seq, tickets ? 1 : 0);
				assert_int_equal(rx.seq, 0);
				assert_int_equal(p.nb_tickets, tickets ? 1 : 0);
			} else { // the Finished
				assert_int_equal(tx.seq, 1);
				assert_int_equal(rx.seq, 1);
			}
			tls_hs_free(hs);
			tl_peer_free(&p);
			SSL_CTX_free(cctx);
			tls_ctx_destroy(ctx);
		}
}

static void resumed_sessions(void **state)
{
	for (size_t i = 0; i < NB_SUITES; i++) {
		struct tls_server_conf sc = {.session_tickets = true};
		struct tls_ctx *ctx = tl_server(&sc, (const char *const[]){"rsa", "ec", NULL});
		SSL_CTX *cctx = tl_client_ctx(suites[i].version, suites[i].name);
		SSL_SESSION *session = NULL;
		uint8_t first[32], sha1[20], sha256[32];

		for (int round = 0; round < 4; round++) {
			struct tls_info info;
			struct link l = {.ctx = ctx, .hs = tls_hs_accept(ctx)};
			char b;

			tl_peer_init(&l.peer, cctx, false);
			if (session)
				SSL_set_session(l.peer.ssl, session);
			assert_int_equal(tl_handshake(l.hs, &l.peer, 0), TLS_HS_DONE);
			tls_hs_info(l.hs, &info);
			assert_int_equal(info.resumed, round > 0);
			assert_int_equal(SSL_session_reused(l.peer.ssl), round > 0);
			assert_int_equal(tls_hs_cert_hash(l.hs, sha1, sha256), 0);
			if (!round)
				memcpy(first, sha256, 32);
			assert_memory_equal(sha256, first, 32);
			link_records(&l, rec_backend_get(""));
			if (suites[i].version == TLS1_3_VERSION)
				assert_int_equal(l.tx.seq, 1);
			assert_int_equal(SSL_read(l.peer.ssl, &b, 1), -1);
			check_to_peer(&l, 1400);
			check_from_peer(&l, 1400);
			check_to_peer(&l, 1);
			check_from_peer(&l, 16384);
			SSL_SESSION_free(session);
			session = SSL_get1_session(l.peer.ssl);
			SSL_shutdown(l.peer.ssl); // or OpenSSL holds the session for broken
			l.ctx = NULL;
			link_down(&l);
		}
		SSL_SESSION_free(session);
		SSL_CTX_free(cctx);
		tls_ctx_destroy(ctx);
	}
}

static SSL_SESSION *get_session(struct tls_ctx *ctx, SSL_CTX *cctx)
{
	struct tls_hs *hs = tls_hs_accept(ctx);
	SSL_SESSION *session;
	struct tl_peer p;
	char b;

	tl_peer_init(&p, cctx, false);
	assert_int_equal(tl_handshake(hs, &p, 0), TLS_HS_DONE);
	assert_int_equal(SSL_read(p.ssl, &b, 1), -1);
	SSL_shutdown(p.ssl);
	session = SSL_get1_session(p.ssl);
	tl_peer_free(&p);
	tls_hs_free(hs);
	return session;
}

// The Finished and the first data in one segment: the data is the record layer's, to the byte. In
// TLS 1.2 only a resuming client speaks that early.
static void data_behind_the_finished(void **state)
{
	for (size_t i = 0; i < NB_SUITES; i++) {
		struct tls_server_conf sc = {.session_tickets = true};
		struct tls_ctx *ctx = tl_server(&sc, (const char *const[]){"rsa", NULL});
		SSL_CTX *cctx = tl_client_ctx(suites[i].version, suites[i].name);
		struct link l = {.ctx = ctx, .peer_ctx = cctx};
		uint8_t wire[8192], dst[256];
		SSL_SESSION *session = get_session(ctx, cctx);
		size_t at, overhead;
		struct rec_open_op op;
		struct rec_slice s;
		int n;

		l.hs = tls_hs_accept(ctx);
		tl_peer_init(&l.peer, cctx, false);
		SSL_set_session(l.peer.ssl, session);
		while (SSL_do_handshake(l.peer.ssl) != 1) {
			tl_from_peer(l.hs, &l.peer);
			assert_int_equal(tls_hs_step(l.hs), TLS_HS_WANT_READ);
			tl_to_peer(l.hs, &l.peer);
		}
		assert_int_equal(SSL_write(l.peer.ssl, "early bird", 10), 10);
		assert_int_equal(SSL_write(l.peer.ssl, "second", 6), 6);
		n = BIO_read(l.peer.out, wire, sizeof(wire));
		// All but the last three bytes.
		assert_int_equal(tls_hs_feed(l.hs, wire, (size_t)n - 3), 0);
		assert_int_equal(tls_hs_step(l.hs), TLS_HS_DONE);
		at = (size_t)n - 3 - tls_hs_unread(l.hs);
		link_records(&l, rec_backend_get(""));
		overhead = (size_t)l.rx.prefix_len + l.rx.suffix_len;
		assert_int_equal(tls_hs_unread(l.hs), 10 + 6 - 3 + 2 * overhead);
		s = (struct rec_slice){wire + at, (uint32_t)(10 + overhead)};
		op = (struct rec_open_op){.d = &l.rx, .src = &s, .nb_src = 1, .dst = dst};
		rec_open_burst(l.rc, &op, 1);
		assert_int_equal(op.status, 0);
		assert_memory_equal(dst, "early bird", 10);
		s = (struct rec_slice){wire + at + 10 + overhead, (uint32_t)(6 + overhead)};
		rec_open_burst(l.rc, &op, 1);
		assert_int_equal(op.status, 0);
		assert_memory_equal(dst, "second", 6);
		SSL_SESSION_free(session);
		link_down(&l);
	}
}

static void slow_path(void **state)
{
	static const char *const ciphers[] = {"ECDHE-RSA-AES256-SHA", "DHE-RSA-AES128-SHA",
		"AES256-SHA", "AES128-SHA", "ECDHE-ECDSA-AES256-SHA"};

	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
		struct tls_server_conf sc = {.session_tickets = true};
		struct tls_ctx *ctx = tl_server(&sc,
			(const char *const[]){strstr(ciphers[i], "ECDSA") ? "ec" : "rsa", NULL});
		SSL_CTX *cctx = tl_client_ctx(TLS1_2_VERSION, ciphers[i]);
		static uint8_t text[20000], got[20000];
		struct tls_hs *hs = tls_hs_accept(ctx);
		struct tls_traffic_key rx, tx;
		struct tls_info info;
		struct tl_peer p;
		int n;

		tl_peer_init(&p, cctx, false);
		assert_int_equal(tl_handshake(hs, &p, 0), TLS_HS_DONE);
		tls_hs_info(hs, &info);
		assert_string_equal(info.cipher, ciphers[i]);
		assert_int_equal(tls_hs_traffic_keys(hs, &rx, &tx), -ENOTSUP);
		for (size_t k = 0; k < sizeof(text); k++)
			text[k] = (uint8_t)rnd();
		for (int len = 1; len <= 20000; len = len * 3 + 1) {
			int have = 0;

			assert_int_equal(tls_hs_write(hs, text, (size_t)len), 0);
			tl_to_peer(hs, &p);
			while (have < len && (n = SSL_read(p.ssl, got + have, 20000)) > 0)
				have += n;
			assert_int_equal(have, len);
			assert_memory_equal(got, text, (size_t)len);
			assert_int_equal(SSL_write(p.ssl, text, len), len);
			tl_from_peer(hs, &p);
			for (have = 0; have < len; have += n) {
				n = tls_hs_read(hs, got + have, sizeof(got) - (size_t)have);
				assert_true(n > 0);
			}
			assert_memory_equal(got, text, (size_t)len);
			assert_int_equal(tls_hs_read(hs, got, sizeof(got)), 0);
		}
		if (i % 2) {
			SSL_shutdown(p.ssl);
			tl_from_peer(hs, &p);
			assert_int_equal(tls_hs_read(hs, got, sizeof(got)), -EPIPE);
			tls_hs_close(hs);
			tl_to_peer(hs, &p);
			assert_int_equal(SSL_shutdown(p.ssl), 1);
		} else { // a broken record
			uint8_t wire[200];

			assert_int_equal(SSL_write(p.ssl, "abc", 3), 3);
			n = BIO_read(p.out, wire, sizeof(wire));
			wire[n - 1] ^= 1;
			assert_int_equal(tls_hs_feed(hs, wire, (size_t)n), 0);
			assert_int_equal(tls_hs_read(hs, got, sizeof(got)), -EPROTO);
			assert_non_null(strstr(tls_hs_error(hs), "bad record mac"));
			assert_true(tl_to_peer(hs, &p) > 0); // the alert
		}
		tls_hs_free(hs);
		tl_peer_free(&p);
		SSL_CTX_free(cctx);
		tls_ctx_destroy(ctx);
	}
}

// A peer that asked for 512-byte fragments must get them: only OpenSSL's record layer does that.
static void short_fragments_go_the_slow_path(void **state)
{
	struct tls_server_conf sc = {0};
	struct tls_ctx *ctx = tl_server(&sc, (const char *const[]){"rsa", NULL});
	SSL_CTX *cctx = tl_client_ctx(TLS1_3_VERSION, NULL);
	struct tls_hs *hs = tls_hs_accept(ctx);
	struct tls_traffic_key rx, tx;
	struct tl_peer p;

	tl_peer_init(&p, cctx, false);
	SSL_set_tlsext_max_fragment_length(p.ssl, TLSEXT_max_fragment_length_512);
	assert_int_equal(tl_handshake(hs, &p, 0), TLS_HS_DONE);
	assert_int_equal(tls_hs_traffic_keys(hs, &rx, &tx), -ENOTSUP);
	tls_hs_free(hs);
	tl_peer_free(&p);
	SSL_CTX_free(cctx);
	tls_ctx_destroy(ctx);
}

// The explicit nonce of the first record behind ChangeCipherSpec in what our side wrote.
static uint64_t finished_nonce(const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	bool protected = false;
	uint64_t nonce = 0;

	while (end - p >= 13 && !protected) {
		protected = p[0] == TLS_CT_CHANGE_CIPHER_SPEC;
		p += 5 + (p[3] << 8 | p[4]);
	}
	assert_true(protected && end - p >= 13);
	for (int i = 0; i < 8; i++)
		nonce = nonce << 8 | p[5 + i];
	return nonce;
}

// OpenSSL's own explicit nonces never come again (RFC 5288: that would be the end of the key): ours
// ascend from the one that its Finished had on the wire, in full and in resumed handshakes.
static void explicit_nonces_ascend(void **state)
{
	struct tls_server_conf sc = {.session_tickets = true};
	struct tls_ctx *ctx = tl_server(&sc, (const char *const[]){"rsa", NULL});
	SSL_CTX *cctx = tl_client_ctx(TLS1_2_VERSION, suites[1].name);
	SSL_SESSION *session = NULL;

	for (int round = 0; round < 4; round++) {
		struct link l = {.ctx = ctx, .hs = tls_hs_accept(ctx)};
		uint8_t wire[8192];
		uint64_t nonce = 0, first;
		size_t n = 0;
		uint8_t b;

		tl_peer_init(&l.peer, cctx, false);
		if (session)
			SSL_set_session(l.peer.ssl, session);
		while (tls_hs_step(l.hs) == TLS_HS_WANT_READ) {
			size_t before = n;

			n += tls_hs_output(l.hs, wire + n, sizeof(wire) - n);
			BIO_write(l.peer.in, wire + before, (int)(n - before));
			SSL_do_handshake(l.peer.ssl);
			tl_from_peer(l.hs, &l.peer);
		}
		n += tls_hs_output(l.hs, wire + n, sizeof(wire) - n);
		link_records(&l, rec_backend_get(""));
		memcpy(&first, l.tx.iv + 4, sizeof(first));
		assert_int_equal(be64toh(first), finished_nonce(wire, n));
		assert_int_equal(l.tx.seq, 1);
		send_record(&l, TLS_CT_APPLICATION_DATA, l.text, 10);
		for (int k = 0; k < 8; k++)
			nonce = nonce << 8 | l.record[5 + k];
		assert_int_equal(nonce, finished_nonce(wire, n) + 1);
		if (!round) {
			session = get_session(ctx, cctx);
		} else {
			assert_int_equal(SSL_session_reused(l.peer.ssl), 1);
			assert_int_equal(SSL_read(l.peer.ssl, &b, 1), 1);
			assert_int_equal(b, l.text[0]);
			SSL_shutdown(l.peer.ssl);
		}
		l.ctx = NULL;
		link_down(&l);
	}
	SSL_SESSION_free(session);
	SSL_CTX_free(cctx);
	tls_ctx_destroy(ctx);
}

static int setup(void **state)
{
	tl_make_cert("rsa", &(struct tl_cert_spec){TL_RSA, .cn = "vpn.example.com"});
	tl_make_cert("ec", &(struct tl_cert_spec){TL_EC, .cn = "vpn.example.com"});
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_as_server),
		cmocka_unit_test(every_length_as_client),
		cmocka_unit_test(truly_every_length),
		cmocka_unit_test(close_notify_both_ways),
		cmocka_unit_test(bad_record_gets_an_alert),
		cmocka_unit_test(key_updates),
		cmocka_unit_test(tickets_are_counted),
		cmocka_unit_test(resumed_sessions),
		cmocka_unit_test(data_behind_the_finished),
		cmocka_unit_test(slow_path),
		cmocka_unit_test(short_fragments_go_the_slow_path),
		cmocka_unit_test(explicit_nonces_ascend),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
