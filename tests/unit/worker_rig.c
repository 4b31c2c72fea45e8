// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_udp.h>

#include "dataplane/flowq.h"
#include "dataplane/forward.h"
#include "dataplane/session_policy.h"
#include "protocol/sstp/sstp.h"
#include "tests/unit/worker_rig.h"

#define CLIENT_MBUFS 4096
#define WORKER_MBUFS 8192

uint16_t rig_data_room, rig_mtu;
static struct rig *the_rig; // for the interface below, which has no argument to carry it

// ---- the interface functions that worker.c and forward.c call, here instead of ports

struct netif {
	bool access;
};
static struct netif access_if = {true}, core_if = {false};

void netif_output(struct netif *n, struct rte_mbuf **pkts, uint16_t nb, uint64_t now_us)
{
	assert_ptr_equal(n, &core_if); // access goes through the TCP stack's output below
	for (uint16_t i = 0; i < nb; i++) {
		assert_true(the_rig->nb_core < RIG_CORE_MAX);
		the_rig->core[the_rig->nb_core++] = pkts[i];
	}
}

void netif_input(struct netif *n, struct rte_mbuf **frames, uint16_t nb, uint64_t now_us,
	bool want_learn, struct netif_rx *rx)
{
	fail_msg("no port is polled here");
}

void netif_learn(struct netif *n, struct rte_mbuf *frame, uint64_t now_us)
{
	rte_pktmbuf_free(frame);
}

void netif_output_frames(struct netif *n, struct rte_mbuf **frames, uint16_t nb)
{
	rte_pktmbuf_free_bulk(frames, nb);
}

bool netif_icmp_allow(struct netif *n, uint64_t now_us)
{
	return true;
}

void netif_flush(struct netif *n)
{
}

void netif_tick(struct netif *n, uint64_t now_us)
{
}

void netif_announce(struct netif *n, uint64_t now_us)
{
}

void netif_on_icmp_error(struct netif *n, netif_icmp_error_cb *cb, void *user)
{
}

// ---- the link: segments are copied, so that no side touches what the other keeps

static struct rte_mbuf *link_buf[8192];
static bool link_to_client[8192];
static unsigned int link_n;

static void link_put(struct rte_mbuf **pkts, uint16_t n, bool to_client)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *c =
			rte_pktmbuf_alloc(to_client ? the_rig->pool : the_rig->w->pool);

		if (!c) { // lost, as by a device that has none to receive in
			assert_false(to_client);
			rte_pktmbuf_free(pkts[i]);
			continue;
		}
		assert_true(pkts[i]->pkt_len <= rte_pktmbuf_tailroom(c));
		memcpy(rte_pktmbuf_append(c, (uint16_t)pkts[i]->pkt_len),
			rte_pktmbuf_mtod(pkts[i], void *), pkts[i]->pkt_len);
		c->l3_len = pkts[i]->l3_len;
		rte_pktmbuf_free(pkts[i]);
		assert_true(link_n < RTE_DIM(link_buf));
		link_buf[link_n] = c;
		link_to_client[link_n++] = to_client;
	}
}

static void worker_out(void *user, struct rte_mbuf **pkts, uint16_t n)
{
	link_put(pkts, n, true);
}

static void client_out(void *user, struct rte_mbuf **pkts, uint16_t n)
{
	link_put(pkts, n, false);
}

static bool link_run(struct rig *r)
{
	unsigned int n = link_n, kept = 0;
	struct rte_mbuf *m[8192];
	bool to_client[8192];

	memcpy(m, link_buf, n * sizeof(m[0]));
	memcpy(to_client, link_to_client, n * sizeof(to_client[0]));
	link_n = 0;
	for (unsigned int i = 0; i < n; i++) {
		if (to_client[i] && r->hold_link) {
			link_buf[kept] = m[i];
			link_to_client[kept++] = true;
			link_n = kept;
			continue;
		}
		tcp_input(to_client[i] ? r->client_tcp : r->w->tcp, &m[i], 1, r->now_us);
	}
	return n > kept;
}

// ---- set-up

const struct rig_suite rig_suites[3] = {{0x0304, TLS_AEAD_AES_256_GCM},
	{0x0303, TLS_AEAD_AES_128_GCM}, {0x0303, TLS_AEAD_CHACHA20_POLY1305}};

void rig_eal(void)
{
	char *argv[] = {"test", "--no-huge", "-m", "256", "--no-pci", "--no-telemetry",
		"--no-shconf", "--log-level=4", "-l", "0", "--file-prefix", "culvert-worker-test"};

	assert_true(rte_eal_init(RTE_DIM(argv), argv) >= 0);
}

static struct tcp_stack *make_stack(struct rte_mempool *pool, struct counters *cnt,
	void (*out)(void *, struct rte_mbuf **, uint16_t), uint64_t now_us)
{
	struct tcp_config t;

	tcp_config_default(&t);
	t.max_conns = 64;
	t.max_half_open = 32;
	t.max_time_wait = 64;
	t.rcv_wnd_max = 1 << 20;
	t.snd_buf_max = 1 << 20;
	t.mem_max_mbufs = CLIENT_MBUFS / 2;
	t.mtu = rig_mtu ? rig_mtu : 1500;
	t.pool = pool;
	t.counters = cnt;
	t.output = out;
	memset(t.secret, 7, sizeof(t.secret));
	return tcp_create(&t, now_us);
}

static struct rte_mempool *small_pool(const char *name, unsigned int n, unsigned int size)
{
	struct rte_mempool *mp =
		rte_mempool_create(name, n, size, 0, 0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY, 0);

	assert_non_null(mp);
	return mp;
}

struct rig *rig_create(uint16_t tls_version, enum tls_aead aead)
{
	static struct port port = {.nb_rxq = 0, .nb_txq = 0, .mtu = 1500};
	struct rig *r = calloc(1, sizeof(*r));
	struct worker *w = rte_zmalloc("worker", sizeof(*w), 64);
	static struct worker *peers[1];

	assert_non_null(r);
	assert_non_null(w);
	the_rig = r;
	link_n = 0;
	r->w = w;
	r->tls_version = tls_version;
	r->aead = aead;
	r->now_us = 1000000;
	r->ch = dp_chan_create(1, 1023, 1024);
	assert_non_null(r->ch);
	r->pool = mbuf_pool_create("rig_client", CLIENT_MBUFS, SOCKET_ID_ANY);
	peers[0] = w;
	w->ch = r->ch;
	w->nb_workers = 1;
	w->peers = peers;
	w->pool = rig_data_room ? mbuf_pool_create_room(
					  "rig_worker", WORKER_MBUFS, rig_data_room, SOCKET_ID_ANY)
				: mbuf_pool_create("rig_worker", WORKER_MBUFS, SOCKET_ID_ANY);
	assert_non_null(r->pool);
	assert_non_null(w->pool);
	w->mbuf_room = worker_mbuf_room(w->pool);
	w->access_port = w->core_port = &port;
	w->access_rxq = w->core_rxq = -1;
	w->access = &access_if;
	w->core = &core_if;
	w->max_sessions = RIG_SESSIONS;
	w->core_addr = IP4(198, 51, 100, 1);
	w->rc = rec_crypto_create(rec_backend_get("openssl"));
	r->worker_rc = w->rc;
	r->rc = rec_crypto_create(rec_backend_get("openssl"));
	assert_non_null(w->rc);
	assert_non_null(r->rc);
	w->sessions = rte_zmalloc("sessions", (RIG_SESSIONS + 1) * sizeof(struct session), 64);
	w->scratch = rte_malloc("scratch", 32768, 64);
	w->scratch2 = rte_malloc("scratch", 32768, 64);
	w->handover = rte_ring_create("rig_handover", 1024, SOCKET_ID_ANY, RING_F_SC_DEQ);
	w->wheel = wheel_create(1000, 2 * w->max_sessions, r->now_us);
	w->now_us = r->now_us;
	assert_int_equal(session_policy_create(w), 0);
	w->keys = small_pool("rig_keys", 63, REC_KEY_SIZE_MAX);
	w->stashes = small_pool("rig_stashes", 63, WORKER_STASH_SIZE);
	w->flowqs = small_pool("rig_flowqs", 3, sizeof(struct flowq));
	for (uint32_t i = RIG_SESSIONS; i; i--) {
		w->sessions[i].slot = w->free_head;
		w->free_head = i;
	}
	w->nb_free = RIG_SESSIONS;
	w->now_us = r->now_us;
	w->snd_buf_max = 1 << 20;
	w->snd_max = CLIENT_MBUFS / 2 / 8 * 5;
	w->txq_max = WORKER_MBUFS / 4;
	w->tcp = make_stack(w->pool, &w->counters, worker_out, r->now_us);
	r->client_tcp = make_stack(r->pool, &r->client_counters, client_out, r->now_us);
	assert_non_null(w->tcp);
	assert_non_null(r->client_tcp);
	assert_int_equal(tcp_listen(w->tcp, 443), 0);
	return r;
}

void rig_abort(struct rig *r, struct rig_client *c)
{
	tcp_abort(c->conn, r->now_us);
	tcp_release(c->conn, r->now_us);
	c->conn = NULL;
}

void rig_destroy(struct rig *r)
{
	struct worker *w = r->w;
	struct tcp_levels l;

	r->hold_events = r->hold_link = false;
	for (unsigned int i = 0; i < r->nb_clients; i++) {
		struct rig_client *c = &r->c[i];

		if (c->conn)
			rig_abort(r, c);
		if (c->rx_key) {
			rec_key_remove(r->rc, &c->rx);
			rec_key_remove(r->rc, &c->tx);
		}
		free(c->rx_key);
		free(c->tx_key);
		free(c->in);
	}
	rig_run(r, 200000);
	worker_fresh_free(w);
	tcp_stack_levels(w->tcp, &l);
	assert_int_equal(l.conns, 0);
	assert_int_equal(l.mbufs_held, 0);
	for (unsigned int i = 0; i < r->nb_ev; i++)
		dp_msg_free(r->ch, r->ev[i]);
	for (unsigned int i = 0; i < r->nb_core; i++)
		rte_pktmbuf_free(r->core[i]);
	// Sessions ended by the clients' resets; nothing may be left but what the stacks keep for
	// TIME-WAIT (no mbufs).
	assert_int_equal(w->nb_free, RIG_SESSIONS);
	assert_int_equal(w->txq_held, 0);
	tcp_destroy(w->tcp);
	tcp_destroy(r->client_tcp);
	assert_int_equal(rte_mempool_in_use_count(w->pool), 0);
	assert_int_equal(rte_mempool_in_use_count(r->pool), 0);
	assert_int_equal(rte_mempool_in_use_count(w->keys), 0);
	assert_int_equal(rte_mempool_in_use_count(w->stashes), 0);
	assert_int_equal(rte_mempool_in_use_count(w->flowqs), 0);
	assert_int_equal(rte_mempool_in_use_count(r->ch->msgs), 0);
	dp_chan_destroy(r->ch);
	rec_crypto_destroy(w->rc);
	rec_crypto_destroy(r->rc);
	wheel_destroy(w->wheel);
	session_policy_destroy(w);
	rte_ring_free(w->handover);
	rte_mempool_free(w->keys);
	rte_mempool_free(w->stashes);
	rte_mempool_free(w->flowqs);
	rte_mempool_free(w->pool);
	rte_mempool_free(r->pool);
	rte_free(w->scratch);
	rte_free(w->scratch2);
	rte_free(w->sessions);
	rte_free(w);
	free(r);
}

// ---- running

static void client_record(struct rig *r, struct rig_client *c, uint8_t *rec, uint32_t len)
{
	struct rec_slice sl = {rec, len};
	uint8_t *plain = malloc(len + 64);
	struct rec_open_op op = {.d = &c->rx, .src = &sl, .nb_src = 1, .dst = plain};

	assert_non_null(plain);
	rec_open_burst(r->rc, &op, 1);
	assert_int_equal(op.status, 0);
	c->records_in++;
	if (op.type == TLS_CT_ALERT) {
		assert_int_equal(op.len, 2);
		c->alert_level = plain[0];
		c->alert = plain[1];
	} else if (op.type == TLS_CT_HANDSHAKE) {
		c->handshake_records++;
	} else {
		c->in = realloc(c->in, c->in_len + op.len);
		assert_non_null(c->in);
		memcpy(c->in + c->in_len, plain, op.len);
		c->in_len += op.len;
	}
	free(plain);
}

static void client_read(struct rig *r, struct rig_client *c)
{
	static uint8_t rec[TLS_REC_MAX_CIPHER_12 + 64];

	while (c->rx_key && c->conn) {
		struct tcp_slice sl[64];
		uint32_t bytes, at = 0;
		uint16_t n = tcp_peek(c->conn, 0, sl, RTE_DIM(sl), &bytes);
		int len;

		if (bytes < TLS_REC_HDR_LEN)
			return;
		for (uint16_t i = 0; i < n && at < sizeof(rec); i++) {
			uint32_t k = RTE_MIN(sl[i].len, (uint32_t)sizeof(rec) - at);

			memcpy(rec + at, sl[i].p, k);
			at += k;
		}
		len = rec_peek(&c->rx, rec);
		assert_true(len > 0);
		if (at < (uint32_t)len)
			return;
		tcp_consume(c->conn, (uint32_t)len, r->now_us);
		client_record(r, c, rec, (uint32_t)len);
	}
}

static void clients_run(struct rig *r)
{
	struct tcp_conn *conn;
	unsigned int ev;

	tcp_tick(r->client_tcp, r->now_us);
	while ((conn = tcp_poll(r->client_tcp, &ev))) {
		struct rig_client *c = tcp_conn_user(conn);

		if (ev & TCP_EV_READABLE)
			client_read(r, c);
		if (ev & TCP_EV_EOF)
			c->eof = true;
		if (ev & TCP_EV_CLOSED)
			c->closed = true;
	}
}

void rig_run(struct rig *r, uint32_t us)
{
	uint64_t end = r->now_us + us, next;

	do {
		r->w->now_us = r->now_us;
		worker_loop(r->w, &next);
		clients_run(r);
		link_run(r);
		if (!r->hold_events)
			r->nb_ev +=
				dp_recv_events(r->ch, &r->ev[r->nb_ev], RTE_DIM(r->ev) - r->nb_ev);
		r->now_us += 500;
	} while (r->now_us < end);
}

struct dp_msg *rig_event(struct rig *r, enum dp_event_type type)
{
	for (unsigned int i = 0; i < r->nb_ev; i++) {
		struct dp_msg *m = r->ev[i];

		if (m->type != type)
			continue;
		memmove(&r->ev[i], &r->ev[i + 1], (r->nb_ev - i - 1) * sizeof(m));
		r->nb_ev--;
		return m;
	}
	return NULL;
}

struct dp_msg *rig_expect(struct rig *r, enum dp_event_type type)
{
	struct dp_msg *m = NULL;

	for (int i = 0; i < 100 && !(m = rig_event(r, type)); i++)
		rig_run(r, 2000);
	if (!m)
		fail_msg("no event %s", dp_event_name(type));
	return m;
}

unsigned int rig_events(const struct rig *r, enum dp_event_type type)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->nb_ev; i++)
		n += r->ev[i]->type == type;
	return n;
}

void rig_expect_closed(struct rig *r, enum dp_reason why)
{
	struct dp_msg *m = rig_expect(r, DP_EV_CLOSED);

	assert_string_equal(dp_reason_text(m->u.closed.reason), dp_reason_text(why));
	dp_msg_free(r->ch, m);
}

struct dp_msg *rig_msg(struct rig *r, enum dp_command_type type, dp_handle h)
{
	struct dp_msg *m = dp_msg_alloc(r->ch, type, h);

	assert_non_null(m);
	return m;
}

void rig_command(struct rig *r, struct dp_msg *m)
{
	assert_int_equal(dp_send_command(r->ch, m), 0);
	rig_run(r, 500);
}

// ---- clients

struct rig_client *rig_connect(struct rig *r)
{
	struct rig_client *c = &r->c[r->nb_clients++];
	struct ipaddr local = ipaddr_from4(RTE_BE32(IP4(192, 0, 2, 9)));
	struct ipaddr remote = ipaddr_from4(RTE_BE32(IP4(192, 0, 2, 1)));
	struct dp_msg *m;

	assert_true(r->nb_clients <= RIG_SESSIONS);
	c->conn = tcp_connect(r->client_tcp, &local, 0, &remote, 443, c, r->now_us);
	assert_non_null(c->conn);
	m = rig_expect(r, DP_EV_ACCEPTED);
	c->handle = m->handle;
	assert_int_equal(m->u.accepted.local_port, 443);
	assert_memory_equal(&m->u.accepted.peer, local.b, 16);
	dp_msg_free(r->ch, m);
	return c;
}

static void make_key(const struct rig *r, struct tls_traffic_key *k, uint8_t seed)
{
	memset(k, 0, sizeof(*k));
	k->version = r->tls_version;
	k->aead = (uint8_t)r->aead;
	k->key_len = r->aead == TLS_AEAD_AES_128_GCM ? 16 : 32;
	memset(k->key, seed, k->key_len);
	memset(k->iv, seed + 1, sizeof(k->iv));
	k->seq = 1;
	k->explicit_base = 0x1122334455;
}

void rig_install(struct rig *r, struct rig_client *c)
{
	struct dp_msg *m = rig_msg(r, DP_CMD_INSTALL, c->handle);

	make_key(r, &m->u.install.rx, (uint8_t)(c - r->c));
	make_key(r, &m->u.install.tx, (uint8_t)(c - r->c + 100));
	c->rx_key = aligned_alloc(REC_KEY_ALIGN, REC_KEY_SIZE_MAX);
	c->tx_key = aligned_alloc(REC_KEY_ALIGN, REC_KEY_SIZE_MAX);
	assert_int_equal(rec_key_install(r->rc, &c->tx, &m->u.install.rx, c->tx_key), 0);
	assert_int_equal(rec_key_install(r->rc, &c->rx, &m->u.install.tx, c->rx_key), 0);
	rig_command(r, m);
}

struct rig_client *rig_connect_sstp(struct rig *r)
{
	struct rig_client *c = rig_connect(r);
	struct dp_msg *m;

	rig_install(r, c);
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, "HELLO", 5);
	m = rig_expect(r, DP_EV_RX_PLAIN);
	assert_int_equal(m->len, 5);
	assert_int_equal(m->u.rx.offset, 0);
	dp_msg_free(r->ch, m);
	m = rig_msg(r, DP_CMD_SSTP_START, c->handle);
	m->u.consume.offset = 5;
	rig_command(r, m);
	return c;
}

void rig_open_data(
	struct rig *r, struct rig_client *c, uint32_t inner, uint16_t mtu, uint16_t mss_clamp)
{
	struct dp_msg *m = rig_msg(r, DP_CMD_OPEN_DATA, c->handle);

	c->inner = inner;
	m->u.open.inner = inner;
	m->u.open.local = IP4(10, 0, 0, 1);
	m->u.open.mtu = mtu;
	m->u.open.mss_clamp = mss_clamp;
	rig_command(r, m);
	assert_int_equal(dp_address_publish(r->ch, inner, c->handle), 0);
}

void rig_send_raw(struct rig *r, struct rig_client *c, const void *p, uint32_t n)
{
	const uint8_t *b = p;

	while (n) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);
		uint32_t k = RTE_MIN(n, 1400u);

		assert_non_null(m);
		m->data_off = MBUF_FRONT;
		memcpy(rte_pktmbuf_append(m, (uint16_t)k), b, k);
		assert_int_equal(tcp_send(c->conn, m, r->now_us), 0);
		tcp_push(c->conn, r->now_us);
		b += k;
		n -= k;
		if (n)
			rig_run(r, 500);
	}
}

uint32_t rig_make_record(
	struct rig *r, struct rig_client *c, uint8_t type, const void *p, uint32_t n, uint8_t *out)
{
	struct rec_seal_op op = {
		.d = &c->tx, .p = out + c->tx.prefix_len, .len = (uint16_t)n, .type = type};
	uint32_t total = c->tx.prefix_len + n + c->tx.suffix_len;

	memcpy(op.p, p, n);
	rec_seal_burst(r->rc, &op, 1);
	return total;
}

void rig_send_record(struct rig *r, struct rig_client *c, uint8_t type, const void *p, uint32_t n)
{
	static uint8_t rec[TLS_REC_MAX_CIPHER_12 + 64];

	rig_send_raw(r, c, rec, rig_make_record(r, c, type, p, n, rec));
}

// ---- packets

uint16_t rig_packet(
	uint8_t *out, uint16_t len, uint32_t src, uint32_t dst, uint8_t ttl, bool df, uint32_t seed)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)out;
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

	memset(out, 0, sizeof(*ip) + sizeof(*udp));
	ip->version_ihl = 0x45;
	ip->total_length = rte_cpu_to_be_16(len);
	ip->packet_id = rte_cpu_to_be_16((uint16_t)seed);
	ip->fragment_offset = df ? RTE_BE16(RTE_IPV4_HDR_DF_FLAG) : 0;
	ip->time_to_live = ttl;
	ip->next_proto_id = 17;
	ip->src_addr = rte_cpu_to_be_32(src);
	ip->dst_addr = rte_cpu_to_be_32(dst);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	udp->src_port = udp->dst_port = RTE_BE16(9);
	udp->dgram_len = rte_cpu_to_be_16((uint16_t)(len - sizeof(*ip)));
	for (uint16_t i = sizeof(*ip) + sizeof(*udp); i < len; i++)
		out[i] = (uint8_t)((seed * 2654435761u + i * 40503u) >> 13);
	return len;
}

uint16_t rig_sstp_data(uint8_t *out, const uint8_t *packet, uint16_t len)
{
	sstp_put_hdr(out, false, (uint16_t)(len + 8));
	memcpy(out + 4, "\xff\x03\x00\x21", 4);
	memcpy(out + 8, packet, len);
	return (uint16_t)(len + 8);
}

void rig_core_in(struct rig *r, const uint8_t *packet, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->w->pool);

	assert_non_null(m);
	m->data_off += 14;
	memcpy(rte_pktmbuf_append(m, len), packet, len);
	m->l3_len = 20;
	r->w->now_us = r->now_us;
	forward_down(r->w, &m, 1);
	forward_core_flush(r->w);
}

void rig_core_in_n(struct rig *r, uint32_t src, uint32_t dst, uint16_t len, int n)
{
	uint8_t pkt[2048];

	for (int i = 0; i < n; i++)
		rig_core_in(r, pkt, rig_packet(pkt, len, src, dst, 64, true, (uint32_t)i));
}

uint16_t rig_take_sstp(struct rig *r, struct rig_client *c, uint8_t *out)
{
	uint16_t len;
	bool control;
	int rc = sstp_peek(c->in, c->in_len, &len, &control);

	if (rc == -EAGAIN)
		return 0;
	assert_int_equal(rc, 0);
	if (len > c->in_len)
		return 0;
	memcpy(out, c->in, len);
	memmove(c->in, c->in + len, c->in_len - len);
	c->in_len -= len;
	return len;
}

unsigned int rig_take_all(struct rig *r, struct rig_client *c)
{
	uint8_t in[4096];
	unsigned int n = 0;

	while (rig_take_sstp(r, c, in))
		n++;
	return n;
}
