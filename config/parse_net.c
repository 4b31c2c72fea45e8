// SPDX-License-Identifier: BSD-3-Clause
// Values that are addresses, prefixes, ranges, ports, rates and routes.
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "config/client.h"
#include "config/parse.h"
#include "config/value.h"

static int host_address(const char *s, uint32_t *a)
{
	return value_ip4(s, a) || !parse_is_host_address(*a) ? -EINVAL : 0;
}

// One address of a port, with prefix length. 0 or -EINVAL.
static int port_prefix(struct config_port *port, const char *s, bool *again)
{
	struct in6_addr a6;
	uint32_t a, net;
	uint8_t len;

	if (!value_ip4_prefix(s, &a, &len)) {
		net = value_ip4_network(a, len);
		if (!parse_is_host_address(a) || !len)
			return -EINVAL;
		if (len < 31 && (a == net || a == (net | (uint32_t)(0xffffffffu >> len))))
			return -EINVAL;
		*again = port->has4;
		port->has4 = true;
		port->addr4.s_addr = htonl(a);
		port->plen4 = len;
		return 0;
	}
	if (value_ip6_prefix(s, &a6, &len) || !len || IN6_IS_ADDR_MULTICAST(&a6) ||
		IN6_IS_ADDR_UNSPECIFIED(&a6) || IN6_IS_ADDR_LOOPBACK(&a6) ||
		IN6_IS_ADDR_V4MAPPED(&a6))
		return -EINVAL;
	*again = port->has6;
	port->has6 = true;
	port->addr6 = a6;
	port->plen6 = len;
	return 0;
}

static int port_gateway(struct config_port *port, const char *s, bool *again)
{
	struct in6_addr a6;
	uint32_t a;

	if (!host_address(s, &a)) {
		*again = port->has_gw4;
		port->has_gw4 = true;
		port->gw4.s_addr = htonl(a);
		return 0;
	}
	if (value_ip6(s, &a6) || IN6_IS_ADDR_MULTICAST(&a6) || IN6_IS_ADDR_UNSPECIFIED(&a6) ||
		IN6_IS_ADDR_LOOPBACK(&a6) || IN6_IS_ADDR_V4MAPPED(&a6))
		return -EINVAL;
	*again = port->has_gw6;
	port->has_gw6 = true;
	port->gw6 = a6;
	return 0;
}

static void parse_port_addresses(struct parse *p, const struct config_option *o,
	struct config_port *port, const struct ynode *n, const char *key)
{
	bool prefix = o->type == CONFIG_TYPE_PREFIXES, again;

	if (n->kind == YNODE_LIST && !n->n)
		parse_error_found(p, n, key, "an empty list", "at least one address");
	FOR_EACH(it, n)
	{
		again = false;
		if (it->kind == YNODE_BAD)
			continue;
		if (it->kind != YNODE_SCALAR || (prefix ? port_prefix(port, it->value, &again)
							: port_gateway(port, it->value, &again)))
			parse_refuse(p, o, it, key);
		else if (again)
			parse_error(p, it, key, "one address per family");
	}
}

static void parse_ip4_list(struct parse *p, const struct config_option *o, uint32_t *list,
	unsigned int *nb, const struct ynode *n, const char *key)
{
	*nb = 0;
	FOR_EACH(it, n)
	{
		if (it->kind == YNODE_BAD)
			continue;
		if (*nb == CONFIG_MAX_DNS) {
			parse_error(p, it, key, "at most %u addresses", CONFIG_MAX_DNS);
			return;
		}
		if (it->kind != YNODE_SCALAR || host_address(it->value, &list[*nb]))
			parse_refuse(p, o, it, key);
		else
			(*nb)++;
	}
}

static bool is_host_address6(const struct in6_addr *a)
{
	return !IN6_IS_ADDR_MULTICAST(a) && !IN6_IS_ADDR_UNSPECIFIED(a) &&
	       !IN6_IS_ADDR_LOOPBACK(a) && !IN6_IS_ADDR_LINKLOCAL(a) && !IN6_IS_ADDR_V4MAPPED(a);
}

// Where a profile of culvertd or of the client has its name servers.
struct dns_field {
	uint32_t *dns;
	struct in6_addr *dns6;
	unsigned int *nb, *nb6;
};

static struct dns_field dns_field(const struct config_option *o, void *base)
{
	struct config_client_profile *c = base;
	struct config_profile *f = base;

	if (o->section == CONFIG_SECTION_CLIENT_PROFILE)
		return (struct dns_field){c->dns, c->dns6, &c->nb_dns, &c->nb_dns6};
	return (struct dns_field){f->dns, f->dns6, &f->nb_dns, &f->nb_dns6};
}

static void parse_dns(struct parse *p, const struct config_option *o, void *base,
	const struct ynode *n, const char *key)
{
	struct dns_field f = dns_field(o, base);
	struct in6_addr a6;
	uint32_t a4;

	*f.nb = *f.nb6 = 0;
	FOR_EACH(it, n)
	{
		unsigned int *nb;

		if (it->kind == YNODE_BAD)
			continue;
		if (it->kind == YNODE_SCALAR && !host_address(it->value, &a4)) {
			nb = f.nb;
		} else if (it->kind == YNODE_SCALAR && !value_ip6(it->value, &a6) &&
			   is_host_address6(&a6)) {
			nb = f.nb6;
		} else {
			parse_refuse(p, o, it, key);
			continue;
		}
		if (*nb == CONFIG_MAX_DNS) {
			parse_error(p, it, key, "at most %u addresses per family", CONFIG_MAX_DNS);
			continue;
		}
		if (nb == f.nb)
			f.dns[(*nb)++] = a4;
		else
			f.dns6[(*nb)++] = a6;
	}
}

static void parse_ranges(struct parse *p, const struct config_option *o, struct config_pool *pool,
	const struct ynode *n, const char *key)
{
	uint32_t first, last;

	if (n->kind != YNODE_SCALAR && (n->kind != YNODE_LIST || !n->n)) {
		parse_error(p, n, key, "a list of addresses, ranges a-b and prefixes d/n");
		return;
	}
	pool->ranges = arena_alloc(p->arena, sizeof(pool->ranges[0]) * (n->n ? n->n : 1));
	FOR_EACH(it, n)
	{
		if (it->kind == YNODE_BAD)
			continue;
		if (it->kind != YNODE_SCALAR || value_ip4_range(it->value, &first, &last) ||
			!parse_is_host_address(first) || !parse_is_host_address(last) ||
			(first < 0x7f000000u && last > 0x7fffffffu)) {
			parse_refuse(p, o, it, key);
			continue;
		}
		pool->ranges[pool->nb_ranges].first = first;
		pool->ranges[pool->nb_ranges].last = last;
		pool->nb_ranges++;
	}
}

static void parse_routes(
	struct parse *p, struct config_secret *s, const struct ynode *n, const char *key)
{
	const char *why;

	if (n->n > CONFIG_MAX_ROUTES) {
		parse_error(p, n, key, "at most %u routes", CONFIG_MAX_ROUTES);
		return;
	}
	s->routes = arena_alloc(p->arena, sizeof(s->routes[0]) * (n->n ? n->n : 1));
	s->nb_routes = 0;
	FOR_EACH(it, n)
	{
		if (it->kind == YNODE_BAD)
			continue;
		if (it->kind != YNODE_SCALAR)
			parse_error(p, it, key, "PREFIX [gateway] [metric]");
		else if (config_route_parse(it->value, &s->routes[s->nb_routes], &why))
			parse_error(p, it, key, "%s", why);
		else
			s->nb_routes++;
	}
}

// What is wrong leaves *a and *plen alone: nothing is checked against it then.
static int network6(const char *s, struct in6_addr *a, uint8_t *plen)
{
	struct in6_addr addr;
	uint8_t len;

	if (!strchr(s, '/') || value_network(s, &addr, &len) || !len || len > 64 ||
		!is_host_address6(&addr))
		return -EINVAL;
	*a = addr;
	*plen = len;
	return 0;
}

// Which `has` flag goes with a prefix of a filter's rule.
static int rule_prefix(const struct config_option *o, struct config_filter_rule *r, const char *s)
{
	bool src = o->offset == offsetof(struct config_filter_rule, src);
	struct config_prefix *f = src ? &r->src : &r->dst;

	if (value_network(s, &f->addr, &f->plen))
		return -EINVAL;
	*(src ? &r->has_src : &r->has_dst) = true;
	return 0;
}

static int rule_list(const struct parse *p, int *field, const char *s)
{
	*field = -1;
	if (!strcmp(s, "none"))
		return 0;
	*field = config_address_list(p->c, s);
	return *field < 0 ? -EINVAL : 0;
}

static int protocol(int *field, const char *s)
{
	*field = -1;
	return strcmp(s, "any") ? value_protocol(s, field) : 0;
}

static int ports(uint16_t field[2], const char *s)
{
	field[0] = 0;
	field[1] = UINT16_MAX;
	return strcmp(s, "any") ? value_port_range(s, field) : 0;
}

static int net_scalar(
	struct parse *p, const struct config_option *o, void *base, const struct ynode *n)
{
	void *field = (char *)base + o->offset;
	struct config_secret *secret = base;
	struct config_pool6 *pool6 = base;
	int rc;

	switch (o->type) {
	case CONFIG_TYPE_IP4:
		return host_address(n->value, field);
	case CONFIG_TYPE_NETWORK6:
		return network6(n->value, &pool6->prefix, &pool6->plen);
	case CONFIG_TYPE_PREFIX6:
		rc = network6(n->value, &secret->prefix6.addr, &secret->prefix6.plen);
		secret->has_prefix6 = !rc;
		return rc;
	case CONFIG_TYPE_CALLER_ID:
		rc = value_network(n->value, &secret->caller_id.addr, &secret->caller_id.plen);
		secret->has_caller_id = !rc;
		return rc;
	case CONFIG_TYPE_RULE_PREFIX:
		return rule_prefix(o, base, n->value);
	case CONFIG_TYPE_RULE_LIST:
		return rule_list(p, field, n->value);
	case CONFIG_TYPE_PROTOCOL:
		return protocol(field, n->value);
	default:
		return ports(field, n->value);
	}
}

static void parse_rate(
	struct parse *p, struct config_profile *f, const struct ynode *n, const char *key)
{
	const char *why;

	if (n->kind != YNODE_SCALAR)
		parse_error(p, n, key, "a rate limit such as 10M/2M, or none");
	else if (config_rate_limit(n->value, &f->rate_rx, &f->rate_tx, &why))
		parse_error(p, n, key, "%s", why);
	else
		f->has_rate = true;
}

bool parse_net_value(struct parse *p, const struct config_option *o, void *base,
	const struct ynode *n, const char *key)
{
	struct config_profile *profile = base;

	switch (o->type) {
	case CONFIG_TYPE_PREFIXES:
	case CONFIG_TYPE_GATEWAYS:
		parse_port_addresses(p, o, base, n, key);
		return true;
	case CONFIG_TYPE_IP4_LIST:
		parse_ip4_list(p, o, profile->wins, &profile->nb_wins, n, key);
		return true;
	case CONFIG_TYPE_IP_LIST:
		parse_dns(p, o, base, n, key);
		return true;
	case CONFIG_TYPE_RANGES:
		parse_ranges(p, o, base, n, key);
		return true;
	case CONFIG_TYPE_RATE:
		parse_rate(p, profile, n, key);
		return true;
	case CONFIG_TYPE_ROUTES:
		parse_routes(p, base, n, key);
		return true;
	case CONFIG_TYPE_IP4:
	case CONFIG_TYPE_NETWORK6:
	case CONFIG_TYPE_PREFIX6:
	case CONFIG_TYPE_CALLER_ID:
	case CONFIG_TYPE_RULE_PREFIX:
	case CONFIG_TYPE_RULE_LIST:
	case CONFIG_TYPE_PROTOCOL:
	case CONFIG_TYPE_PORTS:
		if (n->kind != YNODE_SCALAR || net_scalar(p, o, base, n))
			parse_refuse(p, o, n, key);
		return true;
	default:
		return false;
	}
}
