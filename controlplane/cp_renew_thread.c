// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/cp_renew_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/affinity.h"
#include "controlplane/cp_renew.h"

#define TEXTS (CP_RENEW_FILES + 8)

struct cp_renewer {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake, ended;
	struct ev_loop *loop;
	ev_async *async;
	// the thread's, made by the control thread before
	struct config conf; // sstp and tls as far as a context needs them, in text
	char *text[TEXTS];
	unsigned int nb_texts, nb_files;
	const char *file[CP_RENEW_FILES];
	// of whoever has the task: the thread until done is set
	struct tls_ctx *previous; // a reference
	struct cp_renew_result result;
	// under the lock
	enum cp_renew_task task;
	bool done, stop, gone, left_behind;
};

unsigned int cp_renew_files(const struct config *c, const char *names[CP_RENEW_FILES])
{
	const struct config_sstp_server *s = &c->sstp;
	const char *all[CP_RENEW_FILES];
	unsigned int n = 0, kept = 0;

	for (unsigned int i = 0; i < s->nb_certs && i < CONFIG_MAX_CERTS; i++) {
		all[n++] = s->certs[i].cert;
		all[n++] = s->certs[i].key;
		all[n++] = s->certs[i].ocsp;
	}
	if (s->verify_client) {
		all[n++] = s->ca;
		all[n++] = s->crl;
	}
	for (unsigned int i = 0; i < n; i++)
		if (all[i])
			names[kept++] = all[i];
	return kept;
}

// By stat(2) and not by notification: that also sees a symbolic link change on the way there, and
// file systems that notify of nothing.
struct cp_file_id cp_renew_look(const char *name)
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

// -- the thread --

static void work(struct cp_renewer *r)
{
	struct cp_renew_result *v = &r->result;

	for (unsigned int i = 0; i < r->nb_files; i++)
		v->found[i] = cp_renew_look(r->file[i]);
	if (v->task == CP_RENEW_MAKE)
		v->fresh = cp_tls_ctx_create(&r->conf, r->previous, v->err, sizeof(v->err));
}

static void renewer_free(struct cp_renewer *r)
{
	if (r->previous)
		tls_ctx_unref(r->previous);
	if (r->result.fresh)
		tls_ctx_unref(r->result.fresh);
	for (unsigned int i = 0; i < r->nb_texts; i++)
		free(r->text[i]);
	pthread_cond_destroy(&r->wake);
	pthread_cond_destroy(&r->ended);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void *thread_main(void *arg)
{
	struct cp_renewer *r = arg;
	bool left_behind;

	pthread_setname_np(pthread_self(), "renewals");
	affinity_join_helpers();
	pthread_mutex_lock(&r->lock);
	for (;;) {
		while (!r->stop && (r->task == CP_RENEW_NOTHING || r->done))
			pthread_cond_wait(&r->wake, &r->lock);
		if (r->stop)
			break;
		pthread_mutex_unlock(&r->lock);
		work(r);
		pthread_mutex_lock(&r->lock);
		r->done = true;
		if (!r->left_behind)
			ev_async_send(r->loop, r->async);
	}
	r->gone = true;
	left_behind = r->left_behind;
	pthread_cond_signal(&r->ended);
	pthread_mutex_unlock(&r->lock);
	if (left_behind)
		renewer_free(r);
	return NULL;
}

// -- the control thread --

// *text becomes a copy of its own. False: no memory.
static bool own(struct cp_renewer *r, char **text)
{
	if (!*text)
		return true;
	*text = strdup(*text);
	if (!*text)
		return false;
	r->text[r->nb_texts++] = *text;
	return true;
}

static bool copy_conf(struct cp_renewer *r, const struct config *c)
{
	struct config_sstp_server *s = &r->conf.sstp;
	struct config_tls *t = &r->conf.tls;
	bool ok;

	*s = c->sstp;
	*t = c->tls;
	s->default_profile = NULL;
	ok = own(r, &s->ca) && own(r, &s->crl) && own(r, &s->ciphers) && own(r, &t->engine) &&
	     own(r, &t->provider) && own(r, &t->keylog_file);
	for (unsigned int i = 0; ok && i < s->nb_certs && i < CONFIG_MAX_CERTS; i++)
		ok = own(r, &s->certs[i].cert) && own(r, &s->certs[i].key) &&
		     own(r, &s->certs[i].ocsp);
	r->nb_files = cp_renew_files(&r->conf, r->file);
	return ok;
}

static int thread_start(struct cp_renewer *r)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&r->thread, NULL, thread_main, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

struct cp_renewer *cp_renewer_create(const struct config *c, struct ev_loop *loop, ev_async *done)
{
	struct cp_renewer *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;

	if (!r)
		return NULL;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->wake, NULL);
	pthread_cond_init(&r->ended, &attr);
	pthread_condattr_destroy(&attr);
	r->loop = loop;
	r->async = done;
	if (copy_conf(r, c) && !thread_start(r))
		return r;
	renewer_free(r);
	return NULL;
}

void cp_renewer_begin(struct cp_renewer *r, enum cp_renew_task task, struct tls_ctx *previous)
{
	tls_ctx_ref(previous);
	r->previous = previous;
	r->result.task = task;
	r->result.fresh = NULL;
	r->result.err[0] = '\0';
	pthread_mutex_lock(&r->lock);
	r->task = task;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

bool cp_renewer_take(struct cp_renewer *r, struct cp_renew_result *result)
{
	bool done;

	pthread_mutex_lock(&r->lock);
	done = r->done;
	if (done) {
		r->task = CP_RENEW_NOTHING;
		r->done = false;
	}
	pthread_mutex_unlock(&r->lock);
	if (!done)
		return false;
	*result = r->result;
	r->result.fresh = NULL;
	tls_ctx_unref(r->previous);
	r->previous = NULL;
	return true;
}

bool cp_renewer_end(struct cp_renewer *r, double give_up_s)
{
	struct timespec until;
	long ns;
	int rc = 0;

	if (!r)
		return true;
	clock_gettime(CLOCK_MONOTONIC, &until);
	ns = until.tv_nsec + (long)((give_up_s - (double)(time_t)give_up_s) * 1e9);
	until.tv_sec += (time_t)give_up_s + ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->wake);
	while (!r->gone && !rc)
		rc = pthread_cond_timedwait(&r->ended, &r->lock, &until);
	if (!r->gone) {
		r->left_behind = true;
		pthread_detach(r->thread);
		pthread_mutex_unlock(&r->lock);
		return false;
	}
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	renewer_free(r);
	return true;
}
