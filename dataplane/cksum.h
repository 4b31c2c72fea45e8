// SPDX-License-Identifier: BSD-3-Clause
// Internet checksums, RFC 1071 and 1624: incremental change, and sums over several pieces. Any
// thread.
#pragma once

#include <stdint.h>
#include <rte_ip.h>

// The checksum field after the 16-bit word `from` of the data became `to`. All three as they lie in
// the packet. RFC 1624 equation 3, which is right for all data but such as becomes all zeros: no IP
// header and nothing behind a pseudo header can.
static inline uint16_t cksum_adjust(uint16_t field, uint16_t from, uint16_t to)
{
	uint32_t sum = (uint16_t)~field + (uint32_t)(uint16_t)~from + to;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

// The checksum field for n bytes in which that field is zero; over a received message with its
// field in place: 0 when right.
static inline uint16_t cksum_of(const void *p, size_t n)
{
	return (uint16_t)~rte_raw_cksum(p, n);
}

// The same for an upper layer over IPv6: pseudo header (RFC 8200 8.1) and len bytes at l4.
static inline uint16_t cksum_of6(
	const struct rte_ipv6_hdr *ip, const void *l4, uint16_t len, uint8_t proto)
{
	struct {
		rte_be32_t len;
		rte_be32_t proto;
	} ph = {rte_cpu_to_be_32(len), rte_cpu_to_be_32(proto)};
	uint32_t sum = rte_raw_cksum(ip->src_addr, 32); // source and destination

	sum += rte_raw_cksum(&ph, sizeof(ph));
	sum += rte_raw_cksum(l4, len);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}
