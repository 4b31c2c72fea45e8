// SPDX-License-Identifier: BSD-3-Clause
// What a session's scripts are told: their environment. No secret is in it. docs/scripts.md lists
// it.
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/cp_ip6.h"
#include "controlplane/cp_policy.h"
#include "protocol/ppp/ppp.h"

#define PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// A growing block of strings; failed once, it stays so.
struct facts {
	char *p;
	size_t n, cap;
	bool failed;
};

static void put(struct facts *f, const void *p, size_t n)
{
	if (!f->failed && n > f->cap - f->n) {
		size_t cap = (f->n + n) * 2;
		char *q = realloc(f->p, cap);

		f->failed = !q;
		f->p = q ? q : f->p;
		f->cap = q ? cap : f->cap;
	}
	if (f->failed)
		return;
	memcpy(f->p + f->n, p, n);
	f->n += n;
}

// NAME=text. What a peer had a hand in holds no control characters.
static void fact(struct facts *f, const char *name, const char *text)
{
	put(f, "CULVERT_", 8);
	put(f, name, strlen(name));
	put(f, "=", 1);
	for (; *text; text++) {
		char c = (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text;

		put(f, &c, 1);
	}
	put(f, "", 1);
}

static void fact_number(struct facts *f, const char *name, unsigned long long v)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", v);
	fact(f, name, text);
}

static void fact_ip(struct facts *f, const char *name, uint32_t addr)
{
	char text[INET_ADDRSTRLEN];

	if (addr)
		fact(f, name, cp_ip_text(addr, text));
}

static void fact_ips(struct facts *f, const char *name, const uint32_t addr[2])
{
	char text[2 * INET_ADDRSTRLEN + 2], one[INET_ADDRSTRLEN], two[INET_ADDRSTRLEN];

	if (!addr[0])
		return;
	snprintf(text, sizeof(text), "%s%s%s", cp_ip_text(addr[0], one), addr[1] ? " " : "",
		addr[1] ? cp_ip_text(addr[1], two) : "");
	fact(f, name, text);
}

static void fact_in6(struct facts *f, const char *name, const struct in6_addr *a)
{
	char text[INET6_ADDRSTRLEN];

	if (IN6_IS_ADDR_V4MAPPED(a))
		inet_ntop(AF_INET, &a->s6_addr[12], text, sizeof(text));
	else
		inet_ntop(AF_INET6, a, text, sizeof(text));
	fact(f, name, text);
}

// "10.1.0.0/16 via 10.9.0.1 metric 1", each behind ", ".
static void fact_routes(struct facts *f, const struct users_grant *g)
{
	char *text = NULL, prefix[64], via[INET6_ADDRSTRLEN + 8];
	size_t n = 0;
	FILE *out;

	if (!g->nb_routes)
		return;
	out = open_memstream(&text, &n);
	f->failed |= !out;
	if (!out)
		return;
	for (unsigned int i = 0; i < g->nb_routes; i++) {
		const struct config_route *r = &g->routes[i];
		struct config_prefix gateway = {r->gateway, 128};

		cp_prefix_text(&r->prefix, prefix, sizeof(prefix));
		cp_prefix_text(&gateway, via, sizeof(via));
		*strchr(via, '/') = '\0';
		fprintf(out, "%s%s%s%s metric %u", i ? ", " : "", prefix,
			r->has_gateway ? " via " : "", r->has_gateway ? via : "", r->metric);
	}
	f->failed |= fclose(out) != 0;
	if (!f->failed)
		fact(f, "ROUTES", text);
	free(text);
}

static void fact_prefix6(struct facts *f, const struct cp_session *s)
{
	char text[64];

	if (s->ip6 && s->ip6->plen)
		fact(f, "IPV6_PREFIX",
			cp_prefix_text(&(struct config_prefix){s->ip6->prefix, s->ip6->plen}, text,
				sizeof(text)));
}

char *cp_facts_make(const struct cp_session *s)
{
	const struct cp_call *c = s->call;
	const struct users_grant *g = &c->grant;
	struct tls_info tls = {0};
	struct facts f = {0};
	char text[32];

	if (s->hs)
		tls_hs_info(s->hs, &tls);
	put(&f, PATH, sizeof(PATH));
	fact_number(&f, "SESSION", s->id);
	snprintf(text, sizeof(text), "sstp-%llu", (unsigned long long)s->id);
	fact(&f, "INTERFACE", text);
	fact(&f, "USER", g->account);
	fact(&f, "PROFILE", g->profile ? g->profile : "");
	fact(&f, "AUTHENTICATION", ppp_auth_name(c->ppp.auth));
	fact_ip(&f, "ADDRESS", s->addr);
	fact_ip(&f, "LOCAL_ADDRESS", c->local);
	fact_prefix6(&f, s);
	fact_ips(&f, "DNS", g->dns);
	fact_ips(&f, "WINS", g->wins);
	fact_routes(&f, g);
	fact_number(&f, "MTU", ppp_mtu(&c->ppp));
	fact_in6(&f, "PEER_ADDRESS", &s->peer);
	fact_number(&f, "PEER_PORT", s->peer_port);
	fact(&f, "TLS_VERSION", tls.version);
	fact(&f, "TLS_CIPHER", tls.cipher);
	put(&f, "", 1);
	if (!f.failed)
		return f.p;
	free(f.p);
	return NULL;
}

static size_t length(const char *env)
{
	const char *p = env;

	while (*p)
		p += strlen(p) + 1;
	return (size_t)(p - env);
}

char *cp_facts_of_run(const struct cp_session *s, const char *event, const struct dp_msg *closed)
{
	const char *facts = s->policy->facts;
	double duration = ev_now(s->cp->loop) - s->began;
	struct facts f = {0};
	char reason[256];

	put(&f, facts, length(facts));
	fact(&f, "EVENT", event);
	if (!strcmp(event, "down"))
		fact_number(&f, "DURATION", duration > 0 ? (unsigned long long)duration : 0);
	if (closed) {
		const struct dp_session_stats *st = &closed->u.closed.stats;

		fact_number(&f, "RX_BYTES", st->rx_bytes);
		fact_number(&f, "TX_BYTES", st->tx_bytes);
		fact_number(&f, "RX_PACKETS", st->rx_packets);
		fact_number(&f, "TX_PACKETS", st->tx_packets);
		cp_session_reason(s, closed, reason, sizeof(reason));
		fact(&f, "REASON", reason);
	} else if (s->why && !strcmp(event, "down")) { // only at the end of the process
		fact(&f, "REASON", s->why);
	}
	put(&f, "", 1);
	if (!f.failed)
		return f.p;
	free(f.p);
	return NULL;
}
