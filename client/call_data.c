// SPDX-License-Identifier: BSD-3-Clause
// What of a call's received data is a packet, and may pass.
#include "client/call_internal.h"

#define IP4_HEADER 20
#define IP6_HEADER 40
#define MRU_LEAST 1500 // RFC 1661 6.1: this much may come whatever was agreed

bool call_passes(const struct call *c, uint16_t proto)
{
	return c->phase == CALL_PHASE_UP && c->sstp.state == SSTP_STATE_CLIENT_CALL_CONNECTED &&
	       (proto == PPP_PROTO_IPV6 ? c->network6 : c->network);
}

// Whether these n bytes hold a packet of this protocol: an interface goes by the packet's version,
// which need not be the one that was agreed to.
static bool is_packet(uint16_t proto, const uint8_t *p, size_t n)
{
	size_t header, total;

	if (proto == PPP_PROTO_IPV6)
		return n >= IP6_HEADER && p[0] >> 4 == 6 &&
		       (size_t)(p[4] << 8 | p[5]) + IP6_HEADER <= n;
	if (n < IP4_HEADER || p[0] >> 4 != 4)
		return false;
	header = (p[0] & 0x0fu) * 4;
	total = (size_t)(p[2] << 8 | p[3]);
	return header >= IP4_HEADER && header <= total && total <= n;
}

static bool is_data(uint16_t proto)
{
	return proto == PPP_PROTO_IPV4 || proto == PPP_PROTO_IPV6;
}

bool call_data_frame(struct call *c, uint16_t proto, const uint8_t *p, size_t n)
{
	if (!is_data(proto))
		return false;
	if (!call_passes(c, proto) || !is_packet(proto, p, n)) {
		c->counters.rx_dropped++;
		return true;
	}
	c->counters.rx_packets++;
	c->counters.rx_bytes += n;
	c->ops->packet(c->user, p, n);
	return true;
}

bool call_data_input(struct call *c, const uint8_t *frame, size_t len)
{
	size_t most = c->conf.max_mru > MRU_LEAST ? c->conf.max_mru : MRU_LEAST;
	uint16_t proto;
	int hdr = ppp_parse_header(frame, len, &proto);

	if (hdr < 0)
		return false;
	frame += hdr;
	len -= (size_t)hdr;
	if (proto == PPP_PROTO_MP && c->mp.is.rx_mrru) {
		call_mp_input(c, frame, len);
		return true;
	}
	if (is_data(proto) && len > most) {
		c->counters.rx_dropped++;
		return true;
	}
	return call_data_frame(c, proto, frame, len);
}
