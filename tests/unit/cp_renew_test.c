// SPDX-License-Identifier: BSD-3-Clause
// Certificates renewed under living sessions, files that are no good, and calls without any
// certificate.
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "cp_bed.h"

#define POLL_S 0.01

static const struct bed_conf ordinary = {.ecdsa = true};

static void watched(struct bed *b, const struct bed_conf *conf)
{
	bed_open(b, conf);
	cp_renew_start(b->cp, POLL_S);
}

static void write_file(const struct bed *b, const char *text)
{
	FILE *f = fopen(b->cert, "w");

	fake_assert(f);
	fputs(text, f);
	fclose(f);
}

// What a client was shown; bound to it, it is up.
static void shown(const struct fake_client *c, uint8_t sha256[32])
{
	uint8_t sha1[20];

	assert_int_equal(tls_hs_cert_hash(c->hs, sha1, sha256), 0);
}

static void still_up(struct bed *b, struct fake_client *c)
{
	unsigned int before = c->conn->nb_data;

	fake_client_send_data(c);
	BED_UNTIL(b, c->conn->nb_data == before + 1);
	assert_true(fake_client_is_up(c));
}

static void a_new_file(void **state)
{
	struct fake_client *before, *during, *after;
	uint8_t first[32], second[32], third[32];
	struct fake_client_conf conf;
	struct tls_ctx *old;
	struct bed b;

	watched(&b, &ordinary);
	before = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	shown(before, first);
	// Its ClientHello has been read, and half of its handshake is yet to come.
	conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);
	during = bed_dial(&b, &conf);
	BED_UNTIL(&b, bed_session(&b, during) && bed_session(&b, during)->hs);
	old = b.cp->tls;
	bed_log_begin();
	bed_make_cert(b.cert, true);
	BED_UNTIL(&b, b.cp->tls != old);
	assert_non_null(strstr(bed_log_end(), "changed: 1 certificates renewed, sessions=2 go on"));
	BED_UNTIL(&b, fake_client_is_up(during) && during->conn->data_open);
	after = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	shown(during, second);
	shown(after, third);
	assert_memory_equal(first, second, 32);
	assert_memory_not_equal(first, third, 32);
	still_up(&b, before);
	still_up(&b, during);
	still_up(&b, after);
	old = b.cp->tls;
	bed_turns(&b, 100); // and not again
	assert_ptr_equal(b.cp->tls, old);
	bed_close(&b);
}

// Each is refused once, with the file's name, and what was there goes on; then a good one comes.
static void bad_files(void **state)
{
	static const struct {
		const char *text, *says;
	} v[] = {
		{"", "no PEM certificate in it"},
		{"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
			"no PEM certificate in it"},
		{NULL, "No such file or directory"},
	};
	struct fake_client *c;
	struct tls_ctx *old;
	struct bed b;

	watched(&b, &ordinary);
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		char want[400];
		const char *log, *at;

		old = b.cp->tls;
		bed_log_begin();
		if (v[i].text)
			write_file(&b, v[i].text);
		else
			fake_assert(!unlink(b.cert));
		bed_turns(&b, 300);
		log = bed_log_end();
		snprintf(want, sizeof(want),
			"file=%s changed: the certificates as they were stay "
			"in use: certificate %s: %s",
			b.cert, b.cert, v[i].says);
		at = strstr(log, want);
		if (!at)
			fail_msg("'%s' is not in '%s'", want, log);
		assert_null(strstr(at + strlen(want), "stay in use"));
		assert_ptr_equal(b.cp->tls, old);
		c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
		fake_client_hang_up(c);
		BED_UNTIL(&b, c->conn->closed && !b.cp->nb_sessions);
		bed_reap(&b, c);
	}
	old = b.cp->tls;
	bed_make_cert(b.cert, true);
	BED_UNTIL(&b, b.cp->tls != old);
	bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	bed_close(&b);
}

// Have the files looked at, and go on until what follows from that is done.
static void look(struct bed *b)
{
	ev_invoke(b->cp->loop, &b->cp->renew.poll, EV_TIMER);
	BED_UNTIL(b, !b->cp->renew.busy);
}

// A file that is still being written is left alone until it rests.
static void a_file_that_grows(void **state)
{
	struct tls_ctx *old;
	struct bed b;
	char dots[200] = "";

	bed_open(&b, &ordinary);
	cp_renew_start(b.cp, 1000);
	old = b.cp->tls;
	bed_log_begin();
	for (unsigned int i = 0; i < sizeof(dots) - 1; i++) {
		dots[i] = '.';
		write_file(&b, dots);
		look(&b);
	}
	assert_null(strstr(bed_log_end(), "stay in use"));
	assert_ptr_equal(b.cp->tls, old);
	bed_make_cert(b.cert, true);
	look(&b);
	assert_ptr_equal(b.cp->tls, old);
	look(&b);
	assert_ptr_not_equal(b.cp->tls, old);
	bed_close(&b);
}

static void at_once(void **state)
{
	struct tls_ctx *old;
	struct bed b;

	bed_open(&b, &ordinary);
	old = b.cp->tls;
	cp_renew_now(b.cp, "SIGHUP");
	BED_UNTIL(&b, !b.cp->renew.busy);
	assert_ptr_not_equal(b.cp->tls, old);
	fake_assert(!unlink(b.cert));
	old = b.cp->tls;
	bed_log_begin();
	cp_renew_now(b.cp, "SIGHUP");
	BED_UNTIL(&b, !b.cp->renew.busy);
	assert_non_null(strstr(bed_log_end(), "SIGHUP: the certificates as they were stay in use"));
	assert_ptr_equal(b.cp->tls, old);
	bed_make_cert(b.cert, true);
	bed_close(&b);
}

// In place of the certificate, something that does not answer who reads it: a file system that is
// gone, say.
static void hang(const struct bed *b)
{
	fake_assert(!unlink(b->cert) && !mkfifo(b->cert, 0600));
}

// It answers with nothing, and is gone.
static void answer(const struct bed *b)
{
	int fd = open(b->cert, O_WRONLY); // as soon as somebody reads

	fake_assert(fd >= 0 && !close(fd));
}

// Threads that are there for renewals.
static unsigned int nb_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	unsigned int n = 0;

	fake_assert(d);
	while ((e = readdir(d))) {
		char path[300], name[16] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		f = fopen(path, "r");
		n += f && fgets(name, sizeof(name), f) && !strcmp(name, "renewals\n");
		if (f)
			fclose(f);
	}
	closedir(d);
	return n;
}

// Meanwhile calls come up, and others that are up go on; who asks again is served behind it.
static void a_file_that_hangs(void **state)
{
	struct fake_client *before;
	struct tls_ctx *old;
	struct bed b;

	watched(&b, &ordinary);
	before = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
	old = b.cp->tls;
	hang(&b);
	BED_UNTIL(&b, b.cp->renew.busy && strstr(b.cp->renew.why, "changed"));
	bed_dial_up(&b, "fixed", PPP_AUTH_MSCHAP2);
	still_up(&b, before);
	cp_renew_now(b.cp, "SIGHUP");
	cp_renew_now(b.cp, "SIGHUP");
	bed_turns(&b, 50);
	assert_true(b.cp->renew.busy);
	assert_ptr_equal(b.cp->tls, old);
	bed_log_begin();
	answer(&b);
	bed_make_cert(b.cert, true);
	BED_UNTIL(&b, b.cp->tls != old);
	assert_non_null(strstr(bed_log_end(), "SIGHUP: 1 certificates renewed, sessions=2 go on"));
	bed_close(&b);
}

// It does not hold the end of the process up either.
static void an_end_while_it_hangs(void **state)
{
	struct bed b;

	watched(&b, &ordinary);
	hang(&b);
	BED_UNTIL(&b, b.cp->renew.busy && strstr(b.cp->renew.why, "changed"));
	b.cp->renew.give_up_s = 0.01;
	cp_renew_end(b.cp);
	assert_true(nb_threads() > 0);
	answer(&b);
	while (nb_threads() > 0)
		usleep(1000);
	bed_close(&b);
}

// RouterOS to RouterOS: no certificate, and calls bound to zeros in its place.
static void without_a_certificate(void **state)
{
	static const struct bed_conf gcm = {.no_cert = true,
		.only_tls12 = true,
		.ciphers = "ADH-AES256-GCM-SHA384:@SECLEVEL=0"};
	static const struct bed_conf cbc = {
		.no_cert = true, .only_tls12 = true, .ciphers = "AECDH-AES256-SHA:@SECLEVEL=0"};
	static const struct bed_conf *const confs[] = {&gcm, &cbc};
	uint8_t hash[32], zeros[32] = {0};

	for (unsigned int i = 0; i < 2; i++) {
		struct fake_client_conf conf;
		struct fake_client *c;
		struct bed b;

		bed_open(&b, confs[i]);
		c = bed_dial_up(&b, "bob", PPP_AUTH_MSCHAP2);
		shown(c, hash);
		assert_memory_equal(hash, zeros, 32);
		assert_int_equal(c->conn->remote, confs[i] == &cbc);
		still_up(&b, c);
		conf = bed_client_conf(&b, PPP_AUTH_MSCHAP2);
		conf.wrong_hash = true;
		c = bed_dial(&b, &conf);
		BED_UNTIL(&b, c->conn->closed);
		assert_false(c->conn->data_open);
		assert_int_equal(b.cp->totals.up, 1);
		bed_close(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_file),
		cmocka_unit_test(bad_files),
		cmocka_unit_test(a_file_that_grows),
		cmocka_unit_test(at_once),
		cmocka_unit_test(a_file_that_hangs),
		cmocka_unit_test(an_end_while_it_hangs),
		cmocka_unit_test(without_a_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
