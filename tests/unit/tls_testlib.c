// SPDX-License-Identifier: BSD-3-Clause
#include "tls_testlib.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

static char dir[64];

static void remove_dir(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[400];

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_name[0] != '.')
			unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

const char *tl_dir(void)
{
	if (!dir[0]) {
		strcpy(dir, "/tmp/tls-test-XXXXXX");
		assert_non_null(mkdtemp(dir));
		atexit(remove_dir);
	}
	return dir;
}

const char *tl_path(const char *name)
{
	static char ring[16][128];
	static unsigned int n;
	char *p = ring[n++ % 16];

	snprintf(p, sizeof(ring[0]), "%s/%s", tl_dir(), name);
	return p;
}

static const char *path_ext(const char *name, const char *ext)
{
	char file[64];

	snprintf(file, sizeof(file), "%s%s", name, ext);
	return tl_path(file);
}

static void add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *e;
	X509V3_CTX c;

	X509V3_set_ctx(&c, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &c, nid, value);
	assert_non_null(e);
	assert_true(X509_add_ext(x, e, -1));
	X509_EXTENSION_free(e);
}

static X509 *read_cert(const char *name)
{
	FILE *f = fopen(path_ext(name, ".crt"), "r");
	X509 *x;

	assert_non_null(f);
	x = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	assert_non_null(x);
	return x;
}

static EVP_PKEY *read_key(const char *name)
{
	FILE *f = fopen(path_ext(name, ".key"), "r");
	EVP_PKEY *k;

	assert_non_null(f);
	k = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	assert_non_null(k);
	return k;
}

static void write_files(const char *name, X509 *x, EVP_PKEY *key)
{
	static const char *const exts[] = {".pem", ".crt", ".key"};

	for (int i = 0; i < 3; i++) {
		FILE *f = fopen(path_ext(name, exts[i]), "w");

		assert_non_null(f);
		if (i != 2)
			assert_true(PEM_write_X509(f, x));
		if (i != 1)
			assert_true(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
		fclose(f);
	}
}

static EVP_PKEY *make_key(const struct tl_cert_spec *s)
{
	switch (s->type) {
	case TL_RSA:
		return EVP_RSA_gen((unsigned int)(s->rsa_bits ? s->rsa_bits : 2048));
	case TL_EC:
		return EVP_EC_gen("P-256");
	default:
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	}
}

void tl_make_cert(const char *name, const struct tl_cert_spec *s)
{
	static long serial = 1;
	EVP_PKEY *key = make_key(s);
	X509 *x = X509_new(), *issuer = s->ca ? read_cert(s->ca) : x;
	EVP_PKEY *issuer_key = s->ca ? read_key(s->ca) : key;

	assert_non_null(key);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), s->valid_s ? s->valid_s : 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)s->cn, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(issuer));
	X509_set_pubkey(x, key);
	if (s->is_ca)
		add_ext(x, issuer, NID_basic_constraints, "critical,CA:TRUE");
	if (s->sans)
		add_ext(x, issuer, NID_subject_alt_name, s->sans);
	if (s->eku)
		add_ext(x, issuer, NID_ext_key_usage, s->eku);
	assert_true(
		X509_sign(x, issuer_key,
			EVP_PKEY_get_base_id(issuer_key) == EVP_PKEY_ED25519 ? NULL
									     : EVP_sha256()) > 0);
	write_files(name, x, key);
	if (s->ca) {
		X509_free(issuer);
		EVP_PKEY_free(issuer_key);
	}
	X509_free(x);
	EVP_PKEY_free(key);
}

void tl_make_crl(const char *name, const char *ca, const char *const *revoked, int next_s)
{
	X509 *issuer = read_cert(ca), *x;
	EVP_PKEY *key = read_key(ca);
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *t = ASN1_TIME_new();
	FILE *f = fopen(tl_path(name), "w");

	assert_true(f && crl && t);
	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer));
	X509_gmtime_adj(t, -7200);
	X509_CRL_set1_lastUpdate(crl, t);
	for (; *revoked; revoked++) {
		X509_REVOKED *r = X509_REVOKED_new();

		x = read_cert(*revoked);
		X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(x));
		X509_REVOKED_set_revocationDate(r, t);
		assert_true(X509_CRL_add0_revoked(crl, r));
		X509_free(x);
	}
	X509_gmtime_adj(t, next_s);
	X509_CRL_set1_nextUpdate(crl, t);
	assert_true(X509_CRL_sign(crl, key, EVP_sha256()) > 0);
	assert_true(PEM_write_X509_CRL(f, crl));
	fclose(f);
	ASN1_TIME_free(t);
	X509_CRL_free(crl);
	X509_free(issuer);
	EVP_PKEY_free(key);
}

void tl_make_ocsp(const char *name, const char *cert, const char *ca, int status, int next_s)
{
	X509 *x = read_cert(cert), *issuer = read_cert(ca);
	EVP_PKEY *key = read_key(ca);
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), x, issuer);
	ASN1_TIME *then = X509_gmtime_adj(NULL, -7200), *next = X509_gmtime_adj(NULL, next_s);
	OCSP_RESPONSE *r;
	BIO *b = BIO_new_file(tl_path(name), "w");

	assert_true(basic && id && then && next && b);
	assert_non_null(OCSP_basic_add1_status(basic, id, status, 0,
		status == V_OCSP_CERTSTATUS_REVOKED ? then : NULL, then, next));
	assert_true(OCSP_basic_sign(basic, issuer, key, EVP_sha256(), NULL, 0));
	r = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	assert_true(r && i2d_OCSP_RESPONSE_bio(b, r));
	BIO_free(b);
	OCSP_RESPONSE_free(r);
	OCSP_CERTID_free(id);
	OCSP_BASICRESP_free(basic);
	ASN1_TIME_free(then);
	ASN1_TIME_free(next);
	X509_free(x);
	X509_free(issuer);
	EVP_PKEY_free(key);
}

void tl_cert_sha256(const char *name, uint8_t hash[32])
{
	X509 *x = read_cert(name);

	assert_true(X509_digest(x, EVP_sha256(), hash, NULL));
	X509_free(x);
}

void tl_write_file(const char *name, const char *text)
{
	FILE *f = fopen(tl_path(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

void tl_append_file(const char *to, const char *from)
{
	static char text[65536];
	size_t n = tl_read_file(to, text, sizeof(text));

	tl_read_file(from, text + n, sizeof(text) - n);
	tl_write_file(to, text);
}

size_t tl_read_file(const char *name, char *dst, size_t cap)
{
	FILE *f = fopen(tl_path(name), "r");
	size_t n;

	assert_non_null(f);
	n = fread(dst, 1, cap - 1, f);
	dst[n] = 0;
	fclose(f);
	return n;
}

struct tls_ctx *tl_server(struct tls_server_conf *conf, const char *const *names)
{
	const char *files[16];
	struct tls_ctx *ctx;
	char err[256] = "";

	conf->nb_certs = 0;
	for (; names && names[conf->nb_certs]; conf->nb_certs++)
		files[conf->nb_certs] = path_ext(names[conf->nb_certs], ".pem");
	conf->cert_files = files;
	ctx = tls_server_ctx_create(conf, err, sizeof(err));
	if (!ctx)
		fail_msg("server context: %s", err);
	return ctx;
}

static int take_session(SSL *ssl, SSL_SESSION *session)
{
	struct tl_peer *p = SSL_get_app_data(ssl);

	SSL_SESSION_free(p->session);
	p->session = session;
	p->nb_tickets++;
	return 1;
}

static void take_alert(const SSL *ssl, int where, int value)
{
	struct tl_peer *p = SSL_get_app_data(ssl);

	if (p && where & SSL_CB_ALERT && where & SSL_CB_READ)
		p->alert = value & 0xff;
}

void tl_peer_init(struct tl_peer *p, SSL_CTX *ctx, bool server)
{
	memset(p, 0, sizeof(*p));
	p->ssl = SSL_new(ctx);
	p->in = BIO_new(BIO_s_mem());
	p->out = BIO_new(BIO_s_mem());
	assert_true(p->ssl && p->in && p->out);
	BIO_set_mem_eof_return(p->in, -1);
	SSL_set_bio(p->ssl, p->in, p->out);
	SSL_set_app_data(p->ssl, p);
	p->alert = -1;
	SSL_set_info_callback(p->ssl, take_alert);
	if (server)
		SSL_set_accept_state(p->ssl);
	else
		SSL_set_connect_state(p->ssl);
}

void tl_peer_free(struct tl_peer *p)
{
	SSL_SESSION_free(p->session);
	SSL_free(p->ssl);
	memset(p, 0, sizeof(*p));
}

static void one_cipher(SSL_CTX *ctx, int version, const char *cipher)
{
	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	if (version < TLS1_2_VERSION)
		SSL_CTX_set_security_level(ctx, 0);
	if (cipher && version == TLS1_3_VERSION)
		assert_true(SSL_CTX_set_ciphersuites(ctx, cipher));
	else if (cipher)
		assert_true(SSL_CTX_set_cipher_list(ctx, cipher));
}

SSL_CTX *tl_client_ctx(int version, const char *cipher)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	assert_non_null(ctx);
	one_cipher(ctx, version, cipher);
	SSL_CTX_set_session_cache_mode(
		ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(ctx, take_session);
	return ctx;
}

SSL_CTX *tl_server_ssl_ctx(int version, const char *cipher, const char *cert)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	assert_non_null(ctx);
	one_cipher(ctx, version, cipher);
	assert_true(SSL_CTX_use_certificate_file(ctx, path_ext(cert, ".crt"), SSL_FILETYPE_PEM));
	assert_true(SSL_CTX_use_PrivateKey_file(ctx, path_ext(cert, ".key"), SSL_FILETYPE_PEM));
	return ctx;
}

size_t tl_to_peer(struct tls_hs *hs, struct tl_peer *p)
{
	size_t n, total = 0;
	uint8_t buf[1000];

	while ((n = tls_hs_output(hs, buf, sizeof(buf)))) {
		assert_int_equal(BIO_write(p->in, buf, (int)n), n);
		total += n;
	}
	return total;
}

size_t tl_from_peer(struct tls_hs *hs, struct tl_peer *p)
{
	size_t total = 0;
	uint8_t buf[1000];
	int n;

	while ((n = BIO_read(p->out, buf, sizeof(buf))) > 0) {
		assert_int_equal(tls_hs_feed(hs, buf, (size_t)n), 0);
		total += (size_t)n;
	}
	return total;
}

void tl_wait_fd(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_true(fd >= 0);
	assert_int_equal(poll(&p, 1, 10000), 1);
}

// One chunk from the peer, so that every boundary inside a record is met.
static size_t feed_chunk(struct tls_hs *hs, struct tl_peer *p, size_t chunk)
{
	uint8_t buf[4096];
	int n;

	if (!chunk)
		return tl_from_peer(hs, p);
	n = BIO_read(p->out, buf, (int)(chunk < sizeof(buf) ? chunk : sizeof(buf)));
	if (n <= 0)
		return 0;
	assert_int_equal(tls_hs_feed(hs, buf, (size_t)n), 0);
	return (size_t)n;
}

void tl_meet(struct tl_meeting *m, struct tls_ctx *ctx, int version, const char *cipher)
{
	m->hs = tls_hs_accept(ctx);
	m->cctx = tl_client_ctx(version, cipher);
	tl_peer_init(&m->p, m->cctx, false);
}

void tl_unmeet(struct tl_meeting *m)
{
	tls_hs_free(m->hs);
	tl_peer_free(&m->p);
	SSL_CTX_free(m->cctx);
}

enum tls_hs_status tl_handshake(struct tls_hs *hs, struct tl_peer *p, size_t chunk)
{
	for (;;) {
		int rc = SSL_do_handshake(p->ssl);
		enum tls_hs_status st;
		size_t moved;

		ERR_clear_error();
		moved = feed_chunk(hs, p, chunk);
		st = tls_hs_step(hs);
		if (st == TLS_HS_WANT_ASYNC) {
			tl_wait_fd(tls_hs_async_fd(hs));
			moved++;
		}
		moved += tl_to_peer(hs, p);
		if (!moved) {
			if (st == TLS_HS_DONE)
				assert_int_equal(rc, 1);
			return st;
		}
	}
}

static size_t carry(struct tls_hs *from, struct tls_hs *to)
{
	size_t n, total = 0;
	uint8_t buf[1000];

	while ((n = tls_hs_output(from, buf, sizeof(buf)))) {
		assert_int_equal(tls_hs_feed(to, buf, n), 0);
		total += n;
	}
	return total;
}

void tl_handshake_pair(struct tls_hs *server, struct tls_hs *client, enum tls_hs_status *ss,
	enum tls_hs_status *cs)
{
	size_t moved;

	do {
		*cs = tls_hs_step(client);
		moved = carry(client, server);
		*ss = tls_hs_step(server);
		if (*ss == TLS_HS_WANT_ASYNC) {
			tl_wait_fd(tls_hs_async_fd(server));
			moved++;
		}
		moved += carry(server, client);
	} while (moved);
}
