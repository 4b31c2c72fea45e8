// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dp_chan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <rte_errno.h>

#include "base/secret.h"

#define X(name, help) #name,
static const char *const event_names[] = {DP_EVENT_LIST(X)};
static const char *const command_names[] = {DP_COMMAND_LIST(X)};
#undef X
#define X(name, text) text,
static const char *const reason_texts[] = {DP_REASON_LIST(X)};
#undef X
#define COUNTER(name, severity, help) {#name, help},
static const struct {
	const char *name, *help;
} counter_names[] = {
#include "dataplane/counters.def"
};
#undef COUNTER

const char *dp_event_name(unsigned int type)
{
	return type < DP_N_EVENTS ? event_names[type] : "unknown";
}

const char *dp_command_name(unsigned int type)
{
	return type < DP_N_COMMANDS ? command_names[type] : "unknown";
}

const char *dp_reason_text(unsigned int reason)
{
	return reason < DP_N_REASONS ? reason_texts[reason] : "unknown";
}

static void prefixes_level(void *arg, uint32_t *in_use, uint32_t *size)
{
	const struct dp_chan *ch = arg;

	*in_use = prefixtab_count(ch->prefixes) - ch->nb_connected_in;
	*size = 0;
}

static void addresses_level(void *arg, uint32_t *in_use, uint32_t *size)
{
	const struct dp_chan *ch = arg;

	*in_use = addrtab_count(ch->addrs) - ch->nb_local;
	*size = 0;
}

struct dp_chan *dp_chan_create(unsigned int nb_workers, unsigned int nb_msgs, uint32_t nb_addresses)
{
	struct dp_chan *ch;
	char name[RTE_RING_NAMESIZE];

	if (!nb_workers || nb_workers > DP_MAX_WORKERS) {
		rte_errno = EINVAL;
		return NULL;
	}
	ch = aligned_alloc(64, (sizeof(*ch) + 63) & ~(size_t)63);
	if (!ch) {
		rte_errno = ENOMEM;
		return NULL;
	}
	memset(ch, 0, sizeof(*ch));
	ch->nb_workers = nb_workers;
	ch->efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (ch->efd < 0) {
		rte_errno = errno;
		goto fail;
	}
	ch->msgs = rte_mempool_create("dp_msgs", nb_msgs, sizeof(struct dp_msg), 64, 0, NULL, NULL,
		NULL, NULL, SOCKET_ID_ANY, 0);
	ch->addrs = addrtab_create(nb_addresses);
	ch->prefixes = prefixtab_create(DP_PREFIXES_MAX(nb_addresses));
	if (!ch->msgs || !ch->addrs || !ch->prefixes)
		goto fail;
	for (unsigned int w = 0; w < nb_workers; w++) {
		snprintf(name, sizeof(name), "dp_cmd_%u", w);
		ch->cmd[w] = rte_ring_create(
			name, DP_RING_SIZE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		snprintf(name, sizeof(name), "dp_ev_%u", w);
		ch->ev[w] = rte_ring_create(
			name, DP_RING_SIZE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (!ch->cmd[w] || !ch->ev[w])
			goto fail;
	}
	dp_chan_add_level(ch, "messages", 0, dp_level_of_mempool, ch->msgs);
	dp_chan_add_level(ch, "addresses", 0, addresses_level, ch);
	dp_chan_add_level(ch, "prefixes", 0, prefixes_level, ch);
	return ch;
fail:
	dp_chan_destroy(ch);
	return NULL;
}

static void ring_drain(struct dp_chan *ch, struct rte_ring *r)
{
	void *m;

	while (r && rte_ring_dequeue(r, &m) == 0)
		dp_msg_free(ch, m);
}

void dp_chan_destroy(struct dp_chan *ch)
{
	if (!ch)
		return;
	for (unsigned int w = 0; w < ch->nb_workers; w++) {
		ring_drain(ch, ch->cmd[w]);
		ring_drain(ch, ch->ev[w]);
		rte_ring_free(ch->cmd[w]);
		rte_ring_free(ch->ev[w]);
	}
	rte_mempool_free(ch->msgs);
	addrtab_destroy(ch->addrs);
	prefixtab_destroy(ch->prefixes);
	filter_set_destroy(ch->filters);
	lists_destroy(ch->lists);
	if (ch->efd >= 0)
		close(ch->efd);
	free(ch);
}

void dp_level_of_mempool(void *mempool, uint32_t *in_use, uint32_t *size)
{
	struct rte_mempool *mp = mempool;

	*in_use = rte_mempool_in_use_count(mp);
	*size = mp->size;
}

void dp_chan_add_level(struct dp_chan *ch, const char *name, unsigned int worker,
	void (*get)(void *arg, uint32_t *in_use, uint32_t *size), void *arg)
{
	struct dp_level *l;

	if (ch->nb_levels == DP_MAX_POOLS)
		return;
	l = &ch->levels[ch->nb_levels++];
	if (ch->nb_workers > 1 && worker)
		snprintf(l->name, sizeof(l->name), "%s-%u", name, worker);
	else
		snprintf(l->name, sizeof(l->name), "%s", name);
	l->get = get;
	l->arg = arg;
}

bool dp_pool(const struct dp_chan *ch, unsigned int i, struct dp_pool_level *v)
{
	if (i >= ch->nb_levels)
		return false;
	v->name = ch->levels[i].name;
	ch->levels[i].get(ch->levels[i].arg, &v->in_use, &v->size);
	return true;
}

bool dp_counter(
	const struct dp_chan *ch, unsigned int worker, unsigned int i, struct dp_counter_value *v)
{
	if (worker >= ch->nb_workers || i >= CNT_N || !ch->counters[worker])
		return false;
	v->name = counter_names[i].name;
	v->help = counter_names[i].help;
	// One writer, and a reader that may see a count late: no order is needed.
	v->value = __atomic_load_n(&ch->counters[worker]->v[i], __ATOMIC_RELAXED);
	return true;
}

unsigned int dp_chan_nb_workers(const struct dp_chan *ch)
{
	return ch->nb_workers;
}

struct dp_msg *dp_msg_alloc(struct dp_chan *ch, unsigned int type, dp_handle h)
{
	struct dp_msg *m;

	if (rte_mempool_get(ch->msgs, (void **)&m))
		return NULL;
	m->handle = h;
	m->type = (uint16_t)type;
	m->worker = 0;
	m->len = 0;
	memset(&m->u, 0, sizeof(m->u));
	return m;
}

void dp_msg_free(struct dp_chan *ch, struct dp_msg *m)
{
	if (!m)
		return;
	// Keys, and passwords in PAP frames.
	secret_wipe(&m->u, sizeof(m->u));
	secret_wipe(m->data, m->len <= sizeof(m->data) ? m->len : sizeof(m->data));
	rte_mempool_put(ch->msgs, m);
}

int dp_send_command(struct dp_chan *ch, struct dp_msg *m)
{
	bool to_worker =
		m->type == DP_CMD_LISTEN || m->type == DP_CMD_ADMIT || m->type == DP_CMD_STOP;
	unsigned int w = to_worker ? m->worker : dp_handle_worker(m->handle);

	if (w >= ch->nb_workers)
		return -EINVAL;
	// Without its place in an address list a session would pass filters that are meant for it.
	if (ch->lists && m->type == DP_CMD_OPEN_DATA && lists_join(ch->lists, m)) {
		m->type = DP_CMD_CLOSE;
		memset(&m->u, 0, sizeof(m->u));
		m->u.close.abort = true;
	}
	if (ch->lists && m->type == DP_CMD_CLOSE_DATA)
		lists_leave(ch->lists, m->handle);
	return rte_ring_enqueue(ch->cmd[w], m) ? -ENOBUFS : 0;
}

unsigned int dp_recv_events(struct dp_chan *ch, struct dp_msg **m, unsigned int n)
{
	unsigned int got = 0;

	for (unsigned int i = 0; i < ch->nb_workers && got < n; i++) {
		unsigned int w = (ch->next_worker + i) % ch->nb_workers;

		got += rte_ring_dequeue_burst(ch->ev[w], (void **)&m[got], n - got, NULL);
	}
	// The next call starts with another worker, so that a busy one cannot starve the others.
	ch->next_worker = (ch->next_worker + 1) % ch->nb_workers;
	for (unsigned int i = 0; ch->lists && i < got; i++)
		if (m[i]->type == DP_EV_CLOSED)
			lists_leave(ch->lists, m[i]->handle);
	return got;
}

int dp_event_fd(const struct dp_chan *ch)
{
	return ch->efd;
}

bool dp_arm(struct dp_chan *ch)
{
	// Sequentially consistent with dp_send_event(): either the worker sees armed, or we see its
	// event.
	atomic_store(&ch->armed, true);
	for (unsigned int w = 0; w < ch->nb_workers; w++) {
		if (rte_ring_empty(ch->ev[w]))
			continue;
		atomic_store(&ch->armed, false);
		return false;
	}
	return true;
}

void dp_disarm(struct dp_chan *ch)
{
	uint64_t n;

	atomic_store(&ch->armed, false);
	// Nothing to read is the ordinary case when a timer woke the thread.
	while (read(ch->efd, &n, sizeof(n)) < 0 && errno == EINTR)
		;
}

void dp_send_event(struct dp_chan *ch, unsigned int worker, struct dp_msg *m)
{
	m->worker = (uint16_t)worker;
	if (unlikely(rte_ring_enqueue(ch->ev[worker], m))) {
		dp_msg_free(ch, m);
		return;
	}
	// Partner: dp_arm(). The fence keeps the ring's store in front of the load of armed.
	atomic_thread_fence(memory_order_seq_cst);
	if (unlikely(atomic_load_explicit(&ch->armed, memory_order_relaxed)) &&
		atomic_exchange(&ch->armed, false)) {
		uint64_t one = 1;
		ssize_t rc = write(ch->efd, &one, sizeof(one));

		(void)rc; // a full counter wakes as well
	}
}

int dp_address_publish(struct dp_chan *ch, uint32_t addr, dp_handle h)
{
	return addrtab_insert(ch->addrs, addr, dp_handle_ref(h));
}

int dp_address_withdraw(struct dp_chan *ch, uint32_t addr)
{
	return addrtab_remove(ch->addrs, addr);
}

void dp_connected_add(struct dp_chan *ch, const struct in6_addr *prefix, uint8_t plen)
{
	if (ch->nb_connected < RTE_DIM(ch->connected))
		ch->connected[ch->nb_connected++] = (struct dp_connected){*prefix, plen};
}

int dp_prefix_publish(struct dp_chan *ch, const struct in6_addr *prefix, uint8_t plen,
	uint32_t metric, dp_handle h)
{
	// Workers look into an empty table for nothing: core's prefixes come with the first other.
	for (; ch->nb_connected_in < ch->nb_connected; ch->nb_connected_in++) {
		const struct dp_connected *c = &ch->connected[ch->nb_connected_in];

		if (prefixtab_insert(ch->prefixes, &c->prefix, c->plen, 0, DP_REF_CORE))
			return -ENOSPC;
	}
	return prefixtab_insert(ch->prefixes, prefix, plen, metric, dp_handle_ref(h));
}

int dp_prefix_withdraw(struct dp_chan *ch, const struct in6_addr *prefix, uint8_t plen, dp_handle h)
{
	return prefixtab_remove(ch->prefixes, prefix, plen, dp_handle_ref(h));
}

int dp_local_address_add(struct dp_chan *ch, uint32_t addr)
{
	uint32_t ref;
	int rc;

	addrtab_lookup(ch->addrs, &addr, &ref, 1);
	if (ref == DP_REF_LOCAL)
		return 0;
	rc = addrtab_insert(ch->addrs, addr, DP_REF_LOCAL);
	if (rc == 0)
		ch->nb_local++;
	return rc;
}

int dp_pool_range_add(struct dp_chan *ch, uint32_t first, uint32_t last)
{
	if (ch->nb_ranges == DP_MAX_RANGES)
		return -ENOSPC;
	ch->ranges[ch->nb_ranges++] = (struct dp_range){first, last};
	return 0;
}

bool dp_address_known(const struct dp_chan *ch, uint32_t addr)
{
	uint32_t ref;

	for (unsigned int i = 0; i < ch->nb_ranges; i++)
		if (addr >= ch->ranges[i].first && addr <= ch->ranges[i].last)
			return true;
	addrtab_lookup(ch->addrs, &addr, &ref, 1);
	return ref != 0;
}
