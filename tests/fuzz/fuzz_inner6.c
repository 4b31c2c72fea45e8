// SPDX-License-Identifier: BSD-3-Clause
// Inner IPv6 packets: two bytes of MSS or MTU, then the packet.
#include "tests/fuzz/fuzz_net.h"

#include "dataplane/cksum.h"
#include "dataplane/inner6.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Whether TCP right behind the fixed header has a right checksum.
static bool tcp_ok(const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

	return p[6] == IPPROTO_TCP && m->data_len >= 60 &&
	       cksum_of6((const struct rte_ipv6_hdr *)p, p + 40, (uint16_t)(m->data_len - 40),
		       IPPROTO_TCP) == 0;
}

static void check_icmp(struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

	MUST(inner6_check(m) == 0 && p[6] == IPPROTO_ICMPV6 && m->data_len >= 48);
	MUST(cksum_of6((const struct rte_ipv6_hdr *)p, p + 40, (uint16_t)(m->data_len - 40),
		     IPPROTO_ICMPV6) == 0);
}

static void errors(const struct rte_mbuf *m, uint16_t value)
{
	static const struct ipaddr src = {.b = {0x20, 1, 0x0d, 0xb8, [15] = 1}};

	for (uint8_t type = 1; type <= 4; type++) {
		bool allowed = icmp6_error_allowed(m, type, 2);
		struct rte_mbuf *e = icmp6_make_error(m, type, 2, value, &src, fuzz_pool);

		MUST(allowed == (e != NULL));
		if (!e)
			continue;
		MUST(e->data_len <= INNER6_MIN_MTU);
		check_icmp(e);
		MUST(!icmp6_error_allowed(e, type, 2)); // no error about an error
		rte_pktmbuf_free(e);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rte_mbuf *m;
	uint16_t value;
	bool was_ok;

	fuzz_net_init();
	if (size < 3 || size > 2000)
		return 0;
	value = (uint16_t)(data[0] << 8 | data[1]);
	m = fuzz_mbuf(data + 2, (uint16_t)(size - 2));
	if (!inner6_check(m)) {
		errors(m, value);
		was_ok = tcp_ok(m);
		inner6_mss_clamp(m, value);
		MUST(!was_ok || tcp_ok(m));
		if (inner6_hop_limit(m))
			MUST(inner6_check(m) == 0);
		if (icmp6_echo_reply(m, NULL))
			check_icmp(m);
	}
	rte_pktmbuf_free(m);
	fuzz_end();
	return 0;
}
