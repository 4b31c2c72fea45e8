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

// What cp_create() would find wrong with c beyond its own syntax: certificates, keys, authorities
// and revocation lists that cannot be used, ciphers that leave none. For config_load_checked().
void cp_check(const struct config *c, struct config_report *r);

// What is not wrong with a checked configuration but should be known, to the log: cp_run() does the
// first, cp_create() the rest.
void cp_warn(const struct config *c);
void cp_check_warn(const struct config *c); // both, without a start
