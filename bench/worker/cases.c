// SPDX-License-Identifier: BSD-3-Clause
// Traffic: windows of one case after the other, in turn, with the anchor in front of each.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <rte_common.h>

#include "bench/null_backend.h"
#include "bench/worker/anchor.h"
#include "bench/worker/worker.h"

#define SETTLE_S 0.3 // nothing is under way any more
#define QUIET_S 1.0  // what has not come by then does not come
#define QUIET_CHAOS_S 4.0
#define QUIET_EMPTY_S 0.1 // with nothing under way
#define SMALL 512
#define SSTP_PPP 8 // in front of the inner packet

static const struct {
	uint16_t size;
	unsigned int weight;
} imix[] = {{64, 7}, {576, 4}, {1400, 1}};

struct flows { // of all generators
	uint64_t sent, received, reordered, duplicated, corrupt, refused;
	uint64_t lost_sessions, retransmits;
	uint64_t mbufs; // generators' own that are in use
};

struct on_gen {
	struct gen_traffic t;
	unsigned int turns, rounds;
	int rc;
};

static void do_start(struct lane *l, void *arg)
{
	struct on_gen *g = arg;

	l->gen_turns = g->turns;
	l->rounds = g->rounds;
	g->rc = gen_traffic_start(l->g, &g->t, lane_now_us(l));
}

static void do_stop(struct lane *l, void *arg)
{
	gen_traffic_stop(l->g, lane_now_us(l));
}

static void do_reset(struct lane *l, void *arg)
{
	gen_traffic_reset(l->g, lane_now_us(l));
}

static void do_flows(struct lane *l, void *arg)
{
	const struct gen_stats *s = gen_stats(l->g);
	struct flows *f = arg;

	for (unsigned int d = 0; d < GEN_N_DIRS; d++) {
		f->sent += s->flow[d].sent;
		f->received += s->flow[d].received;
		f->reordered += s->flow[d].reordered;
		f->duplicated += s->flow[d].duplicated;
		f->corrupt += s->flow[d].corrupt;
		f->refused += s->flow[d].refused;
	}
	f->lost_sessions += s->lost;
	f->retransmits += s->tcp_retransmits;
	f->mbufs += s->mbufs_in_use;
}

static void do_latency(struct lane *l, void *arg)
{
	const struct gen_stats *s = gen_stats(l->g);
	struct hist *h = arg;

	for (unsigned int d = 0; d < GEN_N_DIRS; d++) {
		const struct hist *from = &s->flow[d].latency;

		h->n += from->n;
		h->sum += from->sum;
		h->max = RTE_MAX(h->max, from->max);
		for (unsigned int i = 0; i < HIST_BUCKETS; i++)
			h->bucket[i] += from->bucket[i];
	}
}

static void do_count_begin(struct lane *l, void *arg)
{
	l->stages = *(bool *)arg;
	lane_count_begin(l);
}

static void do_count_end(struct lane *l, void *arg)
{
	lane_count_end(l);
	l->stages = false;
}

static void each_gen(struct bed *b, void (*fn)(struct lane *, void *), void *arg)
{
	for (unsigned int i = 0; i < b->nb_workers; i++)
		if (b->gens[i])
			lane_call(b->gen_lane[i], fn, arg);
}

static void each_worker(struct bed *b, void (*fn)(struct lane *, void *), void *arg)
{
	for (unsigned int i = 0; i < b->nb_workers; i++)
		lane_call(b->worker_lane[i], fn, arg);
}

static struct flows flows_now(struct bed *b)
{
	struct flows f = {0};

	each_gen(b, do_flows, &f);
	return f;
}

// The generator reads a bounded number of one session's records in a turn: it gets more turns than
// the worker, so that one session can be given a burst as large as many can.
static unsigned int turns(const struct wb_opts *o)
{
	return o->turn >= 4 * 4 ? 4 : 1;
}

// A kernel's client sends what there is: a small packet's record by itself; large ones come faster
// than they leave.
static bool straddles(const struct wb_opts *o, const struct wb_case *c, double pps)
{
	if (o->straddle >= 0)
		return o->straddle;
	if (pps > 0) // below what the line takes nothing waits for the next packet
		return false;
	return c->size == WB_IMIX || c->size >= SMALL;
}

static int traffic_start(
	struct bed *b, const struct wb_opts *o, const struct wb_case *c, double pps)
{
	int rc = 0;

	for (unsigned int i = 0; i < b->nb_workers; i++) {
		struct on_gen g = {.turns = turns(o),
			.rounds = o->rounds,
			.t = {
				.directions = c->directions,
				.nb_sizes = 1,
				.size = {(uint16_t)c->size},
				.weight = {1},
				.pps = pps / b->nb_workers,
				.per_turn = o->turn / turns(o),
				.burst = o->burst,
				.active = bed_share(b, c->sessions, i),
				.random = o->random,
				.straddle = straddles(o, c, pps),
				.per_record = 1,
				.verify = o->verify,
			}};

		if (c->size == WB_IMIX) {
			g.t.nb_sizes = RTE_DIM(imix);
			// Packets that are not opened are counted by length.
			g.t.verify = o->verify ? 1 : 0;
			for (unsigned int k = 0; k < RTE_DIM(imix); k++) {
				g.t.size[k] = imix[k].size;
				g.t.weight[k] = imix[k].weight;
			}
		}
		if (g.t.active)
			lane_call(b->gen_lane[i], do_start, &g);
		rc = rc ? rc : g.rc;
	}
	return rc;
}

static void do_held(struct lane *l, void *arg)
{
	struct tcp_levels v;

	tcp_stack_levels(l->w->tcp, &v);
	*(uint64_t *)arg += v.mbufs_held + l->w->txq_held;
}

// Everything that was sent has come, or nothing is under way any more: workers hold no packets, and
// generators no more than `idle` buffers, as before.
static struct flows drain(struct bed *b, const struct wb_opts *o, uint64_t idle)
{
	double quiet = o->chaos ? QUIET_CHAOS_S : QUIET_S, moved = bed_now();
	struct flows f = flows_now(b), last;

	each_gen(b, do_stop, NULL);
	for (;;) {
		uint64_t held = 0;
		double wait = quiet;

		bed_sleep(0.005);
		last = f;
		f = flows_now(b);
		if (f.received >= f.sent)
			return f;
		if (f.received != last.received)
			moved = bed_now();
		each_worker(b, do_held, &held);
		if (!held && f.mbufs <= idle)
			wait = QUIET_EMPTY_S;
		if (bed_now() > moved + wait)
			return f;
	}
}

// Counts of traffic began with the traffic; a: in front of that, z: behind it.
static void account(
	struct wb_case *c, const struct wb_opts *o, const struct flows *a, const struct flows *z)
{
	c->sent += z->sent;
	c->received += z->received;
	c->lost += z->sent > z->received ? z->sent - z->received : 0;
	c->reordered += z->reordered;
	c->duplicated += z->duplicated;
	c->corrupt += z->corrupt;
	c->refused += z->refused;
	c->lost_sessions += z->lost_sessions - a->lost_sessions;
	c->retransmits += z->retransmits - a->retransmits;
	if (c->corrupt || c->reordered || c->duplicated)
		c->failed = true;
	if ((c->lost && !o->chaos) || (c->lost_sessions && o->bed.chaos.corrupt == 0))
		c->failed = true;
	if (!c->received)
		c->failed = true;
}

static void wait_window(struct bed *b, const struct wb_opts *o)
{
	double end = bed_now() + o->seconds;
	uint64_t from = o->packets ? flows_now(b).received : 0;

	if (!o->packets) {
		bed_sleep(o->seconds);
		return;
	}
	while (bed_now() < end && flows_now(b).received < from + o->packets)
		bed_sleep(0.002);
}

static void do_loops(struct lane *l, void *arg)
{
	uint64_t *least = arg;

	*least = RTE_MIN(*least, l->count.busy_loops);
}

// On a machine that is busy with other things the window may have been too short.
static void wait_samples(struct bed *b, const struct wb_opts *o)
{
	double end = bed_now() + 20 * o->seconds;

	while (bed_now() < end) {
		uint64_t least = UINT64_MAX;

		each_worker(b, do_loops, &least);
		if (least > LANE_SLICE_LOOPS)
			return;
		bed_sleep(o->seconds / 4);
	}
}

static int by_value(const void *x, const void *y)
{
	float a = *(const float *)x, b = *(const float *)y;

	return (a > b) - (a < b);
}

// What the workers counted in the window.
static void take_counts(struct bed *b, struct wb_case *c, struct wb_sample *s)
{
	uint64_t cycles = 0, packets = 0, loops = 0;
	uint32_t n = 0;
	float *all;

	for (unsigned int i = 0; i < b->nb_workers; i++) {
		const struct lane_count *k = &b->worker_lane[i]->count;

		n += k->nb_slices;
		cycles += k->busy_cycles;
		packets += k->packets;
		loops += k->busy_loops;
		c->cut_loops += k->cut_loops;
	}
	c->loops += loops;
	s->mean = packets ? (double)cycles / (double)packets : 0;
	s->burst = loops ? (double)packets / (double)loops : 0;
	s->cycles = s->low = s->mean;
	all = n ? malloc(n * sizeof(*all)) : NULL;
	if (!all)
		return;
	n = 0;
	for (unsigned int i = 0; i < b->nb_workers; i++) {
		const struct lane_count *k = &b->worker_lane[i]->count;

		memcpy(all + n, k->slice, k->nb_slices * sizeof(*all));
		n += k->nb_slices;
	}
	qsort(all, n, sizeof(*all), by_value);
	s->cycles = (double)all[n / 2];
	s->low = (double)all[n / 10];
	free(all);
}

static void take_stages(struct bed *b, struct wb_case *c, const struct wb_sample *s)
{
	double sum = 0;

	memset(c->stage, 0, sizeof(c->stage));
	for (unsigned int i = 0; i < b->nb_workers; i++)
		for (unsigned int k = 0; k < WORKER_N_STAGES; k++) {
			c->stage[k] += (double)b->worker_lane[i]->count.stage[k];
			sum += (double)b->worker_lane[i]->count.stage[k];
		}
	for (unsigned int k = 0; sum > 0 && k < WORKER_N_STAGES; k++)
		c->stage[k] *= s->cycles / sum;
	c->have_stages = sum > 0;
}

static void window(
	struct bed *b, const struct wb_opts *o, struct wb_case *c, bool stages, struct wb_sample *s)
{
	struct flows before = flows_now(b), from, to;
	double t0, t1;

	if (traffic_start(b, o, c, o->pps)) {
		c->failed = true;
		return;
	}
	bed_sleep(o->warm_up);
	each_worker(b, do_count_begin, &stages);
	t0 = bed_now();
	from = flows_now(b);
	wait_window(b, o);
	wait_samples(b, o);
	to = flows_now(b);
	t1 = bed_now();
	each_worker(b, do_count_end, NULL);
	take_counts(b, c, s);
	if (stages)
		take_stages(b, c, s);
	s->pps = (double)(to.received - from.received) / (t1 - t0);
	to = drain(b, o, before.mbufs);
	account(c, o, &before, &to);
}

// At half of the highest rate.
static void latency(struct bed *b, const struct wb_opts *o, struct wb_case *c)
{
	struct hist *h = calloc(1, sizeof(*h));
	bool stages = false;
	struct flows to, before;
	uint64_t idle;
	double top = 0;

	if (!h)
		return;
	for (unsigned int i = 0; i < c->nb_samples; i++)
		top = RTE_MAX(top, c->sample[i].pps);
	// The generator's rate is each direction's.
	c->latency.pps = top / 2;
	idle = flows_now(b).mbufs;
	each_worker(b, do_count_begin, &stages);
	if (traffic_start(b, o, c, top / 2 / __builtin_popcount(c->directions)))
		c->failed = true;
	bed_sleep(o->warm_up);
	each_gen(b, do_reset, NULL);
	before = flows_now(b);
	wait_window(b, o);
	each_gen(b, do_latency, h);
	each_worker(b, do_count_end, NULL);
	to = drain(b, o, idle);
	account(c, o, &before, &to);
	c->latency.n = h->n;
	c->latency.p50 = (double)hist_quantile(h, 0.5);
	c->latency.p99 = (double)hist_quantile(h, 0.99);
	c->latency.p999 = (double)hist_quantile(h, 0.999);
	c->latency.max = (double)h->max;
	free(h);
}

// ---- the anchor, on the first worker's CPU

struct on_anchor {
	struct anchor *a;
	uint16_t len;
	struct anchor_result r;
};

static void do_anchor(struct lane *l, void *arg)
{
	struct on_anchor *x = arg;

	x->r = anchor_run(x->a, x->len);
}

static void measure_anchor(
	struct bed *b, struct anchor *a, const struct wb_case *c, struct wb_sample *s)
{
	unsigned int n = c->size == WB_IMIX ? RTE_DIM(imix) : 1, sum = 0;
	bool up = c->directions & (GEN_UP | GEN_HAIRPIN);
	bool down = c->directions & (GEN_DOWN | GEN_HAIRPIN);
	double share = c->directions == (GEN_UP | GEN_DOWN) ? 0.5 : 1;

	s->seal = s->open = 0;
	for (unsigned int i = 0; i < n; i++) {
		struct on_anchor x = {a, (uint16_t)(c->size + SSTP_PPP), {0}};
		unsigned int weight = 1;

		if (c->size == WB_IMIX) {
			x.len = (uint16_t)(imix[i].size + SSTP_PPP);
			weight = imix[i].weight;
		}
		lane_call(b->worker_lane[0], do_anchor, &x);
		s->seal += down ? x.r.seal * weight * share : 0;
		s->open += up ? x.r.open * weight * share : 0;
		sum += weight;
	}
	s->seal /= sum;
	s->open /= sum;
}

// ---- all cases

static void told(const struct wb_case *c, unsigned int i, const struct wb_opts *o)
{
	const struct wb_sample *s = &c->sample[i];
	char size[16] = "imix";

	if (c->size != WB_IMIX)
		snprintf(size, sizeof(size), "%u", c->size);
	bed_progress("%u sessions %s %s, %u/%u: %.0f cycles a packet, anchor %.0f%s", c->sessions,
		wb_direction(c->directions), size, i + 1, o->repeats, s->cycles, s->seal + s->open,
		c->failed ? ", FAILED" : "");
}

// All cases of one number of sessions.
static int run_group(struct bed *b, const struct wb_opts *o, struct wb_case *c, unsigned int n,
	struct wb_result *r)
{
	struct anchor *a = anchor_create(c->sessions, o->bed.only_tls12 ? 0x0303 : 0x0304, o->aead);

	if (!a)
		return -ENOMEM;
	r->anchor_backend = anchor_backend(a);
	for (unsigned int i = 0; i < o->repeats; i++) {
		for (unsigned int k = 0; k < n; k++) {
			struct wb_case *x = &c[k];

			if (bed_interrupted(b)) {
				anchor_destroy(a);
				return -EINTR;
			}
			measure_anchor(b, a, x, &x->sample[i]);
			window(b, o, x, false, &x->sample[i]);
			x->nb_samples++;
			told(x, i, o);
		}
	}
	for (unsigned int k = 0; k < n && !o->no_stages; k++) {
		struct wb_sample s;

		window(b, o, &c[k], true, &s);
	}
	for (unsigned int k = 0; k < n && o->latency; k++)
		latency(b, o, &c[k]);
	anchor_destroy(a);
	return 0;
}

static unsigned int make_group(const struct wb_opts *o, unsigned int sessions, struct wb_case *c)
{
	unsigned int n = 0;

	for (unsigned int d = 0; d < o->nb_directions; d++)
		for (unsigned int i = 0; i < o->nb_sizes; i++, n++)
			c[n] = (struct wb_case){.sessions = sessions,
				.directions = o->directions[d],
				.size = o->sizes[i]};
	return n;
}

int wb_run_cases(struct bed *b, const struct wb_opts *o, struct wb_result *r)
{
	unsigned int most = o->nb_sessions * o->nb_directions * o->nb_sizes;
	int rc = 0;

	r->cases = calloc(most, sizeof(*r->cases));
	if (!r->cases)
		return -ENOMEM;
	for (unsigned int i = 0; !rc && i < o->nb_sessions; i++) {
		struct wb_case *c = r->cases + r->nb_cases;
		unsigned int n = make_group(o, o->sessions[i], c);

		rc = bed_sessions(b, o->sessions[i], o->concurrent);
		if (rc)
			break;
		bed_sleep(SETTLE_S);
		if (o->null)
			bench_null_backend_protect(false);
		r->nb_cases += n;
		rc = run_group(b, o, c, n, r);
		bed_sleep(o->null ? SETTLE_S : 0);
		if (o->null)
			bench_null_backend_protect(true);
	}
	for (unsigned int i = 0; i < r->nb_cases; i++)
		r->failed |= r->cases[i].failed;
	if (r->failed)
		bed_report_counters(b);
	return rc;
}
