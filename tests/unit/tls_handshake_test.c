// SPDX-License-Identifier: BSD-3-Clause
// Handshakes as such: what is negotiated, which certificate is shown, what is refused and how that
// reads.
#include "tls_testlib.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/pem.h>

static const char *const one_cert[] = {"rsa", NULL};

static void both_ends_ours(void **state)
{
	static const struct {
		const char *ciphers, *suites, *cipher, *version;
		bool only12;
		int keys;
	} v[] = {
		{NULL, NULL, "TLS_AES_256_GCM_SHA384", "TLSv1.3", false, 0},
		{NULL, "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256", "TLSv1.3",
			false, 0},
		{NULL, NULL, "ECDHE-RSA-AES256-GCM-SHA384", "TLSv1.2", true, 0},
		{"ECDHE-RSA-CHACHA20-POLY1305", NULL, "ECDHE-RSA-CHACHA20-POLY1305", "TLSv1.2",
			true, 0},
		{"AES256-SHA", NULL, "AES256-SHA", "TLSv1.2", true, -ENOTSUP},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct tls_server_conf sc = {.session_tickets = true};
		struct tls_client_conf cc = {.ciphers = v[i].ciphers,
			.ciphersuites = v[i].suites,
			.only_tls12 = v[i].only12};
		struct tls_ctx *sctx = tl_server(&sc, one_cert), *cctx;
		struct tls_traffic_key srx, stx, crx, ctx;
		uint8_t sha1[2][20], sha256[2][32], want[32];
		enum tls_hs_status ss, cs;
		struct tls_hs *s, *c;
		struct tls_info info;
		char err[256];

		cctx = tls_client_ctx_create(&cc, err, sizeof(err));
		assert_non_null(cctx);
		s = tls_hs_accept(sctx);
		c = tls_hs_connect(cctx, "vpn.example.com", NULL);
		assert_int_equal(tls_hs_traffic_keys(s, &srx, &stx), -EINVAL);
		assert_int_equal(tls_hs_cert_hash(s, sha1[0], sha256[0]), -ENOENT);
		tl_handshake_pair(s, c, &ss, &cs);
		assert_int_equal(ss, TLS_HS_DONE);
		assert_int_equal(cs, TLS_HS_DONE);
		assert_int_equal(tls_hs_step(s), TLS_HS_DONE); // again
		tls_hs_info(s, &info);
		assert_string_equal(info.version, v[i].version);
		assert_string_equal(info.cipher, v[i].cipher);
		assert_string_equal(info.sni, "vpn.example.com");
		assert_string_equal(info.group, v[i].keys ? "" : "X25519");
		assert_false(info.resumed);
		assert_string_equal(tls_hs_error(s), "");
		assert_int_equal(tls_hs_cert_hash(s, sha1[0], sha256[0]), 0);
		assert_int_equal(tls_hs_cert_hash(c, sha1[1], sha256[1]), 0);
		tl_cert_sha256("rsa", want);
		assert_memory_equal(sha256[0], want, 32);
		assert_memory_equal(sha256[1], want, 32);
		assert_memory_equal(sha1[0], sha1[1], 20);
		assert_int_equal(tls_hs_traffic_keys(s, &srx, &stx), v[i].keys);
		assert_int_equal(tls_hs_traffic_keys(c, &crx, &ctx), v[i].keys);
		if (!v[i].keys) {
			assert_memory_equal(srx.key, ctx.key, sizeof(srx.key));
			assert_memory_equal(stx.key, crx.key, sizeof(srx.key));
			assert_memory_not_equal(stx.key, srx.key, sizeof(srx.key));
			assert_memory_equal(srx.iv, ctx.iv, sizeof(srx.iv));
			assert_memory_equal(stx.iv, crx.iv, sizeof(srx.iv));
			assert_int_equal(srx.seq, ctx.seq);
		}
		tls_hs_shrink(s);
		assert_int_equal(tls_hs_cert_hash(s, sha1[0], sha256[0]), 0);
		tls_hs_info(s, &info);
		assert_string_equal(info.cipher, v[i].cipher);
		assert_string_equal(info.sni, "");
		assert_int_equal(tls_hs_traffic_keys(s, &srx, &stx), -EINVAL);
		assert_int_equal(tls_hs_feed(s, "x", 1), -EINVAL);
		assert_int_equal(tls_hs_output(s, err, sizeof(err)), 0);
		assert_int_equal(tls_hs_read(s, err, sizeof(err)), -EPROTO);
		tls_ctx_destroy(sctx); // handshakes keep what they need
		tls_ctx_destroy(cctx);
		tls_hs_free(s);
		tls_hs_free(c);
	}
	tls_hs_free(NULL);
	tls_ctx_destroy(NULL);
}

// Fed in pieces of every small size: OpenSSL takes no byte too many, and WANT_READ until the end.
static void every_chunk_size(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	for (int v = 0; v < 2; v++)
		for (size_t chunk = 1; chunk < 600; chunk = chunk < 8 ? chunk + 1 : chunk * 2 + 1) {
			struct tls_server_conf sc = {.session_tickets = true};
			struct tls_ctx *ctx = tl_server(&sc, one_cert);
			struct tl_meeting m;

			tl_meet(&m, ctx, versions[v], NULL);
			assert_int_equal(tl_handshake(m.hs, &m.p, chunk), TLS_HS_DONE);
			assert_int_equal(tls_hs_unread(m.hs), 0);
			tl_unmeet(&m);
			tls_ctx_destroy(ctx);
		}
}

static void feed_is_bounded(void **state)
{
	struct tls_server_conf sc = {0};
	struct tls_ctx *ctx = tl_server(&sc, one_cert);
	struct tls_hs *hs = tls_hs_accept(ctx);
	static uint8_t zeros[256 * 1024];

	assert_int_equal(tls_hs_feed(hs, zeros, sizeof(zeros) - 1), 0);
	assert_int_equal(tls_hs_feed(hs, zeros, 2), -EMSGSIZE);
	assert_int_equal(tls_hs_feed(hs, zeros, 1), 0);
	assert_int_equal(tls_hs_feed(hs, zeros, 1), -EMSGSIZE);
	assert_int_equal(tls_hs_feed(hs, zeros, 0), 0);
	assert_int_equal(tls_hs_unread(hs), sizeof(zeros));
	assert_int_equal(tls_hs_step(hs), TLS_HS_FAILED);
	tls_hs_free(hs);
	tls_ctx_destroy(ctx);
}

static void shown_cert(struct tls_ctx *ctx, const char *sni, const char *sigalgs, uint8_t hash[32])
{
	uint8_t sha1[20], ours[32];
	struct tl_meeting m;
	X509 *x;

	tl_meet(&m, ctx, TLS1_3_VERSION, NULL);
	if (sni)
		SSL_set_tlsext_host_name(m.p.ssl, sni);
	if (sigalgs)
		assert_true(SSL_set1_sigalgs_list(m.p.ssl, sigalgs));
	assert_int_equal(tl_handshake(m.hs, &m.p, 0), TLS_HS_DONE);
	x = SSL_get1_peer_certificate(m.p.ssl);
	assert_true(X509_digest(x, EVP_sha256(), hash, NULL));
	X509_free(x);
	assert_int_equal(tls_hs_cert_hash(m.hs, sha1, ours), 0);
	assert_memory_equal(ours, hash, 32);
	tl_unmeet(&m);
}

// Default first, exact names before wildcards, and the sibling of another key type only where it
// has the name as well.
static void certificate_by_sni(void **state)
{
	static const char *const certs[] = {
		"rsa", "wild", "exact", "rsa2", "ecdsa", "vpn-ec", NULL};
	static const char any[] = "ECDSA+SHA256:RSA-PSS+SHA256";
	static const char rsa[] = "RSA-PSS+SHA256", ec[] = "ECDSA+SHA256";
	static const struct {
		const char *sni, *sigalgs, *want;
	} v[] = {
		{NULL, rsa, "rsa"}, {NULL, ec, "vpn-ec"}, {"nobody.example.net", rsa, "rsa"},
		{"nobody.example.net", ec, "vpn-ec"}, {"vpn.example.com", rsa, "rsa"},
		{"vpn.example.com", ec, "vpn-ec"}, {"VPN.Example.COM", rsa, "rsa"},
		{"a.wild.example", rsa, "wild"}, {"exact.wild.example", rsa, "exact"},
		{"a.b.wild.example", rsa, "rsa"}, // one label only
		{"wild.example", rsa, "rsa"}, {"only-ec.example", any, "ecdsa"},
		{"two.example", rsa, "rsa2"}, {"cn-is-ignored.example", rsa, "rsa"}, // it has a SAN
	};
	struct tls_server_conf sc = {0};
	struct tls_ctx *ctx = tl_server(&sc, certs);

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		uint8_t got[32], want[32];

		shown_cert(ctx, v[i].sni, v[i].sigalgs, got);
		tl_cert_sha256(v[i].want, want);
		if (memcmp(got, want, 32))
			fail_msg("%s is not shown %s", v[i].sni ? v[i].sni : "-", v[i].want);
	}
	tls_ctx_destroy(ctx);
}

// RFC 7301 3.2.
static void alpn(void **state)
{
	static const struct {
		const char *offer;
		unsigned int len;
		const char *want; // NULL: no_application_protocol
	} v[] = {
		{"\x02h2\x08http/1.1", 12, "http/1.1"},
		{"\x08http/1.1", 9, "http/1.1"},
		{"\x02h2", 3, NULL},
		{NULL, 0, ""},
	};
	struct tls_server_conf sc = {0};
	struct tls_ctx *ctx = tl_server(&sc, one_cert);

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
			const unsigned char *proto;
			struct tl_meeting m;
			unsigned int n;

			tl_meet(&m, ctx, version, NULL);
			if (v[i].offer)
				SSL_set_alpn_protos(
					m.p.ssl, (const unsigned char *)v[i].offer, v[i].len);
			m.st = tl_handshake(m.hs, &m.p, 0);
			assert_int_equal(m.st, v[i].want ? TLS_HS_DONE : TLS_HS_FAILED);
			if (!v[i].want) {
				assert_int_equal(m.p.alert, SSL_AD_NO_APPLICATION_PROTOCOL);
				tl_unmeet(&m);
				continue;
			}
			SSL_get0_alpn_selected(m.p.ssl, &proto, &n);
			assert_int_equal(n, strlen(v[i].want));
			assert_memory_equal(proto ? (const char *)proto : "", v[i].want, n);
			tl_unmeet(&m);
		}
	tls_ctx_destroy(ctx);
}

static void versions(void **state)
{
	struct tls_server_conf any = {0}, only12 = {.only_tls12 = true};
	struct tls_server_conf legacy = {.legacy_tls = true};
	struct {
		struct tls_server_conf *conf;
		int version;
		bool ok;
	} v[] = {
		{&any, TLS1_3_VERSION, true},
		{&any, TLS1_2_VERSION, true},
		{&any, TLS1_1_VERSION, false},
		{&only12, TLS1_3_VERSION, false},
		{&only12, TLS1_2_VERSION, true},
		{&legacy, TLS1_1_VERSION, true},
		{&legacy, TLS1_VERSION, true},
		{&legacy, TLS1_3_VERSION, true},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct tls_ctx *ctx = tl_server(v[i].conf, one_cert);
		struct tls_traffic_key rx, tx;
		struct tl_meeting m;

		tl_meet(&m, ctx, v[i].version,
			v[i].version < TLS1_2_VERSION ? "ALL:@SECLEVEL=0" : NULL);
		m.st = tl_handshake(m.hs, &m.p, 0);
		assert_int_equal(m.st, v[i].ok ? TLS_HS_DONE : TLS_HS_FAILED);
		if (!v[i].ok)
			assert_non_null(strstr(tls_hs_error(m.hs), "unsupported protocol"));
		else if (v[i].version < TLS1_2_VERSION)
			assert_int_equal(tls_hs_traffic_keys(m.hs, &rx, &tx), -ENOTSUP);
		tl_unmeet(&m);
		tls_ctx_destroy(ctx);
	}
}

// Not TLS at all, or not ours: an error that says so, and an alert where one is due.
static void garbage(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *error;
	} v[] = {
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, "http request"},
		{"CONNECT x:443 HTTP/1.1\r\n\r\n", 26, "https proxy request"},
		{"\x16\x03\x01\x00\x04\x63\x00\x00\x00", 9, "unexpected message"},
		{"\x16\x03\x01\xff\xff\x01\x00\x00\x00\x00", 10, ""},
		{"\x15\x03\x01\x00\x02\x02\x28", 7, "unexpected message"},
		{"SSH-2.0-OpenSSH_9.2\r\n", 21, ""},
		{"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, ""},
	};
	struct tls_server_conf sc = {0};
	struct tls_ctx *ctx = tl_server(&sc, one_cert);

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct tls_hs *hs = tls_hs_accept(ctx);

		assert_int_equal(tls_hs_feed(hs, v[i].bytes, v[i].len), 0);
		assert_int_equal(tls_hs_step(hs), TLS_HS_FAILED);
		assert_int_equal(tls_hs_step(hs), TLS_HS_FAILED);
		assert_true(strlen(tls_hs_error(hs)) > 5);
		assert_non_null(strstr(tls_hs_error(hs), v[i].error));
		assert_null(strchr(tls_hs_error(hs), '\n'));
		tls_hs_free(hs);
	}
	tls_ctx_destroy(ctx);
}

static void no_common_cipher_is_an_alert(void **state)
{
	struct tls_server_conf sc = {.ciphersuites = "TLS_AES_128_GCM_SHA256"};
	struct tls_ctx *ctx = tl_server(&sc, one_cert);
	struct tl_meeting m;

	tl_meet(&m, ctx, TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384");
	assert_int_equal(SSL_do_handshake(m.p.ssl), -1);
	tl_from_peer(m.hs, &m.p);
	assert_int_equal(tls_hs_step(m.hs), TLS_HS_FAILED);
	assert_string_equal(tls_hs_error(m.hs), "no shared cipher");
	assert_int_equal(tl_to_peer(m.hs, &m.p), 7);
	assert_int_equal(SSL_do_handshake(m.p.ssl), -1);
	assert_int_equal(
		ERR_GET_REASON(ERR_peek_last_error()), SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE);
	tl_unmeet(&m);
	tls_ctx_destroy(ctx);
}

static void renegotiation_is_refused(void **state)
{
	struct tls_server_conf sc = {0};
	struct tls_ctx *ctx = tl_server(&sc, one_cert);
	struct tl_meeting m;
	char b;

	tl_meet(&m, ctx, TLS1_2_VERSION, "ECDHE-RSA-AES256-SHA");
	assert_int_equal(tl_handshake(m.hs, &m.p, 0), TLS_HS_DONE);
	assert_int_equal(SSL_renegotiate(m.p.ssl), 1);
	SSL_do_handshake(m.p.ssl);
	assert_true(tl_from_peer(m.hs, &m.p) > 0);
	assert_true(tls_hs_read(m.hs, &b, 1) <= 0);
	tl_to_peer(m.hs, &m.p);
	assert_int_equal(SSL_do_handshake(m.p.ssl), -1);
	assert_int_equal(SSL_get_error(m.p.ssl, -1), SSL_ERROR_SSL);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
	tl_unmeet(&m);
	tls_ctx_destroy(ctx);
}

static void client_verifies(void **state)
{
	static const struct {
		const char *cert, *ca, *name;
		bool verify, verify_name;
		const char *error; // NULL: fine
	} v[] = {
		{"signed", "ca.crt", "good.example", true, true, NULL},
		{"signed", "ca.crt", "192.0.2.7", true, true, NULL},
		{"signed", "ca.crt", "2001:db8::7", true, true, NULL},
		{"signed", "ca.crt", "bad.example", true, true, "hostname mismatch"},
		{"signed", "ca.crt", "192.0.2.8", true, true, "IP address mismatch"},
		{"signed", "ca.crt", "bad.example", true, false, NULL},
		{"signed", "rsa.crt", "good.example", true, false, "unable to get local issuer"},
		{"rsa", "ca.crt", "vpn.example.com", true, true, "self-signed certificate"},
		{"rsa", "ca.crt", "vpn.example.com", false, false, NULL},
		{"rsa", NULL, NULL, true, false, "self-signed certificate"},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct tls_client_conf cc = {.verify = v[i].verify,
			.verify_name = v[i].verify_name,
			.ca_file = v[i].ca ? tl_path(v[i].ca) : NULL};
		struct tls_server_conf sc = {0};
		struct tls_ctx *sctx = tl_server(&sc, (const char *const[]){v[i].cert, NULL});
		enum tls_hs_status ss, cs;
		struct tls_hs *s, *c;
		struct tls_ctx *cctx;
		char err[256];

		cctx = tls_client_ctx_create(&cc, err, sizeof(err));
		assert_non_null(cctx);
		s = tls_hs_accept(sctx);
		c = tls_hs_connect(cctx, NULL, v[i].name);
		tl_handshake_pair(s, c, &ss, &cs);
		assert_int_equal(cs, v[i].error ? TLS_HS_FAILED : TLS_HS_DONE);
		if (v[i].error) {
			assert_non_null(strstr(tls_hs_error(c), v[i].error));
			assert_int_equal(ss, TLS_HS_FAILED);
			assert_non_null(strstr(tls_hs_error(s), "alert"));
		}
		tls_hs_free(s);
		tls_hs_free(c);
		if (v[i].verify_name) // a name to verify is then required
			assert_null(tls_hs_connect(cctx, NULL, NULL));
		tls_ctx_destroy(sctx);
		tls_ctx_destroy(cctx);
	}
}

static void server_verifies(void **state)
{
	static const struct {
		const char *cert;
		bool ok;
		const char *error;
	} v[] = {
		{"client", true, ""},
		{"rsa", false,
			"client certificate refused: self-signed certificate, "
			"subject=\"CN=vpn.example.com\""},
		{NULL, false, "client certificate refused: the client has shown none"},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		for (int only12 = 0; only12 < 2; only12++) {
			char cert[128] = "", key[128] = "", err[256];
			struct tls_client_conf cc = {
				.only_tls12 = only12, .cert_file = cert, .key_file = key};
			struct tls_server_conf sc = {.verify_client = true,
				.session_tickets = true,
				.ca_file = tl_path("ca.crt")};
			struct tls_ctx *sctx = tl_server(&sc, one_cert), *cctx;
			enum tls_hs_status ss, cs;
			struct tls_hs *s, *c;

			if (v[i].cert) {
				snprintf(cert, sizeof(cert), "%s/%s.crt", tl_dir(), v[i].cert);
				snprintf(key, sizeof(key), "%s/%s.key", tl_dir(), v[i].cert);
			}
			cctx = tls_client_ctx_create(&cc, err, sizeof(err));
			assert_non_null(cctx);
			s = tls_hs_accept(sctx);
			c = tls_hs_connect(cctx, NULL, NULL);
			tl_handshake_pair(s, c, &ss, &cs);
			assert_int_equal(ss, v[i].ok ? TLS_HS_DONE : TLS_HS_FAILED);
			assert_non_null(strstr(tls_hs_error(s), v[i].error));
			tls_hs_free(s);
			tls_hs_free(c);
			tls_ctx_destroy(sctx);
			tls_ctx_destroy(cctx);
		}
}

// RouterOS to RouterOS without certificates: encrypted, unauthenticated, and bound to nothing.
static void anonymous(void **state)
{
	struct tls_server_conf sc = {0};
	struct tls_ctx *ctx = tl_server(&sc, NULL);
	static const char *const ciphers[] = {
		"ADH-AES256-GCM-SHA384:@SECLEVEL=0", "AECDH-AES256-SHA:@SECLEVEL=0"};

	for (int i = 0; i < 2; i++) {
		uint8_t sha1[20] = {1}, sha256[32] = {1}, zeros[32] = {0};
		struct tls_traffic_key rx, tx;
		struct tl_meeting m;

		tl_meet(&m, ctx, TLS1_2_VERSION, ciphers[i]);
		assert_int_equal(tls_hs_cert_hash(m.hs, sha1, sha256), -ENOENT);
		assert_int_equal(tl_handshake(m.hs, &m.p, 0), TLS_HS_DONE);
		assert_int_equal(tls_hs_cert_hash(m.hs, sha1, sha256), 0);
		assert_memory_equal(sha1, zeros, 20);
		assert_memory_equal(sha256, zeros, 32);
		assert_int_equal(tls_hs_traffic_keys(m.hs, &rx, &tx), i ? -ENOTSUP : 0);
		tl_unmeet(&m);
	}
	tls_ctx_destroy(ctx);
}

static void expect_refused(struct tls_server_conf *conf, const char *cert, const char *key,
	const char *const needles[])
{
	const char *cert_file = tl_path(cert), *key_file = key ? tl_path(key) : NULL;
	char err[512] = "";

	conf->cert_files = &cert_file;
	conf->key_files = &key_file;
	conf->nb_certs = 1;
	assert_null(tls_server_ctx_create(conf, err, sizeof(err)));
	for (int i = 0; needles[i]; i++)
		if (!strstr(err, needles[i]))
			fail_msg("'%s' does not say '%s'", err, needles[i]);
	assert_null(strchr(err, '\n'));
}

#define SAYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void what_cannot_be_started_says_why(void **state)
{
	struct tls_server_conf plain = {0};
	struct tls_server_conf bad_engine = {.engine = "no-such-engine"};
	struct tls_server_conf bad_provider = {.provider = "no-such-provider"};
	struct tls_server_conf bad_ciphers = {.ciphers = "ROT13"};
	struct tls_server_conf bad_suites = {.ciphersuites = "TLS_ROT13"};
	struct tls_server_conf bad_log = {.keylog_file = "/nonexistent/dir/keys"};
	struct tls_server_conf no_ca = {.verify_client = true};
	struct tls_server_conf bad_ca = {.verify_client = true, .ca_file = "/nonexistent/ca"};

	expect_refused(&plain, "missing.pem", NULL, SAYS("missing.pem", "No such file"));
	expect_refused(&plain, "rsa.crt", "missing.key", SAYS("missing.key", "No such file"));
	expect_refused(&plain, "rsa.crt", NULL, SAYS("rsa.crt", "no PEM private key"));
	expect_refused(&plain, "rsa.key", NULL, SAYS("rsa.key", "no PEM certificate"));
	expect_refused(&plain, "rsa.crt", "ec.key", SAYS("ec.key", "does not belong", "rsa.crt"));
	expect_refused(
		&plain, "rsa.crt", "rsa2.key", SAYS("rsa2.key", "does not belong", "rsa.crt"));
	expect_refused(&plain, "rsa.crt", "locked.key", SAYS("locked.key", "encrypted"));
	expect_refused(&plain, "empty", NULL, SAYS("empty", "no PEM certificate"));
	expect_refused(&plain, "broken.pem", NULL, SAYS("broken.pem", "chain cannot be read"));
	expect_refused(&plain, "small.pem", NULL, SAYS("small.pem", "key too small"));
	expect_refused(&bad_engine, "rsa.pem", NULL, SAYS("engine no-such-engine"));
	expect_refused(&bad_provider, "rsa.pem", NULL, SAYS("provider no-such-provider"));
	expect_refused(&bad_ciphers, "rsa.pem", NULL, SAYS("ciphers ROT13", "no cipher match"));
	expect_refused(&bad_suites, "rsa.pem", NULL, SAYS("suites TLS_ROT13"));
	expect_refused(&bad_log, "rsa.pem", NULL, SAYS("/nonexistent/dir/keys", "No such file"));
	expect_refused(&no_ca, "rsa.pem", NULL, SAYS("without a CA file"));
	expect_refused(&bad_ca, "rsa.pem", NULL, SAYS("/nonexistent/ca"));
}

static void client_contexts_that_cannot_be(void **state)
{
	struct tls_client_conf cc = {.verify = true, .ca_file = "/nonexistent/ca"};
	char err[256] = "";

	assert_null(tls_client_ctx_create(&cc, err, sizeof(err)));
	assert_non_null(strstr(err, "/nonexistent/ca"));
	cc = (struct tls_client_conf){.cert_file = "/nonexistent/cert"};
	assert_null(tls_client_ctx_create(&cc, err, sizeof(err)));
	assert_non_null(strstr(err, "certificate /nonexistent/cert: No such file"));
}

static void provider_beside_the_default(void **state)
{
	struct tls_server_conf sc = {.provider = "legacy"};
	struct tls_ctx *ctx = tl_server(&sc, one_cert);
	struct tl_meeting m;

	tl_meet(&m, ctx, TLS1_3_VERSION, NULL);
	assert_int_equal(tl_handshake(m.hs, &m.p, 0), TLS_HS_DONE); // as an async job
	tl_unmeet(&m);
	tls_ctx_destroy(ctx);
}

static void chain_is_sent(void **state)
{
	struct tls_server_conf sc = {0};
	struct tls_ctx *ctx = tl_server(&sc, (const char *const[]){"chain", NULL});
	uint8_t sha1[20], sha256[32], want[32];
	struct tl_meeting m;

	tl_meet(&m, ctx, TLS1_3_VERSION, NULL);
	assert_int_equal(tl_handshake(m.hs, &m.p, 0), TLS_HS_DONE);
	assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(m.p.ssl)), 2);
	tl_cert_sha256("signed", want);
	assert_int_equal(tls_hs_cert_hash(m.hs, sha1, sha256), 0);
	assert_memory_equal(sha256, want, 32); // the leaf's
	tl_unmeet(&m);
	tls_ctx_destroy(ctx);
}

static void keylog(void **state)
{
	struct tls_server_conf sc = {.keylog_file = tl_path("keys.log")};
	static char text[8192];
	struct stat st;

	for (int round = 0; round < 2; round++) { // appended to
		struct tls_ctx *ctx = tl_server(&sc, one_cert);
		struct tl_meeting m;

		tl_meet(&m, ctx, round ? TLS1_3_VERSION : TLS1_2_VERSION, NULL);
		assert_int_equal(tl_handshake(m.hs, &m.p, 0), TLS_HS_DONE);
		tl_unmeet(&m);
		tls_ctx_destroy(ctx);
	}
	tl_read_file("keys.log", text, sizeof(text));
	assert_ptr_equal(strstr(text, "CLIENT_RANDOM "), text);
	assert_non_null(strstr(text, "\nCLIENT_TRAFFIC_SECRET_0 "));
	assert_non_null(strstr(text, "\nSERVER_TRAFFIC_SECRET_0 "));
	assert_int_equal(stat(tl_path("keys.log"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

// A context replaced while sessions live: the old one's tickets and certificate go with it.
static void certificate_renewal(void **state)
{
	struct tls_server_conf sc = {.session_tickets = true};
	struct tls_ctx *old = tl_server(&sc, one_cert);
	struct tls_ctx *new = tl_server(&sc, (const char *const[]){"rsa2", NULL});
	uint8_t sha1[20], sha256[32], want[32];
	struct tl_meeting m, n;

	tl_meet(&m, old, TLS1_3_VERSION, NULL);
	tls_ctx_destroy(old);
	assert_int_equal(tl_handshake(m.hs, &m.p, 0), TLS_HS_DONE);
	tl_meet(&n, new, TLS1_3_VERSION, NULL);
	assert_int_equal(tl_handshake(n.hs, &n.p, 0), TLS_HS_DONE);
	tl_cert_sha256("rsa", want);
	assert_int_equal(tls_hs_cert_hash(m.hs, sha1, sha256), 0);
	assert_memory_equal(sha256, want, 32);
	tl_unmeet(&m);
	tl_unmeet(&n);
	tls_ctx_destroy(new);
}

static void write_locked_key(void)
{
	FILE *f = fopen(tl_path("locked.key"), "w");
	EVP_PKEY *k = EVP_EC_gen("P-256");

	assert_true(PEM_write_PrivateKey(
		f, k, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL, NULL));
	fclose(f);
	EVP_PKEY_free(k);
}

static void write_chain(void)
{
	static char text[16384], broken[20000];
	size_t n = tl_read_file("signed.pem", text, sizeof(text));

	tl_read_file("ca.crt", text + n, sizeof(text) - n);
	tl_write_file("chain.pem", text);
	tl_read_file("rsa.pem", text, sizeof(text));
	snprintf(broken, sizeof(broken),
		"%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", text);
	tl_write_file("broken.pem", broken);
	tl_write_file("empty", "");
}

static int setup(void **state)
{
	tl_make_cert("rsa", &(struct tl_cert_spec){TL_RSA, .cn = "vpn.example.com"});
	tl_make_cert("ec", &(struct tl_cert_spec){TL_EC, .cn = "ec.example.com"});
	tl_make_cert("vpn-ec", &(struct tl_cert_spec){TL_EC, .cn = "vpn.example.com"});
	tl_make_cert("ecdsa", &(struct tl_cert_spec){TL_EC, .cn = "only-ec.example"});
	tl_make_cert(
		"wild", &(struct tl_cert_spec){TL_RSA, .cn = "w", .sans = "DNS:*.wild.example"});
	tl_make_cert("exact",
		&(struct tl_cert_spec){TL_RSA, .cn = "e", .sans = "DNS:exact.wild.example"});
	tl_make_cert("rsa2", &(struct tl_cert_spec){TL_RSA, .cn = "cn-is-ignored.example",
				     .sans = "DNS:one.example,DNS:two.example"});
	tl_make_cert("ca", &(struct tl_cert_spec){TL_EC, .cn = "Test CA", .is_ca = true});
	tl_make_cert("signed",
		&(struct tl_cert_spec){TL_RSA, .cn = "x",
			.sans = "DNS:good.example,IP:192.0.2.7,IP:2001:db8::7", .ca = "ca"});
	tl_make_cert("client", &(struct tl_cert_spec){TL_EC, .cn = "client", .ca = "ca"});
	tl_make_cert("small", &(struct tl_cert_spec){TL_RSA, .rsa_bits = 1024, .cn = "small"});
	write_locked_key();
	write_chain();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_ours),
		cmocka_unit_test(every_chunk_size),
		cmocka_unit_test(feed_is_bounded),
		cmocka_unit_test(certificate_by_sni),
		cmocka_unit_test(alpn),
		cmocka_unit_test(versions),
		cmocka_unit_test(garbage),
		cmocka_unit_test(no_common_cipher_is_an_alert),
		cmocka_unit_test(renegotiation_is_refused),
		cmocka_unit_test(client_verifies),
		cmocka_unit_test(server_verifies),
		cmocka_unit_test(anonymous),
		cmocka_unit_test(what_cannot_be_started_says_why),
		cmocka_unit_test(client_contexts_that_cannot_be),
		cmocka_unit_test(provider_beside_the_default),
		cmocka_unit_test(chain_is_sent),
		cmocka_unit_test(keylog),
		cmocka_unit_test(certificate_renewal),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
