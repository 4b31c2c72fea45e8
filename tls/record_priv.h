// SPDX-License-Identifier: BSD-3-Clause
// Between record.c, which knows TLS, and the backends, which know a cipher library.
#pragma once

#include <string.h>

#include "tls/record.h"

#define REC_TAG_LEN 16
#define GCM_SALT_LEN 4
#define REC_CACHE_LINE 64

typedef uint64_t rec_u64x2 __attribute__((vector_size(16)));

// The AEAD's inputs beside key and text: 12 bytes of nonce and aad_len of associated data, each
// padded to 16. Each is written by one 16-byte store, since a cipher that loads them whole would
// otherwise wait for the pieces to leave the store buffer (15-20 ns a record).
struct rec_aead {
	union {
		rec_u64x2 nonce_v;
		uint8_t nonce[16];
	};
	union {
		rec_u64x2 aad_v;
		uint8_t aad[16];
	};
	uint32_t aad_len;
};

// Starts every backend's state. The lines of an expanded key that are worth having in the cache:
// the first key_head bytes, and of the key_tail bytes in front of key_end those in the end that a
// text's length asks for, 16 bytes a block (powers of the hash key, the highest first).
struct rec_crypto {
	const struct rec_backend *backend;
	uint16_t key_head, key_tail, key_end;
};

struct rec_backend {
	const char *name;
	// One thread's state; NULL with errno.
	struct rec_crypto *(*create)(void);
	void (*destroy)(struct rec_crypto *rc);
	size_t (*key_size)(enum tls_aead aead);
	// Expand key (of the cipher's own length) into mem. 0 or -errno.
	int (*key_install)(
		struct rec_crypto *rc, enum tls_aead aead, const uint8_t *key, void *mem);
	void (*key_remove)(enum tls_aead aead, void *mem);
	// Encrypt len bytes at p in place and write the tag.
	void (*seal)(struct rec_crypto *rc, const struct rec_dir *d, const struct rec_aead *a,
		uint8_t *p, size_t len, uint8_t *tag);
	// Decrypt the slices, len bytes in all, to dst, and compare the tag. False: dst holds
	// unverified bytes that the caller wipes.
	bool (*open)(struct rec_crypto *rc, const struct rec_dir *d, const struct rec_aead *a,
		const struct rec_slice *src, uint16_t nb_src, size_t len, uint8_t *dst,
		const uint8_t *tag);
};

// Make one more known by name to rec_backend_get(); it is never the fastest, nor among those that
// rec_backend_nth() lists. For benches and tests, before any thread asks. b lives as long as the
// process. One at most: -ENOSPC.
int rec_backend_add(const struct rec_backend *b);

extern const struct rec_backend rec_backend_openssl;
extern const struct rec_backend rec_backend_imb;

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "nonces are put together as integers");

static inline uint64_t rec_load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t rec_load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t rec_get_be64(const uint8_t *p)
{
	return __builtin_bswap64(rec_load64(p));
}

static inline void rec_put_be64(uint8_t *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, sizeof(v));
}

// The last eight bytes of the IV xor x, which is in wire order: the sequence number (RFC 8446 5.3,
// RFC 7905), or what rec_explicit_nonce() says.
static inline void rec_set_nonce(struct rec_aead *a, const struct rec_dir *d, uint64_t x)
{
	a->nonce_v = (rec_u64x2){rec_load64(d->iv) ^ x << 32, rec_load32(d->iv + 8) ^ x >> 32};
}

// For rec_set_nonce(), so that an explicit nonce in wire order follows the salt as it is (RFC 5288
// 3), whatever the IV holds there.
static inline uint64_t rec_explicit_nonce(const struct rec_dir *d, uint64_t nonce)
{
	return nonce ^ rec_load64(d->iv + GCM_SALT_LEN);
}

// RFC 5246 6.2.3.3: sequence number, type, version, length of the plaintext; RFC 8446 5.2: the
// header. type_version: its first three bytes, little-endian; len: of the ciphertext without its
// tag. Put together, not loaded from the header: that may have been written just now, in pieces.
static inline void rec_set_aad(struct rec_aead *a, const struct rec_dir *d, uint64_t seq,
	uint32_t type_version, size_t len)
{
	if (d->version == 4) {
		uint64_t be_len = __builtin_bswap16((uint16_t)(len + REC_TAG_LEN));

		a->aad_v = (rec_u64x2){type_version | be_len << 24, 0};
		a->aad_len = TLS_REC_HDR_LEN;
	} else {
		uint64_t be_len = __builtin_bswap16((uint16_t)len);

		a->aad_v = (rec_u64x2){__builtin_bswap64(seq), type_version | be_len << 24};
		a->aad_len = 13;
	}
}

// Keys come from memory when sessions are many: 5000 of them in random order cost 390 ns a record
// (1420 bytes, AES-256-GCM) without this and 160-200 with it; one session 115 either way.
static inline void rec_prefetch_key(const struct rec_crypto *rc, const struct rec_dir *d,
	const struct rec_dir *before, size_t len)
{
	const uint8_t *key = d->key;
	size_t tail = (len / 16 + 2) * 16;

	if (d == before)
		return;
	for (size_t i = 0; i < rc->key_head; i += REC_CACHE_LINE)
		__builtin_prefetch(key + i);
	for (size_t i = rc->key_end - (tail < rc->key_tail ? tail : rc->key_tail); i < rc->key_end;
		i += REC_CACHE_LINE)
		__builtin_prefetch(key + i);
}

// The first lines of a text and its end, where the tag is; the processor's own prefetcher follows
// from there. With payload in the last-level cache that halves a record's time (1420 bytes, 613 to
// 334 TSC cycles sealed, 1171 to 533 opened from two pieces), and costs 1 to 3 cycles where there
// was nothing to fetch.
static inline void rec_prefetch_text(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len && i < 4 * REC_CACHE_LINE; i += REC_CACHE_LINE)
		__builtin_prefetch(p + i);
	__builtin_prefetch((const void *)((uintptr_t)p + len)); // a text of nothing has no address
}
