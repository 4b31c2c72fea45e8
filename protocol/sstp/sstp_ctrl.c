// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/sstp/sstp_ctrl.h"

#include <assert.h>

static_assert(SSTP_CONNECTED_MAC_OFF + 32 == SSTP_CALL_CONNECTED_LEN, "[MS-SSTP] 2.2.11");

enum {
	PROTOCOL_VALUE_LEN = 2,
	INFO_VALUE_MIN = 8,
	BINDING_VALUE_LEN = 100,
	BINDING_REQ_VALUE_LEN = 36,
};

#define BIT(id) (1u << (id))

// What each message may hold. [MS-SSTP] 2.2.9 to 2.2.17
static const struct {
	uint8_t required; // SSTP_ATTRIB_*, 0 for none
	uint8_t allowed;  // bits by SSTP_ATTRIB_*
	bool repeated;    // the allowed one may come more than once
} contents[] = {
	// A Status Info is refused by its status, not by its presence: 3.3.5.2.2
	[SSTP_MSG_CALL_CONNECT_REQUEST] = {SSTP_ATTRIB_ENCAPSULATED_PROTOCOL_ID,
		BIT(SSTP_ATTRIB_ENCAPSULATED_PROTOCOL_ID) | BIT(SSTP_ATTRIB_STATUS_INFO), false},
	[SSTP_MSG_CALL_CONNECT_ACK] = {SSTP_ATTRIB_CRYPTO_BINDING_REQ,
		BIT(SSTP_ATTRIB_CRYPTO_BINDING_REQ), false},
	[SSTP_MSG_CALL_CONNECT_NAK] = {SSTP_ATTRIB_STATUS_INFO, BIT(SSTP_ATTRIB_STATUS_INFO), true},
	[SSTP_MSG_CALL_CONNECTED] = {SSTP_ATTRIB_CRYPTO_BINDING, BIT(SSTP_ATTRIB_CRYPTO_BINDING),
		false},
	[SSTP_MSG_CALL_ABORT] = {0, BIT(SSTP_ATTRIB_STATUS_INFO), false},
	[SSTP_MSG_CALL_DISCONNECT] = {0, BIT(SSTP_ATTRIB_STATUS_INFO), false},
	[SSTP_MSG_CALL_DISCONNECT_ACK] = {0, 0, false},
	[SSTP_MSG_ECHO_REQUEST] = {0, 0, false},
	[SSTP_MSG_ECHO_RESPONSE] = {0, 0, false},
};

#define N_MSG_TYPES (sizeof(contents) / sizeof(contents[0]))

struct attrib {
	uint8_t id;
	struct cursor value;
};

const char *sstp_msg_name(unsigned int type)
{
#define X(name, v) \
	case v:    \
		return #name;
	switch (type) {
		SSTP_MSG_LIST(X)
	}
	return "unknown";
#undef X
}

const char *sstp_attrib_name(unsigned int id)
{
#define X(name, v) \
	case v:    \
		return #name;
	switch (id) {
		SSTP_ATTRIB_LIST(X)
	}
	return "unknown";
#undef X
}

const char *sstp_status_name(uint32_t status)
{
#define X(name, v) \
	case v:    \
		return #name;
	switch (status) {
		SSTP_STATUS_LIST(X)
	}
	return "unknown";
#undef X
}

void sstp_ctrl_peek(const uint8_t *pkt, uint16_t *type, uint16_t *nb_attribs)
{
	struct cursor c = cursor_make(pkt, SSTP_CTRL_HDR_LEN);

	if (cur_skip(&c, SSTP_HDR_LEN) || cur_u16(&c, type) || cur_u16(&c, nb_attribs))
		*type = *nb_attribs = 0;
}

// Read the next attribute's header and split off its value. [MS-SSTP] 2.2.4
// -EBADMSG: no header left. -EINVAL: a length below its own header or beyond the packet; a->id is
// set.
static int attrib_next(struct cursor *c, struct attrib *a)
{
	uint8_t reserved;
	uint16_t len;

	if (cur_left(c) < SSTP_ATTRIB_HDR_LEN || cur_u8(c, &reserved) || cur_u8(c, &a->id) ||
		cur_u16(c, &len))
		return -EBADMSG;
	len &= 0x0fff;
	if (len < SSTP_ATTRIB_HDR_LEN || cur_sub(c, &a->value, len - SSTP_ATTRIB_HDR_LEN))
		return -EINVAL;
	return 0;
}

// 2.2.8
static int info_decode(struct cursor *v, struct sstp_fault *info)
{
	uint32_t reserved;

	return cur_u24(v, &reserved) || cur_u8(v, &info->attrib) || cur_u32(v, &info->status)
		       ? -EBADMSG
		       : 0;
}

// 2.2.6
static int binding_req_decode(struct cursor *v, struct sstp_ctrl *msg)
{
	uint32_t reserved;

	if (cur_u24(v, &reserved) || cur_u8(v, &msg->offered_hashes))
		return -EBADMSG;
	msg->req_nonce = v->p;
	return cur_skip(v, SSTP_NONCE_LEN) || cur_empty(v) ? -EBADMSG : 0;
}

// 2.2.7
static int binding_decode(struct cursor *v, struct sstp_crypto_binding *cb)
{
	uint32_t reserved;

	return cur_u24(v, &reserved) || cur_u8(v, &cb->hash) ||
			       cur_bytes(v, cb->nonce, sizeof(cb->nonce)) ||
			       cur_bytes(v, cb->cert_hash, sizeof(cb->cert_hash)) ||
			       cur_bytes(v, cb->compound_mac, sizeof(cb->compound_mac)) ||
			       cur_empty(v)
		       ? -EBADMSG
		       : 0;
}

// Decode one allowed attribute into msg. Returns the ATTRIB_STATUS_* owed, 0 when it is good.
static uint32_t attrib_decode(struct sstp_ctrl *msg, uint8_t id, struct cursor v)
{
	struct sstp_fault info;

	switch (id) {
	case SSTP_ATTRIB_ENCAPSULATED_PROTOCOL_ID:
		if (cur_left(&v) != PROTOCOL_VALUE_LEN || cur_u16(&v, &msg->protocol))
			return ATTRIB_STATUS_INVALID_ATTRIB_VALUE_LENGTH;
		msg->have_protocol = true;
		return msg->protocol == SSTP_ENCAPSULATED_PROTOCOL_PPP
			       ? ATTRIB_STATUS_NO_ERROR
			       : ATTRIB_STATUS_VALUE_NOT_SUPPORTED;
	case SSTP_ATTRIB_STATUS_INFO:
		if (cur_left(&v) > INFO_VALUE_MIN + SSTP_NAK_VALUE_MAX || info_decode(&v, &info))
			return ATTRIB_STATUS_INVALID_ATTRIB_VALUE_LENGTH;
		if (!msg->have_info)
			msg->info = info;
		msg->have_info = true;
		return msg->type == SSTP_MSG_CALL_CONNECT_REQUEST && info.status
			       ? ATTRIB_STATUS_STATUS_INFO_NOT_SUPPORTED_IN_MSG
			       : ATTRIB_STATUS_NO_ERROR;
	case SSTP_ATTRIB_CRYPTO_BINDING_REQ:
		if (cur_left(&v) != BINDING_REQ_VALUE_LEN || binding_req_decode(&v, msg))
			return ATTRIB_STATUS_INVALID_ATTRIB_VALUE_LENGTH;
		msg->have_binding_req = true;
		return ATTRIB_STATUS_NO_ERROR;
	case SSTP_ATTRIB_CRYPTO_BINDING:
		if (cur_left(&v) != BINDING_VALUE_LEN || binding_decode(&v, &msg->binding))
			return ATTRIB_STATUS_INVALID_ATTRIB_VALUE_LENGTH;
		msg->have_binding = true;
		return ATTRIB_STATUS_NO_ERROR;
	}
	return ATTRIB_STATUS_UNRECOGNIZED_ATTRIBUTE;
}

static uint32_t attrib_check(struct sstp_ctrl *msg, const struct attrib *a, unsigned int *seen)
{
	bool known = a->id >= SSTP_ATTRIB_ENCAPSULATED_PROTOCOL_ID &&
		     a->id <= SSTP_ATTRIB_CRYPTO_BINDING_REQ;

	if (!known)
		return ATTRIB_STATUS_UNRECOGNIZED_ATTRIBUTE;
	if (!(contents[msg->type].allowed & BIT(a->id)))
		return ATTRIB_STATUS_ATTRIB_NOT_SUPPORTED_IN_MSG;
	if ((*seen & BIT(a->id)) && !contents[msg->type].repeated)
		return ATTRIB_STATUS_DUPLICATE_ATTRIBUTE;
	*seen |= BIT(a->id);
	return attrib_decode(msg, a->id, a->value);
}

// Note one bad attribute: the first for the caller, each for the NAK.
static void fault_add(struct sstp_fault *first, struct sstp_builder *nak, uint8_t attrib,
	uint32_t status, const struct cursor *value)
{
	struct sstp_fault f = {.attrib = attrib, .status = status};

	if (!first->status)
		*first = f;
	if (nak)
		sstp_build_info(nak, &f, value ? value->p : NULL, value ? cur_left(value) : 0);
}

int sstp_ctrl_decode(
	struct cursor *c, struct sstp_ctrl *msg, struct sstp_fault *fault, struct sstp_builder *nak)
{
	unsigned int seen = 0;
	struct attrib a;
	int rc;

	*msg = (struct sstp_ctrl){0};
	*fault = (struct sstp_fault){0};
	if (cur_skip(c, SSTP_HDR_LEN) || cur_u16(c, &msg->type) || cur_u16(c, &msg->nb_attribs) ||
		msg->type == 0 || msg->type >= N_MSG_TYPES)
		goto malformed;

	for (unsigned int i = 0; i < msg->nb_attribs; i++) {
		uint32_t status;

		rc = attrib_next(c, &a);
		if (rc == -EBADMSG)
			goto malformed;
		if (rc) { // where the next one begins is not known
			fault_add(
				fault, nak, a.id, ATTRIB_STATUS_INVALID_ATTRIB_VALUE_LENGTH, NULL);
			return -EINVAL;
		}
		status = attrib_check(msg, &a, &seen);
		if (status)
			fault_add(fault, nak, a.id, status, &a.value);
	}
	if (cur_empty(c))
		goto malformed;
	if (contents[msg->type].required && !(seen & BIT(contents[msg->type].required)))
		fault_add(fault, nak, contents[msg->type].required,
			ATTRIB_STATUS_REQUIRED_ATTRIBUTE_MISSING, NULL);
	return fault->status ? -EINVAL : 0;

malformed:
	*fault = (struct sstp_fault){SSTP_ATTRIB_NO_ERROR, ATTRIB_STATUS_INVALID_FRAME_RECEIVED};
	return -EBADMSG;
}

bool sstp_ctrl_find_info(const uint8_t *pkt, size_t len, struct sstp_fault *info)
{
	struct cursor c = cursor_make(pkt, len);
	uint16_t type, nb;
	struct attrib a;

	*info = (struct sstp_fault){0};
	if (cur_skip(&c, SSTP_HDR_LEN) || cur_u16(&c, &type) || cur_u16(&c, &nb))
		return false;
	for (; nb > 0 && !attrib_next(&c, &a); nb--)
		if (a.id == SSTP_ATTRIB_STATUS_INFO && !info_decode(&a.value, info))
			return true;
	*info = (struct sstp_fault){0};
	return false;
}

void sstp_build_open(struct sstp_builder *b, uint8_t *buf, size_t cap, uint16_t type)
{
	b->w = writer_make(buf, cap < SSTP_MAX_PACKET ? cap : SSTP_MAX_PACKET);
	b->nb_attribs = 0;
	wr_zero(&b->w, SSTP_HDR_LEN);
	wr_u16(&b->w, type);
	wr_u16(&b->w, 0);
}

static void build_attrib(struct sstp_builder *b, uint8_t id, size_t value_len)
{
	wr_u8(&b->w, 0);
	wr_u8(&b->w, id);
	wr_u16(&b->w, (uint16_t)(SSTP_ATTRIB_HDR_LEN + value_len));
	b->nb_attribs++;
}

void sstp_build_protocol(struct sstp_builder *b, uint16_t protocol)
{
	build_attrib(b, SSTP_ATTRIB_ENCAPSULATED_PROTOCOL_ID, PROTOCOL_VALUE_LEN);
	wr_u16(&b->w, protocol);
}

void sstp_build_binding_req(
	struct sstp_builder *b, uint8_t hashes, const uint8_t nonce[SSTP_NONCE_LEN])
{
	build_attrib(b, SSTP_ATTRIB_CRYPTO_BINDING_REQ, BINDING_REQ_VALUE_LEN);
	wr_zero(&b->w, 3);
	wr_u8(&b->w, hashes);
	wr_bytes(&b->w, nonce, SSTP_NONCE_LEN);
}

void sstp_build_binding(struct sstp_builder *b, const struct sstp_crypto_binding *cb)
{
	build_attrib(b, SSTP_ATTRIB_CRYPTO_BINDING, BINDING_VALUE_LEN);
	wr_zero(&b->w, 3);
	wr_u8(&b->w, cb->hash);
	wr_bytes(&b->w, cb->nonce, sizeof(cb->nonce));
	wr_bytes(&b->w, cb->cert_hash, sizeof(cb->cert_hash));
	wr_bytes(&b->w, cb->compound_mac, sizeof(cb->compound_mac));
}

bool sstp_build_info(
	struct sstp_builder *b, const struct sstp_fault *f, const uint8_t *value, size_t value_len)
{
	if (value_len > SSTP_NAK_VALUE_MAX)
		value_len = SSTP_NAK_VALUE_MAX;
	if (b->w.overflow || SSTP_STATUS_INFO_LEN + value_len > (size_t)(b->w.end - b->w.p))
		return false;
	build_attrib(b, SSTP_ATTRIB_STATUS_INFO, INFO_VALUE_MIN + value_len);
	wr_zero(&b->w, 3);
	wr_u8(&b->w, f->attrib);
	wr_u32(&b->w, f->status);
	wr_bytes(&b->w, value, value_len);
	return true;
}

size_t sstp_build_close(struct sstp_builder *b)
{
	if (b->w.overflow)
		return 0;
	sstp_put_hdr(b->w.start, true, (uint16_t)wr_len(&b->w));
	wr_put_u16(b->w.start + 6, b->nb_attribs);
	return wr_len(&b->w);
}

size_t sstp_encode_info(uint8_t *buf, size_t cap, uint16_t type, const struct sstp_fault *f)
{
	struct sstp_builder b;

	sstp_build_open(&b, buf, cap, type);
	return sstp_build_info(&b, f, NULL, 0) ? sstp_build_close(&b) : 0;
}

size_t sstp_encode_bare(uint8_t *buf, size_t cap, uint16_t type)
{
	struct sstp_builder b;

	sstp_build_open(&b, buf, cap, type);
	return sstp_build_close(&b);
}
