// SPDX-License-Identifier: BSD-3-Clause
// An IP interface on a port, one object per worker and port: receive classification, neighbours
// (ARP, ND), ICMP echo and errors, next hop, transmit. Each worker has its own neighbour table; ARP
// and ND that a worker receives are copied to the others by the worker loop (netif_learn()). No
// locks. Every function is the worker's own.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "dataplane/counters.h"
#include "dataplane/ipaddr.h"
#include "dataplane/port.h"

#define NETIF_BURST 64

struct netif;

struct netif_conf {
	const struct port *port;
	uint16_t worker;
	bool access;           // which counters; access: TCP is served here
	uint16_t vlan;         // 0: untagged
	rte_be32_t addr4, gw4; // 0: none
	uint8_t plen4;
	bool has6;
	struct ipaddr addr6,
		gw6; // gw6 all zero: none. A link-local address is made from the MAC as well.
	uint8_t plen6;
	uint32_t max_neighbours;  // 4096
	uint32_t icmp_per_second; // error rate limit
	struct rte_mempool *pool;
	struct counters *counters;
	// Transmit ring when this worker has no queue of its own on the port (port_txq() < 0):
	// consumes up to n, returns how many. Each is this worker's alone (what others refer to was
	// copied), so that it may cross to another.
	uint16_t (*tx_via)(void *user, struct rte_mbuf **pkts, uint16_t n);
	void *tx_user;
	// Proxy ARP: whether to answer for this address in the subnet (a session's or pool's
	// address). NULL: never.
	bool (*proxy_arp)(void *user, rte_be32_t addr);
	// The same for IPv6: proxy ND. NULL: never.
	bool (*proxy_nd)(void *user, const struct ipaddr *addr);
	void *proxy_user;
};

struct netif *netif_create(const struct netif_conf *c, uint64_t now_us); // NULL with rte_errno
void netif_destroy(struct netif *n);                                     // frees every packet held

// What a received burst came down to. Each mbuf is in exactly one array, or was consumed. Data at
// the IP header, l2_len = 0, l3_len set (IPv6: with extension headers), padding trimmed, IP header
// checked (not the TCP checksum).
struct netif_rx {
	uint16_t nb_tcp, nb_ip, nb_ip6, nb_learn;
	struct rte_mbuf *tcp[NETIF_BURST];   // TCP to one of our addresses
	struct rte_mbuf *ip[NETIF_BURST];    // IPv4 unicast to others: candidates for forwarding
	struct rte_mbuf *ip6[NETIF_BURST];   // the same of IPv6, on core only (l3_len without
					     // extension headers)
	struct rte_mbuf *learn[NETIF_BURST]; // copies (references) of ARP and ND packets, for the
					     // other workers' netif_learn()
};
// Consumes all n (at most NETIF_BURST) frames. Answers ARP, ND and echo by itself. want_learn: fill
// in learn (more than one worker).
void netif_input(struct netif *n, struct rte_mbuf **frames, uint16_t nb, uint64_t now_us,
	bool want_learn, struct netif_rx *rx);

// An ARP or ND frame that another worker received: learn from it, answer nothing. Consumes it (one
// reference: several workers may read the same frame).
void netif_learn(struct netif *n, struct rte_mbuf *frame, uint64_t now_us);

// Send L3 packets: next hop (on-link or gateway), neighbour, Ethernet (and VLAN) header in front,
// into the transmit buffer. Consumes all: what waits for a neighbour is held (bounded), what has no
// route is dropped and counted. A packet with other references may be sent, but who holds those
// must not send it again before they are the only ones left. To an address of ours: no route.
void netif_output(struct netif *n, struct rte_mbuf **pkts, uint16_t nb, uint64_t now_us);

// Ethernet frames of other workers for this port (tx_via's other end). Consumes all.
void netif_output_frames(struct netif *n, struct rte_mbuf **frames, uint16_t nb);

// Transmit what is buffered. Call at the end of each loop; drops (counted) what the queue refuses
// after a bounded retry.
void netif_flush(struct netif *n);

// Housekeeping: retries, ageing. Call about every 10 ms. first: send gratuitous ARP / unsolicited
// NA for our addresses.
void netif_tick(struct netif *n, uint64_t now_us);
void netif_announce(struct netif *n, uint64_t now_us);

// ICMP errors to the sender of pkt, an inner or outer IPv4 packet (data at IP header), from src.
// mtu: for frag-needed. Borrows pkt; returns the new L3 packet (headroom MBUF_FRONT), or NULL (rate
// limit, not allowed by RFC 1122 3.2.2, no memory). In inner.h: icmp4_error().

// What an ICMP error quoted about a TCP segment of ours; the owner passes it to tcp_icmp_error().
// Filled in by netif_input() through this callback.
typedef void netif_icmp_error_cb(void *user, const struct ipaddr *local, uint16_t lport,
	const struct ipaddr *remote, uint16_t rport, uint32_t seq, uint32_t mtu, bool hard);
void netif_on_icmp_error(struct netif *n, netif_icmp_error_cb *cb, void *user);

// Whether one more ICMP error may be sent now (icmp_per_second, counted when not): for those that
// the owner makes with icmp4_error().
bool netif_icmp_allow(struct netif *n, uint64_t now_us);

// Entries in the neighbour table.
uint32_t netif_neighbours(const struct netif *n);

// Packets held while unresolved and frames buffered: 0 after a quiet moment.
uint32_t netif_held(const struct netif *n);
