// SPDX-License-Identifier: BSD-3-Clause
// A server handshake fed with bytes, in pieces. First byte: bit 0 TLS 1.2 only, bit 1 with an
// engine (async jobs), bit 2 anonymous, bit 3 TLS 1.0 and 1.1 too; second byte: size of the pieces.
// Whatever comes, it ends in WANT_READ or FAILED with a reason, and nothing leaks.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "tls/handshake.h"

static struct tls_ctx *contexts[16];

static void must(int ok)
{
	if (!ok)
		abort();
}

static void write_cert(char *path)
{
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();

	must(f && key && x);
	X509_set_version(x, 2);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	must(X509_sign(x, key, EVP_sha256()) > 0);
	must(PEM_write_X509(f, x) && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(key);
}

static struct tls_ctx *context(unsigned int kind)
{
	char path[] = "/tmp/fuzz-tls-XXXXXX", err[256];
	const char *files[] = {path};
	struct tls_server_conf conf = {.cert_files = files,
		.nb_certs = kind & 4 ? 0 : 1,
		.only_tls12 = kind & 1,
		.legacy_tls = kind & 8,
		.engine = kind & 2 ? "culvert-async" : NULL,
		.session_tickets = true};

	if (contexts[kind])
		return contexts[kind];
	write_cert(path);
	contexts[kind] = tls_server_ctx_create(&conf, err, sizeof(err));
	unlink(path);
	must(contexts[kind] != NULL);
	return contexts[kind];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum tls_hs_status st = TLS_HS_WANT_READ;
	struct tls_hs *hs;
	uint8_t out[4096];
	size_t piece;

	if (size < 2)
		return 0;
	hs = tls_hs_accept(context(data[0] & 15));
	must(hs != NULL);
	piece = data[1] ? data[1] : size;
	for (size_t at = 2; at < size && st != TLS_HS_FAILED && st != TLS_HS_DONE; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		must(!tls_hs_feed(hs, data + at, n));
		st = tls_hs_step(hs);
		if (st == TLS_HS_WANT_ASYNC && at & 1) { // else it is fed, or freed, while paused
			struct pollfd p = {.fd = tls_hs_async_fd(hs), .events = POLLIN};

			must(p.fd >= 0 && poll(&p, 1, 10000) == 1);
			st = tls_hs_step(hs);
		}
		while (tls_hs_output(hs, out, sizeof(out)))
			;
	}
	must((st == TLS_HS_FAILED) == (tls_hs_error(hs)[0] != 0));
	tls_hs_free(hs);
	return 0;
}
