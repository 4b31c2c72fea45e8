// SPDX-License-Identifier: BSD-3-Clause
// culvert-bench worker: what was asked for and what came out. Main thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/worker/bed.h"

#define WB_LIST_MAX 16
#define WB_REPEATS_MAX 101
#define WB_IMIX 0 // as a size

struct wb_opts {
	struct bed_conf bed;
	unsigned int sessions[WB_LIST_MAX], nb_sessions;
	unsigned int sizes[WB_LIST_MAX], nb_sizes;
	unsigned int directions[WB_LIST_MAX], nb_directions; // GEN_* sets
	unsigned int turn, rounds, burst, verify;
	bool random;
	int straddle;       // -1: large records do, small ones go by themselves
	const char *cipher; // its name
	enum tls_aead aead;
	bool null;
	double seconds, warm_up, pps;
	uint64_t packets;
	unsigned int repeats, concurrent;
	bool latency, no_stages, memory, setup, chaos;
	const char *json;
};

struct wb_sample {         // one window
	double cycles;     // worker's busy cycles per inner packet, median of its slices
	double low;        // a tenth of its slices took less
	double mean;       // of all loops
	double seal, open; // anchor: for a packet's record
	double pps;        // as it ran, generator included
	double burst;      // packets per busy loop
};

struct wb_latency { // ns
	double p50, p99, p999, max;
	uint64_t n;
	double pps;
};

struct wb_case {
	unsigned int sessions, size, directions;
	unsigned int nb_samples;
	struct wb_sample sample[WB_REPEATS_MAX];
	bool have_stages;
	double stage[WORKER_N_STAGES]; // cycles per packet
	struct wb_latency latency;
	uint64_t sent, received, lost, reordered, duplicated, corrupt, refused;
	uint64_t lost_sessions, retransmits;
	uint64_t loops, cut_loops;
	bool failed;
};

struct wb_setup {
	double cp_us[WB_REPEATS_MAX], bare_us[WB_REPEATS_MAX], wall[WB_REPEATS_MAX];
	unsigned int n, sessions;
};

#define WB_POOLS_MAX 16

struct wb_memory_result {
	unsigned int sessions, room; // up; that culvertd has tables for
	struct bed_memory before, after;
	// culvertd's memory pools, within dpdk. Fixed: as large with no session at all.
	struct {
		char name[32];
		uint64_t bytes;
		bool fixed;
	} pool[WB_POOLS_MAX];
	unsigned int nb_pools;
};

struct wb_result {
	struct wb_case *cases;
	unsigned int nb_cases;
	struct wb_setup setup;
	struct wb_memory_result memory;
	const char *anchor_backend;
	double tsc_hz;
	int pools_left;
	bool failed;
};

// Each: 0, or -errno when it could not be done; what was wrong with the traffic is in the result.
int wb_run_cases(struct bed *b, const struct wb_opts *o, struct wb_result *r);
int wb_run_setup(struct bed *b, const struct wb_opts *o, struct wb_result *r);
int wb_run_memory(struct bed *b, const struct wb_opts *o, struct wb_result *r);

void wb_print_table(
	FILE *out, const struct bed *b, const struct wb_opts *o, const struct wb_result *r);
void wb_print_json(
	FILE *out, const struct bed *b, const struct wb_opts *o, const struct wb_result *r);

// Median over a case's samples of what of() says.
double wb_median(const struct wb_case *c, double (*of)(const struct wb_sample *s));
double wb_spread(const struct wb_case *c, double (*of)(const struct wb_sample *s));
double wb_cycles(const struct wb_sample *s);
double wb_anchor(const struct wb_sample *s); // what the packet cannot do without, by direction
double wb_ratio(const struct wb_sample *s);
double wb_median_of(double *v, unsigned int n); // sorts v
const char *wb_direction(unsigned int directions);
