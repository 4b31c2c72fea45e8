// SPDX-License-Identifier: BSD-3-Clause
// Traffic: who sends when, and what came of it.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <rte_random.h>

#include "bench/gen/gen_int.h"

#define SCAN_MAX 256u // sessions passed over in one turn because they are not up

static bool has(const struct gen *g, enum gen_direction d)
{
	return g->t.directions & (1u << d);
}

uint16_t gen_next_size(struct gen *g)
{
	unsigned int at;

	if (g->t.nb_sizes == 1)
		return g->t.size[0];
	at = (unsigned int)(gen_random(g) >> 32) % g->weights;
	for (unsigned int i = 0; i < g->t.nb_sizes; i++) {
		if (at < g->t.weight[i])
			return g->t.size[i];
		at -= g->t.weight[i];
	}
	return g->t.size[0];
}

// --- sending ---

static bool takes_part(const struct gen *g, unsigned int i)
{
	return i >= g->t.first && i - g->t.first < g->t.active;
}

// The next session that can send, or NULL.
static struct gen_session *next_sender(struct gen *g, enum gen_direction d, unsigned int *scanned)
{
	while (*scanned < RTE_MIN(g->t.active, SCAN_MAX)) {
		unsigned int i = g->turn[d]++ % g->t.active;
		struct gen_session *s;

		if (g->t.random)
			i = (unsigned int)(gen_random(g) >> 32) % g->t.active;
		s = &g->sessions[g->t.first + i];
		++*scanned;
		if (s->state == GEN_STATE_UP && s->addr)
			return s;
	}
	return NULL;
}

static struct rte_mbuf *host_packet(struct gen *g, struct gen_session *s, uint64_t now_ns)
{
	struct gen_stream *st = &g->stream[GEN_DIR_DOWN][gen_index(s) - g->t.first];
	struct probe p = {.run = g->run, .session = gen_index(s), .sent_ns = now_ns};
	struct rte_mbuf *m = gen_mbuf(g);
	uint16_t size;

	if (!m)
		return NULL;
	size = gen_next_size(g);
	p.seq = st->next_seq++;
	probe_build((uint8_t *)rte_pktmbuf_append(m, size), size, PROBE_UDP, g->c.core_addr,
		s->addr, &p);
	m->l3_len = 20;
	g->st.flow[GEN_DIR_DOWN].sent++;
	g->st.flow[GEN_DIR_DOWN].sent_bytes += size;
	return m;
}

// Returns how many of n packets went.
static unsigned int send_down(struct gen *g, struct gen_session *s, unsigned int n)
{
	struct rte_mbuf *m[NETIF_BURST];
	uint64_t now_ns = gen_ns(g);
	unsigned int done = 0;
	uint16_t nb = 0;

	if (!g->core)
		return 0;
	while (done < n && (m[nb] = host_packet(g, s, now_ns))) {
		done++;
		if (++nb == RTE_DIM(m)) {
			netif_output(g->core, m, nb, g->now_us);
			nb = 0;
		}
	}
	if (nb)
		netif_output(g->core, m, nb, g->now_us);
	return done;
}

static unsigned int send_up(
	struct gen *g, struct gen_session *s, enum gen_direction d, unsigned int n)
{
	unsigned int partner = gen_index(s) ^ 1, done = 0, k;
	uint32_t dst = g->c.core_addr;

	if (d == GEN_DIR_HAIRPIN)
		dst = takes_part(g, partner) ? g->sessions[partner].addr : 0;
	if (!dst)
		return 0;
	while (done < n && s->state == GEN_STATE_UP) {
		k = gen_tx_packets(s, d, dst, RTE_MIN(n - done, g->t.per_record));
		if (!k)
			break;
		done += k;
	}
	return done;
}

static void send_direction(struct gen *g, enum gen_direction d)
{
	unsigned int due = g->t.per_turn, burst = g->t.burst, scanned = 0, done = 0;
	struct gen_session *s;

	due = pace_take(&g->pace[d], burst, due, g->now_us);
	while (done < due && (s = next_sender(g, d, &scanned))) {
		unsigned int n = RTE_MIN(burst, due - done), k;

		k = d == GEN_DIR_DOWN ? send_down(g, s, n) : send_up(g, s, d, n);
		g->st.flow[d].refused += n - k;
		done += n;
		if (k)
			scanned = 0;
	}
	if (g->t.pps > 0)
		pace_back(&g->pace[d], due - done);
	g->work += done;
}

void gen_traffic_run(struct gen *g)
{
	if (g->flowing)
		for (unsigned int d = 0; d < GEN_N_DIRS; d++)
			if (has(g, d))
				send_direction(g, d);
	gen_tx_flush(g);
	gen_tx_tails(g);
}

// --- receiving ---

bool gen_may_skip(const struct gen_session *s, uint32_t plain_len)
{
	const struct gen_traffic *t = &s->g->t;

	if (!takes_part(s->g, gen_index(s)))
		return false;
	if (has(s->g, GEN_DIR_DOWN) && has(s->g, GEN_DIR_HAIRPIN))
		return false; // whose it is must be seen
	if (t->nb_sizes == 1)
		return plain_len % (t->size[0] + GEN_FRAME_LEN) == 0;
	return plain_len >= PROBE_MIN_SIZE + GEN_FRAME_LEN;
}

static bool is_size(const struct gen *g, size_t len)
{
	for (unsigned int i = 0; i < g->t.nb_sizes; i++)
		if (g->t.size[i] == len)
			return true;
	return false;
}

static void count_in(struct gen *g, enum gen_direction d, size_t len, const struct probe *p)
{
	struct gen_flow *f = &g->st.flow[d];
	struct gen_stream *st;
	uint64_t late;

	if (!g->stream[d] || !takes_part(g, p->session)) {
		f->corrupt++;
		return;
	}
	st = &g->stream[d][p->session - g->t.first];
	if (p->seq >= st->next_seq) { // never sent
		f->corrupt++;
		return;
	}
	late = st->window.reordered;
	if (!seq_window_add(&st->window, p->seq)) {
		f->duplicated++;
		return;
	}
	f->reordered += st->window.reordered - late;
	f->received++;
	f->received_bytes += len;
	hist_add(&f->latency, gen_ns(g) - p->sent_ns);
}

static enum gen_direction down_direction(const struct gen *g)
{
	return has(g, GEN_DIR_DOWN) ? GEN_DIR_DOWN : GEN_DIR_HAIRPIN;
}

void gen_packet_in(struct gen_session *s, const uint8_t *ip, size_t len)
{
	struct gen *g = s->g;
	enum gen_direction d = down_direction(g);
	struct probe p;
	uint32_t src, dst;

	if (!g->run || len < PROBE_MIN_SIZE)
		return;
	switch (probe_check(ip, len, len, g->run, &p)) {
	case PROBE_OTHER:
		return;
	case PROBE_CORRUPT:
		g->st.flow[d].corrupt++;
		return;
	case PROBE_OK:
		break;
	}
	memcpy(&src, ip + 12, 4);
	memcpy(&dst, ip + 16, 4);
	d = src == rte_cpu_to_be_32(g->c.core_addr) ? GEN_DIR_DOWN : GEN_DIR_HAIRPIN;
	// Somebody else's packet is as wrong as a broken one.
	if (p.session != (d == GEN_DIR_DOWN ? gen_index(s) : (gen_index(s) ^ 1)) ||
		dst != rte_cpu_to_be_32(s->addr) || !is_size(g, len)) {
		g->st.flow[d].corrupt++;
		return;
	}
	count_in(g, d, len, &p);
}

void gen_skipped_in(struct gen_session *s, uint32_t plain_len)
{
	s->flags |= GENF_HEARD;
	s->g->unopened += plain_len;
}

// Packets that were not opened: by their bytes, and the mean length of what was sent but for what
// was opened.
void gen_count_unopened(struct gen *g)
{
	struct gen_flow *f = &g->st.flow[down_direction(g)];
	uint64_t opened = f->received - g->unopened_packets, n;
	uint64_t opened_bytes = f->received_bytes - g->unopened_bytes;
	double packets = (double)f->sent - (double)opened;
	double framed = (double)f->sent_bytes - (double)opened_bytes + packets * GEN_FRAME_LEN;

	if (!g->unopened || packets <= 0 || framed <= 0)
		return;
	n = (uint64_t)((double)g->unopened * packets / framed + 0.5);
	f->received = opened + n;
	g->unopened_packets = n;
	g->unopened_bytes = g->unopened - RTE_MIN(n * GEN_FRAME_LEN, g->unopened);
	f->received_bytes = opened_bytes + g->unopened_bytes;
}

void gen_host_in(struct gen *g, const uint8_t *ip, size_t len)
{
	bool whole = g->t.verify && ++g->host_skipped >= g->t.verify;
	enum probe_result r;
	struct probe p;

	if (!g->run)
		return;
	if (whole)
		g->host_skipped = 0;
	r = whole ? probe_check(ip, len, len, g->run, &p) : probe_peek(ip, len, g->run, &p);
	if (r == PROBE_OTHER)
		return;
	if (r != PROBE_OK || !is_size(g, len)) {
		g->st.flow[GEN_DIR_UP].corrupt++;
		return;
	}
	count_in(g, GEN_DIR_UP, len, &p);
}

// --- start and stop ---

void gen_traffic_free(struct gen *g)
{
	for (unsigned int d = 0; d < GEN_N_DIRS; d++) {
		free(g->stream[d]);
		g->stream[d] = NULL;
	}
}

void gen_traffic_reset(struct gen *g, uint64_t now_us)
{
	g->now_us = now_us;
	// Packets that are under way bear the old number.
	g->run = (uint32_t)gen_random(g) | 1;
	memset(g->st.flow, 0, sizeof(g->st.flow));
	g->unopened = g->unopened_packets = g->unopened_bytes = 0;
	for (unsigned int d = 0; d < GEN_N_DIRS; d++)
		if (g->stream[d])
			memset(g->stream[d], 0, g->t.active * sizeof(*g->stream[d]));
}

// 0, -EINVAL, or -EMSGSIZE when a packet is too long for the host's link.
static int fix_traffic(struct gen *g)
{
	struct gen_traffic *t = &g->t;

	if (!t->nb_sizes || t->nb_sizes > GEN_MAX_SIZES || t->first >= g->c.sessions)
		return -EINVAL;
	t->active = RTE_MIN(t->active, g->c.sessions - t->first);
	t->burst = RTE_MAX(t->burst, 1u);
	t->per_turn = RTE_MAX(t->per_turn ? t->per_turn : 64, t->burst);
	t->per_record = RTE_MIN(RTE_MAX(t->per_record, 1u), (unsigned int)GEN_MAX_PER_RECORD);
	g->weights = 0;
	for (unsigned int i = 0; i < t->nb_sizes; i++) {
		if (t->size[i] < PROBE_MIN_SIZE || t->size[i] > PROBE_MAX_SIZE)
			return -EINVAL;
		if (g->core && t->size[i] > g->c.core->mtu)
			return -EMSGSIZE;
		t->weight[i] = RTE_MAX(t->weight[i], 1u);
		g->weights += t->weight[i];
	}
	if (!g->core)
		t->directions &= GEN_HAIRPIN;
	return t->active ? 0 : -EINVAL;
}

int gen_traffic_start(struct gen *g, const struct gen_traffic *t, uint64_t now_us)
{
	int rc;

	g->flowing = false;
	gen_traffic_free(g);
	g->t = *t;
	rc = fix_traffic(g);
	if (rc)
		return rc;
	for (unsigned int d = 0; d < GEN_N_DIRS; d++) {
		if (!has(g, d))
			continue;
		g->stream[d] = calloc(g->t.active, sizeof(*g->stream[d]));
		if (!g->stream[d]) {
			gen_traffic_free(g);
			return -ENOMEM;
		}
		pace_start(&g->pace[d], g->t.pps, now_us);
		g->turn[d] = 0;
	}
	gen_traffic_reset(g, now_us);
	g->flowing = true;
	return 0;
}

void gen_traffic_stop(struct gen *g, uint64_t now_us)
{
	g->flowing = false;
}
