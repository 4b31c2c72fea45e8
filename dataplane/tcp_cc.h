// SPDX-License-Identifier: BSD-3-Clause
// Congestion control: how the window grows and how far it falls. What was lost, what is in flight
// and when to send is the stack's; an algorithm only sees acknowledged bytes and loss events.
#pragma once

#include <stdint.h>

#define TCP_CC_PRIV 7

struct tcp_cc_flow {
	uint32_t cwnd;     // bytes
	uint32_t ssthresh; // bytes; UINT32_MAX at first
	uint32_t mss;      // kept current by the stack
	union {
		uint64_t u[TCP_CC_PRIV];
		double d[TCP_CC_PRIV];
	} priv;
};

struct tcp_cc {
	const char *name;
	// Window set by the stack (initial window); set up priv.
	void (*init)(struct tcp_cc_flow *f, uint64_t now_us);
	// acked bytes were newly acknowledged outside recovery, while the window was the limit.
	void (*acked)(struct tcp_cc_flow *f, uint32_t acked, uint32_t srtt_us, uint64_t now_us);
	// A loss event: set ssthresh from the window and the bytes in flight. The stack brings cwnd
	// down to it (proportional rate reduction), or to one segment after a timeout.
	void (*loss)(struct tcp_cc_flow *f, uint32_t in_flight, uint64_t now_us);
	// A loss event turned out to be none, or the flow was idle: cwnd and ssthresh were set by
	// the stack; start afresh from them.
	void (*restart)(struct tcp_cc_flow *f, uint64_t now_us);
};

extern const struct tcp_cc tcp_cc_cubic;   // RFC 9438
extern const struct tcp_cc tcp_cc_newreno; // RFC 5681

// By name, or NULL.
const struct tcp_cc *tcp_cc_find(const char *name);

// Slow start (RFC 5681 3.1 with RFC 3465 byte counting), shared by the algorithms. Returns the
// bytes of acked left over once ssthresh is reached.
uint32_t tcp_cc_slow_start(struct tcp_cc_flow *f, uint32_t acked);
