// SPDX-License-Identifier: BSD-3-Clause
// IPv4 addresses: pools apart from each other and from this side's own addresses, and fixed ones of
// users that can be given out.
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/check.h"
#include "config/value.h"

// -- pools --

struct range {
	uint32_t first, last;
	unsigned int pool, index;
};

static int by_first(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	// Of equal ones the later in the file last: that is the one to report.
	if (x->pool != y->pool)
		return x->pool < y->pool ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

// Where a range stands: a pool may be a list, one range, or a mapping.
static const struct ynode *range_node(const struct parse *p, const struct range *r)
{
	const struct ynode *at = p->pool_nodes[r->pool], *ranges = ynode_get(at, "ranges"), *nth;

	at = ranges ? ranges : at;
	nth = ynode_nth(at, r->index);
	return at->kind == YNODE_LIST && nth ? nth : at;
}

static void report_overlap(struct parse *p, const struct range *r, const struct range *with)
{
	const struct ynode *at = range_node(p, r);
	char a[16], b[16], key[PARSE_KEY_MAX], found[64], name[80];
	const char *pool = p->c->pools[with->pool].name;

	snprintf(found, sizeof(found), "%s-%s", value_ip4_text(a, r->first),
		value_ip4_text(b, r->last));
	check_name(key, "ip-pools", p->c->pools[r->pool].name);
	log_quote(name, sizeof(name), pool, strlen(pool));
	parse_error_found(p, at, key, found, "no overlap with %s-%s of pool %s",
		value_ip4_text(a, with->first), value_ip4_text(b, with->last), name);
}

// All ranges, sorted. The caller frees.
static struct range *all_ranges(const struct parse *p, unsigned int *nb)
{
	const struct config *c = p->c;
	struct range *all;

	*nb = 0;
	for (unsigned int i = 0; i < c->nb_pools; i++)
		*nb += c->pools[i].nb_ranges;
	all = calloc(*nb ? *nb : 1, sizeof(*all));
	if (!all) {
		*nb = 0;
		return NULL;
	}
	*nb = 0;
	for (unsigned int i = 0; i < c->nb_pools; i++)
		for (unsigned int j = 0; j < c->pools[i].nb_ranges; j++)
			all[(*nb)++] = (struct range){
				c->pools[i].ranges[j].first, c->pools[i].ranges[j].last, i, j};
	qsort(all, *nb, sizeof(*all), by_first);
	return all;
}

static void check_overlaps(struct parse *p, const struct range *all, unsigned int nb)
{
	const struct range *widest = all;

	for (unsigned int i = 1; i < nb; i++) {
		if (all[i].first <= widest->last)
			report_overlap(p, &all[i], widest);
		if (all[i].last > widest->last)
			widest = &all[i];
	}
}

// The pool that holds an address, or NULL. The ranges do not overlap, else the file is refused.
static const char *pool_of(
	const struct parse *p, const struct range *all, unsigned int nb, uint32_t addr)
{
	unsigned int lo = 0, hi = nb;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (all[mid].first <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && all[lo - 1].last >= addr ? p->c->pools[all[lo - 1].pool].name : NULL;
}

// Of each pool, 1 + the number of the next one; 0: there is none.
static unsigned int *next_pools(struct parse *p)
{
	const struct config *c = p->c;
	unsigned int *next = calloc(c->nb_pools ? c->nb_pools : 1, sizeof(*next));
	char path[PARSE_KEY_MAX], key[PARSE_KEY_MAX];
	const struct config_pool *to;

	for (unsigned int i = 0; next && i < c->nb_pools; i++) {
		if (!c->pools[i].next_pool)
			continue;
		to = config_pool(c, c->pools[i].next_pool);
		if (to) {
			next[i] = 1 + (unsigned int)(to - c->pools);
			continue;
		}
		check_name(path, "ip-pools", c->pools[i].name);
		check_key(key, path, "next-pool");
		parse_error(p, check_place_in(p, p->pool_nodes[i], "next-pool"), key,
			"the name of a pool in ip-pools");
	}
	return next;
}

// Every pool of a circle says so.
static void check_next_pools(struct parse *p)
{
	char path[PARSE_KEY_MAX], key[PARSE_KEY_MAX];
	unsigned int *next = next_pools(p), at;

	for (unsigned int i = 0; next && i < p->c->nb_pools; i++) {
		at = next[i];
		for (unsigned int n = 0; at && at - 1 != i && n < p->c->nb_pools; n++)
			at = next[at - 1];
		if (!at || at - 1 != i)
			continue;
		check_name(path, "ip-pools", p->c->pools[i].name);
		check_key(key, path, "next-pool");
		parse_error(p, check_place_in(p, p->pool_nodes[i], "next-pool"), key,
			"a pool that does not lead back here");
	}
	free(next);
}

static void check_sizes(struct parse *p)
{
	const struct config *c = p->c;
	char key[PARSE_KEY_MAX], found[48];
	unsigned int nb = 0;

	for (unsigned int i = 0; i < c->nb_pools; i++) {
		uint64_t size = 0;

		for (unsigned int r = 0; r < c->pools[i].nb_ranges; r++)
			size += (uint64_t)c->pools[i].ranges[r].last - c->pools[i].ranges[r].first +
				1;
		check_name(key, "ip-pools", c->pools[i].name);
		if (size > CONFIG_MAX_POOL) {
			snprintf(found, sizeof(found), "%llu addresses", (unsigned long long)size);
			parse_error_found(p, p->pool_nodes[i], key, found, "at most %u in a pool",
				CONFIG_MAX_POOL);
		}
		if (nb <= CONFIG_MAX_RANGES && nb + c->pools[i].nb_ranges > CONFIG_MAX_RANGES)
			parse_error_found(p, p->pool_nodes[i], key, "too many ranges",
				"at most %u in all pools together", CONFIG_MAX_RANGES);
		nb += c->pools[i].nb_ranges;
	}
}

// -- ports' subnets --

struct subnet {
	uint32_t first, last; // first > last: none
};

static struct subnet subnet_of(const struct config_port *port)
{
	struct subnet s = {1, 0};

	if (port->has4) {
		s.first = value_ip4_network(ntohl(port->addr4.s_addr), port->plen4);
		s.last = s.first | (uint32_t)(0xffffffffull >> port->plen4);
	}
	return s;
}

static bool inside(uint32_t first, uint32_t last, const struct subnet *s)
{
	return first >= s->first && last <= s->last;
}

// Why addresses first to last cannot be clients', as far as the ports' subnets go; NULL: they can.
// In the core port's subnet they can: it answers ARP for them. Those of the access port's are hosts
// outside the tunnels, unless both ports share it.
static const char *subnet_conflict(const struct parse *p, uint32_t first, uint32_t last)
{
	const struct subnet access = subnet_of(&p->c->dataplane.access);
	const struct subnet core = subnet_of(&p->c->dataplane.core);
	uint32_t a = first > access.first ? first : access.first;
	uint32_t b = last < access.last ? last : access.last;

	if (access.first <= access.last && a <= b && !inside(a, b, &core))
		return "addresses outside the access port's subnet";
	if (core.last > core.first + 1 && core.first <= core.last &&
		((first <= core.first && core.first <= last) ||
			(first <= core.last && core.last <= last)))
		return "addresses without the core subnet's own and its broadcast address";
	return NULL;
}

static void check_ranges_subnets(struct parse *p, const struct range *all, unsigned int nb)
{
	char key[PARSE_KEY_MAX], found[64], a[16], b[16];

	for (unsigned int i = 0; i < nb; i++) {
		const char *why = subnet_conflict(p, all[i].first, all[i].last);

		if (!why)
			continue;
		snprintf(found, sizeof(found), "%s-%s", value_ip4_text(a, all[i].first),
			value_ip4_text(b, all[i].last));
		check_name(key, "ip-pools", p->c->pools[all[i].pool].name);
		parse_error_found(p, range_node(p, &all[i]), key, found, "%s", why);
	}
}

// -- this side's own addresses --

enum owner { ACCESS, ACCESS_GATEWAY, CORE, CORE_GATEWAY, PROFILE, SECRET };

struct own {
	uint32_t addr;
	enum owner owner;
	unsigned int index; // of a profile or user
};

struct own_list {
	struct own *own; // sorted
	unsigned int nb;
};

static int by_addr(const void *a, const void *b)
{
	const struct own *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static void add_own(struct own_list *l, uint32_t addr, enum owner owner, unsigned int index)
{
	if (addr)
		l->own[l->nb++] = (struct own){addr, owner, index};
}

static void add_port(struct own_list *l, const struct config_port *port, enum owner owner)
{
	add_own(l, port->has4 ? ntohl(port->addr4.s_addr) : 0, owner, 0);
	add_own(l, port->has_gw4 ? ntohl(port->gw4.s_addr) : 0, owner + 1, 0);
}

static void collect_own(const struct parse *p, struct own_list *l)
{
	const struct config *c = p->c;

	l->nb = 0;
	l->own = calloc(c->nb_profiles + c->nb_secrets + 4, sizeof(*l->own));
	if (!l->own)
		return;
	add_port(l, &c->dataplane.access, ACCESS);
	add_port(l, &c->dataplane.core, CORE);
	for (unsigned int i = 0; i < c->nb_profiles; i++)
		add_own(l, c->profiles[i].local_address, PROFILE, i);
	for (unsigned int i = 0; i < c->nb_secrets; i++)
		add_own(l, c->secrets[i].local_address, SECRET, i);
	qsort(l->own, l->nb, sizeof(*l->own), by_addr);
}

// The first owner of addr, or NULL.
static const struct own *find_own(const struct own_list *l, uint32_t addr)
{
	unsigned int lo = 0, hi = l->nb;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (l->own[mid].addr < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < l->nb && l->own[lo].addr == addr ? &l->own[lo] : NULL;
}

// Where an own address stands, and its key.
static const struct ynode *own_place(
	const struct parse *p, const struct own *o, char key[PARSE_KEY_MAX])
{
	bool access = o->owner <= ACCESS_GATEWAY;
	bool gateway = o->owner == ACCESS_GATEWAY || o->owner == CORE_GATEWAY;
	char path[PARSE_KEY_MAX];

	if (o->owner == PROFILE) {
		check_name(path, "ppp-profiles", p->c->profiles[o->index].name);
		check_key(key, path, "local-address");
		return check_place_in(p, p->profile_nodes[o->index], "local-address");
	}
	if (o->owner == SECRET) {
		check_secret_name(p, path, o->index);
		check_key(key, path, "local-address");
		return check_place_in(p, p->secret_nodes[o->index], "local-address");
	}
	snprintf(key, PARSE_KEY_MAX, "dataplane.ports.%s.%s", access ? "access" : "core",
		gateway ? "gateway" : "address");
	return check_place_in(
		p, check_port_node(p, access ? "access" : "core"), gateway ? "gateway" : "address");
}

// They must not be handed out.
static void check_own_outside_pools(
	struct parse *p, const struct own_list *l, const struct range *all, unsigned int nb)
{
	char key[PARSE_KEY_MAX], name[80], text[16];

	for (unsigned int i = 0; i < l->nb; i++) {
		const char *pool = pool_of(p, all, nb, l->own[i].addr);
		const struct ynode *at;

		if (!pool)
			continue;
		at = own_place(p, &l->own[i], key);
		parse_error_found(p, at, key, value_ip4_text(text, l->own[i].addr),
			"an address outside pool %s",
			log_quote(name, sizeof(name), pool, strlen(pool)));
	}
}

// -- fixed addresses --

static void check_fixed(struct parse *p, const struct own_list *l, uint32_t addr,
	const struct ynode *map, const char *path)
{
	const struct ynode *at = check_place_in(p, map, "remote-address");
	const struct own *own = addr ? find_own(l, addr) : NULL;
	char key[PARSE_KEY_MAX], other[PARSE_KEY_MAX];
	const char *why = addr ? subnet_conflict(p, addr, addr) : NULL;

	check_key(key, path, "remote-address");
	if (own) {
		own_place(p, own, other);
		parse_error(p, at, key, "another address than that of %s", other);
	} else if (why) {
		parse_error(p, at, key, "%s", why);
	}
}

static int by_remote(const void *a, const void *b, void *c)
{
	const unsigned int *x = a, *y = b;
	const struct config_secret *s = ((const struct config *)c)->secrets;

	if (s[*x].remote_address != s[*y].remote_address)
		return s[*x].remote_address < s[*y].remote_address ? -1 : 1;
	return *x < *y ? -1 : 1;
}

static void check_fixed_once(struct parse *p)
{
	const struct config *c = p->c;
	unsigned int *order = calloc(c->nb_secrets ? c->nb_secrets : 1, sizeof(*order));
	char path[PARSE_KEY_MAX], key[PARSE_KEY_MAX], other[PARSE_KEY_MAX];

	if (!order)
		return;
	for (unsigned int i = 0; i < c->nb_secrets; i++)
		order[i] = i;
	qsort_r(order, c->nb_secrets, sizeof(*order), by_remote, p->c);
	for (unsigned int i = 1; i < c->nb_secrets; i++) {
		unsigned int a = order[i - 1], b = order[i];

		if (!c->secrets[b].remote_address ||
			c->secrets[a].remote_address != c->secrets[b].remote_address)
			continue;
		check_secret_name(p, path, b);
		check_secret_name(p, other, a);
		check_key(key, path, "remote-address");
		parse_error(p, check_place_in(p, p->secret_nodes[b], "remote-address"), key,
			"an address that no other user has (%s has it)", other);
	}
	free(order);
}

static void check_all_fixed(struct parse *p, const struct own_list *l)
{
	const struct config *c = p->c;
	char path[PARSE_KEY_MAX];

	for (unsigned int i = 0; i < c->nb_profiles; i++) {
		check_name(path, "ppp-profiles", c->profiles[i].name);
		check_fixed(p, l, c->profiles[i].remote_address, p->profile_nodes[i], path);
	}
	for (unsigned int i = 0; i < c->nb_secrets; i++) {
		check_secret_name(p, path, i);
		check_fixed(p, l, c->secrets[i].remote_address, p->secret_nodes[i], path);
	}
	check_fixed_once(p);
}

void check_addresses(struct parse *p)
{
	struct own_list own;
	unsigned int nb;
	struct range *all = all_ranges(p, &nb);

	collect_own(p, &own);
	if (all && own.own) {
		check_overlaps(p, all, nb);
		check_ranges_subnets(p, all, nb);
		check_own_outside_pools(p, &own, all, nb);
		check_all_fixed(p, &own);
	}
	check_sizes(p);
	check_next_pools(p);
	free(all);
	free(own.own);
}
