// SPDX-License-Identifier: BSD-3-Clause
// One call: what it asks for, its connection, its end.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "bench/gen/gen_int.h"

#define LINGER_US 2000000 // for the server's FIN
#define KEEPALIVE_MIN_MS 1000

void gen_count_reason(struct gen *g, const char *reason)
{
	struct gen_stats *st = &g->st;
	unsigned int i;

	for (i = 0; i < st->nb_reasons; i++)
		if (!strcmp(st->reasons[i].text, reason))
			break;
	if (i == GEN_MAX_REASONS)
		snprintf(st->reasons[--i].text, sizeof(st->reasons[0].text), "other reasons");
	if (i == st->nb_reasons)
		snprintf(st->reasons[st->nb_reasons++].text, sizeof(st->reasons[0].text), "%s",
			reason);
	st->reasons[i].n++;
}

// --- the end ---

static void drop_keys(struct gen_session *s)
{
	if (s->flags & GENF_KEYS) {
		rec_key_remove(s->g->rc, &s->rx);
		rec_key_remove(s->g->rc, &s->tx);
	}
	s->flags &= (uint16_t)~GENF_KEYS;
	free(s->keys);
	s->keys = NULL;
	secret_wipe(&s->secrets, sizeof(s->secrets));
}

static void drop_call(struct gen_session *s)
{
	if (s->call) {
		call_free(s->call);
		free(s->call);
	}
	s->call = NULL;
	drop_keys(s);
	free(s->user);
	s->user = NULL;
	outbuf_free(&s->carry);
	outbuf_free(&s->plain);
	rte_pktmbuf_free(s->tail);
	s->tail = NULL;
	s->addr = 0;
	s->batched = 0;
}

void gen_session_free(struct gen_session *s)
{
	drop_call(s);
	wheel_stop(s->g->wheel, &s->timer);
}

void gen_release(struct gen_session *s)
{
	if (s->conn)
		tcp_release(s->conn, s->g->now_us);
	s->conn = NULL;
	s->flags &= (uint16_t) ~(GENF_EOF | GENF_ENDS | GENF_BROKEN);
	wheel_stop(s->g->wheel, &s->timer);
	gen_state(s, GEN_STATE_ENDED);
}

static void count_end(struct gen_session *s, enum call_end why, const char *reason)
{
	struct gen_stats *st = &s->g->st;

	if (why == CALL_END_HANGUP) {
		st->hung_up += s->state == GEN_STATE_UP;
		return;
	}
	if (s->state == GEN_STATE_UP)
		st->lost++;
	else
		st->failed++;
	gen_count_reason(s->g, reason);
}

static void say_goodbye(struct gen_session *s)
{
	static const uint8_t close_notify[2] = {TLS_ALERT_WARNING, TLS_ALERT_CLOSE_NOTIFY};
	const uint8_t *p;
	size_t n;

	if (s->flags & GENF_KEYS) {
		gen_send_record(s, TLS_CT_ALERT, close_notify, sizeof(close_notify));
	} else if (s->call) {
		p = call_output(s->call, &n);
		if (n)
			gen_send_raw(s, p, n);
	}
	tcp_shutdown(s->conn, s->g->now_us);
}

// The call is over: say so to the server and wait for its FIN.
static void call_over(struct gen_session *s)
{
	bool dead = s->call->end == CALL_END_LOST && tcp_conn_error(s->conn);

	count_end(s, s->call->end, call_reason(s->call));
	if (!dead && !(s->flags & GENF_BROKEN))
		say_goodbye(s);
	else if (!dead)
		tcp_abort(s->conn, s->g->now_us);
	dead = dead || s->flags & (GENF_BROKEN | GENF_EOF);
	drop_call(s);
	gen_state(s, GEN_STATE_CLOSING);
	if (dead)
		gen_release(s);
	else
		wheel_start(s->g->wheel, &s->timer, s->g->now_us + LINGER_US);
}

void gen_call_fail(struct gen_session *s, enum call_end why, const char *reason)
{
	if (!s->call)
		return;
	call_fail(s->call, why, "%s", reason);
	call_over(s);
}

bool gen_call_settle(struct gen_session *s)
{
	struct call *c = s->call;
	const uint8_t *p;
	uint64_t at_ms;
	size_t n;

	if (!(s->flags & GENF_KEYS)) {
		p = call_output(c, &n);
		if (n && !gen_send_raw(s, p, n))
			s->flags |= GENF_BROKEN;
		call_output_done(c, n);
	}
	if (s->flags & GENF_BROKEN)
		call_fail(c, CALL_END_LOCAL, "no memory for a record or its keys");
	if (c->phase == CALL_PHASE_CLOSED) {
		call_over(s);
		return false;
	}
	at_ms = call_deadline(c);
	if (at_ms)
		wheel_start(s->g->wheel, &s->timer, at_ms * 1000);
	return true;
}

void gen_timer(void *user, struct wheel_timer *t)
{
	struct gen_session *s =
		(struct gen_session *)((char *)t - offsetof(struct gen_session, timer));
	struct gen *g = s->g;

	if (!s->call) {
		gen_release(s);
		return;
	}
	if (s->flags & GENF_HEARD)
		call_heard(s->call, g->now_us / 1000);
	s->flags &= (uint16_t)~GENF_HEARD;
	call_tick(s->call, g->now_us / 1000);
	gen_call_settle(s);
}

// --- what the call asks for ---

static int install(struct gen_session *s, struct tls_traffic_key *rx, struct tls_traffic_key *tx)
{
	struct rec_crypto *rc = s->g->rc;
	size_t size = RTE_ALIGN_CEIL(rec_key_size(rc, rx->aead), (size_t)REC_KEY_ALIGN);
	int rc_rx;

	if (posix_memalign(&s->keys, REC_KEY_ALIGN, 2 * size))
		return -ENOMEM;
	rc_rx = rec_key_install(rc, &s->rx, rx, s->keys);
	if (rc_rx)
		return rc_rx;
	if (rec_key_install(rc, &s->tx, tx, (uint8_t *)s->keys + size)) {
		rec_key_remove(rc, &s->rx);
		return -ENOTSUP;
	}
	s->flags |= GENF_KEYS;
	return 0;
}

// The handshake is over: its last words go, then records are ours.
static void on_secured(void *user)
{
	struct tls_traffic_key rx, tx;
	struct gen_session *s = user;
	const uint8_t *p;
	size_t n;
	int rc;

	p = call_output(s->call, &n);
	if (n && !gen_send_raw(s, p, n))
		s->flags |= GENF_BROKEN;
	call_output_done(s->call, n);
	rc = call_detach(s->call, s->g->call_buf, &rx, &tx, &s->secrets);
	if (!rc)
		rc = install(s, &rx, &tx);
	secret_wipe(&rx, sizeof(rx));
	secret_wipe(&tx, sizeof(tx));
	if (rc == -ENOTSUP)
		gen_count_reason(s->g, "TLS: the record layer has not the cipher of this call");
	if (rc)
		s->flags |= GENF_BROKEN;
}

static void on_plain(void *user, const uint8_t *p, size_t n)
{
	struct gen_session *s = user;

	if (!(s->flags & GENF_KEYS) || !gen_send_record(s, TLS_CT_APPLICATION_DATA, p, n))
		s->flags |= GENF_BROKEN;
}

// Keepalives of sessions that came up together must not stay together.
static void spread_keepalive(struct gen_session *s)
{
	uint32_t ms = s->call->conf.keepalive_ms;
	uint64_t *at = &s->call->deadline_ms[CALL_TIMER_HELLO];

	if (*at && ms > KEEPALIVE_MIN_MS)
		*at -= gen_random(s->g) % (ms - KEEPALIVE_MIN_MS);
}

static void on_up(void *user, const struct call_info *info)
{
	struct gen_session *s = user;
	struct gen *g = s->g;

	s->addr = info->addr.local;
	s->mtu = info->mtu;
	s->skipped = 0;
	gen_state(s, GEN_STATE_UP);
	g->st.came_up++;
	hist_add(&g->st.setup, (g->now_us - s->dialed_us) * 1000);
	spread_keepalive(s);
}

static void on_packet(void *user, const uint8_t *ip, size_t len)
{
	gen_packet_in(user, ip, len);
}

static void on_closed(void *user, enum call_end why)
{
	// gen_call_settle() sees the phase.
}

static const struct call_ops call_ops = {
	.up = on_up,
	.packet = on_packet,
	.closed = on_closed,
	.secured = on_secured,
	.plain = on_plain,
};

// --- TCP ---

static char *make_user(const char *pattern, unsigned int number)
{
	const char *at = strstr(pattern, "%d");
	char *user;
	int n;

	if (at)
		n = asprintf(&user, "%.*s%u%s", (int)(at - pattern), pattern, number, at + 2);
	else
		n = asprintf(&user, "%s", pattern);
	return n < 0 ? NULL : user;
}

void gen_dial_failed(struct gen_session *s, const char *what, int error)
{
	char text[120];

	snprintf(text, sizeof(text), "%s: %s", what, log_strerror(error));
	count_end(s, CALL_END_TCP, text);
	gen_release(s);
}

static void connected(struct gen_session *s)
{
	struct gen *g = s->g;
	struct call_conf conf = g->c.call;

	s->user = make_user(g->c.user, g->c.first + gen_index(s));
	s->call = calloc(1, sizeof(*s->call));
	conf.user = s->user;
	conf.password = g->c.password;
	if (s->user && s->call && !call_init(s->call, &conf, &call_ops, s, g->now_us / 1000)) {
		gen_call_settle(s);
		return;
	}
	free(s->call);
	s->call = NULL;
	drop_call(s);
	tcp_abort(s->conn, g->now_us);
	gen_dial_failed(s, "local", ENOMEM);
}

static void closed(struct gen_session *s)
{
	int error = tcp_conn_error(s->conn);

	if (s->state == GEN_STATE_CLOSING) {
		gen_release(s);
	} else if (!s->call) {
		gen_dial_failed(s, "TCP", error ? error : ECONNABORTED);
	} else if (error) {
		call_stream_end(s->call, error, s->g->now_us / 1000);
		gen_call_settle(s);
	} else {
		s->flags |= GENF_EOF;
		gen_ready(s);
	}
}

void gen_tcp_event(struct gen_session *s, unsigned int events)
{
	if (events & TCP_EV_CONNECTED)
		connected(s);
	if (s->conn && events & TCP_EV_READABLE)
		gen_ready(s);
	if (s->conn && events & TCP_EV_EOF) {
		s->flags |= GENF_EOF;
		if (s->state == GEN_STATE_CLOSING)
			gen_release(s);
		else
			gen_ready(s);
	}
	if (s->conn && events & TCP_EV_CLOSED)
		closed(s);
}
