// SPDX-License-Identifier: BSD-3-Clause
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
	report_add(p->report, n->file, n->line, n->column, key, found, expected);
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
	report_add(p->report, n->file, n->line, n->column, key, found, expected);
}

// n is not what o allows.
void parse_refuse(
	struct parse *p, const struct config_option *o, const struct ynode *n, const char *key)
{
	char expected[256], found[80];

	ynode_describe(found, sizeof(found), n, o->type == CONFIG_TYPE_PASSWORD);
	parse_error_found(
		p, n, key, found, "%s", config_option_expected(expected, sizeof(expected), o));
}

char *parse_copy(struct parse *p, const struct ynode *n)
{
	return arena_strndup(p->arena, n->value, n->len);
}

bool parse_is_word(const struct ynode *n, const char *word)
{
	return n->kind == YNODE_SCALAR && !strcmp(n->value, word);
}

static int number(const struct config_option *o, const char *s, uint64_t *v)
{
	int rc;

	*v = 0;
	if (config_option_may_disable(o) && !strcmp(s, "disabled"))
		return 0;
	if (o->type == CONFIG_TYPE_SIZE) {
		rc = value_size(s, v);
	} else if (o->type == CONFIG_TYPE_DURATION) {
		rc = value_duration(s, v);
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
	if (o->type == CONFIG_TYPE_U8)
		*(uint8_t *)field = (uint8_t)v;
	else if (o->type == CONFIG_TYPE_U16)
		*(uint16_t *)field = (uint16_t)v;
	else
		*(uint32_t *)field = (uint32_t)v;
	return 0;
}

static int put_size64(uint64_t *field, const char *s)
{
	int rc;

	*field = 0;
	if (!strcmp(s, "none"))
		return 0;
	rc = value_size(s, field);
	return rc ? rc : *field > INT64_MAX ? -ERANGE : 0;
}

static int put_timeout(const struct config_option *o, uint32_t *field, const char *s)
{
	uint64_t v = 0;
	int rc = strcmp(s, "none") ? value_duration(s, &v) : 0;

	if (rc)
		return rc;
	if (v > o->max)
		return -ERANGE;
	*field = (uint32_t)v;
	return 0;
}

static int put_yesno(const struct config_option *o, int *field, const char *s)
{
	int i = config_words_index(o->unit, s);
	bool yes;

	if (i < 0 && !value_bool(s, &yes))
		i = yes ? CONFIG_YES : CONFIG_NO;
	// RouterOS's older spelling.
	if (i < 0 && !strcmp(s, "require"))
		i = config_words_index(o->unit, "required");
	if (i < 0)
		return -EINVAL;
	*field = i;
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
	else if (o->type == CONFIG_TYPE_DIRECTION)
		*(uint8_t *)field = (uint8_t)(i + 1);
	else
		*(int *)field = i; // an enum's
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
	if (o->type == CONFIG_TYPE_SCRIPT && n->value[0] != '/' && !parse_is_word(n, "none"))
		return -EINVAL;
	if ((o->type == CONFIG_TYPE_REF || o->type == CONFIG_TYPE_SCRIPT) &&
		parse_is_word(n, "none")) {
		*field = arena_strndup(p->arena, "", 0);
		return 0;
	}
	*field = may_be_none && parse_is_word(n, "none") ? NULL : parse_copy(p, n);
	return 0;
}

// An address that a host may have.
bool parse_is_host_address(uint32_t a)
{
	return a >> 24 && a >> 24 != 127 && a < 0xe0000000u;
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
		return parse_is_host_address(*addr) ? 0 : -EINVAL;
	*addr = 0;
	*pool = parse_copy(p, n);
	return 0;
}

static int parse_scalar(
	struct parse *p, const struct config_option *o, void *base, const struct ynode *n)
{
	void *field = (char *)base + o->offset;

	switch (o->type) {
	case CONFIG_TYPE_BOOL:
		return value_bool(n->value, field);
	case CONFIG_TYPE_YESNO:
		return put_yesno(o, field, n->value);
	case CONFIG_TYPE_SIZE64:
		return put_size64(field, n->value);
	case CONFIG_TYPE_TIMEOUT:
		return put_timeout(o, field, n->value);
	case CONFIG_TYPE_U8:
	case CONFIG_TYPE_U16:
	case CONFIG_TYPE_U32:
	case CONFIG_TYPE_SIZE:
	case CONFIG_TYPE_DURATION:
		return put_number(o, field, n->value);
	case CONFIG_TYPE_CHOICE:
	case CONFIG_TYPE_FLAG:
	case CONFIG_TYPE_DIRECTION:
	case CONFIG_TYPE_WORD:
		return put_word(p, o, field, n->value);
	case CONFIG_TYPE_TEXT:
	case CONFIG_TYPE_NAME:
	case CONFIG_TYPE_OPTNAME:
	case CONFIG_TYPE_PASSWORD:
	case CONFIG_TYPE_PATH:
	case CONFIG_TYPE_REF:
	case CONFIG_TYPE_SCRIPT:
		return put_text(p, o, field, n);
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
			parse_refuse(p, o, it, key);
			continue;
		}
		for (unsigned int cpu = first; cpu <= last; cpu++)
			add_worker(p, dp, cpu, it, key);
	}
}

void parse_value(struct parse *p, const struct config_option *o, void *base, const struct ynode *n,
	const char *key)
{
	if (n->kind == YNODE_BAD)
		return;
	if (n->kind == YNODE_NULL)
		parse_refuse(p, o, n, key);
	else if (o->type == CONFIG_TYPE_CPUS)
		parse_cpus(p, o, base, n, key);
	else if (parse_tls_value(p, o, base, n, key) || parse_net_value(p, o, base, n, key) ||
		 parse_client_value(p, o, base, n, key))
		return;
	else if (n->kind != YNODE_SCALAR || parse_scalar(p, o, base, n))
		parse_refuse(p, o, n, key);
}
