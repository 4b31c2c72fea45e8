// SPDX-License-Identifier: BSD-3-Clause
// What a user's profile may lay on a session's data: rate limits, filter, limits of bytes, the end
// of idle sessions. A session without any of it tests one flag, SES_POLICY.
//
// Down, a rate limit holds packets in the session's queue, where CoDel and the queue's bound work
// as they do for a slow line. Up, it holds them in a queue of the same kind behind the TCP
// connection: to stop reading instead would leave the choice of what waits to the client's socket.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/filter.h"
#include "dataplane/session.h"
#include "dataplane/shaper.h"

struct flowq;

struct session_policy {
	struct shaper down, up;
	const struct filter *in, *out; // NULL: everything passes
	uint64_t limit_rx, limit_tx;   // bytes of the session, UINT64_MAX: none
	uint64_t tx_charged;           // tx_bytes that `down` knows of
	uint32_t queue_down, queue_up; // packets that may wait for their rate
	uint32_t slack_down, slack_up; // us that packets wait in an ordinary queue of that rate
	// From the client, waiting for their rate; worker.txq_held counts them. More than one wait
	// by flows, as long as the worker has flowqs left.
	struct mbuf_queue upq;
	struct codel codel;            // of upq
	uint32_t up_large;             // of them, those that no ordinary mbuf holds
	struct flowq *up_flows;        // in its place, NULL: not now
	uint64_t up_at_us, down_at_us; // when the next packet may pass; 0: none waits for that
	uint32_t idle_ms;              // 0: off
	uint64_t idle_packets;         // rx_packets and tx_packets when they were looked at last
	uint64_t idle_since_us;        // at the latest
	uint64_t idle_at_us;           // when they are looked at again, 0: off
	struct wheel_timer timer;
	bool limited;      // limit-bytes reached: no data any more
	bool limit_rx_hit; // it was limit-bytes-in
};

// Room for every session of w. 0 or -ENOMEM. Before the worker runs.
int session_policy_create(struct worker *w);
void session_policy_destroy(struct worker *w);
// What that takes, in bytes, for so many sessions.
uint64_t session_policy_size(uint32_t sessions);

// What OPEN_DATA says. False: this worker has no room for policies, and there must be one.
bool session_policy_set(struct worker *w, struct session *s, const struct dp_msg *open);
// The session is over.
void session_policy_end(struct worker *w, struct session *s);
// Drop what waits on its way up.
void session_policy_unqueue(struct worker *w, struct session *s);
// Its data are, until OPEN_DATA comes again: nothing waits any more.
void session_policy_stop(struct worker *w, struct session *s);
// Which of the two limits it was.
bool session_policy_limit_rx(const struct worker *w, const struct session *s);
// Timers of all sessions. Returns when the next one is due.
uint64_t session_policy_tick(struct worker *w);

// For sessions with SES_POLICY:

// A packet from the client, checked and counted. True: it goes on now; false: consumed.
bool session_policy_up(struct worker *w, struct session *s, struct rte_mbuf *m);
// A packet to be queued for the client. True: it goes on; false: consumed.
bool session_policy_down(struct worker *w, struct session *s, struct rte_mbuf *m);
// Whether a record may be filled from the queue of s now, which is not empty. False: the worker
// comes back to it when it may, or the queue is empty now.
bool session_policy_may_send(struct worker *w, struct session *s);
// Whether the queue of s waits for its rate.
bool session_policy_waits(const struct worker *w, const struct session *s);
// How long a packet waits in the queue of s for no other reason than the rate.
uint64_t session_policy_slack(const struct worker *w, const struct session *s);
