// SPDX-License-Identifier: BSD-3-Clause
#include "tls/suites.h"

#include <stdio.h>
#include <string.h>

#include <openssl/objects.h>

static const struct {
	const char *name;
	int bulk;
} suites_13[] = {
	{"TLS_AES_256_GCM_SHA384", NID_aes_256_gcm},
	{"TLS_AES_128_GCM_SHA256", NID_aes_128_gcm},
	{"TLS_CHACHA20_POLY1305_SHA256", NID_chacha20_poly1305},
};

static void append(char *list, size_t cap, const char *name, size_t n)
{
	size_t len = strlen(list);

	snprintf(list + len, cap - len, "%s%.*s", len ? ":" : "", (int)n, name);
}

void tls_suites_append(char *list, size_t cap, const char *name)
{
	append(list, cap, name, strlen(name));
}

int tls_suites_split(struct tls_suites *l, const char *s, char *err, size_t cap)
{
	l->classic[0] = l->named[0] = 0;
	if (s && strlen(s) >= TLS_SUITES_MAX) {
		snprintf(err, cap, "the list of ciphers is too long");
		return -1;
	}
	while (s && *s) {
		size_t n = strcspn(s, ":, ");

		if (n)
			append(strncmp(s, "TLS_", 4) ? l->classic : l->named, TLS_SUITES_MAX, s, n);
		s += n + (s[n] != 0);
	}
	return 0;
}

bool tls_suites_is_13(const SSL_CIPHER *c)
{
	return SSL_CIPHER_get_protocol_id(c) >> 8 == 0x13;
}

static bool has_name(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = list; (at = strstr(at, name)); at += n)
		if ((at == list || at[-1] == ':') && (!at[n] || at[n] == ':'))
			return true;
	return false;
}

static bool has_bulk(const SSL_CTX *ctx, int bulk, bool anonymous)
{
	STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx);

	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);

		if (!tls_suites_is_13(c) && SSL_CIPHER_get_cipher_nid(c) == bulk &&
			(anonymous || SSL_CIPHER_get_auth_nid(c) != NID_auth_null))
			return true;
	}
	return false;
}

void tls_suites_choose_13(
	const SSL_CTX *ctx, const struct tls_suites *l, bool anonymous, char *list, size_t cap)
{
	for (size_t i = 0; i < sizeof(suites_13) / sizeof(suites_13[0]); i++)
		if (has_name(l->named, suites_13[i].name) ||
			(l->classic[0] && has_bulk(ctx, suites_13[i].bulk, anonymous)))
			tls_suites_append(list, cap, suites_13[i].name);
}
