// SPDX-License-Identifier: BSD-3-Clause
// Who may log in and what a log-in gets: the seam between a call and where users come from. The
// back end here is the configuration's secrets, which answers at once; another may answer later.
// Control thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "protocol/ppp/ppp_auth.h"

// What an authenticated user gets: all that the secret and its profiles say, resolved. Plain data
// that owns nothing: its pointers borrow the configuration, or the store that came with the answer,
// which the session keeps as long as the grant.
struct users_grant {
	const char *account; // the name that the back end knows the user by: one user, one account
	const char *profile;
	uint32_t local;   // this end's address, host order, 0: none configured
	uint32_t remote;  // the client's, 0: from the pool
	const char *pool; // NULL: none
	uint32_t dns[CONFIG_MAX_DNS], wins[CONFIG_MAX_DNS];
	bool change_tcp_mss;
	// IPv6
	enum config_tristate use_ipv6; // never CONFIG_DEFAULT
	const char *prefix_pool, *pd_pool;
	const struct config_prefix *prefix6; // a fixed one, before prefix_pool; NULL: none
	const struct in6_addr *dns6;
	unsigned int nb_dns6;
	// limits; rx and in: what the client sends
	struct config_rate rate_rx, rate_tx;
	uint64_t limit_rx, limit_tx;                // bytes, 0: none
	uint32_t session_timeout_s, idle_timeout_s; // 0: none
	enum config_only_one only_one;              // never the default
	// policy
	uint16_t filter, address_list; // number + 1, 0: none (dp_msg.h's u.open)
	const struct config_route *routes;
	unsigned int nb_routes;
	const char *on_up, *on_down; // NULL: none
};

#define USERS_RESULT_LIST(X)                                                 \
	X(OK, "ok")                                                          \
	X(UNKNOWN, "unknown user")                                           \
	X(DISABLED, "user is disabled")                                      \
	X(REFUSED, "wrong password")                                         \
	X(UNSUPPORTED, "method not supported")                               \
	X(CALLER_ID, "called from another address than caller-id allows")    \
	X(ENCRYPTION, "use-encryption: required, but TLS does it, not MPPE") \
	X(ALREADY, "already logged in (only-one)")                           \
	X(NO_ANSWER, "no answer in time")
#define X(name, text) USERS_##name,
enum users_result { USERS_RESULT_LIST(X) };
#undef X

// For this side's log only: who cannot prove a password is told the same for every refusal.
const char *users_result_text(enum users_result r);

// Memory that a grant borrows, in one chain.
struct users_store;
// n more bytes of it, cleared; *st NULL: its first ones. NULL when out of memory.
void *users_store_get(struct users_store **st, size_t n);
void users_store_free(struct users_store *st); // NULL is fine

struct users_query {
	uint64_t id;                        // for the answer; not 0
	const struct ppp_auth_request *req; // valid until the answer or the cancellation
	struct in6_addr peer;               // the client's outer address
	uint16_t peer_port;
};

struct users_answer {
	enum users_result result;
	struct ppp_auth_verdict verdict; // for PPP, filled in for every result
	struct users_grant grant;        // when OK
	struct users_store *store;       // goes over to whom the answer is given
};

// Where users come from.
struct users_backend {
	// Judge a claim. True: *a is filled in. False: the answer comes later, by cp_auth_answer()
	// with the query's id, from the control thread's loop and not from inside; PPP waits, sends
	// nothing again, and gives up after authentication-timeout. a is cleared.
	bool (*check)(void *user, const struct users_query *q, struct users_answer *a);
	// Nobody waits for the answer any more. NULL: nothing to do.
	void (*cancel)(void *user, uint64_t id);
	void *user;
};

// Refuse with an error of MS-CHAP (RFC 2759 6) and a text for the client: 691 is a wrong name or
// password, 649 a right one that may not come in.
void users_refuse(struct users_answer *a, enum users_result r, uint16_t error, const char *text);

// The back end over the secrets of user, a const struct config *. Answers at once; the same work is
// done for users that do not exist. A name DOMAIN\user that is no secret's is looked up without the
// domain.
bool users_check(void *user, const struct users_query *q, struct users_answer *a);

// What a secret gets: secret over profile, but a single address over a pool; what both leave open
// comes from the profile "default", then from the defaults of config.h. (profile: of the secret,
// else sstp-server's default-profile) Any back end begins with it: without a secret (NULL) it is
// what the default profile gives.
void users_grant(const struct config *c, const struct config_secret *secret, struct users_grant *g);

// Whether a lies in p.
bool users_prefix_has(const struct config_prefix *p, const struct in6_addr *a);
