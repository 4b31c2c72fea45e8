// SPDX-License-Identifier: BSD-3-Clause
// Packets between a session's interface and its call.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/mss.h"
#include "client/session_internal.h"

#define LOG_TYPE "client"

#define TUN_BATCH 256
#define PACKET_MAX 65536

// The packet with an MSS that fits: in a copy, as the bytes are the call's.
static const uint8_t *clamped(const struct session *s, const uint8_t *ip, size_t len)
{
	static uint8_t copy[PACKET_MAX]; // the loop's thread, written before return

	if (!s->clamp_mtu || !mss_is_large(ip, len, s->clamp_mtu) || len > sizeof(copy))
		return ip;
	memcpy(copy, ip, len);
	mss_clamp(copy, len, s->clamp_mtu);
	return copy;
}

void session_on_packet(void *user, const uint8_t *ip, size_t len)
{
	struct session *s = user;

	if (s->limits.idle_s)
		demand_limits_packet(&s->limits, ip, len, conn_now_ms());
	ip = clamped(s, ip, len);
	// A full interface queue drops, as any router's would.
	if (s->tun.fd >= 0 && write(s->tun.fd, ip, len) < 0 && errno != EAGAIN)
		LOG_RATELIMIT(LOG_WARNING, 1, "interface=%s a packet was refused: %s", s->tun.name,
			log_strerror(errno));
}

// Whether there is a call that packets may go to.
static bool passes(const struct session *s)
{
	return s->state == STATE_UP && !s->leaving;
}

// Whether a packet is of a family that the call has: the kernel has its own IPv6 chatter.
static bool is_wanted(const struct session *s, const uint8_t *ip, size_t len)
{
	if (!passes(s))
		return session_demand_wants(s, ip, len);
	if (demand_is_gone(&s->gone, ip, len))
		return false;
	return ip[0] >> 4 == 4 ? s->has_ip4 : ip[0] >> 4 == 6 && s->has_ip6;
}

uint64_t session_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

// What the interface has, to the queue.
static void take_packets(struct session *s, uint64_t now)
{
	static uint8_t buf[PACKET_MAX]; // the loop's thread, copied before return
	ssize_t n;

	for (unsigned int i = 0; i < TUN_BATCH; i++) {
		n = read(s->tun.fd, buf, sizeof(buf));
		if (n <= 0) {
			if (n < 0 && errno != EAGAIN && errno != EINTR)
				session_interface_lost(s, errno);
			break;
		}
		if (!is_wanted(s, buf, (size_t)n))
			continue;
		if (s->limits.idle_s)
			demand_limits_packet(&s->limits, buf, (size_t)n, now / 1000);
		if (s->clamp_mtu && mss_is_large(buf, (size_t)n, s->clamp_mtu))
			mss_clamp(buf, (size_t)n, s->clamp_mtu);
		upq_put(&s->upq, buf, (size_t)n, now);
	}
}

// From the queue to the call, until that takes no more.
static void send_packets(struct session *s, uint64_t now)
{
	while (s->held || (s->held = upq_get(&s->upq, now))) {
		if (conn_send_ip(s->conn, s->held->data, s->held->len) == -EAGAIN) {
			// The socket may take them at once; else on_writable() goes on.
			if (conn_flush(s->conn))
				return;
			if (conn_send_ip(s->conn, s->held->data, s->held->len) == -EAGAIN)
				return;
		}
		free(s->held);
		s->held = NULL;
	}
	conn_flush(s->conn);
}

void session_on_tun(struct ev_loop *loop, ev_io *w, int events)
{
	struct session *s = w->data;
	uint64_t now = session_now_us();

	take_packets(s, now);
	if (s->tun_lost)
		return;
	if (!passes(s))
		session_demand_packets(s);
	else if (!s->held)
		send_packets(s, now);
}

void session_on_writable(void *user)
{
	struct session *s = user;

	if (passes(s) && s->held && !s->tun_lost)
		send_packets(s, session_now_us());
}
