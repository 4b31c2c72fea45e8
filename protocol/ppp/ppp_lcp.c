// SPDX-License-Identifier: BSD-3-Clause
// The Link Control Protocol: RFC 1661 5 and 6, and the options of RFC 1990 when multilink is
// wanted. Callback and others that real peers ask for are rejected.
#include "protocol/ppp/ppp_internal.h"

enum lcp_option { // RFC 1661 6, RFC 1662 7.1
	LCP_OPT_MRU = 1,
	LCP_OPT_ASYNC_MAP = 2,
	LCP_OPT_AUTH = 3,
	LCP_OPT_MAGIC = 5,
	LCP_OPT_PFC = 7,
	LCP_OPT_ACFC = 8,
	LCP_OPT_MRRU = 17, // RFC 1990 5.1
	LCP_OPT_SHORT_SEQ = 18,
	LCP_OPT_ENDPOINT = 19,
};

// Requests that carried our own magic number before the line is called looped back: each had its
// number refused and replaced by a random one.
#define MAX_LOOPS 3

#define ENDPOINT_MAGIC_BLOCK 4 // class, RFC 1990 5.1.3
#define ENDPOINT_MAX 20        // bytes of an address of any class

static uint32_t random_magic(struct ppp_link *l)
{
	uint32_t magic = 0;

	l->ops->random(l->user, &magic, sizeof(magic));
	return magic ? magic : 1;
}

// Authentication-Protocol

static void put_auth(struct writer *w, uint32_t method)
{
	static const uint8_t algorithm[] = {
		[PPP_AUTH_CHAP_MD5] = PPP_CHAP_MD5_ALGORITHM,
		[PPP_AUTH_MSCHAP1] = PPP_CHAP_MSCHAP1_ALGORITHM,
		[PPP_AUTH_MSCHAP2] = PPP_CHAP_MSCHAP2_ALGORITHM,
	};

	if (method == PPP_AUTH_PAP) {
		wr_u16(w, PPP_PROTO_PAP);
		return;
	}
	wr_u16(w, PPP_PROTO_CHAP);
	wr_u8(w, algorithm[method]);
}

// The PPP_AUTH_* bit of an option's value, 0 for what is not known.
static uint32_t get_auth(const struct ppp_option *o)
{
	struct cursor c = cursor_make(o->value, o->len);
	uint8_t algorithm;
	uint16_t proto;

	if (cur_u16(&c, &proto))
		return 0;
	if (proto == PPP_PROTO_PAP)
		return cur_left(&c) ? 0 : PPP_AUTH_PAP;
	if (proto != PPP_PROTO_CHAP || cur_u8(&c, &algorithm) || cur_left(&c))
		return 0;
	switch (algorithm) {
	case PPP_CHAP_MD5_ALGORITHM:
		return PPP_AUTH_CHAP_MD5;
	case PPP_CHAP_MSCHAP1_ALGORITHM:
		return PPP_AUTH_MSCHAP1;
	case PPP_CHAP_MSCHAP2_ALGORITHM:
		return PPP_AUTH_MSCHAP2;
	default:
		return 0;
	}
}

// What to tell a reader, should it come to nothing.
static void note_refused(struct ppp_link *l, const struct ppp_option *o)
{
	struct cursor c = cursor_make(o->value, o->len);

	l->auth_refused = !l->conf.server;
	l->refused_auth = 0;
	l->refused_algorithm = 0;
	(void)(cur_u16(&c, &l->refused_auth) || cur_u8(&c, &l->refused_algorithm));
}

// Client: the server says how it wants us to prove who we are.
static void check_auth(struct ppp_link *l, const struct ppp_option *o, struct ppp_reply *r)
{
	uint8_t buf[3];
	struct writer w = writer_make(buf, sizeof(buf));

	note_refused(l, o);
	if (l->conf.server || !l->conf.auth_methods) {
		ppp_reply_reject(r, o);
	} else if (get_auth(o) & l->conf.auth_methods) {
		l->auth_refused = false;
		ppp_reply_ack(r, o);
	} else {
		put_auth(&w, ppp_auth_strongest(l->conf.auth_methods));
		ppp_reply_nak(r, o, buf, (uint8_t)wr_len(&w));
	}
}

// Server: the peer does not want the offered method; suggestion is what it would take, or 0.
static void auth_refused(struct ppp_link *l, uint32_t suggestion)
{
	if (!l->offered_auth)
		return;
	l->auth_left &= ~l->offered_auth;
	if (suggestion & l->auth_left)
		l->offered_auth = suggestion;
	else
		l->offered_auth = ppp_auth_strongest(l->auth_left);
	if (!l->offered_auth)
		ppp_end_link(l, PPP_END_AUTH_REFUSED, NULL);
}

// What the peer asks for

static void check_mru(const struct ppp_option *o, struct ppp_reply *r)
{
	uint8_t least[2];

	if (o->len != 2) {
		ppp_reply_reject(r, o);
	} else if ((o->value[0] << 8 | o->value[1]) < PPP_MIN_MRU) {
		wr_put_u16(least, PPP_MIN_MRU);
		ppp_reply_nak(r, o, least, sizeof(least));
	} else {
		ppp_reply_ack(r, o);
	}
}

static uint32_t get_u32(const struct ppp_option *o)
{
	struct cursor c = cursor_make(o->value, o->len);
	uint32_t v = 0;

	(void)cur_u32(&c, &v);
	return v;
}

static void check_magic(struct ppp_link *l, const struct ppp_option *o, struct ppp_reply *r)
{
	uint32_t magic;

	if (o->len != 4) {
		ppp_reply_reject(r, o);
		return;
	}
	magic = get_u32(o);
	if (magic && magic != l->magic) {
		ppp_reply_ack(r, o);
		return;
	}
	if (magic && ++l->nb_loops >= MAX_LOOPS) {
		ppp_end_link(l, PPP_END_LOOPED_BACK, NULL);
		return;
	}
	// RFC 1661 6.4: any other number; zero is never one.
	magic = random_magic(l);
	ppp_reply_nak(r, o, &magic, sizeof(magic));
}

static void check_flag(const struct ppp_option *o, struct ppp_reply *r, uint8_t len)
{
	if (o->len == len)
		ppp_reply_ack(r, o);
	else
		ppp_reply_reject(r, o);
}

// Multilink: RFC 1990 5.1.

static void check_mrru(struct ppp_link *l, const struct ppp_option *o, struct ppp_reply *r)
{
	uint8_t least[2];

	if (!l->conf.mrru || o->len != 2) {
		ppp_reply_reject(r, o);
	} else if ((o->value[0] << 8 | o->value[1]) < PPP_MIN_MRRU) {
		// Every implementation must be able to put this much together.
		wr_put_u16(least, PPP_DEFAULT_MRU);
		ppp_reply_nak(r, o, least, sizeof(least));
	} else {
		ppp_reply_ack(r, o);
	}
}

// Whose endpoint it is makes no difference: no two links are one bundle.
static void check_endpoint(struct ppp_link *l, const struct ppp_option *o, struct ppp_reply *r)
{
	if (!l->conf.mrru || o->len < 1 || o->len > 1 + ENDPOINT_MAX)
		ppp_reply_reject(r, o);
	else
		ppp_reply_ack(r, o);
}

static void check_short_seq(struct ppp_link *l, const struct ppp_option *o, struct ppp_reply *r)
{
	if (l->conf.mrru)
		check_flag(o, r, 0);
	else
		ppp_reply_reject(r, o);
}

static void lcp_check_option(struct ppp_link *l, const struct ppp_option *o, struct ppp_reply *r)
{
	switch (o->type) {
	case LCP_OPT_MRU:
		check_mru(o, r);
		break;
	case LCP_OPT_AUTH:
		check_auth(l, o, r);
		break;
	case LCP_OPT_MAGIC:
		check_magic(l, o, r);
		break;
	case LCP_OPT_ASYNC_MAP: // pppd asks for it everywhere; without HDLC it has no effect
		check_flag(o, r, 4);
		break;
	case LCP_OPT_PFC:
	case LCP_OPT_ACFC:
		check_flag(o, r, 0);
		break;
	case LCP_OPT_MRRU:
		check_mrru(l, o, r);
		break;
	case LCP_OPT_SHORT_SEQ:
		check_short_seq(l, o, r);
		break;
	case LCP_OPT_ENDPOINT:
		check_endpoint(l, o, r);
		break;
	default: // callback, ...
		ppp_reply_reject(r, o);
	}
}

static void lcp_commit(struct ppp_link *l, struct cursor options)
{
	struct ppp_option o;

	l->peer_mru = PPP_DEFAULT_MRU;
	l->peer_magic = 0;
	l->peer_pfc = l->peer_acfc = false;
	l->peer_mrru = 0;
	l->peer_short_seq = false;
	if (!l->conf.server)
		l->auth = 0;
	l->auth_refused = false; // what this request has is agreed to
	while (cur_left(&options) && !ppp_option_next(&options, &o)) {
		if (o.type == LCP_OPT_MRU)
			l->peer_mru = (uint16_t)(o.value[0] << 8 | o.value[1]);
		else if (o.type == LCP_OPT_MAGIC)
			l->peer_magic = get_u32(&o);
		else if (o.type == LCP_OPT_PFC)
			l->peer_pfc = true;
		else if (o.type == LCP_OPT_ACFC)
			l->peer_acfc = true;
		else if (o.type == LCP_OPT_AUTH)
			l->auth = get_auth(&o);
		else if (o.type == LCP_OPT_MRRU)
			l->peer_mrru = (uint16_t)(o.value[0] << 8 | o.value[1]);
		else if (o.type == LCP_OPT_SHORT_SEQ)
			l->peer_short_seq = true;
	}
}

// What we ask for

static void lcp_write_request(const struct ppp_link *l, struct writer *w)
{
	if (l->want_mru) {
		wr_u8(w, LCP_OPT_MRU);
		wr_u8(w, 4);
		wr_u16(w, l->want_mru);
	}
	if (l->offered_auth) {
		wr_u8(w, LCP_OPT_AUTH);
		wr_u8(w, l->offered_auth == PPP_AUTH_PAP ? 4 : 5);
		put_auth(w, l->offered_auth);
	}
	if (l->magic) {
		wr_u8(w, LCP_OPT_MAGIC);
		wr_u8(w, 6);
		wr_u32(w, l->magic);
	}
	if (!l->want_mrru)
		return;
	wr_u8(w, LCP_OPT_MRRU);
	wr_u8(w, 4);
	wr_u16(w, l->want_mrru);
	if (l->want_short_seq) {
		wr_u8(w, LCP_OPT_SHORT_SEQ);
		wr_u8(w, 2);
	}
	if (l->want_endpoint) {
		wr_u8(w, LCP_OPT_ENDPOINT);
		wr_u8(w, 3 + sizeof(l->endpoint));
		wr_u8(w, ENDPOINT_MAGIC_BLOCK);
		wr_bytes(w, l->endpoint, sizeof(l->endpoint));
	}
}

// The peer names another MRRU. A smaller one can be promised as well; what cannot be is no longer
// asked for, and then the peer sends no fragments.
static void mrru_refused(struct ppp_link *l, const struct ppp_option *o)
{
	uint32_t suggestion = o->len == 2 ? (uint32_t)(o->value[0] << 8 | o->value[1]) : 0;

	if (suggestion >= PPP_MIN_MRRU && suggestion < l->want_mrru)
		l->want_mrru = (uint16_t)suggestion;
	else
		l->want_mrru = 0;
}

static void lcp_nak(struct ppp_link *l, const struct ppp_option *o)
{
	// A peer that wants another MRU gets none asked for: 1500 is then both sides' word, and
	// some peers refuse every value below their own.
	if (o->type == LCP_OPT_MRU)
		l->want_mru = 0;
	else if (o->type == LCP_OPT_AUTH)
		auth_refused(l, get_auth(o));
	else if (o->type == LCP_OPT_MAGIC && l->magic)
		l->magic = random_magic(l);
	else if (o->type == LCP_OPT_MRRU)
		mrru_refused(l, o);
	else if (o->type == LCP_OPT_SHORT_SEQ)
		l->want_short_seq = false;
	else if (o->type == LCP_OPT_ENDPOINT)
		l->want_endpoint = false;
}

static void lcp_reject(struct ppp_link *l, const struct ppp_option *o)
{
	if (o->type == LCP_OPT_MRU)
		l->want_mru = 0;
	else if (o->type == LCP_OPT_AUTH)
		auth_refused(l, 0);
	else if (o->type == LCP_OPT_MAGIC)
		l->magic = 0;
	else if (o->type == LCP_OPT_MRRU)
		l->want_mrru = 0;
	else if (o->type == LCP_OPT_SHORT_SEQ)
		l->want_short_seq = false;
	else if (o->type == LCP_OPT_ENDPOINT)
		l->want_endpoint = false;
}

// Codes 8 and up

static void input_protocol_reject(struct ppp_link *l, struct cursor data)
{
	uint16_t proto;

	if (l->lcp.state != PPP_FSM_OPENED || cur_u16(&data, &proto))
		return;
	if (proto == PPP_PROTO_LCP) {
		l->end = PPP_END_LCP_REJECTED;
		ppp_fsm_step(l, &ppp_lcp, PPP_EVENT_RXJ_MINUS, NULL);
	} else if (proto == PPP_PROTO_IPCP) {
		ppp_ncp_rejected(l, &ppp_ipcp);
	} else if (proto == PPP_PROTO_IPV6CP) {
		ppp_ncp_rejected(l, &ppp_ipv6cp);
	} else if ((proto == PPP_PROTO_PAP || proto == PPP_PROTO_CHAP) &&
		   l->phase == PPP_PHASE_AUTHENTICATE) {
		ppp_end_link(l, PPP_END_AUTH_REFUSED, NULL);
	}
}

static void input_echo_request(struct ppp_link *l, uint8_t id, struct cursor data)
{
	struct ppp_packet pkt;
	struct ppp_event_arg arg = {.id = id, .reply = &pkt};
	uint32_t magic;

	if (cur_u32(&data, &magic))
		return;
	ppp_packet_begin(&pkt, l->peer_mru, PPP_PROTO_LCP, PPP_CODE_ECHO_REPLY, id);
	wr_u32(&pkt.w, l->magic);
	ppp_packet_append(&pkt, data.p, cur_left(&data));
	ppp_fsm_step(l, &ppp_lcp, PPP_EVENT_RXR, &arg);
}

static void input_echo_reply(struct ppp_link *l, uint8_t id, struct cursor data)
{
	uint32_t magic;

	// Our own number comes back from a loop, not from a peer.
	if (cur_u32(&data, &magic) || (magic && magic == l->magic))
		return;
	if (l->lcp.state == PPP_FSM_OPENED && id == l->echo_id)
		l->echo_missed = 0;
	ppp_fsm_step(l, &ppp_lcp, PPP_EVENT_RXR, NULL);
}

static void lcp_extra(struct ppp_link *l, uint8_t code, uint8_t id, struct cursor data)
{
	switch (code) {
	case PPP_CODE_PROTOCOL_REJECT:
		input_protocol_reject(l, data);
		break;
	case PPP_CODE_ECHO_REQUEST:
		input_echo_request(l, id, data);
		break;
	case PPP_CODE_ECHO_REPLY:
		input_echo_reply(l, id, data);
		break;
	default: // Discard-Request; Windows' Identification: read and forgotten
		ppp_fsm_step(l, &ppp_lcp, PPP_EVENT_RXR, NULL);
	}
}

static bool lcp_code_rejected(struct ppp_link *l, uint8_t code)
{
	if (code == PPP_CODE_ECHO_REQUEST) {
		l->ops->timer_stop(l->user, PPP_TIMER_ECHO);
		l->echo_missed = 0;
	}
	return code == 0 || code > PPP_CODE_CODE_REJECT;
}

void ppp_lcp_protocol_reject(
	struct ppp_link *l, uint16_t proto, const uint8_t *info, size_t info_len)
{
	struct ppp_packet pkt;

	ppp_packet_begin(
		&pkt, l->peer_mru, PPP_PROTO_LCP, PPP_CODE_PROTOCOL_REJECT, ++l->lcp_reject_id);
	wr_u16(&pkt.w, proto);
	ppp_packet_append(&pkt, info, info_len);
	ppp_packet_send(l, &pkt);
}

// Own keepalive

void ppp_lcp_echo_timeout(struct ppp_link *l)
{
	struct ppp_packet pkt;

	if (l->lcp.state != PPP_FSM_OPENED || !l->conf.echo_interval_ms)
		return;
	if (l->echo_missed >= l->conf.echo_failures) {
		ppp_end_link(l, PPP_END_ECHO_TIMEOUT, NULL);
		return;
	}
	l->echo_missed++;
	ppp_packet_begin(&pkt, l->peer_mru, PPP_PROTO_LCP, PPP_CODE_ECHO_REQUEST, ++l->echo_id);
	wr_u32(&pkt.w, l->magic);
	ppp_packet_send(l, &pkt);
	l->ops->timer_start(l->user, PPP_TIMER_ECHO, l->conf.echo_interval_ms);
}

// Layer actions

static void lcp_up(struct ppp_link *l)
{
	l->end = PPP_END_NONE;
	l->nb_loops = 0;
	l->echo_missed = 0;
	if (l->conf.echo_interval_ms)
		l->ops->timer_start(l->user, PPP_TIMER_ECHO, l->conf.echo_interval_ms);
	if (l->ops->lcp_up)
		l->ops->lcp_up(l->user);
	if (l->conf.server)
		l->auth = l->offered_auth;
	if (!l->auth && l->conf.auth_methods)
		ppp_end_link(l, PPP_END_AUTH_REFUSED, NULL);
	else
		ppp_auth_start(l);
}

static void lcp_down(struct ppp_link *l)
{
	bool again = l->lcp.state == PPP_FSM_REQ_SENT || l->lcp.state == PPP_FSM_ACK_SENT;

	l->phase = again ? PPP_PHASE_ESTABLISH : PPP_PHASE_TERMINATE;
	if (l->conf.echo_interval_ms)
		l->ops->timer_stop(l->user, PPP_TIMER_ECHO);
	ppp_auth_stop(l);
	ppp_network_stop(l);
}

static void lcp_started(struct ppp_link *l)
{
	l->phase = PPP_PHASE_ESTABLISH;
}

static void lcp_finished(struct ppp_link *l)
{
	if (l->end == PPP_END_NONE)
		l->end = l->auth_refused ? PPP_END_AUTH_REFUSED : PPP_END_LCP_FAILED;
	l->phase = PPP_PHASE_DEAD;
	l->over = true;
}

void ppp_lcp_init(struct ppp_link *l)
{
	l->magic = random_magic(l);
	l->want_mru = l->conf.mru;
	l->peer_mru = PPP_DEFAULT_MRU;
	l->want_mrru = l->conf.mrru;
	l->want_short_seq = l->conf.mrru && l->conf.short_seq;
	l->want_endpoint = l->conf.mrru != 0;
	if (l->want_endpoint)
		l->ops->random(l->user, l->endpoint, sizeof(l->endpoint));
	if (l->conf.server) {
		l->auth_left = l->conf.auth_methods;
		l->offered_auth = ppp_auth_strongest(l->auth_left);
	}
}

const struct ppp_cp ppp_lcp = {
	.proto = PPP_PROTO_LCP,
	.timer = PPP_TIMER_LCP,
	.fsm_offset = offsetof(struct ppp_link, lcp),
	.max_code = PPP_CODE_TIME_REMAINING,
	.failed = PPP_END_LCP_FAILED,
	.rejected = PPP_END_LCP_REJECTED,
	.write_request = lcp_write_request,
	.check_option = lcp_check_option,
	.commit = lcp_commit,
	.nak = lcp_nak,
	.reject = lcp_reject,
	.extra = lcp_extra,
	.code_rejected = lcp_code_rejected,
	.this_layer_up = lcp_up,
	.this_layer_down = lcp_down,
	.this_layer_started = lcp_started,
	.this_layer_finished = lcp_finished,
};
