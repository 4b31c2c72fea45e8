// SPDX-License-Identifier: BSD-3-Clause
// Micro-benchmarks: one stage of a packet's way at a time, in TSC cycles per packet. Cases are
// registered by group (one file each), filtered by name, and run by one harness: warm-up, several
// repeats in turn with an anchor (the bare cipher), medians. Under callgrind the same cases are
// counted in instructions instead. One thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <rte_mbuf.h>

#define MICRO_NAME_MAX 64
#define MICRO_BURST 64 // as the worker's
#define MICRO_REPEATS_MAX 101

struct micro_case;

// What a case does. A batch is `phases` times prepare and run; only run is measured.
struct micro_ops {
	// A case's state; NULL with the reason in why: not on this machine or in this build.
	void *(*setup)(const struct micro_case *c, char *why, size_t cap);
	void (*prepare)(void *state, unsigned int phase); // may be NULL
	void (*run)(void *state, unsigned int phase);
	void (*teardown)(void *state);
	unsigned int phases; // 0: 1
	bool cpu_time;       // so long that it will be interrupted: the thread's CPU time counts
};

struct micro_case {
	char name[MICRO_NAME_MAX];   // group/what/by whom/sizes, for --only
	char anchor[MICRO_NAME_MAX]; // the case that this one is compared with; "": none
	const struct micro_ops *ops;
	const char *unit; // what is counted: "record", "segment", ...
	uint32_t batch;   // units of a batch
	uint32_t bytes;   // of a unit; 0: cycles per byte say nothing
	int64_t arg[6];   // the group's own
};

struct micro_suite {
	struct micro_case *cases;
	unsigned int n, room;
};

// Register a case; its name by format. The caller fills in the rest; the pointer is good until the
// next call. Ends the program when there is no memory.
struct micro_case *micro_add(struct micro_suite *s, const struct micro_ops *ops, const char *unit,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));
const struct micro_case *micro_find(const struct micro_suite *s, const char *name);

// The groups.
void micro_bare_cases(struct micro_suite *s);
void micro_record_cases(struct micro_suite *s);
void micro_cryptodev_cases(struct micro_suite *s);
void micro_lookup_cases(struct micro_suite *s);
void micro_policy_cases(struct micro_suite *s);
void micro_mem_cases(struct micro_suite *s);
void micro_net_cases(struct micro_suite *s);
void micro_tcp_cases(struct micro_suite *s);
void micro_path_cases(struct micro_suite *s);
void micro_tls_cases(struct micro_suite *s);

// The anchor of what is no record: the bare seal of 1420 bytes with AES-256-GCM.
#define MICRO_ANCHOR_SIZE 1420
const char *micro_anchor(void);

// Memory as the worker's: from the EAL. Cache-line aligned, zeroed; NULL: none.
void *micro_alloc(size_t n);
void micro_free(void *p);

// An mbuf pool for all cases; every case gives back what it took. NULL: no memory.
struct rte_mempool *micro_pool(void);
#define MICRO_MBUFS 32767

struct micro_conf {
	const char *only;     // extended regular expression, or NULL
	unsigned int repeats; // odd is best
	double seconds;       // of a case
	const char *count;    // a case to run a fixed number of times, under callgrind; or NULL
	unsigned int batches; // of it
};

struct micro_result {
	const struct micro_case *c;
	char skipped[96]; // why, or ""
	double cycles;    // per unit, median of the repeats
	double min, max;  // of the repeats
	double ratio;     // to the anchor, median of the repeats' own; 0: no anchor
	uint64_t units;   // measured in all
};

// Run every case that conf wants; results in *r (free()), *n of them. The table grows on `out` as
// they come, unless NULL. 0 or -errno.
int micro_run(const struct micro_suite *s, const struct micro_conf *conf, FILE *out,
	struct micro_result **r, unsigned int *n);
// Run one case batches times, each measured part inside micro_counted(). Prints the units done.
// 0 or -errno.
int micro_count(const struct micro_suite *s, const struct micro_conf *conf, FILE *out);

void micro_print_json(FILE *out, const struct micro_conf *conf, const struct micro_result *r,
	unsigned int n, bool hugepages);
