// SPDX-License-Identifier: BSD-3-Clause
// Internet checksums, RFC 1071 and 1624: incremental change, and sums over several pieces. Any
// thread.
#pragma once

#include <stdint.h>
#include <string.h>
#include <rte_ip.h>

#define CKSUM_SHORT 64 // bytes that are summed on the spot: headers

// Sum of n bytes by the widest vectors this CPU has, for cksum_fold(). Sums of pieces add up when
// all but the last piece have an even length.
extern uint64_t (*cksum_sum_long)(const uint8_t *p, size_t n);

// All the ways to sum that this CPU has, for tests and benchmarks: NULL when i is too large.
struct cksum_way {
	const char *name;
	uint64_t (*sum)(const uint8_t *p, size_t n);
};
const struct cksum_way *cksum_way(unsigned int i);

static inline uint64_t cksum_sum_short(const uint8_t *p, size_t n)
{
	uint64_t sum = 0;
	uint32_t w;
	uint16_t h;

	for (; n >= 4; n -= 4, p += 4) {
		memcpy(&w, p, 4);
		sum += w;
	}
	if (n & 2) {
		memcpy(&h, p, 2);
		sum += h;
		p += 2;
	}
	if (n & 1)
		sum += rte_cpu_to_le_16(*p);
	return sum;
}

// The same for any n; a constant length makes straight code.
static inline uint64_t cksum_sum(const void *p, size_t n)
{
	return n <= CKSUM_SHORT ? cksum_sum_short(p, n) : cksum_sum_long(p, n);
}

// One's complement sum in 16 bits, not complemented.
static inline uint16_t cksum_fold(uint64_t sum)
{
	uint32_t w = (uint32_t)sum + (uint32_t)(sum >> 32);

	w += w < (uint32_t)sum;
	w += w << 16 | w >> 16; // both halves' sum, in the upper half with its carry
	return (uint16_t)(w >> 16);
}

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
	return (uint16_t)~cksum_fold(cksum_sum(p, n));
}

// The same for an upper layer over IPv6: pseudo header (RFC 8200 8.1) and len bytes at l4.
static inline uint16_t cksum_of6(
	const struct rte_ipv6_hdr *ip, const void *l4, uint16_t len, uint8_t proto)
{
	uint64_t sum = cksum_sum(ip->src_addr, 32); // source and destination

	sum += rte_cpu_to_be_16(len);
	sum += rte_cpu_to_be_16(proto);
	return (uint16_t)~cksum_fold(sum + cksum_sum(l4, len));
}
