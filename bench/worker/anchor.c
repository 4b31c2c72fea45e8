// SPDX-License-Identifier: BSD-3-Clause
#include "bench/worker/anchor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <rte_cycles.h>
#include <rte_malloc.h>

#include "base/secret.h"

#define BURST 64    // as the worker's
#define STRIDE 2688 // of the worker's mbufs, so that buffers fall into cache sets as they do
#define FRONT 192
#define SOURCE 2048   // bytes that the wire copies from, the most
#define BUFS_MAX 8192 // packets under way, as many as sessions
#define BURSTS_MIN 200
#define BURSTS_MAX 1600

struct anchor {
	const struct rec_backend *backend;
	struct rec_crypto *rc;
	struct rec_dir *tx, *rx;
	unsigned int nb_keys, next, nb_installed;
	unsigned int nb_bufs, next_buf;
	size_t key_size;
	uint8_t *keys, *buf, *source;
	double seal[BURSTS_MAX], open[BURSTS_MAX];
};

static int install(struct anchor *a, uint16_t version, enum tls_aead aead)
{
	struct tls_traffic_key k = {.version = version,
		.aead = (uint8_t)aead,
		.key_len = aead == TLS_AEAD_AES_128_GCM ? 16 : 32};
	int rc = 0;

	for (unsigned int i = 0; !rc && i < a->nb_keys; i++) {
		uint8_t *mem = a->keys + a->key_size * i;

		memcpy(k.key, &i, sizeof(i));
		rc = rec_key_install(a->rc, &a->tx[i], &k, mem);
		if (rc)
			break;
		// Those to open with are apart: what is fetched beyond one key is none of them.
		rc = rec_key_install(a->rc, &a->rx[i], &k, mem + a->key_size * a->nb_keys);
		if (rc)
			rec_key_remove(a->rc, &a->tx[i]);
		else
			a->nb_installed++;
	}
	return rc;
}

struct anchor *anchor_create(unsigned int nb_keys, uint16_t version, enum tls_aead aead)
{
	struct anchor *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->backend = rec_backend_get("");
	a->rc = a->backend ? rec_crypto_create(a->backend) : NULL;
	if (!a->rc) {
		free(a);
		return NULL;
	}
	a->nb_keys = nb_keys;
	a->key_size = RTE_ALIGN(rec_key_size(a->rc, aead), (size_t)REC_KEY_ALIGN);
	a->tx = rte_zmalloc("anchor", nb_keys * sizeof(*a->tx), RTE_CACHE_LINE_SIZE);
	a->rx = rte_zmalloc("anchor", nb_keys * sizeof(*a->rx), RTE_CACHE_LINE_SIZE);
	a->keys = rte_zmalloc("anchor", 2 * a->key_size * nb_keys, REC_KEY_ALIGN);
	a->nb_bufs = RTE_MIN(RTE_ALIGN(nb_keys, BURST), BUFS_MAX);
	a->buf = rte_zmalloc("anchor", (size_t)a->nb_bufs * STRIDE, RTE_CACHE_LINE_SIZE);
	a->source = rte_zmalloc("anchor", SOURCE, RTE_CACHE_LINE_SIZE);
	if (!a->tx || !a->rx || !a->keys || !a->buf || !a->source || install(a, version, aead)) {
		anchor_destroy(a);
		errno = ENOMEM;
		return NULL;
	}
	return a;
}

void anchor_destroy(struct anchor *a)
{
	if (!a)
		return;
	for (unsigned int i = 0; i < a->nb_installed; i++) {
		rec_key_remove(a->rc, &a->tx[i]);
		rec_key_remove(a->rc, &a->rx[i]);
	}
	rec_crypto_destroy(a->rc);
	rte_free(a->tx);
	rte_free(a->rx);
	rte_free(a->keys);
	rte_free(a->buf);
	rte_free(a->source);
	free(a);
}

const char *anchor_backend(const struct anchor *a)
{
	return rec_backend_name(a->backend);
}

// A wire has copied what is sealed into a buffer that was last touched when its turn came before:
// as many are under way as there are sessions.
static uint8_t *packet(struct anchor *a, unsigned int i, uint16_t len)
{
	uint8_t *p = a->buf + (size_t)(a->next_buf + i) * STRIDE + FRONT;

	memcpy(p, a->source, RTE_MIN(len, (uint16_t)SOURCE));
	return p;
}

static void burst(struct anchor *a, uint16_t len, double *seal, double *open)
{
	struct rec_seal_op s[BURST];
	struct rec_open_op o[BURST];
	struct rec_slice sl[BURST];
	uint64_t t0, t1;

	for (unsigned int i = 0; i < BURST; i++) {
		unsigned int k = (a->next + i) % a->nb_keys;
		uint8_t *p = packet(a, i, len);
		struct rec_dir *d = &a->tx[k];

		s[i] = (struct rec_seal_op){
			.d = d, .p = p, .len = len, .type = TLS_CT_APPLICATION_DATA};
		sl[i] = (struct rec_slice){
			p - d->prefix_len, (uint32_t)d->prefix_len + len + d->suffix_len};
		o[i] = (struct rec_open_op){.d = &a->rx[k], .src = &sl[i], .nb_src = 1, .dst = p};
	}
	a->next = (a->next + BURST) % a->nb_keys;
	a->next_buf = (a->next_buf + BURST) % a->nb_bufs;
	t0 = rte_rdtsc();
	rec_seal_burst(a->rc, s, BURST);
	t1 = rte_rdtsc();
	*seal = (double)(t1 - t0) / BURST;
	t0 = rte_rdtsc();
	rec_open_burst(a->rc, o, BURST);
	t1 = rte_rdtsc();
	*open = (double)(t1 - t0) / BURST;
}

static int by_value(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

struct anchor_result anchor_run(struct anchor *a, uint16_t len)
{
	unsigned int n = RTE_MIN(
		RTE_MAX(a->nb_keys / BURST, (unsigned int)BURSTS_MIN), (unsigned int)BURSTS_MAX);

	for (unsigned int i = 0; i < n; i++)
		burst(a, len, &a->seal[i], &a->open[i]);
	qsort(a->seal, n, sizeof(a->seal[0]), by_value);
	qsort(a->open, n, sizeof(a->open[0]), by_value);
	return (struct anchor_result){a->seal[n / 2], a->open[n / 2]};
}
