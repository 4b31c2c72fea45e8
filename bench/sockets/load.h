// SPDX-License-Identifier: BSD-3-Clause
// The load generator: many SSTP calls over kernel sockets in one thread, traffic through them that
// is checked byte by byte, and what came of it and what it cost the server. Also calls that stop
// half way.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "bench/hist.h"
#include "bench/sockets/cpu.h"
#include "client/call.h"

enum load_mode {
	LOAD_IDLE, // set-up and hang-up only
	LOAD_PING, // ICMP echo to an address
	LOAD_UDP,  // UDP to an address whose port 7 echoes
	LOAD_PAIR, // sessions send UDP to each other, two and two
	LOAD_UP,   // to a far host that counts (reflect.h)
	LOAD_DOWN, // from a far host that sends what it is asked for
};

struct load_conf {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	const char *host;
	const char *user; // with at most one %d for the session's number
	const char *password;
	unsigned int first; // number of the first session
	unsigned int sessions;
	unsigned int concurrent; // set-ups in progress at once
	double rate;             // set-ups a second, 0: as concurrent allows
	double warmup_s;         // traffic in front of what is measured
	double duration_s;
	double pps;              // packets a second in all sessions together; 0: closed loop
	unsigned int window;     // closed loop: packets of a session on their way
	unsigned int size;       // IP packet
	unsigned int burst;      // packets a session sends at once
	unsigned int per_record; // packets in one TLS record; 0: as many as go at once
	enum load_mode mode;
	bool one_way;    // LOAD_PAIR: every second session only receives
	uint32_t target; // host byte order
	uint16_t port;   // of the far host
	double drain_s;  // wait for the last answers
	double max_loss; // share above which the run failed; 1: never
	uint32_t connect_ms;
	struct call_conf call;      // but for user and password
	pid_t server[CPU_MAX_PIDS]; // processes whose time is taken, on this machine
	unsigned int nb_server;
	// Calls that stop half way: wait for the server to end them, at most limit_s.
	double limit_s;
};

#define LOAD_MAX_REASONS 16

// Nanoseconds.
struct load_times {
	uint64_t n, mean, p50, p99, p999, max;
};

// What is measured: behind the warm-up, without the drain.
struct load_window {
	double s;
	uint64_t sent, received, tx_bytes, rx_bytes; // IP
};

struct load_result {
	unsigned int up, failed, lost; // lost: were up, ended before the hang-up
	double setup_s;                // from the first connect() to the last session up
	struct hist *setup, *latency;  // ns
	struct load_times latency_times;
	const char *latency_kind; // "one-way", "round-trip": there and back
	double traffic_s, hangup_s;
	struct load_window window;
	uint64_t sent, received, missing, reordered, duplicated, corrupt, refused, other;
	uint64_t rx_bytes, tx_bytes;          // IP
	uint64_t far_unsent, far_socket_drop; // of the missing: lost in the far host itself
	bool no_far;                          // it did not answer
	unsigned int hung_up;                 // in order
	double cpu_s;
	struct cpu_sample setup_cpu, traffic_cpu; // while dialing; in the window
	bool has_cpu;
	// Calls that stop half way.
	unsigned int ended_by_server, still_open;
	struct hist *ended_after; // ns
	unsigned int nb_reasons;
	struct {
		char text[200];
		unsigned int n;
	} reasons[LOAD_MAX_REASONS];
};

// The server's cost for each packet of the window.
struct load_cost {
	double cores;         // processes' time by the window's length
	double us, cycles;    // of the processes, each packet; cycles: of the TSC, 0: unknown
	double softirq_us;    // of the whole machine, each packet
	double packets_cpu_s; // packets to a second of the processes' time
	double mbit_cpu_s;    // inner Mbit to the same
	double setup_us;      // of the processes, each session that came up
};

// False when no process's time was taken. What cannot be said is 0.
bool load_cost(const struct load_result *r, struct load_cost *c);

// Run to the end, or until SIGINT or SIGTERM. 0 or -errno when it could not start. The histograms
// of r are allocated; load_result_free().
int load_run(const struct load_conf *conf, struct load_result *r);
void load_result_free(struct load_result *r);

// Whether everything went as it should.
bool load_passed(const struct load_conf *conf, const struct load_result *r);

void load_print_table(FILE *out, const struct load_conf *conf, const struct load_result *r);
void load_print_json(FILE *out, const struct load_conf *conf, const struct load_result *r);

const char *load_mode_name(enum load_mode m);
const char *load_stall_name(enum call_stall s);
