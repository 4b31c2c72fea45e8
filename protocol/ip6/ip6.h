// SPDX-License-Identifier: BSD-3-Clause
// IPv6 packets with ICMPv6 or UDP in them, as the two ends of a point-to-point link exchange them:
// no extension headers. RFC 8200, 4443, 768. Pure; any thread; allocates nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "protocol/cursor.h"

#define IP6_HDR_LEN 40
#define IP6_UDP_HDR_LEN 8

struct ip6_packet {
	struct in6_addr src, dst;
	uint8_t hop_limit;
	uint8_t proto;         // IPPROTO_ICMPV6 or IPPROTO_UDP
	uint16_t sport, dport; // UDP
	struct cursor
		payload; // ICMPv6: from its type on; UDP: behind its header. Borrows the bytes.
};

// Decode one packet of n bytes (what follows its own length is padding). 0, or -EBADMSG: malformed,
// another protocol, or a wrong checksum.
int ip6_decode(const uint8_t *p, size_t n, struct ip6_packet *k);

// Start a packet; payload is appended behind it. UDP: the header with these ports is written.
void ip6_begin(struct writer *w, const struct in6_addr *src, const struct in6_addr *dst,
	uint8_t proto, uint8_t hop_limit, uint16_t sport, uint16_t dport);
// Fill in lengths and checksum. w has held this packet alone.
void ip6_end(struct writer *w);

bool ip6_is_unspecified(const struct in6_addr *a);
bool ip6_is_link_local(const struct in6_addr *a);
bool ip6_is_multicast(const struct in6_addr *a);
// Whether a lies in prefix/plen.
bool ip6_in_prefix(const struct in6_addr *a, const struct in6_addr *prefix, uint8_t plen);
// fe80:: and an interface identifier, host order.
struct in6_addr ip6_link_local(uint64_t id);
// ff02::1:ffXX:XXXX, RFC 4291 2.7.1.
struct in6_addr ip6_solicited_node_of(const struct in6_addr *a);

extern const struct in6_addr ip6_all_nodes, ip6_all_routers, ip6_all_dhcp;
