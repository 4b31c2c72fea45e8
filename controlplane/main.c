// SPDX-License-Identifier: BSD-3-Clause
// culvertd: the concentrator.
#define LOG_TYPE "main"
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/affinity.h"
#include "base/log.h"
#include "config/config.h"
#include "controlplane/cp.h"
#include "dataplane/dp.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED 0
#endif

enum {
	EXIT_RUNTIME = 1, // could not start, or failed while running
	EXIT_CONFIG = 2,  // the command line or the configuration file is wrong
};

struct args {
	const char *file;
	const char *log_level;
	bool check;
};

static void usage(FILE *out)
{
	fputs("Usage: culvertd -c FILE [--log-level LEVEL]\n"
	      "       culvertd --check -c FILE\n"
	      "\n"
	      "SSTP concentrator. Runs in the foreground and logs to standard error; SIGTERM or\n"
	      "SIGINT ends it in an orderly way, a second one at once.\n"
	      "\n"
	      "  -c, --config FILE      configuration (YAML)\n"
	      "      --check            check the configuration, say what memory it needs\n"
	      "      --log-level LEVEL  err, warning, notice, info or debug; over the file's\n"
	      "      --help-config      every configuration key\n"
	      "      --version\n"
	      "  -h, --help\n"
	      "\n"
	      "Exit status: 0 orderly end, 1 could not run, 2 wrong options or configuration.\n",
		out);
}

// Returns -1 to go on, or the exit status.
static int parse_args(int argc, char **argv, struct args *a)
{
	enum { OPT_CHECK = 256, OPT_LEVEL, OPT_HELP_CONFIG, OPT_HELP_CONFIG_MD, OPT_VERSION };
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, OPT_CHECK},
		{"log-level", required_argument, NULL, OPT_LEVEL},
		{"help-config", no_argument, NULL, OPT_HELP_CONFIG},
		{"help-config-markdown", no_argument, NULL, OPT_HELP_CONFIG_MD},
		{"version", no_argument, NULL, OPT_VERSION},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int o;

	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (o) {
		case 'c':
			a->file = optarg;
			break;
		case OPT_CHECK:
			a->check = true;
			break;
		case OPT_LEVEL:
			a->log_level = optarg;
			break;
		case OPT_HELP_CONFIG:
		case OPT_HELP_CONFIG_MD:
			config_print_help(stdout, o == OPT_HELP_CONFIG_MD);
			return EXIT_SUCCESS;
		case OPT_VERSION:
			puts("culvertd " CULVERT_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			fputs("Try 'culvertd --help'.\n", stderr);
			return EXIT_CONFIG;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "culvertd: %s: no such argument\n", argv[optind]);
		return EXIT_CONFIG;
	}
	if (!a->file) {
		fputs("culvertd: no configuration file; -c FILE names one\n", stderr);
		return EXIT_CONFIG;
	}
	return -1;
}

static int set_log_level(const struct args *a, const struct config *c)
{
	const char *level = a->log_level ? a->log_level : c->log_level;

	if (level && log_set_level(level)) {
		fprintf(stderr,
			"culvertd: log level %s: expected err, warning, notice, info or debug\n",
			level);
		return -EINVAL;
	}
	return 0;
}

// Passwords and keys stay out of core files and other users' reach.
static void harden(void)
{
	struct rlimit none = {0, 0};

	signal(SIGPIPE, SIG_IGN);
	umask(077);
	setrlimit(RLIMIT_CORE, &none);
	// The sanitizers' leak check has to trace the process.
	if (!SANITIZED)
		prctl(PR_SET_DUMPABLE, 0);
}

static void report_pools(struct dp *dp)
{
	const struct dp_chan *ch = dp_channel(dp);
	struct dp_pool_level v;

	for (unsigned int i = 0; dp_pool(ch, i, &v); i++)
		LOG(v.in_use ? LOG_NOTICE : LOG_DEBUG, "pool=%s in_use=%u size=%u at the end",
			v.name, v.in_use, v.size);
}

static uint64_t counter(const struct dp_chan *ch, unsigned int worker, const char *name)
{
	struct dp_counter_value v;

	for (unsigned int i = 0; dp_counter(ch, worker, i, &v); i++)
		if (!strcmp(v.name, name))
			return v.value;
	return 0;
}

// What each worker did: its work in one line, and every counter that counted something at debug
// level.
static void report_workers(struct dp *dp)
{
	const struct dp_chan *ch = dp_channel(dp);
	struct dp_counter_value v;

	for (unsigned int w = 0; w < dp_chan_nb_workers(ch); w++) {
		uint64_t packets = counter(ch, w, "fwd_up") + counter(ch, w, "fwd_down") +
				   counter(ch, w, "fwd_hairpin");
		uint64_t cycles = counter(ch, w, "busy_cycles");

		LOG(LOG_INFO,
			"worker=%u packets=%llu busy_cycles=%llu cycles_per_packet=%llu "
			"records_in=%llu records_out=%llu",
			w, (unsigned long long)packets, (unsigned long long)cycles,
			(unsigned long long)(packets ? cycles / packets : 0),
			(unsigned long long)counter(ch, w, "rec_rx"),
			(unsigned long long)counter(ch, w, "rec_tx"));
		for (unsigned int i = 0; dp_counter(ch, w, i, &v); i++)
			if (v.value)
				LOG(LOG_DEBUG, "worker=%u %s=%llu (%s)", w, v.name,
					(unsigned long long)v.value, v.help);
	}
}

// Threads that help run where nobody polls. Where only the control thread's CPU is left, they stay
// there.
static void place_helpers(cpu_set_t cpus, const struct config_dataplane *c)
{
	for (unsigned int i = 0; i < c->nb_workers; i++)
		if (c->workers[i] < CPU_SETSIZE)
			CPU_CLR(c->workers[i], &cpus);
	affinity_set_helpers(&cpus);
}

// The data plane's configuration, with what the rest of the file means for it.
static struct config_dataplane plane_of(const struct config *c)
{
	struct config_dataplane plane = c->dataplane;

	plane.packet_max = c->sstp.max_mtu > c->sstp.max_mru ? c->sstp.max_mtu : c->sstp.max_mru;
	plane.mrru = c->sstp.mrru;
	plane.policies = dp_wants_policies(c);
	dp_count_prefixes(c, &plane);
	return plane;
}

static int run(const struct config *c)
{
	const struct config_dataplane plane = plane_of(c);
	char err[512] = "";
	struct cp *cp = NULL;
	struct dp *dp;
	int rc = EXIT_RUNTIME, filters;
	cpu_set_t cpus;

	LOG(LOG_NOTICE, "culvertd %s starting, configuration %s", CULVERT_VERSION, c->file);
	if (sched_getaffinity(0, sizeof(cpus), &cpus)) // the EAL changes it
		CPU_ZERO(&cpus);
	dp = dp_create(&plane, err, sizeof(err));
	if (!dp) {
		LOG(LOG_ERR, "data plane: %s", err);
		return rc;
	}
	place_helpers(cpus, &c->dataplane);
	filters = dp_set_filters(dp, c);
	if (filters) {
		LOG_ERRNO(LOG_ERR, filters, "filters and address lists");
		goto out;
	}
	cp = cp_create(c, dp_channel(dp), err, sizeof(err));
	if (!cp) {
		LOG(LOG_ERR, "%s", err);
		goto out;
	}
	rc = dp_start(dp);
	if (rc) {
		LOG_ERRNO(LOG_ERR, rc, "workers could not be started");
		rc = EXIT_RUNTIME;
		goto out;
	}
	rc = cp_run(cp) ? EXIT_RUNTIME : EXIT_SUCCESS;
	dp_stop(dp);
	cp_destroy(cp);
	cp = NULL;
	report_workers(dp);
	report_pools(dp);
out:
	cp_destroy(cp);
	dp_destroy(dp);
	return rc;
}

static void say_ok(const char *file, const struct config *c)
{
	const struct config_dataplane plane = plane_of(c);

	printf("%s: ok\nmemory: %u MiB%s\n", file, dp_memory_mb(&plane),
		plane.hugepages ? " of huge pages" : "");
}

int main(int argc, char **argv)
{
	struct args a = {0};
	struct config *c;
	int rc = parse_args(argc, argv, &a);

	if (rc >= 0)
		return rc;
	harden();
	c = config_load_checked(a.file, cp_check, stderr);
	if (!c)
		return EXIT_CONFIG;
	rc = EXIT_CONFIG;
	if (set_log_level(&a, c))
		goto out;
	if (a.check) {
		cp_check_warn(c);
		say_ok(a.file, c);
		rc = EXIT_SUCCESS;
		goto out;
	}
	rc = run(c);
out:
	config_free(c);
	return rc;
}
