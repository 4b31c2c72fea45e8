// SPDX-License-Identifier: BSD-3-Clause
#include "ppp_fuzz.h"

#include "protocol/ppp/ppp_internal.h"
#include "tests/fuzz/fuzz_util.h"

static uint8_t next_random(struct fuzz_link *f)
{
	f->seed = f->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint8_t)(f->seed >> 56);
}

static void note_request(struct fuzz_link *f, const uint8_t *frame, size_t len)
{
	uint16_t proto = (uint16_t)(frame[2] << 8 | frame[3]);
	int which = proto == PPP_PROTO_IPCP ? 1 : proto == PPP_PROTO_IPV6CP ? 2 : 0;

	if ((!which && proto != PPP_PROTO_LCP) || frame[4] != PPP_CODE_CONFIGURE_REQUEST)
		return;
	MUST(len <= sizeof(f->last_request[which]));
	memcpy(f->last_request[which], frame, len);
	f->last_len[which] = len;
}

static void on_send(void *user, const uint8_t *frame, size_t len)
{
	struct fuzz_link *f = user;

	MUST(!f->ended);
	MUST(len >= 8 && len <= PPP_FRAME_MAX);
	MUST(frame[0] == 0xff && frame[1] == 0x03);
	MUST((size_t)(frame[6] << 8 | frame[7]) == len - 4);
	f->nb_sent++;
	note_request(f, frame, len);
}

static void on_timer_start(void *user, enum ppp_timer t, uint32_t ms)
{
	struct fuzz_link *f = user;

	MUST(!f->ended && t < PPP_N_TIMERS && ms > 0);
	f->timer_on[t] = true;
}

static void on_timer_stop(void *user, enum ppp_timer t)
{
	struct fuzz_link *f = user;

	f->timer_on[t] = false;
}

static void on_random(void *user, void *dst, size_t n)
{
	struct fuzz_link *f = user;
	uint8_t *b = dst;

	while (n--)
		*b++ = next_random(f);
}

void fuzz_link_verdict(struct fuzz_link *f, bool ok)
{
	struct ppp_auth_verdict v;

	if (!f->asked)
		return;
	f->asked = false;
	MUST(ppp_auth_check(f->req, "clientPass", &v) == 0);
	v.ok &= ok;
	if (v.ok)
		f->accepted = true;
	ppp_auth_verdict(&f->link, &v);
}

static void on_auth_request(void *user, const struct ppp_auth_request *req)
{
	struct fuzz_link *f = user;

	MUST(f->link.conf.server);
	MUST(req->name[req->name_len] == '\0');
	MUST(req->challenge_len <= PPP_CHALLENGE_MAX);
	f->req = req;
	f->asked = true;
	if (!f->hold_verdict)
		fuzz_link_verdict(f, true);
}

static void on_authenticated(void *user, const uint8_t hlak[32], bool has_keys)
{
	struct fuzz_link *f = user;
	static const uint8_t zero[PPP_HLAK_LEN];

	MUST(++f->nb_authenticated == 1);
	MUST(!f->link.conf.server || !f->link.auth || f->accepted);
	MUST(has_keys == (f->link.auth == PPP_AUTH_MSCHAP2));
	MUST(has_keys || memcmp(hlak, zero, sizeof(zero)) == 0);
	if (f->link.conf.server)
		ppp_set_addresses(&f->link, &(struct ppp_addresses){.local = 0x0a000001,
						    .remote = f->no_ip4 ? 0 : 0x0a000002,
						    .dns = {0x0a000001, 0x08080808}});
}

static void on_network_up(void *user, const struct ppp_addresses *a)
{
	struct fuzz_link *f = user;

	MUST(f->nb_authenticated == 1 && f->nb_up == f->nb_down);
	MUST(!f->link.conf.server || a->remote == 0x0a000002);
	MUST(f->link.conf.server || a->local);
	f->nb_up++;
}

static void on_network_down(void *user)
{
	struct fuzz_link *f = user;

	f->nb_down++;
	MUST(f->nb_up == f->nb_down);
}

static void on_network6_up(void *user, uint64_t local_id, uint64_t remote_id)
{
	struct fuzz_link *f = user;

	MUST(f->nb_authenticated == 1 && f->nb_up6 == f->nb_down6);
	MUST(f->link.conf.ipv6 != PPP_IPV6_NO);
	MUST(local_id && local_id != remote_id);
	f->nb_up6++;
}

static void on_network6_down(void *user)
{
	struct fuzz_link *f = user;

	f->nb_down6++;
	MUST(f->nb_up6 == f->nb_down6);
}

static void on_down(void *user, enum ppp_end why, const char *message)
{
	struct fuzz_link *f = user;

	MUST(!f->ended && f->nb_up == f->nb_down && f->nb_up6 == f->nb_down6);
	MUST(why > PPP_END_NONE && why < PPP_N_ENDS);
	MUST(strlen(message) < sizeof(f->link.message));
	for (int t = 0; t < PPP_N_TIMERS; t++)
		MUST(!f->timer_on[t]);
	f->ended = true;
}

static const struct ppp_ops ops = {
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

void fuzz_link_make(struct fuzz_link *f, bool server, uint32_t methods)
{
	struct ppp_conf conf;

	memset(f, 0, sizeof(*f));
	ppp_conf_default(&conf, server);
	f->no_ip4 = methods & FUZZ_NO_IPV4;
	conf.auth_methods = methods & PPP_AUTH_ALL;
	conf.ipv6 = methods & FUZZ_IPV6_REQUIRED ? PPP_IPV6_REQUIRED
		    : methods & FUZZ_IPV6_YES    ? PPP_IPV6_YES
						 : PPP_IPV6_NO;
	conf.mrru = methods & FUZZ_MRRU ? 1600 : 0;
	conf.short_seq = true;
	conf.echo_interval_ms = 10000;
	conf.max_auth_retries = 1;
	conf.hostname = "culvert";
	conf.user = "User";
	conf.password = "clientPass";
	ppp_init(&f->link, &conf, &ops, f);
	ppp_up(&f->link);
}

void fuzz_link_input(struct fuzz_link *f, const uint8_t *frame, size_t len)
{
	uint8_t *copy = fuzz_copy(frame, len);

	ppp_input(&f->link, copy, len);
	free(copy);
}

void fuzz_link_packet(struct fuzz_link *f, uint16_t proto, const uint8_t *packet, size_t len)
{
	uint8_t frame[PPP_FRAME_MAX] = {0xff, 0x03};

	if (len > PPP_INFO_MAX)
		len = PPP_INFO_MAX;
	wr_put_u16(frame + 2, proto);
	if (len)
		memcpy(frame + PPP_HEADER_LEN, packet, len);
	fuzz_link_input(f, frame, PPP_HEADER_LEN + len);
}

void fuzz_link_ack(struct fuzz_link *f, int which)
{
	uint8_t ack[sizeof(f->last_request[0])];

	memcpy(ack, f->last_request[which], f->last_len[which]);
	if (!f->last_len[which])
		return;
	ack[4] = PPP_CODE_CONFIGURE_ACK;
	fuzz_link_input(f, ack, f->last_len[which]);
}

void fuzz_link_open(struct fuzz_link *f)
{
	static const uint8_t options[][9] = {
		[PPP_AUTH_PAP] = {1, 1, 0, 8, 3, 4, 0xc0, 0x23},
		[PPP_AUTH_CHAP_MD5] = {1, 1, 0, 9, 3, 5, 0xc2, 0x23, 5},
		[PPP_AUTH_MSCHAP1] = {1, 1, 0, 9, 3, 5, 0xc2, 0x23, 128},
		[PPP_AUTH_MSCHAP2] = {1, 1, 0, 9, 3, 5, 0xc2, 0x23, 129},
	};
	static const uint8_t nothing[] = {1, 1, 0, 4};
	uint32_t method = ppp_auth_strongest(f->link.conf.auth_methods);

	fuzz_link_ack(f, 0);
	if (f->link.conf.server || !method)
		fuzz_link_packet(f, PPP_PROTO_LCP, nothing, sizeof(nothing));
	else
		fuzz_link_packet(f, PPP_PROTO_LCP, options[method], options[method][3]);
}

// Server: the peer's response; client: the server's success.
static void prove_chap(struct fuzz_link *f, struct writer *w)
{
	const struct ppp_auth_state *as = &f->link.as;
	uint8_t hash[16], value[49] = {0};
	char text[43];

	mschap_nt_password_hash("clientPass", hash);
	if (!f->link.conf.server) {
		wr_u8(w, 3);
		wr_u8(w, as->req.id);
		wr_u16(w, 46);
		mschap2_authenticator_response(hash, as->nt_response, as->peer_challenge,
			as->req.challenge, "User", 4, text);
		wr_bytes(w, text, 42);
		return;
	}
	wr_u8(w, 2);
	wr_u8(w, as->id);
	if (f->link.auth == PPP_AUTH_CHAP_MD5) {
		wr_u16(w, 25);
		wr_u8(w, 16);
		ppp_chap_md5(as->id, "clientPass", as->req.challenge, as->req.challenge_len, value);
		wr_bytes(w, value, 16);
	} else {
		wr_u16(w, 58);
		wr_u8(w, 49);
		if (f->link.auth == PPP_AUTH_MSCHAP1)
			mschap_challenge_response(as->req.challenge, hash, value + 24);
		else
			mschap2_nt_response(as->req.challenge, value, "User", 4, hash, value + 24);
		value[48] = f->link.auth == PPP_AUTH_MSCHAP1;
		wr_bytes(w, value, 49);
	}
	wr_bytes(w, "User", 4);
}

void fuzz_link_prove(struct fuzz_link *f)
{
	uint8_t buf[128];
	struct writer w = writer_make(buf, sizeof(buf));

	if (f->link.auth == PPP_AUTH_PAP) {
		wr_u8(&w, f->link.conf.server ? 1 : 2);
		wr_u8(&w, f->link.conf.server ? 1 : f->link.as.id);
		wr_u16(&w, f->link.conf.server ? 20 : 5);
		wr_bytes(&w, f->link.conf.server ? "\4User\12clientPass" : "",
			f->link.conf.server ? 16 : 1);
		fuzz_link_packet(f, PPP_PROTO_PAP, buf, wr_len(&w));
	} else if (f->link.auth) {
		prove_chap(f, &w);
		fuzz_link_packet(f, PPP_PROTO_CHAP, buf, wr_len(&w));
	}
}

void fuzz_link_timeout(struct fuzz_link *f, enum ppp_timer t)
{
	if (!f->timer_on[t])
		return;
	f->timer_on[t] = false;
	ppp_timeout(&f->link, t);
}

// In a state that waits for the peer alone, a timer runs; nothing hangs for ever.
static void check_timers(const struct fuzz_link *f)
{
	const struct ppp_link *l = &f->link;
	bool negotiating = l->lcp.state >= PPP_FSM_CLOSING && l->lcp.state <= PPP_FSM_ACK_SENT;

	if (f->ended)
		return;
	MUST(f->timer_on[PPP_TIMER_LCP] == negotiating);
	MUST(negotiating || l->lcp.state == PPP_FSM_OPENED);
	if (l->phase == PPP_PHASE_AUTHENTICATE)
		MUST(f->timer_on[PPP_TIMER_AUTH] != (l->conf.server && l->as.pending));
	if (l->phase == PPP_PHASE_NETWORK) {
		bool open4 = l->ipcp.state == PPP_FSM_OPENED;
		bool open6 = l->ipv6cp.state == PPP_FSM_OPENED;

		MUST(open4 || open6 || f->timer_on[PPP_TIMER_IPCP] ||
			f->timer_on[PPP_TIMER_IPV6CP]);
		MUST(!(open4 && f->timer_on[PPP_TIMER_IPCP]));
		MUST(!(open6 && f->timer_on[PPP_TIMER_IPV6CP]));
		MUST(l->conf.ipv6 != PPP_IPV6_NO || l->ipv6cp.state == PPP_FSM_INITIAL);
	}
	MUST(l->network_is_up == (f->nb_up != f->nb_down));
	MUST(l->network6_is_up == (f->nb_up6 != f->nb_down6));
	MUST(ppp_mtu(l) >= PPP_MIN_MRU && ppp_mtu(l) <= PPP_INFO_MAX);
}

void fuzz_link_end(struct fuzz_link *f)
{
	check_timers(f);
	// Left to its timers, a link that waits comes to its end or stays open.
	for (int i = 0; i < 200; i++)
		for (int t = 0; t < PPP_N_TIMERS; t++)
			fuzz_link_timeout(f, (enum ppp_timer)t);
	MUST(f->ended || (f->link.lcp.state == PPP_FSM_OPENED && !f->timer_on[PPP_TIMER_ECHO]));
	ppp_free(&f->link);
}

// The operations of a script: one byte, its low half the operation, its high half the argument.
static void operate(struct fuzz_link *f, uint8_t op, struct cursor *c)
{
	static const uint16_t protocols[16] = {PPP_PROTO_LCP, PPP_PROTO_PAP, PPP_PROTO_CHAP,
		PPP_PROTO_IPCP, PPP_PROTO_CCP, PPP_PROTO_IPV6CP, PPP_PROTO_IPV4, PPP_PROTO_EAP,
		PPP_PROTO_CBCP, PPP_PROTO_ECP, PPP_PROTO_IPV6, PPP_PROTO_MP};
	uint8_t arg = op >> 4;
	struct cursor body;
	uint8_t len;

	switch (op & 15) {
	case 0: // a frame as it is
	case 1: // a packet of the protocol arg
		if (cur_u8(c, &len))
			return;
		if (cur_sub(c, &body, len))
			(void)cur_sub(c, &body, cur_left(c));
		if (op & 1)
			fuzz_link_packet(f, protocols[arg], body.p, cur_left(&body));
		else
			fuzz_link_input(f, body.p, cur_left(&body));
		break;
	case 2:
		fuzz_link_timeout(f, (enum ppp_timer)(arg % PPP_N_TIMERS));
		break;
	case 3:
		fuzz_link_ack(f, arg % 3);
		break;
	case 4:
		fuzz_link_open(f);
		break;
	case 5:
		fuzz_link_prove(f);
		break;
	case 6:
		f->hold_verdict = arg & 1;
		break;
	case 7:
		fuzz_link_verdict(f, arg & 1);
		break;
	case 8:
		ppp_terminate(&f->link, (enum ppp_end)(arg % PPP_N_ENDS), arg & 1 ? "x" : NULL);
		break;
	default:
		break;
	}
}

void fuzz_link_script(struct fuzz_link *f, struct cursor c)
{
	uint8_t op;

	while (!cur_u8(&c, &op)) {
		operate(f, op, &c);
		check_timers(f);
	}
}
