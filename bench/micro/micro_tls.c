// SPDX-License-Identifier: BSD-3-Clause
// Handshakes: OpenSSL's server side over memory, SSL_new() to SSL_free(), and nothing of ours. The
// client's work lies between the measurements. "Per second" is handshakes a second of one core:
// what the control plane's set-up rate is held against.
#include <string.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "bench/micro/micro.h"

enum { TLS_ARG_VERSION, TLS_ARG_RSA, TLS_ARG_RESUMED };

#define BATCH 4
#define DAY 86400
// A handshake is two turns of the server: its flight, and what follows the client's Finished.
#define TURNS 2
#define WIRE_MAX 16384

struct tls_state {
	SSL_CTX *server, *client;
	SSL_SESSION *session; // to be resumed
	bool resumed;
	unsigned int done; // handshakes that came to their end
	SSL *s[BATCH], *c[BATCH];
	BIO *rx[BATCH], *tx[BATCH]; // the server's
	uint8_t wire[BATCH][WIRE_MAX];
	int wire_len[BATCH];
};

static void pair_free(struct tls_state *t, int i)
{
	SSL_free(t->s[i]);
	if (t->c[i]) // or its session counts as broken
		SSL_set_shutdown(t->c[i], SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(t->c[i]);
	t->s[i] = t->c[i] = NULL;
}

static void tls_teardown(void *state)
{
	struct tls_state *t = state;

	for (int i = 0; i < BATCH; i++)
		pair_free(t, i);
	SSL_SESSION_free(t->session);
	SSL_CTX_free(t->server);
	SSL_CTX_free(t->client);
	micro_free(t);
}

static bool use_certificate(SSL_CTX *ctx, bool rsa)
{
	EVP_PKEY *key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	X509 *x = X509_new();
	bool ok = key && x && X509_set_version(x, 2) &&
		  ASN1_INTEGER_set(X509_get_serialNumber(x), 1) &&
		  X509_gmtime_adj(X509_getm_notBefore(x), -DAY) &&
		  X509_gmtime_adj(X509_getm_notAfter(x), DAY) &&
		  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
			  (const unsigned char *)"bench", -1, -1, 0) &&
		  X509_set_issuer_name(x, X509_get_subject_name(x)) && X509_set_pubkey(x, key) &&
		  X509_sign(x, key, EVP_sha256()) && SSL_CTX_use_certificate(ctx, x) &&
		  SSL_CTX_use_PrivateKey(ctx, key);

	X509_free(x);
	EVP_PKEY_free(key);
	return ok;
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_state *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (t->session)
		return 0;
	t->session = session;
	return 1; // kept
}

static bool make_contexts(struct tls_state *t, int version, bool rsa)
{
	t->server = SSL_CTX_new(TLS_server_method());
	t->client = SSL_CTX_new(TLS_client_method());
	if (!t->server || !t->client || !use_certificate(t->server, rsa))
		return false;
	SSL_CTX_set_app_data(t->client, t);
	SSL_CTX_set_session_cache_mode(
		t->client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(t->client, on_session);
	// Tickets only, and one, as a concentrator has them.
	SSL_CTX_set_session_cache_mode(t->server, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(t->server, 1);
	return SSL_CTX_set_min_proto_version(t->client, version) &&
	       SSL_CTX_set_max_proto_version(t->client, version) &&
	       SSL_CTX_set1_groups_list(t->client, "X25519:P-256") &&
	       SSL_CTX_set_cipher_list(t->client, "ECDHE+AESGCM") &&
	       SSL_CTX_set_session_id_context(
		       t->server, (const unsigned char *)"bench", sizeof("bench") - 1);
}

// What the client sends next.
static void client_turn(struct tls_state *t, int i)
{
	BIO *rx = SSL_get_rbio(t->c[i]);

	BIO_write(rx, t->wire[i], t->wire_len[i]);
	SSL_connect(t->c[i]);
	t->wire_len[i] = BIO_read(SSL_get_wbio(t->c[i]), t->wire[i], WIRE_MAX);
	if (t->wire_len[i] < 0)
		t->wire_len[i] = 0;
}

static bool client_new(struct tls_state *t, int i)
{
	pair_free(t, i);
	t->c[i] = SSL_new(t->client);
	if (!t->c[i])
		return false;
	SSL_set_bio(t->c[i], BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	if (t->resumed && t->session)
		SSL_set_session(t->c[i], t->session);
	t->wire_len[i] = 0;
	client_turn(t, i);
	return true;
}

static void tls_prepare(void *state, unsigned int turn)
{
	struct tls_state *t = state;

	for (int i = 0; i < BATCH; i++)
		if (turn == 0)
			client_new(t, i);
		else
			client_turn(t, i);
}

static void server_turn(struct tls_state *t, int i, unsigned int turn)
{
	if (turn == 0) {
		t->s[i] = SSL_new(t->server);
		t->rx[i] = BIO_new(BIO_s_mem());
		t->tx[i] = BIO_new(BIO_s_mem());
		SSL_set_bio(t->s[i], t->rx[i], t->tx[i]);
	}
	BIO_write(t->rx[i], t->wire[i], t->wire_len[i]);
	if (SSL_accept(t->s[i]) == 1)
		t->done++;
	t->wire_len[i] = BIO_read(t->tx[i], t->wire[i], WIRE_MAX);
	if (turn + 1 == TURNS) {
		SSL_set_shutdown(t->s[i], SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(t->s[i]);
		t->s[i] = NULL;
	}
}

static void tls_run(void *state, unsigned int turn)
{
	struct tls_state *t = state;

	for (int i = 0; i < BATCH; i++)
		server_turn(t, i, turn);
}

// One handshake to its end, by which the client gets a ticket. False: it was not what the case
// says.
static bool first_handshake(struct tls_state *t)
{
	unsigned char byte;

	client_new(t, 0);
	for (unsigned int turn = 0; turn < TURNS; turn++) {
		server_turn(t, 0, turn);
		client_turn(t, 0);
	}
	SSL_read(t->c[0], &byte, 1); // TLS 1.3 sends its ticket afterwards
	return t->done == 1 && t->session;
}

static void *tls_setup(const struct micro_case *c, char *why, size_t cap)
{
	struct tls_state *t = micro_alloc(sizeof(*t));

	snprintf(why, cap, "OpenSSL refuses");
	if (!t)
		return NULL;
	if (!make_contexts(t, (int)c->arg[TLS_ARG_VERSION], c->arg[TLS_ARG_RSA]) ||
		!first_handshake(t)) {
		tls_teardown(t);
		return NULL;
	}
	// A cache would take the ticket for used up.
	SSL_CTX_set_session_cache_mode(t->client, SSL_SESS_CACHE_OFF);
	t->resumed = c->arg[TLS_ARG_RESUMED];
	t->done = 0;
	for (unsigned int turn = 0; turn < 3 * TURNS; turn++) { // more than once with one ticket
		tls_prepare(t, turn % TURNS);
		tls_run(t, turn % TURNS);
	}
	if (t->done == 3 * BATCH && !!SSL_session_reused(t->c[0]) == t->resumed)
		return t;
	snprintf(why, cap, "%u of %u handshakes were done%s", t->done, 3 * BATCH,
		t->resumed ? ", or not resumed" : "");
	tls_teardown(t);
	return NULL;
}

static const struct micro_ops tls_ops = {.setup = tls_setup,
	.prepare = tls_prepare,
	.run = tls_run,
	.teardown = tls_teardown,
	.phases = TURNS,
	.cpu_time = true};

void micro_tls_cases(struct micro_suite *s)
{
	static const struct {
		const char *name;
		int version;
	} versions[] = {{"1.3", TLS1_3_VERSION}, {"1.2", TLS1_2_VERSION}};

	for (size_t v = 0; v < RTE_DIM(versions); v++)
		for (int rsa = 0; rsa < 2; rsa++)
			for (int resumed = 0; resumed < 2; resumed++) {
				struct micro_case *c = micro_add(s, &tls_ops, "handshake",
					"handshake/tls%s/%s/x25519/%s", versions[v].name,
					rsa ? "rsa-2048" : "p-256", resumed ? "resumed" : "full");

				c->batch = BATCH;
				c->arg[TLS_ARG_VERSION] = versions[v].version;
				c->arg[TLS_ARG_RSA] = rsa;
				c->arg[TLS_ARG_RESUMED] = resumed;
			}
}
