// SPDX-License-Identifier: BSD-3-Clause
// The plain stream of a session as a worker sees it: SSTP delineation over borders, PPP headers,
// inner packets up to forwarding. The first byte chooses how the rest is cut and whether data is
// open.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <rte_ip.h>

#include "tests/unit/worker_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drain(struct rig *r)
{
	for (unsigned int i = 0; i < r->nb_ev; i++)
		dp_msg_free(r->ch, r->ev[i]);
	r->nb_ev = 0;
	for (unsigned int i = 0; i < r->nb_core; i++)
		rte_pktmbuf_free(r->core[i]);
	r->nb_core = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig *r;
	struct rig_client *c;
	struct tcp_levels l;
	struct dp_msg *m;
	size_t step;

	if (!r) {
		rig_eal();
		r = rig_create(0x0303, TLS_AEAD_AES_256_GCM);
		dp_local_address_add(r->ch, IP4(10, 0, 0, 1));
	}
	if (size < 1 || size > 64 * 1024)
		return 0;
	step = (size_t)(data[0] >> 1) * 33 + 1;
	r->nb_clients = 0;
	memset(&r->c[0], 0, sizeof(r->c[0]));
	c = rig_connect(r);
	m = rig_msg(r, DP_CMD_INSTALL, c->handle);
	m->u.install.record_layer = DP_RECORD_REMOTE;
	rig_command(r, m);
	rig_command(r, rig_msg(r, DP_CMD_SSTP_START, c->handle));
	if (data[0] & 1)
		rig_open_data(r, c, IP4(10, 0, 0, 2), 1400, 1360);
	for (size_t at = 1; at < size; at += step) {
		m = rig_msg(r, DP_CMD_PLAIN_IN, c->handle);
		m->len = (uint32_t)RTE_MIN(RTE_MIN(step, size - at), sizeof(m->data));
		memcpy(m->data, data + at, m->len);
		rig_command(r, m);
		drain(r);
	}
	if (data[0] & 1)
		dp_address_withdraw(r->ch, IP4(10, 0, 0, 2));
	m = rig_msg(r, DP_CMD_CLOSE, c->handle);
	m->u.close.abort = 1;
	rig_command(r, m);
	rig_run(r, 2000);
	tcp_release(c->conn, r->now_us);
	drain(r);
	// Whatever came: the session is gone, and everything is given back.
	tcp_stack_levels(r->w->tcp, &l);
	if (l.conns || l.mbufs_held || r->w->nb_free != RIG_SESSIONS ||
		rte_mempool_in_use_count(r->w->stashes) || rte_mempool_in_use_count(r->ch->msgs))
		abort();
	return 0;
}
