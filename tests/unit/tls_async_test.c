// SPDX-License-Identifier: BSD-3-Clause
// Private-key operations off the control thread: every kind of them, slow ones that hold up nobody,
// and handshakes that are given up half way.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "tls_testlib.h"

#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <openssl/engine.h>

#include "tls/async_engine.h"

#define SLOW_MS 200

static const struct op_case {
	int version;
	const char *cipher, *cert;
	unsigned int waits;
	bool decrypts;
} ops[] = {
	{TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384", "rsa", 1}, // PSS
	{TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256", "rsa", 1},
	{TLS1_2_VERSION, "AES256-GCM-SHA384", "rsa", 1, true}, // RSA key exchange
	{TLS1_2_VERSION, "AES128-SHA", "rsa", 1, true},
	{TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", "ec", 1},
	{TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", "rsa", 1},
	{TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", "ec", 1},
};
#define NB_OPS (sizeof(ops) / sizeof(ops[0]))

static const char *const both_certs[] = {"rsa", "ec", NULL};

static unsigned int open_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 1024; fd++) {
		struct pollfd p = {.fd = fd};

		poll(&p, 1, 0);
		n += !(p.revents & POLLNVAL);
	}
	return n;
}

struct pair {
	struct tls_hs *hs;
	SSL_CTX *cctx;
	struct tl_peer peer;
};

static void pair_init(struct pair *x, struct tls_ctx *ctx, int version, const char *cipher)
{
	x->hs = tls_hs_accept(ctx);
	x->cctx = tl_client_ctx(version, cipher);
	tl_peer_init(&x->peer, x->cctx, false);
}

static void pair_free(struct pair *x)
{
	tls_hs_free(x->hs);
	tl_peer_free(&x->peer);
	SSL_CTX_free(x->cctx);
}

// Go on until nothing moves any more or a signature is waited for.
static enum tls_hs_status push(struct pair *x)
{
	enum tls_hs_status st;
	size_t moved;

	do {
		SSL_do_handshake(x->peer.ssl);
		moved = tl_from_peer(x->hs, &x->peer);
		st = tls_hs_step(x->hs);
		moved += tl_to_peer(x->hs, &x->peer);
	} while (moved && st != TLS_HS_WANT_ASYNC);
	return st;
}

static void every_operation(void **state)
{
	for (unsigned int threads = 0; threads <= 2; threads += 2)
		for (size_t i = 0; i < NB_OPS; i++) {
			struct tls_server_conf sc = {.engine = "culvert-async",
				.async_ecdsa = true,
				.async_threads = threads};
			struct tls_ctx *ctx =
				tl_server(&sc, (const char *const[]){ops[i].cert, NULL});
			unsigned int waits = 0;
			enum tls_hs_status st;
			struct pair x;

			pair_init(&x, ctx, ops[i].version, ops[i].cipher);
			assert_int_equal(tls_hs_async_fd(x.hs), -1);
			while ((st = push(&x)) == TLS_HS_WANT_ASYNC) {
				tl_wait_fd(tls_hs_async_fd(x.hs));
				waits++;
			}
			if (st != TLS_HS_DONE)
				fail_msg("%s: %s", ops[i].cipher, tls_hs_error(x.hs));
			assert_int_equal(SSL_do_handshake(x.peer.ssl), 1);
			assert_int_equal(waits, ops[i].waits); // it really went to the pool
			assert_int_equal(tls_hs_async_fd(x.hs), -1);
			pair_free(&x);
			tls_ctx_destroy(ctx);
		}
}

// Steps while nothing is ready change nothing; the signature would take a minute.
static void spurious_steps(void **state)
{
	struct tls_server_conf sc = {
		.engine = "culvert-async", .async_ecdsa = true, .test_sign_delay_ms = 60000};
	struct tls_ctx *ctx = tl_server(&sc, both_certs);
	struct pair x;

	pair_init(&x, ctx, TLS1_3_VERSION, NULL);
	assert_int_equal(push(&x), TLS_HS_WANT_ASYNC);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(tls_hs_feed(x.hs, "", 0), 0);
		assert_int_equal(tls_hs_step(x.hs), TLS_HS_WANT_ASYNC);
	}
	pair_free(&x);
	tls_ctx_destroy(ctx);
}

// A session of a handshake that asked nothing of the pool: signed with a kind of key that it does
// not know.
static SSL_SESSION *session_without_pool(struct tls_ctx *ctx)
{
	SSL_SESSION *session;
	struct pair x;
	char c;

	pair_init(&x, ctx, TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384");
	assert_true(SSL_set1_sigalgs_list(x.peer.ssl, "ed25519"));
	assert_int_equal(push(&x), TLS_HS_DONE);
	assert_int_equal(SSL_read(x.peer.ssl, &c, 1), -1);
	SSL_shutdown(x.peer.ssl);
	session = SSL_get1_session(x.peer.ssl);
	assert_true(SSL_SESSION_has_ticket(session));
	pair_free(&x);
	return session;
}

// The heart of it: one control thread; while an operation takes its minute in the pool, handshakes
// that need none of that pool run to their end, of the same context and of another one.
static void slow_operation_holds_up_nobody(int version, const char *cipher)
{
	static const char *const certs[] = {"rsa", "ec", "ed", NULL};
	struct tls_server_conf slow = {.engine = "culvert-async",
		.async_ecdsa = true,
		.test_sign_delay_ms = 60000,
		.session_tickets = true};
	struct tls_server_conf quick = {.engine = "culvert-async", .async_ecdsa = true};
	struct tls_ctx *sctx = tl_server(&slow, certs);
	struct tls_ctx *qctx = tl_server(&quick, both_certs);
	SSL_SESSION *session = session_without_pool(sctx);
	struct pair a, b;

	pair_init(&a, sctx, version, cipher);
	assert_int_equal(push(&a), TLS_HS_WANT_ASYNC);
	for (int i = 0; i < 10; i++) {
		pair_init(&b, qctx, i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION, NULL);
		assert_int_equal(tl_handshake(b.hs, &b.peer, 0), TLS_HS_DONE);
		pair_free(&b);
	}
	for (int i = 0; i < 10; i++) {
		pair_init(&b, sctx, TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384");
		assert_true(SSL_set_session(b.peer.ssl, session));
		assert_int_equal(push(&b), TLS_HS_DONE);
		assert_int_equal(SSL_session_reused(b.peer.ssl), 1);
		SSL_shutdown(b.peer.ssl); // or OpenSSL holds the session for broken
		pair_free(&b);
	}
	assert_int_equal(tls_hs_step(a.hs), TLS_HS_WANT_ASYNC);
	pair_free(&a);
	SSL_SESSION_free(session);
	tls_ctx_destroy(sctx);
	tls_ctx_destroy(qctx);
}

static void slow_signature_holds_up_nobody(void **state)
{
	slow_operation_holds_up_nobody(TLS1_3_VERSION, NULL);
}

static void slow_decryption_holds_up_nobody(void **state)
{
	slow_operation_holds_up_nobody(TLS1_2_VERSION, "AES256-GCM-SHA384");
}

// What a client may send in place of its premaster secret.
enum premaster {
	PM_WRONG,         // another one than its keys are made of
	PM_WRONG_VERSION, // and of another version
	PM_SHORT,         // of 47 bytes
	PM_BAD_PADDING,
	PM_ZEROS,
	PM_TOO_LARGE, // above the modulus, which anybody can see
	NB_PM,
};

static void encrypt_premaster(EVP_PKEY *key, enum premaster what, uint8_t *out, size_t len)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	uint8_t pm[48] = {3, what == PM_WRONG_VERSION ? 2 : 3, 5, 6, 7};

	assert_true(EVP_PKEY_encrypt_init(ctx) > 0 &&
		    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0);
	assert_true(EVP_PKEY_encrypt(ctx, out, &len, pm, what == PM_SHORT ? 47 : 48) > 0);
	EVP_PKEY_CTX_free(ctx);
	if (what == PM_BAD_PADDING)
		out[len - 1] ^= 1;
	if (what == PM_ZEROS)
		memset(out, 0, len);
	if (what == PM_TOO_LARGE)
		memset(out, 0xff, len);
}

// A handshake whose ClientKeyExchange has that. Returns the alert; waits: how often the server did.
static int send_premaster(const char *engine, enum premaster what, char *error, unsigned int *waits)
{
	struct tls_server_conf sc = {.engine = engine};
	struct tls_ctx *ctx = tl_server(&sc, (const char *const[]){"rsa", NULL});
	enum tls_hs_status st;
	uint8_t flight[2000];
	struct pair x;
	int n, alert;
	X509 *cert;

	pair_init(&x, ctx, TLS1_2_VERSION, "AES256-GCM-SHA384");
	SSL_do_handshake(x.peer.ssl);
	tl_from_peer(x.hs, &x.peer);
	assert_int_equal(tls_hs_step(x.hs), TLS_HS_WANT_READ);
	tl_to_peer(x.hs, &x.peer);
	SSL_do_handshake(x.peer.ssl);
	n = BIO_read(x.peer.out, flight, sizeof(flight));
	// Record, ClientKeyExchange, the length of what is encrypted for a key of 2048 bits.
	assert_memory_equal(flight, "\x16\x03\x03\x01\x06\x10\x00\x01\x02\x01\x00", 11);
	cert = SSL_get1_peer_certificate(x.peer.ssl);
	encrypt_premaster(X509_get0_pubkey(cert), what, flight + 11, 256);
	X509_free(cert);
	assert_int_equal(tls_hs_feed(x.hs, flight, (size_t)n), 0);
	*waits = 0;
	while ((st = tls_hs_step(x.hs)) == TLS_HS_WANT_ASYNC) {
		tl_wait_fd(tls_hs_async_fd(x.hs));
		++*waits;
	}
	assert_int_equal(st, TLS_HS_FAILED);
	snprintf(error, 200, "%s", tls_hs_error(x.hs));
	tl_to_peer(x.hs, &x.peer);
	SSL_do_handshake(x.peer.ssl);
	alert = x.peer.alert;
	pair_free(&x);
	tls_ctx_destroy(ctx);
	return alert;
}

// RFC 5246 7.4.7.1: whatever is wrong with the secret, what the client hears is the same, and only
// at its Finished; it is so with the decryption in the pool as with OpenSSL's own.
static void wrong_secrets_look_alike(void **state)
{
	char first[200], inlined[200], pooled[200];
	unsigned int waits;

	for (int what = 0; what < NB_PM; what++) {
		int alert = send_premaster(NULL, (enum premaster)what, inlined, &waits);

		assert_int_equal(waits, 0);
		assert_int_equal(
			send_premaster("culvert-async", (enum premaster)what, pooled, &waits),
			alert);
		assert_int_equal(waits, 1);
		assert_int_not_equal(alert, -1);
		if (what == PM_TOO_LARGE)
			continue;
		assert_string_equal(pooled, inlined);
		assert_int_equal(alert, SSL_AD_BAD_RECORD_MAC);
		if (!what)
			strcpy(first, pooled);
		assert_string_equal(pooled, first);
	}
}

// A slow signature does arrive, and is right.
static void slow_signature_arrives(void **state)
{
	struct tls_server_conf sc = {
		.engine = "culvert-async", .async_ecdsa = true, .test_sign_delay_ms = 150};
	struct tls_ctx *ctx = tl_server(&sc, both_certs);
	struct pair x;

	pair_init(&x, ctx, TLS1_3_VERSION, NULL);
	assert_int_equal(push(&x), TLS_HS_WANT_ASYNC);
	assert_int_equal(tl_handshake(x.hs, &x.peer, 0), TLS_HS_DONE);
	pair_free(&x);
	tls_ctx_destroy(ctx);
}

// Many handshakes paused at once in one thread, taken up in another order than they were begun.
static void many_at_once(void **state)
{
	struct tls_server_conf sc = {.engine = "culvert-async",
		.async_ecdsa = true,
		.async_threads = 4,
		.test_sign_delay_ms = 20};
	struct tls_ctx *ctx = tl_server(&sc, both_certs);
	enum { N = 32 };
	struct pair x[N];
	unsigned int waiting = 0;

	for (int i = 0; i < N; i++) {
		const struct op_case *o = &ops[i % NB_OPS];

		pair_init(&x[i], ctx, o->version, o->cipher);
		assert_int_equal(push(&x[i]), o->waits ? TLS_HS_WANT_ASYNC : TLS_HS_DONE);
		waiting += o->waits;
	}
	assert_true(waiting > 20); // all paused in one thread
	for (int i = N; i-- > 0;) {
		assert_int_equal(tl_handshake(x[i].hs, &x[i].peer, 0), TLS_HS_DONE);
		pair_free(&x[i]);
	}
	tls_ctx_destroy(ctx);
}

// Without descriptors to wait with, and beyond the number of jobs, keys work inline.
static void limits_are_graceful(void **state)
{
	struct tls_server_conf sc = {
		.engine = "culvert-async", .async_ecdsa = true, .test_sign_delay_ms = 60000};
	unsigned int n = TL_SANITIZED ? 40 : 1100, paused = 0, done = 0;
	struct tls_ctx *ctx = tl_server(&sc, (const char *const[]){"ec", NULL});
	struct rlimit old, few;
	struct pair *x = calloc(n, sizeof(*x));

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = open_fds() + 20;
	if (!TL_SANITIZED && old.rlim_max >= 4096)
		few.rlim_cur = 4096; // then it is the jobs that run out
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (unsigned int i = 0; i < n; i++) {
		enum tls_hs_status st;

		pair_init(&x[i], ctx, TLS1_3_VERSION, NULL);
		st = push(&x[i]);
		paused += st == TLS_HS_WANT_ASYNC;
		done += st == TLS_HS_DONE;
	}
	assert_int_equal(paused + done, n);
	assert_true(paused >= 15 && done >= 15);
	for (unsigned int i = 0; i < n; i++)
		pair_free(&x[i]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	tls_ctx_destroy(ctx);
	free(x);
}

// Freed while waiting in the queue, while being signed, and when done but not resumed; the context
// before and after. Nothing blocks for the signature, nothing leaks.
static void cancelled_half_way(void **state)
{
	unsigned int fds = open_fds();

	for (int order = 0; order < 2; order++) {
		struct tls_server_conf sc = {.engine = "culvert-async",
			.async_ecdsa = true,
			.test_sign_delay_ms = SLOW_MS};
		struct tls_ctx *ctx = tl_server(&sc, both_certs);
		struct pair x[8];

		for (size_t i = 0; i < 8; i++) {
			const struct op_case *o = &ops[i % 4 == 1 ? 2 : i % 2 ? 0 : NB_OPS - 1];

			pair_init(&x[i], ctx, o->version, o->cipher);
			assert_int_equal(push(&x[i]), TLS_HS_WANT_ASYNC);
		}
		if (order)
			tl_wait_fd(tls_hs_async_fd(x[0].hs)); // done, not resumed
		else
			tls_ctx_destroy(ctx); // the handshakes still hold it
		for (int i = 0; i < 8; i++)
			pair_free(&x[i]);
		if (order)
			tls_ctx_destroy(ctx);
	}
	assert_int_equal(open_fds(), fds);
	assert_int_equal(async_engine_nb_tasks(), 0);
}

static void peer_gives_up(void **state)
{
	struct tls_server_conf sc = {
		.engine = "culvert-async", .async_ecdsa = true, .test_sign_delay_ms = 20};
	struct tls_ctx *ctx = tl_server(&sc, both_certs);
	struct pair x;

	pair_init(&x, ctx, TLS1_3_VERSION, NULL);
	assert_int_equal(push(&x), TLS_HS_WANT_ASYNC);
	// A fatal alert arrives while the job is paused: handshake_failure.
	assert_int_equal(tls_hs_feed(x.hs, "\x15\x03\x03\x00\x02\x02\x28", 7), 0);
	tl_wait_fd(tls_hs_async_fd(x.hs));
	assert_int_equal(tls_hs_step(x.hs), TLS_HS_FAILED);
	assert_non_null(strstr(tls_hs_error(x.hs), "alert"));
	pair_free(&x);
	tls_ctx_destroy(ctx);
}

// A key whose type the engine has no method for signs inline.
static void other_key_types_sign_inline(void **state)
{
	struct tls_server_conf sc = {.engine = "culvert-async", .async_ecdsa = true};
	struct tls_ctx *ctx = tl_server(&sc, (const char *const[]){"ed", NULL});
	struct pair x;

	pair_init(&x, ctx, TLS1_3_VERSION, NULL);
	assert_int_equal(push(&x), TLS_HS_DONE);
	pair_free(&x);
	tls_ctx_destroy(ctx);
}

// An engine from a shared object, as hardware's would be: it takes the keys, its operations pause
// the job with a descriptor of its own, and it counts them.
static void engine_from_a_shared_object(void **state)
{
	struct tls_server_conf sc = {.engine = "tls_test_engine"};
	unsigned int fds;
	struct tls_ctx *ctx;
	struct pair x;
	long before, after;
	ENGINE *e;

	ctx = tl_server(&sc, (const char *const[]){"rsa", NULL}); // all it knows
	fds = open_fds();
	e = ENGINE_by_id("tls_test_engine");
	assert_non_null(e);
	assert_true(ENGINE_ctrl(e, ENGINE_CMD_BASE, 0, &before, NULL));
	for (size_t i = 0; i < NB_OPS; i++) {
		if (strcmp(ops[i].cert, "rsa") || ops[i].decrypts)
			continue;
		pair_init(&x, ctx, ops[i].version, ops[i].cipher);
		assert_int_equal(push(&x), TLS_HS_WANT_ASYNC);
		assert_int_equal(tl_handshake(x.hs, &x.peer, 0), TLS_HS_DONE);
		pair_free(&x);
	}
	assert_true(ENGINE_ctrl(e, ENGINE_CMD_BASE, 0, &after, NULL));
	assert_int_equal(after - before, 3);
	// It cannot be cancelled: what is freed half way is buried later, or at the end.
	for (int i = 0; i < 4; i++) {
		pair_init(&x, ctx, ops[0].version, ops[0].cipher);
		assert_int_equal(push(&x), TLS_HS_WANT_ASYNC);
		if (i == 3)
			tls_ctx_destroy(ctx);
		pair_free(&x);
	}
	assert_int_equal(open_fds(), fds);
	ENGINE_free(e);
}

// A context that another replaces is given up without a wait for what such an engine still does:
// that goes with the next handshakes, or at the end.
static void replaced_without_a_wait(void **state)
{
	struct tls_server_conf sc = {.engine = "tls_test_engine"};
	struct tls_ctx *old = tl_server(&sc, (const char *const[]){"rsa", NULL}), *ctx;
	unsigned int fds = open_fds();
	struct pair x[3];

	for (int i = 0; i < 3; i++) {
		pair_init(&x[i], old, ops[0].version, ops[0].cipher);
		assert_int_equal(push(&x[i]), TLS_HS_WANT_ASYNC);
	}
	pair_free(&x[0]);
	assert_int_equal(open_fds(), fds + 3);
	sc.previous = old;
	ctx = tl_server(&sc, (const char *const[]){"rsa", NULL});
	tls_ctx_retire(old);
	assert_int_equal(open_fds(), fds + 3);
	pair_free(&x[1]); // of the old one, half way
	assert_int_equal(open_fds(), fds + 3);
	pair_init(&x[0], ctx, ops[0].version, ops[0].cipher);
	assert_int_equal(open_fds(), fds + 1);
	assert_int_equal(tl_handshake(x[0].hs, &x[0].peer, 0), TLS_HS_DONE);
	pair_free(&x[0]);
	assert_int_equal(
		tl_handshake(x[2].hs, &x[2].peer, 0), TLS_HS_DONE); // it has kept the old one
	pair_free(&x[2]);
	pair_init(&x[0], ctx, ops[0].version, ops[0].cipher);
	assert_int_equal(push(&x[0]), TLS_HS_WANT_ASYNC);
	pair_free(&x[0]);
	assert_int_equal(open_fds(), fds + 1);
	tls_ctx_destroy(ctx);
	assert_int_equal(open_fds(), fds);
}

// Whatever the tests before did.
static void no_operation_is_left(void **state)
{
	assert_int_equal(async_engine_nb_tasks(), 0);
}

static int setup(void **state)
{
	tl_make_cert("rsa", &(struct tl_cert_spec){TL_RSA, .cn = "vpn.example.com"});
	tl_make_cert("ec", &(struct tl_cert_spec){TL_EC, .cn = "vpn.example.com"});
	tl_make_cert("ed", &(struct tl_cert_spec){TL_ED25519, .cn = "vpn.example.com"});
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation),
		cmocka_unit_test(spurious_steps),
		cmocka_unit_test(slow_signature_holds_up_nobody),
		cmocka_unit_test(slow_decryption_holds_up_nobody),
		cmocka_unit_test(wrong_secrets_look_alike),
		cmocka_unit_test(slow_signature_arrives),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(limits_are_graceful),
		cmocka_unit_test(cancelled_half_way),
		cmocka_unit_test(peer_gives_up),
		cmocka_unit_test(other_key_types_sign_inline),
		cmocka_unit_test(engine_from_a_shared_object),
		cmocka_unit_test(replaced_without_a_wait),
		cmocka_unit_test(no_operation_is_left),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
