// SPDX-License-Identifier: BSD-3-Clause
// The data plane as a whole: EAL, ports, pools, workers; start and stop.
#include "dataplane/dp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "base/secret.h"
#include "dataplane/dp_int.h"
#include "dataplane/flowq.h"
#include "dataplane/session_mp.h"
#include "dataplane/session_policy.h"
#include "dataplane/tcp_cc.h"
#include "dataplane/worker.h"

#define TCP_SLACK 1024 // connections that close by themselves after their session's end
// A record has to fit the windows, whatever the configuration says.
#define TCP_BUFFER_MIN (64u * 1024)

struct dp {
	const struct config_dataplane *c;
	struct dp_chan *ch;
	struct port access, core;
	struct rte_mempool *pools[DP_MAX_WORKERS];
	struct rte_mempool *small_pools[DP_MAX_WORKERS]; // the same, or smaller mbufs for devices
							 // that take no others
	struct worker *workers[DP_MAX_WORKERS];
	unsigned int lcore[DP_MAX_WORKERS];
	unsigned int nb_workers;
	bool started, stopped;
	bool access_open, core_open;
	bool own_eal;
};

// ---- levels for leak checks

static void level_tcp(void *arg, uint32_t *in_use, uint32_t *size)
{
	struct worker *w = arg;
	struct tcp_levels l = w->left;

	if (w->tcp)
		tcp_stack_levels(w->tcp, &l);
	*in_use = l.conns;
	*size = l.conns_max;
}

static void level_sessions(void *arg, uint32_t *in_use, uint32_t *size)
{
	const struct worker *w = arg;

	*in_use = w->max_sessions - w->nb_free;
	*size = w->max_sessions;
}

// Received frames' buffers stay with drivers that keep them to the end of the process; what they
// held before the first packet is no leak, and neither is what they had sent and not yet given
// back.
static void level_mbufs(void *arg, uint32_t *in_use, uint32_t *size)
{
	const struct worker *w = arg;
	uint32_t used = rte_mempool_in_use_count(w->small_pool);

	*in_use = used - RTE_MIN(used, w->driver_mbufs);
	*size = w->small_pool->size;
}

static int start_eal(const struct config_dataplane *c, char *err, size_t cap)
{
	char access[256], core[256];
	const char *devices[] = {access, core};
	struct port_eal_conf e = {
		.devices = devices,
		.nb_devices = 2,
		.main_cpu = c->control_core,
		.worker_cpus = c->workers,
		.nb_workers = c->nb_workers,
		.hugepages = c->hugepages,
		.memory_mb = dp_memory_mb(c),
	};

	port_device_args(c->access.device, c->access.mtu, access, sizeof(access));
	port_device_args(c->core.device, c->core.mtu, core, sizeof(core));
	return port_eal_init(&e, err, cap);
}

// ---- a worker

static uint16_t tx_via(void *user, struct rte_mbuf **pkts, uint16_t n, bool access)
{
	struct worker *w = user;
	const struct port *p = access ? w->access_port : w->core_port;

	// Workers without a queue of their own are spread over those that have one.
	for (uint16_t i = 0; i < n; i++)
		worker_handover(w, (uint16_t)(w->id % p->nb_txq),
			access ? HO_TX_ACCESS : HO_TX_CORE, pkts[i]);
	return n;
}

static uint16_t tx_via_access(void *user, struct rte_mbuf **pkts, uint16_t n)
{
	return tx_via(user, pkts, n, true);
}

static uint16_t tx_via_core(void *user, struct rte_mbuf **pkts, uint16_t n)
{
	return tx_via(user, pkts, n, false);
}

static void tcp_output(void *user, struct rte_mbuf **pkts, uint16_t n)
{
	struct worker *w = user;
	enum worker_stage last = stage_enter(w->stages, WORKER_STAGE_TX);

	netif_output(w->access, pkts, n, w->now_us);
	stage_enter(w->stages, last);
}

static bool proxy_arp(void *user, rte_be32_t addr)
{
	const struct worker *w = user;

	return dp_address_known(w->ch, rte_be_to_cpu_32(addr));
}

static bool proxy_nd(void *user, const struct ipaddr *addr)
{
	const struct worker *w = user;
	uint32_t ref;

	prefixtab_lookup(w->ch->prefixes, (const struct in6_addr *)addr->b, &ref, 1);
	return ref && ref != DP_REF_CORE;
}

static struct netif *make_netif(
	struct worker *w, const struct config_port *c, const struct port *p, bool access)
{
	struct netif_conf n = {
		.port = p,
		.worker = w->id,
		.access = access,
		.vlan = c->vlan,
		.addr4 = c->has4 ? c->addr4.s_addr : 0,
		.gw4 = c->has_gw4 ? c->gw4.s_addr : 0,
		.plen4 = c->plen4,
		.has6 = c->has6,
		.plen6 = c->plen6,
		.max_neighbours = 4096,
		.icmp_per_second = 1000,
		.pool = w->pool,
		.counters = &w->counters,
		.tx_via = access ? tx_via_access : tx_via_core,
		.tx_user = w,
		.proxy_arp = access ? NULL : proxy_arp,
		.proxy_nd = access ? NULL : proxy_nd,
		.proxy_user = w,
	};

	if (c->has6)
		n.addr6 = ipaddr_from6(&c->addr6);
	if (c->has_gw6)
		n.gw6 = ipaddr_from6(&c->gw6);
	return netif_create(&n, w->now_us);
}

static struct tcp_stack *make_tcp(
	struct worker *w, const struct config_dataplane *c, uint32_t nb_mbufs)
{
	struct tcp_config t;
	struct tcp_stack *s;

	tcp_config_default(&t);
	t.max_conns = w->max_sessions + TCP_SLACK;
	t.max_half_open = RTE_MIN(t.max_conns / 2, 8192u);
	t.max_time_wait = RTE_MAX(w->max_sessions / 4, 1024u);
	t.rcv_wnd_max = RTE_MAX(c->rcv_window, TCP_BUFFER_MIN);
	t.rcv_wnd_initial = TCP_BUFFER_MIN; // until somebody has logged in
	t.snd_buf_max = RTE_MAX(c->snd_buffer, TCP_BUFFER_MIN);
	t.mem_max_mbufs = nb_mbufs / 2;
	w->snd_buf_max = t.snd_buf_max;
	w->snd_max = t.mem_max_mbufs / 8 * 5;
	w->txq_max = nb_mbufs / 4;
	w->admit.max_mbufs = nb_mbufs / 8;
	t.mtu = w->access_port->mtu;
	t.keepalive_idle_ms = c->keepalive_s * 1000;
	t.tx_offloads = w->access_port->tx_offloads;
	t.cc = c->congestion_control ? tcp_cc_find(c->congestion_control) : NULL;
	t.pool = w->pool;
	t.counters = &w->counters;
	t.output = tcp_output;
	t.user = w;
	if (getrandom(t.secret, sizeof(t.secret), 0) != sizeof(t.secret)) {
		rte_errno = EIO;
		return NULL;
	}
	s = tcp_create(&t, w->now_us);
	secret_wipe(t.secret, sizeof(t.secret));
	return s;
}

static int make_pools(struct worker *w, uint16_t mrru)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	size_t key = 0;

	for (int a = 0; a < TLS_N_AEADS; a++)
		key = RTE_MAX(key, rec_key_size(w->rc, a));
	key = RTE_ALIGN(key, (size_t)REC_KEY_ALIGN);
	snprintf(name, sizeof(name), "keys_%u", w->id);
	w->keys = rte_mempool_create(name, w->max_sessions * 2 + 64, (unsigned int)key, 0, 0, NULL,
		NULL, NULL, NULL, SOCKET_ID_ANY, RTE_MEMPOOL_F_SP_PUT | RTE_MEMPOOL_F_SC_GET);
	snprintf(name, sizeof(name), "stashes_%u", w->id);
	w->stashes = rte_mempool_create(name, dp_nb_stashes(w->max_sessions), WORKER_STASH_SIZE, 0,
		0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY,
		RTE_MEMPOOL_F_SP_PUT | RTE_MEMPOOL_F_SC_GET);
	snprintf(name, sizeof(name), "flowqs_%u", w->id);
	w->flowqs = rte_mempool_create(name, dp_nb_flowqs(w->max_sessions), sizeof(struct flowq), 0,
		0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY,
		RTE_MEMPOOL_F_SP_PUT | RTE_MEMPOOL_F_SC_GET);
	if (mrru && !(w->mp = session_mp_pool_create(
			      w->id, w->max_sessions, mrru, w->mbuf_room, w->pool->size)))
		return -ENOMEM;
	return w->keys && w->stashes && w->flowqs ? 0 : -ENOMEM;
}

static void make_slots(struct worker *w)
{
	w->free_head = 0;
	for (uint32_t i = w->max_sessions; i; i--) {
		w->sessions[i].slot = w->free_head;
		w->free_head = i;
	}
	w->nb_free = w->max_sessions;
}

// mbufs that drivers hold now, before the first packet, and do not give back; and those that they
// may have sent without having noticed it when the end comes.
static uint32_t driver_mbufs(const struct dp *dp, const struct worker *w)
{
	uint32_t n = 0;

	if (dp->access.keeps_mbufs)
		n += dp->c->access.descriptors;
	if (dp->core.keeps_mbufs)
		n += dp->c->core.descriptors;
	return n ? n + rte_mempool_in_use_count(w->small_pool) : 0;
}

static int worker_setup(struct dp *dp, struct worker *w, char *err, size_t cap)
{
	const struct config_dataplane *c = dp->c;
	const struct rec_backend *b;
	char name[RTE_RING_NAMESIZE];

	w->ch = dp->ch;
	w->nb_workers = (uint16_t)dp->nb_workers;
	w->peers = dp->workers;
	w->pool = dp->pools[w->id];
	w->small_pool = dp->small_pools[w->id];
	w->mbuf_room = worker_mbuf_room(w->pool);
	w->access_port = &dp->access;
	w->core_port = &dp->core;
	w->access_rxq = port_rxq(&dp->access, w->id);
	w->core_rxq = port_rxq(&dp->core, w->id);
	// A connection's segments must all come to its worker, or the others answer them with RST.
	w->dispatch_tcp =
		dp->nb_workers > 1 && (dp->access.nb_rxq < dp->nb_workers || dp->access.spills);
	w->adaptive = c->poll == CONFIG_POLL_ADAPTIVE;
	w->max_sessions = dp_sessions_per_worker(c);
	w->core_has6 = c->core.has6;
	if (c->core.has6)
		w->core_addr6 = ipaddr_from6(&c->core.addr6);
	w->core_addr = c->core.has4 ? rte_be_to_cpu_32(c->core.addr4.s_addr) : 0;
	w->tsc_base = rte_rdtsc();
	w->tsc_per_us = RTE_MAX(rte_get_tsc_hz() / 1000000, (uint64_t)1);
	w->now_us = 0;
	w->running = true;
	b = rec_backend_get(strcmp(c->record_backend, "auto") ? c->record_backend : "");
	if (!b) {
		snprintf(err, cap, "record backend %s: not built in", c->record_backend);
		return -ENOENT;
	}
	w->rc = rec_crypto_create(b);
	w->sessions = rte_zmalloc("sessions", (w->max_sessions + 1) * sizeof(struct session), 64);
	w->scratch = rte_malloc("scratch", 32 * 1024, 64);
	w->scratch2 = rte_malloc("scratch", 32 * 1024, 64);
	snprintf(name, sizeof(name), "handover_%u", w->id);
	w->handover = rte_ring_create(name, WORKER_HANDOVER_SIZE, SOCKET_ID_ANY, RING_F_SC_DEQ);
	w->wheel = wheel_create(1000, 2 * w->max_sessions, 0);
	if (!w->rc || !w->sessions || !w->scratch || !w->scratch2 || !w->handover || !w->wheel ||
		make_pools(w, c->mrru) || (c->policies && session_policy_create(w)))
		goto no_memory;
	make_slots(w);
	w->driver_mbufs = driver_mbufs(dp, w);
	w->access = make_netif(w, &c->access, &dp->access, true);
	w->core = make_netif(w, &c->core, &dp->core, false);
	if (!w->access || !w->core)
		goto no_memory;
	w->tcp = make_tcp(w, c, dp->pools[w->id]->size);
	if (!w->tcp)
		goto no_memory;
	dp->ch->counters[w->id] = &w->counters;
	if (w->small_pool != w->pool)
		dp_chan_add_level(dp->ch, "mbufs", w->id, dp_level_of_mempool, w->pool);
	dp_chan_add_level(
		dp->ch, w->small_pool != w->pool ? "small_mbufs" : "mbufs", w->id, level_mbufs, w);
	dp_chan_add_level(dp->ch, "connections", w->id, level_tcp, w);
	dp_chan_add_level(dp->ch, "sessions", w->id, level_sessions, w);
	dp_chan_add_level(dp->ch, "keys", w->id, dp_level_of_mempool, w->keys);
	dp_chan_add_level(dp->ch, "stashes", w->id, dp_level_of_mempool, w->stashes);
	dp_chan_add_level(dp->ch, "flowqs", w->id, dp_level_of_mempool, w->flowqs);
	if (w->mp)
		dp_chan_add_level(dp->ch, "multilink", w->id, dp_level_of_mempool, w->mp->states);
	if (w->mp && w->mp->large)
		dp_chan_add_level(dp->ch, "large", w->id, dp_level_of_mempool, w->mp->large);
	return 0;
no_memory:
	snprintf(err, cap,
		"worker %u: out of memory (%s): lower max-sessions or mbufs, or give it more "
		"hugepages",
		w->id, rte_strerror(rte_errno));
	return -ENOMEM;
}

// Let go of everything but the pools, so that their levels can be read.
static void worker_empty(struct worker *w)
{
	// What is still there after an orderly shutdown is a leak: slots and connections keep their
	// count for the report.
	if (w->tcp)
		tcp_stack_levels(w->tcp, &w->left);
	for (uint32_t i = 1; w->sessions && i <= w->max_sessions; i++)
		session_abort(w, &w->sessions[i], DP_REASON_SHUTDOWN);
	worker_fresh_free(w);
	if (w->tcp)
		tcp_destroy(w->tcp);
	w->tcp = NULL;
	netif_destroy(w->access);
	netif_destroy(w->core);
	w->access = w->core = NULL;
}

// What workers handed to each other, up to their last word.
static void handover_empty(struct worker *w)
{
	struct rte_mbuf *m;

	while (w->handover && rte_ring_dequeue(w->handover, (void **)&m) == 0)
		rte_pktmbuf_free(m);
}

static void worker_destroy(struct worker *w)
{
	if (!w)
		return;
	if (w->rc)
		rec_crypto_destroy(w->rc);
	rte_mempool_free(w->keys);
	rte_mempool_free(w->stashes);
	rte_mempool_free(w->flowqs);
	session_mp_pool_destroy(w->mp);
	session_policy_destroy(w);
	rte_ring_free(w->handover);
	if (w->wheel)
		wheel_destroy(w->wheel);
	rte_free(w->scratch);
	rte_free(w->scratch2);
	rte_free(w->sessions);
	rte_free(w);
}

// ---- the whole

static int make_mbuf_pools(struct dp *dp)
{
	bool small = dp_needs_small(dp->c);
	uint32_t n = dp->c->mbufs / dp->nb_workers / (small ? 2 : 1);

	for (unsigned int i = 0; i < dp->nb_workers; i++) {
		char name[RTE_MEMPOOL_NAMESIZE];

		snprintf(name, sizeof(name), "mbufs_%u", i);
		dp->pools[i] = mbuf_pool_create_room(name, n, dp_data_room(dp->c), SOCKET_ID_ANY);
		if (!dp->pools[i])
			return -rte_errno;
		dp->small_pools[i] = dp->pools[i];
		snprintf(name, sizeof(name), "small_mbufs_%u", i);
		if (small && !(dp->small_pools[i] = mbuf_pool_create(name, n, SOCKET_ID_ANY)))
			return -rte_errno;
	}
	return 0;
}

static int open_one(
	struct dp *dp, struct port *p, const struct config_port *c, char *err, size_t cap)
{
	struct rte_mempool *const *pools =
		port_small_buffers(c->device) ? dp->small_pools : dp->pools;
	char device[256];

	port_device_args(c->device, c->mtu, device, sizeof(device));
	return port_open(
		p, device, (uint16_t)dp->nb_workers, pools, c->mtu, c->descriptors, err, cap);
}

static int open_ports(struct dp *dp, char *err, size_t cap)
{
	int rc = open_one(dp, &dp->access, &dp->c->access, err, cap);

	if (rc)
		return rc;
	dp->access_open = true;
	rc = open_one(dp, &dp->core, &dp->c->core, err, cap);
	dp->core_open = rc == 0;
	return rc;
}

static void close_ports(struct dp *dp)
{
	if (dp->access_open)
		port_close(&dp->access);
	if (dp->core_open)
		port_close(&dp->core);
	dp->access_open = dp->core_open = false;
}

// Everything but the EAL.
static struct dp *create(
	const struct config_dataplane *c, bool own_eal, uint64_t tx_offloads, char *err, size_t cap)
{
	struct dp *dp = calloc(1, sizeof(*dp));
	unsigned int lcore, i = 0;

	if (!dp) {
		snprintf(err, cap, "out of memory");
		return NULL;
	}
	dp->c = c;
	dp->own_eal = own_eal;
	dp->nb_workers = c->nb_workers;
	RTE_LCORE_FOREACH_WORKER(lcore)
	{
		if (i < dp->nb_workers)
			dp->lcore[i++] = lcore;
	}
	if (i < dp->nb_workers) {
		snprintf(err, cap, "%u workers wanted, the EAL has %u", dp->nb_workers, i);
		goto fail;
	}
	if (make_mbuf_pools(dp)) {
		snprintf(err, cap, "mbufs: no memory for %u (%s)", c->mbufs,
			rte_strerror(rte_errno));
		goto fail;
	}
	if (open_ports(dp, err, cap))
		goto fail;
	dp->access.tx_offloads |= tx_offloads;
	dp->core.tx_offloads |= tx_offloads;
	dp->ch = dp_chan_create(
		dp->nb_workers, dp->nb_workers * MSGS_PER_WORKER + MSGS_SPARE, dp_nb_addresses(c));
	if (!dp->ch) {
		snprintf(err, cap, "no memory for the message rings (%s)", rte_strerror(rte_errno));
		goto fail;
	}
	// Clients may ping this router by its port addresses too.
	if (c->core.has4)
		dp_local_address_add(dp->ch, rte_be_to_cpu_32(c->core.addr4.s_addr));
	if (c->access.has4)
		dp_local_address_add(dp->ch, rte_be_to_cpu_32(c->access.addr4.s_addr));
	if (c->core.has4) {
		struct in6_addr core = prefixtab_map4(rte_be_to_cpu_32(c->core.addr4.s_addr));

		dp_connected_add(dp->ch, &core, (uint8_t)(c->core.plen4 + 96));
	}
	if (c->core.has6)
		dp_connected_add(dp->ch, &c->core.addr6, c->core.plen6);
	for (i = 0; i < dp->nb_workers; i++) {
		dp->workers[i] = rte_zmalloc("worker", sizeof(struct worker), 64);
		if (!dp->workers[i]) {
			snprintf(err, cap, "out of memory");
			goto fail;
		}
		dp->workers[i]->id = (uint16_t)i;
		if (worker_setup(dp, dp->workers[i], err, cap))
			goto fail;
	}
	return dp;
fail:
	dp_destroy(dp);
	return NULL;
}

struct dp *dp_create(const struct config_dataplane *c, char *err, size_t cap)
{
	if (start_eal(c, err, cap))
		return NULL;
	return create(c, true, 0, err, cap);
}

struct dp *dp_create_here(
	const struct config_dataplane *c, uint64_t tx_offloads, char *err, size_t cap)
{
	return create(c, false, tx_offloads, err, cap);
}

struct dp_chan *dp_channel(struct dp *dp)
{
	return dp->ch;
}

int dp_set_filters(struct dp *dp, const struct config *c)
{
	struct dp_chan *ch = dp->ch;

	if (c->nb_filters && !(ch->filters = filter_set_create(c)))
		return -errno;
	if (c->nb_address_lists &&
		!(ch->lists = lists_create(c, dp->nb_workers, dp_sessions_per_worker(dp->c))))
		return -ENOMEM;
	return 0;
}

struct worker *dp_worker(struct dp *dp, unsigned int i)
{
	return i < dp->nb_workers ? dp->workers[i] : NULL;
}

const struct port *dp_port(const struct dp *dp, bool access)
{
	return access ? &dp->access : &dp->core;
}

int dp_start(struct dp *dp)
{
	dp->started = true;
	for (unsigned int i = 0; i < dp->nb_workers; i++) {
		int rc = rte_eal_remote_launch(worker_main, dp->workers[i], dp->lcore[i]);

		if (rc)
			return rc;
	}
	return 0;
}

static void stop_workers(struct dp *dp)
{
	for (unsigned int i = 0; i < dp->nb_workers; i++) {
		struct dp_msg *m;

		// The worker drains its ring all the time: room comes.
		while (!(m = dp_msg_alloc(dp->ch, DP_CMD_STOP, 0)))
			rte_delay_us_sleep(100);
		m->worker = (uint16_t)i;
		while (dp_send_command(dp->ch, m))
			rte_delay_us_sleep(100);
	}
	for (unsigned int i = 0; i < dp->nb_workers; i++)
		rte_eal_wait_lcore(dp->lcore[i]);
}

void dp_stop(struct dp *dp)
{
	if (dp->stopped)
		return;
	dp->stopped = true;
	if (dp->started)
		stop_workers(dp);
	for (unsigned int i = 0; i < dp->nb_workers; i++)
		if (dp->workers[i])
			worker_empty(dp->workers[i]);
	for (unsigned int i = 0; i < dp->nb_workers; i++)
		if (dp->workers[i])
			handover_empty(dp->workers[i]);
	close_ports(dp);
}

void dp_destroy(struct dp *dp)
{
	if (!dp)
		return;
	dp_stop(dp);
	for (unsigned int i = 0; i < dp->nb_workers; i++)
		worker_destroy(dp->workers[i]);
	dp_chan_destroy(dp->ch);
	for (unsigned int i = 0; i < dp->nb_workers; i++) {
		if (dp->small_pools[i] != dp->pools[i])
			rte_mempool_free(dp->small_pools[i]);
		rte_mempool_free(dp->pools[i]);
	}
	if (dp->own_eal)
		rte_eal_cleanup();
	free(dp);
}
