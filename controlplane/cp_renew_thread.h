// SPDX-License-Identifier: BSD-3-Clause
// The thread that looks at the files of a TLS context and makes the next one of them: a large
// revocation list, a slow key or a file system that does not answer holds up nobody but it. It owns
// copies of what it needs, so that the process can leave it where it hangs. All functions: the
// control thread.
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "config/config.h"
#include "tls/handshake.h"

#define CP_RENEW_FILES (3 * CONFIG_MAX_CERTS + 2)

// What tells a file from another of the same name.
struct cp_file_id {
	bool there;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

enum cp_renew_task {
	CP_RENEW_NOTHING,
	CP_RENEW_LOOK, // at all files
	CP_RENEW_MAKE, // a context, behind such a look: a change between is one from that look
};

struct cp_renew_result {
	enum cp_renew_task task;
	struct cp_file_id found[CP_RENEW_FILES]; // of the files in cp_renew_files()'s order
	struct tls_ctx *fresh;                   // the taker's; NULL: see err
	char err[512];
};

struct cp_renewer;

// Names of the files that a context of c is made from. Returns how many.
unsigned int cp_renew_files(const struct config *c, const char *names[CP_RENEW_FILES]);
struct cp_file_id cp_renew_look(const char *name);

// done: started on loop by the caller, is sent when a task is done. NULL: no memory, no thread.
struct cp_renewer *cp_renewer_create(const struct config *c, struct ev_loop *loop, ev_async *done);
// Give it a task; it has none. previous: the context in use, of which it takes a reference.
void cp_renewer_begin(struct cp_renewer *r, enum cp_renew_task task, struct tls_ctx *previous);
// Whether the task is done, and what came of it; then another may begin.
bool cp_renewer_take(struct cp_renewer *r, struct cp_renew_result *result);
// End it. A task that takes longer than so many seconds is left behind: its thread frees all when
// it comes back. NULL is fine. done is not sent any more. False: it was left behind.
bool cp_renewer_end(struct cp_renewer *r, double give_up_s);
