// SPDX-License-Identifier: BSD-3-Clause
// The address table: a burst of inner destinations, spread evenly over 1, 1,000 and 100,000
// entries.
#include <stdlib.h>

#include "bench/micro/micro.h"
#include "dataplane/addrtab.h"

#define FIRST_ADDR 0x0a000002u // 10.0.0.2
#define NB_ADDRS 65536         // that are asked for before they come again

struct lookup_state {
	struct addrtab *t;
	uint32_t at;
	uint32_t addr[NB_ADDRS], ref[MICRO_BURST];
};

static void lookup_teardown(void *state)
{
	struct lookup_state *s = state;

	addrtab_destroy(s->t);
	micro_free(s);
}

static void *lookup_setup(const struct micro_case *c, char *why, size_t cap)
{
	struct lookup_state *s = micro_alloc(sizeof(*s));
	uint32_t entries = (uint32_t)c->arg[0], x = 1;

	snprintf(why, cap, "no memory");
	if (!s)
		return NULL;
	s->t = addrtab_create(entries);
	for (uint32_t i = 0; s->t && i < entries; i++)
		if (addrtab_insert(s->t, FIRST_ADDR + i, i + 1)) {
			lookup_teardown(s);
			return NULL;
		}
	for (uint32_t i = 0; i < NB_ADDRS; i++) {
		x = x * 1664525u + 1013904223u;
		s->addr[i] = FIRST_ADDR + (uint32_t)((uint64_t)x * entries >> 32);
	}
	if (s->t)
		return s;
	micro_free(s);
	return NULL;
}

static void lookup_run(void *state, unsigned int phase)
{
	struct lookup_state *s = state;

	addrtab_lookup(s->t, s->addr + s->at, s->ref, MICRO_BURST);
	s->at = (s->at + MICRO_BURST) % NB_ADDRS;
}

static const struct micro_ops lookup_ops = {
	.setup = lookup_setup, .run = lookup_run, .teardown = lookup_teardown};

void micro_lookup_cases(struct micro_suite *s)
{
	static const uint32_t entries[] = {1, 1000, 100000};

	for (size_t i = 0; i < RTE_DIM(entries); i++) {
		struct micro_case *c = micro_add(s, &lookup_ops, "packet", "lookup/%u", entries[i]);

		c->arg[0] = entries[i];
		snprintf(c->anchor, sizeof(c->anchor), "%s", micro_anchor());
	}
}
