// SPDX-License-Identifier: BSD-3-Clause
// SSTP control packets: decoder and encoders. [MS-SSTP] 2.2.2, 2.2.4 to 2.2.17. Internal to
// protocol/sstp and its tests. Pure; any thread; allocates nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cursor.h"
#include "protocol/sstp/sstp.h"

#define SSTP_CTRL_HDR_LEN 8
#define SSTP_ATTRIB_HDR_LEN 4
#define SSTP_STATUS_INFO_LEN 12 // with its header, without AttribValue

// Offsets in a Call Connected packet. [MS-SSTP] 2.2.11
#define SSTP_CONNECTED_HASH_OFF 15
#define SSTP_CONNECTED_NONCE_OFF 16
#define SSTP_CONNECTED_CERT_OFF 48
#define SSTP_CONNECTED_MAC_OFF 80

// What is wrong with a message, in the words of a Status Info attribute.
struct sstp_fault {
	uint8_t attrib;  // SSTP_ATTRIB_*, or the unknown ID as it came
	uint32_t status; // ATTRIB_STATUS_*
};

struct sstp_ctrl {
	uint16_t type;
	uint16_t nb_attribs;

	// The attributes' contents; each is set when its flag is.
	bool have_protocol;
	bool have_info;
	bool have_binding_req;
	bool have_binding;
	uint16_t protocol;        // Encapsulated Protocol ID
	struct sstp_fault info;   // the first Status Info
	uint8_t offered_hashes;   // Crypto Binding Request
	const uint8_t *req_nonce; // Crypto Binding Request: SSTP_NONCE_LEN bytes of the input
	struct sstp_crypto_binding binding;
};

// A control packet being written.
struct sstp_builder {
	struct writer w;
	uint16_t nb_attribs;
};

// Read message type and number of attributes of a control packet.
// pkt: a whole packet that sstp_peek() delineated as control: len >= 8.
void sstp_ctrl_peek(const uint8_t *pkt, uint16_t *type, uint16_t *nb_attribs);

// Decode one control packet and check its attributes against what its message allows.
// c: exactly one packet as sstp_peek() delineated it, header included. msg: slices borrow c's
// bytes. nak: NULL, or where a Status Info for every bad attribute is added (as many as fit).
// Returns 0; -EBADMSG when the packet is no well-formed message (unknown type, attributes that do
// not fill it exactly); -EINVAL when attributes are bad. On failure *fault is the first that the
// peer is owed.
int sstp_ctrl_decode(struct cursor *c, struct sstp_ctrl *msg, struct sstp_fault *fault,
	struct sstp_builder *nak);

// The first Status Info of a message, whatever else is wrong with it: for Call Abort and Call
// Disconnect, which are obeyed in any shape. Returns false, and NO_ERROR, when there is none.
bool sstp_ctrl_find_info(const uint8_t *pkt, size_t len, struct sstp_fault *info);

// Write a message: open, attributes, close. Close returns the packet's length, 0 when it did not
// fit.
void sstp_build_open(struct sstp_builder *b, uint8_t *buf, size_t cap, uint16_t type);
void sstp_build_protocol(struct sstp_builder *b, uint16_t protocol);
void sstp_build_binding_req(
	struct sstp_builder *b, uint8_t hashes, const uint8_t nonce[SSTP_NONCE_LEN]);
void sstp_build_binding(struct sstp_builder *b, const struct sstp_crypto_binding *cb);
size_t sstp_build_close(struct sstp_builder *b);

// Add a Status Info with at most SSTP_NAK_VALUE_MAX bytes of the attribute's value. One that does
// not fit any more is left out as a whole; returns whether it was written.
bool sstp_build_info(
	struct sstp_builder *b, const struct sstp_fault *f, const uint8_t *value, size_t value_len);

// A message with one Status Info without value: Call Abort, Call Disconnect. Returns its length.
size_t sstp_encode_info(uint8_t *buf, size_t cap, uint16_t type, const struct sstp_fault *f);

// A message without attributes: Echo Request and Response, Call Disconnect Ack. Returns its length.
size_t sstp_encode_bare(uint8_t *buf, size_t cap, uint16_t type);
