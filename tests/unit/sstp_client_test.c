// SPDX-License-Identifier: BSD-3-Clause
#include "sstp_test_util.h"

struct client {
	struct sstp_call call;
	struct recorder r;
};

static void client_start_mask(struct client *s, uint8_t mask)
{
	struct sstp_params p;

	memset(s, 0, sizeof(*s));
	vector_params(&p, vector_msg_sha256);
	memset(p.nonce, 0, sizeof(p.nonce));
	p.hash_mask = mask;
	sstp_client_start(&s->call, &rec_ops, &s->r, &p);
	assert_int_equal(s->call.state, SSTP_STATE_CLIENT_CONNECT_REQUEST_SENT);
}

static void client_start(struct client *s)
{
	client_start_mask(s, CERT_HASH_PROTOCOL_SHA1 | CERT_HASH_PROTOCOL_SHA256);
}

static void input(struct client *s, const void *pkt, size_t len)
{
	// an allocation of exactly len bytes, for the sanitizer
	uint8_t *copy = test_malloc(len ? len : 1);

	memcpy(copy, pkt, len);
	sstp_input(&s->call, copy, len);
	test_free(copy);
}

static size_t ack(uint8_t *pkt, uint8_t hashes, const uint8_t *vector)
{
	struct sstp_builder b;

	sstp_build_open(&b, pkt, 64, SSTP_MSG_CALL_CONNECT_ACK);
	sstp_build_binding_req(&b, hashes, vector + SSTP_CONNECTED_NONCE_OFF);
	return sstp_build_close(&b);
}

static void client_acked(struct client *s)
{
	uint8_t pkt[64];

	client_start(s);
	input(s, pkt, ack(pkt, 3, vector_msg_sha256));
	assert_int_equal(s->call.state, SSTP_STATE_CLIENT_CONNECT_ACK_RECEIVED);
	rec_reset(&s->r);
}

static void client_connected(struct client *s)
{
	client_acked(s);
	sstp_authenticated(&s->call, vector_hlak_sha256);
	assert_int_equal(s->call.state, SSTP_STATE_CLIENT_CALL_CONNECTED);
	rec_reset(&s->r);
}

static void assert_aborted(struct client *s, uint8_t attrib, uint32_t status, enum sstp_end why)
{
	assert_true(s->r.nb_sent > 0);
	rec_assert_info(&s->r, s->r.nb_sent - 1, SSTP_MSG_CALL_ABORT, attrib, status);
	assert_int_equal(s->call.state, SSTP_STATE_CALL_ABORT_PENDING);
	assert_int_equal(s->r.nb_ppp_up + s->r.nb_connected, 0);
	sstp_timeout(&s->call, SSTP_TIMER_CLOSE);
	assert_int_equal(s->r.nb_closed, 1);
	assert_int_equal(s->r.why, why);
}

// The vectors of 4.7 from the other side: what this client sends is what they show.
static void test_call(void **state)
{
	struct client s;
	uint8_t pkt[64];

	client_start(&s);
	assert_int_equal(s.r.sent[0].len, sizeof(golden_request));
	assert_memory_equal(s.r.sent[0].pkt, golden_request, sizeof(golden_request));
	assert_int_equal(s.r.timer_ms[SSTP_TIMER_NEGOTIATION], 60000);
	input(&s, pkt, ack(pkt, 3, vector_msg_sha256));
	assert_int_equal(s.r.nb_ppp_up, 1);
	assert_int_equal(s.r.nb_timer_starts, 2);
	sstp_authenticated(&s.call, vector_hlak_sha256);
	assert_int_equal(s.r.nb_sent, 2);
	assert_int_equal(s.r.sent[1].len, SSTP_CALL_CONNECTED_LEN);
	assert_memory_equal(s.r.sent[1].pkt, vector_msg_sha256, SSTP_CALL_CONNECTED_LEN);
	assert_int_equal(s.r.nb_connected, 1);
	assert_false(s.r.timer[SSTP_TIMER_NEGOTIATION]);
	sstp_authenticated(&s.call, vector_hlak_sha1); // once is enough
	assert_int_equal(s.r.nb_sent, 2);
}

static void test_call_sha1(void **state)
{
	for (int i = 0; i < 2; i++) { // the server knows no other, or this side does not
		struct client s;
		uint8_t pkt[64];

		client_start_mask(&s, i ? CERT_HASH_PROTOCOL_SHA1 : 3);
		input(&s, pkt, ack(pkt, i ? 3 : CERT_HASH_PROTOCOL_SHA1, vector_msg_sha1));
		sstp_authenticated(&s.call, vector_hlak_sha1);
		assert_int_equal(s.r.nb_sent, 2);
		assert_memory_equal(s.r.sent[1].pkt, vector_msg_sha1, SSTP_CALL_CONNECTED_LEN);
	}
}

static void test_no_common_hash(void **state)
{
	static const uint8_t masks[][2] = {{3, 0}, {3, 0xfc}, {2, 1}, {1, 2}, {2, 0xfd}};
	struct client s;
	uint8_t pkt[64];

	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		client_start_mask(&s, masks[i][0]);
		input(&s, pkt, ack(pkt, masks[i][1], vector_msg_sha256));
		assert_aborted(&s, SSTP_ATTRIB_CRYPTO_BINDING_REQ,
			ATTRIB_STATUS_VALUE_NOT_SUPPORTED, SSTP_END_CRYPTO_BINDING);
	}
	client_start(&s); // unknown bits beside known ones
	input(&s, pkt, ack(pkt, 0xff, vector_msg_sha256));
	assert_int_equal(s.call.state, SSTP_STATE_CLIENT_CONNECT_ACK_RECEIVED);
}

static void test_bad_acks(void **state)
{
	uint8_t pkt[64];
	struct client s;
	size_t len;

	for (size_t n = 8; n < 48; n++) { // every wrong nonce length
		ack(pkt, 3, vector_msg_sha256);
		sstp_put_hdr(pkt, true, (uint16_t)n);
		if (n >= 12)
			wr_put_u16(pkt + 10, (uint16_t)(n - 8));
		client_start(&s);
		input(&s, pkt, n);
		if (n >= 12)
			assert_aborted(&s, SSTP_ATTRIB_CRYPTO_BINDING_REQ,
				ATTRIB_STATUS_INVALID_ATTRIB_VALUE_LENGTH, SSTP_END_CRYPTO_BINDING);
		else
			assert_aborted(&s, SSTP_ATTRIB_NO_ERROR,
				ATTRIB_STATUS_INVALID_FRAME_RECEIVED, SSTP_END_MALFORMED);
	}
	len = ack(pkt, 3, vector_msg_sha256);
	sstp_put_hdr(pkt, true, (uint16_t)++len);
	wr_put_u16(pkt + 10, 41);
	client_start(&s);
	input(&s, pkt, len);
	assert_aborted(&s, SSTP_ATTRIB_CRYPTO_BINDING_REQ,
		ATTRIB_STATUS_INVALID_ATTRIB_VALUE_LENGTH, SSTP_END_CRYPTO_BINDING);

	ack(pkt, 3, vector_msg_sha256); // none at all
	sstp_put_hdr(pkt, true, 8);
	wr_put_u16(pkt + 6, 0);
	client_start(&s);
	input(&s, pkt, 8);
	assert_aborted(&s, SSTP_ATTRIB_CRYPTO_BINDING_REQ, ATTRIB_STATUS_REQUIRED_ATTRIBUTE_MISSING,
		SSTP_END_CRYPTO_BINDING);

	len = ack(pkt, 3, vector_msg_sha256); // a second Ack with another nonce
	client_acked(&s);
	pkt[20] ^= 1;
	input(&s, pkt, len);
	assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_UNACCEPTED_FRAME_RECEIVED,
		SSTP_END_PROTOCOL_ERROR);
	assert_memory_equal(s.call.p.nonce, vector_msg_sha256 + SSTP_CONNECTED_NONCE_OFF, 32);
}

static void test_naks(void **state)
{
	static const uint8_t nak[] = {0x10, 0x01, 0x00, 0x16, 0x00, 0x03, 0x00, 0x01, 0x00, 0x02,
		0x00, 0x0e, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x04, 0x00, 0x01};
	static const uint8_t empty[] = {0x10, 0x01, 0x00, 0x08, 0x00, 0x03, 0x00, 0x00};
	struct client s;

	client_start(&s);
	for (unsigned int i = 1; i < SSTP_MAX_NAKS; i++) {
		input(&s, nak, sizeof(nak));
		assert_int_equal(rec_type(&s.r, i), SSTP_MSG_CALL_CONNECT_REQUEST);
		assert_int_equal(s.r.nb_timer_starts, i + 1);
	}
	input(&s, nak, sizeof(nak));
	assert_aborted(
		&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_RETRY_COUNT_EXCEEDED, SSTP_END_REFUSED);
	assert_int_equal(s.r.status, ATTRIB_STATUS_VALUE_NOT_SUPPORTED); // the server's word

	client_start(&s);
	input(&s, empty, sizeof(empty));
	assert_aborted(&s, SSTP_ATTRIB_STATUS_INFO, ATTRIB_STATUS_REQUIRED_ATTRIBUTE_MISSING,
		SSTP_END_MALFORMED);
	client_acked(&s);
	input(&s, nak, sizeof(nak));
	assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_UNACCEPTED_FRAME_RECEIVED,
		SSTP_END_PROTOCOL_ERROR);
}

// What only a client may send, and what nobody may.
static void test_wrong_messages(void **state)
{
	static const uint8_t unknown[] = {0x10, 0x01, 0x00, 0x08, 0x12, 0x34, 0x00, 0x00};
	void (*const begin[])(struct client *) = {client_start, client_acked, client_connected};
	struct client s;

	for (size_t i = 0; i < 3; i++) {
		begin[i](&s);
		input(&s, golden_request, sizeof(golden_request));
		assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_UNACCEPTED_FRAME_RECEIVED,
			SSTP_END_PROTOCOL_ERROR);
		begin[i](&s);
		input(&s, vector_msg_sha256, sizeof(vector_msg_sha256));
		assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_UNACCEPTED_FRAME_RECEIVED,
			SSTP_END_PROTOCOL_ERROR);
		assert_int_equal(s.call.end_message, SSTP_MSG_CALL_CONNECTED);
		begin[i](&s);
		input(&s, unknown, sizeof(unknown));
		assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_INVALID_FRAME_RECEIVED,
			SSTP_END_MALFORMED);
		assert_int_equal(s.call.end_message, 0x1234);
		begin[i](&s);
		sstp_undelineable(&s.call);
		assert_int_equal(s.r.why, SSTP_END_UNDELINEABLE);
	}
}

static void test_frames(void **state)
{
	struct client s;
	uint8_t pkt[32];
	size_t len;

	client_start(&s);
	input(&s, pkt, data_packet(pkt, 0xc021, 4));
	input(&s, pkt, len = data_packet(pkt, 0x0021, 4));
	assert_int_equal(s.r.nb_frames, 0);
	assert_int_equal(sstp_send_ppp(&s.call, pkt + 4, len - 4), -ENOTCONN);

	client_acked(&s);
	input(&s, pkt, len);
	assert_int_equal(s.r.nb_frames, 0);
	assert_int_equal(sstp_send_ppp(&s.call, pkt + 4, len - 4), -ENOTCONN);
	input(&s, pkt, data_packet(pkt, 0xc021, 4));
	assert_int_equal(s.r.nb_frames, 1);
	assert_int_equal(sstp_send_ppp(&s.call, pkt + 4, len - 4), 0);

	client_connected(&s);
	input(&s, pkt, data_packet(pkt, 0x0021, 4));
	input(&s, pkt, data_packet(pkt, 0x8021, 4));
	assert_int_equal(s.r.nb_frames, 2);
	assert_int_equal(sstp_send_ppp(&s.call, pkt + 4, len - 4), 0);
}

static void test_timers(void **state)
{
	struct client s;

	client_start(&s);
	sstp_timeout(&s.call, SSTP_TIMER_NEGOTIATION);
	assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_NEGOTIATION_TIMEOUT,
		SSTP_END_NEGOTIATION_TIMEOUT);
	client_acked(&s);
	sstp_timeout(&s.call, SSTP_TIMER_NEGOTIATION);
	assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_NEGOTIATION_TIMEOUT,
		SSTP_END_NEGOTIATION_TIMEOUT);
	client_connected(&s);
	sstp_hello_expired(&s.call, 1);
	assert_int_equal(rec_type(&s.r, 0), SSTP_MSG_ECHO_REQUEST);
	sstp_hello_expired(&s.call, 7);
	assert_int_equal(s.r.nb_sent, 1);
	assert_int_equal(s.r.why, SSTP_END_HELLO_TIMEOUT);
	assert_false(s.r.flush);
}

static void test_endings(void **state)
{
	struct client s;

	client_start(&s); // refused by Call Abort
	input(&s, golden_abort, sizeof(golden_abort));
	assert_int_equal(rec_type(&s.r, 1), SSTP_MSG_CALL_ABORT);
	sstp_timeout(&s.call, SSTP_TIMER_CLOSE);
	assert_int_equal(s.r.why, SSTP_END_PEER_ABORT);
	assert_int_equal(s.r.status, ATTRIB_STATUS_VALUE_NOT_SUPPORTED);

	client_connected(&s);
	input(&s, golden_disconnect, sizeof(golden_disconnect));
	assert_int_equal(rec_type(&s.r, 0), SSTP_MSG_CALL_DISCONNECT_ACK);
	sstp_timeout(&s.call, SSTP_TIMER_CLOSE);
	assert_int_equal(s.r.why, SSTP_END_PEER_DISCONNECT);

	client_connected(&s);
	sstp_disconnect(&s.call);
	assert_int_equal(s.r.sent[0].len, sizeof(golden_disconnect));
	input(&s, golden_disconnect_ack, sizeof(golden_disconnect_ack));
	assert_int_equal(s.r.why, SSTP_END_LOCAL_DISCONNECT);
	assert_true(s.r.flush);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_call_sha1),
		cmocka_unit_test(test_no_common_hash),
		cmocka_unit_test(test_bad_acks),
		cmocka_unit_test(test_naks),
		cmocka_unit_test(test_wrong_messages),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_timers),
		cmocka_unit_test(test_endings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
