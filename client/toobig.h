// SPDX-License-Identifier: BSD-3-Clause
// What a router says of packets that are longer than the way ahead: ICMP "fragmentation needed"
// (RFC 1191) and ICMPv6 "packet too big" (RFC 4443 3.2). Pure: no I/O, allocates nothing. One
// thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOOBIG_MAX 1280u // bytes of the longest answer

// Write the answer to an IP packet of len bytes that is longer than mtu, as from its destination.
// dst has room for TOOBIG_MAX. Returns its length, 0: there is none to be given (no whole header,
// an IPv4 packet that may be cut or is no first fragment, of or for others than single hosts, an
// error itself).
size_t toobig_answer(uint8_t *dst, const uint8_t *ip, size_t len, uint16_t mtu);

// So many answers a second, some more at once.
#define TOOBIG_RATE 100u
#define TOOBIG_BURST 20u
struct toobig_rate {
	uint64_t at_us; // when all tokens are back
};

bool toobig_may(struct toobig_rate *r, uint64_t now_us);
