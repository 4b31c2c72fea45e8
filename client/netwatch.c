// SPDX-License-Identifier: BSD-3-Clause
#include "client/netwatch.h"

#include <errno.h>
#include <ev.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SETTLE_S 0.5 // changes come in rows

struct netwatch {
	struct ev_loop *loop;
	int fd;
	ev_io io;
	ev_timer timer;
	void (*changed)(void *user);
	void *user;
};

static void on_settled(struct ev_loop *loop, ev_timer *t, int events)
{
	struct netwatch *w = t->data;

	w->changed(w->user);
}

// What changed is not looked at: only its effect on the way to the server counts.
static void on_message(struct ev_loop *loop, ev_io *io, int events)
{
	struct netwatch *w = io->data;
	char buf[8192];

	// ENOBUFS: some were lost, which is a change as well.
	while (recv(w->fd, buf, sizeof(buf), MSG_DONTWAIT) > 0 || errno == ENOBUFS)
		errno = 0;
	if (!ev_is_active(&w->timer)) {
		ev_timer_set(&w->timer, SETTLE_S, 0);
		ev_timer_start(w->loop, &w->timer);
	}
}

struct netwatch *netwatch_create(struct ev_loop *loop, void (*changed)(void *user), void *user)
{
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE |
			     RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE};
	struct netwatch *w = calloc(1, sizeof(*w));
	int error;

	if (!w)
		return NULL;
	w->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (w->fd < 0 || bind(w->fd, (struct sockaddr *)&sa, sizeof(sa))) {
		error = errno;
		if (w->fd >= 0)
			close(w->fd);
		free(w);
		errno = error;
		return NULL;
	}
	w->loop = loop;
	w->changed = changed;
	w->user = user;
	ev_io_init(&w->io, on_message, w->fd, EV_READ);
	ev_timer_init(&w->timer, on_settled, SETTLE_S, 0);
	w->io.data = w->timer.data = w;
	ev_io_start(loop, &w->io);
	return w;
}

void netwatch_destroy(struct netwatch *w)
{
	if (!w)
		return;
	ev_io_stop(w->loop, &w->io);
	ev_timer_stop(w->loop, &w->timer);
	close(w->fd);
	free(w);
}

int netwatch_source(
	const struct sockaddr *to, socklen_t to_len, int ifindex, struct sockaddr_storage *from)
{
	int fd = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;
	socklen_t len = sizeof(*from);

	memset(from, 0, sizeof(*from));
	if (fd < 0)
		return -errno;
	// An old kernel refuses, and says what it does without.
	if (ifindex)
		setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &ifindex, sizeof(ifindex));
	if (connect(fd, to, to_len) || getsockname(fd, (struct sockaddr *)from, &len))
		rc = -errno;
	close(fd);
	return rc;
}

static const struct in6_addr *address6(const struct sockaddr_storage *a)
{
	return &((const struct sockaddr_in6 *)a)->sin6_addr;
}

// A newer temporary address (RFC 8981) of the same prefix is no other way.
bool netwatch_same_source(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return a->ss_family != AF_INET6 || !memcmp(address6(a), address6(b), 8);
}

static bool is_mine(const struct sockaddr_storage *a)
{
	int fd = socket(a->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage any = *a;
	bool mine;

	if (fd < 0)
		return true;
	if (any.ss_family == AF_INET)
		((struct sockaddr_in *)&any)->sin_port = 0;
	else
		((struct sockaddr_in6 *)&any)->sin6_port = 0;
	mine = !bind(fd, (struct sockaddr *)&any, sizeof(any)) || errno != EADDRNOTAVAIL;
	close(fd);
	return mine;
}

const char *netwatch_lost(
	const struct sockaddr_storage *from, const struct sockaddr *to, socklen_t to_len)
{
	struct sockaddr_storage now;

	if (netwatch_source(to, to_len, 0, &now))
		return "no route to the server any more";
	if (!is_mine(from))
		return "the local address is gone";
	if (netwatch_same_source(from, &now))
		return NULL;
	return "the way to the server is another now";
}
