// SPDX-License-Identifier: BSD-3-Clause
// TCP header and options, in and out, with the IP header in front of them.
#include <errno.h>
#include <string.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "dataplane/cksum.h"
#include "dataplane/tcp_int.h"
#include "protocol/cursor.h"

enum {
	OPT_EOL = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_WSCALE = 3,
	OPT_SACK_PERMITTED = 4,
	OPT_SACK = 5,
	OPT_TS = 8,
};

// RFC 7323 appendix A's layout, which nearly every segment has: NOP NOP TS.
#define OPT_TS_WORD (OPT_NOP << 24 | OPT_NOP << 16 | OPT_TS << 8 | 10)

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void parse_sack(struct cursor *c, struct tcp_seg *seg)
{
	struct tcp_block b;

	while (seg->nb_sack < TCP_MAX_SACK && !(cur_u32(c, &b.start) || cur_u32(c, &b.end)))
		seg->sack[seg->nb_sack++] = b;
}

// One option's value. Wrong lengths are ignored, as unknown options are.
static void parse_option(uint8_t kind, struct cursor *c, struct tcp_seg *seg)
{
	size_t len = cur_left(c);

	switch (kind) {
	case OPT_MSS:
		if (len == 2)
			(void)cur_u16(c, &seg->mss);
		break;
	case OPT_WSCALE:
		if (len == 1 && !cur_u8(c, &seg->wscale)) {
			seg->has_wscale = true;
			seg->wscale = RTE_MIN(seg->wscale, 14); // RFC 7323 2.3
		}
		break;
	case OPT_SACK_PERMITTED:
		seg->sack_ok = len == 0;
		break;
	case OPT_SACK:
		if (len % 8 == 0)
			parse_sack(c, seg);
		break;
	case OPT_TS:
		if (len == 8 && !(cur_u32(c, &seg->tsval) || cur_u32(c, &seg->tsecr)))
			seg->has_ts = true;
		break;
	}
}

// RFC 9293 3.1. An option that runs past the header ends the list.
static void parse_options(struct cursor *c, struct tcp_seg *seg)
{
	struct cursor value;
	uint8_t kind, len;

	while (!cur_u8(c, &kind) && kind != OPT_EOL) {
		if (kind == OPT_NOP)
			continue;
		if (cur_u8(c, &len) || len < 2 || cur_sub(c, &value, len - 2u))
			return;
		parse_option(kind, &value, seg);
	}
}

// Both addresses, for cksum_fold(). The prefix ::ffff of mapped ones does not belong to IPv4's
// pseudo header.
static inline uint64_t addr_sum(const struct tcp_key *k)
{
	if (likely(ipaddr_is4(&k->remote)))
		return (uint64_t)k->remote.w[3] + k->local.w[3];
	return cksum_sum_short(k->remote.b, 16) + cksum_sum_short(k->local.b, 16);
}

void tcp_conn_addr_sum(struct tcp_conn *c)
{
	c->addr_sum = cksum_fold(addr_sum(&c->key));
}

// The pseudo header without the addresses.
static inline uint64_t proto_sum(uint32_t len)
{
	return rte_cpu_to_be_16(IPPROTO_TCP) + rte_cpu_to_be_16((uint16_t)len);
}

static bool cksum_good(const struct tcp_key *k, const void *tcp, uint32_t len)
{
	return cksum_fold(addr_sum(k) + proto_sum(len) + cksum_sum(tcp, len)) == 0xffff;
}

static bool cksum_vouched(const struct tcp_stack *s, const struct rte_mbuf *m)
{
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	return s->cfg.rx_cksum_verified || l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD ||
	       l4 == RTE_MBUF_F_RX_L4_CKSUM_NONE;
}

static int parse_addresses(const struct rte_mbuf *m, struct tcp_key *k)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct rte_ipv4_hdr *ip4 = (const void *)ip;
	const struct rte_ipv6_hdr *ip6 = (const void *)ip;

	if (m->l3_len >= sizeof(*ip4) && ip[0] >> 4 == 4) {
		k->remote = ipaddr_from4(ip4->src_addr);
		k->local = ipaddr_from4(ip4->dst_addr);
		return 0;
	}
	if (m->l3_len >= sizeof(*ip6) && ip[0] >> 4 == 6) {
		k->remote = ipaddr_from6(ip6->src_addr);
		k->local = ipaddr_from6(ip6->dst_addr);
		return 0;
	}
	return -EBADMSG;
}

int tcp_parse(const struct tcp_stack *s, struct rte_mbuf *m, struct tcp_seg *seg)
{
	const struct rte_tcp_hdr *th;
	struct cursor c;
	uint32_t len, hlen;

	if (m->nb_segs != 1 || m->data_len < m->l3_len + sizeof(*th) ||
		parse_addresses(m, &seg->key))
		return -EBADMSG;
	len = (uint32_t)m->data_len - m->l3_len;
	th = rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, m->l3_len);
	hlen = (th->data_off >> 4) * 4u;
	if (hlen < sizeof(*th) || hlen > len)
		return -EBADMSG;
	if (!cksum_vouched(s, m) && !cksum_good(&seg->key, th, len))
		return -EBADMSG;

	seg->m = m;
	seg->key.rport = rte_be_to_cpu_16(th->src_port);
	seg->key.lport = rte_be_to_cpu_16(th->dst_port);
	seg->seq = rte_be_to_cpu_32(th->sent_seq);
	seg->ack = rte_be_to_cpu_32(th->recv_ack);
	seg->wnd = rte_be_to_cpu_16(th->rx_win);
	seg->flags = th->tcp_flags;
	seg->len = (uint16_t)(len - hlen);
	seg->off = (uint16_t)(m->data_off + m->l3_len + hlen);
	seg->mss = 0;
	seg->has_ts = seg->has_wscale = seg->sack_ok = seg->paused = false;
	seg->nb_sack = 0;

	c = cursor_make(th + 1, hlen - sizeof(*th));
	if (cur_left(&c) == TCP_TS_OPT && get32(c.p) == OPT_TS_WORD) {
		seg->has_ts = true;
		seg->tsval = get32(c.p + 4);
		seg->tsecr = get32(c.p + 8);
	} else {
		parse_options(&c, seg);
	}
	return 0;
}

static uint8_t *opt_reserve(struct tcp_out *o, uint8_t n)
{
	uint8_t *p = o->opt + o->optlen;

	RTE_ASSERT(o->optlen + n <= (int)sizeof(o->opt));
	o->optlen += n;
	return p;
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

void tcp_opt_ts(struct tcp_out *o, uint32_t tsval, uint32_t tsecr)
{
	uint8_t *p = opt_reserve(o, TCP_TS_OPT);

	put32(p, OPT_TS_WORD);
	put32(p + 4, tsval);
	put32(p + 8, tsecr);
}

void tcp_opt_sack(struct tcp_out *o, const struct tcp_block *b, unsigned int n)
{
	uint8_t *p = opt_reserve(o, (uint8_t)(4 + 8 * n));

	put32(p, OPT_NOP << 24 | OPT_NOP << 16 | OPT_SACK << 8 | (2 + 8 * n));
	for (unsigned int i = 0; i < n; i++) {
		put32(p + 4 + 8 * i, b[i].start);
		put32(p + 8 + 8 * i, b[i].end);
	}
}

void tcp_opt_syn(struct tcp_out *o, uint16_t mss, bool sack, uint8_t wscale)
{
	put32(opt_reserve(o, 4), (uint32_t)OPT_MSS << 24 | 4 << 16 | mss);
	if (sack)
		put32(opt_reserve(o, 4),
			OPT_NOP << 24 | OPT_NOP << 16 | OPT_SACK_PERMITTED << 8 | 2);
	if (wscale != 255)
		put32(opt_reserve(o, 4), OPT_NOP << 24 | OPT_WSCALE << 16 | 3 << 8 | wscale);
}

struct ends { // of a segment that is sent
	const struct tcp_key4 *k4;
	const struct tcp_key *k6; // read for IPv6 only
	uint64_t sum;             // of the addresses
	bool is4;
};

static inline void store32(uint8_t *at, uint32_t w)
{
	memcpy(at, &w, sizeof(w));
}

static inline void store64(uint8_t *at, uint64_t w)
{
	memcpy(at, &w, sizeof(w));
}

// Two words in wire order, for one store.
static inline uint64_t be_pair(uint32_t first, uint32_t second)
{
	return rte_cpu_to_be_64((uint64_t)first << 32 | second);
}

// Both halves, for cksum_fold().
static inline uint64_t pair_sum(uint64_t w)
{
	return (w & UINT32_MAX) + (w >> 32);
}

// These return what the mbuf's flags have to say.
static inline uint64_t put_ip4(
	struct tcp_stack *s, uint8_t *at, uint32_t total, const struct ends *e)
{
	uint64_t flags = RTE_MBUF_F_TX_IPV4;
	// Atomic: no ID (RFC 6864).
	uint64_t w0 = be_pair(RTE_IPV4_VHL_DEF << 24 | total, RTE_IPV4_HDR_DF_FLAG);
	uint32_t w2 = RTE_BE32(64 << 24 | IPPROTO_TCP << 16);

	if (s->cfg.tx_offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM)
		flags |= RTE_MBUF_F_TX_IP_CKSUM;
	else
		w2 |= rte_cpu_to_be_32(
			rte_be_to_cpu_16((uint16_t)~cksum_fold(e->sum + pair_sum(w0) + w2)));
	store64(at, w0);
	store64(at + 8, w2 | (uint64_t)e->k4->local << 32);
	store32(at + 16, e->k4->remote);
	return flags;
}

static inline uint64_t put_ip6(uint8_t *at, uint32_t len, const struct ends *e)
{
	struct rte_ipv6_hdr *ip = (void *)at;

	ip->vtc_flow = RTE_BE32(6u << 28);
	ip->payload_len = rte_cpu_to_be_16((uint16_t)len);
	ip->proto = IPPROTO_TCP;
	ip->hop_limits = 64;
	memcpy(ip->src_addr, e->k6->local.b, 16);
	memcpy(ip->dst_addr, e->k6->remote.b, 16);
	return RTE_MBUF_F_TX_IPV6;
}

static inline uint32_t header_len(const struct tcp_out *o)
{
	return TCP_HDR + (o->ts ? TCP_TS_OPT : 0) + o->optlen;
}

// Words of the header are kept in registers until they are summed and stored: what was just stored
// in pieces is slow to load again.
static inline uint64_t put_tcp(struct tcp_stack *s, uint8_t *at, uint32_t len, const struct ends *e,
	const struct tcp_out *o)
{
	uint32_t hlen = header_len(o), cksum;
	uint64_t w0 = be_pair((uint32_t)e->k4->lport << 16 | e->k4->rport, o->seq);
	uint64_t w2 = be_pair(o->ack, hlen / 4 << 28 | (uint32_t)o->flags << 16 | o->wnd);
	uint64_t pseudo = e->sum + proto_sum(len), sum;
	uint8_t *opt = at + TCP_HDR;
	uint64_t ts = be_pair(o->tsval, o->tsecr);

	store64(at, w0);
	store64(at + 8, w2);
	if (likely(o->ts)) {
		store32(opt, RTE_BE32(OPT_TS_WORD));
		store64(opt + 4, ts);
		opt += TCP_TS_OPT;
	}
	if (unlikely(o->optlen))
		memcpy(opt, o->opt, o->optlen);
	if (s->cfg.tx_offloads & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) {
		cksum = rte_be_to_cpu_16(cksum_fold(pseudo));
		store32(at + 16, rte_cpu_to_be_32(cksum << 16));
		return RTE_MBUF_F_TX_TCP_CKSUM;
	}
	sum = pseudo + pair_sum(w0) + pair_sum(w2);
	if (likely(o->ts))
		sum += RTE_BE32(OPT_TS_WORD) + pair_sum(ts);
	if (unlikely(o->optlen))
		sum += cksum_sum_short(o->opt, o->optlen);
	sum += cksum_sum(at + hlen, len - hlen);
	cksum = rte_be_to_cpu_16((uint16_t)~cksum_fold(sum));
	store32(at + 16, rte_cpu_to_be_32(cksum << 16)); // and no urgent pointer
	return 0;
}

static __rte_always_inline void emit(
	struct tcp_stack *s, struct rte_mbuf *m, const struct ends *e, const struct tcp_out *o)
{
	uint32_t hlen = header_len(o), len = m->data_len + hlen;
	uint32_t l3 = e->is4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
	uint64_t flags;
	uint8_t *at;

	RTE_ASSERT(m->data_off >= hlen + l3);
	m->data_off = (uint16_t)(m->data_off - hlen - l3);
	m->data_len = (uint16_t)(len + l3);
	m->pkt_len = len + l3;
	m->tx_offload = rte_mbuf_tx_offload(0, l3, hlen, 0, 0, 0, 0);
	at = rte_pktmbuf_mtod(m, uint8_t *);
	flags = m->ol_flags & (RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL);
	flags |= put_tcp(s, at + l3, len, e, o);
	flags |= likely(e->is4) ? put_ip4(s, at, len + l3, e) : put_ip6(at, len, e);
	m->ol_flags = flags;
	s->tx[s->nb_tx++] = m;
	if (s->nb_tx == TCP_BURST)
		tcp_flush(s);
}

void tcp_emit(
	struct tcp_stack *s, struct rte_mbuf *m, const struct tcp_key *k, const struct tcp_out *o)
{
	struct tcp_key4 k4 = {k->remote.w[3], k->local.w[3], k->rport, k->lport};
	struct ends e = {&k4, k, addr_sum(k), ipaddr_is4(&k->remote)};

	emit(s, m, &e, o);
}

void tcp_emit_conn(struct tcp_conn *c, struct rte_mbuf *m, const struct tcp_out *o)
{
	struct ends e = {&c->key4, &c->key, c->addr_sum, c->flags & TF_IP4};

	emit(c->s, m, &e, o);
}

void tcp_flush(struct tcp_stack *s)
{
	uint16_t n = s->nb_tx;

	if (!n)
		return;
	s->nb_tx = 0;
	COUNT_N(s->counters, tcp_tx_segments, n);
	s->cfg.output(s->cfg.user, s->tx, n);
}

void tcp_flush_gone(struct tcp_stack *s)
{
	mbuf_free_bulk(s->gone, s->nb_gone);
	s->nb_gone = 0;
}

static struct rte_mbuf *bare(struct tcp_stack *s)
{
	struct rte_mbuf *m = rte_mbuf_raw_alloc(s->cfg.pool);

	if (unlikely(!m)) {
		COUNT(s->counters, mbuf_alloc_failed);
		return NULL;
	}
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->data_len = 0;
	m->ol_flags = 0;
	m->port = RTE_MBUF_PORT_INVALID;
	return m; // next, nb_segs and refcnt are as they must be in the pool
}

bool tcp_emit_bare(struct tcp_stack *s, const struct tcp_key *k, const struct tcp_out *o)
{
	struct rte_mbuf *m = bare(s);

	if (m)
		tcp_emit(s, m, k, o);
	return m;
}

bool tcp_emit_conn_bare(struct tcp_conn *c, const struct tcp_out *o)
{
	struct rte_mbuf *m = bare(c->s);

	if (m)
		tcp_emit_conn(c, m, o);
	return m;
}

void tcp_reply_rst(struct tcp_stack *s, const struct tcp_seg *seg)
{
	struct tcp_out o = {.flags = TCP_RST};

	if (seg->flags & TCP_RST)
		return;
	if (seg->flags & TCP_ACK) {
		o.seq = seg->ack;
	} else {
		o.ack = seg->seq + seg->len + !!(seg->flags & TCP_SYN) + !!(seg->flags & TCP_FIN);
		o.flags |= TCP_ACK;
	}
	if (tcp_emit_bare(s, &seg->key, &o))
		COUNT(s->counters, tcp_rst_tx);
}
