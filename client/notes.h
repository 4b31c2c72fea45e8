// SPDX-License-Identifier: BSD-3-Clause
// Where it is noted what a crash would leave on the machine. A stem ("DIR/client-NAME",
// "DIR/dial-PID") is followed by .route (tunnel.h) or .dns (dns.h), and by .lock for who owns it:
// that of a connection with a name is control.h's, those of calls without are here. One thread.
#pragma once

#include <stdbool.h>

#define NOTES_STEM_MAX 200

struct notes {
	char stem[NOTES_STEM_MAX];
	int lock;
};

// A stem of this process's own, with a lock that goes with it. 0, or -errno: there is none.
int notes_open(struct notes *n, const char *dir);
// With what it has, unless a note is left.
void notes_close(struct notes *n);

// Whether there are notes of this stem.
bool notes_left(const char *stem);

// Stems of processes that are gone: take_back() of each, which returns whether nothing is left of
// it. Its lock is held meanwhile.
void notes_sweep(const char *dir, bool (*take_back)(void *user, const char *stem), void *user);
