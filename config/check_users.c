// SPDX-License-Identifier: BSD-3-Clause
// Filters, profiles and users: what they name exists, and they agree with each other.
#include <stdlib.h>
#include <string.h>

#include "config/check.h"
#include "config/value.h"

// -- filters --

static bool has_ports(int protocol)
{
	return protocol == 6 || protocol == 17 || protocol == 33 || protocol == 132 ||
	       protocol == 136;
}

static bool any_port(const uint16_t range[2])
{
	return !range[0] && range[1] == UINT16_MAX;
}

static void check_rule(struct parse *p, const struct config_filter_rule *r, const struct ynode *at,
	const char *path)
{
	bool src4 = IN6_IS_ADDR_V4MAPPED(&r->src.addr), dst4 = IN6_IS_ADDR_V4MAPPED(&r->dst.addr);
	char key[PARSE_KEY_MAX];

	if ((!any_port(r->src_port) || !any_port(r->dst_port)) && !has_ports(r->protocol)) {
		bool src = !any_port(r->src_port);

		check_key(key, path, src ? "src-port" : "dst-port");
		parse_error_found(p, check_place_in(p, at, src ? "src-port" : "dst-port"), key,
			"a port", "protocol: tcp, udp, sctp, dccp or udplite as well");
	}
	if (r->has_src && r->has_dst && src4 != dst4) {
		check_key(key, path, "dst-address");
		parse_error(p, check_place_in(p, at, "dst-address"), key,
			"an address of src-address's family");
	}
}

void check_filters(struct parse *p)
{
	char path[PARSE_KEY_MAX], name[PARSE_KEY_MAX];

	for (unsigned int i = 0; i < p->c->nb_filters; i++) {
		const struct config_filter *f = &p->c->filters[i];

		check_name(name, "filters", f->name);
		for (unsigned int r = 0; r < f->nb_rules; r++) {
			const struct ynode *at = ynode_nth(p->filter_nodes[i], r);

			snprintf(path, sizeof(path), "%.200s[%u]", name, r + 1);
			if (at && at->kind == YNODE_MAP)
				check_rule(p, &f->rules[r], at, path);
		}
	}
}

// -- profiles --

// A name that must be one of something. what: for the message.
static void check_ref(struct parse *p, const struct ynode *map, const char *path, const char *key,
	bool good, const char *what)
{
	char full[PARSE_KEY_MAX];

	if (good)
		return;
	check_key(full, path, key);
	parse_error(p, check_place_in(p, map, key), full, "%s", what);
}

static bool given(const char *name)
{
	return name && *name;
}

void check_profiles(struct parse *p)
{
	const struct config *c = p->c;
	char path[PARSE_KEY_MAX];

	for (unsigned int i = 0; i < c->nb_profiles; i++) {
		const struct config_profile *f = &c->profiles[i];
		const struct ynode *map = p->profile_nodes[i];

		check_name(path, "ppp-profiles", f->name);
		check_ref(p, map, path, "remote-address",
			!f->remote_pool || config_pool(c, f->remote_pool),
			"an IPv4 address or the name of a pool in ip-pools");
		check_ref(p, map, path, "remote-ipv6-prefix-pool",
			!given(f->prefix_pool) || config_pool6(c, f->prefix_pool),
			"the name of a pool in ipv6-pools");
		check_ref(p, map, path, "dhcpv6-pd-pool",
			!given(f->pd_pool) || config_pool6(c, f->pd_pool),
			"the name of a pool in ipv6-pools");
		check_ref(p, map, path, "filter",
			!given(f->filter) || config_filter(c, f->filter) >= 0,
			"the name of a filter in filters");
		check_ref(p, map, path, "address-list",
			!given(f->address_list) || config_address_list(c, f->address_list) >= 0,
			"the name of a list in address-lists");
	}
}

// -- users --

void check_secret_name(const struct parse *p, char dst[PARSE_KEY_MAX], unsigned int i)
{
	// Those of a file of its own are counted from 1 again.
	snprintf(dst, PARSE_KEY_MAX, "ppp-secrets[%u]", p->secret_numbers[i]);
}

static int by_name(const void *a, const void *b, void *c)
{
	const unsigned int *x = a, *y = b;
	const struct config_secret *s = ((const struct config *)c)->secrets;
	int d = strcmp(s[*x].name ? s[*x].name : "", s[*y].name ? s[*y].name : "");

	return d ? d : *x < *y ? -1 : 1;
}

static void check_unique_names(struct parse *p)
{
	const struct config *c = p->c;
	const struct ynode *with;
	unsigned int *order = calloc(c->nb_secrets ? c->nb_secrets : 1, sizeof(*order));
	char path[PARSE_KEY_MAX], key[PARSE_KEY_MAX];

	if (!order)
		return;
	for (unsigned int i = 0; i < c->nb_secrets; i++)
		order[i] = i;
	qsort_r(order, c->nb_secrets, sizeof(*order), by_name, p->c);
	for (unsigned int i = 1; i < c->nb_secrets; i++) {
		const char *a = c->secrets[order[i - 1]].name, *b = c->secrets[order[i]].name;

		if (!a || !b || strcmp(a, b))
			continue;
		check_secret_name(p, path, order[i]);
		check_key(key, path, "name");
		with = p->secret_nodes[order[i - 1]];
		parse_error(p, check_place_in(p, p->secret_nodes[order[i]], "name"), key,
			"a name that no other user has (line %u of %s has it)", with->line,
			p->report->file[with->file]);
	}
	free(order);
}

// One route twice: of one user it is a slip. (Of several it is how one takes over from another.)
static void check_routes(
	struct parse *p, const struct config_secret *s, const struct ynode *map, const char *path)
{
	char key[PARSE_KEY_MAX], found[VALUE_PREFIX_TEXT];
	const struct ynode *at = check_place_in(p, map, "routes");

	check_key(key, path, "routes");
	for (unsigned int i = 1; i < s->nb_routes; i++) {
		const struct config_prefix *a = &s->routes[i].prefix;

		for (unsigned int k = 0; k < i; k++) {
			const struct config_prefix *b = &s->routes[k].prefix;

			if (a->plen != b->plen || memcmp(&a->addr, &b->addr, sizeof(a->addr)) != 0)
				continue;
			value_prefix_text(found, &a->addr, a->plen);
			parse_error_found(p, at, key, found, "each prefix once");
			break;
		}
	}
}

void check_secrets(struct parse *p)
{
	const struct config *c = p->c;
	char path[PARSE_KEY_MAX];

	check_unique_names(p);
	for (unsigned int i = 0; i < c->nb_secrets; i++) {
		const struct config_secret *s = &c->secrets[i];
		const struct ynode *map = p->secret_nodes[i];

		check_secret_name(p, path, i);
		check_ref(p, map, path, "remote-address",
			!s->remote_pool || config_pool(c, s->remote_pool),
			"an IPv4 address or the name of a pool in ip-pools");
		check_ref(p, map, path, "profile", !s->profile || config_profile(c, s->profile),
			"the name of a profile in ppp-profiles");
		check_routes(p, s, map, path);
	}
}
