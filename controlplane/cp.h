// SPDX-License-Identifier: BSD-3-Clause
// The control plane: one thread, one event loop. Knows workers only through dp_msg.h.
#pragma once

#include <stddef.h>

#include "config/config.h"
#include "dataplane/dp_msg.h"

struct cp;

// TLS contexts, users, profiles, pools, event loop. c and ch are borrowed for its life. NULL with
// the reason in err.
struct cp *cp_create(const struct config *c, struct dp_chan *ch, char *err, size_t cap);

// Tell workers to listen and serve until SIGTERM or SIGINT (handled here), then end every call
// (Call Disconnect to all, at most ten seconds; a second signal: at once). Returns 0, or -errno.
int cp_run(struct cp *cp);

void cp_destroy(struct cp *cp);

// What cp_create() would find wrong with c beyond its own syntax (certificates and keys that cannot
// be used, pools), without a data plane. 0, or -EINVAL with the reason in err.
int cp_check(const struct config *c, char *err, size_t cap);
