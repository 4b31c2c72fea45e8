// SPDX-License-Identifier: BSD-3-Clause
// rec_seal_burst() and rec_open_burst() as the worker calls them: every backend, cipher and size,
// with 1, 64 and 10,000 keys in rotation, records in one piece and straddling segments.
#include <stdlib.h>
#include <string.h>

#include "bench/micro/micro_aead.h"

#define KEY_STRIDE_ALIGN 64

struct record_state {
	struct aead_bufs b;
	struct rec_crypto *rc;
	struct rec_dir *dirs;
	uint8_t *keymem;
	uint32_t keys, at; // key of the next batch's first record
	bool open;
	struct rec_seal_op seal[MICRO_BURST];
	struct rec_open_op ops[MICRO_BURST];
	struct rec_slice slice[MICRO_BURST][AEAD_SLICES_MAX];
};

static void record_teardown(void *state)
{
	struct record_state *s = state;

	for (uint32_t i = 0; s->dirs && i < s->keys; i++)
		if (s->dirs[i].key)
			rec_key_remove(s->rc, &s->dirs[i]);
	micro_free(s->dirs);
	micro_free(s->keymem);
	aead_bufs_free(&s->b);
	rec_crypto_destroy(s->rc);
	micro_free(s);
}

static struct rec_dir *dir_of(struct record_state *s, uint32_t i)
{
	uint32_t k = s->at + i;

	return &s->dirs[k < s->keys ? k : k % s->keys];
}

// The same key material everywhere, each expanded for itself: what was sealed with one opens with
// all.
static int install_keys(struct record_state *s, enum tls_aead aead)
{
	struct tls_traffic_key k = {
		.version = 0x0304, .aead = (uint8_t)aead, .key_len = (uint8_t)aead_key_len(aead)};
	size_t stride = rec_key_size(s->rc, aead);

	stride = (stride + KEY_STRIDE_ALIGN - 1) / KEY_STRIDE_ALIGN * KEY_STRIDE_ALIGN;
	s->dirs = micro_alloc(s->keys * sizeof(*s->dirs));
	s->keymem = micro_alloc(s->keys * stride);
	if (!s->dirs || !s->keymem)
		return -1;
	memset(k.key, 0x42, k.key_len);
	memset(k.iv, 0x17, sizeof(k.iv));
	for (uint32_t i = 0; i < s->keys; i++)
		if (rec_key_install(s->rc, &s->dirs[i], &k, s->keymem + i * stride))
			return -1;
	return 0;
}

// Cut record i (total bytes at rec) into pieces that lie apart, as segments do; where, differs from
// record to record.
static void cut(
	struct record_state *s, uint32_t i, const uint8_t *rec, uint32_t total, uint32_t slices)
{
	uint8_t *piece = s->b.piece + (size_t)i * AEAD_SLICES_MAX * s->b.stride;
	uint32_t first = (i * 2654435761u >> 8) % (total - slices) + 1, left = total;

	s->ops[i].src = s->slice[i];
	s->ops[i].nb_src = (uint16_t)slices;
	if (slices == 1) {
		s->slice[i][0] = (struct rec_slice){rec, total};
		return;
	}
	if (slices > 2 && first > total / 2)
		first = total - first;
	for (uint32_t k = 0; k < slices; k++, piece += s->b.stride) {
		uint32_t n = k + 1 == slices ? left : k ? left / 2 : first;

		memcpy(piece, rec + (total - left), n);
		s->slice[i][k] = (struct rec_slice){piece, n};
		left -= n;
	}
}

// The next batch's directions: sequence numbers as when the records were sealed, or anything when
// they are sealed.
static void record_prepare(void *state, unsigned int phase)
{
	struct record_state *s = state;

	for (uint32_t i = 0; i < s->b.n; i++) {
		struct rec_dir *d = dir_of(s, i);

		if (s->open) {
			s->ops[i].d = d;
			dir_of(s, i)->seq = 0;
		} else {
			s->seal[i].d = d;
		}
	}
	aead_bufs_chill(&s->b);
}

static void record_run(void *state, unsigned int phase)
{
	struct record_state *s = state;

	if (s->open)
		rec_open_burst(s->rc, s->ops, (uint16_t)s->b.n);
	else
		rec_seal_burst(s->rc, s->seal, (uint16_t)s->b.n);
	s->at += s->b.n;
	if (s->at >= s->keys)
		s->at = 0;
}

// Whether a batch opens: a benchmark of failures would be fast.
static bool opens(struct record_state *s)
{
	record_prepare(s, 0);
	rec_open_burst(s->rc, s->ops, (uint16_t)s->b.n);
	for (uint32_t i = 0; i < s->b.n; i++)
		if (s->ops[i].status || s->ops[i].len != s->b.len)
			return false;
	return true;
}

static void *record_setup(const struct micro_case *c, char *why, size_t cap)
{
	const struct rec_backend *be = rec_backend_nth((unsigned int)c->arg[AEAD_ARG_LIB]);
	struct record_state *s = micro_alloc(sizeof(*s));

	if (!s || !(s->rc = rec_crypto_create(be))) {
		snprintf(why, cap, "the backend does not start here");
		micro_free(s);
		return NULL;
	}
	s->keys = (uint32_t)c->arg[AEAD_ARG_KEYS];
	s->open = c->arg[AEAD_ARG_OPEN];
	if (aead_bufs_init(&s->b, c) || install_keys(s, (enum tls_aead)c->arg[AEAD_ARG_AEAD])) {
		snprintf(why, cap, "no memory for %u keys", s->keys);
		record_teardown(s);
		return NULL;
	}
	for (uint32_t i = 0; i < s->b.n; i++) {
		struct rec_dir *d = dir_of(s, i);
		uint8_t *p = s->b.p + (size_t)i * s->b.stride;

		s->seal[i] = (struct rec_seal_op){
			.d = d, .p = p, .len = (uint16_t)s->b.len, .type = TLS_CT_APPLICATION_DATA};
		if (!s->open)
			continue;
		rec_seal_burst(s->rc, &s->seal[i], 1);
		s->ops[i].dst = s->b.dst + (size_t)i * s->b.stride;
		cut(s, i, p - d->prefix_len, d->prefix_len + s->b.len + d->suffix_len,
			(uint32_t)c->arg[AEAD_ARG_SLICES]);
	}
	if (s->open && !opens(s)) {
		snprintf(why, cap, "records do not open");
		record_teardown(s);
		return NULL;
	}
	return s;
}

static const struct micro_ops record_ops = {.setup = record_setup,
	.prepare = record_prepare,
	.run = record_run,
	.teardown = record_teardown};

static void add(struct micro_suite *s, unsigned int lib, int aead, uint32_t size, int64_t keys,
	int64_t slices, bool cold)
{
	static const char *const what[] = {"seal", "open", "open2", "open3"};
	struct micro_case *c = micro_add(s, &record_ops, "record", "record/%s/%s/%s/%u/%d%s",
		what[slices], rec_backend_name(rec_backend_nth(lib)), aead_names[aead], size,
		(int)keys, cold ? "/cold" : "");

	c->batch = aead_batch(size);
	c->bytes = size;
	c->arg[AEAD_ARG_AEAD] = aead;
	c->arg[AEAD_ARG_OPEN] = slices > 0;
	c->arg[AEAD_ARG_KEYS] = keys;
	c->arg[AEAD_ARG_SLICES] = slices;
	c->arg[AEAD_ARG_COLD] = cold;
	c->arg[AEAD_ARG_LIB] = lib;
	micro_bare_anchor(c->anchor, slices > 0, aead, size);
}

void micro_record_cases(struct micro_suite *s)
{
	static const int64_t keys[] = {1, 64, 10000};

	for (unsigned int lib = 0; rec_backend_nth(lib); lib++)
		for (int aead = 0; aead < TLS_N_AEADS; aead++)
			for (unsigned int i = 0; i < aead_nb_sizes; i++)
				for (int64_t slices = 0; slices <= AEAD_SLICES_MAX; slices++) {
					for (size_t k = 0; k < RTE_DIM(keys); k++)
						add(s, lib, aead, aead_sizes[i], keys[k], slices,
							false);
					add(s, lib, aead, aead_sizes[i], 1, slices, true);
				}
}
