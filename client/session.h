// SPDX-License-Identifier: BSD-3-Clause
// One connection of culvert-client: a network interface, and calls that make it work, dialed again
// as long as that is wanted. The loop's thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "client/call.h"
#include "config/client.h"

struct ev_loop;
struct session;

struct session_ops {
	// Over for good, with an exit status. Last callback; session_destroy() may follow later,
	// not from inside.
	void (*ended)(void *user, int status);
};

// conf is borrowed and has a password. notes: a stem of notes.h's, copied; NULL: none.
// reconnect: what is lost is dialed again. Makes the interface, which shows in its name. NULL:
// *status is an exit status, and a line of the log said why.
struct session *session_create(struct ev_loop *loop, const struct config_connection *conf,
	bool reconnect, const char *notes, const struct session_ops *ops, void *user, int *status);
// Run the profile's programs, and those that set name servers, by these; number: of the session
// among them. They are through with everything before session_destroy().
struct scripts;
void session_set_scripts(struct session *s, struct scripts *scripts, unsigned int number);
// The name of its interface.
const char *session_interface(const struct session *s);
// Begin to dial.
void session_start(struct session *s);
// Hang up in order, a second time at once; ended() follows.
void session_hangup(struct session *s);
void session_destroy(struct session *s); // NULL is fine

// How it is: key=value pairs in one line, without its end. Returns dst.
const char *session_status(const struct session *s, char *dst, size_t cap);
