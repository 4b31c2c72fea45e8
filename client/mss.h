// SPDX-License-Identifier: BSD-3-Clause
// The MSS option of TCP SYNs that pass through the tunnel, lowered to what its MTU leaves room for:
// what is behind either end knows nothing of the tunnel. RFC 9293 3.2, 3.7.1. Pure; any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MSS_IP4_HEADERS 40 // of IPv4 and TCP, less options
#define MSS_IP6_HEADERS 60

bool mss_find_large(const uint8_t *ip, size_t len, uint16_t mtu);

// Whether an IP packet of len bytes is a TCP SYN that offers more than fits mtu. What is no SYN,
// nor an IPv6 packet with extension headers, costs the look at three bytes.
static inline bool mss_is_large(const uint8_t *ip, size_t len, uint16_t mtu)
{
	size_t header;

	if (len < MSS_IP4_HEADERS)
		return false;
	header = (ip[0] & 0x0fu) * 4;
	if (ip[0] >> 4 == 4)
		return ip[9] == 6 && len > header + 13 && (ip[header + 13] & 0x02) &&
		       mss_find_large(ip, len, mtu);
	if (ip[6] == 6)
		return len > 53 && (ip[53] & 0x02) && mss_find_large(ip, len, mtu);
	return ip[6] != 17 && ip[6] != 58 && mss_find_large(ip, len, mtu);
}

// Lower what mss_is_large() found, the checksum with it. Any other packet stays as it is.
void mss_clamp(uint8_t *ip, size_t len, uint16_t mtu);
