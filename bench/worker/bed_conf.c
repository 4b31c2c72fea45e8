// SPDX-License-Identifier: BSD-3-Clause
#include "bench/worker/bed_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static X509 *self_signed(EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_NAME *name;

	if (!cert)
		return NULL;
	name = X509_get_subject_name(cert);
	if (X509_set_version(cert, 2) && ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) &&
		X509_gmtime_adj(X509_getm_notBefore(cert), -3600) &&
		X509_gmtime_adj(X509_getm_notAfter(cert), 30 * 86400) &&
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
			(const unsigned char *)"culvert-bench", -1, -1, 0) &&
		X509_set_issuer_name(cert, name) && X509_set_pubkey(cert, key) &&
		X509_sign(cert, key, EVP_sha256()))
		return cert;
	X509_free(cert);
	return NULL;
}

int bed_make_cert(char *path, size_t cap)
{
	const char *dir = getenv("TMPDIR");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = key ? self_signed(key) : NULL;
	int fd, rc = -EIO;
	FILE *f;

	snprintf(path, cap, "%s/culvert-bench-XXXXXX", dir ? dir : "/tmp");
	fd = cert ? mkstemp(path) : -1;
	f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (f) {
		if (PEM_write_X509(f, cert) &&
			PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL))
			rc = 0;
		if (fclose(f))
			rc = -EIO;
		if (rc)
			unlink(path);
	}
	if (rc)
		*path = '\0';
	X509_free(cert);
	EVP_PKEY_free(key);
	return rc;
}

static void list_cpus(const struct bed *b, char *dst, size_t cap)
{
	size_t n = 0;

	for (unsigned int i = 0; i < b->nb_workers; i++)
		n += (size_t)snprintf(dst + n, cap - n, "%s%u", i ? ", " : "", b->cpus[1 + i]);
}

struct config *bed_make_config(const struct bed *b)
{
	const struct bed_conf *c = b->conf;
	char cpus[128], *text = NULL;
	struct config *config;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return NULL;
	list_cpus(b, cpus, sizeof(cpus));
	fprintf(f,
		"log: { level: %s }\n"
		"dataplane:\n"
		"  workers: [%s]\n"
		"  control-core: %u\n"
		"  poll: adaptive\n"
		"  max-sessions: %u\n"
		"  memory: { hugepages: %s, mbufs: %u }\n"
		"  ports:\n"
		"    access: { device: " BED_ACCESS_DEVICE ", address: " BED_SERVER "/%s }\n"
		"    core: { device: " BED_CORE_DEVICE ", address: 172.16.0.1/24 }\n"
		"sstp-server:\n"
		"  enabled: yes\n"
		"  port: %u\n"
		"  certificate: %s\n"
		"  authentication: [mschap2]\n"
		"  keepalive-timeout: 1h\n"
		"  max-half-open: 16384\n"
		"  tls-version: %s\n"
		"ip-pools:\n"
		"  clients: [10.0.0.2-10.3.255.254]\n"
		"ppp-profiles:\n"
		"  default: { local-address: 10.0.0.1, remote-address: clients }\n"
		"ppp-secrets:\n"
		"  - { name: " BED_USER ", password: \"" BED_PASSWORD "\" }\n",
		c->log_level, cpus, b->cpus[0], c->sessions + 64, b->hugepages ? "yes" : "no",
		c->mbufs * b->nb_workers, c->on_link ? "16" : "31, gateway: 10.254.0.3", BED_PORT,
		b->cert_file, c->only_tls12 ? "only-1.2" : "any");
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	config = config_parse("culvert-bench", text, n, true, stderr);
	free(text);
	return config;
}
