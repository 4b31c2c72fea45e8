// SPDX-License-Identifier: BSD-3-Clause
// Addresses, links and routes of the kernel, by rtnetlink. IPv4 addresses in host byte order. Every
// function returns 0 or -errno, and waits for the kernel's answer. One thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>

struct netconf {
	int fd;
	uint32_t seq;
};

int netconf_open(struct netconf *n);
void netconf_close(struct netconf *n);

// No IPv6 link-local address of the kernel's own making.
int netconf_link_no_ipv6(struct netconf *n, int ifindex);

int netconf_link_up(struct netconf *n, int ifindex, uint32_t mtu);
int netconf_link_down(struct netconf *n, int ifindex);

// At once, whoever has it open.
int netconf_link_delete(struct netconf *n, int ifindex);

// local/32, with peer as the other end of the point-to-point link unless it is 0.
int netconf_address_add(struct netconf *n, int ifindex, uint32_t local, uint32_t peer);
// The same, but -EEXIST, and nobody hears of it, when it is there.
int netconf_address_keep(struct netconf *n, int ifindex, uint32_t local, uint32_t peer);

int netconf_address_delete(struct netconf *n, int ifindex, uint32_t local, uint32_t peer);

// fe80::id/64, without looking for a duplicate: there is one other end, which told its own.
int netconf_link_local_add(struct netconf *n, int ifindex, uint64_t id);
int netconf_link_local_keep(struct netconf *n, int ifindex, uint64_t id);

// Of either family: an IPv4 address is ::ffff:a.b.c.d, its prefix length 96 longer.
struct netconf_route {
	struct in6_addr dst;
	uint8_t dst_len; // 0..128; IPv4: 96..128
	bool has_gateway;
	struct in6_addr gateway; // of dst's family; else: on the link
	int ifindex;
	uint32_t metric; // 0: the kernel's default
};

// ::ffff:a.b.c.d
struct in6_addr netconf_mapped(uint32_t a);

// Fails with -EEXIST when there is such a route.
int netconf_route_add(struct netconf *n, const struct netconf_route *r);
int netconf_route_delete(struct netconf *n, const struct netconf_route *r);

// The way packets to dst take now; r->dst_len is 128.
int netconf_route_get(struct netconf *n, const struct in6_addr *dst, struct netconf_route *r);
