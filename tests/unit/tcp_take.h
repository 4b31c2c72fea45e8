// SPDX-License-Identifier: BSD-3-Clause
// The first received mbuf out of a connection's queue, if it is exactly n bytes of payload, by
// tcp_keep() and tcp_consume(). NULL: not so. The mbuf is the caller's.
#pragma once

#include "dataplane/tcp.h"

static inline struct rte_mbuf *tcp_take(struct tcp_conn *c, uint32_t n, uint64_t now_us)
{
	struct tcp_slice sl;
	uint32_t bytes;

	if (!n || tcp_peek(c, 0, &sl, 1, &bytes) != 1 || sl.len != n)
		return NULL;
	tcp_keep(sl.m);
	sl.m->data_off = (uint16_t)(sl.p - (uint8_t *)sl.m->buf_addr);
	sl.m->data_len = (uint16_t)n;
	sl.m->pkt_len = n;
	tcp_consume(c, n, now_us);
	return sl.m;
}
