// SPDX-License-Identifier: BSD-3-Clause
// Congestion control: how the window grows and how far it falls. What was lost, what is in flight
// and when to send is the stack's; an algorithm sees acknowledged bytes and loss events, and if it
// asks for them, samples of the delivery rate; then it may also set a pace.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCP_CC_PRIV 7
#define TCP_PACE_SHIFT 14 // of tcp_cc_flow.pace: 100 Gbit/s is 1310, 4 KB/s still fits

struct tcp_cc_flow {
	uint32_t cwnd;     // bytes
	uint32_t ssthresh; // bytes; UINT32_MAX at first
	uint32_t mss;      // kept current by the stack
	uint32_t pace;     // least time between bytes sent, ns << TCP_PACE_SHIFT; 0: no pacing
	union {
		uint64_t u[TCP_CC_PRIV];
		double d[TCP_CC_PRIV];
		void *p; // with state_size: zeroed memory, which begins with struct tcp_rate
	} priv;
};

// What a piece of the flow tells: sent some time ago behind prior_delivered bytes, it has now
// arrived. draft-ietf-ccwg-bbr 4.1.2.
struct tcp_cc_sample {
	uint64_t now_us;
	uint32_t delivered;       // bytes known to have arrived, modulo 2^32
	uint32_t prior_delivered; // the same when the piece was sent
	uint32_t interval_us;     // in which delivered - prior_delivered arrived; 0: not known
	uint32_t rtt_us;
	uint32_t lost; // bytes marked lost so far, modulo 2^32
	uint32_t in_flight;
	bool app_limited; // the sender had nothing to send for a part of the time
	bool held_back;   // sent after a timeout, in a window that began anew
};

struct tcp_cc {
	const char *name;
	// Bytes of memory of its own for each connection; 0: priv is enough. Not 0: sample is set
	// too, the algorithm rules the window in recovery as well, and ssthresh is left alone.
	size_t state_size;
	// Window set by the stack (initial window); set up priv.
	void (*init)(struct tcp_cc_flow *f, uint64_t now_us);
	// acked bytes were newly acknowledged outside recovery, while the window was the limit.
	// With state_size: newly delivered, at any time.
	void (*acked)(struct tcp_cc_flow *f, uint32_t acked, uint32_t srtt_us, uint64_t now_us);
	// A loss event: set ssthresh from the window and the bytes in flight. The stack brings cwnd
	// down to it (proportional rate reduction), or to one segment after a timeout.
	void (*loss)(struct tcp_cc_flow *f, uint32_t in_flight, uint64_t now_us);
	// A loss event turned out to be none, or the flow was idle: cwnd and ssthresh were set by
	// the stack; start afresh from them.
	void (*restart)(struct tcp_cc_flow *f, uint64_t now_us);
	// Some times a round trip.
	void (*sample)(struct tcp_cc_flow *f, const struct tcp_cc_sample *s);
};

extern const struct tcp_cc tcp_cc_cubic;   // RFC 9438
extern const struct tcp_cc tcp_cc_newreno; // RFC 5681
extern const struct tcp_cc tcp_cc_bbr;     // draft-ietf-ccwg-bbr

// By name, or NULL.
const struct tcp_cc *tcp_cc_find(const char *name);

// Slow start (RFC 5681 3.1 with RFC 3465 byte counting), shared by the algorithms. Returns the
// bytes of acked left over once ssthresh is reached.
uint32_t tcp_cc_slow_start(struct tcp_cc_flow *f, uint32_t acked);
