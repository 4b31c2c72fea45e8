// SPDX-License-Identifier: BSD-3-Clause
// What the configuration names, tried out before anything starts: each certificate with its key,
// authorities, revocation lists, what is left of the ciphers, engine and provider. Every error goes
// to its place in the file.
#define LOG_TYPE "cp"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "controlplane/cp.h"
#include "controlplane/cp_renew.h"
#include "controlplane/users.h"

static bool readable(const char *file)
{
	return !file || !access(file, R_OK);
}

// Whether the files can be read: what cannot be has been reported.
static bool can_try(const struct config_cert *cert)
{
	return cert->cert && readable(cert->cert) && readable(cert->key) && readable(cert->ocsp);
}

// A server of c's certificates alone: the rest is added by whoever looks for what is wrong with it.
static struct config bare(const struct config *c)
{
	struct config try = {.sstp = {.certificate_none = c->sstp.certificate_none}};

	try.sstp.nb_certs = c->sstp.nb_certs;
	for (unsigned int i = 0; i < c->sstp.nb_certs; i++)
		try.sstp.certs[i] = c->sstp.certs[i];
	return try;
}

static bool check_certs(const struct config *c, struct config_report *r)
{
	struct config try = {.sstp.nb_certs = 1};
	bool good = true;
	char err[512];

	for (unsigned int i = 0; i < c->sstp.nb_certs; i++) {
		try.sstp.certs[0] = c->sstp.certs[i];
		if (!can_try(&try.sstp.certs[0])) {
			good = false;
		} else if (!cp_tls_ctx_try(&try, err, sizeof(err))) {
			config_problem(r, "sstp-server", "certificate", (int)i, err,
				"a PEM chain, leaf first, and its private key");
			good = false;
		}
	}
	return good;
}

static void check_verify(const struct config *c, struct config_report *r)
{
	struct config try = bare(c);
	char err[512];

	if (!c->sstp.verify_client || !c->sstp.ca || !readable(c->sstp.ca) || !c->sstp.nb_certs)
		return;
	try.sstp.verify_client = true;
	try.sstp.ca = c->sstp.ca;
	if (!cp_tls_ctx_try(&try, err, sizeof(err))) {
		config_problem(r, "sstp-server", "ca", -1, err, "PEM certificates of authorities");
		return;
	}
	try.sstp.crl = c->sstp.crl;
	if (c->sstp.crl && readable(c->sstp.crl) && !cp_tls_ctx_try(&try, err, sizeof(err)))
		config_problem(
			r, "sstp-server", "crl", -1, err, "PEM certificate revocation lists");
}

static void check_ciphers(const struct config *c, struct config_report *r)
{
	struct config try = bare(c);
	char err[512];

	try.sstp.ciphers = c->sstp.ciphers;
	try.sstp.pfs = c->sstp.pfs;
	try.sstp.only_tls12 = c->sstp.only_tls12;
	try.sstp.tls_legacy = c->sstp.tls_legacy;
	if (!cp_tls_ctx_try(&try, err, sizeof(err)))
		config_problem(r, "sstp-server", c->sstp.ciphers ? "ciphers" : "pfs", -1, err,
			"a cipher that clients can use");
}

static void check_crypto(const struct config *c, struct config_report *r)
{
	struct config try = bare(c);
	char err[512];

	try.tls.provider = c->tls.provider;
	if (!cp_tls_ctx_try(&try, err, sizeof(err))) {
		config_problem(r, "tls", "provider", -1, err, "a provider that can be loaded");
		return;
	}
	try.tls = c->tls;
	try.tls.keylog_file = NULL; // never written to by a check
	if (c->tls.engine && !cp_tls_ctx_try(&try, err, sizeof(err)))
		config_problem(r, "tls", "engine", -1, err, "an engine that can be loaded");
}

void cp_check(const struct config *c, struct config_report *r)
{
	if (!c->sstp.nb_certs && !c->sstp.certificate_none)
		return; // a server that is off needs none
	if (!check_certs(c, r))
		return;
	check_verify(c, r);
	check_ciphers(c, r);
	check_crypto(c, r);
}

static bool gets_nothing(const struct users_grant *g)
{
	bool ip4 = g->local && (g->remote || g->pool);
	bool ip6 = g->use_ipv6 != CONFIG_NO && (g->prefix6 || g->prefix_pool || g->pd_pool);

	return !ip4 && !ip6;
}

static bool lacks_required(const struct users_grant *g)
{
	return g->use_ipv6 == CONFIG_REQUIRED && !g->prefix6 && !g->prefix_pool && !g->pd_pool;
}

struct users_found {
	unsigned int n;
	const char *first;
};

static void found(struct users_found *f, const struct config_secret *s)
{
	if (!f->n++)
		f->first = s->name;
}

static void warn_of_found(const struct users_found *f, const char *what)
{
	char name[80];

	if (f->n)
		LOG(LOG_WARNING, "users=%u first=%s: %s", f->n,
			log_quote(name, sizeof(name), f->first, strlen(f->first)), what);
}

// A server that nobody can use, or anybody.
static void warn_of_users(const struct config *c)
{
	struct users_found nothing = {0}, required = {0}, empty = {0};
	struct users_grant g;
	unsigned int nb = 0;

	for (unsigned int i = 0; i < c->nb_secrets; i++) {
		if (c->secrets[i].disabled)
			continue;
		nb++;
		users_grant(c, &c->secrets[i], &g);
		if (lacks_required(&g))
			found(&required, &c->secrets[i]);
		else if (gets_nothing(&g))
			found(&nothing, &c->secrets[i]);
		if (!c->secrets[i].password || !*c->secrets[i].password)
			found(&empty, &c->secrets[i]);
	}
	if (!nb)
		LOG(LOG_WARNING, "ppp-secrets: there are no users, nobody can log in");
	warn_of_found(&nothing, "no address to get: neither they nor their profiles have "
				"local-address and remote-address, or an IPv6 prefix");
	warn_of_found(&required, "use-ipv6: required, and no prefix to get: every log-in will be "
				 "refused");
	warn_of_found(&empty, "the password is empty: whoever knows the name gets in");
}

static void warn_of_profiles(const struct config *c)
{
	char name[80];

	for (unsigned int i = 0; i < c->nb_profiles; i++) {
		const struct config_profile *p = &c->profiles[i];

		log_quote(name, sizeof(name), p->name, strlen(p->name));
		if (p->use_compression == CONFIG_YES)
			LOG(LOG_WARNING, "ppp-profiles.%s.use-compression: there is none", name);
		if (p->use_encryption == CONFIG_YES)
			LOG(LOG_WARNING, "ppp-profiles.%s.use-encryption: there is none within TLS",
				name);
		if (p->use_encryption == CONFIG_REQUIRED)
			LOG(LOG_WARNING,
				"ppp-profiles.%s.use-encryption: required: every log-in will be "
				"refused, for there is none within TLS",
				name);
	}
}

void cp_warn(const struct config *c)
{
	warn_of_profiles(c);
	if (c->sstp.enabled)
		warn_of_users(c);
	if (c->tls.keylog_file)
		LOG(LOG_WARNING, "tls.keylog-file: whoever reads %s reads all traffic",
			c->tls.keylog_file);
	if (!c->sstp.verify_client && (c->sstp.ca || c->sstp.crl))
		LOG(LOG_WARNING,
			"sstp-server.%s: not used, for verify-client-certificate is not set",
			c->sstp.ca ? "ca" : "crl");
	if (c->sstp.tls_legacy)
		LOG(LOG_WARNING, "sstp-server.tls-legacy: TLS 1.0 and 1.1 are accepted");
	if (c->sstp.enabled && !c->sstp.nb_certs)
		LOG(LOG_WARNING,
			"sstp-server.certificate: none: ANONYMOUS DIFFIE-HELLMAN ONLY. Nothing "
			"tells a client whom it talks to, whoever is on the way can read and "
			"change "
			"everything, passwords included, and calls are bound to no certificate");
}

void cp_check_warn(const struct config *c)
{
	struct config try = *c;
	char err[512];

	cp_warn(c);
	if (!c->sstp.nb_certs && !c->sstp.certificate_none)
		return;
	try.tls.keylog_file = NULL;
	tls_ctx_destroy(cp_tls_ctx_create(&try, NULL, err, sizeof(err)));
}
