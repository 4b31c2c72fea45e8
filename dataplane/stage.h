// SPDX-License-Identifier: BSD-3-Clause
// Where a worker's cycles go. Off (NULL) but in the benches. The TSC is read where a burst passes
// from one stage to the next, never for a packet.
#pragma once

#include <stdint.h>
#include <rte_branch_prediction.h>
#include <rte_cycles.h>

#define WORKER_STAGE_LIST(X)                                         \
	X(RX, "receive", "bursts from the ports, Ethernet and IP")   \
	X(TCP_IN, "tcp-in", "segments in, acknowledgements")         \
	X(COLLECT, "collect", "whole records found in the streams")  \
	X(OPEN, "open", "records decrypted and verified")            \
	X(UP, "up", "SSTP, PPP, checks and lookup of what came up")  \
	X(DOWN, "down", "lookup of what goes down, into the queues") \
	X(FRAME, "frame", "queues, PPP and SSTP headers, records")   \
	X(SEAL, "seal", "records encrypted")                         \
	X(TCP_OUT, "tcp-out", "segments out")                        \
	X(TX, "transmit", "next hop, Ethernet, bursts to the ports") \
	X(HANDOVER, "hand-over", "what other workers handed over")   \
	X(KEEP, "keep", "commands, timers, the sessions' run list")

#define X(name, text, help) WORKER_STAGE_##name,
enum worker_stage { WORKER_STAGE_LIST(X) WORKER_N_STAGES };
#undef X

struct worker_stages {
	uint64_t cycles[WORKER_N_STAGES];
	uint64_t mark; // TSC when the stage began
	enum worker_stage now;
};

// The stage begins; what passed since the last one began is that one's. Returns that one, for a
// stage within it.
static inline enum worker_stage stage_enter(struct worker_stages *s, enum worker_stage next)
{
	enum worker_stage last;
	uint64_t tsc;

	if (likely(!s))
		return next;
	tsc = rte_rdtsc();
	last = s->now;
	s->cycles[last] += tsc - s->mark;
	s->mark = tsc;
	s->now = next;
	return last;
}
