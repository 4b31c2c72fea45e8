// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "tcp_sim.h"

#define POOL_SIZE 4095

#define CHECK(cond)                                                                        \
	do {                                                                               \
		if (!(cond)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                           \
		}                                                                          \
	} while (0)

struct sim_packet {
	struct sim_packet *next;
	uint64_t at_us;
	int to;
	uint16_t len, l3_len;
	uint8_t data[];
};

struct sim_held {
	struct sim_held *next;
	struct rte_mbuf *m;
	uint64_t until_us;
	uint16_t off, len;
	uint8_t data[];
};

void sim_eal(void)
{
	static bool done;
	char prefix[32];
	const char *argv[] = {"test", "--no-huge", "-m", "128", "--no-pci", "--no-telemetry",
		"--no-shconf", "--log-level", "error", "--file-prefix", prefix, "-l", "0"};

	if (done)
		return;
	snprintf(prefix, sizeof(prefix), "tcptest%d", (int)getpid());
	if (rte_eal_init(RTE_DIM(argv), (char **)(uintptr_t)argv) < 0) {
		fprintf(stderr, "EAL: %s\n", rte_strerror(rte_errno));
		exit(1);
	}
	done = true;
}

uint32_t sim_rand(struct sim *s)
{
	uint64_t z = s->rng += 0x9e3779b97f4a7c15ull; // splitmix64

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)(z >> 32);
}

void sim_config(struct tcp_config *c)
{
	tcp_config_default(c);
	c->max_conns = 16;
	c->max_half_open = 8;
	c->max_time_wait = 8;
	c->rcv_wnd_max = 256 << 10;
	c->snd_buf_max = 256 << 10;
	c->mem_max_mbufs = 2048;
	c->ooo_max_segs = 256;
	c->cc = &tcp_cc_cubic;
	memcpy(c->secret, "0123456789abcdef", 16);
}

static struct rte_mempool *the_pool(int side)
{
	static struct rte_mempool *pool[2];
	char name[16];

	if (!pool[side]) {
		snprintf(name, sizeof(name), "sim%d", side);
		pool[side] = mbuf_pool_create(name, POOL_SIZE, SOCKET_ID_ANY);
		CHECK(pool[side]);
	}
	return pool[side];
}

static uint16_t l3_length(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? 20 : 40;
}

// What is sent must be right to the last bit.
static void check_packet(const uint8_t *ip, uint16_t len)
{
	const struct rte_ipv4_hdr *v4 = (const void *)ip;
	const struct rte_ipv6_hdr *v6 = (const void *)ip;

	if (ip[0] >> 4 == 4) {
		CHECK(rte_be_to_cpu_16(v4->total_length) == len);
		CHECK(rte_raw_cksum(v4, 20) == 0xffff);
		CHECK(rte_ipv4_udptcp_cksum_verify(v4, ip + 20) == 0);
	} else {
		CHECK(rte_be_to_cpu_16(v6->payload_len) + 40 == len);
		CHECK(rte_ipv6_udptcp_cksum_verify(v6, ip + 40) == 0);
	}
}

static void fly(struct sim *s, const struct sim_packet *p, uint64_t at_us)
{
	struct sim_packet *q = malloc(sizeof(*q) + p->len), **at = &s->flying;

	CHECK(q);
	memcpy(q, p, sizeof(*q) + p->len);
	q->at_us = at_us;
	while (*at && (*at)->at_us <= at_us)
		at = &(*at)->next;
	q->next = *at;
	*at = q;
}

static void strip_option(uint8_t *opt, unsigned int n, uint8_t kind)
{
	unsigned int i = 0;

	while (i < n && opt[i]) {
		unsigned int len = opt[i] == 1 ? 1 : opt[i + 1];

		if (opt[i] == kind)
			memset(opt + i, 1, len);
		i += len;
	}
}

// A middlebox that does not like new options.
static void strip(struct sim *s, struct sim_packet *p)
{
	struct rte_tcp_hdr *th = (void *)(p->data + p->l3_len);
	unsigned int n = (th->data_off >> 4) * 4u - 20;
	uint8_t *opt = (uint8_t *)(th + 1);

	if (!s->link.strip || !(th->tcp_flags & RTE_TCP_SYN_FLAG))
		return;
	if (s->link.strip & SIM_STRIP_WSCALE)
		strip_option(opt, n, 3);
	if (s->link.strip & SIM_STRIP_SACK)
		strip_option(opt, n, 4);
	if (s->link.strip & SIM_STRIP_TS)
		strip_option(opt, n, 8);
	th->cksum = 0;
	th->cksum = p->data[0] >> 4 == 4 ? rte_ipv4_udptcp_cksum((void *)p->data, th)
					 : rte_ipv6_udptcp_cksum((void *)p->data, th);
}

static void report_mtu(struct sim *s, const struct sim_packet *p)
{
	const struct rte_tcp_hdr *th = (const void *)(p->data + p->l3_len);
	int from = !p->to;

	if (s->link.icmp)
		tcp_icmp_error(s->stack[from], &s->addr[from], rte_be_to_cpu_16(th->src_port),
			&s->addr[p->to], rte_be_to_cpu_16(th->dst_port),
			rte_be_to_cpu_32(th->sent_seq), s->link.mtu, false, s->now_us);
}

bool sim_trace;

static void trace(const struct sim *s, const struct sim_packet *p, const char *what)
{
	const struct rte_tcp_hdr *th = (const void *)(p->data + p->l3_len);
	unsigned int hlen = (th->data_off >> 4) * 4u;

	if (sim_trace)
		printf("%10.6f %c %s%s%s%s seq %u len %u ack %u win %u opt %u %s\n",
			(double)(s->now_us % 1000000000000) / 1e6, p->to ? '>' : '<',
			th->tcp_flags & 2 ? "S" : "", th->tcp_flags & 1 ? "F" : "",
			th->tcp_flags & 4 ? "R" : "", th->tcp_flags & 16 ? "." : "",
			rte_be_to_cpu_32(th->sent_seq), p->len - p->l3_len - hlen,
			rte_be_to_cpu_32(th->recv_ack), rte_be_to_cpu_16(th->rx_win), hlen - 20,
			what);
}

// The bottleneck: false when its queue is full, else when p has left it.
static bool bottleneck(struct sim *s, const struct sim_packet *p, uint64_t *at_us)
{
	uint64_t now_ns = s->now_us * 1000, *free_ns = &s->free_ns[p->to], wait;

	*at_us = s->now_us;
	if (!s->link.rate_bps)
		return true;
	wait = *free_ns > now_ns ? *free_ns - now_ns : 0;
	if (wait * s->link.rate_bps / 8000000000u + p->len > s->link.queue) {
		s->queue_dropped++;
		return false;
	}
	s->wait_max_us = RTE_MAX(s->wait_max_us, wait / 1000);
	*free_ns = now_ns + wait + p->len * 8000000000ull / s->link.rate_bps;
	*at_us = *free_ns / 1000;
	return true;
}

static void on_link(struct sim *s, struct sim_packet *p)
{
	uint64_t at;

	s->packets++;
	if (!bottleneck(s, p, &at)) {
		trace(s, p, "no room");
		return;
	}
	at += s->link.delay_us + sim_below(s, s->link.jitter_us + 1);
	if ((s->filter && !s->filter(s, !p->to, p->data, p->len)) || sim_chance(s, s->link.drop)) {
		s->dropped++;
		trace(s, p, "dropped");
		return;
	}
	trace(s, p, "");
	strip(s, p);
	if (sim_chance(s, s->link.reorder))
		at += sim_below(s, 3 * s->link.delay_us + 1000);
	if (sim_chance(s, s->link.dup))
		fly(s, p, at + sim_below(s, 2 * s->link.delay_us + 1));
	if (sim_chance(s, s->link.corrupt)) {
		// One bit behind the IP header, which its own receiver would have checked.
		uint32_t bit = sim_below(s, (p->len - p->l3_len) * 8u);

		p->data[p->l3_len + bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	fly(s, p, at);
}

static void hold(struct sim *s, struct rte_mbuf *m)
{
	struct sim_held *h = malloc(sizeof(*h) + m->data_len);

	CHECK(h);
	h->m = m;
	h->off = m->data_off;
	h->len = m->data_len;
	h->until_us = s->now_us + sim_below(s, 400000);
	memcpy(h->data, rte_pktmbuf_mtod(m, void *), m->data_len);
	h->next = s->held;
	s->held = h;
}

static void release_held(struct sim *s, bool all)
{
	struct sim_held **at = &s->held, *h;

	while ((h = *at)) {
		if (!all && h->until_us > s->now_us) {
			at = &h->next;
			continue;
		}
		// The driver's copy of the descriptor: the bytes there must still be what was
		// handed over.
		CHECK(!memcmp((char *)h->m->buf_addr + h->off, h->data, h->len));
		rte_pktmbuf_free(h->m);
		*at = h->next;
		free(h);
	}
}

// What comes out of tcp_input() goes out behind this; packets are put on the link after the call,
// since an ICMP error may not be delivered inside of it.
static void output(void *user, struct rte_mbuf **pkts, uint16_t n)
{
	struct sim_end *e = user;
	struct sim *s = e->s;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		struct sim_packet *p;

		CHECK(m->nb_segs == 1 && m->pkt_len == m->data_len && m->l2_len == 0);
		p = malloc(sizeof(*p) + m->data_len);
		CHECK(p);
		p->to = !e->side;
		p->len = m->data_len;
		memcpy(p->data, rte_pktmbuf_mtod(m, void *), p->len);
		p->l3_len = l3_length(p->data);
		CHECK(p->l3_len == m->l3_len);
		CHECK(m->l4_len == (p->data[p->l3_len + 12] >> 4) * 4);
		check_packet(p->data, p->len);
		// The owner's Ethernet and VLAN headers.
		CHECK(rte_pktmbuf_headroom(m) >= 18);
		memset(rte_pktmbuf_prepend(m, 18), 0xee, 18);
		if (sim_chance(s, s->link.hold))
			hold(s, m);
		else
			rte_pktmbuf_free(m);
		if (s->link.mtu && p->len > s->link.mtu) {
			s->dropped++;
			trace(s, p, "too big");
			if (s->link.icmp)
				fly(s, p, s->now_us + s->link.delay_us / 2);
		} else {
			on_link(s, p);
		}
		free(p);
	}
}

void sim_init(struct sim *s, const struct sim_link *link, struct tcp_config cfg[2], uint64_t seed,
	bool v6, uint64_t start_us)
{
	static const uint8_t a6[2][16] = {
		{0x20, 1, 0xd, 0xb8, [15] = 1}, {0x20, 1, 0xd, 0xb8, [15] = 2}};

	memset(s, 0, sizeof(*s));
	s->link = *link;
	s->rng = seed;
	s->now_us = start_us;
	for (int i = 0; i < 2; i++) {
		s->end[i] = (struct sim_end){s, i};
		s->addr[i] = v6 ? ipaddr_from6(a6[i])
				: ipaddr_from4(rte_cpu_to_be_32(0xc0000201u + (uint32_t)i));
		s->pool[i] = the_pool(i);
		CHECK(rte_mempool_avail_count(s->pool[i]) == POOL_SIZE);
		cfg[i].pool = s->pool[i];
		cfg[i].counters = &s->counters[i];
		cfg[i].output = output;
		cfg[i].user = &s->end[i];
		s->stack[i] = tcp_create(&cfg[i], start_us);
		CHECK(s->stack[i]);
		s->next_tick[i] = start_us;
	}
}

static void deliver(struct sim *s)
{
	struct rte_mbuf *burst[2][48];
	uint16_t n[2] = {0, 0};

	while (s->flying && s->flying->at_us <= s->now_us) {
		struct sim_packet *p = s->flying;
		struct rte_mbuf *m;

		if (s->link.mtu && p->len > s->link.mtu) {
			s->flying = p->next;
			report_mtu(s, p);
			free(p);
			continue;
		}
		if (n[p->to] == RTE_DIM(burst[0]))
			break;
		s->flying = p->next;
		m = rte_pktmbuf_alloc(s->pool[p->to]);
		if (m) {
			m->data_off += 14;
			memcpy(rte_pktmbuf_append(m, p->len), p->data, p->len);
			m->l3_len = p->l3_len;
			burst[p->to][n[p->to]++] = m;
		}
		free(p);
	}
	for (int i = 0; i < 2; i++) {
		if (!n[i])
			continue;
		tcp_input(s->stack[i], burst[i], n[i], s->now_us);
		s->next_tick[i] = s->now_us;
	}
}

bool sim_step(struct sim *s, uint64_t until_us)
{
	uint64_t next = s->flying ? s->flying->at_us : UINT64_MAX;

	for (int i = 0; i < 2; i++) {
		s->next_tick[i] = tcp_tick(s->stack[i], s->now_us);
		next = RTE_MIN(next, s->next_tick[i]);
	}
	if (s->flying)
		next = RTE_MIN(next, s->flying->at_us); // ticks may have sent
	if (next > until_us) {
		s->now_us = RTE_MAX(s->now_us, until_us);
		return false;
	}
	s->now_us = RTE_MAX(s->now_us, next);
	release_held(s, false);
	deliver(s);
	return true;
}

void sim_run(struct sim *s, uint64_t for_us)
{
	uint64_t until = s->now_us + for_us;

	while (sim_step(s, until))
		;
}

void sim_fini(struct sim *s)
{
	release_held(s, true);
	while (s->flying) {
		struct sim_packet *p = s->flying;

		s->flying = p->next;
		free(p);
	}
	for (int i = 0; i < 2; i++) {
		tcp_destroy(s->stack[i]);
		CHECK(rte_mempool_avail_count(s->pool[i]) == POOL_SIZE);
	}
}

uint64_t sim_wrap_start(struct tcp_config cfg[2], bool v6, uint16_t lport, uint16_t rport)
{
	static const uint8_t a6[2][16] = {
		{0x20, 1, 0xd, 0xb8, [15] = 1}, {0x20, 1, 0xd, 0xb8, [15] = 2}};
	struct tcp_key k[2];
	uint64_t now;

	for (int i = 0; i < 2; i++) {
		k[i].local = v6 ? ipaddr_from6(a6[i])
				: ipaddr_from4(rte_cpu_to_be_32(0xc0000201u + (uint32_t)i));
		k[i].remote = v6 ? ipaddr_from6(a6[!i])
				 : ipaddr_from4(rte_cpu_to_be_32(0xc0000201u + !i));
	}
	k[0].lport = k[1].rport = lport;
	k[0].rport = k[1].lport = rport;
	struct tcp_stack probe = {0};

	memcpy(&probe.k0, cfg[0].secret, 8);
	memcpy(&probe.k1, cfg[0].secret + 8, 8);
	now = 4ull * (uint32_t)(0u - 20000u - tcp_isn(&probe, &k[0], 0)) + (1ull << 40);
	for (uint64_t n = 0;; n++) {
		memcpy(cfg[1].secret, &n, 8);
		memcpy(&probe.k0, cfg[1].secret, 8);
		memcpy(&probe.k1, cfg[1].secret + 8, 8);
		if (tcp_isn(&probe, &k[1], now) > 0u - 500000u)
			return now;
	}
}
