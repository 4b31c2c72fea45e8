// SPDX-License-Identifier: BSD-3-Clause
// An outer address, IPv4 or IPv6, in wire order: IPv4 is kept as ::ffff:a.b.c.d, so that comparing
// and hashing are one case.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <rte_byteorder.h>

struct ipaddr {
	union {
		uint8_t b[16];
		uint32_t w[4];
		uint64_t d[2];
	};
};

static inline bool ipaddr_is4(const struct ipaddr *a)
{
	return a->d[0] == 0 && a->w[2] == RTE_BE32(0x0000ffff);
}

static inline struct ipaddr ipaddr_from4(rte_be32_t v4)
{
	struct ipaddr a = {.w = {0, 0, RTE_BE32(0x0000ffff), v4}};

	return a;
}

static inline struct ipaddr ipaddr_from6(const void *v6)
{
	struct ipaddr a;

	memcpy(a.b, v6, 16);
	return a;
}

static inline bool ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b)
{
	return a->d[0] == b->d[0] && a->d[1] == b->d[1];
}
