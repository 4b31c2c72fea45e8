// SPDX-License-Identifier: BSD-3-Clause
// Shared by the handshake's files.
#pragma once

#include <stdatomic.h>

#include <openssl/ssl.h>

#include "tls/handshake.h"
#include "tls/traffic_keys.h"

#define TLS_CERT_HASHES_LEN (20 + 32)

enum { TLS_RX, TLS_TX };

// A certificate of a server with its key.
struct tls_cert {
	X509 *leaf;
	STACK_OF(X509) * chain;
	EVP_PKEY *key;
	EVP_PKEY *plain; // a provider's, for decryption, when key is an engine's
	uint8_t hashes[TLS_CERT_HASHES_LEN];
	struct tls_staple *staple; // NULL: none
};

// At most one certificate of a key type, by index.
#define TLS_CERT_TYPES 8
struct tls_cert_set {
	unsigned int nb, index[TLS_CERT_TYPES];
};

struct async_pool;
struct tls_tickets;
struct tls_staple;

#define TLS_POLICY_ID_LEN 16

// Handshakes that were freed, but an engine still works for them: of a context and of all that it
// replaced. Handshakes' thread.
struct tls_yard {
	atomic_uint refs; // contexts'
	struct tls_hs *first;
};

struct tls_ctx {
	atomic_uint refs; // the creator's and one for each handshake
	bool server;
	bool async;  // handshakes run as async jobs
	bool verify; // the peer's certificate
	bool verify_name;
	bool legacy;   // TLS 1.0 and 1.1 are allowed
	bool closing;  // given up by its creator
	int keylog_fd; // -1: none
	SSL_CTX *ssl;
	struct async_pool *pool;     // a reference
	struct tls_tickets *tickets; // a reference; NULL: no tickets
	// Sessions made under another one are not resumed: what clients' certificates are held
	// against.
	uint8_t policy_id[TLS_POLICY_ID_LEN];
	X509_CRL *crl; // the one that must be renewed first, or NULL
	struct tls_cert *certs;
	unsigned int nb_certs;
	struct tls_cert_set default_set; // for clients that name no other
	EVP_KDF *tls1_prf;
	struct tls_yard *yard; // a reference
};

// Bytes [head, tail) of p.
struct tls_buf {
	uint8_t *p;
	size_t head, tail, cap;
};

// What only the handshake and the slow path need; gone after tls_hs_shrink().
struct tls_live {
	SSL *ssl;
	struct tls_buf in, out;
	// The records written, as far as the explicit nonce of TLS 1.2's first protected one asks.
	struct {
		uint8_t head[TLS_REC_MAX_PREFIX];
		uint8_t nb_head;
		bool protected, done;
		uint32_t skip;
	} written;
	char sni[256];
	char refused[320]; // what is wrong with the peer's certificate, and whose it is
	char error[384];
};

struct tls_hs {
	struct tls_ctx *ctx; // with live: NULL after tls_hs_shrink()
	struct tls_live *live;
	const SSL_CIPHER *cipher; // OpenSSL's own, never freed
	uint64_t seq[2];
	uint64_t explicit_base;
	uint8_t secret[2][TLS_SECRET_MAX]; // TLS 1.3 application traffic secrets
	uint8_t cert_hashes[TLS_CERT_HASHES_LEN];
	uint16_t version;
	uint8_t status; // enum tls_hs_status
	bool have_secret[2];
	bool have_cert;
	bool resumed;
	struct tls_hs *next_zombie;
};

static inline struct tls_hs *tls_hs_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

// handshake_ctx.c
// Format a message into err, with OpenSSL's first reason behind it if there is one; empties the
// error queue. Returns -1.
int tls_err(char *err, size_t cap, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

// handshake_policy.c
// Versions, suites, groups, security level, ALPN. 0 or -1 with a message.
int tls_policy_apply(
	struct tls_ctx *ctx, const struct tls_server_conf *conf, char *err, size_t cap);

// handshake_hello.c
// Have ctx look at ClientHellos first: SNI, and what TLS before 1.2 needs.
void tls_hello_install(struct tls_ctx *ctx);

// handshake_ticket.c
// Session tickets as conf says. 0 or -1.
int tls_tickets_install(
	struct tls_ctx *ctx, const struct tls_server_conf *conf, char *err, size_t cap);
void tls_tickets_unref(struct tls_tickets *t); // NULL is fine
// The certificate hashes in a session's ticket, or NULL.
const uint8_t *tls_ticket_hashes(SSL_SESSION *session);

// handshake_verify.c
// Clients' certificates: trust, revocation, and the policy id. 0 or -1.
int tls_verify_install(
	struct tls_ctx *ctx, const struct tls_server_conf *conf, char *err, size_t cap);
// One line: RFC 4514, safe inside double quotes.
void tls_subject(const X509 *x, char *dst, size_t cap);
// A message to conf's owner.
void tls_warn(const struct tls_server_conf *conf, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

// handshake_ocsp.c
// The OCSP response of c, checked against it. 0 or -1.
int tls_staple_load(struct tls_cert *c, const char *file, const struct tls_server_conf *conf,
	char *err, size_t cap);
void tls_staple_free(struct tls_staple *s); // NULL is fine
void tls_staple_install(struct tls_ctx *ctx);

// handshake_cert.c
BIO *tls_open_file(const char *what, const char *file, char *err, size_t cap);
// Read a chain and its key, or refuse with a message. 0 or -1.
int tls_cert_load(
	struct tls_cert *c, const char *cert_file, const char *key_file, char *err, size_t cap);
void tls_cert_free(struct tls_cert *c);
// Have ctx serve its certificates: the default set, and others by SNI. 0 or -1.
int tls_certs_install(struct tls_ctx *ctx, const char *const *files, char *err, size_t cap);
// Have ssl decrypt the client's key with OpenSSL's own object, see handshake_cert.c.
void tls_cert_use_plain_key(SSL *ssl);
// SHA-1 and SHA-256 of the DER; of ctx's own certificates they are known already.
bool tls_cert_hashes(const struct tls_ctx *ctx, const X509 *x, uint8_t hashes[TLS_CERT_HASHES_LEN]);

// handshake_engine.c
// Load conf's engine and provider. 0 or -1.
int tls_load_provider(const char *name, char *err, size_t cap);
int tls_load_engine(struct tls_ctx *ctx, const struct tls_server_conf *conf, char *err, size_t cap);

// handshake_keys.c
// Callbacks of every context: record counting and TLS 1.3 secrets.
void tls_on_message(int write_p, int version, int content_type, const void *buf, size_t len,
	SSL *ssl, void *arg);
void tls_on_keylog(const SSL *ssl, const char *line);
// n more bytes of records were written.
void tls_watch_written(struct tls_hs *hs, const uint8_t *p, size_t n);

// handshake.c
// Free what could not be freed while an engine worked for it. wait: for all of it, up to ten
// seconds; what an engine has by then stays for the rest of the process.
void tls_hs_bury_zombies(struct tls_ctx *ctx, bool wait);
