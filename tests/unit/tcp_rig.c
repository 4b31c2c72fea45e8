// SPDX-License-Identifier: BSD-3-Clause
#include <string.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "tcp_rig.h"

static void output(void *user, struct rte_mbuf **pkts, uint16_t n)
{
	struct rig *r = user;

	for (uint16_t i = 0; i < n; i++) {
		// The stack's own parser reads it: local and remote are swapped.
		struct pkt *p = &r->out[r->nb_out++];
		struct tcp_seg seg;

		assert_true(r->nb_out <= RTE_DIM(r->out));
		assert_int_equal(tcp_parse(r->stack, pkts[i], &seg), 0);
		assert_int_equal(seg.key.lport, r->peer_port);
		if (seg.flags & TCP_SYN)
			r->iss = seg.seq;
		*p = (struct pkt){
			.flags = seg.flags & (uint8_t)~TCP_PSH,
			.seq = seg.seq - r->iss,
			.ack = seg.flags & TCP_ACK ? seg.ack - r->peer_isn : 0,
			.len = seg.len,
			.wnd = seg.wnd,
			.mss = seg.mss,
			.wscale = seg.has_wscale ? seg.wscale : -1,
			.sack_ok = seg.sack_ok,
			.ts = seg.has_ts,
			.tsval = seg.tsval,
			.tsecr = seg.tsecr,
			.nb_sack = seg.nb_sack,
		};
		for (unsigned int k = 0; k < seg.nb_sack; k++)
			p->sack[k] = (struct tcp_block){
				seg.sack[k].start - r->peer_isn, seg.sack[k].end - r->peer_isn};
		if (seg.has_ts)
			r->ts_last = seg.tsval;
		rte_pktmbuf_free(pkts[i]);
	}
}

void rig_init(struct rig *r)
{
	static struct rte_mempool *pool;

	sim_eal();
	if (!pool)
		pool = mbuf_pool_create("rig", 4095, SOCKET_ID_ANY);
	assert_non_null(pool);
	memset(r, 0, sizeof(*r));
	r->pool = pool;
	r->now_us = 1000000000;
	r->us = ipaddr_from4(RTE_BE32(0xc0000201));
	r->peer = ipaddr_from4(RTE_BE32(0xc0000202));
	r->our_port = OUR_PORT;
	r->peer_port = PEER_PORT;
	r->peer_isn = PEER_ISN;
	sim_config(&r->cfg);
	r->cfg.keepalive_idle_ms = 0;
	r->cfg.pool = pool;
	r->cfg.counters = &r->counters;
	r->cfg.output = output;
	r->cfg.user = r;
}

void rig_start(struct rig *r)
{
	r->avail = rte_mempool_avail_count(r->pool);
	r->stack = tcp_create(&r->cfg, r->now_us);
	assert_non_null(r->stack);
	assert_int_equal(tcp_listen(r->stack, OUR_PORT), 0);
}

void rig_end(struct rig *r)
{
	tcp_destroy(r->stack);
	assert_int_equal(rte_mempool_avail_count(r->pool), r->avail);
}

void rig_in(struct rig *r, struct pkt p)
{
	// Built by the stack's own writer, as the peer.
	struct tcp_key k = {
		.remote = r->us, .local = r->peer, .rport = r->our_port, .lport = r->peer_port};
	struct tcp_out o = {
		.seq = p.absolute ? p.seq : p.seq + r->peer_isn,
		.ack = p.absolute ? p.ack : (p.flags & TCP_ACK ? p.ack + r->iss : 0),
		.wnd = p.wnd,
		.flags = p.flags,
	};
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool), *kept;
	struct tcp_stack *s = r->stack;
	uint16_t kept_n = s->nb_tx;

	assert_non_null(m);
	assert_int_equal(kept_n, 0);
	if (p.len)
		memset(rte_pktmbuf_append(m, p.len), 'x', p.len);
	if (p.flags & TCP_SYN)
		tcp_opt_syn(&o, p.mss, p.sack_ok, p.wscale < 0 ? 255 : (uint8_t)p.wscale);
	if ((r->ts && !p.no_ts) || p.ts)
		tcp_opt_ts(&o, p.tsval ? p.tsval : tcp_now_ms(r->now_us),
			p.tsecr ? p.tsecr : r->ts_last);
	if (p.nb_sack) {
		struct tcp_block b[4];

		for (unsigned int i = 0; i < p.nb_sack; i++)
			b[i] = (struct tcp_block){p.sack[i].start + r->iss, p.sack[i].end + r->iss};
		tcp_opt_sack(&o, b, p.nb_sack);
	}
	tcp_emit(s, m, &k, &o);
	s->counters->v[CNT_tcp_tx_segments]--;
	kept = s->tx[0];
	s->nb_tx = 0;
	kept->ol_flags = 0;
	tcp_input(s, &kept, 1, r->now_us);
}

const struct pkt *rig_out(struct rig *r, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t len)
{
	const struct pkt *p = &r->out[r->next_out];

	if (r->next_out == r->nb_out)
		fail_msg("nothing came out; expected flags %x seq %u ack %u len %u", flags, seq,
			ack, len);
	r->next_out++;
	if (p->flags != flags || p->seq != seq || p->ack != ack || p->len != len)
		fail_msg("expected flags %x seq %u ack %u len %u, got %x %u %u %u", flags, seq, ack,
			len, p->flags, p->seq, p->ack, p->len);
	return p;
}

void rig_silent(struct rig *r)
{
	if (r->next_out != r->nb_out) {
		const struct pkt *p = &r->out[r->next_out];

		fail_msg("unexpected flags %x seq %u ack %u len %u", p->flags, p->seq, p->ack,
			p->len);
	}
	r->nb_out = r->next_out = 0;
}

void rig_over(struct rig *r)
{
	rig_silent(r);
	rig_end(r);
}

void rig_wait(struct rig *r, uint64_t us)
{
	uint64_t until = r->now_us + us;

	while (r->now_us < until) {
		uint64_t next = tcp_tick(r->stack, r->now_us);

		r->now_us = RTE_MAX(RTE_MIN(next, until), r->now_us + 1);
	}
	tcp_tick(r->stack, r->now_us);
}

uint64_t rig_wait_out(struct rig *r, uint64_t us)
{
	uint64_t start = r->now_us, until = start + us, next = tcp_tick(r->stack, r->now_us);

	while (r->next_out == r->nb_out && r->now_us < until) {
		r->now_us = RTE_MAX(RTE_MIN(next, until), r->now_us + 1);
		next = tcp_tick(r->stack, r->now_us);
	}
	return r->now_us - start;
}

unsigned int rig_poll(struct rig *r)
{
	unsigned int all = 0, ev;
	struct tcp_conn *c;

	while ((c = tcp_poll(r->stack, &ev))) {
		r->c = c;
		all |= ev;
	}
	r->events |= all;
	return all;
}

void rig_queue(struct rig *r, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);

	assert_non_null(m);
	m->data_off = MBUF_FRONT;
	memset(rte_pktmbuf_append(m, (uint16_t)len), 'y', len);
	assert_int_equal(tcp_send(r->c, m, r->now_us), 0);
}

void rig_send(struct rig *r, uint32_t len)
{
	rig_queue(r, len);
	tcp_push(r->c, r->now_us);
}

void rig_accept(struct rig *r, bool ts, bool sack, uint16_t peer_wnd)
{
	r->ts = ts;
	rig_in(r, (struct pkt){
			  .flags = S, .wnd = peer_wnd, .mss = 1460, .wscale = -1, .sack_ok = sack});
	rig_out(r, S | A, 0, 1, 0);
	rig_wait(r, 10000);
	rig_in(r, (struct pkt){.flags = A, .seq = 1, .ack = 1, .wnd = peer_wnd});
	rig_silent(r);
	assert_int_equal(rig_poll(r), TCP_EV_ACCEPTED);
	assert_non_null(r->c);
}

void rig_established(struct rig *r)
{
	rig_init(r);
	rig_start(r);
	rig_accept(r, true, true, 65535);
}
