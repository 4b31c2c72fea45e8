// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/ip6/dhcp6_server.h"

#include "protocol/ip6/ip6.h"

struct exchange {
	const struct dhcp6_link *l;
	struct dhcp6_lease *lease;
	const struct dhcp6_ops *ops;
	void *user;
	const struct dhcp6_msg *in;
	struct dhcp6_msg *out;
};

static bool same_duid(const struct dhcp6_duid *a, const struct dhcp6_duid *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

// 16: what a server must discard.
static bool is_valid(const struct exchange *x)
{
	const struct dhcp6_msg *in = x->in;
	bool ours = in->server.len && same_duid(&in->server, x->l->duid);

	switch (in->type) {
	case DHCP6_SOLICIT:
	case DHCP6_CONFIRM:
	case DHCP6_REBIND:
		return in->client.len && !in->server.len;
	case DHCP6_REQUEST:
	case DHCP6_RENEW:
	case DHCP6_RELEASE:
	case DHCP6_DECLINE:
		return in->client.len && ours;
	case DHCP6_INFORMATION_REQUEST:
		return (!in->server.len || ours) && !in->nb_pd && !in->nb_na && !in->has_ta;
	default:
		return false;
	}
}

static bool same_prefix(const struct dhcp6_lease *lease, const struct dhcp6_prefix *p)
{
	return lease->plen == p->plen && ip6_in_prefix(&p->prefix, &lease->prefix, lease->plen);
}

// The prefix of the link for this IA. False: it has another IA, or there is none.
static bool bind_ia(struct exchange *x, unsigned int i)
{
	struct dhcp6_lease *lease = x->lease;

	// A client that forgot its number starts again with another one: the first IA of a message
	// gets the prefix, unless another one of it has it.
	for (unsigned int k = 0; lease->bound && k < x->in->nb_pd; k++)
		if (x->in->pd[k].iaid == lease->iaid)
			return x->in->pd[i].iaid == lease->iaid;
	if (i)
		return false;
	if (!lease->bound) {
		if (!x->ops->take(x->user, &lease->prefix, &lease->plen))
			return false;
		lease->bound = true;
	}
	lease->iaid = x->in->pd[i].iaid;
	return true;
}

static struct dhcp6_ia *add_pd(struct exchange *x, uint32_t iaid)
{
	struct dhcp6_ia *ia = &x->out->pd[x->out->nb_pd++];

	*ia = (struct dhcp6_ia){.iaid = iaid};
	return ia;
}

// 18.3.4: prefixes of the client's that are not the link's: their life is over.
static void end_others(struct exchange *x, const struct dhcp6_ia *asked, struct dhcp6_ia *ia)
{
	for (unsigned int k = 0; k < asked->nb_prefixes && ia->nb_prefixes < DHCP6_MAX_PREFIX;
		k++) {
		const struct dhcp6_prefix *p = &asked->prefixes[k];

		// A hint of a length alone is no prefix that it has.
		if (!ip6_is_unspecified(&p->prefix) && !same_prefix(x->lease, p))
			ia->prefixes[ia->nb_prefixes++] =
				(struct dhcp6_prefix){.plen = p->plen, .prefix = p->prefix};
	}
}

static void grant_pd(struct exchange *x, unsigned int i, bool extend)
{
	struct dhcp6_ia *ia = add_pd(x, x->in->pd[i].iaid);

	if (!bind_ia(x, i)) {
		ia->status = DHCP6_NO_PREFIX_AVAIL;
		return;
	}
	ia->prefixes[ia->nb_prefixes++] = (struct dhcp6_prefix){
		.preferred_s = x->l->preferred_s,
		.valid_s = x->l->valid_s,
		.plen = x->lease->plen,
		.prefix = x->lease->prefix,
	};
	ia->t1_s = x->l->preferred_s == DHCP6_INFINITE ? DHCP6_INFINITE : x->l->preferred_s / 2;
	ia->t2_s = x->l->preferred_s == DHCP6_INFINITE ? DHCP6_INFINITE : x->l->preferred_s / 5 * 4;
	if (extend)
		end_others(x, &x->in->pd[i], ia);
}

static void grant_all(struct exchange *x)
{
	bool extend = x->in->type == DHCP6_RENEW || x->in->type == DHCP6_REBIND;

	for (unsigned int i = 0; i < x->in->nb_pd; i++)
		grant_pd(x, i, extend);
	// Addresses the client makes by itself.
	for (unsigned int i = 0; i < x->in->nb_na; i++)
		x->out->na[x->out->nb_na++] = (struct dhcp6_ia){
			.iaid = x->in->na[i].iaid, .status = DHCP6_NO_ADDRS_AVAIL};
}

// 18.3.7, 18.3.8: what is not ours has no binding; the rest of the message is a success.
static void release_all(struct exchange *x)
{
	for (unsigned int i = 0; i < x->in->nb_pd; i++) {
		const struct dhcp6_ia *asked = &x->in->pd[i];
		struct dhcp6_lease *lease = x->lease;

		if (!lease->bound || lease->iaid != asked->iaid) {
			add_pd(x, asked->iaid)->status = DHCP6_NO_BINDING;
			continue;
		}
		for (unsigned int k = 0; lease->bound && k < asked->nb_prefixes; k++) {
			if (!same_prefix(lease, &asked->prefixes[k]))
				continue;
			lease->bound = false;
			x->ops->release(x->user, &lease->prefix, lease->plen);
		}
	}
	for (unsigned int i = 0; i < x->in->nb_na; i++)
		x->out->na[x->out->nb_na++] =
			(struct dhcp6_ia){.iaid = x->in->na[i].iaid, .status = DHCP6_NO_BINDING};
}

// 18.3.3: whether the addresses still fit. Nothing is known of others than this link.
static bool confirm(struct exchange *x)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < x->in->nb_na; i++) {
		for (unsigned int k = 0; k < x->in->na[i].nb_prefixes; k++, n++)
			if (!x->l->plen || !ip6_in_prefix(&x->in->na[i].prefixes[k].prefix,
						   &x->l->prefix, x->l->plen))
				x->out->status = DHCP6_NOT_ON_LINK;
	}
	return n != 0;
}

static void add_dns(struct exchange *x)
{
	if (x->in->has_oro && !x->in->wants_dns)
		return;
	for (unsigned int i = 0; i < x->l->nb_dns && i < DHCP6_MAX_DNS; i++)
		x->out->dns[x->out->nb_dns++] = x->l->dns[i];
}

bool dhcp6_answer(const struct dhcp6_link *l, struct dhcp6_lease *lease,
	const struct dhcp6_ops *ops, void *user, const struct dhcp6_msg *in, struct dhcp6_msg *out)
{
	struct exchange x = {l, lease, ops, user, in, out};

	*out = (struct dhcp6_msg){
		.type = DHCP6_REPLY, .xid = in->xid, .client = in->client, .server = *l->duid};
	if (!is_valid(&x))
		return false;
	switch (in->type) {
	case DHCP6_SOLICIT:
		out->rapid_commit = in->rapid_commit;
		if (!in->rapid_commit)
			out->type = DHCP6_ADVERTISE;
		grant_all(&x);
		break;
	case DHCP6_REQUEST:
	case DHCP6_RENEW:
	case DHCP6_REBIND:
		grant_all(&x);
		break;
	case DHCP6_RELEASE:
	case DHCP6_DECLINE:
		release_all(&x);
		return true;
	case DHCP6_CONFIRM:
		return confirm(&x);
	default:
		break;
	}
	add_dns(&x);
	return true;
}
