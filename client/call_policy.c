// SPDX-License-Identifier: BSD-3-Clause
// What a client offers in TLS: suites and versions. Suites of TLS 1.2 are those of the cipher
// string less what pfs forbids. The bulk cipher decides over TLS 1.3: a suite of it is offered when
// it is named itself, or when one with the same bulk cipher is in the string.
#include "client/call_policy.h"

#include <stdio.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include "tls/suites.h"

static bool allowed(const SSL_CIPHER *c, enum call_pfs pfs)
{
	int kx = SSL_CIPHER_get_kx_nid(c);

	return pfs == CALL_PFS_NO || kx == NID_kx_ecdhe ||
	       (kx == NID_kx_dhe && pfs == CALL_PFS_YES);
}

// Those of the context's suites of TLS 1.2 that pfs allows.
static void filter(const SSL_CTX *ctx, enum call_pfs pfs, char list[TLS_SUITES_MAX])
{
	STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx);

	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);

		if (!tls_suites_is_13(c) && allowed(c, pfs))
			tls_suites_append(list, TLS_SUITES_MAX, SSL_CIPHER_get_name(c));
	}
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
static int set_ciphers(
	SSL_CTX *ctx, const struct tls_suites *l, bool only_tls12, char *err, size_t cap)
{
	char suites[TLS_SUITES_MAX] = "";

	// A name that does not exist would go unnoticed.
	if (l->named[0] && !SSL_CTX_set_ciphersuites(ctx, l->named))
		return refuse(l->named, err, cap);
	if (l->classic[0] && !SSL_CTX_set_cipher_list(ctx, l->classic))
		return refuse(l->classic, err, cap);
	tls_suites_choose_13(ctx, l, true, suites, sizeof(suites));
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
	char left[TLS_SUITES_MAX] = "";
	struct tls_suites l;

	if (tls_suites_split(&l, ciphers, err, cap))
		return -1;
	if (ciphers && set_ciphers(ctx, &l, only_tls12, err, cap))
		return -1;
	if (pfs == CALL_PFS_NO)
		return 0;
	if (pfs == CALL_PFS_REQUIRED && !SSL_CTX_set1_groups_list(ctx, TLS_EC_GROUPS))
		return refuse(TLS_EC_GROUPS, err, cap);
	filter(ctx, pfs, left);
	if (left[0])
		return SSL_CTX_set_cipher_list(ctx, left) ? 0 : refuse(left, err, cap);
	// TLS 1.3 has forward secrecy, whatever the string says of TLS 1.2.
	if (only_tls12 || SSL_CTX_get_max_proto_version(ctx) == TLS1_2_VERSION)
		return refuse(ciphers ? ciphers : "by default", err, cap);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ? 0 : -1;
}
