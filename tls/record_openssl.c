// SPDX-License-Identifier: BSD-3-Clause
// Record protection by OpenSSL's EVP. A cipher context lives behind every installed key, because
// keying a shared one anew for each record costs more than the record: about 1 KiB each, allocated
// when the key is installed, freed when it is removed.
#include <errno.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "base/secret.h"
#include "tls/record_priv.h"

struct evp_crypto {
	struct rec_crypto rc;
	EVP_CIPHER *ciphers[TLS_N_AEADS];
};

struct evp_key {
	EVP_CIPHER_CTX *ctx;
};

static void evp_destroy(struct rec_crypto *rc)
{
	struct evp_crypto *ec = (struct evp_crypto *)rc;

	for (int i = 0; i < TLS_N_AEADS; i++)
		EVP_CIPHER_free(ec->ciphers[i]);
	free(ec);
}

static struct rec_crypto *evp_create(void)
{
	static const char *const names[TLS_N_AEADS] = {
		"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"};
	struct evp_crypto *ec = calloc(1, sizeof(*ec));

	if (!ec)
		return NULL;
	ec->rc.backend = &rec_backend_openssl;
	ec->rc.key_head = sizeof(struct evp_key);
	for (int i = 0; i < TLS_N_AEADS; i++) {
		ec->ciphers[i] = EVP_CIPHER_fetch(NULL, names[i], NULL);
		if (!ec->ciphers[i]) {
			evp_destroy(&ec->rc);
			errno = ENOTSUP;
			return NULL;
		}
	}
	return &ec->rc;
}

static size_t evp_key_size(enum tls_aead aead)
{
	return sizeof(struct evp_key);
}

static int evp_key_install(struct rec_crypto *rc, enum tls_aead aead, const uint8_t *key, void *mem)
{
	struct evp_crypto *ec = (struct evp_crypto *)rc;
	struct evp_key *ek = mem;

	ek->ctx = EVP_CIPHER_CTX_new();
	if (ek->ctx && EVP_EncryptInit_ex(ek->ctx, ec->ciphers[aead], NULL, key, NULL))
		return 0;
	EVP_CIPHER_CTX_free(ek->ctx);
	ek->ctx = NULL;
	return -ENOMEM;
}

static void evp_key_remove(enum tls_aead aead, void *mem)
{
	struct evp_key *ek = mem;

	EVP_CIPHER_CTX_free(ek->ctx); // wipes the key schedule
	ek->ctx = NULL;
}

static void evp_seal(struct rec_crypto *rc, const struct rec_dir *d, const struct rec_aead *a,
	uint8_t *p, size_t len, uint8_t *tag)
{
	EVP_CIPHER_CTX *ctx = ((struct evp_key *)d->key)->ctx;
	int n;

	if (EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, a->nonce) &&
		EVP_EncryptUpdate(ctx, NULL, &n, a->aad, (int)a->aad_len) &&
		(!len || EVP_EncryptUpdate(ctx, p, &n, p, (int)len)) &&
		EVP_EncryptFinal_ex(ctx, p + len, &n) &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, REC_TAG_LEN, tag))
		return;
	secret_wipe(p, len);
	secret_wipe(tag, REC_TAG_LEN);
}

static bool evp_open(struct rec_crypto *rc, const struct rec_dir *d, const struct rec_aead *a,
	const struct rec_slice *src, uint16_t nb_src, size_t len, uint8_t *dst, const uint8_t *tag)
{
	EVP_CIPHER_CTX *ctx = ((struct evp_key *)d->key)->ctx;
	uint8_t want[REC_TAG_LEN];
	int n;

	for (int i = 0; i < REC_TAG_LEN; i++)
		want[i] = tag[i];
	if (!EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, a->nonce) ||
		!EVP_DecryptUpdate(ctx, NULL, &n, a->aad, (int)a->aad_len))
		return false;
	for (uint16_t i = 0; i < nb_src; i++) {
		if (!src[i].len)
			continue;
		if (!EVP_DecryptUpdate(ctx, dst, &n, src[i].p, (int)src[i].len))
			return false;
		dst += src[i].len;
	}
	return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, REC_TAG_LEN, want) > 0 &&
	       EVP_DecryptFinal_ex(ctx, dst, &n) > 0;
}

const struct rec_backend rec_backend_openssl = {
	.name = "openssl",
	.create = evp_create,
	.destroy = evp_destroy,
	.key_size = evp_key_size,
	.key_install = evp_key_install,
	.key_remove = evp_key_remove,
	.seal = evp_seal,
	.open = evp_open,
};
