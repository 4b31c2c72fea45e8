// SPDX-License-Identifier: BSD-3-Clause
// A worker whose mbufs are all taken for a moment: what waits for a session goes on waiting, and
// what is dropped is counted.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/forward.h"
#include "dataplane/session_mp.h"
#include "tests/unit/worker_rig.h"

#define IN_1 IP4(10, 0, 0, 2)
#define HOST IP4(203, 0, 113, 5)
#define MTU 1400
#define MRRU 1600

static struct rig *r;
static struct session_mp_pool *multilink;
static struct rte_mbuf *held[16384];
static uint32_t nb_held;

// A session, with multilink when mrru is given.
static struct rig_client *start(uint16_t mrru)
{
	struct rig_client *c;
	struct dp_msg *m;

	r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	multilink = session_mp_pool_create(0, RIG_SESSIONS, MRRU, r->w->mbuf_room, 8192);
	assert_non_null(multilink);
	r->w->mp = multilink;
	c = rig_connect_sstp(r);
	if (!mrru) {
		rig_open_data(r, c, IN_1, MTU, 0);
		return c;
	}
	m = rig_msg(r, DP_CMD_OPEN_DATA, c->handle);
	m->u.open.inner = IN_1;
	m->u.open.mtu = MTU;
	m->u.open.mp = (struct dp_mp){.tx_mrru = mrru};
	rig_command(r, m);
	assert_int_equal(dp_address_publish(r->ch, IN_1, c->handle), 0);
	return c;
}

static void stop(void)
{
	rig_destroy(r);
	session_mp_pool_destroy(multilink);
}

static void hold_all(void)
{
	nb_held = 0;
	while ((held[nb_held] = rte_pktmbuf_alloc(r->w->pool)))
		nb_held++;
}

static void let_go(void)
{
	rte_pktmbuf_free_bulk(held, nb_held);
}

// From core, without room for headers in front: it must be copied before it is sent.
static void core_in_tight(uint16_t len, uint32_t seed)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->w->pool);

	assert_non_null(m);
	m->data_off = 64;
	rig_packet((uint8_t *)rte_pktmbuf_append(m, len), len, HOST, IN_1, 64, true, seed);
	m->l3_len = 20;
	r->w->now_us = r->now_us;
	forward_down(r->w, &m, 1);
}

static unsigned int take_all(struct rig_client *c)
{
	uint8_t in[4096];
	unsigned int n = 0;

	while (rig_take_sstp(r, c, in))
		n++;
	return n;
}

// Packets that are to be copied wait, in their order; every one arrives.
static void copies_wait(void **state)
{
	struct rig_client *c = start(0);

	for (uint32_t i = 0; i < 20; i++)
		core_in_tight(1000, i);
	hold_all();
	rig_run(r, 2000);
	assert_int_equal(session_txq_len(rig_session(r, c)), 20);
	assert_int_equal(r->w->txq_held, 20);
	assert_int_equal(rig_session(r, c)->tx_packets, 0);
	assert_int_equal(rig_session(r, c)->tx_drops, 0);
	assert_int_equal(rig_counter(r, CNT_session_tx_queue_drop), 0);
	assert_true(rig_counter(r, CNT_session_tx_starved) > 1);
	assert_int_equal(rig_counter(r, CNT_mbuf_alloc_failed), 1); // nothing was lost by it
	let_go();
	rig_run(r, 200000);
	assert_int_equal(rig_session(r, c)->flags & SES_STARVED, 0);
	for (uint32_t i = 0; i < 20; i++) {
		uint8_t want[1000], in[4096];

		rig_packet(want, sizeof(want), HOST, IN_1, 63, true, i);
		assert_int_equal(rig_take_sstp(r, c, in), sizeof(want) + 8);
		assert_memory_equal(in + 8, want, sizeof(want));
	}
	assert_int_equal(r->w->txq_held, 0);
	stop();
}

// As in any queue that stands, nothing waits for much longer than CoDel's interval: the oldest
// goes, and its mbuf is what the next one is copied to.
static void not_for_ever(void **state)
{
	struct rig_client *c = start(0);

	for (uint32_t i = 0; i < 200; i++)
		core_in_tight(1000, i);
	hold_all();
	rig_run(r, CODEL_INTERVAL_US / 2);
	assert_int_equal(session_txq_len(rig_session(r, c)), 200);
	assert_int_equal(rig_session(r, c)->tx_drops, 0);
	rig_run(r, 500000);
	assert_true(rig_session(r, c)->tx_drops > 0);
	assert_true(session_txq_len(rig_session(r, c)) < 200);
	assert_int_equal(r->w->txq_held, session_txq_len(rig_session(r, c)));
	let_go();
	rig_run(r, 500000);
	assert_int_equal(take_all(c) + rig_session(r, c)->tx_drops, 200);
	assert_int_equal(rig_counter(r, CNT_session_tx_queue_drop), rig_session(r, c)->tx_drops);
	assert_int_equal(r->w->txq_held, 0);
	stop();
}

// What is larger than any mbuf never goes, and those behind it do.
static void too_large(void **state)
{
	struct rig_client *c = start(0);
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->w->pool), *more = rte_pktmbuf_alloc(r->w->pool);

	rte_pktmbuf_append(m, (uint16_t)r->w->mbuf_room);
	rte_pktmbuf_append(more, 100);
	assert_int_equal(rte_pktmbuf_chain(m, more), 0);
	session_tx_enqueue(r->w, rig_session(r, c), m);
	core_in_tight(1000, 1);
	rig_run(r, 10000);
	assert_int_equal(take_all(c), 1);
	assert_int_equal(rig_session(r, c)->tx_drops, 1);
	assert_int_equal(rig_counter(r, CNT_session_tx_queue_drop), 1);
	stop();
}

// A packet above the MTU for whose fragments there is no memory, or too little, waits, and takes no
// sequence numbers.
static void fragments_wait(void **state)
{
	struct rig_client *c = start(MRRU);
	uint8_t pkt[MRRU], in[4096];
	uint32_t number = 0;

	for (uint32_t i = 0; i < 4; i++)
		rig_core_in(r, pkt, rig_packet(pkt, MRRU, HOST, IN_1, 64, true, i));
	hold_all();
	for (unsigned int i = 0; i < 2; i++) {
		rig_run(r, 1000);
		assert_int_equal(session_txq_len(rig_session(r, c)), 4);
		assert_int_equal(rig_session(r, c)->tx_drops, 0);
		assert_int_equal(rig_counter(r, CNT_mp_tx_packets), 0);
		rte_pktmbuf_free(held[--nb_held]);
	}
	assert_true(rig_counter(r, CNT_session_tx_starved) > 1);
	let_go();
	rig_run(r, 100000);
	for (; rig_take_sstp(r, c, in); number++) {
		assert_memory_equal(in + 4, "\xff\x03\x00\x3d", 4);
		assert_int_equal(in[8], number % 2 ? 0x40 : 0x80); // the end, the beginning
		assert_int_equal(in[11], number);
	}
	assert_int_equal(number, 8);
	assert_int_equal(rig_session(r, c)->tx_packets, 4);
	stop();
}

// What an mbuf was in its last life is not told of the packet that is copied to it.
static void copied_afresh(void **state)
{
	struct rig_client *c = start(MRRU);
	uint8_t in[4096];

	hold_all();
	for (uint32_t i = 0; i < nb_held; i++)
		mbuf_priv(held[i])->flags = MBUF_MP_FRAGMENT;
	let_go();
	core_in_tight(500, 1);
	rig_run(r, 10000);
	assert_int_equal(rig_take_sstp(r, c, in), 508);
	assert_memory_equal(in + 4, "\xff\x03\x00\x21", 4);
	assert_int_equal(rig_session(r, c)->tx_packets, 1);
	assert_int_equal(rig_session(r, c)->tx_bytes, 500);
	stop();
}

static int setup(void **state)
{
	rig_eal();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_wait),
		cmocka_unit_test(not_for_ever),
		cmocka_unit_test(too_large),
		cmocka_unit_test(fragments_wait),
		cmocka_unit_test(copied_afresh),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
