// SPDX-License-Identifier: BSD-3-Clause
// Opening: a record is cut into header, text and tag wherever they lie, decrypted into one piece,
// and what came out is looked at.
#include <string.h>

#include "base/secret.h"
#include "tls/record_priv.h"

// Up to here pieces are copied together and opened at once; longer ones go to the cipher piece by
// piece, which costs it 40-80 cycles each.
#define GATHER_MAX 3072
#define AHEAD 4 // records that prefetching is ahead

// A record cut into what the cipher sees.
struct parts {
	const uint8_t *hdr, *tag;
	size_t len;                  // of the ciphertext
	const struct rec_slice *src; // the ciphertext
	struct rec_slice one;
	uint16_t nb_src;
};

// The same for a record in many pieces.
struct pieces {
	uint8_t hdr[TLS_REC_MAX_PREFIX];
	uint8_t tag[REC_TAG_LEN];
	uint16_t first, nb;
	struct rec_slice body[TLS_REC_MAX_SLICES];
};

// Take n bytes off the front of the slices. They are known to hold as much.
static void take_front(struct pieces *m, uint8_t *dst, size_t n)
{
	while (n) {
		struct rec_slice *s = &m->body[m->first];
		size_t part = s->len < n ? s->len : n;

		memcpy(dst, s->p, part);
		dst += part;
		n -= part;
		s->p += part;
		s->len -= (uint32_t)part;
		if (n) {
			m->first++;
			m->nb--;
		}
	}
}

static void take_back(struct pieces *m, uint8_t *end, size_t n)
{
	while (n) {
		struct rec_slice *s = &m->body[m->first + m->nb - 1];
		size_t part = s->len < n ? s->len : n;

		end -= part;
		n -= part;
		s->len -= (uint32_t)part;
		memcpy(end, s->p + s->len, part);
		if (n)
			m->nb--;
	}
}

// The length is hidden from the compiler, which makes a string instruction of a copy that it knows
// a bound of, and that takes 100 cycles longer than the library.
static inline void copy(uint8_t *dst, const uint8_t *src, size_t n)
{
	__asm__("" : "+r"(n));
	memcpy(dst, src, n);
}

static void gather(uint8_t *dst, const struct rec_slice *s, uint16_t nb)
{
	for (uint16_t i = 0; i < nb; i++) {
		copy(dst, s[i].p, s[i].len);
		dst += s[i].len;
	}
}

// RFC 8446 5.2, RFC 5246 6.2. The record is total bytes, its header at hdr.
static int check_header(const struct rec_dir *d, const uint8_t *hdr, size_t total)
{
	int want = rec_peek(d, hdr);

	if (want < 0)
		return -want;
	if ((size_t)want != total)
		return TLS_ALERT_DECODE_ERROR;
	// TLS 1.3 hides the type; TLS 1.2 has no business with ChangeCipherSpec any more.
	if (d->version == 4 ? hdr[0] != TLS_CT_APPLICATION_DATA
			    : hdr[0] == TLS_CT_CHANGE_CIPHER_SPEC)
		return TLS_ALERT_UNEXPECTED_MESSAGE;
	// RFC 8446 5.4: TLSInnerPlaintext is bounded too, content type and padding included.
	if (total - d->prefix_len - REC_TAG_LEN > TLS_REC_MAX_PLAIN + (d->version == 4 ? 1 : 0))
		return TLS_ALERT_RECORD_OVERFLOW;
	return 0;
}

// The ciphertext in one piece, at p.
static inline void set_one(struct parts *r, const uint8_t *p)
{
	r->one = (struct rec_slice){p, (uint32_t)r->len};
	r->src = &r->one;
	r->nb_src = 1;
}

static inline int cut_one(struct parts *r, const struct rec_open_op *op)
{
	const struct rec_dir *d = op->d;
	const struct rec_slice *s = op->src;

	if (s->len < (uint32_t)d->prefix_len + d->suffix_len)
		return TLS_ALERT_DECODE_ERROR;
	r->hdr = s->p;
	r->len = s->len - d->prefix_len - REC_TAG_LEN;
	set_one(r, s->p + d->prefix_len);
	r->tag = r->one.p + r->len;
	return check_header(d, r->hdr, s->len);
}

// Two pieces, the header all in the first and the tag all in the second: what most records of a
// client are whose kernel cuts the stream into segments.
static inline bool two_pieces(const struct rec_open_op *op)
{
	const struct rec_slice *s = op->src;
	size_t total = (size_t)s[0].len + s[1].len;

	return s[0].len >= op->d->prefix_len && s[1].len >= REC_TAG_LEN && total <= GATHER_MAX &&
	       total >= (size_t)op->d->prefix_len + op->d->suffix_len;
}

static inline int cut_two(struct parts *r, const struct rec_open_op *op)
{
	const struct rec_slice *s = op->src;
	uint32_t head = s[0].len - op->d->prefix_len, rest = s[1].len - REC_TAG_LEN;
	int alert = check_header(op->d, s[0].p, (size_t)s[0].len + s[1].len);

	if (alert)
		return alert;
	r->hdr = s[0].p;
	r->tag = s[1].p + rest;
	r->len = (size_t)head + rest;
	copy(op->dst, s[0].p + op->d->prefix_len, head);
	copy(op->dst + head, s[1].p, rest);
	set_one(r, op->dst);
	return 0;
}

static int cut_pieces(struct parts *r, const struct rec_open_op *op, struct pieces *m)
{
	const struct rec_dir *d = op->d;
	size_t total = 0;
	int alert;

	if (!op->nb_src || op->nb_src > TLS_REC_MAX_SLICES)
		return TLS_ALERT_DECODE_ERROR;
	for (uint16_t i = 0; i < op->nb_src; i++) {
		m->body[i] = op->src[i];
		total += op->src[i].len;
	}
	if (total < (size_t)d->prefix_len + d->suffix_len)
		return TLS_ALERT_DECODE_ERROR;
	m->first = 0;
	m->nb = op->nb_src;
	take_front(m, m->hdr, d->prefix_len);
	alert = check_header(d, m->hdr, total);
	if (alert)
		return alert;
	take_back(m, m->tag + REC_TAG_LEN, REC_TAG_LEN);
	r->hdr = m->hdr;
	r->tag = m->tag;
	r->len = total - d->prefix_len - REC_TAG_LEN;
	r->src = &m->body[m->first];
	r->nb_src = m->nb;
	if (r->len <= GATHER_MAX && m->nb > 1) {
		gather(op->dst, r->src, r->nb_src);
		set_one(r, op->dst);
	}
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
static inline int take_plaintext(struct rec_open_op *op, const struct parts *r)
{
	size_t len = r->len;

	op->type = r->hdr[0];
	if (op->d->version == 4) {
		if (len && op->dst[len - 1] == 0)
			len = unpadded_len(op->dst, len);
		if (!len)
			return TLS_ALERT_UNEXPECTED_MESSAGE;
		op->type = op->dst[--len];
	}
	if (op->type <= TLS_CT_CHANGE_CIPHER_SPEC || op->type > TLS_CT_APPLICATION_DATA ||
		(!len && op->type != TLS_CT_APPLICATION_DATA))
		return TLS_ALERT_UNEXPECTED_MESSAGE;
	op->len = (uint16_t)len;
	return 0;
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

static inline int open_one(struct rec_crypto *rc, struct rec_open_op *op)
{
	struct rec_dir *d = op->d;
	struct pieces m;
	struct parts r;
	struct rec_aead a;
	int alert;

	op->len = 0;
	op->type = 0;
	if (d->failed)
		return d->failed;
	if (op->nb_src == 1)
		alert = cut_one(&r, op);
	else
		alert = op->nb_src == 2 && two_pieces(op) ? cut_two(&r, op)
							  : cut_pieces(&r, op, &m);
	if (alert)
		return alert;
	rec_set_nonce(&a, d,
		d->prefix_len == TLS_REC_MAX_PREFIX
			? rec_explicit_nonce(d, rec_load64(r.hdr + TLS_REC_HDR_LEN))
			: __builtin_bswap64(d->seq));
	rec_set_aad(&a, d, d->seq, rec_load32(r.hdr) & 0xffffff, r.len);
	if (d->seq == UINT64_MAX || // never comes round again: RFC 8446 5.3
		!rc->backend->open(rc, d, &a, r.src, r.nb_src, r.len, op->dst, r.tag))
		alert = TLS_ALERT_BAD_RECORD_MAC;
	else
		alert = take_plaintext(op, &r);
	if (alert)
		secret_wipe(op->dst, r.len);
	else
		d->seq++;
	return alert;
}

// Of a record in many pieces the first two will do.
static inline void prefetch(
	const struct rec_crypto *rc, const struct rec_open_op *op, const struct rec_dir *before)
{
	rec_prefetch_key(rc, op->d, before, op->src[0].len);
	rec_prefetch_text(op->src[0].p, op->src[0].len);
	if (op->nb_src > 1)
		rec_prefetch_text(op->src[1].p, op->src[1].len);
}

void rec_open_burst(struct rec_crypto *rc, struct rec_open_op *ops, uint16_t n)
{
	bool handshake = false;

	for (uint16_t i = 0; i < n && i < AHEAD; i++)
		prefetch(rc, &ops[i], i ? ops[i - 1].d : NULL);
	for (uint16_t i = 0; i < n; i++) {
		struct rec_open_op *op = &ops[i];

		if (i + AHEAD < n)
			prefetch(rc, &ops[i + AHEAD], ops[i + AHEAD - 1].d);
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
