// SPDX-License-Identifier: BSD-3-Clause
// IPv6 extension headers, RFC 8200 4.
#include "dataplane/netif_int.h"

#include "protocol/cursor.h"

#define HOP_BY_HOP 0
#define ROUTING 43
#define FRAGMENT 44
#define DEST_OPTIONS 60
#define OPT_PAD1 0
#define OPT_PADN 1
#define OPT_ROUTER_ALERT 5

// RFC 8200 4.2: what to do with options is in their two highest bits.
static enum ip6_walk check_options(const uint8_t *base, struct cursor c, uint16_t *at)
{
	const uint8_t *opt;
	uint8_t type, len;

	while (cur_left(&c)) {
		opt = c.p;
		cur_u8(&c, &type);
		if (type == OPT_PAD1)
			continue;
		if (cur_u8(&c, &len) || cur_skip(&c, len))
			return IP6_MALFORMED;
		if (type == OPT_PADN || type == OPT_ROUTER_ALERT)
			continue;
		*at = (uint16_t)(opt - base);
		switch (type >> 6) {
		case 1:
			return IP6_DISCARD;
		case 2:
			return IP6_BAD_OPTION;
		case 3:
			return IP6_BAD_OPTION_UC;
		}
	}
	return IP6_OK;
}

// One header of type `type` at c; moves c behind it. *next_at: offset of its next-header field.
static enum ip6_walk one_header(
	const uint8_t *base, struct cursor *c, uint8_t type, uint8_t *next, uint16_t *at)
{
	const uint8_t *hdr = c->p;
	struct cursor body;
	uint16_t flags;
	uint8_t len;

	if (cur_u8(c, next) || cur_u8(c, &len))
		return IP6_MALFORMED;
	if (type == FRAGMENT) {
		if (cur_u16(c, &flags) || cur_skip(c, 4))
			return IP6_MALFORMED;
		if (flags & 0xfff9) // offset or more fragments; else it is whole, RFC 6946
			return IP6_FRAGMENT;
	} else {
		if (cur_sub(c, &body, len * 8 + 6))
			return IP6_MALFORMED;
		if (type == ROUTING && body.p[1] != 0) {
			*at = (uint16_t)(hdr - base) + 2;
			return IP6_BAD_ROUTING;
		}
		if (type != ROUTING) {
			enum ip6_walk r = check_options(base, body, at);

			if (r != IP6_OK)
				return r;
		}
	}
	*at = (uint16_t)(hdr - base);
	return IP6_OK;
}

enum ip6_walk ip6_walk(const uint8_t *p, uint16_t len, uint16_t *hlen, uint8_t *proto, uint16_t *at)
{
	struct cursor c = cursor_make(p, len);
	unsigned int i;
	uint8_t type;
	enum ip6_walk r;

	*at = 6;
	if (cur_skip(&c, sizeof(struct rte_ipv6_hdr)))
		return IP6_MALFORMED;
	type = p[6];
	for (i = 0;; i++) {
		// Hop-by-hop options come first or are no header that we know.
		if (!(type == HOP_BY_HOP && i == 0) && type != ROUTING && type != FRAGMENT &&
			type != DEST_OPTIONS)
			break;
		if (i == IP6_EXT_MAX)
			return IP6_MALFORMED;
		r = one_header(p, &c, type, &type, at);
		if (r != IP6_OK)
			return r;
		if (c.p - p > IP6_HLEN_MAX)
			return IP6_MALFORMED;
	}
	*hlen = (uint16_t)(c.p - p);
	*proto = type;
	return IP6_OK;
}
