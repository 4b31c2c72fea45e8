// SPDX-License-Identifier: BSD-3-Clause
// A call at rest. Once data pass, what SSTP and PPP know of a call is asked for once a minute:
// until then it is kept packed, a third of its size, and nothing of it is forgotten.
#define LOG_TYPE "cp.idle"
#include <errno.h>
#include <stdlib.h>

#include "base/secret.h"
#include "controlplane/cp_session.h"
#include "controlplane/pack.h"

static bool at_rest(const struct cp_session *s)
{
	const struct cp_call *c = s->call;

	if (!s->data_open || s->broken || c->frame || c->note_ppp_up || c->note_ppp_down ||
		c->note_closed || c->auth_pending || c->held)
		return false;
	for (unsigned int i = 0; i < SSTP_N_TIMERS; i++)
		if (ev_is_active(&c->sstp_timer[i]) || ev_is_pending(&c->sstp_timer[i]))
			return false;
	for (unsigned int i = 0; i < PPP_N_TIMERS; i++)
		if (ev_is_active(&c->ppp_timer[i]) || ev_is_pending(&c->ppp_timer[i]))
			return false;
	return true;
}

// What knows where the call lies: the state machines and the timers.
static void place(struct cp_call *c)
{
	c->sstp.user = c;
	c->ppp.user = c;
	cp_call_watch(c);
}

void cp_call_rest(struct cp_session *s)
{
	struct cp_call *c = s->call;
	size_t len;
	void *p;

	if (!c || !at_rest(s))
		return;
	c->frame_len = 0;
	// What place() makes anew.
	c->sstp.user = c->ppp.user = NULL;
	memset(c->sstp_timer, 0, sizeof(c->sstp_timer));
	memset(c->ppp_timer, 0, sizeof(c->ppp_timer));
	memset(&c->auth_timer, 0, sizeof(c->auth_timer));
	p = pack(c, sizeof(*c), &len);
	if (!p) {
		place(c);
		return; // it stays as it is
	}
	s->idle = p;
	s->idle_len = (uint32_t)len;
	s->call = NULL;
	secret_wipe(c, sizeof(*c));
	free(c);
}

struct cp_call *cp_call_wake(struct cp_session *s)
{
	struct cp_call *c;

	if (!s->idle)
		return s->call;
	c = calloc(1, sizeof(*c));
	if (!c || unpack(s->idle, s->idle_len, c, sizeof(*c))) {
		free(c);
		cp_session_broken(s->cp, s->handle, "out of memory");
		return NULL;
	}
	pack_free(s->idle, s->idle_len);
	s->idle = NULL;
	s->idle_len = 0;
	place(c);
	return s->call = c;
}
