// SPDX-License-Identifier: BSD-3-Clause
// Congestion control: the numbers of RFC 5681 and RFC 9438.
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "dataplane/tcp_cc.h"

#define MSS 1000
#define RTT_US 100000

static struct tcp_cc_flow flow(const struct tcp_cc *cc, uint32_t cwnd)
{
	struct tcp_cc_flow f = {.cwnd = cwnd * MSS, .ssthresh = UINT32_MAX, .mss = MSS};

	cc->init(&f, 0);
	return f;
}

// A window's worth of ACKs.
static void round_trip(const struct tcp_cc *cc, struct tcp_cc_flow *f, uint64_t *now)
{
	uint32_t n = f->cwnd / MSS;

	for (uint32_t i = 0; i < n; i++)
		cc->acked(f, MSS, RTT_US, *now + RTT_US * (i + 1ull) / n);
	*now += RTT_US;
}

static void slow_start(void **state)
{
	const struct tcp_cc *cc[] = {&tcp_cc_cubic, &tcp_cc_newreno};

	for (int i = 0; i < 2; i++) {
		struct tcp_cc_flow f = flow(cc[i], 10);
		uint64_t now = 1000000;

		round_trip(cc[i], &f, &now);
		assert_int_equal(f.cwnd, 20 * MSS);
		round_trip(cc[i], &f, &now);
		assert_int_equal(f.cwnd, 40 * MSS);
		f.ssthresh = 41 * MSS;
		round_trip(cc[i], &f, &now);
		assert_in_range(f.cwnd, 41 * MSS, 43 * MSS);
	}
}

static void newreno(void **state)
{
	struct tcp_cc_flow f = flow(&tcp_cc_newreno, 100);
	uint64_t now = 1000000;

	tcp_cc_newreno.loss(&f, 100 * MSS, now);
	assert_int_equal(f.ssthresh, 50 * MSS);
	f.cwnd = f.ssthresh;
	for (int i = 0; i < 10; i++)
		round_trip(&tcp_cc_newreno, &f, &now);
	assert_in_range(f.cwnd, 59 * MSS, 60 * MSS);
	f.cwnd = MSS;
	tcp_cc_newreno.loss(&f, MSS, now);
	assert_int_equal(f.ssthresh, 2 * MSS);
}

// After a loss at W: 0.7 W, then W again after K = cbrt(0.3 W / 0.4) seconds, flat there, then
// beyond.
static void cubic_curve(void **state)
{
	const double w_max = 1000;
	struct tcp_cc_flow f = flow(&tcp_cc_cubic, (uint32_t)w_max);
	double k = cbrt(w_max * 0.3 / 0.4);
	uint64_t now = 1000000, start = now;

	tcp_cc_cubic.loss(&f, f.cwnd, now);
	assert_in_range(f.ssthresh, 699 * MSS, 700 * MSS);
	f.cwnd = f.ssthresh;
	while ((double)(now - start) / 1e6 < 2 * k) {
		double t = (double)(now - start) / 1e6, w = f.cwnd / (double)MSS;
		double expect = 0.4 * pow(t - k, 3) + w_max;

		assert_true(fabs(w - expect) < 0.02 * expect);
		round_trip(&tcp_cc_cubic, &f, &now);
	}
	assert_true(f.cwnd > 1200 * MSS);
}

// 4.7: a second loss below the last plateau gives way.
static void cubic_fast_convergence(void **state)
{
	struct tcp_cc_flow f = flow(&tcp_cc_cubic, 1000);

	tcp_cc_cubic.loss(&f, f.cwnd, 1000000);
	assert_int_equal(f.priv.d[1], 1000); // W_max
	f.cwnd = 800 * MSS;
	tcp_cc_cubic.loss(&f, f.cwnd, 2000000);
	assert_true(fabs(f.priv.d[1] - 800 * 0.85) < 1);
}

// 4.3: on short paths no slower than Reno.
static void cubic_reno_friendly(void **state)
{
	struct tcp_cc_flow f = flow(&tcp_cc_cubic, 20);
	uint64_t now = 1000000;

	tcp_cc_cubic.loss(&f, f.cwnd, now);
	f.cwnd = f.ssthresh;
	for (int i = 0; i < 40; i++) {
		uint32_t n = f.cwnd / MSS;

		for (uint32_t k = 0; k < n; k++)
			tcp_cc_cubic.acked(&f, MSS, 1000, now);
		now += 1000; // 1 ms: the cubic itself stands still
	}
	assert_in_range(f.cwnd, 14 * MSS + 18 * MSS, 14 * MSS + 40 * MSS);
}

static void find(void **state)
{
	assert_ptr_equal(tcp_cc_find("cubic"), &tcp_cc_cubic);
	assert_ptr_equal(tcp_cc_find("newreno"), &tcp_cc_newreno);
	assert_null(tcp_cc_find("vegas"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slow_start),
		cmocka_unit_test(newreno),
		cmocka_unit_test(cubic_curve),
		cmocka_unit_test(cubic_fast_convergence),
		cmocka_unit_test(cubic_reno_friendly),
		cmocka_unit_test(find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
