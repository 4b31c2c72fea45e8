// SPDX-License-Identifier: BSD-3-Clause
#include "bench/sockets/load.h"
#include "bench/options.h"

#define THREADS_SHOWN 4

const char *load_mode_name(enum load_mode m)
{
	static const char *const names[] = {"idle", "ping", "udp", "pair", "up", "down"};

	return names[m];
}

const char *load_stall_name(enum call_stall s)
{
	static const char *const names[] = {
		"none", "tcp", "client-hello", "http", "no-connect-request", "no-call-connected"};

	return names[s];
}

static double ms(const struct hist *h, double p)
{
	return (double)hist_quantile(h, p) / 1e6;
}

static double per_second(uint64_t n, double s)
{
	return s > 0 ? (double)n / s : 0;
}

static double loss_percent(const struct load_result *r)
{
	return r->sent ? 100.0 * (double)r->missing / (double)r->sent : 0;
}

static void print_reasons(FILE *out, const struct load_result *r)
{
	for (unsigned int i = 0; i < r->nb_reasons; i++)
		fprintf(out, "  %6u x %s\n", r->reasons[i].n, r->reasons[i].text);
}

static void print_stalled(FILE *out, const struct load_conf *conf, const struct load_result *r)
{
	fprintf(out, "stalled at     %s\n", load_stall_name(conf->call.stall));
	fprintf(out,
		"connections    %u, ended by the server %u, still open after %.0f s %u, failed "
		"%u\n",
		conf->sessions, r->ended_by_server, conf->limit_s, r->still_open, r->failed);
	fprintf(out, "ended after    p50 %.1f  p99 %.1f  max %.1f s\n",
		ms(r->ended_after, 0.5) / 1e3, ms(r->ended_after, 0.99) / 1e3,
		(double)r->ended_after->max / 1e9);
	print_reasons(out, r);
}

static void print_cost(FILE *out, const struct load_result *r)
{
	const struct cpu_sample *u = &r->traffic_cpu;
	struct load_cost c;

	if (!load_cost(r, &c))
		return;
	fprintf(out,
		"server         %.2f s of processor in %.2f s (user %.2f, kernel %.2f), %.2f us "
		"and "
		"%.0f TSC cycles a packet\n",
		u->user_s + u->system_s, r->window.s, u->user_s, u->system_s, c.us, c.cycles);
	fprintf(out, "               %.0f packets and %.0f Mbit a second of processor\n",
		c.packets_cpu_s, c.mbit_cpu_s);
	for (unsigned int i = 0; i < u->nb_threads && i < THREADS_SHOWN; i++)
		fprintf(out, "               %-15s %.2f s\n", u->thread[i].name,
			(double)u->thread[i].run_ns / 1e9);
	fprintf(out,
		"machine        user %.2f, kernel %.2f, softirq %.2f (%.2f us a packet), idle %.2f "
		"s\n",
		u->all_user_s, u->all_system_s, u->all_softirq_s, c.softirq_us, u->all_idle_s);
}

static void print_traffic(FILE *out, const struct load_conf *conf, const struct load_result *r)
{
	const struct load_window *w = &r->window;
	const struct load_times *t = &r->latency_times;

	fprintf(out, "traffic        %s%s, %u-byte packets, %s, %.1f s, of which %.1f s measured\n",
		load_mode_name(conf->mode), conf->one_way ? " one way" : "", conf->size,
		conf->pps > 0 ? "open loop" : "closed loop", r->traffic_s, w->s);
	fprintf(out, "sent           %llu packets, %.0f/s, %.1f Mbit/s\n",
		(unsigned long long)r->sent, per_second(w->sent, w->s),
		per_second(w->tx_bytes * 8, w->s) / 1e6);
	fprintf(out, "received       %llu packets, %.0f/s, %.1f Mbit/s\n",
		(unsigned long long)r->received, per_second(w->received, w->s),
		per_second(w->rx_bytes * 8, w->s) / 1e6);
	fprintf(out,
		"lost           %llu (%.4f %%), reordered %llu, duplicated %llu, corrupt %llu\n",
		(unsigned long long)r->missing, loss_percent(r), (unsigned long long)r->reordered,
		(unsigned long long)r->duplicated, (unsigned long long)r->corrupt);
	if (r->far_unsent || r->far_socket_drop)
		fprintf(out,
			"               in the far host itself: %llu not sent, %llu not taken\n",
			(unsigned long long)r->far_unsent, (unsigned long long)r->far_socket_drop);
	fprintf(out, "latency        p50 %.3f  p99 %.3f  p99.9 %.3f  max %.3f ms, %s\n",
		(double)t->p50 / 1e6, (double)t->p99 / 1e6, (double)t->p999 / 1e6,
		(double)t->max / 1e6, r->latency_kind);
	if (r->refused || r->other)
		fprintf(out, "               %llu times no room to send, %llu other packets\n",
			(unsigned long long)r->refused, (unsigned long long)r->other);
	print_cost(out, r);
}

void load_print_table(FILE *out, const struct load_conf *conf, const struct load_result *r)
{
	struct load_cost c;

	if (conf->call.stall) {
		print_stalled(out, conf, r);
		return;
	}
	fprintf(out, "sessions       %u, up %u, failed %u, lost %u, hung up in order %u\n",
		conf->sessions, r->up, r->failed, r->lost, r->hung_up);
	fprintf(out, "set-up         %.2f s, %.0f/s, each p50 %.1f  p99 %.1f  max %.1f ms\n",
		r->setup_s, per_second(r->up, r->setup_s), ms(r->setup, 0.5), ms(r->setup, 0.99),
		(double)r->setup->max / 1e6);
	if (load_cost(r, &c))
		fprintf(out, "               %.0f us of the server's processor time each\n",
			c.setup_us);
	if (conf->mode != LOAD_IDLE)
		print_traffic(out, conf, r);
	fprintf(out, "hang-up        %.2f s; processor time of this program %.2f s\n", r->hangup_s,
		r->cpu_s);
	print_reasons(out, r);
}

static void json_times(FILE *out, const char *name, const struct hist *h)
{
	fprintf(out,
		"  \"%s\": {\"n\": %llu, \"mean\": %.6f, \"p50\": %.6f, \"p99\": %.6f, "
		"\"p999\": %.6f, \"max\": %.6f},\n",
		name, (unsigned long long)h->n, h->n ? h->sum / (double)h->n / 1e6 : 0, ms(h, 0.5),
		ms(h, 0.99), ms(h, 0.999), (double)h->max / 1e6);
}

static void json_latency(FILE *out, const struct load_result *r)
{
	const struct load_times *t = &r->latency_times;

	fprintf(out,
		"  \"latency_ms\": {\"n\": %llu, \"mean\": %.6f, \"p50\": %.6f, \"p99\": %.6f, "
		"\"p999\": %.6f, \"max\": %.6f, \"kind\": \"%s\"},\n",
		(unsigned long long)t->n, (double)t->mean / 1e6, (double)t->p50 / 1e6,
		(double)t->p99 / 1e6, (double)t->p999 / 1e6, (double)t->max / 1e6, r->latency_kind);
}

static void json_threads(FILE *out, const struct cpu_sample *u)
{
	fprintf(out, "\"threads\": [");
	for (unsigned int i = 0; i < u->nb_threads; i++) {
		fprintf(out, "%s{\"name\": ", i ? ", " : "");
		bench_json_text(out, u->thread[i].name);
		fprintf(out, ", \"cpu_s\": %.6f}", (double)u->thread[i].run_ns / 1e9);
	}
	fprintf(out, "]");
}

static void json_server(FILE *out, const struct load_result *r)
{
	const struct cpu_sample *u = &r->traffic_cpu;
	struct load_cost c;

	if (!load_cost(r, &c)) {
		fprintf(out, "  \"server\": null,\n");
		return;
	}
	fprintf(out,
		"  \"server\": {\"user_s\": %.3f, \"system_s\": %.3f, \"cores\": %.4f, "
		"\"us_per_packet\": %.4f, \"tsc_cycles_per_packet\": %.1f,\n"
		"    \"packets_per_cpu_s\": %.1f, \"mbit_per_cpu_s\": %.3f, "
		"\"setup_us\": %.2f, \"tsc_hz\": %.0f,\n    ",
		u->user_s, u->system_s, c.cores, c.us, c.cycles, c.packets_cpu_s, c.mbit_cpu_s,
		c.setup_us, cpu_tsc_hz(u));
	json_threads(out, u);
	fprintf(out,
		"},\n  \"machine\": {\"user_s\": %.3f, \"system_s\": %.3f, \"irq_s\": %.3f, "
		"\"softirq_s\": %.3f, \"steal_s\": %.3f, \"idle_s\": %.3f, "
		"\"softirq_us_per_packet\": %.4f},\n",
		u->all_user_s, u->all_system_s, u->all_irq_s, u->all_softirq_s, u->all_steal_s,
		u->all_idle_s, c.softirq_us);
}

void load_print_json(FILE *out, const struct load_conf *conf, const struct load_result *r)
{
	fprintf(out, "{\n  \"passed\": %s,\n", load_passed(conf, r) ? "true" : "false");
	fprintf(out,
		"  \"sessions\": %u, \"up\": %u, \"failed\": %u, \"lost_sessions\": %u, "
		"\"hung_up\": %u,\n",
		conf->sessions, r->up, r->failed, r->lost, r->hung_up);
	fprintf(out, "  \"setup_s\": %.6f, \"setups_per_s\": %.3f,\n", r->setup_s,
		per_second(r->up, r->setup_s));
	json_times(out, "setup_ms", r->setup);
	fprintf(out,
		"  \"mode\": \"%s\", \"one_way\": %s, \"loop\": \"%s\", \"pps\": %.3f, "
		"\"window\": %u, \"per_record\": %u,\n",
		load_mode_name(conf->mode), conf->one_way ? "true" : "false",
		conf->pps > 0 ? "open" : "closed", conf->pps, conf->window, conf->per_record);
	fprintf(out, "  \"size\": %u, \"traffic_s\": %.6f, \"measured_s\": %.6f,\n", conf->size,
		r->traffic_s, r->window.s);
	fprintf(out,
		"  \"sent\": %llu, \"received\": %llu, \"missing\": %llu, \"loss_percent\": "
		"%.6f,\n",
		(unsigned long long)r->sent, (unsigned long long)r->received,
		(unsigned long long)r->missing, loss_percent(r));
	fprintf(out,
		"  \"reordered\": %llu, \"duplicated\": %llu, \"corrupt\": %llu, \"other\": "
		"%llu,\n",
		(unsigned long long)r->reordered, (unsigned long long)r->duplicated,
		(unsigned long long)r->corrupt, (unsigned long long)r->other);
	fprintf(out, "  \"far_unsent\": %llu, \"far_socket_dropped\": %llu, \"no_room\": %llu,\n",
		(unsigned long long)r->far_unsent, (unsigned long long)r->far_socket_drop,
		(unsigned long long)r->refused);
	fprintf(out,
		"  \"tx_pps\": %.3f, \"rx_pps\": %.3f, \"tx_mbit_s\": %.3f, \"rx_mbit_s\": %.3f,\n",
		per_second(r->window.sent, r->window.s),
		per_second(r->window.received, r->window.s),
		per_second(r->window.tx_bytes * 8, r->window.s) / 1e6,
		per_second(r->window.rx_bytes * 8, r->window.s) / 1e6);
	json_latency(out, r);
	json_server(out, r);
	fprintf(out, "  \"stall\": \"%s\", \"ended_by_server\": %u, \"still_open\": %u,\n",
		load_stall_name(conf->call.stall), r->ended_by_server, r->still_open);
	json_times(out, "ended_after_ms", r->ended_after);
	fprintf(out, "  \"hangup_s\": %.6f, \"cpu_s\": %.6f,\n  \"reasons\": [", r->hangup_s,
		r->cpu_s);
	for (unsigned int i = 0; i < r->nb_reasons; i++) {
		fprintf(out, "%s\n    {\"n\": %u, \"text\": ", i ? "," : "", r->reasons[i].n);
		bench_json_text(out, r->reasons[i].text);
		fputc('}', out);
	}
	fprintf(out, "]\n}\n");
}
