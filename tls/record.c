// SPDX-License-Identifier: BSD-3-Clause
// Keys and sealing; record_open.c opens.
#include "tls/record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/secret.h"
#include "tls/record_priv.h"

#define EXPLICIT_NONCE_LEN 8
#define CHUNK 16 // records
#define AHEAD 8  // records that prefetching is ahead

static_assert(sizeof(struct rec_dir) == 40, "a direction, with its counts, is one cache line");
static_assert(REC_TAG_LEN + 1 == TLS_REC_MAX_SUFFIX, "tag and inner content type");
static_assert(TLS_REC_HDR_LEN + EXPLICIT_NONCE_LEN == TLS_REC_MAX_PREFIX, "longest prefix");

static inline void put_be16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

struct rec_crypto *rec_crypto_create(const struct rec_backend *b)
{
	if (!b) {
		errno = EINVAL;
		return NULL;
	}
	return b->create();
}

void rec_crypto_destroy(struct rec_crypto *rc)
{
	if (rc)
		rc->backend->destroy(rc);
}

size_t rec_key_size(const struct rec_crypto *rc, enum tls_aead aead)
{
	return rc->backend->key_size(aead);
}

static uint64_t seal_limit(const struct rec_dir *d)
{
	if (d->aead == TLS_AEAD_CHACHA20_POLY1305)
		return UINT64_C(1) << 62;
	return d->version == 4 ? 23726566 : UINT64_C(1) << 36;
}

int rec_key_install(
	struct rec_crypto *rc, struct rec_dir *d, const struct tls_traffic_key *k, void *mem)
{
	static const uint8_t key_lens[TLS_N_AEADS] = {16, 32, 32};
	int err;

	if ((k->version != 0x0303 && k->version != 0x0304) || k->aead >= TLS_N_AEADS ||
		k->key_len != key_lens[k->aead])
		return -EINVAL;
	err = rc->backend->key_install(rc, k->aead, k->key, mem);
	if (err)
		return err;
	memset(d, 0, sizeof(*d));
	d->seq = k->seq;
	d->key = mem;
	d->version = k->version == 0x0304 ? 4 : 3;
	d->aead = k->aead;
	d->prefix_len = TLS_REC_HDR_LEN;
	d->suffix_len = REC_TAG_LEN;
	memcpy(d->iv, k->iv, sizeof(d->iv));
	if (d->version == 4) {
		d->suffix_len++;
	} else if (d->aead != TLS_AEAD_CHACHA20_POLY1305) {
		d->prefix_len += EXPLICIT_NONCE_LEN;
		rec_put_be64(d->iv + GCM_SALT_LEN, k->explicit_base);
	}
	d->limit = seal_limit(d);
	return 0;
}

void rec_key_remove(struct rec_crypto *rc, struct rec_dir *d)
{
	if (d->key)
		rc->backend->key_remove(d->aead, d->key);
	secret_wipe(d, sizeof(*d));
}

// A record between its two turns.
struct sealing {
	struct rec_aead a;
	size_t len; // of what is encrypted
};

static inline void seal_prepare(struct sealing *s, const struct rec_seal_op *op)
{
	struct rec_dir *d = op->d;
	uint8_t *hdr = op->p - d->prefix_len;
	uint64_t nonce = __builtin_bswap64(d->seq);

	assert(op->len <= TLS_REC_MAX_PLAIN);
	s->len = op->len;
	hdr[0] = op->type;
	put_be16(hdr + 1, 0x0303);
	put_be16(hdr + 3, d->prefix_len - TLS_REC_HDR_LEN + op->len + d->suffix_len);
	if (d->version == 4) {
		hdr[0] = TLS_CT_APPLICATION_DATA;
		op->p[s->len++] = op->type;
	} else if (d->prefix_len == TLS_REC_MAX_PREFIX) {
		nonce = __builtin_bswap64(rec_get_be64(d->iv + GCM_SALT_LEN) + d->seq);
		memcpy(hdr + TLS_REC_HDR_LEN, &nonce, sizeof(nonce));
		nonce = rec_explicit_nonce(d, nonce);
	}
	rec_set_nonce(&s->a, d, nonce);
	rec_set_aad(&s->a, d, d->seq, 0x030300 | (uint32_t)hdr[0], s->len);
	d->seq++;
}

static inline void prefetch(
	const struct rec_crypto *rc, const struct rec_seal_op *op, const struct rec_dir *before)
{
	rec_prefetch_key(rc, op->d, before, op->len);
	rec_prefetch_text(op->p, op->len);
}

// end: of the burst. What comes first in the next chunk is fetched from this one.
static void seal_chunk(struct rec_crypto *rc, const struct rec_seal_op *ops, uint16_t n,
	const struct rec_seal_op *end)
{
	struct sealing s[CHUNK];

	for (uint16_t i = 0; i < n; i++)
		seal_prepare(&s[i], &ops[i]);
	for (uint16_t i = 0; i < n; i++) {
		if (ops + i + AHEAD < end)
			prefetch(rc, &ops[i + AHEAD], ops[i + AHEAD - 1].d);
		rc->backend->seal(rc, ops[i].d, &s[i].a, ops[i].p, s[i].len, ops[i].p + s[i].len);
	}
}

// In two turns, since a cipher that loads a record's end at once would have to wait for the byte
// that was just put there.
void rec_seal_burst(struct rec_crypto *rc, struct rec_seal_op *ops, uint16_t n)
{
	for (uint16_t i = 0; i < n && i < AHEAD; i++)
		prefetch(rc, &ops[i], i ? ops[i - 1].d : NULL);
	for (uint16_t at = 0; at < n; at += CHUNK)
		seal_chunk(rc, ops + at, n - at < CHUNK ? (uint16_t)(n - at) : CHUNK, ops + n);
}
