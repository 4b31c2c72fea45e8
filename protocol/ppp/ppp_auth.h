// SPDX-License-Identifier: BSD-3-Clause
// PPP authentication: PAP (RFC 1334), CHAP-MD5 (RFC 1994), MS-CHAPv1 (RFC 2433), MS-CHAPv2 (RFC
// 2759), keys (RFC 3079). Pure; any thread; allocates nothing. Intermediate secrets are wiped.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bits, weakest first: a server offers the highest bit left.
#define PPP_AUTH_PAP 0x01
#define PPP_AUTH_CHAP_MD5 0x02
#define PPP_AUTH_MSCHAP1 0x04
#define PPP_AUTH_MSCHAP2 0x08
#define PPP_AUTH_ALL 0x0f

#define PPP_NAME_MAX 255
#define PPP_PASSWORD_MAX 255
#define PPP_CHALLENGE_MAX 32
#define PPP_HLAK_LEN 32

// "pap", "chap", "mschap1", "mschap2"; "none" for 0.
const char *ppp_auth_name(uint32_t method);

// What a peer offered to prove who it is; enough for a local check and for RADIUS.
struct ppp_auth_request {
	uint32_t method; // one PPP_AUTH_* bit
	uint8_t id;      // identifier of the PAP request or CHAP response
	uint8_t name_len;
	uint8_t password_len; // PAP
	uint8_t challenge_len;
	char name[PPP_NAME_MAX + 1];            // NUL added; may hold any byte: quote it in logs
	uint8_t password[PPP_PASSWORD_MAX + 1]; // PAP; wiped after the verdict
	uint8_t challenge[PPP_CHALLENGE_MAX];
	uint8_t response[49]; // CHAP-MD5: 16; MS-CHAP: 49, as on the wire
};

struct ppp_auth_verdict {
	bool ok;
	bool has_keys;              // hlak is real
	uint8_t hlak[PPP_HLAK_LEN]; // [MS-SSTP] 3.2.5.2: as the server sees it
	char mschap2_success[43];   // "S=" and 40 hex digits, NUL; MS-CHAPv2 and ok only
	uint16_t error; // MS-CHAP E= code when !ok: 691 wrong name or password, 646, 647, 648, 649
			// ...
	bool may_retry; // R=1
	char message[128]; // M= / PAP and CHAP text; may be empty
};

// State of an authentication in progress; inside struct ppp_link.
struct ppp_auth_state {
	struct ppp_auth_request req; // server: the challenge sent and the peer's answer; client:
				     // the challenge received
	uint8_t id;        // current challenge or request identifier
	uint8_t tries;     // server: verdicts that were failures with a retry
	uint8_t early_ncp; // client: network frames that came instead of the result
	uint16_t retransmits;
	bool pending; // server: auth_request is out; client: the response is out
	bool done;
	bool ok;
	uint8_t peer_challenge[16];      // client, MS-CHAPv2
	uint8_t nt_response[24];         // client, MS-CHAPv2: to verify the success message
	struct ppp_auth_verdict verdict; // server: kept to answer duplicates
};

// Check a request against the password of a local user and fill in the verdict, keys included.
// password: UTF-8, NUL terminated. A NULL password means an unknown user: the same work is done and
// the verdict is a failure, so that timing does not tell. Returns 0, or -EINVAL for a method it
// does not know.
int ppp_auth_check(
	const struct ppp_auth_request *req, const char *password, struct ppp_auth_verdict *v);

// RFC 2759 8.x and RFC 3079 pieces, public for tests, RADIUS and EAP.
int mschap_nt_password_hash(
	const char *password_utf8, uint8_t hash[16]); // MD4 of UTF-16LE; -EILSEQ for bad UTF-8
void mschap_hash_nt_password_hash(const uint8_t hash[16], uint8_t hash_hash[16]);
void mschap_challenge_response(
	const uint8_t challenge[8], const uint8_t hash[16], uint8_t response[24]);
void mschap2_challenge_hash(const uint8_t peer_challenge[16], const uint8_t auth_challenge[16],
	const char *user_name, size_t user_len,
	uint8_t challenge[8]); // the name without DOMAIN\ (the caller passes it as received; cut
			       // inside)
void mschap2_nt_response(const uint8_t auth_challenge[16], const uint8_t peer_challenge[16],
	const char *user_name, size_t user_len, const uint8_t hash[16], uint8_t response[24]);
void mschap2_authenticator_response(const uint8_t hash[16], const uint8_t nt_response[24],
	const uint8_t peer_challenge[16], const uint8_t auth_challenge[16], const char *user_name,
	size_t user_len, char out[43]);
// HLAK from MS-CHAPv2's keys: the same bytes on both sides (server: MasterReceiveKey |
// MasterSendKey).
void mschap2_hlak(
	const uint8_t hash_hash[16], const uint8_t nt_response[24], uint8_t hlak[PPP_HLAK_LEN]);
// RFC 3079 3.3 GetMasterKey and GetAsymmetricStartKey (16-byte keys).
void mppe_master_key(
	const uint8_t hash_hash[16], const uint8_t nt_response[24], uint8_t master[16]);
void mppe_asymmetric_start_key(
	const uint8_t master[16], bool is_send, bool is_server, uint8_t key[16]);
