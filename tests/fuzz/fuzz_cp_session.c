// SPDX-License-Identifier: BSD-3-Clause
// The control plane under any sequence of events: each input is a list of them, whole packets and
// frames with bytes of the input's choosing. Afterwards every connection is closed, and nothing may
// be left. TLS is skipped: its handshake has a state of its own that no input could follow.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "controlplane/cp_core.h"
#include "controlplane/cp_policy.h"
#include "controlplane/cp_session.h"
#include "tests/unit/fake_assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define N_CONNS 8
#define MAX_EVENTS 400

struct conn {
	dp_handle handle; // 0: none
	bool closing;
	uint8_t request[300]; // the last Configure-Request that was sent, as an SSTP packet
	size_t request_len;
	uint64_t raw, plain;
};

struct dp_chan {
	int fd;
	unsigned int in_use, fail_allocs;
	bool full;
	uint32_t addr[64];
	unsigned int nb_addrs, nb_prefixes;
	struct dp_msg *ev[N_CONNS * 2 + 4];
	unsigned int nb_ev;
};

static struct dp_chan ch;
static struct conn conn[N_CONNS];
static struct cp *cp;
static uint32_t generation;

// -- dp_msg.h --

unsigned int dp_chan_nb_workers(const struct dp_chan *c)
{
	return 2;
}

struct dp_msg *dp_msg_alloc(struct dp_chan *c, unsigned int type, dp_handle h)
{
	struct dp_msg *m;

	if (c->fail_allocs) {
		c->fail_allocs--;
		return NULL;
	}
	m = malloc(sizeof(*m));
	fake_assert(m);
	memset(m, 0, offsetof(struct dp_msg, data));
	m->type = (uint16_t)type;
	m->handle = h;
	c->in_use++;
	return m;
}

void dp_msg_free(struct dp_chan *c, struct dp_msg *m)
{
	c->in_use--;
	free(m);
}

static struct conn *conn_of(dp_handle h)
{
	for (unsigned int i = 0; i < N_CONNS; i++)
		if (h && conn[i].handle == h)
			return &conn[i];
	return NULL;
}

int dp_send_command(struct dp_chan *c, struct dp_msg *m)
{
	struct conn *n = conn_of(m->handle);

	if (c->full)
		return -ENOBUFS;
	fake_assert(m->len <= DP_MSG_DATA_MAX);
	if (n && m->type == DP_CMD_CLOSE)
		n->closing = true;
	// Header 4, FF 03, protocol 2, code: a Configure-Request of LCP or IPCP.
	if (n && m->type == DP_CMD_SEND_APP && m->len > 12 && m->len < sizeof(n->request) &&
		m->data[1] == 0 && m->data[8] == 1) {
		memcpy(n->request, m->data, m->len);
		n->request_len = m->len;
	}
	dp_msg_free(c, m);
	return 0;
}

unsigned int dp_recv_events(struct dp_chan *c, struct dp_msg **m, unsigned int n)
{
	unsigned int got = c->nb_ev;

	fake_assert(got <= n);
	memcpy(m, c->ev, got * sizeof(*m));
	c->nb_ev = 0;
	return got;
}

int dp_event_fd(const struct dp_chan *c)
{
	return c->fd;
}

bool dp_arm(struct dp_chan *c)
{
	return true;
}

void dp_disarm(struct dp_chan *c)
{
}

int dp_address_publish(struct dp_chan *c, uint32_t addr, dp_handle h)
{
	for (unsigned int i = 0; i < c->nb_addrs; i++)
		fake_assert(c->addr[i] != addr);
	fake_assert(c->nb_addrs < 64);
	c->addr[c->nb_addrs++] = addr;
	return 0;
}

int dp_address_withdraw(struct dp_chan *c, uint32_t addr)
{
	for (unsigned int i = 0; i < c->nb_addrs; i++) {
		if (c->addr[i] != addr)
			continue;
		c->addr[i] = c->addr[--c->nb_addrs];
		return 0;
	}
	fake_assert(!"withdrawn address was not published");
	return -ENOENT;
}

int dp_prefix_publish(struct dp_chan *c, const struct in6_addr *prefix, uint8_t plen,
	uint32_t metric, dp_handle h)
{
	c->nb_prefixes++;
	return 0;
}

int dp_prefix_withdraw(struct dp_chan *c, const struct in6_addr *prefix, uint8_t plen, dp_handle h)
{
	fake_assert(c->nb_prefixes);
	c->nb_prefixes--;
	return 0;
}

int dp_local_address_add(struct dp_chan *c, uint32_t addr)
{
	return 0;
}

int dp_pool_range_add(struct dp_chan *c, uint32_t first, uint32_t last)
{
	return 0;
}

const char *dp_event_name(unsigned int type)
{
	return "event";
}

const char *dp_command_name(unsigned int type)
{
	return "command";
}

const char *dp_reason_text(unsigned int reason)
{
	return "reason";
}

// -- a back end that takes its time, when it is told to --

static bool slow;
static struct users_answer pending[N_CONNS];
static uint64_t pending_id[N_CONNS];

static bool check(void *user, const struct users_query *q, struct users_answer *a)
{
	if (!slow)
		return users_check(user, q, a);
	for (unsigned int i = 0; i < N_CONNS; i++) {
		if (pending_id[i])
			continue;
		pending_id[i] = q->id;
		pending[i] = (struct users_answer){0};
		users_check(user, q, &pending[i]);
		users_store_get(&pending[i].store, 8);
		return false;
	}
	return users_check(user, q, a);
}

// Late ones as well: some of them are nobody's any more.
static void answer(unsigned int i)
{
	uint64_t id = pending_id[i];

	if (!id)
		return;
	pending_id[i] = 0;
	cp_auth_answer(cp, id, &pending[i]);
	cp_poll(cp, false);
}

// -- set-up, once --

static const char *make_cert(void)
{
	static char path[] = "/tmp/fuzz-cp-XXXXXX";
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");

	fake_assert(key && cert && f);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	fake_assert(X509_sign(cert, key, EVP_sha256()));
	fake_assert(PEM_write_X509(f, cert));
	fake_assert(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
	fclose(f);
	X509_free(cert);
	EVP_PKEY_free(key);
	return path;
}

static void set_up(void)
{
	static const char rest[] =
		"  authentication: pap\n"
		"dataplane:\n"
		"  ports:\n"
		"    access: { device: net_null0, address: 192.0.2.1/24 }\n"
		"    core: { device: net_null1, address: 198.51.100.1/24 }\n"
		"ip-pools: { clients: 10.0.0.2-10.0.0.5 }\n"
		"ppp-profiles:\n"
		"  default: { local-address: 10.0.0.1, remote-address: clients }\n"
		"  one: { only-one: replace, session-timeout: 60 }\n"
		"ppp-secrets:\n"
		"  - { name: bob, password: pw }\n"
		"  - { name: eve, password: pw, profile: one, routes: [10.7.0.0/16, 10.8.0.0/16] "
		"}\n";
	const char *cert = make_cert();
	struct config *conf;
	char yaml[1024], err[256] = "";
	int n = snprintf(yaml, sizeof(yaml), "sstp-server:\n  enabled: yes\n  certificate: %s\n%s",
		cert, rest);

	log_set_level("err");
	conf = config_parse("fuzz", yaml, (size_t)n, false, stderr);
	fake_assert(conf);
	ch.fd = eventfd(0, EFD_NONBLOCK);
	cp = cp_create(conf, &ch, err, sizeof(err));
	fake_assert(cp);
	cp->users.check = check;
	cp->limits.max_half_open = N_CONNS - 2;
	cp->out.session_max = 4096;
	unlink(cert);
}

// -- events --

static void deliver(struct dp_msg *m)
{
	ch.ev[ch.nb_ev++] = m;
	cp_poll(cp, false);
}

static struct dp_msg *event(struct conn *n, unsigned int type, const void *p, size_t len)
{
	unsigned int keep = ch.fail_allocs;
	struct dp_msg *m;

	ch.fail_allocs = 0;
	m = dp_msg_alloc(&ch, type, n->handle);
	ch.fail_allocs = keep;
	m->worker = (uint16_t)(n->handle >> 56);
	m->len = len < DP_MSG_DATA_MAX ? (uint32_t)len : DP_MSG_DATA_MAX;
	if (m->len)
		memcpy(m->data, p, m->len);
	return m;
}

static void accept_conn(struct conn *n)
{
	uint32_t slot = (uint32_t)(n - conn) + 1;

	if (n->handle)
		return;
	*n = (struct conn){
		.handle = (dp_handle)(slot & 1) << 56 | (dp_handle)slot << 32 | ++generation};
	deliver(event(n, DP_EV_ACCEPTED, NULL, 0));
}

static void close_conn(struct conn *n)
{
	if (!n->handle)
		return;
	deliver(event(n, DP_EV_CLOSED, NULL, 0));
	fake_assert(!cp_table_find(&cp->table, n->handle));
	n->handle = 0;
}

// As if the handshake were over and the worker had the keys.
static void skip_tls(struct conn *n)
{
	struct cp_session *s = cp_table_find(&cp->table, n->handle);

	if (s && s->stage <= CP_STAGE_TLS)
		s->stage = CP_STAGE_HTTP;
}

static void plain(struct conn *n, const void *p, size_t len)
{
	struct dp_msg *m = event(n, DP_EV_RX_PLAIN, p, len);

	m->u.rx.offset = n->plain;
	n->plain += m->len;
	deliver(m);
}

static void sstp(struct conn *n, bool control, const uint8_t *p, size_t len)
{
	uint8_t pkt[1024];

	len = len < sizeof(pkt) - 4 ? len : sizeof(pkt) - 4;
	sstp_put_hdr(pkt, control, (uint16_t)(len + 4));
	if (len)
		memcpy(pkt + 4, p, len);
	if (control && len < 4)
		return; // a worker would not have delineated it
	deliver(event(n, DP_EV_RX_SSTP, pkt, len + 4));
}

// Agree to what was asked for last.
static void acknowledge(struct conn *n)
{
	uint8_t pkt[sizeof(n->request)];

	if (!n->request_len)
		return;
	memcpy(pkt, n->request, n->request_len);
	pkt[8] = 2;
	deliver(event(n, DP_EV_RX_SSTP, pkt, n->request_len));
}

// A Call Connected as the peer owes it after PAP.
static void bind_call(struct conn *n)
{
	static const uint8_t hlak[SSTP_HLAK_LEN];
	struct cp_session *s = cp_table_find(&cp->table, n->handle);
	uint8_t pkt[SSTP_CALL_CONNECTED_LEN] = {0x10, 1, 0, SSTP_CALL_CONNECTED_LEN, 0,
		SSTP_MSG_CALL_CONNECTED, 0, 1, 0, SSTP_ATTRIB_CRYPTO_BINDING, 0, 104, 0, 0, 0,
		CERT_HASH_PROTOCOL_SHA256};

	if (!s || !s->call)
		return;
	memcpy(pkt + 16, s->call->sstp.p.nonce, SSTP_NONCE_LEN);
	memcpy(pkt + 48, s->call->sstp.p.cert_sha256, 32);
	fake_assert(!sstp_compound_mac(pkt, CERT_HASH_PROTOCOL_SHA256, hlak, pkt + 80));
	deliver(event(n, DP_EV_RX_SSTP, pkt, sizeof(pkt)));
}

static void fire(struct conn *n, uint8_t which)
{
	struct cp_session *s = cp_table_find(&cp->table, n->handle);
	ev_timer *w;

	if (which >= 16 && (which & 1))
		answer(which / 2 % N_CONNS);
	if (!s)
		return;
	if (which == 16 && s->policy)
		w = &s->policy->session;
	else if (which == 18 && s->policy)
		w = &s->policy->hurry;
	else if (which == 20 && s->call)
		w = &s->call->auth_timer;
	else if (!s->setup)
		return;
	else
		w = !s->call || which == 0 ? &s->setup->timer
		    : which < 3            ? &s->call->sstp_timer[which - 1]
					   : &s->call->ppp_timer[(which - 3) % PPP_N_TIMERS];
	if (ev_is_active(w)) {
		ev_feed_event(cp->loop, w, EV_TIMER);
		cp_poll(cp, false);
	}
}

static void other(struct conn *n, uint8_t what, uint8_t arg)
{
	static const uint8_t types[] = {DP_EV_PEER_CLOSED, DP_EV_HELLO_EXPIRED, DP_EV_KEY_UPDATE,
		DP_EV_KEY_LIMIT, DP_EV_SSTP_UNDELINEABLE, DP_EV_STATS, DP_EV_TX_PLAIN, DP_N_EVENTS,
		DP_EV_LIMIT, DP_EV_IDLE};
	struct dp_msg *m = event(n, types[what < 16 ? what % 8 : 8 + what % 2], NULL, 0);

	if (m->type == DP_EV_HELLO_EXPIRED)
		m->u.hello.intervals = arg & 3;
	deliver(m);
}

static const char request[] =
	"SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\nHost: x\r\n"
	"Content-Length: 18446744073709551615\r\n\r\n";

// One event: what, which connection, and bytes. Returns how much of the input it took.
static size_t one_event(const uint8_t *p, size_t n)
{
	struct conn *c = &conn[p[1] % N_CONNS];
	size_t len = p[2];
	const uint8_t *bytes = p + 3;
	struct dp_msg *m;

	if (len > n - 3)
		len = n - 3;
	switch (p[0] % 12) {
	case 0:
		accept_conn(c);
		break;
	case 1:
		skip_tls(c);
		plain(c, request, sizeof(request) - 1);
		break;
	case 2:
		skip_tls(c);
		plain(c, bytes, len);
		break;
	case 3:
		sstp(c, true, bytes, len);
		break;
	case 4:
		sstp(c, false, bytes, len);
		break;
	case 5:
		if (p[0] / 12 & 1)
			bind_call(c);
		else
			acknowledge(c);
		break;
	case 6:
		other(c, p[0] / 12, len ? bytes[0] : 0);
		break;
	case 7:
		fire(c, p[0] / 12);
		break;
	case 8:
		close_conn(c);
		break;
	case 9:
		ch.fail_allocs = p[0] / 12;
		ch.full = p[1] & 1;
		slow = p[1] & 2;
		break;
	case 10:
		m = event(c, DP_EV_RX_RAW, bytes, len);
		m->u.rx.offset = c->raw;
		c->raw += len;
		deliver(m);
		break;
	case 11:
		// Out of order, or told again.
		m = event(c, p[0] / 12 & 1 ? DP_EV_RX_PLAIN : DP_EV_RX_RAW, bytes, len);
		m->u.rx.offset = p[0] / 24;
		deliver(m);
		break;
	}
	return 3 + len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!cp)
		set_up();
	for (unsigned int i = 0; size >= 3 && i < MAX_EVENTS; i++) {
		size_t n = one_event(data, size);

		data += n;
		size -= n;
	}
	ch.fail_allocs = 0;
	ch.full = slow = false;
	cp_poll(cp, false);
	for (unsigned int i = 0; i < N_CONNS; i++) {
		struct cp_session *s = cp_table_find(&cp->table, conn[i].handle);

		// A connection without a session was refused, and told so.
		fake_assert(!conn[i].handle || s || conn[i].closing);
		fake_assert(!s || (s->stage == CP_STAGE_CLOSING) == conn[i].closing);
		close_conn(&conn[i]);
	}
	for (unsigned int i = 0; i < N_CONNS; i++)
		answer(i);
	cp_poll(cp, false);
	fake_assert(!ch.nb_prefixes && !cp->accounts.nb_sessions);
	fake_assert(!cp->nb_sessions && !cp->nb_half_open && !cp->nb_up);
	fake_assert(!cp->out.bytes && !cp->table.nb_close_owed && !ch.in_use && !ch.nb_addrs);
	fake_assert(pools_taken(cp->pools) == 0);
	return 0;
}
