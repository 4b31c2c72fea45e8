// SPDX-License-Identifier: BSD-3-Clause
#include "client/ways.h"

#include <arpa/inet.h>
#include <resolv.h>
#include <string.h>

#include "client/netroute.h"
#include "client/netwatch.h"

void ways_clear(struct ways *w)
{
	w->n = 0;
}

void ways_add(struct ways *w, const struct sockaddr *to, socklen_t len)
{
	if ((to->sa_family != AF_INET && to->sa_family != AF_INET6) ||
		len > sizeof(w->server[0].to))
		return;
	for (unsigned int i = 0; i < w->n; i++)
		if (w->server[i].len == len && !memcmp(&w->server[i].to, to, len))
			return;
	if (w->n == WAYS_MAX)
		return;
	memset(&w->server[w->n], 0, sizeof(w->server[0]));
	memcpy(&w->server[w->n].to, to, len);
	w->server[w->n++].len = len;
}

void ways_add_names(struct ways *w)
{
	// Where all names begin: a.root-servers.net.
	struct sockaddr_in root4 = {
		.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(0xc6290004)};
	struct sockaddr_in6 root6 = {.sin6_family = AF_INET6,
		.sin6_port = htons(53),
		.sin6_addr.s6_addr = {0x20, 0x01, 0x05, 0x03, 0xba, 0x3e, [11] = 2, [15] = 0x30}};
	struct __res_state res;

	memset(&res, 0, sizeof(res));
	if (!res_ninit(&res)) {
		for (int i = 0; i < res.nscount; i++)
			ways_add(w, (struct sockaddr *)&res.nsaddr_list[i],
				sizeof(res.nsaddr_list[i]));
		res_nclose(&res);
	}
	ways_add(w, (struct sockaddr *)&root4, sizeof(root4));
	ways_add(w, (struct sockaddr *)&root6, sizeof(root6));
}

static struct in6_addr address_of(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return netconf_mapped(ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr));
	return ((const struct sockaddr_in6 *)a)->sin6_addr;
}

static void find(struct way *way, struct netconf *n, int tunnel, const struct sockaddr_storage *to,
	socklen_t len)
{
	const struct in6_addr dst = address_of(to);
	struct netconf_route r;
	int rc = netconf_route_get(n, &dst, &r), by = 0;

	memset(way, 0, sizeof(*way));
	if (!rc && r.ifindex == tunnel) {
		rc = netroute_past(n, &dst, tunnel, &r);
		by = r.ifindex;
	}
	if (rc || netwatch_source((const struct sockaddr *)to, len, by, &way->from))
		return;
	way->there = true;
	way->ifindex = r.ifindex;
	way->has_gateway = r.has_gateway;
	if (r.has_gateway)
		way->gateway = r.gateway;
}

void ways_note(struct ways *w, struct netconf *n, int tunnel)
{
	for (unsigned int i = 0; i < w->n; i++)
		find(&w->server[i].way, n, tunnel, &w->server[i].to, w->server[i].len);
}

static bool same(const struct way *a, const struct way *b)
{
	return a->ifindex == b->ifindex && a->has_gateway == b->has_gateway &&
	       !memcmp(&a->gateway, &b->gateway, sizeof(a->gateway)) &&
	       netwatch_same_source(&a->from, &b->from);
}

bool ways_changed(struct ways *w, struct netconf *n, int tunnel)
{
	bool changed = false;
	struct way now;

	for (unsigned int i = 0; i < w->n; i++) {
		struct way *was = &w->server[i].way;

		find(&now, n, tunnel, &w->server[i].to, w->server[i].len);
		changed = changed || (now.there && (!was->there || !same(was, &now)));
		*was = now;
	}
	return changed;
}
