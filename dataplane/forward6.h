// SPDX-License-Identifier: BSD-3-Clause
// Forwarding of inner IPv6: session -> core, core -> session, session -> session, and what is for
// this end of a session's link: echo is answered here; router and neighbour solicitations and
// DHCPv6 go to the control plane.
#pragma once

#include "dataplane/worker.h"

// An inner packet from a session with SES_IP6 (data at the IP header). Consumes m; goes out with
// the next forward6_up_flush().
void forward6_up(struct worker *w, struct session *s, struct rte_mbuf *m);
void forward6_up_flush(struct worker *w);
// The same for one that was checked, its policy included.
void forward6_up_checked(struct worker *w, struct session *s, struct rte_mbuf *m);
// A filter of s rejects pkt (borrowed), from its client or to it: whoever sent it is told.
void forward6_prohibited(
	struct worker *w, struct session *s, const struct rte_mbuf *pkt, bool from_client);

// IPv6 packets from core to other hosts, header checked, data at the IP header. Consumes all.
void forward6_down(struct worker *w, struct rte_mbuf **pkts, uint16_t n);

// A packet for a session of this worker (slot), handed over by another. Consumes m.
void forward6_deliver(struct worker *w, uint32_t slot, struct rte_mbuf *m);

// Whether the session may be spoken to at this address, and may use it as its source: it lies in
// its prefix or in one that is published for it.
bool forward6_owns(const struct worker *w, const struct session *s, const struct ipaddr *a);
