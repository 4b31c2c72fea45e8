// SPDX-License-Identifier: BSD-3-Clause
// IPV6CP (RFC 5072) and how it lives beside IPCP.
#include "ppp_harness.h"

#define IPCP_PEER "03060a000002"
#define ID "010a"

// A link in the network phase that asked for no authentication; frames so far are forgotten.
static void open_network(struct peer *p, bool server, enum ppp_ipv6_mode mode, bool ip4)
{
	peer_make(p, server, 6);
	p->conf.auth_methods = 0;
	p->conf.ipv6 = server ? PPP_IPV6_NO : mode;
	p->give_ipv6 = mode;
	if (!ip4)
		p->give.remote = 0;
	peer_open_lcp(p);
	assert_int_equal(p->link.phase, PPP_PHASE_NETWORK);
}

static void open_ipcp(struct peer *p)
{
	peer_ack(p, PPP_PROTO_IPCP);
	peer_feed_packet(p, PPP_PROTO_IPCP, 1, 1, IPCP_PEER);
	assert_int_equal(p->nb_up, 1);
	peer_flush(p);
}

// The server waits for the client's Configure-Request and then negotiates.
static void test_server_opens(void **state)
{
	struct peer p;

	open_network(&p, true, PPP_IPV6_YES, true);
	peer_expect(&p, "ff03 c021 02 *");
	peer_expect(&p, "ff03 8021 01 *");
	peer_expect_none(&p);
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 1, 7, ID "1122334455667788");
	peer_expect(&p, "ff03 8057 01 .. 000e " ID "................");
	peer_expect(&p, "ff03 8057 02 07 000e " ID "1122334455667788");
	assert_int_equal(p.nb_up6, 0);
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 1, 8, ID "1122334455667788");
	peer_expect(&p, "ff03 8057 02 08 *");
	p.head = p.tail - 3; // its own request again
	peer_ack(&p, PPP_PROTO_IPV6CP);
	assert_int_equal(p.nb_up6, 1);
	assert_true(p.remote_id == 0x1122334455667788);
	assert_false(p.local_id & 0x0200000000000000); // not universally unique
	assert_int_equal(p.nb_up, 0);                  // IPCP is its own affair
	assert_true(p.link.network6_is_up);
	ppp_free(&p.link);
}

static void test_client_opens(void **state)
{
	struct peer p;

	open_network(&p, false, PPP_IPV6_YES, true);
	peer_ack(&p, PPP_PROTO_IPV6CP);
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 1, 1, ID "0000000000000001");
	assert_int_equal(p.nb_up6, 1);
	assert_true(p.remote_id == 1);
	assert_int_equal(p.nb_ended, 0);
	ppp_free(&p.link);
}

// RFC 5072 4.1: zero and our own identifier earn another one, the same each time.
static void test_nak(void **state)
{
	struct peer p;
	char own[32];
	struct peer_frame *f;
	uint8_t first[22];

	open_network(&p, true, PPP_IPV6_YES, true);
	peer_flush(&p);
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 1, 1, ID "0000000000000000");
	peer_expect(&p, "ff03 8057 01 *");
	f = peer_take(&p);
	assert_non_null(f);
	assert_int_equal(f->bytes[4], PPP_CODE_CONFIGURE_NAK);
	assert_int_equal(f->len, 18);
	memcpy(first, f->bytes, f->len);
	assert_true(memcmp(first + 10, "\0\0\0\0\0\0\0\0", 8) != 0);

	snprintf(own, sizeof(own), ID "%016llx", (unsigned long long)p.link.ip6.local_id);
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 1, 2, own);
	f = peer_take(&p);
	assert_non_null(f);
	assert_int_equal(f->bytes[4], PPP_CODE_CONFIGURE_NAK);
	assert_memory_equal(f->bytes + 10, first + 10, 8);
	// Options that are not known.
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 1, 3, "0204 004f" ID "0000000000000005");
	peer_expect(&p, "ff03 8057 04 03 0008 0204004f");
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 1, 4, "0106 00000001");
	peer_expect(&p, "ff03 8057 04 04 000a 010600000001");
	// None at all: the peer may.
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 1, 5, "");
	peer_expect(&p, "ff03 8057 02 05 0004");
	ppp_free(&p.link);
}

// What a peer that never learns gets: its identifier is rejected after Max-Failure Naks, and IPV6CP
// ends in time while IPCP stays.
static void test_never_learns(void **state)
{
	struct peer p;

	open_network(&p, true, PPP_IPV6_YES, true);
	open_ipcp(&p);
	for (int i = 0; i < 100; i++)
		peer_feed_packet(&p, PPP_PROTO_IPV6CP, 1, (uint8_t)i, ID "0000000000000000");
	while (p.timer_on[PPP_TIMER_IPV6CP])
		peer_expire(&p, PPP_TIMER_IPV6CP);
	assert_int_equal(p.nb_up6, 0);
	assert_int_equal(p.nb_ended, 0);
	assert_true(p.link.network_is_up);
	ppp_free(&p.link);
}

// The peer's opinion of our identifier.
static void test_own_id(void **state)
{
	struct peer p;
	uint8_t id;

	open_network(&p, false, PPP_IPV6_YES, true);
	peer_flush(&p);
	id = p.link.ipv6cp.id;
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 3, id, ID "00000000000000aa");
	peer_expect(&p, "ff03 8057 01 .. 000e " ID "00000000000000aa");
	// A suggestion of nothing: chance again.
	id = p.link.ipv6cp.id;
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 3, id, ID "0000000000000000");
	peer_expect(&p, "ff03 8057 01 .. 000e " ID "................");
	assert_true(p.link.ip6.local_id && p.link.ip6.local_id != 0xaa);
	id = p.link.ipv6cp.id;
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 4, id, ID "0000000000000000");
	peer_expect(&p, "ff03 8057 01 .. 0004");
	id = p.link.ipv6cp.id;
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 2, id, "");
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 1, 1, ID "0000000000000001");
	assert_int_equal(p.nb_up6, 1);
	ppp_free(&p.link);
}

static void test_no_ipv6(void **state)
{
	struct peer p;

	open_network(&p, true, PPP_IPV6_NO, true);
	peer_flush(&p);
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 1, 1, ID "0000000000000001");
	peer_expect(&p, "ff03 c021 08 .. 0014 8057 0101000e 010a 0000000000000001");
	peer_expect_none(&p);
	assert_int_equal(p.nb_ended, 0);
	ppp_free(&p.link);
}

// IPv6 alone, by the server's will: IPCP is rejected.
static void test_server_ip6_only(void **state)
{
	struct peer p;

	open_network(&p, true, PPP_IPV6_YES, false);
	peer_expect(&p, "ff03 c021 02 *");
	peer_expect(&p, "ff03 8057 01 *");
	peer_feed_packet(&p, PPP_PROTO_IPCP, 1, 1, "030600000000");
	peer_expect(&p, "ff03 c021 08 .. 0010 8021 0101000a 030600000000");
	p.head = p.tail - 2;
	peer_ack(&p, PPP_PROTO_IPV6CP);
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 1, 1, ID "0000000000000001");
	assert_int_equal(p.nb_up6, 1);
	assert_int_equal(p.nb_up, 0);
	ppp_free(&p.link);
}

// IPv6 alone, by the client's will: it rejects IPCP, before or after its first IPV6CP.
static void test_client_ip6_only(void **state)
{
	for (int late = 0; late < 2; late++) {
		struct peer p;

		open_network(&p, true, PPP_IPV6_YES, true);
		if (!late)
			peer_feed_packet(&p, PPP_PROTO_IPV6CP, 1, 1, ID "0000000000000001");
		peer_feed_packet(&p, PPP_PROTO_LCP, 8, 1, "8021 0101000a03060a000001");
		assert_int_equal(p.nb_ended, 0);
		assert_false(p.timer_on[PPP_TIMER_IPCP]);
		peer_ack(&p, PPP_PROTO_IPV6CP);
		peer_feed_packet(&p, PPP_PROTO_IPV6CP, 1, 2, ID "0000000000000001");
		assert_int_equal(p.nb_up6, 1);
		assert_int_equal(p.nb_ended, 0);
		// The last one goes, and the link with it.
		peer_feed_packet(&p, PPP_PROTO_IPV6CP, 5, 9, "");
		while (!p.nb_ended && p.timer_on[PPP_TIMER_IPV6CP])
			peer_expire(&p, PPP_TIMER_IPV6CP);
		while (!p.nb_ended && p.timer_on[PPP_TIMER_LCP])
			peer_expire(&p, PPP_TIMER_LCP);
		assert_int_equal(p.nb_down6, 1);
		assert_int_equal(p.why, PPP_END_PEER_TERMINATED);
	}
}

// A client that knows neither, and one that never answers IPCP but wants IPv6.
static void test_silence(void **state)
{
	struct peer p;

	open_network(&p, true, PPP_IPV6_YES, true);
	while (p.timer_on[PPP_TIMER_IPCP])
		peer_expire(&p, PPP_TIMER_IPCP);
	while (!p.nb_ended && p.timer_on[PPP_TIMER_LCP])
		peer_expire(&p, PPP_TIMER_LCP);
	assert_int_equal(p.why, PPP_END_IPCP_FAILED);

	open_network(&p, true, PPP_IPV6_YES, true);
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 1, 1, ID "0000000000000001");
	peer_ack(&p, PPP_PROTO_IPV6CP);
	while (p.timer_on[PPP_TIMER_IPCP])
		peer_expire(&p, PPP_TIMER_IPCP);
	assert_int_equal(p.nb_ended, 0);
	assert_true(p.link.network6_is_up);
	// It may still come.
	peer_flush(&p);
	peer_feed_packet(&p, PPP_PROTO_IPCP, 1, 1, IPCP_PEER);
	peer_ack(&p, PPP_PROTO_IPCP);
	assert_int_equal(p.nb_up, 1);
	ppp_free(&p.link);
}

static void test_required(void **state)
{
	struct peer p;

	// The server begins; a Protocol-Reject ends the session.
	open_network(&p, true, PPP_IPV6_REQUIRED, true);
	peer_expect(&p, "ff03 c021 02 *");
	peer_expect(&p, "ff03 8021 01 *");
	peer_expect(&p, "ff03 8057 01 *");
	p.head -= 2;
	open_ipcp(&p);
	peer_feed_packet(&p, PPP_PROTO_LCP, 8, 1, "8057 0101000e010a0000000000000001");
	peer_expect(&p, "ff03 c021 05 *");
	while (!p.nb_ended && p.timer_on[PPP_TIMER_LCP])
		peer_expire(&p, PPP_TIMER_LCP);
	assert_int_equal(p.why, PPP_END_IPV6CP_FAILED);
	assert_int_equal(p.nb_down, 1);

	// Silence too.
	open_network(&p, true, PPP_IPV6_REQUIRED, true);
	open_ipcp(&p);
	while (!p.nb_ended && p.timer_on[PPP_TIMER_IPV6CP])
		peer_expire(&p, PPP_TIMER_IPV6CP);
	while (!p.nb_ended && p.timer_on[PPP_TIMER_LCP])
		peer_expire(&p, PPP_TIMER_LCP);
	assert_int_equal(p.why, PPP_END_IPV6CP_FAILED);
}

// Either may be taken down without the other; both go with LCP.
static void test_independent(void **state)
{
	struct peer p;

	open_network(&p, true, PPP_IPV6_YES, true);
	open_ipcp(&p);
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 1, 1, ID "0000000000000001");
	peer_ack(&p, PPP_PROTO_IPV6CP);
	assert_int_equal(p.nb_up6, 1);
	peer_feed_packet(&p, PPP_PROTO_IPCP, 5, 9, "");
	peer_expire(&p, PPP_TIMER_IPCP);
	assert_int_equal(p.nb_down, 1);
	assert_int_equal(p.nb_ended, 0);
	assert_true(p.link.network6_is_up);
	assert_int_equal(p.link.end, PPP_END_NONE);
	// LCP anew: both are negotiated again.
	peer_flush(&p);
	peer_feed_packet(&p, PPP_PROTO_LCP, 1, 9, "");
	assert_int_equal(p.nb_down6, 1);
	peer_ack(&p, PPP_PROTO_LCP);
	peer_ack(&p, PPP_PROTO_IPCP);
	peer_feed_packet(&p, PPP_PROTO_IPCP, 1, 1, IPCP_PEER);
	assert_int_equal(p.nb_up, 2);
	peer_feed_packet(&p, PPP_PROTO_IPV6CP, 1, 2, ID "0000000000000003");
	peer_ack(&p, PPP_PROTO_IPV6CP);
	assert_int_equal(p.nb_up6, 2);
	assert_true(p.remote_id == 3);
	ppp_free(&p.link);
}

// Every length of a request that is cut off: nothing happens, nothing is sent.
static void test_truncated(void **state)
{
	static const uint8_t whole[] = {
		0xff, 3, 0x80, 0x57, 1, 1, 0, 14, 1, 10, 1, 2, 3, 4, 5, 6, 7, 8};
	struct peer p;

	open_network(&p, true, PPP_IPV6_REQUIRED, true);
	peer_flush(&p);
	for (size_t n = 4; n < sizeof(whole); n++) {
		peer_feed_bytes(&p, whole, n);
		peer_expect_none(&p);
	}
	peer_feed_bytes(&p, whole, sizeof(whole));
	peer_expect(&p, "ff03 8057 02 *");
	ppp_free(&p.link);
}

// Two of our own ends.
static void carry(struct peer *from, struct peer *to)
{
	struct peer_frame *f;

	while ((f = peer_take(from)))
		peer_feed_bytes(to, f->bytes, f->len);
}

static void test_pair(void **state)
{
	struct peer c, s;

	peer_make(&s, true, 1);
	peer_make(&c, false, 2);
	s.give_ipv6 = PPP_IPV6_YES;
	c.conf.ipv6 = PPP_IPV6_YES;
	peer_up(&s);
	peer_up(&c);
	s.local_id = c.link.ip6.local_id = 0x55; // a collision
	for (int i = 0; i < 30; i++) {
		carry(&s, &c);
		carry(&c, &s);
	}
	assert_int_equal(s.nb_up, 1);
	assert_int_equal(c.nb_up, 1);
	assert_int_equal(s.nb_up6, 1);
	assert_int_equal(c.nb_up6, 1);
	assert_true(s.local_id == c.remote_id && s.remote_id == c.local_id);
	ppp_terminate(&c.link, PPP_END_LOCAL_TERMINATED, NULL);
	for (int i = 0; i < 5; i++) {
		carry(&s, &c);
		carry(&c, &s);
	}
	assert_int_equal(c.nb_down6, 1);
	assert_int_equal(s.nb_down6, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_opens),
		cmocka_unit_test(test_client_opens),
		cmocka_unit_test(test_nak),
		cmocka_unit_test(test_never_learns),
		cmocka_unit_test(test_own_id),
		cmocka_unit_test(test_no_ipv6),
		cmocka_unit_test(test_server_ip6_only),
		cmocka_unit_test(test_client_ip6_only),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_required),
		cmocka_unit_test(test_independent),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
