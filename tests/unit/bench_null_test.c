// SPDX-License-Identifier: BSD-3-Clause
// The benches' record backend "null": records of the real size and shape, nothing protected, and
// unknown to whoever has not asked for it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/null_backend.h"
#include "config/config.h"
#include "tls/record.h"

#define LEN 1000

static const struct {
	uint16_t version;
	enum tls_aead aead;
	uint8_t key_len;
} suites[] = {
	{0x0303, TLS_AEAD_AES_128_GCM, 16},
	{0x0303, TLS_AEAD_AES_256_GCM, 32},
	{0x0304, TLS_AEAD_AES_128_GCM, 16},
	{0x0304, TLS_AEAD_AES_256_GCM, 32},
};

static _Alignas(REC_KEY_ALIGN) uint8_t mem[2][REC_KEY_SIZE_MAX];

struct pair {
	struct rec_crypto *rc;
	struct rec_dir tx, rx;
	uint8_t buf[TLS_REC_MAX_PREFIX + LEN + TLS_REC_MAX_SUFFIX];
	uint8_t *p;
};

static void open_pair(struct pair *t, const char *name, unsigned int suite)
{
	struct tls_traffic_key k = {.version = suites[suite].version,
		.aead = (uint8_t)suites[suite].aead,
		.key_len = suites[suite].key_len,
		.key = {1, 2, 3},
		.iv = {4, 5, 6}};

	t->rc = rec_crypto_create(rec_backend_get(name));
	assert_non_null(t->rc);
	for (enum tls_aead a = 0; a < TLS_N_AEADS; a++)
		assert_true(rec_key_size(t->rc, a) <= REC_KEY_SIZE_MAX);
	assert_int_equal(rec_key_install(t->rc, &t->tx, &k, mem[0]), 0);
	assert_int_equal(rec_key_install(t->rc, &t->rx, &k, mem[1]), 0);
	t->p = t->buf + t->tx.prefix_len;
}

static void close_pair(struct pair *t)
{
	rec_key_remove(t->rc, &t->tx);
	rec_key_remove(t->rc, &t->rx);
	rec_crypto_destroy(t->rc);
}

static void seal(struct pair *t)
{
	struct rec_seal_op op = {
		.d = &t->tx, .p = t->p, .len = LEN, .type = TLS_CT_APPLICATION_DATA};

	for (unsigned int i = 0; i < LEN; i++)
		t->p[i] = (uint8_t)i;
	rec_seal_burst(t->rc, &op, 1);
}

// Opened in three pieces into dst; the status.
static uint8_t open_pieces(struct pair *t, uint8_t *dst, uint16_t *len)
{
	uint32_t whole = t->tx.prefix_len + LEN + t->tx.suffix_len;
	struct rec_slice s[] = {{t->buf, 3}, {t->buf + 3, 700}, {t->buf + 703, whole - 703}};
	struct rec_open_op op = {.d = &t->rx, .src = s, .nb_src = 3, .dst = dst};

	rec_open_burst(t->rc, &op, 1);
	*len = op.len;
	return op.status;
}

static void test_unknown(void **state)
{
	static const char yaml[] = "dataplane:\n  record-backend: null\n";
	char text[512] = "";
	FILE *err = fmemopen(text, sizeof(text), "w");

	errno = 0;
	assert_null(rec_backend_get("null"));
	assert_int_equal(errno, ENOENT);
	assert_null(config_parse("c.yaml", yaml, sizeof(yaml) - 1, false, err));
	fclose(err);
	assert_non_null(strstr(text, "record-backend"));
	bench_null_backend_add();
	assert_non_null(rec_backend_get("null"));
	for (unsigned int n = 0; rec_backend_nth(n); n++)
		assert_string_not_equal(rec_backend_name(rec_backend_nth(n)), "null");
	assert_string_not_equal(rec_backend_name(rec_backend_get("")), "null");
	// Known to the benches, still no word of the configuration.
	err = fmemopen(text, sizeof(text), "w");
	assert_null(config_parse("c.yaml", yaml, sizeof(yaml) - 1, false, err));
	fclose(err);
}

static void test_shape(void **state)
{
	uint8_t dst[2048];
	uint16_t len;

	bench_null_backend_add();
	for (unsigned int i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		struct pair null, real;

		open_pair(&null, "null", i);
		seal(&null);
		close_pair(&null);
		open_pair(&real, "openssl", i);
		seal(&real);
		// The header, and the explicit nonce of TLS 1.2.
		assert_memory_equal(null.buf, real.buf, real.tx.prefix_len);
		close_pair(&real);
		open_pair(&null, "null", i);
		for (unsigned int n = 0; n < 3; n++) {
			seal(&null);
			for (unsigned int k = 0; k < LEN; k++) // in clear
				assert_int_equal(null.p[k], (uint8_t)k);
			assert_int_equal(open_pieces(&null, dst, &len), 0);
			assert_int_equal(len, LEN);
			assert_memory_equal(dst, null.p, LEN);
		}
		// A record that was cut in the wrong place is noticed.
		seal(&null);
		null.buf[null.tx.prefix_len + LEN + null.tx.suffix_len - 1] ^= 1;
		assert_int_not_equal(open_pieces(&null, dst, &len), 0);
		close_pair(&null);
	}
}

// Between records it may change; both sides go on where they were.
static void test_protect(void **state)
{
	uint8_t dst[2048];
	uint16_t len;

	bench_null_backend_add();
	for (unsigned int i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		struct pair t;

		open_pair(&t, "null", i);
		for (unsigned int n = 0; n < 4; n++) {
			bench_null_backend_protect(n % 2 == 0);
			seal(&t);
			assert_int_equal(t.p[0] == 0 && t.p[1] == 1 && t.p[2] == 2, n % 2);
			assert_int_equal(open_pieces(&t, dst, &len), 0);
			assert_int_equal(len, LEN);
			for (unsigned int k = 0; k < LEN; k++)
				assert_int_equal(dst[k], (uint8_t)k);
		}
		bench_null_backend_protect(false);
		close_pair(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_protect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
