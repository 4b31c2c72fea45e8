// SPDX-License-Identifier: BSD-3-Clause
#define LOG_TYPE "cp.policy"
#include "controlplane/cp_policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/scripts.h"
#include "controlplane/last_out.h"

#define ERROR_NO_DIALIN_PERMISSION 649
#define POLICY_LOG_BURST 20

static void on_session_timeout(struct ev_loop *loop, ev_timer *w, int revents)
{
	cp_policy_end(w->data, "session-timeout reached");
}

static void on_hurry(struct ev_loop *loop, ev_timer *w, int revents)
{
	cp_session_close(w->data, true);
}

// The session's, made when it has none. NULL when out of memory.
static struct cp_policy *policy_of(struct cp_session *s)
{
	struct cp_policy *p = s->policy;

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	ev_timer_init(&p->session, on_session_timeout, 0, 0);
	ev_timer_init(&p->hurry, on_hurry, 0, 0);
	p->session.data = p->hurry.data = s;
	return s->policy = p;
}

void cp_policy_free(struct cp_session *s)
{
	struct cp_policy *p = s->policy;

	cp_account_remove(&s->cp->accounts, s);
	if (!p)
		return;
	ev_timer_stop(s->cp->loop, &p->session);
	ev_timer_stop(s->cp->loop, &p->hurry);
	users_store_free(p->store);
	free(p->facts);
	free(p);
	s->policy = NULL;
}

// -- ending --

static bool is_leaving(const struct cp_session *s)
{
	if (s->ending || s->broken || s->stage == CP_STAGE_CLOSING)
		return true;
	return s->call && (s->call->note_closed || s->call->ppp_over ||
				  s->call->ppp.phase == PPP_PHASE_TERMINATE ||
				  s->call->sstp.end != SSTP_END_NONE);
}

void cp_policy_end(struct cp_session *s, const char *why)
{
	struct cp_call *c;

	if (s->ending || s->stage == CP_STAGE_CLOSING)
		return;
	s->ending = true;
	cp_session_why(s, why, NULL);
	if (s->stage != CP_STAGE_CALL) {
		cp_session_close(s, s->stage <= CP_STAGE_TLS);
		return;
	}
	c = cp_call_wake(s);
	if (c && !c->note_closed)
		ppp_terminate(&c->ppp, PPP_END_LOCAL_TERMINATED, why);
	cp_call_settle(s);
}

void cp_policy_limit(struct cp_session *s, bool rx)
{
	cp_policy_end(s, rx ? "limit-bytes-in reached" : "limit-bytes-out reached");
}

void cp_policy_idle(struct cp_session *s)
{
	cp_policy_end(s, "idle-timeout reached");
}

// -- only-one --

// Told to go, and not waited for longer than a living client takes to answer, however many come in
// its place.
static void replace(struct cp_session *old)
{
	struct cp_policy *p = policy_of(old);

	if (p && ev_is_active(&p->hurry))
		return;
	cp_policy_end(old, "replaced by a newer log-in");
	if (!p) {
		cp_session_close(old, true);
		return;
	}
	ev_timer_set(&p->hurry, old->cp->limits.replace_s, 0);
	ev_timer_start(old->cp->loop, &p->hurry);
}

static bool is_here(const struct cp *cp, const char *account)
{
	struct cp_session *o = cp_account_first(&cp->accounts, account);

	for (; o; o = cp_account_next(o))
		if (!is_leaving(o))
			return true;
	return false;
}

static void refuse_memory(struct users_answer *a)
{
	users_refuse(a, USERS_NO_ANSWER, ERROR_NO_DIALIN_PERMISSION, "Out of memory");
}

void cp_policy_admit(struct cp_session *s, struct users_answer *a)
{
	struct cp *cp = s->cp;
	const struct users_grant *g = &a->grant;
	struct cp_session *o;

	if (g->only_one == CONFIG_ONLY_ONE_YES && is_here(cp, g->account)) {
		users_refuse(
			a, USERS_ALREADY, ERROR_NO_DIALIN_PERMISSION, "You are already logged in");
		return;
	}
	if (a->store && !policy_of(s)) {
		refuse_memory(a);
		return;
	}
	// Of an account for many there may be thousands of sessions: only who must be alone looks.
	if (g->only_one == CONFIG_ONLY_ONE_REPLACE)
		for (o = cp_account_first(&cp->accounts, g->account); o; o = cp_account_next(o))
			replace(o);
	if (cp_account_add(&cp->accounts, s, g->account)) {
		refuse_memory(a);
		return;
	}
	if (a->store)
		s->policy->store = a->store;
	a->store = NULL;
}

bool cp_policy_must_wait(const struct cp_session *s)
{
	const struct users_grant *g = &s->call->grant;
	struct cp_session *o = cp_account_first(&s->cp->accounts, s->account);
	bool must_wait = false;

	// Who may be here as often as he likes waits for nobody, but for an address of his own.
	if (g->only_one == CONFIG_ONLY_ONE_NO && !g->remote)
		return false;
	for (; o; o = cp_account_next(o)) {
		if (o == s || o->gone || !is_leaving(o))
			continue;
		o->awaited = true;
		must_wait = true;
	}
	return must_wait;
}

void cp_policy_gone(struct cp_session *old, uint32_t addr)
{
	struct cp_session *s, *next;

	old->gone = true;
	if (!old->account || !old->awaited)
		return;
	for (s = cp_account_first(&old->cp->accounts, old->account); s; s = next) {
		next = cp_account_next(s);
		if (s->gone || !s->call || !s->call->held)
			continue;
		if (addr)
			s->call->prefer = addr;
		if (is_leaving(s) || cp_policy_must_wait(s))
			continue;
		cp_auth_go_on(s);
	}
}

// -- data --

static int publish_routes(struct cp_session *s)
{
	struct cp_policy *p = s->policy;
	char prefix[INET6_ADDRSTRLEN + 8];

	for (; p->nb_published < p->nb_routes; p->nb_published++) {
		const struct config_route *r = &p->routes[p->nb_published];
		int rc = dp_prefix_publish(
			s->cp->ch, &r->prefix.addr, r->prefix.plen, r->metric, s->handle);

		cp_prefix_text(&r->prefix, prefix, sizeof(prefix));
		if (rc) {
			SLOG(LOG_ERR, s, "route=%s cannot be published: %s", prefix,
				log_strerror(rc));
			return rc;
		}
		SLOG(LOG_INFO, s, "route=%s metric=%u", prefix, r->metric);
	}
	return 0;
}

void cp_policy_close(struct cp_session *s)
{
	struct cp_policy *p = s->policy;

	while (p && p->nb_published) {
		const struct config_route *r = &p->routes[--p->nb_published];

		dp_prefix_withdraw(s->cp->ch, &r->prefix.addr, r->prefix.plen, s->handle);
	}
}

static void run_script(
	struct cp_session *s, const char *path, const char *event, const struct dp_msg *closed)
{
	char *env = cp_facts_of_run(s, event, closed);
	int rc = env ? scripts_run(s->cp->scripts, path, event, s->addr ? s->addr : s->handle,
			       s->id, env)
		     : -ENOMEM;

	if (rc)
		SLOG_RATE(LOG_WARNING, POLICY_LOG_BURST, s, "script=%s event=%s not run: %s", path,
			event, log_strerror(rc));
}

// All that may fail.
static int prepare(struct cp_session *s)
{
	const struct users_grant *g = &s->call->grant;
	struct cp_policy *p;

	if (!g->session_timeout_s && !g->nb_routes && !g->on_up && !g->on_down)
		return 0;
	p = policy_of(s);
	if (!p)
		return -ENOMEM;
	p->routes = g->routes;
	p->nb_routes = g->nb_routes;
	if (s->cp->scripts && (g->on_up || g->on_down) && !p->facts) {
		p->facts = cp_facts_make(s);
		if (!p->facts)
			return -ENOMEM;
	}
	return 0;
}

static void start(struct cp_session *s)
{
	const struct users_grant *g = &s->call->grant;
	struct cp_policy *p = s->policy;

	p->started = true;
	p->on_down = g->on_down;
	if (g->session_timeout_s) {
		ev_timer_set(&p->session, g->session_timeout_s, 0);
		ev_timer_start(s->cp->loop, &p->session);
	}
	if (p->facts && g->on_up)
		run_script(s, g->on_up, "up", NULL);
	if (!g->on_down) {
		free(p->facts);
		p->facts = NULL;
	}
}

// on-up runs when nothing can go wrong any more: on-down follows it in any case.
int cp_policy_open(struct cp_session *s)
{
	bool again = s->policy && s->policy->started;
	int rc = again ? 0 : prepare(s);

	if (rc || !s->policy)
		return rc;
	rc = publish_routes(s);
	if (!rc && !again)
		start(s);
	return rc;
}

// -- afterwards --

void cp_policy_ended(struct cp_session *s, const struct dp_msg *closed)
{
	struct cp_policy *p = s->policy;

	if (!s->was_up)
		return;
	if (s->cp->last_out && s->account)
		last_out_set(s->cp->last_out, s->account, time(NULL));
	if (p && p->facts && p->on_down)
		run_script(s, p->on_down, "down", closed);
}

time_t cp_policy_last_out(const struct cp *cp, const char *account)
{
	return cp->last_out && account ? last_out_get(cp->last_out, account) : 0;
}
