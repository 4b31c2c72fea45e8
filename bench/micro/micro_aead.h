// SPDX-License-Identifier: BSD-3-Clause
// What the cases of record protection share, whoever does it: names, sizes, and a burst of buffers
// laid out as the worker's mbufs are.
#pragma once

#include <stdalign.h>

#include "bench/micro/micro.h"
#include "tls/record.h"

// Parameters of a case (micro_case.arg).
enum { AEAD_ARG_AEAD, AEAD_ARG_OPEN, AEAD_ARG_KEYS, AEAD_ARG_SLICES, AEAD_ARG_COLD, AEAD_ARG_LIB };

#define AEAD_SLICES_MAX 3

struct aead_bufs {
	uint32_t n, len; // buffers, and bytes of plaintext in each
	uint32_t stride; // between buffers
	bool cold;       // the payload comes from memory
	uint8_t *p;      // plaintext of buffer 0, in place
	uint8_t *dst;    // the same, out of place
	uint8_t *piece;  // pieces of records that come in several
	uint8_t *all;
};

extern const char *const aead_names[TLS_N_AEADS];
extern const uint32_t aead_sizes[];
extern const unsigned int aead_nb_sizes;

uint32_t aead_key_len(enum tls_aead aead);
// Records of a batch: fewer of the large ones, so that they stay in the cache.
uint32_t aead_batch(uint32_t len);

// Buffers for c, filled with a pattern. 0 or -ENOMEM.
int aead_bufs_init(struct aead_bufs *b, const struct micro_case *c);
void aead_bufs_free(struct aead_bufs *b);
// When the case wants it: what comes from outside (not where it is opened to, which is an mbuf that
// was just freed) out of all caches.
void aead_bufs_chill(const struct aead_bufs *b);
// The name of the bare cipher's case with one key.
void micro_bare_anchor(char name[MICRO_NAME_MAX], bool open, int aead, uint32_t size);
