// SPDX-License-Identifier: BSD-3-Clause
#include <rte_common.h>

#include "dataplane/mbuf.h"

struct rte_mempool *mbuf_pool_create(const char *name, unsigned int n, int socket)
{
	// A per-core cache may hold half as much again as its size; keep caches of small pools from
	// hiding most of their mbufs.
	unsigned int cache = RTE_MIN(256u, n / 8);

	return rte_pktmbuf_pool_create(name, n, cache,
		RTE_ALIGN(MBUF_PRIV_SIZE, RTE_MBUF_PRIV_ALIGN), MBUF_DATA_ROOM, socket);
}
