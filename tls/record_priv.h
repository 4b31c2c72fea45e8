// SPDX-License-Identifier: BSD-3-Clause
// Between record.c, which knows TLS, and the backends, which know a cipher library.
#pragma once

#include "tls/record.h"

#define REC_TAG_LEN 16

// The AEAD's inputs beside key and text. Padded to 16 bytes, which vector code may load whole.
struct rec_aead {
	uint8_t nonce[16]; // 12 used
	uint8_t aad[16];
	uint32_t aad_len;
};

// Starts every backend's state.
struct rec_crypto {
	const struct rec_backend *backend;
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

extern const struct rec_backend rec_backend_openssl;
extern const struct rec_backend rec_backend_imb;
