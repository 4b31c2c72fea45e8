// SPDX-License-Identifier: BSD-3-Clause
#include "bench/sockets/load.h"

#include <errno.h>
#include <ev.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <openssl/rand.h>

#include "base/log.h"
#include "bench/probe.h"
#include "bench/window.h"
#include "client/conn.h"

#define LOG_TYPE "bench"

#define TICK_S 0.001
#define PROGRESS_S 1.0
#define HANGUP_PER_TICK 20
#define HANGUP_LIMIT_S 20.0
#define LOSS_TIMEOUT_NS \
	1000000000ull // closed loop: what has not come back by then is not waited for

enum session_state { SESSION_IDLE, SESSION_DIALING, SESSION_UP, SESSION_ENDED };

struct session {
	struct load *load;
	unsigned int index;
	enum session_state state;
	struct conn *conn;
	char user[256];
	uint32_t addr;
	uint64_t dialed_ns;
	uint64_t next_seq, last_rx_ns;
	unsigned int in_flight; // closed loop
	bool dirty;             // packets wait for a flush
	struct session *next_dirty;
	struct seq_window window;
};

enum load_phase { LOAD_DIALING, LOAD_TRAFFIC, LOAD_DRAIN, LOAD_HANGUP, LOAD_STALLED, LOAD_DONE };

struct load {
	const struct load_conf *conf;
	struct load_result *r;
	struct ev_loop *loop;
	ev_timer tick;
	ev_prepare prepare;
	ev_signal sigint, sigterm;
	struct session *sessions;
	struct session *dirty;
	enum load_phase phase;
	bool interrupted;
	uint32_t run;
	unsigned int started, dialing, settled, hung, closed;
	unsigned int turn; // whose turn it is to send
	double budget;     // packets that may be sent now
	double dial_budget;
	uint64_t phase_ns, tick_ns, progress_ns, start_ns;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static double since_s(uint64_t then)
{
	return (double)(now_ns() - then) / 1e9;
}

static void enter(struct load *l, enum load_phase phase)
{
	l->phase = phase;
	l->phase_ns = now_ns();
}

static void count_reason(struct load_result *r, const char *reason)
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

// --- traffic ---

static void mark_dirty(struct session *s)
{
	if (s->dirty)
		return;
	s->dirty = true;
	s->next_dirty = s->load->dirty;
	s->load->dirty = s;
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int events)
{
	struct load *l = w->data;
	struct session *s;

	while ((s = l->dirty)) {
		l->dirty = s->next_dirty;
		s->dirty = false;
		if (s->conn)
			conn_flush(s->conn);
	}
}

// Where a session's packets go; 0: nowhere.
static uint32_t target_of(const struct session *s)
{
	const struct load *l = s->load;
	unsigned int partner = s->index ^ 1;

	if (l->conf->mode != LOAD_PAIR)
		return l->conf->target;
	if (partner >= l->conf->sessions || l->sessions[partner].state != SESSION_UP)
		return 0;
	return l->sessions[partner].addr;
}

// One packet. False when the session cannot take one now.
static bool send_one(struct session *s, uint64_t now)
{
	struct load *l = s->load;
	struct probe p = {.run = l->run, .session = s->index, .seq = s->next_seq, .sent_ns = now};
	uint8_t packet[PROBE_MAX_SIZE];
	uint32_t target;

	if (s->state != SESSION_UP)
		return false;
	target = target_of(s);
	if (!target)
		return false;
	probe_build(packet, l->conf->size, l->conf->mode == LOAD_PING ? PROBE_ICMP : PROBE_UDP,
		s->addr, target, &p);
	if (conn_send_ip(s->conn, packet, l->conf->size)) {
		l->r->refused++;
		return false;
	}
	s->next_seq++;
	l->r->sent++;
	l->r->tx_bytes += l->conf->size;
	mark_dirty(s);
	return true;
}

static void fill_window(struct session *s, uint64_t now)
{
	const struct load_conf *conf = s->load->conf;

	if (s->in_flight && now - s->last_rx_ns > LOSS_TIMEOUT_NS) {
		s->in_flight = 0;
		s->last_rx_ns = now;
	}
	while (s->in_flight < conf->window && send_one(s, now))
		s->in_flight++;
}

static void send_paced(struct load *l, uint64_t now)
{
	const struct load_conf *conf = l->conf;
	unsigned int idle = 0;

	l->budget += conf->pps * (double)(now - l->tick_ns) / 1e9;
	// A generator that was held up does not make up for it with a flood.
	if (l->budget > conf->pps * 0.05 + conf->burst)
		l->budget = conf->pps * 0.05 + conf->burst;
	while (l->budget >= conf->burst && idle < conf->sessions) {
		struct session *s = &l->sessions[l->turn];
		unsigned int done = 0;

		l->turn = (l->turn + 1) % conf->sessions;
		while (done < conf->burst && send_one(s, now))
			done++;
		idle = done ? 0 : idle + 1;
		l->budget -= done;
	}
}

static void send_traffic(struct load *l, uint64_t now)
{
	if (l->conf->mode == LOAD_IDLE)
		return;
	if (l->conf->pps > 0) {
		send_paced(l, now);
		return;
	}
	for (unsigned int i = 0; i < l->conf->sessions; i++)
		if (l->sessions[i].state == SESSION_UP)
			fill_window(&l->sessions[i], now);
}

// The session that a received packet was sent by, or NULL when it should not have come here.
static struct session *sender_of(struct session *s, const struct probe *p)
{
	struct load *l = s->load;

	if (p->session >= l->conf->sessions)
		return NULL;
	if (p->session != (l->conf->mode == LOAD_PAIR ? s->index ^ 1 : s->index))
		return NULL;
	return &l->sessions[p->session];
}

static void on_packet(void *user, const uint8_t *ip, size_t len)
{
	struct session *s = user, *from;
	struct load *l = s->load;
	struct probe p;
	uint64_t now;

	switch (probe_check(ip, len, l->conf->size, l->run, &p)) {
	case PROBE_OTHER:
		l->r->other++;
		return;
	case PROBE_CORRUPT:
		l->r->corrupt++;
		return;
	case PROBE_OK:
		break;
	}
	from = sender_of(s, &p);
	if (!from || p.seq >= from->next_seq) { // somebody else's, or never sent
		l->r->corrupt++;
		return;
	}
	if (!seq_window_add(&from->window, p.seq))
		return;
	now = now_ns();
	l->r->rx_bytes += len;
	hist_add(l->r->latency, now - p.sent_ns);
	from->last_rx_ns = now;
	if (from->in_flight)
		from->in_flight--;
	if (l->phase == LOAD_TRAFFIC && l->conf->pps <= 0)
		fill_window(from, now);
}

// --- sessions ---

static void on_up(void *user, const struct call_info *info)
{
	struct session *s = user;
	struct load *l = s->load;

	s->state = SESSION_UP;
	s->addr = info->addr.local;
	s->last_rx_ns = now_ns();
	l->dialing--;
	l->settled++;
	l->r->up++;
	l->r->setup_s = since_s(l->start_ns);
	hist_add(l->r->setup, now_ns() - s->dialed_ns);
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
			hist_add(r->ended_after, now_ns() - s->dialed_ns);
		}
		count_reason(r, reason);
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
	count_reason(r, reason);
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

static const struct conn_ops conn_ops = {
	.up = on_up,
	.packet = on_packet,
	.closed = on_closed,
};

static void dial(struct load *l, struct session *s)
{
	struct call_conf conf = l->conf->call;
	char quoted[80];

	conf.user = s->user;
	conf.password = l->conf->password;
	s->dialed_ns = now_ns();
	s->state = SESSION_DIALING;
	l->started++;
	l->dialing++;
	s->conn = conn_create(l->loop, (const struct sockaddr *)&l->conf->addr, l->conf->addr_len,
		l->conf->connect_ms, &conf, &conn_ops, s);
	if (s->conn)
		return;
	snprintf(quoted, sizeof(quoted), "local: %s", log_strerror(errno));
	count_reason(l->r, quoted);
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
	if (l->closed < l->started && since_s(l->phase_ns) < HANGUP_LIMIT_S)
		return;
	l->r->hangup_s = since_s(l->phase_ns);
	enter(l, LOAD_DONE);
	ev_break(l->loop, EVBREAK_ALL);
}

static void finish_stalled(struct load *l)
{
	if (l->started < l->conf->sessions && !l->interrupted)
		return;
	if (l->closed < l->started && since_s(l->phase_ns) < l->conf->limit_s && !l->interrupted)
		return;
	l->r->still_open = l->started - l->closed;
	enter(l, LOAD_HANGUP);
}

static void step_phase(struct load *l)
{
	switch (l->phase) {
	case LOAD_DIALING:
		if (!l->interrupted && (l->started < l->conf->sessions || l->dialing))
			break;
		enter(l, l->interrupted || !l->r->up ? LOAD_HANGUP : LOAD_TRAFFIC);
		l->budget = 0;
		break;
	case LOAD_TRAFFIC:
		if (!l->interrupted && l->closed < l->started &&
			since_s(l->phase_ns) < l->conf->duration_s)
			break;
		l->r->traffic_s = since_s(l->phase_ns);
		enter(l, LOAD_DRAIN);
		break;
	case LOAD_DRAIN:
		if (l->conf->mode == LOAD_IDLE || l->closed == l->started ||
			since_s(l->phase_ns) >= l->conf->drain_s)
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
		(unsigned long long)l->r->sent, (unsigned long long)l->r->latency->n,
		(unsigned long long)l->r->corrupt);
}

static void on_tick(struct ev_loop *loop, ev_timer *w, int events)
{
	struct load *l = w->data;
	uint64_t now = now_ns();

	if ((l->phase == LOAD_DIALING || l->phase == LOAD_STALLED) && !l->interrupted)
		dial_some(l, now);
	if (l->phase == LOAD_TRAFFIC)
		send_traffic(l, now);
	l->tick_ns = now;
	step_phase(l);
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

		r->received += w->received;
		r->reordered += w->reordered;
		r->duplicated += w->duplicated;
	}
	r->missing = r->sent - r->received;
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
	return RAND_bytes((unsigned char *)&l->run, sizeof(l->run)) == 1 ? 0 : -EIO;
}

int load_run(const struct load_conf *conf, struct load_result *r)
{
	struct load l = {.conf = conf, .r = r};
	int rc = allocate(&l);

	if (!rc) {
		signal(SIGPIPE, SIG_IGN);
		l.start_ns = l.tick_ns = l.progress_ns = now_ns();
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
	return !r->failed && !r->lost && !r->corrupt && r->up == conf->sessions &&
	       r->hung_up == conf->sessions && loss <= conf->max_loss &&
	       (conf->mode == LOAD_IDLE || r->received > 0);
}
