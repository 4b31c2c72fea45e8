// SPDX-License-Identifier: BSD-3-Clause
#include "bench/sockets/cpu.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t now_tsc(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	return 0;
#endif
}

// The first line of a file, or more of it. 0 or -errno.
static int read_file(const char *path, char *buf, size_t cap)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return errno == ENOENT ? -ESRCH : -errno;
	n = fread(buf, 1, cap - 1, f);
	buf[n] = '\0';
	fclose(f);
	return n ? 0 : -ESRCH;
}

int cpu_parse_stat(const char *line, uint64_t *utime, uint64_t *stime)
{
	const char *at = strrchr(line, ')');

	// Behind the name: state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt.
	if (!at ||
		sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
			utime, stime) != 2)
		return -EBADMSG;
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct cpu_thread *x = a, *y = b;

	return x->run_ns < y->run_ns ? 1 : x->run_ns > y->run_ns ? -1 : 0;
}

static void add_thread(struct cpu_sample *s, pid_t pid, pid_t tid)
{
	struct cpu_thread *t = &s->thread[s->nb_threads];
	char path[80], buf[80];

	if (s->nb_threads == CPU_MAX_THREADS) {
		// Those with the least give way: the last one, kept in order.
		qsort(s->thread, s->nb_threads, sizeof(*t), by_time);
		t = &s->thread[--s->nb_threads];
	}
	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", pid, tid);
	if (read_file(path, buf, sizeof(buf)) || sscanf(buf, "%" SCNu64, &t->run_ns) != 1)
		return;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", pid, tid);
	if (read_file(path, buf, sizeof(buf)))
		return;
	buf[strcspn(buf, "\n")] = '\0';
	snprintf(t->name, sizeof(t->name), "%.15s", buf);
	t->tid = tid;
	s->nb_threads++;
}

static void add_threads(struct cpu_sample *s, pid_t pid)
{
	struct dirent *d;
	char path[40];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((d = readdir(dir)))
		if (d->d_name[0] != '.')
			add_thread(s, pid, (pid_t)strtol(d->d_name, NULL, 10));
	closedir(dir);
}

static int add_process(struct cpu_sample *s, pid_t pid)
{
	double tick = (double)sysconf(_SC_CLK_TCK);
	uint64_t utime, stime;
	char path[40], buf[1024];
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	rc = read_file(path, buf, sizeof(buf));
	if (rc)
		return rc;
	rc = cpu_parse_stat(buf, &utime, &stime);
	if (rc)
		return rc;
	s->user_s += (double)utime / tick;
	s->system_s += (double)stime / tick;
	add_threads(s, pid);
	return 0;
}

static int add_machine(struct cpu_sample *s)
{
	double tick = (double)sysconf(_SC_CLK_TCK);
	uint64_t v[8] = {0};
	char buf[512];
	int rc = read_file("/proc/stat", buf, sizeof(buf));

	if (rc)
		return rc;
	if (sscanf(buf,
		    "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		    " %" SCNu64 " %" SCNu64,
		    &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) < 7)
		return -EBADMSG;
	s->all_user_s = (double)(v[0] + v[1]) / tick;
	s->all_system_s = (double)v[2] / tick;
	s->all_idle_s = (double)(v[3] + v[4]) / tick;
	s->all_irq_s = (double)v[5] / tick;
	s->all_softirq_s = (double)v[6] / tick;
	s->all_steal_s = (double)v[7] / tick;
	return 0;
}

int cpu_sample(const pid_t *pid, unsigned int n, struct cpu_sample *s)
{
	int rc;

	memset(s, 0, sizeof(*s));
	s->at_ns = now_ns();
	s->tsc = now_tsc();
	for (unsigned int i = 0; i < n; i++) {
		rc = add_process(s, pid[i]);
		if (rc)
			return rc;
	}
	return add_machine(s);
}

static uint64_t thread_before(const struct cpu_sample *s, pid_t tid)
{
	for (unsigned int i = 0; i < s->nb_threads; i++)
		if (s->thread[i].tid == tid)
			return s->thread[i].run_ns;
	return 0;
}

void cpu_between(const struct cpu_sample *from, const struct cpu_sample *to, struct cpu_sample *use)
{
	*use = *to;
	use->at_ns -= from->at_ns;
	use->tsc -= from->tsc;
	use->user_s -= from->user_s;
	use->system_s -= from->system_s;
	use->all_user_s -= from->all_user_s;
	use->all_system_s -= from->all_system_s;
	use->all_irq_s -= from->all_irq_s;
	use->all_softirq_s -= from->all_softirq_s;
	use->all_steal_s -= from->all_steal_s;
	use->all_idle_s -= from->all_idle_s;
	for (unsigned int i = 0; i < use->nb_threads; i++)
		use->thread[i].run_ns -= thread_before(from, use->thread[i].tid);
	qsort(use->thread, use->nb_threads, sizeof(use->thread[0]), by_time);
}

double cpu_tsc_hz(const struct cpu_sample *use)
{
	return use->at_ns ? (double)use->tsc / ((double)use->at_ns / 1e9) : 0;
}
