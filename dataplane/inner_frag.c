// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/inner.h"

#include "dataplane/cksum.h"

#define OPT_END 0
#define OPT_NOP 1
#define OPT_COPIED 0x80 // RFC 791 3.1: the option is in every fragment

// Header of the fragments after the first: 20 bytes and the options marked as copied, padded.
// Returns its length. Malformed options end the list.
static uint16_t later_header(const uint8_t *hdr, uint16_t hlen, uint8_t out[60])
{
	uint16_t at = 20, n = 20, len;

	memcpy(out, hdr, 20);
	while (at < hlen && hdr[at] != OPT_END) {
		if (hdr[at] == OPT_NOP) {
			at++;
			continue;
		}
		if (hlen - at < 2 || hdr[at + 1] < 2 || hdr[at + 1] > hlen - at)
			break;
		len = hdr[at + 1];
		if (hdr[at] & OPT_COPIED) {
			memcpy(out + n, hdr + at, len);
			n += len;
		}
		at += len;
	}
	while (n & 3)
		out[n++] = OPT_END;
	out[0] = 0x40 | n >> 2;
	return n;
}

static struct rte_mbuf *fragment(struct rte_mempool *pool, const struct rte_mbuf *from,
	const void *hdr, uint16_t hlen, const uint8_t *data, uint16_t len, uint16_t offset_flags)
{
	struct rte_mbuf *f = rte_pktmbuf_alloc(pool);
	struct rte_ipv4_hdr *ip;

	if (!f)
		return NULL;
	if (f->buf_len < MBUF_FRONT + hlen + len + MBUF_TAIL) {
		rte_pktmbuf_free(f);
		return NULL;
	}
	f->data_off = MBUF_FRONT;
	f->data_len = hlen + len;
	f->pkt_len = f->data_len;
	f->l3_len = hlen;
	f->port = from->port;
	ip = rte_pktmbuf_mtod(f, struct rte_ipv4_hdr *);
	memcpy(ip, hdr, hlen);
	memcpy((uint8_t *)ip + hlen, data, len);
	ip->total_length = rte_cpu_to_be_16(f->data_len);
	ip->fragment_offset = rte_cpu_to_be_16(offset_flags);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = cksum_of(ip, hlen);
	return f;
}

uint16_t inner4_fragment(struct rte_mbuf *m, uint16_t mtu, struct rte_mempool *pool,
	struct rte_mbuf **out, uint16_t max)
{
	const uint8_t *hdr = rte_pktmbuf_mtod(m, const uint8_t *), *data;
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)hdr;
	uint16_t hlen = (hdr[0] & 0x0f) * 4, later, flags, offset, left, len, n = 0;
	uint8_t hdr2[60];

	if (m->data_len <= mtu && max > 0) {
		out[0] = m;
		return 1;
	}
	flags = rte_be_to_cpu_16(ip->fragment_offset);
	if (flags & RTE_IPV4_HDR_DF_FLAG || mtu < hlen + 8)
		goto fail;
	offset = flags & RTE_IPV4_HDR_OFFSET_MASK;
	flags &= RTE_IPV4_HDR_MF_FLAG;
	later = later_header(hdr, hlen, hdr2);
	data = hdr + hlen;
	left = m->data_len - hlen;
	while (left) {
		const void *h = n ? hdr2 : hdr;
		uint16_t hl = n ? later : hlen;
		bool last = left <= mtu - hl;

		len = last ? left : (mtu - hl) & ~7;
		if (n == max)
			goto fail;
		out[n] = fragment(
			pool, m, h, hl, data, len, offset | (last ? flags : RTE_IPV4_HDR_MF_FLAG));
		if (!out[n])
			goto fail;
		n++;
		data += len;
		left -= len;
		offset += len / 8;
	}
	rte_pktmbuf_free(m);
	return n;
fail:
	if (n)
		rte_pktmbuf_free_bulk(out, n);
	rte_pktmbuf_free(m);
	return 0;
}
