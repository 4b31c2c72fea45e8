// SPDX-License-Identifier: BSD-3-Clause
// A call's packets in fragments, RFC 1990 on its one link: what is above the MTU goes in pieces,
// and what comes in pieces is put together.
#include "client/call_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_HDR_LEN 8 // SSTP header, FF 03, protocol

void call_mp_start(struct call *c)
{
	struct call_mp *mp = &c->mp;

	ppp_multilink(&c->ppp, &mp->is);
	mp->tx = (struct ppp_mp_tx){.short_seq = mp->is.tx_short};
	ppp_mp_rx_init(&mp->rx, mp->is.rx_mrru, mp->is.rx_short);
	if (mp->part)
		return;
	if (mp->is.rx_mrru)
		mp->part = malloc((size_t)c->ppp.conf.mrru + PPP_MP_INNER_HEADER);
	if (!mp->part)
		mp->is.rx_mrru = 0; // every packet in pieces is lost, the call is not
}

void call_mp_free(struct call *c)
{
	free(c->mp.part);
	c->mp.part = NULL;
}

uint16_t call_mtu(const struct call *c)
{
	uint16_t mtu = ppp_mtu(&c->ppp);
	uint16_t mrru = c->mp.is.tx_mrru;

	if (mrru > c->ppp.conf.mrru)
		mrru = c->ppp.conf.mrru;
	return mrru > mtu ? mrru : mtu;
}

// --- receiving ---

static void frame_done(struct call *c, const uint8_t *frame, size_t len)
{
	uint16_t proto;
	int off = ppp_parse_header(frame, len, &proto);

	if (off < 0 || !ppp_mp_may_carry(proto, frame + off, len - (size_t)off)) {
		c->counters.rx_dropped++;
		return;
	}
	if (!call_data_frame(c, proto, frame + off, len - (size_t)off))
		ppp_input(&c->ppp, frame, len);
}

void call_mp_input(struct call *c, const uint8_t *p, size_t n)
{
	struct call_mp *mp = &c->mp;
	struct ppp_mp_header h;
	enum ppp_mp_step step;
	unsigned int told;
	size_t had = mp->rx.len;
	int off = ppp_mp_read(p, n, mp->is.rx_short, &h);

	if (off < 0) {
		c->counters.rx_dropped++;
		return;
	}
	p += off;
	n -= (size_t)off;
	step = ppp_mp_receive(&mp->rx, &h, n, &told);
	if (told & (PPP_MP_LOST | PPP_MP_TOO_BIG))
		c->counters.rx_dropped++;
	if (step == PPP_MP_WHOLE)
		frame_done(c, p, n);
	if (step == PPP_MP_START)
		memcpy(mp->part, p, n);
	if (step == PPP_MP_MORE || step == PPP_MP_LAST)
		memcpy(mp->part + had, p, n);
	if (step != PPP_MP_LAST)
		return;
	frame_done(c, mp->part, mp->rx.len);
	call_packets_end(c);
}

// --- sending ---

static void send_fragment(struct call *c, bool begin, bool end, const uint8_t *p, size_t n)
{
	size_t inner = begin ? 2 : 0;
	size_t len = FRAME_HDR_LEN + ppp_mp_header_len(c->mp.is.tx_short) + inner + n;
	uint8_t *at = call_tx_reserve(c, len);

	sstp_put_hdr(at, false, (uint16_t)len);
	at[4] = 0xff;
	at[5] = 0x03;
	wr_put_u16(at + 6, PPP_PROTO_MP);
	at += FRAME_HDR_LEN;
	at += ppp_mp_send(&c->mp.tx, begin, end, at);
	if (begin) {
		wr_put_u16(at, call_ip_protocol(p));
		at += inner;
	}
	memcpy(at, p, n);
}

void call_mp_send(struct call *c, const uint8_t *ip, size_t len)
{
	size_t room = ppp_mtu(&c->ppp) - ppp_mp_header_len(c->mp.is.tx_short);

	for (bool begin = true; len; begin = false) {
		size_t most = begin ? room - 2 : room;
		size_t n = len < most ? len : most;

		send_fragment(c, begin, n == len, ip, n);
		ip += n;
		len -= n;
	}
}
