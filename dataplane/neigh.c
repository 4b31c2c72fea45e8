// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/neigh.h"

#include <errno.h>
#include <rte_jhash.h>
#include <rte_malloc.h>

#include "dataplane/netif_int.h"

#define TICK_MAX 64       // timers of one kind handled in one call
#define GC_PER_TICK 4     // 4096 entries are looked through in about 10 s
#define SECOND_CHANCES 16 // entries in use that an eviction passes over
#define RECENT_US 5000000

int neigh_table_init(struct neigh_table *t, uint32_t max, uint32_t seed)
{
	uint32_t buckets, i;

	t->max = RTE_MAX(max, 16u);
	buckets = rte_align32pow2(t->max);
	t->bucket_mask = buckets - 1;
	t->seed = seed;
	t->entries = rte_zmalloc("neigh", t->max * sizeof(*t->entries), RTE_CACHE_LINE_SIZE);
	t->buckets = rte_zmalloc("neigh", buckets * sizeof(*t->buckets), RTE_CACHE_LINE_SIZE);
	if (!t->entries || !t->buckets) {
		rte_free(t->entries);
		rte_free(t->buckets);
		return -ENOMEM;
	}
	for (i = 0; i < NEIGH_N_LISTS; i++)
		TAILQ_INIT(&t->lists[i]);
	for (i = 0; i < t->max; i++)
		TAILQ_INSERT_TAIL(&t->lists[NEIGH_L_FREE], &t->entries[i], link);
	t->nb[NEIGH_L_FREE] = t->max;
	return 0;
}

static void drop_held(struct neigh_table *t, struct neigh *e)
{
	if (e->nb_held)
		rte_pktmbuf_free_bulk(e->held, e->nb_held);
	t->nb_held -= e->nb_held;
	e->nb_held = 0;
}

void neigh_table_fini(struct neigh_table *t)
{
	uint32_t i;

	for (i = 0; i < t->max; i++)
		drop_held(t, &t->entries[i]);
	rte_free(t->entries);
	rte_free(t->buckets);
}

static uint32_t *bucket_of(const struct neigh_table *t, const struct ipaddr *addr)
{
	return &t->buckets[rte_jhash_32b(addr->w, 4, t->seed) & t->bucket_mask];
}

struct neigh *neigh_find(const struct neigh_table *t, const struct ipaddr *addr)
{
	uint32_t i = *bucket_of(t, addr);

	while (i && !ipaddr_equal(&t->entries[i - 1].addr, addr))
		i = t->entries[i - 1].hash_next;
	return i ? &t->entries[i - 1] : NULL;
}

static void move(struct neigh_table *t, struct neigh *e, enum neigh_list list)
{
	TAILQ_REMOVE(&t->lists[e->list], e, link);
	t->nb[e->list]--;
	e->list = list;
	TAILQ_INSERT_TAIL(&t->lists[list], e, link);
	t->nb[list]++;
}

static void move_timed(
	struct neigh_table *t, struct neigh *e, enum neigh_list list, uint64_t due_us)
{
	e->due_us = due_us;
	move(t, e, list);
}

static void move_settled(struct neigh_table *t, struct neigh *e)
{
	move(t, e, e->sent || e->pinned ? NEIGH_L_ACTIVE : NEIGH_L_PASSIVE);
}

static void forget(struct netif *n, struct neigh *e, enum counter why)
{
	struct neigh_table *t = &n->neigh;
	uint32_t *at, index = (uint32_t)(e - t->entries) + 1;

	n->cnt->v[why] += e->nb_held;
	drop_held(t, e);
	if (e->pinned) {
		e->state = NEIGH_NONE;
		move_settled(t, e);
		return;
	}
	for (at = bucket_of(t, &e->addr); *at != index; at = &t->entries[*at - 1].hash_next)
		;
	*at = e->hash_next;
	if (n->hot4 == e)
		n->hot4 = NULL;
	e->state = NEIGH_NONE;
	move(t, e, NEIGH_L_FREE);
}

static struct neigh *oldest(struct neigh_table *t, enum neigh_list list)
{
	struct neigh *e;

	TAILQ_FOREACH(e, &t->lists[list], link)
	{
		if (!e->pinned)
			return e;
	}
	return NULL;
}

// The settled neighbour that was used least recently, nearly: those in use go to the end once more.
static struct neigh *oldest_active(struct neigh_table *t, uint64_t now_us)
{
	struct neigh *e = oldest(t, NEIGH_L_ACTIVE);
	unsigned int i;

	for (i = 0; e && i < SECOND_CHANCES && now_us - e->used_us < RECENT_US; i++) {
		move(t, e, NEIGH_L_ACTIVE);
		e = oldest(t, NEIGH_L_ACTIVE);
	}
	return e;
}

// Make room. in_use: for a neighbour that a packet waits for; then others may go that were used.
static bool evict(struct netif *n, bool in_use, uint64_t now_us)
{
	struct neigh_table *t = &n->neigh;
	struct neigh *e = oldest(t, NEIGH_L_PASSIVE);

	if (!e && in_use)
		e = oldest(t, NEIGH_L_INCOMPLETE);
	if (!e && in_use)
		e = oldest_active(t, now_us);
	if (!e && in_use)
		e = oldest(t, NEIGH_L_DELAY);
	if (!e && in_use)
		e = oldest(t, NEIGH_L_PROBE);
	if (!e)
		return false;
	forget(n, e, CNT_neigh_queue_drop);
	return true;
}

static struct neigh *create(
	struct netif *n, const struct ipaddr *addr, bool in_use, uint64_t now_us)
{
	struct neigh_table *t = &n->neigh;
	uint32_t *bucket = bucket_of(t, addr);
	struct neigh *e;

	if (!t->nb[NEIGH_L_FREE] && !evict(n, in_use, now_us)) {
		COUNT(n->cnt, neigh_table_full);
		return NULL;
	}
	e = TAILQ_FIRST(&t->lists[NEIGH_L_FREE]);
	e->state = NEIGH_NONE;
	e->addr = *addr;
	e->sent = in_use;
	e->used_us = now_us;
	e->probes = 0;
	e->hash_next = *bucket;
	*bucket = (uint32_t)(e - t->entries) + 1;
	move_settled(t, e);
	return e;
}

struct neigh *neigh_get(struct netif *n, const struct ipaddr *addr, uint64_t now_us)
{
	struct neigh *e = neigh_find(&n->neigh, addr);

	return e ? e : create(n, addr, true, now_us);
}

static void solicit(struct netif *n, struct neigh *e)
{
	const struct rte_ether_addr *dst = e->state == NEIGH_PROBE ? neigh_mac(e) : NULL;

	e->probes++;
	if (ipaddr_is4(&e->addr))
		arp_solicit(n, e->addr.w[3], dst);
	else
		nd_solicit(n, &e->addr, dst);
}

void neigh_resolve(struct netif *n, struct neigh *e, uint64_t now_us)
{
	struct neigh_table *t = &n->neigh;
	struct neigh *old;

	if (e->state != NEIGH_NONE)
		return;
	if (t->nb[NEIGH_L_INCOMPLETE] >= t->max / 4) {
		old = oldest(t, NEIGH_L_INCOMPLETE);
		if (old)
			forget(n, old, CNT_neigh_queue_drop);
	}
	e->state = NEIGH_INCOMPLETE;
	e->probes = 0;
	move_timed(t, e, NEIGH_L_INCOMPLETE, now_us + NEIGH_RETRANS_US);
	solicit(n, e);
}

// Keep a packet until the neighbour answers; the oldest goes when there are too many (RFC 4861
// 7.2.2). What others still refer to (TCP's send queue may send it again meanwhile) is copied.
static void hold(struct netif *n, struct neigh *e, struct rte_mbuf *m)
{
	struct neigh_table *t = &n->neigh;
	struct rte_mbuf *copy;

	if (rte_mbuf_refcnt_read(m) != 1 || !RTE_MBUF_DIRECT(m)) {
		copy = rte_pktmbuf_copy(m, n->c.pool, 0, UINT32_MAX);
		rte_pktmbuf_free(m);
		if (!copy) {
			COUNT(n->cnt, mbuf_alloc_failed);
			return;
		}
		m = copy;
	}
	if (e->nb_held == NEIGH_HELD) {
		netif_drop(n, e->held[0], CNT_neigh_queue_drop);
		memmove(e->held, e->held + 1, (NEIGH_HELD - 1) * sizeof(e->held[0]));
		e->held[NEIGH_HELD - 1] = m;
		return;
	}
	if (t->nb_held >= NEIGH_HELD_ALL) {
		netif_drop(n, m, CNT_neigh_queue_drop);
		return;
	}
	e->held[e->nb_held++] = m;
	t->nb_held++;
}

void neigh_send(struct netif *n, struct neigh *e, struct rte_mbuf *m, uint64_t now_us)
{
	if (e->used_us != now_us)
		e->used_us = now_us;
	if (unlikely(!e->sent)) {
		e->sent = true;
		if (e->list == NEIGH_L_PASSIVE)
			move(&n->neigh, e, NEIGH_L_ACTIVE);
	}
	if (likely(e->state == NEIGH_REACHABLE && now_us < e->valid_us)) {
		netif_tx_l3(n, e, m);
		return;
	}
	switch (e->state) {
	case NEIGH_NONE:
		hold(n, e, m);
		neigh_resolve(n, e, now_us);
		return;
	case NEIGH_INCOMPLETE:
		hold(n, e, m);
		return;
	case NEIGH_REACHABLE:
	case NEIGH_STALE:
		e->state = NEIGH_DELAY;
		move_timed(&n->neigh, e, NEIGH_L_DELAY, now_us + NEIGH_DELAY_US);
		break;
	}
	netif_tx_l3(n, e, m);
}

static void send_held(struct netif *n, struct neigh *e)
{
	uint16_t i, nb = e->nb_held;

	n->neigh.nb_held -= nb;
	e->nb_held = 0;
	for (i = 0; i < nb; i++)
		netif_tx_l3(n, e, e->held[i]);
}

static void set_mac(struct netif *n, struct neigh *e, const struct rte_ether_addr *mac)
{
	netif_l2_header(
		n, e->l2, mac, ipaddr_is4(&e->addr) ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
}

void neigh_confirm(
	struct netif *n, struct neigh *e, const struct rte_ether_addr *mac, uint64_t now_us)
{
	set_mac(n, e, mac);
	e->state = NEIGH_REACHABLE;
	e->valid_us = now_us + NEIGH_REACHABLE_US / 2 + netif_random(n) % NEIGH_REACHABLE_US;
	move_settled(&n->neigh, e);
	send_held(n, e);
}

void neigh_seen(struct netif *n, struct neigh *e, const struct rte_ether_addr *mac, uint64_t now_us)
{
	if (e->state != NEIGH_NONE && e->state != NEIGH_INCOMPLETE &&
		rte_is_same_ether_addr(mac, neigh_mac(e)))
		return;
	set_mac(n, e, mac);
	e->state = NEIGH_STALE;
	move_settled(&n->neigh, e);
	send_held(n, e);
}

void neigh_doubt(struct netif *n, struct neigh *e)
{
	if (e->state == NEIGH_REACHABLE)
		e->state = NEIGH_STALE;
}

void neigh_learn(struct netif *n, const struct ipaddr *addr, const struct rte_ether_addr *mac,
	uint64_t now_us)
{
	struct neigh *e = neigh_find(&n->neigh, addr);

	if (!e)
		e = create(n, addr, false, now_us);
	if (e)
		neigh_seen(n, e, mac, now_us);
}

static struct neigh *due(struct neigh_table *t, enum neigh_list list, uint64_t now_us)
{
	struct neigh *e = TAILQ_FIRST(&t->lists[list]);

	return e && e->due_us <= now_us ? e : NULL;
}

// INCOMPLETE and PROBE: ask again, or give up.
static void retry(struct netif *n, struct neigh *e, uint64_t now_us)
{
	if (e->probes >= NEIGH_SOLICITS) {
		forget(n, e, CNT_neigh_unreachable);
		return;
	}
	move_timed(&n->neigh, e, e->list, now_us + NEIGH_RETRANS_US);
	solicit(n, e);
}

static void collect(struct netif *n, uint64_t now_us)
{
	struct neigh_table *t = &n->neigh;
	struct neigh *e;
	unsigned int i;

	for (i = 0; i < GC_PER_TICK; i++) {
		e = &t->entries[t->gc_at];
		t->gc_at = t->gc_at + 1 < t->max ? t->gc_at + 1 : 0;
		if ((e->list == NEIGH_L_ACTIVE || e->list == NEIGH_L_PASSIVE) && !e->pinned &&
			now_us - e->used_us > NEIGH_GC_US)
			forget(n, e, CNT_neigh_queue_drop);
	}
}

void neigh_tick(struct netif *n, uint64_t now_us)
{
	struct neigh_table *t = &n->neigh;
	struct neigh *e;
	unsigned int i;

	for (i = 0; i < TICK_MAX && (e = due(t, NEIGH_L_INCOMPLETE, now_us)); i++)
		retry(n, e, now_us);
	for (i = 0; i < TICK_MAX && (e = due(t, NEIGH_L_PROBE, now_us)); i++)
		retry(n, e, now_us);
	for (i = 0; i < TICK_MAX && (e = due(t, NEIGH_L_DELAY, now_us)); i++) {
		e->state = NEIGH_PROBE;
		e->probes = 0;
		move_timed(t, e, NEIGH_L_PROBE, now_us + NEIGH_RETRANS_US);
		solicit(n, e);
	}
	collect(n, now_us);
}
