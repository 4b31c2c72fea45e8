// SPDX-License-Identifier: BSD-3-Clause
// Packets of a TUN interface that has virtio-net headers (IFF_VNET_HDR): the kernel leaves
// checksums and cutting to whoever reads them. A super-packet is one IP packet of up to 64 KiB that
// stands for several of TCP or UDP, alike but for what follows from their order. Pure: no I/O,
// allocates nothing. Any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GSO_VNET_LEN 10u // of a virtio-net header: struct virtio_net_hdr, this machine's byte order

// What a packet stands for. hdr_len 0: for itself.
struct gso {
	uint16_t hdr_len; // bytes of IP and transport headers, in front of each packet
	uint16_t l4;      // offset of the transport header
	uint16_t size;    // bytes of payload in each packet but the last
	uint16_t pseudo;  // sum of the pseudo header but for its length
	uint8_t proto;    // IPPROTO_TCP or IPPROTO_UDP
};

// Check a packet as it was read: vnet, GSO_VNET_LEN bytes, and the IP packet of n bytes behind
// them. A checksum of a packet that stands for itself is completed in place. Returns 0, or
// -EBADMSG: to be dropped. Afterwards gso_len() and gso_cut() may be used with the same bytes.
int gso_read(struct gso *g, const uint8_t *vnet, uint8_t *ip, size_t n);

// How many packets it is.
static inline uint32_t gso_count(const struct gso *g, size_t n)
{
	return g->hdr_len ? (uint32_t)((n - g->hdr_len + g->size - 1) / g->size) : 1;
}

// Bytes of the i-th, from 0.
static inline size_t gso_len(const struct gso *g, size_t n, uint32_t i)
{
	size_t off = (size_t)i * g->size, left = n - g->hdr_len - off;

	return g->hdr_len ? g->hdr_len + (left < g->size ? left : g->size) : n;
}

// Write the i-th, gso_len() bytes, to dst, with its own lengths, numbers, flags and checksums.
void gso_cut(const struct gso *g, const uint8_t *ip, size_t n, uint32_t i, uint8_t *dst);

// The sum of RFC 1071, unfolded: of n bytes from an even offset on, as words in this machine's byte
// order; sums add up.
uint64_t gso_sum(const void *p, size_t n);
// The same, and a copy of the bytes to dst, which does not overlap.
uint64_t gso_copy_sum(void *dst, const void *src, size_t n);
// Of the pseudo header of an IP packet (version and addresses are there) with len bytes of proto.
uint64_t gso_pseudo_sum(const uint8_t *ip, uint8_t proto, size_t len);
// To 16 bits, not complemented.
static inline uint16_t gso_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}
