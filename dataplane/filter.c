// SPDX-License-Identifier: BSD-3-Clause
// Compiling rules into tables of rows.
#include "dataplane/filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/filter_int.h"

#define PROTO_ICMP 1
#define PROTO_ICMP6 58

struct filter_set {
	unsigned int n;
	struct {
		struct filter *in, *out; // NULL: no rule
	} f[];
};

static void row_set(uint64_t *row, unsigned int rule)
{
	row[rule / 64] |= UINT64_C(1) << rule % 64;
}

static uint64_t *rows_make(const struct filter *f, size_t n)
{
	return calloc(n * f->words, sizeof(uint64_t));
}

// ---- ports

static int cmp_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static bool any_port(const uint16_t *range)
{
	return range[0] == 0 && range[1] == UINT16_MAX;
}

static const uint16_t *port_range(const struct config_filter_rule *r, bool dst)
{
	return dst ? r->dst_port : r->src_port;
}

// Sorted bounds, each once. Returns how many.
static uint32_t unique(uint32_t *v, uint32_t n)
{
	uint32_t k = 1;

	qsort(v, n, sizeof(*v), cmp_u32);
	for (uint32_t i = 1; i < n; i++)
		if (v[i] != v[k - 1])
			v[k++] = v[i];
	return k;
}

// Where the first value of a table is that is not below v.
static uint32_t table_at(const struct table32 *t, uint32_t v)
{
	uint32_t i = 0;

	while (i < t->n && t->start[i] < v)
		i++;
	return i;
}

static int compile_ports(struct filter *f, struct table32 *t,
	const struct config_filter_rule *const *rules, bool dst)
{
	uint32_t n = 0;

	t->start = calloc(2 * (size_t)f->nb_rules + 1, sizeof(*t->start));
	if (!t->start)
		return -ENOMEM;
	t->start[n++] = 0;
	for (unsigned int i = 0; i < f->nb_rules; i++) {
		const uint16_t *range = port_range(rules[i], dst);

		t->start[n++] = range[0];
		if (range[1] < UINT16_MAX)
			t->start[n++] = range[1] + 1u;
	}
	t->n = unique(t->start, n);
	t->rows = rows_make(f, t->n);
	if (!t->rows)
		return -ENOMEM;
	for (unsigned int i = 0; i < f->nb_rules; i++) {
		const uint16_t *range = port_range(rules[i], dst);

		for (uint32_t k = table_at(t, range[0]); k < t->n && t->start[k] <= range[1]; k++)
			row_set(&t->rows[k * f->words], i);
	}
	return 0;
}

// ---- addresses

static bool is_mapped(const struct config_prefix *p)
{
	return p->plen >= 96 && IN6_IS_ADDR_V4MAPPED(&p->addr);
}

// A rule's prefix; NULL: any address of any family.
static const struct config_prefix *rule_prefix(const struct config_filter_rule *r, bool dst)
{
	if (dst)
		return r->has_dst ? &r->dst : NULL;
	return r->has_src ? &r->src : NULL;
}

// First and last IPv4 address of a rule. False: none.
static bool range4(const struct config_filter_rule *r, bool dst, uint32_t *first, uint32_t *last)
{
	const struct config_prefix *p = rule_prefix(r, dst);
	uint32_t mask;

	*first = 0;
	*last = UINT32_MAX;
	if (!p)
		return true;
	if (!is_mapped(p))
		return false;
	memcpy(first, &p->addr.s6_addr[12], sizeof(*first));
	mask = p->plen == 96 ? 0 : UINT32_MAX << (128 - p->plen);
	*first = __builtin_bswap32(*first) & mask;
	*last = *first | ~mask;
	return true;
}

static int compile_addr4(struct filter *f, struct table32 *t,
	const struct config_filter_rule *const *rules, bool dst)
{
	uint32_t n = 0, first, last;

	t->start = calloc(2 * (size_t)f->nb_rules + 1, sizeof(*t->start));
	if (!t->start)
		return -ENOMEM;
	t->start[n++] = 0;
	for (unsigned int i = 0; i < f->nb_rules; i++) {
		if (!range4(rules[i], dst, &first, &last))
			continue;
		t->start[n++] = first;
		if (last < UINT32_MAX)
			t->start[n++] = last + 1;
	}
	t->n = unique(t->start, n);
	t->rows = rows_make(f, t->n);
	if (!t->rows)
		return -ENOMEM;
	for (unsigned int i = 0; i < f->nb_rules; i++) {
		if (!range4(rules[i], dst, &first, &last))
			continue;
		for (uint32_t k = table_at(t, first); k < t->n && t->start[k] <= last; k++)
			row_set(&t->rows[k * f->words], i);
	}
	return 0;
}

static int cmp_addr(const void *a, const void *b)
{
	return filter_addr_cmp((const struct filter_addr *)a, (const struct filter_addr *)b);
}

// The same for IPv6.
static bool range6(const struct config_filter_rule *r, bool dst, struct filter_addr *first,
	struct filter_addr *last)
{
	const struct config_prefix *p = rule_prefix(r, dst);
	struct filter_addr mask = {0, 0};

	*first = (struct filter_addr){0, 0};
	*last = (struct filter_addr){UINT64_MAX, UINT64_MAX};
	if (!p)
		return true;
	if (is_mapped(p))
		return false;
	memcpy(&first->hi, p->addr.s6_addr, 8);
	memcpy(&first->lo, p->addr.s6_addr + 8, 8);
	if (p->plen)
		mask.hi = p->plen >= 64 ? UINT64_MAX : ~(UINT64_MAX >> p->plen);
	if (p->plen > 64)
		mask.lo = p->plen == 128 ? UINT64_MAX : ~(UINT64_MAX >> (p->plen - 64));
	first->hi = __builtin_bswap64(first->hi) & mask.hi;
	first->lo = __builtin_bswap64(first->lo) & mask.lo;
	last->hi = first->hi | ~mask.hi;
	last->lo = first->lo | ~mask.lo;
	return true;
}

static int compile_addr6(struct filter *f, struct table128 *t,
	const struct config_filter_rule *const *rules, bool dst)
{
	struct filter_addr first, last;
	uint32_t n = 0, k = 1;

	t->start = calloc(2 * (size_t)f->nb_rules + 1, sizeof(*t->start));
	if (!t->start)
		return -ENOMEM;
	n++; // ::
	for (unsigned int i = 0; i < f->nb_rules; i++) {
		if (!range6(rules[i], dst, &first, &last))
			continue;
		t->start[n++] = first;
		if (last.hi != UINT64_MAX || last.lo != UINT64_MAX)
			t->start[n++] = (struct filter_addr){
				last.hi + (last.lo == UINT64_MAX), last.lo + 1};
	}
	qsort(t->start, n, sizeof(*t->start), cmp_addr);
	for (uint32_t i = 1; i < n; i++)
		if (filter_addr_cmp(&t->start[i], &t->start[k - 1]))
			t->start[k++] = t->start[i];
	t->n = k;
	t->rows = rows_make(f, t->n);
	if (!t->rows)
		return -ENOMEM;
	for (unsigned int i = 0; i < f->nb_rules; i++) {
		if (!range6(rules[i], dst, &first, &last))
			continue;
		for (k = 0; k < t->n; k++)
			if (filter_addr_cmp(&t->start[k], &first) >= 0 &&
				filter_addr_cmp(&t->start[k], &last) <= 0)
				row_set(&t->rows[k * f->words], i);
	}
	return 0;
}

// ---- the rest

static int compile_protocols(struct filter *f, const struct config_filter_rule *const *rules)
{
	f->protocol = rows_make(f, 256);
	f->no_ports = rows_make(f, 1);
	if (!f->protocol || !f->no_ports)
		return -ENOMEM;
	for (unsigned int i = 0; i < f->nb_rules; i++) {
		const struct config_filter_rule *r = rules[i];

		for (int p = 0; p < 256; p++)
			if (r->protocol < 0 || r->protocol == p ||
				(r->protocol == PROTO_ICMP && p == PROTO_ICMP6))
				row_set(&f->protocol[(size_t)p * f->words], i);
		if (any_port(r->src_port) && any_port(r->dst_port))
			row_set(f->no_ports, i);
	}
	return 0;
}

static int compile_lists(struct filter *f, const struct config_filter_rule *const *rules, bool dst)
{
	struct filter_lists *l = dst ? &f->dst_lists : &f->src_lists;

	l->rows = rows_make(f, CONFIG_MAX_LISTS);
	if (!l->rows)
		return -ENOMEM;
	for (unsigned int i = 0; i < f->nb_rules; i++) {
		int list = dst ? rules[i]->dst_list : rules[i]->src_list;

		if (list < 0 || list >= CONFIG_MAX_LISTS)
			continue;
		l->used |= UINT32_C(1) << list;
		row_set(&l->rows[(size_t)list * f->words], i);
	}
	return 0;
}

static void table32_free(struct table32 *t)
{
	free(t->start);
	free(t->rows);
}

static void filter_destroy(struct filter *f)
{
	if (!f)
		return;
	table32_free(&f->src_port);
	table32_free(&f->dst_port);
	table32_free(&f->src4);
	table32_free(&f->dst4);
	free(f->src6.start);
	free(f->src6.rows);
	free(f->dst6.start);
	free(f->dst6.rows);
	free(f->protocol);
	free(f->no_ports);
	free(f->src_lists.rows);
	free(f->dst_lists.rows);
	free(f->action);
	free(f);
}

static int compile(struct filter *f, const struct config_filter_rule *const *rules)
{
	f->words = (f->nb_rules + 63) / 64;
	f->action = calloc(f->nb_rules, sizeof(*f->action));
	if (!f->action)
		return -ENOMEM;
	for (unsigned int i = 0; i < f->nb_rules; i++)
		f->action[i] = (uint8_t)rules[i]->action;
	if (compile_protocols(f, rules))
		return -ENOMEM;
	for (int dst = 0; dst < 2; dst++)
		if (compile_ports(f, dst ? &f->dst_port : &f->src_port, rules, dst) ||
			compile_addr4(f, dst ? &f->dst4 : &f->src4, rules, dst) ||
			compile_addr6(f, dst ? &f->dst6 : &f->src6, rules, dst) ||
			compile_lists(f, rules, dst))
			return -ENOMEM;
	return 0;
}

// The rules of one direction. *out: NULL when there are none.
static int make(const struct config_filter *c, uint8_t direction, struct filter **out)
{
	const struct config_filter_rule **rules = calloc(c->nb_rules + 1, sizeof(*rules));
	struct filter *f = calloc(1, sizeof(*f));
	int rc = -ENOMEM;

	if (!rules || !f)
		goto fail;
	for (unsigned int i = 0; i < c->nb_rules; i++)
		if (c->rules[i].direction & direction)
			rules[f->nb_rules++] = &c->rules[i];
	rc = f->nb_rules > FILTER_RULES_MAX ? -E2BIG : 0;
	if (rc || !f->nb_rules)
		goto fail;
	rc = compile(f, rules);
	if (rc)
		goto fail;
	*out = f;
	free(rules);
	return 0;
fail:
	filter_destroy(f);
	free(rules);
	return rc;
}

struct filter_set *filter_set_create(const struct config *c)
{
	struct filter_set *fs = calloc(1, sizeof(*fs) + c->nb_filters * sizeof(fs->f[0]));
	int rc = fs ? 0 : -ENOMEM;

	for (unsigned int i = 0; !rc && i < c->nb_filters; i++) {
		fs->n = i + 1;
		rc = make(&c->filters[i], CONFIG_DIR_IN, &fs->f[i].in);
		if (!rc)
			rc = make(&c->filters[i], CONFIG_DIR_OUT, &fs->f[i].out);
	}
	if (!rc)
		return fs;
	filter_set_destroy(fs);
	errno = -rc;
	return NULL;
}

void filter_set_destroy(struct filter_set *fs)
{
	if (!fs)
		return;
	for (unsigned int i = 0; i < fs->n; i++) {
		filter_destroy(fs->f[i].in);
		filter_destroy(fs->f[i].out);
	}
	free(fs);
}

bool filter_exists(const struct filter_set *fs, unsigned int number)
{
	return fs && number < fs->n;
}

const struct filter *filter_get(
	const struct filter_set *fs, unsigned int number, bool out_to_client)
{
	if (!fs || number >= fs->n)
		return NULL;
	return out_to_client ? fs->f[number].out : fs->f[number].in;
}
