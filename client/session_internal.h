// SPDX-License-Identifier: BSD-3-Clause
// What the parts of a session share. Not for other files.
#pragma once

#include <ev.h>
#include <netdb.h>

#include "base/log.h"
#include "client/conn.h"
#include "client/demand.h"
#include "client/dns.h"
#include "client/gro.h"
#include "client/netwatch.h"
#include "client/redial.h"
#include "client/resolve.h"
#include "client/session.h"
#include "client/toobig.h"
#include "client/tunnel.h"
#include "client/upq.h"
#include "client/ways.h"

#define STATE_LIST(X)                    \
	X(IDLE, "idle")                  \
	X(DEMAND, "waiting-for-traffic") \
	X(RESOLVE, "dialing")            \
	X(DIAL, "dialing")               \
	X(UP, "up")                      \
	X(WAIT, "waiting")               \
	X(ENDED, "ended")

// DEMAND: for a packet that is to be sent; WAIT: for the time to dial again, or with dial-on-demand
// to do so for the next packet.
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
	const struct rec_backend *records; // NULL: OpenSSL's
	// the interface
	struct tunnel tun;
	char *route_file, *dns_file; // notes, NULL: none
	struct dns dns;
	ev_io tun_io;
	bool has_ip4, has_ip6;     // what the call has
	struct ppp_addresses addr; // with has_ip4
	struct tunnel_pair pair;   // that the interface has, local 0: none
	bool tun_lost;
	uint16_t clamp_mtu;  // MSS of SYNs is lowered to fit it, 0: they stay
	struct upq upq;      // from it
	struct upq_out held; // the one of them that found no room; p NULL: none
	struct gro gro;      // to it
	struct toobig_rate toobig;
	// the server being tried
	unsigned int host; // number in conf->hosts
	struct resolve *resolve;
	struct addrinfo *addrs, *at;
	struct conn *conn;
	bool all_refused; // whatever failed since the first server would fail again
	// dial-on-demand
	struct demand_gone gone;
	struct addrinfo *known[CONFIG_MAX_HOSTS]; // addresses of the servers, with a default route
	bool preparing, stale; // these are looked up first; they are to be looked up anew
	// calls
	struct redial redial;
	struct ways ways; // to the servers that were dialed since the first one
	ev_timer wait;
	struct netwatch *watch;
	ev_timer look; // again at the way to the server
	bool suspect;  // it looked lost the last time
	uint64_t up_ms, wait_until_ms;
	struct demand_limits limits;
	ev_timer limit;
	bool leaving;          // hung up by a limit, in order
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
void session_on_packets_end(void *user);
void session_on_writable(void *user);
// The interface is new, or gone: nothing waits.
void session_data_reset(struct session *s);
void session_data_free(struct session *s);
// The interface has packets.
void session_on_tun(struct ev_loop *loop, ev_io *w, int events);
uint64_t session_now_us(void); // of the monotonic clock

// --- the interface (session_interface.c)

// The server's address as dialed, or the proxy's: IPv4 mapped; as IPv4, 0: it is none.
struct in6_addr session_server_address(const struct session *s);
uint32_t session_server_ip4(const struct session *s);
// The call's.
void session_on_up(void *user, const struct call_info *info);
void session_on_more(void *user, const struct call_info *info);
// Its packets are about to be read.
void session_watch_interface(struct session *s);
// It is gone; error: what reading it said.
void session_interface_lost(struct session *s, int error);
// It forgets the call: with it go addresses and routes, unless the next one is dialed on demand.
// False: there is none any more.
bool session_renew_interface(struct session *s);

// --- dialing (session.c)

// From the first server on.
void session_dial(struct session *s);
// Nothing came about, or a call was lost: wait, then dial or wait for traffic, unless it is not
// worth it.
void session_again(struct session *s, enum call_end why);
// Over for good.
void session_end(struct session *s, enum call_end why);
// Look up the name to connect to now, the server's or the proxy's. NULL: no memory or no thread.
struct resolve *session_resolve(
	struct session *s, void (*done)(void *user, struct addrinfo *addrs, const char *why));
const char *session_name_text(const struct session *s, char *dst, size_t cap);

// --- dial-on-demand (session_demand.c)

// The interface, up with an address. 0, or -errno with the reason in err.
int session_demand_open(struct session *s, char *err, size_t cap);
void session_demand_start(struct session *s);
void session_demand_close(struct session *s);
// Wait for traffic; what is in the queue is some.
void session_demand_wait(struct session *s);
// The time to wait before the next call is over.
void session_demand_waited(struct session *s);
// Packets came while there is no call: whether one is to be kept, and all there are.
bool session_demand_wants(const struct session *s, const uint8_t *ip, size_t len);
void session_demand_packets(struct session *s);
// A call is over, and the interface stays as it is.
void session_demand_keep(struct session *s);
// The interface's address is another one: packets that wait with the old one are dropped.
void session_demand_readdressed(struct session *s, uint32_t old, uint32_t now);
// The addresses to dial without a look-up, NULL: look them up; what that came to, NULL: take addrs.
struct addrinfo *session_demand_known(struct session *s);
struct addrinfo *session_demand_resolved(
	struct session *s, struct addrinfo *addrs, const char *why);
// About to dial this address: the way there. 0, or -errno with the reason in err.
int session_demand_server(struct session *s, const struct in6_addr *server, char *err, size_t cap);

// session-timeout and idle-timeout: of the call that is up now.
void session_limits_init(struct session *s);
void session_limits_start(struct session *s);

// Tell the profile's program. reason: of a call that is over, else NULL; c: its counters.
void session_run_script(struct session *s, const char *reason, const struct call_counters *c);
