// SPDX-License-Identifier: BSD-3-Clause
#include "tls/record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/secret.h"
#include "tls/record_priv.h"

enum {
	ALERT_UNEXPECTED_MESSAGE = 10,
	ALERT_BAD_RECORD_MAC = 20,
	ALERT_RECORD_OVERFLOW = 22,
	ALERT_DECODE_ERROR = 50
};

#define EXPLICIT_NONCE_LEN 8

static_assert(sizeof(struct rec_dir) <= 64, "a direction is one cache line");
static_assert(REC_TAG_LEN + 1 == TLS_REC_MAX_SUFFIX, "tag and inner content type");
static_assert(TLS_REC_HDR_LEN + EXPLICIT_NONCE_LEN == TLS_REC_MAX_PREFIX, "longest prefix");

static inline void put_be16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be64(uint8_t *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, sizeof(v));
}

static inline uint64_t get_be64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
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
	d->explicit_base = k->explicit_base;
	d->key = mem;
	memcpy(d->iv, k->iv, sizeof(d->iv));
	d->version = k->version == 0x0304 ? 4 : 3;
	d->aead = k->aead;
	d->prefix_len = TLS_REC_HDR_LEN;
	d->suffix_len = REC_TAG_LEN;
	if (d->version == 4)
		d->suffix_len++;
	else if (d->aead != TLS_AEAD_CHACHA20_POLY1305)
		d->prefix_len += EXPLICIT_NONCE_LEN;
	d->limit = seal_limit(d);
	return 0;
}

void rec_key_remove(struct rec_crypto *rc, struct rec_dir *d)
{
	if (d->key)
		rc->backend->key_remove(d->aead, d->key);
	secret_wipe(d, sizeof(*d));
}

// The nonce of a TLS 1.3 or RFC 7905 record: IV xor sequence number.
static inline void nonce_from_seq(struct rec_aead *a, const struct rec_dir *d)
{
	memcpy(a->nonce, d->iv, 4);
	put_be64(a->nonce + 4, get_be64(d->iv + 4) ^ d->seq);
}

// RFC 5246 6.2.3.3: sequence number, type, version, length of the plaintext.
static inline void aad_12(
	struct rec_aead *a, const struct rec_dir *d, const uint8_t *hdr, size_t len)
{
	put_be64(a->aad, d->seq);
	memcpy(a->aad + 8, hdr, 3);
	put_be16(a->aad + 11, (unsigned int)len);
	a->aad_len = 13;
}

static inline void seal_one(struct rec_crypto *rc, const struct rec_seal_op *op)
{
	struct rec_dir *d = op->d;
	uint8_t *hdr = op->p - d->prefix_len;
	size_t len = op->len;
	struct rec_aead a;

	assert(len <= TLS_REC_MAX_PLAIN);
	hdr[0] = op->type;
	put_be16(hdr + 1, 0x0303);
	put_be16(hdr + 3, d->prefix_len - TLS_REC_HDR_LEN + op->len + d->suffix_len);
	if (d->version == 4) {
		hdr[0] = TLS_CT_APPLICATION_DATA;
		op->p[len++] = op->type;
		memcpy(a.aad, hdr, TLS_REC_HDR_LEN);
		a.aad_len = TLS_REC_HDR_LEN;
		nonce_from_seq(&a, d);
	} else {
		aad_12(&a, d, hdr, len);
		if (d->prefix_len == TLS_REC_MAX_PREFIX) { // RFC 5288 3
			put_be64(hdr + TLS_REC_HDR_LEN, d->explicit_base + d->seq);
			memcpy(a.nonce, d->iv, 4);
			memcpy(a.nonce + 4, hdr + TLS_REC_HDR_LEN, EXPLICIT_NONCE_LEN);
		} else {
			nonce_from_seq(&a, d);
		}
	}
	rc->backend->seal(rc, d, &a, op->p, len, op->p + len);
	d->seq++;
}

void rec_seal_burst(struct rec_crypto *rc, struct rec_seal_op *ops, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		if (i + 1 < n)
			__builtin_prefetch(ops[i + 1].d->key);
		seal_one(rc, &ops[i]);
	}
}

// A record cut into what the cipher sees.
struct rec_parts {
	uint8_t hdr[TLS_REC_MAX_PREFIX];
	uint8_t tag_buf[REC_TAG_LEN];
	const uint8_t *tag;
	size_t len;     // of the ciphertext
	uint16_t first; // its slices: body[first .. first + nb)
	uint16_t nb;
	struct rec_slice body[TLS_REC_MAX_SLICES];
};

// Take n bytes off the front of the slices. They are known to hold as much.
static void take_front(struct rec_parts *r, uint8_t *dst, size_t n)
{
	while (n) {
		struct rec_slice *s = &r->body[r->first];
		size_t part = s->len < n ? s->len : n;

		memcpy(dst, s->p, part);
		dst += part;
		n -= part;
		s->p += part;
		s->len -= (uint32_t)part;
		if (n) {
			r->first++;
			r->nb--;
		}
	}
}

static void take_back(struct rec_parts *r, uint8_t *end, size_t n)
{
	while (n) {
		struct rec_slice *s = &r->body[r->first + r->nb - 1];
		size_t part = s->len < n ? s->len : n;

		end -= part;
		n -= part;
		s->len -= (uint32_t)part;
		memcpy(end, s->p + s->len, part);
		if (n)
			r->nb--;
	}
}

static int cut_slices(struct rec_parts *r, const struct rec_open_op *op)
{
	const struct rec_dir *d = op->d;
	size_t total = 0;

	if (!op->nb_src || op->nb_src > TLS_REC_MAX_SLICES)
		return ALERT_DECODE_ERROR;
	for (uint16_t i = 0; i < op->nb_src; i++) {
		r->body[i] = op->src[i];
		total += op->src[i].len;
	}
	if (total < (size_t)d->prefix_len + d->suffix_len)
		return ALERT_DECODE_ERROR;
	r->first = 0;
	r->nb = op->nb_src;
	r->len = total - d->prefix_len - REC_TAG_LEN;
	take_front(r, r->hdr, d->prefix_len);
	take_back(r, r->tag_buf + REC_TAG_LEN, REC_TAG_LEN);
	r->tag = r->tag_buf;
	return 0;
}

// The ordinary case: the whole record in one piece.
static inline int cut_one(struct rec_parts *r, const struct rec_open_op *op)
{
	const struct rec_dir *d = op->d;
	const struct rec_slice *s = op->src;

	if (s->len < (uint32_t)d->prefix_len + d->suffix_len)
		return ALERT_DECODE_ERROR;
	memcpy(r->hdr, s->p, d->prefix_len);
	r->len = s->len - d->prefix_len - REC_TAG_LEN;
	r->body[0].p = s->p + d->prefix_len;
	r->body[0].len = (uint32_t)r->len;
	r->tag = r->body[0].p + r->len;
	r->first = 0;
	r->nb = 1;
	return 0;
}

static int check_header(const struct rec_dir *d, const struct rec_parts *r)
{
	int total = rec_peek(d, r->hdr);

	if (total < 0)
		return -total;
	if ((size_t)total != d->prefix_len + r->len + REC_TAG_LEN)
		return ALERT_DECODE_ERROR;
	// TLS 1.3 hides the type; TLS 1.2 has no business with ChangeCipherSpec any more.
	if (d->version == 4 ? r->hdr[0] != TLS_CT_APPLICATION_DATA
			    : r->hdr[0] == TLS_CT_CHANGE_CIPHER_SPEC)
		return ALERT_UNEXPECTED_MESSAGE;
	// RFC 8446 5.4: TLSInnerPlaintext is bounded too, content type and padding included.
	if (r->len > TLS_REC_MAX_PLAIN + (d->version == 4 ? 1 : 0))
		return ALERT_RECORD_OVERFLOW;
	return 0;
}

// Length of the content with its type byte, without the padding; 0 when all is zero. Whole words
// first: a peer may pad up to 16 KiB.
static size_t unpadded_len(const uint8_t *p, size_t len)
{
	uint64_t word;

	while (len >= sizeof(word)) {
		memcpy(&word, p + len - sizeof(word), sizeof(word));
		if (word)
			break;
		len -= sizeof(word);
	}
	while (len && !p[len - 1])
		len--;
	return len;
}

// What the record turned out to hold. RFC 8446 5.2 and 5.4, RFC 5246 6.2.1.
static inline int take_plaintext(struct rec_open_op *op, const struct rec_parts *r)
{
	size_t len = r->len;

	op->type = r->hdr[0];
	if (op->d->version == 4) {
		len = unpadded_len(op->dst, len);
		if (!len)
			return ALERT_UNEXPECTED_MESSAGE;
		op->type = op->dst[--len];
	}
	if (op->type <= TLS_CT_CHANGE_CIPHER_SPEC || op->type > TLS_CT_APPLICATION_DATA ||
		(!len && op->type != TLS_CT_APPLICATION_DATA))
		return ALERT_UNEXPECTED_MESSAGE;
	op->len = (uint16_t)len;
	return 0;
}

static inline int open_one(struct rec_crypto *rc, struct rec_open_op *op)
{
	struct rec_dir *d = op->d;
	struct rec_parts r;
	struct rec_aead a;
	int alert;

	op->len = 0;
	op->type = 0;
	if (d->failed)
		return d->failed;
	alert = op->nb_src == 1 ? cut_one(&r, op) : cut_slices(&r, op);
	if (!alert)
		alert = check_header(d, &r);
	if (alert)
		return alert;
	if (d->version == 4) {
		memcpy(a.aad, r.hdr, TLS_REC_HDR_LEN);
		a.aad_len = TLS_REC_HDR_LEN;
		nonce_from_seq(&a, d);
	} else {
		aad_12(&a, d, r.hdr, r.len);
		if (d->prefix_len == TLS_REC_MAX_PREFIX) {
			memcpy(a.nonce, d->iv, 4);
			memcpy(a.nonce + 4, r.hdr + TLS_REC_HDR_LEN, EXPLICIT_NONCE_LEN);
		} else {
			nonce_from_seq(&a, d);
		}
	}
	if (d->seq == UINT64_MAX || // never comes round again: RFC 8446 5.3
		!rc->backend->open(rc, d, &a, &r.body[r.first], r.nb, r.len, op->dst, r.tag))
		alert = ALERT_BAD_RECORD_MAC;
	else
		alert = take_plaintext(op, &r);
	if (alert)
		secret_wipe(op->dst, r.len);
	else
		d->seq++;
	return alert;
}

// Whether an earlier record of this burst may have changed the key of record i.
static bool behind_handshake(const struct rec_open_op *ops, uint16_t i)
{
	for (uint16_t k = 0; k < i; k++)
		if (ops[k].d == ops[i].d && (ops[k].status == TLS_REC_HELD ||
						    (!ops[k].status && ops[k].d->version == 4 &&
							    ops[k].type == TLS_CT_HANDSHAKE)))
			return true;
	return false;
}

void rec_open_burst(struct rec_crypto *rc, struct rec_open_op *ops, uint16_t n)
{
	bool handshake = false;

	for (uint16_t i = 0; i < n; i++) {
		struct rec_open_op *op = &ops[i];

		if (i + 1 < n)
			__builtin_prefetch(ops[i + 1].d->key);
		if (handshake && behind_handshake(ops, i)) {
			op->status = TLS_REC_HELD;
			op->len = 0;
			continue;
		}
		op->status = (uint8_t)open_one(rc, op);
		if (op->status)
			op->d->failed = op->status;
		else if (op->type == TLS_CT_HANDSHAKE)
			handshake = true;
	}
}
