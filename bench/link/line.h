// SPDX-License-Identifier: BSD-3-Clause
// One direction of an emulated line: a queue with a bound, a bottleneck that takes its time for
// every byte, a delay, and accidents with given chances. Pure: time (nanoseconds) comes in from
// outside, the same seed gives the same fate to the same frames. One thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LINE_PPM 1000000u // chances are in millionths

struct line_config {
	uint64_t rate_bps;  // 0: no bottleneck
	uint64_t burst;     // bytes that may pass at once after a pause (depth of a token bucket)
	uint64_t delay_ns;  // behind the bottleneck
	uint64_t jitter_ns; // up to so much more; the order stays
	uint64_t limit;    // bytes waiting for the bottleneck, the next frame included; 0: no bound
	uint64_t limit_ns; // the same as a time; the smaller one counts; 0: no bound
	uint32_t overhead; // bytes on the wire beside each frame
	uint32_t loss, reorder, duplicate, corrupt; // chances
};

struct line_stats {
	uint64_t in, in_bytes;   // frames offered
	uint64_t out, out_bytes; // frames taken out by line_pop()
	uint64_t queue_drops;    // no room in the queue
	uint64_t lost, reordered, duplicated, corrupted;
	uint64_t no_memory;
	uint64_t queue_max;   // most bytes that ever waited
	uint64_t wait_max_ns; // longest time that a frame waited for the bottleneck
	double wait_sum_ns;
};

struct line_frame {
	uint64_t due_ns;
	uint64_t order; // among frames that are due at the same time
	uint32_t len;
	uint8_t data[];
};

struct line {
	struct line_config cfg;
	struct line_stats stats;
	uint64_t seed, rng;
	uint64_t free_frac; // of free_ns, in 2^-32 ns
	uint64_t free_ns;   // when the bottleneck has sent all it was given
	uint64_t last_due_ns;
	uint64_t order;
	struct line_frame **heap; // by due_ns
	uint32_t n, room;
};

void line_init(struct line *l, const struct line_config *cfg, uint64_t seed);
void line_fini(struct line *l);

// A frame of len bytes comes to the line at now_ns (never less than at the last call). It is
// copied.
void line_push(struct line *l, const uint8_t *data, uint32_t len, uint64_t now_ns);

// When the next frame leaves; UINT64_MAX: none is under way.
uint64_t line_next(const struct line *l);

// A frame that is due, earliest first, or NULL. The caller frees it with free().
struct line_frame *line_pop(struct line *l, uint64_t now_ns);

// Bytes that wait for the bottleneck at now_ns.
uint64_t line_backlog(const struct line *l, uint64_t now_ns);
