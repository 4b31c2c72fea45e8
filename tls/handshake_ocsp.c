// SPDX-License-Identifier: BSD-3-Clause
// OCSP stapling (RFC 6066 8): a response from a file goes out with the certificate it is about.
// Whoever asks a CA for it writes the file; a new one is taken like a renewed certificate.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "tls/handshake_priv.h"

#define RESPONSE_MAX (64 * 1024)

struct tls_staple {
	ASN1_GENERALIZEDTIME *until; // NULL: no end is given
	size_t len;
	uint8_t der[]; // RESPONSE_MAX while it is read, len then
};

void tls_staple_free(struct tls_staple *s)
{
	if (!s)
		return;
	ASN1_GENERALIZEDTIME_free(s->until);
	free(s);
}

static int read_der(struct tls_staple *s, const char *file, char *err, size_t cap)
{
	BIO *b = tls_open_file("OCSP response", file, err, cap);
	int n;

	if (!b)
		return -1;
	while (s->len < RESPONSE_MAX &&
		(n = BIO_read(b, s->der + s->len, (int)(RESPONSE_MAX - s->len))) > 0)
		s->len += (size_t)n;
	BIO_free(b);
	ERR_clear_error();
	if (s->len < RESPONSE_MAX)
		return 0;
	snprintf(err, cap, "OCSP response %s is too long", file);
	return -1;
}

// The certificate that issued c's leaf: of its chain, or itself. NULL: not known.
static X509 *issuer_of(const struct tls_cert *c)
{
	for (int i = 0; i < sk_X509_num(c->chain); i++)
		if (X509_check_issued(sk_X509_value(c->chain, i), c->leaf) == X509_V_OK)
			return sk_X509_value(c->chain, i);
	return X509_check_issued(c->leaf, c->leaf) == X509_V_OK ? c->leaf : NULL;
}

// Whether a single response is about c's leaf: by serial number, and by issuer where that is known.
static bool is_about(const struct tls_cert *c, X509 *issuer, OCSP_SINGLERESP *single)
{
	const OCSP_CERTID *id = OCSP_SINGLERESP_get0_id(single);
	ASN1_OBJECT *md;
	ASN1_INTEGER *serial;
	OCSP_CERTID *want;
	bool same;

	if (!OCSP_id_get0_info(NULL, &md, NULL, &serial, (OCSP_CERTID *)id) ||
		ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(c->leaf)))
		return false;
	if (!issuer)
		return true;
	want = OCSP_cert_to_id(EVP_get_digestbyobj(md), c->leaf, issuer);
	same = want && !OCSP_id_issuer_cmp(want, id);
	OCSP_CERTID_free(want);
	return same;
}

static bool signed_by_issuer(OCSP_BASICRESP *basic, const struct tls_cert *c, X509 *issuer)
{
	X509_STORE *store = X509_STORE_new();
	bool ok;

	ok = store && X509_STORE_add_cert(store, issuer) &&
	     X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) &&
	     OCSP_basic_verify(basic, c->chain, store, 0) > 0;
	X509_STORE_free(store);
	return ok;
}

static int check_single(struct tls_staple *s, OCSP_SINGLERESP *single, const char *file,
	const struct tls_server_conf *conf, char *err, size_t cap)
{
	ASN1_GENERALIZEDTIME *next = NULL;
	int status = OCSP_single_get0_status(single, NULL, NULL, NULL, &next);

	if (status == V_OCSP_CERTSTATUS_UNKNOWN) {
		snprintf(err, cap, "OCSP response %s: the certificate is unknown to it", file);
		return -1;
	}
	if (status == V_OCSP_CERTSTATUS_REVOKED)
		tls_warn(conf, "OCSP response %s: the certificate is revoked", file);
	if (next && X509_cmp_current_time(next) <= 0)
		tls_warn(conf, "OCSP response %s is out of date and not sent", file);
	s->until = next ? ASN1_STRING_dup(next) : NULL;
	if (!next || s->until)
		return 0;
	snprintf(err, cap, "out of memory");
	return -1;
}

static int check(struct tls_staple *s, const struct tls_cert *c, OCSP_BASICRESP *basic,
	const char *file, const struct tls_server_conf *conf, char *err, size_t cap)
{
	X509 *issuer = issuer_of(c);

	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);

		if (!is_about(c, issuer, single))
			continue;
		if (issuer && !signed_by_issuer(basic, c, issuer))
			return tls_err(err, cap, "OCSP response %s: its signature", file);
		return check_single(s, single, file, conf, err, cap);
	}
	ERR_clear_error();
	snprintf(err, cap, "OCSP response %s is about another certificate", file);
	return -1;
}

int tls_staple_load(struct tls_cert *c, const char *file, const struct tls_server_conf *conf,
	char *err, size_t cap)
{
	struct tls_staple *s = calloc(1, sizeof(*s) + RESPONSE_MAX), *exact;
	OCSP_BASICRESP *basic = NULL;
	OCSP_RESPONSE *r = NULL;
	const uint8_t *p;
	int rc = -1;

	if (!s) {
		snprintf(err, cap, "out of memory");
		return -1;
	}
	if (read_der(s, file, err, cap))
		goto out;
	p = s->der;
	r = d2i_OCSP_RESPONSE(NULL, &p, (long)s->len);
	if (!r || p != s->der + s->len) {
		ERR_clear_error();
		snprintf(err, cap, "OCSP response %s: it is none in DER", file);
		goto out;
	}
	if (OCSP_response_status(r) != OCSP_RESPONSE_STATUS_SUCCESSFUL ||
		!(basic = OCSP_response_get1_basic(r))) {
		ERR_clear_error();
		snprintf(err, cap, "OCSP response %s is that of a failure: %s", file,
			OCSP_response_status_str(OCSP_response_status(r)));
		goto out;
	}
	rc = check(s, c, basic, file, conf, err, cap);
out:
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(r);
	if (rc) {
		tls_staple_free(s);
		return rc;
	}
	exact = realloc(s, sizeof(*s) + s->len);
	c->staple = exact ? exact : s;
	return 0;
}

// Called when the certificate has been chosen and the client asked for its status.
static int on_status(SSL *ssl, void *arg)
{
	const struct tls_ctx *ctx = tls_hs_of(ssl)->ctx;
	const X509 *leaf = SSL_get_certificate(ssl);
	const struct tls_staple *s = NULL;
	uint8_t *copy;

	for (unsigned int i = 0; i < ctx->nb_certs && !s; i++)
		if (ctx->certs[i].leaf == leaf)
			s = ctx->certs[i].staple;
	// None is better than one that is out of date.
	if (!s || (s->until && X509_cmp_current_time(s->until) <= 0))
		return SSL_TLSEXT_ERR_NOACK;
	copy = OPENSSL_memdup(s->der, s->len);
	if (!copy)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)s->len); // takes it
	return SSL_TLSEXT_ERR_OK;
}

void tls_staple_install(struct tls_ctx *ctx)
{
	SSL_CTX_set_tlsext_status_cb(ctx->ssl, on_status);
}
