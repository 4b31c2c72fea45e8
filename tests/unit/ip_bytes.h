// SPDX-License-Identifier: BSD-3-Clause
// IP packets byte by byte for tests of code without mbufs: fields in network order, and checksums
// by a sum that shares nothing with the one that is tested.
#pragma once

#include <stddef.h>
#include <stdint.h>

static inline void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static inline uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

// RFC 1071 byte by byte, folded; sum is what goes before. 0xffff over what has a right checksum.
static inline uint32_t plain_sum(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

// The sum of the pseudo header (RFC 9293 3.1, RFC 8200 8.1) of n bytes behind ip's header(s).
static inline uint32_t pseudo_sum(const uint8_t *ip, uint8_t proto, size_t n)
{
	uint32_t sum = ip[0] >> 4 == 6 ? plain_sum(0, ip + 8, 32) : plain_sum(0, ip + 12, 8);
	uint8_t rest[4];

	put16(rest, proto);
	put16(rest + 2, (uint32_t)n);
	return plain_sum(sum, rest, 4);
}
