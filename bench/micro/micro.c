// SPDX-License-Identifier: BSD-3-Clause
// culvert-bench micro: the command line, and the memory that cases take.
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "base/log.h"
#include "bench/commands.h"
#include "bench/micro/micro.h"
#include "bench/options.h"
#include "dataplane/mbuf.h"

#define MEMORY_MB "640"

#define OPTION_LIST(X)                                                                           \
	X(ONLY, "only", "REGEX", "cases whose name matches")                                     \
	X(LIST, "list", "", "names of the cases, and ends")                                      \
	X(REPEATS, "repeats", "N", "measurements of a case, of which the median (9)")            \
	X(SECONDS, "seconds", "S", "seconds of a case, all repeats together (0.03)")             \
	X(JSON, "json", "FILE", "write the result to FILE as JSON; -: instead of a table")       \
	X(CPU, "cpu", "N", "CPU to run on (where it was started)")                               \
	X(HUGEPAGES, "hugepages", "", "take 2 MiB pages, as a worker should have them")          \
	X(COUNT, "count", "CASE",                                                                \
		"run one case --batches times, nothing measured: for callgrind, see bench/gate") \
	X(BATCHES, "batches", "N", "batches for --count (64)")                                   \
	X(HELP, "help", "", "print this")

BENCH_OPTIONS(OPTION_LIST);

struct command {
	struct micro_conf conf;
	const char *json;
	unsigned int cpu;
	bool list, hugepages;
};

static struct rte_mempool *pool;

void *micro_alloc(size_t n)
{
	return rte_zmalloc("micro", n, RTE_CACHE_LINE_SIZE);
}

void micro_free(void *p)
{
	rte_free(p);
}

struct rte_mempool *micro_pool(void)
{
	if (!pool)
		pool = mbuf_pool_create("micro", MICRO_MBUFS, SOCKET_ID_ANY);
	return pool;
}

static void print_help(void)
{
	printf("Usage: culvert-bench micro [OPTION...]\nEach stage of a packet's way alone, in TSC "
	       "cycles per packet, and its ratio to the bare cipher in the same run.\n\n");
	bench_options_print(option_rows, BENCH_NB(option_rows), 20);
	printf("\nExit status: 0 it ran, 1 it could not, 2 usage.\n");
}

static int seconds(double *v)
{
	char *end;

	*v = strtod(optarg, &end);
	return end == optarg || *end || !(*v > 0 && *v <= 3600) ? bench_fail("seconds", "a number")
								: 0;
}

static int parse_option(struct command *m, int id)
{
	switch (id) {
	case OPT_ONLY:
		m->conf.only = optarg;
		return 0;
	case OPT_LIST:
		m->list = true;
		return 0;
	case OPT_REPEATS:
		return bench_number("repeats", 1, MICRO_REPEATS_MAX, &m->conf.repeats);
	case OPT_SECONDS:
		return seconds(&m->conf.seconds);
	case OPT_JSON:
		m->json = optarg;
		return 0;
	case OPT_CPU:
		return bench_number("cpu", 0, CPU_SETSIZE - 1, &m->cpu);
	case OPT_HUGEPAGES:
		m->hugepages = true;
		return 0;
	case OPT_COUNT:
		m->conf.count = optarg;
		return 0;
	case OPT_BATCHES:
		return bench_number("batches", 1, 1000000, &m->conf.batches);
	case OPT_HELP:
		print_help();
		return 1;
	default: // getopt_long() has said why
		return -EINVAL;
	}
}

static int parse(struct command *m, int argc, char **argv)
{
	int id, rc, cpu = sched_getcpu();

	*m = (struct command){.cpu = cpu > 0 ? (unsigned int)cpu : 0,
		.conf = {.repeats = 9, .seconds = 0.03, .batches = 64}};
	optind = 1;
	bench_options_begin("culvert-bench micro");
	while ((id = bench_options_next(option_rows, BENCH_NB(option_rows), argc, argv)) != -1) {
		rc = parse_option(m, id);
		if (rc)
			return rc;
	}
	if (optind < argc) {
		fprintf(stderr, "culvert-bench micro: options only; see --help\n");
		return -EINVAL;
	}
	return 0;
}

static int start_eal(const struct command *m)
{
	char lcores[32], prefix[32];
	// --no-huge and --in-memory exclude each other.
	char *argv[] = {"culvert-bench", "--no-pci", "--no-telemetry", "--log-level=3", "-m",
		MEMORY_MB, "--lcores", lcores, "--file-prefix", prefix,
		m->hugepages ? "--in-memory" : "--no-huge", m->hugepages ? NULL : "--no-shconf"};

	// The second one is a worker's by name; it never runs.
	snprintf(lcores, sizeof(lcores), "0@%u,1@%u", m->cpu, m->cpu);
	snprintf(prefix, sizeof(prefix), "culvert-micro-%d", (int)getpid());
	if (rte_eal_init((int)RTE_DIM(argv) - (m->hugepages ? 1 : 0), argv) >= 0)
		return 0;
	fprintf(stderr, "culvert-bench micro: DPDK does not start: %s%s\n", rte_strerror(rte_errno),
		m->hugepages ? " (are there hugepages? scripts/host-prepare)" : "");
	return -EIO;
}

static int write_json(const struct command *m, const struct micro_result *r, unsigned int n)
{
	FILE *out = bench_json_open(m->json);

	if (!out)
		return -EIO;
	micro_print_json(out, &m->conf, r, n, m->hugepages);
	return bench_json_close(out, m->json);
}

static int run(const struct command *m, const struct micro_suite *s)
{
	struct micro_result *r = NULL;
	unsigned int n;
	int rc;

	rc = start_eal(m);
	if (rc)
		return rc;
	if (m->conf.count)
		return micro_count(s, &m->conf, stdout);
	rc = micro_run(s, &m->conf, m->json && !strcmp(m->json, "-") ? NULL : stdout, &r, &n);
	if (!rc && !n) {
		fprintf(stderr, "culvert-bench micro: no case matches (see --list)\n");
		rc = -ENOENT;
	}
	if (!rc && m->json)
		rc = write_json(m, r, n);
	free(r);
	if (pool && rte_mempool_in_use_count(pool)) {
		fprintf(stderr, "culvert-bench micro: %u mbufs did not come back\n",
			rte_mempool_in_use_count(pool));
		rc = -EIO;
	}
	return rc;
}

int bench_micro(int argc, char **argv)
{
	struct micro_suite s = {0};
	struct command m;
	int rc = parse(&m, argc, argv);

	if (rc)
		return rc > 0 ? EXIT_SUCCESS : BENCH_EXIT_USAGE;
	micro_bare_cases(&s);
	micro_record_cases(&s);
	micro_cryptodev_cases(&s);
	micro_lookup_cases(&s);
	micro_policy_cases(&s);
	micro_mem_cases(&s);
	micro_net_cases(&s);
	micro_tcp_cases(&s);
	micro_path_cases(&s);
	micro_tls_cases(&s);
	if (m.list) {
		for (unsigned int i = 0; i < s.n; i++)
			puts(s.cases[i].name);
	} else {
		rc = run(&m, &s);
	}
	free(s.cases);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
