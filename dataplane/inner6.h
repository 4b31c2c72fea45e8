// SPDX-License-Identifier: BSD-3-Clause
// Inner IPv6 packets, as a router handles them: check, hop limit, MSS clamp, ICMPv6. Stateless; on
// mbufs with data at the IPv6 header.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "dataplane/ipaddr.h"
#include "dataplane/mbuf.h"

#define INNER6_MIN_MTU 1280 // RFC 8200 5

#define ICMP6_UNREACHABLE 1
#define ICMP6_PACKET_TOO_BIG 2
#define ICMP6_TIME_EXCEEDED 3
#define ICMP6_PARAMETER_PROBLEM 4
#define ICMP6_ECHO_REQUEST 128
#define ICMP6_ECHO_REPLY 129
#define ICMP6_ROUTER_SOLICIT 133
#define ICMP6_NEIGHBOUR_SOLICIT 135
#define ICMP6_REDIRECT 137

#define ICMP6_NO_ROUTE 0 // codes of ICMP6_UNREACHABLE, RFC 4443 3.1
#define ICMP6_PROHIBITED 1
#define ICMP6_ADDRESS 3
#define ICMP6_PORT 4

// Check version and payload length (a longer mbuf is trimmed to it: padding). 0 or -EBADMSG. Sets
// l3_len, extension headers not counted.
int inner6_check(struct rte_mbuf *m);

static inline struct ipaddr inner6_src(const struct rte_mbuf *m)
{
	return ipaddr_from6(rte_pktmbuf_mtod_offset(m, const void *, 8));
}

static inline struct ipaddr inner6_dst(const struct rte_mbuf *m)
{
	return ipaddr_from6(rte_pktmbuf_mtod_offset(m, const void *, 24));
}

// Decrement the hop limit. False when it was 0 or 1 (packet untouched).
static inline bool inner6_hop_limit(struct rte_mbuf *m)
{
	uint8_t *at = rte_pktmbuf_mtod_offset(m, uint8_t *, 7);

	if (*at <= 1)
		return false;
	(*at)--;
	return true;
}

static inline bool inner6_is_multicast(const struct ipaddr *a)
{
	return a->b[0] == 0xff;
}

static inline bool inner6_is_link_local(const struct ipaddr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

// Whether an address may be the source or the destination of what a router forwards: no multicast,
// no link-local one, nothing of ::/64 (unspecified, loopback, IPv4-mapped).
static inline bool inner6_is_routable(const struct ipaddr *a)
{
	return a->d[0] != 0 && !inner6_is_multicast(a) && !inner6_is_link_local(a);
}

// Lower the MSS option of a TCP SYN to at most mss; checksum adjusted. Anything else: nothing.
void inner6_mss_clamp(struct rte_mbuf *m, uint16_t mss);

// Whether an ICMPv6 error may be sent about pkt: an IPv6 packet whose fixed header is there. RFC
// 4443 2.4 (e).
bool icmp6_error_allowed(const struct rte_mbuf *pkt, uint8_t type, uint8_t code);

// An ICMPv6 error about pkt (borrowed) from src to pkt's source, quoting as much as fits 1280
// bytes. value: the word behind the checksum: MTU of packet too big, pointer of a parameter
// problem. NULL: not allowed (RFC 4443 2.4 e) or no mbuf.
struct rte_mbuf *icmp6_make_error(const struct rte_mbuf *pkt, uint8_t type, uint8_t code,
	uint32_t value, const struct ipaddr *src, struct rte_mempool *pool);

// Turn an ICMPv6 echo request into its reply, in place (addresses swapped or from `src`, hop limit
// 64, extension headers gone). src NULL: the address that was asked. False: no valid echo request.
bool icmp6_echo_reply(struct rte_mbuf *m, const struct ipaddr *src);
