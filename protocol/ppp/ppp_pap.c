// SPDX-License-Identifier: BSD-3-Clause
// Password Authentication Protocol, RFC 1334 section 2.
#include "base/secret.h"
#include "protocol/ppp/ppp_internal.h"

enum pap_code { PAP_AUTHENTICATE_REQUEST = 1, PAP_AUTHENTICATE_ACK, PAP_AUTHENTICATE_NAK };

void ppp_pap_send_request(struct ppp_link *l)
{
	size_t user_len = strnlen(l->conf.user, PPP_NAME_MAX);
	size_t password_len = strnlen(l->conf.password, PPP_PASSWORD_MAX);
	struct ppp_packet pkt;

	l->as.pending = true;
	ppp_packet_begin(&pkt, PPP_DEFAULT_MRU, PPP_PROTO_PAP, PAP_AUTHENTICATE_REQUEST, l->as.id);
	wr_u8(&pkt.w, (uint8_t)user_len);
	wr_bytes(&pkt.w, l->conf.user, user_len);
	wr_u8(&pkt.w, (uint8_t)password_len);
	wr_bytes(&pkt.w, l->conf.password, password_len);
	ppp_packet_send(l, &pkt);
	secret_wipe(pkt.buf, wr_len(&pkt.w));
}

void ppp_pap_send_verdict(struct ppp_link *l)
{
	const struct ppp_auth_verdict *v = &l->as.verdict;
	const char *text = v->message[0] ? v->message : v->ok ? "Login ok" : "Access denied";
	size_t len = strnlen(text, sizeof(v->message));
	struct ppp_packet pkt;

	ppp_packet_begin(&pkt, PPP_DEFAULT_MRU, PPP_PROTO_PAP,
		v->ok ? PAP_AUTHENTICATE_ACK : PAP_AUTHENTICATE_NAK, l->as.id);
	wr_u8(&pkt.w, (uint8_t)len);
	wr_bytes(&pkt.w, text, len);
	ppp_packet_send(l, &pkt);
}

static bool same_credentials(
	const struct ppp_auth_request *req, struct cursor name, struct cursor password)
{
	return cur_left(&name) == req->name_len && cur_left(&password) == req->password_len &&
	       secret_equal(name.p, req->name, req->name_len) &&
	       secret_equal(password.p, req->password, req->password_len);
}

// Server.
static void input_request(struct ppp_link *l, uint8_t id, struct cursor c)
{
	struct ppp_auth_state *as = &l->as;
	struct cursor name, password;
	uint8_t name_len, password_len;

	if (cur_u8(&c, &name_len) || cur_sub(&c, &name, name_len) || cur_u8(&c, &password_len) ||
		cur_sub(&c, &password, password_len))
		return;
	// A retransmission, often under a new identifier: the answer will carry the last one.
	if (as->pending) {
		if (same_credentials(&as->req, name, password))
			as->id = id;
		return;
	}
	as->id = id;
	if (as->done) {
		ppp_pap_send_verdict(l);
		return;
	}
	if (!ppp_auth_set_name(l, name.p, cur_left(&name)))
		return;
	as->req.method = PPP_AUTH_PAP;
	as->req.id = id;
	as->req.password_len = password_len;
	memcpy(as->req.password, password.p, password_len);
	as->req.password[password_len] = '\0';
	ppp_auth_ask(l);
}

// Client.
static void input_result(struct ppp_link *l, uint8_t code, uint8_t id, struct cursor c)
{
	uint8_t text_len = 0;
	struct cursor text;

	if (!l->as.pending || id != l->as.id)
		return;
	// Some servers leave the text out altogether.
	if (cur_left(&c) && (cur_u8(&c, &text_len) || text_len > cur_left(&c)))
		text_len = (uint8_t)cur_left(&c);
	(void)cur_sub(&c, &text, text_len);
	l->as.pending = false;
	if (code == PAP_AUTHENTICATE_ACK) {
		ppp_auth_succeeded(l, NULL);
		return;
	}
	ppp_auth_failed(l, text);
}

void ppp_pap_input(struct ppp_link *l, struct cursor c)
{
	struct cursor data;
	uint8_t code, id;

	if (l->auth != PPP_AUTH_PAP || !ppp_auth_read(l, &c, &code, &id, &data))
		return;
	if (l->conf.server && code == PAP_AUTHENTICATE_REQUEST)
		input_request(l, id, data);
	else if (!l->conf.server && (code == PAP_AUTHENTICATE_ACK || code == PAP_AUTHENTICATE_NAK))
		input_result(l, code, id, data);
}
