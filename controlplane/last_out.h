// SPDX-License-Identifier: BSD-3-Clause
// When each secret's user logged out last: in memory, and in the file last-logged-out of state-dir,
// which a thread of its own writes anew, whole and atomically, every some seconds in which somebody
// left. So a log-out costs the control thread a store.
#pragma once

#include <stddef.h>
#include <time.h>

#include "config/config.h"

struct last_out;

// Read the file of c->state_dir (not NULL), make it when there is none, start the thread. Lines for
// names that are no secret's are forgotten. c: borrowed. NULL with the reason in err.
struct last_out *last_out_open(const struct config *c, char *err, size_t cap);

// A name's time; 0: never, or no secret of that name. Control thread.
time_t last_out_get(const struct last_out *lo, const char *name);
// For a name that is no secret's without effect. Control thread.
void last_out_set(struct last_out *lo, const char *name, time_t when);

// Write what is not written yet. NULL is fine.
void last_out_close(struct last_out *lo);
