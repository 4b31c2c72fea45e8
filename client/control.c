// SPDX-License-Identifier: BSD-3-Clause
#include "client/control.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

#define LOG_TYPE "client.control"

#define NB_ASKERS 8
#define LINE_MAX_LEN 32
#define ASK_S 5.0 // for the line to come
#define ANSWER_MAX 2048

struct asker {
	struct control *control;
	int fd;     // -1: free
	bool waits; // for the end
	unsigned int len;
	char line[LINE_MAX_LEN];
	ev_io io;
	ev_timer timer;
};

struct control {
	struct ev_loop *loop;
	const struct control_ops *ops;
	void *user;
	int fd, lock;
	struct sockaddr_un addr;
	ev_io io;
	struct asker askers[NB_ASKERS];
};

static int socket_path(struct sockaddr_un *a, const char *dir, const char *name, const char *end)
{
	int n = snprintf(a->sun_path, sizeof(a->sun_path), "%s/client-%s.%s", dir, name, end);

	a->sun_family = AF_UNIX;
	return n < 0 || (size_t)n >= sizeof(a->sun_path) ? -ENAMETOOLONG : 0;
}

// --- who asks ---

static void dismiss(struct asker *a)
{
	if (a->fd < 0)
		return;
	ev_io_stop(a->control->loop, &a->io);
	ev_timer_stop(a->control->loop, &a->timer);
	close(a->fd);
	a->fd = -1;
}

// A socket that does not take a line at once is one that nobody reads.
static void say(struct asker *a, const char *text)
{
	ssize_t n = send(a->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);

	(void)n;
}

static void answer(struct asker *a)
{
	struct control *c = a->control;
	char text[ANSWER_MAX];

	if (!strcmp(a->line, "status")) {
		c->ops->status(c->user, text, sizeof(text) - 1);
		strcat(text, "\n");
		say(a, text);
		dismiss(a);
	} else if (!strcmp(a->line, "down")) {
		a->waits = true;
		ev_io_stop(c->loop, &a->io);
		ev_timer_stop(c->loop, &a->timer);
		c->ops->down(c->user);
	} else {
		say(a, "unknown\n");
		dismiss(a);
	}
}

static void on_asked(struct ev_loop *loop, ev_io *w, int events)
{
	struct asker *a = w->data;
	ssize_t n = recv(a->fd, a->line + a->len, sizeof(a->line) - a->len, MSG_DONTWAIT);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		dismiss(a);
		return;
	}
	a->len += (unsigned int)n;
	end = memchr(a->line, '\n', a->len);
	if (end) {
		*end = '\0';
		answer(a);
	} else if (a->len == sizeof(a->line)) {
		dismiss(a);
	}
}

static void on_patience(struct ev_loop *loop, ev_timer *t, int events)
{
	dismiss(t->data);
}

static bool may_ask(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static void on_connection(struct ev_loop *loop, ev_io *w, int events)
{
	struct control *c = w->data;
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct asker *a = NULL;

	if (fd < 0)
		return;
	for (unsigned int i = 0; i < NB_ASKERS && !a; i++)
		if (c->askers[i].fd < 0)
			a = &c->askers[i];
	if (!a || !may_ask(fd)) {
		close(fd);
		return;
	}
	a->fd = fd;
	a->len = 0;
	a->waits = false;
	ev_io_init(&a->io, on_asked, fd, EV_READ);
	ev_timer_init(&a->timer, on_patience, ASK_S, 0);
	a->io.data = a->timer.data = a;
	ev_io_start(loop, &a->io);
	ev_timer_start(loop, &a->timer);
}

// --- the connection's end ---

// The lock's file stays: removing it would let two processes have one each.
static int take_lock(const char *dir, const char *name, char *err, size_t cap)
{
	struct sockaddr_un a;
	char pid[16] = "";
	ssize_t n;
	int fd;

	if (socket_path(&a, dir, name, "lock")) {
		snprintf(err, cap, "%s: the name is too long", dir);
		return -ENAMETOOLONG;
	}
	fd = open(a.sun_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		int rc = -errno;

		snprintf(err, cap, "%s: %s", a.sun_path, log_strerror(rc));
		return rc;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		n = read(fd, pid, sizeof(pid) - 1);
		pid[n > 0 ? n : 0] = '\0';
		snprintf(err, cap, "it is dialed already, by process %.*s", (int)strcspn(pid, "\n"),
			pid);
		close(fd);
		return -EBUSY;
	}
	n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) || write(fd, pid, (size_t)n) != n)
		LOG_RATELIMIT(LOG_WARNING, 1, "%s cannot be written", a.sun_path);
	return fd;
}

static int listen_at(const struct sockaddr_un *a, char *err, size_t cap)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc = 0;
	mode_t before = umask(0177);

	// What a crash left: the lock says that nobody listens there.
	unlink(a->sun_path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)a, sizeof(*a)) || listen(fd, NB_ASKERS))
		rc = -errno;
	umask(before);
	if (!rc)
		return fd;
	snprintf(err, cap, "%s: %s", a->sun_path, log_strerror(rc));
	if (fd >= 0)
		close(fd);
	return rc;
}

struct control *control_create(struct ev_loop *loop, const char *dir, const char *name,
	const struct control_ops *ops, void *user, int *error, char *err, size_t cap)
{
	struct control *c = calloc(1, sizeof(*c));

	*error = -ENOMEM;
	snprintf(err, cap, "out of memory");
	if (!c)
		return NULL;
	*c = (struct control){.loop = loop, .ops = ops, .user = user, .fd = -1, .lock = -1};
	for (unsigned int i = 0; i < NB_ASKERS; i++)
		c->askers[i] = (struct asker){.control = c, .fd = -1};
	ev_io_init(&c->io, on_connection, -1, EV_READ);
	mkdir(dir, 0755);
	*error = c->lock = take_lock(dir, name, err, cap);
	if (*error >= 0)
		*error = socket_path(&c->addr, dir, name, "sock");
	if (!*error)
		*error = c->fd = listen_at(&c->addr, err, cap);
	if (*error < 0) {
		control_destroy(c);
		return NULL;
	}
	*error = 0;
	ev_io_set(&c->io, c->fd, EV_READ);
	c->io.data = c;
	ev_io_start(loop, &c->io);
	return c;
}

void control_destroy(struct control *c)
{
	if (!c)
		return;
	ev_io_stop(c->loop, &c->io);
	for (unsigned int i = 0; i < NB_ASKERS; i++) {
		if (c->askers[i].fd >= 0 && c->askers[i].waits)
			say(&c->askers[i], "down\n");
		dismiss(&c->askers[i]);
	}
	if (c->fd >= 0) {
		unlink(c->addr.sun_path);
		close(c->fd);
	}
	if (c->lock >= 0)
		close(c->lock);
	free(c);
}

// --- asking ---

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int read_answer(int fd, unsigned int limit_ms, char *dst, size_t cap)
{
	long long end = now_ms() + limit_ms, left;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t len = 0;
	ssize_t n;

	for (;;) {
		left = end - now_ms();
		if (left <= 0 || (poll(&p, 1, (int)left) == 0))
			return -ETIMEDOUT;
		n = recv(fd, dst + len, cap - 1 - len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		dst[len] = '\0';
		if (!n || len == cap - 1)
			return 0;
	}
}

int control_ask(const char *dir, const char *name, const char *what, unsigned int limit_ms,
	char *dst, size_t cap)
{
	struct sockaddr_un a;
	char line[LINE_MAX_LEN + 1];
	int n = snprintf(line, sizeof(line), "%s\n", what), fd, rc;

	dst[0] = '\0';
	if (socket_path(&a, dir, name, "sock"))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		rc = errno == ECONNREFUSED ? -ENOENT : -errno; // left by a crash
	else if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		rc = -EPIPE;
	else
		rc = read_answer(fd, limit_ms, dst, cap);
	close(fd);
	return rc;
}
