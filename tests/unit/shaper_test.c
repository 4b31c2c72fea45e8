// SPDX-License-Identifier: BSD-3-Clause
// Token bucket and burst, with a clock of the test's own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dataplane/shaper.h"

#define M UINT64_C(1000000)
#define S UINT64_C(1000000) // us

static uint32_t rnd(uint32_t *s)
{
	*s = *s * 1664525 + 1013904223;
	return *s >> 8;
}

// Packets of these sizes that always wait, woken when the shaper says, at most late_us late.
// Returns the bytes that passed from *now on for that long.
static uint64_t saturate(struct shaper *s, uint64_t *now, uint64_t for_us, uint32_t min,
	uint32_t max, uint32_t late_us, uint32_t *seed)
{
	uint64_t end = *now + for_us, bytes = 0;

	while (*now < end) {
		while (shaper_open(s, *now)) {
			uint32_t n = min + rnd(seed) % (max - min + 1);

			shaper_take(s, n);
			bytes += n;
		}
		*now = shaper_opens_us(s) + (late_us ? rnd(seed) % late_us : 0);
	}
	return bytes;
}

static void assert_rate(uint64_t bytes, uint64_t us, uint64_t bps, unsigned int permille)
{
	uint64_t want = bps / 8 * us / S;

	if (bytes < want - want * permille / 1000 || bytes > want + want * permille / 1000)
		fail_msg("%lu bytes, %lu wanted", (unsigned long)bytes, (unsigned long)want);
}

// The bound: within 3 % over 10 s, whatever the packets, and however late the worker comes
// back, up to a timer's tick and a little.
static void ten_seconds(void **state)
{
	static const uint64_t rates[] = {64000, 1 * M, 10 * M, 100 * M, 1000 * M, 100000 * M};
	static const uint32_t sizes[][2] = {{1500, 1500}, {64, 64}, {40, 1500}, {4091, 4091}};
	uint32_t seed = 1;

	for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
		for (size_t z = 0; z < sizeof(sizes) / sizeof(sizes[0]); z++) {
			for (uint32_t late = 0; late <= 10000; late += 5000) {
				struct dp_rate c = {.bps = rates[r]};
				struct shaper s = {0};
				uint64_t now = 12345, bytes;

				// 100 Gbit/s of small packets are too many for a test.
				if (rates[r] > 1000 * M && sizes[z][0] < 1500)
					continue;
				shaper_set(&s, &c, now);
				bytes = saturate(&s, &now, (rates[r] > 1000 * M ? 1 : 10) * S,
					sizes[z][0], sizes[z][1], late, &seed);
				assert_rate(bytes, now - 12345, rates[r],
					rates[r] > 1000 * M ? 110 : 30);
			}
		}
	}
}

// Offered less than the limit everything passes at once.
static void below_the_limit(void **state)
{
	struct dp_rate c = {.bps = 10 * M};
	struct shaper s = {0};
	uint64_t now = 0;

	shaper_set(&s, &c, now);
	for (int i = 0; i < 100000; i++, now += 1300) { // 9.2 Mbit/s
		assert_true(shaper_open(&s, now));
		shaper_take(&s, 1500);
	}
}

static void depth(void **state)
{
	struct dp_rate c = {.bps = 100 * M};
	struct shaper s = {0};
	uint64_t now = 1000 * S, bytes = 0;

	shaper_set(&s, &c, now);
	for (int k = 0; k < 2; k++) {
		for (bytes = 0; shaper_open(&s, now); bytes += 1500)
			shaper_take(&s, 1500);
		// 100 ms, once: a long silence saves no more.
		assert_in_range(bytes, 1250000, 1250000 + 1500);
		now += 3600 * S;
	}
	assert_true(shaper_open(&s, now));
}

static void off(void **state)
{
	struct dp_rate c = {0};
	struct shaper s = {0};

	shaper_set(&s, &c, 5);
	assert_false(shaper_on(&s));
	for (int i = 0; i < 1000; i++) {
		assert_true(shaper_open(&s, 5));
		shaper_take(&s, 60000);
	}
	// Burst values without a limit are none.
	c.burst_bps = c.threshold_bps = M;
	c.time_s = 4;
	shaper_set(&s, &c, 5);
	assert_false(shaper_on(&s));
}

// RouterOS's own arithmetic: with an idle average the burst lasts threshold * time / burst, give or
// take a sixteenth of the time; afterwards max-limit.
static void burst_lasts(void **state)
{
	struct dp_rate c = {.bps = 1 * M, .burst_bps = 4 * M, .threshold_bps = 2 * M, .time_s = 16};
	struct shaper s = {0};
	uint64_t now = 0, bytes, t;
	uint32_t seed = 2;

	shaper_set(&s, &c, now);
	assert_int_equal(s.rate, 4 * M);
	bytes = saturate(&s, &now, 7 * S, 1500, 1500, 0, &seed);
	assert_rate(bytes, 7 * S, 4 * M, 30);
	t = now;
	bytes = saturate(&s, &now, 1500000, 1500, 1500, 0, &seed); // it ends in here
	t = now - t;
	assert_true(bytes < 4 * M / 8 * t / S);
	assert_int_equal(s.rate, 1 * M);
	// The average falls under the threshold when the burst leaves the window: until then.
	t = now;
	bytes = saturate(&s, &now, 6 * S, 1500, 1500, 0, &seed);
	assert_rate(bytes, now - t, 1 * M, 30);
}

// A threshold under the limit: who uses the limit all the time never bursts again; who rests does.
static void burst_after_rest(void **state)
{
	struct dp_rate c = {.bps = 2 * M, .burst_bps = 4 * M, .threshold_bps = 1 * M, .time_s = 8};
	struct shaper s = {0};
	uint64_t now = 0, t, bytes;
	uint32_t seed = 3;

	shaper_set(&s, &c, now);
	saturate(&s, &now, 3 * S, 1500, 1500, 0, &seed);
	assert_int_equal(s.rate, 2 * M);
	t = now;
	bytes = saturate(&s, &now, 30 * S, 1500, 1500, 0, &seed);
	assert_rate(bytes, now - t, 2 * M, 10);
	now += 3 * S; // three eighths of the window: the average is 1.25 Mbit/s
	assert_true(shaper_open(&s, now));
	assert_int_equal(s.rate, 2 * M);
	now += 2 * S;
	assert_true(shaper_open(&s, now));
	assert_int_equal(s.rate, 4 * M);
	// After a long silence nothing of before is left.
	now += 1000 * S;
	assert_true(shaper_open(&s, now));
	for (unsigned int i = 0; i < SHAPER_SLOTS; i++)
		assert_int_equal(s.slots[i], 0);
}

// The average of a steady stream is right whatever the window's size.
static void average(void **state)
{
	static const uint32_t times[] = {1, 2, 7, 60, 3600};

	for (size_t k = 0; k < sizeof(times) / sizeof(times[0]); k++) {
		struct dp_rate c = {.bps = 100 * M,
			.burst_bps = 100000 * M,
			.threshold_bps = 11 * M,
			.time_s = times[k]};
		struct shaper s = {0};
		uint64_t now = 0, end = 3 * S * times[k], step = times[k] > 60 ? 100000 : 1000;

		shaper_set(&s, &c, now);
		for (; now < end; now += step) { // 10 Mbit/s
			assert_true(shaper_open(&s, now));
			assert_int_equal(s.rate, 100000 * M);
			shaper_take(&s, 10 * M / 8 * step / S);
		}
		for (end += S * times[k] + S; now < end; now += step) { // 12 Mbit/s
			shaper_open(&s, now);
			shaper_take(&s, 12 * M / 8 * step / S);
		}
		assert_int_equal(s.rate, 100 * M);
	}
}

// Another limit in the middle: no free bucket, no forgotten debt.
static void changed(void **state)
{
	struct dp_rate c = {.bps = 1 * M};
	struct shaper s = {0};
	uint64_t now = 0, t, bytes;
	uint32_t seed = 4;

	shaper_set(&s, &c, now);
	saturate(&s, &now, 2 * S, 1500, 1500, 0, &seed);
	for (int i = 0; i < 100; i++)
		shaper_set(&s, &c, now); // the same again
	t = now;
	bytes = saturate(&s, &now, 2 * S, 1500, 1500, 0, &seed);
	assert_rate(bytes, now - t, 1 * M, 10);
	c.bps = 20 * M;
	shaper_set(&s, &c, now);
	t = now;
	bytes = saturate(&s, &now, 10 * S, 1500, 1500, 0, &seed);
	assert_rate(bytes, now - t, 20 * M, 10);
	c.bps = 0;
	shaper_set(&s, &c, now);
	assert_false(shaper_on(&s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(ten_seconds),
		cmocka_unit_test(below_the_limit), cmocka_unit_test(depth), cmocka_unit_test(off),
		cmocka_unit_test(burst_lasts), cmocka_unit_test(burst_after_rest),
		cmocka_unit_test(average), cmocka_unit_test(changed)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
