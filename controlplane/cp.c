// SPDX-License-Identifier: BSD-3-Clause
#define LOG_TYPE "cp"
#include "controlplane/cp.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scripts.h"
#include "controlplane/cp_core.h"
#include "controlplane/cp_ip6.h"
#include "controlplane/cp_session.h"
#include "controlplane/last_out.h"

#define BURST 64
#define BURSTS_PER_TURN 8 // then timers and descriptors get their turn
#define RETRY_S 0.001
#define VERDICT_S 10 // a back end that is alive and not a person answers sooner
#define REPLACE_S 1  // a living client answers sooner
#define SCRIPTS_GRACE_MS 10000
#define SCRIPTS_GRACE_MAX_MS 60000
#define SCRIPTS_EACH_MS 250 // of those that wait, SCRIPTS_AT_ONCE at a time
#define SHUTDOWN_S 10
#define ABORT_S 1 // after the second signal, or the first one's time
#define LINGER_MS 3000
// Longer than this thread may lag behind. At the default limit up to 8192 new calls a second that
// stop half way keep nobody out.
#define GIVE_WAY_S 10
#define AHEAD 32 // some milliseconds of work

// -- what is made from the configuration --

static void make_limits(struct cp *cp)
{
	const struct config_sstp_server *c = &cp->conf->sstp;
	struct cp_limits *l = &cp->limits;

	sstp_params_default(&l->sstp);
	l->sstp.negotiation_ms = c->negotiation_timeout_s * 1000;
	ppp_conf_default(&l->ppp, true);
	l->ppp.auth_methods = c->authentication;
	l->ppp.mru = c->max_mru;
	l->ppp.mtu = c->max_mtu;
	l->ppp.mrru = c->mrru;
	l->ppp.auth_timeout_ms = c->auth_timeout_s * 1000;
	l->ppp.hostname = cp->hostname;
	l->handshake_s = c->handshake_timeout_s;
	l->auth_s = c->auth_timeout_s;
	// Both negotiation timers, the client's and the back end's part of authentication one after
	// the other, and IPCP.
	l->setup_s = 2.0 * c->negotiation_timeout_s + 2.0 * c->auth_timeout_s + 60;
	l->verdict_s = VERDICT_S;
	l->replace_s = REPLACE_S;
	l->shutdown_s = SHUTDOWN_S;
	l->linger_ms = LINGER_MS;
	l->max_half_open = c->max_half_open;
	l->ahead = AHEAD;
	l->give_way_s = GIVE_WAY_S;
	l->hello_ms = c->keepalive_s * 1000;
}

// Threads beside this one, where the configuration has something for them.
static int make_helpers(struct cp *cp, char *err, size_t cap)
{
	const struct config *c = cp->conf;
	struct scripts_conf sc = {.limit_ms = SCRIPTS_LIMIT_MS,
		.at_once = SCRIPTS_AT_ONCE,
		.queue_max = 1024 + 2 * c->dataplane.max_sessions};
	bool has_scripts = false;

	for (unsigned int i = 0; i < c->nb_profiles; i++)
		has_scripts |= c->profiles[i].on_up || c->profiles[i].on_down;
	if (has_scripts) {
		cp->scripts = scripts_create(&sc, err, cap);
		if (!cp->scripts)
			return -EINVAL;
	}
	if (c->state_dir) {
		cp->last_out = last_out_open(c, err, cap);
		if (!cp->last_out)
			return -EINVAL;
	}
	return 0;
}

static int announce(struct cp *cp, char *err, size_t cap)
{
	const struct config *c = cp->conf;
	int rc = 0;

	for (unsigned int i = 0; !rc && i < c->nb_profiles; i++)
		if (c->profiles[i].local_address)
			rc = dp_local_address_add(cp->ch, c->profiles[i].local_address);
	for (unsigned int i = 0; !rc && i < c->nb_secrets; i++)
		if (c->secrets[i].local_address)
			rc = dp_local_address_add(cp->ch, c->secrets[i].local_address);
	for (unsigned int i = 0; !rc && i < c->nb_pools; i++)
		for (unsigned int r = 0; !rc && r < c->pools[i].nb_ranges; r++)
			rc = dp_pool_range_add(
				cp->ch, c->pools[i].ranges[r].first, c->pools[i].ranges[r].last);
	if (rc)
		snprintf(err, cap, "too many local addresses or pool ranges: %s", log_strerror(rc));
	return rc;
}

// -- shutdown --

static void end_all(struct cp *cp, bool abort)
{
	struct cp_session *s, *next;

	for (s = TAILQ_FIRST(&cp->sessions); s; s = next) {
		next = TAILQ_NEXT(s, next);
		if (abort) {
			cp_session_why(s, "server shut down", NULL);
			cp_session_close(s, true);
		} else {
			cp_session_disconnect(s, "server shut down");
			cp_call_settle(s);
		}
	}
}

static void shutdown_timer(struct cp *cp, double seconds)
{
	ev_timer_stop(cp->loop, &cp->shutdown);
	ev_timer_set(&cp->shutdown, seconds, 0);
	ev_timer_start(cp->loop, &cp->shutdown);
}

void cp_stop(struct cp *cp)
{
	if (cp->stop == CP_RUNNING) {
		LOG(LOG_NOTICE, "shutting down: %u sessions, %u of them up", cp->nb_sessions,
			cp->nb_up);
		cp->stop = CP_STOPPING;
		cp_listen(cp, false);
		end_all(cp, false);
		shutdown_timer(cp, cp->limits.shutdown_s);
	} else if (cp->stop == CP_STOPPING) {
		LOG(LOG_NOTICE, "shutting down at once: %u sessions left", cp->nb_sessions);
		cp->stop = CP_STOP_NOW;
		end_all(cp, true);
		shutdown_timer(cp, ABORT_S);
	}
}

static void on_shutdown_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cp *cp = w->data;

	if (cp->stop == CP_STOPPING)
		cp_stop(cp);
}

static void on_stop_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct cp *cp = w->data;

	LOG(LOG_NOTICE, "signal %s", strsignal(w->signum));
	cp_stop(cp);
}

static void on_hup(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct cp *cp = w->data;

	// The configuration itself takes effect at a restart.
	cp_renew_now(cp, "SIGHUP");
}

// -- the loop --

static void on_wake(struct ev_loop *loop, ev_io *w, int revents)
{
	// dp_disarm() takes the token; the turn after it takes the events.
}

static void on_retry(struct ev_loop *loop, ev_timer *w, int revents)
{
	// Waking up is enough: every turn flushes.
}

void cp_listen(struct cp *cp, bool on)
{
	cp->listening = on;
	cp_admit_reset(cp);
	for (unsigned int w = 0; w < dp_chan_nb_workers(cp->ch); w++) {
		struct dp_msg *m = cp_out_begin(cp, DP_CMD_LISTEN, 0);

		m->worker = (uint16_t)w;
		m->u.listen.port = cp->conf->sstp.port;
		m->u.listen.on = on;
		m->u.listen.admit = true;
		m->u.listen.wait_ms = (uint32_t)(cp->limits.handshake_s * 1000);
		cp_out_send(cp, m);
	}
}

static void handle(struct cp *cp, const struct dp_msg *m)
{
	struct cp_session *s;

	if (m->type == DP_EV_ACCEPTED) {
		cp_admit_came(cp, m);
		cp_session_accept(cp, m);
		return;
	}
	s = cp_table_find(&cp->table, m->handle);
	if (s)
		cp_session_event(s, m);
	else if (m->type == DP_EV_CLOSED)
		cp_table_remove(&cp->table, m->handle); // of a refused connection
}

static unsigned int take_events(struct cp *cp)
{
	struct dp_msg *m[BURST];
	unsigned int total = 0, n = 0;

	for (unsigned int i = 0; i < BURSTS_PER_TURN; i++) {
		n = dp_recv_events(cp->ch, m, BURST);
		for (unsigned int k = 0; k < n; k++) {
			handle(cp, m[k]);
			dp_msg_free(cp->ch, m[k]);
		}
		total += n;
		if (n < BURST)
			break;
	}
	cp_admit_more(cp, n < BURST);
	return total;
}

unsigned int cp_poll(struct cp *cp, bool wait)
{
	unsigned int n = take_events(cp);

	if (cp_out_flush(cp))
		ev_timer_stop(cp->loop, &cp->retry);
	else if (!ev_is_active(&cp->retry))
		ev_timer_start(cp->loop, &cp->retry);
	if (n || !wait || !dp_arm(cp->ch)) {
		ev_run(cp->loop, EVRUN_NOWAIT);
		return n;
	}
	ev_run(cp->loop, EVRUN_ONCE);
	dp_disarm(cp->ch);
	return n;
}

static void report_end(const struct cp *cp)
{
	const struct cp_totals *t = &cp->totals;

	LOG(LOG_NOTICE,
		"stopped: accepted=%llu refused=%llu authenticated=%llu auth_refused=%llu "
		"no_address=%llu "
		"up=%llu ended=%llu left=%u addresses=%u",
		(unsigned long long)t->accepted, (unsigned long long)t->refused,
		(unsigned long long)t->authenticated, (unsigned long long)t->auth_refused,
		(unsigned long long)t->no_address, (unsigned long long)t->up,
		(unsigned long long)t->ended, cp->nb_sessions, pools_taken(cp->pools));
}

static bool finished(const struct cp *cp)
{
	if (cp->stop == CP_RUNNING)
		return false;
	if (!cp->nb_sessions && !cp->out.entries)
		return true;
	return cp->stop == CP_STOP_NOW && !ev_is_active(&cp->shutdown);
}

int cp_run(struct cp *cp)
{
	const struct config_sstp_server *c = &cp->conf->sstp;

	cp_warn(cp->conf);
	if (c->enabled) {
		cp_listen(cp, true);
		LOG(LOG_NOTICE, "listening port=%u workers=%u users=%u", c->port,
			dp_chan_nb_workers(cp->ch), cp->conf->nb_secrets);
	} else {
		LOG(LOG_WARNING, "sstp-server is not enabled: no port is open");
	}
	ev_signal_start(cp->loop, &cp->term);
	ev_signal_start(cp->loop, &cp->intr);
	ev_signal_start(cp->loop, &cp->hup);
	while (!finished(cp))
		cp_poll(cp, true);
	ev_signal_stop(cp->loop, &cp->term);
	ev_signal_stop(cp->loop, &cp->intr);
	ev_signal_stop(cp->loop, &cp->hup);
	report_end(cp);
	return 0;
}

// -- life --

static void init_watchers(struct cp *cp)
{
	ev_io_init(&cp->wake, on_wake, dp_event_fd(cp->ch), EV_READ);
	ev_signal_init(&cp->term, on_stop_signal, SIGTERM);
	ev_signal_init(&cp->intr, on_stop_signal, SIGINT);
	ev_signal_init(&cp->hup, on_hup, SIGHUP);
	ev_timer_init(&cp->retry, on_retry, RETRY_S, RETRY_S);
	ev_timer_init(&cp->shutdown, on_shutdown_timer, 0, 0);
	cp->wake.data = cp->term.data = cp->intr.data = cp->hup.data = cp;
	cp->retry.data = cp->shutdown.data = cp;
	ev_io_start(cp->loop, &cp->wake);
}

static void on_ip6_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	cp_ip6_tick(w->data);
}

static void start_ip6(struct cp *cp)
{
	bool any = cp->conf->nb_pools6;

	for (unsigned int i = 0; i < cp->conf->nb_secrets; i++)
		any |= cp->conf->secrets[i].has_prefix6;
	if (!any)
		return;
	cp->ip6_round.began = ev_now(cp->loop);
	ev_timer_init(&cp->ip6_tick, on_ip6_tick, 1, 1);
	cp->ip6_tick.data = cp;
	ev_timer_start(cp->loop, &cp->ip6_tick);
}

struct cp *cp_create(const struct config *c, struct dp_chan *ch, char *err, size_t cap)
{
	struct cp *cp = calloc(1, sizeof(*cp));

	if (!cp)
		goto nomem;
	cp->conf = c;
	cp->ch = ch;
	TAILQ_INIT(&cp->sessions);
	for (unsigned int i = 0; i < CP_NB_HALF_OPEN; i++)
		TAILQ_INIT(&cp->half_open[i]);
	if (gethostname(cp->hostname, sizeof(cp->hostname) - 1) || !cp->hostname[0])
		strcpy(cp->hostname, "culvert");
	cp->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (!cp->loop || cp_out_init(&cp->out, dp_chan_nb_workers(ch)))
		goto nomem;
	make_limits(cp);
	cp->users = (struct users_backend){.check = users_check, .user = (void *)c};
	cp->pools = pools_create(c, err, cap);
	if (!cp->pools)
		goto fail;
	cp->pools6 = pools6_create(c, err, cap);
	if (!cp->pools6)
		goto fail;
	// A server that is off needs no certificate.
	if (c->sstp.enabled || c->sstp.nb_certs) {
		cp->tls = cp_tls_ctx_create(c, NULL, err, cap);
		if (!cp->tls)
			goto fail;
	}
	if (announce(cp, err, cap) || make_helpers(cp, err, cap))
		goto fail;
	init_watchers(cp);
	start_ip6(cp);
	if (cp_renew_start(cp, CP_RENEW_POLL_S))
		goto nomem;
	cp->answer_s = cp->limits.give_way_s / 4;
	cp_admit_init(cp);
	return cp;
nomem:
	snprintf(err, cap, "control plane: out of memory");
fail:
	cp_destroy(cp);
	return NULL;
}

static uint32_t scripts_grace_ms(struct cp *cp)
{
	struct scripts_totals t;
	uint64_t ms = SCRIPTS_GRACE_MS;

	if (!cp->scripts)
		return 0;
	scripts_totals(cp->scripts, &t);
	ms += (uint64_t)t.waiting * SCRIPTS_EACH_MS / SCRIPTS_AT_ONCE;
	return (uint32_t)(ms < SCRIPTS_GRACE_MAX_MS ? ms : SCRIPTS_GRACE_MAX_MS);
}

void cp_destroy(struct cp *cp)
{
	struct cp_session *s;

	if (!cp)
		return;
	while ((s = TAILQ_FIRST(&cp->sessions)))
		cp_session_free(s);
	cp_renew_end(cp);
	scripts_destroy(cp->scripts, scripts_grace_ms(cp));
	last_out_close(cp->last_out);
	cp_account_free(&cp->accounts);
	cp_out_free(&cp->out);
	cp_table_free(&cp->table);
	pools_destroy(cp->pools);
	pools6_destroy(cp->pools6);
	tls_ctx_destroy(cp->tls);
	if (cp->loop)
		ev_loop_destroy(cp->loop);
	free(cp);
}
