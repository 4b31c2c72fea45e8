// SPDX-License-Identifier: BSD-3-Clause
// The emulated line: bottleneck, queue, delay, order, accidents, on a clock of the test's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bench/link/line.h"
#include "bench/link/options.h"

#define MS 1000000ull
#define S (1000 * MS)

static uint8_t frame[1500];

static void push(struct line *l, uint32_t nr, uint32_t len, uint64_t now)
{
	memset(frame, 0, sizeof(frame));
	memcpy(frame + 20, &nr, sizeof(nr));
	line_push(l, frame, len, now);
}

static uint32_t nr_of(const struct line_frame *f)
{
	uint32_t nr;

	memcpy(&nr, f->data + 20, sizeof(nr));
	return nr;
}

// The next frame, which must leave at `at`.
static uint32_t pop_at(struct line *l, uint64_t at)
{
	struct line_frame *f;
	uint32_t nr;

	assert_int_equal(line_next(l), at);
	assert_null(line_pop(l, at - 1));
	f = line_pop(l, at);
	assert_non_null(f);
	nr = nr_of(f);
	free(f);
	return nr;
}

static void plain_delay(void **state)
{
	struct line_config c = {.delay_ns = 20 * MS};
	struct line l;

	line_init(&l, &c, 1);
	assert_int_equal(line_next(&l), UINT64_MAX);
	assert_null(line_pop(&l, S));
	push(&l, 7, 100, S);
	push(&l, 8, 1500, S);
	push(&l, 9, 60, S + 1);
	assert_int_equal(pop_at(&l, S + 20 * MS), 7);
	assert_int_equal(pop_at(&l, S + 20 * MS), 8);
	assert_int_equal(pop_at(&l, S + 20 * MS + 1), 9);
	assert_int_equal(l.stats.in, 3);
	assert_int_equal(l.stats.out, 3);
	assert_int_equal(l.stats.out_bytes, 1660);
	line_fini(&l);
}

// 12 Mbit/s: 1500 bytes take a millisecond. After a pause there is nothing saved up.
static void bottleneck(void **state)
{
	struct line_config c = {.rate_bps = 12000000, .delay_ns = 5 * MS};
	struct line l;

	line_init(&l, &c, 1);
	for (uint32_t i = 0; i < 4; i++)
		push(&l, i, 1500, S);
	assert_int_equal(line_backlog(&l, S), 6000);
	assert_int_equal(line_backlog(&l, S + MS), 4500);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(pop_at(&l, S + (i + 1) * MS + 5 * MS), i);
	push(&l, 9, 1500, 2 * S);
	push(&l, 10, 1500, 2 * S);
	assert_int_equal(pop_at(&l, 2 * S + 6 * MS), 9);
	assert_int_equal(pop_at(&l, 2 * S + 7 * MS), 10);
	assert_int_equal(l.stats.queue_max, 6000);
	assert_int_equal(l.stats.wait_max_ns, 3 * MS);
	line_fini(&l);
}

// With a bucket of three frames the first three of a burst pass at once, later ones at the rate.
static void token_bucket(void **state)
{
	struct line_config c = {.rate_bps = 12000000, .burst = 4500};
	struct line l;

	line_init(&l, &c, 1);
	for (uint32_t i = 0; i < 5; i++)
		push(&l, i, 1500, S);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(pop_at(&l, S), i);
	assert_int_equal(pop_at(&l, S + MS), 3);
	assert_int_equal(pop_at(&l, S + 2 * MS), 4);
	line_fini(&l);
}

// Nothing is gained or lost by rounding over a million frames.
static void exact_rate(void **state)
{
	struct line_config c = {.rate_bps = 49999999, .overhead = 24};
	struct line l;
	uint64_t now = S;

	line_init(&l, &c, 1);
	for (uint32_t i = 0; i < 1000000; i++) {
		push(&l, i, 77, S);
		now = line_next(&l);
		free(line_pop(&l, now));
	}
	assert_in_range(now - S, 101ull * 8 * 1000000 * S / 49999999 - 2,
		101ull * 8 * 1000000 * S / 49999999 + 2);
	line_fini(&l);
}

static void queue_bytes(void **state)
{
	struct line_config c = {.rate_bps = 12000000, .limit = 3000};
	struct line l;

	line_init(&l, &c, 1);
	for (uint32_t i = 0; i < 5; i++)
		push(&l, i, 1500, S);
	assert_int_equal(l.stats.queue_drops, 3);
	push(&l, 5, 1500, S + MS);
	assert_int_equal(l.stats.queue_drops, 3);
	push(&l, 6, 60, S + MS);
	assert_int_equal(l.stats.queue_drops, 4);
	assert_int_equal(pop_at(&l, S + MS), 0);
	assert_int_equal(pop_at(&l, S + 2 * MS), 1);
	assert_int_equal(pop_at(&l, S + 3 * MS), 5);
	line_fini(&l);
}

static void queue_time(void **state)
{
	struct line_config c = {.rate_bps = 12000000, .limit_ns = 10 * MS};
	struct line l;
	uint32_t passed;

	line_init(&l, &c, 1);
	for (uint32_t i = 0; i < 100; i++)
		push(&l, i, 1500, S);
	passed = (uint32_t)(100 - l.stats.queue_drops);
	assert_int_equal(passed, 11);
	assert_int_equal(l.stats.wait_max_ns, 10 * MS);
	line_fini(&l);
}

// Jitter spreads, and never changes the order.
static void jitter(void **state)
{
	struct line_config c = {.delay_ns = 10 * MS, .jitter_ns = 4 * MS};
	uint64_t least = UINT64_MAX, most = 0;
	struct line l;

	line_init(&l, &c, 3);
	for (uint32_t i = 0; i < 1000; i++)
		push(&l, i, 100, S + i * 5 * MS);
	for (uint32_t i = 0; i < 1000; i++) {
		uint64_t at = line_next(&l), took = at - (S + i * 5 * MS);

		assert_int_equal(pop_at(&l, at), i);
		least = took < least ? took : least;
		most = took > most ? took : most;
	}
	assert_in_range(least, 10 * MS, 10 * MS + MS / 10);
	assert_in_range(most, 14 * MS - MS / 10, 14 * MS);
	for (uint32_t i = 0; i < 1000; i++)
		push(&l, i, 100, 10 * S + i * 1000);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(pop_at(&l, line_next(&l)), i);
	line_fini(&l);
}

// The number of accidents fits their chances; the sum of frames fits in any case.
static void accidents(void **state)
{
	struct line_config c = {.delay_ns = 10 * MS,
		.loss = 10000,
		.reorder = 20000,
		.duplicate = 30000,
		.corrupt = 40000};
	const uint32_t n = 100000;
	uint32_t got = 0, wrong = 0, before = 0, last = 0;
	struct line_frame *f;
	struct line l;

	line_init(&l, &c, 5);
	for (uint32_t i = 0; i < n; i++)
		push(&l, i, 1000, S + i * MS / 10);
	while ((f = line_pop(&l, line_next(&l)))) {
		uint32_t nr = nr_of(f), ones = 0;

		for (uint32_t i = 14; i < f->len; i++)
			if (i < 20 || i >= 24)
				ones += (uint32_t)__builtin_popcount(f->data[i]);
		wrong += ones == 1;
		assert_in_range(ones, 0, 1);
		before += nr < last && ones == 0 && nr < n;
		last = nr < n ? nr : last;
		got++;
		free(f);
	}
	assert_int_equal(got, n - l.stats.lost + l.stats.duplicated);
	assert_in_range(l.stats.lost, n / 100 * 9 / 10, n / 100 * 11 / 10);
	assert_in_range(l.stats.reordered, n / 50 * 9 / 10, n / 50 * 11 / 10);
	assert_in_range(l.stats.duplicated, n * 3 / 100 * 9 / 10, n * 3 / 100 * 11 / 10);
	assert_in_range(l.stats.corrupted, n / 25 * 9 / 10, n / 25 * 11 / 10);
	// The bit may have hit the four bytes that are not looked at.
	assert_in_range(wrong, l.stats.corrupted * 98 / 100, l.stats.corrupted);
	assert_in_range(before, l.stats.reordered / 2, l.stats.reordered * 3);
	line_fini(&l);
}

// Frame n has the same fate from the same seed, whatever else is configured; from another seed not.
static void deterministic(void **state)
{
	struct line_config plain = {.loss = 100000}, more = {.loss = 100000,
							     .corrupt = 500000,
							     .duplicate = 100000,
							     .jitter_ns = MS};
	struct line a, b, other;
	uint32_t differ = 0;

	line_init(&a, &plain, 9);
	line_init(&b, &more, 9);
	line_init(&other, &plain, 10);
	for (uint32_t i = 0; i < 10000; i++) {
		push(&a, i, 100, S + i);
		push(&b, i, 100, S + i);
		push(&other, i, 100, S + i);
		assert_int_equal(a.stats.lost, b.stats.lost);
		differ += a.stats.lost != other.stats.lost;
	}
	assert_true(differ > 1000);
	line_fini(&a);
	line_fini(&b);
	line_fini(&other);
}

static void values(void **state)
{
	uint64_t v;
	uint32_t ppm;

	assert_true(link_parse_rate("50M", &v) && v == 50000000);
	assert_true(link_parse_rate("1.5G", &v) && v == 1500000000);
	assert_true(link_parse_rate("none", &v) && v == 0);
	assert_false(link_parse_rate("0", &v));
	assert_false(link_parse_rate("-5M", &v));
	assert_false(link_parse_rate("5Mbit", &v));
	assert_false(link_parse_rate("", &v));
	assert_true(link_parse_time("20ms", &v) && v == 20 * MS);
	assert_true(link_parse_time("0.5s", &v) && v == S / 2);
	assert_true(link_parse_time("0", &v) && v == 0);
	assert_false(link_parse_time("20", &v));
	assert_false(link_parse_time("nan", &v));
	assert_true(link_parse_bytes("256k", &v) && v == 256000);
	assert_true(link_parse_chance("1%", &ppm) && ppm == 10000);
	assert_true(link_parse_chance("0.01", &ppm) && ppm == 10000);
	assert_false(link_parse_chance("101%", &ppm));
	assert_false(link_parse_chance("2", &ppm));
}

static void command_line(void **state)
{
	char *good[] = {
		"x", "--rate", "50M/10M", "--limit", "256k/40ms", "--delay", "10ms", "a", "b"};
	char *same[] = {"x", "a", "a"};
	char *wrong[] = {"x", "--rate", "fast", "a", "b"};
	struct link_options o;
	int rc = 0;

	assert_int_equal(link_options_parse(&o, 9, good, &rc), 0);
	assert_int_equal(o.dir[0].rate_bps, 50000000);
	assert_int_equal(o.dir[1].rate_bps, 10000000);
	assert_int_equal(o.dir[0].limit, 256000);
	assert_int_equal(o.dir[0].limit_ns, 0);
	assert_int_equal(o.dir[1].limit_ns, 40 * MS);
	assert_int_equal(o.dir[1].delay_ns, 10 * MS);
	optind = 0;
	assert_int_equal(link_options_parse(&o, 3, same, &rc), -1);
	assert_int_equal(rc, 2);
	optind = 0;
	assert_int_equal(link_options_parse(&o, 5, wrong, &rc), -1);
	assert_int_equal(rc, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_delay),
		cmocka_unit_test(bottleneck),
		cmocka_unit_test(token_bucket),
		cmocka_unit_test(exact_rate),
		cmocka_unit_test(queue_bytes),
		cmocka_unit_test(queue_time),
		cmocka_unit_test(jitter),
		cmocka_unit_test(accidents),
		cmocka_unit_test(deterministic),
		cmocka_unit_test(values),
		cmocka_unit_test(command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
