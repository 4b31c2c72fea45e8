// SPDX-License-Identifier: BSD-3-Clause
// A prefix table whose references are lists' numbers, from 1 on.
#include "dataplane/lists.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/dp_chan.h"

struct member {
	dp_handle h; // 0: in no list
	uint16_t list;
	uint8_t plen6;   // 0: no IPv6
	bool own4, own6; // put there for this session: not the configuration's
	uint32_t inner;
	struct in6_addr prefix6;
};

struct lists {
	struct prefixtab *table;
	unsigned int nb_workers;
	uint32_t nb_slots; // of each worker, from 1 on
	struct member members[];
};

static int add_static(struct lists *l, const struct config *c)
{
	for (unsigned int i = 0; i < c->nb_address_lists; i++) {
		const struct config_address_list *a = &c->address_lists[i];

		for (unsigned int k = 0; k < a->nb_prefixes; k++) {
			int rc = prefixtab_insert(
				l->table, &a->prefixes[k].addr, a->prefixes[k].plen, 0, i + 1);

			if (rc && rc != -EEXIST)
				return rc;
		}
	}
	return 0;
}

struct lists *lists_create(
	const struct config *c, unsigned int nb_workers, uint32_t sessions_per_worker)
{
	size_t n = (size_t)nb_workers * (sessions_per_worker + 1), max = 2 * n;
	struct lists *l = calloc(1, sizeof(*l) + n * sizeof(l->members[0]));

	if (!l)
		return NULL;
	l->nb_workers = nb_workers;
	l->nb_slots = sessions_per_worker + 1;
	for (unsigned int i = 0; i < c->nb_address_lists; i++)
		max += c->address_lists[i].nb_prefixes;
	l->table = prefixtab_create((uint32_t)max);
	if (!l->table || add_static(l, c)) {
		lists_destroy(l);
		return NULL;
	}
	return l;
}

void lists_destroy(struct lists *l)
{
	if (!l)
		return;
	prefixtab_destroy(l->table);
	free(l);
}

const struct prefixtab *lists_table(const struct lists *l)
{
	return l->table;
}

static struct member *member_of(struct lists *l, dp_handle h)
{
	unsigned int w = dp_handle_worker(h);
	uint32_t slot = dp_handle_slot(h);

	return w < l->nb_workers && slot < l->nb_slots ? &l->members[w * l->nb_slots + slot] : NULL;
}

static void leave(struct lists *l, struct member *m)
{
	struct in6_addr a = prefixtab_map4(m->inner);

	if (m->own4)
		prefixtab_remove(l->table, &a, 128, m->list);
	if (m->own6)
		prefixtab_remove(l->table, &m->prefix6, m->plen6, m->list);
	*m = (struct member){0};
}

void lists_leave(struct lists *l, dp_handle h)
{
	struct member *m = member_of(l, h);

	if (m && m->h == h)
		leave(l, m);
}

// Whether have is in the table for itself with what want asks for.
static bool keeps4(const struct member *have, const struct member *want)
{
	return have->own4 && have->list == want->list && have->inner == want->inner;
}

static bool keeps6(const struct member *have, const struct member *want)
{
	return have->own6 && have->list == want->list && have->plen6 == want->plen6 &&
	       !memcmp(&have->prefix6, &want->prefix6, sizeof(want->prefix6));
}

// What want asks for beyond what have has. On failure nothing changed. 0 or -ENOSPC.
static int enter(struct lists *l, const struct member *have, struct member *want)
{
	struct in6_addr a = prefixtab_map4(want->inner);
	int rc;

	if (want->inner && !keeps4(have, want)) {
		rc = prefixtab_insert(l->table, &a, 128, 0, want->list);
		if (rc && rc != -EEXIST)
			return -ENOSPC;
		want->own4 = !rc;
	}
	if (want->plen6 && !keeps6(have, want)) {
		rc = prefixtab_insert(l->table, &want->prefix6, want->plen6, 0, want->list);
		want->own6 = !rc;
		if (rc && rc != -EEXIST) {
			leave(l, want);
			return -ENOSPC;
		}
	}
	return 0;
}

// The new entries come before the old ones go: no packet finds the session in neither.
int lists_join(struct lists *l, const struct dp_msg *open)
{
	struct member *m = member_of(l, open->handle);
	struct member want = {.h = open->handle,
		.list = open->u.open.address_list,
		.plen6 = open->u.open.plen6,
		.inner = open->u.open.inner,
		.prefix6 = open->u.open.prefix6};
	struct member old;

	if (!m || want.list > CONFIG_MAX_LISTS)
		return 0; // for nobody
	old = *m;
	if (want.list && enter(l, &old, &want))
		return -ENOSPC;
	if (want.list && keeps4(&old, &want)) {
		want.own4 = true;
		old.own4 = false;
	}
	if (want.list && keeps6(&old, &want)) {
		want.own6 = true;
		old.own6 = false;
	}
	leave(l, &old);
	*m = want.list ? want : (struct member){0};
	return 0;
}
