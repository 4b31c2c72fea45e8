// SPDX-License-Identifier: BSD-3-Clause
#include <stdlib.h>
#include <string.h>

#include "bench/worker/worker.h"

static const struct {
	const char *name, *help;
} stages[] = {
#define X(name, text, help) {text, help},
	WORKER_STAGE_LIST(X)
#undef X
};

static int by_value(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

double wb_median_of(double *v, unsigned int n)
{
	if (!n)
		return 0;
	qsort(v, n, sizeof(v[0]), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

double wb_median(const struct wb_case *c, double (*of)(const struct wb_sample *s))
{
	double v[WB_REPEATS_MAX];

	for (unsigned int i = 0; i < c->nb_samples; i++)
		v[i] = of(&c->sample[i]);
	return wb_median_of(v, c->nb_samples);
}

// Between the smallest and the greatest.
double wb_spread(const struct wb_case *c, double (*of)(const struct wb_sample *s))
{
	double low = 0, high = 0;

	for (unsigned int i = 0; i < c->nb_samples; i++) {
		double v = of(&c->sample[i]);

		low = !i || v < low ? v : low;
		high = !i || v > high ? v : high;
	}
	return high - low;
}

double wb_cycles(const struct wb_sample *s)
{
	return s->cycles;
}

static double mean_of(const struct wb_sample *s)
{
	return s->mean;
}

static double low_of(const struct wb_sample *s)
{
	return s->low;
}

static double seal_of(const struct wb_sample *s)
{
	return s->seal;
}

static double open_of(const struct wb_sample *s)
{
	return s->open;
}

static double pps_of(const struct wb_sample *s)
{
	return s->pps;
}

static double burst_of(const struct wb_sample *s)
{
	return s->burst;
}

double wb_anchor(const struct wb_sample *s)
{
	return s->seal + s->open;
}

double wb_ratio(const struct wb_sample *s)
{
	return wb_anchor(s) > 0 ? s->cycles / wb_anchor(s) : 0;
}

const char *wb_direction(unsigned int directions)
{
	switch (directions) {
	case GEN_DOWN:
		return "down";
	case GEN_UP:
		return "up";
	case GEN_DOWN | GEN_UP:
		return "both";
	default:
		return "hairpin";
	}
}

static void size_text(unsigned int size, char *dst, size_t cap)
{
	if (size == WB_IMIX)
		snprintf(dst, cap, "imix");
	else
		snprintf(dst, cap, "%u", size);
}

static double mean_size(unsigned int size)
{
	return size == WB_IMIX ? (7.0 * 64 + 4 * 576 + 1400) / 12 : size;
}

// Of one worker that is always busy.
static double mpps(const struct wb_result *r, double cycles)
{
	return cycles > 0 ? r->tsc_hz / cycles / 1e6 : 0;
}

static double gbit(const struct wb_result *r, const struct wb_case *c, double cycles)
{
	return mpps(r, cycles) * mean_size(c->size) * 8 / 1e3;
}

static void print_case(FILE *out, const struct wb_result *r, const struct wb_case *c)
{
	double cycles = wb_median(c, wb_cycles);
	char size[16];

	size_text(c->size, size, sizeof(size));
	fprintf(out, "%8u  %-7s %5s %8.0f %8.0f %6.0f %8.0f %6.2f %7.2f %7.2f %6.1f  %s\n",
		c->sessions, wb_direction(c->directions), size, cycles, wb_median(c, low_of),
		wb_spread(c, wb_cycles), wb_median(c, wb_anchor), wb_median(c, wb_ratio),
		mpps(r, cycles), gbit(r, c, cycles), wb_median(c, burst_of),
		c->failed ? "FAILED" : "");
}

static void print_stages(FILE *out, const struct wb_result *r)
{
	fprintf(out, "\ncycles a packet by stage\n%8s  %-7s %5s", "sessions", "way", "size");
	for (unsigned int k = 0; k < WORKER_N_STAGES; k++)
		fprintf(out, " %8s", stages[k].name);
	fputc('\n', out);
	for (unsigned int i = 0; i < r->nb_cases; i++) {
		const struct wb_case *c = &r->cases[i];
		char size[16];

		if (!c->have_stages)
			continue;
		size_text(c->size, size, sizeof(size));
		fprintf(out, "%8u  %-7s %5s", c->sessions, wb_direction(c->directions), size);
		for (unsigned int k = 0; k < WORKER_N_STAGES; k++)
			fprintf(out, " %8.1f", c->stage[k]);
		fputc('\n', out);
	}
}

static void print_faults(FILE *out, const struct wb_opts *o, const struct wb_result *r)
{
	for (unsigned int i = 0; i < r->nb_cases; i++) {
		const struct wb_case *c = &r->cases[i];
		char size[16];

		if (!c->failed && !o->chaos)
			continue;
		size_text(c->size, size, sizeof(size));
		fprintf(out,
			"%u sessions %s %s: sent %lu, received %lu, lost %lu, reordered %lu, "
			"duplicated %lu, corrupt %lu; sessions lost %lu; clients' retransmits "
			"%lu\n",
			c->sessions, wb_direction(c->directions), size, c->sent, c->received,
			c->lost, c->reordered, c->duplicated, c->corrupt, c->lost_sessions,
			c->retransmits);
	}
}

static void print_latency(FILE *out, const struct wb_result *r)
{
	fprintf(out,
		"\nlatency at half of the highest rate, us\n%8s  %-7s %5s %10s %8s %8s %8s "
		"%8s\n",
		"sessions", "way", "size", "packets/s", "p50", "p99", "p99.9", "max");
	for (unsigned int i = 0; i < r->nb_cases; i++) {
		const struct wb_case *c = &r->cases[i];
		const struct wb_latency *l = &c->latency;
		char size[16];

		size_text(c->size, size, sizeof(size));
		fprintf(out, "%8u  %-7s %5s %10.0f %8.1f %8.1f %8.1f %8.1f\n", c->sessions,
			wb_direction(c->directions), size, l->pps, l->p50 / 1e3, l->p99 / 1e3,
			l->p999 / 1e3, l->max / 1e3);
	}
}

static void print_traffic(
	FILE *out, const struct bed *b, const struct wb_opts *o, const struct wb_result *r)
{
	fprintf(out,
		"%u worker%s, %s, TLS %s, checksums by %s, %s pages, %s\n"
		"TSC cycles (%.3f GHz) of the workers' busy loops for each inner packet; anchor: "
		"bare %s\nof the packet's record with %s; Mpps and Gbit/s: of one worker that is "
		"always busy.\n\n",
		b->nb_workers, b->nb_workers > 1 ? "s" : "", o->cipher,
		o->bed.only_tls12 ? "1.2" : "1.3", o->bed.offloads ? "the wire" : "software",
		b->hugepages ? "2 MiB" : "4 KiB",
		o->bed.apart ? "generators on other CPUs" : "generator and worker in lockstep",
		r->tsc_hz / 1e9, "seal (down), open (up)", r->anchor_backend);
	fprintf(out, "%8s  %-7s %5s %8s %8s %6s %8s %6s %7s %7s %6s\n", "sessions", "way", "size",
		"cycles", "low", "spread", "anchor", "ratio", "Mpps", "Gbit/s", "burst");
	for (unsigned int i = 0; i < r->nb_cases; i++)
		print_case(out, r, &r->cases[i]);
	if (!o->no_stages)
		print_stages(out, r);
	if (o->latency)
		print_latency(out, r);
	print_faults(out, o, r);
}

static void setup_medians(const struct wb_result *r, double *cp, double *bare, double *wall)
{
	struct wb_setup s = r->setup;

	*cp = wb_median_of(s.cp_us, s.n);
	*bare = wb_median_of(s.bare_us, s.n);
	*wall = wb_median_of(s.wall, s.n);
}

static void print_setup(FILE *out, const struct wb_result *r)
{
	double cp, bare, wall;

	setup_medians(r, &cp, &bare, &wall);
	fprintf(out,
		"set-ups of %u sessions, TCP to IPCP opened, MS-CHAPv2, ECDSA P-256, X25519\n"
		"control plane       %8.1f us of its processor  %7.0f /s\n"
		"bare handshake      %8.1f us, server's side    %7.0f /s\n"
		"ratio               %8.1f %%\n"
		"by the clock                                   %7.0f /s (clients' side "
		"included)\n",
		r->setup.sessions, cp, cp > 0 ? 1e6 / cp : 0, bare, bare > 0 ? 1e6 / bare : 0,
		cp > 0 ? bare / cp * 100 : 0, wall > 0 ? r->setup.sessions / wall : 0);
}

static double per_session(const struct wb_memory_result *m, uint64_t after, uint64_t before)
{
	return m->sessions ? ((double)after - (double)before) / m->sessions : 0;
}

// Of tables that are as large as there is room.
static double per_room(const struct wb_memory_result *m, uint64_t all, uint64_t without)
{
	return m->room ? ((double)all - (double)without) / m->room : 0;
}

struct memory_sums { // bytes a session, and of what is there in any case
	double heap, pages, tables, all;
	uint64_t pools, fixed;
};

static struct memory_sums memory_sums(const struct wb_memory_result *m)
{
	struct memory_sums s = {
		.heap = per_session(m, m->after.cp_heap, m->before.cp_heap),
		.pages = per_session(m, m->after.cp_pages, m->before.cp_pages),
	};

	for (unsigned int i = 0; i < m->nb_pools; i++)
		*(m->pool[i].fixed ? &s.fixed : &s.pools) += m->pool[i].bytes;
	s.tables = per_room(m, m->after.dpdk, s.fixed + s.pools);
	s.all = s.pages + per_room(m, m->after.dpdk, s.fixed);
	return s;
}

static void print_memory(FILE *out, const struct wb_result *r)
{
	const struct wb_memory_result *m = &r->memory;
	struct memory_sums s = memory_sums(m);

	fprintf(out, "%u sessions up and idle, room for %u; bytes a session\n", m->sessions,
		m->room);
	if (m->after.have_heap)
		fprintf(out,
			"  control plane and OpenSSL, allocated  %8.0f\n"
			"  the same, in pages                    %8.0f\n",
			s.heap, s.pages);
	else
		fprintf(out, "  control plane: not counted, the allocator is not jemalloc\n");
	for (unsigned int i = 0; i < m->nb_pools; i++)
		if (!m->pool[i].fixed)
			fprintf(out, "  workers, pool %-24s%8.0f\n", m->pool[i].name,
				per_room(m, m->pool[i].bytes, 0));
	fprintf(out,
		"  workers, sessions, connections, tables%8.0f\n"
		"  together                              %8.0f  (%.1f MiB)\n"
		"packets and messages, whatever the sessions: %.1f MiB\n",
		s.tables, s.all, s.all * m->sessions / 1048576, (double)s.fixed / 1048576);
}

void wb_print_table(
	FILE *out, const struct bed *b, const struct wb_opts *o, const struct wb_result *r)
{
	if (o->setup)
		print_setup(out, r);
	else if (o->memory)
		print_memory(out, r);
	else
		print_traffic(out, b, o, r);
	if (r->pools_left)
		fprintf(out, "FAILED: %d pools were not empty at the end\n", r->pools_left);
}

// ---- JSON

static void json_case(FILE *out, const struct wb_result *r, const struct wb_case *c, bool latency)
{
	double cycles = wb_median(c, wb_cycles);
	char size[16];

	size_text(c->size, size, sizeof(size));
	fprintf(out,
		"    {\"sessions\": %u, \"direction\": \"%s\", \"size\": \"%s\",\n"
		"     \"cycles\": %.2f, \"cycles_low\": %.2f, \"cycles_spread\": %.2f, "
		"\"cycles_mean\": %.2f,\n"
		"     \"anchor_seal\": %.2f, \"anchor_open\": %.2f, \"ratio\": %.4f,\n"
		"     \"mpps\": %.4f, \"gbit_s\": %.4f, \"packets_per_loop\": %.2f, "
		"\"pps_lockstep\": %.0f,\n",
		c->sessions, wb_direction(c->directions), size, cycles, wb_median(c, low_of),
		wb_spread(c, wb_cycles), wb_median(c, mean_of), wb_median(c, seal_of),
		wb_median(c, open_of), wb_median(c, wb_ratio), mpps(r, cycles), gbit(r, c, cycles),
		wb_median(c, burst_of), wb_median(c, pps_of));
	fprintf(out,
		"     \"sent\": %lu, \"received\": %lu, \"lost\": %lu, \"reordered\": %lu, "
		"\"duplicated\": %lu, \"corrupt\": %lu, \"lost_sessions\": %lu,\n"
		"     \"busy_loops\": %lu, \"cut_loops\": %lu, \"failed\": %s",
		c->sent, c->received, c->lost, c->reordered, c->duplicated, c->corrupt,
		c->lost_sessions, c->loops, c->cut_loops, c->failed ? "true" : "false");
	if (c->have_stages) {
		fprintf(out, ",\n     \"stages\": {");
		for (unsigned int k = 0; k < WORKER_N_STAGES; k++)
			fprintf(out, "%s\"%s\": %.2f", k ? ", " : "", stages[k].name, c->stage[k]);
		fputc('}', out);
	}
	if (latency)
		fprintf(out,
			",\n     \"latency\": {\"pps\": %.0f, \"n\": %lu, \"p50_us\": %.3f, "
			"\"p99_us\": %.3f, \"p999_us\": %.3f, \"max_us\": %.3f}",
			c->latency.pps, c->latency.n, c->latency.p50 / 1e3, c->latency.p99 / 1e3,
			c->latency.p999 / 1e3, c->latency.max / 1e3);
	fputc('}', out);
}

static void json_setup(FILE *out, const struct wb_result *r)
{
	double cp, bare, wall;

	setup_medians(r, &cp, &bare, &wall);
	fprintf(out,
		"  \"setup\": {\"sessions\": %u, \"control_us\": %.2f, \"bare_us\": %.2f, "
		"\"per_second\": %.0f, \"bare_per_second\": %.0f, \"ratio\": %.4f, "
		"\"wall_per_second\": %.0f},\n",
		r->setup.sessions, cp, bare, cp > 0 ? 1e6 / cp : 0, bare > 0 ? 1e6 / bare : 0,
		cp > 0 ? bare / cp : 0, wall > 0 ? r->setup.sessions / wall : 0);
}

static void json_memory(FILE *out, const struct wb_result *r)
{
	const struct wb_memory_result *m = &r->memory;
	struct memory_sums s = memory_sums(m);

	fprintf(out,
		"  \"memory\": {\"sessions\": %u, \"room\": %u, \"heap_counted\": %s, "
		"\"control_heap_per_session\": %.1f, \"control_pages_per_session\": %.1f, "
		"\"workers_per_session\": %.1f, \"per_session\": %.1f, \"fixed_bytes\": %lu, "
		"\"rss\": %lu, \"pools\": {",
		m->sessions, m->room, m->after.have_heap ? "true" : "false", s.heap, s.pages,
		s.all - s.pages, s.all, s.fixed, m->after.rss);
	for (unsigned int i = 0; i < m->nb_pools; i++)
		fprintf(out, "%s\"%s\": %lu", i ? ", " : "", m->pool[i].name, m->pool[i].bytes);
	fprintf(out, "}},\n");
}

void wb_print_json(
	FILE *out, const struct bed *b, const struct wb_opts *o, const struct wb_result *r)
{
	fprintf(out,
		"{\n  \"command\": \"worker\", \"passed\": %s, \"workers\": %u, \"apart\": %s,\n"
		"  \"cipher\": \"%s\", \"tls\": \"%s\", \"backend\": \"%s\", \"offloads\": %s, "
		"\"hugepages\": %s,\n"
		"  \"turn\": %u, \"burst\": %u, \"order\": \"%s\", \"straddle\": \"%s\", "
		"\"verify\": "
		"%u,\n"
		"  \"tsc_hz\": %.0f, \"anchor_backend\": \"%s\", \"pools_left\": %d,\n",
		r->failed || r->pools_left ? "false" : "true", b->nb_workers,
		o->bed.apart ? "true" : "false", o->cipher, o->bed.only_tls12 ? "1.2" : "1.3",
		*o->bed.backend ? o->bed.backend : "auto", o->bed.offloads ? "true" : "false",
		b->hugepages ? "true" : "false", o->turn, o->burst,
		o->random ? "random" : "round-robin",
		o->straddle < 0 ? "large"
		: o->straddle   ? "yes"
				: "no",
		o->verify, r->tsc_hz, r->anchor_backend ? r->anchor_backend : "", r->pools_left);
	if (o->setup)
		json_setup(out, r);
	if (o->memory)
		json_memory(out, r);
	fprintf(out, "  \"cases\": [");
	for (unsigned int i = 0; i < r->nb_cases; i++) {
		fprintf(out, "%s\n", i ? "," : "");
		json_case(out, r, &r->cases[i], o->latency);
	}
	fprintf(out, "]\n}\n");
}
