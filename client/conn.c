// SPDX-License-Identifier: BSD-3-Clause
#include "client/conn.h"

#include <errno.h>
#include <ev.h>
#include <linux/sockios.h>
#include <linux/tcp.h> // tcp_info with the delivery rate
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"
#include "client/flight.h"

#define LOG_TYPE "client.conn"

#define READ_SIZE 65536
#define READS_PER_EVENT 4
#define LINGER_MS 2000
#define NOTSENT_LOWAT 65536
#define SHORT_EVERY_MS 10
#define ANSWERS_MAX 262144 // bytes: more is not read from a server that does not read

// What goes on in front of the call.
struct proxying {
	unsigned int out_len, out_sent, in_len;
	char out[PROXY_REQUEST_MAX], in[PROXY_ANSWER_MAX];
};

struct conn {
	struct ev_loop *loop;
	const struct conn_ops *ops;
	void *user;
	int fd;
	bool connected, inited, waits, closed, keep_short;
	bool full;            // as much as the path holds is on its way
	struct flight flight; // with keep_short
	uint32_t lowat;       // TCP_NOTSENT_LOWAT as it is set
	uint64_t tuned_ms;    // when these were last looked at
	char congestion[16];  // before it was changed to BBR
	ev_io rio, wio;
	ev_timer timer;
	uint64_t armed_ms;      // when the timer fires, 0: not running
	uint64_t limit_ms;      // TCP connect, or lingering, ends
	struct proxying *proxy; // NULL: none, or done with
	struct call_conf conf;
	struct call call;
};

uint64_t conn_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

const struct call *conn_call(const struct conn *k)
{
	return &k->call;
}

int conn_fd(const struct conn *k)
{
	return k->fd;
}

static void close_socket(struct conn *k)
{
	ev_io_stop(k->loop, &k->rio);
	ev_io_stop(k->loop, &k->wio);
	ev_timer_stop(k->loop, &k->timer);
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
}

static void finish(struct conn *k)
{
	if (k->closed)
		return;
	close_socket(k);
	k->closed = true;
	k->ops->closed(k->user, k->call.end, call_reason(&k->call));
}

// Fire no later than at_ms; an earlier one that is running is good enough.
static void arm(struct conn *k, uint64_t at_ms)
{
	uint64_t now = conn_now_ms();
	double in_s;

	if (!at_ms || (k->armed_ms && k->armed_ms <= at_ms))
		return;
	in_s = at_ms > now ? (double)(at_ms - now) / 1000 : 0.001;
	ev_timer_stop(k->loop, &k->timer);
	ev_timer_set(&k->timer, in_s, 0);
	ev_timer_start(k->loop, &k->timer);
	k->armed_ms = at_ms;
}

// Of n bytes, how many the socket may have now. TCP_NOTSENT_LOWAT alone does not see to what is
// unsent: the kernel fills up a last segment of up to 64 KiB.
static size_t short_room(struct conn *k, size_t n)
{
	int notsent, unacked;

	if (!k->keep_short || ioctl(k->fd, SIOCOUTQNSD, &notsent) || notsent < 0 ||
		ioctl(k->fd, SIOCOUTQ, &unacked) || unacked < 0)
		return n;
	return flight_room(&k->flight, n, (uint32_t)notsent, (uint32_t)unacked, &k->full);
}

static void write_out(struct conn *k)
{
	const uint8_t *p;
	ssize_t done;
	size_t n;

	for (p = call_output(&k->call, &n); n; p = call_output(&k->call, &n)) {
		n = short_room(k, n);
		if (!n) {
			// Nobody says when an ACK came.
			if (k->full)
				arm(k, conn_now_ms() + 1);
			return;
		}
		done = send(k->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (done < 0) {
			// What the peer still said may explain it: the reader will find the end.
			if (k->call.phase == CALL_PHASE_CLOSED || errno != EPIPE)
				call_stream_end(&k->call, errno, conn_now_ms());
			call_output_done(&k->call, n);
			return;
		}
		call_output_done(&k->call, (size_t)done);
	}
}

static bool has_own_pace(const struct conn *k)
{
	char cc[16] = "";
	socklen_t len = sizeof(cc);

	return !getsockopt(k->fd, IPPROTO_TCP, TCP_CONGESTION, cc, &len) && !strncmp(cc, "bbr", 3);
}

static void change_to_bbr(struct conn *k)
{
	socklen_t len = sizeof(k->congestion) - 1;

	if (getsockopt(k->fd, IPPROTO_TCP, TCP_CONGESTION, k->congestion, &len) ||
		conn_set_congestion(k, "bbr"))
		return;
	LOG(LOG_INFO, "the line loses segments: bbr from now on");
	flight_is_bbr(&k->flight);
}

static void change_back(struct conn *k)
{
	if (!conn_set_congestion(k, k->congestion))
		LOG(LOG_INFO, "the line loses no segments any more: %s again", k->congestion);
}

static void set_lowat(struct conn *k, uint32_t n)
{
	if (n < k->lowat + k->lowat / 4 && n > k->lowat - k->lowat / 4)
		return;
	if (setsockopt(k->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &n, sizeof(n)))
		return;
	k->lowat = n;
	k->conf.backlog_max = k->call.conf.backlog_max = n / 2;
}

static void tune(struct conn *k)
{
	uint64_t now = conn_now_ms();
	struct flight_sample s;
	struct tcp_info i = {0};
	socklen_t len = sizeof(i);

	if (now - k->tuned_ms < SHORT_EVERY_MS)
		return;
	k->tuned_ms = now;
	if (getsockopt(k->fd, IPPROTO_TCP, TCP_INFO, &i, &len))
		return;
	s = (struct flight_sample){
		.rate = i.tcpi_delivery_rate,
		.sent = i.tcpi_bytes_sent,
		.again = i.tcpi_bytes_retrans,
		.min_rtt_us = i.tcpi_min_rtt,
		.rtt_us = i.tcpi_rtt,
		.cwnd = i.tcpi_snd_cwnd * i.tcpi_snd_mss,
		.mss = i.tcpi_snd_mss,
	};
	switch (flight_update(&k->flight, &s, now)) {
	case FLIGHT_TO_BBR:
		change_to_bbr(k);
		break;
	case FLIGHT_BACK:
		change_back(k);
		break;
	case FLIGHT_STAY:
		break;
	}
	set_lowat(k, k->flight.unsent);
}

void conn_keep_short(struct conn *k, bool may_change)
{
	// BBR keeps the queue at the bottleneck short by itself.
	flight_init(&k->flight, NOTSENT_LOWAT, has_own_pace(k), may_change);
	k->keep_short = true;
	k->lowat = NOTSENT_LOWAT;
	call_tls_keep_buffers(&k->call.tls);
	tune(k);
}

int conn_set_congestion(struct conn *k, const char *name)
{
	if (setsockopt(k->fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)))
		return -errno;
	return 0;
}

// After every event: bytes out, watchers and timer as they are needed now. Returns false when the
// connection is gone.
static bool settle(struct conn *k)
{
	size_t left;

	if (k->closed)
		return false;
	if (k->inited)
		write_out(k);
	call_output(&k->call, &left);
	if (k->call.phase == CALL_PHASE_CLOSED && (!left || !k->inited)) {
		finish(k);
		return false;
	}
	if (k->call.phase == CALL_PHASE_CLOSED && !k->limit_ms)
		k->limit_ms = conn_now_ms() + LINGER_MS;
	if ((left && !k->full) || !k->connected ||
		(k->proxy && k->proxy->out_sent < k->proxy->out_len))
		ev_io_start(k->loop, &k->wio);
	else
		ev_io_stop(k->loop, &k->wio);
	if (left > ANSWERS_MAX || k->call.phase == CALL_PHASE_CLOSED)
		ev_io_stop(k->loop, &k->rio);
	else if (k->connected)
		ev_io_start(k->loop, &k->rio);
	arm(k, k->limit_ms ? k->limit_ms : k->inited ? call_deadline(&k->call) : 0);
	if (k->waits && left < k->conf.backlog_max / 2 && k->call.phase == CALL_PHASE_UP) {
		k->waits = false;
		if (k->ops->writable)
			k->ops->writable(k->user);
	}
	return true;
}

// --- a proxy ---

int conn_via_proxy(struct conn *k, const struct proxy_conf *p)
{
	int n;

	k->proxy = calloc(1, sizeof(*k->proxy));
	if (!k->proxy)
		return -ENOMEM;
	n = proxy_format_request(k->proxy->out, sizeof(k->proxy->out), p);
	k->proxy->out_len = n > 0 ? (unsigned int)n : 0;
	return n < 0 ? n : 0;
}

static void proxy_free(struct conn *k)
{
	if (k->proxy)
		secret_wipe(k->proxy, sizeof(*k->proxy));
	free(k->proxy);
	k->proxy = NULL;
}

static void proxy_write(struct conn *k)
{
	struct proxying *x = k->proxy;
	ssize_t n;

	n = send(
		k->fd, x->out + x->out_sent, x->out_len - x->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0)
		x->out_sent += (unsigned int)n;
	else if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		call_fail(&k->call, CALL_END_PROXY, "proxy: %s", log_strerror(errno));
}

static void proxy_refused(struct conn *k, const struct proxy_answer *a)
{
	char reason[200];

	log_quote(reason, sizeof(reason), a->reason, strlen(a->reason));
	call_fail(&k->call, CALL_END_PROXY, "proxy: it answered with status %u%s%s", a->status,
		a->reason[0] ? " " : "", a->reason[0] ? reason : "");
	// RFC 9110 15.5.8: who is asking is what it does not like. tinyproxy says 401 of a wrong
	// password.
	k->call.refused = a->status == 407 || a->status == 401;
}

static void start_call(struct conn *k);

// The answer is there: what follows it is the server's.
static void proxy_done(struct conn *k, size_t header)
{
	struct proxying *x = k->proxy;
	size_t rest = x->in_len - header;

	k->limit_ms = 0;
	k->proxy = NULL;
	start_call(k);
	if (k->inited && rest)
		call_input(&k->call, x->in + header, rest, conn_now_ms());
	k->proxy = x;
	proxy_free(k);
}

static void proxy_read(struct conn *k)
{
	struct proxying *x = k->proxy;
	struct proxy_answer a;
	ssize_t n = recv(k->fd, x->in + x->in_len, sizeof(x->in) - x->in_len, MSG_DONTWAIT);
	int rc;

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0) {
		call_fail(&k->call, CALL_END_PROXY, "proxy: %s",
			n < 0 ? log_strerror(errno) : "it closed the connection");
		return;
	}
	x->in_len += (unsigned int)n;
	rc = proxy_answer_parse(x->in, x->in_len, &a);
	if (rc < 0)
		call_fail(&k->call, CALL_END_PROXY, "proxy: it does not answer as one");
	else if (rc > 0 && a.status / 100 != 2)
		proxy_refused(k, &a);
	else if (rc > 0)
		proxy_done(k, (size_t)rc);
}

// --- events ---

static void start_call(struct conn *k)
{
	if (k->conf.stall == CALL_STALL_TCP)
		return;
	if (call_init(&k->call, &k->conf, k->call.ops, k, conn_now_ms())) {
		call_fail(&k->call, CALL_END_LOCAL, "TLS: out of memory");
		return;
	}
	k->inited = true;
	if (k->conf.stall == CALL_STALL_CLIENT_HELLO)
		k->call.tls.out.len /= 2;
}

static void on_connected(struct conn *k)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(k->fd, SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	k->connected = true;
	k->limit_ms = 0;
	if (error) {
		call_fail(&k->call, CALL_END_TCP, "TCP: %s", log_strerror(error));
		return;
	}
	if (k->proxy)
		k->limit_ms = conn_now_ms() + k->conf.setup_ms;
	else
		start_call(k);
}

static void on_writable(struct ev_loop *loop, ev_io *w, int events)
{
	struct conn *k = w->data;

	if (!k->connected && k->call.phase != CALL_PHASE_CLOSED)
		on_connected(k);
	if (k->proxy && k->connected && k->call.phase != CALL_PHASE_CLOSED)
		proxy_write(k);
	settle(k);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	static uint8_t buf[READ_SIZE]; // the loop's thread, used up before return
	struct conn *k = w->data;
	ssize_t n;

	if (k->proxy) {
		proxy_read(k);
		settle(k);
		return;
	}
	for (unsigned int i = 0; i < READS_PER_EVENT && !k->closed; i++) {
		n = recv(k->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			break;
		if (!k->inited) { // it was to stop after TCP
			call_fail(&k->call, CALL_END_LOST, "%s",
				n < 0 ? log_strerror(errno) : "the server closed the connection");
			break;
		}
		if (n <= 0) {
			call_stream_end(&k->call, n ? errno : 0, conn_now_ms());
			break;
		}
		call_input(&k->call, buf, (size_t)n, conn_now_ms());
		if ((size_t)n < sizeof(buf) || k->call.phase == CALL_PHASE_CLOSED)
			break;
	}
	settle(k);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	struct conn *k = w->data;
	uint64_t now = conn_now_ms();
	size_t left;

	k->armed_ms = 0;
	if (k->limit_ms && now >= k->limit_ms) {
		if (k->proxy && k->connected)
			call_fail(&k->call, CALL_END_PROXY, "proxy: it does not answer");
		else
			call_fail(&k->call, CALL_END_TCP, "TCP: %s", log_strerror(ETIMEDOUT));
		if (k->inited) {
			call_output(&k->call, &left);
			call_output_done(&k->call, left);
		}
	} else if (k->inited) {
		call_tick(&k->call, now);
	}
	settle(k);
}

static void on_up(void *user, const struct call_info *info)
{
	struct conn *k = user;

	k->ops->up(k->user, info);
}

static void on_more(void *user, const struct call_info *info)
{
	struct conn *k = user;

	if (k->ops->more)
		k->ops->more(k->user, info);
}

static void on_packet(void *user, const uint8_t *ip, size_t len)
{
	struct conn *k = user;

	k->ops->packet(k->user, ip, len);
}

static void on_packets_end(void *user)
{
	struct conn *k = user;

	if (k->ops->packets_end)
		k->ops->packets_end(k->user);
}

static void on_closed(void *user, enum call_end why)
{
	// settle() sees the phase.
}

static const struct call_ops call_ops = {
	.up = on_up,
	.more = on_more,
	.packet = on_packet,
	.packets_end = on_packets_end,
	.closed = on_closed,
};

static int dial(struct conn *k, const struct sockaddr *addr, socklen_t addr_len)
{
	int one = 1, lowat = NOTSENT_LOWAT;

	k->fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (k->fd < 0)
		return -errno;
	setsockopt(k->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(k->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
	if (connect(k->fd, addr, addr_len) && errno != EINPROGRESS)
		call_fail(&k->call, CALL_END_TCP, "TCP: %s", log_strerror(errno));
	return 0;
}

struct conn *conn_create(struct ev_loop *loop, const struct sockaddr *addr, socklen_t addr_len,
	uint32_t connect_ms, const struct call_conf *conf, const struct conn_ops *ops, void *user)
{
	struct conn *k = calloc(1, sizeof(*k));
	int rc;

	if (!k)
		return NULL;
	k->loop = loop;
	k->ops = ops;
	k->user = user;
	k->conf = *conf;
	k->call.ops = &call_ops;
	rc = dial(k, addr, addr_len);
	if (rc) {
		free(k);
		errno = -rc;
		return NULL;
	}
	ev_io_init(&k->rio, on_readable, k->fd, EV_READ);
	ev_io_init(&k->wio, on_writable, k->fd, EV_WRITE);
	ev_timer_init(&k->timer, on_timer, 0, 0);
	k->rio.data = k->wio.data = k->timer.data = k;
	k->limit_ms = conn_now_ms() + connect_ms;
	// A connect() that failed at once is reported from the loop as well.
	ev_io_start(loop, &k->wio);
	arm(k, k->call.phase == CALL_PHASE_CLOSED ? conn_now_ms() : k->limit_ms);
	return k;
}

void conn_destroy(struct conn *k)
{
	if (!k)
		return;
	close_socket(k);
	if (k->inited)
		call_free(&k->call);
	proxy_free(k);
	free(k);
}

int conn_send_ip(struct conn *k, const void *ip, size_t len)
{
	int rc = call_send_ip(&k->call, ip, len);

	k->waits = k->waits || rc == -EAGAIN;
	return rc;
}

int conn_begin_ip(struct conn *k, uint8_t version, size_t len, uint8_t **at)
{
	int rc = call_begin_ip(&k->call, version, len, at);

	k->waits = k->waits || rc == -EAGAIN;
	return rc;
}

// From the loop, so that nothing is called back from inside a caller's own callback.
static void settle_soon(struct conn *k)
{
	if (k->closed)
		return;
	k->armed_ms = 0;
	arm(k, conn_now_ms());
}

void conn_seal(struct conn *k)
{
	if (k->inited && !k->closed)
		call_flush(&k->call);
}

size_t conn_flush(struct conn *k)
{
	size_t left;

	if (!k->inited || k->closed)
		return 0;
	if (k->keep_short)
		tune(k);
	call_flush(&k->call);
	write_out(k);
	call_output(&k->call, &left);
	if (left && !k->full)
		ev_io_start(k->loop, &k->wio);
	else
		ev_io_stop(k->loop, &k->wio);
	if (k->call.phase == CALL_PHASE_CLOSED)
		settle_soon(k);
	return left;
}

void conn_hangup(struct conn *k)
{
	if (k->closed)
		return;
	if (k->inited)
		call_hangup(&k->call, conn_now_ms());
	else
		call_fail(&k->call, CALL_END_HANGUP, "hung up");
	settle_soon(k);
}

void conn_fail(struct conn *k, enum call_end why, const char *reason)
{
	if (k->closed)
		return;
	if (k->inited)
		call_hangup_because(&k->call, why, reason, conn_now_ms());
	else
		call_fail(&k->call, why, "%s", reason);
	settle_soon(k);
}
