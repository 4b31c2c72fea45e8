// SPDX-License-Identifier: BSD-3-Clause
#include "client/demand.h"

#include <string.h>

#define IP4_HDR 20
#define IP6_HDR 40

uint32_t demand_address(int ifindex)
{
	return DEMAND_NET + 1 + (uint32_t)ifindex % 254;
}

// --- traffic ---

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

// One that a packet between two hosts has at either end.
static bool is_host4(uint32_t a)
{
	// 0/8, 169.254/16; from 224/4 on multicast, reserved and broadcast.
	return a >> 24 && a >> 16 != 0xa9fe && a < 0xe0000000u;
}

static bool is_host6(const uint8_t a[16])
{
	static const uint8_t unspecified[16];

	return a[0] != 0xff && !(a[0] == 0xfe && (a[1] & 0xc0) == 0x80) &&
	       memcmp(a, unspecified, sizeof(unspecified)) != 0;
}

bool demand_is_traffic(const uint8_t *ip, size_t len)
{
	if (len >= IP4_HDR && ip[0] >> 4 == 4)
		return is_host4(get_u32(ip + 12)) && is_host4(get_u32(ip + 16));
	return len >= IP6_HDR && ip[0] >> 4 == 6 && is_host6(ip + 8) && is_host6(ip + 24);
}

// --- addresses ---

void demand_readdressed(struct demand_gone *g, uint32_t old, uint32_t now)
{
	if (old == now)
		return;
	for (unsigned int i = 0; i < DEMAND_GONE; i++)
		if (g->addr[i] == now || g->addr[i] == old)
			g->addr[i] = 0;
	g->addr[g->next++ % DEMAND_GONE] = old;
	g->any = true;
}

bool demand_is_gone(const struct demand_gone *g, const uint8_t *ip, size_t len)
{
	uint32_t from;

	if (!g->any || len < IP4_HDR || ip[0] >> 4 != 4)
		return false;
	from = get_u32(ip + 12);
	for (unsigned int i = 0; i < DEMAND_GONE; i++)
		if (from && g->addr[i] == from)
			return true;
	return false;
}

// --- limits ---

void demand_limits_start(
	struct demand_limits *l, uint32_t session_s, uint32_t idle_s, uint64_t now_ms)
{
	*l = (struct demand_limits){
		.session_s = session_s, .idle_s = idle_s, .up_ms = now_ms, .heard_ms = now_ms};
}

// What is left of a limit, 0: it is over; *least becomes smaller with it.
static uint64_t left_of(uint32_t limit_s, uint64_t since_ms, uint64_t now_ms, uint64_t *least)
{
	uint64_t end = since_ms + (uint64_t)limit_s * 1000;
	uint64_t left = end > now_ms ? end - now_ms : 0;

	if (!*least || left < *least)
		*least = left;
	return left;
}

enum call_end demand_limits_check(const struct demand_limits *l, uint64_t now_ms, uint64_t *left_ms)
{
	*left_ms = 0;
	if (l->session_s && !left_of(l->session_s, l->up_ms, now_ms, left_ms))
		return CALL_END_SESSION;
	if (l->idle_s && !left_of(l->idle_s, l->heard_ms, now_ms, left_ms))
		return CALL_END_IDLE;
	return CALL_END_NONE;
}
