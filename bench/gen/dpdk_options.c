// SPDX-License-Identifier: BSD-3-Clause
// The command line of culvert-bench dpdk.
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bench/gen/dpdk.h"
#include "bench/probe.h"
#include "bench/options.h"
#include "config/value.h"

#define OPTION_LIST(X)                                                                        \
	X(ACCESS, "access", "DEVICE", "DPDK device where the clients are")                    \
	X(CORE, "core", "DEVICE", "DPDK device where the host behind is (none)")              \
	X(CONNECT, "connect", "ADDRESS[:PORT]", "server, in the clients' subnet; port 443")   \
	X(CLIENTS, "clients", "ADDRESS[+N]/LEN", "clients' addresses: N from ADDRESS on (1)") \
	X(CORE_ADDRESS, "core-address", "ADDRESS/LEN", "the host's address")                  \
	X(CORE_GATEWAY, "core-gateway", "ADDRESS", "the server's address there")              \
	X(CPU, "cpu", "N", "CPU to run on (0)")                                               \
	X(HUGEPAGES, "hugepages", "", "use huge pages")                                       \
	X(MEMORY, "memory", "MB", "DPDK memory (by --mbufs and --sessions)")                  \
	X(MBUFS, "mbufs", "N", "packet buffers (32768)")                                      \
	X(BUSY, "busy", "", "never sleep")                                                    \
	X(SESSIONS, "sessions", "N", "calls to make (1)")                                     \
	X(FIRST, "first", "N", "number of the first call (0)")                                \
	X(USER, "user", "PATTERN", "user name; %d becomes the call's number (user%d)")        \
	X(PASSWORD_FILE, "password-file", "FILE", "password of all: first line of FILE")      \
	X(PASSWORD_ENV, "password-env", "NAME", "password: the environment variable NAME")    \
	X(RATE, "rate", "N", "set-ups a second (as fast as --concurrent allows)")             \
	X(CONCURRENT, "concurrent", "N", "set-ups in progress at once (64)")                  \
	X(STORM, "storm", "", "all at once, as after a restart")                              \
	X(HOLD, "hold", "S", "seconds of silence with all calls up (0)")                      \
	X(DIRECTION, "direction", "down|up|both|hairpin|all|none", "of the traffic (none)")   \
	X(DURATION, "duration", "S", "seconds of traffic (10)")                               \
	X(SIZE, "size", "N|imix", "IP packet's size, or a mixture (1400)")                    \
	X(PPS, "pps", "N", "packets a second in each direction (as fast as it goes)")         \
	X(PER_TURN, "per-turn", "N", "without --pps: packets given in one turn (64)")         \
	X(BURST, "burst", "N", "packets of one call back to back (1)")                        \
	X(PER_RECORD, "per-record", "N", "packets a client puts into one record (1)")         \
	X(RANDOM, "random", "", "calls send in random order, not in turns")                   \
	X(STRADDLE, "straddle", "", "clients' records straddle segments, as a kernel's do")   \
	X(VERIFY, "verify", "N", "open and check every N-th record, 0: none (1)")             \
	X(CHAOS, "chaos", "KEY=VALUE,...",                                                    \
		"loss, duplicate, reorder, corrupt (0 to 1), window (bytes), seed")           \
	X(CHURN, "churn", "N", "beside the traffic: N set-ups and tear-downs a second")       \
	X(CHURN_SESSIONS, "churn-sessions", "N", "of the last N calls (a tenth)")             \
	X(DRAIN, "drain", "S", "seconds to wait for the last packets (2)")                    \
	X(MAX_LOSS, "max-loss", "PERCENT", "more lost packets fail the run (100)")            \
	X(HANGUP_RATE, "hangup-rate", "N", "hang-ups a second at the end (no bound)")         \
	X(AUTHENTICATION, "authentication", "METHOD", "pap, chap, mschap1 or mschap2 (all)")  \
	X(TLS_VERSION, "tls-version", "any|only-1.2", "TLS versions offered (any)")           \
	X(CIPHERS, "ciphers", "LIST", "TLS 1.2 ciphers, as OpenSSL writes them")              \
	X(CIPHERSUITES, "ciphersuites", "LIST", "TLS 1.3 ciphers, as OpenSSL writes them")    \
	X(RECORDS, "records", "BACKEND", "record protection by BACKEND (the fastest)")        \
	X(KEEPALIVE, "keepalive-timeout", "TIME", "or disabled (60)")                         \
	X(JSON, "json", "FILE", "write the result to FILE as JSON")                           \
	X(PROGRESS, "progress", "S", "a line every S seconds, 0: none (1)")                   \
	X(DEBUG, "debug", "", "print what DPDK says")                                         \
	X(HELP, "help", "", "print this")                                                     \
	X(VERSION, "version", "", "print the version")

BENCH_OPTIONS(OPTION_LIST);

static void print_help(void)
{
	printf("Usage: culvert-bench dpdk --access DEVICE --connect ADDRESS[:PORT] --clients "
	       "ADDRESS[+N]/LEN\n"
	       "         --password-file FILE [--core DEVICE --core-address ADDRESS/LEN "
	       "--core-gateway ADDRESS] [OPTION...]\n"
	       "Dials in many times over a DPDK port, on Culvert's own TCP and record layer, sends "
	       "packets that are\nchecked byte by byte, hangs up.\n\n");
	bench_options_print(option_rows, BENCH_NB(option_rows), 42);
	printf("\nExit status: 0 all as it should be, 1 a call failed, a byte was wrong or too "
	       "much was lost, 2 usage.\n");
}

static int parse_connect(struct dpdk_conf *c)
{
	char *colon;
	uint64_t port = 443;

	snprintf(c->host, sizeof(c->host), "%s", optarg);
	colon = strchr(c->host, ':');
	if (colon)
		*colon = 0;
	if (value_ip4(c->host, &c->gen.server_addr) ||
		(colon && (value_uint(colon + 1, &port) || port < 1 || port > 65535)))
		return bench_fail("connect", "an IPv4 address, perhaps with :PORT");
	c->gen.server_port = (uint16_t)port;
	return 0;
}

// ADDRESS[+N]/LEN
static int parse_clients(struct dpdk_conf *c)
{
	char text[80], prefix[80];
	char *plus, *slash;
	uint64_t n = 1;

	snprintf(text, sizeof(text), "%s", optarg);
	slash = strchr(text, '/');
	plus = strchr(text, '+');
	if (!slash || (plus && plus > slash))
		return bench_fail("clients", "ADDRESS[+N]/LEN");
	snprintf(
		prefix, sizeof(prefix), "%.*s%s", (int)((plus ? plus : slash) - text), text, slash);
	*slash = 0;
	if (value_ip4_prefix(prefix, &c->gen.client_addr, &c->gen.client_plen) ||
		(plus && (value_uint(plus + 1, &n) || !n || n > 65536)))
		return bench_fail("clients", "ADDRESS[+N]/LEN");
	c->gen.nb_client = (uint32_t)n;
	if (value_ip4_network(c->gen.client_addr, c->gen.client_plen) !=
		value_ip4_network(c->gen.client_addr + (uint32_t)n - 1, c->gen.client_plen))
		return bench_fail("clients", "addresses of one subnet");
	return 0;
}

static int parse_direction(struct dpdk_conf *c)
{
	static const struct {
		const char *name;
		unsigned int directions;
	} words[] = {{"none", 0}, {"down", GEN_DOWN}, {"up", GEN_UP}, {"both", GEN_DOWN | GEN_UP},
		{"hairpin", GEN_HAIRPIN}, {"all", GEN_DOWN | GEN_UP | GEN_HAIRPIN}};

	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcmp(optarg, words[i].name)) {
			c->traffic.directions = words[i].directions;
			return 0;
		}
	}
	return bench_fail("direction", "down, up, both, hairpin, all or none");
}

static int parse_size(struct dpdk_conf *c)
{
	struct gen_traffic *t = &c->traffic;
	unsigned int size;
	int rc;

	if (!strcmp(optarg, "imix")) { // 7 : 4 : 1
		t->nb_sizes = 3;
		memcpy(t->size, (const uint16_t[]){64, 576, 1400}, 3 * sizeof(t->size[0]));
		memcpy(t->weight, (const unsigned int[]){7, 4, 1}, 3 * sizeof(t->weight[0]));
		return 0;
	}
	rc = bench_number("size", PROBE_MIN_SIZE, PROBE_MAX_SIZE, &size);
	t->nb_sizes = 1;
	t->size[0] = (uint16_t)size;
	t->weight[0] = 1;
	return rc;
}

static int chaos_value(struct gen_chaos *k, const char *key, const char *value)
{
	const struct {
		const char *key;
		double *v;
	} shares[] = {{"loss", &k->loss}, {"duplicate", &k->duplicate}, {"reorder", &k->reorder},
		{"corrupt", &k->corrupt}};
	uint64_t n;

	for (unsigned int i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
		if (!strcmp(key, shares[i].key))
			return bench_real_in(value, 1, shares[i].v);
	if (!strcmp(key, "window") && !value_size(value, &n) && n >= 1024 && n <= 1u << 30)
		k->rcv_wnd = (uint32_t)n;
	else if (!strcmp(key, "seed"))
		return value_uint(value, &k->seed);
	else
		return -EINVAL;
	return 0;
}

static int parse_chaos(struct dpdk_conf *c)
{
	char text[256], *at = text, *item, *value;

	snprintf(text, sizeof(text), "%s", optarg);
	while ((item = strsep(&at, ","))) {
		value = strchr(item, '=');
		if (value)
			*value++ = 0;
		if (!value || chaos_value(&c->gen.chaos, item, value))
			return bench_fail("chaos",
				"loss=, duplicate=, reorder=, corrupt= (0 to 1), window= (1024 or "
				"more bytes), seed=");
	}
	return 0;
}

static int parse_call(struct dpdk_conf *c, int id)
{
	switch (id) {
	case OPT_AUTHENTICATION:
		return bench_authentication(&c->gen.call.auth_methods);
	case OPT_TLS_VERSION:
		return bench_tls_version(&c->tls.only_tls12);
	case OPT_CIPHERS:
		c->tls.ciphers = optarg;
		return 0;
	case OPT_CIPHERSUITES:
		c->tls.ciphersuites = optarg;
		return 0;
	case OPT_RECORDS:
		c->gen.record_backend = optarg;
		return rec_backend_get(optarg) ? 0 : bench_fail("records", "ipsec-mb or openssl");
	case OPT_KEEPALIVE:
		return bench_keepalive(&c->gen.call.keepalive_ms);
	case OPT_HELP:
		print_help();
		return 1;
	case OPT_VERSION:
		printf("culvert-bench %s\n", CULVERT_VERSION);
		return 1;
	default: // getopt_long() has said why
		return -EINVAL;
	}
}

static int parse_run(struct dpdk_conf *c, int id)
{
	struct gen_traffic *t = &c->traffic;
	int rc;

	switch (id) {
	case OPT_RATE:
		return bench_real("rate", 1e6, &c->rate);
	case OPT_CONCURRENT:
		return bench_number("concurrent", 1, 1000000, &c->concurrent);
	case OPT_STORM:
		c->storm = true;
		return 0;
	case OPT_HOLD:
		return bench_real("hold", 1e7, &c->hold_s);
	case OPT_DIRECTION:
		return parse_direction(c);
	case OPT_DURATION:
		return bench_real("duration", 1e7, &c->duration_s);
	case OPT_SIZE:
		return parse_size(c);
	case OPT_PPS:
		return bench_real("pps", 1e9, &t->pps);
	case OPT_PER_TURN:
		return bench_number("per-turn", 1, 65536, &t->per_turn);
	case OPT_BURST:
		return bench_number("burst", 1, 4096, &t->burst);
	case OPT_PER_RECORD:
		return bench_number("per-record", 1, 32, &t->per_record);
	case OPT_RANDOM:
		t->random = true;
		return 0;
	case OPT_STRADDLE:
		t->straddle = true;
		return 0;
	case OPT_VERIFY:
		return bench_number("verify", 0, 1000000000, &t->verify);
	case OPT_CHAOS:
		return parse_chaos(c);
	case OPT_CHURN:
		return bench_real("churn", 1e6, &c->churn);
	case OPT_CHURN_SESSIONS:
		return bench_number("churn-sessions", 1, 1000000, &c->churn_sessions);
	case OPT_DRAIN:
		return bench_real("drain", 3600, &c->drain_s);
	case OPT_MAX_LOSS:
		rc = bench_real("max-loss", 100, &c->max_loss);
		c->max_loss /= 100;
		return rc;
	case OPT_HANGUP_RATE:
		return bench_real("hangup-rate", 1e6, &c->hangup_rate);
	case OPT_JSON:
		c->json = optarg;
		return 0;
	case OPT_PROGRESS:
		return bench_real("progress", 1e6, &c->progress_s);
	default:
		return parse_call(c, id);
	}
}

static int parse_option(struct dpdk_conf *c, int id)
{
	switch (id) {
	case OPT_ACCESS:
		c->access = optarg;
		return 0;
	case OPT_CORE:
		c->core = optarg;
		return 0;
	case OPT_CONNECT:
		return parse_connect(c);
	case OPT_CLIENTS:
		return parse_clients(c);
	case OPT_CORE_ADDRESS:
		return value_ip4_prefix(optarg, &c->gen.core_addr, &c->gen.core_plen)
			       ? bench_fail("core-address", "ADDRESS/LEN")
			       : 0;
	case OPT_CORE_GATEWAY:
		return value_ip4(optarg, &c->gen.core_gw)
			       ? bench_fail("core-gateway", "an IPv4 address")
			       : 0;
	case OPT_CPU:
		return bench_number("cpu", 0, 1023, &c->cpu);
	case OPT_HUGEPAGES:
		c->hugepages = true;
		return 0;
	case OPT_MEMORY:
		return bench_number("memory", 64, 1u << 20, &c->memory_mb);
	case OPT_MBUFS:
		return bench_number("mbufs", 4096, 1u << 24, &c->mbufs);
	case OPT_BUSY:
		c->busy = true;
		return 0;
	case OPT_DEBUG:
		c->debug = true;
		return 0;
	case OPT_SESSIONS:
		return bench_number("sessions", 1, 1000000, &c->gen.sessions);
	case OPT_FIRST:
		return bench_number("first", 0, 1000000000, &c->gen.first);
	case OPT_USER:
		c->gen.user = optarg;
		return 0;
	case OPT_PASSWORD_FILE:
		c->password_file = optarg;
		return 0;
	case OPT_PASSWORD_ENV:
		c->password_env = optarg;
		return 0;
	default:
		return parse_run(c, id);
	}
}

static int complain(const char *text)
{
	fprintf(stderr, "culvert-bench: %s; see --help\n", text);
	return -EINVAL;
}

static int check(struct dpdk_conf *c)
{
	struct gen_conf *g = &c->gen;
	bool host = c->traffic.directions & (GEN_DOWN | GEN_UP);

	if (!c->access || !g->server_addr || !g->client_addr)
		return complain("--access, --connect and --clients are needed");
	if (value_ip4_network(g->server_addr, g->client_plen) !=
		value_ip4_network(g->client_addr, g->client_plen))
		return complain("--connect: the server is not in the clients' subnet");
	if (g->server_addr - g->client_addr < g->nb_client)
		return complain("--clients: the server's address is among them");
	if (host && !c->core)
		return complain("--direction: up and down need --core");
	if (c->core && (!g->core_addr || !g->core_gw))
		return complain("--core needs --core-address and --core-gateway");
	if ((c->traffic.directions & GEN_HAIRPIN) && g->sessions < 2)
		return complain("--direction: hairpin needs two --sessions");
	if (c->churn > 0 && !c->churn_sessions)
		c->churn_sessions = g->sessions / 10 ? g->sessions / 10 : 1;
	if (c->churn <= 0)
		c->churn_sessions = 0;
	if (c->churn_sessions > g->sessions ||
		(c->churn_sessions == g->sessions && c->traffic.directions))
		return complain("--churn-sessions: none are left to carry traffic");
	return 0;
}

int dpdk_parse(struct dpdk_conf *c, int argc, char **argv)
{
	int id, rc;

	*c = (struct dpdk_conf){
		.mbufs = 32768,
		.concurrent = 64,
		.duration_s = 10,
		.drain_s = 2,
		.max_loss = 1,
		.progress_s = 1,
		.gen = {.user = "user%d", .sessions = 1, .record_backend = ""},
		.traffic = {.nb_sizes = 1,
			.size = {1400},
			.weight = {1},
			.per_turn = 64,
			.burst = 1,
			.per_record = 1,
			.verify = 1},
		.tls = {.keys = true},
	};
	call_conf_default(&c->gen.call);
	bench_options_begin("culvert-bench");
	while ((id = bench_options_next(option_rows, BENCH_NB(option_rows), argc, argv)) != -1) {
		rc = parse_option(c, id);
		if (rc)
			return rc;
	}
	if (optind < argc)
		return complain("options only");
	rc = check(c);
	if (rc)
		return rc;
	if (c->storm)
		c->concurrent = c->gen.sessions;
	c->traffic.active = c->gen.sessions - c->churn_sessions;
	c->gen.call.host = c->host;
	c->gen.password = c->password;
	return bench_password(
		c->password_file, c->password_env, true, c->password, sizeof(c->password));
}
