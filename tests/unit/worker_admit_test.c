// SPDX-License-Identifier: BSD-3-Clause
// Connections that wait to come up: until they speak, and then in line.
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "worker_rig.h"

static void listen_on(struct rig *r, bool on)
{
	struct dp_msg *m = rig_msg(r, DP_CMD_LISTEN, 0);

	m->u.listen.port = 443;
	m->u.listen.on = on;
	m->u.listen.admit = 1;
	m->u.listen.wait_ms = 5000;
	rig_command(r, m);
}

static struct rig *open_rig(void)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);

	r->w->admit.max_mbufs = 1024;
	listen_on(r, true);
	return r;
}

static void admit(struct rig *r, uint32_t n)
{
	struct dp_msg *m = rig_msg(r, DP_CMD_ADMIT, 0);

	m->u.admit.n = n;
	rig_command(r, m);
}

// A connection; what comes of it is the test's.
static struct rig_client *dial(struct rig *r)
{
	struct rig_client *c = &r->c[r->nb_clients++];
	struct ipaddr local = ipaddr_from4(RTE_BE32(IP4(192, 0, 2, 9)));
	struct ipaddr remote = ipaddr_from4(RTE_BE32(IP4(192, 0, 2, 1)));

	assert_true(r->nb_clients <= RIG_SESSIONS);
	c->conn = tcp_connect(r->client_tcp, &local, 0, &remote, 443, c, r->now_us);
	assert_non_null(c->conn);
	rig_run(r, 20000);
	return c;
}

static uint16_t local_port(const struct rig_client *c)
{
	struct tcp_info i;

	tcp_conn_info(c->conn, &i);
	return i.lport;
}

// The next that comes up is c, with so many behind it.
static void expect_accepted(struct rig *r, struct rig_client *c, uint32_t waiting)
{
	struct dp_msg *m = rig_expect(r, DP_EV_ACCEPTED);

	assert_int_equal(m->u.accepted.peer_port, local_port(c));
	assert_int_equal(m->u.accepted.waiting, waiting);
	c->handle = m->handle;
	dp_msg_free(r->ch, m);
	m = rig_expect(r, DP_EV_RX_RAW);
	assert_int_equal(m->handle, c->handle);
	assert_int_equal(m->u.rx.offset, 0);
	dp_msg_free(r->ch, m);
}

static void assert_quiet(struct rig *r)
{
	rig_run(r, 20000);
	assert_int_equal(r->nb_ev, 0);
}

// In the order in which they spoke, and not before they may.
static void in_line(void **state)
{
	struct rig *r = open_rig();
	struct rig_client *a = dial(r), *b = dial(r), *c = dial(r), *d = dial(r);

	assert_quiet(r);
	rig_send_raw(r, c, "hello", 5);
	rig_send_raw(r, a, "hello", 5);
	rig_send_raw(r, b, "hello", 5);
	assert_quiet(r);
	assert_int_equal(r->w->admit.line.n, 3);
	assert_int_equal(r->w->admit.mbufs, 3);
	assert_int_equal(rig_counter(r, CNT_admit_waited), 3);
	admit(r, 1);
	expect_accepted(r, c, 2);
	assert_quiet(r);
	admit(r, 3);
	expect_accepted(r, a, 1);
	expect_accepted(r, b, 0);
	assert_quiet(r);
	// One more is allowed: no waiting.
	rig_send_raw(r, d, "hello", 5);
	expect_accepted(r, d, 0);
	assert_int_equal(r->w->admit.mbufs, 0);
	assert_int_equal(r->w->admit.credit, 0);
	assert_int_equal(rig_counter(r, CNT_admit_waited), 3);
	rig_destroy(r);
}

// Gone before anybody heard of it: no event ever, and the slot is free.
static void gone_while_waiting(void **state)
{
	struct rig *r = open_rig();
	struct rig_client *reset = dial(r), *spoke = dial(r), *fin = dial(r), *said_fin = dial(r);

	rig_send_raw(r, spoke, "hello", 5);
	rig_send_raw(r, said_fin, "hello", 5);
	tcp_abort(reset->conn, r->now_us);
	tcp_abort(spoke->conn, r->now_us);
	tcp_shutdown(fin->conn, r->now_us);
	tcp_shutdown(said_fin->conn, r->now_us);
	rig_run(r, 50000);
	assert_int_equal(r->w->nb_free, RIG_SESSIONS - 1);
	assert_true(fin->eof);
	assert_int_equal(r->w->admit.line.n, 1);
	admit(r, 1);
	expect_accepted(r, said_fin, 0); // what it said is heard
	dp_msg_free(r->ch, rig_expect(r, DP_EV_PEER_CLOSED));
	rig_destroy(r);
}

static void waits_no_longer(void **state)
{
	struct rig *r = open_rig();
	struct rig_client *silent = dial(r), *spoke = dial(r);

	rig_run(r, 400000);
	rig_send_raw(r, spoke, "hello", 5);
	rig_run(r, 4800000);
	assert_true(silent->closed);
	assert_false(spoke->closed);
	assert_int_equal(rig_counter(r, CNT_admit_silent), 1);
	rig_run(r, 400000);
	assert_true(spoke->closed);
	assert_int_equal(rig_counter(r, CNT_admit_too_long), 1);
	assert_int_equal(r->nb_ev, 0);
	assert_int_equal(r->w->nb_free, RIG_SESSIONS);
	rig_destroy(r);
}

// Slots are few here: who is silent gives way to a new one, when it had its time.
static void silent_gives_way(void **state)
{
	struct rig *r = open_rig();
	struct rig_client *a = dial(r), *b, *c;

	rig_run(r, 400000);
	b = dial(r);
	assert_false(a->closed);
	rig_run(r, 200000);
	c = dial(r);
	assert_true(a->closed);
	assert_false(b->closed);
	rig_send_raw(r, c, "hello", 5);
	admit(r, 1);
	expect_accepted(r, c, 0);
	rig_destroy(r);
}

static void sends_too_much(void **state)
{
	struct rig *r = open_rig();
	struct rig_client *crumbs = dial(r), *bulk = dial(r), *hello = dial(r);
	static const uint8_t big[1400];

	for (unsigned int i = 0; i < 100 && !crumbs->closed; i++) {
		rig_send_raw(r, crumbs, "x", 1);
		rig_run(r, 5000);
	}
	for (unsigned int i = 0; i < 100 && !bulk->closed; i++) {
		rig_send_raw(r, bulk, big, sizeof(big));
		rig_run(r, 5000);
	}
	rig_send_raw(r, hello, big, sizeof(big));
	rig_send_raw(r, hello, big, sizeof(big));
	rig_run(r, 100000);
	assert_true(bulk->closed);
	assert_false(hello->closed);
	assert_true(rig_counter(r, CNT_admit_flood) >= 1);
	assert_true(r->w->admit.mbufs <= 16);
	admit(r, 3);
	rig_destroy(r);
}

// With a long line SYNs are not answered; a peer that tries again comes in.
static void long_line(void **state)
{
	struct rig *r = open_rig();
	struct rig_client *a, *b, *late;

	r->w->admit.max_mbufs = 2;
	a = dial(r);
	b = dial(r);
	rig_send_raw(r, a, "hello", 5);
	rig_send_raw(r, b, "hello", 5);
	rig_run(r, 1000);
	late = dial(r);
	rig_run(r, 200000);
	assert_true(rig_counter(r, CNT_tcp_syn_deferred) >= 1);
	assert_int_equal(r->w->nb_free, RIG_SESSIONS - 2);
	admit(r, 2);
	expect_accepted(r, a, 1);
	expect_accepted(r, b, 0);
	rig_run(r, 3500000);
	assert_int_equal(r->w->nb_free, RIG_SESSIONS - 3);
	rig_send_raw(r, late, "hello", 5);
	admit(r, 1);
	expect_accepted(r, late, 0);
	rig_destroy(r);
}

static void stops_listening(void **state)
{
	struct rig *r = open_rig();
	struct rig_client *a = dial(r), *b = dial(r);

	rig_send_raw(r, a, "hello", 5);
	rig_run(r, 1000);
	listen_on(r, false);
	rig_run(r, 10000);
	assert_true(a->closed && b->closed);
	assert_int_equal(r->nb_ev, 0);
	assert_int_equal(r->w->nb_free, RIG_SESSIONS);
	rig_destroy(r);
}

// Sessions that begin together and are silent are not probed together.
static void probes_are_spread(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	uint64_t at[RIG_SESSIONS], first = UINT64_MAX, last = 0;

	for (unsigned int i = 0; i < RIG_SESSIONS; i++)
		rig_connect_sstp(r);
	for (unsigned int i = 0; i < RIG_SESSIONS; i++) {
		struct dp_msg *m = rig_msg(r, DP_CMD_SET_HELLO, r->c[i].handle);

		m->u.hello.interval_ms = 10000;
		rig_command(r, m);
		at[i] = 0;
	}
	for (uint64_t began = r->now_us; r->now_us < began + 11000000;) {
		struct dp_msg *m;

		rig_run(r, 50000);
		while ((m = rig_event(r, DP_EV_HELLO_EXPIRED))) {
			for (unsigned int i = 0; i < RIG_SESSIONS; i++)
				if (r->c[i].handle == m->handle && !at[i])
					at[i] = r->now_us - began;
			dp_msg_free(r->ch, m);
		}
	}
	for (unsigned int i = 0; i < RIG_SESSIONS; i++) {
		assert_true(at[i] >= 4900000 && at[i] <= 10100000);
		first = RTE_MIN(first, at[i]);
		last = RTE_MAX(last, at[i]);
	}
	assert_true(last - first > 2000000);
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_line),
		cmocka_unit_test(gone_while_waiting),
		cmocka_unit_test(waits_no_longer),
		cmocka_unit_test(silent_gives_way),
		cmocka_unit_test(sends_too_much),
		cmocka_unit_test(long_line),
		cmocka_unit_test(stops_listening),
		cmocka_unit_test(probes_are_spread),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
