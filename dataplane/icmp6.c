// SPDX-License-Identifier: BSD-3-Clause
// ICMPv6 to and from the port's own addresses, RFC 4443.
#include "dataplane/netif_int.h"

#include "dataplane/inner6.h"
#include "protocol/cursor.h"

#define MLD_QUERY 130
#define CODE_PORT 4
#define CODE_NEXT_HEADER 1

// The source of an answer: the address that was asked, or for a group that of the same scope.
static const struct ipaddr *answer_from(
	const struct netif *n, const struct ipaddr *to, const struct ipaddr *asked)
{
	if (!ip6_is_multicast(asked))
		return asked;
	return ip6_is_link_local(to) ? &n->ll6 : &n->c.addr6;
}

static void echo_reply(
	struct netif *n, struct rte_mbuf *m, const struct icmp6_msg *msg, uint64_t now_us)
{
	struct ipaddr from = *answer_from(n, &msg->src, &msg->dst);

	if (!icmp6_echo_reply(m, &from)) {
		netif_drop(n, m, CNT_rx_ip_malformed);
		return;
	}
	COUNT(n->cnt, icmp_tx);
	netif_output(n, &m, 1, now_us);
}

// Upper layer of a quoted packet; headers after which a TCP header could not be told are none.
static int quoted6(const struct netif *n, struct cursor c, struct ipaddr *local,
	struct ipaddr *remote, uint16_t ports[2], uint32_t *seq)
{
	uint16_t len = (uint16_t)cur_left(&c), hlen, at;
	uint8_t proto;

	if (len < sizeof(struct rte_ipv6_hdr) || c.p[0] >> 4 != 6)
		return -EBADMSG;
	*local = ipaddr_from6(c.p + 8);
	*remote = ipaddr_from6(c.p + 24);
	if (!netif_is_ours6(n, local) || ip6_walk(c.p, len, &hlen, &proto, &at) != IP6_OK ||
		proto != IPPROTO_TCP)
		return -EBADMSG;
	if (cur_skip(&c, hlen) || cur_u16(&c, &ports[0]) || cur_u16(&c, &ports[1]) ||
		cur_u32(&c, seq))
		return -EBADMSG;
	return 0;
}

static void error_input(struct netif *n, uint8_t type, uint8_t code, struct cursor c)
{
	struct ipaddr local, remote;
	uint32_t value, seq, mtu = 0;
	uint16_t ports[2];
	bool hard;

	if (!n->icmp_cb || cur_u32(&c, &value) || quoted6(n, c, &local, &remote, ports, &seq) < 0)
		return;
	if (type == ICMP6_PACKET_TOO_BIG) {
		if (value < IPV6_MIN_MTU) // RFC 8201 4: must not go below it
			return;
		mtu = value;
	}
	hard = (type == ICMP6_UNREACHABLE && code == CODE_PORT) ||
	       (type == ICMP6_PARAMETER_PROBLEM && code == CODE_NEXT_HEADER);
	n->icmp_cb(n->icmp_cb_user, &local, ports[0], &remote, ports[1], seq, mtu, hard);
}

void icmp6_input(struct netif *n, struct rte_mbuf *m, const struct icmp6_msg *msg, uint64_t now_us)
{
	struct cursor c = cursor_make(msg->p, msg->len);
	uint8_t type, code;

	COUNT(n->cnt, icmp_rx);
	if (cur_u8(&c, &type) || cur_u8(&c, &code) || cur_skip(&c, 2) || cur_left(&c) < 4) {
		netif_drop(n, m, CNT_rx_ip_malformed);
		return;
	}
	if (type == ICMP6_ECHO_REQUEST && code == 0) {
		echo_reply(n, m, msg, now_us);
		return;
	}
	if (type == MLD_QUERY)
		mld_query(n, msg, now_us);
	else if (type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER_PROBLEM)
		error_input(n, type, code, c);
	rte_pktmbuf_free(m);
}

void icmp6_error(struct netif *n, const struct rte_mbuf *m, uint8_t type, uint8_t code,
	uint32_t value, uint64_t now_us)
{
	struct ipaddr to = inner6_src(m), asked = inner6_dst(m);
	struct rte_mbuf *e;

	if (!icmp6_error_allowed(m, type, code) || !netif_icmp_allow(n, now_us))
		return;
	e = icmp6_make_error(m, type, code, value, answer_from(n, &to, &asked), n->c.pool);
	if (!e) {
		COUNT(n->cnt, mbuf_alloc_failed);
		return;
	}
	COUNT(n->cnt, icmp_tx);
	netif_output(n, &e, 1, now_us);
}
