// SPDX-License-Identifier: BSD-3-Clause
// Whether the network under a call is still the one that it was dialed on. The loop's thread.
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

struct ev_loop;
struct netwatch;

// changed() is called when addresses, routes or links of the machine changed, some time after the
// last of a row of changes. NULL: errno.
struct netwatch *netwatch_create(struct ev_loop *loop, void (*changed)(void *user), void *user);
void netwatch_destroy(struct netwatch *w); // NULL is fine

// The address that a connection to `to` would come from now, without its port; ifindex: if it went
// out of that interface, 0: any. 0, or -errno: there is no way to it. Sends nothing.
int netwatch_source(
	const struct sockaddr *to, socklen_t to_len, int ifindex, struct sockaddr_storage *from);
// Whether two such are the same, or temporary addresses (RFC 8981) of one prefix.
bool netwatch_same_source(const struct sockaddr_storage *a, const struct sockaddr_storage *b);

// Whether a connection from `from` to `to` still goes the way it went. NULL: it does; else a few
// words on what became of it.
const char *netwatch_lost(
	const struct sockaddr_storage *from, const struct sockaddr *to, socklen_t to_len);
