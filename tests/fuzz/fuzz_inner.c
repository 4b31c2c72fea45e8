// SPDX-License-Identifier: BSD-3-Clause
// Inner IPv4 packets: two bytes of MTU, one of switches, then the packet.
#include "tests/fuzz/fuzz_net.h"

#include "dataplane/inner.h"

#define FRAGMENTS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool tcp_ok(const struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);

	return ip->next_proto_id == 6 && !(ip->fragment_offset & RTE_BE16(0x3fff)) &&
	       m->data_len >= m->l3_len + 20 &&
	       rte_ipv4_udptcp_cksum_verify(ip, (const uint8_t *)ip + m->l3_len) == 0;
}

static void mss(struct rte_mbuf *m, uint16_t mtu)
{
	bool was_ok = tcp_ok(m);

	inner4_mss_clamp(m, mtu);
	MUST(!was_ok || tcp_ok(m));
	MUST(inner4_check(m) == 0);
}

static void error(const struct rte_mbuf *m, uint8_t type, uint16_t mtu)
{
	struct rte_mbuf *e = icmp4_error(m, type, 4, mtu, 0x0a000001, fuzz_pool);

	if (!e)
		return;
	MUST(e->data_len <= 576 && inner4_check(e) == 0);
	MUST(cksum_of(rte_pktmbuf_mtod_offset(e, void *, 20), e->data_len - 20) == 0);
	rte_pktmbuf_free(e);
}

static void fragment(struct rte_mbuf *m, uint16_t mtu)
{
	uint16_t payload = m->data_len - m->l3_len, n, i;
	struct rte_mbuf *out[FRAGMENTS];

	n = inner4_fragment(m, mtu, fuzz_pool, out, FRAGMENTS);
	for (i = 0; i < n; i++) {
		MUST(inner4_check(out[i]) == 0);
		MUST(n == 1 || out[i]->data_len <= mtu);
		payload -= out[i]->data_len - out[i]->l3_len;
	}
	MUST(n == 0 || payload == 0);
	rte_pktmbuf_free_bulk(out, n);
}

static void echo(const uint8_t *data, uint16_t n)
{
	struct rte_mbuf *m = fuzz_mbuf(data, n);

	MUST(inner4_check(m) == 0);
	if (icmp4_echo_reply(m)) {
		MUST(inner4_check(m) == 0 && m->l3_len == 20);
		MUST(cksum_of(rte_pktmbuf_mtod_offset(m, void *, 20), m->data_len - 20) == 0);
	}
	rte_pktmbuf_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rte_mbuf *m;
	uint8_t copy[2048], how;
	uint16_t mtu, n;

	fuzz_net_init();
	if (size < 3 || size - 3 > sizeof(copy))
		return 0;
	mtu = (uint16_t)((data[0] << 8 | data[1]) % 2048);
	how = data[2];
	n = (uint16_t)(size - 3);
	memcpy(copy, data + 3, n);
	if (how & 1)
		fuzz_fix_ip4(copy, n);
	m = fuzz_mbuf(copy, n);
	error(m, how & 2 ? 3 : 11, mtu);
	if (inner4_check(m) < 0) {
		rte_pktmbuf_free(m);
		fuzz_end();
		return 0;
	}
	echo(copy, n);
	inner4_ttl(m);
	MUST(inner4_check(m) == 0);
	mss(m, mtu);
	fragment(m, mtu);
	fuzz_end();
	return 0;
}
