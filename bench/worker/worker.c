// SPDX-License-Identifier: BSD-3-Clause
// culvert-bench worker: the command line.
#include "bench/worker/worker.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <rte_cycles.h>

#include "base/log.h"
#include "bench/commands.h"
#include "bench/options.h"

#define OPTION_LIST(X)                                                                            \
	X(WORKERS, "workers", "1|2", "workers side by side, each on a CPU (1)")                   \
	X(APART, "apart", "", "generators on other CPUs; else worker and generator in turn")      \
	X(SESSIONS, "sessions", "LIST", "sessions up, ascending: 1,64,1000 (64)")                 \
	X(ROOM, "room", "N", "sessions there is room for (the most of --sessions)")               \
	X(SIZE, "size", "LIST", "inner packets' sizes, or imix (1400)")                           \
	X(DIRECTION, "direction", "LIST", "down, up, both, hairpin (down,up)")                    \
	X(STRADDLE, "straddle", "", "up: the stream cut at the MSS (sizes from 512 on)")          \
	X(NO_STRADDLE, "no-straddle", "", "up: each record in segments of its own")               \
	X(TURN, "turn", "N", "packets offered for each of the worker's loops (64)")               \
	X(ROUNDS, "rounds", "N", "so many turns of each in a row: packets get cold (1)")          \
	X(BURST, "burst", "N", "packets of one session back to back (1)")                         \
	X(ORDER, "order", "random|round-robin", "of the sessions (round-robin)")                  \
	X(CIPHER, "cipher", "NAME",                                                               \
		"aes-256-gcm, aes-128-gcm, chacha20 or null: nothing is protected (aes-256-gcm)") \
	X(BACKEND, "backend", "NAME", "library of the workers: ipsec-mb, openssl (fastest)")      \
	X(TLS, "tls", "1.2|1.3", "TLS version (1.3)")                                             \
	X(OFFLOADS, "offloads", "on|off", "checksums are done by the wire (on)")                  \
	X(HANDOVER, "handover", "", "2 workers: all from core comes to the other one")            \
	X(ON_LINK, "on-link", "", "clients in the access subnet, not behind a gateway")           \
	X(CLIENTS, "clients", "N", "addresses they come from (16)")                               \
	X(VERIFY, "verify", "N", "down: check the bytes of every Nth record, 0 none (16)")        \
	X(LOSS, "loss", "P", "access wire: share of frames lost")                                 \
	X(DUPLICATE, "duplicate", "P", "... doubled")                                             \
	X(REORDER, "reorder", "P", "... overtaken")                                               \
	X(CORRUPT, "corrupt", "P", "... damaged")                                                 \
	X(RCV_WND, "rcv-wnd", "BYTES", "clients' receive window (as large as it gets)")           \
	X(SEED, "seed", "N", "of the chaos (1)")                                                  \
	X(SECONDS, "seconds", "S", "of a case, each time (0.25)")                                 \
	X(PACKETS, "packets", "N", "or so many packets, when they come sooner")                   \
	X(REPEATS, "repeats", "N", "times, of which the median (5)")                              \
	X(WARM_UP, "warm-up", "S", "in front of each (0.1)")                                      \
	X(CONCURRENT, "concurrent", "N", "set-ups in progress at once (128)")                     \
	X(PPS, "pps", "N", "offered each way (as many as --turn says)")                           \
	X(LATENCY, "latency", "", "then again at half of the highest rate: added latency")        \
	X(NO_STAGES, "no-stages", "", "not again with the cycles of each stage")                  \
	X(SETUP, "setup", "", "no traffic: what set-ups cost the control plane")                  \
	X(MEMORY, "memory", "", "no traffic: what idle sessions hold")                            \
	X(HUGEPAGES, "hugepages", "yes|no|auto", "2 MiB pages (auto: if enough are free)")        \
	X(MBUFS, "mbufs", "N", "packet buffers of a worker (32768)")                              \
	X(JSON, "json", "FILE", "write the result to FILE as JSON; -: instead of a table")        \
	X(LOG_LEVEL, "log-level", "LEVEL", "culvertd's (warning)")                                \
	X(HELP, "help", "", "print this")

BENCH_OPTIONS(OPTION_LIST);

static void print_help(void)
{
	printf("Usage: culvert-bench worker [OPTION...]\nculvertd's workers and control plane in "
	       "this process, load generators around them by rings, and\nthe workers' busy cycles "
	       "for each inner packet, beside the bare cipher's in the same run.\n\n");
	bench_options_print(option_rows, BENCH_NB(option_rows), 26);
	printf("\nExit status: 0 all as it should be; 1 it could not run, a byte was wrong, a "
	       "packet or session was\nlost without chaos, or a pool was not empty at the end; 2 "
	       "usage.\n");
}

// One word of a list.
typedef int take_fn(const char *option, const char *word, unsigned int *v);

static int list(const char *option, take_fn *take, unsigned int *v, unsigned int *n)
{
	char *copy = strdup(optarg), *save = NULL, *word;
	int rc = copy ? 0 : -ENOMEM;

	*n = 0;
	for (word = copy ? strtok_r(copy, ",", &save) : NULL; word && !rc;
		word = strtok_r(NULL, ",", &save))
		rc = *n == WB_LIST_MAX ? bench_fail(option, "a shorter list")
				       : take(option, word, &v[(*n)++]);
	free(copy);
	return rc ? rc : *n ? 0 : bench_fail(option, "a list");
}

static int take_sessions(const char *option, const char *word, unsigned int *v)
{
	return bench_number_in(option, word, 1, 200000, v);
}

static int take_size(const char *option, const char *word, unsigned int *v)
{
	if (!strcmp(word, "imix")) {
		*v = WB_IMIX;
		return 0;
	}
	return bench_number_in(option, word, 64, 1460, v);
}

static int take_direction(const char *option, const char *word, unsigned int *v)
{
	static const unsigned int sets[] = {GEN_DOWN, GEN_UP, GEN_DOWN | GEN_UP, GEN_HAIRPIN};

	for (unsigned int i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		*v = sets[i];
		if (!strcmp(word, wb_direction(sets[i])))
			return 0;
	}
	return bench_fail(option, "down, up, both, hairpin");
}

// One of two words.
static int either(const char *option, const char *no, const char *yes, bool *v)
{
	char expected[64];

	*v = !strcmp(optarg, yes);
	if (*v || !strcmp(optarg, no))
		return 0;
	snprintf(expected, sizeof(expected), "%s or %s", yes, no);
	return bench_fail(option, expected);
}

static int parse_cipher(struct wb_opts *o)
{
	static const struct {
		const char *name, *suite, *cipher;
		enum tls_aead aead;
	} list_of[] = {
		{"aes-256-gcm", "TLS_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384",
			TLS_AEAD_AES_256_GCM},
		{"aes-128-gcm", "TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256",
			TLS_AEAD_AES_128_GCM},
		{"chacha20", "TLS_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305",
			TLS_AEAD_CHACHA20_POLY1305},
		{"null", "TLS_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384",
			TLS_AEAD_AES_256_GCM},
	};

	for (unsigned int i = 0; i < sizeof(list_of) / sizeof(list_of[0]); i++) {
		if (strcmp(o->cipher, list_of[i].name) != 0)
			continue;
		o->aead = list_of[i].aead;
		o->bed.ciphersuites = list_of[i].suite;
		o->bed.ciphers = list_of[i].cipher;
		o->null = !strcmp(o->cipher, "null");
		return 0;
	}
	return -EINVAL;
}

static int parse_chaos(struct wb_opts *o, int id)
{
	struct gen_chaos *c = &o->bed.chaos;
	unsigned int n;
	int rc;

	switch (id) {
	case OPT_LOSS:
		return bench_real("loss", 1, &c->loss);
	case OPT_DUPLICATE:
		return bench_real("duplicate", 1, &c->duplicate);
	case OPT_REORDER:
		return bench_real("reorder", 1, &c->reorder);
	case OPT_CORRUPT:
		return bench_real("corrupt", 1, &c->corrupt);
	case OPT_RCV_WND:
		return bench_number("rcv-wnd", 1024, 1u << 30, &c->rcv_wnd);
	case OPT_SEED:
		rc = bench_number("seed", 0, UINT32_MAX, &n);
		c->seed = n;
		return rc;
	case OPT_HELP:
		print_help();
		return 1;
	default: // getopt_long() has said why
		return -EINVAL;
	}
}

static int parse_what(struct wb_opts *o, int id)
{
	unsigned int n;
	bool yes;
	int rc;

	switch (id) {
	case OPT_SECONDS:
		return bench_real("seconds", 3600, &o->seconds);
	case OPT_PPS:
		return bench_real("pps", 1e9, &o->pps);
	case OPT_WARM_UP:
		return bench_real("warm-up", 3600, &o->warm_up);
	case OPT_PACKETS:
		rc = bench_number("packets", 1, UINT32_MAX, &n);
		o->packets = n;
		return rc;
	case OPT_REPEATS:
		return bench_number("repeats", 1, WB_REPEATS_MAX, &o->repeats);
	case OPT_CONCURRENT:
		return bench_number("concurrent", 1, 16384, &o->concurrent);
	case OPT_LATENCY:
		o->latency = true;
		return 0;
	case OPT_NO_STAGES:
		o->no_stages = true;
		return 0;
	case OPT_SETUP:
		o->setup = true;
		return 0;
	case OPT_MEMORY:
		o->memory = true;
		return 0;
	case OPT_HUGEPAGES:
		o->bed.hugepages = -1;
		if (!strcmp(optarg, "auto"))
			return 0;
		rc = either("hugepages", "no", "yes", &yes);
		o->bed.hugepages = yes;
		return rc;
	case OPT_MBUFS:
		return bench_number("mbufs", 4096, 4194304, &o->bed.mbufs);
	case OPT_JSON:
		o->json = optarg;
		return 0;
	case OPT_LOG_LEVEL:
		o->bed.log_level = optarg;
		return log_set_level(optarg)
			       ? bench_fail("log-level", "err, warning, notice, info or debug")
			       : 0;
	default:
		return parse_chaos(o, id);
	}
}

static int parse_option(struct wb_opts *o, int id)
{
	switch (id) {
	case OPT_WORKERS:
		return bench_number("workers", 1, BED_MAX_WORKERS, &o->bed.workers);
	case OPT_APART:
		o->bed.apart = true;
		return 0;
	case OPT_SESSIONS:
		return list("sessions", take_sessions, o->sessions, &o->nb_sessions);
	case OPT_ROOM:
		return bench_number("room", 1, 200000, &o->bed.sessions);
	case OPT_SIZE:
		return list("size", take_size, o->sizes, &o->nb_sizes);
	case OPT_DIRECTION:
		return list("direction", take_direction, o->directions, &o->nb_directions);
	case OPT_STRADDLE:
	case OPT_NO_STRADDLE:
		o->straddle = id == OPT_STRADDLE;
		return 0;
	case OPT_TURN:
		return bench_number("turn", 1, 1024, &o->turn);
	case OPT_ROUNDS:
		return bench_number("rounds", 1, 32, &o->rounds);
	case OPT_BURST:
		return bench_number("burst", 1, 1024, &o->burst);
	case OPT_ORDER:
		return either("order", "round-robin", "random", &o->random);
	case OPT_CIPHER:
		o->cipher = optarg;
		return parse_cipher(o)
			       ? bench_fail("cipher", "aes-256-gcm, aes-128-gcm, chacha20 or null")
			       : 0;
	case OPT_BACKEND:
		o->bed.backend = optarg;
		return rec_backend_get(optarg) ? 0 : bench_fail("backend", "one that is built in");
	case OPT_TLS:
		return either("tls", "1.3", "1.2", &o->bed.only_tls12);
	case OPT_OFFLOADS:
		return either("offloads", "off", "on", &o->bed.offloads);
	case OPT_HANDOVER:
		o->bed.handover = true;
		return 0;
	case OPT_ON_LINK:
		o->bed.on_link = true;
		return 0;
	case OPT_CLIENTS:
		return bench_number("clients", 1, 252, &o->bed.clients);
	case OPT_VERIFY:
		return bench_number("verify", 0, 1000000, &o->verify);
	default:
		return parse_what(o, id);
	}
}

static int check(struct wb_opts *o)
{
	const struct gen_chaos *c = &o->bed.chaos;

	if (o->null && *o->bed.backend) {
		fprintf(stderr, "culvert-bench worker: --cipher null is a --backend already\n");
		return -EINVAL;
	}
	if (o->setup && o->memory) {
		fprintf(stderr, "culvert-bench worker: --setup or --memory, not both\n");
		return -EINVAL;
	}
	if (o->null)
		o->bed.backend = "null";
	o->chaos =
		c->loss > 0 || c->duplicate > 0 || c->reorder > 0 || c->corrupt > 0 || c->rcv_wnd;
	for (unsigned int i = 0; i < o->nb_sessions; i++) {
		o->bed.sessions = RTE_MAX(o->bed.sessions, o->sessions[i]);
		if (i && o->sessions[i] < o->sessions[i - 1]) {
			fprintf(stderr, "culvert-bench worker: --sessions: in ascending order\n");
			return -EINVAL;
		}
		if (o->sessions[i] < o->bed.workers) {
			fprintf(stderr, "culvert-bench worker: each worker needs a session\n");
			return -EINVAL;
		}
	}
	for (unsigned int d = 0; d < o->nb_directions; d++)
		if (o->directions[d] == GEN_HAIRPIN && o->sessions[0] < 2 * o->bed.workers) {
			fprintf(stderr, "culvert-bench worker: hairpin takes two sessions\n");
			return -EINVAL;
		}
	return 0;
}

static int parse(struct wb_opts *o, int argc, char **argv)
{
	int id, rc;

	*o = (struct wb_opts){
		.bed = {.workers = 1,
			.hugepages = -1,
			.backend = "",
			.offloads = true,
			.mbufs = 32768,
			.clients = 16,
			.log_level = "warning",
			.chaos = {.seed = 1}},
		.sessions = {64},
		.nb_sessions = 1,
		.sizes = {1400},
		.nb_sizes = 1,
		.directions = {GEN_DOWN, GEN_UP},
		.nb_directions = 2,
		.turn = 64,
		.rounds = 1,
		.burst = 1,
		.verify = 16,
		.straddle = -1,
		.cipher = "aes-256-gcm",
		.seconds = 0.25,
		.warm_up = 0.1,
		.repeats = 5,
		.concurrent = 128,
	};
	parse_cipher(o);
	optind = 1;
	bench_options_begin("culvert-bench worker");
	while ((id = bench_options_next(option_rows, BENCH_NB(option_rows), argc, argv)) != -1) {
		rc = parse_option(o, id);
		if (rc)
			return rc;
	}
	if (optind < argc) {
		fprintf(stderr, "culvert-bench worker: options only; see --help\n");
		return -EINVAL;
	}
	return check(o);
}

static int write_json(const struct bed *b, const struct wb_opts *o, const struct wb_result *r)
{
	FILE *out = bench_json_open(o->json);

	if (!out)
		return -EIO;
	wb_print_json(out, b, o, r);
	return bench_json_close(out, o->json);
}

static int run(struct bed *b, const struct wb_opts *o, struct wb_result *r)
{
	int rc = bed_open(b, &o->bed), left;

	if (!rc) {
		r->tsc_hz = (double)rte_get_tsc_hz();
		rc = o->setup    ? wb_run_setup(b, o, r)
		     : o->memory ? wb_run_memory(b, o, r)
				 : wb_run_cases(b, o, r);
		if (!rc)
			rc = bed_hangup(b);
	}
	left = bed_close(b);
	if (!rc && left >= 0)
		r->pools_left = left;
	bed_progress("%s", "");
	return rc;
}

int bench_worker(int argc, char **argv)
{
	static struct wb_result r;
	static struct wb_opts o;
	struct bed b;
	int rc = parse(&o, argc, argv);

	if (rc)
		return rc > 0 ? EXIT_SUCCESS : BENCH_EXIT_USAGE;
	rc = run(&b, &o, &r);
	if (!rc) {
		if (!o.json || strcmp(o.json, "-") != 0)
			wb_print_table(stdout, &b, &o, &r);
		if (o.json)
			rc = write_json(&b, &o, &r);
	}
	free(r.cases);
	return rc || r.failed || r.pools_left ? EXIT_FAILURE : EXIT_SUCCESS;
}
