// SPDX-License-Identifier: BSD-3-Clause
// What a server agrees to: versions, suites, groups, security level, ALPN.
//
// Suites of TLS 1.2 and before are those of the cipher string, less what pfs forbids and what no
// server here can do (without encryption, PSK, SRP, anonymous ones beside a certificate). The bulk
// cipher decides over TLS 1.3: a suite of it is allowed when it is named itself, or when a suite
// with the same bulk cipher is in the string. Without a certificate the string's suites stand for
// the anonymous ones with the same cipher and MAC.
#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "tls/handshake_priv.h"
#include "tls/suites.h"

// AEADs first, for the workers can do them; CBC with SHA-1 for RouterOS, through OpenSSL.
#define DEFAULT_CIPHERS                                                                  \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                     \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                     \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"                     \
	"DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-CHACHA20-POLY1305:" \
	"AES256-GCM-SHA384:AES128-GCM-SHA256:"                                           \
	"ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA:"            \
	"ECDHE-RSA-AES128-SHA:DHE-RSA-AES256-SHA:DHE-RSA-AES128-SHA:AES256-SHA:AES128-SHA"
// Of an elliptic curve first: RouterOS offers both.
#define ANONYMOUS_CIPHERS                              \
	"ADH-AES256-GCM-SHA384:ADH-AES128-GCM-SHA256:" \
	"AECDH-AES256-SHA:ADH-AES256-SHA:AECDH-AES128-SHA:ADH-AES128-SHA"
#define FF_GROUPS ":ffdhe2048:ffdhe3072:ffdhe4096"

struct policy {
	struct tls_ctx *ctx;
	const struct tls_server_conf *conf;
	bool anonymous;
	struct tls_suites lists; // the operator's, or the default
	char suites[512];        // TLS 1.3 in the end
	bool have_12;            // a suite of TLS 1.2 or before is left
};

static bool exchange_allowed(const struct policy *p, const SSL_CIPHER *c)
{
	switch (SSL_CIPHER_get_kx_nid(c)) {
	case NID_kx_rsa:
		return p->conf->pfs == TLS_PFS_NO;
	case NID_kx_dhe:
		return p->conf->pfs != TLS_PFS_REQUIRED;
	case NID_kx_ecdhe:
		return true;
	default:
		return false;
	}
}

// Whether c has the cipher and MAC of one in the operator's list.
static bool has_twin(STACK_OF(SSL_CIPHER) * listed, const SSL_CIPHER *c)
{
	for (int i = 0; i < sk_SSL_CIPHER_num(listed); i++) {
		const SSL_CIPHER *l = sk_SSL_CIPHER_value(listed, i);

		if (SSL_CIPHER_get_cipher_nid(l) == SSL_CIPHER_get_cipher_nid(c) &&
			SSL_CIPHER_get_digest_nid(l) == SSL_CIPHER_get_digest_nid(c) &&
			!tls_suites_is_13(l))
			return true;
	}
	return false;
}

static bool is_allowed(const struct policy *p, const SSL_CIPHER *c)
{
	bool anonymous = SSL_CIPHER_get_auth_nid(c) == NID_auth_null;

	return !tls_suites_is_13(c) && SSL_CIPHER_get_cipher_nid(c) != NID_undef &&
	       anonymous == p->anonymous && exchange_allowed(p, c);
}

// The suites left of those that the context has now, as a list of names.
static void filter(const struct policy *p, char *list, size_t cap)
{
	STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(p->ctx->ssl);

	list[0] = 0;
	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);

		if (is_allowed(p, c))
			tls_suites_append(list, cap, SSL_CIPHER_get_name(c));
	}
}

// The anonymous suites that the operator's list stands for.
static int set_twins(const struct policy *p)
{
	STACK_OF(SSL_CIPHER) *listed = sk_SSL_CIPHER_dup(SSL_CTX_get_ciphers(p->ctx->ssl));
	STACK_OF(SSL_CIPHER) * all;
	char list[TLS_SUITES_MAX] = "";
	int ok = listed && SSL_CTX_set_cipher_list(p->ctx->ssl, ANONYMOUS_CIPHERS);

	all = SSL_CTX_get_ciphers(p->ctx->ssl);
	for (int i = 0; ok && i < sk_SSL_CIPHER_num(all); i++) {
		const char *name = SSL_CIPHER_get_name(sk_SSL_CIPHER_value(all, i));

		if (has_twin(listed, sk_SSL_CIPHER_value(all, i)))
			tls_suites_append(list, sizeof(list), name);
	}
	sk_SSL_CIPHER_free(listed);
	if (list[0])
		ok = ok && SSL_CTX_set_cipher_list(p->ctx->ssl, list);
	else if (ok)
		ok = SSL_CTX_set_cipher_list(p->ctx->ssl, "NONE-LEFT");
	return ok;
}

// A name of TLS 1.3 that does not exist would go unnoticed.
static int check_named(const struct policy *p, char *err, size_t cap)
{
	const char *named = p->lists.named;

	if (named[0] && !SSL_CTX_set_ciphersuites(p->ctx->ssl, named))
		return tls_err(err, cap, "TLS 1.3 cipher suites %s", named);
	return 0;
}

static int set_suites(struct policy *p, char *err, size_t cap)
{
	char list[TLS_SUITES_MAX], *classic = p->lists.classic;
	SSL_CTX *s = p->ctx->ssl;

	if (tls_suites_split(&p->lists, p->conf->ciphers, err, cap))
		return -1;
	if (!classic[0] && !p->lists.named[0])
		strcpy(classic, p->anonymous ? ANONYMOUS_CIPHERS : DEFAULT_CIPHERS);
	if (check_named(p, err, cap))
		return -1;
	if (classic[0] && !SSL_CTX_set_cipher_list(s, classic))
		return tls_err(err, cap, "ciphers %s", classic);
	if (p->conf->ciphersuites && *p->conf->ciphersuites)
		snprintf(p->suites, sizeof(p->suites), "%s", p->conf->ciphersuites);
	else
		tls_suites_choose_13(s, &p->lists, false, p->suites, sizeof(p->suites));
	if (p->suites[0] && !SSL_CTX_set_ciphersuites(s, p->suites))
		return tls_err(err, cap, "TLS 1.3 cipher suites %s", p->suites);
	if (!classic[0])
		return 0;
	if (p->anonymous && p->conf->ciphers && *p->conf->ciphers && !set_twins(p)) {
		ERR_clear_error();
		return 0; // nothing is left: set_versions() says so
	}
	filter(p, list, sizeof(list));
	p->have_12 = list[0];
	if (p->have_12 && !SSL_CTX_set_cipher_list(s, list))
		return tls_err(err, cap, "ciphers %s", list);
	return 0;
}

static int set_versions(struct policy *p, char *err, size_t cap)
{
	static const char *const pfs[] = {"no", "yes", "required"};
	bool have_13 = p->suites[0] && !p->conf->only_tls12 && !p->anonymous;

	if (!p->have_12 && !have_13) {
		snprintf(err, cap, "ciphers %.200s: none is left with pfs %s, %s%s",
			p->conf->ciphers ? p->conf->ciphers : "by default", pfs[p->conf->pfs],
			p->conf->only_tls12 || p->anonymous ? "TLS 1.2 at most" : "TLS 1.2 and 1.3",
			p->anonymous ? " and no certificate" : "");
		return -1;
	}
	p->ctx->legacy = p->conf->legacy_tls && p->have_12;
	SSL_CTX_set_min_proto_version(p->ctx->ssl, !p->have_12      ? TLS1_3_VERSION
						   : p->ctx->legacy ? TLS1_VERSION
								    : TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(p->ctx->ssl, have_13 ? TLS1_3_VERSION : TLS1_2_VERSION);
	return 0;
}

// The group for DHE in TLS 1.2: RFC 7919's, which clients can tell is sound, and which no
// precomputation for somebody else's prime helps against.
static int set_dh(SSL_CTX *ctx)
{
	char group[] = "ffdhe2048";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_END,
	};
	EVP_PKEY_CTX *c;
	EVP_PKEY *dh = NULL;
	int ok;

	// The system's configuration may ask for more than 112 bits.
	if (SSL_CTX_get_security_level(ctx) > 2)
		return (int)SSL_CTX_set_dh_auto(ctx, 1);
	c = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	ok = c && EVP_PKEY_fromdata_init(c) > 0 &&
	     EVP_PKEY_fromdata(c, &dh, EVP_PKEY_KEY_PARAMETERS, params) > 0 &&
	     SSL_CTX_set0_tmp_dh_pkey(ctx, dh);
	if (!ok)
		EVP_PKEY_free(dh);
	EVP_PKEY_CTX_free(c);
	return ok;
}

static int set_groups(const struct policy *p, char *err, size_t cap)
{
	bool finite = p->conf->pfs != TLS_PFS_REQUIRED;

	if (!SSL_CTX_set1_groups_list(
		    p->ctx->ssl, finite ? TLS_EC_GROUPS FF_GROUPS : TLS_EC_GROUPS))
		return tls_err(err, cap, "key exchange groups");
	if (finite && !set_dh(p->ctx->ssl))
		return tls_err(err, cap, "Diffie-Hellman parameters");
	return 0;
}

// RFC 7301 3.2: http/1.1 is all that is spoken here, and a client that offers only others is told.
// SSTP's own clients offer nothing.
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *in, unsigned int in_len, void *arg)
{
	static const unsigned char http11[] = "\x08http/1.1";
	unsigned char *chosen;

	if (SSL_select_next_proto(&chosen, out_len, http11, sizeof(http11) - 1, in, in_len) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

int tls_policy_apply(struct tls_ctx *ctx, const struct tls_server_conf *conf, char *err, size_t cap)
{
	struct policy p = {.ctx = ctx, .conf = conf, .anonymous = !conf->nb_certs};

	// A client that puts ChaCha20 first has no AES in hardware.
	SSL_CTX_set_options(ctx->ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_alpn_select_cb(ctx->ssl, choose_alpn, NULL);
	// The lowest level is the only one that knows anonymous suites.
	if (p.anonymous)
		SSL_CTX_set_security_level(ctx->ssl, 0);
	if (set_suites(&p, err, cap) || set_versions(&p, err, cap) || set_groups(&p, err, cap))
		return -1;
	return 0;
}
