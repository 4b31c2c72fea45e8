// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/users.h"

#include <string.h>

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

enum users_result users_check(const struct config *c, const struct ppp_auth_request *req,
	struct ppp_auth_verdict *v, struct users_grant *g)
{
	const struct config_secret *s = find(c, req);
	const char *password = s && !s->disabled ? s->password : NULL;

	memset(v, 0, sizeof(*v));
	if (ppp_auth_check(req, password, v)) {
		v->ok = false;
		v->error = 691;
		return USERS_UNSUPPORTED;
	}
	if (!s)
		return USERS_UNKNOWN;
	if (s->disabled)
		return USERS_DISABLED;
	if (!v->ok)
		return USERS_REFUSED;
	users_grant(c, s, g);
	return USERS_OK;
}

static void grant_remote(struct users_grant *g, const struct config_secret *s,
	const struct config_profile *p, const struct config_profile *fallback)
{
	if (s->remote_address)
		g->remote = s->remote_address;
	else if (p && p->remote_address)
		g->remote = p->remote_address;
	else if (s->remote_pool)
		g->pool = s->remote_pool;
	else if (p && p->remote_pool)
		g->pool = p->remote_pool;
	else if (fallback && fallback->remote_address)
		g->remote = fallback->remote_address;
	else if (fallback)
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

void users_grant(const struct config *c, const struct config_secret *secret, struct users_grant *g)
{
	static const struct config_profile none = {0};
	const struct config_profile *p =
		config_profile(c, secret->profile ? secret->profile : c->sstp.default_profile);
	const struct config_profile *d = config_profile(c, "default");

	if (!d)
		d = &none;
	if (!p)
		p = d;
	memset(g, 0, sizeof(*g));
	g->local = secret->local_address ? secret->local_address
		   : p->local_address    ? p->local_address
					 : d->local_address;
	grant_remote(g, secret, p, d);
	grant_names(g->dns, p->dns, p->nb_dns, d->dns, d->nb_dns);
	grant_names(g->wins, p->wins, p->nb_wins, d->wins, d->nb_wins);
	// Not given in either profile: yes.
	g->change_tcp_mss =
		(p->change_tcp_mss ? p->change_tcp_mss : d->change_tcp_mss) != CONFIG_NO;
}
