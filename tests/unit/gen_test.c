// SPDX-License-Identifier: BSD-3-Clause
// The load generator against a concentrator in memory: what comes up carries what it should,
// answers what it is asked, counts what happens, and leaves nothing behind.
#include "tests/unit/gen_rig.h"

#include <errno.h>
#include <string.h>

static struct gen_traffic traffic(unsigned int directions, unsigned int active)
{
	return (struct gen_traffic){.directions = directions,
		.nb_sizes = 1,
		.size = {600},
		.pps = 2000,
		.burst = 2,
		.active = active,
		.verify = 1};
}

// Some seconds of it, after which every packet is there once, in order and as it was.
static void check_traffic(struct rig *r, const struct gen_traffic *t)
{
	const struct gen_stats *st;

	assert_int_equal(gen_traffic_start(r->g, t, r->now_us), 0);
	rig_run(r, 200000);
	gen_traffic_stop(r->g, r->now_us);
	rig_run(r, 1500000);
	st = gen_stats(r->g);
	for (unsigned int d = 0; d < GEN_N_DIRS; d++) {
		const struct gen_flow *f = &st->flow[d];

		if (!(t->directions & (1u << d)))
			continue;
		assert_in_range(f->sent, 300, 400);
		assert_int_equal(f->received, f->sent);
		assert_int_equal(f->received_bytes, f->sent_bytes);
		assert_int_equal(f->lost + f->reordered + f->duplicated + f->corrupt, 0);
	}
	assert_int_equal(st->lost + st->failed, 0);
}

static void check_way(bool tls12, bool straddle, unsigned int per_record, unsigned int burst)
{
	struct gen_traffic t = traffic(GEN_DOWN | GEN_UP | GEN_HAIRPIN, 4);
	struct rig *r = rig_create();

	r->bed.only_tls12 = tls12;
	t.straddle = straddle;
	t.per_record = per_record;
	t.burst = burst;
	rig_start(r);
	rig_dial(r, 4);
	check_traffic(r, &t);
	gen_hangup(r->g, 0, 4, 0, r->now_us);
	rig_run(r, 500000);
	assert_int_equal(gen_stats(r->g)->hung_up, 4);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(r->call[i].bed->ppp.end, PPP_END_PEER_TERMINATED);
	rig_destroy(r);
}

static void test_ways(void **state)
{
	check_way(false, false, 1, 1);
	check_way(false, true, 1, 5);
	check_way(true, true, 4, 8);
	check_way(true, false, 4, 4);
}

static void test_sizes(void **state)
{
	struct gen_traffic t = traffic(GEN_DOWN | GEN_UP, 4);
	struct rig *r = rig_create();

	t.nb_sizes = 3;
	memcpy(t.size, (const uint16_t[]){64, 576, 1400}, 3 * sizeof(t.size[0]));
	memcpy(t.weight, (const unsigned int[]){7, 4, 1}, 3 * sizeof(t.weight[0]));
	t.random = true;
	rig_start(r);
	rig_dial(r, 4);
	check_traffic(r, &t);
	t.size[2] = 1501;
	assert_int_equal(gen_traffic_start(r->g, &t, r->now_us), -EMSGSIZE);
	t.size[2] = 63;
	assert_int_equal(gen_traffic_start(r->g, &t, r->now_us), -EINVAL);
	rig_destroy(r);
}

// Data that is not opened is counted, and what is not data is found among it.
static void test_unopened(void **state)
{
	static const uint8_t echo[8] = {0x10, 0x01, 0x00, 0x08, 0x00, SSTP_MSG_ECHO_REQUEST};

	for (unsigned int verify = 0; verify < 4; verify += 3) {
		struct gen_traffic t = traffic(GEN_DOWN, 4);
		struct rig *r = rig_create();
		const struct gen_flow *f;

		t.verify = verify;
		if (verify) {
			t.nb_sizes = 3;
			memcpy(t.size, (const uint16_t[]){64, 576, 1400}, 3 * sizeof(t.size[0]));
		}
		rig_start(r);
		rig_dial(r, 4);
		assert_int_equal(gen_traffic_start(r->g, &t, r->now_us), 0);
		for (unsigned int i = 0; i < 10; i++) {
			rig_run(r, 20000);
			bed_server_write(r->call[i % 4].bed, echo, sizeof(echo));
		}
		t.pps = 0.001; // no more, but still flowing
		r->g->t.pps = t.pps;
		r->g->pace[GEN_DIR_DOWN].rate = t.pps;
		rig_run(r, 500000);
		f = &gen_stats(r->g)->flow[GEN_DIR_DOWN];
		assert_in_range(f->sent, 300, 410);
		assert_int_equal(f->received, f->sent);
		assert_int_equal(f->received_bytes, f->sent_bytes);
		assert_in_range(f->latency.n, verify ? f->sent / 6 : 0, verify ? f->sent / 2 : 0);
		assert_int_equal(r->call[0].bed->rx_msgs[SSTP_MSG_ECHO_RESPONSE], 3);
		assert_int_equal(r->call[1].bed->rx_msgs[SSTP_MSG_ECHO_RESPONSE], 3);
		assert_int_equal(gen_stats(r->g)->lost, 0);
		rig_destroy(r);
	}
}

// LCP and SSTP echo to calls at rest, and their own keepalives, each at its own time.
static void test_answers(void **state)
{
	static const uint8_t sstp_echo[8] = {0x10, 0x01, 0x00, 0x08, 0x00, SSTP_MSG_ECHO_REQUEST};
	uint8_t lcp_echo[] = {0xff, 0x03, 0xc0, 0x21, 9, 77, 0, 8, 0, 0, 0, 0};
	unsigned int hellos = 0, together = 0;
	struct rig *r = rig_create();

	r->conf.sessions = 8;
	r->conf.call.keepalive_ms = 20000;
	rig_start(r);
	rig_dial(r, 8);
	for (unsigned int s = 0; s < 40; s++) {
		unsigned int now = 0;

		rig_run(r, 1000000);
		for (unsigned int i = 0; i < 8; i++)
			now += r->call[i].bed->rx_msgs[SSTP_MSG_ECHO_REQUEST];
		together = RTE_MAX(together, now - hellos);
		hellos = now;
	}
	assert_in_range(hellos, 8, 24);
	assert_in_range(together, 1, 5);
	for (unsigned int i = 0; i < 8; i++) {
		struct bed *b = r->call[i].bed;
		unsigned int before = b->rx_records;

		bed_server_write(b, sstp_echo, sizeof(sstp_echo));
		wr_put_u16(lcp_echo + 8, (uint16_t)(b->ppp.magic >> 16));
		wr_put_u16(lcp_echo + 10, (uint16_t)b->ppp.magic);
		assert_int_equal(sstp_send_ppp(&b->sstp, lcp_echo, sizeof(lcp_echo)), 0);
		rig_run(r, 100000);
		assert_int_equal(b->rx_msgs[SSTP_MSG_ECHO_RESPONSE], 1);
		assert_true(b->rx_records > before);
	}
	assert_int_equal(gen_stats(r->g)->up, 8);
	rig_destroy(r);
}

// Keys move on: the server's at its wish, ours when their time has come, in the middle of traffic.
static void test_rekey(void **state)
{
	struct gen_traffic t = traffic(GEN_DOWN | GEN_UP, 4);
	struct call_secrets before[4];
	struct rig *r = rig_create();

	t.straddle = true;
	rig_start(r);
	rig_dial(r, 4);
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < 4; i++) {
			struct gen_session *s = &r->g->sessions[i];

			assert_int_equal(SSL_key_update(r->call[i].bed->ssl,
						 round ? SSL_KEY_UPDATE_REQUESTED
						       : SSL_KEY_UPDATE_NOT_REQUESTED),
				1);
			s->tx.limit = s->tx.seq + 260; // the margin is 256
			before[i] = s->secrets;
		}
		check_traffic(r, &t);
		for (unsigned int i = 0; i < 4; i++) {
			struct call_secrets *now = &r->g->sessions[i].secrets;

			assert_true(r->g->sessions[i].tx.limit > 1000);
			assert_memory_not_equal(now->rx, before[i].rx, now->len);
			assert_memory_not_equal(now->tx, before[i].tx, now->len);
		}
	}
	rig_destroy(r);
}

// However the server ends a call, it is counted as lost, with a reason, and can be dialed again.
static void test_server_ends(void **state)
{
	static const uint8_t junk[64] = "this is no record at all";
	struct rig *r = rig_create();
	const struct gen_stats *st;
	struct rte_mbuf *m;

	r->conf.sessions = 6;
	rig_start(r);
	rig_dial(r, 6);
	ppp_terminate(&r->call[0].bed->ppp, PPP_END_LOCAL_TERMINATED, "enough");
	sstp_disconnect(&r->call[1].bed->sstp);
	SSL_shutdown(r->call[2].bed->ssl);
	tcp_shutdown(r->call[3].conn, r->now_us);
	tcp_abort(r->call[4].conn, r->now_us);
	tcp_release(r->call[4].conn, r->now_us);
	r->call[4].conn = NULL;
	m = rte_pktmbuf_alloc(r->server_pool);
	m->data_off = MBUF_FRONT;
	memcpy(rte_pktmbuf_append(m, sizeof(junk)), junk, sizeof(junk));
	assert_int_equal(tcp_send(r->call[5].conn, m, r->now_us), 0);
	rig_run(r, 8000000);
	st = gen_stats(r->g);
	assert_int_equal(st->up, 0);
	assert_int_equal(st->lost, 6);
	assert_int_equal(st->ended, 6);
	assert_true(st->nb_reasons >= 4);
	gen_dial(r->g, 0, 6, 6, 0, r->now_us);
	rig_run(r, 2000000);
	assert_int_equal(gen_stats(r->g)->up, 6);
	rig_destroy(r);
}

static void test_refused(void **state)
{
	struct rig *r = rig_create();
	const struct gen_stats *st;

	rig_listen(r, false);
	rig_start(r);
	gen_dial(r->g, 0, 4, 4, 0, r->now_us);
	rig_run(r, 1000000);
	st = gen_stats(r->g);
	assert_int_equal(st->failed, 4);
	assert_string_equal(st->reasons[0].text, "TCP: Connection refused");
	assert_int_equal(st->reasons[0].n, 4);
	rig_listen(r, true);
	rig_dial(r, 4);
	assert_int_equal(gen_stats(r->g)->dialed, 8);
	rig_destroy(r);
}

static void test_wrong_password(void **state)
{
	struct rig *r = rig_create();

	r->conf.password = "wrong";
	rig_start(r);
	gen_dial(r->g, 0, 4, 4, 0, r->now_us);
	rig_run(r, 10000000);
	assert_int_equal(gen_stats(r->g)->failed, 4);
	assert_non_null(strstr(gen_stats(r->g)->reasons[0].text, "authentication"));
	rig_destroy(r);
}

// A server that never says anything more: hang-ups end all the same.
static void test_silence(void **state)
{
	struct rig *r = rig_create();

	rig_start(r);
	rig_dial(r, 4);
	for (unsigned int i = 0; i < 4; i++)
		r->call[i].silent = true;
	gen_hangup(r->g, 0, 4, 0, r->now_us);
	rig_run(r, 15000000);
	assert_int_equal(gen_stats(r->g)->ended, 4);
	rig_destroy(r);
}

// So many at once, so many a second, and hang-ups likewise.
static void test_rates(void **state)
{
	struct rig *r = rig_create();

	r->conf.sessions = 12;
	rig_start(r);
	gen_dial(r->g, 0, 12, 2, 10, r->now_us);
	for (unsigned int i = 0; i < 20; i++) {
		assert_true(gen_stats(r->g)->dialing <= 2);
		rig_run(r, 25000);
	}
	assert_in_range(gen_stats(r->g)->dialed, 3, 6);
	rig_run(r, 1500000);
	assert_int_equal(gen_stats(r->g)->up, 12);
	gen_hangup(r->g, 0, 12, 10, r->now_us);
	rig_run(r, 500000);
	assert_in_range(gen_stats(r->g)->up, 6, 9);
	rig_run(r, 1500000);
	assert_int_equal(gen_stats(r->g)->hung_up, 12);
	rig_destroy(r);
}

// A link that loses, doubles, reorders and breaks frames; windows of two segments.
static void test_chaos(void **state)
{
	struct gen_traffic t = traffic(GEN_UP | GEN_HAIRPIN, 4);
	struct rig *r = rig_create();
	const struct gen_stats *st;

	r->conf.chaos = (struct gen_chaos){.loss = 0.01,
		.duplicate = 0.02,
		.reorder = 0.05,
		.corrupt = 0.01,
		.rcv_wnd = 3000,
		.seed = 5};
	t.straddle = true;
	rig_start(r);
	rig_dial(r, 4);
	assert_int_equal(gen_traffic_start(r->g, &t, r->now_us), 0);
	rig_run(r, 300000);
	gen_traffic_stop(r->g, r->now_us);
	rig_run(r, 20000000);
	st = gen_stats(r->g);
	assert_true(st->chaos_lost && st->chaos_duplicated && st->chaos_reordered &&
		    st->chaos_corrupted && st->tcp_retransmits);
	for (unsigned int d = GEN_DIR_UP; d <= GEN_DIR_HAIRPIN; d++) {
		assert_true(st->flow[d].sent > 100);
		assert_int_equal(st->flow[d].received, st->flow[d].sent);
		assert_int_equal(st->flow[d].corrupt + st->flow[d].reordered, 0);
	}
	assert_int_equal(st->up, 4);
	rig_destroy(r);
}

// A packet that is changed on its way is seen; one to the wrong call as well.
static unsigned int damage;

static void damaged(struct bed *b, const uint8_t *ip, size_t len)
{
	uint8_t copy[2048];

	memcpy(copy, ip, len);
	if (damage == 0)
		copy[len - 1] ^= 0x10;
	else if (damage == 1)
		len -= 4;
	bed_server_ip(b, copy, len); // back to the sender, whose it is not
}

static void test_corrupt_is_seen(void **state)
{
	for (damage = 0; damage < 3; damage++) {
		struct gen_traffic t = traffic(GEN_HAIRPIN, 2);
		struct rig *r = rig_create();
		const struct gen_flow *f;

		rig_start(r);
		rig_dial(r, 2);
		for (unsigned int i = 0; i < 2; i++)
			r->call[i].bed->conf.ip = damaged;
		assert_int_equal(gen_traffic_start(r->g, &t, r->now_us), 0);
		rig_run(r, 100000);
		f = &gen_stats(r->g)->flow[GEN_DIR_HAIRPIN];
		assert_true(f->corrupt > 50);
		assert_int_equal(f->received, 0);
		rig_destroy(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_unopened),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_server_ends),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_wrong_password),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_chaos),
		cmocka_unit_test(test_corrupt_is_seen),
	};

	return cmocka_run_group_tests(tests, rig_eal, NULL);
}
