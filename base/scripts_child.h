// SPDX-License-Identifier: BSD-3-Clause
// One program that was started: its process and what it prints. One thread.
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>

#define CHILD_LINE_MAX 400 // bytes of a line that are shown
#define CHILD_LINES_MAX 20 // lines of a program that are shown
#define CHILD_POLL_MS 50   // how often to ask where there is no pidfd

struct child {
	pid_t pid;
	int pidfd; // readable when it ended; -1: the kernel has none
	int out;   // what it prints, -1: closed by it
	char line[CHILD_LINE_MAX];
	size_t len;
	unsigned int nb_lines;
	uint64_t held; // bytes that were not shown
};

// Start argv[0] with its arguments and exactly the environment env ("A=1" NUL ... NUL NUL), in a
// session of its own, in /, with default signals, output and errors in one pipe, and no other
// descriptor of this process. It reads input (NULL: nothing). 0, or -errno; -E2BIG: input is longer
// than what a pipe takes at once.
int child_start(struct child *c, char *const argv[], const char *input, char *env);

// Take what it printed, without waiting: each line shown goes to line() (NULL: to nobody).
void child_read(struct child *c, void (*line)(void *user, const char *p, size_t n), void *user);

// Whether it is over: *status as of waitpid(). Once only.
bool child_ended(struct child *c, int *status);

// End it and all of its process group at once.
void child_kill(struct child *c);

// Forget it; the last half of a line is shown.
void child_close(struct child *c, void (*line)(void *user, const char *p, size_t n), void *user);
