// SPDX-License-Identifier: BSD-3-Clause
// Data transfer: windows, acknowledgements, loss, timers: one script per rule.
#include <errno.h>

#include "tcp_rig.h"
#include "tests/unit/tcp_take.h"

#define WND 65535

static uint32_t held(struct rig *r)
{
	struct tcp_levels l;

	tcp_stack_levels(r->stack, &l);
	return l.mbufs_held;
}

static void begin(struct rig *r, bool ts, bool sack)
{
	rig_init(r);
	rig_start(r);
	rig_accept(r, ts, sack, WND);
}

static void ack(struct rig *r, uint32_t n)
{
	rig_in(r,
		(struct pkt){.flags = A, .seq = r->c->rcv_nxt - r->peer_isn, .ack = n, .wnd = WND});
}

static void sack1(struct rig *r, uint32_t n, uint32_t start, uint32_t end)
{
	rig_in(r, (struct pkt){.flags = A,
			  .seq = 1,
			  .ack = n,
			  .wnd = WND,
			  .nb_sack = 1,
			  .sack = {{start, end}}});
}

static void data(struct rig *r, uint32_t seq, uint16_t len)
{
	rig_in(r, (struct pkt){.flags = A, .seq = seq, .ack = 1, .len = len, .wnd = WND});
}

// Segments of 1000 bytes.
static void send_many(struct rig *r, unsigned int n)
{
	uint32_t seq = r->c->snd_end - r->c->iss;

	for (unsigned int i = 0; i < n; i++)
		rig_queue(r, 1000);
	tcp_push(r->c, r->now_us);
	for (unsigned int i = 0; i < n; i++)
		rig_out(r, A, seq + 1000 * i, 1, 1000);
	rig_silent(r);
}

// RFC 7323 5.3.
static void paws(void **state)
{
	struct rig r;

	begin(&r, true, true);
	data(&r, 1, 10);
	rig_out(&r, A, 1, 11, 0);
	rig_in(&r, (struct pkt){.flags = A,
			   .seq = 11,
			   .ack = 1,
			   .len = 10,
			   .wnd = WND,
			   .tsval = tcp_now_ms(r.now_us) - 1000});
	rig_out(&r, A, 1, 11, 0);
	assert_int_equal(r.counters.v[CNT_tcp_rx_paws], 1);
	assert_int_equal(tcp_rx_avail(r.c), 10);
	// Without the option: dropped silently (3.2).
	rig_in(&r, (struct pkt){
			   .flags = A, .seq = 11, .ack = 1, .len = 10, .wnd = WND, .no_ts = true});
	rig_silent(&r);
	// After 24 days the old value proves nothing.
	r.now_us += 25ull * 86400 * 1000000;
	rig_in(&r, (struct pkt){.flags = A,
			   .seq = 11,
			   .ack = 1,
			   .len = 10,
			   .wnd = WND,
			   .tsval = tcp_now_ms(r.now_us) - 0x70000000});
	assert_int_equal(tcp_rx_avail(r.c), 20);
	rig_end(&r);
}

// RFC 2018 4: newest block first; RFC 2883: what came twice, before them.
static void sack_blocks(void **state)
{
	const struct pkt *p;
	struct rig r;

	begin(&r, true, true);
	data(&r, 101, 100);
	p = rig_out(&r, A, 1, 1, 0);
	assert_true(p->nb_sack == 1 && p->sack[0].start == 101 && p->sack[0].end == 201);
	data(&r, 301, 100);
	p = rig_out(&r, A, 1, 1, 0);
	assert_true(p->nb_sack == 2 && p->sack[0].start == 301 && p->sack[1].start == 101);
	data(&r, 201, 50); // joins the first
	p = rig_out(&r, A, 1, 1, 0);
	assert_true(p->nb_sack == 2 && p->sack[0].start == 101 && p->sack[0].end == 251);
	data(&r, 141, 20);
	p = rig_out(&r, A, 1, 1, 0);
	assert_true(p->nb_sack == 3 && p->sack[0].start == 141 && p->sack[0].end == 161);
	assert_true(p->sack[1].start == 101 && p->sack[2].start == 301);
	data(&r, 1, 100);
	p = rig_out(&r, A, 1, 251, 0);
	assert_true(p->nb_sack == 1 && p->sack[0].start == 301);
	assert_int_equal(tcp_rx_avail(r.c), 250);
	data(&r, 1, 30);
	p = rig_out(&r, A, 1, 251, 0);
	assert_true(p->nb_sack == 2 && p->sack[0].start == 1 && p->sack[0].end == 31);
	data(&r, 251, 50);
	p = rig_out(&r, A, 1, 401, 0);
	assert_int_equal(p->nb_sack, 0);
	assert_int_equal(tcp_rx_avail(r.c), 400);
	rig_over(&r);
}

// RFC 5681 4.2, RFC 9293 3.8.6.3.
static void delayed_ack(void **state)
{
	struct rig r;
	uint32_t seq = 1;

	begin(&r, true, true);
	for (int i = 0; i < TCP_QUICK_ACKS; i++, seq += 10) {
		data(&r, seq, 10);
		rig_out(&r, A, 1, seq + 10, 0);
	}
	data(&r, seq, 10);
	rig_silent(&r);
	data(&r, seq + 10, 10); // the second
	rig_out(&r, A, 1, seq + 20, 0);
	data(&r, seq + 20, 10);
	rig_silent(&r);
	assert_in_range(rig_wait_out(&r, 1000000), 40000, 41000);
	rig_out(&r, A, 1, seq + 30, 0);
	data(&r, seq + 30, 10);
	rig_send(&r, 5); // rides on data
	rig_out(&r, A, 1, seq + 40, 5);
	ack(&r, 6);
	rig_wait(&r, 100000);
	rig_over(&r);
}

// RFC 6298: doubled each time up to the most; given up by count with ETIMEDOUT.
static void rto_backoff(void **state)
{
	struct rig r;
	uint64_t expect = 210000; // 10 ms and the least variance

	begin(&r, false, false);
	rig_send(&r, 100);
	rig_out(&r, A, 1, 1, 100);
	for (int i = 0; i < TCP_MAX_RETRIES; i++) {
		assert_in_range(rig_wait_out(&r, 100000000), expect, expect + 1000);
		rig_out(&r, A, 1, 1, 100);
		expect = RTE_MIN(expect * 2, 60000000ull);
	}
	rig_wait_out(&r, 100000000);
	rig_out(&r, R | A, 101, 1, 0);
	assert_int_equal(rig_poll(&r), TCP_EV_CLOSED);
	assert_int_equal(tcp_conn_error(r.c), ETIMEDOUT);
	assert_int_equal(held(&r), 0);
	rig_over(&r);
}

// RFC 5482.
static void user_timeout(void **state)
{
	struct rig r;

	rig_init(&r);
	r.cfg.user_timeout_ms = 3000;
	rig_start(&r);
	rig_accept(&r, true, true, WND);
	rig_send(&r, 100);
	rig_wait(&r, 2999000);
	assert_int_equal(rig_poll(&r), 0);
	rig_wait(&r, 3000);
	assert_int_equal(rig_poll(&r), TCP_EV_CLOSED);
	assert_int_equal(tcp_conn_error(r.c), ETIMEDOUT);
	rig_end(&r);
}

// RFC 8985 with SACK: three segments behind the gap prove the loss, recovery halves (0.7) the
// window.
static void fast_retransmit_sack(void **state)
{
	struct rig r;

	begin(&r, true, true);
	send_many(&r, 10);
	rig_wait(&r, 10000);
	sack1(&r, 1, 1001, 2001);
	rig_silent(&r);
	sack1(&r, 1, 1001, 5001);
	rig_out(&r, A, 1, 1, 1000);
	rig_silent(&r);
	assert_int_equal(r.counters.v[CNT_tcp_fast_recovery], 1);
	assert_int_equal(r.c->recovery, TCP_RECOVERY);
	assert_in_range(r.c->cc.ssthresh, 7000, 10200);
	rig_wait(&r, 10000);
	ack(&r, 10001);
	assert_int_equal(r.c->recovery, TCP_OPEN);
	assert_int_equal(r.c->cc.cwnd, r.c->cc.ssthresh);
	assert_int_equal(held(&r), 0);
	assert_int_equal(r.counters.v[CNT_tcp_rto], 0);
	rig_end(&r);
}

// RFC 8985 6.2: with fewer, after the reordering window of a quarter round trip.
static void rack_reordering_timer(void **state)
{
	struct rig r;

	begin(&r, true, true);
	send_many(&r, 4);
	rig_wait(&r, 10000);
	sack1(&r, 1, 1001, 2001);
	assert_in_range(rig_wait_out(&r, 100000), 2500, 3000);
	rig_out(&r, A, 1, 1, 1000);
	// The retransmission is lost too: what is sent after it and arrives shows that.
	rig_wait(&r, 1000);
	sack1(&r, 1, 1001, 4001);
	send_many(&r, 1);
	rig_wait(&r, 10000);
	sack1(&r, 1, 1001, 5001);
	rig_out(&r, A, 1, 1, 1000);
	rig_wait(&r, 10000);
	ack(&r, 5001);
	rig_silent(&r);
	assert_int_equal(r.counters.v[CNT_tcp_rto], 0);
	rig_end(&r);
}

// RFC 6582 without SACK: three duplicates; partial ACKs send the next gap at once.
static void fast_retransmit_newreno(void **state)
{
	struct rig r;

	begin(&r, false, false);
	send_many(&r, 10);
	rig_wait(&r, 10000);
	ack(&r, 1);
	ack(&r, 1);
	rig_silent(&r);
	ack(&r, 1);
	rig_out(&r, A, 1, 1, 1000);
	rig_silent(&r);
	ack(&r, 4001);
	rig_out(&r, A, 4001, 1, 1000);
	ack(&r, 10001);
	assert_int_equal(r.c->recovery, TCP_OPEN);
	rig_silent(&r);
	assert_int_equal(r.counters.v[CNT_tcp_fast_recovery], 1);
	rig_end(&r);
}

// RFC 8985 7: the last segment again after two round trips, long before the timeout.
static void tail_loss_probe(void **state)
{
	struct rig r;

	begin(&r, true, true);
	send_many(&r, 3);
	assert_in_range(rig_wait_out(&r, 1000000), 24000, 25000);
	rig_out(&r, A, 2001, 1, 1000);
	rig_silent(&r);
	rig_wait(&r, 10000);
	sack1(&r, 1, 2001, 3001); // two were lost, not one
	rig_wait_out(&r, 5000);
	rig_out(&r, A, 1, 1, 1000);
	rig_wait_out(&r, 10000);
	ack(&r, 1001);
	rig_wait_out(&r, 10000);
	rig_out(&r, A, 1001, 1, 1000);
	ack(&r, 3001);
	assert_int_equal(r.counters.v[CNT_tcp_rto], 0);
	rig_over(&r);
}

// RFC 3522: the ACK of the original shows that nothing was lost: the window comes back.
static void spurious_timeout(void **state)
{
	struct rig r;
	uint32_t cwnd, sent_at;

	begin(&r, true, false);
	cwnd = r.c->cc.cwnd;
	send_many(&r, 5);
	sent_at = r.ts_last;
	assert_in_range(rig_wait_out(&r, 1000000), 210000, 211000);
	rig_out(&r, A, 1, 1, 1000);
	assert_int_equal(r.c->cc.cwnd, tcp_snd_mss(r.c));
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 1001, .wnd = WND, .tsecr = sent_at});
	assert_int_equal(r.counters.v[CNT_tcp_spurious_rto], 1);
	assert_int_equal(r.c->cc.cwnd >= cwnd, true);
	rig_silent(&r); // the others are not sent again
	ack(&r, 5001);
	rig_over(&r);
}

// After a real timeout: slow start from one segment over everything outstanding.
static void timeout_recovery(void **state)
{
	struct rig r;

	begin(&r, true, false);
	send_many(&r, 8);
	rig_wait_out(&r, 1000000);
	rig_out(&r, A, 1, 1, 1000);
	ack(&r, 1001);
	rig_out(&r, A, 1001, 1, 1000);
	rig_out(&r, A, 2001, 1, 1000);
	rig_silent(&r);
	ack(&r, 8001);
	assert_int_equal(r.c->recovery, TCP_OPEN);
	assert_int_equal(held(&r), 0);
	rig_end(&r);
}

// 3.8.6.1: probes with growing distance for as long as they are answered; an update sends at once.
static void zero_window(void **state)
{
	struct rig r;
	uint64_t expect = 210000;

	begin(&r, true, true);
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 1, .wnd = 0});
	assert_int_equal(tcp_tx_room(r.c, 100), tcp_snd_mss(r.c)); // one, so that probes go
	rig_send(&r, 100);
	rig_silent(&r);
	for (int i = 0; i < 30; i++) {
		assert_in_range(rig_wait_out(&r, 100000000), expect - 1000, expect + 1000);
		rig_out(&r, A, 0, 1, 0);
		rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 1, .wnd = 0});
		expect = RTE_MIN(expect * 2, 60000000ull);
	}
	assert_int_equal(rig_poll(&r), 0);
	ack(&r, 1);
	rig_out(&r, A, 1, 1, 100);
	ack(&r, 101);
	rig_silent(&r);
	// Unanswered they end it.
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 101, .wnd = 0});
	rig_send(&r, 100);
	rig_wait(&r, 2000000000);
	assert_int_equal(rig_poll(&r), TCP_EV_CLOSED);
	assert_int_equal(tcp_conn_error(r.c), ETIMEDOUT);
	rig_end(&r);
}

// 3.8.6.2.1: no small pieces for a window that will grow; after the override timeout they go.
static void sender_silly_window(void **state)
{
	struct rig r;

	begin(&r, true, true);
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 1, .wnd = 300});
	rig_send(&r, 1000);
	rig_silent(&r);
	rig_wait_out(&r, 1000000);
	rig_out(&r, A, 1, 1, 300);
	rig_silent(&r);
	ack(&r, 301);
	rig_out(&r, A, 301, 1, 700);
	ack(&r, 1001);
	assert_int_equal(held(&r), 0);
	rig_end(&r);
}

// 3.8.6.2.2: the window closes as the owner does not read, and opens by a worthwhile step.
static void receiver_window(void **state)
{
	struct rig r;
	const struct pkt *p = NULL;
	uint32_t seq = 1;

	rig_init(&r);
	r.cfg.rcv_wnd_max = 8000;
	rig_start(&r);
	rig_accept(&r, false, false, WND);
	for (int i = 0; i < 8; i++, seq += 1000) {
		data(&r, seq, 1000);
		p = rig_out(&r, A, 1, seq + 1000, 0);
		assert_int_equal(p->wnd, 7000 - i * 1000);
	}
	// Beyond: not taken, but answered, and its ACK counts.
	rig_in(&r, (struct pkt){.flags = A, .seq = seq, .ack = 1, .len = 1, .wnd = WND});
	p = rig_out(&r, A, 1, seq, 0);
	assert_int_equal(p->wnd, 0);
	rig_send(&r, 10);
	rig_out(&r, A, 1, seq, 10);
	rig_in(&r, (struct pkt){.flags = A, .seq = seq, .ack = 11, .len = 1, .wnd = WND});
	p = rig_out(&r, A, 11, seq, 0);
	assert_int_equal(held(&r), 8);
	tcp_consume(r.c, 500, r.now_us);
	rig_silent(&r);
	tcp_consume(r.c, 1500, r.now_us);
	p = rig_out(&r, A, 11, seq, 0);
	assert_int_equal(p->wnd, 2000);
	rig_over(&r);
}

// 3.8.4.
static void keepalive(void **state)
{
	struct rig r;

	rig_init(&r);
	r.cfg.keepalive_idle_ms = 10000;
	r.cfg.keepalive_interval_ms = 1000;
	r.cfg.keepalive_probes = 3;
	rig_start(&r);
	rig_accept(&r, true, true, WND);
	assert_in_range(rig_wait_out(&r, 60000000), 10000000, 10001000);
	rig_out(&r, A, 0, 1, 0);
	ack(&r, 1);
	for (int i = 0; i < 3; i++) {
		assert_in_range(
			rig_wait_out(&r, 60000000), i ? 999000 : 10000000, i ? 1001000 : 10001000);
		rig_out(&r, A, 0, 1, 0);
	}
	rig_wait_out(&r, 60000000);
	rig_out(&r, R | A, 1, 1, 0);
	assert_int_equal(rig_poll(&r), TCP_EV_CLOSED);
	assert_int_equal(tcp_conn_error(r.c), ETIMEDOUT);
	rig_end(&r);
}

// The peer's keepalive, with and without the garbage byte, is answered.
static void peer_keepalive(void **state)
{
	struct rig r;

	begin(&r, true, true);
	rig_in(&r, (struct pkt){.flags = A, .seq = 0, .ack = 1, .wnd = WND});
	rig_out(&r, A, 1, 1, 0);
	rig_wait(&r, 1000000);
	rig_in(&r, (struct pkt){.flags = A, .seq = 0, .ack = 1, .len = 1, .wnd = WND});
	rig_out(&r, A, 1, 1, 0);
	assert_int_equal(rig_poll(&r), 0);
	rig_over(&r);
}

// RFC 1191, 5927: believed only about what is in flight; then smaller segments, no smaller window.
static void icmp_too_big(void **state)
{
	struct rig r;
	uint32_t cwnd;

	begin(&r, true, true);
	for (int i = 0; i < 2; i++)
		rig_queue(&r, tcp_snd_mss(r.c));
	tcp_push(r.c, r.now_us);
	rig_out(&r, A, 1, 1, 1448);
	rig_out(&r, A, 1449, 1, 1448);
	cwnd = r.c->cc.cwnd;
	tcp_icmp_error(
		r.stack, &r.us, OUR_PORT, &r.peer, PEER_PORT, r.c->snd_nxt, 1000, false, r.now_us);
	tcp_icmp_error(
		r.stack, &r.us, OUR_PORT, &r.peer, PEER_PORT, r.c->snd_una, 1500, false, r.now_us);
	rig_silent(&r);
	tcp_icmp_error(
		r.stack, &r.us, OUR_PORT, &r.peer, PEER_PORT, r.c->snd_una, 1000, false, r.now_us);
	rig_out(&r, A, 1, 1, 948);
	rig_out(&r, A, 949, 1, 500);
	rig_out(&r, A, 1449, 1, 948);
	rig_out(&r, A, 2397, 1, 500);
	assert_int_equal(tcp_snd_mss(r.c), 948);
	assert_int_equal(r.c->cc.cwnd, cwnd);
	rig_wait(&r, 10000);
	ack(&r, 2897);
	assert_int_equal(held(&r), 0);
	rig_silent(&r);
	// Nobody can force it below the least.
	rig_send(&r, 10);
	tcp_icmp_error(
		r.stack, &r.us, OUR_PORT, &r.peer, PEER_PORT, r.c->snd_una, 68, false, r.now_us);
	assert_int_equal(tcp_snd_mss(r.c), 552 - 52);
	rig_end(&r);
}

// Large segments vanish, small ones pass.
static void black_hole(void **state)
{
	const struct pkt *p;
	struct rig r;
	unsigned int tries = 0;

	begin(&r, true, true);
	rig_send(&r, 1448);
	rig_out(&r, A, 1, 1, 1448);
	do {
		rig_wait_out(&r, 100000000);
		p = &r.out[r.next_out++];
		assert_true(++tries < 12);
	} while (p->len > 1000);
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = p->seq + p->len, .wnd = WND});
	while (r.c->snd_una != r.c->snd_nxt) {
		r.nb_out = r.next_out = 0;
		rig_wait_out(&r, 100000000);
		ack(&r, r.c->snd_nxt - r.iss);
	}
	assert_true(tcp_snd_mss(r.c) < 1000);
	// And tried again after ten minutes.
	rig_wait(&r, 700000000);
	r.nb_out = r.next_out = 0;
	rig_send(&r, 10);
	assert_int_equal(tcp_snd_mss(r.c), 1448);
	rig_end(&r);
}

// The queue is bounded by bytes; payload over the MSS is cut.
static void send_limits(void **state)
{
	struct rte_mbuf *m;
	struct rig r;

	rig_init(&r);
	r.cfg.snd_buf_max = 4000;
	rig_start(&r);
	rig_accept(&r, false, true, WND);
	rig_queue(&r, 2000);
	rig_queue(&r, 2000);
	m = rte_pktmbuf_alloc(r.pool);
	rte_pktmbuf_append(m, 1);
	assert_int_equal(tcp_send(r.c, m, r.now_us), -ENOBUFS);
	assert_int_equal(tcp_tx_queued(r.c), 4000);
	assert_int_equal(tcp_tx_room(r.c, 1), 0);
	tcp_push(r.c, r.now_us);
	rig_out(&r, A, 1, 1, 1460);
	rig_out(&r, A, 1461, 1, 540);
	rig_out(&r, A, 2001, 1, 1460);
	rig_out(&r, A, 3461, 1, 540);
	ack(&r, 4001);
	assert_int_equal(rig_poll(&r), TCP_EV_WRITABLE);
	assert_int_equal(held(&r), 0);
	rig_end(&r);
}

// Chained, shared and cramped mbufs are copied.
static void send_awkward(void **state)
{
	struct rte_mbuf *m, *n;
	struct rig r;

	begin(&r, false, true);
	m = rte_pktmbuf_alloc(r.pool);
	n = rte_pktmbuf_alloc(r.pool);
	memset(rte_pktmbuf_append(m, 1500), 'a', 1500);
	memset(rte_pktmbuf_append(n, 1500), 'b', 1500);
	assert_int_equal(rte_pktmbuf_chain(m, n), 0);
	assert_int_equal(tcp_send(r.c, m, r.now_us), 0);
	m = rte_pktmbuf_alloc(r.pool);
	m->data_off = 0; // no room for headers
	memset(rte_pktmbuf_append(m, 100), 'c', 100);
	assert_int_equal(tcp_send(r.c, m, r.now_us), 0);
	m = rte_pktmbuf_alloc(r.pool);
	memset(rte_pktmbuf_append(m, 100), 'd', 100);
	rte_mbuf_refcnt_update(m, 1); // somebody else's as well
	assert_int_equal(tcp_send(r.c, m, r.now_us), 0);
	assert_int_equal(tcp_send(r.c, rte_pktmbuf_alloc(r.pool), r.now_us), 0); // nothing in it
	tcp_push(r.c, r.now_us);
	rig_out(&r, A, 1, 1, 1460);
	rig_out(&r, A, 1461, 1, 1460);
	rig_out(&r, A, 2921, 1, 80);
	rig_out(&r, A, 3001, 1, 100);
	rig_out(&r, A, 3101, 1, 100);
	rig_silent(&r);
	rte_pktmbuf_free(m);
	rig_end(&r);
}

// An owner that does not read, a peer that sends byte by byte: memory follows bytes, not segments.
static void tiny_segments(void **state)
{
	struct rig r;

	begin(&r, true, true);
	for (uint32_t i = 0; i < 20000; i++) {
		r.nb_out = r.next_out = 0;
		data(&r, 1 + i, 1);
	}
	assert_int_equal(tcp_rx_avail(r.c), 20000);
	assert_in_range(held(&r), 1, 40);
	// The same beyond a gap.
	for (uint32_t i = 0; i < 20000; i++) {
		r.nb_out = r.next_out = 0;
		data(&r, 20002 + i, 1);
	}
	assert_in_range(held(&r), 1, 60);
	data(&r, 20001, 1);
	assert_int_equal(tcp_rx_avail(r.c), 40001);
	tcp_consume(r.c, 40001, r.now_us);
	assert_int_equal(held(&r), 0);
	rig_end(&r);
}

// Every second byte: the bound holds, and what is missing comes again.
static void out_of_order_bound(void **state)
{
	struct rig r;

	rig_init(&r);
	r.cfg.ooo_max_segs = 10;
	rig_start(&r);
	rig_accept(&r, true, true, WND);
	for (uint32_t i = 0; i < 100; i++)
		data(&r, 2 + 2 * i, 1);
	assert_int_equal(held(&r), 10);
	assert_int_equal(r.counters.v[CNT_tcp_rx_ooo_full], 90);
	data(&r, 1, 200);
	assert_int_equal(tcp_rx_avail(r.c), 200);
	assert_int_equal(held(&r), 1);
	rig_end(&r);
}

// Over the worker's bound payload is dropped, ACKs still count.
static void memory_bound(void **state)
{
	struct rig r;

	rig_init(&r);
	r.cfg.mem_max_mbufs = 16;
	rig_start(&r);
	rig_accept(&r, true, true, WND);
	for (uint32_t i = 0; i < 30; i++) {
		r.nb_out = r.next_out = 0;
		data(&r, 1 + 1400 * i, 1400);
	}
	assert_int_equal(held(&r), 16);
	assert_true(r.counters.v[CNT_tcp_memory_full] > 0);
	tcp_consume(r.c, tcp_rx_avail(r.c), r.now_us);
	assert_int_equal(held(&r), 0);
	r.nb_out = r.next_out = 0;
	data(&r, 1 + 1400 * 16, 1400);
	assert_int_equal(tcp_rx_avail(r.c), 1400);
	rig_end(&r);
}

// A FIN beyond a gap waits for it; segments behind it are nonsense.
static void fin_out_of_order(void **state)
{
	struct rig r;

	begin(&r, true, true);
	rig_in(&r, (struct pkt){.flags = F | A, .seq = 101, .ack = 1, .len = 50, .wnd = WND});
	rig_out(&r, A, 1, 1, 0);
	assert_int_equal(rig_poll(&r), 0);
	data(&r, 1, 100);
	rig_out(&r, A, 1, 152, 0);
	assert_int_equal(rig_poll(&r), TCP_EV_READABLE | TCP_EV_EOF);
	assert_int_equal(tcp_rx_avail(r.c), 150);
	data(&r, 152, 10);
	assert_int_equal(tcp_rx_avail(r.c), 150);
	rig_end(&r);
}

// tcp_keep: the mbuf is the owner's when it was consumed.
static void take(void **state)
{
	struct rte_mbuf *m;
	struct tcp_slice sl[4];
	uint32_t n;
	struct rig r;

	begin(&r, true, true);
	data(&r, 1, 100);
	data(&r, 101, 200);
	assert_null(tcp_take(r.c, 99, r.now_us));
	assert_null(tcp_take(r.c, 300, r.now_us));
	m = tcp_take(r.c, 100, r.now_us);
	assert_non_null(m);
	assert_int_equal(m->pkt_len, 100);
	assert_int_equal(*rte_pktmbuf_mtod(m, char *), 'x');
	rte_pktmbuf_free(m);
	assert_int_equal(tcp_peek(r.c, 50, sl, 4, &n), 1);
	assert_int_equal(n, 150);
	tcp_consume(r.c, 50, r.now_us);
	assert_non_null(m = tcp_take(r.c, 150, r.now_us));
	rte_pktmbuf_free(m);
	assert_null(tcp_take(r.c, 0, r.now_us));
	assert_int_equal(held(&r), 0);
	// Kept and then not: freed as ever. Kept and never consumed: freed with the connection.
	data(&r, 301, 100);
	data(&r, 401, 100);
	assert_int_equal(tcp_peek(r.c, 0, sl, 4, &n), 2);
	tcp_keep(sl[0].m);
	tcp_keep(sl[1].m);
	tcp_unkeep(sl[0].m);
	tcp_consume(r.c, 150, r.now_us);
	rig_end(&r);
}

// Slow start doubles; RFC 5681 4.1: after a pause back to the initial window.
static void window_growth(void **state)
{
	struct rig r;
	uint32_t iw;

	begin(&r, true, true);
	iw = r.c->cc.cwnd;
	assert_int_equal(iw, 14480); // RFC 6928
	send_many(&r, 14);
	ack(&r, 14001);
	assert_int_equal(r.c->cc.cwnd, iw + 14000);
	send_many(&r, 3); // far from using it
	ack(&r, 17001);
	send_many(&r, 3);
	ack(&r, 20001);
	assert_true(r.c->cc.cwnd <= iw + 17000);
	rig_wait(&r, 5000000);
	send_many(&r, 1);
	assert_int_equal(r.c->cc.cwnd, iw);
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paws),
		cmocka_unit_test(sack_blocks),
		cmocka_unit_test(delayed_ack),
		cmocka_unit_test(rto_backoff),
		cmocka_unit_test(user_timeout),
		cmocka_unit_test(fast_retransmit_sack),
		cmocka_unit_test(rack_reordering_timer),
		cmocka_unit_test(fast_retransmit_newreno),
		cmocka_unit_test(tail_loss_probe),
		cmocka_unit_test(spurious_timeout),
		cmocka_unit_test(timeout_recovery),
		cmocka_unit_test(zero_window),
		cmocka_unit_test(sender_silly_window),
		cmocka_unit_test(receiver_window),
		cmocka_unit_test(keepalive),
		cmocka_unit_test(peer_keepalive),
		cmocka_unit_test(icmp_too_big),
		cmocka_unit_test(black_hole),
		cmocka_unit_test(send_limits),
		cmocka_unit_test(send_awkward),
		cmocka_unit_test(tiny_segments),
		cmocka_unit_test(out_of_order_bound),
		cmocka_unit_test(memory_bound),
		cmocka_unit_test(fin_out_of_order),
		cmocka_unit_test(take),
		cmocka_unit_test(window_growth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
