// SPDX-License-Identifier: BSD-3-Clause
// What the cells of the state tables do. ppp_up, ppp_frame, call_connected and closed are each the
// last thing an event does, so that PPP may answer, authenticate or hang up from inside them.
#include "protocol/sstp/sstp_fsm_table.h"

#include <assert.h>

#include "base/secret.h"

#define BUF_LEN 128 // every message but a NAK

static_assert(SSTP_CALL_CONNECTED_LEN <= BUF_LEN, "Call Connected is the longest");

const char *sstp_state_name(enum sstp_state s)
{
#define X(name) [SSTP_STATE_##name] = #name,
	static const char *const names[] = {SSTP_STATE_LIST(X)};
#undef X

	return (unsigned int)s < SSTP_N_STATES ? names[s] : "unknown";
}

const char *sstp_end_text(enum sstp_end e)
{
#define X(name, text) [SSTP_END_##name] = text,
	static const char *const texts[] = {SSTP_END_LIST(X)};
#undef X

	return (unsigned int)e < SSTP_N_ENDS ? texts[e] : "unknown";
}

const char *sstp_event_name(enum sstp_event ev)
{
#define X(name) [SSTP_EV_##name] = #name,
	static const char *const names[] = {SSTP_EVENT_LIST(X)};
#undef X

	return (unsigned int)ev < SSTP_N_EVENTS ? names[ev] : "unknown";
}

static void wipe(struct sstp_call *c)
{
	secret_wipe(c->hlak, sizeof(c->hlak));
	secret_wipe(c->held, sizeof(c->held));
	c->have_hlak = false;
	c->connected_held = false;
}

// The first reason is the one that counts.
static void note_end(struct sstp_call *c, enum sstp_end why, uint32_t status)
{
	if (c->end != SSTP_END_NONE)
		return;
	c->end = why;
	c->end_status = status;
	c->end_message = c->message;
	wipe(c);
}

static void send_bare(struct sstp_call *c, uint16_t type)
{
	uint8_t buf[BUF_LEN];

	c->ops->send(c->user, buf, sstp_encode_bare(buf, sizeof(buf), type));
}

// sstpc cannot parse a Call Abort or Call Disconnect without a Status Info.
static void send_info(struct sstp_call *c, uint16_t type, const struct sstp_fault *f)
{
	uint8_t buf[BUF_LEN];

	c->ops->send(c->user, buf, sstp_encode_info(buf, sizeof(buf), type, f));
}

static void start_negotiation(struct sstp_call *c)
{
	c->ops->timer_start(c->user, SSTP_TIMER_NEGOTIATION, c->p.negotiation_ms);
}

// An ending call has one timer, and no negotiation any more.
static void start_close(struct sstp_call *c, uint32_t ms)
{
	c->ops->timer_stop(c->user, SSTP_TIMER_NEGOTIATION);
	c->ops->timer_start(c->user, SSTP_TIMER_CLOSE, ms);
}

static void sent(struct sstp_call *c)
{
	sstp_fsm_step(c, SSTP_EV_SENT, NULL);
}

static void over(struct sstp_call *c, bool flush)
{
	wipe(c);
	c->ops->timer_stop(c->user, SSTP_TIMER_NEGOTIATION);
	c->ops->timer_stop(c->user, SSTP_TIMER_CLOSE);
	c->ops->closed(c->user, c->end, c->end_status, flush);
}

static void do_send_request(struct sstp_call *c)
{
	uint8_t buf[BUF_LEN];
	struct sstp_builder b;

	sstp_build_open(&b, buf, sizeof(buf), SSTP_MSG_CALL_CONNECT_REQUEST);
	sstp_build_protocol(&b, SSTP_ENCAPSULATED_PROTOCOL_PPP);
	c->ops->send(c->user, buf, sstp_build_close(&b));
	start_negotiation(c);
}

static void do_send_ack(struct sstp_call *c)
{
	uint8_t buf[BUF_LEN];
	struct sstp_builder b;

	sstp_build_open(&b, buf, sizeof(buf), SSTP_MSG_CALL_CONNECT_ACK);
	sstp_build_binding_req(&b, c->p.hash_mask, c->p.nonce);
	c->ops->send(c->user, buf, sstp_build_close(&b));
	start_negotiation(c);
	c->ops->ppp_up(c->user);
}

static void do_send_nak(struct sstp_call *c, const struct sstp_event_arg *arg)
{
	c->nb_naks++;
	c->ops->send(c->user, arg->pkt, arg->len);
}

const uint8_t *sstp_cert_hash(const struct sstp_call *c, uint8_t hash, size_t *len)
{
	bool sha1 = hash == CERT_HASH_PROTOCOL_SHA1;

	*len = sha1 ? sizeof(c->p.cert_sha1) : sizeof(c->p.cert_sha256);
	return sha1 ? c->p.cert_sha1 : c->p.cert_sha256;
}

// 3.2.5.2: the strongest hash that both sides know.
static void do_send_connected(struct sstp_call *c, const struct sstp_event_arg *arg)
{
	struct sstp_crypto_binding cb = {.hash = c->peer_hash & CERT_HASH_PROTOCOL_SHA256
							 ? CERT_HASH_PROTOCOL_SHA256
							 : CERT_HASH_PROTOCOL_SHA1};
	uint8_t buf[BUF_LEN], mac[32];
	const uint8_t *cert;
	struct sstp_builder b;
	size_t len;

	memcpy(cb.nonce, c->p.nonce, sizeof(cb.nonce));
	cert = sstp_cert_hash(c, cb.hash, &len);
	memcpy(cb.cert_hash, cert, len);
	sstp_build_open(&b, buf, sizeof(buf), SSTP_MSG_CALL_CONNECTED);
	sstp_build_binding(&b, &cb);
	len = sstp_build_close(&b);
	if (!sstp_compound_mac(buf, cb.hash, arg->hlak, mac))
		memcpy(buf + SSTP_CONNECTED_MAC_OFF, mac, sizeof(mac));
	c->ops->send(c->user, buf, len);
	c->ops->timer_stop(c->user, SSTP_TIMER_NEGOTIATION);
	c->ops->call_connected(c->user);
}

// 3.3.7.1. A Call Connected that came before the HLAK is judged now.
static void do_keep_hlak(struct sstp_call *c, const struct sstp_event_arg *arg)
{
	struct sstp_event_arg held = {.why = SSTP_END_CRYPTO_BINDING};

	memcpy(c->hlak, arg->hlak, sizeof(c->hlak));
	c->have_hlak = true;
	if (!c->connected_held)
		return;
	if (sstp_connected_check(c, c->held, sizeof(c->held), &held.fault))
		sstp_fsm_step(c, SSTP_EV_RCV_CALL_CONNECTED_PLUS, &held);
	else
		sstp_fsm_step(c, SSTP_EV_RCV_CALL_CONNECTED_MINUS, &held);
}

static void do_hold(struct sstp_call *c, const struct sstp_event_arg *arg)
{
	memcpy(c->held, arg->pkt, sizeof(c->held));
	c->connected_held = true;
}

static void do_connect(struct sstp_call *c)
{
	wipe(c);
	c->ops->timer_stop(c->user, SSTP_TIMER_NEGOTIATION);
	c->ops->call_connected(c->user);
}

static void do_send_abort(struct sstp_call *c, const struct sstp_event_arg *arg)
{
	note_end(c, arg->why, arg->end_status ? arg->end_status : arg->fault.status);
	send_info(c, SSTP_MSG_CALL_ABORT, &arg->fault);
	start_close(c, c->p.abort_1_ms);
	sent(c);
}

static void do_illegal(struct sstp_call *c)
{
	static const struct sstp_event_arg arg = {
		.fault = {SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_UNACCEPTED_FRAME_RECEIVED},
		.why = SSTP_END_PROTOCOL_ERROR};

	do_send_abort(c, &arg);
}

static void do_answer_abort(struct sstp_call *c, const struct sstp_event_arg *arg)
{
	static const struct sstp_fault none;

	note_end(c, SSTP_END_PEER_ABORT, arg->fault.status);
	send_info(c, SSTP_MSG_CALL_ABORT, &none);
	start_close(c, c->p.abort_2_ms);
	sent(c);
}

static void do_send_disconnect(struct sstp_call *c)
{
	static const struct sstp_fault none;

	note_end(c, SSTP_END_LOCAL_DISCONNECT, ATTRIB_STATUS_NO_ERROR);
	send_info(c, SSTP_MSG_CALL_DISCONNECT, &none);
	start_close(c, c->p.disconnect_1_ms);
	sent(c);
}

static void do_answer_disconnect(struct sstp_call *c, const struct sstp_event_arg *arg)
{
	note_end(c, SSTP_END_PEER_DISCONNECT, arg->fault.status);
	send_bare(c, SSTP_MSG_CALL_DISCONNECT_ACK);
	start_close(c, c->p.disconnect_2_ms);
	sent(c);
}

static void act(struct sstp_call *c, enum sstp_action action, const struct sstp_event_arg *arg)
{
	switch (action) {
	case SSTP_ACT_ILLEGAL:
		do_illegal(c);
		break;
	case SSTP_ACT_IGNORE:
		break;
	case SSTP_ACT_AWAIT_REQUEST:
	case SSTP_ACT_RESTART_NEGOTIATION:
		start_negotiation(c);
		break;
	case SSTP_ACT_SEND_REQUEST:
		do_send_request(c);
		break;
	case SSTP_ACT_SEND_ACK:
		do_send_ack(c);
		break;
	case SSTP_ACT_SEND_NAK:
		do_send_nak(c, arg);
		break;
	case SSTP_ACT_ACCEPT_ACK:
		start_negotiation(c);
		c->ops->ppp_up(c->user);
		break;
	case SSTP_ACT_KEEP_HLAK:
		do_keep_hlak(c, arg);
		break;
	case SSTP_ACT_HOLD:
		do_hold(c, arg);
		break;
	case SSTP_ACT_CONNECT:
		do_connect(c);
		break;
	case SSTP_ACT_SEND_CONNECTED:
		do_send_connected(c, arg);
		break;
	case SSTP_ACT_DELIVER:
		c->ops->ppp_frame(c->user, arg->pkt, arg->len);
		break;
	case SSTP_ACT_SEND_ECHO_REQUEST:
		send_bare(c, SSTP_MSG_ECHO_REQUEST);
		break;
	case SSTP_ACT_SEND_ECHO_RESPONSE:
		send_bare(c, SSTP_MSG_ECHO_RESPONSE);
		break;
	case SSTP_ACT_SEND_ABORT:
		do_send_abort(c, arg);
		break;
	case SSTP_ACT_ANSWER_ABORT:
		do_answer_abort(c, arg);
		break;
	case SSTP_ACT_ABORT_ANSWERED:
		start_close(c, c->p.abort_2_ms);
		break;
	case SSTP_ACT_SEND_DISCONNECT:
		do_send_disconnect(c);
		break;
	case SSTP_ACT_ANSWER_DISCONNECT:
		do_answer_disconnect(c, arg);
		break;
	case SSTP_ACT_REPEAT_DISCONNECT_ACK:
		send_bare(c, SSTP_MSG_CALL_DISCONNECT_ACK);
		break;
	case SSTP_ACT_CLOSE:
		over(c, true);
		break;
	case SSTP_ACT_DROP:
		note_end(c, arg->why, ATTRIB_STATUS_NO_ERROR);
		over(c, false);
		break;
	case SSTP_ACT_FORGET:
		wipe(c);
		break;
	case SSTP_N_ACTIONS:
		break;
	}
}

void sstp_fsm_step(struct sstp_call *c, enum sstp_event ev, const struct sstp_event_arg *arg)
{
	const struct sstp_fsm_row *row =
		c->server ? &sstp_server_table[c->state][ev] : &sstp_client_table[c->state][ev];

	c->state = row->action == SSTP_ACT_ILLEGAL ? SSTP_STATE_CALL_ABORT_IN_PROGRESS_1
						   : (enum sstp_state)row->next;
	act(c, row->action, arg);
}
