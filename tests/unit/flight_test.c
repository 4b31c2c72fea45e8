// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/flight.h"

#define MSS 1400u
#define RTT_US 20000u
#define LINE 6250000u                       // bytes/s: 50 Mbit/s
#define PRODUCT (LINE / 1000000.0 * RTT_US) // bytes
#define BEGIN_MS 1000000u
#define FIRST 65536u

static struct flight f;
static uint64_t now_ms;
static enum flight_change change; // the last that was asked for

static struct flight_sample sample(uint64_t rate)
{
	return (struct flight_sample){.rate = rate,
		.min_rtt_us = RTT_US,
		.rtt_us = RTT_US,
		.cwnd = 200 * MSS,
		.mss = MSS};
}

static int fresh(void **state)
{
	now_ms = BEGIN_MS;
	flight_init(&f, FIRST, false, true);
	return 0;
}

static enum flight_change step(const struct flight_sample *s, uint64_t ms)
{
	now_ms += ms;
	return flight_update(&f, s, now_ms);
}

static void steady(uint64_t rate, uint64_t ms)
{
	struct flight_sample s = sample(rate);

	for (; ms; ms -= 10)
		assert_int_equal(step(&s, 10), FLIGHT_STAY);
}

static void no_bound_before_a_sample(void **state)
{
	bool full = true;

	assert_int_equal(f.unsent, FIRST);
	assert_int_equal(f.holds, UINT32_MAX);
	assert_int_equal(flight_room(&f, 1000, 0, 10000000, &full), 1000);
	assert_false(full);
	assert_int_equal(flight_room(&f, FIRST + 1, 0, 0, &full), FIRST);
}

static void room_is_the_smaller_of_both(void **state)
{
	bool full;

	f.unsent = 10000;
	f.holds = 50000;
	assert_int_equal(flight_room(&f, 4000, 0, 0, &full), 4000);
	assert_int_equal(flight_room(&f, 40000, 3000, 3000, &full), 7000);
	assert_false(full);
	assert_int_equal(flight_room(&f, 40000, 0, 49000, &full), 1000);
	assert_false(full);
	assert_int_equal(flight_room(&f, 40000, 10000, 20000, &full), 0);
	assert_false(full); // the socket says when
	assert_int_equal(flight_room(&f, 40000, 0, 50000, &full), 0);
	assert_true(full);
	assert_int_equal(flight_room(&f, 40000, 20000, 90000, &full), 0);
	assert_true(full);
}

static void holds_the_product_and_an_eighth(void **state)
{
	steady(LINE, 1000);
	assert_in_range(f.holds, PRODUCT * 9 / 8, PRODUCT * 9 / 8 + 6 * MSS);
	// A pause of the application does not take it away, some seconds do.
	steady(LINE / 100, 2000);
	assert_in_range(f.holds, PRODUCT * 9 / 8, PRODUCT * 9 / 8 + 6 * MSS);
	steady(LINE / 100, 7000);
	assert_in_range(f.holds, PRODUCT / 100, PRODUCT / 100 * 9 / 8 + 6 * MSS);
}

// A rate that only the bound keeps low doubles with it, up to the line's; then the bound is short.
static void grows_to_the_line(void **state)
{
	uint32_t flight = 10 * MSS;
	uint64_t rate;

	for (unsigned int i = 0; i < 20; i++) {
		struct flight_sample s;

		rate = (uint64_t)flight * 1000000 / RTT_US;
		s = sample(rate < LINE ? rate : LINE);
		step(&s, RTT_US / 1000);
		if (rate < LINE / 2)
			assert_true(f.holds >= 2 * flight);
		flight = f.holds;
	}
	assert_in_range(f.holds, PRODUCT * 9 / 8, PRODUCT * 9 / 8 + 6 * MSS);
}

// A sender in slow start on a line of LINE with a long queue, by the millisecond: what it has on
// its way is bounded by f.holds and its window. Returns for how long the queue stood above that
// many milliseconds, and *reached: when the line was full.
static unsigned int slow_start_stands(unsigned int above_ms, unsigned int *reached)
{
	enum { MS = 1000, TRIP = RTT_US / 1000 };
	const double line = LINE / 1000.0;
	double left[MS + TRIP] = {0}, waited[MS + TRIP] = {0};
	double queue = 0, unacked = 0, cwnd = 10 * MSS, rtt = RTT_US;
	unsigned int stood = 0;

	*reached = 0;
	for (unsigned int t = 0; t < MS; t++) {
		double acked = t < TRIP ? 0 : left[t - TRIP], most, rate = 0;

		cwnd += acked;
		unacked -= acked;
		if (acked > 0)
			rtt += (RTT_US + waited[t - TRIP] - rtt) / 4;
		for (unsigned int i = t > 2 * TRIP ? t - 2 * TRIP : 0; t >= TRIP && i <= t - TRIP;
			i++)
			rate += left[i] / (TRIP + 1) * 1000;
		if (t % 10 == 0) {
			struct flight_sample s = sample((uint64_t)rate);

			s.rtt_us = (uint32_t)rtt;
			s.cwnd = (uint32_t)cwnd;
			step(&s, 10);
		}
		most = cwnd < f.holds ? cwnd : f.holds;
		if (unacked < most) {
			queue += most - unacked;
			unacked = most;
		}
		left[t] = queue < line ? queue : line;
		queue -= left[t];
		waited[t] = queue / line * 1000;
		if (!*reached && rate > LINE * 0.95)
			*reached = t;
		stood += queue / line > above_ms;
	}
	return stood;
}

// When the line is full, a call's first upload does not keep a queue as long as the path for the
// time that its growth is remembered.
static void slow_start_leaves_no_queue(void **state)
{
	unsigned int reached, stood;

	stood = slow_start_stands(10, &reached);
	assert_in_range(reached, 100, 140);
	assert_true(stood < 60); // of 130 before
}

static void unsent_is_some_milliseconds(void **state)
{
	struct flight_sample s = sample(LINE);

	step(&s, 10);
	assert_in_range(f.unsent, LINE / 1000, LINE / 500); // one to two
	s.cwnd = 4 * MSS;
	step(&s, 10);
	assert_int_equal(f.unsent, FLIGHT_UNSENT_MIN);
	s = sample(1000);
	step(&s, 10);
	assert_int_equal(f.unsent, FLIGHT_UNSENT_MIN);
	s = sample(12500000000u);
	s.cwnd = 100000 * MSS;
	step(&s, 10);
	assert_int_equal(f.unsent, FLIGHT_UNSENT_MAX);
}

static void short_paths_and_bbr_have_no_bound(void **state)
{
	struct flight_sample s = sample(LINE);

	s.min_rtt_us = s.rtt_us = 300;
	step(&s, 10);
	assert_int_equal(f.holds, UINT32_MAX);
	s = sample(LINE);
	step(&s, 10);
	assert_int_not_equal(f.holds, UINT32_MAX);
	flight_is_bbr(&f);
	assert_int_equal(f.holds, UINT32_MAX);
	step(&s, 10);
	assert_int_equal(f.holds, UINT32_MAX);
	assert_in_range(f.unsent, LINE / 250, LINE / 200);
}

static void rates_of_any_size(void **state)
{
	struct flight_sample s = sample(UINT64_MAX / UINT32_MAX);

	s.min_rtt_us = s.rtt_us = UINT32_MAX;
	step(&s, 10);
	assert_int_equal(f.holds, UINT32_MAX);
	s = (struct flight_sample){0}; // a kernel that says nothing
	step(&s, 10);
	assert_int_equal(f.unsent, FLIGHT_UNSENT_MIN);
	assert_int_equal(f.holds, UINT32_MAX);
}

// ---- loss

// Sends segments of the line's rate for some seconds, of which every lost-th is lost (0: none),
// with this round trip. Returns after how many ms another congestion control was asked for, 0: not.
static uint64_t send(uint32_t seconds, uint32_t lost, uint32_t rtt_us)
{
	struct flight_sample s = sample(LINE);
	uint64_t segs = 0, asked = 0, begin = now_ms;
	enum flight_change last;

	s.rtt_us = rtt_us;
	s.sent = f.loss.sent;
	s.again = f.loss.again;
	for (uint32_t i = 0; i < seconds * 100; i++) {
		uint32_t n = LINE / MSS / 100;

		for (uint32_t j = 0; j < n; j++)
			s.again += lost && ++segs % lost == 0 ? MSS : 0;
		s.sent += n * MSS;
		last = step(&s, 10);
		if (last == FLIGHT_STAY)
			continue;
		assert_int_equal(asked, 0);
		asked = now_ms - begin;
		change = last;
	}
	return asked;
}

static void loss_without_a_queue_asks_for_bbr_once(void **state)
{
	uint64_t asked = send(10, 100, RTT_US);

	assert_in_range(asked, 1000, 4000);
	assert_int_equal(change, FLIGHT_TO_BBR);
	assert_false(f.may_change);
}

// And each time the line has to do without for longer.
static void a_clean_line_changes_back(void **state)
{
	for (uint64_t ms = 10000; ms <= 40000; ms *= 2) {
		assert_in_range(send(4, 100, RTT_US), 1000, 4000);
		assert_int_equal(change, FLIGHT_TO_BBR);
		flight_is_bbr(&f);
		assert_int_equal(send(5, 100, RTT_US), 0);
		assert_int_equal(f.holds, UINT32_MAX);

		assert_int_equal(send((uint32_t)(ms / 2000), 0, RTT_US), 0);
		assert_int_equal(send(2, 500, RTT_US), 0); // begins anew
		assert_in_range(send((uint32_t)(ms / 1000) + 4, 0, RTT_US), ms - 1000, ms + 3000);
		assert_int_equal(change, FLIGHT_BACK);
		assert_int_not_equal(f.holds, UINT32_MAX);
	}
}

// What had a pace of its own from the beginning was chosen.
static void what_was_chosen_stays(void **state)
{
	flight_init(&f, FIRST, true, true);
	assert_int_equal(send(4, 100, RTT_US), 0);
	assert_int_equal(send(60, 0, RTT_US), 0);
}

static void little_loss_does_not(void **state)
{
	assert_int_equal(send(10, 1000, RTT_US), 0);
	assert_int_equal(send(10, 0, RTT_US), 0);
	assert_true(f.may_change);
}

static void loss_with_a_queue_does_not(void **state)
{
	assert_int_equal(send(10, 50, 2 * RTT_US), 0);
	assert_true(f.may_change);
	assert_in_range(send(5, 50, RTT_US), 1, 5000);
}

// One bad second among good ones.
static void a_burst_of_loss_does_not(void **state)
{
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(send(1, 20, RTT_US), 0);
		assert_int_equal(send(3, 0, RTT_US), 0);
	}
}

// Two of some dozen segments in many seconds are chance.
static void few_segments_do_not_count(void **state)
{
	struct flight_sample s = sample(1000);

	for (unsigned int i = 0; i < 600; i++) {
		s.sent += 140;
		s.again += i % 100 ? 0 : MSS;
		assert_int_equal(step(&s, 10), FLIGHT_STAY);
	}
}

static void nobody_asks_who_may_not_change(void **state)
{
	flight_init(&f, FIRST, false, false);
	assert_int_equal(send(10, 20, RTT_US), 0);
	flight_init(&f, FIRST, true, true);
	assert_int_equal(send(10, 20, RTT_US), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(no_bound_before_a_sample, fresh),
		cmocka_unit_test_setup(room_is_the_smaller_of_both, fresh),
		cmocka_unit_test_setup(holds_the_product_and_an_eighth, fresh),
		cmocka_unit_test_setup(grows_to_the_line, fresh),
		cmocka_unit_test_setup(slow_start_leaves_no_queue, fresh),
		cmocka_unit_test_setup(unsent_is_some_milliseconds, fresh),
		cmocka_unit_test_setup(short_paths_and_bbr_have_no_bound, fresh),
		cmocka_unit_test_setup(rates_of_any_size, fresh),
		cmocka_unit_test_setup(loss_without_a_queue_asks_for_bbr_once, fresh),
		cmocka_unit_test_setup(a_clean_line_changes_back, fresh),
		cmocka_unit_test_setup(what_was_chosen_stays, fresh),
		cmocka_unit_test_setup(little_loss_does_not, fresh),
		cmocka_unit_test_setup(loss_with_a_queue_does_not, fresh),
		cmocka_unit_test_setup(a_burst_of_loss_does_not, fresh),
		cmocka_unit_test_setup(few_segments_do_not_count, fresh),
		cmocka_unit_test_setup(nobody_asks_who_may_not_change, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
