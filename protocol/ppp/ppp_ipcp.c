// SPDX-License-Identifier: BSD-3-Clause
// IPCP: RFC 1332, with the name server options of RFC 1877.
#include "protocol/ppp/ppp_internal.h"

enum ipcp_option {
	IPCP_OPT_IP_ADDRESSES = 1,   // deprecated, rejected
	IPCP_OPT_IP_COMPRESSION = 2, // Van Jacobson's, rejected
	IPCP_OPT_IP_ADDRESS = 3,
	IPCP_OPT_PRIMARY_DNS = 129,
	IPCP_OPT_PRIMARY_WINS = 130,
	IPCP_OPT_SECONDARY_DNS = 131,
	IPCP_OPT_SECONDARY_WINS = 132,
};

// Bits of struct ppp_link's ipcp_rejected.
#define REJECTED_ADDRESS 0x01
#define REJECTED_DNS1 0x02
#define REJECTED_DNS2 0x04
#define REJECTED_WINS1 0x08
#define REJECTED_WINS2 0x10

// The name server that an option is about, or NULL.
static uint32_t *name_server(struct ppp_addresses *a, uint8_t type)
{
	switch (type) {
	case IPCP_OPT_PRIMARY_DNS:
		return &a->dns[0];
	case IPCP_OPT_SECONDARY_DNS:
		return &a->dns[1];
	case IPCP_OPT_PRIMARY_WINS:
		return &a->wins[0];
	case IPCP_OPT_SECONDARY_WINS:
		return &a->wins[1];
	default:
		return NULL;
	}
}

static uint8_t rejected_bit(uint8_t type)
{
	switch (type) {
	case IPCP_OPT_IP_ADDRESS:
		return REJECTED_ADDRESS;
	case IPCP_OPT_PRIMARY_DNS:
		return REJECTED_DNS1;
	case IPCP_OPT_SECONDARY_DNS:
		return REJECTED_DNS2;
	case IPCP_OPT_PRIMARY_WINS:
		return REJECTED_WINS1;
	case IPCP_OPT_SECONDARY_WINS:
		return REJECTED_WINS2;
	default:
		return 0;
	}
}

static uint32_t get_address(const struct ppp_option *o)
{
	struct cursor c = cursor_make(o->value, o->len);
	uint32_t v = 0;

	(void)cur_u32(&c, &v);
	return v;
}

static void put_option(struct writer *w, uint8_t type, uint32_t address)
{
	wr_u8(w, type);
	wr_u8(w, 6);
	wr_u32(w, address);
}

// What the peer asks for

// Server: there is one right value; anything else, 0.0.0.0 too, is answered with it.
static void check_against(uint32_t right, const struct ppp_option *o, struct ppp_reply *r)
{
	uint8_t value[4];

	if (!right || o->len != 4) {
		ppp_reply_reject(r, o);
	} else if (get_address(o) == right) {
		ppp_reply_ack(r, o);
	} else {
		wr_put_u16(value, (uint16_t)(right >> 16));
		wr_put_u16(value + 2, (uint16_t)right);
		ppp_reply_nak(r, o, value, sizeof(value));
	}
}

static void ipcp_check_option(struct ppp_link *l, const struct ppp_option *o, struct ppp_reply *r)
{
	const uint32_t *server = name_server(&l->addr, o->type);

	if (l->conf.server && o->type == IPCP_OPT_IP_ADDRESS)
		check_against(l->addr.remote, o, r);
	else if (l->conf.server && server)
		check_against(*server, o, r);
	else if (o->type == IPCP_OPT_IP_ADDRESS && o->len == 4 && ppp_is_host(get_address(o)))
		ppp_reply_ack(r, o);
	else if (o->type == IPCP_OPT_IP_ADDRESS) // a server that asks for one, or says nonsense
		check_against(l->conf.remote_address, o, r);
	else
		ppp_reply_reject(r, o);
}

static void ipcp_commit(struct ppp_link *l, struct cursor options)
{
	struct ppp_option o;

	if (l->conf.server)
		return;
	l->addr.remote = l->conf.remote_address;
	while (cur_left(&options) && !ppp_option_next(&options, &o))
		if (o.type == IPCP_OPT_IP_ADDRESS)
			l->addr.remote = get_address(&o);
}

// What we ask for

static void ipcp_write_request(const struct ppp_link *l, struct writer *w)
{
	if (!(l->ipcp_rejected & REJECTED_ADDRESS))
		put_option(w, IPCP_OPT_IP_ADDRESS, l->addr.local);
	if (l->conf.server)
		return;
	if (!(l->ipcp_rejected & REJECTED_DNS1))
		put_option(w, IPCP_OPT_PRIMARY_DNS, l->addr.dns[0]);
	if (l->conf.want_wins && !(l->ipcp_rejected & REJECTED_WINS1))
		put_option(w, IPCP_OPT_PRIMARY_WINS, l->addr.wins[0]);
	if (!(l->ipcp_rejected & REJECTED_DNS2))
		put_option(w, IPCP_OPT_SECONDARY_DNS, l->addr.dns[1]);
	if (l->conf.want_wins && !(l->ipcp_rejected & REJECTED_WINS2))
		put_option(w, IPCP_OPT_SECONDARY_WINS, l->addr.wins[1]);
}

// Whether the option is one that this end asks for.
static bool asked_for(const struct ppp_link *l, uint8_t type)
{
	bool wins = type == IPCP_OPT_PRIMARY_WINS || type == IPCP_OPT_SECONDARY_WINS;

	return rejected_bit(type) && (l->conf.want_wins || !wins);
}

static void ipcp_reject(struct ppp_link *l, const struct ppp_option *o)
{
	uint32_t *server = name_server(&l->addr, o->type);

	l->ipcp_rejected |= rejected_bit(o->type);
	if (l->conf.server)
		return;
	if (server)
		*server = 0;
	else if (o->type == IPCP_OPT_IP_ADDRESS)
		l->addr.local = 0;
}

// Client: the address that the server gives.
static void take_address(struct ppp_link *l, uint32_t address)
{
	l->addr.local = address;
	if (l->conf.local_address && l->conf.local_address != address)
		ppp_end_link(l, PPP_END_OTHER_ADDRESS, NULL);
	else if (!ppp_is_host(address))
		ppp_end_link(l, PPP_END_BAD_ADDRESS, NULL);
}

static void ipcp_nak(struct ppp_link *l, const struct ppp_option *o)
{
	uint32_t *server = name_server(&l->addr, o->type), address = get_address(o);

	// The server's own address is not the client's to choose: it goes on asking for it.
	if (l->conf.server || o->len != 4 || !asked_for(l, o->type))
		return;
	if (!address || (server && !ppp_is_host(address)))
		ipcp_reject(l, o);
	else if (server)
		*server = address;
	else
		take_address(l, address);
}

static void ipcp_extra(struct ppp_link *l, uint8_t code, uint8_t id, struct cursor data)
{
}

static bool ipcp_code_rejected(struct ppp_link *l, uint8_t code)
{
	return code == 0 || code > PPP_CODE_CODE_REJECT;
}

// Layer actions

static void ipcp_up(struct ppp_link *l)
{
	l->end = PPP_END_NONE;
	if (!l->conf.server && !l->addr.local) {
		ppp_cp_failed(l, &ppp_ipcp, PPP_END_NO_ADDRESS);
		return;
	}
	if (l->addr.local == l->addr.remote) {
		ppp_end_link(l, PPP_END_BAD_ADDRESS, NULL);
		return;
	}
	l->network_is_up = true;
	l->ops->network_up(l->user, &l->addr);
}

static void ipcp_down(struct ppp_link *l)
{
	if (!l->network_is_up)
		return;
	l->network_is_up = false;
	l->ops->network_down(l->user);
}

static void ipcp_started(struct ppp_link *l)
{
}

static void ipcp_finished(struct ppp_link *l)
{
	ppp_ncp_finished(l, &ppp_ipcp);
}

const struct ppp_cp ppp_ipcp = {
	.proto = PPP_PROTO_IPCP,
	.timer = PPP_TIMER_IPCP,
	.fsm_offset = offsetof(struct ppp_link, ipcp),
	.max_code = PPP_CODE_CODE_REJECT,
	.failed = PPP_END_IPCP_FAILED,
	.rejected = PPP_END_IPCP_REJECTED,
	.write_request = ipcp_write_request,
	.check_option = ipcp_check_option,
	.commit = ipcp_commit,
	.nak = ipcp_nak,
	.reject = ipcp_reject,
	.extra = ipcp_extra,
	.code_rejected = ipcp_code_rejected,
	.this_layer_up = ipcp_up,
	.this_layer_down = ipcp_down,
	.this_layer_started = ipcp_started,
	.this_layer_finished = ipcp_finished,
};
