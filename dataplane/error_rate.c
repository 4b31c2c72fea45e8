// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/error_rate.h"

// A session's share: so many at once, then one each so often.
#define SESSION_BURST 20
#define SESSION_PRICE_US 10000
// The same of all that say that a packet is too big.
#define TOO_BIG_BURST 100
#define TOO_BIG_PRICE_US 1000

// Generic cell rate algorithm: *next is when the next one would be due at that rate. Within 32 bits
// of time, which go round: what lies too far ahead is long past.
static bool conforms(uint32_t *next, uint32_t now, uint32_t price, uint32_t burst)
{
	uint32_t ahead = *next - now;

	if (ahead > price * burst)
		ahead = 0;
	if (ahead > price * (burst - 1))
		return false;
	*next = now + ahead + price;
	return true;
}

bool error_rate_allow(struct worker *w, struct session *s, bool too_big)
{
	uint32_t now = (uint32_t)w->now_us;

	if (s && !conforms(&s->error_next, now, SESSION_PRICE_US, SESSION_BURST)) {
		COUNT(&w->counters, icmp_rate_limited);
		return false;
	}
	if (!too_big)
		return netif_icmp_allow(w->core, w->now_us);
	if (conforms(&w->too_big_next, now, TOO_BIG_PRICE_US, TOO_BIG_BURST))
		return true;
	COUNT(&w->counters, icmp_rate_limited);
	return false;
}
