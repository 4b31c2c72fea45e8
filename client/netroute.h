// SPDX-License-Identifier: BSD-3-Clause
// The way that packets would take if an interface were not there. One thread.
#pragma once

#include "client/netconf.h"

// Of the main table's routes to dst that do not go out of ifindex, the longest, and of these the
// one with the lowest metric, and of its hops the first; what has no carrier only where there is
// nothing else. r is then a route to dst alone, by the same way. 0; -ENETUNREACH: there is none; or
// -errno.
int netroute_past(
	struct netconf *n, const struct in6_addr *dst, int ifindex, struct netconf_route *r);
