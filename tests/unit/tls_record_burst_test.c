// SPDX-License-Identifier: BSD-3-Clause
// Bursts of records against the same records one by one: in one piece, in pieces that are copied
// together, in pieces that are too long for that, in place; good and bad ones among each other. All
// memory is exactly as large as it may be, so that a sanitizer sees every byte too many.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/record_rig.h"

#define DIRS 3
#define BURST_MAX 70
#define PLAIN_MAX 4200 // beyond what is copied together

struct record {
	uint8_t *text;
	uint16_t len;
	uint8_t *bytes; // as sealed
	uint32_t total;
	struct rec_slice slice[TLS_REC_MAX_SLICES];
	uint8_t *dst;
	bool in_place, bad;
};
static uint64_t rng_state = 0x2545f4914f6cdd1du;

static uint32_t rnd(uint32_t below)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (uint32_t)(rng_state >> 16) % below;
}

static void *exactly(size_t n)
{
	void *p = malloc(n ? n : 1);

	assert_non_null(p);
	return p;
}

static void install(struct rec_crypto *rc, struct rec_rig_dir *x, uint16_t version,
	enum tls_aead aead, unsigned int seed)
{
	struct tls_traffic_key k = {.version = version,
		.aead = (uint8_t)aead,
		.key_len = aead == TLS_AEAD_AES_128_GCM ? 16 : 32,
		.seq = 0xfffffffe,
		.explicit_base = 0x1234567890abcdefu};

	memset(k.key, (int)(0x30 + seed), k.key_len);
	memset(k.iv, (int)(0x90 + seed), sizeof(k.iv));
	assert_int_equal(rec_key_install(rc, &x->d, &k, x->mem), 0);
}

static void install_all(
	struct rec_crypto *rc, struct rec_rig_dir x[DIRS], uint16_t version, enum tls_aead aead)
{
	for (unsigned int i = 0; i < DIRS; i++)
		install(rc, &x[i], version, aead, i);
}

static void remove_all(struct rec_crypto *rc, struct rec_rig_dir x[DIRS])
{
	for (unsigned int i = 0; i < DIRS; i++)
		rec_key_remove(rc, &x[i].d);
}

static uint16_t some_len(void)
{
	switch (rnd(4)) {
	case 0:
		return (uint16_t)rnd(40);
	case 1:
		return (uint16_t)(3040 + rnd(60)); // around where copying ends
	default:
		return (uint16_t)rnd(PLAIN_MAX);
	}
}

static void record_fill(struct record *r, const struct rec_dir *d)
{
	memset(r, 0, sizeof(*r));
	r->len = some_len();
	r->text = exactly(r->len);
	for (uint16_t i = 0; i < r->len; i++)
		r->text[i] = (uint8_t)rnd(256);
	r->total = d->prefix_len + (uint32_t)r->len + d->suffix_len;
	r->bytes = exactly(r->total);
	memcpy(r->bytes + d->prefix_len, r->text, r->len);
}

// Each piece in memory of its own.
static uint16_t record_cut(struct record *r, uint16_t nb)
{
	uint32_t at = 0;

	for (uint16_t i = 0; i < nb; i++) {
		uint32_t left = r->total - at, n = i + 1 == nb ? left : rnd(left + 1);
		uint8_t *p = exactly(n);

		memcpy(p, r->bytes + at, n);
		r->slice[i] = (struct rec_slice){p, n};
		at += n;
	}
	return nb;
}

static void record_free(struct record *r, uint16_t nb)
{
	for (uint16_t i = 0; i < nb; i++)
		free((void *)r->slice[i].p);
	if (!r->in_place)
		free(r->dst);
	free(r->text);
	free(r->bytes);
}

// A burst gives what single records give, bytes and sequence numbers.
static void sealing(void **state)
{
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < rec_rig_nb; b++)
		for (uint16_t n = 1; n <= BURST_MAX; n += 1 + n / 6) {
			struct rec_seal_op ops[BURST_MAX];
			struct record r[BURST_MAX];
			struct rec_rig_dir tx[DIRS], one[DIRS];

			install_all(rec_rig[b], tx, version, aead);
			install_all(rec_rig[b], one, version, aead);
			for (uint16_t i = 0; i < n; i++) {
				struct rec_dir *d = &tx[rnd(DIRS)].d;

				record_fill(&r[i], d);
				ops[i] = (struct rec_seal_op){.d = d,
					.p = r[i].bytes + d->prefix_len,
					.len = r[i].len,
					.type = rnd(9) ? TLS_CT_APPLICATION_DATA : TLS_CT_ALERT};
			}
			rec_seal_burst(rec_rig[b], ops, n);
			for (uint16_t i = 0; i < n; i++) {
				unsigned int which =
					(unsigned int)((struct rec_rig_dir *)ops[i].d - tx);
				uint8_t *again = exactly(r[i].total);
				struct rec_seal_op op = ops[i];

				op.d = &one[which].d;
				op.p = again + op.d->prefix_len;
				memcpy(op.p, r[i].text, r[i].len);
				rec_seal_burst(rec_rig[b], &op, 1);
				assert_memory_equal(again, r[i].bytes, r[i].total);
				free(again);
				record_free(&r[i], 0);
			}
			for (int i = 0; i < DIRS; i++)
				assert_int_equal(tx[i].d.seq, one[i].d.seq);
			remove_all(rec_rig[b], tx);
			remove_all(rec_rig[b], one);
		}
}

static void prepare_open(struct rec_crypto *rc, struct rec_rig_dir tx[DIRS],
	struct rec_rig_dir rx[DIRS], struct record *r, struct rec_open_op *op, bool may_be_bad)
{
	unsigned int which = rnd(DIRS);
	struct rec_dir *d = &tx[which].d;
	struct rec_seal_op seal;

	record_fill(r, d);
	seal = (struct rec_seal_op){.d = d,
		.p = r->bytes + d->prefix_len,
		.len = r->len,
		.type = TLS_CT_APPLICATION_DATA};
	rec_seal_burst(rc, &seal, 1);
	r->bad = may_be_bad && rnd(20) == 0;
	if (r->bad)
		r->bytes[r->total - 1 - rnd(r->total - d->prefix_len)] ^= (uint8_t)(1 << rnd(8));
	*op = (struct rec_open_op){.d = &rx[which].d, .src = r->slice};
	op->nb_src = record_cut(
		r, rnd(3) ? (uint16_t)(1 + rnd(3)) : (uint16_t)(1 + rnd(TLS_REC_MAX_SLICES)));
	r->in_place = op->nb_src == 1 && rnd(4) == 0;
	r->dst = r->in_place ? (uint8_t *)r->slice[0].p + d->prefix_len : exactly(r->total);
	op->dst = r->dst;
}

static void check(const struct record *r, const struct rec_open_op *op, bool failed[DIRS],
	unsigned int which, uint64_t opened[DIRS])
{
	if (r->bad)
		failed[which] = true;
	if (failed[which]) {
		assert_int_equal(op->status, 20);
		assert_int_equal(op->len, 0);
		return;
	}
	opened[which]++;
	assert_int_equal(op->status, 0);
	assert_int_equal(op->type, TLS_CT_APPLICATION_DATA);
	assert_int_equal(op->len, r->len);
	assert_memory_equal(op->dst, r->text, r->len);
}

// However a record lies in memory, and whatever is in the burst beside it.
static void opening(void **state)
{
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < rec_rig_nb; b++)
		for (int turn = 0; turn < 24; turn++) {
			uint16_t n = (uint16_t)(1 + rnd(BURST_MAX));
			struct rec_open_op ops[BURST_MAX];
			static struct record r[BURST_MAX];
			struct rec_rig_dir tx[DIRS], rx[DIRS];
			bool failed[DIRS] = {false};
			uint64_t opened[DIRS] = {0};

			install_all(rec_rig[b], tx, version, aead);
			install_all(rec_rig[b], rx, version, aead);
			for (uint16_t i = 0; i < n; i++)
				prepare_open(rec_rig[b], tx, rx, &r[i], &ops[i], turn % 2);
			rec_open_burst(rec_rig[b], ops, n);
			for (uint16_t i = 0; i < n; i++) {
				unsigned int which =
					(unsigned int)((struct rec_rig_dir *)ops[i].d - rx);

				check(&r[i], &ops[i], failed, which, opened);
				record_free(&r[i], ops[i].nb_src);
			}
			for (int i = 0; i < DIRS; i++)
				assert_int_equal(rx[i].d.seq, 0xfffffffe + opened[i]);
			remove_all(rec_rig[b], tx);
			remove_all(rec_rig[b], rx);
		}
}

// Two pieces, at every place: the header, the text, the tag may straddle. Nothing may be written
// beyond the record's length, and the pieces stay what they were.
static void every_cut_in_two(void **state)
{
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < rec_rig_nb; b++) {
		struct rec_rig_dir tx, rx;
		struct record r;
		struct rec_seal_op seal;

		install(rec_rig[b], &tx, version, aead, 0);
		install(rec_rig[b], &rx, version, aead, 0);
		do {
			record_fill(&r, &tx.d);
			if (r.len >= 200)
				record_free(&r, 0);
		} while (r.len >= 200);
		seal = (struct rec_seal_op){.d = &tx.d,
			.p = r.bytes + tx.d.prefix_len,
			.len = r.len,
			.type = TLS_CT_APPLICATION_DATA};
		rec_seal_burst(rec_rig[b], &seal, 1);
		for (uint32_t cut = 0; cut <= r.total; cut++) {
			uint8_t *a = exactly(cut), *z = exactly(r.total - cut);
			struct rec_slice s[2] = {{a, cut}, {z, r.total - cut}};
			uint8_t *dst = exactly(r.total);
			struct rec_open_op op = {.d = &rx.d, .src = s, .nb_src = 2, .dst = dst};

			memcpy(a, r.bytes, cut);
			memcpy(z, r.bytes + cut, r.total - cut);
			rx.d.seq = tx.d.seq - 1;
			rec_open_burst(rec_rig[b], &op, 1);
			assert_int_equal(op.status, 0);
			assert_int_equal(op.len, r.len);
			assert_memory_equal(dst, r.text, r.len);
			assert_memory_equal(a, r.bytes, cut);
			assert_memory_equal(z, r.bytes + cut, r.total - cut);
			free(a);
			free(z);
			free(dst);
		}
		record_free(&r, 0);
		rec_key_remove(rec_rig[b], &tx.d);
		rec_key_remove(rec_rig[b], &rx.d);
	}
}

// What was copied together and then refused is wiped.
static void refused_pieces_are_wiped(void **state)
{
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < rec_rig_nb; b++) {
		static const uint8_t zero[PLAIN_MAX + TLS_REC_MAX_SUFFIX];
		struct rec_rig_dir tx[DIRS], rx[DIRS];
		struct rec_open_op op;
		struct record r;

		install_all(rec_rig[b], tx, version, aead);
		install_all(rec_rig[b], rx, version, aead);
		do {
			prepare_open(rec_rig[b], tx, rx, &r, &op, true);
			if (!r.bad)
				record_free(&r, op.nb_src);
		} while (!r.bad);
		op.d->seq = op.d == &rx[0].d   ? tx[0].d.seq - 1
			    : op.d == &rx[1].d ? tx[1].d.seq - 1
					       : tx[2].d.seq - 1;
		if (!r.in_place)
			memset(r.dst, 0xee, r.total);
		rec_open_burst(rec_rig[b], &op, 1);
		assert_int_equal(op.status, 20);
		assert_memory_equal(r.dst, zero, r.total - op.d->prefix_len - 16);
		record_free(&r, op.nb_src);
		remove_all(rec_rig[b], tx);
		remove_all(rec_rig[b], rx);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sealing),
		cmocka_unit_test(opening),
		cmocka_unit_test(every_cut_in_two),
		cmocka_unit_test(refused_pieces_are_wiped),
	};

	return cmocka_run_group_tests(tests, rec_rig_setup, rec_rig_teardown);
}
