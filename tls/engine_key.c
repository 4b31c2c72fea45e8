// SPDX-License-Identifier: BSD-3-Clause
// Private keys as objects of an engine. An EVP_PKEY read from a file belongs to a provider, which
// no engine's RSA or EC method ever sees; made anew with the engine's method it is a "foreign" key
// that EVP hands to that method.
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/ec.h>
#include <openssl/engine.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "tls/async_engine.h"

static BIGNUM *dup_bn(const BIGNUM *b, bool secret)
{
	BIGNUM *d = b ? BN_dup(b) : NULL;

	if (d && secret)
		BN_set_flags(d, BN_FLG_CONSTTIME);
	return d;
}

// Both RSA_set0_ functions own their arguments only when they succeed.
static bool copy_rsa(RSA *to, const RSA *from)
{
	const BIGNUM *n, *e, *d, *p, *q, *dp, *dq, *qinv;
	BIGNUM *a, *b, *c;

	RSA_get0_key(from, &n, &e, &d);
	RSA_get0_factors(from, &p, &q);
	RSA_get0_crt_params(from, &dp, &dq, &qinv);
	a = dup_bn(n, false), b = dup_bn(e, false), c = dup_bn(d, true);
	if (!a || !b || !c || !RSA_set0_key(to, a, b, c))
		goto fail;
	if (!p || !q || !dp || !dq || !qinv)
		return true; // a key without its factors works, slowly
	a = dup_bn(p, true), b = dup_bn(q, true), c = NULL;
	if (!a || !b || !RSA_set0_factors(to, a, b))
		goto fail;
	a = dup_bn(dp, true), b = dup_bn(dq, true), c = dup_bn(qinv, true);
	if (!a || !b || !c || !RSA_set0_crt_params(to, a, b, c))
		goto fail;
	return true;
fail:
	BN_clear_free(a);
	BN_clear_free(b);
	BN_clear_free(c);
	return false;
}

static EVP_PKEY *wrap_rsa(ENGINE *e, EVP_PKEY *key)
{
	RSA *from = EVP_PKEY_get1_RSA(key);
	RSA *to = RSA_new_method(e);
	EVP_PKEY *wrapped = EVP_PKEY_new();

	if (!from || !to || !wrapped || !copy_rsa(to, from) || !EVP_PKEY_set1_RSA(wrapped, to)) {
		EVP_PKEY_free(wrapped);
		wrapped = NULL;
	}
	RSA_free(from);
	RSA_free(to);
	return wrapped;
}

static EVP_PKEY *wrap_ec(ENGINE *e, EVP_PKEY *key)
{
	EC_KEY *from = EVP_PKEY_get1_EC_KEY(key);
	EC_KEY *to = EC_KEY_new_method(e);
	EVP_PKEY *wrapped = EVP_PKEY_new();

	if (!from || !to || !wrapped || !EC_KEY_set_group(to, EC_KEY_get0_group(from)) ||
		!EC_KEY_set_private_key(to, EC_KEY_get0_private_key(from)) ||
		!EC_KEY_set_public_key(to, EC_KEY_get0_public_key(from)) ||
		!EVP_PKEY_set1_EC_KEY(wrapped, to)) {
		EVP_PKEY_free(wrapped);
		wrapped = NULL;
	}
	EC_KEY_free(from);
	EC_KEY_free(to);
	return wrapped;
}

EVP_PKEY *engine_wrap_key(ENGINE *e, EVP_PKEY *key)
{
	int id = EVP_PKEY_get_base_id(key);

	if (id == EVP_PKEY_RSA && ENGINE_get_RSA(e))
		return wrap_rsa(e, key);
	if (id == EVP_PKEY_EC && ENGINE_get_EC(e))
		return wrap_ec(e, key);
	EVP_PKEY_up_ref(key);
	return key;
}
