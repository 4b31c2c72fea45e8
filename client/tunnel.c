// SPDX-License-Identifier: BSD-3-Clause
#include "client/tunnel.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "client/netroute.h"

#define LOG_TYPE "client.tunnel"

#define FIRST_PID_NAMESPACE 0xeffffffcu // PROC_PID_INIT_INO

// Kernels since 6.2 have both.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static bool has_vnet(int fd)
{
	unsigned int features = 0;

	return !ioctl(fd, TUNGETFEATURES, &features) && (features & IFF_VNET_HDR);
}

static void leave_offloads(struct tunnel *t)
{
	const unsigned long tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;

	t->vnet_udp = !ioctl(t->fd, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6);
	if (!t->vnet_udp && ioctl(t->fd, TUNSETOFFLOAD, tcp))
		LOG_ERRNO(LOG_INFO, errno, "interface %s: no offloads", t->name);
}

int tunnel_open(struct tunnel *t, const char *name, char *err, size_t cap)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int rc;

	memset(t, 0, sizeof(*t));
	t->net.fd = -1;
	t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (t->fd < 0) {
		rc = -errno;
		snprintf(err, cap, "/dev/net/tun: %s", log_strerror(rc));
		return rc;
	}
	t->vnet = has_vnet(t->fd);
	if (t->vnet)
		ifr.ifr_flags |= IFF_VNET_HDR;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(t->fd, TUNSETIFF, &ifr)) {
		rc = -errno;
		snprintf(err, cap, "interface %s: %s", name, log_strerror(rc));
		tunnel_close(t);
		return rc;
	}
	memcpy(t->name, ifr.ifr_name, sizeof(t->name));
	t->was_there = !ioctl(t->fd, TUNGETIFF, &ifr) && (ifr.ifr_flags & IFF_PERSIST);
	if (t->vnet)
		leave_offloads(t);
	t->ifindex = (int)if_nametoindex(t->name);
	rc = t->ifindex ? netconf_open(&t->net) : -errno;
	if (rc) {
		snprintf(err, cap, "interface %s: %s", t->name, log_strerror(rc));
		tunnel_close(t);
	}
	return rc;
}

static int failed(const struct tunnel *t, int rc, char *err, size_t cap)
{
	if (rc)
		snprintf(err, cap, "interface %s: %s", t->name, log_strerror(rc));
	return rc;
}

int tunnel_up(struct tunnel *t, uint16_t mtu, char *err, size_t cap)
{
	// A kernel without IPv6 refuses, and is right.
	netconf_link_no_ipv6(&t->net, t->ifindex);
	return failed(t, netconf_link_up(&t->net, t->ifindex, mtu), err, cap);
}

int tunnel_address(
	struct tunnel *t, uint32_t local, uint32_t peer, uint32_t server, char *err, size_t cap)
{
	// A route to the server's own outer address through the tunnel would swallow the tunnel.
	if (peer && peer == server) {
		LOG(LOG_WARNING, "the peer's address is the server's outer one: no route to it");
		peer = 0;
	}
	t->pair = (struct tunnel_pair){local, peer};
	return failed(t, netconf_address_add(&t->net, t->ifindex, local, peer), err, cap);
}

// Where it cannot be set (a read-only /proc), the kernel's own default stays.
static void set_sysctl(const struct tunnel *t, const char *family, const char *key, int value)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, t->name, key);
	f = fopen(path, "we");
	if (!f)
		return;
	fprintf(f, "%d\n", value);
	fclose(f);
}

int tunnel_address_change(struct tunnel *t, struct tunnel_pair old, struct tunnel_pair now,
	uint32_t server, char *err, size_t cap)
{
	int rc;

	// With the same peer the new one is the old one's secondary, which would go with it, and
	// with the last address all routes.
	set_sysctl(t, "ipv4", "promote_secondaries", 1);
	rc = tunnel_address(t, now.local, now.peer, server, err, cap);
	if (rc || (old.local == now.local && old.peer == now.peer)) // it was replaced
		return rc;
	rc = netconf_address_delete(&t->net, t->ifindex, old.local, old.peer);
	if (rc && rc != -EADDRNOTAVAIL && rc != -ENODEV) // somebody did it before
		return failed(t, rc, err, cap);
	// Where it could not be promoted.
	return tunnel_address(t, now.local, now.peer, server, err, cap);
}

// --- what a crash would leave ---

// Of the network namespace, in which alone a route means anything. 0: cannot be told.
static uintmax_t namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : (uintmax_t)st.st_ino;
}

static void note_route(const struct tunnel *t)
{
	const struct netconf_route *r = &t->host_route;
	char dst[INET6_ADDRSTRLEN], gateway[INET6_ADDRSTRLEN] = "-";
	FILE *f;
	bool bad;

	if (!t->route_file)
		return;
	inet_ntop(AF_INET6, &r->dst, dst, sizeof(dst));
	if (r->has_gateway)
		inet_ntop(AF_INET6, &r->gateway, gateway, sizeof(gateway));
	f = fopen(t->route_file, "we");
	bad = !f || fprintf(f, "%s %s %d %ju\n", dst, gateway, r->ifindex, namespace()) < 0;
	bad |= f && fclose(f);
	if (bad)
		LOG_ERRNO(LOG_WARNING, errno, "%s", t->route_file);
}

// False: there is none, or it is not whole: the crash was in the middle of writing it, before the
// route was made.
static bool read_route(const char *path, struct netconf_route *r, uintmax_t *ns)
{
	char dst[INET6_ADDRSTRLEN], gateway[INET6_ADDRSTRLEN], end = 0;
	FILE *f = fopen(path, "re");
	int n;

	*r = (struct netconf_route){.dst_len = 128};
	if (!f)
		return false;
	n = fscanf(f, "%45s %45s %d %ju%c", dst, gateway, &r->ifindex, ns, &end);
	fclose(f);
	r->has_gateway = n == 5 && strcmp(gateway, "-") != 0;
	return n == 5 && end == '\n' && inet_pton(AF_INET6, dst, &r->dst) == 1 &&
	       (!r->has_gateway || inet_pton(AF_INET6, gateway, &r->gateway) == 1);
}

// Whether somebody can still come to a namespace that is not this one. It is gone for sure when no
// process is in it and nothing is mounted of it, which only a process that sees all can tell.
static bool namespace_lives(uintmax_t ns)
{
	char path[64], name[64], line[1024];
	bool lives = false;
	struct dirent *e;
	struct stat st;
	DIR *d = NULL;
	FILE *f = NULL;

	if (stat("/proc/self/ns/pid", &st) || st.st_ino != FIRST_PID_NAMESPACE)
		return true;
	snprintf(name, sizeof(name), " net:[%ju] ", ns);
	f = fopen("/proc/self/mountinfo", "re");
	d = opendir("/proc");
	lives = !f || !d;
	while (!lives && fgets(line, sizeof(line), f))
		lives = strstr(line, name);
	while (!lives && (e = readdir(d))) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/ns/net", e->d_name);
		lives = !stat(path, &st) && st.st_ino == ns;
	}
	if (f)
		fclose(f);
	if (d)
		closedir(d);
	return lives;
}

static bool take_back(const char *path)
{
	struct netconf_route r;
	struct netconf net;
	uintmax_t ns;
	int rc;

	if (read_route(path, &r, &ns) && (ns == namespace() || namespace_lives(ns))) {
		if (ns != namespace())
			return false;
		rc = netconf_open(&net);
		if (rc)
			return false;
		rc = netconf_route_delete(&net, &r);
		netconf_close(&net);
		if (!rc)
			LOG(LOG_INFO, "a route to the server was left, and is taken back");
	}
	unlink(path);
	return true;
}

// path with this namespace's number, to be freed; NULL: no memory.
static char *with_number(const char *path)
{
	char *file;

	return asprintf(&file, "%s.%ju", path, namespace()) > 0 ? file : NULL;
}

bool tunnel_take_back(const char *path)
{
	char *own = with_number(path);

	if (own)
		take_back(own);
	free(own);
	return take_back(path);
}

char *tunnel_note_file(const char *path)
{
	return tunnel_take_back(path) ? strdup(path) : with_number(path);
}

void tunnel_note_routes(struct tunnel *t, const char *path)
{
	t->route_file = path;
}

// The way to the server, where a default route through the tunnel may be there already.
static int way_to_server(struct tunnel *t, const struct in6_addr *server, struct netconf_route *r)
{
	int rc = netconf_route_get(&t->net, server, r);

	if (!rc && r->ifindex == t->ifindex)
		rc = netroute_past(&t->net, server, t->ifindex, r);
	return rc;
}

// What goes to the server itself goes on going there, whatever routes there will be.
static int keep_server_route(struct tunnel *t, const struct in6_addr *server, char *err, size_t cap)
{
	int rc;

	if (t->has_host_route)
		return 0;
	rc = way_to_server(t, server, &t->host_route);
	if (!rc && t->host_route.ifindex != (int)if_nametoindex("lo")) {
		note_route(t); // before it is there: one that never was is no harm
		rc = netconf_route_add(&t->net, &t->host_route);
		t->has_host_route = !rc;
		if (rc && t->route_file)
			unlink(t->route_file);
	}
	// Somebody's own host route is as good, and stays.
	if (!rc || rc == -EEXIST)
		return 0;
	snprintf(err, cap, "route to the server: %s", log_strerror(rc));
	return rc;
}

static void drop_server_route(struct tunnel *t)
{
	int rc;

	if (!t->has_host_route)
		return;
	rc = netconf_route_delete(&t->net, &t->host_route);
	if (rc && rc != -ESRCH)
		LOG_ERRNO(LOG_WARNING, rc, "the route to the server stays");
	if (t->route_file)
		unlink(t->route_file);
	t->has_host_route = false;
}

int tunnel_server_route(struct tunnel *t, const struct in6_addr *server, char *err, size_t cap)
{
	drop_server_route(t);
	return keep_server_route(t, server, err, cap);
}

void tunnel_forget_server(struct tunnel *t)
{
	drop_server_route(t);
}

void tunnel_forget6(struct tunnel *t)
{
	t->local_id = 0;
	// The kernel drops addresses and routes, its own ones as well.
	set_sysctl(t, "ipv6", "disable_ipv6", 1);
	set_sysctl(t, "ipv6", "disable_ipv6", 0);
}

int tunnel_address6(struct tunnel *t, uint64_t local_id, const struct in6_addr *server,
	uint32_t distance, char *err, size_t cap)
{
	int rc = 0;

	set_sysctl(t, "ipv6", "accept_ra", 2); // a host that forwards, too
	set_sysctl(t, "ipv6", "accept_ra_defrtr", distance != 0);
	if (distance)
		set_sysctl(t, "ipv6", "ra_defrtr_metric", (int)distance);
	if (distance && !IN6_IS_ADDR_V4MAPPED(server))
		rc = keep_server_route(t, server, err, cap);
	if (rc)
		return rc;
	t->local_id = local_id;
	return failed(t, netconf_link_local_add(&t->net, t->ifindex, local_id), err, cap);
}

// The i-th of the routes that everything takes. 0, or -errno: -EEXIST when it is there.
static int add_default(struct tunnel *t, uint32_t distance, unsigned int i)
{
	struct netconf_route r = {.dst = netconf_mapped(i ? 0x80000000u : 0),
		.dst_len = distance == 1 ? 97 : 96,
		.ifindex = t->ifindex,
		.metric = distance == 1 ? 0 : distance};

	return netconf_route_add(&t->net, &r);
}

static unsigned int nb_default(uint32_t distance)
{
	return distance == 1 ? 2 : 1;
}

int tunnel_default_route(
	struct tunnel *t, const struct in6_addr *server, uint32_t distance, char *err, size_t cap)
{
	int rc = 0;

	if (IN6_IS_ADDR_V4MAPPED(server))
		rc = keep_server_route(t, server, err, cap);
	if (rc)
		return rc;
	for (unsigned int i = 0; i < nb_default(distance) && !rc; i++) {
		rc = add_default(t, distance, i);
		if (rc == -EEXIST && t->distance == distance) // the one of before
			rc = 0;
	}
	if (rc)
		snprintf(err, cap, "default route: %s", log_strerror(rc));
	else
		t->distance = distance;
	return rc;
}

bool tunnel_mend(struct tunnel *t)
{
	bool any = false;

	if (t->pair.local)
		any = !netconf_address_keep(&t->net, t->ifindex, t->pair.local, t->pair.peer);
	if (t->local_id)
		any |= !netconf_link_local_keep(&t->net, t->ifindex, t->local_id);
	for (unsigned int i = 0; t->distance && i < nb_default(t->distance); i++)
		any |= !add_default(t, t->distance, i);
	return any;
}

static void leave_interface(struct tunnel *t)
{
	// A program that is being started holds a copy of fd for a moment, and with it the name.
	if (!t->was_there) {
		netconf_link_delete(&t->net, t->ifindex);
		return;
	}
	if (t->pair.local)
		netconf_address_delete(&t->net, t->ifindex, t->pair.local, t->pair.peer);
	netconf_link_down(&t->net, t->ifindex); // and with it routes, and what is of IPv6
}

void tunnel_close(struct tunnel *t)
{
	drop_server_route(t);
	if (t->ifindex && t->net.fd >= 0)
		leave_interface(t);
	t->ifindex = 0;
	netconf_close(&t->net);
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}
