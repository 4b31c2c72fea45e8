// SPDX-License-Identifier: BSD-3-Clause
// The tunnel's network interface and the routes that come and go with it. One thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <net/if.h>

#include "client/netconf.h"

struct tunnel_pair {
	uint32_t local, peer;
};

struct tunnel {
	int fd; // packets, non-blocking; -1: none
	int ifindex;
	bool was_there;          // made by somebody else before (ip tuntap add), and stays
	struct tunnel_pair pair; // as it was set, local 0: none
	uint64_t local_id;       // of the link-local address that was set, 0: none
	uint32_t distance;       // of the default route that was set, 0: none
	// Packets have virtio-net headers in front (gso.h); the kernel takes merged UDP too.
	bool vnet, vnet_udp;
	char name[IFNAMSIZ];
	struct netconf net;
	struct netconf_route host_route; // to the server, past the tunnel
	bool has_host_route;
	const char *route_file; // where host_route is noted while there is one, NULL: nowhere
};

// Make a TUN interface; name may hold a %d. 0 or -errno with the reason in err. Checksums and the
// cutting of super-packets are left to its reader as far as the kernel can do that.
int tunnel_open(struct tunnel *t, const char *name, char *err, size_t cap);

// Note the host route in a file from now on, so that what a crash left can be taken back. path is
// borrowed. The caller sees to it that no other process has the file.
void tunnel_note_routes(struct tunnel *t, const char *path);
// The file to note in, to be freed: path, or when the route noted there is another network
// namespace's, whose note stays, path with this one's number. What a crash left by either is taken
// back. NULL: no memory.
char *tunnel_note_file(const char *path);
// Take back what a crash left by path, with and without this network namespace's number; the files
// go. False: the route at path is another namespace's, and both stay.
bool tunnel_take_back(const char *path);

// Take it up.
int tunnel_up(struct tunnel *t, uint16_t mtu, char *err, size_t cap);
// Give it addresses. server: the outer IPv4 address, 0: not IPv4. Host byte order.
int tunnel_address(
	struct tunnel *t, uint32_t local, uint32_t peer, uint32_t server, char *err, size_t cap);
// Give it these addresses instead of the ones that it has. old.peer is 0 where that was left out.
int tunnel_address_change(struct tunnel *t, struct tunnel_pair old, struct tunnel_pair now,
	uint32_t server, char *err, size_t cap);
// Give it the link-local address of an interface identifier. Router advertisements do the rest, in
// the kernel: addresses, name servers, and the default route where it is wanted (distance other
// than 0), with that metric. server: as below.
int tunnel_address6(struct tunnel *t, uint64_t local_id, const struct in6_addr *server,
	uint32_t distance, char *err, size_t cap);

// Put back what somebody took from the interface, or the kernel did with the link: what was set of
// addresses and the default route. Whether something was missing.
bool tunnel_mend(struct tunnel *t);

// IPv6 is over: its addresses and routes go.
void tunnel_forget6(struct tunnel *t);

// The route to a server that is dialed while a default route through the tunnel is there already,
// instead of the one to the server before.
int tunnel_server_route(struct tunnel *t, const struct in6_addr *server, char *err, size_t cap);
// No server is dialed.
void tunnel_forget_server(struct tunnel *t);

// Everything through the tunnel but the server itself, at its outer address (IPv4 mapped; ::, when
// there is none yet). Distance 1: 0.0.0.0/1 and 128.0.0.0/1, which beat any default route and leave
// it in place; else a default route with that metric. Again: what is not there any more.
int tunnel_default_route(
	struct tunnel *t, const struct in6_addr *server, uint32_t distance, char *err, size_t cap);

// The interface goes, and its routes with it; the server's host route is taken back.
void tunnel_close(struct tunnel *t);
