// SPDX-License-Identifier: BSD-3-Clause
// What the load generator's verdict rests on: test packets, sequence windows, histograms.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/hist.h"
#include "bench/probe.h"
#include "bench/sockets/cpu.h"
#include "bench/sockets/far.h"
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
	r = good;
	r.no_far = true;
	assert_false(load_passed(&conf, &r));
	r = (struct load_result){.up = 2, .hung_up = 2};
	assert_false(load_passed(&conf, &r));
	r = (struct load_result){.ended_by_server = 2};
	assert_true(load_passed(&stall, &r));
	r.still_open = 1;
	assert_false(load_passed(&stall, &r));
}

// A far host sees the payload only, and makes payloads for others to put headers around.
static void test_probe_body(void **state)
{
	uint8_t ip[PROBE_MAX_SIZE];
	struct probe got;

	for (size_t size = PROBE_MIN_SIZE; size <= PROBE_MAX_SIZE; size += 61) {
		size_t len = size - PROBE_HDR_LEN;
		uint8_t *body = ip + PROBE_HDR_LEN;

		probe_body_build(body, len, &sample);
		assert_int_equal(probe_body_check(body, len, len, sample.run, &got), PROBE_OK);
		assert_true(got.seq == sample.seq && got.session == sample.session);
		assert_int_equal(
			probe_body_check(body, len, len, sample.run + 1, &got), PROBE_OTHER);
		assert_int_equal(
			probe_body_check(body, len, len + 1, sample.run, &got), PROBE_CORRUPT);
		probe_wrap_udp(ip, size, 0x0a000002, 0xc6336401, 40000, 7777);
		assert_int_equal(checksum(ip, 20, 0), 0);
		assert_int_equal(checksum(ip + 20, size - 20,
					 17 + (uint32_t)size - 20 + 0x0a00 + 2 + 0xc633 + 0x6401),
			0);
		assert_int_equal(ip[22] << 8 | ip[23], 7777);
		assert_int_equal(probe_check(ip, size, size, sample.run, &got), PROBE_OK);
		body[len - 1] ^= 1;
		assert_int_equal(probe_body_check(body, len, len, sample.run, &got), PROBE_CORRUPT);
	}
}

// Every message comes back as it was, and nothing shorter or longer is one.
static void test_far_messages(void **state)
{
	struct far_msg m[] = {
		{.type = FAR_HELLO, .u.hello = {0x1122334455667788, 64, 100000}},
		{.type = FAR_WELCOME, .u.welcome = {1}},
		{.type = FAR_SEND, .u.send = {1ull << 40, 77, 64, 1400}},
		{.type = FAR_ACK, .u.ack = {12, 11, UINT64_MAX}},
		{.type = FAR_ASK},
		{.type = FAR_REPORT,
			.u.report = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, UINT64_MAX - 1}},
	};

	for (unsigned int i = 0; i < sizeof(m) / sizeof(m[0]); i++) {
		uint8_t buf[FAR_MSG_MAX + 1] = {0};
		struct far_msg got;
		size_t n;

		m[i].run = 0xcafe0001;
		m[i].session = 4711;
		n = far_encode(buf, &m[i]);
		assert_in_range(n, 16, FAR_MSG_MAX);
		assert_int_equal(far_decode(buf, n, &got), 0);
		assert_memory_equal(&got, &m[i], sizeof(got));
		for (size_t len = 0; len < n; len++)
			assert_int_equal(far_decode(buf, len, &got), -EBADMSG);
		assert_int_equal(far_decode(buf, n + 1, &got), -EBADMSG);
		buf[0] ^= 1;
		assert_int_equal(far_decode(buf, n, &got), -EBADMSG);
		buf[0] ^= 1;
		buf[7] = 99; // no such type
		assert_int_equal(far_decode(buf, n, &got), -EBADMSG);
	}
	assert_true(far_boot_id() == far_boot_id());
}

static void test_cpu_parse(void **state)
{
	uint64_t utime, stime;

	assert_int_equal(cpu_parse_stat("12 (a b) c) (d) S 1 2 3 4 5 6 7 8 9 10 1234 567 0 0 20",
				 &utime, &stime),
		0);
	assert_true(utime == 1234 && stime == 567);
	assert_int_equal(cpu_parse_stat("12 (a) S 1 2 3", &utime, &stime), -EBADMSG);
	assert_int_equal(cpu_parse_stat("", &utime, &stime), -EBADMSG);
}

// This process's own time, taken as another's is.
static void test_cpu_sample(void **state)
{
	struct cpu_sample *s = calloc(3, sizeof(*s));
	pid_t self = getpid(), nobody = 0x3fffffff;
	clock_t start = clock();

	assert_int_equal(cpu_sample(&self, 1, &s[0]), 0);
	while (clock() < start + CLOCKS_PER_SEC / 10)
		;
	assert_int_equal(cpu_sample(&self, 1, &s[1]), 0);
	cpu_between(&s[0], &s[1], &s[2]);
	// In clock ticks of a hundredth of a second.
	assert_true(s[2].user_s + s[2].system_s > 0.05);
	assert_true(s[2].at_ns >= 90000000);
	assert_true(s[2].all_user_s + s[2].all_system_s > 0);
	assert_int_equal(cpu_sample(&nobody, 1, &s[0]), -ESRCH);
	free(s);
}

static void test_cost(void **state)
{
	struct load_result r = {.has_cpu = true,
		.up = 10,
		.window = {.s = 2, .received = 100000, .rx_bytes = 140000000},
		.setup_cpu = {.user_s = 0.01},
		.traffic_cpu = {.at_ns = 2000000000,
			.tsc = 5000000000,
			.user_s = 0.3,
			.system_s = 0.2,
			.all_softirq_s = 0.1}};
	struct load_cost c;

	assert_true(load_cost(&r, &c));
	assert_true(c.us > 4.999 && c.us < 5.001);
	assert_true(c.cycles > 12499 && c.cycles < 12501);
	assert_true(c.cores > 0.2499 && c.cores < 0.2501);
	assert_true(c.softirq_us > 0.999 && c.softirq_us < 1.001);
	assert_true(c.packets_cpu_s > 199999 && c.packets_cpu_s < 200001);
	assert_true(c.mbit_cpu_s > 2239 && c.mbit_cpu_s < 2241);
	assert_true(c.setup_us > 999 && c.setup_us < 1001);
	r.window.received = 0;
	assert_true(load_cost(&r, &c));
	assert_true(c.us == 0);
	r.has_cpu = false;
	assert_false(load_cost(&r, &c));
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
		cmocka_unit_test(test_probe_body),
		cmocka_unit_test(test_far_messages),
		cmocka_unit_test(test_cpu_parse),
		cmocka_unit_test(test_cpu_sample),
		cmocka_unit_test(test_cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
