// SPDX-License-Identifier: BSD-3-Clause
// TLS of one call: OpenSSL over memory, so that the call does no I/O of its own. Client's thread.
// Records behind the handshake are OpenSSL's too, until call_tls_take_records(). The handshake is
// apart from tls/'s, and without that call so are the records: the server's then meets a peer that
// shares nothing with it but the derivation of traffic keys.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <openssl/ssl.h>

#include "client/outbuf.h"
#include "tls/record.h"

// Which key exchanges of TLS 1.2 are offered.
enum call_pfs {
	CALL_PFS_NO,       // also with the server's RSA key
	CALL_PFS_YES,      // ECDHE and DHE
	CALL_PFS_REQUIRED, // ECDHE; no finite-field groups in TLS 1.3 either
};

struct call_tls_conf {
	bool verify;         // the chain
	bool verify_address; // and that the certificate is for the name or address asked for
	const char *ca_file; // NULL: the system's store
	bool only_tls12;
	const char *ciphers;      // OpenSSL's cipher string, also with TLS 1.3 names; NULL: default
	const char *ciphersuites; // TLS 1.3, NULL: by ciphers
	enum call_pfs pfs;
	const char *cert_file;   // the client's PEM chain, NULL: none
	const char *key_file;    // NULL: in cert_file
	const char *keylog_file; // NULL, or where secrets are appended; debugging
	bool keys;               // call_tls_keys() will be asked
};

// A context for any number of calls. NULL with the reason in err.
SSL_CTX *call_tls_ctx_create(const struct call_tls_conf *conf, char *err, size_t cap);
void call_tls_ctx_free(SSL_CTX *ctx);

#define CALL_SECRET_MAX 48

// Traffic secrets of TLS 1.3, for call_keys_update(). len 0: TLS 1.2, there are none.
struct call_secrets {
	uint8_t len;
	uint8_t rx[CALL_SECRET_MAX], tx[CALL_SECRET_MAX];
};

// What call_tls_keys() needs, kept from the handshake on.
struct call_key_state {
	uint64_t rx_seq, tx_seq; // of the next record under the current key
	// What was written: where in a record, and the last explicit nonce of TLS 1.2 GCM. Records
	// of other ciphers are walked over in the same way, for nothing.
	uint32_t skip;
	uint8_t nb_head;
	bool protected;
	uint8_t head[TLS_REC_MAX_PREFIX];
	uint8_t nonce[8];
	bool have_rx, have_tx;
	uint8_t len;
	uint8_t rx[CALL_SECRET_MAX], tx[CALL_SECRET_MAX];
};

struct call_records;

struct call_tls {
	SSL *ssl;                     // NULL with records
	struct call_records *records; // NULL: they are OpenSSL's
	const uint8_t *in;            // what the socket gave and nobody has taken, during an input
	size_t in_len;
	struct outbuf out;           // records for the socket
	struct call_key_state *keys; // NULL: not asked for
};

// host: the name or address dialed; sni: to ask for, or NULL. 0 or -ENOMEM.
int call_tls_init(struct call_tls *t, SSL_CTX *ctx, const char *host, const char *sni);
void call_tls_free(struct call_tls *t);
// This one carries much, and there are few: buffers are larger and stay between records. Not before
// call_tls_keys() or call_tls_take_records().
void call_tls_keep_buffers(struct call_tls *t);

// Behind the handshake, of a context with `keys`: records are tls/'s by that backend from now on,
// and OpenSSL is let go. Of the server's input only whole records may have been given, as
// call_tls_handshake() sees to. 0; -ENOTSUP (see call_tls_keys()), -EAGAIN or -ENOMEM: they stay
// OpenSSL's. Either way call_tls_keys() has no answer any more.
int call_tls_take_records(struct call_tls *t, const struct rec_backend *b);

// Go on with the handshake. 1: done, 0: more input is needed, -EPIPE: close_notify, -EPROTO: failed
// (see call_tls_error()).
int call_tls_handshake(struct call_tls *t);

#define CALL_READ_MIN (TLS_REC_HDR_LEN + TLS_REC_MAX_CIPHER_12)

// Up to cap bytes of plaintext; cap: at least CALL_READ_MIN. 0: none now, -EPIPE: close_notify,
// -EPROTO: failed.
int call_tls_read(struct call_tls *t, void *dst, size_t cap);

// Where 16384 bytes for the next call_tls_write() may be written so that they need not be copied;
// valid until that or call_tls_close(). NULL: nowhere.
uint8_t *call_tls_room(struct call_tls *t);

// Seal n bytes (1..16384 make one record) into `out`; p: also call_tls_room(). 0 or -EPROTO.
int call_tls_write(struct call_tls *t, const void *p, size_t n);

// Put into `out` what TLS has to answer by itself, when nothing was written since the last input.
// 0 or -EPROTO.
int call_tls_answer(struct call_tls *t);

// Put a close_notify into `out`, or the alert that is owed.
void call_tls_close(struct call_tls *t);

// Digests of the server's certificate in DER; zeros when the key exchange was anonymous and nothing
// was to be verified. 0; -ENOENT: none, or OpenSSL is gone.
int call_tls_cert_hash(const struct call_tls *t, uint8_t sha1[20], uint8_t sha256[32]);

// Whether the last function failed because the server's certificate was not accepted. Before
// call_tls_error().
bool call_tls_distrusts(const struct call_tls *t);

// Why the last function failed, one line. Takes OpenSSL's error queue.
const char *call_tls_error(const struct call_tls *t, char *dst, size_t cap);

// The traffic keys of a finished handshake as they stand, with the numbers of the next records, by
// public interfaces only (RFC 5246 6.3, RFC 8446 7). Records that OpenSSL has begun to read are its
// to finish: give it whole ones only. The caller wipes all three. 0; -ENOTSUP: not a cipher of
// enum tls_aead, or the context was made without `keys`.
int call_tls_keys(const struct call_tls *t, struct tls_traffic_key *rx, struct tls_traffic_key *tx,
	struct call_secrets *secrets);

// TLS 1.3: move one direction on by one (RFC 8446 7.2). d, the records' direction, has the next key
// in the memory of the one before. 0 or -errno: then d has no key.
int call_keys_update(struct call_secrets *s, bool tx, struct rec_crypto *rc, struct rec_dir *d);
