// SPDX-License-Identifier: BSD-3-Clause
// What a session's set-up costs the control plane, beside the bare TLS handshake it holds: calls
// from TCP's ACCEPTED to IPCP opened (MS-CHAPv2) against a stand-in data plane in this process, and
// OpenSSL alone over memory BIOs, in turns. CPU time: of the control plane's own code and of every
// thread but this one; clients and the stand-in are not counted. And the heap that an idle session
// holds.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "../../tests/unit/cp_bed.h"

#define MAX_ROUNDS 64
#define MAX_SESSIONS 30000

// jemalloc's, where it is linked.
int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
	__attribute__((weak));

struct opts {
	unsigned int sessions, together, rounds, bare;
	const char *engine, *log;
	bool rsa, json, tls12, hold;
};

struct round {
	double bare_us;   // server's side of one handshake
	double setup_us;  // control plane, one session up
	double helper_us; // signing threads
	double down_us;   // control plane, one session ended
	double heap;      // bytes of one idle session
};

static double now_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static double this_thread(void)
{
	return now_of(CLOCK_THREAD_CPUTIME_ID);
}

static double other_threads(void)
{
	return now_of(CLOCK_PROCESS_CPUTIME_ID) - this_thread();
}

// -- the bare handshake --

static SSL_CTX *bare_ctx(const struct bed *b, const struct opts *o, bool server)
{
	SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

	fake_assert(ctx && SSL_CTX_set1_groups_list(ctx, "X25519"));
	SSL_CTX_set_min_proto_version(ctx, o->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
	SSL_CTX_set_max_proto_version(ctx, o->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1); // as the control plane does
	if (server)
		fake_assert(SSL_CTX_use_certificate_chain_file(ctx, b->cert) == 1 &&
			    SSL_CTX_use_PrivateKey_file(ctx, b->cert, SSL_FILETYPE_PEM) == 1);
	return ctx;
}

// One handshake; returns the server's CPU time.
static double bare_handshake(SSL_CTX *server_ctx, SSL_CTX *client_ctx)
{
	BIO *to_server = BIO_new(BIO_s_mem()), *to_client = BIO_new(BIO_s_mem());
	SSL *client = SSL_new(client_ctx), *server;
	double t = this_thread(), used;
	bool done = false;
	char byte;

	server = SSL_new(server_ctx);
	BIO_up_ref(to_server);
	BIO_up_ref(to_client);
	SSL_set_bio(server, to_server, to_client);
	SSL_set_accept_state(server);
	used = this_thread() - t;
	SSL_set_bio(client, to_client, to_server);
	SSL_set_connect_state(client);
	while (!done) {
		SSL_do_handshake(client);
		t = this_thread();
		done = SSL_do_handshake(server) == 1;
		used += this_thread() - t;
	}
	SSL_read(client, &byte, 1); // tickets
	SSL_free(client);
	t = this_thread();
	SSL_free(server);
	return used + this_thread() - t;
}

static double bare_round(const struct bed *b, const struct opts *o)
{
	SSL_CTX *server = bare_ctx(b, o, true), *client = bare_ctx(b, o, false);
	double used = 0;

	bare_handshake(server, client);
	for (unsigned int i = 0; i < o->bare; i++)
		used += bare_handshake(server, client);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	return used / o->bare;
}

// -- the control plane --

struct run {
	struct bed *b;
	struct fake_client **c;
	unsigned int nb;
	double cp_us;
	int64_t heap;
};

static int64_t heap_used(void)
{
	static uint64_t *in, *out;
	size_t n = sizeof(in);

	if (!mallctl)
		return 0;
	if (!in && (mallctl("thread.allocatedp", &in, &n, NULL, 0) ||
			   mallctl("thread.deallocatedp", &out, &n, NULL, 0)))
		return 0;
	return (int64_t)(*in - *out);
}

static void turn(struct run *r, unsigned int from)
{
	double t;
	int64_t h;

	fake_step(r->b->ch);
	t = this_thread();
	h = heap_used();
	cp_poll(r->b->cp, false);
	r->heap += heap_used() - h;
	r->cp_us += this_thread() - t;
	fake_step(r->b->ch);
	for (unsigned int i = from; i < r->nb; i++)
		fake_client_step(r->c[i]);
}

static bool is_up(const struct fake_client *c)
{
	return fake_client_is_up(c) && c->conn->data_open;
}

// Keep `together` calls in progress until all are up.
static void set_up(struct run *r, const struct opts *o)
{
	struct fake_client_conf conf = bed_client_conf(r->b, PPP_AUTH_MSCHAP2);
	double give_up = ev_time() + 300;
	unsigned int up = 0;

	while (up < o->sessions) {
		fake_assert(ev_time() < give_up);
		while (r->nb < o->sessions && r->nb < up + o->together) {
			unsigned int n = r->nb;
			struct fake_conn *conn =
				fake_accept(r->b->ch, n % dp_chan_nb_workers(r->b->ch),
					0xc0000202 + n / 60000, (uint16_t)(1024 + n % 60000));

			r->c[r->nb++] = fake_client_new(conn, &conf);
		}
		turn(r, up);
		while (up < r->nb && is_up(r->c[up]))
			up++;
	}
}

static void tear_down(struct run *r)
{
	unsigned int down = 0;

	for (unsigned int i = 0; i < r->nb; i++) {
		r->c[i]->conn->rst = true;
		if (i % 64 == 63 || i + 1 == r->nb)
			turn(r, r->nb);
	}
	while (down < r->nb) {
		turn(r, r->nb);
		while (down < r->nb && r->c[down]->conn->closed)
			down++;
	}
	while (r->nb)
		fake_client_free(r->c[--r->nb]);
	turn(r, 0);
	turn(r, 0);
}

static void cp_round(struct bed *b, const struct opts *o, struct round *out)
{
	struct run r = {.b = b, .c = calloc(o->sessions, sizeof(*r.c))};
	double other = other_threads();

	fake_assert(r.c);
	set_up(&r, o);
	out->setup_us = r.cp_us / o->sessions;
	out->helper_us = (other_threads() - other) / o->sessions;
	out->heap = (double)r.heap / o->sessions;
	r.cp_us = 0;
	tear_down(&r);
	out->down_us = r.cp_us / o->sessions;
	free(r.c);
}

// -- results --

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const struct round *r, unsigned int n, size_t field)
{
	double v[MAX_ROUNDS];

	for (unsigned int i = 0; i < n; i++)
		memcpy(&v[i], (const char *)&r[i] + field, sizeof(double));
	qsort(v, n, sizeof(v[0]), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

#define MEDIAN(r, n, f) median(r, n, offsetof(struct round, f))

static void report(const struct opts *o, const struct round *r, unsigned int n)
{
	double bare = MEDIAN(r, n, bare_us), setup = MEDIAN(r, n, setup_us);
	double helper = MEDIAN(r, n, helper_us), down = MEDIAN(r, n, down_us);
	double all = setup + helper;

	if (o->json) {
		printf("{\"command\":\"setup\",\"key\":\"%s\",\"tls\":\"%s\",\"engine\":\"%s\","
		       "\"sessions\":%u,\"together\":%u,\"rounds\":%u,"
		       "\"bare_handshake_us\":%.2f,\"setup_us\":%.2f,\"helper_us\":%.2f,"
		       "\"teardown_us\":%.2f,\"setups_per_cpu_second\":%.0f,"
		       "\"bare_per_cpu_second\":%.0f,\"ratio\":%.3f,"
		       "\"control_heap_per_idle_session\":%.0f}\n",
			o->rsa ? "rsa2048" : "p256", o->tls12 ? "1.2" : "1.3", o->engine,
			o->sessions, o->together, n, bare, setup, helper, down, 1e6 / all,
			1e6 / bare, bare / all, MEDIAN(r, n, heap));
		return;
	}
	printf("bare handshake, server    %8.1f us  %7.0f /CPU-s\n", bare, 1e6 / bare);
	printf("set-up, control thread    %8.1f us\n", setup);
	printf("set-up, signing threads   %8.1f us\n", helper);
	printf("set-up in all             %8.1f us  %7.0f /CPU-s  %.1f %% of bare\n", all,
		1e6 / all, 100 * bare / all);
	printf("tear-down                 %8.1f us\n", down);
	printf("control plane's heap per idle session %.0f bytes\n", MEDIAN(r, n, heap));
}

static const char usage_text[] =
	"Usage: culvert-bench-setup [OPTION...]\n\n"
	"  --sessions N   sessions of one round (1000)\n"
	"  --together N   calls in progress at once (64)\n"
	"  --rounds N     rounds, of which medians are taken (5)\n"
	"  --bare N       bare handshakes of one round (1000)\n"
	"  --engine NAME  OpenSSL engine of the control plane; none by default\n"
	"  --rsa          RSA of 2048 bits instead of ECDSA on P-256\n"
	"  --tls12        TLS 1.2 instead of 1.3\n"
	"  --log FILE     where log lines go (/dev/null)\n"
	"  --json\n";

static int number(const char *text, unsigned int most)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || !n || n > most) {
		fprintf(stderr, "culvert-bench-setup: %s: 1 to %u expected\n", text, most);
		exit(2);
	}
	return (int)n;
}

static void parse(int argc, char **argv, struct opts *o)
{
	static const struct option options[] = {{"sessions", 1, NULL, 's'},
		{"together", 1, NULL, 't'}, {"rounds", 1, NULL, 'r'}, {"bare", 1, NULL, 'b'},
		{"engine", 1, NULL, 'e'}, {"rsa", 0, NULL, 'R'}, {"tls12", 0, NULL, '2'},
		{"log", 1, NULL, 'l'}, {"json", 0, NULL, 'j'}, {"help", 0, NULL, 'h'}, {0}};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 's':
			o->sessions = (unsigned int)number(optarg, MAX_SESSIONS);
			break;
		case 't':
			o->together = (unsigned int)number(optarg, 4096);
			break;
		case 'r':
			o->rounds = (unsigned int)number(optarg, MAX_ROUNDS);
			break;
		case 'b':
			o->bare = (unsigned int)number(optarg, 1000000);
			break;
		case 'e':
			o->engine = optarg;
			break;
		case 'R':
			o->rsa = true;
			break;
		case '2':
			o->tls12 = true;
			break;
		case 'l':
			o->log = optarg;
			break;
		case 'j':
			o->json = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			exit(0);
		default:
			fputs(usage_text, stderr);
			exit(2);
		}
	}
}

static const char yaml[] =
	"ip-pools:\n"
	"  clients: [10.0.0.2-10.0.255.254]\n"
	"ppp-profiles:\n"
	"  default: { local-address: 10.0.0.1, remote-address: clients, dns-server: [10.0.0.53] }\n"
	"ppp-secrets:\n"
	"  - { name: bob, password: \"" BED_PASSWORD "\" }\n";

int main(int argc, char **argv)
{
	struct opts o = {.sessions = 1000,
		.together = 64,
		.rounds = 5,
		.bare = 1000,
		.engine = "",
		.log = "/dev/null"};
	struct bed_conf conf = {.yaml = yaml,
		.sstp = "  authentication: [mschap2]\n",
		.nb_workers = 1,
		.nb_msgs = 60000,
		.ring_size = 4096};
	struct round r[MAX_ROUNDS];
	struct bed *b = calloc(1, sizeof(*b));
	char tls[128];
	int fd;

	parse(argc, argv, &o);
	conf.ecdsa = !o.rsa;
	conf.only_tls12 = o.tls12;
	snprintf(tls, sizeof(tls), "  engine: %s\n  async-threads: 1\n", o.engine);
	if (*o.engine)
		conf.tls = tls;
	fd = open(o.log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0) {
		fprintf(stderr, "culvert-bench-setup: %s: %s\n", o.log, strerror(errno));
		return 1;
	}
	dup2(fd, STDERR_FILENO);
	setenv("CP_TEST_LOG", "1", 0); // log as a daemon does
	bed_open(b, &conf);
	fake_keep_msgs(b->ch);
	for (unsigned int i = 0; i < o.rounds; i++) {
		r[i].bare_us = bare_round(b, &o);
		cp_round(b, &o, &r[i]);
		r[i].bare_us = (r[i].bare_us + bare_round(b, &o)) / 2;
	}
	bed_close(b);
	free(b);
	report(&o, r, o.rounds);
	return 0;
}
