// SPDX-License-Identifier: BSD-3-Clause
// Between record.c, which knows TLS, and the backends, which know a cipher library.
#pragma once

#include "tls/record.h"

#define REC_TAG_LEN 16

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

// Starts every backend's state.
struct rec_crypto {
	const struct rec_backend *backend;
};

struct rec_backend {
	const char *name;
	uint16_t prefetch_len; // of an expanded key, worth having in the cache
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
