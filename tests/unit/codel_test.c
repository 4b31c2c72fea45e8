// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/codel.h"

// RFC 8289 4.3: interval / sqrt(count).
static void control_law(void **state)
{
	static const struct {
		uint32_t count;
		uint64_t step;
	} t[] = {{1, 100000}, {2, 70710}, {4, 50000}, {16, 25000}, {100, 10000}, {10000, 1000}};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint64_t got = codel_control_law(1000000, t[i].count) - 1000000;

		assert_in_range(got, t[i].step - 1, t[i].step + t[i].step / 500 + 1);
	}
}

static void short_queue_drops_nothing(void **state)
{
	struct codel c = {0};

	for (uint64_t now = 0; now < 5000000; now += 1000)
		assert_false(codel_drop(&c, CODEL_TARGET_US - 1, 100, now));
}

// At rest is what a queue that never stood is, and one whose drops are long past.
static void rest(void **state)
{
	struct codel c = {0};
	uint64_t now = 1000000;

	assert_true(codel_at_rest(&c, now));
	assert_false(codel_drop(&c, CODEL_TARGET_US, 10, now));
	assert_false(codel_at_rest(&c, now));
	assert_false(codel_drop(&c, 0, 10, now));
	assert_true(codel_at_rest(&c, now));
	for (int i = 0; i < 1000; i++, now += 1000)
		codel_drop(&c, 2 * CODEL_TARGET_US, 10, now);
	assert_true(c.dropping);
	assert_false(codel_at_rest(&c, now));
	assert_false(codel_drop(&c, 0, 10, now));
	assert_false(codel_at_rest(&c, now)); // the drop rate is still remembered
	assert_true(codel_at_rest(&c, now + 17 * CODEL_INTERVAL_US));
}

static void single_packet_is_never_dropped(void **state)
{
	struct codel c = {0};

	for (uint64_t now = 0; now < 5000000; now += 1000)
		assert_false(codel_drop(&c, 1000000, 1, now));
}

// A standing queue: nothing for one interval, then drops that come faster and faster; a good moment
// ends it.
static void standing_queue(void **state)
{
	struct codel c = {0};
	uint64_t first = 0, second = 0, third = 0;
	unsigned int drops = 0;

	for (uint64_t now = 1; now < 1000000; now += 500) {
		if (!codel_drop(&c, 50000, 100, now))
			continue;
		drops++;
		if (drops == 1)
			first = now;
		else if (drops == 2)
			second = now;
		else if (drops == 3)
			third = now;
	}
	assert_in_range(first, CODEL_INTERVAL_US, CODEL_INTERVAL_US + 1000);
	assert_in_range(second - first, 99000, 101000);
	assert_in_range(third - second, 70000, 72000);
	assert_true(drops > 20);
	assert_false(codel_drop(&c, 100, 100, 1000000));
	assert_false(c.dropping);
}

// Soon after, the drop rate is taken up near where it was.
static void remembers_the_rate(void **state)
{
	struct codel c = {0};
	uint64_t now;
	uint32_t count;

	for (now = 1; now < 2000000; now += 500)
		codel_drop(&c, 50000, 100, now);
	count = c.count;
	codel_drop(&c, 100, 100, now);
	for (; now < 2300000 && !c.dropping; now += 500)
		codel_drop(&c, 50000, 100, now);
	assert_true(c.dropping);
	assert_true(c.count > count / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_law),
		cmocka_unit_test(short_queue_drops_nothing),
		cmocka_unit_test(single_packet_is_never_dropped),
		cmocka_unit_test(rest),
		cmocka_unit_test(standing_queue),
		cmocka_unit_test(remembers_the_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
