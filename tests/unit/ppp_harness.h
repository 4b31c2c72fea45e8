// SPDX-License-Identifier: BSD-3-Clause
// One PPP link under test: everything it does is recorded, nothing is left to the clock or to
// chance.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/ppp/ppp.h"
#include "protocol/ppp/ppp_internal.h"

#define PEER_MAX_FRAMES 128

struct peer_frame {
	size_t len;
	uint8_t bytes[PPP_FRAME_MAX];
};

struct peer {
	struct ppp_link link;
	struct ppp_conf conf;
	uint64_t seed;

	struct peer_frame sent[PEER_MAX_FRAMES]; // a ring
	unsigned int head, tail;                 // next to take, next free
	bool timer_on[PPP_N_TIMERS];
	uint32_t timer_ms[PPP_N_TIMERS];
	uint64_t timer_due[PPP_N_TIMERS];
	uint64_t now_ms;

	// Server: how it answers.
	const char *user, *password; // the only user there is
	struct ppp_addresses give;
	enum ppp_ipv6_mode give_ipv6;
	bool hold_verdict, hold_addresses;
	bool spoil_keys; // has_keys stays false

	unsigned int nb_asked, nb_authenticated, nb_up, nb_down, nb_ended;
	const struct ppp_auth_request *asked;
	uint8_t hlak[PPP_HLAK_LEN];
	bool has_keys;
	struct ppp_addresses agreed;
	unsigned int nb_up6, nb_down6;
	uint64_t local_id, remote_id;
	enum ppp_end why;
	char message[160];
};

extern const struct ppp_ops peer_ops;

// A link with the defaults of its role, user "User", password "clientPass", all methods; p->conf
// may be changed before peer_up().
void peer_make(struct peer *p, bool server, uint64_t seed);
void peer_up(struct peer *p);

// Give the link one frame, written as hex digits (blanks are skipped, "|" too).
void peer_feed(struct peer *p, const char *hex);
void peer_feed_bytes(struct peer *p, const uint8_t *bytes, size_t len);
// Feed one control packet; the length field is filled in. hex: what follows it.
void peer_feed_packet(struct peer *p, uint16_t proto, uint8_t code, uint8_t id, const char *hex);

// The next frame sent, or NULL.
struct peer_frame *peer_take(struct peer *p);
// The next frame sent must be this: hex digits, ".." for any byte, a final "*" for any rest.
void peer_expect(struct peer *p, const char *hex);
void peer_expect_none(struct peer *p);
// Forget what was sent.
void peer_flush(struct peer *p);
// Let a timer that must be running expire.
void peer_expire(struct peer *p, enum ppp_timer t);

// Bring LCP up with a peer that asks for nothing and accepts all; frames so far are forgotten.
void peer_open_lcp(struct peer *p);
// Acknowledge the last Configure-Request of this protocol among the frames sent (all are taken).
void peer_ack(struct peer *p, uint16_t proto);

size_t hex_bytes(const char *hex, uint8_t *out, size_t cap);
