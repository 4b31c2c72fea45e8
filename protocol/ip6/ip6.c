// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/ip6/ip6.h"

const struct in6_addr ip6_all_nodes = {.s6_addr = {0xff, 2, [15] = 1}};
const struct in6_addr ip6_all_routers = {.s6_addr = {0xff, 2, [15] = 2}};
const struct in6_addr ip6_all_dhcp = {.s6_addr = {0xff, 2, [13] = 1, [15] = 2}};

static uint32_t sum_bytes(uint32_t sum, const uint8_t *p, size_t n)
{
	for (; n > 1; n -= 2, p += 2)
		sum += (uint32_t)(p[0] << 8 | p[1]);
	return n ? sum + (uint32_t)(p[0] << 8) : sum;
}

// RFC 8200 8.1: over the pseudo-header and the upper layer of n bytes. p: the IPv6 header.
static uint16_t checksum(const uint8_t *p, uint8_t proto, size_t n)
{
	uint32_t sum = sum_bytes((uint32_t)n + proto, p + 8, 32);

	sum = sum_bytes(sum, p + IP6_HDR_LEN, n);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static int decode_udp(struct ip6_packet *k)
{
	struct cursor c = k->payload;
	uint16_t len, sum;

	// The checksum must be there: a sum that is right is never sent as 0.
	if (cur_u16(&c, &k->sport) || cur_u16(&c, &k->dport) || cur_u16(&c, &len) ||
		cur_u16(&c, &sum) || !sum || len != cur_left(&k->payload))
		return -EBADMSG;
	k->payload = c;
	return 0;
}

int ip6_decode(const uint8_t *p, size_t n, struct ip6_packet *k)
{
	struct cursor c = cursor_make(p, n);
	uint32_t version;
	uint16_t len;

	*k = (struct ip6_packet){0};
	if (cur_u32(&c, &version) || version >> 28 != 6 || cur_u16(&c, &len) ||
		cur_u8(&c, &k->proto) || cur_u8(&c, &k->hop_limit) ||
		cur_bytes(&c, &k->src, sizeof(k->src)) || cur_bytes(&c, &k->dst, sizeof(k->dst)) ||
		cur_sub(&c, &k->payload, len))
		return -EBADMSG;
	if ((k->proto != IPPROTO_ICMPV6 && k->proto != IPPROTO_UDP) || ip6_is_multicast(&k->src) ||
		checksum(p, k->proto, len))
		return -EBADMSG;
	return k->proto == IPPROTO_UDP ? decode_udp(k) : len < 4 ? -EBADMSG : 0;
}

void ip6_begin(struct writer *w, const struct in6_addr *src, const struct in6_addr *dst,
	uint8_t proto, uint8_t hop_limit, uint16_t sport, uint16_t dport)
{
	wr_u32(w, UINT32_C(6) << 28);
	wr_u16(w, 0);
	wr_u8(w, proto);
	wr_u8(w, hop_limit);
	wr_bytes(w, src, sizeof(*src));
	wr_bytes(w, dst, sizeof(*dst));
	if (proto != IPPROTO_UDP)
		return;
	wr_u16(w, sport);
	wr_u16(w, dport);
	wr_zero(w, 4);
}

void ip6_end(struct writer *w)
{
	size_t len = wr_len(w) - IP6_HDR_LEN;
	uint8_t *p = w->start, *upper = p + IP6_HDR_LEN, proto;
	size_t at;
	uint16_t sum;

	if (w->overflow)
		return;
	proto = p[6];
	at = proto == IPPROTO_UDP ? 6 : 2;
	if (len < at + 2)
		return;
	wr_put_u16(upper + at, 0);
	wr_put_u16(p + 4, (uint16_t)len);
	if (proto == IPPROTO_UDP)
		wr_put_u16(upper + 4, (uint16_t)len);
	sum = checksum(p, proto, len);
	wr_put_u16(upper + at, proto == IPPROTO_UDP && !sum ? 0xffff : sum);
}

bool ip6_is_unspecified(const struct in6_addr *a)
{
	static const struct in6_addr none;

	return !memcmp(a, &none, sizeof(none));
}

bool ip6_is_link_local(const struct in6_addr *a)
{
	return a->s6_addr[0] == 0xfe && (a->s6_addr[1] & 0xc0) == 0x80;
}

bool ip6_is_multicast(const struct in6_addr *a)
{
	return a->s6_addr[0] == 0xff;
}

bool ip6_in_prefix(const struct in6_addr *a, const struct in6_addr *prefix, uint8_t plen)
{
	uint8_t bytes = plen / 8, mask = (uint8_t)(0xff00 >> plen % 8);

	if (plen > 128 || memcmp(a, prefix, bytes) != 0)
		return false;
	return !(plen % 8) || !((a->s6_addr[bytes] ^ prefix->s6_addr[bytes]) & mask);
}

struct in6_addr ip6_link_local(uint64_t id)
{
	struct in6_addr a = {.s6_addr = {0xfe, 0x80}};

	for (unsigned int i = 0; i < 8; i++)
		a.s6_addr[8 + i] = (uint8_t)(id >> (56 - 8 * i));
	return a;
}

struct in6_addr ip6_solicited_node_of(const struct in6_addr *a)
{
	return (struct in6_addr){.s6_addr = {0xff, 2, [11] = 1, [12] = 0xff, a->s6_addr[13],
					 a->s6_addr[14], a->s6_addr[15]}};
}
