// SPDX-License-Identifier: BSD-3-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/parse.h"
#include "config/value.h"
#include "protocol/ppp/ppp_auth.h"

void parse_error_found(struct parse *p, const struct ynode *n, const char *key, const char *found,
	const char *expected_fmt, ...)
{
	char expected[768];
	va_list ap;

	va_start(ap, expected_fmt);
	vsnprintf(expected, sizeof(expected), expected_fmt, ap);
	va_end(ap);
	report_add(p->report, n->line, n->column, key, found, expected);
}

void parse_error(
	struct parse *p, const struct ynode *n, const char *key, const char *expected_fmt, ...)
{
	char expected[768], found[80];
	va_list ap;

	va_start(ap, expected_fmt);
	vsnprintf(expected, sizeof(expected), expected_fmt, ap);
	va_end(ap);
	ynode_describe(found, sizeof(found), n, false);
	report_add(p->report, n->line, n->column, key, found, expected);
}

// n is not what o allows.
static void refuse(
	struct parse *p, const struct config_option *o, const struct ynode *n, const char *key)
{
	char expected[256], found[80];

	ynode_describe(found, sizeof(found), n, o->type == CONFIG_TYPE_PASSWORD);
	parse_error_found(
		p, n, key, found, "%s", config_option_expected(expected, sizeof(expected), o));
}

static char *copy(struct parse *p, const struct ynode *n)
{
	return arena_strndup(p->arena, n->value, n->len);
}

static bool is_word(const struct ynode *n, const char *word)
{
	return n->kind == YNODE_SCALAR && !strcmp(n->value, word);
}

// A list's first item, or the scalar itself; then ynode->next. A scalar never has a next of its own
// concern here, so callers stop after one: see FOR_EACH.
#define FOR_EACH(it, n)                                                               \
	for (const struct ynode *it = (n)->kind == YNODE_LIST ? (n)->first : (n); it; \
		it = (n)->kind == YNODE_LIST ? it->next : NULL)

static int number(const struct config_option *o, const char *s, uint64_t *v)
{
	bool disabled = false;
	int rc;

	if (o->type == CONFIG_TYPE_SIZE) {
		rc = value_size(s, v);
	} else if (o->type == CONFIG_TYPE_DURATION) {
		disabled = !o->min && !strcmp(s, "disabled");
		*v = 0;
		rc = disabled ? 0 : value_duration(s, v);
	} else {
		rc = value_uint(s, v);
	}
	if (rc)
		return rc;
	return *v < o->min || *v > o->max ? -ERANGE : 0;
}

static int put_number(const struct config_option *o, void *field, const char *s)
{
	uint64_t v;
	int rc = number(o, s, &v);

	if (rc)
		return rc;
	if (o->type == CONFIG_TYPE_U16)
		*(uint16_t *)field = (uint16_t)v;
	else
		*(uint32_t *)field = (uint32_t)v;
	return 0;
}

static int put_word(struct parse *p, const struct config_option *o, void *field, const char *s)
{
	int i = config_words_index(o->unit, s);

	if (i < 0)
		return -EINVAL;
	if (o->type == CONFIG_TYPE_WORD)
		*(char **)field = arena_strndup(p->arena, s, strlen(s));
	else if (o->type == CONFIG_TYPE_FLAG)
		*(bool *)field = i != 0;
	else
		*(enum config_poll *)field = (enum config_poll)i;
	return 0;
}

static int put_text(
	struct parse *p, const struct config_option *o, char **field, const struct ynode *n)
{
	bool may_be_none = o->type == CONFIG_TYPE_OPTNAME || o->type == CONFIG_TYPE_PATH;

	if (o->type == CONFIG_TYPE_PASSWORD && n->len > PPP_PASSWORD_MAX)
		return -ERANGE;
	if (o->type == CONFIG_TYPE_NAME && n->len > PPP_NAME_MAX)
		return -ERANGE;
	if (o->type != CONFIG_TYPE_TEXT && o->type != CONFIG_TYPE_PASSWORD && !n->len)
		return -EINVAL;
	*field = may_be_none && is_word(n, "none") ? NULL : copy(p, n);
	return 0;
}

// An address that a host may have.
static bool is_host_address(uint32_t a)
{
	return a >> 24 && a >> 24 != 127 && a < 0xe0000000u;
}

static int host_address(const char *s, uint32_t *a)
{
	return value_ip4(s, a) || !is_host_address(*a) ? -EINVAL : 0;
}

static int put_address_or_pool(
	struct parse *p, const struct config_option *o, void *base, const struct ynode *n)
{
	bool secret = o->section == CONFIG_SECTION_SECRET;
	struct config_profile *profile = base;
	struct config_secret *user = base;
	uint32_t *addr = secret ? &user->remote_address : &profile->remote_address;
	char **pool = secret ? &user->remote_pool : &profile->remote_pool;

	if (!n->len)
		return -EINVAL;
	if (!value_ip4(n->value, addr))
		return is_host_address(*addr) ? 0 : -EINVAL;
	*addr = 0;
	*pool = copy(p, n);
	return 0;
}

static int parse_scalar(
	struct parse *p, const struct config_option *o, void *base, const struct ynode *n)
{
	void *field = (char *)base + o->offset;

	switch (o->type) {
	case CONFIG_TYPE_BOOL_DEFAULT:
		return value_bool(is_word(n, "default") ? o->dflt : n->value, field);
	case CONFIG_TYPE_BOOL:
		return value_bool(n->value, field);
	case CONFIG_TYPE_U16:
	case CONFIG_TYPE_U32:
	case CONFIG_TYPE_SIZE:
	case CONFIG_TYPE_DURATION:
		return put_number(o, field, n->value);
	case CONFIG_TYPE_CHOICE:
	case CONFIG_TYPE_FLAG:
	case CONFIG_TYPE_WORD:
		return put_word(p, o, field, n->value);
	case CONFIG_TYPE_TEXT:
	case CONFIG_TYPE_NAME:
	case CONFIG_TYPE_OPTNAME:
	case CONFIG_TYPE_PASSWORD:
	case CONFIG_TYPE_PATH:
		return put_text(p, o, field, n);
	case CONFIG_TYPE_IP4:
		return host_address(n->value, field);
	case CONFIG_TYPE_IP4_OR_POOL:
		return put_address_or_pool(p, o, base, n);
	default:
		return -EINVAL;
	}
}

static void add_worker(struct parse *p, struct config_dataplane *dp, unsigned int cpu,
	const struct ynode *n, const char *key)
{
	for (unsigned int i = 0; i < dp->nb_workers; i++) {
		if (dp->workers[i] == cpu) {
			parse_error_found(
				p, n, key, "the same CPU twice", "each CPU once (CPU %u)", cpu);
			return;
		}
	}
	if (dp->nb_workers == CONFIG_MAX_WORKERS) {
		if (!p->workers_bad)
			parse_error(p, n, key, "at most %u workers", CONFIG_MAX_WORKERS);
		p->workers_bad = true;
		return;
	}
	dp->workers[dp->nb_workers++] = cpu;
}

static void parse_cpus(struct parse *p, const struct config_option *o, struct config_dataplane *dp,
	const struct ynode *n, const char *key)
{
	unsigned int first, last;
	uint64_t count;

	dp->nb_workers = 0;
	p->worker_count = 0;
	if (n->kind == YNODE_SCALAR && !value_uint(n->value, &count)) {
		if (count >= 1 && count <= CONFIG_MAX_WORKERS) {
			p->worker_count = (unsigned int)count;
			return;
		}
		p->workers_bad = true;
		parse_error(p, n, key, "1 to %u workers", CONFIG_MAX_WORKERS);
		return;
	}
	if (n->kind == YNODE_LIST && !n->n) {
		p->workers_bad = true;
		parse_error_found(p, n, key, "an empty list", "at least one CPU");
		return;
	}
	FOR_EACH(it, n)
	{
		if (it->kind == YNODE_BAD)
			continue;
		if (it->kind != YNODE_SCALAR || value_cpu_range(it->value, &first, &last)) {
			p->workers_bad = true;
			refuse(p, o, it, key);
			continue;
		}
		for (unsigned int cpu = first; cpu <= last; cpu++)
			add_worker(p, dp, cpu, it, key);
	}
}

static bool parse_cert(
	struct parse *p, struct config_cert *cert, const struct ynode *n, const char *key)
{
	bool good = true;

	memset(cert, 0, sizeof(*cert));
	if (n->kind == YNODE_SCALAR && n->len && !is_word(n, "none")) {
		cert->cert = copy(p, n);
		return true;
	}
	if (n->kind != YNODE_MAP) {
		if (n->kind != YNODE_BAD)
			parse_error(p, n, key, "a certificate file or { cert: FILE, key: FILE }");
		return false;
	}
	for (const struct ynode *k = n->first; k; k = k->next) {
		char **field = is_word(k, "cert")  ? &cert->cert
			       : is_word(k, "key") ? &cert->key
						   : NULL;

		if (!field) {
			if (k->kind != YNODE_BAD)
				parse_error(p, k, key, "cert or key");
			good = false;
		} else if (*field || k->pair->kind != YNODE_SCALAR || !k->pair->len) {
			parse_error(p, k->pair, key, "one file name for %s", k->value);
			good = false;
		} else {
			*field = copy(p, k->pair);
		}
	}
	if (good && !cert->cert)
		parse_error(p, n, key, "cert: FILE in it");
	return good && cert->cert;
}

static void parse_certs(
	struct parse *p, struct config_sstp_server *s, const struct ynode *n, const char *key)
{
	s->nb_certs = 0;
	if (is_word(n, "none"))
		return;
	FOR_EACH(it, n)
	{
		if (s->nb_certs == CONFIG_MAX_CERTS) {
			parse_error(p, it, key, "at most %u certificates", CONFIG_MAX_CERTS);
			return;
		}
		if (parse_cert(p, &s->certs[s->nb_certs], it, key))
			s->nb_certs++;
	}
}

static void parse_auth(struct parse *p, const struct config_option *o, uint32_t *mask,
	const struct ynode *n, const char *key)
{
	static const char *const words = "pap|chap|mschap1|mschap2";
	int i;

	*mask = 0;
	if (is_word(n, "all")) {
		*mask = PPP_AUTH_ALL;
		return;
	}
	if (n->kind == YNODE_LIST && !n->n)
		parse_error_found(p, n, key, "an empty list", "at least one method");
	FOR_EACH(it, n)
	{
		i = it->kind == YNODE_SCALAR ? config_words_index(words, it->value) : -1;
		if (i >= 0)
			*mask |= 1u << i;
		else if (it->kind != YNODE_BAD)
			refuse(p, o, it, key);
	}
}

// RouterOS's names for groups of suites; everything else goes to OpenSSL as it is.
static const char *cipher_string(const char *name)
{
	if (!strcmp(name, "aes256-gcm-sha384"))
		return "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
		       "DHE-RSA-AES256-GCM-SHA384:AES256-GCM-SHA384";
	if (!strcmp(name, "aes256-sha"))
		return "ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:DHE-RSA-AES256-SHA:AES256-SHA";
	return name;
}

static bool is_cipher_text(const char *s)
{
	return *s && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
			       "-_+!@=:.") == strlen(s);
}

static void parse_ciphers(struct parse *p, const struct config_option *o, char **field,
	const struct ynode *n, const char *key)
{
	char text[2048] = "";
	size_t len = 0;
	const char *s;

	*field = NULL;
	if (is_word(n, "default") || is_word(n, "all"))
		return;
	FOR_EACH(it, n)
	{
		if (it->kind == YNODE_BAD)
			continue;
		if (it->kind != YNODE_SCALAR || !is_cipher_text(it->value)) {
			refuse(p, o, it, key);
			continue;
		}
		s = cipher_string(it->value);
		if (len + strlen(s) + 2 > sizeof(text)) {
			parse_error(p, it, key, "a shorter list of ciphers");
			return;
		}
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? ":" : "", s);
	}
	if (len)
		*field = arena_strndup(p->arena, text, len);
}

// One address of a port, with prefix length. 0 or -EINVAL.
static int port_prefix(struct config_port *port, const char *s, bool *again)
{
	struct in6_addr a6;
	uint32_t a, net;
	uint8_t len;

	if (!value_ip4_prefix(s, &a, &len)) {
		net = value_ip4_network(a, len);
		if (!is_host_address(a) || !len)
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
			refuse(p, o, it, key);
		else if (again)
			parse_error(p, it, key, "one address per family");
	}
}

static void parse_ip4_list(struct parse *p, const struct config_option *o,
	struct config_profile *profile, const struct ynode *n, const char *key)
{
	bool dns = o->offset == offsetof(struct config_profile, dns);
	uint32_t *list = dns ? profile->dns : profile->wins;
	unsigned int *nb = dns ? &profile->nb_dns : &profile->nb_wins;

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
			refuse(p, o, it, key);
		else
			(*nb)++;
	}
}

void parse_pool(struct parse *p, struct config_pool *pool, const struct ynode *n, const char *key)
{
	uint32_t first, last;

	if (n->kind == YNODE_BAD)
		return;
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
			!is_host_address(first) || !is_host_address(last) ||
			(first < 0x7f000000u && last > 0x7fffffffu)) {
			parse_error(
				p, it, key, "an address, a range a-b with a <= b, or a prefix d/n");
			continue;
		}
		pool->ranges[pool->nb_ranges].first = first;
		pool->ranges[pool->nb_ranges].last = last;
		pool->nb_ranges++;
	}
}

void parse_value(struct parse *p, const struct config_option *o, void *base, const struct ynode *n,
	const char *key)
{
	void *field = (char *)base + o->offset;

	if (n->kind == YNODE_BAD)
		return;
	if (n->kind == YNODE_NULL) {
		refuse(p, o, n, key);
		return;
	}
	switch (o->type) {
	case CONFIG_TYPE_CPUS:
		parse_cpus(p, o, base, n, key);
		break;
	case CONFIG_TYPE_CERTS:
		parse_certs(p, base, n, key);
		break;
	case CONFIG_TYPE_AUTH:
		parse_auth(p, o, field, n, key);
		break;
	case CONFIG_TYPE_CIPHERS:
		parse_ciphers(p, o, field, n, key);
		break;
	case CONFIG_TYPE_PREFIXES:
	case CONFIG_TYPE_GATEWAYS:
		parse_port_addresses(p, o, base, n, key);
		break;
	case CONFIG_TYPE_IP4_LIST:
		parse_ip4_list(p, o, base, n, key);
		break;
	default:
		if (n->kind != YNODE_SCALAR || parse_scalar(p, o, base, n))
			refuse(p, o, n, key);
		break;
	}
}
