// SPDX-License-Identifier: BSD-3-Clause
// Any bytes as a configuration file: errors or a configuration, never anything else.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

// A profile of a configuration that was taken names what is there.
static void check_profile(const struct config *c, const struct config_profile *p)
{
	require(!p->remote_pool || config_pool(c, p->remote_pool));
	require(!p->prefix_pool || !*p->prefix_pool || config_pool6(c, p->prefix_pool));
	require(!p->pd_pool || !*p->pd_pool || config_pool6(c, p->pd_pool));
	require(!p->filter || !*p->filter || config_filter(c, p->filter) >= 0);
	require(!p->address_list || !*p->address_list ||
		config_address_list(c, p->address_list) >= 0);
	require(p->nb_dns <= CONFIG_MAX_DNS && p->nb_dns6 <= CONFIG_MAX_DNS &&
		p->nb_wins <= CONFIG_MAX_DNS);
	require(p->has_rate || (!p->rate_rx.bps && !p->rate_tx.bps));
	require(!p->rate_rx.burst_bps || (p->rate_rx.burst_bps >= p->rate_rx.bps &&
						 p->rate_rx.time_s && p->rate_rx.threshold_bps));
}

static void check_rule(const struct config *c, const struct config_filter_rule *r)
{
	require(r->direction >= 1 && r->direction <= 3 && r->protocol >= -1 && r->protocol <= 255);
	require(r->src_list < (int)c->nb_address_lists && r->dst_list < (int)c->nb_address_lists);
	require(r->src_port[0] <= r->src_port[1] && r->dst_port[0] <= r->dst_port[1]);
	require(r->src.plen <= 128 && r->dst.plen <= 128);
}

// Chains of pools end.
static void check_pool(const struct config *c, const struct config_pool *pool)
{
	unsigned int steps = 0;

	for (unsigned int r = 0; r < pool->nb_ranges; r++)
		require(pool->ranges[r].first && pool->ranges[r].first <= pool->ranges[r].last);
	for (; pool->next_pool; steps++) {
		require(steps < c->nb_pools);
		pool = config_pool(c, pool->next_pool);
		require(pool);
	}
}

static void check_secret(const struct config *c, const struct config_secret *s)
{
	require(config_secret(c, s->name) == s);
	require(!s->profile || config_profile(c, s->profile));
	require(!s->remote_pool || config_pool(c, s->remote_pool));
	require(!s->has_prefix6 || (s->prefix6.plen && s->prefix6.plen <= 64));
	require(s->nb_routes <= CONFIG_MAX_ROUTES);
	for (unsigned int i = 0; i < s->nb_routes; i++)
		require(s->routes[i].prefix.plen <= 128);
}

static void check(const struct config *c)
{
	require(config_profile(c, "default") && c->dataplane.nb_workers &&
		c->dataplane.access.device && c->sstp.default_profile);
	require(c->nb_address_lists <= CONFIG_MAX_LISTS);
	for (unsigned int i = 0; i < c->nb_profiles; i++)
		check_profile(c, &c->profiles[i]);
	for (unsigned int i = 0; i < c->nb_filters; i++)
		for (unsigned int k = 0; k < c->filters[i].nb_rules; k++)
			check_rule(c, &c->filters[i].rules[k]);
	for (unsigned int i = 0; i < c->nb_pools; i++)
		check_pool(c, &c->pools[i]);
	for (unsigned int i = 0; i < c->nb_pools6; i++)
		require(c->pools6[i].plen && c->pools6[i].plen <= c->pools6[i].length &&
			c->pools6[i].length <= 64);
	for (unsigned int i = 0; i < c->nb_secrets; i++)
		check_secret(c, &c->secrets[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c;
	char *text = NULL;
	size_t len = 0;
	FILE *err;

	if (size > 65536)
		return 0;
	err = open_memstream(&text, &len);
	if (!err)
		return 0;
	c = config_parse("f", (const char *)data, size, false, err);
	fclose(err);
	// Either a configuration or a reason.
	if (!c != (len > 0))
		abort();
	if (c)
		check(c);
	config_free(c);
	free(text);
	return 0;
}
