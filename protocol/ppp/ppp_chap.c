// SPDX-License-Identifier: BSD-3-Clause
// Challenge Handshake Authentication Protocol with MD5 (RFC 1994), MS-CHAPv1 (RFC 2433) and
// MS-CHAPv2 (RFC 2759).
#include <nettle/md5.h>
#include <stdio.h>

#include "base/secret.h"
#include "protocol/ppp/ppp_internal.h"

enum chap_code { CHAP_CHALLENGE = 1, CHAP_RESPONSE, CHAP_SUCCESS, CHAP_FAILURE };

#define MSCHAP2_SUCCESS_LEN 42 // "S=" and 40 hex digits

static uint8_t challenge_len(uint32_t method)
{
	return method == PPP_AUTH_MSCHAP1 ? 8 : 16;
}

static uint8_t response_len(uint32_t method)
{
	return method == PPP_AUTH_CHAP_MD5 ? PPP_CHAP_MD5_LEN : PPP_MSCHAP_RESPONSE_LEN;
}

void ppp_chap_md5(uint8_t id, const char *password, const uint8_t *challenge, size_t len,
	uint8_t response[PPP_CHAP_MD5_LEN])
{
	struct md5_ctx md5;

	md5_init(&md5);
	md5_update(&md5, 1, &id);
	md5_update(&md5, strlen(password), (const uint8_t *)password);
	md5_update(&md5, len, challenge);
	md5_digest(&md5, PPP_CHAP_MD5_LEN, response);
	secret_wipe(&md5, sizeof(md5));
}

static void send_value(struct ppp_link *l, uint8_t code, uint8_t id, const uint8_t *value,
	uint8_t len, const char *name)
{
	struct ppp_packet pkt;

	ppp_packet_begin(&pkt, PPP_DEFAULT_MRU, PPP_PROTO_CHAP, code, id);
	wr_u8(&pkt.w, len);
	wr_bytes(&pkt.w, value, len);
	ppp_packet_append(&pkt, name, strnlen(name, PPP_NAME_MAX));
	ppp_packet_send(l, &pkt);
}

// Server

void ppp_chap_new_challenge(struct ppp_link *l)
{
	struct ppp_auth_request *req = &l->as.req;

	l->as.id++;
	req->challenge_len = challenge_len(l->auth);
	l->ops->random(l->user, req->challenge, req->challenge_len);
}

void ppp_chap_send_challenge(struct ppp_link *l)
{
	const struct ppp_auth_request *req = &l->as.req;

	send_value(
		l, CHAP_CHALLENGE, l->as.id, req->challenge, req->challenge_len, l->conf.hostname);
}

// RFC 2759 6, RFC 2433 6: the text of a Failure is part of the protocol.
static int mschap_failure_text(const struct ppp_link *l, char *text, size_t cap)
{
	const struct ppp_auth_verdict *v = &l->as.verdict;
	const struct ppp_auth_request *req = &l->as.req;
	char hex[2 * PPP_CHALLENGE_MAX + 1];

	for (int i = 0; i < req->challenge_len; i++)
		snprintf(hex + 2 * i, 3, "%02X", req->challenge[i]);
	return snprintf(text, cap, "E=%u R=%d C=%s V=%d M=%.*s", v->error, v->may_retry, hex,
		l->auth == PPP_AUTH_MSCHAP2 ? 3 : 2, (int)sizeof(v->message),
		v->message[0] ? v->message : "Access denied");
}

void ppp_chap_send_verdict(struct ppp_link *l)
{
	const struct ppp_auth_verdict *v = &l->as.verdict;
	const char *message = v->message[0] ? v->message : "Access granted";
	struct ppp_packet pkt;
	char text[320];
	int len;

	if (v->ok && l->auth == PPP_AUTH_MSCHAP2)
		len = snprintf(text, sizeof(text), "%s M=%.*s", v->mschap2_success,
			(int)sizeof(v->message), message);
	else if (v->ok)
		len = snprintf(text, sizeof(text), "%.*s", (int)sizeof(v->message), message);
	else if (l->auth == PPP_AUTH_CHAP_MD5)
		len = snprintf(text, sizeof(text), "%.*s", (int)sizeof(v->message),
			v->message[0] ? v->message : "Access denied");
	else
		len = mschap_failure_text(l, text, sizeof(text));
	ppp_packet_begin(&pkt, PPP_DEFAULT_MRU, PPP_PROTO_CHAP, v->ok ? CHAP_SUCCESS : CHAP_FAILURE,
		l->as.req.id);
	ppp_packet_append(&pkt, text, (size_t)len);
	ppp_packet_send(l, &pkt);
}

// Whether a Response under this identifier is to be judged now. A retry after an MS-CHAP Failure
// comes under the next identifier, from some peers under the old one.
static bool response_wanted(const struct ppp_link *l, uint8_t id)
{
	const struct ppp_auth_state *as = &l->as;

	return id == as->id || (as->tries && id == (uint8_t)(as->id - 1));
}

static void input_response(struct ppp_link *l, uint8_t id, struct cursor c)
{
	struct ppp_auth_state *as = &l->as;
	struct cursor value;
	uint8_t len;

	if (cur_u8(&c, &len) || cur_sub(&c, &value, len) || len != response_len(l->auth) ||
		cur_left(&c) > PPP_NAME_MAX || as->pending)
		return;
	if ((as->done || as->tries) && id == as->req.id &&
		secret_equal(value.p, as->req.response, len)) {
		ppp_chap_send_verdict(l);
		return;
	}
	if (as->done || !response_wanted(l, id) || !ppp_auth_set_name(l, c.p, cur_left(&c)))
		return;
	as->req.method = l->auth;
	as->req.id = id;
	memcpy(as->req.response, value.p, len);
	ppp_auth_ask(l);
}

// Client

void ppp_chap_send_response(struct ppp_link *l)
{
	send_value(l, CHAP_RESPONSE, l->as.req.id, l->as.req.response, response_len(l->auth),
		l->conf.user);
}

static int make_mschap_response(struct ppp_link *l, const uint8_t *challenge)
{
	struct ppp_auth_state *as = &l->as;
	uint8_t *response = as->req.response, hash[16];
	int rc = mschap_nt_password_hash(l->conf.password, hash);

	memset(response, 0, PPP_MSCHAP_RESPONSE_LEN);
	if (l->auth == PPP_AUTH_MSCHAP1) {
		mschap_challenge_response(challenge, hash, response + 24);
		response[48] = 1;
	} else {
		l->ops->random(l->user, as->peer_challenge, sizeof(as->peer_challenge));
		memcpy(response, as->peer_challenge, sizeof(as->peer_challenge));
		mschap2_nt_response(challenge, as->peer_challenge, l->conf.user,
			strnlen(l->conf.user, PPP_NAME_MAX), hash, as->nt_response);
		memcpy(response + 24, as->nt_response, sizeof(as->nt_response));
	}
	secret_wipe(hash, sizeof(hash));
	return rc;
}

static int make_response(struct ppp_link *l, uint8_t id, struct cursor challenge)
{
	struct ppp_auth_request *req = &l->as.req;
	size_t len = cur_left(&challenge);

	req->method = l->auth;
	req->id = id;
	if (l->auth == PPP_AUTH_CHAP_MD5) {
		ppp_chap_md5(id, l->conf.password, challenge.p, len, req->response);
		return 0;
	}
	req->challenge_len = (uint8_t)len;
	memcpy(req->challenge, challenge.p, len);
	return make_mschap_response(l, challenge.p);
}

static bool same_challenge(const struct ppp_link *l, uint8_t id, struct cursor challenge)
{
	const struct ppp_auth_request *req = &l->as.req;

	return l->auth != PPP_AUTH_CHAP_MD5 && req->challenge_len && id == req->id &&
	       secret_equal(challenge.p, req->challenge, req->challenge_len);
}

static void input_challenge(struct ppp_link *l, uint8_t id, struct cursor c)
{
	struct cursor challenge;
	uint8_t len;

	// Nothing can be answered to it, and on a reliable transport there is no better one to
	// come.
	if (cur_u8(&c, &len) || cur_sub(&c, &challenge, len) || !len ||
		(l->auth != PPP_AUTH_CHAP_MD5 && len != challenge_len(l->auth))) {
		ppp_end_link(l, PPP_END_BAD_CHALLENGE, NULL);
		return;
	}
	// A retransmitted challenge gets the same response, or the result could not be verified.
	if (!same_challenge(l, id, challenge) && make_response(l, id, challenge)) {
		ppp_end_link(l, PPP_END_AUTH_FAILED, NULL); // the password is no UTF-8
		return;
	}
	l->as.pending = true;
	ppp_chap_send_response(l);
}

// RFC 2759 8.8: does the server know the password? Fills in the keys that follow from it.
static bool verify_mschap2_success(
	struct ppp_link *l, struct cursor text, uint8_t hlak[PPP_HLAK_LEN])
{
	struct ppp_auth_state *as = &l->as;
	uint8_t hash[16], hash_hash[16], diff = 0;
	char right[MSCHAP2_SUCCESS_LEN + 1];

	if (cur_left(&text) < MSCHAP2_SUCCESS_LEN ||
		mschap_nt_password_hash(l->conf.password, hash))
		return false;
	mschap2_authenticator_response(hash, as->nt_response, as->peer_challenge, as->req.challenge,
		l->conf.user, strnlen(l->conf.user, PPP_NAME_MAX), right);
	for (int i = 0; i < MSCHAP2_SUCCESS_LEN; i++) {
		uint8_t c = text.p[i];

		if (c >= 'a' && c <= 'f') // RFC 2759 5 wants capitals; not every server obeys
			c -= 'a' - 'A';
		diff |= c ^ (uint8_t)right[i];
	}
	mschap_hash_nt_password_hash(hash, hash_hash);
	mschap2_hlak(hash_hash, as->nt_response, hlak);
	secret_wipe(hash, sizeof(hash));
	secret_wipe(hash_hash, sizeof(hash_hash));
	return diff == 0;
}

static void input_success(struct ppp_link *l, struct cursor text)
{
	uint8_t hlak[PPP_HLAK_LEN] = {0};

	if (l->auth != PPP_AUTH_MSCHAP2)
		ppp_auth_succeeded(l, NULL);
	else if (verify_mschap2_success(l, text, hlak))
		ppp_auth_succeeded(l, hlak);
	else
		ppp_end_link(l, PPP_END_PEER_AUTH_FAILED, NULL);
	secret_wipe(hlak, sizeof(hlak));
}

static void input_result(struct ppp_link *l, uint8_t code, uint8_t id, struct cursor text)
{
	if (!l->as.pending || id != l->as.req.id)
		return;
	l->as.pending = false;
	if (code == CHAP_SUCCESS) {
		input_success(l, text);
		return;
	}
	ppp_auth_failed(l, text);
}

void ppp_chap_input(struct ppp_link *l, struct cursor c)
{
	struct cursor data;
	uint8_t code, id;

	if (!ppp_is_chap(l->auth) || !ppp_auth_read(l, &c, &code, &id, &data))
		return;
	if (l->conf.server && code == CHAP_RESPONSE)
		input_response(l, id, data);
	else if (!l->conf.server && code == CHAP_CHALLENGE)
		input_challenge(l, id, data);
	else if (!l->conf.server && (code == CHAP_SUCCESS || code == CHAP_FAILURE))
		input_result(l, code, id, data);
}
