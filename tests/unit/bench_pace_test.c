// SPDX-License-Identifier: BSD-3-Clause
// culvert-bench plain --rate: records of any size at the rate that was asked for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/plain/pace.h"

#define BEGAN_S 12345.0

// Bytes a second over so long, where a record takes cost_s to send and a sleep lasts over_s longer
// than it should.
static double rate(double bytes_s, unsigned int record, double cost_s, double over_s, double for_s)
{
	struct pace p = {.bytes_s = bytes_s};
	double now_s = BEGAN_S, until, bytes = 0;

	while (now_s < BEGAN_S + for_s) {
		if (pace_is_look(&p, record)) {
			until = pace_until(&p, now_s);
			if (until)
				now_s = until + over_s;
		}
		now_s += cost_s;
		bytes += record;
	}
	return bytes / (now_s - BEGAN_S);
}

static void within(double got, double want)
{
	if (got < want * 0.99 || got > want * 1.01)
		fail_msg("%.0f bytes a second instead of %.0f", got, want);
}

static void every_record_counts(void **state)
{
	static const unsigned int records[] = {100, 1408, 15488, 16384};

	for (unsigned int i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		double cost_s = records[i] / 1e9;

		within(rate(20e6, records[i], cost_s, 0, 5), 20e6);
		within(rate(20e6, records[i], cost_s, 1e-3, 5), 20e6); // made up for
		within(rate(300e6, records[i], cost_s, 1e-4, 1), 300e6);
	}
}

// Some seconds between two records.
static void slower_than_a_second(void **state)
{
	within(rate(4096, 16384, 1e-5, 1e-4, 4000), 4096);
}

// A hold-up is made up for up to a bound: what came after it does not go in one flood.
static void hold_up(void **state)
{
	struct pace p = {.bytes_s = 20e6};
	double now_s = BEGAN_S + 1;
	unsigned int n = 0;

	assert_true(pace_is_look(&p, PACE_BURST));
	assert_true(pace_until(&p, BEGAN_S) == 0);
	for (; n < 1000; n++)
		if (pace_is_look(&p, PACE_BURST) && pace_until(&p, now_s))
			break;
	assert_in_range(n, 1, PACE_BEHIND_MAX + 1);
}

static void as_fast_as_it_goes(void **state)
{
	struct pace p = {0};

	for (unsigned int i = 0; i < 1000; i++)
		assert_false(pace_is_look(&p, 16384));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_record_counts),
		cmocka_unit_test(slower_than_a_second),
		cmocka_unit_test(hold_up),
		cmocka_unit_test(as_fast_as_it_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
