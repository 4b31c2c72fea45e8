// SPDX-License-Identifier: BSD-3-Clause
// The TLS context of a configuration, and its renewal while everything goes on: certificates, keys,
// OCSP responses, CAs and revocation lists are taken anew when their files change, or at SIGHUP.
// Handshakes under way and sessions keep the context they began with. Files are looked at and read
// by a thread of its own (cp_renew_thread.h); the control thread puts in use what that has made.
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "controlplane/cp_renew_thread.h"
#include "tls/handshake.h"

#define CP_RENEW_POLL_S 2.0
#define CP_RENEW_GIVE_UP_S 5.0

struct cp;

struct cp_renew {
	ev_timer poll;    // has the files looked at
	ev_timer tickets; // changes ticket keys
	ev_async done;    // the thread's
	struct cp_renewer *thread;
	bool busy;     // it has a task
	char why[240]; // of the context that is being made
	bool again;    // another one was asked for meanwhile
	char why_again[240];
	double give_up_s; // a thread that hangs holds the end of the process up for so long
	unsigned int nb;
	struct {
		const char *name;       // the configuration's
		struct cp_file_id used; // what the context was made from, or would not be
		struct cp_file_id seen; // a poll ago
	} file[CP_RENEW_FILES];
};

// The context that c asks for. previous: NULL at the start, see struct tls_server_conf. Warnings go
// to the log. NULL with the reason in err. Any thread.
struct tls_ctx *cp_tls_ctx_create(
	const struct config *c, const struct tls_ctx *previous, char *err, size_t cap);

// Whether there could be one, without a word to the log; else why not in err.
bool cp_tls_ctx_try(const struct config *c, char *err, size_t cap);

// Watch the files of cp's context, made just now; each poll_s seconds. A change counts when the
// files stayed the same for one more poll: nothing half written is read. ev_loop must be there.
// 0 or -ENOMEM. Control thread, as all below.
int cp_renew_start(struct cp *cp, double poll_s);
// Before cp's context and loop go.
void cp_renew_end(struct cp *cp);

// Have a new context made, now or when the thread is done with what it is at. When that fails the
// log says why and the old one stays.
void cp_renew_now(struct cp *cp, const char *why);
