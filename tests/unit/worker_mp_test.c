// SPDX-License-Identifier: BSD-3-Clause
// Multilink on a session's one link, through a worker: fragments both ways, what is missing, what
// is too much, and who gives way.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <rte_ip.h>

#include "dataplane/session_mp.h"
#include "protocol/sstp/sstp.h"
#include "tests/unit/mp_rig.h"

#define IN_1 IP4(10, 0, 0, 2)
#define IN_2 IP4(10, 0, 0, 3)
#define HOST IP4(203, 0, 113, 5)

static uint32_t rnd(uint32_t *s)
{
	*s = *s * 1664525 + 1013904223;
	return *s >> 8;
}

// ---- down

static void down(bool short_seq, uint16_t mrru)
{
	struct rig_client *c;
	struct ppp_mp_rx rx;
	uint8_t pkt[2200], got[65600];
	uint32_t s = 5, sent = 0, big = 0;
	uint64_t bytes = 0;

	mp_start(1600, 8192);
	c = mp_dial(IN_1, mrru, 0, short_seq ? DP_MP_TX_SHORT : 0);
	ppp_mp_rx_init(&rx, mrru, short_seq);
	for (int i = 0; i < 400; i++) {
		uint16_t len = (uint16_t)(i % 3 ? 60 + rnd(&s) % (mrru - 60) : mrru);

		rig_packet(pkt, len, HOST, IN_1, 64, i & 1, (uint32_t)i);
		rig_core_in(mp_rig, pkt, len);
		if (i % 5 == 0)
			rig_run(mp_rig, 1000);
		sent++;
		big += len > MP_MTU;
		bytes += len;
	}
	rig_run(mp_rig, 100000);
	s = 5;
	for (int i = 0; i < 400; i++) {
		uint16_t len = (uint16_t)(i % 3 ? 60 + rnd(&s) % (mrru - 60) : mrru);

		rig_packet(pkt, len, HOST, IN_1, 63, i & 1, (uint32_t)i);
		assert_int_equal(mp_take_packet(c, &rx, got), len);
		assert_memory_equal(got, pkt, len);
	}
	assert_int_equal(mp_take_packet(c, &rx, got), 0);
	// Packets are counted, not fragments.
	assert_int_equal(rig_session(mp_rig, c)->tx_packets, sent);
	assert_int_equal(rig_session(mp_rig, c)->tx_bytes, bytes);
	assert_int_equal(rig_counter(mp_rig, CNT_mp_tx_packets), big);
	assert_int_equal(rig_counter(mp_rig, CNT_mp_tx_fragments), 2 * big);
	assert_true(big > 100);
	mp_stop();
}

static void down_short_and_long(void **state)
{
	down(false, 1600);
	down(true, 1600);
	down(false, 2100);
}

// Above the MRRU it is as it is above an MTU.
static void down_above_mrru(void **state)
{
	struct rig_client *c;
	struct ppp_mp_rx rx;
	uint8_t pkt[2200], got[65600];
	const struct rte_ipv4_hdr *ip;
	uint32_t len, sum = 0;

	mp_start(1600, 8192);
	c = mp_dial(IN_1, 1500, 1600, 0);
	ppp_mp_rx_init(&rx, 1500, false);
	rig_packet(pkt, 1501, HOST, IN_1, 64, true, 1);
	rig_core_in(mp_rig, pkt, 1501);
	rig_run(mp_rig, 5000);
	assert_int_equal(mp_take_packet(c, &rx, got), 0);
	assert_int_equal(mp_rig->nb_core, 1);
	ip = rte_pktmbuf_mtod(mp_rig->core[0], const struct rte_ipv4_hdr *);
	assert_int_equal(ip->src_addr, rte_cpu_to_be_32(MP_LOCAL));
	assert_memory_equal((const uint8_t *)ip + 20, "\x03\x04", 2);
	assert_memory_equal((const uint8_t *)ip + 26, "\x05\xdc", 2); // 1500
	rig_packet(pkt, 2100, HOST, IN_1, 64, false, 1);
	rig_core_in(mp_rig, pkt, 2100);
	rig_run(mp_rig, 5000);
	while ((len = mp_take_packet(c, &rx, got))) {
		assert_true(len <= 1500);
		sum += len - 20;
	}
	assert_int_equal(sum, 2080);
	mp_stop();
}

// Clients with many small fragments that take nothing leave room in the queues to the others.
static void down_stalled(void **state)
{
	uint8_t pkt[2048], in[SSTP_MAX_PACKET];
	struct rig_client *c[6];

	mp_start(2100, 8192);
	for (unsigned int i = 0; i < 6; i++) {
		struct dp_msg *m;

		c[i] = mp_dial(IN_1 + i, 2100, 0, 0);
		m = rig_msg(mp_rig, DP_CMD_OPEN_DATA, c[i]->handle);
		m->u.open.inner = IN_1 + i;
		m->u.open.local = MP_LOCAL;
		m->u.open.mtu = i < 5 ? 128 : MP_MTU;
		m->u.open.mp = (struct dp_mp){.tx_mrru = 2100};
		rig_command(mp_rig, m);
	}
	// None is cut before its first fragment can go.
	mp_rig->w->snd_max = 0;
	for (unsigned int i = 0; i < 5; i++) {
		rig_packet(pkt, 2000, HOST, IN_1 + i, 64, true, 1);
		rig_core_in(mp_rig, pkt, 2000);
	}
	rig_run(mp_rig, 500);
	assert_int_equal(mp_rig->w->txq_held, 5);
	mp_rig->w->snd_max = 1000;
	mp_rig->w->txq_max = 64;
	mp_rig->hold_link = true;
	for (unsigned int n = 0; n < 100; n++) {
		for (unsigned int i = 0; i < 5; i++) {
			rig_packet(pkt, 2000, HOST, IN_1 + i, 64, true, 1);
			rig_core_in(mp_rig, pkt, 2000);
		}
		rig_run(mp_rig, 500);
		assert_true(mp_rig->w->txq_held < mp_rig->w->txq_max);
	}
	assert_true(rig_counter(mp_rig, CNT_mp_tx_fragments) > 100);
	rig_packet(pkt, 500, HOST, IN_1 + 5, 64, true, 1);
	rig_core_in(mp_rig, pkt, 500);
	mp_rig->hold_link = false;
	rig_run(mp_rig, 2000);
	assert_int_equal(rig_take_sstp(mp_rig, c[5], in), 508);
	rig_run(mp_rig, 500000);
	mp_stop();
}

// Without multilink towards the client nothing is sent in fragments.
static void down_one_way_only(void **state)
{
	uint8_t pkt[2200];
	struct rig_client *c;

	mp_start(1600, 8192);
	c = mp_dial(IN_1, 0, 1600, 0);
	rig_packet(pkt, 1401, HOST, IN_1, 64, true, 1);
	rig_core_in(mp_rig, pkt, 1401);
	rig_run(mp_rig, 5000);
	assert_int_equal(c->in_len, 0);
	assert_int_equal(mp_rig->nb_core, 1);
	assert_int_equal(rig_counter(mp_rig, CNT_inner_too_big), 1);
	mp_stop();
}

// A bundle made anew counts from 0; OPEN_DATA with the same one goes on.
static void numbers_begin_anew(void **state)
{
	uint8_t pkt[1500], sstp[SSTP_MAX_PACKET];
	struct rig_client *c;
	struct dp_msg *m;

	mp_start(1600, 8192);
	c = mp_dial(IN_1, 1600, 1600, 0);
	rig_packet(pkt, 1500, HOST, IN_1, 64, false, 1);
	for (uint32_t i = 0; i < 4; i++) {
		if (i == 1) {
			m = rig_msg(mp_rig, DP_CMD_OPEN_DATA, c->handle);
			m->u.open.inner = IN_1;
			m->u.open.local = MP_LOCAL;
			m->u.open.mtu = MP_MTU;
			m->u.open.mp = (struct dp_mp){.tx_mrru = 1600, .rx_mrru = 1600};
			rig_command(mp_rig, m);
		}
		if (i == 3)
			mp_set(c, 1600, 1600, 0);
		rig_core_in(mp_rig, pkt, 1500);
		rig_run(mp_rig, 5000);
		for (uint32_t k = 0; k < 2; k++) {
			assert_true(rig_take_sstp(mp_rig, c, sstp) > 12);
			assert_int_equal(sstp[11], i == 3 ? k : 2 * i + k);
			assert_int_equal(sstp[8], k ? 0x40 : 0x80);
		}
	}
	mp_stop();
}

// ---- up

// Cut in every way, and packed into records in every way.
static void up_any_cut(void **state)
{
	uint8_t frame[1602], stream[40000];
	struct rig_client *c;
	uint32_t s = 1, number = 0;
	unsigned int packets = 0;

	mp_start(1600, 8192);
	c = mp_dial(IN_1, 0, 1600, DP_MP_RX_SHORT);
	for (int round = 0; round < 60; round++) {
		uint32_t n = 0;

		for (int k = 0; k < 1 + (int)(rnd(&s) % 4); k++) {
			uint32_t len = mp_make_frame(
				frame, (uint16_t)(60 + rnd(&s) % 1440), IN_1, HOST, false);
			uint32_t most = 1 + rnd(&s) % 1400, at = 0;

			if (most < 40)
				most = 40;
			if (rnd(&s) % 4 == 0)
				most = len;
			while (at < len) {
				uint32_t take = RTE_MIN(most, len - at);

				n += mp_put_fragment(stream + n, number++ & 0xfff,
					at            ? at + take == len ? "E" : ""
					: take == len ? "BE"
						      : "B",
					frame + at, take, true);
				at += take;
			}
			packets++;
			if (n > 12000)
				break;
		}
		for (uint32_t at = 0; at < n;) {
			uint32_t take = 1 + rnd(&s) % 3000;

			take = RTE_MIN(take, n - at);
			rig_send_record(mp_rig, c, TLS_CT_APPLICATION_DATA, stream + at, take);
			at += take;
			rig_run(mp_rig, 500);
		}
		rig_run(mp_rig, 20000);
		assert_int_equal(mp_rig->nb_core, packets);
		mp_check_core(packets - 1, frame, mp_rig->core[packets - 1]->pkt_len + 2);
	}
	assert_int_equal(rig_counter(mp_rig, CNT_mp_rx_packets), packets);
	assert_int_equal(
		rig_counter(mp_rig, CNT_mp_rx_gap) + rig_counter(mp_rig, CNT_mp_rx_incomplete), 0);
	assert_int_equal(rig_session(mp_rig, c)->rx_packets, packets);
	mp_stop();
}

static void up_losses(void **state)
{
	uint8_t frame[1602];
	struct rig_client *c;
	uint32_t n;

	mp_start(1600, 8192);
	c = mp_dial(IN_1, 0, 1600, 0);
	n = mp_make_frame(frame, 1500, IN_1, HOST, true);
	mp_seq = 0;
	mp_send_fragment(c, "B", frame, 1000); // its end is skipped
	mp_seq++;
	mp_send_fragment(c, "E", frame + 1000, n - 1000);
	rig_run(mp_rig, 20000);
	assert_int_equal(mp_rig->nb_core, 0);
	assert_int_equal(rig_counter(mp_rig, CNT_mp_rx_gap), 1);
	assert_int_equal(rig_counter(mp_rig, CNT_mp_rx_incomplete), 1);
	mp_send_frame(c, frame, n, 700);
	assert_int_equal(mp_rig->nb_core, 1);
	mp_send_fragment(c, "B", frame, 1000); // and once more with a beginning behind it
	mp_send_frame(c, frame, n, 700);
	assert_int_equal(mp_rig->nb_core, 2);
	assert_int_equal(rig_counter(mp_rig, CNT_mp_rx_incomplete), 2);
	mp_seq = 0; // a peer that begins anew
	mp_send_frame(c, frame, n, 700);
	assert_int_equal(mp_rig->nb_core, 3);
	mp_send_frame(c, frame, n, n); // in one
	assert_int_equal(mp_rig->nb_core, 4);
	for (unsigned int i = 0; i < 4; i++)
		mp_check_core(i, frame, n);
	assert_int_equal(rig_session(mp_rig, c)->rx_drops, 2);
	mp_stop();
}

static void up_hostile(void **state)
{
	uint8_t frame[4096] = {0}, out[SSTP_MAX_PACKET];
	struct rig_client *c;
	uint32_t n;

	mp_start(1600, 8192);
	c = mp_dial(IN_1, 0, 1600, 0);
	mp_seq = 0;
	// Never-ending.
	mp_send_fragment(c, "B", frame, 1000);
	for (int i = 0; i < 50; i++)
		mp_send_fragment(c, "", frame, i < 5 ? 100 : i < 20 ? 0 : 300);
	rig_run(mp_rig, 20000);
	assert_int_equal(rig_counter(mp_rig, CNT_mp_rx_too_big), 1);
	assert_int_equal(mp_pool->parts[0].n, 0);
	// Too large at once, more than any mbuf holds, and above the MRRU by a byte.
	mp_send_fragment(c, "BE", frame, 4000);
	mp_send_fragment(c, "B", frame, 4000);
	n = mp_make_frame(frame, 1601, IN_1, HOST, false);
	mp_send_frame(c, frame, n, 1000);
	mp_send_frame(c, frame, n, n);
	rig_run(mp_rig, 20000);
	assert_int_equal(rig_counter(mp_rig, CNT_mp_rx_too_big), 5);
	assert_int_equal(mp_rig->nb_core, 0);
	// No header, no protocol, a fragment in a fragment, somebody else's source.
	memcpy(out, "\x10\x00\x00\x0b\xff\x03\x00\x3d\xc0\x00\x00", 11);
	rig_send_record(mp_rig, c, TLS_CT_APPLICATION_DATA, out, 11);
	mp_send_fragment(c, "BE", "\x00", 1);
	mp_send_fragment(c, "BE", "\x00\x3d\xc0\x00\x00\x00", 6);
	rig_run(mp_rig, 20000);
	assert_int_equal(rig_counter(mp_rig, CNT_mp_rx_malformed), 3);
	n = mp_make_frame(frame, 1500, IN_2, HOST, false);
	mp_send_frame(c, frame, n, 1000);
	assert_int_equal(rig_counter(mp_rig, CNT_inner_spoofed), 1);
	assert_int_equal(mp_rig->nb_core, 0);
	n = mp_make_frame(frame, 1600, IN_1, HOST, false);
	mp_send_frame(c, frame, n, 1000);
	rig_run(mp_rig, 20000);
	assert_true(mp_rig->nb_core == 2); // in IP fragments: core's MTU is 1500
	mp_stop();
}

// ---- control frames

static void control_frames(void **state)
{
	uint8_t ipcp[64] = {0xff, 0x03, 0x80, 0x21, 1, 1, 0, 60};
	uint8_t echo[] = {0xc0, 0x21, 9, 1, 0, 8, 1, 2, 3, 4};
	uint8_t conf[] = {0xc0, 0x21, 1, 1, 0, 4}, frame[1600];
	struct rig_client *c;
	struct dp_msg *m;

	mp_start(1600, 8192);
	c = rig_connect_sstp(mp_rig);
	mp_set(c, 1600, 1600, 0);
	mp_seq = 0;
	// Before data pass: NCP's, whole and in pieces, but no data.
	mp_send_frame(c, ipcp, 64, 64);
	mp_send_frame(c, ipcp, 64, 3);
	for (int i = 0; i < 2; i++) {
		m = rig_expect(mp_rig, DP_EV_RX_SSTP);
		assert_int_equal(m->len, 68);
		assert_memory_equal(m->data, "\x10\x00\x00\x44", 4);
		assert_memory_equal(m->data + 4, ipcp, 64);
		dp_msg_free(mp_rig->ch, m);
	}
	mp_make_frame(frame, 1500, IN_1, HOST, false);
	mp_send_frame(c, frame, 1502, 1000);
	mp_send_frame(c, frame, 1502, 1502);
	assert_int_equal(rig_counter(mp_rig, CNT_ppp_rx_early_data), 2);
	// LCP, but nothing that would configure or end the link.
	mp_send_frame(c, conf, sizeof(conf), 3);
	mp_send_frame(c, conf, sizeof(conf), 100);
	mp_send_frame(c, echo, sizeof(echo), 3);
	m = rig_expect(mp_rig, DP_EV_RX_SSTP);
	assert_memory_equal(m->data + 4, echo, sizeof(echo));
	dp_msg_free(mp_rig->ch, m);
	rig_run(mp_rig, 5000);
	assert_null(rig_event(mp_rig, DP_EV_RX_SSTP));
	assert_int_equal(rig_counter(mp_rig, CNT_mp_rx_malformed), 2);
	mp_stop();
}

// A password that came in fragments stays nowhere.
static void control_frames_wiped(void **state)
{
	uint8_t pap[] = {0xc0, 0x23, 1, 1, 0, 14, 1, 'u', 7, 's', 'e', 'c', 'r', 'e', 't', '!'};
	const uint8_t *part;
	struct rig_client *c;
	struct dp_msg *m;

	mp_start(1600, 8192);
	c = rig_connect_sstp(mp_rig);
	mp_set(c, 1600, 1600, 0);
	mp_seq = 0;
	mp_send_fragment(c, "B", pap, 13);
	rig_run(mp_rig, 20000);
	part = rte_pktmbuf_mtod(rig_session(mp_rig, c)->mp->part, const uint8_t *);
	assert_memory_equal(part, pap, 13);
	mp_send_fragment(c, "E", pap + 13, 3);
	m = rig_expect(mp_rig, DP_EV_RX_SSTP);
	assert_memory_equal(m->data + 4, pap, sizeof(pap));
	dp_msg_free(mp_rig->ch, m);
	for (unsigned int i = 0; i < sizeof(pap); i++)
		assert_int_equal(part[i], 0);
	mp_send_fragment(c, "B", pap, 13); // and never more
	rig_run(mp_rig, 20000);
	part = rte_pktmbuf_mtod(rig_session(mp_rig, c)->mp->part, const uint8_t *);
	mp_set(c, 0, 0, 0);
	for (unsigned int i = 0; i < 13; i++)
		assert_int_equal(part[i], 0);
	mp_stop();
}

// With no room for an event a control frame waits, and comes once.
static void control_frames_wait(void **state)
{
	uint8_t ipcp[64] = {0x80, 0x21, 1, 1, 0, 62};
	struct rig_client *c;
	struct dp_msg *m;
	unsigned int got = 0;

	mp_start(1600, 8192);
	c = mp_dial(IN_1, 1600, 1600, 0);
	mp_seq = 0;
	for (uint8_t i = 0; i < 250; i++) {
		ipcp[3] = i;
		mp_send_fragment(c, "B", ipcp, 30);
		mp_send_fragment(c, i & 1 ? "E" : "", ipcp + 30, 34);
		if (!(i & 1))
			mp_send_fragment(c, "E", ipcp, 0);
	}
	for (int i = 0; i < 2000 && got < 250; i++) {
		rig_run(mp_rig, 1000);
		while ((m = rig_event(mp_rig, DP_EV_RX_SSTP))) {
			assert_int_equal(m->data[4 + 3], got);
			assert_int_equal(m->len, 68);
			got++;
			dp_msg_free(mp_rig->ch, m);
		}
	}
	assert_int_equal(got, 250);
	assert_int_equal(
		rig_counter(mp_rig, CNT_mp_rx_gap) + rig_counter(mp_rig, CNT_mp_rx_incomplete), 0);
	mp_stop();
}

static int setup(void **state)
{
	rig_eal();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(down_short_and_long),
		cmocka_unit_test(down_above_mrru),
		cmocka_unit_test(down_stalled),
		cmocka_unit_test(down_one_way_only),
		cmocka_unit_test(numbers_begin_anew),
		cmocka_unit_test(up_any_cut),
		cmocka_unit_test(up_losses),
		cmocka_unit_test(up_hostile),
		cmocka_unit_test(control_frames),
		cmocka_unit_test(control_frames_wiped),
		cmocka_unit_test(control_frames_wait),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
