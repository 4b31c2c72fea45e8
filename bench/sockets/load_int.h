// SPDX-License-Identifier: BSD-3-Clause
// The load generator's inside: what load.c (sessions and phases), load_traffic.c (packets) and
// load_far.c (talk with the far host) share. The loop's thread.
#pragma once

#include "bench/sockets/load.h"

#include <ev.h>

#include "bench/sockets/far.h"
#include "bench/window.h"
#include "client/conn.h"

enum session_state { SESSION_IDLE, SESSION_DIALING, SESSION_UP, SESSION_ENDED };

struct session {
	struct load *load;
	unsigned int index;
	enum session_state state;
	struct conn *conn;
	char user[256];
	uint32_t addr;
	uint64_t dialed_ns;
	uint64_t next_seq, last_rx_ns;
	uint64_t settled_seq;   // below it, every packet came or is given up
	uint64_t far_received;  // LOAD_UP: as the far host last said
	unsigned int in_record; // packets that wait to be sealed together
	bool dirty;             // packets wait for a flush
	struct session *next_dirty;
	struct seq_window window; // of what this session sent (LOAD_DOWN: asked for)
};

enum load_phase {
	LOAD_DIALING,
	LOAD_HELLO,
	LOAD_TRAFFIC,
	LOAD_DRAIN,
	LOAD_ASK,
	LOAD_HANGUP,
	LOAD_STALLED,
	LOAD_DONE,
};

struct load {
	const struct load_conf *conf;
	struct load_result *r;
	struct ev_loop *loop;
	ev_timer tick;
	ev_prepare prepare;
	ev_signal sigint, sigterm;
	struct session *sessions;
	struct session *dirty;
	enum load_phase phase;
	bool interrupted, measuring;
	uint32_t run;
	unsigned int started, dialing, settled, hung, closed;
	unsigned int turn; // whose turn it is to send
	double budget;     // packets that may be sent now
	double dial_budget;
	uint64_t phase_ns, tick_ns, progress_ns, start_ns, measure_ns;
	uint64_t received;       // that came once
	struct load_window mark; // the counts when the window began
	struct cpu_sample cpu_start, cpu_mark;
	// The far host.
	bool welcome, shared_clock, reported;
	uint64_t said_ns;
};

uint64_t load_now_ns(void);
double load_since_s(uint64_t then);
void load_count_reason(struct load_result *r, const char *reason);

// Whether the far host is a part of the run.
static inline bool load_has_far(const struct load_conf *conf)
{
	return conf->mode == LOAD_UP || conf->mode == LOAD_DOWN;
}

// --- load_traffic.c ---

// Every tick of LOAD_TRAFFIC.
void traffic_send(struct load *l, uint64_t now);
// A session sends what its window allows, in a closed loop.
void traffic_fill(struct session *s, uint64_t now);
// A packet came through a session's tunnel.
void traffic_packet(void *user, const uint8_t *ip, size_t len);
// Seal and write what waits.
void traffic_flush(struct load *l);
// One packet into a session's tunnel: false when there is no room.
bool traffic_give(struct session *s, const uint8_t *ip, size_t len);

// --- load_far.c ---

// LOAD_HELLO, LOAD_ASK: say it again when it is time. True when that is done, or given up.
bool far_step(struct load *l, uint64_t now);
// What is measured begins: the far host forgets the latencies so far.
void far_mark(struct load *l);
// LOAD_DOWN: ask for n packets from the session's next number on. False: no room.
bool far_ask(struct session *s, unsigned int n, uint64_t now);
// n: packets that are asked for or acknowledged together.
unsigned int far_chunk(const struct load_conf *conf);
// A packet that is no test packet. True when it was from the far host.
bool far_packet(struct session *s, const uint8_t *ip, size_t len);
