// SPDX-License-Identifier: BSD-3-Clause
// Records as they come from the wire: peeked at and opened from slices, with every backend, which
// must agree. First byte: bits 0-1 cipher, bit 2 version, bit 3 mode, bits 4-7 seed of the slices.
// Mode 0: the rest is the wire. Mode 1: the rest is a plaintext (with its padding and content
// type) that is sealed here, so that what lies behind a good tag is reached too, and then damaged
// when the second byte asks for it.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tls/record.h"

#define MAX_BACKENDS 4
#define WIRE_MAX 20000

static struct rec_crypto *crypto[MAX_BACKENDS];
static unsigned int nb_crypto;

static void init(void)
{
	const struct rec_backend *b;

	for (unsigned int i = 0; !nb_crypto && (b = rec_backend_nth(i)); i++)
		if ((crypto[nb_crypto] = rec_crypto_create(b)))
			for (i++; (b = rec_backend_nth(i)) && nb_crypto + 1 < MAX_BACKENDS; i++)
				if ((crypto[nb_crypto + 1] = rec_crypto_create(b)))
					nb_crypto++;
	nb_crypto++;
}

static void must(int ok)
{
	if (!ok)
		abort();
}

// Slices in memory of their own, so that the sanitizer sees a byte too many.
static uint16_t cut(struct rec_slice *s, uint8_t **mem, const uint8_t *p, size_t n, uint32_t seed)
{
	uint16_t nb = 0;
	size_t at = 0;

	do {
		size_t part = n - at;

		seed = seed * 1103515245 + 12345;
		if (nb + 1 < TLS_REC_MAX_SLICES && seed >> 28)
			part = (seed >> 16) % 97;
		if (part > n - at)
			part = n - at;
		mem[nb] = malloc(part ? part : 1);
		must(mem[nb] != NULL);
		memcpy(mem[nb], p + at, part);
		s[nb] = (struct rec_slice){mem[nb], (uint32_t)part};
		nb++;
		at += part;
	} while (at < n);
	return nb;
}

static void open_record(struct rec_crypto *rc, struct rec_dir *d, const uint8_t *p, size_t n,
	uint32_t seed, struct rec_open_op *op, uint8_t *dst)
{
	struct rec_slice s[TLS_REC_MAX_SLICES];
	uint8_t *mem[TLS_REC_MAX_SLICES];

	*op = (struct rec_open_op){.d = d, .src = s, .dst = dst};
	op->nb_src = cut(s, mem, p, n, seed);
	rec_open_burst(rc, op, 1);
	for (uint16_t i = 0; i < op->nb_src; i++)
		free(mem[i]);
	op->src = NULL;
	must(op->status == 0 || op->status == 10 || op->status == 20 || op->status == 22 ||
		op->status == 50);
	must(!op->status || !op->len);
	must(op->len <= TLS_REC_MAX_PLAIN);
}

// The whole wire, record by record, as a worker would.
static void open_wire(const struct tls_traffic_key *k, const uint8_t *p, size_t n, uint32_t seed)
{
	_Alignas(REC_KEY_ALIGN) static uint8_t mem[MAX_BACKENDS][REC_KEY_SIZE_MAX];
	struct rec_dir d[MAX_BACKENDS];

	for (unsigned int b = 0; b < nb_crypto; b++)
		must(!rec_key_install(crypto[b], &d[b], k, mem[b]));
	while (n >= TLS_REC_HDR_LEN) {
		struct rec_open_op op[MAX_BACKENDS];
		int len = rec_peek(&d[0], p);
		uint8_t *dst[MAX_BACKENDS];

		if (len < 0 || (size_t)len > n)
			break;
		for (unsigned int b = 0; b < nb_crypto; b++) {
			dst[b] = malloc((size_t)len);
			must(dst[b] != NULL);
			open_record(crypto[b], &d[b], p, (size_t)len, seed + b, &op[b], dst[b]);
			must(op[b].status == op[0].status && op[b].len == op[0].len &&
				op[b].type == op[0].type && d[b].seq == d[0].seq);
			must(!memcmp(dst[b], dst[0], op[0].len));
		}
		for (unsigned int b = 0; b < nb_crypto; b++)
			free(dst[b]);
		p += len;
		n -= (size_t)len;
	}
	for (unsigned int b = 0; b < nb_crypto; b++)
		rec_key_remove(crypto[b], &d[b]);
}

// Seal data (its last byte the type) into wire, and damage it when flip says so.
static size_t make_record(
	const struct tls_traffic_key *k, const uint8_t *data, size_t n, uint8_t flip, uint8_t *wire)
{
	_Alignas(REC_KEY_ALIGN) static uint8_t mem[REC_KEY_SIZE_MAX];
	struct rec_seal_op op;
	struct rec_dir d;
	size_t len;

	must(!rec_key_install(crypto[0], &d, k, mem));
	op = (struct rec_seal_op){&d, wire + d.prefix_len, (uint16_t)(n - 1), data[n - 1]};
	len = d.prefix_len + n - 1 + d.suffix_len;
	memcpy(op.p, data, n - 1);
	rec_seal_burst(crypto[0], &op, 1);
	if (flip)
		wire[flip * 31u % len] ^= (uint8_t)(1 << flip % 8);
	rec_key_remove(crypto[0], &d);
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t wire[WIRE_MAX];
	struct tls_traffic_key k = {.iv = "fixed fuzz", .key = "a fixed key of thirty-two bytes"};

	if (!nb_crypto)
		init();
	if (size < 3)
		return 0;
	k.aead = (data[0] & 3) % TLS_N_AEADS;
	k.version = data[0] & 4 ? 0x0304 : 0x0303;
	k.key_len = k.aead == TLS_AEAD_AES_128_GCM ? 16 : 32;
	if (!(data[0] & 8)) {
		open_wire(&k, data + 1, size - 1, data[0] >> 4);
	} else if (size - 2 <= TLS_REC_MAX_PLAIN + 1) {
		size_t n = make_record(&k, data + 2, size - 2, data[1], wire);

		open_wire(&k, wire, n, data[0] >> 4);
	}
	return 0;
}
