// SPDX-License-Identifier: BSD-3-Clause
// Values of the server's TLS and authentication: certificates, ciphers, methods.
#include <stdio.h>
#include <string.h>

#include "config/parse.h"
#include "protocol/ppp/ppp_auth.h"

static bool parse_cert(
	struct parse *p, struct config_cert *cert, const struct ynode *n, const char *key)
{
	bool good = true;

	memset(cert, 0, sizeof(*cert));
	if (n->kind == YNODE_SCALAR && n->len && !parse_is_word(n, "none")) {
		cert->cert = parse_copy(p, n);
		return true;
	}
	if (n->kind != YNODE_MAP) {
		if (n->kind != YNODE_BAD)
			parse_error(p, n, key, "a certificate file or { cert: FILE, key: FILE }");
		return false;
	}
	for (const struct ynode *k = n->first; k; k = k->next) {
		char **field = parse_is_word(k, "cert")   ? &cert->cert
			       : parse_is_word(k, "key")  ? &cert->key
			       : parse_is_word(k, "ocsp") ? &cert->ocsp
							  : NULL;

		if (!field) {
			if (k->kind != YNODE_BAD)
				parse_error(p, k, key, "cert, key or ocsp");
			good = false;
		} else if (*field || k->pair->kind != YNODE_SCALAR || !k->pair->len) {
			parse_error(p, k->pair, key, "one file name for %s", k->value);
			good = false;
		} else {
			*field = parse_copy(p, k->pair);
		}
	}
	if (good && !cert->cert)
		parse_error(p, n, key, "cert: FILE in it");
	return good && cert->cert;
}

static void parse_certs(
	struct parse *p, struct config_sstp_server *s, const struct ynode *n, const char *key)
{
	s->nb_certs = 0;
	s->certificate_none = parse_is_word(n, "none");
	if (s->certificate_none)
		return;
	if (n->kind == YNODE_LIST && !n->n)
		parse_error_found(p, n, key, "an empty list", "a certificate, or none");
	FOR_EACH(it, n)
	{
		if (s->nb_certs == CONFIG_MAX_CERTS) {
			parse_error(p, it, key, "at most %u certificates", CONFIG_MAX_CERTS);
			return;
		}
		p->cert_nodes[s->nb_certs] = it;
		// What was wrong keeps its place, so that numbers are those of the list.
		if (!parse_cert(p, &s->certs[s->nb_certs], it, key))
			s->certs[s->nb_certs] = (struct config_cert){0};
		s->nb_certs++;
	}
}

// A client's: there is nothing to staple.
static void parse_one_cert(
	struct parse *p, struct config_cert *cert, const struct ynode *n, const char *key)
{
	const struct ynode *ocsp = n->kind == YNODE_MAP ? ynode_get(n, "ocsp") : NULL;

	if (parse_is_word(n, "none"))
		return;
	if (!parse_cert(p, cert, n, key))
		*cert = (struct config_cert){0};
	else if (ocsp)
		parse_error_found(p, ocsp, key, "ocsp", "cert or key");
}

static void parse_auth(struct parse *p, const struct config_option *o, uint32_t *mask,
	const struct ynode *n, const char *key)
{
	static const char *const words = "pap|chap|mschap1|mschap2";
	int i;

	*mask = 0;
	if (parse_is_word(n, "all")) {
		*mask = PPP_AUTH_ALL;
		return;
	}
	if (n->kind == YNODE_LIST && !n->n)
		parse_error_found(p, n, key, "an empty list", "at least one method");
	FOR_EACH(it, n)
	{
		i = it->kind == YNODE_SCALAR ? config_words_index(words, it->value) : -1;
		if (i >= 0)
			*mask |= 1u << i;
		else if (it->kind != YNODE_BAD)
			parse_refuse(p, o, it, key);
	}
}

// RouterOS's names for groups of suites; everything else goes to OpenSSL as it is.
static const char *cipher_string(const char *name)
{
	if (!strcmp(name, "aes256-gcm-sha384"))
		return "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
		       "DHE-RSA-AES256-GCM-SHA384:AES256-GCM-SHA384";
	if (!strcmp(name, "aes256-sha"))
		return "ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:DHE-RSA-AES256-SHA:AES256-SHA";
	return name;
}

static bool is_cipher_text(const char *s)
{
	return *s && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
			       "-_+!@=:.") == strlen(s);
}

static void parse_ciphers(struct parse *p, const struct config_option *o, char **field,
	const struct ynode *n, const char *key)
{
	char text[2048] = "";
	size_t len = 0;
	const char *s;

	*field = NULL;
	if (parse_is_word(n, "default") || parse_is_word(n, "all"))
		return;
	FOR_EACH(it, n)
	{
		if (it->kind == YNODE_BAD)
			continue;
		if (it->kind != YNODE_SCALAR || !is_cipher_text(it->value)) {
			parse_refuse(p, o, it, key);
			continue;
		}
		s = cipher_string(it->value);
		if (len + strlen(s) + 2 > sizeof(text)) {
			parse_error(p, it, key, "a shorter list of ciphers");
			return;
		}
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? ":" : "", s);
	}
	if (len)
		*field = arena_strndup(p->arena, text, len);
}

bool parse_tls_value(struct parse *p, const struct config_option *o, void *base,
	const struct ynode *n, const char *key)
{
	void *field = (char *)base + o->offset;

	switch (o->type) {
	case CONFIG_TYPE_CERTS:
		parse_certs(p, base, n, key);
		return true;
	case CONFIG_TYPE_CERT:
		parse_one_cert(p, field, n, key);
		return true;
	case CONFIG_TYPE_AUTH:
		parse_auth(p, o, field, n, key);
		return true;
	case CONFIG_TYPE_CIPHERS:
		parse_ciphers(p, o, field, n, key);
		return true;
	default:
		return false;
	}
}
