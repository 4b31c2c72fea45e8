// SPDX-License-Identifier: BSD-3-Clause
// The memory that is reserved at the start against what tables of prefixes really take.
#include "tests/unit/net_util.h"

#include <rte_malloc.h>

#include "dataplane/dp.h"
#include "dataplane/dp_chan.h"

#define SESSIONS 20000u
#define WORKERS 2u
#define MIB 1048576.0

static char pool_name[] = "p", list_name[] = "l", none[] = "";

static size_t allocated(void)
{
	struct rte_malloc_socket_stats st;

	assert_int_equal(rte_malloc_get_socket_stats(0, &st), 0);
	return st.heap_allocsz_bytes;
}

static struct config config(struct config_profile *p)
{
	struct config c = {.profiles = p, .nb_profiles = 1};

	c.dataplane.max_sessions = SESSIONS;
	c.dataplane.nb_workers = WORKERS;
	c.dataplane.mbufs = 1024;
	c.dataplane.access.mtu = c.dataplane.core.mtu = 1500;
	return c;
}

static dp_handle handle(uint32_t i)
{
	return dp_handle_make(i % WORKERS, 1 + i / WORKERS, 1);
}

static struct in6_addr prefix(uint8_t kind, uint32_t i)
{
	return (struct in6_addr){
		.s6_addr = {0x20,
			kind, [5] = (uint8_t)(i >> 16), [6] = (uint8_t)(i >> 8), [7] = (uint8_t)i}};
}

static void publish_all(struct dp_chan *ch)
{
	for (uint32_t i = 0; i < SESSIONS; i++) {
		struct in6_addr own = prefix(1, i), delegated = prefix(2, i);

		assert_int_equal(dp_prefix_publish(ch, &own, 64, 0, handle(i)), 0);
		assert_int_equal(dp_prefix_publish(ch, &delegated, 64, 0, handle(i)), 0);
	}
}

static void join_all(struct lists *l)
{
	static struct dp_msg m;

	for (uint32_t i = 0; i < SESSIONS; i++) {
		m.handle = handle(i);
		m.u.open.address_list = 1;
		m.u.open.inner = 0x0a000000 + i;
		m.u.open.prefix6 = prefix(1, i);
		m.u.open.plen6 = 64;
		assert_int_equal(lists_join(l, &m), 0);
	}
}

// All sessions with a prefix of their own, a delegated one, and in a list: what that takes is what
// the estimate has more than one without.
static void all_sessions_fit(void **state)
{
	struct config_profile p = {
		.prefix_pool = pool_name, .pd_pool = pool_name, .address_list = list_name};
	struct config c = config(&p);
	struct config_dataplane with = c.dataplane;
	struct config_prefix member = {.plen = 128};
	struct config_address_list list = {.prefixes = &member, .nb_prefixes = 1};
	struct in6_addr core = prefix(3, 0);
	struct dp_chan *ch;
	struct lists *l;
	size_t before;
	double took, more;

	c.address_lists = &list;
	c.nb_address_lists = 1;
	dp_count_prefixes(&c, &with);
	assert_int_equal(with.prefixes, 2 * SESSIONS);
	assert_int_equal(with.list_members, 2 * SESSIONS + 1);
	ch = dp_chan_create(WORKERS, 1024, SESSIONS + 256);
	assert_non_null(ch);
	dp_connected_add(ch, &core, 64);
	before = allocated();
	l = lists_create(&c, WORKERS, SESSIONS / WORKERS);
	assert_non_null(l);
	publish_all(ch);
	join_all(l);
	took = (double)(allocated() - before) / MIB;
	more = (double)dp_memory_mb(&with) - dp_memory_mb(&c.dataplane);
	assert_true(took > 10); // MiB
	assert_true(more + 1 >= took);
	assert_true(more <= took * 1.1 + 1);
	lists_destroy(l);
	dp_chan_destroy(ch);
}

// What is counted, and no more than the table takes.
static void counted(void **state)
{
	struct config_route routes[3] = {{.metric = 1}};
	struct config_secret secrets[2] = {{.routes = routes, .nb_routes = 3}, {.nb_routes = 0}};
	struct config_profile p = {.prefix_pool = none};
	struct config c = config(&p);
	struct config_dataplane d = c.dataplane;
	unsigned int least = dp_memory_mb(&d);

	dp_count_prefixes(&c, &d);
	assert_int_equal(d.prefixes, 0);
	assert_int_equal(d.list_members, 0);
	assert_int_equal(dp_memory_mb(&d), least);
	c.secrets = secrets;
	c.nb_secrets = 2;
	dp_count_prefixes(&c, &d);
	assert_int_equal(d.prefixes, 3 * PREFIXTAB_MAX_EQUAL);
	c.dataplane.max_sessions = 2;
	dp_count_prefixes(&c, &d);
	assert_int_equal(d.prefixes, 3 * 2);
	c.dataplane.max_sessions = SESSIONS;
	secrets[1].has_prefix6 = true;
	dp_count_prefixes(&c, &d);
	assert_int_equal(d.prefixes, 3 * PREFIXTAB_MAX_EQUAL + SESSIONS);
	d.prefixes = UINT32_MAX;
	assert_true(dp_memory_mb(&d) < least + 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_sessions_fit),
		cmocka_unit_test(counted),
	};

	net_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
