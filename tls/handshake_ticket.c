// SPDX-License-Identifier: BSD-3-Clause
// Session tickets: all that a resumption needs is in the client's ticket, sealed with keys that
// never leave this process and change every two hours. RFC 5077, RFC 8446 4.6.1.
//
// With a ticket go the hashes of the certificate that its client was shown (a resumed handshake
// shows none, yet the call is bound to it), the name it asked for, and what its own certificate was
// held against: with another name, another CA or another revocation list the handshake is a full
// one.
#include <assert.h>
#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "base/secret.h"
#include "tls/handshake_priv.h"

#define SESSION_CONTEXT "culvert"
#define TICKET_FORMAT 1
#define KEY_NAME_LEN 16
#define NAME_HASH_LEN 16

struct ticket_key {
	uint8_t name[KEY_NAME_LEN];
	uint8_t aes[32], hmac[32];
};

// Of one thread, but for the count.
struct tls_tickets {
	atomic_uint refs;
	unsigned int nb;          // 1: there is no key before the current one
	struct ticket_key key[2]; // the current one, the one before
};

// What goes with a ticket, inside its seal.
struct ticket_data {
	uint8_t format;
	uint8_t cert_hashes[TLS_CERT_HASHES_LEN];
	uint8_t name_hash[NAME_HASH_LEN];
	uint8_t policy_id[TLS_POLICY_ID_LEN];
};
static_assert(
	sizeof(struct ticket_data) == 1 + TLS_CERT_HASHES_LEN + NAME_HASH_LEN + TLS_POLICY_ID_LEN,
	"bytes only");

// -- keys --

static bool new_key(struct ticket_key *k)
{
	return RAND_bytes(k->name, sizeof(k->name)) > 0 &&
	       RAND_priv_bytes(k->aes, sizeof(k->aes)) > 0 &&
	       RAND_priv_bytes(k->hmac, sizeof(k->hmac)) > 0;
}

static struct tls_tickets *tickets_new(void)
{
	struct tls_tickets *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	atomic_init(&t->refs, 1);
	t->nb = 1;
	if (new_key(&t->key[0]))
		return t;
	free(t);
	return NULL;
}

void tls_tickets_unref(struct tls_tickets *t)
{
	if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
		return;
	secret_wipe(t, sizeof(*t));
	free(t);
}

void tls_ctx_rotate_tickets(struct tls_ctx *ctx)
{
	struct tls_tickets *t = ctx ? ctx->tickets : NULL;
	struct ticket_key k;

	if (!t || !new_key(&k))
		return;
	t->key[1] = t->key[0];
	t->key[0] = k;
	t->nb = 2;
	secret_wipe(&k, sizeof(k));
}

static bool start_mac(EVP_MAC_CTX *mac, const struct ticket_key *k)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(
			OSSL_MAC_PARAM_KEY, (void *)k->hmac, sizeof(k->hmac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_END,
	};

	return EVP_MAC_CTX_set_params(mac, params) > 0;
}

// 1: done, 2: and the client should get a new ticket, 0: no ticket, or one of no key of ours.
static int on_ticket_key(SSL *ssl, unsigned char name[KEY_NAME_LEN],
	unsigned char iv[EVP_MAX_IV_LENGTH], EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int enc)
{
	const struct tls_tickets *t = tls_hs_of(ssl)->ctx->tickets;

	if (enc) {
		const struct ticket_key *k = &t->key[0];

		memcpy(name, k->name, sizeof(k->name));
		return RAND_bytes(iv, 16) > 0 &&
		       EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), k->aes, iv, NULL) > 0 &&
		       start_mac(mac, k);
	}
	for (unsigned int i = 0; i < t->nb; i++) {
		const struct ticket_key *k = &t->key[i];

		if (memcmp(name, k->name, sizeof(k->name)))
			continue;
		if (EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), k->aes, iv, NULL) <= 0 ||
			!start_mac(mac, k))
			return -1;
		return i ? 2 : 1;
	}
	return 0;
}

// -- what goes with a ticket --

static bool hash_name(const char *sni, uint8_t hash[NAME_HASH_LEN])
{
	uint8_t digest[32];
	char lower[256];
	size_t n;

	memset(hash, 0, NAME_HASH_LEN);
	if (!*sni)
		return true;
	for (n = 0; n + 1 < sizeof(lower) && sni[n]; n++)
		lower[n] = (char)tolower((unsigned char)sni[n]);
	if (!EVP_Digest(lower, n, digest, NULL, EVP_sha256(), NULL))
		return false;
	memcpy(hash, digest, NAME_HASH_LEN);
	return true;
}

static int fill_ticket(SSL *ssl, void *arg)
{
	const struct tls_hs *hs = tls_hs_of(ssl);
	const X509 *x = SSL_get_certificate(ssl);
	struct ticket_data d = {.format = TICKET_FORMAT};

	// A resumed session has them already, of the handshake that showed the certificate.
	if (SSL_session_reused(ssl))
		return 1;
	if ((x && !tls_cert_hashes(hs->ctx, x, d.cert_hashes)) ||
		!hash_name(hs->live->sni, d.name_hash))
		return 0;
	memcpy(d.policy_id, hs->ctx->policy_id, sizeof(d.policy_id));
	return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), &d, sizeof(d));
}

static const struct ticket_data *data_of(SSL_SESSION *session)
{
	void *p = NULL;
	size_t n = 0;

	if (!session || !SSL_SESSION_get0_ticket_appdata(session, &p, &n) ||
		n != sizeof(struct ticket_data) ||
		((const struct ticket_data *)p)->format != TICKET_FORMAT)
		return NULL;
	return p;
}

const uint8_t *tls_ticket_hashes(SSL_SESSION *session)
{
	const struct ticket_data *d = data_of(session);

	return d ? d->cert_hashes : NULL;
}

// The client's certificate is not verified again: it must still be in date, and so must be what
// says that it is not revoked.
static bool still_verified(const struct tls_ctx *ctx, const SSL_SESSION *session)
{
	const X509 *x = SSL_SESSION_get0_peer((SSL_SESSION *)session);

	if (!ctx->verify)
		return true;
	return x && X509_cmp_current_time(X509_get0_notAfter(x)) > 0 &&
	       (!ctx->crl || !X509_CRL_get0_nextUpdate(ctx->crl) ||
		       X509_cmp_current_time(X509_CRL_get0_nextUpdate(ctx->crl)) > 0);
}

static bool may_resume(const struct tls_hs *hs, SSL_SESSION *session)
{
	const struct ticket_data *d = data_of(session);
	uint8_t name[NAME_HASH_LEN];

	return d && hash_name(hs->live->sni, name) && !memcmp(name, d->name_hash, sizeof(name)) &&
	       !memcmp(d->policy_id, hs->ctx->policy_id, sizeof(d->policy_id)) &&
	       still_verified(hs->ctx, session);
}

static SSL_TICKET_RETURN on_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *key_name,
	size_t key_name_len, SSL_TICKET_STATUS status, void *arg)
{
	switch (status) {
	case SSL_TICKET_SUCCESS:
	case SSL_TICKET_SUCCESS_RENEW:
		if (!may_resume(tls_hs_of(ssl), session))
			return SSL_TICKET_RETURN_IGNORE_RENEW;
		// TLS 1.3: a ticket is for one use, RFC 8446 C.4.
		return status == SSL_TICKET_SUCCESS && SSL_version(ssl) < TLS1_3_VERSION
			       ? SSL_TICKET_RETURN_USE
			       : SSL_TICKET_RETURN_USE_RENEW;
	case SSL_TICKET_EMPTY:
	case SSL_TICKET_NO_DECRYPT:
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	default:
		return SSL_TICKET_RETURN_ABORT;
	}
}

// -- installing --

int tls_tickets_install(
	struct tls_ctx *ctx, const struct tls_server_conf *conf, char *err, size_t cap)
{
	SSL_CTX_set_session_cache_mode(ctx->ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(
		ctx->ssl, (const unsigned char *)SESSION_CONTEXT, sizeof(SESSION_CONTEXT) - 1);
	if (!conf->session_tickets) {
		SSL_CTX_set_options(ctx->ssl, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(ctx->ssl, 0);
		return 0;
	}
	ctx->tickets = conf->previous ? conf->previous->tickets : NULL;
	if (ctx->tickets)
		atomic_fetch_add_explicit(&ctx->tickets->refs, 1, memory_order_relaxed);
	else
		ctx->tickets = tickets_new();
	if (!ctx->tickets)
		return tls_err(err, cap, "session ticket keys cannot be made");
	SSL_CTX_set_timeout(ctx->ssl, TLS_TICKET_LIFETIME_S);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx->ssl, on_ticket_key);
	SSL_CTX_set_session_ticket_cb(ctx->ssl, fill_ticket, on_ticket, NULL);
	// A client that resumes opens one connection at a time.
	SSL_CTX_set_num_tickets(ctx->ssl, 1);
	return 0;
}
