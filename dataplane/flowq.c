// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/flowq.h"

#include <string.h>
#include <netinet/in.h>
#include <rte_hash_crc.h>
#include <rte_ip.h>

#define NIL FLOWQ_FLOWS

enum flowq_list_id { LIST_NONE, LIST_FRESH, LIST_OLD };

// ---- which flow

// Ports, or an echo's identifier. at: behind the IP header.
static uint32_t ports_of(const struct rte_mbuf *m, uint32_t at, uint8_t proto)
{
	uint32_t v = 0;
	uint16_t id;

	if (m->data_len < at + 8)
		return 0;
	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6) {
		memcpy(&id, rte_pktmbuf_mtod_offset(m, const char *, at + 4), sizeof(id));
		return id;
	}
	if (proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
		proto == IPPROTO_ESP)
		memcpy(&v, rte_pktmbuf_mtod_offset(m, const char *, at), sizeof(v));
	return v;
}

// Both addresses, which lie together. n: bytes, a multiple of 8 up to 32.
static uint32_t hash_addresses(const void *p, uint32_t n, uint32_t seed)
{
	uint64_t a[4]; // the packet lies anywhere

	memcpy(a, p, n);
	return rte_hash_crc(a, n, seed);
}

static uint32_t hash4(const struct rte_mbuf *m, uint32_t seed)
{
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);
	uint32_t h = hash_addresses(&ip->src_addr, 8, seed), ports = 0;

	// All fragments of a packet go one way.
	if (!(ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)))
		ports = ports_of(m, rte_ipv4_hdr_len(ip), ip->next_proto_id);
	return rte_hash_crc_4byte(ports ^ (uint32_t)ip->next_proto_id << 8, h);
}

static uint32_t hash6(const struct rte_mbuf *m, uint32_t seed)
{
	const struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv6_hdr *);
	uint32_t h = hash_addresses(ip->src_addr, 32, seed);

	return rte_hash_crc_4byte(
		ports_of(m, sizeof(*ip), ip->proto) ^ (uint32_t)ip->proto << 8, h);
}

static uint32_t hash(const struct rte_mbuf *m, uint32_t seed)
{
	if (m->data_len >= sizeof(struct rte_ipv4_hdr) &&
		*rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 4)
		return hash4(m, seed);
	return m->data_len >= sizeof(struct rte_ipv6_hdr) ? hash6(m, seed) : seed;
}

// The flow's place: its own, else a free one, else one that it shares.
static struct flowq_flow *find(struct flowq *f, const struct rte_mbuf *m)
{
	uint32_t h = hash(m, f->seed);
	uint16_t tag = (uint16_t)(h >> 16);
	struct flowq_flow *set = &f->flow[h % (FLOWQ_FLOWS / FLOWQ_WAYS) * FLOWQ_WAYS];
	struct flowq_flow *unused = NULL;

	for (unsigned int i = 0; i < FLOWQ_WAYS; i++) {
		if (set[i].tag == tag)
			return &set[i];
		if (!unused && set[i].list == LIST_NONE)
			unused = &set[i];
	}
	if (!unused)
		return &set[tag % FLOWQ_WAYS];
	unused->tag = tag;
	memset(&unused->codel, 0, sizeof(unused->codel));
	return unused;
}

// ---- lists of flows

static void append(struct flowq *f, struct flowq_flow *w, enum flowq_list_id id)
{
	struct flowq_list *l = id == LIST_FRESH ? &f->fresh : &f->old;
	uint8_t at = (uint8_t)(w - f->flow);

	w->list = (uint8_t)id;
	w->next = NIL;
	if (l->head == NIL)
		l->head = at;
	else
		f->flow[l->tail].next = at;
	l->tail = at;
}

static void take_first(struct flowq *f, struct flowq_list *l)
{
	struct flowq_flow *w = &f->flow[l->head];

	l->head = w->next;
	w->list = LIST_NONE;
}

void flowq_init(struct flowq *f, uint32_t quantum, uint32_t seed, uint64_t now_us)
{
	memset(f, 0, sizeof(*f));
	f->fresh.head = f->old.head = NIL;
	f->quantum = quantum;
	f->seed = seed;
	f->stood_us = now_us;
}

// ---- in and out

void flowq_put(struct flowq *f, struct rte_mbuf *m)
{
	struct flowq_flow *w = find(f, m);

	mbufq_put(&w->q, m);
	f->len++;
	if (w->list != LIST_NONE)
		return;
	w->deficit = (int32_t)f->quantum;
	append(f, w, LIST_FRESH);
}

// RFC 8290 4.2: the next packet of one flow that CoDel lets pass.
static struct rte_mbuf *flow_get(
	struct flowq *f, struct flowq_flow *w, struct mbuf_queue *dropped, uint64_t now_us)
{
	struct rte_mbuf *m;

	while ((m = mbufq_get(&w->q))) {
		uint64_t sojourn = now_us - mbuf_priv(m)->sent_us;

		sojourn -= RTE_MIN(sojourn, f->slack_us);
		f->len--;
		if (sojourn >= CODEL_TARGET_US)
			f->stood_us = now_us;
		if (!codel_drop(&w->codel, sojourn, w->q.len + 1, now_us))
			return m;
		mbufq_put(dropped, m);
	}
	return NULL;
}

struct rte_mbuf *flowq_get(struct flowq *f, struct mbuf_queue *dropped, uint64_t now_us)
{
	while (f->fresh.head != NIL || f->old.head != NIL) {
		bool fresh = f->fresh.head != NIL;
		struct flowq_list *l = fresh ? &f->fresh : &f->old;
		struct flowq_flow *w = &f->flow[l->head];
		struct rte_mbuf *m;

		if (w->deficit <= 0) {
			w->deficit += (int32_t)f->quantum;
			take_first(f, l);
			append(f, w, LIST_OLD);
			continue;
		}
		m = flow_get(f, w, dropped, now_us);
		if (m) {
			w->deficit -= (int32_t)m->pkt_len;
			return m;
		}
		// One that comes back at once must not overtake the others for ever.
		take_first(f, l);
		if (fresh && f->old.head != NIL)
			append(f, w, LIST_OLD);
	}
	return NULL;
}

void flowq_shed(struct flowq *f, struct mbuf_queue *dropped)
{
	struct flowq_flow *fat = f->flow;
	uint32_t n;

	for (unsigned int i = 1; i < FLOWQ_FLOWS; i++)
		if (f->flow[i].q.len > fat->q.len)
			fat = &f->flow[i];
	n = RTE_MIN((fat->q.len + 1) / 2, (uint32_t)FLOWQ_SHED);
	f->len -= n;
	for (; n; n--)
		mbufq_put(dropped, mbufq_get(&fat->q));
}

void flowq_clear(struct flowq *f, struct mbuf_queue *dropped)
{
	struct rte_mbuf *m;

	for (unsigned int i = 0; i < FLOWQ_FLOWS; i++)
		while ((m = mbufq_get(&f->flow[i].q)))
			mbufq_put(dropped, m);
	f->len = 0;
	f->fresh.head = f->old.head = NIL;
	for (unsigned int i = 0; i < FLOWQ_FLOWS; i++)
		f->flow[i].list = LIST_NONE;
}
