// SPDX-License-Identifier: BSD-3-Clause
// What a connection's programs are told: an environment. No secret is in it. docs/client.md lists
// it. Any thread.
#pragma once

#include <stdint.h>

#include "client/call.h"
#include "config/client.h"

struct facts_of {
	const struct config_connection *conf;
	const char *interface, *server; // server: as in the log
	struct ppp_addresses addr;
	const struct call_info *info;
	// of one that is over; reason NULL: it came up
	const char *reason;
	uint64_t duration_s;
	const struct call_counters *counters;
};

// "NAME=value" NUL ... NUL NUL, to be freed. NULL: out of memory.
char *facts_create(const struct facts_of *of);
