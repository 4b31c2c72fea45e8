// SPDX-License-Identifier: BSD-3-Clause
// Engines and providers by name. Both stay loaded for the process's life: keys and sessions may
// refer to them to the end.
#define OPENSSL_SUPPRESS_DEPRECATED

#include <pthread.h>
#include <string.h>

#include <openssl/engine.h>
#include <openssl/provider.h>

#include "tls/async_engine.h"
#include "tls/handshake_priv.h"

// The handles of what is loaded, for good.
static OSSL_PROVIDER *loaded[16];
static pthread_mutex_t loaded_lock = PTHREAD_MUTEX_INITIALIZER;

static bool load_once(const char *name)
{
	unsigned int i = 0;
	bool ok = false;

	pthread_mutex_lock(&loaded_lock);
	while (i < 16 && loaded[i] && strcmp(OSSL_PROVIDER_get0_name(loaded[i]), name))
		i++;
	if (i < 16) {
		if (!loaded[i])
			loaded[i] = OSSL_PROVIDER_load(NULL, name);
		ok = loaded[i];
	}
	pthread_mutex_unlock(&loaded_lock);
	return ok;
}

int tls_load_provider(const char *name, char *err, size_t cap)
{
	// Naming one provider ends the implicit loading of the default one.
	if (!load_once("default"))
		return tls_err(err, cap, "provider default cannot be loaded");
	if (!load_once(name))
		return tls_err(err, cap, "provider %s cannot be loaded", name);
	return 0;
}

static int load_async(
	struct tls_ctx *ctx, const struct tls_server_conf *conf, ENGINE **e, char *err, size_t cap)
{
	*e = async_engine();
	if (!*e)
		return tls_err(err, cap, "engine %s cannot be made", ASYNC_ENGINE_ID);
	if (conf->previous && conf->previous->pool) {
		ctx->pool = async_pool_ref(conf->previous->pool);
		return 0;
	}
	ctx->pool = async_pool_create(conf->async_threads, conf->test_sign_delay_ms);
	if (!ctx->pool)
		return tls_err(
			err, cap, "engine %s: its threads cannot be started", ASYNC_ENGINE_ID);
	return 0;
}

// Any engine that OpenSSL finds: built in, configured, or ENGINESDIR/NAME.so. The default for
// public-key work is all it becomes: bulk ciphers and random numbers stay OpenSSL's.
static int load_external(const char *name, ENGINE **e, char *err, size_t cap)
{
	ENGINE_load_builtin_engines();
	*e = ENGINE_by_id(name);
	if (!*e)
		return tls_err(err, cap, "engine %s cannot be loaded", name);
	if (!ENGINE_init(*e)) {
		ENGINE_free(*e);
		return tls_err(err, cap, "engine %s does not start", name);
	}
	if (!ENGINE_set_default(*e, ENGINE_METHOD_RSA | ENGINE_METHOD_EC | ENGINE_METHOD_DH |
					    ENGINE_METHOD_PKEY_METHS)) {
		ENGINE_finish(*e);
		ENGINE_free(*e);
		return tls_err(err, cap, "engine %s cannot be made the default", name);
	}
	return 0;
}

// What decrypts does so in pool, too.
static int make_decrypting(struct tls_cert *c, struct async_pool *pool)
{
	EVP_PKEY *key;

	if (EVP_PKEY_get_base_id(c->plain) != EVP_PKEY_RSA)
		return 0;
	key = async_engine_decrypting_key(pool, c->plain);
	if (!key)
		return -1;
	EVP_PKEY_free(c->plain);
	c->plain = key;
	return 0;
}

static int wrap_certs(
	struct tls_ctx *ctx, const struct tls_server_conf *conf, ENGINE *e, char *err, size_t cap)
{
	for (unsigned int i = 0; i < ctx->nb_certs; i++) {
		EVP_PKEY *key = ctx->certs[i].key;

		if (ctx->pool && !conf->async_ecdsa && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC)
			continue;
		key = engine_wrap_key(e, key);
		if (!key)
			return tls_err(
				err, cap, "engine %s does not take a private key", conf->engine);
		if (ctx->pool && key != ctx->certs[i].key)
			async_engine_attach(ctx->pool, key);
		ctx->certs[i].plain = ctx->certs[i].key;
		ctx->certs[i].key = key;
		ctx->async = true;
		if (ctx->pool && make_decrypting(&ctx->certs[i], ctx->pool))
			return tls_err(
				err, cap, "engine %s does not take a private key", conf->engine);
	}
	return 0;
}

int tls_load_engine(struct tls_ctx *ctx, const struct tls_server_conf *conf, char *err, size_t cap)
{
	ENGINE *e;
	int rc;

	if (!strcmp(conf->engine, ASYNC_ENGINE_ID))
		rc = load_async(ctx, conf, &e, err, cap);
	else
		rc = load_external(conf->engine, &e, err, cap);
	if (rc)
		return rc;
	ctx->async = ctx->async || !ctx->pool;
	return wrap_certs(ctx, conf, e, err, cap);
}
