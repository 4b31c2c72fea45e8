// SPDX-License-Identifier: BSD-3-Clause
// Router and neighbour discovery on a point-to-point link without link-layer addresses: RFC 4861,
// RDNSS of RFC 8106. Messages are ICMPv6 from the type on; whole packets are made by ra_packet()
// and na_packet(). Pure; any thread; allocates nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/ip6/ip6.h"

#define RA_ROUTER_SOLICIT 133
#define RA_ROUTER_ADVERT 134
#define RA_NEIGHBOUR_SOLICIT 135
#define RA_NEIGHBOUR_ADVERT 136

#define RA_MAX_DNS 4
#define RA_PACKET_MAX 256
#define RA_INFINITE UINT32_MAX

struct ra {
	uint8_t hop_limit;
	bool managed, other; // M: addresses by DHCPv6; O: the rest by DHCPv6
	uint16_t lifetime_s; // as a default router, 0: none
	uint32_t mtu;        // 0: not said
	uint8_t plen;        // of prefix, 0: none
	bool on_link, autonomous;
	struct in6_addr prefix;
	uint32_t valid_s, preferred_s;
	unsigned int nb_dns;
	struct in6_addr dns[RA_MAX_DNS];
	uint32_t dns_lifetime_s;
};

// What a received discovery message asks.
struct ra_question {
	uint8_t type;           // RA_ROUTER_SOLICIT or RA_NEIGHBOUR_SOLICIT
	struct in6_addr target; // RA_NEIGHBOUR_SOLICIT
};

// Judge a packet as RFC 4861 6.1.1 and 7.1.1 do. 0, or -EBADMSG: invalid, or no question.
int ra_question(const struct ip6_packet *k, struct ra_question *q);

// A Router Advertisement from src to dst. Returns its length, 0: cap is too small.
size_t ra_packet(const struct ra *ra, const struct in6_addr *src, const struct in6_addr *dst,
	uint8_t *buf, size_t cap);
// The answer of a router (target: its address) to a Neighbour Solicitation of dst; unspecified: it
// looked for a duplicate, all nodes are told.
size_t na_packet(
	const struct in6_addr *target, const struct in6_addr *dst, uint8_t *buf, size_t cap);

// Decode a Router Advertisement (RFC 4861 6.1.2). Of several prefixes the first is taken, of name
// servers as many as there is room for. 0 or -EBADMSG.
int ra_decode(const struct ip6_packet *k, struct ra *ra);
