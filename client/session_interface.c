// SPDX-License-Identifier: BSD-3-Clause
// A session's network interface: what it gets of a call that comes up, and what is left of it
// after.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include "client/session_internal.h"
#include "config/value.h"

#define LOG_TYPE "client"

uint32_t session_server_ip4(const struct session *s)
{
	const struct sockaddr_in *sin = (const struct sockaddr_in *)s->at->ai_addr;

	return s->at->ai_family == AF_INET ? ntohl(sin->sin_addr.s_addr) : 0;
}

struct in6_addr session_server_address(const struct session *s)
{
	const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)s->at->ai_addr;

	return s->at->ai_family == AF_INET ? netconf_mapped(session_server_ip4(s))
					   : sin6->sin6_addr;
}

// As the interface gets them: a route to the server's outer address has no place on it.
static struct tunnel_pair pair_of(const struct session *s, const struct ppp_addresses *a)
{
	return (struct tunnel_pair){a->local, a->remote == session_server_ip4(s) ? 0 : a->remote};
}

// Instead of what the interface has, of IPCP that opened again or of the call before: the new
// addresses first, so that no route is lost with the last. The same ones are set again: somebody
// may have taken them away, and routes go with the link.
static int change_address(struct session *s, const struct ppp_addresses *a, char *err, size_t cap)
{
	const struct tunnel_pair old = s->pair, now = pair_of(s, a);
	const struct in6_addr server = session_server_address(s);
	char text[16];
	int rc;

	s->addr = *a;
	s->pair = now;
	if (old.local != now.local)
		SAY(s, LOG_NOTICE, "the address is %s now", value_ip4_text(text, now.local));
	rc = tunnel_address_change(&s->tun, old, now, session_server_ip4(s), err, cap);
	session_demand_readdressed(s, old.local, now.local);
	if (rc || !s->conf->add_default_route)
		return rc;
	return tunnel_default_route(&s->tun, &server, s->conf->distance, err, cap);
}

// What the interface does not have yet. False: the call was failed.
static bool set_addresses(struct session *s, const struct call_info *info)
{
	const struct in6_addr server = session_server_address(s);
	char err[200];
	int rc = 0;

	if (info->addr.local && s->pair.local) {
		s->has_ip4 = true;
		rc = change_address(s, &info->addr, err, sizeof(err));
	} else if (info->addr.local) {
		s->has_ip4 = true;
		s->addr = info->addr;
		s->pair = pair_of(s, &info->addr);
		rc = tunnel_address(&s->tun, info->addr.local, info->addr.remote,
			session_server_ip4(s), err, sizeof(err));
		if (!rc && s->conf->add_default_route)
			rc = tunnel_default_route(
				&s->tun, &server, s->conf->distance, err, sizeof(err));
	}
	if (!rc && info->local_id && !s->has_ip6) {
		s->has_ip6 = true;
		rc = tunnel_address6(&s->tun, info->local_id, &server,
			s->conf->add_default_route ? s->conf->distance : 0, err, sizeof(err));
	}
	if (rc)
		conn_fail(s->conn, CALL_END_LOCAL, err);
	s->info = *info;
	return !rc;
}

// The profile's name servers, or those that the server told.
static void set_name_servers(struct session *s)
{
	const struct config_client_profile *p = s->conf->ppp;
	struct dns_servers servers = {
		.exclusively = s->conf->peer_dns == CONFIG_PEER_DNS_EXCLUSIVELY};
	bool own = p->nb_dns || p->nb_dns6;

	if (s->conf->peer_dns == CONFIG_PEER_DNS_NO)
		return;
	for (unsigned int i = 0; own && i < p->nb_dns; i++)
		servers.addr[servers.nb++] = netconf_mapped(p->dns[i]);
	for (unsigned int i = 0; own && i < p->nb_dns6; i++)
		servers.addr[servers.nb++] = p->dns6[i];
	for (unsigned int i = 0; !own && i < 2; i++)
		if (s->addr.dns[i])
			servers.addr[servers.nb++] = netconf_mapped(s->addr.dns[i]);
	dns_set(&s->dns, s->tun.name, s->tun.ifindex, &servers);
}

void session_on_more(void *user, const struct call_info *info)
{
	struct session *s = user;
	bool had_ip4 = s->has_ip4, had_ip6 = s->has_ip6;

	if (s->state != STATE_UP || !set_addresses(s, info))
		return;
	set_name_servers(s);
	if (s->has_ip4 != had_ip4 || s->has_ip6 != had_ip6)
		SAY(s, LOG_NOTICE, "now with %s", s->has_ip6 ? "IPv4 and IPv6" : "IPv4");
}

void session_watch_interface(struct session *s)
{
	ev_io_stop(s->loop, &s->tun_io);
	ev_io_init(&s->tun_io, session_on_tun, s->tun.fd, EV_READ);
	s->tun_io.data = s;
}

void session_on_up(void *user, const struct call_info *info)
{
	struct session *s = user;
	char err[200];

	if (tunnel_up(&s->tun, info->mtu, err, sizeof(err))) {
		conn_fail(s->conn, CALL_END_LOCAL, err);
		return;
	}
	if (!set_addresses(s, info))
		return;
	s->clamp_mtu = s->conf->ppp->change_tcp_mss == CONFIG_YES ? info->mtu : 0;
	s->state = STATE_UP;
	s->suspect = false;
	s->up_ms = conn_now_ms();
	s->nb_calls++;
	session_log_up(s, info);
	set_name_servers(s);
	session_run_script(s, NULL, NULL);
	conn_keep_short(s->conn, !strcmp(s->conf->congestion, "auto"));
	session_limits_start(s);
	s->stale = false;
	session_watch_interface(s);
	ev_io_start(s->loop, &s->tun_io);
	// What waited for the call goes from the loop: this is inside of it.
	if (s->upq.n)
		ev_feed_event(s->loop, &s->tun_io, EV_READ);
}

// --- the interface without a call ---

void session_interface_lost(struct session *s, int error)
{
	char reason[128];

	ev_io_stop(s->loop, &s->tun_io);
	s->tun_lost = true;
	snprintf(reason, sizeof(reason), "interface %s is gone: %s", s->tun.name,
		log_strerror(error));
	if (s->conn) {
		conn_fail(s->conn, CALL_END_LOCAL, reason);
		return;
	}
	SAY(s, LOG_ERR, "call failed: %s", reason);
	session_end(s, CALL_END_LOCAL);
}

bool session_renew_interface(struct session *s)
{
	char name[IFNAMSIZ], err[200];

	if (s->conf->dial_on_demand && !s->hanging_up && !s->tun_lost) {
		session_demand_keep(s);
		return true;
	}
	ev_io_stop(s->loop, &s->tun_io);
	memcpy(name, s->tun.name, sizeof(name));
	tunnel_close(&s->tun);
	s->has_ip4 = s->has_ip6 = false;
	s->addr = (struct ppp_addresses){0};
	s->pair = (struct tunnel_pair){0};
	session_data_free(s);
	if (s->hanging_up || !s->reconnect || s->tun_lost)
		return false;
	if (!tunnel_open(&s->tun, name, err, sizeof(err))) {
		session_data_reset(s);
		tunnel_note_routes(&s->tun, s->route_file);
		return true;
	}
	SAY(s, LOG_ERR, "%s", err);
	return false;
}
