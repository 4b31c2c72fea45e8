// SPDX-License-Identifier: BSD-3-Clause
// culvertd in this process: its data plane on lanes, its control plane on a thread of its own, and
// generators on the other side of rings that stand for the wires. Main thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "bench/gen/gen.h"
#include "bench/worker/lane.h"
#include "config/config.h"
#include "controlplane/cp.h"
#include "dataplane/dp.h"

#define BED_MAX_WORKERS 2
#define BED_MAX_LANES (2 * BED_MAX_WORKERS)

struct bed_conf {
	unsigned int workers;
	unsigned int sessions; // the most, of all workers together
	bool apart;            // generators on lanes of their own, on other CPUs
	bool handover;         // packets from core come to a worker that does not own them
	bool offloads;         // the wires do checksums
	bool on_link;          // clients are in the access subnet, not behind a gateway
	int hugepages;         // 1 yes, 0 no, -1 if there are enough
	const char *backend;   // of the workers' records; "": the fastest
	bool only_tls12;
	const char *ciphers, *ciphersuites; // the clients'; NULL: OpenSSL's choice
	uint32_t mbufs;                     // a worker's
	uint32_t clients;                   // addresses they come from, a generator's
	struct gen_chaos chaos;
	const char *log_level;
};

struct bed {
	const struct bed_conf *conf;
	struct config *config;
	struct dp *dp;
	struct cp *cp;
	unsigned int nb_lanes, nb_workers;
	struct lane *lanes[BED_MAX_LANES];
	struct lane *worker_lane[BED_MAX_WORKERS];
	struct lane *gen_lane[BED_MAX_WORKERS];
	struct gen *gens[BED_MAX_WORKERS];
	unsigned int gen_sessions[BED_MAX_WORKERS]; // the most
	struct rte_mempool *gen_pool[BED_MAX_WORKERS];
	unsigned int cpus[BED_MAX_LANES + 1]; // the control plane's, then the lanes'
	bool hugepages;
	const char *cert_file;
	clockid_t cp_clock; // processor time of the control thread
	size_t heap_before; // see bed_memory()
	struct bed_inner *in;
};

// Bytes that are taken, all told.
struct bed_memory {
	uint64_t cp_heap;  // jemalloc, the control thread's arena: allocated
	uint64_t cp_pages; // the same, pages that are resident
	uint64_t dpdk;     // rte_malloc's heap, generators' part not in it
	uint64_t rss;      // the whole process
	bool have_heap;
};

// Everything up and running, nobody connected. 0, or -errno with the reason on standard error. Once
// per process.
int bed_open(struct bed *b, const struct bed_conf *conf);
// Everybody is gone: the end. Returns how many pools were not empty (each reported), or -errno.
int bed_close(struct bed *b);

// n sessions up, of all generators together (a share each): dial what is missing. 0 or -errno.
int bed_sessions(struct bed *b, unsigned int n, unsigned int concurrent);
// All hang up, in order. 0 or -errno.
int bed_hangup(struct bed *b);
// How many of n sessions are generator i's.
unsigned int bed_share(const struct bed *b, unsigned int n, unsigned int i);
// The control plane has ended by itself, on a signal: give up.
bool bed_interrupted(const struct bed *b);

// What the workers counted, on standard error: for finding out what went wrong.
void bed_report_counters(const struct bed *b);
void bed_memory(const struct bed *b, struct bed_memory *m);
// Seconds of processor time the control thread has used.
double bed_cp_seconds(const struct bed *b);
double bed_now(void); // seconds, monotonic
void bed_sleep(double s);

// A line on standard error that a later one replaces, on a terminal.
void bed_progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
