// SPDX-License-Identifier: BSD-3-Clause
// What one client may take of the control plane's time, and of memory before it is anybody: floods
// of control messages, of errors, of bytes before SSTP.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "protocol/sstp/sstp.h"
#include "tests/unit/worker_rig.h"

#define IN_1 IP4(10, 0, 0, 2)
#define IN_2 IP4(10, 0, 0, 3)
#define HOST IP4(203, 0, 113, 5)

// ---- the control plane's time

static void send_echoes(struct rig *r, struct rig_client *c, unsigned int n, unsigned int first)
{
	uint8_t rec[200 * 12];

	for (unsigned int i = 0; i < n; i++) {
		uint8_t echo[12] = {0x10, 0, 0, 12, 0xff, 3, 0xc0, 0x21, (uint8_t)(first >> 8),
			(uint8_t)first, 0, 4};

		memcpy(rec + 12 * i, echo, 12);
		first++;
	}
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, rec, 12 * n);
}

// Packets for the control plane at a rate that no call needs wait in order; others do not.
static void control_flood(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *a = rig_connect_sstp(r), *b = rig_connect_sstp(r);
	struct dp_msg *m;

	for (unsigned int i = 0; i < 5; i++)
		send_echoes(r, a, 200, i * 200);
	rig_run(r, 20000);
	assert_true(rig_events(r, DP_EV_RX_SSTP) >= 128 && rig_events(r, DP_EV_RX_SSTP) < 200);
	for (unsigned int i = 0; i < 100; i++) {
		m = rig_expect(r, DP_EV_RX_SSTP);
		assert_int_equal(m->data[8] << 8 | m->data[9], i);
		dp_msg_free(r->ch, m);
	}
	send_echoes(r, b, 1, 5000);
	rig_run(r, 2000);
	while ((m = rig_event(r, DP_EV_RX_SSTP)) && m->handle == a->handle)
		dp_msg_free(r->ch, m);
	assert_non_null(m);
	dp_msg_free(r->ch, m);
	// All of it comes.
	rig_run(r, 2000000);
	m = NULL;
	for (struct dp_msg *e; (e = rig_event(r, DP_EV_RX_SSTP)); m = e)
		dp_msg_free(r->ch, m);
	assert_int_equal(m->data[8] << 8 | m->data[9], 999);
	dp_msg_free(r->ch, m);
	// The slot is not kept for what is left of a client that is gone.
	for (unsigned int i = 0; i < 5; i++)
		send_echoes(r, a, 200, i * 200);
	rig_run(r, 20000);
	rig_abort(r, a);
	rig_run(r, 20000);
	m = rig_event(r, DP_EV_CLOSED);
	assert_non_null(m);
	dp_msg_free(r->ch, m);
	rig_destroy(r);
}

// What is told of a session does not wait for its client's flood.
static void told_beside_a_flood(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);

	for (unsigned int i = 0; i < 5; i++)
		send_echoes(r, c, 200, i * 200);
	rig_run(r, 20000);
	assert_non_null(rig_session(r, c)->plainq.head);
	rig_command(r, rig_msg(r, DP_CMD_QUERY, c->handle));
	rig_run(r, 2000);
	assert_non_null(rig_session(r, c)->plainq.head);
	assert_int_equal(rig_events(r, DP_EV_STATS), 1);
	rig_destroy(r);
}

// Errors about one client's packets leave others theirs; that a packet is too big counts with them.
static void errors_share(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c[2] = {rig_connect_sstp(r), rig_connect_sstp(r)};
	uint8_t pkt[100], sstp[200];
	unsigned int n;

	rig_open_data(r, c[0], IN_1, 1400, 0);
	rig_open_data(r, c[1], IN_2, 1400, 0);
	for (unsigned int i = 0; i < 2; i++) {
		for (unsigned int k = i ? 3 : 200; k; k--) {
			rig_packet(pkt, 100, IN_1 + i, HOST, 1, false, k);
			rig_send_record(r, c[i], TLS_CT_APPLICATION_DATA, sstp,
				rig_sstp_data(sstp, pkt, 100));
			if (k % 20 == 0)
				rig_run(r, 500);
		}
		rig_run(r, 5000);
	}
	n = rig_take_all(r, c[0]);
	assert_in_range(n, 20, 25);
	assert_int_equal(rig_take_all(r, c[1]), 3);
	assert_int_equal(rig_counter(r, CNT_icmp_rate_limited), 200 - n);
	rig_run(r, 500000); // the share fills up again
	rig_core_in_n(r, HOST, IN_1, 1401, 60);
	assert_in_range(r->nb_core, 20, 25);
	rig_destroy(r);
}

// A client that goes on flooding is cut off before it holds more than its share of TCP's memory.
static void control_flood_ends(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	struct dp_msg *m = NULL;

	for (unsigned int i = 0; i < 100 && !c->closed; i++) {
		struct tcp_levels l;

		send_echoes(r, c, 100, i * 100);
		rig_run(r, 1500);
		tcp_stack_levels(r->w->tcp, &l);
		assert_true(l.mbufs_held < 100);
	}
	m = rig_expect(r, DP_EV_CLOSED);
	assert_int_equal(m->u.closed.reason, DP_REASON_FLOOD);
	dp_msg_free(r->ch, m);
	rig_destroy(r);
}

// The same through another's record layer, which takes what comes.
static void remote_flood(void **state)
{
	struct rig *r = rig_create(0x0303, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect(r);
	struct dp_msg *m = rig_msg(r, DP_CMD_INSTALL, c->handle);

	m->u.install.record_layer = DP_RECORD_REMOTE;
	rig_command(r, m);
	rig_command(r, rig_msg(r, DP_CMD_SSTP_START, c->handle));
	for (int i = 0; i < 200; i++) {
		static const uint8_t echo[8] = {0x10, 1, 0, 8, 0, 8, 0, 0};

		m = rig_msg(r, DP_CMD_PLAIN_IN, c->handle);
		for (m->len = 0; m->len < 2000; m->len += 8)
			memcpy(m->data + m->len, echo, 8);
		rig_command(r, m);
		assert_true(rig_session(r, c)->plainq.len <= 64);
	}
	m = rig_expect(r, DP_EV_CLOSED);
	assert_int_equal(m->u.closed.reason, DP_REASON_FLOOD);
	dp_msg_free(r->ch, m);
	rig_destroy(r);
}

// An HTTP request in records of one byte costs few mbufs and few messages, and none of its bytes.
static void http_in_bytes(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect(r);
	unsigned int n = 5000, events = 0;
	uint64_t at = 0;
	struct dp_msg *m;

	rig_install(r, c);
	for (unsigned int i = 0; i < n + 200; i++) {
		uint8_t b = (uint8_t)(i * 7 + (i >> 8));

		if (i < n)
			rig_send_record(r, c, TLS_CT_APPLICATION_DATA, &b, 1);
		rig_run(r, 500);
		while ((m = rig_event(r, DP_EV_RX_PLAIN))) {
			assert_int_equal(m->u.rx.offset, at);
			for (uint32_t k = 0; k < m->len; k++, at++)
				assert_int_equal(m->data[k], (uint8_t)(at * 7 + (at >> 8)));
			events++;
			dp_msg_free(r->ch, m);
		}
	}
	assert_int_equal(at, n);
	assert_int_equal(rig_session(r, c)->plainq.len, 3);
	assert_true(events < n / 3);
	// SSTP begins in the middle of all that, in a packet of the control plane's.
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, "\x10\x01\x00\x08\x00\x09\x00\x00", 8);
	m = rig_msg(r, DP_CMD_SSTP_START, c->handle);
	m->u.consume.offset = n;
	rig_command(r, m);
	m = rig_expect(r, DP_EV_RX_SSTP);
	assert_int_equal(m->len, 8);
	dp_msg_free(r->ch, m);
	rig_destroy(r);
}

// Records that large mbufs hold whole are told in pieces, be they in one or in several.
static void http_in_large_records(void **state)
{
	static uint8_t bytes[16000], got[32000];
	struct rig_client *c;
	uint32_t at = 0;
	struct dp_msg *m;
	struct rig *r;

	rig_data_room = mbuf_room_for(9000);
	r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	rig_data_room = 0;
	c = rig_connect(r);
	rig_install(r, c);
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8));
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, bytes, 8500);
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, bytes, 16000);
	rig_run(r, 50000);
	while ((m = rig_event(r, DP_EV_RX_PLAIN))) {
		assert_int_equal(m->u.rx.offset, at);
		assert_true(m->len > 0 && m->len <= DP_MSG_DATA_MAX);
		memcpy(got + at, m->data, m->len);
		at += m->len;
		dp_msg_free(r->ch, m);
	}
	assert_int_equal(at, 24500);
	assert_memory_equal(got, bytes, 8500);
	assert_memory_equal(got + 8500, bytes, 16000);
	rig_destroy(r);
}

// A handshake that comes byte by byte is told so many times and then waits for the consumer.
static void raw_flood(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect(r);
	struct dp_msg *m;
	uint64_t at = 0;

	for (unsigned int i = 0; i < 200; i++) {
		uint8_t b = (uint8_t)i;

		rig_send_raw(r, c, &b, 1);
		rig_run(r, 500);
	}
	assert_true(rig_events(r, DP_EV_RX_RAW) <= 32);
	// The FIN is behind all of them.
	tcp_shutdown(c->conn, r->now_us);
	while (at < 200) {
		m = rig_expect(r, DP_EV_RX_RAW);
		assert_true(!rig_events(r, DP_EV_PEER_CLOSED) ||
			    r->ev[r->nb_ev - 1]->type == DP_EV_PEER_CLOSED);
		assert_int_equal(m->u.rx.offset, at);
		for (uint32_t i = 0; i < m->len; i++)
			assert_int_equal(m->data[i], (uint8_t)(at + i));
		at += m->len;
		dp_msg_free(r->ch, m);
		m = rig_msg(r, DP_CMD_CONSUME, c->handle);
		m->u.consume.offset = at;
		rig_command(r, m);
	}
	dp_msg_free(r->ch, rig_expect(r, DP_EV_PEER_CLOSED));
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_flood),
		cmocka_unit_test(told_beside_a_flood),
		cmocka_unit_test(errors_share),
		cmocka_unit_test(control_flood_ends),
		cmocka_unit_test(remote_flood),
		cmocka_unit_test(http_in_bytes),
		cmocka_unit_test(http_in_large_records),
		cmocka_unit_test(raw_flood),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
