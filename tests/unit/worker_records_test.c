// SPDX-License-Identifier: BSD-3-Clause
// Records out of the ordinary in a worker, and how sessions end; those that another's record layer
// protects.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "protocol/sstp/sstp.h"
#include "tests/unit/worker_rig.h"

#define IN_1 IP4(10, 0, 0, 2)
#define HOST IP4(203, 0, 113, 5)

static void bad_tag(void **state)
{
	for (size_t i = 0; i < RTE_DIM(rig_suites); i++) {
		struct rig *r = rig_create(rig_suites[i].version, rig_suites[i].aead);
		struct rig_client *c = rig_connect_sstp(r);
		uint8_t pkt[256], sstp[300], rec[512];
		uint32_t n;

		rig_open_data(r, c, IN_1, 1400, 0);
		rig_packet(pkt, 200, IN_1, HOST, 64, false, 0);
		n = rig_make_record(
			r, c, TLS_CT_APPLICATION_DATA, sstp, rig_sstp_data(sstp, pkt, 200), rec);
		rec[n / 2] ^= 1;
		rig_send_raw(r, c, rec, n);
		rig_expect_closed(r, DP_REASON_BAD_RECORD);
		rig_run(r, 50000);
		assert_int_equal(c->alert_level, 2);
		assert_int_equal(c->alert, 20);
		assert_int_equal(r->nb_core, 0);
		rig_destroy(r);
	}
}

static void bad_header(void **state)
{
	static const uint8_t huge[] = {23, 3, 3, 0xff, 0xff}, http[] = "GET / HTTP/1.1\r\n\r\n";
	const uint8_t *bad[] = {huge, http};

	for (int i = 0; i < 2; i++) {
		struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
		struct rig_client *c = rig_connect_sstp(r);

		rig_send_raw(r, c, bad[i], 5);
		rig_expect_closed(r, DP_REASON_BAD_RECORD);
		rig_run(r, 50000);
		assert_int_equal(c->alert_level, 2);
		rig_destroy(r);
	}
}

static void close_notify(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	struct dp_msg *m;

	rig_send_record(r, c, TLS_CT_ALERT, "\x01\x00", 2);
	m = rig_expect(r, DP_EV_PEER_CLOSED);
	assert_int_equal(m->u.closed.reason, DP_REASON_PEER_CLOSE_NOTIFY);
	dp_msg_free(r->ch, m);
	m = rig_msg(r, DP_CMD_CLOSE, c->handle);
	m->u.close.linger_ms = 1000;
	rig_command(r, m);
	rig_run(r, 50000);
	assert_int_equal(c->alert_level, 1);
	assert_int_equal(c->alert, 0);
	assert_true(c->eof);
	assert_null(rig_event(r, DP_EV_CLOSED));
	tcp_shutdown(c->conn, r->now_us);
	rig_expect_closed(r, DP_REASON_LOCAL);
	assert_null(rig_event(r, DP_EV_PEER_CLOSED));
	rig_destroy(r);
}

// A peer that never closes its side is cut off when the linger time is over.
static void close_lingers(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	struct dp_msg *m = rig_msg(r, DP_CMD_CLOSE, c->handle);

	m->u.close.linger_ms = 300;
	rig_command(r, m);
	rig_run(r, 200000);
	assert_null(rig_event(r, DP_EV_CLOSED));
	rig_run(r, 200000);
	rig_expect_closed(r, DP_REASON_LOCAL);
	assert_true(c->closed);
	rig_destroy(r);
}

static void peer_fin_and_reset(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r), *d = rig_connect_sstp(r);
	struct dp_msg *m;

	tcp_shutdown(c->conn, r->now_us);
	m = rig_expect(r, DP_EV_PEER_CLOSED);
	assert_int_equal(m->u.closed.reason, DP_REASON_PEER_FIN);
	dp_msg_free(r->ch, m);
	m = rig_msg(r, DP_CMD_CLOSE, c->handle);
	m->u.close.linger_ms = 1000;
	rig_command(r, m);
	rig_expect_closed(r, DP_REASON_LOCAL);
	rig_abort(r, d);
	rig_expect_closed(r, DP_REASON_PEER_RST);
	rig_destroy(r);
}

static void fatal_alert(void **state)
{
	struct rig *r = rig_create(0x0303, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	struct dp_msg *m;

	rig_send_record(r, c, TLS_CT_ALERT, "\x02\x28", 2);
	m = rig_expect(r, DP_EV_CLOSED);
	assert_int_equal(m->u.closed.reason, DP_REASON_PEER_ALERT);
	assert_int_equal(m->u.closed.stats.alert, 40);
	dp_msg_free(r->ch, m);
	rig_destroy(r);
}

static void renegotiation_refused(void **state)
{
	struct rig *r = rig_create(0x0303, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);

	rig_send_record(r, c, TLS_CT_HANDSHAKE, "\x01\x00\x00\x00", 4);
	rig_run(r, 50000);
	assert_int_equal(c->alert_level, 1);
	assert_int_equal(c->alert, 100);
	assert_null(rig_event(r, DP_EV_CLOSED));
	rig_send_record(r, c, TLS_CT_HANDSHAKE, "\x01\x00\x00\x00", 4);
	rig_send_record(r, c, TLS_CT_HANDSHAKE, "\x01\x00\x00\x00", 4);
	rig_expect_closed(r, DP_REASON_BAD_RECORD);
	rig_destroy(r);
}

// KeyUpdate with records under the new key right behind it, in the same burst: nothing is lost, and
// the reply goes out under the old key.
static void key_update(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	uint8_t pkt[256], sstp[300], rec[1024];
	uint32_t n;
	struct dp_msg *m, *k;

	rig_open_data(r, c, IN_1, 1400, 0);
	rig_packet(pkt, 200, IN_1, HOST, 64, false, 0);
	n = rig_make_record(r, c, TLS_CT_HANDSHAKE, "\x18\x00\x00\x01\x01", 5, rec);
	k = rig_msg(r, DP_CMD_REKEY, c->handle);
	k->u.rekey.key = (struct tls_traffic_key){
		.version = 0x0304, .aead = TLS_AEAD_AES_256_GCM, .key_len = 32};
	memset(k->u.rekey.key.key, 0xaa, 32);
	rec_key_remove(r->rc, &c->tx);
	assert_int_equal(rec_key_install(r->rc, &c->tx, &k->u.rekey.key, c->tx_key), 0);
	n += rig_make_record(
		r, c, TLS_CT_APPLICATION_DATA, sstp, rig_sstp_data(sstp, pkt, 200), rec + n);
	rig_send_raw(r, c, rec, n);
	m = rig_expect(r, DP_EV_KEY_UPDATE);
	assert_int_equal(m->u.key_update.request_reply, 1);
	dp_msg_free(r->ch, m);
	rig_run(r, 50000);
	assert_int_equal(r->nb_core, 0);
	rig_command(r, k);
	rig_run(r, 50000);
	assert_int_equal(r->nb_core, 1);
	k = rig_msg(r, DP_CMD_REKEY, c->handle);
	k->u.rekey.tx = 1;
	k->u.rekey.send_update = 1;
	k->u.rekey.key = (struct tls_traffic_key){
		.version = 0x0304, .aead = TLS_AEAD_AES_256_GCM, .key_len = 32};
	memset(k->u.rekey.key.key, 0xbb, 32);
	struct tls_traffic_key copy = k->u.rekey.key;
	rig_command(r, k);
	rig_run(r, 50000);
	assert_int_equal(c->handshake_records, 1);
	rec_key_remove(r->rc, &c->rx);
	assert_int_equal(rec_key_install(r->rc, &c->rx, &copy, c->rx_key), 0);
	rig_core_in(r, pkt, rig_packet(pkt, 200, HOST, IN_1, 64, true, 0));
	rig_run(r, 50000);
	assert_int_equal(rig_take_sstp(r, c, rec), 208);
	rig_destroy(r);
}

static void no_sstp(void **state)
{
	static const uint8_t bad[][8] = {
		{0x11, 0, 0, 8}, {0x10, 0, 0, 3}, {0x10, 1, 0, 6}, {0x00}, {'G', 'E', 'T', ' '}};

	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
		struct rig_client *c = rig_connect_sstp(r);

		// Cut in the middle of the header as well.
		rig_send_record(r, c, TLS_CT_APPLICATION_DATA, bad[i], 1 + i % 3);
		rig_send_record(r, c, TLS_CT_APPLICATION_DATA, bad[i] + 1 + i % 3, 7 - i % 3);
		dp_msg_free(r->ch, rig_expect(r, DP_EV_SSTP_UNDELINEABLE));
		assert_null(rig_event(r, DP_EV_RX_SSTP));
		rig_destroy(r);
	}
}

static void hello_timer(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	static const uint8_t echo[8] = {0x10, 1, 0, 8, 0, 9, 0, 0};
	struct dp_msg *m = rig_msg(r, DP_CMD_SET_HELLO, c->handle);

	m->u.hello.interval_ms = 200;
	rig_command(r, m);
	for (int i = 0; i < 4; i++) {
		rig_run(r, i ? 150000 : 90000);
		rig_send_record(r, c, TLS_CT_APPLICATION_DATA, echo, 8);
	}
	assert_null(rig_event(r, DP_EV_HELLO_EXPIRED));
	for (unsigned int i = 1; i <= 3; i++) {
		rig_run(r, 202000);
		m = rig_expect(r, DP_EV_HELLO_EXPIRED);
		assert_int_equal(m->u.hello.intervals, i);
		dp_msg_free(r->ch, m);
	}
	// Answered at once each time: every silence is a first one.
	for (unsigned int i = 0; i < 3; i++) {
		rig_send_record(r, c, TLS_CT_APPLICATION_DATA, echo, 8);
		rig_run(r, 202000);
		m = rig_expect(r, DP_EV_HELLO_EXPIRED);
		assert_int_equal(m->u.hello.intervals, 1);
		dp_msg_free(r->ch, m);
	}
	rig_destroy(r);
}

// A remote record layer: plain bytes come and go through the control plane, SSTP and forwarding are
// the same.
static void remote_records(void **state)
{
	struct rig *r = rig_create(0x0303, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect(r);
	uint8_t pkt[1500], sstp[1600];
	struct dp_msg *m = rig_msg(r, DP_CMD_INSTALL, c->handle);
	uint16_t n;

	m->u.install.record_layer = DP_RECORD_REMOTE;
	rig_command(r, m);
	m = rig_msg(r, DP_CMD_PLAIN_IN, c->handle);
	m->len = 7;
	memcpy(m->data, "REQUEST", 7);
	rig_command(r, m);
	m = rig_expect(r, DP_EV_RX_PLAIN);
	assert_int_equal(m->len, 7);
	dp_msg_free(r->ch, m);
	m = rig_msg(r, DP_CMD_SSTP_START, c->handle);
	m->u.consume.offset = 7;
	rig_command(r, m);
	rig_open_data(r, c, IN_1, 1400, 0);
	rig_packet(pkt, 1300, IN_1, HOST, 64, false, 5);
	n = rig_sstp_data(sstp, pkt, 1300);
	for (uint16_t at = 0; at < n; at = (uint16_t)(at + 654)) {
		m = rig_msg(r, DP_CMD_PLAIN_IN, c->handle);
		m->len = RTE_MIN(654, n - at);
		memcpy(m->data, sstp + at, m->len);
		rig_command(r, m);
	}
	assert_int_equal(r->nb_core, 1);
	assert_int_equal(r->core[0]->pkt_len, 1300);
	rig_core_in(r, pkt, rig_packet(pkt, 600, HOST, IN_1, 64, true, 0));
	m = rig_expect(r, DP_EV_TX_PLAIN);
	assert_int_equal(m->len, 608);
	dp_msg_free(r->ch, m);
	rig_send_raw(r, c, "raw", 3);
	m = rig_expect(r, DP_EV_RX_RAW);
	assert_int_equal(m->len, 3);
	dp_msg_free(r->ch, m);
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_tag),
		cmocka_unit_test(bad_header),
		cmocka_unit_test(close_notify),
		cmocka_unit_test(close_lingers),
		cmocka_unit_test(peer_fin_and_reset),
		cmocka_unit_test(fatal_alert),
		cmocka_unit_test(renegotiation_refused),
		cmocka_unit_test(key_update),
		cmocka_unit_test(no_sstp),
		cmocka_unit_test(hello_timer),
		cmocka_unit_test(remote_records),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
