// SPDX-License-Identifier: BSD-3-Clause
// One sender over a path with a bottleneck, on a clock of its own: how much gets through, how long
// the queue in front of the bottleneck becomes, and how it shares with another. Everything here is
// simulated, so the figures are the same on every machine.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcp_sim.h"

#include "dataplane/tcp_bbr.c" // for the states of its model

#define PORT 443
#define FLOWS_MAX 2
#define RECORD 1400

struct path {
	struct sim s;
	struct tcp_conn *from[FLOWS_MAX], *to[FLOWS_MAX];
	uint64_t received[FLOWS_MAX];
	unsigned int flows;
	uint64_t app_bps, app_sent; // what the application has to send; 0: no end of it
	uint64_t began_us;
};

static void begin(struct path *p, const struct sim_link *link, const struct tcp_cc *cc,
	unsigned int flows, uint64_t seed)
{
	struct tcp_config cfg[2];

	memset(p, 0, sizeof(*p));
	for (int i = 0; i < 2; i++) {
		sim_config(&cfg[i]);
		cfg[i].rcv_wnd_max = cfg[i].snd_buf_max = 2 << 20;
		cfg[i].mem_max_mbufs = 4000;
		cfg[i].ooo_max_segs = 1500;
		cfg[i].cc = cc;
	}
	sim_init(&p->s, link, cfg, seed, false, 1000000);
	assert_int_equal(tcp_listen(p->s.stack[1], PORT), 0);
	for (unsigned int i = 0; i < flows; i++) {
		p->from[i] = tcp_connect(p->s.stack[0], &p->s.addr[0], (uint16_t)(40000 + i),
			&p->s.addr[1], PORT, NULL, p->s.now_us);
		assert_non_null(p->from[i]);
	}
	p->flows = flows;
	p->began_us = p->s.now_us;
}

static void fill(struct path *p, unsigned int i)
{
	struct tcp_conn *c = p->from[i];
	bool any = false;

	while (tcp_tx_room(c, RECORD) >= RECORD) {
		struct rte_mbuf *m;

		if (p->app_bps && p->app_sent * 8000000 > (p->s.now_us - p->began_us) * p->app_bps)
			break;
		m = rte_pktmbuf_alloc(p->s.pool[0]);
		if (!m)
			break;
		m->data_off = MBUF_FRONT;
		memset(rte_pktmbuf_append(m, RECORD), 0x5a, RECORD);
		assert_int_equal(tcp_send(c, m, p->s.now_us), 0);
		p->app_sent += RECORD;
		any = true;
	}
	if (any)
		tcp_push(c, p->s.now_us);
}

static unsigned int flow_of(const struct path *p, const struct tcp_conn *c)
{
	struct tcp_info a;

	tcp_conn_info(c, &a);
	return a.rport - 40000u;
}

static void poll_all(struct path *p)
{
	unsigned int events;
	struct tcp_conn *c;

	while ((c = tcp_poll(p->s.stack[1], &events))) {
		assert_false(events & TCP_EV_CLOSED);
		if (events & TCP_EV_ACCEPTED)
			p->to[flow_of(p, c)] = c;
		if (events & TCP_EV_READABLE) {
			p->received[flow_of(p, c)] += tcp_rx_avail(c);
			tcp_consume(c, tcp_rx_avail(c), p->s.now_us);
		}
	}
	while ((c = tcp_poll(p->s.stack[0], &events)))
		assert_false(events & TCP_EV_CLOSED);
}

// For so many seconds; bytes received meanwhile.
static uint64_t run(struct path *p, double seconds)
{
	uint64_t until = p->s.now_us + (uint64_t)(seconds * 1e6), before = 0, after = 0;

	for (unsigned int i = 0; i < p->flows; i++)
		before += p->received[i];
	p->s.wait_max_us = p->s.queue_dropped = 0;
	while (p->s.now_us < until) {
		sim_step(&p->s, RTE_MIN(until, p->s.now_us + 1000));
		poll_all(p);
		for (unsigned int i = 0; i < p->flows; i++)
			if (p->to[i])
				fill(p, i);
	}
	for (unsigned int i = 0; i < p->flows; i++)
		after += p->received[i];
	if (getenv("TCP_PATH_SHOW")) {
		struct tcp_info t;

		tcp_conn_info(p->from[0], &t);
		printf("  %s: %.2f Mbit/s, queue %.1f ms, dropped %llu, cwnd %u srtt %u min %u\n",
			p->s.stack[0]->cc->name, (double)(after - before) * 8 / seconds / 1e6,
			(double)p->s.wait_max_us / 1e3, (unsigned long long)p->s.queue_dropped,
			t.cwnd, t.srtt_us, p->from[0]->min_rtt_us);
	}
	return after - before;
}

static double mbit(uint64_t bytes, double seconds)
{
	return (double)bytes * 8 / seconds / 1e6;
}

static void end(struct path *p)
{
	sim_fini(&p->s);
}

static const struct sim_link field = {.delay_us = 10000, .rate_bps = 50000000, .queue = 256000};

// The queue of 40 ms is not used but in the beginning, and the line is full.
static void bbr_short_queue(void **state)
{
	struct path p;

	begin(&p, &field, &tcp_cc_bbr, 1, 1);
	run(&p, 2);
	assert_true(mbit(run(&p, 10), 10) > 45);
	assert_true(p.s.wait_max_us < 12000);
	assert_int_equal(p.s.queue_dropped, 0);
	end(&p);
}

static void cubic_fills_line(void **state)
{
	struct path p;

	begin(&p, &field, &tcp_cc_cubic, 1, 1);
	run(&p, 2);
	assert_true(mbit(run(&p, 10), 10) > 45);
	end(&p);
}

// Losses that say nothing about the line.
static void bbr_random_loss(void **state)
{
	struct sim_link l = field;
	struct path p;

	l.drop = 10;
	begin(&p, &l, &tcp_cc_bbr, 1, 2);
	run(&p, 2);
	assert_true(mbit(run(&p, 10), 10) > 40);
	end(&p);
	l.drop = 50;
	begin(&p, &l, &tcp_cc_bbr, 1, 3);
	run(&p, 2);
	assert_true(mbit(run(&p, 10), 10) > 8);
	end(&p);
}

// A line with hardly any queue: what does not fit is sent again, not all the time.
static void bbr_tiny_queue(void **state)
{
	struct sim_link l = field;
	struct path p;

	l.queue = 10000;
	begin(&p, &l, &tcp_cc_bbr, 1, 4);
	run(&p, 2);
	assert_true(mbit(run(&p, 10), 10) > 35);
	// Less than 3 % of 43,000 packets.
	assert_true(p.s.queue_dropped < 1300);
	end(&p);
}

// An application with little to send is not taken for a slow line.
static void bbr_after_trickle(void **state)
{
	struct path p;

	begin(&p, &field, &tcp_cc_bbr, 1, 5);
	p.app_bps = 1000000;
	run(&p, 10);
	p.app_bps = 0;
	run(&p, 1);
	assert_true(mbit(run(&p, 2), 2) > 40);
	end(&p);
}

static bool nothing_passes(struct sim *s, int from, const uint8_t *ip, uint16_t len)
{
	return false;
}

// Nor is one that had little to send when a timeout struck, whose window is one segment then.
static void bbr_after_timeout(void **state)
{
	struct path p;

	begin(&p, &field, &tcp_cc_bbr, 1, 10);
	p.app_bps = 1000000;
	run(&p, 2);
	p.s.filter = nothing_passes;
	run(&p, 1);
	p.s.filter = NULL;
	run(&p, 3);
	assert_true(p.s.counters[0].v[CNT_tcp_rto] > 0);
	p.app_bps = 0;
	assert_true(mbit(run(&p, 1), 1) > 40);
	// The same in full flight.
	p.s.filter = nothing_passes;
	run(&p, 1);
	p.s.filter = NULL;
	run(&p, 1.5);
	assert_true(mbit(run(&p, 2), 2) > 40);
	end(&p);
}

// Until more goes through than when this probe began; false: not in so many seconds.
static bool until_probe_grows(struct path *p, double seconds)
{
	const struct bbr *b = bbr(&p->from[0]->cc);
	uint64_t until = p->s.now_us + (uint64_t)(seconds * 1e6);

	while (p->s.now_us < until) {
		run(p, 0.001);
		if (b->state == PROBE_UP && b->phase_rounds && max_bw(b) * 8 >= b->bw_up * 9)
			return true;
	}
	return false;
}

// A timeout while more and more went through says that the path broke, and not that the
// application had nothing left to send: no search for the path's end follows, at 2.8 times what it
// held, which filled the queue of a line that came back slower.
static void bbr_timeout_while_probing(void **state)
{
	const struct bbr *b;
	struct path p;

	begin(&p, &field, &tcp_cc_bbr, 1, 12);
	p.s.link.rate_bps = 10000000;
	p.s.link.queue = 15000;
	run(&p, 4);
	b = bbr(&p.from[0]->cc);
	assert_true(b->full);
	p.s.link.rate_bps = 50000000;
	assert_true(until_probe_grows(&p, 5));
	p.s.filter = nothing_passes;
	run(&p, 0.4);
	assert_int_equal(p.from[0]->recovery, TCP_LOSS);
	p.s.filter = NULL;
	p.s.link.rate_bps = 10000000;
	for (unsigned int i = 0; i < 1000; i++) {
		run(&p, 0.001);
		assert_int_not_equal(b->state, STARTUP);
	}
	end(&p);
}

// The line becomes slower, and faster again.
static void bbr_follows_line(void **state)
{
	struct path p;

	begin(&p, &field, &tcp_cc_bbr, 1, 6);
	run(&p, 3);
	p.s.link.rate_bps = 10000000;
	run(&p, 10);
	assert_true(mbit(run(&p, 5), 5) > 8.5);
	assert_true(p.s.wait_max_us < 60000);
	p.s.link.rate_bps = 50000000;
	run(&p, 20);
	assert_true(mbit(run(&p, 5), 5) > 40);
	end(&p);
}

// Another's queue, or another path: the round trip gets three times as long and stays so. To keep
// to the old one would leave most of the line.
static void bbr_longer_path(void **state)
{
	struct path p;

	begin(&p, &field, &tcp_cc_bbr, 1, 11);
	run(&p, 2);
	p.s.link.delay_us *= 3;
	run(&p, 2.5);
	assert_true(mbit(run(&p, 3), 3) > 35);
	end(&p);
}

// Two of a kind share.
static void bbr_shares(void **state)
{
	uint64_t a, b;
	struct path p;

	begin(&p, &field, &tcp_cc_bbr, 2, 7);
	run(&p, 15);
	a = p.received[0];
	b = p.received[1];
	assert_true(mbit(run(&p, 30), 30) > 45);
	a = p.received[0] - a;
	b = p.received[1] - b;
	assert_true(a < 3 * b && b < 3 * a);
	end(&p);
}

// Long and slow.
static void bbr_satellite(void **state)
{
	struct sim_link l = {.delay_us = 250000, .rate_bps = 5000000, .queue = 100000};
	struct path p;

	begin(&p, &l, &tcp_cc_bbr, 1, 8);
	run(&p, 15);
	assert_true(mbit(run(&p, 20), 20) > 4);
	end(&p);
}

// So short that the timers are too coarse for a pace.
static void bbr_local(void **state)
{
	struct sim_link l = {.delay_us = 100, .rate_bps = 400000000, .queue = 256000};
	struct path p;

	begin(&p, &l, &tcp_cc_bbr, 1, 9);
	run(&p, 0.5);
	assert_true(mbit(run(&p, 1), 1) > 340);
	end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cubic_fills_line),
		cmocka_unit_test(bbr_short_queue),
		cmocka_unit_test(bbr_random_loss),
		cmocka_unit_test(bbr_tiny_queue),
		cmocka_unit_test(bbr_after_trickle),
		cmocka_unit_test(bbr_after_timeout),
		cmocka_unit_test(bbr_timeout_while_probing),
		cmocka_unit_test(bbr_follows_line),
		cmocka_unit_test(bbr_longer_path),
		cmocka_unit_test(bbr_shares),
		cmocka_unit_test(bbr_satellite),
		cmocka_unit_test(bbr_local),
	};

	sim_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
