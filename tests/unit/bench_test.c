// SPDX-License-Identifier: BSD-3-Clause
// What the load generator's verdict rests on: test packets, sequence windows, histograms.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/hist.h"
#include "bench/probe.h"
#include "bench/sockets/load.h"
#include "bench/window.h"

static const struct probe sample = {
	.run = 0x12345678, .session = 70000, .seq = 0x1234567890, .sent_ns = 0xfedcba9876543210};

// One's complement sum over n bytes, to check what the code under test sums up.
static uint16_t checksum(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

// What a host does with an echo request.
static void answer(uint8_t *ip, size_t len)
{
	uint8_t addr[4];

	memcpy(addr, ip + 12, 4);
	memcpy(ip + 12, ip + 16, 4);
	memcpy(ip + 16, addr, 4);
	ip[20] = 0;
	ip[22] = ip[23] = 0;
	uint16_t sum = checksum(ip + 20, len - 20, 0);
	ip[22] = (uint8_t)(sum >> 8);
	ip[23] = (uint8_t)sum;
}

static void test_probe_icmp(void **state)
{
	uint8_t ip[PROBE_MAX_SIZE];
	struct probe got;

	for (size_t size = PROBE_MIN_SIZE; size <= PROBE_MAX_SIZE; size += size < 200 ? 1 : 97) {
		probe_build(ip, size, PROBE_ICMP, 0x0a000002, 0xc6336401, &sample);
		assert_int_equal(checksum(ip, 20, 0), 0);
		assert_int_equal(checksum(ip + 20, size - 20, 0), 0);
		assert_int_equal(probe_check(ip, size, size, sample.run, &got), PROBE_OTHER);
		answer(ip, size);
		assert_int_equal(probe_check(ip, size, size, sample.run, &got), PROBE_OK);
		assert_int_equal(got.session, sample.session);
		assert_true(got.seq == sample.seq && got.sent_ns == sample.sent_ns);
	}
}

// Every single bit that is turned is found, but for what routers change: TTL and header checksum
// together, TOS; here any change of the header fails its checksum.
static void test_probe_corrupt(void **state)
{
	uint8_t ip[333];
	struct probe got;

	probe_build(ip, sizeof(ip), PROBE_UDP, 0x0a000002, 0x0a000003, &sample);
	assert_int_equal(probe_check(ip, sizeof(ip), sizeof(ip), sample.run, &got), PROBE_OK);
	for (size_t bit = 8; bit < sizeof(ip) * 8; bit++) {
		ip[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(
			probe_check(ip, sizeof(ip), sizeof(ip), sample.run, &got), PROBE_OK);
		ip[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	// The same with the checksum made right again, as a broken sender or tunnel would.
	for (size_t i = 28; i < sizeof(ip); i++) {
		ip[i] ^= 0x40;
		ip[26] = ip[27] = 0;
		uint16_t sum = checksum(
			ip + 20, sizeof(ip) - 20, 17 + sizeof(ip) - 20 + 0x0a00 + 2 + 0x0a00 + 3);
		ip[26] = (uint8_t)(sum >> 8);
		ip[27] = (uint8_t)sum;
		assert_int_not_equal(
			probe_check(ip, sizeof(ip), sizeof(ip), sample.run, &got), PROBE_OK);
		ip[i] ^= 0x40;
	}
	for (size_t len = 0; len < sizeof(ip); len++)
		assert_int_not_equal(probe_check(ip, len, sizeof(ip), sample.run, &got), PROBE_OK);
}

static void test_probe_foreign(void **state)
{
	uint8_t ip[100] = {0};
	struct probe got;

	assert_int_equal(probe_check(ip, sizeof(ip), sizeof(ip), 1, &got), PROBE_OTHER);
	probe_build(ip, sizeof(ip), PROBE_UDP, 1, 2, &sample);
	assert_int_equal(probe_check(ip, sizeof(ip), sizeof(ip), 1, &got), PROBE_OTHER);
	// An echo reply of another run: nobody else sends any here.
	probe_build(ip, sizeof(ip), PROBE_ICMP, 1, 2, &sample);
	answer(ip, sizeof(ip));
	assert_int_equal(probe_check(ip, sizeof(ip), sizeof(ip), 1, &got), PROBE_CORRUPT);
}

static void test_window(void **state)
{
	struct seq_window w = {0};

	assert_true(seq_window_add(&w, 0));
	assert_true(seq_window_add(&w, 1));
	assert_false(seq_window_add(&w, 1));
	assert_true(seq_window_add(&w, 5));
	assert_true(seq_window_add(&w, 3));
	assert_false(seq_window_add(&w, 3));
	assert_false(seq_window_add(&w, 5));
	assert_true(seq_window_add(&w, 2));
	assert_int_equal(w.received, 5);
	assert_int_equal(w.reordered, 2);
	assert_int_equal(w.duplicated, 3);
	// A gap as wide as the window and wider.
	assert_true(seq_window_add(&w, 5 + WINDOW_BITS));
	assert_true(seq_window_add(&w, 6 + WINDOW_BITS / 2));
	assert_false(seq_window_add(&w, 6 + WINDOW_BITS / 2));
	assert_true(seq_window_add(&w, 100 * WINDOW_BITS + 17));
	assert_true(seq_window_add(&w, 100 * WINDOW_BITS + 16));
	assert_false(seq_window_add(&w, 100 * WINDOW_BITS + 17));
}

// Any order with any repetition: what was sent is what is received, each once.
static void test_window_random(void **state)
{
	static bool seen[20000];
	struct seq_window w = {0};
	uint64_t received = 0, rng = 88172645463325252u;

	for (unsigned int i = 0; i < 60000; i++) {
		unsigned int seq;

		rng ^= rng << 13;
		rng ^= rng >> 7;
		rng ^= rng << 17;
		seq = (i / 3 + (unsigned int)(rng >> 33) % 1000) % 20000;
		// Within the window of what is newest, so that the answer is exact.
		if (seq + WINDOW_BITS < w.next)
			continue;
		assert_int_equal(seq_window_add(&w, seq), !seen[seq]);
		received += !seen[seq];
		seen[seq] = true;
	}
	assert_int_equal(w.received, received);
	assert_true(received > 15000);
}

static void test_hist(void **state)
{
	struct hist *h = calloc(1, sizeof(*h));

	assert_int_equal(hist_quantile(h, 0.5), 0);
	for (uint64_t v = 1; v <= 100000; v++)
		hist_add(h, v * 1000);
	assert_in_range(hist_quantile(h, 0.5), 50000000 * 0.97, 50000000 * 1.04);
	assert_in_range(hist_quantile(h, 0.99), 99000000 * 0.97, 99000000 * 1.04);
	assert_int_equal(hist_quantile(h, 1), 100000000);
	assert_int_equal(h->max, 100000000);
	hist_add(h, UINT64_MAX);
	hist_add(h, 0);
	assert_true(hist_quantile(h, 1) == UINT64_MAX);
	assert_true(hist_quantile(h, 0) <= 1000);
	free(h);
}

// What makes a run a failure.
static void test_verdict(void **state)
{
	const struct load_conf conf = {.sessions = 2, .mode = LOAD_PING, .max_loss = 0.01};
	const struct load_conf stall = {.sessions = 2, .call = {.stall = CALL_STALL_TCP}};
	const struct load_result good = {
		.up = 2, .hung_up = 2, .sent = 1000, .received = 990, .missing = 10};
	struct load_result r = good;

	assert_true(load_passed(&conf, &r));
	r.missing = 11;
	assert_false(load_passed(&conf, &r));
	r = good;
	r.corrupt = 1;
	assert_false(load_passed(&conf, &r));
	r = good;
	r.lost = 1;
	assert_false(load_passed(&conf, &r));
	r = good;
	r.hung_up = 1;
	assert_false(load_passed(&conf, &r));
	r = good;
	r.up = 1;
	r.failed = 1;
	assert_false(load_passed(&conf, &r));
	r = (struct load_result){.up = 2, .hung_up = 2};
	assert_false(load_passed(&conf, &r));
	r = (struct load_result){.ended_by_server = 2};
	assert_true(load_passed(&stall, &r));
	r.still_open = 1;
	assert_false(load_passed(&stall, &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe_icmp),
		cmocka_unit_test(test_probe_corrupt),
		cmocka_unit_test(test_probe_foreign),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_window_random),
		cmocka_unit_test(test_hist),
		cmocka_unit_test(test_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
