// SPDX-License-Identifier: BSD-3-Clause
#define LOG_TYPE "cp.tls"
#include <assert.h>
#include <stdio.h>

#include "base/log.h"
#include "controlplane/cp_renew.h"

static_assert((int)CONFIG_PFS_NO == (int)TLS_PFS_NO && (int)CONFIG_PFS_YES == (int)TLS_PFS_YES &&
		      (int)CONFIG_PFS_REQUIRED == (int)TLS_PFS_REQUIRED,
	"one list");

static void warn(const char *text)
{
	LOG(LOG_WARNING, "%s", text);
}

static struct tls_ctx *create(const struct config *c, const struct tls_ctx *previous,
	void (*tell)(const char *text), char *err, size_t cap)
{
	const struct config_sstp_server *s = &c->sstp;
	const char *cert[CONFIG_MAX_CERTS], *key[CONFIG_MAX_CERTS], *ocsp[CONFIG_MAX_CERTS];
	struct tls_server_conf t = {
		.cert_files = cert,
		.key_files = key,
		.ocsp_files = ocsp,
		.nb_certs = s->nb_certs,
		.engine = c->tls.engine,
		.provider = c->tls.provider,
		.async_threads = c->tls.async_threads,
		.async_ecdsa = c->tls.async_ecdsa,
		.ciphers = s->ciphers,
		.pfs = (enum tls_pfs)s->pfs,
		.only_tls12 = s->only_tls12,
		.legacy_tls = s->tls_legacy,
		.session_tickets = c->tls.session_tickets,
		.keylog_file = c->tls.keylog_file,
		.verify_client = s->verify_client,
		.ca_file = s->ca,
		.crl_file = s->crl,
		.previous = previous,
		.warn = tell,
	};

	if (s->nb_certs > CONFIG_MAX_CERTS || (!s->nb_certs && !s->certificate_none)) {
		snprintf(err, cap, "sstp-server: certificate: none configured");
		return NULL;
	}
	for (unsigned int i = 0; i < s->nb_certs; i++) {
		cert[i] = s->certs[i].cert;
		key[i] = s->certs[i].key;
		ocsp[i] = s->certs[i].ocsp;
	}
	return tls_server_ctx_create(&t, err, cap);
}

struct tls_ctx *cp_tls_ctx_create(
	const struct config *c, const struct tls_ctx *previous, char *err, size_t cap)
{
	return create(c, previous, warn, err, cap);
}

bool cp_tls_ctx_try(const struct config *c, char *err, size_t cap)
{
	struct tls_ctx *ctx = create(c, NULL, NULL, err, cap);

	tls_ctx_destroy(ctx);
	return ctx;
}
