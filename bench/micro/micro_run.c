// SPDX-License-Identifier: BSD-3-Clause
// The harness: cases, their repeats in turn with the anchor's, medians, and what is printed.
#include <errno.h>
#include <regex.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <rte_cycles.h>

#include "bench/micro/micro.h"

#define WARM_UP 3        // batches
#define BATCHES_MAX 8192 // of a repeat
#define INTERRUPTED 3    // times the median batch

struct running {
	const struct micro_case *c;
	void *state;
	uint64_t units; // measured in all
	double per_unit[MICRO_REPEATS_MAX];
};

struct micro_case *micro_add(
	struct micro_suite *s, const struct micro_ops *ops, const char *unit, const char *fmt, ...)
{
	struct micro_case *c;
	va_list ap;
	int len;

	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 256;
		s->cases = realloc(s->cases, s->room * sizeof(*s->cases));
		if (!s->cases) {
			fprintf(stderr, "culvert-bench: no memory\n");
			exit(EXIT_FAILURE);
		}
	}
	c = &s->cases[s->n++];
	memset(c, 0, sizeof(*c));
	va_start(ap, fmt);
	len = vsnprintf(c->name, sizeof(c->name), fmt, ap);
	va_end(ap);
	if (len < 0 || len >= (int)sizeof(c->name) || micro_find(s, c->name) != c) {
		fprintf(stderr, "culvert-bench: %s: too long a name, or there twice\n", c->name);
		exit(EXIT_FAILURE);
	}
	c->ops = ops;
	c->unit = unit;
	c->batch = MICRO_BURST;
	return c;
}

const struct micro_case *micro_find(const struct micro_suite *s, const char *name)
{
	for (unsigned int i = 0; i < s->n; i++)
		if (!strcmp(s->cases[i].name, name))
			return &s->cases[i];
	return NULL;
}

// ---- one case

// Its own function and never inlined: callgrind is told to count what is inside it.
__attribute__((noinline)) static void micro_counted(
	const struct micro_ops *ops, void *state, unsigned int phase)
{
	ops->run(state, phase);
	__asm__ volatile("" ::: "memory");
}

static uint64_t now(const struct micro_ops *ops)
{
	struct timespec ts;

	if (!ops->cpu_time)
		return rte_rdtsc_precise();
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)((double)ts.tv_sec * (double)rte_get_tsc_hz() +
			  (double)ts.tv_nsec * (double)rte_get_tsc_hz() / 1e9);
}

static uint64_t batch(struct running *r)
{
	const struct micro_ops *ops = r->c->ops;
	uint64_t cycles = 0, t;

	for (unsigned int phase = 0; phase < (ops->phases ? ops->phases : 1); phase++) {
		if (ops->prepare)
			ops->prepare(r->state, phase);
		t = now(ops);
		ops->run(r->state, phase);
		cycles += now(ops) - t;
	}
	return cycles;
}

static int start(struct running *r, const struct micro_case *c, char *why, size_t cap)
{
	*r = (struct running){.c = c};
	r->state = c->ops->setup(c, why, cap);
	if (!r->state)
		return -ENOTSUP;
	*why = '\0';
	for (int i = 0; i < WARM_UP; i++)
		batch(r);
	return 0;
}

static void stop(struct running *r)
{
	if (r->state)
		r->c->ops->teardown(r->state);
	r->state = NULL;
}

static int by_cycles(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

// Per unit, the mean of the batches that nothing interrupted. What takes several times as long as
// half of the others do is another process's time slice, not the case's.
static double batch_mean(uint64_t *v, unsigned int n, uint32_t units)
{
	uint64_t sum = 0, most;
	unsigned int used = 0;

	qsort(v, n, sizeof(*v), by_cycles);
	most = v[n / 2] * INTERRUPTED;
	for (; used < n && v[used] <= most; used++)
		sum += v[used];
	return (double)sum / used / units;
}

static void repeat(struct running *r, unsigned int nr, uint64_t tsc)
{
	static uint64_t cycles[BATCHES_MAX];
	uint64_t end = rte_rdtsc() + tsc;
	unsigned int n = 0;

	do
		cycles[n++] = batch(r);
	while (n < BATCHES_MAX && rte_rdtsc() < end);
	r->per_unit[nr] = batch_mean(cycles, n, r->c->batch);
	r->units += (uint64_t)n * r->c->batch;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *v, unsigned int n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

// The anchor stays set up from case to case, since most have the same one as the last.
static struct running *anchor_of(const struct micro_suite *s, const struct micro_case *c)
{
	static struct running anchor;
	const struct micro_case *want = c && *c->anchor ? micro_find(s, c->anchor) : NULL;
	char why[96];

	if (anchor.state && anchor.c != want)
		stop(&anchor);
	if (want && !anchor.state && start(&anchor, want, why, sizeof(why)))
		return NULL;
	return want ? &anchor : NULL;
}

static void measure(const struct micro_suite *s, const struct micro_conf *conf,
	const struct micro_case *c, struct micro_result *res)
{
	struct running *anchor = strcmp(c->anchor, c->name) ? anchor_of(s, c) : NULL, r;
	uint64_t tsc = (uint64_t)(conf->seconds / conf->repeats * (double)rte_get_tsc_hz());
	double ratio[MICRO_REPEATS_MAX];

	*res = (struct micro_result){.c = c};
	if (start(&r, c, res->skipped, sizeof(res->skipped)))
		return;
	// In turn, so that whatever slows the machine down for a moment slows both.
	for (unsigned int i = 0; i < conf->repeats; i++) {
		if (anchor)
			repeat(anchor, i, tsc / 2);
		repeat(&r, i, tsc);
		if (anchor)
			ratio[i] = r.per_unit[i] / anchor->per_unit[i];
	}
	if (anchor)
		res->ratio = median(ratio, conf->repeats);
	res->cycles = median(r.per_unit, conf->repeats);
	res->min = r.per_unit[0];
	res->max = r.per_unit[conf->repeats - 1];
	res->units = r.units;
	stop(&r);
}

// ---- all of them

static void print_head(FILE *out)
{
	fprintf(out, "%-52s %10s %10s %7s %9s %11s %8s\n", "case", "cycles", "min", "spread",
		"per byte", "per second", "x anchor");
}

static void print_row(FILE *out, const struct micro_result *r)
{
	char byte[16] = "", ratio[16] = "";

	if (*r->skipped) {
		fprintf(out, "%-52s skipped: %s\n", r->c->name, r->skipped);
		return;
	}
	if (r->c->bytes)
		snprintf(byte, sizeof(byte), "%.3f", r->cycles / r->c->bytes);
	if (r->ratio > 0)
		snprintf(ratio, sizeof(ratio), "%.2f", r->ratio);
	fprintf(out, "%-52s %10.1f %10.1f %6.1f%% %9s %11.0f %8s\n", r->c->name, r->cycles, r->min,
		(r->max - r->min) / r->cycles * 100, byte, (double)rte_get_tsc_hz() / r->cycles,
		ratio);
	fflush(out);
}

int micro_run(const struct micro_suite *s, const struct micro_conf *conf, FILE *out,
	struct micro_result **res, unsigned int *n)
{
	regex_t only;

	*n = 0;
	*res = calloc(s->n ? s->n : 1, sizeof(**res));
	if (!*res || conf->repeats > MICRO_REPEATS_MAX || !conf->repeats)
		return *res ? -EINVAL : -ENOMEM;
	if (conf->only && regcomp(&only, conf->only, REG_EXTENDED | REG_NOSUB))
		return -EINVAL;
	if (out)
		print_head(out);
	for (unsigned int i = 0; i < s->n; i++) {
		if (conf->only && regexec(&only, s->cases[i].name, 0, NULL, 0))
			continue;
		measure(s, conf, &s->cases[i], &(*res)[*n]);
		if (out)
			print_row(out, &(*res)[*n]);
		++*n;
	}
	anchor_of(s, NULL);
	if (conf->only)
		regfree(&only);
	return 0;
}

int micro_count(const struct micro_suite *s, const struct micro_conf *conf, FILE *out)
{
	const struct micro_case *c = micro_find(s, conf->count);
	char why[96];
	struct running r;

	if (!c) {
		fprintf(stderr, "culvert-bench: %s: no such case (see --list)\n", conf->count);
		return -ENOENT;
	}
	if (start(&r, c, why, sizeof(why))) {
		fprintf(stderr, "culvert-bench: %s: %s\n", c->name, why);
		return -ENOTSUP;
	}
	for (unsigned int i = 0; i < conf->batches; i++)
		for (unsigned int phase = 0; phase < (c->ops->phases ? c->ops->phases : 1);
			phase++) {
			if (c->ops->prepare)
				c->ops->prepare(r.state, phase);
			micro_counted(c->ops, r.state, phase);
		}
	stop(&r);
	fprintf(out, "%s %llu\n", c->name, (unsigned long long)conf->batches * c->batch);
	return 0;
}

void micro_print_json(FILE *out, const struct micro_conf *conf, const struct micro_result *r,
	unsigned int n, bool hugepages)
{
	fprintf(out,
		"{\n  \"version\": \"%s\",\n  \"tsc_hz\": %llu,\n  \"hugepages\": %s,\n"
		"  \"repeats\": %u,\n  \"seconds\": %g,\n  \"cases\": [",
		CULVERT_VERSION, (unsigned long long)rte_get_tsc_hz(), hugepages ? "true" : "false",
		conf->repeats, conf->seconds);
	for (unsigned int i = 0; i < n; i++) {
		const struct micro_case *c = r[i].c;

		fprintf(out, "%s\n    {\"case\": \"%s\", \"unit\": \"%s\"", i ? "," : "", c->name,
			c->unit);
		if (*r[i].skipped) {
			fprintf(out, ", \"skipped\": \"%s\"}", r[i].skipped);
			continue;
		}
		fprintf(out,
			", \"bytes\": %u, \"units\": %llu, \"cycles\": %.2f, \"min\": %.2f, "
			"\"max\": %.2f, \"per_second\": %.0f",
			c->bytes, (unsigned long long)r[i].units, r[i].cycles, r[i].min, r[i].max,
			(double)rte_get_tsc_hz() / r[i].cycles);
		if (r[i].ratio > 0)
			fprintf(out, ", \"anchor\": \"%s\", \"ratio\": %.3f", c->anchor,
				r[i].ratio);
		fputc('}', out);
	}
	fputs("\n  ]\n}\n", out);
}
