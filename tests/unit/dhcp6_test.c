// SPDX-License-Identifier: BSD-3-Clause
// DHCPv6: the codec by golden bytes and truncations, the delegating router by conversations.
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "protocol/ip6/dhcp6_server.h"
#include "protocol/ip6/ip6.h"

static struct in6_addr ip6(const char *text)
{
	struct in6_addr a;

	assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
	return a;
}

// Solicit of a home router: client id (DUID-LL), IA_NA, ORO with DNS, elapsed time, rapid commit,
// IA_PD with a hint of a /60.
// clang-format off
static const uint8_t solicit[] = {
	1, 0xab, 0xcd, 0xef,
	0, 1, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 5,
	0, 3, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 6, 0, 4, 0, 23, 0, 24,
	0, 8, 0, 2, 0, 0,
	0, 14, 0, 0,
	0, 25, 0, 41, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 26, 0, 25, 0, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
// clang-format on

static void test_decode(void **state)
{
	struct dhcp6_msg m;

	assert_int_equal(dhcp6_decode(cursor_make(solicit, sizeof(solicit)), &m), 0);
	assert_int_equal(m.type, DHCP6_SOLICIT);
	assert_int_equal(m.xid, 0xabcdef);
	assert_int_equal(m.client.len, 10);
	assert_true(m.rapid_commit && m.has_oro && m.wants_dns);
	assert_int_equal(m.nb_na, 1);
	assert_int_equal(m.nb_pd, 1);
	assert_int_equal(m.pd[0].iaid, 7);
	assert_int_equal(m.pd[0].nb_prefixes, 1);
	assert_int_equal(m.pd[0].prefixes[0].plen, 60);
}

// Where it is cut off between options it is right, elsewhere not.
static void test_truncated(void **state)
{
	static const size_t borders[] = {4, 18, 34, 42, 48, 52};

	for (size_t n = 0; n < sizeof(solicit); n++) {
		uint8_t *copy = malloc(n ? n : 1);
		struct dhcp6_msg m;
		int want = -EBADMSG;

		assert_non_null(copy);
		memcpy(copy, solicit, n);
		for (unsigned int i = 0; i < 6; i++)
			if (n == borders[i])
				want = 0;
		assert_int_equal(dhcp6_decode(cursor_make(copy, n), &m), want);
		free(copy);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *why;
		uint8_t bytes[48];
		size_t n;
	} bad[] = {
		{"type 0", {0, 1, 2, 3}, 4},
		{"relay", {12, 1, 2, 3}, 4},
		{"short duid", {1, 1, 2, 3, 0, 1, 0, 2, 0, 1}, 10},
		{"rapid commit with a body", {1, 1, 2, 3, 0, 14, 0, 1, 0}, 9},
		{"odd oro", {1, 1, 2, 3, 0, 6, 0, 3, 0, 23, 0}, 11},
		{"short ia", {1, 1, 2, 3, 0, 25, 0, 11, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, 19},
		{"plen 129",
			{1, 1, 2, 3, 0, 25, 0, 41, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 26, 0, 25,
				0, 0, 0, 0, 0, 0, 0, 0, 129},
			49 - 4},
		{"half a name server", {7, 1, 2, 3, 0, 23, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8}, 16},
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct dhcp6_msg m;

		if (!dhcp6_decode(cursor_make(bad[i].bytes, bad[i].n), &m))
			fail_msg("%s was taken", bad[i].why);
	}
}

// -- the delegating router --

struct router {
	struct dhcp6_link link;
	struct dhcp6_lease lease;
	bool none, out;
	unsigned int nb_taken, nb_released;
};

static const struct dhcp6_duid server = {.len = 4, .bytes = {0, 4, 1, 2}};
static const struct dhcp6_duid client = {.len = 4, .bytes = {0, 3, 7, 7}};
static struct in6_addr dns;

static bool take(void *user, struct in6_addr *prefix, uint8_t *plen)
{
	struct router *r = user;

	if (r->none)
		return false;
	assert_false(r->out);
	r->out = true;
	r->nb_taken++;
	*prefix = ip6("2001:db8:4400::");
	*plen = 56;
	return true;
}

static void release(void *user, const struct in6_addr *prefix, uint8_t plen)
{
	struct router *r = user;

	assert_true(r->out);
	r->out = false;
	r->nb_released++;
}

static const struct dhcp6_ops ops = {.take = take, .release = release};

static struct router make_router(void)
{
	dns = ip6("2001:db8::53");
	return (struct router){.link = {.duid = &server,
				       .preferred_s = 10000,
				       .valid_s = 20000,
				       .dns = &dns,
				       .nb_dns = 1,
				       .prefix = ip6("2001:db8:1:2::"),
				       .plen = 64}};
}

// One message through both codecs and back.
static bool converse(struct router *r, const struct dhcp6_msg *in, struct dhcp6_msg *out)
{
	uint8_t buf[DHCP6_REPLY_MAX];
	struct writer w = writer_make(buf, sizeof(buf));
	struct dhcp6_msg seen, answer;

	dhcp6_encode(in, &w);
	assert_false(w.overflow);
	assert_int_equal(dhcp6_decode(cursor_make(buf, wr_len(&w)), &seen), 0);
	if (!dhcp6_answer(&r->link, &r->lease, &ops, r, &seen, &answer))
		return false;
	w = writer_make(buf, sizeof(buf));
	dhcp6_encode(&answer, &w);
	assert_false(w.overflow);
	assert_int_equal(dhcp6_decode(cursor_make(buf, wr_len(&w)), out), 0);
	assert_int_equal(out->xid, in->xid);
	assert_memory_equal(&out->client, &client, sizeof(client));
	assert_memory_equal(&out->server, &server, sizeof(server));
	return true;
}

static struct dhcp6_msg message(enum dhcp6_type type, uint32_t iaid)
{
	struct dhcp6_msg m = {.type = (uint8_t)type, .xid = 0x123456, .client = client};

	if (iaid) {
		m.nb_pd = 1;
		m.pd[0].iaid = iaid;
	}
	return m;
}

static void expect_prefix(const struct dhcp6_msg *m)
{
	struct in6_addr want = ip6("2001:db8:4400::");

	assert_int_equal(m->pd[0].status, DHCP6_SUCCESS);
	assert_true(m->pd[0].nb_prefixes >= 1);
	assert_int_equal(m->pd[0].prefixes[0].plen, 56);
	assert_memory_equal(&m->pd[0].prefixes[0].prefix, &want, 16);
	assert_int_equal(m->pd[0].prefixes[0].preferred_s, 10000);
	assert_int_equal(m->pd[0].prefixes[0].valid_s, 20000);
	assert_int_equal(m->pd[0].t1_s, 5000);
	assert_int_equal(m->pd[0].t2_s, 8000);
}

static void test_four_messages(void **state)
{
	struct router r = make_router();
	struct dhcp6_msg m = message(DHCP6_SOLICIT, 7), a;

	assert_true(converse(&r, &m, &a));
	assert_int_equal(a.type, DHCP6_ADVERTISE);
	expect_prefix(&a);
	assert_int_equal(a.nb_dns, 1);
	m = message(DHCP6_REQUEST, 7);
	m.pd[0] = a.pd[0];
	assert_false(converse(&r, &m, &a)); // no server id
	m.server = client;
	assert_false(converse(&r, &m, &a)); // not this server's
	m.server = server;
	assert_true(converse(&r, &m, &a));
	assert_int_equal(a.type, DHCP6_REPLY);
	expect_prefix(&a);
	for (int i = 0; i < 3; i++) {
		m.type = DHCP6_RENEW;
		assert_true(converse(&r, &m, &a));
		expect_prefix(&a);
		assert_int_equal(a.pd[0].nb_prefixes, 1);
	}
	m.type = DHCP6_REBIND;
	assert_false(converse(&r, &m, &a)); // with a server id
	m.server.len = 0;
	assert_true(converse(&r, &m, &a));
	expect_prefix(&a);
	assert_int_equal(r.nb_taken, 1);
	m.type = DHCP6_RELEASE;
	m.server = server;
	assert_true(converse(&r, &m, &a));
	assert_int_equal(a.nb_pd, 0);
	assert_int_equal(r.nb_released, 1);
	assert_true(converse(&r, &m, &a));
	assert_int_equal(a.pd[0].status, DHCP6_NO_BINDING);
	assert_int_equal(r.nb_released, 1);
}

static void test_rapid_commit(void **state)
{
	struct router r = make_router();
	struct dhcp6_msg m = message(DHCP6_SOLICIT, 7), a;

	m.rapid_commit = true;
	assert_true(converse(&r, &m, &a));
	assert_int_equal(a.type, DHCP6_REPLY);
	assert_true(a.rapid_commit);
	expect_prefix(&a);
}

// A client that was restarted and counts anew has the same prefix; two at once do not.
static void test_other_iaid(void **state)
{
	struct router r = make_router();
	struct dhcp6_msg m = message(DHCP6_SOLICIT, 7), a;

	assert_true(converse(&r, &m, &a));
	m.pd[0].iaid = 8;
	assert_true(converse(&r, &m, &a));
	expect_prefix(&a);
	assert_int_equal(r.nb_taken, 1);
	m.nb_pd = 2;
	m.pd[0].iaid = 9;
	m.pd[1].iaid = 8;
	assert_true(converse(&r, &m, &a));
	assert_int_equal(a.pd[0].status, DHCP6_NO_PREFIX_AVAIL);
	assert_int_equal(a.pd[1].nb_prefixes, 1);
	m.pd[1].iaid = 10;
	assert_true(converse(&r, &m, &a));
	assert_int_equal(a.pd[0].nb_prefixes, 1);
	assert_int_equal(a.pd[1].status, DHCP6_NO_PREFIX_AVAIL);
	assert_int_equal(r.nb_taken, 1);
}

// RFC 8415 18.3.4: a prefix of former times is told to be over.
static void test_stale_prefix(void **state)
{
	struct router r = make_router();
	struct dhcp6_msg m = message(DHCP6_REBIND, 7), a;
	struct in6_addr old = ip6("2001:db8:9900::");

	m.pd[0].nb_prefixes = 1;
	m.pd[0].prefixes[0] = (struct dhcp6_prefix){.plen = 56, .prefix = old, .valid_s = 5};
	assert_true(converse(&r, &m, &a));
	expect_prefix(&a);
	assert_int_equal(a.pd[0].nb_prefixes, 2);
	assert_memory_equal(&a.pd[0].prefixes[1].prefix, &old, 16);
	assert_int_equal(a.pd[0].prefixes[1].valid_s, 0);
	assert_int_equal(a.pd[0].prefixes[1].preferred_s, 0);
}

static void test_nothing_left(void **state)
{
	struct router r = make_router();
	struct dhcp6_msg m = message(DHCP6_SOLICIT, 7), a;

	r.none = true;
	m.nb_na = 1;
	m.na[0].iaid = 3;
	assert_true(converse(&r, &m, &a));
	assert_int_equal(a.pd[0].status, DHCP6_NO_PREFIX_AVAIL);
	assert_int_equal(a.pd[0].nb_prefixes, 0);
	assert_int_equal(a.na[0].iaid, 3);
	assert_int_equal(a.na[0].status, DHCP6_NO_ADDRS_AVAIL);
	assert_false(r.lease.bound);
}

static void test_information(void **state)
{
	struct router r = make_router();
	struct dhcp6_msg m = message(DHCP6_INFORMATION_REQUEST, 0), a;

	assert_true(converse(&r, &m, &a));
	assert_int_equal(a.type, DHCP6_REPLY);
	assert_int_equal(a.nb_dns, 1);
	m.has_oro = true; // of other things
	assert_true(converse(&r, &m, &a));
	assert_int_equal(a.nb_dns, 0);
	m.wants_dns = true;
	assert_true(converse(&r, &m, &a));
	assert_memory_equal(&a.dns[0], &dns, 16);
	m.nb_pd = 1;
	assert_false(converse(&r, &m, &a));
}

static void test_confirm(void **state)
{
	struct router r = make_router();
	struct dhcp6_msg m = message(DHCP6_CONFIRM, 0), a;

	assert_false(converse(&r, &m, &a)); // nothing to confirm
	m.nb_na = 1;
	m.na[0].nb_prefixes = 1;
	m.na[0].prefixes[0] = (struct dhcp6_prefix){.plen = 128, .prefix = ip6("2001:db8:1:2::9")};
	assert_true(converse(&r, &m, &a));
	assert_int_equal(a.status, DHCP6_SUCCESS);
	m.na[0].prefixes[0].prefix = ip6("2001:db8:1:3::9");
	assert_true(converse(&r, &m, &a));
	assert_int_equal(a.status, DHCP6_NOT_ON_LINK);
}

// 16: what a server has to pass over.
static void test_discarded(void **state)
{
	static const enum dhcp6_type types[] = {DHCP6_ADVERTISE, DHCP6_REPLY, DHCP6_RECONFIGURE,
		DHCP6_REQUEST, DHCP6_RENEW, DHCP6_RELEASE};
	struct router r = make_router();
	struct dhcp6_msg m, a;

	for (unsigned int i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		m = message(types[i], 7);
		assert_false(converse(&r, &m, &a));
	}
	m = message(DHCP6_SOLICIT, 7);
	m.client.len = 0;
	assert_false(converse(&r, &m, &a));
	m = message(DHCP6_SOLICIT, 7);
	m.server = server;
	assert_false(converse(&r, &m, &a));
	assert_int_equal(r.nb_taken, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_four_messages),
		cmocka_unit_test(test_rapid_commit),
		cmocka_unit_test(test_other_iaid),
		cmocka_unit_test(test_stale_prefix),
		cmocka_unit_test(test_nothing_left),
		cmocka_unit_test(test_information),
		cmocka_unit_test(test_confirm),
		cmocka_unit_test(test_discarded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
