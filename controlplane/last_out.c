// SPDX-License-Identifier: BSD-3-Clause
#define LOG_TYPE "cp.last-out"
#include "controlplane/last_out.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/affinity.h"
#include "base/log.h"

#define FILE_NAME "last-logged-out"
#define INTERVAL_S 10 // between two writings
#define LINE_CAP 2048

struct last_out {
	const struct config *conf;
	char path[PATH_MAX], temp[PATH_MAX + 8];
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;                // under the lock
	atomic_bool dirty;        // cp: set, with release; thread: taken, with acquire
	_Atomic int64_t *seconds; // [conf->nb_secrets]; cp: rw, thread: ro
};

static long index_of(const struct last_out *lo, const char *name)
{
	const struct config_secret *s = config_secret(lo->conf, name);

	return s ? (long)(s - lo->conf->secrets) : -1;
}

time_t last_out_get(const struct last_out *lo, const char *name)
{
	long i = index_of(lo, name);

	return i < 0 ? 0 : (time_t)atomic_load_explicit(&lo->seconds[i], memory_order_relaxed);
}

void last_out_set(struct last_out *lo, const char *name, time_t when)
{
	long i = index_of(lo, name);

	if (i < 0)
		return;
	atomic_store_explicit(&lo->seconds[i], when, memory_order_relaxed);
	if (atomic_exchange_explicit(&lo->dirty, true, memory_order_release))
		return;
	pthread_mutex_lock(&lo->lock);
	pthread_cond_signal(&lo->wake);
	pthread_mutex_unlock(&lo->lock);
}

// -- the file: "SECONDS NAME", a line each; what would break a line is %XX in a name --

static void put_name(FILE *f, const char *name)
{
	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;

		if (c < ' ' || c == '%' || c == 0x7f)
			fprintf(f, "%%%02X", c);
		else
			putc(c, f);
	}
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// In place. False: not made by put_name().
static bool get_name(char *name)
{
	char *to = name;

	for (; *name; name++, to++) {
		*to = *name;
		if (*name != '%')
			continue;
		if (hex(name[1]) < 0 || hex(name[2]) < 0)
			return false;
		*to = (char)(hex(name[1]) << 4 | hex(name[2]));
		name += 2;
	}
	*to = '\0';
	return true;
}

static bool read_line(struct last_out *lo, char *line)
{
	char *end;
	long long seconds;
	long i;

	line[strcspn(line, "\n")] = '\0';
	if (!*line || *line == '#')
		return true;
	errno = 0;
	seconds = strtoll(line, &end, 10);
	if (errno || end == line || *end != ' ' || seconds <= 0 || !get_name(end + 1))
		return false;
	i = index_of(lo, end + 1);
	if (i >= 0)
		atomic_store_explicit(&lo->seconds[i], seconds, memory_order_relaxed);
	return true;
}

static int read_file(struct last_out *lo)
{
	FILE *f = fopen(lo->path, "re");
	unsigned int n = 0, bad = 0;
	char line[LINE_CAP];
	int rc;

	if (!f)
		return errno == ENOENT ? 0 : -errno;
	while (fgets(line, sizeof(line), f)) {
		n++;
		bad += !read_line(lo, line);
	}
	rc = ferror(f) ? -EIO : 0;
	fclose(f);
	if (bad)
		LOG(LOG_WARNING, "%s: %u of %u lines cannot be read", lo->path, bad, n);
	return rc;
}

static int write_all(const struct last_out *lo, FILE *f)
{
	fputs("# culvertd: when users logged out last (seconds since 1970, name)\n", f);
	for (unsigned int i = 0; i < lo->conf->nb_secrets; i++) {
		long long t = atomic_load_explicit(&lo->seconds[i], memory_order_relaxed);

		if (!t)
			continue;
		fprintf(f, "%lld ", t);
		put_name(f, lo->conf->secrets[i].name);
		putc('\n', f);
	}
	return fflush(f) || ferror(f) || fsync(fileno(f)) ? -(errno ? errno : EIO) : 0;
}

// Beside it, then in its place: a reader finds one or the other, whole.
static int write_file(const struct last_out *lo)
{
	int fd = open(lo->temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	int rc = f ? 0 : -errno;

	if (!f) {
		if (fd >= 0)
			close(fd);
		return rc;
	}
	rc = write_all(lo, f);
	if (fclose(f) && !rc)
		rc = -errno;
	if (!rc && rename(lo->temp, lo->path))
		rc = -errno;
	if (rc)
		unlink(lo->temp);
	return rc;
}

// -- the thread --

static void write_if_dirty(struct last_out *lo)
{
	int rc;

	if (!atomic_exchange_explicit(&lo->dirty, false, memory_order_acquire))
		return;
	rc = write_file(lo);
	if (!rc)
		return;
	LOG(LOG_ERR, "%s cannot be written: %s", lo->path, log_strerror(rc));
	atomic_store_explicit(&lo->dirty, true, memory_order_relaxed); // again, later
}

static void *thread_main(void *arg)
{
	struct last_out *lo = arg;
	struct timespec ts;
	bool stop;

	pthread_setname_np(pthread_self(), "last-out");
	affinity_join_helpers();
	do {
		pthread_mutex_lock(&lo->lock);
		while (!lo->stop && !atomic_load_explicit(&lo->dirty, memory_order_relaxed))
			pthread_cond_wait(&lo->wake, &lo->lock);
		stop = lo->stop;
		pthread_mutex_unlock(&lo->lock);
		write_if_dirty(lo);
		clock_gettime(CLOCK_MONOTONIC, &ts);
		ts.tv_sec += INTERVAL_S;
		pthread_mutex_lock(&lo->lock);
		while (!lo->stop && pthread_cond_timedwait(&lo->wake, &lo->lock, &ts) != ETIMEDOUT)
			;
		pthread_mutex_unlock(&lo->lock);
	} while (!stop);
	return NULL;
}

static int thread_start(struct last_out *lo)
{
	pthread_condattr_t attr;
	sigset_t all, old;
	int rc;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&lo->lock, NULL);
	pthread_cond_init(&lo->wake, &attr);
	pthread_condattr_destroy(&attr);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&lo->thread, NULL, thread_main, lo);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -rc;
}

struct last_out *last_out_open(const struct config *c, char *err, size_t cap)
{
	struct last_out *lo = calloc(1, sizeof(*lo));
	int rc = -ENOMEM;

	if (!lo)
		goto fail;
	lo->conf = c;
	lo->seconds = calloc(c->nb_secrets + 1, sizeof(*lo->seconds));
	if (!lo->seconds)
		goto fail;
	rc = -ENAMETOOLONG;
	if ((size_t)snprintf(lo->path, sizeof(lo->path), "%s/%s", c->state_dir, FILE_NAME) >=
		sizeof(lo->path))
		goto fail;
	snprintf(lo->temp, sizeof(lo->temp), "%s.new", lo->path);
	rc = read_file(lo);
	// So that a directory that cannot be written in shows now and not at the first log-out.
	if (!rc)
		rc = write_file(lo);
	if (!rc)
		rc = thread_start(lo);
	if (!rc)
		return lo;
fail:
	snprintf(err, cap, "state-dir: %s/%s: %s", c->state_dir, FILE_NAME, log_strerror(rc));
	if (lo)
		free(lo->seconds);
	free(lo);
	return NULL;
}

void last_out_close(struct last_out *lo)
{
	if (!lo)
		return;
	pthread_mutex_lock(&lo->lock);
	lo->stop = true;
	pthread_cond_signal(&lo->wake);
	pthread_mutex_unlock(&lo->lock);
	pthread_join(lo->thread, NULL);
	pthread_cond_destroy(&lo->wake);
	pthread_mutex_destroy(&lo->lock);
	free(lo->seconds);
	free(lo);
}
