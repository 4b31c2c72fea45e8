// SPDX-License-Identifier: BSD-3-Clause
// The generator's bad link, its cutter of streams and its pacing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mempool.h>

#include "bench/gen/chaos.h"
#include "bench/gen/cut.h"
#include "bench/gen/pace.h"
#include "dataplane/mbuf.h"

#define POOL 4095
#define FRAME_LEN 120u

static struct rte_mempool *pool;

// A frame of IPv4 TCP (proto 6) or else with its number in the last four bytes.
static struct rte_mbuf *frame(uint32_t number, uint8_t proto)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *p;

	assert_non_null(m);
	p = (uint8_t *)rte_pktmbuf_append(m, FRAME_LEN);
	memset(p, 0, FRAME_LEN);
	p[12] = 0x08;
	p[14] = 0x45;
	p[17] = FRAME_LEN - RTE_ETHER_HDR_LEN;
	p[23] = proto;
	memcpy(p + FRAME_LEN - 4, &number, 4);
	return m;
}

static uint32_t number_of(const struct rte_mbuf *m)
{
	uint32_t n;

	memcpy(&n, rte_pktmbuf_mtod_offset(m, const uint8_t *, FRAME_LEN - 4), 4);
	return n;
}

static void assert_pool_full(void)
{
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

// What comes out of count frames, in order; 32 at a time and then nothing.
static unsigned int pass(struct chaos *c, unsigned int count, uint8_t proto, struct rte_mbuf **out)
{
	struct rte_mbuf *in[32];
	unsigned int nb = 0, sent = 0;

	while (sent < count) {
		for (unsigned int i = 0; i < 32; i++)
			in[i] = frame(sent++, proto);
		nb += chaos_run(c, in, 32, out + nb);
	}
	return nb + chaos_run(c, NULL, 0, out + nb);
}

static void free_all(struct rte_mbuf **m, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		rte_pktmbuf_free(m[i]);
}

// --- chaos ---

static void test_off(void **state)
{
	static struct rte_mbuf *out[256];
	struct gen_chaos conf = {.seed = 5};
	struct chaos c;

	assert_false(chaos_on(&conf));
	chaos_init(&c, &conf, 0, pool);
	assert_int_equal(pass(&c, 128, 6, out), 128);
	for (unsigned int i = 0; i < 128; i++)
		assert_int_equal(number_of(out[i]), i);
	free_all(out, 128);
	chaos_fini(&c);
	assert_pool_full();
}

static void test_rates(void **state)
{
	static struct rte_mbuf *out[4096];
	struct gen_chaos conf = {
		.loss = 0.1, .duplicate = 0.05, .reorder = 0.1, .corrupt = 0.05, .seed = 9};
	struct chaos c;
	unsigned int n;

	assert_true(chaos_on(&conf));
	chaos_init(&c, &conf, 0, pool);
	n = pass(&c, 1600, 6, out);
	assert_int_equal(n, 1600 - c.lost + c.duplicated);
	assert_in_range(c.lost, 100, 220);
	assert_in_range(c.duplicated, 40, 120);
	assert_in_range(c.reordered, 90, 210);
	assert_in_range(c.corrupted, 40, 120);
	free_all(out, n);
	chaos_fini(&c);
	assert_pool_full();
}

// The same seed does the same, another seed something else.
static void test_seed(void **state)
{
	static struct rte_mbuf *out[3][1024];
	unsigned int n[3];

	for (unsigned int run = 0; run < 3; run++) {
		struct gen_chaos conf = {
			.loss = 0.2, .reorder = 0.2, .duplicate = 0.1, .seed = run == 2 ? 2 : 1};
		struct chaos c;

		chaos_init(&c, &conf, 0, pool);
		n[run] = pass(&c, 320, 6, out[run]);
		chaos_fini(&c);
	}
	assert_int_equal(n[0], n[1]);
	for (unsigned int i = 0; i < n[0]; i++)
		assert_int_equal(number_of(out[0][i]), number_of(out[1][i]));
	for (unsigned int i = 0, same = 0; i < n[0] && i < n[2]; i++) {
		same += number_of(out[0][i]) == number_of(out[2][i]);
		assert_true(same < n[0]);
	}
	for (unsigned int run = 0; run < 3; run++)
		free_all(out[run], n[run]);
	assert_pool_full();
}

// One that is late is overtaken by at most so many, and each comes exactly once.
static void test_reorder(void **state)
{
	static struct rte_mbuf *out[1024];
	struct gen_chaos conf = {.reorder = 0.3, .seed = 4};
	uint8_t seen[640] = {0};
	struct chaos c;
	unsigned int n, late = 0;

	chaos_init(&c, &conf, 0, pool);
	n = pass(&c, 640, 6, out);
	assert_int_equal(n, 640);
	for (unsigned int i = 0; i < n; i++) {
		uint32_t number = number_of(out[i]);

		assert_false(seen[number]++);
		assert_true(i <= number + CHAOS_HOLD_FRAMES + CHAOS_HELD_MAX);
		late += i > number;
	}
	assert_true(late > 50);
	free_all(out, n);
	chaos_fini(&c);
	assert_pool_full();
}

static unsigned int differing_bits(const struct rte_mbuf *m, const struct rte_mbuf *good)
{
	const uint8_t *a = rte_pktmbuf_mtod(m, uint8_t *), *b = rte_pktmbuf_mtod(good, uint8_t *);
	unsigned int n = 0;

	for (unsigned int i = 0; i < FRAME_LEN; i++)
		n += (unsigned int)__builtin_popcount(a[i] ^ b[i]);
	return n;
}

// One bit of what TCP's checksum covers; never of other protocols.
static void test_corrupt(void **state)
{
	struct gen_chaos conf = {.corrupt = 1, .seed = 4};
	struct rte_mbuf *m, *out[CHAOS_OUT(1)], *good;
	struct chaos c;

	chaos_init(&c, &conf, 0, pool);
	for (uint32_t i = 0; i < 2000; i++) {
		m = frame(i, 6);
		good = frame(i, 6);
		assert_int_equal(chaos_run(&c, &m, 1, out), 1);
		assert_int_equal(differing_bits(out[0], good), 1);
		assert_memory_equal(rte_pktmbuf_mtod(out[0], void *),
			rte_pktmbuf_mtod(good, void *), RTE_ETHER_HDR_LEN + 20);
		assert_int_equal(
			out[0]->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK, RTE_MBUF_F_RX_L4_CKSUM_BAD);
		rte_pktmbuf_free(out[0]);
		rte_pktmbuf_free(good);
	}
	m = frame(1, 17);
	good = frame(1, 17);
	assert_int_equal(chaos_run(&c, &m, 1, out), 1);
	assert_int_equal(differing_bits(out[0], good), 0);
	rte_pktmbuf_free(out[0]);
	rte_pktmbuf_free(good);
	assert_int_equal(c.corrupted, 2000);
	assert_pool_full();
}

// A length in the header that the frame has not is left alone.
static void test_corrupt_lies(void **state)
{
	struct gen_chaos conf = {.corrupt = 1, .seed = 4};
	struct rte_mbuf *m, *out[CHAOS_OUT(1)];
	struct chaos c;

	chaos_init(&c, &conf, 0, pool);
	for (unsigned int len = 0; len < 65536; len += 251) {
		m = frame(1, 6);
		rte_pktmbuf_mtod(m, uint8_t *)[16] = (uint8_t)(len >> 8);
		rte_pktmbuf_mtod(m, uint8_t *)[17] = (uint8_t)len;
		assert_int_equal(chaos_run(&c, &m, 1, out), 1);
		rte_pktmbuf_free(out[0]);
	}
	assert_pool_full();
}

static void test_fini_frees(void **state)
{
	struct gen_chaos conf = {.reorder = 1, .seed = 4};
	struct rte_mbuf *m, *out[CHAOS_OUT(1)];
	struct chaos c;

	chaos_init(&c, &conf, 0, pool);
	m = frame(1, 6);
	assert_int_equal(chaos_run(&c, &m, 1, out), 0);
	assert_int_equal(c.nb_held, 1);
	chaos_fini(&c);
	assert_pool_full();
}

// --- cutter ---

static uint32_t seed = 1;

static uint32_t random_to(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

// Writes of any length: the same bytes in the same order, in segments of the MSS.
static void test_cut(void **state)
{
	static uint8_t stream[200000], back[200000];
	static struct rte_mbuf *spare[64], *out[64];
	struct rte_mbuf *tail = NULL;
	uint32_t at = 0, got = 0, nb_spare = 0;
	const uint16_t mss = 1448;

	for (uint32_t i = 0; i < sizeof(stream); i++)
		stream[i] = (uint8_t)random_to(256);
	while (at < sizeof(stream)) {
		uint32_t n = RTE_MIN(1 + random_to(20000), (uint32_t)sizeof(stream) - at), before;
		uint32_t need = cut_need(tail, mss, n);
		uint16_t nb;

		while (nb_spare < need) {
			spare[nb_spare] = rte_pktmbuf_alloc(pool);
			assert_non_null(spare[nb_spare++]);
		}
		before = nb_spare;
		nb = cut_put(&tail, mss, stream + at, n, spare, &nb_spare, out);
		assert_int_equal(before - nb_spare, need);
		at += n;
		for (uint16_t i = 0; i < nb; i++) {
			assert_int_equal(out[i]->data_len, mss);
			assert_int_equal(out[i]->pkt_len, mss);
			memcpy(back + got, rte_pktmbuf_mtod(out[i], void *), mss);
			got += mss;
			rte_pktmbuf_free(out[i]);
		}
		if (tail) {
			assert_in_range(tail->data_len, 1, mss - 1);
			assert_int_equal(at, got + tail->data_len);
		}
	}
	if (tail)
		memcpy(back + got, rte_pktmbuf_mtod(tail, void *), tail->data_len);
	assert_memory_equal(stream, back, sizeof(stream));
	rte_pktmbuf_free(tail);
	free_all(spare, nb_spare);
	assert_pool_full();
}

static void test_cut_smaller_mss(void **state)
{
	struct rte_mbuf *spare[4], *out[8], *tail = NULL;
	uint8_t bytes[1000] = {0};
	uint32_t nb_spare = 4;
	uint16_t nb;

	for (unsigned int i = 0; i < 4; i++)
		spare[i] = rte_pktmbuf_alloc(pool);
	nb = cut_put(&tail, 1400, bytes, 1000, spare, &nb_spare, out);
	assert_int_equal(nb, 0);
	assert_int_equal(cut_need(tail, 600, 700), 2);
	nb = cut_put(&tail, 600, bytes, 700, spare, &nb_spare, out);
	assert_int_equal(nb, 2);
	assert_int_equal(out[0]->data_len, 1000);
	assert_int_equal(out[1]->data_len, 600);
	assert_int_equal(tail->data_len, 100);
	assert_int_equal(nb_spare, 1);
	free_all(out, nb);
	rte_pktmbuf_free(tail);
	free_all(spare, nb_spare);
	assert_pool_full();
}

// --- pacing ---

static void test_pace(void **state)
{
	struct pace p;
	uint64_t now = 1000000;
	unsigned int sum = 0;

	pace_start(&p, 10000, now);
	assert_int_equal(pace_take(&p, 1, 64, now), 0);
	for (unsigned int i = 0; i < 100000; i++)
		sum += pace_take(&p, 1, 64, now += 10);
	assert_in_range(sum, 9999, 10000);
}

// Whole bursts only, and none is lost to rounding.
static void test_pace_burst(void **state)
{
	unsigned int sum = 0, n;
	struct pace p;
	uint64_t now = 0;

	pace_start(&p, 1000, now);
	for (unsigned int i = 0; i < 10000; i++) {
		n = pace_take(&p, 16, 64, now += 100);
		assert_int_equal(n % 16, 0);
		sum += n;
	}
	assert_in_range(sum, 1000 - 16, 1000);
}

static void test_pace_catch_up(void **state)
{
	struct pace p;

	pace_start(&p, 10000, 0);
	assert_in_range(pace_take(&p, 1, 1000000, 60000000), 500, 501);
	assert_int_equal(pace_take(&p, 1, 1000000, 60000000), 0);
	pace_back(&p, 7);
	assert_int_equal(pace_take(&p, 1, 1000000, 60000000), 7);
}

static void test_pace_unbound(void **state)
{
	struct pace p;

	pace_start(&p, 0, 0);
	assert_int_equal(pace_take(&p, 1, 64, 0), 64);
	assert_int_equal(pace_take(&p, 1, 64, 0), 64);
}

static int set_up(void **state)
{
	char *argv[] = {"test", "--no-huge", "-m", "64", "--no-pci", "--no-telemetry",
		"--no-shconf", "--log-level=4", "-l", "0", "--file-prefix", "culvert-gen-test"};

	if (rte_eal_init(RTE_DIM(argv), argv) < 0)
		return -1;
	pool = mbuf_pool_create("test", POOL, SOCKET_ID_ANY);
	return pool ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_seed),
		cmocka_unit_test(test_reorder),
		cmocka_unit_test(test_corrupt),
		cmocka_unit_test(test_corrupt_lies),
		cmocka_unit_test(test_fini_frees),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_smaller_mss),
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_pace_burst),
		cmocka_unit_test(test_pace_catch_up),
		cmocka_unit_test(test_pace_unbound),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
