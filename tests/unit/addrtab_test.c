// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/net_util.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static void between_loads(void);
#define ADDRTAB_BEFORE_LOAD() between_loads()
#include "dataplane/addrtab.c"

// At the countdown's end the writer removes an address, in the middle of a reader's lookup.
static struct addrtab *race_table;
static uint32_t race_countdown, race_remove;

static void between_loads(void)
{
	if (race_table && race_countdown-- == 0) {
		assert_int_equal(addrtab_remove(race_table, race_remove), 0);
		race_table = NULL;
	}
}

static uint32_t look(const struct addrtab *t, uint32_t addr)
{
	uint32_t ref = 0xdeadbeef;

	addrtab_lookup(t, &addr, &ref, 1);
	return ref;
}

static void basics(void **state)
{
	struct addrtab *t = addrtab_create(4);

	assert_non_null(t);
	assert_int_equal(look(t, 0x0a000001), 0);
	assert_int_equal(addrtab_insert(t, 0x0a000001, 7), 0);
	assert_int_equal(addrtab_insert(t, 0x0a000001, 7), 0); // the same again
	assert_int_equal(addrtab_insert(t, 0x0a000001, 8), -EEXIST);
	assert_int_equal(look(t, 0x0a000001), 7);
	assert_int_equal(addrtab_insert(t, 0xffffffff, 0xffffffff), 0);
	assert_int_equal(look(t, 0xffffffff), 0xffffffff);
	assert_int_equal(addrtab_insert(t, 0, 1), -EINVAL);
	assert_int_equal(addrtab_insert(t, 1, 0), -EINVAL);
	assert_int_equal(look(t, 0), 0);
	assert_int_equal(addrtab_remove(t, 0), -ENOENT);
	assert_int_equal(addrtab_insert(t, 3, 3), 0);
	assert_int_equal(addrtab_insert(t, 4, 4), 0);
	assert_int_equal(addrtab_count(t), 4);
	assert_int_equal(addrtab_insert(t, 5, 5), -ENOSPC);
	assert_int_equal(addrtab_insert(t, 4, 5), -EEXIST);
	assert_int_equal(addrtab_remove(t, 5), -ENOENT);
	assert_int_equal(addrtab_remove(t, 4), 0);
	assert_int_equal(addrtab_remove(t, 4), -ENOENT);
	assert_int_equal(look(t, 4), 0);
	assert_int_equal(addrtab_insert(t, 5, 5), 0);
	assert_int_equal(addrtab_count(t), 4);
	addrtab_destroy(t);
	addrtab_destroy(NULL);
}

static void bursts(void **state)
{
	struct addrtab *t = addrtab_create(100000);
	uint32_t addr[200], ref[200], i, k;

	assert_non_null(t);
	for (i = 0; i < 100000; i++) // a pool's worth of neighbouring addresses
		assert_int_equal(addrtab_insert(t, 0x0a000000 + i + 1, i + 1), 0);
	for (i = 0; i < 100200; i += 200) {
		for (k = 0; k < 200; k++)
			addr[k] = 0x0a000000 + i + k + 1;
		addrtab_lookup(t, addr, ref, 200);
		for (k = 0; k < 200; k++)
			assert_int_equal(ref[k], i + k < 100000 ? i + k + 1 : 0);
	}
	addrtab_destroy(t);
}

// Random insertions and removals in a table so small that clusters form, against an array.
static void against_model(void **state)
{
	enum { KEYS = 96, MAX = 32 };
	struct addrtab *t = addrtab_create(MAX);
	uint32_t model[KEYS] = {0}, count = 0, i, k, ref;
	uint64_t seed = 42;
	int r;

	for (i = 0; i < 200000; i++) {
		k = net_rand(&seed) % KEYS;
		ref = net_rand(&seed) % 1000 + 1;
		if (net_rand(&seed) % 2) {
			r = addrtab_insert(t, k + 1, ref);
			if (model[k])
				assert_int_equal(r, model[k] == ref ? 0 : -EEXIST);
			else
				assert_int_equal(r, count < MAX ? 0 : -ENOSPC);
			if (r == 0 && !model[k]) {
				model[k] = ref;
				count++;
			}
		} else {
			assert_int_equal(addrtab_remove(t, k + 1), model[k] ? 0 : -ENOENT);
			count -= model[k] != 0;
			model[k] = 0;
		}
		k = net_rand(&seed) % KEYS;
		assert_int_equal(look(t, k + 1), model[k]);
		assert_int_equal(addrtab_count(t), count);
	}
	for (k = 0; k < KEYS; k++)
		assert_int_equal(look(t, k + 1), model[k]);
	addrtab_destroy(t);
}

// Every removal at every point of every lookup: what stays is found.
static void removal_between_any_two_loads(void **state)
{
	enum { N = 28 };
	struct addrtab *t = addrtab_create(N);
	uint32_t order[N], gone, key, at, i, moved = 0;
	uint64_t seed = 5;

	for (i = 0; i < N; i++)
		order[i] = net_rand(&seed) | 1;
	for (gone = 0; gone < N; gone++) {
		for (key = 0; key < N; key++) {
			for (at = 0; key != gone; at++) {
				uint64_t before;
				bool hit;

				while (addrtab_count(t))
					for (i = 0; i < N; i++)
						addrtab_remove(t, order[i]);
				for (i = 0; i < N; i++)
					assert_int_equal(addrtab_insert(t, order[i], i + 1), 0);
				before = t->moves;
				race_remove = order[gone];
				race_countdown = at;
				race_table = t;
				assert_int_equal(look(t, order[key]), key + 1);
				hit = race_table == NULL;
				race_table = NULL;
				moved += t->moves != before;
				if (!hit) // past the last load
					break;
			}
		}
	}
	assert_true(moved > 100);
	addrtab_destroy(t);
}

enum { STAY = 12, CHURN = 20, ROUNDS = 100000 };

struct shared {
	struct addrtab *t;
	_Atomic bool done;
	_Atomic uint64_t looked, missed, wrong;
};

static void *reader(void *arg)
{
	struct shared *s = arg;
	uint32_t addr[STAY + CHURN], ref[STAY + CHURN], i;

	for (i = 0; i < STAY + CHURN; i++)
		addr[i] = i + 1;
	while (!atomic_load(&s->done)) {
		addrtab_lookup(s->t, addr, ref, STAY + CHURN);
		for (i = 0; i < STAY; i++)
			s->missed += ref[i] != addr[i] + 1000;
		for (; i < STAY + CHURN; i++) // there or not, but never another's
			s->wrong += ref[i] != 0 && ref[i] != addr[i] + 1000;
		s->looked++;
	}
	return NULL;
}

// Entries that stay must be found at every moment while others come and go around them.
static void readers_never_miss(void **state)
{
	struct shared s = {.t = addrtab_create(STAY + CHURN)};
	bool in[CHURN] = {false};
	uint64_t seed = 3;
	pthread_t th;
	uint32_t i, k;

	for (k = 0; k < STAY / 2; k++)
		assert_int_equal(addrtab_insert(s.t, k + 1, k + 1001), 0);
	for (k = 0; k < CHURN; k++)
		in[k] = addrtab_insert(s.t, STAY + k + 1, STAY + k + 1001) == 0;
	for (k = STAY / 2; k < STAY; k++) // these lie behind, where removals move them
		assert_int_equal(addrtab_insert(s.t, k + 1, k + 1001), 0);
	assert_int_equal(pthread_create(&th, NULL, reader, &s), 0);
	for (i = 0; i < ROUNDS || s.looked < 1000; i++) {
		k = net_rand(&seed) % CHURN;
		if (in[k])
			assert_int_equal(addrtab_remove(s.t, STAY + k + 1), 0);
		else
			assert_int_equal(addrtab_insert(s.t, STAY + k + 1, STAY + k + 1001), 0);
		in[k] = !in[k];
	}
	s.done = true;
	pthread_join(th, NULL);
	assert_int_equal(s.missed, 0);
	assert_int_equal(s.wrong, 0);
	addrtab_destroy(s.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(basics), cmocka_unit_test(bursts),
		cmocka_unit_test(against_model), cmocka_unit_test(removal_between_any_two_loads),
		cmocka_unit_test(readers_never_miss)};

	net_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
