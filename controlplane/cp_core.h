// SPDX-License-Identifier: BSD-3-Clause
// The inside of the control plane, shared by its cp_*.c files and its tests. One thread.
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "controlplane/cp.h"
#include "controlplane/cp_account.h"
#include "controlplane/cp_out.h"
#include "controlplane/cp_renew.h"
#include "controlplane/cp_table.h"
#include "controlplane/pool.h"
#include "controlplane/pool6.h"
#include "controlplane/users.h"
#include "protocol/ppp/ppp.h"
#include "protocol/sstp/sstp_fsm.h"
#include "tls/handshake.h"

#define CP_SERVER_NAME "Culvert"

struct cp_session;
struct last_out;
struct scripts;
TAILQ_HEAD(cp_session_list, cp_session);

// Limits and times; cp_create() takes them from the configuration, tests make them short.
struct cp_limits {
	struct sstp_params sstp; // timers and hashes; nonce and certificate are each call's
	struct ppp_conf ppp;
	double handshake_s; // TCP established to complete HTTP request
	double auth_s;      // a back end's answer
	double setup_s;     // complete HTTP request to data passing, all of its parts together
	double verdict_s;   // at the limit, who waits for a verdict is left in peace for so long
	double replace_s;   // the orderly end of a session that another one replaces
	double shutdown_s;  // orderly shutdown
	uint32_t linger_ms; // a connection's graceful close
	uint32_t max_half_open;
	uint32_t ahead; // calls that may come up before the work of those before them is done
	// At the limit a call in progress gives way when it has been silent for four times what
	// others take to answer and that deviates by: at most give_way_s, at least a twentieth of
	// that. Who has authenticated gives way after give_way_s.
	double give_way_s;
	uint32_t hello_ms; // 0: off
};

struct cp_totals {
	uint64_t accepted, refused, authenticated, auth_refused, no_address, up, ended;
};

// How many new calls come up, and when (cp_admit.c).
struct cp_admit {
	struct {
		uint32_t granted; // may still come up
		uint32_t waiting; // were in line behind the last that came
	} worker[CP_TABLE_MAX_WORKERS];
	uint32_t granted; // in all
	double last;      // when some were granted last
	ev_timer again;
};

// What a call in progress is for those that want its place.
enum cp_half_open {
	CP_STRANGER, // nothing is known of it
	CP_KNOWN,    // its log-in was right
	CP_AWAITING, // its verdict: not silent, however long that takes
	CP_NB_HALF_OPEN,
};

// Where the round of router advertisements is (cp_ip6.c).
struct cp_ip6_round {
	unsigned int worker;
	uint32_t slot;
	double began;
};

struct cp {
	const struct config *conf;
	struct dp_chan *ch;
	struct ev_loop *loop;
	struct tls_ctx *tls; // of the next handshake
	struct cp_renew renew;
	struct pools *pools;
	struct pools6 *pools6;
	struct users_backend users;
	struct cp_accounts accounts;
	struct scripts *scripts;   // NULL: no profile has one
	struct last_out *last_out; // NULL: no state-dir
	struct cp_limits limits;
	struct cp_totals totals;
	struct cp_table table;
	struct cp_out out;
	struct cp_session_list sessions;
	// Calls in progress, in each list the longest silent one first.
	struct cp_session_list half_open[CP_NB_HALF_OPEN];
	uint32_t nb_sessions, nb_half_open, nb_up;
	double answer_s;     // longest silence of a call that came up, on a moving average
	double answer_dev_s; // and how far one is from it
	struct cp_admit admit;
	uint64_t next_session; // number of the next session, from 1
	uint32_t last_query;   // to a back end
	char hostname[64];
	struct cp_ip6_round ip6_round;
	ev_timer ip6_tick; // when there are prefixes to give
	ev_io wake;
	ev_signal term, intr, hup;
	ev_timer retry;    // backlog: the ring or the pool was full
	ev_timer shutdown; // the end of an orderly shutdown
	uint8_t stop;      // enum cp_stop
	bool listening;
};

enum cp_stop { CP_RUNNING, CP_STOPPING, CP_STOP_NOW };

// One turn of the loop: events, backlog, timers and descriptors. Sleeps for the next event when
// there is nothing to do and wait is true. Returns how many events were handled.
unsigned int cp_poll(struct cp *cp, bool wait);

// -- cp_admit.c --

void cp_admit_init(struct cp *cp);
// Workers were told to listen, or not to: nothing is granted.
void cp_admit_reset(struct cp *cp);
// An ACCEPTED event.
void cp_admit_came(struct cp *cp, const struct dp_msg *m);
// Once a turn. drained: every event of calls and sessions that came up was handled.
void cp_admit_more(struct cp *cp, bool drained);

// Tell workers to listen, or to stop listening.
void cp_listen(struct cp *cp, bool on);

// Begin an orderly shutdown: no new calls, Call Disconnect to all. A second time: abort them all.
void cp_stop(struct cp *cp);
