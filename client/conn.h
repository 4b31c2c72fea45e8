// SPDX-License-Identifier: BSD-3-Clause
// A call on a kernel TCP socket in a libev loop: connects, moves bytes, keeps the call's timers.
// The loop's thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "client/call.h"
#include "client/proxy.h"

// libev's headers do not survive -Wextra everywhere: its types are named here only.
struct ev_loop;

struct conn_ops {
	// NULL, or: the other one of IPv4 and IPv6 came up, later than up().
	void (*more)(void *user, const struct call_info *info);
	void (*up)(void *user, const struct call_info *info);
	void (*packet)(void *user, const uint8_t *ip, size_t len);
	// NULL, or as in call_ops.
	void (*packets_end)(void *user);
	// conn_send_ip() said -EAGAIN and there is room again. May be NULL.
	void (*writable)(void *user);
	// The socket is closed. Last callback; conn_destroy() may be called from here.
	void (*closed)(void *user, enum call_end why, const char *reason);
};

struct conn;

// Dial addr. conf is copied, what it points to is borrowed. connect_ms: time for TCP. NULL: errno.
struct conn *conn_create(struct ev_loop *loop, const struct sockaddr *addr, socklen_t addr_len,
	uint32_t connect_ms, const struct call_conf *conf, const struct conn_ops *ops, void *user);
// The socket's congestion control by name. 0, or -errno (the kernel does not have it): nothing
// changed.
int conn_set_congestion(struct conn *k, const char *name);
// Dial through an HTTP proxy: what was dialed is the proxy, and p->host behind it the server. Right
// after conn_create(); p is used up before this returns. 0, -EINVAL (something of p cannot stand in
// a request) or -ENOMEM: nothing will come of the connection.
int conn_via_proxy(struct conn *k, const struct proxy_conf *p);
void conn_destroy(struct conn *k);

// As call_send_ip(); conn_flush() when a batch is complete.
int conn_send_ip(struct conn *k, const void *ip, size_t len);
// As call_begin_ip().
int conn_begin_ip(struct conn *k, uint8_t version, size_t len, uint8_t **at);
// Returns the bytes that the socket did not take.
size_t conn_flush(struct conn *k);
// Keep what waits behind the owner, sealed or in the socket, as short as the rate of sending allows
// (some milliseconds of it), and the queue at the path's bottleneck as well, from now on: who
// chooses which packet goes next needs that. may_change: when the line goes on losing segments, the
// socket's congestion control becomes BBR, if the kernel has it.
void conn_keep_short(struct conn *k, bool may_change);
// Seal what was given so far: what follows is in another record. Nothing is written yet.
void conn_seal(struct conn *k);

// Hang up in order; closed() follows.
void conn_hangup(struct conn *k);
// Hang up for a reason of this side's; closed() follows from the loop.
void conn_fail(struct conn *k, enum call_end why, const char *reason);

const struct call *conn_call(const struct conn *k);
// -1 when closed.
int conn_fd(const struct conn *k);

// Milliseconds of the monotonic clock.
uint64_t conn_now_ms(void);
