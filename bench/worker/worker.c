// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>

#include "bench/commands.h"

int bench_worker(int argc, char **argv)
{
	fprintf(stderr, "culvert-bench worker: not built in\n");
	return 2;
}
