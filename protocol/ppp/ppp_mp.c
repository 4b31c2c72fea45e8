// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/ppp/ppp_mp.h"

#include "protocol/cursor.h"
#include "protocol/ppp/ppp.h"
#include "protocol/ppp/ppp_fsm.h"

#define BEGIN 0x80
#define END 0x40
#define SHORT_MASK 0xfffu
#define LONG_MASK 0xffffffu

static uint32_t seq_mask(bool short_seq)
{
	return short_seq ? SHORT_MASK : LONG_MASK;
}

int ppp_mp_read(const uint8_t *p, size_t n, bool short_seq, struct ppp_mp_header *h)
{
	struct cursor c = cursor_make(p, n);
	uint8_t bits, low;

	if (cur_u8(&c, &bits))
		return -EBADMSG;
	h->begin = bits & BEGIN;
	h->end = bits & END;
	if (!short_seq)
		return cur_u24(&c, &h->seq) ? -EBADMSG : PPP_MP_LONG_LEN;
	if (cur_u8(&c, &low))
		return -EBADMSG;
	h->seq = (bits & 0x0fu) << 8 | low;
	return PPP_MP_SHORT_LEN;
}

size_t ppp_mp_send(struct ppp_mp_tx *tx, bool begin, bool end, uint8_t *p)
{
	struct writer w = writer_make(p, ppp_mp_header_len(tx->short_seq));
	uint8_t bits = (uint8_t)((begin ? BEGIN : 0) | (end ? END : 0));

	if (tx->short_seq)
		wr_u16(&w, (uint16_t)(bits << 8 | tx->seq));
	else
		wr_u32(&w, (uint32_t)bits << 24 | tx->seq);
	tx->seq = (tx->seq + 1) & seq_mask(tx->short_seq);
	return wr_len(&w);
}

void ppp_mp_rx_init(struct ppp_mp_rx *rx, uint16_t mrru, bool short_seq)
{
	*rx = (struct ppp_mp_rx){
		.most = (uint32_t)mrru + PPP_MP_INNER_HEADER, .short_seq = short_seq};
}

// Whatever number comes is the one to go on from: on a link that keeps the order, one that went
// back is a peer that began anew.
static bool is_next(struct ppp_mp_rx *rx, uint32_t seq)
{
	bool next = !rx->synced || seq == rx->next;

	rx->synced = true;
	rx->next = (seq + 1) & seq_mask(rx->short_seq);
	return next;
}

static enum ppp_mp_step begins(struct ppp_mp_rx *rx, bool ends, size_t len, unsigned int *told)
{
	if (len > rx->most) {
		*told |= PPP_MP_TOO_BIG;
		return PPP_MP_SKIP;
	}
	if (ends)
		return len ? PPP_MP_WHOLE : PPP_MP_SKIP; // null fragment, RFC 1990 4.1
	rx->collecting = true;
	rx->len = (uint32_t)len;
	return PPP_MP_START;
}

enum ppp_mp_step ppp_mp_receive(
	struct ppp_mp_rx *rx, const struct ppp_mp_header *h, size_t len, unsigned int *told)
{
	bool next = is_next(rx, h->seq);

	*told = next ? 0 : PPP_MP_GAP;
	if (rx->collecting && (!next || h->begin)) {
		*told |= PPP_MP_LOST;
		rx->collecting = false;
	}
	if (h->begin)
		return begins(rx, h->end, len, told);
	if (!rx->collecting)
		return PPP_MP_SKIP;
	if (len > rx->most - rx->len) {
		*told |= PPP_MP_LOST | PPP_MP_TOO_BIG;
		rx->collecting = false;
		return PPP_MP_SKIP;
	}
	rx->len += (uint32_t)len;
	rx->collecting = !h->end;
	return h->end ? PPP_MP_LAST : PPP_MP_MORE;
}

bool ppp_mp_may_carry(uint16_t proto, const uint8_t *p, size_t n)
{
	if (proto == PPP_PROTO_MP)
		return false;
	return proto != PPP_PROTO_LCP || (n && p[0] > PPP_CODE_TERMINATE_ACK);
}
