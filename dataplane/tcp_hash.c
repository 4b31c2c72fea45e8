// SPDX-License-Identifier: BSD-3-Clause
// Keyed hashing, so that peers can neither choose their bucket nor guess sequence numbers, and the
// table of connections.
#include <errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_vect.h>

#include "dataplane/tcp_int.h"

static inline uint64_t rol(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline void sip_round(struct sip *h)
{
	h->v0 += h->v1;
	h->v1 = rol(h->v1, 13) ^ h->v0;
	h->v0 = rol(h->v0, 32);
	h->v2 += h->v3;
	h->v3 = rol(h->v3, 16) ^ h->v2;
	h->v0 += h->v3;
	h->v3 = rol(h->v3, 21) ^ h->v0;
	h->v2 += h->v1;
	h->v1 = rol(h->v1, 17) ^ h->v2;
	h->v2 = rol(h->v2, 32);
}

// SipHash-c-d of whole words (Aumasson, Bernstein 2012).
static inline uint64_t siphash(
	uint64_t k0, uint64_t k1, const uint64_t *w, unsigned int n, int c_rounds, int d_rounds)
{
	struct sip h = {
		k0 ^ 0x736f6d6570736575ull,
		k1 ^ 0x646f72616e646f6dull,
		k0 ^ 0x6c7967656e657261ull,
		k1 ^ 0x7465646279746573ull,
	};
	uint64_t last = (uint64_t)(n * 8) << 56;

	for (unsigned int i = 0; i <= n; i++) {
		uint64_t m = i < n ? w[i] : last;

		h.v3 ^= m;
		for (int r = 0; r < c_rounds; r++)
			sip_round(&h);
		h.v0 ^= m;
	}
	h.v2 ^= 0xff;
	for (int r = 0; r < d_rounds; r++)
		sip_round(&h);
	return h.v0 ^ h.v1 ^ h.v2 ^ h.v3;
}

// IPv4 fits in two words.
static inline unsigned int key_words(const struct tcp_key *k, uint64_t *w)
{
	uint64_t ports = (uint64_t)k->rport << 16 | k->lport;

	if (ipaddr_is4(&k->remote)) {
		w[0] = (uint64_t)k->remote.w[3] << 32 | k->local.w[3];
		w[1] = ports;
		return 2;
	}
	w[0] = k->remote.d[0];
	w[1] = k->remote.d[1];
	w[2] = k->local.d[0];
	w[3] = k->local.d[1];
	w[4] = ports;
	return 5;
}

// The table's hash: multilinear over 32-bit words, modulo 2^64, upper half. With random keys any
// two different tuples share a hash, or any bits of it, with the chance of two random numbers
// (strongly universal: Carter and Wegman 1979, Lemire and Kaser 2014), so nobody can fill a bucket
// on purpose; it gives away nothing, as no hash ever leaves.
uint32_t tcp_key_hash(const struct tcp_stack *s, const struct tcp_key *k)
{
	const uint64_t *key = s->hash_key;
	uint32_t ports = (uint32_t)k->rport << 16 | k->lport;
	uint64_t h;

	if (likely(ipaddr_is4(&k->remote)))
		return (uint32_t)((s->hash_key4 + key[3] * k->remote.w[3] + key[7] * k->local.w[3] +
					  key[8] * ports) >>
				  32);
	h = key[9] + key[8] * ports;
	for (unsigned int i = 0; i < 4; i++)
		h += key[i] * k->remote.w[i] + key[4 + i] * k->local.w[i];
	return (uint32_t)(h >> 32);
}

void tcp_hash_keys(struct tcp_stack *s)
{
	const struct ipaddr zero = ipaddr_from4(0);

	for (uint64_t i = 0; i < RTE_DIM(s->hash_key); i++) {
		uint64_t w[2] = {TCP_HASH_TABLE, i};

		s->hash_key[i] = siphash(s->k0, s->k1, w, RTE_DIM(w), 2, 4);
	}
	s->hash_key4 = s->hash_key[9];
	for (unsigned int i = 0; i < 3; i++)
		s->hash_key4 += (s->hash_key[i] + s->hash_key[4 + i]) * zero.w[i];
}

uint64_t tcp_key_secret(
	const struct tcp_stack *s, const struct tcp_key *k, enum tcp_hash_use use, uint64_t extra)
{
	uint64_t w[7];
	unsigned int n = key_words(k, w);

	w[n++] = extra;
	w[n++] = use;
	return siphash(s->k1, s->k0, w, n, 2, 4);
}

// RFC 6528: a clock of 4 us and a secret function of the connection.
uint32_t tcp_isn(const struct tcp_stack *s, const struct tcp_key *k, uint64_t now_us)
{
	return (uint32_t)(now_us / 4) + (uint32_t)tcp_key_secret(s, k, TCP_HASH_ISN, 0);
}

// RFC 7323 5.4: by address pair, so that timestamps grow from one connection to the next and
// TIME-WAIT can be reused (RFC 6191).
uint32_t tcp_ts_offset(const struct tcp_stack *s, const struct tcp_key *k)
{
	struct tcp_key pair = *k;

	pair.lport = 0;
	pair.rport = 0;
	return (uint32_t)tcp_key_secret(s, &pair, TCP_HASH_TS, 0);
}

int tcp_table_create(struct tcp_stack *s, uint32_t entries)
{
	// Half full at the most, so that overflow is rare.
	uint32_t n = rte_align32pow2(RTE_MAX(entries / 3, 16u));

	s->table = rte_zmalloc_socket("tcp_table", (size_t)n * sizeof(*s->table),
		RTE_CACHE_LINE_SIZE, (int)rte_socket_id());
	if (!s->table)
		return -ENOMEM;
	s->table_mask = n - 1;
	return 0;
}

void tcp_table_insert(struct tcp_stack *s, uint32_t hash, uint32_t ref)
{
	for (uint32_t b = hash;; b++) {
		struct tcp_bucket *k = &s->table[b & s->table_mask];

		for (unsigned int i = 0; i < RTE_DIM(k->ref); i++) {
			if (k->ref[i])
				continue;
			k->tag[i] = hash;
			k->ref[i] = ref;
			return;
		}
		k->overflow++;
	}
}

void tcp_table_remove(struct tcp_stack *s, uint32_t hash, uint32_t ref)
{
	for (uint32_t b = hash;; b++) {
		struct tcp_bucket *k = &s->table[b & s->table_mask];

		for (unsigned int i = 0; i < RTE_DIM(k->ref); i++) {
			if (k->ref[i] == ref) {
				k->ref[i] = 0;
				return;
			}
		}
		RTE_ASSERT(k->overflow);
		k->overflow--;
	}
}

static inline const struct tcp_key *ref_key(const struct tcp_stack *s, uint32_t ref)
{
	uint32_t i = (ref & ~TCP_REF_TW) - 1;

	return ref & TCP_REF_TW ? &s->tw[i].key : &s->conns[i].key;
}

static inline bool key_equal(const struct tcp_key *a, const struct tcp_key *b)
{
	return a->rport == b->rport && a->lport == b->lport &&
	       ipaddr_equal(&a->remote, &b->remote) && ipaddr_equal(&a->local, &b->local);
}

// Bit i: slot i has this hash, if it is in use.
static inline unsigned int bucket_match(const struct tcp_bucket *b, uint32_t hash)
{
	unsigned int match = 0;

#ifdef RTE_ARCH_X86
	__m128i h = _mm_set1_epi32((int)hash);
	__m128i lo = _mm_cmpeq_epi32(h, _mm_load_si128((const __m128i *)&b->tag[0]));
	__m128i hi = _mm_cmpeq_epi32(h, _mm_load_si128((const __m128i *)&b->tag[4]));

	match = (unsigned int)_mm_movemask_ps(_mm_castsi128_ps(lo)) |
		(unsigned int)_mm_movemask_ps(_mm_castsi128_ps(hi)) << 4;
	match &= (1u << RTE_DIM(b->tag)) - 1;
#else
	for (unsigned int i = 0; i < RTE_DIM(b->tag); i++)
		match |= (unsigned int)(b->tag[i] == hash) << i;
#endif
	return match;
}

uint32_t tcp_table_guess(const struct tcp_stack *s, uint32_t hash)
{
	const struct tcp_bucket *b = &s->table[hash & s->table_mask];
	unsigned int match = bucket_match(b, hash);

	return likely(match) ? b->ref[__builtin_ctz(match)] : 0; // 0 too when not in use
}

uint32_t tcp_table_find(const struct tcp_stack *s, const struct tcp_key *k, uint32_t hash)
{
	for (uint32_t at = hash;; at++) {
		const struct tcp_bucket *b = &s->table[at & s->table_mask];

		for (unsigned int m = bucket_match(b, hash); m; m &= m - 1) {
			uint32_t ref = b->ref[__builtin_ctz(m)];

			if (ref && key_equal(ref_key(s, ref), k))
				return ref;
		}
		if (!b->overflow)
			return 0;
	}
}
