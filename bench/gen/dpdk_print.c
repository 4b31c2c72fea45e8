// SPDX-License-Identifier: BSD-3-Clause
// Results of culvert-bench dpdk.
#include "bench/gen/dpdk.h"
#include "bench/options.h"

static const char *const names[] = {
	[GEN_DIR_DOWN] = "down", [GEN_DIR_UP] = "up", [GEN_DIR_HAIRPIN] = "hairpin"};

static double ms(const struct hist *h, double p)
{
	return (double)hist_quantile(h, p) / 1e6;
}

static double per_second(uint64_t n, double s)
{
	return s > 0 ? (double)n / s : 0;
}

static double share(uint64_t n, uint64_t of)
{
	return of ? (double)n / (double)of : 0;
}

static bool flows(const struct dpdk_conf *c, unsigned int d)
{
	return c->traffic.directions & (1u << d);
}

bool dpdk_passed(const struct dpdk_conf *c, const struct gen_stats *st, const struct dpdk_result *r)
{
	bool ok = !st->failed && !st->lost && !r->leaked && !r->interrupted &&
		  r->up == c->gen.sessions && st->hung_up == st->came_up;

	for (unsigned int d = 0; d < GEN_N_DIRS; d++) {
		const struct gen_flow *f = &st->flow[d];

		if (!flows(c, d))
			continue;
		ok = ok && f->received && !f->corrupt && share(f->lost, f->sent) <= c->max_loss;
	}
	return ok;
}

static void print_flow(FILE *out, const struct dpdk_conf *c, const struct gen_stats *st,
	const struct dpdk_result *r, unsigned int d)
{
	const struct gen_flow *f = &st->flow[d];

	fprintf(out, "%-14s sent %llu, %.0f/s, %.1f Mbit/s; no room for %llu\n", names[d],
		(unsigned long long)f->sent, per_second(f->sent, r->traffic_s),
		per_second(f->sent_bytes * 8, r->traffic_s) / 1e6, (unsigned long long)f->refused);
	fprintf(out, "               received %llu, %.0f/s, %.1f Mbit/s\n",
		(unsigned long long)f->received, per_second(f->received, r->traffic_s),
		per_second(f->received_bytes * 8, r->traffic_s) / 1e6);
	fprintf(out,
		"               lost %llu (%.4f %%), reordered %llu, duplicated %llu, "
		"corrupt %llu\n",
		(unsigned long long)f->lost, 100 * share(f->lost, f->sent),
		(unsigned long long)f->reordered, (unsigned long long)f->duplicated,
		(unsigned long long)f->corrupt);
	fprintf(out, "               latency p50 %.3f  p99 %.3f  p99.9 %.3f  max %.3f ms\n",
		ms(&f->latency, 0.5), ms(&f->latency, 0.99), ms(&f->latency, 0.999),
		(double)f->latency.max / 1e6);
}

void dpdk_print_table(FILE *out, const struct dpdk_conf *c, const struct gen_stats *st,
	const struct dpdk_result *r)
{
	fprintf(out,
		"sessions       %u, up %u; failed %llu, lost %llu, hung up in order %llu of "
		"%llu\n",
		c->gen.sessions, r->up, (unsigned long long)st->failed,
		(unsigned long long)st->lost, (unsigned long long)st->hung_up,
		(unsigned long long)st->came_up);
	fprintf(out, "set-up         %.2f s, %.0f/s, each p50 %.1f  p99 %.1f  max %.1f ms\n",
		r->setup_s, per_second(r->up, r->setup_s), ms(&st->setup, 0.5),
		ms(&st->setup, 0.99), (double)st->setup.max / 1e6);
	if (c->churn > 0)
		fprintf(out, "churn          %llu set-ups, %llu tear-downs, %.0f/s\n",
			(unsigned long long)r->churn_setups, (unsigned long long)r->churn_teardowns,
			per_second(r->churn_setups, r->traffic_s));
	for (unsigned int d = 0; d < GEN_N_DIRS; d++)
		if (flows(c, d))
			print_flow(out, c, st, r, d);
	if (st->chaos_lost || st->chaos_duplicated || st->chaos_reordered || st->chaos_corrupted)
		fprintf(out,
			"chaos          %llu frames lost, %llu duplicated, %llu reordered, "
			"%llu corrupted\n",
			(unsigned long long)st->chaos_lost,
			(unsigned long long)st->chaos_duplicated,
			(unsigned long long)st->chaos_reordered,
			(unsigned long long)st->chaos_corrupted);
	fprintf(out, "TCP            %llu segments sent again\n",
		(unsigned long long)st->tcp_retransmits);
	if (c->traffic.directions)
		fprintf(out, "               this program was busy %.0f %% of the traffic's time\n",
			100 * r->busy);
	fprintf(out, "this program   %.2f s of processor, %.0f MB with all calls up%s\n", r->cpu_s,
		(double)r->rss_idle_kb / 1024, r->interrupted ? "; interrupted" : "");
	fprintf(out, "hang-up        %.2f s\n", r->hangup_s);
	if (r->leaked)
		fprintf(out, "LEAK           %u mbufs did not come back\n", r->leaked);
	for (unsigned int i = 0; i < st->nb_reasons; i++)
		fprintf(out, "  %6llu x %s\n", (unsigned long long)st->reasons[i].n,
			st->reasons[i].text);
}

// --- JSON ---

static void json_times(FILE *out, const char *name, const struct hist *h)
{
	fprintf(out,
		"\"%s\": {\"n\": %llu, \"mean\": %.6f, \"p50\": %.6f, \"p99\": %.6f, "
		"\"p999\": %.6f, \"max\": %.6f}",
		name, (unsigned long long)h->n, h->n ? h->sum / (double)h->n / 1e6 : 0, ms(h, 0.5),
		ms(h, 0.99), ms(h, 0.999), (double)h->max / 1e6);
}

static void json_flow(FILE *out, const struct gen_flow *f, double s, const char *name)
{
	fprintf(out,
		"    \"%s\": {\"sent\": %llu, \"sent_bytes\": %llu, \"refused\": %llu, "
		"\"received\": %llu, \"received_bytes\": %llu,\n"
		"      \"sent_pps\": %.1f, \"received_pps\": %.1f, \"received_mbit_s\": %.3f,\n"
		"      \"lost\": %llu, \"reordered\": %llu, \"duplicated\": %llu, \"corrupt\": "
		"%llu,\n"
		"      ",
		name, (unsigned long long)f->sent, (unsigned long long)f->sent_bytes,
		(unsigned long long)f->refused, (unsigned long long)f->received,
		(unsigned long long)f->received_bytes, per_second(f->sent, s),
		per_second(f->received, s), per_second(f->received_bytes * 8, s) / 1e6,
		(unsigned long long)f->lost, (unsigned long long)f->reordered,
		(unsigned long long)f->duplicated, (unsigned long long)f->corrupt);
	json_times(out, "latency_ms", &f->latency);
	fputc('}', out);
}

static void json_flows(FILE *out, const struct dpdk_conf *c, const struct gen_stats *st, double s)
{
	const char *comma = "";

	fprintf(out, "  \"flows\": {");
	for (unsigned int d = 0; d < GEN_N_DIRS; d++) {
		if (!flows(c, d))
			continue;
		fprintf(out, "%s\n", comma);
		json_flow(out, &st->flow[d], s, names[d]);
		comma = ",";
	}
	fprintf(out, "},\n");
}

static void json_conf(FILE *out, const struct dpdk_conf *c)
{
	const struct gen_traffic *t = &c->traffic;

	fprintf(out, "  \"sessions\": %u, \"concurrent\": %u, \"rate\": %.3f,\n", c->gen.sessions,
		c->concurrent, c->rate);
	fprintf(out, "  \"sizes\": [");
	for (unsigned int i = 0; i < t->nb_sizes; i++)
		fprintf(out, "%s%u", i ? ", " : "", t->size[i]);
	fprintf(out,
		"], \"pps\": %.1f, \"burst\": %u, \"per_record\": %u, \"straddle\": %s, "
		"\"verify\": %u,\n",
		t->pps, t->burst, t->per_record, t->straddle ? "true" : "false", t->verify);
}

void dpdk_print_json(FILE *out, const struct dpdk_conf *c, const struct gen_stats *st,
	const struct dpdk_result *r)
{
	fprintf(out, "{\n");
	json_conf(out, c);
	fprintf(out,
		"  \"up\": %u, \"dialed\": %llu, \"came_up\": %llu, \"failed\": %llu, \"lost\": "
		"%llu, \"hung_up\": %llu,\n",
		r->up, (unsigned long long)st->dialed, (unsigned long long)st->came_up,
		(unsigned long long)st->failed, (unsigned long long)st->lost,
		(unsigned long long)st->hung_up);
	fprintf(out, "  \"setup_s\": %.6f, \"setup_rate\": %.3f,\n  ", r->setup_s,
		per_second(r->up, r->setup_s));
	json_times(out, "setup_ms", &st->setup);
	fprintf(out,
		",\n  \"churn_setups\": %llu, \"churn_teardowns\": %llu, \"traffic_s\": %.6f, "
		"\"traffic_busy\": %.4f, \"hangup_s\": %.6f,\n",
		(unsigned long long)r->churn_setups, (unsigned long long)r->churn_teardowns,
		r->traffic_s, r->busy, r->hangup_s);
	json_flows(out, c, st, r->traffic_s);
	fprintf(out,
		"  \"chaos\": {\"lost\": %llu, \"duplicated\": %llu, \"reordered\": %llu, "
		"\"corrupted\": %llu},\n",
		(unsigned long long)st->chaos_lost, (unsigned long long)st->chaos_duplicated,
		(unsigned long long)st->chaos_reordered, (unsigned long long)st->chaos_corrupted);
	fprintf(out,
		"  \"tcp_retransmits\": %llu, \"leaked_mbufs\": %u, \"cpu_s\": %.3f, "
		"\"rss_kb\": %llu,\n  \"reasons\": [",
		(unsigned long long)st->tcp_retransmits, r->leaked, r->cpu_s,
		(unsigned long long)r->rss_idle_kb);
	for (unsigned int i = 0; i < st->nb_reasons; i++) {
		fprintf(out, "%s{\"n\": %llu, \"text\": ", i ? ", " : "",
			(unsigned long long)st->reasons[i].n);
		bench_json_text(out, st->reasons[i].text);
		fputc('}', out);
	}
	fprintf(out, "],\n  \"passed\": %s\n}\n", dpdk_passed(c, st, r) ? "true" : "false");
}
