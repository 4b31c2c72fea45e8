// SPDX-License-Identifier: BSD-3-Clause
// Test packets: IPv4 with ICMP echo or UDP, whose payload says who sent it, when, and as which of
// how many, and of which every byte can be checked by whoever gets it. Pure.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PROBE_MIN_SIZE 64u
#define PROBE_HDR_LEN 28u // IPv4 and UDP or ICMP, in front of the payload
#define PROBE_MAX_SIZE 4091u
#define PROBE_UDP_PORT 7u

enum probe_kind { PROBE_ICMP, PROBE_UDP };

struct probe {
	uint32_t run;     // tells this run's packets from others'
	uint32_t session; // of the sender
	uint64_t seq;
	uint64_t sent_ns;
};

enum probe_result {
	PROBE_OK,
	PROBE_OTHER,   // not one of these packets
	PROBE_CORRUPT, // one, but not as it was sent
};

// Write a packet of size bytes (PROBE_MIN_SIZE..PROBE_MAX_SIZE) to dst. Addresses in host byte
// order. ICMP: an echo request.
void probe_build(uint8_t *dst, size_t size, enum probe_kind kind, uint32_t src_addr,
	uint32_t dst_addr, const struct probe *p);

// Check a received packet that was sent with size bytes: for ICMP the echo reply, for UDP a packet
// of either direction. run: of this run. PROBE_OK fills in p.
enum probe_result probe_check(
	const uint8_t *ip, size_t len, size_t size, uint32_t run, struct probe *p);

// The payload alone (size - PROBE_HDR_LEN bytes), for an end that has a UDP socket.
void probe_body_build(uint8_t *body, size_t len, const struct probe *p);
enum probe_result probe_body_check(
	const uint8_t *body, size_t len, size_t expected_len, uint32_t run, struct probe *p);

// Put IPv4 and UDP in front of a payload that is in place: a packet of size bytes, with checksums.
// Addresses in host byte order.
void probe_wrap_udp(uint8_t *ip, size_t size, uint32_t src_addr, uint32_t dst_addr,
	uint16_t src_port, uint16_t dst_port);

// The same for a UDP packet, but only what its header says is checked, not the bytes behind.
enum probe_result probe_peek(const uint8_t *ip, size_t len, uint32_t run, struct probe *p);
