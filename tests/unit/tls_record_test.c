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

#include "tests/unit/record_rig.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define LENGTH_STEP 13
#else
#define LENGTH_STEP 1
#endif

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

	for (unsigned int b = 0; b < rec_rig_nb; b++)
		for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
			struct tls_traffic_key k = {.version = 0x0304,
				.aead = TLS_AEAD_AES_128_GCM,
				.key_len = 16,
				.seq = v[i].seq};
			size_t n = unhex(want, v[i].record);
			struct rec_open_op op;
			struct rec_rig_dir tx, rx;

			assert_int_equal(unhex(k.key, v[i].key), 16);
			assert_int_equal(unhex(k.iv, v[i].iv), 12);
			for (size_t c = 0; c < v[i].len; c++)
				text[c] = (uint8_t)c; // the alert is 01 00, see below
			if (v[i].type == TLS_CT_ALERT)
				memcpy(text, "\x01\x00", 2);
			rec_rig_install(rec_rig[b], &tx, &k);
			rec_rig_install(rec_rig[b], &rx, &k);
			assert_int_equal(
				rec_rig_seal(rec_rig[b], &tx.d, got, v[i].type, text, v[i].len), n);
			assert_memory_equal(got, want, n);
			op = rec_rig_open(rec_rig[b], &rx.d, want, n, out);
			assert_int_equal(op.status, 0);
			assert_int_equal(op.type, v[i].type);
			assert_int_equal(op.len, v[i].len);
			assert_memory_equal(out, text, v[i].len);
			rec_key_remove(rec_rig[b], &tx.d);
			rec_key_remove(rec_rig[b], &rx.d);
		}
}

static void records_equal_nettle(void **state)
{
	static const uint64_t seqs[] = {0, 1, 255, 0x1234567890abu, UINT64_MAX - 2};
	static const uint16_t lens[] = {0, 1, 2, 15, 16, 17, 31, 48, 63, 64, 65, 127, 128, 129, 255,
		256, 257, 511, 512, 513, 1420, 4095, 4096, 16383, 16384};
	uint8_t *text = malloc(REC_RIG_MAX), *want = malloc(REC_RIG_MAX),
		*got = malloc(REC_RIG_MAX);

	rec_rig_fill(text, REC_RIG_MAX);
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < rec_rig_nb; b++)
		for (size_t s = 0; s < sizeof(seqs) / sizeof(seqs[0]); s++)
			for (size_t l = 0; l < sizeof(lens) / sizeof(lens[0]); l++) {
				struct tls_traffic_key k;
				struct rec_rig_dir tx;
				size_t n;

				rec_rig_key(&k, version, aead);
				k.seq = seqs[s];
				rec_rig_install(rec_rig[b], &tx, &k);
				n = rec_rig_reference(
					&k, k.seq, TLS_CT_APPLICATION_DATA, text, lens[l], want);
				assert_int_equal(rec_rig_seal(rec_rig[b], &tx.d, got,
							 TLS_CT_APPLICATION_DATA, text, lens[l]),
					n);
				assert_memory_equal(got, want, n);
				assert_int_equal(tx.d.seq, seqs[s] + 1);
				rec_key_remove(rec_rig[b], &tx.d);
			}
	free(text);
	free(want);
	free(got);
}

// Cut n bytes at random into at most TLS_REC_MAX_SLICES slices, each in memory of its own so that
// a sanitizer sees a byte too many; some may be empty.
static uint16_t cut_randomly(struct rec_slice *s, uint8_t **mem, const uint8_t *record, size_t n)
{
	uint16_t want = (uint16_t)(1 + rec_rig_rnd() % TLS_REC_MAX_SLICES), nb = 0;
	size_t at = 0;

	while (nb < want) {
		size_t part = n - at;

		if (nb + 1 < want)
			part = rec_rig_rnd() % 3 ? rec_rig_rnd() % (2 * n / want + 2)
						 : rec_rig_rnd() % 4;
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

// One record of each length, sealed by one backend and opened by another: out of place from random
// slices when the length is odd, else in place.
static void lengths_between(struct rec_crypto *a, struct rec_crypto *b, uint16_t version,
	uint8_t aead, const uint8_t *text, uint8_t *record, uint8_t *dst)
{
	struct tls_traffic_key k;
	struct rec_rig_dir tx, rx;

	rec_rig_key(&k, version, aead);
	k.seq = rec_rig_rnd();
	rec_rig_install(a, &tx, &k);
	rec_rig_install(b, &rx, &k);
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
		assert_int_equal(
			rec_rig_seal(a, &tx.d, record, TLS_CT_APPLICATION_DATA, text, len), n);
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
		rec_rig_check(&op, op.dst, text, len);
		assert_memory_equal(record + n, canary, sizeof(canary));
		assert_memory_equal(dst + n, canary, sizeof(canary));
	}
	assert_int_equal(tx.d.seq, rx.d.seq);
	rec_key_remove(a, &tx.d);
	rec_key_remove(b, &rx.d);
}

static void every_length_between_backends(void **state)
{
	uint8_t *text = malloc(REC_RIG_MAX), *record = malloc(REC_RIG_MAX + 16),
		*dst = malloc(REC_RIG_MAX + 16);

	rec_rig_fill(text, REC_RIG_MAX);
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int a = 0; a < rec_rig_nb; a++)
		for (unsigned int b = 0; b < rec_rig_nb; b++)
			lengths_between(rec_rig[a], rec_rig[b], version, aead, text, record, dst);
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

	rec_rig_fill(text, sizeof(text));
	for (int i = 0; i < 3; i++) {
		map[i] =
			mmap(NULL, 3 * (size_t)page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_ptr_not_equal(map[i], MAP_FAILED);
		map[i] += page;
		assert_int_equal(mprotect(map[i], (size_t)page, PROT_READ | PROT_WRITE), 0);
	}
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < rec_rig_nb; b++) {
		struct tls_traffic_key k;
		struct rec_rig_dir tx, rx;

		rec_rig_key(&k, version, aead);
		rec_rig_install(rec_rig[b], &tx, &k);
		rec_rig_install(rec_rig[b], &rx, &k);
		for (size_t len = 0; len < 1500; len += len < 300 ? 1 : 37)
			for (int end = 0; end < 2; end++) {
				size_t n = tx.d.prefix_len + len + tx.d.suffix_len, cut = n / 2;
				uint8_t *at[3];
				struct rec_slice sl[2];
				struct rec_open_op op = {.d = &rx.d, .src = sl, .nb_src = 2};

				for (int i = 0; i < 3; i++)
					at[i] = map[i] + (end ? (size_t)page - n : 0);
				rec_rig_seal(rec_rig[b], &tx.d, at[0], 23, text, len);
				// Two slices, the second or the first against the edge.
				sl[0] = (struct rec_slice){at[0], (uint32_t)cut};
				sl[1] = (struct rec_slice){at[0] + cut, (uint32_t)(n - cut)};
				if (!end) {
					uint8_t *first = map[1] + page - cut;

					memcpy(first, at[0], cut);
					sl[0].p = first;
				}
				op.dst = at[2];
				rec_open_burst(rec_rig[b], &op, 1);
				rec_rig_check(&op, op.dst, text, len);
				// Once more in one piece and in place.
				rx.d.seq--;
				op.nb_src = 1;
				sl[0] = (struct rec_slice){at[0], (uint32_t)n};
				op.dst = at[0] + rx.d.prefix_len;
				rec_open_burst(rec_rig[b], &op, 1);
				rec_rig_check(&op, op.dst, text, len);
			}
		rec_key_remove(rec_rig[b], &tx.d);
		rec_key_remove(rec_rig[b], &rx.d);
	}
	for (int i = 0; i < 3; i++)
		munmap(map[i] - page, 3 * (size_t)page);
}

// Slices of every small record cut at every place into two and, for a few, byte by byte.
static void every_cut(void **state)
{
	uint8_t text[40], record[128], dst[128];

	rec_rig_fill(text, sizeof(text));
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < rec_rig_nb; b++) {
		struct tls_traffic_key k;
		struct rec_rig_dir tx, rx;

		rec_rig_key(&k, version, aead);
		rec_rig_install(rec_rig[b], &tx, &k);
		rec_rig_install(rec_rig[b], &rx, &k);
		for (size_t len = 0; len < sizeof(text); len++) {
			size_t n = 64;

			for (size_t cut = 0; cut <= n; cut++) {
				struct rec_slice s[2];
				struct rec_open_op op = {
					.d = &rx.d, .src = s, .nb_src = 2, .dst = dst};

				n = rec_rig_seal(rec_rig[b], &tx.d, record, 23, text, len);
				if (cut > n)
					cut = n;
				s[0] = (struct rec_slice){record, (uint32_t)cut};
				s[1] = (struct rec_slice){record + cut, (uint32_t)(n - cut)};
				rec_open_burst(rec_rig[b], &op, 1);
				rec_rig_check(&op, dst, text, len);
			}
		}
		rec_key_remove(rec_rig[b], &tx.d);
		rec_key_remove(rec_rig[b], &rx.d);
	}
}

static void byte_by_byte(void **state)
{
	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < rec_rig_nb; b++) {
		uint8_t record[TLS_REC_MAX_SLICES], dst[64];
		struct rec_slice s[TLS_REC_MAX_SLICES];
		struct rec_open_op op = {.src = s, .dst = dst};
		struct tls_traffic_key k;
		struct rec_rig_dir tx, rx;
		size_t n;

		rec_rig_key(&k, version, aead);
		rec_rig_install(rec_rig[b], &tx, &k);
		rec_rig_install(rec_rig[b], &rx, &k);
		n = rec_rig_seal(
			rec_rig[b], &tx.d, record, 23, (const uint8_t *)"seventeen bytes!!", 17);
		for (size_t i = 0; i < n; i++)
			s[i] = (struct rec_slice){record + i, 1};
		op.d = &rx.d;
		op.nb_src = (uint16_t)n;
		rec_open_burst(rec_rig[b], &op, 1);
		rec_rig_check(&op, dst, (const uint8_t *)"seventeen bytes!!", 17);
		rec_key_remove(rec_rig[b], &tx.d);
		rec_key_remove(rec_rig[b], &rx.d);
	}
}

// Bursts over several sessions; a bad record takes down its own direction only.
static void bursts(void **state)
{
	enum { N = 24, DIRS = 4 };
	static uint8_t record[N][256], dst[N][256], text[N][100];

	FOR_EACH_CIPHER(version, aead)
	for (unsigned int b = 0; b < rec_rig_nb; b++) {
		struct rec_seal_op sops[N];
		struct rec_open_op oops[N];
		struct rec_slice s[N];
		struct rec_rig_dir tx[DIRS], rx[DIRS];
		struct tls_traffic_key k;

		for (int i = 0; i < DIRS; i++) {
			rec_rig_key(&k, version, aead);
			rec_rig_install(rec_rig[b], &tx[i], &k);
			rec_rig_install(rec_rig[b], &rx[i], &k);
		}
		for (int i = 0; i < N; i++) {
			struct rec_dir *d = &tx[i % DIRS].d;

			rec_rig_fill(text[i], sizeof(text[i]));
			memcpy(record[i] + d->prefix_len, text[i], sizeof(text[i]));
			sops[i] = (struct rec_seal_op){d, record[i] + d->prefix_len,
				sizeof(text[i]), TLS_CT_APPLICATION_DATA};
			s[i] = (struct rec_slice){record[i],
				(uint32_t)(d->prefix_len + sizeof(text[i]) + d->suffix_len)};
			oops[i] = (struct rec_open_op){
				.d = &rx[i % DIRS].d, .src = &s[i], .dst = dst[i], .nb_src = 1};
		}
		rec_seal_burst(rec_rig[b], sops, N);
		record[9][60] ^= 4; // the third of direction 1
		rec_open_burst(rec_rig[b], oops, N);
		for (int i = 0; i < N; i++) {
			if (i % DIRS == 1 && i >= 9)
				assert_int_equal(oops[i].status, 20);
			else
				rec_rig_check(&oops[i], dst[i], text[i], sizeof(text[i]));
		}
		for (int i = 0; i < DIRS; i++) {
			assert_int_equal(tx[i].d.seq, N / DIRS);
			assert_int_equal(rx[i].d.seq, i == 1 ? 2 : N / DIRS);
			rec_key_remove(rec_rig[b], &tx[i].d);
			rec_key_remove(rec_rig[b], &rx[i].d);
		}
	}
}

// What follows a TLS 1.3 handshake record in the burst waits for its key; TLS 1.2 knows no such.
static void records_behind_key_update_are_held(void **state)
{
	static uint8_t record[4][64], dst[4][64];

	for (uint16_t version = 0x0303; version <= 0x0304; version++)
		for (unsigned int b = 0; b < rec_rig_nb; b++) {
			static const uint8_t types[4] = {23, 22, 23, 23};
			struct tls_traffic_key k, other, next;
			struct rec_rig_dir tx, rx, tx2, rx2;
			struct rec_open_op ops[4];
			struct rec_slice s[4];

			rec_rig_key(&k, version, TLS_AEAD_AES_256_GCM);
			rec_rig_key(&other, version, TLS_AEAD_AES_128_GCM);
			rec_rig_key(&next, version, TLS_AEAD_AES_256_GCM);
			rec_rig_install(rec_rig[b], &tx, &k);
			rec_rig_install(rec_rig[b], &rx, &k);
			rec_rig_install(rec_rig[b], &tx2, &other);
			rec_rig_install(rec_rig[b], &rx2, &other);
			for (int i = 0; i < 4; i++) {
				struct rec_rig_dir *x = i == 2 ? &tx2 : &tx;
				size_t n;

				if (i == 3 && version == 0x0304) {
					rec_key_remove(rec_rig[b], &tx.d);
					rec_rig_install(rec_rig[b], &tx, &next);
				}
				n = rec_rig_seal(rec_rig[b], &x->d, record[i], types[i],
					(const uint8_t *)"\x18\0\0\1\0", 5);
				s[i] = (struct rec_slice){record[i], (uint32_t)n};
				ops[i] = (struct rec_open_op){.d = i == 2 ? &rx2.d : &rx.d,
					.src = &s[i],
					.dst = dst[i],
					.nb_src = 1};
			}
			rec_open_burst(rec_rig[b], ops, 4);
			assert_int_equal(ops[0].status, 0);
			assert_int_equal(ops[1].status, 0);
			assert_int_equal(ops[1].type, TLS_CT_HANDSHAKE);
			assert_int_equal(ops[2].status, 0);
			if (version == 0x0304) {
				assert_int_equal(ops[3].status, TLS_REC_HELD);
				assert_int_equal(rx.d.seq, 2);
				rec_key_remove(rec_rig[b], &rx.d);
				rec_rig_install(rec_rig[b], &rx, &next);
				rec_open_burst(rec_rig[b], &ops[3], 1);
			}
			assert_int_equal(ops[3].status, 0);
			assert_memory_equal(dst[3], "\x18\0\0\1\0", 5);
			rec_key_remove(rec_rig[b], &tx.d);
			rec_key_remove(rec_rig[b], &rx.d);
			rec_key_remove(rec_rig[b], &tx2.d);
			rec_key_remove(rec_rig[b], &rx2.d);
		}
}

static void installing_keys(void **state)
{
	struct rec_crypto *rc = rec_rig[0];
	struct tls_traffic_key k;
	struct rec_rig_dir x;

	rec_rig_key(&k, 0x0304, TLS_AEAD_AES_256_GCM);
	rec_rig_install(rc, &x, &k);
	assert_int_equal(x.d.prefix_len, 5);
	assert_int_equal(x.d.suffix_len, 17);
	assert_int_equal(x.d.limit, 23726566); // 2^24.5
	rec_key_remove(rc, &x.d);
	for (size_t i = 0; i < sizeof(x.d); i++)
		assert_int_equal(((uint8_t *)&x.d)[i], 0);
	rec_key_remove(rc, &x.d); // harmless twice
	rec_rig_key(&k, 0x0303, TLS_AEAD_AES_128_GCM);
	rec_rig_install(rc, &x, &k);
	assert_int_equal(x.d.prefix_len, 13);
	assert_int_equal(x.d.suffix_len, 16);
	rec_key_remove(rc, &x.d);
	rec_rig_key(&k, 0x0303, TLS_AEAD_CHACHA20_POLY1305);
	rec_rig_install(rc, &x, &k);
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
		cmocka_unit_test(bursts),
		cmocka_unit_test(records_behind_key_update_are_held),
	};

	return cmocka_run_group_tests(tests, rec_rig_setup, rec_rig_teardown);
}
