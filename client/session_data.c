// SPDX-License-Identifier: BSD-3-Clause
// Packets between a session's interface and its call.
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "client/mss.h"
#include "client/session_internal.h"

#define LOG_TYPE "client"

#define TUN_BATCH 256       // packets read in one go
#define TUN_BYTES (1 << 18) // and bytes
#define PACKET_MAX 65536

// --- to the interface ---

static void write_packet(void *user, const struct iovec *part, unsigned int n)
{
	struct session *s = user;

	if (!s->tun.vnet) {
		part++;
		n--;
	}
	// A full interface queue drops, as any router's would.
	if (s->tun.fd >= 0 && writev(s->tun.fd, part, (int)n) < 0 && errno != EAGAIN)
		LOG_RATELIMIT(LOG_WARNING, 1, "interface=%s a packet was refused: %s", s->tun.name,
			log_strerror(errno));
}

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
	if (s->tun.vnet) {
		gro_put(&s->gro, ip, len);
		return;
	}
	write_packet(s, (struct iovec[]){{NULL, 0}, {(void *)ip, len}}, 2);
}

void session_on_packets_end(void *user)
{
	struct session *s = user;

	gro_flush(&s->gro);
}

// --- from the interface ---

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
	if (s->gone.any && demand_is_gone(&s->gone, ip, len))
		return false;
	return ip[0] >> 4 == 4 ? s->has_ip4 : ip[0] >> 4 == 6 && s->has_ip6;
}

uint64_t session_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

// A packet that was read into room. False: none to be sent.
static bool check_packet(
	struct session *s, struct upq_packet *room, size_t n, uint64_t now, struct gso *g)
{
	if (!is_wanted(s, room->data, n))
		return false;
	*g = (struct gso){0};
	if (s->tun.vnet && gso_read(g, room->vnet, room->data, n)) {
		LOG_RATELIMIT(
			LOG_WARNING, 1, "interface=%s a packet that makes no sense", s->tun.name);
		return false;
	}
	if (s->limits.idle_s)
		demand_limits_packet(&s->limits, room->data, n, now / 1000);
	if (s->clamp_mtu && mss_is_large(room->data, n, s->clamp_mtu))
		mss_clamp(room->data, n, s->clamp_mtu);
	return true;
}

// One packet to the queue. Returns its bytes; 0: there is none, or no memory.
static size_t take_packet(struct session *s, uint64_t now)
{
	struct upq_packet *room = upq_room(&s->upq);
	size_t vnet = s->tun.vnet ? GSO_VNET_LEN : 0;
	struct gso g;
	ssize_t n;

	if (!room)
		return 0;
	n = read(s->tun.fd, room->data - vnet, UPQ_ROOM + vnet);
	if (n <= 0) {
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			session_interface_lost(s, errno);
		return 0;
	}
	if ((size_t)n > vnet && check_packet(s, room, (size_t)n - vnet, now, &g))
		upq_put_room(&s->upq, (size_t)n - vnet, &g, now);
	return (size_t)n;
}

// What the interface has, to the queue.
static void take_packets(struct session *s, uint64_t now)
{
	size_t bytes = 0, n = 1;

	for (unsigned int i = 0; i < TUN_BATCH && n && bytes < TUN_BYTES; i++) {
		n = take_packet(s, now);
		bytes += n;
	}
}

// It waited for a call that takes no packets of this length. Whoever sent it is told.
static void answer_too_long(struct session *s, const struct upq_out *o)
{
	static uint8_t whole[PACKET_MAX], answer[TOOBIG_MAX]; // the loop's thread
	uint8_t vnet[GSO_VNET_LEN] = {0};
	size_t n;

	if (!toobig_may(&s->toobig, session_now_us()))
		return;
	upq_write(o, whole);
	n = toobig_answer(answer, whole, o->len, s->info.mtu);
	if (n)
		write_packet(s, (struct iovec[]){{vnet, sizeof(vnet)}, {answer, n}}, 2);
}

// To the call. What goes in fragments is there in one piece first.
static int give(struct session *s, const struct upq_out *o)
{
	static uint8_t whole[PACKET_MAX]; // the loop's thread, used up before return
	uint8_t *at;
	int rc;

	if (o->len > s->info.mtu) {
		answer_too_long(s, o);
		return 0;
	}
	rc = conn_begin_ip(s->conn, upq_version(o), o->len, &at);
	if (rc == -E2BIG) {
		upq_write(o, whole);
		return conn_send_ip(s->conn, whole, o->len);
	}
	if (!rc)
		upq_write(o, at);
	return rc;
}

// From the queue to the call, until that takes no more.
static void send_packets(struct session *s, uint64_t now)
{
	while (s->held.p || upq_get(&s->upq, &s->held, now)) {
		if (give(s, &s->held) == -EAGAIN) {
			// The socket may take them at once; else on_writable() goes on.
			if (conn_flush(s->conn))
				return;
			if (give(s, &s->held) == -EAGAIN)
				return;
		}
		s->held.p = NULL;
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
	else if (!s->held.p)
		send_packets(s, now);
}

void session_on_writable(void *user)
{
	struct session *s = user;

	if (passes(s) && s->held.p && !s->tun_lost)
		send_packets(s, session_now_us());
}

void session_data_free(struct session *s)
{
	s->held.p = NULL;
	upq_clear(&s->upq);
}

void session_data_reset(struct session *s)
{
	session_data_free(s);
	upq_init(&s->upq, (uint32_t)session_now_us());
	gro_init(&s->gro, write_packet, s, s->tun.vnet_udp);
}
