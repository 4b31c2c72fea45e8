// SPDX-License-Identifier: BSD-3-Clause
// culvert-client: one call, and a network interface made of it.
#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "client/conn.h"
#include "client/options.h"
#include "client/tunnel.h"
#include "client/upq.h"
#include "config/value.h"

#define LOG_TYPE "client"

#define EXIT_USAGE 2
#define CONNECT_MS 20000
#define TUN_BATCH 256
#define PACKET_MAX 65536

struct client {
	struct client_options o;
	struct ev_loop *loop;
	ev_signal sigint, sigterm, sighup;
	ev_io tun_io;
	struct tunnel tun;
	struct conn *conn;
	SSL_CTX *tls;
	struct addrinfo *addrs, *at; // at: the one being tried
	bool has_ip4, has_ip6;       // addresses that the interface has
	bool hanging_up, is_up, tun_lost;
	enum call_end end;
	struct upq upq;          // from the interface
	struct upq_packet *held; // the one of them that found no room
	struct call_counters counters;
};

// The server's IPv4 address as dialed; 0: IPv6.
static uint32_t server_ip4(const struct client *c)
{
	const struct sockaddr_in *sin = (const struct sockaddr_in *)c->at->ai_addr;

	return c->at->ai_family == AF_INET ? ntohl(sin->sin_addr.s_addr) : 0;
}

// A default route of IPv6 would take the connection to an IPv6 server into itself.
static bool default_route6(const struct client *c)
{
	if (c->o.add_default_route && !server_ip4(c))
		LOG(LOG_WARNING, "the server was dialled over IPv6: no IPv6 default route");
	return c->o.add_default_route && server_ip4(c);
}

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

// --- packets ---

static void on_packet(void *user, const uint8_t *ip, size_t len)
{
	struct client *c = user;

	// A full interface queue drops, as any router's would.
	if (c->tun.fd >= 0 && write(c->tun.fd, ip, len) < 0 && errno != EAGAIN)
		LOG_RATELIMIT(LOG_WARNING, 1, "interface=%s a packet was refused: %s", c->tun.name,
			log_strerror(errno));
}

static void interface_lost(struct client *c, int error)
{
	char reason[128];

	ev_io_stop(c->loop, &c->tun_io);
	c->tun_lost = true;
	snprintf(reason, sizeof(reason), "interface %s is gone: %s", c->tun.name,
		log_strerror(error));
	conn_fail(c->conn, CALL_END_LOCAL, reason);
}

// Whether a packet is of a family that the call has: the kernel has its own IPv6 chatter.
static bool is_wanted(const struct client *c, const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? c->has_ip4 : ip[0] >> 4 == 6 && c->has_ip6;
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

// What the interface has, to the queue.
static void take_packets(struct client *c, uint64_t now)
{
	static uint8_t buf[PACKET_MAX]; // the loop's thread, copied before return
	ssize_t n;

	for (unsigned int i = 0; i < TUN_BATCH; i++) {
		n = read(c->tun.fd, buf, sizeof(buf));
		if (n <= 0) {
			if (n < 0 && errno != EAGAIN && errno != EINTR)
				interface_lost(c, errno);
			break;
		}
		if (is_wanted(c, buf))
			upq_put(&c->upq, buf, (size_t)n, now);
	}
}

// From the queue to the call, until it has enough for now.
static void send_packets(struct client *c, uint64_t now)
{
	while (c->held || (c->held = upq_get(&c->upq, now))) {
		if (conn_send_ip(c->conn, c->held->data, c->held->len) == -EAGAIN) {
			// The socket may take them at once; else on_writable() goes on.
			if (conn_flush(c->conn))
				return;
			if (conn_send_ip(c->conn, c->held->data, c->held->len) == -EAGAIN)
				return;
		}
		free(c->held);
		c->held = NULL;
	}
	conn_flush(c->conn);
}

static void on_tun(struct ev_loop *loop, ev_io *w, int events)
{
	struct client *c = w->data;
	uint64_t now = now_us();

	take_packets(c, now);
	if (!c->held && !c->tun_lost)
		send_packets(c, now);
}

static void on_writable(void *user)
{
	struct client *c = user;

	if (c->is_up && c->held && !c->tun_lost)
		send_packets(c, now_us());
}

// --- the call ---

static void log_up(struct client *c, const struct call_info *info)
{
	char user[300], server[100], a[16], b[16], d1[16], d2[16];

	LOG(LOG_NOTICE,
		"up user=%s server=%s address=%s peer=%s dns=%s%s%s tls=%s cipher=%s auth=%s "
		"mtu=%u "
		"interface=%s",
		log_quote(user, sizeof(user), c->o.user, strlen(c->o.user)),
		address_text(c->at, server, sizeof(server)), value_ip4_text(a, info->addr.local),
		value_ip4_text(b, info->addr.remote),
		info->addr.dns[0] ? value_ip4_text(d1, info->addr.dns[0]) : "none",
		info->addr.dns[1] ? "," : "",
		info->addr.dns[1] ? value_ip4_text(d2, info->addr.dns[1]) : "", info->tls_version,
		info->cipher, ppp_auth_name(info->auth), info->mtu, c->tun.name);
}

// What the interface does not have yet. False: the call was failed.
static bool set_addresses(struct client *c, const struct call_info *info)
{
	char err[200];
	int rc = 0;

	if (info->addr.local && !c->has_ip4) {
		c->has_ip4 = true;
		rc = tunnel_address(&c->tun, info->addr.local, info->addr.remote, server_ip4(c),
			err, sizeof(err));
		if (!rc && c->o.add_default_route)
			rc = tunnel_default_route(&c->tun, server_ip4(c), err, sizeof(err));
	}
	if (!rc && info->local_id && !c->has_ip6) {
		c->has_ip6 = true;
		rc = tunnel_address6(&c->tun, info->local_id, default_route6(c), err, sizeof(err));
	}
	if (rc)
		conn_fail(c->conn, CALL_END_LOCAL, err);
	return !rc;
}

static void on_more(void *user, const struct call_info *info)
{
	struct client *c = user;

	if (c->is_up && set_addresses(c, info))
		LOG(LOG_NOTICE, "now with %s", info->local_id ? "IPv4 and IPv6" : "IPv4");
}

static void on_up(void *user, const struct call_info *info)
{
	struct client *c = user;
	char err[200];

	if (tunnel_up(&c->tun, info->mtu, err, sizeof(err))) {
		conn_fail(c->conn, CALL_END_LOCAL, err);
		return;
	}
	if (!set_addresses(c, info))
		return;
	c->is_up = true;
	log_up(c, info);
	conn_keep_short(c->conn, !strcmp(c->o.congestion, "auto"));
	ev_io_init(&c->tun_io, on_tun, c->tun.fd, EV_READ);
	c->tun_io.data = c;
	ev_io_start(c->loop, &c->tun_io);
}

static void dial_next(struct client *c);

static void on_closed(void *user, enum call_end why, const char *reason)
{
	struct client *c = user;
	char server[100];

	c->end = why;
	c->counters = conn_call(c->conn)->counters;
	if (c->is_up)
		ev_io_stop(c->loop, &c->tun_io);
	if (why == CALL_END_TCP && c->at->ai_next && !c->hanging_up) {
		LOG(LOG_WARNING, "server=%s %s; trying the next address",
			address_text(c->at, server, sizeof(server)), reason);
		conn_destroy(c->conn);
		c->conn = NULL;
		c->at = c->at->ai_next;
		dial_next(c);
		return;
	}
	if (c->is_up)
		LOG(LOG_NOTICE,
			"down reason=\"%s\" rx_packets=%llu rx_bytes=%llu tx_packets=%llu "
			"tx_bytes=%llu",
			reason, (unsigned long long)c->counters.rx_packets,
			(unsigned long long)c->counters.rx_bytes,
			(unsigned long long)c->counters.tx_packets,
			(unsigned long long)c->counters.tx_bytes);
	else if (why != CALL_END_HANGUP)
		LOG(LOG_ERR, "call failed server=%s: %s",
			address_text(c->at, server, sizeof(server)), reason);
	ev_break(c->loop, EVBREAK_ALL);
}

static const struct conn_ops conn_ops = {
	.up = on_up,
	.more = on_more,
	.packet = on_packet,
	.writable = on_writable,
	.closed = on_closed,
};

static void fill_conf(const struct client *c, struct call_conf *conf)
{
	call_conf_default(conf);
	conf->tls = c->tls;
	conf->host = c->o.connect_to;
	conf->sni = c->o.add_sni ? c->o.connect_to : NULL;
	conf->user = c->o.user;
	conf->password = c->o.password;
	conf->auth_methods = c->o.auth_methods;
	conf->max_mtu = c->o.max_mtu;
	conf->max_mru = c->o.max_mru;
	conf->mrru = c->o.mrru;
	conf->ipv6 = c->o.ipv6;
	conf->mp_short = c->o.mrru_short;
	conf->keepalive_ms = c->o.keepalive_s * 1000;
}

static void set_congestion(struct client *c)
{
	const char *name = strcmp(c->o.congestion, "auto") ? c->o.congestion : "cubic";

	if (strcmp(name, "system") && conn_set_congestion(c->conn, name))
		LOG(LOG_INFO, "this kernel has no congestion control %s", name);
}

static void dial_next(struct client *c)
{
	struct call_conf conf;
	char server[100];

	fill_conf(c, &conf);
	LOG(LOG_INFO, "dialing server=%s", address_text(c->at, server, sizeof(server)));
	c->conn = conn_create(
		c->loop, c->at->ai_addr, c->at->ai_addrlen, CONNECT_MS, &conf, &conn_ops, c);
	if (c->conn) {
		set_congestion(c);
		return;
	}
	LOG_ERRNO(LOG_ERR, errno, "call failed server=%s", server);
	c->end = CALL_END_LOCAL;
	ev_break(c->loop, EVBREAK_ALL);
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
	struct client *c = w->data;

	if (c->hanging_up) { // a second signal: at once
		c->end = CALL_END_HANGUP;
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	c->hanging_up = true;
	LOG(LOG_INFO, "hanging up");
	conn_hangup(c->conn);
}

static void watch_signal(struct client *c, ev_signal *w, int signum)
{
	ev_signal_init(w, on_signal, signum);
	w->data = c;
	ev_signal_start(c->loop, w);
}

static int resolve(struct client *c)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	char host[300];
	int rc = getaddrinfo(c->o.connect_to, c->o.port, &hints, &c->addrs);

	// Without any address but the loopback's, AI_ADDRCONFIG finds nothing at all.
	if (rc) {
		hints.ai_flags = 0;
		rc = getaddrinfo(c->o.connect_to, c->o.port, &hints, &c->addrs);
	}
	if (rc) {
		LOG(LOG_ERR, "call failed: name %s: %s",
			log_quote(host, sizeof(host), c->o.connect_to, strlen(c->o.connect_to)),
			rc == EAI_SYSTEM ? log_strerror(errno) : gai_strerror(rc));
		return call_end_status(CALL_END_NAME);
	}
	c->at = c->addrs;
	return 0;
}

static int prepare(struct client *c)
{
	struct call_tls_conf tls = {.verify = c->o.verify_certificate,
		.verify_address = c->o.verify_address,
		.ca_file = c->o.ca,
		.only_tls12 = c->o.only_tls12,
		.ciphers = c->o.ciphers,
		.keylog_file = c->o.keylog_file};
	char err[256];

	c->loop = ev_default_loop(EVFLAG_AUTO);
	if (!c->loop) {
		LOG(LOG_ERR, "no event loop");
		return call_end_status(CALL_END_LOCAL);
	}
	c->tls = call_tls_ctx_create(&tls, err, sizeof(err));
	if (!c->tls) {
		LOG(LOG_ERR, "call failed: TLS: %s", err);
		return call_end_status(CALL_END_LOCAL);
	}
	if (tunnel_open(&c->tun, c->o.name, err, sizeof(err))) {
		LOG(LOG_ERR, "call failed: %s", err);
		return call_end_status(CALL_END_LOCAL);
	}
	return 0;
}

static int run(struct client *c)
{
	int rc = prepare(c);

	if (rc)
		return rc;
	signal(SIGPIPE, SIG_IGN);
	rc = resolve(c);
	if (rc)
		return rc;
	watch_signal(c, &c->sigint, SIGINT);
	watch_signal(c, &c->sigterm, SIGTERM);
	watch_signal(c, &c->sighup, SIGHUP);
	dial_next(c);
	if (c->conn)
		ev_run(c->loop, 0);
	return call_end_status(c->end);
}

int main(int argc, char **argv)
{
	static struct client c = {.tun = {.fd = -1, .net = {.fd = -1}}};
	int rc = client_options_parse(&c.o, argc, argv, stderr);

	upq_init(&c.upq, (uint32_t)now_us());
	if (!rc)
		rc = run(&c);
	else
		rc = rc > 0 ? 0 : EXIT_USAGE;
	tunnel_close(&c.tun);
	conn_destroy(c.conn);
	free(c.held);
	upq_clear(&c.upq);
	call_tls_ctx_free(c.tls);
	if (c.addrs)
		freeaddrinfo(c.addrs);
	if (c.loop)
		ev_loop_destroy(c.loop);
	client_options_wipe(&c.o);
	return rc;
}
