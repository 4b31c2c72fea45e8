// SPDX-License-Identifier: BSD-3-Clause
#include "sstp_test_util.h"

struct server {
	struct sstp_call call;
	struct recorder r;
};

static void server_start(struct server *s)
{
	struct sstp_params p;

	memset(s, 0, sizeof(*s));
	vector_params(&p, vector_msg_sha256);
	sstp_server_start(&s->call, &rec_ops, &s->r, &p);
	assert_int_equal(s->call.state, SSTP_STATE_SERVER_CONNECT_REQUEST_PENDING);
	assert_true(s->r.timer[SSTP_TIMER_NEGOTIATION]);
	assert_int_equal(s->r.nb_sent, 0);
}

static void input(struct server *s, const void *pkt, size_t len)
{
	// an allocation of exactly len bytes, for the sanitizer
	uint8_t *copy = test_malloc(len ? len : 1);

	memcpy(copy, pkt, len);
	sstp_input(&s->call, copy, len);
	test_free(copy);
}

static void server_acked(struct server *s)
{
	server_start(s);
	input(s, golden_request, sizeof(golden_request));
	assert_int_equal(s->call.state, SSTP_STATE_SERVER_CALL_CONNECTED_PENDING);
	rec_reset(&s->r);
}

static void server_connected(struct server *s)
{
	server_acked(s);
	sstp_authenticated(&s->call, vector_hlak_sha256);
	input(s, vector_msg_sha256, sizeof(vector_msg_sha256));
	assert_int_equal(s->call.state, SSTP_STATE_SERVER_CALL_CONNECTED);
	rec_reset(&s->r);
}

// The call was aborted with this Status Info; now it waits for the peer's, then is over.
static void assert_aborted(struct server *s, uint8_t attrib, uint32_t status, enum sstp_end why)
{
	assert_true(s->r.nb_sent > 0);
	rec_assert_info(&s->r, s->r.nb_sent - 1, SSTP_MSG_CALL_ABORT, attrib, status);
	assert_int_equal(s->call.state, SSTP_STATE_CALL_ABORT_PENDING);
	assert_int_equal(s->r.timer_ms[SSTP_TIMER_CLOSE], 3000);
	assert_false(s->r.timer[SSTP_TIMER_NEGOTIATION]);
	assert_int_equal(s->r.nb_connected, 0);
	sstp_timeout(&s->call, SSTP_TIMER_CLOSE);
	assert_int_equal(s->r.nb_closed, 1);
	assert_int_equal(s->r.why, why);
	assert_int_equal(s->r.status, status);
	assert_true(s->r.flush);
}

static void test_call(void **state)
{
	struct server s;
	struct cursor c;
	struct sstp_ctrl msg;
	struct sstp_fault fault;

	server_start(&s);
	assert_int_equal(s.r.timer_ms[SSTP_TIMER_NEGOTIATION], 60000);
	input(&s, golden_request, sizeof(golden_request));
	assert_int_equal(s.r.nb_ppp_up, 1);
	assert_int_equal(s.r.nb_timer_starts, 2);
	assert_int_equal(s.r.nb_sent, 1);
	c = cursor_make(s.r.sent[0].pkt, s.r.sent[0].len);
	assert_int_equal(sstp_ctrl_decode(&c, &msg, &fault, NULL), 0);
	assert_int_equal(msg.type, SSTP_MSG_CALL_CONNECT_ACK);
	assert_int_equal(msg.offered_hashes, 3);
	assert_memory_equal(msg.req_nonce, s.call.p.nonce, SSTP_NONCE_LEN);

	sstp_authenticated(&s.call, vector_hlak_sha256);
	assert_int_equal(s.r.nb_connected, 0);
	assert_true(s.r.timer[SSTP_TIMER_NEGOTIATION]);
	input(&s, vector_msg_sha256, sizeof(vector_msg_sha256));
	assert_int_equal(s.r.nb_connected, 1);
	assert_int_equal(s.call.state, SSTP_STATE_SERVER_CALL_CONNECTED);
	assert_false(s.r.timer[SSTP_TIMER_NEGOTIATION]);
	assert_int_equal(s.r.nb_sent, 1);
	for (size_t i = 0; i < SSTP_HLAK_LEN; i++)
		assert_int_equal(s.call.hlak[i], 0);
}

static void test_call_sha1(void **state)
{
	struct sstp_params p;
	struct server s;

	memset(&s, 0, sizeof(s));
	vector_params(&p, vector_msg_sha1);
	sstp_server_start(&s.call, &rec_ops, &s.r, &p);
	input(&s, golden_request, sizeof(golden_request));
	sstp_authenticated(&s.call, vector_hlak_sha1);
	input(&s, vector_msg_sha1, sizeof(vector_msg_sha1));
	assert_int_equal(s.r.nb_connected, 1);
}

// Padding of SHA-1's fields and reserved bits are ignored, and count in the MAC as they came.
static void test_reserved_bits_are_in_the_mac(void **state)
{
	uint8_t pkt[SSTP_CALL_CONNECTED_LEN], mac[32];
	struct sstp_params p;
	struct server s;

	memset(&s, 0, sizeof(s));
	vector_params(&p, vector_msg_sha1);
	sstp_server_start(&s.call, &rec_ops, &s.r, &p);
	input(&s, golden_request, sizeof(golden_request));
	sstp_authenticated(&s.call, vector_hlak_sha1);
	memcpy(pkt, vector_msg_sha1, sizeof(pkt));
	pkt[1] = 0x81;
	pkt[2] = 0xa0;
	pkt[8] = 1;
	pkt[13] = 2;
	pkt[SSTP_CONNECTED_CERT_OFF + 25] = 3;
	assert_int_equal(sstp_compound_mac(pkt, CERT_HASH_PROTOCOL_SHA1, vector_hlak_sha1, mac), 0);
	memcpy(pkt + SSTP_CONNECTED_MAC_OFF, mac, 32);
	pkt[SSTP_CONNECTED_MAC_OFF + 25] = 4;
	input(&s, pkt, sizeof(pkt));
	assert_int_equal(s.r.nb_connected, 1);
}

// Old sstpc sends Call Connected before the verdict of authentication.
static void test_held(void **state)
{
	struct server s;

	server_acked(&s);
	input(&s, vector_msg_sha256, sizeof(vector_msg_sha256));
	assert_int_equal(s.call.state, SSTP_STATE_SERVER_CALL_CONNECTED_PENDING);
	assert_int_equal(s.r.nb_connected, 0);
	assert_int_equal(s.r.nb_sent, 0);
	sstp_authenticated(&s.call, vector_hlak_sha256);
	assert_int_equal(s.r.nb_connected, 1);
	assert_int_equal(s.call.state, SSTP_STATE_SERVER_CALL_CONNECTED);

	server_acked(&s); // with a wrong MAC
	input(&s, vector_msg_sha256, sizeof(vector_msg_sha256));
	sstp_authenticated(&s.call, vector_hlak_sha1);
	assert_aborted(&s, SSTP_ATTRIB_CRYPTO_BINDING, ATTRIB_STATUS_VALUE_NOT_SUPPORTED,
		SSTP_END_CRYPTO_BINDING);

	server_acked(&s); // twice
	input(&s, vector_msg_sha256, sizeof(vector_msg_sha256));
	input(&s, vector_msg_sha256, sizeof(vector_msg_sha256));
	assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_UNACCEPTED_FRAME_RECEIVED,
		SSTP_END_PROTOCOL_ERROR);

	server_acked(&s); // never authenticated
	input(&s, vector_msg_sha256, sizeof(vector_msg_sha256));
	sstp_timeout(&s.call, SSTP_TIMER_NEGOTIATION);
	assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_NEGOTIATION_TIMEOUT,
		SSTP_END_NEGOTIATION_TIMEOUT);

	// what is wrong without the HLAK is not held
	for (size_t i = SSTP_CONNECTED_HASH_OFF; i < SSTP_CONNECTED_MAC_OFF; i++) {
		uint8_t pkt[SSTP_CALL_CONNECTED_LEN];

		memcpy(pkt, vector_msg_sha256, sizeof(pkt));
		pkt[i] ^= 0x80;
		server_acked(&s);
		input(&s, pkt, sizeof(pkt));
		assert_aborted(&s, SSTP_ATTRIB_CRYPTO_BINDING, ATTRIB_STATUS_VALUE_NOT_SUPPORTED,
			SSTP_END_CRYPTO_BINDING);
	}
}

// One bit anywhere in hash, nonce, certificate hash or MAC, and the call is aborted.
static void test_tampered(void **state)
{
	for (size_t bit = SSTP_CONNECTED_HASH_OFF * 8; bit < SSTP_CALL_CONNECTED_LEN * 8; bit++) {
		uint8_t pkt[SSTP_CALL_CONNECTED_LEN];
		struct server s;

		memcpy(pkt, vector_msg_sha256, sizeof(pkt));
		pkt[bit / 8] ^= (uint8_t)(1 << bit % 8);
		server_acked(&s);
		sstp_authenticated(&s.call, vector_hlak_sha256);
		input(&s, pkt, sizeof(pkt));
		assert_aborted(&s, SSTP_ATTRIB_CRYPTO_BINDING, ATTRIB_STATUS_VALUE_NOT_SUPPORTED,
			SSTP_END_CRYPTO_BINDING);
	}
}

// Every value of the hash field, with a MAC that is right for it where there is one.
static void test_hash_bits(void **state)
{
	for (unsigned int mask = 0; mask < 4; mask++) {
		for (unsigned int hash = 0; hash < 256; hash++) {
			uint8_t pkt[SSTP_CALL_CONNECTED_LEN], mac[32];
			struct sstp_params p;
			struct server s;

			memset(&s, 0, sizeof(s));
			vector_params(&p, vector_msg_sha256);
			p.hash_mask = (uint8_t)mask;
			sstp_server_start(&s.call, &rec_ops, &s.r, &p);
			input(&s, golden_request, sizeof(golden_request));
			sstp_authenticated(&s.call, vector_hlak_sha256);
			memcpy(pkt, vector_msg_sha256, sizeof(pkt));
			pkt[SSTP_CONNECTED_HASH_OFF] = (uint8_t)hash;
			if (hash == CERT_HASH_PROTOCOL_SHA1) {
				memset(pkt + SSTP_CONNECTED_CERT_OFF, 0, 32);
				memcpy(pkt + SSTP_CONNECTED_CERT_OFF, p.cert_sha1, 20);
			}
			if (!sstp_compound_mac(pkt, (uint8_t)hash, vector_hlak_sha256, mac))
				memcpy(pkt + SSTP_CONNECTED_MAC_OFF, mac, 32);
			input(&s, pkt, sizeof(pkt));
			assert_int_equal(
				s.r.nb_connected, (hash == 1 || hash == 2) && (hash & mask));
			if (!s.r.nb_connected)
				assert_aborted(&s, SSTP_ATTRIB_CRYPTO_BINDING,
					ATTRIB_STATUS_VALUE_NOT_SUPPORTED, SSTP_END_CRYPTO_BINDING);
		}
	}
}

// A Call Connected without a proper crypto binding.
static void test_malformed_binding(void **state)
{
	uint8_t pkt[SSTP_CALL_CONNECTED_LEN + 8];
	struct server s;

	for (size_t n = SSTP_CTRL_HDR_LEN; n < SSTP_CALL_CONNECTED_LEN; n++) {
		memcpy(pkt, vector_msg_sha256, SSTP_CALL_CONNECTED_LEN);
		sstp_put_hdr(pkt, true, (uint16_t)n);
		if (n >= 12) // the attribute ends with the packet
			wr_put_u16(pkt + 10, (uint16_t)(n - 8));
		server_acked(&s);
		sstp_authenticated(&s.call, vector_hlak_sha256);
		input(&s, pkt, n);
		assert_aborted(&s, SSTP_ATTRIB_CRYPTO_BINDING,
			ATTRIB_STATUS_ATTRIB_NOT_SUPPORTED_IN_MSG, SSTP_END_CRYPTO_BINDING);
	}

	// none, one of another kind, and one more beside it
	memcpy(pkt, vector_msg_sha256, SSTP_CALL_CONNECTED_LEN);
	sstp_put_hdr(pkt, true, 8);
	wr_put_u16(pkt + 6, 0);
	server_acked(&s);
	input(&s, pkt, 8);
	assert_aborted(&s, SSTP_ATTRIB_CRYPTO_BINDING, ATTRIB_STATUS_ATTRIB_NOT_SUPPORTED_IN_MSG,
		SSTP_END_CRYPTO_BINDING);

	memcpy(pkt, vector_msg_sha256, SSTP_CALL_CONNECTED_LEN);
	pkt[9] = SSTP_ATTRIB_CRYPTO_BINDING_REQ;
	server_acked(&s);
	input(&s, pkt, SSTP_CALL_CONNECTED_LEN);
	assert_aborted(&s, SSTP_ATTRIB_CRYPTO_BINDING, ATTRIB_STATUS_ATTRIB_NOT_SUPPORTED_IN_MSG,
		SSTP_END_CRYPTO_BINDING);

	memcpy(pkt, vector_msg_sha256, SSTP_CALL_CONNECTED_LEN);
	memset(pkt + SSTP_CALL_CONNECTED_LEN, 0, 8);
	pkt[SSTP_CALL_CONNECTED_LEN + 3] = 8;
	sstp_put_hdr(pkt, true, sizeof(pkt));
	wr_put_u16(pkt + 6, 2);
	server_acked(&s);
	sstp_authenticated(&s.call, vector_hlak_sha256);
	input(&s, pkt, sizeof(pkt));
	assert_aborted(&s, SSTP_ATTRIB_CRYPTO_BINDING, ATTRIB_STATUS_ATTRIB_NOT_SUPPORTED_IN_MSG,
		SSTP_END_CRYPTO_BINDING);
}

static void test_naks(void **state)
{
	static const uint8_t bad[] = {
		0x10, 0x01, 0x00, 0x0e, 0x00, 0x01, 0x00, 0x01, 0x00, 0x01, 0x00, 0x06, 0x00, 0x02};
	static const uint8_t nak[] = {0x10, 0x01, 0x00, 0x16, 0x00, 0x03, 0x00, 0x01, 0x00, 0x02,
		0x00, 0x0e, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x04, 0x00, 0x02};
	struct server s;

	server_start(&s);
	for (unsigned int i = 0; i < SSTP_MAX_NAKS; i++) {
		input(&s, bad, sizeof(bad));
		assert_int_equal(s.r.nb_sent, i + 1);
		assert_int_equal(s.r.sent[i].len, sizeof(nak));
		assert_memory_equal(s.r.sent[i].pkt, nak, sizeof(nak));
		assert_int_equal(s.call.state, SSTP_STATE_SERVER_CONNECT_REQUEST_PENDING);
	}
	assert_int_equal(s.r.nb_timer_starts, 1); // a NAK buys no time
	input(&s, bad, sizeof(bad));
	assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_RETRY_COUNT_EXCEEDED,
		SSTP_END_RETRY_COUNT_EXCEEDED);

	server_start(&s); // a good one after two bad ones
	input(&s, bad, sizeof(bad));
	input(&s, bad, sizeof(bad));
	input(&s, golden_request, sizeof(golden_request));
	assert_int_equal(rec_type(&s.r, 2), SSTP_MSG_CALL_CONNECT_ACK);
}

static void test_invalid_messages(void **state)
{
	static const uint8_t unknown[] = {0x10, 0x01, 0x00, 0x08, 0x00, 0x0a, 0x00, 0x00};
	static const uint8_t echo[] = {
		0x10, 0x01, 0x00, 0x0c, 0x00, 0x08, 0x00, 0x01, 0x00, 0x09, 0x00, 0x04};
	static const uint8_t request[] = {
		0x10, 0x01, 0x00, 0x0e, 0x00, 0x01, 0x00, 0x02, 0x00, 0x01, 0x00, 0x06, 0x00, 0x01};
	struct server s;

	server_start(&s);
	input(&s, unknown, sizeof(unknown));
	assert_aborted(
		&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_INVALID_FRAME_RECEIVED, SSTP_END_MALFORMED);
	server_start(&s); // fewer attributes than it says
	input(&s, request, sizeof(request));
	assert_aborted(
		&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_INVALID_FRAME_RECEIVED, SSTP_END_MALFORMED);
	server_connected(&s);
	input(&s, echo, sizeof(echo));
	assert_aborted(&s, 9, ATTRIB_STATUS_UNRECOGNIZED_ATTRIBUTE, SSTP_END_MALFORMED);
}

static void test_wrong_state(void **state)
{
	struct server s;

	server_start(&s);
	input(&s, vector_msg_sha256, sizeof(vector_msg_sha256));
	assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_UNACCEPTED_FRAME_RECEIVED,
		SSTP_END_PROTOCOL_ERROR);
	server_start(&s);
	input(&s, golden_echo_request, sizeof(golden_echo_request));
	assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_UNACCEPTED_FRAME_RECEIVED,
		SSTP_END_PROTOCOL_ERROR);
	server_acked(&s);
	input(&s, golden_request, sizeof(golden_request));
	assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_UNACCEPTED_FRAME_RECEIVED,
		SSTP_END_PROTOCOL_ERROR);
	server_connected(&s);
	input(&s, vector_msg_sha256, sizeof(vector_msg_sha256));
	assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_UNACCEPTED_FRAME_RECEIVED,
		SSTP_END_PROTOCOL_ERROR);
	server_connected(&s);
	input(&s, golden_disconnect_ack, sizeof(golden_disconnect_ack));
	assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_UNACCEPTED_FRAME_RECEIVED,
		SSTP_END_PROTOCOL_ERROR);
}

// Frames by protocol, before and after Call Connected, with and without address and control.
static void test_frames(void **state)
{
	static const struct {
		uint8_t frame[8];
		size_t len;
		bool control;
	} frames[] = {
		{{0xff, 0x03, 0xc0, 0x21, 1, 1, 0, 4}, 8, true}, // LCP
		{{0xc0, 0x21, 1, 1, 0, 4}, 6, true},
		{{0xff, 0x03, 0x80, 0x21, 1}, 5, true},     // IPCP
		{{0xff, 0x03, 0xc2, 0x23, 1}, 5, true},     // CHAP
		{{0xff, 0x03, 0x00, 0x21, 0x45}, 5, false}, // IPv4
		{{0x00, 0x21, 0x45}, 3, false},
		{{0x21, 0x45}, 2, false}, // compressed protocol
		{{0xff, 0x03, 0x21, 0x45}, 4, false},
		{{0xff, 0x03, 0x00, 0x57, 0x60}, 5, false}, // IPv6
		{{0xff, 0x03, 0x00, 0x3d, 0xc0}, 5, false}, // multilink
		{{0x3d, 0xc0}, 2, false},
		{{0xff, 0x03, 0x00, 0xfd, 1}, 5, false}, // compressed datagram
		{{0xff, 0x03, 0x7f, 0xff, 1}, 5, false}, // below 0x8000
		{{0xff, 0x03, 0x40, 0x21, 1}, 5, false},
		{{0xc1, 0x23}, 2, false}, // one byte: 00c1
		{{0xff, 0x03, 0xff, 0x03, 0xc0, 0x21}, 6, false},
		{{0xff, 0x03}, 2, false},
		{{0xff, 0x03, 0xc0}, 3, false},
		{{0xc0}, 1, false},
		{{0xff}, 1, false},
	};
	struct server s;
	uint8_t pkt[16];

	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		size_t len = SSTP_HDR_LEN + frames[i].len;

		sstp_put_hdr(pkt, false, (uint16_t)len);
		memcpy(pkt + 4, frames[i].frame, frames[i].len);
		server_start(&s);
		input(&s, pkt, len);
		assert_int_equal(s.r.nb_frames, 0);
		assert_int_equal(sstp_send_ppp(&s.call, frames[i].frame, frames[i].len), -ENOTCONN);

		server_acked(&s);
		sstp_authenticated(&s.call, vector_hlak_sha256);
		input(&s, pkt, len);
		assert_int_equal(s.r.nb_frames, frames[i].control);
		assert_int_equal(sstp_send_ppp(&s.call, frames[i].frame, frames[i].len),
			frames[i].control ? 0 : -ENOTCONN);
		assert_int_equal(s.r.nb_sent, frames[i].control);
		assert_int_equal(s.call.state, SSTP_STATE_SERVER_CALL_CONNECTED_PENDING);

		server_connected(&s);
		input(&s, pkt, len);
		assert_int_equal(s.r.nb_frames, 1);
		assert_int_equal(s.r.frame_len, frames[i].len);
		assert_memory_equal(s.r.frame, frames[i].frame, frames[i].len);
		assert_int_equal(sstp_send_ppp(&s.call, frames[i].frame, frames[i].len), 0);
		assert_int_equal(s.r.sent[0].len, len);
		assert_memory_equal(s.r.sent[0].pkt, pkt, len);

		sstp_disconnect(&s.call);
		rec_reset(&s.r);
		input(&s, pkt, len);
		assert_int_equal(s.r.nb_frames, 0);
		assert_int_equal(sstp_send_ppp(&s.call, frames[i].frame, frames[i].len), -ENOTCONN);
	}

	sstp_put_hdr(pkt, false, 4); // no frame at all
	server_connected(&s);
	input(&s, pkt, 4);
	assert_int_equal(s.r.nb_frames, 0);
	assert_int_equal(s.call.state, SSTP_STATE_SERVER_CALL_CONNECTED);
}

static void test_frame_sizes(void **state)
{
	static uint8_t pkt[SSTP_MAX_PACKET + 1];
	struct server s;

	server_connected(&s);
	assert_int_equal(data_packet(pkt, 0x0021, SSTP_MAX_PPP_FRAME - 4), SSTP_MAX_PACKET);
	input(&s, pkt, SSTP_MAX_PACKET);
	assert_int_equal(s.r.frame_len, SSTP_MAX_PPP_FRAME);
	assert_int_equal(sstp_send_ppp(&s.call, pkt + 4, SSTP_MAX_PPP_FRAME), 0);
	assert_int_equal(s.r.sent[0].len, SSTP_MAX_PACKET);
	assert_memory_equal(s.r.sent[0].pkt, pkt, SSTP_MAX_PACKET);
	assert_int_equal(sstp_send_ppp(&s.call, pkt, SSTP_MAX_PPP_FRAME + 1), -EMSGSIZE);
	assert_int_equal(sstp_send_ppp(&s.call, pkt, 0), -EMSGSIZE);
}

static void test_echo_and_hello(void **state)
{
	struct server s;

	server_connected(&s);
	input(&s, golden_echo_request, sizeof(golden_echo_request));
	assert_int_equal(s.r.sent[0].len, sizeof(golden_echo_response));
	assert_memory_equal(s.r.sent[0].pkt, golden_echo_response, sizeof(golden_echo_response));
	rec_reset(&s.r);

	sstp_hello_expired(&s.call, 0);
	assert_int_equal(s.r.nb_sent, 0);
	sstp_hello_expired(&s.call, 1);
	assert_int_equal(s.r.sent[0].len, sizeof(golden_echo_request));
	assert_memory_equal(s.r.sent[0].pkt, golden_echo_request, sizeof(golden_echo_request));
	input(&s, golden_echo_response, sizeof(golden_echo_response));
	assert_int_equal(s.call.state, SSTP_STATE_SERVER_CALL_CONNECTED);
	rec_reset(&s.r);
	sstp_hello_expired(&s.call, 2);
	assert_int_equal(s.r.nb_sent, 0); // no Call Abort
	assert_int_equal(s.r.nb_closed, 1);
	assert_int_equal(s.r.why, SSTP_END_HELLO_TIMEOUT);
	assert_false(s.r.flush);

	server_acked(&s); // the negotiation timer's turn, not the hello timer's
	sstp_hello_expired(&s.call, 1);
	sstp_hello_expired(&s.call, 2);
	assert_int_equal(s.r.nb_sent + s.r.nb_closed, 0);
	// a client that probes while a second factor is waited for
	input(&s, golden_echo_request, sizeof(golden_echo_request));
	assert_int_equal(rec_type(&s.r, 0), SSTP_MSG_ECHO_RESPONSE);
	assert_int_equal(s.call.state, SSTP_STATE_SERVER_CALL_CONNECTED_PENDING);
}

static void test_negotiation_timer(void **state)
{
	struct server s;

	server_start(&s);
	sstp_restart_negotiation(&s.call); // not for the Connect Request
	assert_int_equal(s.r.nb_timer_starts, 1);
	sstp_timeout(&s.call, SSTP_TIMER_NEGOTIATION);
	assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_NEGOTIATION_TIMEOUT,
		SSTP_END_NEGOTIATION_TIMEOUT);

	server_acked(&s);
	sstp_restart_negotiation(&s.call);
	assert_int_equal(s.r.nb_timer_starts, 1);
	// the client that never sends Call Connected, authenticated or not
	sstp_authenticated(&s.call, vector_hlak_sha256);
	sstp_timeout(&s.call, SSTP_TIMER_NEGOTIATION);
	assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_NEGOTIATION_TIMEOUT,
		SSTP_END_NEGOTIATION_TIMEOUT);

	server_connected(&s); // a late one
	sstp_timeout(&s.call, SSTP_TIMER_NEGOTIATION);
	sstp_restart_negotiation(&s.call);
	assert_int_equal(s.r.nb_sent + s.r.nb_timer_starts, 0);
}

static void test_peer_disconnects(void **state)
{
	// with and without Status Info, and with one that is broken
	static const uint8_t bare[] = {0x10, 0x01, 0x00, 0x08, 0x00, 0x06, 0x00, 0x00};
	static const uint8_t broken[] = {
		0x10, 0x01, 0x00, 0x0c, 0x00, 0x06, 0x00, 0x07, 0x00, 0x02, 0x0f, 0xff};
	static const struct {
		const uint8_t *pkt;
		size_t len;
	} packets[] = {{golden_disconnect, sizeof(golden_disconnect)}, {bare, sizeof(bare)},
		{broken, sizeof(broken)}};
	struct server s;

	for (size_t i = 0; i < 9; i++) {
		switch (i / 3) {
		case 0:
			server_start(&s);
			break;
		case 1:
			server_acked(&s);
			break;
		default:
			server_connected(&s);
		}
		input(&s, packets[i % 3].pkt, packets[i % 3].len);
		assert_int_equal(s.r.nb_sent, 1);
		assert_int_equal(s.r.sent[0].len, sizeof(golden_disconnect_ack));
		assert_memory_equal(
			s.r.sent[0].pkt, golden_disconnect_ack, sizeof(golden_disconnect_ack));
		assert_true(s.r.timer[SSTP_TIMER_CLOSE]);
		assert_int_equal(s.r.timer_ms[SSTP_TIMER_CLOSE], 1000);
		input(&s, golden_disconnect, sizeof(golden_disconnect)); // again
		assert_int_equal(rec_type(&s.r, 1), SSTP_MSG_CALL_DISCONNECT_ACK);
		assert_int_equal(s.r.nb_closed, 0);
		sstp_timeout(&s.call, SSTP_TIMER_CLOSE);
		assert_int_equal(s.r.nb_closed, 1);
		assert_int_equal(s.r.why, SSTP_END_PEER_DISCONNECT);
		assert_true(s.r.flush);
		input(&s, golden_disconnect, sizeof(golden_disconnect)); // over is over
		assert_int_equal(s.r.nb_sent, 2);
	}
}

static void test_local_disconnect(void **state)
{
	struct server s;

	server_connected(&s);
	sstp_disconnect(&s.call);
	assert_int_equal(s.r.sent[0].len, sizeof(golden_disconnect));
	assert_memory_equal(s.r.sent[0].pkt, golden_disconnect, sizeof(golden_disconnect));
	assert_int_equal(s.r.timer_ms[SSTP_TIMER_CLOSE], 5000);
	sstp_disconnect(&s.call); // no more than once
	assert_int_equal(s.r.nb_sent, 1);
	input(&s, golden_disconnect_ack, sizeof(golden_disconnect_ack));
	assert_int_equal(s.r.nb_closed, 1);
	assert_int_equal(s.r.why, SSTP_END_LOCAL_DISCONNECT);
	assert_true(s.r.flush);

	server_connected(&s); // no answer
	sstp_disconnect(&s.call);
	sstp_timeout(&s.call, SSTP_TIMER_CLOSE);
	assert_int_equal(s.r.why, SSTP_END_LOCAL_DISCONNECT);

	server_acked(&s); // both at once
	sstp_disconnect(&s.call);
	input(&s, golden_disconnect, sizeof(golden_disconnect));
	assert_int_equal(rec_type(&s.r, 1), SSTP_MSG_CALL_DISCONNECT_ACK);
	input(&s, golden_disconnect_ack, sizeof(golden_disconnect_ack));
	assert_int_equal(s.r.nb_closed, 0);
	sstp_timeout(&s.call, SSTP_TIMER_CLOSE);
	assert_int_equal(s.r.why, SSTP_END_LOCAL_DISCONNECT);

	server_start(&s); // there is no call yet
	sstp_disconnect(&s.call);
	assert_aborted(&s, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_NO_ERROR, SSTP_END_LOCAL_DISCONNECT);
}

static void test_peer_aborts(void **state)
{
	struct server s;

	server_connected(&s);
	input(&s, golden_abort, sizeof(golden_abort));
	rec_assert_info(&s.r, 0, SSTP_MSG_CALL_ABORT, SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_NO_ERROR);
	assert_int_equal(s.r.timer_ms[SSTP_TIMER_CLOSE], 1000);
	input(&s, golden_abort, sizeof(golden_abort)); // no ping-pong
	assert_int_equal(s.r.nb_sent, 1);
	sstp_timeout(&s.call, SSTP_TIMER_CLOSE);
	assert_int_equal(s.r.why, SSTP_END_PEER_ABORT);
	assert_int_equal(s.r.status, ATTRIB_STATUS_VALUE_NOT_SUPPORTED);
	assert_true(s.r.flush);

	server_connected(&s); // answers ours
	sstp_abort(&s.call, SSTP_END_PROTOCOL_ERROR, SSTP_ATTRIB_NO_ERROR,
		ATTRIB_STATUS_INVALID_FRAME_RECEIVED);
	rec_assert_info(&s.r, 0, SSTP_MSG_CALL_ABORT, SSTP_ATTRIB_NO_ERROR,
		ATTRIB_STATUS_INVALID_FRAME_RECEIVED);
	assert_int_equal(s.r.timer_ms[SSTP_TIMER_CLOSE], 3000);
	input(&s, golden_abort, sizeof(golden_abort));
	assert_int_equal(s.r.nb_sent, 1);
	assert_int_equal(s.r.timer_ms[SSTP_TIMER_CLOSE], 1000);
	sstp_timeout(&s.call, SSTP_TIMER_CLOSE);
	assert_int_equal(s.r.why, SSTP_END_PROTOCOL_ERROR);
	assert_int_equal(s.r.status, ATTRIB_STATUS_INVALID_FRAME_RECEIVED);

	server_connected(&s); // a disconnect is acknowledged while aborting, too
	sstp_abort(&s.call, SSTP_END_PROTOCOL_ERROR, SSTP_ATTRIB_NO_ERROR,
		ATTRIB_STATUS_INVALID_FRAME_RECEIVED);
	input(&s, golden_disconnect, sizeof(golden_disconnect));
	assert_int_equal(rec_type(&s.r, 1), SSTP_MSG_CALL_DISCONNECT_ACK);
	sstp_timeout(&s.call, SSTP_TIMER_CLOSE);
	assert_int_equal(s.r.why, SSTP_END_PROTOCOL_ERROR);
}

static void test_undelineable(void **state)
{
	static const uint8_t packets[][8] = {
		{0x11, 0x01, 0x00, 0x08, 0x00, 0x08, 0x00, 0x00}, // version
		{0x10, 0x01, 0x00, 0x07, 0x00, 0x08, 0x00, 0x00}, // too short a control packet
		{0x10, 0x00, 0x00, 0x03, 0x00, 0x08, 0x00, 0x00}, // shorter than its header
		{0x10, 0x01, 0x00, 0x09, 0x00, 0x08, 0x00, 0x00}, // not what was delineated
	};
	struct server s;

	for (size_t i = 0; i <= sizeof(packets) / sizeof(packets[0]); i++) {
		server_connected(&s);
		if (i == sizeof(packets) / sizeof(packets[0]))
			sstp_undelineable(&s.call);
		else
			input(&s, packets[i], sizeof(packets[i]));
		assert_int_equal(s.r.nb_sent, 0);
		assert_int_equal(s.r.nb_closed, 1);
		assert_int_equal(s.r.why, SSTP_END_UNDELINEABLE);
		assert_false(s.r.flush);
		sstp_undelineable(&s.call);
		assert_int_equal(s.r.nb_closed, 1);
	}
	for (size_t n = 0; n < 4; n++) {
		server_start(&s);
		input(&s, golden_request, n);
		assert_int_equal(s.r.why, SSTP_END_UNDELINEABLE);
	}
}

// Authentication before its time opens nothing.
static void test_authenticated_early(void **state)
{
	struct server s;

	server_start(&s);
	sstp_authenticated(&s.call, vector_hlak_sha256);
	assert_false(s.call.have_hlak);
	input(&s, golden_request, sizeof(golden_request));
	input(&s, vector_msg_sha256, sizeof(vector_msg_sha256));
	assert_int_equal(s.r.nb_connected, 0);
	assert_true(s.call.connected_held);
}

static void test_forget(void **state)
{
	static const uint8_t zero[sizeof(vector_msg_sha256)];
	struct server s;

	server_acked(&s);
	input(&s, vector_msg_sha256, sizeof(vector_msg_sha256));
	memcpy(s.call.hlak, vector_hlak_sha256, sizeof(s.call.hlak));
	sstp_free(&s.call);
	assert_memory_equal(s.call.hlak, zero, sizeof(s.call.hlak));
	assert_memory_equal(s.call.held, zero, sizeof(s.call.held));
	assert_int_equal(s.r.nb_closed + s.r.nb_sent, 0);
	// nothing wakes it
	input(&s, golden_request, sizeof(golden_request));
	sstp_authenticated(&s.call, vector_hlak_sha256);
	sstp_timeout(&s.call, SSTP_TIMER_CLOSE);
	sstp_disconnect(&s.call);
	sstp_abort(&s.call, SSTP_END_PROTOCOL_ERROR, 0, 0);
	sstp_free(&s.call);
	assert_int_equal(s.r.nb_closed + s.r.nb_sent + s.r.nb_frames, 0);
	assert_memory_equal(s.call.hlak, zero, sizeof(s.call.hlak));

	memset(&s, 0, sizeof(s)); // never started
	sstp_free(&s.call);
}

// PPP may authenticate, answer and hang up from inside the callbacks.
static struct server inside;

static void inside_frame(void *user, const uint8_t *frame, size_t len)
{
	assert_int_equal(sstp_send_ppp(&inside.call, frame, len), 0);
	if (len == 8)
		sstp_authenticated(&inside.call, vector_hlak_sha256);
	else
		sstp_disconnect(&inside.call);
}

static void inside_up(void *user)
{
	static const uint8_t lcp[] = {0xff, 0x03, 0xc0, 0x21, 1, 1, 0, 4};

	assert_int_equal(sstp_send_ppp(&inside.call, lcp, sizeof(lcp)), 0);
}

static void inside_connected(void *user)
{
	static const uint8_t ip[] = {0xff, 0x03, 0x00, 0x21, 0x45};

	rec_connected(user);
	assert_int_equal(sstp_send_ppp(&inside.call, ip, sizeof(ip)), 0);
}

static void test_from_inside(void **state)
{
	struct sstp_ops ops = rec_ops;
	uint8_t pkt[16];
	struct sstp_params p;

	ops.ppp_frame = inside_frame;
	ops.ppp_up = inside_up;
	ops.call_connected = inside_connected;
	memset(&inside, 0, sizeof(inside));
	vector_params(&p, vector_msg_sha256);
	sstp_server_start(&inside.call, &ops, &inside.r, &p);
	input(&inside, golden_request, sizeof(golden_request));
	assert_int_equal(rec_type(&inside.r, 0), SSTP_MSG_CALL_CONNECT_ACK);
	assert_int_equal(inside.r.nb_sent, 2);
	input(&inside, vector_msg_sha256, sizeof(vector_msg_sha256));
	input(&inside, pkt, data_packet(pkt, 0xc223, 4)); // authenticates, and so connects
	assert_int_equal(inside.r.nb_connected, 1);
	assert_int_equal(inside.r.nb_sent, 4);
	input(&inside, pkt, data_packet(pkt, 0xc021, 5)); // hangs up
	assert_int_equal(inside.r.nb_sent, 6);
	assert_int_equal(rec_type(&inside.r, 5), SSTP_MSG_CALL_DISCONNECT);
	assert_int_equal(inside.call.state, SSTP_STATE_CALL_DISCONNECT_ACK_PENDING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_call_sha1),
		cmocka_unit_test(test_reserved_bits_are_in_the_mac),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_tampered),
		cmocka_unit_test(test_hash_bits),
		cmocka_unit_test(test_malformed_binding),
		cmocka_unit_test(test_naks),
		cmocka_unit_test(test_invalid_messages),
		cmocka_unit_test(test_wrong_state),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_frame_sizes),
		cmocka_unit_test(test_echo_and_hello),
		cmocka_unit_test(test_negotiation_timer),
		cmocka_unit_test(test_peer_disconnects),
		cmocka_unit_test(test_local_disconnect),
		cmocka_unit_test(test_peer_aborts),
		cmocka_unit_test(test_undelineable),
		cmocka_unit_test(test_authenticated_early),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_from_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
