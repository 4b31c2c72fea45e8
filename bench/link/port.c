// SPDX-License-Identifier: BSD-3-Clause
#include "bench/link/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOCKET_BUFFER (16 << 20)
#define VLAN_TAG 4u
#define MAC_PAIR 12u

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t link_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static bool failed(struct link_port *p, const char *what)
{
	fprintf(stderr, "culvert-link: %s: %s: %s\n", p->name, what, strerror(errno));
	link_port_close(p);
	return false;
}

static bool open_tap(struct link_port *p)
{
	struct ifreq req = {.ifr_flags = IFF_TAP | IFF_NO_PI};

	p->tap = true;
	if (strlen(p->name) >= sizeof(req.ifr_name)) {
		errno = ENAMETOOLONG;
		return failed(p, "interface");
	}
	strcpy(req.ifr_name, p->name);
	p->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (p->fd < 0)
		return failed(p, "/dev/net/tun");
	if (ioctl(p->fd, TUNSETIFF, &req) < 0)
		return failed(p, "TUNSETIFF");
	return true;
}

// What the kernel should do for the socket; all of it can be done without but the first.
static bool set_options(struct link_port *p)
{
	const int on = 1, size = SOCKET_BUFFER;

	if (setsockopt(p->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0)
		return failed(p, "PACKET_IGNORE_OUTGOING");
	if (setsockopt(p->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(p->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	// The host's own queueing discipline is no part of the emulated line.
	setsockopt(p->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	setsockopt(p->fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on));
	setsockopt(p->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	return true;
}

static bool open_packet(struct link_port *p)
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct packet_mreq all = {.mr_type = PACKET_MR_PROMISC};

	addr.sll_ifindex = (int)if_nametoindex(p->name);
	if (!addr.sll_ifindex)
		return failed(p, "interface");
	// Protocol 0: nothing arrives before it is bound.
	p->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		return failed(p, "packet socket");
	if (!set_options(p))
		return false;
	all.mr_ifindex = addr.sll_ifindex;
	if (setsockopt(p->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0)
		return failed(p, "promiscuous mode");
	if (bind(p->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return failed(p, "bind");
	return true;
}

bool link_port_open(struct link_port *p, const char *spec)
{
	memset(p, 0, sizeof(*p));
	p->fd = -1;
	p->name = strncmp(spec, "tap:", 4) ? spec : spec + 4;
	p->buf = calloc(LINK_BURST, sizeof(*p->buf));
	if (!p->buf)
		return failed(p, "memory");
	return p->name == spec ? open_packet(p) : open_tap(p);
}

void link_port_close(struct link_port *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	free(p->buf);
	p->buf = NULL;
}

static unsigned int recv_tap(struct link_port *p, struct link_rx *rx)
{
	unsigned int n = 0;

	while (n < LINK_BURST) {
		ssize_t len = read(p->fd, p->buf[n], LINK_FRAME_MAX);

		if (len <= 0)
			break;
		rx[n] = (struct link_rx){p->buf[n], (uint32_t)len, link_now_ns()};
		n++;
	}
	return n;
}

// The kernel takes VLAN tags off; they go back to where they were.
static void put_vlan(uint8_t *frame, uint32_t *len, const struct tpacket_auxdata *aux)
{
	uint16_t tpid =
		aux->tp_status & TP_STATUS_VLAN_TPID_VALID ? aux->tp_vlan_tpid : ETH_P_8021Q;
	uint16_t tag[2] = {htons(tpid), htons(aux->tp_vlan_tci)};

	memmove(frame + MAC_PAIR + VLAN_TAG, frame + MAC_PAIR, *len - MAC_PAIR);
	memcpy(frame + MAC_PAIR, tag, sizeof(tag));
	*len += VLAN_TAG;
}

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(sizeof(struct tpacket_auxdata)) + CMSG_SPACE(sizeof(struct timespec))];
};

// real_ahead_ns: the real-time clock's lead over the monotonic one.
static void read_control(struct link_port *p, struct msghdr *h, uint8_t *frame, struct link_rx *rx,
	uint64_t now_ns, uint64_t real_ahead_ns)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		struct tpacket_auxdata aux;
		struct timespec ts;

		if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
			memcpy(&aux, CMSG_DATA(c), sizeof(aux));
			if (aux.tp_status & TP_STATUS_CSUMNOTREADY)
				p->unchecked++;
			if (aux.tp_status & TP_STATUS_VLAN_VALID && rx->len >= MAC_PAIR)
				put_vlan(frame, &rx->len, &aux);
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			uint64_t at;

			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			at = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec -
			     real_ahead_ns;
			if (at < now_ns && now_ns - at < 1000000000u)
				rx->at_ns = at;
		}
	}
}

static unsigned int recv_packet(struct link_port *p, struct link_rx *rx)
{
	struct mmsghdr msg[LINK_BURST];
	struct iovec iov[LINK_BURST];
	union control control[LINK_BURST];
	uint64_t now_ns, real_ahead_ns;
	unsigned int good = 0;
	int n;

	for (unsigned int i = 0; i < LINK_BURST; i++) {
		iov[i] = (struct iovec){p->buf[i], LINK_FRAME_MAX};
		msg[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i],
			.msg_iovlen = 1,
			.msg_control = control[i].buf,
			.msg_controllen = sizeof(control[i].buf)};
	}
	n = recvmmsg(p->fd, msg, LINK_BURST, MSG_DONTWAIT | MSG_TRUNC, NULL);
	if (n <= 0)
		return 0;
	now_ns = link_now_ns();
	real_ahead_ns = clock_ns(CLOCK_REALTIME) - now_ns;
	for (int i = 0; i < n; i++) {
		if (msg[i].msg_len > LINK_FRAME_MAX) {
			p->too_long++;
			continue;
		}
		rx[good] = (struct link_rx){p->buf[i], msg[i].msg_len, now_ns};
		read_control(p, &msg[i].msg_hdr, p->buf[i], &rx[good], now_ns, real_ahead_ns);
		good++;
	}
	return good;
}

unsigned int link_port_recv(struct link_port *p, struct link_rx *rx)
{
	return p->tap ? recv_tap(p, rx) : recv_packet(p, rx);
}

void link_port_send(struct link_port *p, const uint8_t *data, uint32_t len)
{
	ssize_t n = p->tap ? write(p->fd, data, len) : send(p->fd, data, len, MSG_DONTWAIT);

	if (n != (ssize_t)len)
		p->tx_refused++;
}
