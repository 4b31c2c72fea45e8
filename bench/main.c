// SPDX-License-Identifier: BSD-3-Clause
// culvert-bench: load generator and micro-benchmarks.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/commands.h"

#define EXIT_USAGE 2

static const struct {
	const char *name, *help;
	int (*run)(int argc, char **argv);
} commands[] = {
#define X(name, help) {#name, help, bench_##name},
	BENCH_COMMAND_LIST(X)
#undef X
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *out)
{
	fputs("Usage: culvert-bench COMMAND [OPTION...]\n"
	      "       culvert-bench --connect HOST[:PORT] [OPTION...]\n\n",
		out);
	for (unsigned int i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].help);
	fputs("\n'culvert-bench COMMAND --help' lists a command's options.\n", out);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		print_help(stdout);
		return EXIT_SUCCESS;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("culvert-bench " CULVERT_VERSION);
		return EXIT_SUCCESS;
	}
	if (argv[1][0] == '-')
		return bench_sockets(argc, argv);
	for (unsigned int i = 0; i < N_COMMANDS; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "culvert-bench: %s: no such command; see --help\n", argv[1]);
	return EXIT_USAGE;
}
