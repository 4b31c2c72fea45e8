// SPDX-License-Identifier: BSD-3-Clause
// Connections that wait to come up. Who says nothing costs a slot and no more; who spoke stands in
// line until the control plane has time for one more, so that what it has begun it also finishes.
// With a long line SYNs are not answered, and peers try again later.
#include "dataplane/session.h"
#include "dataplane/worker.h"

// What a peer may send before its turn: a ClientHello, with large key shares and a session ticket.
#define WAIT_BYTES_MAX (16 * 1024)
#define WAIT_MBUFS_MAX 8
// With fewer free slots a silent connection gives way to a new one, when it had this much time.
#define FREE_FEW 32
#define SILENT_US 500000

static struct admit_queue *queue_of(struct worker *w, uint8_t list)
{
	return list == ADMIT_LINE ? &w->admit.line : &w->admit.silent;
}

static void enqueue(struct worker *w, struct session *s, enum admit_list list)
{
	struct admit_queue *q = queue_of(w, list);

	s->wait_list = (uint8_t)list;
	s->wait.next = 0;
	s->wait.prev = q->last;
	if (q->last)
		w->sessions[q->last].wait.next = s->slot;
	else
		q->first = s->slot;
	q->last = s->slot;
	q->n++;
}

static void dequeue(struct worker *w, struct session *s)
{
	struct admit_queue *q = queue_of(w, s->wait_list);

	if (s->wait.prev)
		w->sessions[s->wait.prev].wait.next = s->wait.next;
	else
		q->first = s->wait.next;
	if (s->wait.next)
		w->sessions[s->wait.next].wait.prev = s->wait.prev;
	else
		q->last = s->wait.prev;
	q->n--;
	s->wait_list = ADMIT_NONE;
}

// What the line holds has changed: whether more may come.
static void set_paused(struct worker *w)
{
	struct admit *a = &w->admit;
	bool paused = a->mbufs >= a->max_mbufs - (a->paused ? a->max_mbufs / 4 : 0);

	if (paused == a->paused)
		return;
	a->paused = paused;
	tcp_defer(w->tcp, paused);
}

void session_admit_leave(struct worker *w, struct session *s)
{
	if (!s->wait_list)
		return;
	dequeue(w, s);
	w->admit.mbufs -= s->wait_mbufs;
	s->wait_mbufs = 0;
	s->wait.prev = s->wait.next = 0; // the memory is used otherwise from here on
	set_paused(w);
}

static bool waited(const struct worker *w, const struct session *s, uint64_t us)
{
	return w->now_us - s->last_rx_us >= us;
}

void session_admit_new(struct worker *w, struct session *s)
{
	enqueue(w, s, ADMIT_SILENT);
	if (w->nb_free >= FREE_FEW)
		return;
	s = &w->sessions[w->admit.silent.first];
	if (waited(w, s, SILENT_US)) {
		COUNT(&w->counters, admit_silent);
		session_abort(w, s, DP_REASON_NONE);
	}
}

void session_admit_run(struct worker *w, struct session *s)
{
	struct tcp_slice sl[WAIT_MBUFS_MAX + 1];
	uint32_t bytes;
	uint16_t n;

	if (s->flags & SES_TCP_CLOSED) {
		session_end(w, s, DP_REASON_PEER_RST);
		return;
	}
	n = tcp_peek(s->conn, 0, sl, RTE_DIM(sl), &bytes);
	if (!n) {
		if (s->flags & SES_EOF)
			session_hang_up(w, s, DP_REASON_PEER_FIN);
		return;
	}
	if (n > WAIT_MBUFS_MAX || bytes > WAIT_BYTES_MAX ||
		(n > s->wait_mbufs && w->admit.mbufs > 2 * w->admit.max_mbufs)) {
		COUNT(&w->counters, admit_flood);
		session_abort(w, s, DP_REASON_FLOOD);
		return;
	}
	w->admit.mbufs += (uint32_t)n - s->wait_mbufs;
	s->wait_mbufs = (uint8_t)n;
	if (s->wait_list == ADMIT_SILENT) {
		dequeue(w, s);
		enqueue(w, s, ADMIT_LINE);
		s->last_rx_us = w->now_us;
		if (!w->admit.credit)
			COUNT(&w->counters, admit_waited);
	}
	set_paused(w);
}

static void let_go(struct worker *w, struct admit_queue *q)
{
	struct session *s = &w->sessions[q->first];
	uint64_t patience_us = w->admit.wait_us;

	// With no slot left nobody new can come and make the silent give way.
	if (q == &w->admit.silent && !w->nb_free)
		patience_us = RTE_MIN(patience_us, (uint64_t)SILENT_US);
	if (!q->n || !waited(w, s, patience_us))
		return;
	if (q == &w->admit.line)
		COUNT(&w->counters, admit_too_long);
	else
		COUNT(&w->counters, admit_silent);
	session_abort(w, s, DP_REASON_TIMED_OUT);
}

void session_admit_end(struct worker *w)
{
	while (w->admit.silent.n)
		session_abort(w, &w->sessions[w->admit.silent.first], DP_REASON_SHUTDOWN);
	while (w->admit.line.n)
		session_abort(w, &w->sessions[w->admit.line.first], DP_REASON_SHUTDOWN);
	w->admit.credit = 0;
}

void session_admit_serve(struct worker *w)
{
	struct admit *a = &w->admit;

	while (a->line.n && a->credit) {
		struct session *s = &w->sessions[a->line.first];

		if (!session_tell_accepted(w, s))
			break; // the event ring is full
		session_admit_leave(w, s);
		a->credit--;
		session_want_run(w, s);
	}
	// One at a time: this is called in every loop.
	let_go(w, &a->silent);
	let_go(w, &a->line);
}
