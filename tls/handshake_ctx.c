// SPDX-License-Identifier: BSD-3-Clause
// Contexts: what every handshake of one configuration shares.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>

#include "tls/async_engine.h"
#include "tls/handshake_priv.h"

// For clients: what a server here would choose from.
#define CLIENT_CIPHERS                                                                   \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                     \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                     \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"                     \
	"DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-CHACHA20-POLY1305:" \
	"AES256-GCM-SHA384:AES128-GCM-SHA256:"                                           \
	"ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:DHE-RSA-AES256-SHA:AES256-SHA"
#define CLIENT_SUITES "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
#define CLIENT_GROUPS "X25519:P-256:P-384:P-521:X448"

int tls_err(char *err, size_t cap, const char *fmt, ...)
{
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(err, cap, fmt, ap);
	va_end(ap);
	if (code && !reason) // of the system, not of OpenSSL
		reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : "unknown reason";
	if (reason && n >= 0 && (size_t)n < cap)
		snprintf(err + n, cap - (size_t)n, ": %s", reason);
	ERR_clear_error();
	return -1;
}

static struct tls_yard *yard_new(void)
{
	struct tls_yard *y = calloc(1, sizeof(*y));

	if (y)
		atomic_init(&y->refs, 1);
	return y;
}

static struct tls_yard *yard_ref(struct tls_yard *y)
{
	atomic_fetch_add_explicit(&y->refs, 1, memory_order_relaxed);
	return y;
}

static void yard_unref(struct tls_yard *y)
{
	if (y && atomic_fetch_sub_explicit(&y->refs, 1, memory_order_acq_rel) == 1)
		free(y);
}

void tls_ctx_ref(struct tls_ctx *ctx)
{
	atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
}

// Release pairs with acquire: the last one sees what all others did.
void tls_ctx_unref(struct tls_ctx *ctx)
{
	if (atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel) != 1)
		return;
	SSL_CTX_free(ctx->ssl);
	for (unsigned int i = 0; i < ctx->nb_certs; i++)
		tls_cert_free(&ctx->certs[i]);
	free(ctx->certs);
	async_pool_destroy(ctx->pool);
	tls_tickets_unref(ctx->tickets);
	X509_CRL_free(ctx->crl);
	EVP_KDF_free(ctx->tls1_prf);
	yard_unref(ctx->yard);
	if (ctx->keylog_fd >= 0)
		close(ctx->keylog_fd);
	free(ctx);
}

void tls_ctx_destroy(struct tls_ctx *ctx)
{
	if (!ctx)
		return;
	ctx->closing = true;
	tls_hs_bury_zombies(ctx, true);
	tls_ctx_unref(ctx);
}

void tls_ctx_retire(struct tls_ctx *ctx)
{
	if (ctx)
		tls_ctx_unref(ctx);
}

static int open_keylog(struct tls_ctx *ctx, const char *file, char *err, size_t cap)
{
	if (!file || !*file)
		return 0;
	ctx->keylog_fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (ctx->keylog_fd < 0) {
		snprintf(err, cap, "key log %s: %s", file, strerror(errno));
		return -1;
	}
	return 0;
}

static struct tls_ctx *ctx_new(
	bool server, const char *provider, const struct tls_ctx *previous, char *err, size_t cap)
{
	struct tls_ctx *ctx = calloc(1, sizeof(*ctx));
	char propq[128] = "";

	if (!ctx) {
		snprintf(err, cap, "out of memory");
		return NULL;
	}
	if (provider && *provider)
		snprintf(propq, sizeof(propq), "?provider=%s", provider);
	atomic_init(&ctx->refs, 1);
	ctx->server = server;
	ctx->keylog_fd = -1;
	ctx->ssl = SSL_CTX_new_ex(
		NULL, *propq ? propq : NULL, server ? TLS_server_method() : TLS_client_method());
	ctx->tls1_prf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
	ctx->yard = previous ? yard_ref(previous->yard) : yard_new();
	if (ctx->ssl && ctx->tls1_prf && ctx->yard)
		return ctx;
	tls_err(err, cap, "TLS context cannot be made");
	tls_ctx_unref(ctx);
	return NULL;
}

static void set_common(struct tls_ctx *ctx)
{
	SSL_CTX *s = ctx->ssl;

	SSL_CTX_set_options(s, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(s, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
	SSL_CTX_clear_mode(s, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_read_ahead(s, 0); // or the next layer's records vanish into OpenSSL
	SSL_CTX_set_keylog_callback(s, tls_on_keylog);
	SSL_CTX_set_msg_callback(s, tls_on_message);
}

// Days that are left before an operator hears of it.
#define WARN_DAYS 7

static bool is_new(const struct tls_ctx *previous, unsigned int i, const X509 *leaf)
{
	return previous &&
	       (i >= previous->nb_certs || X509_cmp(previous->certs[i].leaf, leaf) != 0);
}

// A certificate that is not valid now: known at a start, refused in place of another one, which is
// better then. One that is in use already is no reason to refuse what else is new.
static int check_dates(const struct tls_cert *c, unsigned int i, const struct tls_server_conf *conf,
	char *err, size_t cap)
{
	const char *file = conf->cert_files[i];
	const ASN1_TIME *from = X509_get0_notBefore(c->leaf), *to = X509_get0_notAfter(c->leaf);
	const char *what = NULL;
	int days = 0, seconds = 0;

	if (X509_cmp_current_time(from) > 0)
		what = "is not valid yet";
	else if (X509_cmp_current_time(to) < 0)
		what = "has expired";
	if (what && is_new(conf->previous, i, c->leaf)) {
		snprintf(err, cap, "certificate %s %s", file, what);
		return -1;
	}
	if (what)
		tls_warn(conf, "certificate %s %s", file, what);
	else if (ASN1_TIME_diff(&days, &seconds, NULL, to) && days < WARN_DAYS)
		tls_warn(conf, "certificate %s expires in %d days and %d hours", file, days,
			seconds / 3600);
	return 0;
}

static int load_cert(struct tls_cert *c, unsigned int i, const struct tls_server_conf *conf,
	char *err, size_t cap)
{
	const char *ocsp = conf->ocsp_files ? conf->ocsp_files[i] : NULL;

	if (tls_cert_load(c, conf->cert_files[i], conf->key_files ? conf->key_files[i] : NULL, err,
		    cap) ||
		check_dates(c, i, conf, err, cap))
		return -1;
	return ocsp && *ocsp ? tls_staple_load(c, ocsp, conf, err, cap) : 0;
}

static int server_certs(
	struct tls_ctx *ctx, const struct tls_server_conf *conf, char *err, size_t cap)
{
	if (!conf->nb_certs)
		return 0;
	ctx->certs = calloc(conf->nb_certs, sizeof(*ctx->certs));
	if (!ctx->certs) {
		snprintf(err, cap, "out of memory");
		return -1;
	}
	ctx->nb_certs = conf->nb_certs;
	for (unsigned int i = 0; i < conf->nb_certs; i++)
		if (load_cert(&ctx->certs[i], i, conf, err, cap))
			return -1;
	if (conf->engine && *conf->engine && tls_load_engine(ctx, conf, err, cap))
		return -1;
	tls_staple_install(ctx);
	return tls_certs_install(ctx, conf->cert_files, err, cap);
}

struct tls_ctx *tls_server_ctx_create(const struct tls_server_conf *conf, char *err, size_t cap)
{
	struct tls_ctx *ctx;

	ERR_clear_error();
	if (conf->provider && *conf->provider && tls_load_provider(conf->provider, err, cap))
		return NULL;
	ctx = ctx_new(true, conf->provider, conf->previous, err, cap);
	if (!ctx)
		return NULL;
	ctx->async = conf->provider && *conf->provider;
	set_common(ctx);
	tls_hello_install(ctx);
	if (!tls_policy_apply(ctx, conf, err, cap) && !server_certs(ctx, conf, err, cap) &&
		!tls_tickets_install(ctx, conf, err, cap) &&
		!tls_verify_install(ctx, conf, err, cap) &&
		!open_keylog(ctx, conf->keylog_file, err, cap))
		return ctx;
	tls_ctx_unref(ctx);
	return NULL;
}

static int client_ciphers(
	struct tls_ctx *ctx, const struct tls_client_conf *conf, char *err, size_t cap)
{
	const char *ciphers = conf->ciphers && *conf->ciphers ? conf->ciphers : CLIENT_CIPHERS;
	const char *suites =
		conf->ciphersuites && *conf->ciphersuites ? conf->ciphersuites : CLIENT_SUITES;

	SSL_CTX_set_min_proto_version(ctx->ssl, TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(ctx->ssl, conf->only_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
	if (!SSL_CTX_set_cipher_list(ctx->ssl, ciphers))
		return tls_err(err, cap, "ciphers %s", ciphers);
	if (!SSL_CTX_set_ciphersuites(ctx->ssl, suites))
		return tls_err(err, cap, "TLS 1.3 cipher suites %s", suites);
	if (!SSL_CTX_set1_groups_list(ctx->ssl, CLIENT_GROUPS))
		return tls_err(err, cap, "key exchange groups");
	return 0;
}

static int client_trust(
	struct tls_ctx *ctx, const struct tls_client_conf *conf, char *err, size_t cap)
{
	if (!conf->verify && !conf->verify_name)
		return 0;
	ctx->verify = true;
	SSL_CTX_set_verify(ctx->ssl, SSL_VERIFY_PEER, NULL);
	if (!conf->ca_file || !*conf->ca_file) {
		if (!SSL_CTX_set_default_verify_paths(ctx->ssl))
			return tls_err(err, cap, "the system's certificate store");
		return 0;
	}
	if (!SSL_CTX_load_verify_file(ctx->ssl, conf->ca_file))
		return tls_err(err, cap, "CA file %s", conf->ca_file);
	return 0;
}

static int client_cert(
	struct tls_ctx *ctx, const struct tls_client_conf *conf, char *err, size_t cap)
{
	if (!conf->cert_file || !*conf->cert_file)
		return 0;
	ctx->certs = calloc(1, sizeof(*ctx->certs));
	if (!ctx->certs) {
		snprintf(err, cap, "out of memory");
		return -1;
	}
	ctx->nb_certs = 1;
	if (tls_cert_load(ctx->certs, conf->cert_file, conf->key_file, err, cap))
		return -1;
	return tls_certs_install(ctx, &conf->cert_file, err, cap);
}

struct tls_ctx *tls_client_ctx_create(const struct tls_client_conf *conf, char *err, size_t cap)
{
	struct tls_ctx *ctx;

	ERR_clear_error();
	ctx = ctx_new(false, NULL, NULL, err, cap);
	if (!ctx)
		return NULL;
	ctx->verify_name = conf->verify_name;
	set_common(ctx);
	SSL_CTX_set_session_cache_mode(ctx->ssl, SSL_SESS_CACHE_OFF);
	if (!client_trust(ctx, conf, err, cap) && !client_cert(ctx, conf, err, cap) &&
		!client_ciphers(ctx, conf, err, cap) &&
		!open_keylog(ctx, conf->keylog_file, err, cap))
		return ctx;
	tls_ctx_unref(ctx);
	return NULL;
}
