// SPDX-License-Identifier: BSD-3-Clause
// The authentication phase: what PAP and CHAP have in common.
#include "base/secret.h"
#include "protocol/ppp/ppp_internal.h"

// Network frames that may come in place of the authentication's result before a client gives up:
// the first ones are answered by showing the response once more, in case the result was lost.
#define MAX_EARLY_NCP 3

// Forget everything but the identifier, which must not repeat, and the name, which must stay.
static void reset(struct ppp_auth_state *as)
{
	struct ppp_auth_request *req = &as->req;

	secret_wipe(req->password, sizeof(req->password));
	secret_wipe(req->challenge, sizeof(req->challenge));
	secret_wipe(req->response, sizeof(req->response));
	secret_wipe(as->peer_challenge, sizeof(as->peer_challenge));
	secret_wipe(as->nt_response, sizeof(as->nt_response));
	secret_wipe(&as->verdict, sizeof(as->verdict));
	req->password_len = req->challenge_len = 0;
	as->tries = as->early_ncp = 0;
	as->retransmits = 0;
	as->pending = as->done = as->ok = false;
}

static void timer_start(struct ppp_link *l, uint32_t ms)
{
	l->ops->timer_start(l->user, PPP_TIMER_AUTH, ms);
}

// The time until something is sent again.
static uint32_t restart_ms(const struct ppp_link *l)
{
	const struct ppp_conf *c = &l->conf;

	return c->restart_ms < c->auth_timeout_ms ? c->restart_ms : c->auth_timeout_ms;
}

// Server with CHAP and client with PAP speak first, and again until they are heard.
static bool speaks_first(const struct ppp_link *l)
{
	return l->conf.server == ppp_is_chap(l->auth);
}

static void speak(struct ppp_link *l)
{
	if (l->conf.server)
		ppp_chap_send_challenge(l);
	else
		ppp_pap_send_request(l);
}

void ppp_auth_start(struct ppp_link *l)
{
	reset(&l->as);
	if (!l->auth) {
		ppp_auth_succeeded(l, NULL);
		return;
	}
	l->phase = PPP_PHASE_AUTHENTICATE;
	if (!speaks_first(l)) {
		timer_start(l, l->conf.auth_timeout_ms);
		return;
	}
	if (l->conf.server)
		ppp_chap_new_challenge(l);
	else
		l->as.id++;
	timer_start(l, restart_ms(l));
	speak(l);
}

void ppp_auth_stop(struct ppp_link *l)
{
	l->ops->timer_stop(l->user, PPP_TIMER_AUTH);
	reset(&l->as);
}

void ppp_auth_timeout(struct ppp_link *l)
{
	struct ppp_auth_state *as = &l->as;

	if (l->phase != PPP_PHASE_AUTHENTICATE || (l->conf.server && as->pending))
		return;
	// After an MS-CHAP Failure with R=1 somebody types a new password: no challenge meanwhile.
	if (!speaks_first(l) || as->tries ||
		(uint64_t)++as->retransmits * restart_ms(l) >= l->conf.auth_timeout_ms) {
		ppp_end_link(l, PPP_END_AUTH_TIMEOUT, NULL);
		return;
	}
	timer_start(l, restart_ms(l));
	speak(l);
}

bool ppp_auth_set_name(struct ppp_link *l, const uint8_t *name, size_t len)
{
	struct ppp_auth_request *req = &l->as.req;

	if (l->was_authenticated && (len != req->name_len || !secret_equal(name, req->name, len))) {
		ppp_end_link(l, PPP_END_AUTH_FAILED, NULL);
		return false;
	}
	memcpy(req->name, name, len);
	req->name[len] = '\0';
	req->name_len = (uint8_t)len;
	return true;
}

void ppp_auth_ask(struct ppp_link *l)
{
	l->as.pending = true;
	l->ops->timer_stop(l->user, PPP_TIMER_AUTH);
	l->ops->auth_request(l->user, &l->as.req);
}

void ppp_auth_succeeded(struct ppp_link *l, const uint8_t *hlak)
{
	static const uint8_t no_keys[PPP_HLAK_LEN];
	bool first = !l->was_authenticated;

	if (l->auth && l->phase == PPP_PHASE_AUTHENTICATE)
		l->ops->timer_stop(l->user, PPP_TIMER_AUTH);
	l->as.done = l->as.ok = true;
	l->was_authenticated = true;
	l->phase = PPP_PHASE_NETWORK;
	if (first)
		l->ops->authenticated(l->user, hlak ? hlak : no_keys, hlak != NULL);
	ppp_network_start(l);
}

void ppp_auth_failed(struct ppp_link *l, struct cursor text)
{
	ppp_keep_message(l, text.p, cur_left(&text));
	ppp_end_link(l, PPP_END_AUTH_FAILED, NULL);
}

bool ppp_auth_read(
	const struct ppp_link *l, struct cursor *c, uint8_t *code, uint8_t *id, struct cursor *data)
{
	uint16_t len;

	if (l->phase != PPP_PHASE_AUTHENTICATE && l->phase != PPP_PHASE_NETWORK)
		return false;
	return !(cur_u8(c, code) || cur_u8(c, id) || cur_u16(c, &len) || len < 4 ||
		 cur_sub(c, data, len - 4u));
}

void ppp_auth_early_ncp(struct ppp_link *l)
{
	if (!l->as.pending || !ppp_is_chap(l->auth))
		return;
	if (++l->as.early_ncp <= MAX_EARLY_NCP)
		ppp_chap_send_response(l);
	else if (l->auth == PPP_AUTH_MSCHAP2)
		ppp_end_link(l, PPP_END_PEER_AUTH_FAILED, NULL);
}

// Verdicts

static void send_verdict(struct ppp_link *l)
{
	if (l->auth == PPP_AUTH_PAP)
		ppp_pap_send_verdict(l);
	else
		ppp_chap_send_verdict(l);
}

// [MS-SSTP] 3.2.5.2: only MS-CHAPv2 makes keys here; without them, or without the text that proves
// this side to the peer, its success is none.
static bool is_complete(const struct ppp_link *l, const struct ppp_auth_verdict *v)
{
	if (l->auth != PPP_AUTH_MSCHAP2)
		return true;
	return v->has_keys && v->mschap2_success[0] == 'S' && v->mschap2_success[1] == '=' &&
	       strnlen(v->mschap2_success, sizeof(v->mschap2_success)) == 42;
}

static void accept_peer(struct ppp_link *l)
{
	uint8_t hlak[PPP_HLAK_LEN];
	bool has_keys = l->auth == PPP_AUTH_MSCHAP2;

	memcpy(hlak, l->as.verdict.hlak, sizeof(hlak));
	secret_wipe(l->as.verdict.hlak, sizeof(l->as.verdict.hlak));
	send_verdict(l);
	ppp_auth_succeeded(l, has_keys ? hlak : NULL);
	secret_wipe(hlak, sizeof(hlak));
}

static void refuse_peer(struct ppp_link *l)
{
	struct ppp_auth_verdict *v = &l->as.verdict;
	bool is_mschap = l->auth & (PPP_AUTH_MSCHAP1 | PPP_AUTH_MSCHAP2);

	if (!v->error)
		v->error = 691;
	v->may_retry = is_mschap && v->may_retry && l->as.tries < l->conf.max_auth_retries;
	if (is_mschap)
		ppp_chap_new_challenge(l);
	send_verdict(l);
	if (!v->may_retry) {
		ppp_end_link(l, PPP_END_AUTH_FAILED, NULL);
		return;
	}
	l->as.tries++;
	timer_start(l, l->conf.auth_timeout_ms);
}

static void decide(struct ppp_link *l, const struct ppp_auth_verdict *v)
{
	struct ppp_auth_state *as = &l->as;

	as->pending = false;
	as->verdict = *v;
	secret_wipe(as->req.password, sizeof(as->req.password));
	as->req.password_len = 0;
	if (v->ok && is_complete(l, v)) {
		accept_peer(l);
		return;
	}
	if (v->ok) {
		as->verdict = (struct ppp_auth_verdict){.error = 691};
		memcpy(as->verdict.message, "No keys for this session", 25);
	}
	secret_wipe(as->verdict.hlak, sizeof(as->verdict.hlak));
	refuse_peer(l);
}

void ppp_auth_verdict(struct ppp_link *l, const struct ppp_auth_verdict *v)
{
	if (!l->conf.server || l->phase != PPP_PHASE_AUTHENTICATE || !l->as.pending)
		return;
	ppp_enter(l);
	decide(l, v);
	ppp_leave(l);
}
