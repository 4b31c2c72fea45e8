// SPDX-License-Identifier: BSD-3-Clause
// How many new calls come up. Connections wait in their worker, in line, until this thread has time
// for them: only when what it has begun is worked off does it begin more. So calls in progress are
// not overtaken by thousands behind them, established sessions wait for a few milliseconds of work
// at the most, and the thread is never idle while somebody waits.
#define LOG_TYPE "cp.admit"
#include "controlplane/cp_core.h"
#include "controlplane/cp_session.h"

// Even under more events than it can handle, or with all places taken by the silent, this often.
#define AGAIN_S 0.05

static void on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	// Waking up is enough: every turn looks.
}

void cp_admit_init(struct cp *cp)
{
	ev_timer_init(&cp->admit.again, on_again, AGAIN_S, 0);
}

void cp_admit_reset(struct cp *cp)
{
	struct cp_admit *a = &cp->admit;

	for (unsigned int w = 0; w < dp_chan_nb_workers(cp->ch); w++)
		a->worker[w].granted = a->worker[w].waiting = 0;
	a->granted = 0;
	a->last = 0;
	ev_timer_stop(cp->loop, &a->again);
}

void cp_admit_came(struct cp *cp, const struct dp_msg *m)
{
	struct cp_admit *a = &cp->admit;
	unsigned int w = cp_handle_worker(m->handle);

	if (w >= dp_chan_nb_workers(cp->ch))
		return;
	a->worker[w].waiting = m->u.accepted.waiting;
	if (!a->worker[w].granted)
		return;
	a->worker[w].granted--;
	a->granted--;
}

static void grant(struct cp *cp, unsigned int w, uint32_t n)
{
	struct dp_msg *m = cp_out_begin(cp, DP_CMD_ADMIT, 0);

	m->worker = (uint16_t)w;
	m->u.admit.n = n;
	cp_out_send(cp, m);
	cp->admit.worker[w].granted += n;
	cp->admit.granted += n;
}

// Grant up to n, to those first that had somebody in line. Returns how many.
static uint32_t grant_all(struct cp *cp, uint32_t n)
{
	unsigned int nb = dp_chan_nb_workers(cp->ch);
	uint32_t each = cp->limits.ahead / nb > 4 ? cp->limits.ahead / nb : 4, left = n;

	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int w = 0; left && w < nb; w++) {
			uint32_t had = cp->admit.worker[w].granted, want;

			// A message for several: half of them are still there when it comes.
			if ((round == 0) != (cp->admit.worker[w].waiting > 0) || had > each / 2)
				continue;
			want = each - had < left ? each - had : left;
			grant(cp, w, want);
			left -= want;
		}
	}
	return n - left;
}

static bool somebody_may_wait(const struct cp *cp)
{
	for (unsigned int w = 0; w < dp_chan_nb_workers(cp->ch); w++)
		// Of those who wait at a worker without a credit nothing is heard.
		if (!cp->admit.worker[w].granted)
			return true;
	return false;
}

static uint32_t places(const struct cp *cp)
{
	uint32_t taken = cp->nb_half_open + cp->admit.granted;

	return taken < cp->limits.max_half_open ? cp->limits.max_half_open - taken : 0;
}

void cp_admit_more(struct cp *cp, bool drained)
{
	struct cp_admit *a = &cp->admit;
	double now = ev_now(cp->loop);

	if (!cp->listening || cp->stop != CP_RUNNING)
		return;
	if (drained || now - a->last >= AGAIN_S) {
		if (!places(cp) && somebody_may_wait(cp))
			cp_session_make_room(cp);
		if (grant_all(cp, places(cp)))
			a->last = now;
	}
	// Nobody may wait for an event that does not come.
	if (!ev_is_active(&a->again) && somebody_may_wait(cp)) {
		ev_timer_set(&a->again, AGAIN_S, 0);
		ev_timer_start(cp->loop, &a->again);
	}
}
