// SPDX-License-Identifier: BSD-3-Clause
// The calls' interface: packets are decoded and judged here, and become events of the tables.
#include <assert.h>

#include "base/secret.h"
#include "protocol/sstp/sstp_fsm_table.h"

// The checks of 3.3.5.2.3, over the received bytes.
bool sstp_connected_check(
	const struct sstp_call *c, const uint8_t *pkt, size_t len, struct sstp_fault *fault)
{
	struct cursor cur = cursor_make(pkt, len);
	size_t hash_len, mac_len;
	struct sstp_ctrl msg;
	const uint8_t *cert;
	uint8_t mac[32];
	bool good;

	if (sstp_ctrl_decode(&cur, &msg, fault, NULL) || len != SSTP_CALL_CONNECTED_LEN) {
		*fault = (struct sstp_fault){
			SSTP_ATTRIB_CRYPTO_BINDING, ATTRIB_STATUS_ATTRIB_NOT_SUPPORTED_IN_MSG};
		return false;
	}
	*fault = (struct sstp_fault){SSTP_ATTRIB_CRYPTO_BINDING, ATTRIB_STATUS_VALUE_NOT_SUPPORTED};
	if ((msg.binding.hash != CERT_HASH_PROTOCOL_SHA1 &&
		    msg.binding.hash != CERT_HASH_PROTOCOL_SHA256) ||
		!(msg.binding.hash & c->p.hash_mask))
		return false;

	cert = sstp_cert_hash(c, msg.binding.hash, &hash_len);
	good = secret_equal(msg.binding.nonce, c->p.nonce, sizeof(msg.binding.nonce));
	good &= secret_equal(msg.binding.cert_hash, cert, hash_len);
	if (!c->have_hlak)
		return good;
	if (sstp_compound_mac(pkt, msg.binding.hash, c->hlak, mac))
		return false;
	mac_len = hash_len; // the digest of the same hash
	good &= secret_equal(msg.binding.compound_mac, mac, mac_len);
	secret_wipe(mac, sizeof(mac));
	return good;
}

static void input_connect_request(struct sstp_call *c, const uint8_t *pkt, size_t len)
{
	struct sstp_event_arg arg = {.why = SSTP_END_MALFORMED};
	struct cursor cur = cursor_make(pkt, len);
	uint8_t nak[SSTP_MAX_PACKET];
	struct sstp_builder b;
	struct sstp_ctrl msg;

	sstp_build_open(&b, nak, sizeof(nak), SSTP_MSG_CALL_CONNECT_NAK);
	switch (sstp_ctrl_decode(&cur, &msg, &arg.fault, &b)) {
	case 0:
		sstp_fsm_step(c, SSTP_EV_RCV_CONNECT_REQUEST_PLUS, &arg);
		return;
	case -EINVAL:
		break;
	default:
		sstp_fsm_step(c, SSTP_EV_RCV_INVALID, &arg);
		return;
	}
	if (c->nb_naks >= SSTP_MAX_NAKS) {
		arg.why = SSTP_END_RETRY_COUNT_EXCEEDED;
		arg.fault = (struct sstp_fault){
			SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_RETRY_COUNT_EXCEEDED};
		sstp_fsm_step(c, SSTP_EV_RCV_CONNECT_REQUEST_LAST, &arg);
		return;
	}
	arg.pkt = nak;
	arg.len = sstp_build_close(&b);
	sstp_fsm_step(c, SSTP_EV_RCV_CONNECT_REQUEST_MINUS, &arg);
}

// 3.2.5.3.2
static void input_connect_ack(struct sstp_call *c, const uint8_t *pkt, size_t len)
{
	struct sstp_event_arg arg = {.why = SSTP_END_CRYPTO_BINDING};
	struct cursor cur = cursor_make(pkt, len);
	struct sstp_ctrl msg;
	int rc;

	rc = sstp_ctrl_decode(&cur, &msg, &arg.fault, NULL);
	if (rc == -EBADMSG) {
		arg.why = SSTP_END_MALFORMED;
		sstp_fsm_step(c, SSTP_EV_RCV_INVALID, &arg);
		return;
	}
	if (!rc && !(msg.offered_hashes & c->p.hash_mask)) {
		arg.fault = (struct sstp_fault){
			SSTP_ATTRIB_CRYPTO_BINDING_REQ, ATTRIB_STATUS_VALUE_NOT_SUPPORTED};
		rc = -EINVAL;
	}
	if (rc) {
		sstp_fsm_step(c, SSTP_EV_RCV_CONNECT_ACK_MINUS, &arg);
		return;
	}
	if (c->state == SSTP_STATE_CLIENT_CONNECT_REQUEST_SENT) {
		c->peer_hash = msg.offered_hashes & c->p.hash_mask;
		memcpy(c->p.nonce, msg.req_nonce, sizeof(c->p.nonce));
	}
	sstp_fsm_step(c, SSTP_EV_RCV_CONNECT_ACK_PLUS, &arg);
}

// 3.2.5.3.3. There is nothing to change in the request, so what refuses it is the server's word.
static void input_connect_nak(struct sstp_call *c, const uint8_t *pkt, size_t len)
{
	struct sstp_event_arg arg = {.why = SSTP_END_MALFORMED};
	struct cursor cur = cursor_make(pkt, len);
	struct sstp_ctrl msg;

	if (sstp_ctrl_decode(&cur, &msg, &arg.fault, NULL)) {
		sstp_fsm_step(c, SSTP_EV_RCV_INVALID, &arg);
		return;
	}
	if (c->state == SSTP_STATE_CLIENT_CONNECT_REQUEST_SENT && ++c->nb_naks >= SSTP_MAX_NAKS) {
		arg.end_status = msg.info.status;
		arg.why = SSTP_END_REFUSED;
		arg.fault = (struct sstp_fault){
			SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_RETRY_COUNT_EXCEEDED};
		sstp_fsm_step(c, SSTP_EV_RCV_CONNECT_NAK_LAST, &arg);
		return;
	}
	sstp_fsm_step(c, SSTP_EV_RCV_CONNECT_NAK, &arg);
}

// 3.3.5.2.3
static void input_call_connected(struct sstp_call *c, const uint8_t *pkt, size_t len)
{
	struct sstp_event_arg arg = {.pkt = pkt, .len = len, .why = SSTP_END_CRYPTO_BINDING};
	enum sstp_event ev = SSTP_EV_RCV_CALL_CONNECTED_PLUS;

	// In other states the table needs no verdict.
	if (c->state == SSTP_STATE_SERVER_CALL_CONNECTED_PENDING) {
		if (c->connected_held) { // a second one
			arg.why = SSTP_END_PROTOCOL_ERROR;
			arg.fault = (struct sstp_fault){
				SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_UNACCEPTED_FRAME_RECEIVED};
			ev = SSTP_EV_RCV_CALL_CONNECTED_MINUS;
		} else if (!sstp_connected_check(c, pkt, len, &arg.fault)) {
			ev = SSTP_EV_RCV_CALL_CONNECTED_MINUS;
		} else if (!c->have_hlak) {
			ev = SSTP_EV_RCV_CALL_CONNECTED_EARLY;
		}
	}
	sstp_fsm_step(c, ev, &arg);
}

// Call Abort and Call Disconnect are obeyed in any shape.
static void input_ending(struct sstp_call *c, enum sstp_event ev, const uint8_t *pkt, size_t len)
{
	struct sstp_event_arg arg = {.why = SSTP_END_NONE};

	sstp_ctrl_find_info(pkt, len, &arg.fault);
	sstp_fsm_step(c, ev, &arg);
}

// A message that has no attributes.
static void input_bare(struct sstp_call *c, enum sstp_event ev, const uint8_t *pkt, size_t len)
{
	struct sstp_event_arg arg = {.why = SSTP_END_MALFORMED};
	struct cursor cur = cursor_make(pkt, len);
	struct sstp_ctrl msg;

	if (sstp_ctrl_decode(&cur, &msg, &arg.fault, NULL))
		ev = SSTP_EV_RCV_INVALID;
	sstp_fsm_step(c, ev, &arg);
}

static void input_ctrl(struct sstp_call *c, const uint8_t *pkt, size_t len)
{
	const struct sstp_event_arg invalid = {
		.fault = {SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_INVALID_FRAME_RECEIVED},
		.why = SSTP_END_MALFORMED};
	uint16_t type, nb_attribs;

	sstp_ctrl_peek(pkt, &type, &nb_attribs);
	c->message = type;
	switch (type) {
	case SSTP_MSG_CALL_CONNECT_REQUEST:
		input_connect_request(c, pkt, len);
		break;
	case SSTP_MSG_CALL_CONNECT_ACK:
		input_connect_ack(c, pkt, len);
		break;
	case SSTP_MSG_CALL_CONNECT_NAK:
		input_connect_nak(c, pkt, len);
		break;
	case SSTP_MSG_CALL_CONNECTED:
		input_call_connected(c, pkt, len);
		break;
	case SSTP_MSG_CALL_ABORT:
		input_ending(c, SSTP_EV_RCV_CALL_ABORT, pkt, len);
		break;
	case SSTP_MSG_CALL_DISCONNECT:
		input_ending(c, SSTP_EV_RCV_CALL_DISCONNECT, pkt, len);
		break;
	case SSTP_MSG_CALL_DISCONNECT_ACK:
		input_bare(c, SSTP_EV_RCV_CALL_DISCONNECT_ACK, pkt, len);
		break;
	case SSTP_MSG_ECHO_REQUEST:
		input_bare(c, SSTP_EV_RCV_ECHO_REQUEST, pkt, len);
		break;
	case SSTP_MSG_ECHO_RESPONSE:
		input_bare(c, SSTP_EV_RCV_ECHO_RESPONSE, pkt, len);
		break;
	default:
		sstp_fsm_step(c, SSTP_EV_RCV_INVALID, &invalid);
		break;
	}
}

// 3.1.7.1: control is every protocol from 0x8000 up, with all its bytes there: RFC 1661 2, 6.5.
// Address and control may be left out; a protocol whose first byte is odd is one byte long.
static bool frame_is_control(const uint8_t *frame, size_t len)
{
	struct cursor c = cursor_make(frame, len);
	uint16_t protocol;

	if (cur_left(&c) >= 2 && c.p[0] == 0xff && c.p[1] == 0x03)
		cur_skip(&c, 2);
	return !cur_u16(&c, &protocol) && (protocol & 0x8100) == 0x8000;
}

void sstp_params_default(struct sstp_params *p)
{
	*p = (struct sstp_params){
		.hash_mask = CERT_HASH_PROTOCOL_SHA1 | CERT_HASH_PROTOCOL_SHA256,
		.negotiation_ms = 60000,
		.abort_1_ms = 3000,
		.abort_2_ms = 1000,
		.disconnect_1_ms = 5000,
		.disconnect_2_ms = 1000,
	};
}

static void start(struct sstp_call *c, bool server, const struct sstp_ops *ops, void *user,
	const struct sstp_params *p)
{
	static_assert(SSTP_STATE_CALL_DISCONNECTED == 0, "the state of a fresh call");
	*c = (struct sstp_call){.ops = ops, .user = user, .p = *p, .server = server};
	c->p.hash_mask &= CERT_HASH_PROTOCOL_SHA1 | CERT_HASH_PROTOCOL_SHA256;
	sstp_fsm_step(c, SSTP_EV_UP, NULL);
}

void sstp_server_start(
	struct sstp_call *c, const struct sstp_ops *ops, void *user, const struct sstp_params *p)
{
	start(c, true, ops, user, p);
}

void sstp_client_start(
	struct sstp_call *c, const struct sstp_ops *ops, void *user, const struct sstp_params *p)
{
	start(c, false, ops, user, p);
}

void sstp_input(struct sstp_call *c, const uint8_t *pkt, size_t len)
{
	struct sstp_event_arg arg = {0};
	uint16_t packet_len;
	bool control;

	if (sstp_peek(pkt, len, &packet_len, &control) || packet_len != len) {
		sstp_undelineable(c);
		return;
	}
	if (control) {
		input_ctrl(c, pkt, len);
		return;
	}
	if (len == SSTP_HDR_LEN) // an empty frame
		return;
	arg.pkt = pkt + SSTP_HDR_LEN;
	arg.len = len - SSTP_HDR_LEN;
	sstp_fsm_step(c,
		frame_is_control(arg.pkt, arg.len) ? SSTP_EV_RCV_PPP_CONTROL : SSTP_EV_RCV_PPP_DATA,
		&arg);
}

void sstp_undelineable(struct sstp_call *c)
{
	const struct sstp_event_arg arg = {.why = SSTP_END_UNDELINEABLE};

	sstp_fsm_step(c, SSTP_EV_UNDELINEABLE, &arg);
}

void sstp_timeout(struct sstp_call *c, enum sstp_timer t)
{
	const struct sstp_event_arg arg = {
		.fault = {SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_NEGOTIATION_TIMEOUT},
		.why = SSTP_END_NEGOTIATION_TIMEOUT};

	sstp_fsm_step(
		c, t == SSTP_TIMER_NEGOTIATION ? SSTP_EV_TO_NEGOTIATION : SSTP_EV_TO_CLOSE, &arg);
}

void sstp_hello_expired(struct sstp_call *c, unsigned int intervals)
{
	const struct sstp_event_arg arg = {.why = SSTP_END_HELLO_TIMEOUT};

	if (intervals > 0)
		sstp_fsm_step(c, intervals == 1 ? SSTP_EV_HELLO_1 : SSTP_EV_HELLO_2, &arg);
}

void sstp_authenticated(struct sstp_call *c, const uint8_t hlak[SSTP_HLAK_LEN])
{
	const struct sstp_event_arg arg = {.hlak = hlak};

	sstp_fsm_step(c, SSTP_EV_AUTHENTICATED, &arg);
}

void sstp_restart_negotiation(struct sstp_call *c)
{
	sstp_fsm_step(c, SSTP_EV_RESTART_NEGOTIATION, NULL);
}

int sstp_send_ppp(struct sstp_call *c, const uint8_t *frame, size_t len)
{
	bool connected = c->state == SSTP_STATE_SERVER_CALL_CONNECTED ||
			 c->state == SSTP_STATE_CLIENT_CALL_CONNECTED;
	bool pending = c->state == SSTP_STATE_SERVER_CALL_CONNECTED_PENDING ||
		       c->state == SSTP_STATE_CLIENT_CONNECT_ACK_RECEIVED;
	uint8_t pkt[SSTP_MAX_PACKET];

	if (len == 0 || len > SSTP_MAX_PPP_FRAME)
		return -EMSGSIZE;
	if (!connected && !(pending && frame_is_control(frame, len)))
		return -ENOTCONN;
	sstp_put_hdr(pkt, false, (uint16_t)(SSTP_HDR_LEN + len));
	memcpy(pkt + SSTP_HDR_LEN, frame, len);
	c->ops->send(c->user, pkt, SSTP_HDR_LEN + len);
	return 0;
}

void sstp_disconnect(struct sstp_call *c)
{
	const struct sstp_event_arg arg = {.why = SSTP_END_LOCAL_DISCONNECT};

	sstp_fsm_step(c, SSTP_EV_DISCONNECT, &arg);
}

void sstp_abort(struct sstp_call *c, enum sstp_end why, uint8_t attrib, uint32_t status)
{
	const struct sstp_event_arg arg = {.fault = {attrib, status}, .why = why};

	sstp_fsm_step(c, SSTP_EV_ABORT, &arg);
}

void sstp_free(struct sstp_call *c)
{
	sstp_fsm_step(c, SSTP_EV_DOWN, NULL);
}
