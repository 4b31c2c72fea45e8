// SPDX-License-Identifier: BSD-3-Clause
// How commands reach a connection that is dialed: a socket of its own in the run directory, for its
// owner and root only, beside a lock that goes with the process however it ends. A line is asked
// (`status`, `down`) and lines are answered. The loop's thread.
#pragma once

#include <stddef.h>

struct ev_loop;
struct control;

struct control_ops {
	// One line about the connection, without its end. Returns dst.
	const char *(*status)(void *user, char *dst, size_t cap);
	// Hang up; who asked is told when control_destroy() comes.
	void (*down)(void *user);
};

// Take the connection `name` and listen for it. NULL with the reason in err; -EBUSY in *error: it
// is taken, by the process that err names.
struct control *control_create(struct ev_loop *loop, const char *dir, const char *name,
	const struct control_ops *ops, void *user, int *error, char *err, size_t cap);
void control_destroy(struct control *c); // NULL is fine

// From another process: ask, and write what is answered into dst. Waits until the other end is
// through, limit_ms at most. 0; -ENOENT: it is not dialed; -ETIMEDOUT; other -errno.
int control_ask(const char *dir, const char *name, const char *what, unsigned int limit_ms,
	char *dst, size_t cap);
