// SPDX-License-Identifier: BSD-3-Clause
#define LOG_TYPE "cp.renew"
#include "controlplane/cp_renew.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "controlplane/cp_core.h"

// By stat(2) and not by notification: that also sees a symbolic link change on the way there, and
// file systems that notify of nothing.
static struct cp_file_id look(const char *name)
{
	struct stat st;

	if (stat(name, &st))
		return (struct cp_file_id){.there = false};
	return (struct cp_file_id){.there = true,
		.dev = st.st_dev,
		.ino = st.st_ino,
		.size = st.st_size,
		.mtime = st.st_mtim,
		.ctime = st.st_ctim};
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same(const struct cp_file_id *a, const struct cp_file_id *b)
{
	return a->there == b->there && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime);
}

int cp_renew_now(struct cp *cp, const char *why)
{
	struct cp_renew *r = &cp->renew;
	struct tls_ctx *fresh, *old = cp->tls;
	char err[512] = "";

	if (!old)
		return 0;
	// First, or a change between would go unnoticed.
	for (unsigned int i = 0; i < r->nb; i++)
		r->file[i].used = r->file[i].seen = look(r->file[i].name);
	fresh = cp_tls_ctx_create(cp->conf, old, err, sizeof(err));
	if (!fresh) {
		LOG(LOG_ERR, "%s: the certificates as they were stay in use: %s", why, err);
		return -EINVAL;
	}
	cp->tls = fresh;
	tls_ctx_destroy(old);
	LOG(LOG_NOTICE, "%s: %u certificates renewed, sessions=%u go on", why,
		cp->conf->sstp.nb_certs, cp->nb_sessions);
	return 0;
}

static void on_poll(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cp *cp = w->data;
	struct cp_renew *r = &cp->renew;
	const char *changed = NULL;
	bool moving = false;
	char quoted[200], why[240];

	for (unsigned int i = 0; i < r->nb; i++) {
		struct cp_file_id now = look(r->file[i].name);

		if (!same(&now, &r->file[i].seen))
			moving = true;
		if (!changed && !same(&now, &r->file[i].used))
			changed = r->file[i].name;
		r->file[i].seen = now;
	}
	if (!changed || moving)
		return;
	snprintf(why, sizeof(why), "file=%s changed",
		log_quote(quoted, sizeof(quoted), changed, strlen(changed)));
	cp_renew_now(cp, why);
}

static void on_tickets(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cp *cp = w->data;

	tls_ctx_rotate_tickets(cp->tls);
}

static void watch(struct cp_renew *r, const char *name)
{
	if (!name || r->nb == CP_RENEW_FILES)
		return;
	r->file[r->nb].name = name;
	r->file[r->nb].used = r->file[r->nb].seen = look(name);
	r->nb++;
}

void cp_renew_start(struct cp *cp, double poll_s)
{
	const struct config_sstp_server *c = &cp->conf->sstp;
	struct cp_renew *r = &cp->renew;

	r->nb = 0;
	for (unsigned int i = 0; i < c->nb_certs; i++) {
		watch(r, c->certs[i].cert);
		watch(r, c->certs[i].key);
		watch(r, c->certs[i].ocsp);
	}
	if (c->verify_client) {
		watch(r, c->ca);
		watch(r, c->crl);
	}
	cp_renew_stop(cp);
	ev_timer_init(&r->poll, on_poll, poll_s, poll_s);
	ev_timer_init(&r->tickets, on_tickets, TLS_TICKET_LIFETIME_S, TLS_TICKET_LIFETIME_S);
	r->poll.data = r->tickets.data = cp;
	if (r->nb)
		ev_timer_start(cp->loop, &r->poll);
	ev_timer_start(cp->loop, &r->tickets);
}

void cp_renew_stop(struct cp *cp)
{
	ev_timer_stop(cp->loop, &cp->renew.poll);
	ev_timer_stop(cp->loop, &cp->renew.tickets);
}
