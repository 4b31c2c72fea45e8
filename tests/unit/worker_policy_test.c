// SPDX-License-Identifier: BSD-3-Clause
// What profiles lay on a session's data, through a worker: routes, rates, limits, idle time,
// filters and address lists. Time is the test's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <rte_ip.h>

#include "dataplane/forward.h"
#include "dataplane/lists.h"
#include "dataplane/session_policy.h"
#include "protocol/sstp/sstp.h"
#include "tests/unit/worker_rig.h"

#define IN_1 IP4(10, 0, 0, 2)
#define IN_2 IP4(10, 0, 0, 3)
#define HOST IP4(203, 0, 113, 5)
#define LOCAL IP4(10, 0, 0, 1)
#define SECOND 1000000u
#define M UINT64_C(1000000)

static struct dp_msg *open_msg(struct rig *r, struct rig_client *c, uint32_t inner)
{
	struct dp_msg *m = rig_msg(r, DP_CMD_OPEN_DATA, c->handle);

	m->u.open.inner = inner;
	m->u.open.local = LOCAL;
	m->u.open.mtu = 1500;
	return m;
}

static struct rig *make(void)
{
	return rig_create(0x0304, TLS_AEAD_AES_256_GCM);
}

// A client with an address, and an OPEN_DATA for it to be completed.
static struct rig_client *client(struct rig *r, uint32_t inner, struct dp_msg **m)
{
	struct rig_client *c = rig_connect_sstp(r);

	assert_int_equal(dp_address_publish(r->ch, inner, c->handle), 0);
	*m = open_msg(r, c, inner);
	return c;
}

static void put_up(struct rig *r, struct rig_client *c, uint16_t len, uint32_t src, uint32_t dst)
{
	uint8_t pkt[2048], sstp[2048];

	rig_packet(pkt, len, src, dst, 64, false, 1);
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, sstp, rig_sstp_data(sstp, pkt, len));
}

static void send_up(struct rig *r, struct rig_client *c, uint16_t len, uint32_t src, uint32_t dst)
{
	put_up(r, c, len, src, dst);
	rig_run(r, 20000);
}

static void send_down(struct rig *r, uint16_t len, uint32_t src, uint32_t dst)
{
	uint8_t pkt[2048];

	rig_packet(pkt, len, src, dst, 64, false, 1);
	rig_core_in(r, pkt, len);
}

static void core_free(struct rig *r)
{
	for (unsigned int i = 0; i < r->nb_core; i++)
		rte_pktmbuf_free(r->core[i]);
	r->nb_core = 0;
}

static const struct rte_ipv4_hdr *core_ip(const struct rig *r, unsigned int i)
{
	assert_true(i < r->nb_core);
	return rte_pktmbuf_mtod(r->core[i], const struct rte_ipv4_hdr *);
}

// The next packet that c received: its IP header, or NULL.
static const struct rte_ipv4_hdr *take(struct rig *r, struct rig_client *c)
{
	static uint8_t sstp[2048];

	return rig_take_sstp(r, c, sstp) ? (const struct rte_ipv4_hdr *)(sstp + 8) : NULL;
}

static void assert_icmp(const struct rte_ipv4_hdr *ip, uint8_t type, uint8_t code)
{
	const uint8_t *icmp = (const uint8_t *)(ip + 1);

	assert_non_null(ip);
	assert_int_equal(ip->next_proto_id, 1);
	assert_int_equal(icmp[0], type);
	assert_int_equal(icmp[1], code);
}

static void assert_within(uint64_t got, uint64_t want, unsigned int permille)
{
	if (got < want - want * permille / 1000 || got > want + want * permille / 1000)
		fail_msg("%lu, wanted %lu", (unsigned long)got, (unsigned long)want);
}

// ---- routes

#define NET(a, b, c, d, len) prefixtab_map4(IP4(a, b, c, d)), (len) + 96

static int publish(
	struct rig *r, const struct rig_client *c, struct in6_addr p, uint8_t plen, uint32_t metric)
{
	return dp_prefix_publish(r->ch, &p, plen, metric, c->handle);
}

static int withdraw(struct rig *r, const struct rig_client *c, struct in6_addr p, uint8_t plen)
{
	return dp_prefix_withdraw(r->ch, &p, plen, c->handle);
}

static void routes(void **state)
{
	struct rig *r = make();
	struct dp_msg *m1, *m2;
	struct rig_client *c1 = client(r, IN_1, &m1), *c2 = client(r, IN_2, &m2);
	const struct rte_ipv4_hdr *ip;

	rig_command(r, m1);
	rig_command(r, m2);
	assert_int_equal(publish(r, c1, NET(10, 50, 0, 0, 16), 1), 0);
	assert_int_equal(publish(r, c1, NET(10, 50, 0, 0, 16), 1), -EEXIST);
	// From core, from the other client, and back.
	send_down(r, 100, HOST, IP4(10, 50, 1, 1));
	send_up(r, c2, 200, IN_2, IP4(10, 50, 255, 255));
	ip = take(r, c1);
	assert_non_null(ip);
	assert_int_equal(rte_be_to_cpu_32(ip->dst_addr), IP4(10, 50, 1, 1));
	assert_int_equal(ip->time_to_live, 63);
	ip = take(r, c1);
	assert_non_null(ip);
	assert_int_equal(rte_be_to_cpu_16(ip->total_length), 200);
	assert_int_equal(rig_counter(r, CNT_fwd_hairpin), 1);
	send_up(r, c1, 100, IP4(10, 50, 1, 1), HOST);
	assert_int_equal(r->nb_core, 1);
	assert_int_equal(rte_be_to_cpu_32(core_ip(r, 0)->src_addr), IP4(10, 50, 1, 1));
	// Not another's, and not the other client's own within it.
	send_up(r, c2, 100, IP4(10, 50, 1, 1), HOST);
	send_up(r, c1, 100, IP4(10, 51, 1, 1), HOST);
	assert_int_equal(rig_counter(r, CNT_inner_spoofed), 2);
	// What the client does not have itself does not go to and fro.
	send_up(r, c1, 100, IN_1, IP4(10, 50, 9, 9));
	assert_icmp(take(r, c1), 3, 1);
	assert_int_equal(r->nb_core, 1);
	// A longer one of the other client.
	assert_int_equal(publish(r, c2, NET(10, 50, 7, 0, 24), 1), 0);
	send_down(r, 100, HOST, IP4(10, 50, 7, 1));
	rig_run(r, 20000);
	assert_non_null(take(r, c2));
	send_up(r, c1, 100, IP4(10, 50, 7, 1), HOST);
	assert_int_equal(rig_counter(r, CNT_inner_spoofed), 3);
	assert_int_equal(withdraw(r, c2, NET(10, 50, 7, 0, 24)), 0);
	send_down(r, 100, HOST, IP4(10, 50, 7, 1));
	rig_run(r, 20000);
	assert_non_null(take(r, c1));
	// The host that asks hears that there is none.
	core_free(r);
	assert_int_equal(withdraw(r, c1, NET(10, 50, 0, 0, 16)), 0);
	assert_int_equal(withdraw(r, c1, NET(10, 50, 0, 0, 16)), -ENOENT);
	send_down(r, 100, HOST, IP4(10, 50, 1, 1));
	assert_icmp(core_ip(r, 0), 3, 1);
	send_up(r, c1, 100, IP4(10, 50, 1, 1), HOST);
	assert_int_equal(rig_counter(r, CNT_inner_spoofed), 4);
	rig_destroy(r);
}

// A default route through a client leaves core's own prefix, this router and other clients alone.
static void default_route(void **state)
{
	struct rig *r = make();
	struct in6_addr core = prefixtab_map4(IP4(198, 51, 100, 1));
	struct dp_msg *m1, *m2;
	struct rig_client *c1 = client(r, IN_1, &m1), *c2 = client(r, IN_2, &m2);

	dp_connected_add(r->ch, &core, 96 + 24);
	assert_int_equal(dp_local_address_add(r->ch, LOCAL), 0);
	rig_command(r, m1);
	rig_command(r, m2);
	assert_int_equal(publish(r, c1, NET(0, 0, 0, 0, 0), 1), 0);
	send_up(r, c2, 100, IN_2, HOST);
	assert_non_null(take(r, c1));
	send_up(r, c2, 100, IN_2, IP4(198, 51, 100, 77));
	assert_int_equal(r->nb_core, 1);
	send_up(r, c2, 100, IN_2, IP4(224, 0, 0, 5));
	assert_null(take(r, c1));
	send_up(r, c1, 100, HOST, IN_2);
	assert_non_null(take(r, c2));
	send_up(r, c1, 100, IN_2, HOST);
	send_up(r, c1, 100, LOCAL, HOST);
	send_up(r, c1, 100, IP4(198, 51, 100, 77), HOST);
	send_up(r, c1, 100, IP4(127, 0, 0, 1), HOST);
	assert_int_equal(rig_counter(r, CNT_inner_spoofed), 4);
	rig_destroy(r);
}

// Of two sessions with one prefix the lower metric gets it; both may send from it.
static void two_ways(void **state)
{
	struct rig *r = make();
	struct dp_msg *m1, *m2;
	struct rig_client *c1 = client(r, IN_1, &m1), *c2 = client(r, IN_2, &m2);

	rig_command(r, m1);
	rig_command(r, m2);
	assert_int_equal(publish(r, c1, NET(10, 50, 0, 0, 16), 5), 0);
	assert_int_equal(publish(r, c2, NET(10, 50, 0, 0, 16), 2), 0);
	send_down(r, 100, HOST, IP4(10, 50, 1, 1));
	rig_run(r, 20000);
	assert_non_null(take(r, c2));
	send_up(r, c1, 100, IP4(10, 50, 1, 1), HOST);
	send_up(r, c2, 100, IP4(10, 50, 1, 1), HOST);
	assert_int_equal(r->nb_core, 2);
	assert_int_equal(withdraw(r, c2, NET(10, 50, 0, 0, 16)), 0);
	send_down(r, 100, HOST, IP4(10, 50, 1, 1));
	rig_run(r, 20000);
	assert_non_null(take(r, c1));
	rig_destroy(r);
}

// A packet that another worker looked up before the route went away.
static void late_handover(void **state)
{
	struct rig *r = make();
	struct dp_msg *m1;
	struct rig_client *c1 = client(r, IN_1, &m1);
	uint8_t pkt[100];

	rig_command(r, m1);
	for (int withdrawn = 0; withdrawn < 2; withdrawn++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(r->w->pool);

		if (withdrawn)
			assert_int_equal(withdraw(r, c1, NET(10, 50, 0, 0, 16)), 0);
		else
			assert_int_equal(publish(r, c1, NET(10, 50, 0, 0, 16), 5), 0);
		rig_packet(pkt, 100, HOST, IP4(10, 50, 1, 1), 64, false, 1);
		memcpy(rte_pktmbuf_append(m, 100), pkt, 100);
		forward_deliver(r->w, dp_handle_slot(c1->handle), m);
		rig_run(r, 20000);
		assert_int_equal(take(r, c1) != NULL, !withdrawn);
	}
	assert_int_equal(rig_counter(r, CNT_inner_no_route), 1);
	rig_destroy(r);
}

// ---- rates

// Twice the rate is offered for so long, in packets of len.
static void rate_down(uint64_t bps, uint32_t seconds, uint16_t len)
{
	struct rig *r = make();
	struct dp_msg *m;
	struct rig_client *c = client(r, IN_1, &m);
	struct session *s = rig_session(r, c);
	uint64_t owed = 0, begin, most = 0;

	m->u.open.rate_tx.bps = bps;
	rig_command(r, m);
	begin = r->now_us;
	while (r->now_us < begin + (uint64_t)seconds * SECOND) {
		for (owed += 2 * bps / 8 / 2000; owed >= len; owed -= len)
			send_down(r, len, HOST, IN_1);
		rig_run(r, 500);
		most = RTE_MAX(most, s->txq.len);
		c->in_len = 0;
	}
	assert_within(s->tx_bytes, bps / 8 * seconds, 30);
	// Nobody waits much longer for the rate than its bound says.
	assert_true(most <= RTE_MAX(bps / 8 * 300 / 1000 / 1500, UINT64_C(16)));
	assert_true(s->tx_drops > 0);
	rig_destroy(r);
}

static void rates_down(void **state)
{
	rate_down(1 * M, 10, 1400);
	rate_down(1 * M, 10, 100);
	rate_down(10 * M, 10, 1400);
	rate_down(100 * M, 5, 1400);
}

static void rate_up(uint64_t bps, uint32_t seconds, uint16_t len)
{
	struct rig *r = make();
	struct dp_msg *m;
	struct rig_client *c = client(r, IN_1, &m);
	uint64_t owed = 0, begin, bytes = 0;

	m->u.open.rate_rx.bps = bps;
	rig_command(r, m);
	begin = r->now_us;
	while (r->now_us < begin + (uint64_t)seconds * SECOND) {
		for (owed += 2 * bps / 8 / 2000; owed >= len; owed -= len)
			put_up(r, c, len, IN_1, HOST);
		rig_run(r, 500);
		bytes += (uint64_t)r->nb_core * len;
		core_free(r);
	}
	assert_within(bytes, bps / 8 * seconds, 30);
	assert_true(rig_session(r, c)->rx_drops > 0);
	rig_destroy(r);
}

static void rates_up(void **state)
{
	rate_up(1 * M, 10, 1300);
	rate_up(10 * M, 10, 1300);
	rate_up(100 * M, 5, 1300);
}

// A ping beside a flood of twice the limit: none is lost, none waits behind the flood.
static void ping_beside(void **state)
{
	enum { PING = 60 };
	struct rig *r = make();
	struct dp_msg *m;
	struct rig_client *c = client(r, IN_1, &m);
	unsigned int up = 0, down = 0;

	m->u.open.rate_rx.bps = m->u.open.rate_tx.bps = 1 * M;
	rig_command(r, m);
	for (unsigned int ms = 0; ms < 5000; ms++) {
		const struct rte_ipv4_hdr *ip;

		if (ms % 6 == 0) {
			put_up(r, c, 1400, IN_1, HOST);
			send_down(r, 1400, HOST, IN_1);
		}
		if (ms >= 2000 && ms % 100 == 0) {
			put_up(r, c, PING, IN_1, HOST + 1);
			send_down(r, PING, HOST + 1, IN_1);
		}
		rig_run(r, 1000);
		for (unsigned int i = 0; i < r->nb_core; i++)
			up += rte_be_to_cpu_32(core_ip(r, i)->dst_addr) == HOST + 1;
		core_free(r);
		while ((ip = take(r, c)))
			down += rte_be_to_cpu_32(ip->src_addr) == HOST + 1;
		// Two packets of the flood are in front of it at the most, and a record's.
		if (ms >= 2000 && ms % 100 == 45) {
			assert_int_equal(up, (ms - 2000) / 100 + 1);
			assert_int_equal(down, (ms - 2000) / 100 + 1);
		}
	}
	assert_true(rig_session(r, c)->rx_drops > 100 && rig_session(r, c)->tx_drops > 100);
	rig_destroy(r);
}

// Less than the limit is not touched, and nothing waits.
static void below_the_rate(void **state)
{
	struct rig *r = make();
	struct dp_msg *m;
	struct rig_client *c = client(r, IN_1, &m);

	m->u.open.rate_rx.bps = m->u.open.rate_tx.bps = 10 * M;
	rig_command(r, m);
	for (int i = 0; i < 500; i++) { // 8 Mbit/s
		send_down(r, 1000, HOST, IN_1);
		put_up(r, c, 1000, IN_1, HOST);
		rig_run(r, 1000);
		assert_int_equal(rig_session(r, c)->txq.len, 0);
		assert_true(take(r, c) || i == 0);
	}
	assert_true(r->nb_core >= 499);
	assert_int_equal(rig_session(r, c)->tx_drops + rig_session(r, c)->rx_drops, 0);
	rig_destroy(r);
}

// OPEN_DATA again: without a limit what waited goes at once, both ways, and none of it is lost.
static void rate_taken_away(void **state)
{
	struct rig *r = make();
	struct dp_msg *m;
	struct rig_client *c = client(r, IN_1, &m);
	unsigned int n = 0;

	m->u.open.rate_rx.bps = m->u.open.rate_tx.bps = 8000;
	rig_command(r, m);
	for (int i = 0; i < 10; i++) {
		send_down(r, 1000, HOST, IN_1);
		put_up(r, c, 1000, IN_1, HOST);
	}
	rig_run(r, 50000);
	assert_int_equal(r->nb_core, 1);
	rig_command(r, open_msg(r, c, IN_1));
	rig_run(r, 50000);
	while (take(r, c))
		n++;
	assert_int_equal(n, 10);
	assert_int_equal(r->nb_core, 10);
	assert_false(rig_session(r, c)->flags & SES_POLICY);
	rig_destroy(r);
}

// Sessions end while packets of theirs wait, by CLOSE_DATA and by reset: rig_destroy() counts.
static void ends_while_waiting(void **state)
{
	struct rig *r = make();

	for (int how = 0; how < 3; how++) {
		struct dp_msg *m;
		struct rig_client *c = client(r, IN_1 + (uint32_t)how, &m);

		m->u.open.rate_rx.bps = m->u.open.rate_tx.bps = 8000;
		m->u.open.idle_ms = 1000;
		rig_command(r, m);
		for (int i = 0; i < 10; i++) {
			send_down(r, 1000, HOST, IN_1 + (uint32_t)how);
			put_up(r, c, 1000, IN_1 + (uint32_t)how, HOST);
		}
		rig_run(r, 50000);
		if (how == 0) {
			rig_command(r, rig_msg(r, DP_CMD_CLOSE_DATA, c->handle));
			assert_int_equal(r->w->txq_held, 0);
		} else if (how == 1) {
			rig_abort(r, c);
		} else {
			m = rig_msg(r, DP_CMD_CLOSE, c->handle);
			m->u.close.linger_ms = 100;
			rig_command(r, m);
		}
		rig_run(r, SECOND);
		assert_int_equal(r->w->txq_held, 0);
	}
	rig_destroy(r);
}

// Uploaders above their rates share what all queues may hold, and leave room to what comes down.
static void queues_share(void **state)
{
	struct rig *r = make();
	struct rig_client *c[4], *d;
	struct dp_msg *m;

	for (unsigned int i = 0; i < 4; i++) {
		c[i] = client(r, IN_1 + i, &m);
		m->u.open.rate_rx.bps = 2 * M;
		rig_command(r, m);
	}
	d = client(r, IN_1 + 4, &m);
	rig_command(r, m);
	r->w->txq_max = 120;
	for (unsigned int n = 0; n < 200; n++) {
		for (unsigned int i = 0; i < 4; i++)
			put_up(r, c[i], 1400, IN_1 + i, HOST);
		rig_run(r, 500);
		assert_true(r->w->txq_held < r->w->txq_max);
	}
	assert_true(r->w->txq_held > 60);
	assert_true(rig_counter(r, CNT_policy_rate_drop) > 100);
	send_down(r, 500, HOST, IN_1 + 4);
	rig_run(r, 1000);
	assert_non_null(take(r, d));
	assert_int_equal(rig_counter(r, CNT_session_tx_queue_drop), 0);
	core_free(r);
	rig_destroy(r);
}

// ---- limits

static void limit_in(void **state)
{
	struct rig *r = make();
	struct dp_msg *m, *e;
	struct rig_client *c = client(r, IN_1, &m);

	m->u.open.limit_rx = 10000;
	rig_command(r, m);
	for (int i = 0; i < 15; i++)
		send_up(r, c, 1000, IN_1, HOST);
	assert_int_equal(r->nb_core, 10);
	e = rig_expect(r, DP_EV_LIMIT);
	assert_int_equal(e->u.limit.rx, 1);
	dp_msg_free(r->ch, e);
	assert_null(rig_event(r, DP_EV_LIMIT));
	// Nothing goes the other way either.
	send_down(r, 100, HOST, IN_1);
	rig_run(r, 20000);
	assert_null(take(r, c));
	assert_int_equal(rig_counter(r, CNT_policy_limit_drop), 6);
	// The same again changes nothing; more lets data pass, until that is used up.
	m = open_msg(r, c, IN_1);
	m->u.open.limit_rx = 10000;
	rig_command(r, m);
	send_up(r, c, 100, IN_1, HOST);
	assert_int_equal(r->nb_core, 10);
	assert_null(rig_event(r, DP_EV_LIMIT));
	m = open_msg(r, c, IN_1);
	m->u.open.limit_rx = rig_session(r, c)->rx_bytes + 1000;
	rig_command(r, m);
	send_up(r, c, 1000, IN_1, HOST);
	assert_int_equal(r->nb_core, 11);
	assert_null(rig_event(r, DP_EV_LIMIT));
	send_up(r, c, 1000, IN_1, HOST);
	assert_int_equal(r->nb_core, 11);
	dp_msg_free(r->ch, rig_expect(r, DP_EV_LIMIT));
	rig_destroy(r);
}

static void limit_out(void **state)
{
	struct rig *r = make();
	struct dp_msg *m, *e;
	struct rig_client *c = client(r, IN_1, &m);
	unsigned int n = 0;

	m->u.open.limit_tx = 10000;
	rig_command(r, m);
	for (int i = 0; i < 15; i++) {
		send_down(r, 1000, HOST, IN_1);
		rig_run(r, 20000);
	}
	while (take(r, c))
		n++;
	assert_int_equal(n, 10);
	e = rig_expect(r, DP_EV_LIMIT);
	assert_int_equal(e->u.limit.rx, 0);
	dp_msg_free(r->ch, e);
	send_up(r, c, 1000, IN_1, HOST);
	send_up(r, c, 1000, IN_1, LOCAL);
	assert_int_equal(r->nb_core, 0);
	assert_null(rig_event(r, DP_EV_LIMIT));
	assert_int_equal(rig_session(r, c)->tx_bytes, 10000);
	rig_destroy(r);
}

// ---- idle

static void idle(void **state)
{
	static const uint8_t echo[] = {0x10, 1, 0, 8, 0, 9, 0, 0};
	struct rig *r = make();
	struct dp_msg *m;
	struct rig_client *c = client(r, IN_1, &m);
	uint64_t begin;

	m->u.open.idle_ms = 16000;
	rig_command(r, m);
	assert_false(rig_session(r, c)->flags & SES_POLICY); // no packet costs more
	for (int i = 0; i < 40; i++) { // data, a packet every second, in turns
		if (i & 1)
			send_up(r, c, 100, IN_1, HOST);
		else
			send_down(r, 100, HOST, IN_1);
		rig_run(r, SECOND);
		assert_null(rig_event(r, DP_EV_IDLE));
	}
	for (int round = 0; round < 2; round++) { // and again after as long
		begin = r->now_us;
		for (int i = 0; i < 20 && !(m = rig_event(r, DP_EV_IDLE)); i++) {
			rig_send_record(r, c, TLS_CT_APPLICATION_DATA, echo, sizeof(echo));
			rig_run(r, SECOND);
		}
		assert_non_null(m);
		dp_msg_free(r->ch, m);
		assert_in_range(r->now_us - begin, 14 * SECOND, 18 * SECOND);
	}
	rig_command(r, open_msg(r, c, IN_1));
	rig_run(r, 40 * SECOND);
	assert_null(rig_event(r, DP_EV_IDLE));
	rig_destroy(r);
}

// ---- filters and address lists

#define RULE                                                                                 \
	{                                                                                    \
		.direction = CONFIG_DIR_IN | CONFIG_DIR_OUT, .src_list = -1, .dst_list = -1, \
		.protocol = -1, .src_port = {0, 65535}, .dst_port = {                        \
			0,                                                                   \
			65535                                                                \
		}                                                                            \
	}

static void filters(void **state)
{
	struct config_filter_rule rules[] = {RULE, RULE, RULE};
	struct config_filter f = {.rules = rules, .nb_rules = 3};
	struct config conf = {.filters = &f, .nb_filters = 1};
	struct rig *r = make();
	struct dp_msg *m;
	struct rig_client *c = client(r, IN_1, &m);

	rules[0].action = CONFIG_FILTER_DROP;
	rules[0].has_dst = true;
	rules[0].dst = (struct config_prefix){prefixtab_map4(IP4(192, 0, 2, 0)), 96 + 24};
	rules[1].action = CONFIG_FILTER_REJECT;
	rules[1].has_dst = true;
	rules[1].dst = (struct config_prefix){prefixtab_map4(IP4(203, 0, 113, 6)), 128};
	rules[2].action = CONFIG_FILTER_REJECT;
	rules[2].direction = CONFIG_DIR_OUT;
	rules[2].has_src = true;
	rules[2].src = rules[1].dst;
	r->ch->filters = filter_set_create(&conf);
	assert_non_null(r->ch->filters);
	m->u.open.filter = 1;
	rig_command(r, m);
	send_up(r, c, 100, IN_1, HOST);
	assert_int_equal(r->nb_core, 1);
	send_up(r, c, 100, IN_1, IP4(192, 0, 2, 77));
	assert_int_equal(rig_counter(r, CNT_policy_filter_drop), 1);
	assert_null(take(r, c));
	send_up(r, c, 100, IN_1, IP4(203, 0, 113, 6));
	assert_icmp(take(r, c), 3, 13);
	assert_int_equal(r->nb_core, 1);
	send_down(r, 100, HOST, IN_1);
	rig_run(r, 20000);
	assert_non_null(take(r, c));
	send_down(r, 100, IP4(203, 0, 113, 6), IN_1);
	rig_run(r, 20000);
	assert_null(take(r, c));
	assert_icmp(core_ip(r, 1), 3, 13);
	assert_int_equal(rte_be_to_cpu_32(core_ip(r, 1)->dst_addr), IP4(203, 0, 113, 6));
	assert_int_equal(rig_counter(r, CNT_policy_filter_reject), 2);
	rig_command(r, open_msg(r, c, IN_1)); // without
	send_up(r, c, 100, IN_1, IP4(203, 0, 113, 6));
	assert_int_equal(r->nb_core, 3);
	rig_destroy(r);
}

// A filter that does not exist is not taken for one that lets everything pass.
static void no_such_filter(void **state)
{
	struct rig *r = make();
	struct dp_msg *m;

	client(r, IN_1, &m);
	m->u.open.filter = 7;
	rig_command(r, m);
	m = rig_expect(r, DP_EV_CLOSED);
	assert_int_equal(m->u.closed.reason, DP_REASON_NO_MEMORY);
	dp_msg_free(r->ch, m);
	rig_destroy(r);
}

// Clients may not speak to those in list "quiet": a prefix from the configuration, and a session
// while it is up.
static void address_lists(void **state)
{
	struct config_filter_rule rules[] = {RULE};
	struct config_filter f = {.rules = rules, .nb_rules = 1};
	struct config_prefix quiet[] = {{prefixtab_map4(IP4(192, 0, 2, 0)), 96 + 24},
		{prefixtab_map4(IP4(192, 0, 2, 0)), 96 + 24}};
	struct config_address_list list[] = {
		{.name = "other"}, {.name = "quiet", .prefixes = quiet, .nb_prefixes = 2}};
	struct config conf = {
		.filters = &f, .nb_filters = 1, .address_lists = list, .nb_address_lists = 2};
	struct rig *r = make();
	struct dp_msg *m1, *m2;
	struct rig_client *c1 = client(r, IN_1, &m1), *c2 = client(r, IN_2, &m2);

	rules[0].action = CONFIG_FILTER_DROP;
	rules[0].direction = CONFIG_DIR_IN;
	rules[0].dst_list = 1;
	r->ch->filters = filter_set_create(&conf);
	r->ch->lists = lists_create(&conf, 1, RIG_SESSIONS);
	assert_non_null(r->ch->filters);
	assert_non_null(r->ch->lists);
	m1->u.open.filter = 1;
	rig_command(r, m1);
	rig_command(r, m2);
	send_up(r, c1, 100, IN_1, IP4(192, 0, 2, 9));
	assert_int_equal(r->nb_core, 0);
	send_up(r, c1, 100, IN_1, IN_2);
	assert_non_null(take(r, c2));
	m2 = open_msg(r, c2, IN_2);
	m2->u.open.address_list = 2;
	rig_command(r, m2);
	send_up(r, c1, 100, IN_1, IN_2);
	assert_null(take(r, c2));
	m2 = open_msg(r, c2, IN_2);
	m2->u.open.address_list = 1; // another one, which nobody minds
	rig_command(r, m2);
	send_up(r, c1, 100, IN_1, IN_2);
	assert_non_null(take(r, c2));
	m2 = open_msg(r, c2, IN_2);
	m2->u.open.address_list = 2;
	rig_command(r, m2);
	assert_int_equal(prefixtab_count(lists_table(r->ch->lists)), 2);
	m2 = open_msg(r, c2, IN_2); // the same again
	m2->u.open.address_list = 2;
	rig_command(r, m2);
	assert_int_equal(prefixtab_count(lists_table(r->ch->lists)), 2);
	send_up(r, c1, 100, IN_1, IN_2);
	assert_null(take(r, c2));
	rig_abort(r, c2);
	rig_run(r, 50000);
	dp_msg_free(r->ch, rig_expect(r, DP_EV_CLOSED));
	assert_int_equal(prefixtab_count(lists_table(r->ch->lists)), 1);
	assert_int_equal(rig_counter(r, CNT_policy_filter_drop), 3);
	rig_destroy(r);
}

// A session that finds no room in its list ends; others go on.
static void lists_full(void **state)
{
	struct config_address_list list[] = {{.name = "list"}};
	struct config conf = {.address_lists = list, .nb_address_lists = 1};
	struct rig *r = make();
	struct dp_msg *m1, *m2;
	struct rig_client *c1 = client(r, IN_1, &m1), *c2 = client(r, IN_2, &m2);
	uint32_t a = 0;

	r->ch->lists = lists_create(&conf, 1, RIG_SESSIONS);
	while (!prefixtab_insert((struct prefixtab *)lists_table(r->ch->lists),
		&(struct in6_addr){.s6_addr = {0x20, 1, [14] = (uint8_t)(a >> 8), (uint8_t)a}}, 128,
		0, 1))
		a++;
	m1->u.open.address_list = 1;
	rig_command(r, m1);
	m1 = rig_expect(r, DP_EV_CLOSED);
	assert_int_equal(m1->handle, c1->handle);
	dp_msg_free(r->ch, m1);
	rig_command(r, m2);
	send_up(r, c2, 100, IN_2, HOST);
	assert_int_equal(r->nb_core, 1);
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(routes),
		cmocka_unit_test(default_route), cmocka_unit_test(two_ways),
		cmocka_unit_test(late_handover), cmocka_unit_test(rates_down),
		cmocka_unit_test(rates_up), cmocka_unit_test(ping_beside),
		cmocka_unit_test(below_the_rate), cmocka_unit_test(rate_taken_away),
		cmocka_unit_test(ends_while_waiting), cmocka_unit_test(queues_share),
		cmocka_unit_test(limit_in), cmocka_unit_test(limit_out), cmocka_unit_test(idle),
		cmocka_unit_test(filters), cmocka_unit_test(no_such_filter),
		cmocka_unit_test(address_lists), cmocka_unit_test(lists_full)};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
