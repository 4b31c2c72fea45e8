// SPDX-License-Identifier: BSD-3-Clause
// Commands to workers. A full ring or an empty message pool is an ordinary case: what cannot go now
// waits here, in order per worker, and goes later; nothing is lost. One thread.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "dataplane/dp_msg.h"

struct cp;
struct cp_out_entry;
STAILQ_HEAD(cp_out_list, cp_out_entry);

// What may wait for one session, and in all. A session that passes the bound is ended.
#define CP_OUT_SESSION_MAX (2u << 20)
#define CP_OUT_TOTAL_MAX (64u << 20)

struct cp_out {
	struct cp_out_list *worker; // [nb_workers]
	unsigned int nb_workers;
	size_t bytes; // waiting in all, overhead included
	uint32_t entries;
	size_t session_max, total_max;
	struct dp_msg scratch; // the command being made
};

int cp_out_init(struct cp_out *o, unsigned int nb_workers); // 0 or -ENOMEM
void cp_out_free(struct cp_out *o);

// A cleared command to be filled in and given to cp_out_send() before the next one is begun.
struct dp_msg *cp_out_begin(struct cp *cp, unsigned int type, dp_handle h);

// Send what cp_out_begin() gave, now or later; its key material is wiped. Where it would wait
// beyond the bound, the session is marked broken instead (cp_session_broken()).
void cp_out_send(struct cp *cp, struct dp_msg *m);

// The same for n bytes of data, in as many commands as it takes.
void cp_out_data(struct cp *cp, unsigned int type, dp_handle h, const void *p, size_t n);

// CLOSE: goes out whatever the bounds; what still waited for h is dropped when abort is true.
void cp_out_close(struct cp *cp, dp_handle h, bool abort, uint32_t linger_ms);

// Send what waits as far as it goes. Returns true when nothing waits any more.
bool cp_out_flush(struct cp *cp);
