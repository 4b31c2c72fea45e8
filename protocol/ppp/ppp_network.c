// SPDX-License-Identifier: BSD-3-Clause
// The network phase: IPCP and IPV6CP side by side. A link is of use while one of them is open or on
// its way, and ends with the last.
#include "protocol/ppp/ppp_internal.h"

static bool has_ip4(const struct ppp_link *l)
{
	return !l->conf.server || l->addr.remote;
}

bool ppp_has_ip6(const struct ppp_link *l)
{
	return l->ip6.mode != PPP_IPV6_NO;
}

// Whether a network protocol is open or being negotiated.
static bool is_alive(const struct ppp_fsm *f)
{
	return f->state >= PPP_FSM_REQ_SENT;
}

static void start(struct ppp_link *l, const struct ppp_cp *cp)
{
	if (ppp_cp_fsm(l, cp)->state > PPP_FSM_STARTING)
		return;
	if (cp == &ppp_ipv6cp)
		ppp_ipv6cp_prepare(l);
	ppp_fsm_step(l, cp, PPP_EVENT_OPEN, NULL);
	ppp_fsm_step(l, cp, PPP_EVENT_UP, NULL);
}

// A server that may do without lets the client begin with IPV6CP: so who knows nothing of it is not
// bothered.
static bool begins_ip6(const struct ppp_link *l)
{
	return l->ip6.mode == PPP_IPV6_REQUIRED ||
	       (l->ip6.mode == PPP_IPV6_YES && (!l->conf.server || !has_ip4(l)));
}

void ppp_network_start(struct ppp_link *l)
{
	if (l->phase != PPP_PHASE_NETWORK || (l->conf.server && !l->have_addresses))
		return;
	if (!has_ip4(l) && !ppp_has_ip6(l)) {
		ppp_end_link(l, PPP_END_NO_ADDRESS, NULL);
		return;
	}
	if (has_ip4(l))
		start(l, &ppp_ipcp);
	if (begins_ip6(l))
		start(l, &ppp_ipv6cp);
}

void ppp_network_stop(struct ppp_link *l)
{
	ppp_fsm_step(l, &ppp_ipcp, PPP_EVENT_DOWN, NULL);
	ppp_fsm_step(l, &ppp_ipv6cp, PPP_EVENT_DOWN, NULL);
}

// Whether the link goes on without cp.
static bool can_do_without(struct ppp_link *l, const struct ppp_cp *cp)
{
	if (l->phase != PPP_PHASE_NETWORK)
		return false;
	if (cp == &ppp_ipv6cp)
		return l->ip6.mode != PPP_IPV6_REQUIRED && is_alive(&l->ipcp);
	return cp == &ppp_ipcp && is_alive(&l->ipv6cp);
}

// IPV6CP that nobody asked for is not why a link ends.
static enum ppp_end reason(const struct ppp_link *l, const struct ppp_cp *cp, enum ppp_end why)
{
	bool alone = cp == &ppp_ipv6cp && l->ip6.mode == PPP_IPV6_YES && has_ip4(l);

	return alone ? PPP_END_IPCP_FAILED : why;
}

void ppp_ncp_finished(struct ppp_link *l, const struct ppp_cp *cp)
{
	if (can_do_without(l, cp))
		l->end = PPP_END_NONE;
	else
		ppp_end_link(l,
			l->end == PPP_END_NONE ? reason(l, cp, cp->failed) : (enum ppp_end)l->end,
			NULL);
}

void ppp_cp_failed(struct ppp_link *l, const struct ppp_cp *cp, enum ppp_end why)
{
	if (cp == &ppp_lcp && l->auth_refused)
		why = PPP_END_AUTH_REFUSED;
	if (cp == &ppp_lcp || !can_do_without(l, cp)) {
		ppp_end_link(l, why, NULL);
		return;
	}
	l->end = PPP_END_NONE;
	ppp_fsm_step(l, cp, PPP_EVENT_CLOSE, NULL);
}

void ppp_ncp_rejected(struct ppp_link *l, const struct ppp_cp *cp)
{
	struct ppp_fsm *f = ppp_cp_fsm(l, cp);

	// What was not asked for cannot be refused.
	if (l->phase != PPP_PHASE_NETWORK || f->state <= PPP_FSM_STARTING)
		return;
	// A client that refuses IPCP may not have come to IPV6CP yet.
	if (cp == &ppp_ipcp && ppp_has_ip6(l))
		start(l, &ppp_ipv6cp);
	if (can_do_without(l, cp)) {
		l->end = PPP_END_NONE;
		ppp_fsm_step(l, cp, PPP_EVENT_RXJ_MINUS, NULL);
	} else {
		ppp_end_link(l, reason(l, cp, cp->rejected), NULL);
	}
}

void ppp_network_input(struct ppp_link *l, const struct ppp_cp *cp, struct cursor c)
{
	if (l->phase == PPP_PHASE_AUTHENTICATE && !l->conf.server) {
		if (cp == &ppp_ipcp)
			ppp_auth_early_ncp(l);
		return;
	}
	if (l->phase != PPP_PHASE_NETWORK || (l->conf.server && !l->have_addresses))
		return;
	if (cp == &ppp_ipcp ? !has_ip4(l) : !ppp_has_ip6(l)) {
		ppp_lcp_protocol_reject(l, cp->proto, c.p, cur_left(&c));
		return;
	}
	if (cur_left(&c) && c.p[0] == PPP_CODE_CONFIGURE_REQUEST)
		start(l, cp);
	ppp_fsm_input(l, cp, c);
}

bool ppp_ipv4_pending(const struct ppp_link *l)
{
	const struct ppp_fsm *f = &l->ipcp;

	return l->phase == PPP_PHASE_NETWORK && is_alive(f) && f->state != PPP_FSM_OPENED &&
	       f->restart_count + 1 >= l->conf.max_configure;
}

void ppp_set_ipv6(struct ppp_link *l, enum ppp_ipv6_mode mode, uint64_t local_id)
{
	if (!l->ops->network6_up || !l->ops->network6_down || l->ipv6cp.state > PPP_FSM_STARTING)
		return;
	l->ip6.mode = (uint8_t)mode;
	l->ip6.local_id = local_id;
}
