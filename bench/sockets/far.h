// SPDX-License-Identifier: BSD-3-Clause
// What the load generator and the far host say to each other, in UDP through the tunnels. The far
// host (reflect.h) keeps no traffic of its own going: it counts what comes, and sends exactly what
// it is asked for. Pure.
//
//   generator                                       far host
//   HELLO run, boot, acknowledge every n     ->
//                                            <-     WELCOME shared clock or not
//   (HELLO again: latencies are counted anew)
//   up:   test packets (bench/probe.h)       ->
//                                            <-     ACK highest number, packets so far
//   down: SEND n packets of a size from a number on
//                                            <-     test packets
//   ASK                                      ->
//                                            <-     REPORT of the whole run
//   anything else is sent back as it came (echo).
#pragma once

#include <stddef.h>
#include <stdint.h>

enum far_type { FAR_HELLO = 1, FAR_WELCOME, FAR_SEND, FAR_ACK, FAR_ASK, FAR_REPORT };

struct far_msg {
	enum far_type type;
	uint32_t run, session;
	union {
		struct {
			uint64_t boot; // names a machine since its start: whose clock this is
			uint32_t ack_every, sessions;
		} hello;
		struct {
			uint32_t shared_clock;
		} welcome;
		struct {
			uint64_t seq, time_ns;
			uint32_t count, size; // size: of the IP packet
		} send;
		struct {
			uint64_t next, received; // next: highest number + 1
			uint64_t time_ns;        // the time stamp in the newest packet
		} ack;
		struct {
			uint64_t received, bytes, reordered, duplicated, corrupt;
			uint64_t unsent;         // packets asked for that the kernel did not take
			uint64_t socket_dropped; // for lack of room in the far host's socket
			uint64_t p50_ns, p99_ns, p999_ns, max_ns, mean_ns;
		} report;
	} u;
};

#define FAR_MSG_MAX 128u

// Write m to dst (FAR_MSG_MAX bytes). Returns its length.
size_t far_encode(uint8_t *dst, const struct far_msg *m);
// 0, or -EBADMSG: not one of these messages.
int far_decode(const uint8_t *p, size_t n, struct far_msg *m);

// A number for this machine since its start; 0 where the kernel does not tell.
uint64_t far_boot_id(void);
