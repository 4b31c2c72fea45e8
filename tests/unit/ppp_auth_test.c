// SPDX-License-Identifier: BSD-3-Clause
// PAP and CHAP on the wire, server and client.
#include "ppp_harness.h"

#define PAP PPP_PROTO_PAP
#define CHAP PPP_PROTO_CHAP

static struct peer p;

// "User" and "clientPass", as PAP sends them.
#define PAP_GOOD "04 55736572 0a 636c69656e7450617373"
#define PAP_BAD "04 55736572 0a 636c69656e7450617372"

static void open_link(bool server, uint32_t method)
{
	peer_make(&p, server, 77);
	p.conf.auth_methods = method;
	peer_open_lcp(&p);
}

static void reopen(void)
{
	peer_open_lcp(&p);
}

// What a client with this password answers to the server's present challenge.
static void respond(uint8_t id, const char *user, const char *password)
{
	struct ppp_auth_request req = p.link.as.req;
	uint8_t peer_challenge[16] = {1, 2, 3}, value[49] = {0}, hash[16];
	char hex[1024];
	int n = 0, len = 49;

	mschap_nt_password_hash(password, hash);
	if (p.link.auth == PPP_AUTH_CHAP_MD5) {
		len = 16;
		ppp_chap_md5(id, password, req.challenge, req.challenge_len, value);
	} else if (p.link.auth == PPP_AUTH_MSCHAP1) {
		mschap_challenge_response(req.challenge, hash, value + 24);
		value[48] = 1;
	} else {
		memcpy(value, peer_challenge, 16);
		mschap2_nt_response(
			req.challenge, peer_challenge, user, strlen(user), hash, value + 24);
	}
	n = sprintf(hex, "%02x", len);
	for (int i = 0; i < len; i++)
		n += sprintf(hex + n, "%02x", value[i]);
	for (size_t i = 0; user[i]; i++)
		n += sprintf(hex + n, "%02x", (uint8_t)user[i]);
	peer_feed_packet(&p, CHAP, 2, id, hex);
}

static void pap_server_good(void **state)
{
	open_link(true, PPP_AUTH_PAP);
	peer_flush(&p);
	peer_expect_none(&p);
	peer_feed_packet(&p, PAP, 1, 9, PAP_GOOD);
	peer_expect(&p, "ff03c023 02 09 000d 08 4c6f67696e206f6b");
	peer_expect(&p, "ff038021 01 01 000a 0306 0a000001"); // then IPCP
	assert_int_equal(p.nb_authenticated, 1);
	assert_false(p.has_keys);
	assert_int_equal(p.link.phase, PPP_PHASE_NETWORK);
	assert_false(p.timer_on[PPP_TIMER_AUTH]);
	// A duplicate gets the same answer, in the network phase too.
	peer_feed_packet(&p, PAP, 1, 10, PAP_GOOD);
	peer_expect(&p, "ff03c023 02 0a *");
	assert_int_equal(p.nb_asked, 1);
	assert_int_equal(p.nb_authenticated, 1);
}

static void pap_server_bad(void **state)
{
	open_link(true, PPP_AUTH_PAP);
	peer_flush(&p);
	peer_feed_packet(&p, PAP, 1, 9, PAP_BAD);
	peer_expect(&p, "ff03c023 03 09 0012 0d 4163636573732064656e696564");
	peer_expect(&p, "ff03c021 05 *");
	peer_feed_packet(&p, PPP_PROTO_LCP, PPP_CODE_TERMINATE_ACK, 2, "");
	assert_int_equal(p.why, PPP_END_AUTH_FAILED);
	assert_int_equal(p.nb_authenticated, 0);
}

static void pap_server_malformed(void **state)
{
	static const char *const bad[] = {"", "04", "04 5573", "04 55736572", "04 55736572 0a",
		"04 55736572 0a 636c69656e74506173", "ff 55736572"};

	open_link(true, PPP_AUTH_PAP);
	peer_flush(&p);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		peer_feed_packet(&p, PAP, 1, 9, bad[i]);
	peer_feed_packet(&p, PAP, 2, 9, "00"); // an Ack, to the server
	peer_feed_packet(&p, PAP, 2, 9, PAP_GOOD);
	peer_feed(&p, "ff03c023 01 09 00");
	peer_feed(&p, "ff03c023 01 09 0003");
	peer_feed(&p, "ff03c023 01 09 0015 " PAP_GOOD);
	peer_feed_packet(&p, CHAP, 2, 9, "00");
	peer_expect_none(&p);
	assert_int_equal(p.nb_asked, 0);
	peer_expire(&p, PPP_TIMER_AUTH);
	assert_int_equal(p.link.end, PPP_END_AUTH_TIMEOUT);
}

static void pap_server_pending(void **state)
{
	struct ppp_auth_verdict v = {.ok = true};

	peer_make(&p, true, 1);
	p.conf.auth_methods = PPP_AUTH_PAP;
	p.hold_verdict = true;
	reopen();
	peer_flush(&p);
	peer_feed_packet(&p, PAP, 1, 1, PAP_GOOD);
	assert_false(p.timer_on[PPP_TIMER_AUTH]);
	assert_string_equal(p.asked->name, "User");
	assert_int_equal(p.asked->password_len, 10);
	peer_feed_packet(&p, PAP, 1, 2, PAP_GOOD);
	peer_feed_packet(&p, PAP, 1, 3, PAP_BAD);
	peer_feed_packet(&p, PPP_PROTO_LCP, PPP_CODE_CONFIGURE_REQUEST, 4, "");
	peer_expect_none(&p);
	assert_int_equal(p.nb_asked, 1);
	strcpy(v.message, "hi");
	ppp_auth_verdict(&p.link, &v);
	peer_expect(&p, "ff03c023 02 02 0007 02 6869");
	assert_int_equal(p.link.as.req.password[0], 0); // wiped
	ppp_auth_verdict(&p.link, &v);                  // one too many
	peer_expect(&p, "ff038021 01 *");
	peer_expect_none(&p);
}

static void chap_challenges(void **state)
{
	uint8_t first[16];

	open_link(true, PPP_AUTH_CHAP_MD5);
	memcpy(first, p.link.as.req.challenge, 16);
	peer_expect(&p, "ff03c021 02 *");
	for (int i = 0; i < 9; i++)
		peer_expire(&p, PPP_TIMER_AUTH);
	for (int i = 0; i < 10; i++) {
		struct peer_frame *f = peer_take(&p);

		assert_int_equal(f->len, 8 + 1 + 16 + 7);
		assert_memory_equal(f->bytes + 9, first, 16);
		assert_int_equal(f->bytes[5], 1);
	}
	assert_int_equal(p.nb_ended, 0);
	peer_expire(&p, PPP_TIMER_AUTH); // 30 s
	peer_expect(&p, "ff03c021 05 *");
	assert_int_equal(p.link.end, PPP_END_AUTH_TIMEOUT);
}

static void chap_good(uint32_t method, const char *success)
{
	char want[256];

	open_link(true, method);
	assert_int_equal(p.link.as.req.challenge_len, method == PPP_AUTH_MSCHAP1 ? 8 : 16);
	peer_expect(&p, "ff03c021 02 *");
	peer_expect(&p, "ff03c223 01 01 *");
	respond(2, "User", "clientPass"); // wrong identifier
	peer_expect_none(&p);
	respond(1, "User", "clientPass");
	snprintf(want, sizeof(want), "ff03c223 03 01 .... %s", success);
	peer_expect(&p, want);
	peer_expect(&p, "ff038021 01 *");
	assert_int_equal(p.nb_authenticated, 1);
	assert_int_equal(p.has_keys, method == PPP_AUTH_MSCHAP2);
	respond(1, "User", "clientPass"); // the duplicate
	peer_expect(&p, want);
	respond(1, "User", "other"); // the same identifier, but no duplicate
	peer_expect_none(&p);
	assert_int_equal(p.nb_asked, 1);
	assert_int_equal(p.nb_authenticated, 1);
}

static void chap_server_good(void **state)
{
	static const uint8_t zero[32];

	chap_good(PPP_AUTH_CHAP_MD5, "416363657373206772616e746564");
	assert_memory_equal(p.hlak, zero, 32);
	chap_good(PPP_AUTH_MSCHAP1, "416363657373206772616e746564");
	assert_memory_equal(p.hlak, zero, 32);
	chap_good(PPP_AUTH_MSCHAP2, "533d *");
	assert_memory_not_equal(p.hlak, zero, 32);
}

static void failure_text(uint32_t method, char *text, size_t cap)
{
	struct peer_frame *f;

	open_link(true, method);
	peer_flush(&p);
	respond(1, "User", "wrong");
	f = peer_take(&p);
	assert_int_equal(f->bytes[4], 4);
	assert_int_equal(f->bytes[5], 1);
	snprintf(text, cap, "%.*s", (int)(f->len - 8), (const char *)f->bytes + 8);
	peer_expect(&p, "ff03c021 05 *");
	peer_feed_packet(&p, PPP_PROTO_LCP, PPP_CODE_TERMINATE_ACK, 2, "");
	assert_int_equal(p.why, PPP_END_AUTH_FAILED);
	assert_int_equal(p.nb_authenticated, 0);
}

static void chap_server_bad(void **state)
{
	unsigned int digits = 0;
	char text[256], rest[64];

	failure_text(PPP_AUTH_MSCHAP2, text, sizeof(text));
	assert_int_equal(
		sscanf(text, "E=691 R=0 C=%*32[0-9A-F]%n V=3 M=%63[^\n]", &digits, rest), 1);
	assert_int_equal(digits, strlen("E=691 R=0 C=") + 32);
	assert_string_equal(rest, "Access denied");
	failure_text(PPP_AUTH_MSCHAP1, text, sizeof(text));
	assert_int_equal(
		sscanf(text, "E=691 R=0 C=%*16[0-9A-F]%n V=2 M=%63[^\n]", &digits, rest), 1);
	assert_int_equal(digits, strlen("E=691 R=0 C=") + 16);
	failure_text(PPP_AUTH_CHAP_MD5, text, sizeof(text));
	assert_string_equal(text, "Access denied");
}

static void unknown_user(void **state)
{
	for (uint32_t m = PPP_AUTH_CHAP_MD5; m <= PPP_AUTH_MSCHAP2; m <<= 1) {
		open_link(true, m);
		peer_flush(&p);
		respond(1, "Nobody", "clientPass");
		peer_expect(&p, "ff03c223 04 *");
		assert_int_equal(p.link.end, PPP_END_AUTH_FAILED);
	}
}

static void mschap_retry(void **state)
{
	uint8_t before[16];

	peer_make(&p, true, 5);
	p.conf.auth_methods = PPP_AUTH_MSCHAP2;
	p.conf.max_auth_retries = 2;
	reopen();
	peer_flush(&p);
	memcpy(before, p.link.as.req.challenge, 16);
	respond(1, "User", "wrong");
	peer_expect(&p, "ff03c223 04 01 .... 453d36393120 523d31 *"); // E=691 R=1
	peer_expect_none(&p);
	assert_memory_not_equal(before, p.link.as.req.challenge, 16);
	assert_int_equal(p.timer_ms[PPP_TIMER_AUTH], 30000);
	respond(1, "User", "wrong2"); // some peers keep the identifier
	peer_expect(&p, "ff03c223 04 01 .... 453d36393120 523d31 *");
	respond(3, "User", "clientPass"); // others count on
	peer_expect(&p, "ff03c223 03 03 .... 533d *");
	assert_int_equal(p.nb_asked, 3);
	assert_int_equal(p.nb_authenticated, 1);
}

static void mschap_retries_end(void **state)
{
	peer_make(&p, true, 5);
	p.conf.auth_methods = PPP_AUTH_MSCHAP2;
	p.conf.max_auth_retries = 1;
	reopen();
	peer_flush(&p);
	respond(1, "User", "a");
	peer_expect(&p, "ff03c223 04 01 .... 453d36393120 523d31 *");
	respond(2, "User", "b");
	peer_expect(&p, "ff03c223 04 02 .... 453d36393120 523d30 *");
	peer_expect(&p, "ff03c021 05 *");
	assert_int_equal(p.link.end, PPP_END_AUTH_FAILED);
}

static void mschap_retry_timeout(void **state)
{
	peer_make(&p, true, 5);
	p.conf.auth_methods = PPP_AUTH_MSCHAP2;
	p.conf.max_auth_retries = 1;
	reopen();
	respond(1, "User", "a");
	peer_flush(&p);
	peer_expire(&p, PPP_TIMER_AUTH);
	peer_expect(&p, "ff03c021 05 *");
	assert_int_equal(p.link.end, PPP_END_AUTH_TIMEOUT);
}

static void fail_closed_without_keys(void **state)
{
	peer_make(&p, true, 5);
	p.conf.auth_methods = PPP_AUTH_MSCHAP2;
	p.spoil_keys = true;
	reopen();
	peer_flush(&p);
	respond(1, "User", "clientPass");
	assert_non_null(memmem(p.sent[p.head].bytes, p.sent[p.head].len, "M=No keys", 9));
	peer_expect(&p, "ff03c223 04 01 *");
	assert_int_equal(p.link.end, PPP_END_AUTH_FAILED);
	assert_int_equal(p.nb_authenticated, 0);
	// A success text that proves nothing is none either.
	for (int i = 0; i < 3; i++) {
		static const char *const texts[] = {
			"", "S=", "X=407A5589115FD0D6209F510FE9C04566932CDA56"};
		struct ppp_auth_verdict v = {.ok = true, .has_keys = true};

		peer_make(&p, true, 5);
		p.conf.auth_methods = PPP_AUTH_MSCHAP2;
		p.hold_verdict = true;
		reopen();
		respond(1, "User", "clientPass");
		snprintf(v.mschap2_success, sizeof(v.mschap2_success), "%s", texts[i]);
		ppp_auth_verdict(&p.link, &v);
		assert_int_equal(p.link.end, PPP_END_AUTH_FAILED);
		assert_int_equal(p.nb_authenticated, 0);
	}
}

static void radius_verdict(void **state)
{
	struct ppp_auth_verdict v = {.error = 648, .may_retry = true};
	struct peer_frame *f;
	char text[256];

	peer_make(&p, true, 5);
	p.conf.auth_methods = PPP_AUTH_MSCHAP2;
	p.hold_verdict = true;
	reopen();
	peer_flush(&p);
	respond(1, "DOM\\User", "clientPass");
	assert_string_equal(p.asked->name, "DOM\\User");
	assert_false(p.timer_on[PPP_TIMER_AUTH]);
	memset(v.message, 'x', sizeof(v.message)); // not terminated
	ppp_auth_verdict(&p.link, &v);
	f = peer_take(&p);
	snprintf(text, sizeof(text), "%.*s", (int)(f->len - 8), (const char *)f->bytes + 8);
	assert_int_equal(strncmp(text, "E=648 R=0 C=", 12), 0);
	assert_int_equal(strlen(strstr(text, "M=")), 2 + sizeof(v.message));
}

// A refusal without a code is a wrong password.
static void verdict_without_code(void **state)
{
	struct ppp_auth_verdict v = {.ok = false};

	peer_make(&p, true, 5);
	p.conf.auth_methods = PPP_AUTH_MSCHAP1;
	p.hold_verdict = true;
	reopen();
	peer_flush(&p);
	respond(1, "User", "clientPass");
	ppp_auth_verdict(&p.link, &v);
	peer_expect(&p, "ff03c223 04 01 .... 453d36393120 523d30 *");
}

static void verdict_after_the_end(void **state)
{
	struct ppp_auth_verdict v = {.ok = true};

	peer_make(&p, true, 5);
	p.conf.auth_methods = PPP_AUTH_CHAP_MD5;
	p.hold_verdict = true;
	reopen();
	respond(1, "User", "clientPass");
	peer_flush(&p);
	peer_feed_packet(&p, PPP_PROTO_LCP, PPP_CODE_TERMINATE_REQUEST, 9, "");
	peer_expect(&p, "ff03c021 06 09 *");
	ppp_auth_verdict(&p.link, &v);
	peer_expect_none(&p);
	peer_expire(&p, PPP_TIMER_LCP);
	ppp_auth_verdict(&p.link, &v);
	assert_int_equal(p.nb_authenticated, 0);
	assert_int_equal(p.why, PPP_END_PEER_TERMINATED);
}

static void malformed_responses(void **state)
{
	static const char *const bad[] = {"", "31", "31 00", "00", "00 55736572", "10 00",
		"10 000102030405060708090a0b0c0d0e0f 55736572", "ff"};

	open_link(true, PPP_AUTH_MSCHAP2);
	peer_flush(&p);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		peer_feed_packet(&p, CHAP, 2, 1, bad[i]);
	peer_feed_packet(&p, CHAP, 1, 1, "10 000102030405060708090a0b0c0d0e0f"); // to a server
	peer_feed_packet(&p, CHAP, 3, 1, "");
	peer_feed_packet(&p, CHAP, 4, 1, "");
	peer_feed_packet(&p, CHAP, 77, 1, "");
	peer_feed_packet(&p, PAP, 1, 1, PAP_GOOD); // not what was agreed
	peer_feed(&p, "ff03c223 02 01 00");
	peer_feed(&p, "ff03c223 02 01 0003");
	peer_feed(&p, "ff03c223 02 01 0006 00");
	peer_expect_none(&p);
	assert_int_equal(p.nb_asked, 0);
	respond(1, "User", "clientPass");
	assert_int_equal(p.nb_authenticated, 1);
}

// While the verdict is awaited, a client cannot grant it to itself.
static void result_from_the_client(void **state)
{
	for (uint32_t m = PPP_AUTH_PAP; m <= PPP_AUTH_MSCHAP2; m <<= 1) {
		peer_make(&p, true, 6);
		p.conf.auth_methods = m;
		p.hold_verdict = true;
		reopen();
		peer_flush(&p);
		if (m == PPP_AUTH_PAP)
			peer_feed_packet(&p, PAP, 1, 1, PAP_GOOD);
		else
			respond(1, "User", "clientPass");
		assert_int_equal(p.nb_asked, 1);
		for (int code = 2; code < 6; code++) {
			peer_feed_packet(&p, PAP, (uint8_t)code, 1, "00");
			peer_feed_packet(&p, CHAP, (uint8_t)code, 1, "");
		}
		peer_expect_none(&p);
		assert_int_equal(p.nb_authenticated, 0);
		assert_int_equal(p.link.phase, PPP_PHASE_AUTHENTICATE);
	}
}

static void long_name(void **state)
{
	char name[300];

	open_link(true, PPP_AUTH_CHAP_MD5);
	memset(name, 'u', sizeof(name));
	name[256] = '\0';
	respond(1, name, "clientPass");
	assert_int_equal(p.nb_asked, 0);
	name[255] = '\0';
	respond(1, name, "clientPass");
	assert_int_equal(p.nb_asked, 1);
	assert_int_equal(p.asked->name_len, 255);
}

// A peer that negotiates LCP anew proves itself anew, and is still who it was.
static void reauthentication(void **state)
{
	open_link(true, PPP_AUTH_MSCHAP2);
	respond(1, "User", "clientPass");
	assert_int_equal(p.nb_authenticated, 1);
	peer_flush(&p);
	peer_feed_packet(&p, PPP_PROTO_LCP, PPP_CODE_CONFIGURE_REQUEST, 8, "");
	peer_ack(&p, PPP_PROTO_LCP);
	assert_int_equal(p.link.phase, PPP_PHASE_AUTHENTICATE);
	peer_expect(&p, "ff03c223 01 02 *");
	respond(2, "User", "clientPass");
	assert_int_equal(p.nb_asked, 2);
	assert_int_equal(p.nb_authenticated, 1);
	assert_int_equal(p.link.phase, PPP_PHASE_NETWORK);
	peer_flush(&p);
	peer_feed_packet(&p, PPP_PROTO_LCP, PPP_CODE_CONFIGURE_REQUEST, 9, "");
	peer_ack(&p, PPP_PROTO_LCP);
	respond(3, "Uses", "clientPass"); // one letter
	assert_int_equal(p.nb_asked, 2);
	assert_int_equal(p.link.end, PPP_END_AUTH_FAILED);
}

// Client

static void pap_client(void **state)
{
	open_link(false, PPP_AUTH_PAP);
	peer_expect(&p, "ff03c021 02 *");
	peer_expect(&p, "ff03c023 01 01 0014 " PAP_GOOD);
	peer_expire(&p, PPP_TIMER_AUTH);
	peer_expect(&p, "ff03c023 01 01 0014 " PAP_GOOD);
	peer_feed_packet(&p, PAP, 2, 2, "00"); // wrong identifier
	peer_feed_packet(&p, PAP, 1, 1, "00"); // not for a client
	peer_feed_packet(&p, PAP, 4, 1, "00");
	assert_int_equal(p.nb_authenticated, 0);
	peer_feed_packet(&p, PAP, 2, 1, ""); // no text at all
	assert_int_equal(p.nb_authenticated, 1);
	peer_expect(&p, "ff038021 01 01 0016 0306 00000000 8106 00000000 8306 00000000");
	peer_expect_none(&p);
	open_link(false, PPP_AUTH_PAP);
	peer_feed_packet(&p, PAP, 3, 1, "ff 6e6f"); // the length lies
	assert_int_equal(p.link.end, PPP_END_AUTH_FAILED);
	assert_string_equal(p.link.message, "no");
	open_link(false, PPP_AUTH_PAP);
	while (p.link.phase == PPP_PHASE_AUTHENTICATE)
		peer_expire(&p, PPP_TIMER_AUTH);
	assert_int_equal(p.link.end, PPP_END_AUTH_TIMEOUT);
}

static void chap_md5_client(void **state)
{
	char challenge[2 * 255 + 8] = "ff";

	open_link(false, PPP_AUTH_CHAP_MD5);
	peer_flush(&p);
	peer_feed_packet(&p, CHAP, 1, 0x27, "10 5B5D7C7D7B3F2F3E3C2C602132262628 73");
	peer_expect(&p, "ff03c223 02 27 0019 10 5f2199aa4425354661759491ca3fc61c 55736572");
	peer_feed_packet(&p, CHAP, 3, 0x28, "");
	assert_int_equal(p.nb_authenticated, 0);
	peer_feed_packet(&p, CHAP, 3, 0x27, "");
	assert_int_equal(p.nb_authenticated, 1);
	assert_false(p.has_keys);
	// The server may ask again at any time, with a challenge as long as it likes.
	peer_flush(&p);
	memset(challenge + 2, 'a', 2 * 255);
	peer_feed_packet(&p, CHAP, 1, 0x29, challenge);
	peer_expect(&p, "ff03c223 02 29 0019 10 *");
	peer_feed_packet(&p, CHAP, 3, 0x29, "");
	assert_int_equal(p.nb_authenticated, 1);
	assert_int_equal(p.link.phase, PPP_PHASE_NETWORK);
	peer_feed_packet(&p, CHAP, 1, 0x2a, challenge);
	peer_feed_packet(&p, CHAP, 4, 0x2a, "6f7574");
	assert_int_equal(p.link.end, PPP_END_AUTH_FAILED);
	assert_string_equal(p.link.message, "out");
}

static void mschap1_client(void **state)
{
	peer_make(&p, false, 3);
	p.conf.auth_methods = PPP_AUTH_MSCHAP1;
	p.conf.password = "MyPw";
	reopen();
	peer_flush(&p);
	peer_feed_packet(&p, CHAP, 1, 1, "08 102DB5DF085D3041");
	peer_expect(&p, "ff03c223 02 01 003a 31"
			"00000000 00000000 00000000 00000000 00000000 00000000"
			"4E9D3C8F9CFD385D5BF4D3246791956CA4C351AB409A3D61 01 55736572");
	peer_feed_packet(&p, CHAP, 3, 1, "");
	assert_int_equal(p.nb_authenticated, 1);
}

// A challenge that no answer is possible to ends the link, at once.
static void malformed_challenges(void **state)
{
	static const struct {
		uint32_t method;
		const char *challenge;
	} cases[] = {
		{PPP_AUTH_MSCHAP1, "10 5B5D7C7D7B3F2F3E3C2C602132262628"},
		{PPP_AUTH_MSCHAP2, "08 102DB5DF085D3041"},
		{PPP_AUTH_MSCHAP2, "10 102DB5DF085D3041"}, // cut
		{PPP_AUTH_MSCHAP2, "00"},
		{PPP_AUTH_CHAP_MD5, "00 73727672"},
		{PPP_AUTH_CHAP_MD5, ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		peer_make(&p, false, 3);
		p.conf.auth_methods = cases[i].method;
		p.conf.password = "MyPw";
		reopen();
		peer_flush(&p);
		peer_feed_packet(&p, CHAP, 1, 1, cases[i].challenge);
		peer_expect(&p, "ff03c021 05 *");
		assert_int_equal(p.link.end, PPP_END_BAD_CHALLENGE);
	}
}

// Let the client answer the RFC's challenge; text: what a right server would say.
static void mschap2_answer(char text[43], const char *user)
{
	uint8_t challenge[16], hash[16];
	struct ppp_auth_state *as = &p.link.as;

	peer_make(&p, false, 3);
	p.conf.auth_methods = PPP_AUTH_MSCHAP2;
	p.conf.user = user;
	reopen();
	peer_flush(&p);
	hex_bytes("5B5D7C7D7B3F2F3E3C2C602132262628", challenge, 16);
	peer_feed_packet(&p, CHAP, 1, 6, "10 5B5D7C7D7B3F2F3E3C2C602132262628 73727672");
	mschap_nt_password_hash("clientPass", hash);
	mschap2_authenticator_response(
		hash, as->nt_response, as->peer_challenge, challenge, "User", 4, text);
}

static void success(const char *text)
{
	char hex[128];
	int n = 0;

	for (; *text; text++)
		n += sprintf(hex + n, "%02x", (uint8_t)*text);
	hex[n] = '\0';
	peer_feed_packet(&p, CHAP, 3, 6, hex);
}

static void mschap2_client(void **state)
{
	static const char *const users[] = {"User", "DOMAIN\\User"};
	struct peer_frame *f, copy;
	char text[43];

	for (int i = 0; i < 2; i++) {
		mschap2_answer(text, users[i]);
		f = peer_take(&p);
		assert_int_equal(f->len, 8 + 1 + 49 + strlen(users[i]));
		copy = *f;
		// Asked again, it says the same again.
		peer_feed_packet(&p, CHAP, 1, 6, "10 5B5D7C7D7B3F2F3E3C2C602132262628 73");
		assert_memory_equal(peer_take(&p)->bytes, copy.bytes, copy.len);
		success(text);
		assert_int_equal(p.nb_authenticated, 1);
		assert_true(p.has_keys);
	}
	mschap2_answer(text, "User");
	for (char *c = text + 2; *c; c++)
		*c = (char)(*c >= 'A' ? *c | 0x20 : *c); // lower case counts
	success(text);
	assert_int_equal(p.nb_authenticated, 1);
}

// Another challenge gets another response, made with another peer challenge.
static void mschap2_client_new_challenge(void **state)
{
	static const char *const challenges[] = {
		"10 5B5D7C7D7B3F2F3E3C2C602132262628 73", "10 6B5D7C7D7B3F2F3E3C2C602132262628 73"};
	uint8_t first[49];

	open_link(false, PPP_AUTH_MSCHAP2);
	for (int i = 0; i < 2; i++) {
		peer_flush(&p);
		peer_feed_packet(&p, CHAP, 1, 6, challenges[0]);
		memcpy(first, peer_take(&p)->bytes + 9, 49);
		// Another challenge, or the same under another identifier.
		peer_feed_packet(&p, CHAP, 1, (uint8_t)(6 + i), challenges[1 - i]);
		assert_memory_not_equal(peer_take(&p)->bytes + 9, first, 16);
		assert_memory_not_equal(p.link.as.nt_response, first + 24, 24);
	}
}

// The owner's verdict is for servers.
static void verdict_on_a_client(void **state)
{
	struct ppp_auth_verdict v = {.ok = true, .has_keys = true};

	open_link(false, PPP_AUTH_MSCHAP2);
	peer_feed_packet(&p, CHAP, 1, 6, "10 5B5D7C7D7B3F2F3E3C2C602132262628 73");
	peer_flush(&p);
	ppp_auth_verdict(&p.link, &v);
	peer_expect_none(&p);
	assert_int_equal(p.nb_authenticated, 0);
	assert_true(p.link.as.pending);
}

static void mschap2_client_wrong_success(void **state)
{
	char text[43];

	for (int i = 0; i < 42; i++) {
		mschap2_answer(text, "User");
		text[i] = text[i] == '0' ? '1' : '0';
		success(text);
		assert_int_equal(p.nb_authenticated, 0);
		assert_int_equal(p.link.end, PPP_END_PEER_AUTH_FAILED);
	}
	for (int i = 0; i < 42; i++) {
		mschap2_answer(text, "User");
		text[i] = '\0';
		success(text);
		assert_int_equal(p.nb_authenticated, 0);
		assert_int_equal(p.link.end, PPP_END_PEER_AUTH_FAILED);
	}
}

// A Success nobody was asked for, and a server that goes on to IPCP without one.
static void mschap2_success_skipped(void **state)
{
	char text[43];

	open_link(false, PPP_AUTH_MSCHAP2);
	success("S=0000000000000000000000000000000000000000");
	assert_int_equal(p.nb_authenticated, 0);
	assert_int_equal(p.link.end, PPP_END_NONE);
	peer_feed_packet(&p, PPP_PROTO_IPCP, 1, 1, "0306 0a000001");
	assert_int_equal(p.link.end, PPP_END_NONE);
	mschap2_answer(text, "User");
	peer_flush(&p);
	for (int i = 0; i < 3; i++) {
		peer_feed_packet(&p, PPP_PROTO_IPCP, 1, 1, "0306 0a000001");
		peer_expect(&p, "ff03c223 02 06 *"); // in case the Success was lost
	}
	peer_feed_packet(&p, PPP_PROTO_IPCP, 1, 1, "0306 0a000001");
	assert_int_equal(p.link.end, PPP_END_PEER_AUTH_FAILED);
	assert_int_equal(p.nb_authenticated, 0);
}

static void client_timeout(void **state)
{
	open_link(false, PPP_AUTH_MSCHAP2);
	assert_int_equal(p.timer_ms[PPP_TIMER_AUTH], 60000);
	peer_expire(&p, PPP_TIMER_AUTH);
	assert_int_equal(p.link.end, PPP_END_AUTH_TIMEOUT);
}

static void client_password_not_utf8(void **state)
{
	peer_make(&p, false, 3);
	p.conf.auth_methods = PPP_AUTH_MSCHAP2;
	p.conf.password = "\xff\xfe";
	reopen();
	peer_feed_packet(&p, CHAP, 1, 6, "10 5B5D7C7D7B3F2F3E3C2C602132262628 73727672");
	assert_int_equal(p.link.end, PPP_END_AUTH_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pap_server_good),
		cmocka_unit_test(pap_server_bad),
		cmocka_unit_test(pap_server_malformed),
		cmocka_unit_test(pap_server_pending),
		cmocka_unit_test(chap_challenges),
		cmocka_unit_test(chap_server_good),
		cmocka_unit_test(chap_server_bad),
		cmocka_unit_test(unknown_user),
		cmocka_unit_test(mschap_retry),
		cmocka_unit_test(mschap_retries_end),
		cmocka_unit_test(mschap_retry_timeout),
		cmocka_unit_test(fail_closed_without_keys),
		cmocka_unit_test(radius_verdict),
		cmocka_unit_test(verdict_without_code),
		cmocka_unit_test(verdict_after_the_end),
		cmocka_unit_test(malformed_responses),
		cmocka_unit_test(result_from_the_client),
		cmocka_unit_test(long_name),
		cmocka_unit_test(reauthentication),
		cmocka_unit_test(pap_client),
		cmocka_unit_test(chap_md5_client),
		cmocka_unit_test(mschap1_client),
		cmocka_unit_test(malformed_challenges),
		cmocka_unit_test(mschap2_client),
		cmocka_unit_test(mschap2_client_new_challenge),
		cmocka_unit_test(verdict_on_a_client),
		cmocka_unit_test(mschap2_client_wrong_success),
		cmocka_unit_test(mschap2_success_skipped),
		cmocka_unit_test(client_timeout),
		cmocka_unit_test(client_password_not_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
