// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>

#include "bench/commands.h"

int bench_micro(int argc, char **argv)
{
	fprintf(stderr, "culvert-bench micro: not built in\n");
	return 2;
}
