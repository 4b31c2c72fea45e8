// SPDX-License-Identifier: BSD-3-Clause
#include "bench/micro/micro_aead.h"

#include <errno.h>
#include <immintrin.h>

#include "dataplane/mbuf.h"

// Where an inner packet's SSTP header begins in a received frame's buffer (downlink), and where a
// record's plaintext goes in a fresh one (uplink).
#define AT_SEAL (128 + 14 - 8)
#define AT_OPEN MBUF_FRONT
#define ELEMENT 2688 // mempool header, mbuf, private area and data room of the worker's mbufs
#define ROOM_AROUND 256
#define LINE 64

const char *const aead_names[TLS_N_AEADS] = {"aes-128-gcm", "aes-256-gcm", "chacha20-poly1305"};
const uint32_t aead_sizes[] = {64, 256, 512, 1024, 1420, 4096, 16384};
const unsigned int aead_nb_sizes = RTE_DIM(aead_sizes);

uint32_t aead_key_len(enum tls_aead aead)
{
	return aead == TLS_AEAD_AES_128_GCM ? 16 : 32;
}

uint32_t aead_batch(uint32_t len)
{
	return len >= 16384 ? MICRO_BURST / 8 : len >= 4096 ? MICRO_BURST / 4 : MICRO_BURST;
}

int aead_bufs_init(struct aead_bufs *b, const struct micro_case *c)
{
	uint32_t need = c->bytes + 2 * ROOM_AROUND;
	size_t third;

	b->n = c->batch;
	b->len = c->bytes;
	b->stride = need <= ELEMENT ? ELEMENT : (need + LINE - 1) / LINE * LINE;
	b->cold = c->arg[AEAD_ARG_COLD];
	third = (size_t)b->n * b->stride;
	b->all = micro_alloc((2 + AEAD_SLICES_MAX) * third);
	if (!b->all)
		return -ENOMEM;
	b->p = b->all + AT_SEAL;
	b->dst = b->all + third + AT_OPEN;
	b->piece = b->all + 2 * third + AT_SEAL;
	for (uint32_t i = 0; i < b->n; i++)
		for (uint32_t k = 0; k < b->len; k++)
			b->p[(size_t)i * b->stride + k] = (uint8_t)(i + k);
	return 0;
}

void aead_bufs_free(struct aead_bufs *b)
{
	micro_free(b->all);
	b->all = NULL;
}

void aead_bufs_chill(const struct aead_bufs *b)
{
	size_t third;

	if (!b->cold)
		return;
	third = (size_t)b->n * b->stride;
	for (size_t i = 0; i < third; i += LINE)
		_mm_clflush(b->all + i);
	for (size_t i = 0; i < AEAD_SLICES_MAX * third; i += LINE)
		_mm_clflush(b->all + 2 * third + i);
	_mm_mfence();
}
