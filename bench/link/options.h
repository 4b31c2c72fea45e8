// SPDX-License-Identifier: BSD-3-Clause
// The command line of culvert-link.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bench/link/line.h"

struct link_options {
	const char *port[2];       // interface or tap:NAME
	struct line_config dir[2]; // [0]: from the first port to the second
	uint64_t seed;
	double seconds; // 0: until SIGINT or SIGTERM
	bool busy, realtime, quiet;
	const char *json; // file, "-": standard output; NULL: none
};

// 0: go on; else end with status *rc (help was printed, or what is wrong).
int link_options_parse(struct link_options *o, int argc, char **argv, int *rc);

// Parsers of values, for tests. False: not one.
bool link_parse_rate(const char *s, uint64_t *bps);    // 50M, 1.5G, 800k: bit/s
bool link_parse_bytes(const char *s, uint64_t *bytes); // 256k, 1M: times 1000
bool link_parse_time(const char *s, uint64_t *ns);     // 20ms, 1.5s, 300us
bool link_parse_chance(const char *s, uint32_t *ppm);  // 1%, 0.01
