// SPDX-License-Identifier: BSD-3-Clause
// culvert-bench sockets: the command line of the load generator over kernel sockets.
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/secret.h"
#include "bench/commands.h"
#include "bench/probe.h"
#include "bench/sockets/load.h"
#include "bench/sockets/reflect.h"
#include "bench/window.h"
#include "bench/options.h"
#include "config/value.h"

#define BACKLOG 262144 // bytes that wait for a socket

#define OPTION_LIST(X)                                                                          \
	X(CONNECT, "connect", "HOST[:PORT]", "server, port 443; [IPv6]:PORT")                   \
	X(SESSIONS, "sessions", "N", "calls to make (1)")                                       \
	X(USER, "user", "PATTERN", "user name; %d becomes the call's number (user%d)")          \
	X(FIRST, "first", "N", "number of the first call (0)")                                  \
	X(PASSWORD_FILE, "password-file", "FILE", "password of all: first line of FILE")        \
	X(PASSWORD_ENV, "password-env", "NAME", "password: the environment variable NAME")      \
	X(RATE, "rate", "N", "set-ups a second (as fast as --concurrent allows)")               \
	X(CONCURRENT, "concurrent", "N", "set-ups in progress at once (64)")                    \
	X(PING, "ping", "ADDRESS", "ICMP echo to ADDRESS through the tunnels")                  \
	X(UDP, "udp", "ADDRESS", "UDP to port 7 of ADDRESS, which must echo")                   \
	X(PAIR, "pair", "", "calls send UDP to each other, two and two")                        \
	X(ONE_WAY, "one-way", "", "with --pair: every second call only receives")               \
	X(UP, "up", "ADDRESS[:PORT]", "UDP to a far host (--reflect), which counts it")         \
	X(DOWN, "down", "ADDRESS[:PORT]", "UDP from a far host (--reflect)")                    \
	X(REFLECT, "reflect", "ADDRESS[:PORT]", "be that far host, until a signal; port 7")     \
	X(WARMUP, "warmup", "S", "seconds of traffic before it is measured (0)")                \
	X(DURATION, "duration", "S", "seconds of traffic (10)")                                 \
	X(PPS, "pps", "N", "packets a second of all calls together (closed loop)")              \
	X(WINDOW, "window", "N", "closed loop: packets of a call on their way (16)")            \
	X(SIZE, "size", "BYTES", "IP packet's size (1400)")                                     \
	X(BURST, "burst", "N", "packets a call sends at once (1)")                              \
	X(PER_RECORD, "per-record", "N", "packets in one TLS record, 0: all of a batch (1)")    \
	X(SERVER_PID, "server-pid", "PID,...", "take these processes' processor time")          \
	X(DRAIN, "drain", "S", "seconds to wait for the last answers (2)")                      \
	X(MAX_LOSS, "max-loss", "PERCENT", "more lost packets fail the run (100)")              \
	X(STALL, "stall", "PHASE",                                                              \
		"calls stop at tcp, client-hello, http, no-connect-request, no-call-connected") \
	X(LIMIT, "limit", "S", "and wait this long for the server to end them (180)")           \
	X(AUTHENTICATION, "authentication", "METHOD", "pap, chap, mschap1 or mschap2 (all)")    \
	X(TLS_VERSION, "tls-version", "any|only-1.2", "TLS versions offered (any)")             \
	X(CIPHERS, "ciphers", "LIST", "TLS 1.2 ciphers, as OpenSSL writes them")                \
	X(KEEPALIVE, "keepalive-timeout", "TIME", "or disabled (60)")                           \
	X(JSON, "json", "FILE", "write the result to FILE as JSON")                             \
	X(LOG_LEVEL, "log-level", "LEVEL", "err, warning, notice, info or debug (info)")        \
	X(HELP, "help", "", "print this")                                                       \
	X(VERSION, "version", "", "print the version")

BENCH_OPTIONS(OPTION_LIST);

struct bench {
	struct load_conf load;
	char host[256], port[16];
	char password[256];
	const char *password_file, *password_env, *json;
	bool reflects;
	struct call_tls_conf tls;
};

static void print_help(void)
{
	printf("Usage: culvert-bench [sockets] --connect HOST[:PORT] --user PATTERN "
	       "--password-file FILE "
	       "[OPTION...]\nDials in many times from one process, sends packets that are checked "
	       "byte by byte, hangs up.\n\n");
	bench_options_print(option_rows, BENCH_NB(option_rows), 28);
	printf("\n--up and --down need a far host behind the server: another culvert-bench "
	       "--reflect there.\nIt answers whoever asks: test networks only.\n");
	printf("\nExit status: 0 all as it should be, 1 a call failed, a byte was wrong or too "
	       "much "
	       "was lost, 2 usage.\nCalls that stop half way: 0 when the server ended them all.\n");
}

static int target(struct bench *b, const char *option, enum load_mode mode)
{
	b->load.mode = mode;
	return value_ip4(optarg, &b->load.target) ? bench_fail(option, "an IPv4 address") : 0;
}

// ADDRESS or ADDRESS:PORT of the far host.
static int far_target(struct bench *b, const char *option, enum load_mode mode)
{
	const char *colon = strchr(optarg, ':');
	uint64_t n = PROBE_UDP_PORT;
	char address[64];

	snprintf(address, sizeof(address), "%.*s", (int)(colon ? colon - optarg : 63), optarg);
	if (value_ip4(address, &b->load.target) ||
		(colon && (value_uint(colon + 1, &n) || n < 1 || n > 65535)))
		return bench_fail(option, "an IPv4 address, or ADDRESS:PORT");
	b->load.mode = mode;
	b->load.port = (uint16_t)n;
	return 0;
}

static int server_pids(struct load_conf *l)
{
	char *end = optarg;

	for (l->nb_server = 0; *end || !l->nb_server; l->nb_server++) {
		long pid = strtol(end, &end, 10);

		if (l->nb_server == CPU_MAX_PIDS || pid <= 0 || pid > INT32_MAX ||
			(*end && *end != ','))
			return bench_fail("server-pid", "process ids with commas between");
		l->server[l->nb_server] = (pid_t)pid;
		end += *end == ',';
	}
	return 0;
}

// HOST, HOST:PORT, [IPV6] or [IPV6]:PORT
static int split_host(struct bench *b)
{
	const char *port = NULL, *host = optarg, *end;
	uint64_t n;

	if (*host == '[') {
		host++;
		end = strchr(host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return bench_fail("connect", "HOST[:PORT]");
		port = end[1] ? end + 2 : NULL;
	} else {
		end = strchrnul(host, ':');
		if (*end && strchr(end + 1, ':')) // a bare IPv6 address
			end = host + strlen(host);
		port = *end ? end + 1 : NULL;
	}
	if (end == host || (size_t)(end - host) >= sizeof(b->host))
		return bench_fail("connect", "HOST[:PORT]");
	memcpy(b->host, host, (size_t)(end - host));
	if (port && (value_uint(port, &n) || n < 1 || n > 65535))
		return bench_fail("connect", "a port from 1 to 65535");
	snprintf(b->port, sizeof(b->port), "%s", port ? port : "443");
	return 0;
}

static int parse_stall(struct bench *b)
{
	for (unsigned int s = CALL_STALL_TCP; s <= CALL_STALL_NO_CALL_CONNECTED; s++) {
		if (!strcmp(optarg, load_stall_name((enum call_stall)s))) {
			b->load.call.stall = (enum call_stall)s;
			return 0;
		}
	}
	return bench_fail(
		"stall", "tcp, client-hello, http, no-connect-request or no-call-connected");
}

static int parse_call(struct bench *b, int id)
{
	switch (id) {
	case OPT_AUTHENTICATION:
		return bench_authentication(&b->load.call.auth_methods);
	case OPT_TLS_VERSION:
		return bench_tls_version(&b->tls.only_tls12);
	case OPT_CIPHERS:
		b->tls.ciphers = optarg;
		return 0;
	case OPT_KEEPALIVE:
		return bench_keepalive(&b->load.call.keepalive_ms);
	case OPT_LOG_LEVEL:
		return log_set_level(optarg)
			       ? bench_fail("log-level", "err, warning, notice, info or debug")
			       : 0;
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

static int parse_option(struct bench *b, int id)
{
	struct load_conf *l = &b->load;
	int rc;

	switch (id) {
	case OPT_CONNECT:
		return split_host(b);
	case OPT_SESSIONS:
		return bench_number("sessions", 1, 100000, &l->sessions);
	case OPT_FIRST:
		return bench_number("first", 0, 1000000000, &l->first);
	case OPT_USER:
		l->user = optarg;
		return 0;
	case OPT_PASSWORD_FILE:
		b->password_file = optarg;
		return 0;
	case OPT_PASSWORD_ENV:
		b->password_env = optarg;
		return 0;
	case OPT_RATE:
		return bench_real("rate", 1e6, &l->rate);
	case OPT_CONCURRENT:
		return bench_number("concurrent", 1, 100000, &l->concurrent);
	case OPT_PING:
		return target(b, "ping", LOAD_PING);
	case OPT_UDP:
		return target(b, "udp", LOAD_UDP);
	case OPT_UP:
		return far_target(b, "up", LOAD_UP);
	case OPT_DOWN:
		return far_target(b, "down", LOAD_DOWN);
	case OPT_REFLECT:
		b->reflects = true;
		return far_target(b, "reflect", LOAD_IDLE);
	case OPT_ONE_WAY:
		l->one_way = true;
		return 0;
	case OPT_WARMUP:
		return bench_real("warmup", 1e7, &l->warmup_s);
	case OPT_PER_RECORD:
		return bench_number("per-record", 0, 256, &l->per_record);
	case OPT_SERVER_PID:
		return server_pids(l);
	case OPT_PAIR:
		l->mode = LOAD_PAIR;
		return 0;
	case OPT_DURATION:
		return bench_real("duration", 1e7, &l->duration_s);
	case OPT_PPS:
		return bench_real("pps", 1e8, &l->pps);
	case OPT_WINDOW:
		return bench_number("window", 1, WINDOW_BITS, &l->window);
	case OPT_SIZE:
		return bench_number("size", PROBE_MIN_SIZE, PROBE_MAX_SIZE, &l->size);
	case OPT_BURST:
		return bench_number("burst", 1, 256, &l->burst);
	case OPT_DRAIN:
		return bench_real("drain", 3600, &l->drain_s);
	case OPT_MAX_LOSS:
		rc = bench_real("max-loss", 100, &l->max_loss);
		l->max_loss /= 100;
		return rc;
	case OPT_STALL:
		return parse_stall(b);
	case OPT_LIMIT:
		return bench_real("limit", 1e7, &l->limit_s);
	case OPT_JSON:
		b->json = optarg;
		return 0;
	default:
		return parse_call(b, id);
	}
}

static int parse(struct bench *b, int argc, char **argv)
{
	int id, rc;

	b->load = (struct load_conf){.user = "user%d",
		.sessions = 1,
		.concurrent = 64,
		.duration_s = 10,
		.window = 16,
		.size = 1400,
		.burst = 1,
		.per_record = 1,
		.drain_s = 2,
		.max_loss = 1,
		.connect_ms = 20000,
		.limit_s = 180};
	call_conf_default(&b->load.call);
	b->load.call.backlog_max = BACKLOG;
	bench_options_begin("culvert-bench");
	while ((id = bench_options_next(option_rows, BENCH_NB(option_rows), argc, argv)) != -1) {
		rc = parse_option(b, id);
		if (rc)
			return rc;
	}
	if (optind < argc || (!*b->host && !b->reflects)) {
		fprintf(stderr,
			"culvert-bench: --connect (or --reflect) is needed, and options only; see "
			"--help\n");
		return -EINVAL;
	}
	if (b->reflects)
		return 0;
	if (b->load.mode == LOAD_PAIR && b->load.sessions % 2) {
		fprintf(stderr, "culvert-bench: --pair needs an even number of --sessions\n");
		return -EINVAL;
	}
	if (b->load.call.stall) { // the server's patience is measured, not this side's
		b->load.call.setup_ms = INT32_MAX;
		b->load.call.keepalive_ms = 0;
	}
	return bench_password(b->password_file, b->password_env, !b->load.call.stall, b->password,
		sizeof(b->password));
}

static int resolve(struct bench *b)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list;
	int rc = getaddrinfo(b->host, b->port, &hints, &list);

	if (rc) {
		fprintf(stderr, "culvert-bench: %s: %s\n", b->host, gai_strerror(rc));
		return -ENOENT;
	}
	memcpy(&b->load.addr, list->ai_addr, list->ai_addrlen);
	b->load.addr_len = list->ai_addrlen;
	freeaddrinfo(list);
	b->load.call.host = b->host;
	return 0;
}

// Every call is a descriptor.
static void raise_limit(unsigned int sessions)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur >= sessions + 64)
		return;
	l.rlim_cur = sessions + 64;
	if (l.rlim_max < l.rlim_cur)
		l.rlim_max = l.rlim_cur;
	if (setrlimit(RLIMIT_NOFILE, &l))
		fprintf(stderr, "culvert-bench: no more than %llu descriptors: %s\n",
			(unsigned long long)l.rlim_cur, log_strerror(errno));
}

static int write_json(const struct bench *b, const struct load_result *r)
{
	FILE *out = bench_json_open(b->json);

	if (!out)
		return -EIO;
	load_print_json(out, &b->load, r);
	return bench_json_close(out, b->json);
}

static int reflect(const struct bench *b)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons(b->load.port),
		.sin_addr.s_addr = htonl(b->load.target)};

	return reflect_run((const struct sockaddr *)&a, sizeof(a)) ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run(struct bench *b)
{
	struct load_result r;
	char err[256];
	int status;

	if (b->reflects)
		return reflect(b);
	if (resolve(b))
		return EXIT_FAILURE;
	b->load.call.tls = call_tls_ctx_create(&b->tls, err, sizeof(err));
	if (!b->load.call.tls) {
		fprintf(stderr, "culvert-bench: TLS: %s\n", err);
		return EXIT_FAILURE;
	}
	raise_limit(b->load.sessions);
	b->load.password = b->password;
	if (load_run(&b->load, &r)) {
		fprintf(stderr, "culvert-bench: cannot start\n");
		status = EXIT_FAILURE;
	} else {
		load_print_table(stdout, &b->load, &r);
		status = load_passed(&b->load, &r) ? EXIT_SUCCESS : EXIT_FAILURE;
		if (b->json && write_json(b, &r))
			status = EXIT_FAILURE;
	}
	load_result_free(&r);
	call_tls_ctx_free(b->load.call.tls);
	return status;
}

int bench_sockets(int argc, char **argv)
{
	static struct bench b;
	int rc = parse(&b, argc, argv);

	if (rc)
		rc = rc > 0 ? EXIT_SUCCESS : BENCH_EXIT_USAGE;
	else
		rc = run(&b);
	secret_wipe(b.password, sizeof(b.password));
	return rc;
}
