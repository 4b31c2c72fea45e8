// SPDX-License-Identifier: BSD-3-Clause
#include "bench/sockets/load.h"

const char *load_mode_name(enum load_mode m)
{
	static const char *const names[] = {"idle", "ping", "udp", "pair"};

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

static void print_traffic(FILE *out, const struct load_conf *conf, const struct load_result *r)
{
	fprintf(out, "traffic        %s, %u-byte packets, %.1f s\n", load_mode_name(conf->mode),
		conf->size, r->traffic_s);
	fprintf(out, "sent           %llu packets, %.0f/s, %.1f Mbit/s\n",
		(unsigned long long)r->sent, per_second(r->sent, r->traffic_s),
		per_second(r->tx_bytes * 8, r->traffic_s) / 1e6);
	fprintf(out, "received       %llu packets, %.0f/s, %.1f Mbit/s\n",
		(unsigned long long)r->received, per_second(r->received, r->traffic_s),
		per_second(r->rx_bytes * 8, r->traffic_s) / 1e6);
	fprintf(out,
		"lost           %llu (%.4f %%), reordered %llu, duplicated %llu, corrupt %llu\n",
		(unsigned long long)r->missing, loss_percent(r), (unsigned long long)r->reordered,
		(unsigned long long)r->duplicated, (unsigned long long)r->corrupt);
	fprintf(out, "latency        p50 %.3f  p99 %.3f  p99.9 %.3f  max %.3f ms\n",
		ms(r->latency, 0.5), ms(r->latency, 0.99), ms(r->latency, 0.999),
		(double)r->latency->max / 1e6);
	if (r->refused || r->other)
		fprintf(out, "               %llu times no room to send, %llu other packets\n",
			(unsigned long long)r->refused, (unsigned long long)r->other);
}

void load_print_table(FILE *out, const struct load_conf *conf, const struct load_result *r)
{
	if (conf->call.stall) {
		print_stalled(out, conf, r);
		return;
	}
	fprintf(out, "sessions       %u, up %u, failed %u, lost %u, hung up in order %u\n",
		conf->sessions, r->up, r->failed, r->lost, r->hung_up);
	fprintf(out, "set-up         %.2f s, %.0f/s, each p50 %.1f  p99 %.1f  max %.1f ms\n",
		r->setup_s, per_second(r->up, r->setup_s), ms(r->setup, 0.5), ms(r->setup, 0.99),
		(double)r->setup->max / 1e6);
	if (conf->mode != LOAD_IDLE)
		print_traffic(out, conf, r);
	fprintf(out, "hang-up        %.2f s; processor time of this program %.2f s\n", r->hangup_s,
		r->cpu_s);
	print_reasons(out, r);
}

static void json_text(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if ((unsigned char)*s < ' ')
			fprintf(out, "\\u%04x", (unsigned char)*s);
		else
			fputc(*s, out);
	}
	fputc('"', out);
}

static void json_times(FILE *out, const char *name, const struct hist *h)
{
	fprintf(out,
		"  \"%s\": {\"n\": %llu, \"mean\": %.6f, \"p50\": %.6f, \"p99\": %.6f, "
		"\"p999\": %.6f, \"max\": %.6f},\n",
		name, (unsigned long long)h->n, h->n ? h->sum / (double)h->n / 1e6 : 0, ms(h, 0.5),
		ms(h, 0.99), ms(h, 0.999), (double)h->max / 1e6);
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
	fprintf(out, "  \"mode\": \"%s\", \"size\": %u, \"traffic_s\": %.6f,\n",
		load_mode_name(conf->mode), conf->size, r->traffic_s);
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
	fprintf(out,
		"  \"tx_pps\": %.3f, \"rx_pps\": %.3f, \"tx_mbit_s\": %.3f, \"rx_mbit_s\": %.3f,\n",
		per_second(r->sent, r->traffic_s), per_second(r->received, r->traffic_s),
		per_second(r->tx_bytes * 8, r->traffic_s) / 1e6,
		per_second(r->rx_bytes * 8, r->traffic_s) / 1e6);
	json_times(out, "latency_ms", r->latency);
	fprintf(out, "  \"stall\": \"%s\", \"ended_by_server\": %u, \"still_open\": %u,\n",
		load_stall_name(conf->call.stall), r->ended_by_server, r->still_open);
	json_times(out, "ended_after_ms", r->ended_after);
	fprintf(out, "  \"hangup_s\": %.6f, \"cpu_s\": %.6f,\n  \"reasons\": [", r->hangup_s,
		r->cpu_s);
	for (unsigned int i = 0; i < r->nb_reasons; i++) {
		fprintf(out, "%s\n    {\"n\": %u, \"text\": ", i ? "," : "", r->reasons[i].n);
		json_text(out, r->reasons[i].text);
		fputc('}', out);
	}
	fprintf(out, "]\n}\n");
}
