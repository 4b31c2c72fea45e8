// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <rte_arp.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include "bench/micro/micro_path.h"
#include "protocol/sstp/sstp.h"

#define WIRE_SIZE 1024
#define WORKER_MBUFS "16384"
#define PORT 443
#define FIRST_PORT 1024
#define ADDR_CLIENT 0x0afe0003u // 10.254.0.3
#define ADDR_ACCESS 0x0afe0002u
#define ADDR_CORE 0xac100001u
#define START_US 1000000000u
#define STEP_US 250
#define PUMP_MOST 2000
#define RX_OFF RTE_PKTMBUF_HEADROOM
#define FRAME_LEN 8

static const struct rte_ether_addr mac_far = {{2, 0, 0, 0, 0, 9}};

void path_must(bool cond, const char *what)
{
	if (cond)
		return;
	fprintf(stderr, "culvert-bench micro: path: %s\n", what);
	exit(EXIT_FAILURE);
}

// ---- wires

static void wire_put(struct rte_ring *r, struct rte_mbuf *m)
{
	path_must(rte_ring_enqueue(r, m) == 0, "a wire is full");
}

// A frame to the worker with n bytes behind its Ethernet header, at *payload.
static struct rte_mbuf *frame(
	const struct rte_ether_addr *to, uint16_t type, uint16_t n, void **payload)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(micro_pool());
	struct rte_ether_hdr *eth;

	path_must(m != NULL, "no mbufs");
	m->data_off = RX_OFF;
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, (uint16_t)(sizeof(*eth) + n));
	eth->dst_addr = *to;
	eth->src_addr = mac_far;
	eth->ether_type = rte_cpu_to_be_16(type);
	*payload = eth + 1;
	return m;
}

// Who is on a wire's other end tells so, and needs not be asked.
static void introduce(
	struct rte_ring *r, const struct rte_ether_addr *to, uint32_t addr, uint32_t us)
{
	struct rte_arp_hdr *arp;
	void *p;
	struct rte_mbuf *m = frame(to, RTE_ETHER_TYPE_ARP, sizeof(*arp), &p);

	arp = p;
	*arp = (struct rte_arp_hdr){.arp_hardware = RTE_BE16(1),
		.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = 6,
		.arp_plen = 4,
		.arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST),
		.arp_data = {.arp_sha = mac_far,
			.arp_sip = rte_cpu_to_be_32(addr),
			.arp_tip = rte_cpu_to_be_32(us)}};
	wire_put(r, m);
}

static void wire_clear(struct rte_ring *r)
{
	struct rte_mbuf *m;

	while (r && !rte_ring_dequeue(r, (void **)&m))
		rte_pktmbuf_free(m);
}

// The clients' stack hands over L3 packets, of which it keeps the payload: copied onto the wire.
static void client_output(void *user, struct rte_mbuf **pkts, uint16_t n)
{
	struct path *p = user;

	path_must(p->nb_out + n <= PATH_OUT_MAX, "more segments than expected");
	memcpy(p->out + p->nb_out, pkts, n * sizeof(*pkts));
	p->nb_out += n;
}

void path_flush(struct path *p)
{
	for (uint32_t i = 0; i < p->nb_out; i++) {
		struct rte_mbuf *o = p->out[i], *m;
		void *at;

		m = frame(&p->mac_access, RTE_ETHER_TYPE_IPV4, (uint16_t)o->pkt_len, &at);
		memcpy(at, rte_pktmbuf_mtod(o, void *), o->pkt_len);
		m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
		rte_pktmbuf_free(o);
		wire_put(p->up, m);
	}
	p->nb_out = 0;
}

static void clients_run(struct path *p)
{
	struct tcp_slice sl[48];
	struct tcp_conn *c;
	unsigned int ev;
	uint32_t bytes;

	while ((c = tcp_poll(p->peer, &ev)))
		if (ev & TCP_EV_READABLE)
			while (tcp_peek(c, 0, sl, RTE_DIM(sl), &bytes))
				tcp_consume(c, bytes, p->now_us);
}

void path_turn(struct path *p)
{
	struct rte_mbuf *m, *l3;
	void *at;

	p->now_us += STEP_US;
	while (!rte_ring_dequeue(p->down, (void **)&m)) {
		// By bytes: a record's header in front of an even payload makes the frame odd.
		const uint8_t *eth = rte_pktmbuf_mtod(m, const uint8_t *);
		uint16_t len = (uint16_t)(m->pkt_len - RTE_ETHER_HDR_LEN);

		path_must(m->nb_segs == 1, "a segment in pieces");
		if (eth[12] == 0x08 && eth[13] == 0x00) {
			l3 = frame(&mac_far, 0, len, &at);
			memcpy(at, eth + RTE_ETHER_HDR_LEN, len);
			rte_pktmbuf_adj(l3, RTE_ETHER_HDR_LEN);
			l3->l3_len = 20;
			l3->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
			tcp_input(p->peer, &l3, 1, p->now_us);
		}
		rte_pktmbuf_free(m);
	}
	clients_run(p);
	tcp_tick(p->peer, p->now_us);
	tcp_flush(p->peer);
	wire_clear(p->core_up);
	path_flush(p);
	p->now_us += STEP_US;
}

// ---- the worker

static int plug(
	const char *name, struct rte_ring *rx, struct rte_ring *tx, struct rte_ether_addr *mac)
{
	static uint8_t number;
	int port = rte_eth_from_rings(name, &rx, 1, &tx, 1, 0);

	*mac = (struct rte_ether_addr){{0x02, 'm', 'i', 'c', 'r', ++number}};
	return port < 0 ? -1 : rte_eth_dev_mac_addr_add((uint16_t)port, mac, 0);
}

static struct rte_ring *wire(const char *what)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "micro_%s", what);
	return rte_ring_create(name, WIRE_SIZE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static int start_worker(struct path *p, uint32_t n, char *why, size_t cap)
{
	static unsigned int number; // a port's name is not used twice
	char text[600], access[32], core[32];
	int len;

	number++;
	snprintf(access, sizeof(access), "micro_access%u", number);
	snprintf(core, sizeof(core), "micro_core%u", number);
	p->up = wire("up");
	p->down = wire("down");
	p->core_up = wire("core_up");
	p->core_down = wire("core_down");
	if (!p->up || !p->down || !p->core_up || !p->core_down ||
		plug(access, p->up, p->down, &p->mac_access) ||
		plug(core, p->core_down, p->core_up, &p->mac_core)) {
		snprintf(why, cap, "no ports from rings: %s", rte_strerror(rte_errno));
		return -EIO;
	}
	len = snprintf(text, sizeof(text),
		"dataplane:\n"
		"  workers: [0]\n"
		"  control-core: 0\n"
		"  max-sessions: %u\n"
		"  memory: { hugepages: no, mbufs: " WORKER_MBUFS " }\n"
		"  ports:\n"
		"    access: { device: net_ring_%s, address: 10.254.0.2/16 }\n"
		"    core: { device: net_ring_%s, address: 172.16.0.1/24 }\n"
		"sstp-server: { enabled: no }\n",
		n + 16, access, core);
	p->config = config_parse("micro", text, (size_t)len, false, stderr);
	if (!p->config)
		return -EINVAL;
	// Not the fastest one here, which is measured and could be another the next time.
	p->config->dataplane.record_backend =
		(char *)(uintptr_t)rec_backend_name(rec_backend_nth(0));
	p->dp = dp_create_here(&p->config->dataplane,
		RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM, why, cap);
	if (!p->dp)
		return -EIO;
	p->ch = dp_channel(p->dp);
	p->w = dp_worker(p->dp, 0);
	worker_begin(p->w);
	p->now_us = START_US;
	return 0;
}

static void worker_turn(struct path *p)
{
	uint64_t next_us;

	p->w->now_us = p->now_us;
	worker_loop(p->w, &next_us);
}

uint64_t path_forwarded(const struct path *p)
{
	const uint64_t *v = p->w->counters.v;

	return v[CNT_fwd_down] + v[CNT_fwd_up] + v[CNT_fwd_hairpin];
}

// ---- clients

static struct dp_msg *command(struct path *p, enum dp_command_type type, dp_handle h)
{
	struct dp_msg *m = dp_msg_alloc(p->ch, type, h);

	path_must(m != NULL, "no messages");
	return m;
}

static void send_command(struct path *p, struct dp_msg *m)
{
	path_must(dp_send_command(p->ch, m) == 0, "the command ring is full");
	worker_turn(p);
	path_turn(p);
}

// The next event of this type; others are thrown away.
static bool expect(struct path *p, enum dp_event_type type, dp_handle *h)
{
	struct dp_msg *m;

	for (int i = 0; i < PUMP_MOST; i++) {
		while (dp_recv_events(p->ch, &m, 1)) {
			bool it = m->type == type;

			*h = m->handle;
			dp_msg_free(p->ch, m);
			if (it)
				return true;
		}
		worker_turn(p);
		path_turn(p);
	}
	return false;
}

static int client_open(struct path *p, uint32_t i)
{
	struct ipaddr local = ipaddr_from4(rte_cpu_to_be_32(ADDR_CLIENT));
	struct ipaddr remote = ipaddr_from4(rte_cpu_to_be_32(ADDR_ACCESS));
	struct path_client *c = &p->clients[i];
	struct tls_traffic_key k = {.version = 0x0304, .aead = TLS_AEAD_AES_256_GCM, .key_len = 32};
	struct dp_msg *m;
	dp_handle h;

	c->conn = tcp_connect(
		p->peer, &local, (uint16_t)(FIRST_PORT + i), &remote, PORT, c, p->now_us);
	tcp_flush(p->peer);
	path_flush(p);
	if (!c->conn || !expect(p, DP_EV_ACCEPTED, &c->handle))
		return -ETIMEDOUT;
	memset(k.key, (int)(i + 1), sizeof(k.key));
	memset(k.iv, (int)(i + 3), sizeof(k.iv));
	c->key = micro_alloc(REC_KEY_SIZE_MAX);
	if (!c->key || rec_key_install(p->rc, &c->tx, &k, c->key))
		return -ENOMEM;
	m = command(p, DP_CMD_INSTALL, c->handle);
	m->u.install.rx = k;
	m->u.install.tx = k;
	send_command(p, m);
	// Stands for the HTTP exchange.
	path_client_record(p, i, 60);
	path_client_send(p, i);
	path_flush(p);
	if (!expect(p, DP_EV_RX_PLAIN, &h))
		return -ETIMEDOUT;
	m = command(p, DP_CMD_SSTP_START, c->handle);
	m->u.consume.offset = FRAME_LEN + 60;
	send_command(p, m);
	m = command(p, DP_CMD_OPEN_DATA, c->handle);
	m->u.open.inner = PATH_INNER(i);
	m->u.open.local = 0x0a000001;
	m->u.open.mtu = 1500;
	send_command(p, m);
	return dp_address_publish(p->ch, PATH_INNER(i), c->handle);
}

static int start_clients(struct path *p, uint32_t n)
{
	struct tcp_config t;
	struct dp_msg *m;

	tcp_config_default(&t);
	t.max_conns = n + 16;
	t.max_half_open = n + 16;
	t.max_time_wait = 16;
	t.rcv_wnd_max = 1 << 20;
	t.snd_buf_max = 1 << 20;
	t.mem_max_mbufs = MICRO_MBUFS;
	t.mtu = 1500;
	t.keepalive_idle_ms = 0;
	t.pool = micro_pool();
	t.counters = &p->cnt;
	t.output = client_output;
	t.user = p;
	memset(t.secret, 7, sizeof(t.secret));
	p->clients = micro_alloc(n * sizeof(*p->clients));
	p->rc = rec_crypto_create(rec_backend_nth(0));
	p->peer = p->clients && p->rc && t.pool ? tcp_create(&t, p->now_us) : NULL;
	if (!p->peer)
		return -ENOMEM;
	m = command(p, DP_CMD_LISTEN, 0);
	m->worker = 0;
	m->u.listen.port = PORT;
	m->u.listen.on = 1;
	introduce(p->up, &p->mac_access, ADDR_CLIENT, ADDR_ACCESS);
	introduce(p->core_down, &p->mac_core, PATH_HOST, ADDR_CORE);
	send_command(p, m);
	for (; p->nb_clients < n; p->nb_clients++) {
		int rc = client_open(p, p->nb_clients);

		if (rc)
			return rc;
	}
	return 0;
}

int path_open(struct path *p, uint32_t n, char *why, size_t cap)
{
	int rc = start_worker(p, n, why, cap);

	if (rc)
		return rc;
	rc = start_clients(p, n);
	if (rc)
		snprintf(why, cap, "client %u does not come up: %s", p->nb_clients, strerror(-rc));
	return rc;
}

void path_close(struct path *p)
{
	struct rte_ring *all[] = {p->up, p->down, p->core_up, p->core_down};
	struct dp_msg *m;

	while (p->ch && dp_recv_events(p->ch, &m, 1))
		dp_msg_free(p->ch, m);
	if (p->w)
		worker_end(p->w);
	if (p->dp) {
		dp_stop(p->dp);
		dp_destroy(p->dp);
	}
	for (uint32_t i = 0; i < p->nb_out; i++)
		rte_pktmbuf_free(p->out[i]);
	for (size_t i = 0; i < RTE_DIM(all); i++) {
		wire_clear(all[i]);
		rte_ring_free(all[i]);
	}
	if (p->peer)
		tcp_destroy(p->peer);
	for (uint32_t i = 0; p->clients && i < p->nb_clients; i++) {
		rec_key_remove(p->rc, &p->clients[i].tx);
		micro_free(p->clients[i].key);
	}
	rec_crypto_destroy(p->rc);
	micro_free(p->clients);
	config_free(p->config);
}

// ---- packets

static void put_ip(void *at, uint32_t len, uint32_t src, uint32_t dst)
{
	struct rte_ipv4_hdr *ip = at;

	memset(ip, 0, sizeof(*ip));
	ip->version_ihl = 0x45;
	ip->total_length = rte_cpu_to_be_16((uint16_t)len);
	ip->time_to_live = 64;
	ip->next_proto_id = IPPROTO_UDP;
	ip->src_addr = rte_cpu_to_be_32(src);
	ip->dst_addr = rte_cpu_to_be_32(dst);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

void path_core_in(struct path *p, uint32_t i, uint32_t len)
{
	void *at;
	struct rte_mbuf *m = frame(&p->mac_core, RTE_ETHER_TYPE_IPV4, (uint16_t)len, &at);

	put_ip(at, len, PATH_HOST, PATH_INNER(i));
	wire_put(p->core_down, m);
}

void path_client_record(struct path *p, uint32_t i, uint32_t len)
{
	struct path_client *c = &p->clients[i];
	uint8_t *rec = c->pending + c->nb_pending, *text = rec + c->tx.prefix_len;
	struct rec_seal_op op = {.d = &c->tx,
		.p = text,
		.len = (uint16_t)(FRAME_LEN + len),
		.type = TLS_CT_APPLICATION_DATA};

	c->nb_pending += c->tx.prefix_len + op.len + c->tx.suffix_len;
	path_must(c->nb_pending <= sizeof(c->pending), "a client's stream is too long");
	memset(text, 'x', op.len);
	sstp_put_hdr(text, false, op.len);
	memcpy(text + 4, "\xff\x03\x00\x21", 4);
	put_ip(text + FRAME_LEN, len, PATH_INNER(i), PATH_HOST);
	rec_seal_burst(p->rc, &op, 1);
}

void path_client_send(struct path *p, uint32_t i)
{
	struct path_client *c = &p->clients[i];
	uint32_t n = RTE_MIN(c->nb_pending, PATH_SEGMENT);
	struct rte_mbuf *m = rte_pktmbuf_alloc(micro_pool());

	path_must(m != NULL, "no mbufs");
	m->data_off = MBUF_FRONT;
	memcpy(rte_pktmbuf_append(m, (uint16_t)n), c->pending, n);
	c->nb_pending -= n;
	memmove(c->pending, c->pending + n, c->nb_pending);
	path_must(!tcp_send(c->conn, m, p->now_us), "a segment was refused");
	tcp_push(c->conn, p->now_us);
	tcp_flush(p->peer);
}
