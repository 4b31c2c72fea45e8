// SPDX-License-Identifier: BSD-3-Clause
// OpenSSL 3 marks engines and key methods as deprecated, in favour of providers; they are there in
// all of 3.x, and they are what asynchronous crypto hardware ships with.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "tls/async_engine.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <openssl/async.h>
#include <openssl/ec.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "base/affinity.h"
#include "base/secret.h"

enum task_op { OP_RSA_SIGN, OP_RSA_DECRYPT, OP_EC_SIGN };

// Owned by the job that made it until it is queued; then by the pool and the job together, and
// freed by whoever is done with it last.
struct task {
	struct task *next;
	enum task_op op;
	RSA *rsa; // a reference, or NULL
	EC_KEY *ec;
	int param; // padding, or the digest type
	int in_len;
	size_t out_cap;
	unsigned int out_len; // OP_EC_SIGN
	int result;
	int fd; // the job's eventfd; under the pool's lock, -1 once abandoned
	bool done, abandoned;
	uint8_t data[]; // in, then out
};

struct async_pool {
	atomic_uint refs;
	pthread_mutex_t lock;
	pthread_cond_t work, stopped;
	struct task *head, **tail;
	bool stop;
	unsigned int delay_ms;
	unsigned int nb_threads;
	pthread_t threads[];
};

static pthread_once_t engine_once = PTHREAD_ONCE_INIT;
static ENGINE *engine;
static RSA_METHOD *rsa_method;
static EC_KEY_METHOD *ec_method;
static int rsa_index = -1, ec_index = -1;
static _Thread_local bool cancelling;
static _Thread_local struct async_pool *making_for; // async_engine_decrypting_key()
static pthread_mutex_t default_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint nb_tasks; // a statistic: no order with anything

typedef int (*ec_sign_fn)(int type, const unsigned char *digest, int len, unsigned char *sig,
	unsigned int *sig_len, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key);

static ec_sign_fn openssl_ec_sign(void)
{
	ec_sign_fn sign;

	EC_KEY_METHOD_get_sign(EC_KEY_OpenSSL(), &sign, NULL, NULL);
	return sign;
}

typedef int (*rsa_fn)(
	int flen, const unsigned char *from, unsigned char *to, RSA *rsa, int padding);

static rsa_fn openssl_rsa(enum task_op op)
{
	const RSA_METHOD *m = RSA_PKCS1_OpenSSL();

	return op == OP_RSA_SIGN ? RSA_meth_get_priv_enc(m) : RSA_meth_get_priv_dec(m);
}

static void task_run(struct task *t)
{
	uint8_t *out = t->data + t->in_len;

	if (t->op == OP_EC_SIGN)
		t->result = openssl_ec_sign()(
			t->param, t->data, t->in_len, out, &t->out_len, NULL, NULL, t->ec);
	else
		t->result = openssl_rsa(t->op)(t->in_len, t->data, out, t->rsa, t->param);
}

static void task_free(struct task *t)
{
	RSA_free(t->rsa);
	EC_KEY_free(t->ec);
	secret_wipe(t->data, (size_t)t->in_len + t->out_cap);
	free(t);
	atomic_fetch_sub_explicit(&nb_tasks, 1, memory_order_relaxed);
}

// Under the lock: the job may go on, or there is none any more.
static void task_finish(struct async_pool *pool, struct task *t)
{
	static const uint64_t one = 1;

	t->done = true;
	if (t->abandoned)
		task_free(t);
	else if (write(t->fd, &one, sizeof(one)) < 0)
		t->result = -1; // an eventfd below its maximum takes any write
}

// For tests: as if the key were slow. Under the lock, which is let go meanwhile; ends early when
// the pool does.
static void delay(struct async_pool *pool)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += pool->delay_ms / 1000;
	until.tv_nsec += (long)(pool->delay_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	while (!pool->stop &&
		pthread_cond_timedwait(&pool->stopped, &pool->lock, &until) != ETIMEDOUT)
		;
}

static void *pool_thread(void *arg)
{
	struct async_pool *pool = arg;
	struct task *t;

	affinity_join_helpers();
	pthread_mutex_lock(&pool->lock);
	for (;;) {
		while (!pool->head && !pool->stop)
			pthread_cond_wait(&pool->work, &pool->lock);
		t = pool->head;
		if (!t)
			break;
		pool->head = t->next;
		if (!pool->head)
			pool->tail = &pool->head;
		if (pool->delay_ms)
			delay(pool);
		if (!pool->stop && !t->abandoned) {
			pthread_mutex_unlock(&pool->lock);
			task_run(t);
			ERR_clear_error();
			pthread_mutex_lock(&pool->lock);
		}
		task_finish(pool, t);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

struct async_pool *async_pool_create(unsigned int nb_threads, unsigned int test_delay_ms)
{
	unsigned int want = nb_threads ? nb_threads : 1;
	struct async_pool *pool = calloc(1, sizeof(*pool) + want * sizeof(pool->threads[0]));
	sigset_t all, old;

	if (!pool)
		return NULL;
	atomic_init(&pool->refs, 1);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pthread_cond_init(&pool->stopped, NULL);
	pool->tail = &pool->head;
	pool->delay_ms = test_delay_ms;
	// Signals are the program's own threads' business.
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (pool->nb_threads < want &&
		!pthread_create(&pool->threads[pool->nb_threads], NULL, pool_thread, pool)) {
		pthread_setname_np(pool->threads[pool->nb_threads], "tls-sign");
		pool->nb_threads++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (pool->nb_threads == want)
		return pool;
	async_pool_destroy(pool);
	return NULL;
}

struct async_pool *async_pool_ref(struct async_pool *pool)
{
	atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
	return pool;
}

// Release pairs with acquire: the last one sees what all others did.
void async_pool_destroy(struct async_pool *pool)
{
	if (!pool || atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_acq_rel) != 1)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stop = true;
	pthread_cond_broadcast(&pool->work);
	pthread_cond_broadcast(&pool->stopped);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned int i = 0; i < pool->nb_threads; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->stopped);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

static void pool_submit(struct async_pool *pool, struct task *t)
{
	pthread_mutex_lock(&pool->lock);
	*pool->tail = t;
	pool->tail = &t->next;
	pthread_cond_signal(&pool->work);
	pthread_mutex_unlock(&pool->lock);
}

// Pause this thread's job until t is done. False: given up; t is the pool's alone.
static bool wait_done(struct async_pool *pool, struct task *t)
{
	// Once in any case: whether a handshake waits is then no matter of who runs first.
	while (ASYNC_pause_job()) {
		bool done;

		pthread_mutex_lock(&pool->lock);
		done = t->done;
		t->abandoned = !done && cancelling;
		pthread_mutex_unlock(&pool->lock);
		if (done || cancelling)
			return done;
	}
	// It could not be paused: wait for it the hard way.
	for (;;) {
		struct pollfd p = {.fd = t->fd, .events = POLLIN};

		if (poll(&p, 1, -1) == 1)
			return true;
	}
}

static void close_wait_fd(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *custom_data)
{
	close(fd);
}

// Run t on the pool with the current job paused, and take its result and output; t is consumed.
static int offload(struct async_pool *pool, ASYNC_JOB *job, struct task *t, uint8_t *out,
	unsigned int *out_len)
{
	ASYNC_WAIT_CTX *wait = ASYNC_get_wait_ctx(job);
	int result = -1, fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0 || !ASYNC_WAIT_CTX_set_wait_fd(wait, pool, fd, NULL, close_wait_fd)) {
		if (fd >= 0)
			close(fd);
		task_run(t); // no descriptor to wait with: slow, but right
		result = t->result;
	} else {
		t->fd = fd;
		pool_submit(pool, t);
		if (wait_done(pool, t))
			result = t->result;
		else
			t = NULL;
		ASYNC_WAIT_CTX_clear_fd(wait, pool);
		close(fd);
	}
	if (t) {
		if (result > 0) {
			*out_len = t->op == OP_EC_SIGN ? t->out_len : (unsigned int)result;
			memcpy(out, t->data + t->in_len, *out_len);
		}
		task_free(t);
	}
	return result;
}

static struct task *task_new(enum task_op op, const uint8_t *in, int in_len, size_t out_cap)
{
	struct task *t = calloc(1, sizeof(*t) + (size_t)in_len + out_cap);

	if (!t)
		return NULL;
	t->op = op;
	t->in_len = in_len;
	t->out_cap = out_cap;
	t->fd = -1;
	memcpy(t->data, in, (size_t)in_len);
	atomic_fetch_add_explicit(&nb_tasks, 1, memory_order_relaxed);
	return t;
}

static int rsa_private(enum task_op op, int flen, const unsigned char *from, unsigned char *to,
	RSA *rsa, int padding)
{
	struct async_pool *pool = RSA_get_ex_data(rsa, rsa_index);
	ASYNC_JOB *job = ASYNC_get_current_job();
	unsigned int len;
	struct task *t;
	int result;

	if (!pool || !job || flen < 0)
		return openssl_rsa(op)(flen, from, to, rsa, padding);
	t = task_new(op, from, flen, (size_t)RSA_size(rsa));
	if (!t) {
		ERR_raise(ERR_LIB_RSA, ERR_R_MALLOC_FAILURE);
		return -1;
	}
	RSA_up_ref(rsa);
	t->rsa = rsa;
	t->param = padding;
	result = offload(pool, job, t, to, &len);
	if (result < 0)
		ERR_raise(ERR_LIB_RSA, ERR_R_OPERATION_FAIL);
	return result;
}

// Every kind of RSA signature, PKCS #1 or PSS, padded already, ends here.
static int rsa_priv_enc(
	int flen, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
	return rsa_private(OP_RSA_SIGN, flen, from, to, rsa, padding);
}

// Of TLS 1.2's key exchange it is the bare operation: OpenSSL asks for no padding, and looks at
// what comes out by itself, in constant time (RSA_PKCS1_WITH_TLS_PADDING). How long the way to the
// pool and back takes has nothing to do with what that is.
static int rsa_priv_dec(
	int flen, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
	return rsa_private(OP_RSA_DECRYPT, flen, from, to, rsa, padding);
}

static int rsa_init(RSA *rsa)
{
	int (*init)(RSA * rsa) = RSA_meth_get_init(RSA_PKCS1_OpenSSL());

	return (!init || init(rsa)) && (!making_for || RSA_set_ex_data(rsa, rsa_index, making_for));
}

static int ec_sign(int type, const unsigned char *digest, int len, unsigned char *sig,
	unsigned int *sig_len, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key)
{
	struct async_pool *pool = EC_KEY_get_ex_data(key, ec_index);
	ASYNC_JOB *job = ASYNC_get_current_job();
	struct task *t;
	int result;

	if (!pool || !job || kinv || r || len < 0)
		return openssl_ec_sign()(type, digest, len, sig, sig_len, kinv, r, key);
	t = task_new(OP_EC_SIGN, digest, len, (size_t)ECDSA_size(key));
	if (!t) {
		ERR_raise(ERR_LIB_EC, ERR_R_MALLOC_FAILURE);
		return 0;
	}
	EC_KEY_up_ref(key);
	t->ec = key;
	t->param = type;
	result = offload(pool, job, t, sig, sig_len);
	if (result <= 0)
		ERR_raise(ERR_LIB_EC, ERR_R_OPERATION_FAIL);
	return result > 0;
}

static bool make_methods(void)
{
	ec_sign_fn sign;
	int (*sign_setup)(EC_KEY *, BN_CTX *, BIGNUM **, BIGNUM **);
	ECDSA_SIG *(*sign_sig)(
		const unsigned char *, int, const BIGNUM *, const BIGNUM *, EC_KEY *);

	rsa_index = RSA_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	ec_index = EC_KEY_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	rsa_method = RSA_meth_dup(RSA_PKCS1_OpenSSL());
	ec_method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
	if (rsa_index < 0 || ec_index < 0 || !rsa_method || !ec_method)
		return false;
	EC_KEY_METHOD_get_sign(ec_method, &sign, &sign_setup, &sign_sig);
	EC_KEY_METHOD_set_sign(ec_method, ec_sign, sign_setup, sign_sig);
	return RSA_meth_set1_name(rsa_method, "culvert-async RSA") &&
	       RSA_meth_set_init(rsa_method, rsa_init) &&
	       RSA_meth_set_priv_enc(rsa_method, rsa_priv_enc) &&
	       RSA_meth_set_priv_dec(rsa_method, rsa_priv_dec);
}

static void make_engine(void)
{
	ENGINE *e = ENGINE_new();

	if (e && make_methods() && ENGINE_set_id(e, ASYNC_ENGINE_ID) &&
		ENGINE_set_name(e, "private-key operations on a pool of threads") &&
		ENGINE_set_RSA(e, rsa_method) && ENGINE_set_EC(e, ec_method) && ENGINE_init(e))
		engine = e;
	else
		ENGINE_free(e);
}

ENGINE *async_engine(void)
{
	pthread_once(&engine_once, make_engine);
	return engine;
}

bool async_engine_attach(struct async_pool *pool, EVP_PKEY *key)
{
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
		return RSA_set_ex_data((RSA *)EVP_PKEY_get0_RSA(key), rsa_index, pool);
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC)
		return EC_KEY_set_ex_data((EC_KEY *)EVP_PKEY_get0_EC_KEY(key), ec_index, pool);
	return false;
}

EVP_PKEY *async_engine_decrypting_key(struct async_pool *pool, EVP_PKEY *key)
{
	const RSA_METHOD *before;
	const unsigned char *at;
	unsigned char *der = NULL;
	EVP_PKEY *made;
	int n = i2d_PrivateKey(key, &der);

	if (n <= 0)
		return NULL;
	at = der;
	pthread_mutex_lock(&default_lock);
	before = RSA_get_default_method();
	making_for = pool;
	RSA_set_default_method(rsa_method);
	made = d2i_PrivateKey_ex(EVP_PKEY_RSA, NULL, &at, n, NULL, NULL);
	RSA_set_default_method(before);
	making_for = NULL;
	pthread_mutex_unlock(&default_lock);
	OPENSSL_clear_free(der, (size_t)n);
	return made;
}

void async_engine_cancel(bool on)
{
	cancelling = on;
}

unsigned int async_engine_nb_tasks(void)
{
	return atomic_load_explicit(&nb_tasks, memory_order_relaxed);
}
