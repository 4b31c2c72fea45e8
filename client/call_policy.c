// SPDX-License-Identifier: BSD-3-Clause
// What a client offers in TLS: suites and versions. Suites of TLS 1.2 are those of the cipher
// string less what pfs forbids. The bulk cipher decides over TLS 1.3: a suite of it is offered when
// it is named itself, or when one with the same bulk cipher is in the string.
#include "client/call_policy.h"

#include <stdio.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#define LIST_MAX 4096
#define EC_GROUPS "X25519:P-256:P-384:P-521:X448"

static const struct {
	const char *name;
	int bulk;
} suites_13[] = {
	{"TLS_AES_256_GCM_SHA384", NID_aes_256_gcm},
	{"TLS_AES_128_GCM_SHA256", NID_aes_128_gcm},
	{"TLS_CHACHA20_POLY1305_SHA256", NID_chacha20_poly1305},
};

struct lists {
	char classic[LIST_MAX]; // the cipher string without names of TLS 1.3
	char named[LIST_MAX];   // those names
};

static void append(char *list, const char *name, size_t n)
{
	size_t len = strlen(list);

	snprintf(list + len, LIST_MAX - len, "%s%.*s", len ? ":" : "", (int)n, name);
}

static void split(struct lists *l, const char *s)
{
	for (size_t n; *s; s += n + (s[n] != 0)) {
		n = strcspn(s, ":, ");
		if (n)
			append(strncmp(s, "TLS_", 4) ? l->classic : l->named, s, n);
	}
}

static bool allowed(const SSL_CIPHER *c, enum call_pfs pfs)
{
	int kx = SSL_CIPHER_get_kx_nid(c);

	return pfs == CALL_PFS_NO || kx == NID_kx_ecdhe ||
	       (kx == NID_kx_dhe && pfs == CALL_PFS_YES);
}

static bool is_13(const SSL_CIPHER *c)
{
	return SSL_CIPHER_get_protocol_id(c) >> 8 == 0x13;
}

// Those of the context's suites of TLS 1.2 that pfs allows.
static void filter(const SSL_CTX *ctx, enum call_pfs pfs, char *list)
{
	STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx);

	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);

		if (!is_13(c) && allowed(c, pfs))
			append(list, SSL_CIPHER_get_name(c), strlen(SSL_CIPHER_get_name(c)));
	}
}

static bool has_bulk(const SSL_CTX *ctx, int bulk)
{
	STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx);

	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);

		if (!is_13(c) && SSL_CIPHER_get_cipher_nid(c) == bulk)
			return true;
	}
	return false;
}

static bool has_name(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = list; (at = strstr(at, name)); at += n)
		if ((at == list || at[-1] == ':') && (!at[n] || at[n] == ':'))
			return true;
	return false;
}

static void choose_13(const SSL_CTX *ctx, const struct lists *l, char *suites)
{
	for (size_t i = 0; i < sizeof(suites_13) / sizeof(suites_13[0]); i++)
		if (has_name(l->named, suites_13[i].name) ||
			(l->classic[0] && has_bulk(ctx, suites_13[i].bulk)))
			append(suites, suites_13[i].name, strlen(suites_13[i].name));
}

static int refuse(const char *what, char *err, size_t cap)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	snprintf(err, cap, "ciphers %.200s: %s", what, reason ? reason : "none is left");
	ERR_clear_error();
	return -1;
}

// A string, once split: sets both lists and the versions that are left.
static int set_ciphers(SSL_CTX *ctx, const struct lists *l, bool only_tls12, char *err, size_t cap)
{
	char suites[LIST_MAX] = "";

	// A name that does not exist would go unnoticed.
	if (l->named[0] && !SSL_CTX_set_ciphersuites(ctx, l->named))
		return refuse(l->named, err, cap);
	if (l->classic[0] && !SSL_CTX_set_cipher_list(ctx, l->classic))
		return refuse(l->classic, err, cap);
	choose_13(ctx, l, suites);
	if (!suites[0])
		return SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) ? 0 : -1;
	if (!l->classic[0] && only_tls12)
		return refuse(l->named, err, cap);
	if (!l->classic[0])
		SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	return SSL_CTX_set_ciphersuites(ctx, suites) ? 0 : refuse(suites, err, cap);
}

int call_policy_apply(SSL_CTX *ctx, const char *ciphers, enum call_pfs pfs, bool only_tls12,
	char *err, size_t cap)
{
	struct lists l = {0};
	char left[LIST_MAX] = "";

	if (ciphers && strlen(ciphers) >= LIST_MAX) {
		snprintf(err, cap, "the list of ciphers is too long");
		return -1;
	}
	if (ciphers)
		split(&l, ciphers);
	if (ciphers && set_ciphers(ctx, &l, only_tls12, err, cap))
		return -1;
	if (pfs == CALL_PFS_NO)
		return 0;
	if (pfs == CALL_PFS_REQUIRED && !SSL_CTX_set1_groups_list(ctx, EC_GROUPS))
		return refuse(EC_GROUPS, err, cap);
	filter(ctx, pfs, left);
	if (left[0])
		return SSL_CTX_set_cipher_list(ctx, left) ? 0 : refuse(left, err, cap);
	// TLS 1.3 has forward secrecy, whatever the string says of TLS 1.2.
	if (only_tls12 || SSL_CTX_get_max_proto_version(ctx) == TLS1_2_VERSION)
		return refuse(ciphers ? ciphers : "by default", err, cap);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ? 0 : -1;
}
