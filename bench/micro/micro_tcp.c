// SPDX-License-Identifier: BSD-3-Clause
// TCP by itself: two stacks on a wire that is an array. What arrives at the stack under test is
// made, copied and acknowledged by the other one between the measurements; the work on both ends of
// a segment's life that is this stack's is in the figures (delayed acknowledgements, freeing what
// was acknowledged).
//
//   in     data segments come in order: input, events, reading, the acknowledgements that follow
//   ack    acknowledgements of two segments each come in
//   out    segments are queued and pushed
//
// Evenly over the connections, two segments of each in a batch (with one connection: all).
#include <stdlib.h>
#include <string.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "bench/micro/micro.h"
#include "dataplane/tcp.h"

enum { TCP_ARG_WHAT, TCP_ARG_CONNS, TCP_ARG_SUM };
enum { TCP_IN, TCP_ACK, TCP_OUT };

#define PORT_LISTEN 443
#define FIRST_PORT 1024
#define RTT_US 500
#define WARM_BATCHES 40 // until the windows take a batch at once
#define OUT_MAX 1024
#define RX_OFF (RTE_PKTMBUF_HEADROOM + RTE_ETHER_HDR_LEN)

struct side {
	struct tcp_stack *stack;
	struct tcp_conn **conns;
	struct counters cnt;
	struct rte_mbuf *out[OUT_MAX];
	unsigned int nb_out;
};

struct tcp_state {
	struct side us, peer;
	uint32_t nb_conns, len, at;
	int what;
	bool sum;
	uint64_t now_us;
	uint16_t nb_in;
	struct rte_mbuf *in[MICRO_BURST]; // for us, or from us
	struct tcp_conn *turn[MICRO_BURST];
};

// What should not happen makes figures that are none.
static void must(bool cond, const char *what)
{
	if (cond)
		return;
	fprintf(stderr, "culvert-bench micro: tcp: %s\n", what);
	exit(EXIT_FAILURE);
}

static void output(void *user, struct rte_mbuf **pkts, uint16_t n)
{
	struct side *s = user;

	must(s->nb_out + n <= OUT_MAX, "more segments than expected");
	memcpy(s->out + s->nb_out, pkts, n * sizeof(*pkts));
	s->nb_out += n;
}

// Segments of one side as the other receives them: copied, since the sender keeps what it sent.
static uint16_t carry(struct side *from, struct rte_mbuf **to, uint16_t max, bool sum)
{
	uint16_t n = (uint16_t)from->nb_out;

	must(n <= max, "more segments than a burst");
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(micro_pool()), *o = from->out[i];

		must(m != NULL, "no mbufs");
		m->data_off = RX_OFF;
		memcpy(rte_pktmbuf_append(m, (uint16_t)o->pkt_len), rte_pktmbuf_mtod(o, void *),
			o->pkt_len);
		m->l3_len = o->l3_len;
		m->ol_flags = sum ? 0 : RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
		rte_pktmbuf_free(o);
		to[i] = m;
	}
	from->nb_out = 0;
	return n;
}

static void read_all(struct tcp_state *s, struct side *d)
{
	struct tcp_slice sl[48];
	struct tcp_conn *c;
	unsigned int ev;
	uint32_t bytes;

	while ((c = tcp_poll(d->stack, &ev)))
		if (ev & TCP_EV_READABLE)
			while (tcp_peek(c, 0, sl, RTE_DIM(sl), &bytes))
				tcp_consume(c, bytes, s->now_us);
}

// Both sides until nothing is on the wire.
static void settle(struct tcp_state *s)
{
	struct rte_mbuf *in[OUT_MAX];
	uint16_t n;

	for (int turn = 0; turn < 3 || s->us.nb_out || s->peer.nb_out; turn++) {
		must(turn < 1000, "the wire does not fall silent");
		s->now_us += RTT_US / 2;
		n = carry(&s->us, in, OUT_MAX, false);
		tcp_input(s->peer.stack, in, n, s->now_us);
		read_all(s, &s->peer);
		tcp_tick(s->peer.stack, s->now_us);
		s->now_us += RTT_US / 2;
		n = carry(&s->peer, in, OUT_MAX, false);
		tcp_input(s->us.stack, in, n, s->now_us);
		read_all(s, &s->us);
		tcp_tick(s->us.stack, s->now_us);
	}
}

static uint32_t next_conn(struct tcp_state *s)
{
	uint32_t k = s->at++;

	if (s->at == s->nb_conns)
		s->at = 0;
	return k;
}

// The segments of a batch, sent by d.
static void send_batch(struct tcp_state *s, struct side *d)
{
	uint16_t each = s->nb_conns == 1 ? MICRO_BURST : 2;

	for (uint16_t i = 0; i < MICRO_BURST; i += each) {
		struct tcp_conn *c = d->conns[next_conn(s)];

		for (uint16_t k = 0; k < each; k++) {
			struct rte_mbuf *m = rte_pktmbuf_alloc(micro_pool());

			must(m != NULL, "no mbufs");
			m->data_off = MBUF_FRONT;
			memset(rte_pktmbuf_append(m, (uint16_t)s->len), 'x', s->len);
			must(!tcp_send(c, m, s->now_us), "a segment was refused");
		}
		tcp_push(c, s->now_us);
	}
}

static void prepare_in(struct tcp_state *s)
{
	send_batch(s, &s->peer);
	s->now_us += RTT_US / 2;
	s->nb_in = carry(&s->peer, s->in, MICRO_BURST, s->sum);
	must(s->nb_in == MICRO_BURST, "the window did not take a batch");
}

// Two segments at a time, so that the peer acknowledges every second one.
static void prepare_ack(struct tcp_state *s)
{
	struct rte_mbuf *in[MICRO_BURST];
	uint16_t n;

	send_batch(s, &s->us);
	s->now_us += RTT_US / 2;
	n = carry(&s->us, in, MICRO_BURST, false);
	must(n == MICRO_BURST, "the window did not take a batch");
	for (uint16_t i = 0; i < n; i += 2) {
		tcp_input(s->peer.stack, in + i, 2, s->now_us);
		read_all(s, &s->peer);
	}
	s->now_us += RTT_US / 2;
	s->nb_in = carry(&s->peer, s->in, MICRO_BURST, s->sum);
}

static void prepare_out(struct tcp_state *s)
{
	uint16_t each = s->nb_conns == 1 ? MICRO_BURST : 2;

	for (uint16_t i = 0; i < MICRO_BURST; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(micro_pool());

		must(m != NULL, "no mbufs");
		m->data_off = MBUF_FRONT;
		memset(rte_pktmbuf_append(m, (uint16_t)s->len), 'x', s->len);
		s->in[i] = m;
		s->turn[i] = i % each ? s->turn[i - 1] : s->us.conns[next_conn(s)];
	}
}

static void tcp_prepare(void *state, unsigned int phase)
{
	struct tcp_state *s = state;

	must(s->what != TCP_OUT || !s->us.nb_out || s->us.nb_out == MICRO_BURST,
		"the window did not take a batch");
	settle(s);
	if (s->what == TCP_IN)
		prepare_in(s);
	else if (s->what == TCP_ACK)
		prepare_ack(s);
	else
		prepare_out(s);
}

static void tcp_run(void *state, unsigned int phase)
{
	struct tcp_state *s = state;

	if (s->what != TCP_OUT) {
		tcp_input(s->us.stack, s->in, s->nb_in, s->now_us);
		read_all(s, &s->us);
		return;
	}
	for (uint16_t i = 0; i < MICRO_BURST; i++) {
		struct tcp_conn *c = s->turn[i];

		if (!i || c != s->turn[i - 1])
			tcp_tx_room(c, s->len);
		tcp_send(c, s->in[i], s->now_us);
		if (i + 1 == MICRO_BURST || c != s->turn[i + 1])
			tcp_push_burst(c, s->now_us);
	}
	tcp_flush(s->us.stack);
}

static void side_free(struct side *d)
{
	for (unsigned int i = 0; i < d->nb_out; i++)
		rte_pktmbuf_free(d->out[i]);
	if (d->stack)
		tcp_destroy(d->stack);
	micro_free(d->conns);
}

static void tcp_teardown(void *state)
{
	struct tcp_state *s = state;

	side_free(&s->us);
	side_free(&s->peer);
	micro_free(s);
}

static int side_init(struct tcp_state *s, struct side *d, bool offload)
{
	struct tcp_config c;

	tcp_config_default(&c);
	c.max_conns = s->nb_conns + 16;
	c.max_half_open = s->nb_conns + 16;
	c.max_time_wait = 16;
	c.rcv_wnd_max = 1 << 20;
	c.snd_buf_max = 1 << 20;
	c.mem_max_mbufs = MICRO_MBUFS;
	c.mtu = 1500;
	c.keepalive_idle_ms = 0;
	c.tx_offloads = offload ? RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM : 0;
	c.pool = micro_pool();
	c.counters = &d->cnt;
	c.output = output;
	c.user = d;
	memset(c.secret, 7, sizeof(c.secret));
	d->conns = micro_alloc(s->nb_conns * sizeof(struct tcp_conn *));
	d->stack = d->conns && c.pool ? tcp_create(&c, s->now_us) : NULL;
	return d->stack ? 0 : -1;
}

// A connection of the peer to us; each side knows it by the same number.
static bool open_conn(struct tcp_state *s, uint32_t i)
{
	struct ipaddr local = ipaddr_from4(RTE_BE32(0xc0000202));
	struct ipaddr remote = ipaddr_from4(RTE_BE32(0xc0000201));
	struct rte_mbuf *in[16];
	struct tcp_conn *c;
	unsigned int ev;

	s->peer.conns[i] = tcp_connect(s->peer.stack, &local, (uint16_t)(FIRST_PORT + i), &remote,
		PORT_LISTEN, NULL, s->now_us);
	if (!s->peer.conns[i])
		return false;
	for (int turn = 0; turn < 4 && !s->us.conns[i]; turn++) {
		tcp_input(s->us.stack, in, carry(&s->peer, in, 16, false), s->now_us);
		while ((c = tcp_poll(s->us.stack, &ev)))
			if (ev & TCP_EV_ACCEPTED)
				s->us.conns[i] = c;
		tcp_input(s->peer.stack, in, carry(&s->us, in, 16, false), s->now_us);
		while (tcp_poll(s->peer.stack, &ev))
			;
	}
	return s->us.conns[i] != NULL;
}

// Windows open with traffic.
static void warm_up(struct tcp_state *s)
{
	uint32_t batches = s->nb_conns <= MICRO_BURST ? WARM_BATCHES : 1;

	for (uint32_t i = 0; i < batches; i++) {
		send_batch(s, &s->us);
		settle(s);
		send_batch(s, &s->peer);
		settle(s);
	}
}

static void *tcp_setup(const struct micro_case *c, char *why, size_t cap)
{
	struct tcp_state *s = micro_alloc(sizeof(*s));

	snprintf(why, cap, "no memory");
	if (!s)
		return NULL;
	s->what = (int)c->arg[TCP_ARG_WHAT];
	s->nb_conns = (uint32_t)c->arg[TCP_ARG_CONNS];
	s->sum = c->arg[TCP_ARG_SUM];
	s->len = c->bytes;
	s->now_us = 1000000;
	// The peer's checksums are always right; ours are when they are counted.
	if (side_init(s, &s->us, !s->sum) || side_init(s, &s->peer, false) ||
		tcp_listen(s->us.stack, PORT_LISTEN)) {
		tcp_teardown(s);
		return NULL;
	}
	for (uint32_t i = 0; i < s->nb_conns; i++)
		if (!open_conn(s, i)) {
			snprintf(why, cap, "connection %u does not come up", i);
			tcp_teardown(s);
			return NULL;
		}
	warm_up(s);
	return s;
}

static const struct micro_ops tcp_ops = {
	.setup = tcp_setup, .prepare = tcp_prepare, .run = tcp_run, .teardown = tcp_teardown};

void micro_tcp_cases(struct micro_suite *s)
{
	static const char *const what[] = {"in", "ack", "out"};
	static const int64_t conns[] = {1, 64, 10000};
	static const uint32_t sizes[] = {64, 1420};

	for (int w = 0; w < 3; w++)
		for (size_t z = 0; z < RTE_DIM(sizes); z++)
			for (size_t k = 0; k < RTE_DIM(conns); k++)
				for (int sum = 0; sum < 2; sum++) {
					struct micro_case *c = micro_add(s, &tcp_ops, "segment",
						"tcp/%s/%u/%d%s", what[w], sizes[z], (int)conns[k],
						sum ? "/sum" : "");

					c->bytes = sizes[z];
					c->arg[TCP_ARG_WHAT] = w;
					c->arg[TCP_ARG_CONNS] = conns[k];
					c->arg[TCP_ARG_SUM] = sum;
					snprintf(
						c->anchor, sizeof(c->anchor), "%s", micro_anchor());
				}
}
