// SPDX-License-Identifier: BSD-3-Clause
#include "bench/worker/lane.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_pause.h>

#define CUT_US 300   // no loop takes that long by itself
#define COLD_LOOPS 2 // not counted after an interruption, it among them: others used the caches
#define JUMP_US 500  // the most that a lane's clock moves on in a turn
#define IDLE_TURNS 2000
#define SLEEP_US 50
#define CALL_POLL_US 50

#ifdef RSEQ_SIG
// Whether this thread lost its CPU: the kernel forgets a thread's restartable sequence (rseq(2))
// when it takes the CPU away and the thread was not in it. This one is nowhere.
static const struct {
	uint32_t sig;
	uint32_t nowhere[3];
} abort_at = {.sig = RSEQ_SIG};

static const struct rseq_cs sequence = {
	.start_ip = (uintptr_t)&abort_at.nowhere[1],
	.post_commit_offset = 1,
	.abort_ip = (uintptr_t)&abort_at.nowhere[0],
};

static struct rseq *own_rseq(void)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

static void watch(void)
{
	if (__rseq_size)
		own_rseq()->rseq_cs = (uintptr_t)&sequence;
}

static bool was_interrupted(void)
{
	return __rseq_size && !own_rseq()->rseq_cs;
}

static void unwatch(void)
{
	if (__rseq_size)
		own_rseq()->rseq_cs = 0;
}
#else
static void watch(void)
{
}

static bool was_interrupted(void)
{
	return false;
}

static void unwatch(void)
{
}
#endif

static void sleep_us(long us)
{
	struct timespec ts = {.tv_nsec = us * 1000};

	nanosleep(&ts, NULL);
}

uint64_t lane_now_us(const struct lane *l)
{
	return l->now_us;
}

// A machine that gives the CPU to others for a while stops this clock: what waits in queues must
// not grow old by that.
static void tick(struct lane *l)
{
	uint64_t us = rte_rdtsc() / l->tsc_per_us;

	l->now_us += RTE_MIN(us - l->real_us, (uint64_t)JUMP_US);
	l->real_us = us;
}

uint64_t lane_packets(const struct lane *l)
{
	const uint64_t *v = l->w->counters.v;

	return v[CNT_fwd_down] + v[CNT_fwd_up] + v[CNT_fwd_hairpin];
}

void lane_count_begin(struct lane *l)
{
	memset(&l->count, 0, sizeof(l->count));
	l->slice_cycles = 0;
	l->slice_loops = 0;
	l->slice_packets = 0;
	l->packets = l->w ? lane_packets(l) : 0;
	l->cold = COLD_LOOPS;
	l->counting = true;
	watch();
}

void lane_count_end(struct lane *l)
{
	l->counting = false;
	unwatch();
}

static void slice_add(struct lane *l, uint64_t cycles, uint64_t packets)
{
	struct lane_count *c = &l->count;

	l->slice_cycles += cycles;
	l->slice_packets += packets;
	if (++l->slice_loops < LANE_SLICE_LOOPS)
		return;
	if (l->slice_packets && c->nb_slices < LANE_SLICES)
		c->slice[c->nb_slices++] = (float)l->slice_cycles / (float)l->slice_packets;
	l->slice_cycles = l->slice_packets = 0;
	l->slice_loops = 0;
}

// A loop that was interrupted says nothing, and neither do those right after it.
static void count_loop(struct lane *l, uint64_t cycles)
{
	struct lane_count *c = &l->count;
	uint64_t total = lane_packets(l), packets = total - l->packets;

	l->packets = total;
	if (was_interrupted() || cycles > l->cut) {
		l->cold = COLD_LOOPS;
		watch();
	}
	if (l->cold) {
		l->cold--;
		c->cut_cycles += cycles;
		c->cut_loops++;
		return;
	}
	c->busy_cycles += cycles;
	c->packets += packets;
	c->busy_loops++;
	if (l->stages)
		for (unsigned int i = 0; i < WORKER_N_STAGES; i++)
			c->stage[i] += l->loop_stages.cycles[i];
	slice_add(l, cycles, packets);
}

static unsigned int worker_turn(struct lane *l)
{
	struct lane_count *c = &l->count;
	struct worker *w = l->w;
	uint64_t tsc, cycles, next_us;
	unsigned int work;

	tick(l);
	w->now_us = l->now_us;
	tsc = rte_rdtsc();
	if (l->stages) {
		memset(&l->loop_stages, 0, sizeof(l->loop_stages));
		l->loop_stages.mark = tsc;
		w->stages = &l->loop_stages;
	} else {
		w->stages = NULL;
	}
	work = worker_loop(w, &next_us);
	cycles = rte_rdtsc() - tsc;
	if (!l->counting)
		return work;
	if (!work) {
		c->idle_cycles += cycles;
		c->idle_loops++;
		return work;
	}
	count_loop(l, cycles);
	return work;
}

static void rest(struct lane *l, unsigned int work)
{
	if (work || l->counting) {
		l->idle = 0;
		return;
	}
	if (++l->idle > IDLE_TURNS)
		sleep_us(SLEEP_US);
	else
		rte_pause();
}

static unsigned int gen_turns(struct lane *l)
{
	unsigned int work = 0;

	for (unsigned int i = 0; i < RTE_DIM(l->ahead); i++)
		if (rte_ring_count(l->ahead[i]) > WORKER_BURST * RTE_MAX(l->rounds, 1u))
			return 1;
	for (unsigned int i = 0; i < RTE_MAX(l->gen_turns, 1u) * RTE_MAX(l->rounds, 1u); i++) {
		tick(l);
		work += gen_loop(l->g, l->now_us);
	}
	return work;
}

static int lane_main(void *arg)
{
	struct lane *l = arg;

	if (l->w) {
		worker_begin(l->w);
		l->now_us = RTE_MAX(l->now_us, l->w->now_us);
	}
	while (!atomic_load_explicit(&l->stop, memory_order_acquire)) {
		void (*call)(struct lane *, void *) =
			atomic_load_explicit(&l->call, memory_order_acquire);
		unsigned int work = 0;

		if (unlikely(call)) {
			call(l, l->call_arg);
			atomic_store_explicit(&l->call, NULL, memory_order_release);
			work = 1;
		}
		if (l->g)
			work += gen_turns(l);
		for (unsigned int i = 0; l->w && i < RTE_MAX(l->rounds, 1u); i++)
			work += worker_turn(l);
		rest(l, work);
	}
	if (l->w)
		worker_end(l->w);
	return 0;
}

void lane_init(struct lane *l)
{
	l->tsc_per_us = RTE_MAX(rte_get_tsc_hz() / 1000000, (uint64_t)1);
	l->real_us = rte_rdtsc() / l->tsc_per_us;
	l->cut = CUT_US * l->tsc_per_us;
}

int lane_start(struct lane *l, unsigned int lcore)
{
	l->lcore = lcore;
	return rte_eal_remote_launch(lane_main, l, lcore);
}

void lane_stop(struct lane *l)
{
	atomic_store_explicit(&l->stop, true, memory_order_release);
	rte_eal_wait_lcore(l->lcore);
}

void lane_call(struct lane *l, void (*fn)(struct lane *l, void *arg), void *arg)
{
	l->call_arg = arg;
	atomic_store_explicit(&l->call, fn, memory_order_release);
	while (atomic_load_explicit(&l->call, memory_order_acquire))
		sleep_us(CALL_POLL_US);
}
