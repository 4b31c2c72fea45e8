// SPDX-License-Identifier: BSD-3-Clause
// Clients' certificates: which are trusted, which are revoked, and how a refusal reads.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls/handshake_priv.h"

#define FILE_MAX_BYTES (16u << 20)

void tls_warn(const struct tls_server_conf *conf, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!conf->warn)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conf->warn(text);
}

// RFC 4514 escapes quotes, control characters and everything beyond ASCII.
void tls_subject(const X509 *x, char *dst, size_t cap)
{
	BIO *b = x ? BIO_new(BIO_s_mem()) : NULL;
	int n = 0;

	dst[0] = 0;
	if (b && X509_NAME_print_ex(b, X509_get_subject_name(x), 0, XN_FLAG_RFC2253) >= 0)
		n = BIO_read(b, dst, (int)cap - 1);
	dst[n > 0 ? n : 0] = 0;
	// A name cut at the end must not leave half an escape before a closing quote.
	while (n == (int)cap - 1 && n > 0 && dst[n - 1] == '\\')
		dst[--n] = 0;
	BIO_free(b);
	ERR_clear_error();
}

// Called for each certificate of a client's chain; ok: OpenSSL finds nothing wrong.
static int on_verify(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_hs *hs = ssl ? tls_hs_of(ssl) : NULL;
	int error = X509_STORE_CTX_get_error(store), depth = X509_STORE_CTX_get_error_depth(store);
	char subject[160];

	if (ok)
		return 1;
	// CAs need no list above them; where there is one, it counts.
	if (error == X509_V_ERR_UNABLE_TO_GET_CRL && depth > 0) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	if (hs && hs->live && !hs->live->refused[0]) {
		tls_subject(X509_STORE_CTX_get_current_cert(store), subject, sizeof(subject));
		snprintf(hs->live->refused, sizeof(hs->live->refused), "%s, subject=\"%s\"%s",
			X509_verify_cert_error_string(error), subject,
			depth > 0 ? " (a CA of its chain)" : "");
	}
	return 0;
}

// -- revocation lists --

static void check_crl_date(struct tls_ctx *ctx, X509_CRL *crl, const struct tls_server_conf *conf)
{
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);

	if (!next)
		return;
	if (X509_cmp_current_time(next) < 0)
		tls_warn(conf,
			"CRL file %s: a list in it is out of date, clients of its issuer are "
			"refused",
			conf->crl_file);
	if (ctx->crl && ASN1_TIME_compare(X509_CRL_get0_nextUpdate(ctx->crl), next) <= 0)
		return;
	X509_CRL_up_ref(crl);
	X509_CRL_free(ctx->crl);
	ctx->crl = crl;
}

// Lists only: a certificate in that file would be trusted.
static int load_crls(struct tls_ctx *ctx, const struct tls_server_conf *conf, char *err, size_t cap)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx->ssl);
	BIO *b = tls_open_file("CRL file", conf->crl_file, err, cap);
	unsigned int nb = 0;
	X509_CRL *crl;
	int ok = 1;

	if (!b)
		return -1;
	while (ok && (crl = PEM_read_bio_X509_CRL(b, NULL, NULL, NULL))) {
		ok = X509_STORE_add_crl(store, crl);
		check_crl_date(ctx, crl, conf);
		X509_CRL_free(crl);
		nb++;
	}
	BIO_free(b);
	if (!ok || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return tls_err(err, cap, "CRL file %s", conf->crl_file);
	ERR_clear_error();
	if (!nb) {
		snprintf(err, cap, "CRL file %s: no PEM revocation list in it", conf->crl_file);
		return -1;
	}
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	return 0;
}

// -- the policy id: a hash over what clients' certificates are held against --

static int hash_file(EVP_MD_CTX *md, const char *what, const char *file, char *err, size_t cap)
{
	uint8_t buf[4096];
	size_t total = 0;
	int n, ok = 1;
	BIO *b;

	if (!file || !*file)
		return EVP_DigestUpdate(md, "-", 1) ? 0 : -1;
	b = tls_open_file(what, file, err, cap);
	if (!b)
		return -1;
	while (ok && (n = BIO_read(b, buf, sizeof(buf))) > 0) {
		total += (size_t)n;
		ok = EVP_DigestUpdate(md, buf, (size_t)n) && total <= FILE_MAX_BYTES;
	}
	BIO_free(b);
	if (!ok)
		snprintf(err, cap, "%s %s is too long", what, file);
	return ok ? 0 : -1;
}

static int make_policy_id(
	struct tls_ctx *ctx, const struct tls_server_conf *conf, char *err, size_t cap)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t digest[32];
	int rc = -1;

	snprintf(err, cap, "out of memory");
	if (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) &&
		!hash_file(md, "CA file", conf->ca_file, err, cap) &&
		!hash_file(md, "CRL file", conf->crl_file, err, cap) &&
		EVP_DigestFinal_ex(md, digest, NULL)) {
		memcpy(ctx->policy_id, digest, sizeof(ctx->policy_id));
		err[0] = 0;
		rc = 0;
	}
	EVP_MD_CTX_free(md);
	return rc;
}

int tls_verify_install(
	struct tls_ctx *ctx, const struct tls_server_conf *conf, char *err, size_t cap)
{
	STACK_OF(X509_NAME) * names;

	if (!conf->verify_client)
		return 0;
	if (!conf->ca_file || !*conf->ca_file) {
		snprintf(err, cap, "client certificates cannot be verified without a CA file");
		return -1;
	}
	if (!conf->nb_certs) {
		snprintf(err, cap, "client certificates need a certificate of the server's");
		return -1;
	}
	names = SSL_load_client_CA_file(conf->ca_file);
	if (!names || !SSL_CTX_load_verify_file(ctx->ssl, conf->ca_file)) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return tls_err(err, cap, "CA file %s", conf->ca_file);
	}
	ctx->verify = true;
	SSL_CTX_set_client_CA_list(ctx->ssl, names);
	SSL_CTX_set_verify(ctx->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
	if (conf->crl_file && *conf->crl_file && load_crls(ctx, conf, err, cap))
		return -1;
	return make_policy_id(ctx, conf, err, cap);
}
