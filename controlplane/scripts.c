// SPDX-License-Identifier: BSD-3-Clause
#define LOG_TYPE "cp.script"
#include "controlplane/scripts.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "controlplane/scripts_child.h"

#define LOG_BURST 50
#define KILLED_MS 1000 // for the kernel to end what was killed

struct job {
	STAILQ_ENTRY(job) next;
	const char *path, *event;
	uint64_t key, session;
	char *env;
};

struct running {
	struct job *job;
	struct child child;
	uint64_t started_ms;
	bool killed;
};

struct scripts {
	struct scripts_conf conf;
	pthread_t thread;
	int wake;
	// under the lock
	pthread_mutex_t lock;
	STAILQ_HEAD(, job) queue;
	uint32_t nb_queued;
	uint64_t stop_at_ms; // 0: go on
	struct scripts_totals totals;
	// the thread's
	struct running *run; // [conf.at_once], job NULL: free
	uint32_t nb_running;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void job_free(struct job *j)
{
	free(j->env);
	free(j);
}

static void wake(struct scripts *st)
{
	uint64_t one = 1;
	ssize_t n = write(st->wake, &one, sizeof(one));

	(void)n; // full: it is awake
}

// -- the thread --

static bool key_runs(const struct scripts *st, uint64_t key)
{
	for (uint32_t i = 0; i < st->conf.at_once; i++)
		if (st->run[i].job && st->run[i].job->key == key)
			return true;
	return false;
}

// Those in front of j of the same key go first; behind one that cannot go yet nothing of its key
// may overtake it.
static bool key_waits(struct scripts *st, const struct job *j)
{
	const struct job *o;

	STAILQ_FOREACH(o, &st->queue, next)
	{
		if (o == j)
			return false;
		if (o->key == j->key)
			return true;
	}
	return false;
}

// The first job that may start now, out of the queue; NULL: none.
static struct job *take_job(struct scripts *st)
{
	uint32_t looked = 0;
	struct job *j;

	pthread_mutex_lock(&st->lock);
	STAILQ_FOREACH(j, &st->queue, next)
	{
		// Each that has to wait is one of the keys that run: there are few of those.
		if (looked++ > 4 * st->conf.at_once) {
			j = NULL;
			break;
		}
		if (key_runs(st, j->key) || key_waits(st, j))
			continue;
		STAILQ_REMOVE(&st->queue, j, job, next);
		st->nb_queued--;
		break;
	}
	pthread_mutex_unlock(&st->lock);
	return j;
}

static void count(struct scripts *st, uint64_t *total)
{
	pthread_mutex_lock(&st->lock);
	++*total;
	pthread_mutex_unlock(&st->lock);
}

#define JLOG(level, j, fmt, ...)                                                \
	LOG_RATELIMIT(level, LOG_BURST, "session=%llu script=%s event=%s " fmt, \
		(unsigned long long)(j)->session, (j)->path, (j)->event, ##__VA_ARGS__)

static void start(struct scripts *st, struct job *j)
{
	struct running *r = st->run;
	int rc;

	while (r->job)
		r++;
	rc = child_start(&r->child, j->path, j->event, j->env);
	count(st, rc ? &st->totals.failed : &st->totals.started);
	if (rc) {
		JLOG(LOG_WARNING, j, "cannot be started: %s", log_strerror(rc));
		job_free(j);
		return;
	}
	free(j->env); // the program has its own
	j->env = NULL;
	r->job = j;
	r->killed = false;
	r->started_ms = now_ms();
	st->nb_running++;
}

static void log_line(void *user, const char *line, size_t n)
{
	const struct job *j = user;
	char quoted[2 * CHILD_LINE_MAX];

	JLOG(LOG_INFO, j, "says %s", log_quote(quoted, sizeof(quoted), line, n));
}

static void log_end(struct scripts *st, struct running *r, int status)
{
	const struct job *j = r->job;
	unsigned long long ms = now_ms() - r->started_ms;

	if (r->child.held)
		JLOG(LOG_WARNING, j, "said %llu bytes more", (unsigned long long)r->child.held);
	if (r->killed) {
		count(st, &st->totals.killed);
		JLOG(LOG_WARNING, j, "killed after ms=%llu", ms);
	} else if (WIFSIGNALED(status)) {
		count(st, &st->totals.failed);
		JLOG(LOG_WARNING, j, "ended signal=%d ms=%llu", WTERMSIG(status), ms);
	} else if (WEXITSTATUS(status)) {
		count(st, &st->totals.failed);
		JLOG(LOG_WARNING, j, "ended status=%d ms=%llu", WEXITSTATUS(status), ms);
	} else {
		JLOG(LOG_INFO, j, "ended status=0 ms=%llu", ms);
	}
}

static void reap(struct scripts *st)
{
	for (uint32_t i = 0; i < st->conf.at_once; i++) {
		struct running *r = &st->run[i];
		int status;

		if (!r->job)
			continue;
		child_read(&r->child, log_line, r->job);
		if (!child_ended(&r->child, &status))
			continue;
		child_read(&r->child, log_line, r->job);
		child_close(&r->child, log_line, r->job);
		log_end(st, r, status);
		job_free(r->job);
		r->job = NULL;
		st->nb_running--;
	}
}

static void kill_late(struct scripts *st, uint64_t now, bool all)
{
	for (uint32_t i = 0; i < st->conf.at_once; i++) {
		struct running *r = &st->run[i];

		if (!r->job || r->killed || (!all && now - r->started_ms < st->conf.limit_ms))
			continue;
		r->killed = true;
		child_kill(&r->child);
	}
}

// Until something may have happened.
static void wait_for_more(struct scripts *st, uint64_t now, uint64_t stop_at)
{
	struct pollfd fd[1 + 2 * 64];
	uint64_t until = UINT64_MAX, v;
	nfds_t n = 0;
	ssize_t got;

	fd[n++] = (struct pollfd){.fd = st->wake, .events = POLLIN};
	for (uint32_t i = 0; i < st->conf.at_once; i++) {
		const struct running *r = &st->run[i];
		uint64_t late = r->started_ms + st->conf.limit_ms;

		if (!r->job)
			continue;
		if (r->child.out >= 0)
			fd[n++] = (struct pollfd){.fd = r->child.out, .events = POLLIN};
		if (r->child.pidfd >= 0)
			fd[n++] = (struct pollfd){.fd = r->child.pidfd, .events = POLLIN};
		else
			late = now + CHILD_POLL_MS;
		if (!r->killed || r->child.pidfd < 0)
			until = late < until ? late : until;
	}
	if (stop_at && stop_at < until)
		until = stop_at;
	poll(fd, n, until == UINT64_MAX ? -1 : until > now ? (int)(until - now) : 0);
	got = read(st->wake, &v, sizeof(v));
	(void)got;
}

static uint64_t stop_time(struct scripts *st, uint32_t *queued)
{
	uint64_t t;

	pthread_mutex_lock(&st->lock);
	t = st->stop_at_ms;
	*queued = st->nb_queued;
	pthread_mutex_unlock(&st->lock);
	return t;
}

// The time is over: nothing else is started, what runs is killed.
static void give_up(struct scripts *st)
{
	uint64_t until = now_ms() + KILLED_MS;

	kill_late(st, now_ms(), true);
	while (st->nb_running && now_ms() < until) {
		wait_for_more(st, now_ms(), until);
		reap(st);
	}
}

static void *thread_main(void *arg)
{
	struct scripts *st = arg;
	uint64_t stop_at;
	uint32_t queued;
	struct job *j;

	pthread_setname_np(pthread_self(), "scripts");
	setpriority(PRIO_PROCESS, (id_t)gettid(), 10); // and theirs with it
	for (;;) {
		reap(st);
		kill_late(st, now_ms(), false);
		while (st->nb_running < st->conf.at_once && (j = take_job(st)))
			start(st, j);
		stop_at = stop_time(st, &queued);
		if (stop_at && ((!queued && !st->nb_running) || now_ms() >= stop_at))
			break;
		wait_for_more(st, now_ms(), stop_at);
	}
	give_up(st);
	return NULL;
}

// -- the control thread --

static int thread_start(struct scripts *st)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&st->thread, NULL, thread_main, st);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

struct scripts *scripts_create(const struct scripts_conf *conf, char *err, size_t cap)
{
	struct scripts *st = calloc(1, sizeof(*st));
	int rc = ENOMEM;

	if (!st)
		goto fail;
	st->conf = *conf;
	if (!st->conf.at_once || st->conf.at_once > 64)
		st->conf.at_once = SCRIPTS_AT_ONCE;
	STAILQ_INIT(&st->queue);
	st->run = calloc(st->conf.at_once, sizeof(*st->run));
	st->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!st->run)
		goto fail;
	rc = st->wake < 0 ? errno : pthread_mutex_init(&st->lock, NULL);
	if (rc)
		goto fail;
	rc = thread_start(st);
	if (!rc)
		return st;
	pthread_mutex_destroy(&st->lock);
fail:
	snprintf(err, cap, "no thread for on-up and on-down: %s", log_strerror(rc));
	if (st && st->wake > 0)
		close(st->wake);
	if (st)
		free(st->run);
	free(st);
	return NULL;
}

int scripts_run(struct scripts *st, const char *path, const char *event, uint64_t key,
	uint64_t session, char *env)
{
	struct job *j = malloc(sizeof(*j));
	bool full;

	if (!j) {
		free(env);
		return -ENOMEM;
	}
	*j = (struct job){.path = path, .event = event, .key = key, .session = session, .env = env};
	pthread_mutex_lock(&st->lock);
	full = st->nb_queued >= st->conf.queue_max;
	if (full) {
		st->totals.dropped++;
	} else {
		STAILQ_INSERT_TAIL(&st->queue, j, next);
		st->nb_queued++;
	}
	pthread_mutex_unlock(&st->lock);
	if (full) {
		job_free(j);
		return -ENOBUFS;
	}
	wake(st);
	return 0;
}

void scripts_totals(struct scripts *st, struct scripts_totals *t)
{
	pthread_mutex_lock(&st->lock);
	*t = st->totals;
	pthread_mutex_unlock(&st->lock);
}

void scripts_destroy(struct scripts *st, uint32_t grace_ms)
{
	struct job *j;

	if (!st)
		return;
	pthread_mutex_lock(&st->lock);
	st->stop_at_ms = now_ms() + grace_ms;
	pthread_mutex_unlock(&st->lock);
	wake(st);
	pthread_join(st->thread, NULL);
	if (st->nb_queued)
		LOG(LOG_WARNING, "%u scripts were not run before the end", st->nb_queued);
	while ((j = STAILQ_FIRST(&st->queue))) {
		STAILQ_REMOVE_HEAD(&st->queue, next);
		job_free(j);
	}
	for (uint32_t i = 0; i < st->conf.at_once; i++) {
		if (!st->run[i].job)
			continue;
		child_close(&st->run[i].child, NULL, NULL);
		job_free(st->run[i].job);
	}
	close(st->wake);
	pthread_mutex_destroy(&st->lock);
	free(st->run);
	free(st);
}
