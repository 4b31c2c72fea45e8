// SPDX-License-Identifier: BSD-3-Clause
// Opening, closing and attacks: one script per rule.
#include <errno.h>

#include "tcp_rig.h"

static void levels(
	struct rig *r, uint32_t conns, uint32_t half_open, uint32_t time_wait, uint32_t mbufs)
{
	struct tcp_levels l;

	tcp_stack_levels(r->stack, &l);
	assert_int_equal(l.conns, conns);
	assert_int_equal(l.half_open, half_open);
	assert_int_equal(l.time_wait, time_wait);
	assert_int_equal(l.mbufs_held, mbufs);
}

// 3.10.7.2; options as offered.
static void passive_open(void **state)
{
	const struct pkt *p;
	struct rig r;

	rig_init(&r);
	rig_start(&r);
	rig_in(&r, (struct pkt){.flags = S,
			   .wnd = 1000,
			   .mss = 1400,
			   .wscale = 7,
			   .sack_ok = true,
			   .ts = true,
			   .tsval = 77});
	p = rig_out(&r, S | A, 0, 1, 0);
	assert_int_equal(p->mss, 1460);
	assert_int_equal(p->wscale, 3); // 256 KiB
	assert_true(p->sack_ok && p->ts);
	assert_int_equal(p->tsecr, 77);
	assert_int_equal(p->wnd, 65535);
	levels(&r, 1, 1, 0, 0);
	assert_int_equal(rig_poll(&r), 0);
	r.ts = true;
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 1, .wnd = 10});
	assert_int_equal(rig_poll(&r), TCP_EV_ACCEPTED);
	levels(&r, 1, 0, 0, 0);
	assert_int_equal(tcp_snd_mss(r.c), 1388);
	assert_int_equal(r.c->snd_wnd, 1280);
	rig_over(&r);
}

// Nothing offered: nothing used; an MSS of 536 assumed.
static void passive_open_plain(void **state)
{
	const struct pkt *p;
	struct rig r;

	rig_init(&r);
	rig_start(&r);
	rig_in(&r, (struct pkt){.flags = S, .wnd = 1000, .wscale = -1});
	p = rig_out(&r, S | A, 0, 1, 0);
	assert_int_equal(p->wscale, -1);
	assert_false(p->sack_ok || p->ts);
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 1, .wnd = 1000});
	rig_poll(&r);
	assert_int_equal(r.c->snd_wnd, 1000);
	rig_over(&r);
}

// RFC 6298: SYN-ACK again after 1, 2, 4 s; given up after syn_timeout.
static void syn_ack_backoff(void **state)
{
	struct rig r;

	rig_init(&r);
	r.cfg.syn_timeout_ms = 10000;
	rig_start(&r);
	rig_in(&r, (struct pkt){.flags = S, .wnd = 1000, .mss = 1460, .wscale = -1});
	rig_out(&r, S | A, 0, 1, 0);
	for (uint64_t s = 1; s <= 4; s *= 2) {
		assert_in_range(rig_wait_out(&r, 20000000), s * 1000000, s * 1000000 + 1000);
		rig_out(&r, S | A, 0, 1, 0);
	}
	// The peer's own SYN again: answered at once.
	rig_in(&r, (struct pkt){.flags = S, .wnd = 1000, .mss = 1460, .wscale = -1});
	rig_out(&r, S | A, 0, 1, 0);
	rig_wait(&r, 4000000);
	rig_silent(&r);
	levels(&r, 0, 0, 0, 0);
	assert_int_equal(rig_poll(&r), 0);
	rig_end(&r);
}

// 3.10.7.4, SYN-RECEIVED: an ACK of something never sent gets RST; RST ends it without a word.
static void syn_received_rejects(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_start(&r);
	rig_in(&r, (struct pkt){.flags = S, .wnd = 1000, .mss = 1460, .wscale = -1});
	rig_out(&r, S | A, 0, 1, 0);
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 77, .wnd = 1000});
	rig_out(&r, R, 77, 0, 0);
	levels(&r, 1, 1, 0, 0);
	rig_in(&r, (struct pkt){.flags = R, .seq = 1});
	levels(&r, 0, 0, 0, 0);
	rig_over(&r);
}

// 3.10.7.1, 3.10.7.2.
static void closed_port(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_start(&r);
	tcp_unlisten(r.stack, OUR_PORT);
	rig_in(&r, (struct pkt){.flags = S, .wnd = 1000, .wscale = -1});
	rig_out(&r, R | A, 0, 1, 0);
	rig_in(&r, (struct pkt){.flags = A, .seq = 5, .ack = 9, .len = 10});
	rig_out(&r, R, 9, 0, 0);
	rig_in(&r, (struct pkt){.flags = R, .seq = 5});
	tcp_listen(r.stack, OUR_PORT);
	rig_in(&r, (struct pkt){.flags = A, .seq = 5, .ack = 9});
	rig_out(&r, R, 9, 0, 0);
	rig_in(&r, (struct pkt){.flags = F, .seq = 5});
	rig_over(&r);
}

static void listen_limits(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_start(&r);
	assert_int_equal(tcp_listen(r.stack, OUR_PORT), -EADDRINUSE);
	for (uint16_t i = 1; i < TCP_MAX_LISTEN; i++)
		assert_int_equal(tcp_listen(r.stack, i), 0);
	assert_int_equal(tcp_listen(r.stack, 999), -ENOSPC);
	tcp_unlisten(r.stack, 3);
	assert_int_equal(tcp_listen(r.stack, 999), 0);
	rig_end(&r);
}

static void start_connect(struct rig *r)
{
	r->ts = false;
	r->c = tcp_connect(r->stack, &r->us, OUR_PORT + 1, &r->peer, PEER_PORT, NULL, r->now_us);
	assert_non_null(r->c);
	r->our_port = OUR_PORT + 1;
	assert_null(
		tcp_connect(r->stack, &r->us, OUR_PORT + 1, &r->peer, PEER_PORT, NULL, r->now_us));
	assert_int_equal(errno, EADDRINUSE);
}

// 3.10.7.3.
static void active_open(void **state)
{
	const struct pkt *p;
	struct rig r;

	rig_init(&r);
	rig_start(&r);
	start_connect(&r);
	p = rig_out(&r, S, 0, 0, 0);
	assert_true(p->ts && p->sack_ok && p->wscale == 3 && p->mss == 1460);
	// A wrong ACK gets RST and changes nothing.
	rig_in(&r, (struct pkt){.flags = S | A, .ack = 99, .wnd = 1000, .wscale = -1});
	rig_out(&r, R, 99, 0, 0);
	rig_in(&r, (struct pkt){.flags = R | A, .ack = 99});
	rig_queue(&r, 100);
	rig_in(&r, (struct pkt){.flags = S | A, .ack = 1, .wnd = 1000, .mss = 1460, .wscale = 2});
	assert_int_equal(rig_poll(&r), TCP_EV_CONNECTED);
	rig_out(&r, A, 1, 1, 100);            // what was queued goes with the ACK
	assert_int_equal(r.c->snd_wnd, 1000); // SYN's window is not scaled
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 101, .wnd = 1000});
	assert_int_equal(r.c->snd_wnd, 4000);
	rig_over(&r);
}

static void connect_refused(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_start(&r);
	start_connect(&r);
	rig_out(&r, S, 0, 0, 0);
	rig_in(&r, (struct pkt){.flags = R, .seq = 1}); // without ACK: anybody could have sent it
	assert_int_equal(rig_poll(&r), 0);
	rig_in(&r, (struct pkt){.flags = R | A, .ack = 1});
	assert_int_equal(rig_poll(&r), TCP_EV_CLOSED);
	assert_int_equal(tcp_conn_error(r.c), ECONNREFUSED);
	tcp_release(r.c, r.now_us);
	levels(&r, 0, 0, 0, 0);
	rig_end(&r);
}

static void connect_timeout(void **state)
{
	struct rig r;

	rig_init(&r);
	r.cfg.syn_timeout_ms = 5000;
	rig_start(&r);
	start_connect(&r);
	// A soft ICMP error becomes the reason, but ends nothing (RFC 1122 4.2.3.9).
	tcp_icmp_error(
		r.stack, &r.us, OUR_PORT + 1, &r.peer, PEER_PORT, r.c->iss, 0, false, r.now_us);
	rig_wait(&r, 4999000);
	assert_int_equal(rig_poll(&r), 0);
	rig_wait(&r, 10000);
	assert_int_equal(rig_poll(&r), TCP_EV_CLOSED);
	assert_int_equal(tcp_conn_error(r.c), EHOSTUNREACH);
	tcp_release(r.c, r.now_us);
	assert_int_equal(r.nb_out, 3); // at 0, 1 and 3 s
	rig_end(&r);
}

static void connect_icmp_hard(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_start(&r);
	start_connect(&r);
	// A guess that misses the number is nothing.
	tcp_icmp_error(
		r.stack, &r.us, OUR_PORT + 1, &r.peer, PEER_PORT, r.c->iss + 5, 0, true, r.now_us);
	assert_int_equal(rig_poll(&r), 0);
	tcp_icmp_error(
		r.stack, &r.us, OUR_PORT + 1, &r.peer, PEER_PORT, r.c->iss, 0, true, r.now_us);
	assert_int_equal(rig_poll(&r), TCP_EV_CLOSED);
	assert_int_equal(tcp_conn_error(r.c), ECONNREFUSED);
	rig_end(&r);
}

// Figure 7 of RFC 9293.
static void simultaneous_open(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_start(&r);
	start_connect(&r);
	rig_out(&r, S, 0, 0, 0);
	rig_in(&r, (struct pkt){.flags = S, .wnd = 1000, .mss = 1460, .wscale = -1});
	rig_out(&r, S | A, 0, 1, 0);
	rig_in(&r, (struct pkt){.flags = S | A, .ack = 1, .wnd = 1000, .mss = 1460, .wscale = -1});
	rig_out(&r, A, 1, 1, 0);
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 1, .wnd = 1000});
	assert_int_equal(rig_poll(&r), TCP_EV_CONNECTED);
	rig_over(&r);
}

// RFC 5961 3.2.
static void rst_in_window(void **state)
{
	struct rig r;

	rig_established(&r);
	rig_in(&r, (struct pkt){.flags = R, .seq = 0, .no_ts = true});
	rig_in(&r, (struct pkt){.flags = R, .seq = 100000, .no_ts = true});
	rig_silent(&r);
	rig_in(&r, (struct pkt){.flags = R, .seq = 100, .no_ts = true});
	rig_out(&r, A, 1, 1, 0);
	rig_in(&r,
		(struct pkt){
			.flags = R, .seq = 101, .no_ts = true}); // at most one challenge in a while
	rig_silent(&r);
	assert_int_equal(r.counters.v[CNT_tcp_challenge_ack], 1);
	assert_int_equal(rig_poll(&r), 0);
	rig_in(&r, (struct pkt){.flags = R, .seq = 1, .no_ts = true});
	assert_int_equal(rig_poll(&r), TCP_EV_CLOSED);
	assert_int_equal(tcp_conn_error(r.c), ECONNRESET);
	tcp_release(r.c, r.now_us);
	levels(&r, 0, 0, 0, 0);
	rig_over(&r);
}

// RFC 5961 4.2 and 5.2.
static void blind_syn_and_ack(void **state)
{
	struct rig r;

	rig_established(&r);
	rig_in(&r, (struct pkt){.flags = S, .seq = 10, .wnd = 100, .wscale = -1});
	rig_out(&r, A, 1, 1, 0);
	rig_wait(&r, 200000);
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 2, .len = 10, .wnd = 100});
	rig_out(&r, A, 1, 1, 0);
	rig_wait(&r, 200000);
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 1 - 70000, .len = 10, .wnd = 100});
	rig_out(&r, A, 1, 1, 0);
	assert_int_equal(rig_poll(&r), 0); // none of the text was taken
	assert_int_equal(r.counters.v[CNT_tcp_challenge_ack], 3);
	rig_over(&r);
}

static void close_by_us(void **state)
{
	struct rig r;

	rig_established(&r);
	rig_queue(&r, 10);
	tcp_shutdown(r.c, r.now_us);
	rig_out(&r, F | A, 1, 1, 10);
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 12, .wnd = 1000});
	assert_int_equal(r.c->state, TCP_FIN_WAIT_2);
	rig_in(&r, (struct pkt){
			   .flags = A, .seq = 1, .ack = 12, .len = 5, .wnd = 1000}); // half-closed
	rig_out(&r, A, 12, 6, 0);
	rig_in(&r, (struct pkt){.flags = F | A, .seq = 6, .ack = 12, .wnd = 1000});
	rig_out(&r, A, 12, 7, 0);
	assert_int_equal(rig_poll(&r), TCP_EV_READABLE | TCP_EV_EOF | TCP_EV_CLOSED);
	assert_int_equal(tcp_conn_error(r.c), 0);
	assert_int_equal(tcp_rx_avail(r.c), 5); // still to be read
	levels(&r, 1, 0, 1, 1);
	tcp_consume(r.c, 5, r.now_us);
	tcp_release(r.c, r.now_us);
	levels(&r, 0, 0, 1, 0);
	rig_silent(&r);

	// TIME-WAIT: the FIN again is acknowledged, RST does not kill it (RFC 1337), empty ACKs are
	// not answered.
	rig_wait(&r, 1000000);
	rig_in(&r, (struct pkt){.flags = F | A, .seq = 6, .ack = 12, .wnd = 1000});
	rig_out(&r, A, 12, 7, 0);
	rig_in(&r, (struct pkt){.flags = R, .seq = 7});
	rig_in(&r, (struct pkt){.flags = A, .seq = 7, .ack = 12, .wnd = 1000});
	rig_silent(&r);
	rig_wait(&r, 59000000); // anew from the FIN
	levels(&r, 0, 0, 1, 0);
	rig_wait(&r, 1100000);
	levels(&r, 0, 0, 0, 0);
	rig_over(&r);
}

// Who takes the port again with an older clock is not locked out until TIME-WAIT ends: his RST for
// our ACK of his SYN says that he knows nothing of the old connection.
static void time_wait_unlocked(void **state)
{
	const struct pkt syn = {
		.flags = S, .seq = 1000, .wnd = 100, .wscale = -1, .tsval = 5, .mss = 1460};
	struct rig r;

	rig_established(&r);
	tcp_release(r.c, r.now_us);
	rig_out(&r, F | A, 1, 1, 0);
	rig_in(&r, (struct pkt){.flags = F | A, .seq = 1, .ack = 2, .wnd = 1000});
	rig_out(&r, A, 2, 2, 0);
	rig_in(&r, (struct pkt){.flags = R, .seq = 2}); // nobody asked
	levels(&r, 0, 0, 1, 0);
	rig_in(&r, syn);
	rig_out(&r, A, 2, 2, 0);
	rig_in(&r, (struct pkt){.flags = R, .seq = 3}); // not the answer
	levels(&r, 0, 0, 1, 0);
	rig_in(&r, (struct pkt){.flags = R, .seq = 2});
	levels(&r, 0, 0, 0, 0);
	rig_in(&r, syn);
	levels(&r, 1, 1, 0, 0);
	rig_out(&r, S | A, 0, 1001, 0);
	rig_over(&r);
}

// RFC 6191, RFC 9293 3.10.7.4 TIME-WAIT.
static void time_wait_reuse(void **state)
{
	struct rig r;
	uint32_t old_iss;

	rig_established(&r);
	tcp_release(r.c, r.now_us);
	rig_out(&r, F | A, 1, 1, 0);
	rig_in(&r, (struct pkt){.flags = F | A, .seq = 1, .ack = 2, .wnd = 1000});
	rig_out(&r, A, 2, 2, 0);
	levels(&r, 0, 0, 1, 0);
	old_iss = r.iss;
	// Older by its timestamp: an ACK, as for any segment out of place.
	rig_in(&r, (struct pkt){.flags = S, .seq = 1000, .wnd = 100, .wscale = -1, .tsval = 5});
	rig_out(&r, A, 2, 2, 0);
	rig_wait(&r, 5000);
	r.peer_isn -= 100000; // below the old window, but newer by its timestamp
	rig_in(&r, (struct pkt){.flags = S, .seq = 0, .wnd = 100, .wscale = -1, .mss = 1460});
	rig_out(&r, S | A, 0, 1, 0);
	assert_true(seq_lt(old_iss + 60000, r.iss));
	levels(&r, 1, 1, 0, 0);
	rig_over(&r);
}

// The oldest goes when the table is full.
static void time_wait_bound(void **state)
{
	struct rig r;

	rig_init(&r);
	r.cfg.max_time_wait = 2;
	rig_start(&r);
	for (uint16_t i = 0; i < 5; i++) {
		r.peer_port = PEER_PORT + i;
		rig_accept(&r, false, false, 65535);
		tcp_release(r.c, r.now_us);
		rig_out(&r, F | A, 1, 1, 0);
		rig_in(&r, (struct pkt){.flags = F | A, .seq = 1, .ack = 2, .wnd = 1000});
		rig_out(&r, A, 2, 2, 0);
		levels(&r, 0, 0, RTE_MIN(i + 1u, 2u), 0);
	}
	rig_over(&r);
}

static void close_by_peer(void **state)
{
	struct rig r;

	rig_established(&r);
	rig_in(&r, (struct pkt){.flags = F | A, .seq = 1, .ack = 1, .wnd = 1000});
	rig_out(&r, A, 1, 2, 0);
	assert_int_equal(rig_poll(&r), TCP_EV_EOF);
	rig_send(&r, 10); // half-closed: this direction still works
	rig_out(&r, A, 1, 2, 10);
	tcp_shutdown(r.c, r.now_us);
	rig_out(&r, F | A, 11, 2, 0);
	assert_int_equal(tcp_send(r.c, rte_pktmbuf_alloc(r.pool), r.now_us), -EPIPE);
	rig_in(&r, (struct pkt){.flags = A, .seq = 2, .ack = 12, .wnd = 1000});
	assert_int_equal(rig_poll(&r), TCP_EV_CLOSED);
	tcp_release(r.c, r.now_us);
	levels(&r, 0, 0, 0, 0);
	rig_over(&r);
}

// Figure 13: FINs cross.
static void simultaneous_close(void **state)
{
	struct rig r;

	rig_established(&r);
	tcp_shutdown(r.c, r.now_us);
	rig_out(&r, F | A, 1, 1, 0);
	rig_in(&r, (struct pkt){.flags = F | A, .seq = 1, .ack = 1, .wnd = 1000});
	rig_out(&r, A, 2, 2, 0);
	assert_int_equal(r.c->state, TCP_CLOSING);
	rig_in(&r, (struct pkt){.flags = A, .seq = 2, .ack = 2, .wnd = 1000});
	assert_int_equal(rig_poll(&r), TCP_EV_EOF | TCP_EV_CLOSED);
	tcp_release(r.c, r.now_us);
	levels(&r, 0, 0, 1, 0);
	rig_over(&r);
}

// RFC 1122 4.2.2.13: data for nobody, and data that nobody read.
static void orphan_data(void **state)
{
	struct rig r;

	rig_established(&r);
	tcp_release(r.c, r.now_us);
	rig_out(&r, F | A, 1, 1, 0);
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 2, .wnd = 1000});
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 2, .len = 4, .wnd = 1000});
	rig_out(&r, R | A, 2, 1, 0);
	levels(&r, 0, 0, 0, 0);
	r.peer_port++;
	rig_accept(&r, true, true, 65535);
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 1, .len = 4, .wnd = 1000});
	rig_out(&r, A, 1, 5, 0);
	tcp_release(r.c, r.now_us);
	rig_out(&r, R | A, 1, 5, 0);
	levels(&r, 0, 0, 0, 0);
	rig_over(&r);
}

// Nobody waits for a FIN for ever.
static void orphan_fin_wait_2(void **state)
{
	struct rig r;

	rig_established(&r);
	tcp_release(r.c, r.now_us);
	rig_out(&r, F | A, 1, 1, 0);
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 2, .wnd = 1000});
	rig_wait(&r, 59000000);
	levels(&r, 1, 0, 0, 0);
	rig_wait(&r, 2000000);
	levels(&r, 0, 0, 0, 0);
	rig_over(&r);
}

// A released connection whose peer is gone ends after fewer retries.
static void orphan_peer_gone(void **state)
{
	struct rig r;

	rig_established(&r);
	rig_queue(&r, 100);
	tcp_release(r.c, r.now_us);
	rig_out(&r, F | A, 1, 1, 100);
	rig_wait(&r, 600000000);
	levels(&r, 0, 0, 0, 0);
	assert_int_equal(r.counters.v[CNT_tcp_timed_out], 1);
	rig_end(&r);
}

static void abort_sends_rst(void **state)
{
	struct rig r;

	rig_established(&r);
	rig_send(&r, 100);
	rig_out(&r, A, 1, 1, 100);
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 1, .len = 4, .wnd = 1000});
	tcp_abort(r.c, r.now_us);
	rig_out(&r, A, 101, 5, 0);
	rig_out(&r, R | A, 101, 5, 0);
	assert_int_equal(rig_poll(&r), 0);
	tcp_release(r.c, r.now_us);
	levels(&r, 0, 0, 0, 0);
	rig_over(&r);
}

static void syn_cookies(void **state)
{
	const struct pkt *p;
	struct rig r;

	rig_init(&r);
	r.cfg.max_half_open = 0;
	rig_start(&r);
	r.ts = true;
	rig_in(&r,
		(struct pkt){.flags = S, .wnd = 1000, .mss = 1400, .wscale = 7, .sack_ok = true});
	p = rig_out(&r, S | A, 0, 1, 0);
	assert_true(p->ts && p->sack_ok && p->wscale == 3);
	levels(&r, 0, 0, 0, 0); // nothing is remembered
	// A wrong number is no connection.
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 2, .wnd = 1000});
	rig_in(&r, (struct pkt){.flags = A, .seq = 2, .ack = 1, .wnd = 1000});
	levels(&r, 0, 0, 0, 0);
	rig_wait(&r, 70000000); // the next period
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 1, .len = 7, .wnd = 1000});
	assert_int_equal(rig_poll(&r), TCP_EV_ACCEPTED | TCP_EV_READABLE);
	rig_out(&r, A, 1, 8, 0);
	assert_int_equal(r.c->snd_wscale, 7);
	assert_true(r.c->flags & TF_SACK && r.c->flags & TF_TS);
	assert_int_equal(tcp_snd_mss(r.c), 1388);
	levels(&r, 1, 0, 0, 1);
	// Another, too late.
	r.peer_port++;
	rig_in(&r, (struct pkt){.flags = S, .wnd = 1000, .mss = 1000, .wscale = -1});
	rig_out(&r, S | A, 0, 1, 0);
	rig_wait(&r, 130000000);
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 1, .wnd = 1000});
	rig_out(&r, R, 1, 0, 0);
	levels(&r, 1, 0, 0, 1);
	rig_over(&r);
}

// Without timestamps only the MSS survives, rounded down.
static void syn_cookies_plain(void **state)
{
	const struct pkt *p;
	struct rig r;

	rig_init(&r);
	r.cfg.max_half_open = 0;
	rig_start(&r);
	rig_in(&r,
		(struct pkt){.flags = S, .wnd = 1000, .mss = 1200, .wscale = 7, .sack_ok = true});
	p = rig_out(&r, S | A, 0, 1, 0);
	assert_true(!p->ts && !p->sack_ok && p->wscale == -1);
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 1, .wnd = 1000});
	assert_int_equal(rig_poll(&r), TCP_EV_ACCEPTED);
	assert_int_equal(tcp_snd_mss(r.c), 1024);
	rig_over(&r);
}

// New ones are refused without a word, old ones live.
static void connection_limit(void **state)
{
	struct rig r;
	struct tcp_conn *first;

	rig_init(&r);
	r.cfg.max_conns = 1;
	rig_start(&r);
	rig_accept(&r, true, true, 65535);
	first = r.c;
	r.peer_port++;
	rig_in(&r, (struct pkt){.flags = S, .wnd = 1000, .mss = 1400, .wscale = 7});
	rig_silent(&r);
	assert_int_equal(r.counters.v[CNT_tcp_conn_refused_full], 1);
	assert_null(tcp_connect(r.stack, &r.us, 0, &r.peer, 99, NULL, r.now_us));
	assert_int_equal(errno, ENOBUFS);
	r.peer_port--;
	rig_in(&r, (struct pkt){.flags = A, .seq = 1, .ack = 1, .len = 3, .wnd = 1000});
	assert_int_equal(rig_poll(&r), TCP_EV_READABLE);
	assert_ptr_equal(r.c, first);
	rig_end(&r);
}

// Whatever is wrong with a header costs the segment, nothing else.
static void malformed(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_start(&r);
	for (unsigned int cut = 0; cut < 40; cut++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(r.pool);

		m->l3_len = 20;
		memset(rte_pktmbuf_append(m, (uint16_t)cut), 0x45, cut);
		tcp_input(r.stack, &m, 1, r.now_us);
	}
	assert_int_equal(r.counters.v[CNT_tcp_rx_malformed], 40);
	assert_int_equal(r.nb_out, 0);
	rig_end(&r);
}

// RFC 6528: unrelated per connection, forward in time for one.
static void initial_sequence_numbers(void **state)
{
	struct tcp_key k = {.lport = 443, .rport = 1000};
	struct rig r;
	uint32_t a, b, c;

	rig_init(&r);
	rig_start(&r);
	k.remote = r.peer;
	k.local = r.us;
	a = tcp_isn(r.stack, &k, 1000000);
	b = tcp_isn(r.stack, &k, 1000000 + 4000);
	assert_int_equal(b - a, 1000);
	k.rport++;
	c = tcp_isn(r.stack, &k, 1000000);
	assert_true(c - a > 1000 && a - c > 1000);
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passive_open),
		cmocka_unit_test(passive_open_plain),
		cmocka_unit_test(syn_ack_backoff),
		cmocka_unit_test(syn_received_rejects),
		cmocka_unit_test(closed_port),
		cmocka_unit_test(listen_limits),
		cmocka_unit_test(active_open),
		cmocka_unit_test(connect_refused),
		cmocka_unit_test(connect_timeout),
		cmocka_unit_test(connect_icmp_hard),
		cmocka_unit_test(simultaneous_open),
		cmocka_unit_test(rst_in_window),
		cmocka_unit_test(blind_syn_and_ack),
		cmocka_unit_test(close_by_us),
		cmocka_unit_test(time_wait_reuse),
		cmocka_unit_test(time_wait_unlocked),
		cmocka_unit_test(time_wait_bound),
		cmocka_unit_test(close_by_peer),
		cmocka_unit_test(simultaneous_close),
		cmocka_unit_test(orphan_data),
		cmocka_unit_test(orphan_fin_wait_2),
		cmocka_unit_test(orphan_peer_gone),
		cmocka_unit_test(abort_sends_rst),
		cmocka_unit_test(syn_cookies),
		cmocka_unit_test(syn_cookies_plain),
		cmocka_unit_test(connection_limit),
		cmocka_unit_test(malformed),
		cmocka_unit_test(initial_sequence_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
