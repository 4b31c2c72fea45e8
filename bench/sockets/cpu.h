// SPDX-License-Identifier: BSD-3-Clause
// Processor time of other processes and of the machine, from /proc. Any thread; opens files.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CPU_MAX_PIDS 16
#define CPU_MAX_THREADS 64

struct cpu_thread {
	pid_t tid;
	char name[16];
	uint64_t run_ns; // on a processor, since its start
};

struct cpu_sample {
	uint64_t at_ns, tsc; // tsc: 0 where there is no counter
	double user_s, system_s;
	// Of the whole machine. Softirq: what the kernel did for packets outside of any process's
	// call (kernels without CONFIG_IRQ_TIME_ACCOUNTING charge the rest to who was running).
	double all_user_s, all_system_s, all_irq_s, all_softirq_s, all_steal_s, all_idle_s;
	unsigned int nb_threads;
	struct cpu_thread thread[CPU_MAX_THREADS]; // those with the most time
};

// Now: processes pid[0..n) together (all their threads, kernel and user apart) and the machine.
// 0, or -errno: -ESRCH when one of them is gone.
int cpu_sample(const pid_t *pid, unsigned int n, struct cpu_sample *s);

// What was used between two samples: times as differences, threads by name, most first.
void cpu_between(
	const struct cpu_sample *from, const struct cpu_sample *to, struct cpu_sample *use);

// Cycles of the time stamp counter a second in a difference; 0: unknown.
double cpu_tsc_hz(const struct cpu_sample *use);

// utime and stime (clock ticks) of one line of /proc/PID/stat. 0 or -EBADMSG. The command's name,
// in parentheses, may hold anything.
int cpu_parse_stat(const char *line, uint64_t *utime, uint64_t *stime);
