// SPDX-License-Identifier: BSD-3-Clause
// An interface and a second worker's that learns from it: one byte of switches, then steps of
// {what, length (2 bytes), bytes}.
#include "tests/fuzz/fuzz_net.h"

#include "dataplane/netif.h"
#include "protocol/cursor.h"

#define STEPS_MAX 64
#define NEIGHBOURS 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum step { FRAME, FIXED_FRAME, OUTPUT, PASS, ANNOUNCE, N_STEPS };

static struct netif *worker[2];
static struct counters counters[2];
static uint64_t now;

// What is sent must be whole: Ethernet from us, IPv4 with a right header.
static uint16_t check_tx(void *user, struct rte_mbuf **pkts, uint16_t n)
{
	const uint16_t l2 = *(const uint16_t *)user;
	uint16_t i;

	for (i = 0; i < n; i++) {
		const uint8_t *p = rte_pktmbuf_mtod(pkts[i], const uint8_t *);
		const uint8_t *l3 = p + l2;
		uint16_t len = pkts[i]->data_len;

		MUST(pkts[i]->nb_segs == 1 && len >= l2 + 20 && p[6] == 2 && p[11] == 1);
		if (p[l2 - 2] == 8 && p[l2 - 1] == 0)
			MUST((l3[2] << 8 | l3[3]) == len - l2);
		if (p[l2 - 2] == 0x86)
			MUST(40 + (l3[4] << 8 | l3[5]) == len - l2);
		rte_pktmbuf_free(pkts[i]);
	}
	return n;
}

static bool proxy(void *user, rte_be32_t addr)
{
	return (rte_be_to_cpu_32(addr) & 3) == 3;
}

static void icmp_error(void *user, const struct ipaddr *local, uint16_t lport,
	const struct ipaddr *remote, uint16_t rport, uint32_t seq, uint32_t mtu, bool hard)
{
	MUST(mtu == 0 || mtu >= 68);
	MUST(ipaddr_is4(local) == ipaddr_is4(remote));
}

static void start(uint8_t how, struct port *port, uint16_t *l2)
{
	struct netif_conf c = {
		.port = port,
		.access = how & 1,
		.vlan = how & 2 ? 7 : 0,
		.addr4 = RTE_BE32(0xc0000201),
		.gw4 = RTE_BE32(0xc00002fe),
		.plen4 = how & 4 ? 8 : 24,
		.has6 = !(how & 8),
		.addr6 = {.b = {0x20, 1, 0xd, 0xb8, [15] = 1}},
		.gw6 = {.b = {0x20, 1, 0xd, 0xb8, [15] = 0xfe}},
		.plen6 = 64,
		.max_neighbours = NEIGHBOURS,
		.icmp_per_second = 100,
		.pool = fuzz_pool,
		.tx_via = check_tx,
		.tx_user = l2,
		.proxy_arp = how & 16 ? proxy : NULL,
	};
	unsigned int i;

	*port = (struct port){.mtu = 1500, .mac = {{2, 0, 0, 0, 0, 1}}};
	port->no_indirect = how & 32;
	*l2 = c.vlan ? 18 : 14;
	now = 1000000000;
	for (i = 0; i < 2; i++) {
		c.counters = &counters[i];
		worker[i] = netif_create(&c, now);
		MUST(worker[i]);
		netif_on_icmp_error(worker[i], icmp_error, NULL);
	}
}

static void fix6(uint8_t *p, size_t n)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)p;
	uint16_t len, sum;

	if (n < sizeof(*ip) + 4 || p[0] >> 4 != 6 || ip->proto != 58)
		return;
	len = rte_be_to_cpu_16(ip->payload_len);
	if (len < 4 || len > n - sizeof(*ip))
		return;
	memset(p + 42, 0, 2);
	sum = cksum_of6(ip, p + 40, len, 58);
	memcpy(p + 42, &sum, 2);
}

static void check_rx(const struct netif_rx *rx)
{
	uint16_t i;

	for (i = 0; i < rx->nb_tcp; i++) {
		const struct rte_mbuf *m = rx->tcp[i];

		MUST(m->l2_len == 0 && m->l3_len >= 20 && m->l3_len <= m->data_len);
		MUST(m->pkt_len == m->data_len);
	}
	for (i = 0; i < rx->nb_ip; i++)
		MUST(rx->ip[i]->l3_len >= 20 && rx->ip[i]->l3_len <= rx->ip[i]->data_len);
	for (i = 0; i < rx->nb_ip6; i++)
		MUST(rx->ip6[i]->l3_len == 40 && rx->ip6[i]->data_len >= 40 &&
			rx->ip6[i]->pkt_len == rx->ip6[i]->data_len);
}

static void input(struct cursor c, bool fix)
{
	uint8_t copy[2048];
	uint16_t n = (uint16_t)RTE_MIN(cur_left(&c), sizeof(copy)), at = 14, i;
	struct netif_rx rx;
	struct rte_mbuf *m;

	if (n)
		memcpy(copy, c.p, n);
	if (n > 18 && copy[12] == 0x81 && copy[13] == 0)
		at = 18;
	if (fix && n > at) {
		fuzz_fix_ip4(copy + at, copy[at] >> 4 == 4 ? n - at : 0);
		fix6(copy + at, n - at);
	}
	m = fuzz_mbuf(copy, n);
	netif_input(worker[0], &m, 1, now, true, &rx);
	check_rx(&rx);
	rte_pktmbuf_free_bulk(rx.tcp, rx.nb_tcp);
	rte_pktmbuf_free_bulk(rx.ip, rx.nb_ip);
	rte_pktmbuf_free_bulk(rx.ip6, rx.nb_ip6);
	for (i = 0; i < rx.nb_learn; i++)
		netif_learn(worker[1], rx.learn[i], now);
}

static void output(struct cursor c)
{
	uint16_t n = (uint16_t)RTE_MIN(cur_left(&c), 1600u), i;
	struct rte_mbuf *m;

	for (i = 0; i < 2 && n >= 1; i++) {
		m = fuzz_mbuf(c.p, n);
		// Neither checks what it is given to send: that is the caller's packet.
		if ((c.p[0] >> 4 == 4 && n >= 20 && (c.p[2] << 8 | c.p[3]) == n) ||
			(c.p[0] >> 4 == 6 && n >= 40 && 40 + (c.p[4] << 8 | c.p[5]) == n))
			netif_output(worker[i], &m, 1, now);
		else
			rte_pktmbuf_free(m);
	}
}

static void step(uint8_t what, struct cursor c)
{
	uint8_t tenths;

	switch (what % N_STEPS) {
	case FRAME:
	case FIXED_FRAME:
		input(c, what % N_STEPS == FIXED_FRAME);
		break;
	case OUTPUT:
		output(c);
		break;
	case PASS:
		if (cur_u8(&c, &tenths) == 0)
			now += tenths * UINT64_C(100000);
		netif_tick(worker[0], now);
		netif_tick(worker[1], now);
		break;
	case ANNOUNCE:
		netif_announce(worker[0], now);
		break;
	}
	MUST(netif_neighbours(worker[0]) <= NEIGHBOURS);
	MUST(netif_neighbours(worker[1]) <= NEIGHBOURS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_make(data, size), body;
	unsigned int steps, i;
	uint8_t how, what;
	struct port port;
	uint16_t len, l2;

	fuzz_net_init();
	if (cur_u8(&c, &how))
		return 0;
	start(how, &port, &l2);
	for (steps = 0; steps < STEPS_MAX; steps++) {
		if (cur_u8(&c, &what) || cur_u16(&c, &len))
			break;
		if (cur_sub(&c, &body, RTE_MIN(len, cur_left(&c))))
			break;
		step(what, body);
		netif_flush(worker[0]);
		netif_flush(worker[1]);
	}
	for (i = 0; i < 2; i++)
		netif_destroy(worker[i]);
	fuzz_end();
	return 0;
}
