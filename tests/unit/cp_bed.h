// SPDX-License-Identifier: BSD-3-Clause
// A test bed: the control plane on a fake data plane, and clients.
#pragma once

#include "controlplane/cp_core.h"
#include "controlplane/cp_session.h"
#include "fake_assert.h"
#include "fake_client.h"
#include "fake_worker.h"

#define BED_MAX_CLIENTS 1200

struct bed {
	char dir[64], cert[96];
	struct config *conf;
	struct dp_chan *ch;
	struct cp *cp;
	struct tls_ctx *client_tls;
	struct fake_client *client[BED_MAX_CLIENTS];
	unsigned int nb_clients, nb_conns;
};

struct bed_conf {
	const char *yaml; // of sections besides sstp-server; NULL: one pool and the users below
	const char *sstp; // further keys of sstp-server, each line indented by two
	const char *tls;  // keys of tls
	unsigned int nb_workers, nb_msgs, ring_size; // 0: 2, 1024, 256
	bool ecdsa;   // the server's key is on P-256, else RSA of 2048 bits
	bool no_cert; // certificate: none
	// the clients' TLS
	bool only_tls12;
	const char *ciphers;
};

// Users of the default configuration: "bob" with "Pässword-1" from the pool (10.0.0.2-10.0.0.5),
// "fixed" (10.0.0.3), "off" (disabled), "nopool" (no addresses at all). Local address 10.0.0.1.
#define BED_PASSWORD "P\xc3\xa4ssword-1"

// Timers are short: a test that waits for one takes tenths of a second.
void bed_open(struct bed *b, const struct bed_conf *conf);
// Put another certificate, in place of what path may have been: whole, by a rename.
void bed_make_cert(const char *path, bool ecdsa);
// Ends all calls in an orderly way and asserts that nothing is left.
void bed_close(struct bed *b);

struct fake_client_conf bed_client_conf(const struct bed *b, uint32_t auth);
struct fake_client *bed_dial(struct bed *b, const struct fake_client_conf *conf);
// With bed_client_conf()'s for MS-CHAPv2, one that halts there.
struct fake_client *bed_dial_halt(struct bed *b, enum fake_halt halt);
// The same for a user with BED_PASSWORD.
struct fake_client *bed_dial_as(struct bed *b, const char *user, uint32_t auth);
// Until data pass; until the log-in was refused: asserts that it comes to this.
struct fake_client *bed_dial_up(struct bed *b, const char *user, uint32_t auth);
struct fake_client *bed_dial_refused(struct bed *b, const char *user, uint32_t auth);
// The client ends the call; forgets it.
void bed_hang_up(struct bed *b, struct fake_client *c);
// Waits until the server ended c, and asserts that it did in an orderly way, with this text.
void bed_check_ended(struct bed *b, struct fake_client *c, const char *text);
// Forget a client whose connection is closed.
void bed_reap(struct bed *b, struct fake_client *c);

// One turn of everything.
void bed_turn(struct bed *b);

// Turns until cond; fails the test when that takes 20 seconds.
#define BED_UNTIL(b, cond)                                              \
	do {                                                            \
		ev_tstamp give_up_ = ev_time() + 20;                    \
		while (!(cond)) {                                       \
			if (ev_time() > give_up_)                       \
				fake_assert(!"waited in vain: " #cond); \
			bed_turn(b);                                    \
		}                                                       \
	} while (0)
// Turns for a while, to see that something does not happen.
void bed_turns(struct bed *b, unsigned int n);

struct cp_session *bed_session(const struct bed *b, const struct fake_client *c);

// What log lines hold: everything written since bed_log_begin(), NUL terminated.
void bed_log_begin(void);
const char *bed_log_end(void);

// Its time is up, whatever it waits for.
void bed_expire(struct bed *b, struct cp_session *s);
// The time of every call in progress is up.
void bed_expire_half_open(struct bed *b);
// Whether the server waits for what the client does not send.
bool bed_is_stalled(const struct bed *b, const struct fake_client *c);
