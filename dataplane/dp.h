// SPDX-License-Identifier: BSD-3-Clause
// The data plane as a whole: start and stop. Only culvertd's main and the benches include this.
#pragma once

#include <stddef.h>

#include "config/config.h"
#include "dataplane/dp_msg.h"

struct dp;

// Start the EAL, open the ports, make pools, rings and worker state. Nothing runs yet. NULL with
// the reason in err. Main thread.
struct dp *dp_create(const struct config_dataplane *c, char *err, size_t cap);
struct dp_chan *dp_channel(struct dp *dp);
// Launch the workers on their lcores.
int dp_start(struct dp *dp);
// Tell workers to stop and wait for them. Open connections are dropped; every mbuf is accounted
// for: see dp_pool().
void dp_stop(struct dp *dp);
void dp_destroy(struct dp *dp);
