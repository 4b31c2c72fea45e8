// SPDX-License-Identifier: BSD-3-Clause
#include "bench/sockets/reflect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "bench/hist.h"
#include "bench/probe.h"
#include "bench/sockets/far.h"
#include "bench/window.h"

#define LOG_TYPE "reflect"

#define BURST 64u
#define RUNS 4u
#define MAX_SESSIONS 100000u
#define SOCKET_BUFFER (64 << 20)
#define GSO_BYTES 60000u // of one send() that the kernel cuts
#define BODY_MAX (PROBE_MAX_SIZE - PROBE_HDR_LEN)

struct peer { // one session of a run
	struct seq_window window;
	uint64_t bytes, time_ns;
	unsigned int unacked;
	struct sockaddr_in addr;
	uint32_t session;
	struct peer *next_dirty;
	bool dirty;
};

struct run {
	uint32_t id; // 0: free
	bool shared_clock;
	uint32_t ack_every, sessions;
	uint64_t used_ns, corrupt, unsent, socket_dropped;
	struct hist latency;
	struct peer **peers; // [sessions]
	struct peer *dirty;
};

struct reflector {
	int fd;
	bool gso;
	uint64_t boot, now_ns;
	uint32_t socket_drops; // the kernel's count, running over
	struct run runs[RUNS];
	uint8_t in[BURST][PROBE_MAX_SIZE];
	uint8_t out[GSO_BYTES + BODY_MAX];
};

static volatile sig_atomic_t stopped;

static void on_signal(int signo)
{
	stopped = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

// --- runs ---

static void run_free(struct run *r)
{
	for (uint32_t i = 0; i < r->sessions; i++)
		free(r->peers[i]);
	free(r->peers);
	memset(r, 0, sizeof(*r));
}

static struct run *run_find(struct reflector *f, uint32_t id)
{
	for (unsigned int i = 0; i < RUNS; i++)
		if (f->runs[i].id == id && id)
			return &f->runs[i];
	return NULL;
}

// The run, anew when it is not known: the one that was silent for longest gives way.
static struct run *run_start(struct reflector *f, const struct far_msg *m)
{
	struct run *r = run_find(f, m->run);
	uint32_t sessions = m->u.hello.sessions;

	if (r || !m->run || !sessions || sessions > MAX_SESSIONS)
		return r;
	r = &f->runs[0];
	for (unsigned int i = 1; i < RUNS; i++)
		if (f->runs[i].used_ns < r->used_ns)
			r = &f->runs[i];
	run_free(r);
	r->peers = calloc(sessions, sizeof(*r->peers));
	if (!r->peers)
		return NULL;
	r->id = m->run;
	r->sessions = sessions;
	r->ack_every = m->u.hello.ack_every ? m->u.hello.ack_every : 1;
	r->shared_clock = m->u.hello.boot && m->u.hello.boot == f->boot;
	LOG(LOG_INFO, "run=%08x sessions=%u clock=%s", r->id, sessions,
		r->shared_clock ? "shared" : "own");
	return r;
}

static struct peer *peer_of(struct run *r, uint32_t session)
{
	if (session >= r->sessions)
		return NULL;
	if (!r->peers[session]) {
		r->peers[session] = calloc(1, sizeof(struct peer));
		if (r->peers[session])
			r->peers[session]->session = session;
	}
	return r->peers[session];
}

// --- answers ---

static void send_to(struct reflector *f, const void *p, size_t n, const struct sockaddr_in *to)
{
	// What does not go is lost, as on a wire.
	while (sendto(f->fd, p, n, MSG_DONTWAIT, (const struct sockaddr *)to, sizeof(*to)) < 0 &&
		errno == EINTR)
		;
}

static void say(struct reflector *f, const struct far_msg *m, const struct sockaddr_in *to)
{
	uint8_t buf[FAR_MSG_MAX];

	send_to(f, buf, far_encode(buf, m), to);
}

static void acknowledge(struct reflector *f, struct run *r, struct peer *p)
{
	struct far_msg m = {.type = FAR_ACK, .run = r->id, .session = p->session};

	m.u.ack.next = p->window.next;
	m.u.ack.received = p->window.received;
	m.u.ack.time_ns = p->time_ns;
	p->unacked = 0;
	say(f, &m, &p->addr);
}

// What was not yet acknowledged, when nothing more comes at the moment.
static void acknowledge_rest(struct reflector *f)
{
	for (unsigned int i = 0; i < RUNS; i++) {
		struct run *r = &f->runs[i];

		for (struct peer *p = r->dirty; p; p = p->next_dirty) {
			p->dirty = false;
			if (p->unacked)
				acknowledge(f, r, p);
		}
		r->dirty = NULL;
	}
}

static void report(
	struct reflector *f, struct run *r, uint32_t session, const struct sockaddr_in *to)
{
	struct far_msg m = {.type = FAR_REPORT, .run = r->id, .session = session};

	for (uint32_t i = 0; i < r->sessions; i++) {
		const struct peer *p = r->peers[i];

		if (!p)
			continue;
		m.u.report.received += p->window.received;
		m.u.report.reordered += p->window.reordered;
		m.u.report.duplicated += p->window.duplicated;
		m.u.report.bytes += p->bytes;
	}
	m.u.report.corrupt = r->corrupt;
	m.u.report.unsent = r->unsent;
	m.u.report.socket_dropped = r->socket_dropped;
	m.u.report.p50_ns = hist_quantile(&r->latency, 0.5);
	m.u.report.p99_ns = hist_quantile(&r->latency, 0.99);
	m.u.report.p999_ns = hist_quantile(&r->latency, 0.999);
	m.u.report.max_ns = r->latency.max;
	m.u.report.mean_ns = r->latency.n ? (uint64_t)(r->latency.sum / (double)r->latency.n) : 0;
	say(f, &m, to);
}

// --- sending what was asked for ---

// n payloads of len bytes, one behind the other, in one call; false: the kernel does not cut here.
static bool send_cut(struct reflector *f, size_t len, unsigned int n, const struct sockaddr_in *to)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(sizeof(uint16_t))];
	} control = {0};
	struct iovec iov = {.iov_base = f->out, .iov_len = len * n};
	struct msghdr msg = {.msg_name = (void *)(uintptr_t)to,
		.msg_namelen = sizeof(*to),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	uint16_t segment = (uint16_t)len;

	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(segment));
	memcpy(CMSG_DATA(c), &segment, sizeof(segment));
	if (sendmsg(f->fd, &msg, MSG_DONTWAIT) >= 0)
		return true;
	f->gso = errno != EIO && errno != EINVAL && errno != EOPNOTSUPP;
	return false;
}

static unsigned int send_each(
	struct reflector *f, size_t len, unsigned int n, const struct sockaddr_in *to)
{
	struct mmsghdr msgs[BURST] = {0};
	struct iovec iov[BURST];
	int sent;

	for (unsigned int i = 0; i < n; i++) {
		iov[i] = (struct iovec){.iov_base = f->out + i * len, .iov_len = len};
		msgs[i].msg_hdr.msg_name = (void *)(uintptr_t)to;
		msgs[i].msg_hdr.msg_namelen = sizeof(*to);
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	sent = sendmmsg(f->fd, msgs, n, MSG_DONTWAIT);
	return sent < 0 ? 0 : (unsigned int)sent;
}

static void send_asked(
	struct reflector *f, struct run *r, const struct far_msg *m, const struct sockaddr_in *to)
{
	size_t len = m->u.send.size - PROBE_HDR_LEN;
	uint32_t left = m->u.send.count;
	struct probe p = {.run = r->id, .session = m->session, .seq = m->u.send.seq};

	if (m->u.send.size < PROBE_MIN_SIZE || m->u.send.size > PROBE_MAX_SIZE ||
		left > WINDOW_BITS || m->session >= r->sessions)
		return;
	while (left) {
		unsigned int n = (unsigned int)(GSO_BYTES / len), sent;

		n = n < BURST ? n : BURST;
		n = n < left ? n : left;
		p.sent_ns = r->shared_clock ? now_ns() : m->u.send.time_ns;
		for (unsigned int i = 0; i < n; i++, p.seq++)
			probe_body_build(f->out + i * len, len, &p);
		sent = f->gso && n > 1 && send_cut(f, len, n, to) ? n : send_each(f, len, n, to);
		r->unsent += n - sent;
		left -= n;
	}
}

// --- what comes ---

static void on_probe(struct reflector *f, struct run *r, const struct probe *p, size_t len,
	const struct sockaddr_in *from)
{
	struct peer *peer = peer_of(r, p->session);

	if (!peer) {
		r->corrupt++;
		return;
	}
	peer->addr = *from;
	if (!seq_window_add(&peer->window, p->seq))
		return;
	peer->bytes += len + PROBE_HDR_LEN;
	peer->time_ns = p->sent_ns;
	if (r->shared_clock && f->now_ns > p->sent_ns)
		hist_add(&r->latency, f->now_ns - p->sent_ns);
	if (!peer->dirty) {
		peer->dirty = true;
		peer->next_dirty = r->dirty;
		r->dirty = peer;
	}
	if (++peer->unacked >= r->ack_every)
		acknowledge(f, r, peer);
}

static void on_message(struct reflector *f, const struct far_msg *m, const struct sockaddr_in *from)
{
	struct far_msg answer = {.type = FAR_WELCOME, .run = m->run, .session = m->session};
	struct run *r = m->type == FAR_HELLO ? run_start(f, m) : run_find(f, m->run);

	if (!r)
		return;
	r->used_ns = f->now_ns;
	switch (m->type) {
	case FAR_HELLO:
		memset(&r->latency, 0, sizeof(r->latency));
		answer.u.welcome.shared_clock = r->shared_clock;
		say(f, &answer, from);
		break;
	case FAR_SEND:
		send_asked(f, r, m, from);
		break;
	case FAR_ASK:
		report(f, r, m->session, from);
		break;
	case FAR_WELCOME:
	case FAR_ACK:
	case FAR_REPORT:
		break;
	}
}

static void on_datagram(
	struct reflector *f, const uint8_t *p, size_t len, const struct sockaddr_in *from)
{
	struct far_msg m;
	struct probe probe;

	for (unsigned int i = 0; i < RUNS; i++) {
		struct run *r = &f->runs[i];

		if (!r->id)
			continue;
		switch (probe_body_check(p, len, len, r->id, &probe)) {
		case PROBE_OK:
			on_probe(f, r, &probe, len, from);
			return;
		case PROBE_CORRUPT:
			r->corrupt++;
			return;
		case PROBE_OTHER:
			break;
		}
	}
	if (!far_decode(p, len, &m))
		on_message(f, &m, from);
	else
		send_to(f, p, len, from);
}

// The kernel's count of datagrams that found no room, against every run that is there.
static void note_drops(struct reflector *f, struct msghdr *msg)
{
	uint32_t drops, more;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL)
			continue;
		memcpy(&drops, CMSG_DATA(c), sizeof(drops));
		more = drops - f->socket_drops;
		f->socket_drops = drops;
		for (unsigned int i = 0; more && i < RUNS; i++)
			f->runs[i].socket_dropped += f->runs[i].id ? more : 0;
	}
}

// One burst. Returns how many datagrams there were.
static int receive(struct reflector *f)
{
	struct mmsghdr msgs[BURST] = {0};
	struct sockaddr_in from[BURST];
	struct iovec iov[BURST];
	char control[BURST][CMSG_SPACE(sizeof(uint32_t))];
	int n;

	for (unsigned int i = 0; i < BURST; i++) {
		iov[i] = (struct iovec){.iov_base = f->in[i], .iov_len = sizeof(f->in[i])};
		msgs[i].msg_hdr.msg_name = &from[i];
		msgs[i].msg_hdr.msg_namelen = sizeof(from[i]);
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
		msgs[i].msg_hdr.msg_control = control[i];
		msgs[i].msg_hdr.msg_controllen = sizeof(control[i]);
	}
	n = recvmmsg(f->fd, msgs, BURST, MSG_DONTWAIT, NULL);
	f->now_ns = now_ns();
	for (int i = 0; i < n; i++) {
		note_drops(f, &msgs[i].msg_hdr);
		on_datagram(f, f->in[i], msgs[i].msg_len, &from[i]);
	}
	return n;
}

static int open_socket(struct reflector *f, const struct sockaddr *addr, socklen_t addr_len)
{
	int size = SOCKET_BUFFER, one = 1;

	f->fd = socket(addr->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (f->fd < 0)
		return -errno;
	// With privilege beyond the system's limit, else what it gives.
	if (setsockopt(f->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(f->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(f->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(f->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(f->fd, SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof(one));
	return bind(f->fd, addr, addr_len) ? -errno : 0;
}

int reflect_run(const struct sockaddr *addr, socklen_t addr_len)
{
	struct sigaction stop = {.sa_handler = on_signal};
	struct reflector *f = calloc(1, sizeof(*f));
	struct pollfd pfd = {.events = POLLIN};
	int rc;

	if (!f)
		return -ENOMEM;
	rc = open_socket(f, addr, addr_len);
	if (rc) {
		fprintf(stderr, "culvert-bench: --reflect: %s\n", log_strerror(rc));
		goto out;
	}
	f->gso = true;
	f->boot = far_boot_id();
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	LOG(LOG_INFO, "ready");
	pfd.fd = f->fd;
	while (!stopped) {
		if (receive(f) > 0)
			continue;
		acknowledge_rest(f);
		poll(&pfd, 1, 1000);
	}
out:
	if (f->fd >= 0)
		close(f->fd);
	for (unsigned int i = 0; i < RUNS; i++)
		run_free(&f->runs[i]);
	free(f);
	return rc;
}
