// SPDX-License-Identifier: BSD-3-Clause
// The generator as a whole: memory, one turn, the numbers.
#include "bench/gen/gen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/rand.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "base/secret.h"
#include "bench/gen/gen_int.h"

#define WHEEL_TICK_US 1000
#define RELEASED_MAX 4096 // connections that go on closing by themselves
#define TIME_WAIT_MS 1000 // ports are drawn at random, and there are many
#define SND_BUF_MAX (1u << 20)
#define EVENTS_MAX 1024 // in one turn

static struct tcp_stack *make_tcp(struct gen *g)
{
	const struct gen_conf *c = &g->c;
	struct tcp_config t;

	tcp_config_default(&t);
	t.max_conns = c->sessions + RELEASED_MAX;
	t.max_half_open = 16;
	t.max_time_wait = 16384;
	t.time_wait_ms = TIME_WAIT_MS;
	t.keepalive_idle_ms = 0;
	t.snd_buf_max = SND_BUF_MAX;
	t.mem_max_mbufs = RTE_MAX(c->pool->size * 5 / 8, 64u);
	if (c->chaos.rcv_wnd)
		t.rcv_wnd_max = c->chaos.rcv_wnd;
	t.mtu = c->access->mtu;
	if (c->offloads)
		t.tx_offloads = RTE_ETH_TX_OFFLOAD_TCP_CKSUM; // headers are right in any case
	else if (port_txq(&g->access_via, c->queue) >= 0)
		t.tx_offloads = c->access->tx_offloads;
	t.pool = c->pool;
	t.counters = &g->counters;
	t.output = gen_tcp_output;
	t.user = g;
	if (RAND_bytes(t.secret, sizeof(t.secret)) != 1)
		return NULL;
	return tcp_create(&t, g->now_us);
}

static int make_records(struct gen *g, char *err, size_t cap)
{
	const struct rec_backend *b = rec_backend_get(g->c.record_backend);

	if (!b) {
		snprintf(err, cap, "record backend \"%s\": there is none of that name",
			g->c.record_backend);
		return -ENOENT;
	}
	g->rc = rec_crypto_create(b);
	if (!g->rc)
		snprintf(err, cap, "record backend: %s", strerror(errno));
	return g->rc ? 0 : -ENOMEM;
}

static int make_buffers(struct gen *g)
{
	g->sessions = calloc(g->c.sessions, sizeof(*g->sessions));
	g->rx = calloc(1, sizeof(*g->rx));
	g->call_buf = calloc(1, sizeof(*g->call_buf));
	g->record = malloc(GEN_RECORD_MAX);
	g->tx.scratch = malloc((size_t)GEN_TX_OPS * GEN_RECORD_MAX);
	g->wheel = wheel_create(WHEEL_TICK_US, g->c.sessions, g->now_us);
	if (!g->sessions || !g->rx || !g->call_buf || !g->record || !g->tx.scratch || !g->wheel)
		return -ENOMEM;
	for (unsigned int i = 0; i < g->c.sessions; i++)
		g->sessions[i].g = g;
	g->nb_state[GEN_STATE_IDLE] = g->c.sessions;
	return 0;
}

static int check(const struct gen_conf *c, char *err, size_t cap)
{
	if (c->sessions && c->nb_client && c->access && c->pool && c->user && c->password)
		return 0;
	snprintf(err, cap, "no sessions, addresses, port, pool, user or password");
	return -EINVAL;
}

struct gen *gen_create(const struct gen_conf *c, uint64_t now_us, char *err, size_t cap)
{
	struct gen *g;

	if (check(c, err, cap))
		return NULL;
	g = calloc(1, sizeof(*g));
	if (!g) {
		snprintf(err, cap, "out of memory");
		return NULL;
	}
	g->c = *c;
	g->now_us = now_us;
	g->rng = c->chaos.seed * 2 + 0x9e3779b97f4a7c15u;
	g->tsc_base = rte_rdtsc();
	g->ns_per_tsc = 1e9 / (double)rte_get_tsc_hz();
	if (make_buffers(g)) {
		snprintf(err, cap, "out of memory");
		goto fail;
	}
	if (make_records(g, err, cap) || gen_ports_create(g, err, cap))
		goto fail;
	g->tcp = make_tcp(g);
	if (!g->tcp) {
		snprintf(err, cap, "TCP for %u sessions: %s", c->sessions, rte_strerror(rte_errno));
		goto fail;
	}
	return g;
fail:
	gen_destroy(g);
	return NULL;
}

void gen_destroy(struct gen *g)
{
	if (!g)
		return;
	for (unsigned int i = 0; g->sessions && i < g->c.sessions && g->sessions[i].g; i++)
		gen_session_free(&g->sessions[i]);
	if (g->tcp)
		tcp_destroy(g->tcp);
	gen_ports_destroy(g);
	gen_tx_fini(g);
	gen_traffic_free(g);
	if (g->wheel)
		wheel_destroy(g->wheel);
	if (g->rc)
		rec_crypto_destroy(g->rc);
	if (g->call_buf)
		secret_wipe(g->call_buf, sizeof(*g->call_buf));
	free(g->call_buf);
	free(g->sessions);
	free(g->rx);
	free(g->record);
	free(g->tx.scratch);
	free(g);
}

unsigned int gen_loop(struct gen *g, uint64_t now_us)
{
	struct tcp_conn *c;
	unsigned int events;

	g->now_us = now_us;
	g->work = 0;
	gen_ports_receive(g);
	tcp_tick(g->tcp, now_us);
	for (unsigned int i = 0; i < EVENTS_MAX && (c = tcp_poll(g->tcp, &events)); i++) {
		gen_tcp_event(tcp_conn_user(c), events);
		g->work++;
	}
	gen_rx_run(g);
	gen_arp_run(g);
	gen_calls_run(g);
	gen_traffic_run(g);
	gen_ports_flush(g);
	return g->work;
}

const struct gen_stats *gen_stats(struct gen *g)
{
	struct gen_stats *st = &g->st;
	struct tcp_levels tcp;

	st->idle = g->nb_state[GEN_STATE_IDLE];
	st->dialing = g->nb_state[GEN_STATE_DIALING];
	st->up = g->nb_state[GEN_STATE_UP];
	st->ended = g->nb_state[GEN_STATE_ENDED];
	st->closing = g->nb_state[GEN_STATE_CLOSING];
	gen_count_unopened(g);
	for (unsigned int d = 0; d < GEN_N_DIRS; d++) {
		struct gen_flow *f = &st->flow[d];

		f->lost = f->sent > f->received ? f->sent - f->received : 0;
	}
	st->tcp_retransmits = g->counters.v[CNT_tcp_retransmits];
	tcp_stack_levels(g->tcp, &tcp);
	st->tcp_open = tcp.conns;
	st->tcp_time_wait = tcp.time_wait;
	st->mbufs_in_use = rte_mempool_in_use_count(g->c.pool);
	st->chaos_lost = g->chaos_in.lost + g->chaos_out.lost;
	st->chaos_duplicated = g->chaos_in.duplicated + g->chaos_out.duplicated;
	st->chaos_reordered = g->chaos_in.reordered + g->chaos_out.reordered;
	st->chaos_corrupted = g->chaos_in.corrupted + g->chaos_out.corrupted;
	return st;
}

uint32_t gen_session_addr(const struct gen *g, unsigned int i)
{
	return i < g->c.sessions && g->sessions[i].state == GEN_STATE_UP ? g->sessions[i].addr : 0;
}
