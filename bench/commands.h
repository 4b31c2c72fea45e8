// SPDX-License-Identifier: BSD-3-Clause
// What culvert-bench can do: one command each. A command parses its own options (argv[0] is its
// name) and returns the exit status: 0 all as it should be, 1 something was not, 2 usage.
#pragma once

#define BENCH_COMMAND_LIST(X)                                                              \
	X(sockets, "calls over kernel sockets to any SSTP server (also without the name)") \
	X(dpdk, "calls over a DPDK port on Culvert's own TCP")                             \
	X(worker, "culvertd's workers in this process, counted in cycles")                 \
	X(micro, "each stage of a packet's way alone, with the bare cipher beside it")     \
	X(plain, "TLS over a kernel socket and nothing else, beside culvert-client")

#define X(name, help) int bench_##name(int argc, char **argv);
BENCH_COMMAND_LIST(X)
#undef X
