// SPDX-License-Identifier: BSD-3-Clause
// The worker's loop: receive, TCP, records, forwarding, transmit; then commands, timers and what
// other workers handed over.
#include "dataplane/worker.h"

#include <time.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_hash_crc.h>
#include <rte_tcp.h>

#include "dataplane/forward.h"
#include "dataplane/session_policy.h"
#include "dataplane/forward6.h"

#define RX_PACKETS 256 // at most in one loop, from one port
#define RX_BYTES (32 * 1024)
#define COMMANDS_PER_LOOP 64
#define TIMERS_PER_LOOP 256
#define TICK_US 10000
#define IDLE_SPIN_US 20 // by time, not turns: to look at a kernel's port costs system calls
#define SLEEP_SHARE 32  // of the time without work so far
#define SLEEP_MAX_US 200
#define DRAIN_US 500000

void worker_handover(struct worker *w, uint16_t to, enum handover what, struct rte_mbuf *m)
{
	mbuf_priv(m)->flags = (uint16_t)what;
	if (to < w->nb_workers && rte_ring_enqueue(w->peers[to]->handover, m) == 0) {
		COUNT(&w->counters, handover_out);
		return;
	}
	COUNT(&w->counters, handover_full);
	rte_pktmbuf_free(m);
}

// ---- TCP

// Which worker a segment belongs to when software spreads them: by a hash that both directions'
// owner can recompute.
static uint16_t tcp_owner(const struct worker *w, const struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct rte_tcp_hdr *th = (const struct rte_tcp_hdr *)(ip + m->l3_len);
	uint32_t h;

	if (m->data_len < m->l3_len + sizeof(*th))
		return w->id;
	if (ip[0] >> 4 == 4)
		h = rte_hash_crc(ip + 12, 8, 0);
	else
		h = rte_hash_crc(ip + 8, 32, 0);
	h = rte_hash_crc_4byte((uint32_t)th->src_port << 16 | th->dst_port, h);
	return (uint16_t)(((uint64_t)h * w->nb_workers) >> 32);
}

static uint16_t tcp_dispatch(struct worker *w, struct rte_mbuf **m, uint16_t n)
{
	uint16_t own = 0;

	for (uint16_t i = 0; i < n; i++) {
		uint16_t to = tcp_owner(w, m[i]);

		if (to == w->id)
			m[own++] = m[i];
		else
			worker_handover(w, to, HO_TCP, m[i]);
	}
	return own;
}

static void tcp_event(struct worker *w, struct tcp_conn *c, unsigned int ev)
{
	struct session *s = tcp_conn_user(c);

	if (ev & TCP_EV_ACCEPTED) {
		s = session_open(w, c);
		if (!s) {
			COUNT(&w->counters, tcp_conn_refused_full);
			tcp_abort(c, w->now_us);
			tcp_release(c, w->now_us);
			return;
		}
	}
	if (unlikely(!s)) {
		tcp_release(c, w->now_us);
		return;
	}
	if (ev & TCP_EV_EOF)
		s->flags |= SES_EOF;
	if (ev & TCP_EV_CLOSED)
		s->flags |= SES_TCP_CLOSED;
	if (ev & (TCP_EV_READABLE | TCP_EV_EOF | TCP_EV_CLOSED))
		session_want_run(w, s);
	if (ev & TCP_EV_WRITABLE && s->txq.head)
		session_want_tx(w, s);
}

static void tcp_events(struct worker *w)
{
	struct tcp_conn *c;
	unsigned int ev;

	while ((c = tcp_poll(w->tcp, &ev)))
		tcp_event(w, c, ev);
}

static void on_icmp_error(void *user, const struct ipaddr *local, uint16_t lport,
	const struct ipaddr *remote, uint16_t rport, uint32_t seq, uint32_t mtu, bool hard)
{
	struct worker *w = user;

	tcp_icmp_error(w->tcp, local, lport, remote, rport, seq, mtu, hard, w->now_us);
}

// ---- ports

static void learn(struct worker *w, struct netif_rx *rx, enum handover what)
{
	for (uint16_t i = 0; i < rx->nb_learn; i++) {
		// One copy each: hand-over uses the private area.
		for (uint16_t p = 0; p < w->nb_workers; p++) {
			struct rte_mbuf *c;

			if (p == w->id)
				continue;
			c = rte_pktmbuf_copy(rx->learn[i], w->pool, 0, UINT32_MAX);
			if (c)
				worker_handover(w, p, what, c);
			else
				COUNT(&w->counters, mbuf_alloc_failed);
		}
		rte_pktmbuf_free(rx->learn[i]);
	}
}

static uint32_t frame_bytes(struct rte_mbuf *const *m, uint16_t n)
{
	uint32_t sum = 0;

	for (uint16_t i = 0; i < n; i++)
		sum += m[i]->pkt_len;
	return sum;
}

static uint16_t access_burst(struct worker *w, uint32_t *bytes)
{
	struct rte_mbuf *m[NETIF_BURST];
	struct netif_rx rx;
	uint16_t n;

	n = rte_eth_rx_burst(w->access_port->id, (uint16_t)w->access_rxq, m, NETIF_BURST);
	if (!n)
		return 0;
	*bytes += frame_bytes(m, n);
	netif_input(w->access, m, n, w->now_us, w->nb_workers > 1, &rx);
	if (rx.nb_learn)
		learn(w, &rx, HO_LEARN_ACCESS);
	// Nothing is routed between the outside and the inside.
	COUNT_N(&w->counters, rx_not_ours, rx.nb_ip);
	for (uint16_t i = 0; i < rx.nb_ip; i++)
		rte_pktmbuf_free(rx.ip[i]);
	if (w->dispatch_tcp)
		rx.nb_tcp = tcp_dispatch(w, rx.tcp, rx.nb_tcp);
	stage_enter(w->stages, WORKER_STAGE_TCP_IN);
	if (rx.nb_tcp)
		tcp_input(w->tcp, rx.tcp, rx.nb_tcp, w->now_us);
	stage_enter(w->stages, WORKER_STAGE_RX);
	return n;
}

static uint16_t core_burst(struct worker *w, uint32_t *bytes)
{
	struct rte_mbuf *m[NETIF_BURST];
	struct netif_rx rx;
	uint16_t n;

	n = rte_eth_rx_burst(w->core_port->id, (uint16_t)w->core_rxq, m, NETIF_BURST);
	if (!n)
		return 0;
	*bytes += frame_bytes(m, n);
	netif_input(w->core, m, n, w->now_us, w->nb_workers > 1, &rx);
	if (rx.nb_learn)
		learn(w, &rx, HO_LEARN_CORE);
	// No TCP is served on core: SSTP is for the outside.
	COUNT_N(&w->counters, rx_no_protocol, rx.nb_tcp);
	for (uint16_t i = 0; i < rx.nb_tcp; i++)
		rte_pktmbuf_free(rx.tcp[i]);
	stage_enter(w->stages, WORKER_STAGE_DOWN);
	if (rx.nb_ip)
		forward_down(w, rx.ip, rx.nb_ip);
	if (rx.nb_ip6)
		forward6_down(w, rx.ip6, rx.nb_ip6);
	stage_enter(w->stages, WORKER_STAGE_RX);
	return n;
}

// Both take a burst, and further ones from a queue that is full of small packets: those of one
// session then share records, segments and acknowledgements. Large ones would push each other out
// of the cache.
static unsigned int rx_all(
	struct worker *w, int rxq, uint16_t (*burst)(struct worker *w, uint32_t *bytes))
{
	unsigned int n, all = 0;
	uint32_t bytes = 0;

	if (rxq < 0)
		return 0;
	do {
		n = burst(w, &bytes);
		all += n;
	} while (n == NETIF_BURST && all < RX_PACKETS && bytes < RX_BYTES);
	return all;
}

static unsigned int handover_rx(struct worker *w)
{
	struct rte_mbuf *m[WORKER_BURST], *tcp[WORKER_BURST];
	unsigned int n = rte_ring_dequeue_burst(w->handover, (void **)m, WORKER_BURST, NULL);
	uint16_t nb_tcp = 0;

	for (unsigned int i = 0; i < n; i++) {
		switch ((enum handover)mbuf_priv(m[i])->flags) {
		case HO_DOWN:
			forward_deliver(w, mbuf_priv(m[i])->seq, m[i]);
			break;
		case HO_DOWN6:
			forward6_deliver(w, mbuf_priv(m[i])->seq, m[i]);
			break;
		case HO_TCP:
			tcp[nb_tcp++] = m[i];
			break;
		case HO_LEARN_ACCESS:
			netif_learn(w->access, m[i], w->now_us);
			break;
		case HO_LEARN_CORE:
			netif_learn(w->core, m[i], w->now_us);
			break;
		case HO_TX_ACCESS:
			netif_output_frames(w->access, &m[i], 1);
			break;
		case HO_TX_CORE:
			netif_output_frames(w->core, &m[i], 1);
			break;
		}
	}
	if (nb_tcp)
		tcp_input(w->tcp, tcp, nb_tcp, w->now_us);
	return n;
}

// ---- commands and timers

static void worker_listen(struct worker *w, const struct dp_msg *m)
{
	uint16_t port = m->u.listen.port;

	if (w->listening)
		tcp_unlisten(w->tcp, w->listen_port);
	w->listening = m->u.listen.on && tcp_listen(w->tcp, port) == 0;
	w->listen_port = port;
	session_admit_end(w);
	w->admit.on = m->u.listen.admit;
	w->admit.wait_us = m->u.listen.wait_ms * UINT64_C(1000);
}

static unsigned int commands(struct worker *w)
{
	void *m[COMMANDS_PER_LOOP];
	unsigned int n = rte_ring_dequeue_burst(w->ch->cmd[w->id], m, COMMANDS_PER_LOOP, NULL);

	for (unsigned int i = 0; i < n; i++) {
		struct dp_msg *msg = m[i];

		if (msg->type == DP_CMD_LISTEN) {
			worker_listen(w, msg);
		} else if (msg->type == DP_CMD_ADMIT) {
			w->admit.credit += msg->u.admit.n;
		} else if (msg->type == DP_CMD_STOP) {
			w->running = false;
		} else {
			session_command(w, msg);
			continue;
		}
		dp_msg_free(w->ch, msg);
	}
	return n;
}

static void timer_expired(void *user, struct wheel_timer *t)
{
	struct worker *w = user;
	// Which of the two timers it is follows from its place in the session.
	uintptr_t at = (uintptr_t)t - (uintptr_t)w->sessions;
	struct session *s = &w->sessions[at / sizeof(struct session)];

	if (t == &s->hello)
		session_hello_expired(w, s);
	else
		session_linger_expired(w, s);
}

static void idle_sleep(struct worker *w, uint64_t idle_us, uint64_t next_us)
{
	struct timespec ts = {0};
	uint64_t us = RTE_MIN(idle_us / SLEEP_SHARE + 1, (uint64_t)SLEEP_MAX_US);

	if (next_us != UINT64_MAX)
		us = RTE_MIN(us, next_us > w->now_us ? next_us - w->now_us : 1);
	ts.tv_nsec = (long)us * 1000;
	nanosleep(&ts, NULL);
	COUNT(&w->counters, idle_sleeps);
}

static uint64_t housekeeping(struct worker *w)
{
	uint64_t next = tcp_tick(w->tcp, w->now_us), t;

	wheel_advance(w->wheel, w->now_us, TIMERS_PER_LOOP, timer_expired, w);
	if (w->now_us >= w->next_tick_us) {
		netif_tick(w->access, w->now_us);
		netif_tick(w->core, w->now_us);
		w->next_tick_us = w->now_us + TICK_US;
	}
	t = wheel_next(w->wheel);
	next = RTE_MIN(next, t);
	if (w->policies) {
		t = session_policy_tick(w);
		next = RTE_MIN(next, t);
	}
	return RTE_MIN(next, w->next_tick_us);
}

unsigned int worker_loop(struct worker *w, uint64_t *next_us)
{
	unsigned int work;

	stage_enter(w->stages, WORKER_STAGE_RX);
	work = rx_all(w, w->access_rxq, access_burst);
	work += rx_all(w, w->core_rxq, core_burst);
	stage_enter(w->stages, WORKER_STAGE_HANDOVER);
	work += handover_rx(w);
	stage_enter(w->stages, WORKER_STAGE_KEEP);
	work += commands(w);
	*next_us = housekeeping(w);
	tcp_events(w);
	if (w->admit.silent.n | w->admit.line.n)
		session_admit_serve(w);
	work += w->run_head || w->tx_head;
	if (w->run_head)
		session_run_all(w);
	stage_enter(w->stages, WORKER_STAGE_UP);
	forward_up_flush(w);
	forward6_up_flush(w);
	stage_enter(w->stages, WORKER_STAGE_FRAME);
	if (w->tx_head)
		session_tx_all(w);
	tcp_flush(w->tcp);
	stage_enter(w->stages, WORKER_STAGE_TX);
	forward_core_flush(w);
	netif_flush(w->access);
	netif_flush(w->core);
	stage_enter(w->stages, WORKER_STAGE_RX);
	return work;
}

// STOP was received: the last acknowledgements of connections that are closing by themselves may
// still be on their way, for a moment. All sessions are over when the shutdown is an orderly one.
static bool draining(const struct worker *w, uint64_t *until_us)
{
	struct tcp_levels l;

	if (!*until_us)
		*until_us = w->now_us + DRAIN_US;
	tcp_stack_levels(w->tcp, &l);
	return l.conns && w->nb_free == w->max_sessions && w->now_us < *until_us;
}

void worker_begin(struct worker *w)
{
	netif_on_icmp_error(w->access, on_icmp_error, w);
	if (w->id == 0) {
		w->now_us = worker_clock(w, rte_rdtsc());
		netif_announce(w->access, w->now_us);
		netif_announce(w->core, w->now_us);
	}
}

// So that the pools are full again.
void worker_end(struct worker *w)
{
	forward_up_flush(w);
	forward6_up_flush(w);
	forward_core_flush(w);
	netif_flush(w->access);
	netif_flush(w->core);
}

int worker_main(void *arg)
{
	struct worker *w = arg;
	uint64_t until_us = 0;
	uint64_t idle_since_us = 0;
	bool idle = false;

	worker_begin(w);
	while (w->running || draining(w, &until_us)) {
		uint64_t tsc = rte_rdtsc(), next_us;

		w->now_us = worker_clock(w, tsc);
		if (worker_loop(w, &next_us)) {
			COUNT_N(&w->counters, busy_cycles, rte_rdtsc() - tsc);
			COUNT(&w->counters, busy_loops);
			idle = false;
			continue;
		}
		COUNT(&w->counters, idle_loops);
		if (!idle)
			idle_since_us = w->now_us;
		idle = true;
		if (w->adaptive && w->now_us - idle_since_us > IDLE_SPIN_US)
			idle_sleep(w, w->now_us - idle_since_us, next_us);
		else
			rte_pause();
	}
	worker_end(w);
	return 0;
}
