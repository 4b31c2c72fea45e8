// SPDX-License-Identifier: BSD-3-Clause
// Two TCP stacks and a link between them that drops, reorders, duplicates, delays and corrupts, all
// from one seed and on a clock of its own. What a stack sends is checked (lengths, checksums, a
// held packet must not change) before it goes on the link.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/tcp_int.h"

#define SIM_STRIP_SACK 1 // options that the link takes out of SYNs
#define SIM_STRIP_TS 2
#define SIM_STRIP_WSCALE 4

struct sim_link { // chances in 1/1000
	unsigned int drop, dup, reorder, corrupt;
	unsigned int delay_us, jitter_us;
	unsigned int hold; // the driver keeps a packet for a while after sending
	uint16_t mtu;      // larger packets vanish; 0: none do
	bool icmp;         // and are reported
	unsigned int strip;
	uint64_t rate_bps; // of a bottleneck in each direction; 0: none
	uint32_t queue;    // bytes that may wait in front of it
};

struct sim_packet;

struct sim {
	struct tcp_stack *stack[2];
	struct rte_mempool *pool[2];
	struct counters counters[2];
	struct sim_link link;
	struct ipaddr addr[2];
	uint64_t now_us;
	uint64_t rng;
	struct sim_packet *flying; // by time of arrival
	struct sim_held *held;
	uint64_t next_tick[2];
	uint64_t packets, dropped;
	uint64_t free_ns[2]; // when the bottleneck on the way to each side is free
	uint64_t wait_max_us, queue_dropped;
	// A directed test's say: false drops the packet.
	bool (*filter)(struct sim *s, int from, const uint8_t *ip, uint16_t len);
	void *user;
	struct sim_end {
		struct sim *s;
		int side;
	} end[2];
};

extern bool sim_trace; // print every packet

// The EAL, once, without huge pages or devices.
void sim_eal(void);

uint32_t sim_rand(struct sim *s);
static inline uint32_t sim_below(struct sim *s, uint32_t n)
{
	return n ? sim_rand(s) % n : 0;
}
static inline bool sim_chance(struct sim *s, unsigned int permille)
{
	return sim_below(s, 1000) < permille;
}

// Defaults for a stack in a simulation: small tables.
void sim_config(struct tcp_config *c);
// pool, counters and output of cfg[] are filled in here. start_us: the clock.
void sim_init(struct sim *s, const struct sim_link *link, struct tcp_config cfg[2], uint64_t seed,
	bool v6, uint64_t start_us);
// To the next event, at most until `until_us`: packets that arrive, timers. False: nothing
// happened.
bool sim_step(struct sim *s, uint64_t until_us);
void sim_run(struct sim *s, uint64_t for_us);
// Both stacks destroyed; every pool must be as full as at the start.
void sim_fini(struct sim *s);

// A clock reading and secrets at which the connection between these two begins near 2^32 on both
// sides.
uint64_t sim_wrap_start(struct tcp_config cfg[2], bool v6, uint16_t lport, uint16_t rport);

// Byte of the test pattern at an offset of a stream.
static inline uint8_t sim_pattern(uint64_t seed, uint64_t off)
{
	uint64_t x = (off >> 3) * 0x9e3779b97f4a7c15ull + seed;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 32;
	return (uint8_t)(x >> (off & 7) * 8);
}
