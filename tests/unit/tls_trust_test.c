// SPDX-License-Identifier: BSD-3-Clause
// Clients' certificates and why they are refused, tickets and when they are not taken, and OCSP
// responses.
#include "tls_testlib.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>

// OpenSSL asks libc for the time by this name: tests move it.
static time_t ahead_s;

time_t time(time_t *t)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += ahead_s;
	if (t)
		*t = now.tv_sec;
	return now.tv_sec;
}

static char warned[1024];

static void warn(const char *text)
{
	strncat(warned, text, sizeof(warned) - strlen(warned) - 2);
	strcat(warned, "\n");
}

// A server that verifies; crl NULL: no list.
static struct tls_ctx *verifying(const char *crl, const struct tls_ctx *previous)
{
	struct tls_server_conf sc = {.verify_client = true,
		.session_tickets = true,
		.ca_file = tl_path("ca.crt"),
		.crl_file = crl ? tl_path(crl) : NULL,
		.previous = previous,
		.warn = warn};

	warned[0] = 0;
	return tl_server(&sc, (const char *const[]){"server", NULL});
}

struct visit {
	struct tls_hs *hs;
	SSL_CTX *cctx;
	struct tl_peer p;
	enum tls_hs_status st;
};

// One handshake of a client with the certificate and key in NAME.pem (with a chain behind it), or
// without, and with a session to resume. The caller frees with leave().
static void visit(struct visit *v, struct tls_ctx *ctx, int version, const char *name,
	const char *sni, SSL_SESSION *session)
{
	char file[64];
	char b;

	v->hs = tls_hs_accept(ctx);
	v->cctx = tl_client_ctx(version, NULL);
	if (name) {
		snprintf(file, sizeof(file), "%s.pem", name);
		assert_true(SSL_CTX_use_certificate_chain_file(v->cctx, tl_path(file)));
		assert_true(SSL_CTX_use_PrivateKey_file(v->cctx, tl_path(file), SSL_FILETYPE_PEM));
	}
	tl_peer_init(&v->p, v->cctx, false);
	if (sni)
		SSL_set_tlsext_host_name(v->p.ssl, sni);
	if (session) {
		// A client of TLS 1.3 uses a session once.
		SSL_SESSION *copy = SSL_SESSION_dup(session);

		SSL_set_session(v->p.ssl, copy);
		SSL_SESSION_free(copy);
	}
	// A TLS 1.3 client is done before the server has seen its certificate.
	for (int i = 0; i < 6; i++) {
		SSL_do_handshake(v->p.ssl);
		tl_from_peer(v->hs, &v->p);
		v->st = tls_hs_step(v->hs);
		tl_to_peer(v->hs, &v->p);
	}
	SSL_read(v->p.ssl, &b, 1); // tickets, or an alert
	ERR_clear_error();
}

static void leave(struct visit *v)
{
	SSL_shutdown(v->p.ssl);
	tls_hs_free(v->hs);
	tl_peer_free(&v->p);
	SSL_CTX_free(v->cctx);
	ERR_clear_error();
}

static void refusals(void **state)
{
	static const struct {
		const char *cert, *crl;
		int alert; // -1: gets in
		const char *error;
	} v[] = {
		{"alice", NULL, -1, ""},
		{"alice", "empty.crl", -1, ""},
		{"alice", "all.crl", -1, ""},
		{"bob", NULL, -1, ""},
		{"bob", "all.crl", SSL_AD_CERTIFICATE_REVOKED,
			"certificate revoked, subject=\"CN=bob \\\"the builder\\\"\""},
		{"old", NULL, SSL_AD_CERTIFICATE_EXPIRED,
			"certificate has expired, subject=\"CN=old\""},
		{"stranger", NULL, SSL_AD_UNKNOWN_CA,
			"self-signed certificate, subject=\"CN=stranger\""},
		{"orphan", NULL, SSL_AD_UNKNOWN_CA,
			"unable to get local issuer certificate, subject=\"CN=orphan\""},
		{"webserver", NULL, SSL_AD_UNSUPPORTED_CERTIFICATE,
			"unsuitable certificate purpose, subject=\"CN=webserver\""},
		{"carol", NULL, -1, ""},
		{"carol", "all.crl", SSL_AD_UNKNOWN_CA, // no list of her issuer
			"unable to get certificate CRL, subject=\"CN=carol\""},
		{"carol", "both.crl", -1, ""},
		{"carol", "sub-revoked.crl", SSL_AD_CERTIFICATE_REVOKED,
			"certificate revoked, subject=\"CN=Sub CA\" (a CA of its chain)"},
		{"alice", "stale.crl", SSL_AD_CERTIFICATE_EXPIRED,
			"CRL has expired, subject=\"CN=alice\""},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
			struct tls_ctx *ctx = verifying(v[i].crl, NULL);
			struct tls_info info;
			struct visit c;

			visit(&c, ctx, version, v[i].cert, NULL, NULL);
			if ((c.st == TLS_HS_DONE) != (v[i].alert < 0))
				fail_msg("%zu: %s", i, tls_hs_error(c.hs));
			assert_int_equal(c.p.alert, v[i].alert);
			if (v[i].alert >= 0) {
				char want[400];

				snprintf(want, sizeof(want), "client certificate refused: %s",
					v[i].error);
				assert_string_equal(tls_hs_error(c.hs), want);
			} else {
				char want[64];

				snprintf(want, sizeof(want),
					strcmp(v[i].cert, "bob") ? "CN=%s"
								 : "CN=bob \\\"the builder\\\"",
					v[i].cert);
				tls_hs_info(c.hs, &info);
				assert_string_equal(info.peer, want);
			}
			leave(&c);
			tls_ctx_destroy(ctx);
		}
}

static void without_a_certificate(void **state)
{
	struct tls_ctx *ctx = verifying(NULL, NULL);
	struct visit c;

	visit(&c, ctx, TLS1_3_VERSION, NULL, NULL, NULL);
	assert_int_equal(c.st, TLS_HS_FAILED);
	assert_int_equal(c.p.alert, SSL_AD_CERTIFICATE_REQUIRED);
	assert_string_equal(
		tls_hs_error(c.hs), "client certificate refused: the client has shown none");
	leave(&c);
	visit(&c, ctx, TLS1_2_VERSION, NULL, NULL, NULL);
	assert_int_equal(c.st, TLS_HS_FAILED);
	assert_int_equal(c.p.alert, SSL_AD_HANDSHAKE_FAILURE);
	leave(&c);
	tls_ctx_destroy(ctx);
}

static void crl_files(void **state)
{
	static const struct {
		const char *file, *says;
	} v[] = {
		{"missing.crl", "missing.crl: No such file"},
		{"ca.crt", "ca.crt: no PEM revocation list"}, // and is not trusted for it
		{"empty", "empty: no PEM revocation list"},
		{"torn.crl", "CRL file"},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		const char *cert = tl_path("server.pem");
		struct tls_server_conf sc = {.cert_files = &cert,
			.nb_certs = 1,
			.verify_client = true,
			.ca_file = tl_path("ca.crt"),
			.crl_file = tl_path(v[i].file)};
		char err[512] = "";

		assert_null(tls_server_ctx_create(&sc, err, sizeof(err)));
		if (!strstr(err, v[i].says))
			fail_msg("'%s' does not say '%s'", err, v[i].says);
	}
	tls_ctx_destroy(verifying("stale.crl", NULL));
	assert_non_null(strstr(warned, "stale.crl: a list in it is out of date"));
}

// -- tickets --

static struct tls_ctx *plain(const struct tls_ctx *previous, const char *cert)
{
	struct tls_server_conf sc = {.session_tickets = true, .previous = previous};

	return tl_server(&sc, (const char *const[]){cert, NULL});
}

// A session of one full handshake with ctx.
static SSL_SESSION *full(struct tls_ctx *ctx, int version, const char *cert, const char *sni)
{
	SSL_SESSION *session;
	struct visit c;

	visit(&c, ctx, version, cert, sni, NULL);
	assert_int_equal(c.st, TLS_HS_DONE);
	session = SSL_get1_session(c.p.ssl);
	assert_true(SSL_SESSION_has_ticket(session));
	leave(&c);
	return session;
}

// Whether ctx resumes session; then *hash, when given, is what the call would be bound to.
static bool resumes(struct tls_ctx *ctx, int version, const char *cert, const char *sni,
	SSL_SESSION *session, uint8_t hash[32])
{
	struct tls_info info;
	uint8_t sha1[20], sha256[32];
	struct visit c;

	visit(&c, ctx, version, cert, sni, session);
	tls_hs_info(c.hs, &info);
	assert_int_equal(tls_hs_cert_hash(c.hs, sha1, sha256), c.st == TLS_HS_DONE ? 0 : -ENOENT);
	if (hash)
		memcpy(hash, sha256, 32);
	leave(&c);
	return c.st == TLS_HS_DONE && info.resumed;
}

static void ticket_keys_rotate(void **state)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct tls_ctx *ctx = plain(NULL, "server"), *other = plain(NULL, "server");
		SSL_SESSION *s = full(ctx, version, NULL, NULL);

		assert_true(resumes(ctx, version, NULL, NULL, s, NULL));
		assert_false(resumes(other, version, NULL, NULL, s, NULL));
		tls_ctx_rotate_tickets(ctx);
		assert_true(resumes(ctx, version, NULL, NULL, s, NULL));
		tls_ctx_rotate_tickets(ctx);
		assert_false(resumes(ctx, version, NULL, NULL, s, NULL));
		SSL_SESSION_free(s);
		tls_ctx_destroy(ctx);
		tls_ctx_destroy(other);
	}
	tls_ctx_rotate_tickets(NULL);
}

// TLS 1.2: a ticket of the key before is replaced in passing.
static void old_tickets_are_replaced(void **state)
{
	struct tls_ctx *ctx = plain(NULL, "server");
	SSL_SESSION *s = full(ctx, TLS1_2_VERSION, NULL, NULL), *next;
	struct visit c;

	tls_ctx_rotate_tickets(ctx);
	visit(&c, ctx, TLS1_2_VERSION, NULL, NULL, s);
	next = SSL_get1_session(c.p.ssl);
	leave(&c);
	tls_ctx_rotate_tickets(ctx);
	assert_false(resumes(ctx, TLS1_2_VERSION, NULL, NULL, s, NULL));
	assert_true(resumes(ctx, TLS1_2_VERSION, NULL, NULL, next, NULL));
	SSL_SESSION_free(s);
	SSL_SESSION_free(next);
	tls_ctx_destroy(ctx);
}

// Sessions outlive the certificate that they were made with, and stay bound to it.
static void tickets_outlive_a_renewal(void **state)
{
	uint8_t first[32], hash[32];

	tl_cert_sha256("server", first);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct tls_ctx *ctx = plain(NULL, "server"), *next = plain(ctx, "other");
		SSL_SESSION *s = full(ctx, version, NULL, NULL);

		tls_ctx_destroy(ctx);
		assert_true(resumes(next, version, NULL, NULL, s, hash));
		assert_memory_equal(hash, first, 32);
		tls_ctx_rotate_tickets(next);
		tls_ctx_rotate_tickets(next);
		assert_false(resumes(next, version, NULL, NULL, s, hash));
		assert_memory_not_equal(hash, first, 32);
		SSL_SESSION_free(s);
		tls_ctx_destroy(next);
	}
}

// RFC 6066 3: not under another name.
static void tickets_are_for_one_name(void **state)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct tls_ctx *ctx = plain(NULL, "server");
		SSL_SESSION *a = full(ctx, version, NULL, "a.example");
		SSL_SESSION *none = full(ctx, version, NULL, NULL);

		assert_true(resumes(ctx, version, NULL, "a.example", a, NULL));
		assert_true(resumes(ctx, version, NULL, "A.EXAMPLE", a, NULL));
		assert_false(resumes(ctx, version, NULL, "b.example", a, NULL));
		assert_false(resumes(ctx, version, NULL, "b.example", none, NULL));
		assert_true(resumes(ctx, version, NULL, NULL, none, NULL));
		SSL_SESSION_free(a);
		SSL_SESSION_free(none);
		tls_ctx_destroy(ctx);
	}
}

// A client whose certificate is revoked meanwhile has to show it, whatever ticket it holds.
static void no_resuming_past_a_revocation(void **state)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct tls_ctx *ctx = verifying("empty.crl", NULL), *same, *next, *open;
		SSL_SESSION *s = full(ctx, version, "bob", NULL);
		struct visit c;

		same = verifying("empty.crl", ctx);
		next = verifying("all.crl", ctx);
		open = plain(ctx, "server");
		assert_true(resumes(ctx, version, "bob", NULL, s, NULL));
		assert_true(resumes(same, version, "bob", NULL, s, NULL));
		visit(&c, next, version, "bob", NULL, s);
		assert_int_equal(c.st, TLS_HS_FAILED);
		assert_int_equal(c.p.alert, SSL_AD_CERTIFICATE_REVOKED);
		leave(&c);
		// Nor is a ticket of a time without verification good for one with it.
		SSL_SESSION_free(s);
		s = full(open, version, NULL, NULL);
		assert_false(resumes(ctx, version, NULL, NULL, s, NULL));
		SSL_SESSION_free(s);
		tls_ctx_destroy(ctx);
		tls_ctx_destroy(same);
		tls_ctx_destroy(next);
		tls_ctx_destroy(open);
	}
}

// A certificate, or a list, that has run out since.
static void no_resuming_past_an_end(void **state)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct tls_ctx *ctx, *listed;
		SSL_SESSION *s, *l;

		tl_make_cert("brief",
			&(struct tl_cert_spec){TL_EC, .cn = "brief", .ca = "ca", .valid_s = 3600});
		tl_make_crl("brief.crl", "ca", (const char *const[]){NULL}, 3600);
		ctx = verifying(NULL, NULL);
		listed = verifying("brief.crl", NULL);
		s = full(ctx, version, "brief", NULL);
		l = full(listed, version, "alice", NULL);
		assert_true(resumes(ctx, version, "brief", NULL, s, NULL));
		assert_true(resumes(listed, version, "alice", NULL, l, NULL));
		ahead_s = 3700;
		assert_false(resumes(ctx, version, "brief", NULL, s, NULL));
		assert_false(resumes(listed, version, "alice", NULL, l, NULL));
		ahead_s = 0;
		SSL_SESSION_free(s);
		SSL_SESSION_free(l);
		tls_ctx_destroy(ctx);
		tls_ctx_destroy(listed);
	}
}

static void tickets_run_out(void **state)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct tls_ctx *ctx = plain(NULL, "server");
		SSL_SESSION *s = full(ctx, version, NULL, NULL);

		ahead_s = TLS_TICKET_LIFETIME_S - 60;
		assert_true(resumes(ctx, version, NULL, NULL, s, NULL));
		ahead_s = TLS_TICKET_LIFETIME_S + 60;
		SSL_SESSION_set_timeout(s, 1000000); // the client would go on
		assert_false(resumes(ctx, version, NULL, NULL, s, NULL));
		ahead_s = 0;
		SSL_SESSION_free(s);
		tls_ctx_destroy(ctx);
	}
}

// -- OCSP --

static struct tls_ctx *stapling(
	const char *const *certs, const char *const *ocsp, char *err, size_t cap)
{
	const char *cert[4], *file[4];
	unsigned int nb = 0;
	struct tls_server_conf sc = {.cert_files = cert, .ocsp_files = file, .warn = warn};

	for (; certs[nb]; nb++) {
		cert[nb] = tl_path(certs[nb]);
		file[nb] = ocsp[nb] ? tl_path(ocsp[nb]) : NULL;
	}
	sc.nb_certs = nb;
	warned[0] = 0;
	return tls_server_ctx_create(&sc, err, cap);
}

// The response that a client gets: whether it has that of NAME, or none for NULL.
static void expect_staple(struct tls_ctx *ctx, const char *sigalgs, bool ask, const char *name)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct tls_hs *hs = tls_hs_accept(ctx);
		SSL_CTX *cctx = tl_client_ctx(version, NULL);
		static uint8_t want[4096];
		const uint8_t *got = NULL;
		struct tl_peer p;
		long n;

		tl_peer_init(&p, cctx, false);
		if (ask)
			SSL_set_tlsext_status_type(p.ssl, TLSEXT_STATUSTYPE_ocsp);
		assert_true(SSL_set1_sigalgs_list(p.ssl, sigalgs));
		assert_int_equal(tl_handshake(hs, &p, 0), TLS_HS_DONE);
		n = SSL_get_tlsext_status_ocsp_resp(p.ssl, &got);
		if (name) {
			FILE *f = fopen(tl_path(name), "r");

			assert_int_equal(n, fread(want, 1, sizeof(want), f));
			assert_memory_equal(got, want, (size_t)n);
			fclose(f);
		} else {
			assert_true(n <= 0);
		}
		tl_peer_free(&p);
		tls_hs_free(hs);
		SSL_CTX_free(cctx);
	}
}

static void staples(void **state)
{
	static const char *const certs[] = {"chain.pem", "ec-chain.pem", NULL};
	char err[512] = "";
	struct tls_ctx *ctx =
		stapling(certs, (const char *const[]){"server.ocsp", "ec.ocsp"}, err, sizeof(err));

	assert_string_equal(err, "");
	expect_staple(ctx, "RSA-PSS+SHA256", true, "server.ocsp");
	expect_staple(ctx, "ECDSA+SHA256", true, "ec.ocsp");
	expect_staple(ctx, "ECDSA+SHA256", false, NULL);
	tls_ctx_destroy(ctx);
	ctx = stapling(certs, (const char *const[]){"server.ocsp", NULL}, err, sizeof(err));
	expect_staple(ctx, "RSA-PSS+SHA256", true, "server.ocsp");
	expect_staple(ctx, "ECDSA+SHA256", true, NULL);
	tls_ctx_destroy(ctx);
	// Out of date: known at the start, and not sent.
	ctx = stapling(certs, (const char *const[]){"stale.ocsp", NULL}, err, sizeof(err));
	assert_non_null(strstr(warned, "stale.ocsp is out of date and not sent"));
	expect_staple(ctx, "RSA-PSS+SHA256", true, NULL);
	tls_ctx_destroy(ctx);
	ctx = stapling(certs, (const char *const[]){"revoked.ocsp", NULL}, err, sizeof(err));
	assert_non_null(strstr(warned, "revoked.ocsp: the certificate is revoked"));
	expect_staple(ctx, "RSA-PSS+SHA256", true, "revoked.ocsp");
	tls_ctx_destroy(ctx);
	// It runs out while the server runs.
	tl_make_ocsp("brief.ocsp", "server", "ca", V_OCSP_CERTSTATUS_GOOD, 3600);
	ctx = stapling(certs, (const char *const[]){"brief.ocsp", NULL}, err, sizeof(err));
	expect_staple(ctx, "RSA-PSS+SHA256", true, "brief.ocsp");
	ahead_s = 3700;
	expect_staple(ctx, "RSA-PSS+SHA256", true, NULL);
	ahead_s = 0;
	tls_ctx_destroy(ctx);
}

static void staples_that_cannot_be(void **state)
{
	static const struct {
		const char *cert, *ocsp, *says;
	} v[] = {
		{"chain.pem", "missing.ocsp", "missing.ocsp: No such file"},
		{"chain.pem", "empty", "it is none in DER"},
		{"chain.pem", "server.pem", "it is none in DER"},
		{"chain.pem", "trailing.ocsp", "it is none in DER"},
		{"chain.pem", "ec.ocsp", "about another certificate"},
		{"chain.pem", "forged.ocsp", "its signature"},
		{"chain.pem", "unknown.ocsp", "unknown to it"},
		{"chain.pem", "busy.ocsp", "that of a failure: trylater"},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		char err[512] = "";

		assert_null(stapling((const char *const[]){v[i].cert, NULL},
			(const char *const[]){v[i].ocsp}, err, sizeof(err)));
		if (!strstr(err, v[i].says))
			fail_msg("%zu: '%s' does not say '%s'", i, err, v[i].says);
		assert_null(strchr(err, '\n'));
	}
}

static void write_responses(void)
{
	OCSP_RESPONSE *busy = OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, NULL);
	BIO *b = BIO_new_file(tl_path("busy.ocsp"), "w");
	static char text[8192];
	FILE *f;
	size_t n;

	assert_true(i2d_OCSP_RESPONSE_bio(b, busy));
	BIO_free(b);
	OCSP_RESPONSE_free(busy);
	tl_make_ocsp("server.ocsp", "server", "ca", V_OCSP_CERTSTATUS_GOOD, 3600);
	tl_make_ocsp("ec.ocsp", "server-ec", "ca", V_OCSP_CERTSTATUS_GOOD, 3600);
	tl_make_ocsp("stale.ocsp", "server", "ca", V_OCSP_CERTSTATUS_GOOD, -60);
	tl_make_ocsp("revoked.ocsp", "server", "ca", V_OCSP_CERTSTATUS_REVOKED, 3600);
	tl_make_ocsp("unknown.ocsp", "server", "ca", V_OCSP_CERTSTATUS_UNKNOWN, 3600);
	// The right issuer by name and key hash cannot be had with another's key: another CA's
	// response with a broken signature stands for it.
	f = fopen(tl_path("server.ocsp"), "r");
	n = fread(text, 1, sizeof(text), f);
	fclose(f);
	f = fopen(tl_path("trailing.ocsp"), "w");
	fwrite(text, 1, n, f);
	fputc(0, f);
	fclose(f);
	{
		const uint8_t *p = (const uint8_t *)text;
		OCSP_RESPONSE *r = d2i_OCSP_RESPONSE(NULL, &p, (long)n);
		OCSP_BASICRESP *basic = OCSP_response_get1_basic(r);
		const ASN1_OCTET_STRING *sig = OCSP_resp_get0_signature(basic);
		char *at = memmem(
			text, n, ASN1_STRING_get0_data(sig), (size_t)ASN1_STRING_length(sig));

		at[ASN1_STRING_length(sig) - 1] ^= 1;
		OCSP_BASICRESP_free(basic);
		OCSP_RESPONSE_free(r);
	}
	f = fopen(tl_path("forged.ocsp"), "w");
	fwrite(text, 1, n, f);
	fclose(f);
}

static int setup(void **state)
{
	static char text[4096];

	tl_make_cert("ca", &(struct tl_cert_spec){TL_EC, .cn = "Test CA", .is_ca = true});
	tl_make_cert("ca2", &(struct tl_cert_spec){TL_EC, .cn = "Another CA", .is_ca = true});
	tl_make_cert(
		"sub", &(struct tl_cert_spec){TL_EC, .cn = "Sub CA", .ca = "ca", .is_ca = true});
	tl_make_cert("server", &(struct tl_cert_spec){TL_RSA, .cn = "vpn.example.com", .ca = "ca"});
	tl_make_cert(
		"server-ec", &(struct tl_cert_spec){TL_EC, .cn = "vpn.example.com", .ca = "ca"});
	tl_make_cert("other", &(struct tl_cert_spec){TL_EC, .cn = "vpn.example.com"});
	tl_make_cert("alice", &(struct tl_cert_spec){TL_EC, .cn = "alice", .ca = "ca"});
	tl_make_cert("bob", &(struct tl_cert_spec){TL_RSA, .cn = "bob \"the builder\"", .ca = "ca",
				    .eku = "clientAuth"});
	tl_make_cert("carol", &(struct tl_cert_spec){TL_EC, .cn = "carol", .ca = "sub"});
	tl_append_file("carol.pem", "sub.crt");
	tl_make_cert("old", &(struct tl_cert_spec){TL_EC, .cn = "old", .ca = "ca", .valid_s = -60});
	tl_make_cert("stranger", &(struct tl_cert_spec){TL_EC, .cn = "stranger"});
	tl_make_cert("orphan", &(struct tl_cert_spec){TL_EC, .cn = "orphan", .ca = "ca2"});
	tl_make_cert("webserver",
		&(struct tl_cert_spec){TL_EC, .cn = "webserver", .ca = "ca", .eku = "serverAuth"});
	tl_make_crl("empty.crl", "ca", (const char *const[]){NULL}, 3600);
	tl_make_crl("all.crl", "ca", (const char *const[]){"bob", "old", NULL}, 3600);
	tl_make_crl("stale.crl", "ca", (const char *const[]){NULL}, -60);
	tl_make_crl("sub.crl", "sub", (const char *const[]){NULL}, 3600);
	tl_make_crl("both.crl", "ca", (const char *const[]){"bob", NULL}, 3600);
	tl_append_file("both.crl", "sub.crl");
	tl_make_crl("sub-revoked.crl", "ca", (const char *const[]){"sub", NULL}, 3600);
	tl_append_file("sub-revoked.crl", "sub.crl");
	tl_write_file("empty", "");
	tl_read_file("all.crl", text, sizeof(text));
	memcpy(text + 40, "????", 4);
	tl_write_file("torn.crl", text);
	tl_read_file("server.pem", text, sizeof(text));
	tl_write_file("chain.pem", text);
	tl_append_file("chain.pem", "ca.crt");
	tl_read_file("server-ec.pem", text, sizeof(text));
	tl_write_file("ec-chain.pem", text);
	tl_append_file("ec-chain.pem", "ca.crt");
	write_responses();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals),
		cmocka_unit_test(without_a_certificate),
		cmocka_unit_test(crl_files),
		cmocka_unit_test(ticket_keys_rotate),
		cmocka_unit_test(old_tickets_are_replaced),
		cmocka_unit_test(tickets_outlive_a_renewal),
		cmocka_unit_test(tickets_are_for_one_name),
		cmocka_unit_test(no_resuming_past_a_revocation),
		cmocka_unit_test(no_resuming_past_an_end),
		cmocka_unit_test(tickets_run_out),
		cmocka_unit_test(staples),
		cmocka_unit_test(staples_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
