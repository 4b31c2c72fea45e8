// SPDX-License-Identifier: BSD-3-Clause
// Random connections over a bad link: whatever happens to packets, both streams arrive byte for
// byte, both ends close, and every mbuf comes back. Each seed is one connection. TCP_SEEDS: how
// many (default 2000, sanitizers 300); TCP_SEED: only this one, with its settings and counters;
// TCP_TRACE: every packet.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcp_sim.h"
#include "tests/unit/tcp_take.h"

#define LPORT 40000
#define RPORT 443
#define LIMIT_US (3600ull * 1000000)

struct peer {
	struct tcp_conn *c;
	int side;
	uint64_t seed;        // of the pattern that it sends
	uint64_t total, sent; // to write, written
	uint64_t received, expect;
	uint32_t write_max;
	bool respect_room, slow;
	uint64_t read_after_us;
	bool established, eof, closed, shut, released;
	int error;
};

struct run {
	struct sim s;
	struct peer p[2];
	uint64_t seed;
	bool simultaneous_open, abort_midway;
};

static void print_counters(const struct sim *s)
{
	static const char *const names[] = {
#define COUNTER(name, severity, help) #name,
#include "dataplane/counters.def"
#undef COUNTER
	};

	for (unsigned int k = 0; k < CNT_N; k++)
		if (s->counters[0].v[k] || s->counters[1].v[k])
			printf("  %-24s %8llu %8llu\n", names[k],
				(unsigned long long)s->counters[0].v[k],
				(unsigned long long)s->counters[1].v[k]);
}

static _Noreturn void fail(const struct run *r, const char *what)
{
	fprintf(stderr, "seed %llu: %s at %llu us (sent %llu/%llu %llu/%llu, received %llu %llu)\n",
		(unsigned long long)r->seed, what, (unsigned long long)r->s.now_us,
		(unsigned long long)r->p[0].sent, (unsigned long long)r->p[0].total,
		(unsigned long long)r->p[1].sent, (unsigned long long)r->p[1].total,
		(unsigned long long)r->p[0].received, (unsigned long long)r->p[1].received);
	for (int i = 0; i < 2; i++) {
		struct tcp_info t;

		if (!r->p[i].c || r->p[i].released)
			continue;
		tcp_conn_info(r->p[i].c, &t);
		fprintf(stderr,
			" side %d: %s cwnd %u ssthresh %u snd_wnd %u rcv_wnd %u rto %u queued %u "
			"error %d flags %x mode %d\n",
			i, t.state, t.cwnd, t.ssthresh, t.snd_wnd, t.rcv_wnd, t.rto_us,
			tcp_tx_queued(r->p[i].c), tcp_conn_error(r->p[i].c), r->p[i].c->flags,
			r->p[i].c->rtx_mode);
	}
	print_counters(&r->s);
	abort();
}

static void app_write(struct run *r, struct peer *p)
{
	struct sim *s = &r->s;
	bool pushed = false;

	while (p->sent < p->total) {
		uint32_t len = 1 + sim_below(s, (uint32_t)RTE_MIN(p->total - p->sent,
							(uint64_t)p->write_max));
		struct rte_mbuf *m;
		char *to;

		if (p->respect_room &&
			tcp_tx_room(p->c, len) < RTE_MIN(len, (uint32_t)tcp_snd_mss(p->c)))
			break;
		if (tcp_tx_queued(p->c) + len > s->stack[p->side]->cfg.snd_buf_max)
			break;
		m = rte_pktmbuf_alloc(s->pool[p->side]);
		if (!m)
			break;
		m->data_off = MBUF_FRONT;
		to = rte_pktmbuf_append(m, (uint16_t)len);
		for (uint32_t i = 0; i < len; i++)
			to[i] = (char)sim_pattern(p->seed, p->sent + i);
		if (tcp_send(p->c, m, s->now_us))
			break;
		p->sent += len;
		pushed = true;
		if (!p->respect_room && sim_chance(s, 200))
			break;
	}
	if (pushed)
		tcp_push(p->c, s->now_us);
	if (p->sent == p->total && !p->shut) {
		p->shut = true;
		tcp_shutdown(p->c, s->now_us);
	}
}

static void verify(struct run *r, struct peer *p, const uint8_t *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (b[i] != sim_pattern(r->p[!p->side].seed, p->received + i))
			fail(r, "wrong byte");
	p->received += n;
}

static void app_read(struct run *r, struct peer *p)
{
	struct sim *s = &r->s;
	struct tcp_slice sl[4];
	uint32_t bytes;
	uint16_t n;

	if (s->now_us < p->read_after_us)
		return;
	while (tcp_rx_avail(p->c)) {
		uint32_t skip = sim_below(s, 2) ? sim_below(s, tcp_rx_avail(p->c)) : 0, seen = 0;

		if (sim_chance(s, 300)) { // by taking the first mbuf
			n = tcp_peek(p->c, 0, sl, 1, &bytes);
			struct rte_mbuf *m = n ? tcp_take(p->c, sl[0].len, s->now_us) : NULL;

			if (!m || m->data_len != bytes)
				fail(r, "tcp_take");
			verify(r, p, rte_pktmbuf_mtod(m, uint8_t *), bytes);
			rte_pktmbuf_free(m);
			continue;
		}
		n = tcp_peek(p->c, skip, sl, 4, &bytes);
		for (uint16_t i = 0; i < n; i++) // peeking beyond changes nothing
			for (uint32_t k = 0; k < sl[i].len; k++)
				if (sl[i].p[k] != sim_pattern(r->p[!p->side].seed,
							  p->received + skip + seen++))
					fail(r, "wrong byte in peek");
		n = tcp_peek(p->c, 0, sl, 1 + sim_below(s, 4), &bytes);
		if (!n)
			fail(r, "peek");
		bytes = sim_chance(s, 300) ? 1 + sim_below(s, bytes) : bytes;
		for (uint32_t i = 0, left = bytes; left; i++) {
			uint32_t k = RTE_MIN(left, sl[i].len);

			verify(r, p, sl[i].p, k);
			left -= k;
		}
		tcp_consume(p->c, bytes, s->now_us);
		if (p->slow && sim_chance(s, 300)) {
			p->read_after_us = s->now_us + sim_below(s, 1500000);
			return;
		}
	}
}

static void poll_events(struct run *r, int side)
{
	struct peer *p = &r->p[side];
	struct tcp_conn *c;
	unsigned int ev;

	while ((c = tcp_poll(r->s.stack[side], &ev))) {
		if (!p->c)
			p->c = c;
		if (p->c != c || p->released)
			fail(r, "event for a stranger");
		if (ev & (TCP_EV_ACCEPTED | TCP_EV_CONNECTED)) {
			if (p->established)
				fail(r, "established twice");
			p->established = true;
		}
		if (ev & TCP_EV_EOF)
			p->eof = true;
		if (ev & TCP_EV_CLOSED) {
			if (p->closed)
				fail(r, "closed twice");
			p->closed = true;
			p->error = tcp_conn_error(c);
		}
	}
}

static void run_apps(struct run *r)
{
	for (int i = 0; i < 2; i++) {
		struct peer *p = &r->p[i];

		poll_events(r, i);
		if (!p->c || p->released)
			continue;
		if (p->error)
			continue;
		if (p->established)
			app_read(r, p);
		if (p->established && !p->closed)
			app_write(r, p);
		poll_events(r, i);
	}
}

static void settings(struct run *r, struct sim_link *l, struct tcp_config cfg[2], bool *v6)
{
	static const struct tcp_cc *const cc[] = {&tcp_cc_cubic, &tcp_cc_newreno, &tcp_cc_bbr};
	static const uint32_t windows[] = {1000, 4096, 20000, 65535, 200000, 1 << 20};
	static const uint16_t mtus[] = {576, 1280, 1400, 1500, 1500};
	struct sim rng = {.rng = r->seed * 7919 + 1};

	*l = (struct sim_link){.delay_us = 20 + sim_below(&rng, 3) * sim_below(&rng, 40000)};
	if (sim_below(&rng, 5)) {
		l->drop = sim_below(&rng, 4) * sim_below(&rng, 60);
		l->dup = sim_below(&rng, 2) * sim_below(&rng, 100);
		l->reorder = sim_below(&rng, 2) * sim_below(&rng, 200);
		l->corrupt = sim_below(&rng, 3) ? 0 : sim_below(&rng, 50);
		l->jitter_us = sim_below(&rng, 2) * sim_below(&rng, 20000);
	}
	l->hold = sim_below(&rng, 2) * sim_below(&rng, 500);
	l->strip = sim_below(&rng, 2) ? 0 : sim_below(&rng, 8);
	*v6 = sim_below(&rng, 2);
	for (int i = 0; i < 2; i++) {
		sim_config(&cfg[i]);
		cfg[i].rcv_wnd_max = windows[sim_below(&rng, RTE_DIM(windows))];
		cfg[i].mtu = mtus[sim_below(&rng, RTE_DIM(mtus))];
		cfg[i].max_half_open = sim_below(&rng, 4) ? 8 : 0; // 0: SYN cookies
		cfg[i].cc = cc[sim_below(&rng, RTE_DIM(cc))];
		cfg[i].snd_buf_max = sim_below(&rng, 3) ? 256 << 10 : 4000;
		cfg[i].time_wait_ms = 1000;
		cfg[i].syn_timeout_ms = 600000;
		cfg[i].keepalive_idle_ms = 600000;
		r->p[i].side = i;
		r->p[i].seed = r->seed * 2 + (uint64_t)i;
		r->p[i].total =
			sim_below(&rng, 4) ? sim_below(&rng, 60000) : sim_below(&rng, 400000);
		r->p[i].write_max = sim_below(&rng, 3) ? 2000 : 200;
		r->p[i].respect_room = sim_below(&rng, 2);
		r->p[i].slow = !sim_below(&rng, 4);
	}
	// A receiver that keeps next to nothing out of order; with tiny segments or without SACK it
	// would only be waiting for timeouts.
	for (int i = 0; i < 2; i++)
		if (!l->strip && r->p[!i].write_max > 200 && !sim_below(&rng, 4))
			cfg[i].ooo_max_segs = 4;
	if (*v6) {
		cfg[0].mtu = RTE_MAX(cfg[0].mtu, 1280);
		cfg[1].mtu = RTE_MAX(cfg[1].mtu, 1280);
	}
	if (!sim_below(&rng, 4)) { // the path is narrower than the links at its ends
		l->mtu = *v6 ? 1280 : 1100;
		l->icmp = sim_below(&rng, 2);
	}
	r->simultaneous_open = !sim_below(&rng, 8);
	if (r->simultaneous_open)
		cfg[0].max_half_open = cfg[1].max_half_open = 8;
	r->abort_midway = !sim_below(&rng, 10);
}

static bool done(const struct run *r)
{
	for (int i = 0; i < 2; i++)
		if (!r->p[i].closed || r->p[i].error || tcp_rx_avail(r->p[i].c))
			return false;
	return true;
}

static void check_streams(const struct run *r)
{
	for (int i = 0; i < 2; i++) {
		const struct peer *p = &r->p[i];

		if (!p->established || !p->eof || !p->closed || p->error)
			fail(r, "not orderly closed");
		if (p->received != r->p[!i].total)
			fail(r, "stream cut");
	}
}

static void let_go(struct run *r, int i)
{
	struct peer *p = &r->p[i];

	if (p->c && !p->released) {
		tcp_release(p->c, r->s.now_us);
		p->released = true;
	}
}

// After release and TIME-WAIT nothing may be left.
static void check_levels(struct run *r)
{
	for (int i = 0; i < 2; i++) {
		struct tcp_levels l;

		tcp_stack_levels(r->s.stack[i], &l);
		if (l.conns || l.half_open || l.time_wait || l.mbufs_held)
			fail(r, "something left behind");
	}
}

static void run_seed(uint64_t seed, bool trace)
{
	struct run *r = calloc(1, sizeof(*r));
	struct tcp_config cfg[2];
	struct sim_link l;
	uint64_t start, abort_at;
	bool v6, aborted = false;

	assert(r);
	r->seed = seed;
	settings(r, &l, cfg, &v6);
	start = sim_wrap_start(cfg, v6, LPORT, RPORT);
	if (trace)
		printf("seed %llu: drop %u dup %u reorder %u corrupt %u delay %u jitter %u hold %u "
		       "mtu %u icmp %d strip %u "
		       "v6 %d wnd %u %u total %llu %llu simul %d abort %d\n",
			(unsigned long long)seed, l.drop, l.dup, l.reorder, l.corrupt, l.delay_us,
			l.jitter_us, l.hold, l.mtu, l.icmp, l.strip, v6, cfg[0].rcv_wnd_max,
			cfg[1].rcv_wnd_max, (unsigned long long)r->p[0].total,
			(unsigned long long)r->p[1].total, r->simultaneous_open, r->abort_midway);
	sim_init(&r->s, &l, cfg, seed, v6, start);
	abort_at = r->abort_midway ? start + sim_below(&r->s, 2000000) : UINT64_MAX;

	r->p[0].c =
		tcp_connect(r->s.stack[0], &r->s.addr[0], LPORT, &r->s.addr[1], RPORT, NULL, start);
	assert(r->p[0].c);
	if (r->simultaneous_open)
		r->p[1].c = tcp_connect(
			r->s.stack[1], &r->s.addr[1], RPORT, &r->s.addr[0], LPORT, NULL, start);
	else
		assert(!tcp_listen(r->s.stack[1], RPORT));

	while (!done(r)) {
		sim_step(&r->s, r->s.now_us + 100000);
		if (r->s.now_us >= abort_at && r->p[0].c) {
			tcp_abort(r->p[0].c, r->s.now_us);
			let_go(r, 0);
			aborted = true;
			break;
		}
		run_apps(r);
		if (r->p[0].error || r->p[1].error)
			fail(r, "error");
		if (r->s.now_us > start + LIMIT_US)
			fail(r, "took too long");
	}
	if (!aborted)
		check_streams(r);
	if (r->p[1].c)
		let_go(r, 1);
	let_go(r, 0);
	sim_run(&r->s, LIMIT_US);
	run_apps(r);
	let_go(r, 1);
	sim_run(&r->s, LIMIT_US);
	check_levels(r);
	if (trace)
		print_counters(&r->s);
	sim_fini(&r->s);
	free(r);
}

int main(void)
{
#if defined(__SANITIZE_ADDRESS__)
	uint64_t n = 300;
#else
	uint64_t n = 2000;
#endif
	const char *seeds = getenv("TCP_SEEDS"), *one = getenv("TCP_SEED"),
		   *first = getenv("TCP_FIRST");
	uint64_t from = first ? strtoull(first, NULL, 10) : 1;

	sim_eal();
	if (one) {
		setvbuf(stdout, NULL, _IONBF, 0);
		sim_trace = getenv("TCP_TRACE");
		run_seed(strtoull(one, NULL, 10), true);
		return 0;
	}
	if (seeds)
		n = strtoull(seeds, NULL, 10);
	for (uint64_t i = from; i < from + n; i++)
		run_seed(i, false);
	printf("%llu seeds\n", (unsigned long long)n);
	return 0;
}
