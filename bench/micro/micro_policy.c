// SPDX-License-Identifier: BSD-3-Clause
// What a session's policy costs a packet: a filter of 1, 10 and 100 rules of which the last one
// matches, or none, and the table of prefixes through sessions, 100,000 of one length and a few of
// others.
#include <stdlib.h>

#include "bench/micro/micro.h"
#include "dataplane/filter.h"
#include "dataplane/prefixtab.h"

#define PACKETS 1024
#define PACKET_LEN 64
#define NB_PREFIXES 100000

struct filter_state {
	struct filter_set *fs;
	const struct filter *f;
	uint32_t at;
	unsigned int passed;
	uint8_t pkt[PACKETS][PACKET_LEN];
};

static void filter_teardown(void *state)
{
	struct filter_state *s = state;

	filter_set_destroy(s->fs);
	micro_free(s);
}

static struct config_filter_rule make_rule(unsigned int i, unsigned int n)
{
	struct config_filter_rule r = {.action = CONFIG_FILTER_DROP,
		.direction = CONFIG_DIR_IN,
		.src_list = -1,
		.dst_list = -1,
		.protocol = i % 2 ? IPPROTO_TCP : IPPROTO_UDP,
		.src_port = {0, UINT16_MAX},
		.dst_port = {(uint16_t)(i * 100), (uint16_t)(i * 100 + 9)},
		.has_dst = true};

	r.dst.addr = prefixtab_map4(i + 1 == n ? 0 : 0x0a000000u + (i << 12));
	r.dst.plen = i + 1 == n ? 96 : 96 + 20;
	return r;
}

static void *filter_setup(const struct micro_case *c, char *why, size_t cap)
{
	struct filter_state *s = micro_alloc(sizeof(*s));
	unsigned int n = (unsigned int)c->arg[0];
	struct config_filter_rule *rules = calloc(n, sizeof(*rules));
	struct config_filter f = {.rules = rules, .nb_rules = n};
	struct config conf = {.filters = &f, .nb_filters = 1};
	uint32_t x = 1;

	snprintf(why, cap, "no memory");
	if (!s || !rules) {
		free(rules);
		micro_free(s);
		return NULL;
	}
	for (unsigned int i = 0; i < n; i++)
		rules[i] = make_rule(i, n);
	s->fs = filter_set_create(&conf);
	s->f = filter_get(s->fs, 0, false);
	free(rules);
	for (unsigned int i = 0; i < PACKETS; i++) {
		uint8_t *p = s->pkt[i];

		x = x * 1664525u + 1013904223u;
		p[0] = 0x45;
		p[3] = PACKET_LEN;
		p[9] = x & 0x100 ? IPPROTO_TCP : IPPROTO_UDP;
		memcpy(p + 12, (const uint8_t[]){10, 1, 1, 1, 10, (uint8_t)(x >> 24), 3, 4}, 8);
		p[22] = (uint8_t)(x >> 16);
		p[23] = (uint8_t)(x >> 12);
	}
	if (s->f)
		return s;
	filter_teardown(s);
	return NULL;
}

static void filter_run(void *state, unsigned int phase)
{
	struct filter_state *s = state;

	for (unsigned int i = 0; i < MICRO_BURST; i++) {
		struct filter_key k;

		filter_key(&k, s->pkt[s->at + i], PACKET_LEN);
		s->passed += filter_match(s->f, &k, 0, 0) == CONFIG_FILTER_ACCEPT;
	}
	s->at = (s->at + MICRO_BURST) % PACKETS;
}

struct prefix_state {
	struct prefixtab *t;
	uint32_t at;
	struct in6_addr addr[PACKETS * 16];
	uint32_t ref[MICRO_BURST];
};

static void prefix_teardown(void *state)
{
	struct prefix_state *s = state;

	prefixtab_destroy(s->t);
	micro_free(s);
}

static struct in6_addr nth_prefix(uint32_t i)
{
	return (struct in6_addr){.s6_addr = {0x20, 1, 0xd, 0xb8, 0, (uint8_t)(i >> 16),
					 (uint8_t)(i >> 8), (uint8_t)i}};
}

static void *prefix_setup(const struct micro_case *c, char *why, size_t cap)
{
	struct prefix_state *s = micro_alloc(sizeof(*s));
	uint32_t x = 1;

	snprintf(why, cap, "no memory");
	if (!s)
		return NULL;
	s->t = prefixtab_create(NB_PREFIXES + 16);
	for (uint32_t i = 0; s->t && i < NB_PREFIXES; i++) {
		struct in6_addr p = nth_prefix(i);

		if (prefixtab_insert(s->t, &p, 64, 1, i + 1))
			goto fail;
	}
	for (uint8_t plen = 48; s->t && plen <= 60; plen += 4) {
		struct in6_addr p = nth_prefix(NB_PREFIXES * 2);

		if (prefixtab_insert(s->t, &p, plen, 1, 1))
			goto fail;
	}
	for (uint32_t i = 0; i < RTE_DIM(s->addr); i++) {
		x = x * 1664525u + 1013904223u;
		s->addr[i] = nth_prefix((uint32_t)((uint64_t)x * NB_PREFIXES >> 32));
		s->addr[i].s6_addr[15] = 1;
	}
	if (s->t)
		return s;
fail:
	prefix_teardown(s);
	return NULL;
}

static void prefix_run(void *state, unsigned int phase)
{
	struct prefix_state *s = state;

	prefixtab_lookup(s->t, s->addr + s->at, s->ref, MICRO_BURST);
	s->at = (uint32_t)((s->at + MICRO_BURST) % RTE_DIM(s->addr));
}

static const struct micro_ops filter_ops = {
	.setup = filter_setup, .run = filter_run, .teardown = filter_teardown};
static const struct micro_ops prefix_ops = {
	.setup = prefix_setup, .run = prefix_run, .teardown = prefix_teardown};

void micro_policy_cases(struct micro_suite *s)
{
	static const uint32_t rules[] = {1, 10, 100};
	struct micro_case *c;

	for (size_t i = 0; i < RTE_DIM(rules); i++) {
		c = micro_add(s, &filter_ops, "packet", "filter/%u", rules[i]);
		c->arg[0] = rules[i];
		snprintf(c->anchor, sizeof(c->anchor), "%s", micro_anchor());
	}
	c = micro_add(s, &prefix_ops, "packet", "prefix/%u", NB_PREFIXES);
	snprintf(c->anchor, sizeof(c->anchor), "%s", micro_anchor());
}
