// SPDX-License-Identifier: BSD-3-Clause
// What a session tells: the log, its status, the profile's programs.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/scripts.h"
#include "client/facts.h"
#include "client/session_internal.h"
#include "config/value.h"

#define LOG_TYPE "client"

static const char *const state_texts[] = {
#define X(name, text) [STATE_##name] = text,
	STATE_LIST(X)
#undef X
};

static const char *address_text(const struct addrinfo *a, char *dst, size_t cap)
{
	char host[64], port[16];

	if (getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof(host), port, sizeof(port),
		    NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(dst, cap, "?");
	else
		snprintf(dst, cap, a->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return dst;
}

const char *session_server_text(const struct session *s, char *dst, size_t cap)
{
	const struct config_connection *c = s->conf;
	const char *host = c->hosts[s->host];
	char proxy[100];

	if (!s->at)
		return log_quote(dst, cap, host, strlen(host));
	if (!c->http_proxy)
		return address_text(s->at, dst, cap);
	snprintf(dst, cap, strchr(host, ':') ? "[%s]:%u proxy=%s" : "%s:%u proxy=%s", host, c->port,
		address_text(s->at, proxy, sizeof(proxy)));
	return dst;
}

const char *session_name_text(const struct session *s, char *dst, size_t cap)
{
	const struct config_connection *c = s->conf;
	const char *name = c->http_proxy ? c->http_proxy : c->hosts[s->host];

	return log_quote(dst, cap, name, strlen(name));
}

// "a,b", "a" or "".
static char *servers_text(char *dst, size_t cap, const uint32_t addr[2])
{
	char a[16], b[16];

	snprintf(dst, cap, "%s%s%s", addr[0] ? value_ip4_text(a, addr[0]) : "",
		addr[0] && addr[1] ? "," : "", addr[1] ? value_ip4_text(b, addr[1]) : "");
	return dst;
}

void session_log_up(const struct session *s, const struct call_info *info)
{
	char user[300], server[400], a[16], b[16], dns[40], wins[40];

	SAY(s, LOG_NOTICE,
		"up user=%s server=%s address=%s peer=%s dns=%s%s%s tls=%s cipher=%s auth=%s "
		"mtu=%u interface=%s",
		log_quote(user, sizeof(user), s->conf->user, strlen(s->conf->user)),
		session_server_text(s, server, sizeof(server)), value_ip4_text(a, info->addr.local),
		value_ip4_text(b, info->addr.remote),
		*servers_text(dns, sizeof(dns), info->addr.dns) ? dns : "none",
		*servers_text(wins, sizeof(wins), info->addr.wins) ? " wins=" : "", wins,
		info->tls_version, info->cipher, ppp_auth_name(info->auth), info->mtu, s->tun.name);
}

void session_run_script(struct session *s, const char *reason, const struct call_counters *c)
{
	const char *path = reason ? s->conf->ppp->on_down : s->conf->ppp->on_up;
	char server[400];
	const struct facts_of of = {.conf = s->conf,
		.interface = s->tun.name,
		.server = session_server_text(s, server, sizeof(server)),
		.addr = s->addr,
		.info = &s->info,
		.reason = reason,
		.duration_s = (conn_now_ms() - s->up_ms) / 1000,
		.counters = c};
	char *env;
	int rc;

	if (!path || !s->scripts)
		return;
	env = facts_create(&of);
	rc = env ? scripts_run(s->scripts, path, reason ? "down" : "up", s->number, s->number, env)
		 : -ENOMEM;
	if (rc)
		LOG_ERRNO(LOG_WARNING, rc, "%s was not run", path);
}

static size_t status_up(const struct session *s, char *dst, size_t cap)
{
	const struct call_counters *c = &conn_call(s->conn)->counters;
	char server[400], a[16], b[16];

	return (size_t)snprintf(dst, cap,
		" server=%s address=%s peer=%s uptime=%llus mtu=%u tls=%s cipher=%s records=%s "
		"rx_bytes=%llu tx_bytes=%llu",
		session_server_text(s, server, sizeof(server)), value_ip4_text(a, s->addr.local),
		value_ip4_text(b, s->addr.remote),
		(unsigned long long)(conn_now_ms() - s->up_ms) / 1000, s->info.mtu,
		s->info.tls_version, s->info.cipher, s->info.records,
		(unsigned long long)(s->counters.rx_bytes + c->rx_bytes),
		(unsigned long long)(s->counters.tx_bytes + c->tx_bytes));
}

const char *session_status(const struct session *s, char *dst, size_t cap)
{
	uint64_t now = conn_now_ms();
	char reason[sizeof(s->reason) * 2], address[16];
	size_t n;

	n = (size_t)snprintf(dst, cap, "state=%s interface=%s calls=%u", state_texts[s->state],
		s->tun.name, s->nb_calls);
	if (s->state == STATE_UP && n < cap)
		n += status_up(s, dst + n, cap - n);
	else if (s->state == STATE_DEMAND && n < cap)
		n += (size_t)snprintf(
			dst + n, cap - n, " address=%s", value_ip4_text(address, s->pair.local));
	else if (s->state == STATE_WAIT && n < cap)
		n += (size_t)snprintf(dst + n, cap - n, " redial=%llus",
			(unsigned long long)(s->wait_until_ms > now ? s->wait_until_ms - now : 0) /
				1000);
	if (s->reason[0] && n < cap)
		snprintf(dst + n, cap - n, " last=%s",
			log_quote(reason, sizeof(reason), s->reason, strlen(s->reason)));
	return dst;
}
