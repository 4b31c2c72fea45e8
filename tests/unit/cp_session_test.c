// SPDX-License-Identifier: BSD-3-Clause
// Calls set up and ended in every way, with real clients on a fake data plane.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cp_bed.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static const uint32_t methods[] = {
	PPP_AUTH_MSCHAP2, PPP_AUTH_MSCHAP1, PPP_AUTH_CHAP_MD5, PPP_AUTH_PAP};
#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

static const struct bed_conf tls13 = {0};
static const struct bed_conf tls12 = {.only_tls12 = true};
static const struct bed_conf cbc = {.only_tls12 = true, .ciphers = "ECDHE-RSA-AES256-SHA"};

static bool in_pool(uint32_t addr)
{
	return addr >= IP(10, 0, 0, 2) && addr <= IP(10, 0, 0, 5);
}

// -- set-up --

static void check_up(struct bed *b, const struct fake_client *c)
{
	const struct fake_conn *n = c->conn;

	assert_true(in_pool(n->inner));
	assert_int_equal(n->local, IP(10, 0, 0, 1));
	assert_int_equal(c->addr.local, n->inner);
	assert_int_equal(c->addr.remote, n->local);
	assert_int_equal(c->addr.dns[0], IP(10, 0, 0, 53));
	assert_int_equal(c->addr.dns[1], IP(10, 0, 0, 54));
	assert_int_equal(n->mtu, 1460);
	assert_int_equal(n->mss_clamp, 1420);
	assert_int_equal(n->hello_ms, 60000);
	assert_int_equal(n->nb_early_data, 0);
	assert_int_equal(pools_owner(b->cp->pools, n->inner), bed_session(b, c)->id);
}

static void one_call(struct bed *b, uint32_t method, bool together)
{
	struct fake_client_conf conf = bed_client_conf(b, method);
	struct fake_client *c;

	conf.together = together;
	c = bed_dial(b, &conf);
	BED_UNTIL(b, fake_client_is_up(c) && c->conn->data_open);
	check_up(b, c);
	assert_int_equal(fake_published(b->ch), 1);
	assert_int_equal(b->cp->nb_half_open, 0);
	fake_client_send_data(c);
	BED_UNTIL(b, c->conn->nb_data == 1);
	fake_client_hang_up(c);
	BED_UNTIL(b, c->conn->closed && !b->cp->nb_sessions);
	assert_int_equal(c->sstp_end, SSTP_END_LOCAL_DISCONNECT);
	assert_int_equal(fake_published(b->ch), 0);
	bed_reap(b, c);
}

static void all_methods(const struct bed_conf *conf, bool remote)
{
	struct bed b;

	bed_open(&b, conf);
	for (unsigned int i = 0; i < N_METHODS; i++) {
		one_call(&b, methods[i], false);
		one_call(&b, methods[i], true);
	}
	one_call(&b, PPP_AUTH_ALL, true);
	assert_int_equal(b.cp->totals.up, 2 * N_METHODS + 1);
	struct fake_client *c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);

	assert_int_equal(c->conn->remote, remote);
	assert_int_equal(c->conn->keys, !remote);
	assert_int_equal(bed_session(&b, c)->remote, remote);
	bed_close(&b);
}

static void test_set_up_tls13(void **state)
{
	all_methods(&tls13, false);
}

static void test_set_up_tls12(void **state)
{
	all_methods(&tls12, false);
}

static void test_set_up_cbc(void **state)
{
	all_methods(&cbc, true);
}

// However the stream is cut into events.
static void test_chunks(void **state)
{
	static const uint32_t chunks[] = {1, 7, 100, 1460, DP_MSG_DATA_MAX};
	static const struct bed_conf *const confs[] = {&tls13, &tls12, &cbc};

	for (unsigned int k = 0; k < 3; k++) {
		struct bed b;

		bed_open(&b, confs[k]);
		for (unsigned int i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
			fake_set_chunk(b.ch, chunks[i]);
			one_call(&b, PPP_AUTH_MSCHAP2, i & 1);
			if (chunks[i] > 2000)
				continue;
			fake_set_overlap(b.ch, 5);
			one_call(&b, PPP_AUTH_MSCHAP2, i & 1);
			fake_set_overlap(b.ch, 0);
		}
		bed_close(&b);
	}
}

// IPCP may be open before Call Connected comes: no data until then.
static void test_connected_last(void **state)
{
	struct bed b;
	struct fake_client_conf conf;
	struct fake_client *c;

	bed_open(&b, &tls13);
	conf = bed_client_conf(&b, PPP_AUTH_PAP);
	conf.late = true;
	c = bed_dial(&b, &conf);
	BED_UNTIL(&b, fake_client_is_up(c) && c->conn->data_open);
	check_up(&b, c);
	bed_close(&b);
}

static void test_no_connected_no_data(void **state)
{
	struct bed b;
	struct fake_client_conf conf;
	struct fake_client *c;

	bed_open(&b, &tls13);
	conf = bed_client_conf(&b, PPP_AUTH_CHAP_MD5);
	conf.halt = FAKE_HALT_NO_CONNECTED;
	c = bed_dial(&b, &conf);
	BED_UNTIL(&b, c->network_up);
	fake_client_send_data(c);
	bed_turns(&b, 10);
	assert_false(c->conn->data_open);
	assert_int_equal(fake_published(b.ch), 0);
	assert_int_equal(b.cp->nb_half_open, 1);
	ev_feed_event(b.cp->loop, &bed_session(&b, c)->call->sstp_timer[SSTP_TIMER_NEGOTIATION],
		EV_TIMER);
	BED_UNTIL(&b, c->conn->closed);
	assert_int_equal(c->conn->nb_data, 0);
	assert_int_equal(c->conn->nb_early_data, 1);
	assert_int_equal(c->sstp_end, SSTP_END_PEER_ABORT);
	assert_int_equal(b.cp->totals.up, 0);
	bed_close(&b);
}

static void test_crypto_binding_fails(void **state)
{
	static const uint32_t tried[] = {PPP_AUTH_MSCHAP2, PPP_AUTH_PAP};
	struct bed b;

	bed_open(&b, &tls13);
	for (unsigned int i = 0; i < 2; i++) {
		struct fake_client_conf conf = bed_client_conf(&b, tried[i]);
		struct fake_client *c;

		conf.wrong_hash = true;
		c = bed_dial(&b, &conf);
		BED_UNTIL(&b, c->conn->closed && !b.cp->nb_sessions);
		assert_int_equal(c->sstp_end, SSTP_END_PEER_ABORT);
		assert_int_equal(c->conn->inner, 0);
	}
	assert_int_equal(b.cp->totals.up, 0);
	bed_close(&b);
}

static void test_async_engine(void **state)
{
	struct bed_conf conf = {.tls = "  engine: culvert-async\n"};
	struct bed b;

	bed_open(&b, &conf);
	for (unsigned int i = 0; i < 20; i++) {
		struct fake_client_conf cc = bed_client_conf(&b, PPP_AUTH_PAP);

		bed_dial(&b, &cc);
	}
	bed_turn(&b);
	// In the middle of a signature the peer may go.
	for (unsigned int i = 0; i < 8; i++)
		b.client[i]->conn->rst = true;
	BED_UNTIL(&b, b.cp->totals.up + b.cp->totals.no_address == 12);
	assert_int_equal(b.cp->totals.up, 4);
	bed_close(&b);
}

// -- who may not come in --

static struct fake_client *refused(
	struct bed *b, const char *user, const char *password, uint32_t method)
{
	struct fake_client_conf conf = bed_client_conf(b, method);
	struct fake_client *c;

	conf.user = user;
	conf.password = password;
	c = bed_dial(b, &conf);
	BED_UNTIL(b, c->conn->closed && !b->cp->nb_sessions);
	assert_int_equal(c->ppp_end, PPP_END_AUTH_FAILED);
	assert_true(c->sstp_over);
	assert_int_equal(c->conn->inner, 0);
	assert_int_equal(pools_taken(b->cp->pools), 0);
	return c;
}

// MS-CHAP failures carry a random one.
static void hide_challenge(char *message)
{
	char *p = strstr(message, "C=");

	for (p = p ? p + 2 : NULL; p && *p && *p != ' '; p++)
		*p = 'x';
}

static void test_refused(void **state)
{
	struct bed b;

	for (unsigned int i = 0; i < N_METHODS; i++) {
		struct fake_client *wrong, *unknown, *disabled;
		const char *log;

		bed_open(&b, i & 1 ? &tls12 : &tls13);
		bed_log_begin();
		wrong = refused(&b, "bob", "Secret-Guess", methods[i]);
		unknown = refused(&b, "nobody", BED_PASSWORD, methods[i]);
		disabled = refused(&b, "off", BED_PASSWORD, methods[i]);
		log = bed_log_end();
		// The peer cannot tell which it was; the log can.
		hide_challenge(wrong->ppp_message);
		hide_challenge(unknown->ppp_message);
		hide_challenge(disabled->ppp_message);
		assert_string_equal(wrong->ppp_message, unknown->ppp_message);
		assert_string_equal(wrong->ppp_message, disabled->ppp_message);
		assert_non_null(strstr(log, "user=bob auth method="));
		assert_non_null(strstr(log, "why=\"wrong password\""));
		assert_non_null(strstr(log, "why=\"unknown user\""));
		assert_non_null(strstr(log, "why=\"user is disabled\""));
		assert_non_null(strstr(log, "ended why=\"authentication failed"));
		assert_null(strstr(log, "Secret-Guess"));
		assert_null(strstr(log, "ssword-1"));
		assert_int_equal(b.cp->totals.auth_refused, 3);
		bed_close(&b);
	}
}

static void test_no_common_method(void **state)
{
	struct bed_conf conf = {.sstp = "  authentication: mschap2\n"};
	struct bed b;
	struct fake_client_conf cc;
	struct fake_client *c;

	bed_open(&b, &conf);
	cc = bed_client_conf(&b, PPP_AUTH_PAP);
	c = bed_dial(&b, &cc);
	BED_UNTIL(&b, c->conn->closed && !b.cp->nb_sessions);
	assert_false(c->network_up);
	assert_int_equal(b.cp->totals.authenticated, 0);
	bed_close(&b);
}

static void test_hostile_name(void **state)
{
	struct bed b;
	const char *log;

	bed_open(&b, &tls13);
	bed_log_begin();
	refused(&b, "bob\nsession=1 user=\"root", "x", PPP_AUTH_PAP);
	refused(&b, "DOM\\nobody", "x", PPP_AUTH_MSCHAP2);
	log = bed_log_end();
	assert_null(strstr(log, "\nsession=1"));
	assert_non_null(strstr(log, "user=\"bob\\x0asession=1"));
	// A domain in front is no part of the name.
	bed_dial_up(&b, "DOM\\bob", PPP_AUTH_MSCHAP2);
	bed_close(&b);
}

// -- addresses --

static void test_no_address_left(void **state)
{
	struct bed b;
	struct fake_client_conf conf;
	struct fake_client *up[4], *c;
	const char *log;
	uint32_t freed;

	bed_open(&b, &tls13);
	for (unsigned int i = 0; i < 4; i++) {
		up[i] = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
		for (unsigned int k = 0; k < i; k++)
			assert_int_not_equal(up[i]->conn->inner, up[k]->conn->inner);
	}
	conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);
	bed_log_begin();
	c = bed_dial(&b, &conf);
	BED_UNTIL(&b, c->conn->closed && !bed_session(&b, c));
	log = bed_log_end();
	assert_non_null(strstr(log, "pool=clients has no free address, all 4 are used"));
	assert_non_null(strstr(log, "ended why=\"no address for this session"));
	assert_int_equal(c->ppp.end, PPP_END_PEER_TERMINATED);
	assert_int_equal(b.cp->totals.no_address, 1);
	assert_int_equal(fake_published(b.ch), 4);
	freed = up[2]->conn->inner;
	fake_client_hang_up(up[2]);
	BED_UNTIL(&b, up[2]->conn->closed && b.cp->nb_sessions == 3);
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	assert_int_equal(c->conn->inner, freed);
	bed_close(&b);
}

static void test_fixed_address(void **state)
{
	struct bed b;
	struct fake_client_conf conf;
	struct fake_client *a, *c;
	const char *log;

	bed_open(&b, &tls13);
	a = bed_dial_up(&b, "fixed", PPP_AUTH_MSCHAP2);
	assert_int_equal(a->conn->inner, IP(10, 9, 0, 3));
	conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);
	conf.user = "fixed";
	bed_log_begin();
	c = bed_dial(&b, &conf);
	BED_UNTIL(&b, c->conn->closed && !bed_session(&b, c));
	log = bed_log_end();
	assert_non_null(strstr(log, "address=10.9.0.3 is in use by session=1"));
	assert_true(a->conn->data_open);
	fake_client_fin(a);
	BED_UNTIL(&b, a->conn->closed && !b.cp->nb_sessions);
	a = bed_dial_up(&b, "fixed", PPP_AUTH_MSCHAP2);
	assert_int_equal(a->conn->inner, IP(10, 9, 0, 3));
	bed_close(&b);
}

static void test_no_local_address(void **state)
{
	struct bed_conf conf = {.yaml = "ip-pools: { clients: 10.0.0.2-10.0.0.9 }\n"
					"ppp-profiles:\n"
					"  default: { remote-address: clients }\n"
					"ppp-secrets:\n"
					"  - { name: bob, password: \"" BED_PASSWORD "\" }\n"};
	struct bed b;
	struct fake_client_conf cc;
	struct fake_client *c;

	bed_open(&b, &conf);
	cc = bed_client_conf(&b, PPP_AUTH_MSCHAP2);
	c = bed_dial(&b, &cc);
	BED_UNTIL(&b, c->conn->closed && !b.cp->nb_sessions);
	assert_int_equal(b.cp->totals.no_address, 1);
	bed_close(&b);
}

// Many calls come and go; no two ever have one address, and none is lost.
static void test_addresses_are_exclusive(void **state)
{
	struct bed_conf conf = {.yaml = "ip-pools: { clients: 10.0.0.2-10.0.0.41 }\n"
					"ppp-profiles:\n"
					"  default: { local-address: 10.0.0.1, remote-address: "
					"clients }\n"
					"ppp-secrets:\n"
					"  - { name: bob, password: \"" BED_PASSWORD "\" }\n",
		.only_tls12 = true};
	struct bed b;

	bed_open(&b, &conf);
	srand(3);
	for (unsigned int n = 0; n < 120; n++) {
		struct fake_client_conf cc = bed_client_conf(&b, PPP_AUTH_PAP);

		if (b.nb_clients < 40)
			bed_dial(&b, &cc);
		bed_turns(&b, 3);
		struct fake_client *c = b.client[(unsigned int)rand() % b.nb_clients];

		if (rand() % 3 == 0)
			c->conn->rst = true;
		else if (rand() % 3 == 0)
			fake_client_fin(c);
		for (unsigned int i = 0; i < b.nb_clients; i++) {
			for (unsigned int k = 0; k < i; k++)
				assert_false(b.client[i]->conn->data_open &&
					     b.client[k]->conn->data_open &&
					     !b.client[i]->conn->closed &&
					     !b.client[k]->conn->closed &&
					     b.client[i]->conn->inner == b.client[k]->conn->inner);
			if (b.client[i]->conn->closed && !bed_session(&b, b.client[i]))
				bed_reap(&b, b.client[i--]);
		}
	}
	bed_close(&b);
}

// -- the end --

static void expect_end(struct bed *b, struct fake_client *c, const char *why)
{
	const char *log;

	bed_log_begin();
	BED_UNTIL(b, c->conn->closed && !b->cp->nb_sessions);
	log = bed_log_end();
	if (!strstr(log, why))
		fprintf(stderr, "expected %s in:\n%s", why, log);
	assert_non_null(strstr(log, why));
	assert_int_equal(fake_published(b->ch), 0);
	assert_int_equal(pools_taken(b->cp->pools), 0);
}

static void close_notify(struct fake_client *c)
{
	uint8_t buf[256];
	size_t n;

	tls_hs_close(c->hs);
	while ((n = tls_hs_output(c->hs, buf, sizeof(buf))))
		fake_client_send_raw(c, buf, n);
}

static void ends(const struct bed_conf *conf)
{
	struct fake_client *c;
	struct bed b;

	bed_open(&b, conf);
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	fake_client_hang_up(c);
	expect_end(&b, c, "user=bob ended why=\"disconnected by the peer");
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	fake_client_terminate(c);
	expect_end(&b, c, "user=bob ended why=\"terminated by the peer");
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	fake_client_fin(c);
	expect_end(&b, c, "connection closed by the peer without close_notify");
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	close_notify(c);
	expect_end(&b, c, "TLS session closed by the peer");
	// As pppd hangs up: what came in front of the close_notify is heard.
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	fake_client_terminate(c);
	close_notify(c);
	expect_end(&b, c, "user=bob ended why=\"terminated by the peer");
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	c->conn->rst = true;
	expect_end(&b, c, "connection=\"connection reset by the peer");
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	cp_session_disconnect(bed_session(&b, c), "ended by the operator");
	expect_end(&b, c, "user=bob ended why=\"ended by the operator");
	assert_int_equal(c->sstp_end, SSTP_END_PEER_DISCONNECT);
	bed_close(&b);
}

static void test_ends_tls13(void **state)
{
	ends(&tls13);
}

static void test_ends_cbc(void **state)
{
	ends(&cbc);
}

static void test_hello(void **state)
{
	struct fake_client *c;
	struct bed b;

	bed_open(&b, &tls13);
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	fake_conn_event(c->conn, DP_EV_HELLO_EXPIRED, 1);
	bed_turns(&b, 10);
	assert_true(c->conn->data_open);
	fake_conn_event(c->conn, DP_EV_HELLO_EXPIRED, 2);
	expect_end(&b, c, "no answer to Echo Request");
	// Without Call Abort.
	assert_false(c->sstp_over);
	bed_close(&b);
}

static void test_rekey(void **state)
{
	struct fake_client *c;
	struct bed b;

	bed_open(&b, &tls13);
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	fake_conn_event(c->conn, DP_EV_KEY_LIMIT, 0);
	BED_UNTIL(&b, c->conn->nb_rekey_tx == 1);
	assert_int_equal(c->conn->nb_send_update, 1);
	assert_int_equal(c->conn->nb_rekey_rx, 0);
	// The client, OpenSSL, reads on under the new key: it answers a Call Disconnect.
	cp_session_disconnect(bed_session(&b, c), "test");
	BED_UNTIL(&b, c->conn->closed);
	assert_int_equal(c->sstp_end, SSTP_END_PEER_DISCONNECT);
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	fake_conn_event(c->conn, DP_EV_KEY_UPDATE, 0);
	BED_UNTIL(&b, c->conn->nb_rekey_rx == 1);
	assert_int_equal(c->conn->nb_rekey_tx, 0);
	fake_conn_event(c->conn, DP_EV_KEY_UPDATE, 1);
	BED_UNTIL(&b, c->conn->nb_rekey_rx == 2 && c->conn->nb_rekey_tx == 1);
	assert_int_equal(c->conn->nb_send_update, 1);
	bed_close(&b);
	// TLS 1.2 has no next key.
	bed_open(&b, &tls12);
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	fake_conn_event(c->conn, DP_EV_KEY_LIMIT, 0);
	expect_end(&b, c, "TLS record limit reached");
	assert_int_equal(c->conn->nb_rekey_tx, 0);
	assert_int_equal(c->sstp_end, SSTP_END_PEER_DISCONNECT);
	bed_close(&b);
}

// -- the log of a call from begin to end --

static void test_log(void **state)
{
	static const char *const expected[] = {
		"session=1 peer=192.0.2.2:1024 accepted\n",
		"tls version=TLSv1.3 cipher=",
		"sni=vpn.example.com",
		"http correlation_id={01234567-89AB-CDEF-0123-456789ABCDEF} host=vpn.example.com\n",
		"peer=192.0.2.2:1024 user=bob auth method=mschap2 result=ok profile=default ",
		"user=bob address=10.0.0.",
		"user=bob sstp connected hash=sha256\n",
		"user=bob up address=10.0.0.",
		"user=bob ended why=\"disconnected by the peer",
	};
	struct fake_client *c;
	const char *log, *at;
	struct bed b;

	bed_open(&b, &tls13);
	bed_log_begin();
	c = bed_dial_up(&b, "bob", PPP_AUTH_ALL);
	fake_client_send_data(c);
	BED_UNTIL(&b, c->conn->nb_data);
	fake_client_hang_up(c);
	BED_UNTIL(&b, !b.cp->nb_sessions);
	log = bed_log_end();
	at = log;
	for (unsigned int i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		if (!strstr(at, expected[i]))
			fprintf(stderr, "no \"%s\" behind\n%s", expected[i], at);
		assert_non_null(at = strstr(at, expected[i]));
	}
	assert_non_null(strstr(at, "rx_packets=1 "));
	assert_null(strstr(log, "ssword"));
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_up_tls13),
		cmocka_unit_test(test_set_up_tls12),
		cmocka_unit_test(test_set_up_cbc),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_connected_last),
		cmocka_unit_test(test_no_connected_no_data),
		cmocka_unit_test(test_crypto_binding_fails),
		cmocka_unit_test(test_async_engine),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_common_method),
		cmocka_unit_test(test_hostile_name),
		cmocka_unit_test(test_no_address_left),
		cmocka_unit_test(test_fixed_address),
		cmocka_unit_test(test_no_local_address),
		cmocka_unit_test(test_addresses_are_exclusive),
		cmocka_unit_test(test_ends_tls13),
		cmocka_unit_test(test_ends_cbc),
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
