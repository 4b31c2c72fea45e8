// SPDX-License-Identifier: BSD-3-Clause
// Who may log in and what a log-in gets: the seam between a call and where users come from (here
// the configuration's secrets). Control thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "protocol/ppp/ppp_auth.h"

// What an authenticated user gets. Pointers borrow the configuration.
struct users_grant {
	uint32_t local;   // this end's address, host order, 0: none configured
	uint32_t remote;  // the client's, 0: from the pool
	const char *pool; // NULL: none
	uint32_t dns[2], wins[2];
	bool change_tcp_mss;
};

#define USERS_RESULT_LIST(X)            \
	X(OK, "ok")                     \
	X(UNKNOWN, "unknown user")      \
	X(DISABLED, "user is disabled") \
	X(REFUSED, "wrong password")    \
	X(UNSUPPORTED, "method not supported")
#define X(name, text) USERS_##name,
enum users_result { USERS_RESULT_LIST(X) };
#undef X

// For this side's log only: the peer is told the same for every refusal.
const char *users_result_text(enum users_result r);

// Check a peer's claim against the secrets of c. *v is the answer for PPP, filled in for every
// result; the same work is done for users that do not exist. USERS_OK: *g is filled in.
// A name DOMAIN\user that is no secret's is looked up without the domain.
enum users_result users_check(const struct config *c, const struct ppp_auth_request *req,
	struct ppp_auth_verdict *v, struct users_grant *g);

// What a secret gets: secret over profile, but a single address over a pool; what both leave open
// comes from the profile "default". (profile: of the secret, else sstp-server's default-profile)
void users_grant(const struct config *c, const struct config_secret *secret, struct users_grant *g);
