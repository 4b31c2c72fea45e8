// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>

#include "bench/commands.h"

int bench_dpdk(int argc, char **argv)
{
	fprintf(stderr, "culvert-bench dpdk: not built in\n");
	return 2;
}
