// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/users.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

#define ERROR_NO_DIALIN_PERMISSION 649
#define ERROR_AUTHENTICATION_FAILURE 691

const char *users_result_text(enum users_result r)
{
	switch (r) {
#define X(name, text)      \
	case USERS_##name: \
		return text;
		USERS_RESULT_LIST(X)
#undef X
	}
	return "unknown";
}

// -- store --

struct users_store {
	struct users_store *next;
	max_align_t data[];
};

void *users_store_get(struct users_store **st, size_t n)
{
	struct users_store *block = calloc(1, sizeof(*block) + n);

	if (!block)
		return NULL;
	block->next = *st;
	*st = block;
	return block->data;
}

void users_store_free(struct users_store *st)
{
	while (st) {
		struct users_store *next = st->next;

		free(st);
		st = next;
	}
}

// -- log-in --

void users_refuse(struct users_answer *a, enum users_result r, uint16_t error, const char *text)
{
	size_t n = strnlen(text, sizeof(a->verdict.message) - 1);

	secret_wipe(&a->verdict, sizeof(a->verdict));
	a->result = r;
	a->verdict.error = error;
	a->verdict.may_retry = error == ERROR_AUTHENTICATION_FAILURE;
	memcpy(a->verdict.message, text, n);
}

static const struct config_secret *find(const struct config *c, const struct ppp_auth_request *req)
{
	const struct config_secret *s;
	const char *domain;

	// A name with a NUL inside is nobody's.
	if (!req->name_len || memchr(req->name, '\0', req->name_len))
		return NULL;
	s = config_secret(c, req->name);
	if (s)
		return s;
	domain = strchr(req->name, '\\');
	return domain ? config_secret(c, domain + 1) : NULL;
}

bool users_prefix_has(const struct config_prefix *p, const struct in6_addr *a)
{
	unsigned int whole = p->plen / 8, bits = p->plen % 8;

	if (p->plen > 128 || memcmp(&p->addr, a, whole) != 0)
		return false;
	return !bits || !((p->addr.s6_addr[whole] ^ a->s6_addr[whole]) >> (8 - bits));
}

static const struct config_profile *profile_of(
	const struct config *c, const struct config_secret *s)
{
	const char *name = s && s->profile ? s->profile : c->sstp.default_profile;
	const struct config_profile *p = name ? config_profile(c, name) : NULL;

	return p ? p : config_profile(c, "default");
}

static enum config_tristate tristate(
	enum config_tristate own, enum config_tristate fallback, enum config_tristate built_in)
{
	return own != CONFIG_DEFAULT ? own : fallback != CONFIG_DEFAULT ? fallback : built_in;
}

// MPPE is nothing that SSTP could give: TLS does its work.
static bool wants_mppe(const struct config *c, const struct config_secret *s)
{
	const struct config_profile *p = profile_of(c, s), *d = config_profile(c, "default");

	return p && tristate(p->use_encryption, d ? d->use_encryption : CONFIG_DEFAULT,
			    CONFIG_NO) == CONFIG_REQUIRED;
}

bool users_check(void *user, const struct users_query *q, struct users_answer *a)
{
	const struct config *c = user;
	const struct config_secret *s = find(c, q->req);
	const char *password = s && !s->disabled ? s->password : NULL;
	bool known = !ppp_auth_check(q->req, password, &a->verdict);

	if (!known)
		users_refuse(a, USERS_UNSUPPORTED, ERROR_AUTHENTICATION_FAILURE, "");
	else if (!s)
		a->result = USERS_UNKNOWN;
	else if (s->disabled)
		a->result = USERS_DISABLED;
	else if (!a->verdict.ok)
		a->result = USERS_REFUSED;
	else if (s->has_caller_id && !users_prefix_has(&s->caller_id, &q->peer))
		// From elsewhere nobody learns that the password is right.
		users_refuse(a, USERS_CALLER_ID, ERROR_AUTHENTICATION_FAILURE, "");
	else if (wants_mppe(c, s))
		users_refuse(a, USERS_ENCRYPTION, ERROR_NO_DIALIN_PERMISSION,
			"MPPE encryption is required and not available");
	else
		users_grant(c, s, &a->grant);
	return true;
}

// -- what a log-in gets --

static void grant_remote(struct users_grant *g, const struct config_secret *s,
	const struct config_profile *p, const struct config_profile *fallback)
{
	if (s->remote_address)
		g->remote = s->remote_address;
	else if (p->remote_address)
		g->remote = p->remote_address;
	else if (s->remote_pool)
		g->pool = s->remote_pool;
	else if (p->remote_pool)
		g->pool = p->remote_pool;
	else if (fallback->remote_address)
		g->remote = fallback->remote_address;
	else
		g->pool = fallback->remote_pool;
}

static void grant_names(
	uint32_t dst[2], const uint32_t *a, unsigned int na, const uint32_t *b, unsigned int nb)
{
	const uint32_t *src = na ? a : b;
	unsigned int n = na ? na : nb;

	for (unsigned int i = 0; i < n && i < 2; i++)
		dst[i] = src[i];
}

// DNS servers of either family replace those of the profile "default".
static void grant_dns(
	struct users_grant *g, const struct config_profile *p, const struct config_profile *d)
{
	const struct config_profile *from = p->nb_dns || p->nb_dns6 ? p : d;

	grant_names(g->dns, from->dns, from->nb_dns, NULL, 0);
	g->dns6 = from->nb_dns6 ? from->dns6 : NULL;
	g->nb_dns6 = from->nb_dns6;
	grant_names(g->wins, p->wins, p->nb_wins, d->wins, d->nb_wins);
}

// A name of the profile, else of the profile "default". "" is none, whatever the other has.
static const char *grant_name(const char *own, const char *fallback)
{
	const char *name = own ? own : fallback;

	return name && *name ? name : NULL;
}

static void grant_ip6(struct users_grant *g, const struct config_secret *s,
	const struct config_profile *p, const struct config_profile *d)
{
	g->use_ipv6 = tristate(p->use_ipv6, d->use_ipv6, CONFIG_YES);
	g->prefix_pool = grant_name(p->prefix_pool, d->prefix_pool);
	g->pd_pool = grant_name(p->pd_pool, d->pd_pool);
	g->prefix6 = s->has_prefix6 ? &s->prefix6 : NULL;
}

static uint32_t grant_time(uint32_t own, uint32_t fallback)
{
	if (own != CONFIG_UNSET)
		return own;
	return fallback != CONFIG_UNSET ? fallback : 0;
}

static void grant_limits(struct users_grant *g, const struct config_secret *s,
	const struct config_profile *p, const struct config_profile *d)
{
	const struct config_profile *rate = p->has_rate ? p : d;

	if (rate->has_rate) {
		g->rate_rx = rate->rate_rx;
		g->rate_tx = rate->rate_tx;
	}
	g->limit_rx = s->limit_bytes_in;
	g->limit_tx = s->limit_bytes_out;
	g->session_timeout_s = grant_time(p->session_timeout_s, d->session_timeout_s);
	g->idle_timeout_s = grant_time(p->idle_timeout_s, d->idle_timeout_s);
	g->only_one = p->only_one ? p->only_one : d->only_one ? d->only_one : CONFIG_ONLY_ONE_NO;
}

static void grant_policy(struct users_grant *g, const struct config *c,
	const struct config_profile *p, const struct config_profile *d)
{
	const char *filter = grant_name(p->filter, d->filter);
	const char *list = grant_name(p->address_list, d->address_list);

	g->filter = filter ? (uint16_t)(config_filter(c, filter) + 1) : 0;
	g->address_list = list ? (uint16_t)(config_address_list(c, list) + 1) : 0;
	g->on_up = grant_name(p->on_up, d->on_up);
	g->on_down = grant_name(p->on_down, d->on_down);
}

void users_grant(const struct config *c, const struct config_secret *secret, struct users_grant *g)
{
	static const struct config_profile no_profile = {
		.session_timeout_s = CONFIG_UNSET, .idle_timeout_s = CONFIG_UNSET};
	static const struct config_secret no_secret;
	const struct config_profile *p = profile_of(c, secret), *d = config_profile(c, "default");
	const struct config_secret *s = secret ? secret : &no_secret;

	if (!d)
		d = &no_profile;
	if (!p)
		p = d;
	memset(g, 0, sizeof(*g));
	g->account = s->name;
	g->profile = p->name;
	g->local = s->local_address   ? s->local_address
		   : p->local_address ? p->local_address
				      : d->local_address;
	g->routes = s->routes;
	g->nb_routes = s->nb_routes;
	grant_remote(g, s, p, d);
	grant_dns(g, p, d);
	g->change_tcp_mss = tristate(p->change_tcp_mss, d->change_tcp_mss, CONFIG_YES) != CONFIG_NO;
	grant_ip6(g, s, p, d);
	grant_limits(g, s, p, d);
	grant_policy(g, c, p, d);
}
