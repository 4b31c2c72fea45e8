// SPDX-License-Identifier: BSD-3-Clause
// The bare cipher: a loop over the library's own function with one key and what TLS 1.3 puts beside
// the text (a nonce for each record, five bytes of associated data, a tag), in place, nothing else.
// What everything is compared with.
#include <string.h>

#include <openssl/evp.h>
#ifdef CULVERT_HAVE_IMB
#include <intel-ipsec-mb.h>
#endif

#include "bench/micro/micro_aead.h"

#define TAG_LEN 16
#define AAD_LEN 5

enum { LIB_IMB, LIB_EVP, N_LIBS };

static const char *const lib_names[N_LIBS] = {"ipsec-mb", "openssl"};

#ifdef CULVERT_HAVE_IMB
#define ANCHOR_LIB LIB_IMB
#else
#define ANCHOR_LIB LIB_EVP
#endif

void micro_bare_anchor(char name[MICRO_NAME_MAX], bool open, int aead, uint32_t size)
{
	snprintf(name, MICRO_NAME_MAX, "bare/%s/%s/%s/%u/1", open ? "open" : "seal",
		lib_names[ANCHOR_LIB], aead_names[aead], size);
}

const char *micro_anchor(void)
{
	static char name[MICRO_NAME_MAX];

	micro_bare_anchor(name, false, TLS_AEAD_AES_256_GCM, MICRO_ANCHOR_SIZE);
	return name;
}

struct bare_state {
	struct aead_bufs b;
	enum tls_aead aead;
	bool open;
	uint32_t keys, at;
	uint64_t seq;
	alignas(16) uint8_t nonce[16], aad[16], tag[16];
#ifdef CULVERT_HAVE_IMB
	IMB_MGR *mgr;
	struct gcm_context_data gcm __attribute__((aligned(64)));
	struct gcm_key_data *key;
	uint8_t chacha_key[32];
#endif
	EVP_CIPHER *cipher;
	EVP_CIPHER_CTX **ctx;
};

static void bare_teardown(void *state)
{
	struct bare_state *s = state;

#ifdef CULVERT_HAVE_IMB
	if (s->mgr)
		free_mb_mgr(s->mgr);
	micro_free(s->key);
#endif
	for (uint32_t i = 0; s->ctx && i < s->keys; i++)
		EVP_CIPHER_CTX_free(s->ctx[i]);
	EVP_CIPHER_free(s->cipher);
	micro_free(s->ctx);
	aead_bufs_free(&s->b);
	micro_free(s);
}

static struct bare_state *bare_state(const struct micro_case *c)
{
	struct bare_state *s = micro_alloc(sizeof(*s));

	if (!s || aead_bufs_init(&s->b, c)) {
		micro_free(s);
		return NULL;
	}
	s->aead = (enum tls_aead)c->arg[AEAD_ARG_AEAD];
	s->open = c->arg[AEAD_ARG_OPEN];
	s->keys = (uint32_t)c->arg[AEAD_ARG_KEYS];
	return s;
}

static void bare_prepare(void *state, unsigned int phase)
{
	struct bare_state *s = state;

	aead_bufs_chill(&s->b);
}

static inline void next_nonce(struct bare_state *s)
{
	uint64_t x = s->seq++;

	memcpy(s->nonce, &x, sizeof(x));
}

static inline uint32_t next_key(struct bare_state *s)
{
	uint32_t k = s->at++;

	if (s->at == s->keys)
		s->at = 0;
	return k;
}

// ---- ipsec-mb

#ifdef CULVERT_HAVE_IMB
static void *imb_setup(const struct micro_case *c, char *why, size_t cap)
{
	static const uint8_t key[32] = {0x42};
	struct bare_state *s = bare_state(c);

	snprintf(why, cap, "no memory");
	if (!s)
		return NULL;
	s->mgr = alloc_mb_mgr(0);
	s->key = micro_alloc(s->keys * sizeof(*s->key));
	if (!s->mgr || !s->key) {
		bare_teardown(s);
		return NULL;
	}
	init_mb_mgr_auto(s->mgr, NULL);
	for (uint32_t i = 0; i < s->keys; i++)
		if (s->aead == TLS_AEAD_AES_128_GCM)
			IMB_AES128_GCM_PRE(s->mgr, key, &s->key[i]);
		else
			IMB_AES256_GCM_PRE(s->mgr, key, &s->key[i]);
	return s;
}

static void imb_gcm_run(void *state, unsigned int phase)
{
	struct bare_state *s = state;
	aes_gcm_enc_dec_t fn;

	if (s->aead == TLS_AEAD_AES_128_GCM)
		fn = s->open ? s->mgr->gcm128_dec : s->mgr->gcm128_enc;
	else
		fn = s->open ? s->mgr->gcm256_dec : s->mgr->gcm256_enc;
	for (uint32_t i = 0; i < s->b.n; i++) {
		uint8_t *p = s->b.p + (size_t)i * s->b.stride;

		next_nonce(s);
		fn(&s->key[next_key(s)], &s->gcm, p, p, s->b.len, s->nonce, s->aad, AAD_LEN,
			s->open ? s->tag : p + s->b.len, TAG_LEN);
	}
}

static void imb_chacha_run(void *state, unsigned int phase)
{
	struct bare_state *s = state;

	for (uint32_t i = 0; i < s->b.n; i++) {
		uint8_t *p = s->b.p + (size_t)i * s->b.stride;
		IMB_JOB *job = IMB_GET_NEXT_JOB(s->mgr);

		next_nonce(s);
		job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
		job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
		job->cipher_direction = s->open ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT;
		job->chain_order = s->open ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
		job->enc_keys = job->dec_keys = &s->key[next_key(s)];
		job->key_len_in_bytes = 32;
		job->src = p;
		job->dst = p;
		job->cipher_start_src_offset_in_bytes = 0;
		job->hash_start_src_offset_in_bytes = 0;
		job->msg_len_to_cipher_in_bytes = s->b.len;
		job->msg_len_to_hash_in_bytes = s->b.len;
		job->iv = s->nonce;
		job->iv_len_in_bytes = 12;
		job->u.CHACHA20_POLY1305.aad = s->aad;
		job->u.CHACHA20_POLY1305.aad_len_in_bytes = AAD_LEN;
		job->auth_tag_output = s->open ? s->tag : p + s->b.len;
		job->auth_tag_output_len_in_bytes = TAG_LEN;
		job = IMB_SUBMIT_JOB_NOCHECK(s->mgr);
		while (!job)
			job = IMB_FLUSH_JOB(s->mgr);
	}
}
#else
static void *imb_setup(const struct micro_case *c, char *why, size_t cap)
{
	snprintf(why, cap, "built without ipsec-mb");
	return NULL;
}

static void imb_gcm_run(void *state, unsigned int phase)
{
}

#define imb_chacha_run imb_gcm_run
#endif

static const struct micro_ops imb_gcm_ops = {
	.setup = imb_setup, .prepare = bare_prepare, .run = imb_gcm_run, .teardown = bare_teardown};
static const struct micro_ops imb_chacha_ops = {.setup = imb_setup,
	.prepare = bare_prepare,
	.run = imb_chacha_run,
	.teardown = bare_teardown};

// ---- OpenSSL

static void *evp_setup(const struct micro_case *c, char *why, size_t cap)
{
	static const char *const names[TLS_N_AEADS] = {
		"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"};
	static const uint8_t key[32] = {0x42};
	struct bare_state *s = bare_state(c);

	snprintf(why, cap, "OpenSSL refuses");
	if (!s)
		return NULL;
	s->cipher = EVP_CIPHER_fetch(NULL, names[s->aead], NULL);
	s->ctx = micro_alloc(s->keys * sizeof(*s->ctx));
	for (uint32_t i = 0; s->cipher && s->ctx && i < s->keys; i++) {
		s->ctx[i] = EVP_CIPHER_CTX_new();
		if (!s->ctx[i] ||
			!EVP_CipherInit_ex(s->ctx[i], s->cipher, NULL, key, s->nonce, !s->open))
			break;
		if (i + 1 == s->keys)
			return s;
	}
	bare_teardown(s);
	return NULL;
}

static void evp_run(void *state, unsigned int phase)
{
	struct bare_state *s = state;
	int n;

	for (uint32_t i = 0; i < s->b.n; i++) {
		uint8_t *p = s->b.p + (size_t)i * s->b.stride;
		EVP_CIPHER_CTX *ctx = s->ctx[next_key(s)];

		next_nonce(s);
		EVP_CipherInit_ex(ctx, NULL, NULL, NULL, s->nonce, -1);
		EVP_CipherUpdate(ctx, NULL, &n, s->aad, AAD_LEN);
		if (s->open) // the tag is wrong; checking it costs the same
			EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, s->tag);
		EVP_CipherUpdate(ctx, p, &n, p, (int)s->b.len);
		EVP_CipherFinal_ex(ctx, p + s->b.len, &n);
		if (!s->open)
			EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, p + s->b.len);
	}
}

static const struct micro_ops evp_ops = {
	.setup = evp_setup, .prepare = bare_prepare, .run = evp_run, .teardown = bare_teardown};

// ---- the list

static void add(
	struct micro_suite *s, int lib, int aead, uint32_t size, bool open, int64_t keys, bool cold)
{
	const struct micro_ops *ops = lib == LIB_EVP                       ? &evp_ops
				      : aead == TLS_AEAD_CHACHA20_POLY1305 ? &imb_chacha_ops
									   : &imb_gcm_ops;
	struct micro_case *c =
		micro_add(s, ops, "record", "bare/%s/%s/%s/%u/%d%s", open ? "open" : "seal",
			lib_names[lib], aead_names[aead], size, (int)keys, cold ? "/cold" : "");

	c->batch = aead_batch(size);
	c->bytes = size;
	c->arg[AEAD_ARG_AEAD] = aead;
	c->arg[AEAD_ARG_OPEN] = open;
	c->arg[AEAD_ARG_KEYS] = keys;
	c->arg[AEAD_ARG_COLD] = cold;
	micro_bare_anchor(c->anchor, open, aead, size);
}

void micro_bare_cases(struct micro_suite *s)
{
	static const int64_t keys[] = {1, 64, 10000};

	for (int lib = 0; lib < N_LIBS; lib++)
		for (int aead = 0; aead < TLS_N_AEADS; aead++)
			for (unsigned int i = 0; i < aead_nb_sizes; i++)
				for (int open = 0; open < 2; open++) {
					for (size_t k = 0; k < RTE_DIM(keys); k++)
						add(s, lib, aead, aead_sizes[i], open, keys[k],
							false);
					add(s, lib, aead, aead_sizes[i], open, 1, true);
				}
}
