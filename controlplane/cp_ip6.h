// SPDX-License-Identifier: BSD-3-Clause
// IPv6 of a session: its prefix, router advertisements, DHCPv6 prefix delegation.
//
// Advertisements go out when IPv6 comes up, in answer to solicitations, and otherwise about every
// half an hour, one session after the other: no session has a timer of its own.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/cp_session.h"
#include "protocol/ip6/dhcp6_server.h"

// Made when the log-in gets IPv6; lives as long as the session, since it is needed while the call
// is packed.
struct cp_ip6 {
	uint64_t local_id, remote_id; // interface identifiers, agreed by IPV6CP
	struct in6_addr prefix;       // of the link
	uint8_t plen;                 // 0: none
	bool up;                      // IPV6CP is open
	bool published, pd_published, announced;
	uint8_t nb_dns;
	uint16_t mtu; // of the link
	const struct in6_addr *dns;
	struct pool6 *pd_pool;    // delegated prefixes come from here, NULL: none are
	uint64_t pd_hint;         // where to look for one: the same for the same user
	struct dhcp6_lease lease; // the delegated prefix
};

// The user is known: take a prefix and tell PPP whether there is IPv6. 1: there is, 0: there is
// not, -errno: there must be, and cannot.
int cp_ip6_prepare(struct cp_session *s);
// IPV6CP opened or closed. Data are opened anew by the caller.
void cp_ip6_up(struct cp_session *s, uint64_t local_id, uint64_t remote_id);
void cp_ip6_down(struct cp_session *s);
bool cp_ip6_is_up(const struct cp_session *s);

// Fill in OPEN_DATA's part; mtu is that of the link. Too small for IPv6: there is none.
void cp_ip6_fill(struct cp_session *s, struct dp_msg *m, uint16_t mtu);
// Data pass: publish the prefix and, the first time, advertise it.
void cp_ip6_open(struct cp_session *s);
// Data no longer pass: withdraw what was published. What was taken stays taken.
void cp_ip6_close(struct cp_session *s);
// Give back what was taken.
void cp_ip6_free(struct cp_session *s);

// An SSTP packet of the peer. True: it was an IPv6 packet for this end, and is done with.
bool cp_ip6_packet(struct cp_session *s, const uint8_t *pkt, size_t len);

// The advertisements that come from time to time, of all sessions: once a second.
void cp_ip6_tick(struct cp *cp);
