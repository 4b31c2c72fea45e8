// SPDX-License-Identifier: BSD-3-Clause
// Room for the start of an SSTP packet whose rest comes in a later record. Clients do that seldom
// and for a moment, so there is room for a part of the sessions; who keeps some for long gives way
// when it is needed, those first that have not logged in.
#include "base/secret.h"
#include "dataplane/session.h"
#include "dataplane/worker.h"
#include "protocol/sstp/sstp.h"

// Held so long it is up to others: the rest of a packet is a round trip away.
#define GIVE_WAY_US 500000
#define GIVE_WAY_OPEN_US 5000000

struct stash {
	struct stash *prev, *next; // in its list
	struct session *s;
	uint64_t since_us;
	uint8_t list; // of worker.stash_list
	uint8_t buf[];
};

static_assert(sizeof(struct stash) + SSTP_MAX_PACKET <= WORKER_STASH_SIZE, "room for a packet");

static struct stash *stash_of(const struct session *s)
{
	return (struct stash *)(s->stash - offsetof(struct stash, buf));
}

void session_stash_put(struct worker *w, struct session *s)
{
	struct stash *st;
	struct stash_list *l;

	if (!s->stash)
		return;
	st = stash_of(s);
	l = &w->stash_list[st->list];
	if (st->prev)
		st->prev->next = st->next;
	else
		l->first = st->next;
	if (st->next)
		st->next->prev = st->prev;
	else
		l->last = st->prev;
	rte_mempool_put(w->stashes, st);
	s->stash = NULL;
	s->stash_len = 0;
}

void session_stash_drop(struct worker *w, struct session *s)
{
	if (s->stash)
		secret_wipe(s->stash, s->stash_len);
	session_stash_put(w, s);
}

// All are taken: end the session that has one for longest, if that is long. False: nobody gave way.
// Strangers give way to s at once when s has logged in.
static bool make_room(struct worker *w, const struct session *s)
{
	static const uint64_t enough_us[] = {GIVE_WAY_US, GIVE_WAY_OPEN_US};

	for (unsigned int i = 0; i < 2; i++) {
		struct stash *st = w->stash_list[i].first;

		bool at_once = i == 0 && s->flags & SES_DATA_OPEN;

		if (!st || (!at_once && w->now_us - st->since_us < enough_us[i]))
			continue;
		COUNT(&w->counters, stash_gave_way);
		session_abort(w, st->s, DP_REASON_FLOOD);
		return true;
	}
	return false;
}

bool session_stash_take(struct worker *w, struct session *s)
{
	struct stash_list *l;
	struct stash *st;
	void *obj;

	if (rte_mempool_get(w->stashes, &obj) &&
		(!make_room(w, s) || rte_mempool_get(w->stashes, &obj))) {
		COUNT(&w->counters, stash_full);
		return false;
	}
	st = obj;
	st->list = !!(s->flags & SES_DATA_OPEN);
	st->s = s;
	st->since_us = w->now_us;
	st->next = NULL;
	l = &w->stash_list[st->list];
	st->prev = l->last;
	if (l->last)
		l->last->next = st;
	else
		l->first = st;
	l->last = st;
	s->stash = st->buf;
	s->stash_len = 0;
	return true;
}
