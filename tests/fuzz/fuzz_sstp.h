// SPDX-License-Identifier: BSD-3-Clause
// What the two SSTP fuzz targets share: a script of packets, timeouts and events is played to one
// call, and what must hold of any call is checked after each step.
//
// Script: bytes of opcode, operands as below.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "protocol/sstp/sstp_fsm_table.h"

enum {
	OP_PACKET,  // u16 length, bytes: as they are
	OP_CTRL,    // u8 type, u8 length, bytes: attributes (first byte of it their number)
	OP_DATA,    // u8 length, bytes: a frame
	OP_ANSWER,  // u8 flip, u8 mask: the peer's proper next message, one byte of it changed
	OP_TIMEOUT, // u8 timer
	OP_HELLO,   // u8 intervals
	OP_AUTH,    // u8: fills the HLAK
	OP_RESTART,
	OP_DISCONNECT,
	OP_ABORT, // u8 attrib, u8 status
	OP_UNDELINEABLE,
	OP_SEND, // u8 length, bytes: a frame of this side's
	N_OPS,
};

struct fuzz {
	struct sstp_call call;
	uint8_t hlak;
	bool authenticated; // in a state where it counts
	bool over;
	unsigned int nb_connected;
	unsigned int nb_naks;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void fuzz_send(void *user, const uint8_t *pkt, size_t len)
{
	struct fuzz *f = user;
	uint16_t packet_len;
	bool control;

	check(!f->over);
	check(len >= SSTP_HDR_LEN && len <= SSTP_MAX_PACKET);
	check(!sstp_peek(pkt, len, &packet_len, &control) && packet_len == len);
	check(pkt[1] <= 1 && pkt[2] < 16); // reserved bits are sent zero
	if (control) {
		struct cursor c = cursor_make(pkt, len);
		struct sstp_fault fault;
		struct sstp_ctrl msg;

		check(!sstp_ctrl_decode(&c, &msg, &fault, NULL));
		if (msg.type == SSTP_MSG_CALL_ABORT || msg.type == SSTP_MSG_CALL_DISCONNECT)
			check(msg.have_info);
		if (msg.type == SSTP_MSG_CALL_CONNECT_NAK)
			check(++f->nb_naks <= SSTP_MAX_NAKS);
	} else {
		check(f->call.state == SSTP_STATE_SERVER_CALL_CONNECTED ||
			f->call.state == SSTP_STATE_CLIENT_CALL_CONNECTED || pkt[4] == 0xff ||
			pkt[4] >= 0x80);
	}
}

static void fuzz_timer_start(void *user, enum sstp_timer t, uint32_t ms)
{
	struct fuzz *f = user;

	check(!f->over && t < SSTP_N_TIMERS && ms > 0);
}

static void fuzz_timer_stop(void *user, enum sstp_timer t)
{
	check(!((struct fuzz *)user)->over);
}

static void fuzz_ppp_up(void *user)
{
	check(!((struct fuzz *)user)->over);
}

static void fuzz_ppp_frame(void *user, const uint8_t *frame, size_t len)
{
	struct fuzz *f = user;
	size_t skip = len >= 2 && frame[0] == 0xff && frame[1] == 0x03 ? 2 : 0;
	bool control = len >= skip + 2 && frame[skip] >= 0x80 && !(frame[skip] & 1);

	check(!f->over && len > 0 && len <= SSTP_MAX_PPP_FRAME);
	switch (f->call.state) {
	case SSTP_STATE_SERVER_CALL_CONNECTED:
	case SSTP_STATE_CLIENT_CALL_CONNECTED:
		check(f->nb_connected == 1);
		break;
	case SSTP_STATE_SERVER_CALL_CONNECTED_PENDING:
	case SSTP_STATE_CLIENT_CONNECT_ACK_RECEIVED:
		check(control);
		break;
	default:
		abort();
	}
}

static void fuzz_connected(void *user)
{
	struct fuzz *f = user;

	check(!f->over && f->authenticated);
	check(++f->nb_connected == 1);
}

static void fuzz_closed(void *user, enum sstp_end why, uint32_t status, bool flush)
{
	static const uint8_t zero[SSTP_HLAK_LEN];
	struct fuzz *f = user;

	check(!f->over && why > SSTP_END_NONE && why < SSTP_N_ENDS);
	check(!flush || (why != SSTP_END_HELLO_TIMEOUT && why != SSTP_END_UNDELINEABLE));
	check(!memcmp(f->call.hlak, zero, sizeof(zero)));
	f->over = true;
}

static const struct sstp_ops fuzz_ops = {
	.send = fuzz_send,
	.timer_start = fuzz_timer_start,
	.timer_stop = fuzz_timer_stop,
	.ppp_up = fuzz_ppp_up,
	.ppp_frame = fuzz_ppp_frame,
	.call_connected = fuzz_connected,
	.closed = fuzz_closed,
};

// The peer's proper next message into pkt. Returns its length.
static size_t fuzz_answer(const struct fuzz *f, uint8_t *pkt);

// In an allocation of its own, for the sanitizer.
static void fuzz_input(struct fuzz *f, const uint8_t *pkt, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	check(copy);
	if (len)
		memcpy(copy, pkt, len);
	sstp_input(&f->call, copy, len);
	free(copy);
}

static void fuzz_packet(struct fuzz *f, uint8_t op, struct cursor bytes)
{
	uint8_t pkt[SSTP_MAX_PACKET + 16];
	size_t n, hdr = op == OP_CTRL ? SSTP_CTRL_HDR_LEN : SSTP_HDR_LEN;
	uint8_t type = 0, nb = 0;

	if (op == OP_CTRL && (cur_u8(&bytes, &type) || cur_u8(&bytes, &nb)))
		return;
	n = cur_left(&bytes);
	sstp_put_hdr(pkt, op == OP_CTRL, (uint16_t)(hdr + n));
	if (op == OP_CTRL) {
		wr_put_u16(pkt + 4, type);
		wr_put_u16(pkt + 6, nb);
	}
	memcpy(pkt + hdr, bytes.p, n);
	fuzz_input(f, pkt, hdr + n);
}

static int fuzz_step(struct fuzz *f, struct cursor *c)
{
	uint8_t op, a = 0, b = 0, pkt[SSTP_MAX_PACKET], hlak[SSTP_HLAK_LEN];
	struct cursor bytes;
	uint16_t len;
	size_t n;

	if (cur_u8(c, &op))
		return -1;
	op %= N_OPS;
	switch (op) {
	case OP_PACKET:
		if (cur_u16(c, &len) || cur_sub(c, &bytes, len))
			return -1;
		fuzz_input(f, bytes.p, cur_left(&bytes));
		break;
	case OP_CTRL:
	case OP_DATA:
		if (cur_u8(c, &a) || cur_sub(c, &bytes, a))
			return -1;
		fuzz_packet(f, op, bytes);
		break;
	case OP_ANSWER:
		if (cur_u8(c, &a) || cur_u8(c, &b))
			return -1;
		n = fuzz_answer(f, pkt);
		pkt[a % n] ^= b;
		fuzz_input(f, pkt, n);
		break;
	case OP_TIMEOUT:
		if (cur_u8(c, &a))
			return -1;
		sstp_timeout(&f->call, a % SSTP_N_TIMERS);
		break;
	case OP_HELLO:
		if (cur_u8(c, &a))
			return -1;
		sstp_hello_expired(&f->call, a);
		break;
	case OP_AUTH:
		if (cur_u8(c, &a))
			return -1;
		f->authenticated |= f->call.state == SSTP_STATE_SERVER_CALL_CONNECTED_PENDING ||
				    f->call.state == SSTP_STATE_CLIENT_CONNECT_ACK_RECEIVED;
		f->hlak = a;
		memset(hlak, a, sizeof(hlak));
		sstp_authenticated(&f->call, hlak);
		break;
	case OP_RESTART:
		sstp_restart_negotiation(&f->call);
		break;
	case OP_DISCONNECT:
		sstp_disconnect(&f->call);
		break;
	case OP_ABORT:
		if (cur_u8(c, &a) || cur_u8(c, &b))
			return -1;
		sstp_abort(&f->call, SSTP_END_PROTOCOL_ERROR, a, b);
		break;
	case OP_UNDELINEABLE:
		sstp_undelineable(&f->call);
		break;
	case OP_SEND:
		if (cur_u8(c, &a) || cur_sub(c, &bytes, a))
			return -1;
		sstp_send_ppp(&f->call, bytes.p, cur_left(&bytes));
		break;
	}
	return 0;
}

// Play the script to a call that has just started; then let its timers end it.
static void fuzz_play(struct fuzz *f, struct cursor *c)
{
	while (!fuzz_step(f, c))
		check(f->over == (f->call.state == SSTP_STATE_CALL_DISCONNECTED));
	sstp_disconnect(&f->call);
	sstp_timeout(&f->call, SSTP_TIMER_CLOSE);
	check(f->over && f->call.state == SSTP_STATE_CALL_DISCONNECTED);
	sstp_free(&f->call);
}

static void fuzz_params(struct sstp_params *p)
{
	sstp_params_default(p);
	memset(p->nonce, 0x4e, sizeof(p->nonce));
	memset(p->cert_sha1, 0x31, sizeof(p->cert_sha1));
	memset(p->cert_sha256, 0x32, sizeof(p->cert_sha256));
}
