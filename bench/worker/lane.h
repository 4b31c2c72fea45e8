// SPDX-License-Identifier: BSD-3-Clause
// A lane: a thread that turns a worker, a generator, or both in lockstep, and counts the worker's
// cycles. Whoever wants to know or change something has it done on the lane, between two turns.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/gen/gen.h"
#include "dataplane/worker.h"

#define LANE_SLICE_LOOPS 64 // busy loops that make one sample
#define LANE_SLICES 8192

struct lane_count {
	uint64_t busy_cycles, busy_loops, packets; // of loops that did work
	uint64_t idle_cycles, idle_loops;
	uint64_t cut_loops; // the machine did something else meanwhile: not in the others
	uint64_t cut_cycles;
	uint64_t stage[WORKER_N_STAGES]; // of busy loops, when wanted
	uint32_t nb_slices;
	float slice[LANE_SLICES]; // cycles per packet
};

struct lane {
	// Either may be NULL. The worker may be handed to the lane later.
	struct worker *w;
	struct gen *g;
	unsigned int lcore;
	unsigned int gen_turns; // of the generator, for one of the worker
	unsigned int rounds;    // of both in a row, before it is the other's turn
	// The generator waits while more than a burst is here that workers have not taken.
	const struct rte_ring *ahead[3];
	bool stages;
	bool counting; // samples, and no sleep
	struct lane_count count;
	// inner
	struct worker_stages loop_stages;
	uint64_t slice_cycles, slice_packets, packets, now_us, real_us, tsc_per_us, cut;
	unsigned int slice_loops, idle, cold;
	_Atomic(void (*)(struct lane *l, void *arg)) call;
	void *call_arg;
	_Atomic bool stop;
};

// A lane's clock begins. Behind the EAL's start.
void lane_init(struct lane *l);
// On the lane's lcore, until lane_stop(). 0 or -errno.
int lane_start(struct lane *l, unsigned int lcore);
void lane_stop(struct lane *l);

// Run fn on the lane between two turns and wait for it. Main thread.
void lane_call(struct lane *l, void (*fn)(struct lane *l, void *arg), void *arg);

// On the lane: its clock for the generator, and inner packets that its worker forwarded so far.
uint64_t lane_now_us(const struct lane *l);
uint64_t lane_packets(const struct lane *l);
// On the lane: forget what was counted, and count from here on.
void lane_count_begin(struct lane *l);
void lane_count_end(struct lane *l);
