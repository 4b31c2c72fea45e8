// SPDX-License-Identifier: BSD-3-Clause
#include "client/resolve.h"

#include <ev.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"

#define HOST_CAP 256

// What the thread works on. It may outlive the resolve, which gave up: the last of the two frees
// it.
struct job {
	atomic_int users;
	int fd; // eventfd, written when the result is there
	char host[HOST_CAP], port[8];
	int rc, error; // getaddrinfo()'s, and errno
	struct addrinfo *addrs;
};

struct resolve {
	struct ev_loop *loop;
	ev_io io;
	ev_timer timer;
	struct job *job;
	resolve_fn *done;
	void *user;
};

static void job_release(struct job *j)
{
	// Release what this one wrote, acquire what the other did.
	if (atomic_fetch_sub_explicit(&j->users, 1, memory_order_acq_rel) > 1)
		return;
	if (j->addrs)
		freeaddrinfo(j->addrs);
	close(j->fd);
	free(j);
}

static void look_up(struct job *j, int flags)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags};

	j->rc = getaddrinfo(j->host, j->port, &hints, &j->addrs);
	j->error = errno;
}

static void tell(struct job *j)
{
	uint64_t one = 1;
	ssize_t n = write(j->fd, &one, sizeof(one)); // an eventfd of 0 takes it

	(void)n;
}

static void *run(void *arg)
{
	struct job *j = arg;

	look_up(j, AI_ADDRCONFIG);
	// Without any address but the loopback's, AI_ADDRCONFIG finds nothing at all.
	if (j->rc)
		look_up(j, 0);
	tell(j);
	job_release(j);
	return NULL;
}

static void finish(struct resolve *r, struct addrinfo *addrs, const char *why)
{
	resolve_fn *done = r->done;
	void *user = r->user;

	resolve_cancel(r);
	done(user, addrs, why);
}

static void on_result(struct ev_loop *loop, ev_io *w, int events)
{
	struct resolve *r = w->data;
	struct addrinfo *addrs;
	char why[160];
	uint64_t n;

	// The read is what the thread's write happened before.
	if (read(r->job->fd, &n, sizeof(n)) != sizeof(n))
		return;
	addrs = r->job->rc ? NULL : r->job->addrs;
	snprintf(why, sizeof(why), "%s",
		!r->job->rc                ? ""
		: r->job->rc == EAI_SYSTEM ? log_strerror(r->job->error)
					   : gai_strerror(r->job->rc));
	if (addrs)
		r->job->addrs = NULL;
	finish(r, addrs, why);
}

static void on_timeout(struct ev_loop *loop, ev_timer *w, int events)
{
	finish(w->data, NULL, "no answer in time");
}

static struct job *job_create(const char *host, uint16_t port)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j || strlen(host) >= sizeof(j->host)) {
		free(j);
		return NULL;
	}
	strcpy(j->host, host);
	snprintf(j->port, sizeof(j->port), "%u", port);
	atomic_init(&j->users, 1);
	j->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (j->fd < 0) {
		free(j);
		return NULL;
	}
	return j;
}

static int start_thread(struct job *j)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	atomic_fetch_add_explicit(&j->users, 1, memory_order_relaxed);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); // signals are the loop's
	rc = pthread_create(&thread, &attr, run, j);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (rc)
		atomic_fetch_sub_explicit(&j->users, 1, memory_order_relaxed);
	return rc;
}

struct resolve *resolve_start(struct ev_loop *loop, const char *host, uint16_t port,
	uint32_t limit_ms, resolve_fn *done, void *user)
{
	struct resolve *r = calloc(1, sizeof(*r));
	struct job *j = r ? job_create(host, port) : NULL;

	if (!j) {
		free(r);
		return NULL;
	}
	// An address needs nobody to ask, and a resolver that hangs is none of its business.
	look_up(j, AI_NUMERICHOST);
	if (!j->rc) {
		tell(j);
	} else if (start_thread(j)) {
		job_release(j);
		free(r);
		return NULL;
	}
	*r = (struct resolve){.loop = loop, .job = j, .done = done, .user = user};
	ev_io_init(&r->io, on_result, j->fd, EV_READ);
	ev_timer_init(&r->timer, on_timeout, limit_ms / 1000.0, 0);
	r->io.data = r->timer.data = r;
	ev_io_start(loop, &r->io);
	ev_timer_start(loop, &r->timer);
	return r;
}

void resolve_cancel(struct resolve *r)
{
	if (!r)
		return;
	ev_io_stop(r->loop, &r->io);
	ev_timer_stop(r->loop, &r->timer);
	job_release(r->job);
	free(r);
}
