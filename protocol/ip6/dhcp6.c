// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/ip6/dhcp6.h"

const char *dhcp6_type_name(uint8_t type)
{
	switch (type) {
#define X(name, value) \
	case value:    \
		return #name;
		DHCP6_TYPE_LIST(X)
#undef X
	default:
		return "?";
	}
}

// -- decode --

static int next_option(struct cursor *c, uint16_t *code, struct cursor *body)
{
	uint16_t len;

	return cur_u16(c, code) || cur_u16(c, &len) || cur_sub(c, body, len) ? -EBADMSG : 0;
}

static int get_duid(struct cursor c, struct dhcp6_duid *d)
{
	size_t n = cur_left(&c);

	if (n < 3 || n > DHCP6_MAX_DUID)
		return -EBADMSG;
	if (d->len)
		return 0;
	d->len = (uint8_t)n;
	return cur_bytes(&c, d->bytes, n);
}

static int get_status(struct cursor c, uint16_t *status)
{
	return cur_u16(&c, status); // a text follows
}

// 21.6, 21.22: an address or a prefix, and options of its own, which say nothing to us.
static int get_lease(struct cursor c, bool is_pd, struct dhcp6_prefix *p)
{
	struct cursor body;
	uint16_t code;

	p->plen = 128;
	if (!is_pd && cur_bytes(&c, &p->prefix, sizeof(p->prefix)))
		return -EBADMSG;
	if (cur_u32(&c, &p->preferred_s) || cur_u32(&c, &p->valid_s))
		return -EBADMSG;
	if (is_pd && (cur_u8(&c, &p->plen) || p->plen > 128 ||
			     cur_bytes(&c, &p->prefix, sizeof(p->prefix))))
		return -EBADMSG;
	while (cur_left(&c))
		if (next_option(&c, &code, &body))
			return -EBADMSG;
	return 0;
}

static int get_ia(struct cursor c, bool is_pd, struct dhcp6_ia *ia)
{
	const uint16_t lease = is_pd ? DHCP6_OPT_IAPREFIX : DHCP6_OPT_IAADDR;
	struct dhcp6_prefix p;
	struct cursor body;
	uint16_t code;

	*ia = (struct dhcp6_ia){0};
	if (cur_u32(&c, &ia->iaid) || cur_u32(&c, &ia->t1_s) || cur_u32(&c, &ia->t2_s))
		return -EBADMSG;
	while (cur_left(&c)) {
		if (next_option(&c, &code, &body))
			return -EBADMSG;
		if (code == DHCP6_OPT_STATUS_CODE && get_status(body, &ia->status))
			return -EBADMSG;
		if (code != lease)
			continue;
		if (get_lease(body, is_pd, &p))
			return -EBADMSG;
		if (ia->nb_prefixes < DHCP6_MAX_PREFIX)
			ia->prefixes[ia->nb_prefixes++] = p;
	}
	return 0;
}

static int add_ia(struct cursor body, bool is_pd, struct dhcp6_ia *ias, unsigned int *nb)
{
	struct dhcp6_ia ia;

	if (get_ia(body, is_pd, &ia))
		return -EBADMSG;
	if (*nb < DHCP6_MAX_IA)
		ias[(*nb)++] = ia;
	return 0;
}

static int get_oro(struct cursor c, struct dhcp6_msg *m)
{
	uint16_t code;

	m->has_oro = true;
	while (cur_left(&c)) {
		if (cur_u16(&c, &code))
			return -EBADMSG;
		if (code == DHCP6_OPT_DNS_SERVERS)
			m->wants_dns = true;
	}
	return 0;
}

static int get_dns(struct cursor c, struct dhcp6_msg *m)
{
	if (!cur_left(&c) || cur_left(&c) % sizeof(m->dns[0]))
		return -EBADMSG;
	while (cur_left(&c) && m->nb_dns < DHCP6_MAX_DNS)
		if (cur_bytes(&c, &m->dns[m->nb_dns++], sizeof(m->dns[0])))
			return -EBADMSG;
	return 0;
}

static int get_option(uint16_t code, struct cursor body, struct dhcp6_msg *m)
{
	switch (code) {
	case DHCP6_OPT_CLIENTID:
		return get_duid(body, &m->client);
	case DHCP6_OPT_SERVERID:
		return get_duid(body, &m->server);
	case DHCP6_OPT_IA_NA:
		return add_ia(body, false, m->na, &m->nb_na);
	case DHCP6_OPT_IA_PD:
		return add_ia(body, true, m->pd, &m->nb_pd);
	case DHCP6_OPT_IA_TA:
		m->has_ta = true;
		return 0;
	case DHCP6_OPT_ORO:
		return get_oro(body, m);
	case DHCP6_OPT_STATUS_CODE:
		return get_status(body, &m->status);
	case DHCP6_OPT_RAPID_COMMIT:
		m->rapid_commit = true;
		return cur_empty(&body);
	case DHCP6_OPT_DNS_SERVERS:
		return get_dns(body, m);
	default:
		return 0;
	}
}

int dhcp6_decode(struct cursor c, struct dhcp6_msg *m)
{
	struct cursor body;
	uint16_t code;

	*m = (struct dhcp6_msg){0};
	if (cur_u8(&c, &m->type) || m->type < DHCP6_SOLICIT ||
		m->type > DHCP6_INFORMATION_REQUEST || cur_u24(&c, &m->xid))
		return -EBADMSG;
	while (cur_left(&c))
		if (next_option(&c, &code, &body) || get_option(code, body, m))
			return -EBADMSG;
	return 0;
}

// -- encode --

// Start an option: where its length goes.
static uint8_t *begin_option(struct writer *w, uint16_t code)
{
	wr_u16(w, code);
	return wr_reserve(w, 2);
}

static void end_option(struct writer *w, uint8_t *at)
{
	if (at && !w->overflow)
		wr_put_u16(at, (uint16_t)(w->p - at - 2));
}

static void put_bytes(struct writer *w, uint16_t code, const void *p, size_t n)
{
	uint8_t *at = begin_option(w, code);

	wr_bytes(w, p, n);
	end_option(w, at);
}

static void put_status(struct writer *w, uint16_t status)
{
	uint8_t *at;

	if (status == DHCP6_SUCCESS)
		return;
	at = begin_option(w, DHCP6_OPT_STATUS_CODE);
	wr_u16(w, status);
	end_option(w, at);
}

static void put_lease(struct writer *w, bool is_pd, const struct dhcp6_prefix *p)
{
	uint8_t *at = begin_option(w, is_pd ? DHCP6_OPT_IAPREFIX : DHCP6_OPT_IAADDR);

	if (!is_pd)
		wr_bytes(w, &p->prefix, sizeof(p->prefix));
	wr_u32(w, p->preferred_s);
	wr_u32(w, p->valid_s);
	if (is_pd) {
		wr_u8(w, p->plen);
		wr_bytes(w, &p->prefix, sizeof(p->prefix));
	}
	end_option(w, at);
}

static void put_ia(struct writer *w, bool is_pd, const struct dhcp6_ia *ia)
{
	uint8_t *at = begin_option(w, is_pd ? DHCP6_OPT_IA_PD : DHCP6_OPT_IA_NA);

	wr_u32(w, ia->iaid);
	wr_u32(w, ia->t1_s);
	wr_u32(w, ia->t2_s);
	for (unsigned int i = 0; i < ia->nb_prefixes && i < DHCP6_MAX_PREFIX; i++)
		put_lease(w, is_pd, &ia->prefixes[i]);
	put_status(w, ia->status);
	end_option(w, at);
}

void dhcp6_encode(const struct dhcp6_msg *m, struct writer *w)
{
	wr_u32(w, (uint32_t)m->type << 24 | (m->xid & 0xffffff));
	if (m->client.len)
		put_bytes(w, DHCP6_OPT_CLIENTID, m->client.bytes, m->client.len);
	if (m->server.len)
		put_bytes(w, DHCP6_OPT_SERVERID, m->server.bytes, m->server.len);
	for (unsigned int i = 0; i < m->nb_na && i < DHCP6_MAX_IA; i++)
		put_ia(w, false, &m->na[i]);
	if (m->has_oro) {
		static const uint8_t dns[] = {0, DHCP6_OPT_DNS_SERVERS};

		put_bytes(w, DHCP6_OPT_ORO, dns, m->wants_dns ? sizeof(dns) : 0);
	}
	put_status(w, m->status);
	if (m->rapid_commit)
		put_bytes(w, DHCP6_OPT_RAPID_COMMIT, NULL, 0);
	if (m->nb_dns)
		put_bytes(w, DHCP6_OPT_DNS_SERVERS, m->dns,
			(m->nb_dns < DHCP6_MAX_DNS ? m->nb_dns : DHCP6_MAX_DNS) *
				sizeof(m->dns[0]));
	for (unsigned int i = 0; i < m->nb_pd && i < DHCP6_MAX_IA; i++)
		put_ia(w, true, &m->pd[i]);
}
