// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/ip6/ra.h"

#define HOP_LIMIT 255 // 7.1: what came from off the link has less

enum option {
	OPT_SOURCE_LL = 1,
	OPT_PREFIX = 3,
	OPT_MTU = 5,
	OPT_RDNSS = 25,
};

#define FLAG_MANAGED 0x80
#define FLAG_OTHER 0x40
#define PREFIX_ON_LINK 0x80
#define PREFIX_AUTONOMOUS 0x40
#define NA_ROUTER 0x80000000
#define NA_SOLICITED 0x40000000
#define NA_OVERRIDE 0x20000000

// The next option: its type and body. 4.6: a length of zero is an error.
static int next_option(struct cursor *c, uint8_t *type, struct cursor *body)
{
	uint8_t len;

	if (cur_u8(c, type) || cur_u8(c, &len) || !len || cur_sub(c, body, len * 8u - 2))
		return -EBADMSG;
	return 0;
}

static int check_options(struct cursor c, bool may_have_source)
{
	struct cursor body;
	uint8_t type;

	while (cur_left(&c))
		if (next_option(&c, &type, &body) || (type == OPT_SOURCE_LL && !may_have_source))
			return -EBADMSG;
	return 0;
}

static int begin_decode(const struct ip6_packet *k, struct cursor *c, uint8_t *type)
{
	uint8_t code;

	*c = k->payload;
	if (k->proto != IPPROTO_ICMPV6 || k->hop_limit != HOP_LIMIT || cur_u8(c, type) ||
		cur_u8(c, &code) || code || cur_skip(c, 2))
		return -EBADMSG;
	return 0;
}

int ra_question(const struct ip6_packet *k, struct ra_question *q)
{
	bool unspecified = ip6_is_unspecified(&k->src);
	struct cursor c;

	*q = (struct ra_question){0};
	if (begin_decode(k, &c, &q->type) || cur_skip(&c, 4))
		return -EBADMSG;
	if (q->type == RA_NEIGHBOUR_SOLICIT) {
		struct in6_addr group;

		if (cur_bytes(&c, &q->target, sizeof(q->target)) || ip6_is_multicast(&q->target))
			return -EBADMSG;
		group = ip6_solicited_node_of(&q->target);
		if (unspecified && memcmp(&k->dst, &group, sizeof(group)) != 0)
			return -EBADMSG;
	} else if (q->type != RA_ROUTER_SOLICIT) {
		return -EBADMSG;
	}
	return check_options(c, !unspecified);
}

// -- Router Advertisement --

static void put_prefix(struct writer *w, const struct ra *ra)
{
	struct in6_addr p = ra->prefix;

	for (unsigned int i = ra->plen; i < 128; i++)
		p.s6_addr[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	wr_u8(w, OPT_PREFIX);
	wr_u8(w, 4);
	wr_u8(w, ra->plen);
	wr_u8(w, (uint8_t)((ra->on_link ? PREFIX_ON_LINK : 0) |
			   (ra->autonomous ? PREFIX_AUTONOMOUS : 0)));
	wr_u32(w, ra->valid_s);
	wr_u32(w, ra->preferred_s);
	wr_zero(w, 4);
	wr_bytes(w, &p, sizeof(p));
}

static void put_dns(struct writer *w, const struct ra *ra)
{
	unsigned int n = ra->nb_dns < RA_MAX_DNS ? ra->nb_dns : RA_MAX_DNS;

	wr_u8(w, OPT_RDNSS);
	wr_u8(w, (uint8_t)(1 + 2 * n));
	wr_zero(w, 2);
	wr_u32(w, ra->dns_lifetime_s);
	wr_bytes(w, ra->dns, n * sizeof(ra->dns[0]));
}

size_t ra_packet(const struct ra *ra, const struct in6_addr *src, const struct in6_addr *dst,
	uint8_t *buf, size_t cap)
{
	struct writer w = writer_make(buf, cap);

	ip6_begin(&w, src, dst, IPPROTO_ICMPV6, HOP_LIMIT, 0, 0);
	wr_u8(&w, RA_ROUTER_ADVERT);
	wr_zero(&w, 3);
	wr_u8(&w, ra->hop_limit);
	wr_u8(&w, (uint8_t)((ra->managed ? FLAG_MANAGED : 0) | (ra->other ? FLAG_OTHER : 0)));
	wr_u16(&w, ra->lifetime_s);
	wr_zero(&w, 8); // reachable and retransmission times: not said
	if (ra->mtu) {
		wr_u8(&w, OPT_MTU);
		wr_u8(&w, 1);
		wr_zero(&w, 2);
		wr_u32(&w, ra->mtu);
	}
	if (ra->plen)
		put_prefix(&w, ra);
	if (ra->nb_dns)
		put_dns(&w, ra);
	ip6_end(&w);
	return w.overflow ? 0 : wr_len(&w);
}

size_t na_packet(
	const struct in6_addr *target, const struct in6_addr *dst, uint8_t *buf, size_t cap)
{
	bool dad = ip6_is_unspecified(dst);
	struct writer w = writer_make(buf, cap);

	ip6_begin(&w, target, dad ? &ip6_all_nodes : dst, IPPROTO_ICMPV6, HOP_LIMIT, 0, 0);
	wr_u8(&w, RA_NEIGHBOUR_ADVERT);
	wr_zero(&w, 3);
	wr_u32(&w, NA_ROUTER | NA_OVERRIDE | (dad ? 0 : NA_SOLICITED));
	wr_bytes(&w, target, sizeof(*target));
	ip6_end(&w);
	return w.overflow ? 0 : wr_len(&w);
}

static int get_prefix(struct cursor c, struct ra *ra)
{
	uint8_t plen, flags;

	if (ra->plen)
		return 0;
	if (cur_u8(&c, &plen) || plen > 128 || cur_u8(&c, &flags) || cur_u32(&c, &ra->valid_s) ||
		cur_u32(&c, &ra->preferred_s) || cur_skip(&c, 4) ||
		cur_bytes(&c, &ra->prefix, sizeof(ra->prefix)) || cur_empty(&c))
		return -EBADMSG;
	ra->plen = plen;
	ra->on_link = flags & PREFIX_ON_LINK;
	ra->autonomous = flags & PREFIX_AUTONOMOUS;
	return 0;
}

static int get_dns(struct cursor c, struct ra *ra)
{
	if (cur_skip(&c, 2) || cur_u32(&c, &ra->dns_lifetime_s) || !cur_left(&c) ||
		cur_left(&c) % sizeof(ra->dns[0]))
		return -EBADMSG;
	while (cur_left(&c) && ra->nb_dns < RA_MAX_DNS)
		if (cur_bytes(&c, &ra->dns[ra->nb_dns++], sizeof(ra->dns[0])))
			return -EBADMSG;
	return 0;
}

static int get_option(uint8_t type, struct cursor body, struct ra *ra)
{
	switch (type) {
	case OPT_PREFIX:
		return get_prefix(body, ra);
	case OPT_MTU:
		return cur_skip(&body, 2) || cur_u32(&body, &ra->mtu) || cur_empty(&body) ? -EBADMSG
											  : 0;
	case OPT_RDNSS:
		return get_dns(body, ra);
	default:
		return 0;
	}
}

int ra_decode(const struct ip6_packet *k, struct ra *ra)
{
	struct cursor c, body;
	uint8_t type, flags;

	*ra = (struct ra){0};
	if (!ip6_is_link_local(&k->src) || begin_decode(k, &c, &type) || type != RA_ROUTER_ADVERT ||
		cur_u8(&c, &ra->hop_limit) || cur_u8(&c, &flags) || cur_u16(&c, &ra->lifetime_s) ||
		cur_skip(&c, 8))
		return -EBADMSG;
	ra->managed = flags & FLAG_MANAGED;
	ra->other = flags & FLAG_OTHER;
	while (cur_left(&c))
		if (next_option(&c, &type, &body) || get_option(type, body, ra))
			return -EBADMSG;
	return 0;
}
