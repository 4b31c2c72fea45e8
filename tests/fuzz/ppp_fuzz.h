// SPDX-License-Identifier: BSD-3-Clause
// A PPP link for the fuzz targets: what it does is checked, and what it last asked for can be
// acknowledged, so that the fuzzer gets past the negotiation without guessing magic numbers.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cursor.h"
#include "protocol/ppp/ppp.h"

struct fuzz_link {
	struct ppp_link link;
	uint64_t seed;
	bool timer_on[PPP_N_TIMERS];
	bool hold_verdict, no_ip4;
	bool asked, accepted;
	unsigned int nb_sent, nb_up, nb_down, nb_up6, nb_down6, nb_authenticated;
	bool ended;
	struct ppp_auth_request const *req;
	uint8_t last_request[3][512]; // Configure-Requests sent: LCP, IPCP, IPV6CP
	size_t last_len[3];
};

// A link that is up, of the role and with the methods given; FUZZ_IPV6_* beside them.
#define FUZZ_IPV6_YES 0x10
#define FUZZ_IPV6_REQUIRED 0x20
#define FUZZ_MRRU 0x80 // multilink with short sequence numbers
#define FUZZ_NO_IPV4 0x40
void fuzz_link_make(struct fuzz_link *f, bool server, uint32_t methods);

// Acknowledge the last Configure-Request: 0 LCP, 1 IPCP, 2 IPV6CP.
void fuzz_link_ack(struct fuzz_link *f, int which);

// One received frame, in memory of its exact size.
void fuzz_link_input(struct fuzz_link *f, const uint8_t *frame, size_t len);
// One received packet of a protocol.
void fuzz_link_packet(struct fuzz_link *f, uint16_t proto, const uint8_t *packet, size_t len);

// LCP is opened with a peer that agrees to all; a client is asked for its strongest method.
void fuzz_link_open(struct fuzz_link *f);
// The right answer to the authentication that is going on; false when there is none to give.
void fuzz_link_prove(struct fuzz_link *f);
void fuzz_link_verdict(struct fuzz_link *f, bool ok);

void fuzz_link_timeout(struct fuzz_link *f, enum ppp_timer t);

// Check what must always hold, and free the link.
void fuzz_link_end(struct fuzz_link *f);

// Run a script: operations and frames, as the bytes say; see the table in ppp_fuzz.c.
void fuzz_link_script(struct fuzz_link *f, struct cursor c);
