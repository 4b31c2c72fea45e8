// SPDX-License-Identifier: BSD-3-Clause
// What goes wrong: silence, garbage, too many, full rings, empty pools, shutdown.
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

// Whether the server waits for what the client does not send.
static bool stalled(const struct bed *b, const struct fake_client *c)
{
	const struct cp_session *s = bed_session(b, c);

	if (!s)
		return false;
	switch (c->conf.halt) {
	case FAKE_HALT_TCP:
		return s->stage == CP_STAGE_ACCEPTED;
	case FAKE_HALT_HELLO:
		return s->stage == CP_STAGE_TLS;
	case FAKE_HALT_TLS:
		return s->stage == CP_STAGE_HTTP;
	case FAKE_HALT_HTTP:
		return s->http != NULL;
	case FAKE_HALT_NO_CALL:
		return c->http_done;
	case FAKE_HALT_NO_PPP:
		return c->sstp.state == SSTP_STATE_CLIENT_CONNECT_ACK_RECEIVED;
	case FAKE_HALT_NO_CONNECTED:
		return c->network_up;
	default:
		return false;
	}
}

// Its time is up, whatever it waits for.
static void expire(struct bed *b, struct cp_session *s)
{
	struct ev_loop *loop = b->cp->loop;

	if (!s->call) {
		assert_true(ev_is_active(&s->setup->timer));
		ev_feed_event(loop, &s->setup->timer, EV_TIMER);
		return;
	}
	for (unsigned int i = 0; i < SSTP_N_TIMERS; i++)
		if (ev_is_active(&s->call->sstp_timer[i]))
			ev_feed_event(loop, &s->call->sstp_timer[i], EV_TIMER);
	for (unsigned int i = 0; i < PPP_N_TIMERS; i++)
		if (ev_is_active(&s->call->ppp_timer[i]))
			ev_feed_event(loop, &s->call->ppp_timer[i], EV_TIMER);
}

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
		struct fake_client_conf conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);
		struct fake_client *c;
		const char *log;

		conf.halt = t[i].halt;
		c = bed_dial(&b, &conf);
		BED_UNTIL(&b, stalled(&b, c));
		bed_log_begin();
		expire(&b, bed_session(&b, c));
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
	struct fake_client_conf conf;
	struct fake_client *c;
	unsigned int n = 0;
	const char *log;
	struct bed b;

	bed_open(&b, &plain);
	b.cp->limits.ppp.restart_ms = 60000;
	conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);
	conf.halt = FAKE_HALT_NO_PPP;
	c = bed_dial(&b, &conf);
	BED_UNTIL(&b, stalled(&b, c));
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

// The time of every call in progress is up.
static void expire_half_open(struct bed *b)
{
	struct cp_session *s;

	for (unsigned int i = 0; i < CP_NB_HALF_OPEN; i++)
		TAILQ_FOREACH(s, &b->cp->half_open[i], next_half_open)
	expire(b, s);
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
	expire_half_open(&b);
	BED_UNTIL(&b, b.cp->nb_sessions == 1);
	assert_int_equal(b.cp->nb_half_open, 0);
	assert_true(c->conn->data_open);
	bed_close(&b);
}

static void test_half_open_limit(void **state)
{
	static const struct bed_conf conf1 = {.nb_workers = 1};
	struct fake_client *c[6], *up;
	struct bed b;

	bed_open(&b, &conf1);
	up = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	b.cp->limits.max_half_open = 4 + b.cp->admit.granted; // those have been let in already
	b.cp->limits.give_way_s = 60;
	while (b.cp->admit.granted) {
		struct fake_client_conf conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);

		conf.halt = FAKE_HALT_TCP;
		bed_dial(&b, &conf);
		bed_turn(&b);
	}
	for (unsigned int i = 0; i < 6; i++) {
		struct fake_client_conf conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);

		c[i] = bed_dial(&b, &conf);
	}
	bed_turns(&b, 50);
	assert_int_equal(b.cp->nb_half_open, b.cp->limits.max_half_open);
	assert_int_equal(fake_waiting(b.ch), 6);
	for (unsigned int i = 0; i < 6; i++) {
		assert_null(bed_session(&b, c[i]));
		assert_false(c[i]->conn->closed); // nobody is refused
	}
	// A session that is up does not count; room comes back, and they with it.
	expire_half_open(&b);
	BED_UNTIL(&b, b.cp->nb_half_open == 0 && b.cp->totals.up == 4);
	assert_true(up->conn->data_open);
	assert_int_equal(b.cp->totals.refused, 0);
	assert_int_equal(b.cp->totals.no_address, 3);
	bed_close(&b);
}

// Hundreds dial at once: they come up as fast as this thread works, none is refused, and those that
// are up already are answered meanwhile.
static void test_storm(void **state)
{
	static const char many[] =
		"ip-pools:\n"
		"  clients: [10.0.0.2-10.0.3.254]\n"
		"ppp-profiles:\n"
		"  default: { local-address: 10.0.0.1, remote-address: clients }\n"
		"ppp-secrets:\n"
		"  - { name: bob, password: \"" BED_PASSWORD "\" }\n";
	struct bed_conf conf = {.ecdsa = true, .yaml = many};
	static const uint8_t echo_request[] = {0x10, 1, 0, 8, 0, 8, 0, 0};
	struct fake_client *up;
	struct bed b;

	bed_open(&b, &conf);
	up = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	for (unsigned int i = 0; i < 400; i++) {
		struct fake_client_conf cc = bed_client_conf(&b, PPP_AUTH_MSCHAP2);

		bed_dial(&b, &cc);
	}
	while (b.cp->totals.up < 401) {
		uint64_t accepted = b.cp->totals.accepted, answers = up->conn->tx.seq;

		fake_client_send(up, echo_request, sizeof(echo_request));
		bed_turn(&b);
		assert_true(b.cp->totals.accepted - accepted <= b.cp->limits.ahead);
		assert_int_equal(up->conn->tx.seq, answers + 1);
	}
	assert_int_equal(b.cp->totals.refused, 0);
	assert_int_equal(b.cp->totals.ended, 0);
	assert_true(up->conn->data_open);
	bed_close(&b);
}

// At the limit a silent call gives way, a lively one does not.
static void test_half_open_gives_way(void **state)
{
	struct fake_client *c[4], *lively;
	struct bed b;

	bed_open(&b, &plain);
	b.cp->limits.max_half_open = 4;
	b.cp->limits.give_way_s = 0.2;
	for (unsigned int i = 0; i < 4; i++) {
		struct fake_client_conf conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);

		conf.halt = FAKE_HALT_TCP + i % 3;
		c[i] = bed_dial(&b, &conf);
		BED_UNTIL(&b, bed_session(&b, c[i]));
	}
	ev_tstamp began = ev_time();

	// One of them goes on sending: a ClientHello of 16 KiB, byte by byte.
	fake_client_send_raw(c[0], "\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03", 11);
	while (ev_time() < began + 0.3) {
		fake_client_send_raw(c[0], "\x00", 1);
		bed_turn(&b);
		usleep(1000);
	}
	lively = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	assert_int_equal(b.cp->totals.refused, 0);
	assert_false(c[0]->conn->closed);
	assert_int_equal(c[1]->conn->closed + c[2]->conn->closed + c[3]->conn->closed, 1);
	assert_true(lively->conn->data_open);
	bed_close(&b);
}

// Where those that come up are slow to answer, being slow is no reason to be thrown out.
static void test_half_open_slow_is_not_silent(void **state)
{
	struct fake_client *c[2], *late;
	struct bed b;

	bed_open(&b, &plain);
	b.cp->limits.max_half_open = 2;
	b.cp->limits.give_way_s = 4;
	b.cp->answer_s = 0.04;
	for (unsigned int i = 0; i < 2; i++) {
		struct fake_client_conf conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);

		conf.halt = FAKE_HALT_TCP;
		c[i] = bed_dial(&b, &conf);
		BED_UNTIL(&b, bed_session(&b, c[i]));
	}
	// Nobody is known to take long: a twentieth of the limit is enough.
	ev_sleep(0.25);
	bed_turn(&b);
	late = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	assert_true(late->conn->data_open);
	assert_int_equal(c[0]->conn->closed + c[1]->conn->closed, 1);

	// It came up, and counts for a sixteenth.
	assert_true(b.cp->answer_s > 0.036 && b.cp->answer_s < 0.04);
	assert_true(b.cp->answer_dev_s > 0 && b.cp->answer_dev_s <= 0.04 / 16);

	b.cp->answer_s = 0;
	b.cp->answer_dev_s = 1; // one is quick, another one loses a segment twice
	{
		struct fake_client_conf conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);

		conf.halt = FAKE_HALT_TCP;
		late = bed_dial(&b, &conf);
		BED_UNTIL(&b, bed_session(&b, late));
	}
	ev_sleep(0.25);
	ev_now_update(b.cp->loop);
	assert_false(cp_session_make_room(b.cp));
	bed_close(&b);
}

// Who has shown a password is not thrown out for a silence in which others would be.
static void test_half_open_authenticated_stays(void **state)
{
	struct fake_client_conf conf;
	struct fake_client *known, *late;
	struct bed b;

	bed_open(&b, &plain);
	b.cp->limits.max_half_open = 1;
	b.cp->limits.give_way_s = 4;
	b.cp->answer_s = 0.04;
	conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);
	conf.halt = FAKE_HALT_NO_CONNECTED;
	known = bed_dial(&b, &conf);
	BED_UNTIL(&b, b.cp->totals.authenticated == 1);
	bed_turns(&b, 20); // and what it has to say after that
	ev_sleep(0.25);
	ev_now_update(b.cp->loop);
	assert_false(cp_session_make_room(b.cp));
	assert_false(known->conn->closed);

	b.cp->limits.give_way_s = 0.2; // all that anybody is given
	late = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	assert_true(late->conn->data_open);
	assert_true(known->conn->closed);
	bed_close(&b);
}

// Silent calls of both kinds: each waits its own time, then the longest silent one of all goes,
// however many of the other kind have been silent for less.
static void test_half_open_two_orders(void **state)
{
	static const enum fake_halt halts[] = {FAKE_HALT_TLS, FAKE_HALT_NO_CONNECTED,
		FAKE_HALT_NO_CONNECTED, FAKE_HALT_TLS, FAKE_HALT_TLS};
	static const unsigned int order[] = {0, 3, 4, 1, 2};
	const unsigned int n = sizeof(halts) / sizeof(halts[0]);
	struct fake_client *c[sizeof(halts) / sizeof(halts[0])];
	struct bed b;

	bed_open(&b, &plain);
	b.cp->limits.give_way_s = 4;
	b.cp->answer_s = b.cp->answer_dev_s = 0;
	for (unsigned int i = 0; i < n; i++) {
		struct fake_client_conf conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);

		conf.halt = halts[i];
		c[i] = bed_dial(&b, &conf);
		BED_UNTIL(&b, stalled(&b, c[i]));
	}
	// As if each had been silent for a second less than the one before it.
	for (unsigned int i = 0; i < n; i++)
		bed_session(&b, c[i])->heard = ev_now(b.cp->loop) - 3.5 + 0.5 * i;
	for (unsigned int i = 0; i < n; i++) {
		if (i == 3) { // of those that are left none has been silent for long enough
			assert_false(cp_session_make_room(b.cp));
			b.cp->limits.give_way_s = 2;
		}
		assert_true(cp_session_make_room(b.cp));
		BED_UNTIL(&b, c[order[i]]->conn->closed);
		assert_int_equal(b.cp->nb_half_open, n - 1 - i);
	}
	assert_false(cp_session_make_room(b.cp));
	bed_close(&b);
}

// With all of them over their time the order is that of silence alone. One that hears something
// goes to the end of its own list.
static void test_half_open_one_order(void **state)
{
	struct fake_client *c[4];
	struct bed b;

	bed_open(&b, &plain);
	for (unsigned int i = 0; i < 4; i++) {
		struct fake_client_conf conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);

		conf.halt = i % 2 ? FAKE_HALT_TLS : FAKE_HALT_NO_CONNECTED;
		c[i] = bed_dial(&b, &conf);
		BED_UNTIL(&b, stalled(&b, c[i]));
	}
	for (unsigned int i = 0; i < 4; i++)
		bed_session(&b, c[i])->heard = ev_now(b.cp->loop) - 50 + i;
	cp_session_heard(bed_session(&b, c[0]));
	bed_session(&b, c[0])->heard = ev_now(b.cp->loop) - 40;
	for (unsigned int i = 1; i <= 4; i++) {
		assert_true(cp_session_make_room(b.cp));
		BED_UNTIL(&b, c[i % 4]->conn->closed);
		assert_int_equal(b.cp->nb_half_open, 4 - i);
	}
	bed_close(&b);
}

// -- garbage --

static struct fake_client *dial_until_up_or_halt(struct bed *b, enum fake_halt halt)
{
	struct fake_client_conf conf = bed_client_conf(b, PPP_AUTH_MSCHAP2);
	struct fake_client *c;

	conf.halt = halt;
	c = bed_dial(b, &conf);
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
		cmocka_unit_test(test_half_open_limit),
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_half_open_gives_way),
		cmocka_unit_test(test_half_open_slow_is_not_silent),
		cmocka_unit_test(test_half_open_authenticated_stays),
		cmocka_unit_test(test_half_open_two_orders),
		cmocka_unit_test(test_half_open_one_order),
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
