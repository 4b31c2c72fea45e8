// SPDX-License-Identifier: BSD-3-Clause
// What one client may take from the others of its worker: queues, TCP's memory, a turn; and that
// nothing is lost or overtaken where something has to wait. Floods are worker_flood_test.c's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <rte_ip.h>

#include "protocol/sstp/sstp.h"
#include "tests/unit/worker_rig.h"

#define IN_1 IP4(10, 0, 0, 2)
#define IN_2 IP4(10, 0, 0, 3)
#define IN_3 IP4(10, 0, 0, 4)
#define HOST IP4(203, 0, 113, 5)

static struct dp_msg *key_msg(struct rig *r, struct rig_client *c, bool tx, uint8_t seed)
{
	struct dp_msg *m = rig_msg(r, DP_CMD_REKEY, c->handle);

	m->u.rekey.tx = tx;
	m->u.rekey.send_update = tx;
	m->u.rekey.key = (struct tls_traffic_key){
		.version = 0x0304, .aead = TLS_AEAD_AES_256_GCM, .key_len = 32};
	memset(m->u.rekey.key.key, seed, 32);
	return m;
}

// ---- memory

// Clients that take nothing share what all queues may hold, and leave room to the one that does.
static void queues_share(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *a = rig_connect_sstp(r), *b = rig_connect_sstp(r),
			  *c = rig_connect_sstp(r);

	rig_open_data(r, a, IN_1, 1400, 0);
	rig_open_data(r, b, IN_2, 1400, 0);
	rig_open_data(r, c, IN_3, 1400, 0);
	r->w->txq_max = 240;
	r->hold_link = true;
	rig_core_in_n(r, HOST, IN_1, 1000, 600);
	rig_run(r, 500);
	rig_core_in_n(r, HOST, IN_1, 1000, 600);
	rig_core_in_n(r, HOST, IN_2, 1000, 600);
	rig_run(r, 500);
	rig_core_in_n(r, HOST, IN_2, 1000, 600);
	assert_int_equal(rig_session(r, a)->txq.len, 120);
	assert_int_equal(rig_session(r, b)->txq.len, 60);
	assert_int_equal(r->w->txq_held, 180);
	rig_core_in_n(r, HOST, IN_3, 1000, 10);
	assert_int_equal(rig_session(r, c)->txq.len, 10);
	// What goes with a session is not counted any more.
	rig_abort(r, a);
	r->hold_link = false;
	rig_run(r, 500000);
	assert_int_equal(rig_take_all(r, c), 10);
	assert_int_equal(r->w->txq_held, 0);
	assert_int_equal(rig_session(r, b)->txq.len, 0);
	rig_destroy(r);
}

static void core_in_from(struct rig *r, uint32_t src, uint32_t dst, uint16_t len)
{
	uint8_t pkt[2048];

	rig_core_in(r, pkt, rig_packet(pkt, len, src, dst, 64, true, 1));
}

// How many packets of another length come in front of the first of this one; -1: it does not come.
static int in_front_of(struct rig *r, struct rig_client *c, uint16_t len)
{
	uint8_t in[4096];
	int n = 0, at = -1;
	uint16_t got;

	for (; (got = rig_take_sstp(r, c, in)); n++)
		if (got == len + 8 && at < 0)
			at = n;
	return at;
}

static uint32_t flowqs(const struct rig *r)
{
	return rte_mempool_in_use_count(r->w->flowqs);
}

// A queue that stood is one by flows for a while, in which a single packet overtakes a crowd; a
// silent session gives its own to another. Nothing is lost or counted twice.
static void flows_apart(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c[4];

	for (unsigned int i = 0; i < 4; i++) {
		c[i] = rig_connect_sstp(r);
		rig_open_data(r, c[i], IN_1 + i, 1400, 0);
		r->hold_link = true;
		rig_core_in_n(r, HOST, IN_1 + i, 1000, 300);
		rig_run(r, 20000);
		// FIFO still: nobody has looked at how long they stood.
		assert_false(rig_session(r, c[i])->flags & SES_FLOWS);
		core_in_from(r, HOST + 1, IN_1 + i, 90);
		r->hold_link = false;
		rig_run(r, 300000);
		assert_true(rig_session(r, c[i])->flags & SES_FLOWS);
		assert_in_range(in_front_of(r, c[i], 90), 0, 150);
		assert_int_equal(flowqs(r), i < 3 ? i + 1 : 3);
		rig_run(r, 2500000);
	}
	assert_false(rig_session(r, c[0])->flags & SES_FLOWS);
	assert_int_equal(rig_counter(r, CNT_session_tx_queue_drop),
		rig_session(r, c[0])->tx_drops + rig_session(r, c[1])->tx_drops +
			rig_session(r, c[2])->tx_drops + rig_session(r, c[3])->tx_drops);
	// Long after it stood it is a plain one again.
	core_in_from(r, HOST, IN_1 + 3, 90);
	rig_run(r, 1000);
	assert_false(rig_session(r, c[3])->flags & SES_FLOWS);
	assert_int_equal(flowqs(r), 2);
	assert_int_equal(r->w->txq_held, 0);
	rig_destroy(r);
}

// Beyond the bound of a queue by flows the longest flow loses, and a session's end drops all.
static void flows_bounded(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	struct session *s = rig_session(r, c);

	rig_open_data(r, c, IN_1, 1400, 0);
	r->hold_link = true;
	rig_core_in_n(r, HOST, IN_1, 1000, 300);
	rig_run(r, 20000);
	r->hold_link = false;
	rig_run(r, 300000);
	assert_true(s->flags & SES_FLOWS);
	rig_take_all(r, c);
	r->hold_link = true;
	core_in_from(r, HOST + 1, IN_1, 90);
	rig_core_in_n(r, HOST, IN_1, 1000, 1500);
	core_in_from(r, HOST + 1, IN_1, 91);
	rig_run(r, 1000);
	assert_in_range(r->w->txq_held, WORKER_TXQ_MAX - 64, WORKER_TXQ_MAX);
	assert_true(s->tx_drops > 500);
	r->hold_link = false;
	rig_run(r, 500000);
	assert_true(in_front_of(r, c, 91) >= 0);
	assert_int_equal(r->w->txq_held, 0);
	r->hold_link = true;
	rig_core_in_n(r, HOST, IN_1, 1000, 1500);
	rig_run(r, 1000);
	assert_true(r->w->txq_held > 100);
	rig_abort(r, c);
	r->hold_link = false;
	rig_run(r, 500000);
	assert_int_equal(r->w->txq_held, 0);
	assert_int_equal(flowqs(r), 0);
	rig_destroy(r);
}

// Where TCP's memory is taken packets wait for it; it ends no session, and its own messages go.
static void memory_short(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	uint32_t snd_max = r->w->snd_max;
	struct dp_msg *m;

	rig_open_data(r, c, IN_1, 1400, 0);
	r->w->snd_max = 0;
	rig_core_in_n(r, HOST, IN_1, 500, 5);
	rig_run(r, 10000);
	assert_int_equal(c->in_len, 0);
	assert_null(rig_event(r, DP_EV_CLOSED));
	m = rig_msg(r, DP_CMD_SEND_APP, c->handle);
	m->len = 8;
	memcpy(m->data, "\x10\x01\x00\x08\x00\x09\x00\x00", 8);
	rig_command(r, m);
	rig_run(r, 10000);
	assert_int_equal(rig_take_all(r, c), 1);
	r->w->snd_max = snd_max;
	rig_run(r, 50000);
	assert_int_equal(rig_take_all(r, c), 5);
	rig_destroy(r);
}

// Who does not acknowledge gets a share of TCP's memory, not all of it.
static void memory_share(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *a = rig_connect_sstp(r), *b = rig_connect_sstp(r);
	uint32_t held;

	rig_open_data(r, a, IN_1, 1400, 0);
	rig_open_data(r, b, IN_2, 1400, 0);
	for (int i = 0; i < 50; i++) { // a's window opens
		rig_core_in_n(r, HOST, IN_1, 1000, 20);
		rig_run(r, 2000);
	}
	rig_take_all(r, a);
	r->w->snd_max = 40;
	r->hold_link = true;
	rig_core_in_n(r, HOST, IN_1, 1000, 400);
	rig_run(r, 2000);
	held = tcp_tx_queued(rig_session(r, a)->conn);
	assert_true(held > 0 && held < 20000);
	rig_core_in_n(r, HOST, IN_2, 1000, 1);
	rig_run(r, 500);
	assert_int_equal(rig_session(r, b)->txq.len, 0);
	r->hold_link = false;
	rig_run(r, 100000);
	assert_int_equal(rig_take_all(r, b), 1);
	assert_null(rig_event(r, DP_EV_CLOSED));
	rig_destroy(r);
}

// A record that another protects is one message, however large a segment could be.
static void remote_jumbo(void **state)
{
	struct rig_client *c;
	unsigned int n = 0;
	struct dp_msg *m;
	struct rig *r;

	rig_data_room = mbuf_room_for(9000);
	rig_mtu = 9000;
	r = rig_create(0x0303, TLS_AEAD_AES_256_GCM);
	rig_data_room = rig_mtu = 0;
	c = rig_connect(r);
	m = rig_msg(r, DP_CMD_INSTALL, c->handle);
	m->u.install.record_layer = DP_RECORD_REMOTE;
	rig_command(r, m);
	rig_command(r, rig_msg(r, DP_CMD_SSTP_START, c->handle));
	rig_open_data(r, c, IN_1, 1400, 0);
	rig_core_in_n(r, HOST, IN_1, 300, 40);
	rig_run(r, 2000);
	while ((m = rig_event(r, DP_EV_TX_PLAIN))) {
		n += m->len / 308;
		dp_msg_free(r->ch, m);
	}
	assert_int_equal(n, 40);
	assert_int_equal(rig_counter(r, CNT_session_tx_queue_drop), 0);
	rig_destroy(r);
}

// Records that another protects: what is on its way there counts, and coming back lets more go.
static void remote_window(void **state)
{
	struct rig *r = rig_create(0x0303, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect(r);
	struct dp_msg *m = rig_msg(r, DP_CMD_INSTALL, c->handle);
	uint32_t bytes = 0, ahead = 0;

	m->u.install.record_layer = DP_RECORD_REMOTE;
	rig_command(r, m);
	m = rig_msg(r, DP_CMD_SSTP_START, c->handle);
	rig_command(r, m);
	rig_open_data(r, c, IN_1, 1400, 0);
	rig_core_in_n(r, HOST, IN_1, 1000, 300);
	rig_run(r, 20000);
	for (unsigned int i = 0; i < r->nb_ev; i++)
		ahead += r->ev[i]->type == DP_EV_TX_PLAIN ? r->ev[i]->len : 0;
	assert_true(ahead > 1000 && ahead <= 65536 + 2048);
	for (int idle = 0; idle < 100; idle++) {
		while ((m = rig_event(r, DP_EV_TX_PLAIN))) {
			struct dp_msg *raw = rig_msg(r, DP_CMD_SEND_RAW, c->handle);

			bytes += m->len;
			raw->len = m->len + 53;
			dp_msg_free(r->ch, m);
			rig_command(r, raw);
			idle = 0;
		}
		rig_run(r, 1000);
	}
	assert_int_equal(bytes + 1008 * rig_counter(r, CNT_session_tx_queue_drop), 300 * 1008);
	assert_true(bytes > 100 * 1008);
	assert_int_equal(r->w->txq_held, 0);
	assert_null(rig_event(r, DP_EV_CLOSED));
	rig_destroy(r);
}

// A sender of control messages alone asks for another key in time as well.
static void key_limit_of_messages(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	struct rec_dir *tx = &rig_session(r, c)->tx;
	struct dp_msg *m;
	struct tls_traffic_key key;

	tx->limit = tx->seq + 4096 + 2;
	for (int i = 0; i < 4; i++) {
		m = rig_msg(r, DP_CMD_SEND_APP, c->handle);
		m->len = 8;
		rig_command(r, m);
		assert_int_equal(rig_events(r, DP_EV_KEY_LIMIT), i >= 2);
	}
	dp_msg_free(r->ch, rig_expect(r, DP_EV_KEY_LIMIT));
	m = key_msg(r, c, true, 0xbb);
	key = m->u.rekey.key;
	rig_command(r, m);
	rig_run(r, 20000);
	assert_int_equal(c->handshake_records, 1);
	rec_key_remove(r->rc, &c->rx);
	assert_int_equal(rec_key_install(r->rc, &c->rx, &key, c->rx_key), 0);
	m = rig_msg(r, DP_CMD_SEND_APP, c->handle);
	m->len = 8;
	rig_command(r, m);
	rig_run(r, 20000);
	assert_int_equal(c->in_len, 5 * 8);
	assert_int_equal(rig_events(r, DP_EV_KEY_LIMIT), 0);
	rig_destroy(r);
}

// ---- order

// What was sent under a new key comes before the end of the stream, however late that key is.
static void fin_behind_key_update(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	uint8_t pkt[256], sstp[300], rec[1024];
	struct dp_msg *m, *k;
	uint32_t n;

	rig_open_data(r, c, IN_1, 1400, 0);
	rig_packet(pkt, 200, IN_1, HOST, 64, false, 0);
	n = rig_make_record(r, c, TLS_CT_HANDSHAKE, "\x18\x00\x00\x01\x00", 5, rec);
	k = key_msg(r, c, false, 0xaa);
	rec_key_remove(r->rc, &c->tx);
	assert_int_equal(rec_key_install(r->rc, &c->tx, &k->u.rekey.key, c->tx_key), 0);
	n += rig_make_record(
		r, c, TLS_CT_APPLICATION_DATA, sstp, rig_sstp_data(sstp, pkt, 200), rec + n);
	n += rig_make_record(r, c, TLS_CT_ALERT, "\x01\x00", 2, rec + n);
	rig_send_raw(r, c, rec, n);
	tcp_shutdown(c->conn, r->now_us);
	rig_run(r, 50000);
	dp_msg_free(r->ch, rig_expect(r, DP_EV_KEY_UPDATE));
	assert_null(rig_event(r, DP_EV_PEER_CLOSED));
	rig_command(r, k);
	m = rig_expect(r, DP_EV_PEER_CLOSED);
	assert_int_equal(m->u.closed.reason, DP_REASON_PEER_CLOSE_NOTIFY);
	dp_msg_free(r->ch, m);
	assert_int_equal(r->nb_core, 1);
	rig_run(r, 50000);
	assert_null(rig_event(r, DP_EV_PEER_CLOSED));
	rig_destroy(r);
}

// A session that hangs up is heard while another has more records than a turn takes.
static void end_beside_a_busy_one(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *a = rig_connect_sstp(r), *b = rig_connect_sstp(r);
	uint8_t pkt[64], sstp[72], rec[128];
	const unsigned int n = 1400;

	rig_open_data(r, a, IN_1, 1400, 0);
	rig_packet(pkt, 40, IN_1, HOST, 64, false, 0);
	for (unsigned int i = 0; i < n; i++) {
		uint32_t len = rig_make_record(
			r, a, TLS_CT_APPLICATION_DATA, sstp, rig_sstp_data(sstp, pkt, 40), rec);
		struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);

		assert_non_null(m);
		m->data_off = MBUF_FRONT;
		memcpy(rte_pktmbuf_append(m, (uint16_t)len), rec, len);
		assert_int_equal(tcp_send(a->conn, m, r->now_us), 0);
	}
	tcp_push(a->conn, r->now_us);
	for (int i = 0; i < 4; i++)
		rig_run(r, 500);
	tcp_shutdown(b->conn, r->now_us);
	for (int i = 0; i < 6; i++)
		rig_run(r, 500);
	assert_true(r->nb_core < n / 2); // a has more
	assert_int_equal(rig_events(r, DP_EV_PEER_CLOSED), 1);
	rig_run(r, 500000);
	assert_int_equal(r->nb_core, n);
	rig_destroy(r);
}

// n data records of their own segment each, in one flight; the first of them damaged.
static void send_flight(struct rig *r, struct rig_client *c, unsigned int n, bool damaged)
{
	uint8_t pkt[400], sstp[408], rec[512];

	rig_packet(pkt, sizeof(pkt), IN_1, HOST, 64, false, 0);
	for (unsigned int i = 0; i < n; i++) {
		uint32_t len = rig_make_record(r, c, TLS_CT_APPLICATION_DATA, sstp,
			rig_sstp_data(sstp, pkt, sizeof(pkt)), rec);
		struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);

		assert_non_null(m);
		if (damaged && i == 0)
			rec[len / 2] ^= 1;
		m->data_off = MBUF_FRONT;
		memcpy(rte_pktmbuf_append(m, (uint16_t)len), rec, len);
		assert_int_equal(tcp_send(c->conn, m, r->now_us), 0);
	}
	tcp_push(c->conn, r->now_us);
}

// Records behind a bad one, opened where they lie: their buffers come back, which rig_destroy()
// checks.
static void bad_record_in_front(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	struct dp_msg *m;

	rig_open_data(r, c, IN_1, 1400, 0);
	send_flight(r, c, 8, true);
	m = rig_expect(r, DP_EV_CLOSED);
	assert_int_equal(m->u.closed.reason, DP_REASON_BAD_RECORD);
	dp_msg_free(r->ch, m);
	assert_int_equal(r->nb_core, 0);
	rig_destroy(r);
}

// More segments in one burst than the reader looks at in one turn: none waits for more to come.
static void long_flight(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);

	rig_open_data(r, c, IN_1, 1400, 0);
	for (int i = 0; i < 4; i++) { // the window grows
		send_flight(r, c, 60, false);
		rig_run(r, 100000);
	}
	assert_int_equal(r->nb_core, 240);
	r->hold_link = true; // the worker's acknowledgements, so that nothing more comes
	send_flight(r, c, 60, false);
	rig_run(r, 5000);
	assert_int_equal(r->nb_core, 300);
	r->hold_link = false;
	rig_run(r, 100000);
	rig_destroy(r);
}

// The alert for a bad record is followed by an orderly end, not by a reset that takes it away.
static void alert_before_the_end(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	uint8_t rec[512], plain[200] = {0x10};
	uint32_t n = rig_make_record(r, c, TLS_CT_APPLICATION_DATA, plain, sizeof(plain), rec);

	rec[n / 2] ^= 1;
	rig_send_raw(r, c, rec, n);
	dp_msg_free(r->ch, rig_expect(r, DP_EV_CLOSED));
	rig_run(r, 20000);
	assert_int_equal(c->alert, 20);
	assert_true(c->eof);
	assert_false(c->closed);
	assert_int_equal(rig_counter(r, CNT_tcp_rst_tx), 0);
	rig_destroy(r);
}

// ---- half packets

static void send_half(struct rig *r, struct rig_client *c)
{
	static const uint8_t half[10] = {0x10, 0, 0, 20, 0xff, 3, 0xc0, 0x21, 9, 1};

	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, half, sizeof(half));
	rig_run(r, 5000);
}

static void send_rest(struct rig *r, struct rig_client *c)
{
	static const uint8_t rest[10] = {0, 12, 1, 2, 3, 4, 5, 6, 7, 8};
	struct dp_msg *m;

	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, rest, sizeof(rest));
	m = rig_expect(r, DP_EV_RX_SSTP);
	assert_int_equal(m->handle, c->handle);
	assert_int_equal(m->len, 20);
	dp_msg_free(r->ch, m);
}

// There is room for a few: who keeps it long gives way, strangers before those that are logged in.
static void half_packets(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *a = rig_connect_sstp(r), *b = rig_connect_sstp(r);
	struct rig_client *c = rig_connect_sstp(r), *d = rig_connect_sstp(r);
	void *other[64];
	unsigned int nb = 0;
	struct dp_msg *m;

	rig_open_data(r, b, IN_1, 1400, 0);
	while (rte_mempool_avail_count(r->w->stashes) > 2)
		assert_int_equal(rte_mempool_get(r->w->stashes, &other[nb++]), 0);
	send_half(r, b);
	rig_run(r, 300000);
	send_half(r, a);
	rig_run(r, 300000);
	send_half(r, c); // a has had its room for a moment only, b is known
	m = rig_expect(r, DP_EV_CLOSED);
	assert_int_equal(m->handle, c->handle);
	dp_msg_free(r->ch, m);
	assert_int_equal(rig_counter(r, CNT_stash_full), 1);
	rig_run(r, 300000);
	send_half(r, d);
	m = rig_expect(r, DP_EV_CLOSED);
	assert_int_equal(m->handle, a->handle);
	assert_int_equal(m->u.closed.reason, DP_REASON_FLOOD);
	dp_msg_free(r->ch, m);
	assert_int_equal(rig_counter(r, CNT_stash_gave_way), 1);
	send_rest(r, b);
	send_rest(r, d);
	send_half(r, b); // and again
	send_rest(r, b);
	while (nb)
		rte_mempool_put(r->w->stashes, other[--nb]);
	rig_destroy(r);
}

// ---- secrets

// A password that came in two records stays nowhere.
static void control_bytes_wiped(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	static const uint8_t pap[22] = {0x10, 0, 0, 22, 0xff, 3, 0xc0, 0x23, 1, 1, 0, 14, 1, 'u', 7,
		's', 'e', 'c', 'r', 'e', 't', '!'};
	const uint8_t *stash;

	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, pap, 18);
	rig_run(r, 20000);
	stash = rig_session(r, c)->stash;
	assert_non_null(stash);
	assert_memory_equal(stash, pap, 18);
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, pap + 18, 4);
	dp_msg_free(r->ch, rig_expect(r, DP_EV_RX_SSTP));
	for (int i = 0; i < 22; i++)
		assert_int_equal(stash[i], 0);
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_packets),
		cmocka_unit_test(queues_share),
		cmocka_unit_test(flows_apart),
		cmocka_unit_test(flows_bounded),
		cmocka_unit_test(memory_short),
		cmocka_unit_test(memory_share),
		cmocka_unit_test(remote_window),
		cmocka_unit_test(remote_jumbo),
		cmocka_unit_test(key_limit_of_messages),
		cmocka_unit_test(fin_behind_key_update),
		cmocka_unit_test(end_beside_a_busy_one),
		cmocka_unit_test(alert_before_the_end),
		cmocka_unit_test(bad_record_in_front),
		cmocka_unit_test(long_flight),
		cmocka_unit_test(control_bytes_wiped),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
