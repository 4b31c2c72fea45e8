// SPDX-License-Identifier: BSD-3-Clause
// culvert-bench dpdk: what its files share.
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "bench/gen/gen.h"

struct dpdk_conf {
	const char *access, *core; // device strings; core NULL: none
	unsigned int cpu, memory_mb, mbufs;
	bool hugepages, busy, debug;
	char host[256]; // as given, for Host: and the certificate
	struct gen_conf gen;
	struct gen_traffic traffic;
	struct call_tls_conf tls;
	char password[256];
	const char *password_file, *password_env, *json;
	unsigned int concurrent;
	bool storm; // all at once
	double rate, hold_s, duration_s, drain_s, max_loss, progress_s;
	double churn; // set-ups a second of the last churn_sessions
	unsigned int churn_sessions;
	double hangup_rate;
};

// Everything but what gen_stats() says.
struct dpdk_result {
	double setup_s, traffic_s, hangup_s, cpu_s;
	double busy;     // share of the traffic's time in which this program had something to do
	unsigned int up; // when all were tried
	uint64_t rss_idle_kb; // of this process with all sessions up
	uint64_t churn_setups, churn_teardowns;
	unsigned int leaked; // mbufs not in their pool at the end
	bool interrupted;
};

// 0, or the negative of what is wrong, which was said; 1: nothing to run (help was printed).
int dpdk_parse(struct dpdk_conf *c, int argc, char **argv);

bool dpdk_passed(
	const struct dpdk_conf *c, const struct gen_stats *st, const struct dpdk_result *r);
void dpdk_print_table(FILE *out, const struct dpdk_conf *c, const struct gen_stats *st,
	const struct dpdk_result *r);
void dpdk_print_json(FILE *out, const struct dpdk_conf *c, const struct gen_stats *st,
	const struct dpdk_result *r);
