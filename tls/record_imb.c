// SPDX-License-Identifier: BSD-3-Clause
// Record protection by ipsec-mb, called directly: AES-GCM has no lanes to fill, so a burst gains
// nothing from the job queue. ChaCha20-Poly1305 in one piece goes through a job, whose code path is
// the faster one, and from slices through init, update and finalize.
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <intel-ipsec-mb.h>

#include "base/secret.h"
#include "tls/record_priv.h"

struct imb_crypto {
	struct rec_crypto rc;
	IMB_MGR *mgr;
	struct gcm_context_data gcm __attribute__((aligned(64)));
	struct chacha20_poly1305_context_data chacha __attribute__((aligned(64)));
};

#define CHACHA_KEY_LEN 32

static_assert(sizeof(struct gcm_key_data) <= REC_KEY_SIZE_MAX, "expanded key fits");
static_assert(_Alignof(struct gcm_key_data) <= REC_KEY_ALIGN, "and is aligned");

static void imb_destroy(struct rec_crypto *rc)
{
	struct imb_crypto *ic = (struct imb_crypto *)rc;

	free_mb_mgr(ic->mgr);
	secret_wipe(ic, sizeof(*ic));
	free(ic);
}

// Where a key's powers lie: with VAES 48 of them, of which short texts use the last; without, eight
// and as much again for their multiplication.
static void set_prefetch(struct rec_crypto *rc, IMB_ARCH arch)
{
	rc->key_head = offsetof(struct gcm_key_data, ghash_keys);
	rc->key_end = sizeof(struct gcm_key_data);
	if (arch == IMB_ARCH_AVX512)
		rc->key_tail = sizeof(((struct gcm_key_data *)NULL)->ghash_keys.vaes_avx512);
	else
		rc->key_head += sizeof(((struct gcm_key_data *)NULL)->ghash_keys.sse_avx);
}

static struct rec_crypto *imb_create(void)
{
	struct imb_crypto *ic = aligned_alloc(64, (sizeof(*ic) + 63) / 64 * 64);
	IMB_ARCH arch = IMB_ARCH_NONE;

	if (!ic)
		return NULL;
	memset(ic, 0, sizeof(*ic));
	ic->rc.backend = &rec_backend_imb;
	ic->mgr = alloc_mb_mgr(0);
	if (!ic->mgr) {
		free(ic);
		errno = ENOMEM;
		return NULL;
	}
	init_mb_mgr_auto(ic->mgr, &arch);
	if (arch == IMB_ARCH_NONE || arch == IMB_ARCH_NOAESNI) {
		imb_destroy(&ic->rc);
		errno = ENOTSUP;
		return NULL;
	}
	set_prefetch(&ic->rc, arch);
	return &ic->rc;
}

static size_t imb_key_size(enum tls_aead aead)
{
	return aead == TLS_AEAD_CHACHA20_POLY1305 ? CHACHA_KEY_LEN : sizeof(struct gcm_key_data);
}

static int imb_key_install(struct rec_crypto *rc, enum tls_aead aead, const uint8_t *key, void *mem)
{
	IMB_MGR *mgr = ((struct imb_crypto *)rc)->mgr;

	if (aead == TLS_AEAD_AES_128_GCM)
		IMB_AES128_GCM_PRE(mgr, key, mem);
	else if (aead == TLS_AEAD_AES_256_GCM)
		IMB_AES256_GCM_PRE(mgr, key, mem);
	else
		memcpy(mem, key, CHACHA_KEY_LEN);
	return 0;
}

static void imb_key_remove(enum tls_aead aead, void *mem)
{
	secret_wipe(mem, imb_key_size(aead));
}

static void chacha_job(struct imb_crypto *ic, const struct rec_dir *d, const struct rec_aead *a,
	IMB_CIPHER_DIRECTION dir, const uint8_t *src, uint8_t *dst, size_t len, uint8_t *tag)
{
	IMB_JOB *job = IMB_GET_NEXT_JOB(ic->mgr);

	job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	job->cipher_direction = dir;
	job->chain_order = dir == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	job->enc_keys = job->dec_keys = d->key;
	job->key_len_in_bytes = CHACHA_KEY_LEN;
	job->src = src;
	job->dst = dst;
	job->cipher_start_src_offset_in_bytes = 0;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_cipher_in_bytes = len;
	job->msg_len_to_hash_in_bytes = len;
	job->iv = a->nonce;
	job->iv_len_in_bytes = 12;
	job->u.CHACHA20_POLY1305.aad = a->aad;
	job->u.CHACHA20_POLY1305.aad_len_in_bytes = a->aad_len;
	job->auth_tag_output = tag;
	job->auth_tag_output_len_in_bytes = REC_TAG_LEN;
	job = IMB_SUBMIT_JOB_NOCHECK(ic->mgr);
	while (!job)
		job = IMB_FLUSH_JOB(ic->mgr);
}

static void imb_seal(struct rec_crypto *rc, const struct rec_dir *d, const struct rec_aead *a,
	uint8_t *p, size_t len, uint8_t *tag)
{
	struct imb_crypto *ic = (struct imb_crypto *)rc;

	if (d->aead == TLS_AEAD_AES_128_GCM)
		IMB_AES128_GCM_ENC(ic->mgr, d->key, &ic->gcm, p, p, len, a->nonce, a->aad,
			a->aad_len, tag, REC_TAG_LEN);
	else if (d->aead == TLS_AEAD_AES_256_GCM)
		IMB_AES256_GCM_ENC(ic->mgr, d->key, &ic->gcm, p, p, len, a->nonce, a->aad,
			a->aad_len, tag, REC_TAG_LEN);
	else
		chacha_job(ic, d, a, IMB_DIR_ENCRYPT, p, p, len, tag);
}

static void gcm_open_slices(struct imb_crypto *ic, const struct rec_dir *d,
	const struct rec_aead *a, const struct rec_slice *src, uint16_t nb_src, uint8_t *dst,
	uint8_t *tag)
{
	const struct gcm_key_data *key = d->key;
	IMB_MGR *m = ic->mgr;

	if (d->aead == TLS_AEAD_AES_128_GCM) {
		IMB_AES128_GCM_INIT(m, key, &ic->gcm, a->nonce, a->aad, a->aad_len);
		for (uint16_t i = 0; i < nb_src; dst += src[i].len, i++)
			IMB_AES128_GCM_DEC_UPDATE(m, key, &ic->gcm, dst, src[i].p, src[i].len);
		IMB_AES128_GCM_DEC_FINALIZE(m, key, &ic->gcm, tag, REC_TAG_LEN);
	} else {
		IMB_AES256_GCM_INIT(m, key, &ic->gcm, a->nonce, a->aad, a->aad_len);
		for (uint16_t i = 0; i < nb_src; dst += src[i].len, i++)
			IMB_AES256_GCM_DEC_UPDATE(m, key, &ic->gcm, dst, src[i].p, src[i].len);
		IMB_AES256_GCM_DEC_FINALIZE(m, key, &ic->gcm, tag, REC_TAG_LEN);
	}
}

static void chacha_open_slices(struct imb_crypto *ic, const struct rec_dir *d,
	const struct rec_aead *a, const struct rec_slice *src, uint16_t nb_src, uint8_t *dst,
	uint8_t *tag)
{
	IMB_MGR *m = ic->mgr;

	IMB_CHACHA20_POLY1305_INIT(m, d->key, &ic->chacha, a->nonce, a->aad, a->aad_len);
	for (uint16_t i = 0; i < nb_src; dst += src[i].len, i++)
		if (src[i].len)
			IMB_CHACHA20_POLY1305_DEC_UPDATE(
				m, d->key, &ic->chacha, dst, src[i].p, src[i].len);
	IMB_CHACHA20_POLY1305_DEC_FINALIZE(m, &ic->chacha, tag, REC_TAG_LEN);
}

// In constant time, by two words.
static inline bool tags_equal(const uint8_t *a, const uint8_t *b)
{
	uint64_t x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

static bool imb_open(struct rec_crypto *rc, const struct rec_dir *d, const struct rec_aead *a,
	const struct rec_slice *src, uint16_t nb_src, size_t len, uint8_t *dst, const uint8_t *tag)
{
	struct imb_crypto *ic = (struct imb_crypto *)rc;
	uint8_t got[REC_TAG_LEN];

	if (nb_src != 1) {
		if (d->aead == TLS_AEAD_CHACHA20_POLY1305)
			chacha_open_slices(ic, d, a, src, nb_src, dst, got);
		else
			gcm_open_slices(ic, d, a, src, nb_src, dst, got);
	} else if (d->aead == TLS_AEAD_AES_128_GCM) {
		IMB_AES128_GCM_DEC(ic->mgr, d->key, &ic->gcm, dst, src->p, len, a->nonce, a->aad,
			a->aad_len, got, REC_TAG_LEN);
	} else if (d->aead == TLS_AEAD_AES_256_GCM) {
		IMB_AES256_GCM_DEC(ic->mgr, d->key, &ic->gcm, dst, src->p, len, a->nonce, a->aad,
			a->aad_len, got, REC_TAG_LEN);
	} else {
		chacha_job(ic, d, a, IMB_DIR_DECRYPT, src->p, dst, len, got);
	}
	return tags_equal(got, tag);
}

const struct rec_backend rec_backend_imb = {
	.name = "ipsec-mb",
	.create = imb_create,
	.destroy = imb_destroy,
	.key_size = imb_key_size,
	.key_install = imb_key_install,
	.key_remove = imb_key_remove,
	.seal = imb_seal,
	.open = imb_open,
};
