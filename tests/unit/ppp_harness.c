// SPDX-License-Identifier: BSD-3-Clause
#include "ppp_harness.h"

#include <ctype.h>

static uint64_t next_random(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void on_send(void *user, const uint8_t *frame, size_t len)
{
	struct peer *p = user;
	struct peer_frame *f = &p->sent[p->tail % PEER_MAX_FRAMES];

	assert_int_equal(p->nb_ended, 0);
	assert_true(p->tail - p->head < PEER_MAX_FRAMES);
	assert_in_range(len, 8, PPP_FRAME_MAX);
	assert_int_equal(frame[0] << 8 | frame[1], 0xff03);
	assert_int_equal(frame[6] << 8 | frame[7], len - 4);
	f->len = len;
	memcpy(f->bytes, frame, len);
	p->tail++;
}

static void on_timer_start(void *user, enum ppp_timer t, uint32_t ms)
{
	struct peer *p = user;

	assert_true(t < PPP_N_TIMERS && ms > 0);
	assert_int_equal(p->nb_ended, 0);
	p->timer_on[t] = true;
	p->timer_ms[t] = ms;
	p->timer_due[t] = p->now_ms + ms;
}

static void on_timer_stop(void *user, enum ppp_timer t)
{
	struct peer *p = user;

	p->timer_on[t] = false;
}

static void on_random(void *user, void *dst, size_t n)
{
	struct peer *p = user;
	uint8_t *b = dst;

	while (n--)
		*b++ = (uint8_t)next_random(&p->seed);
}

static void on_auth_request(void *user, const struct ppp_auth_request *req)
{
	struct peer *p = user;
	struct ppp_auth_verdict v;
	bool known = strcmp(req->name, p->user) == 0;

	p->nb_asked++;
	p->asked = req;
	if (p->hold_verdict)
		return;
	assert_int_equal(ppp_auth_check(req, known ? p->password : NULL, &v), 0);
	if (p->spoil_keys)
		v.has_keys = false;
	ppp_auth_verdict(&p->link, &v);
}

static void on_authenticated(void *user, const uint8_t hlak[32], bool has_keys)
{
	struct peer *p = user;

	p->nb_authenticated++;
	memcpy(p->hlak, hlak, sizeof(p->hlak));
	p->has_keys = has_keys;
	if (p->conf.server)
		ppp_set_ipv6(&p->link, p->give_ipv6, p->local_id);
	if (p->conf.server && !p->hold_addresses)
		ppp_set_addresses(&p->link, &p->give);
}

static void on_network_up(void *user, const struct ppp_addresses *a)
{
	struct peer *p = user;

	assert_int_equal(p->nb_up, p->nb_down);
	assert_true(p->nb_authenticated > 0);
	p->nb_up++;
	p->agreed = *a;
}

static void on_network_down(void *user)
{
	struct peer *p = user;

	p->nb_down++;
	assert_int_equal(p->nb_up, p->nb_down);
}

static void on_network6_up(void *user, uint64_t local_id, uint64_t remote_id)
{
	struct peer *p = user;

	assert_int_equal(p->nb_up6, p->nb_down6);
	assert_true(p->nb_authenticated > 0);
	assert_true(local_id && local_id != remote_id);
	p->nb_up6++;
	p->local_id = local_id;
	p->remote_id = remote_id;
}

static void on_network6_down(void *user)
{
	struct peer *p = user;

	p->nb_down6++;
	assert_int_equal(p->nb_up6, p->nb_down6);
}

static void on_down(void *user, enum ppp_end why, const char *message)
{
	struct peer *p = user;

	assert_int_equal(p->nb_up, p->nb_down);
	assert_int_equal(p->nb_up6, p->nb_down6);
	assert_int_not_equal(why, PPP_END_NONE);
	for (int t = 0; t < PPP_N_TIMERS; t++)
		assert_false(p->timer_on[t]);
	p->nb_ended++;
	assert_int_equal(p->nb_ended, 1);
	p->why = why;
	snprintf(p->message, sizeof(p->message), "%s", message);
}

const struct ppp_ops peer_ops = {
	.send = on_send,
	.timer_start = on_timer_start,
	.timer_stop = on_timer_stop,
	.random = on_random,
	.auth_request = on_auth_request,
	.authenticated = on_authenticated,
	.network_up = on_network_up,
	.network_down = on_network_down,
	.network6_up = on_network6_up,
	.network6_down = on_network6_down,
	.down = on_down,
};

void peer_make(struct peer *p, bool server, uint64_t seed)
{
	memset(p, 0, sizeof(*p));
	p->seed = seed;
	ppp_conf_default(&p->conf, server);
	p->conf.auth_methods = PPP_AUTH_ALL;
	p->conf.hostname = "culvert";
	p->user = p->conf.user = "User";
	p->password = p->conf.password = "clientPass";
	p->give = (struct ppp_addresses){
		.local = 0x0a000001, .remote = 0x0a000002, .dns = {0x08080808, 0}};
}

void peer_up(struct peer *p)
{
	ppp_init(&p->link, &p->conf, &peer_ops, p);
	ppp_up(&p->link);
}

size_t hex_bytes(const char *hex, uint8_t *out, size_t cap)
{
	size_t n = 0;

	while (*hex) {
		unsigned int v;

		if (isspace((unsigned char)*hex) || *hex == '|') {
			hex++;
			continue;
		}
		assert_int_equal(sscanf(hex, "%2x", &v), 1);
		assert_true(n < cap && isxdigit((unsigned char)hex[1]));
		out[n++] = (uint8_t)v;
		hex += 2;
	}
	return n;
}

void peer_feed_bytes(struct peer *p, const uint8_t *bytes, size_t len)
{
	// On the heap and of the exact size, so that a sanitizer sees the first byte too many.
	uint8_t *copy = malloc(len ? len : 1);

	memcpy(copy, bytes, len);
	ppp_input(&p->link, copy, len);
	free(copy);
}

void peer_feed(struct peer *p, const char *hex)
{
	uint8_t buf[PPP_FRAME_MAX];

	peer_feed_bytes(p, buf, hex_bytes(hex, buf, sizeof(buf)));
}

void peer_feed_packet(struct peer *p, uint16_t proto, uint8_t code, uint8_t id, const char *hex)
{
	uint8_t buf[PPP_FRAME_MAX] = {0xff, 0x03};
	size_t n = hex_bytes(hex, buf + 8, sizeof(buf) - 8);

	wr_put_u16(buf + 2, proto);
	buf[4] = code;
	buf[5] = id;
	wr_put_u16(buf + 6, (uint16_t)(n + 4));
	peer_feed_bytes(p, buf, n + 8);
}

struct peer_frame *peer_take(struct peer *p)
{
	return p->head == p->tail ? NULL : &p->sent[p->head++ % PEER_MAX_FRAMES];
}

void peer_expect(struct peer *p, const char *hex)
{
	struct peer_frame *f = peer_take(p);
	size_t n = 0;

	if (!f)
		fail_msg("nothing was sent; expected %s", hex);
	for (; *hex; hex++) {
		char digits[3] = "";

		if (isspace((unsigned char)*hex) || *hex == '|')
			continue;
		if (*hex == '*')
			return;
		if (n >= f->len)
			fail_msg("frame ends after %zu bytes; expected %s", n, hex);
		snprintf(digits, sizeof(digits), "%02x", f->bytes[n]);
		if (strncmp(hex, "..", 2) != 0 && strncasecmp(hex, digits, 2) != 0)
			fail_msg("byte %zu is %s; expected %s", n, digits, hex);
		hex++;
		n++;
	}
	assert_int_equal(n, f->len);
}

void peer_expect_none(struct peer *p)
{
	struct peer_frame *f = peer_take(p);

	if (f)
		fail_msg("unexpected frame: protocol %02x%02x code %u", f->bytes[2], f->bytes[3],
			f->bytes[4]);
}

void peer_flush(struct peer *p)
{
	p->head = p->tail;
}

void peer_expire(struct peer *p, enum ppp_timer t)
{
	assert_true(p->timer_on[t]);
	p->timer_on[t] = false;
	ppp_timeout(&p->link, t);
}

void peer_ack(struct peer *p, uint16_t proto)
{
	struct peer_frame *f, *last = NULL;
	uint8_t copy[PPP_FRAME_MAX];

	while ((f = peer_take(p)))
		if ((f->bytes[2] << 8 | f->bytes[3]) == proto &&
			f->bytes[4] == PPP_CODE_CONFIGURE_REQUEST)
			last = f;
	assert_non_null(last);
	memcpy(copy, last->bytes, last->len);
	copy[4] = PPP_CODE_CONFIGURE_ACK;
	peer_feed_bytes(p, copy, last->len);
}

void peer_open_lcp(struct peer *p)
{
	char request[32] = "";

	peer_up(p);
	// A client is asked for its strongest method, as a server would.
	if (!p->conf.server && p->conf.auth_methods == PPP_AUTH_PAP)
		strcpy(request, "0304c023");
	else if (!p->conf.server && p->conf.auth_methods == PPP_AUTH_CHAP_MD5)
		strcpy(request, "0305c22305");
	else if (!p->conf.server && p->conf.auth_methods == PPP_AUTH_MSCHAP1)
		strcpy(request, "0305c22380");
	else if (!p->conf.server && p->conf.auth_methods)
		strcpy(request, "0305c22381");
	peer_ack(p, PPP_PROTO_LCP);
	peer_feed_packet(p, PPP_PROTO_LCP, PPP_CODE_CONFIGURE_REQUEST, 1, request);
	assert_int_equal(p->link.lcp.state, PPP_FSM_OPENED);
}
