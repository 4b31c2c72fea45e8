// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/ppp/ppp_fsm.h"

#include "protocol/ppp/ppp_internal.h"

// Configure-Naks and -Rejects sent in a row before the peer is taken to be deaf. RFC 1661 bounds
// the Naks alone (Max-Failure), and its restart counter starts anew with every Ack of the peer.
#define MAX_REFUSED 20

// A Configure packet never exceeds what every implementation must be able to receive.
#define CONFIGURE_INFO_MAX PPP_DEFAULT_MRU

// Actions of RFC 1661 4.4, in the order in which they are carried out: a layer goes down before
// anything is sent and up after everything was, and counters are set before they are used.
enum {
	tld = 1 << 0,
	irc = 1 << 1,
	zrc = 1 << 2,
	scr = 1 << 3,
	sca = 1 << 4,
	scn = 1 << 5,
	str = 1 << 6,
	sta = 1 << 7,
	scj = 1 << 8,
	ser = 1 << 9,
	tls = 1 << 10,
	tlf = 1 << 11,
	tlu = 1 << 12,
	none = 0,
	illegal = 1 << 15, // "-": cannot happen; the event is ignored and the state stays
};

struct fsm_cell {
	uint16_t actions;
	uint8_t next;
};

#define I PPP_FSM_INITIAL
#define G PPP_FSM_STARTING
#define C PPP_FSM_CLOSED
#define S PPP_FSM_STOPPED
#define CG PPP_FSM_CLOSING
#define SG PPP_FSM_STOPPING
#define RS PPP_FSM_REQ_SENT
#define AR PPP_FSM_ACK_RCVD
#define AS PPP_FSM_ACK_SENT
#define O PPP_FSM_OPENED
// clang-format off
#define __ {illegal, 0}

// RFC 1661 4.1, row by row. Columns: Initial, Starting, Closed, Stopped, Closing, Stopping;
// second line of each: Req-Sent, Ack-Rcvd, Ack-Sent, Opened. The options [r] (restart) and [p]
// (passive) are not used; [x] (crossed) needs nothing but the cell.
static const struct fsm_cell fsm_table[PPP_N_EVENTS][PPP_FSM_N_STATES] = {
	[PPP_EVENT_UP] = // 4.1 Up
		{{none, C}, {irc | scr, RS}, __, __, __, __,
		 __, __, __, __},
	[PPP_EVENT_DOWN] = // 4.1 Down
		{__, __, {none, I}, {tls, G}, {none, I}, {none, G},
		 {none, G}, {none, G}, {none, G}, {tld, G}},
	[PPP_EVENT_OPEN] = // 4.1 Open
		{{tls, G}, {none, G}, {irc | scr, RS}, {none, S}, {none, SG}, {none, SG},
		 {none, RS}, {none, AR}, {none, AS}, {none, O}},
	[PPP_EVENT_CLOSE] = // 4.1 Close
		{{none, I}, {tlf, I}, {none, C}, {none, C}, {none, CG}, {none, CG},
		 {irc | str, CG}, {irc | str, CG}, {irc | str, CG}, {tld | irc | str, CG}},
	[PPP_EVENT_TO_PLUS] = // 4.1 TO+
		{__, __, __, __, {str, CG}, {str, SG},
		 {scr, RS}, {scr, RS}, {scr, AS}, __},
	[PPP_EVENT_TO_MINUS] = // 4.1 TO-
		{__, __, __, __, {tlf, C}, {tlf, S},
		 {tlf, S}, {tlf, S}, {tlf, S}, __},
	[PPP_EVENT_RCR_PLUS] = // 4.1 RCR+
		{__, __, {sta, C}, {irc | scr | sca, AS}, {none, CG}, {none, SG},
		 {sca, AS}, {sca | tlu, O}, {sca, AS}, {tld | scr | sca, AS}},
	[PPP_EVENT_RCR_MINUS] = // 4.1 RCR-
		{__, __, {sta, C}, {irc | scr | scn, RS}, {none, CG}, {none, SG},
		 {scn, RS}, {scn, AR}, {scn, RS}, {tld | scr | scn, RS}},
	[PPP_EVENT_RCA] = // 4.1 RCA
		{__, __, {sta, C}, {sta, S}, {none, CG}, {none, SG},
		 {irc, AR}, {scr, RS}, {irc | tlu, O}, {tld | scr, RS}},
	[PPP_EVENT_RCN] = // 4.1 RCN
		{__, __, {sta, C}, {sta, S}, {none, CG}, {none, SG},
		 {irc | scr, RS}, {scr, RS}, {irc | scr, AS}, {tld | scr, RS}},
	[PPP_EVENT_RTR] = // 4.1 RTR
		{__, __, {sta, C}, {sta, S}, {sta, CG}, {sta, SG},
		 {sta, RS}, {sta, RS}, {sta, RS}, {tld | zrc | sta, SG}},
	[PPP_EVENT_RTA] = // 4.1 RTA
		{__, __, {none, C}, {none, S}, {tlf, C}, {tlf, S},
		 {none, RS}, {none, RS}, {none, AS}, {tld | scr, RS}},
	[PPP_EVENT_RUC] = // 4.1 RUC
		{__, __, {scj, C}, {scj, S}, {scj, CG}, {scj, SG},
		 {scj, RS}, {scj, AR}, {scj, AS}, {scj, O}},
	[PPP_EVENT_RXJ_PLUS] = // 4.1 RXJ+
		{__, __, {none, C}, {none, S}, {none, CG}, {none, SG},
		 {none, RS}, {none, RS}, {none, AS}, {none, O}},
	[PPP_EVENT_RXJ_MINUS] = // 4.1 RXJ-
		{__, __, {tlf, C}, {tlf, S}, {tlf, C}, {tlf, S},
		 {tlf, S}, {tlf, S}, {tlf, S}, {tld | irc | str, SG}},
	[PPP_EVENT_RXR] = // 4.1 RXR
		{__, __, {none, C}, {none, S}, {none, CG}, {none, SG},
		 {none, RS}, {none, AR}, {none, AS}, {ser, O}},
};
// clang-format on

#define X(name) #name,
static const char *const state_names[] = {PPP_FSM_STATE_LIST(X)};
static const char *const event_names[] = {PPP_EVENT_LIST(X)};
#undef X

const char *ppp_fsm_state_name(enum ppp_fsm_state s)
{
	return s < PPP_FSM_N_STATES ? state_names[s] : "?";
}

const char *ppp_event_name(enum ppp_event e)
{
	return e < PPP_N_EVENTS ? event_names[e] : "?";
}

// Actions

static bool has_timer(uint8_t state)
{
	return state >= PPP_FSM_CLOSING && state <= PPP_FSM_ACK_SENT;
}

static void restart_timer(struct ppp_link *l, const struct ppp_cp *cp, struct ppp_fsm *f)
{
	if (f->restart_count)
		f->restart_count--;
	l->ops->timer_start(l->user, cp->timer, l->conf.restart_ms);
}

static void send_configure_request(
	struct ppp_link *l, const struct ppp_cp *cp, struct ppp_fsm *f, bool again)
{
	struct ppp_packet pkt;

	// A retransmission keeps its identifier, so that a late answer to the first copy counts.
	if (!again)
		f->id++;
	f->acked = false;
	restart_timer(l, cp, f);
	ppp_packet_begin(&pkt, CONFIGURE_INFO_MAX, cp->proto, PPP_CODE_CONFIGURE_REQUEST, f->id);
	cp->write_request(l, &pkt.w);
	ppp_packet_send(l, &pkt);
}

static void send_terminate_request(
	struct ppp_link *l, const struct ppp_cp *cp, struct ppp_fsm *f, bool again)
{
	struct ppp_packet pkt;

	if (!again)
		f->id++;
	restart_timer(l, cp, f);
	ppp_packet_begin(&pkt, PPP_MIN_MRU, cp->proto, PPP_CODE_TERMINATE_REQUEST, f->id);
	ppp_packet_append(&pkt, l->term_text, strlen(l->term_text));
	ppp_packet_send(l, &pkt);
}

static void send_terminate_ack(struct ppp_link *l, const struct ppp_cp *cp, uint8_t id)
{
	struct ppp_packet pkt;

	ppp_packet_begin(&pkt, PPP_MIN_MRU, cp->proto, PPP_CODE_TERMINATE_ACK, id);
	ppp_packet_send(l, &pkt);
}

static void set_counter(
	struct ppp_link *l, const struct ppp_cp *cp, struct ppp_fsm *f, uint16_t actions)
{
	if (actions & irc)
		f->restart_count = actions & str ? l->conf.max_terminate : l->conf.max_configure;
	if (actions & zrc) {
		f->restart_count = 0;
		l->ops->timer_start(l->user, cp->timer, PPP_LINGER_MS);
	}
}

static void run_layer_actions(struct ppp_link *l, const struct ppp_cp *cp, uint16_t actions)
{
	if (actions & tls)
		cp->this_layer_started(l);
	if (actions & tlf)
		cp->this_layer_finished(l);
	if (actions & tlu)
		cp->this_layer_up(l);
}

static void run_actions(struct ppp_link *l, const struct ppp_cp *cp, uint16_t actions,
	enum ppp_event ev, const struct ppp_event_arg *arg)
{
	struct ppp_fsm *f = ppp_cp_fsm(l, cp);
	bool again = ev == PPP_EVENT_TO_PLUS;

	if (actions & tld)
		cp->this_layer_down(l);
	set_counter(l, cp, f, actions);
	if (actions & scr)
		send_configure_request(l, cp, f, again);
	if (actions & (sca | scn | scj | ser) && arg && arg->reply)
		ppp_packet_send(l, arg->reply);
	if (actions & str)
		send_terminate_request(l, cp, f, again);
	if (actions & sta)
		send_terminate_ack(l, cp, arg ? arg->id : 0);
	run_layer_actions(l, cp, actions);
}

void ppp_fsm_step(struct ppp_link *l, const struct ppp_cp *cp, enum ppp_event ev,
	const struct ppp_event_arg *arg)
{
	struct ppp_fsm *f = ppp_cp_fsm(l, cp);
	const struct fsm_cell *cell = &fsm_table[ev][f->state];
	bool timed = has_timer(f->state);

	if (cell->actions & illegal)
		return;
	f->state = cell->next;
	if (timed && !has_timer(f->state))
		l->ops->timer_stop(l->user, cp->timer);
	if (cell->actions)
		run_actions(l, cp, cell->actions, ev, arg);
}

void ppp_fsm_timeout(struct ppp_link *l, const struct ppp_cp *cp)
{
	struct ppp_fsm *f = ppp_cp_fsm(l, cp);

	ppp_fsm_step(l, cp, f->restart_count ? PPP_EVENT_TO_PLUS : PPP_EVENT_TO_MINUS, NULL);
}

// Received packets

static bool answers_requests(uint8_t state)
{
	return state == PPP_FSM_STOPPED || state >= PPP_FSM_REQ_SENT;
}

static int check_options(
	struct ppp_link *l, const struct ppp_cp *cp, struct cursor options, struct ppp_reply *r)
{
	struct cursor c = options;
	struct ppp_option o;

	// All of it is checked before any of it has an effect.
	while (cur_left(&c))
		if (ppp_option_next(&c, &o))
			return -EBADMSG;
	while (cur_left(&options) && !ppp_option_next(&options, &o))
		cp->check_option(l, &o, r);
	return 0;
}

static uint32_t sum_of(struct cursor c) // FNV-1a
{
	uint32_t h = 2166136261u;
	uint8_t b;

	while (!cur_u8(&c, &b))
		h = (h ^ b) * 16777619u;
	return h;
}

// Whether this is the very request that made the link Opened, sent again because our answer took
// long: whoever has had its Ack and wants to begin anew must take another identifier (RFC 1661
// 5.1). Not for ever: some may not know that.
static bool came_again(
	struct ppp_link *l, const struct ppp_fsm *f, uint8_t id, struct cursor options)
{
	return f->state == PPP_FSM_OPENED && id == f->peer_id && sum_of(options) == f->peer_sum &&
	       f->nb_again < l->conf.max_configure;
}

static void input_request(
	struct ppp_link *l, const struct ppp_cp *cp, uint8_t id, struct cursor options)
{
	struct ppp_fsm *f = ppp_cp_fsm(l, cp);
	struct ppp_event_arg arg = {.id = id};
	struct ppp_reply r = {.code = PPP_CODE_CONFIGURE_ACK};

	if (!answers_requests(f->state)) {
		ppp_fsm_step(l, cp, PPP_EVENT_RCR_PLUS, &arg);
		return;
	}
	r.may_nak = f->nb_naks < l->conf.max_failure;
	ppp_packet_begin(&r.pkt, CONFIGURE_INFO_MAX, cp->proto, r.code, id);
	if (check_options(l, cp, options, &r) || (r.full && r.code == PPP_CODE_CONFIGURE_ACK))
		return;
	arg.reply = &r.pkt;
	if (r.code == PPP_CODE_CONFIGURE_ACK && came_again(l, f, id, options)) {
		f->nb_again++;
		ppp_packet_send(l, &r.pkt);
		return;
	}
	if (r.code == PPP_CODE_CONFIGURE_ACK) {
		f->nb_naks = f->nb_refused = f->nb_again = 0;
		f->peer_id = id;
		f->peer_sum = sum_of(options);
		cp->commit(l, options);
		ppp_fsm_step(l, cp, PPP_EVENT_RCR_PLUS, &arg);
		return;
	}
	if (r.code == PPP_CODE_CONFIGURE_NAK)
		f->nb_naks++;
	ppp_fsm_step(l, cp, PPP_EVENT_RCR_MINUS, &arg);
	if (++f->nb_refused >= MAX_REFUSED)
		ppp_cp_failed(l, cp, cp->failed);
}

static void input_ack(
	struct ppp_link *l, const struct ppp_cp *cp, uint8_t id, struct cursor options)
{
	struct ppp_fsm *f = ppp_cp_fsm(l, cp);
	struct ppp_event_arg arg = {.id = id};
	uint8_t buf[256];
	struct writer w = writer_make(buf, sizeof(buf));

	// RFC 1661 5.2: the options must exactly match those of the last Configure-Request.
	cp->write_request(l, &w);
	if (f->state >= PPP_FSM_REQ_SENT) {
		if (id != f->id || f->acked || wr_len(&w) != cur_left(&options) ||
			(wr_len(&w) && memcmp(buf, options.p, wr_len(&w)) != 0))
			return;
		f->acked = true;
		f->nb_naks_rcvd = 0;
	}
	ppp_fsm_step(l, cp, PPP_EVENT_RCA, &arg);
}

static void input_nak_reject(struct ppp_link *l, const struct ppp_cp *cp, uint8_t code, uint8_t id,
	struct cursor options)
{
	struct ppp_fsm *f = ppp_cp_fsm(l, cp);
	struct ppp_event_arg arg = {.id = id};
	struct cursor c = options;
	struct ppp_option o;

	while (cur_left(&c))
		if (ppp_option_next(&c, &o))
			return;
	if (f->state >= PPP_FSM_REQ_SENT) {
		if (id != f->id || f->acked)
			return;
		if (++f->nb_naks_rcvd > l->conf.max_configure) {
			ppp_cp_failed(l, cp, cp->failed);
			return;
		}
		while (cur_left(&options) && !ppp_option_next(&options, &o)) {
			if (code == PPP_CODE_CONFIGURE_NAK)
				cp->nak(l, &o);
			else
				cp->reject(l, &o);
		}
	}
	ppp_fsm_step(l, cp, PPP_EVENT_RCN, &arg);
}

static void input_code_reject(struct ppp_link *l, const struct ppp_cp *cp, struct cursor data)
{
	uint8_t code;

	if (cur_u8(&data, &code))
		return;
	if (cp->code_rejected(l, code)) {
		ppp_fsm_step(l, cp, PPP_EVENT_RXJ_PLUS, NULL);
		return;
	}
	if (ppp_cp_fsm(l, cp)->state >= PPP_FSM_CLOSED && l->end == PPP_END_NONE)
		l->end = cp->rejected;
	ppp_fsm_step(l, cp, PPP_EVENT_RXJ_MINUS, NULL);
}

static void input_unknown_code(
	struct ppp_link *l, const struct ppp_cp *cp, const uint8_t *packet, size_t len)
{
	struct ppp_packet pkt;
	struct ppp_event_arg arg = {.reply = &pkt};

	ppp_packet_begin(&pkt, l->peer_mru, cp->proto, PPP_CODE_CODE_REJECT, ++l->lcp_reject_id);
	ppp_packet_append(&pkt, packet, len);
	ppp_fsm_step(l, cp, PPP_EVENT_RUC, &arg);
}

static void input_terminate_request(
	struct ppp_link *l, const struct ppp_cp *cp, uint8_t id, struct cursor data)
{
	struct ppp_event_arg arg = {.id = id};
	struct ppp_fsm *f = ppp_cp_fsm(l, cp);

	if (f->state >= PPP_FSM_CLOSED && l->end == PPP_END_NONE) {
		ppp_keep_message(l, data.p, cur_left(&data));
		l->end = PPP_END_PEER_TERMINATED;
	}
	ppp_fsm_step(l, cp, PPP_EVENT_RTR, &arg);
}

void ppp_fsm_input(struct ppp_link *l, const struct ppp_cp *cp, struct cursor c)
{
	const uint8_t *packet = c.p;
	struct cursor data;
	uint8_t code, id;
	uint16_t len;

	// What follows the packet's own length is padding (RFC 1661 5).
	if (cur_u8(&c, &code) || cur_u8(&c, &id) || cur_u16(&c, &len) || len < 4 ||
		cur_sub(&c, &data, len - 4u))
		return;
	switch (code) {
	case PPP_CODE_CONFIGURE_REQUEST:
		input_request(l, cp, id, data);
		break;
	case PPP_CODE_CONFIGURE_ACK:
		input_ack(l, cp, id, data);
		break;
	case PPP_CODE_CONFIGURE_NAK:
	case PPP_CODE_CONFIGURE_REJECT:
		input_nak_reject(l, cp, code, id, data);
		break;
	case PPP_CODE_TERMINATE_REQUEST:
		input_terminate_request(l, cp, id, data);
		break;
	case PPP_CODE_TERMINATE_ACK:
		ppp_fsm_step(l, cp, PPP_EVENT_RTA, NULL);
		break;
	case PPP_CODE_CODE_REJECT:
		input_code_reject(l, cp, data);
		break;
	default:
		if (code && code <= cp->max_code)
			cp->extra(l, code, id, data);
		else
			input_unknown_code(l, cp, packet, len);
	}
}
