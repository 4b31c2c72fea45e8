// SPDX-License-Identifier: BSD-3-Clause
// Authentication: between PPP, which has a claim, and the back end, which judges it, now or later.
#define LOG_TYPE "cp.auth"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/secret.h"
#include "controlplane/cp_policy.h"
#include "controlplane/cp_session.h"

#define AUTH_LOG_BURST 20

static void set_user(struct cp_session *s, const struct ppp_auth_request *req)
{
	char quoted[CP_USER_LOG_MAX];

	free(s->user);
	s->user = strdup(log_quote(quoted, sizeof(quoted), req->name, req->name_len));
	s->call->user_hash = cp_hash(req->name, req->name_len);
}

static void log_ok(struct cp_session *s, const struct users_answer *a, uint32_t method)
{
	char when[32] = "-";
	time_t last = cp_policy_last_out(s->cp, a->grant.account);
	struct tm tm;

	if (last && gmtime_r(&last, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	// Who got in is on record in any case; who shows it again and again is not.
	if (s->call->auth_logged)
		SLOG_RATE(LOG_INFO, AUTH_LOG_BURST, s, "auth method=%s result=ok again",
			ppp_auth_name(method));
	else
		SLOG(LOG_INFO, s, "auth method=%s result=ok profile=%s last_logged_out=%s",
			ppp_auth_name(method), a->grant.profile ? a->grant.profile : "-", when);
	s->call->auth_logged = true;
	s->known = true;
}

// The peer is who it says: it gets what it is granted, unless it may not be here now. Who
// negotiated LCP anew has it already, and did not become another (PPP sees to that).
static void admit(struct cp_session *s, struct users_answer *a)
{
	if (s->account)
		return;
	cp_policy_admit(s, a);
	if (a->result == USERS_OK)
		s->call->grant = a->grant;
}

static void drop(struct users_answer *a)
{
	users_store_free(a->store);
	secret_wipe(a, sizeof(*a));
}

// PPP gets its verdict. Takes a->store.
static void decide(struct cp_session *s, struct users_answer *a)
{
	struct cp_call *c = s->call;
	uint32_t method = c->ppp.as.req.method;

	if (a->result == USERS_OK) {
		s->cp->totals.authenticated++;
		log_ok(s, a, method);
	} else {
		s->cp->totals.auth_refused++;
		SLOG_RATE(LOG_WARNING, AUTH_LOG_BURST, s,
			"auth method=%s result=refused why=\"%s\"", ppp_auth_name(method),
			users_result_text(a->result));
	}
	cp_session_heard(s);
	ppp_auth_verdict(&c->ppp, &a->verdict);
	drop(a);
}

// The verdict of who comes in the place of others waits until those are gone, and what they had is
// free: PPP asks for its address as soon as it has it. Takes a->store.
static void judge(struct cp_session *s, struct users_answer *a)
{
	struct cp_call *c = s->call;

	if (a->result == USERS_OK)
		admit(s, a);
	if (a->result == USERS_OK && cp_policy_must_wait(s)) {
		c->held = malloc(sizeof(*c->held));
		if (c->held) {
			*c->held = *a;
			a->store = NULL;
			drop(a);
			cp_session_heard(s);
			return;
		}
	}
	decide(s, a);
}

void cp_auth_go_on(struct cp_session *s)
{
	struct users_answer *a = s->call->held;

	s->call->held = NULL;
	decide(s, a);
	free(a);
	cp_call_settle(s);
}

// Of one query only: an answer that comes late is not taken for that of the next. It leads to the
// session by its place in the table.
static uint64_t next_id(struct cp_session *s)
{
	if (!++s->cp->last_query)
		s->cp->last_query = 1;
	return (s->handle & ~(uint64_t)UINT32_MAX) | s->cp->last_query;
}

// Whether PPP waits for a verdict.
static bool is_asking(const struct cp_call *c)
{
	return !c->note_closed && !c->ppp_over && c->ppp.phase == PPP_PHASE_AUTHENTICATE &&
	       c->ppp.as.pending;
}

// Nor is it one any longer that waits for a verdict.
static void stop_waiting(struct cp_session *s)
{
	cp_auth_cancel(s);
	cp_session_heard(s);
}

void cp_auth_settle(struct cp_session *s)
{
	if ((s->call->auth_pending || s->call->held) && !is_asking(s->call))
		stop_waiting(s);
}

void cp_auth_request(struct cp_session *s, const struct ppp_auth_request *req)
{
	struct cp *cp = s->cp;
	struct cp_call *c = s->call;
	struct users_query q = {
		.id = next_id(s), .req = req, .peer = s->peer, .peer_port = s->peer_port};
	struct users_answer a = {0};

	// What was asked before LCP was negotiated anew.
	cp_auth_cancel(s);
	set_user(s, req);
	if (cp->users.check(cp->users.user, &q, &a)) {
		judge(s, &a);
		return;
	}
	c->auth_pending = true;
	c->auth_id = q.id;
	cp_session_heard(s);
	ev_timer_stop(cp->loop, &c->auth_timer);
	ev_timer_set(&c->auth_timer, cp->limits.auth_s, 0);
	ev_timer_start(cp->loop, &c->auth_timer);
	SLOG(LOG_DEBUG, s, "auth method=%s waits for its answer", ppp_auth_name(req->method));
}

void cp_auth_answer(struct cp *cp, uint64_t id, struct users_answer *a)
{
	struct cp_session *s = cp_table_at(&cp->table, id);

	if (!s || !s->call || !s->call->auth_pending || s->call->auth_id != id) {
		drop(a);
		return;
	}
	s->call->auth_pending = false;
	ev_timer_stop(cp->loop, &s->call->auth_timer);
	judge(s, a);
	cp_call_settle(s);
}

void cp_auth_cancel(struct cp_session *s)
{
	struct cp_call *c = s->call;

	ev_timer_stop(s->cp->loop, &c->auth_timer);
	if (c->held)
		drop(c->held);
	free(c->held);
	c->held = NULL;
	if (!c->auth_pending)
		return;
	c->auth_pending = false;
	if (s->cp->users.cancel)
		s->cp->users.cancel(s->cp->users.user, c->auth_id);
}

// Not a failure: nobody said that the password is wrong.
static void on_auth_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cp_call *c = w->data;
	struct cp_session *s = c->s;

	s->cp->totals.auth_refused++;
	SLOG_RATE(LOG_WARNING, AUTH_LOG_BURST, s, "auth method=%s result=refused why=\"%s\"",
		ppp_auth_name(c->ppp.as.req.method), users_result_text(USERS_NO_ANSWER));
	stop_waiting(s);
	cp_session_why(s, ppp_end_text(PPP_END_AUTH_TIMEOUT), users_result_text(USERS_NO_ANSWER));
	ppp_terminate(&c->ppp, PPP_END_AUTH_TIMEOUT, NULL);
	cp_call_settle(s);
}

void cp_auth_watch(struct cp_call *c)
{
	ev_timer_init(&c->auth_timer, on_auth_timer, 0, 0);
	c->auth_timer.data = c;
}

// [MS-SSTP] 3.3.2's timer is for Call Connected, not for people: while one types a password, or
// looks for a second factor, it stands still. Authentication has a limit of its own.
void cp_auth_hold_negotiation(struct cp_call *c)
{
	ev_timer *w = &c->sstp_timer[SSTP_TIMER_NEGOTIATION];
	bool hold = c->ppp.phase == PPP_PHASE_AUTHENTICATE &&
		    c->sstp.state == SSTP_STATE_SERVER_CALL_CONNECTED_PENDING;

	if (hold && ev_is_active(w)) {
		ev_timer_stop(c->s->cp->loop, w);
		c->negotiation_held = true;
	} else if (!hold && c->negotiation_held) {
		c->negotiation_held = false;
		sstp_restart_negotiation(&c->sstp);
	}
}
