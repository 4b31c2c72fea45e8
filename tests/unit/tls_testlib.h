// SPDX-License-Identifier: BSD-3-Clause
// What the tests of tls/ share: certificates made on the spot, a plain OpenSSL peer, and a wire
// between it and a struct tls_hs.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "tls/handshake.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define TL_SANITIZED 1
#else
#define TL_SANITIZED 0
#endif

enum tl_key_type { TL_RSA, TL_EC, TL_ED25519 };

// A directory for this test program's files; gone at exit.
const char *tl_dir(void);
// Path of a file in it, from a small ring of buffers.
const char *tl_path(const char *name);

// Make NAME.pem (certificate and key), NAME.crt and NAME.key. sans: "DNS:a,IP:1.2.3.4" or NULL. cn:
// common name. ca: NULL: self-signed; else the name of an earlier one that signs. is_ca: may sign.
struct tl_cert_spec {
	enum tl_key_type type;
	int rsa_bits; // 0: 2048
	const char *cn, *sans, *ca;
	bool is_ca;
	int valid_s;     // 0: for a day; else for so many seconds from now, < 0: no more
	const char *eku; // extended key usage, NULL: none
};
void tl_make_cert(const char *name, const struct tl_cert_spec *spec);
// Make NAME, a revocation list of ca's over the certificates in a NULL-terminated list, with its
// next update in next_s seconds.
void tl_make_crl(const char *name, const char *ca, const char *const *revoked, int next_s);
// Make NAME, a response of ca's that cert is good, revoked or unknown (V_OCSP_CERTSTATUS_*), with
// its next update in next_s seconds.
void tl_make_ocsp(const char *name, const char *cert, const char *ca, int status, int next_s);
// SHA-256 of the DER of NAME.crt.
void tl_cert_sha256(const char *name, uint8_t hash[32]);
void tl_write_file(const char *name, const char *text);
// Append what is in FROM to what is in TO.
void tl_append_file(const char *to, const char *from);
size_t tl_read_file(const char *name, char *dst, size_t cap);

// A server context of the files NAME.pem in a NULL-terminated list; conf's cert fields are filled.
struct tls_ctx *tl_server(struct tls_server_conf *conf, const char *const *names);

// A plain OpenSSL peer on memory BIOs.
struct tl_peer {
	SSL *ssl;
	BIO *in, *out;
	SSL_SESSION *session; // last ticket received
	unsigned int nb_tickets;
	int alert; // SSL_AD_* received last, -1: none
};

void tl_peer_init(struct tl_peer *p, SSL_CTX *ctx, bool server);
void tl_peer_free(struct tl_peer *p);

// A client context for one TLS version and one cipher (NULL: any).
SSL_CTX *tl_client_ctx(int version, const char *cipher);
SSL_CTX *tl_server_ssl_ctx(int version, const char *cipher, const char *cert);

// A server of ours and OpenSSL's client for one version and one cipher, before the first byte.
struct tl_meeting {
	struct tls_hs *hs;
	SSL_CTX *cctx;
	struct tl_peer p;
	enum tls_hs_status st; // the test's
};
void tl_meet(struct tl_meeting *m, struct tls_ctx *ctx, int version, const char *cipher);
void tl_unmeet(struct tl_meeting *m);

// Carry bytes until neither side has any and both are done, or one failed. chunk: bytes at a time,
// 0: all. Waits for async jobs. Returns the status of hs; the peer must be done as well then.
enum tls_hs_status tl_handshake(struct tls_hs *hs, struct tl_peer *p, size_t chunk);
// The same between two of ours.
void tl_handshake_pair(struct tls_hs *server, struct tls_hs *client, enum tls_hs_status *ss,
	enum tls_hs_status *cs);
// Move what one side wrote to the other. Returns the bytes moved.
size_t tl_to_peer(struct tls_hs *hs, struct tl_peer *p);
size_t tl_from_peer(struct tls_hs *hs, struct tl_peer *p);
// Wait (at most 10 s) for fd to be readable.
void tl_wait_fd(int fd);
