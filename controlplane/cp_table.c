// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/cp_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct cp_slot *slot_of(const struct cp_table *t, dp_handle h)
{
	unsigned int w = cp_handle_worker(h);
	uint32_t slot = cp_handle_slot(h);

	return slot < t->worker[w].size ? &t->worker[w].slot[slot] : NULL;
}

struct cp_session *cp_table_find(const struct cp_table *t, dp_handle h)
{
	const struct cp_slot *p = slot_of(t, h);

	return p && p->generation == cp_handle_generation(h) ? p->s : NULL;
}

struct cp_session *cp_table_at(const struct cp_table *t, dp_handle h)
{
	const struct cp_slot *p = slot_of(t, h);

	return p ? p->s : NULL;
}

static int grow(struct cp_table *t, unsigned int w, uint32_t slot)
{
	uint32_t n = t->worker[w].size ? t->worker[w].size : 64;
	struct cp_slot *p;

	while (n <= slot)
		n *= 2;
	p = realloc(t->worker[w].slot, n * sizeof(*p));
	if (!p)
		return -ENOMEM;
	memset(p + t->worker[w].size, 0, (n - t->worker[w].size) * sizeof(*p));
	t->worker[w].slot = p;
	t->worker[w].size = n;
	return 0;
}

int cp_table_put(struct cp_table *t, dp_handle h, struct cp_session *s)
{
	struct cp_slot *p = slot_of(t, h);

	if (!p) {
		if (grow(t, cp_handle_worker(h), cp_handle_slot(h)))
			return -ENOMEM;
		p = slot_of(t, h);
	}
	if (p->close_owed)
		t->nb_close_owed--;
	*p = (struct cp_slot){.s = s, .generation = cp_handle_generation(h)};
	return 0;
}

void cp_table_remove(struct cp_table *t, dp_handle h)
{
	struct cp_slot *p = slot_of(t, h);

	if (!p || p->generation != cp_handle_generation(h))
		return;
	if (p->close_owed)
		t->nb_close_owed--;
	*p = (struct cp_slot){.generation = p->generation};
}

void cp_table_owe_close(struct cp_table *t, dp_handle h)
{
	struct cp_slot *p = slot_of(t, h);

	if (!p || p->generation != cp_handle_generation(h) || p->close_owed)
		return;
	p->close_owed = true;
	t->nb_close_owed++;
}

dp_handle cp_table_take_owed(struct cp_table *t)
{
	if (!t->nb_close_owed)
		return 0;
	for (unsigned int w = 0; w < CP_TABLE_MAX_WORKERS; w++) {
		for (uint32_t i = 0; i < t->worker[w].size; i++) {
			struct cp_slot *p = &t->worker[w].slot[i];

			if (!p->close_owed)
				continue;
			p->close_owed = false;
			t->nb_close_owed--;
			return (dp_handle)w << 56 | (dp_handle)i << 32 | p->generation;
		}
	}
	return 0;
}

void cp_table_free(struct cp_table *t)
{
	for (unsigned int w = 0; w < CP_TABLE_MAX_WORKERS; w++)
		free(t->worker[w].slot);
	memset(t, 0, sizeof(*t));
}
