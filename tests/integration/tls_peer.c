// SPDX-License-Identifier: BSD-3-Clause
// TLS as culvertd does it, on ordinary sockets: tls_peer PORT FILE... serves each configuration
// file with what culvertd's control plane makes of it, from port PORT on, one port a file. What
// comes after the handshake it echoes in upper case, through OpenSSL's record layer. Says "ready"
// on standard output and runs until it is ended.
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "controlplane/cp_renew.h"
#include "tls/handshake.h"

#define MAX_FILES 256
#define MAX_CONNS 64

struct listener {
	int fd;
	struct tls_ctx *ctx;
};

struct conn {
	int fd;
	struct tls_hs *hs;
	bool done;
};

static struct listener listeners[MAX_FILES];
static struct conn conns[MAX_CONNS];
static unsigned int nb_listeners, nb_conns;

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "tls_peer: %s: %s\n", what, why);
	exit(1);
}

static void listen_on(const char *file, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct listener *l = &listeners[nb_listeners++];
	struct config *c = config_load(file, stderr);
	char err[512] = "";
	int one = 1;

	if (!c)
		fail(file, "not a configuration");
	l->ctx = cp_tls_ctx_create(c, NULL, err, sizeof(err));
	if (!l->ctx)
		fail(file, err);
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
		bind(l->fd, (struct sockaddr *)&a, sizeof(a)) || listen(l->fd, 16))
		fail(file, log_strerror(errno));
	config_free(c);
}

static void drop(struct conn *c)
{
	close(c->fd);
	tls_hs_free(c->hs);
	*c = conns[--nb_conns];
}

static bool flush(struct conn *c)
{
	uint8_t buf[4096];
	size_t n;

	while ((n = tls_hs_output(c->hs, buf, sizeof(buf))))
		if (write(c->fd, buf, n) != (ssize_t)n)
			return false;
	return true;
}

static bool shake(struct conn *c)
{
	enum tls_hs_status st;

	while ((st = tls_hs_step(c->hs)) == TLS_HS_WANT_ASYNC) {
		struct pollfd p = {.fd = tls_hs_async_fd(c->hs), .events = POLLIN};

		poll(&p, 1, -1);
	}
	c->done = st == TLS_HS_DONE;
	return flush(c) && st != TLS_HS_FAILED;
}

static bool echo(struct conn *c)
{
	char buf[4096];
	int n;

	while ((n = tls_hs_read(c->hs, buf, sizeof(buf))) > 0) {
		for (int i = 0; i < n; i++)
			buf[i] = (char)toupper((unsigned char)buf[i]);
		if (tls_hs_write(c->hs, buf, (size_t)n))
			return false;
	}
	if (n < 0)
		tls_hs_close(c->hs);
	return flush(c) && n == 0;
}

static bool serve(struct conn *c)
{
	uint8_t buf[4096];
	ssize_t n = read(c->fd, buf, sizeof(buf));

	if (n <= 0 || tls_hs_feed(c->hs, buf, (size_t)n))
		return false;
	if (!c->done && !shake(c))
		return false;
	return !c->done || echo(c);
}

static void take(struct listener *l)
{
	int fd = accept(l->fd, NULL, NULL);
	struct conn *c = &conns[nb_conns];

	if (fd < 0 || nb_conns == MAX_CONNS) {
		close(fd);
		return;
	}
	*c = (struct conn){.fd = fd, .hs = tls_hs_accept(l->ctx)};
	if (!c->hs)
		fail("handshake", "out of memory");
	nb_conns++;
}

static void turn(void)
{
	struct pollfd p[MAX_FILES + MAX_CONNS];

	for (unsigned int i = 0; i < nb_listeners; i++)
		p[i] = (struct pollfd){.fd = listeners[i].fd, .events = POLLIN};
	for (unsigned int i = 0; i < nb_conns; i++)
		p[nb_listeners + i] = (struct pollfd){.fd = conns[i].fd, .events = POLLIN};
	if (poll(p, nb_listeners + nb_conns, -1) < 0)
		return;
	for (unsigned int i = nb_conns; i-- > 0;)
		if (p[nb_listeners + i].revents && !serve(&conns[i]))
			drop(&conns[i]);
	for (unsigned int i = 0; i < nb_listeners; i++)
		if (p[i].revents)
			take(&listeners[i]);
}

int main(int argc, char **argv)
{
	int port = argc > 1 ? atoi(argv[1]) : 0;

	if (argc < 3 || argc - 2 > MAX_FILES || port < 1)
		fail("usage", "tls_peer PORT FILE...");
	signal(SIGPIPE, SIG_IGN);
	log_set_level("err");
	for (int i = 2; i < argc; i++)
		listen_on(argv[i], (uint16_t)(port + i - 2));
	puts("ready");
	fflush(stdout);
	for (;;)
		turn();
}
