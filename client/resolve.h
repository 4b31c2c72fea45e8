// SPDX-License-Identifier: BSD-3-Clause
// Names to addresses beside the loop, within a time: the system's resolver blocks, and may do so
// for longer than anybody waits. The loop's thread.
#pragma once

#include <stdint.h>
#include <netdb.h>

struct ev_loop;
struct resolve;

// addrs: the callee's, for freeaddrinfo(); NULL: why says why not. The resolve is gone afterwards.
typedef void resolve_fn(void *user, struct addrinfo *addrs, const char *why);

// done() follows from the loop, after limit_ms at the latest. NULL: no memory or no thread.
struct resolve *resolve_start(struct ev_loop *loop, const char *host, uint16_t port,
	uint32_t limit_ms, resolve_fn *done, void *user);

// done() will not be called. NULL is fine.
void resolve_cancel(struct resolve *r);
