// SPDX-License-Identifier: BSD-3-Clause
#define LOG_TYPE "cp.script"
#include "base/scripts.h"

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

#include "base/affinity.h"
#include "base/log.h"
#include "base/scripts_child.h"

#define LOG_BURST 50
#define KILLED_MS 1000 // for the kernel to end what was killed
#define HANGS_MS 5000

struct job {
	STAILQ_ENTRY(job) next;
	struct key *key;
	const char *event;
	uint64_t session;
	char *env;                            // owned
	const char *input;                    // in text, NULL: none
	void (*ended)(void *user, bool well); // NULL: nobody
	void *user;
	bool well;
	char *argv[SCRIPTS_ARGS_MAX + 1]; // in text
	char text[];
};

// One that has jobs: one of them runs, or it is in line for that.
struct key {
	LIST_ENTRY(key) same;
	STAILQ_ENTRY(key) next; // while it is in line
	uint64_t number;
	STAILQ_HEAD(, job) jobs; // that wait
};
LIST_HEAD(bucket, key);

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
	struct bucket *bucket; // of keys, [nb_buckets], a power of two
	uint32_t nb_buckets;
	STAILQ_HEAD(, key) runnable;
	uint32_t nb_queued;
	uint64_t stop_at_ms; // 0: go on
	bool abandoned;
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

// Under the lock: whoever gave up waiting for the thread is told nothing any more.
static void tell(const struct scripts *st, const struct job *j)
{
	if (j->ended && !st->abandoned)
		j->ended(j->user, j->well);
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

// The first job of the key that waits longest of those of which nothing runs, out of its queue;
// NULL: none.
static struct job *take_job(struct scripts *st)
{
	struct job *j = NULL;
	struct key *k;

	pthread_mutex_lock(&st->lock);
	k = STAILQ_FIRST(&st->runnable);
	if (k) {
		STAILQ_REMOVE_HEAD(&st->runnable, next);
		j = STAILQ_FIRST(&k->jobs);
		STAILQ_REMOVE_HEAD(&k->jobs, next);
		st->nb_queued--;
	}
	pthread_mutex_unlock(&st->lock);
	return j;
}

// j is over, however it went: the next one of its key may run.
static void job_done(struct scripts *st, struct job *j)
{
	struct key *k = j->key;

	pthread_mutex_lock(&st->lock);
	tell(st, j);
	if (STAILQ_EMPTY(&k->jobs)) {
		LIST_REMOVE(k, same);
		free(k);
	} else {
		STAILQ_INSERT_TAIL(&st->runnable, k, next);
	}
	pthread_mutex_unlock(&st->lock);
	job_free(j);
}

static void count(struct scripts *st, uint64_t *total)
{
	pthread_mutex_lock(&st->lock);
	++*total;
	pthread_mutex_unlock(&st->lock);
}

#define JLOG(level, j, fmt, ...)                                                \
	LOG_RATELIMIT(level, LOG_BURST, "session=%llu script=%s event=%s " fmt, \
		(unsigned long long)(j)->session, (j)->argv[0], (j)->event, ##__VA_ARGS__)

static void start(struct scripts *st, struct job *j)
{
	struct running *r = st->run;
	int rc;

	while (r->job)
		r++;
	rc = child_start(&r->child, j->argv, j->input, j->env);
	count(st, rc ? &st->totals.failed : &st->totals.started);
	if (rc) {
		JLOG(LOG_WARNING, j, "cannot be started: %s", log_strerror(rc));
		job_done(st, j);
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
	struct job *j = r->job;
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
		j->well = true;
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
		job_done(st, r->job);
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
	affinity_join_helpers();                       // and they with it
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
	STAILQ_INIT(&st->runnable);
	for (st->nb_buckets = 64; st->nb_buckets < 65536 && st->nb_buckets < conf->queue_max;)
		st->nb_buckets *= 2;
	st->bucket = calloc(st->nb_buckets, sizeof(*st->bucket));
	st->run = calloc(st->conf.at_once, sizeof(*st->run));
	st->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!st->run || !st->bucket)
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
	if (st) {
		free(st->run);
		free(st->bucket);
	}
	free(st);
	return NULL;
}

static struct bucket *bucket_of(struct scripts *st, uint64_t number)
{
	number *= UINT64_C(0x9e3779b97f4a7c15);
	return &st->bucket[number >> 32 & (st->nb_buckets - 1)];
}

// Under the lock. 0, -ENOBUFS or -ENOMEM.
static int queue_job(struct scripts *st, struct job *j, uint64_t number)
{
	struct bucket *b = bucket_of(st, number);
	struct key *k;

	if (st->nb_queued >= st->conf.queue_max)
		return -ENOBUFS;
	LIST_FOREACH(k, b, same)
	if (k->number == number)
		break;
	if (!k) {
		k = calloc(1, sizeof(*k));
		if (!k)
			return -ENOMEM;
		k->number = number;
		STAILQ_INIT(&k->jobs);
		LIST_INSERT_HEAD(b, k, same);
		STAILQ_INSERT_TAIL(&st->runnable, k, next);
	}
	j->key = k;
	STAILQ_INSERT_TAIL(&k->jobs, j, next);
	st->nb_queued++;
	return 0;
}

static char *put_text(char **at, const char *text)
{
	char *p = *at;

	*at = stpcpy(p, text) + 1;
	return p;
}

static struct job *job_create(const struct scripts_program *p)
{
	size_t n = p->input ? strlen(p->input) + 1 : 0;
	struct job *j;
	char *at;

	for (unsigned int i = 0; i < SCRIPTS_ARGS_MAX && p->argv[i]; i++)
		n += strlen(p->argv[i]) + 1;
	j = calloc(1, sizeof(*j) + n);
	if (!j)
		return NULL;
	at = j->text;
	for (unsigned int i = 0; i < SCRIPTS_ARGS_MAX && p->argv[i]; i++)
		j->argv[i] = put_text(&at, p->argv[i]);
	j->input = p->input ? put_text(&at, p->input) : NULL;
	return j;
}

int scripts_run_program(struct scripts *st, const struct scripts_program *p, const char *event,
	uint64_t key, uint64_t session)
{
	struct job *j = p->env ? job_create(p) : NULL;
	int rc;

	if (!j) {
		free(p->env);
		return -ENOMEM;
	}
	j->event = event;
	j->session = session;
	j->env = p->env;
	pthread_mutex_lock(&st->lock);
	j->ended = p->ended;
	j->user = p->user;
	rc = queue_job(st, j, key);
	st->totals.dropped += rc != 0;
	pthread_mutex_unlock(&st->lock);
	if (rc) {
		job_free(j);
		return rc;
	}
	wake(st);
	return 0;
}

int scripts_run(struct scripts *st, const char *path, const char *event, uint64_t key,
	uint64_t session, char *env)
{
	const struct scripts_program p = {
		.argv = (const char *const[]){path, event, NULL}, .env = env};

	return scripts_run_program(st, &p, event, key, session);
}

void scripts_totals(struct scripts *st, struct scripts_totals *t)
{
	pthread_mutex_lock(&st->lock);
	*t = st->totals;
	t->waiting = st->nb_queued;
	pthread_mutex_unlock(&st->lock);
}

// The thread has not more to do than the rest of its time, unless starting a program hangs: a file
// system that does not answer must not hold up the end of the process.
static bool has_ended(struct scripts *st, uint32_t grace_ms)
{
	uint64_t ms = (uint64_t)grace_ms + KILLED_MS + HANGS_MS;
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += (time_t)(ms / 1000);
	ts.tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	return !pthread_timedjoin_np(st->thread, NULL, &ts);
}

static void drop_keys(struct scripts *st)
{
	for (uint32_t i = 0; i < st->nb_buckets; i++) {
		struct key *k;
		struct job *j;

		while ((k = LIST_FIRST(&st->bucket[i]))) {
			while ((j = STAILQ_FIRST(&k->jobs))) {
				STAILQ_REMOVE_HEAD(&k->jobs, next);
				JLOG(LOG_WARNING, j, "was not run before the end");
				tell(st, j);
				job_free(j);
			}
			LIST_REMOVE(k, same);
			free(k);
		}
	}
}

void scripts_destroy(struct scripts *st, uint32_t grace_ms)
{
	if (!st)
		return;
	pthread_mutex_lock(&st->lock);
	st->stop_at_ms = now_ms() + grace_ms;
	pthread_mutex_unlock(&st->lock);
	wake(st);
	if (!has_ended(st, grace_ms)) {
		pthread_mutex_lock(&st->lock);
		st->abandoned = true;
		pthread_mutex_unlock(&st->lock);
		LOG(LOG_ERR, "a script cannot be started and does not fail: not waited for");
		return; // what it has is its own until the process is gone
	}
	if (st->nb_queued)
		LOG(LOG_WARNING, "%u scripts were not run before the end", st->nb_queued);
	for (uint32_t i = 0; i < st->conf.at_once; i++) {
		if (!st->run[i].job)
			continue;
		child_close(&st->run[i].child, NULL, NULL);
		tell(st, st->run[i].job);
		job_free(st->run[i].job);
	}
	drop_keys(st);
	close(st->wake);
	pthread_mutex_destroy(&st->lock);
	free(st->run);
	free(st->bucket);
	free(st);
}
