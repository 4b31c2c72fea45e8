// SPDX-License-Identifier: BSD-3-Clause
// Records that must be refused: forged, cut short, too long, of a wrong type; nothing of them comes
// through, and their direction is dead.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/record_rig.h"

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
	struct rec_rig_dir tx, rx;
	size_t n;

	rec_rig_fill(text, len);
	rec_rig_install(rc, &tx, k);
	n = rec_rig_seal(rc, &tx.d, record, TLS_CT_APPLICATION_DATA, text, len);
	rec_key_remove(rc, &tx.d);
	for (size_t bit = 0; bit < 8 * n; bit++) {
		struct rec_open_op op;

		rec_rig_install(rc, &rx, k);
		memset(dst, 0xee, sizeof(dst));
		record[bit / 8] ^= (uint8_t)(1 << bit % 8);
		op = rec_rig_open(rc, &rx.d, record, n, dst);
		record[bit / 8] ^= (uint8_t)(1 << bit % 8);
		expect_flip_alert(&op, bit / 8);
		assert_int_equal(op.len, 0);
		assert_int_equal(rx.d.seq, k->seq);
		for (size_t i = 0; i + 15 < len; i++) // nothing of the text came through
			assert_memory_not_equal(dst + i, text, 16);
		// The direction is dead, even for the genuine record.
		assert_int_equal(rec_rig_open(rc, &rx.d, record, n, dst).status, op.status);
		rec_key_remove(rc, &rx.d);
	}
}

static void flipped_bits_are_refused(void **state)
{
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < rec_rig_nb; b++) {
		struct tls_traffic_key k;

		rec_rig_key(&k, version, aead);
		k.seq = rec_rig_rnd();
		flip_every_bit(rec_rig[b], &k, 0);
		flip_every_bit(rec_rig[b], &k, 19);
		flip_every_bit(rec_rig[b], &k, 200);
	}
}

// A forged tag must leave no plaintext in dst, from one piece, from slices and in place.
static void plaintext_is_wiped(void **state)
{
	uint8_t text[1500], record[1600], dst[1600], zero[1600] = {0};

	memset(text, 0x77, sizeof(text));
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < rec_rig_nb; b++)
		for (int how = 0; how < 3; how++) {
			struct rec_slice s[2];
			struct rec_open_op op = {.src = s, .nb_src = how == 1 ? 2 : 1, .dst = dst};
			struct tls_traffic_key k;
			struct rec_rig_dir tx, rx;
			size_t n, cut = how == 1 ? 700 : 0;

			rec_rig_key(&k, version, aead);
			rec_rig_install(rec_rig[b], &tx, &k);
			rec_rig_install(rec_rig[b], &rx, &k);
			n = rec_rig_seal(rec_rig[b], &tx.d, record, 23, text, sizeof(text));
			record[n - 1] ^= 1;
			s[0] = (struct rec_slice){record, (uint32_t)(cut ? cut : n)};
			s[1] = (struct rec_slice){record + cut, (uint32_t)(n - cut)};
			if (how == 2)
				op.dst = record + rx.d.prefix_len;
			op.d = &rx.d;
			memset(dst, 0xee, sizeof(dst));
			rec_open_burst(rec_rig[b], &op, 1);
			assert_int_equal(op.status, 20);
			assert_memory_equal(op.dst, zero, sizeof(text));
			rec_key_remove(rec_rig[b], &tx.d);
			rec_key_remove(rec_rig[b], &rx.d);
		}
}

// Seal an inner plaintext as it is, content type and padding included: the last byte goes in as
// the "type".
static size_t seal_inner(
	struct rec_crypto *rc, struct rec_dir *d, uint8_t *record, const uint8_t *inner, size_t len)
{
	return rec_rig_seal(rc, d, record, inner[len - 1], inner, len - 1);
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
	uint8_t *inner = malloc(REC_RIG_MAX), *record = malloc(REC_RIG_MAX),
		*dst = malloc(REC_RIG_MAX);

	for (unsigned int b = 0; b < rec_rig_nb; b++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			const struct inner_case *c = &cases[i];
			struct tls_traffic_key k;
			struct rec_open_op op;
			struct rec_rig_dir tx, rx;
			size_t n;

			rec_rig_key(&k, 0x0304, (uint8_t)(i % TLS_N_AEADS));
			rec_rig_install(rec_rig[b], &tx, &k);
			rec_rig_install(rec_rig[b], &rx, &k);
			memset(inner, 0, REC_RIG_MAX);
			rec_rig_fill(inner, c->content);
			inner[c->content] = c->type;
			n = seal_inner(
				rec_rig[b], &tx.d, record, inner, c->content + 1 + c->padding);
			op = rec_rig_open(rec_rig[b], &rx.d, record, n, dst);
			assert_int_equal(op.status, c->status);
			assert_int_equal(rx.d.seq, c->status ? 0 : 1);
			if (!c->status) {
				assert_int_equal(op.len, c->content);
				assert_int_equal(op.type, c->type);
				assert_memory_equal(dst, inner, c->content);
			} else {
				assert_int_equal(op.len, 0);
			}
			rec_key_remove(rec_rig[b], &tx.d);
			rec_key_remove(rec_rig[b], &rx.d);
		}
	free(inner);
	free(record);
	free(dst);
}

// Records with a right tag over an oversized plaintext, or of a type that is not protected.
static void refused_by_content(void **state)
{
	uint8_t *text = calloc(1, REC_RIG_MAX), *record = malloc(REC_RIG_MAX + 64);
	uint8_t *dst = malloc(REC_RIG_MAX + 64);
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

	for (unsigned int b = 0; b < rec_rig_nb; b++)
		for (uint8_t aead = 0; aead < TLS_N_AEADS; aead++)
			for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
				struct tls_traffic_key k;
				struct rec_open_op op;
				struct rec_rig_dir rx;
				size_t n;

				rec_rig_key(&k, cases[i].version, aead);
				rec_rig_install(rec_rig[b], &rx, &k);
				n = rec_rig_reference(
					&k, 0, cases[i].type, text, cases[i].len, record);
				op = rec_rig_open(rec_rig[b], &rx.d, record, n, dst);
				assert_int_equal(op.status, cases[i].status);
				rec_key_remove(rec_rig[b], &rx.d);
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
	for (unsigned int b = 0; b < rec_rig_nb; b++) {
		struct tls_traffic_key k;
		struct rec_rig_dir tx, rx;
		size_t n;

		rec_rig_key(&k, version, aead);
		rec_rig_install(rec_rig[b], &tx, &k);
		n = rec_rig_seal(rec_rig[b], &tx.d, record, 23, text, sizeof(text));
		rec_key_remove(rec_rig[b], &tx.d);
		for (size_t len = 1; len < n; len++) {
			rec_rig_install(rec_rig[b], &rx, &k);
			assert_int_equal(
				rec_rig_open(rec_rig[b], &rx.d, record, len, dst).status, 50);
			rec_key_remove(rec_rig[b], &rx.d);
		}
		rec_rig_install(rec_rig[b], &rx, &k);
		assert_int_equal(rec_rig_open(rec_rig[b], &rx.d, record, n + 1, dst).status, 50);
		rec_key_remove(rec_rig[b], &rx.d);
		for (int nb = 0; nb <= TLS_REC_MAX_SLICES + 1; nb += TLS_REC_MAX_SLICES + 1) {
			struct rec_slice s[TLS_REC_MAX_SLICES + 1] = {{record, (uint32_t)n}};
			struct rec_open_op op = {
				.d = &rx.d, .src = s, .nb_src = (uint16_t)nb, .dst = dst};

			rec_rig_install(rec_rig[b], &rx, &k);
			rec_open_burst(rec_rig[b], &op, 1);
			assert_int_equal(op.status, 50);
			rec_key_remove(rec_rig[b], &rx.d);
		}
	}
}

static void sequence_number_never_wraps(void **state)
{
	uint8_t record[64], dst[64];

	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < rec_rig_nb; b++) {
		struct tls_traffic_key k;
		struct rec_rig_dir rx;
		size_t n;

		rec_rig_key(&k, version, aead);
		k.seq = UINT64_MAX;
		rec_rig_install(rec_rig[b], &rx, &k);
		n = rec_rig_reference(&k, k.seq, 23, (const uint8_t *)"x", 1, record);
		assert_int_equal(rec_rig_open(rec_rig[b], &rx.d, record, n, dst).status, 20);
		assert_int_equal(rx.d.seq, UINT64_MAX);
		rec_key_remove(rec_rig[b], &rx.d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flipped_bits_are_refused),
		cmocka_unit_test(plaintext_is_wiped),
		cmocka_unit_test(inner_plaintexts),
		cmocka_unit_test(refused_by_content),
		cmocka_unit_test(peek),
		cmocka_unit_test(wrong_totals),
		cmocka_unit_test(sequence_number_never_wraps),
	};

	return cmocka_run_group_tests(tests, rec_rig_setup, rec_rig_teardown);
}
