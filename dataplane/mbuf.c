// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>
#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf_dyn.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_memzone.h>

#include "dataplane/mbuf.h"

static void free_zone(struct rte_mempool_memhdr *hdr, void *zone)
{
	rte_memzone_free(zone);
}

// One piece of memory with mbufs back to back. By default DPDK lets no object cross a page, which
// leaves a third of the memory unused with 4 KiB pages; and net_af_xdp takes a pool for one piece
// of n times an mbuf's size, so that it drops what lies behind.
static int fill_in_one_piece(struct rte_mempool *p, unsigned int n, unsigned int elt_size)
{
	size_t len =
		(size_t)n * rte_mempool_calc_obj_size(elt_size, p->flags, NULL) + RTE_MEMPOOL_ALIGN;
	const struct rte_memzone *zone;
	char name[RTE_MEMZONE_NAMESIZE];
	int rc;

	snprintf(name, sizeof(name), "MB_%s", p->name);
	zone = rte_memzone_reserve(name, len, p->socket_id, 0);
	if (!zone)
		return -rte_errno;
	// Addresses for devices are virtual ones here, so they are in one piece as well.
	rc = rte_mempool_populate_iova(p, zone->addr, (rte_iova_t)(uintptr_t)zone->addr, zone->len,
		free_zone, (void *)(uintptr_t)zone);
	if (rc < 0)
		rte_memzone_free(zone);
	return rc < 0 ? rc : rc == (int)n ? 0 : -ENOMEM;
}

static struct rte_mempool *create_in_one_piece(
	const char *name, unsigned int n, unsigned int cache, uint16_t room, int socket)
{
	struct rte_pktmbuf_pool_private priv = {.mbuf_data_room_size = room};
	unsigned int elt_size = (unsigned int)sizeof(struct rte_mbuf) + room;
	struct rte_mempool *p = rte_mempool_create_empty(
		name, n, elt_size, cache, sizeof(priv), socket, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
	int rc;

	if (!p)
		return NULL;
	rc = rte_mempool_set_ops_byname(p, rte_mbuf_best_mempool_ops(), NULL);
	if (!rc) {
		rte_pktmbuf_pool_init(p, &priv);
		rc = fill_in_one_piece(p, n, elt_size);
	}
	if (rc) {
		rte_mempool_free(p);
		rte_errno = -rc;
		return NULL;
	}
	rte_mempool_obj_iter(p, rte_pktmbuf_init, NULL);
	return p;
}

struct rte_mempool *mbuf_pool_create(const char *name, unsigned int n, int socket)
{
	return mbuf_pool_create_room(name, n, MBUF_DATA_ROOM, socket);
}

struct rte_mempool *mbuf_pool_create_room(
	const char *name, unsigned int n, uint16_t room, int socket)
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
	if (rte_eal_iova_mode() == RTE_IOVA_VA || !rte_eal_has_hugepages())
		return create_in_one_piece(name, n, cache, room, socket);
	return rte_pktmbuf_pool_create(name, n, cache, 0, room, socket);
}

// In the state in which a pool keeps them, but for the owner.
static inline bool ordinary(const struct rte_mbuf *m)
{
	return rte_mbuf_refcnt_read(m) == 1 && RTE_MBUF_DIRECT(m) && m->nb_segs == 1 && !m->next;
}

void mbuf_free_bulk(struct rte_mbuf **m, unsigned int n)
{
	struct rte_mempool *pool = n ? m[0]->pool : NULL;
	unsigned int k = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (likely(m[i]->pool == pool && ordinary(m[i])))
			m[k++] = m[i];
		else
			rte_pktmbuf_free(m[i]);
	}
	if (k)
		rte_mempool_put_bulk(pool, (void **)m, k);
}
