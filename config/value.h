// SPDX-License-Identifier: BSD-3-Clause
// Values of the configuration as text: numbers, sizes, times, addresses, ranges. Pure; any thread.
// All return 0, -EINVAL when the text is not of that form, or -ERANGE when the number is too big.
// Addresses in host byte order.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

int value_uint(const char *s, uint64_t *v);
int value_size(const char *s, uint64_t *bytes); // 65536, 64k, 1M, 2G (powers of 1024)
// 60, 60s, 1m, 1m30s, 2h, 1d, 1w; RouterOS's 01:30:00, 2d01:30:00 too.
int value_duration(const char *s, uint64_t *seconds);
int value_bitrate(const char *s, uint64_t *bps); // 64000, 64k, 10M, 1G (powers of 1000)
int value_bool(const char *s, bool *v);          // yes no true false on off
int value_ip4(const char *s, uint32_t *addr);
int value_ip6(const char *s, struct in6_addr *addr);
int value_ip4_prefix(const char *s, uint32_t *addr, uint8_t *len); // a/n; the host bits stay
int value_ip6_prefix(const char *s, struct in6_addr *addr, uint8_t *len);
// a, a-b or d/n. Of a prefix up to /30 the first (network) and last (broadcast) address are left
// out.
int value_ip4_range(const char *s, uint32_t *first, uint32_t *last);
int value_port_range(const char *s, uint16_t range[2]); // n or n-m
int value_protocol(const char *s, int *protocol);       // IP protocol by name, or 0..255
int value_cpu_range(const char *s, unsigned int *first, unsigned int *last); // n or n-m

// An address of either family, IPv4 as ::ffff:a.b.c.d, or ADDRESS/LENGTH (IPv4: 96 longer; an
// address alone: 128) without host bits.
int value_address(const char *s, struct in6_addr *addr);
int value_network(const char *s, struct in6_addr *addr, uint8_t *len);
bool value_host_bits(const struct in6_addr *addr, uint8_t len); // whether any is set

// Host bits cleared.
uint32_t value_ip4_network(uint32_t addr, uint8_t len);
bool value_ip6_same_network(const struct in6_addr *a, const struct in6_addr *b, uint8_t len);

// Either family, prefix length behind a slash unless it is 128. Returns dst.
#define VALUE_PREFIX_TEXT 52
const char *value_prefix_text(
	char dst[VALUE_PREFIX_TEXT], const struct in6_addr *addr, uint8_t len);

// Dotted quad of a host-order address into dst (16 bytes). Returns dst.
const char *value_ip4_text(char dst[16], uint32_t addr);
