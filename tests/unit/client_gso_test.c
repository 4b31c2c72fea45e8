// SPDX-License-Identifier: BSD-3-Clause
// Super-packets cut and merged: fields and flags of known ones, checksums, what must be refused,
// and that what is merged is cut into what it was.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <linux/virtio_net.h>

#include "client/gro.h"
#include "client/gso.h"
#include "tests/unit/ip_bytes.h"

#define FIN 0x01
#define SYN 0x02
#define PSH 0x08
#define ACK 0x10
#define ECE 0x40
#define CWR 0x80

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

// --- packets ---

struct spec {
	bool is6;
	uint8_t proto, flags, tos, ttl;
	uint16_t id, sport, win;
	uint32_t seq, ack;
	unsigned int options; // bytes of TCP options
	size_t payload;
	uint8_t fill; // where the pattern begins
};

static size_t l4_of(const uint8_t *ip)
{
	return ip[0] >> 4 == 6 ? 40 : (size_t)(ip[0] & 15) * 4;
}

static uint8_t proto_of(const uint8_t *ip)
{
	return ip[0] >> 4 == 6 ? ip[6] : ip[9];
}

static size_t sum_at(const uint8_t *ip)
{
	return l4_of(ip) + (proto_of(ip) == IPPROTO_TCP ? 16 : 6);
}

static void assert_sums(const uint8_t *ip, size_t n)
{
	size_t l4 = l4_of(ip);

	if (ip[0] >> 4 == 4)
		assert_int_equal(plain_sum(0, ip, l4), 0xffff);
	assert_int_equal(plain_sum(pseudo_sum(ip, proto_of(ip), n - l4), ip + l4, n - l4), 0xffff);
	if (proto_of(ip) == IPPROTO_UDP)
		assert_int_not_equal(get16(ip + sum_at(ip)), 0);
}

// A packet with right lengths and sums. Returns its length.
static size_t make(uint8_t *ip, const struct spec *s)
{
	size_t l4 = s->is6 ? 40 : 20, hdr = s->proto == IPPROTO_TCP ? 20 + s->options : 8;
	size_t n = l4 + hdr + s->payload;
	uint32_t sum;

	memset(ip, 0, l4 + hdr);
	if (s->is6) {
		put32(ip, 0x60000000u | (uint32_t)s->tos << 20 | 0x12345);
		put16(ip + 4, (uint32_t)(n - 40));
		ip[6] = s->proto;
		ip[7] = s->ttl;
		memcpy(ip + 8, "\x20\x01\x0d\xb8 a client here", 16);
		memcpy(ip + 24, "\x20\x01\x0d\xb8 a far host. ", 16);
	} else {
		ip[0] = 0x45;
		ip[1] = s->tos;
		put16(ip + 2, (uint32_t)n);
		put16(ip + 4, s->id);
		ip[6] = 0x40;
		ip[8] = s->ttl;
		ip[9] = s->proto;
		put32(ip + 12, 0x0a000002);
		put32(ip + 16, 0xc6336401);
		put16(ip + 10, 0xffff & ~plain_sum(0, ip, 20));
	}
	put16(ip + l4, s->sport);
	put16(ip + l4 + 2, 5201);
	if (s->proto == IPPROTO_TCP) {
		put32(ip + l4 + 4, s->seq);
		put32(ip + l4 + 8, s->ack);
		ip[l4 + 12] = (uint8_t)(hdr / 4 << 4);
		ip[l4 + 13] = s->flags;
		put16(ip + l4 + 14, s->win);
		memset(ip + l4 + 20, 1, s->options);
	} else {
		put16(ip + l4 + 4, (uint32_t)(n - l4));
	}
	for (size_t i = 0; i < s->payload; i++)
		ip[l4 + hdr + i] = (uint8_t)(s->fill + i * 7);
	sum = 0xffff & ~plain_sum(pseudo_sum(ip, s->proto, n - l4), ip + l4, n - l4);
	put16(ip + sum_at(ip), !sum && s->proto == IPPROTO_UDP ? 0xffff : sum);
	return n;
}

static struct virtio_net_hdr vnet_of(const uint8_t *ip, size_t size)
{
	bool tcp = proto_of(ip) == IPPROTO_TCP;

	return (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = !tcp              ? VIRTIO_NET_HDR_GSO_UDP_L4
			    : ip[0] >> 4 == 6 ? VIRTIO_NET_HDR_GSO_TCPV6
					      : VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)(l4_of(ip) + 20),
		.gso_size = (uint16_t)size,
		.csum_start = (uint16_t)l4_of(ip),
		.csum_offset = tcp ? 16 : 6};
}

// As the kernel leaves it: the pseudo header's sum where the checksum is to be.
static int read_partial(struct gso *g, const struct virtio_net_hdr *v, uint8_t *ip, size_t n)
{
	put16(ip + sum_at(ip), pseudo_sum(ip, proto_of(ip), n - l4_of(ip)));
	return gso_read(g, (const uint8_t *)v, ip, n);
}

static const struct spec tcp4 = {.proto = IPPROTO_TCP,
	.flags = ACK | PSH | FIN | CWR,
	.ttl = 64,
	.id = 0xfffe,
	.sport = 40000,
	.win = 500,
	.seq = 0xfffffa00u,
	.ack = 77,
	.options = 12,
	.payload = 3000};

// --- cutting ---

static void cut_tcp4(void **state)
{
	static uint8_t ip[4000], out[2000];
	size_t n = make(ip, &tcp4), at = 0;
	struct virtio_net_hdr v = vnet_of(ip, 1348);
	static const uint8_t flags[3] = {ACK | CWR, ACK, ACK | PSH | FIN};
	struct gso g;

	assert_int_equal(read_partial(&g, &v, ip, n), 0);
	assert_int_equal(gso_count(&g, n), 3);
	for (uint32_t i = 0; i < 3; i++) {
		size_t len = gso_len(&g, n, i);

		memset(out, 0xee, sizeof(out));
		gso_cut(&g, ip, n, i, out);
		assert_int_equal(len, i < 2 ? 52 + 1348 : 52 + 304);
		assert_int_equal(out[len], 0xee);
		assert_int_equal(get16(out + 2), len);
		assert_int_equal(get16(out + 4), (0xfffe + i) & 0xffff);
		assert_int_equal(get32(out + 24), (uint32_t)(0xfffffa00u + at));
		assert_int_equal(get32(out + 28), 77);
		assert_int_equal(out[33], flags[i]);
		assert_memory_equal(out + 52, ip + 52 + at, len - 52);
		assert_memory_equal(out + 40, ip + 40, 12);
		assert_sums(out, len);
		at += len - 52;
	}
	assert_int_equal(at, 3000);
}

static void cut_others(void **state)
{
	static uint8_t ip[70000], out[2000];
	struct spec s = tcp4;

	for (unsigned int k = 0; k < 200; k++) {
		size_t n, size = 1 + (size_t)rand() % 1400, sum = 0;
		struct virtio_net_hdr v;
		struct gso g;

		s.is6 = k % 2;
		s.proto = k % 4 < 2 ? IPPROTO_TCP : IPPROTO_UDP;
		s.options = s.proto == IPPROTO_TCP ? (unsigned int)rand() % 11 * 4 : 0;
		s.payload = 1 + (size_t)rand() % (size * 40 < 60000 ? size * 40 : 60000);
		s.fill = (uint8_t)rand();
		n = make(ip, &s);
		v = vnet_of(ip, size);
		assert_int_equal(read_partial(&g, &v, ip, n), 0);
		for (uint32_t i = 0; i < gso_count(&g, n); i++) {
			size_t len = gso_len(&g, n, i);

			assert_in_range(len, g.hdr_len + 1, g.hdr_len + size);
			gso_cut(&g, ip, n, i, out);
			assert_sums(out, len);
			sum += len - g.hdr_len;
			if (s.is6)
				assert_int_equal(get16(out + 4), len - 40);
			if (s.proto == IPPROTO_UDP)
				assert_int_equal(get16(out + g.l4 + 4), len - g.l4);
		}
		assert_int_equal(sum, s.payload);
	}
}

// Hop-by-hop options stay in front of each.
static void cut_extension(void **state)
{
	uint8_t ip[4000], big[4000], out[1500];
	struct spec s = tcp4;
	struct virtio_net_hdr v;
	struct gso g;
	size_t n;

	s.is6 = true;
	n = make(ip, &s);
	memcpy(big, ip, 40);
	memcpy(big + 40, "\x06\x00\x01\x04\0\0\0\0", 8);
	memcpy(big + 48, ip + 40, 2900 - 40);
	n = 2908;
	big[6] = IPPROTO_HOPOPTS;
	put16(big + 4, (uint32_t)n - 40);
	v = vnet_of(ip, 1000);
	v.csum_start = 48;
	assert_int_equal(gso_read(&g, (uint8_t *)&v, big, n), 0);
	assert_int_equal(g.hdr_len, 48 + 32);
	gso_cut(&g, big, n, 1, out);
	assert_memory_equal(out + 40, big + 40, 8);
	assert_int_equal(get16(out + 4), gso_len(&g, n, 1) - 40);
	v.csum_start = 40;
	assert_int_equal(gso_read(&g, (uint8_t *)&v, big, n), -EBADMSG);
}

// A segment routing header (RFC 8754) with two segments: the pseudo header has the last one, which
// the packet's destination is not yet.
static void cut_routing(void **state)
{
	static const uint8_t final[16] = {0x20, 0x01, 0x0d, 0xb8, [13] = 0xf1, 0xa1, 0x77};
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP};
	static uint8_t ip[4000], big[4100], out[1500];
	struct spec s = tcp4;

	s.is6 = true;
	for (unsigned int k = 0; k < 2; k++) {
		const uint8_t proto = protos[k];
		size_t n, l4 = 40 + 40, total = 0;
		struct virtio_net_hdr v;
		struct gso g;

		s.proto = proto;
		n = make(ip, &s);
		memcpy(big, ip, 40);
		big[6] = IPPROTO_ROUTING;
		memset(big + 40, 0, 40);
		memcpy(big + 40, (uint8_t[]){proto, 4, 4, 1, 1, 0, 0, 0}, 8);
		memcpy(big + 48, final, 16);
		memcpy(big + 64, ip + 24, 16); // where it is sent to now
		memcpy(big + l4, ip + 40, n - 40);
		n += 40;
		put16(big + 4, (uint32_t)n - 40);
		v = vnet_of(ip, 1000);
		v.csum_start = (uint16_t)l4;
		// As the kernel leaves it, with the final destination.
		memcpy(ip + 24, final, 16);
		put16(big + l4 + v.csum_offset, pseudo_sum(ip, proto, n - l4));
		assert_int_equal(gso_read(&g, (uint8_t *)&v, big, n), 0);
		for (uint32_t i = 0; i < gso_count(&g, n); i++) {
			size_t len = gso_len(&g, n, i);

			gso_cut(&g, big, n, i, out);
			assert_memory_equal(out + 40, big + 40, 40);
			assert_int_equal(
				plain_sum(pseudo_sum(ip, proto, len - l4), out + l4, len - l4),
				0xffff);
			total += len - g.hdr_len;
		}
		assert_int_equal(total, s.payload);
	}
}

static void completes(void **state)
{
	struct virtio_net_hdr v = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 20};
	uint8_t ip[600], want[600];
	struct spec s = {.proto = IPPROTO_UDP, .ttl = 3, .sport = 9};
	struct gso g;
	size_t n;

	for (s.payload = 0; s.payload < 300; s.payload++) {
		n = make(want, &s);
		memcpy(ip, want, n);
		v.csum_offset = 6;
		assert_int_equal(read_partial(&g, &v, ip, n), 0);
		assert_int_equal(g.hdr_len, 0);
		assert_int_equal(gso_count(&g, n), 1);
		assert_memory_equal(ip, want, n);
	}
	// A sum of zero is written as ffff.
	s.payload = 2;
	n = make(ip, &s);
	put16(ip + 28, 0);
	put16(ip + 28, 0xffff & ~plain_sum(pseudo_sum(ip, IPPROTO_UDP, 10),
					(uint8_t[]){0, 9, 20, 81, 0, 10}, 6));
	assert_int_equal(read_partial(&g, &v, ip, n), 0);
	assert_int_equal(get16(ip + 26), 0xffff);
	v.csum_offset = (uint16_t)(n - 20 - 1);
	assert_int_equal(gso_read(&g, (uint8_t *)&v, ip, n), -EBADMSG);
	v.csum_start = (uint16_t)(n + 1);
	assert_int_equal(gso_read(&g, (uint8_t *)&v, ip, n), -EBADMSG);
	v = (struct virtio_net_hdr){0};
	assert_int_equal(gso_read(&g, (uint8_t *)&v, ip, n), 0);
	assert_int_equal(gso_read(&g, (uint8_t *)&v, ip, 0), -EBADMSG);
}

static void refuses(void **state)
{
	static const struct {
		const char *what;
		size_t at; // of a byte of the packet, or of the header from 1000 on
		uint8_t value;
	} cases[] = {
		{"another version", 0, 0x55},
		{"a header of less than 20", 0, 0x44},
		{"a header longer than what is there", 0, 0x4f},
		{"another length", 3, 1},
		{"a fragment", 7, 1},
		{"more fragments", 6, 0x20},
		{"another protocol", 9, IPPROTO_ICMP},
		{"UDP in what is said to be TCP", 9, IPPROTO_UDP},
		{"a TCP header of less than 20", 32, 0x40},
		{"an old kind", 1001, VIRTIO_NET_HDR_GSO_UDP},
		{"IPv6's kind", 1001, VIRTIO_NET_HDR_GSO_TCPV6},
		{"UDP's kind", 1001, VIRTIO_NET_HDR_GSO_UDP_L4},
		{"an unknown kind", 1001, 0x77},
		{"another place to begin", 1006, 24},
		{"another place of the checksum", 1008, 6},
	};
	uint8_t good[2000], ip[2000];
	struct spec s = tcp4;
	struct virtio_net_hdr v;
	struct gso g;
	size_t n;

	s.payload = 1000;
	n = make(good, &s);
	v = vnet_of(good, 500);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct virtio_net_hdr w = v;

		memcpy(ip, good, n);
		if (cases[i].at >= 1000)
			((uint8_t *)&w)[cases[i].at - 1000] = cases[i].value;
		else
			ip[cases[i].at] = cases[i].value;
		if (gso_read(&g, (uint8_t *)&w, ip, n) != -EBADMSG)
			fail_msg("%s was taken", cases[i].what);
	}
	for (size_t len = 0; len < n; len++) {
		uint8_t *cut = malloc(len ? len : 1);

		memcpy(cut, good, len);
		assert_int_equal(gso_read(&g, (uint8_t *)&v, cut, len), -EBADMSG);
		free(cut);
	}
	v.gso_size = 0;
	assert_int_equal(gso_read(&g, (uint8_t *)&v, good, n), -EBADMSG);
	v.gso_size = 0xfff0;
	assert_int_equal(gso_read(&g, (uint8_t *)&v, good, n), -EBADMSG);
	// No payload at all.
	s.payload = 0;
	n = make(good, &s);
	v.gso_size = 500;
	assert_int_equal(gso_read(&g, (uint8_t *)&v, good, n), -EBADMSG);
}

// --- merging ---

#define OUT_MAX 4000

// What came out, cut again.
static struct {
	uint8_t *p[OUT_MAX];
	size_t len[OUT_MAX];
	unsigned int n, writes, merged;
} got;

static void take(void *user, const struct iovec *part, unsigned int nb)
{
	struct virtio_net_hdr v;
	size_t n = 0;
	uint8_t *ip = malloc(70000);
	struct gso g;

	assert_int_equal(part[0].iov_len, GSO_VNET_LEN);
	memcpy(&v, part[0].iov_base, sizeof(v));
	for (unsigned int i = 1; i < nb; i++) {
		memcpy(ip + n, part[i].iov_base, part[i].iov_len);
		n += part[i].iov_len;
	}
	if (v.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		assert_int_equal(v.hdr_len, part[1].iov_len);
		assert_int_equal(
			get16(ip + sum_at(ip)), pseudo_sum(ip, proto_of(ip), n - l4_of(ip)));
		if (ip[0] >> 4 == 4)
			assert_int_equal(plain_sum(0, ip, 20), 0xffff);
		got.merged++;
	} else {
		assert_int_equal(v.flags, 0);
	}
	assert_int_equal(gso_read(&g, (uint8_t *)&v, ip, n), 0);
	for (uint32_t i = 0; i < gso_count(&g, n); i++) {
		assert_true(got.n < OUT_MAX);
		got.len[got.n] = gso_len(&g, n, i);
		got.p[got.n] = malloc(got.len[got.n]);
		gso_cut(&g, ip, n, i, got.p[got.n++]);
	}
	got.writes++;
	free(ip);
}

static struct gro gro;

static int begin(void **state)
{
	memset(&got, 0, sizeof(got));
	gro_init(&gro, take, NULL, true);
	srand(3);
	return 0;
}

static int end(void **state)
{
	while (got.n)
		free(got.p[--got.n]);
	return 0;
}

static void merges(void **state)
{
	static uint8_t ip[5][2000];
	struct spec s = tcp4;
	size_t n[5];

	s.payload = 1348;
	for (unsigned int i = 0; i < 5; i++) {
		s.flags = i == 4 ? ACK | PSH : ACK;
		s.payload = i == 4 ? 10 : 1348;
		s.fill = (uint8_t)i;
		n[i] = make(ip[i], &s);
		gro_put(&gro, ip[i], n[i]);
		s.seq += (uint32_t)s.payload;
		s.id++;
		assert_int_equal(got.writes, i == 4);
	}
	gro_flush(&gro);
	assert_int_equal(got.writes, 1);
	assert_int_equal(got.merged, 1);
	assert_int_equal(got.n, 5);
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(got.len[i], n[i]);
		assert_memory_equal(got.p[i], ip[i], n[i]);
	}
}

// Two packets, the second changed: they are not merged, and both come out as they were.
static void apart(void **state)
{
	static const struct {
		const char *what;
		int flags, tos, ttl, win, ack, seq, id, more, options;
	} cases[] = {
		{"SYN", .flags = SYN},
		{"CWR", .flags = CWR},
		{"ECE", .flags = ECE},
		{"RST", .flags = 4},
		{"URG", .flags = 0x20},
		{"type of service", .tos = 1},
		{"hop limit", .ttl = 1},
		{"window", .win = 1},
		{"acknowledgement", .ack = 1},
		{"a gap", .seq = 1},
		{"an overlap", .seq = -1},
		{"a longer one", .more = 1},
		{"no payload", .more = -1000},
		{"options", .options = 4},
		{"identification", .id = 1},
	};
	static uint8_t a[2000], b[2000];
	size_t na, nb;

	for (unsigned int i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct spec s = tcp4;
		unsigned int k = i / 2;

		s.is6 = i % 2;
		if (s.is6 && cases[k].id)
			continue;
		s.flags = ACK;
		s.payload = 1000;
		na = make(a, &s);
		s.id++;
		s.seq += 1000 + (uint32_t)cases[k].seq;
		s.flags |= (uint8_t)cases[k].flags;
		s.tos += (uint8_t)cases[k].tos;
		s.ttl += (uint8_t)cases[k].ttl;
		s.win += (uint16_t)cases[k].win;
		s.ack += (uint32_t)cases[k].ack;
		s.payload += (size_t)cases[k].more;
		s.id += (uint16_t)cases[k].id;
		s.options += (unsigned int)cases[k].options;
		nb = make(b, &s);
		begin(NULL);
		gro_put(&gro, a, na);
		gro_put(&gro, b, nb);
		gro_flush(&gro);
		if (got.merged || got.writes != 2 || got.len[0] != na || got.len[1] != nb ||
			memcmp(got.p[0], a, na) || memcmp(got.p[1], b, nb))
			fail_msg("%s: %u writes, %u merged", cases[k].what, got.writes, got.merged);
		end(NULL);
	}
}

// A bit wrong anywhere in either of two: whoever reads it can still see that.
static void wrong_sums(void **state)
{
	static uint8_t p[2][400];
	struct spec s = tcp4;
	size_t n = 0;

	s.flags = ACK;
	s.payload = 200;
	for (unsigned int bit = 0; bit < 2 * 252 * 8; bit++) {
		unsigned int which = bit / (252 * 8), at = bit / 8 % 252;

		s.seq = 1;
		s.id = 1;
		n = make(p[0], &s);
		s.seq += 200;
		s.id++;
		make(p[1], &s);
		p[which][at] ^= (uint8_t)(1 << bit % 8);
		begin(NULL);
		gro_put(&gro, p[0], n);
		gro_put(&gro, p[1], n);
		gro_flush(&gro);
		assert_int_equal(got.merged, 0);
		assert_int_equal(got.n, 2);
		assert_memory_equal(got.p[which], p[which], n);
		end(NULL);
	}
}

// Whatever comes: what goes out is the same, in order within each flow.
static void round_trip(void **state)
{
	enum { N = 1500, FLOWS = 12 };
	static uint8_t ip[N][1500];
	static size_t len[N];
	struct spec flow[FLOWS];
	unsigned int next[FLOWS] = {0}, total = 0;

	for (unsigned int f = 0; f < FLOWS; f++) {
		flow[f] = tcp4;
		flow[f].is6 = f % 3 == 0;
		flow[f].proto = f % 4 == 3 ? IPPROTO_UDP : IPPROTO_TCP;
		flow[f].sport = (uint16_t)(1000 + f);
		flow[f].options = f % 4 == 3 ? 0 : f * 4 % 44;
		flow[f].flags = ACK;
		flow[f].payload = 100 + f * 100;
	}
	for (unsigned int i = 0; i < N; i++) {
		unsigned int f =
			(unsigned int)rand() % 4 ? total % FLOWS : (unsigned int)rand() % FLOWS;
		struct spec s = flow[f];

		total += rand() % 7 == 0;
		s.fill = (uint8_t)rand();
		switch (rand() % 12) {
		case 0:
			s.payload = (size_t)rand() % s.payload;
			break;
		case 1:
			s.flags |= PSH;
			break;
		case 2:
			flow[f].ack = s.ack += 5;
			break;
		case 3:
			s.seq += 1000;
			break;
		}
		len[i] = make(ip[i], &s);
		flow[f].seq = s.seq + (uint32_t)s.payload;
		flow[f].id++;
		gro_put(&gro, ip[i], len[i]);
		if (rand() % 50 == 0)
			gro_flush(&gro);
	}
	gro_flush(&gro);
	assert_int_equal(got.n, N);
	assert_in_range(got.merged, 50, N / 2);
	for (unsigned int i = 0; i < N; i++) {
		unsigned int f = get16(got.p[i] + l4_of(got.p[i])) - 1000;

		assert_true(f < FLOWS);
		while (get16(ip[next[f]] + l4_of(ip[next[f]])) - 1000 != f)
			next[f]++;
		assert_int_equal(got.len[i], len[next[f]]);
		assert_memory_equal(got.p[i], ip[next[f]], got.len[i]);
		next[f]++;
	}
}

// As long as IP goes, as many as go into one, datagrams only where they may be.
static void bounds(void **state)
{
	static uint8_t ip[200][1500];
	struct spec s = tcp4;

	s.flags = ACK;
	s.payload = 1348;
	for (unsigned int i = 0; i < 100; i++, s.seq += 1348, s.id++)
		gro_put(&gro, ip[i], make(ip[i], &s));
	gro_flush(&gro);
	assert_int_equal(got.writes, 3); // 48 of 1348 bytes with 52 in front are 64756
	end(NULL);
	begin(NULL);
	s.payload = 20;
	for (unsigned int i = 0; i < 200; i++, s.seq += 20, s.id++)
		gro_put(&gro, ip[i], make(ip[i], &s));
	gro_flush(&gro);
	assert_int_equal(got.writes, 4);
	end(NULL);
	begin(NULL);
	gro.udp = false;
	s.proto = IPPROTO_UDP;
	for (unsigned int i = 0; i < 10; i++, s.id++)
		gro_put(&gro, ip[i], make(ip[i], &s));
	assert_int_equal(got.writes, 10);
	// None but whole packets.
	gro_put(&gro, ip[0], 1);
	gro_put(&gro, ip[0], 19);
	gro_flush(&gro);
	assert_int_equal(got.writes, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_tcp4),
		cmocka_unit_test(cut_others),
		cmocka_unit_test(cut_extension),
		cmocka_unit_test(cut_routing),
		cmocka_unit_test(completes),
		cmocka_unit_test(refuses),
		cmocka_unit_test_setup_teardown(merges, begin, end),
		cmocka_unit_test_setup_teardown(apart, begin, end),
		cmocka_unit_test_setup_teardown(wrong_sums, begin, end),
		cmocka_unit_test_setup_teardown(round_trip, begin, end),
		cmocka_unit_test_setup_teardown(bounds, begin, end),
	};

	srand(2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
