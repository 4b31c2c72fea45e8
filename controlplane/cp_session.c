// SPDX-License-Identifier: BSD-3-Clause
#define LOG_TYPE "cp.session"
#include "controlplane/cp_session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "controlplane/cp_policy.h"

#define ACCEPT_LOG_BURST 50
#define WHY_DETAIL_MAX 95

const char *cp_stage_text(enum cp_stage stage)
{
	switch (stage) {
#define X(name, text)         \
	case CP_STAGE_##name: \
		return text;
		CP_STAGE_LIST(X)
#undef X
	}
	return "unknown";
}

static void peer_text(const struct in6_addr *a, uint16_t port, char *dst, size_t cap)
{
	char ip[INET6_ADDRSTRLEN];

	if (IN6_IS_ADDR_V4MAPPED(a)) {
		inet_ntop(AF_INET, &a->s6_addr[12], ip, sizeof(ip));
		snprintf(dst, cap, "%s:%u", ip, port);
	} else {
		inet_ntop(AF_INET6, a, ip, sizeof(ip));
		snprintf(dst, cap, "[%s]:%u", ip, port);
	}
}

const char *cp_session_tag(const struct cp_session *s)
{
	static char tag[256];
	char peer[INET6_ADDRSTRLEN + 16];

	peer_text(&s->peer, s->peer_port, peer, sizeof(peer));
	snprintf(tag, sizeof(tag), "session=%llu peer=%s%s%s", (unsigned long long)s->id, peer,
		s->user ? " user=" : "", s->user ? s->user : "");
	return tag;
}

void cp_session_why(struct cp_session *s, const char *why, const char *detail)
{
	if (s->why)
		return;
	s->why = why;
	if (detail && *detail)
		s->why_detail = strndup(detail, WHY_DETAIL_MAX); // not there when out of memory
}

// At the end of the list that it belongs to now.
static void list_half_open(struct cp_session *s)
{
	const struct cp_call *c = s->call;

	s->heard = ev_now(s->cp->loop);
	s->in_list = c && (c->auth_pending || c->held) ? CP_AWAITING
		     : s->known                        ? CP_KNOWN
						       : CP_STRANGER;
	TAILQ_INSERT_TAIL(&s->cp->half_open[s->in_list], s, next_half_open);
}

static void unlist_half_open(struct cp_session *s)
{
	TAILQ_REMOVE(&s->cp->half_open[s->in_list], s, next_half_open);
}

static void leave_half_open(struct cp_session *s)
{
	if (!s->half_open)
		return;
	s->half_open = false;
	s->cp->nb_half_open--;
	unlist_half_open(s);
}

static void enter_half_open(struct cp_session *s)
{
	s->half_open = true;
	s->cp->nb_half_open++;
	list_half_open(s);
}

void cp_session_heard(struct cp_session *s)
{
	if (!s->half_open)
		return;
	unlist_half_open(s);
	list_half_open(s);
}

// Who does not answer is known by how long those take that do: where all are slow, as when
// thousands dial in over one line, nobody is thrown out half way for it. The deviation counts
// because who loses a segment twice is much slower than the others.
static double give_way_s(const struct cp *cp)
{
	double most = cp->limits.give_way_s, s = 4 * (cp->answer_s + cp->answer_dev_s);

	return s > most ? most : s < most / 20 ? most / 20 : s;
}

// The first of a list, when it has been silent for so long; else NULL.
static struct cp_session *silent(struct cp *cp, enum cp_half_open list, double patience)
{
	struct cp_session *s = TAILQ_FIRST(&cp->half_open[list]);

	return s && ev_now(cp->loop) - s->heard >= patience ? s : NULL;
}

// The call that has to go first. Who has shown a password is given the most. A back end that does
// not answer must not keep everybody out: who waits for it for long goes when there is no other.
// NULL: none.
static struct cp_session *gives_way(struct cp *cp)
{
	struct cp_session *stranger = silent(cp, CP_STRANGER, give_way_s(cp));
	struct cp_session *known = silent(cp, CP_KNOWN, cp->limits.give_way_s);

	if (stranger && known)
		return known->heard < stranger->heard ? known : stranger;
	if (stranger || known)
		return stranger ? stranger : known;
	return silent(cp, CP_AWAITING, cp->limits.verdict_s);
}

bool cp_session_make_room(struct cp *cp)
{
	struct cp_session *s = gives_way(cp);

	if (!s)
		return false;
	cp_session_why(s, "gave way to a new call", cp_stage_text((enum cp_stage)s->stage));
	cp_session_close(s, true);
	return true;
}

static void setup_free(struct cp_session *s)
{
	if (!s->setup)
		return;
	ev_timer_stop(s->cp->loop, &s->setup->timer);
	ev_io_stop(s->cp->loop, &s->setup->async);
	free(s->setup);
	s->setup = NULL;
}

// The longest silence of a call that came up, into the averages (as RFC 6298 has them).
static void note_answer(struct cp *cp, double gap)
{
	double off = gap - cp->answer_s;

	cp->answer_s += off / 16;
	cp->answer_dev_s += ((off < 0 ? -off : off) - cp->answer_dev_s) / 16;
}

void cp_session_is_up(struct cp_session *s)
{
	if (s->setup)
		note_answer(s->cp, s->setup->gap);
	leave_half_open(s);
	setup_free(s);
	if (s->was_up)
		return;
	s->was_up = true;
	s->cp->nb_up++;
	s->cp->totals.up++;
}

// The stage lasted too long.
static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cp_session *s = w->data;

	cp_session_why(s, "set-up timed out", cp_stage_text((enum cp_stage)s->stage));
	switch ((enum cp_stage)s->stage) {
	case CP_STAGE_CALL:
		cp_call_disconnect(s);
		break;
	case CP_STAGE_ACCEPTED:
	case CP_STAGE_TLS:
	case CP_STAGE_HTTP:
		cp_session_close(s, true);
		break;
	case CP_STAGE_CLOSING:
		break;
	}
}

static struct cp_session *session_new(struct cp *cp, const struct dp_msg *m)
{
	struct cp_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->setup = calloc(1, sizeof(*s->setup));
	if (!s->setup) {
		free(s);
		return NULL;
	}
	s->cp = cp;
	s->handle = m->handle;
	s->peer = m->u.accepted.peer;
	s->peer_port = m->u.accepted.peer_port;
	if (cp_table_put(&cp->table, m->handle, s)) {
		free(s->setup);
		free(s);
		return NULL;
	}
	s->id = ++cp->next_session;
	s->began = ev_now(cp->loop);
	enter_half_open(s);
	cp->nb_sessions++;
	TAILQ_INSERT_TAIL(&cp->sessions, s, next);
	ev_timer_init(&s->setup->timer, on_timer, cp->limits.handshake_s, 0);
	s->setup->timer.data = s;
	ev_timer_start(cp->loop, &s->setup->timer);
	return s;
}

static void refuse(struct cp *cp, const struct dp_msg *m, const char *why)
{
	char peer[INET6_ADDRSTRLEN + 16];

	cp->totals.refused++;
	peer_text(&m->u.accepted.peer, m->u.accepted.peer_port, peer, sizeof(peer));
	LOG_RATELIMIT(LOG_WARNING, 1, "peer=%s refused: %s (%llu so far)", peer, why,
		(unsigned long long)cp->totals.refused);
	cp_table_put(&cp->table, m->handle, NULL);
	cp_out_close(cp, m->handle, true, 0);
}

void cp_session_accept(struct cp *cp, const struct dp_msg *m)
{
	struct cp_session *s = cp_table_find(&cp->table, m->handle);

	cp->totals.accepted++;
	if (s) {
		LOG_RATELIMIT(LOG_ERR, 1, "%s accepted twice", cp_session_tag(s));
		return;
	}
	if (cp->stop != CP_RUNNING) {
		refuse(cp, m, "shutting down");
		return;
	}
	if (cp->nb_half_open >= cp->limits.max_half_open && !cp_session_make_room(cp)) {
		refuse(cp, m, "too many calls in progress");
		return;
	}
	s = session_new(cp, m);
	if (!s) {
		refuse(cp, m, "out of memory");
		return;
	}
	SLOG_RATE(LOG_INFO, ACCEPT_LOG_BURST, s, "accepted");
}

void cp_session_send(struct cp_session *s, const void *p, size_t n)
{
	if (s->stage == CP_STAGE_CLOSING)
		return;
	if (s->remote)
		cp_tls_plain_out(s, p, n);
	else
		cp_out_data(s->cp, DP_CMD_SEND_APP, s->handle, p, n);
}

void cp_session_broken(struct cp *cp, dp_handle h, const char *why)
{
	struct cp_session *s = cp_table_find(&cp->table, h);

	if (!s)
		return;
	cp_session_why(s, why, NULL);
	s->broken = true;
}

// What only a living session needs. The address stays taken until CLOSED: the worker may still have
// packets of it.
static void let_go(struct cp_session *s)
{
	cp_call_close_data(s);
	cp_call_free(s);
	setup_free(s);
	cp_tls_free(s);
	free(s->http);
	s->http = NULL;
}

void cp_session_close(struct cp_session *s, bool abort)
{
	if (s->stage == CP_STAGE_CLOSING) {
		if (abort)
			cp_out_close(s->cp, s->handle, true, 0);
		return;
	}
	cp_session_why(s, "closed by this side", NULL);
	cp_call_close_data(s);
	if (s->remote && !abort)
		cp_tls_close(s);
	s->stage = CP_STAGE_CLOSING;
	let_go(s);
	leave_half_open(s);
	cp_out_close(s->cp, s->handle, abort, s->cp->limits.linger_ms);
}

void cp_session_disconnect(struct cp_session *s, const char *why)
{
	cp_session_why(s, why, NULL);
	if (s->stage == CP_STAGE_CALL)
		cp_call_disconnect(s);
	else
		cp_session_close(s, s->stage <= CP_STAGE_TLS);
}

void cp_session_reason(
	const struct cp_session *s, const struct dp_msg *closed, char *dst, size_t cap)
{
	snprintf(dst, cap, "%s%s%s", s->why ? s->why : dp_reason_text(closed->u.closed.reason),
		s->why_detail ? ": " : "", s->why_detail ? s->why_detail : "");
}

static void log_end(const struct cp_session *s, const struct dp_msg *m)
{
	const struct dp_session_stats *st = &m->u.closed.stats;
	double duration = ev_now(s->cp->loop) - s->began;
	char text[192], why[256], line[704];

	cp_session_reason(s, m, text, sizeof(text));
	snprintf(line, sizeof(line),
		"ended why=%s connection=\"%s\" duration_s=%.1f rx_packets=%llu "
		"rx_bytes=%llu "
		"tx_packets=%llu tx_bytes=%llu rx_drops=%llu tx_drops=%llu tcp_retransmits=%llu "
		"srtt_us=%u tls_alert=%u",
		log_quote(why, sizeof(why), text, strlen(text)), dp_reason_text(m->u.closed.reason),
		duration > 0 ? duration : 0, (unsigned long long)st->rx_packets,
		(unsigned long long)st->rx_bytes, (unsigned long long)st->tx_packets,
		(unsigned long long)st->tx_bytes, (unsigned long long)st->rx_drops,
		(unsigned long long)st->tx_drops, (unsigned long long)st->tcp_retransmits,
		st->srtt_us, st->alert);
	// Who got in is on record in any case; anybody can make the others.
	if (s->was_up)
		SLOG(LOG_INFO, s, "%s", line);
	else
		SLOG_RATE(LOG_INFO, ACCEPT_LOG_BURST, s, "%s", line);
}

void cp_session_free(struct cp_session *s)
{
	struct cp *cp = s->cp;

	let_go(s);
	leave_half_open(s);
	if (!s->gone) // the process ends before its CLOSED came
		cp_policy_ended(s, NULL);
	cp_address_release(s);
	cp_policy_free(s);
	if (s->was_up)
		cp->nb_up--;
	TAILQ_REMOVE(&cp->sessions, s, next);
	cp->nb_sessions--;
	cp_table_remove(&cp->table, s->handle);
	free(s->user);
	free(s->why_detail);
	free(s);
}

static void on_closed(struct cp_session *s, const struct dp_msg *m)
{
	cp_call_close_data(s);
	cp_call_why(s);
	if (s->stage != CP_STAGE_CLOSING && s->stage != CP_STAGE_CALL && !s->why)
		cp_session_why(s, dp_reason_text(m->u.closed.reason),
			cp_stage_text((enum cp_stage)s->stage));
	log_end(s, m);
	s->cp->totals.ended++;
	cp_policy_ended(s, m);
	cp_policy_gone(s, cp_address_release(s));
	cp_session_free(s);
}

// The peer will send nothing more. It hangs up: what is queued goes out, nothing else is awaited.
static void on_peer_closed(struct cp_session *s, uint8_t reason)
{
	cp_call_why(s);
	cp_session_why(s, dp_reason_text(s->close_notify ? DP_REASON_PEER_CLOSE_NOTIFY : reason),
		s->stage < CP_STAGE_CALL ? cp_stage_text((enum cp_stage)s->stage) : NULL);
	cp_session_close(s, false);
}

void cp_session_event(struct cp_session *s, const struct dp_msg *m)
{
	if (m->type == DP_EV_CLOSED) {
		on_closed(s, m);
		return;
	}
	if (s->stage == CP_STAGE_CLOSING)
		return;
	if (s->setup && s->half_open && s->setup->gap < ev_now(s->cp->loop) - s->heard)
		s->setup->gap = ev_now(s->cp->loop) - s->heard;
	cp_session_heard(s);
	switch (m->type) {
	case DP_EV_RX_RAW:
		cp_tls_raw(s, m);
		break;
	case DP_EV_RX_PLAIN:
		if (s->stage == CP_STAGE_HTTP)
			cp_http_plain(s, m);
		break;
	case DP_EV_RX_SSTP:
		cp_call_packet(s, m->data, m->len);
		break;
	case DP_EV_TX_PLAIN:
		if (s->remote)
			cp_tls_plain_out(s, m->data, m->len);
		break;
	case DP_EV_SSTP_UNDELINEABLE:
		cp_call_undelineable(s);
		break;
	case DP_EV_KEY_UPDATE:
		cp_tls_key_update(s, m->u.key_update.request_reply);
		break;
	case DP_EV_KEY_LIMIT:
		cp_tls_key_limit(s);
		break;
	case DP_EV_PEER_CLOSED:
		on_peer_closed(s, m->u.closed.reason);
		break;
	case DP_EV_HELLO_EXPIRED:
		cp_call_hello_expired(s, m->u.hello.intervals);
		break;
	case DP_EV_LIMIT:
		cp_policy_limit(s, m->u.limit.rx);
		break;
	case DP_EV_IDLE:
		cp_policy_idle(s);
		break;
	case DP_EV_STATS:
		if (s->close_notify)
			on_peer_closed(s, DP_REASON_PEER_CLOSE_NOTIFY);
		break;
	default:
		LOG_RATELIMIT(LOG_ERR, 1, "%s unknown event %u", cp_session_tag(s), m->type);
		break;
	}
	cp_call_settle(s);
}
