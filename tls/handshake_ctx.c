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

// AEADs first, for the workers can do them; CBC with SHA-1 for RouterOS, through OpenSSL.
#define DEFAULT_CIPHERS                                                                  \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                     \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                     \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"                     \
	"DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-CHACHA20-POLY1305:" \
	"AES256-GCM-SHA384:AES128-GCM-SHA256:"                                           \
	"ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA:"            \
	"ECDHE-RSA-AES128-SHA:DHE-RSA-AES256-SHA:DHE-RSA-AES128-SHA:AES256-SHA:AES128-SHA"
#define DEFAULT_SUITES "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
// OpenSSL's lowest level is the only one that knows anonymous suites and TLS before 1.2.
#define ANONYMOUS_CIPHERS                              \
	"ADH-AES256-GCM-SHA384:ADH-AES128-GCM-SHA256:" \
	"AECDH-AES256-SHA:ADH-AES256-SHA:AECDH-AES128-SHA:ADH-AES128-SHA"
#define GROUPS "X25519:P-256:P-384:P-521:X448"
#define SESSION_CONTEXT "culvert"

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
	EVP_KDF_free(ctx->tls1_prf);
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

// The client's ALPN list is length-prefixed names; http/1.1 is all that is spoken here. A client
// that offers only others goes on without.
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *in, unsigned int in_len, void *arg)
{
	static const unsigned char http11[] = "\x08http/1.1";
	unsigned char *chosen;

	if (SSL_select_next_proto(&chosen, out_len, http11, sizeof(http11) - 1, in, in_len) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

// A resumed handshake shows no certificate, yet the client binds its call to the one it saw: the
// ticket carries its hashes.
static int fill_ticket(SSL *ssl, void *arg)
{
	uint8_t hashes[TLS_CERT_HASHES_LEN];
	const X509 *x = SSL_get_certificate(ssl);
	SSL_SESSION *session = SSL_get_session(ssl);

	if (!x || SSL_session_reused(ssl) || !tls_cert_hashes(tls_hs_of(ssl)->ctx, x, hashes))
		return 1;
	return SSL_SESSION_set1_ticket_appdata(session, hashes, sizeof(hashes));
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

static struct tls_ctx *ctx_new(bool server, const char *provider, char *err, size_t cap)
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
	if (ctx->ssl && ctx->tls1_prf)
		return ctx;
	tls_err(err, cap, "TLS context cannot be made");
	tls_ctx_unref(ctx);
	return NULL;
}

static int set_ciphers(struct tls_ctx *ctx, const char *ciphers, const char *fallback,
	const char *suites, char *err, size_t cap)
{
	if (!ciphers || !*ciphers)
		ciphers = fallback;
	if (!suites || !*suites)
		suites = DEFAULT_SUITES;
	if (!SSL_CTX_set_cipher_list(ctx->ssl, ciphers))
		return tls_err(err, cap, "ciphers %s", ciphers);
	if (!SSL_CTX_set_ciphersuites(ctx->ssl, suites))
		return tls_err(err, cap, "TLS 1.3 cipher suites %s", suites);
	if (!SSL_CTX_set1_groups_list(ctx->ssl, GROUPS))
		return tls_err(err, cap, "key exchange groups");
	return 0;
}

static void set_common(struct tls_ctx *ctx, bool only_tls12)
{
	SSL_CTX *s = ctx->ssl;

	SSL_CTX_set_options(s, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(s, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
	SSL_CTX_clear_mode(s, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_read_ahead(s, 0); // or the next layer's records vanish into OpenSSL
	SSL_CTX_set_min_proto_version(s, TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(s, only_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
	SSL_CTX_set_keylog_callback(s, tls_on_keylog);
	SSL_CTX_set_msg_callback(s, tls_on_message);
}

static void set_tickets(struct tls_ctx *ctx, bool on)
{
	SSL_CTX_set_session_cache_mode(ctx->ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(
		ctx->ssl, (const unsigned char *)SESSION_CONTEXT, sizeof(SESSION_CONTEXT) - 1);
	if (on) {
		SSL_CTX_set_session_ticket_cb(ctx->ssl, fill_ticket, NULL, NULL);
		// A client that resumes opens one connection at a time.
		SSL_CTX_set_num_tickets(ctx->ssl, 1);
	} else {
		SSL_CTX_set_options(ctx->ssl, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(ctx->ssl, 0);
	}
}

static int set_verify_client(
	struct tls_ctx *ctx, const struct tls_server_conf *conf, char *err, size_t cap)
{
	STACK_OF(X509_NAME) * names;
	X509_STORE *store;

	if (!conf->verify_client)
		return 0;
	if (!conf->ca_file || !*conf->ca_file) {
		snprintf(err, cap, "client certificates cannot be verified without a CA file");
		return -1;
	}
	names = SSL_load_client_CA_file(conf->ca_file);
	if (!names || !SSL_CTX_load_verify_file(ctx->ssl, conf->ca_file)) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return tls_err(err, cap, "CA file %s", conf->ca_file);
	}
	SSL_CTX_set_client_CA_list(ctx->ssl, names);
	SSL_CTX_set_verify(ctx->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	if (!conf->crl_file || !*conf->crl_file)
		return 0;
	store = SSL_CTX_get_cert_store(ctx->ssl);
	if (!X509_STORE_load_file(store, conf->crl_file))
		return tls_err(err, cap, "CRL file %s", conf->crl_file);
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
	return 0;
}

static int load_certs(
	struct tls_ctx *ctx, const struct tls_server_conf *conf, char *err, size_t cap)
{
	ctx->certs = calloc(conf->nb_certs, sizeof(*ctx->certs));
	if (!ctx->certs) {
		snprintf(err, cap, "out of memory");
		return -1;
	}
	ctx->nb_certs = conf->nb_certs;
	for (unsigned int i = 0; i < conf->nb_certs; i++)
		if (tls_cert_load(&ctx->certs[i], conf->cert_files[i],
			    conf->key_files ? conf->key_files[i] : NULL, err, cap))
			return -1;
	return 0;
}

static int server_certs(
	struct tls_ctx *ctx, const struct tls_server_conf *conf, char *err, size_t cap)
{
	if (!conf->nb_certs) {
		SSL_CTX_set_security_level(ctx->ssl, 0);
		SSL_CTX_set_max_proto_version(ctx->ssl, TLS1_2_VERSION);
		return 0;
	}
	if (load_certs(ctx, conf, err, cap))
		return -1;
	if (conf->engine && *conf->engine && tls_load_engine(ctx, conf, err, cap))
		return -1;
	return tls_certs_install(ctx, conf->cert_files, err, cap);
}

struct tls_ctx *tls_server_ctx_create(const struct tls_server_conf *conf, char *err, size_t cap)
{
	struct tls_ctx *ctx;

	ERR_clear_error();
	if (conf->provider && *conf->provider && tls_load_provider(conf->provider, err, cap))
		return NULL;
	ctx = ctx_new(true, conf->provider, err, cap);
	if (!ctx)
		return NULL;
	ctx->async = conf->provider && *conf->provider;
	set_common(ctx, conf->only_tls12);
	set_tickets(ctx, conf->session_tickets);
	// A client that puts ChaCha20 first has no AES in hardware.
	SSL_CTX_set_options(ctx->ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_dh_auto(ctx->ssl, 1);
	SSL_CTX_set_alpn_select_cb(ctx->ssl, choose_alpn, NULL);
	if (conf->legacy_tls) {
		SSL_CTX_set_min_proto_version(ctx->ssl, TLS1_VERSION);
		SSL_CTX_set_security_level(ctx->ssl, 0);
	}
	if (!server_certs(ctx, conf, err, cap) &&
		!set_ciphers(ctx, conf->ciphers,
			conf->nb_certs ? DEFAULT_CIPHERS : ANONYMOUS_CIPHERS, conf->ciphersuites,
			err, cap) &&
		!set_verify_client(ctx, conf, err, cap) &&
		!open_keylog(ctx, conf->keylog_file, err, cap))
		return ctx;
	tls_ctx_unref(ctx);
	return NULL;
}

static int client_trust(
	struct tls_ctx *ctx, const struct tls_client_conf *conf, char *err, size_t cap)
{
	if (!conf->verify && !conf->verify_name)
		return 0;
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
	ctx = ctx_new(false, NULL, err, cap);
	if (!ctx)
		return NULL;
	ctx->verify_name = conf->verify_name;
	set_common(ctx, conf->only_tls12);
	SSL_CTX_set_session_cache_mode(ctx->ssl, SSL_SESS_CACHE_OFF);
	if (!client_trust(ctx, conf, err, cap) && !client_cert(ctx, conf, err, cap) &&
		!set_ciphers(ctx, conf->ciphers, DEFAULT_CIPHERS, conf->ciphersuites, err, cap) &&
		!open_keylog(ctx, conf->keylog_file, err, cap))
		return ctx;
	tls_ctx_unref(ctx);
	return NULL;
}
