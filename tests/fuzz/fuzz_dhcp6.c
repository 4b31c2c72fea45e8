// SPDX-License-Identifier: BSD-3-Clause
// Messages of one client, one after the other, each with its length (2 bytes) in front; a server id
// of "S" alone in it becomes the server's own.
#include "protocol/ip6/dhcp6_server.h"
#include "protocol/ip6/ip6.h"
#include "tests/fuzz/fuzz_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct owner {
	bool taken, none;
};

static const struct in6_addr pd = {.s6_addr = {0x20, 1, 0x0d, 0xb8, 0xff}};

static bool take(void *user, struct in6_addr *prefix, uint8_t *plen)
{
	struct owner *o = user;

	if (o->none)
		return false;
	MUST(!o->taken);
	o->taken = true;
	*prefix = pd;
	*plen = 56;
	return true;
}

static void release(void *user, const struct in6_addr *prefix, uint8_t plen)
{
	struct owner *o = user;

	MUST(o->taken && plen == 56 && !memcmp(prefix, &pd, sizeof(pd)));
	o->taken = false;
}

static void check_ia(const struct dhcp6_ia *a, const struct dhcp6_ia *b)
{
	MUST(a->iaid == b->iaid && a->t1_s == b->t1_s && a->t2_s == b->t2_s);
	MUST(a->status == b->status && a->nb_prefixes == b->nb_prefixes);
	for (unsigned int i = 0; i < a->nb_prefixes; i++) {
		const struct dhcp6_prefix *p = &a->prefixes[i], *q = &b->prefixes[i];

		MUST(p->preferred_s == q->preferred_s && p->valid_s == q->valid_s);
		MUST(p->plen == q->plen && !memcmp(&p->prefix, &q->prefix, sizeof(p->prefix)));
	}
}

// What is sent can be read, and says what was meant.
static void check_out(const struct dhcp6_msg *in, const struct dhcp6_msg *out)
{
	uint8_t buf[DHCP6_REPLY_MAX];
	struct writer w = writer_make(buf, sizeof(buf));
	struct dhcp6_msg again;

	MUST(out->type == DHCP6_ADVERTISE || out->type == DHCP6_REPLY);
	MUST(out->xid == in->xid && out->nb_pd <= in->nb_pd && out->nb_na <= in->nb_na);
	dhcp6_encode(out, &w);
	MUST(!w.overflow);
	MUST(dhcp6_decode(cursor_make(buf, wr_len(&w)), &again) == 0);
	MUST(again.type == out->type && again.xid == out->xid && again.status == out->status);
	MUST(again.nb_pd == out->nb_pd && again.nb_na == out->nb_na);
	for (unsigned int i = 0; i < out->nb_pd; i++)
		check_ia(&again.pd[i], &out->pd[i]);
	for (unsigned int i = 0; i < out->nb_na; i++)
		check_ia(&again.na[i], &out->na[i]);
	MUST(again.nb_dns == out->nb_dns && !memcmp(again.dns, out->dns, sizeof(out->dns)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct dhcp6_duid duid = {.len = 3, .bytes = {0, 4, 9}};
	static const struct dhcp6_ops ops = {.take = take, .release = release};
	static const struct in6_addr dns = {.s6_addr = {0x20, 1, [15] = 0x53}};
	struct dhcp6_link link = {.duid = &duid,
		.preferred_s = 1000,
		.valid_s = 2000,
		.dns = &dns,
		.nb_dns = 1,
		.prefix = pd,
		.plen = 64};
	struct cursor c = cursor_make(data, size), body;
	struct dhcp6_lease lease = {0};
	struct owner owner = {0};
	struct dhcp6_msg in, out;
	uint16_t len;

	if (size && data[size - 1] == 'n')
		owner.none = true;
	while (!cur_u16(&c, &len)) {
		uint8_t *copy;

		if (cur_sub(&c, &body, len))
			(void)cur_sub(&c, &body, cur_left(&c));
		len = (uint16_t)cur_left(&body);
		copy = fuzz_copy(body.p, len);
		if (!dhcp6_decode(cursor_make(copy, len), &in)) {
			if (in.server.len == 3 && in.server.bytes[2] == 'S')
				in.server = duid;
			if (dhcp6_answer(&link, &lease, &ops, &owner, &in, &out))
				check_out(&in, &out);
			MUST(lease.bound == owner.taken);
		}
		free(copy);
	}
	return 0;
}
