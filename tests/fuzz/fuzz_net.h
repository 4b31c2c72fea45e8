// SPDX-License-Identifier: BSD-3-Clause
// For fuzz targets on mbufs: an EAL in ordinary memory, and packets whose last byte is the last of
// a heap allocation, so that the sanitizer sees every read past the end.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include "dataplane/cksum.h"
#include "dataplane/mbuf.h"
#include "tests/fuzz/fuzz_util.h"

#define FUZZ_POOL_SIZE 1023

static struct rte_mempool *fuzz_pool;

static inline void fuzz_net_init(void)
{
	static char prefix[48];
	static char *argv[] = {"fuzz", "--no-huge", "--no-shconf", "--no-telemetry", "--no-pci",
		"-m", "64", "--log-level=error", "--lcores=0@0", prefix, NULL};

	if (fuzz_pool)
		return;
	snprintf(prefix, sizeof(prefix), "--file-prefix=culvert-fuzz-%d", (int)getpid());
	MUST(rte_eal_init(10, argv) >= 0);
	rmdir(rte_eal_get_runtime_dir());
	fuzz_pool = rte_pktmbuf_pool_create(
		"fuzz", FUZZ_POOL_SIZE, 0, 0, MBUF_DATA_ROOM, SOCKET_ID_ANY);
	MUST(fuzz_pool);
}

struct fuzz_buf {
	struct rte_mbuf_ext_shared_info info;
	uint8_t *bytes;
};

static inline void fuzz_buf_free(void *addr, void *opaque)
{
	struct fuzz_buf *b = opaque;

	free(b->bytes);
	free(b);
}

static inline struct rte_mbuf *fuzz_mbuf(const uint8_t *data, uint16_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(fuzz_pool);
	struct fuzz_buf *b = malloc(sizeof(*b));
	const uint16_t room = RTE_PKTMBUF_HEADROOM + n;

	MUST(m && b);
	b->bytes = malloc(room);
	MUST(b->bytes);
	b->info.free_cb = fuzz_buf_free;
	b->info.fcb_opaque = b;
	rte_mbuf_ext_refcnt_set(&b->info, 1);
	rte_pktmbuf_attach_extbuf(m, b->bytes, RTE_BAD_IOVA, room, &b->info);
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->data_len = n;
	m->pkt_len = n;
	if (n)
		memcpy(b->bytes + RTE_PKTMBUF_HEADROOM, data, n);
	return m;
}

// Give an IPv4 header at p (n bytes there) the right checksum, if there is a header.
static inline void fuzz_fix_ip4(uint8_t *p, size_t n)
{
	size_t hlen = n ? (size_t)(p[0] & 15) * 4 : 0;
	uint16_t sum;

	if (n < 20 || hlen < 20 || hlen > n)
		return;
	memset(p + 10, 0, 2);
	sum = cksum_of(p, hlen);
	memcpy(p + 10, &sum, 2);
	if (p[9] != 1 || n < hlen + 4)
		return;
	n = RTE_MIN(n, (size_t)(p[2] << 8 | p[3]));
	if (n < hlen + 4)
		return;
	memset(p + hlen + 2, 0, 2);
	sum = cksum_of(p + hlen, n - hlen);
	memcpy(p + hlen + 2, &sum, 2);
}

static inline void fuzz_end(void)
{
	MUST(rte_mempool_avail_count(fuzz_pool) == FUZZ_POOL_SIZE);
}
