// SPDX-License-Identifier: BSD-3-Clause
#include "bench/null_backend.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tls/record_priv.h"

// Stands in for the tag, so that a record that was cut wrongly is noticed.
static const uint8_t null_tag[REC_TAG_LEN] = "nothing is safe";

static _Atomic bool protect;

struct null_crypto {
	struct rec_crypto rc;
	struct rec_crypto *real;
};

static struct rec_crypto *real_of(struct rec_crypto *rc)
{
	return ((struct null_crypto *)rc)->real;
}

static void null_destroy(struct rec_crypto *rc)
{
	rec_crypto_destroy(real_of(rc));
	free(rc);
}

static size_t null_key_size(enum tls_aead aead)
{
	return rec_backend_get("")->key_size(aead);
}

static int null_key_install(
	struct rec_crypto *rc, enum tls_aead aead, const uint8_t *key, void *mem)
{
	return real_of(rc)->backend->key_install(real_of(rc), aead, key, mem);
}

static void null_key_remove(enum tls_aead aead, void *mem)
{
	rec_backend_get("")->key_remove(aead, mem);
}

static void null_seal(struct rec_crypto *rc, const struct rec_dir *d, const struct rec_aead *a,
	uint8_t *p, size_t len, uint8_t *tag)
{
	if (atomic_load_explicit(&protect, memory_order_relaxed))
		real_of(rc)->backend->seal(real_of(rc), d, a, p, len, tag);
	else
		memcpy(tag, null_tag, sizeof(null_tag));
}

static bool null_open(struct rec_crypto *rc, const struct rec_dir *d, const struct rec_aead *a,
	const struct rec_slice *src, uint16_t nb_src, size_t len, uint8_t *dst, const uint8_t *tag)
{
	if (atomic_load_explicit(&protect, memory_order_relaxed))
		return real_of(rc)->backend->open(real_of(rc), d, a, src, nb_src, len, dst, tag);
	if (memcmp(tag, null_tag, sizeof(null_tag)) != 0)
		return false;
	// Decryption moves what it decrypts.
	for (uint16_t i = 0; i < nb_src; i++) {
		if (dst != src[i].p)
			memcpy(dst, src[i].p, src[i].len);
		dst += src[i].len;
	}
	return true;
}

static struct rec_crypto *null_create(void);

static const struct rec_backend backend = {
	.name = "null",
	.create = null_create,
	.destroy = null_destroy,
	.key_size = null_key_size,
	.key_install = null_key_install,
	.key_remove = null_key_remove,
	.seal = null_seal,
	.open = null_open,
};

static struct rec_crypto *null_create(void)
{
	struct null_crypto *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->rc.backend = &backend;
	n->real = rec_crypto_create(rec_backend_get(""));
	if (!n->real) {
		free(n);
		return NULL;
	}
	return &n->rc;
}

void bench_null_backend_add(void)
{
	rec_backend_add(&backend);
}

void bench_null_backend_protect(bool on)
{
	atomic_store(&protect, on);
}
