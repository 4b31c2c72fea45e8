// SPDX-License-Identifier: BSD-3-Clause
#include <rte_common.h>
#include <rte_errno.h>
#include <rte_mbuf_dyn.h>

#include "dataplane/mbuf.h"

struct rte_mempool *mbuf_pool_create(const char *name, unsigned int n, int socket)
{
	// A per-core cache may hold half as much again as its size; keep caches of small pools from
	// hiding most of their mbufs.
	unsigned int cache = RTE_MIN(256u, n / 8);
	static const struct rte_mbuf_dynfield field = {.name = "culvert_mbuf_priv",
		.size = sizeof(struct mbuf_priv),
		.align = __alignof__(struct mbuf_priv)};

	if (rte_mbuf_dynfield_register_offset(&field, MBUF_PRIV_OFFSET) != (int)MBUF_PRIV_OFFSET) {
		rte_errno = EBUSY;
		return NULL;
	}
	return rte_pktmbuf_pool_create(name, n, cache, 0, MBUF_DATA_ROOM, socket);
}
