// SPDX-License-Identifier: BSD-3-Clause
// Server and client against each other, in one process, over two byte streams; and with somebody in
// between.
//
//   client call -> stream -> [tamper] -> server call
//   client call <- stream <- [tamper] <- server call
#include "sstp_test_util.h"

#define STREAM_MAX 65536

struct side {
	struct recorder r;
	struct sstp_call call;
	struct side *peer;
	struct stream {
		uint8_t bytes[STREAM_MAX];
		size_t n;
	} in;           // what the other side sent
	bool hear_late; // authentication is over only when the test says so
};

// What the man in the middle does to a packet on its way to `to`; may change it, or swallow it by
// returning false.
typedef bool (*tamper_fn)(struct side *to, uint8_t *pkt, size_t len);

static struct side server, client;
static tamper_fn tamper;
static uint8_t hlak_server[SSTP_HLAK_LEN], hlak_client[SSTP_HLAK_LEN];

static void pair_send(void *user, const uint8_t *pkt, size_t len)
{
	struct side *s = user;
	uint8_t copy[SSTP_MAX_PACKET];

	rec_send(&s->r, pkt, len);
	s->r.nb_sent = 0; // this test looks at the streams
	memcpy(copy, pkt, len);
	if (tamper && !tamper(s->peer, copy, len))
		return;
	assert_true(s->peer->in.n + len <= STREAM_MAX);
	memcpy(s->peer->in.bytes + s->peer->in.n, copy, len);
	s->peer->in.n += len;
}

static void pair_timer_start(void *user, enum sstp_timer t, uint32_t ms)
{
	rec_timer_start(&((struct side *)user)->r, t, ms);
}

static void pair_timer_stop(void *user, enum sstp_timer t)
{
	rec_timer_stop(&((struct side *)user)->r, t);
}

// PPP in three frames: the client's request, the server's success, and both are authenticated.
static const uint8_t ppp_request[] = {0xff, 0x03, 0xc0, 0x23, 1};
static const uint8_t ppp_success[] = {0xff, 0x03, 0xc0, 0x23, 2};

static void pair_ppp_up(void *user)
{
	struct side *s = user;

	s->r.nb_ppp_up++;
	if (!s->call.server)
		assert_int_equal(sstp_send_ppp(&s->call, ppp_request, sizeof(ppp_request)), 0);
}

static void pair_ppp_frame(void *user, const uint8_t *frame, size_t len)
{
	struct side *s = user;

	rec_ppp_frame(&s->r, frame, len);
	if (len != sizeof(ppp_request) || frame[2] != 0xc0)
		return;
	if (s->call.server) {
		assert_int_equal(sstp_send_ppp(&s->call, ppp_success, sizeof(ppp_success)), 0);
		if (!s->hear_late)
			sstp_authenticated(&s->call, hlak_server);
	} else {
		sstp_authenticated(&s->call, hlak_client);
	}
}

static void pair_connected(void *user)
{
	rec_connected(&((struct side *)user)->r);
}

static void pair_closed(void *user, enum sstp_end why, uint32_t status, bool flush)
{
	rec_closed(&((struct side *)user)->r, why, status, flush);
}

static const struct sstp_ops pair_ops = {
	.send = pair_send,
	.timer_start = pair_timer_start,
	.timer_stop = pair_timer_stop,
	.ppp_up = pair_ppp_up,
	.ppp_frame = pair_ppp_frame,
	.call_connected = pair_connected,
	.closed = pair_closed,
};

// Feed the packets that are there. Returns whether there was anything.
static bool feed(struct side *s)
{
	uint16_t len;
	bool control, any = false;

	while (s->in.n && !s->r.nb_closed) {
		int rc = sstp_peek(s->in.bytes, s->in.n, &len, &control);
		uint8_t pkt[SSTP_MAX_PACKET];

		any = true;
		if (rc) {
			sstp_undelineable(&s->call);
			break;
		}
		if (len > s->in.n) { // a length that was tampered with: waits for ever
			s->in.n = 0;
			break;
		}
		memcpy(pkt, s->in.bytes, len);
		s->in.n -= len;
		memmove(s->in.bytes, s->in.bytes + len, s->in.n);
		sstp_input(&s->call, pkt, len);
	}
	return any;
}

static void talk(void)
{
	while (feed(&server) || feed(&client))
		;
}

static void pair_start(uint8_t server_mask, uint8_t client_mask, tamper_fn fn)
{
	struct sstp_params p;

	memset(&server, 0, sizeof(server));
	memset(&client, 0, sizeof(client));
	server.peer = &client;
	client.peer = &server;
	tamper = fn;
	memset(hlak_server, 0x11, sizeof(hlak_server));
	memset(hlak_client, 0x11, sizeof(hlak_client));
	vector_params(&p, vector_msg_sha256);
	p.hash_mask = server_mask;
	sstp_server_start(&server.call, &pair_ops, &server, &p);
	memset(p.nonce, 0, sizeof(p.nonce));
	p.hash_mask = client_mask;
	sstp_client_start(&client.call, &pair_ops, &client, &p);
}

static void assert_up(void)
{
	static const uint8_t ip[] = {0xff, 0x03, 0x00, 0x21, 0x45, 1, 2, 3};
	unsigned int before_s = server.r.nb_frames, before_c = client.r.nb_frames;

	assert_int_equal(server.call.state, SSTP_STATE_SERVER_CALL_CONNECTED);
	assert_int_equal(client.call.state, SSTP_STATE_CLIENT_CALL_CONNECTED);
	assert_int_equal(server.r.nb_connected, 1);
	assert_int_equal(client.r.nb_connected, 1);
	assert_int_equal(sstp_send_ppp(&server.call, ip, sizeof(ip)), 0);
	assert_int_equal(sstp_send_ppp(&client.call, ip, sizeof(ip)), 0);
	talk();
	assert_int_equal(server.r.nb_frames, before_s + 1);
	assert_int_equal(client.r.nb_frames, before_c + 1);
	assert_memory_equal(server.r.frame, ip, sizeof(ip));
}

// Let the timers that run expire until both sides are over.
static void run_out(void)
{
	for (int i = 0; i < 4; i++) {
		struct side *sides[] = {&server, &client};

		for (int j = 0; j < 2; j++)
			for (int t = 0; t < SSTP_N_TIMERS; t++)
				if (sides[j]->r.timer[t]) {
					sides[j]->r.timer[t] = false;
					sstp_timeout(&sides[j]->call, t);
				}
		talk();
	}
	assert_int_equal(server.r.nb_closed, 1);
	assert_int_equal(client.r.nb_closed, 1);
}

static void test_calls(void **state)
{
	for (uint8_t s = 1; s < 4; s++) {
		for (uint8_t c = 1; c < 4; c++) {
			pair_start(s, c, NULL);
			talk();
			if (!(s & c)) {
				run_out();
				assert_int_equal(client.r.why, SSTP_END_CRYPTO_BINDING);
				assert_int_equal(server.r.why, SSTP_END_PEER_ABORT);
				assert_int_equal(server.r.nb_connected, 0);
				continue;
			}
			assert_up();
			sstp_disconnect(c & 1 ? &server.call : &client.call);
			talk();
			run_out();
			assert_int_equal(
				(c & 1 ? &server : &client)->r.why, SSTP_END_LOCAL_DISCONNECT);
			assert_int_equal(
				(c & 1 ? &client : &server)->r.why, SSTP_END_PEER_DISCONNECT);
		}
	}
}

// The verdict of authentication reaches the server's SSTP after the client's Call Connected.
static void test_late_verdict(void **state)
{
	pair_start(3, 3, NULL);
	server.hear_late = true;
	talk();
	assert_int_equal(client.call.state, SSTP_STATE_CLIENT_CALL_CONNECTED);
	assert_int_equal(server.call.state, SSTP_STATE_SERVER_CALL_CONNECTED_PENDING);
	assert_true(server.call.connected_held);
	sstp_authenticated(&server.call, hlak_server);
	talk();
	assert_up();
}

static void test_hello(void **state)
{
	pair_start(3, 3, NULL);
	talk();
	for (int i = 0; i < 3; i++) {
		sstp_hello_expired(&server.call, 1);
		sstp_hello_expired(&client.call, 1);
		talk();
	}
	assert_up();
}

static void test_both_disconnect(void **state)
{
	pair_start(3, 3, NULL);
	talk();
	sstp_disconnect(&server.call);
	sstp_disconnect(&client.call);
	talk();
	run_out();
	assert_int_equal(server.r.why, SSTP_END_LOCAL_DISCONNECT);
	assert_int_equal(client.r.why, SSTP_END_LOCAL_DISCONNECT);
}

static void test_both_abort(void **state)
{
	pair_start(3, 3, NULL);
	talk();
	sstp_abort(&server.call, SSTP_END_PROTOCOL_ERROR, 0, ATTRIB_STATUS_INVALID_FRAME_RECEIVED);
	sstp_abort(&client.call, SSTP_END_PROTOCOL_ERROR, 0, ATTRIB_STATUS_INVALID_FRAME_RECEIVED);
	talk();
	assert_int_equal(server.call.state, SSTP_STATE_CALL_ABORT_TIMEOUT_PENDING);
	assert_int_equal(client.call.state, SSTP_STATE_CALL_ABORT_TIMEOUT_PENDING);
	run_out();
}

static void assert_binding_failed(void)
{
	talk();
	run_out();
	assert_int_equal(server.r.nb_connected, 0);
	assert_int_equal(server.r.why, SSTP_END_CRYPTO_BINDING);
	assert_int_equal(client.r.why, SSTP_END_PEER_ABORT);
	assert_int_equal(client.r.status, ATTRIB_STATUS_VALUE_NOT_SUPPORTED);
}

// A relay that ends TLS itself: the client hashed the relay's certificate.
static void test_relayed(void **state)
{
	for (uint8_t mask = 1; mask < 3; mask++) {
		pair_start(mask, mask, NULL);
		client.call.p.cert_sha1[7] ^= 1;
		client.call.p.cert_sha256[7] ^= 1;
		assert_binding_failed();
	}
}

// The sides did not authenticate each other, or one of them made no keys.
static void test_other_keys(void **state)
{
	for (size_t i = 0; i < SSTP_HLAK_LEN; i++) {
		pair_start(3, 3, NULL);
		hlak_client[i] ^= 0x80;
		assert_binding_failed();
	}
	pair_start(3, 3, NULL);
	memset(hlak_client, 0, sizeof(hlak_client));
	assert_binding_failed();
}

static bool strip_sha256(struct side *to, uint8_t *pkt, size_t len)
{
	uint16_t type, nb;

	sstp_ctrl_peek(pkt, &type, &nb);
	if (to == &client && (pkt[1] & 1) && type == SSTP_MSG_CALL_CONNECT_ACK)
		pkt[15] = CERT_HASH_PROTOCOL_SHA1;
	return true;
}

// A downgrade is within what the server offered unless it offers SHA-256 alone.
static void test_downgrade(void **state)
{
	pair_start(CERT_HASH_PROTOCOL_SHA256, 3, strip_sha256);
	assert_binding_failed();
	pair_start(3, CERT_HASH_PROTOCOL_SHA256, strip_sha256);
	talk();
	run_out();
	assert_int_equal(client.r.why, SSTP_END_CRYPTO_BINDING);
	assert_int_equal(server.r.nb_connected, 0);
}

static bool other_nonce(struct side *to, uint8_t *pkt, size_t len)
{
	uint16_t type, nb;

	sstp_ctrl_peek(pkt, &type, &nb);
	if (to == &client && (pkt[1] & 1) && type == SSTP_MSG_CALL_CONNECT_ACK)
		pkt[16] ^= 1;
	return true;
}

static void test_other_nonce(void **state)
{
	pair_start(3, 3, other_nonce);
	assert_binding_failed();
}

static uint8_t recorded[SSTP_CALL_CONNECTED_LEN];

static bool record(struct side *to, uint8_t *pkt, size_t len)
{
	if (len == SSTP_CALL_CONNECTED_LEN && (pkt[1] & 1))
		memcpy(recorded, pkt, len);
	return true;
}

static bool replay(struct side *to, uint8_t *pkt, size_t len)
{
	if (len == SSTP_CALL_CONNECTED_LEN && (pkt[1] & 1))
		memcpy(pkt, recorded, len);
	return true;
}

// The Call Connected of one call is worth nothing in another.
static void test_replay(void **state)
{
	pair_start(3, 3, record);
	talk();
	assert_up();
	pair_start(3, 3, replay);
	server.call.p.nonce[31] ^= 1;
	assert_binding_failed();
}

// Data sent by force before its time goes nowhere, in either direction, and ends nothing.
static void test_data_too_early(void **state)
{
	uint8_t pkt[64];
	size_t len;

	pair_start(3, 3, NULL);
	server.hear_late = true;
	talk();
	server.r.nb_frames = 0;
	len = data_packet(pkt, 0x0021, 20);
	sstp_input(&server.call, pkt, len);
	assert_int_equal(server.r.nb_frames, 0);
	assert_int_equal(sstp_send_ppp(&server.call, pkt + 4, len - 4), -ENOTCONN);
	// the client believes to be connected, and may be: its data waits at the server's door
	assert_int_equal(sstp_send_ppp(&client.call, pkt + 4, len - 4), 0);
	talk();
	assert_int_equal(server.r.nb_frames, 0);
	sstp_authenticated(&server.call, hlak_server);
	talk();
	assert_up();
}

static unsigned int swallowed;

static bool swallow_endings(struct side *to, uint8_t *pkt, size_t len)
{
	uint16_t type, nb;

	if (!(pkt[1] & 1))
		return true;
	sstp_ctrl_peek(pkt, &type, &nb);
	if (type < SSTP_MSG_CALL_ABORT || type > SSTP_MSG_CALL_DISCONNECT_ACK)
		return true;
	swallowed++;
	return false;
}

// A peer that never hears of the end: timers end both.
static void test_nobody_answers(void **state)
{
	pair_start(3, 3, swallow_endings);
	talk();
	sstp_disconnect(&server.call);
	talk();
	sstp_timeout(&server.call, SSTP_TIMER_CLOSE);
	assert_int_equal(server.r.nb_closed, 1);
	assert_true(swallowed > 0);
	sstp_hello_expired(&client.call, 1);
	sstp_hello_expired(&client.call, 2);
	assert_int_equal(client.r.nb_closed, 1);
	assert_int_equal(client.r.why, SSTP_END_HELLO_TIMEOUT);
}

static size_t flip_at;
static unsigned int flip_seen;

// Flip one bit of the n-th byte that travels.
static bool flip(struct side *to, uint8_t *pkt, size_t len)
{
	if (flip_at >= flip_seen && flip_at < flip_seen + len)
		pkt[flip_at - flip_seen] ^= (uint8_t)(1 << flip_at % 8);
	flip_seen += (unsigned int)len;
	return true;
}

// Any byte of the whole exchange changed: the call comes up or ends, is never stuck, and never
// comes up at the server with another nonce, certificate or key.
static void test_every_byte(void **state)
{
	unsigned int total;

	flip_at = SIZE_MAX;
	flip_seen = 0;
	pair_start(3, 3, flip);
	talk();
	total = flip_seen;
	assert_true(total > 14 + 48 + 112);

	for (size_t at = 0; at < total; at++) {
		flip_at = at;
		flip_seen = 0;
		pair_start(3, 3, flip);
		talk();
		if (server.r.nb_connected)
			assert_memory_equal(
				server.call.p.nonce, client.call.p.nonce, SSTP_NONCE_LEN);
		tamper = NULL;
		if (server.call.state == SSTP_STATE_SERVER_CALL_CONNECTED)
			sstp_disconnect(&server.call);
		if (client.call.state == SSTP_STATE_CLIENT_CALL_CONNECTED)
			sstp_disconnect(&client.call);
		server.in.n = client.in.n = 0;
		run_out();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_late_verdict),
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_both_disconnect),
		cmocka_unit_test(test_both_abort),
		cmocka_unit_test(test_relayed),
		cmocka_unit_test(test_other_keys),
		cmocka_unit_test(test_downgrade),
		cmocka_unit_test(test_other_nonce),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_data_too_early),
		cmocka_unit_test(test_nobody_answers),
		cmocka_unit_test(test_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
