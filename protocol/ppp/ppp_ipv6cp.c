// SPDX-License-Identifier: BSD-3-Clause
// IPV6CP: RFC 5072. Both ends are equal: each tells its own interface identifier and judges the
// other's.
#include "protocol/ppp/ppp_internal.h"

enum ipv6cp_option {
	IPV6CP_OPT_INTERFACE_IDENTIFIER = 1,
	IPV6CP_OPT_COMPRESSION = 2, // rejected
};

#define ID_LEN 8
#define UNIVERSAL_BIT UINT64_C(0x0200000000000000)

static uint64_t get_id(const struct ppp_option *o)
{
	uint64_t id = 0;

	for (unsigned int i = 0; i < o->len && i < ID_LEN; i++)
		id = id << 8 | o->value[i];
	return id;
}

static void put_id(uint8_t at[ID_LEN], uint64_t id)
{
	for (unsigned int i = 0; i < ID_LEN; i++)
		at[i] = (uint8_t)(id >> (56 - 8 * i));
}

// RFC 5072 4.1, 3): from chance alone, so that it says it is not universally unique. Neither 0 nor
// `other`.
static uint64_t random_id(struct ppp_link *l, uint64_t other)
{
	uint8_t bytes[ID_LEN];
	uint64_t id;

	l->ops->random(l->user, bytes, sizeof(bytes));
	id = get_id(&(struct ppp_option){.len = ID_LEN, .value = bytes}) & ~UNIVERSAL_BIT;
	if (!id || id == other)
		id ^= 1;
	return id ? id : 2;
}

void ppp_ipv6cp_prepare(struct ppp_link *l)
{
	if (!l->ip6.local_id)
		l->ip6.local_id = random_id(l, 0);
}

// What the peer asks for. RFC 5072 4.1: an identifier of zero, and one that is ours, is answered
// with a better one, the same each time.
static void ipv6cp_check_option(struct ppp_link *l, const struct ppp_option *o, struct ppp_reply *r)
{
	uint8_t value[ID_LEN];
	uint64_t id;

	if (o->type != IPV6CP_OPT_INTERFACE_IDENTIFIER || o->len != ID_LEN) {
		ppp_reply_reject(r, o);
		return;
	}
	id = get_id(o);
	if (id && id != l->ip6.local_id) {
		ppp_reply_ack(r, o);
		return;
	}
	if (!l->ip6.suggested_id || l->ip6.suggested_id == l->ip6.local_id)
		l->ip6.suggested_id = random_id(l, l->ip6.local_id);
	put_id(value, l->ip6.suggested_id);
	ppp_reply_nak(r, o, value, sizeof(value));
}

static void ipv6cp_commit(struct ppp_link *l, struct cursor options)
{
	struct ppp_option o;

	l->ip6.remote_id = 0;
	while (cur_left(&options) && !ppp_option_next(&options, &o))
		if (o.type == IPV6CP_OPT_INTERFACE_IDENTIFIER)
			l->ip6.remote_id = get_id(&o);
}

// What we ask for

static void ipv6cp_write_request(const struct ppp_link *l, struct writer *w)
{
	uint8_t value[ID_LEN];

	if (l->ip6.id_rejected)
		return;
	put_id(value, l->ip6.local_id);
	wr_u8(w, IPV6CP_OPT_INTERFACE_IDENTIFIER);
	wr_u8(w, ID_LEN + 2);
	wr_bytes(w, value, sizeof(value));
}

static void ipv6cp_reject(struct ppp_link *l, const struct ppp_option *o)
{
	if (o->type == IPV6CP_OPT_INTERFACE_IDENTIFIER)
		l->ip6.id_rejected = true;
}

// RFC 5072 4.1: the identifier suggested, unless it is none or the peer's own.
static void ipv6cp_nak(struct ppp_link *l, const struct ppp_option *o)
{
	uint64_t id;

	if (o->type != IPV6CP_OPT_INTERFACE_IDENTIFIER || o->len != ID_LEN)
		return;
	id = get_id(o);
	if (!id || id == l->ip6.local_id || id == l->ip6.remote_id)
		id = random_id(l, l->ip6.local_id);
	l->ip6.local_id = id;
}

static void ipv6cp_extra(struct ppp_link *l, uint8_t code, uint8_t id, struct cursor data)
{
}

static bool ipv6cp_code_rejected(struct ppp_link *l, uint8_t code)
{
	return code == 0 || code > PPP_CODE_CODE_REJECT;
}

// Layer actions

static void ipv6cp_up(struct ppp_link *l)
{
	l->end = PPP_END_NONE;
	l->network6_is_up = true;
	l->ops->network6_up(l->user, l->ip6.local_id, l->ip6.remote_id);
}

static void ipv6cp_down(struct ppp_link *l)
{
	if (!l->network6_is_up)
		return;
	l->network6_is_up = false;
	l->ops->network6_down(l->user);
}

static void ipv6cp_started(struct ppp_link *l)
{
}

static void ipv6cp_finished(struct ppp_link *l)
{
	ppp_ncp_finished(l, &ppp_ipv6cp);
}

const struct ppp_cp ppp_ipv6cp = {
	.proto = PPP_PROTO_IPV6CP,
	.timer = PPP_TIMER_IPV6CP,
	.fsm_offset = offsetof(struct ppp_link, ipv6cp),
	.max_code = PPP_CODE_CODE_REJECT,
	.failed = PPP_END_IPV6CP_FAILED,
	.rejected = PPP_END_IPV6CP_FAILED,
	.write_request = ipv6cp_write_request,
	.check_option = ipv6cp_check_option,
	.commit = ipv6cp_commit,
	.nak = ipv6cp_nak,
	.reject = ipv6cp_reject,
	.extra = ipv6cp_extra,
	.code_rejected = ipv6cp_code_rejected,
	.this_layer_up = ipv6cp_up,
	.this_layer_down = ipv6cp_down,
	.this_layer_started = ipv6cp_started,
	.this_layer_finished = ipv6cp_finished,
};
