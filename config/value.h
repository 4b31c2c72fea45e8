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
int value_size(const char *s, uint64_t *bytes);       // 65536, 64k, 1M, 2G (powers of 1024)
int value_duration(const char *s, uint64_t *seconds); // 60, 60s, 1m, 1m30s, 2h, 1d
int value_bool(const char *s, bool *v);               // yes no true false on off
int value_ip4(const char *s, uint32_t *addr);
int value_ip6(const char *s, struct in6_addr *addr);
int value_ip4_prefix(const char *s, uint32_t *addr, uint8_t *len); // a/n; the host bits stay
int value_ip6_prefix(const char *s, struct in6_addr *addr, uint8_t *len);
// a, a-b or d/n. Of a prefix up to /30 the first (network) and last (broadcast) address are left
// out.
int value_ip4_range(const char *s, uint32_t *first, uint32_t *last);
int value_cpu_range(const char *s, unsigned int *first, unsigned int *last); // n or n-m

// Host bits cleared.
uint32_t value_ip4_network(uint32_t addr, uint8_t len);
bool value_ip6_same_network(const struct in6_addr *a, const struct in6_addr *b, uint8_t len);

// Dotted quad of a host-order address into dst (16 bytes). Returns dst.
const char *value_ip4_text(char dst[16], uint32_t addr);
