// SPDX-License-Identifier: BSD-3-Clause
// Queues of mbufs, linked by mbuf_priv.next. One thread.
#pragma once

#include <stdint.h>

#include "dataplane/mbuf.h"

struct mbuf_queue {
	struct rte_mbuf *head, *tail;
	uint32_t len; // mbufs
};

static inline void mbufq_put(struct mbuf_queue *q, struct rte_mbuf *m)
{
	mbuf_priv(m)->next = NULL;
	if (q->tail)
		mbuf_priv(q->tail)->next = m;
	else
		q->head = m;
	q->tail = m;
	q->len++;
}

static inline void mbufq_put_head(struct mbuf_queue *q, struct rte_mbuf *m)
{
	mbuf_priv(m)->next = q->head;
	q->head = m;
	if (!q->tail)
		q->tail = m;
	q->len++;
}

static inline struct rte_mbuf *mbufq_get(struct mbuf_queue *q)
{
	struct rte_mbuf *m = q->head;

	if (!m)
		return NULL;
	q->head = mbuf_priv(m)->next;
	if (!q->head)
		q->tail = NULL;
	q->len--;
	return m;
}

static inline void mbufq_free(struct mbuf_queue *q)
{
	struct rte_mbuf *m;

	while ((m = mbufq_get(q)))
		rte_pktmbuf_free(m);
}
