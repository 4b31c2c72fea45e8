// SPDX-License-Identifier: BSD-3-Clause
// Programs that run when sessions come and go, beside the control thread: a thread of their own
// starts them (posix_spawn: no page table is copied, whatever this process has mapped), waits for
// them, reads what they print and ends those that take too long. Why not libev's child watcher: it
// wants the default loop and the process's SIGCHLD, and starting a program from the control thread
// would stop it until the file is there to run.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scripts;

struct scripts_conf {
	uint32_t limit_ms;  // a program that runs longer is killed
	uint32_t at_once;   // so many run at a time
	uint32_t queue_max; // so many wait
};

#define SCRIPTS_LIMIT_MS 10000
#define SCRIPTS_AT_ONCE 16

// NULL with the reason in err. The thread takes no signals.
struct scripts *scripts_create(const struct scripts_conf *conf, char *err, size_t cap);

// Run path with the argument event and exactly the environment env ("A=1" NUL ... NUL NUL), which
// is taken in any case. Those of one key (an address, whose on-down is over before it comes up
// again) run one after the other in the order of the calls; keys take turns, several at a time.
// session: for the log. event: static text. Control thread; never waits. 0, or -ENOBUFS: the queue
// is full; -ENOMEM.
int scripts_run(struct scripts *st, const char *path, const char *event, uint64_t key,
	uint64_t session, char *env);

// The same with arguments of the caller's, and something to read.
#define SCRIPTS_ARGS_MAX 8     // path included
#define SCRIPTS_INPUT_MAX 4096 // bytes; it is in a pipe before the program runs
struct scripts_program {
	const char *const *argv; // path first, NULL behind the last; copied
	const char *input;       // copied, NULL: nothing
	char *env;               // as above, taken in any case
	// Told once, if the program was queued: well, it ended with status 0; else anything else
	// became of it. From the programs' thread, or from inside scripts_destroy(). NULL: nobody.
	void (*ended)(void *user, bool well);
	void *user;
};
int scripts_run_program(struct scripts *st, const struct scripts_program *p, const char *event,
	uint64_t key, uint64_t session);

struct scripts_totals {
	uint64_t started, failed, killed, dropped; // failed: another status than 0, or not started
	uint32_t waiting;                          // now
};
void scripts_totals(struct scripts *st, struct scripts_totals *t);

// Wait for those that run and wait, at most grace_ms and what killing takes; then kill and drop the
// rest, each by name in the log. NULL is fine.
void scripts_destroy(struct scripts *st, uint32_t grace_ms);
