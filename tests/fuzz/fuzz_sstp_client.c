// SPDX-License-Identifier: BSD-3-Clause
// The client's call under a script of packets, timeouts and authentication events.
// First byte: the hashes it accepts.
#include "fuzz_sstp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A Call Connect Ack that offers both hashes.
static size_t fuzz_answer(const struct fuzz *f, uint8_t *pkt)
{
	uint8_t nonce[SSTP_NONCE_LEN];
	struct sstp_builder b;

	memset(nonce, 0x6e, sizeof(nonce));
	sstp_build_open(&b, pkt, SSTP_MAX_PACKET, SSTP_MSG_CALL_CONNECT_ACK);
	sstp_build_binding_req(&b, CERT_HASH_PROTOCOL_SHA1 | CERT_HASH_PROTOCOL_SHA256, nonce);
	return sstp_build_close(&b);
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
	sstp_client_start(&f.call, &fuzz_ops, &f, &p);
	fuzz_play(&f, &c);
	return 0;
}
