// SPDX-License-Identifier: BSD-3-Clause
// Control packets and their options: RFC 1661 5 and 6.
#include "protocol/ppp/ppp_fsm.h"

// Packets

void ppp_packet_begin(
	struct ppp_packet *p, size_t max_info, uint16_t proto, uint8_t code, uint8_t id)
{
	size_t room = max_info < PPP_INFO_MAX ? max_info : PPP_INFO_MAX;

	p->w = writer_make(p->buf, PPP_HEADER_LEN + room);
	wr_u16(&p->w, 0xff03);
	wr_u16(&p->w, proto);
	wr_u8(&p->w, code);
	wr_u8(&p->w, id);
	wr_u16(&p->w, 0);
}

void ppp_packet_append(struct ppp_packet *p, const void *data, size_t n)
{
	size_t room = (size_t)(p->w.end - p->w.p);

	wr_bytes(&p->w, data, n < room ? n : room);
}

void ppp_packet_send(struct ppp_link *l, struct ppp_packet *p)
{
	size_t len = wr_len(&p->w);

	if (p->w.overflow)
		return;
	wr_put_u16(p->buf + PPP_HEADER_LEN + 2, (uint16_t)(len - PPP_HEADER_LEN));
	l->ops->send(l->user, p->buf, len);
}

// Options and the answer to them

int ppp_option_next(struct cursor *c, struct ppp_option *o)
{
	struct cursor value;
	uint8_t len;

	if (cur_u8(c, &o->type) || cur_u8(c, &len) || len < 2 || cur_sub(c, &value, len - 2u))
		return -EBADMSG;
	o->value = value.p;
	o->len = (uint8_t)(len - 2);
	return 0;
}

static void reply_put(
	struct ppp_reply *r, uint8_t code, uint8_t type, const uint8_t *value, uint8_t len)
{
	struct writer *w = &r->pkt.w;

	if (code < r->code)
		return;
	if (code > r->code) {
		r->code = code;
		r->full = false;
		r->pkt.buf[PPP_HEADER_LEN] = code;
		w->p = w->start + PPP_HEADER_LEN + 4;
	}
	if (r->full || (size_t)(w->end - w->p) < len + 2u) {
		r->full = true;
		return;
	}
	wr_u8(w, type);
	wr_u8(w, (uint8_t)(len + 2));
	wr_bytes(w, value, len);
}

void ppp_reply_ack(struct ppp_reply *r, const struct ppp_option *o)
{
	reply_put(r, PPP_CODE_CONFIGURE_ACK, o->type, o->value, o->len);
}

void ppp_reply_nak(struct ppp_reply *r, const struct ppp_option *o, const void *value, uint8_t len)
{
	if (r->may_nak)
		reply_put(r, PPP_CODE_CONFIGURE_NAK, o->type, value, len);
	else
		ppp_reply_reject(r, o);
}

void ppp_reply_reject(struct ppp_reply *r, const struct ppp_option *o)
{
	reply_put(r, PPP_CODE_CONFIGURE_REJECT, o->type, o->value, o->len);
}
