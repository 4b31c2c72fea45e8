// SPDX-License-Identifier: BSD-3-Clause
#include "bench/plain/stream.h"
#include "bench/plain/pace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/log.h"

#define LOG_TYPE "plain"
#define CIPHER "TLS_AES_256_GCM_SHA384"
#define READ_BUFFER 65536 // one recv() brings many records
#define LOOK_EVERY 32     // records between two looks at the clock

// What a client asks for first.
struct request {
	uint8_t up;
	uint8_t unused;
	uint16_t record;  // network byte order
	uint32_t kbyte_s; // as well; 0: as fast as it goes
};

static uint8_t buf[STREAM_RECORD_MAX];

static int fail(const char *what)
{
	unsigned long e = ERR_peek_last_error();
	int rc = errno ? -errno : -EIO;

	LOG(LOG_ERR, "%s: %s", what, e ? ERR_reason_error_string(e) : log_strerror(rc));
	return rc;
}

static SSL_CTX *make_context(const struct stream_conf *conf)
{
	SSL_CTX *ctx = SSL_CTX_new(conf->certificate ? TLS_server_method() : TLS_client_method());

	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
		!SSL_CTX_set_ciphersuites(ctx, CIPHER) ||
		(conf->certificate &&
			(SSL_CTX_use_certificate_chain_file(ctx, conf->certificate) != 1 ||
				SSL_CTX_use_PrivateKey_file(
					ctx, conf->certificate, SSL_FILETYPE_PEM) != 1))) {
		fail("TLS");
		SSL_CTX_free(ctx);
		return NULL;
	}
	// The best that OpenSSL does by itself: without it each record takes two recv().
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_BUFFER);
	SSL_CTX_set_num_tickets(ctx, 0);
	return ctx;
}

static int make_socket(const struct stream_conf *conf)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *a;
	int fd, one = 1;

	if (getaddrinfo(conf->address, conf->port, &hints, &a))
		return -EINVAL;
	fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (conf->congestion &&
			setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, conf->congestion,
				(socklen_t)strlen(conf->congestion)))
			LOG_ERRNO(LOG_WARNING, errno, "%s", conf->congestion);
		if (conf->certificate ? bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 16)
				      : connect(fd, a->ai_addr, a->ai_addrlen)) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(a);
	return fd < 0 ? -errno : fd;
}

static double clock_s(clockid_t id)
{
	struct timespec ts;

	return clock_gettime(id, &ts) ? 0 : (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

// In front of each record.
static void wait_turn(struct pace *p, unsigned int bytes)
{
	double until;
	struct timespec ts;

	if (!pace_is_look(p, bytes))
		return;
	until = pace_until(p, clock_s(CLOCK_MONOTONIC));
	if (until <= 0)
		return;
	ts.tv_sec = (time_t)until;
	ts.tv_nsec = (long)((until - (double)ts.tv_sec) * 1e9);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

// One way or the other until the peer goes.
static void serve_one(SSL *ssl)
{
	struct pace pace = {0};
	struct request q;
	int n = SSL_accept(ssl) == 1 ? SSL_read(ssl, &q, sizeof(q)) : 0;
	unsigned int record;

	if (n != sizeof(q))
		return;
	record = ntohs(q.record);
	if (!record || record > sizeof(buf))
		return;
	pace.bytes_s = ntohl(q.kbyte_s) * 1e3;
	while (n > 0) {
		if (!q.up)
			wait_turn(&pace, record);
		n = q.up ? SSL_read(ssl, buf, sizeof(buf)) : SSL_write(ssl, buf, (int)record);
	}
}

int stream_serve(const struct stream_conf *conf)
{
	SSL_CTX *ctx = make_context(conf);
	int fd = ctx ? make_socket(conf) : -1, one;
	SSL *ssl;

	signal(SIGPIPE, SIG_IGN);
	if (fd < 0) {
		if (ctx)
			LOG_ERRNO(LOG_ERR, fd, "%s", conf->address);
		SSL_CTX_free(ctx);
		return EXIT_FAILURE;
	}
	LOG(LOG_NOTICE, "listening");
	while ((one = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		ssl = SSL_new(ctx);
		if (ssl && SSL_set_fd(ssl, one))
			serve_one(ssl);
		SSL_free(ssl);
		ERR_clear_error();
		close(one);
	}
	close(fd);
	SSL_CTX_free(ctx);
	return EXIT_FAILURE;
}

// --- the client ---

static struct stream_window now(const struct stream_conf *conf, uint64_t bytes)
{
	struct stream_window w = {.wall_s = clock_s(CLOCK_MONOTONIC),
		.cpu_s = clock_s(CLOCK_PROCESS_CPUTIME_ID),
		.bytes = bytes};
	clockid_t id;

	for (unsigned int i = 0; i < conf->nb_also; i++)
		if (!clock_getcpuclockid(conf->also[i], &id))
			w.also_s += clock_s(id);
	return w;
}

static struct stream_window difference(
	const struct stream_window *from, const struct stream_window *to)
{
	return (struct stream_window){.wall_s = to->wall_s - from->wall_s,
		.cpu_s = to->cpu_s - from->cpu_s,
		.also_s = to->also_s - from->also_s,
		.bytes = to->bytes - from->bytes};
}

static int run(const struct stream_conf *conf, SSL *ssl, struct stream_window *windows)
{
	double end = clock_s(CLOCK_MONOTONIC) + conf->warmup_s;
	struct pace pace = {.bytes_s = conf->up ? conf->rate : 0};
	struct stream_window from = {0}, to;
	uint64_t bytes = 0;
	unsigned int at = 0;
	int n;

	for (;;) {
		for (unsigned int i = 0; i < LOOK_EVERY; i++) {
			wait_turn(&pace, conf->record);
			n = conf->up ? SSL_write(ssl, buf, (int)conf->record)
				     : SSL_read(ssl, buf, sizeof(buf));
			if (n <= 0)
				return fail("connection");
			bytes += (unsigned int)n;
		}
		if (clock_s(CLOCK_MONOTONIC) < end)
			continue;
		to = now(conf, bytes);
		if (at)
			windows[at - 1] = difference(&from, &to);
		if (at++ == conf->windows)
			return 0;
		from = to;
		end = from.wall_s + conf->window_s;
	}
}

int stream_measure(const struct stream_conf *conf, struct stream_window *windows)
{
	const struct request q = {.up = conf->up,
		.record = htons((uint16_t)conf->record),
		.kbyte_s = htonl((uint32_t)(conf->rate / 1e3))};
	SSL_CTX *ctx = make_context(conf);
	int fd, rc = -ENOMEM;
	SSL *ssl = NULL;

	if (!ctx)
		return rc;
	signal(SIGPIPE, SIG_IGN);
	fd = make_socket(conf);
	if (fd < 0) {
		LOG_ERRNO(LOG_ERR, fd, "%s", conf->address);
		SSL_CTX_free(ctx);
		return fd;
	}
	errno = 0;
	ssl = SSL_new(ctx);
	if (!ssl || !SSL_set_fd(ssl, fd) || SSL_connect(ssl) != 1 ||
		SSL_write(ssl, &q, sizeof(q)) != sizeof(q))
		rc = fail("TLS");
	else
		rc = run(conf, ssl, windows);
	SSL_free(ssl);
	close(fd);
	SSL_CTX_free(ctx);
	return rc;
}
