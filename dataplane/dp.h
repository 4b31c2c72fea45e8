// SPDX-License-Identifier: BSD-3-Clause
// The data plane as a whole: start and stop. Only culvertd's main and the benches include this.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "dataplane/dp_msg.h"

struct dp;
struct port;
struct worker;

// Start the EAL, open the ports, make pools, rings and worker state. Nothing runs yet. NULL with
// the reason in err. Main thread.
struct dp *dp_create(const struct config_dataplane *c, char *err, size_t cap);
struct dp_chan *dp_channel(struct dp *dp);
// Whether c lets any session have what session_policy.h is for: config_dataplane.policies.
bool dp_wants_policies(const struct config *c);
// How many prefixes and members of address lists there may be: d->prefixes and d->list_members, for
// dp_memory_mb().
void dp_count_prefixes(const struct config *c, struct config_dataplane *d);
// The filters and address lists that OPEN_DATA names by number: compiled here, nothing of theirs is
// kept. Before dp_start(). 0, -ENOMEM, or -E2BIG: a filter has more than FILTER_RULES_MAX rules.
int dp_set_filters(struct dp *dp, const struct config *c);
// Launch the workers on their lcores.
int dp_start(struct dp *dp);
// Tell workers to stop and wait for them. Open connections are dropped; every mbuf is accounted
// for: see dp_pool(). Workers that the caller drives he has left alone before.
void dp_stop(struct dp *dp);
void dp_destroy(struct dp *dp);

// ---- for a process that runs more than culvertd: the benches

// The same with the caller's EAL, which stays his. The devices are ports that exist, by name. A
// port's checksums: tx_offloads (RTE_ETH_TX_OFFLOAD_*) are what the wire fills in beside what the
// device says of itself.
struct dp *dp_create_here(
	const struct config_dataplane *c, uint64_t tx_offloads, char *err, size_t cap);
// A worker that is driven by the caller, on one thread, instead of dp_start(): worker_begin(),
// worker_loop() as often as he likes, worker_end(). NULL: there is none of that number.
struct worker *dp_worker(struct dp *dp, unsigned int i);
const struct port *dp_port(const struct dp *dp, bool access);
// What the EAL needs for c, in MiB.
unsigned int dp_memory_mb(const struct config_dataplane *c);
