// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/record_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <nettle/nettle-meta.h>

struct rec_crypto *rec_rig[REC_RIG_MAX_BACKENDS];
unsigned int rec_rig_nb;
static uint64_t rng_state = 0x9e3779b97f4a7c15u;

uint32_t rec_rig_rnd(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (uint32_t)(rng_state >> 16);
}

void rec_rig_fill(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rec_rig_rnd();
}

void rec_rig_key(struct tls_traffic_key *k, uint16_t version, uint8_t aead)
{
	memset(k, 0, sizeof(*k));
	k->version = version;
	k->aead = aead;
	k->key_len = aead == TLS_AEAD_AES_128_GCM ? 16 : 32;
	rec_rig_fill(k->key, k->key_len);
	rec_rig_fill(k->iv, sizeof(k->iv));
	k->explicit_base = (uint64_t)rec_rig_rnd() << 33 ^ rec_rig_rnd();
}

void rec_rig_install(struct rec_crypto *rc, struct rec_rig_dir *x, const struct tls_traffic_key *k)
{
	memset(x, 0xa5, sizeof(*x));
	assert_true(rec_key_size(rc, k->aead) <= REC_KEY_SIZE_MAX);
	assert_int_equal(rec_key_install(rc, &x->d, k, x->mem), 0);
	assert_int_equal(x->d.seq, k->seq);
}

size_t rec_rig_seal(struct rec_crypto *rc, struct rec_dir *d, uint8_t *record, uint8_t type,
	const uint8_t *text, size_t len)
{
	struct rec_seal_op op = {
		.d = d, .p = record + d->prefix_len, .len = (uint16_t)len, .type = type};

	memcpy(op.p, text, len);
	rec_seal_burst(rc, &op, 1);
	return d->prefix_len + len + d->suffix_len;
}

struct rec_open_op rec_rig_open(
	struct rec_crypto *rc, struct rec_dir *d, const uint8_t *record, size_t len, uint8_t *dst)
{
	uint8_t *copy = malloc(len);
	struct rec_slice s = {copy, (uint32_t)len};
	struct rec_open_op op = {.d = d, .src = &s, .dst = dst, .nb_src = 1};

	assert_non_null(copy);
	memcpy(copy, record, len);
	rec_open_burst(rc, &op, 1);
	free(copy);
	return op;
}

static void be(uint8_t *p, uint64_t v, int n)
{
	while (n--) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

static void nettle_encrypt(const struct tls_traffic_key *k, const uint8_t *nonce,
	const uint8_t *aad, size_t aad_len, uint8_t *p, size_t len)
{
	static const struct nettle_aead *const aeads[TLS_N_AEADS] = {
		[TLS_AEAD_AES_128_GCM] = &nettle_gcm_aes128,
		[TLS_AEAD_AES_256_GCM] = &nettle_gcm_aes256,
		[TLS_AEAD_CHACHA20_POLY1305] = &nettle_chacha_poly1305,
	};
	const struct nettle_aead *a = aeads[k->aead];
	void *ctx = malloc(a->context_size);

	assert_non_null(ctx);
	assert_int_equal(a->key_size, k->key_len);
	assert_int_equal(a->nonce_size, 12);
	a->set_encrypt_key(ctx, k->key);
	a->set_nonce(ctx, nonce);
	a->update(ctx, aad_len, aad);
	a->encrypt(ctx, len, p, p);
	a->digest(ctx, 16, p + len);
	free(ctx);
}

size_t rec_rig_reference(const struct tls_traffic_key *k, uint64_t seq, uint8_t type,
	const uint8_t *text, size_t len, uint8_t *out)
{
	uint8_t nonce[12], aad[13], s[8];
	uint8_t *body = out + 5;

	be(s, seq, 8);
	memcpy(nonce, k->iv, 12);
	if (k->version == 0x0303 && k->aead != TLS_AEAD_CHACHA20_POLY1305) {
		be(body, k->explicit_base + seq, 8);
		memcpy(nonce + 4, body, 8);
		body += 8;
	} else {
		for (int i = 0; i < 8; i++)
			nonce[4 + i] ^= s[i];
	}
	memcpy(body, text, len);
	out[1] = out[2] = 3;
	if (k->version == 0x0304) {
		body[len] = type;
		out[0] = 23;
		be(out + 3, len + 17, 2);
		nettle_encrypt(k, nonce, out, 5, body, len + 1);
		return 5 + len + 17;
	}
	out[0] = type;
	be(out + 3, (uint64_t)(body - out - 5) + len + 16, 2);
	memcpy(aad, s, 8);
	memcpy(aad + 8, out, 3);
	be(aad + 11, len, 2);
	nettle_encrypt(k, nonce, aad, 13, body, len);
	return (size_t)(body - out) + len + 16;
}

void rec_rig_check(
	const struct rec_open_op *op, const uint8_t *dst, const uint8_t *text, size_t len)
{
	assert_int_equal(op->status, 0);
	assert_int_equal(op->type, TLS_CT_APPLICATION_DATA);
	assert_int_equal(op->len, len);
	assert_memory_equal(dst, text, len);
}

int rec_rig_setup(void **state)
{
	const struct rec_backend *b;

	for (unsigned int i = 0; (b = rec_backend_nth(i)) && rec_rig_nb < REC_RIG_MAX_BACKENDS;
		i++) {
		rec_rig[rec_rig_nb] = rec_crypto_create(b);
		if (rec_rig[rec_rig_nb])
			rec_rig_nb++;
		else
			print_message("backend %s does not run here\n", rec_backend_name(b));
	}
	return rec_rig_nb ? 0 : -1;
}

int rec_rig_teardown(void **state)
{
	while (rec_rig_nb)
		rec_crypto_destroy(rec_rig[--rec_rig_nb]);
	return 0;
}
