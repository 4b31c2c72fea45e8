// SPDX-License-Identifier: BSD-3-Clause
// Rate limits and routes as RouterOS writes them: for the file, and for whoever else has such
// texts.
#include <errno.h>
#include <string.h>

#include "config/config.h"
#include "config/value.h"

#define FIELDS_MAX 6
#define FIELD_LEN 64
#define RATE_MIN UINT64_C(1000)
#define RATE_MAX UINT64_C(1000000000000)
#define BURST_TIME_MAX_S 3600
#define METRIC_MAX 65535

// The words of s, one blank or more between them. Returns how many, or -EINVAL when there are more
// than max or one is too long.
static int split(const char *s, char field[][FIELD_LEN], int max)
{
	int n = 0;

	for (;;) {
		size_t len;

		s += strspn(s, " \t");
		if (!*s)
			return n;
		len = strcspn(s, " \t");
		if (n == max || len >= FIELD_LEN)
			return -EINVAL;
		memcpy(field[n], s, len);
		field[n++][len] = '\0';
		s += len;
	}
}

typedef int number_fn(const char *s, uint64_t *v);

// "a[/b]", where b is a when it is left out.
static int pair(char *s, number_fn *read, uint64_t *a, uint64_t *b)
{
	char *slash = strchr(s, '/');
	int rc;

	if (slash)
		*slash = '\0';
	rc = read(s, a);
	if (rc)
		return rc;
	*b = *a;
	return slash ? read(slash + 1, b) : 0;
}

static bool is_rate(uint64_t v)
{
	return !v || (v >= RATE_MIN && v <= RATE_MAX);
}

// Rates of one field. Returns NULL or what is wrong.
static const char *rates(char *s, uint64_t *a, uint64_t *b)
{
	int rc = pair(s, value_bitrate, a, b);

	if (rc == -EINVAL)
		return "rates such as 64k, 10M/2M or 1G";
	if (rc || !is_rate(*a) || !is_rate(*b))
		return "rates of 0, or from 1k to 1000G";
	return NULL;
}

static const char *times(char *s, uint64_t *a, uint64_t *b)
{
	if (pair(s, value_duration, a, b) || *a > BURST_TIME_MAX_S || *b > BURST_TIME_MAX_S)
		return "burst times up to 1h, such as 10 or 10s/20s";
	return NULL;
}

// A burst of 0 or over a time of 0 is none; a threshold of 0 is the rate.
static const char *settle(struct config_rate *r, uint64_t least)
{
	if (r->burst_bps && r->bps && r->burst_bps < r->bps)
		return "a burst rate above the rate";
	if (!r->bps || !r->burst_bps || !r->time_s) {
		r->burst_bps = r->threshold_bps = 0;
		r->time_s = 0;
	} else if (!r->threshold_bps) {
		r->threshold_bps = r->bps;
	}
	if (r->threshold_bps > r->burst_bps)
		return "a burst threshold below the burst rate";
	if (r->bps && least > r->bps)
		return "least rates not above the rates";
	return NULL;
}

static const char *rate_limit(const char *s, struct config_rate *rx, struct config_rate *tx)
{
	char field[FIELDS_MAX][FIELD_LEN];
	uint64_t a = 1, b = 1, priority, least[2] = {0, 0};
	int n = split(s, field, FIELDS_MAX);
	const char *why;

	if (n < 1)
		return "rx[/tx] [rx-burst[/tx-burst] [rx-threshold[/tx-threshold] "
		       "[rx-time[/tx-time] [priority [rx-min[/tx-min]]]]]]";
	why = rates(field[0], &rx->bps, &tx->bps);
	if (!why && n > 1)
		why = rates(field[1], &rx->burst_bps, &tx->burst_bps);
	if (!why && n > 2)
		why = rates(field[2], &rx->threshold_bps, &tx->threshold_bps);
	if (!why && n > 3)
		why = times(field[3], &a, &b);
	if (!why && n > 4 && (value_uint(field[4], &priority) || !priority || priority > 8))
		why = "a priority from 1 to 8";
	if (!why && n > 5)
		why = rates(field[5], &least[0], &least[1]);
	rx->time_s = (uint32_t)a;
	tx->time_s = (uint32_t)b;
	if (!why)
		why = settle(rx, least[0]);
	return why ? why : settle(tx, least[1]);
}

int config_rate_limit(
	const char *s, struct config_rate *rx, struct config_rate *tx, const char **why)
{
	memset(rx, 0, sizeof(*rx));
	memset(tx, 0, sizeof(*tx));
	*why = strcmp(s, "none") ? rate_limit(s, rx, tx) : NULL;
	return *why ? -EINVAL : 0;
}

static bool is_v4(const struct in6_addr *a)
{
	return IN6_IS_ADDR_V4MAPPED(a);
}

// Whether packets to a are routed at all.
static bool is_routable(const struct in6_addr *a, uint8_t plen)
{
	if (is_v4(a))
		return plen == 96 ||
		       (a->s6_addr[12] && a->s6_addr[12] != 127 && a->s6_addr[12] < 224);
	return !IN6_IS_ADDR_MULTICAST(a) && !IN6_IS_ADDR_LINKLOCAL(a) && !IN6_IS_ADDR_LOOPBACK(a) &&
	       (plen == 0 || !IN6_IS_ADDR_UNSPECIFIED(a));
}

static bool is_unspecified(const struct in6_addr *a)
{
	static const uint8_t zero[4];

	return is_v4(a) ? !memcmp(a->s6_addr + 12, zero, 4) : IN6_IS_ADDR_UNSPECIFIED(a);
}

static const char *route(const char *s, struct config_route *r)
{
	char field[3][FIELD_LEN];
	int n = split(s, field, 3), next = 1;
	uint64_t metric;

	if (n < 1)
		return "PREFIX [gateway] [metric]";
	if (value_network(field[0], &r->prefix.addr, &r->prefix.plen))
		return "a prefix without host bits in front, such as 10.1.0.0/16 or 2001:db8::/48";
	if (!is_routable(&r->prefix.addr, r->prefix.plen))
		return "a prefix that is routed: not multicast, loopback or link-local";
	if (next < n && !value_address(field[next], &r->gateway)) {
		if (is_v4(&r->gateway) != is_v4(&r->prefix.addr))
			return "a gateway of the prefix's family";
		r->has_gateway = !is_unspecified(&r->gateway);
		if (!r->has_gateway)
			memset(&r->gateway, 0, sizeof(r->gateway));
		next++;
	}
	if (next < n) {
		if (value_uint(field[next], &metric) || metric > METRIC_MAX)
			return "a gateway, a metric from 0 to 65535, or both in this order";
		r->metric = (uint32_t)metric;
		next++;
	}
	return next < n ? "a gateway, a metric from 0 to 65535, or both in this order" : NULL;
}

int config_route_parse(const char *s, struct config_route *r, const char **why)
{
	*r = (struct config_route){.metric = 1};
	*why = route(s, r);
	return *why ? -EINVAL : 0;
}
