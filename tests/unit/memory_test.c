// SPDX-License-Identifier: BSD-3-Clause
// What an idle session costs in memory, part by part, against the budget of 6 KiB; and that what is
// kept at rest still works.
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "controlplane/cp_table.h"
#include "cp_bed.h"
#include "dataplane/tcp_int.h"
#include "dataplane/worker.h"
#include "tls/handshake_priv.h"

#define BUDGET 6144
#define POOL_HEADER 64 // of an object in DPDK's pools

static size_t total;

static void part(const char *name, size_t n)
{
	printf("%-52s %6zu\n", name, n);
	total += n;
}

// The largest of all ciphers, in the backend that is used here.
static size_t key_size(void)
{
	struct rec_crypto *rc = rec_crypto_create(rec_backend_get(""));
	size_t n = 0;

	assert_non_null(rc);
	for (int a = 0; a < TLS_N_AEADS; a++)
		n = RTE_MAX(n, rec_key_size(rc, a));
	rec_crypto_destroy(rc);
	return RTE_ALIGN(n, (size_t)REC_KEY_ALIGN) + POOL_HEADER;
}

static void test_budget(void **state)
{
	static const struct bed_conf conf = {0};
	struct cp_session *s;
	struct fake_client *c;
	struct bed b;

	bed_open(&b, &conf);
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	s = bed_session(&b, c);
	assert_null(s->call);
	assert_null(s->setup);
	assert_null(s->http);
	assert_non_null(s->idle);
	assert_null(s->hs->live); // no SSL, no BIO
	part("worker: TCP connection", sizeof(struct tcp_conn));
	part("worker: connection table and free list", 2 * sizeof(struct tcp_bucket) / 2 + 4);
	part("worker: session", sizeof(struct session));
	part("worker: two keys", 2 * key_size());
	part("worker: half packets, one for 16 sessions", (WORKER_STASH_SIZE + POOL_HEADER) / 16);
	part("all workers: inner address", 2 * 8);
	part("control plane: session", sizeof(struct cp_session));
	part("control plane: SSTP and PPP at rest", s->idle_len);
	part("control plane: traffic secrets", sizeof(struct tls_hs));
	part("control plane: user name", strlen(s->user) + 1);
	part("control plane: handle", 2 * sizeof(struct cp_slot));
	part("control plane: address's owner", 2 * 24);
	total += total / 16; // what the allocator rounds up
	printf("%-52s %6zu of %u\n", "in all, with a sixteenth for the allocator", total, BUDGET);
	assert_true(s->idle_len < sizeof(struct cp_call) / 2);
	assert_true(total <= BUDGET);
	bed_close(&b);
}

// Woken up and put to rest again it is what it was.
static void test_rest(void **state)
{
	static const uint8_t echo_request[] = {0x10, 1, 0, 8, 0, 8, 0, 0};
	static const uint8_t unknown[] = {0x10, 0, 0, 12, 0xff, 3, 0xc0, 0x21, 9, 1, 0, 4};
	static const struct bed_conf conf = {0};
	struct cp_session *s;
	struct fake_client *c;
	struct bed b;
	uint8_t before[4096];
	uint32_t len;
	uint64_t sent;

	bed_open(&b, &conf);
	c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	s = bed_session(&b, c);
	len = s->idle_len;
	assert_true(len && len <= sizeof(before));
	for (unsigned int i = 0; i < 20; i++) {
		memcpy(before, s->idle, len);
		sent = c->conn->tx.seq;
		fake_client_send(c, echo_request, sizeof(echo_request));
		BED_UNTIL(&b, c->conn->tx.seq == sent + 1);
		fake_client_send(c, unknown, sizeof(unknown)); // LCP Echo-Request without a number
		fake_conn_event(c->conn, DP_EV_HELLO_EXPIRED, 1);
		BED_UNTIL(&b, c->conn->tx.seq >= sent + 2);
		bed_turns(&b, 3);
		assert_null(s->call);
		assert_int_equal(s->idle_len, len);
		if (i) // the last message that came is kept; it was another one at first
			assert_memory_equal(s->idle, before, len);
	}
	// It still knows how to end.
	fake_client_hang_up(c);
	BED_UNTIL(&b, c->conn->closed && !b.cp->nb_sessions);
	assert_int_equal(c->sstp_end, SSTP_END_LOCAL_DISCONNECT);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
