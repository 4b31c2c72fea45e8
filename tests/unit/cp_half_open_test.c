// SPDX-License-Identifier: BSD-3-Clause
// Too many calls in progress: who waits, who gives way, and who does not.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "cp_bed.h"

static const struct bed_conf plain = {0};

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
		bed_dial_halt(&b, FAKE_HALT_TCP);
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
	bed_expire_half_open(&b);
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
		c[i] = bed_dial_halt(&b, FAKE_HALT_TCP + i % 3);
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
		c[i] = bed_dial_halt(&b, FAKE_HALT_TCP);
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
	late = bed_dial_halt(&b, FAKE_HALT_TCP);
	BED_UNTIL(&b, bed_session(&b, late));
	ev_sleep(0.25);
	ev_now_update(b.cp->loop);
	assert_false(cp_session_make_room(b.cp));
	bed_close(&b);
}

// Who has shown a password is not thrown out for a silence in which others would be.
static void test_half_open_authenticated_stays(void **state)
{
	struct fake_client *known, *late;
	struct bed b;

	bed_open(&b, &plain);
	b.cp->limits.max_half_open = 1;
	b.cp->limits.give_way_s = 4;
	b.cp->answer_s = 0.04;
	known = bed_dial_halt(&b, FAKE_HALT_NO_CONNECTED);
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
		c[i] = bed_dial_halt(&b, halts[i]);
		BED_UNTIL(&b, bed_is_stalled(&b, c[i]));
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
		c[i] = bed_dial_halt(&b, i % 2 ? FAKE_HALT_TLS : FAKE_HALT_NO_CONNECTED);
		BED_UNTIL(&b, bed_is_stalled(&b, c[i]));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_half_open_limit),
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_half_open_gives_way),
		cmocka_unit_test(test_half_open_slow_is_not_silent),
		cmocka_unit_test(test_half_open_authenticated_stays),
		cmocka_unit_test(test_half_open_two_orders),
		cmocka_unit_test(test_half_open_one_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
