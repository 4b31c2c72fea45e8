// SPDX-License-Identifier: BSD-3-Clause
#include "client/gro.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <linux/virtio_net.h>

// Kernels since 6.2.
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define IP4_HDR 20u
#define IP4_LEN 2
#define IP4_ID 4
#define IP4_SUM 10
#define IP6_HDR 40u
#define IP6_LEN 4
#define TCP_HDR 20u
#define TCP_SEQ 4
#define TCP_ACK 8
#define TCP_OFF 12
#define TCP_FLAGS 13
#define TCP_SUM 16
#define TCP_OPTIONS 20
#define UDP_HDR 8u
#define UDP_LEN 4
#define UDP_SUM 6

#define FIN 0x01
#define PSH 0x08
#define ACK 0x10
#define ECE 0x40

// A packet that is looked at.
struct packet {
	const uint8_t *ip;
	uint16_t len, l4, hdr_len; // hdr_len 0: not to be merged
	uint16_t payload, id;
	uint8_t proto;
	uint32_t seq;
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void gro_init(struct gro *r, void (*write)(void *user, const struct iovec *part, unsigned int n),
	void *user, bool udp)
{
	*r = (struct gro){.write = write, .user = user, .udp = udp};
}

// --- what a packet is ---

// Whether it is TCP or UDP without anything between. IPv4 options, extension headers, fragments and
// lengths that do not agree are not.
static bool read_ip(struct packet *p, const uint8_t *ip, size_t len)
{
	if (len > UINT16_MAX)
		return false;
	*p = (struct packet){.ip = ip, .len = (uint16_t)len};
	if (len >= IP4_HDR && ip[0] == 0x45) {
		p->l4 = IP4_HDR;
		p->proto = ip[9];
		p->id = get16(ip + IP4_ID);
		if (get16(ip + IP4_LEN) != len || (get16(ip + 6) & 0x3fff) ||
			gso_fold(gso_sum(ip, IP4_HDR)) != 0xffff)
			return false;
	} else if (len >= IP6_HDR && ip[0] >> 4 == 6) {
		p->l4 = IP6_HDR;
		p->proto = ip[6];
		if (get16(ip + IP6_LEN) + IP6_HDR != len)
			return false;
	} else {
		return false;
	}
	return (p->proto == IPPROTO_TCP && len >= p->l4 + TCP_HDR) ||
	       (p->proto == IPPROTO_UDP && len >= p->l4 + UDP_HDR);
}

static void read_tcp(struct packet *p)
{
	const uint8_t *tcp = p->ip + p->l4;
	size_t hdr = p->l4 + (size_t)(tcp[TCP_OFF] >> 4) * 4;

	// Data, and nothing that is an event of its own. Reserved bits and CWR are not merged.
	if (hdr < p->l4 + TCP_HDR || hdr >= p->len || (tcp[TCP_OFF] & 0x0f) ||
		(tcp[TCP_FLAGS] & ~(FIN | PSH | ECE)) != ACK)
		return;
	p->hdr_len = (uint16_t)hdr;
	p->payload = (uint16_t)(p->len - hdr);
	p->seq = get32(tcp + TCP_SEQ);
}

static void read_udp(struct packet *p)
{
	const uint8_t *udp = p->ip + p->l4;

	if (get16(udp + UDP_LEN) != p->len - p->l4 || !get16(udp + UDP_SUM) ||
		p->len == p->l4 + UDP_HDR)
		return;
	p->hdr_len = (uint16_t)(p->l4 + UDP_HDR);
	p->payload = (uint16_t)(p->len - p->hdr_len);
}

static bool sum_is_right(const struct packet *p)
{
	size_t n = (size_t)p->len - p->l4;

	return gso_fold(gso_pseudo_sum(p->ip, p->proto, n) + gso_sum(p->ip + p->l4, n)) == 0xffff;
}

// What ends a super-packet, itself included.
static bool is_last(const struct packet *p)
{
	return p->proto == IPPROTO_TCP && (p->ip[p->l4 + TCP_FLAGS] & (FIN | PSH));
}

// --- writing ---

static void write_one(struct gro *r, const uint8_t *ip, size_t len)
{
	static const uint8_t none[GSO_VNET_LEN];
	struct iovec part[2] = {{(void *)none, sizeof(none)}, {(void *)ip, len}};

	r->write(r->user, part, 2);
}

static void fill_vnet(struct gro_flow *f, bool is6)
{
	struct virtio_net_hdr v = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = f->proto == IPPROTO_UDP ? VIRTIO_NET_HDR_GSO_UDP_L4
			    : is6                   ? VIRTIO_NET_HDR_GSO_TCPV6
						    : VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = f->hdr_len,
		.gso_size = f->size,
		.csum_start = f->l4,
		.csum_offset = f->proto == IPPROTO_UDP ? UDP_SUM : TCP_SUM,
	};

	memcpy(f->vnet, &v, sizeof(v));
}

// Lengths of the whole, and the pseudo header's sum where the kernel completes it.
static void fill_head(struct gro_flow *f)
{
	uint8_t *ip = f->head, *l4 = ip + f->l4;
	size_t l4_len = f->len - f->l4;
	uint16_t sum;

	if (ip[0] >> 4 == 6) {
		put16(ip + IP6_LEN, (uint16_t)(f->len - IP6_HDR));
	} else {
		put16(ip + IP4_LEN, (uint16_t)f->len);
		put16(ip + IP4_SUM, 0);
		sum = (uint16_t)~gso_fold(gso_sum(ip, IP4_HDR));
		memcpy(ip + IP4_SUM, &sum, sizeof(sum));
	}
	if (f->proto == IPPROTO_UDP)
		put16(l4 + UDP_LEN, (uint16_t)l4_len);
	sum = gso_fold(gso_pseudo_sum(ip, f->proto, l4_len));
	memcpy(l4 + (f->proto == IPPROTO_UDP ? UDP_SUM : TCP_SUM), &sum, sizeof(sum));
}

static void flush(struct gro *r, struct gro_flow *f)
{
	unsigned int n = f->n;

	f->n = 0;
	if (n == 1)
		write_one(r, f->first, f->len);
	if (n <= 1)
		return;
	fill_vnet(f, f->head[0] >> 4 == 6);
	fill_head(f);
	f->part[0] = (struct iovec){f->vnet, GSO_VNET_LEN};
	f->part[1] = (struct iovec){f->head, f->hdr_len};
	r->write(r->user, f->part, 2 + n);
}

void gro_flush(struct gro *r)
{
	for (unsigned int i = 0; i < GRO_FLOWS; i++)
		flush(r, &r->flow[i]);
}

// --- merging ---

static bool is_flow(const struct gro_flow *f, const struct packet *p)
{
	const uint8_t *a = f->head, *b = p->ip;

	return f->n && f->proto == p->proto && f->l4 == p->l4 &&
	       (p->l4 == IP4_HDR ? !memcmp(a + 12, b + 12, 8) : !memcmp(a + 8, b + 8, 32)) &&
	       !memcmp(a + p->l4, b + p->l4, 4);
}

// Type of service, hop limit, don't fragment, and an identification that follows.
static bool ip_follows(const struct gro_flow *f, const struct packet *p)
{
	const uint8_t *a = f->head, *b = p->ip;

	if (p->l4 == IP6_HDR)
		return !memcmp(a, b, 4) && a[7] == b[7];
	return a[1] == b[1] && a[6] == b[6] && a[8] == b[8] &&
	       (p->id == (uint16_t)(f->id + f->n) || ((b[6] & 0x40) && p->id == f->id));
}

// Sequence, acknowledgement, window, flags and options.
static bool tcp_follows(const struct gro_flow *f, const struct packet *p)
{
	const uint8_t *a = f->head + f->l4, *b = p->ip + p->l4;

	return p->seq == f->next_seq && p->hdr_len == f->hdr_len &&
	       !memcmp(a + TCP_ACK, b + TCP_ACK, 4) && a[TCP_OFF] == b[TCP_OFF] &&
	       !((a[TCP_FLAGS] ^ b[TCP_FLAGS]) & ~(FIN | PSH)) && !memcmp(a + 14, b + 14, 2) &&
	       !memcmp(a + 18, b + 18, (size_t)f->hdr_len - f->l4 - 18);
}

static bool follows(struct gro_flow *f, const struct packet *p)
{
	const struct packet first = {
		.ip = f->first, .len = (uint16_t)f->len, .l4 = f->l4, .proto = f->proto};

	if (p->payload > f->size || f->len + p->payload > UINT16_MAX || !ip_follows(f, p) ||
		(p->proto == IPPROTO_TCP && !tcp_follows(f, p)) || !sum_is_right(p))
		return false;
	// Until a second one came there was no need to know.
	if (!f->checked && !sum_is_right(&first))
		return false;
	f->checked = true;
	return true;
}

static void append(struct gro_flow *f, const struct packet *p)
{
	f->part[2 + f->n++] = (struct iovec){(void *)(p->ip + p->hdr_len), p->payload};
	f->len += p->payload;
	f->next_seq += p->payload;
	if (p->proto == IPPROTO_TCP)
		f->head[f->l4 + TCP_FLAGS] |= p->ip[p->l4 + TCP_FLAGS] & (FIN | PSH);
}

static void begin(struct gro *r, const struct packet *p)
{
	struct gro_flow *f = NULL;

	for (unsigned int i = 0; i < GRO_FLOWS && !f; i++)
		if (!r->flow[i].n)
			f = &r->flow[i];
	if (!f) {
		f = &r->flow[r->next++ % GRO_FLOWS];
		flush(r, f);
	}
	f->l4 = p->l4;
	f->hdr_len = p->hdr_len;
	f->size = p->payload;
	f->id = p->id;
	f->proto = p->proto;
	f->checked = false;
	f->first = p->ip;
	f->len = p->hdr_len;
	f->next_seq = p->seq;
	memcpy(f->head, p->ip, p->hdr_len);
	append(f, p);
}

void gro_put(struct gro *r, const uint8_t *ip, size_t len)
{
	struct gro_flow *f = NULL;
	struct packet p;

	if (!read_ip(&p, ip, len)) {
		// A fragment, or IP options, may be of any flow.
		gro_flush(r);
		write_one(r, ip, len);
		return;
	}
	if (p.proto == IPPROTO_TCP)
		read_tcp(&p);
	else if (r->udp)
		read_udp(&p);
	for (unsigned int i = 0; i < GRO_FLOWS && !f; i++)
		if (is_flow(&r->flow[i], &p))
			f = &r->flow[i];
	if (f && p.hdr_len && follows(f, &p)) {
		append(f, &p);
		if (f->n == GRO_PARTS || p.payload < f->size || is_last(&p))
			flush(r, f);
		return;
	}
	if (f)
		flush(r, f);
	if (p.hdr_len && !is_last(&p))
		begin(r, &p);
	else
		write_one(r, ip, len);
}
