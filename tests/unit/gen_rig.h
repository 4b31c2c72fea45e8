// SPDX-License-Identifier: BSD-3-Clause
// The load generator on two rings, and at their other ends a concentrator in memory that shares
// nothing with it above TCP: OpenSSL's records, the protocol's server side, a router of three
// lines. Time is the test's.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/gen/gen_int.h"
#include "tests/unit/client_server.h"

#define RIG_CALLS 16
#define RIG_SERVER 0xc0000201u // 192.0.2.1
#define RIG_CLIENT 0xc0000264u
#define RIG_CORE 0xc6336401u // 198.51.100.1
#define RIG_HOST 0xc63364feu
#define RIG_INNER 0x0a000002u // of the first call

struct rig_call {
	struct tcp_conn *conn;
	struct bed *bed;
	bool fin, silent; // silent: takes no more bytes
};

struct rig {
	struct gen *g;
	struct port access, core;
	struct rte_ring *to_server, *to_clients, *to_core, *to_host;
	struct rte_mempool *pool, *server_pool;
	struct tcp_stack *tcp;
	struct counters counters;
	struct rig_call call[RIG_CALLS];
	unsigned int nb_calls;
	SSL_CTX *tls;
	struct gen_conf conf; // may be changed in front of rig_start()
	struct bed_conf bed;  // of the server's ends, likewise
	uint64_t now_us;
};

int rig_eal(void **state); // once per process
struct rig *rig_create(void);
void rig_start(struct rig *r);
// So long, in steps of 200 us.
void rig_run(struct rig *r, uint64_t us);
// Until so many calls are up; fails the test when that takes longer than 20 s.
void rig_dial(struct rig *r, unsigned int n);
void rig_listen(struct rig *r, bool on);
// Sessions of the generator in the order of the server's calls may differ: by inner address.
struct gen_session *rig_session_of(struct rig *r, const struct rig_call *c);
// Hang up, wait, and check that every mbuf came back.
void rig_destroy(struct rig *r);
