// SPDX-License-Identifier: BSD-3-Clause
// A packet against compiled filters.
#include <rte_branch_prediction.h>

#include "dataplane/filter_int.h"
#include "protocol/cursor.h"

#define PROTO_TCP 6
#define EXTENSIONS_MAX 8 // headers in front of the upper layer's that are walked over

// Protocols that begin with a source and a destination port.
static inline bool with_ports(uint8_t protocol)
{
	return protocol == PROTO_TCP || protocol == 17 || protocol == 33 || protocol == 132 ||
	       protocol == 136;
}

// c: behind the headers of a packet, or of its first fragment.
static void key_ports(struct filter_key *k, struct cursor *c)
{
	if (!with_ports(k->protocol))
		return;
	if (cur_u16(c, &k->src_port) || cur_u16(c, &k->dst_port))
		k->hidden = true;
	else
		k->has_ports = true;
}

// A later fragment. Who begins one in the middle of TCP's header wants it to overlap the first one,
// RFC 1858 3.
static void key_later(struct filter_key *k, uint16_t offset)
{
	if (k->protocol == PROTO_TCP && offset == 1)
		k->hidden = true;
}

static void key4(struct filter_key *k, const uint8_t *p, uint32_t len)
{
	uint32_t hlen = (p[0] & 0x0fu) * 4, src, dst;
	uint16_t offset = (uint16_t)((p[6] & 0x1f) << 8 | p[7]);
	struct cursor c = cursor_make(p, len);

	k->is4 = true;
	k->protocol = p[9];
	memcpy(&src, p + 12, sizeof(src));
	memcpy(&dst, p + 16, sizeof(dst));
	k->src_lo = UINT64_C(0xffff) << 32 | __builtin_bswap32(src);
	k->dst_lo = UINT64_C(0xffff) << 32 | __builtin_bswap32(dst);
	if (offset)
		key_later(k, offset);
	else if (cur_skip(&c, hlen))
		k->hidden = true;
	else
		key_ports(k, &c);
}

// RFC 8200 4. c: behind the fixed header.
static void key6_extensions(struct filter_key *k, struct cursor *c, uint8_t next)
{
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		uint8_t len;
		uint16_t offset;

		k->protocol = next;
		switch (next) {
		case 0:  // hop-by-hop options
		case 43: // routing
		case 60: // destination options
			if (cur_u8(c, &next) || cur_u8(c, &len) || cur_skip(c, len * 8u + 6))
				goto hidden;
			break;
		case 51: // authentication header, RFC 4302 2.2
			if (cur_u8(c, &next) || cur_u8(c, &len) || cur_skip(c, len * 4u + 6))
				goto hidden;
			break;
		case 44: // fragment
			if (cur_u8(c, &next) || cur_skip(c, 1) || cur_u16(c, &offset) ||
				cur_skip(c, 4))
				goto hidden;
			if (offset >> 3) {
				k->protocol = next;
				key_later(k, offset >> 3);
				return;
			}
			break;
		default:
			key_ports(k, c);
			return;
		}
	}
hidden:
	k->hidden = true;
}

void filter_key(struct filter_key *k, const uint8_t *p, uint32_t len)
{
	struct cursor c = cursor_make(p, len);
	uint64_t a[4];
	uint8_t next;

	*k = (struct filter_key){0};
	if (likely(len >= 20 && p[0] >> 4 == 4)) {
		key4(k, p, len);
		return;
	}
	if (cur_skip(&c, 6) || cur_u8(&c, &next) || cur_skip(&c, 1) ||
		cur_bytes(&c, a, sizeof(a))) {
		k->hidden = true;
		return;
	}
	k->src_hi = __builtin_bswap64(a[0]);
	k->src_lo = __builtin_bswap64(a[1]);
	k->dst_hi = __builtin_bswap64(a[2]);
	k->dst_lo = __builtin_bswap64(a[3]);
	key6_extensions(k, &c, next);
}

// ---- tables

// The row of v: without a branch that depends on the data.
static inline const uint64_t *row32(const struct table32 *t, uint32_t words, uint32_t v)
{
	const uint32_t *at = t->start;
	uint32_t n = t->n;

	while (n > 1) {
		uint32_t half = n / 2;

		at = at[half] <= v ? at + half : at;
		n -= half;
	}
	return &t->rows[(size_t)(at - t->start) * words];
}

static inline const uint64_t *row128(
	const struct table128 *t, uint32_t words, uint64_t hi, uint64_t lo)
{
	const struct filter_addr *at = t->start;
	uint32_t n = t->n;

	while (n > 1) {
		uint32_t half = n / 2;
		bool below = at[half].hi < hi || (at[half].hi == hi && at[half].lo <= lo);

		at = below ? at + half : at;
		n -= half;
	}
	return &t->rows[(size_t)(at - t->start) * words];
}

// Rules of one word that ask for lists which the address is not in.
static inline uint64_t not_in_lists(
	const struct filter_lists *l, uint32_t words, uint32_t w, uint32_t in)
{
	uint64_t no = 0;

	for (uint32_t left = l->used & ~in; left; left &= left - 1)
		no |= l->rows[(size_t)__builtin_ctz(left) * words + w];
	return no;
}

enum config_filter_action filter_match(
	const struct filter *f, const struct filter_key *k, uint32_t src_lists, uint32_t dst_lists)
{
	const uint64_t *protocol, *src, *dst, *src_port = f->no_ports, *dst_port = f->no_ports;
	uint32_t words = f->words;

	if (unlikely(k->hidden))
		return CONFIG_FILTER_DROP;
	protocol = &f->protocol[(size_t)k->protocol * words];
	if (k->is4) {
		src = row32(&f->src4, words, (uint32_t)k->src_lo);
		dst = row32(&f->dst4, words, (uint32_t)k->dst_lo);
	} else {
		src = row128(&f->src6, words, k->src_hi, k->src_lo);
		dst = row128(&f->dst6, words, k->dst_hi, k->dst_lo);
	}
	if (k->has_ports) {
		src_port = row32(&f->src_port, words, k->src_port);
		dst_port = row32(&f->dst_port, words, k->dst_port);
	}
	for (uint32_t w = 0; w < words; w++) {
		uint64_t bits = protocol[w] & src[w] & dst[w] & src_port[w] & dst_port[w];

		if (!bits)
			continue;
		bits &= ~not_in_lists(&f->src_lists, words, w, src_lists);
		bits &= ~not_in_lists(&f->dst_lists, words, w, dst_lists);
		if (bits)
			return f->action[w * 64 + (uint32_t)__builtin_ctzll(bits)];
	}
	return CONFIG_FILTER_ACCEPT;
}

uint32_t filter_src_lists(const struct filter *f)
{
	return f->src_lists.used;
}

uint32_t filter_dst_lists(const struct filter *f)
{
	return f->dst_lists.used;
}
