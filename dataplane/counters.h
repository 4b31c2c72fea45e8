// SPDX-License-Identifier: BSD-3-Clause
// Per-worker counters: one table (counters.def), one array per worker, written by that worker
// alone.
#pragma once

#include <stdint.h>

// COUNTER(name, severity, help); severity: INFO (ordinary), DROP (a packet was lost), ERROR
// (something is wrong)
#define COUNTER(name, severity, help) CNT_##name,
enum counter {
#include "dataplane/counters.def"
	CNT_N
};
#undef COUNTER

struct counters {
	uint64_t v[CNT_N]; // dp: rw, cp: ro
} __attribute__((aligned(64)));

#define COUNT(c, name) ((c)->v[CNT_##name]++)
#define COUNT_N(c, name, n) ((c)->v[CNT_##name] += (n))
