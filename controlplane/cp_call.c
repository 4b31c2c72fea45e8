// SPDX-License-Identifier: BSD-3-Clause
// The SSTP call of a session and its PPP link, joined: frames, authentication, addresses, data.
#define LOG_TYPE "cp.call"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/secret.h"
#include "controlplane/cp_ip6.h"
#include "controlplane/cp_policy.h"
#include "controlplane/cp_session.h"
#include "controlplane/pack.h"

#define LCP_LOG_BURST 20

const char *cp_ip_text(uint32_t addr, char dst[INET_ADDRSTRLEN])
{
	struct in_addr a = {.s_addr = htonl(addr)};

	return inet_ntop(AF_INET, &a, dst, INET_ADDRSTRLEN);
}

const char *cp_prefix_text(const struct config_prefix *p, char *dst, size_t cap)
{
	bool is_v4 = IN6_IS_ADDR_V4MAPPED(&p->addr) && p->plen >= 96;
	char ip[INET6_ADDRSTRLEN];

	inet_ntop(is_v4 ? AF_INET : AF_INET6, &p->addr.s6_addr[is_v4 ? 12 : 0], ip, sizeof(ip));
	snprintf(dst, cap, "%s/%u", ip, p->plen - (is_v4 ? 96u : 0u));
	return dst;
}

uint64_t cp_hash(const char *p, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); // FNV-1a

	while (n--)
		h = (h ^ (uint8_t)*p++) * UINT64_C(0x100000001b3);
	return h ^ h >> 32;
}

static void random_bytes(void *dst, size_t n)
{
	uint8_t *p = dst;

	while (n) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort(); // no call is safe without
		p += got;
		n -= (size_t)got;
	}
}

// PPP ended, or was about to: that is why whatever else ends now.
void cp_call_why(struct cp_session *s)
{
	if (s->call && s->call->ppp.end != PPP_END_NONE)
		cp_session_why(s, ppp_end_text((enum ppp_end)s->call->ppp.end), NULL);
}

// -- data --

void cp_call_close_data(struct cp_session *s)
{
	struct cp *cp = s->cp;

	if (s->published)
		dp_address_withdraw(cp->ch, s->addr);
	s->published = false;
	cp_ip6_close(s);
	cp_policy_close(s);
	if (!s->data_open)
		return;
	s->data_open = false;
	cp_out_send(cp, cp_out_begin(cp, DP_CMD_CLOSE_DATA, s->handle));
}

static struct dp_mp agreed_mp(const struct cp_call *c)
{
	struct ppp_multilink m;

	ppp_multilink(&c->ppp, &m);
	return (struct dp_mp){
		.tx_mrru = m.tx_mrru,
		.rx_mrru = m.rx_mrru,
		.flags = (uint8_t)((m.tx_short ? DP_MP_TX_SHORT : 0) |
				   (m.rx_short ? DP_MP_RX_SHORT : 0)),
	};
}

// The client's packets may come in fragments from here on, NCPs' as well.
static void on_ppp_lcp_up(void *user)
{
	struct cp_call *c = user;
	struct cp_session *s = c->s;
	struct dp_msg *m;

	if (!s->cp->limits.ppp.mrru)
		return;
	m = cp_out_begin(s->cp, DP_CMD_SET_MP, s->handle);
	m->u.mp = agreed_mp(c);
	if (m->u.mp.tx_mrru || m->u.mp.rx_mrru)
		SLOG_RATE(LOG_INFO, LCP_LOG_BURST, s, "multilink tx_mrru=%u rx_mrru=%u%s%s",
			m->u.mp.tx_mrru, m->u.mp.rx_mrru,
			m->u.mp.flags & DP_MP_TX_SHORT ? " tx_short" : "",
			m->u.mp.flags & DP_MP_RX_SHORT ? " rx_short" : "");
	cp_out_send(s->cp, m);
}

static struct dp_rate rate_of(const struct config_rate *r)
{
	return (struct dp_rate){.bps = r->bps,
		.burst_bps = r->burst_bps,
		.threshold_bps = r->threshold_bps,
		.time_s = r->time_s};
}

// What a worker does for the session, beyond its addresses.
static void open_policy(struct dp_msg *m, const struct users_grant *g)
{
	m->u.open.rate_rx = rate_of(&g->rate_rx);
	m->u.open.rate_tx = rate_of(&g->rate_tx);
	m->u.open.limit_rx = g->limit_rx;
	m->u.open.limit_tx = g->limit_tx;
	m->u.open.idle_ms = g->idle_timeout_s < UINT32_MAX / 1000 ? g->idle_timeout_s * 1000 : 0;
	m->u.open.filter = g->filter;
	m->u.open.address_list = g->address_list;
}

static int publish(struct cp_session *s)
{
	bool wanted = s->call->network_up && !s->published;
	char inner[INET_ADDRSTRLEN];
	int rc = wanted ? dp_address_publish(s->cp->ch, s->addr, s->handle) : 0;

	// Routes first: one of them may be the session's own prefix.
	if (rc) {
		SLOG(LOG_ERR, s, "address=%s cannot be published: %s", cp_ip_text(s->addr, inner),
			log_strerror(rc));
		return rc;
	}
	s->published = s->call->network_up;
	return cp_policy_open(s);
}

// Returns the MTU of the link.
static uint16_t send_open(struct cp_session *s)
{
	struct cp_call *c = s->call;
	struct dp_msg *m = cp_out_begin(s->cp, DP_CMD_OPEN_DATA, s->handle);
	uint16_t mtu = ppp_mtu(&c->ppp), most;

	if (c->network_up) {
		m->u.open.inner = s->addr;
		m->u.open.local = c->local;
	}
	m->u.open.mtu = mtu;
	m->u.open.mp = agreed_mp(c);
	most = m->u.open.mp.tx_mrru > mtu ? m->u.open.mp.tx_mrru : mtu;
	m->u.open.mss_clamp = c->grant.change_tcp_mss && most > 40 ? (uint16_t)(most - 40) : 0;
	cp_ip6_fill(s, m, most);
	open_policy(m, &c->grant);
	cp_out_send(s->cp, m);
	s->data_open = true;
	c->reopen = false;
	return mtu;
}

static void open_data(struct cp_session *s)
{
	struct cp_call *c = s->call;
	char inner[INET_ADDRSTRLEN], local[INET_ADDRSTRLEN];
	bool again = s->data_open;
	uint16_t mtu;

	// First: the answer to what the client sent meanwhile may come as soon as that is let
	// through.
	if (publish(s)) {
		cp_session_broken(s->cp, s->handle, "data cannot be opened");
		return;
	}
	mtu = send_open(s);
	cp_ip6_open(s);
	cp_session_is_up(s);
	if (again)
		return;
	SLOG(LOG_INFO, s, "up address=%s local=%s mtu=%u auth=%s setup_ms=%.0f",
		cp_ip_text(c->network_up ? s->addr : 0, inner), cp_ip_text(c->local, local), mtu,
		ppp_auth_name(c->ppp.auth), (ev_now(s->cp->loop) - s->began) * 1000);
}

// -- callbacks of the PPP link --

static void on_ppp_send(void *user, const uint8_t *frame, size_t len)
{
	struct cp_call *c = user;

	// The call may be past PPP already: then the frame has nowhere to go.
	sstp_send_ppp(&c->sstp, frame, len);
}

static void timer_start(struct cp_call *c, ev_timer *w, uint32_t ms)
{
	ev_timer_stop(c->s->cp->loop, w);
	ev_timer_set(w, ms / 1000.0, 0);
	ev_timer_start(c->s->cp->loop, w);
}

static void on_ppp_timer_start(void *user, enum ppp_timer t, uint32_t ms)
{
	struct cp_call *c = user;

	timer_start(c, &c->ppp_timer[t], ms);
}

static void on_ppp_timer_stop(void *user, enum ppp_timer t)
{
	struct cp_call *c = user;

	ev_timer_stop(c->s->cp->loop, &c->ppp_timer[t]);
}

static void on_random(void *user, void *dst, size_t n)
{
	random_bytes(dst, n);
}

static void on_auth_request(void *user, const struct ppp_auth_request *req)
{
	struct cp_call *c = user;

	cp_auth_request(c->s, req);
}

static void on_authenticated(void *user, const uint8_t hlak[32], bool has_keys)
{
	struct cp_call *c = user;

	sstp_authenticated(&c->sstp, hlak);
	if (!c->note_closed && !c->s->addr)
		cp_address_assign(c->s);
}

static void on_network_up(void *user, const struct ppp_addresses *a)
{
	struct cp_call *c = user;

	if (!a->remote || a->remote != c->s->addr) {
		cp_session_broken(c->s->cp, c->s->handle, "IPCP agreed on another address");
		return;
	}
	c->local = a->local;
	c->network_up = c->reopen = true;
}

// One of the two went: the other goes on.
static void lost_network(struct cp_call *c)
{
	struct cp_session *s = c->s;

	if (!c->network_up && !cp_ip6_is_up(s)) {
		cp_call_close_data(s);
		return;
	}
	if (!c->network_up && s->published) {
		dp_address_withdraw(s->cp->ch, s->addr);
		s->published = false;
	}
	c->reopen = true;
}

static void on_network_down(void *user)
{
	struct cp_call *c = user;

	c->network_up = false;
	lost_network(c);
}

static void on_network6_up(void *user, uint64_t local_id, uint64_t remote_id)
{
	struct cp_call *c = user;

	cp_ip6_up(c->s, local_id, remote_id);
	c->reopen = true;
}

static void on_network6_down(void *user)
{
	struct cp_call *c = user;

	cp_ip6_down(c->s);
	lost_network(c);
}

static void on_ppp_down(void *user, enum ppp_end why, const char *message)
{
	struct cp_call *c = user;

	cp_session_why(c->s, ppp_end_text(why), message);
	c->ppp_over = true;
	c->note_ppp_down = true;
	c->network_up = false;
	cp_ip6_down(c->s);
	cp_call_close_data(c->s);
}

static const struct ppp_ops ppp_ops = {
	.send = on_ppp_send,
	.timer_start = on_ppp_timer_start,
	.timer_stop = on_ppp_timer_stop,
	.random = on_random,
	.auth_request = on_auth_request,
	.authenticated = on_authenticated,
	.network_up = on_network_up,
	.network_down = on_network_down,
	.network6_up = on_network6_up,
	.network6_down = on_network6_down,
	.lcp_up = on_ppp_lcp_up,
	.down = on_ppp_down,
};

// -- callbacks of the SSTP call --

static void on_sstp_send(void *user, const uint8_t *pkt, size_t len)
{
	struct cp_call *c = user;

	cp_session_send(c->s, pkt, len);
}

static void on_sstp_timer_start(void *user, enum sstp_timer t, uint32_t ms)
{
	struct cp_call *c = user;

	timer_start(c, &c->sstp_timer[t], ms);
}

static void on_sstp_timer_stop(void *user, enum sstp_timer t)
{
	struct cp_call *c = user;

	ev_timer_stop(c->s->cp->loop, &c->sstp_timer[t]);
}

static void on_sstp_ppp_up(void *user)
{
	struct cp_call *c = user;

	c->note_ppp_up = true;
}

static void on_sstp_ppp_frame(void *user, const uint8_t *frame, size_t len)
{
	struct cp_call *c = user;

	c->frame = frame;
	c->frame_len = len;
}

static void on_call_connected(void *user)
{
	struct cp_call *c = user;
	struct cp_session *s = c->s;
	struct dp_msg *m;

	c->connected = true;
	SLOG(LOG_INFO, s, "sstp connected hash=%s",
		c->hash == CERT_HASH_PROTOCOL_SHA256 ? "sha256" : "sha1");
	m = cp_out_begin(s->cp, DP_CMD_SET_HELLO, s->handle);
	m->u.hello.interval_ms = s->cp->limits.hello_ms;
	cp_out_send(s->cp, m);
}

static void on_sstp_closed(void *user, enum sstp_end why, uint32_t status, bool flush)
{
	struct cp_call *c = user;

	cp_call_why(c->s);
	cp_session_why(c->s, sstp_end_text(why), status ? sstp_status_name(status) : NULL);
	c->note_closed = true;
	c->flush = flush;
}

static const struct sstp_ops sstp_ops = {
	.send = on_sstp_send,
	.timer_start = on_sstp_timer_start,
	.timer_stop = on_sstp_timer_stop,
	.ppp_up = on_sstp_ppp_up,
	.ppp_frame = on_sstp_ppp_frame,
	.call_connected = on_call_connected,
	.closed = on_sstp_closed,
};

// -- timers --

static void on_sstp_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cp_call *c = w->data;

	sstp_timeout(&c->sstp, (enum sstp_timer)(w - c->sstp_timer));
	cp_call_settle(c->s);
}

static void on_ppp_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cp_call *c = w->data;

	ppp_timeout(&c->ppp, (enum ppp_timer)(w - c->ppp_timer));
	cp_call_settle(c->s);
}

// -- life --

void cp_call_watch(struct cp_call *c)
{
	for (unsigned int i = 0; i < SSTP_N_TIMERS; i++) {
		ev_timer_init(&c->sstp_timer[i], on_sstp_timer, 0, 0);
		c->sstp_timer[i].data = c;
	}
	for (unsigned int i = 0; i < PPP_N_TIMERS; i++) {
		ev_timer_init(&c->ppp_timer[i], on_ppp_timer, 0, 0);
		c->ppp_timer[i].data = c;
	}
	cp_auth_watch(c);
}

int cp_call_start(struct cp_session *s)
{
	struct cp *cp = s->cp;
	struct sstp_params p = cp->limits.sstp;
	struct cp_call *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->s = s;
	cp_call_watch(c);
	s->call = c;
	s->stage = CP_STAGE_CALL;
	ev_timer_stop(cp->loop, &s->setup->timer);
	ev_timer_set(&s->setup->timer, cp->limits.setup_s, 0);
	ev_timer_start(cp->loop, &s->setup->timer);
	random_bytes(p.nonce, sizeof(p.nonce));
	memcpy(p.cert_sha1, s->setup->cert_sha1, sizeof(p.cert_sha1));
	memcpy(p.cert_sha256, s->setup->cert_sha256, sizeof(p.cert_sha256));
	ppp_init(&c->ppp, &cp->limits.ppp, &ppp_ops, c);
	sstp_server_start(&c->sstp, &sstp_ops, c, &p);
	return 0;
}

void cp_call_free(struct cp_session *s)
{
	struct cp_call *c = s->call;

	pack_free(s->idle, s->idle_len);
	s->idle = NULL;
	if (!c)
		return;
	cp_auth_cancel(s);
	for (unsigned int i = 0; i < SSTP_N_TIMERS; i++)
		ev_timer_stop(s->cp->loop, &c->sstp_timer[i]);
	for (unsigned int i = 0; i < PPP_N_TIMERS; i++)
		ev_timer_stop(s->cp->loop, &c->ppp_timer[i]);
	ppp_free(&c->ppp);
	sstp_free(&c->sstp);
	s->call = NULL;
	free(c);
}

static bool may_open(const struct cp_session *s)
{
	const struct cp_call *c = s->call;

	return c->connected && (c->network_up || (cp_ip6_is_up(s) && !ppp_ipv4_pending(&c->ppp)));
}

// What the callbacks noted, most final first. Returns false when there was nothing to do.
static bool settle_one(struct cp_session *s)
{
	struct cp_call *c = s->call;

	if (c->note_closed) {
		cp_session_close(s, !c->flush);
		return true;
	}
	if (c->note_ppp_up) {
		c->note_ppp_up = false;
		ppp_up(&c->ppp);
		return true;
	}
	if (c->frame) {
		const uint8_t *frame = c->frame;

		c->frame = NULL;
		if (!c->ppp_over)
			ppp_input(&c->ppp, frame, c->frame_len);
		return true;
	}
	if (c->note_ppp_down) {
		c->note_ppp_down = false;
		sstp_disconnect(&c->sstp);
		return true;
	}
	if (c->sstp.state != SSTP_STATE_SERVER_CALL_CONNECTED) {
		cp_call_close_data(s);
	} else if (may_open(s) && (!s->data_open || c->reopen)) {
		open_data(s);
		return true;
	}
	return false;
}

void cp_call_settle(struct cp_session *s)
{
	for (;;) {
		if (s->broken && s->stage != CP_STAGE_CLOSING)
			cp_session_close(s, true);
		if (!s->call || !settle_one(s))
			break;
	}
	// A frame borrows the event that brought it.
	if (s->call) {
		s->call->frame = NULL;
		cp_auth_settle(s);
		cp_auth_hold_negotiation(s->call);
	}
	cp_call_rest(s);
}

void cp_call_packet(struct cp_session *s, const uint8_t *pkt, size_t len)
{
	struct cp_call *c;

	// A call at rest need not be woken for these.
	if (s->ip6 && cp_ip6_packet(s, pkt, len))
		return;
	c = cp_call_wake(s);
	if (!c || c->note_closed || len < SSTP_HDR_LEN || len > SSTP_MAX_PACKET)
		return;
	if (len == SSTP_CALL_CONNECTED_LEN && (pkt[1] & 1) && pkt[5] == SSTP_MSG_CALL_CONNECTED)
		c->hash = pkt[15];
	sstp_input(&c->sstp, pkt, len);
	cp_call_settle(s);
}

void cp_call_undelineable(struct cp_session *s)
{
	struct cp_call *c = cp_call_wake(s);

	if (!c || c->note_closed)
		return;
	sstp_undelineable(&c->sstp);
	cp_call_settle(s);
}

void cp_call_hello_expired(struct cp_session *s, uint32_t intervals)
{
	struct cp_call *c = cp_call_wake(s);

	if (!c || c->note_closed)
		return;
	sstp_hello_expired(&c->sstp, intervals);
	cp_call_settle(s);
}

void cp_call_disconnect(struct cp_session *s)
{
	struct cp_call *c = cp_call_wake(s);

	if (!c || c->note_closed)
		return;
	sstp_disconnect(&c->sstp);
	cp_call_settle(s);
}
