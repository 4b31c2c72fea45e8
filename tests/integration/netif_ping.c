// SPDX-License-Identifier: BSD-3-Clause
// An IP interface on any DPDK device, which answers ping and refuses what it does not serve: for
// trying device strings, and for netif_ping.sh.
//
//   netif_ping DEVICE ADDR4/PLEN [-6 ADDR6/PLEN] [-g GW4] [-v VLAN] [-m MTU] [-w WORKERS]
//              [-H MB] [-t SECONDS] [-p PING4] [-P PING6]
//
// One thread polls for all workers; workers without a queue send through worker 0. With -p it sends
// an echo request every 200 ms by the last worker and counts the answers. At the end it prints the
// counters and whether every mbuf came back; status 1 when not.
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_icmp.h>

#include "dataplane/cksum.h"
#include "dataplane/mbuf.h"
#include "dataplane/netif.h"

#define POOL_SIZE 16384
#define PING_EVERY_US 200000
#define PING_IDENT 0x4356
#define XDP_KEEPS 2112 // its fill ring and a few on their way out

static const char *const counter_names[] = {
#define COUNTER(name, severity, help) #name,
#include "dataplane/counters.def"
#undef COUNTER
};

static volatile sig_atomic_t stop;

static struct {
	const char *device;
	struct netif_conf net;
	unsigned int workers, seconds, huge_mb;
	uint16_t mtu;
	struct ipaddr ping4, ping6;
	bool do_ping4, do_ping6;
} opt = {.workers = 1, .seconds = 10};

// As TCP does, the sender of a ping keeps a reference until the next: a driver that gives a shared
// mbuf back to its pool shows in the count at the end.
static struct rte_mbuf *kept[2];

static void send_and_keep(struct netif *n, struct rte_mbuf *m, unsigned int which, uint64_t now)
{
	rte_pktmbuf_free(kept[which]);
	rte_mbuf_refcnt_update(m, 1);
	kept[which] = m;
	netif_output(n, &m, 1, now);
}

#ifndef __has_feature // clang's way to say it
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:xsk_umem__create\n"; // net_af_xdp never ends what it began
}
#endif

static struct netif *netifs[PORT_MAX_WORKERS];
static struct counters counters[PORT_MAX_WORKERS];
static struct rte_mempool *pools[PORT_MAX_WORKERS];
static unsigned int answers4, answers6;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "netif_ping: %s\n", what);
	exit(2);
}

static void parse4(char *text, rte_be32_t *addr, uint8_t *plen)
{
	char *slash = strchr(text, '/');

	if (slash) {
		*slash = '\0';
		if (plen)
			*plen = (uint8_t)atoi(slash + 1);
	}
	if (inet_pton(AF_INET, text, addr) != 1)
		die("bad IPv4 address");
}

static void parse6(char *text, struct ipaddr *addr, uint8_t *plen)
{
	char *slash = strchr(text, '/');

	if (slash) {
		*slash = '\0';
		if (plen)
			*plen = (uint8_t)atoi(slash + 1);
	}
	if (inet_pton(AF_INET6, text, addr->b) != 1)
		die("bad IPv6 address");
}

static void parse_args(int argc, char **argv)
{
	rte_be32_t a;
	int c;

	if (argc < 3)
		die("usage: netif_ping DEVICE ADDR4/PLEN [-6 ADDR6/PLEN] [-g GW4] [-v VLAN] "
		    "[-m MTU] [-w WORKERS] [-H MB] [-t SECONDS] [-p PING4] [-P PING6]");
	opt.device = argv[1];
	parse4(argv[2], &opt.net.addr4, &opt.net.plen4);
	optind = 3;
	while ((c = getopt(argc, argv, "6:g:v:m:w:H:t:p:P:")) != -1) {
		switch (c) {
		case '6':
			parse6(optarg, &opt.net.addr6, &opt.net.plen6);
			opt.net.has6 = true;
			break;
		case 'g':
			parse4(optarg, &opt.net.gw4, NULL);
			break;
		case 'v':
			opt.net.vlan = (uint16_t)atoi(optarg);
			break;
		case 'm':
			opt.mtu = (uint16_t)atoi(optarg);
			break;
		case 'w':
			opt.workers = (unsigned int)atoi(optarg);
			break;
		case 'H':
			opt.huge_mb = (unsigned int)atoi(optarg);
			break;
		case 't':
			opt.seconds = (unsigned int)atoi(optarg);
			break;
		case 'p':
			parse4(optarg, &a, NULL);
			opt.ping4 = ipaddr_from4(a);
			opt.do_ping4 = true;
			break;
		case 'P':
			parse6(optarg, &opt.ping6, NULL);
			opt.do_ping6 = true;
			break;
		default:
			die("unknown option");
		}
	}
	if (opt.workers < 1 || opt.workers > PORT_MAX_WORKERS)
		die("bad number of workers");
}

static void on_signal(int sig)
{
	stop = 1;
}

static uint64_t now_us(void)
{
	return rte_get_tsc_cycles() / (rte_get_tsc_hz() / 1000000);
}

// What a ring and another worker would do.
static uint16_t via_first(void *user, struct rte_mbuf **pkts, uint16_t n)
{
	netif_output_frames(netifs[0], pkts, n);
	return n;
}

static void make_netifs(const struct port *p)
{
	unsigned int i;

	for (i = 0; i < opt.workers; i++) {
		struct netif_conf c = opt.net;

		c.port = p;
		c.worker = (uint16_t)i;
		c.max_neighbours = 1024;
		c.icmp_per_second = 1000;
		c.pool = pools[i];
		c.counters = &counters[i];
		c.tx_via = via_first;
		netifs[i] = netif_create(&c, now_us());
		if (!netifs[i])
			die("netif_create");
	}
}

static void ping4(struct netif *n, struct rte_mempool *pool, uint16_t seq, uint64_t now)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ipv4_hdr *ip;
	struct rte_icmp_hdr *icmp;
	const uint16_t len = sizeof(*ip) + sizeof(*icmp) + 56;

	ip = m ? (struct rte_ipv4_hdr *)rte_pktmbuf_append(m, len) : NULL;
	if (!ip)
		die("no mbuf for a ping");
	memset(ip, 0, len);
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->total_length = rte_cpu_to_be_16(len);
	ip->time_to_live = 64;
	ip->next_proto_id = IPPROTO_ICMP;
	ip->src_addr = opt.net.addr4;
	ip->dst_addr = opt.ping4.w[3];
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	icmp = (struct rte_icmp_hdr *)(ip + 1);
	icmp->icmp_type = RTE_IP_ICMP_ECHO_REQUEST;
	icmp->icmp_ident = RTE_BE16(PING_IDENT);
	icmp->icmp_seq_nb = rte_cpu_to_be_16(seq);
	icmp->icmp_cksum = cksum_of(icmp, len - sizeof(*ip));
	send_and_keep(n, m, 0, now);
}

static void ping6(struct netif *n, struct rte_mempool *pool, uint16_t seq, uint64_t now)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ipv6_hdr *ip;
	struct rte_icmp_hdr *icmp;
	const uint16_t len = sizeof(*ip) + sizeof(*icmp) + 56;

	ip = m ? (struct rte_ipv6_hdr *)rte_pktmbuf_append(m, len) : NULL;
	if (!ip)
		die("no mbuf for a ping");
	memset(ip, 0, len);
	ip->vtc_flow = RTE_BE32(0x60000000);
	ip->payload_len = rte_cpu_to_be_16(len - sizeof(*ip));
	ip->proto = IPPROTO_ICMPV6;
	ip->hop_limits = 64;
	memcpy(ip->src_addr, opt.net.addr6.b, 16);
	memcpy(ip->dst_addr, opt.ping6.b, 16);
	icmp = (struct rte_icmp_hdr *)(ip + 1);
	icmp->icmp_type = 128;
	icmp->icmp_ident = RTE_BE16(PING_IDENT);
	icmp->icmp_seq_nb = rte_cpu_to_be_16(seq);
	icmp->icmp_cksum = cksum_of6(ip, icmp, len - sizeof(*ip), IPPROTO_ICMPV6);
	send_and_keep(n, m, 1, now);
}

// Answers to our pings, told before netif_input() takes them.
static void count_answer(const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	unsigned int l2 = opt.net.vlan && p[12] == 0x81 && p[13] == 0 ? 18 : 14;
	const uint8_t ident[2] = {PING_IDENT >> 8, PING_IDENT & 0xff};

	if (m->data_len < l2 + 48)
		return;
	if (p[l2] == 0x45 && p[l2 + 9] == IPPROTO_ICMP && p[l2 + 20] == 0 &&
		memcmp(p + l2 + 24, ident, 2) == 0)
		answers4++;
	if (p[l2] >> 4 == 6 && p[l2 + 6] == IPPROTO_ICMPV6 && p[l2 + 40] == 129 &&
		memcmp(p + l2 + 44, ident, 2) == 0)
		answers6++;
}

static void loop_once(const struct port *p, unsigned int w)
{
	struct rte_mbuf *frames[NETIF_BURST];
	struct netif_rx rx;
	uint16_t nb, i, j;
	uint64_t now = now_us();

	nb = port_rxq(p, (uint16_t)w) < 0
		     ? 0
		     : rte_eth_rx_burst(p->id, (uint16_t)w, frames, NETIF_BURST);
	for (i = 0; i < nb; i++)
		count_answer(frames[i]);
	if (nb) {
		netif_input(netifs[w], frames, nb, now, opt.workers > 1, &rx);
		rte_pktmbuf_free_bulk(rx.tcp, rx.nb_tcp);
		rte_pktmbuf_free_bulk(rx.ip, rx.nb_ip);
		rte_pktmbuf_free_bulk(rx.ip6, rx.nb_ip6);
		for (i = 0; i < rx.nb_learn; i++) {
			rte_mbuf_refcnt_update(rx.learn[i], (int16_t)(opt.workers - 2));
			for (j = 0; j < opt.workers; j++) {
				if (j != w)
					netif_learn(netifs[j], rx.learn[i], now);
			}
		}
	}
}

static void run(const struct port *p)
{
	uint64_t now = now_us(), end = now + opt.seconds * UINT64_C(1000000), tick = 0, ping = 0;
	unsigned int w, last = opt.workers - 1;
	uint16_t seq = 0;

	netif_announce(netifs[0], now);
	while (!stop && now < end) {
		for (w = 0; w < opt.workers; w++)
			loop_once(p, w);
		now = now_us();
		if (now - tick > 10000) {
			for (w = 0; w < opt.workers; w++)
				netif_tick(netifs[w], now);
			tick = now;
		}
		if (now - ping > PING_EVERY_US) {
			if (opt.do_ping4)
				ping4(netifs[last], pools[last], seq, now);
			if (opt.do_ping6)
				ping6(netifs[last], pools[last], seq, now);
			seq++;
			ping = now;
		}
		for (w = opt.workers; w-- > 0;) // worker 0 last: others send through it
			netif_flush(netifs[w]);
		usleep(50);
	}
	if (opt.do_ping4 || opt.do_ping6)
		printf("pings sent=%u answers4=%u answers6=%u\n", seq, answers4, answers6);
}

static int finish(struct port *p)
{
	unsigned int w, i, missing = 0, allowed = p->keeps_mbufs ? p->nb_rxq * XDP_KEEPS : 0;

	rte_pktmbuf_free_bulk(kept, 2);

	for (w = 0; w < opt.workers; w++)
		netif_destroy(netifs[w]);
	port_close(p);
	for (i = 0; i < CNT_N; i++) {
		uint64_t sum = 0;

		for (w = 0; w < opt.workers; w++)
			sum += counters[w].v[i];
		if (sum)
			printf("%s %lu\n", counter_names[i], sum);
	}
	for (w = 0; w < opt.workers; w++)
		missing += rte_mempool_in_use_count(pools[w]);
	printf("mbufs missing %u\n", missing);
	return missing > allowed;
}

int main(int argc, char **argv)
{
	struct port_eal_conf eal = {0};
	unsigned int cpus[PORT_MAX_WORKERS] = {0}, i;
	const char *devices[1];
	struct port port;
	char err[512], name[32];
	int r;

	parse_args(argc, argv);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	devices[0] = opt.device;
	eal.devices = devices;
	eal.nb_devices = 1;
	eal.worker_cpus = cpus;
	eal.nb_workers = opt.workers;
	eal.hugepages = opt.huge_mb > 0;
	eal.memory_mb = opt.huge_mb ? opt.huge_mb : 256 * opt.workers;
	eal.debug = getenv("NETIF_PING_DEBUG") != NULL;
	if (port_eal_init(&eal, err, sizeof(err)) < 0)
		die(err);
	for (i = 0; i < opt.workers; i++) {
		snprintf(name, sizeof(name), "pool%u", i);
		pools[i] = rte_pktmbuf_pool_create(
			name, POOL_SIZE, 256, 0, MBUF_DATA_ROOM, SOCKET_ID_ANY);
		if (!pools[i])
			die("no memory for the mbufs");
	}
	if (port_open(&port, opt.device, (uint16_t)opt.workers, pools, opt.mtu, 0, err,
		    sizeof(err)) < 0)
		die(err);
	make_netifs(&port);
	printf("ready queues=%u rss=%d mtu=%u tx_offloads=%#lx rx_offloads=%#lx link=%d\n",
		port.nb_rxq, port.rss, port.mtu, port.tx_offloads, port.rx_offloads, port.link_up);
	fflush(stdout);
	run(&port);
	r = finish(&port);
	rte_eal_cleanup();
	return r;
}
