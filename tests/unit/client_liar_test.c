// SPDX-License-Identifier: BSD-3-Clause
// Lies that take their time: a server that is silent where it matters, or says just enough to be
// waited for. What ends at once is tests/liar's, over real sockets.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "client_server.h"

#define CONFIGURE_REQUEST 1
#define CONFIGURE_ACK 2

static void assert_reason(const struct bed *b, enum call_end end, const char *reason)
{
	if (b->end != end || strcmp(call_reason(&b->call), reason))
		fail_msg("ended with %d, \"%s\"", b->end, call_reason(&b->call));
}

// --- one lie each, in what the server sends ---

static bool is_message(const uint8_t *pkt, unsigned int type)
{
	return (pkt[1] & 1) && pkt[5] == type;
}

static bool is_protocol(const uint8_t *pkt, size_t len, uint16_t proto)
{
	return len >= 12 && !(pkt[1] & 1) && (pkt[6] << 8 | pkt[7]) == proto;
}

static void drop_if(struct bed *b, size_t *len, bool lie)
{
	if (!lie)
		return;
	*len = 0;
	b->lies++;
}

static void no_ack(struct bed *b, uint8_t *pkt, size_t *len)
{
	drop_if(b, len, is_message(pkt, SSTP_MSG_CALL_CONNECT_ACK));
}

static void no_lcp(struct bed *b, uint8_t *pkt, size_t *len)
{
	drop_if(b, len, is_protocol(pkt, *len, PPP_PROTO_LCP));
}

static void no_lcp_request(struct bed *b, uint8_t *pkt, size_t *len)
{
	drop_if(b, len, is_protocol(pkt, *len, PPP_PROTO_LCP) && pkt[8] == CONFIGURE_REQUEST);
}

static void no_lcp_ack(struct bed *b, uint8_t *pkt, size_t *len)
{
	drop_if(b, len, is_protocol(pkt, *len, PPP_PROTO_LCP) && pkt[8] == CONFIGURE_ACK);
}

static void no_authentication(struct bed *b, uint8_t *pkt, size_t *len)
{
	drop_if(b, len,
		is_protocol(pkt, *len, PPP_PROTO_PAP) || is_protocol(pkt, *len, PPP_PROTO_CHAP));
}

// Challenges, and never what became of them.
static void no_result(struct bed *b, uint8_t *pkt, size_t *len)
{
	drop_if(b, len, is_protocol(pkt, *len, PPP_PROTO_CHAP) && pkt[8] > 2);
}

// A result under an identifier that was not asked under.
static void result_of_another(struct bed *b, uint8_t *pkt, size_t *len)
{
	if (!is_protocol(pkt, *len, PPP_PROTO_CHAP) || pkt[8] < 3)
		return;
	pkt[9] ^= 0x55;
	b->lies++;
}

static void no_ipcp(struct bed *b, uint8_t *pkt, size_t *len)
{
	drop_if(b, len, is_protocol(pkt, *len, PPP_PROTO_IPCP));
}

static void no_ipcp_request(struct bed *b, uint8_t *pkt, size_t *len)
{
	drop_if(b, len, is_protocol(pkt, *len, PPP_PROTO_IPCP) && pkt[8] == CONFIGURE_REQUEST);
}

// Acks of something else.
static void ipcp_ack_of_another(struct bed *b, uint8_t *pkt, size_t *len)
{
	if (!is_protocol(pkt, *len, PPP_PROTO_IPCP) || pkt[8] != CONFIGURE_ACK)
		return;
	pkt[*len - 1] ^= 1;
	b->lies++;
}

static const struct lie {
	const char *name;
	void (*lie)(struct bed *b, uint8_t *pkt, size_t *len);
	uint32_t auth_methods;
	uint64_t least_ms, most_ms;
	enum call_end end;
	const char *reason;
	bool connected; // whether Call Connected may have been sent
} lies[] = {
	{"no Ack", no_ack, PPP_AUTH_PAP, 60000, 64000, CALL_END_TIMEOUT,
		"SSTP: negotiation timed out while SSTP was negotiated", false},
	{"no LCP", no_lcp, PPP_AUTH_PAP, 30000, 40000, CALL_END_PPP, "PPP: LCP did not converge",
		false},
	{"no LCP request", no_lcp_request, PPP_AUTH_PAP, 60000, 64000, CALL_END_TIMEOUT,
		"SSTP: negotiation timed out before authentication was over", false},
	{"no LCP Ack", no_lcp_ack, PPP_AUTH_PAP, 30000, 40000, CALL_END_PPP,
		"PPP: LCP did not converge", false},
	{"no answer of PAP", no_authentication, PPP_AUTH_PAP, 60000, 64000, CALL_END_TIMEOUT,
		"SSTP: negotiation timed out before authentication was over", false},
	{"no Challenge", no_authentication, PPP_AUTH_MSCHAP2, 60000, 64000, CALL_END_TIMEOUT,
		"SSTP: negotiation timed out before authentication was over", false},
	{"no result", no_result, PPP_AUTH_CHAP_MD5, 60000, 64000, CALL_END_TIMEOUT,
		"SSTP: negotiation timed out before authentication was over", false},
	{"result of another", result_of_another, PPP_AUTH_CHAP_MD5, 60000, 64000, CALL_END_TIMEOUT,
		"SSTP: negotiation timed out before authentication was over", false},
	{"no IPCP", no_ipcp, PPP_AUTH_PAP, 30000, 40000, CALL_END_ADDRESS,
		"address: IPCP did not converge", true},
	{"no IPCP request", no_ipcp_request, PPP_AUTH_PAP, 30000, 61000, CALL_END_TIMEOUT,
		"timed out before an address was agreed", true},
	{"IPCP Ack of another", ipcp_ack_of_another, PPP_AUTH_PAP, 30000, 40000, CALL_END_ADDRESS,
		"address: IPCP did not converge", true},
};

// The server's own timers have nothing to say here: they would end what is the client's to end.
static void strike_server_timers(struct bed *b)
{
	memset(b->deadline_ms, 0, sizeof(b->deadline_ms));
}

static uint64_t until_closed(struct bed *b, uint64_t limit_ms)
{
	uint64_t start = b->now_ms, next;

	bed_pump(b);
	while (!b->call_closed) {
		strike_server_timers(b);
		next = call_deadline(&b->call);
		if (!next || next > start + limit_ms)
			return UINT64_MAX;
		b->now_ms = next > b->now_ms ? next : b->now_ms;
		call_tick(&b->call, b->now_ms);
		bed_pump(b);
	}
	return b->now_ms - start;
}

static void test_lies(void **state)
{
	for (const struct lie *l = lies; l < lies + sizeof(lies) / sizeof(lies[0]); l++) {
		struct bed *b = bed_create();
		uint64_t took;

		print_message("  %s\n", l->name);
		b->conf.lie = l->lie;
		b->conf.auth_methods = l->auth_methods;
		bed_start(b);
		took = until_closed(b, 200000);
		assert_in_range(took, l->least_ms, l->most_ms);
		assert_reason(b, l->end, l->reason);
		assert_true(b->lies > 0);
		assert_false(b->up);
		assert_int_equal(b->rx_ip, 0);
		assert_int_equal(b->rx_msgs[SSTP_MSG_CALL_CONNECTED], l->connected);
		assert_int_equal(call_deadline(&b->call), 0);
		bed_free(b);
	}
}

// --- bytes that come so slowly that each is something new ---

// What the server would have the client hear, one byte every so often.
static uint8_t held[65536];
static size_t nb_held, nb_told;

static void hold(struct bed *b, const uint8_t *p, size_t n)
{
	assert_true(nb_held + n <= sizeof(held));
	memcpy(held + nb_held, p, n);
	nb_held += n;
}

static struct bed *dribbled(void)
{
	struct bed *b = bed_create();

	nb_held = nb_told = 0;
	b->conf.client_input = hold;
	return b;
}

static void dribble(struct bed *b, size_t n)
{
	for (; n && nb_told < nb_held; n--) {
		call_input(&b->call, held + nb_told, 1, b->now_ms);
		nb_told++;
	}
}

// Every byte is a sign of life, and the handshake is not waited for longer all the same.
static void test_slow_handshake(void **state)
{
	struct bed *b = dribbled();

	bed_start(b);
	for (unsigned int i = 0; i < 59; i++) {
		bed_pump(b);
		dribble(b, 1);
		b->now_ms += 1000;
		call_tick(&b->call, b->now_ms);
		assert_false(b->call_closed);
	}
	assert_in_range(until_closed(b, 100000), 500, 1500);
	assert_reason(b, CALL_END_TIMEOUT, "timed out during the TLS handshake");
	bed_free(b);
}

static void test_slow_http(void **state)
{
	struct bed *b = bed_create();

	b->conf.http_answer = "HTTP/1.1 200 OK\r\nX: ";
	bed_start(b);
	for (unsigned int i = 0; i < 59; i++) {
		bed_pump(b);
		bed_server_write(b, "x", 1);
		b->now_ms += 1000;
		call_tick(&b->call, b->now_ms);
		assert_false(b->call_closed);
	}
	assert_in_range(until_closed(b, 100000), 500, 1500);
	assert_reason(b, CALL_END_TIMEOUT, "timed out before the HTTP request was answered");
	bed_free(b);
}

static void test_silence(void **state)
{
	for (unsigned int phase = 0; phase < 2; phase++) {
		struct bed *b = bed_create();

		b->conf.mute_tls = phase == 0;
		b->conf.mute_http = phase == 1;
		bed_start(b);
		assert_int_equal(until_closed(b, 100000), 60000);
		assert_reason(b, CALL_END_TIMEOUT,
			phase ? "timed out before the HTTP request was answered"
			      : "timed out during the TLS handshake");
		bed_free(b);
	}
}

// Pings while it lets the log-in wait: that keeps nothing alive for longer than it may take.
static void test_pings_instead(void **state)
{
	static const uint8_t ping[] = {0x10, 1, 0, 8, 0, 8, 0, 0};
	struct bed *b = bed_create();
	unsigned int pings = 0;

	b->conf.lie = no_authentication;
	b->call_conf.keepalive_ms = 1000;
	bed_start(b);
	bed_pump(b);
	b->conf.mute_sstp = true; // who never asked does not like the answers
	while (!b->call_closed) {
		assert_true(++pings < 200);
		bed_server_write(b, ping, sizeof(ping));
		bed_pump(b);
		strike_server_timers(b);
		b->now_ms += 500;
		call_tick(&b->call, b->now_ms);
	}
	assert_in_range(pings, 118, 128);
	assert_int_equal(b->rx_msgs[SSTP_MSG_ECHO_RESPONSE], 120); // not while it waits to close
	assert_reason(
		b, CALL_END_TIMEOUT, "SSTP: negotiation timed out before authentication was over");
	bed_free(b);
}

// --- ends that the server does not answer, and how long each lasts: [MS-SSTP] 3.2.2 ---

static struct bed *up(void)
{
	struct bed *b = bed_create();

	bed_start(b);
	bed_pump(b);
	assert_true(b->up);
	return b;
}

static void test_ends_in_time(void **state)
{
	static const uint8_t abort_[] = {
		0x10, 1, 0, 20, 0, 5, 0, 1, 0, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 5};
	static const uint8_t disconnect[] = {0x10, 1, 0, 8, 0, 6, 0, 0};
	static const uint8_t untimely[] = {0x10, 1, 0, 8, 0, 7, 0, 0};
	static const struct {
		const uint8_t *pkt;
		size_t len;
		uint64_t ms;
		enum call_end end;
		const char *reason;
	} cases[] = {
		{abort_, sizeof(abort_), 1000, CALL_END_SSTP,
			"SSTP: aborted by the peer, status UNACCEPTED_FRAME_RECEIVED"},
		{disconnect, sizeof(disconnect), 1000, CALL_END_SERVER,
			"the server disconnected the call"},
		{untimely, sizeof(untimely), 3000, CALL_END_SSTP,
			"SSTP: CALL_DISCONNECT_ACK not allowed in this state, status "
			"UNACCEPTED_FRAME_RECEIVED"},
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bed *b = up();

		b->conf.mute_sstp = true;
		bed_server_write(b, cases[i].pkt, cases[i].len);
		// Again and again: the first one counts.
		for (unsigned int j = 0; j < 50; j++)
			bed_server_write(b, cases[i].pkt, cases[i].len);
		bed_pump(b);
		assert_int_equal(b->call.phase, CALL_PHASE_CLOSING);
		assert_int_equal(until_closed(b, 20000), cases[i].ms);
		assert_reason(b, cases[i].end, cases[i].reason);
		bed_free(b);
	}
}

// The time for an address runs out while a Call Abort waits for its answer: what was wrong is told,
// not that.
static void test_reason_stays(void **state)
{
	static const uint8_t untimely[] = {0x10, 1, 0, 8, 0, 7, 0, 0};
	struct bed *b = bed_create();

	b->conf.lie = no_ipcp_request;
	bed_start(b);
	bed_pump(b);
	assert_int_equal(b->call.phase, CALL_PHASE_NETWORK);
	for (unsigned int i = 0; i < 59; i++) {
		strike_server_timers(b);
		b->now_ms += 1000;
		call_tick(&b->call, b->now_ms);
		bed_pump(b);
	}
	assert_false(b->call_closed);
	bed_server_write(b, untimely, sizeof(untimely));
	b->conf.mute_sstp = true;
	assert_int_equal(until_closed(b, 20000), 3000);
	assert_reason(b, CALL_END_SSTP,
		"SSTP: CALL_DISCONNECT_ACK not allowed in this state, status "
		"UNACCEPTED_FRAME_RECEIVED");
	bed_free(b);
}

// A refused log-in, and not a word to the Terminate-Request that follows.
static void test_refused_and_silent(void **state)
{
	struct bed *b = bed_create();

	b->conf.auth_methods = PPP_AUTH_PAP;
	b->call_conf.password = "wrong";
	bed_start(b);
	while (b->call.ppp.end == PPP_END_NONE)
		bed_pump(b);
	b->conf.mute_sstp = true;
	assert_true(b->call.refused);
	assert_true(until_closed(b, 20000) <= b->call_conf.hangup_ms);
	assert_int_equal(b->end, CALL_END_AUTH);
	bed_free(b);
}

// --- addresses that are negotiated anew ---

static void renew(struct bed *b, unsigned int i)
{
	uint8_t request[] = {
		0xff, 0x03, 0x80, 0x21, 1, (uint8_t)(100 + i), 0, 10, 3, 6, 10, 0, 0, 1};

	b->ppp.addr.remote = 0x0a000002 + i % 2;
	bed_server_frame(b, request, sizeof(request));
	bed_pump(b);
}

static void test_renewals(void **state)
{
	struct bed *b = up();

	// Once in 10 s is odd, and goes on.
	for (unsigned int i = 0; i < 100; i++) {
		renew(b, i);
		assert_false(b->call_closed);
		assert_int_equal(b->call.phase, CALL_PHASE_UP);
		bed_advance(b, 10000);
	}
	for (unsigned int i = 0; i < 11 && !b->call_closed; i++)
		renew(b, i);
	assert_true(bed_until_closed(b, 10000) <= b->call_conf.hangup_ms);
	assert_reason(b, CALL_END_SERVER, "the server negotiates the addresses all the time");
	bed_free(b);
}

// The one it is dialed by would swallow the way there.
static void test_outer_address(void **state)
{
	struct bed *b = bed_create();

	b->call_conf.outer_address = b->conf.address = 0xc0000201;
	bed_start(b);
	assert_true(until_closed(b, 10000) <= b->call_conf.hangup_ms);
	assert_reason(b, CALL_END_ADDRESS, "address: the server gives the one it is dialed by");
	assert_false(b->up);
	bed_free(b);
}

// --- data ---

static void frame_of(struct bed *b, uint16_t proto, const uint8_t *p, size_t n)
{
	uint8_t frame[4091] = {0xff, 0x03, (uint8_t)(proto >> 8), (uint8_t)proto};

	memcpy(frame + 4, p, n);
	bed_server_frame(b, frame, n + 4);
	bed_pump(b);
}

static void assert_dropped(struct bed *b, uint16_t proto, const uint8_t *p, size_t n)
{
	uint64_t before = b->call.counters.rx_dropped;

	frame_of(b, proto, p, n);
	assert_int_equal(b->call.counters.rx_dropped, before + 1);
	assert_int_equal(b->rx_client_ip, 0);
	assert_int_equal(b->call.phase, CALL_PHASE_UP);
}

static void test_data(void **state)
{
	static uint8_t p[4087] = {0x45, 0, 0, 40};
	static const uint8_t versions[] = {0x05, 0x15, 0x55, 0x65, 0xf5, 0x44, 0x40};
	struct bed *b = up();

	for (size_t n = 0; n < 40; n++)
		assert_dropped(b, PPP_PROTO_IPV4, p, n);
	for (size_t i = 0; i < sizeof(versions); i++) {
		p[0] = versions[i];
		assert_dropped(b, PPP_PROTO_IPV4, p, 40);
	}
	p[0] = 0x45;
	p[3] = 19; // less than its header
	assert_dropped(b, PPP_PROTO_IPV4, p, 40);
	p[2] = 1501 >> 8;
	p[3] = (uint8_t)1501;
	assert_dropped(b, PPP_PROTO_IPV4, p, 1501);
	assert_dropped(b, PPP_PROTO_IPV4, p, 4087);
	assert_dropped(b, PPP_PROTO_IPV6, p, 1400); // not agreed to
	assert_int_equal(b->call.counters.rx_packets, 0);

	p[3] = (uint8_t)1500;
	frame_of(b, PPP_PROTO_IPV4, p, 1500);
	assert_int_equal(b->rx_client_ip, 1);
	assert_int_equal(b->last_client_ip_len, 1500);
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_slow_handshake),
		cmocka_unit_test(test_slow_http),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_pings_instead),
		cmocka_unit_test(test_ends_in_time),
		cmocka_unit_test(test_reason_stays),
		cmocka_unit_test(test_refused_and_silent),
		cmocka_unit_test(test_renewals),
		cmocka_unit_test(test_outer_address),
		cmocka_unit_test(test_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
