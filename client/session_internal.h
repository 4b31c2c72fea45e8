// SPDX-License-Identifier: BSD-3-Clause
// What the parts of a session share. Not for other files.
#pragma once

#include <ev.h>
#include <netdb.h>

#include "base/log.h"
#include "client/conn.h"
#include "client/dns.h"
#include "client/netwatch.h"
#include "client/redial.h"
#include "client/resolve.h"
#include "client/session.h"
#include "client/tunnel.h"
#include "client/upq.h"

#define STATE_LIST(X)         \
	X(IDLE, "idle")       \
	X(RESOLVE, "dialing") \
	X(DIAL, "dialing")    \
	X(UP, "up")           \
	X(WAIT, "waiting")    \
	X(ENDED, "ended")

#define X(name, text) STATE_##name,
enum state { STATE_LIST(X) };
#undef X

struct session {
	const struct config_connection *conf;
	const struct session_ops *ops;
	void *user;
	struct ev_loop *loop;
	enum state state;
	bool reconnect, hanging_up;
	SSL_CTX *tls;
	// the interface
	struct tunnel tun;
	char *route_file, *dns_file; // notes, NULL: none
	struct dns dns;
	ev_io tun_io;
	bool has_ip4, has_ip6;     // what the call has
	struct ppp_addresses addr; // with has_ip4
	struct tunnel_pair pair;   // that the interface has, local 0: none
	bool tun_lost;
	uint16_t clamp_mtu;      // MSS of SYNs is lowered to fit it, 0: they stay
	struct upq upq;          // from it
	struct upq_packet *held; // the one of them that found no room
	// the server being tried
	unsigned int host; // number in conf->hosts
	struct resolve *resolve;
	struct addrinfo *addrs, *at;
	struct conn *conn;
	bool all_refused; // whatever failed since the first server would fail again
	// calls
	struct redial redial;
	ev_timer wait;
	struct netwatch *watch;
	ev_timer look; // again at the way to the server
	bool suspect;  // it looked lost the last time
	uint64_t up_ms, wait_until_ms;
	unsigned int nb_calls; // that were up
	struct call_info info;
	struct call_counters counters; // of the calls before
	struct scripts *scripts;       // NULL: none
	unsigned int number;
	enum call_end end;
	char reason[384]; // why the last call ended, or none came about
};

// Several connections in one process are told apart by their names.
#define SAY(s, level, fmt, ...)                                                                  \
	LOG(level, "%s%s" fmt, (s)->conf->key ? (s)->conf->key : "", (s)->conf->key ? ": " : "", \
		##__VA_ARGS__)

// The server being tried: its address as dialed, or its name and the proxy's address. Returns dst.
const char *session_server_text(const struct session *s, char *dst, size_t cap);

void session_log_up(const struct session *s, const struct call_info *info);

// --- packets (session_data.c)

// The call's: a packet for the interface; there is room again.
void session_on_packet(void *user, const uint8_t *ip, size_t len);
void session_on_writable(void *user);
// The interface has packets.
void session_on_tun(struct ev_loop *loop, ev_io *w, int events);
uint64_t session_now_us(void); // of the monotonic clock

// The interface is gone; error: what reading it said.
void session_interface_lost(struct session *s, int error);

// Tell the profile's program. reason: of a call that is over, else NULL; c: its counters.
void session_run_script(struct session *s, const char *reason, const struct call_counters *c);
