// SPDX-License-Identifier: BSD-3-Clause
#include "sstp_test_util.h"

static int decode(const uint8_t *pkt, size_t len, struct sstp_ctrl *msg, struct sstp_fault *fault)
{
	struct cursor c = cursor_make(pkt, len);

	return sstp_ctrl_decode(&c, msg, fault, NULL);
}

static void test_names(void **state)
{
	assert_string_equal(sstp_msg_name(SSTP_MSG_CALL_CONNECTED), "CALL_CONNECTED");
	assert_string_equal(sstp_msg_name(0), "unknown");
	assert_string_equal(sstp_msg_name(10), "unknown");
	assert_string_equal(sstp_attrib_name(SSTP_ATTRIB_CRYPTO_BINDING_REQ), "CRYPTO_BINDING_REQ");
	assert_string_equal(sstp_attrib_name(200), "unknown");
	assert_string_equal(sstp_status_name(6), "RETRY_COUNT_EXCEEDED");
	assert_string_equal(sstp_status_name(0xffffffff), "unknown");
	assert_string_equal(
		sstp_state_name(SSTP_STATE_SERVER_CALL_CONNECTED), "SERVER_CALL_CONNECTED");
	assert_string_equal(sstp_state_name(SSTP_N_STATES), "unknown");
	assert_string_equal(sstp_end_text(SSTP_END_CRYPTO_BINDING), "crypto binding failed");
	assert_string_equal(sstp_end_text(SSTP_N_ENDS), "unknown");
}

static void test_peek(void **state)
{
	uint8_t p[4] = {0x10, 0x00, 0x00, 0x04};
	uint16_t len;
	bool control;

	for (size_t n = 0; n < 4; n++)
		assert_int_equal(sstp_peek(p, n, &len, &control), -EAGAIN);
	assert_int_equal(sstp_peek(p, 4, &len, &control), 0);
	assert_int_equal(len, 4);
	assert_false(control);
	p[3] = 3;
	assert_int_equal(sstp_peek(p, 4, &len, &control), -EBADMSG);
	p[1] = 1; // control: at least 8
	p[3] = 7;
	assert_int_equal(sstp_peek(p, 4, &len, &control), -EBADMSG);
	p[3] = 8;
	assert_int_equal(sstp_peek(p, 4, &len, &control), 0);
	assert_true(control);
	p[1] = 0xff; // 7 reserved bits
	p[2] = 0xff; // 4 reserved bits
	p[3] = 0xff;
	assert_int_equal(sstp_peek(p, 4, &len, &control), 0);
	assert_int_equal(len, 4095);
	assert_true(control);
	for (unsigned int v = 0; v < 256; v++) {
		p[0] = (uint8_t)v;
		assert_int_equal(sstp_peek(p, 4, &len, &control), v == 0x10 ? 0 : -EBADMSG);
	}
}

static size_t build_ack(uint8_t *buf, size_t cap)
{
	struct sstp_builder b;
	uint8_t nonce[SSTP_NONCE_LEN];

	memset(nonce, 0x5c, sizeof(nonce));
	sstp_build_open(&b, buf, cap, SSTP_MSG_CALL_CONNECT_ACK);
	sstp_build_binding_req(&b, 3, nonce);
	return sstp_build_close(&b);
}

static void test_round_trips(void **state)
{
	struct sstp_fault f = {SSTP_ATTRIB_CRYPTO_BINDING, ATTRIB_STATUS_VALUE_NOT_SUPPORTED};
	struct sstp_fault fault;
	uint8_t buf[128], nonce[SSTP_NONCE_LEN];
	struct sstp_builder b;
	struct sstp_ctrl msg;
	size_t len;

	sstp_build_open(&b, buf, sizeof(buf), SSTP_MSG_CALL_CONNECT_REQUEST);
	sstp_build_protocol(&b, SSTP_ENCAPSULATED_PROTOCOL_PPP);
	len = sstp_build_close(&b);
	assert_int_equal(len, sizeof(golden_request));
	assert_memory_equal(buf, golden_request, len);
	assert_int_equal(decode(buf, len, &msg, &fault), 0);
	assert_true(msg.have_protocol && msg.protocol == 1);

	len = build_ack(buf, sizeof(buf));
	assert_int_equal(len, 48);
	assert_int_equal(buf[11], 40);
	assert_int_equal(decode(buf, len, &msg, &fault), 0);
	assert_int_equal(msg.offered_hashes, 3);
	memset(nonce, 0x5c, sizeof(nonce));
	assert_memory_equal(msg.req_nonce, nonce, sizeof(nonce));

	assert_int_equal(decode(vector_msg_sha256, sizeof(vector_msg_sha256), &msg, &fault), 0);
	assert_true(msg.have_binding && msg.binding.hash == CERT_HASH_PROTOCOL_SHA256);
	sstp_build_open(&b, buf, sizeof(buf), SSTP_MSG_CALL_CONNECTED);
	sstp_build_binding(&b, &msg.binding);
	assert_int_equal(sstp_build_close(&b), SSTP_CALL_CONNECTED_LEN);
	assert_memory_equal(buf, vector_msg_sha256, SSTP_CALL_CONNECTED_LEN);

	len = sstp_encode_info(buf, sizeof(buf), SSTP_MSG_CALL_ABORT, &f);
	assert_int_equal(len, sizeof(golden_abort));
	assert_memory_equal(buf, golden_abort, len);
	assert_int_equal(decode(buf, len, &msg, &fault), 0);
	assert_int_equal(msg.info.attrib, f.attrib);
	assert_int_equal(msg.info.status, f.status);

	len = sstp_encode_bare(buf, sizeof(buf), SSTP_MSG_ECHO_RESPONSE);
	assert_int_equal(len, 8);
	assert_memory_equal(buf, golden_echo_response, len);
	assert_int_equal(decode(buf, len, &msg, &fault), 0);
}

// Writers that do not fit say so and write nothing outside.
static void test_no_room(void **state)
{
	struct sstp_fault f = {0, 0};
	uint8_t buf[64];

	for (size_t cap = 0; cap < 48; cap++) {
		memset(buf, 0xee, sizeof(buf));
		assert_int_equal(build_ack(buf, cap), 0);
		for (size_t i = cap; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 0xee);
	}
	assert_int_equal(sstp_encode_bare(buf, 7, SSTP_MSG_ECHO_REQUEST), 0);
	assert_int_equal(sstp_encode_info(buf, 19, SSTP_MSG_CALL_ABORT, &f), 0);
	assert_int_equal(sstp_encode_info(buf, 20, SSTP_MSG_CALL_ABORT, &f), 20);
}

static void truncations_fail(const uint8_t *pkt, size_t len)
{
	struct sstp_fault fault;
	struct sstp_ctrl msg;
	uint8_t buf[256];

	assert_int_equal(decode(pkt, len, &msg, &fault), 0);
	for (size_t n = 0; n < len; n++) {
		// an allocation of exactly n bytes, for the sanitizer
		uint8_t *cut = test_malloc(n ? n : 1);

		memcpy(cut, pkt, n);
		assert_true(decode(cut, n, &msg, &fault) < 0);
		assert_true(fault.status != 0);
		if (n >= SSTP_CTRL_HDR_LEN) {
			sstp_put_hdr(cut, true, (uint16_t)n);
			assert_true(decode(cut, n, &msg, &fault) < 0);
		}
		test_free(cut);
	}
	// and one byte too many
	memcpy(buf, pkt, len);
	buf[len] = 0;
	sstp_put_hdr(buf, true, (uint16_t)(len + 1));
	assert_int_equal(decode(buf, len + 1, &msg, &fault), -EBADMSG);
	assert_int_equal(fault.status, ATTRIB_STATUS_INVALID_FRAME_RECEIVED);
}

static void test_truncations(void **state)
{
	struct sstp_fault f = {
		SSTP_ATTRIB_ENCAPSULATED_PROTOCOL_ID, ATTRIB_STATUS_VALUE_NOT_SUPPORTED};
	static const uint8_t value[] = {0x00, 0x07};
	struct sstp_builder b;
	uint8_t buf[128];

	truncations_fail(golden_request, sizeof(golden_request));
	truncations_fail(vector_msg_sha1, sizeof(vector_msg_sha1));
	truncations_fail(golden_abort, sizeof(golden_abort));
	truncations_fail(golden_disconnect, sizeof(golden_disconnect));
	truncations_fail(golden_echo_request, sizeof(golden_echo_request));
	truncations_fail(golden_disconnect_ack, sizeof(golden_disconnect_ack));
	truncations_fail(buf, build_ack(buf, sizeof(buf)));

	sstp_build_open(&b, buf, sizeof(buf), SSTP_MSG_CALL_CONNECT_NAK);
	assert_true(sstp_build_info(&b, &f, value, sizeof(value)));
	assert_true(sstp_build_info(&b, &f, NULL, 0));
	truncations_fail(buf, sstp_build_close(&b));
}

// Reserved bits are ignored: in the packet, the attribute and the value.
static void test_reserved_bits(void **state)
{
	uint8_t pkt[SSTP_CALL_CONNECTED_LEN];
	struct sstp_fault fault;
	struct sstp_ctrl msg;

	memcpy(pkt, vector_msg_sha256, sizeof(pkt));
	pkt[1] = 0xff;
	pkt[2] |= 0xf0;
	pkt[8] = 0xff;
	pkt[10] |= 0xf0;
	memset(pkt + 12, 0xff, 3);
	assert_int_equal(decode(pkt, sizeof(pkt), &msg, &fault), 0);
	assert_int_equal(msg.binding.hash, CERT_HASH_PROTOCOL_SHA256);
}

static void test_unknown_message(void **state)
{
	uint8_t pkt[8] = {0x10, 0x01, 0x00, 0x08, 0, 0, 0, 0};
	struct sstp_fault fault;
	struct sstp_ctrl msg;

	for (unsigned int type = 0; type < 0x10000; type += type < 32 ? 1 : 97) {
		bool bare = type == 5 || type == 6 || type == 7 || type == 8 || type == 9;
		int rc;

		wr_put_u16(pkt + 4, (uint16_t)type);
		rc = decode(pkt, sizeof(pkt), &msg, &fault);
		if (bare)
			assert_int_equal(rc, 0);
		else if (type >= 1 && type <= 4)
			assert_int_equal(fault.status, ATTRIB_STATUS_REQUIRED_ATTRIBUTE_MISSING);
		else
			assert_int_equal(rc, -EBADMSG);
	}
}

// One bad request: what the NAK lists.
struct bad {
	const char *what;
	uint8_t attribs[32];
	size_t len;
	unsigned int nb;
	unsigned int nb_faults;
	struct sstp_fault faults[4];
	size_t value_len; // of the first
};

static const struct bad bad_requests[] = {
	{"nothing", {0}, 0, 0, 1, {{1, ATTRIB_STATUS_REQUIRED_ATTRIBUTE_MISSING}}, 0},
	{"another protocol", {0, 1, 0, 6, 0, 2}, 6, 1, 1, {{1, ATTRIB_STATUS_VALUE_NOT_SUPPORTED}},
		2},
	{"too short a protocol", {0, 1, 0, 5, 0}, 5, 1, 1,
		{{1, ATTRIB_STATUS_INVALID_ATTRIB_VALUE_LENGTH}}, 1},
	{"no protocol value", {0, 1, 0, 4}, 4, 1, 1,
		{{1, ATTRIB_STATUS_INVALID_ATTRIB_VALUE_LENGTH}}, 0},
	{"too long a protocol", {0, 1, 0, 7, 0, 1, 0}, 7, 1, 1,
		{{1, ATTRIB_STATUS_INVALID_ATTRIB_VALUE_LENGTH}}, 3},
	{"twice", {0, 1, 0, 6, 0, 1, 0, 1, 0, 6, 0, 1}, 12, 2, 1,
		{{1, ATTRIB_STATUS_DUPLICATE_ATTRIBUTE}}, 2},
	{"unknown beside the right one", {0, 9, 0, 5, 7, 0, 1, 0, 6, 0, 1}, 11, 2, 1,
		{{9, ATTRIB_STATUS_UNRECOGNIZED_ATTRIBUTE}}, 1},
	{"attribute 0", {0, 0, 0, 4, 0, 1, 0, 6, 0, 1}, 10, 2, 1,
		{{0, ATTRIB_STATUS_UNRECOGNIZED_ATTRIBUTE}}, 0},
	{"of another message", {0, 4, 0, 5, 7, 0, 1, 0, 6, 0, 1}, 11, 2, 1,
		{{4, ATTRIB_STATUS_ATTRIB_NOT_SUPPORTED_IN_MSG}}, 1},
	{"status info", {0, 2, 0, 12, 0, 0, 0, 1, 0, 0, 0, 4, 0, 1, 0, 6, 0, 1}, 18, 2, 1,
		{{2, ATTRIB_STATUS_STATUS_INFO_NOT_SUPPORTED_IN_MSG}}, 8},
	{"all at once", {0, 9, 0, 5, 7, 0, 3, 0, 4, 0, 1, 0, 6, 0, 3, 0, 1, 0, 6, 0, 1}, 21, 4, 4,
		{{9, ATTRIB_STATUS_UNRECOGNIZED_ATTRIBUTE},
			{3, ATTRIB_STATUS_ATTRIB_NOT_SUPPORTED_IN_MSG},
			{1, ATTRIB_STATUS_VALUE_NOT_SUPPORTED},
			{1, ATTRIB_STATUS_DUPLICATE_ATTRIBUTE}},
		1},
	{"a length of 3", {0, 1, 0, 3, 0, 1}, 6, 1, 1,
		{{1, ATTRIB_STATUS_INVALID_ATTRIB_VALUE_LENGTH}}, 0},
	{"a length beyond the packet", {0, 1, 0x0f, 0xff, 0, 1}, 6, 1, 1,
		{{1, ATTRIB_STATUS_INVALID_ATTRIB_VALUE_LENGTH}}, 0},
};

static size_t request(uint8_t *pkt, const void *attribs, size_t len, unsigned int nb)
{
	sstp_put_hdr(pkt, true, (uint16_t)(SSTP_CTRL_HDR_LEN + len));
	wr_put_u16(pkt + 4, SSTP_MSG_CALL_CONNECT_REQUEST);
	wr_put_u16(pkt + 6, (uint16_t)nb);
	memcpy(pkt + 8, attribs, len);
	return SSTP_CTRL_HDR_LEN + len;
}

static void test_bad_requests(void **state)
{
	for (size_t i = 0; i < sizeof(bad_requests) / sizeof(bad_requests[0]); i++) {
		const struct bad *bad = &bad_requests[i];
		uint8_t pkt[64], nak[SSTP_MAX_PACKET];
		struct sstp_fault fault;
		struct sstp_builder b;
		struct sstp_ctrl msg;
		struct cursor c;
		size_t len;

		len = request(pkt, bad->attribs, bad->len, bad->nb);
		c = cursor_make(pkt, len);
		sstp_build_open(&b, nak, sizeof(nak), SSTP_MSG_CALL_CONNECT_NAK);
		if (sstp_ctrl_decode(&c, &msg, &fault, &b) != -EINVAL)
			fail_msg("%s: taken", bad->what);
		len = sstp_build_close(&b);
		assert_int_equal(fault.status, bad->faults[0].status);

		assert_int_equal(decode(nak, len, &msg, &fault), 0);
		if (msg.nb_attribs != bad->nb_faults)
			fail_msg("%s: %u faults", bad->what, msg.nb_attribs);
		c = cursor_make(nak + 8, len - 8);
		for (unsigned int j = 0; j < bad->nb_faults; j++) {
			uint16_t id = 0, attrib_len = 0;
			uint32_t reserved = 0, st = 0;
			uint8_t at = 0;

			assert_int_equal(cur_u16(&c, &id) || cur_u16(&c, &attrib_len) ||
						 cur_u24(&c, &reserved) || cur_u8(&c, &at) ||
						 cur_u32(&c, &st),
				0);
			if (at != bad->faults[j].attrib || st != bad->faults[j].status)
				fail_msg("%s: fault %u is %u %u", bad->what, j, at, st);
			if (j == 0)
				assert_int_equal(attrib_len, 12 + bad->value_len);
			assert_int_equal(cur_skip(&c, attrib_len - 12), 0);
		}
	}
}

// A Status Info that reports no error is no reason to refuse.
static void test_request_with_no_error(void **state)
{
	static const uint8_t attribs[] = {0, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 6, 0, 1};
	struct sstp_fault fault;
	struct sstp_ctrl msg;
	uint8_t pkt[64];

	assert_int_equal(decode(pkt, request(pkt, attribs, sizeof(attribs), 2), &msg, &fault), 0);
}

// Num Attributes lies.
static void test_attribute_count(void **state)
{
	static const uint8_t attribs[] = {0, 1, 0, 6, 0, 1};
	struct sstp_fault fault;
	struct sstp_ctrl msg;
	uint8_t pkt[64];
	size_t len;

	for (unsigned int nb = 0; nb < 0x10000; nb += nb < 4 ? 1 : 8191) {
		len = request(pkt, attribs, sizeof(attribs), nb);
		assert_int_equal(decode(pkt, len, &msg, &fault), nb == 1 ? 0 : -EBADMSG);
	}
}

// More bad attributes than a NAK can list, and values longer than it may quote.
static void test_nak_is_bounded(void **state)
{
	uint8_t attribs[SSTP_MAX_PACKET - 8], pkt[SSTP_MAX_PACKET], nak[SSTP_MAX_PACKET];
	struct sstp_fault fault;
	struct sstp_builder b;
	struct sstp_ctrl msg;
	struct cursor c;
	size_t len;

	memset(attribs, 0, sizeof(attribs));
	for (size_t i = 0; i + 4 <= sizeof(attribs); i += 4) {
		attribs[i + 1] = 77;
		attribs[i + 3] = 4;
	}
	len = request(pkt, attribs, 4084, 1021);
	c = cursor_make(pkt, len);
	sstp_build_open(&b, nak, sizeof(nak), SSTP_MSG_CALL_CONNECT_NAK);
	assert_int_equal(sstp_ctrl_decode(&c, &msg, &fault, &b), -EINVAL);
	len = sstp_build_close(&b);
	assert_true(len > SSTP_MAX_PACKET - SSTP_STATUS_INFO_LEN && len <= SSTP_MAX_PACKET);
	assert_int_equal(decode(nak, len, &msg, &fault), 0);
	assert_int_equal(msg.nb_attribs, (SSTP_MAX_PACKET - 8) / SSTP_STATUS_INFO_LEN);

	memset(attribs, 0x42, sizeof(attribs)); // one attribute of 1000 bytes
	attribs[1] = 77;
	wr_put_u16(attribs + 2, 1000);
	len = request(pkt, attribs, 1000, 1);
	c = cursor_make(pkt, len);
	sstp_build_open(&b, nak, sizeof(nak), SSTP_MSG_CALL_CONNECT_NAK);
	assert_int_equal(sstp_ctrl_decode(&c, &msg, &fault, &b), -EINVAL);
	len = sstp_build_close(&b);
	assert_int_equal(len, 8 + 12 + SSTP_NAK_VALUE_MAX + 12); // and the missing protocol
	assert_int_equal(decode(nak, len, &msg, &fault), 0);
}

static void test_find_info(void **state)
{
	static const uint8_t odd[] = {0x10, 0x01, 0x00, 0x18, 0x00, 0x05, 0x00, 0x09, 0x00, 0x63,
		0x00, 0x04, 0x00, 0x02, 0x00, 0x0c, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x0a};
	struct sstp_fault info;

	assert_true(sstp_ctrl_find_info(golden_abort, sizeof(golden_abort), &info));
	assert_int_equal(info.attrib, 3);
	assert_int_equal(info.status, 4);
	assert_true(sstp_ctrl_find_info(odd, sizeof(odd), &info));
	assert_int_equal(info.status, ATTRIB_STATUS_REQUIRED_ATTRIBUTE_MISSING);
	for (size_t n = 0; n < sizeof(odd); n++) {
		assert_false(sstp_ctrl_find_info(odd, n, &info));
		assert_int_equal(info.status, 0);
	}
}

static void test_compound_mac(void **state)
{
	uint8_t msg[SSTP_CALL_CONNECTED_LEN], mac[32];

	assert_int_equal(sstp_compound_mac(vector_msg_sha256, CERT_HASH_PROTOCOL_SHA256,
				 vector_hlak_sha256, mac),
		0);
	assert_memory_equal(mac, vector_msg_sha256 + SSTP_CONNECTED_MAC_OFF, 32);
	assert_int_equal(
		sstp_compound_mac(vector_msg_sha1, CERT_HASH_PROTOCOL_SHA1, vector_hlak_sha1, mac),
		0);
	assert_memory_equal(mac, vector_msg_sha1 + SSTP_CONNECTED_MAC_OFF, 32);

	// the MAC field does not count, every other byte does
	memcpy(msg, vector_msg_sha256, sizeof(msg));
	memset(msg + SSTP_CONNECTED_MAC_OFF, 0xff, 32);
	assert_int_equal(
		sstp_compound_mac(msg, CERT_HASH_PROTOCOL_SHA256, vector_hlak_sha256, mac), 0);
	assert_memory_equal(mac, vector_msg_sha256 + SSTP_CONNECTED_MAC_OFF, 32);
	for (size_t i = 0; i < SSTP_CONNECTED_MAC_OFF; i++) {
		memcpy(msg, vector_msg_sha256, sizeof(msg));
		msg[i] ^= 1;
		assert_int_equal(
			sstp_compound_mac(msg, CERT_HASH_PROTOCOL_SHA256, vector_hlak_sha256, mac),
			0);
		assert_memory_not_equal(mac, vector_msg_sha256 + SSTP_CONNECTED_MAC_OFF, 32);
	}
	for (unsigned int hash = 0; hash < 256; hash++)
		if (hash != 1 && hash != 2)
			assert_int_equal(
				sstp_compound_mac(msg, (uint8_t)hash, vector_hlak_sha256, mac),
				-EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_peek),
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_reserved_bits),
		cmocka_unit_test(test_unknown_message),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_request_with_no_error),
		cmocka_unit_test(test_attribute_count),
		cmocka_unit_test(test_nak_is_bounded),
		cmocka_unit_test(test_find_info),
		cmocka_unit_test(test_compound_mac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
