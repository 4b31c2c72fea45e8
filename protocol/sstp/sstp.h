// SPDX-License-Identifier: BSD-3-Clause
// SSTP wire format: constants, packet codec, crypto binding. [MS-SSTP] 2.2, 3.2.5.2. Pure; any
// thread; allocates nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cursor.h"

#define SSTP_VERSION 0x10
#define SSTP_HDR_LEN 4
#define SSTP_MAX_PACKET 4095
#define SSTP_MAX_PPP_FRAME (SSTP_MAX_PACKET - SSTP_HDR_LEN)
#define SSTP_NONCE_LEN 32
#define SSTP_HLAK_LEN 32
#define SSTP_CERT_HASH_MAX 32
#define SSTP_NAK_VALUE_MAX 64
#define SSTP_MAX_NAKS 3
#define SSTP_CALL_CONNECTED_LEN 0x70

// [MS-SSTP] 2.2.2. One list, so that numbers and names cannot drift.
#define SSTP_MSG_LIST(X)           \
	X(CALL_CONNECT_REQUEST, 1) \
	X(CALL_CONNECT_ACK, 2)     \
	X(CALL_CONNECT_NAK, 3)     \
	X(CALL_CONNECTED, 4)       \
	X(CALL_ABORT, 5)           \
	X(CALL_DISCONNECT, 6)      \
	X(CALL_DISCONNECT_ACK, 7)  \
	X(ECHO_REQUEST, 8)         \
	X(ECHO_RESPONSE, 9)

#define SSTP_ATTRIB_LIST(X)            \
	X(NO_ERROR, 0)                 \
	X(ENCAPSULATED_PROTOCOL_ID, 1) \
	X(STATUS_INFO, 2)              \
	X(CRYPTO_BINDING, 3)           \
	X(CRYPTO_BINDING_REQ, 4)

// [MS-SSTP] 2.2.6.
#define SSTP_STATUS_LIST(X)                 \
	X(NO_ERROR, 0x0)                    \
	X(DUPLICATE_ATTRIBUTE, 0x1)         \
	X(UNRECOGNIZED_ATTRIBUTE, 0x2)      \
	X(INVALID_ATTRIB_VALUE_LENGTH, 0x3) \
	X(VALUE_NOT_SUPPORTED, 0x4)         \
	X(UNACCEPTED_FRAME_RECEIVED, 0x5)   \
	X(RETRY_COUNT_EXCEEDED, 0x6)        \
	X(INVALID_FRAME_RECEIVED, 0x7)      \
	X(NEGOTIATION_TIMEOUT, 0x8)         \
	X(ATTRIB_NOT_SUPPORTED_IN_MSG, 0x9) \
	X(REQUIRED_ATTRIBUTE_MISSING, 0xa)  \
	X(STATUS_INFO_NOT_SUPPORTED_IN_MSG, 0xb)

#define X(name, v) SSTP_MSG_##name = v,
enum sstp_msg_type { SSTP_MSG_LIST(X) };
#undef X
#define X(name, v) SSTP_ATTRIB_##name = v,
enum sstp_attrib_id { SSTP_ATTRIB_LIST(X) };
#undef X
#define X(name, v) ATTRIB_STATUS_##name = v,
enum sstp_status { SSTP_STATUS_LIST(X) };
#undef X

#define SSTP_ENCAPSULATED_PROTOCOL_PPP 1

#define CERT_HASH_PROTOCOL_SHA1 0x01
#define CERT_HASH_PROTOCOL_SHA256 0x02

// The names without their prefix, "unknown" for what has none.
const char *sstp_msg_name(unsigned int type);
const char *sstp_attrib_name(unsigned int id);
const char *sstp_status_name(uint32_t status);

// Delineate the packet at p, of which n bytes are there. [MS-SSTP] 2.2.1, 3.1.5.1.
// Returns 0 with *len = the whole packet's length (header included) and *control; -EAGAIN when n <
// 4 (nothing else is looked at); -EBADMSG when it cannot be delineated (version, length < 4,
// control < 8): the connection must be dropped. Does not require the whole packet to be there.
// Reserved bits are ignored.
static inline int sstp_peek(const uint8_t *p, size_t n, uint16_t *len, bool *control)
{
	if (n < SSTP_HDR_LEN)
		return -EAGAIN;
	*control = p[1] & 1;
	*len = (uint16_t)((p[2] & 0x0f) << 8 | p[3]);
	if (p[0] != SSTP_VERSION || *len < (*control ? 8 : SSTP_HDR_LEN))
		return -EBADMSG;
	return 0;
}

// Write the 4-byte header of a packet of len bytes in all (4..4095).
static inline void sstp_put_hdr(uint8_t *p, bool control, uint16_t len)
{
	p[0] = SSTP_VERSION;
	p[1] = control;
	p[2] = (uint8_t)(len >> 8 & 0x0f);
	p[3] = (uint8_t)len;
}

struct sstp_crypto_binding {
	uint8_t hash; // exactly one CERT_HASH_PROTOCOL_* bit when well formed
	uint8_t nonce[SSTP_NONCE_LEN];
	uint8_t cert_hash[SSTP_CERT_HASH_MAX]; // SHA-1: 20 bytes and 12 of padding
	uint8_t compound_mac[32];
};

// Compute the Compound MAC of a Call Connected packet. [MS-SSTP] 3.2.5.2.
// msg: the 112 bytes as on the wire (reserved bits as they came; the MAC field's content does not
// matter). hash: CERT_HASH_PROTOCOL_SHA1 or _SHA256. hlak: SSTP_HLAK_LEN bytes. mac: 32 bytes out,
// zero-padded for SHA-1. Returns 0, or -EINVAL for another hash. Intermediate keys are wiped.
int sstp_compound_mac(const uint8_t msg[SSTP_CALL_CONNECTED_LEN], uint8_t hash,
	const uint8_t hlak[SSTP_HLAK_LEN], uint8_t mac[32]);
