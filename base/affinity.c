// SPDX-License-Identifier: BSD-3-Clause
#include "base/affinity.h"

#include <stdbool.h>

static cpu_set_t helpers;
static bool is_set;

void affinity_set_helpers(const cpu_set_t *cpus)
{
	helpers = *cpus;
	is_set = CPU_COUNT(cpus) > 0;
}

void affinity_join_helpers(void)
{
	if (is_set)
		sched_setaffinity(0, sizeof(helpers), &helpers);
}
