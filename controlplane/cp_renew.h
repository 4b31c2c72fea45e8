// SPDX-License-Identifier: BSD-3-Clause
// The TLS context of a configuration, and its renewal while everything goes on: certificates, keys,
// OCSP responses, CAs and revocation lists are taken anew when their files change, or at SIGHUP.
// Handshakes under way and sessions keep the context they began with. Control thread.
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "config/config.h"
#include "tls/handshake.h"

#define CP_RENEW_FILES (3 * CONFIG_MAX_CERTS + 2)
#define CP_RENEW_POLL_S 2.0

struct cp;

// What tells a file from another of the same name.
struct cp_file_id {
	bool there;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

struct cp_renew {
	ev_timer poll;    // looks at the files
	ev_timer tickets; // changes ticket keys
	unsigned int nb;
	struct {
		const char *name;       // the configuration's
		struct cp_file_id used; // what the context was made from, or would not be
		struct cp_file_id seen; // a poll ago
	} file[CP_RENEW_FILES];
};

// The context that c asks for. previous: NULL at the start, see struct tls_server_conf. Warnings go
// to the log. NULL with the reason in err.
struct tls_ctx *cp_tls_ctx_create(
	const struct config *c, const struct tls_ctx *previous, char *err, size_t cap);

// Whether there could be one, without a word to the log; else why not in err.
bool cp_tls_ctx_try(const struct config *c, char *err, size_t cap);

// Watch the files of cp's context, made just now; each poll_s seconds. A change counts when the
// files stayed the same for one more poll: nothing half written is read. ev_loop must be there.
void cp_renew_start(struct cp *cp, double poll_s);
void cp_renew_stop(struct cp *cp);

// Make a new context now. When that fails the log says why and the old one stays. Returns 0 or
// -EINVAL.
int cp_renew_now(struct cp *cp, const char *why);
