// SPDX-License-Identifier: BSD-3-Clause
// The client's IPv4 address, and its IPv6 prefix with it: taken when it is authenticated, given
// back when its session is gone.
#define LOG_TYPE "cp.address"
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "controlplane/cp_ip6.h"
#include "controlplane/cp_session.h"

#define ADDRESS_LOG_BURST 5

static int take_fixed(struct cp_session *s, uint32_t addr)
{
	struct pools *pools = s->cp->pools;
	char text[INET_ADDRSTRLEN];
	int rc = pools_take(pools, addr, s->id);

	if (rc == -EADDRINUSE)
		SLOG_RATE(LOG_WARNING, ADDRESS_LOG_BURST, s, "address=%s is in use by session=%llu",
			cp_ip_text(addr, text), (unsigned long long)pools_owner(pools, addr));
	return rc;
}

// The one that the session before had, where there was one; else any.
static int take_from(struct cp_session *s, struct pool *pool, uint32_t *addr)
{
	struct pools *pools = s->cp->pools;
	const struct cp_call *c = s->call;
	uint32_t size = 0;
	int rc;

	if (c->prefer && pool_having(pool, c->prefer) && !pools_take(pools, c->prefer, s->id)) {
		*addr = c->prefer;
		return 0;
	}
	rc = pools_take_any(pools, pool, s->id, c->user_hash, addr);
	if (rc != -ENOSPC)
		return rc;
	for (const struct pool *p = pool; p; p = pool_next(p))
		size += pool_size(p);
	SLOG_RATE(LOG_WARNING, ADDRESS_LOG_BURST, s, "pool=%s has no free address, all %u are used",
		pool_name(pool), size);
	return rc;
}

// An address for what was granted. 0 and s->addr, or -errno.
static int take(struct cp_session *s)
{
	const struct users_grant *g = &s->call->grant;
	struct pool *pool = g->pool ? pools_find(s->cp->pools, g->pool) : NULL;
	const struct pool *from;
	char text[INET_ADDRSTRLEN];
	uint32_t addr = g->remote;
	int rc;

	if (!g->local) {
		SLOG_RATE(LOG_ERR, ADDRESS_LOG_BURST, s,
			"no local-address in the secret or its profiles");
		return -EADDRNOTAVAIL;
	}
	if (!addr && !pool) {
		SLOG_RATE(LOG_ERR, ADDRESS_LOG_BURST, s,
			"no remote-address in the secret or its profiles");
		return -EADDRNOTAVAIL;
	}
	rc = addr ? take_fixed(s, addr) : take_from(s, pool, &addr);
	if (rc)
		return rc;
	s->addr = addr;
	from = g->remote ? NULL : pool_having(pool, addr);
	SLOG(LOG_INFO, s, "address=%s pool=%s", cp_ip_text(addr, text),
		from ? pool_name(from) : "-");
	return 0;
}

void cp_address_assign(struct cp_session *s)
{
	struct cp_call *c = s->call;
	const struct users_grant *g = &c->grant;
	struct ppp_addresses a = {0};
	int ip6;

	ip6 = cp_ip6_prepare(s);
	// Who is given IPv6 need not be given IPv4.
	if (ip6 < 0 || ((g->remote || g->pool || !ip6) && take(s))) {
		s->cp->totals.no_address++;
		cp_ip6_free(s);
		ppp_set_ipv6(&c->ppp, PPP_IPV6_NO, 0);
	} else if (s->addr) {
		a.local = g->local;
		a.remote = s->addr;
		memcpy(a.dns, g->dns, sizeof(a.dns));
		memcpy(a.wins, g->wins, sizeof(a.wins));
	}
	ppp_set_addresses(&c->ppp, &a);
}

uint32_t cp_address_release(struct cp_session *s)
{
	uint32_t addr = s->addr;

	if (addr)
		pools_release(s->cp->pools, addr);
	s->addr = 0;
	cp_ip6_free(s);
	return addr;
}
