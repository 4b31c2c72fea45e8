// SPDX-License-Identifier: BSD-3-Clause
// What SSTP's and PPP's state machines of a call ask for.
#include <stdlib.h>
#include <string.h>
#include <openssl/rand.h>

#include "client/call_internal.h"

// --- SSTP's callbacks ---

static void on_sstp_send(void *user, const uint8_t *pkt, size_t len)
{
	memcpy(call_tx_reserve(user, len), pkt, len);
}

static void on_sstp_timer_start(void *user, enum sstp_timer t, uint32_t ms)
{
	call_timer_set(user, CALL_TIMER_SSTP_NEGOTIATION + (unsigned int)t, ms);
}

static void on_sstp_timer_stop(void *user, enum sstp_timer t)
{
	call_timer_clear(user, CALL_TIMER_SSTP_NEGOTIATION + (unsigned int)t);
}

static void on_sstp_ppp_up(void *user)
{
	struct call *c = user;

	if (c->phase == CALL_PHASE_SSTP)
		c->phase = CALL_PHASE_AUTH;
	ppp_up(&c->ppp);
}

static void go_up(struct call *c)
{
	struct call_info info = {
		.addr = c->network ? c->ppp.addr : (struct ppp_addresses){0},
		.local_id = c->network6 ? c->ppp.ip6.local_id : 0,
		.mtu = call_mtu(c),
		.auth = c->ppp.auth,
		.tls_version = c->tls_version,
		.cipher = c->cipher,
		.records = c->tls.records ? rec_backend_name(c->conf.records) : "openssl",
	};

	if (!c->connected || !(c->network || c->network6) || call_ending(c))
		return;
	if (c->phase == CALL_PHASE_UP) {
		if (c->network) // it came back
			call_timer_clear(c, CALL_TIMER_SETUP);
		if (c->ops->more)
			c->ops->more(c->user, &info);
		return;
	}
	if (!c->network && ppp_ipv4_pending(&c->ppp))
		return;
	call_timer_clear(c, CALL_TIMER_SETUP);
	c->phase = CALL_PHASE_UP;
	c->ops->up(c->user, &info);
}

// IPv6 may have waited for IPv4, which is not to be.
static void settle_ppp(struct call *c)
{
	if (c->phase == CALL_PHASE_NETWORK && c->network6)
		go_up(c);
}

static void on_sstp_ppp_frame(void *user, const uint8_t *frame, size_t len)
{
	struct call *c = user;

	ppp_input(&c->ppp, frame, len);
	settle_ppp(c);
}

void call_ppp_timeout(struct call *c, enum ppp_timer t)
{
	ppp_timeout(&c->ppp, t);
	settle_ppp(c);
}

static void on_sstp_connected(void *user)
{
	struct call *c = user;

	c->connected = true;
	go_up(c);
}

static void on_sstp_closed(void *user, enum sstp_end why, uint32_t status, bool flush)
{
	struct call *c = user;

	call_note_sstp_end(c, why, status);
	call_finish(c);
}

const struct sstp_ops call_sstp_ops = {
	.send = on_sstp_send,
	.timer_start = on_sstp_timer_start,
	.timer_stop = on_sstp_timer_stop,
	.ppp_up = on_sstp_ppp_up,
	.ppp_frame = on_sstp_ppp_frame,
	.call_connected = on_sstp_connected,
	.closed = on_sstp_closed,
};

// --- PPP's callbacks ---

static void end_call(struct call *c, enum call_end why, const char *reason)
{
	call_note_end(c, why, "%s", reason);
	call_start_closing(c);
	sstp_disconnect(&c->sstp);
}

static void on_ppp_send(void *user, const uint8_t *frame, size_t len)
{
	struct call *c = user;

	sstp_send_ppp(&c->sstp, frame, len);
}

static void on_ppp_timer_start(void *user, enum ppp_timer t, uint32_t ms)
{
	call_timer_set(user, CALL_TIMER_PPP + (unsigned int)t, ms);
}

static void on_ppp_timer_stop(void *user, enum ppp_timer t)
{
	call_timer_clear(user, CALL_TIMER_PPP + (unsigned int)t);
}

static void on_ppp_random(void *user, void *dst, size_t n)
{
	// Without randomness there is no challenge worth sending; OpenSSL's generator does not fail
	// once seeded.
	if (RAND_bytes(dst, (int)n) != 1)
		abort();
}

// RFC 8200 5: IPv6 needs a link that takes so much.
#define IPV6_MTU 1280

static bool has_room_for_ip6(const struct call *c)
{
	return call_mtu(c) >= IPV6_MTU;
}

static void on_ppp_lcp_up(void *user)
{
	struct call *c = user;
	bool room;

	call_mp_start(c);
	room = has_room_for_ip6(c) || c->conf.ipv6 == PPP_IPV6_REQUIRED;
	ppp_set_ipv6(&c->ppp, room ? c->conf.ipv6 : PPP_IPV6_NO, 0);
}

static void on_ppp_authenticated(void *user, const uint8_t hlak[32], bool has_keys)
{
	struct call *c = user;

	if (call_ending(c) || c->conf.stall == CALL_STALL_NO_CALL_CONNECTED)
		return;
	c->phase = CALL_PHASE_NETWORK;
	call_timer_set(c, CALL_TIMER_SETUP, c->conf.network_ms);
	sstp_authenticated(&c->sstp, hlak);
}

static void on_ppp_network_up(void *user, const struct ppp_addresses *a)
{
	struct call *c = user;

	// As this end's own it would swallow what goes to the server.
	if (c->conf.outer_address && a->local == c->conf.outer_address) {
		end_call(c, CALL_END_ADDRESS, "address: the server gives the one it is dialed by");
		return;
	}
	c->network = true;
	go_up(c);
}

// An address is renewed once in a while. Who does so all the time keeps this end busy, and its
// programs and its log with it.
#define AGAIN_MS 60000
#define AGAIN_MAX 10

static bool goes_on_and_on(struct call *c)
{
	if (c->now_ms - c->again_since_ms > AGAIN_MS) {
		c->again_since_ms = c->now_ms;
		c->nb_again = 0;
	}
	if (++c->nb_again <= AGAIN_MAX)
		return false;
	end_call(c, CALL_END_SERVER, "the server negotiates the addresses all the time");
	return true;
}

static void on_ppp_network_down(void *user)
{
	struct call *c = user;

	c->network = false;
	if (c->phase != CALL_PHASE_UP)
		return;
	// The server terminated the link: it goes on with Call Disconnect, or down() does.
	if (c->ppp.phase == PPP_PHASE_TERMINATE) {
		call_note_ppp_end(c, (enum ppp_end)c->ppp.end, c->ppp.message);
		call_start_closing(c);
		return;
	}
	if (goes_on_and_on(c))
		return;
	// IPCP may open again, with the same address or another: until then no IPv4 passes.
	call_timer_set(c, CALL_TIMER_SETUP, c->conf.network_ms);
}

static void on_ppp_network6_up(void *user, uint64_t local_id, uint64_t remote_id)
{
	struct call *c = user;

	if (!has_room_for_ip6(c)) {
		end_call(c, CALL_END_PPP,
			"PPP: IPv6 needs packets of 1280 bytes, the server takes less");
		return;
	}
	c->network6 = true;
	go_up(c);
}

static void on_ppp_network6_down(void *user)
{
	struct call *c = user;

	c->network6 = false;
	if (c->phase != CALL_PHASE_UP || goes_on_and_on(c) || c->network)
		return;
	end_call(c, CALL_END_SERVER, "the server ended IPv6");
}

static void on_ppp_down(void *user, enum ppp_end why, const char *message)
{
	struct call *c = user;

	call_note_ppp_end(c, why, message);
	call_start_closing(c);
	sstp_disconnect(&c->sstp);
}

const struct ppp_ops call_ppp_ops = {
	.send = on_ppp_send,
	.timer_start = on_ppp_timer_start,
	.timer_stop = on_ppp_timer_stop,
	.random = on_ppp_random,
	.lcp_up = on_ppp_lcp_up,
	.authenticated = on_ppp_authenticated,
	.network_up = on_ppp_network_up,
	.network_down = on_ppp_network_down,
	.network6_up = on_ppp_network6_up,
	.network6_down = on_ppp_network6_down,
	.down = on_ppp_down,
};
