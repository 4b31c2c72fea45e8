// SPDX-License-Identifier: BSD-3-Clause
// The TCP stack on a DPDK device, with small applications: the other end of tcp_kernel.
//
//   tcp_peer DEVICE ADDR4/PLEN ADDR6/PLEN [-c ADDR PORT MODE[:BYTES]]... [-w WINDOW] [-k
//   KEEPALIVE_S] [-u USER_TIMEOUT_S]
//
// Ports: 7 echo, 9 sink, 19 source of BYTES (-s), 80 one HTTP answer of BYTES, 5 reads nothing for
// 5 s, then sinks. -c connects, and sends BYTES or sinks. The stream is 0 to 250 over and over. One
// line per connection that ends: mode, bytes in and out, wrong bytes, error. SIGTERM ends it:
// status 1 if anything was left behind.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>

#include "dataplane/mbuf.h"
#include "dataplane/netif.h"
#include "dataplane/port.h"
#include "dataplane/tcp.h"
#include "tests/unit/tcp_take.h"

#define POOL_SIZE 16383
#define PERIOD 251
#define STALL_US 5000000

enum mode { ECHO, SINK, SOURCE, HTTP, STALL, N_MODES };
static const char *const mode_names[] = {"echo", "sink", "source", "http", "stall"};
static const uint16_t mode_ports[] = {7, 9, 19, 80, 5};

struct app {
	struct tcp_conn *c;
	enum mode mode;
	uint64_t in, out, total, wrong, not_before_us;
	struct rte_mbuf *waiting; // echo: taken, not yet sent
	char request[2048];
	bool started, eof, shut, closed;
};

static volatile sig_atomic_t stop;
static struct netif *net;
static struct tcp_stack *tcp;
static struct rte_mempool *pool;
static struct counters counters;
static struct app apps[256];
static uint64_t source_bytes = 10 << 20;

static const char *const counter_names[] = {
#define COUNTER(name, severity, help) #name,
#include "dataplane/counters.def"
#undef COUNTER
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "tcp_peer: %s\n", what);
	exit(2);
}

static void on_signal(int sig)
{
	stop = 1;
}

static uint64_t now_us(void)
{
	return rte_get_tsc_cycles() / (rte_get_tsc_hz() / 1000000);
}

static void output(void *user, struct rte_mbuf **pkts, uint16_t n)
{
	netif_output(net, pkts, n, now_us());
}

static void icmp_error(void *user, const struct ipaddr *local, uint16_t lport,
	const struct ipaddr *remote, uint16_t rport, uint32_t seq, uint32_t mtu, bool hard)
{
	tcp_icmp_error(tcp, local, lport, remote, rport, seq, mtu, hard, now_us());
}

static struct app *app_new(struct tcp_conn *c, enum mode mode, uint64_t total)
{
	for (size_t i = 0; i < RTE_DIM(apps); i++) {
		if (apps[i].c)
			continue;
		apps[i] = (struct app){.c = c, .mode = mode, .total = total};
		if (mode == STALL)
			apps[i].not_before_us = now_us() + STALL_US;
		tcp_conn_set_user(c, &apps[i]);
		return &apps[i];
	}
	return NULL;
}

static void app_end(struct app *a, uint64_t now)
{
	struct tcp_info t;

	tcp_conn_info(a->c, &t);
	printf("end %s in=%lu out=%lu wrong=%lu error=%d retransmits=%lu srtt=%u\n",
		mode_names[a->mode], a->in, a->out, a->wrong, tcp_conn_error(a->c), t.retransmits,
		t.srtt_us);
	fflush(stdout);
	rte_pktmbuf_free(a->waiting);
	tcp_release(a->c, now);
	a->c = NULL;
}

static void check(struct app *a, const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		a->wrong += p[i] != (a->in + i) % PERIOD;
	a->in += n;
}

static void read_all(struct app *a, uint64_t now)
{
	struct tcp_slice sl[32];
	uint32_t bytes;
	uint16_t n;

	if (now < a->not_before_us)
		return;
	while ((n = tcp_peek(a->c, 0, sl, RTE_DIM(sl), &bytes))) {
		for (uint16_t i = 0; i < n; i++) {
			if (a->mode == HTTP) {
				size_t room = sizeof(a->request) - 1 - a->in,
				       k = RTE_MIN(room, (size_t)sl[i].len);

				memcpy(a->request + a->in, sl[i].p, k);
				a->in += k;
			} else {
				check(a, sl[i].p, sl[i].len);
			}
		}
		tcp_consume(a->c, bytes, now);
	}
}

// Received mbufs are sent back as they are, as a data path would.
static void echo(struct app *a, uint64_t now)
{
	bool pushed = false;

	for (;;) {
		struct tcp_slice sl;
		uint32_t bytes;

		if (!a->waiting && tcp_peek(a->c, 0, &sl, 1, &bytes))
			a->waiting = tcp_take(a->c, bytes, now);
		if (!a->waiting || tcp_tx_room(a->c, a->waiting->pkt_len) <
					   RTE_MIN(a->waiting->pkt_len, tcp_snd_mss(a->c)))
			break;
		bytes = a->waiting->pkt_len;
		if (tcp_send(a->c, a->waiting, now))
			a->wrong++;
		a->waiting = NULL;
		a->in += bytes;
		a->out += bytes;
		pushed = true;
	}
	if (pushed)
		tcp_push(a->c, now);
}

static struct rte_mbuf *make(const struct app *a, uint32_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *p;

	if (!m)
		return NULL;
	m->data_off = MBUF_FRONT;
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)n);
	for (uint32_t i = 0; i < n; i++)
		p[i] = (uint8_t)((a->out + i) % PERIOD);
	return m;
}

static void source(struct app *a, uint64_t now)
{
	bool pushed = false;

	while (a->out < a->total) {
		uint32_t n = (uint32_t)RTE_MIN((uint64_t)tcp_snd_mss(a->c), a->total - a->out);
		struct rte_mbuf *m;

		if (tcp_tx_room(a->c, n) < n || !(m = make(a, n)) || tcp_send(a->c, m, now))
			break;
		a->out += n;
		pushed = true;
	}
	if (pushed)
		tcp_push(a->c, now);
	if (a->out == a->total && !a->shut) {
		a->shut = true;
		tcp_shutdown(a->c, now);
	}
}

static void http_start(struct app *a, uint64_t now)
{
	struct rte_mbuf *m;
	int n;

	if (a->started || !strstr(a->request, "\r\n\r\n") || !(m = rte_pktmbuf_alloc(pool)))
		return;
	m->data_off = MBUF_FRONT;
	n = snprintf(rte_pktmbuf_mtod(m, char *), 200,
		"HTTP/1.1 200 OK\r\nContent-Length: %lu\r\nConnection: close\r\n\r\n", a->total);
	rte_pktmbuf_append(m, (uint16_t)n);
	tcp_send(a->c, m, now);
	a->started = true;
}

static void app_run(struct app *a, uint64_t now)
{
	switch (a->mode) {
	case ECHO:
		echo(a, now);
		break;
	case HTTP:
		read_all(a, now);
		http_start(a, now);
		if (a->started)
			source(a, now);
		break;
	case SOURCE:
		read_all(a, now);
		source(a, now);
		break;
	default:
		read_all(a, now);
	}
	if (a->eof && !a->shut && !tcp_rx_avail(a->c) && !a->waiting) {
		a->shut = true;
		tcp_shutdown(a->c, now);
	}
}

static void event(struct tcp_conn *c, unsigned int ev, uint64_t now)
{
	struct app *a = tcp_conn_user(c);
	struct tcp_info t;

	if (ev & TCP_EV_ACCEPTED) {
		tcp_conn_info(c, &t);
		for (unsigned int i = 0; i < N_MODES; i++)
			if (mode_ports[i] == t.lport)
				a = app_new(c, (enum mode)i, source_bytes);
		if (!a) {
			tcp_abort(c, now);
			tcp_release(c, now);
			return;
		}
	}
	if (ev & TCP_EV_EOF)
		a->eof = true;
	a->closed |= (ev & TCP_EV_CLOSED) != 0;
	app_run(a, now);
	if (a->closed && (!tcp_rx_avail(c) || tcp_conn_error(c)))
		app_end(a, now);
}

static void loop_once(const struct port *p)
{
	struct rte_mbuf *frames[NETIF_BURST];
	uint16_t nb = rte_eth_rx_burst(p->id, 0, frames, NETIF_BURST);
	uint64_t now = now_us();
	struct tcp_conn *c;
	struct netif_rx rx;
	unsigned int ev;

	if (nb) {
		netif_input(net, frames, nb, now, false, &rx);
		rte_pktmbuf_free_bulk(rx.ip, rx.nb_ip);
		tcp_input(tcp, rx.tcp, rx.nb_tcp, now);
	}
	while ((c = tcp_poll(tcp, &ev)))
		event(c, ev, now);
	for (size_t i = 0; i < RTE_DIM(apps); i++)
		if (apps[i].c && apps[i].mode == STALL && apps[i].not_before_us &&
			now > apps[i].not_before_us) {
			apps[i].not_before_us = 0;
			event(apps[i].c, apps[i].closed ? TCP_EV_CLOSED : 0, now);
		}
	tcp_tick(tcp, now);
	netif_flush(net);
	if (!nb)
		usleep(20);
}

static void connect_out(char *addr, uint16_t port, char *what, const struct netif_conf *n)
{
	char *colon = strchr(what, ':');
	struct ipaddr to, from;
	struct in_addr v4;
	struct tcp_conn *c;

	if (inet_pton(AF_INET, addr, &v4) == 1) {
		to = ipaddr_from4(v4.s_addr);
		from = ipaddr_from4(n->addr4);
	} else if (inet_pton(AF_INET6, addr, to.b) == 1) {
		from = n->addr6;
	} else {
		die("bad address");
	}
	c = tcp_connect(tcp, &from, 0, &to, port, NULL, now_us());
	if (!c)
		die("tcp_connect");
	if (colon)
		app_new(c, SOURCE, strtoull(colon + 1, NULL, 10));
	else
		app_new(c, SINK, 0);
}

static void parse_net(char **argv, struct netif_conf *n)
{
	char *s4 = strchr(argv[2], '/'), *s6 = strchr(argv[3], '/');

	if (!s4 || !s6)
		die("addresses need a prefix length");
	*s4 = *s6 = '\0';
	if (inet_pton(AF_INET, argv[2], &n->addr4) != 1 ||
		inet_pton(AF_INET6, argv[3], n->addr6.b) != 1)
		die("bad address");
	n->plen4 = (uint8_t)atoi(s4 + 1);
	n->plen6 = (uint8_t)atoi(s6 + 1);
	n->has6 = true;
}

static void open_port(const char *device, struct port *port)
{
	const char *devices[] = {device};
	unsigned int cpus[] = {0};
	struct port_eal_conf eal = {.devices = devices,
		.nb_devices = 1,
		.worker_cpus = cpus,
		.nb_workers = 1,
		.memory_mb = 256};
	char err[512];

	if (port_eal_init(&eal, err, sizeof(err)) < 0)
		die(err);
	pool = mbuf_pool_create("pool", POOL_SIZE, SOCKET_ID_ANY);
	if (!pool)
		die("no memory for the mbufs");
	if (port_open(port, device, 1, &pool, 0, 0, err, sizeof(err)) < 0)
		die(err);
}

// Told to stop: acknowledgements of what the other side has already may still be on their way.
static bool draining(uint64_t *until)
{
	struct tcp_levels l;

	if (!*until)
		*until = now_us() + 3000000;
	tcp_stack_levels(tcp, &l);
	return l.conns && now_us() < *until;
}

static int finish(struct port *port)
{
	struct tcp_levels l;
	unsigned int missing;

	tcp_stack_levels(tcp, &l);
	tcp_destroy(tcp);
	for (size_t i = 0; i < RTE_DIM(apps); i++)
		rte_pktmbuf_free(apps[i].waiting);
	netif_destroy(net);
	port_close(port);
	missing = rte_mempool_in_use_count(pool);
	for (unsigned int i = 0; i < CNT_N; i++)
		if (counters.v[i])
			printf("%s %lu\n", counter_names[i], counters.v[i]);
	printf("left conns=%u half_open=%u mbufs_held=%u mbufs_missing=%u\n", l.conns, l.half_open,
		l.mbufs_held, missing);
	return missing || l.conns || l.mbufs_held;
}

int main(int argc, char **argv)
{
	struct netif_conf n = {.access = true, .max_neighbours = 256, .icmp_per_second = 100};
	struct tcp_config cfg;
	struct port port;
	uint64_t tick = 0, until = 0;

	if (argc < 4)
		die("usage: tcp_peer DEVICE ADDR4/PLEN ADDR6/PLEN [options]");
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	parse_net(argv, &n);
	open_port(argv[1], &port);
	n.port = &port;
	n.pool = pool;
	n.counters = &counters;
	net = netif_create(&n, now_us());
	tcp_config_default(&cfg);
	cfg.pool = pool;
	cfg.counters = &counters;
	cfg.output = output;
	cfg.tx_offloads = port.tx_offloads;
	cfg.mem_max_mbufs = 8192;
	cfg.max_conns = 256;
	cfg.max_half_open = 64;
	cfg.mtu = port.mtu;
	for (int i = 4; i + 1 < argc; i++) {
		if (!strcmp(argv[i], "-w"))
			cfg.rcv_wnd_max = (uint32_t)atoi(argv[++i]);
		else if (!strcmp(argv[i], "-s"))
			source_bytes = strtoull(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "-k"))
			cfg.keepalive_idle_ms = cfg.keepalive_interval_ms =
				(uint32_t)atoi(argv[++i]) * 1000;
		else if (!strcmp(argv[i], "-u"))
			cfg.user_timeout_ms = (uint32_t)atoi(argv[++i]) * 1000;
		else if (!strcmp(argv[i], "-h"))
			cfg.max_half_open = (uint32_t)atoi(argv[++i]);
	}
	tcp = tcp_create(&cfg, now_us());
	if (!net || !tcp)
		die("no memory");
	netif_on_icmp_error(net, icmp_error, NULL);
	for (unsigned int i = 0; i < N_MODES; i++)
		tcp_listen(tcp, mode_ports[i]);
	netif_announce(net, now_us());
	printf("ready mtu=%u tx_offloads=%#lx\n", port.mtu, port.tx_offloads);
	fflush(stdout);
	for (int i = 4; i + 3 < argc; i++)
		if (!strcmp(argv[i], "-c"))
			connect_out(argv[i + 1], (uint16_t)atoi(argv[i + 2]), argv[i + 3], &n);
	while (!stop || draining(&until)) {
		uint64_t now = now_us();

		loop_once(&port);
		if (now - tick > 10000) {
			netif_tick(net, now);
			tick = now;
		}
	}
	return finish(&port);
}
