// SPDX-License-Identifier: BSD-3-Clause
// What goes wrong: silence, garbage, full rings, empty pools, shutdown.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "cp_bed.h"

static const struct bed_conf plain = {0};
static const struct bed_conf cbc = {.only_tls12 = true, .ciphers = "ECDHE-RSA-AES256-SHA"};

static void set_short_times(struct bed *b)
{
	b->cp->limits.handshake_s = 0.15;
	b->cp->limits.setup_s = 0.5;
	b->cp->limits.sstp.negotiation_ms = 150;
	b->cp->limits.ppp.restart_ms = 20;
}

// -- silence --

static void test_silence_at_every_stage(void **state)
{
	static const struct {
		enum fake_halt halt;
		const char *why;
	} t[] = {
		{FAKE_HALT_TCP, "set-up timed out: nothing received"},
		{FAKE_HALT_HELLO, "set-up timed out: TLS handshake"},
		{FAKE_HALT_TLS, "set-up timed out: HTTP request"},
		{FAKE_HALT_HTTP, "set-up timed out: HTTP request"},
		{FAKE_HALT_NO_CALL, "ended why=\"negotiation timed out"},
		{FAKE_HALT_NO_PPP, "ended why=\"negotiation timed out"},
		{FAKE_HALT_NO_CONNECTED, "ended why=\"negotiation timed out"},
	};
	struct bed b;

	bed_open(&b, &plain);
	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct fake_client *c = bed_dial_halt(&b, t[i].halt);
		const char *log;

		BED_UNTIL(&b, bed_is_stalled(&b, c));
		bed_log_begin();
		bed_expire(&b, bed_session(&b, c));
		BED_UNTIL(&b, c->conn->closed && !b.cp->nb_sessions);
		log = bed_log_end();
		if (!strstr(log, t[i].why))
			fprintf(stderr, "expected %s in:\n%s", t[i].why, log);
		assert_non_null(strstr(log, t[i].why));
		assert_int_equal(b.cp->nb_half_open, 0);
		bed_reap(&b, c);
	}
	bed_close(&b);
}

// PPP unanswered: LCP gives up by itself.
static void test_lcp_gives_up(void **state)
{
	struct fake_client *c;
	unsigned int n = 0;
	const char *log;
	struct bed b;

	bed_open(&b, &plain);
	b.cp->limits.ppp.restart_ms = 60000;
	c = bed_dial_halt(&b, FAKE_HALT_NO_PPP);
	BED_UNTIL(&b, bed_is_stalled(&b, c));
	bed_log_begin();
	while (bed_session(&b, c) && bed_session(&b, c)->call &&
		!bed_session(&b, c)->call->ppp_over && n++ < 100) {
		ev_timer *w = &bed_session(&b, c)->call->ppp_timer[PPP_TIMER_LCP];

		if (ev_is_active(w))
			ev_feed_event(b.cp->loop, w, EV_TIMER);
		bed_turns(&b, 2);
	}
	assert_in_range(n, 9, 12);
	BED_UNTIL(&b, !b.cp->nb_sessions);
	log = bed_log_end();
	assert_non_null(strstr(log, "ended why=\"LCP did not converge"));
	bed_close(&b);
}

// A crowd that stops half way leaves nothing, and an honest client gets through meanwhile.
static void test_crowd(void **state)
{
	struct bed_conf conf = {.nb_msgs = 2048, .ring_size = 512, .only_tls12 = true};
	struct fake_client *c;
	struct bed b;

	bed_open(&b, &conf);
	for (unsigned int i = 0; i < 300; i++) {
		struct fake_client_conf cc = bed_client_conf(&b, PPP_AUTH_PAP);

		cc.halt = FAKE_HALT_TCP + i % 5;
		bed_dial(&b, &cc);
		if (i % 50 == 49)
			bed_turn(&b);
	}
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	BED_UNTIL(&b, b.cp->nb_sessions == 301 && !b.cp->out.entries);
	assert_int_equal(b.cp->nb_half_open, 300);
	bed_turns(&b, 20);
	bed_expire_half_open(&b);
	BED_UNTIL(&b, b.cp->nb_sessions == 1);
	assert_int_equal(b.cp->nb_half_open, 0);
	assert_true(c->conn->data_open);
	bed_close(&b);
}

// -- garbage --

static struct fake_client *dial_until_up_or_halt(struct bed *b, enum fake_halt halt)
{
	struct fake_client *c = bed_dial_halt(b, halt);

	BED_UNTIL(b, c->conn->data_open || (halt != FAKE_GO_ON && !b->cp->out.entries));
	if (halt == FAKE_HALT_TLS)
		BED_UNTIL(b, c->tls_done);
	else if (halt == FAKE_HALT_NO_CALL)
		BED_UNTIL(b, c->http_done);
	return c;
}

static void test_garbage_below_tls(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} t[] = {
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27},
		{"SSH-2.0-x\r\n", 11},
		{"\x16\x03\x01\xff\xff", 5},
		{"\x16\x03\x01\x00\x05\x01\x00\x40\x00\x00", 10},
		{"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", 11},
	};
	uint8_t noise[3000];
	struct bed b;

	bed_open(&b, &plain);
	set_short_times(&b);
	srand(4);
	for (unsigned int i = 0; i < 25; i++) {
		struct fake_client *c = dial_until_up_or_halt(&b, FAKE_HALT_TCP);

		if (i < 5) {
			fake_client_send_raw(c, t[i].p, t[i].n);
		} else {
			for (size_t k = 0; k < sizeof(noise); k++)
				noise[k] = (uint8_t)rand();
			fake_client_send_raw(c, noise, sizeof(noise));
		}
		BED_UNTIL(&b, c->conn->closed && !b.cp->nb_sessions);
		bed_reap(&b, c);
	}
	assert_int_equal(b.cp->totals.up, 0);
	bed_close(&b);
}

// In the middle of records: after the handshake at any point.
static void test_garbage_in_records(void **state)
{
	static const enum fake_halt halts[] = {FAKE_HALT_TLS, FAKE_HALT_NO_CALL, FAKE_GO_ON};
	static const struct bed_conf *const confs[] = {&plain, &cbc};
	uint8_t noise[200];

	srand(5);
	for (unsigned int k = 0; k < 2; k++) {
		struct bed b;

		bed_open(&b, confs[k]);
		for (unsigned int i = 0; i < 9; i++) {
			struct fake_client *c = dial_until_up_or_halt(&b, halts[i % 3]);

			for (size_t n = 0; n < sizeof(noise); n++)
				noise[n] = (uint8_t)rand();
			if (i > 3) {
				// A record header, so that the tag is what is wrong.
				memcpy(noise, "\x17\x03\x03\x00\x40", 5);
			}
			fake_client_send_raw(c, noise, sizeof(noise));
			BED_UNTIL(&b, c->conn->closed && !b.cp->nb_sessions);
			bed_reap(&b, c);
		}
		bed_close(&b);
	}
}

static void test_garbage_http(void **state)
{
	char longest[9000];
	const struct {
		const char *request;
		int status;
	} t[] = {
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0},
		{"SSTP_DUPLEX_POST /other HTTP/1.1\r\nHost: x\r\n"
		 "Content-Length: 18446744073709551615\r\n\r\n",
			404},
		{"\x01\x02\x03\x04\r\n\r\n", 400},
		{longest, 431},
	};

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	memcpy(longest,
		"SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\nX: ",
		strlen("SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ "
		       "HTTP/1.1\r\nX: "));
	for (unsigned int k = 0; k < 2; k++) {
		struct bed b;

		bed_open(&b, k ? &cbc : &plain);
		for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
			struct fake_client_conf conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);
			struct fake_client *c;

			conf.http = t[i].request;
			c = bed_dial(&b, &conf);
			BED_UNTIL(&b, c->conn->closed && !b.cp->nb_sessions);
			fake_client_step(c);
			// The answer came, whole, before the close.
			assert_true(c->http_done);
			assert_true(c->http_status >= 400);
			if (t[i].status)
				assert_int_equal(c->http_status, t[i].status);
			assert_true(c->conn->out_fin && !c->conn->out_rst);
		}
		assert_int_equal(b.cp->totals.up, 0);
		bed_close(&b);
	}
}

static void test_garbage_sstp(void **state)
{
	// undelineable; unknown message; message not for this state; bad attributes; early data
	static const struct {
		const char *p;
		size_t n;
	} t[] = {
		{"\x20\x00\x00\x08\x00\x00\x00\x00", 8},
		{"\x10\x01\x00\x03", 4},
		{"\x10\x01\x00\x08\x00\x63\x00\x00", 8},
		{"\x10\x01\x00\x08\x00\x04\x00\x00", 8},
		{"\x10\x01\x00\x0c\x00\x01\x00\x01\x00\x01\xff\xff", 12},
		{"\x10\x01\x00\x08\x00\x02\xff\xff", 8},
		{"\x10\x00\x00\x04", 4},
		{"\x10\x00\x00\x05\xff", 5},
	};
	uint8_t noise[600];
	struct bed b;

	bed_open(&b, &plain);
	srand(6);
	for (unsigned int i = 0; i < 40; i++) {
		struct fake_client *c =
			dial_until_up_or_halt(&b, i & 1 ? FAKE_HALT_NO_CALL : FAKE_GO_ON);
		size_t n = 4 + (size_t)rand() % (sizeof(noise) - 4);

		for (size_t k = 0; k < n; k++)
			noise[k] = (uint8_t)rand();
		// A whole packet of noise: control, or a PPP frame.
		noise[0] = 0x10;
		noise[1] = (uint8_t)(i / 2 & 1);
		noise[2] = (uint8_t)(n >> 8);
		noise[3] = (uint8_t)n;
		if (i / 2 < sizeof(t) / sizeof(t[0]))
			fake_client_send(c, t[i / 2].p, t[i / 2].n);
		else
			fake_client_send(c, noise, n);
		bed_turns(&b, 10);
		c->conn->rst = true;
		BED_UNTIL(&b, c->conn->closed && !b.cp->nb_sessions);
		bed_reap(&b, c);
	}
	bed_close(&b);
}

static void test_undelineable_drops(void **state)
{
	struct fake_client *c;
	struct bed b;

	bed_open(&b, &plain);
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	fake_client_send(c, "\x11\x01\x00\x08\x00\x00\x00\x00", 8);
	BED_UNTIL(&b, c->conn->closed && !b.cp->nb_sessions);
	assert_true(c->conn->out_rst);
	// No Call Abort came first.
	assert_false(c->sstp_over);
	bed_close(&b);
}

// -- full rings, empty pools --

static void small(unsigned int nb_msgs, unsigned int ring_size, const struct bed_conf *base)
{
	struct bed_conf conf = *base;
	struct bed b;

	conf.nb_msgs = nb_msgs;
	conf.ring_size = ring_size;
	conf.nb_workers = 1;
	bed_open(&b, &conf);
	for (unsigned int i = 0; i < 4; i++) {
		struct fake_client_conf cc = bed_client_conf(&b, PPP_AUTH_MSCHAP2);

		bed_dial(&b, &cc);
		bed_turn(&b);
	}
	BED_UNTIL(&b, b.cp->nb_up == 4);
	for (unsigned int i = 0; i < 4; i++)
		BED_UNTIL(&b, fake_client_is_up(b.client[i]) && b.client[i]->conn->data_open);
	bed_close(&b);
}

static void test_full_rings(void **state)
{
	for (unsigned int ring = 1; ring <= 4; ring++)
		small(64, ring, &plain);
	small(64, 1, &cbc);
	small(64, 2, &cbc);
}

static void test_empty_pool(void **state)
{
	for (unsigned int msgs = 1; msgs <= 8; msgs++)
		small(msgs, 64, &plain);
	small(2, 64, &cbc);
}

static void test_failing_allocs(void **state)
{
	struct bed b;

	bed_open(&b, &plain);
	for (unsigned int n = 1; n < 200; n += 17) {
		struct fake_client_conf conf = bed_client_conf(&b, PPP_AUTH_PAP);
		struct fake_client *c = bed_dial(&b, &conf);

		fake_fail_allocs(b.ch, n);
		BED_UNTIL(&b, fake_client_is_up(c) && c->conn->data_open);
		fake_client_hang_up(c);
		fake_fail_allocs(b.ch, n);
		BED_UNTIL(&b, !b.cp->nb_sessions);
	}
	fake_fail_allocs(b.ch, 0);
	bed_close(&b);
}

// A worker that takes nothing: what waits is bounded, the session that is over its bound ends, and
// its CLOSE gets through in the end.
static void test_backlog_bound(void **state)
{
	struct fake_client *c, *other;
	struct bed b;

	bed_open(&b, &plain);
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	other = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	b.cp->out.session_max = 20000;
	fake_stall(b.ch, true);
	// Echo Requests, each of which is answered.
	for (unsigned int i = 0; i < 1000 && bed_session(&b, c)->stage != CP_STAGE_CLOSING; i++) {
		fake_client_send(c, "\x10\x01\x00\x08\x00\x08\x00\x00", 8);
		bed_turn(&b);
		assert_true(b.cp->out.bytes < 30000);
	}
	assert_int_equal(bed_session(&b, c)->stage, CP_STAGE_CLOSING);
	assert_string_equal(bed_session(&b, c)->why, "the worker does not keep up");
	assert_int_not_equal(bed_session(&b, other)->stage, CP_STAGE_CLOSING);
	fake_stall(b.ch, false);
	BED_UNTIL(&b, c->conn->closed && b.cp->nb_sessions == 1);
	assert_true(c->conn->out_rst);
	assert_true(other->conn->data_open);
	assert_int_equal(b.cp->out.bytes, 0);
	bed_close(&b);
}

// The connection goes while commands for it wait.
static void test_closed_with_backlog(void **state)
{
	struct fake_client *c;
	struct bed b;

	bed_open(&b, &plain);
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	fake_fail_allocs(b.ch, 1000000);
	for (unsigned int i = 0; i < 20; i++)
		fake_client_send(c, "\x10\x01\x00\x08\x00\x08\x00\x00", 8);
	bed_turns(&b, 3);
	assert_true(b.cp->out.entries > 0);
	c->conn->rst = true;
	BED_UNTIL(&b, !b.cp->nb_sessions);
	fake_fail_allocs(b.ch, 0);
	BED_UNTIL(&b, !b.cp->out.entries);
	assert_int_equal(b.cp->out.bytes, 0);
	bed_close(&b);
}

// -- shutdown --

static void test_shutdown_with_calls_in_progress(void **state)
{
	struct bed b;

	bed_open(&b, &plain);
	for (unsigned int i = 0; i < 24; i++) {
		struct fake_client_conf conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);

		conf.halt = i % 8;
		bed_dial(&b, &conf);
		bed_turn(&b);
	}
	bed_turns(&b, 5);
	// Nobody gets in any more, on the way or in line.
	struct fake_client_conf conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);
	struct fake_client *late = bed_dial(&b, &conf), *later;

	fake_step(b.ch);
	cp_stop(b.cp);
	later = bed_dial(&b, &conf);
	BED_UNTIL(&b, late->conn->closed && later->conn->closed && !b.cp->nb_sessions);
	assert_int_equal(b.cp->totals.refused, 1);
	assert_false(later->conn->accepted_told);
	// One that is up is told; how it takes it is test_ends'.
	b.cp->stop = CP_RUNNING;
	bed_close(&b);
}

static void test_second_signal(void **state)
{
	struct fake_client *c;
	struct bed b;

	bed_open(&b, &plain);
	b.cp->limits.sstp.disconnect_1_ms = 20000;
	b.cp->limits.shutdown_s = 20;
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	c->conf.halt = FAKE_HALT_TCP; // answers no more
	cp_stop(b.cp);
	bed_turns(&b, 50);
	assert_int_equal(b.cp->nb_sessions, 1);
	cp_stop(b.cp);
	BED_UNTIL(&b, !b.cp->nb_sessions);
	assert_true(c->conn->out_rst);
	b.cp->stop = CP_RUNNING;
	bed_close(&b);
}

static void test_shutdown_times_out(void **state)
{
	struct fake_client *c;
	struct bed b;

	bed_open(&b, &plain);
	b.cp->limits.sstp.disconnect_1_ms = 20000;
	b.cp->limits.shutdown_s = 0.1;
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	c->conf.halt = FAKE_HALT_TCP;
	cp_stop(b.cp);
	BED_UNTIL(&b, !b.cp->nb_sessions);
	assert_true(c->conn->out_rst);
	b.cp->stop = CP_RUNNING;
	bed_close(&b);
}

static void on_signal_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	static const int signals[] = {SIGHUP, SIGTERM};
	unsigned int *n = w->data;

	kill(getpid(), signals[(*n)++]);
	if (*n == 2)
		ev_timer_stop(loop, w);
}

// cp_run() itself: it sleeps, a signal ends it, without sessions at once.
static void test_run_until_signal(void **state)
{
	unsigned int n = 0;
	ev_timer timer;
	struct bed b;

	bed_open(&b, &plain);
	cp_listen(b.cp, false);
	bed_turn(&b);
	ev_timer_init(&timer, on_signal_timer, 0.02, 0.02);
	timer.data = &n;
	ev_timer_start(b.cp->loop, &timer);
	assert_int_equal(cp_run(b.cp), 0);
	assert_int_equal(n, 2);
	assert_int_equal(b.cp->stop, CP_STOPPING);
	b.cp->stop = CP_RUNNING;
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silence_at_every_stage),
		cmocka_unit_test(test_lcp_gives_up),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_garbage_below_tls),
		cmocka_unit_test(test_garbage_in_records),
		cmocka_unit_test(test_garbage_http),
		cmocka_unit_test(test_garbage_sstp),
		cmocka_unit_test(test_undelineable_drops),
		cmocka_unit_test(test_full_rings),
		cmocka_unit_test(test_empty_pool),
		cmocka_unit_test(test_failing_allocs),
		cmocka_unit_test(test_backlog_bound),
		cmocka_unit_test(test_closed_with_backlog),
		cmocka_unit_test(test_shutdown_with_calls_in_progress),
		cmocka_unit_test(test_second_signal),
		cmocka_unit_test(test_shutdown_times_out),
		cmocka_unit_test(test_run_until_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
