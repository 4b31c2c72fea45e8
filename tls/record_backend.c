// SPDX-License-Identifier: BSD-3-Clause
// Which backends are built in, and which is the fastest here.
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls/record_priv.h"

static const struct rec_backend *const backends[] = {
#ifdef CULVERT_HAVE_IMB
	&rec_backend_imb,
#endif
	&rec_backend_openssl,
};
#define NB_BACKENDS (sizeof(backends) / sizeof(backends[0]))

#define PROBE_LEN 1420
#define PROBE_BURST 64
#define PROBE_ROUNDS 32

static const struct rec_backend *fastest, *added;
static pthread_once_t fastest_once = PTHREAD_ONCE_INIT;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

// The shortest time of PROBE_ROUNDS bursts sealed and opened, in ns; UINT64_MAX when it cannot.
// The minimum, because the machine may be doing something else as well.
static uint64_t measure(const struct rec_backend *b)
{
	const struct tls_traffic_key k = {
		.version = 0x0304, .aead = TLS_AEAD_AES_256_GCM, .key_len = 32};
	uint8_t record[TLS_REC_HDR_LEN + PROBE_LEN + TLS_REC_MAX_SUFFIX] = {0};
	_Alignas(REC_KEY_ALIGN) uint8_t mem[2][REC_KEY_SIZE_MAX];
	struct rec_crypto *rc = rec_crypto_create(b);
	uint64_t best = UINT64_MAX;
	struct rec_dir tx, rx;

	if (!rc)
		return UINT64_MAX;
	if (rec_key_install(rc, &tx, &k, mem[0]))
		goto out;
	if (rec_key_install(rc, &rx, &k, mem[1]))
		goto out_tx;
	for (int round = 0; round < PROBE_ROUNDS; round++) {
		uint64_t t0 = now_ns(), t;

		for (int i = 0; i < PROBE_BURST; i++) {
			struct rec_seal_op s = {.d = &tx,
				.p = record + TLS_REC_HDR_LEN,
				.len = PROBE_LEN,
				.type = TLS_CT_APPLICATION_DATA};
			struct rec_slice sl = {record, sizeof(record)};
			struct rec_open_op o = {
				.d = &rx, .src = &sl, .nb_src = 1, .dst = record + TLS_REC_HDR_LEN};

			rec_seal_burst(rc, &s, 1);
			rec_open_burst(rc, &o, 1);
			if (o.status) // a backend that cannot open its own records is none
				goto out_rx;
		}
		t = now_ns() - t0;
		best = t < best ? t : best;
	}
	rec_key_remove(rc, &rx);
	rec_key_remove(rc, &tx);
	rec_crypto_destroy(rc);
	return best;
out_rx:
	rec_key_remove(rc, &rx);
out_tx:
	rec_key_remove(rc, &tx);
out:
	rec_crypto_destroy(rc);
	return UINT64_MAX;
}

static void find_fastest(void)
{
	uint64_t best = UINT64_MAX;

	for (size_t i = 0; i < NB_BACKENDS; i++) {
		uint64_t t = measure(backends[i]);

		if (t < best) {
			best = t;
			fastest = backends[i];
		}
	}
}

const struct rec_backend *rec_backend_get(const char *name)
{
	if (!name || !*name) {
		pthread_once(&fastest_once, find_fastest);
		if (!fastest)
			errno = ENOENT;
		return fastest;
	}
	for (size_t i = 0; i < NB_BACKENDS; i++)
		if (!strcmp(backends[i]->name, name))
			return backends[i];
	if (added && !strcmp(added->name, name))
		return added;
	errno = ENOENT;
	return NULL;
}

int rec_backend_add(const struct rec_backend *b)
{
	if (added && added != b)
		return -ENOSPC;
	added = b;
	return 0;
}

const char *rec_backend_name(const struct rec_backend *b)
{
	return b->name;
}

const struct rec_backend *rec_backend_nth(unsigned int n)
{
	return n < NB_BACKENDS ? backends[n] : NULL;
}
