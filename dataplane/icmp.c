// SPDX-License-Identifier: BSD-3-Clause
// ICMP to and from the port's own address, RFC 792, 1122 3.2.2, 1191.
#include "dataplane/netif_int.h"

#include "dataplane/cksum.h"
#include "dataplane/inner.h"
#include "protocol/cursor.h"

#define UNREACHABLE 3
#define ECHO_REQUEST 8
#define TIME_EXCEEDED 11
#define PARAMETER_PROBLEM 12
#define CODE_PROTOCOL 2
#define CODE_PORT 3
#define CODE_FRAG_NEEDED 4

// Routers before RFC 1191 name no MTU: the next lower of its table 7-1.
static uint32_t plateau(uint16_t len)
{
	static const uint16_t table[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296};
	unsigned int i;

	for (i = 0; i < RTE_DIM(table); i++) {
		if (len > table[i])
			return table[i];
	}
	return 68;
}

// The packet that an error is about, as far as it is quoted: one of our TCP segments?
static int quoted4(const struct netif *n, struct cursor c, struct ipaddr *remote, uint16_t ports[2],
	uint32_t *seq, uint16_t *total)
{
	struct rte_ipv4_hdr ip;

	if (cur_bytes(&c, &ip, sizeof(ip)) || ip.version_ihl >> 4 != 4 ||
		(ip.version_ihl & 0x0f) < 5 ||
		cur_skip(&c, (ip.version_ihl & 0x0f) * 4 - sizeof(ip)))
		return -EBADMSG;
	if (ip.src_addr != n->addr4 || ip.next_proto_id != IPPROTO_TCP ||
		(ip.fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)) != 0)
		return -EBADMSG;
	if (cur_u16(&c, &ports[0]) || cur_u16(&c, &ports[1]) || cur_u32(&c, seq))
		return -EBADMSG;
	*remote = ipaddr_from4(ip.dst_addr);
	*total = rte_be_to_cpu_16(ip.total_length);
	return 0;
}

static void error_input(struct netif *n, uint8_t type, uint8_t code, struct cursor c)
{
	struct ipaddr local = ipaddr_from4(n->addr4), remote;
	uint16_t ports[2], unused, next_mtu, total;
	uint32_t seq, mtu = 0;
	bool hard;

	if (!n->icmp_cb || cur_u16(&c, &unused) || cur_u16(&c, &next_mtu) ||
		quoted4(n, c, &remote, ports, &seq, &total) < 0)
		return;
	if (type == UNREACHABLE && code == CODE_FRAG_NEEDED)
		mtu = next_mtu ? RTE_MAX(next_mtu, 68) : plateau(total);
	hard = type == UNREACHABLE && (code == CODE_PROTOCOL || code == CODE_PORT);
	n->icmp_cb(n->icmp_cb_user, &local, ports[0], &remote, ports[1], seq, mtu, hard);
}

static void echo_reply(struct netif *n, struct rte_mbuf *m, uint64_t now_us)
{
	if (!icmp4_echo_reply(m)) {
		netif_drop(n, m, CNT_rx_ip_malformed);
		return;
	}
	COUNT(n->cnt, icmp_tx);
	netif_output(n, &m, 1, now_us);
}

void icmp4_input(struct netif *n, struct rte_mbuf *m, uint64_t now_us)
{
	const uint8_t *icmp = rte_pktmbuf_mtod_offset(m, const uint8_t *, m->l3_len);
	uint16_t len = m->data_len - m->l3_len;
	struct cursor c = cursor_make(icmp, len);
	uint8_t type, code;

	COUNT(n->cnt, icmp_rx);
	if (cur_u8(&c, &type) || cur_u8(&c, &code) || cur_skip(&c, 2) || cur_left(&c) < 4 ||
		cksum_of(icmp, len) != 0) {
		netif_drop(n, m, CNT_rx_ip_malformed);
		return;
	}
	if (type == ECHO_REQUEST) {
		echo_reply(n, m, now_us);
		return;
	}
	if (type == UNREACHABLE || type == TIME_EXCEEDED || type == PARAMETER_PROBLEM)
		error_input(n, type, code, c);
	rte_pktmbuf_free(m);
}

void icmp4_unreachable(struct netif *n, const struct rte_mbuf *m, uint8_t code, uint64_t now_us)
{
	struct rte_mbuf *e;

	if (!icmp4_error_allowed(m) || !netif_icmp_allow(n, now_us))
		return;
	e = icmp4_error(m, UNREACHABLE, code, 0, rte_be_to_cpu_32(n->addr4), n->c.pool);
	if (!e)
		return;
	COUNT(n->cnt, icmp_tx);
	netif_output(n, &e, 1, now_us);
}
