// SPDX-License-Identifier: BSD-3-Clause
// A server and a client link talk to each other over a simulated line: in order and without loss,
// as SSTP gives it, and over one that drops, duplicates and reorders.
#include "ppp_harness.h"

#define LINE_MAX 256

struct in_flight {
	uint64_t due_ms;
	uint64_t order;
	struct peer *to;
	struct peer_frame frame;
};

struct line {
	struct peer server, client;
	struct in_flight frames[LINE_MAX];
	unsigned int n;
	uint64_t now_ms, sequence, seed;
	unsigned int drop, duplicate, reorder; // per cent
	// Frames of this protocol and code from the server get lost; 0: none.
	uint16_t lose_proto;
	uint8_t lose_code;
	unsigned int lose_n;
};

static struct line line;

static uint32_t roll(struct line *s, uint32_t n)
{
	s->seed = s->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(s->seed >> 33) % n;
}

static void line_make(uint64_t seed, uint32_t server_methods, uint32_t client_methods)
{
	memset(&line, 0, sizeof(line));
	line.seed = seed;
	peer_make(&line.server, true, seed * 2 + 1);
	peer_make(&line.client, false, seed * 2 + 2);
	line.server.conf.auth_methods = server_methods;
	line.client.conf.auth_methods = client_methods;
}

static void transmit(struct line *s, struct peer *to, const struct peer_frame *f)
{
	struct in_flight *x;

	if (s->n == LINE_MAX)
		return;
	x = &s->frames[s->n++];
	x->to = to;
	x->order = s->sequence++;
	x->due_ms = s->now_ms + 10 + (roll(s, 100) < s->reorder ? roll(s, 400) : 0);
	x->frame = *f;
}

static bool is_lost(struct line *s, const struct peer *from, const struct peer_frame *f)
{
	if (from == &s->server && s->lose_n && (f->bytes[2] << 8 | f->bytes[3]) == s->lose_proto &&
		f->bytes[4] == s->lose_code) {
		s->lose_n--;
		return true;
	}
	return roll(s, 100) < s->drop;
}

static void collect(struct line *s, struct peer *from, struct peer *to)
{
	struct peer_frame *f;

	while ((f = peer_take(from))) {
		if (is_lost(s, from, f))
			continue;
		transmit(s, to, f);
		if (roll(s, 100) < s->duplicate)
			transmit(s, to, f);
	}
}

// The frame that arrives next, or NULL.
static struct in_flight *next_frame(struct line *s)
{
	struct in_flight *best = NULL;

	for (unsigned int i = 0; i < s->n; i++) {
		struct in_flight *x = &s->frames[i];

		if (!best || x->due_ms < best->due_ms ||
			(x->due_ms == best->due_ms && x->order < best->order))
			best = x;
	}
	return best;
}

static void find_timer(struct peer *p, struct peer **who, int *which, uint64_t *due)
{
	for (int t = 0; t < PPP_N_TIMERS; t++) {
		if (!p->timer_on[t] || p->timer_due[t] >= *due)
			continue;
		*who = p;
		*which = t;
		*due = p->timer_due[t];
	}
}

static void set_clock(struct line *s, uint64_t now)
{
	s->now_ms = s->server.now_ms = s->client.now_ms = now;
}

// One thing happens before until_ms: the next frame arrives or the next timer expires. False when
// all is quiet.
static bool line_step_until(struct line *s, uint64_t until_ms)
{
	struct in_flight *x = next_frame(s);
	struct peer *who = NULL;
	uint64_t due = x ? x->due_ms : UINT64_MAX;
	int which = 0;

	find_timer(&s->server, &who, &which, &due);
	find_timer(&s->client, &who, &which, &due);
	if ((!x && !who) || due >= until_ms)
		return false;
	set_clock(s, due);
	if (who) {
		peer_expire(who, (enum ppp_timer)which);
	} else {
		struct in_flight now = *x;

		*x = s->frames[--s->n];
		peer_feed_bytes(now.to, now.frame.bytes, now.frame.len);
	}
	collect(s, &s->server, &s->client);
	collect(s, &s->client, &s->server);
	return true;
}

static bool line_step(struct line *s)
{
	return line_step_until(s, UINT64_MAX);
}

static void line_up(struct line *s)
{
	peer_up(&s->server);
	peer_up(&s->client);
	collect(s, &s->server, &s->client);
	collect(s, &s->client, &s->server);
}

// Until nothing more happens; a line that never falls silent is a failure.
static void line_run(struct line *s)
{
	unsigned int n = 0;

	while (line_step(s))
		if (++n > 20000)
			fail_msg("the links never come to rest");
}

static void expect_up(struct line *s, bool keys)
{
	assert_int_equal(s->server.nb_up, s->server.nb_down + 1);
	assert_int_equal(s->client.nb_up, s->client.nb_down + 1);
	assert_int_equal(s->server.nb_authenticated, 1);
	assert_int_equal(s->client.nb_authenticated, 1);
	assert_int_equal(s->server.agreed.remote, s->client.agreed.local);
	assert_int_equal(s->client.agreed.local, 0x0a000002);
	assert_int_equal(s->client.agreed.remote, 0x0a000001);
	assert_int_equal(s->client.agreed.dns[0], 0x08080808);
	assert_int_equal(s->client.agreed.dns[1], 0);
	assert_int_equal(s->server.has_keys, keys);
	assert_int_equal(s->client.has_keys, keys);
	// On a bad line LCP may have started anew between the two: then crypto binding would
	// refuse.
	if (s->server.nb_asked <= 1)
		assert_memory_equal(s->server.hlak, s->client.hlak, PPP_HLAK_LEN);
}

static void each_method(void **state)
{
	for (uint32_t m = PPP_AUTH_PAP; m <= PPP_AUTH_MSCHAP2; m <<= 1) {
		line_make(m, PPP_AUTH_ALL, m); // the client Naks its way down to it
		line_up(&line);
		line_run(&line);
		expect_up(&line, m == PPP_AUTH_MSCHAP2);
		assert_int_equal(line.server.link.auth, m);
		assert_true(line.now_ms < 1000); // no timer was needed
		line_make(m, m, PPP_AUTH_ALL);
		line_up(&line);
		line_run(&line);
		expect_up(&line, m == PPP_AUTH_MSCHAP2);
		assert_int_equal(line.client.link.auth, m);
	}
	line_make(9, 0, 0);
	line_up(&line);
	line_run(&line);
	expect_up(&line, false);
}

static void names_and_passwords(void **state)
{
	static const struct {
		const char *user, *password;
	} t[] = {{"DOMAIN\\J\xc3\xbcrgen", "p\xc3\xa4\xc3\x9f \xe2\x82\xac\xf0\x9d\x84\x9e"},
		{"a", ""}, {"user@example.net", "with \"quotes\" and \\"}};

	for (uint32_t m = PPP_AUTH_PAP; m <= PPP_AUTH_MSCHAP2; m <<= 1)
		for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
			line_make(m, m, m);
			line.server.user = line.client.conf.user = t[i].user;
			line.server.password = line.client.conf.password = t[i].password;
			line_up(&line);
			line_run(&line);
			expect_up(&line, m == PPP_AUTH_MSCHAP2);
		}
}

static void expect_refused(enum ppp_end server, enum ppp_end client)
{
	line_up(&line);
	line_run(&line);
	assert_int_equal(line.server.nb_ended, 1);
	assert_int_equal(line.client.nb_ended, 1);
	assert_int_equal(line.server.why, server);
	assert_int_equal(line.client.why, client);
	assert_int_equal(line.server.nb_up + line.client.nb_up, 0);
}

static void wrong_password(void **state)
{
	for (uint32_t m = PPP_AUTH_PAP; m <= PPP_AUTH_MSCHAP2; m <<= 1) {
		line_make(m, m, m);
		line.client.conf.password = "clientpass";
		expect_refused(PPP_END_AUTH_FAILED, PPP_END_AUTH_FAILED);
		assert_non_null(strstr(line.client.message, "Access denied"));
		line_make(m, m, m);
		line.client.conf.user = "Nobody";
		expect_refused(PPP_END_AUTH_FAILED, PPP_END_AUTH_FAILED);
	}
}

static void no_common_method(void **state)
{
	line_make(1, PPP_AUTH_MSCHAP2, PPP_AUTH_PAP | PPP_AUTH_CHAP_MD5);
	expect_refused(PPP_END_AUTH_REFUSED, PPP_END_PEER_TERMINATED);
	line_make(1, PPP_AUTH_MSCHAP2, 0);
	expect_refused(PPP_END_AUTH_REFUSED, PPP_END_PEER_TERMINATED);
	line_make(1, 0, PPP_AUTH_ALL);
	expect_refused(PPP_END_PEER_TERMINATED, PPP_END_AUTH_REFUSED);
}

static void server_cannot_prove(void **state)
{
	line_make(1, PPP_AUTH_MSCHAP2, PPP_AUTH_MSCHAP2);
	line.server.hold_verdict = true;
	line_up(&line);
	while (!line.server.nb_asked)
		line_step(&line);
	// A server that accepts everybody.
	ppp_auth_verdict(&line.server.link,
		&(struct ppp_auth_verdict){.ok = true,
			.has_keys = true,
			.mschap2_success = "S=0123456789ABCDEF0123456789ABCDEF01234567"});
	collect(&line, &line.server, &line.client);
	line_run(&line);
	assert_int_equal(line.client.why, PPP_END_PEER_AUTH_FAILED);
	assert_int_equal(line.client.nb_authenticated, 0);
	assert_int_equal(line.server.nb_up + line.client.nb_up, 0);
}

static void no_address(void **state)
{
	line_make(1, PPP_AUTH_ALL, PPP_AUTH_ALL);
	line.server.give.remote = 0;
	expect_refused(PPP_END_NO_ADDRESS, PPP_END_PEER_TERMINATED);
	assert_string_equal(line.client.message, "no address for this session");
}

// A minute for the second factor: nothing is sent, nothing times out.
static void pending_verdict(void **state)
{
	struct ppp_auth_verdict v;

	for (uint32_t m = PPP_AUTH_PAP; m <= PPP_AUTH_MSCHAP2; m <<= 1) {
		line_make(m, m, m);
		line.server.hold_verdict = true;
		line.client.conf.auth_timeout_ms = 100000;
		line_up(&line);
		while (line_step_until(&line, 60000))
			;
		assert_int_equal(line.server.nb_asked, 1);
		assert_int_equal(line.server.nb_ended + line.client.nb_ended, 0);
		ppp_auth_check(line.server.asked, "clientPass", &v);
		ppp_auth_verdict(&line.server.link, &v);
		collect(&line, &line.server, &line.client);
		line_run(&line);
		expect_up(&line, m == PPP_AUTH_MSCHAP2);
	}
}

static void hang_up(void **state)
{
	for (int who = 0; who < 2; who++) {
		line_make(1, PPP_AUTH_ALL, PPP_AUTH_ALL);
		line_up(&line);
		line_run(&line);
		ppp_terminate(who ? &line.client.link : &line.server.link, PPP_END_LOCAL_TERMINATED,
			"good night");
		collect(&line, &line.server, &line.client);
		collect(&line, &line.client, &line.server);
		line_run(&line);
		assert_int_equal(
			line.server.why, who ? PPP_END_PEER_TERMINATED : PPP_END_LOCAL_TERMINATED);
		assert_int_equal(
			line.client.why, who ? PPP_END_LOCAL_TERMINATED : PPP_END_PEER_TERMINATED);
		assert_string_equal(who ? line.server.message : line.client.message, "good night");
		assert_int_equal(line.server.nb_down, 1);
		assert_int_equal(line.client.nb_down, 1);
	}
}

// The Success is lost: the client asks once more as soon as it sees that the server went on.
static void lost_success(void **state)
{
	for (uint32_t m = PPP_AUTH_CHAP_MD5; m <= PPP_AUTH_MSCHAP2; m <<= 1) {
		line_make(m, m, m);
		line.lose_proto = PPP_PROTO_CHAP;
		line.lose_code = 3;
		line.lose_n = 2;
		line_up(&line);
		line_run(&line);
		expect_up(&line, m == PPP_AUTH_MSCHAP2);
		assert_int_equal(line.lose_n, 0);
	}
}

static bool is_up(const struct peer *p)
{
	return p->nb_up == p->nb_down + 1 && !p->nb_ended;
}

static void bad_line(void **state)
{
	unsigned int nb_up = 0, n = 0;

	for (uint32_t m = PPP_AUTH_PAP; m <= PPP_AUTH_MSCHAP2; m <<= 1)
		for (uint64_t seed = 1; seed <= 500; seed++, n++) {
			line_make(seed * 16 + m, PPP_AUTH_ALL, m);
			line.drop = (unsigned int)(seed % 16);
			line.duplicate = (unsigned int)(seed / 3 % 20);
			line.reorder = (unsigned int)(seed / 7 % 40);
			line_up(&line);
			line_run(&line);
			// Both up, or an end on the side that has given up; never a wrong success.
			if (is_up(&line.server) && is_up(&line.client)) {
				nb_up++;
				expect_up(&line, m == PPP_AUTH_MSCHAP2);
			} else {
				assert_true(line.server.nb_ended || line.client.nb_ended);
			}
			ppp_free(&line.server.link);
			ppp_free(&line.client.link);
		}
	print_message("%u of %u links came up\n", nb_up, n);
	assert_true(nb_up * 100 > n * 90);
}

static void bad_line_wrong_password(void **state)
{
	for (uint32_t m = PPP_AUTH_PAP; m <= PPP_AUTH_MSCHAP2; m <<= 1)
		for (uint64_t seed = 1; seed <= 100; seed++) {
			line_make(seed, PPP_AUTH_ALL, m);
			line.client.conf.password = "x";
			line.drop = line.duplicate = line.reorder = (unsigned int)(seed % 16);
			line_up(&line);
			line_run(&line);
			assert_int_equal(line.server.nb_authenticated, 0);
			assert_int_equal(line.client.nb_authenticated, 0);
			assert_int_equal(line.server.nb_ended, 1);
			assert_int_equal(line.client.nb_ended, 1);
		}
}

// Frames whose bytes were changed under way: whatever happens, it comes to rest.
static void corrupted(void **state)
{
	for (uint64_t seed = 1; seed <= 1000; seed++) {
		unsigned int n = 0;

		line_make(seed, PPP_AUTH_ALL, PPP_AUTH_ALL);
		line_up(&line);
		while (n++ < 20000) {
			if (line.n && roll(&line, 100) < 10) {
				struct peer_frame *f = &line.frames[roll(&line, line.n)].frame;

				if (roll(&line, 4))
					f->bytes[roll(&line, (uint32_t)f->len)] ^=
						(uint8_t)(1 << roll(&line, 8));
				else
					f->len = roll(&line, (uint32_t)f->len + 1);
			}
			if (!line_step(&line))
				break;
		}
		assert_true(n < 20000);
		if (line.client.nb_authenticated && line.server.nb_authenticated &&
			line.client.has_keys && line.server.has_keys && line.server.nb_asked == 1)
			assert_memory_equal(line.client.hlak, line.server.hlak, PPP_HLAK_LEN);
	}
}

static void wiped(void **state)
{
	static struct ppp_link zero;

	line_make(1, PPP_AUTH_ALL, PPP_AUTH_ALL);
	line_up(&line);
	line_run(&line);
	expect_up(&line, true);
	// The keys do not stay longer than they are needed.
	for (size_t i = 0; i + 16 <= sizeof(line.server.link); i++)
		assert_memory_not_equal((uint8_t *)&line.server.link + i, line.server.hlak, 16);
	ppp_free(&line.server.link);
	assert_memory_equal(&line.server.link, &zero, sizeof(zero));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_method),
		cmocka_unit_test(names_and_passwords),
		cmocka_unit_test(wrong_password),
		cmocka_unit_test(no_common_method),
		cmocka_unit_test(server_cannot_prove),
		cmocka_unit_test(no_address),
		cmocka_unit_test(pending_verdict),
		cmocka_unit_test(hang_up),
		cmocka_unit_test(lost_success),
		cmocka_unit_test(bad_line),
		cmocka_unit_test(bad_line_wrong_password),
		cmocka_unit_test(corrupted),
		cmocka_unit_test(wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
