// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/ppp/ppp.h"

#include "base/secret.h"
#include "protocol/ppp/ppp_internal.h"

#define DEFAULT_MTU 1460

#define X(name) #name,
static const char *const phase_names[] = {PPP_PHASE_LIST(X)};
#undef X
#define X(name, text) text,
static const char *const end_texts[] = {PPP_END_LIST(X)};
#undef X

const char *ppp_phase_name(enum ppp_phase p)
{
	return (size_t)p < sizeof(phase_names) / sizeof(phase_names[0]) ? phase_names[p] : "?";
}

const char *ppp_end_text(enum ppp_end e)
{
	return e < PPP_N_ENDS ? end_texts[e] : "?";
}

const char *ppp_protocol_name(uint16_t proto)
{
	static const struct {
		uint16_t proto;
		const char *name;
	} names[] = {
		{PPP_PROTO_IPV4, "IPv4"},
		{PPP_PROTO_IPV6, "IPv6"},
		{PPP_PROTO_MP, "MP"},
		{PPP_PROTO_COMP, "compressed"},
		{PPP_PROTO_IPCP, "IPCP"},
		{PPP_PROTO_IPV6CP, "IPV6CP"},
		{PPP_PROTO_CCP, "CCP"},
		{PPP_PROTO_ECP, "ECP"},
		{PPP_PROTO_LCP, "LCP"},
		{PPP_PROTO_PAP, "PAP"},
		{PPP_PROTO_CBCP, "CBCP"},
		{PPP_PROTO_CHAP, "CHAP"},
		{PPP_PROTO_EAP, "EAP"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].proto == proto)
			return names[i].name;
	return "unknown";
}

void ppp_conf_default(struct ppp_conf *c, bool server)
{
	*c = (struct ppp_conf){
		.server = server,
		.mru = DEFAULT_MTU,
		.mtu = DEFAULT_MTU,
		.restart_ms = 3000,
		.max_configure = 10,
		.max_terminate = 2,
		.max_failure = 5,
		.auth_timeout_ms = server ? 30000 : 60000,
		.echo_failures = 3,
		.hostname = "",
		.user = "",
		.password = "",
	};
}

static uint16_t bounded(uint16_t v, uint16_t most)
{
	if (v < PPP_MIN_MRU)
		return PPP_MIN_MRU;
	return v > most ? most : v;
}

// A timer or counter of 0 would mean a link that gives up at once or never.
static void fill_in(struct ppp_conf *c)
{
	struct ppp_conf d;

	ppp_conf_default(&d, c->server);
	c->mtu = bounded(c->mtu ? c->mtu : d.mtu, PPP_INFO_MAX);
	c->mru = c->mru ? bounded(c->mru, PPP_FRAME_MAX) : 0;
	if (c->mrru && c->mrru < PPP_MIN_MRRU)
		c->mrru = PPP_MIN_MRRU;
	if (c->mrru > PPP_MAX_MRRU)
		c->mrru = PPP_MAX_MRRU;
	c->auth_methods &= PPP_AUTH_ALL;
	c->restart_ms = c->restart_ms ? c->restart_ms : d.restart_ms;
	c->max_configure = c->max_configure ? c->max_configure : d.max_configure;
	c->max_terminate = c->max_terminate ? c->max_terminate : d.max_terminate;
	c->auth_timeout_ms = c->auth_timeout_ms ? c->auth_timeout_ms : d.auth_timeout_ms;
	c->hostname = c->hostname ? c->hostname : d.hostname;
	c->user = c->user ? c->user : d.user;
	c->password = c->password ? c->password : d.password;
}

void ppp_init(
	struct ppp_link *l, const struct ppp_conf *conf, const struct ppp_ops *ops, void *user)
{
	*l = (struct ppp_link){.ops = ops, .user = user, .conf = *conf};
	fill_in(&l->conf);
	l->peer_mru = PPP_DEFAULT_MRU;
	if (!conf->server) {
		l->addr.local = conf->local_address;
		l->addr.remote = conf->remote_address;
	}
	ppp_set_ipv6(l, l->conf.ipv6, 0);
}

uint16_t ppp_mtu(const struct ppp_link *l)
{
	return l->conf.mtu < l->peer_mru ? l->conf.mtu : l->peer_mru;
}

void ppp_multilink(const struct ppp_link *l, struct ppp_multilink *m)
{
	*m = (struct ppp_multilink){0};
	if (l->lcp.state != PPP_FSM_OPENED)
		return;
	m->tx_mrru = l->peer_mrru;
	m->tx_short = l->peer_mrru && l->peer_short_seq;
	m->rx_mrru = l->want_mrru;
	m->rx_short = l->want_mrru && l->want_short_seq;
}

void ppp_enter(struct ppp_link *l)
{
	l->depth++;
}

void ppp_leave(struct ppp_link *l)
{
	if (--l->depth || !l->over)
		return;
	l->over = false;
	ppp_auth_stop(l);
	l->ops->down(l->user, l->end, l->message);
}

void ppp_keep_message(struct ppp_link *l, const uint8_t *text, size_t n)
{
	size_t most = sizeof(l->message) - 1;
	size_t len = 0;

	for (size_t i = 0; i < n && len < most; i++)
		if (text[i])
			l->message[len++] = (char)text[i];
	l->message[len] = '\0';
}

void ppp_end_link(struct ppp_link *l, enum ppp_end why, const char *text)
{
	size_t len;

	if (l->phase == PPP_PHASE_TERMINATE || l->phase == PPP_PHASE_DEAD)
		return;
	l->end = why;
	if (!text)
		text = ppp_end_text(why);
	len = strnlen(text, sizeof(l->term_text) - 1);
	memcpy(l->term_text, text, len);
	l->term_text[len] = '\0';
	l->phase = PPP_PHASE_TERMINATE;
	ppp_fsm_step(l, &ppp_lcp, PPP_EVENT_CLOSE, NULL);
}

void ppp_up(struct ppp_link *l)
{
	if (l->lcp.state != PPP_FSM_INITIAL || l->phase != PPP_PHASE_DEAD || l->end != PPP_END_NONE)
		return;
	ppp_enter(l);
	ppp_lcp_init(l);
	ppp_fsm_step(l, &ppp_lcp, PPP_EVENT_OPEN, NULL);
	ppp_fsm_step(l, &ppp_lcp, PPP_EVENT_UP, NULL);
	ppp_leave(l);
}

void ppp_free(struct ppp_link *l)
{
	secret_wipe(l, sizeof(*l));
}

void ppp_set_addresses(struct ppp_link *l, const struct ppp_addresses *a)
{
	if (!l->conf.server || l->ipcp.state > PPP_FSM_STARTING)
		return;
	ppp_enter(l);
	l->addr = *a;
	l->have_addresses = true;
	ppp_network_start(l);
	ppp_leave(l);
}

void ppp_terminate(struct ppp_link *l, enum ppp_end why, const char *text)
{
	if (why == PPP_END_NONE)
		why = PPP_END_LOCAL_TERMINATED;
	ppp_enter(l);
	if (l->phase == PPP_PHASE_DEAD && l->end == PPP_END_NONE) { // never up
		l->end = why;
		l->over = true;
	} else {
		ppp_end_link(l, why, text);
	}
	ppp_leave(l);
}

static void input_unknown(struct ppp_link *l, uint16_t proto, struct cursor c)
{
	bool is_ncp = proto >= 0x8000 && proto < 0xc000;

	// RFC 1661 3.5: network protocols are not heard before the network phase.
	if (l->phase == PPP_PHASE_NETWORK || (l->phase == PPP_PHASE_AUTHENTICATE && !is_ncp))
		ppp_lcp_protocol_reject(l, proto, c.p, cur_left(&c));
}

static void input_lcp(struct ppp_link *l, struct cursor c)
{
	// A verdict belongs to the request it was asked for: no new negotiation meanwhile.
	if (l->conf.server && l->as.pending && cur_left(&c) && c.p[0] == PPP_CODE_CONFIGURE_REQUEST)
		return;
	ppp_fsm_input(l, &ppp_lcp, c);
}

static void input(struct ppp_link *l, uint16_t proto, struct cursor c)
{
	if (proto == PPP_PROTO_LCP) {
		input_lcp(l, c);
		return;
	}
	if (l->lcp.state != PPP_FSM_OPENED) // RFC 1661 3.4, 5.7
		return;
	switch (proto) {
	case PPP_PROTO_PAP:
		ppp_pap_input(l, c);
		break;
	case PPP_PROTO_CHAP:
		ppp_chap_input(l, c);
		break;
	case PPP_PROTO_IPCP:
		ppp_network_input(l, &ppp_ipcp, c);
		break;
	case PPP_PROTO_IPV6CP:
		ppp_network_input(l, &ppp_ipv6cp, c);
		break;
	case PPP_PROTO_IPV4:
	case PPP_PROTO_IPV6:
		break;
	default:
		input_unknown(l, proto, c);
	}
}

void ppp_input(struct ppp_link *l, const uint8_t *frame, size_t len)
{
	uint16_t proto;
	int header = ppp_parse_header(frame, len, &proto);

	if (header < 0 || l->phase == PPP_PHASE_DEAD)
		return;
	ppp_enter(l);
	input(l, proto, cursor_make(frame + header, len - (size_t)header));
	ppp_leave(l);
}

void ppp_timeout(struct ppp_link *l, enum ppp_timer t)
{
	if (l->phase == PPP_PHASE_DEAD)
		return;
	ppp_enter(l);
	if (t == PPP_TIMER_LCP)
		ppp_fsm_timeout(l, &ppp_lcp);
	else if (t == PPP_TIMER_IPCP)
		ppp_fsm_timeout(l, &ppp_ipcp);
	else if (t == PPP_TIMER_IPV6CP)
		ppp_fsm_timeout(l, &ppp_ipv6cp);
	else if (t == PPP_TIMER_AUTH)
		ppp_auth_timeout(l);
	else if (t == PPP_TIMER_ECHO)
		ppp_lcp_echo_timeout(l);
	ppp_leave(l);
}
