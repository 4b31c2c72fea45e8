// SPDX-License-Identifier: BSD-3-Clause
#include "tls/handshake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/async.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/secret.h"
#include "tls/async_engine.h"
#include "tls/handshake_priv.h"

#define FEED_MAX (256 * 1024)
#define BUF_MIN 2048
// Paused jobs a thread may have, each with a stack of 32 KiB that is kept for the next; above it
// private keys work inline.
#define ASYNC_JOBS_MAX 1024
#define ZOMBIES_S 10 // an engine that has not answered by then is not going to

static BIO_METHOD *wire_method;
static pthread_once_t wire_once = PTHREAD_ONCE_INIT;

static size_t buf_len(const struct tls_buf *b)
{
	return b->tail - b->head;
}

static bool buf_put(struct tls_buf *b, const void *p, size_t n)
{
	if (n > b->cap - b->tail) {
		size_t len = buf_len(b), cap = b->cap ? b->cap : BUF_MIN;
		uint8_t *bigger;

		while (cap < len + n)
			cap *= 2;
		bigger = malloc(cap);
		if (!bigger)
			return false;
		if (len)
			memcpy(bigger, b->p + b->head, len);
		free(b->p);
		*b = (struct tls_buf){bigger, 0, len, cap};
	}
	memcpy(b->p + b->tail, p, n);
	b->tail += n;
	return true;
}

// An empty buffer's memory goes back: most sessions are idle.
static size_t buf_take(struct tls_buf *b, void *dst, size_t cap)
{
	size_t n = buf_len(b) < cap ? buf_len(b) : cap;

	if (n)
		memcpy(dst, b->p + b->head, n);
	b->head += n;
	if (b->head == b->tail) {
		free(b->p);
		*b = (struct tls_buf){0};
	}
	return n;
}

// -- the BIO between OpenSSL and the two buffers --

static int wire_read(BIO *bio, char *dst, int n)
{
	struct tls_hs *hs = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (n <= 0)
		return 0;
	if (!buf_len(&hs->live->in)) {
		BIO_set_retry_read(bio);
		return -1;
	}
	return (int)buf_take(&hs->live->in, dst, (size_t)n);
}

static int wire_write(BIO *bio, const char *p, int n)
{
	struct tls_hs *hs = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (n <= 0 || !buf_put(&hs->live->out, p, (size_t)n))
		return -1;
	tls_watch_written(hs, (const uint8_t *)p, (size_t)n);
	return n;
}

static long wire_ctrl(BIO *bio, int cmd, long larg, void *parg)
{
	return cmd == BIO_CTRL_FLUSH;
}

static void make_wire_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "culvert wire");

	if (m && BIO_meth_set_read(m, wire_read) && BIO_meth_set_write(m, wire_write) &&
		BIO_meth_set_ctrl(m, wire_ctrl))
		wire_method = m;
}

static bool attach_wire(struct tls_hs *hs)
{
	BIO *bio;

	pthread_once(&wire_once, make_wire_method);
	bio = wire_method ? BIO_new(wire_method) : NULL;
	if (!bio)
		return false;
	BIO_set_data(bio, hs);
	BIO_set_init(bio, 1);
	SSL_set_bio(hs->live->ssl, bio, bio);
	return true;
}

// -- life --

static void live_free(struct tls_live *l)
{
	if (!l)
		return;
	SSL_free(l->ssl);
	if (l->in.p)
		secret_wipe(l->in.p, l->in.cap);
	free(l->in.p);
	free(l->out.p);
	free(l);
}

static void hs_destroy(struct tls_hs *hs)
{
	tls_hs_shrink(hs);
	secret_wipe(hs, sizeof(*hs));
	free(hs);
}

static void use_async(SSL *ssl)
{
	static _Thread_local bool ready;

	if (!ready)
		ready = ASYNC_init_thread(ASYNC_JOBS_MAX, 0);
	if (ready)
		SSL_set_mode(ssl, SSL_MODE_ASYNC);
}

static struct tls_hs *hs_new(struct tls_ctx *ctx)
{
	struct tls_hs *hs = calloc(1, sizeof(*hs));
	struct tls_live *l = calloc(1, sizeof(*l));

	tls_hs_bury_zombies(ctx, false);
	if (!hs || !l) {
		free(hs);
		free(l);
		return NULL;
	}
	tls_ctx_ref(ctx);
	hs->ctx = ctx;
	hs->live = l;
	l->ssl = SSL_new(ctx->ssl);
	if (!l->ssl || !attach_wire(hs) || !SSL_set_app_data(l->ssl, hs)) {
		ERR_clear_error();
		hs_destroy(hs);
		return NULL;
	}
	if (ctx->async)
		use_async(l->ssl);
	return hs;
}

struct tls_hs *tls_hs_accept(struct tls_ctx *ctx)
{
	struct tls_hs *hs = hs_new(ctx);

	if (hs)
		SSL_set_accept_state(hs->live->ssl);
	return hs;
}

static bool set_peer_name(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	struct in6_addr a;

	if (inet_pton(AF_INET, name, &a) == 1 || inet_pton(AF_INET6, name, &a) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(param, name);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(param, name, 0);
}

struct tls_hs *tls_hs_connect(struct tls_ctx *ctx, const char *sni, const char *verify_name)
{
	struct tls_hs *hs = hs_new(ctx);

	if (!hs)
		return NULL;
	SSL_set_connect_state(hs->live->ssl);
	if ((sni && *sni && !SSL_set_tlsext_host_name(hs->live->ssl, sni)) ||
		(ctx->verify_name &&
			(!verify_name || !set_peer_name(hs->live->ssl, verify_name)))) {
		ERR_clear_error();
		hs_destroy(hs);
		return NULL;
	}
	return hs;
}

// True when no job is left that has a stake in hs.
static bool zombie_is_dead(struct tls_hs *hs)
{
	SSL *ssl = hs->live->ssl;
	int rc = SSL_do_handshake(ssl);
	bool dead = rc == 1 || SSL_get_error(ssl, rc) != SSL_ERROR_WANT_ASYNC;

	ERR_clear_error();
	return dead;
}

static time_t seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void wait_for_zombie(struct tls_hs *hs)
{
	struct pollfd p = {.fd = tls_hs_async_fd(hs), .events = POLLIN};

	poll(&p, p.fd >= 0, 10);
}

void tls_hs_bury_zombies(struct tls_ctx *ctx, bool wait)
{
	struct tls_hs **at = &ctx->yard->first, *hs;
	time_t give_up = wait ? seconds() + ZOMBIES_S : 0;

	tls_ctx_ref(ctx); // one of them may hold the last one
	while ((hs = *at)) {
		if (!zombie_is_dead(hs)) {
			if (seconds() < give_up)
				wait_for_zombie(hs);
			else
				at = &hs->next_zombie;
			continue;
		}
		*at = hs->next_zombie;
		hs_destroy(hs);
	}
	tls_ctx_unref(ctx);
}

void tls_hs_free(struct tls_hs *hs)
{
	if (!hs)
		return;
	if (hs->live && hs->status == TLS_HS_WANT_ASYNC) {
		bool dead;

		async_engine_cancel(true);
		dead = zombie_is_dead(hs);
		async_engine_cancel(false);
		if (!dead) { // another engine's job, which knows no cancelling
			hs->next_zombie = hs->ctx->yard->first;
			hs->ctx->yard->first = hs;
			if (hs->ctx->closing)
				tls_hs_bury_zombies(hs->ctx, true);
			return;
		}
	}
	hs_destroy(hs);
}

// -- going on --

int tls_hs_feed(struct tls_hs *hs, const void *p, size_t n)
{
	if (!hs->live)
		return -EINVAL;
	if (n > FEED_MAX - buf_len(&hs->live->in))
		return -EMSGSIZE;
	return !n || buf_put(&hs->live->in, p, n) ? 0 : -ENOMEM;
}

static void set_error(struct tls_hs *hs)
{
	struct tls_live *l = hs->live;
	long verify = SSL_get_verify_result(l->ssl);
	unsigned long code = ERR_peek_error();

	if (l->refused[0]) {
		snprintf(l->error, sizeof(l->error), "client certificate refused: %s", l->refused);
		ERR_clear_error();
	} else if (!code) {
		snprintf(l->error, sizeof(l->error), "connection failed without a reason");
	} else if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
		   ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
		snprintf(l->error, sizeof(l->error), "certificate verify failed: %s",
			X509_verify_cert_error_string(verify));
		ERR_clear_error();
	} else if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
		   ERR_GET_REASON(code) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
		snprintf(l->error, sizeof(l->error),
			"client certificate refused: the client has shown none");
		ERR_clear_error();
	} else {
		const char *reason = ERR_reason_error_string(code);

		snprintf(l->error, sizeof(l->error), "%s", reason ? reason : "unknown reason");
		ERR_clear_error();
	}
}

static void keep_cert_hashes(struct tls_hs *hs)
{
	SSL *ssl = hs->live->ssl;
	const uint8_t *kept;
	X509 *x;

	if (SSL_CIPHER_get_auth_nid(hs->cipher) == NID_auth_null) {
		// Nothing to bind to. A client that verifies has not agreed to that.
		hs->have_cert = hs->ctx->server || !hs->ctx->verify;
		return;
	}
	kept = hs->ctx->server && hs->resumed ? tls_ticket_hashes(SSL_get_session(ssl)) : NULL;
	if (kept) {
		memcpy(hs->cert_hashes, kept, TLS_CERT_HASHES_LEN);
		hs->have_cert = true;
		return;
	}
	x = hs->ctx->server ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl);
	hs->have_cert = x && tls_cert_hashes(hs->ctx, x, hs->cert_hashes);
}

static enum tls_hs_status finish(struct tls_hs *hs)
{
	SSL *ssl = hs->live->ssl;
	const char *sni =
		hs->ctx->server ? NULL : SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	SSL_clear_mode(ssl, SSL_MODE_ASYNC);
	hs->cipher = SSL_get_current_cipher(ssl);
	hs->version = (uint16_t)SSL_version(ssl);
	hs->resumed = SSL_session_reused(ssl);
	if (sni)
		snprintf(hs->live->sni, sizeof(hs->live->sni), "%s", sni);
	keep_cert_hashes(hs);
	ERR_clear_error();
	return TLS_HS_DONE;
}

static enum tls_hs_status step(struct tls_hs *hs)
{
	SSL *ssl = hs->live->ssl;

	for (;;) {
		int rc;

		ERR_clear_error();
		rc = SSL_do_handshake(ssl);
		if (rc == 1)
			return finish(hs);
		switch (SSL_get_error(ssl, rc)) {
		case SSL_ERROR_WANT_READ:
			return TLS_HS_WANT_READ;
		case SSL_ERROR_WANT_ASYNC:
			return TLS_HS_WANT_ASYNC;
		case SSL_ERROR_WANT_ASYNC_JOB: // none is left: do without
			SSL_clear_mode(ssl, SSL_MODE_ASYNC);
			break;
		default:
			set_error(hs);
			return TLS_HS_FAILED;
		}
	}
}

enum tls_hs_status tls_hs_step(struct tls_hs *hs)
{
	if (hs->status != TLS_HS_DONE && hs->status != TLS_HS_FAILED)
		hs->status = (uint8_t)step(hs);
	return hs->status;
}

int tls_hs_async_fd(struct tls_hs *hs)
{
	OSSL_ASYNC_FD fds[8];
	size_t n = 0;

	if (!hs->live || hs->status != TLS_HS_WANT_ASYNC ||
		!SSL_get_all_async_fds(hs->live->ssl, NULL, &n) || !n || n > 8 ||
		!SSL_get_all_async_fds(hs->live->ssl, fds, &n))
		return -1;
	return fds[0];
}

size_t tls_hs_output(struct tls_hs *hs, void *dst, size_t cap)
{
	return hs->live ? buf_take(&hs->live->out, dst, cap) : 0;
}

size_t tls_hs_unread(const struct tls_hs *hs)
{
	return hs->live ? buf_len(&hs->live->in) : 0;
}

// -- what came of it --

static void group_name(const struct tls_hs *hs, char *dst, size_t cap)
{
	int nid = (int)SSL_get_negotiated_group(hs->live->ssl);
	const char *name;

	if (nid <= 0 || nid & TLSEXT_nid_unknown)
		return;
	name = EC_curve_nid2nist(nid);
	if (!name)
		name = OBJ_nid2sn(nid);
	snprintf(dst, cap, "%s", name ? name : "");
}

void tls_hs_info(const struct tls_hs *hs, struct tls_info *info)
{
	static const struct {
		uint16_t version;
		const char *name;
	} names[] = {{TLS1_VERSION, "TLSv1"}, {TLS1_1_VERSION, "TLSv1.1"},
		{TLS1_2_VERSION, "TLSv1.2"}, {TLS1_3_VERSION, "TLSv1.3"}};

	memset(info, 0, sizeof(*info));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].version == hs->version)
			snprintf(info->version, sizeof(info->version), "%s", names[i].name);
	if (hs->cipher)
		snprintf(info->cipher, sizeof(info->cipher), "%s", SSL_CIPHER_get_name(hs->cipher));
	info->resumed = hs->resumed;
	if (!hs->live || hs->status != TLS_HS_DONE)
		return;
	group_name(hs, info->group, sizeof(info->group));
	snprintf(info->sni, sizeof(info->sni), "%s", hs->live->sni);
	if (hs->ctx->server)
		tls_subject(
			SSL_get0_peer_certificate(hs->live->ssl), info->peer, sizeof(info->peer));
}

const char *tls_hs_error(const struct tls_hs *hs)
{
	return hs->live ? hs->live->error : "";
}

int tls_hs_cert_hash(const struct tls_hs *hs, uint8_t sha1[20], uint8_t sha256[32])
{
	if (!hs->have_cert)
		return -ENOENT;
	memcpy(sha1, hs->cert_hashes, 20);
	memcpy(sha256, hs->cert_hashes + 20, 32);
	return 0;
}

// -- the slow path --

int tls_hs_read(struct tls_hs *hs, void *dst, size_t cap)
{
	int n;

	if (!hs->live || hs->status != TLS_HS_DONE)
		return -EPROTO;
	if (!cap)
		return 0;
	ERR_clear_error();
	do {
		n = SSL_read(hs->live->ssl, dst, cap > INT32_MAX ? INT32_MAX : (int)cap);
		if (n > 0)
			return n;
		// Without data a handshake record (a ticket, KeyUpdate) also ends the call.
	} while (SSL_get_error(hs->live->ssl, n) == SSL_ERROR_WANT_READ && buf_len(&hs->live->in));
	switch (SSL_get_error(hs->live->ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		return -EPIPE;
	default:
		set_error(hs);
		return -EPROTO;
	}
}

int tls_hs_write(struct tls_hs *hs, const void *p, size_t n)
{
	const uint8_t *at = p;

	if (!hs->live || hs->status != TLS_HS_DONE)
		return -EPROTO;
	ERR_clear_error();
	while (n) {
		int part = SSL_write(hs->live->ssl, at, n > INT32_MAX ? INT32_MAX : (int)n);

		if (part <= 0) {
			set_error(hs);
			return -EPROTO;
		}
		at += part;
		n -= (size_t)part;
	}
	return 0;
}

void tls_hs_close(struct tls_hs *hs)
{
	if (!hs->live || hs->status != TLS_HS_DONE)
		return;
	SSL_shutdown(hs->live->ssl);
	ERR_clear_error();
}

void tls_hs_shrink(struct tls_hs *hs)
{
	live_free(hs->live);
	hs->live = NULL;
	// A session may outlive many renewals.
	if (hs->ctx)
		tls_ctx_unref(hs->ctx);
	hs->ctx = NULL;
}
