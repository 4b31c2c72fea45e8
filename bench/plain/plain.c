// SPDX-License-Identifier: BSD-3-Clause
// culvert-bench plain: TLS over a kernel socket and nothing else, to measure culvert-client beside.
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/commands.h"
#include "bench/options.h"
#include "bench/plain/stream.h"

#define WINDOWS_MAX 100

#define OPTION_LIST(X)                                                                      \
	X(LISTEN, "listen", "ADDRESS", "be the server, until a signal")                     \
	X(CERTIFICATE, "certificate", "FILE", "its certificate and key, PEM")               \
	X(CONNECT, "connect", "ADDRESS", "be the client, which is measured")                \
	X(PORT, "port", "PORT", "TCP port (4433)")                                          \
	X(WAY, "way", "up|down", "the client writes or reads (up)")                         \
	X(RECORD, "record", "BYTES", "plaintext of each record, of whoever writes (16384)") \
	X(RATE, "rate", "BYTES", "a second, in bursts of 64 KiB (none)")                    \
	X(WARMUP, "warmup", "S", "seconds before the first window (0.5)")                   \
	X(WINDOW, "window", "S", "seconds of each (1)")                                     \
	X(WINDOWS, "windows", "N", "how many (3)")                                          \
	X(CONGESTION, "congestion-control", "NAME", "of the TCP connection (the system's)") \
	X(ALSO, "also", "PID", "whose processor time counts as well; up to 4 times")        \
	X(JSON, "json", "FILE", "the windows as JSON (-: standard output)")                 \
	X(HELP, "help", "", "print this")

BENCH_OPTIONS(OPTION_LIST);

static void print_help(void)
{
	puts("Usage: culvert-bench plain --listen ADDRESS --certificate FILE [OPTION...]\n"
	     "       culvert-bench plain --connect ADDRESS [OPTION...]\n"
	     "TLS 1.3 with AES-256-GCM over a kernel socket and nothing else: bytes, and "
	     "processor\n"
	     "time of the client.\n");
	bench_options_print(option_rows, BENCH_NB(option_rows), 26);
}

static int set_way(struct stream_conf *c)
{
	c->up = !strcmp(optarg, "up");
	return c->up || !strcmp(optarg, "down") ? 0 : bench_fail("way", "up or down");
}

static int set_also(struct stream_conf *c)
{
	unsigned int pid;

	if (c->nb_also == STREAM_PIDS)
		return bench_fail("also", "4 at most");
	if (bench_number("also", 1, 1u << 22, &pid))
		return -EINVAL;
	c->also[c->nb_also++] = (pid_t)pid;
	return 0;
}

static int set_option(struct stream_conf *c, int option, const char **json)
{
	switch (option) {
	case OPT_LISTEN:
	case OPT_CONNECT:
		c->address = optarg;
		return 0;
	case OPT_CERTIFICATE:
		c->certificate = optarg;
		return 0;
	case OPT_PORT:
		c->port = optarg;
		return 0;
	case OPT_WAY:
		return set_way(c);
	case OPT_RECORD:
		return bench_number("record", 1, STREAM_RECORD_MAX, &c->record);
	case OPT_RATE:
		return bench_real("rate", 1e12, &c->rate);
	case OPT_WARMUP:
		return bench_real("warmup", 1000, &c->warmup_s);
	case OPT_WINDOW:
		return bench_real("window", 1000, &c->window_s);
	case OPT_WINDOWS:
		return bench_number("windows", 1, WINDOWS_MAX, &c->windows);
	case OPT_CONGESTION:
		c->congestion = optarg;
		return 0;
	case OPT_ALSO:
		return set_also(c);
	case OPT_JSON:
		*json = optarg;
		return 0;
	default:
		return -EINVAL;
	}
}

static int print_windows(
	const struct stream_conf *c, const struct stream_window *windows, const char *json)
{
	FILE *out = bench_json_open(json);

	if (!out)
		return -EIO;
	fprintf(out, "{\"way\": \"%s\", \"record\": %u, \"windows\": [", c->up ? "up" : "down",
		c->record);
	for (unsigned int i = 0; i < c->windows; i++)
		fprintf(out,
			"%s\n {\"wall_s\": %.6f, \"cpu_s\": %.6f, \"also_s\": %.6f, \"bytes\": "
			"%llu}",
			i ? "," : "", windows[i].wall_s, windows[i].cpu_s, windows[i].also_s,
			(unsigned long long)windows[i].bytes);
	fputs("]}\n", out);
	return bench_json_close(out, json);
}

int bench_plain(int argc, char **argv)
{
	struct stream_conf c = {.port = "4433",
		.up = true,
		.record = STREAM_RECORD_MAX,
		.windows = 3,
		.warmup_s = 0.5,
		.window_s = 1};
	static struct stream_window windows[WINDOWS_MAX];
	const char *json = "-";
	bool listens = false;
	int option;

	bench_options_begin("culvert-bench plain");
	while ((option = bench_options_next(option_rows, BENCH_NB(option_rows), argc, argv)) !=
		-1) {
		if (option == OPT_HELP) {
			print_help();
			return EXIT_SUCCESS;
		}
		listens = listens || option == OPT_LISTEN;
		if (set_option(&c, option, &json))
			return BENCH_EXIT_USAGE;
	}
	if (!c.address || optind < argc || listens != (c.certificate != NULL)) {
		fputs("culvert-bench plain: --connect, or --listen and --certificate; see --help\n",
			stderr);
		return BENCH_EXIT_USAGE;
	}
	if (listens)
		return stream_serve(&c);
	if (stream_measure(&c, windows))
		return EXIT_FAILURE;
	return print_windows(&c, windows, json) ? EXIT_FAILURE : EXIT_SUCCESS;
}
