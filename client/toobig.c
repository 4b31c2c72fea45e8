// SPDX-License-Identifier: BSD-3-Clause
#include "client/toobig.h"

#include <netinet/in.h>
#include <string.h>

#include "client/gso.h"
#include "protocol/cursor.h"

#define IP4_HDR 20u
#define IP6_HDR 40u
#define ICMP_HDR 8u
#define ERROR4_MAX 576u // RFC 1812 4.3.2.3
#define TOS_ERROR 0xc0  // RFC 1812 4.3.2.5
#define HOPS 64

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

// In this machine's byte order, as gso.h's sums are.
static void put_sum(uint8_t *p, uint64_t sum)
{
	uint16_t check = (uint16_t)~gso_fold(sum);

	memcpy(p, &check, sizeof(check));
}

// --- whether it may be answered ---

// RFC 1122 3.2.2.
static bool is_host4(const uint8_t a[4])
{
	return a[0] != 0 && a[0] != 127 && a[0] < 224;
}

static bool is_query4(uint8_t type)
{
	return type == 0 || (type >= 8 && type <= 10) || (type >= 13 && type <= 18) || type == 42 ||
	       type == 43;
}

static bool may_answer4(const uint8_t *ip, size_t len)
{
	size_t hdr;

	if (len < IP4_HDR)
		return false;
	hdr = (ip[0] & 0x0fu) * 4;
	// DF, and not behind a first fragment.
	if (hdr < IP4_HDR || hdr > len || !(ip[6] & 0x40) || (ip[6] & 0x1f) || ip[7])
		return false;
	if (!is_host4(ip + 12) || !is_host4(ip + 16))
		return false;
	return ip[9] != IPPROTO_ICMP || (hdr < len && is_query4(ip[hdr]));
}

static bool is_host6(const uint8_t a[16])
{
	static const uint8_t unspecified[16];

	return a[0] != 0xff && memcmp(a, unspecified, sizeof(unspecified)) != 0;
}

// RFC 4443 2.4 (e): not of an ICMPv6 error. One whose headers cannot be followed might be one.
static bool may_answer6(const uint8_t *ip, size_t len)
{
	struct cursor c = cursor_make(ip, len);
	uint8_t next, n, type;
	uint16_t offset;

	if (cur_skip(&c, 6) || cur_u8(&c, &next) || cur_skip(&c, 33) || !is_host6(ip + 8) ||
		!is_host6(ip + 24))
		return false;
	while (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
		next == IPPROTO_FRAGMENT) {
		bool fragment = next == IPPROTO_FRAGMENT;

		if (cur_u8(&c, &next) || cur_u8(&c, &n) || cur_u16(&c, &offset))
			return false;
		if (fragment && offset >> 3)
			return false;
		if (cur_skip(&c, fragment ? 4 : n * 8u + 4))
			return false;
	}
	if (next != IPPROTO_ICMPV6)
		return true;
	return !cur_u8(&c, &type) && type >= 128 && type != 137; // nor of a redirect
}

// --- the answer ---

static size_t answer4(uint8_t *dst, const uint8_t *ip, size_t len, uint16_t mtu)
{
	size_t quoted =
		len < ERROR4_MAX - IP4_HDR - ICMP_HDR ? len : ERROR4_MAX - IP4_HDR - ICMP_HDR;
	size_t n = IP4_HDR + ICMP_HDR + quoted;
	uint8_t *icmp = dst + IP4_HDR;

	memset(dst, 0, IP4_HDR + ICMP_HDR);
	dst[0] = 0x45;
	dst[1] = TOS_ERROR;
	put16(dst + 2, (uint16_t)n);
	dst[8] = HOPS;
	dst[9] = IPPROTO_ICMP;
	memcpy(dst + 12, ip + 16, 4);
	memcpy(dst + 16, ip + 12, 4);
	put_sum(dst + 10, gso_sum(dst, IP4_HDR));
	icmp[0] = 3; // unreachable: fragmentation needed
	icmp[1] = 4;
	put16(icmp + 6, mtu);
	memcpy(icmp + ICMP_HDR, ip, quoted);
	put_sum(icmp + 2, gso_sum(icmp, ICMP_HDR + quoted));
	return n;
}

static size_t answer6(uint8_t *dst, const uint8_t *ip, size_t len, uint16_t mtu)
{
	size_t quoted =
		len < TOOBIG_MAX - IP6_HDR - ICMP_HDR ? len : TOOBIG_MAX - IP6_HDR - ICMP_HDR;
	uint8_t *icmp = dst + IP6_HDR;

	memset(dst, 0, IP6_HDR + ICMP_HDR);
	dst[0] = 0x60;
	put16(dst + 4, (uint16_t)(ICMP_HDR + quoted));
	dst[6] = IPPROTO_ICMPV6;
	dst[7] = HOPS;
	memcpy(dst + 8, ip + 24, 16);
	memcpy(dst + 24, ip + 8, 16);
	icmp[0] = 2; // packet too big
	put16(icmp + 6, mtu);
	memcpy(icmp + ICMP_HDR, ip, quoted);
	put_sum(icmp + 2, gso_pseudo_sum(dst, IPPROTO_ICMPV6, ICMP_HDR + quoted) +
				  gso_sum(icmp, ICMP_HDR + quoted));
	return IP6_HDR + ICMP_HDR + quoted;
}

size_t toobig_answer(uint8_t *dst, const uint8_t *ip, size_t len, uint16_t mtu)
{
	if (len && ip[0] >> 4 == 4 && may_answer4(ip, len))
		return answer4(dst, ip, len, mtu);
	if (len && ip[0] >> 4 == 6 && may_answer6(ip, len))
		return answer6(dst, ip, len, mtu);
	return 0;
}

bool toobig_may(struct toobig_rate *r, uint64_t now_us)
{
	const uint64_t one = 1000000 / TOOBIG_RATE;

	if (r->at_us < now_us)
		r->at_us = now_us;
	if (r->at_us - now_us > (TOOBIG_BURST - 1) * one)
		return false;
	r->at_us += one;
	return true;
}
