// SPDX-License-Identifier: BSD-3-Clause
#include "bench/probe.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "protocol/cursor.h"

#define IP_HDR 20u
#define L4_HDR 8u // ICMP echo and UDP alike
#define BODY PROBE_HDR_LEN
#define BODY_HDR 32u // magic, run, session, check, seq, time
#define MAGIC 0x43757276u

#define ICMP_ECHO_REPLY 0
#define ICMP_ECHO_REQUEST 8
#define IPPROTO_ICMP_ 1
#define IPPROTO_UDP_ 17

// One's complement sum of the 16-bit words in network order. The order of bytes does not matter to
// such a sum: words are added as they lie in memory, and the result is turned once.
static uint32_t sum_words(uint32_t sum, const uint8_t *p, size_t n)
{
	uint64_t wide = 0;
	uint32_t w;
	uint16_t h = 0;

	for (; n >= sizeof(w); n -= sizeof(w), p += sizeof(w)) {
		memcpy(&w, p, sizeof(w));
		wide += w;
	}
	if (n >= sizeof(h)) {
		memcpy(&h, p, sizeof(h));
		wide += h;
		p += sizeof(h);
		n -= sizeof(h);
	}
	if (n) {
		h = 0;
		memcpy(&h, p, 1);
		wide += h;
	}
	while (wide >> 16)
		wide = (wide & 0xffff) + (wide >> 16);
	return sum + ntohs((uint16_t)wide);
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t get_u64(const uint8_t *p)
{
	return (uint64_t)get_u32(p) << 32 | get_u32(p + 4);
}

static uint64_t next_word(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u; // splitmix64

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint32_t check_of(const struct probe *p)
{
	uint64_t state = (uint64_t)p->run << 32 ^ p->session;
	uint64_t sum = next_word(&state);

	state ^= p->seq;
	sum ^= next_word(&state);
	state ^= p->sent_ns;
	return (uint32_t)(sum ^ next_word(&state));
}

// The bytes behind the header follow from it.
static void fill(uint8_t *dst, size_t n, const struct probe *p)
{
	uint64_t state = (uint64_t)p->run << 32 ^ (uint64_t)p->session << 20 ^ p->seq, w;

	for (; n >= sizeof(w); n -= sizeof(w), dst += sizeof(w)) {
		w = next_word(&state);
		memcpy(dst, &w, sizeof(w));
	}
	w = next_word(&state);
	memcpy(dst, &w, n);
}

void probe_body_build(uint8_t *body, size_t len, const struct probe *p)
{
	struct writer w = writer_make(body, len);

	wr_u32(&w, MAGIC);
	wr_u32(&w, p->run);
	wr_u32(&w, p->session);
	wr_u32(&w, check_of(p));
	wr_u32(&w, (uint32_t)(p->seq >> 32));
	wr_u32(&w, (uint32_t)p->seq);
	wr_u32(&w, (uint32_t)(p->sent_ns >> 32));
	wr_u32(&w, (uint32_t)p->sent_ns);
	fill(body + BODY_HDR, len - BODY_HDR, p);
}

static void put_ip(uint8_t *ip, size_t size, uint8_t protocol, uint16_t id, uint32_t src_addr,
	uint32_t dst_addr)
{
	wr_put_u16(ip, 0x4500);
	wr_put_u16(ip + 2, (uint16_t)size);
	wr_put_u16(ip + 4, id);
	wr_put_u16(ip + 6, 0x4000); // do not fragment
	wr_put_u16(ip + 8, (uint16_t)(64 << 8 | protocol));
	wr_put_u16(ip + 10, 0);
	wr_put_u16(ip + 12, (uint16_t)(src_addr >> 16));
	wr_put_u16(ip + 14, (uint16_t)src_addr);
	wr_put_u16(ip + 16, (uint16_t)(dst_addr >> 16));
	wr_put_u16(ip + 18, (uint16_t)dst_addr);
	wr_put_u16(ip + 10, fold(sum_words(0, ip, IP_HDR)));
}

static void put_udp(uint8_t *ip, size_t size, uint16_t src_port, uint16_t dst_port)
{
	uint8_t *l4 = ip + IP_HDR;
	size_t len = size - IP_HDR;
	uint16_t sum;

	wr_put_u16(l4, src_port);
	wr_put_u16(l4 + 2, dst_port);
	wr_put_u16(l4 + 4, (uint16_t)len);
	wr_put_u16(l4 + 6, 0);
	sum = fold(sum_words(sum_words(IPPROTO_UDP_ + (uint32_t)len, ip + 12, 8), l4, len));
	wr_put_u16(l4 + 6, sum ? sum : 0xffff);
}

static void put_echo_request(uint8_t *l4, size_t len, uint16_t id, uint16_t seq)
{
	wr_put_u16(l4, ICMP_ECHO_REQUEST << 8);
	wr_put_u16(l4 + 2, 0);
	wr_put_u16(l4 + 4, id);
	wr_put_u16(l4 + 6, seq);
	wr_put_u16(l4 + 2, fold(sum_words(0, l4, len)));
}

void probe_wrap_udp(uint8_t *ip, size_t size, uint32_t src_addr, uint32_t dst_addr,
	uint16_t src_port, uint16_t dst_port)
{
	put_ip(ip, size, IPPROTO_UDP_, 0, src_addr, dst_addr);
	put_udp(ip, size, src_port, dst_port);
}

void probe_build(uint8_t *dst, size_t size, enum probe_kind kind, uint32_t src_addr,
	uint32_t dst_addr, const struct probe *p)
{
	uint8_t protocol = kind == PROBE_ICMP ? IPPROTO_ICMP_ : IPPROTO_UDP_;

	probe_body_build(dst + BODY, size - BODY, p);
	put_ip(dst, size, protocol, (uint16_t)p->seq, src_addr, dst_addr);
	if (kind == PROBE_ICMP)
		put_echo_request(
			dst + IP_HDR, size - IP_HDR, (uint16_t)p->session, (uint16_t)p->seq);
	else
		put_udp(dst, size, (uint16_t)(40000 + p->session % 20000), PROBE_UDP_PORT);
}

// Whether the packet's transport is one that probes have, and whole.
static enum probe_result check_l4(const uint8_t *ip, size_t len)
{
	const uint8_t *l4 = ip + IP_HDR;
	size_t l4_len = len - IP_HDR;
	uint32_t sum;

	if (ip[9] == IPPROTO_ICMP_) {
		if (l4[0] != ICMP_ECHO_REPLY)
			return PROBE_OTHER;
		return fold(sum_words(0, l4, l4_len)) ? PROBE_CORRUPT : PROBE_OK;
	}
	if (ip[9] != IPPROTO_UDP_)
		return PROBE_OTHER;
	sum = sum_words(IPPROTO_UDP_ + (uint32_t)l4_len, ip + 12, 8);
	if (((uint32_t)l4[4] << 8 | l4[5]) != l4_len || fold(sum_words(sum, l4, l4_len)))
		return PROBE_CORRUPT;
	return PROBE_OK;
}

static bool read_body(const uint8_t *body, uint32_t run, struct probe *p)
{
	*p = (struct probe){.run = run,
		.session = get_u32(body + 8),
		.seq = get_u64(body + 16),
		.sent_ns = get_u64(body + 24)};
	return get_u32(body + 12) == check_of(p);
}

enum probe_result probe_body_check(
	const uint8_t *body, size_t len, size_t expected_len, uint32_t run, struct probe *p)
{
	uint8_t expected[PROBE_MAX_SIZE];

	if (len < BODY_HDR || get_u32(body) != MAGIC || get_u32(body + 4) != run)
		return PROBE_OTHER;
	if (len != expected_len || len > sizeof(expected))
		return PROBE_CORRUPT;
	if (!read_body(body, run, p))
		return PROBE_CORRUPT;
	fill(expected, len - BODY_HDR, p);
	return memcmp(expected, body + BODY_HDR, len - BODY_HDR) ? PROBE_CORRUPT : PROBE_OK;
}

enum probe_result probe_peek(const uint8_t *ip, size_t len, uint32_t run, struct probe *p)
{
	const uint8_t *body = ip + BODY;

	if (len < PROBE_MIN_SIZE || ip[0] != 0x45 || ip[9] != IPPROTO_UDP_ ||
		get_u32(body) != MAGIC || get_u32(body + 4) != run)
		return PROBE_OTHER;
	if (((uint32_t)ip[2] << 8 | ip[3]) != len || !read_body(body, run, p))
		return PROBE_CORRUPT;
	return PROBE_OK;
}

enum probe_result probe_check(
	const uint8_t *ip, size_t len, size_t size, uint32_t run, struct probe *p)
{
	const uint8_t *body = ip + BODY;
	enum probe_result rc;

	if (len < PROBE_MIN_SIZE || ip[0] != 0x45)
		return PROBE_OTHER;
	if (get_u32(body) != MAGIC || get_u32(body + 4) != run) {
		// An echo reply that is none of ours cannot come here, but as a broken one.
		return ip[9] == IPPROTO_ICMP_ && ip[IP_HDR] == ICMP_ECHO_REPLY ? PROBE_CORRUPT
									       : PROBE_OTHER;
	}
	if (len != size || ((uint32_t)ip[2] << 8 | ip[3]) != len || fold(sum_words(0, ip, IP_HDR)))
		return PROBE_CORRUPT;
	rc = check_l4(ip, len);
	return rc == PROBE_OK ? probe_body_check(body, len - BODY, size - BODY, run, p) : rc;
}
