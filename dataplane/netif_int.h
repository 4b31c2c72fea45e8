// SPDX-License-Identifier: BSD-3-Clause
// What the files of an interface share: netif*.c, neigh.c, arp.c, nd.c, icmp*.c. Nobody else
// includes this. One worker's thread throughout.
#pragma once

#include <rte_ether.h>
#include <errno.h>
#include <string.h>
#include <rte_ip.h>

#include "dataplane/neigh.h"
#include "dataplane/netif.h"

#define NETIF_TX_BUFFER 256
#define NETIF_L2_MAX 18
#define NETIF_DEFEND_US 10000000 // RFC 5227 2.4: DEFEND_INTERVAL
#define IPV6_MIN_MTU 1280
#define ND_ALL_BURST_US 200000 // credit saved up at most, of nd_own and nd_proxied

// A token bucket; its credit is time.
struct netif_bucket {
	uint64_t credit_us, at_us;
};

struct netif {
	// hot
	uint16_t nb_tx;
	uint16_t l2_len; // 14, or 18 with a VLAN tag
	int16_t txq;     // -1: tx_via
	uint16_t mtu;
	bool no_indirect; // the device takes only direct mbufs
	rte_be32_t addr4, mask4;
	rte_be32_t net4; // what an address of the subnet has under the mask; none without addr4
	rte_be32_t broadcast4[2]; // the subnet's own and its network address, or 255.255.255.255
	struct neigh *gw4, *gw6;  // held for ever once made; NULL: no gateway
	struct neigh *hot4;       // neighbour of the last on-link IPv4 destination
	const struct port *port;
	struct counters *cnt;
	struct neigh_table neigh;
	struct rte_mbuf *tx[NETIF_TX_BUFFER];
	// cold
	struct netif_conf c;
	struct ipaddr ll6;                      // link-local, EUI-64
	struct ipaddr sol_addr6, sol_ll6;       // solicited-node groups
	struct netif_bucket icmp;               // errors
	struct netif_bucket nd_own, nd_proxied; // advertisements to all nodes, of whose address
	uint64_t defended_us;                   // when an address conflict was last answered
	uint64_t mld_due_us;                    // when a report is to be sent; 0: none
	uint64_t rng;
	netif_icmp_error_cb *icmp_cb;
	void *icmp_cb_user;
};

// netif_tx.c -----------------------------------------------------------------------------------

// Append a whole frame to the transmit buffer; flushes when full. Consumes m.
void netif_tx_frame(struct netif *n, struct rte_mbuf *m);
// Put the neighbour's header in front of an L3 packet and transmit it. Consumes m.
void netif_tx_l3(struct netif *n, const struct neigh *e, struct rte_mbuf *m);
// An empty frame to a MAC address with len zeroed bytes of payload at *payload, or NULL (counted).
struct rte_mbuf *netif_frame(struct netif *n, const struct rte_ether_addr *dst, uint16_t ethertype,
	uint16_t len, void **payload);
// Write an Ethernet header, l2_len bytes.
void netif_l2_header(
	const struct netif *n, uint8_t *at, const struct rte_ether_addr *dst, uint16_t ethertype);
// Count and free.
void netif_drop(struct netif *n, struct rte_mbuf *m, enum counter why);

// netif.c --------------------------------------------------------------------------------------

uint32_t netif_random(struct netif *n);
// Whether there is credit for one more, which is taken. price_us: what one costs; burst_us: saved
// up at most.
bool netif_bucket_take(
	struct netif_bucket *b, uint64_t price_us, uint64_t burst_us, uint64_t now_us);

static inline bool netif_onlink4(const struct netif *n, rte_be32_t a)
{
	return (a & n->mask4) == n->net4;
}

// The subnet's own broadcast address or its network address; /31 and /32 have none (RFC 3021).
static inline bool netif_broadcast4(const struct netif *n, rte_be32_t a)
{
	return a == RTE_BE32(0xffffffff) || a == n->broadcast4[0] || a == n->broadcast4[1];
}

static inline bool netif_is_ours6(const struct netif *n, const struct ipaddr *a)
{
	return n->c.has6 && (ipaddr_equal(a, &n->c.addr6) || ipaddr_equal(a, &n->ll6));
}

static inline bool ip6_is_multicast(const struct ipaddr *a)
{
	return a->b[0] == 0xff;
}

static inline bool ip6_is_link_local(const struct ipaddr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

static inline bool ip6_is_unspecified(const struct ipaddr *a)
{
	return a->d[0] == 0 && a->d[1] == 0;
}

bool netif_onlink6(const struct netif *n, const struct ipaddr *a);
// One of our addresses, their solicited-node groups, or all nodes.
bool netif_for_us6(const struct netif *n, const struct ipaddr *a);
// ff02::1:ffXX:XXXX of a unicast address, RFC 4291 2.7.1.
struct ipaddr ip6_solicited_node(const struct ipaddr *a);
// 33:33 and the last four bytes, RFC 2464 7.
struct rte_ether_addr ip6_multicast_mac(const struct ipaddr *a);

// arp.c ----------------------------------------------------------------------------------------

// One ARP packet (n bytes at p). answer: false when another worker answers. Returns whether the
// others should see it. Borrows the bytes.
bool arp_input(struct netif *n, const uint8_t *p, size_t len, uint64_t now_us, bool answer);
// Ask for addr: broadcast, or to *dst when the neighbour is only to be confirmed.
void arp_solicit(struct netif *n, rte_be32_t addr, const struct rte_ether_addr *dst);
void arp_announce(struct netif *n);

// nd.c -----------------------------------------------------------------------------------------

// A received ICMPv6 message to us: checksum verified, ip at the IPv6 header.
struct icmp6_msg {
	const struct rte_ipv6_hdr *ip;
	struct ipaddr src, dst;
	const struct rte_ether_addr *eth_src;
	const uint8_t *p; // the ICMPv6 header
	uint16_t len;
};
// Neighbour solicitation and advertisement, RFC 4861 7.1 and 7.2. Others: nothing. Returns whether
// the other workers should see it.
bool nd_input(struct netif *n, const struct icmp6_msg *msg, uint64_t now_us, bool answer);
bool nd_is_nd(uint8_t type);
// Whether questions that go to this group may be answered for somebody else: proxy ND.
bool nd_is_proxied(const struct netif *n, const struct ipaddr *group);
void nd_solicit(struct netif *n, const struct ipaddr *addr, const struct rte_ether_addr *dst);
void nd_announce(struct netif *n);

// mld.c ----------------------------------------------------------------------------------------

// Tell multicast snooping switches which groups we are in, RFC 3810: now and once more in a second.
void mld_join(struct netif *n, uint64_t now_us);
// A query: the answer is sent by mld_tick(), so that a flood of queries brings no flood of answers.
void mld_query(struct netif *n, const struct icmp6_msg *msg, uint64_t now_us);
void mld_tick(struct netif *n, uint64_t now_us);

// icmp.c, icmp6.c ------------------------------------------------------------------------------

// ICMP to our address: echo, or an error about a segment of ours. m: L3, checked. Consumes m.
void icmp4_input(struct netif *n, struct rte_mbuf *m, uint64_t now_us);
// ICMPv6 to us; ND was taken out before. Consumes m (data at the IPv6 header, l3_len set).
void icmp6_input(struct netif *n, struct rte_mbuf *m, const struct icmp6_msg *msg, uint64_t now_us);
// The error an undeliverable packet to us earns, rate limited. Borrow m.
void icmp4_unreachable(struct netif *n, const struct rte_mbuf *m, uint8_t code, uint64_t now_us);
void icmp6_error(struct netif *n, const struct rte_mbuf *m, uint8_t type, uint8_t code,
	uint32_t value, uint64_t now_us);

// ip6.c ----------------------------------------------------------------------------------------

#define IP6_EXT_MAX 8    // extension headers looked through
#define IP6_HLEN_MAX 256 // with all of them; an mbuf's l3_len ends at 511

enum ip6_walk {
	IP6_OK,
	IP6_MALFORMED,
	IP6_FRAGMENT,
	IP6_DISCARD,       // an option that says: drop in silence
	IP6_BAD_OPTION,    // drop and send a parameter problem, code 2
	IP6_BAD_OPTION_UC, // the same unless the destination is multicast
	IP6_BAD_ROUTING,   // a routing header with segments left: parameter problem, code 0
};
// Walk the extension headers of a packet of len bytes at p (IPv6 header included). *hlen: offset of
// the upper layer; *proto: its number; *at: where the problem is, or the last next-header field.
enum ip6_walk ip6_walk(
	const uint8_t *p, uint16_t len, uint16_t *hlen, uint8_t *proto, uint16_t *at);
