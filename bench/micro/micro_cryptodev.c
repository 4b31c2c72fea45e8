// SPDX-License-Identifier: BSD-3-Clause
// DPDK's crypto devices on the same ipsec-mb: through rte_cryptodev_sym_cpu_crypto_process() and
// through a queue pair. Here for comparison only: see docs/benchmarking.md for why no record
// backend goes through them.
#include <string.h>
#include <rte_dev.h>
#include <rte_crypto.h>
#include <rte_cryptodev.h>
#include <rte_errno.h>

#include "bench/micro/micro_aead.h"

enum { API_CPU, API_ASYNC, N_APIS };

#define TAG_LEN 16
#define AAD_LEN 5
#define IV_LEN 12
#define IV_OFF (sizeof(struct rte_crypto_op) + sizeof(struct rte_crypto_sym_op))
#define DRIVER "crypto_aesni_gcm"

struct dev_state {
	struct aead_bufs b;
	int api;
	bool open;
	uint32_t keys, at;
	uint64_t seq;
	uint8_t dev;
	bool started;
	struct rte_mempool *sessions, *ops;
	void **session;
	uint8_t nonce[MICRO_BURST][16], aad[16], tag[MICRO_BURST][16];
	struct rte_crypto_op *op[MICRO_BURST];
	struct rte_mbuf *m[MICRO_BURST];
};

static void dev_teardown(void *state)
{
	struct dev_state *s = state;

	for (uint32_t i = 0; s->session && i < s->keys; i++)
		if (s->session[i])
			rte_cryptodev_sym_session_free(s->dev, s->session[i]);
	for (int i = 0; i < MICRO_BURST; i++) {
		rte_crypto_op_free(s->op[i]);
		rte_pktmbuf_free(s->m[i]);
	}
	if (s->started)
		rte_cryptodev_stop(s->dev);
	rte_mempool_free(s->sessions);
	rte_mempool_free(s->ops);
	micro_free(s->session);
	aead_bufs_free(&s->b);
	micro_free(s);
}

// One device for all cases, its queue pair set up anew for each.
static int start_device(struct dev_state *s)
{
	struct rte_cryptodev_config conf = {.nb_queue_pairs = 1};
	struct rte_cryptodev_qp_conf qp = {.nb_descriptors = 2 * MICRO_BURST};
	int id = rte_cryptodev_get_dev_id(DRIVER);

	if (id < 0 && rte_eal_hotplug_add("vdev", DRIVER, "") == 0)
		id = rte_cryptodev_get_dev_id(DRIVER);
	if (id < 0)
		return -1;
	s->dev = (uint8_t)id;
	conf.socket_id = rte_cryptodev_socket_id(s->dev);
	s->sessions = rte_cryptodev_sym_session_pool_create("micro_sessions", s->keys + 1,
		rte_cryptodev_sym_get_private_session_size(s->dev), 0, 0, SOCKET_ID_ANY);
	qp.mp_session = s->sessions;
	if (!s->sessions || rte_cryptodev_configure(s->dev, &conf) ||
		rte_cryptodev_queue_pair_setup(s->dev, 0, &qp, conf.socket_id) ||
		rte_cryptodev_start(s->dev))
		return -1;
	s->started = true;
	return 0;
}

static int make_sessions(struct dev_state *s, enum tls_aead aead)
{
	static const uint8_t key[32] = {0x42};
	struct rte_crypto_sym_xform x = {.type = RTE_CRYPTO_SYM_XFORM_AEAD,
		.aead = {.op = s->open ? RTE_CRYPTO_AEAD_OP_DECRYPT : RTE_CRYPTO_AEAD_OP_ENCRYPT,
			.algo = RTE_CRYPTO_AEAD_AES_GCM,
			.key = {.data = key, .length = (uint16_t)aead_key_len(aead)},
			.iv = {.offset = IV_OFF, .length = IV_LEN},
			.digest_length = TAG_LEN,
			.aad_length = AAD_LEN}};

	s->session = micro_alloc(s->keys * sizeof(*s->session));
	for (uint32_t i = 0; s->session && i < s->keys; i++) {
		s->session[i] = rte_cryptodev_sym_session_create(s->dev, &x, s->sessions);
		if (!s->session[i])
			return -1;
	}
	return s->session ? 0 : -1;
}

// Mbufs of the pool, which keep their data at the place where a record's text is.
static int make_ops(struct dev_state *s)
{
	s->ops = rte_crypto_op_pool_create(
		"micro_ops", RTE_CRYPTO_OP_TYPE_SYMMETRIC, 2 * MICRO_BURST, 0, 16, SOCKET_ID_ANY);
	if (!s->ops || !micro_pool())
		return -1;
	for (uint32_t i = 0; i < s->b.n; i++) {
		struct rte_crypto_sym_op *sym;

		s->op[i] = rte_crypto_op_alloc(s->ops, RTE_CRYPTO_OP_TYPE_SYMMETRIC);
		s->m[i] = rte_pktmbuf_alloc(micro_pool());
		if (!s->op[i] || !s->m[i] || !rte_pktmbuf_append(s->m[i], (uint16_t)s->b.len))
			return -1;
		sym = s->op[i]->sym;
		sym->m_src = s->m[i];
		sym->aead.data.offset = 0;
		sym->aead.data.length = s->b.len;
		sym->aead.digest.data = s->tag[i];
		sym->aead.digest.phys_addr = (rte_iova_t)(uintptr_t)s->tag[i];
		sym->aead.aad.data = s->aad;
		sym->aead.aad.phys_addr = (rte_iova_t)(uintptr_t)s->aad;
	}
	return 0;
}

static bool has_cpu_crypto(const struct dev_state *s)
{
	struct rte_cryptodev_info info;

	rte_cryptodev_info_get(s->dev, &info);
	return info.feature_flags & RTE_CRYPTODEV_FF_SYM_CPU_CRYPTO;
}

static void *dev_setup(const struct micro_case *c, char *why, size_t cap)
{
	struct dev_state *s = micro_alloc(sizeof(*s));

	snprintf(why, cap, "no memory");
	if (!s || aead_bufs_init(&s->b, c)) {
		micro_free(s);
		return NULL;
	}
	s->api = (int)c->arg[AEAD_ARG_LIB];
	s->open = c->arg[AEAD_ARG_OPEN];
	s->keys = (uint32_t)c->arg[AEAD_ARG_KEYS];
	if (start_device(s)) {
		snprintf(why, cap, "no device " DRIVER " (its DPDK driver is not installed?)");
	} else if (s->api == API_CPU && !has_cpu_crypto(s)) {
		snprintf(why, cap, DRIVER " has no CPU crypto");
	} else if (make_sessions(s, (enum tls_aead)c->arg[AEAD_ARG_AEAD]) ||
		   (s->api == API_ASYNC && make_ops(s))) {
		snprintf(why, cap, "the device does not take %u keys of it", s->keys);
	} else {
		return s;
	}
	dev_teardown(s);
	return NULL;
}

static uint32_t next_key(struct dev_state *s)
{
	uint32_t k = s->at++;

	if (s->at == s->keys)
		s->at = 0;
	return k;
}

// One record a call, since a call is for one session's records and a burst is of many sessions;
// with one key all records in one call.
static void cpu_run(void *state, unsigned int phase)
{
	struct dev_state *s = state;
	uint32_t each = s->keys == 1 ? s->b.n : 1;
	union rte_crypto_sym_ofs ofs = {.raw = 0};

	for (uint32_t i = 0; i < s->b.n; i += each) {
		struct rte_crypto_va_iova_ptr iv[MICRO_BURST], aad[MICRO_BURST], tag[MICRO_BURST];
		struct rte_crypto_sgl sgl[MICRO_BURST];
		struct rte_crypto_vec vec[MICRO_BURST];
		int32_t status[MICRO_BURST];
		struct rte_crypto_sym_vec v = {.num = each,
			.src_sgl = sgl,
			.iv = iv,
			.aad = aad,
			.digest = tag,
			.status = status};

		for (uint32_t k = 0; k < each; k++) {
			uint8_t *p = s->b.p + (size_t)(i + k) * s->b.stride;
			uint64_t x = s->seq++;

			memcpy(s->nonce[k], &x, sizeof(x));
			vec[k] = (struct rte_crypto_vec){.base = p, .len = s->b.len};
			sgl[k] = (struct rte_crypto_sgl){.vec = &vec[k], .num = 1};
			iv[k].va = s->nonce[k];
			aad[k].va = s->aad;
			tag[k].va = s->open ? s->tag[k] : p + s->b.len;
		}
		rte_cryptodev_sym_cpu_crypto_process(s->dev, s->session[next_key(s)], ofs, &v);
	}
}

static void async_run(void *state, unsigned int phase)
{
	struct dev_state *s = state;
	struct rte_crypto_op *out[MICRO_BURST];
	uint16_t sent = 0, done = 0, n = (uint16_t)s->b.n;

	for (uint16_t i = 0; i < n; i++) {
		uint64_t x = s->seq++;

		memcpy(rte_crypto_op_ctod_offset(s->op[i], uint8_t *, IV_OFF), &x, sizeof(x));
		rte_crypto_op_attach_sym_session(s->op[i], s->session[next_key(s)]);
	}
	while (done < n) {
		sent += rte_cryptodev_enqueue_burst(s->dev, 0, s->op + sent, n - sent);
		done += rte_cryptodev_dequeue_burst(s->dev, 0, out, n);
	}
}

static const struct micro_ops cpu_ops = {
	.setup = dev_setup, .run = cpu_run, .teardown = dev_teardown};
static const struct micro_ops async_ops = {
	.setup = dev_setup, .run = async_run, .teardown = dev_teardown};

void micro_cryptodev_cases(struct micro_suite *s)
{
	static const int64_t keys[] = {1, 64, 10000};
	static const char *const names[N_APIS] = {"cpu", "async"};

	for (int api = 0; api < N_APIS; api++)
		for (int aead = 0; aead < TLS_AEAD_CHACHA20_POLY1305; aead++)
			for (unsigned int i = 0; i < aead_nb_sizes; i++)
				for (size_t k = 0; k < 2 * RTE_DIM(keys); k++) {
					struct micro_case *c;

					// The queue's mbufs are no larger.
					if (api == API_ASYNC && aead_sizes[i] > 2048)
						continue;
					c = micro_add(s, api == API_CPU ? &cpu_ops : &async_ops,
						"record", "cryptodev/%s/%s/%s/%u/%d",
						k % 2 ? "open" : "seal", names[api],
						aead_names[aead], aead_sizes[i], (int)keys[k / 2]);
					c->batch = aead_batch(aead_sizes[i]);
					c->bytes = aead_sizes[i];
					c->arg[AEAD_ARG_AEAD] = aead;
					c->arg[AEAD_ARG_OPEN] = k % 2;
					c->arg[AEAD_ARG_KEYS] = keys[k / 2];
					c->arg[AEAD_ARG_LIB] = api;
					micro_bare_anchor(c->anchor, k % 2, aead, aead_sizes[i]);
				}
}
