// SPDX-License-Identifier: BSD-3-Clause
#include "client/session_internal.h"

#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"
#include "client/conn.h"
#include "client/netwatch.h"
#include "client/redial.h"
#include "client/resolve.h"
#include "client/tunnel.h"
#include "client/upq.h"
#include "config/value.h"

#define LOG_TYPE "client"

#define CONNECT_MS 20000
#define RESOLVE_MS 15000
#define LOOK_AGAIN_S 2.0 // at a network that seems to be gone

// --- dialing ---

static void dial_host(struct session *s);
static void dial_address(struct session *s);

static void stop_looking(struct session *s)
{
	ev_timer_stop(s->loop, &s->look);
	s->suspect = false;
}

void session_end(struct session *s, enum call_end why)
{
	ev_timer_stop(s->loop, &s->wait);
	stop_looking(s);
	ev_timer_stop(s->loop, &s->limit);
	ev_io_stop(s->loop, &s->tun_io);
	resolve_cancel(s->resolve);
	s->resolve = NULL;
	dns_unset(&s->dns, true);
	tunnel_close(&s->tun);
	s->end = why;
	s->state = STATE_ENDED;
	s->ops->ended(s->user, call_end_status(why));
}

static void drop_addresses(struct session *s)
{
	if (s->addrs)
		freeaddrinfo(s->addrs);
	s->addrs = s->at = NULL;
}

static void wait_and_dial(struct session *s)
{
	uint32_t ms = redial_delay_ms(&s->redial);

	s->state = STATE_WAIT;
	s->wait_until_ms = conn_now_ms() + ms;
	session_data_free(s);
	// Of the server before, which would hide what becomes of the way to it.
	tunnel_forget_server(&s->tun);
	ways_note(&s->ways, &s->tun.net, s->tun.ifindex);
	SAY(s, LOG_NOTICE, "%s %u.%u s",
		s->conf->dial_on_demand ? "not dialing for" : "dialing again in", ms / 1000,
		ms / 100 % 10);
	ev_timer_stop(s->loop, &s->wait);
	ev_timer_set(&s->wait, ms / 1000.0, 0);
	ev_timer_start(s->loop, &s->wait);
}

void session_dial(struct session *s)
{
	s->host = 0;
	s->all_refused = true;
	ways_clear(&s->ways);
	dial_host(s);
}

static void on_wait(struct ev_loop *loop, ev_timer *w, int events)
{
	struct session *s = w->data;

	if (s->conf->dial_on_demand)
		session_demand_waited(s);
	else
		session_dial(s);
}

void session_again(struct session *s, enum call_end why)
{
	s->end = why;
	wait_and_dial(s);
}

// After the last server, or a call that was up. worth: the next one may do better.
static void again_or_end(struct session *s, enum call_end why, bool worth)
{
	bool in_order = why == CALL_END_IDLE || why == CALL_END_SESSION;

	drop_addresses(s);
	if (s->conf->dial_on_demand && in_order && !s->hanging_up)
		session_demand_wait(s);
	else if (s->reconnect && worth && !s->hanging_up)
		wait_and_dial(s);
	else
		session_end(s, why);
}

// The server being tried did not become a call.
static void failed(struct session *s, enum call_end why, const char *reason, bool refused)
{
	bool more = s->host + 1 < s->conf->nb_hosts;
	bool is_password = why == CALL_END_AUTH || why == CALL_END_PROXY;
	char server[400];

	s->end = why;
	snprintf(s->reason, sizeof(s->reason), "%s", reason);
	s->all_refused = s->all_refused && refused;
	if (why == CALL_END_HANGUP || s->hanging_up) {
		session_end(s, CALL_END_HANGUP);
		return;
	}
	session_server_text(s, server, sizeof(server));
	if (why == CALL_END_TCP && s->at && s->at->ai_next) {
		SAY(s, LOG_WARNING, "server=%s %s; trying the next address", server, reason);
		s->at = s->at->ai_next;
		dial_address(s);
		return;
	}
	// A password is as wrong with the next one, a proxy's as well.
	if (more && why != CALL_END_LOCAL && !(is_password && refused)) {
		SAY(s, LOG_WARNING, "server=%s %s; trying the next server", server, reason);
		s->host++;
		dial_host(s);
		return;
	}
	SAY(s, LOG_ERR, "call failed server=%s: %s", server, reason);
	s->stale = true;
	again_or_end(s, why, redial_is_worth(why, is_password ? refused : s->all_refused));
}

static void add_counters(struct call_counters *to, const struct call_counters *c)
{
	to->rx_packets += c->rx_packets;
	to->rx_bytes += c->rx_bytes;
	to->tx_packets += c->tx_packets;
	to->tx_bytes += c->tx_bytes;
}

// A call that was up is over.
static void lost(struct session *s, enum call_end why, const char *reason, bool refused)
{
	const struct call_counters c = conn_call(s->conn)->counters;

	ev_timer_stop(s->loop, &s->limit);
	s->end = why;
	add_counters(&s->counters, &c);
	SAY(s, LOG_NOTICE,
		"down reason=\"%s\" rx_packets=%llu rx_bytes=%llu tx_packets=%llu tx_bytes=%llu",
		reason, (unsigned long long)c.rx_packets, (unsigned long long)c.rx_bytes,
		(unsigned long long)c.tx_packets, (unsigned long long)c.tx_bytes);
	dns_unset(&s->dns, !s->conf->dial_on_demand || s->hanging_up);
	session_run_script(s, reason, &c);
	snprintf(s->reason, sizeof(s->reason), "%s", reason);
	conn_destroy(s->conn);
	s->conn = NULL;
	redial_was_up(&s->redial, conn_now_ms() - s->up_ms);
	if (!session_renew_interface(s) && s->reconnect && !s->hanging_up)
		why = CALL_END_LOCAL;
	again_or_end(s, why, redial_is_worth(why, refused));
}

static void on_closed(void *user, enum call_end why, const char *reason)
{
	bool refused = conn_call(((struct session *)user)->conn)->refused;
	struct session *s = user;
	char text[sizeof(s->reason)];

	stop_looking(s);
	snprintf(text, sizeof(text), "%s", reason);
	if (s->state == STATE_UP) {
		lost(s, why, text, refused);
		return;
	}
	conn_destroy(s->conn);
	s->conn = NULL;
	failed(s, why, text, refused);
}

static const struct conn_ops conn_ops = {
	.up = session_on_up,
	.more = session_on_more,
	.packet = session_on_packet,
	.packets_end = session_on_packets_end,
	.writable = session_on_writable,
	.closed = on_closed,
};

static void fill_conf(const struct session *s, struct call_conf *conf)
{
	const struct config_connection *c = s->conf;
	enum config_tristate ipv6 = c->ppp->use_ipv6;

	call_conf_default(conf);
	conf->outer_address = session_server_ip4(s);
	conf->tls = s->tls;
	conf->records = s->records;
	conf->host = c->hosts[s->host];
	conf->sni = c->add_sni ? c->hosts[s->host] : NULL;
	conf->user = c->user;
	conf->password = c->password;
	conf->auth_methods = c->authentication;
	conf->max_mtu = c->max_mtu;
	conf->max_mru = c->max_mru;
	conf->want_wins = true;
	conf->local_address = c->ppp->local_address;
	conf->remote_address = c->ppp->remote_address;
	conf->mrru = c->mrru;
	conf->ipv6 = ipv6 == CONFIG_NO         ? PPP_IPV6_NO
		     : ipv6 == CONFIG_REQUIRED ? PPP_IPV6_REQUIRED
					       : PPP_IPV6_YES;
	conf->mp_short = c->mrru_short;
	conf->keepalive_ms = c->keepalive_s * 1000;
}

static void set_congestion(struct session *s)
{
	const char *name = strcmp(s->conf->congestion, "auto") ? s->conf->congestion : "cubic";

	if (strcmp(name, "system") && conn_set_congestion(s->conn, name))
		SAY(s, LOG_INFO, "this kernel has no congestion control %s", name);
}

static void dial_address(struct session *s)
{
	const struct config_connection *c = s->conf;
	const struct proxy_conf proxy = {.host = c->hosts[s->host],
		.port = c->port,
		.user = c->proxy_user,
		.password = c->proxy_password};
	const struct in6_addr at = session_server_address(s);
	struct call_conf conf;
	char server[400], err[200];

	s->state = STATE_DIAL;
	ways_add(&s->ways, s->at->ai_addr, s->at->ai_addrlen);
	fill_conf(s, &conf);
	SAY(s, LOG_INFO, "dialing server=%s", session_server_text(s, server, sizeof(server)));
	if (session_demand_server(s, &at, err, sizeof(err))) {
		failed(s, CALL_END_TCP, err, false);
		return;
	}
	s->conn = conn_create(
		s->loop, s->at->ai_addr, s->at->ai_addrlen, CONNECT_MS, &conf, &conn_ops, s);
	if (s->conn && c->http_proxy && conn_via_proxy(s->conn, &proxy)) {
		conn_destroy(s->conn);
		s->conn = NULL;
		failed(s, CALL_END_PROXY, "proxy: its user or password cannot be sent", false);
	} else if (s->conn) {
		set_congestion(s);
	} else // an address family that this kernel lacks is the address's failure
		failed(s, CALL_END_TCP, log_strerror(errno), false);
}

static void on_resolved(void *user, struct addrinfo *addrs, const char *why)
{
	struct session *s = user;
	char reason[500], host[300];

	s->resolve = NULL;
	if (!addrs)
		ways_add_names(&s->ways);
	s->at = session_demand_resolved(s, addrs, why);
	if (!addrs && !s->at) {
		snprintf(reason, sizeof(reason), "name %s: %s",
			session_name_text(s, host, sizeof(host)), why);
		failed(s, CALL_END_NAME, reason, false);
		return;
	}
	if (!s->at)
		s->addrs = s->at = addrs;
	dial_address(s);
}

struct resolve *session_resolve(
	struct session *s, void (*done)(void *user, struct addrinfo *addrs, const char *why))
{
	const struct config_connection *c = s->conf;

	return resolve_start(s->loop, c->http_proxy ? c->http_proxy : c->hosts[s->host],
		c->http_proxy ? c->proxy_port : c->port, RESOLVE_MS, done, s);
}

static void dial_host(struct session *s)
{
	drop_addresses(s);
	s->at = session_demand_known(s);
	if (s->at) {
		dial_address(s);
		return;
	}
	s->state = STATE_RESOLVE;
	s->resolve = session_resolve(s, on_resolved);
	if (!s->resolve)
		failed(s, CALL_END_NAME, "name: no memory or no thread to look it up", false);
}

// --- the network under it ---

static void call_is_cut_off(struct session *s, const char *why)
{
	char reason[160];

	snprintf(reason, sizeof(reason), "the network changed: %s", why);
	lost(s, CALL_END_LOST, reason, false);
}

static void look_at_way(struct session *s)
{
	struct sockaddr_storage from = {0};
	socklen_t len = sizeof(from);
	const char *why;
	int fd = s->conn ? conn_fd(s->conn) : -1;
	bool suspect = s->suspect;

	stop_looking(s);
	if (s->state != STATE_UP || fd < 0 || s->hanging_up ||
		getsockname(fd, (struct sockaddr *)&from, &len))
		return;
	why = netwatch_lost(&from, s->at->ai_addr, s->at->ai_addrlen);
	if (!why)
		return;
	if (suspect) {
		call_is_cut_off(s, why);
		return;
	}
	s->suspect = true;
	// It may be back at once: an address that is renewed, an interface that restarts.
	ev_timer_set(&s->look, LOOK_AGAIN_S, 0);
	ev_timer_start(s->loop, &s->look);
}

static void on_look(struct ev_loop *loop, ev_timer *w, int events)
{
	look_at_way(w->data);
}

static void on_network_changed(void *user)
{
	struct session *s = user;

	if (s->state != STATE_ENDED && !s->tun_lost && tunnel_mend(&s->tun))
		LOG_RATELIMIT(LOG_NOTICE, 1,
			"interface=%s lost addresses or routes: they are put back", s->tun.name);
	if (s->state == STATE_UP && !s->suspect)
		look_at_way(s);
	// What was waited for may be there now.
	if (s->state != STATE_WAIT || !ways_changed(&s->ways, &s->tun.net, s->tun.ifindex) ||
		s->wait_until_ms < conn_now_ms() + REDIAL_FIRST_MS ||
		(s->end != CALL_END_TCP && s->end != CALL_END_NAME && s->end != CALL_END_LOST))
		return;
	SAY(s, LOG_INFO, "the network changed");
	s->wait_until_ms = conn_now_ms() + REDIAL_FIRST_MS;
	ev_timer_stop(s->loop, &s->wait);
	ev_timer_set(&s->wait, REDIAL_FIRST_MS / 1000.0, 0);
	ev_timer_start(s->loop, &s->wait);
}

// --- from outside ---

// Who makes the records. False: there is none of that name here.
static bool choose_records(struct session *s, char *err, size_t cap)
{
	const char *name = s->conf->record_backend;

	if (!strcmp(name, "openssl")) // all of TLS stays OpenSSL's
		return true;
	s->records = rec_backend_get(strcmp(name, "auto") ? name : "");
	if (!s->records)
		snprintf(err, cap, "record-backend %s: not built in", name);
	return s->records;
}

static SSL_CTX *make_tls(const struct config_connection *c, bool keys, char *err, size_t cap)
{
	const struct call_tls_conf tls = {.verify = c->verify,
		.verify_address = c->verify_address,
		.ca_file = c->ca,
		.only_tls12 = c->only_tls12,
		.ciphers = c->ciphers,
		.pfs = c->pfs == CONFIG_PFS_NO    ? CALL_PFS_NO
		       : c->pfs == CONFIG_PFS_YES ? CALL_PFS_YES
						  : CALL_PFS_REQUIRED,
		.cert_file = c->certificate.cert,
		.key_file = c->certificate.key,
		.keylog_file = c->keylog_file,
		.keys = keys};

	return call_tls_ctx_create(&tls, err, cap);
}

// STEM.KIND, to be freed; NULL: it is not noted.
static char *note_file(const char *stem, const char *kind)
{
	char *file;

	return stem && asprintf(&file, "%s.%s", stem, kind) > 0 ? file : NULL;
}

static char *route_file(const char *stem)
{
	char *file = note_file(stem, "route"), *own = file ? tunnel_note_file(file) : NULL;

	free(file);
	return own;
}

struct session *session_create(struct ev_loop *loop, const struct config_connection *conf,
	bool reconnect, const char *notes, const struct session_ops *ops, void *user, int *status)
{
	struct session *s = calloc(1, sizeof(*s));
	uint64_t seed = 0;
	char err[256];

	*status = call_end_status(CALL_END_LOCAL);
	if (!s)
		return NULL;
	*s = (struct session){.loop = loop,
		.conf = conf,
		.ops = ops,
		.user = user,
		.reconnect = reconnect || conf->dial_on_demand,
		.all_refused = true,
		.tun = {.fd = -1, .net = {.fd = -1}}};
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = session_now_us();
	redial_init(&s->redial, seed);
	upq_init(&s->upq, 0);
	ev_timer_init(&s->wait, on_wait, 0, 0);
	ev_timer_init(&s->look, on_look, 0, 0);
	ev_io_init(&s->tun_io, session_on_tun, -1, EV_READ);
	session_limits_init(s);
	s->wait.data = s->look.data = s->tun_io.data = s;
	if (choose_records(s, err, sizeof(err)))
		s->tls = make_tls(conf, s->records, err, sizeof(err));
	if (!s->tls) {
		SAY(s, LOG_ERR, "call failed: TLS: %s", err);
	} else if (tunnel_open(&s->tun, conf->name, err, sizeof(err)) ||
		   (conf->dial_on_demand && session_demand_open(s, err, sizeof(err)))) {
		SAY(s, LOG_ERR, "call failed: %s", err);
	} else {
		session_data_reset(s);
		s->route_file = route_file(notes);
		s->dns_file = note_file(notes, "dns");
		tunnel_note_routes(&s->tun, s->route_file);
		s->watch = netwatch_create(loop, on_network_changed, s);
		if (!s->watch)
			LOG_ERRNO(LOG_WARNING, errno, "changes of the network go unnoticed");
		return s;
	}
	session_destroy(s);
	return NULL;
}

void session_set_scripts(struct session *s, struct scripts *scripts, unsigned int number)
{
	s->scripts = scripts;
	s->number = number;
	dns_open(&s->dns, scripts, number, s->dns_file);
	dns_recover(&s->dns);
}

const char *session_interface(const struct session *s)
{
	return s->tun.name;
}

void session_start(struct session *s)
{
	session_watch_interface(s);
	if (s->conf->dial_on_demand)
		session_demand_start(s);
	else
		session_dial(s);
}

void session_hangup(struct session *s)
{
	if (s->state == STATE_ENDED)
		return;
	if (!s->hanging_up)
		SAY(s, LOG_INFO, "hanging up");
	if (s->conn && !s->hanging_up) {
		s->hanging_up = true;
		conn_hangup(s->conn);
		return;
	}
	s->hanging_up = true;
	conn_destroy(s->conn);
	s->conn = NULL;
	session_end(s, CALL_END_HANGUP);
}

void session_destroy(struct session *s)
{
	if (!s)
		return;
	ev_timer_stop(s->loop, &s->wait);
	stop_looking(s);
	ev_timer_stop(s->loop, &s->limit);
	ev_io_stop(s->loop, &s->tun_io);
	netwatch_destroy(s->watch);
	resolve_cancel(s->resolve);
	tunnel_close(&s->tun);
	conn_destroy(s->conn);
	drop_addresses(s);
	session_demand_close(s);
	session_data_free(s);
	call_tls_ctx_free(s->tls);
	dns_close(&s->dns);
	free(s->route_file);
	free(s->dns_file);
	free(s);
}
