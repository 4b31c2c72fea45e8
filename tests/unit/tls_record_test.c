// SPDX-License-Identifier: BSD-3-Clause
// Record protection: published vectors, another implementation (nettle), every backend against
// every other, and everything that must be refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <nettle/chacha-poly1305.h>
#include <nettle/gcm.h>

#include "tls/record.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define LENGTH_STEP 13
#else
#define LENGTH_STEP 1
#endif

#define RECORD_MAX (TLS_REC_MAX_PREFIX + TLS_REC_MAX_PLAIN + TLS_REC_MAX_SUFFIX)
#define MAX_BACKENDS 4

struct dir {
	struct rec_dir d;
	_Alignas(REC_KEY_ALIGN) uint8_t mem[REC_KEY_SIZE_MAX];
};

static struct rec_crypto *crypto[MAX_BACKENDS];
static unsigned int nb_crypto;
static uint64_t rng_state = 0x9e3779b97f4a7c15u;

static uint32_t rnd(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (uint32_t)(rng_state >> 16);
}

static void fill_random(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rnd();
}

static void random_key(struct tls_traffic_key *k, uint16_t version, uint8_t aead)
{
	memset(k, 0, sizeof(*k));
	k->version = version;
	k->aead = aead;
	k->key_len = aead == TLS_AEAD_AES_128_GCM ? 16 : 32;
	fill_random(k->key, k->key_len);
	fill_random(k->iv, sizeof(k->iv));
	k->explicit_base = (uint64_t)rnd() << 33 ^ rnd();
}

static void install(struct rec_crypto *rc, struct dir *x, const struct tls_traffic_key *k)
{
	memset(x, 0xa5, sizeof(*x));
	assert_true(rec_key_size(rc, k->aead) <= REC_KEY_SIZE_MAX);
	assert_int_equal(rec_key_install(rc, &x->d, k, x->mem), 0);
	assert_int_equal(x->d.seq, k->seq);
}

static size_t seal(struct rec_crypto *rc, struct rec_dir *d, uint8_t *record, uint8_t type,
	const uint8_t *text, size_t len)
{
	struct rec_seal_op op = {
		.d = d, .p = record + d->prefix_len, .len = (uint16_t)len, .type = type};

	memcpy(op.p, text, len);
	rec_seal_burst(rc, &op, 1);
	return d->prefix_len + len + d->suffix_len;
}

// Open a copy of record as one slice, exactly as long as it is.
static struct rec_open_op open_copy(
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

static size_t unhex(uint8_t *dst, const char *hex)
{
	size_t n = 0;
	unsigned int v;

	while (sscanf(hex, " %2x", &v) == 1) {
		dst[n++] = (uint8_t)v;
		while (*hex == ' ')
			hex++;
		hex += 2;
	}
	return n;
}

// RFC 8448 3: the client's and the server's application data, and the client's alert.
static void rfc8448_records(void **state)
{
	static const struct {
		const char *key, *iv;
		uint64_t seq;
		uint8_t type;
		size_t len;
		const char *record;
	} v[] = {
		{"17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9", 0,
			TLS_CT_APPLICATION_DATA, 50,
			"1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5"
			"b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4"},
		{"17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9", 1, TLS_CT_ALERT, 2,
			"1703030013c9872760655666b74d7ff1153efd6db6d0b0e3"},
		{"9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984", 1,
			TLS_CT_APPLICATION_DATA, 50,
			"17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d"
			"90e6dffc602dcb501a59a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d"},
	};
	uint8_t want[128], got[128], text[64], out[128];

	for (unsigned int b = 0; b < nb_crypto; b++)
		for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
			struct tls_traffic_key k = {.version = 0x0304,
				.aead = TLS_AEAD_AES_128_GCM,
				.key_len = 16,
				.seq = v[i].seq};
			size_t n = unhex(want, v[i].record);
			struct rec_open_op op;
			struct dir tx, rx;

			assert_int_equal(unhex(k.key, v[i].key), 16);
			assert_int_equal(unhex(k.iv, v[i].iv), 12);
			for (size_t c = 0; c < v[i].len; c++)
				text[c] = (uint8_t)c; // the alert is 01 00, see below
			if (v[i].type == TLS_CT_ALERT)
				memcpy(text, "\x01\x00", 2);
			install(crypto[b], &tx, &k);
			install(crypto[b], &rx, &k);
			assert_int_equal(seal(crypto[b], &tx.d, got, v[i].type, text, v[i].len), n);
			assert_memory_equal(got, want, n);
			op = open_copy(crypto[b], &rx.d, want, n, out);
			assert_int_equal(op.status, 0);
			assert_int_equal(op.type, v[i].type);
			assert_int_equal(op.len, v[i].len);
			assert_memory_equal(out, text, v[i].len);
			rec_key_remove(crypto[b], &tx.d);
			rec_key_remove(crypto[b], &rx.d);
		}
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
	if (k->aead == TLS_AEAD_AES_128_GCM) {
		struct gcm_aes128_ctx c;

		gcm_aes128_set_key(&c, k->key);
		gcm_aes128_set_iv(&c, 12, nonce);
		gcm_aes128_update(&c, aad_len, aad);
		gcm_aes128_encrypt(&c, len, p, p);
		gcm_aes128_digest(&c, 16, p + len);
	} else if (k->aead == TLS_AEAD_AES_256_GCM) {
		struct gcm_aes256_ctx c;

		gcm_aes256_set_key(&c, k->key);
		gcm_aes256_set_iv(&c, 12, nonce);
		gcm_aes256_update(&c, aad_len, aad);
		gcm_aes256_encrypt(&c, len, p, p);
		gcm_aes256_digest(&c, 16, p + len);
	} else {
		struct chacha_poly1305_ctx c;

		chacha_poly1305_set_key(&c, k->key);
		chacha_poly1305_set_nonce(&c, nonce);
		chacha_poly1305_update(&c, aad_len, aad);
		chacha_poly1305_encrypt(&c, len, p, p);
		chacha_poly1305_digest(&c, 16, p + len);
	}
}

// The record as the RFCs write it down, by other code than record.c's.
static size_t reference_record(const struct tls_traffic_key *k, uint64_t seq, uint8_t type,
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

#define FOR_EACH_CIPHER(version, aead)                                \
	for (uint16_t version = 0x0303; version <= 0x0304; version++) \
		for (uint8_t aead = 0; aead < TLS_N_AEADS; aead++)

static void records_equal_nettle(void **state)
{
	static const uint64_t seqs[] = {0, 1, 255, 0x1234567890abu, UINT64_MAX - 2};
	static const uint16_t lens[] = {0, 1, 2, 15, 16, 17, 31, 48, 63, 64, 65, 127, 128, 129, 255,
		256, 257, 511, 512, 513, 1420, 4095, 4096, 16383, 16384};
	uint8_t *text = malloc(RECORD_MAX), *want = malloc(RECORD_MAX), *got = malloc(RECORD_MAX);

	fill_random(text, RECORD_MAX);
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < nb_crypto; b++)
		for (size_t s = 0; s < sizeof(seqs) / sizeof(seqs[0]); s++)
			for (size_t l = 0; l < sizeof(lens) / sizeof(lens[0]); l++) {
				struct tls_traffic_key k;
				struct dir tx;
				size_t n;

				random_key(&k, version, aead);
				k.seq = seqs[s];
				install(crypto[b], &tx, &k);
				n = reference_record(
					&k, k.seq, TLS_CT_APPLICATION_DATA, text, lens[l], want);
				assert_int_equal(seal(crypto[b], &tx.d, got,
							 TLS_CT_APPLICATION_DATA, text, lens[l]),
					n);
				assert_memory_equal(got, want, n);
				assert_int_equal(tx.d.seq, seqs[s] + 1);
				rec_key_remove(crypto[b], &tx.d);
			}
	free(text);
	free(want);
	free(got);
}

// Cut n bytes at random into at most TLS_REC_MAX_SLICES slices, each in memory of its own so that
// a sanitizer sees a byte too many; some may be empty.
static uint16_t cut_randomly(struct rec_slice *s, uint8_t **mem, const uint8_t *record, size_t n)
{
	uint16_t want = (uint16_t)(1 + rnd() % TLS_REC_MAX_SLICES), nb = 0;
	size_t at = 0;

	while (nb < want) {
		size_t part = n - at;

		if (nb + 1 < want)
			part = rnd() % 3 ? rnd() % (2 * n / want + 2) : rnd() % 4;
		if (part > n - at)
			part = n - at;
		mem[nb] = malloc(part ? part : 1);
		memcpy(mem[nb], record + at, part);
		s[nb] = (struct rec_slice){mem[nb], (uint32_t)part};
		at += part;
		nb++;
	}
	return nb;
}

static void check_opened(
	const struct rec_open_op *op, const uint8_t *dst, const uint8_t *text, size_t len)
{
	assert_int_equal(op->status, 0);
	assert_int_equal(op->type, TLS_CT_APPLICATION_DATA);
	assert_int_equal(op->len, len);
	assert_memory_equal(dst, text, len);
}

// One record of each length, sealed by one backend and opened by another: out of place from random
// slices when the length is odd, else in place.
static void lengths_between(struct rec_crypto *a, struct rec_crypto *b, uint16_t version,
	uint8_t aead, const uint8_t *text, uint8_t *record, uint8_t *dst)
{
	struct tls_traffic_key k;
	struct dir tx, rx;

	random_key(&k, version, aead);
	k.seq = rnd();
	install(a, &tx, &k);
	install(b, &rx, &k);
	for (size_t len = 0; len <= TLS_REC_MAX_PLAIN;
		len += len < 600 || len > 16200 ? 1 : LENGTH_STEP) {
		size_t n = tx.d.prefix_len + len + tx.d.suffix_len;
		uint8_t canary[16];
		struct rec_slice s[TLS_REC_MAX_SLICES] = {{record, (uint32_t)n}};
		struct rec_open_op op = {.d = &rx.d, .src = s, .nb_src = 1};
		uint8_t *mem[TLS_REC_MAX_SLICES];

		memset(canary, 0xc5, sizeof(canary));
		memcpy(record + n, canary, sizeof(canary));
		memcpy(dst + n, canary, sizeof(canary));
		assert_int_equal(seal(a, &tx.d, record, TLS_CT_APPLICATION_DATA, text, len), n);
		assert_int_equal(rec_peek(&rx.d, record), n);
		if (len % 2) {
			op.nb_src = cut_randomly(s, mem, record, n);
			op.dst = dst;
			rec_open_burst(b, &op, 1);
			for (uint16_t i = 0; i < op.nb_src; i++)
				free(mem[i]);
		} else {
			op.dst = record + rx.d.prefix_len;
			rec_open_burst(b, &op, 1);
		}
		check_opened(&op, op.dst, text, len);
		assert_memory_equal(record + n, canary, sizeof(canary));
		assert_memory_equal(dst + n, canary, sizeof(canary));
	}
	assert_int_equal(tx.d.seq, rx.d.seq);
	rec_key_remove(a, &tx.d);
	rec_key_remove(b, &rx.d);
}

static void every_length_between_backends(void **state)
{
	uint8_t *text = malloc(RECORD_MAX), *record = malloc(RECORD_MAX + 16),
		*dst = malloc(RECORD_MAX + 16);

	fill_random(text, RECORD_MAX);
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int a = 0; a < nb_crypto; a++)
		for (unsigned int b = 0; b < nb_crypto; b++)
			lengths_between(crypto[a], crypto[b], version, aead, text, record, dst);
	free(text);
	free(record);
	free(dst);
}

// Vector code touches nothing outside: records and slices that end where the memory ends, and ones
// that begin where it begins. (The sanitizers do not see into the ciphers.)
static void nothing_is_touched_outside(void **state)
{
	long page = sysconf(_SC_PAGESIZE);
	uint8_t *map[3], text[1500];

	fill_random(text, sizeof(text));
	for (int i = 0; i < 3; i++) {
		map[i] =
			mmap(NULL, 3 * (size_t)page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_ptr_not_equal(map[i], MAP_FAILED);
		map[i] += page;
		assert_int_equal(mprotect(map[i], (size_t)page, PROT_READ | PROT_WRITE), 0);
	}
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < nb_crypto; b++) {
		struct tls_traffic_key k;
		struct dir tx, rx;

		random_key(&k, version, aead);
		install(crypto[b], &tx, &k);
		install(crypto[b], &rx, &k);
		for (size_t len = 0; len < 1500; len += len < 300 ? 1 : 37)
			for (int end = 0; end < 2; end++) {
				size_t n = tx.d.prefix_len + len + tx.d.suffix_len, cut = n / 2;
				uint8_t *at[3];
				struct rec_slice sl[2];
				struct rec_open_op op = {.d = &rx.d, .src = sl, .nb_src = 2};

				for (int i = 0; i < 3; i++)
					at[i] = map[i] + (end ? (size_t)page - n : 0);
				seal(crypto[b], &tx.d, at[0], 23, text, len);
				// Two slices, the second or the first against the edge.
				sl[0] = (struct rec_slice){at[0], (uint32_t)cut};
				sl[1] = (struct rec_slice){at[0] + cut, (uint32_t)(n - cut)};
				if (!end) {
					uint8_t *first = map[1] + page - cut;

					memcpy(first, at[0], cut);
					sl[0].p = first;
				}
				op.dst = at[2];
				rec_open_burst(crypto[b], &op, 1);
				check_opened(&op, op.dst, text, len);
				// Once more in one piece and in place.
				rx.d.seq--;
				op.nb_src = 1;
				sl[0] = (struct rec_slice){at[0], (uint32_t)n};
				op.dst = at[0] + rx.d.prefix_len;
				rec_open_burst(crypto[b], &op, 1);
				check_opened(&op, op.dst, text, len);
			}
		rec_key_remove(crypto[b], &tx.d);
		rec_key_remove(crypto[b], &rx.d);
	}
	for (int i = 0; i < 3; i++)
		munmap(map[i] - page, 3 * (size_t)page);
}

// Slices of every small record cut at every place into two and, for a few, byte by byte.
static void every_cut(void **state)
{
	uint8_t text[40], record[128], dst[128];

	fill_random(text, sizeof(text));
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < nb_crypto; b++) {
		struct tls_traffic_key k;
		struct dir tx, rx;

		random_key(&k, version, aead);
		install(crypto[b], &tx, &k);
		install(crypto[b], &rx, &k);
		for (size_t len = 0; len < sizeof(text); len++) {
			size_t n = 64;

			for (size_t cut = 0; cut <= n; cut++) {
				struct rec_slice s[2];
				struct rec_open_op op = {
					.d = &rx.d, .src = s, .nb_src = 2, .dst = dst};

				n = seal(crypto[b], &tx.d, record, 23, text, len);
				if (cut > n)
					cut = n;
				s[0] = (struct rec_slice){record, (uint32_t)cut};
				s[1] = (struct rec_slice){record + cut, (uint32_t)(n - cut)};
				rec_open_burst(crypto[b], &op, 1);
				check_opened(&op, dst, text, len);
			}
		}
		rec_key_remove(crypto[b], &tx.d);
		rec_key_remove(crypto[b], &rx.d);
	}
}

static void byte_by_byte(void **state)
{
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < nb_crypto; b++) {
		uint8_t record[TLS_REC_MAX_SLICES], dst[64];
		struct rec_slice s[TLS_REC_MAX_SLICES];
		struct rec_open_op op = {.src = s, .dst = dst};
		struct tls_traffic_key k;
		struct dir tx, rx;
		size_t n;

		random_key(&k, version, aead);
		install(crypto[b], &tx, &k);
		install(crypto[b], &rx, &k);
		n = seal(crypto[b], &tx.d, record, 23, (const uint8_t *)"seventeen bytes!!", 17);
		for (size_t i = 0; i < n; i++)
			s[i] = (struct rec_slice){record + i, 1};
		op.d = &rx.d;
		op.nb_src = (uint16_t)n;
		rec_open_burst(crypto[b], &op, 1);
		check_opened(&op, dst, (const uint8_t *)"seventeen bytes!!", 17);
		rec_key_remove(crypto[b], &tx.d);
		rec_key_remove(crypto[b], &rx.d);
	}
}

// What a flipped bit must be answered with: bad_record_mac, but in the header what the header then
// says is wrong with it.
static void expect_flip_alert(const struct rec_open_op *op, size_t byte)
{
	if (byte >= TLS_REC_HDR_LEN)
		assert_int_equal(op->status, 20);
	else
		assert_true(op->status == 10 || op->status == 20 || op->status == 22 ||
			    op->status == 50);
}

static void flip_every_bit(struct rec_crypto *rc, const struct tls_traffic_key *k, size_t len)
{
	uint8_t text[256], record[320], dst[320];
	struct dir tx, rx;
	size_t n;

	fill_random(text, len);
	install(rc, &tx, k);
	n = seal(rc, &tx.d, record, TLS_CT_APPLICATION_DATA, text, len);
	rec_key_remove(rc, &tx.d);
	for (size_t bit = 0; bit < 8 * n; bit++) {
		struct rec_open_op op;

		install(rc, &rx, k);
		memset(dst, 0xee, sizeof(dst));
		record[bit / 8] ^= (uint8_t)(1 << bit % 8);
		op = open_copy(rc, &rx.d, record, n, dst);
		record[bit / 8] ^= (uint8_t)(1 << bit % 8);
		expect_flip_alert(&op, bit / 8);
		assert_int_equal(op.len, 0);
		assert_int_equal(rx.d.seq, k->seq);
		for (size_t i = 0; i + 15 < len; i++) // nothing of the text came through
			assert_memory_not_equal(dst + i, text, 16);
		// The direction is dead, even for the genuine record.
		assert_int_equal(open_copy(rc, &rx.d, record, n, dst).status, op.status);
		rec_key_remove(rc, &rx.d);
	}
}

static void flipped_bits_are_refused(void **state)
{
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < nb_crypto; b++) {
		struct tls_traffic_key k;

		random_key(&k, version, aead);
		k.seq = rnd();
		flip_every_bit(crypto[b], &k, 0);
		flip_every_bit(crypto[b], &k, 19);
		flip_every_bit(crypto[b], &k, 200);
	}
}

// A forged tag must leave no plaintext in dst, from one piece, from slices and in place.
static void plaintext_is_wiped(void **state)
{
	uint8_t text[1500], record[1600], dst[1600], zero[1600] = {0};

	memset(text, 0x77, sizeof(text));
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < nb_crypto; b++)
		for (int how = 0; how < 3; how++) {
			struct rec_slice s[2];
			struct rec_open_op op = {.src = s, .nb_src = how == 1 ? 2 : 1, .dst = dst};
			struct tls_traffic_key k;
			struct dir tx, rx;
			size_t n, cut = how == 1 ? 700 : 0;

			random_key(&k, version, aead);
			install(crypto[b], &tx, &k);
			install(crypto[b], &rx, &k);
			n = seal(crypto[b], &tx.d, record, 23, text, sizeof(text));
			record[n - 1] ^= 1;
			s[0] = (struct rec_slice){record, (uint32_t)(cut ? cut : n)};
			s[1] = (struct rec_slice){record + cut, (uint32_t)(n - cut)};
			if (how == 2)
				op.dst = record + rx.d.prefix_len;
			op.d = &rx.d;
			memset(dst, 0xee, sizeof(dst));
			rec_open_burst(crypto[b], &op, 1);
			assert_int_equal(op.status, 20);
			assert_memory_equal(op.dst, zero, sizeof(text));
			rec_key_remove(crypto[b], &tx.d);
			rec_key_remove(crypto[b], &rx.d);
		}
}

// Seal an inner plaintext as it is, content type and padding included: the last byte goes in as
// the "type".
static size_t seal_inner(
	struct rec_crypto *rc, struct rec_dir *d, uint8_t *record, const uint8_t *inner, size_t len)
{
	return seal(rc, d, record, inner[len - 1], inner, len - 1);
}

struct inner_case {
	size_t content, padding;
	uint8_t type, status;
};

static void inner_plaintexts(void **state)
{
	static const struct inner_case cases[] = {
		{5, 0, 23, 0},
		{5, 1, 23, 0},
		{5, 7, 23, 0},
		{5, 8, 23, 0},
		{5, 9, 23, 0},
		{0, 0, 23, 0},
		{0, 100, 23, 0},
		{100, 16283, 23, 0},
		{0, 16384, 23, 0},
		{16384, 0, 23, 0},
		{4, 3, 22, 0},
		{2, 0, 21, 0},
		{0, 0, 22, 10},
		{0, 0, 21, 10},
		{0, 8, 22, 10},
		{1, 0, 20, 10},
		{1, 0, 24, 10},
		{1, 0, 1, 10},
		{1, 3, 255, 10},
		{0, 0, 0, 10},
		{0, 5, 0, 10},
		{0, 16383, 0, 10},
	};
	uint8_t *inner = malloc(RECORD_MAX), *record = malloc(RECORD_MAX),
		*dst = malloc(RECORD_MAX);

	for (unsigned int b = 0; b < nb_crypto; b++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			const struct inner_case *c = &cases[i];
			struct tls_traffic_key k;
			struct rec_open_op op;
			struct dir tx, rx;
			size_t n;

			random_key(&k, 0x0304, (uint8_t)(i % TLS_N_AEADS));
			install(crypto[b], &tx, &k);
			install(crypto[b], &rx, &k);
			memset(inner, 0, RECORD_MAX);
			fill_random(inner, c->content);
			inner[c->content] = c->type;
			n = seal_inner(
				crypto[b], &tx.d, record, inner, c->content + 1 + c->padding);
			op = open_copy(crypto[b], &rx.d, record, n, dst);
			assert_int_equal(op.status, c->status);
			assert_int_equal(rx.d.seq, c->status ? 0 : 1);
			if (!c->status) {
				assert_int_equal(op.len, c->content);
				assert_int_equal(op.type, c->type);
				assert_memory_equal(dst, inner, c->content);
			} else {
				assert_int_equal(op.len, 0);
			}
			rec_key_remove(crypto[b], &tx.d);
			rec_key_remove(crypto[b], &rx.d);
		}
	free(inner);
	free(record);
	free(dst);
}

// Records with a right tag over an oversized plaintext, or of a type that is not protected.
static void refused_by_content(void **state)
{
	uint8_t *text = calloc(1, RECORD_MAX), *record = malloc(RECORD_MAX + 64);
	uint8_t *dst = malloc(RECORD_MAX + 64);
	static const struct {
		uint16_t version;
		uint8_t type;
		size_t len;
		uint8_t status;
	} cases[] = {
		{0x0303, 23, 16385, 22},
		{0x0304, 23, 16385, 22},
		{0x0303, 20, 1, 10},
		{0x0303, 21, 0, 10},
		{0x0303, 22, 0, 10},
		{0x0303, 23, 0, 0},
		{0x0303, 22, 4, 0},
		{0x0303, 21, 2, 0},
	};

	for (unsigned int b = 0; b < nb_crypto; b++)
		for (uint8_t aead = 0; aead < TLS_N_AEADS; aead++)
			for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
				struct tls_traffic_key k;
				struct rec_open_op op;
				struct dir rx;
				size_t n;

				random_key(&k, cases[i].version, aead);
				install(crypto[b], &rx, &k);
				n = reference_record(
					&k, 0, cases[i].type, text, cases[i].len, record);
				op = open_copy(crypto[b], &rx.d, record, n, dst);
				assert_int_equal(op.status, cases[i].status);
				rec_key_remove(crypto[b], &rx.d);
			}
	free(text);
	free(record);
	free(dst);
}

static void peek(void **state)
{
	struct rec_dir d12 = {.version = 3, .prefix_len = 13, .suffix_len = 16};
	struct rec_dir d13 = {.version = 4, .prefix_len = 5, .suffix_len = 17};
	static const struct {
		uint8_t h[5];
		int want12, want13;
	} v[] = {
		{{23, 3, 3, 0, 24}, 29, 29},
		{{23, 3, 3, 0, 23}, -50, 28},
		{{23, 3, 3, 0, 17}, -50, 22},
		{{23, 3, 3, 0, 16}, -50, -50},
		{{23, 3, 3, 0, 0}, -50, -50},
		{{23, 3, 3, 0x41, 0}, 0x4105, 0x4105},
		{{23, 3, 3, 0x41, 1}, 0x4106, -22},
		{{23, 3, 3, 0x48, 0}, 0x4805, -22},
		{{23, 3, 3, 0x48, 1}, -22, -22},
		{{23, 3, 3, 0xff, 0xff}, -22, -22},
		{{19, 3, 3, 0, 64}, -10, -10},
		{{24, 3, 3, 0, 64}, -10, -10},
		{{'G', 'E', 'T', ' ', '/'}, -10, -10},
		{{23, 2, 3, 0, 64}, -10, -10},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		assert_int_equal(rec_peek(&d12, v[i].h), v[i].want12);
		assert_int_equal(rec_peek(&d13, v[i].h), v[i].want13);
	}
}

// Slices that are not exactly one record are refused before anything is decrypted.
static void wrong_totals(void **state)
{
	uint8_t text[100] = {1}, record[200], dst[200];

	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < nb_crypto; b++) {
		struct tls_traffic_key k;
		struct dir tx, rx;
		size_t n;

		random_key(&k, version, aead);
		install(crypto[b], &tx, &k);
		n = seal(crypto[b], &tx.d, record, 23, text, sizeof(text));
		rec_key_remove(crypto[b], &tx.d);
		for (size_t len = 1; len < n; len++) {
			install(crypto[b], &rx, &k);
			assert_int_equal(open_copy(crypto[b], &rx.d, record, len, dst).status, 50);
			rec_key_remove(crypto[b], &rx.d);
		}
		install(crypto[b], &rx, &k);
		assert_int_equal(open_copy(crypto[b], &rx.d, record, n + 1, dst).status, 50);
		rec_key_remove(crypto[b], &rx.d);
		for (int nb = 0; nb <= TLS_REC_MAX_SLICES + 1; nb += TLS_REC_MAX_SLICES + 1) {
			struct rec_slice s[TLS_REC_MAX_SLICES + 1] = {{record, (uint32_t)n}};
			struct rec_open_op op = {
				.d = &rx.d, .src = s, .nb_src = (uint16_t)nb, .dst = dst};

			install(crypto[b], &rx, &k);
			rec_open_burst(crypto[b], &op, 1);
			assert_int_equal(op.status, 50);
			rec_key_remove(crypto[b], &rx.d);
		}
	}
}

// Bursts over several sessions; a bad record takes down its own direction only.
static void bursts(void **state)
{
	enum { N = 24, DIRS = 4 };
	static uint8_t record[N][256], dst[N][256], text[N][100];

	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < nb_crypto; b++) {
		struct rec_seal_op sops[N];
		struct rec_open_op oops[N];
		struct rec_slice s[N];
		struct dir tx[DIRS], rx[DIRS];
		struct tls_traffic_key k;

		for (int i = 0; i < DIRS; i++) {
			random_key(&k, version, aead);
			install(crypto[b], &tx[i], &k);
			install(crypto[b], &rx[i], &k);
		}
		for (int i = 0; i < N; i++) {
			struct rec_dir *d = &tx[i % DIRS].d;

			fill_random(text[i], sizeof(text[i]));
			memcpy(record[i] + d->prefix_len, text[i], sizeof(text[i]));
			sops[i] = (struct rec_seal_op){d, record[i] + d->prefix_len,
				sizeof(text[i]), TLS_CT_APPLICATION_DATA};
			s[i] = (struct rec_slice){record[i],
				(uint32_t)(d->prefix_len + sizeof(text[i]) + d->suffix_len)};
			oops[i] = (struct rec_open_op){
				.d = &rx[i % DIRS].d, .src = &s[i], .dst = dst[i], .nb_src = 1};
		}
		rec_seal_burst(crypto[b], sops, N);
		record[9][60] ^= 4; // the third of direction 1
		rec_open_burst(crypto[b], oops, N);
		for (int i = 0; i < N; i++) {
			if (i % DIRS == 1 && i >= 9)
				assert_int_equal(oops[i].status, 20);
			else
				check_opened(&oops[i], dst[i], text[i], sizeof(text[i]));
		}
		for (int i = 0; i < DIRS; i++) {
			assert_int_equal(tx[i].d.seq, N / DIRS);
			assert_int_equal(rx[i].d.seq, i == 1 ? 2 : N / DIRS);
			rec_key_remove(crypto[b], &tx[i].d);
			rec_key_remove(crypto[b], &rx[i].d);
		}
	}
}

// What follows a TLS 1.3 handshake record in the burst waits for its key; TLS 1.2 knows no such.
static void records_behind_key_update_are_held(void **state)
{
	static uint8_t record[4][64], dst[4][64];

	for (uint16_t version = 0x0303; version <= 0x0304; version++)
		for (unsigned int b = 0; b < nb_crypto; b++) {
			static const uint8_t types[4] = {23, 22, 23, 23};
			struct tls_traffic_key k, other, next;
			struct dir tx, rx, tx2, rx2;
			struct rec_open_op ops[4];
			struct rec_slice s[4];

			random_key(&k, version, TLS_AEAD_AES_256_GCM);
			random_key(&other, version, TLS_AEAD_AES_128_GCM);
			random_key(&next, version, TLS_AEAD_AES_256_GCM);
			install(crypto[b], &tx, &k);
			install(crypto[b], &rx, &k);
			install(crypto[b], &tx2, &other);
			install(crypto[b], &rx2, &other);
			for (int i = 0; i < 4; i++) {
				struct dir *x = i == 2 ? &tx2 : &tx;
				size_t n;

				if (i == 3 && version == 0x0304) {
					rec_key_remove(crypto[b], &tx.d);
					install(crypto[b], &tx, &next);
				}
				n = seal(crypto[b], &x->d, record[i], types[i],
					(const uint8_t *)"\x18\0\0\1\0", 5);
				s[i] = (struct rec_slice){record[i], (uint32_t)n};
				ops[i] = (struct rec_open_op){.d = i == 2 ? &rx2.d : &rx.d,
					.src = &s[i],
					.dst = dst[i],
					.nb_src = 1};
			}
			rec_open_burst(crypto[b], ops, 4);
			assert_int_equal(ops[0].status, 0);
			assert_int_equal(ops[1].status, 0);
			assert_int_equal(ops[1].type, TLS_CT_HANDSHAKE);
			assert_int_equal(ops[2].status, 0);
			if (version == 0x0304) {
				assert_int_equal(ops[3].status, TLS_REC_HELD);
				assert_int_equal(rx.d.seq, 2);
				rec_key_remove(crypto[b], &rx.d);
				install(crypto[b], &rx, &next);
				rec_open_burst(crypto[b], &ops[3], 1);
			}
			assert_int_equal(ops[3].status, 0);
			assert_memory_equal(dst[3], "\x18\0\0\1\0", 5);
			rec_key_remove(crypto[b], &tx.d);
			rec_key_remove(crypto[b], &rx.d);
			rec_key_remove(crypto[b], &tx2.d);
			rec_key_remove(crypto[b], &rx2.d);
		}
}

static void sequence_number_never_wraps(void **state)
{
	uint8_t record[64], dst[64];

	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < nb_crypto; b++) {
		struct tls_traffic_key k;
		struct dir rx;
		size_t n;

		random_key(&k, version, aead);
		k.seq = UINT64_MAX;
		install(crypto[b], &rx, &k);
		n = reference_record(&k, k.seq, 23, (const uint8_t *)"x", 1, record);
		assert_int_equal(open_copy(crypto[b], &rx.d, record, n, dst).status, 20);
		assert_int_equal(rx.d.seq, UINT64_MAX);
		rec_key_remove(crypto[b], &rx.d);
	}
}

static void installing_keys(void **state)
{
	struct rec_crypto *rc = crypto[0];
	struct tls_traffic_key k;
	struct dir x;

	random_key(&k, 0x0304, TLS_AEAD_AES_256_GCM);
	install(rc, &x, &k);
	assert_int_equal(x.d.prefix_len, 5);
	assert_int_equal(x.d.suffix_len, 17);
	assert_int_equal(x.d.limit, 23726566); // 2^24.5
	rec_key_remove(rc, &x.d);
	for (size_t i = 0; i < sizeof(x.d); i++)
		assert_int_equal(((uint8_t *)&x.d)[i], 0);
	rec_key_remove(rc, &x.d); // harmless twice
	random_key(&k, 0x0303, TLS_AEAD_AES_128_GCM);
	install(rc, &x, &k);
	assert_int_equal(x.d.prefix_len, 13);
	assert_int_equal(x.d.suffix_len, 16);
	rec_key_remove(rc, &x.d);
	random_key(&k, 0x0303, TLS_AEAD_CHACHA20_POLY1305);
	install(rc, &x, &k);
	assert_int_equal(x.d.prefix_len, 5);
	rec_key_remove(rc, &x.d);
	k.version = 0x0302;
	assert_int_equal(rec_key_install(rc, &x.d, &k, x.mem), -EINVAL);
	k.version = 0x0304;
	k.key_len = 16;
	assert_int_equal(rec_key_install(rc, &x.d, &k, x.mem), -EINVAL);
	k.aead = TLS_N_AEADS;
	assert_int_equal(rec_key_install(rc, &x.d, &k, x.mem), -EINVAL);
}

static void backends(void **state)
{
	const struct rec_backend *b = rec_backend_get("");
	unsigned int n = 0;

	assert_non_null(b);
	assert_ptr_equal(b, rec_backend_get(NULL));
	while (rec_backend_nth(n)) {
		assert_ptr_equal(
			rec_backend_get(rec_backend_name(rec_backend_nth(n))), rec_backend_nth(n));
		n++;
	}
	assert_true(n >= 1);
	errno = 0;
	assert_null(rec_backend_get("rot13"));
	assert_int_equal(errno, ENOENT);
	assert_null(rec_crypto_create(NULL));
	rec_crypto_destroy(NULL);
}

static int setup(void **state)
{
	const struct rec_backend *b;

	for (unsigned int i = 0; (b = rec_backend_nth(i)) && nb_crypto < MAX_BACKENDS; i++) {
		crypto[nb_crypto] = rec_crypto_create(b);
		if (crypto[nb_crypto])
			nb_crypto++;
		else
			print_message("backend %s does not run here\n", rec_backend_name(b));
	}
	return nb_crypto ? 0 : -1;
}

static int teardown(void **state)
{
	while (nb_crypto)
		rec_crypto_destroy(crypto[--nb_crypto]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backends),
		cmocka_unit_test(installing_keys),
		cmocka_unit_test(rfc8448_records),
		cmocka_unit_test(records_equal_nettle),
		cmocka_unit_test(every_length_between_backends),
		cmocka_unit_test(nothing_is_touched_outside),
		cmocka_unit_test(every_cut),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(flipped_bits_are_refused),
		cmocka_unit_test(plaintext_is_wiped),
		cmocka_unit_test(inner_plaintexts),
		cmocka_unit_test(refused_by_content),
		cmocka_unit_test(peek),
		cmocka_unit_test(wrong_totals),
		cmocka_unit_test(bursts),
		cmocka_unit_test(records_behind_key_update_are_held),
		cmocka_unit_test(sequence_number_never_wraps),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
