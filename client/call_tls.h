// SPDX-License-Identifier: BSD-3-Clause
// TLS of one call: OpenSSL over memory, so that the call does no I/O of its own. Client's thread.
// Deliberately apart from tls/: the server's record path then meets a peer that it shares nothing
// with.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <openssl/ssl.h>

#include "client/outbuf.h"

struct call_tls_conf {
	bool verify;         // the chain
	bool verify_address; // and that the certificate is for the name or address asked for
	const char *ca_file; // NULL: the system's store
	bool only_tls12;
	const char *ciphers;      // TLS 1.2 cipher string, NULL: OpenSSL's default
	const char *ciphersuites; // TLS 1.3
	const char *keylog_file;  // NULL, or where secrets are appended; debugging
};

// A context for any number of calls. NULL with the reason in err.
SSL_CTX *call_tls_ctx_create(const struct call_tls_conf *conf, char *err, size_t cap);
void call_tls_ctx_free(SSL_CTX *ctx);

struct call_tls {
	SSL *ssl;
	const uint8_t *in; // what the socket gave and OpenSSL has not taken, during an input
	size_t in_len;
	struct outbuf out; // records for the socket
};

// host: the name or address dialed; sni: to ask for, or NULL. 0 or -ENOMEM.
int call_tls_init(struct call_tls *t, SSL_CTX *ctx, const char *host, const char *sni);
void call_tls_free(struct call_tls *t);

// Go on with the handshake. 1: done, 0: more input is needed, -EPROTO: failed (see
// call_tls_error()).
int call_tls_handshake(struct call_tls *t);

// Up to cap bytes of plaintext. 0: none now, -EPIPE: close_notify, -EPROTO: failed.
int call_tls_read(struct call_tls *t, void *dst, size_t cap);

// Seal n bytes (1..16384 make one record) into `out`. 0 or -EPROTO.
int call_tls_write(struct call_tls *t, const void *p, size_t n);

// Put a close_notify into `out`.
void call_tls_close(struct call_tls *t);

// Digests of the server's certificate in DER. 0 or -ENOENT.
int call_tls_cert_hash(const struct call_tls *t, uint8_t sha1[20], uint8_t sha256[32]);

// Why the last function failed, one line. Takes OpenSSL's error queue.
const char *call_tls_error(const struct call_tls *t, char *dst, size_t cap);
