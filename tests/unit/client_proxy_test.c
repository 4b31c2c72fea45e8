// SPDX-License-Identifier: BSD-3-Clause
// HTTP proxies: what is sent and understood, and connections through ones that behave in all ways.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/conn.h"

static void test_request(void **state)
{
	struct proxy_conf p = {.host = "vpn.example.net", .port = 443};
	char buf[PROXY_REQUEST_MAX], name[300];
	int n = proxy_format_request(buf, sizeof(buf), &p);

	assert_int_equal(n, strlen(buf));
	assert_string_equal(buf, "CONNECT vpn.example.net:443 HTTP/1.1\r\n"
				 "SSTPVERSION: 1.0\r\n"
				 "Host: vpn.example.net:443\r\n"
				 "User-Agent: culvert\r\n\r\n");
	p = (struct proxy_conf){"2001:db8::1", 4443, "Aladdin", "open sesame"}; // RFC 7617 2
	assert_true(proxy_format_request(buf, sizeof(buf), &p) > 0);
	assert_non_null(strstr(buf, "CONNECT [2001:db8::1]:4443 HTTP/1.1\r\n"));
	assert_non_null(strstr(buf, "\r\nHost: [2001:db8::1]:4443\r\n"));
	assert_non_null(
		strstr(buf, "\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"));
	// Nothing gets out of its place.
	p.host = "a\r\nX: y";
	assert_int_equal(proxy_format_request(buf, sizeof(buf), &p), -EINVAL);
	p.host = "a b";
	assert_int_equal(proxy_format_request(buf, sizeof(buf), &p), -EINVAL);
	p.host = "";
	assert_int_equal(proxy_format_request(buf, sizeof(buf), &p), -EINVAL);
	p = (struct proxy_conf){"h", 1, "a:b", "c"};
	assert_int_equal(proxy_format_request(buf, sizeof(buf), &p), -EINVAL);
	p = (struct proxy_conf){"h", 1, "a", "c\n"};
	assert_int_equal(proxy_format_request(buf, sizeof(buf), &p), -EINVAL);
	// The longest fits, and what does not is not cut.
	memset(name, 'x', sizeof(name));
	name[255] = '\0';
	p = (struct proxy_conf){name, 65535, name, name};
	n = proxy_format_request(buf, sizeof(buf), &p);
	assert_true(n > 0);
	assert_int_equal(proxy_format_request(buf, (size_t)n, &p), -ENOSPC);
	assert_int_equal(proxy_format_request(buf, (size_t)n + 1, &p), n);
	name[255] = 'x';
	name[256] = '\0';
	assert_int_equal(proxy_format_request(buf, sizeof(buf), &p), -EINVAL);
}

static void expect(const char *text, int rc, unsigned int status, const char *reason)
{
	struct proxy_answer a;
	size_t n = strlen(text);
	char *copy = malloc(n + 1);

	memcpy(copy, text, n);
	assert_int_equal(proxy_answer_parse(copy, n, &a), rc);
	if (rc > 0) {
		assert_int_equal(a.status, status);
		assert_string_equal(a.reason, reason);
		// Every piece of it is a beginning.
		for (size_t i = 0; i < (size_t)rc; i++)
			assert_int_equal(proxy_answer_parse(copy, i, &a), 0);
	}
	free(copy);
}

static void test_answer(void **state)
{
	char *big = malloc(PROXY_ANSWER_MAX + 10);
	struct proxy_answer a;

	expect("HTTP/1.1 200 Connection established\r\n\r\n", 39, 200, "Connection established");
	expect("HTTP/1.0 200 \r\nX: y\r\n\r\nrest", 23, 200, "");
	expect("HTTP/1.1 407\r\n\r\n", 16, 407, "");
	expect("HTTP/1.1 403 No\nA: b\n\n", 22, 403, "No");
	// RFC 9110 15.2: those of 1xx come before the one that counts.
	expect("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102\nX: y\n\nHTTP/1.1 200 OK\r\n\r\n",
		25 + 19 + 19, 200, "OK");
	expect("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 407\r\n\r\n", 25 + 16, 407, "");
	expect("HTTP/1.1 101 Switching\r\n\r\n", 26, 101, "Switching");
	expect("HTTP/1.1 100 Continue\r\n\r\nhello", -EBADMSG, 0, NULL);
	expect("HTTP/1.1 100 Continue\r\n\r\n", 0, 0, NULL);
	expect("HTTP/1.1 999 x\r\n\r\n", -EBADMSG, 0, NULL);
	expect("HTTP/1.1 099 x\r\n\r\n", -EBADMSG, 0, NULL);
	expect("HTTP/1.1 20\r\n\r\n", -EBADMSG, 0, NULL);
	expect("HTTP/1.1 2000\r\n\r\n", -EBADMSG, 0, NULL);
	expect("HTTP/2 200 OK\r\n\r\n", -EBADMSG, 0, NULL);
	expect("\x15\x03\x01", -EBADMSG, 0, NULL);
	expect("SSH-2.0-x\r\n", -EBADMSG, 0, NULL);
	expect("HTTP/1.1 200 OK\r\n", 0, 0, NULL);
	memset(big, 'x', PROXY_ANSWER_MAX + 10);
	memcpy(big, "HTTP/1.1 200 ", 13);
	assert_int_equal(proxy_answer_parse(big, PROXY_ANSWER_MAX - 1, &a), 0);
	assert_int_equal(proxy_answer_parse(big, PROXY_ANSWER_MAX, &a), -EBADMSG);
	memcpy(big + PROXY_ANSWER_MAX - 2, "\n\n", 2);
	assert_int_equal(proxy_answer_parse(big, PROXY_ANSWER_MAX + 10, &a), PROXY_ANSWER_MAX);
	assert_int_equal(strlen(a.reason), sizeof(a.reason) - 1);
	free(big);
}

// --- connections ---

struct proxy {
	int fd;
	uint16_t port;
	const char *answer;  // NULL: silence
	const char *trickle; // NULL, or: over and over again behind the answer, byte by byte
	unsigned int trickled;
	char asked[PROXY_REQUEST_MAX];
	uint8_t then[5]; // what came behind the answer
	ssize_t nb_then;
};

// Until nobody takes it any more.
static void trickle(struct proxy *p, int fd)
{
	const size_t n = strlen(p->trickle);

	while (send(fd, p->trickle + p->trickled % n, 1, MSG_NOSIGNAL) == 1) {
		p->trickled++;
		usleep(2000);
	}
}

static void *serve(void *arg)
{
	struct proxy *p = arg;
	int fd = accept(p->fd, NULL, NULL);
	size_t n = 0;
	ssize_t got;

	while (!strstr(p->asked, "\r\n\r\n") && n < sizeof(p->asked) - 1) {
		got = recv(fd, p->asked + n, sizeof(p->asked) - 1 - n, 0);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	if (p->answer && *p->answer)
		send(fd, p->answer, strlen(p->answer), MSG_NOSIGNAL);
	if (p->trickle)
		trickle(p, fd);
	else if (!p->answer || *p->answer)
		p->nb_then = recv(fd, p->then, sizeof(p->then), MSG_WAITALL);
	close(fd);
	return NULL;
}

struct result {
	struct ev_loop *loop;
	enum call_end why;
	char reason[300];
};

static void on_up(void *user, const struct call_info *info)
{
}

static void on_packet(void *user, const uint8_t *ip, size_t len)
{
}

static void on_closed(void *user, enum call_end why, const char *reason)
{
	struct result *r = user;

	r->why = why;
	snprintf(r->reason, sizeof(r->reason), "%s", reason);
	ev_break(r->loop, EVBREAK_ALL);
}

static const struct conn_ops ops = {.up = on_up, .packet = on_packet, .closed = on_closed};

// Dial through a proxy that answers like p.
static void dial(struct proxy *p, struct result *r, bool *refused)
{
	struct proxy_conf conf = {"server.test", 443, "u", "p"};
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	struct call_tls_conf tls = {0};
	struct call_conf call;
	struct conn *k;
	char err[100];
	pthread_t t;

	p->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(p->fd, 1), 0);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&sin, &len), 0);
	pthread_create(&t, NULL, serve, p);

	*r = (struct result){.loop = ev_loop_new(EVFLAG_AUTO)};
	call_conf_default(&call);
	call.tls = call_tls_ctx_create(&tls, err, sizeof(err));
	call.host = "server.test";
	call.user = call.password = "x";
	// Of silence there is nothing to wait for.
	call.setup_ms = p->answer && !p->trickle ? 10000 : 200;
	k = conn_create(r->loop, (struct sockaddr *)&sin, sizeof(sin), 5000, &call, &ops, r);
	assert_non_null(k);
	assert_int_equal(conn_via_proxy(k, &conf), 0);
	ev_run(r->loop, 0);
	*refused = conn_call(k)->refused;
	conn_destroy(k);
	pthread_join(t, NULL);
	close(p->fd);
	call_tls_ctx_free(call.tls);
	ev_loop_destroy(r->loop);
}

static void test_ways(void **state)
{
	static const struct {
		const char *answer, *said;
		enum call_end why;
		bool refused;
	} ways[] = {
		{"HTTP/1.1 403 Forbidden\r\nX: y\r\n\r\n<html>",
			"proxy: it answered with status 403 Forbidden", CALL_END_PROXY, false},
		{"HTTP/1.1 502 Bad\x1b[2J\r\n\r\n",
			"proxy: it answered with status 502 \"Bad\\x1b[2J\"", CALL_END_PROXY,
			false},
		{"HTTP/1.1 407 Who\r\n\r\n", "proxy: it answered with status 407 Who",
			CALL_END_PROXY, true},
		{"HTTP/1.0 401 Unauthorized\r\n\r\n",
			"proxy: it answered with status 401 Unauthorized", CALL_END_PROXY, true},
		{"220 mail.test ESMTP\r\n", "proxy: it does not answer as one", CALL_END_PROXY,
			false},
		{"", "proxy: it closed the connection", CALL_END_PROXY, false},
		{NULL, "proxy: it does not answer", CALL_END_PROXY, false},
		// Through: a ClientHello goes to the server, which here is none.
		{"HTTP/1.1 200 OK\r\n\r\n", "", CALL_END_LOST, false},
		// What comes with the answer is the server's.
		{"HTTP/1.1 200 OK\r\n\r\nno TLS at all", "TLS: ", CALL_END_TLS, false},
	};
	struct result r;
	bool refused;

	for (unsigned int i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct proxy p = {.answer = ways[i].answer};

		dial(&p, &r, &refused);
		if (r.why != ways[i].why || strncmp(r.reason, ways[i].said, strlen(ways[i].said)))
			fail_msg("%u: %s: %s", i, call_end_text(r.why), r.reason);
		assert_int_equal(refused, ways[i].refused);
		assert_non_null(strstr(p.asked, "CONNECT server.test:443 HTTP/1.1\r\n"));
		assert_non_null(strstr(p.asked, "Proxy-Authorization: Basic dTpw\r\n"));
		if (r.why == CALL_END_LOST) { // a TLS handshake record
			assert_int_equal(p.nb_then, 5);
			assert_int_equal(p.then[0], 0x16);
		}
	}
}

// Bytes that keep coming make nobody wait longer.
static void test_trickle(void **state)
{
	static const struct {
		const char *answer, *trickle, *said;
		enum call_end why;
	} ways[] = {
		{"HTTP/1.1 200 ", "on its way ", "proxy: it does not answer", CALL_END_PROXY},
		{"HTTP/1.1 200 OK\r\n", "X: y\r\n", "proxy: it does not answer", CALL_END_PROXY},
		{"", "HTTP/1.1 100 Continue\r\n\r\n", "proxy: it does not answer", CALL_END_PROXY},
		// A handshake message that never is complete, of the server behind.
		{"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03\x3f\xff", "\x02\x7f\x7f\x7f",
			"timed out during the TLS handshake", CALL_END_TIMEOUT},
	};
	struct result r;
	bool refused;

	for (unsigned int i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct proxy p = {.answer = ways[i].answer, .trickle = ways[i].trickle};

		dial(&p, &r, &refused);
		if (r.why != ways[i].why || strcmp(r.reason, ways[i].said))
			fail_msg("%u: %s: %s", i, call_end_text(r.why), r.reason);
		assert_false(refused);
		assert_true(p.trickled > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_trickle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
