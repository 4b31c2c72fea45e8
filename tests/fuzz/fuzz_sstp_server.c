// SPDX-License-Identifier: BSD-3-Clause
// The server's call under a script of packets, timeouts and authentication events.
// First byte: the hashes it offers.
#include "fuzz_sstp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Before the Ack a Call Connect Request, then a Call Connected that is right for the last HLAK.
static size_t fuzz_answer(const struct fuzz *f, uint8_t *pkt)
{
	bool sha1 = !(f->call.p.hash_mask & CERT_HASH_PROTOCOL_SHA256);
	struct sstp_crypto_binding cb = {0};
	uint8_t hlak[SSTP_HLAK_LEN];
	struct sstp_builder b;
	size_t len;

	if (f->call.state == SSTP_STATE_SERVER_CONNECT_REQUEST_PENDING) {
		sstp_build_open(&b, pkt, SSTP_MAX_PACKET, SSTP_MSG_CALL_CONNECT_REQUEST);
		sstp_build_protocol(&b, SSTP_ENCAPSULATED_PROTOCOL_PPP);
		return sstp_build_close(&b);
	}
	cb.hash = sha1 ? CERT_HASH_PROTOCOL_SHA1 : CERT_HASH_PROTOCOL_SHA256;
	memcpy(cb.nonce, f->call.p.nonce, sizeof(cb.nonce));
	memset(cb.cert_hash, sha1 ? 0x31 : 0x32, sha1 ? 20 : 32);
	sstp_build_open(&b, pkt, SSTP_MAX_PACKET, SSTP_MSG_CALL_CONNECTED);
	sstp_build_binding(&b, &cb);
	len = sstp_build_close(&b);
	memset(hlak, f->hlak, sizeof(hlak));
	sstp_compound_mac(pkt, cb.hash, hlak, pkt + SSTP_CONNECTED_MAC_OFF);
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_make(data, size);
	struct sstp_params p;
	struct fuzz f = {0};
	uint8_t mask;

	if (cur_u8(&c, &mask))
		return 0;
	fuzz_params(&p);
	p.hash_mask = mask;
	sstp_server_start(&f.call, &fuzz_ops, &f, &p);
	fuzz_play(&f, &c);
	return 0;
}
