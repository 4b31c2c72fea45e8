// SPDX-License-Identifier: BSD-3-Clause
// For tests of mbuf code without a NIC: an EAL in ordinary memory, a pool, packets by hand.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include "dataplane/cksum.h"
#include "dataplane/mbuf.h"

#define NET_POOL_SIZE 4095

static struct rte_mempool *net_pool;

static inline void net_init(void)
{
	static char prefix[48];
	char *argv[] = {"test", "--no-huge", "--no-shconf", "--no-telemetry", "--no-pci", "-m",
		"64", "--log-level=error", "--lcores=0@0", prefix, NULL};

	snprintf(prefix, sizeof(prefix), "--file-prefix=culvert-test-%d", (int)getpid());
	if (rte_eal_init(10, argv) < 0)
		_exit(2);
	rmdir(rte_eal_get_runtime_dir());
	net_pool =
		rte_pktmbuf_pool_create("net", NET_POOL_SIZE, 0, 0, MBUF_DATA_ROOM, SOCKET_ID_ANY);
	if (!net_pool)
		_exit(2);
}

// An mbuf with these bytes, as a driver would receive them.
static inline struct rte_mbuf *net_mbuf(const void *bytes, size_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(net_pool);

	assert_non_null(m);
	assert_true(n <= rte_pktmbuf_tailroom(m));
	memcpy(rte_pktmbuf_mtod(m, void *), bytes, n);
	m->data_len = (uint16_t)n;
	m->pkt_len = (uint32_t)n;
	return m;
}

static inline void net_assert_bytes(const struct rte_mbuf *m, const void *bytes, size_t n)
{
	assert_int_equal(m->data_len, n);
	assert_int_equal(m->pkt_len, n);
	assert_memory_equal(rte_pktmbuf_mtod(m, const void *), bytes, n);
}

static inline void net_assert_pool_full(void)
{
	assert_int_equal(rte_mempool_avail_count(net_pool), NET_POOL_SIZE);
}

static inline void net_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline uint16_t net_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void net_put32(uint8_t *p, uint32_t v)
{
	net_put16(p, (uint16_t)(v >> 16));
	net_put16(p + 2, (uint16_t)v);
}

// An IPv4 header of 20 bytes and opt_len (multiple of 4) bytes of options. Returns its length.
static inline size_t net_ip4(uint8_t *p, uint8_t proto, uint32_t src, uint32_t dst,
	uint16_t payload, const uint8_t *opt, size_t opt_len)
{
	size_t hlen = 20 + opt_len;
	uint16_t sum;

	memset(p, 0, hlen);
	p[0] = (uint8_t)(0x40 | hlen / 4);
	net_put16(p + 2, (uint16_t)(hlen + payload));
	net_put16(p + 4, 0x1234);
	p[8] = 64;
	p[9] = proto;
	net_put32(p + 12, src);
	net_put32(p + 16, dst);
	if (opt_len)
		memcpy(p + 20, opt, opt_len);
	sum = cksum_of(p, hlen);
	memcpy(p + 10, &sum, 2);
	return hlen;
}

// Set the checksum of the IPv4 header at p anew.
static inline void net_fix_ip4(uint8_t *p)
{
	uint16_t sum;

	memset(p + 10, 0, 2);
	sum = cksum_of(p, (size_t)(p[0] & 15) * 4);
	memcpy(p + 10, &sum, 2);
}

static inline bool net_ip4_ok(const uint8_t *p)
{
	return cksum_of(p, (size_t)(p[0] & 15) * 4) == 0;
}

// Whether the TCP or UDP checksum of the IPv4 packet at p is right.
static inline bool net_l4_ok(const uint8_t *p)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)p;

	return rte_ipv4_udptcp_cksum_verify(ip, p + (p[0] & 15) * 4) == 0;
}

static inline void net_fix_tcp4(uint8_t *p)
{
	size_t hlen = (size_t)(p[0] & 15) * 4;
	uint16_t sum;

	memset(p + hlen + 16, 0, 2);
	sum = rte_ipv4_udptcp_cksum((const struct rte_ipv4_hdr *)p, p + hlen);
	memcpy(p + hlen + 16, &sum, 2);
}

// A repeatable stream of numbers.
static inline uint32_t net_rand(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}
