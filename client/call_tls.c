// SPDX-License-Identifier: BSD-3-Clause
#include "client/call_keys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/secret.h"
#include "client/call_policy.h"
#include "client/call_records.h"

#define KEEP_OUT (1u << 19)    // bytes of records
#define READ_BUFFER (1u << 16) // of records that are taken from the input at once

// --- a BIO that reads from the call's input span and writes to its outbuf ---

static BIO_METHOD *bio_method;

static int bio_read(BIO *b, char *dst, int n)
{
	struct call_tls *t = BIO_get_data(b);
	size_t take = n > 0 ? (size_t)n : 0;

	BIO_clear_retry_flags(b);
	if (!t->in_len) {
		BIO_set_retry_read(b);
		return -1;
	}
	if (take > t->in_len)
		take = t->in_len;
	memcpy(dst, t->in, take);
	t->in += take;
	t->in_len -= take;
	return (int)take;
}

static int bio_write(BIO *b, const char *src, int n)
{
	struct call_tls *t = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	if (n <= 0 || outbuf_put(&t->out, src, (size_t)n))
		return -1;
	if (t->keys)
		call_keys_wrote(t->keys, (const uint8_t *)src, (size_t)n);
	return n;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_DUP;
}

static int bio_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

static BIO_METHOD *get_bio_method(void)
{
	if (bio_method)
		return bio_method;
	bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "culvert call");
	if (!bio_method)
		return NULL;
	BIO_meth_set_read(bio_method, bio_read);
	BIO_meth_set_write(bio_method, bio_write);
	BIO_meth_set_ctrl(bio_method, bio_ctrl);
	BIO_meth_set_create(bio_method, bio_create);
	return bio_method;
}

// --- contexts ---

static int keylog_fd = -1;

static void on_keylog(const SSL *ssl, const char *line)
{
	char buf[512];
	struct call_tls *t = SSL_get_app_data(ssl);
	int n = snprintf(buf, sizeof(buf), "%s\n", line);
	ssize_t done = 0;

	if (t && t->keys)
		call_keys_secret(t->keys, line);
	// A log that cannot be written has nowhere to say so.
	if (n > 0 && (size_t)n < sizeof(buf) && keylog_fd >= 0)
		done = write(keylog_fd, buf, (size_t)n);
	(void)done;
	secret_wipe(buf, sizeof(buf));
}

// OpenSSL's words for an error of its own, 0: none.
static const char *say_error(unsigned long e, char *dst, size_t cap)
{
	const char *reason = e ? ERR_reason_error_string(e) : NULL;
	int alert = e ? ERR_GET_REASON(e) - SSL_AD_REASON_OFFSET : -1;

	if (!reason && alert >= 0 && alert < 256)
		snprintf(dst, cap, "alert %d of the server", alert);
	else
		snprintf(dst, cap, "%s", reason ? reason : "unknown error");
	return dst;
}

static const char *last_error(char *dst, size_t cap)
{
	say_error(ERR_peek_last_error(), dst, cap);
	ERR_clear_error();
	return dst;
}

static int load_ca(SSL_CTX *ctx, const struct call_tls_conf *conf)
{
	if (conf->ca_file)
		return SSL_CTX_load_verify_locations(ctx, conf->ca_file, NULL);
	return SSL_CTX_set_default_verify_paths(ctx);
}

// A key with a passphrase is refused rather than asked about on a terminal that may not be there.
static int no_passphrase(char *buf, int size, int rwflag, void *user)
{
	return -1;
}

static int load_cert(SSL_CTX *ctx, const struct call_tls_conf *conf, char *err, size_t cap)
{
	const char *key = conf->key_file ? conf->key_file : conf->cert_file;
	char reason[160];
	bool cert_ok;

	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	cert_ok = SSL_CTX_use_certificate_chain_file(ctx, conf->cert_file) == 1;
	if (cert_ok && SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1 &&
		SSL_CTX_check_private_key(ctx) == 1)
		return 0;
	snprintf(err, cap, "%s %s: %s", cert_ok ? "key" : "certificate",
		cert_ok ? key : conf->cert_file, last_error(reason, sizeof(reason)));
	return -EINVAL;
}

static int open_keylog(SSL_CTX *ctx, const char *file, char *err, size_t cap)
{
	if (keylog_fd < 0)
		keylog_fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (keylog_fd < 0) {
		snprintf(err, cap, "%s: %s", file, strerror(errno));
		return -errno;
	}
	return 0;
}

static int configure(SSL_CTX *ctx, const struct call_tls_conf *conf, char *err, size_t cap)
{
	char reason[160];

	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	if (conf->only_tls12)
		SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	// One connection, one session: what a server sends as tickets is of no use here.
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_verify(ctx,
		conf->verify || conf->verify_address ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if ((conf->verify || conf->verify_address) && !load_ca(ctx, conf)) {
		snprintf(err, cap, "%s: %s", conf->ca_file ? conf->ca_file : "certificate store",
			last_error(reason, sizeof(reason)));
		return -EINVAL;
	}
	if (call_policy_apply(ctx, conf->ciphers, conf->pfs, conf->only_tls12, err, cap))
		return -EINVAL;
	if (conf->ciphersuites && !SSL_CTX_set_ciphersuites(ctx, conf->ciphersuites)) {
		snprintf(err, cap, "ciphers: %s", last_error(reason, sizeof(reason)));
		return -EINVAL;
	}
	if (conf->cert_file && load_cert(ctx, conf, err, cap))
		return -EINVAL;
	if (conf->keylog_file && open_keylog(ctx, conf->keylog_file, err, cap))
		return -EINVAL;
	if (conf->keylog_file || conf->keys)
		SSL_CTX_set_keylog_callback(ctx, on_keylog);
	if (conf->keys)
		SSL_CTX_set_msg_callback(ctx, call_keys_message);
	return 0;
}

// Set on the context for call_tls_init().
#define CTX_NAMES 1u // names are to be checked
#define CTX_KEYS 2u  // traffic keys will be asked for

static int flags_index = -1;

static uintptr_t ctx_flags(const SSL_CTX *ctx)
{
	return (uintptr_t)SSL_CTX_get_ex_data(ctx, flags_index);
}

SSL_CTX *call_tls_ctx_create(const struct call_tls_conf *conf, char *err, size_t cap)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	uintptr_t flags;

	if (flags_index < 0)
		flags_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (!ctx || flags_index < 0) {
		snprintf(err, cap, "out of memory");
		SSL_CTX_free(ctx);
		return NULL;
	}
	if (configure(ctx, conf, err, cap)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	flags = (conf->verify_address ? CTX_NAMES : 0) | (conf->keys ? CTX_KEYS : 0);
	SSL_CTX_set_ex_data(ctx, flags_index, (void *)flags);
	return ctx;
}

void call_tls_ctx_free(SSL_CTX *ctx)
{
	SSL_CTX_free(ctx);
}

// --- one call ---

static bool is_address(const char *host)
{
	uint8_t buf[16];

	return inet_pton(AF_INET, host, buf) == 1 || inet_pton(AF_INET6, host, buf) == 1;
}

static int set_names(SSL *ssl, SSL_CTX *ctx, const char *host, const char *sni)
{
	if (sni && !is_address(sni) && !SSL_set_tlsext_host_name(ssl, sni))
		return -ENOMEM;
	if (!(ctx_flags(ctx) & CTX_NAMES))
		return 0;
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) ? 0 : -ENOMEM;
	return SSL_set1_host(ssl, host) ? 0 : -ENOMEM;
}

int call_tls_init(struct call_tls *t, SSL_CTX *ctx, const char *host, const char *sni)
{
	BIO *bio = NULL;

	memset(t, 0, sizeof(*t));
	if (get_bio_method())
		bio = BIO_new(bio_method);
	t->ssl = SSL_new(ctx);
	if (ctx_flags(ctx) & CTX_KEYS) {
		t->keys = calloc(1, sizeof(*t->keys));
		if (!t->keys)
			goto nomem;
	}
	if (!bio || !t->ssl || !SSL_set_app_data(t->ssl, t) || set_names(t->ssl, ctx, host, sni))
		goto nomem;
	BIO_set_data(bio, t);
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_connect_state(t->ssl);
	return 0;
nomem:
	BIO_free(bio);
	call_tls_free(t);
	return -ENOMEM;
}

static void drop_keys(struct call_tls *t)
{
	if (t->keys)
		secret_wipe(t->keys, sizeof(*t->keys));
	free(t->keys);
	t->keys = NULL;
}

void call_tls_free(struct call_tls *t)
{
	SSL_free(t->ssl);
	drop_keys(t);
	call_records_free(t->records);
	outbuf_free(&t->out);
	memset(t, 0, sizeof(*t));
}

void call_tls_keep_buffers(struct call_tls *t)
{
	t->out.keep = KEEP_OUT;
	if (!t->ssl)
		return;
	SSL_clear_mode(t->ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_set_default_read_buffer_len(t->ssl, READ_BUFFER);
	SSL_set_read_ahead(t->ssl, 1);
}

int call_tls_take_records(struct call_tls *t, const struct rec_backend *b)
{
	struct tls_traffic_key rx = {0}, tx = {0};
	struct call_secrets secrets;
	int rc = SSL_has_pending(t->ssl) ? -EAGAIN : call_tls_keys(t, &rx, &tx, &secrets);

	if (!rc) {
		t->records = call_records_create(b, &rx, &tx, &secrets);
		rc = t->records ? 0 : -errno;
	}
	secret_wipe(&rx, sizeof(rx));
	secret_wipe(&tx, sizeof(tx));
	secret_wipe(&secrets, sizeof(secrets));
	drop_keys(t);
	if (t->records) {
		SSL_free(t->ssl);
		t->ssl = NULL;
	}
	return rc;
}

// Of a call of OpenSSL's that did not do what it was for.
static int why_not(const struct call_tls *t, int rc)
{
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		return -EPIPE;
	default:
		return -EPROTO;
	}
}

int call_tls_handshake(struct call_tls *t)
{
	int rc;

	ERR_clear_error();
	rc = SSL_do_handshake(t->ssl);
	if (rc == 1)
		return 1;
	return why_not(t, rc);
}

int call_tls_read(struct call_tls *t, void *dst, size_t cap)
{
	int rc;

	if (t->records)
		return call_records_read(t->records, &t->in, &t->in_len, dst);
	ERR_clear_error();
	rc = SSL_read(t->ssl, dst, cap > INT_MAX ? INT_MAX : (int)cap);
	if (rc > 0)
		return rc;
	return why_not(t, rc);
}

uint8_t *call_tls_room(struct call_tls *t)
{
	return t->records ? call_records_room(t->records, &t->out) : NULL;
}

int call_tls_write(struct call_tls *t, const void *p, size_t n)
{
	if (t->records)
		return call_records_write(t->records, &t->out, p, n) ? -EPROTO : 0;
	ERR_clear_error();
	return SSL_write(t->ssl, p, (int)n) == (int)n ? 0 : -EPROTO;
}

int call_tls_answer(struct call_tls *t)
{
	return t->records && call_records_answer(t->records, &t->out) ? -EPROTO : 0;
}

void call_tls_close(struct call_tls *t)
{
	if (t->records)
		call_records_close(t->records, &t->out);
	if (!t->ssl || !SSL_is_init_finished(t->ssl))
		return;
	ERR_clear_error();
	SSL_shutdown(t->ssl);
	ERR_clear_error();
}

int call_tls_cert_hash(const struct call_tls *t, uint8_t sha1[20], uint8_t sha256[32])
{
	X509 *cert = t->ssl ? SSL_get0_peer_certificate(t->ssl) : NULL;
	const SSL_CIPHER *cipher = t->ssl ? SSL_get_current_cipher(t->ssl) : NULL;

	if (cipher && SSL_CIPHER_get_auth_nid(cipher) == NID_auth_null &&
		SSL_get_verify_mode(t->ssl) == SSL_VERIFY_NONE) {
		memset(sha1, 0, 20);
		memset(sha256, 0, 32);
		return 0;
	}
	if (!cert || !X509_digest(cert, EVP_sha1(), sha1, NULL) ||
		!X509_digest(cert, EVP_sha256(), sha256, NULL))
		return -ENOENT;
	return 0;
}

bool call_tls_distrusts(const struct call_tls *t)
{
	unsigned long e = ERR_peek_error();

	return t->ssl && e && ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED &&
	       SSL_get_verify_result(t->ssl) != X509_V_OK;
}

// As OpenSSL would have put it.
static const char *records_error(const struct call_records *r, char *dst, size_t cap)
{
	uint8_t alert;
	const char *error = call_records_error(r, &alert);

	if (alert)
		return say_error(ERR_PACK(ERR_LIB_SSL, 0, SSL_AD_REASON_OFFSET + alert), dst, cap);
	snprintf(dst, cap, "%s", error ? error : "unknown error");
	return dst;
}

const char *call_tls_error(const struct call_tls *t, char *dst, size_t cap)
{
	if (t->records)
		return records_error(t->records, dst, cap);
	if (call_tls_distrusts(t)) {
		snprintf(dst, cap, "certificate: %s",
			X509_verify_cert_error_string(SSL_get_verify_result(t->ssl)));
		ERR_clear_error();
		return dst;
	}
	return last_error(dst, cap);
}
