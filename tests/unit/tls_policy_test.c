// SPDX-License-Identifier: BSD-3-Clause
// What a server agrees to: versions, suites, groups and security levels under every pfs and cipher
// list, and certificates renewed.
#include "tls_testlib.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <openssl/err.h>

// Whether a client of one suite, and in TLS 1.3 of one group, gets in.
static bool gets_in(struct tls_ctx *ctx, int version, const char *cipher, const char *group)
{
	struct tl_meeting m;

	tl_meet(&m, ctx, version, cipher);
	if (group)
		assert_true(SSL_set1_groups_list(m.p.ssl, group));
	m.st = tl_handshake(m.hs, &m.p, 0);
	if (m.st == TLS_HS_FAILED)
		assert_true(m.p.alert == SSL_AD_HANDSHAKE_FAILURE ||
			    m.p.alert == SSL_AD_PROTOCOL_VERSION);
	tl_unmeet(&m);
	return m.st == TLS_HS_DONE;
}

static const struct probe {
	int version;
	const char *cipher, *group;
} probes[] = {
	{TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", "X25519"},
	{TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", "X25519"},
	{TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", "P-384"},
	{TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", "ffdhe2048"},
	{TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384", NULL},
	{TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", NULL},
	{TLS1_2_VERSION, "DHE-RSA-AES256-GCM-SHA384", NULL},
	{TLS1_2_VERSION, "AES256-GCM-SHA384", NULL},
	{TLS1_2_VERSION, "ECDHE-RSA-AES256-SHA", NULL},
	{TLS1_2_VERSION, "DHE-RSA-AES256-SHA", NULL},
	{TLS1_2_VERSION, "AES256-SHA", NULL},
	{TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", NULL},
	{TLS1_2_VERSION, "ADH-AES256-GCM-SHA384:@SECLEVEL=0", NULL},
	{TLS1_2_VERSION, "AECDH-AES256-SHA:@SECLEVEL=0", NULL},
	{TLS1_2_VERSION, "ADH-AES128-SHA:@SECLEVEL=0", NULL},
	{TLS1_2_VERSION, "ECDHE-RSA-NULL-SHA:@SECLEVEL=0", NULL},
};
#define NB_PROBES (sizeof(probes) / sizeof(probes[0]))

#define GCM256                                                       \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
	"DHE-RSA-AES256-GCM-SHA384:AES256-GCM-SHA384"
#define CBC256 "ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:DHE-RSA-AES256-SHA:AES256-SHA"

// A letter for each probe: y gets in.
static const struct {
	const char *ciphers;
	enum tls_pfs pfs;
	bool only12, none;
	const char *want;
} policies[] = {
	//                     1.3: 256 128 cha ff, 1.2: ecr ece dhe rsa, cbc: ec dh rsa, 128,
	//                     anonymous: gcm, ec, 128, null
	{NULL, TLS_PFS_NO, false, false, "yyyyyyyyyyyy----"},
	{NULL, TLS_PFS_YES, false, false, "yyyyyyy-yy-y----"},
	{NULL, TLS_PFS_REQUIRED, false, false, "yyy-yy--y--y----"},
	{NULL, TLS_PFS_NO, true, false, "----yyyyyyyy----"},
	{NULL, TLS_PFS_REQUIRED, true, false, "----yy--y--y----"},
	{GCM256, TLS_PFS_NO, false, false, "y--yyyyy--------"},
	{GCM256, TLS_PFS_YES, false, false, "y--yyyy---------"},
	{GCM256, TLS_PFS_REQUIRED, false, false, "y---yy----------"},
	{CBC256, TLS_PFS_NO, false, false, "--------yyy-----"},
	{CBC256, TLS_PFS_REQUIRED, false, false, "--------y-------"},
	{GCM256 ":" CBC256, TLS_PFS_YES, true, false, "----yyy-yy------"},
	{"AESGCM+AES128", TLS_PFS_NO, false, false, "-y---------y----"},
	{"TLS_AES_128_GCM_SHA256:" GCM256, TLS_PFS_REQUIRED, false, false, "yy--yy----------"},
	{"TLS_CHACHA20_POLY1305_SHA256", TLS_PFS_NO, false, false, "--y-------------"},
	{"AES256-GCM-SHA384", TLS_PFS_YES, false, false, "y--y------------"},
	{"ALL:COMPLEMENTOFALL:@SECLEVEL=0", TLS_PFS_REQUIRED, true, false, "----yy--y--y----"},
	{NULL, TLS_PFS_NO, false, true, "------------yyy-"},
	{NULL, TLS_PFS_YES, false, true, "------------yyy-"},
	{NULL, TLS_PFS_REQUIRED, false, true, "-------------y--"},
	{GCM256, TLS_PFS_NO, false, true, "------------y---"},
	{CBC256, TLS_PFS_NO, false, true, "-------------y--"},
};

static void suites(void **state)
{
	static const char *const certs[] = {"rsa", "ec", NULL};

	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		struct tls_server_conf sc = {.ciphers = policies[i].ciphers,
			.pfs = policies[i].pfs,
			.only_tls12 = policies[i].only12};
		struct tls_ctx *ctx = tl_server(&sc, policies[i].none ? NULL : certs);

		assert_int_equal(strlen(policies[i].want), NB_PROBES);
		for (size_t k = 0; k < NB_PROBES; k++) {
			bool in =
				gets_in(ctx, probes[k].version, probes[k].cipher, probes[k].group);

			if (in != (policies[i].want[k] == 'y'))
				fail_msg("policy %zu: %s %s", i, probes[k].cipher,
					in ? "gets in" : "is refused");
		}
		tls_ctx_destroy(ctx);
	}
}

static void nothing_left(void **state)
{
	static const struct {
		struct tls_server_conf conf;
		bool none;
		const char *says;
	} v[] = {
		{{.ciphers = "AES256-SHA", .pfs = TLS_PFS_YES}, false, "none is left with pfs yes"},
		{{.ciphers = "DHE-RSA-AES256-SHA", .pfs = TLS_PFS_REQUIRED}, false,
			"none is left with pfs required"},
		{{.ciphers = "TLS_AES_128_GCM_SHA256", .only_tls12 = true}, false,
			"TLS 1.2 at most"},
		{{.ciphers = "ADH-AES256-GCM-SHA384:@SECLEVEL=0"}, false, "none is left"},
		{{.ciphers = "NULL-SHA256:@SECLEVEL=0"}, false, "none is left"},
		{{.ciphers = "CHACHA20"}, true, "no certificate"},
		{{.ciphers = "DHE-RSA-AES256-GCM-SHA384", .pfs = TLS_PFS_REQUIRED}, true,
			"none is left"},
		{{.ciphers = "TLS_ROT13_SHA256"}, false, "TLS_ROT13_SHA256"},
		{{.ciphers = "ROT13"}, false, "no cipher match"},
		{{.verify_client = true, .ca_file = "x"}, true, "need a certificate of the server"},
	};
	const char *file = tl_path("rsa.pem");

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct tls_server_conf sc = v[i].conf;
		char err[512] = "";

		sc.cert_files = &file;
		sc.nb_certs = !v[i].none;
		assert_null(tls_server_ctx_create(&sc, err, sizeof(err)));
		if (!strstr(err, v[i].says))
			fail_msg("%zu: '%s' does not say '%s'", i, err, v[i].says);
	}
}

// What a client is shown as key exchange: never less than 2048 bits of a finite field.
static void dh_group(void **state)
{
	static const struct {
		const char *cipher;
		bool none;
		int type, bits;
	} v[] = {
		{"DHE-RSA-AES256-GCM-SHA384", false, EVP_PKEY_DH, 2048},
		{"DHE-RSA-AES128-SHA", false, EVP_PKEY_DH, 2048},
		{"ADH-AES128-SHA:@SECLEVEL=0", true, EVP_PKEY_DH, 2048},
		{"ADH-AES256-GCM-SHA384:@SECLEVEL=0", true, EVP_PKEY_DH, 2048},
		{"ECDHE-RSA-AES128-SHA", false, EVP_PKEY_X25519, 253},
		{"AECDH-AES128-SHA:@SECLEVEL=0", true, EVP_PKEY_X25519, 253},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct tls_server_conf sc = {0};
		struct tls_ctx *ctx =
			tl_server(&sc, v[i].none ? NULL : (const char *const[]){"rsa", NULL});
		EVP_PKEY *tmp = NULL;
		struct tl_meeting m;

		tl_meet(&m, ctx, TLS1_2_VERSION, v[i].cipher);
		assert_int_equal(tl_handshake(m.hs, &m.p, 0), TLS_HS_DONE);
		assert_true(SSL_get_peer_tmp_key(m.p.ssl, &tmp));
		assert_int_equal(EVP_PKEY_get_base_id(tmp), v[i].type);
		assert_int_equal(EVP_PKEY_get_bits(tmp), v[i].bits);
		EVP_PKEY_free(tmp);
		tl_unmeet(&m);
		tls_ctx_destroy(ctx);
	}
}

// With tls-legacy on, clients that know better are held to it: no signatures with SHA-1 in TLS 1.2.
static void legacy_level(void **state)
{
	static const struct {
		bool legacy;
		int version;
		const char *cipher, *sigalgs;
		bool in;
	} v[] = {
		{true, TLS1_VERSION, "ECDHE-RSA-AES256-SHA:@SECLEVEL=0", NULL, true},
		{true, TLS1_1_VERSION, "ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0", NULL, true},
		{true, TLS1_1_VERSION, "DHE-RSA-AES128-SHA:@SECLEVEL=0", NULL, true},
		{true, TLS1_1_VERSION, "AES128-SHA:@SECLEVEL=0", NULL, true},
		{true, TLS1_2_VERSION, "ECDHE-RSA-AES256-SHA:@SECLEVEL=0", "RSA+SHA1", false},
		{true, TLS1_2_VERSION, "ECDHE-RSA-AES256-SHA:@SECLEVEL=0", "RSA+SHA256", true},
		{true, TLS1_3_VERSION, NULL, NULL, true},
		{false, TLS1_VERSION, "ECDHE-RSA-AES256-SHA:@SECLEVEL=0", NULL, false},
		{false, TLS1_1_VERSION, "AES128-SHA:@SECLEVEL=0", NULL, false},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct tls_server_conf sc = {.legacy_tls = v[i].legacy};
		struct tls_ctx *ctx = tl_server(&sc, (const char *const[]){"rsa", "ec", NULL});
		struct tl_meeting m;

		tl_meet(&m, ctx, v[i].version, v[i].cipher);
		if (v[i].sigalgs)
			assert_true(SSL_set1_sigalgs_list(m.p.ssl, v[i].sigalgs));
		m.st = tl_handshake(m.hs, &m.p, 0);
		if ((m.st == TLS_HS_DONE) != v[i].in)
			fail_msg("%zu: %s", i, v[i].in ? tls_hs_error(m.hs) : "gets in");
		tl_unmeet(&m);
		tls_ctx_destroy(ctx);
	}
}

// The server's order, but for clients without AES in hardware, who put ChaCha20 first.
static void preference(void **state)
{
	static const struct {
		int version;
		const char *offer, *want;
	} v[] = {
		{TLS1_2_VERSION, "AES128-SHA:AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384",
			"ECDHE-RSA-AES256-GCM-SHA384"},
		{TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305",
			"ECDHE-RSA-AES256-GCM-SHA384"},
		{TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-GCM-SHA384",
			"ECDHE-RSA-CHACHA20-POLY1305"},
		{TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384",
			"TLS_AES_256_GCM_SHA384"},
		{TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384",
			"TLS_CHACHA20_POLY1305_SHA256"},
	};
	struct tls_server_conf sc = {0};
	struct tls_ctx *ctx = tl_server(&sc, (const char *const[]){"rsa", NULL});

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct tls_info info;
		struct tl_meeting m;

		tl_meet(&m, ctx, v[i].version, v[i].offer);
		assert_int_equal(tl_handshake(m.hs, &m.p, 0), TLS_HS_DONE);
		tls_hs_info(m.hs, &info);
		assert_string_equal(info.cipher, v[i].want);
		tl_unmeet(&m);
	}
	tls_ctx_destroy(ctx);
}

// -- renewal --

static char warned[1024];

static void warn(const char *text)
{
	strncat(warned, text, sizeof(warned) - strlen(warned) - 2);
	strcat(warned, "\n");
}

static struct tls_ctx *renew(const struct tls_ctx *old, const char *cert, char *err, size_t cap)
{
	const char *file = tl_path(cert);
	struct tls_server_conf sc = {.cert_files = &file,
		.nb_certs = 1,
		.session_tickets = true,
		.previous = old,
		.engine = "culvert-async",
		.warn = warn};

	warned[0] = err[0] = 0;
	return tls_server_ctx_create(&sc, err, cap);
}

// At a start one that has expired is better than none; at a renewal the old one is.
static void dates(void **state)
{
	char err[512];
	struct tls_ctx *old = renew(NULL, "expired.pem", err, sizeof(err)), *new;

	assert_non_null(old);
	assert_non_null(strstr(warned, "expired.pem has expired\n"));
	// The same again: what else changed is not held up by it.
	new = renew(old, "expired.pem", err, sizeof(err));
	assert_non_null(new);
	assert_non_null(strstr(warned, "expired.pem has expired\n"));
	tls_ctx_destroy(new);
	new = renew(NULL, "long.pem", err, sizeof(err));
	assert_null(renew(new, "expired.pem", err, sizeof(err)));
	assert_non_null(strstr(err, "expired.pem has expired"));
	tls_ctx_destroy(new);
	new = renew(old, "rsa.pem", err, sizeof(err));
	assert_non_null(new);
	// Made for a day, in this second or one before.
	assert_true(strstr(warned, "rsa.pem expires in 0 days and 23 hours\n") ||
		    strstr(warned, "rsa.pem expires in 1 days and 0 hours\n"));
	tls_ctx_destroy(old);
	tls_ctx_destroy(new);
	new = renew(NULL, "long.pem", err, sizeof(err));
	assert_non_null(new);
	assert_string_equal(warned, "");
	tls_ctx_destroy(new);
}

// A handshake half way through, its signature in the pool, while the context is replaced; then
// sessions that outlive their context, and one that is made anew a hundred times.
static void under_way(void **state)
{
	char err[512];
	struct tls_ctx *ctx = renew(NULL, "rsa.pem", err, sizeof(err));
	struct tl_meeting half, after;
	uint8_t sha1[20], sha256[32], want[32];
	unsigned int i;

	tl_meet(&half, ctx, TLS1_3_VERSION, NULL);
	SSL_do_handshake(half.p.ssl);
	tl_from_peer(half.hs, &half.p);
	assert_int_equal(tls_hs_step(half.hs), TLS_HS_WANT_ASYNC);
	for (i = 0; i < 100; i++) {
		struct tls_ctx *new = renew(ctx, i & 1 ? "rsa.pem" : "long.pem", err, sizeof(err));

		assert_non_null(new);
		tls_ctx_destroy(ctx);
		ctx = new;
	}
	assert_int_equal(tl_handshake(half.hs, &half.p, 0), TLS_HS_DONE);
	tl_meet(&after, ctx, TLS1_3_VERSION, NULL);
	tls_ctx_destroy(ctx);
	assert_int_equal(tl_handshake(after.hs, &after.p, 0), TLS_HS_DONE);
	assert_int_equal(tls_hs_cert_hash(half.hs, sha1, sha256), 0);
	tl_cert_sha256("rsa", want);
	assert_memory_equal(sha256, want, 32);
	tls_hs_shrink(half.hs);
	tls_hs_shrink(half.hs); // twice is once
	assert_int_equal(tls_hs_cert_hash(half.hs, sha1, sha256), 0);
	tl_unmeet(&half);
	tl_unmeet(&after);
}

static int setup(void **state)
{
	tl_make_cert("rsa", &(struct tl_cert_spec){TL_RSA, .cn = "vpn.example.com"});
	tl_make_cert("ec", &(struct tl_cert_spec){TL_EC, .cn = "vpn.example.com"});
	tl_make_cert(
		"expired", &(struct tl_cert_spec){TL_EC, .cn = "vpn.example.com", .valid_s = -60});
	tl_make_cert("long",
		&(struct tl_cert_spec){TL_EC, .cn = "vpn.example.com", .valid_s = 40 * 86400});
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(suites),
		cmocka_unit_test(nothing_left),
		cmocka_unit_test(dh_group),
		cmocka_unit_test(legacy_level),
		cmocka_unit_test(preference),
		cmocka_unit_test(dates),
		cmocka_unit_test(under_way),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
