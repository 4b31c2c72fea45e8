// SPDX-License-Identifier: BSD-3-Clause
#include "client/gso.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <linux/virtio_net.h>

#include "protocol/cursor.h"

// Kernels since 6.2.
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define IP4_LEN 2 // offsets of fields
#define IP4_ID 4
#define IP4_FRAG 6
#define IP4_SUM 10
#define IP6_LEN 4
#define IP6_HDR 40u
#define TCP_SEQ 4
#define TCP_FLAGS 13
#define TCP_SUM 16
#define UDP_LEN 4
#define UDP_SUM 6
#define UDP_HDR 8u

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

static_assert(sizeof(struct virtio_net_hdr) == GSO_VNET_LEN, "the header of a TUN interface");

// --- sums ---

// Four 32-bit lanes, each of two words, summed apart: no lane can run over within 64 KiB.
typedef uint32_t lanes __attribute__((vector_size(16)));

static inline lanes load(const void *p)
{
	lanes v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t add_lanes(lanes lo, lanes hi)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < 4; i++)
		sum += (uint64_t)lo[i] + hi[i];
	return sum;
}

static uint64_t sum_tail(const uint8_t *p, size_t n)
{
	uint64_t sum = 0;
	uint16_t w;

	for (; n >= 2; p += 2, n -= 2) {
		memcpy(&w, p, 2);
		sum += w;
	}
	w = 0;
	if (n)
		memcpy(&w, p, 1); // padded with a zero behind it
	return sum + w;
}

uint64_t gso_sum(const void *p, size_t n)
{
	const uint8_t *at = p;
	lanes lo = {0}, hi = {0}, a, b;

	for (; n >= 32; at += 32, n -= 32) {
		a = load(at);
		b = load(at + 16);
		lo += (a & 0xffff) + (b & 0xffff);
		hi += (a >> 16) + (b >> 16);
	}
	return add_lanes(lo, hi) + sum_tail(at, n);
}

uint64_t gso_copy_sum(void *dst, const void *src, size_t n)
{
	const uint8_t *at = src;
	uint8_t *to = dst;
	lanes lo = {0}, hi = {0}, a, b;

	for (; n >= 32; at += 32, to += 32, n -= 32) {
		a = load(at);
		b = load(at + 16);
		memcpy(to, &a, 16);
		memcpy(to + 16, &b, 16);
		lo += (a & 0xffff) + (b & 0xffff);
		hi += (a >> 16) + (b >> 16);
	}
	memcpy(to, at, n);
	return add_lanes(lo, hi) + sum_tail(at, n);
}

uint64_t gso_pseudo_sum(const uint8_t *ip, uint8_t proto, size_t len)
{
	uint64_t sum = ip[0] >> 4 == 4 ? gso_sum(ip + 12, 8) : gso_sum(ip + 8, 32);

	return sum + htons((uint16_t)len) + htons((uint16_t)(len >> 16)) + htons(proto);
}

static void put(uint8_t *p, uint16_t native)
{
	memcpy(p, &native, sizeof(native));
}

static void put_be(uint8_t *p, uint16_t v)
{
	put(p, htons(v));
}

// --- reading ---

static int read_ip4(struct cursor *c, size_t n, uint16_t *l4, uint8_t *proto)
{
	uint8_t vhl, skip;
	uint16_t len, id, frag;

	if (cur_u8(c, &vhl) || cur_u8(c, &skip) || cur_u16(c, &len) || cur_u16(c, &id) ||
		cur_u16(c, &frag) || cur_u8(c, &skip) || cur_u8(c, proto))
		return -EBADMSG;
	*l4 = (uint16_t)((vhl & 0x0f) * 4);
	return *l4 >= 20 && *l4 <= n && len == n && !(frag & 0x3fff) ? 0 : -EBADMSG;
}

// Behind the extension headers that the kernel cuts packets with.
static int read_ip6(struct cursor *c, size_t n, uint16_t *l4, uint8_t *proto)
{
	struct cursor all = *c;
	uint8_t len;
	uint16_t payload;

	if (cur_skip(c, IP6_LEN) || cur_u16(c, &payload) || cur_u8(c, proto) || cur_skip(c, 33) ||
		payload != n - IP6_HDR)
		return -EBADMSG;
	while (*proto == IPPROTO_HOPOPTS || *proto == IPPROTO_ROUTING || *proto == IPPROTO_DSTOPTS)
		if (cur_u8(c, proto) || cur_u8(c, &len) || cur_skip(c, len * 8u + 6))
			return -EBADMSG;
	*l4 = (uint16_t)(c->p - all.p);
	return 0;
}

// The kernel left the sum with the length of all of it in the checksum's place. What the IP header
// says is not the same with a routing header, where the pseudo header has the final destination
// (RFC 8200 8.1).
static uint16_t pseudo_of(
	const struct gso *g, const struct virtio_net_hdr *v, const uint8_t *ip, size_t n)
{
	uint16_t partial;

	if (!(v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return gso_fold(gso_pseudo_sum(ip, g->proto, 0));
	memcpy(&partial, ip + g->l4 + v->csum_offset, sizeof(partial));
	return gso_fold((uint64_t)partial + (uint16_t)~htons((uint16_t)(n - g->l4)));
}

// The headers of a super-packet, so that cutting has nothing left to check.
static int read_super(
	struct gso *g, const struct virtio_net_hdr *v, bool is6, const uint8_t *ip, size_t n)
{
	struct cursor c = cursor_make(ip, n);
	uint8_t skip, off = 0;
	size_t l4_len;

	if (n > UINT16_MAX || !v->gso_size ||
		(is6 ? read_ip6(&c, n, &g->l4, &g->proto) : read_ip4(&c, n, &g->l4, &g->proto)))
		return -EBADMSG;
	c = cursor_make(ip + g->l4, n - g->l4);
	if (g->proto == IPPROTO_UDP) {
		l4_len = UDP_HDR;
	} else {
		if (cur_skip(&c, 12) || cur_u8(&c, &off) || cur_u8(&c, &skip))
			return -EBADMSG;
		l4_len = (size_t)(off >> 4) * 4;
		if (l4_len < 20)
			return -EBADMSG;
	}
	// There is payload, and all packets can say how long they are.
	if (n - g->l4 <= l4_len || g->l4 + l4_len + v->gso_size > UINT16_MAX)
		return -EBADMSG;
	if ((v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) &&
		(v->csum_start != g->l4 ||
			v->csum_offset != (g->proto == IPPROTO_TCP ? TCP_SUM : UDP_SUM)))
		return -EBADMSG;
	g->pseudo = pseudo_of(g, v, ip, n);
	g->hdr_len = (uint16_t)(g->l4 + l4_len);
	g->size = v->gso_size;
	return 0;
}

// The field has the pseudo header's sum already.
static int complete(const struct virtio_net_hdr *v, uint8_t *ip, size_t n)
{
	size_t start = v->csum_start, at = start + v->csum_offset;
	uint16_t sum;

	if (start > n || at > n || n - at < 2)
		return -EBADMSG;
	sum = (uint16_t)~gso_fold(gso_sum(ip + start, n - start));
	// UDP's zero would say that there is none (RFC 768); for all others it is the same number.
	put(ip + at, sum ? sum : 0xffff);
	return 0;
}

int gso_read(struct gso *g, const uint8_t *vnet, uint8_t *ip, size_t n)
{
	struct virtio_net_hdr v;
	unsigned int type;
	bool is6;
	int rc = -EBADMSG;

	memcpy(&v, vnet, sizeof(v));
	type = v.gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	*g = (struct gso){0};
	if (!n)
		return -EBADMSG;
	if (type == VIRTIO_NET_HDR_GSO_NONE)
		return v.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM ? complete(&v, ip, n) : 0;
	is6 = ip[0] >> 4 == 6;
	if (!is6 && ip[0] >> 4 != 4)
		return -EBADMSG;
	if (!read_super(g, &v, is6, ip, n) &&
		((type == VIRTIO_NET_HDR_GSO_TCPV4 && !is6 && g->proto == IPPROTO_TCP) ||
			(type == VIRTIO_NET_HDR_GSO_TCPV6 && is6 && g->proto == IPPROTO_TCP) ||
			(type == VIRTIO_NET_HDR_GSO_UDP_L4 && g->proto == IPPROTO_UDP)))
		rc = 0;
	if (rc)
		g->hdr_len = 0;
	return rc;
}

// --- cutting ---

static void cut_ip(const struct gso *g, uint8_t *dst, size_t len, uint32_t i)
{
	uint16_t id;

	if (dst[0] >> 4 == 6) {
		put_be(dst + IP6_LEN, (uint16_t)(len - IP6_HDR));
		return;
	}
	memcpy(&id, dst + IP4_ID, 2);
	put_be(dst + IP4_LEN, (uint16_t)len);
	put_be(dst + IP4_ID, (uint16_t)(ntohs(id) + i));
	put(dst + IP4_SUM, 0);
	put(dst + IP4_SUM, (uint16_t)~gso_fold(gso_sum(dst, g->l4)));
}

static uint8_t *cut_tcp(const struct gso *g, uint8_t *tcp, uint32_t i, bool last)
{
	uint32_t seq;

	memcpy(&seq, tcp + TCP_SEQ, sizeof(seq));
	seq = htonl(ntohl(seq) + i * g->size);
	memcpy(tcp + TCP_SEQ, &seq, sizeof(seq));
	if (i)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	if (!last)
		tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	return tcp + TCP_SUM;
}

void gso_cut(const struct gso *g, const uint8_t *ip, size_t n, uint32_t i, uint8_t *dst)
{
	size_t len = gso_len(g, n, i), l4_len = len - g->l4;
	const uint8_t *from = ip + g->hdr_len + (size_t)i * g->size;
	uint8_t *at = dst + g->l4;
	uint64_t sum;
	uint16_t check;

	if (!g->hdr_len) {
		memcpy(dst, ip, n);
		return;
	}
	memcpy(dst, ip, g->hdr_len);
	cut_ip(g, dst, len, i);
	if (g->proto == IPPROTO_TCP) {
		at = cut_tcp(g, at, i, i + 1 == gso_count(g, n));
	} else {
		put_be(at + UDP_LEN, (uint16_t)l4_len);
		at += UDP_SUM;
	}
	put(at, 0);
	sum = (uint64_t)g->pseudo + htons((uint16_t)l4_len) +
	      gso_sum(dst + g->l4, g->hdr_len - g->l4) +
	      gso_copy_sum(dst + g->hdr_len, from, len - g->hdr_len);
	check = (uint16_t)~gso_fold(sum);
	put(at, g->proto == IPPROTO_UDP && !check ? 0xffff : check);
}
