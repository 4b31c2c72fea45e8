// SPDX-License-Identifier: BSD-3-Clause
// The in-tree engine "culvert-async": signatures (RSA, ECDSA) and the decryption of TLS 1.2's RSA
// key exchange on a pool of threads, while the handshake's async job is paused. Outside an async
// job they run inline. It is an OpenSSL ENGINE over the legacy key methods, because that is what
// hardware engines are too: the same code path serves both. Only the decryption goes another way,
// see async_engine_decrypting_key().
#pragma once

#include <stdbool.h>

#include <openssl/types.h>

#define ASYNC_ENGINE_ID "culvert-async"

struct async_pool;

// Start nb_threads (0: 1) threads. test_delay_ms: each operation sleeps so long first, for tests.
// NULL when out of threads or memory. Any thread.
struct async_pool *async_pool_create(unsigned int nb_threads, unsigned int test_delay_ms);

// Another reference, for a second owner. Any thread.
struct async_pool *async_pool_ref(struct async_pool *pool);

// Give up a reference; NULL is fine. The last one ends the threads; an operation under way is
// finished first, waiting ones fail. No async job may still wait for it then.
void async_pool_destroy(struct async_pool *pool);

// The engine, made on first use and kept for the process's life; NULL: see OpenSSL's error queue.
ENGINE *async_engine(void);

// Have a key that engine_wrap_key() made for async_engine() use pool. False: neither RSA nor EC.
bool async_engine_attach(struct async_pool *pool, EVP_PKEY *key);

// The same RSA key for the decryption of TLS 1.2's RSA key exchange, in pool. OpenSSL 3 does that
// with a padding that it knows for its providers' keys alone, so this is one of the default
// provider's; but the object inside, which nobody can reach from outside, has been made while the
// engine's method was the default one, and asks it for the bare operation. What checks the padding
// in constant time, and makes up a secret where it is wrong, stays OpenSSL's. Other RSA objects
// that other threads make in that moment get the method as well, and no pool, with which it is
// OpenSSL's. NULL on failure. async_engine() must have been called. pool outlives the key.
EVP_PKEY *async_engine_decrypting_key(struct async_pool *pool, EVP_PKEY *key);

// While on, a job of this thread that is resumed gives up its operation instead of waiting: the
// handshake then fails at once. The pool's thread finishes with memory of its own.
void async_engine_cancel(bool on);

// Operations waiting, under way or not yet collected, of all pools. Any thread.
unsigned int async_engine_nb_tasks(void);

// The same private key as one whose RSA or EC operations go to the engine e, where e has such; else
// another reference to key. NULL on failure. e: initialised.
EVP_PKEY *engine_wrap_key(ENGINE *e, EVP_PKEY *key);
