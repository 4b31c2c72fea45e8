// SPDX-License-Identifier: BSD-3-Clause
#include "bench/worker/bed.h"

#include <errno.h>
#include <ev.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_malloc.h>

#include "base/log.h"
#include "bench/null_backend.h"
#include "bench/worker/bed_int.h"
#include "controlplane/cp_core.h"

#define WIRE_SIZE 4096
#define GEN_MBUFS 32768u
#define SPARE_MB 256
#define STALL_S 30 // without anything happening
#define DRAIN_S 3

struct bed_inner {
	char cert[64];
	SSL_CTX *client_tls;
	struct rte_ring *up[BED_MAX_WORKERS], *down[BED_MAX_WORKERS];           // access
	struct rte_ring *core_up[BED_MAX_WORKERS], *core_down[BED_MAX_WORKERS]; // core
	struct port gen_access, gen_core;
	bool gen_access_open, gen_core_open;
	uint64_t dpdk_bytes; // of culvertd
	unsigned int cp_lcore, cp_arena;
	bool cp_running;
	_Atomic bool cp_ready, cp_ended;
	ev_async stop;
};

// jemalloc's, where it is the allocator.
int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
	__attribute__((weak));

double bed_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void bed_sleep(double s)
{
	struct timespec ts = {.tv_sec = (time_t)s, .tv_nsec = (long)((s - (time_t)s) * 1e9)};

	nanosleep(&ts, NULL);
}

void bed_progress(const char *fmt, ...)
{
	bool tty = isatty(STDERR_FILENO);
	va_list ap;

	fputs(tty ? "\r\033[K" : "", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs(tty ? "" : "\n", stderr);
	fflush(stderr);
}

__attribute__((format(printf, 2, 3))) static int fail(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("culvert-bench worker: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

// ---- CPUs, memory, wires

// The last CPUs for workers, the first for the control plane; then, apart, generators as far from
// their workers as can be.
static int choose_cpus(struct bed *b)
{
	unsigned int cpu[CPU_SETSIZE], n = 0;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return fail(-errno, "sched_getaffinity: %s", strerror(errno));
	for (unsigned int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			cpu[n++] = i;
	b->cpus[0] = cpu[0];
	for (unsigned int i = 0; i < b->nb_lanes; i++)
		b->cpus[1 + i] = cpu[(n - 1 - i % n) % n];
	return 0;
}

static uint64_t free_hugepages_mb(void)
{
	unsigned long n = 0;
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");

	if (f) {
		if (fscanf(f, "%lu", &n) != 1)
			n = 0;
		fclose(f);
	}
	return 2 * (uint64_t)n;
}

static unsigned int memory_mb(const struct bed *b)
{
	uint64_t gens = (uint64_t)b->nb_workers * GEN_MBUFS * 2944;
	// The anchor's keys, and what generators keep in DPDK memory of a session.
	uint64_t sessions = (uint64_t)b->conf->sessions * 2 * (REC_KEY_SIZE_MAX + 2048);

	return dp_memory_mb(&b->config->dataplane) + (unsigned int)((gens + sessions) >> 20) +
	       SPARE_MB;
}

static int start_eal(struct bed *b)
{
	const struct bed_conf *c = b->conf;
	unsigned int cpus[BED_MAX_LANES + 1];
	uint64_t have = free_hugepages_mb(), need = memory_mb(b);
	struct port_eal_conf e = {
		.main_cpu = b->cpus[0],
		.worker_cpus = cpus,
		.nb_workers = b->nb_lanes + 1,
	};
	char err[256];

	if (c->hugepages == 1 && have < need)
		return fail(-ENOMEM, "%lu MiB of hugepages are needed, %lu are free", need, have);
	b->hugepages = c->hugepages && have >= need;
	if (c->hugepages && !b->hugepages)
		fail(0, "4 KiB pages: %lu MiB of hugepages are needed, %lu are free", need, have);
	b->config->dataplane.hugepages = b->hugepages;
	e.hugepages = b->hugepages;
	e.memory_mb = (unsigned int)need;
	memcpy(cpus, b->cpus + 1, b->nb_lanes * sizeof(cpus[0]));
	cpus[b->nb_lanes] = b->cpus[0];
	b->in->cp_lcore = b->nb_lanes + 1;
	if (port_eal_init(&e, err, sizeof(err)))
		return fail(-EIO, "%s", err);
	return 0;
}

static struct rte_ring *wire(const char *what, unsigned int i)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "%s_%u", what, i);
	return rte_ring_create(name, WIRE_SIZE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

// A port of these rings. It comes without a MAC address: the first one that is added is its own.
static int plug(const char *name, struct rte_ring **rx, struct rte_ring **tx, unsigned int n)
{
	static uint8_t number;
	struct rte_ether_addr mac = {{0x02, 'b', 'e', 'n', 'c', ++number}};
	int port = rte_eth_from_rings(name, rx, n, tx, n, 0);

	return port < 0 ? -1 : rte_eth_dev_mac_addr_add((uint16_t)port, &mac, 0);
}

static int make_wires(struct bed *b)
{
	struct bed_inner *in = b->in;
	struct rte_ring *crossed[BED_MAX_WORKERS];
	unsigned int n = b->nb_workers;

	for (unsigned int i = 0; i < n; i++) {
		in->up[i] = wire("up", i);
		in->down[i] = wire("down", i);
		in->core_up[i] = wire("core_up", i);
		in->core_down[i] = wire("core_down", i);
		if (!in->up[i] || !in->down[i] || !in->core_up[i] || !in->core_down[i])
			return fail(-ENOMEM, "no memory for rings");
	}
	for (unsigned int i = 0; i < n; i++)
		crossed[i] = in->core_down[b->conf->handover ? (i + 1) % n : i];
	if (plug("access", in->up, in->down, n) || plug("core", crossed, in->core_up, n) ||
		plug("clients", in->down, in->up, n) || plug("host", in->core_up, in->core_down, n))
		return fail(-rte_errno, "no port from rings: %s", rte_strerror(rte_errno));
	return 0;
}

static void free_wires(struct bed *b)
{
	struct bed_inner *in = b->in;
	struct rte_mbuf *m;

	for (unsigned int i = 0; i < b->nb_workers; i++) {
		struct rte_ring *all[] = {in->up[i], in->down[i], in->core_up[i], in->core_down[i]};

		for (unsigned int k = 0; k < RTE_DIM(all); k++) {
			while (all[k] && !rte_ring_dequeue(all[k], (void **)&m))
				rte_pktmbuf_free(m);
			rte_ring_free(all[k]);
		}
	}
}

// ---- culvertd

static uint64_t dpdk_bytes(void)
{
	struct rte_malloc_socket_stats s;
	uint64_t sum = 0;

	for (int i = 0; i < RTE_MAX_NUMA_NODES; i++)
		if (!rte_malloc_get_socket_stats(i, &s))
			sum += s.heap_allocsz_bytes;
	return sum;
}

static int start_dp(struct bed *b)
{
	uint64_t before = dpdk_bytes(), offloads = 0;
	char err[256];

	if (b->conf->offloads)
		offloads = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
	if (*b->conf->backend)
		b->config->dataplane.record_backend = (char *)(uintptr_t)b->conf->backend;
	b->dp = dp_create_here(&b->config->dataplane, offloads, err, sizeof(err));
	if (!b->dp)
		return fail(-EIO, "data plane: %s", err);
	b->in->dpdk_bytes = dpdk_bytes() - before;
	return 0;
}

static void own_arena(struct bed_inner *in)
{
	size_t n = sizeof(in->cp_arena);

	in->cp_arena = UINT32_MAX;
	if (mallctl && !mallctl("arenas.create", &in->cp_arena, &n, NULL, 0))
		mallctl("thread.arena", NULL, NULL, &in->cp_arena, sizeof(in->cp_arena));
}

static int cp_main(void *arg)
{
	struct bed *b = arg;

	own_arena(b->in);
	pthread_getcpuclockid(pthread_self(), &b->cp_clock);
	b->in->cp_ready = true;
	cp_run(b->cp);
	b->in->cp_ended = true;
	return 0;
}

static void on_stop(struct ev_loop *loop, ev_async *w, int revents)
{
	cp_stop(w->data);
}

static int start_cp(struct bed *b)
{
	char err[256];

	b->cp = cp_create(b->config, dp_channel(b->dp), err, sizeof(err));
	if (!b->cp)
		return fail(-EIO, "%s", err);
	ev_async_init(&b->in->stop, on_stop);
	b->in->stop.data = b->cp;
	ev_async_start(b->cp->loop, &b->in->stop);
	if (rte_eal_remote_launch(cp_main, b, b->in->cp_lcore))
		return fail(-EIO, "the control plane's thread did not start");
	b->in->cp_running = true;
	while (!b->in->cp_ready)
		bed_sleep(0.001);
	return 0;
}

// ---- generators

static int open_gen_ports(struct bed *b)
{
	struct bed_inner *in = b->in;
	char err[256], name[RTE_MEMPOOL_NAMESIZE];

	for (unsigned int i = 0; i < b->nb_workers; i++) {
		snprintf(name, sizeof(name), "gen_%u", i);
		b->gen_pool[i] = mbuf_pool_create(name, GEN_MBUFS, SOCKET_ID_ANY);
		if (!b->gen_pool[i])
			return fail(-ENOMEM, "no memory for the generators' mbufs");
	}
	if (port_open(&in->gen_access, "net_ring_clients", (uint16_t)b->nb_workers, b->gen_pool, 0,
		    WIRE_SIZE, err, sizeof(err)))
		return fail(-EIO, "%s", err);
	in->gen_access_open = true;
	if (port_open(&in->gen_core, "net_ring_host", (uint16_t)b->nb_workers, b->gen_pool, 0,
		    WIRE_SIZE, err, sizeof(err)))
		return fail(-EIO, "%s", err);
	in->gen_core_open = true;
	return 0;
}

static int make_client_tls(struct bed *b)
{
	const struct call_tls_conf t = {.keys = true,
		.only_tls12 = b->conf->only_tls12,
		.ciphers = b->conf->ciphers,
		.ciphersuites = b->conf->ciphersuites};
	struct call_tls first;
	char err[256];

	b->in->client_tls = call_tls_ctx_create(&t, err, sizeof(err));
	if (!b->in->client_tls)
		return fail(-EINVAL, "clients' TLS: %s", err);
	// What all calls share is made with the first one, which is not to be two lanes' at once.
	if (!call_tls_init(&first, b->in->client_tls, BED_SERVER, NULL))
		call_tls_free(&first);
	// P-256 is the certificate's.
	SSL_CTX_set1_groups_list(b->in->client_tls, "X25519:P-256");
	return 0;
}

static int make_gen(struct bed *b, unsigned int i)
{
	const struct bed_conf *c = b->conf;
	struct lane *l = b->gen_lane[i];
	struct gen_conf g = {
		.access = &b->in->gen_access,
		.core = &b->in->gen_core,
		.queue = (uint16_t)i,
		.access_by_pointer = true,
		.offloads = c->offloads,
		.pool = b->gen_pool[i],
		.client_addr = BED_CLIENT(i),
		.nb_client = RTE_MIN(c->clients, BED_MAX_CLIENTS),
		.client_plen = 16,
		.server_addr = BED_ACCESS_NET + 2,
		.server_port = BED_PORT,
		.core_addr = BED_CORE_HOST(i),
		.core_gw = BED_CORE_GW,
		.core_plen = 24,
		.sessions = bed_share(b, c->sessions, i),
		.first = i * BED_MAX_SESSIONS,
		.user = BED_USER,
		.password = BED_PASSWORD,
		.record_backend = !strcmp(c->backend, "null") ? "null" : "",
		.chaos = c->chaos,
	};
	char err[256] = "";

	if (!g.sessions)
		return 0;
	g.chaos.seed += i;
	call_conf_default(&g.call);
	g.call.tls = b->in->client_tls;
	g.call.host = BED_SERVER;
	b->gen_sessions[i] = g.sessions;
	b->gens[i] = l->g = gen_create(&g, lane_now_us(l), err, sizeof(err));
	return l->g ? 0 : fail(-EIO, "generator: %s", err);
}

// ---- lanes

static int make_lanes(struct bed *b)
{
	unsigned int per = b->conf->apart ? 2 : 1;

	b->nb_workers = b->conf->workers;
	b->nb_lanes = per * b->nb_workers;
	for (unsigned int i = 0; i < b->nb_lanes; i++) {
		b->lanes[i] = calloc(1, sizeof(*b->lanes[i]));
		if (!b->lanes[i])
			return fail(-ENOMEM, "no memory");
	}
	for (unsigned int i = 0; i < b->nb_workers; i++) {
		b->worker_lane[i] = b->lanes[i];
		b->gen_lane[i] = b->lanes[b->conf->apart ? b->nb_workers + i : i];
	}
	return 0;
}

static int start_lanes(struct bed *b)
{
	for (unsigned int i = 0; i < b->nb_workers; i++) {
		b->worker_lane[i]->w = dp_worker(b->dp, i);
	}
	for (unsigned int i = 0; i < b->nb_workers; i++) {
		struct lane *l = b->gen_lane[i];

		l->ahead[0] = b->in->up[i];
		l->ahead[1] = b->in->core_down[i];
		// Packets to this generator's sessions are handed to their worker by another one.
		l->ahead[2] = dp_worker(b->dp, i)->handover;
	}
	for (unsigned int i = 0; i < b->nb_lanes; i++)
		if (lane_start(b->lanes[i], i + 1))
			return fail(-EIO, "lane %u did not start", i);
	return 0;
}

int bed_open(struct bed *b, const struct bed_conf *conf)
{
	int rc;

	memset(b, 0, sizeof(*b));
	b->conf = conf;
	b->in = calloc(1, sizeof(*b->in));
	if (!b->in)
		return fail(-ENOMEM, "no memory");
	if (!strcmp(conf->backend, "null")) {
		bench_null_backend_add();
		bench_null_backend_protect(true);
	}
	rc = make_lanes(b);
	if (!rc)
		rc = choose_cpus(b);
	if (!rc && bed_make_cert(b->in->cert, sizeof(b->in->cert)))
		rc = fail(-EIO, "no certificate could be made");
	if (rc)
		return rc;
	b->cert_file = b->in->cert;
	b->config = bed_make_config(b);
	rc = b->config ? 0 : -EINVAL;
	log_set_level(conf->log_level);
	if (!rc)
		rc = start_eal(b);
	for (unsigned int i = 0; !rc && i < b->nb_lanes; i++)
		lane_init(b->lanes[i]);
	if (!rc)
		rc = make_wires(b);
	if (!rc)
		rc = start_dp(b);
	if (!rc)
		rc = make_client_tls(b);
	if (!rc)
		rc = open_gen_ports(b);
	for (unsigned int i = 0; !rc && i < b->nb_workers; i++)
		rc = make_gen(b, i);
	if (!rc)
		rc = start_cp(b);
	return rc ? rc : start_lanes(b);
}

// ---- the end

static void conns_left(struct lane *l, void *arg)
{
	struct tcp_levels v;

	tcp_stack_levels(l->w->tcp, &v);
	*(uint32_t *)arg += v.conns;
}

// The last acknowledgements.
static void drain(struct bed *b)
{
	double end = bed_now() + DRAIN_S;

	while (bed_now() < end) {
		uint32_t left = 0;

		for (unsigned int i = 0; i < b->nb_workers; i++)
			if (b->worker_lane[i]->lcore)
				lane_call(b->worker_lane[i], conns_left, &left);
		if (!left)
			break;
		bed_sleep(0.01);
	}
}

static int report_pools(struct bed *b)
{
	const struct dp_chan *ch = dp_channel(b->dp);
	struct dp_pool_level v;
	int bad = 0;

	for (unsigned int i = 0; dp_pool(ch, i, &v); i++) {
		if (!v.in_use)
			continue;
		fail(0, "%s: %u of %u not given back", v.name, v.in_use, v.size);
		bad++;
	}
	for (unsigned int i = 0; i < b->nb_workers; i++) {
		uint32_t n = b->gen_pool[i] ? rte_mempool_in_use_count(b->gen_pool[i]) : 0;

		if (n)
			fail(0, "generator %u: %u mbufs not given back", i, n);
		bad += n != 0;
	}
	return bad;
}

int bed_close(struct bed *b)
{
	int bad = 0;

	if (!b->in)
		return 0;
	if (b->in->cp_running) {
		if (!b->in->cp_ended)
			ev_async_send(b->cp->loop, &b->in->stop);
		rte_eal_wait_lcore(b->in->cp_lcore);
		drain(b);
	}
	for (unsigned int i = 0; i < b->nb_lanes; i++)
		if (b->lanes[i] && b->lanes[i]->lcore)
			lane_stop(b->lanes[i]);
	for (unsigned int i = 0; i < b->nb_workers; i++)
		if (b->gens[i])
			gen_destroy(b->gens[i]);
	if (b->dp)
		dp_stop(b->dp);
	if (b->cp) {
		ev_async_stop(b->cp->loop, &b->in->stop);
		cp_destroy(b->cp);
	}
	if (b->in->gen_access_open)
		port_close(&b->in->gen_access);
	if (b->in->gen_core_open)
		port_close(&b->in->gen_core);
	free_wires(b);
	if (b->dp) {
		bad = report_pools(b);
		dp_destroy(b->dp);
	}
	call_tls_ctx_free(b->in->client_tls);
	if (*b->in->cert)
		unlink(b->in->cert);
	config_free(b->config);
	for (unsigned int i = 0; i < b->nb_lanes; i++)
		free(b->lanes[i]);
	free(b->in);
	b->in = NULL;
	return bad;
}

bool bed_interrupted(const struct bed *b)
{
	return b->in->cp_ended;
}

void bed_report_counters(const struct bed *b)
{
	struct dp_counter_value v;

	for (unsigned int w = 0; w < b->nb_workers; w++)
		for (unsigned int i = 0; dp_counter(dp_channel(b->dp), w, i, &v); i++)
			if (v.value)
				fprintf(stderr, "worker %u: %s = %lu (%s)\n", w, v.name, v.value,
					v.help);
}

// ---- sessions

unsigned int bed_share(const struct bed *b, unsigned int n, unsigned int i)
{
	return n / b->nb_workers + (i < n % b->nb_workers);
}

struct gen_view {
	unsigned int want, concurrent; // to do
	bool hangup;
	unsigned int up, busy; // to know: dialing, or still to hang up
	uint64_t failed, lost;
	char why[200];
};

static void view(struct lane *l, void *arg)
{
	const struct gen_stats *s = gen_stats(l->g);
	struct gen_view *v = arg;

	v->up += s->up;
	v->busy += s->dialing + s->closing;
	v->failed += s->failed;
	v->lost += s->lost;
	if (s->nb_reasons)
		snprintf(v->why, sizeof(v->why), "%.199s", s->reasons[0].text);
}

static void dial(struct lane *l, void *arg)
{
	const struct gen_view *v = arg;

	if (v->hangup)
		gen_hangup(l->g, 0, v->want, 0, lane_now_us(l));
	else
		gen_dial(l->g, 0, v->want, v->concurrent, 0, lane_now_us(l));
}

static void view_all(struct bed *b, struct gen_view *v)
{
	memset(v, 0, sizeof(*v));
	for (unsigned int i = 0; i < b->nb_workers; i++)
		if (b->gens[i])
			lane_call(b->gen_lane[i], view, v);
}

// Until done sessions are up (or none, hanging up).
static int wait_up(struct bed *b, unsigned int n, bool hangup)
{
	double told = bed_now(), moved = told;
	struct gen_view v, last = {0};

	for (;;) {
		double now = bed_now();

		view_all(b, &v);
		if (hangup ? !v.up && !v.busy : v.up >= n && !v.busy)
			return 0;
		if (bed_interrupted(b))
			return fail(-EINTR, "interrupted");
		if (!hangup && v.failed + v.lost > last.failed + last.lost && !v.busy)
			break;
		if (v.up != last.up || v.busy != last.busy)
			moved = now;
		if (now > moved + STALL_S)
			break;
		if (now > told + 1) {
			bed_progress(
				"%u of %u sessions up%s", v.up, n, hangup ? ", hanging up" : "");
			told = now;
		}
		last = v;
		bed_sleep(0.005);
	}
	bed_report_counters(b);
	return fail(-EIO, "%u of %u sessions up, %lu failed, %lu lost%s%s", v.up, n, v.failed,
		v.lost, *v.why ? ": " : "", v.why);
}

int bed_sessions(struct bed *b, unsigned int n, unsigned int concurrent)
{
	for (unsigned int i = 0; i < b->nb_workers; i++) {
		struct gen_view v = {.want = bed_share(b, n, i),
			.concurrent = RTE_MAX(concurrent / b->nb_workers, 1u)};

		if (v.want)
			lane_call(b->gen_lane[i], dial, &v);
	}
	return wait_up(b, n, false);
}

int bed_hangup(struct bed *b)
{
	for (unsigned int i = 0; i < b->nb_workers; i++) {
		struct gen_view v = {.want = b->gen_sessions[i], .hangup = true};

		if (v.want)
			lane_call(b->gen_lane[i], dial, &v);
	}
	return wait_up(b, 0, true);
}

// ---- what is used

double bed_cp_seconds(const struct bed *b)
{
	struct timespec ts;

	clock_gettime(b->cp_clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint64_t arena_stat(unsigned int arena, const char *what)
{
	size_t v = 0, n = sizeof(v);
	char name[64];

	snprintf(name, sizeof(name), "stats.arenas.%u.%s", arena, what);
	return mallctl(name, &v, &n, NULL, 0) ? 0 : v;
}

static uint64_t resident(void)
{
	unsigned long size, pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f) {
		if (fscanf(f, "%lu %lu", &size, &pages) != 2)
			pages = 0;
		fclose(f);
	}
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void bed_memory(const struct bed *b, struct bed_memory *m)
{
	uint64_t epoch = 1;
	char purge[64];

	*m = (struct bed_memory){.dpdk = b->in->dpdk_bytes, .rss = resident()};
	if (b->in->cp_arena == UINT32_MAX)
		return;
	// What the allocator has not given back yet it gives back in time.
	snprintf(purge, sizeof(purge), "arena.%u.purge", b->in->cp_arena);
	mallctl(purge, NULL, NULL, NULL, 0);
	mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
	m->have_heap = true;
	m->cp_heap = arena_stat(b->in->cp_arena, "small.allocated") +
		     arena_stat(b->in->cp_arena, "large.allocated");
	m->cp_pages = arena_stat(b->in->cp_arena, "resident");
}
