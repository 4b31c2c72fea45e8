// SPDX-License-Identifier: BSD-3-Clause
#include "cp_bed.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static const char default_yaml[] =
	"ip-pools:\n"
	"  clients: [10.0.0.2-10.0.0.5]\n"
	"ppp-profiles:\n"
	"  default: { local-address: 10.0.0.1, remote-address: clients, dns-server: [10.0.0.53, "
	"10.0.0.54] }\n"
	"ppp-secrets:\n"
	"  - { name: bob, password: \"" BED_PASSWORD "\" }\n"
	"  - { name: fixed, password: \"" BED_PASSWORD "\", remote-address: 10.9.0.3 }\n"
	"  - { name: \"off\", password: \"" BED_PASSWORD "\", disabled: yes }\n";

// -- a certificate --

static void write_pem(const char *path, EVP_PKEY *key, X509 *cert)
{
	FILE *f = fopen(path, "w");

	fake_assert(f);
	fake_assert(PEM_write_X509(f, cert));
	fake_assert(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
	fclose(f);
}

// One key of a kind for all tests of a program: making it is slow.
void bed_make_cert(const char *path, bool ecdsa)
{
	static EVP_PKEY *keys[2];
	static long serial;
	EVP_PKEY *key = keys[ecdsa];
	X509 *cert = X509_new();
	char temporary[200];
	X509_NAME *name;

	if (!key)
		key = keys[ecdsa] = ecdsa ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
	fake_assert(key && cert);
	name = X509_get_subject_name(cert);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)"vpn.example.com", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	X509_set_pubkey(cert, key);
	fake_assert(X509_sign(cert, key, EVP_sha256()));
	snprintf(temporary, sizeof(temporary), "%s~", path);
	write_pem(temporary, key, cert);
	fake_assert(!rename(temporary, path));
	X509_free(cert);
}

// -- opening and closing --

static struct config *make_config(const struct bed *b, const struct bed_conf *conf)
{
	char yaml[8192];
	int n = snprintf(yaml, sizeof(yaml),
		"dataplane:\n"
		"  ports:\n"
		"    access: { device: net_null0, address: 192.0.2.1/24 }\n"
		"    core: { device: net_null1, address: 198.51.100.1/24 }\n"
		"sstp-server:\n"
		"  enabled: yes\n"
		"  certificate: %s\n"
		"%s%s"
		"%s%s\n",
		conf->no_cert ? "none" : b->cert,
		conf->sstp ? conf->sstp : "  authentication: [pap, chap, mschap1, mschap2]\n",
		conf->tls ? "tls:\n" : "", conf->tls ? conf->tls : "",
		conf->yaml ? conf->yaml : default_yaml);
	struct config *c;

	fake_assert(n > 0 && (size_t)n < sizeof(yaml));
	c = config_parse("test.yaml", yaml, (size_t)n, false, stderr);
	fake_assert(c);
	return c;
}

static void shorten(struct cp_limits *l)
{
	l->sstp.abort_1_ms = l->sstp.disconnect_1_ms = 60;
	l->sstp.abort_2_ms = l->sstp.disconnect_2_ms = 20;
	l->ppp.restart_ms = 200;
	l->shutdown_s = 2;
}

void bed_open(struct bed *b, const struct bed_conf *conf)
{
	struct tls_client_conf t = {.only_tls12 = conf->only_tls12, .ciphers = conf->ciphers};
	char err[512] = "";

	memset(b, 0, sizeof(*b));
	if (!getenv("CP_TEST_LOG"))
		log_set_level("err");
	strcpy(b->dir, "/tmp/cp-test-XXXXXX");
	fake_assert(mkdtemp(b->dir));
	snprintf(b->cert, sizeof(b->cert), "%s/cert.pem", b->dir);
	bed_make_cert(b->cert, conf->ecdsa);
	b->conf = make_config(b, conf);
	b->ch = fake_create(conf->nb_workers ? conf->nb_workers : 2,
		conf->nb_msgs ? conf->nb_msgs : 1024, conf->ring_size ? conf->ring_size : 256);
	b->cp = cp_create(b->conf, b->ch, err, sizeof(err));
	if (!b->cp)
		fprintf(stderr, "%s\n", err);
	fake_assert(b->cp);
	shorten(&b->cp->limits);
	b->client_tls = tls_client_ctx_create(&t, err, sizeof(err));
	fake_assert(b->client_tls);
	cp_listen(b->cp, true);
	bed_turn(b);
	fake_assert(fake_listening(b->ch));
}

void bed_close(struct bed *b)
{
	cp_stop(b->cp);
	BED_UNTIL(b, !b->cp->nb_sessions && !b->cp->out.entries);
	bed_turn(b);
	fake_assert(!fake_listening(b->ch));
	fake_assert(!b->cp->nb_half_open && !b->cp->nb_up && !b->cp->out.bytes);
	fake_assert(pools_taken(b->cp->pools) == 0);
	fake_assert(b->cp->totals.accepted == b->cp->totals.ended + b->cp->totals.refused);
	while (b->nb_clients)
		bed_reap(b, b->client[0]);
	cp_destroy(b->cp);
	fake_destroy(b->ch);
	tls_ctx_destroy(b->client_tls);
	config_free(b->conf);
	unlink(b->cert);
	rmdir(b->dir);
}

// -- clients --

struct fake_client_conf bed_client_conf(const struct bed *b, uint32_t auth)
{
	return (struct fake_client_conf){
		.ctx = b->client_tls, .user = "bob", .password = BED_PASSWORD, .auth = auth};
}

struct fake_client *bed_dial(struct bed *b, const struct fake_client_conf *conf)
{
	unsigned int n = b->nb_conns++;
	struct fake_conn *conn;

	fake_assert(b->nb_clients < BED_MAX_CLIENTS);
	conn = fake_accept(b->ch, n % dp_chan_nb_workers(b->ch), 0xc0000202 + n / 60000,
		(uint16_t)(1024 + n % 60000));
	return b->client[b->nb_clients++] = fake_client_new(conn, conf);
}

struct fake_client *bed_dial_halt(struct bed *b, enum fake_halt halt)
{
	struct fake_client_conf conf = bed_client_conf(b, PPP_AUTH_MSCHAP2);

	conf.halt = halt;
	return bed_dial(b, &conf);
}

struct fake_client *bed_dial_as(struct bed *b, const char *user, uint32_t auth)
{
	struct fake_client_conf conf = bed_client_conf(b, auth);

	conf.user = user;
	return bed_dial(b, &conf);
}

struct fake_client *bed_dial_up(struct bed *b, const char *user, uint32_t auth)
{
	struct fake_client *c = bed_dial_as(b, user, auth);

	BED_UNTIL(b, fake_client_is_up(c) && c->conn->data_open);
	return c;
}

struct fake_client *bed_dial_refused(struct bed *b, const char *user, uint32_t auth)
{
	struct fake_client *c = bed_dial_as(b, user, auth);

	BED_UNTIL(b, c->conn->closed && !bed_session(b, c));
	fake_assert(c->ppp_end == PPP_END_AUTH_FAILED);
	fake_assert(c->conn->inner == 0);
	return c;
}

void bed_hang_up(struct bed *b, struct fake_client *c)
{
	fake_client_hang_up(c);
	BED_UNTIL(b, c->conn->closed && !bed_session(b, c));
	bed_reap(b, c);
}

void bed_check_ended(struct bed *b, struct fake_client *c, const char *text)
{
	BED_UNTIL(b, c->conn->closed && !bed_session(b, c));
	fake_assert(c->ppp.end == PPP_END_PEER_TERMINATED);
	fake_assert(!strcmp(c->ppp.message, text));
	fake_assert(!c->conn->out_rst);
	fake_assert(c->sstp_over);
	fake_assert(!c->conn->data_open);
}

void bed_reap(struct bed *b, struct fake_client *c)
{
	for (unsigned int i = 0; i < b->nb_clients; i++)
		if (b->client[i] == c)
			b->client[i] = b->client[--b->nb_clients];
	fake_client_free(c);
}

void bed_turn(struct bed *b)
{
	fake_step(b->ch);
	// Not a busy loop where only a timer is left to wait for.
	if (!cp_poll(b->cp, false))
		usleep(200);
	fake_step(b->ch);
	for (unsigned int i = 0; i < b->nb_clients; i++)
		fake_client_step(b->client[i]);
}

void bed_turns(struct bed *b, unsigned int n)
{
	while (n--)
		bed_turn(b);
}

struct cp_session *bed_session(const struct bed *b, const struct fake_client *c)
{
	return cp_table_find(&b->cp->table, c->conn->handle);
}

// -- the log --

static int saved_stderr = -1, log_fd = -1;

void bed_log_begin(void)
{
	char path[] = "/tmp/cp-log-XXXXXX";

	log_fd = mkstemp(path);
	fake_assert(log_fd >= 0);
	unlink(path);
	log_set_level("info");
	saved_stderr = dup(STDERR_FILENO);
	dup2(log_fd, STDERR_FILENO);
}

const char *bed_log_end(void)
{
	static char text[65536];
	ssize_t n;

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	n = pread(log_fd, text, sizeof(text) - 1, 0);
	fake_assert(n >= 0);
	text[n] = '\0';
	close(log_fd);
	if (!getenv("CP_TEST_LOG"))
		log_set_level("err");
	return text;
}

void bed_expire(struct bed *b, struct cp_session *s)
{
	struct ev_loop *loop = b->cp->loop;

	if (!s->call) {
		fake_assert(ev_is_active(&s->setup->timer));
		ev_feed_event(loop, &s->setup->timer, EV_TIMER);
		return;
	}
	for (unsigned int i = 0; i < SSTP_N_TIMERS; i++)
		if (ev_is_active(&s->call->sstp_timer[i]))
			ev_feed_event(loop, &s->call->sstp_timer[i], EV_TIMER);
	for (unsigned int i = 0; i < PPP_N_TIMERS; i++)
		if (ev_is_active(&s->call->ppp_timer[i]))
			ev_feed_event(loop, &s->call->ppp_timer[i], EV_TIMER);
}

void bed_expire_half_open(struct bed *b)
{
	struct cp_session *s;

	for (unsigned int i = 0; i < CP_NB_HALF_OPEN; i++)
		TAILQ_FOREACH(s, &b->cp->half_open[i], next_half_open)
	bed_expire(b, s);
}

bool bed_is_stalled(const struct bed *b, const struct fake_client *c)
{
	const struct cp_session *s = bed_session(b, c);

	if (!s)
		return false;
	switch (c->conf.halt) {
	case FAKE_HALT_TCP:
		return s->stage == CP_STAGE_ACCEPTED;
	case FAKE_HALT_HELLO:
		return s->stage == CP_STAGE_TLS;
	case FAKE_HALT_TLS:
		return s->stage == CP_STAGE_HTTP;
	case FAKE_HALT_HTTP:
		return s->http != NULL;
	case FAKE_HALT_NO_CALL:
		return c->http_done;
	case FAKE_HALT_NO_PPP:
		return c->sstp.state == SSTP_STATE_CLIENT_CONNECT_ACK_RECEIVED;
	case FAKE_HALT_NO_CONNECTED:
		return c->network_up;
	default:
		return false;
	}
}
