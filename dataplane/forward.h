// SPDX-License-Identifier: BSD-3-Clause
// Forwarding of inner IPv4: session -> core, core -> session, session -> session, and this router's
// own addresses.
#pragma once

#include "dataplane/worker.h"

// An inner packet from a session (data at the IP header). Consumes m; goes out with the next
// forward_up_flush().
void forward_up(struct worker *w, struct session *s, struct rte_mbuf *m);
void forward_up_flush(struct worker *w);
// The same for one that was checked, its policy included.
void forward_up_checked(struct worker *w, struct session *s, struct rte_mbuf *m);
// A filter of s rejects pkt (borrowed), from its client or to it: whoever sent it is told.
void forward_prohibited(
	struct worker *w, struct session *s, const struct rte_mbuf *pkt, bool from_client);

// IPv4 packets from core, header checked, data at the IP header. Consumes all.
void forward_down(struct worker *w, struct rte_mbuf **pkts, uint16_t n);

// A packet for a session of this worker (slot), handed over by another. Consumes m.
void forward_deliver(struct worker *w, uint32_t slot, struct rte_mbuf *m);

// A packet of either family above the MTU of s that its multilink takes, into its queue. Consumes
// m.
void forward_above_mtu(struct worker *w, struct session *s, struct rte_mbuf *m);

void forward_core_flush(struct worker *w);

// A packet to core, of either family. Consumes m; goes out with the next forward_core_flush().
static inline void forward_to_core(struct worker *w, struct rte_mbuf *m)
{
	if (unlikely(w->nb_core_out == WORKER_BURST))
		forward_core_flush(w);
	w->core_out[w->nb_core_out++] = m;
}
