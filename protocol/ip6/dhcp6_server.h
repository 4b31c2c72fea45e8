// SPDX-License-Identifier: BSD-3-Clause
// The delegating router of one point-to-point link, RFC 8415 18.3: its one client gets at most one
// prefix, which is its own as long as the link lasts, whatever it forgets meanwhile. Pure; the
// owner's thread; allocates nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/ip6/dhcp6.h"

#define DHCP6_REPLY_MAX 1024

// What is the same for all links, and what this one has.
struct dhcp6_link {
	const struct dhcp6_duid *duid; // this end's
	uint32_t preferred_s, valid_s; // of a delegated prefix
	const struct in6_addr *dns;    // at most DHCP6_MAX_DNS
	unsigned int nb_dns;
	struct in6_addr prefix; // the link's own, for Confirm
	uint8_t plen;           // 0: none
};

// The delegated prefix: state of the link, zero at first.
struct dhcp6_lease {
	bool bound;
	uint8_t plen;
	uint32_t iaid;
	struct in6_addr prefix;
};

struct dhcp6_ops {
	// A prefix for this link, or what it has already. False: there is none.
	bool (*take)(void *user, struct in6_addr *prefix, uint8_t *plen);
	// The client gave it back.
	void (*release)(void *user, const struct in6_addr *prefix, uint8_t plen);
};

// One message of the client, decoded. Returns whether *out is to be sent. A prefix is taken when it
// is asked for in earnest, or offered: the client sees the same in both.
bool dhcp6_answer(const struct dhcp6_link *l, struct dhcp6_lease *lease,
	const struct dhcp6_ops *ops, void *user, const struct dhcp6_msg *in, struct dhcp6_msg *out);
