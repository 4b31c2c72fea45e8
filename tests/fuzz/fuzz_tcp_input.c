// SPDX-License-Identifier: BSD-3-Clause
// A listening port and an established connection under arbitrary segments. The input is a list of
// operations; headers are partly put right, since nothing random would pass checksum and window.
// Ends with every connection gone and every mbuf back, else it aborts.
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/tcp_int.h"
#include "tests/unit/tcp_sim.h"
#include "tests/unit/tcp_take.h"

#define POOL 1023
#define MAX_OPS 300

struct fuzz {
	struct tcp_stack *s;
	struct rte_mempool *pool;
	struct counters counters;
	uint64_t now_us;
	struct tcp_conn *owned[8];
	unsigned int nb_owned;
	struct tcp_key keys[4]; // as the stack sees them
};

struct input {
	const uint8_t *p, *end;
};

static uint32_t take(struct input *in, unsigned int n)
{
	uint32_t v = 0;

	while (n-- && in->p < in->end)
		v = v << 8 | *in->p++;
	return v;
}

static void output(void *user, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		if (rte_pktmbuf_headroom(pkts[i]) < 18 || pkts[i]->nb_segs != 1)
			abort();
		rte_pktmbuf_free(pkts[i]);
	}
}

static struct tcp_conn *conn_of(struct fuzz *f, const struct tcp_key *k)
{
	uint32_t ref = tcp_table_find(f->s, k, tcp_key_hash(f->s, k));

	return ref && !(ref & TCP_REF_TW) ? &f->s->conns[ref - 1] : NULL;
}

// Options as they come, the rest near what the connection expects.
static void segment(struct fuzz *f, struct input *in)
{
	uint8_t how = (uint8_t)take(in, 1);
	const struct tcp_key *k = &f->keys[how & 3];
	struct tcp_key swapped = {
		.remote = k->local, .local = k->remote, .rport = k->lport, .lport = k->rport};
	struct tcp_conn *c = conn_of(f, k);
	struct rte_mbuf *m = rte_pktmbuf_alloc(f->pool);
	struct tcp_out o = {.flags = (uint8_t)take(in, 1)};
	uint32_t dwnd = take(in, 2);
	int16_t dseq = (int16_t)take(in, 2), dack = (int16_t)take(in, 2);
	uint16_t len = (uint16_t)(take(in, 2) % 1500);
	uint8_t optlen = (uint8_t)(take(in, 1) % 11 * 4);

	if (!m)
		return;
	o.wnd = (uint16_t)dwnd;
	o.seq = (uint32_t)dseq + (c ? c->rcv_nxt : 0x10000);
	o.ack = (uint32_t)dack + (c ? (how & 4 ? c->snd_una : c->snd_nxt) : 0x20000);
	if (how & 8 && optlen + TCP_TS_OPT <= 40)
		tcp_opt_ts(&o, tcp_now_ms(f->now_us) + (uint32_t)(int8_t)take(in, 1),
			c ? tcp_conn_ts(c, f->now_us) - take(in, 1) : 0);
	if (how & 16 && c && o.optlen + 12 + optlen <= 40) {
		struct tcp_block b = {c->snd_una + take(in, 2), 0};

		b.end = b.start + take(in, 2);
		tcp_opt_sack(&o, &b, 1);
	}
	while (optlen-- && o.optlen < 40)
		o.opt[o.optlen++] = (uint8_t)take(in, 1);
	while (o.optlen % 4)
		o.opt[o.optlen++] = 0;
	memset(rte_pktmbuf_append(m, len), 'z', len);
	tcp_emit(f->s, m, &swapped, &o);
	m = f->s->tx[--f->s->nb_tx];
	m->ol_flags = 0;
	if (how & 32) { // a byte of the header, checksum or not
		uint8_t at = (uint8_t)take(in, 1), v = (uint8_t)take(in, 1);

		rte_pktmbuf_mtod(m, uint8_t *)[m->l3_len + at % (m->data_len - m->l3_len)] = v;
	}
	if (how & 64)
		m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	tcp_input(f->s, &m, 1, f->now_us);
}

static void raw(struct fuzz *f, struct input *in)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(f->pool);
	uint32_t len = take(in, 1);

	if (!m)
		return;
	len = RTE_MIN(len, (uint32_t)(in->end - in->p));
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), in->p, len);
	in->p += len;
	m->l3_len = len & 1 ? 20 : 40;
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	tcp_input(f->s, &m, 1, f->now_us);
}

static void disown(struct fuzz *f, unsigned int i)
{
	tcp_release(f->owned[i], f->now_us);
	f->owned[i] = f->owned[--f->nb_owned];
}

static void poll_events(struct fuzz *f)
{
	struct tcp_conn *c;
	unsigned int ev;

	while ((c = tcp_poll(f->s, &ev))) {
		bool known = false;

		for (unsigned int i = 0; i < f->nb_owned; i++)
			known |= f->owned[i] == c;
		if (!known) {
			if (!(ev & TCP_EV_ACCEPTED))
				abort();
			f->owned[f->nb_owned++] = c;
			if (f->nb_owned > 6)
				disown(f, 0);
		}
	}
}

static void owner(struct fuzz *f, struct input *in)
{
	unsigned int op = take(in, 1), i;
	struct rte_mbuf *m;
	struct tcp_conn *c;

	if (!f->nb_owned)
		return;
	i = op / 16 % f->nb_owned;
	c = f->owned[i];
	switch (op % 8) {
	case 0:
	case 1:
		m = rte_pktmbuf_alloc(f->pool);
		if (!m)
			return;
		m->data_off = MBUF_FRONT;
		rte_pktmbuf_append(m, (uint16_t)(take(in, 2) % 2000));
		memset(rte_pktmbuf_mtod(m, void *), 'q', m->data_len);
		tcp_send(c, m, f->now_us);
		tcp_push(c, f->now_us);
		break;
	case 2:
		tcp_consume(c, take(in, 2), f->now_us);
		break;
	case 3:
		m = tcp_take(c, tcp_rx_avail(c), f->now_us);
		rte_pktmbuf_free(m);
		break;
	case 4:
		tcp_shutdown(c, f->now_us);
		break;
	case 5:
		tcp_abort(c, f->now_us);
		disown(f, i);
		break;
	case 6:
		disown(f, i);
		break;
	case 7:
		tcp_tx_room(c, take(in, 2));
		break;
	}
}

static void icmp(struct fuzz *f, struct input *in)
{
	const struct tcp_key *k = &f->keys[take(in, 1) & 3];
	struct tcp_conn *c = conn_of(f, k);
	uint32_t seq = c ? c->snd_una + take(in, 1) : 0;

	tcp_icmp_error(f->s, &k->local, k->lport, &k->remote, k->rport, seq, take(in, 2),
		take(in, 1) & 1, f->now_us);
}

static void run(struct fuzz *f, struct input *in)
{
	for (unsigned int n = 0; in->p < in->end && n < MAX_OPS; n++) {
		switch (take(in, 1) % 8) {
		case 0:
		case 1:
		case 2:
			segment(f, in);
			break;
		case 3:
			raw(f, in);
			break;
		case 4:
			f->now_us += take(in, 3);
			tcp_tick(f->s, f->now_us);
			break;
		case 5:
		case 6:
			owner(f, in);
			break;
		case 7:
			icmp(f, in);
			break;
		}
		poll_events(f);
	}
}

// SYN, and the ACK of whatever number came out of it.
static void establish(struct fuzz *f, unsigned int i)
{
	uint8_t syn[] = {(uint8_t)i, TCP_SYN, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 2, 4, 2, 1, 1};
	uint8_t ack[] = {(uint8_t)i, TCP_ACK, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0};
	struct input in = {syn, syn + sizeof(syn)};

	segment(f, &in);
	in = (struct input){ack, ack + sizeof(ack)};
	segment(f, &in);
	poll_events(f);
	if (f->nb_owned != i + 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *buf, size_t size)
{
	static struct rte_mempool *pool;
	struct fuzz f = {.now_us = 1ull << 40};
	struct input in = {buf, buf + size};
	struct tcp_config cfg;
	struct tcp_levels l;
	uint8_t mode = (uint8_t)take(&in, 1);

	if (!pool) {
		sim_eal();
		pool = mbuf_pool_create("fuzz", POOL, SOCKET_ID_ANY);
	}
	f.pool = pool;
	sim_config(&cfg);
	cfg.pool = pool;
	cfg.counters = &f.counters;
	cfg.output = output;
	cfg.mem_max_mbufs = mode & 1 ? 24 : 600;
	cfg.max_half_open = mode & 2 ? 1 : 8;
	cfg.rcv_wnd_max = mode & 4 ? 3000 : 200000;
	cfg.ooo_max_segs = mode & 8 ? 3 : 64;
	cfg.cc = mode & 16 ? &tcp_cc_newreno : NULL;
	cfg.max_time_wait = mode & 32 ? 1 : 8;
	f.s = tcp_create(&cfg, f.now_us);
	if (!f.s || tcp_listen(f.s, 443))
		abort();
	for (uint16_t i = 0; i < 4; i++) {
		f.keys[i] = (struct tcp_key){.rport = (uint16_t)(1000 + i), .lport = 443};
		f.keys[i].remote = i & 1 ? ipaddr_from6("0123456789abcdef")
					 : ipaddr_from4(RTE_BE32(0xc0000202));
		f.keys[i].local = i & 1 ? ipaddr_from6("fedcba9876543210")
					: ipaddr_from4(RTE_BE32(0xc0000201));
	}
	establish(&f, 0);
	establish(&f, 1);
	run(&f, &in);

	// Whatever state this is, let go and wait: nothing may stay.
	while (f.nb_owned)
		disown(&f, 0);
	for (unsigned int i = 0; i < 3000; i++) {
		uint64_t next = tcp_tick(f.s, f.now_us);

		poll_events(&f);
		while (f.nb_owned)
			disown(&f, 0);
		if (next == UINT64_MAX)
			break;
		f.now_us = RTE_MAX(next, f.now_us + 1);
	}
	tcp_stack_levels(f.s, &l);
	if (l.conns || l.half_open || l.time_wait || l.mbufs_held)
		abort();
	tcp_destroy(f.s);
	if (rte_mempool_avail_count(pool) != POOL)
		abort();
	return 0;
}
