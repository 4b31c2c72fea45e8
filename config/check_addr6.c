// SPDX-License-Identifier: BSD-3-Clause
// IPv6 prefixes: pools apart from each other and from the ports' subnets, users' fixed prefixes
// apart from each other. (A fixed prefix may lie in a pool: it is not handed out, then.)
#include <stdlib.h>
#include <string.h>

#include "config/check.h"
#include "config/value.h"

struct entry {
	struct in6_addr prefix;
	uint8_t plen;
	unsigned int index; // of the pool or user
};

static int by_prefix(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int d = memcmp(&x->prefix, &y->prefix, sizeof(x->prefix));

	if (d)
		return d;
	if (x->plen != y->plen)
		return x->plen < y->plen ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static bool overlap(const struct in6_addr *a, uint8_t alen, const struct in6_addr *b, uint8_t blen)
{
	return value_ip6_same_network(a, b, alen < blen ? alen : blen);
}

// Where entry i stands, and its key.
typedef const struct ynode *place_fn(
	const struct parse *p, unsigned int i, char key[PARSE_KEY_MAX]);

static const struct ynode *pool_place(
	const struct parse *p, unsigned int i, char key[PARSE_KEY_MAX])
{
	char path[PARSE_KEY_MAX];

	check_name(path, "ipv6-pools", p->c->pools6[i].name);
	check_key(key, path, "prefix");
	return check_place_in(p, p->pool6_nodes[i], "prefix");
}

static const struct ynode *secret_place(
	const struct parse *p, unsigned int i, char key[PARSE_KEY_MAX])
{
	char path[PARSE_KEY_MAX];

	check_secret_name(p, path, i);
	check_key(key, path, "remote-ipv6-prefix");
	return check_place_in(p, p->secret_nodes[i], "remote-ipv6-prefix");
}

static void check_port(struct parse *p, const struct entry *e, const struct config_port *port,
	const char *name, place_fn *place)
{
	char key[PARSE_KEY_MAX];
	const struct ynode *at;

	if (!port->has6 || !overlap(&e->prefix, e->plen, &port->addr6, port->plen6))
		return;
	at = place(p, e->index, key);
	parse_error(p, at, key, "a prefix outside the %s port's subnet", name);
}

// Prefixes lie apart or one within the other: sorted, whatever is not within the last outer one is
// the next outer one.
static void check_apart(struct parse *p, struct entry *all, unsigned int nb, place_fn *place)
{
	const struct entry *outer = all;
	char key[PARSE_KEY_MAX], other[PARSE_KEY_MAX];

	qsort(all, nb, sizeof(*all), by_prefix);
	for (unsigned int i = 1; i < nb; i++) {
		const struct entry *later = all[i].index > outer->index ? &all[i] : outer;
		const struct ynode *at;

		if (!overlap(&outer->prefix, outer->plen, &all[i].prefix, all[i].plen)) {
			outer = &all[i];
			continue;
		}
		at = place(p, later->index, key);
		place(p, later == outer ? all[i].index : outer->index, other);
		parse_error(p, at, key, "no overlap with %s", other);
	}
}

static void check_entries(struct parse *p, struct entry *all, unsigned int nb, place_fn *place)
{
	for (unsigned int i = 0; i < nb; i++) {
		check_port(p, &all[i], &p->c->dataplane.access, "access", place);
		check_port(p, &all[i], &p->c->dataplane.core, "core", place);
	}
	check_apart(p, all, nb, place);
}

void check_addresses6(struct parse *p)
{
	const struct config *c = p->c;
	unsigned int most = c->nb_pools6 > c->nb_secrets ? c->nb_pools6 : c->nb_secrets, nb = 0;
	struct entry *all = calloc(most ? most : 1, sizeof(*all));

	if (!all)
		return;
	for (unsigned int i = 0; i < c->nb_pools6; i++)
		if (c->pools6[i].plen)
			all[nb++] = (struct entry){c->pools6[i].prefix, c->pools6[i].plen, i};
	check_entries(p, all, nb, pool_place);
	nb = 0;
	for (unsigned int i = 0; i < c->nb_secrets; i++)
		if (c->secrets[i].has_prefix6)
			all[nb++] = (struct entry){
				c->secrets[i].prefix6.addr, c->secrets[i].prefix6.plen, i};
	check_entries(p, all, nb, secret_place);
	free(all);
}
