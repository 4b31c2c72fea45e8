// SPDX-License-Identifier: BSD-3-Clause
// What a client offers in TLS by its ciphers, pfs and versions, and its own certificate.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "client/call_tls.h"

// Names of what a context offers, with blanks around each; "" when it is refused. err: why.
static char offered[16384], err[300];

static const char *offer(const struct call_tls_conf *conf)
{
	SSL_CTX *ctx = call_tls_ctx_create(conf, err, sizeof(err));
	STACK_OF(SSL_CIPHER) * all;
	SSL *ssl;

	offered[0] = '\0';
	if (!ctx)
		return offered;
	ssl = SSL_new(ctx);
	all = SSL_get1_supported_ciphers(ssl); // by versions as well
	strcpy(offered, " ");
	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		strcat(offered, SSL_CIPHER_get_name(sk_SSL_CIPHER_value(all, i)));
		strcat(offered, " ");
	}
	sk_SSL_CIPHER_free(all);
	SSL_free(ssl);
	call_tls_ctx_free(ctx);
	return offered;
}

static bool offers(const char *name)
{
	char word[80];

	snprintf(word, sizeof(word), " %s ", name);
	return strstr(offered, word);
}

static void test_pfs(void **state)
{
	struct call_tls_conf conf = {0};

	offer(&conf);
	assert_true(offers("AES256-SHA") && offers("DHE-RSA-AES256-SHA"));
	assert_true(offers("ECDHE-RSA-AES256-GCM-SHA384") && offers("TLS_AES_128_GCM_SHA256"));
	conf.pfs = CALL_PFS_YES;
	offer(&conf);
	assert_true(!offers("AES256-SHA") && offers("DHE-RSA-AES256-SHA"));
	conf.pfs = CALL_PFS_REQUIRED;
	offer(&conf);
	assert_true(!offers("AES256-SHA") && !offers("DHE-RSA-AES256-SHA"));
	assert_true(offers("ECDHE-RSA-AES256-SHA") && offers("TLS_AES_256_GCM_SHA384"));
	conf.only_tls12 = true;
	offer(&conf);
	assert_true(offers("ECDHE-RSA-AES256-SHA") && !offers("TLS_AES_256_GCM_SHA384"));
	conf.ciphers = "AES256-SHA";
	assert_string_equal(offer(&conf), "");
	assert_non_null(strstr(err, "ciphers AES256-SHA: none is left"));
}

// The bulk cipher decides over TLS 1.3.
static void test_ciphers(void **state)
{
	struct call_tls_conf conf = {.ciphers = "ECDHE-RSA-AES256-GCM-SHA384"};

	assert_string_equal(offer(&conf), " TLS_AES_256_GCM_SHA384 ECDHE-RSA-AES256-GCM-SHA384 ");
	conf.ciphers = "ECDHE-RSA-AES256-SHA";
	assert_string_equal(offer(&conf), " ECDHE-RSA-AES256-SHA ");
	conf.ciphers = "ECDHE-RSA-AES256-SHA:TLS_CHACHA20_POLY1305_SHA256";
	assert_string_equal(offer(&conf), " TLS_CHACHA20_POLY1305_SHA256 ECDHE-RSA-AES256-SHA ");
	conf.ciphers = "TLS_AES_128_GCM_SHA256";
	assert_string_equal(offer(&conf), " TLS_AES_128_GCM_SHA256 ");
	conf.only_tls12 = true;
	assert_string_equal(offer(&conf), "");
	conf.only_tls12 = false;
	conf.ciphers = "NO-SUCH-CIPHER";
	assert_string_equal(offer(&conf), "");
	assert_non_null(strstr(err, "NO-SUCH-CIPHER"));
	conf.ciphers = "TLS_NO_SUCH";
	assert_string_equal(offer(&conf), "");
}

static void write_pem(const char *path, EVP_PKEY *key, X509 *cert)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	if (cert)
		PEM_write_X509(f, cert);
	if (key)
		PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
}

static void test_certificate(void **state)
{
	char dir[] = "/tmp/client_policy_test.XXXXXX", both[64], cert_only[64], other[64];
	EVP_PKEY *key = EVP_EC_gen("P-256"), *wrong = EVP_EC_gen("P-256");
	struct call_tls_conf conf = {0};
	X509 *cert = X509_new();

	assert_non_null(mkdtemp(dir));
	snprintf(both, sizeof(both), "%s/both", dir);
	snprintf(cert_only, sizeof(cert_only), "%s/cert", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	write_pem(both, key, cert);
	write_pem(cert_only, NULL, cert);
	write_pem(other, wrong, NULL);

	conf.cert_file = both;
	assert_string_not_equal(offer(&conf), "");
	conf.cert_file = cert_only;
	conf.key_file = both;
	assert_string_not_equal(offer(&conf), "");
	conf.key_file = other;
	assert_string_equal(offer(&conf), "");
	assert_non_null(strstr(err, other));
	conf.key_file = NULL;
	assert_string_equal(offer(&conf), "");
	conf.cert_file = other;
	assert_string_equal(offer(&conf), "");
	assert_non_null(strstr(err, "certificate "));
	conf.cert_file = "/nonexistent";
	assert_string_equal(offer(&conf), "");
	unlink(both);
	unlink(cert_only);
	unlink(other);
	rmdir(dir);
	X509_free(cert);
	EVP_PKEY_free(key);
	EVP_PKEY_free(wrong);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pfs),
		cmocka_unit_test(test_ciphers),
		cmocka_unit_test(test_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
