// SPDX-License-Identifier: BSD-3-Clause
// A client's call against a server in memory that is as it should be, or refuses; one that lies is
// client_call_lies_test.c's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/pem.h>

#include "client_server.h"

// --- a server as it should be ---

static void check_good(struct bed *b)
{
	bed_dialed(b);
	assert_true(b->up);
	assert_true(b->connected);
	assert_true(b->network);
	assert_int_equal(b->addr.local, 0x0a000002);
	assert_int_equal(b->addr.remote, 0x0a000001);
	assert_int_equal(b->addr.dns[0], 0x0a000001);
	assert_int_equal(b->addr.dns[1], 0x0a000009);
	assert_int_equal(b->rx_msgs[SSTP_MSG_CALL_CONNECTED], 1);

	assert_int_equal(call_send_ip(&b->call, bed_packet, sizeof(bed_packet)), 0);
	call_flush(&b->call);
	bed_server_ip(b, bed_packet, sizeof(bed_packet));
	bed_pump(b);
	assert_int_equal(b->rx_ip, 1);
	assert_int_equal(b->last_ip_len, sizeof(bed_packet));
	assert_memory_equal(b->last_ip, bed_packet, sizeof(bed_packet));
	assert_int_equal(b->rx_client_ip, 1);
	assert_memory_equal(b->last_client_ip, bed_packet, sizeof(bed_packet));

	call_hangup(&b->call, b->now_ms);
	assert_true(bed_until_closed(b, 2000) <= 1000);
	assert_int_equal(b->end, CALL_END_HANGUP);
	assert_true(
		b->rx_msgs[SSTP_MSG_CALL_DISCONNECT] + b->tx_msgs[SSTP_MSG_CALL_DISCONNECT] > 0);
	assert_int_equal(b->ppp.end, PPP_END_PEER_TERMINATED);
	bed_free(b);
}

static void test_methods(void **state)
{
	static const uint32_t methods[] = {
		PPP_AUTH_PAP, PPP_AUTH_CHAP_MD5, PPP_AUTH_MSCHAP1, PPP_AUTH_MSCHAP2, PPP_AUTH_ALL};

	for (unsigned int i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		for (unsigned int tls12 = 0; tls12 < 2; tls12++) {
			struct bed *b = bed_create();

			b->conf.auth_methods = methods[i];
			b->conf.only_tls12 = tls12;
			check_good(b);
		}
	}
}

static void test_hashes(void **state)
{
	for (uint8_t mask = 1; mask <= 3; mask++) {
		struct bed *b = bed_create();

		b->conf.hash_mask = mask;
		check_good(b);
	}
}

static void test_byte_by_byte(void **state)
{
	struct bed *b = bed_create();

	b->conf.chunk = 1;
	check_good(b);
}

// The client agrees to PAP only: it NAKs until the server offers that.
static void test_agreed_method(void **state)
{
	struct bed *b = bed_create();

	b->conf.auth_methods = PPP_AUTH_ALL;
	b->call_conf.auth_methods = PPP_AUTH_PAP;
	bed_dialed(b);
	assert_true(b->up);
	assert_int_equal(b->call.ppp.auth, PPP_AUTH_PAP);
	bed_free(b);
}

// Packets that come together leave in one record, and never more than fit one.
static void test_packing(void **state)
{
	struct bed *b = bed_dialed(bed_create());
	uint8_t big[1460] = {0x45};
	unsigned int before;

	bed_pump(b);
	before = b->rx_records;
	for (unsigned int i = 0; i < 11; i++)
		assert_int_equal(call_send_ip(&b->call, big, sizeof(big)), 0);
	call_flush(&b->call);
	bed_pump(b);
	assert_int_equal(b->rx_ip, 11);
	assert_int_equal(b->rx_records - before, 1);
	for (unsigned int i = 0; i < 23; i++)
		assert_int_equal(call_send_ip(&b->call, big, sizeof(big)), 0);
	call_flush(&b->call);
	bed_pump(b);
	assert_int_equal(b->rx_ip, 34);
	assert_int_equal(b->rx_records - before, 4);
	assert_int_equal(call_send_ip(&b->call, big, 1461), -EMSGSIZE);
	bed_free(b);
}

// A server that does not read: the backlog is bounded, and empties again.
static void test_backlog(void **state)
{
	struct bed *b = bed_dialed(bed_create());
	uint8_t big[1460] = {0x45};
	unsigned int sent = 0;
	size_t waiting;

	while (!call_send_ip(&b->call, big, sizeof(big)))
		assert_true(++sent < 10000);
	assert_int_equal(call_send_ip(&b->call, big, sizeof(big)), -EAGAIN);
	call_output(&b->call, &waiting);
	assert_true(waiting <= b->call_conf.backlog_max + 2 * CALL_TX_PLAIN);
	call_flush(&b->call);
	bed_pump(b);
	assert_int_equal(b->rx_ip, sent);
	assert_int_equal(call_send_ip(&b->call, big, sizeof(big)), 0);
	bed_free(b);
}

static void test_hello(void **state)
{
	struct bed *b = bed_create();

	b->call_conf.keepalive_ms = 10000;
	bed_dialed(b);
	bed_advance(b, 65000);
	assert_false(b->call_closed);
	assert_in_range(b->rx_msgs[SSTP_MSG_ECHO_REQUEST], 5, 7);
	assert_int_equal(b->tx_msgs[SSTP_MSG_ECHO_RESPONSE], b->rx_msgs[SSTP_MSG_ECHO_REQUEST]);
	// Anything received will do.
	for (unsigned int i = 0; i < 10; i++) {
		bed_server_ip(b, bed_packet, sizeof(bed_packet));
		bed_advance(b, 5000);
	}
	assert_in_range(b->rx_msgs[SSTP_MSG_ECHO_REQUEST], 5, 8);
	b->conf.mute_sstp = true;
	assert_in_range(bed_until_closed(b, 60000), 10000, 20000);
	assert_int_equal(b->end, CALL_END_LOST);
	bed_assert_reason(b, "no longer answers");
	bed_free(b);
}

static void test_no_keepalive(void **state)
{
	struct bed *b = bed_create();

	b->call_conf.keepalive_ms = 0;
	bed_dialed(b);
	b->conf.mute_sstp = true;
	bed_advance(b, 3600000);
	assert_false(b->call_closed);
	bed_free(b);
}

// Ends of the server's making, after the call was up.
static void test_server_ends(void **state)
{
	struct bed *b = bed_dialed(bed_create());

	sstp_disconnect(&b->sstp);
	assert_true(bed_until_closed(b, 10000) <= 2000);
	assert_int_equal(b->end, CALL_END_SERVER);
	assert_int_equal(b->rx_msgs[SSTP_MSG_CALL_DISCONNECT_ACK], 1);
	bed_free(b);

	b = bed_dialed(bed_create());
	ppp_terminate(&b->ppp, PPP_END_LOCAL_TERMINATED, "maintenance at nine");
	assert_true(bed_until_closed(b, 10000) <= 9000);
	assert_int_equal(b->end, CALL_END_SERVER);
	bed_free(b);

	b = bed_dialed(bed_create());
	sstp_abort(&b->sstp, SSTP_END_PROTOCOL_ERROR, 0, ATTRIB_STATUS_UNACCEPTED_FRAME_RECEIVED);
	assert_true(bed_until_closed(b, 10000) <= 4000);
	assert_int_equal(b->end, CALL_END_SSTP);
	bed_assert_reason(b, "UNACCEPTED_FRAME_RECEIVED");
	bed_free(b);

	b = bed_dialed(bed_create());
	call_stream_end(&b->call, 0, b->now_ms);
	assert_int_equal(b->end, CALL_END_LOST);
	bed_assert_reason(b, "closed the connection while the call was up");
	bed_free(b);

	b = bed_dialed(bed_create());
	call_stream_end(&b->call, ECONNRESET, b->now_ms);
	assert_int_equal(b->end, CALL_END_LOST);
	bed_assert_reason(b, "Connection reset by peer");
	bed_free(b);
}

// A hang-up ends in bounded time whatever the server does, in every phase.
static void test_hangup_bounded(void **state)
{
	struct bed *b = bed_dialed(bed_create());

	b->conf.mute_sstp = true;
	call_hangup(&b->call, b->now_ms);
	assert_true(bed_until_closed(b, 60000) <= b->call_conf.hangup_ms);
	assert_int_equal(b->end, CALL_END_HANGUP);
	bed_free(b);

	for (unsigned int phase = 0; phase < 3; phase++) {
		b = bed_create();
		b->conf.mute_tls = phase == 0;
		b->conf.mute_http = phase == 1;
		b->conf.mute_sstp = phase == 2;
		bed_dialed(b);
		assert_false(b->up);
		call_hangup(&b->call, b->now_ms);
		assert_true(bed_until_closed(b, 60000) <= b->call_conf.hangup_ms);
		assert_int_equal(b->end, CALL_END_HANGUP);
		bed_free(b);
	}
}

// --- refusals ---

static void test_wrong_password(void **state)
{
	static const uint32_t methods[] = {
		PPP_AUTH_PAP, PPP_AUTH_CHAP_MD5, PPP_AUTH_MSCHAP1, PPP_AUTH_MSCHAP2};

	for (unsigned int i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		struct bed *b = bed_create();

		b->conf.auth_methods = methods[i];
		b->call_conf.password = "wrong";
		bed_dialed(b);
		bed_assert_ended(b, 60000, CALL_END_AUTH, "authentication");
		if (methods[i] & (PPP_AUTH_MSCHAP1 | PPP_AUTH_MSCHAP2))
			bed_assert_reason(b, "E=691");
		assert_int_equal(b->rx_msgs[SSTP_MSG_CALL_CONNECTED], 0);
		bed_free(b);
	}
}

static void test_no_common_method(void **state)
{
	struct bed *b = bed_create();

	b->conf.auth_methods = PPP_AUTH_PAP;
	b->call_conf.auth_methods = PPP_AUTH_MSCHAP2;
	bed_dialed(b);
	bed_assert_ended(b, 120000, CALL_END_AUTH, "authentication");
	bed_free(b);
}

static void test_no_authentication(void **state)
{
	struct bed *b = bed_create();

	b->conf.auth_methods = 0;
	bed_dialed(b);
	bed_assert_ended(b, 60000, CALL_END_AUTH, "no authentication method both sides allow");
	assert_int_equal(b->rx_msgs[SSTP_MSG_CALL_CONNECTED], 0);
	bed_free(b);
}

static void test_no_address(void **state)
{
	struct bed *b = bed_create();

	b->conf.no_address = true;
	bed_dialed(b);
	bed_assert_ended(b, 60000, CALL_END_ADDRESS, "address");
	bed_free(b);
}

static struct ppp_addresses again;
static unsigned int nb_again;

static void on_again(void *user, const struct call_info *info)
{
	again = info->addr;
	nb_again++;
}

// The server opens IPCP anew, with this address for the client. mute: and says
// nothing more.
static struct bed *renegotiate(uint32_t address, bool mute)
{
	static const uint8_t request[] = {0xff, 0x03, 0x80, 0x21, 1, 77, 0, 10, 3, 6, 10, 0, 0, 1};
	static struct call_ops ops;
	struct bed *b = bed_create();

	ops = bed_call_ops;
	ops.more = on_again;
	nb_again = 0;
	b->conf.client_ops = &ops;
	bed_dialed(b);
	assert_true(b->up);
	b->ppp.addr.remote = address;
	bed_server_frame(b, request, sizeof(request));
	b->conf.mute_sstp = mute;
	return b;
}

static void test_address_again(void **state)
{
	static const uint32_t addresses[] = {0x0a000002, 0x0a000063};

	for (unsigned int i = 0; i < 2; i++) {
		struct bed *b = renegotiate(addresses[i], false);

		bed_pump(b);
		assert_true(b->network);
		assert_int_equal(nb_again, 1);
		assert_int_equal(again.local, addresses[i]);
		assert_int_equal(again.remote, 0x0a000001);
		assert_int_equal(call_send_ip(&b->call, bed_packet, sizeof(bed_packet)), 0);
		// And goes on for longer than an address may take to come.
		bed_advance(b, 300000);
		assert_false(b->call_closed);
		bed_free(b);
	}
}

// It does not come back: no packet passes, and the call ends.
static void test_address_gone(void **state)
{
	struct bed *b = renegotiate(0x0a000002, true);

	bed_pump(b);
	assert_false(b->call_closed);
	assert_int_equal(nb_again, 0);
	assert_int_equal(call_send_ip(&b->call, bed_packet, sizeof(bed_packet)), -ENOTCONN);
	assert_true(bed_until_closed(b, 120000) <= 75000);
	assert_int_equal(nb_again, 0);
	assert_true(b->end != CALL_END_HANGUP && b->end != CALL_END_NONE);
	bed_free(b);
}

static void test_http(void **state)
{
	static const struct {
		const char *answer, *reason;
	} cases[] = {
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status 404"},
		{"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "status 401"},
		{"HTTP/1.0 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n", "not HTTP/1.1"},
		{"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "not HTTP/1.1"},
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bed *b = bed_create();

		b->conf.http_answer = cases[i].answer;
		bed_dialed(b);
		bed_assert_ended(b, 1, CALL_END_HTTP, cases[i].reason);
		bed_free(b);
	}
}

// An answer without end.
static void test_http_endless(void **state)
{
	struct bed *b = bed_create();
	char line[1000];

	b->conf.http_answer = "HTTP/1.1 200 OK\r\n";
	bed_dialed(b);
	memset(line, 'x', sizeof(line));
	memcpy(line, "X: ", 3);
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	for (unsigned int i = 0; i < 20 && !b->call_closed; i++) {
		bed_server_write(b, line, sizeof(line));
		bed_pump(b);
	}
	bed_assert_ended(b, 1, CALL_END_HTTP, "too long");
	bed_free(b);
}

static void test_silence(void **state)
{
	for (unsigned int phase = 0; phase < 3; phase++) {
		struct bed *b = bed_create();

		b->conf.mute_tls = phase == 0;
		b->conf.mute_http = phase == 1;
		b->conf.mute_sstp = phase == 2;
		bed_dialed(b);
		bed_assert_ended(b, 125000, CALL_END_TIMEOUT, "");
		bed_free(b);
	}
}

static void test_no_tls(void **state)
{
	struct bed *b = bed_create();

	b->conf.mute_tls = true;
	bed_dialed(b);
	call_input(&b->call, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, b->now_ms);
	bed_assert_ended(b, 1, CALL_END_TLS, "wrong version number");
	bed_free(b);
}

static void test_certificate(void **state)
{
	struct bed *b = bed_create();

	bed_client_tls(b, (struct call_tls_conf){.verify = true, .verify_address = true});
	bed_dialed(b);
	bed_assert_ended(b, 1, CALL_END_TLS, "certificate: self-signed certificate");
	bed_free(b);
}

// The server's own certificate as the CA: right for its name, wrong for another.
static void test_certificate_name(void **state)
{
	static const struct {
		const char *host, *reason;
	} cases[] = {{"vpn.example", NULL}, {"other.example", "hostname mismatch"},
		{"192.0.2.1", "IP address mismatch"}};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char path[] = "/tmp/client_call_test.XXXXXX";
		struct bed *b = bed_create();
		FILE *pem = fdopen(mkstemp(path), "w");

		assert_non_null(pem);
		PEM_write_X509(pem, SSL_CTX_get0_certificate(b->ctx));
		fclose(pem);
		bed_client_tls(b, (struct call_tls_conf){
					  .verify = true, .verify_address = true, .ca_file = path});
		unlink(path);
		b->call_conf.host = cases[i].host;
		bed_dialed(b);
		if (cases[i].reason)
			bed_assert_ended(b, 1, CALL_END_TLS, cases[i].reason);
		else
			assert_true(b->up);
		bed_free(b);
	}
}

static void test_tls_conf(void **state)
{
	const struct call_tls_conf no_ca = {.verify = true, .ca_file = "/nonexistent/ca.pem"};
	const struct call_tls_conf no_cipher = {.ciphers = "NO-SUCH-CIPHER"};
	char err[200];

	assert_null(call_tls_ctx_create(&no_ca, err, sizeof(err)));
	assert_non_null(strstr(err, "/nonexistent/ca.pem"));
	assert_null(call_tls_ctx_create(&no_cipher, err, sizeof(err)));
	assert_non_null(strstr(err, "ciphers"));
}

// --- multilink ---

// A fragment from the server.
static void server_fragment(
	struct bed *b, struct ppp_mp_tx *tx, const char *bits, const void *p, size_t n)
{
	uint8_t frame[4091] = {0xff, 0x03, 0x00, 0x3d};
	size_t len = 4 + ppp_mp_send(tx, strchr(bits, 'B'), strchr(bits, 'E'), frame + 4);

	memcpy(frame + len, p, n);
	bed_server_frame(b, frame, len + n);
	bed_pump(b);
}

static void multilink(bool client_short, bool server_short, uint16_t client, uint16_t server)
{
	struct bed *b = bed_create();
	uint16_t mtu = client < server ? client : server, big = mtu > 5000 ? 60000 : mtu;
	uint8_t *ip = malloc(big + 2u);
	struct ppp_mp_tx tx = {.short_seq = client_short};

	assert_non_null(ip);
	ip[0] = 0;
	ip[1] = 0x21;
	for (uint32_t i = 0; i < big; i++)
		ip[i + 2] = (uint8_t)(i * 40503u >> 7);
	ip[2] = 0x45;
	ip[4] = (uint8_t)(big >> 8);
	ip[5] = (uint8_t)big;
	b->conf.mrru = server;
	b->conf.mp_short = server_short;
	b->call_conf.max_mtu = 1400;
	b->call_conf.mrru = client;
	b->call_conf.mp_short = client_short;
	bed_dialed(b);
	assert_true(b->up);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(call_send_ip(&b->call, ip + 2, big), 0);
		call_flush(&b->call);
		bed_pump(b);
		assert_int_equal(b->rx_ip, i + 1);
		assert_int_equal(b->last_ip_len, big);
		assert_memory_equal(b->last_ip, ip + 2, big);
	}
	assert_int_equal(call_send_ip(&b->call, ip + 2, 1400), 0); // bare
	assert_int_equal(
		call_send_ip(&b->call, ip + 2, mtu < 65531 ? mtu + 1u : 65532u), -EMSGSIZE);
	for (uint32_t at = 0; at < big + 2u; at += 1300)
		server_fragment(b, &tx,
			!at                     ? "B"
			: at + 1300 >= big + 2u ? "E"
						: "",
			ip + at, at + 1300 < big + 2u ? 1300 : big + 2u - at);
	assert_int_equal(b->rx_client_ip, 1);
	assert_int_equal(b->last_client_ip_len, big);
	assert_memory_equal(b->last_client_ip, ip + 2, big);
	call_hangup(&b->call, b->now_ms);
	bed_until_closed(b, 2000);
	bed_free(b);
	free(ip);
}

static void test_multilink(void **state)
{
	multilink(false, false, 1600, 1600);
	multilink(true, false, 1600, 2000);
	multilink(false, true, 1800, 1600);
	multilink(true, true, 65535, 65535);
}

// A server that sends what is no packet.
static void test_multilink_lies(void **state)
{
	struct bed *b = bed_create();
	static uint8_t junk[4000];
	struct ppp_mp_tx tx = {0};

	b->conf.mrru = b->call_conf.mrru = 1600;
	bed_dialed(b);
	assert_true(b->up);
	for (int i = 0; i < 20; i++)
		server_fragment(b, &tx, i ? "" : "B", junk, 500);
	server_fragment(b, &tx, "BE", junk, 4000);
	server_fragment(b, &tx, "BE", junk, 0);
	server_fragment(b, &tx, "BE", "\x00\x3d\xc0\x00\x00\x00", 6); // a fragment in one
	server_fragment(b, &tx, "BE", "\xc0\x21\x05\x01\x00\x04", 6); // Terminate-Request
	server_fragment(b, &tx, "BE", "\xc0\x21\x09\x01\x00\x08\x00\x00\x00\x00", 10);
	tx.seq += 5;
	server_fragment(b, &tx, "E", junk, 100);
	bed_server_frame(b, "\xff\x03\x00\x3d\xc0\x00", 6);
	bed_pump(b);
	assert_int_equal(b->rx_client_ip, 0);
	assert_int_equal(b->call.phase, CALL_PHASE_UP);
	server_fragment(b, &tx, "B", "\x21", 1);
	server_fragment(b, &tx, "E", bed_packet, sizeof(bed_packet));
	assert_int_equal(b->rx_client_ip, 1);
	assert_memory_equal(b->last_client_ip, bed_packet, sizeof(bed_packet));
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_agreed_method),
		cmocka_unit_test(test_packing),
		cmocka_unit_test(test_backlog),
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_no_keepalive),
		cmocka_unit_test(test_server_ends),
		cmocka_unit_test(test_hangup_bounded),
		cmocka_unit_test(test_wrong_password),
		cmocka_unit_test(test_no_common_method),
		cmocka_unit_test(test_no_authentication),
		cmocka_unit_test(test_no_address),
		cmocka_unit_test(test_address_again),
		cmocka_unit_test(test_address_gone),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_http_endless),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_no_tls),
		cmocka_unit_test(test_certificate),
		cmocka_unit_test(test_certificate_name),
		cmocka_unit_test(test_tls_conf),
		cmocka_unit_test(test_multilink),
		cmocka_unit_test(test_multilink_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
