// SPDX-License-Identifier: BSD-3-Clause
// A client's call against a server that lies, or is damaged: each lie ends it with the reason it
// should have, and nothing hangs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "client_server.h"

static bool is_message(const uint8_t *pkt, size_t len, unsigned int type)
{
	return len >= 8 && (pkt[1] & 1) && pkt[5] == type;
}

static bool is_frame(const uint8_t *pkt, size_t len, uint16_t proto, uint8_t code)
{
	return len >= 10 && !(pkt[1] & 1) && (pkt[6] << 8 | pkt[7]) == proto && pkt[8] == code;
}

// Crypto Binding Request with a nonce of 31 bytes.
static void lie_short_nonce(struct bed *b, uint8_t *pkt, size_t *len)
{
	if (!is_message(pkt, *len, SSTP_MSG_CALL_CONNECT_ACK))
		return;
	*len -= 1;
	pkt[3] -= 1;
	pkt[11] -= 1; // the attribute's length
	b->lies++;
}

static void lie_no_binding(struct bed *b, uint8_t *pkt, size_t *len)
{
	if (!is_message(pkt, *len, SSTP_MSG_CALL_CONNECT_ACK))
		return;
	*len = 8;
	sstp_put_hdr(pkt, true, 8);
	pkt[7] = 0; // attributes
	b->lies++;
}

static void lie_unknown_hash(struct bed *b, uint8_t *pkt, size_t *len)
{
	if (!is_message(pkt, *len, SSTP_MSG_CALL_CONNECT_ACK))
		return;
	pkt[15] = 0x04;
	b->lies++;
}

static void lie_nak(struct bed *b, uint8_t *pkt, size_t *len)
{
	static const uint8_t nak[] = {
		0x10, 1, 0, 20, 0, 3, 0, 1, 0, 2, 0, 12, 0, 0, 0, 1, 0, 0, 0, 4};

	if (!is_message(pkt, *len, SSTP_MSG_CALL_CONNECT_ACK))
		return;
	memcpy(pkt, nak, sizeof(nak));
	*len = sizeof(nak);
	b->lies++;
}

static void lie_version(struct bed *b, uint8_t *pkt, size_t *len)
{
	pkt[0] = 0x11;
	b->lies++;
}

static void lie_length(struct bed *b, uint8_t *pkt, size_t *len)
{
	pkt[2] = 0;
	pkt[3] = 3;
	b->lies++;
}

// MS-CHAPv2 success with another proof.
static void lie_success(struct bed *b, uint8_t *pkt, size_t *len)
{
	if (!is_frame(pkt, *len, PPP_PROTO_CHAP, 3))
		return;
	pkt[14] = pkt[14] == '0' ? '1' : '0'; // S=x
	b->lies++;
}

static void lie_success_empty(struct bed *b, uint8_t *pkt, size_t *len)
{
	if (!is_frame(pkt, *len, PPP_PROTO_CHAP, 3))
		return;
	*len = 12;
	sstp_put_hdr(pkt, false, 12);
	pkt[10] = 0;
	pkt[11] = 4;
	b->lies++;
}

// Every answer to a Configure-Request of a protocol is a Nak of its first option.
static void turn_ack_to_nak(struct bed *b, uint8_t *pkt, size_t *len, uint16_t proto)
{
	if (!is_frame(pkt, *len, proto, 2))
		return;
	pkt[8] = 3;
	if (*len >= 18)
		pkt[*len - 1] ^= (uint8_t)++b->lies;
}

static void lie_endless_lcp_nak(struct bed *b, uint8_t *pkt, size_t *len)
{
	turn_ack_to_nak(b, pkt, len, PPP_PROTO_LCP);
}

static void lie_endless_ipcp_nak(struct bed *b, uint8_t *pkt, size_t *len)
{
	turn_ack_to_nak(b, pkt, len, PPP_PROTO_IPCP);
}

static void lie_no_ppp(struct bed *b, uint8_t *pkt, size_t *len)
{
	if (!(pkt[1] & 1))
		*len = 0;
	b->lies++;
}

// The server grants 0.0.0.0.
static void lie_zero_address(struct bed *b, uint8_t *pkt, size_t *len)
{
	if (!is_frame(pkt, *len, PPP_PROTO_IPCP, 3) && !is_frame(pkt, *len, PPP_PROTO_IPCP, 2))
		return;
	for (size_t i = 12; i + 6 <= *len && pkt[i + 1] >= 2; i += pkt[i + 1])
		if (pkt[i] == 3)
			memset(pkt + i + 2, 0, 4);
	b->lies++;
}

static void test_lies(void **state)
{
	static const struct {
		const char *name;
		void (*lie)(struct bed *b, uint8_t *pkt, size_t *len);
		uint64_t limit_ms;
		enum call_end end;
		const char *reason;
		bool connected; // whether Call Connected may have been sent
	} cases[] = {
		{"short nonce", lie_short_nonce, 10000, CALL_END_SSTP, "crypto binding", false},
		{"no binding", lie_no_binding, 10000, CALL_END_SSTP, "crypto binding", false},
		{"unknown hash", lie_unknown_hash, 10000, CALL_END_SSTP, "crypto binding", false},
		{"nak", lie_nak, 130000, CALL_END_SSTP, "", false},
		{"version", lie_version, 1, CALL_END_SSTP, "delineated", false},
		{"length", lie_length, 1, CALL_END_SSTP, "delineated", false},
		{"proof", lie_success, 20000, CALL_END_AUTH, "could not prove", false},
		{"no proof", lie_success_empty, 20000, CALL_END_AUTH, "could not prove", false},
		{"lcp naks", lie_endless_lcp_nak, 130000, CALL_END_PPP, "LCP", false},
		{"ipcp naks", lie_endless_ipcp_nak, 130000, CALL_END_ADDRESS, "IPCP", true},
		{"no ppp", lie_no_ppp, 130000, CALL_END_PPP, "LCP", false},
		{"zero address", lie_zero_address, 130000, CALL_END_ADDRESS, "", true},
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bed *b = bed_create();

		print_message("  %s\n", cases[i].name);
		b->conf.lie = cases[i].lie;
		bed_dialed(b);
		bed_assert_ended(b, cases[i].limit_ms, cases[i].end, cases[i].reason);
		assert_true(b->lies > 0);
		if (!cases[i].connected)
			assert_int_equal(b->rx_msgs[SSTP_MSG_CALL_CONNECTED], 0);
		bed_free(b);
	}
}

// IP packets before the call is up go nowhere.
static void test_early_data(void **state)
{
	static const uint8_t early[] = {0x10, 0, 0, 28, 0xff, 3, 0, 0x21, 0x45, 0, 0, 20};
	struct bed *b = bed_create();
	uint8_t pkt[28] = {0};

	memcpy(pkt, early, sizeof(early));
	b->conf.lie = lie_no_ppp;
	bed_dialed(b);
	assert_int_equal(b->call.phase, CALL_PHASE_AUTH);
	bed_server_write(b, pkt, sizeof(pkt));
	bed_pump(b);
	assert_int_equal(b->rx_client_ip, 0);
	assert_int_equal(b->call.counters.rx_dropped, 1);
	assert_false(b->call_closed);
	bed_free(b);
}

static uint64_t rng;

static uint32_t rnd(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 33) % n;
}

// Bytes turned at random, at a rate that lets some calls get far.
static void lie_random(struct bed *b, uint8_t *pkt, size_t *len)
{
	if (rnd(4))
		return;
	for (unsigned int i = 1 + rnd(4); i; i--)
		pkt[rnd((uint32_t)*len)] = (uint8_t)rnd(256);
	if (!rnd(8))
		*len = rnd((uint32_t)*len + 1);
	b->lies++;
}

static void test_garbage(void **state)
{
	unsigned int up = 0, closed = 0;

	for (unsigned int seed = 1; seed <= 150; seed++) {
		struct bed *b = bed_create();

		rng = seed * 0x9e3779b97f4a7c15u;
		b->conf.lie = lie_random;
		b->conf.auth_methods = 1u << seed % 4;
		b->call_conf.keepalive_ms = 20000;
		b->conf.chunk = seed % 3 ? 0 : 7;
		bed_dialed(b);
		bed_advance(b, 200000);
		up += b->up;
		closed += b->call_closed;
		// Either up and well, or ended with a reason: nothing hangs between.
		assert_true(b->call_closed ? *call_reason(&b->call) != '\0'
					   : b->call.phase == CALL_PHASE_UP);
		if (!b->call_closed) {
			call_hangup(&b->call, b->now_ms);
			assert_true(bed_until_closed(b, 60000) <= b->call_conf.hangup_ms);
		}
		bed_free(b);
	}
	assert_in_range(up, 5, 149);
	assert_in_range(closed, 5, 149);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_early_data),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
