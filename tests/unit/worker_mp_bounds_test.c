// SPDX-License-Identifier: BSD-3-Clause
// Multilink in a worker: what packets in pieces may take, who gives way, and packets that no mbuf
// holds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#include "dataplane/session_mp.h"
#include "protocol/sstp/sstp.h"
#include "tests/unit/mp_rig.h"

#define IN_1 IP4(10, 0, 0, 2)
#define IN_2 IP4(10, 0, 0, 3)
#define HOST IP4(203, 0, 113, 5)

// ---- bounds

static void oldest_gives_way(void **state)
{
	uint8_t frame[1602];
	struct rig_client *c[4], *stranger;
	uint32_t n = mp_make_frame(frame, 1500, IN_1, HOST, false), at[4];

	mp_start(1600, 48); // three packets in pieces
	assert_int_equal(mp_pool->parts[0].max, 3);
	stranger = rig_connect_sstp(mp_rig);
	mp_set(stranger, 0, 1600, 0);
	for (unsigned int i = 0; i < 4; i++)
		c[i] = mp_dial(IN_1 + i, 0, 1600, 0);
	for (unsigned int i = 0; i < 4; i++) {
		mp_make_frame(frame, 1500, IN_1 + i, HOST, false);
		mp_seq = 0;
		mp_send_fragment(c[i], "B", frame, 1000);
		at[i] = mp_seq;
		rig_run(mp_rig, 20000);
	}
	assert_int_equal(rig_counter(mp_rig, CNT_mp_rx_gave_way), 1);
	// Nobody gives way to who has not logged in.
	mp_seq = 0;
	mp_send_fragment(stranger, "B", frame, 1000);
	rig_run(mp_rig, 20000);
	assert_int_equal(rig_counter(mp_rig, CNT_mp_rx_no_memory), 1);
	for (unsigned int i = 0; i < 4; i++) {
		mp_make_frame(frame, 1500, IN_1 + i, HOST, false);
		mp_seq = at[i];
		mp_send_fragment(c[i], "E", frame + 1000, n - 1000);
		rig_run(mp_rig, 20000);
		assert_int_equal(mp_rig->nb_core, i);
		if (i)
			mp_check_core(i - 1, frame, n);
	}
	assert_int_equal(mp_pool->parts[0].n, 0);
	// What waits when its session ends, or its bundle, goes with it.
	mp_seq = 10;
	mp_send_fragment(c[1], "B", frame, 1000);
	mp_send_fragment(c[2], "B", frame, 1000);
	rig_run(mp_rig, 20000);
	assert_int_equal(mp_pool->parts[0].n, 2);
	mp_set(c[2], 0, 0, 0);
	assert_int_equal(mp_pool->parts[0].n, 1);
	assert_int_equal(rig_session(mp_rig, c[2])->flags & SES_MP, 0);
	rig_abort(mp_rig, c[1]);
	rig_run(mp_rig, 5000);
	assert_int_equal(mp_pool->parts[0].n, 0);
	mp_stop();
}

// Packets that no mbuf holds: between two sessions, to core in IP fragments, refused with DF.
static void large_packets(void **state)
{
	static uint8_t frame[65600], got[65600];
	struct rig_client *a, *b;
	struct ppp_mp_rx rx;
	uint32_t n, sum = 0;

	mp_start(65531, 8192);
	assert_non_null(mp_pool->large);
	a = mp_dial(IN_1, 65531, 65531, 0);
	b = mp_dial(IN_2, 60000, 65531, 0);
	ppp_mp_rx_init(&rx, 60000, false);
	mp_seq = 0;
	n = mp_make_frame(frame, 50000, IN_1, IN_2, true);
	mp_send_frame(a, frame, n, 1300);
	rig_run(mp_rig, 200000);
	assert_int_equal(mp_take_packet(b, &rx, got), 50000);
	rig_packet(frame + 2, 50000, IN_1, IN_2, 63, true, 7);
	assert_memory_equal(got, frame + 2, 50000);
	// The largest there is.
	n = mp_make_frame(frame, 65531, IN_1, HOST, false);
	mp_send_frame(a, frame, n, 4000);
	rig_run(mp_rig, 5000);
	assert_true(mp_rig->nb_core > 40);
	for (unsigned int i = 0; i < mp_rig->nb_core; i++) {
		assert_true(mp_rig->core[i]->pkt_len <= 1500);
		sum += mp_rig->core[i]->pkt_len - 20;
	}
	assert_int_equal(sum, 65531 - 20);
	sum = mp_rig->nb_core;
	n = mp_make_frame(frame, 3000, IN_1, HOST, true);
	mp_send_frame(a, frame, n, 1000);
	rig_run(mp_rig, 20000);
	assert_int_equal(mp_rig->nb_core, sum);
	ppp_mp_rx_init(&rx, 65531, false);
	assert_true(mp_take_packet(a, &rx, got) > 40); // ICMP
	assert_memory_equal(got + 20, "\x03\x04", 2);
	// One that says that it is short: what follows is padding.
	n = mp_make_frame(frame, 100, IN_1, HOST, true);
	memset(frame + n, 0, 6000);
	mp_send_frame(a, frame, 6000, 1000);
	rig_run(mp_rig, 5000);
	assert_int_equal(mp_rig->nb_core, sum + 1);
	mp_check_core(sum, frame, n);
	assert_int_equal(rte_mempool_in_use_count(mp_pool->large), 0);
	mp_stop();
}

// Large packets that wait for a client that takes nothing, or for their rate, leave large mbufs to
// the others.
static void large_ones_wait(void **state)
{
	static uint8_t frame[65600];
	struct rig_client *a, *b, *c;
	struct dp_msg *m;
	uint32_t n;

	mp_start(65531, 8192);
	a = mp_dial(IN_1, 0, 65531, 0);
	b = mp_dial(IN_2, 60000, 65531, 0);
	c = mp_dial(IN_2 + 1, 0, 65531, 0);
	m = rig_msg(mp_rig, DP_CMD_OPEN_DATA, c->handle);
	m->u.open.inner = IN_2 + 1;
	m->u.open.local = MP_LOCAL;
	m->u.open.mtu = MP_MTU;
	m->u.open.mp = (struct dp_mp){.rx_mrru = 65531};
	m->u.open.rate_rx.bps = 20000000;
	rig_command(mp_rig, m);
	// b takes nothing.
	mp_rig->w->snd_max = 0;
	mp_seq = 0;
	n = mp_make_frame(frame, 2300, IN_1, IN_2, true);
	for (int i = 0; i < 300; i++)
		mp_send_frame(a, frame, n, 1300);
	assert_true(rig_session(mp_rig, b)->mp->nb_large > 60);
	assert_true(rte_mempool_avail_count(mp_pool->large) >= mp_pool->large->size / 2);
	assert_int_equal(
		rig_session(mp_rig, b)->mp->nb_large, rte_mempool_in_use_count(mp_pool->large));
	// c is above its rate.
	mp_seq = 0;
	n = mp_make_frame(frame, 2300, IN_2 + 1, HOST, false);
	for (uint32_t i = 0; i < 600; i++) {
		mp_send_fragment(c, "B", frame, 1300);
		mp_send_fragment(c, "E", frame + 1300, n - 1300);
		if (i % 8 == 7)
			rig_run(mp_rig, 500);
		assert_true(
			rte_mempool_avail_count(mp_pool->large) >= mp_pool->large->size / 2 - 1);
	}
	mp_rig->w->snd_max = 1000;
	rig_run(mp_rig, 1000000);
	assert_int_equal(rig_session(mp_rig, b)->mp->nb_large, 0);
	assert_int_equal(rte_mempool_in_use_count(mp_pool->large), 0);
	mp_stop();
}

// The local address answers as large a ping as can be put together.
static void large_ping(void **state)
{
	static uint8_t frame[65600], got[65600];
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + 2);
	struct rig_client *a;
	struct ppp_mp_rx rx;
	uint16_t sum;

	mp_start(65531, 8192);
	assert_int_equal(dp_local_address_add(mp_rig->ch, MP_LOCAL), 0);
	a = mp_dial(IN_1, 65531, 65531, 0);
	ppp_mp_rx_init(&rx, 65531, false);
	mp_seq = 0;
	mp_make_frame(frame, 40000, IN_1, MP_LOCAL, false);
	ip->next_proto_id = IPPROTO_ICMP;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	memcpy(frame + 22, "\x08\x00\x00\x00\x00\x01\x00\x01", 8);
	sum = (uint16_t)~rte_raw_cksum(frame + 22, 40000 - 20);
	memcpy(frame + 24, &sum, 2);
	mp_send_frame(a, frame, 40002, 1390);
	rig_run(mp_rig, 100000);
	assert_int_equal(mp_take_packet(a, &rx, got), 40000);
	assert_int_equal(got[20], 0);
	assert_memory_equal(got + 28, frame + 30, 40000 - 28);
	mp_stop();
}

// All large ones are taken by packets that never end.
static void large_ones_run_out(void **state)
{
	static uint8_t frame[65600];
	struct rig_client *c[2];
	uint32_t n = mp_make_frame(frame, 5000, IN_2, HOST, false);

	mp_start(65531, 8192);
	mp_pool->parts[1].max = 1;
	c[0] = mp_dial(IN_1, 0, 65531, 0);
	c[1] = mp_dial(IN_2, 0, 65531, 0);
	mp_seq = 0;
	mp_send_fragment(c[0], "B", frame, 4000);
	rig_run(mp_rig, 20000);
	assert_int_equal(mp_pool->parts[1].n, 1);
	mp_seq = 0;
	mp_send_frame(c[1], frame, n, 3000);
	rig_run(mp_rig, 20000);
	assert_int_equal(rig_counter(mp_rig, CNT_mp_rx_gave_way), 1);
	assert_int_equal(mp_rig->nb_core, 4);
	mp_stop();
}

// A worker whose configuration has no MRRU, or a smaller one, takes no such session.
static void more_than_there_is_room_for(void **state)
{
	struct rig_client *c;

	mp_start(1600, 8192);
	c = rig_connect_sstp(mp_rig);
	mp_set(c, 0, 4000, 0);
	rig_run(mp_rig, 5000);
	dp_msg_free(mp_rig->ch, rig_expect(mp_rig, DP_EV_CLOSED));
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
		cmocka_unit_test(oldest_gives_way),
		cmocka_unit_test(large_packets),
		cmocka_unit_test(large_ones_wait),
		cmocka_unit_test(large_ping),
		cmocka_unit_test(large_ones_run_out),
		cmocka_unit_test(more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
