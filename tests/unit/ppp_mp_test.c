// SPDX-License-Identifier: BSD-3-Clause
// Multilink on one link: what LCP agrees on in each direction, the fragments' header, and which
// fragments make a packet.
#include "ppp_harness.h"
#include "protocol/ppp/ppp_mp.h"

#define LCP PPP_PROTO_LCP
#define CONF_REQ PPP_CODE_CONFIGURE_REQUEST
#define CONF_ACK PPP_CODE_CONFIGURE_ACK
#define CONF_NAK PPP_CODE_CONFIGURE_NAK
#define CONF_REJ PPP_CODE_CONFIGURE_REJECT

static struct peer p;
static unsigned int nb_lcp_up;
static struct ppp_ops ops;

static void on_lcp_up(void *user)
{
	nb_lcp_up++;
}

// A link without authentication whose Configure-Request has been thrown away.
static void start(bool server, uint16_t mrru, bool short_seq)
{
	peer_make(&p, server, 7);
	p.conf.auth_methods = 0;
	p.conf.mrru = mrru;
	p.conf.short_seq = short_seq;
	ops = peer_ops;
	ops.lcp_up = on_lcp_up;
	nb_lcp_up = 0;
	ppp_init(&p.link, &p.conf, &ops, &p);
	ppp_up(&p.link);
}

static void expect_mp(uint16_t tx_mrru, bool tx_short, uint16_t rx_mrru, bool rx_short)
{
	struct ppp_multilink m;

	ppp_multilink(&p.link, &m);
	assert_int_equal(m.tx_mrru, tx_mrru);
	assert_int_equal(m.rx_mrru, rx_mrru);
	assert_int_equal(m.tx_short, tx_short);
	assert_int_equal(m.rx_short, rx_short);
}

// The peer acknowledges what was asked for, and asks for options.
static void finish(const char *options)
{
	if (p.head == p.tail) // the request was looked at already: once more
		peer_expire(&p, PPP_TIMER_LCP);
	peer_ack(&p, LCP);
	peer_feed_packet(&p, LCP, CONF_REQ, 77, options);
	assert_int_equal(p.link.lcp.state, PPP_FSM_OPENED);
	assert_int_equal(nb_lcp_up, 1);
	peer_flush(&p);
}

// ---- negotiation

static void both_roles_ask(void **state)
{
	for (int server = 0; server <= 1; server++) {
		start(server, 1600, false);
		peer_expect(&p, "ff03c021 01 01 001d | 0104 05b4 | 0506 ........ | 1104 0640 |"
				"130b 04 ................");
		start(server, 1600, true);
		peer_expect(&p, "ff03c021 01 01 001f | 0104 05b4 | 0506 ........ | 1104 0640 |"
				"1202 | 130b 04 ................");
		start(server, 100, false); // less than any property allows
		peer_expect(&p, "ff03c021 01 01 001d | 0104 05b4 | 0506 ........ | 1104 0200 *");
		start(server, 0, true);
		peer_expect(&p, "ff03c021 01 01 000e | 0104 05b4 | 0506 ........");
	}
}

static void agreed(void **state)
{
	start(true, 1600, false);
	expect_mp(0, false, 0, false);
	finish("1104 064e | 1202 | 1303 00");
	peer_make(&p, true, 1);
	start(true, 1600, false);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, CONF_REQ, 3, "1104 064e | 1202 | 1303 00");
	peer_expect(&p, "ff03c021 02 03 000d | 1104 064e | 1202 | 1303 00");
	start(true, 1600, false);
	finish("1104 064e");
	expect_mp(0x64e, false, 1600, false);
	start(true, 1600, true);
	finish("1104 ffff");
	expect_mp(65535, false, 1600, true);
	start(false, 65535, false);
	finish("1104 0200 | 1202 | 1317 03 000102030405060708090a0b0c0d0e0f10111213");
	expect_mp(512, true, 65531, false); // what can be put together
}

// Each direction stands for itself.
static void one_direction(void **state)
{
	start(true, 1600, true);
	finish("0104 05dc | 1202"); // short numbers without MRRU mean nothing
	expect_mp(0, false, 1600, true);
	start(true, 1600, true);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, CONF_REJ, 1, "1104 0640 | 1202");
	peer_expect(&p, "ff03c021 01 02 000e | 0104 05b4 | 0506 ........");
	start(true, 1600, true);
	peer_feed_packet(&p, LCP, CONF_REJ, 1, "1104 0640");
	finish("1104 05dc");
	expect_mp(1500, false, 0, false);
}

static void not_configured(void **state)
{
	start(true, 0, false);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, CONF_REQ, 1, "1104 05dc | 1202 | 1303 00");
	peer_expect(&p, "ff03c021 04 01 000d | 1104 05dc | 1202 | 1303 00");
	finish("");
	expect_mp(0, false, 0, false);
}

static void peers_mrru(void **state)
{
	static const struct {
		const char *option, *answer;
	} t[] = {
		{"1104 0000", "ff03c021 03 01 0008 1104 05dc"},
		{"1104 01ff", "ff03c021 03 01 0008 1104 05dc"},
		{"1104 0200", "ff03c021 02 01 0008 1104 0200"},
		{"1104 ffff", "ff03c021 02 01 0008 1104 ffff"},
		{"1103 06", "ff03c021 04 01 0007 1103 06"},
		{"1105 064000", "ff03c021 04 01 0009 1105 064000"},
		{"1102", "ff03c021 04 01 0006 1102"},
		{"1203 00", "ff03c021 04 01 0007 1203 00"},
		{"1302", "ff03c021 04 01 0006 1302"},
		{"1303 00", "ff03c021 02 01 0007 1303 00"},
		{"1317 01 0001020304050607080900010203040506070809", "ff03c021 02 01 *"},
		{"1318 01 000102030405060708090001020304050607080910", "ff03c021 04 01 *"},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		start(true, 1600, false);
		peer_flush(&p);
		peer_feed_packet(&p, LCP, CONF_REQ, 1, t[i].option);
		peer_expect(&p, t[i].answer);
	}
	// A peer that insists gets no multilink, but a link.
	start(true, 1600, false);
	peer_flush(&p);
	for (int i = 0; i < 5; i++) {
		peer_feed_packet(&p, LCP, CONF_REQ, (uint8_t)i, "1104 0040");
		peer_expect(&p, "ff03c021 03 .. 0008 1104 05dc");
	}
	peer_feed_packet(&p, LCP, CONF_REQ, 6, "1104 0040");
	peer_expect(&p, "ff03c021 04 06 0008 1104 0040");
	finish("");
	expect_mp(0, false, 1600, false);
}

static void own_mrru_refused(void **state)
{
	static const struct {
		const char *nak;
		uint16_t rx_mrru;
	} t[] = {{"1104 05dc", 1500}, {"1104 0200", 512}, {"1104 01ff", 0}, {"1104 0640", 0},
		{"1104 0641", 0}, {"1104 ffff", 0}, {"1103 05", 0}, {"1102", 0}};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		start(i & 1, 1600, false);
		peer_feed_packet(&p, LCP, CONF_NAK, 1, t[i].nak);
		finish("1104 05dc");
		expect_mp(1500, false, t[i].rx_mrru, false);
	}
	// Short numbers and the endpoint go one by one; a hint of what was not asked for is none.
	start(true, 1600, true);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, CONF_NAK, 1, "1202");
	peer_expect(&p, "ff03c021 01 02 001d | 0104 05b4 | 0506 ........ | 1104 0640 | 130b *");
	peer_feed_packet(&p, LCP, CONF_REJ, 2, "130b 04 0000000000000000");
	peer_expect(&p, "ff03c021 01 03 0012 | 0104 05b4 | 0506 ........ | 1104 0640");
	finish("1104 05dc");
	expect_mp(1500, false, 1600, false);
	start(true, 0, false);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, CONF_NAK, 1, "1104 05dc");
	peer_expect(&p, "ff03c021 01 02 000e | 0104 05b4 | 0506 ........");
}

// What holds is what the last negotiation said.
static void negotiated_anew(void **state)
{
	start(true, 1600, false);
	finish("1104 05dc | 1202");
	expect_mp(1500, true, 1600, false);
	peer_feed_packet(&p, LCP, CONF_REQ, 78, "0104 05dc");
	expect_mp(0, false, 0, false);
	peer_ack(&p, LCP);
	assert_int_equal(nb_lcp_up, 2);
	expect_mp(0, false, 1600, false);
}

// ---- header

static void header_bytes(void **state)
{
	static const struct {
		bool short_seq, begin, end;
		uint32_t seq;
		uint8_t bytes[4];
	} t[] = {
		{false, true, true, 0, {0xc0, 0, 0, 0}},
		{false, true, false, 0x123456, {0x80, 0x12, 0x34, 0x56}},
		{false, false, true, 0xffffff, {0x40, 0xff, 0xff, 0xff}},
		{false, false, false, 1, {0, 0, 0, 1}},
		{true, true, true, 0, {0xc0, 0}},
		{true, true, false, 0xabc, {0x8a, 0xbc}},
		{true, false, true, 0xfff, {0x4f, 0xff}},
		{true, false, false, 1, {0, 1}},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct ppp_mp_tx tx = {.seq = t[i].seq, .short_seq = t[i].short_seq};
		size_t len = t[i].short_seq ? 2 : 4;
		struct ppp_mp_header h;
		uint8_t *exact = malloc(len);

		assert_int_equal(ppp_mp_send(&tx, t[i].begin, t[i].end, exact), len);
		assert_memory_equal(exact, t[i].bytes, len);
		assert_int_equal(tx.seq, (t[i].seq + 1) & (t[i].short_seq ? 0xfff : 0xffffff));
		assert_int_equal(ppp_mp_read(exact, len, t[i].short_seq, &h), len);
		assert_int_equal(h.seq, t[i].seq);
		assert_int_equal(h.begin, t[i].begin);
		assert_int_equal(h.end, t[i].end);
		exact[0] |= t[i].short_seq ? 0x30 : 0x3f; // reserved: ignored
		assert_int_equal(ppp_mp_read(exact, len, t[i].short_seq, &h), len);
		assert_int_equal(h.seq, t[i].seq);
		for (size_t n = 0; n < len; n++) {
			uint8_t *cut = malloc(n ? n : 1);

			memcpy(cut, exact, n);
			assert_int_equal(ppp_mp_read(cut, n, t[i].short_seq, &h), -EBADMSG);
			free(cut);
		}
		free(exact);
	}
}

// ---- fragments

static struct ppp_mp_rx rx;
static unsigned int told;

static enum ppp_mp_step take(uint32_t seq, const char *bits, size_t len)
{
	struct ppp_mp_header h = {
		.seq = seq, .begin = strchr(bits, 'B') != NULL, .end = strchr(bits, 'E') != NULL};

	return ppp_mp_receive(&rx, &h, len, &told);
}

#define EXPECT(step, bits, ...)                            \
	do {                                               \
		assert_int_equal(take(__VA_ARGS__), step); \
		assert_int_equal(told, bits);              \
	} while (0)

static void in_order(void **state)
{
	ppp_mp_rx_init(&rx, 1600, false);
	EXPECT(PPP_MP_WHOLE, 0, 0, "BE", 100);
	EXPECT(PPP_MP_START, 0, 1, "B", 1400);
	EXPECT(PPP_MP_LAST, 0, 2, "E", 204);
	EXPECT(PPP_MP_START, 0, 3, "B", 1);
	EXPECT(PPP_MP_MORE, 0, 4, "", 0);
	EXPECT(PPP_MP_MORE, 0, 5, "", 1602);
	EXPECT(PPP_MP_LAST, 0, 6, "E", 1);
	EXPECT(PPP_MP_SKIP, 0, 7, "BE", 0); // null fragment
	EXPECT(PPP_MP_WHOLE, 0, 8, "BE", 1604);
}

static void wraps(void **state)
{
	ppp_mp_rx_init(&rx, 1600, true);
	EXPECT(PPP_MP_START, 0, 0xfff, "B", 1); // whatever comes first
	EXPECT(PPP_MP_LAST, 0, 0, "E", 1);
	ppp_mp_rx_init(&rx, 1600, false);
	EXPECT(PPP_MP_START, 0, 0xffffff, "B", 1);
	EXPECT(PPP_MP_LAST, 0, 0, "E", 1);
}

static void losses(void **state)
{
	ppp_mp_rx_init(&rx, 1600, false);
	// The rest of a packet whose beginning nobody saw.
	EXPECT(PPP_MP_SKIP, 0, 10, "", 10);
	EXPECT(PPP_MP_SKIP, 0, 11, "E", 10);
	// The middle is missing.
	EXPECT(PPP_MP_START, 0, 12, "B", 10);
	EXPECT(PPP_MP_SKIP, PPP_MP_GAP | PPP_MP_LOST, 14, "E", 10);
	// The end is missing, with and without a number.
	EXPECT(PPP_MP_START, 0, 15, "B", 10);
	EXPECT(PPP_MP_WHOLE, PPP_MP_LOST, 16, "BE", 10);
	EXPECT(PPP_MP_START, 0, 17, "B", 10);
	EXPECT(PPP_MP_START, PPP_MP_GAP | PPP_MP_LOST, 19, "B", 20);
	assert_int_equal(rx.len, 20);
	EXPECT(PPP_MP_LAST, 0, 20, "E", 1);
	// The same again, and a peer that begins anew.
	EXPECT(PPP_MP_SKIP, PPP_MP_GAP, 20, "E", 1);
	EXPECT(PPP_MP_START, 0, 21, "B", 1);
	EXPECT(PPP_MP_SKIP, PPP_MP_GAP | PPP_MP_LOST, 21, "E", 1);
	EXPECT(PPP_MP_WHOLE, PPP_MP_GAP, 0, "BE", 1);
	EXPECT(PPP_MP_START, 0, 1, "B", 1);
	// A null fragment ends what was begun as well.
	EXPECT(PPP_MP_SKIP, PPP_MP_LOST, 2, "BE", 0);
	EXPECT(PPP_MP_START, 0, 3, "B", 1);
	ppp_mp_give_up(&rx);
	EXPECT(PPP_MP_SKIP, 0, 4, "", 1);
	EXPECT(PPP_MP_SKIP, 0, 5, "E", 1);
}

static void too_big(void **state)
{
	ppp_mp_rx_init(&rx, 512, false);
	EXPECT(PPP_MP_SKIP, PPP_MP_TOO_BIG, 0, "BE", 517);
	EXPECT(PPP_MP_WHOLE, 0, 1, "BE", 516);
	EXPECT(PPP_MP_SKIP, PPP_MP_TOO_BIG, 2, "B", 517);
	EXPECT(PPP_MP_SKIP, 0, 3, "", 1);
	EXPECT(PPP_MP_START, 0, 4, "B", 516);
	EXPECT(PPP_MP_MORE, 0, 5, "", 0);
	EXPECT(PPP_MP_SKIP, PPP_MP_LOST | PPP_MP_TOO_BIG, 6, "", 1);
	EXPECT(PPP_MP_SKIP, 0, 7, "E", 1);
	EXPECT(PPP_MP_WHOLE, 0, 8, "BE", 1);
	ppp_mp_rx_init(&rx, 65535, false);
	EXPECT(PPP_MP_START, 0, 0, "B", 4083);
	for (uint32_t i = 1; i < 16; i++)
		EXPECT(PPP_MP_MORE, 0, i, "", 4083);
	EXPECT(PPP_MP_LAST, 0, 16, "E", 65539 - 16 * 4083);
	assert_int_equal(rx.len, 65539);
	EXPECT(PPP_MP_START, 0, 17, "B", 65539);
	EXPECT(PPP_MP_SKIP, PPP_MP_LOST | PPP_MP_TOO_BIG, 18, "", SIZE_MAX);
}

// Any mixture: what is kept is never more than allowed, and LAST only ever ends what START began.
static void any_mixture(void **state)
{
	uint64_t seed = 1;
	uint32_t kept = 0;
	bool open = false;

	ppp_mp_rx_init(&rx, 600, true);
	for (int i = 0; i < 200000; i++) {
		static const char *const bits[] = {"", "B", "E", "BE"};
		size_t len;
		uint32_t seq;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		len = (seed >> 33) % 350;
		seq = (seed >> 45) % 16 ? rx.next : (uint32_t)(seed >> 50) & 0xfff;
		switch (take(seq, bits[(seed >> 60) & 3], len)) {
		case PPP_MP_START:
			assert_true(!open || told & PPP_MP_LOST);
			kept = (uint32_t)len;
			open = true;
			break;
		case PPP_MP_MORE:
		case PPP_MP_LAST:
			assert_true(open && !told);
			kept += (uint32_t)len;
			assert_true(kept <= 604);
			assert_int_equal(kept, rx.len);
			open = rx.collecting;
			break;
		case PPP_MP_WHOLE:
			assert_true(!open || told & PPP_MP_LOST);
			open = false;
			break;
		case PPP_MP_SKIP:
			open = open && !(told & PPP_MP_LOST);
			break;
		}
		assert_int_equal(open, rx.collecting);
	}
}

static void may_carry(void **state)
{
	uint8_t code;

	for (unsigned int c = 0; c < 256; c++) {
		code = (uint8_t)c;
		assert_int_equal(ppp_mp_may_carry(PPP_PROTO_LCP, &code, 1), c >= 7);
		assert_true(ppp_mp_may_carry(PPP_PROTO_IPCP, &code, 1));
	}
	assert_false(ppp_mp_may_carry(PPP_PROTO_LCP, &code, 0));
	assert_false(ppp_mp_may_carry(PPP_PROTO_MP, &code, 1));
	assert_true(ppp_mp_may_carry(PPP_PROTO_IPV4, &code, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_roles_ask),
		cmocka_unit_test(agreed),
		cmocka_unit_test(one_direction),
		cmocka_unit_test(not_configured),
		cmocka_unit_test(peers_mrru),
		cmocka_unit_test(own_mrru_refused),
		cmocka_unit_test(negotiated_anew),
		cmocka_unit_test(header_bytes),
		cmocka_unit_test(in_order),
		cmocka_unit_test(wraps),
		cmocka_unit_test(losses),
		cmocka_unit_test(too_big),
		cmocka_unit_test(any_mixture),
		cmocka_unit_test(may_carry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
