// SPDX-License-Identifier: BSD-3-Clause
#include "client/mss.h"

#define PROTO_TCP 6
#define TCP_MIN 20
#define TCP_CHECKSUM 16
#define FLAG_SYN 0x02
#define IP6_MIN 40
#define IP6_HEADERS_MAX 8

enum { OPT_END = 0, OPT_NOP = 1, OPT_MSS = 2 };
enum { NEXT_HOP_BY_HOP = 0, NEXT_ROUTING = 43, NEXT_FRAGMENT = 44, NEXT_OPTIONS = 60 };

struct tcp {
	size_t at, end; // in the packet
	uint16_t mss;   // the most that fits
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static bool find_tcp4(const uint8_t *ip, size_t len, struct tcp *t)
{
	size_t header = (ip[0] & 0x0fu) * 4;

	if (len < 20 || header < 20 || ip[9] != PROTO_TCP || (get16(ip + 6) & 0x1fff))
		return false;
	t->at = header;
	t->end = get16(ip + 2);
	return true;
}

// Extension headers that say nothing of what follows are stepped over. RFC 8200 4.
static bool find_tcp6(const uint8_t *ip, size_t len, struct tcp *t)
{
	uint8_t next;

	if (len < IP6_MIN)
		return false;
	next = ip[6];
	t->at = IP6_MIN;
	t->end = IP6_MIN + (size_t)get16(ip + 4);
	for (unsigned int i = 0; i < IP6_HEADERS_MAX && next != PROTO_TCP; i++) {
		const uint8_t *h = ip + t->at;

		if (len - t->at < 8)
			return false;
		if (next == NEXT_FRAGMENT && (get16(h + 2) & 0xfff8))
			return false;
		if (next != NEXT_HOP_BY_HOP && next != NEXT_ROUTING && next != NEXT_OPTIONS &&
			next != NEXT_FRAGMENT)
			return false;
		t->at += next == NEXT_FRAGMENT ? 8 : (h[1] + 1u) * 8;
		next = h[0];
		if (t->at > len)
			return false;
	}
	return next == PROTO_TCP;
}

// The TCP header of a SYN with all of its options. False: it is none, or not whole.
static bool find_syn(const uint8_t *ip, size_t len, uint16_t mtu, struct tcp *t)
{
	bool v4 = len && ip[0] >> 4 == 4;
	unsigned int headers = v4 ? MSS_IP4_HEADERS : MSS_IP6_HEADERS;
	size_t n;

	if (!len || (!v4 && ip[0] >> 4 != 6) || mtu <= headers)
		return false;
	if (!(v4 ? find_tcp4(ip, len, t) : find_tcp6(ip, len, t)))
		return false;
	if (t->end > len)
		t->end = len;
	if (t->at > t->end || t->end - t->at < TCP_MIN || !(ip[t->at + 13] & FLAG_SYN))
		return false;
	n = (size_t)(ip[t->at + 12] >> 4) * 4;
	if (n < TCP_MIN || n > t->end - t->at)
		return false;
	t->end = t->at + n;
	t->mss = (uint16_t)(mtu - headers);
	return true;
}

// Where the MSS is that a SYN offers, 0: it says none that can be read.
static size_t find_mss(const uint8_t *ip, const struct tcp *t)
{
	size_t at = t->at + TCP_MIN;

	while (at < t->end && ip[at] != OPT_END) {
		if (ip[at] == OPT_NOP) {
			at++;
			continue;
		}
		if (t->end - at < 2 || ip[at + 1] < 2 || ip[at + 1] > t->end - at)
			return 0;
		if (ip[at] == OPT_MSS)
			return ip[at + 1] == 4 ? at + 2 : 0;
		at += ip[at + 1];
	}
	return 0;
}

bool mss_find_large(const uint8_t *ip, size_t len, uint16_t mtu)
{
	struct tcp t;
	size_t at = find_syn(ip, len, mtu, &t) ? find_mss(ip, &t) : 0;

	return at && get16(ip + at) > t.mss;
}

// RFC 1624 3: HC' = ~(~HC + ~m + m'). At an odd offset from the header the value lies in two words,
// which is the same as one with its bytes swapped.
static uint16_t adjust(uint16_t sum, uint16_t from, uint16_t to, bool odd)
{
	uint32_t c = (uint16_t)~sum;

	if (odd) {
		from = (uint16_t)(from << 8 | from >> 8);
		to = (uint16_t)(to << 8 | to >> 8);
	}
	c += (uint32_t)(uint16_t)~from + to;
	c = (c & 0xffff) + (c >> 16);
	c = (c & 0xffff) + (c >> 16);
	return (uint16_t)~c;
}

void mss_clamp(uint8_t *ip, size_t len, uint16_t mtu)
{
	struct tcp t;
	size_t at = find_syn(ip, len, mtu, &t) ? find_mss(ip, &t) : 0;
	uint8_t *sum;

	if (!at || get16(ip + at) <= t.mss)
		return;
	sum = ip + t.at + TCP_CHECKSUM;
	put16(sum, adjust(get16(sum), get16(ip + at), t.mss, (at - t.at) & 1));
	put16(ip + at, t.mss);
}
