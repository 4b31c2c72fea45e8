// SPDX-License-Identifier: BSD-3-Clause
// The timer wheel against a plain list of deadlines.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "dataplane/wheel.h"
#include "tcp_sim.h"

#define TICK 250
#define N 200

struct bed {
	struct wheel *w;
	struct wheel_timer t[N];
	uint64_t due[N]; // 0: not running
	uint64_t now;
	unsigned int fired;
	struct sim rng;
	bool restart;
};

static void expired(void *user, struct wheel_timer *t)
{
	struct bed *b = user;
	size_t i = (size_t)(t - b->t);

	assert_false(wheel_running(t));
	assert_true(b->due[i]);
	assert_in_range(b->due[i], 0, b->now); // never early
	b->due[i] = 0;
	b->fired++;
	if (b->restart && sim_below(&b->rng, 2)) {
		size_t k = sim_below(&b->rng, N);
		uint64_t at = b->now + sim_below(&b->rng, 100000);

		wheel_start(b->w, &b->t[k], at);
		b->due[k] = RTE_MAX(at, 1ull);
	}
	if (b->restart && sim_below(&b->rng, 2)) {
		size_t k = sim_below(&b->rng, N);

		wheel_stop(b->w, &b->t[k]);
		b->due[k] = 0;
	}
}

static uint64_t first_due(const struct bed *b)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < N; i++)
		if (b->due[i])
			first = RTE_MIN(first, b->due[i]);
	return first;
}

static uint64_t distance(struct sim *rng)
{
	static const uint64_t scale[] = {
		1, 1000, 60000, 20000000, 4000000000, 3000000000000, 2000000000000000};

	return scale[sim_below(rng, RTE_DIM(scale))] * (1 + sim_below(rng, 1000)) / 300;
}

// Random starts, stops and jumps of the clock, by wheel_next() and otherwise.
static void random_ops(void **state)
{
	sim_eal();
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct bed *b = calloc(1, sizeof(*b));

		b->rng.rng = seed;
		b->restart = seed & 1;
		b->now = seed * 1234567891;
		b->w = wheel_create(TICK, N, b->now);
		assert_non_null(b->w);
		for (unsigned int step = 0; step < 3000; step++) {
			size_t i = sim_below(&b->rng, N);
			uint64_t next;

			if (sim_below(&b->rng, 3)) {
				b->due[i] = b->now + distance(&b->rng);
				wheel_start(b->w, &b->t[i], b->due[i]);
			} else {
				wheel_stop(b->w, &b->t[i]);
				b->due[i] = 0;
			}
			assert_true(wheel_running(&b->t[i]) == (b->due[i] != 0));
			next = wheel_next(b->w);
			if (first_due(b) == UINT64_MAX) {
				assert_true(next == UINT64_MAX);
				continue;
			}
			assert_true(next <= RTE_MAX(first_due(b), b->now) + 2 * TICK);
			b->now = sim_below(&b->rng, 2) ? RTE_MAX(next, b->now)
						       : b->now + distance(&b->rng) / 8;
			wheel_advance(b->w, b->now, UINT32_MAX, expired, b);
			assert_true(first_due(b) > b->now - 2 * TICK); // at most one tick late
		}
		assert_true(b->fired > 100);
		wheel_destroy(b->w);
		free(b);
	}
}

// A bounded call leaves the rest for the next, none lost.
static void bounded(void **state)
{
	struct bed b = {.now = 1000000};

	sim_eal();
	b.w = wheel_create(TICK, N, b.now);
	for (size_t i = 0; i < N; i++) {
		b.due[i] = b.now + 1000 + (i % 3) * TICK;
		wheel_start(b.w, &b.t[i], b.due[i]);
	}
	b.now += 2000;
	for (unsigned int n = 0; n < N; n += 10) {
		assert_int_equal(wheel_advance(b.w, b.now, 10, expired, &b), 10);
		assert_int_equal(b.fired, n + 10);
	}
	assert_int_equal(wheel_advance(b.w, b.now, 10, expired, &b), 0);
	assert_true(wheel_next(b.w) == UINT64_MAX);
	wheel_destroy(b.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_ops),
		cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
