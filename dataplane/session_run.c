// SPDX-License-Identifier: BSD-3-Clause
// The list of sessions that have something to do: events that are owed, bytes to read, the end.
#include "dataplane/session.h"
#include "dataplane/session_policy.h"
#include "dataplane/worker.h"

#define FLOOD_BACKLOG (64 * 1024) // bytes behind packets that go at the bound of their rate

static bool owed_send(struct worker *w, struct session *s, uint32_t flag, enum dp_event_type type)
{
	struct dp_msg *m;

	if (!(s->flags & flag))
		return true;
	m = session_event(w, s, type);
	if (!m)
		return false;
	switch (type) {
	case DP_EV_ACCEPTED: {
		struct tcp_info i;

		tcp_conn_info(s->conn, &i);
		memcpy(&m->u.accepted.peer, i.remote.b, 16);
		memcpy(&m->u.accepted.local, i.local.b, 16);
		m->u.accepted.peer_port = i.rport;
		m->u.accepted.local_port = i.lport;
		m->u.accepted.waiting = w->admit.line.n - (s->wait_list == ADMIT_LINE);
		break;
	}
	case DP_EV_PEER_CLOSED:
		m->u.closed.reason = s->peer_closed;
		s->flags |= SES_TOLD_PEER_CLOSED;
		break;
	case DP_EV_KEY_UPDATE:
		m->u.key_update.request_reply = !!(s->flags & SES_UPDATE_REQUESTED);
		s->flags &= ~SES_UPDATE_REQUESTED;
		break;
	case DP_EV_HELLO_EXPIRED:
		m->u.hello.intervals = s->hello_intervals;
		break;
	case DP_EV_LIMIT:
		m->u.limit.rx = session_policy_limit_rx(w, s);
		break;
	case DP_EV_STATS:
		session_stats(s, &m->u.stats);
		break;
	default:
		break;
	}
	s->flags &= ~flag;
	dp_send_event(w->ch, w->id, m);
	return true;
}

bool session_tell_accepted(struct worker *w, struct session *s)
{
	return owed_send(w, s, SES_OWE_ACCEPTED, DP_EV_ACCEPTED);
}

// What is told of the session itself, whatever of the client's waits.
static bool owed_send_now(struct worker *w, struct session *s)
{
	return owed_send(w, s, SES_OWE_KEY_UPDATE, DP_EV_KEY_UPDATE) &&
	       owed_send(w, s, SES_OWE_HELLO, DP_EV_HELLO_EXPIRED) &&
	       owed_send(w, s, SES_OWE_KEY_LIMIT, DP_EV_KEY_LIMIT) &&
	       owed_send(w, s, SES_OWE_STATS, DP_EV_STATS) &&
	       owed_send(w, s, SES_OWE_LIMIT, DP_EV_LIMIT) &&
	       owed_send(w, s, SES_OWE_IDLE, DP_EV_IDLE);
}

// And what the client's packets come in front of.
static bool owed_send_all(struct worker *w, struct session *s)
{
	return owed_send_now(w, s) &&
	       owed_send(w, s, SES_OWE_UNDELINEABLE, DP_EV_SSTP_UNDELINEABLE) &&
	       owed_send(w, s, SES_OWE_PEER_CLOSED, DP_EV_PEER_CLOSED);
}

// Free slots are a stack through `slot`; generations tell the handles of one slot apart.
static void slot_free(struct worker *w, struct session *s)
{
	uint32_t slot = s->slot;

	s->mode = SESSION_FREE;
	s->flags &= SES_ON_TX;
	s->slot = w->free_head;
	w->free_head = slot;
	w->nb_free++;
}

// CLOSED, the last event; then the slot is free. False: no room yet.
static bool session_gone(struct worker *w, struct session *s)
{
	struct dp_msg *m = session_event(w, s, DP_EV_CLOSED);

	if (!m)
		return false;
	m->u.closed.reason = s->close_reason;
	session_stats(s, &m->u.closed.stats);
	dp_send_event(w->ch, w->id, m);
	slot_free(w, s);
	return true;
}

// Whether bytes in front of the FIN wait for a command, which brings the session back here:
// CONSUME, REKEY, SSTP_START.
static bool unread(const struct session *s)
{
	if (s->mode == SESSION_RAW || (s->flags & SES_REMOTE))
		return s->mode != SESSION_DRAIN &&
		       s->raw_told < s->raw_base + tcp_rx_avail(s->conn);
	return (s->mode == SESSION_HTTP || s->mode == SESSION_SSTP) && !(s->flags & SES_RX_STOP) &&
	       !session_may_read(s);
}

// TCP's end, once everything received was worked off.
static void session_after_read(struct worker *w, struct session *s)
{
	if (s->flags & SES_TCP_CLOSED) {
		static const struct {
			int err;
			enum dp_reason why;
		} map[] = {{ECONNRESET, DP_REASON_PEER_RST}, {ETIMEDOUT, DP_REASON_TIMED_OUT},
			{EHOSTUNREACH, DP_REASON_UNREACHABLE}, {ECONNREFUSED, DP_REASON_PEER_RST},
			{ENOMEM, DP_REASON_NO_MEMORY}};
		int err = tcp_conn_error(s->conn);
		enum dp_reason why = s->peer_closed ? s->peer_closed : DP_REASON_PEER_FIN;

		if (s->mode == SESSION_DRAIN)
			why = DP_REASON_LOCAL;
		for (size_t i = 0; err && i < RTE_DIM(map); i++)
			if (map[i].err == err)
				why = map[i].why;
		session_end(w, s, why);
		return;
	}
	if (!(s->flags & SES_EOF) || unread(s))
		return;
	if (s->mode == SESSION_DRAIN) {
		session_end(w, s, DP_REASON_LOCAL);
		return;
	}
	if (!(s->flags & (SES_TOLD_PEER_CLOSED | SES_OWE_PEER_CLOSED))) {
		s->peer_closed = DP_REASON_PEER_FIN;
		s->flags |= SES_OWE_PEER_CLOSED;
	}
}

// s has plain bytes that find no room. Who floods the control plane does not keep TCP's memory with
// that, nor his slot until it is worked off. True: come back.
static bool wait_in_order(struct worker *w, struct session *s)
{
	if (s->ctl_tokens || !s->conn)
		return true;
	if (s->flags & SES_TCP_CLOSED)
		session_after_read(w, s);
	else if (tcp_rx_avail(s->conn) > FLOOD_BACKLOG)
		session_abort(w, s, DP_REASON_FLOOD);
	return true;
}

// The ordinary session: it has data to read, and nothing else is the matter.
static inline bool only_reads(const struct session *s)
{
	const uint32_t not_now = SES_OWE_ANY | SES_EOF | SES_TCP_CLOSED | SES_REMOTE |
				 SES_WAIT_REKEY | SES_RX_STOP | SES_PLAINQ;

	return s->mode == SESSION_SSTP && (s->flags & (SES_KEYS | not_now)) == SES_KEYS;
}

// One turn of a session. True: it has more to do after the batch was opened.
static bool session_run(struct worker *w, struct session *s)
{
	bool more = false, blocked;

	if (likely(only_reads(s))) {
		more = session_collect(w, s);
		return more || s->mode == SESSION_GONE || s->flags & SES_OWE_ANY;
	}

	if (s->mode == SESSION_GONE) {
		// ACCEPTED is not owed any more: a connection that the control plane never heard of
		// needs no CLOSED.
		if (s->flags & SES_OWE_ACCEPTED) {
			slot_free(w, s);
			return false;
		}
		return !session_gone(w, s);
	}
	if (s->mode == SESSION_FREE)
		return false;
	if (s->wait_list) {
		session_admit_run(w, s);
		return s->mode == SESSION_GONE;
	}
	if (!session_tell_accepted(w, s))
		return true;
	if (s->mode == SESSION_DRAIN)
		tcp_discard(s->conn, w->now_us);
	else if (s->mode == SESSION_RAW || (s->flags & SES_REMOTE))
		more = !session_raw_deliver(w, s);
	// What waits may end sessions that have records in the batch.
	if (unlikely(s->plainq.head))
		session_batch_open(w);
	blocked = s->plainq.head && !session_plainq_run(w, s);
	if (session_may_read(s))
		more = session_collect(w, s) || more;
	if (s->flags & (SES_EOF | SES_TCP_CLOSED) && !blocked) {
		// What came in front of the end may be in the batch.
		session_batch_open(w);
		blocked = s->plainq.head && !session_plainq_run(w, s);
		if (!blocked && !more && s->conn)
			session_after_read(w, s);
	}
	if (blocked) {
		if (s->conn)
			owed_send_now(w, s);
		return wait_in_order(w, s);
	}
	if (s->mode == SESSION_GONE)
		return true;
	return !owed_send_all(w, s) || more;
}

void session_run_all(struct worker *w)
{
	struct session *s, *end = w->run_tail;

	stage_enter(w->stages, WORKER_STAGE_COLLECT);
	// One turn for each session on the list now; what wants more comes back behind the others,
	// in the next loop.
	while ((s = w->run_head)) {
		bool last = s == end;

		w->run_head = s->run_next;
		if (!w->run_head)
			w->run_tail = NULL;
		w->nb_run--;
		s->flags &= ~SES_ON_RUN;
		if (session_run(w, s))
			session_want_run(w, s);
		// Whoever comes next finds room for a whole turn.
		if (w->rxb.n > WORKER_RX_OPS / 2 || w->rxb.nb_slices > WORKER_RX_SLICES / 2)
			session_batch_open(w);
		if (last)
			break;
	}
	session_batch_open(w);
}
