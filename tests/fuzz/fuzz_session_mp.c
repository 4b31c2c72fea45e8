// SPDX-License-Identifier: BSD-3-Clause
// Multilink fragments into a worker's session, up to forwarding and back out of it. The first byte
// chooses what was agreed; then come fragments, each a byte of B and E bits and of how its sequence
// number goes on, two bytes of length, and what is in it (of what is left; the rest is zero).
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <rte_ip.h>

#include "dataplane/session_mp.h"
#include "protocol/cursor.h"
#include "protocol/sstp/sstp.h"
#include "tests/unit/worker_rig.h"

#define CLIENT IP4(10, 0, 0, 2)
#define LARGE 65531
#define PAYLOAD_MAX 4083

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rig *r;

static void drain(void)
{
	for (unsigned int i = 0; i < r->nb_ev; i++)
		dp_msg_free(r->ch, r->ev[i]);
	r->nb_ev = 0;
	for (unsigned int i = 0; i < r->nb_core; i++)
		rte_pktmbuf_free(r->core[i]);
	r->nb_core = 0;
}

static void start(void)
{
	rig_eal();
	r = rig_create(0x0303, TLS_AEAD_AES_256_GCM);
	r->w->mp = session_mp_pool_create(0, RIG_SESSIONS, LARGE, r->w->mbuf_room, 8192);
	if (!r->w->mp)
		abort();
	dp_local_address_add(r->ch, IP4(10, 0, 0, 1));
}

static struct rig_client *dial(uint8_t how)
{
	struct dp_mp mp = {.tx_mrru = how & 2 ? LARGE : 0,
		.rx_mrru = how & 4 ? LARGE : 1600,
		.flags = how >> 3 & 3};
	struct rig_client *c;
	struct dp_msg *m;

	r->nb_clients = 0;
	memset(&r->c[0], 0, sizeof(r->c[0]));
	c = rig_connect(r);
	m = rig_msg(r, DP_CMD_INSTALL, c->handle);
	m->u.install.record_layer = DP_RECORD_REMOTE;
	rig_command(r, m);
	rig_command(r, rig_msg(r, DP_CMD_SSTP_START, c->handle));
	m = rig_msg(r, DP_CMD_SET_MP, c->handle);
	m->u.mp = mp;
	rig_command(r, m);
	if (how & 1) {
		m = rig_msg(r, DP_CMD_OPEN_DATA, c->handle);
		m->u.open.inner = CLIENT;
		m->u.open.local = IP4(10, 0, 0, 1);
		m->u.open.mtu = 1400;
		m->u.open.mp = mp;
		rig_command(r, m);
		dp_address_publish(r->ch, CLIENT, c->handle);
	}
	return c;
}

// The next fragment of the input as an SSTP packet. Returns its length, 0: the input is over.
static uint32_t next_fragment(struct cursor *in, struct ppp_mp_tx *tx, uint8_t *out)
{
	uint16_t len, seq;
	uint8_t what;
	size_t n, have;

	if (cur_u8(in, &what) || cur_u16(in, &len))
		return 0;
	if ((what >> 2 & 3) == 3 && !cur_u16(in, &seq))
		tx->seq = seq & 0xfff;
	else
		tx->seq += (what >> 2 & 3) == 2;
	len %= PAYLOAD_MAX + 1;
	memcpy(out + 4, "\xff\x03\x00\x3d", 4);
	n = 8 + ppp_mp_send(tx, what & 1, what & 2, out + 8);
	have = RTE_MIN((size_t)len, cur_left(in));
	memset(out + n, 0, len);
	cur_bytes(in, out + n, have);
	sstp_put_hdr(out, false, (uint16_t)(n + len));
	return (uint32_t)(n + len);
}

static void check_empty(void)
{
	const struct session_mp_pool *p = r->w->mp;
	struct tcp_levels l;

	tcp_stack_levels(r->w->tcp, &l);
	if (l.conns || l.mbufs_held || r->w->nb_free != RIG_SESSIONS ||
		rte_mempool_in_use_count(r->w->stashes) || rte_mempool_in_use_count(r->ch->msgs) ||
		rte_mempool_in_use_count(p->states) || rte_mempool_in_use_count(p->large) ||
		p->parts[0].n || p->parts[1].n || r->w->txq_held)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor in = cursor_make(data, size);
	struct ppp_mp_tx tx = {0};
	struct rig_client *c;
	struct dp_msg *m;
	uint8_t how;

	if (size > 64 * 1024 || cur_u8(&in, &how))
		return 0;
	if (!r)
		start();
	c = dial(how);
	tx.short_seq = how >> 3 & DP_MP_RX_SHORT;
	for (;;) {
		m = rig_msg(r, DP_CMD_PLAIN_IN, c->handle);
		m->len = next_fragment(&in, &tx, m->data);
		if (!m->len) {
			dp_msg_free(r->ch, m);
			break;
		}
		rig_command(r, m);
		drain();
	}
	if (how & 1)
		dp_address_withdraw(r->ch, CLIENT);
	m = rig_msg(r, DP_CMD_CLOSE, c->handle);
	m->u.close.abort = 1;
	rig_command(r, m);
	rig_run(r, 2000);
	tcp_release(c->conn, r->now_us);
	drain();
	check_empty();
	return 0;
}
