// SPDX-License-Identifier: BSD-3-Clause
#include <math.h>
#include <string.h>
#include <rte_common.h>

#include "dataplane/tcp_cc.h"

#define CWND_MAX (1u << 30)

static void cwnd_add(struct tcp_cc_flow *f, uint32_t bytes)
{
	f->cwnd = RTE_MIN(f->cwnd + bytes, CWND_MAX);
}

uint32_t tcp_cc_slow_start(struct tcp_cc_flow *f, uint32_t acked)
{
	uint32_t n = RTE_MIN(acked, f->ssthresh - f->cwnd);

	cwnd_add(f, n);
	return acked - n;
}

// NewReno, RFC 5681 3.1: one segment per window in congestion avoidance.
// priv.u[0]: bytes acknowledged since the last step.

static void newreno_restart(struct tcp_cc_flow *f, uint64_t now_us)
{
	f->priv.u[0] = 0;
}

static void newreno_acked(struct tcp_cc_flow *f, uint32_t acked, uint32_t srtt_us, uint64_t now_us)
{
	if (f->cwnd < f->ssthresh)
		acked = tcp_cc_slow_start(f, acked);
	f->priv.u[0] += acked;
	if (f->priv.u[0] >= f->cwnd) {
		f->priv.u[0] -= f->cwnd;
		cwnd_add(f, f->mss);
	}
}

static void newreno_loss(struct tcp_cc_flow *f, uint32_t in_flight, uint64_t now_us)
{
	f->ssthresh = RTE_MAX(RTE_MIN(in_flight, f->cwnd) / 2, 2 * f->mss);
	f->priv.u[0] = 0;
}

const struct tcp_cc tcp_cc_newreno = {
	.name = "newreno",
	.init = newreno_restart,
	.acked = newreno_acked,
	.loss = newreno_loss,
	.restart = newreno_restart,
};

// CUBIC, RFC 9438. Windows in segments, times in seconds.

#define CUBIC_C 0.4
#define CUBIC_BETA 0.7
#define CUBIC_ALPHA (3.0 * (1.0 - CUBIC_BETA) / (1.0 + CUBIC_BETA))

struct cubic {
	uint64_t epoch_us; // start of congestion avoidance, 0: not begun
	double w_max;
	double k;          // seconds until w_max is reached again
	double w_est;      // what Reno would have
	double cwnd_prior; // at the last loss
	double frac;       // of a byte, not yet added to cwnd
	double origin;     // plateau of this epoch
};

_Static_assert(sizeof(struct cubic) <= sizeof(((struct tcp_cc_flow *)0)->priv), "cubic state");

static struct cubic *cubic(struct tcp_cc_flow *f)
{
	return (struct cubic *)(void *)&f->priv;
}

static void cubic_init(struct tcp_cc_flow *f, uint64_t now_us)
{
	memset(&f->priv, 0, sizeof(f->priv));
}

// The plateau stays known (w_max); time begins again.
static void cubic_restart(struct tcp_cc_flow *f, uint64_t now_us)
{
	cubic(f)->epoch_us = 0;
}

// 4.2: K = cubic_root((W_max - cwnd_epoch) / C).
static void cubic_epoch(struct tcp_cc_flow *f, struct cubic *q, double w, uint64_t now_us)
{
	q->epoch_us = now_us;
	q->w_est = w;
	q->frac = 0;
	if (w < q->w_max) {
		q->k = cbrt((q->w_max - w) / CUBIC_C);
		q->origin = q->w_max;
	} else {
		q->k = 0;
		q->origin = w;
	}
}

static void cubic_acked(struct tcp_cc_flow *f, uint32_t acked, uint32_t srtt_us, uint64_t now_us)
{
	struct cubic *q = cubic(f);
	double w, t, target, inc;

	if (f->cwnd < f->ssthresh) {
		acked = tcp_cc_slow_start(f, acked);
		if (!acked)
			return;
	}
	w = (double)f->cwnd / f->mss;
	if (!q->epoch_us)
		cubic_epoch(f, q, w, now_us);

	// 4.3: Reno-friendly estimate; past the window before the loss it grows as Reno does.
	q->w_est += (q->w_est >= q->cwnd_prior ? 1.0 : CUBIC_ALPHA) * acked / f->cwnd;

	// 4.2: W_cubic one round trip ahead, bounded to [cwnd, 1.5 cwnd].
	t = (double)(now_us - q->epoch_us + srtt_us) / 1e6 - q->k;
	target = RTE_MIN(RTE_MAX(q->origin + CUBIC_C * t * t * t, w), 1.5 * w);
	inc = (target - w) * acked / w;
	if (q->w_est > w + inc / f->mss)
		inc = (q->w_est - w) * f->mss; // 4.3
	q->frac += RTE_MIN(inc, (double)acked);
	cwnd_add(f, (uint32_t)q->frac);
	q->frac -= (uint32_t)q->frac;
}

// 4.6, and 4.7: fast convergence.
static void cubic_loss(struct tcp_cc_flow *f, uint32_t in_flight, uint64_t now_us)
{
	struct cubic *q = cubic(f);
	double w = (double)f->cwnd / f->mss;

	q->cwnd_prior = w;
	q->w_max = w < q->w_max ? w * (1.0 + CUBIC_BETA) / 2.0 : w;
	q->epoch_us = 0;
	f->ssthresh = RTE_MAX((uint32_t)(RTE_MIN(in_flight, f->cwnd) * CUBIC_BETA), 2 * f->mss);
}

const struct tcp_cc tcp_cc_cubic = {
	.name = "cubic",
	.init = cubic_init,
	.acked = cubic_acked,
	.loss = cubic_loss,
	.restart = cubic_restart,
};

const struct tcp_cc *tcp_cc_find(const char *name)
{
	if (!strcmp(name, tcp_cc_cubic.name))
		return &tcp_cc_cubic;
	if (!strcmp(name, tcp_cc_newreno.name))
		return &tcp_cc_newreno;
	if (!strcmp(name, tcp_cc_bbr.name))
		return &tcp_cc_bbr;
	return NULL;
}
