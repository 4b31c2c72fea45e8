// SPDX-License-Identifier: BSD-3-Clause
// TLS record protection in bursts, for the worker. RFC 5246 6.2, RFC 5288, RFC 7905, RFC 8446 5.
// Never sees the handshake. One small interface, several backends ("ipsec-mb", "openssl"); the
// fastest one measured at start is the default. Nothing here allocates after rec_crypto_create()
// and rec_key_install(). A rec_dir belongs to one thread at a time.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_REC_HDR_LEN 5
#define TLS_REC_MAX_PLAIN 16384
#define TLS_REC_MAX_CIPHER_12 (TLS_REC_MAX_PLAIN + 2048)
#define TLS_REC_MAX_CIPHER_13 (TLS_REC_MAX_PLAIN + 256)
#define TLS_REC_MAX_PREFIX 13 // record header and, in TLS 1.2 GCM, the explicit nonce
#define TLS_REC_MAX_SUFFIX 17 // tag and, in TLS 1.3, the inner content type
#define TLS_REC_MAX_SLICES 48

enum tls_content_type {
	TLS_CT_CHANGE_CIPHER_SPEC = 20,
	TLS_CT_ALERT = 21,
	TLS_CT_HANDSHAKE = 22,
	TLS_CT_APPLICATION_DATA = 23,
};

// RFC 5246 7.2, RFC 8446 6.
enum tls_alert_level { TLS_ALERT_WARNING = 1, TLS_ALERT_FATAL = 2 };

enum tls_alert {
	TLS_ALERT_CLOSE_NOTIFY = 0,
	TLS_ALERT_UNEXPECTED_MESSAGE = 10,
	TLS_ALERT_BAD_RECORD_MAC = 20,
	TLS_ALERT_RECORD_OVERFLOW = 22,
	TLS_ALERT_HANDSHAKE_FAILURE = 40,
	TLS_ALERT_ILLEGAL_PARAMETER = 47,
	TLS_ALERT_DECODE_ERROR = 50,
	TLS_ALERT_INTERNAL_ERROR = 80,
	TLS_ALERT_USER_CANCELED = 90,
	TLS_ALERT_NO_RENEGOTIATION = 100,
};

// Messages that come behind a handshake: RFC 5246 7.4.1.1, RFC 8446 4.6.
enum tls_handshake_type {
	TLS_HS_HELLO_REQUEST = 0,
	TLS_HS_NEW_SESSION_TICKET = 4,
	TLS_HS_KEY_UPDATE = 24,
};

enum tls_aead {
	TLS_AEAD_AES_128_GCM,
	TLS_AEAD_AES_256_GCM,
	TLS_AEAD_CHACHA20_POLY1305,
	TLS_N_AEADS
};

// What one direction of a finished handshake comes down to. Plain data: crosses the ring by value
// and is wiped on both sides. Limits: after `limit` records the direction must be rekeyed (TLS 1.3)
// or the session ended (TLS 1.2).
struct tls_traffic_key {
	uint16_t version; // 0x0303 or 0x0304
	uint8_t aead;     // enum tls_aead
	uint8_t key_len;
	uint8_t key[32];
	uint8_t iv[12];         // TLS 1.2 GCM: the 4-byte salt; else the whole IV
	uint64_t seq;           // of the next record
	uint64_t explicit_base; // TLS 1.2 GCM sender: explicit nonce of record seq is explicit_base
				// + seq
};

struct rec_backend;
struct rec_crypto; // a backend's state for one thread

// One direction of one session. 40 bytes, so that what is counted of each record finds room in the
// same cache line; the expanded key is apart, so that installed sessions cost what they use.
struct rec_dir {
	uint64_t seq;
	void *key;      // expanded, backend's format
	uint64_t limit; // sequence number at which to stop and rekey
	uint8_t iv[12]; // TLS 1.2 GCM: the salt, and what the sender's explicit nonces count from
	uint8_t version : 4; // 3 for 0x0303, 4 for 0x0304
	uint8_t aead : 4;
	uint8_t prefix_len; // record header (+ explicit nonce)
	uint8_t suffix_len; // (inner content type +) tag
	uint8_t failed;     // opening: the alert owed since the first bad record; 0: none
};

// A backend by name, or NULL with errno ENOENT. "" or NULL: the fastest on this machine (measured
// once, AES-256-GCM, 1420 bytes; any thread before workers start).
const struct rec_backend *rec_backend_get(const char *name);
const char *rec_backend_name(const struct rec_backend *b);
// The n-th backend built in, or NULL.
const struct rec_backend *rec_backend_nth(unsigned int n);

// State for one thread; NULL with errno.
struct rec_crypto *rec_crypto_create(const struct rec_backend *b);
void rec_crypto_destroy(struct rec_crypto *rc);

// Bytes an expanded key takes, and the alignment it needs (a power of two): the caller provides the
// memory (per worker pool), at most REC_KEY_SIZE_MAX.
#define REC_KEY_SIZE_MAX 1536
#define REC_KEY_ALIGN 64
size_t rec_key_size(const struct rec_crypto *rc, enum tls_aead aead);

// d->limit is 2^24.5 records for AES-GCM in TLS 1.3 (RFC 8446 5.5), 2^36 for AES-GCM in TLS 1.2 (no
// rule there, and no rekeying either: 2^36 full records keep an attacker's advantage below 2^-36),
// 2^62 for ChaCha20-Poly1305. It binds the sender; what a peer sends is opened beyond it.
//
// Expand k into d with memory mem (rec_key_size() bytes, REC_KEY_ALIGN). Copies; the caller wipes
// k. 0 or -errno
// (-ENOTSUP: this backend lacks the cipher: use rec_backend_get("openssl")'s). Not on the
// per-packet path.
int rec_key_install(
	struct rec_crypto *rc, struct rec_dir *d, const struct tls_traffic_key *k, void *mem);

// Wipe d and its expanded key (and free what a backend may hold behind it).
void rec_key_remove(struct rec_crypto *rc, struct rec_dir *d);

// Seal in place: p: plaintext of len bytes (0..16384), with d->prefix_len writable bytes in front
// and d->suffix_len behind. Afterwards the record is p - prefix_len .. p + len + suffix_len. Takes
// the next sequence number of d.
struct rec_seal_op {
	struct rec_dir *d;
	uint8_t *p;
	uint16_t len;
	uint8_t type; // enum tls_content_type
};

// Seal n records in order. Cannot fail (were the cipher itself to fail, the record would go out as
// zeroes, never as plaintext). The caller minds d->limit before.
void rec_seal_burst(struct rec_crypto *rc, struct rec_seal_op *ops, uint16_t n);

struct rec_slice {
	const uint8_t *p;
	uint32_t len;
};

// Open one record: src: its bytes, header included, in nb_src slices (1..TLS_REC_MAX_SLICES) that
// together are exactly the record. dst: room for at least src's total bytes; gets the plaintext.
// dst may be src[0].p + d->prefix_len when nb_src is 1 (in place), else must not overlap. Out:
// status 0, len, type (inner type in TLS 1.3, padding removed); or status = the enum tls_alert
// owed, and dst holds nothing.
struct rec_open_op {
	struct rec_dir *d;
	struct rec_slice *src;
	uint8_t *dst;
	uint16_t nb_src;
	uint16_t len;
	uint8_t type;
	uint8_t status;
};

// A record that follows a TLS 1.3 handshake record (KeyUpdate, perhaps) of the same d in the same
// burst is not touched, since its key may be the next one: status TLS_REC_HELD, no sequence number
// taken. Give it again in a later burst, after the rekey if it was a KeyUpdate.
#define TLS_REC_HELD 0xff

// Open n records in order; records of one d must be in stream order, and after a failure of d its
// later ones fail too.
void rec_open_burst(struct rec_crypto *rc, struct rec_open_op *ops, uint16_t n);

// Look at a record header: 5 bytes at h. Returns the whole record's length (header included), or
// minus the alert owed: version not 3.x, length over the limit for d's version, or too short for
// d's tag.
static inline int rec_peek(const struct rec_dir *d, const uint8_t h[TLS_REC_HDR_LEN])
{
	unsigned int len = (unsigned int)(h[3] << 8 | h[4]);

	if (h[0] < TLS_CT_CHANGE_CIPHER_SPEC || h[0] > TLS_CT_APPLICATION_DATA || h[1] != 3)
		return -TLS_ALERT_UNEXPECTED_MESSAGE;
	if (len > (d->version == 4 ? TLS_REC_MAX_CIPHER_13 : TLS_REC_MAX_CIPHER_12))
		return -TLS_ALERT_RECORD_OVERFLOW;
	if (len + TLS_REC_HDR_LEN < (unsigned int)d->prefix_len + d->suffix_len)
		return -TLS_ALERT_DECODE_ERROR;
	return (int)len + TLS_REC_HDR_LEN;
}
