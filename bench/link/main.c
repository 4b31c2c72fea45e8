// SPDX-License-Identifier: BSD-3-Clause
// culvert-link: a line with a bottleneck, a delay and accidents, between two interfaces. In user
// space, so that it works where the kernel has no netem.
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "bench/hist.h"
#include "bench/link/options.h"
#include "bench/link/port.h"

#define NS_PER_S 1000000000ull
#define SPIN_NS 30000 // nearer than this: do not sleep

struct emulator {
	struct link_options o;
	struct link_port port[2];
	struct line line[2];
	struct hist late[2]; // how long after its time a frame left, ns
	uint64_t begin_ns, end_ns;
	int signals;
};

// ---- the loop

static bool take_in(struct emulator *e, int from)
{
	struct link_rx rx[LINK_BURST];
	unsigned int n = link_port_recv(&e->port[from], rx);

	for (unsigned int i = 0; i < n; i++)
		line_push(&e->line[from], rx[i].data, rx[i].len, rx[i].at_ns);
	return n != 0;
}

static bool let_out(struct emulator *e, int from)
{
	uint64_t now_ns = link_now_ns();
	struct line_frame *f;
	bool any = false;

	while ((f = line_pop(&e->line[from], now_ns))) {
		link_port_send(&e->port[!from], f->data, f->len);
		hist_add(&e->late[from], now_ns - f->due_ns);
		free(f);
		any = true;
		now_ns = link_now_ns();
	}
	return any;
}

static uint64_t next_ns(const struct emulator *e)
{
	uint64_t a = line_next(&e->line[0]), b = line_next(&e->line[1]);

	a = a < b ? a : b;
	return a < e->end_ns ? a : e->end_ns;
}

static void wait_for_work(const struct emulator *e)
{
	struct pollfd fd[3] = {{.fd = e->port[0].fd, .events = POLLIN},
		{.fd = e->port[1].fd, .events = POLLIN}, {.fd = e->signals, .events = POLLIN}};
	uint64_t now_ns = link_now_ns(), at_ns = next_ns(e), left;
	struct timespec ts;

	if (at_ns <= now_ns + SPIN_NS)
		return;
	left = at_ns - now_ns - SPIN_NS;
	ts.tv_sec = (time_t)(left / NS_PER_S);
	ts.tv_nsec = (long)(left % NS_PER_S);
	ppoll(fd, 3, at_ns == UINT64_MAX ? NULL : &ts, NULL);
}

static bool stopped(const struct emulator *e)
{
	struct signalfd_siginfo si;

	return read(e->signals, &si, sizeof(si)) == sizeof(si) || link_now_ns() >= e->end_ns;
}

static void run(struct emulator *e)
{
	uint32_t loops = 0;
	bool work = true;

	while ((work && ++loops % 64) || !stopped(e)) {
		work = take_in(e, 0);
		work |= take_in(e, 1);
		work |= let_out(e, 0);
		work |= let_out(e, 1);
		if (!work && !e->o.busy)
			wait_for_work(e);
	}
}

// ---- what came of it

static void print_table(const struct emulator *e, double seconds)
{
	static const char *const way[2] = {"A > B", "B > A"};

	printf("%-6s %10s %10s %9s %8s %8s %8s %8s %8s %9s %9s %9s\n", "", "in", "out", "Mbit/s",
		"queue", "lost", "reorder", "twice", "corrupt", "wait max", "late p99", "late max");
	for (int i = 0; i < 2; i++) {
		const struct line_stats *s = &e->line[i].stats;

		printf("%-6s %10" PRIu64 " %10" PRIu64 " %9.2f %8" PRIu64 " %8" PRIu64 " %8" PRIu64
		       " %8" PRIu64 " %8" PRIu64 " %6.2f ms %6.1f us %6.1f us\n",
			way[i], s->in, s->out, (double)s->out_bytes * 8 / seconds / 1e6,
			s->queue_drops, s->lost, s->reordered, s->duplicated, s->corrupted,
			(double)s->wait_max_ns / 1e6,
			(double)hist_quantile(&e->late[i], 0.99) / 1e3,
			(double)e->late[i].max / 1e3);
	}
}

static void print_json_way(FILE *f, const struct emulator *e, int i)
{
	const struct line_stats *s = &e->line[i].stats;
	const struct hist *late = &e->late[i];

	fprintf(f,
		"{\"from\": \"%s\", \"to\": \"%s\", \"in\": %" PRIu64 ", \"in_bytes\": %" PRIu64
		", \"out\": %" PRIu64 ", \"out_bytes\": %" PRIu64 ", \"queue_drops\": %" PRIu64
		", \"lost\": %" PRIu64 ", \"reordered\": %" PRIu64 ", \"duplicated\": %" PRIu64
		", \"corrupted\": %" PRIu64 ", \"no_memory\": %" PRIu64 ", \"tx_refused\": %" PRIu64
		", \"rx_too_long\": %" PRIu64 ", \"rx_unchecked\": %" PRIu64,
		e->port[i].name, e->port[!i].name, s->in, s->in_bytes, s->out, s->out_bytes,
		s->queue_drops, s->lost, s->reordered, s->duplicated, s->corrupted, s->no_memory,
		e->port[!i].tx_refused, e->port[i].too_long, e->port[i].unchecked);
	fprintf(f,
		", \"queue_max_bytes\": %" PRIu64 ", \"wait_mean_us\": %.1f, \"wait_max_us\": %.1f"
		", \"late_us\": {\"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}}",
		s->queue_max, s->in ? s->wait_sum_ns / 1e3 / (double)s->in : 0,
		(double)s->wait_max_ns / 1e3, (double)hist_quantile(late, 0.5) / 1e3,
		(double)hist_quantile(late, 0.99) / 1e3, (double)late->max / 1e3);
}

static bool print_json(const struct emulator *e, double seconds)
{
	bool out = !strcmp(e->o.json, "-");
	FILE *f = out ? stdout : fopen(e->o.json, "w");
	bool good = f != NULL;

	if (good) {
		fprintf(f,
			"{\"program\": \"culvert-link\", \"seed\": %" PRIu64 ", \"seconds\": %.3f, "
			"\"directions\": [\n  ",
			e->o.seed, seconds);
		print_json_way(f, e, 0);
		fprintf(f, ",\n  ");
		print_json_way(f, e, 1);
		fprintf(f, "\n]}\n");
		good = !ferror(f);
		if ((out ? fflush(f) : fclose(f)) != 0)
			good = false;
	}
	if (!good)
		fprintf(stderr, "culvert-link: %s: %s\n", e->o.json, strerror(errno));
	return good;
}

// What makes figures worthless must not pass in silence.
static void print_warnings(const struct emulator *e)
{
	for (int i = 0; i < 2; i++) {
		const struct link_port *p = &e->port[i];

		if (p->too_long)
			fprintf(stderr,
				"culvert-link: %s: %" PRIu64 " frames over %u bytes were dropped: "
				"switch tso, gso and gro off at the far end\n",
				p->name, p->too_long, LINK_FRAME_MAX);
		if (p->unchecked)
			fprintf(stderr,
				"culvert-link: %s: %" PRIu64 " frames came without a checksum: "
				"switch tx off at the far end\n",
				p->name, p->unchecked);
		if (p->tx_refused)
			fprintf(stderr,
				"culvert-link: %s: %" PRIu64 " frames were not taken by the "
				"kernel\n",
				p->name, p->tx_refused);
	}
}

static bool set_up(struct emulator *e)
{
	const struct sched_param first = {.sched_priority = 1};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	e->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (e->signals < 0) {
		fprintf(stderr, "culvert-link: signalfd: %s\n", strerror(errno));
		return false;
	}
	prctl(PR_SET_TIMERSLACK, 1ul);
	if (e->o.realtime && sched_setscheduler(0, SCHED_FIFO, &first) < 0) {
		fprintf(stderr, "culvert-link: real-time scheduling: %s\n", strerror(errno));
		return false;
	}
	e->port[0].fd = e->port[1].fd = -1;
	if (!link_port_open(&e->port[0], e->o.port[0]) ||
		!link_port_open(&e->port[1], e->o.port[1]))
		return false;
	for (int i = 0; i < 2; i++)
		line_init(&e->line[i], &e->o.dir[i], e->o.seed * 2 + (uint64_t)i);
	e->begin_ns = link_now_ns();
	e->end_ns = e->o.seconds ? e->begin_ns + (uint64_t)(e->o.seconds * 1e9) : UINT64_MAX;
	return true;
}

int main(int argc, char **argv)
{
	static struct emulator e;
	int rc;

	if (link_options_parse(&e.o, argc, argv, &rc))
		return rc;
	rc = EXIT_FAILURE;
	if (set_up(&e)) {
		double seconds;

		rc = EXIT_SUCCESS;
		fprintf(stderr, "culvert-link: %s <> %s\n", e.port[0].name, e.port[1].name);
		run(&e);
		seconds = (double)(link_now_ns() - e.begin_ns) / 1e9;
		if (!e.o.quiet && !(e.o.json && !strcmp(e.o.json, "-")))
			print_table(&e, seconds);
		print_warnings(&e);
		if (e.o.json && !print_json(&e, seconds))
			rc = EXIT_FAILURE;
	}
	for (int i = 0; i < 2; i++) {
		line_fini(&e.line[i]);
		link_port_close(&e.port[i]);
	}
	if (e.signals >= 0)
		close(e.signals);
	return rc;
}
