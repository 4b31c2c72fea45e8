// SPDX-License-Identifier: BSD-3-Clause
// IPCP byte by byte.
#include "ppp_harness.h"

#define IPCP PPP_PROTO_IPCP
#define CONF_REQ PPP_CODE_CONFIGURE_REQUEST
#define CONF_ACK PPP_CODE_CONFIGURE_ACK
#define CONF_NAK PPP_CODE_CONFIGURE_NAK
#define CONF_REJ PPP_CODE_CONFIGURE_REJECT

static struct peer p;

static void server(void)
{
	peer_make(&p, true, 5);
	p.conf.auth_methods = 0;
	peer_open_lcp(&p);
	peer_expect(&p, "ff03c021 02 *");
	peer_expect(&p, "ff038021 01 01 000a 0306 0a000001"); // always its own address
	peer_expect_none(&p);
}

static void client(void)
{
	peer_make(&p, false, 5);
	p.conf.auth_methods = 0;
	peer_open_lcp(&p);
	peer_expect(&p, "ff03c021 02 *");
	peer_expect(&p, "ff038021 01 01 0016 0306 00000000 8106 00000000 8306 00000000");
	peer_expect_none(&p);
}

// Windows and pppd: everything at once. 8.8.8.8 is the only name server there is.
static void server_address(void **state)
{
	server();
	peer_feed_packet(&p, IPCP, CONF_REQ, 1,
		"0206 002d0f01 | 0306 00000000 | 8106 00000000 | 8206 00000000 | 8306 00000000 |"
		"8406 00000000");
	peer_expect(&p, "ff038021 04 01 001c 0206 002d0f01 | 8206 00000000 | 8306 00000000 |"
			"8406 00000000");
	peer_feed_packet(&p, IPCP, CONF_REQ, 2, "0306 00000000 | 8106 00000000");
	peer_expect(&p, "ff038021 03 02 0010 0306 0a000002 | 8106 08080808");
	peer_feed_packet(&p, IPCP, CONF_REQ, 3, "0306 0a000002 | 8106 08080808");
	peer_expect(&p, "ff038021 02 03 0010 0306 0a000002 | 8106 08080808");
	assert_int_equal(p.nb_up, 0);
	peer_feed_packet(&p, IPCP, CONF_ACK, 1, "0306 0a000001");
	assert_int_equal(p.nb_up, 1);
	assert_int_equal(p.agreed.remote, 0x0a000002);
	assert_int_equal(p.agreed.local, 0x0a000001);
}

static void server_all_name_servers(void **state)
{
	peer_make(&p, true, 5);
	p.conf.auth_methods = 0;
	p.give.dns[1] = 0x01010101;
	p.give.wins[0] = 0x0a000003;
	p.give.wins[1] = 0x0a000004;
	peer_open_lcp(&p);
	peer_flush(&p);
	peer_feed_packet(&p, IPCP, CONF_REQ, 1,
		"8106 00000000 | 8206 00000000 | 8306 00000000 | 8406 0a000004 | 0306 0a000009");
	peer_expect(&p, "ff038021 03 01 001c 8106 08080808 | 8206 0a000003 | 8306 01010101 |"
			"0306 0a000002");
}

static void server_rejects(void **state)
{
	static const char *const options[] = {"010a 00000000 00000000", "0204 0037",
		"0406 00000000", "0304 0000", "0307 0000000000", "8104 0000", "9006 00000000"};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		char want[64];

		server();
		peer_feed_packet(&p, IPCP, CONF_REQ, 1, options[i]);
		snprintf(want, sizeof(want), "ff038021 04 01 .... %s", options[i]);
		peer_expect(&p, want);
	}
}

// The peer asks for no address: it is let in; the session's address stays what it is.
static void server_empty_request(void **state)
{
	server();
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "");
	peer_expect(&p, "ff038021 02 01 0004");
	peer_feed_packet(&p, IPCP, CONF_ACK, 1, "0306 0a000001");
	assert_int_equal(p.nb_up, 1);
	assert_int_equal(p.agreed.remote, 0x0a000002);
}

static void server_own_address(void **state)
{
	server();
	for (int i = 0; i < 3; i++) { // not the client's to choose
		peer_feed_packet(&p, IPCP, CONF_NAK, p.link.ipcp.id, "0306 0a700001");
		peer_expect(&p, "ff038021 01 .. 000a 0306 0a000001");
	}
	peer_feed_packet(&p, IPCP, CONF_REJ, p.link.ipcp.id, "0306 0a000001");
	peer_expect(&p, "ff038021 01 .. 0004");
	server();
	for (int i = 0; i < 11; i++)
		peer_feed_packet(&p, IPCP, CONF_NAK, p.link.ipcp.id, "0306 0a700001");
	assert_int_equal(p.link.end, PPP_END_IPCP_FAILED);
}

static void server_insists(void **state)
{
	server();
	for (int i = 0; i < 5; i++) {
		peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 c0a80001");
		peer_expect(&p, "ff038021 03 01 000a 0306 0a000002");
	}
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 c0a80001"); // Max-Failure
	peer_expect(&p, "ff038021 04 01 000a 0306 c0a80001");
}

static void no_address(void **state)
{
	peer_make(&p, true, 5);
	p.conf.auth_methods = 0;
	p.give.remote = 0;
	peer_up(&p);
	peer_ack(&p, PPP_PROTO_LCP);
	peer_feed_packet(&p, PPP_PROTO_LCP, CONF_REQ, 1, "");
	peer_expect(&p, "ff03c021 02 *");
	// Terminate-Request: "no address for this session".
	peer_expect(
		&p, "ff03c021 05 02 001f 6e6f206164647265737320666f7220746869732073657373696f6e");
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 00000000");
	peer_expect_none(&p);
	peer_feed_packet(&p, PPP_PROTO_LCP, PPP_CODE_TERMINATE_ACK, 2, "");
	assert_int_equal(p.why, PPP_END_NO_ADDRESS);
	assert_int_equal(p.nb_up, 0);
}

static void addresses_later(void **state)
{
	peer_make(&p, true, 5);
	p.conf.auth_methods = 0;
	p.hold_addresses = true;
	peer_open_lcp(&p);
	peer_flush(&p);
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 00000000");
	peer_expect_none(&p);
	assert_false(p.timer_on[PPP_TIMER_IPCP]);
	ppp_set_addresses(&p.link, &p.give);
	peer_expect(&p, "ff038021 01 01 000a 0306 0a000001");
	p.give.local = 0x0b000001; // too late
	ppp_set_addresses(&p.link, &p.give);
	peer_feed_packet(&p, IPCP, CONF_ACK, 1, "0306 0a000001");
	assert_int_equal(p.link.ipcp.state, PPP_FSM_ACK_RCVD);
	peer_expect_none(&p);
}

// Before authentication is over too.
static void addresses_early(void **state)
{
	peer_make(&p, true, 5);
	p.conf.auth_methods = 0;
	p.hold_addresses = true;
	ppp_init(&p.link, &p.conf, &peer_ops, &p);
	ppp_set_addresses(&p.link, &p.give);
	ppp_up(&p.link);
	peer_ack(&p, PPP_PROTO_LCP);
	peer_feed_packet(&p, PPP_PROTO_LCP, CONF_REQ, 1, "");
	peer_expect(&p, "ff03c021 02 *");
	peer_expect(&p, "ff038021 01 01 000a 0306 0a000001");
}

static void ipcp_times_out(void **state)
{
	server();
	for (int i = 0; i < 9; i++)
		peer_expire(&p, PPP_TIMER_IPCP);
	assert_int_equal(p.link.end, PPP_END_NONE);
	peer_expire(&p, PPP_TIMER_IPCP);
	assert_int_equal(p.link.end, PPP_END_IPCP_FAILED);
	assert_int_equal(p.link.phase, PPP_PHASE_TERMINATE);
}

static void peer_terminates_ipcp(void **state)
{
	server();
	peer_feed_packet(&p, IPCP, CONF_ACK, 1, "0306 0a000001");
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 0a000002");
	assert_int_equal(p.nb_up, 1);
	peer_flush(&p);
	peer_feed(&p, "ff038057 05 01 0004"); // IPV6CP's end is not the session's
	peer_expect(&p, "ff03c021 08 *");
	assert_int_equal(p.nb_down, 0);
	peer_feed_packet(&p, IPCP, PPP_CODE_TERMINATE_REQUEST, 4, "");
	peer_expect(&p, "ff038021 06 04 0004");
	assert_int_equal(p.nb_down, 1);
	peer_expire(&p, PPP_TIMER_IPCP);
	peer_expect(&p, "ff03c021 05 *");
	peer_feed_packet(&p, PPP_PROTO_LCP, PPP_CODE_TERMINATE_ACK, 2, "");
	assert_int_equal(p.why, PPP_END_PEER_TERMINATED);
}

static void code_rejects(void **state)
{
	server();
	peer_feed_packet(&p, IPCP, 8, 3, "80fd"); // LCP's codes are unknown here
	peer_expect(&p, "ff038021 07 .. 000a 08 03 0006 80fd");
	peer_feed_packet(&p, IPCP, PPP_CODE_CODE_REJECT, 3, "0e 01 0004");
	assert_int_equal(p.link.end, PPP_END_NONE);
	peer_feed_packet(&p, IPCP, PPP_CODE_CODE_REJECT, 3, "07 01 0004");
	assert_int_equal(p.link.end, PPP_END_IPCP_REJECTED);
}

static void renegotiated(void **state)
{
	server();
	peer_feed_packet(&p, IPCP, CONF_ACK, 1, "0306 0a000001");
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 0a000002");
	assert_int_equal(p.nb_up, 1);
	peer_feed_packet(&p, IPCP, CONF_REQ, 2, "0306 0a000002");
	assert_int_equal(p.nb_down, 1);
	peer_feed_packet(&p, IPCP, CONF_ACK, p.link.ipcp.id, "0306 0a000001");
	assert_int_equal(p.nb_up, 2);
}

// The peer's request again, because our Ack was slow: another Ack, and nothing else happens.
static void sent_again(void **state)
{
	server();
	peer_feed_packet(&p, IPCP, CONF_ACK, 1, "0306 0a000001");
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 0a000002");
	peer_flush(&p);
	for (int i = 0; i < p.conf.max_configure; i++) {
		peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 0a000002");
		peer_expect(&p, "ff038021 02 01 000a 0306 0a000002");
		peer_expect_none(&p);
	}
	assert_int_equal(p.nb_up, 1);
	assert_int_equal(p.nb_down, 0);
	// Who goes on asking wants to begin anew.
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 0a000002");
	assert_int_equal(p.nb_down, 1);
}

// Other options under the same identifier are no retransmission.
static void other_request_again(void **state)
{
	server();
	peer_feed_packet(&p, IPCP, CONF_ACK, 1, "0306 0a000001");
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 0a000002");
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 0a000003");
	assert_int_equal(p.nb_down, 1);
}

static void client_takes_naks(void **state)
{
	client();
	peer_feed_packet(&p, IPCP, CONF_NAK, 1, "0306 0a000002 | 8106 08080808 | 8306 01010101");
	peer_expect(&p, "ff038021 01 02 0016 0306 0a000002 8106 08080808 8306 01010101");
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0206 002d0f01 0306 0a000001");
	peer_expect(&p, "ff038021 04 01 000a 0206 002d0f01");
	peer_feed_packet(&p, IPCP, CONF_REQ, 2, "0306 0a000001");
	peer_expect(&p, "ff038021 02 02 000a 0306 0a000001");
	peer_feed_packet(&p, IPCP, CONF_ACK, 2, "0306 0a000002 8106 08080808 8306 01010101");
	assert_int_equal(p.nb_up, 1);
	assert_int_equal(p.agreed.local, 0x0a000002);
	assert_int_equal(p.agreed.remote, 0x0a000001);
	assert_int_equal(p.agreed.dns[0], 0x08080808);
	assert_int_equal(p.agreed.dns[1], 0x01010101);
}

// WINS servers are asked for where they are wanted, and an answer without them is fine.
static void client_asks_for_wins(void **state)
{
	peer_make(&p, false, 5);
	p.conf.auth_methods = 0;
	p.conf.want_wins = true;
	peer_open_lcp(&p);
	peer_expect(&p, "ff03c021 02 *");
	peer_expect(&p, "ff038021 01 01 0022 0306 00000000 8106 00000000 8206 00000000 8306 "
			"00000000 8406 00000000");
	peer_feed_packet(&p, IPCP, CONF_REJ, 1, "8306 00000000 | 8406 00000000");
	peer_expect(&p, "ff038021 01 02 0016 0306 00000000 8106 00000000 8206 00000000");
	peer_feed_packet(&p, IPCP, CONF_NAK, 2, "0306 0a000002 | 8106 08080808 | 8206 0a000038");
	peer_expect(&p, "ff038021 01 03 0016 0306 0a000002 8106 08080808 8206 0a000038");
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 0a000001");
	peer_feed_packet(&p, IPCP, CONF_ACK, 3, "0306 0a000002 8106 08080808 8206 0a000038");
	assert_int_equal(p.nb_up, 1);
	assert_int_equal(p.agreed.wins[0], 0x0a000038);
	assert_int_equal(p.agreed.wins[1], 0);
}

static void client_rejects(void **state)
{
	client();
	peer_feed_packet(&p, IPCP, CONF_REJ, 1, "8106 00000000 8306 00000000");
	peer_expect(&p, "ff038021 01 02 000a 0306 00000000");
	peer_feed_packet(&p, IPCP, CONF_NAK, 2, "0306 0a000002 8206 01020304"); // unasked
	peer_expect(&p, "ff038021 01 03 000a 0306 0a000002");
	peer_feed_packet(&p, IPCP, CONF_ACK, 3, "0306 0a000002");
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, ""); // a server without an address
	peer_expect(&p, "ff038021 02 01 0004");
	assert_int_equal(p.nb_up, 1);
	assert_int_equal(p.agreed.remote, 0);
	assert_int_equal(p.agreed.dns[0], 0);
	// A server that wants to be given its address, or our name servers.
	client();
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 00000000 8106 00000000 0306 0a000001");
	peer_expect(&p, "ff038021 04 01 0010 0306 00000000 8106 00000000");
}

static void client_without_address(void **state)
{
	client();
	peer_feed_packet(&p, IPCP, CONF_REJ, 1, "0306 00000000");
	peer_feed_packet(&p, IPCP, CONF_ACK, 2, "8106 00000000 8306 00000000");
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 0a000001");
	assert_int_equal(p.nb_up, 0);
	assert_int_equal(p.link.end, PPP_END_NO_ADDRESS);
	// Given and taken back.
	client();
	peer_feed_packet(&p, IPCP, CONF_NAK, 1, "0306 0a000002");
	peer_feed_packet(&p, IPCP, CONF_REJ, 2, "0306 0a000002");
	peer_flush(&p);
	peer_feed_packet(&p, IPCP, CONF_ACK, 3, "8106 00000000 8306 00000000");
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 0a000001");
	assert_int_equal(p.link.end, PPP_END_NO_ADDRESS);
	// A Nak with 0.0.0.0 gives nothing.
	client();
	peer_feed_packet(&p, IPCP, CONF_NAK, 1, "0306 00000000 8106 00000000");
	peer_expect(&p, "ff038021 01 02 000a 8306 00000000");
	// And one of a wrong size leaves all as it was.
	client();
	peer_feed_packet(&p, IPCP, CONF_NAK, 1, "0305 0a0000 8107 0808080808");
	peer_expect(&p, "ff038021 01 02 0016 0306 00000000 8106 00000000 8306 00000000");
}

static void client_of(uint32_t local, uint32_t remote)
{
	peer_make(&p, false, 5);
	p.conf.auth_methods = 0;
	p.conf.local_address = local;
	p.conf.remote_address = remote;
	peer_open_lcp(&p);
	peer_expect(&p, "ff03c021 02 *");
}

// One address is the only one that will do.
static void client_own_address(void **state)
{
	client_of(0x0a000009, 0);
	peer_expect(&p, "ff038021 01 01 0016 0306 0a000009 8106 00000000 8306 00000000");
	peer_feed_packet(&p, IPCP, CONF_NAK, 1, "8106 08080808 | 8306 01010101");
	peer_expect(&p, "ff038021 01 02 0016 0306 0a000009 8106 08080808 8306 01010101");
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 0a000001");
	peer_feed_packet(&p, IPCP, CONF_ACK, 2, "0306 0a000009 8106 08080808 8306 01010101");
	assert_int_equal(p.nb_up, 1);
	assert_int_equal(p.agreed.local, 0x0a000009);

	client_of(0x0a000009, 0);
	peer_flush(&p);
	peer_feed_packet(&p, IPCP, CONF_NAK, 1, "0306 0a000002 | 8106 08080808");
	peer_expect(&p, "ff03c021 05 *");
	assert_int_equal(p.link.addr.local, 0x0a000002);
	peer_feed_packet(&p, PPP_PROTO_LCP, PPP_CODE_TERMINATE_ACK, p.link.lcp.id, "");
	assert_int_equal(p.why, PPP_END_OTHER_ADDRESS);
	assert_int_equal(p.nb_up, 0);

	// The same one again is not another; none at all is none.
	client_of(0x0a000009, 0);
	peer_flush(&p);
	peer_feed_packet(&p, IPCP, CONF_NAK, 1, "0306 0a000009");
	peer_expect(&p, "ff038021 01 02 0016 0306 0a000009 8106 00000000 8306 00000000");
	peer_feed_packet(&p, IPCP, CONF_REJ, 2, "0306 0a000009");
	peer_feed_packet(&p, IPCP, CONF_ACK, 3, "8106 00000000 8306 00000000");
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 0a000001");
	assert_int_equal(p.link.end, PPP_END_NO_ADDRESS);
}

// The server's address, where it tells none, asks for one, or has its own.
static void client_remote_address(void **state)
{
	client_of(0, 0x0a0000fe);
	peer_flush(&p);
	peer_feed_packet(&p, IPCP, CONF_NAK, 1, "0306 0a000002");
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "");
	peer_feed_packet(&p, IPCP, CONF_ACK, 2, "0306 0a000002 8106 00000000 8306 00000000");
	assert_int_equal(p.nb_up, 1);
	assert_int_equal(p.agreed.remote, 0x0a0000fe);

	client_of(0, 0x0a0000fe);
	peer_flush(&p);
	peer_feed_packet(&p, IPCP, CONF_REQ, 1, "0306 00000000");
	peer_expect(&p, "ff038021 03 01 000a 0306 0a0000fe");
	peer_feed_packet(&p, IPCP, CONF_REQ, 2, "0305 000000");
	peer_expect(&p, "ff038021 04 02 0009 0305 000000");
	peer_feed_packet(&p, IPCP, CONF_REQ, 3, "0306 0a000001");
	peer_expect(&p, "ff038021 02 03 000a 0306 0a000001");
	peer_feed_packet(&p, IPCP, CONF_NAK, 1, "0306 0a000002");
	peer_feed_packet(&p, IPCP, CONF_ACK, 2, "0306 0a000002 8106 00000000 8306 00000000");
	assert_int_equal(p.agreed.remote, 0x0a000001);
}

// No truncation of a valid packet has any effect.
static void truncations(void **state)
{
	static const char request[] =
		"ff038021 01 01 001c 0306 0a000002 8106 08080808 8306 00000000"
		"8206 00000000";
	uint8_t frame[64];
	size_t n = hex_bytes(request, frame, sizeof(frame));

	for (size_t len = 0; len < n; len++) {
		server();
		peer_feed_bytes(&p, frame, len);
		if (len == 1) // ff by itself is a compressed protocol number, an unknown one
			peer_expect(&p, "ff03c021 08 01 0006 00ff");
		peer_expect_none(&p);
		assert_int_equal(p.link.ipcp.state, PPP_FSM_REQ_SENT);
	}
	for (size_t len = 4; len < n - 4; len++) { // with a length field that agrees
		bool whole = (len - 4) % 6 == 0;

		server();
		frame[6] = 0;
		frame[7] = (uint8_t)len;
		peer_feed_bytes(&p, frame, len + 4);
		assert_int_equal(peer_take(&p) != NULL, whole);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_address),
		cmocka_unit_test(server_all_name_servers),
		cmocka_unit_test(server_rejects),
		cmocka_unit_test(server_empty_request),
		cmocka_unit_test(server_own_address),
		cmocka_unit_test(server_insists),
		cmocka_unit_test(no_address),
		cmocka_unit_test(addresses_later),
		cmocka_unit_test(addresses_early),
		cmocka_unit_test(ipcp_times_out),
		cmocka_unit_test(peer_terminates_ipcp),
		cmocka_unit_test(code_rejects),
		cmocka_unit_test(renegotiated),
		cmocka_unit_test(sent_again),
		cmocka_unit_test(other_request_again),
		cmocka_unit_test(client_takes_naks),
		cmocka_unit_test(client_asks_for_wins),
		cmocka_unit_test(client_rejects),
		cmocka_unit_test(client_without_address),
		cmocka_unit_test(client_own_address),
		cmocka_unit_test(client_remote_address),
		cmocka_unit_test(truncations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
