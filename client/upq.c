// SPDX-License-Identifier: BSD-3-Clause
#include "client/upq.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define NIL UPQ_FLOWS
#define QUANTUM 1514
#define SPARE_MAX 8u
#define COPY_MAX 8192u // shorter ones do not keep the room that they were read into

static_assert(offsetof(struct upq_packet, data) == offsetof(struct upq_packet, vnet) + GSO_VNET_LEN,
	"read in one piece");

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

// ---- memory

static void put_back(struct upq *q, struct upq_packet *p)
{
	if (p && p->whole_room && q->nb_spare < SPARE_MAX) {
		p->next = q->spare;
		q->spare = p;
		q->nb_spare++;
		return;
	}
	free(p);
}

struct upq_packet *upq_room(struct upq *q)
{
	if (q->room)
		return q->room;
	q->room = q->spare;
	if (q->room) {
		q->spare = q->room->next;
		q->nb_spare--;
		return q->room;
	}
	q->room = malloc(sizeof(*q->room) + UPQ_ROOM);
	if (q->room)
		q->room->whole_room = true;
	return q->room;
}

static struct upq_packet *copy_of(const void *ip, size_t len)
{
	struct upq_packet *p = malloc(sizeof(*p) + len);

	if (!p)
		return NULL;
	p->whole_room = false;
	memcpy(p->data, ip, len);
	return p;
}

// ---- packets of one flow

static bool pop(struct upq *q, struct upq_flow *f, struct upq_out *o)
{
	struct upq_packet *p = f->head;

	*o = (struct upq_out){.p = p};
	if (!p)
		return false;
	o->i = p->gone++;
	o->len = (uint32_t)gso_len(&p->gso, p->len, o->i);
	if (p->gone == p->n)
		f->head = p->next;
	f->bytes -= o->len;
	f->n--;
	q->bytes -= o->len;
	q->n--;
	return true;
}

// What was popped is not used any more.
static void drop(struct upq *q, const struct upq_out *o)
{
	if (o->p->gone == o->p->n && o->p != q->lent)
		put_back(q, o->p);
}

static void take_back(struct upq *q)
{
	struct upq_packet *p = q->lent;

	q->lent = NULL;
	if (p && p->gone == p->n)
		put_back(q, p);
}

// At the end of a flow: p and what of it is left.
static void push(struct upq *q, struct upq_flow *f, struct upq_packet *p)
{
	uint32_t n = p->n - p->gone,
		 bytes = p->len - p->gone * p->gso.size + (n - 1) * p->gso.hdr_len;

	p->next = NULL;
	if (f->head)
		f->tail->next = p;
	else
		f->head = p;
	f->tail = p;
	f->bytes += bytes;
	f->n += n;
	q->bytes += bytes;
	q->n += n;
}

// RFC 8290 4.1: half of the flow with the most bytes.
static void shed(struct upq *q)
{
	struct upq_flow *fat = q->flow;
	struct upq_out o;
	uint32_t n;

	for (unsigned int i = 1; i < UPQ_FLOWS; i++)
		if (q->flow[i].bytes > fat->bytes)
			fat = &q->flow[i];
	n = (fat->n + 1) / 2 < 64 ? (fat->n + 1) / 2 : 64;
	q->dropped += n;
	while (n-- && pop(q, fat, &o))
		drop(q, &o);
}

void upq_clear(struct upq *q)
{
	struct upq_packet *p;
	struct upq_out o;

	take_back(q);
	for (unsigned int i = 0; i < UPQ_FLOWS; i++)
		while (pop(q, &q->flow[i], &o))
			drop(q, &o);
	while ((p = q->spare)) {
		q->spare = p->next;
		free(p);
	}
	free(q->room);
	upq_init(q, q->seed);
}

static void enqueue(struct upq *q, struct upq_packet *p, const struct gso *g, uint64_t now_us)
{
	struct upq_flow *f = find(q, p->data, p->len);

	p->at_us = now_us;
	p->gone = 0;
	p->gso = *g;
	push(q, f, p);
	if (f->list == LIST_NONE) {
		f->deficit = QUANTUM;
		append(q, f, LIST_FRESH);
	}
	while (q->n > UPQ_PACKETS_MAX || q->bytes > UPQ_BYTES_MAX)
		shed(q);
}

bool upq_put_room(struct upq *q, size_t len, const struct gso *g, uint64_t now_us)
{
	struct upq_packet *p = q->room;

	if (len <= COPY_MAX)
		p = copy_of(p->data, len);
	else
		q->room = NULL;
	if (!p) {
		q->dropped += gso_count(g, len);
		return false;
	}
	p->len = (uint32_t)len;
	p->n = gso_count(g, len);
	enqueue(q, p, g, now_us);
	return true;
}

bool upq_put(struct upq *q, const void *ip, size_t len, uint64_t now_us)
{
	static const struct gso itself;
	struct upq_packet *p = copy_of(ip, len);

	if (!p) {
		q->dropped++;
		return false;
	}
	p->len = (uint32_t)len;
	p->n = 1;
	enqueue(q, p, &itself, now_us);
	return true;
}

unsigned int upq_drop_if(struct upq *q,
	bool (*unfit)(const void *user, const uint8_t *ip, size_t len), const void *user)
{
	struct upq_packet *p, *next;
	unsigned int n = 0;

	for (unsigned int i = 0; i < UPQ_FLOWS; i++) {
		struct upq_flow *f = &q->flow[i];

		p = f->head;
		q->n -= f->n;
		q->bytes -= f->bytes;
		f->head = NULL;
		f->n = f->bytes = 0;
		for (; p; p = next) {
			next = p->next;
			if (!unfit(user, p->data, p->len)) {
				push(q, f, p);
				continue;
			}
			n += p->n - p->gone;
			p->gone = p->n;
			if (p != q->lent)
				put_back(q, p);
		}
	}
	q->dropped += n;
	return n;
}

// RFC 8290 4.2: the next packet of one flow that CoDel lets pass.
static bool flow_get(struct upq *q, struct upq_flow *f, struct upq_out *o, uint64_t now_us)
{
	while (pop(q, f, o)) {
		if (!codel_drop(&f->codel, now_us - o->p->at_us, f->n + 1, now_us))
			return true;
		q->dropped++;
		drop(q, o);
	}
	return false;
}

bool upq_get(struct upq *q, struct upq_out *o, uint64_t now_us)
{
	take_back(q);
	while (q->fresh.head != NIL || q->old.head != NIL) {
		bool fresh = q->fresh.head != NIL;
		struct upq_list *l = fresh ? &q->fresh : &q->old;
		struct upq_flow *f = &q->flow[l->head];

		if (f->deficit <= 0) {
			f->deficit += QUANTUM;
			take_first(q, l);
			append(q, f, LIST_OLD);
			continue;
		}
		if (flow_get(q, f, o, now_us)) {
			f->deficit -= (int32_t)o->len;
			q->lent = o->p;
			return true;
		}
		// One that comes back at once must not overtake the others for ever.
		take_first(q, l);
		if (fresh && q->old.head != NIL)
			append(q, f, LIST_OLD);
	}
	*o = (struct upq_out){0};
	return false;
}
