// SPDX-License-Identifier: BSD-3-Clause
// Without traffic: what setting sessions up costs, and what they hold when they are idle.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/ssl.h>

#include "bench/worker/worker.h"

#define SETTLE_S 0.5

// ---- the bare handshake: the server's side of it, OpenSSL over memory, nothing else

static double thread_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static SSL_CTX *bare_ctx(const struct bed *b, const struct wb_opts *o, bool server)
{
	SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	int version = o->bed.only_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;

	if (!ctx)
		return NULL;
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_min_proto_version(ctx, version) &&
		SSL_CTX_set_max_proto_version(ctx, version) &&
		SSL_CTX_set1_groups_list(ctx, "X25519:P-256") &&
		(!server || (SSL_CTX_use_certificate_chain_file(ctx, b->cert_file) == 1 &&
				    SSL_CTX_use_PrivateKey_file(
					    ctx, b->cert_file, SSL_FILETYPE_PEM) == 1)))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

// The server's processor time in seconds, or -1.
static double bare_one(SSL_CTX *server_ctx, SSL_CTX *client_ctx)
{
	BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());
	SSL *client = SSL_new(client_ctx), *server;
	double t = thread_seconds(), used;
	int done = 0;

	server = SSL_new(server_ctx);
	if (!up || !down || !client || !server) {
		BIO_free(up);
		BIO_free(down);
		SSL_free(client);
		SSL_free(server);
		return -1;
	}
	BIO_up_ref(up);
	BIO_up_ref(down);
	SSL_set_bio(server, up, down);
	SSL_set_accept_state(server);
	used = thread_seconds() - t;
	SSL_set_bio(client, down, up);
	SSL_set_connect_state(client);
	for (unsigned int i = 0; done != 1 && i < 8; i++) {
		SSL_do_handshake(client);
		t = thread_seconds();
		done = SSL_do_handshake(server);
		used += thread_seconds() - t;
	}
	SSL_free(client);
	t = thread_seconds();
	SSL_free(server);
	used += thread_seconds() - t;
	return done == 1 ? used : -1;
}

static double bare_us(const struct bed *b, const struct wb_opts *o, unsigned int n)
{
	SSL_CTX *server = bare_ctx(b, o, true), *client = bare_ctx(b, o, false);
	double used = server && client ? 0 : -1, one;

	for (unsigned int i = 0; used >= 0 && i < n; i++) {
		one = bare_one(server, client);
		used = one < 0 ? -1 : used + one;
	}
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	return used < 0 ? -1 : used / n * 1e6;
}

int wb_run_setup(struct bed *b, const struct wb_opts *o, struct wb_result *r)
{
	unsigned int n = o->sessions[o->nb_sessions - 1], bare = n < 200 ? n : 200;
	struct wb_setup *s = &r->setup;

	s->sessions = n;
	for (unsigned int i = 0; i < o->repeats; i++) {
		double cpu, wall;
		int rc;

		s->bare_us[i] = bare_us(b, o, bare);
		if (s->bare_us[i] < 0)
			return -EIO;
		cpu = bed_cp_seconds(b);
		wall = bed_now();
		rc = bed_sessions(b, n, o->concurrent);
		if (rc)
			return rc;
		s->wall[i] = bed_now() - wall;
		s->cp_us[i] = (bed_cp_seconds(b) - cpu) / n * 1e6;
		s->n++;
		bed_progress("set-up %u/%u: %.1f us of the control plane, bare handshake %.1f us",
			i + 1, o->repeats, s->cp_us[i], s->bare_us[i]);
		rc = bed_hangup(b);
		if (rc)
			return rc;
		bed_sleep(SETTLE_S);
	}
	return 0;
}

static bool begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static void see_pool(struct rte_mempool *p, void *arg)
{
	struct wb_memory_result *m = arg;
	struct rte_mempool_memhdr *chunk;

	if (begins(p->name, "gen") || m->nb_pools == WB_POOLS_MAX)
		return;
	snprintf(m->pool[m->nb_pools].name, sizeof(m->pool[0].name), "%s", p->name);
	// As it was taken: elements do not lie across pages.
	for (chunk = STAILQ_FIRST(&p->mem_list); chunk; chunk = STAILQ_NEXT(chunk, next))
		m->pool[m->nb_pools].bytes += chunk->len;
	// Packets and messages between the planes.
	m->pool[m->nb_pools].fixed =
		begins(p->name, "mbufs") || begins(p->name, "msgs") || begins(p->name, "dp_msg");
	m->nb_pools++;
}

int wb_run_memory(struct bed *b, const struct wb_opts *o, struct wb_result *r)
{
	struct wb_memory_result *m = &r->memory;
	int rc;

	m->sessions = o->sessions[o->nb_sessions - 1];
	m->room = o->bed.sessions;
	// What the first sessions bring along is not theirs: tables of OpenSSL, arenas.
	rc = bed_sessions(b, b->nb_workers, 1);
	if (rc)
		return rc;
	bed_sleep(SETTLE_S);
	bed_memory(b, &m->before);
	rc = bed_sessions(b, m->sessions, o->concurrent);
	if (rc)
		return rc;
	bed_sleep(2 * SETTLE_S);
	bed_memory(b, &m->after);
	rte_mempool_walk(see_pool, m);
	return 0;
}
