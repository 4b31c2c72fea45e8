// SPDX-License-Identifier: BSD-3-Clause
// The load generator: many SSTP calls over kernel sockets in one thread, traffic through them that
// is checked byte by byte, and what came of it. Also calls that stop half way.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "bench/hist.h"
#include "client/call.h"

enum load_mode {
	LOAD_IDLE, // set-up and hang-up only
	LOAD_PING, // ICMP echo to an address
	LOAD_UDP,  // UDP to an address whose port 7 echoes
	LOAD_PAIR, // sessions send UDP to each other, two and two
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
	double duration_s;
	double pps;          // packets a second in all sessions together; 0: closed loop
	unsigned int window; // closed loop: packets of a session on their way
	unsigned int size;   // IP packet
	unsigned int burst;  // packets a session sends at once
	enum load_mode mode;
	uint32_t target; // host byte order
	double drain_s;  // wait for the last answers
	double max_loss; // share above which the run failed; 1: never
	uint32_t connect_ms;
	struct call_conf call; // but for user and password
	// Calls that stop half way: wait for the server to end them, at most limit_s.
	double limit_s;
};

#define LOAD_MAX_REASONS 16

struct load_result {
	unsigned int up, failed, lost; // lost: were up, ended before the hang-up
	double setup_s;                // from the first connect() to the last session up
	struct hist *setup, *latency;  // ns
	double traffic_s, hangup_s;
	uint64_t sent, received, missing, reordered, duplicated, corrupt, refused, other;
	uint64_t rx_bytes, tx_bytes; // IP
	unsigned int hung_up;        // in order
	double cpu_s;
	// Calls that stop half way.
	unsigned int ended_by_server, still_open;
	struct hist *ended_after; // ns
	unsigned int nb_reasons;
	struct {
		char text[200];
		unsigned int n;
	} reasons[LOAD_MAX_REASONS];
};

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
