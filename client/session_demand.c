// SPDX-License-Identifier: BSD-3-Clause
// Calls that come when somebody has packets for them (dial-on-demand), and that go when nobody has
// any more, or after their time.
//
// The interface is there from the beginning and stays between calls, with an address and routes, so
// that packets come. A default route would take what looks up the server's name with it: with one,
// names are looked up before it is there and remembered.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/session_internal.h"
#include "config/value.h"

#define LOG_TYPE "client"

static bool keeps_servers(const struct session *s)
{
	return s->conf->dial_on_demand && s->conf->add_default_route;
}

// Where the addresses of the server being tried are remembered.
static struct addrinfo **known(struct session *s)
{
	return &s->known[s->conf->http_proxy ? 0 : s->host];
}

// --- the interface ---

int session_demand_open(struct session *s, char *err, size_t cap)
{
	const struct config_connection *c = s->conf;
	struct tunnel_pair pair = {.local = c->ppp->local_address, .peer = c->ppp->remote_address};
	int rc;

	if (!pair.local)
		pair.local = demand_address(s->tun.ifindex);
	rc = tunnel_up(&s->tun, c->max_mtu, err, cap);
	if (!rc)
		rc = tunnel_address(&s->tun, pair.local, pair.peer, 0, err, cap);
	s->pair = pair;
	s->clamp_mtu = c->ppp->change_tcp_mss == CONFIG_YES ? c->max_mtu : 0;
	return rc;
}

static bool is_gone(const void *user, const uint8_t *ip, size_t len)
{
	return demand_is_gone(user, ip, len);
}

void session_demand_readdressed(struct session *s, uint32_t old, uint32_t now)
{
	unsigned int n;

	if (!s->conf->dial_on_demand || old == now)
		return;
	demand_readdressed(&s->gone, old, now);
	n = upq_drop_if(&s->upq, is_gone, &s->gone);
	if (n)
		SAY(s, LOG_INFO, "%u packets that waited had the old address", n);
}

void session_demand_keep(struct session *s)
{
	if (s->has_ip6)
		tunnel_forget6(&s->tun);
	s->has_ip4 = s->has_ip6 = false;
	s->addr = (struct ppp_addresses){0};
	s->held.p = NULL;
}

// --- waiting ---

static void dial(struct session *s)
{
	SAY(s, LOG_INFO, "there is traffic");
	session_dial(s);
}

void session_demand_wait(struct session *s)
{
	s->state = STATE_DEMAND;
	if (s->upq.n)
		dial(s);
	else
		SAY(s, LOG_INFO, "waiting for traffic");
}

void session_demand_packets(struct session *s)
{
	if (s->state == STATE_WAIT)
		upq_clear(&s->upq);
	else if (s->state == STATE_DEMAND && s->upq.n)
		dial(s);
}

bool session_demand_wants(const struct session *s, const uint8_t *ip, size_t len)
{
	if (!demand_is_traffic(ip, len) || demand_is_gone(&s->gone, ip, len))
		return false;
	return ip[0] >> 4 == 4 || s->conf->ppp->use_ipv6 != CONFIG_NO;
}

// --- servers that are remembered ---

static void prepare(struct session *s);

// Every name was looked up, as far as that was to be had.
static void prepared(struct session *s)
{
	static const struct in6_addr no_server;
	bool any = false;
	char err[200];

	for (unsigned int i = 0; i < s->conf->nb_hosts; i++)
		any = any || s->known[i];
	s->host = 0;
	if (!any) {
		session_again(s, CALL_END_NAME);
		return;
	}
	s->preparing = false;
	if (tunnel_default_route(&s->tun, &no_server, s->conf->distance, err, sizeof(err))) {
		SAY(s, LOG_ERR, "call failed: %s", err);
		snprintf(s->reason, sizeof(s->reason), "%s", err);
		session_end(s, CALL_END_LOCAL);
		return;
	}
	session_demand_wait(s);
}

static void on_prepared(void *user, struct addrinfo *addrs, const char *why)
{
	struct session *s = user;
	char name[300];

	s->resolve = NULL;
	*known(s) = addrs;
	if (!addrs) {
		ways_add_names(&s->ways);
		snprintf(s->reason, sizeof(s->reason), "name %s: %s",
			session_name_text(s, name, sizeof(name)), why);
		SAY(s, LOG_WARNING, "%s", s->reason);
	}
	if (!s->conf->http_proxy && s->host + 1 < s->conf->nb_hosts) {
		s->host++;
		prepare(s);
	} else {
		prepared(s);
	}
}

static void prepare(struct session *s)
{
	s->state = STATE_RESOLVE;
	s->resolve = session_resolve(s, on_prepared);
	if (!s->resolve)
		on_prepared(s, NULL, "no memory or no thread to look it up");
}

void session_demand_start(struct session *s)
{
	ev_io_start(s->loop, &s->tun_io);
	ways_clear(&s->ways);
	s->host = 0;
	s->preparing = keeps_servers(s);
	if (s->preparing)
		prepare(s);
	else
		session_demand_wait(s);
}

void session_demand_waited(struct session *s)
{
	session_data_free(s);
	if (s->preparing)
		session_demand_start(s);
	else
		session_demand_wait(s);
}

struct addrinfo *session_demand_known(struct session *s)
{
	return keeps_servers(s) && !s->stale ? *known(s) : NULL;
}

struct addrinfo *session_demand_resolved(struct session *s, struct addrinfo *addrs, const char *why)
{
	char name[300];

	if (!keeps_servers(s))
		return NULL;
	if (addrs) {
		if (*known(s))
			freeaddrinfo(*known(s));
		*known(s) = addrs;
	} else if (*known(s)) {
		SAY(s, LOG_WARNING, "name %s: %s; it goes by the address of before",
			session_name_text(s, name, sizeof(name)), why);
	}
	return *known(s);
}

void session_demand_close(struct session *s)
{
	for (unsigned int i = 0; i < s->conf->nb_hosts; i++)
		if (s->known[i])
			freeaddrinfo(s->known[i]);
	memset(s->known, 0, sizeof(s->known));
}

int session_demand_server(struct session *s, const struct in6_addr *server, char *err, size_t cap)
{
	if (!keeps_servers(s))
		return 0;
	return tunnel_server_route(&s->tun, server, err, cap);
}

// --- limits of a call ---

static void look(struct session *s)
{
	uint64_t left_ms;
	enum call_end why = demand_limits_check(&s->limits, conn_now_ms(), &left_ms);
	char reason[80];

	if (why == CALL_END_NONE && left_ms) {
		ev_timer_stop(s->loop, &s->limit);
		ev_timer_set(&s->limit, (double)left_ms / 1000, 0);
		ev_timer_start(s->loop, &s->limit);
	}
	if (why == CALL_END_NONE)
		return;
	if (why == CALL_END_IDLE)
		snprintf(reason, sizeof(reason), "idle for %u s", s->limits.idle_s);
	else
		snprintf(
			reason, sizeof(reason), "session-timeout, after %u s", s->limits.session_s);
	s->leaving = true;
	conn_fail(s->conn, why, reason);
}

static void on_limit(struct ev_loop *loop, ev_timer *w, int events)
{
	struct session *s = w->data;

	if (s->state == STATE_UP && s->conn && !s->hanging_up)
		look(s);
}

void session_limits_init(struct session *s)
{
	ev_timer_init(&s->limit, on_limit, 0, 0);
	s->limit.data = s;
}

void session_limits_start(struct session *s)
{
	s->leaving = false;
	demand_limits_start(
		&s->limits, s->conf->ppp->session_timeout_s, s->conf->idle_s, conn_now_ms());
	look(s);
}
