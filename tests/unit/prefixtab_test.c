// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/net_util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static void between_loads(void);
#define PREFIXTAB_BEFORE_LOAD() between_loads()
#include "dataplane/prefixtab.c"

// At the countdown's end the writer does something, in the middle of a reader's lookup.
static void (*race)(void);
static uint32_t race_countdown;

static void between_loads(void)
{
	void (*now)(void) = race;

	if (now && race_countdown-- == 0) {
		race = NULL;
		now();
	}
}

static struct in6_addr ip(const char *text)
{
	struct in6_addr a;
	struct in_addr a4;

	if (inet_pton(AF_INET6, text, &a) == 1)
		return a;
	assert_int_equal(inet_pton(AF_INET, text, &a4), 1);
	return prefixtab_map4(ntohl(a4.s_addr));
}

// "2001:db8::/32", "10.0.0.0/8"
static struct in6_addr prefix(const char *text, uint8_t *plen)
{
	char addr[64];
	unsigned int len;

	assert_int_equal(sscanf(text, "%63[^/]/%u", addr, &len), 2);
	*plen = (uint8_t)(strchr(addr, ':') ? len : len + 96);
	return ip(addr);
}

static int add(struct prefixtab *t, const char *text, uint32_t metric, uint32_t ref)
{
	uint8_t plen;
	struct in6_addr p = prefix(text, &plen);

	return prefixtab_insert(t, &p, plen, metric, ref);
}

static int del(struct prefixtab *t, const char *text, uint32_t ref)
{
	uint8_t plen;
	struct in6_addr p = prefix(text, &plen);

	return prefixtab_remove(t, &p, plen, ref);
}

static uint32_t look_up(const struct prefixtab *t, const char *text)
{
	struct in6_addr a = ip(text);
	uint32_t ref = 0xdeadbeef;

	prefixtab_lookup(t, &a, &ref, 1);
	return ref;
}

static bool owns(const struct prefixtab *t, const char *text, uint32_t ref)
{
	struct in6_addr a = ip(text);

	return prefixtab_owns(t, &a, ref);
}

static uint32_t members(const struct prefixtab *t, const char *text)
{
	struct in6_addr a = ip(text);

	return prefixtab_members(t, &a);
}

static void basics(void **state)
{
	struct prefixtab *t = prefixtab_create(6);

	assert_non_null(t);
	assert_false(prefixtab_any4(t) || prefixtab_any6(t));
	assert_int_equal(look_up(t, "10.1.2.3"), 0);
	assert_int_equal(add(t, "10.1.0.0/16", 1, 7), 0);
	assert_true(prefixtab_any4(t) && !prefixtab_any6(t));
	assert_int_equal(add(t, "10.1.0.0/16", 1, 7), -EEXIST);
	assert_int_equal(add(t, "10.1.2.3/16", 2, 7), -EEXIST); // the same: bits behind
	assert_int_equal(look_up(t, "10.1.2.3"), 7);
	assert_int_equal(look_up(t, "10.2.0.0"), 0);
	assert_int_equal(look_up(t, "::10.1.2.3"), 0); // not the mapped one
	assert_int_equal(add(t, "10.1.2.0/24", 9, 8), 0);
	assert_int_equal(add(t, "10.1.2.3/32", 9, 9), 0);
	assert_int_equal(add(t, "0.0.0.0/0", 1, 10), 0);
	assert_int_equal(look_up(t, "10.1.2.3"), 9);
	assert_int_equal(look_up(t, "10.1.2.4"), 8);
	assert_int_equal(look_up(t, "10.1.3.4"), 7);
	assert_int_equal(look_up(t, "10.0.255.255"), 10);
	assert_int_equal(look_up(t, "2001:db8::1"), 0);
	assert_int_equal(add(t, "::/0", 1, 11), 0);
	assert_int_equal(look_up(t, "2001:db8::1"), 11);
	assert_int_equal(look_up(t, "::"), 11);
	assert_int_equal(del(t, "0.0.0.0/0", 10), 0);
	assert_int_equal(look_up(t, "1.1.1.1"), 0); // ::/0 is not for IPv4
	assert_int_equal(add(t, "::ffff:0:0/80", 1, 12), 0);
	assert_int_equal(look_up(t, "1.1.1.1"), 0);
	assert_int_equal(add(t, "2001:db8::/32", 1, 13), 0);
	assert_int_equal(prefixtab_count(t), 6);
	assert_int_equal(add(t, "2001:db9::/32", 1, 13), -ENOSPC);
	assert_int_equal(del(t, "2001:db8::/32", 12), -ENOENT);
	assert_int_equal(del(t, "2001:db8::/33", 13), -ENOENT);
	assert_int_equal(del(t, "2001:db8::/32", 13), 0);
	assert_int_equal(del(t, "::/0", 11), 0);
	assert_int_equal(del(t, "::ffff:0:0/80", 12), 0);
	assert_false(prefixtab_any6(t));
	assert_true(prefixtab_any4(t));
	prefixtab_destroy(t);
	prefixtab_destroy(NULL);
}

static void bad_arguments(void **state)
{
	struct prefixtab *t = prefixtab_create(6);
	struct in6_addr a = ip("2001:db8::");

	assert_int_equal(prefixtab_insert(t, &a, 129, 1, 1), -EINVAL);
	assert_int_equal(prefixtab_insert(t, &a, 64, 1, 0), -EINVAL);
	assert_int_equal(prefixtab_remove(t, &a, 129, 1), -ENOENT);
	assert_int_equal(prefixtab_remove(t, &a, 64, 0), -ENOENT);
	assert_false(prefixtab_owns(t, &a, 0));
	prefixtab_destroy(t);
}

// RFC 1812 5.2.4.3: longest first; of equal ones the lowest metric, then the oldest.
static void metrics(void **state)
{
	struct prefixtab *t = prefixtab_create(100);

	assert_int_equal(add(t, "10.0.0.0/8", 5, 1), 0);
	assert_int_equal(add(t, "10.0.0.0/8", 5, 2), 0);
	assert_int_equal(look_up(t, "10.9.9.9"), 1);
	assert_int_equal(add(t, "10.0.0.0/8", 4, 3), 0);
	assert_int_equal(look_up(t, "10.9.9.9"), 3);
	assert_int_equal(add(t, "10.0.0.0/8", 6, 4), 0);
	assert_int_equal(look_up(t, "10.9.9.9"), 3);
	// All of them may send from there, the others may not.
	for (uint32_t ref = 1; ref <= 4; ref++)
		assert_true(owns(t, "10.9.9.9", ref));
	assert_false(owns(t, "10.9.9.9", 5));
	assert_false(owns(t, "11.9.9.9", 1));
	// But for what is another's in there.
	assert_int_equal(add(t, "10.9.0.0/16", 5, 5), 0);
	assert_true(owns(t, "10.9.9.9", 5) && owns(t, "10.8.9.9", 1));
	assert_false(owns(t, "10.9.9.9", 1) || owns(t, "10.8.9.9", 5));
	assert_int_equal(del(t, "10.9.0.0/16", 5), 0);
	assert_int_equal(del(t, "10.0.0.0/8", 3), 0);
	assert_int_equal(look_up(t, "10.9.9.9"), 1);
	assert_int_equal(del(t, "10.0.0.0/8", 1), 0);
	assert_int_equal(look_up(t, "10.9.9.9"), 2);
	assert_int_equal(add(t, "10.0.0.0/8", 5, 1), 0); // younger now
	assert_int_equal(look_up(t, "10.9.9.9"), 2);
	assert_int_equal(del(t, "10.0.0.0/8", 1), 0);
	assert_int_equal(del(t, "10.0.0.0/8", 2), 0);
	assert_int_equal(look_up(t, "10.9.9.9"), 4);
	assert_int_equal(del(t, "10.0.0.0/8", 4), 0);
	assert_int_equal(look_up(t, "10.9.9.9"), 0);
	// Nobody makes the chain of one prefix long.
	for (uint32_t ref = 1; ref <= PREFIXTAB_MAX_EQUAL; ref++)
		assert_int_equal(add(t, "10.0.0.0/8", 5, ref), 0);
	assert_int_equal(add(t, "10.0.0.0/8", 5, 99), -ENOSPC);
	assert_int_equal(add(t, "10.0.0.0/9", 5, 99), 0);
	prefixtab_destroy(t);
}

static void lists(void **state)
{
	struct prefixtab *t = prefixtab_create(100);

	assert_int_equal(add(t, "10.0.0.0/8", 0, 1), 0);
	assert_int_equal(add(t, "10.1.0.0/16", 0, 2), 0);
	assert_int_equal(add(t, "10.1.0.0/16", 0, 32), 0);
	assert_int_equal(add(t, "10.1.1.1/32", 0, 1), 0);
	assert_int_equal(add(t, "10.1.1.1/32", 0, 33), 0); // no list
	assert_int_equal(members(t, "10.1.1.1"), 0x80000003);
	assert_int_equal(members(t, "10.2.1.1"), 1);
	assert_int_equal(members(t, "11.2.1.1"), 0);
	assert_int_equal(members(t, "2001:db8::"), 0);
	assert_int_equal(add(t, "2001:db8::/32", 0, 3), 0);
	assert_int_equal(members(t, "2001:db8::"), 4);
	prefixtab_destroy(t);
}

// A prefix for each of 100,000 sessions, and some of other lengths around them.
static void many(void **state)
{
	struct prefixtab *t = prefixtab_create(200000);
	struct in6_addr a[200];
	uint32_t ref[200], i, k;

	assert_int_equal(add(t, "2001:db8::/32", 1, 0xffffff), 0);
	for (i = 0; i < 100000; i++) {
		a[0] = ip("2001:db8::");
		a[0].s6_addr[5] = (uint8_t)(i >> 16);
		a[0].s6_addr[6] = (uint8_t)(i >> 8);
		a[0].s6_addr[7] = (uint8_t)i;
		assert_int_equal(prefixtab_insert(t, &a[0], 64, 1, i + 1), 0);
	}
	assert_int_equal(prefixtab_count(t), 100001);
	for (i = 0; i < 100200; i += 200) {
		for (k = 0; k < 200; k++) {
			a[k] = ip("2001:db8::1234");
			a[k].s6_addr[5] = (uint8_t)((i + k) >> 16);
			a[k].s6_addr[6] = (uint8_t)((i + k) >> 8);
			a[k].s6_addr[7] = (uint8_t)(i + k);
		}
		prefixtab_lookup(t, a, ref, 200);
		for (k = 0; k < 200; k++)
			assert_int_equal(ref[k], i + k < 100000 ? i + k + 1 : 0xffffff);
	}
	prefixtab_destroy(t);
}

// ---- against a list that is searched from end to end

enum { MODEL_MAX = 120 };

struct model {
	struct {
		struct in6_addr p;
		uint8_t plen;
		uint32_t metric, ref, age;
	} e[MODEL_MAX];
	uint32_t n, age;
};

static bool covers(const struct in6_addr *p, uint8_t plen, const struct in6_addr *a)
{
	bool p4 = plen >= 96 && IN6_IS_ADDR_V4MAPPED(p);

	if (p4 != !!IN6_IS_ADDR_V4MAPPED(a))
		return false;
	for (unsigned int i = 0; i < plen; i++)
		if ((p->s6_addr[i / 8] ^ a->s6_addr[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static uint32_t model_best(const struct model *m, const struct in6_addr *a)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < m->n; i++) {
		if (!covers(&m->e[i].p, m->e[i].plen, a))
			continue;
		if (best == UINT32_MAX || m->e[i].plen > m->e[best].plen ||
			(m->e[i].plen == m->e[best].plen &&
				(m->e[i].metric < m->e[best].metric ||
					(m->e[i].metric == m->e[best].metric &&
						m->e[i].age < m->e[best].age))))
			best = i;
	}
	return best == UINT32_MAX ? 0 : m->e[best].ref;
}

static bool model_owns(const struct model *m, const struct in6_addr *a, uint32_t ref)
{
	int longest = -1;
	bool own = false;

	for (uint32_t i = 0; i < m->n; i++) {
		if (!covers(&m->e[i].p, m->e[i].plen, a) || m->e[i].plen < longest)
			continue;
		own = (own && m->e[i].plen == longest) || m->e[i].ref == ref;
		longest = m->e[i].plen;
	}
	return own;
}

static uint32_t model_members(const struct model *m, const struct in6_addr *a)
{
	uint32_t all = 0;

	for (uint32_t i = 0; i < m->n; i++)
		if (covers(&m->e[i].p, m->e[i].plen, a))
			all |= 1u << (m->e[i].ref - 1);
	return all;
}

// Few different bits, so that prefixes cover and equal each other.
static struct in6_addr some_addr(uint64_t *seed)
{
	struct in6_addr a = {0};

	if (net_rand(seed) % 2) {
		a = prefixtab_map4(net_rand(seed) & 0x80810003);
	} else {
		a.s6_addr[0] = 0x20;
		a.s6_addr[7] = net_rand(seed) & 3;
		a.s6_addr[8] = net_rand(seed) & 0x80;
		a.s6_addr[15] = net_rand(seed) & 1;
	}
	return a;
}

static void model_step(struct prefixtab *t, struct model *m, uint64_t *seed)
{
	struct in6_addr p = some_addr(seed);
	static const uint8_t lens4[] = {96, 97, 104, 112, 127, 128};
	static const uint8_t lens6[] = {0, 1, 56, 63, 64, 65, 127, 128};
	bool is4 = IN6_IS_ADDR_V4MAPPED(&p);
	uint8_t plen = is4 ? lens4[net_rand(seed) % 6] : lens6[net_rand(seed) % 8];
	uint32_t ref = net_rand(seed) % 5 + 1, metric = net_rand(seed) % 3, i;

	for (i = 0; i < m->n; i++)
		if (m->e[i].plen == plen && m->e[i].ref == ref && covers(&m->e[i].p, plen, &p))
			break;
	if (net_rand(seed) % 2) {
		int rc = prefixtab_insert(t, &p, plen, metric, ref);

		assert_int_equal(rc, i < m->n ? -EEXIST : m->n == MODEL_MAX ? -ENOSPC : 0);
		if (rc)
			return;
		m->e[m->n].p = p;
		m->e[m->n].plen = plen;
		m->e[m->n].metric = metric;
		m->e[m->n].ref = ref;
		m->e[m->n++].age = m->age++;
	} else {
		assert_int_equal(prefixtab_remove(t, &p, plen, ref), i < m->n ? 0 : -ENOENT);
		if (i < m->n)
			m->e[i] = m->e[--m->n];
	}
}

static void against_model(void **state)
{
	struct prefixtab *t = prefixtab_create(MODEL_MAX);
	struct model m = {0};
	uint64_t seed = 42;

	for (uint32_t i = 0; i < 100000; i++) {
		struct in6_addr a = some_addr(&seed);
		uint32_t ref, all = model_members(&m, &a);

		prefixtab_lookup(t, &a, &ref, 1);
		assert_int_equal(ref, model_best(&m, &a));
		assert_int_equal(prefixtab_members(t, &a), all);
		for (ref = 1; ref <= 5; ref++)
			assert_int_equal(prefixtab_owns(t, &a, ref), model_owns(&m, &a, ref));
		model_step(t, &m, &seed);
		assert_int_equal(prefixtab_count(t), m.n);
	}
	prefixtab_destroy(t);
}

// ---- the writer between any two loads of a reader

enum { N = 30 };

static struct prefixtab *race_table;
static struct in6_addr race_prefix[N + 2];
static uint32_t race_gone;

static void race_remove(void)
{
	assert_int_equal(
		prefixtab_remove(race_table, &race_prefix[race_gone], 64, race_gone + 1), 0);
}

// One more than a table of that size takes.
static void race_grow(void)
{
	for (uint32_t i = N; i < N + 2; i++)
		assert_int_equal(prefixtab_insert(race_table, &race_prefix[i], 64, 1, i + 1), 0);
}

// The best of two goes.
static void race_best(void)
{
	assert_int_equal(
		prefixtab_remove(race_table, &race_prefix[race_gone], 64, race_gone + 1), 0);
	assert_int_equal(prefixtab_insert(race_table, &race_prefix[race_gone], 64, 0, 77), 0);
}

static void race_fill(void)
{
	race_table = prefixtab_create(1000);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(prefixtab_insert(race_table, &race_prefix[i], 64, 1, i + 1), 0);
	assert_int_equal(race_table->slots->mask, SLOTS_MIN - 1);
}

// Every lookup with act in front of every load of it. Returns how often entries moved.
static uint32_t race_all(void (*act)(void), uint32_t gone)
{
	uint32_t moved = 0;

	race_gone = gone;
	for (uint32_t key = 0; key < N; key++) {
		for (uint32_t at = 0; act != race_remove || key != gone; at++) {
			uint32_t ref = 0;
			bool hit;

			race_fill();
			if (act == race_best)
				assert_int_equal(
					prefixtab_insert(race_table, &race_prefix[gone], 64, 2, 78),
					0);
			race_countdown = at;
			race = act;
			prefixtab_lookup(race_table, &race_prefix[key], &ref, 1);
			hit = !race;
			race = NULL;
			moved += race_table->slots->moves != 0;
			prefixtab_destroy(race_table);
			if (act == race_best && key == gone)
				assert_true(ref == gone + 1 || ref == 77 || ref == 78);
			else
				assert_int_equal(ref, key + 1);
			if (!hit) // past the last load
				break;
		}
	}
	return moved;
}

static void writer_between_any_two_loads(void **state)
{
	uint64_t seed = 5;
	uint32_t moved = 0;

	for (uint32_t i = 0; i < N + 2; i++)
		race_prefix[i] = (struct in6_addr){
			.s6_addr = {0x20,
				1, [6] = net_rand(&seed) & 0xff, [7] = net_rand(&seed) & 0xff}};
	for (uint32_t gone = 0; gone < N; gone++) {
		moved += race_all(race_remove, gone);
		race_all(race_best, gone);
	}
	race_all(race_grow, 0);
	assert_true(moved > 100);
}

// ---- memory

static size_t allocated(void)
{
	struct rte_malloc_socket_stats st;

	assert_int_equal(rte_malloc_get_socket_stats(0, &st), 0);
	return st.heap_allocsz_bytes;
}

// What a table is said to take is what it takes, old ones included, to the entry at which it grows.
static void memory_is_known(void **state)
{
	static const uint32_t counts[] = {0, 1, 30, 31, 32, 62, 63, 64, 1000, 16383, 16384, 40000};

	for (size_t i = 0; i < RTE_DIM(counts); i++) {
		size_t before = allocated(), took;
		struct prefixtab *t = prefixtab_create(counts[i]);

		assert_non_null(t);
		for (uint32_t n = 0; n < counts[i]; n++) {
			struct in6_addr a = {.s6_addr = {0x20, 1, [5] = (uint8_t)(n >> 16),
						     [6] = (uint8_t)(n >> 8), [7] = (uint8_t)n}};

			assert_int_equal(prefixtab_insert(t, &a, 64, 0, 1), 0);
		}
		took = allocated() - before;
		assert_true(took <= prefixtab_memory(counts[i]));
		assert_true(took + took / 16 + 4096 >= prefixtab_memory(counts[i]));
		prefixtab_destroy(t);
		assert_int_equal(allocated(), before);
	}
	assert_true(prefixtab_memory(UINT32_MAX) > UINT32_MAX); // and comes to an end
}

// ---- threads

enum { STAY = 12, CHURN = 300, ROUNDS = 50000 };

struct shared {
	struct prefixtab *t;
	_Atomic bool done;
	_Atomic uint64_t looked, missed, wrong;
};

static struct in6_addr nth(uint32_t i)
{
	return (struct in6_addr){.s6_addr = {0x20, 1, [6] = (uint8_t)(i >> 8), [7] = (uint8_t)i}};
}

static void *reader(void *arg)
{
	struct shared *s = arg;
	struct in6_addr a[STAY + CHURN];
	uint32_t ref[STAY + CHURN], i;

	for (i = 0; i < STAY + CHURN; i++)
		a[i] = nth(i);
	while (!atomic_load(&s->done)) {
		prefixtab_lookup(s->t, a, ref, STAY + CHURN);
		for (i = 0; i < STAY; i++)
			s->missed += ref[i] != i + 1;
		for (; i < STAY + CHURN; i++) // its own, or the shorter one behind; never another's
			s->wrong += ref[i] != i + 1 && ref[i] != 9999;
		s->wrong += !prefixtab_owns(s->t, &a[0], 1);
		s->looked++;
	}
	return NULL;
}

// Entries that stay must be found at every moment while others come and go around them, and the
// table grows.
static void readers_never_miss(void **state)
{
	struct shared s = {.t = prefixtab_create(1000)};
	bool in[STAY + CHURN] = {false};
	pthread_t th[2];
	uint64_t seed = 3;
	uint32_t i, k;

	assert_int_equal(add(s.t, "2001::/16", 1, 9999), 0);
	for (k = 0; k < STAY; k++) {
		struct in6_addr a = nth(k);

		assert_int_equal(prefixtab_insert(s.t, &a, 64, 1, k + 1), 0);
	}
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&th[i], NULL, reader, &s), 0);
	for (i = 0; i < ROUNDS || s.looked < 100; i++) {
		struct in6_addr a;

		// Few at first, so that the table grows on the way.
		k = STAY + net_rand(&seed) % RTE_MIN(10 + i / 50, (uint32_t)CHURN);
		a = nth(k);
		if (in[k])
			assert_int_equal(prefixtab_remove(s.t, &a, 64, k + 1), 0);
		else
			assert_int_equal(prefixtab_insert(s.t, &a, 64, 1, k + 1), 0);
		in[k] = !in[k];
	}
	s.done = true;
	for (i = 0; i < 2; i++)
		pthread_join(th[i], NULL);
	assert_int_equal(s.missed, 0);
	assert_int_equal(s.wrong, 0);
	prefixtab_destroy(s.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(basics),
		cmocka_unit_test(bad_arguments), cmocka_unit_test(metrics), cmocka_unit_test(lists),
		cmocka_unit_test(many), cmocka_unit_test(against_model),
		cmocka_unit_test(writer_between_any_two_loads), cmocka_unit_test(memory_is_known),
		cmocka_unit_test(readers_never_miss)};

	net_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
