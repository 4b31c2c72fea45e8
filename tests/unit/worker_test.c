// SPDX-License-Identifier: BSD-3-Clause
// A worker's sessions and forwarding, in process: a client's TCP stack on one side, the test as
// control plane and as core.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#include "protocol/sstp/sstp.h"
#include "tests/unit/worker_rig.h"

#define IN_1 IP4(10, 0, 0, 2)
#define IN_2 IP4(10, 0, 0, 3)
#define HOST IP4(203, 0, 113, 5)
#define LOCAL IP4(10, 0, 0, 1)

static uint32_t rnd(uint32_t *s)
{
	*s = *s * 1664525 + 1013904223;
	return *s >> 8;
}

// ---- set-up

// Raw bytes carry their offsets, stay until consumed, and what comes behind the last consumed byte
// is a record.
static void raw_then_records(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect(r);
	struct dp_msg *m;

	rig_send_raw(r, c, "abcdef", 6);
	m = rig_expect(r, DP_EV_RX_RAW);
	assert_int_equal(m->u.rx.offset, 0);
	assert_int_equal(m->len, 6);
	assert_memory_equal(m->data, "abcdef", 6);
	dp_msg_free(r->ch, m);
	m = rig_msg(r, DP_CMD_CONSUME, c->handle);
	m->u.consume.offset = 4;
	rig_command(r, m);
	// The keys come with an offset beyond what was consumed.
	m = rig_msg(r, DP_CMD_INSTALL, c->handle);
	dp_msg_free(r->ch, m);
	rig_send_raw(r, c, "gh", 2);
	m = rig_expect(r, DP_EV_RX_RAW);
	assert_int_equal(m->u.rx.offset, 6);
	dp_msg_free(r->ch, m);
	m = rig_msg(r, DP_CMD_CONSUME, c->handle);
	m->u.consume.offset = 8;
	rig_command(r, m);
	rig_install(r, c);
	// raw_base is 8, rx_offset 0: nothing more is consumed, and the next bytes are records.
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, "POST", 4);
	m = rig_expect(r, DP_EV_RX_PLAIN);
	assert_int_equal(m->u.rx.offset, 0);
	assert_memory_equal(m->data, "POST", 4);
	dp_msg_free(r->ch, m);
	rig_destroy(r);
}

// HTTP in pieces, and SSTP behind it in the same record.
static void http_then_sstp_in_one_record(void **state)
{
	struct rig *r = rig_create(0x0303, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect(r);
	uint8_t req[64] = "SSTP / HTTP/1.1\r\n\r\n";
	uint8_t echo[8] = {0x10, 1, 0, 8, 0, 8, 0, 0};
	struct dp_msg *m;

	rig_install(r, c);
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, req, 10);
	memcpy(req + 19, echo, 8);
	memcpy(req + 27, echo, 8);
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, req + 10, 25);
	m = rig_expect(r, DP_EV_RX_PLAIN);
	assert_int_equal(m->len, 10);
	dp_msg_free(r->ch, m);
	m = rig_expect(r, DP_EV_RX_PLAIN);
	assert_int_equal(m->u.rx.offset, 10);
	assert_int_equal(m->len, 25);
	dp_msg_free(r->ch, m);
	assert_null(rig_event(r, DP_EV_RX_SSTP));
	m = rig_msg(r, DP_CMD_SSTP_START, c->handle);
	m->u.consume.offset = 19;
	rig_command(r, m);
	for (int i = 0; i < 2; i++) {
		m = rig_expect(r, DP_EV_RX_SSTP);
		assert_int_equal(m->len, 8);
		assert_memory_equal(m->data, echo, 8);
		dp_msg_free(r->ch, m);
	}
	rig_destroy(r);
}

// The control plane's messages reach the client as records.
static void control_to_client(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_128_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	struct dp_msg *m = rig_msg(r, DP_CMD_SEND_APP, c->handle);

	m->len = 4000;
	for (int i = 0; i < 4000; i++)
		m->data[i] = (uint8_t)(i * 7);
	rig_command(r, m);
	rig_run(r, 100000);
	assert_int_equal(c->in_len, 4000);
	for (int i = 0; i < 4000; i++)
		assert_int_equal(c->in[i], (uint8_t)(i * 7));
	rig_destroy(r);
}

// ---- data up

// Packets of all sizes, packed into records at random, records cut into segments at random: all
// arrive at core in order, byte-exact.
static void up(uint16_t version, enum tls_aead aead, uint32_t seed)
{
	struct rig *r = rig_create(version, aead);
	struct rig_client *c = rig_connect_sstp(r);
	uint8_t *stream = malloc(1 << 20), rec[TLS_REC_MAX_CIPHER_12 + 64];
	uint32_t n = 0, at = 0, packets = 300, s = seed;
	uint8_t pkt[2048], want[2048];

	rig_open_data(r, c, IN_1, 1500, 0);
	for (uint32_t i = 0; i < packets; i++) {
		uint16_t len = (uint16_t)(32 + rnd(&s) % (rnd(&s) % 4 ? 100 : 1469));

		rig_packet(pkt, len, IN_1, HOST, 64, false, i);
		n += rig_sstp_data(stream + n, pkt, len);
	}
	while (at < n) {
		uint32_t k = 1 + rnd(&s) % (rnd(&s) % 8 ? 3000 : 16384), total, cut = 0;

		k = RTE_MIN(k, n - at);
		total = rig_make_record(r, c, TLS_CT_APPLICATION_DATA, stream + at, k, rec);
		while (cut < total) {
			uint32_t seg = RTE_MIN(1 + rnd(&s) % 1400, total - cut);

			rig_send_raw(r, c, rec + cut, seg);
			cut += seg;
		}
		at += k;
		rig_run(r, 1000);
	}
	rig_run(r, 500000);
	assert_int_equal(r->nb_core, packets);
	s = seed;
	for (uint32_t i = 0; i < packets; i++) {
		uint16_t len = (uint16_t)(32 + rnd(&s) % (rnd(&s) % 4 ? 100 : 1469));

		rig_packet(want, len, IN_1, HOST, 63, false, i);
		assert_int_equal(r->core[i]->pkt_len, len);
		assert_memory_equal(rte_pktmbuf_mtod(r->core[i], void *), want, len);
	}
	free(stream);
	rig_destroy(r);
}

static void up_any_records(void **state)
{
	for (size_t i = 0; i < RTE_DIM(rig_suites); i++)
		for (uint32_t seed = 1; seed <= 4; seed++)
			up(rig_suites[i].version, rig_suites[i].aead, seed);
}

static struct rte_ipv4_hdr *core_ip(struct rig *r, unsigned int i)
{
	return rte_pktmbuf_mtod(r->core[i], struct rte_ipv4_hdr *);
}

static void send_up(struct rig *r, struct rig_client *c, uint16_t len, uint32_t src, uint32_t dst,
	uint8_t ttl, bool df)
{
	uint8_t pkt[2048], sstp[2048];

	rig_packet(pkt, len, src, dst, ttl, df, 1);
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, sstp, rig_sstp_data(sstp, pkt, len));
	rig_run(r, 50000);
}

// Nothing passes before OPEN_DATA, nothing with another's source, nothing malformed; control
// protocols always reach the control plane.
static void up_refused(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	static const uint8_t lcp[] = {0x10, 0, 0, 12, 0xff, 3, 0xc0, 0x21, 9, 1, 0, 4};
	static const uint8_t bad_ppp[] = {0x10, 0, 0, 6, 0xff, 3};
	static const uint8_t short_ip[] = {0x10, 0, 0, 10, 0xff, 3, 0, 0x21, 0x45, 0};
	static const uint8_t compressed[] = {0x10, 0, 0, 7, 0x21, 0x45, 0};
	struct dp_msg *m;

	send_up(r, c, 100, IN_1, HOST, 64, false);
	assert_int_equal(rig_counter(r, CNT_ppp_rx_early_data), 1);
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, lcp, sizeof(lcp));
	m = rig_expect(r, DP_EV_RX_SSTP);
	assert_memory_equal(m->data, lcp, sizeof(lcp));
	dp_msg_free(r->ch, m);
	rig_open_data(r, c, IN_1, 1400, 0);
	send_up(r, c, 100, IN_2, HOST, 64, false);
	assert_int_equal(rig_counter(r, CNT_inner_spoofed), 1);
	send_up(r, c, 100, IN_1, IP4(224, 0, 0, 1), 64, false);
	send_up(r, c, 100, IN_1, IP4(255, 255, 255, 255), 64, false);
	send_up(r, c, 100, IN_1, IP4(127, 0, 0, 1), 64, false);
	assert_int_equal(rig_counter(r, CNT_inner_no_route), 3);
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, bad_ppp, sizeof(bad_ppp));
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, short_ip, sizeof(short_ip));
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, compressed, sizeof(compressed));
	rig_run(r, 50000);
	assert_int_equal(rig_counter(r, CNT_ppp_rx_malformed), 1);
	assert_int_equal(rig_counter(r, CNT_inner_malformed), 2);
	assert_int_equal(r->nb_core, 0);
	send_up(r, c, 100, IN_1, HOST, 64, false);
	assert_int_equal(r->nb_core, 1);
	m = rig_msg(r, DP_CMD_CLOSE_DATA, c->handle);
	rig_command(r, m);
	send_up(r, c, 100, IN_1, HOST, 64, false);
	assert_int_equal(r->nb_core, 1);
	rig_destroy(r);
}

// TTL that runs out comes back as ICMP from the local address; a ping to it is answered.
static void up_icmp(void **state)
{
	struct dp_msg *m;
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	uint8_t in[4096], pkt[128], sstp[160];
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(in + 8);
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)(ip + 1);
	struct rte_icmp_hdr *req = (struct rte_icmp_hdr *)(pkt + 20);

	rig_open_data(r, c, IN_1, 1400, 0);
	send_up(r, c, 100, IN_1, HOST, 1, false);
	assert_true(rig_take_sstp(r, c, in) > 36);
	assert_int_equal(icmp->icmp_type, 11);
	assert_int_equal(rte_be_to_cpu_32(ip->src_addr), LOCAL);
	assert_int_equal(rte_be_to_cpu_32(ip->dst_addr), IN_1);
	assert_int_equal(r->nb_core, 0);

	assert_int_equal(dp_local_address_add(r->ch, LOCAL), 0);
	rig_packet(pkt, 84, IN_1, LOCAL, 64, false, 0);
	((struct rte_ipv4_hdr *)pkt)->next_proto_id = 1;
	((struct rte_ipv4_hdr *)pkt)->hdr_checksum = 0;
	((struct rte_ipv4_hdr *)pkt)->hdr_checksum = rte_ipv4_cksum((struct rte_ipv4_hdr *)pkt);
	memset(req, 0, 64);
	req->icmp_type = 8;
	req->icmp_ident = RTE_BE16(77);
	req->icmp_cksum = (uint16_t)~rte_raw_cksum(req, 64);
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, sstp, rig_sstp_data(sstp, pkt, 84));
	rig_run(r, 50000);
	assert_int_equal(rig_take_sstp(r, c, in), 92);
	assert_int_equal(icmp->icmp_type, 0);
	assert_int_equal(icmp->icmp_ident, RTE_BE16(77));
	assert_int_equal(rte_be_to_cpu_32(ip->src_addr), LOCAL);
	assert_int_equal(rte_raw_cksum(icmp, 64), 0xffff);
	// An answer above its MTU goes in pieces.
	m = rig_msg(r, DP_CMD_OPEN_DATA, c->handle);
	m->u.open.inner = IN_1;
	m->u.open.local = LOCAL;
	m->u.open.mtu = 68;
	rig_command(r, m);
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, sstp, rig_sstp_data(sstp, pkt, 84));
	rig_run(r, 50000);
	assert_int_equal(rig_take_sstp(r, c, in), 8 + 68);
	assert_int_equal(icmp->icmp_type, 0);
	assert_int_equal(rig_take_sstp(r, c, in), 8 + 20 + 16);
	rig_destroy(r);
}

// ---- data down

// Packets of all sizes arrive at the client in order, byte-exact, and small ones share records.
static void down(uint16_t version, enum tls_aead aead, uint32_t seed)
{
	struct rig *r = rig_create(version, aead);
	struct rig_client *c = rig_connect_sstp(r);
	uint8_t pkt[2048], in[4096];
	uint32_t s = seed, got = 0, sent = 0;
	unsigned int before = c->records_in;

	rig_open_data(r, c, IN_1, 1400, 0);
	while (got < 600) {
		uint16_t len;

		for (int i = 0; i < 30 && sent < 600; i++, sent++) {
			uint32_t ls = seed + sent;

			len = (uint16_t)(32 + rnd(&ls) % (sent % 4 ? 70 : 1369));
			rig_core_in(r, pkt, rig_packet(pkt, len, HOST, IN_1, 64, true, sent));
		}
		rig_run(r, 20000);
		while ((len = rig_take_sstp(r, c, in))) {
			uint32_t ls = seed + got;
			uint16_t want = (uint16_t)(32 + rnd(&ls) % (got % 4 ? 70 : 1369));

			rig_packet(pkt, want, HOST, IN_1, 63, true, got);
			assert_int_equal(len, want + 8);
			assert_memory_equal(in + 4, "\xff\x03\x00\x21", 4);
			assert_memory_equal(in + 8, pkt, want);
			got++;
		}
		(void)s;
	}
	assert_true(c->records_in - before < 500);
	rig_destroy(r);
}

static void down_shared_records(void **state)
{
	for (size_t i = 0; i < RTE_DIM(rig_suites); i++)
		for (uint32_t seed = 1; seed <= 3; seed++)
			down(rig_suites[i].version, rig_suites[i].aead, seed * 1000);
}

// Over the MTU: DF gets an ICMP error to the sender, the rest is fragmented.
static void down_mtu(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	uint8_t pkt[2048], in[4096];
	unsigned int frags = 0;
	uint32_t bytes = 0;
	uint16_t len;

	rig_open_data(r, c, IN_1, 1000, 0);
	rig_core_in(r, pkt, rig_packet(pkt, 1400, HOST, IN_1, 64, true, 0));
	rig_run(r, 20000);
	assert_int_equal(c->in_len, 0);
	assert_int_equal(r->nb_core, 1);
	assert_int_equal(rte_be_to_cpu_32(core_ip(r, 0)->dst_addr), HOST);
	assert_int_equal(rte_be_to_cpu_32(core_ip(r, 0)->src_addr), LOCAL);
	assert_int_equal(((uint8_t *)(core_ip(r, 0) + 1))[0], 3);
	assert_int_equal(((uint8_t *)(core_ip(r, 0) + 1))[1], 4);
	assert_int_equal(
		((uint8_t *)(core_ip(r, 0) + 1))[6] << 8 | ((uint8_t *)(core_ip(r, 0) + 1))[7],
		1000);
	rig_core_in(r, pkt, rig_packet(pkt, 1400, HOST, IN_1, 64, false, 0));
	rig_run(r, 20000);
	while ((len = rig_take_sstp(r, c, in))) {
		assert_true(len <= 1008);
		frags++;
		bytes += len - 8u - 20u;
	}
	assert_int_equal(frags, 2);
	assert_int_equal(bytes, 1380);
	// For nobody, and with a TTL that runs out.
	rig_core_in(r, pkt, rig_packet(pkt, 100, HOST, IN_2, 64, false, 0));
	rig_core_in(r, pkt, rig_packet(pkt, 100, HOST, IN_1, 1, false, 0));
	rig_run(r, 20000);
	assert_int_equal(rig_counter(r, CNT_inner_no_route), 1);
	assert_int_equal(rig_counter(r, CNT_inner_ttl_expired), 1);
	assert_int_equal(c->in_len, 0);
	rig_destroy(r);
}

static void client_to_client(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *a = rig_connect_sstp(r), *b = rig_connect_sstp(r);
	uint8_t in[4096], want[512];

	rig_open_data(r, a, IN_1, 1400, 0);
	rig_open_data(r, b, IN_2, 1400, 0);
	send_up(r, a, 400, IN_1, IN_2, 64, false);
	assert_int_equal(rig_take_sstp(r, b, in), 408);
	rig_packet(want, 400, IN_1, IN_2, 63, false, 1);
	assert_memory_equal(in + 8, want, 400);
	assert_int_equal(r->nb_core, 0);
	assert_int_equal(rig_counter(r, CNT_fwd_hairpin), 1);
	rig_destroy(r);
}

// A client that does not read: its queue is bounded, packets are dropped and counted, and it goes
// on when it reads again.
static void down_bounded_queue(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r);
	uint8_t pkt[2048], in[4096];
	unsigned int got = 0;

	rig_open_data(r, c, IN_1, 1400, 0);
	r->hold_link = true;
	for (int i = 0; i < 3000; i++) {
		rig_core_in(r, pkt, rig_packet(pkt, 1000, HOST, IN_1, 64, true, (uint32_t)i));
		if (i % 16 == 0)
			rig_run(r, 500);
	}
	assert_true(rig_counter(r, CNT_session_tx_queue_drop) > 2000);
	assert_true(rte_mempool_in_use_count(r->w->pool) < 1200);
	r->hold_link = false;
	for (int i = 0; i < 40; i++) {
		rig_run(r, 100000);
		while (rig_take_sstp(r, c, in))
			got++;
	}
	assert_true(got > 10);
	assert_int_equal(got + rig_counter(r, CNT_session_tx_queue_drop), 3000);
	rig_destroy(r);
}

// ---- a slow control plane

// Nobody takes events and the messages run out: nothing is lost, data goes on, and everything comes
// in order afterwards.
static void events_wait(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r), *d = rig_connect_sstp(r);
	struct dp_msg *held[2048], *m;
	unsigned int nb = 0;

	rig_open_data(r, c, IN_1, 1400, 0);
	rig_open_data(r, d, IN_2, 1400, 0);
	while ((held[nb] = dp_msg_alloc(r->ch, DP_CMD_QUERY, 0)))
		nb++;
	for (uint8_t i = 0; i < 200; i++) {
		uint8_t echo[12] = {0x10, 0, 0, 12, 0xff, 3, 0xc0, 0x21, 9, i, 0, 4};

		rig_send_record(r, c, TLS_CT_APPLICATION_DATA, echo, sizeof(echo));
		if (i % 8 == 0)
			rig_run(r, 1000);
	}
	send_up(r, d, 100, IN_2, HOST, 64, false);
	assert_int_equal(r->nb_core, 1);
	tcp_shutdown(c->conn, r->now_us);
	rig_run(r, 50000);
	assert_int_equal(r->nb_ev, 0);
	while (nb)
		dp_msg_free(r->ch, held[--nb]);
	for (uint8_t i = 0; i < 200; i++) {
		m = rig_expect(r, DP_EV_RX_SSTP);
		assert_int_equal(m->data[9], i);
		dp_msg_free(r->ch, m);
	}
	m = rig_expect(r, DP_EV_PEER_CLOSED);
	assert_int_equal(m->u.closed.reason, DP_REASON_PEER_FIN);
	dp_msg_free(r->ch, m);
	rig_destroy(r);
}

// Commands for a session that is gone do nothing, also when its slot has a new one.
static void stale_handles(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct rig_client *c = rig_connect_sstp(r), *d;
	dp_handle old = c->handle;
	struct dp_msg *m;

	rig_abort(r, c);
	rig_expect_closed(r, DP_REASON_PEER_RST);
	d = rig_connect_sstp(r);
	assert_int_equal(dp_handle_slot(d->handle), dp_handle_slot(old));
	assert_true(d->handle != old);
	m = rig_msg(r, DP_CMD_CLOSE, old);
	m->u.close.abort = 1;
	rig_command(r, m);
	rig_command(r, rig_msg(r, DP_CMD_QUERY, old));
	assert_int_equal(rig_counter(r, CNT_command_stale), 2);
	rig_command(r, rig_msg(r, DP_CMD_QUERY, d->handle));
	dp_msg_free(r->ch, rig_expect(r, DP_EV_STATS));
	rig_destroy(r);
}

// More connections than slots: the newest are refused, the old ones live.
static void slots_run_out(void **state)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct ipaddr local = ipaddr_from4(RTE_BE32(IP4(192, 0, 2, 9)));
	struct ipaddr remote = ipaddr_from4(RTE_BE32(IP4(192, 0, 2, 1)));
	static struct rig_client extra;

	for (int i = 0; i < RIG_SESSIONS; i++)
		rig_connect(r);
	memset(&extra, 0, sizeof(extra));
	extra.conn = tcp_connect(r->client_tcp, &local, 0, &remote, 443, &extra, r->now_us);
	rig_run(r, 100000);
	assert_true(extra.closed);
	assert_null(rig_event(r, DP_EV_ACCEPTED));
	tcp_release(extra.conn, r->now_us);
	rig_send_raw(r, &r->c[0], "x", 1);
	dp_msg_free(r->ch, rig_expect(r, DP_EV_RX_RAW));
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_then_records),
		cmocka_unit_test(http_then_sstp_in_one_record),
		cmocka_unit_test(control_to_client),
		cmocka_unit_test(up_any_records),
		cmocka_unit_test(up_refused),
		cmocka_unit_test(up_icmp),
		cmocka_unit_test(down_shared_records),
		cmocka_unit_test(down_mtu),
		cmocka_unit_test(client_to_client),
		cmocka_unit_test(down_bounded_queue),
		cmocka_unit_test(events_wait),
		cmocka_unit_test(stale_handles),
		cmocka_unit_test(slots_run_out),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
