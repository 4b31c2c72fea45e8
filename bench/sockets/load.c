// SPDX-License-Identifier: BSD-3-Clause
#include "bench/sockets/load_int.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <openssl/rand.h>

#include "base/log.h"

#define LOG_TYPE "bench"

#define TICK_S 0.001
#define PROGRESS_S 1.0
#define HANGUP_PER_TICK 20
#define HANGUP_LIMIT_S 20.0

uint64_t load_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

double load_since_s(uint64_t then)
{
	return (double)(load_now_ns() - then) / 1e9;
}

static void enter(struct load *l, enum load_phase phase)
{
	l->phase = phase;
	l->phase_ns = load_now_ns();
}

void load_count_reason(struct load_result *r, const char *reason)
{
	for (unsigned int i = 0; i < r->nb_reasons; i++) {
		if (!strcmp(r->reasons[i].text, reason)) {
			r->reasons[i].n++;
			return;
		}
	}
	if (r->nb_reasons == LOAD_MAX_REASONS) {
		snprintf(r->reasons[LOAD_MAX_REASONS - 1].text, sizeof(r->reasons[0].text),
			"other reasons");
		r->reasons[LOAD_MAX_REASONS - 1].n++;
		return;
	}
	snprintf(r->reasons[r->nb_reasons].text, sizeof(r->reasons[0].text), "%s", reason);
	r->reasons[r->nb_reasons++].n = 1;
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int events)
{
	traffic_flush(w->data);
}

// --- sessions ---

static void on_up(void *user, const struct call_info *info)
{
	struct session *s = user;
	struct load *l = s->load;

	s->state = SESSION_UP;
	s->addr = info->addr.local;
	s->last_rx_ns = load_now_ns();
	l->dialing--;
	l->settled++;
	l->r->up++;
	l->r->setup_s = load_since_s(l->start_ns);
	hist_add(l->r->setup, load_now_ns() - s->dialed_ns);
	if (l->conf->size > info->mtu)
		conn_fail(s->conn, CALL_END_LOCAL, "--size is more than the session's MTU");
}

static void note_ended(struct session *s, enum call_end why, const char *reason)
{
	struct load *l = s->load;
	struct load_result *r = l->r;

	if (l->conf->call.stall) {
		if (why == CALL_END_HANGUP)
			return;
		// A call that failed to get as far as it should is no stalled one.
		if (why == CALL_END_TCP || why == CALL_END_HTTP || why == CALL_END_AUTH) {
			r->failed++;
		} else {
			r->ended_by_server++;
			hist_add(r->ended_after, load_now_ns() - s->dialed_ns);
		}
		load_count_reason(r, reason);
		return;
	}
	if (why == CALL_END_HANGUP && l->phase == LOAD_HANGUP && s->state == SESSION_UP) {
		r->hung_up++;
		return;
	}
	if (s->state == SESSION_UP)
		r->lost++;
	else
		r->failed++;
	load_count_reason(r, reason);
}

static void on_closed(void *user, enum call_end why, const char *reason)
{
	struct session *s = user;
	struct load *l = s->load;

	note_ended(s, why, reason);
	if (s->state == SESSION_DIALING) {
		l->dialing--;
		l->settled++;
	}
	s->state = SESSION_ENDED;
	l->closed++;
	conn_destroy(s->conn);
	s->conn = NULL;
}

static void on_room(void *user)
{
	struct session *s = user;

	if (s->load->phase == LOAD_TRAFFIC && s->load->conf->pps <= 0 && s->state == SESSION_UP)
		traffic_fill(s, load_now_ns());
}

static const struct conn_ops conn_ops = {
	.up = on_up,
	.packet = traffic_packet,
	.writable = on_room,
	.closed = on_closed,
};

static void dial(struct load *l, struct session *s)
{
	struct call_conf conf = l->conf->call;
	char quoted[80];

	conf.user = s->user;
	conf.password = l->conf->password;
	s->dialed_ns = load_now_ns();
	s->state = SESSION_DIALING;
	l->started++;
	l->dialing++;
	s->conn = conn_create(l->loop, (const struct sockaddr *)&l->conf->addr, l->conf->addr_len,
		l->conf->connect_ms, &conf, &conn_ops, s);
	if (s->conn)
		return;
	snprintf(quoted, sizeof(quoted), "local: %s", log_strerror(errno));
	load_count_reason(l->r, quoted);
	s->state = SESSION_ENDED;
	l->r->failed++;
	l->dialing--;
	l->settled++;
	l->closed++;
}

static void dial_some(struct load *l, uint64_t now)
{
	const struct load_conf *conf = l->conf;
	bool stall = conf->call.stall != CALL_STALL_NONE;

	if (conf->rate > 0) {
		l->dial_budget += conf->rate * (double)(now - l->tick_ns) / 1e9;
		if (l->dial_budget > conf->concurrent)
			l->dial_budget = conf->concurrent;
	}
	while (l->started < conf->sessions && (stall || l->dialing < conf->concurrent) &&
		(conf->rate <= 0 || l->dial_budget >= 1)) {
		dial(l, &l->sessions[l->started]);
		l->dial_budget -= conf->rate > 0;
	}
}

// --- phases ---

static void hang_up_some(struct load *l)
{
	struct session *s;

	for (unsigned int i = 0; i < HANGUP_PER_TICK && l->hung < l->conf->sessions; l->hung++) {
		s = &l->sessions[l->hung];
		if (!s->conn)
			continue;
		conn_hangup(s->conn);
		i++;
	}
	if (l->closed < l->started && load_since_s(l->phase_ns) < HANGUP_LIMIT_S)
		return;
	l->r->hangup_s = load_since_s(l->phase_ns);
	enter(l, LOAD_DONE);
	ev_break(l->loop, EVBREAK_ALL);
}

static void finish_stalled(struct load *l)
{
	if (l->started < l->conf->sessions && !l->interrupted)
		return;
	if (l->closed < l->started && load_since_s(l->phase_ns) < l->conf->limit_s &&
		!l->interrupted)
		return;
	l->r->still_open = l->started - l->closed;
	enter(l, LOAD_HANGUP);
}

// Of the server's processes. One that is gone ends the measuring, not the run.
static void take_cpu(struct load *l, struct cpu_sample *s)
{
	if (!l->conf->nb_server || !l->r->has_cpu)
		return;
	if (cpu_sample(l->conf->server, l->conf->nb_server, s)) {
		LOG(LOG_WARNING, "a process of --server-pid is gone: its time is not known");
		l->r->has_cpu = false;
	}
}

static void measure_begin(struct load *l)
{
	l->measuring = true;
	l->measure_ns = load_now_ns();
	l->mark = (struct load_window){.sent = l->r->sent,
		.received = l->received,
		.tx_bytes = l->r->tx_bytes,
		.rx_bytes = l->r->rx_bytes};
	memset(l->r->latency, 0, sizeof(*l->r->latency));
	if (l->conf->mode == LOAD_UP)
		far_mark(l);
	take_cpu(l, &l->cpu_mark);
}

static void measure_end(struct load *l)
{
	struct cpu_sample now = {0};

	if (!l->measuring)
		measure_begin(l);
	l->r->window = (struct load_window){.s = load_since_s(l->measure_ns),
		.sent = l->r->sent - l->mark.sent,
		.received = l->received - l->mark.received,
		.tx_bytes = l->r->tx_bytes - l->mark.tx_bytes,
		.rx_bytes = l->r->rx_bytes - l->mark.rx_bytes};
	take_cpu(l, &now);
	if (l->r->has_cpu)
		cpu_between(&l->cpu_mark, &now, &l->r->traffic_cpu);
}

static void start_traffic(struct load *l)
{
	l->budget = 0;
	enter(l, LOAD_TRAFFIC);
}

static void all_dialed(struct load *l)
{
	struct cpu_sample now = {0};

	take_cpu(l, &now);
	if (l->r->has_cpu)
		cpu_between(&l->cpu_start, &now, &l->r->setup_cpu);
	if (l->interrupted || !l->r->up)
		enter(l, LOAD_HANGUP);
	else if (load_has_far(l->conf))
		enter(l, LOAD_HELLO);
	else
		start_traffic(l);
}

static void step_traffic(struct load *l)
{
	double s = load_since_s(l->phase_ns);

	if (!l->measuring && s >= l->conf->warmup_s)
		measure_begin(l);
	if (!l->interrupted && l->closed < l->started &&
		s < l->conf->warmup_s + l->conf->duration_s)
		return;
	measure_end(l);
	l->r->traffic_s = s;
	enter(l, LOAD_DRAIN);
}

static void step_phase(struct load *l, uint64_t now)
{
	switch (l->phase) {
	case LOAD_DIALING:
		if (l->interrupted || (l->started == l->conf->sessions && !l->dialing))
			all_dialed(l);
		break;
	case LOAD_HELLO:
		if (!far_step(l, now))
			break;
		if (l->r->no_far)
			enter(l, LOAD_HANGUP);
		else
			start_traffic(l);
		break;
	case LOAD_TRAFFIC:
		step_traffic(l);
		break;
	case LOAD_DRAIN:
		if (l->conf->mode != LOAD_IDLE && l->closed < l->started &&
			load_since_s(l->phase_ns) < l->conf->drain_s)
			break;
		enter(l, load_has_far(l->conf) ? LOAD_ASK : LOAD_HANGUP);
		break;
	case LOAD_ASK:
		if (far_step(l, now))
			enter(l, LOAD_HANGUP);
		break;
	case LOAD_STALLED:
		finish_stalled(l);
		break;
	case LOAD_HANGUP:
		hang_up_some(l);
		break;
	case LOAD_DONE:
		break;
	}
}

static void show_progress(struct load *l, uint64_t now)
{
	if (now - l->progress_ns < PROGRESS_S * 1e9)
		return;
	l->progress_ns = now;
	LOG(LOG_INFO, "sessions=%u up=%u failed=%u open=%u sent=%llu received=%llu corrupt=%llu",
		l->started, l->r->up, l->r->failed + l->r->lost, l->started - l->closed,
		(unsigned long long)l->r->sent, (unsigned long long)l->received,
		(unsigned long long)l->r->corrupt);
}

static void on_tick(struct ev_loop *loop, ev_timer *w, int events)
{
	struct load *l = w->data;
	uint64_t now = load_now_ns();

	if ((l->phase == LOAD_DIALING || l->phase == LOAD_STALLED) && !l->interrupted)
		dial_some(l, now);
	if (l->phase == LOAD_TRAFFIC)
		traffic_send(l, now);
	l->tick_ns = now;
	step_phase(l, now);
	show_progress(l, now);
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
	struct load *l = w->data;

	if (l->interrupted)
		ev_break(loop, EVBREAK_ALL);
	l->interrupted = true;
}

// "name%d" with the session's number.
static void make_user(char *dst, size_t cap, const char *pattern, unsigned int number)
{
	const char *at = strstr(pattern, "%d");

	if (!at)
		snprintf(dst, cap, "%s", pattern);
	else
		snprintf(dst, cap, "%.*s%u%s", (int)(at - pattern), pattern, number, at + 2);
}

static void sum_up(struct load *l)
{
	struct load_result *r = l->r;
	struct rusage u;

	for (unsigned int i = 0; i < l->conf->sessions; i++) {
		const struct seq_window *w = &l->sessions[i].window;

		// Of what went up, the far host's report says more.
		r->received += w->received;
		r->reordered += w->reordered;
		r->duplicated += w->duplicated;
	}
	if (l->conf->mode == LOAD_UP && !l->reported)
		r->received = l->received;
	r->missing = r->sent > r->received ? r->sent - r->received : 0;
	r->latency_kind = load_has_far(l->conf)        ? l->shared_clock ? "one-way" : "round-trip"
			  : l->conf->mode == LOAD_PAIR ? "one-way"
						       : "round-trip";
	if (!r->latency_times.n && r->latency->n)
		r->latency_times = (struct load_times){.n = r->latency->n,
			.mean = (uint64_t)(r->latency->sum / (double)r->latency->n),
			.p50 = hist_quantile(r->latency, 0.5),
			.p99 = hist_quantile(r->latency, 0.99),
			.p999 = hist_quantile(r->latency, 0.999),
			.max = r->latency->max};
	if (!getrusage(RUSAGE_SELF, &u))
		r->cpu_s = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
			   (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void start_watchers(struct load *l)
{
	ev_timer_init(&l->tick, on_tick, TICK_S, TICK_S);
	ev_prepare_init(&l->prepare, on_prepare);
	ev_signal_init(&l->sigint, on_signal, SIGINT);
	ev_signal_init(&l->sigterm, on_signal, SIGTERM);
	l->tick.data = l->prepare.data = l->sigint.data = l->sigterm.data = l;
	ev_timer_start(l->loop, &l->tick);
	ev_prepare_start(l->loop, &l->prepare);
	ev_signal_start(l->loop, &l->sigint);
	ev_signal_start(l->loop, &l->sigterm);
}

static int allocate(struct load *l)
{
	struct load_result *r = l->r;

	memset(r, 0, sizeof(*r));
	r->setup = calloc(1, sizeof(*r->setup));
	r->latency = calloc(1, sizeof(*r->latency));
	r->ended_after = calloc(1, sizeof(*r->ended_after));
	l->sessions = calloc(l->conf->sessions, sizeof(*l->sessions));
	l->loop = ev_default_loop(EVFLAG_AUTO);
	if (!r->setup || !r->latency || !r->ended_after || !l->sessions || !l->loop)
		return -ENOMEM;
	for (unsigned int i = 0; i < l->conf->sessions; i++) {
		l->sessions[i].load = l;
		l->sessions[i].index = i;
		make_user(l->sessions[i].user, sizeof(l->sessions[i].user), l->conf->user,
			l->conf->first + i);
	}
	r->has_cpu = l->conf->nb_server > 0;
	if (RAND_bytes((unsigned char *)&l->run, sizeof(l->run)) != 1)
		return -EIO;
	l->run |= 1; // 0 is no run
	return 0;
}

int load_run(const struct load_conf *conf, struct load_result *r)
{
	struct load l = {.conf = conf, .r = r};
	int rc = allocate(&l);

	if (!rc) {
		signal(SIGPIPE, SIG_IGN);
		l.start_ns = l.tick_ns = l.progress_ns = load_now_ns();
		take_cpu(&l, &l.cpu_start);
		enter(&l, conf->call.stall ? LOAD_STALLED : LOAD_DIALING);
		start_watchers(&l);
		ev_run(l.loop, 0);
		sum_up(&l);
	}
	for (unsigned int i = 0; l.sessions && i < conf->sessions; i++)
		conn_destroy(l.sessions[i].conn);
	free(l.sessions);
	if (l.loop)
		ev_loop_destroy(l.loop);
	return rc;
}

void load_result_free(struct load_result *r)
{
	free(r->setup);
	free(r->latency);
	free(r->ended_after);
}

bool load_passed(const struct load_conf *conf, const struct load_result *r)
{
	double loss = r->sent ? (double)r->missing / (double)r->sent : 0;

	if (conf->call.stall)
		return !r->failed && !r->still_open && r->ended_by_server == conf->sessions;
	return !r->failed && !r->lost && !r->corrupt && !r->no_far && r->up == conf->sessions &&
	       r->hung_up == conf->sessions && loss <= conf->max_loss &&
	       (conf->mode == LOAD_IDLE || r->received > 0);
}

bool load_cost(const struct load_result *r, struct load_cost *c)
{
	const struct cpu_sample *u = &r->traffic_cpu;
	double cpu_s = u->user_s + u->system_s, n = (double)r->window.received;

	*c = (struct load_cost){0};
	if (!r->has_cpu)
		return false;
	if (r->up)
		c->setup_us = (r->setup_cpu.user_s + r->setup_cpu.system_s) * 1e6 / r->up;
	if (n <= 0 || r->window.s <= 0)
		return true;
	c->cores = cpu_s / r->window.s;
	c->us = cpu_s * 1e6 / n;
	c->cycles = cpu_s * cpu_tsc_hz(u) / n;
	c->softirq_us = u->all_softirq_s * 1e6 / n;
	if (cpu_s > 0) {
		c->packets_cpu_s = n / cpu_s;
		c->mbit_cpu_s = (double)r->window.rx_bytes * 8 / 1e6 / cpu_s;
	}
	return true;
}
