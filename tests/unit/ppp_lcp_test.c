// SPDX-License-Identifier: BSD-3-Clause
// LCP byte by byte: what real peers ask for, and what bad ones send.
#include "ppp_harness.h"

#define LCP PPP_PROTO_LCP
#define CONF_REQ PPP_CODE_CONFIGURE_REQUEST
#define CONF_ACK PPP_CODE_CONFIGURE_ACK
#define CONF_NAK PPP_CODE_CONFIGURE_NAK
#define CONF_REJ PPP_CODE_CONFIGURE_REJECT

static struct peer p;

static void server_up(uint32_t methods)
{
	peer_make(&p, true, 42);
	p.conf.auth_methods = methods;
	peer_up(&p);
}

static void client_up(uint32_t methods)
{
	peer_make(&p, false, 43);
	p.conf.auth_methods = methods;
	peer_up(&p);
}

static void first_request(void **state)
{
	server_up(PPP_AUTH_ALL);
	// MRU 1460, CHAP with 129, a magic number.
	peer_expect(&p, "ff03c021 01 01 0013 | 01 04 05b4 | 03 05 c223 81 | 05 06 ........");
	peer_expect_none(&p);
	assert_int_equal(p.link.phase, PPP_PHASE_ESTABLISH);
	assert_int_equal(p.timer_ms[PPP_TIMER_LCP], 3000);
	client_up(PPP_AUTH_ALL);
	peer_expect(&p, "ff03c021 01 01 000e | 01 04 05b4 | 05 06 ........");
	server_up(PPP_AUTH_PAP);
	peer_expect(&p, "ff03c021 01 01 0012 | 01 04 05b4 | 03 04 c023 | 05 06 ........");
}

// Windows: MRU, magic, PFC, ACFC, callback (CBCP), MRRU, endpoint discriminator.
static void windows_request(void **state)
{
	server_up(PPP_AUTH_MSCHAP2);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, CONF_REQ, 0,
		"0104 0ffb | 0506 1a2b3c4d | 0702 | 0802 | 0d03 06 | 1104 064e |"
		"1317 01 00112233445566778899aabbccddeeff00112233");
	peer_expect(&p, "ff03c021 04 00 0022 | 0d03 06 | 1104 064e |"
			"1317 01 00112233445566778899aabbccddeeff00112233");
	peer_feed_packet(&p, LCP, CONF_REQ, 1, "0104 0ffb | 0506 1a2b3c4d | 0702 | 0802");
	peer_expect(&p, "ff03c021 02 01 0012 | 0104 0ffb | 0506 1a2b3c4d | 0702 | 0802");
	assert_int_equal(p.link.peer_mru, 4091);
	assert_int_equal(p.link.peer_magic, 0x1a2b3c4d);
	assert_true(p.link.peer_pfc && p.link.peer_acfc);
	peer_feed_packet(&p, LCP, CONF_REQ, 2, ""); // each request stands for itself
	assert_false(p.link.peer_pfc || p.link.peer_acfc || p.link.peer_magic);
	assert_int_equal(p.link.peer_mru, 1500);
	peer_feed_packet(&p, LCP, CONF_REQ, 3, "0104 0ffb");
	assert_int_equal(p.link.peer_mru, 4091);
	assert_int_equal(ppp_mtu(&p.link), 1460);
}

// RRAS, to a client: what is left after the Reject is agreed to.
static void rras_request(void **state)
{
	client_up(PPP_AUTH_ALL);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, CONF_REQ, 0,
		"0104 0ffb | 0305 c22381 | 0506 1a2b3c4d | 0702 | 0802 | 0d03 06 | 1104 064e |"
		"1305 01 0011");
	peer_expect(&p, "ff03c021 04 00 0010 | 0d03 06 | 1104 064e | 1305 01 0011");
	peer_feed_packet(
		&p, LCP, CONF_REQ, 1, "0104 0ffb | 0305 c22381 | 0506 1a2b3c4d | 0702 | 0802");
	peer_expect(&p, "ff03c021 02 01 0017 *");
	assert_int_equal(p.link.auth, PPP_AUTH_MSCHAP2);
}

// More to reject than any peer must be able to receive: as much as fits, and only whole options.
static void endless_request(void **state)
{
	uint8_t frame[4 + 4 + 250 * 12] = {0xff, 0x03, 0xc0, 0x21, CONF_REQ, 1};
	struct peer_frame *f;

	server_up(PPP_AUTH_ALL);
	peer_flush(&p);
	wr_put_u16(frame + 6, sizeof(frame) - 4);
	for (size_t at = 8; at < sizeof(frame); at += 250) {
		frame[at] = 200;
		frame[at + 1] = 250;
	}
	peer_feed_bytes(&p, frame, sizeof(frame));
	f = peer_take(&p);
	assert_int_equal(f->bytes[4], CONF_REJ);
	assert_int_equal(f->len, 8 + 5 * 250);
	// To the last byte.
	for (int room = 0; room <= 1; room++) {
		frame[8 + 5 * 250 + 1] = (uint8_t)(246 + room);
		wr_put_u16(frame + 6, (uint16_t)(4 + 5 * 250 + 246 + room));
		peer_feed_bytes(&p, frame, 8 + 5 * 250 + 246 + (size_t)room);
		assert_int_equal(peer_take(&p)->len, room ? 8 + 5 * 250 : 4 + 1500);
	}
	wr_put_u16(frame + 6, sizeof(frame) - 4);
	// The same of options that are fine is no Ack to anything: dropped.
	for (size_t at = 8; at < sizeof(frame); at += 2) {
		frame[at] = 7;
		frame[at + 1] = 2;
	}
	peer_feed_bytes(&p, frame, sizeof(frame));
	peer_expect_none(&p);
	assert_int_equal(p.link.lcp.state, PPP_FSM_REQ_SENT);
}

static void configuration_out_of_range(void **state)
{
	peer_make(&p, true, 1);
	p.conf = (struct ppp_conf){.server = true, .mtu = 5, .mru = 5, .auth_methods = 0xfff0};
	peer_up(&p);
	peer_expect(&p, "ff03c021 01 01 000e 0104 0080 0506 ........");
	assert_int_equal(p.timer_ms[PPP_TIMER_LCP], 3000);
	assert_int_equal(ppp_mtu(&p.link), 128);
	for (int i = 0; i < 10; i++)
		peer_expire(&p, PPP_TIMER_LCP);
	assert_int_equal(p.why, PPP_END_LCP_FAILED);
	peer_make(&p, true, 1);
	p.conf.mru = p.conf.mtu = 0;
	p.conf.auth_methods = 0;
	peer_up(&p);
	peer_expect(&p, "ff03c021 01 01 000a 0506 ........"); // no MRU is asked for
	assert_int_equal(ppp_mtu(&p.link), 1460);
}

static void pppd_request(void **state)
{
	server_up(PPP_AUTH_MSCHAP2);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, CONF_REQ, 1, "0206 00000000 | 0506 11111111 | 0702 | 0802");
	peer_expect(&p, "ff03c021 02 01 0014 | 0206 00000000 | 0506 11111111 | 0702 | 0802");
	assert_int_equal(p.link.peer_mru, 1500);
}

// What is unknown comes back in one Reject before anything is Nak'ed.
static void reject_before_nak(void **state)
{
	server_up(PPP_AUTH_MSCHAP2);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, CONF_REQ, 1,
		"0104 0040 | 0d03 06 | 0506 00000000 | 0405 c025 ff | 0305 c22381");
	peer_expect(&p, "ff03c021 04 01 0011 | 0d03 06 | 0405 c025 ff | 0305 c22381");
	peer_feed_packet(&p, LCP, CONF_REQ, 2, "0104 0040 | 0506 00000000 | 0702");
	peer_expect(&p, "ff03c021 03 02 000e | 0104 0080 | 0506 ........");
	peer_feed_packet(&p, LCP, CONF_REQ, 3, "0104 0080 | 0506 00000001 | 0702");
	peer_expect(&p, "ff03c021 02 03 0010 | 0104 0080 | 0506 00000001 | 0702");
	assert_int_equal(ppp_mtu(&p.link), 128);
}

static void wrong_option_lengths(void **state)
{
	static const char *const options[] = {"0103 05", "0105 05dc00", "0507 0000000100", "0502",
		"0703 00", "0803 00", "0205 000000", "0102", "0302"};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		char want[64];

		server_up(PPP_AUTH_MSCHAP2);
		peer_flush(&p);
		peer_feed_packet(&p, LCP, CONF_REQ, 9, options[i]);
		snprintf(want, sizeof(want), "ff03c021 04 09 .... %s", options[i]);
		peer_expect(&p, want);
	}
}

static void malformed_options(void **state)
{
	static const char *const options[] = {"01", "0100", "0101", "010405", "0104 05dc 05",
		"0104 05dc 0500", "0104 05dc 0501", "ff ff", "0104 05dc 05060102"};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		for (uint8_t code = CONF_REQ; code <= CONF_REJ; code++) {
			server_up(PPP_AUTH_MSCHAP2);
			peer_flush(&p);
			peer_feed_packet(&p, LCP, code, 1, options[i]);
			peer_expect_none(&p);
			assert_int_equal(p.link.lcp.state, PPP_FSM_REQ_SENT);
			assert_int_equal(p.link.want_mru, 1460);
		}
	}
}

static void mru_range(void **state)
{
	static const struct {
		const char *mru;
		uint16_t mtu;
	} t[] = {{"0080", 128}, {"05b3", 1459}, {"05b4", 1460}, {"05dc", 1460}, {"0ffb", 1460},
		{"ffff", 1460}};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char option[16];

		server_up(0);
		peer_flush(&p);
		snprintf(option, sizeof(option), "0104 %s", t[i].mru);
		peer_feed_packet(&p, LCP, CONF_REQ, 1, option);
		peer_expect(&p, "ff03c021 02 01 0008 0104 ....");
		assert_int_equal(ppp_mtu(&p.link), t[i].mtu);
	}
	// Nothing beyond what an SSTP packet can hold.
	peer_make(&p, true, 1);
	p.conf.mtu = p.conf.mru = 9000;
	peer_open_lcp(&p);
	assert_int_equal(p.link.conf.mru, 4091);
	assert_int_equal(p.link.conf.mtu, 4087);
	assert_int_equal(ppp_mtu(&p.link), 1500);
}

static void mru_refused(void **state)
{
	for (int reject = 0; reject <= 1; reject++) {
		server_up(PPP_AUTH_MSCHAP2);
		peer_flush(&p);
		if (reject)
			peer_feed_packet(&p, LCP, CONF_REJ, 1, "0104 05b4");
		else
			peer_feed_packet(&p, LCP, CONF_NAK, 1, "0104 05dc");
		peer_expect(&p, "ff03c021 01 02 000f | 0305 c223 81 | 0506 ........");
	}
}

// Open-SSTP-Client: knows MRU and authentication; Naks every MRU below 1500.
static void open_sstp_client(void **state)
{
	char magic[32];

	server_up(PPP_AUTH_MSCHAP2 | PPP_AUTH_PAP);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, CONF_REQ, 0, "0104 05dc");
	peer_expect(&p, "ff03c021 02 00 0008 0104 05dc");
	snprintf(magic, sizeof(magic), "0506 %08x", p.link.magic);
	peer_feed_packet(&p, LCP, CONF_REJ, 1, magic);
	peer_expect(&p, "ff03c021 01 02 000d | 0104 05b4 | 0305 c22381");
	peer_feed_packet(&p, LCP, CONF_NAK, 2, "0104 05dc | 0506 11111111");
	peer_expect(&p, "ff03c021 01 03 0009 | 0305 c22381");
	peer_feed_packet(&p, LCP, CONF_ACK, 3, "0305 c22381");
	assert_int_equal(p.link.lcp.state, PPP_FSM_OPENED);
	peer_expect(&p, "ff03c223 01 *");
	// Echo with the number it knows nothing of.
	peer_feed_packet(&p, LCP, PPP_CODE_ECHO_REQUEST, 7, "00000000 4142");
	peer_expect(&p, "ff03c021 0a 07 000a 00000000 4142");
}

// The number of Configure-Requests of this code sequence: the methods offered, in order.
static void methods_in_order(void **state)
{
	server_up(PPP_AUTH_ALL);
	peer_expect(&p, "ff03c021 01 01 0013 0104 05b4 | 0305 c223 81 *");
	peer_feed_packet(&p, LCP, CONF_NAK, 1, "0304 c227"); // EAP: not ours, on to the next
	peer_expect(&p, "ff03c021 01 02 0013 0104 05b4 | 0305 c223 80 *");
	peer_feed_packet(&p, LCP, CONF_NAK, 2, "0304 c023"); // PAP: as suggested
	peer_expect(&p, "ff03c021 01 03 0012 0104 05b4 | 0304 c023 *");
	peer_feed_packet(&p, LCP, CONF_REJ, 3, "0304 c023");
	peer_expect(&p, "ff03c021 01 04 0013 0104 05b4 | 0305 c223 05 *");
	peer_feed_packet(&p, LCP, CONF_NAK, 4, "0305 c22381"); // refused before
	peer_expect(&p, "ff03c021 05 *");
	peer_expire(&p, PPP_TIMER_LCP);
	peer_expire(&p, PPP_TIMER_LCP);
	assert_int_equal(p.why, PPP_END_AUTH_REFUSED);
}

// A suggestion that the configuration does not allow is never taken up.
static void suggestion_not_allowed(void **state)
{
	server_up(PPP_AUTH_MSCHAP2 | PPP_AUTH_MSCHAP1);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, CONF_NAK, 1, "0304 c023");
	peer_expect(&p, "ff03c021 01 02 0013 0104 05b4 | 0305 c223 80 *");
	peer_feed_packet(&p, LCP, CONF_NAK, 2, "0304 c023");
	peer_expect(&p, "ff03c021 05 03 *");
	peer_feed_packet(&p, LCP, PPP_CODE_TERMINATE_ACK, 3, "");
	assert_int_equal(p.why, PPP_END_AUTH_REFUSED);
	assert_false(p.link.offered_auth);
}

static void client_methods(void **state)
{
	client_up(PPP_AUTH_MSCHAP2 | PPP_AUTH_PAP);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, CONF_REQ, 1, "0304 c227"); // EAP
	peer_expect(&p, "ff03c021 03 01 0009 0305 c22381");
	peer_feed_packet(&p, LCP, CONF_REQ, 2, "0305 c22305"); // MD5
	peer_expect(&p, "ff03c021 03 02 0009 0305 c22381");
	peer_feed_packet(&p, LCP, CONF_REQ, 3, "0305 c22380");
	peer_expect(&p, "ff03c021 03 03 0009 0305 c22381");
	peer_feed_packet(&p, LCP, CONF_REQ, 4, "0304 c223"); // CHAP without algorithm
	peer_expect(&p, "ff03c021 03 04 0009 0305 c22381");
	peer_feed_packet(&p, LCP, CONF_REQ, 5, "0306 c22381 00"); // and with more than that
	peer_expect(&p, "ff03c021 03 05 0009 0305 c22381");
	client_up(PPP_AUTH_MSCHAP2 | PPP_AUTH_PAP);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, CONF_REQ, 1, "0305 c023 81");
	peer_expect(&p, "ff03c021 03 01 0009 0305 c22381");
	peer_feed_packet(&p, LCP, CONF_REQ, 2, "0305 c02581");
	peer_expect(&p, "ff03c021 03 02 0009 0305 c22381");
	peer_feed_packet(&p, LCP, CONF_REQ, 5, "0304 c023");
	peer_expect(&p, "ff03c021 02 05 0008 0304 c023");
	client_up(PPP_AUTH_PAP);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, CONF_REQ, 1, "0305 c22381");
	peer_expect(&p, "ff03c021 03 01 0008 0304 c023");
	client_up(0);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, CONF_REQ, 1, "0305 c22381");
	peer_expect(&p, "ff03c021 04 01 0009 0305 c22381");
}

// A method that was not agreed to is why the link ends only while it is asked for.
static void client_refusal_is_over(void **state)
{
	client_up(PPP_AUTH_MSCHAP2);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, CONF_REQ, 1, "0304 c227"); // EAP
	assert_true(p.link.auth_refused);
	peer_feed_packet(&p, LCP, CONF_REQ, 2, ""); // given up
	assert_int_equal(p.link.lcp.state, PPP_FSM_ACK_SENT);
	assert_false(p.link.auth_refused);
	for (unsigned int i = 0; i < 20 && p.link.end == PPP_END_NONE; i++)
		peer_expire(&p, PPP_TIMER_LCP);
	assert_int_equal(p.link.end, PPP_END_LCP_FAILED);
}

static void client_wants_authentication(void **state)
{
	client_up(PPP_AUTH_ALL);
	peer_ack(&p, LCP);
	peer_feed_packet(&p, LCP, CONF_REQ, 1, "");
	peer_expect(&p, "ff03c021 02 01 0004");
	peer_expect(&p, "ff03c021 05 *");
	peer_feed_packet(&p, LCP, PPP_CODE_TERMINATE_ACK, 2, "");
	assert_int_equal(p.why, PPP_END_AUTH_REFUSED);
	assert_int_equal(p.nb_authenticated, 0);
	client_up(0);
	peer_ack(&p, LCP);
	peer_feed_packet(&p, LCP, CONF_REQ, 1, "");
	assert_int_equal(p.nb_authenticated, 1);
	assert_int_equal(p.link.phase, PPP_PHASE_NETWORK);
}

static void max_failure(void **state)
{
	server_up(PPP_AUTH_MSCHAP2);
	peer_flush(&p);
	for (int i = 0; i < 5; i++) {
		peer_feed_packet(&p, LCP, CONF_REQ, (uint8_t)i, "0104 0040");
		peer_expect(&p, "ff03c021 03 .. 0008 0104 0080");
	}
	for (int i = 5; i < 19; i++) {
		peer_feed_packet(&p, LCP, CONF_REQ, (uint8_t)i, "0104 0040");
		peer_expect(&p, "ff03c021 04 .. 0008 0104 0040");
	}
	// Deaf: the twentieth refusal is the last.
	peer_feed_packet(&p, LCP, CONF_REQ, 19, "0104 0040");
	peer_expect(&p, "ff03c021 04 13 *");
	peer_expect(&p, "ff03c021 05 *");
	peer_feed_packet(&p, LCP, PPP_CODE_TERMINATE_ACK, 2, "");
	assert_int_equal(p.why, PPP_END_LCP_FAILED);
}

// A peer that Naks the same thing for ever.
static void endless_naks(void **state)
{
	server_up(0);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(p.link.lcp.state, PPP_FSM_REQ_SENT);
		peer_feed_packet(&p, LCP, CONF_NAK, p.link.lcp.id, "0506 12345678");
	}
	peer_feed_packet(&p, LCP, CONF_NAK, p.link.lcp.id, "0506 12345678");
	assert_int_equal(p.link.lcp.state, PPP_FSM_CLOSING);
	assert_int_equal(p.link.end, PPP_END_LCP_FAILED);
}

static void looped_back(void **state)
{
	struct peer_frame *f;

	server_up(PPP_AUTH_ALL);
	for (int i = 0; i < 1000 && (f = peer_take(&p)); i++)
		peer_feed_bytes(&p, f->bytes, f->len);
	// The Terminate-Requests come back too, and are acknowledged.
	assert_int_equal(p.nb_ended, 1);
	assert_int_equal(p.why, PPP_END_LOOPED_BACK);
}

static void answers_that_do_not_match(void **state)
{
	char ack[64];
	uint32_t magic;

	server_up(0);
	magic = p.link.magic;
	peer_flush(&p);
	snprintf(ack, sizeof(ack), "0104 05b4 0506 %08x", magic);
	peer_feed_packet(&p, LCP, CONF_ACK, 2, ack); // identifier
	peer_feed_packet(&p, LCP, CONF_ACK, 1, "0104 05b4");
	peer_feed_packet(&p, LCP, CONF_ACK, 1, "");
	snprintf(ack, sizeof(ack), "0104 05b5 0506 %08x", magic);
	peer_feed_packet(&p, LCP, CONF_ACK, 1, ack);
	snprintf(ack, sizeof(ack), "0104 05b4 0506 %08x 0702", magic);
	peer_feed_packet(&p, LCP, CONF_ACK, 1, ack);
	peer_feed_packet(&p, LCP, CONF_NAK, 2, "0104 05dc");
	peer_feed_packet(&p, LCP, CONF_REJ, 0, "0104 05b4");
	assert_int_equal(p.link.lcp.state, PPP_FSM_REQ_SENT);
	assert_int_equal(p.link.want_mru, 1460);
	peer_expect_none(&p);
	snprintf(ack, sizeof(ack), "0104 05b4 0506 %08x", magic);
	peer_feed_packet(&p, LCP, CONF_ACK, 1, ack);
	assert_int_equal(p.link.lcp.state, PPP_FSM_ACK_RCVD);
	peer_feed_packet(&p, LCP, CONF_ACK, 1, ack); // a duplicate takes nothing back
	peer_feed_packet(&p, LCP, CONF_NAK, 1, "0104 05dc");
	assert_int_equal(p.link.lcp.state, PPP_FSM_ACK_RCVD);
	peer_expect_none(&p);
}

static void unknown_code(void **state)
{
	char data[2 * 300 + 1];

	server_up(0);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, 0x0e, 5, "aabb");
	peer_expect(&p, "ff03c021 07 01 000a | 0e 05 0006 aabb");
	peer_feed_packet(&p, LCP, 0, 6, "");
	peer_expect(&p, "ff03c021 07 02 0008 | 00 06 0004");
	// Cut at the peer's MRU.
	peer_feed_packet(&p, LCP, CONF_REQ, 1, "0104 0080");
	peer_flush(&p);
	memset(data, '5', sizeof(data) - 1);
	data[sizeof(data) - 1] = '\0';
	peer_feed_packet(&p, LCP, 0x63, 7, data);
	assert_int_equal(peer_take(&p)->len, 4 + 128);
}

static void code_reject(void **state)
{
	peer_make(&p, true, 1);
	p.conf.auth_methods = 0;
	p.conf.echo_interval_ms = 1000;
	peer_open_lcp(&p);
	peer_feed_packet(&p, LCP, PPP_CODE_CODE_REJECT, 1, "");
	assert_true(p.timer_on[PPP_TIMER_ECHO]);
	peer_feed_packet(&p, LCP, PPP_CODE_CODE_REJECT, 1, "09 01 0008 00000000");
	assert_false(p.timer_on[PPP_TIMER_ECHO]);
	assert_int_equal(p.link.lcp.state, PPP_FSM_OPENED);
	peer_feed_packet(&p, LCP, PPP_CODE_CODE_REJECT, 1, "08 01 0004");
	assert_int_equal(p.link.lcp.state, PPP_FSM_OPENED);
	peer_feed_packet(&p, LCP, PPP_CODE_CODE_REJECT, 1, "07 01 0004");
	assert_int_equal(p.link.lcp.state, PPP_FSM_STOPPING);
	assert_int_equal(p.link.ipcp.state, PPP_FSM_STARTING);
	peer_feed_packet(&p, LCP, PPP_CODE_TERMINATE_ACK, 1, "");
	assert_int_equal(p.why, PPP_END_LCP_REJECTED);
}

static void protocol_reject_sent(void **state)
{
	static const char *const protocols[] = {"80fd", "8057", "8053", "c029", "c025", "c227",
		"002d", "002f", "00fd", "003d", "4003"};
	char frame[128], want[128];

	// LCP not open: silence.
	server_up(PPP_AUTH_MSCHAP2);
	peer_flush(&p);
	peer_feed(&p, "ff03 80fd 01 01 000a 12060000 0040");
	peer_feed(&p, "ff03 c029 01 01 0006 0102");
	peer_expect_none(&p);
	// Authentication phase: no network protocol is heard, others are rejected.
	peer_open_lcp(&p);
	peer_flush(&p);
	peer_feed(&p, "ff03 80fd 01 01 000a 12060000 0040");
	peer_feed(&p, "ff03 8021 01 01 000a 03060000 0000");
	peer_expect_none(&p);
	peer_feed(&p, "ff03 c029 01 01 0006 0102");
	peer_expect(&p, "ff03c021 08 01 000c c029 01 01 0006 0102");
	// Network phase: all but data.
	peer_make(&p, true, 2);
	p.conf.auth_methods = 0;
	peer_open_lcp(&p);
	peer_flush(&p);
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		snprintf(frame, sizeof(frame), "ff03 %s 01 05 0006 0102", protocols[i]);
		snprintf(
			want, sizeof(want), "ff03c021 08 .. 000c %s 01 05 0006 0102", protocols[i]);
		peer_feed(&p, frame);
		peer_expect(&p, want);
	}
	peer_feed(&p, "ff03 c023 01 05 0006 0000"); // late PAP, CHAP
	peer_feed(&p, "ff03 c223 02 05 0006 0000");
	peer_feed(&p, "21 4500 0014");
	peer_feed(&p, "ff03 0057 6000 0000");
	peer_expect_none(&p);
	assert_int_equal(p.nb_ended, 0);
}

static void protocol_reject_cut(void **state)
{
	uint8_t frame[600] = {0xff, 0x03, 0x80, 0xfd};
	struct peer_frame *f;

	peer_make(&p, true, 2);
	p.conf.auth_methods = 0;
	peer_open_lcp(&p);
	p.link.peer_mru = 200;
	peer_flush(&p);
	peer_feed_bytes(&p, frame, sizeof(frame));
	f = peer_take(&p);
	assert_int_equal(f->len, 4 + 200);
}

static void protocol_reject_received(void **state)
{
	server_up(PPP_AUTH_ALL);
	peer_feed_packet(&p, LCP, PPP_CODE_PROTOCOL_REJECT, 1, "c223"); // not open: nothing
	assert_int_equal(p.link.phase, PPP_PHASE_ESTABLISH);
	peer_open_lcp(&p);
	peer_feed_packet(&p, LCP, PPP_CODE_PROTOCOL_REJECT, 1, "80");
	peer_feed_packet(&p, LCP, PPP_CODE_PROTOCOL_REJECT, 1, "80fd");
	assert_int_equal(p.link.phase, PPP_PHASE_AUTHENTICATE);
	peer_feed_packet(&p, LCP, PPP_CODE_PROTOCOL_REJECT, 1, "c223 01");
	assert_int_equal(p.link.end, PPP_END_AUTH_REFUSED);
	peer_make(&p, true, 3);
	p.conf.auth_methods = 0;
	peer_open_lcp(&p);
	peer_feed_packet(&p, LCP, PPP_CODE_PROTOCOL_REJECT, 1, "8021");
	assert_int_equal(p.link.end, PPP_END_IPCP_REJECTED);
	peer_make(&p, true, 3);
	p.conf.auth_methods = 0;
	peer_open_lcp(&p);
	peer_feed_packet(&p, LCP, PPP_CODE_PROTOCOL_REJECT, 1, "c021");
	assert_int_equal(p.link.lcp.state, PPP_FSM_STOPPING);
}

static void echo(void **state)
{
	char want[128], data[2 * 200 + 1];

	server_up(0);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, PPP_CODE_ECHO_REQUEST, 1, "00000000"); // not open
	peer_expect_none(&p);
	peer_open_lcp(&p);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, PPP_CODE_ECHO_REQUEST, 0x55, "deadbeef 0102030405");
	snprintf(want, sizeof(want), "ff03c021 0a 55 000d %08x 0102030405", p.link.magic);
	peer_expect(&p, want);
	peer_feed_packet(&p, LCP, PPP_CODE_ECHO_REQUEST, 1, "deadbe"); // too short
	peer_feed_packet(&p, LCP, PPP_CODE_DISCARD_REQUEST, 1, "00000000 ff");
	peer_feed_packet(&p, LCP, PPP_CODE_IDENTIFICATION, 1, "00000000 4d535241");
	peer_feed_packet(&p, LCP, PPP_CODE_TIME_REMAINING, 1, "00000000 00000001");
	peer_feed_packet(&p, LCP, PPP_CODE_ECHO_REPLY, 1, "00000000");
	peer_expect_none(&p);
	// Cut at the peer's MRU.
	p.link.peer_mru = 128;
	memset(data, '7', sizeof(data) - 1);
	data[sizeof(data) - 1] = '\0';
	peer_feed_packet(&p, LCP, PPP_CODE_ECHO_REQUEST, 2, data);
	assert_int_equal(peer_take(&p)->len, 4 + 128);
}

static void own_echo(void **state)
{
	char reply[32];

	peer_make(&p, true, 9);
	p.conf.auth_methods = 0;
	p.conf.echo_interval_ms = 5000;
	p.conf.echo_failures = 2;
	peer_open_lcp(&p);
	peer_flush(&p);
	for (int i = 0; i < 5; i++) {
		peer_expire(&p, PPP_TIMER_ECHO);
		peer_expect(&p, "ff03c021 09 .. 0008 ........");
		peer_feed_packet(&p, LCP, PPP_CODE_ECHO_REPLY, p.link.echo_id, "00000000");
	}
	peer_expire(&p, PPP_TIMER_ECHO);
	snprintf(reply, sizeof(reply), "%08x", p.link.magic); // a loop is no answer
	peer_feed_packet(&p, LCP, PPP_CODE_ECHO_REPLY, p.link.echo_id, reply);
	peer_feed_packet(&p, LCP, PPP_CODE_ECHO_REPLY, (uint8_t)(p.link.echo_id - 1), "00000000");
	peer_feed_packet(&p, LCP, PPP_CODE_ECHO_REPLY, p.link.echo_id, "000000");
	peer_expire(&p, PPP_TIMER_ECHO);
	assert_int_equal(p.link.phase, PPP_PHASE_NETWORK);
	peer_expire(&p, PPP_TIMER_ECHO);
	assert_int_equal(p.link.end, PPP_END_ECHO_TIMEOUT);
	peer_expire(&p, PPP_TIMER_LCP);
	peer_expire(&p, PPP_TIMER_LCP);
	assert_int_equal(p.why, PPP_END_ECHO_TIMEOUT);
}

static void peer_terminates(void **state)
{
	peer_make(&p, true, 9);
	p.conf.auth_methods = 0;
	p.conf.echo_interval_ms = 1000;
	peer_open_lcp(&p);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, PPP_CODE_TERMINATE_REQUEST, 0x33, "5573657200 21");
	assert_false(p.timer_on[PPP_TIMER_ECHO]);
	peer_expect(&p, "ff03c021 06 33 0004");
	assert_int_equal(p.link.phase, PPP_PHASE_TERMINATE);
	assert_int_equal(p.timer_ms[PPP_TIMER_LCP], PPP_LINGER_MS);
	peer_feed_packet(&p, LCP, PPP_CODE_TERMINATE_REQUEST, 0x33, ""); // again
	peer_expect(&p, "ff03c021 06 33 0004");
	peer_feed_packet(&p, PPP_PROTO_IPCP, CONF_REQ, 1, "");
	peer_expect_none(&p);
	peer_expire(&p, PPP_TIMER_LCP);
	assert_int_equal(p.why, PPP_END_PEER_TERMINATED);
	assert_string_equal(p.message, "User!");
	peer_feed_packet(&p, LCP, PPP_CODE_TERMINATE_REQUEST, 0x34, "");
	peer_expect_none(&p);
}

// During negotiation the automaton stays, as RFC 1661 has it; the reason is remembered.
static void peer_terminates_early(void **state)
{
	server_up(PPP_AUTH_ALL);
	peer_flush(&p);
	peer_feed_packet(&p, LCP, PPP_CODE_TERMINATE_REQUEST, 2, "6e6f");
	peer_expect(&p, "ff03c021 06 02 0004");
	assert_int_equal(p.link.lcp.state, PPP_FSM_REQ_SENT);
	while (!p.nb_ended)
		peer_expire(&p, PPP_TIMER_LCP);
	assert_int_equal(p.why, PPP_END_PEER_TERMINATED);
	assert_string_equal(p.message, "no");
}

static void terminate_before_up(void **state)
{
	peer_make(&p, true, 9);
	ppp_init(&p.link, &p.conf, &peer_ops, &p);
	ppp_terminate(&p.link, PPP_END_LOCAL_TERMINATED, NULL);
	assert_int_equal(p.why, PPP_END_LOCAL_TERMINATED);
	peer_expect_none(&p);
	ppp_up(&p.link);
	peer_expect_none(&p);
	ppp_free(&p.link);
	peer_feed(&p, "c021 01 01 0004");
	peer_expect_none(&p);
}

static void terminate_without_reason(void **state)
{
	peer_make(&p, true, 9);
	ppp_init(&p.link, &p.conf, &peer_ops, &p);
	ppp_terminate(&p.link, PPP_END_NONE, NULL);
	assert_int_equal(p.why, PPP_END_LOCAL_TERMINATED);
	peer_make(&p, true, 9);
	peer_up(&p);
	ppp_terminate(&p.link, PPP_END_ECHO_TIMEOUT, NULL);
	assert_int_equal(p.link.end, PPP_END_ECHO_TIMEOUT);
}

// An expiry that was on its way when the timer was stopped or started anew.
static void stale_timers(void **state)
{
	struct ppp_link before;

	peer_make(&p, true, 9);
	p.conf.auth_methods = PPP_AUTH_PAP;
	p.hold_verdict = true;
	peer_open_lcp(&p);
	peer_flush(&p);
	peer_feed_packet(&p, PPP_PROTO_PAP, 1, 1, "01 41 01 42");
	before = p.link;
	for (int t = 0; t <= PPP_N_TIMERS; t++)
		ppp_timeout(&p.link, (enum ppp_timer)t);
	peer_expect_none(&p);
	assert_memory_equal(&before, &p.link, sizeof(before));
	peer_make(&p, true, 9);
	p.conf.auth_methods = 0;
	peer_open_lcp(&p);
	peer_ack(&p, PPP_PROTO_IPCP);
	peer_feed_packet(&p, PPP_PROTO_IPCP, CONF_REQ, 1, "");
	peer_flush(&p);
	before = p.link;
	for (int t = 0; t <= PPP_N_TIMERS; t++)
		ppp_timeout(&p.link, (enum ppp_timer)t);
	peer_expect_none(&p);
	assert_memory_equal(&before, &p.link, sizeof(before));
	assert_true(p.link.network_is_up);
	peer_feed_packet(&p, LCP, PPP_CODE_TERMINATE_REQUEST, 1, "");
	assert_false(p.link.network_is_up);
}

static void renegotiation(void **state)
{
	peer_make(&p, true, 9);
	p.conf.auth_methods = 0;
	peer_open_lcp(&p);
	peer_flush(&p);
	peer_feed_packet(&p, PPP_PROTO_IPCP, CONF_REQ, 1, "0306 0a000002");
	peer_expect(&p, "ff038021 02 *");
	peer_feed_packet(&p, PPP_PROTO_IPCP, CONF_ACK, 1, "0306 0a000001");
	assert_int_equal(p.nb_up, 1);
	peer_feed_packet(&p, LCP, CONF_REQ, 2, "0104 0300");
	assert_int_equal(p.nb_down, 1);
	assert_int_equal(p.link.phase, PPP_PHASE_ESTABLISH);
	assert_int_equal(p.link.ipcp.state, PPP_FSM_STARTING);
	peer_ack(&p, LCP);
	assert_int_equal(p.link.phase, PPP_PHASE_NETWORK);
	peer_ack(&p, PPP_PROTO_IPCP);
	peer_feed_packet(&p, PPP_PROTO_IPCP, CONF_REQ, 3, "0306 0a000002");
	assert_int_equal(p.nb_up, 2);
	assert_int_equal(p.nb_authenticated, 1);
	assert_int_equal(ppp_mtu(&p.link), 0x300);
}

static void header_forms(void **state)
{
	uint16_t proto;

	server_up(0);
	peer_flush(&p);
	peer_feed(&p, "c021 01 01 0004"); // without FF 03
	peer_expect(&p, "ff03c021 02 01 0004");
	peer_feed(&p, "ff03 c021 01 02 0004 0000"); // padding
	peer_expect(&p, "ff03c021 02 02 0004");
	peer_feed(&p, "");
	peer_feed(&p, "ff");
	peer_feed(&p, "ff03");
	peer_feed(&p, "ff03c0");
	peer_feed(&p, "ff03c020 01 01 0004"); // even: no protocol number
	peer_feed(&p, "ff03c021");
	peer_feed(&p, "ff03c021 01 01 0003");
	peer_feed(&p, "ff03c021 01 01 0005");
	peer_feed(&p, "ff03c021 01 01 ffff");
	peer_expect_none(&p);
	assert_int_equal(ppp_parse_header((const uint8_t *)"\x21", 1, &proto), 1);
	assert_int_equal(proto, PPP_PROTO_IPV4);
	assert_int_equal(ppp_parse_header((const uint8_t *)"\xff\x03\x21", 3, &proto), 3);
	assert_int_equal(proto, PPP_PROTO_IPV4);
	assert_int_equal(ppp_parse_header((const uint8_t *)"\x00\x57", 2, &proto), 2);
	assert_int_equal(proto, PPP_PROTO_IPV6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_request),
		cmocka_unit_test(windows_request),
		cmocka_unit_test(rras_request),
		cmocka_unit_test(endless_request),
		cmocka_unit_test(configuration_out_of_range),
		cmocka_unit_test(pppd_request),
		cmocka_unit_test(reject_before_nak),
		cmocka_unit_test(wrong_option_lengths),
		cmocka_unit_test(malformed_options),
		cmocka_unit_test(mru_range),
		cmocka_unit_test(mru_refused),
		cmocka_unit_test(open_sstp_client),
		cmocka_unit_test(methods_in_order),
		cmocka_unit_test(suggestion_not_allowed),
		cmocka_unit_test(client_methods),
		cmocka_unit_test(client_refusal_is_over),
		cmocka_unit_test(client_wants_authentication),
		cmocka_unit_test(max_failure),
		cmocka_unit_test(endless_naks),
		cmocka_unit_test(looped_back),
		cmocka_unit_test(answers_that_do_not_match),
		cmocka_unit_test(unknown_code),
		cmocka_unit_test(code_reject),
		cmocka_unit_test(protocol_reject_sent),
		cmocka_unit_test(protocol_reject_cut),
		cmocka_unit_test(protocol_reject_received),
		cmocka_unit_test(echo),
		cmocka_unit_test(own_echo),
		cmocka_unit_test(peer_terminates),
		cmocka_unit_test(peer_terminates_early),
		cmocka_unit_test(terminate_before_up),
		cmocka_unit_test(terminate_without_reason),
		cmocka_unit_test(stale_timers),
		cmocka_unit_test(renegotiation),
		cmocka_unit_test(header_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
