// SPDX-License-Identifier: BSD-3-Clause
// A dynamic OpenSSL engine for the tests: RSA only, every private-key operation pauses the async
// job for one turn, as hardware's would, and is counted (control command ENGINE_CMD_BASE).
#define OPENSSL_SUPPRESS_DEPRECATED

#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <openssl/async.h>
#include <openssl/engine.h>
#include <openssl/rsa.h>

static long nb_operations;
static char key;

static void close_fd(ASYNC_WAIT_CTX *ctx, const void *k, OSSL_ASYNC_FD fd, void *data)
{
	close(fd);
}

static void pause_once(void)
{
	ASYNC_JOB *job = ASYNC_get_current_job();
	int fd;

	nb_operations++;
	if (!job)
		return;
	fd = eventfd(1, EFD_CLOEXEC); // ready at once
	ASYNC_WAIT_CTX_set_wait_fd(ASYNC_get_wait_ctx(job), &key, fd, NULL, close_fd);
	ASYNC_pause_job();
	ASYNC_pause_job(); // a resume too early must do no harm
	ASYNC_WAIT_CTX_clear_fd(ASYNC_get_wait_ctx(job), &key);
	close(fd);
}

static int priv_enc(int n, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
	pause_once();
	return RSA_meth_get_priv_enc(RSA_PKCS1_OpenSSL())(n, from, to, rsa, padding);
}

static int priv_dec(int n, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
	pause_once();
	return RSA_meth_get_priv_dec(RSA_PKCS1_OpenSSL())(n, from, to, rsa, padding);
}

static int control(ENGINE *e, int cmd, long i, void *p, void (*f)(void))
{
	*(long *)p = nb_operations;
	return 1;
}

static int bind(ENGINE *e, const char *id)
{
	static const ENGINE_CMD_DEFN commands[] = {
		{ENGINE_CMD_BASE, "COUNT", "operations so far", ENGINE_CMD_FLAG_INTERNAL},
		{0, NULL, NULL, 0}};
	RSA_METHOD *m = RSA_meth_dup(RSA_PKCS1_OpenSSL());

	return m && RSA_meth_set1_name(m, "test RSA") && RSA_meth_set_priv_enc(m, priv_enc) &&
	       RSA_meth_set_priv_dec(m, priv_dec) && ENGINE_set_id(e, "tls_test_engine") &&
	       ENGINE_set_name(e, "test engine") && ENGINE_set_RSA(e, m) &&
	       ENGINE_set_ctrl_function(e, control) && ENGINE_set_cmd_defns(e, commands);
}

IMPLEMENT_DYNAMIC_BIND_FN(bind)
IMPLEMENT_DYNAMIC_CHECK_FN()
