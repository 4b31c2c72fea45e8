// SPDX-License-Identifier: BSD-3-Clause
// What a profile and a secret ask for beyond addresses: how many sessions a user may have, how long
// and how much, the routes behind a session, its scripts, when its user was last here.
#pragma once

#include <stdbool.h>
#include <time.h>

#include "controlplane/cp_session.h"

// What most sessions lack; made when there is something to keep.
struct cp_policy {
	struct users_store *store; // what the grant borrows, NULL: the configuration alone
	ev_timer session;          // session-timeout; runs while the call is at rest
	ev_timer hurry;            // replaced: how long an orderly end may take
	const struct config_route *routes;
	uint32_t nb_routes, nb_published; // the first so many
	const char *on_down;
	char *facts; // of the session for its scripts (cp_facts.c), NULL: none
	bool started;
};

// A session's grant was found right: a->result stays USERS_OK, and the session has its account and
// a->store, or it becomes the reason for a refusal, verdict included. Others of the account may be
// told to go (only-one: replace). From PPP's callback.
void cp_policy_admit(struct cp_session *s, struct users_answer *a);

// Whether the session has to wait for others of its account, which are on their way out, before it
// gets its verdict. cp_policy_gone() will give it.
bool cp_policy_must_wait(const struct cp_session *s);

// CLOSED came for old, and what it had is free: others of its account may have waited for that.
// addr: the address it had, 0: none.
void cp_policy_gone(struct cp_session *old, uint32_t addr);

// Data pass, or pass again: routes are published; the first time session-timeout begins and on-up
// runs. Returns 0, or -errno with the reason logged.
int cp_policy_open(struct cp_session *s);
// Data no longer pass.
void cp_policy_close(struct cp_session *s);

// Events of the worker.
void cp_policy_limit(struct cp_session *s, bool rx);
void cp_policy_idle(struct cp_session *s);

// End a session from this side as its stage asks for: LCP Terminate-Request with the text, then
// Call Disconnect. why: static text. Not from a callback of its sstp or ppp.
void cp_policy_end(struct cp_session *s, const char *why);

// CLOSED came, or will not come any more (NULL): last-logged-out, on-down. Before its address is
// given back.
void cp_policy_ended(struct cp_session *s, const struct dp_msg *closed);
void cp_policy_free(struct cp_session *s);

// When a session of the account ended last; 0: never, or not kept.
time_t cp_policy_last_out(const struct cp *cp, const char *account);

// -- cp_facts.c --

// The environment of a session's scripts: "NAME=value" NUL ... NUL NUL, to be freed. NULL when out
// of memory.
char *cp_facts_make(const struct cp_session *s);
// A copy for one run: its event, and at the end what the session came to (closed; else NULL).
char *cp_facts_of_run(const struct cp_session *s, const char *event, const struct dp_msg *closed);
