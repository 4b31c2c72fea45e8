// SPDX-License-Identifier: BSD-3-Clause
// culvert-bench dpdk: the generator on DPDK ports, from the first call to the last.
#include "bench/gen/dpdk.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <rte_cycles.h>
#include <rte_errno.h>

#include "base/log.h"
#include "base/secret.h"
#include "bench/commands.h"
#include "bench/gen/chaos.h"
#include "bench/gen/pace.h"
#include "bench/options.h"
#include "dataplane/mbuf.h"
#include "tls/record.h"

#define IDLE_TURNS 64
#define IDLE_NS 50000
#define HANGUP_LIMIT_S 30.0
#define LAST_ACK_S 5.0
#define RING_MBUFS 4096           // those that the devices' rings take
#define SESSION_MEMORY (4 * 1024) // TCP's, of DPDK's memory
#define MBUF_MEMORY 2816
#define BASE_MEMORY_MB 64

struct run {
	struct dpdk_conf *c;
	struct dpdk_result r;
	struct gen *g;
	struct rte_mempool *pool;
	struct port access, core;
	bool access_open, core_open;
	unsigned int idle;
	uint64_t now_us, progress_us;
	uint64_t busy_tsc; // in turns in which there was something to do
	const char *phase;
	struct pace setups, teardowns;
	unsigned int next_up, next_down;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	if (interrupted)
		_exit(EXIT_FAILURE);
	interrupted = 1;
}

static uint64_t clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static double since_s(const struct run *r, uint64_t then_us)
{
	return (double)(r->now_us - then_us) / 1e6;
}

// --- ports and memory ---

static unsigned int memory_mb(const struct dpdk_conf *c)
{
	uint64_t bytes = (uint64_t)c->mbufs * MBUF_MEMORY +
			 (uint64_t)(c->gen.sessions + 20000) * SESSION_MEMORY;

	return c->memory_mb ? c->memory_mb : (unsigned int)(bytes >> 20) + BASE_MEMORY_MB;
}

static int start_eal(const struct dpdk_conf *c, char *err, size_t cap)
{
	const char *devices[2] = {c->access, c->core};
	struct port_eal_conf eal = {.devices = devices,
		.nb_devices = c->core ? 2 : 1,
		.main_cpu = c->cpu,
		.worker_cpus = &c->cpu,
		.nb_workers = 1,
		.hugepages = c->hugepages,
		.memory_mb = memory_mb(c),
		.debug = c->debug};

	return port_eal_init(&eal, err, cap);
}

static int open_ports(struct run *r, char *err, size_t cap)
{
	struct dpdk_conf *c = r->c;
	int rc;

	r->pool = mbuf_pool_create("bench", c->mbufs + RING_MBUFS, SOCKET_ID_ANY);
	if (!r->pool) {
		snprintf(err, cap, "%u mbufs: %s; more --memory?", c->mbufs,
			rte_strerror(rte_errno));
		return -ENOMEM;
	}
	rc = port_open(&r->access, c->access, 1, &r->pool, 0, 0, err, cap);
	if (rc)
		return rc;
	r->access_open = true;
	c->gen.access = &r->access;
	if (!c->core)
		return 0;
	rc = port_open(&r->core, c->core, 1, &r->pool, 0, 0, err, cap);
	if (rc)
		return rc;
	r->core_open = true;
	c->gen.core = &r->core;
	return 0;
}

static int start(struct run *r, char *err, size_t cap)
{
	struct dpdk_conf *c = r->c;
	int rc = start_eal(c, err, cap);

	if (!rc)
		rc = open_ports(r, err, cap);
	if (rc)
		return rc;
	c->gen.pool = r->pool;
	r->now_us = clock_us();
	r->g = gen_create(&c->gen, r->now_us, err, cap);
	return r->g ? 0 : -EIO;
}

static void stop(struct run *r)
{
	gen_destroy(r->g);
	if (r->access_open)
		port_close(&r->access);
	if (r->core_open)
		port_close(&r->core);
	if (r->pool)
		r->r.leaked = rte_mempool_in_use_count(r->pool);
}

// --- phases ---

static void show_progress(struct run *r)
{
	const struct gen_stats *st;
	uint64_t sent = 0, received = 0, corrupt = 0;

	if (r->c->progress_s <= 0 || since_s(r, r->progress_us) < r->c->progress_s)
		return;
	r->progress_us = r->now_us;
	st = gen_stats(r->g);
	for (unsigned int d = 0; d < GEN_N_DIRS; d++) {
		sent += st->flow[d].sent;
		received += st->flow[d].received;
		corrupt += st->flow[d].corrupt;
	}
	fprintf(stderr,
		"%s: up %u, dialing %u, failed %llu, lost %llu, sent %llu, received %llu, corrupt "
		"%llu, mbufs %llu\n",
		r->phase, st->up, st->dialing, (unsigned long long)st->failed,
		(unsigned long long)st->lost, (unsigned long long)sent,
		(unsigned long long)received, (unsigned long long)corrupt,
		(unsigned long long)st->mbufs_in_use);
}

static void turn(struct run *r)
{
	const struct timespec nap = {.tv_nsec = IDLE_NS};
	uint64_t tsc = rte_rdtsc();

	r->now_us = clock_us();
	if (gen_loop(r->g, r->now_us)) {
		r->idle = 0;
		r->busy_tsc += rte_rdtsc() - tsc;
	} else if (!r->c->busy && ++r->idle > IDLE_TURNS) {
		nanosleep(&nap, NULL);
	}
	show_progress(r);
}

static uint64_t rss_kb(void)
{
	unsigned long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

static void dial_all(struct run *r)
{
	const struct gen_stats *st;
	uint64_t start_us = r->now_us, up_us = start_us, up = 0;

	r->phase = "set-up";
	gen_dial(r->g, 0, r->c->gen.sessions, r->c->concurrent, r->c->rate, r->now_us);
	do {
		turn(r);
		st = gen_stats(r->g);
		if (st->came_up > up) {
			up = st->came_up;
			up_us = r->now_us;
		}
	} while (!interrupted && st->came_up + st->failed < r->c->gen.sessions);
	r->r.setup_s = (double)(up_us - start_us) / 1e6;
	r->r.up = st->up;
	r->r.rss_idle_kb = rss_kb();
}

static void wait_s(struct run *r, const char *phase, double s)
{
	uint64_t start_us = r->now_us;

	r->phase = phase;
	while (!interrupted && since_s(r, start_us) < s)
		turn(r);
}

// Up goes down, down goes up: each of the churned calls in its turn.
static void churn(struct run *r)
{
	const struct dpdk_conf *c = r->c;
	unsigned int first = c->gen.sessions - c->churn_sessions, i, n;

	for (n = pace_take(&r->teardowns, 1, 256, r->now_us); n; n--) {
		i = first + r->next_down++ % c->churn_sessions;
		if (!gen_session_addr(r->g, i))
			continue;
		gen_hangup(r->g, i, 1, 0, r->now_us);
		r->r.churn_teardowns++;
	}
	for (n = pace_take(&r->setups, 1, 256, r->now_us); n; n--) {
		i = first + r->next_up++ % c->churn_sessions;
		if (gen_session_addr(r->g, i))
			continue;
		gen_dial(r->g, i, 1, c->concurrent, 0, r->now_us);
		r->r.churn_setups++;
	}
}

static bool all_there(const struct gen_stats *st)
{
	for (unsigned int d = 0; d < GEN_N_DIRS; d++)
		if (st->flow[d].lost)
			return false;
	return true;
}

static int run_traffic(struct run *r)
{
	const struct dpdk_conf *c = r->c;
	uint64_t start_us = r->now_us, busy_tsc = r->busy_tsc;
	int rc = 0;

	r->phase = "traffic";
	if (c->traffic.directions)
		rc = gen_traffic_start(r->g, &c->traffic, r->now_us);
	if (rc) {
		fprintf(stderr, "culvert-bench: traffic: %s\n", log_strerror(rc));
		return rc;
	}
	pace_start(&r->setups, c->churn, r->now_us);
	pace_start(&r->teardowns, c->churn, r->now_us);
	r->next_up = c->churn_sessions / 2; // half a round behind the tear-downs
	while (!interrupted && since_s(r, start_us) < c->duration_s) {
		if (c->churn > 0)
			churn(r);
		turn(r);
	}
	gen_traffic_stop(r->g, r->now_us);
	r->r.traffic_s = since_s(r, start_us);
	if (r->r.traffic_s > 0)
		r->r.busy = (double)(r->busy_tsc - busy_tsc) / (double)rte_get_tsc_hz() /
			    r->r.traffic_s;
	start_us = r->now_us;
	r->phase = "drain";
	while (!interrupted && since_s(r, start_us) < c->drain_s && !all_there(gen_stats(r->g)))
		turn(r);
	return 0;
}

static void hang_up_all(struct run *r)
{
	const struct gen_stats *st = gen_stats(r->g);
	double limit = HANGUP_LIMIT_S;
	uint64_t start_us = r->now_us;

	r->phase = "hang-up";
	if (r->c->hangup_rate > 0)
		limit += st->up / r->c->hangup_rate;
	else
		limit += st->up / 1000.0;
	gen_hangup(r->g, 0, r->c->gen.sessions, r->c->hangup_rate, r->now_us);
	do {
		turn(r);
		st = gen_stats(r->g);
	} while (st->up + st->dialing + st->closing && since_s(r, start_us) < limit);
	r->r.hangup_s = since_s(r, start_us);
	// Whoever lost our last acknowledgement asks for it again.
	start_us = r->now_us;
	while (gen_stats(r->g)->tcp_open + (chaos_on(&r->c->gen.chaos) ? st->tcp_time_wait : 0) &&
		since_s(r, start_us) < LAST_ACK_S)
		turn(r);
}

static int run_all(struct run *r)
{
	const struct dpdk_conf *c = r->c;
	int rc = 0;

	dial_all(r);
	if (c->hold_s > 0)
		wait_s(r, "hold", c->hold_s);
	if (!interrupted && (c->traffic.directions || c->churn > 0))
		rc = run_traffic(r);
	r->r.interrupted = interrupted;
	hang_up_all(r);
	return rc;
}

// --- the command ---

static int write_json(const struct dpdk_conf *c, const struct gen_stats *st, struct dpdk_result *r)
{
	FILE *out = bench_json_open(c->json);

	if (!out)
		return -EIO;
	dpdk_print_json(out, c, st, r);
	return bench_json_close(out, c->json);
}

static double cpu_s(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u))
		return 0;
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int report(struct run *r, const struct gen_stats *st)
{
	int status = dpdk_passed(r->c, st, &r->r) ? EXIT_SUCCESS : EXIT_FAILURE;

	dpdk_print_table(stdout, r->c, st, &r->r);
	if (r->c->json && write_json(r->c, st, &r->r))
		status = EXIT_FAILURE;
	return status;
}

static int run(struct dpdk_conf *c)
{
	struct gen_stats *st = malloc(sizeof(*st)); // outlives the generator
	struct sigaction act = {.sa_handler = on_signal};
	struct run r = {.c = c};
	int status = EXIT_FAILURE;
	char err[256] = "out of memory";

	c->gen.call.tls = call_tls_ctx_create(&c->tls, err, sizeof(err));
	if (!c->gen.call.tls || !st || start(&r, err, sizeof(err))) {
		fprintf(stderr, "culvert-bench: %s\n", err);
		stop(&r);
	} else {
		sigaction(SIGINT, &act, NULL);
		sigaction(SIGTERM, &act, NULL);
		r.progress_us = r.now_us;
		status = run_all(&r);
		r.r.cpu_s = cpu_s();
		*st = *gen_stats(r.g);
		stop(&r);
		status = status ? EXIT_FAILURE : report(&r, st);
	}
	call_tls_ctx_free(c->gen.call.tls);
	free(st);
	return status;
}

int bench_dpdk(int argc, char **argv)
{
	static struct dpdk_conf c;
	int rc = dpdk_parse(&c, argc, argv);

	if (rc)
		rc = rc > 0 ? EXIT_SUCCESS : BENCH_EXIT_USAGE;
	else
		rc = run(&c);
	secret_wipe(c.password, sizeof(c.password));
	return rc;
}
