// SPDX-License-Identifier: BSD-3-Clause
// When a connection dials by itself and when it hangs up: what counts as traffic, and how long a
// call may last or stand idle. Pure; any thread. Times are of one monotonic clock.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/call.h"

// The interface's address before any call, where the profile names none: ends like the number of
// the interface, so that two of them differ. Host order.
#define DEMAND_NET 0x0a707000u // 10.112.112.0/24
uint32_t demand_address(int ifindex);

// Whether an IP packet is somebody's: of full length, from one host to one other. Not so: multicast
// and broadcast, link-local, and from no address, which hosts send by themselves (router
// solicitation, MLD, IGMP, mDNS, DHCP).
bool demand_is_traffic(const uint8_t *ip, size_t len);

// IPv4 addresses that the interface had before: whoever still sends from one has a socket that no
// answer will ever reach.
#define DEMAND_GONE 8
struct demand_gone {
	uint32_t addr[DEMAND_GONE]; // 0: none; the oldest is overwritten
	unsigned int next;
	bool any;
};

// The interface had old and has now (other than 0) instead.
void demand_readdressed(struct demand_gone *g, uint32_t old, uint32_t now);
bool demand_is_gone(const struct demand_gone *g, const uint8_t *ip, size_t len);

struct demand_limits {
	uint32_t session_s, idle_s; // 0: none
	uint64_t up_ms, heard_ms;   // since when it is up; when traffic passed last
};

// A call is up.
void demand_limits_start(
	struct demand_limits *l, uint32_t session_s, uint32_t idle_s, uint64_t now_ms);

// A packet passes, either way.
static inline void demand_limits_packet(
	struct demand_limits *l, const uint8_t *ip, size_t len, uint64_t now_ms)
{
	if (demand_is_traffic(ip, len))
		l->heard_ms = now_ms;
}

// Whether the call is to end: CALL_END_SESSION, CALL_END_IDLE, or CALL_END_NONE and *left_ms says
// when to ask again, 0: never.
enum call_end demand_limits_check(
	const struct demand_limits *l, uint64_t now_ms, uint64_t *left_ms);
