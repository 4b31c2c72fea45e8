// SPDX-License-Identifier: BSD-3-Clause
// Inner IPv4 packets, as a router handles them: check, TTL, MSS clamp, fragment, ICMP. Stateless;
// on mbufs with data at the IP header.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "dataplane/cksum.h"
#include "dataplane/mbuf.h"

// Check version, header length, total length (a longer mbuf is trimmed to it: padding) and header
// checksum. 0 or -EBADMSG. Sets l3_len.
int inner4_check(struct rte_mbuf *m);

// Whether the checksum of a header without options is right.
static inline bool inner4_cksum20_ok(const struct rte_ipv4_hdr *ip)
{
	uint64_t a, b;
	uint32_t c;

	memcpy(&a, ip, sizeof(a));
	memcpy(&b, (const char *)ip + 8, sizeof(b));
	memcpy(&c, (const char *)ip + 16, sizeof(c));
	return cksum_fold((a & 0xffffffff) + (a >> 32) + (b & 0xffffffff) + (b >> 32) + c) ==
	       0xffff;
}

// Decrement TTL with incremental checksum. False when it was 0 or 1 (packet untouched).
static inline bool inner4_ttl(struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);
	uint32_t sum;

	if (ip->time_to_live <= 1)
		return false;
	ip->time_to_live--;
	// RFC 1141: the TTL's word is 0x0100 less, so the checksum that much more, with its carry.
	sum = (uint32_t)ip->hdr_checksum + RTE_BE16(0x0100);
	ip->hdr_checksum = (uint16_t)(sum + (sum >= 0xffff));
	return true;
}

// Lower the MSS option of a TCP SYN (unfragmented, first fragment) to at most mss; checksum
// adjusted. Anything else: nothing.
void inner4_mss_clamp_tcp(struct rte_mbuf *m, uint16_t mss); // of a TCP packet
static inline void inner4_mss_clamp(struct rte_mbuf *m, uint16_t mss)
{
	if (rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *)->next_proto_id == IPPROTO_TCP)
		inner4_mss_clamp_tcp(m, mss);
}

struct rte_tcp_hdr;
// The same of a TCP header, which is whole; end: of the packet. For both families.
void inner_tcp_mss_clamp(struct rte_tcp_hdr *tcp, uint8_t *end, uint16_t mss);

// Fragment m (over mtu, DF clear) into out[0..max): each at most mtu, MBUF_FRONT of headroom, tail
// room for the record. Consumes m. Returns how many, or 0 when out of mbufs or max is too small (m
// freed).
uint16_t inner4_fragment(struct rte_mbuf *m, uint16_t mtu, struct rte_mempool *pool,
	struct rte_mbuf **out, uint16_t max);

// An ICMP error about pkt (borrowed) from src (host order) to pkt's source, quoting header + as
// much as fits 576 bytes. NULL: not allowed (ICMP error, not first fragment, broadcast or multicast
// source/destination) or no mbuf. mtu: type 3 code 4 only.
struct rte_mbuf *icmp4_error(const struct rte_mbuf *pkt, uint8_t type, uint8_t code, uint16_t mtu,
	uint32_t src, struct rte_mempool *pool);

// Whether one is allowed.
bool icmp4_error_allowed(const struct rte_mbuf *pkt);

// Clear DF of a packet without options that was made here, and give it this ID (RFC 6864 4.1).
void inner4_allow_fragments(struct rte_mbuf *m, uint16_t id);

// Turn an ICMP echo request into its reply, in place (addresses swapped, TTL 64, checksums). False:
// no valid echo request.
bool icmp4_echo_reply(struct rte_mbuf *m);
