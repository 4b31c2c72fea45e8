// SPDX-License-Identifier: BSD-3-Clause
// A server's certificates: reading them, choosing among them by SNI, and the hashes of the one that
// a client was shown.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls/handshake_priv.h"

// Never ask on the terminal.
static int no_passphrase(char *buf, int size, int rwflag, void *used)
{
	*(bool *)used = true;
	return -1;
}

BIO *tls_open_file(const char *what, const char *file, char *err, size_t cap)
{
	BIO *b;

	errno = 0;
	b = BIO_new_file(file, "r");
	if (!b) {
		ERR_clear_error();
		tls_err(err, cap, "%s %s: %s", what, file, strerror(errno ? errno : ENOMEM));
	}
	return b;
}

static int load_chain(struct tls_cert *c, const char *file, char *err, size_t cap)
{
	BIO *b = tls_open_file("certificate", file, err, cap);
	X509 *x;

	if (!b)
		return -1;
	c->leaf = PEM_read_bio_X509_AUX(b, NULL, NULL, NULL);
	if (!c->leaf) {
		BIO_free(b);
		return tls_err(err, cap, "certificate %s: no PEM certificate in it", file);
	}
	c->chain = sk_X509_new_null();
	while (c->chain && (x = PEM_read_bio_X509(b, NULL, NULL, NULL))) {
		if (!sk_X509_push(c->chain, x)) {
			X509_free(x);
			break;
		}
	}
	BIO_free(b);
	// The ordinary end is "no start line"; a damaged block is something else.
	if (c->chain && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
		ERR_clear_error();
		return 0;
	}
	return tls_err(err, cap, "certificate %s: the chain cannot be read", file);
}

static int load_key(struct tls_cert *c, const char *file, char *err, size_t cap)
{
	BIO *b = tls_open_file("private key", file, err, cap);
	bool asked = false;

	if (!b)
		return -1;
	c->key = PEM_read_bio_PrivateKey(b, NULL, no_passphrase, &asked);
	BIO_free(b);
	if (c->key)
		return 0;
	if (asked) {
		ERR_clear_error();
		return tls_err(err, cap,
			"private key %s: it is encrypted; a key without a passphrase is needed",
			file);
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE ||
		ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_OSSL_DECODER)
		ERR_clear_error();
	return tls_err(err, cap, "private key %s: no PEM private key in it", file);
}

static bool digests(const X509 *x, uint8_t hashes[TLS_CERT_HASHES_LEN])
{
	return X509_digest(x, EVP_sha1(), hashes, NULL) &&
	       X509_digest(x, EVP_sha256(), hashes + 20, NULL);
}

int tls_cert_load(
	struct tls_cert *c, const char *cert_file, const char *key_file, char *err, size_t cap)
{
	const char *key = key_file && *key_file ? key_file : cert_file;

	if (load_chain(c, cert_file, err, cap) || load_key(c, key, err, cap))
		return -1;
	if (!X509_check_private_key(c->leaf, c->key)) {
		ERR_clear_error();
		return tls_err(err, cap, "private key %s does not belong to certificate %s", key,
			cert_file);
	}
	if (!digests(c->leaf, c->hashes))
		return tls_err(err, cap, "certificate %s cannot be hashed", cert_file);
	return 0;
}

void tls_cert_free(struct tls_cert *c)
{
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	EVP_PKEY_free(c->plain);
	tls_staple_free(c->staple);
}

// TLS 1.2's RSA key exchange decrypts with a padding (RSA_PKCS1_WITH_TLS_PADDING) that OpenSSL 3
// knows for its providers' keys alone. So an engine's key has done its work with the handshake's
// signatures, of which this key exchange has none. culvert-async's threads do this one as well
// (async_engine_decrypting_key()), other engines do not.
void tls_cert_use_plain_key(SSL *ssl)
{
	const struct tls_ctx *ctx = tls_hs_of(ssl)->ctx;
	const X509 *leaf = SSL_get_certificate(ssl);

	for (unsigned int i = 0; i < ctx->nb_certs; i++)
		if (ctx->certs[i].leaf == leaf && ctx->certs[i].plain)
			SSL_use_PrivateKey(ssl, ctx->certs[i].plain);
}

bool tls_cert_hashes(const struct tls_ctx *ctx, const X509 *x, uint8_t hashes[TLS_CERT_HASHES_LEN])
{
	for (unsigned int i = 0; i < ctx->nb_certs; i++)
		if (ctx->certs[i].leaf == x) {
			memcpy(hashes, ctx->certs[i].hashes, TLS_CERT_HASHES_LEN);
			return true;
		}
	return digests(x, hashes);
}

static bool matches(const X509 *x, const char *name, bool exact)
{
	unsigned int flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;

	if (exact)
		flags |= X509_CHECK_FLAG_NO_WILDCARDS;
	return X509_check_host((X509 *)x, name, strlen(name), flags, NULL) == 1;
}

// A name of the certificate, for finding its siblings of other key types.
static bool first_name(const X509 *x, char *name, size_t cap)
{
	GENERAL_NAMES *san = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; san && i < sk_GENERAL_NAME_num(san) && !found; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(san, i);

		if (g->type != GEN_DNS)
			continue;
		snprintf(name, cap, "%.*s", ASN1_STRING_length(g->d.dNSName),
			(const char *)ASN1_STRING_get0_data(g->d.dNSName));
		if (name[0] == '*') // a wildcard stands for any label
			name[0] = 'x';
		found = true;
	}
	GENERAL_NAMES_free(san);
	return found || X509_NAME_get_text_by_NID(
				X509_get_subject_name(x), NID_commonName, name, (int)cap) > 0;
}

static void add_cert(const struct tls_ctx *ctx, struct tls_cert_set *set, unsigned int i)
{
	int type = EVP_PKEY_get_base_id(ctx->certs[i].key);

	for (unsigned int k = 0; k < set->nb; k++)
		if (EVP_PKEY_get_base_id(ctx->certs[set->index[k]].key) == type)
			return;
	if (set->nb < TLS_CERT_TYPES)
		set->index[set->nb++] = i;
}

// Add the certificates for a name: of each key type the first that matches, by exact name before
// by wildcard.
static void add_by_name(const struct tls_ctx *ctx, struct tls_cert_set *set, const char *name)
{
	unsigned int before = set->nb;

	for (int exact = 1; exact >= 0 && set->nb == before; exact--)
		for (unsigned int i = 0; i < ctx->nb_certs; i++)
			if (matches(ctx->certs[i].leaf, name, exact))
				add_cert(ctx, set, i);
}

// Called when the ClientHello has been read. 1: go on, 0: fail.
static int choose_cert(SSL *ssl, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct tls_ctx *ctx = arg;
	struct tls_cert_set set = {0};

	if (name && *name)
		add_by_name(ctx, &set, name);
	if (!set.nb)
		set = ctx->default_set;
	SSL_certs_clear(ssl);
	for (unsigned int i = 0; i < set.nb; i++) {
		const struct tls_cert *c = &ctx->certs[set.index[i]];

		if (!SSL_use_cert_and_key(ssl, c->leaf, c->key, c->chain, 1))
			return 0;
	}
	return 1;
}

int tls_certs_install(struct tls_ctx *ctx, const char *const *files, char *err, size_t cap)
{
	char name[256];

	// Every one is tried, so that one that OpenSSL refuses (a key too small for the security
	// level) stops the program at start.
	for (unsigned int i = 0; i < ctx->nb_certs; i++) {
		const struct tls_cert *c = &ctx->certs[i];

		if (!SSL_CTX_use_cert_and_key(ctx->ssl, c->leaf, c->key, c->chain, 1))
			return tls_err(err, cap, "certificate %s cannot be used", files[i]);
	}
	if (ctx->nb_certs < 2)
		return 0;
	add_cert(ctx, &ctx->default_set, 0);
	if (first_name(ctx->certs[0].leaf, name, sizeof(name)))
		add_by_name(ctx, &ctx->default_set, name);
	SSL_CTX_set_cert_cb(ctx->ssl, choose_cert, ctx);
	return 0;
}
