// SPDX-License-Identifier: BSD-3-Clause
// TLS handshakes over memory, and the traffic keys out of a finished one. Control thread (or a
// client's only thread). Server handshakes run as OpenSSL async jobs, so that a slow private-key
// operation never holds up another session.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/record.h"

struct tls_ctx;
struct tls_hs;

// Which key exchanges of TLS 1.2 and before are allowed. TLS 1.3 always has forward secrecy.
enum tls_pfs {
	TLS_PFS_NO,       // also with the server's RSA key
	TLS_PFS_YES,      // ECDHE and DHE
	TLS_PFS_REQUIRED, // ECDHE; no finite-field groups in TLS 1.3 either
};

struct tls_server_conf {
	const char *const *cert_files; // nb_certs PEM chains, leaf first; the first is the default,
				       // the others by SNI
	const char *const *key_files; // same number; NULL entry: the key is in the certificate file
	const char *const *ocsp_files; // same number; NULL, or NULL entries: no OCSP response to
				       // staple; else its DER
	unsigned int nb_certs;         // 0: anonymous Diffie-Hellman only, TLS 1.2 at most
	const char *engine; // NULL or "": none; "culvert-async": in-tree private-key threads; else
			    // an OpenSSL engine
	const char *provider; // NULL or "": none; else a provider to load beside the default one
	unsigned int async_threads; // of culvert-async; 0: 1
	bool async_ecdsa; // culvert-async also makes ECDSA signatures; they cost less than handing
			  // them over does
	const char *ciphers;      // OpenSSL's cipher string, also with names of TLS 1.3 suites in
				  // it; see handshake_policy.c. NULL: defaults (AEAD first,
				  // CBC-SHA for RouterOS)
	const char *ciphersuites; // TLS 1.3 suites; NULL: by `ciphers`
	enum tls_pfs pfs;
	bool only_tls12;
	bool legacy_tls; // 1.0 and 1.1 as well
	bool session_tickets;
	const char *keylog_file; // NULL, or NSS key log for debugging, appended to
	bool verify_client;      // the client must show a certificate that ca_file vouches for
	const char *ca_file;     // PEM; required by verify_client
	const char *crl_file;    // NULL, or PEM revocation lists: that of the client's issuer must
				 // be there, those of CAs above it may be
	// A renewal: ticket keys and engine threads are taken over, so that clients go on resuming.
	// Unlike at a start, a certificate that is not valid now is refused.
	const struct tls_ctx *previous;
	// What is not wrong but should be known, a line each; NULL: nobody asks.
	void (*warn)(const char *text);
	unsigned int test_sign_delay_ms; // tests only: culvert-async sleeps this long before each
					 // signature
};

struct tls_client_conf {
	bool verify;         // verify the chain
	bool verify_name;    // and that the certificate is for `name` (DNS name or address)
	const char *ca_file; // NULL: the system's store
	const char *cert_file, *key_file;
	const char *ciphers, *ciphersuites;
	bool only_tls12;
	const char *keylog_file;
};

// Build a context. NULL with a message in err (file names and OpenSSL's reason) on failure. Any
// thread, also one that is not to run its handshakes; reads files, and takes as long as they do.
struct tls_ctx *tls_server_ctx_create(const struct tls_server_conf *conf, char *err, size_t cap);
struct tls_ctx *tls_client_ctx_create(const struct tls_client_conf *conf, char *err, size_t cap);
// Give up the creator's reference: handshakes that live keep theirs. Handshakes that were freed
// while an engine worked for them are waited for, of this context and of those that it replaced;
// not for ever. Their thread. NULL is fine.
void tls_ctx_destroy(struct tls_ctx *ctx);
// The same of one that another has replaced (tls_server_conf.previous), which waits for nothing:
// what an engine works for goes when it is done, with handshakes of the new one. NULL is fine.
void tls_ctx_retire(struct tls_ctx *ctx);
// A further reference, for another thread that makes the next context from this one; given up by
// tls_ctx_unref(). Any thread.
void tls_ctx_ref(struct tls_ctx *ctx);
void tls_ctx_unref(struct tls_ctx *ctx);

// Session tickets are sealed with a new key from now on; those of the key before still open, older
// ones no more. To be called every TLS_TICKET_LIFETIME_S. Contexts that took over one another's
// keys share them. NULL is fine.
#define TLS_TICKET_LIFETIME_S 7200
void tls_ctx_rotate_tickets(struct tls_ctx *ctx);

enum tls_hs_status {
	TLS_HS_WANT_READ,  // feed more bytes
	TLS_HS_WANT_ASYNC, // waiting for a private-key operation: call tls_hs_step() again after
			   // tls_hs_async_fd() is readable
	TLS_HS_DONE,
	TLS_HS_FAILED, // tls_hs_error(); pending output (an alert) should still be sent
};

// A handshake. NULL when out of memory. sni: client only, NULL: none. verify_name: client only.
struct tls_hs *tls_hs_accept(struct tls_ctx *ctx);
struct tls_hs *tls_hs_connect(struct tls_ctx *ctx, const char *sni, const char *verify_name);
void tls_hs_free(struct tls_hs *hs); // also in the middle of an async job: it is cancelled safely

// Give n received bytes to the handshake. 0 or -ENOMEM; -EMSGSIZE when over 256 KiB wait unread.
int tls_hs_feed(struct tls_hs *hs, const void *p, size_t n);

// Go on as far as possible. After TLS_HS_DONE: see tls_hs_unread() and the functions below.
enum tls_hs_status tls_hs_step(struct tls_hs *hs);

// An fd that becomes readable when the pending async job is done; -1 when none is pending. Owned by
// hs.
int tls_hs_async_fd(struct tls_hs *hs);

// Take up to cap bytes to be sent to the peer. Returns how many (0: none left).
size_t tls_hs_output(struct tls_hs *hs, void *dst, size_t cap);

// Bytes fed but not consumed by the handshake: they are records for the record layer. With N bytes
// fed in all, the record layer starts at stream offset N - tls_hs_unread().
size_t tls_hs_unread(const struct tls_hs *hs);

struct tls_info {
	char version[12]; // "TLSv1.3"
	char cipher[64];  // OpenSSL's name
	char group[32];   // key exchange group, or ""
	char sni[256];    // asked for by the client, or ""
	char peer[160];   // subject of the client's certificate (RFC 4514), or ""
	bool resumed;
};

// What was negotiated. After tls_hs_shrink() group, sni and peer are "".
void tls_hs_info(const struct tls_hs *hs, struct tls_info *info);
const char *tls_hs_error(const struct tls_hs *hs); // one line, never NULL; "" after tls_hs_shrink()
// SHA-1 and SHA-256 of the DER of the server's leaf certificate as this handshake used it; of a
// resumed one, as the handshake that made the session did. Zeros when the key exchange was
// anonymous and, of a client, nothing was to be verified. 0 or -ENOENT.
int tls_hs_cert_hash(const struct tls_hs *hs, uint8_t sha1[20], uint8_t sha256[32]);

// The traffic keys of a finished handshake with sequence numbers as they now stand (tickets in
// TLS 1.3 have been counted and must be sent, through tls_hs_output(), before any record made with
// tx). 0, or -ENOTSUP when the negotiated cipher is not one of enum tls_aead (CBC), or the peer
// asked for short records (RFC 6066): then use tls_hs_read()/tls_hs_write(), OpenSSL's own record
// layer. -EINVAL before TLS_HS_DONE or after tls_hs_shrink(). The caller wipes both.
int tls_hs_traffic_keys(
	const struct tls_hs *hs, struct tls_traffic_key *rx, struct tls_traffic_key *tx);

// TLS 1.3: move one direction's traffic secret on by one (RFC 8446 7.2) and give its new key, seq
// 0. 0 or -ENOTSUP.
int tls_hs_key_update(struct tls_hs *hs, bool tx, struct tls_traffic_key *k);

// Slow path: OpenSSL's record layer after TLS_HS_DONE. tls_hs_feed() first; read returns > 0 bytes,
// 0: nothing now, -EPIPE: close_notify came, -EPROTO: failed (an alert may wait in output). write
// seals n bytes: 0 or -errno; take the records by tls_hs_output(). close writes a close_notify.
int tls_hs_read(struct tls_hs *hs, void *dst, size_t cap);
int tls_hs_write(struct tls_hs *hs, const void *p, size_t n);
void tls_hs_close(struct tls_hs *hs);

// After tls_hs_traffic_keys(): drop the SSL object and buffers, keep only what tls_hs_key_update()
// needs (about 200 bytes).
void tls_hs_shrink(struct tls_hs *hs);
