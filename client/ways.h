// SPDX-License-Identifier: BSD-3-Clause
// The ways to servers that could not be reached: whether one of them is another now, or is there
// at last, so that it is worth to dial before the time. Sends nothing. One thread.
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "client/netconf.h"

#define WAYS_MAX 24 // more servers than that are not looked at

struct way {
	bool there;
	int ifindex; // out of which
	bool has_gateway;
	struct in6_addr gateway;
	struct sockaddr_storage from; // its port counts for nothing
};

struct ways {
	unsigned int n;
	struct {
		struct sockaddr_storage to;
		socklen_t len;
		struct way way; // as it was the last time
	} server[WAYS_MAX];
};

void ways_clear(struct ways *w);
// A server was dialed (IPv4 or IPv6), once more or for the first time.
void ways_add(struct ways *w, const struct sockaddr *to, socklen_t len);
// A name could not be looked up: the ways to the machine's name servers and to the world count.
void ways_add_names(struct ways *w);

// Remember the ways as they are, past the tunnel of this number.
void ways_note(struct ways *w, struct netconf *n, int tunnel);
// Whether there is one that was not there or was another when they were remembered, or looked at,
// last. They are remembered as they are.
bool ways_changed(struct ways *w, struct netconf *n, int tunnel);
