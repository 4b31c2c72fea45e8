// SPDX-License-Identifier: BSD-3-Clause
// What the files of protocol/ppp share with each other and nobody else uses.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/ppp/ppp.h"
#include "protocol/ppp/ppp_fsm.h"

extern const struct ppp_cp ppp_lcp;
extern const struct ppp_cp ppp_ipcp;
extern const struct ppp_cp ppp_ipv6cp;

#define PPP_CHAP_MD5_ALGORITHM 5
#define PPP_CHAP_MSCHAP1_ALGORITHM 128
#define PPP_CHAP_MSCHAP2_ALGORITHM 129
#define PPP_MSCHAP_RESPONSE_LEN 49
#define PPP_CHAP_MD5_LEN 16

// How long the answer to a Terminate-Request lingers: the transport is reliable, so it need not be
// the restart interval of a serial line (RFC 1661 4.4, zrc: "an appropriate value").
#define PPP_LINGER_MS 100

static inline bool ppp_is_chap(uint32_t method)
{
	return method & (PPP_AUTH_CHAP_MD5 | PPP_AUTH_MSCHAP1 | PPP_AUTH_MSCHAP2);
}

// The strongest method of a set, 0 for none.
uint32_t ppp_auth_strongest(uint32_t methods);

// Around every public call that may end the link. They nest (a verdict may be given from inside
// auth_request): the outermost one reports the end, as the last thing it does.
void ppp_enter(struct ppp_link *l);
void ppp_leave(struct ppp_link *l);

// Begin to end the link: Terminate-Request with text, or with the reason's own when NULL. The first
// reason stays. Does nothing to a link that is ending.
void ppp_end_link(struct ppp_link *l, enum ppp_end why, const char *text);

// Keep the peer's last words for down().
void ppp_keep_message(struct ppp_link *l, const uint8_t *text, size_t n);

// LCP is open: ask for authentication, or go on.
void ppp_auth_start(struct ppp_link *l);
// LCP is no longer open.
void ppp_auth_stop(struct ppp_link *l);
void ppp_auth_timeout(struct ppp_link *l);
// Server: as.req is complete: ask the owner.
void ppp_auth_ask(struct ppp_link *l);
// Authentication succeeded (or none was asked for): on to the network phase. hlak NULL: no keys.
void ppp_auth_succeeded(struct ppp_link *l, const uint8_t *hlak);
// Client: it failed, in the server's words.
void ppp_auth_failed(struct ppp_link *l, struct cursor text);
// The header of a packet of PAP or CHAP; *data is what it says it holds. false: drop it, for it is
// malformed, or not of this phase.
bool ppp_auth_read(const struct ppp_link *l, struct cursor *c, uint8_t *code, uint8_t *id,
	struct cursor *data);
// Server: set the name in as.req. Returns false when the link was authenticated under another name.
bool ppp_auth_set_name(struct ppp_link *l, const uint8_t *name, size_t len);
// Client: a network frame came where the result of the authentication is owed.
void ppp_auth_early_ncp(struct ppp_link *l);

void ppp_pap_input(struct ppp_link *l, struct cursor c);
void ppp_pap_send_request(struct ppp_link *l);
void ppp_pap_send_verdict(struct ppp_link *l);

// RFC 1994 4.1: MD5 of identifier, secret and challenge.
void ppp_chap_md5(uint8_t id, const char *password, const uint8_t *challenge, size_t len,
	uint8_t response[PPP_CHAP_MD5_LEN]);
void ppp_chap_input(struct ppp_link *l, struct cursor c);
void ppp_chap_new_challenge(struct ppp_link *l);
void ppp_chap_send_challenge(struct ppp_link *l);
void ppp_chap_send_response(struct ppp_link *l);
void ppp_chap_send_verdict(struct ppp_link *l);

// Network phase: start IPCP and IPV6CP, once the addresses are known.
void ppp_network_start(struct ppp_link *l);
// LCP is no longer open.
void ppp_network_stop(struct ppp_link *l);
// A frame of IPCP or IPV6CP.
void ppp_network_input(struct ppp_link *l, const struct ppp_cp *cp, struct cursor c);
// This-Layer-Finished of IPCP or IPV6CP: the link ends unless the other is of use without it.
void ppp_ncp_finished(struct ppp_link *l, const struct ppp_cp *cp);
// cp does not converge: the link ends for this reason, or cp alone when it can be done without.
void ppp_cp_failed(struct ppp_link *l, const struct ppp_cp *cp, enum ppp_end why);
// The peer Protocol-Rejects IPCP or IPV6CP.
void ppp_ncp_rejected(struct ppp_link *l, const struct ppp_cp *cp);
bool ppp_has_ip6(const struct ppp_link *l);
// An interface identifier, if there is none yet.
void ppp_ipv6cp_prepare(struct ppp_link *l);

void ppp_lcp_init(struct ppp_link *l);
void ppp_lcp_protocol_reject(
	struct ppp_link *l, uint16_t proto, const uint8_t *info, size_t info_len);
void ppp_lcp_echo_timeout(struct ppp_link *l);
