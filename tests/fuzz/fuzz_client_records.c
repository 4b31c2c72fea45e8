// SPDX-License-Identifier: BSD-3-Clause
// What a server says behind the handshake, under keys that are right: records of any type and
// content, in pieces of any size, while the client sends. Whatever it answers can be opened by the
// keys that were agreed.
// First byte: bit 0 TLS 1.2, bits 1-2 cipher, bits 3-7 seed of the pieces. Then messages: a byte
// for the record's type and whether the client sends something first, one for its length, content;
// type 0: those bytes as they are, without a record.
#include <stdlib.h>
#include <string.h>

#include "client/call_records.h"
#include "client/call_tls.h"
#include "tests/fuzz/fuzz_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct peer {
	struct rec_crypto *rc;
	struct rec_dir tx, rx;
	struct call_secrets secrets;
	_Alignas(REC_KEY_ALIGN) uint8_t keys[2][REC_KEY_SIZE_MAX];
};

static void rekey(struct peer *p, bool client_tx)
{
	struct rec_dir *d = client_tx ? &p->rx : &p->tx;

	MUST(!call_keys_update(&p->secrets, client_tx, p->rc, d));
}

// All that the client wrote.
static void open_all(struct peer *p, struct outbuf *out)
{
	static uint8_t dst[CALL_READ_MIN];

	while (out->len) {
		struct rec_slice src = {out->buf + out->off, 0};
		struct rec_open_op op = {.d = &p->rx, .src = &src, .nb_src = 1, .dst = dst};
		int len = rec_peek(&p->rx, src.p);

		MUST(len > 0 && (size_t)len <= out->len);
		src.len = (uint32_t)len;
		rec_open_burst(p->rc, &op, 1);
		MUST(!op.status);
		if (op.type == TLS_CT_HANDSHAKE) {
			MUST(op.len == 5 && p->secrets.len);
			rekey(p, true);
		}
		outbuf_take(out, (size_t)len);
	}
}

// In pieces of memory of their own, so that a sanitizer sees the byte behind. False: it is over.
static bool feed(struct call_records *r, const uint8_t *p, size_t n, unsigned int seed)
{
	static uint8_t dst[CALL_READ_MIN];
	int rc = 0;

	while (n && rc >= 0) {
		size_t part = seed ? (seed = seed * 5 % 31, 1 + seed * 7) : n;
		const uint8_t *in;
		uint8_t *copy;

		part = part < n ? part : n;
		copy = fuzz_copy(p, part);
		p += part;
		n -= part;
		in = copy;
		do
			rc = call_records_read(r, &in, &part, dst);
		while (rc > 0);
		MUST(rc < 0 || !part);
		free(copy);
	}
	return rc >= 0;
}

static void client_sends(struct call_records *r, struct outbuf *out, const uint8_t *p, size_t n)
{
	uint8_t *room = call_records_room(r, out);

	MUST(room != NULL);
	memset(room, 7, TLS_REC_MAX_PLAIN);
	if (n)
		memcpy(room, p, n);
	MUST(!call_records_write(r, out, room, n ? n : 1));
}

static bool message(struct peer *p, struct call_records *r, struct outbuf *out, uint8_t what,
	const uint8_t *content, size_t n, unsigned int seed)
{
	uint8_t rec[TLS_REC_MAX_PREFIX + 256 + TLS_REC_MAX_SUFFIX];
	struct rec_seal_op op = {
		.d = &p->tx, .p = rec + p->tx.prefix_len, .len = (uint16_t)n, .type = what & 0x1f};
	uint8_t alert;
	bool goes_on;

	if (what & 0x80)
		client_sends(r, out, content, n);
	if (what & 0x40)
		MUST(call_records_room(r, out) != NULL); // a record is begun
	if (!op.type) {
		goes_on = feed(r, content, n, seed);
	} else {
		memcpy(op.p, content, n);
		rec_seal_burst(p->rc, &op, 1);
		goes_on = feed(r, rec, p->tx.prefix_len + n + p->tx.suffix_len, seed);
	}
	if (what & 0x40)
		client_sends(r, out, content, n);
	if (goes_on) {
		MUST(!call_records_answer(r, out));
		// Only a KeyUpdate that is a record's end is taken.
		if (op.type == TLS_CT_HANDSHAKE && p->secrets.len && n >= 5 &&
			!memcmp(content + n - 5, "\x18\0\0\1", 4) && content[n - 1] < 2)
			rekey(p, false);
	} else {
		call_records_error(r, &alert);
	}
	open_all(p, out);
	return goes_on;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rec_crypto *rc;
	struct outbuf out = {0};
	struct call_records *r;
	struct peer p = {0};
	struct tls_traffic_key k = {0};
	size_t n;

	if (size < 1 || size > 8192)
		return 0;
	if (!rc)
		rc = rec_crypto_create(rec_backend_get("openssl"));
	MUST(rc != NULL);
	p.rc = rc;
	k.aead = (data[0] >> 1 & 3) % TLS_N_AEADS;
	k.key_len = k.aead == TLS_AEAD_AES_128_GCM ? 16 : 32;
	k.version = data[0] & 1 ? 0x0303 : 0x0304;
	p.secrets.len = data[0] & 1 ? 0 : k.aead == TLS_AEAD_AES_256_GCM ? 48 : 32;
	MUST(!rec_key_install(rc, &p.tx, &k, p.keys[0]) &&
		!rec_key_install(rc, &p.rx, &k, p.keys[1]));
	r = call_records_create(rec_backend_nth(0), &k, &k, &p.secrets);
	MUST(r != NULL);
	for (size_t at = 1; at + 2 <= size; at += 2 + n) {
		n = data[at + 1] < size - at - 2 ? data[at + 1] : size - at - 2;
		if (!message(&p, r, &out, data[at], data + at + 2, n, data[0] >> 3))
			break;
	}
	call_records_close(r, &out);
	open_all(&p, &out);
	call_records_free(r);
	outbuf_free(&out);
	rec_key_remove(rc, &p.tx);
	rec_key_remove(rc, &p.rx);
	return 0;
}
