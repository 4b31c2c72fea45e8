// SPDX-License-Identifier: BSD-3-Clause
#define LOG_TYPE "cp.renew"
#include "controlplane/cp_renew.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "controlplane/cp_core.h"

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same(const struct cp_file_id *a, const struct cp_file_id *b)
{
	return a->there == b->there && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime);
}

static void begin(struct cp *cp, enum cp_renew_task task)
{
	cp->renew.busy = true;
	cp_renewer_begin(cp->renew.thread, task, cp->tls);
}

static void make(struct cp *cp, const char *why)
{
	snprintf(cp->renew.why, sizeof(cp->renew.why), "%s", why);
	begin(cp, CP_RENEW_MAKE);
}

void cp_renew_now(struct cp *cp, const char *why)
{
	struct cp_renew *r = &cp->renew;

	if (!r->thread)
		return;
	if (!r->busy) {
		make(cp, why);
		return;
	}
	r->again = true;
	snprintf(r->why_again, sizeof(r->why_again), "%s", why);
}

// The files as they are now. Whether one has changed, and all rest.
static void looked(struct cp *cp, const struct cp_renew_result *v)
{
	struct cp_renew *r = &cp->renew;
	const char *changed = NULL;
	bool moving = false;
	char quoted[200], why[240];

	for (unsigned int i = 0; i < r->nb; i++) {
		if (!same(&v->found[i], &r->file[i].seen))
			moving = true;
		if (!changed && !same(&v->found[i], &r->file[i].used))
			changed = r->file[i].name;
		r->file[i].seen = v->found[i];
	}
	if (!changed || moving)
		return;
	snprintf(why, sizeof(why), "file=%s changed",
		log_quote(quoted, sizeof(quoted), changed, strlen(changed)));
	make(cp, why);
}

static void made(struct cp *cp, const struct cp_renew_result *v)
{
	struct cp_renew *r = &cp->renew;
	struct tls_ctx *old = cp->tls;

	for (unsigned int i = 0; i < r->nb; i++)
		r->file[i].used = r->file[i].seen = v->found[i];
	if (!v->fresh) {
		LOG(LOG_ERR, "%s: the certificates as they were stay in use: %s", r->why, v->err);
		return;
	}
	cp->tls = v->fresh;
	tls_ctx_retire(old);
	LOG(LOG_NOTICE, "%s: %u certificates renewed, sessions=%u go on", r->why,
		cp->conf->sstp.nb_certs, cp->nb_sessions);
}

static void on_done(struct ev_loop *loop, ev_async *w, int revents)
{
	struct cp *cp = w->data;
	struct cp_renew *r = &cp->renew;
	struct cp_renew_result v;

	if (!cp_renewer_take(r->thread, &v))
		return;
	r->busy = false;
	if (v.task == CP_RENEW_LOOK)
		looked(cp, &v);
	else
		made(cp, &v);
	if (r->again && !r->busy) {
		r->again = false;
		make(cp, r->why_again);
	}
}

static void on_poll(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cp *cp = w->data;

	if (!cp->renew.busy)
		begin(cp, CP_RENEW_LOOK);
}

static void on_tickets(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cp *cp = w->data;

	tls_ctx_rotate_tickets(cp->tls);
}

static void stop(struct cp *cp)
{
	ev_timer_stop(cp->loop, &cp->renew.poll);
	ev_timer_stop(cp->loop, &cp->renew.tickets);
}

static int start_thread(struct cp *cp)
{
	struct cp_renew *r = &cp->renew;

	if (r->thread)
		return 0;
	ev_async_init(&r->done, on_done);
	r->done.data = cp;
	ev_async_start(cp->loop, &r->done);
	r->thread = cp_renewer_create(cp->conf, cp->loop, &r->done);
	return r->thread ? 0 : -ENOMEM;
}

int cp_renew_start(struct cp *cp, double poll_s)
{
	struct cp_renew *r = &cp->renew;
	const char *names[CP_RENEW_FILES];

	r->give_up_s = CP_RENEW_GIVE_UP_S;
	r->nb = cp_renew_files(cp->conf, names);
	for (unsigned int i = 0; i < r->nb; i++) {
		r->file[i].name = names[i];
		r->file[i].used = r->file[i].seen = cp_renew_look(names[i]);
	}
	stop(cp);
	ev_timer_init(&r->poll, on_poll, poll_s, poll_s);
	ev_timer_init(&r->tickets, on_tickets, TLS_TICKET_LIFETIME_S, TLS_TICKET_LIFETIME_S);
	r->poll.data = r->tickets.data = cp;
	if (!cp->tls)
		return 0;
	if (start_thread(cp))
		return -ENOMEM;
	if (r->nb)
		ev_timer_start(cp->loop, &r->poll);
	ev_timer_start(cp->loop, &r->tickets);
	return 0;
}

void cp_renew_end(struct cp *cp)
{
	struct cp_renew *r = &cp->renew;

	if (!cp->loop)
		return;
	stop(cp);
	if (!cp_renewer_end(r->thread, r->give_up_s))
		LOG(LOG_WARNING, "a file of certificates does not answer: left behind");
	r->thread = NULL;
	if (ev_is_active(&r->done))
		ev_async_stop(cp->loop, &r->done);
}
