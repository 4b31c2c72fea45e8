// SPDX-License-Identifier: BSD-3-Clause
#include "client/upq.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define NIL UPQ_FLOWS
#define QUANTUM 1514

enum upq_list_id { LIST_NONE, LIST_FRESH, LIST_OLD };

void upq_init(struct upq *q, uint32_t seed)
{
	memset(q, 0, sizeof(*q));
	q->fresh.head = q->old.head = NIL;
	q->seed = seed;
}

// ---- which flow

static uint32_t mix(uint32_t h, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x01000193u; // FNV-1a
	return h;
}

// Ports, or an echo's identifier, behind the IP header.
static uint32_t mix_ports(uint32_t h, uint8_t proto, const uint8_t *p, size_t n)
{
	switch (proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
	case IPPROTO_ESP:
		return n >= 4 ? mix(h, p, 4) : h;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return n >= 6 ? mix(h, p + 4, 2) : h;
	default:
		return h;
	}
}

static uint32_t flow_hash(uint32_t h, const uint8_t *p, size_t n)
{
	if (n >= 20 && p[0] >> 4 == 4) {
		size_t hdr = (size_t)(p[0] & 0x0f) * 4;
		bool fragment = (p[6] & 0x3f) || p[7];

		h = mix(mix(h, p + 12, 8), p + 9, 1);
		// All fragments of a packet go one way.
		if (!fragment && n > hdr)
			h = mix_ports(h, p[9], p + hdr, n - hdr);
	} else if (n >= 40 && p[0] >> 4 == 6) {
		h = mix(mix(h, p + 8, 32), p + 6, 1);
		h = mix_ports(h, p[6], p + 40, n - 40);
	}
	return h ^ h >> 15;
}

// The flow's place: its own, else a free one, else one that it shares.
static struct upq_flow *find(struct upq *q, const uint8_t *ip, size_t len)
{
	uint32_t h = flow_hash(q->seed ^ 0x811c9dc5u, ip, len), tag = h / (UPQ_FLOWS / UPQ_WAYS);
	struct upq_flow *set = &q->flow[h % (UPQ_FLOWS / UPQ_WAYS) * UPQ_WAYS], *unused = NULL;

	for (unsigned int i = 0; i < UPQ_WAYS; i++) {
		if (set[i].tag == tag)
			return &set[i];
		if (!unused && set[i].list == LIST_NONE)
			unused = &set[i];
	}
	if (!unused)
		return &set[tag % UPQ_WAYS];
	unused->tag = tag;
	memset(&unused->codel, 0, sizeof(unused->codel));
	return unused;
}

// ---- lists of flows

static void append(struct upq *q, struct upq_flow *f, enum upq_list_id id)
{
	struct upq_list *l = id == LIST_FRESH ? &q->fresh : &q->old;
	uint8_t at = (uint8_t)(f - q->flow);

	f->list = (uint8_t)id;
	f->next = NIL;
	if (l->head == NIL)
		l->head = at;
	else
		q->flow[l->tail].next = at;
	l->tail = at;
}

static void take_first(struct upq *q, struct upq_list *l)
{
	struct upq_flow *f = &q->flow[l->head];

	l->head = f->next;
	f->list = LIST_NONE;
}

// ---- packets of one flow

static struct upq_packet *pop(struct upq *q, struct upq_flow *f)
{
	struct upq_packet *p = f->head;

	if (!p)
		return NULL;
	f->head = p->next;
	f->bytes -= p->len;
	f->n--;
	q->bytes -= p->len;
	q->n--;
	return p;
}

static void push(struct upq *q, struct upq_flow *f, struct upq_packet *p)
{
	p->next = NULL;
	if (f->head)
		f->tail->next = p;
	else
		f->head = p;
	f->tail = p;
	f->bytes += p->len;
	f->n++;
	q->bytes += p->len;
	q->n++;
}

// RFC 8290 4.1: half of the flow with the most bytes.
static void shed(struct upq *q)
{
	struct upq_flow *fat = q->flow;
	uint32_t n;

	for (unsigned int i = 1; i < UPQ_FLOWS; i++)
		if (q->flow[i].bytes > fat->bytes)
			fat = &q->flow[i];
	n = (fat->n + 1) / 2 < 64 ? (fat->n + 1) / 2 : 64;
	q->dropped += n;
	while (n--)
		free(pop(q, fat));
}

void upq_clear(struct upq *q)
{
	for (unsigned int i = 0; i < UPQ_FLOWS; i++)
		while (q->flow[i].head)
			free(pop(q, &q->flow[i]));
	upq_init(q, q->seed);
}

bool upq_put(struct upq *q, const void *ip, size_t len, uint64_t now_us)
{
	struct upq_packet *p = malloc(sizeof(*p) + len);
	struct upq_flow *f;

	if (!p) {
		q->dropped++;
		return false;
	}
	p->at_us = now_us;
	p->len = (uint32_t)len;
	memcpy(p->data, ip, len);
	f = find(q, p->data, len);
	push(q, f, p);
	if (f->list == LIST_NONE) {
		f->deficit = QUANTUM;
		append(q, f, LIST_FRESH);
	}
	if (q->n > UPQ_PACKETS_MAX || q->bytes > UPQ_BYTES_MAX)
		shed(q);
	return true;
}

unsigned int upq_drop_if(struct upq *q,
	bool (*unfit)(const void *user, const uint8_t *ip, size_t len), const void *user)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < UPQ_FLOWS; i++) {
		struct upq_flow *f = &q->flow[i];
		struct upq_packet *p;

		// Taken out one by one, and back at the end if they fit.
		for (uint32_t left = f->n; left; left--) {
			p = pop(q, f);
			if (unfit(user, p->data, p->len)) {
				free(p);
				n++;
			} else {
				push(q, f, p);
			}
		}
	}
	q->dropped += n;
	return n;
}

// RFC 8290 4.2: the next packet of one flow that CoDel lets pass.
static struct upq_packet *flow_get(struct upq *q, struct upq_flow *f, uint64_t now_us)
{
	struct upq_packet *p;

	while ((p = pop(q, f))) {
		if (!codel_drop(&f->codel, now_us - p->at_us, f->n + 1, now_us))
			return p;
		q->dropped++;
		free(p);
	}
	return NULL;
}

struct upq_packet *upq_get(struct upq *q, uint64_t now_us)
{
	while (q->fresh.head != NIL || q->old.head != NIL) {
		bool fresh = q->fresh.head != NIL;
		struct upq_list *l = fresh ? &q->fresh : &q->old;
		struct upq_flow *f = &q->flow[l->head];
		struct upq_packet *p;

		if (f->deficit <= 0) {
			f->deficit += QUANTUM;
			take_first(q, l);
			append(q, f, LIST_OLD);
			continue;
		}
		p = flow_get(q, f, now_us);
		if (p) {
			f->deficit -= (int32_t)p->len;
			return p;
		}
		// One that comes back at once must not overtake the others for ever.
		take_first(q, l);
		if (fresh && q->old.head != NIL)
			append(q, f, LIST_OLD);
	}
	return NULL;
}
