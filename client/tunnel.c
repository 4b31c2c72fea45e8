// SPDX-License-Identifier: BSD-3-Clause
#include "client/tunnel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"

#define LOG_TYPE "client.tunnel"

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
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(t->fd, TUNSETIFF, &ifr)) {
		rc = -errno;
		snprintf(err, cap, "interface %s: %s", name, log_strerror(rc));
		tunnel_close(t);
		return rc;
	}
	memcpy(t->name, ifr.ifr_name, sizeof(t->name));
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
	return failed(t, netconf_address_add(&t->net, t->ifindex, local, peer), err, cap);
}

int tunnel_address_delete(
	struct tunnel *t, uint32_t local, uint32_t peer, uint32_t server, char *err, size_t cap)
{
	return failed(t,
		netconf_address_delete(&t->net, t->ifindex, local, peer == server ? 0 : peer), err,
		cap);
}

// Where it cannot be set (a read-only /proc), the kernel's own default stays.
static void set_sysctl(const struct tunnel *t, const char *key, int value)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", t->name, key);
	f = fopen(path, "we");
	if (!f)
		return;
	fprintf(f, "%d\n", value);
	fclose(f);
}

int tunnel_address6(struct tunnel *t, uint64_t local_id, bool default_route, char *err, size_t cap)
{
	set_sysctl(t, "accept_ra", 2); // a host that forwards, too
	set_sysctl(t, "accept_ra_defrtr", default_route);
	return failed(t, netconf_link_local_add(&t->net, t->ifindex, local_id), err, cap);
}

static int keep_server_route(struct tunnel *t, uint32_t server)
{
	int rc;

	rc = netconf_route_get(&t->net, server, &t->host_route);
	if (rc || t->host_route.ifindex == (int)if_nametoindex("lo"))
		return rc;
	rc = netconf_route_add(&t->net, &t->host_route);
	t->has_host_route = !rc;
	// Somebody's own host route is as good, and stays.
	return rc == -EEXIST ? 0 : rc;
}

int tunnel_default_route(struct tunnel *t, uint32_t server, char *err, size_t cap)
{
	struct netconf_route half = {.dst_len = 1, .ifindex = t->ifindex};
	int rc = server ? keep_server_route(t, server) : 0;

	if (rc) {
		snprintf(err, cap, "route to the server: %s", log_strerror(rc));
		return rc;
	}
	rc = netconf_route_add(&t->net, &half);
	half.dst = 0x80000000u;
	if (!rc)
		rc = netconf_route_add(&t->net, &half);
	if (rc)
		snprintf(err, cap, "default route: %s", log_strerror(rc));
	return rc;
}

void tunnel_close(struct tunnel *t)
{
	int rc;

	if (t->has_host_route) {
		rc = netconf_route_delete(&t->net, &t->host_route);
		if (rc && rc != -ESRCH)
			LOG_ERRNO(LOG_WARNING, rc, "the route to the server stays");
	}
	t->has_host_route = false;
	netconf_close(&t->net);
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}
