// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/gen_rig.h"

#include <stdlib.h>
#include <string.h>
#include <rte_arp.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_ring.h>

#define MBUFS 8191
#define STEP_US 200
#define RING_SIZE 1024

static const struct rte_ether_addr server_mac = {{2, 0, 0, 0, 0, 1}};
static struct rig *the_rig; // for callbacks that carry none

int rig_eal(void **state)
{
	char *argv[] = {"test", "--no-huge", "-m", "256", "--no-pci", "--no-telemetry",
		"--no-shconf", "--log-level=4", "-l", "0", "--file-prefix", "culvert-gen-test"};

	return rte_eal_init(RTE_DIM(argv), argv) < 0;
}

// --- frames of the server's two ports ---

static void put_frame(
	struct rte_ring *ring, const struct port *to, uint16_t type, const struct rte_mbuf *l3)
{
	struct rte_mbuf *m = rte_pktmbuf_copy(l3, the_rig->server_pool, 0, UINT32_MAX);
	struct rte_ether_hdr *eth;

	if (!m)
		return;
	eth = (struct rte_ether_hdr *)rte_pktmbuf_prepend(m, sizeof(*eth));
	eth->dst_addr = to->mac;
	eth->src_addr = server_mac;
	eth->ether_type = rte_cpu_to_be_16(type);
	m->ol_flags = 0;
	if (rte_ring_enqueue(ring, m))
		rte_pktmbuf_free(m);
}

static void put_packet(struct rte_ring *ring, const struct port *to, const uint8_t *ip, size_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(the_rig->server_pool);

	if (!m)
		return;
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), ip, len);
	put_frame(ring, to, RTE_ETHER_TYPE_IPV4, m);
	rte_pktmbuf_free(m);
}

static void tcp_out(void *user, struct rte_mbuf **m, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		put_frame(the_rig->to_clients, &the_rig->access, RTE_ETHER_TYPE_IPV4, m[i]);
		rte_pktmbuf_free(m[i]);
	}
}

// Whoever asks for the server's address hears it.
static void answer_arp(
	struct rte_ring *ring, const struct port *to, const struct rte_mbuf *m, uint32_t own)
{
	struct rte_mbuf *reply = rte_pktmbuf_copy(m, the_rig->server_pool, 0, UINT32_MAX);
	struct rte_arp_hdr *arp;

	assert_non_null(reply);
	rte_pktmbuf_adj(reply, RTE_ETHER_HDR_LEN);
	arp = rte_pktmbuf_mtod(reply, struct rte_arp_hdr *);
	if (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) &&
		arp->arp_data.arp_tip == rte_cpu_to_be_32(own)) {
		arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
		arp->arp_data = (struct rte_arp_ipv4){.arp_sha = server_mac,
			.arp_sip = rte_cpu_to_be_32(own),
			.arp_tha = arp->arp_data.arp_sha,
			.arp_tip = arp->arp_data.arp_sip};
		put_frame(ring, to, RTE_ETHER_TYPE_ARP, reply);
	}
	rte_pktmbuf_free(reply);
}

static bool is_type(const struct rte_mbuf *m, uint16_t type)
{
	return rte_pktmbuf_mtod(m, const struct rte_ether_hdr *)->ether_type ==
	       rte_cpu_to_be_16(type);
}

// --- the router ---

static uint32_t destination(const uint8_t *ip)
{
	uint32_t a;

	memcpy(&a, ip + 16, sizeof(a));
	return rte_be_to_cpu_32(a);
}

static struct rig_call *call_of(uint32_t inner)
{
	for (unsigned int i = 0; i < the_rig->nb_calls; i++)
		if (the_rig->call[i].bed && the_rig->call[i].bed->conf.address == inner)
			return &the_rig->call[i];
	return NULL;
}

static void route(struct bed *b, const uint8_t *ip, size_t len)
{
	struct rig_call *c;

	if (len < 20)
		return;
	c = call_of(destination(ip));
	if (destination(ip) == RIG_HOST)
		put_packet(the_rig->to_host, &the_rig->core, ip, len);
	else if (c && c->bed->network && !c->bed->closed)
		bed_server_ip(c->bed, ip, len);
}

static void core_in(struct rig *r)
{
	struct rte_mbuf *m;

	while (!rte_ring_dequeue(r->to_core, (void **)&m)) {
		if (is_type(m, RTE_ETHER_TYPE_ARP))
			answer_arp(r->to_host, &r->core, m, RIG_CORE);
		else
			route(NULL, rte_pktmbuf_mtod_offset(m, uint8_t *, RTE_ETHER_HDR_LEN),
				m->data_len - (size_t)RTE_ETHER_HDR_LEN);
		rte_pktmbuf_free(m);
	}
}

// --- the server's calls ---

static void access_in(struct rig *r)
{
	struct rte_mbuf *m;

	while (!rte_ring_dequeue(r->to_server, (void **)&m)) {
		if (is_type(m, RTE_ETHER_TYPE_ARP)) {
			answer_arp(r->to_clients, &r->access, m, RIG_SERVER);
			rte_pktmbuf_free(m);
			continue;
		}
		rte_pktmbuf_adj(m, RTE_ETHER_HDR_LEN);
		m->l2_len = 0;
		m->l3_len = 20;
		tcp_input(r->tcp, &m, 1, r->now_us);
	}
}

static void accept_call(struct rig *r, struct tcp_conn *conn)
{
	struct rig_call *c = &r->call[r->nb_calls];

	assert_true(r->nb_calls < RIG_CALLS);
	c->conn = conn;
	c->bed = bed_create();
	c->bed->conf = r->bed;
	c->bed->conf.address = RIG_INNER + r->nb_calls++;
	c->bed->conf.ip = route;
	c->bed->more = c;
	c->bed->now_ms = r->now_us / 1000;
	bed_server_start(c->bed);
	tcp_conn_set_user(conn, c);
}

static void read_call(struct rig *r, struct rig_call *c)
{
	struct tcp_slice sl[8];
	uint32_t bytes;
	uint16_t n;

	while (!c->silent && (n = tcp_peek(c->conn, 0, sl, RTE_DIM(sl), &bytes))) {
		for (uint16_t i = 0; i < n; i++)
			bed_server_input(c->bed, sl[i].p, sl[i].len);
		tcp_consume(c->conn, bytes, r->now_us);
	}
}

static void write_call(struct rig *r, struct rig_call *c)
{
	uint8_t buf[1400];
	struct rte_mbuf *m;
	size_t n;

	while ((n = bed_server_output(c->bed, buf, sizeof(buf)))) {
		m = rte_pktmbuf_alloc(r->server_pool);
		assert_non_null(m);
		m->data_off = MBUF_FRONT;
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), buf, n);
		assert_int_equal(tcp_send(c->conn, m, r->now_us), 0);
	}
	if (c->bed->closed && !c->fin) {
		c->fin = true;
		tcp_shutdown(c->conn, r->now_us);
	}
	tcp_push(c->conn, r->now_us);
}

static void server_run(struct rig *r)
{
	struct tcp_conn *conn;
	unsigned int events;

	access_in(r);
	core_in(r);
	tcp_tick(r->tcp, r->now_us);
	while ((conn = tcp_poll(r->tcp, &events))) {
		struct rig_call *c = tcp_conn_user(conn);

		if (events & TCP_EV_ACCEPTED)
			accept_call(r, conn);
		c = tcp_conn_user(conn);
		if (!c->conn)
			continue;
		read_call(r, c);
		if (events & TCP_EV_EOF)
			tcp_shutdown(c->conn, r->now_us);
		if (events & TCP_EV_CLOSED || (events & TCP_EV_EOF && !c->silent)) {
			tcp_release(c->conn, r->now_us);
			c->conn = NULL;
		}
	}
	for (unsigned int i = 0; i < r->nb_calls; i++) {
		if (!r->call[i].conn)
			continue;
		bed_server_tick(r->call[i].bed, r->now_us / 1000);
		write_call(r, &r->call[i]);
	}
}

// --- set-up ---

static struct rte_ring *ring(const char *name)
{
	struct rte_ring *x =
		rte_ring_create(name, RING_SIZE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);

	assert_non_null(x);
	return x;
}

static void plug(struct port *p, const char *name, struct rte_ring *rx, struct rte_ring *tx,
	struct rte_mempool *pool, uint8_t number)
{
	struct rte_ether_addr mac = {{2, 0, 0, 0, 1, number}};
	int id = rte_eth_from_rings(name, &rx, 1, &tx, 1, 0);
	char device[64], err[200];

	assert_true(id >= 0);
	assert_int_equal(rte_eth_dev_mac_addr_add((uint16_t)id, &mac, 0), 0);
	snprintf(device, sizeof(device), "net_ring_%s", name);
	if (port_open(p, device, 1, &pool, 0, 0, err, sizeof(err)))
		fail_msg("%s", err);
	p->mac = mac;
}

static struct tcp_stack *make_stack(struct rig *r)
{
	struct tcp_config t;

	tcp_config_default(&t);
	t.max_conns = 256;
	t.max_half_open = 64;
	t.max_time_wait = 64;
	t.mem_max_mbufs = MBUFS / 2;
	t.mtu = 1500;
	t.pool = r->server_pool;
	t.counters = &r->counters;
	t.output = tcp_out;
	memset(t.secret, 7, sizeof(t.secret));
	return tcp_create(&t, r->now_us);
}

static void fill_conf(struct rig *r)
{
	r->conf = (struct gen_conf){.access = &r->access,
		.core = &r->core,
		.access_by_pointer = true,
		.pool = r->pool,
		.client_addr = RIG_CLIENT,
		.nb_client = 3,
		.client_plen = 24,
		.server_addr = RIG_SERVER,
		.server_port = 443,
		.core_addr = RIG_HOST,
		.core_gw = RIG_CORE,
		.core_plen = 24,
		.sessions = 4,
		.user = "user%d",
		.password = "StrongPass",
		.record_backend = "openssl",
		.chaos = {.seed = 1}};
	call_conf_default(&r->conf.call);
	r->conf.call.tls = r->tls;
	r->conf.call.host = "vpn.example";
	r->bed = (struct bed_conf){.auth_methods = PPP_AUTH_MSCHAP2,
		.password = "StrongPass",
		.hash_mask = CERT_HASH_PROTOCOL_SHA256};
}

struct rig *rig_create(void)
{
	static unsigned int number;
	const struct call_tls_conf tls = {.keys = true};
	struct rig *r = calloc(1, sizeof(*r));
	char err[200], name[32];

	assert_non_null(r);
	the_rig = r;
	r->now_us = 5000000;
	number++;
	r->pool = mbuf_pool_create("rig_clients", MBUFS, SOCKET_ID_ANY);
	r->server_pool = mbuf_pool_create("rig_server", MBUFS, SOCKET_ID_ANY);
	assert_true(r->pool && r->server_pool);
	r->to_server = ring("to_server");
	r->to_clients = ring("to_clients");
	r->to_core = ring("to_core");
	r->to_host = ring("to_host");
	snprintf(name, sizeof(name), "clients%u", number);
	plug(&r->access, name, r->to_clients, r->to_server, r->pool, 1);
	snprintf(name, sizeof(name), "host%u", number);
	plug(&r->core, name, r->to_host, r->to_core, r->pool, 2);
	r->tcp = make_stack(r);
	assert_non_null(r->tcp);
	rig_listen(r, true);
	r->tls = call_tls_ctx_create(&tls, err, sizeof(err));
	assert_non_null(r->tls);
	fill_conf(r);
	return r;
}

void rig_listen(struct rig *r, bool on)
{
	if (on)
		assert_int_equal(tcp_listen(r->tcp, 443), 0);
	else
		tcp_unlisten(r->tcp, 443);
}

void rig_start(struct rig *r)
{
	char err[200];

	r->g = gen_create(&r->conf, r->now_us, err, sizeof(err));
	if (!r->g)
		fail_msg("%s", err);
}

void rig_run(struct rig *r, uint64_t us)
{
	for (uint64_t end = r->now_us + us; r->now_us < end; r->now_us += STEP_US) {
		gen_loop(r->g, r->now_us);
		server_run(r);
	}
}

void rig_dial(struct rig *r, unsigned int n)
{
	uint64_t end = r->now_us + 20000000;

	gen_dial(r->g, 0, n, n, 0, r->now_us);
	while (gen_stats(r->g)->up < n) {
		rig_run(r, 10000);
		if (r->now_us >= end)
			fail_msg("%u of %u calls are up: %s", gen_stats(r->g)->up, n,
				gen_stats(r->g)->reasons[0].text);
	}
}

struct gen_session *rig_session_of(struct rig *r, const struct rig_call *c)
{
	for (unsigned int i = 0; i < r->conf.sessions; i++)
		if (gen_session_addr(r->g, i) == c->bed->conf.address)
			return &r->g->sessions[i];
	return NULL;
}

static void drain(struct rte_ring *x)
{
	struct rte_mbuf *m;

	while (!rte_ring_dequeue(x, (void **)&m))
		rte_pktmbuf_free(m);
	rte_ring_free(x);
}

void rig_destroy(struct rig *r)
{
	const struct gen_stats *st;

	gen_traffic_stop(r->g, r->now_us);
	gen_hangup(r->g, 0, r->conf.sessions, 0, r->now_us);
	rig_run(r, 3000000);
	st = gen_stats(r->g);
	assert_int_equal(st->up + st->dialing + st->closing, 0);
	gen_destroy(r->g);
	tcp_destroy(r->tcp);
	for (unsigned int i = 0; i < r->nb_calls; i++)
		bed_free(r->call[i].bed);
	port_close(&r->access);
	port_close(&r->core);
	drain(r->to_server);
	drain(r->to_clients);
	drain(r->to_core);
	drain(r->to_host);
	assert_int_equal(rte_mempool_in_use_count(r->pool), 0);
	assert_int_equal(rte_mempool_in_use_count(r->server_pool), 0);
	rte_mempool_free(r->pool);
	rte_mempool_free(r->server_pool);
	call_tls_ctx_free(r->tls);
	free(r);
}
